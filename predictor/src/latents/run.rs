use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mental_pong_base::{Monitor, Stream};
use mental_pong_game::task::set::Pictures;
use mental_pong_game::task::{ConditionSet, SetCondition};

use super::protocol::interpolate;
use super::{
    Cache, ConditionLatents, Latents, LayerInfo, Layers, Plan, Protocol, Status, Step, Timeline,
    Video,
};
use crate::dynamics::Dynamics;
use crate::encoders::{Encoder, FRAME_SIZE, Picture};
use crate::predictor::Predictor;
use crate::{Error, Result};

/// Encodes frames in order. A frame that comes again is not encoded again where a latent depends on
/// its own frame alone; after the ball has gone behind the occluder all frames are one.
fn encode(
    encoder: &dyn Encoder,
    cache: &Cache,
    video: &Video,
    frames: &[&Vec<u8>],
) -> Result<Vec<f32>> {
    let (dim, lead) = (encoder.latent_dim(), video.lead.as_ref());
    let latents_of = |views: &[&[u8]]| {
        if video.fitted.is_none() {
            return cache.encode_views(encoder, views);
        }
        let pictures = views.iter().map(|frame| video.picture(frame));
        let pictures: Vec<Picture> = pictures.collect::<Result<_>>()?;
        cache.encode_pictures(encoder, &pictures.iter().collect::<Vec<_>>())
    };
    if encoder.reach() > 1 {
        let clip: Vec<&[u8]> = lead
            .into_iter()
            .chain(frames.iter().copied())
            .map(Vec::as_slice)
            .collect();
        let mut latents = latents_of(&clip)?;
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
    let latents = latents_of(&distinct)?;
    Ok(order
        .into_iter()
        .flat_map(|k| latents[k * dim..(k + 1) * dim].iter().copied())
        .collect())
}

/// Runs a predictor on one video by `plan` and gives the wanted layers at every frame.
///
/// For the dynamics' layer nothing of the video after the context is looked at; its forecast starts
/// from the encoder's latents of the context. Without dynamics that layer is left out.
///
/// # Errors
/// As [`Encoder::encode`]; [`Error::Shape`] when encoder and dynamics have latents of different lengths;
/// [`Error::NotFinite`] when a latent is not a number.
pub fn predict_video(
    encoder: &dyn Encoder,
    dynamics: Option<&dyn Dynamics>,
    video: &Video,
    plan: &Plan,
    layers: Layers,
    cache: &Cache,
) -> Result<(Vec<Step>, Vec<Vec<f32>>)> {
    let dim = encoder.latent_dim();
    let whole = |latents: Vec<f32>| match plan.interpolated {
        true => interpolate(&latents, dim, plan.frames),
        false => latents,
    };
    let frames =
        |places: &[usize]| -> Vec<&Vec<u8>> { places.iter().map(|k| &video.frames[*k]).collect() };
    let seen = [plan.before.as_slice(), &plan.context].concat();
    let mut out = Vec::new();
    if layers.encoder {
        let all = [seen.as_slice(), &plan.future].concat();
        out.push(whole(encode(encoder, cache, video, &frames(&all))?));
    }
    if let Some(dynamics) = dynamics.filter(|_| layers.dynamics) {
        if dynamics.latent_dim() != dim {
            return Err(Error::Shape {
                what: "latent of the dynamics",
                expected: vec![dim],
                found: vec![dynamics.latent_dim()],
            });
        }
        let mut latents = encode(encoder, cache, video, &frames(&seen))?;
        let window = Tensor::from_slice(
            &latents[plan.before.len() * dim..],
            (1, plan.context.len(), dim),
            &Device::Cpu,
        )?;
        if !plan.future.is_empty() {
            let forecast = dynamics.forecast(&window, plan.future.len())?;
            latents.extend(forecast.flatten_all()?.to_vec1::<f32>()?);
        }
        out.push(whole(latents));
    }
    for latents in &out {
        if let Some(at) = latents.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: "latents",
                step: at / dim.max(1),
                value: f64::from(latents[at]),
            });
        }
    }
    let mut steps = video.timeline.steps.clone();
    let last = plan.context.last().copied().unwrap_or(0);
    let first = plan.context.first().copied().unwrap_or(0);
    for step in steps.iter_mut().take(last + 1).skip(first) {
        step.status = Status::Context;
    }
    Ok((steps, out))
}

