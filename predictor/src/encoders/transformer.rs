//! Blocks of a vision transformer on plain slices: each product is one call into the matrix library, everything between
//! products is one pass over memory, and nothing is copied to change its layout.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::ops::{sigmoid, softmax_last_dim};
use candle_nn::{LayerNorm, Linear, Module};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::Result;
use crate::kernels::{add_row, gated_silu, gelu, layer_norm, quick_gelu, softmax_rows, turn};

/// A linear layer; weights `[out, in]`.
#[derive(Clone, Debug)]
struct Layer {
    weight: Vec<f32>,
    bias: Vec<f32>,
    columns: usize,
}

impl Layer {
    /// With each output scaled by `gamma`, if there is one.
    fn of(linear: &Linear, gamma: Option<&Tensor>) -> Result<Self> {
        let (rows, columns) = linear.weight().dims2()?;
        let mut weight: Vec<f32> = linear.weight().flatten_all()?.to_vec1()?;
        let mut bias: Vec<f32> = match linear.bias() {
            Some(bias) => bias.to_vec1()?,
            None => vec![0.0; rows],
        };
        if let Some(gamma) = gamma {
            let gamma: Vec<f32> = gamma.to_vec1()?;
            for ((row, b), g) in weight.chunks_mut(columns).zip(&mut bias).zip(&gamma) {
                row.iter_mut().for_each(|w| *w *= g);
                *b *= g;
            }
        }
        Ok(Self {
            weight,
            bias,
            columns,
        })
    }

    fn rows(&self) -> usize {
        self.bias.len()
    }

    /// `out [n, out] += x [n, in] · Wᵀ + b`.
    fn add(&self, x: &[f32], out: &mut [f32]) {
        let n = x.len() / self.columns;
        matmul(
            MatMut::from_row_major_slice_mut(out, n, self.rows()),
            Accum::Add,
            MatRef::from_row_major_slice(x, n, self.columns),
            MatRef::from_row_major_slice(&self.weight, self.rows(), self.columns).transpose(),
            1.0f32,
            Par::rayon(0),
        );
        add_row(out, &self.bias);
    }

    /// `x [n, in] · Wᵀ + b`, into a buffer that is made as long as it has to be.
    fn apply(&self, x: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(x.len() / self.columns * self.rows(), 0.0);
        self.add(x, out);
    }
}

/// Gain and offset of a layer norm.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    gain: Vec<f32>,
    offset: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    pub(super) fn of(norm: &LayerNorm, epsilon: f64) -> Result<Self> {
        let gain: Vec<f32> = norm.weight().to_vec1()?;
        let offset = match norm.bias() {
            Some(bias) => bias.to_vec1()?,
            None => vec![0.0; gain.len()],
        };
        Ok(Self {
            gain,
            offset,
            epsilon: epsilon as f32,
        })
    }

    /// The norm as tensors on `device`.
    pub(super) fn on(&self, device: &Device) -> Result<LayerNorm> {
        let row = |values: &[f32]| Tensor::from_slice(values, values.len(), device);
        Ok(LayerNorm::new(
            row(&self.gain)?,
            row(&self.offset)?,
            f64::from(self.epsilon),
        ))
    }

    /// Each row of `x` normed, into a buffer that is made as long as it has to be.
    pub(super) fn apply(&self, x: &[f32], out: &mut Vec<f32>) {
        out.resize(x.len(), 0.0);
        layer_norm(x, &self.gain, &self.offset, self.epsilon, out);
    }
}

/// What stands between the two layers of a block's perceptron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// GELU.
    Gelu,
    /// OpenAI's approximation of GELU, `x · sigmoid(1.702 x)`.
    QuickGelu,
    /// `silu(a) · b` of the halves a and b of the first layer's outputs (`SwiGLU`).
    GatedSilu,
}

/// How queries and keys are turned by their token's place: `x · cos + y · sin`, y the neighbours swapped with a minus on
/// the first. Both `[token, unit of a head]`.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
}

impl Turn {
    /// Queries and keys of `qkv` `[frame, token, 3 · unit]` in place.
    fn apply(&self, qkv: &mut [f32], dim: usize, tokens: usize, head: usize) {
        qkv.par_chunks_mut(3 * dim)
            .with_min_len(16)
            .enumerate()
            .for_each(|(row, qkv)| {
                let at = row % tokens * head;
                let (cos, sin) = (&self.cos[at..at + head], &self.sin[at..at + head]);
                for part in qkv[..2 * dim].chunks_exact_mut(head) {
                    turn(part, cos, sin);
                }
            });
    }
}

