//! Loss and gradient of a recurrent module over sequences of which parts are not shown: there it runs on its own
//! forecasts. Written out on plain slices, without a graph; the gradients are those of automatic differentiation, which
//! the tests compare them with.

use std::collections::BTreeMap;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use mental_pong_base::simd::dispatch;

use crate::dynamics::{CellKind, DynamicsConfig, Skip};
use crate::kernels::{add_row, sigmoid, tanh};
use crate::{Error, Result};

/// Sequences in a batch.
pub(super) struct Sequences<'a> {
    /// `[time, sequence, moving latent]`, what is shown.
    pub(super) shown: &'a [f32],
    /// `[time, sequence, moving latent]`, what is to be forecast.
    pub(super) target: &'a [f32],
    /// `[sequence, fixed latent]`.
    pub(super) fixed: &'a [f32],
    /// `[time, sequence]`, whether the frame is shown; the first always is.
    pub(super) open: &'a [bool],
    /// `[time, sequence]`, weight of the forecast of this frame.
    pub(super) weight: &'a [f32],
    /// Sequences.
    pub(super) batch: usize,
}

/// Parameters, or gradients of them, by the names of [`DynamicsConfig::shapes`].
pub(super) type Values = BTreeMap<String, Vec<f32>>;

/// What the forward pass keeps.
struct Tape {
    /// `[time, sequence, moving latent]`, what went in.
    input: Vec<f32>,
    /// `[time, sequence, gate]` of the input and of the recurrence: before their functions, then after, then gradients.
    gx: Vec<f32>,
    gh: Vec<f32>,
    /// `[time + 1, sequence, unit]`, inner state and output.
    inner: Vec<f32>,
    output: Vec<f32>,
    /// `[time, sequence, unit]`, what the regressor reads.
    read: Vec<f32>,
    /// `[time + 1, sequence, moving latent]`, forecasts; then gradients of them.
    forecast: Vec<f32>,
}

impl Tape {
    /// Nothing taken yet, the state before the first step.
    fn at_rest(config: &DynamicsConfig, params: &Values, size: &Sizes) -> Result<Self> {
        let Sizes {
            time,
            n,
            m,
            h,
            gates,
            ..
        } = *size;
        let (steps, g) = (time - 1, gates * h);
        let mut tape = Self {
            input: vec![0.0; steps * n * m],
            gx: vec![0.0; steps * n * g],
            gh: vec![0.0; steps * n * g],
            inner: vec![0.0; time * n * h],
            output: vec![0.0; time * n * h],
            read: vec![0.0; steps * n * h],
            forecast: vec![0.0; time * n * m],
        };
        if config.cell == CellKind::Ctrnn {
            let start = of(params, CTRNN_START)?;
            for (ah, out) in
                (tape.inner[..n * h].chunks_mut(h)).zip(tape.output[..n * h].chunks_mut(h))
            {
                ah.copy_from_slice(start);
                out.iter_mut()
                    .zip(start)
                    .for_each(|(o, a)| *o = tanh(*a).max(0.0));
            }
        }
        Ok(tape)
    }
}

struct Sizes {
    time: usize,
    n: usize,
    m: usize,
    f: usize,
    h: usize,
    /// Gates, in units.
    gates: usize,
}

struct Names {
    x: &'static str,
    h: &'static str,
    x_bias: &'static str,
    h_bias: Option<&'static str>,
}

const fn names(cell: CellKind) -> Names {
    match cell {
        CellKind::Ctrnn => Names {
            x: "dynamics.ctrnn.fc_x2ah.weight",
            h: "dynamics.ctrnn.fc_h2ah.weight",
            x_bias: "dynamics.ctrnn.fc_x2ah.bias",
            h_bias: None,
        },
        CellKind::Gru => Names {
            x: "dynamics.gru.weight_ih_l0",
            h: "dynamics.gru.weight_hh_l0",
            x_bias: "dynamics.gru.bias_ih_l0",
            h_bias: Some("dynamics.gru.bias_hh_l0"),
        },
        CellKind::Lstm => Names {
            x: "dynamics.lstm.weight_ih_l0",
            h: "dynamics.lstm.weight_hh_l0",
            x_bias: "dynamics.lstm.bias_ih_l0",
            h_bias: Some("dynamics.lstm.bias_hh_l0"),
        },
    }
}

