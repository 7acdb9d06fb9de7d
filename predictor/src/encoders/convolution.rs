//! Convolutions of frozen networks on plain slices, channels last: each is a matrix product over tiles of positions
//! that stay in the cache, with what follows it (bias, shortcut, ReLU) done while they are there.

use candle_core::{Device, Tensor};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::named::Named;
use crate::Result;
use crate::kernels::bias_add_relu;

/// ε of every batch norm (torchvision).
const NORM_EPS: f64 = 1e-5;
/// Values of the columns of one tile.
const TILE_VALUES: usize = 1 << 18;
/// Positions of one tile, least and most.
const TILE_ROWS: (usize, usize) = (96, 768);
/// Tiles below which a product is split among threads rather than the tiles.
const FEW_TILES: usize = 4;

/// What is computed on its way through a convolutional network, on the processor ([`Maps`]) or elsewhere ([`Tensor`]).
pub(super) trait Features: Sized {
    /// `conv` of it, `add` added, then ReLU where `relu` says so.
    fn convolved(&self, conv: &Conv, add: Option<&Self>, relu: bool) -> Result<Self>;

    /// The largest of each window of `side` × `side`. What is outside counts as 0: values are those of a ReLU.
    fn pooled(&self, side: usize, stride: usize, padding: usize) -> Result<Self>;

    /// The mean over all places, `[frame, channel]`.
    fn average(&self) -> Result<Tensor>;

    /// `[frame, channel · y · x]`.
    fn flat(&self) -> Result<Tensor>;
}

/// Maps of some frames.
#[derive(Clone, Debug)]
pub(super) struct Maps {
    /// `[frame, y, x, channel]`.
    values: Vec<f32>,
    frames: usize,
    height: usize,
    width: usize,
    channels: usize,
}

impl Maps {
    /// Inputs `[frame, channel, y, x]`.
    pub(super) fn of(input: &Tensor) -> Result<Self> {
        let (frames, channels, height, width) = input.dims4()?;
        let planes: Vec<f32> = input.flatten_all()?.to_vec1()?;
        let mut maps = Self::zeros(frames, height, width, channels);
        for (frame, planes) in maps
            .frames_mut()
            .zip(planes.chunks_exact(channels * height * width))
        {
            for (channel, plane) in planes.chunks_exact(height * width).enumerate() {
                for (place, value) in frame.chunks_exact_mut(channels).zip(plane) {
                    place[channel] = *value;
                }
            }
        }
        Ok(maps)
    }

    fn zeros(frames: usize, height: usize, width: usize, channels: usize) -> Self {
        Self {
            values: vec![0.0; frames * height * width * channels],
            frames,
            height,
            width,
            channels,
        }
    }

    fn frames(&self) -> impl Iterator<Item = &[f32]> {
        self.values
            .chunks_exact(self.height * self.width * self.channels)
    }

    fn frames_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.values
            .chunks_exact_mut(self.height * self.width * self.channels)
    }
}

impl Features for Maps {
    fn convolved(&self, conv: &Conv, add: Option<&Self>, relu: bool) -> Result<Self> {
        Ok(conv.forward(self, add, relu))
    }

    fn pooled(&self, side: usize, stride: usize, padding: usize) -> Result<Self> {
        let reach = |length: usize| (length + 2 * padding - side) / stride + 1;
        let (height, width) = (reach(self.height), reach(self.width));
        let mut out = Self::zeros(self.frames, height, width, self.channels);
        let row = width * self.channels;
        out.values
            .par_chunks_mut(row)
            .enumerate()
            .for_each(|(at, out)| {
                let (frame, y) = (at / height, at % height);
                let ys = (y * stride..y * stride + side).filter_map(|y| y.checked_sub(padding));
                for y in ys.filter(|y| *y < self.height) {
                    let from = (frame * self.height + y) * self.width * self.channels;
                    let line = &self.values[from..from + self.width * self.channels];
                    for (x, out) in out.chunks_exact_mut(self.channels).enumerate() {
                        let first = (x * stride).saturating_sub(padding);
                        let last = (x * stride + side - padding).min(self.width);
                        for place in line[first * self.channels..last * self.channels]
                            .chunks_exact(self.channels)
                        {
                            for (o, v) in out.iter_mut().zip(place) {
                                *o = if *v <= *o { *o } else { *v };
                            }
                        }
                    }
                }
            });
        Ok(out)
    }

    fn average(&self) -> Result<Tensor> {
        let places = self.height * self.width;
        let mut means = Vec::with_capacity(self.frames * self.channels);
        for frame in self.frames() {
            let mut sums = vec![0.0_f32; self.channels];
            for place in frame.chunks_exact(self.channels) {
                sums.iter_mut().zip(place).for_each(|(s, v)| *s += v);
            }
            means.extend(sums.iter().map(|s| s / places as f32));
        }
        let shape = (self.frames, self.channels);
        Ok(Tensor::from_vec(means, shape, &Device::Cpu)?)
    }

