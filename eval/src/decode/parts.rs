//! Held-out predictions looked at again: by part of the trial, by bin from its edges, and given a covariate.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::online::{HeldOut, OnlineDecoder, PooledScores, PooledSplit};
use super::partial::{Offset, PartialCorrelation, partial_correlation};
use super::scoring::Scratch;
use crate::error::{Error, Result};
use crate::stats::Summary;

/// A part of the trial, as a mask on the rows of a layout that holds whole trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// All rows (`start_end`).
    All,
    /// Before occlusion (`start_occ`).
    Visible,
    /// Behind the occluder (`occ_end`).
    Hidden,
    /// The first row (`start`).
    Start,
    /// The first hidden row (`occ`).
    Occlusion,
    /// The last row (`f`).
    Final,
}

impl Part {
    /// All six.
    pub const EVERY: [Self; 6] = [
        Self::All,
        Self::Visible,
        Self::Hidden,
        Self::Start,
        Self::Occlusion,
        Self::Final,
    ];

    /// Rows `(first, one past the last)` of one condition; `None` where it has none.
    pub(crate) fn span(self, layout: &Layout, condition: usize) -> Option<(usize, usize)> {
        let c = &layout.conditions()[condition];
        let n = c.bins.len();
        let of = |mask: &[bool]| {
            let first = mask.iter().position(|&m| m)?;
            let last = mask.iter().rposition(|&m| m)?;
            Some((first, last + 1))
        };
        match self {
            Self::All => (n > 0).then_some((0, n)),
            Self::Visible => of(&c.visible),
            Self::Hidden => of(&c.hidden),
            Self::Start => (n > 0).then_some((0, 1)),
            Self::Occlusion => of(&c.hidden).map(|(first, _)| (first, first + 1)),
            Self::Final => (n > 0).then(|| (n - 1, n)),
        }
    }
}

/// Errors at one bin of one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BinErrors {
    /// `[target]`, mean squared error over held-out conditions, square of the target's unit; NaN without one.
    pub mse: Vec<f64>,
    /// `[target]`, mean absolute error over held-out conditions, the target's unit.
    pub mae: Vec<f64>,
    /// Held-out conditions with a row here.
    pub n: usize,
}

/// Errors by bin from both edges of a part (P25, Fig. 3F).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorsOverTime {
    /// Which part.
    pub part: Part,
    /// `[split][bin]`, bin 0 is the first of the part.
    pub from_start: Vec<Vec<BinErrors>>,
    /// `[split][bin]`, bin 0 is the last of the part, bin 1 the one before.
    pub from_end: Vec<Vec<BinErrors>>,
}

impl ErrorsOverTime {
    /// `[bin]`, error in the plane `sqrt(MSE_x + MSE_y)` over splits: not divided by two, as published. `x` and `y` are
    /// targets; `from_end` as the field.
    #[must_use]
    pub fn rmse_2d(&self, x: usize, y: usize, from_end: bool) -> Vec<Summary> {
        self.over_splits(from_end, |e| (e.mse[x] + e.mse[y]).sqrt())
    }

    /// `[bin]`, mean absolute error of a target over splits.
    #[must_use]
    pub fn mae(&self, target: usize, from_end: bool) -> Vec<Summary> {
        self.over_splits(from_end, |e| e.mae[target])
    }

    fn over_splits(&self, from_end: bool, f: impl Fn(&BinErrors) -> f64) -> Vec<Summary> {
        let splits = if from_end {
            &self.from_end
        } else {
            &self.from_start
        };
        let bins = splits.iter().map(Vec::len).max().unwrap_or(0);
        (0..bins)
            .map(|b| {
                let values: Vec<f64> = splits
                    .iter()
                    .map(|s| s.get(b).map_or(f64::NAN, &f))
                    .collect();
                Summary::over_splits(&values)
            })
            .collect()
    }
}

/// Correlation of truth and prediction of one target once a covariate is accounted for (P25, Fig. 3G).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GivenCovariate {
    /// Name of the covariate: another variable of the layout.
    pub covariate: String,
    /// `[split]`, partial correlation.
    pub per_split: Vec<f64>,
    /// Over the splits.
    pub r: Summary,
}

