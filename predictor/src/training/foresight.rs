//! How far ahead a predictor simulates held-out playworld: decoded place by horizon and number of bounces, beside what
//! needs no simulation. This, and no loss, is what recipes are chosen by; nothing of the task is looked at.

use candle_core::{Device, Tensor};
use mental_pong_base::{Monitor, Stream};
use mental_pong_game::frames::Canvas;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::dynamics::Dynamics;
use crate::encoders::{Encoder, FRAME_SIZE};
use crate::playworld::{Layers, Mix, Scene, Video};
use crate::{Error, Result};

/// Degrees of a unit of playworld, were the view the task's 20° field.
const DEG_PER_UNIT: f64 = 2.0;
/// Frames ahead at which places are compared: .25, .5, 1 and 1.5 s.
pub const HORIZONS: [usize; 4] = [5, 10, 20, 30];
/// Frames of a context; the most is followed by the longest horizon.
const CONTEXT: (usize, usize) = (14, 40);
/// Frames in which straight lines are fitted.
const LINE: usize = 14;

/// Held-out scenes with one body in plain sight for a context and what follows.
pub struct Foresight {
    trials: Vec<Trial>,
    /// Ridge map with an intercept from latents to place: `[latent + 1, (x, y)]`.
    readout: DMatrix<f64>,
    dim: usize,
}

struct Trial {
    /// `[frame, latent]` of the context.
    context: Vec<f32>,
    /// `[frame]`, place of the body from the context's first frame on, degrees from the view's lower left corner.
    place: Vec<(f64, f64)>,
    /// `[horizon]`, bounces between the context and there; none where the body is out of view.
    bounces: Vec<Option<usize>>,
    /// Walls that the centre of the body turns back at, degrees: low and high of x and of y.
    walls: [(f64, f64); 2],
}

/// Mean absolute error at a horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Horizon {
    /// What forecast.
    pub model: String,
    /// Frames of 50 ms ahead.
    pub ahead: usize,
    /// Bounces until there: 0, 1, or 2 for more.
    pub bounces: usize,
    /// Videos.
    pub n: usize,
    /// Mean absolute error of place over both axes, degrees.
    pub mae_deg: f64,
    /// Root mean squared error of place over both axes, degrees.
    pub rmse_deg: f64,
}

impl Foresight {
    /// Makes `count` trials of `mix` (one body, no gravity) of `seed`, none of which training sees, and fits the read-out
    /// on the contexts of as many others.
    ///
    /// # Errors
    /// When the encoder refuses frames; [`Error::Interrupted`].
    pub fn new(
        encoder: &dyn Encoder,
        mix: &Mix,
        seed: u64,
        count: usize,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        monitor.stage("encoding held-out playworld", 2 * count as u64);
        let mix = Mix {
            one_body: 1.0,
            two_bodies: 0.0,
            gravity: 0.0,
            shake: 0.0,
            ..mix.clone()
        };
        let make = |purpose: &str| -> Result<Vec<Trial>> {
            let mut trials = Vec::new();
            let mut index = 0;
            while trials.len() < count {
                if monitor.stopped() {
                    return Err(Error::Interrupted);
                }
                if let Some(trial) = trial(encoder, &mix, seed, purpose, index)? {
                    trials.push(trial);
                    monitor.advance(1);
                }
                index += 1;
            }
            Ok(trials)
        };
        let dim = encoder.latent_dim();
        let fitted = make("foresight read-out")?;
        let readout = fit(&fitted, dim)?;
        Ok(Self {
            trials: make("foresight trials")?,
            readout,
            dim,
        })
    }

    /// `[step]`: place of the body in `[step, latent]`, degrees from the view's lower left corner.
    #[must_use]
    pub fn decoded(&self, latents: &[f32]) -> Vec<(f64, f64)> {
        let place = |row: &[f32]| {
            let at = |k: usize| {
                let weights = self.readout.column(k);
                let sum: f64 = (row.iter().zip(weights.iter()))
                    .map(|(v, w)| f64::from(*v) * w)
                    .sum();
                sum + weights[self.dim]
            };
            (at(0), at(1))
        };
        latents.chunks_exact(self.dim).map(place).collect()
    }