    fn flat(&self) -> Result<Tensor> {
        let places = self.height * self.width;
        let mut planes: Vec<f32> = Vec::with_capacity(self.values.len());
        for frame in self.frames() {
            for channel in 0..self.channels {
                planes.extend(frame.iter().skip(channel).step_by(self.channels));
            }
        }
        let shape = (self.frames, self.channels * places);
        Ok(Tensor::from_vec(planes, shape, &Device::Cpu)?)
    }
}

impl Features for Tensor {
    fn convolved(&self, conv: &Conv, add: Option<&Self>, relu: bool) -> Result<Self> {
        let (weight, bias) = conv.on(self.device())?;
        let mut y = self
            .conv2d(&weight, conv.padding, conv.stride, 1, 1)?
            .broadcast_add(&bias)?;
        if let Some(add) = add {
            y = (y + add)?;
        }
        Ok(if relu { y.relu()? } else { y })
    }

    fn pooled(&self, side: usize, stride: usize, padding: usize) -> Result<Self> {
        let padded = match padding {
            0 => self.clone(),
            n => self.pad_with_zeros(2, n, n)?.pad_with_zeros(3, n, n)?,
        };
        Ok(padded.max_pool2d_with_stride(side, stride)?)
    }

    fn average(&self) -> Result<Tensor> {
        Ok(self.flatten_from(2)?.mean(2)?)
    }

    fn flat(&self) -> Result<Tensor> {
        Ok(self.flatten_from(1)?)
    }
}

/// A convolution with the batch norm after it folded in.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    /// `[ky, kx, in, out]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    side: usize,
    inputs: usize,
    stride: usize,
    padding: usize,
    /// Weight `[out, in, ky, kx]` and bias on a device that is not the processor.
    elsewhere: Option<(Tensor, Tensor)>,
}

impl Conv {
    /// The convolution `conv` and the batch norm `bn` with a border of zeros of half the kernel.
    pub(super) fn new(named: &Named, conv: &str, bn: &str, stride: usize) -> Result<Self> {
        let (weight, bias) = named.conv_bn(conv, bn, NORM_EPS)?;
        let (_, inputs, side, _) = weight.dims4()?;
        Ok(Self {
            weight: weight.permute((2, 3, 1, 0))?.flatten_all()?.to_vec1()?,
            bias: bias.flatten_all()?.to_vec1()?,
            side,
            inputs,
            stride,
            padding: side / 2,
            elsewhere: None,
        })
    }

    pub(super) fn move_to(&mut self, device: &Device) -> Result<()> {
        self.elsewhere = (!device.is_cpu()).then(|| self.on(device)).transpose()?;
        Ok(())
    }

    /// Weight and bias as tensors.
    fn on(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        if let Some(tensors) = &self.elsewhere {
            return Ok(tensors.clone());
        }
        let (side, outputs) = (self.side, self.bias.len());
        let weight = Tensor::from_slice(
            &self.weight,
            (side, side, self.inputs, outputs),
            &Device::Cpu,
        )?
        .permute((3, 2, 0, 1))?
        .contiguous()?;
        let bias = Tensor::from_slice(&self.bias, (1, outputs, 1, 1), device)?;
        Ok((weight.to_device(device)?, bias))
    }

    fn forward(&self, x: &Maps, add: Option<&Maps>, relu: bool) -> Maps {
        let reach = |length: usize| (length + 2 * self.padding - self.side) / self.stride + 1;
        let (height, width, outputs) = (reach(x.height), reach(x.width), self.bias.len());
        let mut out = Maps::zeros(x.frames, height, width, outputs);
        let depth = self.side * self.side * self.inputs;
        let rows = (TILE_VALUES / depth).clamp(TILE_ROWS.0, TILE_ROWS.1);
        let tiles = (x.frames * height * width).div_ceil(rows);
        let par = match tiles < FEW_TILES {
            true => Par::rayon(0),
            false => Par::Seq,
        };
        let direct = self.side == 1 && self.stride == 1;
        out.values
            .par_chunks_mut(rows * outputs)
            .enumerate()
            .for_each_init(Vec::new, |columns, (tile, out)| {
                let (from, n) = (tile * rows, out.len() / outputs);
                let columns = if direct {
                    &x.values[from * depth..(from + n) * depth]
                } else {
                    columns.clear();
                    for at in from..from + n {
                        let (frame, y) = (at / (height * width), at / width % height);
                        self.column(x, frame, y, at % width, columns);
                    }
                    &columns[..]
                };
                matmul(
                    MatMut::from_row_major_slice_mut(out, n, outputs),
                    Accum::Replace,
                    MatRef::from_row_major_slice(columns, n, depth),
                    MatRef::from_row_major_slice(&self.weight, depth, outputs),
                    1.0f32,
                    par,
                );
                let add = add.map(|a| &a.values[from * outputs..(from + n) * outputs]);
                bias_add_relu(out, &self.bias, add, relu);
            });
        out
    }

