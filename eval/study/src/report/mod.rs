//! The report: tables, figures and one page that needs nothing else.
//!
//! [`build`] takes plain numbers ([`ReportInput`]) and gives back texts; it writes no file. Same input, same bytes.

mod csv_tables;
mod figures;
pub(crate) mod html;
mod loss;
pub mod number;
pub(crate) mod plot;
mod recording;
pub(crate) mod svg;

pub use csv_tables::{DECODE_COLUMNS, decode_csv};
pub use loss::{LossPoint, loss_figure};
pub use recording::recording_figure;

use std::path::Path;

use mental_pong_base::files::{create_folder, sha256_hex, write_atomic};

use crate::card::{Card, FileHash, RowKind, card_markdown};
use crate::error::{Error, Result};
use crate::published::PublishedValue;
use mental_pong_eval::behavior::ErrorPattern;
use mental_pong_eval::decode::{EndpointResult, OnlineResult};

/// The path of one condition, for the small pictures. All `[row]` in one order of time, degrees.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryPanel {
    /// Heading, for example `condition 55062`.
    pub label: String,
    /// `[row]`, true path x, y; NaN is missing.
    pub truth: Vec<(f64, f64)>,
    /// `[row]`, path decoded from held-out conditions; NaN is missing.
    pub decoded: Vec<(f64, f64)>,
    /// `[row]`, behind the occluder.
    pub hidden: Vec<bool>,
}

/// One point of a line over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimePoint {
    /// ms from the event.
    pub t_ms: f64,
    /// Mean over splits; NaN is a gap.
    pub mean: f64,
    /// SD over splits.
    pub sd: f64,
}

/// One row over time from the onset of occlusion.
#[derive(Debug, Clone, PartialEq)]
pub struct OverTimeLine {
    /// Row name.
    pub name: String,
    /// Correlation of x.
    pub r_x: Vec<TimePoint>,
    /// Correlation of y.
    pub r_y: Vec<TimePoint>,
    /// Mean distance, degrees.
    pub distance: Vec<TimePoint>,
}

impl OverTimeLine {
    /// From online decoding whose first two targets are x and y. Times with fewer than `min_conditions` conditions are left
    /// out: at the far ends few conditions remain.
    #[must_use]
    pub fn from_online(name: &str, result: &OnlineResult, min_conditions: usize) -> Self {
        let line = |get: &dyn Fn(
            &mental_pong_eval::decode::OverTime,
        ) -> Option<mental_pong_eval::stats::Summary>| {
            result
                .over_time
                .iter()
                .filter(|t| t.n_conditions >= min_conditions)
                .filter_map(|t| {
                    get(t).map(|s| TimePoint {
                        t_ms: t.offset_ms,
                        mean: s.mean,
                        sd: s.sd,
                    })
                })
                .collect()
        };
        Self {
            name: name.into(),
            r_x: line(&|t| t.r.first().copied()),
            r_y: line(&|t| t.r.get(1).copied()),
            distance: line(&|t| Some(t.distance)),
        }
    }
}

/// One row of end-point decoding over time from the start of motion.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointLine {
    /// Row name.
    pub name: String,
    /// Correlation across conditions.
    pub r: Vec<TimePoint>,
    /// Mean absolute error, degrees.
    pub mae: Vec<TimePoint>,
}

impl EndpointLine {
    /// From end-point decoding, aligned to the start of motion; see [`OverTimeLine::from_online`].
    #[must_use]
    pub fn from_endpoint(name: &str, result: &EndpointResult, min_conditions: usize) -> Self {
        let points = |get: &dyn Fn(
            &mental_pong_eval::decode::EndpointPoint,
        ) -> mental_pong_eval::stats::Summary| {
            result
                .from_start
                .iter()
                .filter(|p| p.n_conditions >= min_conditions)
                .map(|p| {
                    let s = get(p);
                    TimePoint {
                        t_ms: p.offset_ms,
                        mean: s.mean,
                        sd: s.sd,
                    }
                })
                .collect()
        };
        Self {
            name: name.into(),
            r: points(&|p| p.r),
            mae: points(&|p| p.mae),
        }
    }
}

