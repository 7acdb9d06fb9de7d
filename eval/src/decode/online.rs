//! Online decoding: one static linear map from features to the ball's state, tested on conditions it never saw.
//!
//! Rajalingham, Sohn & Jazayeri 2025, Fig. 3D-F, and the authors' `Decoder_3Ddata`: rows are the bins of the mask
//! `start_end` with all features and targets finite; 100 splits by condition; ordinary least squares with intercept for
//! all targets at once; scores pooled over held-out rows; mean and SD (ddof 0) over splits.

use rayon::prelude::*;

use faer::Mat;
use serde::Serialize;

use super::layout::{Epoch, Layout, Split};
use super::scoring::{self, Scratch, Truth};
use super::{Kept, take};
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::{GramTable, LeastSquares, Readout, SolvePath};
use crate::stats::{self, Summary};

/// Scores of one target in one epoch over pooled held-out rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Pearson correlation; NaN for a constant prediction or truth.
    pub r: f64,
    /// Spearman correlation with average ranks; NaN where `r` is.
    pub spearman: f64,
    /// Mean absolute error, unit of the target.
    pub mae: f64,
    /// Root mean squared error, unit of the target.
    pub rmse: f64,
    /// Rows.
    pub n: usize,
}

/// Scores of one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitScores {
    /// `[epoch][target]`, epochs in the order of [`Epoch::EVERY`].
    pub scores: [Vec<Score>; 3],
    /// Number of directions that the map used.
    pub rank: usize,
    /// Whether the fit came from sums or from rows.
    pub path: SolvePath,
}

/// Scores of one epoch and target over all splits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochTarget {
    /// Part of the trial.
    pub epoch: Epoch,
    /// Index of the target in the layout.
    pub target: usize,
    /// Conditions with at least one row in the epoch.
    pub n_conditions: usize,
    /// Rows in the epoch, all conditions.
    pub n_bins: usize,
    /// Pearson correlation.
    pub r: Summary,
    /// Spearman correlation.
    pub spearman: Summary,
    /// Mean absolute error, unit of the target.
    pub mae: Summary,
    /// Root mean squared error, unit of the target.
    pub rmse: Summary,
}

/// Accuracy at one time from the onset of occlusion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverTime {
    /// Bins from the first hidden bin; negative before it.
    pub offset_bins: i64,
    /// The same in ms: left edge of the bin.
    pub offset_ms: f64,
    /// Conditions with a row here (all, not only held-out ones).
    pub n_conditions: usize,
    /// `[target]`, Pearson correlation across the held-out conditions; undefined in splits with fewer than
    /// [`OnlineDecoder::MIN_CONDITIONS`] of them.
    pub r: Vec<Summary>,
    /// Mean over held-out conditions of the distance in the plane of the first two targets (x, y), their unit.
    pub distance: Summary,
}

/// What [`OnlineDecoder::run`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineResult {
    /// What the map read.
    pub readout: Readout,
    /// Each split, in order.
    pub splits: Vec<SplitScores>,
    /// Epochs × targets in table order.
    pub table: Vec<EpochTarget>,
    /// `[condition][row, target]` in the rows of the layout: prediction averaged over the splits in which the condition was
    /// held out; NaN where it never was, and in dropped rows.
    pub held_out: Vec<Array2>,
    /// `[condition][split in which it was held out][target]`: prediction in the condition's last kept row.
    pub last: Vec<Vec<Vec<f64>>>,
    /// Accuracy over time from the onset of occlusion, rising.
    pub over_time: Vec<OverTime>,
    /// Rows dropped because a feature or target was missing.
    pub dropped_rows: usize,
}

impl OnlineResult {
    /// The scores of one epoch and target.
    #[must_use]
    pub fn get(&self, epoch: Epoch, target: usize) -> Option<&EpochTarget> {
        self.table
            .iter()
            .find(|e| e.epoch == epoch && e.target == target)
    }

