//! Simulated recordings: populations whose tuning, noise and ceiling are known, in the released schema.
//!
//! For power analysis and for tests of analyses; nothing here is a recording, and everything that is made says so: the
//! names of the files, a key in them, [`Recording::synthetic`], and so every summary and report.
//!
//! A unit's rate is `m max(0, 1 + d z)` spikes/ms, where z is its tuning to the displayed ball, standardised over the cells
//! of `start_end_pad0`, and d is chosen so that its halves correlate, in expectation, as was asked. Counts of a half are
//! Poisson (or its mean is normal), independent between halves, cells and units: no noise correlations, no drift.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mental_pong_base::files::{create_folder, write_atomic};
use mental_pong_base::{Monitor, Stream};
use mental_pong_game::task::paddle::PADDLE_SPEED_DEG_PER_MS;
use mental_pong_game::task::set::Binned;
use mental_pong_game::task::{
    BinAxis, Condition, ConditionSet, Epoch, Law, Set, SetCondition, SetIdentity,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::branch::Branch;
use super::convert;
use super::dmfc::{
    AXES, Axes, Expected, Half, Opening, Population, Recording, Responses, TrialType,
};
use super::npz;
use super::reliability;
use mental_pong_formats::npz::{Column, write as write_npz};
use mental_pong_formats::value::{Array, Value};

/// Largest modulation of a rate; tuning sharper than this is not simulated, and the ceiling stays below what was asked.
const MOST_MODULATION: f64 = 30.0;
/// What a file or folder of simulated data has in its name.
const NAME: &str = "simulated";

/// Noise over trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Spike counts of each bin and trial are Poisson.
    Poisson,
    /// The mean over the trials of a half is normal around the rate.
    Gaussian,
}

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seed of everything random.
    pub seed: u64,
    /// Number of units. Default 1,889, as many as are reliable in the release.
    pub units: usize,
    /// Share of units without tuning, 0 to 1. Default 0.
    pub untuned: f64,
    /// Trials of each condition, 2 or more. Default 18.
    pub trials: usize,
    /// Noise over trials.
    pub noise: Noise,
    /// Split-half correlation of the median tuned unit, in expectation, above 0 and below 1. Default 0.11, as published.
    pub reliability: f64,
    /// Standard deviation over units of its Fisher z. Default 0: every unit has the same.
    pub reliability_spread: f64,
    /// Mean rate of the median unit, spikes/s. Default 8.
    pub rate_hz: f64,
    /// Standard deviation over trials of the final paddle, degrees. Default 1.4.
    pub paddle_sd_deg: f64,
    /// Width of a bin, milliseconds. Default 50, as published; bins begin 300 ms before motion onset.
    pub bin_ms: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            units: 1889,
            untuned: 0.0,
            trials: 18,
            noise: Noise::Poisson,
            reliability: 0.11,
            reliability_spread: 0.0,
            rate_hz: 8.0,
            paddle_sd_deg: 1.4,
            bin_ms: BinAxis::PUBLISHED.bin_ms,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        let wrong = |what: &str, why: &str| Err(Error::invalid(what, why));
        if self.units == 0 || self.units > 100_000 {
            return wrong("units", "1 to 100000");
        }
        if !(2..=100_000).contains(&self.trials) {
            return wrong("trials", "2 to 100000, so that there are halves");
        }
        if !(0.0..=1.0).contains(&self.untuned) {
            return wrong("untuned", "0 to 1");
        }
        if !(self.reliability > 0.0 && self.reliability < 1.0) {
            return wrong("reliability", "above 0 and below 1");
        }
        if !(0.0..=2.0).contains(&self.reliability_spread) {
            return wrong("reliability_spread", "0 to 2");
        }
        if !(self.rate_hz > 0.0 && self.rate_hz <= 1000.0) {
            return wrong("rate_hz", "above 0, at most 1000");
        }
        if !(0.0..=10.0).contains(&self.paddle_sd_deg) {
            return wrong("paddle_sd_deg", "0 to 10");
        }
        if !(1.0..=1000.0).contains(&self.bin_ms) {
            return wrong("bin_ms", "1 to 1000 ms");
        }
        Ok(())
    }

    /// Bins of the width asked for, over as much time as the bins of the set.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "counts of bins"
    )]
    fn axis(&self, set: &ConditionSet) -> Result<BinAxis> {
        let of_set = set.axis();
        let n = (of_set.n_bins as f64 * of_set.bin_ms / self.bin_ms).ceil() as usize;
        Ok(BinAxis::new(self.bin_ms, of_set.first_bin_ms, n.max(1))?)
    }
}

