//! End-point decoding: one static map to the height where the ball will end, read over time.
//!
//! Rajalingham, Sohn & Jazayeri 2025, Fig. 5B, and the authors' `OfflineDecoder`: 50 principal components and least
//! squares fitted on all bins of the training conditions; the decoder is *not* fitted again for each bin. What the figure
//! calls RMSE is a mean absolute error (trap 16 of the specification).

use rayon::prelude::*;

use mental_pong_base::Stream;
use serde::Serialize;

use super::layout::{Layout, Split};
use super::online::{HeldOut, OnlineDecoder, SplitPredictions, Time, align};
use super::parts::Part;
use super::variables::ConditionSet;
use super::{Kept, take};
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::{GramTable, LeastSquares, Readout};
use crate::stats::permutation::{Alternative, PermutationP, permutation_p};
use crate::stats::{self, Summary};

/// Accuracy at one time from an event.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointPoint {
    /// Bins from the event; negative before it.
    pub offset_bins: i64,
    /// The same in ms: left edge of the bin.
    pub offset_ms: f64,
    /// Conditions with a row here.
    pub n_conditions: usize,
    /// Pearson correlation across held-out conditions; undefined with fewer than the decoder's minimum.
    pub r: Summary,
    /// Mean absolute error over held-out conditions, degrees.
    pub mae: Summary,
}

/// What [`EndpointDecoder::run`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointResult {
    /// Aligned to the first row of each condition (start of motion).
    pub from_start: Vec<EndpointPoint>,
    /// Aligned to the first hidden row.
    pub from_occlusion: Vec<EndpointPoint>,
    /// `[condition][row]` in the rows of the layout: predicted end height averaged over the splits in which the condition
    /// was held out, degrees; NaN where there is none.
    pub held_out: Vec<Vec<f64>>,
    /// `[split][time]` of `from_start`: Pearson correlation.
    pub r_per_split: Vec<Vec<f64>>,
    /// `[split][time]` of `from_start`: mean absolute error, degrees.
    pub mae_per_split: Vec<Vec<f64>>,
    /// Of the first split: predictions `(condition, [row])`, rows of the layout, NaN where dropped.
    pub predictions_first_split: Vec<(usize, Vec<f64>)>,
}

/// The end-point decoder.
pub struct EndpointDecoder<'a> {
    layout: &'a Layout,
    kept: Kept,
    /// `[condition]`, degrees.
    end_heights: Vec<f64>,
    sums: GramTable,
    min_conditions: usize,
}

struct OneSplit {
    predictions: Vec<(usize, Vec<f64>)>,
    from_start: Vec<(f64, f64)>,
    from_occlusion: Vec<(f64, f64)>,
}

