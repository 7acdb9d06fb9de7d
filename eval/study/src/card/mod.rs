//! The score card: everything a study found and everything needed to judge and repeat it, as one JSON file.
//!
//! A card has no times, no paths and no machine names, so that the same inputs give the same bytes. What differs between
//! processors is named in `processor`.

mod compare;
mod markdown;
mod score;

pub use compare::{Difference, compare};
pub use markdown::markdown;
pub use score::{Score, interval};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::inputs::Asked;

/// Version of the card's layout.
pub const SCHEMA_VERSION: u32 = 2;

/// What a row of the tables is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// A model under test.
    Model,
    /// A recording, or people and animals whose behaviour was read.
    Published,
    /// Something that knows more than a model may (truth, or the visible ball): an upper bound.
    Reference,
    /// Something that a model has to beat, or that shows what a simple rule reaches.
    Control,
}

impl RowKind {
    /// Heading in tables and figures.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Model => "Models",
            Self::Published => "Brain and behaviour",
            Self::Reference => "References (know more than a model may)",
            Self::Control => "Nulls and controls",
        }
    }
}

/// A named text of the provenance.
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

/// What a file or folder was given as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The condition set.
    Conditions,
    /// The recording.
    Recording,
    /// A recording of another animal.
    OtherRecording,
    /// A model by name or by its weights.
    Model,
    /// Latents of a model.
    Latents,
    /// Trials of people or animals.
    Behavior,
    /// Attributes of rows.
    Attributes,
    /// Clips of object contact.
    Contact,
}

impl Role {
    /// The flag of the command line that gives it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::Conditions => "--conditions",
            Self::Recording => "--recording",
            Self::OtherRecording => "--other-recording",
            Self::Model => "--model",
            Self::Latents => "--latents",
            Self::Behavior => "--behavior",
            Self::Attributes => "--attributes",
            Self::Contact => "--contact",
        }
    }
}

/// Something that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// What as.
    pub role: Role,
    /// Name in the tables, or the name of a built-in thing.
    pub name: String,
    /// Name of the file or folder, without its path; empty for something built in.
    pub file: String,
    /// sha256 of the file, of all files of a folder, or of what is built in.
    pub sha256: String,
}

/// A seed and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// Purpose.
    pub purpose: String,
    /// Value.
    pub value: u64,
}

/// A condition set of the study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCard {
    /// Name, for example `primate79`.
    pub name: String,
    /// Its hash.
    pub sha256: String,
    /// Conditions.
    pub n_conditions: usize,
    /// Bins of motion of all conditions.
    pub n_bins: usize,
    /// What looked at these conditions: training, selection, reporting.
    pub looked_at: String,
}

/// A row of the study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCard {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: RowKind,
    /// What it is, one sentence.
    pub description: String,
    /// Features; null where an analysis never asked for them.
    pub units: Option<usize>,
    /// More facts of a model: weights, training, preprocessing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<NamedText>,
}

/// A yes-or-no question about the validity of the study. One "no" makes the exit code 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Name.
    pub name: String,
    /// The answer.
    pub passed: bool,
    /// The numbers behind it.
    pub detail: String,
}

/// How a row stands against another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Better, by its test.
    Above,
    /// The test does not tell.
    NotDistinguishable,
    /// Worse, by its test.
    Below,
}

impl Standing {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::NotDistinguishable => "not distinguishable from",
            Self::Below => "below",
        }
    }
}

/// How a model stands against a null, by a paired test over conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Condition set.
    pub set: String,
    /// Model.
    pub row: String,
    /// Null.
    pub null: String,
    /// `x`, `y` or `end`.
    pub target: String,
    /// `all`, `none`, `visible` or `hidden`.
    pub bounce: String,
    /// What the test says.
    pub standing: Standing,
    /// 1 − error / error of the null.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub skill: f64,
    /// p of the paired sign-flip test after Holm's correction; null without a test.
    #[serde(with = "mental_pong_eval::nan_as_null")]
    pub p: f64,
}

/// One analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Identifier, for example `rsa`.
    pub analysis: String,
    /// Heading.
    pub title: String,
    /// The question it answers, one sentence.
    pub question: String,
    /// How it was answered, made from what was done.
    pub method: Vec<String>,
    /// The numbers.
    pub scores: Vec<Score>,
    /// What a reader must know before quoting them.
    pub warnings: Vec<String>,
    /// What it does not show.
    pub does_not_show: String,
    /// Names of its tables, without folder and ending.
    pub tables: Vec<String>,
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
    /// Instruction sets of the processor that numbers may depend on in their last digits.
    pub processor: Vec<String>,
    /// What of this is real, synthetic or simulated.
    pub data_statement: String,
    /// The answer, made from the tests: a sentence each, the first alone enough.
    pub answer: Vec<String>,
    /// The configuration.
    pub config: serde_json::Value,
    /// What was asked for by name.
    #[serde(default)]
    pub asked: Asked,
    /// Condition sets, the study's own first.
    pub sets: Vec<SetCard>,
    /// Everything that was given.
    pub inputs: Vec<Given>,
    /// Seeds.
    pub seeds: Vec<Seed>,
    /// The rows that an analysis asked for.
    pub rows: Vec<RowCard>,
    /// The analyses, in order.
    pub sections: Vec<Section>,
    /// Analyses that were not run, and why.
    pub skipped: Vec<NamedText>,
    /// Validity checks.
    pub checks: Vec<Check>,
    /// How the models stand against their nulls.
    pub findings: Vec<Finding>,
    /// Tables by name.
    pub tables: Vec<FileHash>,
    /// Figures by name.
    pub figures: Vec<FileHash>,
}

impl Card {
    /// Pretty JSON with a newline at the end. Numbers have all their digits; NaN is null.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Reads a card.
    ///
    /// # Errors
    /// [`Error::Json`] if it is none, [`Error::SchemaVersion`] if this version cannot read it.
    pub fn from_json(text: &str) -> Result<Self> {
        let tree: serde_json::Value = serde_json::from_str(text)?;
        let version = tree
            .get("schema_version")
            .or_else(|| tree.get("study_schema_version"))
            .cloned()
            .unwrap_or_default();
        let found: u32 = serde_json::from_value(version)?;
        if found != SCHEMA_VERSION {
            return Err(Error::SchemaVersion {
                expected: SCHEMA_VERSION,
                found,
            });
        }
        Ok(serde_json::from_value(tree)?)
    }

    /// Whether every validity check said yes.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|c| c.passed)
    }

    /// Number of conditions of the study's own set.
    #[must_use]
    pub fn n_conditions(&self) -> usize {
        self.sets.first().map_or(0, |s| s.n_conditions)
    }

    /// A number by its identifiers, on the study's own set.
    #[must_use]
    pub fn score(
        &self,
        analysis: &str,
        row: &str,
        metric: &str,
        epoch: &str,
        target: &str,
    ) -> Option<&Score> {
        let section = self.sections.iter().find(|s| s.analysis == analysis)?;
        section.scores.iter().find(|s| {
            s.row == row
                && s.metric == metric
                && s.epoch == epoch
                && (target.is_empty() || s.target == target)
                && s.against.is_empty()
                && s.set.is_empty()
        })
    }
}

/// The instruction sets that this processor offers and that kernels choose between.
#[must_use]
pub fn processor() -> Vec<String> {
    let mut found = vec![std::env::consts::ARCH.to_owned()];
    #[cfg(target_arch = "x86_64")]
    {
        for (name, here) in [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ] {
            if here {
                found.push(name.into());
            }
        }
    }
    found
}
