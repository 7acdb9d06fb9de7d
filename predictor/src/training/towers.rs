//! Training of the two towers of a [`RoomNet`] on playworld, from pictures alone.

use std::path::Path;

use candle_core::{Device, Tensor};
use mental_pong_base::{Monitor, Stream};
use mental_pong_game::frames::Canvas;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::LogRow;
use super::descent::{Descent, Pace};
use super::encoder::{config_key, diagonal_loss, tensor};
use crate::encoders::roomnet::{SMALL, changes, largest_change, picture_patches, small};
use crate::encoders::{FRAME_SIZE, RoomNet, RoomNetConfig};
use crate::params::Params;
use crate::playworld::{Layers, Mix, Scene, Video};
use crate::{Error, Result};

/// Configuration of the training of both towers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowersTraining {
    /// Root seed of weights and videos.
    pub seed: u64,
    /// How the place tower is trained.
    pub place: PlaceTraining,
    /// How the picture tower is trained.
    pub picture: PictureTraining,
    /// The videos.
    pub playworld: Mix,
    /// Size of the network.
    pub network: RoomNetConfig,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

/// The place tower learns to tell the same moment in two looks (other colours, background and occluders) from other
/// moments, most of them of other videos: InfoNCE (van den Oord et al. 2018) on squared distances of latents that are
/// standardised over the batch, with a learned scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceTraining {
    /// Optimiser steps.
    pub steps: u64,
    /// Peak learning rate of Adam.
    pub learning_rate: f64,
    /// Videos in a batch.
    pub videos: usize,
    /// Moments taken from a video; those without motion are left out.
    pub moments: usize,
    /// Frames from one moment to the next.
    pub spacing: usize,
    /// First scale of the squared distance; learned from there.
    pub scale: f64,
}

/// The picture tower learns, from one picture of a room, how close to each side motion will ever be seen in another look
/// of the same room without occluders, and in which parts of the picture it will be seen in this one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureTraining {
    /// Optimiser steps.
    pub steps: u64,
    /// Peak learning rate of Adam.
    pub learning_rate: f64,
    /// Rooms that are made beforehand.
    pub rooms: usize,
    /// Rooms in a batch, each in one of its looks.
    pub batch: usize,
    /// Looks of a room.
    pub looks: usize,
    /// Frames watched, 20 a second.
    pub frames: usize,
    /// Bodies in them.
    pub bodies: usize,
}

/// Change of a value, of 1, that counts as motion.
const MOTION: f32 = 0.03;
/// Rows of a picture's half, of which each is asked for motion.
const DEPTHS: usize = SMALL / 2;
/// Side of the coarse map of motion.
const COARSE: usize = 7;
/// Hidden units of the heads, which are dropped after training.
const HEAD: usize = 48;
/// Standard deviation of the noise on still latents in training.
const CODE_NOISE: f64 = 0.1;
/// Weight of the squared still latents.
const CODE_WEIGHT: f64 = 1e-3;
/// Videos that the latents are standardised on, and their frames.
const STANDARDISE: (u64, usize) = (96, 32);
/// What moves is scaled to a third of a place: it is noisier, and a forecast's error is to be one of place first.
const MOTION_SD: f32 = 3.0;
/// Rooms held out for the validation loss of the picture tower, batches for that of the place tower.
const HELD_OUT: (usize, u64) = (128, 4);

/// Trains both towers in `folder`, resuming checkpoints that lie there. Gives the encoder's parameters, standardisation
/// included, and the log: the place tower's rows, then the picture tower's, steps counted on.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it; a checkpoint is then on disk.
pub fn train_towers(
    config: &TowersTraining,
    folder: &Path,
    monitor: &dyn Monitor,
) -> Result<(Params, Vec<LogRow>)> {
    let mut rng = Stream::new(config.seed, "tower weights", 0);
    let all = RoomNet::init(&config.network, &mut rng)?;
    let (place, mut log) = train_place(config, &all, &folder.join("place"), monitor)?;
    let (picture, rows) = train_picture(config, &all, &folder.join("picture"), monitor)?;
    let offset = config.place.steps;
    log.extend(rows.into_iter().map(|row| LogRow {
        step: row.step + offset,
        ..row
    }));
    let mut params = Params::default();
    for (name, tensor) in all.tensors() {
        let trained = if name.starts_with("encoder.place") {
            place.tensors()
        } else {
            picture.tensors()
        };
        params.insert(&name, trained.get(&name).unwrap_or(&tensor))?;
    }
    let params = standardised_rooms(&config.network, &config.playworld, config.seed, &params)?;
    Ok((params, log))
}