const REGRESSOR: &str = "dynamics.regressor.weight";
const REGRESSOR_BIAS: &str = "dynamics.regressor.bias";
const CTRNN_START: &str = "dynamics.ctrnn.ah0";
const CTRNN_READ: &str = "dynamics.ctrnn.fc_h2y.weight";
const CTRNN_READ_BIAS: &str = "dynamics.ctrnn.fc_h2y.bias";

fn rows(values: &[f32], columns: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, values.len() / columns.max(1), columns)
}

/// `out [n, m] ← (or +=) a [n, k] · b`.
fn product(out: &mut [f32], accum: Accum, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    let to = MatMut::from_row_major_slice_mut(out, a.nrows(), b.ncols());
    matmul(to, accum, a, b, 1.0f32, Par::Seq);
}

fn of<'a>(values: &'a Values, name: &str) -> Result<&'a [f32]> {
    values
        .get(name)
        .map(Vec::as_slice)
        .ok_or_else(|| Error::Config {
            place: "training through time".into(),
            field: name.into(),
            expected: "a tensor".into(),
            found: "nothing".into(),
        })
}

/// Mean pseudo-Huber loss of the forecasts and its gradient. `huber` is where errors begin to count linearly.
///
/// # Errors
/// [`Error::Config`] for a module with inertia, or where a tensor is missing.
pub(super) fn loss_and_gradient(
    config: &DynamicsConfig,
    params: &Values,
    batch: &Sequences<'_>,
    huber: f32,
) -> Result<(f64, Values)> {
    let (size, skip) = sizes(config, batch)?;
    let mut tape = forward(config, params, batch, &size, skip)?;
    let loss = errors(batch, &size, huber, &mut tape.forecast);
    let gradient = backward(config, params, batch, &size, skip, tape)?;
    Ok((loss, gradient))
}

/// The loss alone.
///
/// # Errors
/// As [`loss_and_gradient`].
pub(super) fn loss_only(
    config: &DynamicsConfig,
    params: &Values,
    batch: &Sequences<'_>,
    huber: f32,
) -> Result<f64> {
    let (size, skip) = sizes(config, batch)?;
    let mut tape = forward(config, params, batch, &size, skip)?;
    Ok(errors(batch, &size, huber, &mut tape.forecast))
}

/// Sizes, and the share of the last latent and of the regressor's output in a forecast.
fn sizes(config: &DynamicsConfig, batch: &Sequences<'_>) -> Result<(Sizes, (f32, f32))> {
    let skip = match config.skip {
        Skip::None => (0.0, 1.0),
        Skip::Last(share) => (1.0, share as f32),
        Skip::Inertia(_) => {
            return Err(Error::Config {
                place: "training through time".into(),
                field: "skip".into(),
                expected: "none or last".into(),
                found: format!("{:?}", config.skip),
            });
        }
    };
    let (m, f) = (config.latent - config.fixed, config.fixed);
    let size = Sizes {
        time: batch.open.len() / batch.batch,
        n: batch.batch,
        m,
        f,
        h: config.hidden,
        gates: match config.cell {
            CellKind::Ctrnn => 1,
            CellKind::Gru => 3,
            CellKind::Lstm => 4,
        },
    };
    Ok((size, skip))
}

