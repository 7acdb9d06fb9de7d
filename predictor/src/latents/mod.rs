//! A predictor at work on the task: clips of a condition, forecasts, and the 50 ms bins of the
//! recordings.

mod bins;
mod cache;
mod clip;
mod export;
mod layers;
mod protocol;
mod video;

pub use bins::mean_in_bins;
pub use cache::{CACHE_BYTES, Cache};
pub use clip::{Clip, Shown, Status, Step};
pub use export::{LayerFile, LayersWriter, read_layer, write_layers, write_npz};
pub use layers::{Layer, Layers, TrialLayers, predict, predict_each, predict_video};
pub use protocol::{ContextRule, Plan, Protocol, interpolate};
pub use video::{Clock, Video};

use candle_core::{Device, Tensor};
use mental_pong_base::Monitor;
use mental_pong_game::task::Condition;
use serde::{Deserialize, Serialize};

use crate::dynamics::Dynamics;
use crate::encoders::Encoder;
use crate::{Error, Result};

/// How many frames a forecast starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// All frames up to, not including, the first in which the ball is fully hidden (the published
    /// evaluation).
    Visible,
    /// The last so many of them.
    Last(usize),
}

/// Latents of one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialLatents {
    /// The condition.
    pub id: u32,
    /// The model's steps.
    pub steps: Vec<Step>,
    /// `[step, latent]`, row-major.
    pub latents: Vec<f32>,
    /// Length of a latent vector.
    pub dim: usize,
}

/// Encodes every step of `shown`, with no forecast.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it.
pub fn observe(
    encoder: &dyn Encoder,
    conditions: &[Condition],
    shown: Shown,
    cache: &Cache,
    monitor: &dyn Monitor,
) -> Result<Vec<TrialLatents>> {
    conditions
        .iter()
        .map(|condition| {
            stop_if_asked(monitor)?;
            let clip = Clip::of(condition, shown);
            let latents = cache.encode(encoder, &clip.frames)?[encoder.latent_dim()..].to_vec();
            monitor.advance(1);
            Ok(TrialLatents {
                id: condition.id,
                steps: clip.steps,
                latents,
                dim: encoder.latent_dim(),
            })
        })
        .collect()
}

/// Encodes the context of each condition's occluded video and forecasts the rest. Nothing of the
/// video after the context is looked at.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it.
pub fn forecast(
    encoder: &dyn Encoder,
    dynamics: &dyn Dynamics,
    conditions: &[Condition],
    context: Context,
    cache: &Cache,
    monitor: &dyn Monitor,
) -> Result<Vec<TrialLatents>> {
    let dim = encoder.latent_dim();
    conditions
        .iter()
        .map(|condition| {
            stop_if_asked(monitor)?;
            let mut clip = Clip::of(condition, Shown::Occluded);
            let seen = clip
                .steps
                .iter()
                .take_while(|s| s.status != Status::Hidden)
                .count();
            let from = match context {
                Context::Visible => 0,
                Context::Last(n) => seen.saturating_sub(n.max(1)),
            };
            // The clip starts one frame before its first step.
            let mut latents = cache.encode(encoder, &clip.frames[..=seen])?[dim..].to_vec();
            for step in &mut clip.steps[from..seen] {
                step.status = Status::Context;
            }
            let window =
                Tensor::from_slice(&latents[from * dim..], (1, seen - from, dim), &Device::Cpu)?;
            let ahead = clip.steps.len() - seen;
            if ahead > 0 {
                latents.extend(
                    dynamics
                        .forecast(&window, ahead)?
                        .flatten_all()?
                        .to_vec1::<f32>()?,
                );
            }
            monitor.advance(1);
            Ok(TrialLatents {
                id: condition.id,
                steps: clip.steps,
                latents,
                dim,
            })
        })
        .collect()
}

fn stop_if_asked(monitor: &dyn Monitor) -> Result<()> {
    if monitor.stopped() {
        Err(Error::Interrupted)
    } else {
        Ok(())
    }
}