/// The tensors of `all` whose names begin with one of `parts`, to be trained.
fn part_of(all: &Params, parts: &[&str]) -> Result<Params> {
    let mut params = Params::default();
    for (name, tensor) in all.tensors() {
        if parts.iter().any(|part| name.starts_with(part)) {
            params.insert(&name, &tensor)?;
        }
    }
    Ok(params)
}

/// A network of `trained` and, where it has no tensor, of `rest`.
fn network(config: &TowersTraining, trained: &Params, rest: &Params) -> Result<RoomNet> {
    let own = trained.tensors();
    RoomNet::with(config.network.clone(), String::new(), |name| {
        own.get(name)
            .cloned()
            .or_else(|| rest.tensors().remove(name))
    })
}

fn train_place(
    config: &TowersTraining,
    all: &Params,
    folder: &Path,
    monitor: &dyn Monitor,
) -> Result<(Params, Vec<LogRow>)> {
    let place = &config.place;
    let mut params = part_of(all, &["encoder.place"])?;
    let scale = Tensor::new(&[libm::log(place.scale) as f32], &Device::Cpu)?;
    params.insert("head.scale", &scale)?;
    let key = config_key(&(config.seed, place, &config.playworld, &config.network))?;
    let descent = Descent::open(folder, key, &params)?;
    let net = network(config, &params, all)?;
    monitor.stage("training the place tower", place.steps);
    let pace = Pace {
        steps: place.steps,
        learning_rate: place.learning_rate,
        checkpoint_every: config.checkpoint_every,
    };
    let loss = |step| contrast(&net, &params, &moments(config, "place videos", step));
    let validation = || {
        let mut sum = 0.0;
        for step in 0..HELD_OUT.1 {
            let batch = moments(config, "place validation", step);
            let loss = contrast(&net, &params, &batch)?;
            sum += f64::from(loss.to_scalar::<f32>()?);
        }
        Ok(Some(sum / HELD_OUT.1 as f64))
    };
    let log = descent.run(&pace, &params, monitor, loss, validation)?;
    Ok((params, log))
}

/// Two looks of the same moments, each a frame and the one before.
struct Moments {
    first: Vec<(Vec<f32>, Vec<f32>)>,
    second: Vec<(Vec<f32>, Vec<f32>)>,
}

fn moments(config: &TowersTraining, purpose: &str, step: u64) -> Moments {
    let place = &config.place;
    let videos: Vec<Moments> = (0..place.videos)
        .into_par_iter()
        .map(|v| {
            let index = step * place.videos as u64 + v as u64;
            let mut rng = Stream::new(config.seed, purpose, index);
            let scene = Scene::draw(&mut rng, &config.playworld);
            let start = 1 + rng.below(8);
            let length = start + place.moments * place.spacing;
            let video = Video::of(scene, length, &mut rng);
            let other = video.restyled(&mut rng);
            let mut taken = Moments {
                first: Vec::new(),
                second: Vec::new(),
            };
            // Both looks show the bodies over the occluders: what is hidden cannot be told.
            let pairs = |video: &Video| -> Vec<(Vec<f32>, Vec<f32>)> {
                let times = (start..length)
                    .step_by(place.spacing)
                    .flat_map(|t| [t - 1, t]);
                let frames: Vec<Vec<f32>> =
                    (video.render_each(times, FRAME_SIZE, Layers::Revealed))
                        .map(|frame| small(frame.rgb()))
                        .collect();
                let mut frames = frames.into_iter();
                std::iter::from_fn(|| Some((frames.next()?, frames.next()?))).collect()
            };
            for (a, b) in pairs(&video).into_iter().zip(pairs(&other)) {
                let moves = |pair: &(Vec<f32>, Vec<f32>)| largest_change(&pair.0, &pair.1) > MOTION;
                if moves(&a) && moves(&b) {
                    taken.first.push(a);
                    taken.second.push(b);
                }
            }
            taken
        })
        .collect();
    let mut all = Moments {
        first: Vec::new(),
        second: Vec::new(),
    };
    for video in videos {
        all.first.extend(video.first);
        all.second.extend(video.second);
    }
    all
}

