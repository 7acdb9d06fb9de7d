use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use candle_core::{Device, Tensor};
use mental_pong_base::files::{create_folder, sha256_hex, write_atomic};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::encoders::{Encoder, Picture};

/// Size of a cache that nobody bounds otherwise, bytes.
pub const CACHE_BYTES: u64 = 4 << 30;

/// Encoded clips on disk, found by content: the encoder's identity (weights, preprocessing, code
/// version) and the frames' bytes. Names of models or conditions play no part, so that an entry can
/// never be stale.
///
/// Several processes may use one folder: an entry appears whole by a rename and is checked by its
/// SHA-256 when it is read, so that one that is damaged, altered, or taken away in the middle is
/// encoded again. Nothing is ever locked. When the entries together are above the bound, those not
/// used for longest go; an entry's time of change is the record of its last use.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
    most_bytes: u64,
}

impl Cache {
    /// No cache: every clip is encoded.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A cache of at most [`CACHE_BYTES`] in `folder`, made if it is not there.
    ///
    /// # Errors
    /// [`crate::Error::Game`] when the folder cannot be made.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        Self::bounded(folder, CACHE_BYTES)
    }

    /// A cache of at most `most_bytes` in `folder`, made if it is not there. An entry larger than
    /// that is not kept.
    ///
    /// # Errors
    /// [`crate::Error::Game`] when the folder cannot be made.
    pub fn bounded(folder: &Path, most_bytes: u64) -> Result<Self> {
        create_folder(folder)?;
        Ok(Self {
            folder: Some(folder.to_path_buf()),
            most_bytes,
        })
    }

    /// Encodes a clip, or reads what was encoded before: `[frame, latent]`.
    ///
    /// # Errors
    /// When the encoder refuses the frames or the entry cannot be written.
    pub fn encode(&self, encoder: &dyn Encoder, frames: &[Vec<u8>]) -> Result<Vec<f32>> {
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        self.encode_views(encoder, &views)
    }

    /// As [`Cache::encode`], for frames that stand elsewhere.
    ///
    /// # Errors
    /// As [`Cache::encode`].
    pub fn encode_views(&self, encoder: &dyn Encoder, views: &[&[u8]]) -> Result<Vec<f32>> {
        self.looked_up(
            encoder,
            views.len(),
            |hash| {
                hash.update(b"frames v2");
                let mut before: &[u8] = &[];
                for frame in views {
                    let middle = changed(before, frame);
                    for n in [frame.len(), middle.start, middle.end] {
                        hash.update((n as u64).to_le_bytes());
                    }
                    hash.update(&frame[middle]);
                    before = frame;
                }
            },
            || encoder.encode(views),
        )
    }

    /// As [`Cache::encode`], for pictures of any size; see [`Encoder::encode_pictures`].
    ///
    /// # Errors
    /// As [`Cache::encode`].
    pub fn encode_pictures(
        &self,
        encoder: &dyn Encoder,
        pictures: &[&Picture],
    ) -> Result<Vec<f32>> {
        self.looked_up(
            encoder,
            pictures.len(),
            |hash| {
                hash.update(b"pictures v1");
                for picture in pictures {
                    hash.update((picture.width() as u64).to_le_bytes());
                    hash.update((picture.height() as u64).to_le_bytes());
                    hash.update(picture.pixels());
                }
            },
            || encoder.encode_pictures(pictures),
        )
    }

    /// The entry of (encoder, what `content` hashes), or what `encode` gives, which is kept.
    fn looked_up(
        &self,
        encoder: &dyn Encoder,
        frames: usize,
        content: impl FnOnce(&mut Sha256),
        encode: impl FnOnce() -> Result<Vec<f32>>,
    ) -> Result<Vec<f32>> {
        let Some(folder) = &self.folder else {
            return encode();
        };
        let mut hash = Sha256::new();
        hash.update(encoder.identity().key().as_bytes());
        content(&mut hash);
        let digest = hash.finalize();
        let key: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        let path = folder.join(format!("{key}.safetensors"));
        let len = frames * encoder.latent_dim();
        if let Some(latents) = read_entry(&path, &key, len) {
            used(&path);
            return Ok(latents);
        }
        let latents = encode()?;
        let tensor = Tensor::from_slice(&latents, latents.len(), &Device::Cpu)?;
        let tensors = BTreeMap::from([("latents".to_string(), tensor)]);
        let check = checksum(&latents);
        let notes = [("key", key.as_str()), ("sha256", check.as_str())];
        let bytes = crate::weights::to_bytes(&tensors, &notes)?;
        if bytes.len() as u64 <= self.most_bytes {
            write_atomic(&path, |out| out.write_all(&bytes))?;
            self.shrink(folder, &path);
        }
        Ok(latents)
    }

    /// Takes entries away until what is left is within the bound, those not used for longest first;
    /// never `newest`. What another process takes away meanwhile is no error, nor is an entry that
    /// cannot be taken away: a cache that is too large is still right.
    fn shrink(&self, folder: &Path, newest: &Path) {
        let Ok(listing) = std::fs::read_dir(folder) else {
            return;
        };
        let mut entries: Vec<(SystemTime, PathBuf, u64)> = listing
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let path = entry.path();
                let about = entry.metadata().ok()?;
                let ours = path.extension()? == "safetensors";
                ours.then_some((about.modified().ok()?, path, about.len()))
            })
            .collect();
        entries.sort();
        let mut total: u64 = entries.iter().map(|e| e.2).sum();
        for (_, path, bytes) in entries {
            if total <= self.most_bytes {
                break;
            }
            if path != newest && std::fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
    }
}

