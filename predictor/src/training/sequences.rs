//! The published rule that cuts clips into windows, and the latents of what it asks for.

use mental_pong_base::Monitor;
use sha2::{Digest, Sha256};

use super::clips::Clips;
use crate::encoders::{Encoder, Picture};
use crate::latents::Cache;
use crate::{Error, Result};
use mental_pong_base::Stream;

/// Bytes of decoded frames that are held at once.
const DECODED_BYTES: usize = 256 << 20;
/// Frames that are decoded before their size is known.
const FIRST_FRAMES: usize = 8;

/// The rule of `PhysionDatasetBase.get_seq`: a clip is taken if `frames // subsample ≥ seq_len`; the first
/// frame is uniform over `0 ..= frames − subsample · seq_len` in training and 0 otherwise; from it on
/// every `subsample`-th frame. Of these the first `context + 1` are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) seq_len: usize,
    pub(super) subsample: usize,
    pub(super) context: usize,
}

impl Rule {
    fn span(self) -> usize {
        self.seq_len * self.subsample
    }

    /// Number of first frames that a clip offers; 0 of one that is too short.
    pub(super) fn starts(self, n_frames: usize) -> usize {
        (n_frames + 1).saturating_sub(self.span())
    }

    fn frames(self, start: usize) -> impl Iterator<Item = usize> {
        (0..=self.context).map(move |k| start + k * self.subsample)
    }
}

/// A clip that is long enough.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// Its place in the source.
    pub(super) clip: usize,
    pub(super) id: String,
    pub(super) n_frames: usize,
}

/// Looks at every clip; gives those that are long enough, and how many are not.
pub(super) fn survey(
    clips: &dyn Clips,
    rule: Rule,
    monitor: &dyn Monitor,
) -> Result<(Vec<Taken>, usize)> {
    monitor.stage("looking at the clips", clips.len() as u64);
    let mut taken = Vec::new();
    let mut longest = 0;
    for clip in 0..clips.len() {
        if monitor.stopped() {
            return Err(Error::Interrupted);
        }
        let n_frames = clips.n_frames(clip)?;
        longest = longest.max(n_frames);
        if rule.starts(n_frames) > 0 {
            taken.push(Taken {
                clip,
                id: clips.id(clip),
                n_frames,
            });
        }
        monitor.advance(1);
    }
    if taken.is_empty() {
        return Err(Error::Config {
            place: clips.describe(),
            field: "seq_len, subsample".into(),
            expected: format!(
                "a clip of at least {} frames ({} of every {})",
                rule.span(),
                rule.seq_len,
                rule.subsample
            ),
            found: format!("{} clips, the longest of {longest} frames", clips.len()),
        });
    }
    let short = clips.len() - taken.len();
    Ok((taken, short))
}

/// First frames of one epoch, `[clip]`.
pub(super) fn epoch_starts(taken: &[Taken], rule: Rule, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = Stream::new(seed, "published starts", epoch);
    taken
        .iter()
        .map(|clip| rng.below(rule.starts(clip.n_frames)))
        .collect()
}

/// Latents of all that training will ask a set of clips for.
pub(super) struct Encoded {
    rule: Rule,
    dim: usize,
    /// Whether a latent depends on its own frame alone: then frames are kept, else windows.
    single: bool,
    clips: Vec<ClipLatents>,
}

/// Of one clip: frames (or first frames of windows) in rising order, and their latents.
struct ClipLatents {
    keys: Vec<u32>,
    values: Vec<f32>,
}

/// What is to be encoded of each clip, in rising order: frames, or first frames of windows.
pub(super) struct Needed {
    single: bool,
    /// `[clip][key]`.
    keys: Vec<Vec<u32>>,
}

impl Needed {
    /// What windows that begin at `starts` (`[epoch][clip]`) need.
    pub(super) fn new(
        rule: Rule,
        encoder: &dyn Encoder,
        clips: usize,
        starts: &[Vec<usize>],
    ) -> Self {
        let single = encoder.reach() == 1;
        let keys = (0..clips)
            .map(|clip| {
                let mut keys: Vec<u32> = starts
                    .iter()
                    .flat_map(|epoch| {
                        let start = epoch[clip];
                        let frames = rule.frames(start).take(if single { usize::MAX } else { 1 });
                        frames.map(|frame| frame as u32)
                    })
                    .collect();
                keys.sort_unstable();
                keys.dedup();
                keys
            })
            .collect();
        Self { single, keys }
    }

    fn frames_of_key(&self, rule: Rule) -> usize {
        if self.single { 1 } else { rule.context + 1 }
    }

    /// Frames that are encoded.
    pub(super) fn frames(&self, rule: Rule) -> u64 {
        let keys: usize = self.keys.iter().map(Vec::len).sum();
        (keys * self.frames_of_key(rule)) as u64
    }
}