fn contrast(net: &RoomNet, params: &Params, batch: &Moments) -> Result<Tensor> {
    let pairs: Vec<(&[f32], &[f32])> = (batch.first.iter().chain(&batch.second))
        .map(|(before, now)| (before.as_slice(), now.as_slice()))
        .collect();
    let n = batch.first.len();
    let latents = net.moving(&changes(&pairs)?)?;
    let centred = latents.broadcast_sub(&latents.mean_keepdim(0)?)?;
    let sd = (centred.sqr()?.mean_keepdim(0)? + 1e-6)?.sqrt()?;
    let z = centred.broadcast_div(&sd)?;
    let (a, b) = (z.narrow(0, 0, n)?, z.narrow(0, n, n)?);
    let squares = |t: &Tensor| -> Result<Tensor> { Ok(t.sqr()?.sum(1)?) };
    let both = squares(&a)?
        .unsqueeze(1)?
        .broadcast_add(&squares(&b)?.unsqueeze(0)?)?;
    let distance = (both - (a.matmul(&b.t()?)? * 2.0)?)?;
    let scale = tensor(params, "head.scale")?.exp()?.neg()?;
    diagonal_loss(&distance.broadcast_mul(&scale)?)
}

/// A room as the picture tower learns it.
struct RoomExample {
    /// A picture of each look, [`small`], in 0 to 255.
    pictures: Vec<Vec<u8>>,
    /// `[look][cell]`, whether motion is ever seen there.
    seen: Vec<Vec<f32>>,
    /// `[side × depth]`, whether motion is ever seen so close to a side without occluders.
    reached: Vec<f32>,
}

fn rooms(
    config: &TowersTraining,
    purpose: &str,
    count: usize,
    monitor: &dyn Monitor,
) -> Result<Vec<RoomExample>> {
    monitor.stage("watching rooms", count as u64);
    let picture = &config.picture;
    (0..count)
        .into_par_iter()
        .map(|index| {
            if monitor.stopped() {
                return Err(Error::Interrupted);
            }
            let mut rng = Stream::new(config.seed, purpose, index as u64);
            let scene = Scene::draw(&mut rng, &config.playworld);
            let looks: Vec<Scene> = (0..picture.looks)
                .map(|_| scene.restyled(&mut rng))
                .collect();
            let crowd = scene.crowded(&mut rng, picture.bodies);
            let crowd = Video::of(crowd, picture.frames, &mut rng);
            let mut example = RoomExample {
                pictures: Vec::new(),
                seen: Vec::new(),
                reached: reached(&motion(&crowd.opened())),
            };
            for look in looks {
                let watched = crowd.dressed_as(&look);
                example.seen.push(coarse(&motion(&watched)));
                let frame = Video::of(look, 1, &mut rng).render(0, FRAME_SIZE, Layers::Seen);
                let frame = small(&frame.into_rgb());
                let bytes = frame.iter().map(|v| (v * 255.0 + 0.5) as u8).collect();
                example.pictures.push(bytes);
            }
            monitor.advance(1);
            Ok(example)
        })
        .collect()
}

