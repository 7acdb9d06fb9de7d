use std::path::Path;

use candle_core::{D, Device, Tensor};
use candle_nn::ops;
use mental_pong_base::Monitor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::LogRow;
use super::descent::{Descent, Pace};
use crate::encoders::{
    FRAME_SIZE, GRID, PATCH_INPUTS, PlayNet, PlayNetConfig, patches, with_before,
};
use crate::params::Params;
use crate::playworld::{Layers, Mix, Video};
use crate::{Error, Result};
use mental_pong_base::Stream;

/// What the encoder learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Tell the next frame from other frames, most of them of the same video (InfoNCE, van den Oord
    /// et al. 2018; time as the label, Sermanet et al. 2018).
    TimeContrastive,
    /// The same, the next frame in another look: other colours, background and occluders. What
    /// stands still cannot help (after the views of Chen et al. 2020).
    TimeContrastiveViews,
    /// Draw the picture, of which blocks were blanked, from the latents (after He et al. 2022).
    Masked,
    /// [`Objective::TimeContrastive`], and the latents of three frames in a row on a line: the cosine of
    /// their two changes is raised (straightening, Hénaff et al. 2019; as an objective Niu et al. 2024).
    TimeContrastiveStraight,
    /// [`Objective::TimeContrastiveViews`] with the straightening of [`Objective::TimeContrastiveStraight`]: the
    /// second and third of three frames in a row are in another look than the first.
    TimeContrastiveViewsStraight,
    /// Forecast the next frame's latents from those of two frames, where latents that stand still or
    /// say the same are fined (a joint-embedding predictive network after LeCun 2022, with the
    /// variance and covariance terms of Bardes et al. 2022, each within a video).
    LatentPrediction,
}

impl Objective {
    /// Frames of one example; two looks of pairs need no third.
    fn frames(self) -> usize {
        match self {
            Self::TimeContrastive | Self::TimeContrastiveViews | Self::Masked => 2,
            Self::TimeContrastiveStraight
            | Self::TimeContrastiveViewsStraight
            | Self::LatentPrediction => 3,
        }
    }

    /// Whether the frames after the first are in another look.
    fn views(self) -> bool {
        matches!(
            self,
            Self::TimeContrastiveViews | Self::TimeContrastiveViewsStraight
        )
    }
}

/// Configuration of an encoder's pretraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderTraining {
    /// Root seed of weights and videos.
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Peak learning rate of Adam.
    pub learning_rate: f64,
    /// Videos in a batch.
    pub videos: usize,
    /// Pairs of neighbouring frames (50 ms apart) taken from a video.
    pub pairs: usize,
    /// Frames from one pair to the next.
    pub pair_spacing: usize,
    /// Temperature of the contrast.
    pub temperature: f64,
    /// What is learned from.
    pub objective: Objective,
    /// Size of the network.
    pub network: PlayNetConfig,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

/// Width of the contrast's projection head, which is dropped after training.
const HEAD: usize = 128;
const EMBEDDING: usize = 32;
/// Width of the masked objective's decoder, dropped likewise.
const DECODER: usize = 256;
/// Videos that the latents are standardised on.
const STANDARDISE_VIDEOS: u64 = 64;

/// Trains an encoder in `folder`, resuming a checkpoint that lies there. Gives its parameters,
/// standardisation included, and the log.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it; a checkpoint is then on disk.
pub fn train_encoder(
    config: &EncoderTraining,
    folder: &Path,
    monitor: &dyn Monitor,
) -> Result<(Params, Vec<LogRow>)> {
    let mut rng = Stream::new(config.seed, "encoder weights", 0);
    let mut params = PlayNet::init(&config.network, &mut rng)?;
    let latents = 2 * config.network.maps;
    let head: &[(&str, [usize; 2])] = match config.objective {
        Objective::TimeContrastive
        | Objective::TimeContrastiveViews
        | Objective::TimeContrastiveStraight
        | Objective::TimeContrastiveViewsStraight => &[
            ("head.layer1.weight", [latents, HEAD]),
            ("head.layer2.weight", [HEAD, EMBEDDING]),
        ],
        Objective::LatentPrediction => &[
            ("head.layer1.weight", [2 * latents, HEAD]),
            ("head.layer2.weight", [HEAD, latents]),
        ],
        Objective::Masked => &[
            ("head.layer1.weight", [latents, DECODER]),
            ("head.layer2.weight", [DECODER, GRID * GRID * 3]),
        ],
    };
    for (name, shape) in head {
        params.normal(name, shape, (2.0 / shape[0] as f64).sqrt(), &mut rng)?;
    }
    let descent = Descent::open(folder, config_key(config)?, &params)?;
    let net = PlayNet::new(config.network.clone(), &params, String::new())?;
    monitor.stage("training the encoder", config.steps);
    let pace = Pace {
        steps: config.steps,
        learning_rate: config.learning_rate,
        checkpoint_every: config.checkpoint_every,
    };
    let loss = |step| match config.objective {
        Objective::Masked => masked(config, &net, &params, step),
        Objective::LatentPrediction => prediction(config, &net, &params, step),
        _ => contrast(config, &net, &params, step),
    };
    let log = descent.run(&pace, &params, monitor, loss, || Ok(None))?;
    Ok((standardised(&config.network, config.seed, &params)?, log))
}

