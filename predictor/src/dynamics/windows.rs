//! The published rollout without its repetitions.
//!
//! For each forecast the authors run the network anew, from its start, over the sliding window (Nayebi et al. 2023). A
//! latent that stands in many windows meets a different state in each, so these runs cannot be merged; but they can be
//! done side by side: at every latent, all windows that hold it take one step together, in one matrix product, and its
//! input product is computed once for all.
//!
//! Two more things need not be done. A CTRNN's units at rest (`max(tanh a, 0) = 0`) add nothing: where a unit rests in all
//! rows of a block, its column and its weights are left out of the product. And windows that have forgotten where they
//! began are one: when the states of two neighbours differ by no more than the rounding of a step does, one of them goes
//! on for both. The numbers are those of the plain rollout up to rounding.

use std::collections::VecDeque;

use candle_core::{Device, Tensor};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::Result;
use crate::kernels::{add_row, ctrnn_step, gru_step, lstm_step};

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
    pub(super) fn times(&self, x: &[f32], out: &mut [f32], accum: Accum, par: Par) {
        let n = x.len() / self.columns;
        matmul(
            MatMut::from_row_major_slice_mut(out, n, self.rows),
            accum,
            MatRef::from_row_major_slice(x, n, self.columns),
            MatRef::from_row_major_slice(&self.values, self.rows, self.columns).transpose(),
            1.0f32,
            par,
        );
    }

    /// The values the other way round, `[in, out]`.
    pub(super) fn transposed(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.values.len()];
        for (i, row) in self.values.chunks_exact(self.columns).enumerate() {
            for (j, v) in row.iter().enumerate() {
                out[j * self.rows + i] = *v;
            }
        }
        out
    }
}

/// Rows that go through a product together: enough for the product, few enough for the caches.
const BLOCK_ROWS: usize = 256;
/// Fewest rows for which weights are gathered, and largest share of units at work.
const GATHER_ROWS: usize = 64;
const GATHER_SHARE: f64 = 0.85;
/// States are one where every unit differs by at most this, times its own size above 1.
const ROUNDING: f32 = 1.0 / (1 << 22) as f32;

/// What a block needs while it takes a step.
#[derive(Default)]
struct Scratch {
    drive: Vec<f32>,
    active: Vec<usize>,
    outputs: Vec<f32>,
    weights: Vec<f32>,
}