impl<'a> EndpointDecoder<'a> {
    /// `features` is `[condition][bin, unit]` in the rows of the layout (NaN drops the row), `end_heights` is `[condition]`
    /// in degrees. The targets of the layout are not used.
    ///
    /// [`Error::Shape`] where they do not fit, [`Error::NotFinite`] for an end height that is not a number.
    pub fn new(layout: &'a Layout, features: &[Array2], end_heights: &[f64]) -> Result<Self> {
        if end_heights.len() != layout.conditions().len() {
            return Err(Error::shape(
                "end heights",
                format!("{} conditions", layout.conditions().len()),
                format!("{} values", end_heights.len()),
            ));
        }
        if let Some(index) = end_heights.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: "end heights".into(),
                index,
                value: end_heights[index],
            });
        }
        let constant: Vec<Array2> = layout
            .conditions()
            .iter()
            .zip(end_heights)
            .map(|(c, &y)| Array2::filled(c.bins.len(), 1, y))
            .collect();
        let kept = Kept::new(layout, features, &constant)?;
        let targets: Vec<Array2> = kept
            .rows
            .iter()
            .zip(end_heights)
            .map(|(rows, &y)| Array2::filled(rows.len(), 1, y))
            .collect();
        let sums = GramTable::new(&kept.features, &targets)?;
        Ok(Self {
            layout,
            kept,
            end_heights: end_heights.to_vec(),
            sums,
            min_conditions: 5,
        })
    }

    /// Fewest held-out conditions for a correlation at one time; 5 unless set. The published code uses 2.
    #[must_use]
    pub fn min_conditions(mut self, n: usize) -> Self {
        self.min_conditions = n;
        self
    }

    /// Fit and read every split; published read-out: `Readout::Pca { k: 50 }`. The result does not depend on the number of
    /// threads. Errors as in online decoding.
    pub fn run(&self, splits: &[Split], readout: Readout) -> Result<EndpointResult> {
        let conditions = self.layout.conditions();
        Split::check_all(splits, conditions.len())?;
        let starts: Vec<Option<i64>> = conditions
            .iter()
            .map(|c| c.bins.first().map(|&b| b as i64))
            .collect();
        let occlusions: Vec<Option<i64>> = conditions
            .iter()
            .map(|c| c.occlusion_bin().map(|b| b as i64))
            .collect();
        let from_start = align(self.layout, &self.kept.rows, &starts);
        let from_occlusion = align(self.layout, &self.kept.rows, &occlusions);
        let done: Vec<OneSplit> = splits
            .par_iter()
            .map(|split| {
                let fit = self.sums.fit(&split.train, readout)?;
                let p = predict(&self.sums, &self.kept, &fit, split)?;
                let predictions: Vec<(usize, Vec<f64>)> = p
                    .parts()
                    .map(|(c, from, to)| (c, (from..to).map(|i| p.values[(i, 0)]).collect()))
                    .collect();
                let from_start = self.read(&predictions, &from_start);
                let from_occlusion = self.read(&predictions, &from_occlusion);
                Ok(OneSplit {
                    predictions,
                    from_start,
                    from_occlusion,
                })
            })
            .collect::<Result<_>>()?;
        let summary = |times: &[Time], get: &dyn Fn(&OneSplit, usize) -> (f64, f64)| {
            times
                .iter()
                .enumerate()
                .map(|(t, time)| {
                    let (r, mae): (Vec<f64>, Vec<f64>) = done.iter().map(|d| get(d, t)).unzip();
                    EndpointPoint {
                        offset_bins: time.offset,
                        offset_ms: time.offset as f64 * self.layout.bin_ms(),
                        n_conditions: time.rows.iter().flatten().count(),
                        r: Summary::over_splits(&r),
                        mae: Summary::over_splits(&mae),
                    }
                })
                .collect()
        };
        let spread = |c: usize, values: &[f64]| {
            let mut out = vec![f64::NAN; conditions[c].bins.len()];
            for (&row, &v) in self.kept.rows[c].iter().zip(values) {
                out[row] = v;
            }
            out
        };
        Ok(EndpointResult {
            from_start: summary(&from_start, &|d, t| d.from_start[t]),
            from_occlusion: summary(&from_occlusion, &|d, t| d.from_occlusion[t]),
            held_out: self.average(&done),
            r_per_split: done
                .iter()
                .map(|d| d.from_start.iter().map(|p| p.0).collect())
                .collect(),
            mae_per_split: done
                .iter()
                .map(|d| d.from_start.iter().map(|p| p.1).collect())
                .collect(),
            predictions_first_split: done.first().map_or_else(Vec::new, |d| {
                d.predictions
                    .iter()
                    .map(|(c, p)| (*c, spread(*c, p)))
                    .collect()
            }),
        })
    }

    /// Held-out predictions of every split: one target, the end height in degrees. Errors as [`EndpointDecoder::run`].
    pub fn held_out(&self, splits: &[Split], readout: Readout) -> Result<HeldOut> {
        Split::check_all(splits, self.layout.conditions().len())?;
        self.read_all(&self.sums, splits, readout)
    }

    /// Fit on these features and read others of the same axes, held-out conditions only: the published `_transfer` control
    /// fits on the ball's true state and reads the decoded one. Errors as [`EndpointDecoder::new`] and
    /// [`EndpointDecoder::run`].
    pub fn transfer(
        &self,
        other: &[Array2],
        splits: &[Split],
        readout: Readout,
    ) -> Result<HeldOut> {
        Split::check_all(splits, self.layout.conditions().len())?;
        let other = Self::new(self.layout, other, &self.end_heights)?;
        let done = splits
            .par_iter()
            .map(|split| {
                let fit = self.sums.fit(&split.train, readout)?;
                predict(&other.sums, &other.kept, &fit, split)
            })
            .collect::<Result<_>>()?;
        Ok(HeldOut {
            splits: done,
            rows: other.kept.rows,
        })
    }

    /// Accuracy over time from the start of a part, for each set of conditions (of those held out in a split).
    ///
    /// As published with [`EndpointDecoder::min_conditions`] of 2: `r_start1` is `r`; `mae_start1` is `mae`, which the figure
    /// calls RMSE; error bars are the SD over splits (ddof 0), which the captions call SEM. Overlapping splits are not
    /// independent, so neither is an error of the mean.
    #[must_use]
    pub fn curves(&self, held: &HeldOut, part: Part, sets: &[ConditionSet]) -> Vec<EndpointCurve> {
        let times = self.part_times(held, part);
        sets.iter()
            .map(|set| {
                let (r_per_split, mae_per_split): (Vec<Vec<f64>>, Vec<Vec<f64>>) = held
                    .splits
                    .par_iter()
                    .map(|split| {
                        let starts = starts(split, held.rows.len());
                        times
                            .iter()
                            .map(|time| {
                                let (mut p, mut y) = (Vec::new(), Vec::new());
                                for &c in &set.conditions {
                                    let (Some(Some(from)), Some(Some(i))) =
                                        (starts.get(c), time.get(c))
                                    else {
                                        continue;
                                    };
                                    p.push(split.values[(from + i, 0)]);
                                    y.push(self.end_heights[c]);
                                }
                                self.accuracy(&p, &y)
                            })
                            .unzip()
                    })
                    .unzip();
                let over = |values: &[Vec<f64>]| {
                    (0..times.len())
                        .map(|t| {
                            let here: Vec<f64> = values.iter().map(|v| v[t]).collect();
                            Summary::over_splits(&here)
                        })
                        .collect()
                };
                EndpointCurve {
                    set: set.name.clone(),
                    part,
                    bin_ms: self.layout.bin_ms(),
                    n_conditions: times
                        .iter()
                        .map(|time| {
                            let here = |&&c: &&usize| time.get(c).is_some_and(Option::is_some);
                            set.conditions.iter().filter(here).count()
                        })
                        .collect(),
                    r: over(&r_per_split),
                    mae: over(&mae_per_split),
                    r_per_split,
                    mae_per_split,
                }
            })
            .collect()
    }

    /// The shuffled-label control: end heights are dealt to other conditions `n` times, everything is fitted and read again,
    /// and the mean over splits of r(t) is compared with that of the true heights (upper tail). One factorisation of a split
    /// serves all deals. Deal `k` is the permutation of the stream (`seed`, `endpoint-shuffle`, `k`).
    ///
    /// Errors as [`EndpointDecoder::run`]; [`Error::Invalid`] for `n` of 0.
    pub fn shuffled(
        &self,
        splits: &[Split],
        readout: Readout,
        part: Part,
        n: usize,
        seed: u64,
    ) -> Result<ShuffledEndpoint> {
        if n == 0 {
            return Err(Error::invalid("shuffles", "there are none"));
        }
        Split::check_all(splits, self.layout.conditions().len())?;
        let n_conditions = self.end_heights.len();
        // Column 0 is the truth.
        let mut heights = vec![self.end_heights.clone()];
        for k in 0..n {
            let order = Stream::new(seed, "endpoint-shuffle", k as u64).permutation(n_conditions);
            heights.push(order.iter().map(|&c| self.end_heights[c]).collect());
        }
        let targets: Vec<Array2> = self
            .kept
            .rows
            .iter()
            .enumerate()
            .map(|(c, rows)| Array2::from_fn(rows.len(), n + 1, |_, k| heights[k][c]))
            .collect();
        let sums = self.sums.with_targets(&targets)?;
        let held = HeldOut {
            splits: Vec::new(),
            rows: self.kept.rows.clone(),
        };
        let times = self.part_times(&held, part);
        // `[split][time][deal]`, r.
        let all: Vec<Vec<Vec<f64>>> = splits
            .par_iter()
            .map(|split| {
                let fit = sums.fit(&split.train, readout)?;
                let p = predict(&sums, &self.kept, &fit, split)?;
                let starts = starts(&p, n_conditions);
                let at_time = |time: &Vec<Option<usize>>| {
                    let rows: Vec<(usize, usize)> = (0..n_conditions)
                        .filter_map(|c| Some((c, starts[c]? + time[c]?)))
                        .collect();
                    (0..=n)
                        .map(|k| {
                            let x: Vec<f64> = rows.iter().map(|r| p.values[(r.1, k)]).collect();
                            let y: Vec<f64> = rows.iter().map(|r| heights[k][r.0]).collect();
                            self.accuracy(&x, &y).0
                        })
                        .collect()
                };
                Ok(times.iter().map(at_time).collect())
            })
            .collect::<Result<_>>()?;
        let mut found = ShuffledEndpoint {
            part,
            n_shuffles: n,
            r: Vec::new(),
            null: Vec::new(),
            p: Vec::new(),
        };
        for t in 0..times.len() {
            let mean = |k: usize| {
                let values: Vec<f64> = all.iter().map(|s| s[t][k]).collect();
                Summary::over_splits(&values).mean
            };
            let r = mean(0);
            let null: Vec<f64> = (1..=n).map(mean).collect();
            found.r.push(r);
            found
                .p
                .push(permutation_p(r, &null, Alternative::Greater).ok());
            found.null.push(Summary::over_splits(&null));
        }
        Ok(found)
    }

    /// How the prediction at each time relates to what an observer did at the end (P25, Fig. 5C): both are regressed on the
    /// true end height, and the residuals are correlated over conditions.
    ///
    /// `paddle` is `[condition]`, the observers' mean final paddle in degrees (in recordings `paddle_pos_y` in the last bin);
    /// NaN leaves the condition out. Predictions are the means over the splits of `held`. The paddle is regressed once, over
    /// all conditions; predictions over those with a row at the time. p is two-sided, from `n_permutations` deals of the
    /// paddle residuals among these conditions (stream `endpoint-behavior`, one for each time).
    ///
    /// [`Error::Shape`] for another number of conditions, [`Error::Invalid`] for no permutations.
    pub fn behavior_relation(
        &self,
        held: &HeldOut,
        paddle: &[f64],
        part: Part,
        n_permutations: usize,
        seed: u64,
    ) -> Result<BehaviorRelation> {
        let n = self.end_heights.len();
        if paddle.len() != n {
            return Err(Error::shape(
                "paddle",
                format!("{n} conditions"),
                format!("{} values", paddle.len()),
            ));
        }
        if n_permutations == 0 {
            return Err(Error::invalid("permutations", "there are none"));
        }
        let predicted = held.mean(self.layout);
        let usable: Vec<usize> = (0..n).filter(|&c| paddle[c].is_finite()).collect();
        let truth: Vec<f64> = usable.iter().map(|&c| self.end_heights[c]).collect();
        let paddles: Vec<f64> = usable.iter().map(|&c| paddle[c]).collect();
        let residual_of: Vec<(usize, f64)> = usable
            .iter()
            .copied()
            .zip(residuals(&truth, &paddles)?)
            .collect();
        let mut relation = BehaviorRelation {
            part,
            bin_ms: self.layout.bin_ms(),
            r: Vec::new(),
            p: Vec::new(),
            n_conditions: Vec::new(),
        };
        for (t, time) in self.part_times(held, part).iter().enumerate() {
            let (mut y, mut x, mut b) = (Vec::new(), Vec::new(), Vec::new());
            for &(c, residual) in &residual_of {
                let Some(i) = time[c] else { continue };
                let value = predicted[c].get(held.rows[c][i], 0);
                if value.is_finite() {
                    y.push(self.end_heights[c]);
                    x.push(value);
                    b.push(residual);
                }
            }
            relation.n_conditions.push(x.len());
            if x.len() < self.min_conditions.max(3) {
                relation.r.push(f64::NAN);
                relation.p.push(None);
                continue;
            }
            let a = residuals(&y, &x)?;
            let r = stats::pearson(&a, &b);
            let mut stream = Stream::new(seed, "endpoint-behavior", t as u64);
            let null: Vec<f64> = (0..n_permutations)
                .map(|_| {
                    let order = stream.permutation(b.len());
                    let dealt: Vec<f64> = order.iter().map(|&i| b[i]).collect();
                    stats::pearson(&a, &dealt)
                })
                .collect();
            relation.r.push(r);
            relation
                .p
                .push(permutation_p(r, &null, Alternative::TwoSided).ok());
        }
        Ok(relation)
    }

    /// The published two-stage control: is the decoded end height more than what the decoded state of the ball tells
    /// linearly?
    ///
    /// Stage 1 decodes the targets of the layout (x and y, or x, y, dx, dy) from the features, and its held-out predictions
    /// are averaged over all splits. Stage 2 maps them to the end height, with the same splits. Both use `readout` (published:
    /// 50 components, of which a state has 2 or 4). Averaging over splits lets a condition's stage-1 prediction, made without
    /// that condition, enter stage 2; that is so in the published control too.
    ///
    /// Errors as [`EndpointDecoder::run`] and [`OnlineDecoder::run`].
    pub fn two_stage(
        &self,
        splits: &[Split],
        readout: Readout,
        second: SecondStage,
    ) -> Result<(Self, HeldOut)> {
        let state = self.state(splits, readout)?;
        match second {
            SecondStage::Decoded => {
                let decoder = Self::new(self.layout, &state, &self.end_heights)?;
                let held = decoder.held_out(splits, readout)?;
                Ok((decoder, held))
            }
            SecondStage::True => {
                let truth: Vec<Array2> = self
                    .layout
                    .conditions()
                    .iter()
                    .map(|c| c.targets.clone())
                    .collect();
                let decoder = Self::new(self.layout, &truth, &self.end_heights)?;
                let held = decoder.transfer(&state, splits, readout)?;
                Ok((decoder, held))
            }
        }
    }

    /// `[condition][row of the layout, target]`: the ball's state as decoded from the features, held-out conditions, mean
    /// over splits.
    fn state(&self, splits: &[Split], readout: Readout) -> Result<Vec<Array2>> {
        Split::check_all(splits, self.layout.conditions().len())?;
        let targets: Vec<Array2> = self
            .layout
            .conditions()
            .iter()
            .zip(&self.kept.rows)
            .map(|(c, rows)| take(&c.targets, rows))
            .collect();
        let complete = |y: &Array2| y.as_slice().iter().all(|v| v.is_finite());
        if targets.iter().all(complete) {
            let sums = self.sums.with_targets(&targets)?;
            return Ok(self.read_all(&sums, splits, readout)?.mean(self.layout));
        }
        // Rows without a state take no part in stage 1.
        let features: Vec<Array2> = self
            .layout
            .conditions()
            .iter()
            .zip(self.kept.rows.iter().zip(&self.kept.features))
            .map(|(c, (rows, x))| {
                let mut all = Array2::filled(c.bins.len(), x.cols(), f64::NAN);
                for (i, &row) in rows.iter().enumerate() {
                    all.row_mut(row).copy_from_slice(x.row(i));
                }
                all
            })
            .collect();
        Ok(OnlineDecoder::new(self.layout, &features)?
            .held_out(splits, readout)?
            .mean(self.layout))
    }

    /// Held-out predictions of every split from these sums of the kept rows.
    fn read_all(&self, sums: &GramTable, splits: &[Split], readout: Readout) -> Result<HeldOut> {
        let done = splits
            .par_iter()
            .map(|split| predict(sums, &self.kept, &sums.fit(&split.train, readout)?, split))
            .collect::<Result<_>>()?;
        Ok(HeldOut {
            splits: done,
            rows: self.kept.rows.clone(),
        })
    }

    /// `[time][condition]`: the kept row that stands `time` bins after the start of the part.
    fn part_times(&self, held: &HeldOut, part: Part) -> Vec<Vec<Option<usize>>> {
        let n = self.layout.conditions().len();
        let spans: Vec<Option<(usize, usize)>> =
            (0..n).map(|c| part.span(self.layout, c)).collect();
        let longest = spans
            .iter()
            .flatten()
            .map(|(a, b)| b - a)
            .max()
            .unwrap_or(0);
        let mut times = vec![vec![None; n]; longest];
        for (c, span) in spans.iter().enumerate() {
            let Some((first, end)) = *span else { continue };
            for (i, &row) in held.rows[c].iter().enumerate() {
                if (first..end).contains(&row) {
                    times[row - first][c] = Some(i);
                }
            }
        }
        times
    }

    fn accuracy(&self, p: &[f64], y: &[f64]) -> (f64, f64) {
        let r = if p.len() < self.min_conditions {
            f64::NAN
        } else {
            stats::pearson(p, y)
        };
        (r, stats::mean_absolute_error(p, y))
    }

    fn read(&self, predictions: &[(usize, Vec<f64>)], times: &[Time]) -> Vec<(f64, f64)> {
        times
            .iter()
            .map(|time| {
                let (p, y): (Vec<f64>, Vec<f64>) = predictions
                    .iter()
                    .filter_map(|(c, p)| time.rows[*c].map(|i| (p[i], self.end_heights[*c])))
                    .unzip();
                let r = if p.len() < self.min_conditions {
                    f64::NAN
                } else {
                    stats::pearson(&p, &y)
                };
                (r, stats::mean_absolute_error(&p, &y))
            })
            .collect()
    }

    fn average(&self, done: &[OneSplit]) -> Vec<Vec<f64>> {
        let conditions = self.layout.conditions();
        let mut sums: Vec<Vec<f64>> = conditions
            .iter()
            .map(|c| vec![f64::NAN; c.bins.len()])
            .collect();
        let mut counts = vec![0usize; conditions.len()];
        for one in done {
            for (c, p) in &one.predictions {
                for (&row, v) in self.kept.rows[*c].iter().zip(p) {
                    let s = &mut sums[*c][row];
                    *s = if counts[*c] == 0 { *v } else { *s + v };
                }
                counts[*c] += 1;
            }
        }
        for (row, &n) in sums.iter_mut().zip(&counts) {
            for v in row {
                *v /= n.max(1) as f64;
            }
        }
        sums
    }
}

