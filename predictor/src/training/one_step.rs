//! The published training of dynamics: a window of latents in, the next one out, mean squared error, Adam at a constant
//! rate (Nayebi et al. 2023).
//!
//! Forward and backward pass are written out on plain slices: one product for all inputs of a window, one for each
//! recurrent step, no graph. The gradients are those of automatic differentiation (tested against PyTorch).

use std::collections::BTreeMap;

use candle_core::Tensor;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::dynamics::{CellKind, DynamicsConfig, Skip};
use crate::kernels::{add_row, sigmoid, tanh};
use crate::params::Params;
use crate::{Error, Result};
use mental_pong_base::simd::dispatch;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// A trained tensor with its gradient and Adam's moments.
#[derive(Clone, Debug)]
struct Slot {
    shape: Vec<usize>,
    values: Vec<f32>,
    gradient: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    /// Whether the optimiser moves it; the CTRNN's `ah0` stays as it was drawn, as published.
    trained: bool,
}

impl Slot {
    fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    fn matrix(&self) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice(
            &self.values,
            self.values.len() / self.columns(),
            self.columns(),
        )
    }
}

/// `out [n, m] ← (or +=) a [n, k] · b`.
fn product(out: &mut [f32], accum: Accum, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    matmul(
        MatMut::from_row_major_slice_mut(out, a.nrows(), b.ncols()),
        accum,
        a,
        b,
        1.0f32,
        Par::rayon(0),
    );
}

fn rows(values: &[f32], columns: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, values.len() / columns, columns)
}

/// A CTRNN or LSTM with its regressor, in training.
#[derive(Clone, Debug)]
pub struct OneStep {
    config: DynamicsConfig,
    slots: BTreeMap<String, Slot>,
    /// Optimiser steps taken.
    pub step: u64,
}

/// One batch: windows `[time, batch, latent]`, oldest first, and the latent after each, `[batch, latent]`.
#[derive(Clone, Copy, Debug)]
pub struct Windows<'a> {
    /// Inputs.
    pub context: &'a [f32],
    /// Targets.
    pub target: &'a [f32],
    /// Windows in the batch.
    pub batch: usize,
}

/// What the forward pass keeps for the backward pass, all `[time, batch, …]`.
struct Trace {
    /// Gates after their functions (LSTM) or nothing.
    gates: Vec<f32>,
    /// Inner state after each step, the start before the first.
    inner: Vec<f32>,
    /// Output after each step, the start before the first.
    output: Vec<f32>,
    /// What the regressor reads, `[batch, unit]`.
    read: Vec<f32>,
    /// Forecast less target, `[batch, latent]`.
    error: Vec<f32>,
}

impl OneStep {
    /// From parameters as [`crate::dynamics::Recurrent::init`] draws them.
    ///
    /// # Errors
    /// [`Error::Config`] for a GRU or a module with inertia, which were not published; an error where a tensor is missing.
    pub fn new(config: DynamicsConfig, params: &Params) -> Result<Self> {
        if config.cell == CellKind::Gru {
            return Err(Error::Config {
                place: "one-step training".into(),
                field: "cell".into(),
                expected: "ctrnn or lstm".into(),
                found: "gru".into(),
            });
        }
        if config.skip != Skip::None {
            return Err(Error::Config {
                place: "one-step training".into(),
                field: "skip".into(),
                expected: "none".into(),
                found: format!("{:?}", config.skip),
            });
        }
        let tensors = params.tensors();
        let slots = config
            .shapes()
            .into_iter()
            .map(|(name, shape)| {
                let tensor = tensors.get(name).ok_or_else(|| Error::Config {
                    place: "one-step training".into(),
                    field: name.to_string(),
                    expected: "a tensor".into(),
                    found: "nothing".into(),
                })?;
                let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
                let zero = vec![0.0; values.len()];
                let slot = Slot {
                    shape,
                    gradient: zero.clone(),
                    mean: zero.clone(),
                    square: zero,
                    values,
                    trained: !name.ends_with("ah0"),
                };
                Ok((name.to_string(), slot))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            config,
            slots,
            step: 0,
        })
    }

