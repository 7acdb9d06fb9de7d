//! Forecasts that go on from latents of anyone's encoder.

use std::path::Path;

use candle_core::{Device, Tensor};
use mental_pong_base::Monitor;
use mental_pong_game::task::ConditionSet;

use super::{ConditionLatents, Latents, Status, Step};
use crate::dynamics::{Dynamics, Identity, Inertia};
use crate::weights::load::dynamics_from;
use crate::{Error, Result};

/// What `spec` means for latents of `units` at steps of `step_ms`: `identity` (the last latent, held), `inertia` (their
/// smoothed velocity, kept), or a file of dynamics.
///
/// # Errors
/// Those of a file that holds no dynamics; [`Error::Shape`] for dynamics of other latents.
pub fn continuation(spec: &str, units: usize, step_ms: f64) -> Result<Box<dyn Dynamics>> {
    let model: Box<dyn Dynamics> = match spec {
        "identity" => Box::new(Identity { latent: units }),
        "inertia" => Box::new(Inertia::every(units, Inertia::SHARE, step_ms)),
        file => dynamics_from(Path::new(file), None)?.model,
    };
    if model.latent_dim() != units {
        return Err(Error::Shape {
            what: "latent of the dynamics",
            expected: vec![units],
            found: vec![model.latent_dim()],
        });
    }
    Ok(model)
}

/// `[condition]`: how many steps come before the first frame with the ball wholly hidden.
///
/// # Errors
/// [`Error::Game`] for a condition that is not of the set.
pub fn n_visible<'a>(
    set: &ConditionSet,
    conditions: impl IntoIterator<Item = (&'a str, &'a [Step])>,
) -> Result<Vec<usize>> {
    let of = |(id, steps): (&str, &[Step])| {
        let track = set.condition(id)?.track();
        let hidden = |step: &Step| track.frame(step.frame).is_some_and(|f| f.visible <= 0.0);
        Ok(steps.iter().position(hidden).unwrap_or(steps.len()))
    };
    conditions.into_iter().map(of).collect()
}

/// The latents with every step from the first hidden one on replaced by what `dynamics` forecast from those before.
///
/// # Errors
/// [`Error::Config`] for a condition that begins hidden; [`Error::Interrupted`] when `monitor` stops it; as
/// [`Dynamics::forecast`] and [`n_visible`].
pub fn forecast(
    latents: &Latents,
    set: &ConditionSet,
    dynamics: &dyn Dynamics,
    monitor: &dyn Monitor,
) -> Result<Latents> {
    let conditions = latents.conditions.iter();
    let visible = n_visible(set, conditions.map(|c| (c.id.as_str(), c.steps.as_slice())))?;
    monitor.stage("forecast", latents.conditions.len() as u64);
    let mut out = Vec::with_capacity(latents.conditions.len());
    for (condition, seen) in latents.conditions.iter().zip(visible) {
        if monitor.stopped() {
            return Err(Error::Interrupted);
        }
        if seen == 0 {
            return Err(Error::Config {
                place: format!("condition {}", condition.id),
                field: "steps".into(),
                expected: "at least one with the ball in view, which a forecast goes on from"
                    .into(),
                found: "none".into(),
            });
        }
        let layers = condition.layers.iter().zip(&latents.layers);
        let layers = layers.map(|(values, layer)| {
            let units = layer.units;
            let mut whole = values[..seen * units].to_vec();
            let left = condition.steps.len() - seen;
            if left > 0 {
                let context = Tensor::from_slice(&whole, (1, seen, units), &Device::Cpu)?;
                let forecast = dynamics.forecast(&context, left)?;
                whole.extend(forecast.flatten_all()?.to_vec1::<f32>()?);
            }
            Ok(whole)
        });
        let layers = layers.collect::<Result<_>>()?;
        let steps = condition.steps.iter().enumerate();
        out.push(ConditionLatents {
            id: condition.id.clone(),
            layers,
            steps: steps
                .map(|(k, step)| Step {
                    status: if k < seen {
                        Status::Context
                    } else {
                        Status::Hidden
                    },
                    ..*step
                })
                .collect(),
        });
        monitor.advance(1);
    }
    Ok(Latents {
        conditions: out,
        ..latents.clone()
    })
}
