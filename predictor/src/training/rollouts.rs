//! Training of dynamics on what a video shows: the module looks for a while, goes blind, looks again. Targets are the
//! encoder's own latents of the same video, and only frames in which the video shows motion are asked for: nothing that an
//! observer does not see goes in. Or, where `revealed` is set, the video with its bodies drawn over the occluders gives the
//! targets: what is shown stays what an observer sees, what is asked for is privileged.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use mental_pong_base::{Monitor, Stream};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::LogRow;
use super::descent::{Descent, Pace};
use super::encoder::config_key;
use super::through_time::{Sequences, Values, loss_and_gradient, loss_only};
use crate::dynamics::{DynamicsConfig, Recurrent};
use crate::encoders::roomnet::{largest_change, small};
use crate::encoders::{Encoder, FRAME_SIZE, RoomNet};
use crate::params::Params;
use crate::playworld::{Layers, Mix, Video};
use crate::{Error, Result};

/// Configuration of the training of dynamics by looking and going blind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutTraining {
    /// Seed of weights and batches.
    pub seed: u64,
    /// Seed of the videos: modules of several seeds learn from the same ones.
    pub video_seed: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Peak learning rate of Adam.
    pub learning_rate: f64,
    /// Sequences in a batch.
    pub batch: usize,
    /// Training videos, 20 frames a second.
    pub videos: usize,
    /// Held-out videos for the validation loss.
    pub validation_videos: usize,
    /// Frames of a sequence.
    pub frames: usize,
    /// Fewest and most frames that are shown first.
    pub look: (usize, usize),
    /// Fewest and most frames that are not shown then.
    pub blind: (usize, usize),
    /// Fewest and most frames that are shown before it goes blind once more.
    pub glimpse: (usize, usize),
    /// Standard deviation of the noise on shown moving latents.
    pub noise: f64,
    /// Standard deviation of the noise on the picture's latents.
    pub picture_noise: f64,
    /// Weight of forecasts of shown frames, beside 1 for those of others.
    pub shown_weight: f64,
    /// Errors beyond this many standard deviations count linearly (pseudo-Huber loss).
    pub huber: f64,
    /// Whether targets come from the video with its bodies drawn over the occluders, and are asked for there too. Without
    /// it a module is never asked where a covered body is, only when it comes out again.
    #[serde(default)]
    pub revealed: bool,
    /// The videos.
    pub playworld: Mix,
    /// Size and equations of the module.
    pub network: DynamicsConfig,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

/// Change of a value, of 1, that counts as motion.
const MOTION: f32 = 0.03;
/// A frame with less motion than this share of its video's median shows a body that is half covered: no target.
const WHOLE: f32 = 0.6;
/// Frames of a video among which a sequence may begin.
const SLACK: usize = 12;
/// Frames with motion that a sequence begins with.
const OPENING: usize = 6;
/// Frames between the pictures whose latents are averaged.
const PICTURES_APART: usize = 16;

/// Latents of a video from a frame with motion on.
struct Sequence {
    /// `[frame, moving latent]`, of what is seen.
    moving: Vec<f32>,
    /// `[frame, moving latent]`, of what is asked for.
    target: Vec<f32>,
    /// `[fixed latent]`.
    fixed: Vec<f32>,
    /// `[frame]`, whether anything is seen to move.
    motion: Vec<bool>,
    /// `[frame]`, whether all of it is seen in the video that gives the targets.
    whole: Vec<bool>,
}

