//! How far paddles are from the ball: four numbers that are easily taken for one another.

use mental_pong_base::Stream;
use mental_pong_game::task::Law;
use serde::{Deserialize, Serialize};

use super::TrialTable;
use crate::error::Result;
use crate::stats::{self, Summary};

/// Errors at the end of the trial, degrees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Which law the truth follows.
    pub law: Law,
    /// Mean over trials of |paddle - truth| (P22, "total"): includes what differs from trial to trial.
    pub mae_trialwise: f64,
    /// Mean over conditions of |mean paddle - truth| (P22, "bias"; P25, Table 1).
    pub mae_of_mean: f64,
    /// Standard error of `mae_of_mean` over conditions (ddof 1), as Table 1 has it. NaN for one condition.
    #[serde(with = "crate::nan_as_null")]
    pub mae_of_mean_sem: f64,
    /// Root of the mean over trials of (paddle - truth)².
    pub rms_trialwise: f64,
    /// Root of the mean over conditions of (mean paddle - truth)² (`get_performance` of P22's code).
    pub rms_of_mean: f64,
    /// Mean over conditions of mean paddle - truth: above zero is too high.
    pub mean_signed_error: f64,
    /// Bootstrap over conditions of `mae_trialwise`.
    pub mae_trialwise_over_conditions: Summary,
    /// Bootstrap over conditions of `mae_of_mean`.
    pub mae_of_mean_over_conditions: Summary,
    /// Conditions with a trial.
    pub n_conditions: usize,
    /// Trials with a paddle.
    pub n_trials: usize,
}

/// [`Performance`] over all trials of a table, with `resamples` bootstrap samples of conditions.
///
/// Errors as [`TrialTable::check`], and [`crate::error::Error::Invalid`] if there is no trial.
pub fn performance(table: &TrialTable, resamples: usize, seed: u64) -> Result<Performance> {
    table.check()?;
    let ids = table.conditions(1);
    let (truth, paddles) = table.by_condition(&ids)?;
    if ids.is_empty() {
        return Err(crate::error::Error::invalid("trials", "there is none"));
    }
    let errors: Vec<Vec<f64>> = paddles
        .iter()
        .zip(&truth)
        .map(|(p, t)| p.iter().map(|p| p - t).collect())
        .collect();
    let of_mean: Vec<f64> = errors.iter().map(|e| stats::mean(e)).collect();
    let absolute: Vec<f64> = of_mean.iter().map(|e| e.abs()).collect();
    let sums: Vec<(f64, f64)> = errors
        .iter()
        .map(|e| (e.iter().map(|v| v.abs()).sum(), e.len() as f64))
        .collect();
    let flat: Vec<f64> = errors.concat();
    let n = ids.len();
    let rms = |v: &[f64]| stats::mean(&v.iter().map(|e| e * e).collect::<Vec<_>>()).sqrt();
    let stream = |index| Stream::new(seed, "performance over conditions", index);
    Ok(Performance {
        law: table.law,
        mae_trialwise: stats::mean(&flat.iter().map(|e| e.abs()).collect::<Vec<_>>()),
        mae_of_mean: stats::mean(&absolute),
        mae_of_mean_sem: super::standard_error(&absolute),
        rms_trialwise: rms(&flat),
        rms_of_mean: rms(&of_mean),
        mean_signed_error: stats::mean(&of_mean),
        mae_trialwise_over_conditions: stats::bootstrap(n, resamples, stream(0), |drawn| {
            let sum: f64 = drawn.iter().map(|&c| sums[c].0).sum();
            sum / drawn.iter().map(|&c| sums[c].1).sum::<f64>()
        }),
        mae_of_mean_over_conditions: stats::bootstrap(n, resamples, stream(1), |drawn| {
            drawn.iter().map(|&c| absolute[c]).sum::<f64>() / drawn.len() as f64
        }),
        n_conditions: n,
        n_trials: flat.len(),
    })
}
