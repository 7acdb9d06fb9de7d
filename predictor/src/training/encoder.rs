use std::path::Path;

use candle_core::{D, Device, Tensor};
use candle_nn::ops;
use mental_pong_game::Monitor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::{LogRow, RunFolder, finite};
use super::rate;
use crate::encoders::{
    FRAME_SIZE, GRID, PATCH_INPUTS, PlayNet, PlayNetConfig, patches, with_before,
};
use crate::params::{Adam, Params};
use crate::playworld::{Layers, Mix, Video};
use crate::rng::Stream;
use crate::{Error, Result};

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
    let folder = RunFolder::open(folder)?;
    let key = config_key(config)?;
    let mut rng = Stream::new(config.seed, "encoder weights", 0);
    let mut params = PlayNet::init(&config.network, &mut rng)?;
    let latents = 2 * config.network.maps;
    let head: &[(&str, [usize; 2])] = match config.objective {
        Objective::TimeContrastive | Objective::TimeContrastiveViews => &[
            ("head.layer1.weight", [latents, HEAD]),
            ("head.layer2.weight", [HEAD, EMBEDDING]),
        ],
        Objective::Masked => &[
            ("head.layer1.weight", [latents, DECODER]),
            ("head.layer2.weight", [DECODER, GRID * GRID * 3]),
        ],
    };
    for (name, shape) in head {
        params.normal(name, shape, (2.0 / shape[0] as f64).sqrt(), &mut rng)?;
    }
    let mut adam = Adam::new(&params)?;
    let mut log = folder
        .restore(&key, &params, &mut adam)?
        .unwrap_or_default();
    let net = PlayNet::new(config.network.clone(), &params, String::new())?;
    monitor.stage("training the encoder", config.steps);
    monitor.advance(adam.step);
    let mut sum = (0.0, 0_u64);
    while adam.step < config.steps {
        let step = adam.step;
        let loss = match config.objective {
            Objective::TimeContrastive | Objective::TimeContrastiveViews => {
                contrast(config, &net, &params, step)?
            }
            Objective::Masked => masked(config, &net, &params, step)?,
        };
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
                validation: None,
            });
            sum = (0.0, 0);
            folder.save(&key, &params, &adam, &log)?;
        }
        if stopped {
            return Err(Error::Interrupted);
        }
    }
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
    Ok(mental_pong_game::files::sha256_hex(text.as_bytes()))
}

/// Patches of the pairs of a batch, `[video, pair, 2]` frames in order.
fn batch(config: &EncoderTraining, step: u64) -> Vec<f32> {
    let span = config.pair_spacing * config.pairs + 3;
    let videos: Vec<Vec<f32>> = (0..config.videos)
        .into_par_iter()
        .map(|v| {
            let index = step * config.videos as u64 + v as u64;
            let mut rng = Stream::new(config.seed, "encoder pairs", index);
            let video = Video::simulate(config.seed, "encoder videos", index, span + 8, &Mix::FULL);
            let start = rng.below(8);
            // Both looks show the bodies over the occluders: what is hidden cannot be told.
            let (other, layers) = match config.objective {
                Objective::TimeContrastiveViews => (video.restyled(&mut rng), Layers::Revealed),
                Objective::TimeContrastive | Objective::Masked => (video.clone(), Layers::Seen),
            };
            let frames: Vec<Vec<u8>> = (0..config.pairs)
                .flat_map(|p| {
                    let t = start + p * config.pair_spacing;
                    [
                        (&video, t),
                        (&video, t + 1),
                        (&other, t + 1),
                        (&other, t + 2),
                    ]
                })
                .map(|(video, t)| video.render(t, FRAME_SIZE, layers).into_rgb())
                .collect();
            let pairs: Vec<(&[u8], &[u8])> =
                frames.chunks_exact(2).map(|f| (&*f[0], &*f[1])).collect();
            patches(&pairs)
        })
        .collect();
    videos.concat()
}

fn tensor(params: &Params, name: &str) -> Result<Tensor> {
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
    let rows = videos * pairs * 2 * GRID * GRID;
    let input = Tensor::from_vec(batch(config, step), (rows, PATCH_INPUTS), &Device::Cpu)?;
    let places = net.places(&input)?;
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
    Ok((all + within)?)
}

/// Cross-entropy of a square table whose right answers stand on the diagonal, both ways.
fn diagonal_loss(table: &Tensor) -> Result<Tensor> {
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