/// Hash of a configuration; a checkpoint of another is refused.
pub(super) fn config_key(config: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(config).map_err(|e| Error::Config {
        place: "training".into(),
        field: "configuration".into(),
        expected: "serialisable values".into(),
        found: e.to_string(),
    })?;
    Ok(mental_pong_base::files::sha256_hex(text.as_bytes()))
}

/// Patches of the examples of a batch, `[video, example, 2 or 3]` frames in order
/// ([`Objective::frames`]).
fn batch(config: &EncoderTraining, step: u64) -> Vec<f32> {
    let in_a_row = config.objective.frames();
    let span = config.pair_spacing * config.pairs + in_a_row + 1;
    let videos: Vec<Vec<f32>> = (0..config.videos)
        .into_par_iter()
        .map(|v| {
            let index = step * config.videos as u64 + v as u64;
            let mut rng = Stream::new(config.seed, "encoder pairs", index);
            let video = Video::simulate(config.seed, "encoder videos", index, span + 8, &Mix::FULL);
            let start = rng.below(8);
            // Both looks show the bodies over the occluders: what is hidden cannot be told.
            let (other, layers) = match config.objective.views() {
                true => (video.restyled(&mut rng), Layers::Revealed),
                false => (video.clone(), Layers::Seen),
            };
            let frames: Vec<Vec<u8>> = (0..config.pairs)
                .flat_map(|p| {
                    let t = start + p * config.pair_spacing;
                    (0..in_a_row).flat_map(move |k| [(k, t + k), (k, t + k + 1)])
                })
                .map(|(k, t)| {
                    let look = if k == 0 { &video } else { &other };
                    look.render(t, FRAME_SIZE, layers).into_rgb()
                })
                .collect();
            let pairs: Vec<(&[u8], &[u8])> =
                frames.chunks_exact(2).map(|f| (&*f[0], &*f[1])).collect();
            patches(&pairs)
        })
        .collect();
    videos.concat()
}

pub(super) fn tensor(params: &Params, name: &str) -> Result<Tensor> {
    params
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, var)| var.as_tensor().clone())
        .ok_or_else(|| Error::Weights {
            path: "parameters".into(),
            tensor: name.into(),
            expected: "a tensor".into(),
            found: "nothing".into(),
        })
}

fn contrast(config: &EncoderTraining, net: &PlayNet, params: &Params, step: u64) -> Result<Tensor> {
    let (videos, pairs) = (config.videos, config.pairs);
    let in_a_row = config.objective.frames();
    let all_places = batch_places(config, net, step)?;
    let places = all_places
        .narrow(1, 0, 2)?
        .reshape((videos * pairs * 2, 2 * config.network.maps))?;
    // Standardised over the batch, so that faint differences count from the first step on.
    let centred = places.broadcast_sub(&places.mean_keepdim(0)?)?;
    let sd = (centred.sqr()?.mean_keepdim(0)? + 1e-6)?.sqrt()?;
    let z = centred
        .broadcast_div(&sd)?
        .matmul(&tensor(params, "head.layer1.weight")?)?
        .relu()?
        .matmul(&tensor(params, "head.layer2.weight")?)?;
    let norm = (z.sqr()?.sum_keepdim(1)? + 1e-8)?.sqrt()?;
    let z = z
        .broadcast_div(&norm)?
        .reshape((videos * pairs, 2, EMBEDDING))?;
    let first = z.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
    let second = z.narrow(1, 1, 1)?.squeeze(1)?.contiguous()?;
    let likeness = (first.matmul(&second.t()?)? / config.temperature)?;
    let all = diagonal_loss(&likeness)?;
    // The same contrast among the frames of one video alone: only what moves can tell them apart.
    let within = (0..videos)
        .map(|v| {
            let block = likeness
                .narrow(0, v * pairs, pairs)?
                .narrow(1, v * pairs, pairs)?;
            diagonal_loss(&block.contiguous()?)
        })
        .collect::<Result<Vec<_>>>()?;
    let within = Tensor::stack(&within, 0)?.mean_all()?;
    let loss = (all + within)?;
    if in_a_row == 2 {
        return Ok(loss);
    }
    Ok((loss - (straightness(&all_places)? * STRAIGHTNESS)?)?)
}

