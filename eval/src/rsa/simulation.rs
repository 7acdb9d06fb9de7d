//! The simulation index: how well the hidden ball can be read out of a system's states.

use serde::{Deserialize, Serialize};

use super::StepAxis;
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::{GramTable, Readout};
use crate::stats;

/// Degrees in a pixel of the published networks' 32-pixel frame.
const DEG_PER_PX32: f64 = 20.0 / 32.0;

/// How well the hidden ball is read out, over all hidden steps of all conditions, each predicted by the map of the folds that
/// its condition is not in. `(x, y)` in that order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulationIndex {
    /// Number of folds, without shuffling: the value depends on the order of the conditions.
    pub folds: usize,
    /// Hidden steps predicted.
    pub n_steps: usize,
    /// The published index: mean of the two mean absolute errors, in pixels of a 32-pixel frame. Lower is better.
    pub index_px32: f64,
    /// The same in degrees.
    pub index_deg: f64,
    /// Mean absolute error, pixels of a 32-pixel frame.
    pub mae_px32: [f64; 2],
    /// Mean absolute error, degrees.
    pub mae_deg: [f64; 2],
    /// Root mean squared error, pixels of a 32-pixel frame.
    pub rmse_px32: [f64; 2],
    /// Pearson correlation.
    #[serde(with = "nan_pair")]
    pub r: [f64; 2],
    /// Normalised squared error, as [`crate::behavior::nse`] without noise.
    #[serde(with = "nan_pair")]
    pub nse: [f64; 2],
    /// `[condition]`, mean over x and y of the absolute error of its hidden steps, degrees.
    #[serde(with = "crate::behavior::nan_list")]
    pub by_condition_deg: Vec<f64>,
}

/// A linear map with intercept from states to the ball, fitted on all steps of the training conditions (visible and hidden) and
/// read on the part `occ_end` of the others. `KFold(folds)` over conditions, no shuffling; the published index has 2 folds.
///
/// `states` is `[condition][step, unit]` on the steps of `axis`, `ball_deg` `[condition][step, (x, y)]` in degrees: published
/// with the design law. Source: `get_model_simulation_index` of P22 and P25.
///
/// [`Error::Shape`] if these do not agree, [`Error::Invalid`] for fewer than 2 folds, fewer conditions than folds, or an axis
/// without `occ_end`; [`Error::NotFinite`] for NaN.
pub fn simulation_index(
    axis: &StepAxis,
    states: &[Array2],
    ball_deg: &[Array2],
    folds: usize,
) -> Result<SimulationIndex> {
    let n = axis.steps().len();
    let hidden = axis
        .part("occ_end")
        .ok_or_else(|| Error::invalid("axis", "it has no part occ_end"))?;
    if folds < 2 || n < folds {
        return Err(Error::invalid(
            "folds",
            format!("{folds} folds of {n} conditions"),
        ));
    }
    for (what, arrays) in [("states", states), ("ball", ball_deg)] {
        let found: Vec<usize> = arrays.iter().map(Array2::rows).collect();
        if found != axis.steps() {
            return Err(Error::shape(
                what,
                format!("steps {:?} by condition", axis.steps()),
                format!("{found:?}"),
            ));
        }
    }
    if let Some(c) = ball_deg.iter().position(|b| b.cols() != 2) {
        return Err(Error::shape(
            format!("ball, condition {c}"),
            "2 columns, x and y",
            format!("{} columns", ball_deg[c].cols()),
        ));
    }
    let table = GramTable::new(states, ball_deg)?;
    let mut by_condition_deg = vec![f64::NAN; n];
    let (mut truth, mut read) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for test in k_fold(n, folds) {
        let train: Vec<usize> = (0..n).filter(|c| !test.contains(c)).collect();
        let map = table.fit(&train, Readout::Full)?;
        for c in test {
            let predicted = map.predict(&states[c])?;
            let mut errors = Vec::new();
            for step in (0..axis.steps()[c]).filter(|&s| hidden.inside[c][s]) {
                for target in 0..2 {
                    let (t, p) = (ball_deg[c].get(step, target), predicted.get(step, target));
                    truth[target].push(t);
                    read[target].push(p);
                    errors.push((t - p).abs());
                }
            }
            by_condition_deg[c] = stats::mean(&errors);
        }
    }
    let each = |f: &dyn Fn(&[f64], &[f64]) -> f64| [f(&truth[0], &read[0]), f(&truth[1], &read[1])];
    let mae_deg = each(&stats::mean_absolute_error);
    let px = |v: [f64; 2]| v.map(|e| e / DEG_PER_PX32);
    let index_deg = (mae_deg[0] + mae_deg[1]) / 2.0;
    // The published value has the frame's corner as its origin.
    let shifted = |v: &[f64]| -> Vec<f64> { v.iter().map(|d| d / DEG_PER_PX32 + 16.0).collect() };
    Ok(SimulationIndex {
        folds,
        n_steps: truth[0].len(),
        index_px32: index_deg / DEG_PER_PX32,
        index_deg,
        mae_px32: px(mae_deg),
        mae_deg,
        rmse_px32: px(each(&stats::root_mean_squared_error)),
        r: each(&stats::pearson),
        nse: each(&|t, p| {
            let (t, p) = (shifted(t), shifted(p));
            crate::behavior::nse(&t, &t, &p, &p)
        }),
        by_condition_deg,
    })
}

/// Test sets of `KFold(folds)`: consecutive, the first `n % folds` one longer.
fn k_fold(n: usize, folds: usize) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    (0..folds)
        .map(|k| {
            let size = n / folds + usize::from(k < n % folds);
            start += size;
            start - size..start
        })
        .collect()
}

mod nan_pair {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "signature given by serde's `with`"
    )]
    pub(super) fn serialize<S: Serializer>(value: &[f64; 2], s: S) -> Result<S::Ok, S::Error> {
        value.map(|v| v.is_finite().then_some(v)).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[f64; 2], D::Error> {
        Ok(<[Option<f64>; 2]>::deserialize(d)?.map(|v| v.unwrap_or(f64::NAN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_follow_sklearn() {
        // [len(t) for _, t in KFold(n).split(range(79))]
        let sizes =
            |k| -> Vec<usize> { k_fold(79, k).iter().map(ExactSizeIterator::len).collect() };
        assert_eq!(sizes(2), [40, 39]);
        assert_eq!(sizes(5), [16, 16, 16, 16, 15]);
        assert_eq!(sizes(10), [8, 8, 8, 8, 8, 8, 8, 8, 8, 7]);
        assert_eq!(k_fold(79, 10).last(), Some(&(72..79)));
    }
}