/// The bytes of a frame from the first to the last that differ from those of the frame before it, all of it where that has
/// another length. From one frame to the next little changes: this is what has to be hashed.
fn changed(before: &[u8], frame: &[u8]) -> std::ops::Range<usize> {
    const BLOCK: usize = 4096;
    if before.len() != frame.len() {
        return 0..frame.len();
    }
    let differs = |(a, b): (&[u8], &[u8])| a != b;
    let blocks = || before.chunks(BLOCK).zip(frame.chunks(BLOCK));
    let Some(first) = blocks().position(differs) else {
        return 0..0;
    };
    let last = blocks().rposition(differs).unwrap_or(first);
    let end = frame.len().min((last + 1) * BLOCK);
    let unlike = |(a, b): (&u8, &u8)| a != b;
    let pairs = |from: usize, to: usize| before[from..to].iter().zip(&frame[from..to]);
    let start = first * BLOCK;
    let start = start + pairs(start, end).position(unlike).unwrap_or(0);
    let end = start + pairs(start, end).rposition(unlike).map_or(0, |at| at + 1);
    start..end
}

fn checksum(latents: &[f32]) -> String {
    let bytes: Vec<u8> = latents.iter().flat_map(|v| v.to_le_bytes()).collect();
    sha256_hex(&bytes)
}