/// Frames in which a crop cuts off a part of the visible ball.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Such frames.
    pub frames: usize,
    /// Frames with the ball in view.
    pub of_frames: usize,
    /// Conditions with such a frame.
    pub conditions: usize,
}

/// What a predictor's work on a set takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Frames of all conditions.
    pub frames: u64,
    /// Of them, those that are encoded.
    pub encoded: u64,
    /// Latents that are written, bytes.
    pub latents_bytes: u64,
    /// Memory at the peak beyond what is held before, bytes: a batch of frames on its way through the
    /// network, one condition's frames and latents, every condition's steps.
    pub memory_bytes: u64,
    /// What the encoder's crop loses.
    pub cut: Cut,
}

impl Predictor {
    /// The layers of its latents: those asked for that it has.
    #[must_use]
    pub fn layers(&self, layers: Layers) -> Vec<LayerInfo> {
        let layer = |name: &str| LayerInfo {
            name: name.into(),
            units: self.encoder().latent_dim(),
        };
        let encoder = layers.encoder.then(|| layer(Layers::ENCODER_NAME));
        let dynamics = layers.dynamics && self.has_dynamics();
        let dynamics = dynamics.then(|| layer(Layers::DYNAMICS_NAME));
        encoder.into_iter().chain(dynamics).collect()
    }

    /// Forecasts of a condition by someone who sees it with noise: to each latent of the frames that are seen a normal error
    /// of this `[latent]` standard deviation is added, drawn anew for every frame and sample. The noise of perception is all
    /// that is random; behind the occluder it grows with what the dynamics make of it. `[sample][frame, latent]`.
    ///
    /// # Errors
    /// As [`predict_video`]; [`Error::Config`] for a predictor that forecasts nothing, [`Error::Shape`] for another number
    /// of latents.
    pub fn noisy_forecasts(
        &self,
        condition: &SetCondition,
        sd: &[f32],
        samples: usize,
        rng: &mut Stream,
        cache: &Cache,
    ) -> Result<(Vec<Step>, Vec<Vec<f32>>)> {
        let dim = self.encoder().latent_dim();
        if sd.len() != dim {
            return Err(Error::Shape {
                what: "noise of latents",
                expected: vec![dim],
                found: vec![sd.len()],
            });
        }
        let protocol = self.protocol();
        let video = Video::of(condition, protocol.shown, protocol.clock)?;
        let plan = planned(protocol, condition, &video.timeline)?;
        let step_ms = protocol.clock.step_ms(condition.rate_hz()) * plan.spacing() as f64;
        let Some(dynamics) = self.dynamics(step_ms) else {
            return Err(Error::Config {
                place: format!("model {}", self.name()),
                field: "dynamics".into(),
                expected: "some that forecast".into(),
                found: "none".into(),
            });
        };
        let seen = [plan.before.as_slice(), &plan.context].concat();
        let frames: Vec<&Vec<u8>> = seen.iter().map(|k| &video.frames[*k]).collect();
        let latents = encode(self.encoder(), cache, &video, &frames)?;
        let mut all: Vec<Vec<f32>> = (0..samples)
            .map(|_| {
                let noisy = latents
                    .chunks_exact(dim)
                    .flat_map(|frame| frame.iter().zip(sd));
                noisy.map(|(v, sd)| v + sd * rng.normal() as f32).collect()
            })
            .collect();
        if !plan.future.is_empty() {
            let contexts: Vec<f32> = all
                .iter()
                .flat_map(|latents| &latents[plan.before.len() * dim..])
                .copied()
                .collect();
            let window = (samples, plan.context.len(), dim);
            let window = Tensor::from_slice(&contexts, window, &Device::Cpu)?;
            let ahead = dynamics.forecast(&window, plan.future.len())?;
            let ahead: Vec<f32> = ahead.flatten_all()?.to_vec1()?;
            let each = ahead.chunks_exact(plan.future.len() * dim);
            for (latents, ahead) in all.iter_mut().zip(each) {
                latents.extend_from_slice(ahead);
            }
        }
        if plan.interpolated {
            for latents in &mut all {
                *latents = interpolate(latents, dim, plan.frames);
            }
        }
        Ok((video.timeline.steps, all))
    }