/// One term of a unit's tuning, before it is standardised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Term {
    /// `x x + y y + dx dx + dy dy`, each standardised over the cells.
    Linear {
        /// Weight of x.
        x: f64,
        /// Weight of y.
        y: f64,
        /// Weight of dx.
        dx: f64,
        /// Weight of dy.
        dy: f64,
    },
    /// A bump of the place of the ball.
    Gaussian {
        /// Centre, degrees.
        x_deg: f64,
        /// Centre, degrees.
        y_deg: f64,
        /// Width, degrees.
        sd_deg: f64,
    },
    /// The cosine of the angle between the ball's direction and a preferred one.
    Cosine {
        /// Preferred direction, radians.
        direction_rad: f64,
    },
    /// A ramp in time from motion onset.
    Time {
        /// 1 or -1.
        sign: f64,
    },
}

/// What is true of one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitTruth {
    /// Terms of the tuning, summed; none for a unit without tuning.
    pub terms: Vec<Term>,
    /// Mean rate m before modulation, spikes/ms.
    pub base: f64,
    /// Modulation d.
    pub modulation: f64,
    /// Standard deviation over trials of a bin, spikes/ms; `None` for Poisson noise.
    pub noise_sd: Option<f64>,
    /// Split-half correlation asked for.
    pub asked: f64,
    /// Split-half correlation in expectation: `V / sqrt((V + N1)(V + N2))` of the variance V of the true means over the cells
    /// of `start_end_pad0` and the noise variances of the halves.
    pub split_half_r: f64,
    /// Correlation of the mean over all trials with the true means, in expectation: `sqrt(V / (V + N))`. No model can do
    /// better in expectation.
    pub ceiling: f64,
}

/// A simulated recording and what is true of it.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// In the released schema; [`Recording::synthetic`] is `Some(true)`.
    pub recording: Recording,
    /// The set of the conditions.
    pub set: SetIdentity,
    /// What was asked for.
    pub settings: Settings,
    /// `[unit]`.
    pub units: Vec<UnitTruth>,
    /// True means, `[unit, condition, bin]`, spikes/ms.
    pub means: Responses,
    /// `[condition]`, mean of the final paddle over ever more trials, degrees.
    pub paddle_mean_deg: Vec<f64>,
}

/// What stands beside a simulated recording, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TruthFile {
    /// Says that nothing was recorded.
    pub simulated: String,
    /// The set of the conditions.
    #[serde(flatten)]
    pub set: SetIdentity,
    /// What was asked for.
    pub settings: Settings,
    /// `[unit]`.
    pub units: Vec<UnitTruth>,
    /// `[condition]`, degrees.
    pub paddle_mean_deg: Vec<f64>,
}

/// The ball of every cell, held still before and after the trial.
struct Ball {
    /// `[variable][condition, bin]`: x, y (degrees), dx, dy (degrees per bin), time (bins from onset).
    values: [Vec<f64>; 5],
    /// Mean and standard deviation of each over the cells.
    moments: [(f64, f64); 5],
    /// Positions of the cells of `start_end_pad0`.
    cells: Vec<usize>,
    axis: BinAxis,
}

#[allow(clippy::cast_precision_loss, reason = "counts of bins")]
fn moments(values: &[f64], cells: &[usize]) -> (f64, f64) {
    let n = cells.len() as f64;
    let mean = cells.iter().map(|&at| values[at]).sum::<f64>() / n;
    let square = cells
        .iter()
        .map(|&at| (values[at] - mean).powi(2))
        .sum::<f64>();
    (mean, (square / n).sqrt())
}

impl Ball {
    #[allow(clippy::cast_precision_loss, reason = "counts of bins")]
    fn new(binned: &[Binned], axis: BinAxis) -> Self {
        let n_bins = axis.n_bins;
        let mut values: [Vec<f64>; 5] = Default::default();
        let mut cells = Vec::new();
        for (condition, truth) in binned.iter().enumerate() {
            let bins = span(truth);
            for bin in 0..n_bins {
                let inside = bins.contains(&bin);
                let nearest = bin.clamp(bins.start, bins.end.saturating_sub(1));
                let moving = |v: &[f64]| if inside { v[nearest] } else { 0.0 };
                values[0].push(truth.x_deg[nearest]);
                values[1].push(truth.y_deg[nearest]);
                values[2].push(moving(&truth.dx_deg_per_bin));
                values[3].push(moving(&truth.dy_deg_per_bin));
                values[4].push((nearest - bins.start) as f64);
                if inside {
                    cells.push(condition * n_bins + bin);
                }
            }
        }
        let moments = std::array::from_fn(|v| moments(&values[v], &cells));
        Self {
            values,
            moments,
            cells,
            axis,
        }
    }

