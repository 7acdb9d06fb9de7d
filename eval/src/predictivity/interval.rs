//! Intervals of predictivity, by bootstrap over conditions and units.

use faer::Mat;
use mental_pong_base::{Stream, simd::dispatch};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::score::{corrected, mean_defined, median_defined};
use crate::error::{Error, Result};
use crate::linear::dense;
use crate::stats;

/// How intervals are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct IntervalOptions {
    /// Replicates. Default 1000.
    pub replicates: u32,
    /// Share of the replicates inside, in (0, 1). Default 0.95.
    pub level: f64,
    /// Root seed. Default 0.
    pub seed: u64,
}

impl Default for IntervalOptions {
    fn default() -> Self {
        Self {
            replicates: 1000,
            level: 0.95,
            seed: 0,
        }
    }
}

/// Percentile interval of replicates that several quantities share; [`crate::stats::bootstrap::Interval`] says of one
/// statistic how it was made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PercentileInterval {
    /// Lower end; NaN if no replicate is defined.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Replicates in which the quantity is defined.
    pub n: usize,
}

impl PercentileInterval {
    /// The middle `level` of the values that are not NaN.
    #[must_use]
    pub fn of(values: &[f64], level: f64) -> Self {
        let defined: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        Self {
            low: stats::quantile(&defined, (1.0 - level) / 2.0),
            high: stats::quantile(&defined, (1.0 + level) / 2.0),
            n: defined.len(),
        }
    }

    /// Whether a value lies inside, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// Sums of x, y, x², y², xy for each pair of series that is correlated.
const SUMS: usize = 5;

/// Replicates that are summed by one product: their totals stay in the cache.
pub(crate) const TOGETHER: usize = 16;

/// Sums over the rows of each condition, from which the correlations of any weighting of conditions follow.
pub(crate) struct ConditionSums {
    /// Condition of each entry, as its rank among all.
    conditions: Vec<usize>,
    /// Rows of each entry.
    rows: Vec<f64>,
    units: usize,
    /// `[(pair, sum, unit), entry]`.
    sums: Mat<f64>,
}

impl ConditionSums {
    /// Of pairs of series, `[row, unit]` each; `conditions` `[row]`.
    pub(crate) fn new(pairs: &[(&Mat<f64>, &Mat<f64>)], conditions: &[usize]) -> Self {
        let (entry, n) = ranks(conditions);
        let mut distinct = vec![0; n];
        let mut rows = vec![0.0; n];
        for (&e, &condition) in entry.iter().zip(conditions) {
            distinct[e] = condition;
            rows[e] += 1.0;
        }
        let units = pairs.first().map_or(0, |(x, _)| x.ncols());
        let mut sums = Mat::zeros(pairs.len() * SUMS * units, n);
        for unit in 0..units {
            for (p, (x, y)) in pairs.iter().enumerate() {
                let (x, y) = (x.col_as_slice(unit), y.col_as_slice(unit));
                // About the mean, which keeps cancellation small.
                let (mx, my) = (stats::mean(x), stats::mean(y));
                for ((&e, x), y) in entry.iter().zip(x).zip(y) {
                    let (a, b) = (x - mx, y - my);
                    let all = sums.col_as_slice_mut(e);
                    for (k, v) in [a, b, a * a, b * b, a * b].into_iter().enumerate() {
                        all[(p * SUMS + k) * units + unit] += v;
                    }
                }
            }
        }
        Self {
            conditions: distinct,
            rows,
            units,
            sums,
        }
    }