impl OnlineDecoder<'_> {
    /// Scores of held-out predictions in a part of the trial, pooled over conditions and bins (P25, Fig. 3E). `held` has to
    /// come from this decoder. The published error bars are standard deviations over splits, though called SEM.
    #[must_use]
    pub fn part_scores(&self, held: &HeldOut, part: Part) -> PooledScores {
        let spans = self.spans(part);
        let inside = |c: usize, row: usize| spans[c].is_some_and(|(a, b)| (a..b).contains(&row));
        let splits = held
            .splits
            .par_iter()
            .map_init(Scratch::default, |scratch, p| PooledSplit {
                scores: self.score_rows(p, scratch, inside),
                rank: p.rank,
                path: p.path,
            })
            .collect();
        let n_rows = (0..spans.len())
            .map(|c| self.kept.rows[c].iter().filter(|&&r| inside(c, r)).count())
            .sum();
        PooledScores::new(
            self.layout.target_names(),
            splits,
            n_rows,
            self.kept.dropped,
        )
    }

    /// Errors of held-out predictions by bin from the start and from the end of a part, over held-out conditions.
    #[must_use]
    pub fn errors_over_time(&self, held: &HeldOut, part: Part) -> ErrorsOverTime {
        let spans = self.spans(part);
        let longest = spans
            .iter()
            .flatten()
            .map(|(a, b)| b - a)
            .max()
            .unwrap_or(0);
        let n_targets = self.layout.target_names().len();
        let one = |split: &super::online::SplitPredictions, from_end: bool| {
            let mut sums = vec![(vec![0.0; n_targets], vec![0.0; n_targets], 0usize); longest];
            for (c, from, to) in split.parts() {
                let Some((first, end)) = spans[c] else {
                    continue;
                };
                for i in from..to {
                    let row = self.kept.rows[c][i - from];
                    if !(first..end).contains(&row) {
                        continue;
                    }
                    let at = if from_end { end - 1 - row } else { row - first };
                    let (squares, absolutes, n) = &mut sums[at];
                    *n += 1;
                    for t in 0..n_targets {
                        let d = split.values[(i, t)] - self.targets[c].get(i - from, t);
                        squares[t] += d * d;
                        absolutes[t] += d.abs();
                    }
                }
            }
            sums.into_iter()
                .map(|(squares, absolutes, n)| {
                    // 0 / 0 is the NaN of an empty bin.
                    let over = |v: Vec<f64>| v.into_iter().map(|s| s / n as f64).collect();
                    BinErrors {
                        mse: over(squares),
                        mae: over(absolutes),
                        n,
                    }
                })
                .collect::<Vec<_>>()
        };
        ErrorsOverTime {
            part,
            from_start: held.splits.par_iter().map(|s| one(s, false)).collect(),
            from_end: held.splits.par_iter().map(|s| one(s, true)).collect(),
        }
    }

    /// Partial correlation of truth and held-out prediction of `target` given each of `covariates` (true values), by split,
    /// pooled over the rows of a part. [`Error::Invalid`] for an index that is not there.
    pub fn given_each(
        &self,
        held: &HeldOut,
        target: usize,
        covariates: &[usize],
        part: Part,
    ) -> Result<Vec<GivenCovariate>> {
        let names = self.layout.target_names();
        if let Some(&bad) = covariates
            .iter()
            .chain([&target])
            .find(|&&t| t >= names.len())
        {
            return Err(Error::invalid(
                "target or covariate",
                format!("{bad} of {} variables", names.len()),
            ));
        }
        let spans = self.spans(part);
        let one = |split: &super::online::SplitPredictions, covariate: usize| {
            let (mut p, mut y, mut z) = (Vec::new(), Vec::new(), Vec::new());
            for (c, from, to) in split.parts() {
                for i in from..to {
                    let row = self.kept.rows[c][i - from];
                    if spans[c].is_some_and(|(a, b)| (a..b).contains(&row)) {
                        p.push(split.values[(i, target)]);
                        y.push(self.targets[c].get(i - from, target));
                        z.push(self.targets[c].get(i - from, covariate));
                    }
                }
            }
            partial_correlation(&p, &y, &[&z], Offset::With).map(|PartialCorrelation { r, .. }| r)
        };
        covariates
            .iter()
            .map(|&covariate| {
                let per_split = held
                    .splits
                    .par_iter()
                    .map(|s| one(s, covariate))
                    .collect::<Result<Vec<f64>>>()?;
                Ok(GivenCovariate {
                    covariate: names[covariate].clone(),
                    r: Summary::over_splits(&per_split),
                    per_split,
                })
            })
            .collect()
    }

    fn spans(&self, part: Part) -> Vec<Option<(usize, usize)>> {
        (0..self.layout.conditions().len())
            .map(|c| part.span(self.layout, c))
            .collect()
    }
}