    fn standard(&self, variable: usize, at: usize) -> f64 {
        let (mean, sd) = self.moments[variable];
        (self.values[variable][at] - mean) / sd.max(1e-12)
    }

    /// The tuning over `[condition, bin]`, standardised over the cells of the mask; 0 where there is none.
    fn tuning(&self, terms: &[Term]) -> Vec<f64> {
        let size = self.values[0].len();
        let mut sum = vec![0.0; size];
        for term in terms {
            let of: Vec<f64> = (0..size)
                .map(|at| match *term {
                    Term::Linear { x, y, dx, dy } => [x, y, dx, dy]
                        .into_iter()
                        .enumerate()
                        .map(|(variable, weight)| weight * self.standard(variable, at))
                        .sum(),
                    Term::Gaussian {
                        x_deg,
                        y_deg,
                        sd_deg,
                    } => {
                        let (x, y) = (self.values[0][at] - x_deg, self.values[1][at] - y_deg);
                        libm::exp(-(x * x + y * y) / (2.0 * sd_deg * sd_deg))
                    }
                    Term::Cosine { direction_rad } => {
                        let (dx, dy) = (self.values[2][at], self.values[3][at]);
                        if dx == 0.0 && dy == 0.0 {
                            0.0
                        } else {
                            libm::cos(libm::atan2(dy, dx) - direction_rad)
                        }
                    }
                    Term::Time { sign } => sign * self.values[4][at],
                })
                .collect();
            // Terms of one unit count alike.
            let (mean, sd) = moments(&of, &self.cells);
            for (into, value) in sum.iter_mut().zip(&of) {
                *into += (value - mean) / sd.max(1e-12);
            }
        }
        let (mean, sd) = moments(&sum, &self.cells);
        for value in &mut sum {
            *value = if sd > 0.0 { (*value - mean) / sd } else { 0.0 };
        }
        sum
    }
}

fn term(stream: &mut Stream) -> Term {
    match stream.below(4) {
        0 => Term::Linear {
            x: stream.normal(),
            y: stream.normal(),
            dx: stream.normal(),
            dy: stream.normal(),
        },
        1 => Term::Gaussian {
            x_deg: stream.uniform(-8.0, 10.0),
            y_deg: stream.uniform(-9.0, 9.0),
            sd_deg: stream.uniform(2.0, 6.0),
        },
        2 => Term::Cosine {
            direction_rad: stream.uniform(-std::f64::consts::PI, std::f64::consts::PI),
        },
        _ => Term::Time {
            sign: if stream.chance(0.5) { 1.0 } else { -1.0 },
        },
    }
}

/// Trials of the halves: of an odd number the second has one more, as in the published split.
#[allow(clippy::cast_precision_loss, reason = "counts of trials")]
fn half_counts(trials: usize) -> [f64; 2] {
    [(trials / 2) as f64, trials.div_ceil(2) as f64]
}

fn rates(tuning: &[f64], base: f64, modulation: f64) -> Vec<f64> {
    tuning
        .iter()
        .map(|z| base * (1.0 + modulation * z).max(0.0))
        .collect()
}

