use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::soft_argmax::SoftArgmax;
use super::{Encoder, EncoderIdentity, FRAME_SIZE, check_frames};
use crate::params::Params;
use crate::{Error, Result};
use mental_pong_base::Stream;

/// Pixels of the screen that are averaged to one input value, a side.
const BLOCK: usize = 4;
/// Side of the averaged picture.
const SMALL: usize = FRAME_SIZE / BLOCK;
/// Side and stride of the patches that the first layer sees.
const PATCH: usize = 8;
const STRIDE: usize = 4;
/// The change of each colour since the frame before.
const CHANNELS: usize = 3;
/// Rows and columns that the picture's border is repeated outwards, so that patches centre on it.
const PAD: usize = (PATCH - STRIDE) / 2;

/// Side of the grid of patches.
pub const GRID: usize = SMALL / STRIDE;
/// Numbers in a patch, `[y, x, channel]`.
pub const PATCH_INPUTS: usize = PATCH * PATCH * CHANNELS;
/// Frames that share one matrix product.
const BATCH: usize = 16;

/// Size of a [`PlayNet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayNetConfig {
    /// Units of each of the two hidden layers.
    pub hidden: usize,
    /// Feature maps; each gives two latents, the place of its centre of mass.
    pub maps: usize,
}

/// The bundled encoder: a small patch network with a spatial soft-argmax (Finn et al. 2016, "Deep
/// spatial autoencoders", §IV).
///
/// The change since the frame before (50 ms earlier) is averaged to 56 × 56, cut into 14 × 14
/// overlapping patches, and each patch goes through the same three linear layers. What stands still
/// leaves no trace: an occluder in the picture cannot move the latents of a ball beside it. A softmax over the grid turns each of the last layer's maps
/// into a distribution, whose mean place `(x, y)` in `[-1, 1]` is a pair of latents. Latents are
/// standardised with the mean and standard deviation found on playworld.
#[derive(Clone, Debug)]
pub struct PlayNet {
    config: PlayNetConfig,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    w3: Tensor,
    mean: Tensor,
    sd: Tensor,
    identity: EncoderIdentity,
}

impl PlayNet {
    /// Tensor names and shapes of a network of this size.
    #[must_use]
    pub fn shapes(config: &PlayNetConfig) -> Vec<(&'static str, Vec<usize>)> {
        let (h, k) = (config.hidden, config.maps);
        vec![
            ("encoder.layer1.weight", vec![PATCH_INPUTS, h]),
            ("encoder.layer1.bias", vec![h]),
            ("encoder.layer2.weight", vec![h, h]),
            ("encoder.layer2.bias", vec![h]),
            ("encoder.layer3.weight", vec![h, k]),
            ("encoder.latent_mean", vec![2 * k]),
            ("encoder.latent_sd", vec![2 * k]),
        ]
    }

    /// Fresh parameters: He-normal weights, zero biases, latents left as they are.
    ///
    /// # Errors
    /// When the tensor library refuses a shape.
    pub fn init(config: &PlayNetConfig, rng: &mut Stream) -> Result<Params> {
        Params::he_normal(Self::shapes(config), rng)
    }

