use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use mental_pong_game::files::{create_folder, sha256_hex, write_atomic};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::encoders::Encoder;

/// Encoded clips on disk, found by content: the encoder's identity and the frames' bytes. Names of
/// models or conditions play no part, so that an entry can never be stale.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// No cache: every clip is encoded.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A cache in `folder`, made if it is not there.
    ///
    /// # Errors
    /// [`crate::Error::Game`] when the folder cannot be made.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        create_folder(folder)?;
        Ok(Self {
            folder: Some(folder.to_path_buf()),
        })
    }

    /// Encodes a clip, or reads what was encoded before: `[frame, latent]`.
    ///
    /// An entry that is damaged is encoded again.
    ///
    /// # Errors
    /// When the encoder refuses the frames or the entry cannot be written.
    pub fn encode(&self, encoder: &dyn Encoder, frames: &[Vec<u8>]) -> Result<Vec<f32>> {
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let Some(folder) = &self.folder else {
            return encoder.encode(&views);
        };
        let mut hash = Sha256::new();
        hash.update(encoder.identity().key().as_bytes());
        for frame in frames {
            hash.update((frame.len() as u64).to_le_bytes());
            hash.update(frame);
        }
        let digest = hash.finalize();
        let key: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        let path = folder.join(format!("{key}.safetensors"));
        let len = frames.len() * encoder.latent_dim();
        if let Some(latents) = read_entry(&path, len) {
            return Ok(latents);
        }
        let latents = encoder.encode(&views)?;
        let tensor = Tensor::from_slice(&latents, latents.len(), &Device::Cpu)?;
        let tensors = BTreeMap::from([("latents".to_string(), tensor)]);
        let check = checksum(&latents);
        let bytes = crate::weights::to_bytes(&tensors, &[("sha256", &check)])?;
        write_atomic(&path, |out| out.write_all(&bytes))?;
        Ok(latents)
    }
}

fn checksum(latents: &[f32]) -> String {
    let bytes: Vec<u8> = latents.iter().flat_map(|v| v.to_le_bytes()).collect();
    sha256_hex(&bytes)
}

fn read_entry(path: &Path, len: usize) -> Option<Vec<f32>> {
    let bytes = std::fs::read(path).ok()?;
    let (tensors, metadata) = crate::weights::from_bytes(path, &bytes).ok()?;
    let latents: Vec<f32> = tensors.get("latents")?.to_vec1().ok()?;
    (latents.len() == len && metadata.get("sha256") == Some(&checksum(&latents))).then_some(latents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::{FRAME_BYTES, PixelEncoder, PlayNet, PlayNetConfig};
    use crate::rng::Stream;

    #[test]
    fn an_entry_is_used_and_a_poisoned_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(folder.path()).unwrap();
        let frames: Vec<Vec<u8>> = (0..3).map(|v| vec![v * 40; FRAME_BYTES]).collect();
        let encoder = PixelEncoder::default();
        let fresh = cache.encode(&encoder, &frames).unwrap();
        let entry = std::fs::read_dir(folder.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        assert_eq!(read_entry(&entry, fresh.len()).unwrap(), fresh);
        let mut bytes = std::fs::read(&entry).unwrap();
        let last = bytes.len() - 2;
        bytes[last] ^= 0x3f;
        std::fs::write(&entry, &bytes).unwrap();
        assert!(read_entry(&entry, fresh.len()).is_none());
        assert_eq!(cache.encode(&encoder, &frames).unwrap(), fresh);
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
        let frames = vec![vec![7; FRAME_BYTES], vec![90; FRAME_BYTES]];
        cache.encode(&net("a"), &frames).unwrap();
        cache.encode(&net("b"), &frames).unwrap();
        cache.encode(&net("a"), &frames[..1]).unwrap();
        cache.encode(&net("a"), &frames).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