/// The unit's truth, and its true means over `[condition, bin]`.
fn unit(settings: &Settings, ball: &Ball, index: usize, tuned: bool) -> (UnitTruth, Vec<f64>) {
    let mut stream = Stream::new(settings.seed, "simulated tuning", index as u64);
    // A mixture: one term or two.
    let terms: Vec<Term> = if tuned {
        let count = 1 + stream.below(2);
        (0..count).map(|_| term(&mut stream)).collect()
    } else {
        Vec::new()
    };
    let base = settings.rate_hz / 1000.0 * libm::exp(0.5 * stream.normal());
    let z = libm::atanh(settings.reliability) + settings.reliability_spread * stream.normal();
    let asked = if tuned {
        libm::tanh(z).clamp(1e-3, 0.999)
    } else {
        0.0
    };
    let tuning = ball.tuning(&terms);
    let bin_ms = ball.axis.bin_ms;
    let [first, second] = half_counts(settings.trials);
    let all = first + second;
    let expected = |signal: f64, noise_of_trial: f64| {
        let of = |trials: f64| signal + noise_of_trial / trials;
        if signal <= 0.0 {
            return (0.0, 0.0);
        }
        (
            signal / (of(first) * of(second)).sqrt(),
            (signal / of(all)).sqrt(),
        )
    };
    let (modulation, noise_sd) = match (settings.noise, tuned) {
        (_, false) => (0.0, None),
        (Noise::Poisson, true) => {
            let r = |modulation: f64| {
                let means = rates(&tuning, base, modulation);
                let (mean, sd) = moments(&means, &ball.cells);
                expected(sd * sd, mean / bin_ms).0
            };
            let (mut low, mut high) = (0.0, MOST_MODULATION);
            for _ in 0..40 {
                let middle = 0.5 * (low + high);
                if r(middle) < asked {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            (high, None)
        }
        (Noise::Gaussian, true) => {
            let means = rates(&tuning, base, 0.5);
            let (_, sd) = moments(&means, &ball.cells);
            let (mut low, mut high) = (0.0, 1e3 * sd);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if expected(sd * sd, middle * middle).0 > asked {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            (0.5, Some(high))
        }
    };
    let noise_sd = match settings.noise {
        Noise::Gaussian => noise_sd.or(Some((base / bin_ms).sqrt())),
        Noise::Poisson => None,
    };
    let means = rates(&tuning, base, modulation);
    let (mean, sd) = moments(&means, &ball.cells);
    let noise = noise_sd.map_or(mean / bin_ms, |sd| sd * sd);
    let (split_half_r, ceiling) = expected(sd * sd, noise);
    let truth = UnitTruth {
        terms,
        base,
        modulation,
        noise_sd,
        asked,
        split_half_r,
        ceiling,
    };
    (truth, means)
}

/// A Poisson number: by inversion for small means, else by transformed rejection (Hörmann 1993, PTRS).
fn poisson(stream: &mut Stream, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    if mean < 12.0 {
        let mut p = libm::exp(-mean);
        let mut left = stream.unit() - p;
        let mut k = 0.0;
        while left >= 0.0 && k < 200.0 {
            k += 1.0;
            p *= mean / k;
            left -= p;
        }
        return k;
    }
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = stream.unit() - 0.5;
        let v = stream.unit();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
        if us >= 0.07 && v <= v_r {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let left = libm::log(v) + libm::log(inverse_alpha) - libm::log(a / (us * us) + b);
        if left <= k * libm::log(mean) - mean - libm::lgamma(k + 1.0) {
            return k;
        }
    }
}

/// What is true of each unit; true means, means over trials and means of the halves, `[unit, condition, bin]`.
fn population(
    settings: &Settings,
    ball: &Ball,
    size: usize,
    monitor: &dyn Monitor,
) -> Result<(Vec<UnitTruth>, [Vec<f64>; 4])> {
    monitor.stage("units", settings.units as u64);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a small count"
    )]
    let untuned = (settings.untuned * settings.units as f64).round() as usize;
    let total = settings.units * size;
    let mut arrays: [Vec<f64>; 4] = std::array::from_fn(|_| vec![f64::NAN; total]);
    let [means, full, first, second] = &mut arrays;
    let halves = half_counts(settings.trials);
    let (n_bins, bin_ms) = (ball.axis.n_bins, ball.axis.bin_ms);
    let units: Vec<UnitTruth> = means
        .par_chunks_exact_mut(size)
        .zip(full.par_chunks_exact_mut(size))
        .zip(first.par_chunks_exact_mut(size))
        .zip(second.par_chunks_exact_mut(size))
        .enumerate()
        .map(|(index, (((means, full), first), second))| {
            if monitor.stopped() {
                return Err(Error::Interrupted);
            }
            // The last units are those without tuning.
            let tuned = index + untuned < settings.units;
            let (truth, true_means) = unit(settings, ball, index, tuned);
            let mut stream = Stream::new(settings.seed, "simulated noise", index as u64);
            for (at, &rate) in true_means.iter().enumerate() {
                means[at] = rate;
                // The last bin is NaN in the release.
                if at % n_bins == n_bins - 1 {
                    continue;
                }
                let mut draw = |trials: f64| match truth.noise_sd {
                    None => poisson(&mut stream, trials * rate * bin_ms) / (trials * bin_ms),
                    Some(sd) => rate + sd / trials.sqrt() * stream.normal(),
                };
                first[at] = draw(halves[0]);
                second[at] = draw(halves[1]);
                full[at] =
                    (halves[0] * first[at] + halves[1] * second[at]) / (halves[0] + halves[1]);
            }
            monitor.advance(1);
            Ok(truth)
        })
        .collect::<Result<_>>()?;
    Ok((units, arrays))
}

/// From the first to behind the last bin of a trial.
fn span(binned: &Binned) -> std::ops::Range<usize> {
    let bins = binned.bins(Epoch::All);
    bins.first().copied().unwrap_or(0)..bins.last().map_or(0, |last| last + 1)
}

/// Simulate a population that saw a set of conditions, in the published bins or others. The same settings give the same recording,
/// whatever the number of threads.
///
/// [`Error::Invalid`] for a setting out of its range, fewer than two conditions, or one that ends after the last bin;
/// [`Error::Interrupted`] when `monitor` stops it.
pub fn simulate(
    settings: &Settings,
    set: &ConditionSet,
    monitor: &dyn Monitor,
) -> Result<Simulated> {
    settings.check()?;
    let conditions = set.conditions();
    if conditions.len() < 2 {
        return Err(Error::invalid("conditions", "two or more"));
    }
    let axis = settings.axis(set)?;
    let n_bins = axis.n_bins;
    let binned: Vec<Binned> = conditions.iter().map(|c| c.binned(&axis)).collect();
    if let Some(long) = binned.iter().position(|of| span(of).end >= n_bins) {
        let why = format!("it does not end within {axis}");
        let id = conditions[long].id();
        return Err(Error::invalid(format!("condition {id}"), why));
    }
    let ball = Ball::new(&binned, axis);
    let size = conditions.len() * n_bins;
    let (units, arrays) = population(settings, &ball, size, monitor)?;
    let [means, full, first, second] = arrays;
    let means = Responses::new(settings.units, conditions.len(), n_bins, "spikes/ms", means)?;
    let mut root = Branch::default();
    let reliable = responses(
        &mut root,
        settings.units,
        (&binned, n_bins),
        [full, first, second],
    )?;
    let occ = TrialType::Occ.key();
    let ints =
        |values: Vec<i64>| Value::List(Arc::new(values.into_iter().map(Value::Int).collect()));
    let rows = reliable
        .iter()
        .map(|&row| i64::try_from(row).unwrap_or(i64::MAX));
    root.insert(&["reliable_neural_idx", occ], ints(rows.collect()))?;
    let matrix = |values: &[f64]| -> Result<Value> {
        let array = Array::from_f64(vec![conditions.len(), n_bins], values)?;
        Ok(Value::Array(Arc::new(array)))
    };
    for (name, inside) in mask_table(&binned, n_bins) {
        root.insert(&["masks", occ, name], matrix(&inside)?)?;
    }
    let paddle_mean_deg = paddle_means(settings, conditions);
    let trials = paddle_trials(settings, &paddle_mean_deg);
    for (name, values) in behaviors(settings, (&binned, axis), &trials) {
        root.insert(&["behavioral_responses", occ, name], matrix(&values)?)?;
    }
    tables(&mut root, settings, set, &trials)?;
    let number = settings.trials * conditions.len();
    root.insert(
        &["ntr_occ"],
        ints(vec![i64::try_from(number).unwrap_or(i64::MAX)]),
    )?;
    root.insert(&[NAME], Value::Bool(true))?;
    let expected = Expected {
        conditions: conditions.len(),
        bins: n_bins,
        bin_ms: axis.bin_ms,
    };
    let recorded = ConditionSet::published(Set::Primate79, Law::Display);
    if expected != Expected::default() || set.sha256() != recorded.sha256() {
        let axes = Axes {
            expected,
            first_bin_ms: axis.first_bin_ms,
            set: Some(set.identity()),
            notes: Vec::new(),
        };
        root.insert(&[AXES], axes.to_value())?;
    }
    let opening = Opening {
        conditions: Some(set.clone()),
        ..Opening::default()
    };
    let mut recording = Recording::of_value(&root.into_value(), &opening)?;
    recording.notes.insert(
        0,
        format!("SIMULATED by this program, seed {}", settings.seed),
    );
    Ok(Simulated {
        recording,
        set: set.identity(),
        settings: settings.clone(),
        units,
        means,
        paddle_mean_deg,
    })
}

/// Puts the responses of all units and of the reliable ones into the tree, and says which these are.
fn responses(
    root: &mut Branch,
    units: usize,
    (binned, n_bins): (&[Binned], usize),
    halves: [Vec<f64>; 3],
) -> Result<Vec<usize>> {
    let mask = super::dmfc::Mask::new(
        binned.len(),
        n_bins,
        (0..binned.len() * n_bins)
            .map(|at| {
                binned[at / n_bins]
                    .bins(Epoch::All)
                    .contains(&(at % n_bins))
            })
            .collect(),
    )?;
    let of = |values: Vec<f64>| Responses::new(units, binned.len(), n_bins, "spikes/ms", values);
    let [full, first, second] = halves;
    let [full, first, second] = [of(full)?, of(first)?, of(second)?];
    let found = reliability::split_half(&first, &second, &mask, reliability::PUBLISHED_P)?;
    let reliable: Vec<usize> = (0..found.len()).filter(|&u| found[u].reliable).collect();
    let occ = TrialType::Occ.key();
    let shape = vec![units, binned.len(), n_bins];
    for (half, all) in Half::ALL.into_iter().zip([full, first, second]) {
        let kept = all.select(&reliable)?;
        let kept_shape = vec![reliable.len(), binned.len(), n_bins];
        for (population, shape, values) in [
            (Population::All, shape.clone(), all),
            (Population::Reliable, kept_shape, kept),
        ] {
            let array = Array::from_f64(shape, values.as_slice())?;
            let key = population.key(half);
            root.insert(&[&*key, occ], Value::Array(Arc::new(array)))?;
        }
    }
    Ok(reliable)
}

/// The tables by condition and by trial.
fn tables(
    root: &mut Branch,
    settings: &Settings,
    set: &ConditionSet,
    trials: &[Vec<f64>],
) -> Result<()> {
    let conditions = set.conditions();
    let vector = |values: &[f64]| -> Result<Value> {
        Ok(Value::Array(Arc::new(Array::from_f64(
            vec![values.len()],
            values,
        )?)))
    };
    // Ids of the published table are numbers there; any other set's are text.
    let ids = |of: &[usize]| -> Result<(&str, Value)> {
        let id = |&c: &usize| conditions[c].id();
        let numbers: Option<Vec<f64>> = of.iter().map(|c| id(c).parse().ok()).collect();
        match numbers.filter(|_| set.is_published()) {
            Some(numbers) => Ok(("py_meta_index", vector(&numbers)?)),
            None => {
                let texts = of.iter().map(|c| Value::Str(id(c).into())).collect();
                let texts = Array::from_objects(vec![of.len()], false, Arc::new(texts))?;
                Ok(("condition_id", Value::Array(Arc::new(texts))))
            }
        }
    };
    let every: Vec<usize> = (0..conditions.len()).collect();
    let (name, values) = ids(&every)?;
    root.insert(&["meta", name], values)?;
    let starts: Option<Vec<&Condition>> = conditions.iter().map(SetCondition::start).collect();
    if let Some(starts) = starts.filter(|_| set.is_published()) {
        let column = |of: fn(&Condition) -> f64| -> Vec<f64> {
            starts.iter().map(|start| of(start)).collect()
        };
        for (name, of) in [
            ("t_occ", column(|c| c.t_occ.into())),
            ("t_f", column(|c| c.t_end.into())),
        ] {
            root.insert(&["meta", name], vector(&of)?)?;
        }
    }
    let ends: Vec<f64> = conditions.iter().map(aim).collect();
    root.insert(&["meta", "yf_mworks"], vector(&ends)?)?;
    let rows: Vec<usize> = (0..settings.trials).flat_map(|_| every.clone()).collect();
    let (name, values) = ids(&rows)?;
    root.insert(&["trial_meta", name], values)?;
    for (name, values) in trial_table(settings, &ends, trials) {
        root.insert(&["trial_meta", name], vector(&values)?)?;
    }
    Ok(())
}

/// Where the ball of a condition arrives by the design law where one is given, degrees: what the published criterion of a
/// hit looks at.
fn aim(condition: &SetCondition) -> f64 {
    let start = condition.start().filter(|_| condition.is_published());
    start.map_or_else(|| condition.end_height_deg(), Condition::y_final_design_deg)
}

/// Masks `[condition, bin]`, 1 inside and NaN outside.
fn mask_table(binned: &[Binned], n_bins: usize) -> Vec<(&'static str, Vec<f64>)> {
    let table = |of: &dyn Fn(&Binned) -> Vec<usize>| {
        let row = |binned: &Binned| {
            let inside = of(binned);
            (0..n_bins).map(move |bin| if inside.contains(&bin) { 1.0 } else { f64::NAN })
        };
        binned.iter().flat_map(row).collect()
    };
    let first = |bins: &[usize]| bins.first().copied().into_iter().collect();
    vec![
        ("start_end_pad0", table(&|b| b.bins(Epoch::All).to_vec())),
        (
            "start_occ_pad0",
            table(&|b| b.bins(Epoch::Visible).to_vec()),
        ),
        ("occ_end_pad0", table(&|b| b.bins(Epoch::Hidden).to_vec())),
        ("start_pad0", table(&|b| first(b.bins(Epoch::All)))),
        ("occ_pad0", table(&|b| first(b.bins(Epoch::Hidden)))),
        (
            "f_pad0",
            table(&|b| b.bins(Epoch::All).last().copied().into_iter().collect()),
        ),
    ]
}

/// `[condition]`: a gain below 1, and an offset of each condition.
fn paddle_means(settings: &Settings, conditions: &[SetCondition]) -> Vec<f64> {
    let mut stream = Stream::new(settings.seed, "simulated paddle means", 0);
    conditions
        .iter()
        .map(|c| (0.9 * aim(c) + 0.7 * stream.normal()).clamp(-9.5, 9.5))
        .collect()
}

/// `[condition][trial]`, degrees.
fn paddle_trials(settings: &Settings, means: &[f64]) -> Vec<Vec<f64>> {
    let mut stream = Stream::new(settings.seed, "simulated paddles", 0);
    means
        .iter()
        .map(|mean| {
            (0..settings.trials)
                .map(|_| mean + settings.paddle_sd_deg * stream.normal())
                .collect()
        })
        .collect()
}

fn behaviors(
    settings: &Settings,
    (binned, axis): (&[Binned], BinAxis),
    paddles: &[Vec<f64>],
) -> Vec<(&'static str, Vec<f64>)> {
    let join = |of: &dyn Fn(&Binned) -> &Vec<f64>| -> Vec<f64> {
        binned.iter().flat_map(|t| of(t).clone()).collect()
    };
    let (x, y) = (join(&|t| &t.x_deg), join(&|t| &t.y_deg));
    let (dx, dy) = (join(&|t| &t.dx_deg_per_bin), join(&|t| &t.dy_deg_per_bin));
    let mut stream = Stream::new(settings.seed, "simulated eye", 0);
    let [mut paddle, mut eye_h, mut eye_v] = std::array::from_fn(|_| Vec::with_capacity(x.len()));
    let [mut since, mut to_end, mut last_y] = std::array::from_fn(|_| Vec::with_capacity(x.len()));
    let mut joy = Vec::with_capacity(x.len());
    // The eye follows with a lag of about 150 ms.
    let follow = (0.3 * axis.bin_ms / 50.0).min(1.0);
    let most_deg = PADDLE_SPEED_DEG_PER_MS * axis.bin_ms;
    #[allow(clippy::cast_precision_loss, reason = "counts of bins")]
    for (condition, of) in binned.iter().enumerate() {
        let bins = span(of);
        let end = crate::stats::mean(&paddles[condition]);
        let (mut h, mut v) = (0.0, 0.0);
        // A smooth step from rest to the end.
        #[allow(clippy::cast_precision_loss, reason = "counts of bins")]
        let hand = |bin: usize| {
            let share = (bin.saturating_sub(bins.start)) as f64 / bins.len().max(1) as f64;
            let share = share.min(1.0);
            end * share * share * (3.0 - 2.0 * share)
        };
        for bin in 0..axis.n_bins {
            let at = condition * axis.n_bins + bin;
            let inside = bins.contains(&bin);
            paddle.push(hand(bin));
            joy.push(((hand(bin + 1) - hand(bin)) / most_deg).clamp(-1.0, 1.0));
            if inside {
                h += follow * (x[at] - h);
                v += follow * (y[at] - v);
            }
            eye_h.push(h + 0.3 * stream.normal());
            eye_v.push(v + 0.3 * stream.normal());
            let inside = |value: f64| if inside { value } else { f64::NAN };
            since.push(inside(bin as f64 - bins.start as f64));
            to_end.push(inside(bin as f64 - (bins.end - 1) as f64));
            last_y.push(y[condition * axis.n_bins + bins.end - 1]);
        }
    }
    vec![
        ("ball_pos_x", x.clone()),
        ("ball_pos_y", y.clone()),
        ("ball_pos_x_TRUE", x),
        ("ball_pos_y_TRUE", y),
        ("ball_pos_dx_TRUE", dx),
        ("ball_pos_dy_TRUE", dy),
        ("paddle_pos_y", paddle),
        // The share of the paddle's full speed that is asked for, -1 (down) to 1 (up).
        ("joy", joy),
        ("eye_h", eye_h),
        ("eye_v", eye_v),
        ("t_from_start", since),
        ("t_from_end", to_end),
        ("ball_final_y", last_y),
    ]
}

/// Single trials by column. The criterion of a hit is this simulation's own: within 1.5 degrees.
#[allow(clippy::cast_precision_loss, reason = "counts of trials")]
fn trial_table(
    settings: &Settings,
    ends: &[f64],
    paddles: &[Vec<f64>],
) -> Vec<(&'static str, Vec<f64>)> {
    let rows: Vec<(usize, usize)> = (0..settings.trials)
        .flat_map(|trial| (0..ends.len()).map(move |condition| (condition, trial)))
        .collect();
    let column = |of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        rows.iter()
            .map(|&(condition, trial)| of(condition, trial))
            .collect()
    };
    let hit = |c: usize, t: usize| (paddles[c][t] - ends[c]).abs() <= 1.5;
    vec![
        ("occ_alpha", column(&|_, _| 1.0)),
        ("ignore", column(&|_, _| 0.0)),
        ("success", column(&|c, t| f64::from(u8::from(hit(c, t))))),
        ("failure", column(&|c, t| f64::from(u8::from(!hit(c, t))))),
        ("paddle_y", column(&|c, t| paddles[c][t])),
        ("yf_mworks", column(&|c, _| ends[c])),
        ("session", column(&|_, _| 0.0)),
        ("trial", column(&|c, t| (t * ends.len() + c + 1) as f64)),
    ]
}