    /// Mean absolute error of the read-out in the contexts, x and y, degrees.
    #[must_use]
    pub fn visible_error_deg(&self) -> (f64, f64) {
        let (mut sum, mut n) = ((0.0, 0.0), 0.0);
        for trial in &self.trials {
            let decoded = self.decoded(&trial.context);
            for (a, b) in decoded.iter().zip(&trial.place) {
                sum = (sum.0 + (a.0 - b.0).abs(), sum.1 + (a.1 - b.1).abs());
                n += 1.0;
            }
        }
        (sum.0 / n, sum.1 / n)
    }

    /// Errors of `dynamics`.
    ///
    /// # Errors
    /// When the module refuses the latents.
    pub fn of_dynamics(&self, name: &str, dynamics: &dyn Dynamics) -> Result<Vec<Horizon>> {
        let most = HORIZONS[HORIZONS.len() - 1];
        self.compare(name, |trial| {
            let shape = (1, trial.context.len() / self.dim, self.dim);
            let context = Tensor::from_slice(&trial.context, shape, &Device::Cpu)?;
            let ahead: Vec<f32> = dynamics
                .forecast(&context, most)?
                .flatten_all()?
                .to_vec1()?;
            Ok(self.decoded(&ahead))
        })
    }

    /// Errors of what needs no simulation: `straight-line` through the last decoded places, the same turned back at the
    /// room's walls (`straight-line-walls`, which is told where they are), and `last-seen`.
    ///
    /// # Errors
    /// None.
    pub fn of_nulls(&self) -> Result<Vec<Horizon>> {
        let most = HORIZONS[HORIZONS.len() - 1];
        let line = |trial: &Trial| {
            let decoded = self.decoded(&trial.context);
            let last = &decoded[decoded.len() - LINE.min(decoded.len())..];
            let axis = |of: fn(&(f64, f64)) -> f64| {
                let values: Vec<f64> = last.iter().map(of).collect();
                straight(&values, most)
            };
            axis(|p| p.0)
                .into_iter()
                .zip(axis(|p| p.1))
                .collect::<Vec<_>>()
        };
        let mut all = self.compare("straight-line", |trial| Ok(line(trial)))?;
        all.extend(self.compare("straight-line-walls", |trial| {
            let turned = |v: f64, (low, high): (f64, f64)| {
                let (span, from) = (high - low, v - low);
                let folded = from.rem_euclid(2.0 * span);
                low + if folded > span {
                    2.0 * span - folded
                } else {
                    folded
                }
            };
            let at = |(x, y): (f64, f64)| (turned(x, trial.walls[0]), turned(y, trial.walls[1]));
            Ok(line(trial).into_iter().map(at).collect())
        })?);
        all.extend(self.compare("last-seen", |trial| {
            let decoded = self.decoded(&trial.context);
            Ok(vec![decoded[decoded.len() - 1]; most])
        })?);
        Ok(all)
    }

    fn compare(
        &self,
        name: &str,
        forecast: impl Fn(&Trial) -> Result<Vec<(f64, f64)>>,
    ) -> Result<Vec<Horizon>> {
        let mut sums = vec![(0_usize, 0.0, 0.0); HORIZONS.len() * 3];
        for trial in &self.trials {
            let context = trial.context.len() / self.dim;
            let ahead = forecast(trial)?;
            for (h, (&steps, bounces)) in HORIZONS.iter().zip(&trial.bounces).enumerate() {
                let Some(bounces) = bounces else { continue };
                let (x, y) = ahead[steps - 1];
                let truth = trial.place[context + steps - 1];
                let error = (x - truth.0, y - truth.1);
                let sum = &mut sums[h * 3 + (*bounces).min(2)];
                sum.0 += 1;
                sum.1 += 0.5 * (error.0.abs() + error.1.abs());
                sum.2 += 0.5 * (error.0 * error.0 + error.1 * error.1);
            }
        }
        Ok((sums.into_iter().enumerate())
            .filter(|(_, (n, ..))| *n > 0)
            .map(|(at, (n, sum, square))| Horizon {
                model: name.into(),
                ahead: HORIZONS[at / 3],
                bounces: at % 3,
                n,
                mae_deg: sum / n as f64,
                rmse_deg: (square / n as f64).sqrt(),
            })
            .collect())
    }
}