    /// Runs it on each condition of a set but the first `done`, and gives its latents to `take` as they come, so
    /// that memory is that of one condition.
    ///
    /// # Errors
    /// As [`Protocol::plan`], [`predict_video`] and `take`; [`Error::Interrupted`] when `monitor` stops it.
    pub fn each(
        &self,
        set: &ConditionSet,
        done: usize,
        layers: Layers,
        cache: &Cache,
        monitor: &dyn Monitor,
        take: &mut dyn FnMut(ConditionLatents) -> Result<()>,
    ) -> Result<()> {
        let protocol = self.protocol();
        for condition in set.conditions().iter().skip(done) {
            if monitor.stopped() {
                return Err(Error::Interrupted);
            }
            let video = Video::of(condition, protocol.shown, protocol.clock)?;
            let plan = planned(protocol, condition, &video.timeline)?;
            let step_ms = protocol.clock.step_ms(condition.rate_hz()) * plan.spacing() as f64;
            let dynamics = self.dynamics(step_ms);
            let (steps, values) = predict_video(
                self.encoder(),
                dynamics.as_deref(),
                &video,
                &plan,
                layers,
                cache,
            )?;
            take(ConditionLatents {
                id: condition.id().into(),
                steps,
                layers: values,
            })?;
            monitor.advance(1);
        }
        Ok(())
    }

    /// As [`Predictor::each`], all conditions together.
    ///
    /// # Errors
    /// As [`Predictor::each`].
    pub fn latents(
        &self,
        set: &ConditionSet,
        layers: Layers,
        cache: &Cache,
        monitor: &dyn Monitor,
    ) -> Result<Latents> {
        let mut latents = Latents {
            set: Some(set.identity()),
            layers: self.layers(layers),
            conditions: Vec::with_capacity(set.len()),
        };
        self.each(set, 0, layers, cache, monitor, &mut |condition| {
            latents.conditions.push(condition);
            Ok(())
        })?;
        Ok(latents)
    }

    /// What its work on a set takes; nothing is drawn or encoded.
    ///
    /// # Errors
    /// As [`Protocol::plan`]; [`Error::Interrupted`] when `monitor` stops it.
    pub fn estimate(
        &self,
        set: &ConditionSet,
        layers: Layers,
        monitor: &dyn Monitor,
    ) -> Result<Estimate> {
        let (encoder, protocol) = (self.encoder(), self.protocol());
        let mut sum = Estimate::default();
        let mut longest = 0;
        for condition in set.conditions() {
            if monitor.stopped() {
                return Err(Error::Interrupted);
            }
            let timeline = Timeline::of(condition, protocol.clock)?;
            let plan = planned(protocol, condition, &timeline)?;
            let context = plan.before.len() + plan.context.len();
            let hidden = plan.future.len();
            sum.frames += timeline.steps.len() as u64;
            longest = longest.max(timeline.steps.len());
            let alone = encoder.reach() == 1 && protocol.shown == super::Shown::Occluded;
            sum.encoded += match (layers.encoder, alone) {
                (false, _) => context,
                (true, true) => context + hidden.min(1),
                (true, false) => context + hidden,
            } as u64;
            // Where the ball stands in imported frames of another size is not known.
            let drawn = |p: &Pictures| p.size()[..2] == [FRAME_SIZE; 2];
            let drawn = condition.pictures().is_none_or(drawn);
            if let Some(preprocess) = encoder.preprocess().filter(|_| drawn) {
                let cut = timeline.cut_off_by(preprocess);
                sum.cut.frames += cut;
                sum.cut.conditions += usize::from(cut > 0);
                sum.cut.of_frames += timeline.occ_frame_start;
            }
            monitor.advance(1);
        }
        let n_layers = self.layers(layers).len() as u64;
        let of_one = n_layers * 4 * (longest * encoder.latent_dim()) as u64;
        sum.latents_bytes = n_layers * 4 * sum.frames * encoder.latent_dim() as u64;
        // A condition's frames, those of its layers once more while they are put in order, its latents; of all
        // conditions their steps.
        sum.memory_bytes = 2 * (longest * encoder.preset().frame_len()) as u64
            + 4 * of_one
            + sum.frames * size_of::<Step>() as u64
            + self
                .network()
                .published()
                .map_or(0, crate::encoders::PublishedEncoder::batch_bytes);
        Ok(sum)
    }
}

fn planned(protocol: &Protocol, condition: &SetCondition, timeline: &Timeline) -> Result<Plan> {
    protocol.plan(timeline).map_err(|error| match error {
        Error::Config {
            place,
            field,
            expected,
            found,
        } => Error::Config {
            place: format!("condition {}: {place}", condition.id()),
            field,
            expected,
            found,
        },
        other => other,
    })
}
