//! `mpong eval`: models, recordings and behaviour through the published analyses, side by side.
//!
//! [`run`] takes what was read ([`Inputs`]) and gives a card, tables, figures and a page; it writes nothing. The same
//! inputs give the same bytes, with any number of threads.

mod attributes;
pub mod card;
pub mod chain;
mod comparison;
mod decoding;
mod encoding;
pub mod error;
mod geometry;
mod latents;
mod observers;
mod page;
mod population;
pub mod published;
pub mod report;
mod scene;
mod scores;
mod touching;
mod units;
mod variables;

pub use attributes::Attributes;
pub use latents::{Layer, TrialLatents, read_layers};
pub use page::Figure;
pub use scene::{Inputs, Model};
pub use scores::{STUDY_SCHEMA_VERSION, Score, Section, StudyCard};
pub use touching::{Contact, ContactClip, ContactSet};

use mental_pong_base::Monitor;
use mental_pong_base::files::sha256_hex;
use mental_pong_predictor::latents::Cache;
use serde::{Deserialize, Serialize};

use self::page::{page, side_rows, title};
use self::scene::{Fitted, Scene};
use crate::card::{Check, FileHash, NamedText, RowKind, Seed};
use crate::error::{Error, Result};
use crate::report::number::fixed;

/// An analysis by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Analysis {
    /// Split-half reliability, the published unit criterion, ceilings.
    Reliability,
    /// Principal components, participation ratio, shuffled null.
    Dimensionality,
    /// Online decoding of the ball, from every row.
    Decode,
    /// Decoding of every published variable from the recording; lags, training sizes, bounces, partial correlations.
    Variables,
    /// End-point decoding over time.
    Endpoint,
    /// Similarity of representational geometry.
    Rsa,
    /// Prediction of single units.
    Predictivity,
    /// Performance, error patterns, consistency.
    Behavior,
    /// Single-unit encoding and variance partitioning.
    Encoding,
    /// Object contact (Physion) from the user's features, beside people.
    Contact,
    /// Differences between models, with intervals and corrected p values.
    Comparison,
    /// Regressions of the scores on attributes of the rows.
    Attributes,
}

impl Analysis {
    /// All, in the order of the report.
    pub const ALL: [Self; 12] = [
        Self::Reliability,
        Self::Dimensionality,
        Self::Decode,
        Self::Variables,
        Self::Endpoint,
        Self::Rsa,
        Self::Predictivity,
        Self::Behavior,
        Self::Encoding,
        Self::Contact,
        Self::Comparison,
        Self::Attributes,
    ];

    /// As on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reliability => "reliability",
            Self::Dimensionality => "dimensionality",
            Self::Decode => "decode",
            Self::Variables => "variables",
            Self::Endpoint => "endpoint",
            Self::Rsa => "rsa",
            Self::Predictivity => "predictivity",
            Self::Behavior => "behavior",
            Self::Encoding => "encoding",
            Self::Contact => "contact",
            Self::Comparison => "comparison",
            Self::Attributes => "attributes",
        }
    }
}

impl std::str::FromStr for Analysis {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|a| a.name() == text)
            .ok_or_else(|| {
                let known: Vec<&str> = Self::ALL.iter().map(|a| a.name()).collect();
                format!("`{text}`; expected one of {}", known.join(", "))
            })
    }
}

/// How a study is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudyConfig {
    /// Which analyses; empty for all that the inputs allow.
    pub analyses: Vec<Analysis>,
    /// Number of splits by condition.
    pub splits: usize,
    /// Share of conditions that a read-out is fitted on.
    pub train: f64,
    /// Seed of the splits (numpy's legacy generator, as published).
    pub split_seed: u32,
    /// Splits for the maps to single units, which cost more.
    pub map_splits: usize,
    /// Seed of controls, bootstraps and permutations.
    pub seed: u64,
    /// Resamples of a bootstrap or permutations of a test.
    pub resamples: usize,
    /// Map from a model to units: ridge-cv (published), ridge, least-squares, pls, percentile or best-feature.
    pub map: String,
    /// Split single bins instead of whole conditions for the maps. Leaky: neighbours in time of a tested bin are fitted on.
    pub map_by_bin_leaky: bool,
    /// Factors of the recording that are decoded and compared: the file's, else fitted here as published.
    pub factors: usize,
}

impl Default for StudyConfig {
    fn default() -> Self {
        Self {
            analyses: Vec::new(),
            splits: 100,
            train: 0.5,
            split_seed: 0,
            map_splits: 5,
            seed: 1,
            resamples: 1000,
            map: "ridge-cv".into(),
            map_by_bin_leaky: false,
            factors: 50,
        }
    }
}

impl StudyConfig {
    /// Whether an analysis is asked for; all are where none is named.
    fn takes(&self, analysis: Analysis) -> bool {
        self.analyses.is_empty() || self.analyses.contains(&analysis)
    }