/// Where motion is ever seen in every other frame of a video, `[y, x]` of the small picture.
fn motion(video: &Video) -> Vec<bool> {
    let mut ever = vec![false; SMALL * SMALL];
    let threshold = (255.0 * MOTION) as u8;
    let mut before: Option<Canvas> = None;
    for now in video.render_each((0..video.states.len()).step_by(2), SMALL, Layers::Seen) {
        if let Some(before) = &before {
            for ((ever, a), b) in (ever.iter_mut())
                .zip(before.rgb().chunks_exact(3))
                .zip(now.rgb().chunks_exact(3))
            {
                *ever |= a.iter().zip(b).any(|(a, b)| a.abs_diff(*b) > threshold);
            }
        }
        before = Some(now);
    }
    ever
}

/// `[side × depth]`: left, right, lower and upper side.
fn reached(motion: &[bool]) -> Vec<f32> {
    let last = SMALL - 1;
    let any = |at: &dyn Fn(usize) -> usize| f32::from(u8::from((0..SMALL).any(|k| motion[at(k)])));
    let mut out = Vec::with_capacity(4 * DEPTHS);
    for side in 0..4 {
        for depth in 0..DEPTHS {
            out.push(match side {
                0 => any(&|k| k * SMALL + depth),
                1 => any(&|k| k * SMALL + last - depth),
                2 => any(&|k| (last - depth) * SMALL + k),
                _ => any(&|k| depth * SMALL + k),
            });
        }
    }
    out
}

fn coarse(motion: &[bool]) -> Vec<f32> {
    let mut out = vec![0.0; COARSE * COARSE];
    for (at, _) in motion.iter().enumerate().filter(|(_, seen)| **seen) {
        let cell = |v: usize| v * COARSE / SMALL;
        out[cell(at / SMALL) * COARSE + cell(at % SMALL)] = 1.0;
    }
    out
}

fn train_picture(
    config: &TowersTraining,
    all: &Params,
    folder: &Path,
    monitor: &dyn Monitor,
) -> Result<(Params, Vec<LogRow>)> {
    let picture = &config.picture;
    let mut params = part_of(all, &["encoder.picture", "encoder.side", "encoder.scene"])?;
    let mut rng = Stream::new(config.seed, "picture heads", 0);
    for (name, shape) in [
        ("head.side.layer1.weight", [config.network.side, HEAD]),
        ("head.side.layer2.weight", [HEAD, DEPTHS]),
        ("head.scene.layer1.weight", [config.network.still(), HEAD]),
        ("head.scene.layer2.weight", [HEAD, COARSE * COARSE]),
    ] {
        params.normal(name, &shape, (2.0 / shape[0] as f64).sqrt(), &mut rng)?;
        let bias = Tensor::zeros(shape[1], candle_core::DType::F32, &Device::Cpu)?;
        params.insert(&name.replace("weight", "bias"), &bias)?;
    }
    let key = config_key(&(config.seed, picture, &config.playworld, &config.network))?;
    let descent = Descent::open(folder, key, &params)?;
    let net = network(config, &params, all)?;
    if descent.step() >= picture.steps {
        return Ok((params, descent.into_log()));
    }
    let training = rooms(config, "rooms", picture.rooms, monitor)?;
    let held_out = rooms(config, "held-out rooms", HELD_OUT.0, monitor)?;
    monitor.stage("training the picture tower", picture.steps);
    let pace = Pace {
        steps: picture.steps,
        learning_rate: picture.learning_rate,
        checkpoint_every: config.checkpoint_every,
    };
    let loss = |step| {
        let mut rng = Stream::new(config.seed, "picture batches", step);
        let picked: Vec<(&RoomExample, usize)> = (0..picture.batch)
            .map(|_| {
                (
                    &training[rng.below(training.len())],
                    rng.below(picture.looks),
                )
            })
            .collect();
        reach_loss(config, &net, &params, &picked, Some(&mut rng))
    };
    let validation = || {
        let mut sum = 0.0;
        for part in held_out.chunks(32) {
            let picked: Vec<(&RoomExample, usize)> = part.iter().map(|room| (room, 0)).collect();
            let loss = reach_loss(config, &net, &params, &picked, None)?;
            sum += f64::from(loss.to_scalar::<f32>()?) * part.len() as f64;
        }
        Ok(Some(sum / held_out.len() as f64))
    };
    let log = descent.run(&pace, &params, monitor, loss, validation)?;
    Ok((params, log))
}

