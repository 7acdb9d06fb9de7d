use super::{Encoder, EncoderIdentity, FRAME_SIZE, check_frames};
use crate::Result;

/// Side of a block of pixels that becomes one latent.
const BLOCK: usize = 16;
const SIDE: usize = FRAME_SIZE / BLOCK;

/// The picture itself as a latent: grey levels of 14 × 14 blocks. The control that says what a
/// linear read-out finds without any network.
#[derive(Clone, Debug)]
pub struct PixelEncoder {
    identity: EncoderIdentity,
}

impl Default for PixelEncoder {
    fn default() -> Self {
        Self {
            identity: EncoderIdentity {
                name: "pixels".into(),
                weights_sha256: String::new(),
                preprocessing: "mean of the channels over 16 x 16 pixels, divided by 255".into(),
                code_version: 1,
            },
        }
    }
}

impl Encoder for PixelEncoder {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn latent_dim(&self) -> usize {
        SIDE * SIDE
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        check_frames(frames)?;
        let scale = 1.0 / (255 * 3 * BLOCK * BLOCK) as f32;
        let mut latents = Vec::with_capacity(frames.len() * SIDE * SIDE);
        for frame in frames {
            let mut sums = [0_u32; SIDE * SIDE];
            for (y, row) in frame.chunks_exact(FRAME_SIZE * 3).enumerate() {
                for (x, px) in row.chunks_exact(3 * BLOCK).enumerate() {
                    sums[y / BLOCK * SIDE + x] += px.iter().map(|&v| u32::from(v)).sum::<u32>();
                }
            }
            latents.extend(sums.iter().map(|&s| s as f32 * scale));
        }
        Ok(latents)
    }
}

#[cfg(test)]
mod tests {
    use super::super::FRAME_BYTES;
    use super::*;

    #[test]
    fn a_block_is_the_mean_of_its_pixels() {
        let mut frame = vec![0_u8; FRAME_BYTES];
        for y in 16..32 {
            for x in 32..48 {
                frame[(y * FRAME_SIZE + x) * 3] = 255;
            }
        }
        let latents = PixelEncoder::default().encode(&[&frame]).unwrap();
        assert_eq!(latents.len(), 196);
        assert!((latents[14 + 2] - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(latents.iter().filter(|v| **v > 0.0).count(), 1);
    }

    #[test]
    fn a_frame_of_another_size_is_refused() {
        let error = PixelEncoder::default().encode(&[&[0; 12]]).unwrap_err();
        assert!(error.to_string().contains("224"));
    }
}
