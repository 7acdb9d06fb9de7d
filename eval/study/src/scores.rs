//! The card of a study: one section an analysis, one row a number, with its interval, its n and its ceiling.

use serde::{Deserialize, Serialize};

use crate::card::{self, Check, FileHash, NamedText, RowKind, Seed};
use crate::error::Result;

/// Version of the layout. Cards of `mpong run` have a version of their own.
pub const STUDY_SCHEMA_VERSION: u32 = 1;

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Whose: a model, `DMFC`, an observer, a control.
    pub row: String,
    /// What the row is.
    pub kind: RowKind,
    /// Which number, in the field's words, for example `median r_xy_n_sb`.
    pub metric: String,
    /// Unit of the number; empty for a correlation or a share.
    pub unit: String,
    /// The number; null if it is not defined.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub value: f64,
    /// Lower end of the interval; null without one.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub low: f64,
    /// Upper end of the interval.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub high: f64,
    /// What the interval is, for example `± SD over splits` or `95 % bootstrap over conditions`; empty without one.
    pub interval: String,
    /// How many of what, for example `1889 units`.
    pub n: String,
    /// Highest value that the data allow; null if there is none.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub ceiling: f64,
    /// Anything a reader must know about this number; empty if nothing.
    pub note: String,
}

impl Score {
    /// A number without interval and ceiling.
    #[must_use]
    pub fn new(row: &str, kind: RowKind, metric: &str, unit: &str, value: f64, n: String) -> Self {
        Self {
            row: row.into(),
            kind,
            metric: metric.into(),
            unit: unit.into(),
            value,
            low: f64::NAN,
            high: f64::NAN,
            interval: String::new(),
            n,
            ceiling: f64::NAN,
            note: String::new(),
        }
    }

    /// With an interval and its name.
    #[must_use]
    pub fn between(mut self, low: f64, high: f64, interval: &str) -> Self {
        (self.low, self.high) = (low, high);
        self.interval = interval.into();
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
        self.note = note.into();
        self
    }
}

/// One analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Name as on the command line, for example `rsa`.
    pub analysis: String,
    /// The question it answers, one sentence.
    pub question: String,
    /// How it was answered: method, source, and which of the published forms.
    pub method: String,
    /// The numbers.
    pub scores: Vec<Score>,
    /// What a reader must know before quoting them.
    pub warnings: Vec<String>,
}

/// The card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyCard {
    /// [`STUDY_SCHEMA_VERSION`] of the program that wrote it.
    pub study_schema_version: u32,
    /// Name and version of the program.
    pub program: String,
    /// What of this is real, synthetic or simulated.
    pub data_statement: String,
    /// The configuration.
    pub config: serde_json::Value,
    /// sha256 of everything that went in.
    pub inputs: Vec<NamedText>,
    /// Seeds.
    pub seeds: Vec<Seed>,
    /// Conditions.
    pub n_conditions: usize,
    /// Name of each row, and what it is.
    #[serde(default)]
    pub rows: Vec<NamedText>,
    /// The analyses, in order.
    pub sections: Vec<Section>,
    /// Analyses that were not run, and why.
    pub skipped: Vec<NamedText>,
    /// Checks; one "no" makes the exit code 1.
    pub checks: Vec<Check>,
    /// Tables by name.
    pub tables: Vec<FileHash>,
    /// Figures by name.
    pub figures: Vec<FileHash>,
}

impl StudyCard {
    /// Pretty JSON with a newline at the end; NaN is null.
    pub fn to_json(&self) -> Result<String> {
        card::to_json(self)
    }

    /// Reads a card. [`Json`](crate::error::Error::Json) if it is none, [`SchemaVersion`](crate::error::Error::SchemaVersion) for another version.
    pub fn from_json(text: &str) -> Result<Self> {
        card::from_json(text, "study_schema_version", STUDY_SCHEMA_VERSION)
    }

    /// Whether every check said yes.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|c| c.passed)
    }

    /// A number by analysis, row and metric.
    #[must_use]
    pub fn score(&self, analysis: &str, row: &str, metric: &str) -> Option<&Score> {
        self.sections
            .iter()
            .find(|s| s.analysis == analysis)?
            .scores
            .iter()
            .find(|s| s.row == row && s.metric == metric)
    }
}
