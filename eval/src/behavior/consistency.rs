//! Do two observers err alike, as far as their noise lets one tell?

use mental_pong_base::Stream;
use serde::{Deserialize, Serialize};

use super::{TrialTable, error_pattern, stratified_halves};
use crate::error::{Error, Result};
use crate::recordings::reliability::spearman_brown;
use crate::stats::{self, Summary, pearson};

/// Error patterns of one observer: of all trials, and of random halves of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorHalves {
    /// Name, for results.
    pub name: String,
    /// `[condition]`, ids.
    pub ids: Vec<u32>,
    /// `[condition]`, residual error of all trials, degrees.
    pub full: Vec<f64>,
    /// `[iteration]`, `[condition]` of each half. Empty for an observer without noise (one trial a condition): its halves are
    /// the whole.
    pub halves: Vec<[Vec<f64>; 2]>,
}

/// What an observer's errors are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The residual of one regression of the paddle on the truth over all trials (of a half: of its trials), averaged within
    /// a condition. The published one (`residual_err_total`).
    #[default]
    Residual,
    /// Mean paddle less truth: gain and offset stay in, and make observers alike that share no more than a pull to the middle.
    Difference,
}

/// Published number of halvings.
pub const PUBLISHED_ITERATIONS: usize = 10;

impl ErrorHalves {
    /// Patterns over the conditions `ids`, with `iterations` halvings ([`stratified_halves`] of seed, seed + 1, ...).
    ///
    /// If every condition has one trial the observer is noiseless, as published for networks. (The published code also takes an
    /// observer for noiseless if *one* condition has one trial; here that is an error: choose conditions with
    /// [`TrialTable::conditions`]`(2)`.)
    ///
    /// Errors as [`TrialTable::check`], [`TrialTable::by_condition`], [`stratified_halves`].
    pub fn new(
        name: impl Into<String>,
        table: &TrialTable,
        ids: &[u32],
        kind: ErrorKind,
        iterations: usize,
        seed: u32,
    ) -> Result<Self> {
        table.check()?;
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        let mine = table.filter(|i| {
            table.paddle_deg[i].is_finite() && sorted.binary_search(&table.condition[i]).is_ok()
        });
        let (_, paddles) = mine.by_condition(ids)?;
        let noiseless = paddles.iter().all(|p| p.len() == 1);
        let halves = if noiseless {
            Vec::new()
        } else {
            (0..iterations)
                .map(|i| {
                    let [a, b] = stratified_halves(&mine.condition, seed.wrapping_add(i as u32))?;
                    Ok([
                        pattern(&mine.select(&a), ids, kind)?,
                        pattern(&mine.select(&b), ids, kind)?,
                    ])
                })
                .collect::<Result<_>>()?
        };
        Ok(Self {
            name: name.into(),
            ids: ids.to_vec(),
            full: pattern(&mine, ids, kind)?,
            halves,
        })
    }

    /// A noiseless observer from its pattern, `[condition]`. [`Error::Shape`] if the lengths differ.
    pub fn noiseless(name: impl Into<String>, ids: &[u32], errors: &[f64]) -> Result<Self> {
        if ids.len() != errors.len() {
            return Err(Error::shape(
                "errors",
                format!("{} conditions", ids.len()),
                format!("{} values", errors.len()),
            ));
        }
        Ok(Self {
            name: name.into(),
            ids: ids.to_vec(),
            full: errors.to_vec(),
            halves: Vec::new(),
        })
    }

    fn pairs(&self) -> Vec<[&[f64]; 2]> {
        if self.halves.is_empty() {
            return vec![[&self.full, &self.full]];
        }
        self.halves
            .iter()
            .map(|[a, b]| [a.as_slice(), b.as_slice()])
            .collect()
    }
}

fn pattern(table: &TrialTable, ids: &[u32], kind: ErrorKind) -> Result<Vec<f64>> {
    let (truth, paddles) = table.by_condition(ids)?;
    let p = error_pattern(ids, &paddles, &truth)?;
    Ok(match kind {
        ErrorKind::Residual => p.residual,
        ErrorKind::Difference => p.error,
    })
}

