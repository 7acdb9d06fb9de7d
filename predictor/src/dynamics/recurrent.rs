use candle_core::{DType, Device, Tensor};
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState};
use candle_nn::{Linear, Module, RNN};

use super::ctrnn::{Ctrnn, CtrnnState};
use super::{CellKind, Dynamics, DynamicsConfig, Rollout, Skip, check_context};
use crate::Result;
use crate::params::Params;
use crate::rng::Stream;

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
    Lstm(LSTM),
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
            CellKind::Lstm => Cell::Lstm(LSTM::new(
                config.inputs(),
                config.hidden,
                LSTMConfig::default(),
                vb.pp("lstm"),
            )?),
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

    /// Fresh parameters. The LSTM and the regressor start as PyTorch's do; the CTRNN's recurrent
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
            let inertial = config.skip != Skip::None && name.contains("regressor");
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

    /// Runs over the context, then freely with the state carried on, keeping the graph for training.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] as [`Dynamics::forecast`].
    pub fn unroll(&self, context: &Tensor, steps: usize) -> Result<Unrolled> {
        match &self.cell {
            Cell::Ctrnn(cell) => self.unroll_cell(cell, context, steps),
            Cell::Lstm(cell) => self.unroll_cell(cell, context, steps),
        }
    }

    fn unroll_cell<C: Step>(&self, cell: &C, context: &Tensor, steps: usize) -> Result<Unrolled> {
        let (batch, time) = check_context(context, self.config.latent)?;
        let mut state = cell.start(batch)?;
        let mut forecasts: Vec<Tensor> = Vec::with_capacity(time + steps);
        let mut before: Option<Tensor> = None;
        let mut velocity = Tensor::zeros((batch, self.config.latent), DType::F32, &Device::Cpu)?;
        for t in 0..time + steps.max(1) - 1 {
            let x = match forecasts.last() {
                Some(forecast) if t >= time => forecast.clone(),
                _ => context.narrow(1, t, 1)?.squeeze(1)?.contiguous()?,
            };
            let next = match self.config.skip {
                Skip::None => {
                    state = cell.advance(&x, &state)?;
                    self.regressor.forward(&cell.output(&state)?)?
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

    /// The published rollout: each forecast from a fresh run over the sliding window.
    fn restart(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
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

    fn forecast(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
        match self.config.rollout {
            Rollout::Restart => self.restart(context, steps),
            Rollout::Carried => Ok(self.unroll(context, steps)?.rollout),
        }
    }
}
