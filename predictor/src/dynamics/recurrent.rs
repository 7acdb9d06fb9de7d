use candle_core::{DType, Device, Tensor};
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState};
use candle_nn::{Linear, Module, RNN, VarBuilder};
use faer::{Accum, Par};

use super::ctrnn::{Ctrnn, CtrnnState};
use super::gru::Gru;
use super::windows::{Matrix, Plain, roll};
use super::{CellKind, Dynamics, DynamicsConfig, Rollout, Skip, check_context};
use crate::Result;
use crate::device::{put, put_linear};
use crate::kernels::add_row;
use crate::params::Params;
use mental_pong_base::Stream;

/// Enlargement of changes, which are a tenth of a standard deviation in a typical step.
const CHANGE_SCALE: f64 = 10.0;

/// One step of recurrence.
trait Step {
    type State;
    fn start(&self, batch: usize) -> Result<Self::State>;
    fn advance(&self, x: &Tensor, state: &Self::State) -> Result<Self::State>;
    /// What the regressor reads, `[batch, unit]`.
    fn output(&self, state: &Self::State) -> Result<Tensor>;
}

impl Step for Ctrnn {
    type State = CtrnnState;

    fn start(&self, batch: usize) -> Result<CtrnnState> {
        self.start(batch)
    }

    fn advance(&self, x: &Tensor, state: &CtrnnState) -> Result<CtrnnState> {
        self.step(x, state)
    }

    fn output(&self, state: &CtrnnState) -> Result<Tensor> {
        self.output(state)
    }
}

impl Step for Gru {
    type State = Tensor;

    fn start(&self, batch: usize) -> Result<Tensor> {
        self.start(batch)
    }

    fn advance(&self, x: &Tensor, state: &Tensor) -> Result<Tensor> {
        self.step(x, state)
    }

    fn output(&self, state: &Tensor) -> Result<Tensor> {
        Ok(state.clone())
    }
}

impl Step for LSTM {
    type State = LSTMState;

    fn start(&self, batch: usize) -> Result<LSTMState> {
        Ok(self.zero_state(batch)?)
    }

    fn advance(&self, x: &Tensor, state: &LSTMState) -> Result<LSTMState> {
        Ok(self.step(x, state)?)
    }

    fn output(&self, state: &LSTMState) -> Result<Tensor> {
        Ok(state.h().clone())
    }
}

#[derive(Clone, Debug)]
enum Cell {
    Ctrnn(Ctrnn),
    /// The layer, and its tensors: input and hidden weights, then their biases.
    Lstm(LSTM, [Tensor; 4]),
    Gru(Gru),
}

impl Cell {
    /// The recurrent part as plain numbers.
    fn plain(&self) -> Result<Plain> {
        match self {
            Self::Ctrnn(cell) => cell.plain(),
            Self::Lstm(_, [ih, hh, ih_bias, hh_bias]) => Ok(Plain::Lstm {
                ih: Matrix::of(ih)?,
                bias: (ih_bias + hh_bias)?.to_vec1()?,
                hh: Matrix::of(hh)?,
            }),
            Self::Gru(cell) => cell.plain(),
        }
    }
}

/// The library's LSTM over these tensors.
fn lstm(config: &DynamicsConfig, tensors: &[Tensor; 4], device: &Device) -> Result<LSTM> {
    let names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"];
    let named = names.map(String::from).into_iter().zip(tensors.clone());
    let vb = VarBuilder::from_tensors(named.collect(), DType::F32, device);
    let (inputs, hidden) = (config.inputs(), config.hidden);
    Ok(LSTM::new(inputs, hidden, LSTMConfig::default(), vb)?)
}

/// A recurrent cell and its linear regressor to the encoder's space.
#[derive(Clone, Debug)]
pub struct Recurrent {
    config: DynamicsConfig,
    cell: Cell,
    regressor: Linear,
}

/// What [`Recurrent::unroll`] gives.
#[derive(Clone, Debug)]
pub struct Unrolled {
    /// Forecast of each context frame but the first from those before it, `[batch, time − 1, latent]`;
    /// none for a context of one frame.
    pub context: Option<Tensor>,
    /// Free-running forecasts, `[batch, step, latent]`.
    pub rollout: Tensor,
}