/// Encodes what is needed of the clips.
pub(super) fn encode(
    clips: &dyn Clips,
    taken: &[Taken],
    needed: &Needed,
    rule: Rule,
    encoder: &dyn Encoder,
    cache: &Cache,
    monitor: &dyn Monitor,
) -> Result<Encoded> {
    let dim = encoder.latent_dim();
    monitor.stage("encoding the clips", needed.frames(rule));
    let mut all = Vec::with_capacity(taken.len());
    for (clip, keys) in taken.iter().zip(&needed.keys) {
        let mut values = Vec::with_capacity(keys.len() * needed.frames_of_key(rule) * dim);
        if needed.single {
            let mut done = 0;
            let mut at_once = FIRST_FRAMES;
            while done < keys.len() {
                if monitor.stopped() {
                    return Err(Error::Interrupted);
                }
                let part = &keys[done..(done + at_once).min(keys.len())];
                let at: Vec<usize> = part.iter().map(|&k| k as usize).collect();
                let pictures = clips.frames(clip.clip, &at)?;
                values.extend(encoded(&pictures, encoder, cache, clip)?);
                done += part.len();
                let bytes = pictures.first().map_or(1, |p| p.pixels().len());
                at_once = (DECODED_BYTES / bytes).clamp(FIRST_FRAMES, 1024);
                monitor.advance(part.len() as u64);
            }
        } else {
            for &start in keys {
                if monitor.stopped() {
                    return Err(Error::Interrupted);
                }
                let at: Vec<usize> = rule.frames(start as usize).collect();
                let pictures = clips.frames(clip.clip, &at)?;
                values.extend(encoded(&pictures, encoder, cache, clip)?);
                monitor.advance(at.len() as u64);
            }
        }
        all.push(ClipLatents {
            keys: keys.clone(),
            values,
        });
    }
    Ok(Encoded {
        rule,
        dim,
        single: needed.single,
        clips: all,
    })
}

fn encoded(
    pictures: &[Picture],
    encoder: &dyn Encoder,
    cache: &Cache,
    clip: &Taken,
) -> Result<Vec<f32>> {
    let views: Vec<&Picture> = pictures.iter().collect();
    let latents = cache.encode_pictures(encoder, &views)?;
    let expected = pictures.len() * encoder.latent_dim();
    if latents.len() != expected {
        return Err(Error::Shape {
            what: "latents of a clip",
            expected: vec![expected],
            found: vec![latents.len()],
        });
    }
    match latents.iter().find(|v| !v.is_finite()) {
        Some(value) => Err(Error::Config {
            place: clip.id.clone(),
            field: "latents".into(),
            expected: "finite numbers from the encoder".into(),
            found: value.to_string(),
        }),
        None => Ok(latents),
    }
}

impl Encoded {
    /// The latent of frame `k` of the window of `clip` that begins at `start`.
    fn latent(&self, clip: usize, start: usize, k: usize) -> Result<&[f32]> {
        let of = &self.clips[clip];
        let (key, inner, row) = if self.single {
            (start + k * self.rule.subsample, 0, self.dim)
        } else {
            (start, k, (self.rule.context + 1) * self.dim)
        };
        let place = of
            .keys
            .binary_search(&(key as u32))
            .map_err(|_| Error::Config {
                place: "clips".into(),
                field: "frame".into(),
                expected: "one that was encoded".into(),
                found: key.to_string(),
            })?;
        let from = place * row + inner * self.dim;
        Ok(&of.values[from..from + self.dim])
    }

    /// Windows `[time, batch, latent]` of (clip, first frame) and the latents after them
    /// `[batch, latent]`.
    pub(super) fn batch(
        &self,
        picked: &[(usize, usize)],
        context: &mut Vec<f32>,
        target: &mut Vec<f32>,
    ) -> Result<()> {
        context.clear();
        target.clear();
        for k in 0..=self.rule.context {
            let to: &mut Vec<f32> = if k < self.rule.context {
                context
            } else {
                target
            };
            for &(clip, start) in picked {
                to.extend_from_slice(self.latent(clip, start, k)?);
            }
        }
        Ok(())
    }

    /// SHA-256 of the clips' names, lengths and latents in the windows at `starts`: what a run was
    /// trained on, however many epochs it has.
    pub(super) fn digest(&self, taken: &[Taken], starts: &[usize]) -> Result<String> {
        let mut hash = Sha256::new();
        for (clip, (about, &start)) in taken.iter().zip(starts).enumerate() {
            hash.update((about.id.len() as u64).to_le_bytes());
            hash.update(about.id.as_bytes());
            hash.update((about.n_frames as u64).to_le_bytes());
            for k in 0..=self.rule.context {
                for value in self.latent(clip, start, k)? {
                    hash.update(value.to_le_bytes());
                }
            }
        }
        Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: Rule = Rule {
        seq_len: 25,
        subsample: 6,
        context: 7,
    };

    // get_seq: len // 6 >= 25; start = randint(0, len - 150 + 1), its end left out.
    #[test]
    fn the_rule_is_the_published_one() {
        assert_eq!(PUBLISHED.starts(149), 0);
        assert_eq!(PUBLISHED.starts(150), 1);
        assert_eq!(PUBLISHED.starts(200), 51);
        let frames: Vec<usize> = PUBLISHED.frames(3).collect();
        assert_eq!(frames, [3, 9, 15, 21, 27, 33, 39, 45]);
        let taken: Vec<Taken> = [150, 155, 400]
            .iter()
            .enumerate()
            .map(|(clip, &n_frames)| Taken {
                clip,
                id: clip.to_string(),
                n_frames,
            })
            .collect();
        let mut seen = [0; 6];
        for epoch in 0..600 {
            let starts = epoch_starts(&taken, PUBLISHED, 1, epoch);
            assert_eq!(starts[0], 0);
            seen[starts[1]] += 1;
            assert!(starts[2] <= 250);
        }
        // Uniform: 100 each, 9 their standard deviation.
        assert!(seen.iter().all(|n| (60..140).contains(n)), "{seen:?}");
    }
}
