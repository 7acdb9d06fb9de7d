use std::path::Path;

use candle_core::{Device, Tensor};
use mental_pong_base::Monitor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::LogRow;
use super::descent::{Descent, Pace};
use super::encoder::config_key;
use crate::dynamics::{DynamicsConfig, Recurrent};
use crate::encoders::{Encoder, FRAME_SIZE};
use crate::params::Params;
use crate::playworld::{Layers, MAX_SPEED, Mix, Video};
use crate::{Error, Result};
use mental_pong_base::Stream;

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
    /// Weight of the squared second differences across of forecasts where no frame counts.
    pub straightness: f64,
    /// The videos.
    pub playworld: Mix,
    /// Size and equations of the module.
    pub network: DynamicsConfig,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

impl DynamicsTraining {
    /// Memory that the training takes at its peak, bytes: the latents of all videos, seen and revealed, and
    /// the graph of a batch; an estimate from above.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of = |n: usize| n as u64;
        let latents = 2 * of(self.videos + self.validation_videos) * of(self.frames);
        let step = 16 * of(self.network.hidden) + 12 * of(self.network.latent);
        let graph = 3 * of(self.batch) * of(self.context.1 + self.rollout) * step;
        4 * (latents * of(self.network.latent) + graph)
    }
}

/// Frames of a video in a second.
const FRAMES_PER_S: f64 = 20.0;

/// Latents of a video.
struct Sequence {
    /// `[frame, latent]`, as an observer sees it.
    seen: Vec<f32>,
    /// `[frame, latent]`, with the bodies drawn over the occluders.
    revealed: Vec<f32>,
    /// First frame after the shortest context in which the first body is hidden.
    hidden_from: Option<usize>,
    /// `[frame]`, distance of the first body from the nearer side of the view, units.
    side_gap: Vec<f64>,
}