impl Recurrent {
    /// A module over `params`; training them trains it.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: DynamicsConfig, params: &Params) -> Result<Self> {
        let vb = params.builder().pp("dynamics");
        let cell = match config.cell {
            CellKind::Ctrnn => Cell::Ctrnn(Ctrnn::new(&config, &vb.pp("ctrnn"))?),
            CellKind::Gru => Cell::Gru(Gru::new(&config, &vb.pp("gru"))?),
            CellKind::Lstm => {
                let vb = vb.pp("lstm");
                let (inputs, hidden) = (config.inputs(), config.hidden);
                let tensors = [
                    vb.get((4 * hidden, inputs), "weight_ih_l0")?,
                    vb.get((4 * hidden, hidden), "weight_hh_l0")?,
                    vb.get(4 * hidden, "bias_ih_l0")?,
                    vb.get(4 * hidden, "bias_hh_l0")?,
                ];
                Cell::Lstm(lstm(&config, &tensors, vb.device())?, tensors)
            }
        };
        let regressor = Linear::new(
            vb.get((config.latent, config.hidden), "regressor.weight")?,
            Some(vb.get(config.latent, "regressor.bias")?),
        );
        Ok(Self {
            config,
            cell,
            regressor,
        })
    }

    /// Fresh parameters ([`super::Init::Published`] draws as the published code does). The LSTM, the
    /// GRU and the regressor start as PyTorch's do; the CTRNN's recurrent
    /// weights start at a gain of 1 and its output layer at `1/√h` (published: 1.5 and 1, which
    /// suits its 1,024 units and one-step loss), `ah0` at zero and trained. With inertia the
    /// regressor starts at zero: the first forecast goes straight on.
    ///
    /// # Errors
    /// When the tensor library refuses a shape.
    pub fn init(config: &DynamicsConfig, rng: &mut Stream) -> Result<Params> {
        let mut params = Params::default();
        let bound = 1.0 / (config.hidden as f64).sqrt();
        for (name, shape) in config.shapes() {
            let inertial = matches!(config.skip, Skip::Inertia(_)) && name.contains("regressor");
            if inertial || name.ends_with("ah0") || name.contains("ctrnn") && name.ends_with("bias")
            {
                params.normal(name, &shape, 0.0, rng)?;
            } else if name.contains("ctrnn") {
                params.normal(name, &shape, 1.0 / (shape[1] as f64).sqrt(), rng)?;
            } else {
                params.uniform(name, &shape, bound, rng)?;
            }
        }
        Ok(params)
    }

    /// The module's size and equations.
    #[must_use]
    pub fn config(&self) -> &DynamicsConfig {
        &self.config
    }

    /// Where the module is.
    #[must_use]
    pub fn device(&self) -> Device {
        self.regressor.weight().device().clone()
    }

    /// The same module with another rollout.
    #[must_use]
    pub fn with_rollout(mut self, rollout: Rollout) -> Self {
        self.config.rollout = rollout;
        self
    }

    /// Runs over the context, then freely with the state carried on, keeping the graph for training.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] as [`Dynamics::forecast`].
    pub fn unroll(&self, context: &Tensor, steps: usize) -> Result<Unrolled> {
        match &self.cell {
            Cell::Ctrnn(cell) => self.unroll_cell(cell, context, steps),
            Cell::Lstm(cell, _) => self.unroll_cell(cell, context, steps),
            Cell::Gru(cell) => self.unroll_cell(cell, context, steps),
        }
    }

    fn unroll_cell<C: Step>(&self, cell: &C, context: &Tensor, steps: usize) -> Result<Unrolled> {
        let (batch, time) = check_context(context, self.config.latent)?;
        let mut state = cell.start(batch)?;
        let mut forecasts: Vec<Tensor> = Vec::with_capacity(time + steps);
        let mut before: Option<Tensor> = None;
        let shape = (batch, self.config.latent);
        let mut velocity = Tensor::zeros(shape, DType::F32, context.device())?;
        let mut held: Option<Tensor> = None;
        for t in 0..time + steps.max(1) - 1 {
            let x = match forecasts.last() {
                Some(forecast) if t >= time => forecast.clone(),
                _ => {
                    let x = context.narrow(1, t, 1)?.squeeze(1)?.contiguous()?;
                    self.hold(x, &mut held, t)?
                }
            };
            let next = match self.config.skip {
                Skip::None => {
                    state = cell.advance(&x, &state)?;
                    let next = self.regressor.forward(&cell.output(&state)?)?;
                    self.with_fixed(&next, &x)?
                }
                Skip::Last(share) => {
                    state = cell.advance(&x, &state)?;
                    let change = self.regressor.forward(&cell.output(&state)?)?;
                    self.with_fixed(&(&x + (change * share)?)?, &x)?
                }
                Skip::Inertia(share) => {
                    if let Some(before) = &before {
                        // A plain mean until it is long enough, then an exponential one.
                        let share = if t >= time {
                            1.0
                        } else {
                            share.max(1.0 / t as f64)
                        };
                        let change = (&x - before)?;
                        velocity = (&velocity + ((change - &velocity)? * share)?)?;
                    }
                    let error = (&x - forecasts.last().unwrap_or(&x))?;
                    let moved = (&velocity * CHANGE_SCALE)?;
                    let input = Tensor::cat(&[&x, &moved, &(error * CHANGE_SCALE)?], 1)?;
                    state = cell.advance(&input, &state)?;
                    let acceleration = self.regressor.forward(&cell.output(&state)?)?;
                    before = Some(x.clone());
                    ((x + &velocity)? + (acceleration / CHANGE_SCALE)?)?
                }
            };
            forecasts.push(next);
        }
        let rollout = forecasts.split_off(time - 1);
        let context = match forecasts.len() {
            0 => None,
            _ => Some(Tensor::stack(&forecasts, 1)?),
        };
        Ok(Unrolled {
            context,
            rollout: Tensor::stack(&rollout[..steps.min(rollout.len())], 1)?,
        })
    }

    /// A context frame whose fixed latents are the mean of those seen so far.
    fn hold(&self, x: Tensor, held: &mut Option<Tensor>, t: usize) -> Result<Tensor> {
        let (latent, fixed) = (self.config.latent, self.config.fixed);
        if fixed == 0 {
            return Ok(x);
        }
        let shown = x.narrow(1, latent - fixed, fixed)?;
        let mean = match held.take() {
            None => shown,
            Some(mean) => (&mean + ((shown - &mean)? / (t + 1) as f64)?)?,
        };
        let x = Tensor::cat(&[&x.narrow(1, 0, latent - fixed)?, &mean], 1)?;
        *held = Some(mean);
        Ok(x)
    }

    /// `next` with the fixed latents of `x`.
    fn with_fixed(&self, next: &Tensor, x: &Tensor) -> Result<Tensor> {
        let (latent, fixed) = (self.config.latent, self.config.fixed);
        if fixed == 0 {
            return Ok(next.clone());
        }
        let (moving, still) = (
            next.narrow(1, 0, latent - fixed)?,
            x.narrow(1, latent - fixed, fixed)?,
        );
        Ok(Tensor::cat(&[&moving, &still], 1)?)
    }

    /// The published rollout: each forecast from a fresh run over the sliding window.
    fn restart(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
        match self.restart_side_by_side(context, steps)? {
            Some((forecast, _)) => Ok(forecast),
            None => self.restart_one_by_one(context, steps),
        }
    }

    /// [`roll`] where it does the network: the inertia of a window depends on where the window begins, and
    /// plain numbers are the processor's.
    fn restart_side_by_side(
        &self,
        context: &Tensor,
        steps: usize,
    ) -> Result<Option<(Tensor, usize)>> {
        check_context(context, self.config.latent)?;
        let plain = self.config.skip == Skip::None && self.config.fixed == 0;
        if !plain || !context.device().is_cpu() {
            return Ok(None);
        }
        let (regressor, bias) = self.plain_regressor()?;
        roll(&self.cell.plain()?, &regressor, &bias, context, steps).map(Some)
    }

    fn plain_regressor(&self) -> Result<(Matrix, Vec<f32>)> {
        let bias = match self.regressor.bias() {
            Some(bias) => bias.to_vec1()?,
            None => vec![0.0; self.config.latent],
        };
        Ok((Matrix::of(self.regressor.weight())?, bias))
    }

    /// The rollout of [`unroll`](Self::unroll) in plain numbers, equal to it up to rounding: a step of a small network is
    /// over before the tensor library has begun one.
    fn carried(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
        let (batch, time) = check_context(context, self.config.latent)?;
        let cell = self.cell.plain()?;
        let (regressor, bias) = self.plain_regressor()?;
        let (latent, moving) = (self.config.latent, self.config.latent - self.config.fixed);
        let seen: Vec<f32> = context.flatten_all()?.to_vec1()?;
        let (mut inner, mut output) = cell.start(batch);
        let mut held = vec![0.0; batch * latent];
        let (mut velocity, mut before) = (vec![0.0; batch * latent], Vec::new());
        let mut forecast: Vec<f32> = Vec::new();
        let mut rollout = Vec::with_capacity(steps);
        for t in 0..time + steps.max(1) - 1 {
            let mut x = forecast.clone();
            if t < time {
                x.clear();
                for b in 0..batch {
                    x.extend_from_slice(&seen[(b * time + t) * latent..][..latent]);
                }
                for (i, (x, held)) in x.iter_mut().zip(&mut held).enumerate() {
                    if i % latent >= moving {
                        *held += (*x - *held) / (t + 1) as f32;
                        *x = *held;
                    }
                }
            }
            let input = match self.config.skip {
                Skip::None | Skip::Last(_) => x.clone(),
                Skip::Inertia(share) => {
                    if t > 0 {
                        let share = if t >= time {
                            1.0
                        } else {
                            share.max(1.0 / t as f64)
                        };
                        for (v, (x, before)) in velocity.iter_mut().zip(x.iter().zip(&before)) {
                            *v += (x - before - *v) * share as f32;
                        }
                    } else {
                        forecast.clone_from(&x);
                    }
                    self.enlarged(&x, &velocity, &forecast)
                }
            };
            cell.advance(&cell.project(&input), &mut inner, &mut output);
            let mut next = vec![0.0; batch * latent];
            let read = cell.read(&output);
            regressor.times(&read, &mut next, Accum::Replace, Par::Seq);
            add_row(&mut next, &bias);
            for (i, next) in next.iter_mut().enumerate() {
                *next = match self.config.skip {
                    Skip::Inertia(_) => x[i] + velocity[i] + *next / CHANGE_SCALE as f32,
                    _ if i % latent >= moving => x[i],
                    Skip::None => *next,
                    Skip::Last(share) => x[i] + *next * share as f32,
                };
            }
            before = x;
            forecast = next;
            if t + 1 >= time {
                rollout.push(forecast.clone());
            }
        }
        let values: Vec<f32> = (0..batch)
            .flat_map(|b| {
                rollout
                    .iter()
                    .take(steps)
                    .flat_map(move |f| &f[b * latent..][..latent])
            })
            .copied()
            .collect();
        Ok(Tensor::from_vec(
            values,
            (batch, steps, latent),
            &Device::Cpu,
        )?)
    }

    /// What a cell with inertia gets, `[batch, (x, velocity, error)]`, the last two enlarged.
    fn enlarged(&self, x: &[f32], velocity: &[f32], forecast: &[f32]) -> Vec<f32> {
        let mut input = Vec::with_capacity(3 * x.len());
        for b in (0..x.len()).step_by(self.config.latent) {
            let row = b..b + self.config.latent;
            input.extend_from_slice(&x[row.clone()]);
            input.extend(
                velocity[row.clone()]
                    .iter()
                    .map(|v| v * CHANGE_SCALE as f32),
            );
            let pairs = x[row.clone()].iter().zip(&forecast[row]);
            input.extend(pairs.map(|(x, f)| (x - f) * CHANGE_SCALE as f32));
        }
        input
    }

    fn restart_one_by_one(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
        let (_, time) = check_context(context, self.config.latent)?;
        let mut window = context.clone();
        let mut forecasts = Vec::with_capacity(steps);
        for _ in 0..steps {
            let next = self.unroll(&window, 1)?.rollout;
            window = Tensor::cat(&[&window.narrow(1, 1, time - 1)?, &next], 1)?;
            forecasts.push(next);
        }
        Ok(Tensor::cat(&forecasts, 1)?)
    }
}

