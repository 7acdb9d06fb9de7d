//! Behaviour of a model: its end height is its paddle, and its errors make a pattern over conditions.
//!
//! Rajalingham, Piccato & Jazayeri 2022, Methods ("error pattern"), and Rajalingham, Sohn & Jazayeri 2025, Table 1. Two mean
//! absolute errors are kept apart (trap 22 of the specification): over *trials*, |final paddle − final ball| of each trial;
//! and *of the mean*, |mean paddle − truth| of each condition. The first is larger, by a factor of about 1.7 in monkeys.
//!
//! 1. [`TrialTable`] holds the trials of people, monkeys or models; [`performance`] is how far they miss.
//! 2. [`error_pattern`] is what a condition does to them beyond gain and offset.
//! 3. [`consistency`] says whether two observers err alike, corrected for noise; [`ceiling`] how far a population agrees with
//!    itself.
//! 4. [`attribute_regression`] says what about models goes with their consistency.
//! 5. [`eye_error`], [`hand_error`] and [`aligned_curve`] are about where eye and hand are meanwhile.

mod attributes;
mod consistency;
mod halves;
mod performance;
mod tracking;
mod trials;

pub use attributes::{AttributeScore, attribute_regression};
pub use consistency::{
    BehavioralConsistency, Ceiling, ErrorHalves, ErrorKind, PUBLISHED_ITERATIONS, ceiling,
    consistency, nse,
};
pub use halves::stratified_halves;
pub use performance::{Performance, performance};
pub use tracking::{AlignedCurve, aligned_curve, eye_error, hand_error};
pub use trials::{Outcome, TrialTable};

use crate::array::Array2;
use crate::decode::Layout;
use crate::error::{Error, Result};
use crate::linear::LeastSquares;
use crate::stats;

/// Errors at the end of the trial, one entry for each condition.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorPattern {
    /// `[condition]`, ids.
    pub ids: Vec<u32>,
    /// `[condition]`, end height of the ball, degrees.
    pub truth: Vec<f64>,
    /// `[condition]`, mean end height of the model over its trials, degrees; NaN where there is no trial.
    pub mean_paddle: Vec<f64>,
    /// `[condition]`, mean paddle less truth, degrees.
    pub error: Vec<f64>,
    /// `[condition]`, mean over trials of the residual of one regression of the paddle on the truth over all trials, degrees
    /// (`residual_err_total` of 2022): biases that a gain and an offset explain are taken out.
    pub residual: Vec<f64>,
    /// Mean over all trials of |paddle − truth|, degrees. For a model with one trial a condition it equals
    /// `mae_of_mean`.
    pub mae_trialwise: f64,
    /// Mean over conditions of |mean paddle − truth|, degrees.
    pub mae_of_mean: f64,
    /// Pearson correlation of mean paddle and truth over conditions.
    pub r: f64,
    /// Slope of the paddle on the truth.
    pub slope: f64,
    /// Offset of the paddle, degrees.
    pub offset: f64,
    /// Conditions with a trial.
    pub n_conditions: usize,
    /// Trials.
    pub n_trials: usize,
}

