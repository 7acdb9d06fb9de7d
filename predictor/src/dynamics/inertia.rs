use candle_core::{Device, Tensor};

use super::{Dynamics, check_context};
use crate::Result;
use crate::latents::Clock;

/// Nothing learned: the latents go on with the velocity that they had. It is the running mean of the
/// context's changes, with `share` of the newest (a plain mean until the context is long enough), as
/// [`super::Skip::Inertia`] has it before its regressor has learned anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inertia {
    /// Length of a latent vector.
    pub latent: usize,
    /// Share of the newest change, above 0 and up to 1.
    pub share: f64,
}

impl Inertia {
    /// Share of the newest change at steps of 50 ms: that of the bundled dynamics.
    pub const SHARE: f64 = 0.1;
}

impl Inertia {
    /// With a share that is meant at steps of 50 ms, at steps of `step_ms`.
    #[must_use]
    pub fn every(latent: usize, share: f64, step_ms: f64) -> Self {
        let bins = step_ms / Clock::BIN_MS;
        // Of one bin it is the share itself, to the last digit.
        let share = if (bins - 1.0).abs() < f64::EPSILON {
            share
        } else {
            1.0 - (1.0 - share).powf(bins)
        };
        Self { latent, share }
    }
}

impl Dynamics for Inertia {
    fn latent_dim(&self) -> usize {
        self.latent
    }

    /// Without weights it runs where its context is.
    fn move_to(&mut self, _device: &Device) -> Result<()> {
        Ok(())
    }

    fn forecast(&self, context: &Tensor, steps: usize) -> Result<Tensor> {
        let (batch, time) = check_context(context, self.latent)?;
        let row = |t: usize| -> Result<Tensor> { Ok(context.narrow(1, t, 1)?) };
        let mut velocity = row(0)?.zeros_like()?;
        let mut towards = |change: Tensor, share: f64| -> Result<Tensor> {
            velocity = (&velocity + ((change - &velocity)? * share)?)?;
            Ok(velocity.clone())
        };
        let mut step = row(0)?.zeros_like()?;
        for t in 1..time {
            step = towards((row(t)? - row(t - 1)?)?, self.share.max(1.0 / t as f64))?;
        }
        let mut forecasts = vec![(row(time - 1)? + &step)?];
        while forecasts.len() < steps {
            let now = &forecasts[forecasts.len() - 1];
            let before = match forecasts.len() {
                1 => row(time - 1)?,
                n => forecasts[n - 2].clone(),
            };
            // A forecast's own change is taken whole.
            step = towards((now - before)?, 1.0)?;
            forecasts.push((now + &step)?);
        }
        match steps {
            0 => Ok(Tensor::zeros(
                (batch, 0, self.latent),
                context.dtype(),
                context.device(),
            )?),
            _ => Ok(Tensor::cat(&forecasts, 1)?.contiguous()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_base::Stream;

    use super::super::{CellKind, DynamicsConfig, Recurrent, Rollout, Skip};
    use super::*;

    // A recurrent network with inertia whose regressor is still zero adds nothing to it.
    #[test]
    fn inertia_is_what_untrained_dynamics_with_inertia_forecast() {
        let config = DynamicsConfig {
            cell: CellKind::Ctrnn,
            latent: 3,
            fixed: 0,
            hidden: 4,
            dt_over_tau: 0.1,
            skip: Skip::Inertia(0.1),
            rollout: Rollout::Carried,
        };
        let mut rng = Stream::new(2, "test", 0);
        let fresh = Recurrent::init(&config, &mut rng).unwrap();
        let network = Recurrent::new(config, &fresh).unwrap();
        let inertia = Inertia {
            latent: 3,
            share: 0.1,
        };
        for time in [1, 2, 30] {
            let values: Vec<f32> = (0..3 * time).map(|_| rng.normal() as f32).collect();
            let context = Tensor::from_vec(values, (1, time, 3), &Device::Cpu).unwrap();
            let values = |d: &dyn Dynamics| -> Vec<f32> {
                let ahead = d.forecast(&context, 9).unwrap();
                ahead.flatten_all().unwrap().to_vec1().unwrap()
            };
            assert_eq!(values(&inertia), values(&network), "{time}");
        }
    }

    #[test]
    fn a_straight_line_goes_on() {
        let line: Vec<f32> = (0..6).map(|k| 2.0 * k as f32).collect();
        let context = Tensor::from_vec(line, (1, 6, 1), &Device::Cpu).unwrap();
        let inertia = Inertia {
            latent: 1,
            share: 0.1,
        };
        let ahead = inertia.forecast(&context, 3).unwrap();
        let ahead: Vec<f32> = ahead.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(ahead, [12.0, 14.0, 16.0]);
        assert_eq!(inertia.forecast(&context, 0).unwrap().dims(), [1, 0, 1]);
    }
}