/// Trains dynamics on `encoder`'s latents of playworld in `folder`, resuming a checkpoint that lies
/// there. Gives the parameters and the log.
///
/// The context holds what an observer sees. The targets are the latents of the same frames with the
/// bodies drawn over the occluders: what a forecast is for is where a hidden thing would be seen.
/// Where a video hides its first body, the rollout starts at that frame. The network is trained on
/// `device`; the encoder runs where it is. Of the processor the same configuration gives the same bytes;
/// of a card nothing is promised.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it; a checkpoint is then on disk once training began.
pub fn train_dynamics(
    config: &DynamicsTraining,
    encoder: &dyn Encoder,
    device: &Device,
    folder: &Path,
    monitor: &dyn Monitor,
) -> Result<(Params, Vec<LogRow>)> {
    check(config, encoder)?;
    let key = config_key(&(config, encoder.identity()))?;
    let mut rng = Stream::new(config.seed, "dynamics weights", 0);
    let mut params = Recurrent::init(&config.network, &mut rng)?;
    params.move_to(device)?;
    let descent = Descent::open(folder, key, &params)?;
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
    let pace = Pace {
        steps: config.steps,
        learning_rate: config.learning_rate,
        checkpoint_every: config.checkpoint_every,
    };
    let loss = |step| {
        let mut rng = Stream::new(config.seed, "dynamics batches", step);
        let picked: Vec<&Sequence> = (0..config.batch)
            .map(|_| &training[rng.below(training.len())])
            .collect();
        Ok(batch_loss(config, &net, &picked, &mut rng)?.0)
    };
    let validation = || Ok(Some(validate(config, &net, &held_out)?));
    let log = descent.run(&pace, &params, monitor, loss, validation)?;
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
                side_gap: (0..config.frames).map(|t| video.side_gap(t)).collect(),
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
        // A body that may have left the view has no place to be forecast. Whether it has is not
        // asked, since that would count slow bodies only: a frame counts if even the fastest body
        // could not have left by then.
        let can_leave = |gap: f64, steps: usize| MAX_SPEED * steps as f64 / FRAMES_PER_S > gap;
        let count = |gap: f64, steps: usize| f32::from(u8::from(!can_leave(gap, steps)));
        counts.extend((from..split - 1).map(|t| count(sequence.side_gap[t], 1)));
        counts.extend((1..=steps).map(|ahead| count(sequence.side_gap[split - 1], ahead)));
    }
    let n = picked.len();
    let device = &net.device();
    let inputs = Tensor::from_vec(inputs, (n, context, dim), device)?;
    let targets = Tensor::from_vec(targets, (n, context - 1 + steps, dim), device)?;
    let counts = Tensor::from_vec(counts, (n, context - 1 + steps, 1), device)?;
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
    // Where no frame counts nothing is known of the way out at the sides, and a forecast should go
    // straight on across. Latents are (x, y) in turn; heights stay bound by floor and ceiling.
    let rollout = if steps > 2 && config.straightness > 0.0 {
        let at = |from: usize| unrolled.rollout.narrow(1, from, steps - 2);
        let bend = ((at(2)? + at(0)?)? - (at(1)? * 2.0)?)?;
        let unknown = (1.0 - counts.narrow(1, context + 1, steps - 2)?)?;
        let across: Vec<f32> = (0..dim).map(|k| f32::from(u8::from(k % 2 == 0))).collect();
        let across = Tensor::from_vec(across, (1, 1, dim), device)?;
        let bend = bend.broadcast_mul(&across)?.sqr()?;
        let bend = bend.broadcast_mul(&unknown)?.mean_all()?;
        (rollout + (bend * config.straightness)?)?
    } else {
        rollout
    };
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::dynamics::{CellKind, Rollout, Skip};
    use crate::encoders::{PlayNet, PlayNetConfig};

    fn encoder() -> PlayNet {
        let config = PlayNetConfig { hidden: 4, maps: 2 };
        let params = PlayNet::init(&config, &mut Stream::new(1, "test", 0)).unwrap();
        PlayNet::new(config, &params, "test".into()).unwrap()
    }

    fn config() -> DynamicsTraining {
        DynamicsTraining {
            seed: 5,
            steps: 6,
            learning_rate: 0.01,
            batch: 3,
            videos: 4,
            validation_videos: 2,
            frames: 12,
            context: (3, 5),
            rollout: 4,
            context_weight: 0.5,
            huber: 0.3,
            straightness: 10.0,
            playworld: Mix::FULL,
            network: DynamicsConfig {
                cell: CellKind::Lstm,
                latent: 4,
                fixed: 0,
                hidden: 6,
                dt_over_tau: 0.1,
                skip: Skip::Inertia(0.1),
                rollout: Rollout::Carried,
            },
            checkpoint_every: 4,
        }
    }

    /// Asks to stop after so many pieces of work.
    struct StopAfter(AtomicU64);

    impl Monitor for StopAfter {
        fn advance(&self, n: u64) {
            let left = self.0.load(Ordering::SeqCst);
            self.0.store(left.saturating_sub(n), Ordering::SeqCst);
        }

        fn stopped(&self) -> bool {
            self.0.load(Ordering::SeqCst) == 0
        }
    }

    fn bytes(params: &Params) -> Vec<u8> {
        crate::weights::to_bytes(&params.tensors(), &[]).unwrap()
    }

    #[test]
    fn resumed_equals_uninterrupted() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole");
        let (params, log) = train_dynamics(
            &config(),
            &encoder(),
            &Device::Cpu,
            &whole,
            &mental_pong_base::Quiet,
        )
        .unwrap();
        assert_eq!(log.last().unwrap().step, 6);
        let parts = folder.path().join("parts");
        // Six videos are encoded, then three steps are taken.
        let stop = StopAfter(AtomicU64::new(9));
        let error = train_dynamics(&config(), &encoder(), &Device::Cpu, &parts, &stop).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
        let (resumed, again) = train_dynamics(
            &config(),
            &encoder(),
            &Device::Cpu,
            &parts,
            &mental_pong_base::Quiet,
        )
        .unwrap();
        // The log is the one of a run that nothing stopped.
        assert_eq!(format!("{again:?}"), format!("{log:?}"));
        assert_eq!(bytes(&params), bytes(&resumed));
        let mut other = config();
        other.seed = 6;
        let folder = folder.path().join("other");
        let (other, _) = train_dynamics(
            &other,
            &encoder(),
            &Device::Cpu,
            &folder,
            &mental_pong_base::Quiet,
        )
        .unwrap();
        assert_ne!(bytes(&params), bytes(&other));
    }

    #[test]
    fn impossible_settings_are_named() {
        let mut wrong = config();
        wrong.context = (3, 11);
        let folder = tempfile::tempdir().unwrap();
        let error = train_dynamics(
            &wrong,
            &encoder(),
            &Device::Cpu,
            folder.path(),
            &mental_pong_base::Quiet,
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("context") && error.contains("3 to 11"),
            "{error}"
        );
    }
}
