//! Correlations, errors and summaries. Sums run in the order of the input, so the result does not depend on threads.
//!
//! What they rest on: [`mod@bootstrap`] intervals, [`permutation`] and [`rank_tests`], [`multiple`] comparisons, [`effect`] sizes,
//! and [`moments`], the sums of one condition that make thousands of resamples cheap.

pub mod bootstrap;
pub mod effect;
pub mod moments;
pub mod multiple;
pub mod permutation;
pub mod rank_tests;

use mental_pong_base::Stream;
use serde::{Deserialize, Serialize};

/// Arithmetic mean. NaN for an empty slice.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation with divisor n (ddof 0), as `numpy.std`. NaN for an empty slice.
#[must_use]
pub fn sd(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|v| (v - centre) * (v - centre)).sum();
    if values.is_empty() {
        return f64::NAN;
    }
    (squares / values.len() as f64).sqrt()
}

/// Pearson correlation of two slices of one length.
///
/// NaN with fewer than two values, for slices of different length, or where one side is constant. "Constant" includes
/// spreads that are rounding only: a root sum of squares about the mean below 1e-13 of the root sum of squares (scipy
/// warns at the same bound).
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    if x.len() != y.len() || x.len() < 2 {
        return f64::NAN;
    }
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut sxx, mut syy, mut sxy) = (0.0, 0.0, 0.0);
    let (mut raw_x, mut raw_y) = (0.0, 0.0);
    for (&a, &b) in x.iter().zip(y) {
        let (da, db) = (a - mean_x, b - mean_y);
        sxx += da * da;
        syy += db * db;
        sxy += da * db;
        raw_x += a * a;
        raw_y += b * b;
    }
    const ROUNDING: f64 = 1e-26;
    if !(sxx > ROUNDING * raw_x && syy > ROUNDING * raw_y) {
        return f64::NAN;
    }
    (sxy / sxx.sqrt() / syy.sqrt()).clamp(-1.0, 1.0)
}

/// Ranks from 1; ties get their average rank. Values have to be finite: NaN sorts last and is not treated as a tie.
#[must_use]
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        // `==` and not total_cmp, so that 0 and -0 are a tie.
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        let rank = (start + 1 + end) as f64 / 2.0;
        for &index in &order[start..end] {
            ranks[index] = rank;
        }
        start = end;
    }
    ranks
}

/// Spearman correlation: Pearson correlation of average ranks. NaN where [`pearson`] of the values is NaN.
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    if pearson(x, y).is_nan() {
        return f64::NAN;
    }
    pearson(&average_ranks(x), &average_ranks(y))
}

/// Mean absolute difference. NaN if empty or of different length.
#[must_use]
pub fn mean_absolute_error(x: &[f64], y: &[f64]) -> f64 {
    if x.len() != y.len() || x.is_empty() {
        return f64::NAN;
    }
    x.iter().zip(y).map(|(a, b)| (a - b).abs()).sum::<f64>() / x.len() as f64
}

/// Root of the mean squared difference. NaN if empty or of different length.
#[must_use]
pub fn root_mean_squared_error(x: &[f64], y: &[f64]) -> f64 {
    if x.len() != y.len() || x.is_empty() {
        return f64::NAN;
    }
    (x.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / x.len() as f64).sqrt()
}

/// Quantile with linear interpolation between order statistics (numpy's default), `q` in 0..=1. NaN if empty.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> f64 {
    if values.is_empty() || !(0.0..=1.0).contains(&q) {
        return f64::NAN;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

/// A quantity over splits. Splits overlap, so this is a spread, not a standard error (trap 16 of the specification).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Mean over the splits where the quantity is defined; NaN (JSON null) where there is none.
    #[serde(with = "crate::nan_as_null")]
    pub mean: f64,
    /// Standard deviation over these splits, ddof 0.
    #[serde(with = "crate::nan_as_null")]
    pub sd: f64,
    /// 2.5th percentile over these splits.
    #[serde(with = "crate::nan_as_null")]
    pub p025: f64,
    /// 97.5th percentile over these splits.
    #[serde(with = "crate::nan_as_null")]
    pub p975: f64,
    /// Splits where the quantity is defined.
    pub n: usize,
    /// Splits where it is not (for example the correlation of a constant prediction).
    pub n_undefined: usize,
}

impl Summary {
    /// Summary of one value for each split, in split order; NaN is "undefined".
    #[must_use]
    pub fn over_splits(values: &[f64]) -> Self {
        let defined: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        Self {
            mean: mean(&defined),
            sd: sd(&defined),
            p025: quantile(&defined, 0.025),
            p975: quantile(&defined, 0.975),
            n: defined.len(),
            n_undefined: values.len() - defined.len(),
        }
    }
}

/// Bootstrap distribution of a statistic of `n` things: `statistic` gets `n` indices drawn with replacement, `resamples`
/// times. `sd` of the result is the standard error, `p025` and `p975` the percentile interval.
#[must_use]
pub fn bootstrap(
    n: usize,
    resamples: usize,
    mut stream: Stream,
    mut statistic: impl FnMut(&[usize]) -> f64,
) -> Summary {
    let values: Vec<f64> = (0..resamples)
        .map(|_| {
            let drawn: Vec<usize> = (0..n).map(|_| stream.below(n)).collect();
            statistic(&drawn)
        })
        .collect();
    Summary::over_splits(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_of_a_constant_is_undefined() {
        assert!(pearson(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]).is_nan());
        assert!(pearson(&[0.1 + 0.2, 0.3, 0.3], &[1.0, 2.0, 3.0]).is_nan());
        assert!(pearson(&[1.0], &[1.0]).is_nan());
        assert!(spearman(&[2.0, 2.0], &[1.0, 3.0]).is_nan());
        assert!((pearson(&[1.0, 2.0, 3.0], &[-2.0, -4.0, -6.0]) + 1.0).abs() < 1e-15);
    }

    #[test]
    fn ties_share_their_average_rank() {
        assert_eq!(
            average_ranks(&[2.0, -1.0, 2.0, 0.0, -0.0]),
            [4.5, 1.0, 4.5, 2.5, 2.5]
        );
    }

    #[test]
    fn summary_counts_the_undefined_apart() {
        let summary = Summary::over_splits(&[1.0, f64::NAN, 3.0]);
        assert_eq!((summary.n, summary.n_undefined), (2, 1));
        assert!((summary.mean - 2.0).abs() < 1e-15 && (summary.sd - 1.0).abs() < 1e-15);
        assert!((summary.p025 - 1.05).abs() < 1e-12);
        assert!(Summary::over_splits(&[f64::NAN]).mean.is_nan());
    }

    #[test]
    fn errors_follow_their_definition() {
        assert!((mean_absolute_error(&[1.0, 5.0], &[2.0, 2.0]) - 2.0).abs() < 1e-15);
        assert!((root_mean_squared_error(&[1.0, 5.0], &[2.0, 2.0]) - 5f64.sqrt()).abs() < 1e-15);
        assert!(mean_absolute_error(&[], &[]).is_nan());
    }

    #[test]
    fn bootstrap_of_a_mean_has_its_standard_error() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let found = bootstrap(400, 2000, Stream::new(1, "test", 0), |drawn| {
            drawn.iter().map(|&i| values[i]).sum::<f64>() / drawn.len() as f64
        });
        let expected = sd(&values) / 20.0;
        assert!((found.sd - expected).abs() < 0.1 * expected);
        assert!(found.p025 < mean(&values) && found.p975 > mean(&values));
    }
}