    /// `[split]`, Pearson correlation of one epoch and target.
    #[must_use]
    pub fn r_per_split(&self, epoch: Epoch, target: usize) -> Vec<f64> {
        self.splits
            .iter()
            .filter_map(|s| s.scores[epoch as usize].get(target).map(|score| score.r))
            .collect()
    }
}

/// Scores of one split over pooled held-out rows of the whole trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PooledSplit {
    /// `[target]`.
    pub scores: Vec<Score>,
    /// Number of directions that the map used.
    pub rank: usize,
    /// How the fit was solved.
    pub path: SolvePath,
}

/// Scores of one target over splits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetSummary {
    /// Name of the variable.
    pub target: String,
    /// Pearson correlation.
    pub r: Summary,
    /// Spearman correlation.
    pub spearman: Summary,
    /// Mean absolute error, unit of the target.
    pub mae: Summary,
    /// Root mean squared error, unit of the target.
    pub rmse: Summary,
}

/// What [`OnlineDecoder::scores`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PooledScores {
    /// Each split, in order.
    pub splits: Vec<PooledSplit>,
    /// `[target]`, over the splits.
    pub targets: Vec<TargetSummary>,
    /// Rows that took part: bins with all features and targets.
    pub n_rows: usize,
    /// Rows dropped because a feature or target was missing.
    pub dropped_rows: usize,
}

impl PooledScores {
    pub(crate) fn new(
        names: &[String],
        splits: Vec<PooledSplit>,
        n_rows: usize,
        dropped_rows: usize,
    ) -> Self {
        let targets = names
            .iter()
            .enumerate()
            .map(|(t, name)| {
                let over = |f: fn(&Score) -> f64| {
                    let values: Vec<f64> = splits.iter().map(|s| f(&s.scores[t])).collect();
                    Summary::over_splits(&values)
                };
                TargetSummary {
                    target: name.clone(),
                    r: over(|s| s.r),
                    spearman: over(|s| s.spearman),
                    mae: over(|s| s.mae),
                    rmse: over(|s| s.rmse),
                }
            })
            .collect();
        Self {
            splits,
            targets,
            n_rows,
            dropped_rows,
        }
    }

    /// A target by name.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&TargetSummary> {
        self.targets.iter().find(|t| t.target == name)
    }
}

/// Held-out predictions of every split, in kept rows.
#[derive(Debug, Clone)]
pub struct HeldOut {
    pub(crate) splits: Vec<SplitPredictions>,
    /// `[condition]`, positions of the kept rows in the layout.
    pub(crate) rows: Vec<Vec<usize>>,
}

/// Predictions of one split, conditions one after the other.
#[derive(Debug, Clone)]
pub(crate) struct SplitPredictions {
    /// Held-out conditions, rising.
    pub(crate) conditions: Vec<usize>,
    /// First row of each, and the end.
    pub(crate) starts: Vec<usize>,
    /// `[row, target]`.
    pub(crate) values: Mat<f64>,
    pub(crate) rank: usize,
    pub(crate) path: SolvePath,
}

impl SplitPredictions {
    /// `(condition, first row, one past the last)`.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        self.conditions
            .iter()
            .zip(self.starts.windows(2))
            .map(|(&c, w)| (c, w[0], w[1]))
    }
}

impl HeldOut {
    /// Number of splits.
    #[must_use]
    pub fn n_splits(&self) -> usize {
        self.splits.len()
    }

    /// `[kept row, target]`: what a split predicts for a condition; `None` where it was not held out.
    #[must_use]
    pub fn get(&self, split: usize, condition: usize) -> Option<Array2> {
        let s = self.splits.get(split)?;
        let (_, from, to) = s.parts().find(|p| p.0 == condition)?;
        Some(Array2::from_fn(to - from, s.values.ncols(), |i, t| {
            s.values[(from + i, t)]
        }))
    }