/// Buffers that blocks share.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    normed: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    hidden: Vec<f32>,
    gated: Vec<f32>,
}

/// One pre-norm block: attention, then a perceptron.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) heads: usize,
    norm1: Norm,
    qkv: Layer,
    proj: Layer,
    norm2: Norm,
    first: Layer,
    last: Layer,
    activation: Activation,
    turn: Option<Arc<Turn>>,
}

/// The layers of a block as they are loaded.
pub(super) struct BlockLayers {
    pub(super) norm1: Norm,
    pub(super) qkv: Linear,
    pub(super) proj: Linear,
    pub(super) scale1: Option<Tensor>,
    pub(super) norm2: Norm,
    pub(super) first: Linear,
    pub(super) last: Linear,
    pub(super) scale2: Option<Tensor>,
    pub(super) activation: Activation,
    pub(super) turn: Option<Arc<Turn>>,
    pub(super) heads: usize,
}

impl Block {
    pub(super) fn new(layers: BlockLayers) -> Result<Self> {
        Ok(Self {
            heads: layers.heads,
            norm1: layers.norm1,
            qkv: Layer::of(&layers.qkv, None)?,
            proj: Layer::of(&layers.proj, layers.scale1.as_ref())?,
            norm2: layers.norm2,
            first: Layer::of(&layers.first, None)?,
            last: Layer::of(&layers.last, layers.scale2.as_ref())?,
            activation: layers.activation,
            turn: layers.turn,
        })
    }

    /// The block in place: `x` is `[frame, token, unit]`.
    pub(super) fn forward(&self, x: &mut [f32], tokens: usize, buffers: &mut Buffers) {
        self.queries_keys_values(x, tokens, buffers);
        buffers.mixed.resize(x.len(), 0.0);
        attend(
            &buffers.qkv,
            self.proj.rows(),
            tokens,
            tokens,
            self.heads,
            &mut buffers.mixed,
        );
        self.proj.add(&buffers.mixed, x);
        self.perceptron(x, buffers);
    }

    /// The block for the first token of each frame alone, which is all that is read of the last block:
    /// `[frame, unit]`. The other tokens are needed as keys and values only.
    pub(super) fn forward_first(
        &self,
        x: &[f32],
        tokens: usize,
        buffers: &mut Buffers,
    ) -> Vec<f32> {
        let dim = self.proj.rows();
        self.queries_keys_values(x, tokens, buffers);
        let mut out: Vec<f32> = x
            .chunks(tokens * dim)
            .flat_map(|frame| &frame[..dim])
            .copied()
            .collect();
        buffers.mixed.resize(out.len(), 0.0);
        attend(&buffers.qkv, dim, tokens, 1, self.heads, &mut buffers.mixed);
        self.proj.add(&buffers.mixed, &mut out);
        self.perceptron(&mut out, buffers);
        out
    }

    fn queries_keys_values(&self, x: &[f32], tokens: usize, buffers: &mut Buffers) {
        self.norm1.apply(x, &mut buffers.normed);
        self.qkv.apply(&buffers.normed, &mut buffers.qkv);
        if let Some(turn) = &self.turn {
            let dim = self.proj.rows();
            turn.apply(&mut buffers.qkv, dim, tokens, dim / self.heads);
        }
    }

    /// The block as tensors on `device`.
    pub(super) fn on(&self, device: &Device) -> Result<TensorBlock> {
        let linear = |layer: &Layer| -> Result<Linear> {
            let weight = Tensor::from_slice(&layer.weight, (layer.rows(), layer.columns), device)?;
            let bias = Tensor::from_slice(&layer.bias, layer.rows(), device)?;
            Ok(Linear::new(weight, Some(bias)))
        };
        Ok(TensorBlock {
            heads: self.heads,
            norm1: self.norm1.on(device)?,
            qkv: linear(&self.qkv)?,
            proj: linear(&self.proj)?,
            norm2: self.norm2.on(device)?,
            first: linear(&self.first)?,
            last: linear(&self.last)?,
            activation: self.activation,
            turn: match &self.turn {
                Some(turn) => {
                    let units = self.proj.rows() / self.heads;
                    let shape = (turn.cos.len() / units, units);
                    let tensor = |values: &[f32]| Tensor::from_slice(values, shape, device);
                    Some((tensor(&turn.cos)?, tensor(&turn.sin)?))
                }
                None => None,
            },
        })
    }

