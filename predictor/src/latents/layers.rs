use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mental_pong_base::Monitor;
use mental_pong_game::task::Condition;
use serde::{Deserialize, Serialize};

use super::protocol::interpolate;
use super::{Cache, Protocol, Shown, Status, Step, Video, stop_if_asked};
use crate::dynamics::Dynamics;
use crate::encoders::Encoder;
use crate::{Error, Result};

/// A layer of a predictor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The encoder's latents of every frame, the hidden ones too.
    Encoder,
    /// The encoder's latents of the context, then the forecast.
    Dynamics,
}

/// Which layers are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// [`Layer::Encoder`].
    pub encoder: bool,
    /// [`Layer::Dynamics`].
    pub dynamics: bool,
}

/// Both layers of one trial.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialLayers {
    /// The condition.
    pub id: u32,
    /// The frames of the video, in order; [`Status::Context`] up to the context's last.
    pub steps: Vec<Step>,
    /// Length of a latent vector.
    pub dim: usize,
    /// [`Layer::Encoder`] `[step, latent]`, if wanted.
    pub encoder: Option<Vec<f32>>,
    /// [`Layer::Dynamics`] `[step, latent]`, if wanted.
    pub dynamics: Option<Vec<f32>>,
}

/// Encodes frames in order. A frame that comes again is not encoded again where a latent depends on
/// its own frame alone; after the ball has gone behind the occluder all frames are one.
fn encode(
    encoder: &dyn Encoder,
    cache: &Cache,
    lead: Option<&Vec<u8>>,
    frames: &[&Vec<u8>],
) -> Result<Vec<f32>> {
    let dim = encoder.latent_dim();
    if encoder.reach() > 1 {
        let clip: Vec<&[u8]> = lead
            .into_iter()
            .chain(frames.iter().copied())
            .map(Vec::as_slice)
            .collect();
        let mut latents = cache.encode_views(encoder, &clip)?;
        return Ok(latents.split_off((clip.len() - frames.len()) * dim));
    }
    let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut distinct: Vec<&[u8]> = Vec::new();
    let order: Vec<usize> = frames
        .iter()
        .map(|frame| {
            *places.entry(frame.as_slice()).or_insert_with(|| {
                distinct.push(frame);
                distinct.len() - 1
            })
        })
        .collect();
    let latents = cache.encode_views(encoder, &distinct)?;
    Ok(order
        .into_iter()
        .flat_map(|k| latents[k * dim..(k + 1) * dim].iter().copied())
        .collect())
}

/// Runs a predictor on one video by `protocol` and gives the wanted layers at every frame.
///
/// For the dynamics' layer nothing of the video after the context is looked at; its forecast starts
/// from the encoder's latents of the context. Without dynamics that layer is left out.
///
/// # Errors
/// As [`Protocol::plan`] and [`Encoder::encode`]; [`Error::Shape`] when encoder and dynamics have
/// latents of different lengths; [`Error::NotFinite`] when a latent is not a number.
pub fn predict_video(
    encoder: &dyn Encoder,
    dynamics: Option<&dyn Dynamics>,
    video: &Video,
    protocol: &Protocol,
    layers: Layers,
    cache: &Cache,
) -> Result<TrialLayers> {
    let dim = encoder.latent_dim();
    let plan = protocol.plan(video)?;
    let whole = |latents: Vec<f32>| match plan.interpolated {
        true => interpolate(&latents, dim, plan.frames),
        false => latents,
    };
    let frames =
        |places: &[usize]| -> Vec<&Vec<u8>> { places.iter().map(|k| &video.frames[*k]).collect() };
    let lead = video.lead.as_ref();
    let seen = [plan.before.as_slice(), &plan.context].concat();
    let mut out = TrialLayers {
        id: 0,
        steps: video.steps.clone(),
        dim,
        encoder: None,
        dynamics: None,
    };
    if layers.encoder {
        let all = [seen.as_slice(), &plan.future].concat();
        out.encoder = Some(whole(encode(encoder, cache, lead, &frames(&all))?));
    }
    if let Some(dynamics) = dynamics.filter(|_| layers.dynamics) {
        if dynamics.latent_dim() != dim {
            return Err(Error::Shape {
                what: "latent of the dynamics",
                expected: vec![dim],
                found: vec![dynamics.latent_dim()],
            });
        }
        let mut latents = encode(encoder, cache, lead, &frames(&seen))?;
        let window = Tensor::from_slice(
            &latents[plan.before.len() * dim..],
            (1, plan.context.len(), dim),
            &Device::Cpu,
        )?;
        if !plan.future.is_empty() {
            let forecast = dynamics.forecast(&window, plan.future.len())?;
            latents.extend(forecast.flatten_all()?.to_vec1::<f32>()?);
        }
        out.dynamics = Some(whole(latents));
    }
    for latents in [&out.encoder, &out.dynamics].into_iter().flatten() {
        if let Some(at) = latents.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: "latents",
                step: at / dim.max(1),
                value: f64::from(latents[at]),
            });
        }
    }
    let last = plan.context.last().copied().unwrap_or(0);
    let first = plan.context.first().copied().unwrap_or(0);
    for step in out.steps.iter_mut().take(last + 1).skip(first) {
        step.status = Status::Context;
    }
    Ok(out)
}

/// Runs a predictor on the occluded (or, for an encoder alone, the open) video of each condition and
/// gives each to `take` as it comes, so that memory is that of one condition.
///
/// # Errors
/// As [`predict_video`] and `take`; [`Error::Interrupted`] when `monitor` stops it.
#[expect(clippy::too_many_arguments, reason = "each is a choice of its own")]
pub fn predict_each(
    encoder: &dyn Encoder,
    dynamics: Option<&dyn Dynamics>,
    conditions: &[Condition],
    shown: Shown,
    protocol: &Protocol,
    layers: Layers,
    cache: &Cache,
    monitor: &dyn Monitor,
    take: &mut dyn FnMut(TrialLayers) -> Result<()>,
) -> Result<()> {
    for condition in conditions {
        stop_if_asked(monitor)?;
        let video = Video::of(condition, shown, protocol.clock);
        let mut trial = predict_video(encoder, dynamics, &video, protocol, layers, cache)?;
        trial.id = condition.id;
        take(trial)?;
        monitor.advance(1);
    }
    Ok(())
}

/// As [`predict_each`], all conditions together.
///
/// # Errors
/// As [`predict_video`]; [`Error::Interrupted`] when `monitor` stops it.
#[expect(clippy::too_many_arguments, reason = "each is a choice of its own")]
pub fn predict(
    encoder: &dyn Encoder,
    dynamics: Option<&dyn Dynamics>,
    conditions: &[Condition],
    shown: Shown,
    protocol: &Protocol,
    layers: Layers,
    cache: &Cache,
    monitor: &dyn Monitor,
) -> Result<Vec<TrialLayers>> {
    let mut trials = Vec::with_capacity(conditions.len());
    let mut take = |trial| {
        trials.push(trial);
        Ok(())
    };
    predict_each(
        encoder, dynamics, conditions, shown, protocol, layers, cache, monitor, &mut take,
    )?;
    Ok(trials)
}
