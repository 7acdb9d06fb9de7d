//! How a session went, for its last screen and the command line.

use serde::{Deserialize, Serialize};

use crate::records::rows::TrialRow;
use crate::task::trial::{Outcome, TrialKind};

/// How a session went. Practice does not count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Trials that were taken up.
    pub n: usize,
    /// Of them, hits.
    pub n_hit: usize,
    /// Trials that were ignored.
    pub n_ignored: usize,
    /// Occluded trials that were taken up.
    pub n_occluded: usize,
    /// Mean absolute error of occluded trials, degrees: paddle minus ball at arrival.
    pub mae_occluded_deg: Option<f64>,
    /// Mean error of occluded trials, degrees; positive is too high.
    pub bias_occluded_deg: Option<f64>,
    /// Visible trials that were taken up.
    pub n_visible: usize,
    /// Mean absolute error of visible trials, degrees.
    pub mae_visible_deg: Option<f64>,
    /// Frames shown.
    pub n_frames: u64,
    /// Frames that were late.
    pub n_late: u64,
    /// The latest frame's lateness, milliseconds.
    pub max_late_ms: f64,
    /// Trials in which the window lost the focus.
    pub n_focus_lost: usize,
    /// `[trial]`: `(truth, paddle)` of the occluded trials, degrees.
    pub occluded_deg: Vec<(f64, f64)>,
    /// `[trial]`: `(truth, paddle)` of the visible trials, degrees.
    pub visible_deg: Vec<(f64, f64)>,
}

impl Summary {
    /// The summary of some trials.
    #[must_use]
    pub fn of(rows: &[TrialRow]) -> Self {
        let mut summary = Self::default();
        for row in rows.iter().filter(|row| !row.practice) {
            summary.n_frames += u64::from(row.n_frames);
            summary.n_late += u64::from(row.n_late);
            summary.max_late_ms = summary.max_late_ms.max(row.max_late_ms);
            summary.n_focus_lost += usize::from(row.focus_lost);
            let (Some(paddle), true) = (row.paddle_y_deg, row.outcome != Outcome::Ignore) else {
                summary.n_ignored += 1;
                continue;
            };
            summary.n += 1;
            summary.n_hit += usize::from(row.outcome == Outcome::Hit);
            match row.trial_type {
                TrialKind::Occluded => &mut summary.occluded_deg,
                TrialKind::Visible => &mut summary.visible_deg,
            }
            .push((row.y_true_deg, paddle));
        }
        let mean = |of: &[(f64, f64)], f: fn(f64) -> f64| {
            let sum: f64 = of.iter().map(|(truth, paddle)| f(paddle - truth)).sum();
            (!of.is_empty()).then(|| sum / of.len() as f64)
        };
        summary.n_occluded = summary.occluded_deg.len();
        summary.n_visible = summary.visible_deg.len();
        summary.mae_occluded_deg = mean(&summary.occluded_deg, f64::abs);
        summary.bias_occluded_deg = mean(&summary.occluded_deg, |e| e);
        summary.mae_visible_deg = mean(&summary.visible_deg, f64::abs);
        summary
    }
}