    fn check(&self) -> Result<()> {
        for (what, n, least) in [
            ("splits", self.splits, 2),
            ("map_splits", self.map_splits, 1),
            ("resamples", self.resamples, 100),
            ("factors", self.factors, 1),
        ] {
            if n < least {
                return Err(Error::invalid(what, format!("{n}; needs at least {least}")));
            }
        }
        if !(self.train > 0.0 && self.train < 1.0) {
            return Err(Error::invalid(
                "train",
                format!("{}; expected a share between 0 and 1", self.train),
            ));
        }
        Ok(())
    }
}

/// Fewest conditions behind a point over time.
const MIN_AT_A_TIME: usize = 20;
/// Curves that stay legible.
const CURVES: usize = 6;

/// What the analyses leave behind.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) sections: Vec<Section>,
    pub(crate) skipped: Vec<NamedText>,
    pub(crate) checks: Vec<Check>,
    pub(crate) tables: Vec<(String, String)>,
    pub(crate) figures: Vec<Figure>,
}

impl Out {
    /// A table from rows of texts.
    pub(crate) fn table(
        &mut self,
        name: &str,
        header: &[&str],
        rows: &[Vec<String>],
    ) -> Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let bad = |e: csv::Error| Error::table(name, 0, e.to_string());
        writer.write_record(header).map_err(bad)?;
        for row in rows {
            writer.write_record(row).map_err(bad)?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|e| Error::table(name, 0, e.to_string()))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.tables.push((format!("tables/{name}.csv"), text));
        Ok(())
    }

    pub(crate) fn figure(
        &mut self,
        analysis: &str,
        name: &str,
        title: &str,
        caption: impl Into<String>,
        svg: String,
    ) {
        self.figures.push(Figure {
            analysis: analysis.into(),
            name: name.into(),
            title: title.into(),
            caption: caption.into(),
            svg,
        });
    }

    pub(crate) fn skip(&mut self, analysis: Analysis, why: impl Into<String>) {
        self.skipped.push(NamedText::new(analysis.name(), why));
    }
}

/// Heading of a kind of row in a figure.
pub(crate) fn group(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Model => "Models",
        RowKind::Published => "Brain and behaviour",
        RowKind::Reference => "References",
        RowKind::Control => "Controls",
    }
}

/// All digits of a number for a table; empty for NaN.
pub(crate) fn digits(value: f64) -> String {
    if value.is_finite() {
        format!("{value}")
    } else {
        String::new()
    }
}

/// The table at the top of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct SideBySide {
    /// Headings of the columns that have a number.
    pub header: Vec<&'static str>,
    /// Name of each row and its numbers; `None` where there is none, NaN where it is not defined.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

/// A finished study, as texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// The card.
    pub card: StudyCard,
    /// All files: name within the folder and text, `card.json` last.
    pub files: Vec<(String, String)>,
}

impl Study {
    /// The table at the top of the page.
    #[must_use]
    pub fn side_by_side(&self) -> SideBySide {
        let rows = side_rows(&self.card);
        let used: Vec<usize> = (0..page::SIDE_BY_SIDE.len())
            .filter(|&i| rows.iter().any(|r| r.2[i].is_some()))
            .collect();
        let header = used
            .iter()
            .map(|&i| page::SIDE_BY_SIDE[i].heading)
            .collect();
        let rows = rows
            .into_iter()
            .map(|(name, _, scores)| {
                let values = used.iter().map(|&i| scores[i].map(|s| s.value)).collect();
                (name, values)
            })
            .collect();
        SideBySide { header, rows }
    }
}

/// Runs the analyses that the inputs allow.
///
/// # Errors
/// [`Error::Invalid`] for a configuration or an analysis that the inputs do not allow; [`Error::Interrupted`] when `monitor` stops it; errors of the analyses.
pub fn run(
    inputs: &Inputs,
    config: &StudyConfig,
    cache: &Cache,
    monitor: &dyn Monitor,
) -> Result<Study> {
    config.check()?;
    let recording = match &inputs.recording {
        Some(recording) => {
            monitor.stage("factors", 1);
            let fitted = Fitted::new(recording, config)?;
            monitor.advance(1);
            Some(fitted)
        }
        None => None,
    };
    let scene = Scene::new(inputs, recording.as_ref(), config, cache, monitor)?;
    let mut out = Out::default();
    for analysis in Analysis::ALL {
        if !config.takes(analysis) {
            continue;
        }
        if let Some(why) = scene.lacks(analysis) {
            if !config.analyses.is_empty() {
                return Err(Error::invalid(format!("analysis {}", analysis.name()), why));
            }
            out.skip(analysis, why);
            continue;
        }
        scene.stop_if_asked()?;
        monitor.stage(analysis.name(), 1);
        match (analysis, scene.recording) {
            (Analysis::Decode, _) => decoding::decode(&scene, &mut out)?,
            (Analysis::Endpoint, _) => decoding::endpoint(&scene, &mut out)?,
            (Analysis::Behavior, _) => observers::behavior(&scene, &mut out)?,
            (Analysis::Contact, _) => {
                if let Some(clips) = &inputs.contact {
                    touching::contact(&scene, clips, &mut out)?;
                }
            }
            (Analysis::Variables, Some(r)) => variables::variables(&scene, r, &mut out)?,
            (Analysis::Comparison, _) => comparison::comparison(&scene, &mut out)?,
            (Analysis::Attributes, _) => {
                if let Some(given) = &inputs.attributes {
                    attributes::attributes(given, config.resamples, config.seed, &mut out)?;
                }
            }
            (Analysis::Reliability, Some(r)) => population::reliability(&scene, r, &mut out)?,
            (Analysis::Dimensionality, Some(r)) => population::dimensions(&scene, r, &mut out)?,
            (Analysis::Rsa, Some(r)) => geometry::rsa(&scene, r, &mut out)?,
            (Analysis::Predictivity, Some(r)) => units::predictivity(&scene, r, &mut out)?,
            (Analysis::Encoding, Some(r)) => encoding::encoding(&scene, r, &mut out)?,
            // Left out above for want of a recording.
            (_, None) => {}
        }
        monitor.advance(1);
    }
    finish(inputs, config, &scene, out)
}

