//! The published rollout without its repetitions.
//!
//! For each forecast the authors run the network anew, from its start, over the sliding window (Nayebi et al. 2023). A
//! latent that stands in many windows meets a different state in each, so these runs cannot be merged; but they can be
//! done side by side: at every latent, all windows that hold it take one step together, in one matrix product, and its
//! input product is computed once for all. The numbers are those of the plain rollout up to the order of sums.

use candle_core::{Device, Tensor};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::Result;
use crate::kernels::{add_row, ctrnn_step, lstm_step};

/// A weight matrix, `[out, in]` row-major.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) values: Vec<f32>,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Matrix {
    pub(super) fn of(tensor: &Tensor) -> Result<Self> {
        let (rows, columns) = tensor.dims2()?;
        Ok(Self {
            values: tensor.flatten_all()?.to_vec1()?,
            rows,
            columns,
        })
    }

    /// `out [n, out] ← (or +=) x [n, in] · Wᵀ`.
    fn times(&self, x: &[f32], out: &mut [f32], accum: Accum) {
        let n = x.len() / self.columns;
        matmul(
            MatMut::from_row_major_slice_mut(out, n, self.rows),
            accum,
            MatRef::from_row_major_slice(x, n, self.columns),
            MatRef::from_row_major_slice(&self.values, self.rows, self.columns).transpose(),
            1.0f32,
            Par::rayon(0),
        );
    }
}

/// The recurrent part of a network, taken out of its tensors.
#[derive(Clone, Debug)]
pub(super) enum Plain {
    /// See [`super::ctrnn::Ctrnn`].
    Ctrnn {
        ah0: Vec<f32>,
        hx: Matrix,
        bias: Vec<f32>,
        hh: Matrix,
        yh: Matrix,
        yb: Vec<f32>,
        dt_over_tau: f32,
    },
    /// PyTorch's LSTM; both biases in one.
    Lstm {
        ih: Matrix,
        bias: Vec<f32>,
        hh: Matrix,
    },
}

impl Plain {
    fn hidden(&self) -> usize {
        match self {
            Self::Ctrnn { hh, .. } | Self::Lstm { hh, .. } => hh.columns,
        }
    }

    /// What an input adds to the drive or the gates, `[batch, width]`.
    fn project(&self, x: &[f32]) -> Vec<f32> {
        let (weight, bias) = match self {
            Self::Ctrnn { hx, bias, .. } => (hx, bias),
            Self::Lstm { ih, bias, .. } => (ih, bias),
        };
        let batch = x.len() / weight.columns;
        let mut out = vec![0.0; batch * weight.rows];
        weight.times(x, &mut out, Accum::Replace);
        add_row(&mut out, bias);
        out
    }

    /// State of a run that has seen nothing: inner state and output, `[batch, unit]` each.
    fn start(&self, batch: usize) -> (Vec<f32>, Vec<f32>) {
        match self {
            Self::Ctrnn { ah0, .. } => {
                let inner = ah0.repeat(batch);
                let output = inner.iter().map(|a| a.tanh().max(0.0)).collect();
                (inner, output)
            }
            Self::Lstm { hh, .. } => {
                let zero = vec![0.0; batch * hh.columns];
                (zero.clone(), zero)
            }
        }
    }

    /// One step of all rows. `projected` is `[batch, width]` and serves every window of its condition; the state is
    /// `[window, batch, unit]`.
    fn advance(
        &self,
        projected: &[f32],
        inner: &mut [f32],
        output: &mut [f32],
        drive: &mut Vec<f32>,
    ) {
        let (hh, width) = match self {
            Self::Ctrnn { hh, .. } | Self::Lstm { hh, .. } => (hh, hh.rows),
        };
        let rows = output.len() / hh.columns;
        drive.clear();
        while drive.len() < rows * width {
            drive.extend_from_slice(projected);
        }
        hh.times(output, drive, Accum::Add);
        match self {
            Self::Ctrnn { dt_over_tau, .. } => ctrnn_step(drive, inner, output, *dt_over_tau),
            Self::Lstm { .. } => lstm_step(drive, inner, output, hh.columns),
        }
    }

    /// What the regressor reads of one window's outputs, `[batch, unit]`.
    fn read(&self, output: &[f32]) -> Vec<f32> {
        match self {
            Self::Ctrnn { yh, yb, .. } => {
                let mut out = vec![0.0; output.len() / yh.columns * yh.rows];
                yh.times(output, &mut out, Accum::Replace);
                add_row(&mut out, yb);
                out
            }
            Self::Lstm { .. } => output.to_vec(),
        }
    }
}

/// Forecasts `steps` latents after `context` `[batch, time, latent]`, each from a fresh run over a window as long as the
/// context that slides over context and forecasts: `[batch, step, latent]`.
pub(super) fn roll(
    cell: &Plain,
    regressor: &Matrix,
    regressor_bias: &[f32],
    context: &Tensor,
    steps: usize,
) -> Result<Tensor> {
    let (batch, time, latent) = context.dims3()?;
    let seen: Vec<f32> = context.flatten_all()?.to_vec1()?;
    let unit = cell.hidden();
    // Open windows, oldest first: `[window, batch, unit]`.
    let (mut inner, mut output): (Vec<f32>, Vec<f32>) = (Vec::new(), Vec::new());
    let mut drive = Vec::new();
    let mut forecasts: Vec<Vec<f32>> = Vec::with_capacity(steps);
    for t in 0..(time + steps).saturating_sub(1) {
        let x = match t.checked_sub(time) {
            None => (0..batch)
                .flat_map(|b| &seen[(b * time + t) * latent..][..latent])
                .copied()
                .collect(),
            Some(ahead) => forecasts[ahead].clone(),
        };
        if t < steps {
            let (i, o) = cell.start(batch);
            inner.extend(i);
            output.extend(o);
        }
        cell.advance(&cell.project(&x), &mut inner, &mut output, &mut drive);
        // The oldest window has seen its last latent: it forecasts and closes.
        if t + 1 >= time {
            let size = batch * unit;
            let read = cell.read(&output[..size]);
            let mut next = vec![0.0; batch * latent];
            regressor.times(&read, &mut next, Accum::Replace);
            add_row(&mut next, regressor_bias);
            forecasts.push(next);
            inner.drain(..size);
            output.drain(..size);
        }
    }
    let mut values = Vec::with_capacity(batch * steps * latent);
    for b in 0..batch {
        for forecast in &forecasts {
            values.extend_from_slice(&forecast[b * latent..][..latent]);
        }
    }
    Ok(Tensor::from_vec(
        values,
        (batch, steps, latent),
        &Device::Cpu,
    )?)
}
