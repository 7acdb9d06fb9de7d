//! Bootstrap intervals over independent units: conditions, neurons, participants.
//!
//! Efron & Tibshirani 1993, chapters 13 and 14. What is drawn with replacement has to be independent: conditions, never the
//! bins of one condition, and never overlapping train/test splits. Resample `b` has its own random stream, so the result
//! does not depend on the number of threads.

use mental_pong_base::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc_inv;

use super::{mean, quantile};
use crate::error::{Error, Result};

/// How the ends of an interval are taken from the resamples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntervalMethod {
    /// Bias-corrected and accelerated (Efron 1987): follows the skew of bounded statistics such as correlations.
    Bca,
    /// Percentiles of the resamples.
    Percentile,
}

/// A statistic with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The statistic of the data themselves.
    #[serde(with = "crate::nan_as_null")]
    pub estimate: f64,
    /// Lower end; NaN (null) where it is not defined, see [`Bootstrap::interval`].
    #[serde(with = "crate::nan_as_null")]
    pub low: f64,
    /// Upper end; NaN (null) with `low`.
    #[serde(with = "crate::nan_as_null")]
    pub high: f64,
    /// Nominal coverage, for example 0.95.
    pub level: f64,
    /// How the ends were taken. Percentile where BCa was asked for but all resamples lie on one side of the estimate.
    pub method: IntervalMethod,
    /// Independent units.
    pub n: usize,
    /// Resamples drawn.
    pub resamples: usize,
    /// Resamples in which the statistic is undefined; they are left out.
    pub undefined: usize,
}

impl Interval {
    /// Whether a value lies inside, ends included. False where the interval is undefined.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Number of resamples.
    pub resamples: usize,
    /// Nominal coverage, inside (0, 1).
    pub level: f64,
    /// How the ends are taken.
    pub method: IntervalMethod,
    /// Root seed.
    pub seed: u64,
    /// Fewest units that are accepted.
    pub min_n: usize,
}

impl Default for Bootstrap {
    /// 10,000 resamples, 95 %, BCa, at least 10 units: with fewer the tails of a resample hold too few distinct values for
    /// any interval.
    fn default() -> Self {
        Self {
            resamples: 10_000,
            level: 0.95,
            method: IntervalMethod::Bca,
            seed: 0,
            min_n: 10,
        }
    }
}

impl Bootstrap {
    /// Fewest resamples that are accepted.
    pub const MIN_RESAMPLES: usize = 100;

    /// With more than this share of undefined resamples an interval has no ends.
    pub const MAX_UNDEFINED_SHARE: f64 = 0.05;

    /// The statistic of each resample, `[resample]`. `statistic` gets the drawn units, `n` of them out of `0..n`.
    pub fn replicates(&self, n: usize, statistic: impl Fn(&[usize]) -> f64 + Sync) -> Vec<f64> {
        (0..self.resamples as u64)
            .into_par_iter()
            .map_init(
                || vec![0; n],
                |drawn, b| {
                    let mut stream = Stream::new(self.seed, "bootstrap", b);
                    drawn.fill_with(|| stream.below(n));
                    statistic(drawn)
                },
            )
            .collect()
    }

    /// The interval of a statistic over `n` units. `statistic` gets the units that take part, with repeats: `0..n` for the
    /// estimate, `n` drawn ones for a resample, and all but one for the acceleration of BCa.
    ///
    /// For a paired comparison let it be the difference of two statistics of the same units. The ends are NaN where the
    /// estimate is undefined or more than [`Self::MAX_UNDEFINED_SHARE`] of the resamples are. `what` names the statistic in
    /// errors.
    ///
    /// [`Error::TooFew`] below `min_n` units or 100 resamples; [`Error::Invalid`] for a bad level.
    pub fn interval(
        &self,
        what: &str,
        n: usize,
        statistic: impl Fn(&[usize]) -> f64 + Sync,
    ) -> Result<Interval> {
        self.check(what, n)?;
        let all: Vec<usize> = (0..n).collect();
        let estimate = statistic(&all);
        let replicates = self.replicates(n, &statistic);
        let jackknife: Vec<f64> = match self.method {
            IntervalMethod::Percentile => Vec::new(),
            IntervalMethod::Bca => (0..n)
                .into_par_iter()
                .map(|out| {
                    let rest: Vec<usize> = (0..n).filter(|&i| i != out).collect();
                    statistic(&rest)
                })
                .collect(),
        };
        Ok(self.interval_of_replicates(estimate, &replicates, &jackknife, n))
    }

