//! How much a comparison owes to the conditions that its read-outs happened to be fitted on.

use rayon::prelude::*;

use super::{OnlineDecoder, Split};
use crate::array::Array2;
use crate::error::Result;
use crate::linear::Readout;

impl OnlineDecoder<'_> {
    /// A statistic of every resample of conditions, with the maps fitted again on what was drawn of the training conditions.
    ///
    /// `drawn` is `[resample][draw]`, conditions with repeats. `statistic` gets the mean held-out predictions
    /// `[condition][row, target]` (NaN for conditions that were not drawn or never held out) and what was drawn. A resample of
    /// conditions under fixed predictions leaves out the noise of fitting; this has both. Resamples run in parallel, and the
    /// result does not depend on the number of threads.
    ///
    /// # Errors
    /// As [`OnlineDecoder::run`].
    pub fn refitted<T: Send>(
        &self,
        splits: &[Split],
        drawn: &[Vec<usize>],
        readout: Readout,
        statistic: impl Fn(&[Array2], &[usize]) -> T + Sync,
    ) -> Result<Vec<T>> {
        let n = self.layout.conditions().len();
        Split::check_all(splits, n)?;
        drawn
            .par_iter()
            .map(|drawn| {
                let mut times = vec![0_usize; n];
                drawn.iter().for_each(|&c| times[c] += 1);
                let mut sums: Vec<Array2> = self
                    .layout
                    .conditions()
                    .iter()
                    .map(|c| Array2::filled(c.bins.len(), c.targets.cols(), f64::NAN))
                    .collect();
                let mut counts = vec![0.0; n];
                for split in splits {
                    let train: Vec<usize> = split
                        .train
                        .iter()
                        .flat_map(|&c| std::iter::repeat_n(c, times[c]))
                        .collect();
                    let test: Vec<usize> = split
                        .test
                        .iter()
                        .copied()
                        .filter(|&c| times[c] > 0)
                        .collect();
                    if train.is_empty() || test.is_empty() {
                        continue;
                    }
                    let fit = self.sums.fit(&train, readout)?;
                    let found = self.read(&fit, &Split { train, test })?;
                    for (c, from, to) in found.parts() {
                        for (i, &row) in (from..to).zip(&self.kept.rows[c]) {
                            for (t, sum) in sums[c].row_mut(row).iter_mut().enumerate() {
                                let value = found.values[(i, t)];
                                *sum = if counts[c] == 0.0 {
                                    value
                                } else {
                                    *sum + value
                                };
                            }
                        }
                        counts[c] += 1.0;
                    }
                }
                for (sum, count) in sums.iter_mut().zip(&counts) {
                    for row in 0..sum.rows() {
                        sum.row_mut(row).iter_mut().for_each(|v| *v /= *count);
                    }
                }
                Ok(statistic(&sums, drawn))
            })
            .collect()
    }
}