    fn perceptron(&self, x: &mut [f32], buffers: &mut Buffers) {
        self.norm2.apply(x, &mut buffers.normed);
        self.first.apply(&buffers.normed, &mut buffers.hidden);
        let hidden = match self.activation {
            Activation::Gelu => {
                gelu(&mut buffers.hidden);
                &buffers.hidden
            }
            Activation::QuickGelu => {
                quick_gelu(&mut buffers.hidden);
                &buffers.hidden
            }
            Activation::GatedSilu => {
                buffers.gated.resize(buffers.hidden.len() / 2, 0.0);
                let width = self.first.rows() / 2;
                gated_silu(&buffers.hidden, width, &mut buffers.gated);
                &buffers.gated
            }
        };
        self.last.add(hidden, x);
    }
}

/// All blocks of a network and the norm after them.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    pub(super) blocks: Vec<Block>,
    pub(super) norm: Norm,
    /// The same on a device that is not the processor.
    elsewhere: Option<(Vec<TensorBlock>, LayerNorm)>,
}

impl Stack {
    pub(super) fn new(blocks: Vec<Block>, norm: Norm) -> Self {
        Self {
            blocks,
            norm,
            elsewhere: None,
        }
    }

    pub(super) fn move_to(&mut self, device: &Device) -> Result<()> {
        self.elsewhere = (!device.is_cpu()).then(|| self.on(device)).transpose()?;
        Ok(())
    }

    fn on(&self, device: &Device) -> Result<(Vec<TensorBlock>, LayerNorm)> {
        let blocks: Result<Vec<_>> = self.blocks.iter().map(|b| b.on(device)).collect();
        Ok((blocks?, self.norm.on(device)?))
    }

    /// The same by the tensor library's operations on the processor: what a card is given to do.
    #[cfg(test)]
    pub(super) fn by_the_library(&self) -> Result<Self> {
        Ok(Self {
            elsewhere: Some(self.on(&Device::Cpu)?),
            ..self.clone()
        })
    }

    /// All tokens after the last norm, `[frame, token, unit]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Some((blocks, norm)) = &self.elsewhere {
            let mut x = x.clone();
            for block in blocks {
                x = block.forward(&x)?;
            }
            return Ok(norm.forward(&x)?);
        }
        let mut values: Vec<f32> = x.flatten_all()?.to_vec1()?;
        let mut buffers = Buffers::default();
        for block in &self.blocks {
            block.forward(&mut values, x.dim(1)?, &mut buffers);
        }
        let mut normed = Vec::new();
        self.norm.apply(&values, &mut normed);
        Ok(Tensor::from_vec(normed, x.shape(), &Device::Cpu)?)
    }

    /// The first token of each frame after the last norm, `[frame, unit]`. The last block is run for it alone.
    pub(super) fn forward_first(&self, x: &Tensor) -> Result<Tensor> {
        let (frames, tokens, dim) = x.dims3()?;
        if let Some((blocks, norm)) = &self.elsewhere {
            let mut x = x.clone();
            for block in blocks {
                x = block.forward(&x)?;
            }
            let first = x.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
            return Ok(norm.forward(&first)?);
        }
        let mut buffers = Buffers::default();
        let mut values: Vec<f32> = x.flatten_all()?.to_vec1()?;
        let first = match self.blocks.split_last() {
            Some((last, blocks)) => {
                for block in blocks {
                    block.forward(&mut values, tokens, &mut buffers);
                }
                last.forward_first(&values, tokens, &mut buffers)
            }
            None => x.narrow(1, 0, 1)?.flatten_all()?.to_vec1()?,
        };
        let mut normed = Vec::new();
        self.norm.apply(&first, &mut normed);
        Ok(Tensor::from_vec(normed, (frames, dim), &Device::Cpu)?)
    }
}

/// A [`Block`] in the tensor library's operations, for devices that are not the processor.
#[derive(Clone, Debug)]
pub(super) struct TensorBlock {
    heads: usize,
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    first: Linear,
    last: Linear,
    activation: Activation,
    turn: Option<(Tensor, Tensor)>,
}