    /// The parameters as tensors, by name.
    ///
    /// # Errors
    /// When the tensor library runs out of memory.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        self.slots
            .iter()
            .map(|(name, slot)| {
                let tensor = Tensor::from_slice(
                    &slot.values,
                    slot.shape.as_slice(),
                    &candle_core::Device::Cpu,
                )?;
                Ok((name.clone(), tensor))
            })
            .collect()
    }

    /// Parameters and Adam's moments, `p/<name>`, `m/<name>`, `v/<name>`: with [`OneStep::step`] all that
    /// training goes on from.
    ///
    /// # Errors
    /// When the tensor library runs out of memory.
    pub fn checkpoint(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut all = BTreeMap::new();
        for (name, slot) in &self.slots {
            for (part, values) in [("p", &slot.values), ("m", &slot.mean), ("v", &slot.square)] {
                let shape = slot.shape.as_slice();
                let tensor = Tensor::from_slice(values, shape, &candle_core::Device::Cpu)?;
                all.insert(format!("{part}/{name}"), tensor);
            }
        }
        Ok(all)
    }

    /// Takes back what [`OneStep::checkpoint`] gave after `step` steps.
    ///
    /// # Errors
    /// Where a tensor is missing, or of another shape.
    pub fn restore(&mut self, checkpoint: &BTreeMap<String, Tensor>, step: u64) -> Result<()> {
        for (name, slot) in &mut self.slots {
            for (part, values) in [
                ("p", &mut slot.values),
                ("m", &mut slot.mean),
                ("v", &mut slot.square),
            ] {
                let key = format!("{part}/{name}");
                let tensor = checkpoint.get(&key).ok_or_else(|| missing(&key))?;
                if tensor.dims() != slot.shape.as_slice() {
                    return Err(Error::Shape {
                        what: "tensor of a checkpoint",
                        expected: slot.shape.clone(),
                        found: tensor.dims().to_vec(),
                    });
                }
                *values = tensor.flatten_all()?.to_vec1()?;
            }
        }
        self.step = step;
        Ok(())
    }

    fn slot(&self, name: &str) -> Result<&Slot> {
        self.slots
            .get(&format!("dynamics.{name}"))
            .ok_or_else(|| missing(name))
    }

    /// Mean squared error of a batch over batch and latents; nothing is changed.
    ///
    /// # Errors
    /// [`Error::Shape`] where the batch does not fit.
    pub fn loss(&self, windows: Windows<'_>) -> Result<f64> {
        Ok(mean_square(&self.forward(windows)?.error))
    }

    /// One step of Adam at rate `lr` on a batch; gives the loss before it.
    ///
    /// # Errors
    /// [`Error::Shape`] where the batch does not fit.
    pub fn train(&mut self, windows: Windows<'_>, lr: f64) -> Result<f64> {
        let trace = self.forward(windows)?;
        let loss = mean_square(&trace.error);
        self.backward(windows, trace)?;
        self.adam(lr);
        Ok(loss)
    }

    fn cell_name(&self) -> &'static str {
        match self.config.cell {
            CellKind::Lstm => "lstm",
            _ => "ctrnn",
        }
    }

    fn time(&self, windows: Windows<'_>) -> Result<usize> {
        let row = windows.batch * self.config.latent;
        let time = windows.context.len() / row.max(1);
        if row == 0
            || time == 0
            || time * row != windows.context.len()
            || windows.target.len() != row
        {
            return Err(Error::Shape {
                what: "windows [time, batch, latent] and targets [batch, latent]",
                expected: vec![time.max(1), windows.batch.max(1), self.config.latent],
                found: vec![windows.context.len(), windows.target.len()],
            });
        }
        Ok(time)
    }

    fn forward(&self, windows: Windows<'_>) -> Result<Trace> {
        let time = self.time(windows)?;
        let (n, d, h) = (windows.batch, self.config.latent, self.config.hidden);
        let x = rows(windows.context, d);
        let mut inner = vec![0.0; (time + 1) * n * h];
        let mut output = vec![0.0; (time + 1) * n * h];
        let mut gates;
        let read;
        match self.config.cell {
            CellKind::Lstm => {
                gates = vec![0.0; time * n * 4 * h];
                product(
                    &mut gates,
                    Accum::Replace,
                    x,
                    self.slot("lstm.weight_ih_l0")?.matrix().transpose(),
                );
                add_row(&mut gates, &self.slot("lstm.bias_ih_l0")?.values);
                add_row(&mut gates, &self.slot("lstm.bias_hh_l0")?.values);
                let hh = self.slot("lstm.weight_hh_l0")?.matrix();
                for t in 0..time {
                    let now = &mut gates[t * n * 4 * h..(t + 1) * n * 4 * h];
                    let (before, after) = output.split_at_mut((t + 1) * n * h);
                    product(
                        now,
                        Accum::Add,
                        rows(&before[t * n * h..], h),
                        hh.transpose(),
                    );
                    let (c0, c1) = inner.split_at_mut((t + 1) * n * h);
                    lstm_forward(
                        now,
                        &c0[t * n * h..],
                        &mut c1[..n * h],
                        &mut after[..n * h],
                        h,
                    );
                }
                read = output[time * n * h..].to_vec();
            }
            _ => {
                gates = Vec::new();
                let ah0 = &self.slot("ctrnn.ah0")?.values;
                for row in inner[..n * h].chunks_mut(h) {
                    row.copy_from_slice(ah0);
                }
                for (o, a) in output[..n * h].iter_mut().zip(&inner) {
                    *o = tanh(*a).max(0.0);
                }
                let mut drive = vec![0.0; time * n * h];
                product(
                    &mut drive,
                    Accum::Replace,
                    x,
                    self.slot("ctrnn.fc_x2ah.weight")?.matrix().transpose(),
                );
                add_row(&mut drive, &self.slot("ctrnn.fc_x2ah.bias")?.values);
                let hh = self.slot("ctrnn.fc_h2ah.weight")?.matrix();
                let k = self.config.dt_over_tau as f32;
                for t in 0..time {
                    let now = &mut drive[t * n * h..(t + 1) * n * h];
                    let (before, after) = output.split_at_mut((t + 1) * n * h);
                    product(
                        now,
                        Accum::Add,
                        rows(&before[t * n * h..], h),
                        hh.transpose(),
                    );
                    let (a0, a1) = inner.split_at_mut((t + 1) * n * h);
                    a1[..n * h].copy_from_slice(&a0[t * n * h..]);
                    crate::kernels::ctrnn_step(now, &mut a1[..n * h], &mut after[..n * h], k);
                }
                let mut y = vec![0.0; n * h];
                let last = rows(&output[time * n * h..], h);
                product(
                    &mut y,
                    Accum::Replace,
                    last,
                    self.slot("ctrnn.fc_h2y.weight")?.matrix().transpose(),
                );
                add_row(&mut y, &self.slot("ctrnn.fc_h2y.bias")?.values);
                read = y;
            }
        }
        let mut error = vec![0.0; n * d];
        product(
            &mut error,
            Accum::Replace,
            rows(&read, h),
            self.slot("regressor.weight")?.matrix().transpose(),
        );
        add_row(&mut error, &self.slot("regressor.bias")?.values);
        for (e, t) in error.iter_mut().zip(windows.target) {
            *e -= t;
        }
        Ok(Trace {
            gates,
            inner,
            output,
            read,
            error,
        })
    }

    fn backward(&mut self, windows: Windows<'_>, trace: Trace) -> Result<()> {
        let time = self.time(windows)?;
        let (n, d, h) = (windows.batch, self.config.latent, self.config.hidden);
        let Trace {
            mut gates,
            inner,
            output,
            read,
            mut error,
        } = trace;
        let share = 2.0 / (n * d) as f32;
        for e in &mut error {
            *e *= share;
        }
        self.weight_gradient("regressor", &error, d, &read, h)?;
        let mut back = vec![0.0; n * h];
        product(
            &mut back,
            Accum::Replace,
            rows(&error, d),
            self.slot("regressor.weight")?.matrix(),
        );
        let cell = self.cell_name();
        if self.config.cell == CellKind::Lstm {
            let mut carried = vec![0.0; n * h];
            for t in (0..time).rev() {
                let now = &mut gates[t * n * 4 * h..(t + 1) * n * 4 * h];
                let (c0, c1) = inner[t * n * h..(t + 2) * n * h].split_at(n * h);
                lstm_backward(now, c0, c1, &back, &mut carried, h);
                if t > 0 {
                    let hh = self.slot("lstm.weight_hh_l0")?.matrix();
                    product(&mut back, Accum::Replace, rows(now, 4 * h), hh);
                }
            }
            self.gradient(
                &format!("{cell}.weight_ih_l0"),
                &gates,
                4 * h,
                windows.context,
                d,
            )?;
            self.gradient(
                &format!("{cell}.weight_hh_l0"),
                &gates,
                4 * h,
                &output[..time * n * h],
                h,
            )?;
            self.bias_gradient(&format!("{cell}.bias_ih_l0"), &gates)?;
            self.bias_gradient(&format!("{cell}.bias_hh_l0"), &gates)?;
            return Ok(());
        }
        // The read-out of the last output comes first on the way back.
        self.weight_gradient("ctrnn.fc_h2y", &back, h, &output[time * n * h..], h)?;
        let mut through = vec![0.0; n * h];
        product(
            &mut through,
            Accum::Replace,
            rows(&back, h),
            self.slot("ctrnn.fc_h2y.weight")?.matrix(),
        );
        let k = self.config.dt_over_tau as f32;
        let mut deltas = vec![0.0; time * n * h];
        let mut carried = vec![0.0; n * h];
        for t in (0..time).rev() {
            let now = &mut deltas[t * n * h..(t + 1) * n * h];
            let out = &output[(t + 1) * n * h..(t + 2) * n * h];
            now.par_iter_mut()
                .zip(&mut carried)
                .zip(out.par_iter().zip(&through))
                .with_min_len(1 << 13)
                .for_each(|((delta, carried), (&o, &g))| {
                    // h = max(tanh ah, 0): where h > 0 its slope is 1 − h².
                    let inner = *carried + if o > 0.0 { g * (1.0 - o * o) } else { 0.0 };
                    *delta = inner * k;
                    *carried = inner * (1.0 - k);
                });
            if t > 0 {
                let hh = self.slot("ctrnn.fc_h2ah.weight")?.matrix();
                product(&mut through, Accum::Replace, rows(now, h), hh);
            }
        }
        self.weight_gradient("ctrnn.fc_x2ah", &deltas, h, windows.context, d)?;
        self.gradient(
            "ctrnn.fc_h2ah.weight",
            &deltas,
            h,
            &output[..time * n * h],
            h,
        )
    }

    /// Gradients of `name.weight` and `name.bias`.
    fn weight_gradient(
        &mut self,
        name: &str,
        delta: &[f32],
        out: usize,
        input: &[f32],
        width: usize,
    ) -> Result<()> {
        self.gradient(&format!("{name}.weight"), delta, out, input, width)?;
        self.bias_gradient(&format!("{name}.bias"), delta)
    }

    /// `deltaᵀ · input`, `[out, width]`.
    fn gradient(
        &mut self,
        name: &str,
        delta: &[f32],
        out: usize,
        input: &[f32],
        width: usize,
    ) -> Result<()> {
        let slot = self
            .slots
            .get_mut(&format!("dynamics.{name}"))
            .ok_or_else(|| missing(name))?;
        product(
            &mut slot.gradient,
            Accum::Replace,
            rows(delta, out).transpose(),
            rows(input, width),
        );
        Ok(())
    }

    /// Sums of columns.
    fn bias_gradient(&mut self, name: &str, delta: &[f32]) -> Result<()> {
        let slot = self
            .slots
            .get_mut(&format!("dynamics.{name}"))
            .ok_or_else(|| missing(name))?;
        slot.gradient.fill(0.0);
        for row in delta.chunks(slot.values.len()) {
            for (g, d) in slot.gradient.iter_mut().zip(row) {
                *g += d;
            }
        }
        Ok(())
    }

    /// Adam with bias correction, as `torch.optim.Adam`.
    fn adam(&mut self, lr: f64) {
        self.step += 1;
        let power = |beta: f32| 1.0 - f64::from(beta).powf(self.step as f64);
        let size = (lr / power(BETA1)) as f32;
        let root = (1.0 / power(BETA2).sqrt()) as f32;
        for slot in self.slots.values_mut().filter(|s| s.trained) {
            slot.values
                .par_iter_mut()
                .zip(&slot.gradient)
                .zip(slot.mean.par_iter_mut().zip(&mut slot.square))
                .with_min_len(1 << 14)
                .for_each(|((value, &g), (mean, square))| {
                    *mean += (g - *mean) * (1.0 - BETA1);
                    *square = *square * BETA2 + g * g * (1.0 - BETA2);
                    *value -= size * *mean / (square.sqrt() * root + EPSILON);
                });
        }
    }
}