impl Dynamics for Recurrent {
    fn latent_dim(&self) -> usize {
        self.config.latent
    }

    fn move_to(&mut self, device: &Device) -> Result<()> {
        match &mut self.cell {
            Cell::Ctrnn(cell) => cell.move_to(device)?,
            Cell::Gru(cell) => cell.move_to(device)?,
            Cell::Lstm(cell, tensors) => {
                for tensor in tensors.iter_mut() {
                    put(tensor, device)?;
                }
                *cell = lstm(&self.config, tensors, device)?;
            }
        }
        put_linear(&mut self.regressor, device)
    }

    fn forecast(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
        let context = context.to_device(self.regressor.weight().device())?;
        match self.config.rollout {
            Rollout::Restart => self.restart(&context, steps),
            Rollout::Carried if context.device().is_cpu() => self.carried(&context, steps),
            Rollout::Carried => Ok(self.unroll(&context, steps)?.rollout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cell: CellKind, skip: Skip, rollout: Rollout) -> DynamicsConfig {
        DynamicsConfig {
            cell,
            latent: 2,
            fixed: 0,
            hidden: 5,
            dt_over_tau: 0.1,
            skip,
            rollout,
        }
    }

    fn module(config: DynamicsConfig, seed: u64) -> Recurrent {
        let params = Recurrent::init(&config, &mut Stream::new(seed, "test", 0)).unwrap();
        Recurrent::new(config, &params).unwrap()
    }

    fn line(steps: usize) -> Tensor {
        let values: Vec<f32> = (0..steps)
            .flat_map(|t| [0.1 * t as f32, 1.0 - 0.05 * t as f32])
            .collect();
        Tensor::from_vec(values, (1, steps, 2), &Device::Cpu).unwrap()
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn inertia_without_training_goes_straight_on() {
        for cell in [CellKind::Ctrnn, CellKind::Lstm, CellKind::Gru] {
            let module = module(config(cell, Skip::Inertia(0.1), Rollout::Carried), 1);
            let ahead = values(&module.forecast(&line(10), 6).unwrap());
            let expected = values(&line(16).narrow(1, 10, 6).unwrap());
            for (a, b) in ahead.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }

    #[test]
    fn the_first_forecast_is_the_same_in_both_rollouts_and_later_ones_are_not() {
        for cell in [CellKind::Ctrnn, CellKind::Lstm, CellKind::Gru] {
            let carried = module(config(cell, Skip::None, Rollout::Carried), 2);
            let restart = module(config(cell, Skip::None, Rollout::Restart), 2);
            let a = values(&carried.forecast(&line(7), 3).unwrap());
            let b = values(&restart.forecast(&line(7), 3).unwrap());
            assert!((a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6);
            assert_ne!(a[4..], b[4..]);
        }
    }

    #[test]
    fn windows_side_by_side_are_windows_one_by_one() {
        for cell in [CellKind::Ctrnn, CellKind::Lstm, CellKind::Gru] {
            for (time, steps) in [(1, 1), (1, 6), (4, 9), (9, 4), (6, 6)] {
                let module = module(config(cell, Skip::None, Rollout::Restart), 5);
                let other = (line(time) * -0.7).unwrap();
                let context = Tensor::cat(&[&line(time), &other], 0).unwrap();
                let fast = module.restart(&context, steps).unwrap();
                assert_eq!(fast.dims(), [2, steps, 2]);
                let plain = module.restart_one_by_one(&context, steps).unwrap();
                for (a, b) in values(&fast).iter().zip(values(&plain)) {
                    assert!((a - b).abs() < 1e-6, "{cell:?} {time} {steps}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn plain_numbers_give_the_rollout_of_the_tensor_library() {
        for cell in [CellKind::Ctrnn, CellKind::Lstm, CellKind::Gru] {
            for (skip, fixed) in [
                (Skip::None, 0),
                (Skip::None, 1),
                (Skip::Last(0.2), 0),
                (Skip::Last(0.2), 1),
                (Skip::Inertia(0.1), 0),
            ] {
                for (time, steps) in [(1, 1), (1, 6), (7, 5), (9, 1)] {
                    let config = DynamicsConfig {
                        fixed,
                        ..config(cell, skip, Rollout::Carried)
                    };
                    let mut params =
                        Recurrent::init(&config, &mut Stream::new(8, "test", 0)).unwrap();
                    if let Skip::Inertia(_) = skip {
                        // It starts at zero.
                        let mut rng = Stream::new(9, "test", 0);
                        params
                            .uniform("dynamics.regressor.weight", &[2, 5], 0.4, &mut rng)
                            .unwrap();
                    }
                    let module = Recurrent::new(config, &params).unwrap();
                    let other = (line(time) * -0.7).unwrap();
                    let context = Tensor::cat(&[&line(time), &other], 0).unwrap();
                    let plain = module.carried(&context, steps).unwrap();
                    assert_eq!(plain.dims(), [2, steps, 2]);
                    let tensors = module.unroll(&context, steps).unwrap().rollout;
                    for (a, b) in values(&plain).iter().zip(values(&tensors)) {
                        assert!(
                            (a - b).abs() < 2e-6,
                            "{cell:?} {skip:?} {time} {steps}: {a} {b}"
                        );
                    }
                }
            }
        }
    }

    // Long enough for the LSTM's windows to forget where they began, with enough rows for the CTRNN's
    // resting units to be left out.
    #[test]
    fn what_is_left_out_of_the_rollout_changes_nothing() {
        for (cell, fewer) in [(CellKind::Ctrnn, false), (CellKind::Lstm, true)] {
            for seed in 0..3 {
                let config = DynamicsConfig {
                    hidden: 24,
                    latent: 3,
                    ..config(cell, Skip::None, Rollout::Restart)
                };
                let drawn = super::super::Init::Published
                    .draw(&config, &mut Stream::new(seed, "test", 1))
                    .unwrap();
                let mut params = Params::default();
                for (name, tensor) in drawn.tensors() {
                    // A read-out this small keeps the free rollout in bounds.
                    let scale = if name.contains("fc_h2y") { 0.1 } else { 1.0 };
                    params.insert(&name, &(tensor * scale).unwrap()).unwrap();
                }
                let module = Recurrent::new(config, &params).unwrap();
                let mut rng = Stream::new(seed, "context", 0);
                let drawn: Vec<f32> = (0..7 * 90 * 3).map(|_| rng.normal() as f32).collect();
                let context = Tensor::from_vec(drawn, (7, 90, 3), &Device::Cpu).unwrap();
                let (fast, taken) = module.restart_side_by_side(&context, 30).unwrap().unwrap();
                assert_eq!(taken < 90 * 30, fewer, "{cell:?} {taken}");
                let plain = module.restart_one_by_one(&context, 30).unwrap();
                for (a, b) in values(&fast).iter().zip(values(&plain)) {
                    assert!((a - b).abs() < 2e-6, "{cell:?}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn a_batch_is_its_rows() {
        let module = module(
            config(CellKind::Lstm, Skip::Inertia(0.2), Rollout::Carried),
            3,
        );
        let other = (line(8) * -0.7).unwrap();
        let both = Tensor::cat(&[&line(8), &other], 0).unwrap();
        let together = values(&module.forecast(&both, 4).unwrap());
        let apart = [line(8), other]
            .iter()
            .flat_map(|c| values(&module.forecast(c, 4).unwrap()))
            .collect::<Vec<_>>();
        for (a, b) in together.iter().zip(&apart) {
            assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn a_context_of_another_shape_is_refused() {
        let module = module(config(CellKind::Ctrnn, Skip::None, Rollout::Carried), 4);
        let wrong = Tensor::zeros((1, 4, 3), DType::F32, &Device::Cpu).unwrap();
        assert!(module.forecast(&wrong, 2).is_err());
        let empty = Tensor::zeros((1, 0, 2), DType::F32, &Device::Cpu).unwrap();
        assert!(module.forecast(&empty, 2).is_err());
    }
}