/// Errors from the paddle of each trial: `trials` is `[condition][trial]` in degrees (NaN is missing), `truth` is
/// `[condition]` in degrees. Which law of motion the truth follows has to be said by the caller.
///
/// [`Error::Shape`] where lengths differ, [`Error::Invalid`] if no trial is left, [`Error::NotFinite`] for a missing truth.
pub fn error_pattern(ids: &[u32], trials: &[Vec<f64>], truth: &[f64]) -> Result<ErrorPattern> {
    for (what, n) in [("truth", truth.len()), ("trials", trials.len())] {
        if n != ids.len() {
            return Err(Error::shape(
                what,
                format!("{} conditions", ids.len()),
                format!("{n} conditions"),
            ));
        }
    }
    if let Some(index) = truth.iter().position(|v| !v.is_finite()) {
        return Err(Error::NotFinite {
            what: "true end height".into(),
            index,
            value: truth[index],
        });
    }
    let mut rows: Vec<(usize, f64)> = Vec::new();
    for (c, paddles) in trials.iter().enumerate() {
        rows.extend(paddles.iter().filter(|p| p.is_finite()).map(|&p| (c, p)));
    }
    if rows.is_empty() {
        return Err(Error::invalid("trials", "there is none"));
    }
    let x = Array2::from_fn(rows.len(), 1, |i, _| truth[rows[i].0]);
    let y = Array2::from_fn(rows.len(), 1, |i, _| rows[i].1);
    let fit = LeastSquares::fit(&x, &y)?;
    let (slope, offset) = (fit.coefficients().get(0, 0), fit.intercept()[0]);
    let (mut mean_paddle, mut residual) = (Vec::new(), Vec::new());
    for (paddles, &t) in trials.iter().zip(truth) {
        let mine: Vec<f64> = paddles.iter().copied().filter(|p| p.is_finite()).collect();
        let m = stats::mean(&mine);
        mean_paddle.push(m);
        residual.push(m - (slope * t + offset));
    }
    let error: Vec<f64> = mean_paddle.iter().zip(truth).map(|(p, t)| p - t).collect();
    let absolute: Vec<f64> = error
        .iter()
        .filter(|e| e.is_finite())
        .map(|e| e.abs())
        .collect();
    let by_trial: Vec<f64> = rows.iter().map(|&(c, p)| (p - truth[c]).abs()).collect();
    let (p, t): (Vec<f64>, Vec<f64>) = mean_paddle
        .iter()
        .zip(truth)
        .filter(|(p, _)| p.is_finite())
        .map(|(p, t)| (*p, *t))
        .unzip();
    Ok(ErrorPattern {
        ids: ids.to_vec(),
        truth: truth.to_vec(),
        mae_trialwise: stats::mean(&by_trial),
        mae_of_mean: stats::mean(&absolute),
        r: stats::pearson(&p, &t),
        slope,
        offset,
        n_conditions: p.len(),
        n_trials: rows.len(),
        mean_paddle,
        error,
        residual,
    })
}

/// `[condition]`, the decoded height in the last row that has one: the model's paddle, degrees. NaN where there is none.
///
/// `held_out` is `[condition][row, target]` as [`crate::decode::OnlineResult::held_out`]; `y` is the index of the height.
#[must_use]
pub fn final_heights(layout: &Layout, held_out: &[Array2], y: usize) -> Vec<f64> {
    layout
        .conditions()
        .iter()
        .zip(held_out)
        .map(|(_, p)| {
            (0..p.rows())
                .rev()
                .map(|row| p.get(row, y))
                .find(|v| v.is_finite())
                .unwrap_or(f64::NAN)
        })
        .collect()
}

/// Standard error of a mean, `sd / sqrt(n)` with ddof 1. NaN for fewer than two values.
fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if n < 2.0 {
        return f64::NAN;
    }
    stats::sd(values) / (n - 1.0).sqrt()
}

/// Lists with NaN as null.
pub(crate) mod nan_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &[f64], s: S) -> Result<S::Ok, S::Error> {
        let values: Vec<Option<f64>> = values.iter().map(|v| v.is_finite().then_some(*v)).collect();
        values.serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(d)?;
        Ok(values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trialwise_and_mean_errors_are_different_things() {
        let trials = vec![vec![1.0, -1.0], vec![3.0, 1.0]];
        let p = error_pattern(&[7, 8], &trials, &[0.0, 2.0]).unwrap();
        assert!((p.mae_trialwise - 1.0).abs() < 1e-15);
        assert!(p.mae_of_mean.abs() < 1e-15);
        assert!((p.r - 1.0).abs() < 1e-12);
        assert_eq!((p.n_conditions, p.n_trials), (2, 4));
    }

    #[test]
    fn residual_takes_out_gain_and_offset() {
        let truth = [-3.0, 0.0, 1.0, 4.0];
        let trials: Vec<Vec<f64>> = truth.iter().map(|t| vec![0.5 * t + 2.0]).collect();
        let p = error_pattern(&[1, 2, 3, 4], &trials, &truth).unwrap();
        assert!(p.residual.iter().all(|r| r.abs() < 1e-12));
        assert!((p.slope - 0.5).abs() < 1e-12 && (p.offset - 2.0).abs() < 1e-12);
        assert!(p.mae_of_mean > 1.0);
    }

    #[test]
    fn a_condition_without_trials_is_missing_not_zero() {
        let p = error_pattern(
            &[1, 2, 3],
            &[vec![1.0], vec![], vec![2.0]],
            &[1.0, 5.0, 2.0],
        )
        .unwrap();
        assert!(p.error[1].is_nan() && p.n_conditions == 2 && p.mae_of_mean < 1e-12);
    }
}