/// Noise-corrected consistency of two observers (P22).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BehavioralConsistency {
    /// The observers.
    pub observers: [String; 2],
    /// Conditions that both saw.
    pub n_conditions: usize,
    /// The score: mean over all pairs of halvings (10 × 10 as published; fewer where an observer is noiseless) of the mean of
    /// the four correlations between halves, over `sqrt(r(x1,x2) r(y1,y2))`. No Spearman–Brown. `sd` is over pairs of
    /// halvings: how much the halving matters, not a standard error.
    pub corrected: Summary,
    /// `[i * n_j + j]`, the value of each pair of halvings.
    #[serde(with = "super::nan_list")]
    pub values: Vec<f64>,
    /// Normalised squared error ([`nse`]) over the same pairs; 0 is agreement.
    pub nse: Summary,
    /// Correlation of the patterns of all trials, not corrected.
    #[serde(with = "crate::nan_as_null")]
    pub r_uncorrected: f64,
    /// r(x1, x2) and r(y1, y2) over halvings; 1 for a noiseless observer.
    pub split_half: [Summary; 2],
    /// Bootstrap over conditions of the score: `sd` is its standard error. The patterns are not fitted again.
    pub over_conditions: Summary,
}

/// [`BehavioralConsistency`] of two observers over the same conditions in the same order, with `resamples` bootstrap samples of
/// conditions. Values that are NaN are left out pair by pair, as published.
///
/// [`Error::Shape`] if the conditions differ.
pub fn consistency(
    x: &ErrorHalves,
    y: &ErrorHalves,
    resamples: usize,
    seed: u64,
) -> Result<BehavioralConsistency> {
    if x.ids != y.ids {
        return Err(Error::shape(
            format!("conditions of {}", y.name),
            format!("the {} of {}, in their order", x.ids.len(), x.name),
            format!("{} others", y.ids.len()),
        ));
    }
    let (xs, ys) = (x.pairs(), y.pairs());
    let values = scores(&xs, &ys);
    let errors: Vec<f64> = xs
        .iter()
        .flat_map(|a| ys.iter().map(|b| nse(a[0], a[1], b[0], b[1])))
        .collect();
    let halves = |pairs: &[[&[f64]; 2]]| {
        Summary::over_splits(
            &pairs
                .iter()
                .map(|p| finite_r(p[0], p[1]))
                .collect::<Vec<_>>(),
        )
    };
    let stream = Stream::new(seed, "consistency over conditions", 0);
    let over_conditions = stats::bootstrap(x.ids.len(), resamples, stream, |drawn| {
        let draw = |pairs: &[[&[f64]; 2]]| -> Vec<[Vec<f64>; 2]> {
            pairs
                .iter()
                .map(|p| p.map(|half| drawn.iter().map(|&c| half[c]).collect()))
                .collect()
        };
        let (xs, ys) = (draw(&xs), draw(&ys));
        let (xs, ys): (Vec<_>, Vec<_>) = (
            xs.iter()
                .map(|p| [p[0].as_slice(), p[1].as_slice()])
                .collect(),
            ys.iter()
                .map(|p| [p[0].as_slice(), p[1].as_slice()])
                .collect(),
        );
        Summary::over_splits(&scores(&xs, &ys)).mean
    });
    Ok(BehavioralConsistency {
        observers: [x.name.clone(), y.name.clone()],
        n_conditions: x.ids.len(),
        corrected: Summary::over_splits(&values),
        values,
        nse: Summary::over_splits(&errors),
        r_uncorrected: finite_r(&x.full, &y.full),
        split_half: [halves(&xs), halves(&ys)],
        over_conditions,
    })
}

/// The score of every pair of halvings.
fn scores(xs: &[[&[f64]; 2]], ys: &[[&[f64]; 2]]) -> Vec<f64> {
    let own = |pairs: &[[&[f64]; 2]]| -> Vec<f64> {
        pairs.iter().map(|p| finite_r(p[0], p[1])).collect()
    };
    let (rxx, ryy) = (own(xs), own(ys));
    let mut out = Vec::with_capacity(xs.len() * ys.len());
    for (x, rx) in xs.iter().zip(&rxx) {
        for (y, ry) in ys.iter().zip(&ryy) {
            let across = [
                finite_r(x[0], y[0]),
                finite_r(x[0], y[1]),
                finite_r(x[1], y[0]),
                finite_r(x[1], y[1]),
            ];
            out.push(corrected(stats::mean(&across), *rx, *ry));
        }
    }
    out
}

/// NaN if a reliability is not positive.
fn corrected(r_xy: f64, r_xx: f64, r_yy: f64) -> f64 {
    if r_xx > 0.0 && r_yy > 0.0 {
        r_xy / (r_xx * r_yy).sqrt()
    } else {
        f64::NAN
    }
}

fn finite_r(x: &[f64], y: &[f64]) -> f64 {
    if x.iter().chain(y).all(|v| v.is_finite()) {
        return pearson(x, y);
    }
    let (a, b): (Vec<f64>, Vec<f64>) = x
        .iter()
        .zip(y)
        .filter(|(a, b)| a.is_finite() && b.is_finite())
        .unzip();
    pearson(&a, &b)
}