fn missing(name: &str) -> Error {
    Error::Config {
        place: "one-step training".into(),
        field: name.into(),
        expected: "a tensor".into(),
        found: "nothing".into(),
    }
}

fn mean_square(error: &[f32]) -> f64 {
    error
        .iter()
        .map(|&e| f64::from(e) * f64::from(e))
        .sum::<f64>()
        / error.len() as f64
}

/// Gates `[batch, 4 · unit]` to what they are after their functions, and the state after the step.
fn lstm_forward(
    gates: &mut [f32],
    before: &[f32],
    cell: &mut [f32],
    output: &mut [f32],
    units: usize,
) {
    gates
        .par_chunks_mut(4 * units)
        .zip(before.par_chunks(units))
        .zip(cell.par_chunks_mut(units).zip(output.par_chunks_mut(units)))
        .for_each(|((gates, before), (cell, output))| {
            let (i, rest) = gates.split_at_mut(units);
            let (f, rest) = rest.split_at_mut(units);
            let (g, o) = rest.split_at_mut(units);
            dispatch(
                #[inline(always)]
                || {
                    for k in 0..units {
                        i[k] = sigmoid(i[k]);
                        f[k] = sigmoid(f[k]);
                        g[k] = tanh(g[k]);
                        o[k] = sigmoid(o[k]);
                        cell[k] = f[k] * before[k] + i[k] * g[k];
                        output[k] = o[k] * tanh(cell[k]);
                    }
                },
            );
        });
}

