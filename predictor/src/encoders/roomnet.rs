use candle_core::{D, DType, Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::playnet::{shrink, with_before};
use super::sparse::Active;
use super::unfold::Unfold;
use super::{Encoder, EncoderIdentity, FRAME_SIZE, check_frames};
use crate::params::Params;
use crate::{Error, Result};
use mental_pong_base::Stream;

/// Side of the picture, of which each value is the mean of 4 × 4 pixels.
pub(crate) const SMALL: usize = FRAME_SIZE / 4;
/// Side of the place tower's grid of patches.
const GRID: usize = SMALL / 2;
/// Cells of a side of the picture tower: across it and along it.
const SIDE_GRID: (usize, usize) = (GRID / 2, GRID / 2);
/// Side of a patch; patches overlap by all but two rows and columns.
const PATCH: usize = 6;
/// Numbers in a patch.
const INPUTS: usize = PATCH * PATCH * 3;
/// Frames that share one matrix product.
const BATCH: usize = 16;

/// Size of a [`RoomNet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomNetConfig {
    /// Channels of both convolutions of both towers.
    pub channels: usize,
    /// Maps of the place tower, each giving two latents.
    pub maps: usize,
    /// Further latents of the place tower: what moves, wherever it is.
    pub motion: usize,
    /// Latents for each of the four sides of the picture.
    pub side: usize,
    /// Latents for the picture as a whole.
    pub scene: usize,
    /// Hidden units of the picture tower's perceptrons.
    pub hidden: usize,
}

impl RoomNetConfig {
    /// Latents that change as things move: they come first in a latent vector.
    #[must_use]
    pub fn moving(&self) -> usize {
        2 * self.maps + self.motion
    }

    /// Latents of the picture: they follow.
    #[must_use]
    pub fn still(&self) -> usize {
        4 * self.side + self.scene
    }
}

/// An encoder with two towers.
///
/// The *place tower* sees the change since the frame before (50 ms earlier), divided by its largest value: two
/// convolutions, then the mean place of a softmax over the grid for each map (a spatial soft-argmax, Finn et al. 2016), and
/// sums over the grid for what moves. What stands still leaves no trace in it.
///
/// The *picture tower* sees the picture itself. The part next to each of the four sides is turned so that the side lies on
/// top, goes through the same two convolutions and is averaged along the side; a perceptron reads the profile. What is
/// learned of one side holds for all, by construction.
///
/// Latents are standardised with the mean and standard deviation found on playworld.
#[derive(Clone, Debug)]
pub struct RoomNet {
    config: RoomNetConfig,
    place: [Tensor; 4],
    picture: [Tensor; 4],
    side: [Tensor; 4],
    scene: [Tensor; 4],
    mean: Tensor,
    sd: Tensor,
    identity: EncoderIdentity,
}

impl RoomNet {
    /// Tensor names and shapes of a network of this size.
    #[must_use]
    pub fn shapes(config: &RoomNetConfig) -> Vec<(&'static str, Vec<usize>)> {
        let (c, h) = (config.channels, config.hidden);
        let profile = 2 * SIDE_GRID.0 * c;
        let all = config.moving() + config.still();
        vec![
            ("encoder.place.layer1.weight", vec![INPUTS, c]),
            ("encoder.place.layer2.weight", vec![9 * c, c]),
            ("encoder.place.maps.weight", vec![c, config.maps]),
            ("encoder.place.motion.weight", vec![c, config.motion]),
            ("encoder.picture.layer1.weight", vec![INPUTS, c]),
            ("encoder.picture.layer1.bias", vec![c]),
            ("encoder.picture.layer2.weight", vec![9 * c, c]),
            ("encoder.picture.layer2.bias", vec![c]),
            ("encoder.side.layer1.weight", vec![profile, h]),
            ("encoder.side.layer1.bias", vec![h]),
            ("encoder.side.layer2.weight", vec![h, config.side]),
            ("encoder.side.layer2.bias", vec![config.side]),
            ("encoder.scene.layer1.weight", vec![2 * profile, h]),
            ("encoder.scene.layer1.bias", vec![h]),
            ("encoder.scene.layer2.weight", vec![h, config.scene]),
            ("encoder.scene.layer2.bias", vec![config.scene]),
            ("encoder.latent_mean", vec![all]),
            ("encoder.latent_sd", vec![all]),
        ]
    }