/// Noise-corrected normalised squared error of two observers with two halves each (Norman-Haignere & McDermott 2018):
/// `(µ(x²) + µ(y²) - 2 µ(xy)) / (µ(x²) + µ(y²) - 2 µ(x) µ(y))`, where µ(xy) is the mean over the four pairs of halves and
/// µ(x²) = mean(x1², x2²) - mean((x1 - x2)²) / 2 is the second moment without the noise. 0 is agreement, 1 is what unrelated
/// patterns of one mean have. All of one length; NaN if empty or if lengths differ.
#[must_use]
pub fn nse(x1: &[f64], x2: &[f64], y1: &[f64], y2: &[f64]) -> f64 {
    let n = x1.len();
    if n == 0 || [x2.len(), y1.len(), y2.len()] != [n; 3] {
        return f64::NAN;
    }
    let product = |a: &[f64], b: &[f64]| {
        // A missing value is left out of its product only, as published.
        let terms: Vec<f64> = a
            .iter()
            .zip(b)
            .map(|(a, b)| a * b)
            .filter(|v| !v.is_nan())
            .collect();
        stats::mean(&terms)
    };
    let average = |a: &[f64]| {
        let there: Vec<f64> = a.iter().copied().filter(|v| !v.is_nan()).collect();
        stats::mean(&there)
    };
    let square = |a: &[f64], b: &[f64]| {
        let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        (product(a, a) + product(b, b)) / 2.0 - product(&difference, &difference) / 2.0
    };
    let xy = (product(x1, y1) + product(x1, y2) + product(x2, y1) + product(x2, y2)) / 4.0;
    let (x, y) = (
        (average(x1) + average(x2)) / 2.0,
        (average(y1) + average(y2)) / 2.0,
    );
    let squares = square(x1, x2) + square(y1, y2);
    (squares - 2.0 * xy) / (squares - 2.0 * x * y)
}

/// How consistent a population is with itself: what a model of it can reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Conditions, the fewest over the splits.
    pub n_conditions: usize,
    /// Random halves of the *subjects* as two observers, each with halves of its own trials: noise-corrected consistency over
    /// splits of the subjects. Below 1 where subjects differ. `n` is 0 for fewer than two subjects.
    pub between_subjects: Summary,
    /// Correlation of random halves of all *trials*, subjects mixed, over halvings; not corrected.
    pub split_half: Summary,
    /// `split_half` brought to all trials by Spearman–Brown: what a noiseless observer of the true pattern would reach, squared.
    pub split_half_spearman_brown: Summary,
}

/// [`Ceiling`] of the trials of a table, over `iterations` splits.
///
/// A split of the subjects uses the conditions with two trials on both sides; one without any is left out.
///
/// Errors as [`ErrorHalves::new`].
pub fn ceiling(
    table: &TrialTable,
    kind: ErrorKind,
    iterations: usize,
    seed: u32,
) -> Result<Ceiling> {
    let ids = table.conditions(2);
    let all = ErrorHalves::new("all", table, &ids, kind, iterations, seed)?;
    let r: Vec<f64> = all.halves.iter().map(|[a, b]| finite_r(a, b)).collect();
    let subjects = table.subjects();
    let mut between = Vec::new();
    let mut n_conditions = ids.len();
    if subjects.len() >= 2 {
        for i in 0..iterations {
            let order = Stream::new(u64::from(seed), "halves of subjects", i as u64)
                .permutation(subjects.len());
            let first: Vec<u32> = order[..subjects.len() / 2]
                .iter()
                .map(|&s| subjects[s])
                .collect();
            let one = table.filter(|t| first.contains(&table.subject[t]));
            let other = table.filter(|t| !first.contains(&table.subject[t]));
            let theirs = other.conditions(2);
            let both: Vec<u32> = one
                .conditions(2)
                .into_iter()
                .filter(|id| theirs.binary_search(id).is_ok())
                .collect();
            n_conditions = n_conditions.min(both.len());
            if both.len() < 3 {
                continue;
            }
            let seed = seed.wrapping_add((i * iterations) as u32);
            let x = ErrorHalves::new("one half", &one, &both, kind, iterations, seed)?;
            let y = ErrorHalves::new("other half", &other, &both, kind, iterations, seed)?;
            between.push(Summary::over_splits(&scores(&x.pairs(), &y.pairs())).mean);
        }
    }
    Ok(Ceiling {
        n_conditions,
        between_subjects: Summary::over_splits(&between),
        split_half: Summary::over_splits(&r),
        split_half_spearman_brown: Summary::over_splits(
            &r.iter().map(|&r| spearman_brown(r)).collect::<Vec<_>>(),
        ),
    })
}
