use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::sigmoid;

use super::DynamicsConfig;
use super::windows::{Matrix, Plain};
use crate::Result;
use crate::device::put;

/// Gated recurrent unit with PyTorch's equations (the reset gate after the recurrent product):
/// `r = σ(W_ir x + b_ir + W_hr h + b_hr)`, `z = σ(W_iz x + b_iz + W_hz h + b_hz)`,
/// `n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))`, `h ← (1 − z) ⊙ n + z ⊙ h`, started from zero.
#[derive(Clone, Debug)]
pub(super) struct Gru {
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor,
    b_hh: Tensor,
    hidden: usize,
}

impl Gru {
    pub(super) fn new(config: &DynamicsConfig, vb: &VarBuilder) -> Result<Self> {
        let (d, h) = (config.inputs(), config.hidden);
        Ok(Self {
            w_ih: vb.get((3 * h, d), "weight_ih_l0")?,
            w_hh: vb.get((3 * h, h), "weight_hh_l0")?,
            b_ih: vb.get(3 * h, "bias_ih_l0")?,
            b_hh: vb.get(3 * h, "bias_hh_l0")?,
            hidden: h,
        })
    }

    pub(super) fn move_to(&mut self, device: &Device) -> Result<()> {
        for tensor in [
            &mut self.w_ih,
            &mut self.w_hh,
            &mut self.b_ih,
            &mut self.b_hh,
        ] {
            put(tensor, device)?;
        }
        Ok(())
    }

    /// The cell's tensors as plain numbers.
    pub(super) fn plain(&self) -> Result<Plain> {
        Ok(Plain::Gru {
            ih: Matrix::of(&self.w_ih)?,
            bias: self.b_ih.to_vec1()?,
            hh: Matrix::of(&self.w_hh)?,
            hh_bias: self.b_hh.to_vec1()?,
        })
    }

    pub(super) fn start(&self, batch: usize) -> Result<Tensor> {
        let shape = (batch, self.hidden);
        Ok(Tensor::zeros(shape, self.w_hh.dtype(), self.w_hh.device())?)
    }

    pub(super) fn step(&self, x: &Tensor, h: &Tensor) -> Result<Tensor> {
        let input = x.matmul(&self.w_ih.t()?)?.broadcast_add(&self.b_ih)?;
        let recurrent = h.matmul(&self.w_hh.t()?)?.broadcast_add(&self.b_hh)?;
        let (i, r) = (input.chunk(3, 1)?, recurrent.chunk(3, 1)?);
        let reset = sigmoid(&(&i[0] + &r[0])?)?;
        let update = sigmoid(&(&i[1] + &r[1])?)?;
        let new = (&i[2] + (reset * &r[2])?)?.tanh()?;
        // n + z (h − n)
        Ok((&new + (update * (h - &new)?)?)?)
    }
}