    /// A network over `params`; training them trains it.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: PlayNetConfig, params: &Params, weights_sha256: String) -> Result<Self> {
        let tensors = params.tensors();
        let get = |index: usize| -> Result<Tensor> {
            let (name, shape) = &Self::shapes(&config)[index];
            let tensor = tensors.get(*name);
            match tensor {
                Some(t) if t.dims() == shape.as_slice() => Ok(t.clone()),
                _ => Err(Error::Weights {
                    path: "parameters".into(),
                    tensor: (*name).into(),
                    expected: format!("{shape:?}"),
                    found: tensor.map_or("nothing".into(), |t| format!("{:?}", t.dims())),
                }),
            }
        };
        let identity = EncoderIdentity {
            name: format!("playnet-{}x{}", config.hidden, config.maps),
            weights_sha256,
            preprocessing: "224 x 224 RGB; mean over 4 x 4 pixels, divided by 255; 4 * change of \
                            R, G, B since the frame before; 14 x 14 patches of 8 x 8, stride 4, \
                            border repeated"
                .into(),
            code_version: 1,
        };
        Ok(Self {
            w1: get(0)?,
            b1: get(1)?,
            w2: get(2)?,
            b2: get(3)?,
            w3: get(4)?,
            mean: get(5)?,
            sd: get(6)?,
            config,
            identity,
        })
    }

    /// The network's size.
    #[must_use]
    pub fn config(&self) -> &PlayNetConfig {
        &self.config
    }

    /// Raw latents of patches `[frame × cell, input]`: `[frame, latent]`, x and y of each map in
    /// turn, y up, not yet standardised.
    ///
    /// # Errors
    /// When the shape does not fit.
    pub fn places(&self, patches: &Tensor) -> Result<Tensor> {
        let cells = GRID * GRID;
        let frames = patches.dim(0)? / cells;
        let h = patches.matmul(&self.w1)?.broadcast_add(&self.b1)?.relu()?;
        let h = h.matmul(&self.w2)?.broadcast_add(&self.b2)?.relu()?;
        let logits = h
            .matmul(&self.w3)?
            .reshape((frames, cells, self.config.maps))?
            .transpose(1, 2)?
            .contiguous()?
            .reshape((frames * self.config.maps, cells))?;
        let places = logits.apply_op1(SoftArgmax { side: GRID })?;
        Ok(places.reshape((frames, 2 * self.config.maps))?)
    }

    /// The tensor of [`patches`].
    ///
    /// # Errors
    /// When the tensor library runs out of memory.
    pub fn patch_tensor(pairs: &[(&[u8], &[u8])]) -> Result<Tensor> {
        let rows = pairs.len() * GRID * GRID;
        Ok(Tensor::from_vec(
            patches(pairs),
            (rows, PATCH_INPUTS),
            &Device::Cpu,
        )?)
    }

    /// Standardises raw latents.
    fn standardise(&self, places: &Tensor) -> Result<Tensor> {
        Ok(places.broadcast_sub(&self.mean)?.broadcast_div(&self.sd)?)
    }
}

impl Encoder for PlayNet {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn reach(&self) -> usize {
        2
    }

    fn latent_dim(&self) -> usize {
        2 * self.config.maps
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        check_frames(frames)?;
        let parts: Vec<Vec<f32>> = with_before(frames)
            .chunks(BATCH)
            .map(|chunk| {
                let places = self.places(&Self::patch_tensor(chunk)?)?;
                Ok(self.standardise(&places)?.flatten_all()?.to_vec1()?)
            })
            .collect::<Result<_>>()?;
        Ok(parts.concat())
    }
}

/// The first layer's input for pairs of (frame before, frame), each `[y, x, channel]`:
/// `[frame × cell, input]`, row-major.
#[must_use]
pub fn patches(pairs: &[(&[u8], &[u8])]) -> Vec<f32> {
    let per_frame = GRID * GRID * PATCH_INPUTS;
    let mut out = vec![0.0_f32; pairs.len() * per_frame];
    out.par_chunks_exact_mut(per_frame)
        .zip(pairs.par_iter())
        .for_each(|(out, (before, now))| cut(&channels(&shrink(before), &shrink(now)), out));
    out
}

/// Each frame of a clip with the one before it; the first with itself.
pub(crate) fn with_before<'a, T>(clip: &[&'a [T]]) -> Vec<(&'a [T], &'a [T])> {
    clip.iter()
        .enumerate()
        .map(|(t, now)| (clip[t.saturating_sub(1)], *now))
        .collect()
}

