use std::path::Path;

use candle_core::Tensor;
use mental_pong_base::Monitor;

use super::checkpoint::{Kept, LogRow, RunFolder, finite};
use crate::params::{Adam, Params};
use crate::{Error, Result};

/// How far, how fast, and how often it is written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Optimiser steps.
    pub(super) steps: u64,
    /// Peak learning rate.
    pub(super) learning_rate: f64,
    /// Steps between checkpoints.
    pub(super) checkpoint_every: u64,
}

impl Pace {
    /// Rate at `step`: a short linear rise, then a cosine down to a twentieth.
    fn rate(&self, step: u64) -> f64 {
        let (base, steps) = (self.learning_rate, self.steps);
        let warm = (steps / 20).clamp(1, 200);
        if step < warm {
            return base * (step + 1) as f64 / warm as f64;
        }
        let done = (step - warm) as f64 / (steps - warm).max(1) as f64;
        base * (0.05 + 0.95 * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done)))
    }
}

/// Adam down a loss, from a folder's checkpoint if there is one.
pub(super) struct Descent {
    folder: RunFolder,
    key: String,
    adam: Adam,
    kept: Kept,
}

impl Descent {
    /// Puts a checkpoint of the configuration with hash `key` into `params`, if one lies in `folder`.
    pub(super) fn open(folder: &Path, key: String, params: &Params) -> Result<Self> {
        let folder = RunFolder::open(folder)?;
        let mut adam = Adam::new(params)?;
        let kept = folder.restore(&key, params, &mut adam)?.unwrap_or_default();
        Ok(Self {
            folder,
            key,
            adam,
            kept,
        })
    }

    /// Steps taken.
    pub(super) fn step(&self) -> u64 {
        self.adam.step
    }

    /// The lines of the log.
    pub(super) fn into_log(self) -> Vec<LogRow> {
        self.kept.log
    }

    /// The steps that are left: `loss` of a step's batch, and `validation` at every line of the log.
    pub(super) fn run(
        mut self,
        pace: &Pace,
        params: &Params,
        monitor: &dyn Monitor,
        loss: impl Fn(u64) -> Result<Tensor>,
        validation: impl Fn() -> Result<Option<f64>>,
    ) -> Result<Vec<LogRow>> {
        let (adam, kept) = (&mut self.adam, &mut self.kept);
        monitor.advance(adam.step);
        while adam.step < pace.steps {
            let step = adam.step;
            let loss = loss(step)?;
            let (sum, n) = kept.pending;
            kept.pending = (sum + finite(&loss, step)?, n + 1);
            let rate = pace.rate(step);
            adam.update(params, &loss.backward()?, rate, Some(1.0))?;
            monitor.advance(1);
            let stopped = monitor.stopped();
            let due = adam.step.is_multiple_of(pace.checkpoint_every) || adam.step == pace.steps;
            if due {
                let (sum, n) = std::mem::take(&mut kept.pending);
                kept.log.push(LogRow {
                    step: adam.step,
                    rate,
                    loss: sum / n as f64,
                    validation: validation()?,
                });
            }
            if due || stopped {
                self.folder.save(&self.key, params, adam, kept)?;
            }
            if stopped {
                return Err(Error::Interrupted);
            }
        }
        Ok(self.kept.log)
    }
}