    /// Positions in the layout's rows of a condition's kept rows. Empty for a condition that is not there.
    #[must_use]
    pub fn kept_rows(&self, condition: usize) -> &[usize] {
        self.rows.get(condition).map_or(&[], |rows| rows)
    }

    /// `[condition][row, target]` in the rows of the layout: mean over the splits in which the condition was held out; NaN
    /// where it never was, and in dropped rows.
    #[must_use]
    pub fn mean(&self, layout: &Layout) -> Vec<Array2> {
        let n_targets = self.splits.first().map_or(0, |s| s.values.ncols());
        let mut sums: Vec<Array2> = self
            .rows
            .iter()
            .map(|rows| Array2::filled(rows.len(), n_targets, 0.0))
            .collect();
        let mut counts = vec![0usize; sums.len()];
        for one in &self.splits {
            for (c, from, to) in one.parts() {
                counts[c] += 1;
                for i in from..to {
                    for (t, s) in sums[c].row_mut(i - from).iter_mut().enumerate() {
                        *s += one.values[(i, t)];
                    }
                }
            }
        }
        layout
            .conditions()
            .iter()
            .enumerate()
            .map(|(c, condition)| {
                let mut out = Array2::filled(condition.bins.len(), n_targets, f64::NAN);
                if counts[c] > 0 {
                    for (i, &row) in self.rows[c].iter().enumerate() {
                        for t in 0..n_targets {
                            out.set(row, t, sums[c].get(i, t) / counts[c] as f64);
                        }
                    }
                }
                out
            })
            .collect()
    }
}

/// Features and truth made ready, so that several read-outs share the sums.
pub struct OnlineDecoder<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) kept: Kept,
    /// `[condition][kept row, target]`.
    pub(crate) targets: Vec<Array2>,
    /// `[target]`, kept rows of all conditions one after the other.
    truth: Vec<Truth>,
    /// First stacked row of each condition, and the end.
    starts: Vec<usize>,
    pub(crate) sums: GramTable,
}

/// What one split gives back.
struct OneSplit {
    scores: SplitScores,
    predictions: SplitPredictions,
    /// `[time][target]`.
    r: Vec<Vec<f64>>,
    /// `[time]`.
    distance: Vec<f64>,
}

impl<'a> OnlineDecoder<'a> {
    /// Fewest held-out conditions for a correlation at one time.
    pub const MIN_CONDITIONS: usize = 5;