/// Accuracy of end-point decoding over time for one set of conditions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointCurve {
    /// Name of the set.
    pub set: String,
    /// Part of the trial that time is counted from the start of.
    pub part: Part,
    /// Width of a bin, ms.
    pub bin_ms: f64,
    /// `[bin]`, conditions of the set with a row here.
    pub n_conditions: Vec<usize>,
    /// `[bin]`, Pearson correlation across held-out conditions, over splits.
    pub r: Vec<Summary>,
    /// `[bin]`, mean absolute error, degrees, over splits.
    pub mae: Vec<Summary>,
    /// `[split][bin]`.
    pub r_per_split: Vec<Vec<f64>>,
    /// `[split][bin]`.
    pub mae_per_split: Vec<Vec<f64>>,
}

/// The shuffled-label control.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShuffledEndpoint {
    /// Part of the trial that time is counted from the start of.
    pub part: Part,
    /// Number of deals of the end heights.
    pub n_shuffles: usize,
    /// `[bin]`, mean over splits of r with the true heights.
    pub r: Vec<f64>,
    /// `[bin]`, the same mean over the deals.
    pub null: Vec<Summary>,
    /// `[bin]`, share of the deals that do as well; `None` where r is undefined in all of them.
    pub p: Vec<Option<PermutationP>>,
}