    /// Fresh parameters: He-normal weights, zero biases, latents left as they are.
    ///
    /// # Errors
    /// When the tensor library refuses a shape.
    pub fn init(config: &RoomNetConfig, rng: &mut Stream) -> Result<Params> {
        Params::he_normal(Self::shapes(config), rng)
    }

    /// A network over `params`; training them trains it.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: RoomNetConfig, params: &Params, weights_sha256: String) -> Result<Self> {
        let tensors = params.tensors();
        Self::with(config, weights_sha256, |name| tensors.get(name).cloned())
    }

    /// A network over the tensors that `find` gives.
    pub(crate) fn with(
        config: RoomNetConfig,
        weights_sha256: String,
        find: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<Self> {
        let shapes = Self::shapes(&config);
        let get = |index: usize| -> Result<Tensor> {
            let (name, shape) = &shapes[index];
            match find(name) {
                Some(t) if t.dims() == shape.as_slice() => Ok(t),
                found => Err(Error::Weights {
                    path: "parameters".into(),
                    tensor: (*name).into(),
                    expected: format!("{shape:?}"),
                    found: found.map_or("nothing".into(), |t| format!("{:?}", t.dims())),
                }),
            }
        };
        let four = |from: usize| -> Result<[Tensor; 4]> {
            Ok([get(from)?, get(from + 1)?, get(from + 2)?, get(from + 3)?])
        };
        let identity = EncoderIdentity {
            name: format!(
                "roomnet-{}x{}x{}x{}x{}x{}",
                config.channels,
                config.maps,
                config.motion,
                config.side,
                config.scene,
                config.hidden
            ),
            weights_sha256,
            preprocessing: "224 x 224 RGB; mean over 4 x 4 pixels, divided by 255; change of R, G, B since the frame \
                            before, divided by its largest value + 0.05, and R, G, B less their means; patches of \
                            6 x 6, stride 2"
                .into(),
            code_version: 1,
        };
        Ok(Self {
            place: four(0)?,
            picture: four(4)?,
            side: four(8)?,
            scene: four(12)?,
            mean: get(16)?,
            sd: get(17)?,
            config,
            identity,
        })
    }

    /// The network's size.
    #[must_use]
    pub fn config(&self) -> &RoomNetConfig {
        &self.config
    }

    /// Raw moving latents of [`changes`], `[frame, latent]`: x and y of each map in turn (in −1 to 1, y up), then
    /// what moves; not yet standardised.
    ///
    /// # Errors
    /// When the tensor library fails.
    pub fn moving(&self, changes: &Changes) -> Result<Tensor> {
        let [w1, w2, maps, motion] = &self.place;
        let active = &changes.active;
        if changes.patches.dim(0)? == 0 {
            let shape = (changes.frames, self.config.moving());
            return Ok(Tensor::zeros(shape, DType::F32, &Device::Cpu)?);
        }
        let h = changes.patches.matmul(w1)?.relu()?;
        let h = active.unfold(&h)?.matmul(w2)?.relu()?;
        let rows = h.matmul(&Tensor::cat(&[maps, motion], 1)?)?;
        let pooled = active.pool(&rows, self.config.maps)?;
        let places = pooled.narrow(1, 0, 2 * self.config.maps)?;
        let amount = pooled.narrow(1, 2 * self.config.maps, self.config.motion)?;
        Ok(Tensor::cat(&[&places, &(amount + 1.0)?.log()?], 1)?)
    }

    /// Raw still latents of [`picture_patches`], `[frame, latent]`: those of the left, right, lower and upper side, then
    /// those of the whole; not yet standardised.
    ///
    /// # Errors
    /// When the shape does not fit.
    pub fn still(&self, patches: &Tensor) -> Result<Tensor> {
        let (across, along) = SIDE_GRID;
        let frames = patches.dim(0)? / (4 * across * along);
        let op = Unfold {
            height: across,
            width: along,
        };
        let c = self.config.channels;
        let [w1, b1, w2, b2] = &self.picture;
        let h = convolved(patches, op, [w1, b1, w2, b2])?;
        let h = h.reshape((frames * 4 * across, along, c))?;
        let mean = h.mean(1)?.reshape((frames * 4, across * c))?;
        let square = h.sqr()?.mean(1)?.reshape((frames * 4, across * c))?;
        let profile = Tensor::cat(&[&mean, &square], 1)?;
        let side = perceptron(&profile, &self.side)?.reshape((frames, 4 * self.config.side))?;
        let profile = profile.reshape((frames, 4, 2 * across * c))?;
        let whole = Tensor::cat(&[profile.mean(1)?, profile.sqr()?.mean(1)?], D::Minus1)?;
        Ok(Tensor::cat(&[&side, &perceptron(&whole, &self.scene)?], 1)?)
    }

    /// Standardised moving latents of pairs of (frame before, frame), each [`small`]; row-major.
    ///
    /// # Errors
    /// When the tensor library fails.
    pub fn encode_changes(&self, pairs: &[(&[f32], &[f32])]) -> Result<Vec<f32>> {
        self.in_parts(pairs, 0, self.config.moving(), |part| {
            self.moving(&changes(part)?)
        })
    }

    /// Standardised still latents of frames, each [`small`]; row-major.
    ///
    /// # Errors
    /// When the tensor library fails.
    pub fn encode_pictures_small(&self, frames: &[&[f32]]) -> Result<Vec<f32>> {
        self.in_parts(frames, self.config.moving(), self.config.still(), |part| {
            self.still(&picture_patches(part)?)
        })
    }

    fn in_parts<T>(
        &self,
        all: &[T],
        from: usize,
        length: usize,
        raw: impl Fn(&[T]) -> Result<Tensor>,
    ) -> Result<Vec<f32>> {
        let (mean, sd) = (
            self.mean.narrow(0, from, length)?,
            self.sd.narrow(0, from, length)?,
        );
        let parts: Vec<Vec<f32>> = all
            .chunks(BATCH)
            .map(|part| {
                let latents = raw(part)?.broadcast_sub(&mean)?.broadcast_div(&sd)?;
                Ok(latents.flatten_all()?.to_vec1()?)
            })
            .collect::<Result<_>>()?;
        Ok(parts.concat())
    }
}