/// Raw latents of a batch, `[example, 2 or 3, latent]`.
fn batch_places(config: &EncoderTraining, net: &PlayNet, step: u64) -> Result<Tensor> {
    let (examples, frames) = (config.videos * config.pairs, config.objective.frames());
    let rows = examples * frames * GRID * GRID;
    let input = Tensor::from_vec(batch(config, step), (rows, PATCH_INPUTS), &Device::Cpu)?;
    let places = net.places(&input)?;
    Ok(places.reshape((examples, frames, 2 * config.network.maps))?)
}

/// Mean cosine of the two changes between three latents in a row, `[example, 3, latent]`.
fn straightness(places: &Tensor) -> Result<Tensor> {
    let at = |k: usize| -> Result<Tensor> { Ok(places.narrow(1, k, 1)?.squeeze(1)?) };
    let (first, second) = ((at(1)? - at(0)?)?, (at(2)? - at(1)?)?);
    let product = (&first * &second)?.sum(1)?;
    let norms = ((first.sqr()?.sum(1)? + 1e-8)? * (second.sqr()?.sum(1)? + 1e-8)?)?.sqrt()?;
    Ok((product / norms)?.mean_all()?)
}

/// Weight of [`straightness`] beside the contrast.
const STRAIGHTNESS: f64 = 1.0;
/// Enlargement of places, which are within ±1, for [`prediction`].
const PLACE_SCALE: f64 = 4.0;
/// Weights of the forecast's error, of the variance's lack and of the covariance (Bardes et al. 2022, §4.2).
const PREDICTION: [f64; 3] = [25.0, 25.0, 1.0];

/// Error of the forecast of each third frame's latents from the two before it, moved on and corrected by
/// a small network; hinges that keep each latent's deviation within a video at 1 or above, and the mean
/// squared covariance of different latents.
fn prediction(
    config: &EncoderTraining,
    net: &PlayNet,
    params: &Params,
    step: u64,
) -> Result<Tensor> {
    let latents = 2 * config.network.maps;
    let places = (batch_places(config, net, step)? * PLACE_SCALE)?;
    let at = |k: usize| -> Result<Tensor> { Ok(places.narrow(1, k, 1)?.squeeze(1)?.contiguous()?) };
    let (before, now, next) = (at(0)?, at(1)?, at(2)?);
    let correction = Tensor::cat(&[&now, &(&now - &before)?], 1)?
        .matmul(&tensor(params, "head.layer1.weight")?)?
        .relu()?
        .matmul(&tensor(params, "head.layer2.weight")?)?;
    let guess = (((&now * 2.0)? - before)? + correction)?;
    let error = (guess - next)?.sqr()?.mean_all()?;
    // Within a video: what tells videos apart and never moves would be foretold without fail.
    let rows = config.pairs;
    let z = now.reshape((config.videos, rows, latents))?;
    let z = z.broadcast_sub(&z.mean_keepdim(1)?)?;
    let variance = (z.sqr()?.sum(1)? / (rows.max(2) - 1) as f64)?;
    let lack = (1.0 - (variance + 1e-4)?.sqrt()?)?.relu()?.mean_all()?;
    let z = z.reshape((config.videos * rows, latents))?;
    let covariance = (z.t()?.matmul(&z)? / (config.videos * rows) as f64)?;
    let others = (1.0 - Tensor::eye(latents, covariance.dtype(), covariance.device())?)?;
    let shared = ((covariance * others)?.sqr()?.sum_all()? / latents as f64)?;
    let [a, b, c] = PREDICTION;
    Ok((((error * a)? + (lack * b)?)? + (shared * c)?)?)
}