fn forward(
    config: &DynamicsConfig,
    params: &Values,
    batch: &Sequences<'_>,
    size: &Sizes,
    (last, share): (f32, f32),
) -> Result<Tape> {
    let Sizes {
        time,
        n,
        m,
        f,
        h,
        gates,
    } = *size;
    let steps = time - 1;
    let g = gates * h;
    let names = names(config.cell);
    let wx = rows(of(params, names.x)?, m + f);
    let wh = rows(of(params, names.h)?, h);
    let regressor = rows(of(params, REGRESSOR)?, h);
    let mut tape = Tape::at_rest(config, params, size)?;
    // What does not change adds the same to every step.
    let mut constant = vec![0.0; n * g];
    if f > 0 {
        product(
            &mut constant,
            Accum::Replace,
            rows(batch.fixed, f),
            wx.subcols(m, f).transpose(),
        );
    }
    add_row(&mut constant, of(params, names.x_bias)?);
    let mut y = vec![0.0; n * m];
    for t in 0..steps {
        let at = t * n * m;
        for (b, x) in tape.input[at..at + n * m].chunks_mut(m).enumerate() {
            let from = at + b * m;
            let source = if batch.open[t * n + b] {
                batch.shown
            } else {
                &tape.forecast
            };
            x.copy_from_slice(&source[from..from + m]);
        }
        let x = &tape.input[at..at + n * m];
        let gx = &mut tape.gx[t * n * g..(t + 1) * n * g];
        gx.copy_from_slice(&constant);
        product(gx, Accum::Add, rows(x, m), wx.subcols(0, m).transpose());
        let gh = &mut tape.gh[t * n * g..(t + 1) * n * g];
        let (before, after) = tape.output.split_at_mut((t + 1) * n * h);
        let before = &before[t * n * h..];
        product(gh, Accum::Replace, rows(before, h), wh.transpose());
        if let Some(bias) = names.h_bias {
            add_row(gh, of(params, bias)?);
        }
        let (inner, inner_after) = tape.inner.split_at_mut((t + 1) * n * h);
        let state = (&inner[t * n * h..], before);
        let next = (&mut inner_after[..n * h], &mut after[..n * h]);
        cell_forward(config, h, gx, gh, state, next);
        let read = &mut tape.read[t * n * h..(t + 1) * n * h];
        if config.cell == CellKind::Ctrnn {
            let wy = rows(of(params, CTRNN_READ)?, h);
            product(
                read,
                Accum::Replace,
                rows(&after[..n * h], h),
                wy.transpose(),
            );
            add_row(read, of(params, CTRNN_READ_BIAS)?);
        } else {
            read.copy_from_slice(&after[..n * h]);
        }
        product(
            &mut y,
            Accum::Replace,
            rows(read, h),
            regressor.subrows(0, m).transpose(),
        );
        add_row(&mut y, &of(params, REGRESSOR_BIAS)?[..m]);
        let next = &mut tape.forecast[at + n * m..at + 2 * n * m];
        for ((next, x), y) in next.iter_mut().zip(x).zip(&y) {
            *next = last * x + share * y;
        }
    }
    Ok(tape)
}

/// One step of the cell: gates before their functions become gates after them.
fn cell_forward(
    config: &DynamicsConfig,
    h: usize,
    gx: &mut [f32],
    gh: &mut [f32],
    (inner, output): (&[f32], &[f32]),
    (inner_next, output_next): (&mut [f32], &mut [f32]),
) {
    let k = config.dt_over_tau as f32;
    let g = gx.len() / (output.len() / h);
    for (b, (gx, gh)) in gx
        .chunks_exact_mut(g)
        .zip(gh.chunks_exact_mut(g))
        .enumerate()
    {
        let of = b * h..(b + 1) * h;
        let (inner, output) = (&inner[of.clone()], &output[of.clone()]);
        let (inner_next, output_next) = (&mut inner_next[of.clone()], &mut output_next[of]);
        match config.cell {
            CellKind::Ctrnn => dispatch(
                #[inline(always)]
                || {
                    for i in 0..h {
                        let ah = inner[i] + k * (gx[i] + gh[i] - inner[i]);
                        inner_next[i] = ah;
                        output_next[i] = tanh(ah).max(0.0);
                    }
                },
            ),
            CellKind::Gru => dispatch(
                #[inline(always)]
                || {
                    for i in 0..h {
                        let reset = sigmoid(gx[i] + gh[i]);
                        let update = sigmoid(gx[h + i] + gh[h + i]);
                        let new = tanh(gx[2 * h + i] + reset * gh[2 * h + i]);
                        gx[i] = reset;
                        gx[h + i] = update;
                        gx[2 * h + i] = new;
                        output_next[i] = new + update * (output[i] - new);
                    }
                },
            ),
            CellKind::Lstm => dispatch(
                #[inline(always)]
                || {
                    for i in 0..h {
                        let input = sigmoid(gx[i] + gh[i]);
                        let forget = sigmoid(gx[h + i] + gh[h + i]);
                        let new = tanh(gx[2 * h + i] + gh[2 * h + i]);
                        let out = sigmoid(gx[3 * h + i] + gh[3 * h + i]);
                        gx[i] = input;
                        gx[h + i] = forget;
                        gx[2 * h + i] = new;
                        gx[3 * h + i] = out;
                        inner_next[i] = forget * inner[i] + input * new;
                        output_next[i] = out * tanh(inner_next[i]);
                    }
                },
            ),
        }
    }
}

