//! How a session went, for its last screen and the command line.

use std::collections::BTreeMap;

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

/// Another observer on the same trials, for the last screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Its name.
    pub name: String,
    /// Mean absolute error of its occluded trials, degrees.
    pub mae_deg: f64,
    /// Mean error of its occluded trials by condition, degrees: paddle minus ball.
    pub errors_deg: BTreeMap<String, f64>,
    /// Whether its errors are shown in the picture, beside the person's.
    pub pictured: bool,
}

impl Other {
    /// An observer by its trials; nothing where none of them was occluded and taken up.
    #[must_use]
    pub fn of(name: String, rows: &[TrialRow], pictured: bool) -> Option<Self> {
        let mae_deg = Summary::of(rows).mae_occluded_deg?;
        Some(Self {
            name,
            mae_deg,
            errors_deg: errors_by_condition(rows)
                .into_iter()
                .map(|(id, (_, error))| (id, error))
                .collect(),
            pictured,
        })
    }

    /// Correlation of its errors with those of some trials, over the conditions that both have, and
    /// how many those are; nothing for fewer than three, or where one of them does not vary.
    #[must_use]
    pub fn alike(&self, rows: &[TrialRow]) -> Option<(f64, usize)> {
        let pairs: Vec<(f64, f64)> = errors_by_condition(rows)
            .into_iter()
            .filter_map(|(id, (_, error))| Some((error, *self.errors_deg.get(&id)?)))
            .collect();
        let n = pairs.len() as f64;
        let (x, y) = pairs.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        let (x, y) = (x / n, y / n);
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        for (a, b) in &pairs {
            xx += (a - x) * (a - x);
            yy += (b - y) * (b - y);
            xy += (a - x) * (b - y);
        }
        let scale = (xx * yy).sqrt();
        (pairs.len() >= 3 && scale > 0.0).then(|| (xy / scale, pairs.len()))
    }
}

/// Mean truth and mean error of the occluded trials of each condition, degrees.
#[must_use]
pub fn errors_by_condition(rows: &[TrialRow]) -> BTreeMap<String, (f64, f64)> {
    let mut all: BTreeMap<String, (f64, f64, f64)> = BTreeMap::new();
    for row in rows {
        if let (Some(error), false, TrialKind::Occluded) =
            (row.error_deg, row.practice, row.trial_type)
        {
            let of = all.entry(row.condition_id.clone()).or_default();
            *of = (of.0 + row.y_true_deg, of.1 + error, of.2 + 1.0);
        }
    }
    all.into_iter()
        .map(|(id, (truth, error, n))| (id, (truth / n, error / n)))
        .collect()
}