/// Cross-entropy of a square table whose right answers stand on the diagonal, both ways.
pub(super) fn diagonal_loss(table: &Tensor) -> Result<Tensor> {
    let n = table.dim(0)?;
    let eye = Tensor::eye(n, table.dtype(), table.device())?;
    let one_way = |t: &Tensor| -> Result<Tensor> {
        let log_p = ops::log_softmax(t, D::Minus1)?;
        Ok(((log_p * &eye)?.sum_all()? * (-1.0 / n as f64))?)
    };
    Ok(((one_way(table)? + one_way(&table.t()?.contiguous()?)?)? * 0.5)?)
}

fn masked(config: &EncoderTraining, net: &PlayNet, params: &Params, step: u64) -> Result<Tensor> {
    let frames = config.videos * config.pairs * 2;
    let cells = GRID * GRID;
    let mut input = batch(config, step);
    // What is drawn: the middle value of each patch, the three changes.
    let middle = PATCH_INPUTS / 2 + PATCH_INPUTS / 16;
    let target: Vec<f32> = input
        .chunks_exact(PATCH_INPUTS)
        .flat_map(|p| p[middle..middle + 3].to_vec())
        .collect();
    // Blocks of 2 x 2 cells are blanked, a quarter of them.
    let mut rng = Stream::new(config.seed, "encoder mask", step);
    for frame in input.chunks_exact_mut(cells * PATCH_INPUTS) {
        for by in 0..GRID / 2 {
            for bx in 0..GRID / 2 {
                if rng.chance(0.25) {
                    for cell in (0..4).map(|k| (by * 2 + k / 2) * GRID + bx * 2 + k % 2) {
                        frame[cell * PATCH_INPUTS..(cell + 1) * PATCH_INPUTS].fill(0.0);
                    }
                }
            }
        }
    }
    let input = Tensor::from_vec(input, (frames * cells, PATCH_INPUTS), &Device::Cpu)?;
    let target = Tensor::from_vec(target, (frames, cells * 3), &Device::Cpu)?;
    let drawn = net
        .places(&input)?
        .matmul(&tensor(params, "head.layer1.weight")?)?
        .relu()?
        .matmul(&tensor(params, "head.layer2.weight")?)?;
    Ok((drawn - target)?.sqr()?.mean_all()?)
}

/// The parameters of the encoder alone, with mean and standard deviation of its latents on playworld
/// videos of `seed`.
///
/// # Errors
/// When a tensor is missing or has another shape.
pub fn standardised(network: &PlayNetConfig, seed: u64, trained: &Params) -> Result<Params> {
    let mut params = Params::default();
    for (name, tensor) in trained.tensors() {
        if name.starts_with("encoder.") {
            params.insert(&name, &tensor)?;
        }
    }
    let net = PlayNet::new(network.clone(), &params, String::new())?;
    let mut latents: Vec<Vec<f32>> = Vec::new();
    for index in 0..STANDARDISE_VIDEOS {
        let video = Video::simulate(seed, "encoder statistics", index, 40, &Mix::FULL);
        let frames: Vec<Vec<u8>> = (0..40)
            .map(|t| video.render(t, FRAME_SIZE, Layers::Seen).into_rgb())
            .collect();
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let places = net.places(&PlayNet::patch_tensor(&with_before(&views))?)?;
        latents.extend(places.to_vec2::<f32>()?);
    }
    let (n, dim) = (latents.len() as f64, 2 * network.maps);
    let mean: Vec<f64> = (0..dim)
        .map(|k| latents.iter().map(|l| f64::from(l[k])).sum::<f64>() / n)
        .collect();
    let sd: Vec<f32> = (0..dim)
        .map(|k| {
            let squares = latents
                .iter()
                .map(|l| (f64::from(l[k]) - mean[k]).powi(2))
                .sum::<f64>();
            // A map that never moves is left small instead of being blown up.
            (squares / n).sqrt().max(0.01) as f32
        })
        .collect();
    let mean: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
    params.insert("encoder.latent_mean", &Tensor::new(mean, &Device::Cpu)?)?;
    params.insert("encoder.latent_sd", &Tensor::new(sd, &Device::Cpu)?)?;
    Ok(params)
}