/// Turns forecasts into the loss's gradient with respect to them; gives the loss.
fn errors(batch: &Sequences<'_>, size: &Sizes, huber: f32, forecast: &mut [f32]) -> f64 {
    let Sizes { n, m, .. } = *size;
    let total: f32 = batch.weight[n..].iter().sum();
    let norm = 1.0 / (total.max(1e-6) * m as f32);
    let mut loss = 0.0_f64;
    let square = 1.0 / (huber * huber);
    forecast[..n * m].fill(0.0);
    for (row, (out, target)) in (forecast.chunks_exact_mut(m))
        .zip(batch.target.chunks_exact(m))
        .enumerate()
        .skip(n)
    {
        let weight = batch.weight[row] * norm;
        if weight == 0.0 {
            out.fill(0.0);
            continue;
        }
        let mut sum = 0.0_f32;
        for (out, target) in out.iter_mut().zip(target) {
            let error = *out - target;
            let u = square * error * error;
            let root = (1.0 + u).sqrt();
            // √(1 + u) − 1 without its loss of digits.
            sum += u / (root + 1.0);
            *out = 2.0 * weight * error / root;
        }
        loss += f64::from(2.0 * weight / square * sum);
    }
    loss
}

fn backward(
    config: &DynamicsConfig,
    params: &Values,
    batch: &Sequences<'_>,
    size: &Sizes,
    (last, share): (f32, f32),
    mut tape: Tape,
) -> Result<Values> {
    let Sizes {
        time,
        n,
        m,
        f,
        h,
        gates,
    } = *size;
    let steps = time - 1;
    let g = gates * h;
    let names = names(config.cell);
    let wx = rows(of(params, names.x)?, m + f);
    let wh = rows(of(params, names.h)?, h);
    let regressor = rows(of(params, REGRESSOR)?, h);
    let mut dy = vec![0.0; steps * n * m];
    let mut dread = vec![0.0; steps * n * h];
    let (mut dh, mut dinner) = (vec![0.0; n * h], vec![0.0; n * h]);
    let mut dx = vec![0.0; n * m];
    for t in (0..steps).rev() {
        let at = t * n * m;
        let dforecast = &tape.forecast[at + n * m..at + 2 * n * m];
        let dy = &mut dy[at..at + n * m];
        for ((dx, dy), d) in dx.iter_mut().zip(dy.iter_mut()).zip(dforecast) {
            *dx = last * d;
            *dy = share * d;
        }
        let dread = &mut dread[t * n * h..(t + 1) * n * h];
        product(dread, Accum::Replace, rows(dy, m), regressor.subrows(0, m));
        if config.cell == CellKind::Ctrnn {
            let wy = rows(of(params, CTRNN_READ)?, h);
            product(&mut dh, Accum::Add, rows(dread, h), wy);
        } else {
            dh.iter_mut().zip(dread.iter()).for_each(|(a, b)| *a += b);
        }
        let gx = &mut tape.gx[t * n * g..(t + 1) * n * g];
        let gh = &mut tape.gh[t * n * g..(t + 1) * n * g];
        let now = t * n * h..(t + 1) * n * h;
        let next = (t + 1) * n * h..(t + 2) * n * h;
        let states = States {
            inner: &tape.inner[now.clone()],
            output: &tape.output[now],
            inner_next: &tape.inner[next.clone()],
            output_next: &tape.output[next],
        };
        cell_backward(config, h, gx, gh, &states, &mut dh, &mut dinner);
        product(&mut dh, Accum::Add, rows(gh, g), wh);
        // What ran on its own forecast hands the gradient on to it.
        product(&mut dx, Accum::Add, rows(gx, g), wx.subcols(0, m));
        for (b, dx) in dx.chunks_exact(m).enumerate() {
            if !batch.open[t * n + b] {
                let to = &mut tape.forecast[at + b * m..at + (b + 1) * m];
                to.iter_mut().zip(dx).for_each(|(to, d)| *to += d);
            }
        }
    }
    let gradient = gather(config, size, batch, &tape, (&dy, &dread), (&dh, &dinner));
    Ok(gradient)
}

struct States<'a> {
    inner: &'a [f32],
    output: &'a [f32],
    inner_next: &'a [f32],
    output_next: &'a [f32],
}