/// Trains dynamics on `encoder`'s latents of playworld in `folder`, resuming a checkpoint that lies there. Gives the
/// parameters and the log. Latents of the videos are kept in `cache`, from which modules of other seeds take them.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it; a checkpoint is then on disk once training began.
pub fn train_rollouts(
    config: &RolloutTraining,
    encoder: &RoomNet,
    folder: &Path,
    cache: &Path,
    monitor: &dyn Monitor,
) -> Result<(Params, Vec<LogRow>)> {
    check(config, encoder)?;
    let key = config_key(&(config, encoder.identity()))?;
    let mut rng = Stream::new(config.seed, "rollout weights", 0);
    let params = Recurrent::init(&config.network, &mut rng)?;
    let descent = Descent::open(folder, key, &params)?;
    if descent.step() >= config.steps {
        return Ok((params, descent.into_log()));
    }
    let of =
        |purpose: &str, count: usize| sequences(config, encoder, purpose, count, cache, monitor);
    let training = of("rollout videos", config.videos)?;
    let held_out = of("rollout validation", config.validation_videos)?;
    monitor.stage("training the dynamics", config.steps);
    let pace = Pace {
        steps: config.steps,
        learning_rate: config.learning_rate,
        checkpoint_every: config.checkpoint_every,
    };
    let loss = |step| {
        let mut rng = Stream::new(config.seed, "rollout batches", step);
        let picked: Vec<&Sequence> = (0..config.batch)
            .map(|_| &training[rng.below(training.len())])
            .collect();
        let batch = Batch::new(config, &picked, &mut rng, true);
        let values = plain(&params)?;
        let huber = config.huber as f32;
        let (loss, gradient) =
            loss_and_gradient(&config.network, &values, &batch.view(picked.len()), huber)?;
        with_gradient(&params, loss, &gradient)
    };
    let validation = || {
        let values = plain(&params)?;
        let (mut sum, mut rng) = (0.0, Stream::new(config.video_seed, "rollout held-out", 0));
        for part in held_out.chunks(config.batch) {
            let picked: Vec<&Sequence> = part.iter().collect();
            let batch = Batch::new(config, &picked, &mut rng, false);
            let view = batch.view(part.len());
            let loss = loss_only(&config.network, &values, &view, config.huber as f32)?;
            sum += loss * part.len() as f64;
        }
        Ok(Some(sum / held_out.len().max(1) as f64))
    };
    let log = descent.run(&pace, &params, monitor, loss, validation)?;
    Ok((params, log))
}

fn check(config: &RolloutTraining, encoder: &RoomNet) -> Result<()> {
    let bad = |field: &str, expected: String, found: String| {
        Err(Error::Config {
            place: "dynamics training".into(),
            field: field.into(),
            expected,
            found,
        })
    };
    let net = encoder.config();
    let latents = (net.moving() + net.still(), net.still());
    let found = (config.network.latent, config.network.fixed);
    if found != latents {
        return bad(
            "network.latent, network.fixed",
            format!("{latents:?}"),
            format!("{found:?}"),
        );
    }
    for (name, (low, high)) in [
        ("look", config.look),
        ("blind", config.blind),
        ("glimpse", config.glimpse),
    ] {
        if low == 0 || low > high {
            return bad(
                name,
                "at least 1, the smaller first".into(),
                format!("{low}, {high}"),
            );
        }
    }
    if config.videos == 0 || config.batch == 0 || config.frames <= config.look.0 + config.blind.0 {
        return bad(
            "videos, batch, frames",
            "at least 1, 1, and look + blind + 1".into(),
            format!("{}, {}, {}", config.videos, config.batch, config.frames),
        );
    }
    Ok(())
}

/// Reads the sequences from `cache`, or makes and keeps them.
fn sequences(
    config: &RolloutTraining,
    encoder: &RoomNet,
    purpose: &str,
    count: usize,
    cache: &Path,
    monitor: &dyn Monitor,
) -> Result<Vec<Sequence>> {
    let made_from = (
        encoder.identity(),
        purpose,
        count,
        config.video_seed,
        config.frames,
        config.revealed,
        &config.playworld,
    );
    let key = config_key(&made_from)?;
    std::fs::create_dir_all(cache).map_err(|e| Error::io(cache, e))?;
    let path = cache.join(format!("latents-{}.safetensors", &key[..16]));
    let (m, f) = (encoder.config().moving(), encoder.config().still());
    if path.exists() {
        return read(&path, config, m, f);
    }
    monitor.stage("encoding playworld", count as u64);
    let all: Vec<Sequence> = (0..count)
        .into_par_iter()
        .map(|index| {
            if monitor.stopped() {
                return Err(Error::Interrupted);
            }
            let sequence = sequence(config, encoder, purpose, index as u64)?;
            monitor.advance(1);
            Ok(sequence)
        })
        .collect::<Result<Vec<Option<Sequence>>>>()?
        .into_iter()
        .flatten()
        .collect();
    write(&path, &all, config, m, f)?;
    Ok(all)
}