/// Cross-entropy of where motion is ever seen; with `noise` also the penalty on the latents.
fn reach_loss(
    config: &TowersTraining,
    net: &RoomNet,
    params: &Params,
    picked: &[(&RoomExample, usize)],
    noise: Option<&mut Stream>,
) -> Result<Tensor> {
    let n = picked.len();
    let frames: Vec<Vec<f32>> = (picked.iter())
        .map(|(room, look)| {
            let bytes = room.pictures[*look].iter();
            bytes.map(|b| f32::from(*b) / 255.0).collect()
        })
        .collect();
    let views: Vec<&[f32]> = frames.iter().map(Vec::as_slice).collect();
    let code = net.still(&picture_patches(&views)?)?;
    let (code, penalty) = match noise {
        None => (code, None),
        Some(rng) => {
            let size = n * config.network.still();
            let noise: Vec<f32> = (0..size)
                .map(|_| (CODE_NOISE * rng.normal()) as f32)
                .collect();
            let noise = Tensor::from_vec(noise, code.shape(), &Device::Cpu)?;
            let penalty = (code.sqr()?.mean_all()? * CODE_WEIGHT)?;
            ((code + noise)?, Some(penalty))
        }
    };
    let head = |x: &Tensor, part: &str| -> Result<Tensor> {
        let of = |name: &str| tensor(params, &format!("head.{part}.{name}"));
        let h = x.matmul(&of("layer1.weight")?)?;
        let h = h.broadcast_add(&of("layer1.bias")?)?.relu()?;
        Ok(h.matmul(&of("layer2.weight")?)?
            .broadcast_add(&of("layer2.bias")?)?)
    };
    let side = config.network.side;
    let sides = code.narrow(1, 0, 4 * side)?.reshape((n * 4, side))?;
    let reached: Vec<f32> = (picked.iter())
        .flat_map(|(room, _)| room.reached.clone())
        .collect();
    let reached = Tensor::from_vec(reached, (n * 4, DEPTHS), &Device::Cpu)?;
    let seen: Vec<f32> = (picked.iter())
        .flat_map(|(room, look)| room.seen[*look].clone())
        .collect();
    let seen = Tensor::from_vec(seen, (n, COARSE * COARSE), &Device::Cpu)?;
    let loss = (cross_entropy(&head(&sides, "side")?, &reached)?
        + cross_entropy(&head(&code, "scene")?, &seen)?)?;
    Ok(match penalty {
        Some(penalty) => (loss + penalty)?,
        None => loss,
    })
}

/// Mean binary cross-entropy of logits.
fn cross_entropy(logits: &Tensor, truth: &Tensor) -> Result<Tensor> {
    let soft = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    Ok(((logits.relu()? - (logits * truth)?)? + soft)?.mean_all()?)
}