    fn check(&self, what: &str, n: usize) -> Result<()> {
        if n < self.min_n.max(2) {
            return Err(Error::too_few(
                format!("units of the bootstrap of {what}"),
                self.min_n.max(2),
                n,
            ));
        }
        if self.resamples < Self::MIN_RESAMPLES {
            return Err(Error::too_few(
                format!("resamples of the bootstrap of {what}"),
                Self::MIN_RESAMPLES,
                self.resamples,
            ));
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(Error::invalid(
                "level of the bootstrap",
                format!("{} is not inside (0, 1)", self.level),
            ));
        }
        Ok(())
    }

    /// The interval from resamples made elsewhere. `jackknife` `[unit]` is the statistic without each unit; only BCa reads
    /// it, and undefined values of it are left out.
    #[must_use]
    pub fn interval_of_replicates(
        &self,
        estimate: f64,
        replicates: &[f64],
        jackknife: &[f64],
        n: usize,
    ) -> Interval {
        let defined: Vec<f64> = replicates.iter().copied().filter(|v| !v.is_nan()).collect();
        let undefined = replicates.len() - defined.len();
        let tail = (1.0 - self.level) / 2.0;
        let mut interval = Interval {
            estimate,
            low: f64::NAN,
            high: f64::NAN,
            level: self.level,
            method: self.method,
            n,
            resamples: replicates.len(),
            undefined,
        };
        let bound = Self::MAX_UNDEFINED_SHARE * replicates.len() as f64;
        if estimate.is_nan() || defined.is_empty() || undefined as f64 > bound {
            return interval;
        }
        let (low, high) = match self.method {
            IntervalMethod::Percentile => (tail, 1.0 - tail),
            IntervalMethod::Bca => match bca_levels(estimate, &defined, jackknife, tail) {
                Some(levels) => levels,
                None => {
                    interval.method = IntervalMethod::Percentile;
                    (tail, 1.0 - tail)
                }
            },
        };
        interval.low = quantile(&defined, low);
        interval.high = quantile(&defined, high);
        interval
    }
}

/// Levels at which BCa reads the resamples; `None` where all of them lie on one side of the estimate.
fn bca_levels(
    estimate: f64,
    replicates: &[f64],
    jackknife: &[f64],
    tail: f64,
) -> Option<(f64, f64)> {
    let below = replicates.iter().filter(|&&v| v < estimate).count();
    let up_to = replicates.iter().filter(|&&v| v <= estimate).count();
    // Ties count by half, as in scipy.
    let share = (below + up_to) as f64 / (2 * replicates.len()) as f64;
    let bias = normal_quantile(share);
    if !bias.is_finite() {
        return None;
    }
    let defined: Vec<f64> = jackknife.iter().copied().filter(|v| !v.is_nan()).collect();
    let centre = mean(&defined);
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in &defined {
        let d = centre - value;
        squares += d * d;
        cubes += d * d * d;
    }
    let acceleration = if squares > 0.0 {
        cubes / (6.0 * squares.powf(1.5))
    } else {
        0.0
    };
    let level = |q: f64| {
        let z = bias + normal_quantile(q);
        normal_cdf(bias + z / (1.0 - acceleration * z))
    };
    let (low, high) = (level(tail), level(1.0 - tail));
    (low.is_finite() && high.is_finite()).then_some((low, high))
}

/// Standard normal distribution function.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Quantile of the standard normal distribution; infinite at 0 and 1.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_units_are_refused() {
        let error = Bootstrap::default().interval("r", 9, |d| d.len() as f64);
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("at least 10") && message.contains("of r"),
            "{message}"
        );
        let few = Bootstrap {
            resamples: 50,
            ..Bootstrap::default()
        };
        assert!(few.interval("r", 20, |_| 0.0).is_err());
    }

    #[test]
    fn a_statistic_that_is_often_undefined_has_no_interval() {
        let bootstrap = Bootstrap {
            resamples: 500,
            ..Bootstrap::default()
        };
        let undefined = |d: &[usize]| if d.contains(&0) { 1.0 } else { f64::NAN };
        let interval = bootstrap.interval("x", 12, undefined).unwrap();
        assert!(interval.undefined > 100 && interval.low.is_nan());
        assert!(!interval.contains(1.0));
        // A constant has all resamples on the estimate: no bias, no acceleration, a point.
        let point = bootstrap.interval("x", 12, |_| 3.0).unwrap();
        assert_eq!((point.low, point.high, point.undefined), (3.0, 3.0, 0));
    }

    #[test]
    fn threads_do_not_change_the_interval_and_the_seed_does() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * i % 17)).collect();
        let run = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let bootstrap = Bootstrap {
                resamples: 1000,
                seed,
                ..Bootstrap::default()
            };
            pool.install(|| {
                let mean = |d: &[usize]| d.iter().map(|&i| values[i]).sum::<f64>() / d.len() as f64;
                bootstrap.interval("mean", 40, mean).unwrap()
            })
        };
        assert_eq!(run(1, 3), run(4, 3));
        assert_ne!(run(1, 3), run(1, 4));
    }
}