/// A trial of video `index`; none where the body is hidden or gone in the context.
fn trial(
    encoder: &dyn Encoder,
    mix: &Mix,
    seed: u64,
    purpose: &str,
    index: u64,
) -> Result<Option<Trial>> {
    let mut rng = Stream::new(seed, purpose, index);
    let scene = Scene::draw(&mut rng, mix);
    let context = CONTEXT.0 + rng.below(CONTEXT.1 - CONTEXT.0 + 1);
    let most = HORIZONS[HORIZONS.len() - 1];
    let video = Video::of(scene, 1 + context + most, &mut rng);
    let reach = video.scene.bodies[0].shape.reach();
    let clear = |t: usize| {
        let s = video.states[t][0];
        let hidden = (video.scene.occluders.iter()).any(|o| o.hides(s.x, s.y, -reach));
        video.in_view(t) && !hidden
    };
    if !(0..=context).all(clear) {
        return Ok(None);
    }
    let frames: Vec<Vec<u8>> = (video.render_each(0..=context, FRAME_SIZE, Layers::Seen))
        .map(Canvas::into_rgb)
        .collect();
    let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let latents = encoder.encode(&views)?[encoder.latent_dim()..].to_vec();
    let place: Vec<(f64, f64)> = (video.states[1..].iter())
        .map(|s| (DEG_PER_UNIT * s[0].x, DEG_PER_UNIT * s[0].y))
        .collect();
    let turns = |k: fn(&(f64, f64)) -> f64, t: usize| {
        let step = |t: usize| k(&place[t]) - k(&place[t - 1]);
        usize::from(step(t) * step(t - 1) < 0.0)
    };
    let bounces = (HORIZONS.iter())
        .map(|&steps| {
            video.in_view(context + steps).then(|| {
                (context..context + steps)
                    .map(|t| turns(|p| p.0, t) + turns(|p| p.1, t))
                    .sum()
            })
        })
        .collect();
    let room = video.scene.room;
    let wall = |low: f64, high: f64| (DEG_PER_UNIT * (low + reach), DEG_PER_UNIT * (high - reach));
    Ok(Some(Trial {
        context: latents,
        place,
        bounces,
        walls: [wall(room.x0, room.x1), wall(room.y0, room.y1)],
    }))
}

/// Least squares line through `values`, continued for `steps`.
fn straight(values: &[f64], steps: usize) -> Vec<f64> {
    let n = values.len() as f64;
    let (mt, mv) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let at = |t: usize| t as f64 - mt;
    let cross: f64 = values
        .iter()
        .enumerate()
        .map(|(t, v)| at(t) * (v - mv))
        .sum();
    let square: f64 = (0..values.len()).map(|t| at(t) * at(t)).sum();
    let slope = if square > 0.0 { cross / square } else { 0.0 };
    (0..steps)
        .map(|k| mv + slope * (n + k as f64 - mt))
        .collect()
}

/// Ridge map of the contexts' latents to place, α = 1e-4 a row.
fn fit(trials: &[Trial], dim: usize) -> Result<DMatrix<f64>> {
    let mut gram = DMatrix::<f64>::zeros(dim + 1, dim + 1);
    let mut cross = DMatrix::<f64>::zeros(dim + 1, 2);
    let mut n = 0.0;
    let mut row = vec![1.0; dim + 1];
    for trial in trials {
        for (latents, place) in trial.context.chunks_exact(dim).zip(&trial.place) {
            row.iter_mut()
                .zip(latents)
                .for_each(|(r, v)| *r = f64::from(*v));
            for i in 0..=dim {
                for j in 0..=i {
                    gram[(i, j)] += row[i] * row[j];
                }
                cross[(i, 0)] += row[i] * place.0;
                cross[(i, 1)] += row[i] * place.1;
            }
            n += 1.0;
        }
    }
    for i in 0..=dim {
        for j in 0..i {
            gram[(j, i)] = gram[(i, j)];
        }
        if i < dim {
            gram[(i, i)] += 1e-4 * n;
        }
    }
    let factor = gram.cholesky().ok_or(Error::Shape {
        what: "finite latents of a read-out",
        expected: vec![dim],
        found: vec![dim],
    })?;
    Ok(factor.solve(&cross))
}