fn convolved(patches: &Tensor, op: Unfold, [w1, b1, w2, b2]: [&Tensor; 4]) -> Result<Tensor> {
    let h = patches.matmul(w1)?.broadcast_add(b1)?.relu()?;
    Ok(h.apply_op1(op)?.matmul(w2)?.broadcast_add(b2)?.relu()?)
}

fn perceptron(x: &Tensor, [w1, b1, w2, b2]: &[Tensor; 4]) -> Result<Tensor> {
    let h = x.matmul(w1)?.broadcast_add(b1)?.relu()?;
    Ok(h.matmul(w2)?.broadcast_add(b2)?)
}

impl Encoder for RoomNet {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn reach(&self) -> usize {
        2
    }

    fn latent_dim(&self) -> usize {
        self.config.moving() + self.config.still()
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        check_frames(frames)?;
        let frames: Vec<Vec<f32>> = frames.par_iter().map(|frame| small(frame)).collect();
        let views: Vec<&[f32]> = frames.iter().map(Vec::as_slice).collect();
        let moving = self.encode_changes(&with_before(&views))?;
        let still = self.encode_pictures_small(&views)?;
        let (m, s) = (self.config.moving(), self.config.still());
        Ok(moving
            .chunks_exact(m)
            .zip(still.chunks_exact(s))
            .flat_map(|(moving, still)| moving.iter().chain(still).copied())
            .collect())
    }
}

/// A frame of 224 × 224 as the towers see it, means over 4 × 4 pixels in 0 to 1, `[y, x, channel]`.
#[must_use]
pub fn small(frame: &[u8]) -> Vec<f32> {
    shrink(frame)
}

/// The place tower's input.
#[derive(Clone, Debug)]
pub struct Changes {
    /// `[active cell, input]`.
    patches: Tensor,
    active: Active,
    frames: usize,
}

/// The place tower's input for pairs of (frame before, frame), each [`small`].
///
/// # Errors
/// When the tensor library runs out of memory.
pub fn changes(pairs: &[(&[f32], &[f32])]) -> Result<Changes> {
    let parts: Vec<(Vec<bool>, Vec<f32>)> = pairs
        .par_iter()
        .map(|(before, now)| {
            let scale = 1.0 / (largest_change(before, now) + 0.05);
            let change: Vec<f32> = (before.iter().zip(*now))
                .map(|(b, n)| (n - b) * scale)
                .collect();
            let at = |y: isize, x: isize| {
                let on = |v: isize| (0..SMALL as isize).contains(&v);
                (on(y) && on(x)).then(|| &change[(y as usize * SMALL + x as usize) * 3..][..3])
            };
            let on = active_cells(&change);
            let mut out = Vec::new();
            for cell in (0..GRID * GRID).filter(|&cell| on[cell]) {
                let from = out.len();
                out.resize(from + INPUTS, 0.0);
                cut(&mut out[from..], cell, GRID, at);
            }
            (on, out)
        })
        .collect();
    let (on, patches): (Vec<Vec<bool>>, Vec<Vec<f32>>) = parts.into_iter().unzip();
    let patches = patches.concat();
    let rows = patches.len() / INPUTS;
    Ok(Changes {
        patches: Tensor::from_vec(patches, (rows, INPUTS), &Device::Cpu)?,
        active: Active::new(GRID, &on),
        frames: pairs.len(),
    })
}