/// Relation of decoded and observed errors over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BehaviorRelation {
    /// Part of the trial that time is counted from the start of.
    pub part: Part,
    /// Width of a bin, ms.
    pub bin_ms: f64,
    /// `[bin]`, Pearson correlation of the residuals; NaN with too few conditions.
    pub r: Vec<f64>,
    /// `[bin]`, permutation test, with the smallest p that it can give.
    pub p: Vec<Option<PermutationP>>,
    /// `[bin]`, conditions.
    pub n_conditions: Vec<usize>,
}

/// What the second stage of a two-stage control is fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondStage {
    /// The decoded state: `pos_state_pred`, `posvel_state_pred`.
    Decoded,
    /// The true state, and then reads the decoded one: `posvel_state_pred_transfer`.
    True,
}

fn predict(
    sums: &GramTable,
    kept: &Kept,
    fit: &LeastSquares,
    split: &Split,
) -> Result<SplitPredictions> {
    let mut conditions = split.test.clone();
    conditions.sort_unstable();
    let mut starts = vec![0];
    for &c in &conditions {
        starts.push(starts[starts.len() - 1] + kept.rows[c].len());
    }
    Ok(SplitPredictions {
        values: sums.predict(fit, &conditions)?,
        conditions,
        starts,
        rank: fit.rank(),
        path: fit.path(),
    })
}

/// `[condition]`, first predicted row of a held-out condition.
fn starts(split: &SplitPredictions, n_conditions: usize) -> Vec<Option<usize>> {
    let mut out = vec![None; n_conditions];
    for (c, from, _) in split.parts() {
        out[c] = Some(from);
    }
    out
}

/// Residuals of `y` after regression on `x` with intercept.
fn residuals(x: &[f64], y: &[f64]) -> Result<Vec<f64>> {
    let column = |v: &[f64]| Array2::new(v.len(), 1, v.to_vec());
    let (x, y) = (column(x)?, column(y)?);
    let fitted = LeastSquares::fit(&x, &y)?.predict(&x)?;
    Ok((0..y.rows())
        .map(|i| y.get(i, 0) - fitted.get(i, 0))
        .collect())
}