/// The sequence of a video; none where too little of it shows motion to begin with.
fn sequence(
    config: &RolloutTraining,
    encoder: &RoomNet,
    purpose: &str,
    index: u64,
) -> Result<Option<Sequence>> {
    let length = config.frames + SLACK + 1;
    let video = Video::simulate(config.video_seed, purpose, index, length, &config.playworld);
    let drawn = |layers| -> Vec<Vec<f32>> {
        (video.render_each(0..length, FRAME_SIZE, layers))
            .map(|frame| small(frame.rgb()))
            .collect()
    };
    let frames = drawn(Layers::Seen);
    let moves = |frames: &[Vec<f32>], t: usize| largest_change(&frames[t - 1], &frames[t]) > MOTION;
    let Some(start) =
        (1..=SLACK + 1).find(|&s| (s..s + OPENING).all(|t| moves(frames.as_slice(), t)))
    else {
        return Ok(None);
    };
    let range = start..start + config.frames;
    let revealed =
        (config.revealed && !video.scene.occluders.is_empty()).then(|| drawn(Layers::Revealed));
    let asked = revealed.as_ref().unwrap_or(&frames);
    let encoded = |frames: &[Vec<f32>]| {
        let pairs: Vec<(&[f32], &[f32])> = (range.clone())
            .map(|t| (frames[t - 1].as_slice(), frames[t].as_slice()))
            .collect();
        encoder.encode_changes(&pairs)
    };
    let moving = encoded(&frames)?;
    let target = match &revealed {
        Some(frames) => encoded(frames)?,
        None => moving.clone(),
    };
    let motion = range.clone().map(|t| moves(&frames, t)).collect();
    let whole = whole(asked, range.clone(), |t| moves(asked, t));
    let pictures: Vec<&[f32]> = (range.step_by(PICTURES_APART))
        .map(|t| frames[t].as_slice())
        .collect();
    let still = encoder.encode_pictures_small(&pictures)?;
    let f = encoder.config().still();
    let fixed = (0..f)
        .map(|k| still.iter().skip(k).step_by(f).sum::<f32>() / pictures.len() as f32)
        .collect();
    Ok(Some(Sequence {
        moving,
        target,
        fixed,
        motion,
        whole,
    }))
}

/// In which frames of `range` no part of what moves is covered: those with much of the usual change.
fn whole(
    frames: &[Vec<f32>],
    range: std::ops::Range<usize>,
    moves: impl Fn(usize) -> bool,
) -> Vec<bool> {
    let amount: Vec<(bool, f32)> = range
        .map(|t| {
            let pairs = frames[t - 1].iter().zip(&frames[t]);
            (moves(t), pairs.map(|(a, b)| (a - b).abs()).sum())
        })
        .collect();
    let moving = amount.iter().filter(|(motion, _)| *motion);
    let mut seen: Vec<f32> = moving.map(|(_, amount)| *amount).collect();
    seen.sort_by(f32::total_cmp);
    let median = seen.get(seen.len() / 2).copied().unwrap_or(0.0);
    (amount.iter())
        .map(|(motion, amount)| *motion && *amount > WHOLE * median)
        .collect()
}

fn write(
    path: &Path,
    all: &[Sequence],
    config: &RolloutTraining,
    m: usize,
    f: usize,
) -> Result<()> {
    let gather = |part: &dyn Fn(&Sequence) -> Vec<f32>, shape: &[usize]| -> Result<Tensor> {
        let values: Vec<f32> = all.iter().flat_map(part).collect();
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    };
    let flags = |s: &Sequence| -> Vec<f32> {
        let flag =
            |(motion, whole): (&bool, &bool)| f32::from(u8::from(*motion) + 2 * u8::from(*whole));
        s.motion.iter().zip(&s.whole).map(flag).collect()
    };
    let (n, frames) = (all.len(), config.frames);
    let mut tensors: BTreeMap<String, Tensor> = [
        ("moving", gather(&|s| s.moving.clone(), &[n, frames, m])?),
        ("fixed", gather(&|s| s.fixed.clone(), &[n, f])?),
        ("flags", gather(&flags, &[n, frames])?),
    ]
    .map(|(name, t)| (name.to_string(), t))
    .into();
    if config.revealed {
        let target = gather(&|s| s.target.clone(), &[n, frames, m])?;
        tensors.insert("target".into(), target);
    }
    let bytes = crate::weights::to_bytes(&tensors, &[])?;
    mental_pong_base::files::write_atomic(path, |out| out.write_all(&bytes))?;
    Ok(())
}