    /// Appends what the kernel sees at the output's place (y, x): `[ky, kx, in]`.
    fn column(&self, maps: &Maps, frame: usize, y: usize, x: usize, column: &mut Vec<f32>) {
        let c = self.inputs;
        let left = self.padding.saturating_sub(x * self.stride);
        let first = (x * self.stride).saturating_sub(self.padding);
        let last = (x * self.stride + self.side - self.padding).min(maps.width);
        let right = self.side - left - (last - first);
        for ky in 0..self.side {
            match (y * self.stride + ky).checked_sub(self.padding) {
                Some(y) if y < maps.height => {
                    let line = (frame * maps.height + y) * maps.width;
                    column.resize(column.len() + left * c, 0.0);
                    column.extend_from_slice(&maps.values[(line + first) * c..(line + last) * c]);
                    column.resize(column.len() + right * c, 0.0);
                }
                _ => column.resize(column.len() + self.side * c, 0.0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use mental_pong_base::Stream;

    fn random(shape: &[usize], rng: &mut Stream) -> Tensor {
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| rng.uniform(0.2, 1.0) as f32 - 0.5).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn largest(a: &Tensor, b: &Tensor) -> f32 {
        assert_eq!(a.dims(), b.dims());
        let gap = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        gap.max(0).unwrap().to_scalar().unwrap()
    }

    /// Every kernel of the networks, on odd sizes, against the tensor library's.
    #[test]
    fn convolutions_are_the_tensor_library_s() {
        let mut rng = Stream::new(7, "convolutions", 0);
        for (side, stride, inputs, outputs, height, width) in [
            (7, 2, 3, 5, 19, 22),
            (3, 1, 4, 6, 9, 7),
            (3, 2, 5, 3, 8, 11),
            (1, 1, 6, 4, 5, 5),
            (1, 2, 3, 7, 7, 6),
            (3, 1, 40, 33, 31, 29),
            (3, 1, 2, 2, 1, 1),
        ] {
            let mut tensors = BTreeMap::new();
            tensors.insert(
                "c.weight".to_string(),
                random(&[outputs, inputs, side, side], &mut rng),
            );
            for part in ["weight", "bias", "running_mean"] {
                tensors.insert(format!("b.{part}"), random(&[outputs], &mut rng));
            }
            let var = random(&[outputs], &mut rng).abs().unwrap();
            tensors.insert("b.running_var".into(), (var + 0.5).unwrap());
            let shapes: Vec<(String, Vec<usize>)> = tensors
                .iter()
                .map(|(n, t)| (n.clone(), t.dims().to_vec()))
                .collect();
            let named = Named::new(&tensors, &shapes).unwrap();
            let conv = Conv::new(&named, "c", "b", stride).unwrap();
            let input = random(&[3, inputs, height, width], &mut rng);
            let maps = Maps::of(&input).unwrap();
            let plain = maps.convolved(&conv, None, false).unwrap();
            let theirs = input.convolved(&conv, None, false).unwrap();
            let flat = |t: &Tensor| t.flat().unwrap();
            assert!(
                largest(&plain.flat().unwrap(), &flat(&theirs)) < 2e-5,
                "{side} {stride}"
            );
            let both = plain
                .convolved(&conv_like(&conv), Some(&plain), true)
                .unwrap();
            let twin = theirs
                .convolved(&conv_like(&conv), Some(&theirs), true)
                .unwrap();
            assert!(largest(&both.flat().unwrap(), &flat(&twin)) < 2e-5);
            assert!(largest(&both.average().unwrap(), &twin.average().unwrap()) < 1e-5);
            for (side, stride, padding) in [(2, 2, 0), (3, 2, 1)] {
                if height.min(width) < side {
                    continue;
                }
                let ours = both.pooled(side, stride, padding).unwrap().flat().unwrap();
                let theirs = twin.pooled(side, stride, padding).unwrap();
                assert!(largest(&ours, &flat(&theirs)) < 2e-5, "pool {side}");
            }
        }
    }

    /// The identity times two, on as many maps as `conv` gives.
    fn conv_like(conv: &Conv) -> Conv {
        let n = conv.bias.len();
        Conv {
            weight: (0..n * n)
                .map(|k| if k % (n + 1) == 0 { 2.0 } else { 0.0 })
                .collect(),
            bias: vec![0.25; n],
            side: 1,
            inputs: n,
            stride: 1,
            padding: 0,
            elsewhere: None,
        }
    }
}
