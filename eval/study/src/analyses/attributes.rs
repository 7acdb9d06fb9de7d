//! What about a system goes with its scores: regressions across the rows of a study.

use std::path::Path;

use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score, Section, interval};
use crate::cells;
use crate::error::{Error, Result};
use crate::report::side::{COLUMNS, Column};
use crate::scene::Scene;
use mental_pong_eval::behavior::attribute_regression;

/// Numbers that describe systems, by their rows' names.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes {
    /// `[attribute]`, names.
    pub names: Vec<String>,
    /// Name of a row of the study and its `[attribute]`.
    pub rows: Vec<(String, Vec<f64>)>,
}

impl Attributes {
    /// From a CSV file: a column `row` with names as in the study's tables, and a column of numbers for each attribute.
    ///
    /// [`Error::Io`](mental_pong_eval::error::Error::Io); [`Error::Table`](mental_pong_eval::error::Error::Table) with file, line and column for a column or number that is missing or wrong.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let table = path.display().to_string();
        let bad = |line: u64, why: String| Error::table(table.clone(), line, why);
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(&bytes[..]);
        let header = reader.headers().map_err(|e| bad(1, e.to_string()))?.clone();
        let key = header.iter().position(|h| h == "row").ok_or_else(|| {
            let found: Vec<&str> = header.iter().collect();
            bad(1, format!("no column `row`; found {}", found.join(", ")))
        })?;
        let columns: Vec<usize> = (0..header.len()).filter(|&c| c != key).collect();
        if columns.is_empty() {
            return Err(bad(1, "no attribute beside `row`".into()));
        }
        let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
        for (at, record) in reader.records().enumerate() {
            let record = record.map_err(|e| bad(at as u64 + 2, e.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let name = &record[key];
            if rows.iter().any(|(other, _)| other == name) {
                return Err(bad(line, format!("row `{name}` is there twice")));
            }
            let values = columns
                .iter()
                .map(|&c| match record[c].parse::<f64>() {
                    Ok(v) if v.is_finite() => Ok(v),
                    _ => Err(bad(
                        line,
                        format!(
                            "column {}: expected a number, found `{}`",
                            &header[c], &record[c]
                        ),
                    )),
                })
                .collect::<Result<_>>()?;
            rows.push((name.to_owned(), values));
        }
        Ok(Self {
            names: columns.iter().map(|&c| header[c].to_owned()).collect(),
            rows,
        })
    }
}

/// What goes with the scores?
pub(crate) struct AttributeRegression;

impl Analysis for AttributeRegression {
    fn id(&self) -> &'static str {
        "attributes"
    }
    fn chapter(&self) -> &'static str {
        "concepts/statistics"
    }

    fn title(&self) -> &'static str {
        "What goes with the scores?"
    }

    fn question(&self) -> &'static str {
        "What about the systems goes with how well they do?"
    }

    fn does_not_show(&self) -> &'static str {
        "Rows of one family (one encoder, one training) are not independent, and p takes them as if they were."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Attributes]
    }

    fn reads(&self) -> &'static [&'static str] {
        &[
            "simulation",
            "decode",
            "endpoint",
            "rsa",
            "predictivity",
            "behavior",
        ]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let Some(attributes) = &scene.inputs.attributes else {
            return Ok(());
        };
        let known = known_rows(&out.before);
        if let Some((row, _)) = attributes.rows.iter().find(|(row, _)| !known.contains(row)) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(crate::config::unknown("row of --attributes", row, &names));
        }
        let mut table = Table::new(
            "attributes",
            &[
                "analysis",
                "metric",
                "epoch",
                "target",
                "attribute",
                "r",
                "r2",
                "p",
                "partial_r",
                "partial_r2",
                "n_rows",
            ],
        );
        for column in &COLUMNS {
            regress(scene, attributes, column, &mut table, out)?;
        }
        out.tables.push(table);
        out.method.push("R² is the squared correlation of a score with an attribute across rows; partial R² after all other attributes are regressed out of both (Rajalingham et al. 2022, Fig. 4; 2025, Fig. 4E-G).".into());
        Ok(())
    }
}

fn known_rows(sections: &[Section]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for score in sections.iter().flat_map(|s| &s.scores) {
        if !names.contains(&score.row) {
            names.push(score.row.clone());
        }
    }
    names
}

/// One number of the top of the page against the attributes, over the rows that the file names.
fn regress(
    scene: &Scene,
    attributes: &Attributes,
    column: &Column,
    table: &mut Table,
    out: &mut Out,
) -> Result<()> {
    let taken: Vec<(f64, &Vec<f64>)> = attributes
        .rows
        .iter()
        .filter_map(|(row, values)| {
            let score = column.find(&out.before, row)?;
            score.value.is_finite().then_some((score.value, values))
        })
        .collect();
    let needed = attributes.names.len() + 2;
    if taken.len() < needed {
        if !taken.is_empty() {
            let warning = format!(
                "“{}”: {} rows have it; {} attributes need {needed}.",
                column.heading,
                taken.len(),
                attributes.names.len()
            );
            out.warnings.push(warning);
        }
        return Ok(());
    }
    let values: Vec<f64> = taken.iter().map(|t| t.0).collect();
    let columns: Vec<Vec<f64>> = (0..attributes.names.len())
        .map(|k| taken.iter().map(|t| t.1[k]).collect())
        .collect();
    let named: Vec<(&str, &[f64])> = attributes
        .names
        .iter()
        .map(String::as_str)
        .zip(columns.iter().map(Vec::as_slice))
        .collect();
    for found in attribute_regression(&values, &named, scene.config.resamples, scene.config.seed)? {
        for (metric, value, over) in [
            ("r2", found.r2, found.r2_over_models),
            ("partial_r2", found.partial_r2, found.partial_r2_over_models),
        ] {
            out.scores.push(
                Score::of("all rows of the file", RowKind::Reference, metric, value)
                    .target(&format!(
                        "{}.{}.{}",
                        column.analysis, column.metric, column.target
                    ))
                    .during(column.epoch)
                    .against(&found.attribute)
                    .between(over.p025, over.p975, interval::ROWS)
                    .noting(format!(
                        "{} rows, r {:.3}, p {:.4}",
                        found.n, found.r, found.p
                    )),
            );
        }
        table.push(cells![
            column.analysis,
            column.metric,
            column.epoch,
            column.target,
            &found.attribute,
            found.r,
            found.r2,
            found.p,
            found.partial_r,
            found.partial_r2,
            found.n,
        ]);
    }
    Ok(())
}