fn read(path: &Path, config: &RolloutTraining, m: usize, f: usize) -> Result<Vec<Sequence>> {
    let frames = config.frames;
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let (tensors, _) = crate::weights::from_bytes(path, &bytes)?;
    let get = |name: &str, row: usize| -> Result<Vec<f32>> {
        let tensor = tensors
            .get(name)
            .filter(|t| t.elem_count().is_multiple_of(row));
        let tensor = tensor.ok_or_else(|| Error::Weights {
            path: path.into(),
            tensor: name.into(),
            expected: format!("rows of {row} (delete the file to make it again)"),
            found: "another tensor, or none".into(),
        })?;
        Ok(tensor.flatten_all()?.to_vec1()?)
    };
    let (moving, fixed) = (get("moving", frames * m)?, get("fixed", f)?);
    let flags = get("flags", frames)?;
    let target = if config.revealed {
        get("target", frames * m)?
    } else {
        moving.clone()
    };
    Ok(moving
        .chunks_exact(frames * m)
        .zip(target.chunks_exact(frames * m))
        .zip(fixed.chunks_exact(f))
        .zip(flags.chunks_exact(frames))
        .map(|(((moving, target), fixed), flags)| Sequence {
            moving: moving.to_vec(),
            target: target.to_vec(),
            fixed: fixed.to_vec(),
            motion: flags.iter().map(|v| *v == 1.0 || *v > 2.5).collect(),
            whole: flags.iter().map(|v| *v > 1.5).collect(),
        })
        .collect())
}

/// A batch laid out in time.
struct Batch {
    shown: Vec<f32>,
    target: Vec<f32>,
    fixed: Vec<f32>,
    open: Vec<bool>,
    weight: Vec<f32>,
}

impl Batch {
    fn new(config: &RolloutTraining, picked: &[&Sequence], rng: &mut Stream, noisy: bool) -> Self {
        let (n, time) = (picked.len(), config.frames);
        let f = config.network.fixed;
        let m = config.network.latent - f;
        let mut batch = Self {
            shown: vec![0.0; time * n * m],
            target: vec![0.0; time * n * m],
            fixed: Vec::with_capacity(n * f),
            open: vec![false; time * n],
            weight: vec![0.0; time * n],
        };
        for (b, sequence) in picked.iter().enumerate() {
            let open = plan(config, rng);
            for t in 0..time {
                let from = t * m..(t + 1) * m;
                let at = (t * n + b) * m;
                batch.target[at..at + m].copy_from_slice(&sequence.target[from.clone()]);
                batch.shown[at..at + m].copy_from_slice(&sequence.moving[from]);
                let open = open[t] && sequence.motion[t];
                batch.open[t * n + b] = open;
                batch.weight[t * n + b] = match (sequence.whole[t], open) {
                    (false, _) => 0.0,
                    (true, true) => config.shown_weight as f32,
                    (true, false) => 1.0,
                };
            }
            let noise = if noisy { config.picture_noise } else { 0.0 };
            let noisy = sequence
                .fixed
                .iter()
                .map(|v| v + (noise * rng.normal()) as f32);
            batch.fixed.extend(noisy);
        }
        if noisy && config.noise > 0.0 {
            for v in &mut batch.shown {
                *v += (config.noise * rng.normal()) as f32;
            }
        }
        batch
    }

    fn view(&self, batch: usize) -> Sequences<'_> {
        Sequences {
            shown: &self.shown,
            target: &self.target,
            fixed: &self.fixed,
            open: &self.open,
            weight: &self.weight,
            batch,
        }
    }
}

/// Which frames a sequence shows: it looks, goes blind, glimpses, goes blind.
fn plan(config: &RolloutTraining, rng: &mut Stream) -> Vec<bool> {
    let mut open = Vec::with_capacity(config.frames);
    let mut length = |(low, high): (usize, usize)| low + rng.below(high - low + 1);
    let mut next = (config.look, true);
    while open.len() < config.frames {
        let n = length(next.0).min(config.frames - open.len());
        open.extend(std::iter::repeat_n(next.1, n));
        next = if next.1 {
            (config.blind, false)
        } else {
            (config.glimpse, true)
        };
    }
    open
}

