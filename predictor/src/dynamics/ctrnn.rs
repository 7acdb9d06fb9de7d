use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;

use super::DynamicsConfig;
use super::windows::{Matrix, Plain};
use crate::Result;
use crate::device::put;

/// Continuous-time recurrent cell, forward Euler:
/// `ah ← ah + dt/τ · (−ah + W_hh h + W_hx x + b)`, `h = max(tanh(ah), 0)`, started from `ah0`.
#[derive(Clone, Debug)]
pub(super) struct Ctrnn {
    ah0: Tensor,
    w_hx: Tensor,
    b_h: Tensor,
    w_hh: Tensor,
    w_yh: Tensor,
    b_y: Tensor,
    dt_over_tau: f64,
}

/// Activation before and after the non-linearity, `[batch, unit]`.
#[derive(Clone, Debug)]
pub(super) struct CtrnnState {
    ah: Tensor,
    h: Tensor,
}

impl Ctrnn {
    pub(super) fn new(config: &DynamicsConfig, vb: &VarBuilder) -> Result<Self> {
        let (d, h) = (config.inputs(), config.hidden);
        Ok(Self {
            ah0: vb.get(h, "ah0")?,
            w_hx: vb.get((h, d), "fc_x2ah.weight")?,
            b_h: vb.get(h, "fc_x2ah.bias")?,
            w_hh: vb.get((h, h), "fc_h2ah.weight")?,
            w_yh: vb.get((h, h), "fc_h2y.weight")?,
            b_y: vb.get(h, "fc_h2y.bias")?,
            dt_over_tau: config.dt_over_tau,
        })
    }

    pub(super) fn move_to(&mut self, device: &Device) -> Result<()> {
        for tensor in [
            &mut self.ah0,
            &mut self.w_hx,
            &mut self.b_h,
            &mut self.w_hh,
            &mut self.w_yh,
            &mut self.b_y,
        ] {
            put(tensor, device)?;
        }
        Ok(())
    }

    /// The cell's tensors as plain numbers.
    pub(super) fn plain(&self) -> Result<Plain> {
        let row = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.to_vec1()?) };
        let hh = Matrix::of(&self.w_hh)?;
        Ok(Plain::Ctrnn {
            hh_transposed: hh.transposed(),
            ah0: row(&self.ah0)?,
            hx: Matrix::of(&self.w_hx)?,
            bias: row(&self.b_h)?,
            hh,
            yh: Matrix::of(&self.w_yh)?,
            yb: row(&self.b_y)?,
            dt_over_tau: self.dt_over_tau as f32,
        })
    }

    pub(super) fn start(&self, batch: usize) -> Result<CtrnnState> {
        let ah = self.ah0.unsqueeze(0)?.repeat((batch, 1))?;
        let h = ah.tanh()?.relu()?;
        Ok(CtrnnState { ah, h })
    }

    pub(super) fn step(&self, x: &Tensor, state: &CtrnnState) -> Result<CtrnnState> {
        let drive = (state.h.matmul(&self.w_hh.t()?)? + x.matmul(&self.w_hx.t()?)?)?
            .broadcast_add(&self.b_h)?;
        let ah = (&state.ah + ((drive - &state.ah)? * self.dt_over_tau)?)?;
        let h = ah.tanh()?.relu()?;
        Ok(CtrnnState { ah, h })
    }

    pub(super) fn output(&self, state: &CtrnnState) -> Result<Tensor> {
        Ok(state.h.matmul(&self.w_yh.t()?)?.broadcast_add(&self.b_y)?)
    }
}