impl Simulated {
    /// Write the recording as `.npz` in the released layout, with `truth/means` `[unit, condition, bin]` in it, or as the
    /// folder of [`convert`] for a path without `.npz`; and beside it `NAME-truth.json` ([`TruthFile`]; in the folder
    /// `truth.json` and `truth.npz`). Returns the path of the JSON.
    ///
    /// [`Error::Invalid`] for a name that does not say `simulated`; [`Error::Io`] or [`Error::Game`] if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<PathBuf> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        if !name.is_some_and(|name| name.contains(NAME)) {
            let why =
                format!("its name has to say \"{NAME}\", so that nobody takes it for a recording");
            return Err(Error::invalid(path.display().to_string(), why));
        }
        let [units, conditions, bins] = [
            self.means.units(),
            self.means.conditions(),
            self.means.bins(),
        ];
        let split_half: Vec<f64> = self.units.iter().map(|u| u.split_half_r).collect();
        let ceiling: Vec<f64> = self.units.iter().map(|u| u.ceiling).collect();
        let truth = [
            (
                "truth/means".to_owned(),
                vec![units, conditions, bins],
                Column::Floats(self.means.as_slice()),
            ),
            (
                "truth/split_half_r".to_owned(),
                vec![units],
                Column::Floats(&split_half),
            ),
            (
                "truth/ceiling".to_owned(),
                vec![units],
                Column::Floats(&ceiling),
            ),
            (
                "truth/paddle_mean_deg".to_owned(),
                vec![conditions],
                Column::Floats(&self.paddle_mean_deg),
            ),
        ];
        let json = if path.extension().is_some_and(|e| e == "npz") {
            npz::write_recording(path, &self.recording, truth.into())?;
            let stem = path.with_extension("");
            let stem = stem.file_name().map(|n| n.to_string_lossy().into_owned());
            path.with_file_name(format!("{}-truth.json", stem.unwrap_or_default()))
        } else {
            create_folder(path)?;
            convert::write(&self.recording, path)?;
            write_npz(&path.join("truth.npz"), &truth)?;
            path.join("truth.json")
        };
        let file = TruthFile {
            simulated: "SIMULATED data: nothing was recorded".into(),
            set: self.set.clone(),
            settings: self.settings.clone(),
            units: self.units.clone(),
            paddle_mean_deg: self.paddle_mean_deg.clone(),
        };
        let mut text = serde_json::to_vec_pretty(&file)?;
        text.push(b'\n');
        write_atomic(&json, |out| out.write_all(&text))?;
        Ok(json)
    }
}
