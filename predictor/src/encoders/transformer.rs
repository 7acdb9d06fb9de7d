//! Blocks of a vision transformer on plain slices: each product is one call into the matrix library, everything between
//! products is one pass over memory, and nothing is copied to change its layout.

use candle_core::{Device, Tensor};
use candle_nn::{LayerNorm, Linear, Module};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::Result;
use crate::kernels::{add_row, gated_silu, gelu, layer_norm, softmax_rows};

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
    gated: bool,
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
    pub(super) gated: bool,
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
            gated: layers.gated,
        })
    }

    /// The block in place: `x` is `[frame, token, unit]`.
    pub(super) fn forward(&self, x: &mut [f32], tokens: usize, buffers: &mut Buffers) {
        self.norm1.apply(x, &mut buffers.normed);
        self.qkv.apply(&buffers.normed, &mut buffers.qkv);
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
        self.norm1.apply(x, &mut buffers.normed);
        self.qkv.apply(&buffers.normed, &mut buffers.qkv);
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
            gated: self.gated,
        })
    }

    fn perceptron(&self, x: &mut [f32], buffers: &mut Buffers) {
        self.norm2.apply(x, &mut buffers.normed);
        self.first.apply(&buffers.normed, &mut buffers.hidden);
        if self.gated {
            let width = self.first.rows() / 2;
            buffers.gated.resize(buffers.hidden.len() / 2, 0.0);
            gated_silu(&buffers.hidden, width, &mut buffers.gated);
            self.last.add(&buffers.gated, x);
        } else {
            gelu(&mut buffers.hidden);
            self.last.add(&buffers.hidden, x);
        }
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
    gated: bool,
}

impl TensorBlock {
    /// The block for `[frame, token, unit]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let qkv = self.qkv.forward(&self.norm1.forward(x)?)?;
        let x = (x + self.proj.forward(&super::vit::attend(&qkv, self.heads)?)?)?;
        let hidden = self.first.forward(&self.norm2.forward(&x)?)?;
        let hidden = if self.gated {
            let width = hidden.dim(2)? / 2;
            (hidden.narrow(2, 0, width)?.silu()? * hidden.narrow(2, width, width)?)?
        } else {
            hidden.gelu_erf()?
        };
        Ok((&x + self.last.forward(&hidden)?)?)
    }
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