fn finish(inputs: &Inputs, config: &StudyConfig, scene: &Scene, out: Out) -> Result<Study> {
    let hash = |files: &[(String, String)]| -> Vec<FileHash> {
        files
            .iter()
            .map(|(name, text)| FileHash {
                name: name.clone(),
                sha256: sha256_hex(text.as_bytes()),
            })
            .collect()
    };
    let pictures: Vec<(String, String)> = out
        .figures
        .iter()
        .map(|f| (format!("figures/{}.svg", f.name), f.svg.clone()))
        .collect();
    let card = StudyCard {
        study_schema_version: STUDY_SCHEMA_VERSION,
        program: format!("mpong {}", env!("CARGO_PKG_VERSION")),
        data_statement: scene.data_statement(),
        config: serde_json::to_value(config)?,
        inputs: inputs
            .hashes
            .iter()
            .cloned()
            .chain(scene.hashes())
            .collect(),
        seeds: vec![
            Seed {
                purpose: "splits by condition (numpy RandomState)".into(),
                value: u64::from(config.split_seed),
            },
            Seed {
                purpose: "controls, bootstraps, permutations (ChaCha8)".into(),
                value: config.seed,
            },
        ],
        n_conditions: scene.conditions.len(),
        rows: scene.rows(),
        sections: out.sections,
        skipped: out.skipped,
        checks: out.checks,
        tables: hash(&out.tables),
        figures: hash(&pictures),
    };
    let json = card.to_json()?;
    let html = page(&card, &out.figures, &sha256_hex(json.as_bytes()));
    let mut files = out.tables;
    files.extend(pictures);
    files.push(("card.md".into(), markdown(&card)));
    files.push(("report.html".into(), html));
    files.push(("card.json".into(), json));
    Ok(Study { card, files })
}

/// The card as Markdown: the table at the top of the page, then every number.
fn markdown(card: &StudyCard) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("# Models, brain and behaviour on Mental-Pong\n\n");
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{}\n", card.data_statement);
    let _ = write!(text, "| |");
    for column in &page::SIDE_BY_SIDE {
        let _ = write!(text, " {} |", column.heading);
    }
    let _ = writeln!(text, "\n|---{}|", "|---".repeat(page::SIDE_BY_SIDE.len()));
    for (name, _, scores) in side_rows(card) {
        let _ = write!(text, "| {name} |");
        for score in scores {
            let _ = write!(
                text,
                " {} |",
                score.map_or(String::new(), |s| fixed(s.value, 3))
            );
        }
        text.push('\n');
    }
    for section in &card.sections {
        let _ = writeln!(
            text,
            "\n## {}\n\n{}\n",
            title(&section.analysis),
            section.question
        );
        for warning in &section.warnings {
            let _ = writeln!(text, "> {warning}\n");
        }
        let _ = writeln!(
            text,
            "| row | number | value | interval | ceiling | n | note |\n|---|---|---|---|---|---|---|"
        );
        for s in &section.scores {
            let interval = if s.low.is_finite() {
                format!(
                    "{} to {} ({})",
                    fixed(s.low, 4),
                    fixed(s.high, 4),
                    s.interval
                )
            } else {
                String::new()
            };
            let unit = if s.unit.is_empty() {
                String::new()
            } else {
                format!(" ({})", s.unit)
            };
            let _ = writeln!(
                text,
                "| {} | {}{unit} | {} | {interval} | {} | {} | {} |",
                s.row,
                s.metric.replace('|', "\\|"),
                fixed(s.value, 4),
                fixed(s.ceiling, 4),
                s.n,
                s.note
            );
        }
        let _ = writeln!(text, "\n{}", section.method);
    }
    if !card.skipped.is_empty() {
        let _ = writeln!(text, "\n## Not run\n");
        for s in &card.skipped {
            let _ = writeln!(text, "- {}: {}", s.name, s.value);
        }
    }
    text
}