/// Cells in whose patch anything changes.
fn active_cells(change: &[f32]) -> Vec<bool> {
    let mut on = vec![false; GRID * GRID];
    for (k, _) in
        (change.chunks_exact(3).enumerate()).filter(|(_, px)| px.iter().any(|v| *v != 0.0))
    {
        // A cell's patch begins two before twice its place and has six rows.
        let cells = |v: usize| v.saturating_sub(3).div_ceil(2)..=((v + 2) / 2).min(GRID - 1);
        for y in cells(k / SMALL) {
            for x in cells(k % SMALL) {
                on[y * GRID + x] = true;
            }
        }
    }
    on
}

/// Largest change of a value between two [`small`] frames.
#[must_use]
pub fn largest_change(before: &[f32], now: &[f32]) -> f32 {
    (before.iter().zip(now)).fold(0.0, |most, (b, n)| most.max((n - b).abs()))
}

/// The picture tower's input for [`small`] frames: the left, right, lower and upper half of each, with its side on top.
///
/// # Errors
/// When the tensor library runs out of memory.
pub fn picture_patches(frames: &[&[f32]]) -> Result<Tensor> {
    let (across, along) = SIDE_GRID;
    let per_frame = 4 * across * along * INPUTS;
    let mut out = vec![0.0_f32; frames.len() * per_frame];
    out.par_chunks_exact_mut(per_frame)
        .zip(frames.par_iter())
        .for_each(|(out, frame)| {
            let mut mean = [0.0_f32; 3];
            for px in frame.chunks_exact(3) {
                mean.iter_mut().zip(px).for_each(|(m, v)| *m += v);
            }
            let mean = mean.map(|m| m / (SMALL * SMALL) as f32);
            for (side, out) in out.chunks_exact_mut(across * along * INPUTS).enumerate() {
                let half = half(frame, mean, side);
                let at = |depth: isize, along: isize| {
                    let depth = depth.clamp(0, SMALL as isize - 1) as usize;
                    let along = along.clamp(0, GRID as isize - 1) as usize;
                    Some(&half[(depth * GRID + along) * 3..][..3])
                };
                for (cell, patch) in out.chunks_exact_mut(INPUTS).enumerate() {
                    cut(patch, cell, along, at);
                }
            }
        });
    let rows = frames.len() * 4 * across * along;
    Ok(Tensor::from_vec(out, (rows, INPUTS), &Device::Cpu)?)
}

/// A picture less its mean with a side on top, `[depth, along, channel]`, pairs of values averaged along the side.
fn half(frame: &[f32], mean: [f32; 3], side: usize) -> Vec<f32> {
    let last = SMALL - 1;
    let mut out = Vec::with_capacity(SMALL * GRID * 3);
    for depth in 0..SMALL {
        for along in 0..GRID {
            let px = |k: usize| {
                let along = 2 * along + k;
                let (y, x) = match side {
                    0 => (along, depth),
                    1 => (along, last - depth),
                    2 => (last - depth, along),
                    _ => (depth, along),
                };
                &frame[(y * SMALL + x) * 3..][..3]
            };
            let (a, b) = (px(0), px(1));
            out.extend((0..3).map(|c| 0.5 * (a[c] + b[c]) - mean[c]));
        }
    }
    out
}

