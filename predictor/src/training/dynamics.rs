use std::path::Path;

use candle_core::{Device, Tensor};
use mental_pong_game::Monitor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::{LogRow, RunFolder, finite};
use super::encoder::config_key;
use super::rate;
use crate::dynamics::{DynamicsConfig, Recurrent};
use crate::encoders::{Encoder, FRAME_SIZE};
use crate::params::{Adam, Params};
use crate::playworld::{Layers, Mix, Video};
use crate::rng::Stream;
use crate::{Error, Result};

/// Configuration of the training of dynamics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicsTraining {
    /// Root seed of weights, videos and batches.
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Peak learning rate of Adam.
    pub learning_rate: f64,
    /// Sequences in a batch.
    pub batch: usize,
    /// Training videos, 20 frames a second.
    pub videos: usize,
    /// Held-out videos for the validation loss.
    pub validation_videos: usize,
    /// Frames of a video.
    pub frames: usize,
    /// Shortest and longest context, frames.
    pub context: (usize, usize),
    /// Frames forecast freely after the context.
    pub rollout: usize,
    /// Weight of the one-step forecasts inside the context, beside 1 for the rollout.
    pub context_weight: f64,
    /// Errors beyond this many standard deviations count linearly (pseudo-Huber loss).
    pub huber: f64,
    /// The videos.
    pub playworld: Mix,
    /// Size and equations of the module.
    pub network: DynamicsConfig,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

/// Latents of a video.
struct Sequence {
    /// `[frame, latent]`, as an observer sees it.
    seen: Vec<f32>,
    /// `[frame, latent]`, with the bodies drawn over the occluders.
    revealed: Vec<f32>,
    /// First frame after the shortest context in which the first body is hidden.
    hidden_from: Option<usize>,
    /// `[frame]`, 1 where the first body is in view but for occluders, else 0: a body that left the
    /// view has no place to be forecast.
    counts: Vec<f32>,
}

/// Trains dynamics on `encoder`'s latents of playworld in `folder`, resuming a checkpoint that lies
/// there. Gives the parameters and the log.
///
/// The context holds what an observer sees. The targets are the latents of the same frames with the
/// bodies drawn over the occluders: what a forecast is for is where a hidden thing would be seen.
/// Where a video hides its first body, the rollout starts at that frame.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it; a checkpoint is then on disk once training began.
pub fn train_dynamics(
    config: &DynamicsTraining,
    encoder: &dyn Encoder,
    folder: &Path,
    monitor: &dyn Monitor,
) -> Result<(Params, Vec<LogRow>)> {
    check(config, encoder)?;
    let folder = RunFolder::open(folder)?;
    let key = config_key(&(config, encoder.identity()))?;
    let mut rng = Stream::new(config.seed, "dynamics weights", 0);
    let params = Recurrent::init(&config.network, &mut rng)?;
    let mut adam = Adam::new(&params)?;
    let mut log = folder
        .restore(&key, &params, &mut adam)?
        .unwrap_or_default();
    let net = Recurrent::new(config.network.clone(), &params)?;
    let training = sequences(config, encoder, "dynamics videos", config.videos, monitor)?;
    let held_out = sequences(
        config,
        encoder,
        "dynamics validation",
        config.validation_videos,
        monitor,
    )?;
    monitor.stage("training the dynamics", config.steps);
    monitor.advance(adam.step);
    let mut sum = (0.0, 0_u64);
    while adam.step < config.steps {
        let step = adam.step;
        let mut rng = Stream::new(config.seed, "dynamics batches", step);
        let picked: Vec<&Sequence> = (0..config.batch)
            .map(|_| &training[rng.below(training.len())])
            .collect();
        let loss = batch_loss(config, &net, &picked, &mut rng)?.0;
        sum = (sum.0 + finite(&loss, step)?, sum.1 + 1);
        let lr = rate(config.learning_rate, step, config.steps);
        adam.update(&params, &loss.backward()?, lr, Some(1.0))?;
        monitor.advance(1);
        let stopped = monitor.stopped();
        let due = adam.step.is_multiple_of(config.checkpoint_every) || adam.step == config.steps;
        if due || stopped {
            log.push(LogRow {
                step: adam.step,
                rate: lr,
                loss: sum.0 / sum.1 as f64,
                validation: Some(validate(config, &net, &held_out)?),
            });
            sum = (0.0, 0);
            folder.save(&key, &params, &adam, &log)?;
        }
        if stopped {
            return Err(Error::Interrupted);
        }
    }
    Ok((params, log))
}