/// Notes that an entry was used. A file system that cannot keeps an older time.
fn used(path: &Path) {
    if let Ok(file) = std::fs::File::options().append(true).open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn read_entry(path: &Path, key: &str, len: usize) -> Option<Vec<f32>> {
    let bytes = std::fs::read(path).ok()?;
    let (tensors, notes) = crate::weights::from_bytes(path, &bytes).ok()?;
    let latents: Vec<f32> = tensors.get("latents")?.to_vec1().ok()?;
    let whole = latents.len() == len
        && notes.get("key").map(String::as_str) == Some(key)
        && notes.get("sha256") == Some(&checksum(&latents));
    whole.then_some(latents)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::encoders::{FRAME_BYTES, PixelEncoder, PlayNet, PlayNetConfig};
    use mental_pong_base::Stream;

    fn frames(values: &[u8]) -> Vec<Vec<u8>> {
        values.iter().map(|v| vec![*v; FRAME_BYTES]).collect()
    }

    fn entries(folder: &Path) -> Vec<PathBuf> {
        let listing = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<PathBuf> = listing.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    }

    #[test]
    fn what_changed_is_from_the_first_to_the_last_byte_that_differs() {
        let before: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
        assert_eq!(changed(&before, &before), 0..0);
        assert_eq!(changed(&[], &before), 0..10_000);
        assert_eq!(changed(&before[1..], &before), 0..10_000);
        for (a, b) in [
            (0, 0),
            (0, 9_999),
            (17, 4_096),
            (4_095, 4_096),
            (8_192, 8_200),
            (9_999, 9_999),
        ] {
            let mut frame = before.clone();
            frame[a] ^= 1;
            frame[b] ^= 2;
            assert_eq!(changed(&before, &frame), a..b + 1);
        }
    }

    #[test]
    fn an_entry_is_used_and_a_poisoned_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(folder.path()).unwrap();
        let clip = frames(&[0, 40, 80]);
        let encoder = PixelEncoder::default();
        let fresh = cache.encode(&encoder, &clip).unwrap();
        let entry = entries(folder.path()).remove(0);
        let key = entry.file_stem().unwrap().to_str().unwrap().to_string();
        assert_eq!(read_entry(&entry, &key, fresh.len()).unwrap(), fresh);
        let good = std::fs::read(&entry).unwrap();
        // Every byte's change is found: in the values, their checksum, the names, the lengths.
        for at in (0..good.len()).step_by(61).chain([good.len() - 1]) {
            let mut bytes = good.clone();
            bytes[at] ^= 0x3f;
            std::fs::write(&entry, &bytes).unwrap();
            let read = read_entry(&entry, &key, fresh.len());
            assert!(read.is_none_or(|latents| latents == fresh), "byte {at}");
            assert_eq!(cache.encode(&encoder, &clip).unwrap(), fresh);
        }
        // An entry of other frames under this name.
        let other = cache.encode(&encoder, &frames(&[1, 2, 3])).unwrap();
        assert_ne!(other, fresh);
        let stranger = entries(folder.path())
            .into_iter()
            .find(|e| *e != entry)
            .unwrap();
        std::fs::copy(stranger, &entry).unwrap();
        assert_eq!(cache.encode(&encoder, &clip).unwrap(), fresh);
        assert_eq!(std::fs::read(&entry).unwrap(), good);
    }

    #[test]
    fn other_weights_or_frames_are_another_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(folder.path()).unwrap();
        let config = PlayNetConfig { hidden: 4, maps: 2 };
        let net = |sha: &str| {
            let params = PlayNet::init(&config, &mut Stream::new(1, sha, 0)).unwrap();
            PlayNet::new(config.clone(), &params, sha.into()).unwrap()
        };
        let clip = frames(&[7, 90]);
        cache.encode(&net("a"), &clip).unwrap();
        cache.encode(&net("b"), &clip).unwrap();
        cache.encode(&net("a"), &clip[..1]).unwrap();
        cache.encode(&net("a"), &clip).unwrap();
        assert_eq!(entries(folder.path()).len(), 3);
    }

    #[test]
    fn a_cache_keeps_within_its_bound_what_was_used_last() {
        let folder = tempfile::tempdir().unwrap();
        let encoder = PixelEncoder::default();
        let one = {
            let cache = Cache::in_folder(folder.path()).unwrap();
            cache.encode(&encoder, &frames(&[1])).unwrap();
            entries(folder.path()).remove(0)
        };
        let bytes = std::fs::metadata(&one).unwrap().len();
        let cache = Cache::bounded(folder.path(), 3 * bytes + bytes / 2).unwrap();
        let age = |path: &Path, seconds: u64| {
            let then = SystemTime::now() - Duration::from_secs(seconds);
            let file = std::fs::File::options().append(true).open(path).unwrap();
            file.set_modified(then).unwrap();
        };
        age(&one, 300);
        cache.encode(&encoder, &frames(&[2])).unwrap();
        let two = entries(folder.path())
            .into_iter()
            .find(|e| *e != one)
            .unwrap();
        age(&two, 200);
        cache.encode(&encoder, &frames(&[3])).unwrap();
        // The oldest is used again, and so the second goes when the fourth comes.
        cache.encode(&encoder, &frames(&[1])).unwrap();
        cache.encode(&encoder, &frames(&[4])).unwrap();
        let left = entries(folder.path());
        assert_eq!(left.len(), 3);
        assert!(left.contains(&one) && !left.contains(&two));
        // What is larger than the whole bound is not kept at all.
        let small = Cache::bounded(folder.path(), bytes / 2).unwrap();
        small.encode(&encoder, &frames(&[5])).unwrap();
        assert_eq!(entries(folder.path()), left);
    }
}