impl Scratch {
    /// `drive += outputs · W`, `W` `[in, out]` row-major, without the units that are 0 in every row.
    fn sparse(&mut self, outputs: &[f32], hh: &Matrix, transposed: &[f32]) {
        let (units, width) = (hh.columns, hh.rows);
        let rows = outputs.len() / units;
        self.active.clear();
        if rows >= GATHER_ROWS {
            let mut most = vec![0.0_f32; units];
            for row in outputs.chunks_exact(units) {
                for (m, v) in most.iter_mut().zip(row) {
                    *m = if v.abs() > *m { v.abs() } else { *m };
                }
            }
            self.active.extend((0..units).filter(|k| most[*k] > 0.0));
        }
        let n = self.active.len();
        if rows < GATHER_ROWS || n as f64 > GATHER_SHARE * units as f64 {
            hh.times(outputs, &mut self.drive, Accum::Add, Par::Seq);
            return;
        }
        self.outputs.clear();
        for row in outputs.chunks_exact(units) {
            self.outputs.extend(self.active.iter().map(|k| row[*k]));
        }
        self.weights.clear();
        for k in &self.active {
            self.weights
                .extend_from_slice(&transposed[k * width..(k + 1) * width]);
        }
        matmul(
            MatMut::from_row_major_slice_mut(&mut self.drive, rows, width),
            Accum::Add,
            MatRef::from_row_major_slice(&self.outputs, rows, n),
            MatRef::from_row_major_slice(&self.weights, n, width),
            1.0f32,
            Par::Seq,
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
        /// `hh` the other way round, `[in, out]`.
        hh_transposed: Vec<f32>,
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
    /// See [`super::gru::Gru`].
    Gru {
        ih: Matrix,
        bias: Vec<f32>,
        hh: Matrix,
        hh_bias: Vec<f32>,
    },
}

impl Plain {
    fn hidden(&self) -> usize {
        match self {
            Self::Ctrnn { hh, .. } | Self::Lstm { hh, .. } | Self::Gru { hh, .. } => hh.columns,
        }
    }

    /// What an input adds to the drive or the gates, `[batch, width]`.
    pub(super) fn project(&self, x: &[f32]) -> Vec<f32> {
        let (weight, bias) = match self {
            Self::Ctrnn { hx, bias, .. } => (hx, bias),
            Self::Lstm { ih, bias, .. } | Self::Gru { ih, bias, .. } => (ih, bias),
        };
        let batch = x.len() / weight.columns;
        let mut out = vec![0.0; batch * weight.rows];
        weight.times(x, &mut out, Accum::Replace, Par::rayon(0));
        add_row(&mut out, bias);
        out
    }

    /// State of a run that has seen nothing: inner state and output, `[batch, unit]` each.
    pub(super) fn start(&self, batch: usize) -> (Vec<f32>, Vec<f32>) {
        match self {
            Self::Ctrnn { ah0, .. } => {
                let inner = ah0.repeat(batch);
                let output = inner.iter().map(|a| a.tanh().max(0.0)).collect();
                (inner, output)
            }
            Self::Lstm { hh, .. } | Self::Gru { hh, .. } => {
                let zero = vec![0.0; batch * hh.columns];
                (zero.clone(), zero)
            }
        }
    }

    /// One step of all rows. `projected` is `[batch, width]` and serves every window; the state is
    /// `[window, batch, unit]`.
    pub(super) fn advance(&self, projected: &[f32], inner: &mut [f32], output: &mut [f32]) {
        let (units, width) = match self {
            Self::Ctrnn { hh, .. } | Self::Lstm { hh, .. } | Self::Gru { hh, .. } => {
                (hh.columns, hh.rows)
            }
        };
        let batch = projected.len() / width;
        let windows = (BLOCK_ROWS / batch.max(1)).max(1);
        // Blocks of whole windows; the last may be smaller.
        inner
            .par_chunks_mut(windows * batch * units)
            .zip(output.par_chunks_mut(windows * batch * units))
            .for_each_init(Scratch::default, |scratch, (inner, output)| {
                scratch.drive.clear();
                while scratch.drive.len() < output.len() / units * width {
                    scratch.drive.extend_from_slice(projected);
                }
                match self {
                    Self::Ctrnn {
                        hh,
                        hh_transposed,
                        dt_over_tau,
                        ..
                    } => {
                        scratch.sparse(output, hh, hh_transposed);
                        ctrnn_step(&scratch.drive, inner, output, *dt_over_tau);
                    }
                    Self::Lstm { hh, .. } => {
                        hh.times(output, &mut scratch.drive, Accum::Add, Par::Seq);
                        lstm_step(&scratch.drive, inner, output, units);
                    }
                    Self::Gru { hh, hh_bias, .. } => {
                        scratch.outputs.resize(scratch.drive.len(), 0.0);
                        hh.times(output, &mut scratch.outputs, Accum::Replace, Par::Seq);
                        add_row(&mut scratch.outputs, hh_bias);
                        gru_step(&scratch.drive, &scratch.outputs, output, units);
                    }
                }
            });
    }

    /// What the regressor reads of one window's outputs, `[batch, unit]`.
    pub(super) fn read(&self, output: &[f32]) -> Vec<f32> {
        match self {
            Self::Ctrnn { yh, yb, .. } => {
                let mut out = vec![0.0; output.len() / yh.columns * yh.rows];
                yh.times(output, &mut out, Accum::Replace, Par::rayon(0));
                add_row(&mut out, yb);
                out
            }
            Self::Lstm { .. } | Self::Gru { .. } => output.to_vec(),
        }
    }
}

/// Whether two states are one, up to rounding.
fn same(a: &[f32], b: &[f32]) -> bool {
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= ROUNDING * a.abs().max(1.0);
    a.chunks(512)
        .zip(b.chunks(512))
        .all(|(a, b)| a.iter().zip(b).all(near))
}

/// The windows that are open, oldest first.
struct Open {
    /// `[state, batch, unit]`; the first `closed` states are done with.
    inner: Vec<f32>,
    output: Vec<f32>,
    closed: usize,
    /// `[open state]`: windows that share it.
    windows: VecDeque<usize>,
    /// Values of a state.
    size: usize,
}

impl Open {
    fn push(&mut self, (inner, output): (Vec<f32>, Vec<f32>)) {
        // Once most of the room is of closed windows it is given back.
        if self.closed > 2 * self.windows.len() {
            self.inner.drain(..self.closed * self.size);
            self.output.drain(..self.closed * self.size);
            self.closed = 0;
        }
        self.inner.extend(inner);
        self.output.extend(output);
        self.windows.push_back(1);
    }

    /// Inner state and output of the open states.
    fn states(&mut self) -> (&mut [f32], &mut [f32]) {
        let from = self.closed * self.size;
        (&mut self.inner[from..], &mut self.output[from..])
    }

    fn drop_first(&mut self) -> usize {
        self.closed += 1;
        self.windows.pop_front().unwrap_or(0)
    }

    /// Lets the oldest state go where the next is the same. The older two windows are, the longer ago
    /// their difference began: where the first pair differs the others do.
    fn merge(&mut self) {
        let n = self.size;
        while self.windows.len() > 1 {
            let (inner, output) = self.states();
            if !same(&inner[..n], &inner[n..2 * n]) || !same(&output[..n], &output[n..2 * n]) {
                break;
            }
            let shared = self.drop_first();
            self.windows[0] += shared;
        }
    }

    /// Closes the oldest window.
    fn close(&mut self) {
        self.windows[0] -= 1;
        if self.windows[0] == 0 {
            self.drop_first();
        }
    }
}

/// Forecasts `steps` latents after `context` `[batch, time, latent]`, each from a fresh run over a window as long as the
/// context that slides over context and forecasts: `[batch, step, latent]`, and the steps of windows that were taken.
pub(super) fn roll(
    cell: &Plain,
    regressor: &Matrix,
    regressor_bias: &[f32],
    context: &Tensor,
    steps: usize,
) -> Result<(Tensor, usize)> {
    let (batch, time, latent) = context.dims3()?;
    let seen: Vec<f32> = context.flatten_all()?.to_vec1()?;
    let mut open = Open {
        inner: Vec::new(),
        output: Vec::new(),
        closed: 0,
        windows: VecDeque::new(),
        size: batch * cell.hidden(),
    };
    let mut taken = 0;
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
            open.push(cell.start(batch));
        }
        let (inner, output) = open.states();
        cell.advance(&cell.project(&x), inner, output);
        taken += open.windows.len();
        open.merge();
        // The oldest window has seen its last latent: it forecasts and closes.
        if t + 1 >= time {
            let size = open.size;
            let read = cell.read(&open.states().1[..size]);
            let mut next = vec![0.0; batch * latent];
            regressor.times(&read, &mut next, Accum::Replace, Par::rayon(0));
            add_row(&mut next, regressor_bias);
            forecasts.push(next);
            open.close();
        }
    }
    let mut values = Vec::with_capacity(batch * steps * latent);
    for b in 0..batch {
        for forecast in &forecasts {
            values.extend_from_slice(&forecast[b * latent..][..latent]);
        }
    }
    let forecast = Tensor::from_vec(values, (batch, steps, latent), &Device::Cpu)?;
    Ok((forecast, taken))
}
