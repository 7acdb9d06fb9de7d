//! End-point decoding: one static map to the height where the ball will end, read over time.
//!
//! Rajalingham, Sohn & Jazayeri 2025, Fig. 5B, and the authors' `OfflineDecoder`: 50 principal components and least
//! squares fitted on all bins of the training conditions; the decoder is *not* fitted again for each bin. What the figure
//! calls RMSE is a mean absolute error (trap 16 of the specification).

use rayon::prelude::*;

use super::Kept;
use super::layout::{Layout, Split};
use super::online::{Time, align};
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::{GramTable, Readout};
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
                let mut test = split.test.clone();
                test.sort_unstable();
                let predictions: Vec<(usize, Vec<f64>)> = test
                    .iter()
                    .map(|&c| Ok((c, fit.predict(&self.kept.features[c])?.column(0))))
                    .collect::<Result<_>>()?;
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
