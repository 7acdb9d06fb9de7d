//! An analysis as a value: its name, its question, what it needs, and what it finds.

use mental_pong_base::files::sha256_hex;

use crate::analyses;
use crate::card::{Check, FileHash, Finding, Score, Section};
use crate::error::{Error, Result};
use crate::scene::Scene;

/// What an analysis cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A recording.
    Recording,
    /// Both halves of the trials of a recording.
    Halves,
    /// A condition set with visible and hidden bins.
    Occlusion,
    /// A folder of object contact.
    Contact,
    /// Attributes of rows.
    Attributes,
    /// A row to read out.
    Rows,
    /// A model whose hidden ball is held against its nulls.
    Model,
}

impl Need {
    /// What is said where it is missing.
    #[must_use]
    pub fn missing(self) -> &'static str {
        match self {
            Self::Recording => "needs a recording (--recording)",
            Self::Halves => "needs a recording with both halves of its trials (sh1, sh2)",
            Self::Occlusion => "needs conditions whose ball is hidden",
            Self::Contact => "needs a folder of object contact (--contact)",
            Self::Attributes => "needs attributes of rows (--attributes)",
            Self::Rows => "needs something to read out: a model, latents or a recording",
            Self::Model => "needs a model or latents (--model, --latents)",
        }
    }
}

/// An analysis. Registered by one line of [`ALL`].
pub trait Analysis: Sync {
    /// Identifier, as on the command line.
    fn id(&self) -> &'static str;
    /// The chapter of the book about it, below `docs/src` and without ending.
    fn chapter(&self) -> &'static str;
    /// Heading.
    fn title(&self) -> &'static str;
    /// The question it answers, one plain sentence.
    fn question(&self) -> &'static str;
    /// What a reader must not take it for.
    fn does_not_show(&self) -> &'static str;
    /// What it needs.
    fn needs(&self) -> &'static [Need];
    /// Analyses whose scores it reads, run before it.
    fn reads(&self) -> &'static [&'static str] {
        &[]
    }
    /// Whether it is done where nobody asked for it by name.
    fn by_default(&self) -> bool {
        true
    }
    /// Does it.
    ///
    /// # Errors
    /// Whatever stops it.
    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()>;
}

/// All analyses, in the order of the report.
pub static ALL: [&dyn Analysis; 14] = [
    &analyses::Simulation,
    &analyses::Decode,
    &analyses::Endpoint,
    &analyses::Behavior,
    &analyses::Noise,
    &analyses::Reliability,
    &analyses::Dimensionality,
    &analyses::Rsa,
    &analyses::Predictivity,
    &analyses::Variables,
    &analyses::Encoding,
    &analyses::ObjectContact,
    &analyses::Comparison,
    &analyses::AttributeRegression,
];

/// Identifiers of all analyses.
#[must_use]
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|a| a.id()).collect()
}

/// The analysis of that identifier.
#[must_use]
pub fn find(id: &str) -> Option<&'static dyn Analysis> {
    ALL.into_iter().find(|a| a.id() == id)
}

/// A figure of an analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Analysis it belongs to.
    pub analysis: String,
    /// File name without ending.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What is drawn, and what must be known about it.
    pub caption: String,
    /// Name of the table behind it, without folder and ending.
    pub table: String,
    /// The picture.
    pub svg: String,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A number with all its digits; empty where it is not finite.
    Number(f64),
    /// A count.
    Count(usize),
    /// A text.
    Text(String),
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::Count(value)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&String> for Cell {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl Cell {
    /// As it stands in a CSV file. A text that a spreadsheet would run gets an apostrophe before it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            // Very small ones with an exponent: a p value of 60 zeros is not read.
            Self::Number(v) if *v != 0.0 && v.abs() < 1e-5 => format!("{v:e}"),
            Self::Number(v) if v.is_finite() => format!("{v}"),
            Self::Number(_) => String::new(),
            Self::Count(n) => n.to_string(),
            Self::Text(t) if t.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{t}"),
            Self::Text(t) => t.clone(),
        }
    }
}

/// A row of cells of any kinds.
#[macro_export]
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$($crate::analysis::Cell::from($cell)),*] };
}

/// A table of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Name, without folder and ending.
    pub name: String,
    /// Headings.
    pub columns: Vec<String>,
    /// `[row][column]`.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(name: &str, columns: &[&str]) -> Self {
        Self {
            name: name.into(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// As CSV.
    ///
    /// # Errors
    /// Of a row of another length than the header.
    pub fn csv(&self) -> Result<String> {
        let bad = |why: String| Error::table(&self.name, 0, why);
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer
            .write_record(&self.columns)
            .map_err(|e| bad(e.to_string()))?;
        for row in &self.rows {
            writer
                .write_record(row.iter().map(Cell::text))
                .map_err(|e| bad(e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|e| bad(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| bad(e.to_string()))
    }
}

/// What an analysis leaves behind.
#[derive(Debug, Default)]
pub struct Out {
    /// Its numbers.
    pub scores: Vec<Score>,
    /// How they were made, a sentence each.
    pub method: Vec<String>,
    /// What a reader must know before quoting them.
    pub warnings: Vec<String>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Its figures.
    pub figures: Vec<Figure>,
    /// Validity checks.
    pub checks: Vec<Check>,
    /// Standing against nulls.
    pub findings: Vec<Finding>,
    /// Why it found nothing to do, if so.
    pub skipped: Option<String>,
    /// Sections of the analyses before it.
    pub(crate) before: Vec<Section>,
    /// Sentences of the answer.
    pub answer: Vec<String>,
}

impl Out {
    pub(crate) fn figure(
        &mut self,
        name: &str,
        table: &str,
        title: &str,
        caption: impl Into<String>,
        svg: String,
    ) {
        self.figures.push(Figure {
            analysis: String::new(),
            name: name.into(),
            title: title.into(),
            caption: caption.into(),
            table: table.into(),
            svg,
        });
    }

    pub(crate) fn skip(&mut self, why: impl Into<String>) {
        self.skipped = Some(why.into());
    }

    /// What of it stands in the card.
    pub(crate) fn section(&mut self, analysis: &dyn Analysis) -> Section {
        for score in &mut self.scores {
            score.analysis = analysis.id().into();
        }
        for figure in &mut self.figures {
            figure.analysis = analysis.id().into();
        }
        Section {
            analysis: analysis.id().into(),
            title: analysis.title().into(),
            question: analysis.question().into(),
            method: std::mem::take(&mut self.method),
            scores: std::mem::take(&mut self.scores),
            warnings: std::mem::take(&mut self.warnings),
            does_not_show: analysis.does_not_show().into(),
            tables: self.tables.iter().map(|t| t.name.clone()).collect(),
        }
    }
}

/// Names and hashes of files.
pub(crate) fn hashes(files: &[(String, String)]) -> Vec<FileHash> {
    files
        .iter()
        .map(|(name, text)| FileHash {
            name: name.clone(),
            sha256: sha256_hex(text.as_bytes()),
        })
        .collect()
}