/// Mean over blocks, in `[0, 1]`: `[y, x, channel]` of side [`SMALL`].
pub(super) fn shrink(frame: &[u8]) -> Vec<f32> {
    let mut sums = Vec::with_capacity(SMALL * SMALL * 3);
    let mut columns = [0_u16; FRAME_SIZE * 3];
    for block in frame.chunks_exact(FRAME_SIZE * 3 * BLOCK) {
        columns.fill(0);
        for row in block.chunks_exact(FRAME_SIZE * 3) {
            for (sum, v) in columns.iter_mut().zip(row) {
                *sum += u16::from(*v);
            }
        }
        for px in columns.chunks_exact(3 * BLOCK) {
            sums.extend((0..3).map(|c| px.iter().skip(c).step_by(3).sum::<u16>()));
        }
    }
    let scale = 1.0 / (255 * BLOCK * BLOCK) as f32;
    sums.iter().map(|&s| f32::from(s) * scale).collect()
}

/// `[y, x, CHANNELS]` from two small pictures: what stands still leaves nothing.
fn channels(before: &[f32], now: &[f32]) -> Vec<f32> {
    before.iter().zip(now).map(|(b, n)| 4.0 * (n - b)).collect()
}

/// Cuts one small picture into overlapping patches, its border repeated outwards.
fn cut(small: &[f32], out: &mut [f32]) {
    let clamp = |v: usize| v.saturating_sub(PAD).min(SMALL - 1);
    for (cell, patch) in out.chunks_exact_mut(PATCH_INPUTS).enumerate() {
        let (top, left) = (cell / GRID * STRIDE, cell % GRID * STRIDE);
        for (dy, row) in patch.chunks_exact_mut(PATCH * CHANNELS).enumerate() {
            let line = &small[clamp(top + dy) * SMALL * CHANNELS..][..SMALL * CHANNELS];
            if left >= PAD && left + PATCH - PAD <= SMALL {
                row.copy_from_slice(&line[(left - PAD) * CHANNELS..][..PATCH * CHANNELS]);
            } else {
                for (dx, px) in row.chunks_exact_mut(CHANNELS).enumerate() {
                    px.copy_from_slice(&line[clamp(left + dx) * CHANNELS..][..CHANNELS]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::FRAME_BYTES;
    use super::*;

    fn net(seed: u64) -> PlayNet {
        let config = PlayNetConfig {
            hidden: 16,
            maps: 5,
        };
        let params = PlayNet::init(&config, &mut Stream::new(seed, "test", 0)).unwrap();
        PlayNet::new(config, &params, String::new()).unwrap()
    }

    fn noise(seed: u64) -> Vec<u8> {
        let mut rng = Stream::new(seed, "noise", 0);
        (0..FRAME_BYTES).map(|_| rng.below(256) as u8).collect()
    }

    #[test]
    fn a_latent_depends_on_its_frame_and_the_one_before_alone() {
        let frames: Vec<Vec<u8>> = (0..19).map(noise).collect();
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let all = net(1).encode(&views).unwrap();
        for at in [1, 7, 18] {
            let pair = net(1).encode(&views[at - 1..=at]).unwrap();
            assert_eq!(pair[10..], all[at * 10..(at + 1) * 10]);
            let alone = net(1).encode(&views[at..=at]).unwrap();
            assert_ne!(alone, all[at * 10..(at + 1) * 10]);
        }
        assert_ne!(net(2).encode(&views[..2]).unwrap()[10..], all[10..20]);
    }

    #[test]
    fn patches_are_the_picture_with_its_border_repeated() {
        let (before, now) = (noise(3), noise(4));
        let got = patches(&[(&before, &now)]);
        let small = channels(&shrink(&before), &shrink(&now));
        let clamp = |v: i64| v.clamp(0, SMALL as i64 - 1) as usize;
        for cell in [0, GRID - 1, GRID * 5 + 9, GRID * GRID - 1] {
            for (dy, dx, c) in [(0, 0, 0), (7, 7, 2), (3, 5, 1)] {
                let y = clamp((cell / GRID * STRIDE + dy) as i64 - PAD as i64);
                let x = clamp((cell % GRID * STRIDE + dx) as i64 - PAD as i64);
                let value = got[cell * PATCH_INPUTS + (dy * PATCH + dx) * CHANNELS + c];
                assert_eq!(value, small[(y * SMALL + x) * CHANNELS + c]);
            }
        }
    }
}
