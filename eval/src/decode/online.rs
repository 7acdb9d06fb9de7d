//! Online decoding: one static linear map from features to the ball's state, tested on conditions it never saw.
//!
//! Rajalingham, Sohn & Jazayeri 2025, Fig. 3D-F, and the authors' `Decoder_3Ddata`: rows are the bins of the mask
//! `start_end` with all features and targets finite; 100 splits by condition; ordinary least squares with intercept for
//! all targets at once; scores pooled over held-out rows; mean and SD (ddof 0) over splits.

use rayon::prelude::*;

use super::layout::{Epoch, Layout, Split};
use super::{Kept, take};
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::{GramTable, Readout, SolvePath};
use crate::stats::{self, Summary};

/// Scores of one target in one epoch over pooled held-out rows.
#[derive(Debug, Clone, Copy, PartialEq)]
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
#[derive(Debug, Clone, PartialEq)]
pub struct SplitScores {
    /// `[epoch][target]`, epochs in the order of [`Epoch::EVERY`].
    pub scores: [Vec<Score>; 3],
    /// Number of directions that the map used.
    pub rank: usize,
    /// Whether the fit came from sums or from rows.
    pub path: SolvePath,
}

/// Scores of one epoch and target over all splits.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq)]
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

/// Features and truth made ready, so that several read-outs share the sums.
pub struct OnlineDecoder<'a> {
    layout: &'a Layout,
    kept: Kept,
    targets: Vec<Array2>,
    sums: GramTable,
}

/// What one split gives back.
struct OneSplit {
    scores: SplitScores,
    /// `[test condition][kept bin, target]`.
    predictions: Vec<(usize, Array2)>,
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
        Ok(Self {
            layout,
            kept,
            targets,
            sums,
        })
    }

    /// Fit and score every split. Splits run in parallel; the result does not depend on the number of threads.
    ///
    /// [`Error::Split`] for a split that does not fit the layout; errors of the factorisation.
    pub fn run(&self, splits: &[Split], readout: Readout) -> Result<OnlineResult> {
        Split::check_all(splits, self.layout.conditions().len())?;
        let times = self.times();
        let done: Vec<OneSplit> = splits
            .par_iter()
            .map(|split| self.one(split, readout, &times))
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
        let held_out = self.average(&done);
        let mut last = vec![Vec::new(); self.layout.conditions().len()];
        for (c, p) in done.iter().flat_map(|d| &d.predictions) {
            if p.rows() > 0 {
                last[*c].push(p.row(p.rows() - 1).to_vec());
            }
        }
        Ok(OnlineResult {
            readout,
            splits: done.into_iter().map(|d| d.scores).collect(),
            table,
            held_out,
            last,
            over_time,
            dropped_rows: self.kept.dropped,
        })
    }

    fn one(&self, split: &Split, readout: Readout, times: &[Time]) -> Result<OneSplit> {
        let fit = self.sums.fit(&split.train, readout)?;
        let mut test = split.test.clone();
        test.sort_unstable();
        let predictions: Vec<(usize, Array2)> = test
            .iter()
            .map(|&c| Ok((c, fit.predict(&self.kept.features[c])?)))
            .collect::<Result<_>>()?;
        let n_targets = self.layout.target_names().len();
        let score = |epoch: Epoch, target: usize| {
            let (mut predicted, mut truth) = (Vec::new(), Vec::new());
            for (c, p) in &predictions {
                for (i, &row) in self.kept.rows[*c].iter().enumerate() {
                    if self.in_epoch(*c, row, epoch) {
                        predicted.push(p.get(i, target));
                        truth.push(self.targets[*c].get(i, target));
                    }
                }
            }
            Score {
                r: stats::pearson(&predicted, &truth),
                spearman: stats::spearman(&predicted, &truth),
                mae: stats::mean_absolute_error(&predicted, &truth),
                rmse: stats::root_mean_squared_error(&predicted, &truth),
                n: predicted.len(),
            }
        };
        let scores = Epoch::EVERY.map(|epoch| (0..n_targets).map(|t| score(epoch, t)).collect());
        let mut r = Vec::with_capacity(times.len());
        let mut distance = Vec::with_capacity(times.len());
        for time in times {
            let here: Vec<(&Array2, &Array2, usize)> = predictions
                .iter()
                .filter_map(|(c, p)| time.rows[*c].map(|i| (p, &self.targets[*c], i)))
                .collect();
            r.push(
                (0..n_targets)
                    .map(|target| {
                        if here.len() < Self::MIN_CONDITIONS {
                            return f64::NAN;
                        }
                        let p: Vec<f64> = here.iter().map(|(p, _, i)| p.get(*i, target)).collect();
                        let y: Vec<f64> = here.iter().map(|(_, y, i)| y.get(*i, target)).collect();
                        stats::pearson(&p, &y)
                    })
                    .collect(),
            );
            let distances: Vec<f64> = here
                .iter()
                .filter(|_| n_targets >= 2)
                .map(|(p, y, i)| {
                    let dx = p.get(*i, 0) - y.get(*i, 0);
                    let dy = p.get(*i, 1) - y.get(*i, 1);
                    (dx * dx + dy * dy).sqrt()
                })
                .collect();
            distance.push(stats::mean(&distances));
        }
        Ok(OneSplit {
            scores: SplitScores {
                scores,
                rank: fit.rank(),
                path: fit.path(),
            },
            predictions,
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

    fn average(&self, done: &[OneSplit]) -> Vec<Array2> {
        let n_targets = self.layout.target_names().len();
        let mut sums: Vec<Array2> = self
            .targets
            .iter()
            .map(|y| Array2::filled(y.rows(), n_targets, 0.0))
            .collect();
        let mut counts = vec![0usize; sums.len()];
        for one in done {
            for (c, p) in &one.predictions {
                counts[*c] += 1;
                for i in 0..p.rows() {
                    for (s, v) in sums[*c].row_mut(i).iter_mut().zip(p.row(i)) {
                        *s += v;
                    }
                }
            }
        }
        self.layout
            .conditions()
            .iter()
            .enumerate()
            .map(|(c, condition)| {
                let mut out = Array2::filled(condition.bins.len(), n_targets, f64::NAN);
                if counts[c] > 0 {
                    for (i, &row) in self.kept.rows[c].iter().enumerate() {
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