/// Cuts the patch of a cell, `columns` of them in a row, from `at(y, x)`, nothing there meaning zeros.
fn cut<'a>(
    patch: &mut [f32],
    cell: usize,
    columns: usize,
    at: impl Fn(isize, isize) -> Option<&'a [f32]>,
) {
    let top = 2 * (cell / columns) as isize - 2;
    let left = 2 * (cell % columns) as isize - 2;
    for (k, px) in patch.chunks_exact_mut(3).enumerate() {
        let (dy, dx) = ((k / PATCH) as isize, (k % PATCH) as isize);
        if let Some(values) = at(top + dy, left + dx) {
            px.copy_from_slice(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::FRAME_BYTES;
    use super::*;

    fn net(seed: u64) -> RoomNet {
        let config = RoomNetConfig {
            channels: 4,
            maps: 3,
            motion: 2,
            side: 2,
            scene: 1,
            hidden: 5,
        };
        let params = RoomNet::init(&config, &mut Stream::new(seed, "test", 0)).unwrap();
        RoomNet::new(config, &params, String::new()).unwrap()
    }

    /// A square of light of a side of 8 pixels on a picture of grey stripes.
    fn frame(x: usize, y: usize, stripes: usize) -> Vec<u8> {
        let mut frame: Vec<u8> = (0..FRAME_BYTES / 3)
            .flat_map(|px| {
                [if (px % FRAME_SIZE / stripes).is_multiple_of(2) {
                    10
                } else {
                    30
                }; 3]
            })
            .collect();
        for (row, column) in (y..y + 8).flat_map(|row| (x..x + 8).map(move |column| (row, column)))
        {
            frame[(row * FRAME_SIZE + column) * 3..][..3].fill(240);
        }
        frame
    }

    #[test]
    fn a_latent_depends_on_its_frame_and_the_one_before_alone() {
        let frames: Vec<Vec<u8>> = (0..19).map(|t| frame(20 + 9 * t, 60 + 5 * t, 16)).collect();
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let dim = net(1).latent_dim();
        let all = net(1).encode(&views).unwrap();
        for at in [1, 7, 18] {
            let pair = net(1).encode(&views[at - 1..=at]).unwrap();
            for (a, b) in pair[dim..].iter().zip(&all[at * dim..(at + 1) * dim]) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
            let alone = net(1).encode(&views[at..=at]).unwrap();
            assert_ne!(alone, all[at * dim..(at + 1) * dim]);
        }
    }

    #[test]
    fn a_still_picture_has_no_place_and_no_motion() {
        let still = frame(50, 50, 8);
        let net = net(2);
        let latents = net.encode(&[&still, &still]).unwrap();
        let (dim, moving) = (net.latent_dim(), net.config().moving());
        assert!(latents[dim..dim + moving].iter().all(|v| v.abs() < 1e-6));
        assert!(latents[dim + moving..].iter().any(|v| v.abs() > 1e-3));
    }

    #[test]
    fn what_holds_for_one_side_holds_for_all() {
        let net = net(3);
        let mut rng = Stream::new(3, "test", 1);
        let picture: Vec<f32> = (0..SMALL * SMALL * 3).map(|_| rng.unit() as f32).collect();
        let moved = |at: &dyn Fn(usize, usize) -> (usize, usize)| -> Vec<f32> {
            (0..SMALL * SMALL)
                .flat_map(|px| {
                    let (y, x) = at(px / SMALL, px % SMALL);
                    picture[(y * SMALL + x) * 3..][..3].to_vec()
                })
                .collect()
        };
        let last = SMALL - 1;
        let own = net.encode_pictures_small(&[&picture]).unwrap();
        let mirrored = moved(&|y, x| (y, last - x));
        let mirrored = net.encode_pictures_small(&[&mirrored]).unwrap();
        let turned = moved(&|y, x| (x, y));
        let turned = net.encode_pictures_small(&[&turned]).unwrap();
        // Left, right, lower, upper; two latents each.
        let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(same(&own[0..2], &mirrored[2..4]) && same(&own[2..4], &mirrored[0..2]));
        assert!(same(&own[0..2], &turned[6..8]) && same(&own[6..8], &turned[0..2]));
        assert!(!same(&own[0..2], &own[2..4]));
    }

    /// Cells by their definition: any value of the patch differs from zero.
    #[test]
    fn active_cells_are_those_with_a_change_in_their_patch() {
        for at in [0, 5 * SMALL + 5, 20 * SMALL + 31, SMALL * SMALL - 1] {
            let mut change = vec![0.0; SMALL * SMALL * 3];
            change[at * 3 + 1] = 0.5;
            let on = active_cells(&change);
            for (cell, on) in on.iter().enumerate() {
                let mut patch = vec![0.0; INPUTS];
                cut(&mut patch, cell, GRID, |y, x| {
                    let inside = |v: isize| (0..SMALL as isize).contains(&v);
                    (inside(y) && inside(x))
                        .then(|| &change[(y as usize * SMALL + x as usize) * 3..][..3])
                });
                assert_eq!(*on, patch.iter().any(|v| *v != 0.0), "{at} {cell}");
            }
        }
    }
}