/// Gates after their functions become gradients before them. `dh` and `dinner` come in as gradients of the state after
/// the step and leave as those of the state before it, but for what goes through the recurrent weights.
fn cell_backward(
    config: &DynamicsConfig,
    h: usize,
    gx: &mut [f32],
    gh: &mut [f32],
    states: &States<'_>,
    dh: &mut [f32],
    dinner: &mut [f32],
) {
    let k = config.dt_over_tau as f32;
    let g = gx.len() / (dh.len() / h);
    for (b, (gx, gh)) in gx
        .chunks_exact_mut(g)
        .zip(gh.chunks_exact_mut(g))
        .enumerate()
    {
        let of = b * h..(b + 1) * h;
        let (inner, output) = (&states.inner[of.clone()], &states.output[of.clone()]);
        let (inner_next, output_next) = (
            &states.inner_next[of.clone()],
            &states.output_next[of.clone()],
        );
        let (dh, dinner) = (&mut dh[of.clone()], &mut dinner[of]);
        match config.cell {
            CellKind::Ctrnn => dispatch(
                #[inline(always)]
                || {
                    for i in 0..h {
                        let o = output_next[i];
                        let slope = if o > 0.0 { 1.0 - o * o } else { 0.0 };
                        let d = dinner[i] + dh[i] * slope;
                        gx[i] = k * d;
                        gh[i] = k * d;
                        dinner[i] = d * (1.0 - k);
                        dh[i] = 0.0;
                    }
                },
            ),
            CellKind::Gru => dispatch(
                #[inline(always)]
                || {
                    for i in 0..h {
                        let (reset, update, new) = (gx[i], gx[h + i], gx[2 * h + i]);
                        let d = dh[i];
                        let dnew = d * (1.0 - update) * (1.0 - new * new);
                        let dupdate = d * (output[i] - new) * update * (1.0 - update);
                        let dreset = dnew * gh[2 * h + i] * reset * (1.0 - reset);
                        gx[i] = dreset;
                        gx[h + i] = dupdate;
                        gx[2 * h + i] = dnew;
                        gh[i] = dreset;
                        gh[h + i] = dupdate;
                        gh[2 * h + i] = dnew * reset;
                        dh[i] = d * update;
                    }
                },
            ),
            CellKind::Lstm => dispatch(
                #[inline(always)]
                || {
                    for i in 0..h {
                        let (input, forget) = (gx[i], gx[h + i]);
                        let (new, out) = (gx[2 * h + i], gx[3 * h + i]);
                        let squashed = tanh(inner_next[i]);
                        let c = dinner[i] + dh[i] * out * (1.0 - squashed * squashed);
                        gx[i] = c * new * input * (1.0 - input);
                        gx[h + i] = c * inner[i] * forget * (1.0 - forget);
                        gx[2 * h + i] = c * input * (1.0 - new * new);
                        gx[3 * h + i] = dh[i] * squashed * out * (1.0 - out);
                        dinner[i] = c * forget;
                        dh[i] = 0.0;
                    }
                    gh.copy_from_slice(gx);
                },
            ),
        }
    }
}

