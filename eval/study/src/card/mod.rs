//! The score card: everything a run found and everything needed to judge and repeat it, as one JSON file.
//!
//! A card has no times, no paths and no machine names, so that the same inputs give the same bytes.

mod compare;
mod markdown;

pub use compare::{Difference, compare};
pub use markdown::card_markdown;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use mental_pong_eval::decode::{Epoch, OnlineResult};
use mental_pong_eval::stats::Summary;

/// Version of the card's layout.
pub const SCHEMA_VERSION: u32 = 1;

/// What a row of the tables is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// A model under test.
    Model,
    /// Something that knows more than a model may (truth, or the visible ball): an upper bound.
    Reference,
    /// Something that a model has to beat, or that shows what a simple rule reaches.
    Control,
    /// A published figure.
    Published,
}

impl RowKind {
    /// Heading in tables and figures.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Model => "Models",
            Self::Reference => "References (know more than a model may)",
            Self::Control => "Controls",
            Self::Published => "Published",
        }
    }
}

/// A named text of the provenance, for example a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedText {
    /// What it is.
    pub name: String,
    /// Its text; for files the sha256 in hexadecimal.
    pub value: String,
}

impl NamedText {
    /// Both as text.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// What went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Name of the condition set, for example `primate79`.
    pub conditions: String,
    /// Law of motion of the stimuli and of the truth: `design` or `display`.
    pub law: String,
    /// Preset of the stimuli.
    pub preset: String,
    /// sha256 of stimuli, weights, preprocessing, condition table and so on.
    pub sha256: Vec<NamedText>,
}

/// A seed and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// Purpose.
    pub purpose: String,
    /// Value.
    pub value: u64,
}

/// Short account of one model; the full one stands beside its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Name.
    pub name: String,
    /// One or two sentences: what it is and what it was trained on.
    pub description: String,
    /// Number of features.
    pub units: usize,
    /// sha256 of the weights; empty if there are none.
    pub weights_sha256: String,
    /// More facts, in order.
    pub facts: Vec<NamedText>,
}

/// How conditions were divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitsInfo {
    /// Number of splits.
    pub n: usize,
    /// Share of conditions to fit on.
    pub train: f64,
    /// Seed of the splitter.
    pub seed: u64,
    /// How the splits were drawn.
    pub method: String,
}

/// One epoch and target of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Part of the trial.
    pub epoch: Epoch,
    /// Target: `x`, `y` (degrees), `dx`, `dy` (degrees per bin).
    pub target: String,
    /// Conditions with a row in the epoch.
    pub n_conditions: usize,
    /// Rows in the epoch.
    pub n_bins: usize,
    /// Pearson correlation over splits.
    pub r: Summary,
    /// Spearman correlation over splits.
    pub spearman: Summary,
    /// Mean absolute error over splits, unit of the target.
    pub mae: Summary,
    /// Root mean squared error over splits, unit of the target.
    pub rmse: Summary,
}

/// One row of the tables: one set of features, read out in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name, for example `ctrnn`.
    pub name: String,
    /// What it is.
    pub kind: RowKind,
    /// One sentence.
    pub description: String,
    /// Read-out: `full` or `pca50`.
    pub readout: String,
    /// Number of features.
    pub units: usize,
    /// Rows dropped for a missing value.
    pub dropped_rows: usize,
    /// Epochs × targets in table order.
    pub stats: Vec<Stats>,
}

impl Row {
    /// From the result of online decoding.
    #[must_use]
    pub fn from_online(
        name: &str,
        kind: RowKind,
        description: &str,
        units: usize,
        target_names: &[String],
        result: &OnlineResult,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            description: description.into(),
            readout: result.readout.name(),
            units,
            dropped_rows: result.dropped_rows,
            stats: result
                .table
                .iter()
                .map(|e| Stats {
                    epoch: e.epoch,
                    target: target_names.get(e.target).cloned().unwrap_or_default(),
                    n_conditions: e.n_conditions,
                    n_bins: e.n_bins,
                    r: e.r,
                    spearman: e.spearman,
                    mae: e.mae,
                    rmse: e.rmse,
                })
                .collect(),
        }
    }

    /// The numbers of one epoch and target.
    #[must_use]
    pub fn get(&self, epoch: Epoch, target: &str) -> Option<&Stats> {
        self.stats
            .iter()
            .find(|s| s.epoch == epoch && s.target == target)
    }
}

/// A model's end heights against the truth, without the per-condition values (these are in the tables).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BehaviorScore {
    /// Row of the model.
    pub row: String,
    /// Conditions.
    pub n_conditions: usize,
    /// Trials; equal to the conditions for a model without noise.
    pub n_trials: usize,
    /// Mean over trials of |paddle − truth|, degrees.
    pub mae_trialwise_deg: f64,
    /// Mean over conditions of |mean paddle − truth|, degrees.
    pub mae_of_mean_deg: f64,
    /// Pearson correlation of mean paddle and truth; null if undefined.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub r: f64,
}

/// A yes-or-no question about the run. One "no" makes the exit code 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Name.
    pub name: String,
    /// The answer.
    pub passed: bool,
    /// The numbers behind it.
    pub detail: String,
}

/// A file of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// Name within the report's folder, with `/`.
    pub name: String,
    /// sha256, hexadecimal.
    pub sha256: String,
}

/// The score card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u32,
    /// Name and version of the program.
    pub program: String,
    /// What of this is real and what is synthetic.
    pub data_statement: String,
    /// The configuration: with the same program it gives this card again.
    pub config: serde_json::Value,
    /// What went in.
    pub inputs: Inputs,
    /// Seeds.
    pub seeds: Vec<Seed>,
    /// Models.
    pub models: Vec<ModelCard>,
    /// Splits.
    pub splits: SplitsInfo,
    /// Conditions.
    pub n_conditions: usize,
    /// Rows (bins) of all conditions.
    pub n_bins: usize,
    /// Read-out of `decode.csv` and of the figures.
    pub primary_readout: String,
    /// Scores.
    pub rows: Vec<Row>,
    /// Behaviour.
    pub behavior: Vec<BehaviorScore>,
    /// Checks.
    pub checks: Vec<Check>,
    /// Tables, by name.
    pub tables: Vec<FileHash>,
    /// Figures, by name.
    pub figures: Vec<FileHash>,
    /// What the score does not show, a sentence each.
    pub does_not_show: Vec<String>,
}

/// Pretty JSON with a newline at the end.
pub(crate) fn to_json(card: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(card)?;
    text.push('\n');
    Ok(text)
}

/// A card whose layout has the version `expected` under `key`.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str, key: &str, expected: u32) -> Result<T> {
    let tree: serde_json::Value = serde_json::from_str(text)?;
    let version = tree.get(key).cloned().unwrap_or_default();
    let found: u32 = serde_json::from_value(version)?;
    if found != expected {
        return Err(Error::SchemaVersion { expected, found });
    }
    Ok(serde_json::from_value(tree)?)
}

impl Card {
    /// Pretty JSON with a newline at the end. Numbers have all their digits; NaN is null.
    pub fn to_json(&self) -> Result<String> {
        to_json(self)
    }

    /// Read a card. [`Error::Json`] if it is not one, [`Error::SchemaVersion`] if this version cannot read it.
    pub fn from_json(text: &str) -> Result<Self> {
        from_json(text, "schema_version", SCHEMA_VERSION)
    }

    /// Whether every check said yes.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|c| c.passed)
    }

    /// A row by name and read-out.
    #[must_use]
    pub fn row(&self, name: &str, readout: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|r| r.name == name && r.readout == readout)
    }
}