fn plain(params: &Params) -> Result<Values> {
    params
        .iter()
        .map(|(name, var)| Ok((name.clone(), var.as_tensor().flatten_all()?.to_vec1()?)))
        .collect()
}

/// A scalar of value `loss` whose gradient is `gradient`.
fn with_gradient(params: &Params, loss: f64, gradient: &Values) -> Result<Tensor> {
    let mut sum = Tensor::new(0.0_f32, &Device::Cpu)?;
    for (name, var) in params.iter() {
        if let Some(values) = gradient.get(name) {
            let tensor = Tensor::from_slice(values, var.shape(), &Device::Cpu)?;
            sum = (sum + (var.as_tensor() * tensor)?.sum_all()?)?;
        }
    }
    let value = sum.detach();
    Ok(((sum - value)? + loss)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamics::{CellKind, Rollout, Skip};
    use crate::encoders::RoomNetConfig;
    use crate::playworld::RoomMix;

    fn encoder() -> RoomNet {
        let config = RoomNetConfig {
            channels: 3,
            maps: 2,
            motion: 2,
            side: 1,
            scene: 1,
            hidden: 3,
        };
        let params = RoomNet::init(&config, &mut Stream::new(1, "test", 0)).unwrap();
        RoomNet::new(config, &params, "test".into()).unwrap()
    }

    fn config() -> RolloutTraining {
        RolloutTraining {
            seed: 3,
            video_seed: 1,
            steps: 6,
            learning_rate: 0.01,
            batch: 3,
            videos: 6,
            validation_videos: 3,
            frames: 10,
            look: (3, 4),
            blind: (2, 5),
            glimpse: (1, 2),
            noise: 0.05,
            picture_noise: 0.05,
            shown_weight: 0.3,
            huber: 0.5,
            revealed: false,
            playworld: Mix {
                rooms: Some(RoomMix {
                    at_edge: 0.5,
                    inside: 0.4,
                    areas: 0.5,
                    bands: 0.3,
                    blocks: 0.3,
                }),
                gravity: 0.0,
                ..Mix::FULL
            },
            network: DynamicsConfig {
                cell: CellKind::Gru,
                latent: 11,
                fixed: 5,
                hidden: 6,
                dt_over_tau: 0.1,
                skip: Skip::Last(0.2),
                rollout: Rollout::Carried,
            },
            checkpoint_every: 4,
        }
    }

    /// Asks to stop after so many pieces of work.
    struct StopAfter(std::sync::atomic::AtomicU64);

    impl Monitor for StopAfter {
        fn advance(&self, n: u64) {
            use std::sync::atomic::Ordering::SeqCst;
            self.0.store(self.0.load(SeqCst).saturating_sub(n), SeqCst);
        }

        fn stopped(&self) -> bool {
            self.0.load(std::sync::atomic::Ordering::SeqCst) == 0
        }
    }

    #[test]
    fn resumed_equals_uninterrupted_and_another_seed_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let train = |config: &RolloutTraining, name: &str, monitor: &dyn Monitor| {
            let folder = dir.path().join(name);
            train_rollouts(
                config,
                &encoder(),
                &folder,
                &dir.path().join("cache"),
                monitor,
            )
        };
        let bytes = |params: &Params| crate::weights::to_bytes(&params.tensors(), &[]).unwrap();
        let (whole, log) = train(&config(), "whole", &mental_pong_base::Quiet).unwrap();
        assert_eq!(log.last().unwrap().step, 6);
        let stop = StopAfter(3.into());
        let error = train(&config(), "parts", &stop).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
        let (parts, again) = train(&config(), "parts", &mental_pong_base::Quiet).unwrap();
        // The log is the one of a run that nothing stopped.
        assert_eq!(format!("{again:?}"), format!("{log:?}"));
        assert_eq!(bytes(&whole), bytes(&parts));
        let other = RolloutTraining {
            seed: 4,
            ..config()
        };
        let (other, _) = train(&other, "other", &mental_pong_base::Quiet).unwrap();
        assert_ne!(bytes(&whole), bytes(&other));
    }

    /// Blind frames in which the body is covered: with privileged targets they are scored against where it is, without them
    /// not at all; what is shown is the same.
    #[test]
    fn covered_bodies_are_scored_where_they_are_with_privileged_targets_and_not_at_all_without() {
        let of = |revealed: bool| RolloutTraining {
            revealed,
            frames: 40,
            look: (5, 5),
            blind: (35, 35),
            ..config()
        };
        let (plain, told) = (of(false), of(true));
        let encoder = encoder();
        let mut covered_frames = 0;
        for index in 0..40 {
            let sequences =
                [&plain, &told].map(|config| sequence(config, &encoder, "test", index).unwrap());
            let [Some(plain_sequence), Some(told_sequence)] = sequences else {
                continue;
            };
            assert_eq!(plain_sequence.moving, told_sequence.moving);
            assert_eq!(plain_sequence.moving, plain_sequence.target);
            let weights = |config: &RolloutTraining, sequence: &Sequence| {
                let mut rng = Stream::new(1, "test", 0);
                Batch::new(config, &[sequence], &mut rng, false).weight
            };
            let (without, with) = (
                weights(&plain, &plain_sequence),
                weights(&told, &told_sequence),
            );
            let m = encoder.config().moving();
            let latents = |all: &[f32], t: usize| all[t * m..(t + 1) * m].to_vec();
            for t in 5..40 {
                let covered = !plain_sequence.motion[t] && told_sequence.whole[t];
                if covered {
                    covered_frames += 1;
                    assert_eq!(
                        (without[t], with[t]),
                        (0.0, 1.0),
                        "video {index}, frame {t}"
                    );
                    let (seen, asked) = (
                        latents(&told_sequence.moving, t),
                        latents(&told_sequence.target, t),
                    );
                    assert_ne!(seen, asked, "video {index}, frame {t}");
                }
            }
        }
        assert!(covered_frames > 20, "{covered_frames}");
    }

    /// What the training runs is what [`Recurrent::unroll`] runs: the loss of its forecasts is the same.
    #[test]
    fn the_rollout_trained_is_the_rollout_used() {
        let config = config();
        let net = &config.network;
        for cell in [CellKind::Ctrnn, CellKind::Lstm, CellKind::Gru] {
            let net = DynamicsConfig {
                cell,
                ..net.clone()
            };
            let params = Recurrent::init(&net, &mut Stream::new(5, "test", 0)).unwrap();
            let module = Recurrent::new(net.clone(), &params).unwrap();
            let mut rng = Stream::new(6, "test", 0);
            let (time, m, f) = (9, 6, 5);
            let moving: Vec<f32> = (0..time * m).map(|_| rng.normal() as f32).collect();
            let fixed: Vec<f32> = (0..f).map(|_| rng.normal() as f32).collect();
            let open: Vec<bool> = (0..time).map(|t| t < 4).collect();
            let weight: Vec<f32> = (0..time).map(|t| f32::from(u8::from(t >= 4))).collect();
            let batch = Sequences {
                shown: &moving,
                target: &moving,
                fixed: &fixed,
                open: &open,
                weight: &weight,
                batch: 1,
            };
            let own = loss_only(&net, &plain(&params).unwrap(), &batch, 1000.0).unwrap();
            let context: Vec<f32> = (moving.chunks(m).take(4))
                .flat_map(|row| row.iter().chain(&fixed).copied())
                .collect();
            let context = Tensor::from_vec(context, (1, 4, m + f), &Device::Cpu).unwrap();
            let ahead = module.unroll(&context, time - 4).unwrap().rollout;
            let ahead: Vec<f32> = ahead.flatten_all().unwrap().to_vec1().unwrap();
            let mut square = 0.0;
            for (row, target) in ahead.chunks(m + f).zip(moving.chunks(m).skip(4)) {
                assert_eq!(row[m..], fixed[..], "the fixed latents are held");
                square += (row.iter().zip(target))
                    .map(|(a, b)| f64::from(a - b).powi(2))
                    .sum::<f64>();
            }
            let square = square / ((time - 4) * m) as f64;
            assert!(
                (own - square).abs() < 1e-2 * square,
                "{cell:?}: {own} {square}"
            );
        }
    }
}