/// Gradients of all parameters: each a product or a sum over time and sequences at once.
fn gather(
    config: &DynamicsConfig,
    size: &Sizes,
    batch: &Sequences<'_>,
    tape: &Tape,
    (dy, dread): (&[f32], &[f32]),
    (dh, dinner): (&[f32], &[f32]),
) -> Values {
    let Sizes {
        time,
        n,
        m,
        f,
        h,
        gates,
    } = *size;
    let steps = time - 1;
    let g = gates * h;
    let names = names(config.cell);
    let sum = |values: &[f32], width: usize| {
        let mut out = vec![0.0_f32; width];
        for row in values.chunks_exact(width) {
            out.iter_mut().zip(row).for_each(|(o, v)| *o += v);
        }
        out
    };
    let outer = |delta: &[f32], out: usize, input: &[f32], width: usize| {
        let mut to = vec![0.0; out * width];
        product(
            &mut to,
            Accum::Replace,
            rows(delta, out).transpose(),
            rows(input, width),
        );
        to
    };
    let mut all = Values::new();
    let moving = outer(&tape.gx, g, &tape.input, m);
    // Summed over time first: the fixed part is the same at every step.
    let still = outer(&sum(&tape.gx, n * g), g, batch.fixed, f.max(1));
    let wx = (moving.chunks_exact(m))
        .enumerate()
        .flat_map(|(row, moving)| moving.iter().chain(&still[row * f..(row + 1) * f]).copied())
        .collect();
    all.insert(names.x.into(), wx);
    all.insert(names.x_bias.into(), sum(&tape.gx, g));
    all.insert(
        names.h.into(),
        outer(&tape.gh, g, &tape.output[..steps * n * h], h),
    );
    if let Some(bias) = names.h_bias {
        all.insert(bias.into(), sum(&tape.gh, g));
    }
    let mut regressor = outer(dy, m, &tape.read, h);
    regressor.resize((m + f) * h, 0.0);
    all.insert(REGRESSOR.into(), regressor);
    let mut bias = sum(dy, m);
    bias.resize(m + f, 0.0);
    all.insert(REGRESSOR_BIAS.into(), bias);
    if config.cell == CellKind::Ctrnn {
        all.insert(CTRNN_READ.into(), outer(dread, h, &tape.output[n * h..], h));
        all.insert(CTRNN_READ_BIAS.into(), sum(dread, h));
        let start: Vec<f32> = (dh.iter().zip(dinner))
            .zip(&tape.output[..n * h])
            .map(|((dh, dinner), o)| dinner + if *o > 0.0 { dh * (1.0 - o * o) } else { 0.0 })
            .collect();
        all.insert(CTRNN_START.into(), sum(&start, h));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamics::{Recurrent, Rollout};
    use mental_pong_base::Stream;

    fn config(cell: CellKind, skip: Skip) -> DynamicsConfig {
        DynamicsConfig {
            cell,
            latent: 5,
            fixed: 2,
            hidden: 6,
            dt_over_tau: 0.3,
            skip,
            rollout: Rollout::Carried,
        }
    }

    fn values(config: &DynamicsConfig) -> Values {
        let params = Recurrent::init(config, &mut Stream::new(2, "test", 0)).unwrap();
        let mut rng = Stream::new(2, "nudge", 0);
        let tensors = params.tensors().into_iter();
        tensors
            .map(|(name, t)| {
                let mut v: Vec<f32> = t.flatten_all().unwrap().to_vec1().unwrap();
                // Away from zeros, at which the CTRNN's rest would hide its start.
                v.iter_mut().for_each(|v| *v += (0.2 * rng.normal()) as f32);
                (name, v)
            })
            .collect()
    }

    /// Central differences of the loss are the reference.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (time, n, m, f) = (7, 3, 3, 2);
        let mut rng = Stream::new(8, "test", 0);
        let mut draw = |k: usize| -> Vec<f32> { (0..k).map(|_| rng.normal() as f32).collect() };
        let (shown, target, fixed) = (draw(time * n * m), draw(time * n * m), draw(n * f));
        let open: Vec<bool> = (0..time * n).map(|k| k < n || k % 4 == 1).collect();
        let weight: Vec<f32> = (0..time * n).map(|k| (k % 3) as f32 * 0.5).collect();
        let batch = Sequences {
            shown: &shown,
            target: &target,
            fixed: &fixed,
            open: &open,
            weight: &weight,
            batch: n,
        };
        for cell in [CellKind::Ctrnn, CellKind::Lstm, CellKind::Gru] {
            for skip in [Skip::None, Skip::Last(0.2)] {
                let config = config(cell, skip);
                let params = values(&config);
                let (loss, gradient) = loss_and_gradient(&config, &params, &batch, 0.5).unwrap();
                assert!((loss - loss_only(&config, &params, &batch, 0.5).unwrap()).abs() < 1e-9);
                for (name, values) in &params {
                    for at in [0, values.len() / 2, values.len() - 1] {
                        let shifted = |by: f32| {
                            let mut params = params.clone();
                            params.get_mut(name).unwrap()[at] += by;
                            loss_only(&config, &params, &batch, 0.5).unwrap()
                        };
                        let difference = (shifted(0.005) - shifted(-0.005)) / 0.01;
                        let own = f64::from(gradient[name][at]);
                        assert!(
                            (difference - own).abs() < 5e-3 * difference.abs().max(0.1),
                            "{cell:?} {skip:?} {name}[{at}]: {difference} {own}"
                        );
                    }
                }
            }
        }
    }
}
