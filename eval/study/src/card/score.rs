//! One number of a study, named by identifiers.

use serde::{Deserialize, Serialize};

use super::RowKind;

/// One number. Row, analysis, metric, epoch, target and `against` together name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Whose: a model, `DMFC`, an observer, a control.
    pub row: String,
    /// What the row is.
    pub kind: RowKind,
    /// Identifier of the analysis, for example `rsa`.
    pub analysis: String,
    /// Identifier of the number, for example `r`, `mae`, `r_xy_n_sb`; [`crate::words::metric`] says it in words.
    pub metric: String,
    /// Part of the trial: `all`, `visible`, `hidden`, or empty.
    pub epoch: String,
    /// What is read out or compared with: `x`, `y`, `end`, a variable, an observer; or empty.
    pub target: String,
    /// The other row of a comparison; left out where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub against: String,
    /// The condition set, where it is not the study's own; left out otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub set: String,
    /// The number; null if it is not defined.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub value: f64,
    /// Lower end of the interval; null without one.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub low: f64,
    /// Upper end of the interval.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub high: f64,
    /// What the interval is, for example `sd_over_splits` or `ci95_bca_conditions`; empty without one.
    pub interval: String,
    /// Unit of the number, `1` for a correlation or a share.
    pub unit: String,
    /// Conditions behind it; null where that does not apply.
    pub n_conditions: Option<usize>,
    /// Bins behind it; null where that does not apply.
    pub n_bins: Option<usize>,
    /// Highest value that the data allow; null if there is none.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub ceiling: f64,
    /// Anything else a reader must know about this number; empty if nothing.
    pub note: String,
}

/// Kinds of intervals. One look in a table means one kind.
pub mod interval {
    /// Mean ± standard deviation over splits, which overlap: a spread, no standard error.
    pub const SD_SPLITS: &str = "sd_over_splits";
    /// 95 % bootstrap over conditions, bias-corrected and accelerated.
    pub const BCA: &str = "ci95_bca_conditions";
    /// The same for a paired difference, with the noise of fitting again.
    pub const BCA_REFIT: &str = "ci95_bca_conditions_refitted";
    /// 95 % percentile bootstrap over conditions.
    pub const CONDITIONS: &str = "ci95_conditions";
    /// 95 % bootstrap over conditions and units.
    pub const UNITS: &str = "ci95_conditions_and_units";
    /// 95 % jackknife over conditions.
    pub const JACKKNIFE: &str = "ci95_jackknife_conditions";
    /// Mean ± standard error over conditions.
    pub const SEM: &str = "sem_over_conditions";
    /// 2.5th to 97.5th percentile of a null distribution.
    pub const NULL: &str = "percentiles_of_null";
    /// 95 % bootstrap over clips.
    pub const CLIPS: &str = "ci95_clips";
    /// 2.5th to 97.5th percentile over participants or pairs: a range.
    pub const RANGE: &str = "range95_participants";
    /// 95 % bootstrap over rows.
    pub const ROWS: &str = "ci95_rows";
}

impl Score {
    /// A number of a row.
    #[must_use]
    pub fn of(row: &str, kind: RowKind, metric: &str, value: f64) -> Self {
        Self {
            row: row.into(),
            kind,
            analysis: String::new(),
            metric: metric.into(),
            epoch: String::new(),
            target: String::new(),
            against: String::new(),
            set: String::new(),
            value,
            low: f64::NAN,
            high: f64::NAN,
            interval: String::new(),
            unit: "1".into(),
            n_conditions: None,
            n_bins: None,
            ceiling: f64::NAN,
            note: String::new(),
        }
    }

    /// Of a part of the trial.
    #[must_use]
    pub fn during(mut self, epoch: &str) -> Self {
        self.epoch = epoch.into();
        self
    }

    /// Of a target.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    /// Compared with another row.
    #[must_use]
    pub fn against(mut self, row: &str) -> Self {
        self.against = row.into();
        self
    }

    /// On another set than the study's own.
    #[must_use]
    pub fn on(mut self, set: &str) -> Self {
        self.set = set.into();
        self
    }

    /// In a unit.
    #[must_use]
    pub fn unit(mut self, unit: &str) -> Self {
        self.unit = unit.into();
        self
    }

    /// With an interval and its kind.
    #[must_use]
    pub fn between(mut self, low: f64, high: f64, interval: &str) -> Self {
        (self.low, self.high) = (low, high);
        if low.is_finite() || high.is_finite() {
            self.interval = interval.into();
        }
        self
    }

    /// From so many conditions.
    #[must_use]
    pub fn conditions(mut self, n: usize) -> Self {
        self.n_conditions = Some(n);
        self
    }

    /// From so many bins.
    #[must_use]
    pub fn bins(mut self, n: usize) -> Self {
        self.n_bins = Some(n);
        self
    }

    /// With a ceiling.
    #[must_use]
    pub fn below(mut self, ceiling: f64) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// With a remark.
    #[must_use]
    pub fn noting(mut self, note: impl Into<String>) -> Self {
        let note = note.into();
        if !self.note.is_empty() && !note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(&note);
        self
    }

    /// Mean ± SD over splits.
    #[must_use]
    pub fn over_splits(self, s: &mental_pong_eval::stats::Summary) -> Self {
        self.between(s.mean - s.sd, s.mean + s.sd, interval::SD_SPLITS)
    }
}