/// Gates after their functions to gradients before them. `back` is the gradient of the output; `carried` that of the cell
/// from later steps, and afterwards to earlier ones.
fn lstm_backward(
    gates: &mut [f32],
    before: &[f32],
    cell: &[f32],
    back: &[f32],
    carried: &mut [f32],
    units: usize,
) {
    gates
        .par_chunks_mut(4 * units)
        .zip(before.par_chunks(units).zip(cell.par_chunks(units)))
        .zip(back.par_chunks(units).zip(carried.par_chunks_mut(units)))
        .for_each(|((gates, (before, cell)), (back, carried))| {
            let (i, rest) = gates.split_at_mut(units);
            let (f, rest) = rest.split_at_mut(units);
            let (g, o) = rest.split_at_mut(units);
            dispatch(
                #[inline(always)]
                || {
                    for k in 0..units {
                        let squashed = tanh(cell[k]);
                        let c = carried[k] + back[k] * o[k] * (1.0 - squashed * squashed);
                        carried[k] = c * f[k];
                        let input = i[k];
                        i[k] = c * g[k] * input * (1.0 - input);
                        f[k] = c * before[k] * f[k] * (1.0 - f[k]);
                        g[k] = c * input * (1.0 - g[k] * g[k]);
                        o[k] = back[k] * squashed * o[k] * (1.0 - o[k]);
                    }
                },
            );
        });
}