fn check(config: &DynamicsTraining, encoder: &dyn Encoder) -> Result<()> {
    let bad = |field: &str, expected: String, found: String| {
        Err(Error::Config {
            place: "dynamics training".into(),
            field: field.into(),
            expected,
            found,
        })
    };
    let (low, high) = config.context;
    if low == 0 || low > high || high + config.rollout > config.frames {
        return bad(
            "context",
            format!(
                "1 to {} frames",
                config.frames.saturating_sub(config.rollout)
            ),
            format!("{low} to {high}"),
        );
    }
    if config.network.latent != encoder.latent_dim() {
        return bad(
            "network.latent",
            encoder.latent_dim().to_string(),
            config.network.latent.to_string(),
        );
    }
    if config.videos == 0 || config.batch == 0 || config.rollout == 0 {
        return bad("videos, batch, rollout", "at least 1".into(), "0".into());
    }
    Ok(())
}

fn sequences(
    config: &DynamicsTraining,
    encoder: &dyn Encoder,
    purpose: &str,
    count: usize,
    monitor: &dyn Monitor,
) -> Result<Vec<Sequence>> {
    monitor.stage("encoding playworld", count as u64);
    let encode = |video: &Video, layers: Layers| -> Result<Vec<f32>> {
        let frames: Vec<Vec<u8>> = (0..config.frames)
            .into_par_iter()
            .map(|t| video.render(t, FRAME_SIZE, layers).into_rgb())
            .collect();
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        encoder.encode(&views)
    };
    (0..count)
        .map(|index| {
            if monitor.stopped() {
                return Err(Error::Interrupted);
            }
            let video = Video::simulate(
                config.seed,
                purpose,
                index as u64,
                config.frames,
                &config.playworld,
            );
            let seen = encode(&video, Layers::Seen)?;
            let revealed = if video.scene.occluders.is_empty() {
                seen.clone()
            } else {
                encode(&video, Layers::Revealed)?
            };
            monitor.advance(1);
            Ok(Sequence {
                seen,
                revealed,
                hidden_from: video.hidden_from(config.context.0),
                counts: (0..config.frames)
                    .map(|t| f32::from(u8::from(video.in_view(t))))
                    .collect(),
            })
        })
        .collect()
}

/// Loss of a batch, and its rollout part alone.
fn batch_loss(
    config: &DynamicsTraining,
    net: &Recurrent,
    picked: &[&Sequence],
    rng: &mut Stream,
) -> Result<(Tensor, f64)> {
    let dim = config.network.latent;
    let (low, high) = config.context;
    let context = low + rng.below(high - low + 1);
    let steps = config.rollout;
    let (mut inputs, mut targets, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for sequence in picked {
        let last = config.frames - steps;
        let split = match sequence.hidden_from {
            Some(t) if t >= context && t <= last => t,
            _ => context + rng.below(last - context + 1),
        };
        let from = split - context;
        inputs.extend_from_slice(&sequence.seen[from * dim..split * dim]);
        targets.extend_from_slice(&sequence.revealed[(from + 1) * dim..(split + steps) * dim]);
        counts.extend_from_slice(&sequence.counts[from + 1..split + steps]);
    }
    let n = picked.len();
    let inputs = Tensor::from_vec(inputs, (n, context, dim), &Device::Cpu)?;
    let targets = Tensor::from_vec(targets, (n, context - 1 + steps, dim), &Device::Cpu)?;
    let counts = Tensor::from_vec(counts, (n, context - 1 + steps, 1), &Device::Cpu)?;
    let unrolled = net.unroll(&inputs, steps)?;
    // Mean over what counts of δ² (√(1 + (e/δ)²) − 1) · 2: e² near zero, 2 δ |e| far out.
    let penalty = |guess: &Tensor, from: usize, length: usize| -> Result<Tensor> {
        let counts = counts.narrow(1, from, length)?;
        let error = (guess - targets.narrow(1, from, length)?)?;
        let square = 1.0 / (config.huber * config.huber);
        let root = ((error.sqr()? * square)? + 1.0)?.sqrt()?;
        let sum = (root - 1.0)?.broadcast_mul(&counts)?.sum_all()?;
        let n = f64::from(counts.sum_all()?.to_scalar::<f32>()?).max(1.0);
        Ok((sum * (2.0 / square / n / dim as f64))?)
    };
    let rollout = penalty(&unrolled.rollout, context - 1, steps)?;
    let value = f64::from(rollout.to_scalar::<f32>()?);
    let loss = match unrolled.context {
        Some(guess) if config.context_weight > 0.0 => {
            let one_step = penalty(&guess, 0, context - 1)?;
            (rollout + (one_step * config.context_weight)?)?
        }
        _ => rollout,
    };
    Ok((loss, value))
}

/// Mean rollout loss over the held-out videos, each taken once, with its own fixed split.
fn validate(config: &DynamicsTraining, net: &Recurrent, held_out: &[Sequence]) -> Result<f64> {
    let all: Vec<&Sequence> = held_out.iter().collect();
    let mut total = 0.0;
    for (index, batch) in all.chunks(config.batch).enumerate() {
        let mut rng = Stream::new(config.seed, "dynamics validation batches", index as u64);
        total += batch_loss(config, net, batch, &mut rng)?.1 * batch.len() as f64;
    }
    Ok(total / held_out.len().max(1) as f64)
}
