//! Frozen encoders: a frame of the screen becomes a latent vector.
//!
//! Preprocessing belongs to an encoder's identity: an [`Encoder`] takes the screen's own pixels and
//! says by [`Encoder::identity`] what it does to them.

mod clip;
mod components;
mod convolution;
mod estimate;
mod gabor_bank;
mod gabor_pca;
mod identity;
mod incremental_pca;
mod named;
mod pixel_pca;
mod pixels;
mod playnet;
mod preprocess;
mod published;
mod random;
mod resnet;
/// The encoder with two towers, and what its towers take in.
pub mod roomnet;
mod soft_argmax;
mod sparse;
mod transformer;
mod unfold;
mod vgg;
mod vit;
mod vjepa2;

pub use clip::{Clip, ClipConfig};
pub use gabor_pca::GaborPca;
pub use identity::EncoderIdentity;
pub use incremental_pca::IncrementalPca;
pub use pixel_pca::PixelPca;
pub use pixels::PixelEncoder;
pub(crate) use playnet::with_before;
pub use playnet::{GRID, PATCH_INPUTS, PlayNet, PlayNetConfig, patches};
pub use preprocess::{Filter, Frame, Picture, Preprocess};
pub use published::{Architecture, PublishedEncoder};
pub use resnet::{Resnet, ResnetBlock, ResnetConfig};
pub use roomnet::{RoomNet, RoomNetConfig};
pub use vgg::{Vgg, VggConfig};
pub use vit::{Vit, VitActivations, VitConfig};
pub use vjepa2::{Pooling, Vjepa2, Vjepa2Config};

use candle_core::Device;
use mental_pong_game::frames::Preset;

use crate::Result;
use crate::device::cpu_only;

/// Side of the square frames that encoders take, pixels.
pub const FRAME_SIZE: usize = 224;

/// Bytes of such a frame, `[y, x, channel]`.
pub const FRAME_BYTES: usize = FRAME_SIZE * FRAME_SIZE * 3;

/// Time from one frame of a clip to the next, ms: one bin of the recordings.
pub const STEP_MS: f64 = 50.0;

/// A frozen map from frames to latents.
pub trait Encoder: Send + Sync {
    /// Name, weights, preprocessing and version: all that the latents depend on but the frames.
    fn identity(&self) -> &EncoderIdentity;

    /// Length of a latent vector.
    fn latent_dim(&self) -> usize;

    /// Frames that a latent depends on, its own the last; 1 for an encoder of single pictures.
    fn reach(&self) -> usize {
        1
    }

    /// The frames that it takes.
    fn preset(&self) -> Preset {
        Preset::Model224
    }

    /// What is done to a frame before the first layer, where that is a resize and a crop.
    fn preprocess(&self) -> Option<&Preprocess> {
        None
    }

    /// Moves the network to a device.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for an encoder that runs on the processor alone; when the device refuses.
    fn move_to(&mut self, device: &Device) -> Result<()> {
        cpu_only(&self.identity().name, device)
    }

    /// Encodes a clip of frames in order, [`STEP_MS`] apart, each `[y, x, channel]` u8 of
    /// [`FRAME_SIZE`] squared (or of another [`Encoder::preset`]), to `[frame, latent]`, row-major. A latent depends on its frame and,
    /// for an encoder of video, on the [`Encoder::reach`] − 1 before; never on a later one.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for a frame of another size.
    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>>;

    /// As [`Encoder::encode`], for pictures of any size: of a published encoder its own resize and
    /// crop; of one that takes the screen's pixels the shorter side is resampled to [`FRAME_SIZE`]
    /// (bilinear, as Pillow) and the middle cut out first, unless the picture has that size.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for an encoder of another preset's frames.
    fn encode_pictures(&self, pictures: &[&Picture]) -> Result<Vec<f32>> {
        if self.preset() != Preset::Model224 {
            return Err(crate::Error::Config {
                place: "encoder".into(),
                field: "name".into(),
                expected: "an encoder of colour pictures".into(),
                found: self.identity().name.clone(),
            });
        }
        let fitted = Preprocess {
            resize: Some((FRAME_SIZE, Filter::Bilinear)),
            ..Preprocess::whole_frame()
        };
        let pictures: Vec<Picture> = pictures
            .iter()
            .map(|picture| fitted.picture(picture))
            .collect::<Result<_>>()?;
        let views: Vec<&[u8]> = pictures.iter().map(Picture::pixels).collect();
        self.encode(&views)
    }
}

/// Latents of frames, `batch` of them at a time.
fn in_batches<F>(
    frames: &[F],
    batch: usize,
    latents: impl Fn(&[F]) -> Result<Vec<f32>>,
) -> Result<Vec<f32>> {
    let parts: Vec<Vec<f32>> = frames.chunks(batch).map(latents).collect::<Result<_>>()?;
    Ok(parts.concat())
}

/// Refuses a frame that is not [`FRAME_BYTES`] long.
fn check_frames(frames: &[&[u8]]) -> Result<()> {
    match frames.iter().find(|f| f.len() != FRAME_BYTES) {
        Some(frame) => Err(crate::Error::Shape {
            what: "frame [y, x, channel]",
            expected: vec![FRAME_SIZE, FRAME_SIZE, 3],
            found: vec![frame.len()],
        }),
        None => Ok(()),
    }
}

/// Holds two encoders to the same latents of random frames, to 1e-5.
#[cfg(test)]
fn assert_same_latents(own: &dyn Encoder, other: &dyn Encoder, frames: usize) {
    let mut rng = mental_pong_base::Stream::new(5, "frame", 0);
    let frames: Vec<Vec<u8>> = (0..frames)
        .map(|_| (0..FRAME_BYTES).map(|_| rng.below(256) as u8).collect())
        .collect();
    let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let (a, b) = (own.encode(&views).unwrap(), other.encode(&views).unwrap());
    assert_eq!(a.len(), b.len());
    let name = &own.identity().name;
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-5, "{name}: {a} {b}");
    }
}