/// `params` with mean and standard deviation of the latents on playworld videos of `mix` and `seed`.
///
/// # Errors
/// When a tensor is missing or has another shape.
pub fn standardised_rooms(
    network: &RoomNetConfig,
    mix: &Mix,
    seed: u64,
    params: &Params,
) -> Result<Params> {
    let net = RoomNet::new(network.clone(), params, String::new())?;
    let (videos, length) = STANDARDISE;
    let (mut moving, mut still) = (Vec::new(), Vec::new());
    for index in 0..videos {
        let video = Video::simulate(seed, "tower statistics", index, length, mix);
        let frames: Vec<Vec<f32>> = (video.render_each(0..length, FRAME_SIZE, Layers::Seen))
            .map(|frame| small(frame.rgb()))
            .collect();
        let pairs: Vec<(&[f32], &[f32])> = (frames.windows(2))
            .map(|pair| (pair[0].as_slice(), pair[1].as_slice()))
            .filter(|(before, now)| largest_change(before, now) > MOTION)
            .collect();
        moving.push(net.encode_changes(&pairs)?);
        still.push(net.encode_pictures_small(&[&frames[0]])?);
    }
    let (moving, still) = (moving.concat(), still.concat());
    let (m, s) = (network.moving(), network.still());
    let (mut mean, mut sd) = (Vec::new(), Vec::new());
    for (values, dim) in [(&moving, m), (&still, s)] {
        let n = (values.len() / dim).max(1) as f64;
        for k in 0..dim {
            let column = || values.iter().skip(k).step_by(dim).map(|v| f64::from(*v));
            let centre = column().sum::<f64>() / n;
            let square = column().map(|v| (v - centre).powi(2)).sum::<f64>() / n;
            mean.push(centre as f32);
            // A latent that never moves is left small instead of being blown up.
            let scale = if mean.len() > 2 * network.maps && mean.len() <= m {
                MOTION_SD
            } else {
                1.0
            };
            sd.push(square.sqrt().max(0.01) as f32 * scale);
        }
    }
    let mut out = Params::default();
    for (name, tensor) in params.tensors() {
        out.insert(&name, &tensor)?;
    }
    let n = mean.len();
    out.insert(
        "encoder.latent_mean",
        &Tensor::from_vec(mean, n, &Device::Cpu)?,
    )?;
    out.insert("encoder.latent_sd", &Tensor::from_vec(sd, n, &Device::Cpu)?)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playworld::RoomMix;

    fn config() -> TowersTraining {
        TowersTraining {
            seed: 5,
            place: PlaceTraining {
                steps: 4,
                learning_rate: 0.01,
                videos: 2,
                moments: 3,
                spacing: 2,
                scale: 0.1,
            },
            picture: PictureTraining {
                steps: 4,
                learning_rate: 0.01,
                rooms: 3,
                batch: 2,
                looks: 2,
                frames: 8,
                bodies: 2,
            },
            playworld: Mix {
                rooms: Some(RoomMix {
                    at_edge: 0.5,
                    inside: 0.4,
                    areas: 0.5,
                    bands: 0.3,
                    blocks: 0.3,
                }),
                ..Mix::FULL
            },
            network: RoomNetConfig {
                channels: 3,
                maps: 2,
                motion: 2,
                side: 1,
                scene: 1,
                hidden: 3,
            },
            checkpoint_every: 3,
        }
    }

    /// Asks to stop after so many pieces of work.
    struct StopAfter(std::sync::atomic::AtomicU64);

    impl Monitor for StopAfter {
        fn advance(&self, n: u64) {
            use std::sync::atomic::Ordering::SeqCst;
            self.0.store(self.0.load(SeqCst).saturating_sub(n), SeqCst);
        }

        fn stopped(&self) -> bool {
            self.0.load(std::sync::atomic::Ordering::SeqCst) == 0
        }
    }

    #[test]
    fn resumed_equals_uninterrupted_and_another_seed_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = |params: &Params| crate::weights::to_bytes(&params.tensors(), &[]).unwrap();
        let train = |config: &TowersTraining, name: &str, monitor: &dyn Monitor| {
            train_towers(config, &dir.path().join(name), monitor)
        };
        let (whole, log) = train(&config(), "whole", &mental_pong_base::Quiet).unwrap();
        assert_eq!(log.last().unwrap().step, 8);
        // In the place tower, then among the rooms.
        for work in [2, 6] {
            let stop = StopAfter(work.into());
            let error = train(&config(), "parts", &stop).unwrap_err();
            assert!(matches!(error, Error::Interrupted), "{error}");
        }
        let (parts, _) = train(&config(), "parts", &mental_pong_base::Quiet).unwrap();
        assert_eq!(bytes(&whole), bytes(&parts));
        let other = TowersTraining {
            seed: 6,
            ..config()
        };
        let (other, _) = train(&other, "other", &mental_pong_base::Quiet).unwrap();
        assert_ne!(bytes(&whole), bytes(&other));
    }
}