    /// `features` is `[condition][bin, unit]` in the rows of the layout; NaN is missing and drops the row.
    ///
    /// [`Error::Shape`] where it does not fit the layout; [`Error::Invalid`] if no row is left.
    pub fn new(layout: &'a Layout, features: &[Array2]) -> Result<Self> {
        let truth: Vec<Array2> = layout
            .conditions()
            .iter()
            .map(|c| c.targets.clone())
            .collect();
        let kept = Kept::new(layout, features, &truth)?;
        if kept.rows.iter().all(Vec::is_empty) {
            return Err(Error::invalid(
                "features",
                "no bin has all features and targets",
            ));
        }
        let targets: Vec<Array2> = truth
            .iter()
            .zip(&kept.rows)
            .map(|(y, rows)| take(y, rows))
            .collect();
        let sums = GramTable::new(&kept.features, &targets)?;
        let mut starts = vec![0];
        for rows in &kept.rows {
            starts.push(starts[starts.len() - 1] + rows.len());
        }
        let truth = (0..layout.target_names().len())
            .map(|t| Truth::new(targets.iter().flat_map(|y| y.column(t)).collect()))
            .collect();
        Ok(Self {
            layout,
            kept,
            targets,
            truth,
            starts,
            sums,
        })
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// Fit every split and score it over pooled held-out rows of the whole trial: the published table, and nothing more than
    /// that. Splits run in parallel; the result does not depend on the number of threads. Errors as [`OnlineDecoder::run`].
    pub fn scores(&self, splits: &[Split], readout: Readout) -> Result<PooledScores> {
        Split::check_all(splits, self.layout.conditions().len())?;
        let done = splits
            .par_iter()
            .map_init(Scratch::default, |scratch, split| {
                let p = self.predict(split, readout)?;
                let scores = self.score_all(&p, scratch);
                Ok(PooledSplit {
                    scores,
                    rank: p.rank,
                    path: p.path,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(PooledScores::new(
            self.layout.target_names(),
            done,
            self.n_rows(),
            self.kept.dropped,
        ))
    }

    /// Fit on these features and read others of the same axes, held-out conditions only: how a decoder carries over, for
    /// example from one half of the trials to the other. Rows that the other features lack are left out of the scores.
    ///
    /// Errors as [`OnlineDecoder::new`] and [`OnlineDecoder::run`].
    pub fn transfer_scores(
        &self,
        other: &[Array2],
        splits: &[Split],
        readout: Readout,
    ) -> Result<PooledScores> {
        Split::check_all(splits, self.layout.conditions().len())?;
        let other = OnlineDecoder::new(self.layout, other)?;
        let done = splits
            .par_iter()
            .map_init(Scratch::default, |scratch, split| {
                let fit = self.sums.fit(&split.train, readout)?;
                let p = other.read(&fit, split)?;
                let scores = other.score_all(&p, scratch);
                Ok(PooledSplit {
                    scores,
                    rank: p.rank,
                    path: p.path,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(PooledScores::new(
            self.layout.target_names(),
            done,
            other.n_rows(),
            other.kept.dropped,
        ))
    }

    /// Held-out predictions of every split. Errors as [`OnlineDecoder::run`].
    pub fn held_out(&self, splits: &[Split], readout: Readout) -> Result<HeldOut> {
        Split::check_all(splits, self.layout.conditions().len())?;
        let done = splits
            .par_iter()
            .map(|split| self.predict(split, readout))
            .collect::<Result<_>>()?;
        Ok(HeldOut {
            splits: done,
            rows: self.kept.rows.clone(),
        })
    }

    /// Held-out predictions of every split by maps that were fitted on the rows of `fitted`, for example on visible bins alone.
    ///
    /// Errors as [`OnlineDecoder::run`]; [`Error::Shape`] for features of another width.
    pub fn held_out_by(
        &self,
        fitted: &OnlineDecoder<'_>,
        splits: &[Split],
        readout: Readout,
    ) -> Result<HeldOut> {
        Split::check_all(splits, self.layout.conditions().len())?;
        let done = splits
            .par_iter()
            .map(|split| self.read(&fitted.sums.fit(&split.train, readout)?, split))
            .collect::<Result<_>>()?;
        Ok(HeldOut {
            splits: done,
            rows: self.kept.rows.clone(),
        })
    }

    fn predict(&self, split: &Split, readout: Readout) -> Result<SplitPredictions> {
        self.read(&self.sums.fit(&split.train, readout)?, split)
    }

    pub(crate) fn read(&self, fit: &LeastSquares, split: &Split) -> Result<SplitPredictions> {
        let mut conditions = split.test.clone();
        conditions.sort_unstable();
        let mut starts = vec![0];
        for &c in &conditions {
            starts.push(starts[starts.len() - 1] + self.kept.rows[c].len());
        }
        Ok(SplitPredictions {
            values: self.sums.predict(fit, &conditions)?,
            conditions,
            starts,
            rank: fit.rank(),
            path: fit.path(),
        })
    }

    /// Scores `[target]` of a split's predictions over all of their rows.
    fn score_all(&self, p: &SplitPredictions, scratch: &mut Scratch) -> Vec<Score> {
        let rows = p
            .parts()
            .flat_map(|(c, from, to)| self.starts[c]..self.starts[c] + (to - from));
        scratch.choose(rows, self.n_rows());
        (0..self.truth.len())
            .map(|t| scoring::score(p.values.col_as_slice(t), &self.truth[t], scratch))
            .collect()
    }

    fn n_rows(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Fit and score every split. Splits run in parallel; the result does not depend on the number of threads.
    ///
    /// [`Error::Split`] for a split that does not fit the layout; errors of the factorisation.
    pub fn run(&self, splits: &[Split], readout: Readout) -> Result<OnlineResult> {
        Split::check_all(splits, self.layout.conditions().len())?;
        let times = self.times();
        let done: Vec<OneSplit> = splits
            .par_iter()
            .map_init(Scratch::default, |scratch, split| {
                self.one(split, readout, &times, scratch)
            })
            .collect::<Result<_>>()?;
        let n_targets = self.layout.target_names().len();
        let mut table = Vec::new();
        for epoch in Epoch::EVERY {
            let (n_conditions, n_bins) = self.count(epoch);
            for target in 0..n_targets {
                let over = |f: fn(&Score) -> f64| {
                    let values: Vec<f64> = done
                        .iter()
                        .map(|d| f(&d.scores.scores[epoch as usize][target]))
                        .collect();
                    Summary::over_splits(&values)
                };
                table.push(EpochTarget {
                    epoch,
                    target,
                    n_conditions,
                    n_bins,
                    r: over(|s| s.r),
                    spearman: over(|s| s.spearman),
                    mae: over(|s| s.mae),
                    rmse: over(|s| s.rmse),
                });
            }
        }
        let over_time = times
            .iter()
            .enumerate()
            .map(|(t, time)| OverTime {
                offset_bins: time.offset,
                offset_ms: time.offset as f64 * self.layout.bin_ms(),
                n_conditions: time.rows.iter().flatten().count(),
                r: (0..n_targets)
                    .map(|target| {
                        let values: Vec<f64> = done.iter().map(|d| d.r[t][target]).collect();
                        Summary::over_splits(&values)
                    })
                    .collect(),
                distance: {
                    let values: Vec<f64> = done.iter().map(|d| d.distance[t]).collect();
                    Summary::over_splits(&values)
                },
            })
            .collect();
        let mut scores = Vec::with_capacity(done.len());
        let mut predictions = Vec::with_capacity(done.len());
        for one in done {
            scores.push(one.scores);
            predictions.push(one.predictions);
        }
        let held_out = HeldOut {
            splits: predictions,
            rows: self.kept.rows.clone(),
        };
        let mut last = vec![Vec::new(); self.layout.conditions().len()];
        for one in &held_out.splits {
            for (c, from, to) in one.parts() {
                if to > from {
                    last[c].push((0..n_targets).map(|t| one.values[(to - 1, t)]).collect());
                }
            }
        }
        Ok(OnlineResult {
            readout,
            splits: scores,
            table,
            held_out: held_out.mean(self.layout),
            last,
            over_time,
            dropped_rows: self.kept.dropped,
        })
    }

    /// Scores `[target]` of a split's predictions over the rows for which `keep(condition, layout row)` holds.
    pub(crate) fn score_rows(
        &self,
        p: &SplitPredictions,
        scratch: &mut Scratch,
        keep: impl Fn(usize, usize) -> bool,
    ) -> Vec<Score> {
        let (mut at, mut rows) = (Vec::new(), Vec::new());
        for (c, from, to) in p.parts() {
            for i in from..to {
                if keep(c, self.kept.rows[c][i - from]) {
                    at.push(i);
                    rows.push(self.starts[c] + i - from);
                }
            }
        }
        scratch.choose(rows.into_iter(), self.n_rows());
        let mut picked = vec![0.0; at.len()];
        (0..self.truth.len())
            .map(|t| {
                for (value, &i) in picked.iter_mut().zip(&at) {
                    *value = p.values[(i, t)];
                }
                scoring::score(&picked, &self.truth[t], scratch)
            })
            .collect()
    }

    fn one(
        &self,
        split: &Split,
        readout: Readout,
        times: &[Time],
        scratch: &mut Scratch,
    ) -> Result<OneSplit> {
        let p = self.predict(split, readout)?;
        let n_targets = self.layout.target_names().len();
        let scores = Epoch::EVERY
            .map(|epoch| self.score_rows(&p, scratch, |c, row| self.in_epoch(c, row, epoch)));
        let mut r = Vec::with_capacity(times.len());
        let mut distance = Vec::with_capacity(times.len());
        for time in times {
            let here: Vec<(usize, &Array2, usize)> = p
                .parts()
                .filter_map(|(c, from, _)| time.rows[c].map(|i| (from + i, &self.targets[c], i)))
                .collect();
            r.push(
                (0..n_targets)
                    .map(|target| {
                        if here.len() < Self::MIN_CONDITIONS {
                            return f64::NAN;
                        }
                        let x: Vec<f64> = here.iter().map(|h| p.values[(h.0, target)]).collect();
                        let y: Vec<f64> = here.iter().map(|(_, y, i)| y.get(*i, target)).collect();
                        stats::pearson(&x, &y)
                    })
                    .collect(),
            );
            let distances: Vec<f64> = here
                .iter()
                .filter(|_| n_targets >= 2)
                .map(|(at, y, i)| {
                    let dx = p.values[(*at, 0)] - y.get(*i, 0);
                    let dy = p.values[(*at, 1)] - y.get(*i, 1);
                    (dx * dx + dy * dy).sqrt()
                })
                .collect();
            distance.push(stats::mean(&distances));
        }
        Ok(OneSplit {
            scores: SplitScores {
                scores,
                rank: p.rank,
                path: p.path,
            },
            predictions: p,
            r,
            distance,
        })
    }

    fn in_epoch(&self, condition: usize, row: usize, epoch: Epoch) -> bool {
        let c = &self.layout.conditions()[condition];
        match epoch {
            Epoch::All => true,
            Epoch::Visible => c.visible[row],
            Epoch::Hidden => c.hidden[row],
        }
    }

    fn count(&self, epoch: Epoch) -> (usize, usize) {
        let bins: Vec<usize> = (0..self.kept.rows.len())
            .map(|c| {
                self.kept.rows[c]
                    .iter()
                    .filter(|&&row| self.in_epoch(c, row, epoch))
                    .count()
            })
            .collect();
        (bins.iter().filter(|&&n| n > 0).count(), bins.iter().sum())
    }

    fn times(&self) -> Vec<Time> {
        let offsets: Vec<Option<i64>> = self
            .layout
            .conditions()
            .iter()
            .map(|c| c.occlusion_bin().map(|b| b as i64))
            .collect();
        align(self.layout, &self.kept.rows, &offsets)
    }
}

/// One time from an event, and which kept row of each condition stands there.
pub(crate) struct Time {
    pub(crate) offset: i64,
    /// `[condition]`.
    pub(crate) rows: Vec<Option<usize>>,
}

/// Rows of all conditions aligned to an event (`events[condition]` is its bin), rising in time.
pub(crate) fn align(layout: &Layout, kept: &[Vec<usize>], events: &[Option<i64>]) -> Vec<Time> {
    let mut times: std::collections::BTreeMap<i64, Vec<Option<usize>>> =
        std::collections::BTreeMap::new();
    let n = layout.conditions().len();
    for (c, condition) in layout.conditions().iter().enumerate() {
        let Some(event) = events[c] else { continue };
        for (i, &row) in kept[c].iter().enumerate() {
            let offset = condition.bins[row] as i64 - event;
            times.entry(offset).or_insert_with(|| vec![None; n])[c] = Some(i);
        }
    }
    times
        .into_iter()
        .map(|(offset, rows)| Time { offset, rows })
        .collect()
}