/// Everything the report shows. `card.tables` and `card.figures` are filled by [`build`].
#[derive(Debug, Clone, PartialEq)]
pub struct ReportInput {
    /// Title of the page.
    pub title: String,
    /// The score card. Its rows come in the order of the tables.
    pub card: Card,
    /// Row that the trajectories, the summary and the error pattern are about.
    pub headline_row: String,
    /// Null rows named in the summary, for example `no-dynamics`, `last-seen`.
    pub null_rows: Vec<String>,
    /// Some conditions, 12 is a good number.
    pub trajectories: Vec<TrajectoryPanel>,
    /// Accuracy over time; at most seven rows stay legible.
    pub over_time: Vec<OverTimeLine>,
    /// End-point decoding; at most seven rows.
    pub endpoint: Vec<EndpointLine>,
    /// Error pattern of the headline row.
    pub error_pattern: Option<ErrorPattern>,
    /// More error patterns for the table `behavior.csv`, by row name.
    pub error_patterns: Vec<(String, ErrorPattern)>,
    /// Published figures, from [`crate::published::published_values`].
    pub published: Vec<PublishedValue>,
    /// More files to list among the tables: name and text.
    pub extra_tables: Vec<(String, String)>,
}

/// A finished report, as texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The card with the hashes of tables and figures.
    pub card: Card,
    /// All files: name within the folder (with `/`) and text, `card.json` last.
    pub files: Vec<(String, String)>,
}

impl Report {
    /// The text of one file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, text)| text.as_str())
    }
}

/// Make all files: `tables/*.csv`, `figures/*.svg`, `card.md`, `report.html`, `card.json`.
///
/// [`Error::Invalid`] if the card has no row for the headline or its read-out; errors of writing CSV and JSON.
pub fn build(input: &ReportInput) -> Result<Report> {
    let mut card = input.card.clone();
    if card
        .row(&input.headline_row, &card.primary_readout)
        .is_none()
    {
        return Err(Error::invalid(
            "headline row",
            format!(
                "the card has no row `{}` with read-out `{}`",
                input.headline_row, card.primary_readout
            ),
        ));
    }
    let mut tables = Vec::new();
    let mut readouts: Vec<&str> = vec![&card.primary_readout];
    for row in &card.rows {
        if row.kind != RowKind::Published && !readouts.contains(&row.readout.as_str()) {
            readouts.push(&row.readout);
        }
    }
    for readout in &readouts {
        let name = if *readout == card.primary_readout {
            "tables/decode.csv".to_owned()
        } else {
            format!("tables/decode_{readout}.csv")
        };
        tables.push((name, decode_csv(&card, readout)?));
    }
    tables.extend(csv_tables::others(input)?);
    tables.extend(input.extra_tables.iter().cloned());
    let figures = figures::all(input);
    let hash = |files: &[(String, String)]| -> Vec<FileHash> {
        files
            .iter()
            .map(|(name, text)| FileHash {
                name: name.clone(),
                sha256: sha256_hex(text.as_bytes()),
            })
            .collect()
    };
    let as_files: Vec<(String, String)> = figures
        .iter()
        .map(|f| (format!("figures/{}.svg", f.name), f.svg.clone()))
        .collect();
    card.tables = hash(&tables);
    card.figures = hash(&as_files);
    let json = card.to_json()?;
    let page = html::page(input, &card, &figures, &sha256_hex(json.as_bytes()));
    let mut files = tables;
    files.extend(as_files);
    files.push(("card.md".into(), card_markdown(&card)));
    files.push(("report.html".into(), page));
    files.push(("card.json".into(), json));
    Ok(Report { card, files })
}

/// Write all files below `folder`, each whole or not at all (temporary file beside it, sync, rename); `card.json` comes
/// last. An error names the file.
pub fn write_files(report: &Report, folder: &Path) -> Result<()> {
    write_texts(&report.files, folder)
}

/// Write texts by name (with `/`) below `folder`, in order, each whole or not at all. An error names the file.
pub fn write_texts(files: &[(String, String)], folder: &Path) -> Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        create_folder(path.parent().unwrap_or(folder))?;
        write_atomic(&path, |out| out.write_all(text.as_bytes()))?;
    }
    Ok(())
}