    /// `[replicate][(pair, unit)]`, correlations with these counts `[replicate][condition]`; NaN for a constant series.
    pub(crate) fn correlations(&self, counts: &[&[f64]]) -> Vec<Vec<f64>> {
        let weights = Mat::from_fn(self.rows.len(), counts.len(), |entry, b| {
            counts[b][self.conditions[entry]]
        });
        let totals = dense::product(self.sums.as_ref(), weights.as_ref());
        (0..counts.len())
            .map(|b| {
                let n = dense::dot(weights.col_as_slice(b), &self.rows);
                let mut r = vec![0.0; totals.nrows() / SUMS];
                dispatch(
                    #[inline(always)]
                    || {
                        let pairs = totals
                            .col_as_slice(b)
                            .chunks_exact((SUMS * self.units).max(1));
                        for (sums, r) in pairs.zip(r.chunks_exact_mut(self.units.max(1))) {
                            correlations(sums, n, r);
                        }
                    },
                );
                r
            })
            .collect()
    }
}

/// Correlations `[unit]` from `sums` `[sum, unit]`.
#[inline(always)]
fn correlations(sums: &[f64], n: f64, out: &mut [f64]) {
    let units = out.len();
    let (x, sums) = sums.split_at(units);
    let (y, sums) = sums.split_at(units);
    let (xx, sums) = sums.split_at(units);
    let (yy, xy) = sums.split_at(units);
    for (((((out, x), y), xx), yy), xy) in out.iter_mut().zip(x).zip(y).zip(xx).zip(yy).zip(xy) {
        *out = correlation([*x, *y, *xx, *yy, *xy], n);
    }
}

#[inline(always)]
fn correlation(s: [f64; SUMS], n: f64) -> f64 {
    let (xx, yy, xy) = (
        s[2] - s[0] * s[0] / n,
        s[3] - s[1] * s[1] / n,
        s[4] - s[0] * s[1] / n,
    );
    const ROUNDING: f64 = 1e-13;
    let r = (xy / xx.sqrt() / yy.sqrt()).clamp(-1.0, 1.0);
    if xx > ROUNDING * s[2] && yy > ROUNDING * s[3] {
        r
    } else {
        f64::NAN
    }
}

pub(crate) struct Bootstrapped {
    pub(crate) units: Vec<PercentileInterval>,
    pub(crate) median: PercentileInterval,
}

/// Rank of each condition among those there are, and how many there are.
pub(crate) fn ranks(conditions: &[usize]) -> (Vec<usize>, usize) {
    let mut distinct = conditions.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let ranks = conditions
        .iter()
        .map(|c| distinct.binary_search(c).unwrap_or(0))
        .collect();
    (ranks, distinct.len())
}

/// How often each condition is drawn, `[condition]` by rank, when as many as there are are drawn with replacement.
pub(crate) fn drawn(stream: &mut Stream, n: usize) -> Vec<f64> {
    let mut counts = vec![0.0; n];
    for _ in 0..n {
        counts[stream.below(n)] += 1.0;
    }
    counts
}

impl IntervalOptions {
    /// [`Error::Invalid`] without replicates or with a level outside of (0, 1).
    pub(crate) fn check(&self) -> Result<()> {
        if self.replicates == 0 || !(self.level > 0.0 && self.level < 1.0) {
            return Err(Error::invalid(
                "bootstrap",
                format!(
                    "{} replicates, level {}; needs one, and a level in (0, 1)",
                    self.replicates, self.level
                ),
            ));
        }
        Ok(())
    }
}

/// `sums` of each split have three pairs: prediction and response, predictions of the halves, responses of the halves.
/// Conditions, given by rank, are drawn once for all splits of a replicate, and units for the median. The maps are not
/// fitted again.
pub(crate) fn bootstrap(
    sums: &[ConditionSums],
    n_conditions: usize,
    units: usize,
    options: &IntervalOptions,
) -> Result<Bootstrapped> {
    options.check()?;
    let all: Vec<u64> = (0..u64::from(options.replicates)).collect();
    let replicates: Vec<(Vec<f64>, f64)> = all
        .par_chunks(TOGETHER)
        .flat_map_iter(|some| {
            let (counts, streams): (Vec<Vec<f64>>, Vec<Stream>) = some
                .iter()
                .map(|&b| {
                    let mut stream = Stream::new(options.seed, "predictivity bootstrap", b);
                    (drawn(&mut stream, n_conditions), stream)
                })
                .unzip();
            let counts: Vec<&[f64]> = counts.iter().map(Vec::as_slice).collect();
            let by_split: Vec<Vec<Vec<f64>>> =
                sums.iter().map(|s| s.correlations(&counts)).collect();
            streams.into_iter().enumerate().map(move |(b, mut stream)| {
                let scores: Vec<f64> = (0..units)
                    .map(|u| {
                        let score = |r: &[f64]| corrected(r[u], r[units + u], r[2 * units + u]);
                        mean_defined(by_split.iter().map(|s| score(&s[b])))
                    })
                    .collect();
                let resampled: Vec<f64> = (0..units).map(|_| scores[stream.below(units)]).collect();
                let median = median_defined(&resampled);
                (scores, median)
            })
        })
        .collect();
    let medians: Vec<f64> = replicates.iter().map(|r| r.1).collect();
    Ok(Bootstrapped {
        units: (0..units)
            .map(|u| {
                let values: Vec<f64> = replicates.iter().map(|r| r.0[u]).collect();
                PercentileInterval::of(&values, options.level)
            })
            .collect(),
        median: PercentileInterval::of(&medians, options.level),
    })
}