impl TensorBlock {
    /// The block for `[frame, token, unit]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let qkv = self.qkv.forward(&self.norm1.forward(x)?)?;
        let x = (x + self.proj.forward(&self.attend(&qkv)?)?)?;
        let hidden = self.first.forward(&self.norm2.forward(&x)?)?;
        let hidden = match self.activation {
            Activation::Gelu => hidden.gelu_erf()?,
            Activation::QuickGelu => (&hidden * sigmoid(&(&hidden * 1.702)?)?)?,
            Activation::GatedSilu => {
                let width = hidden.dim(2)? / 2;
                (hidden.narrow(2, 0, width)?.silu()? * hidden.narrow(2, width, width)?)?
            }
        };
        Ok((&x + self.last.forward(&hidden)?)?)
    }

    /// As [`attend`] for all tokens, queries and keys turned first.
    fn attend(&self, qkv: &Tensor) -> Result<Tensor> {
        let (frames, tokens, width) = qkv.dims3()?;
        let head = width / 3 / self.heads;
        let qkv = qkv
            .reshape((frames, tokens, 3, self.heads, head))?
            .permute((2, 0, 3, 1, 4))?
            .contiguous()?;
        let turned = |x: Tensor| match &self.turn {
            Some((cos, sin)) => turned(&x, cos, sin),
            None => Ok(x),
        };
        let q = (turned(qkv.get(0)?)? * (1.0 / (head as f64).sqrt()))?;
        let k = turned(qkv.get(1)?)?;
        let weights = softmax_last_dim(&q.matmul(&k.t()?)?)?;
        Ok(weights
            .matmul(&qkv.get(2)?)?
            .transpose(1, 2)?
            .contiguous()?
            .reshape((frames, tokens, self.heads * head))?)
    }
}

/// [`Turn`] of queries or keys `[frame, head, token, unit]`.
fn turned(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (frames, heads, tokens, units) = x.dims4()?;
    let even = units / 2 * 2;
    let pairs =
        x.narrow(3, 0, even)?
            .contiguous()?
            .reshape((frames, heads, tokens, even / 2, 2))?;
    let first = pairs.narrow(4, 0, 1)?;
    let second = pairs.narrow(4, 1, 1)?.neg()?;
    let mut swapped = Tensor::cat(&[&second, &first], 4)?.reshape((frames, heads, tokens, even))?;
    if even < units {
        let shape = (frames, heads, tokens, units - even);
        let rest = Tensor::zeros(shape, DType::F32, x.device())?;
        swapped = Tensor::cat(&[&swapped, &rest], 3)?;
    }
    Ok((x.broadcast_mul(cos)? + swapped.broadcast_mul(sin)?)?)
}

/// Multi-head attention of the first `queries` tokens of each frame over all of its tokens. `qkv` is
/// `[frame, token, 3 · unit]`, queries, keys and values side by side, each head by head; `out` becomes
/// `[frame, query, unit]`.
fn attend(qkv: &[f32], dim: usize, tokens: usize, queries: usize, heads: usize, out: &mut [f32]) {
    let head = dim / heads;
    let scale = 1.0 / (head as f32).sqrt();
    out.par_chunks_mut(queries * dim)
        .zip(qkv.par_chunks(tokens * 3 * dim))
        .for_each(|(out, qkv)| {
            let part = |which: usize, k: usize, rows: usize| {
                let from = which * dim + k * head;
                MatRef::from_row_major_slice_with_stride(&qkv[from..], rows, head, 3 * dim)
            };
            MatMut::from_row_major_slice_mut(out, queries, dim)
                .par_col_partition_mut(heads)
                .enumerate()
                .for_each(|(k, out)| {
                    let mut weights = vec![0.0; queries * tokens];
                    matmul(
                        MatMut::from_row_major_slice_mut(&mut weights, queries, tokens),
                        Accum::Replace,
                        part(0, k, queries),
                        part(1, k, tokens).transpose(),
                        1.0f32,
                        Par::Seq,
                    );
                    softmax_rows(&mut weights, tokens, scale);
                    matmul(
                        out,
                        Accum::Replace,
                        MatRef::from_row_major_slice(&weights, queries, tokens),
                        part(2, k, tokens),
                        1.0f32,
                        Par::Seq,
                    );
                });
        });
}
