//! What about a system goes with its scores: regressions across the rows of a study.

use std::path::Path;

use super::page::SIDE_BY_SIDE;
use super::scores::{Score, Section};
use super::{Out, digits};
use crate::card::RowKind;
use crate::error::{Error, Result};
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
    /// [`Error::Io`]; [`Error::Table`] with file, line and column for a column or number that is missing or wrong.
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

/// The numbers at the top of the page against the attributes, over the rows that the file names.
pub(super) fn attributes(
    attributes: &Attributes,
    resamples: usize,
    seed: u64,
    out: &mut Out,
) -> Result<()> {
    let score_of = |analysis: &str, metric: &str, row: &str| {
        out.sections
            .iter()
            .find(|s| s.analysis == analysis)?
            .scores
            .iter()
            .find(|s| s.metric == metric && s.row == row)
            .map(|s| s.value)
            .filter(|v| v.is_finite())
    };
    let known: Vec<&str> = {
        let mut names: Vec<&str> = Vec::new();
        for score in out.sections.iter().flat_map(|s| &s.scores) {
            if !names.contains(&score.row.as_str()) {
                names.push(&score.row);
            }
        }
        names
    };
    if let Some((row, _)) = attributes
        .rows
        .iter()
        .find(|(row, _)| !known.contains(&row.as_str()))
    {
        return Err(Error::invalid(
            format!("attributes of row `{row}`"),
            format!("the study has no such row; it has {}", known.join(", ")),
        ));
    }
    let mut scores = Vec::new();
    let mut table = Vec::new();
    let mut warnings = vec![
        "Rows of one family (one encoder, one training) are not independent, and p takes them as if they were.".to_owned(),
    ];
    for column in &SIDE_BY_SIDE {
        let taken: Vec<(f64, &Vec<f64>)> = attributes
            .rows
            .iter()
            .filter_map(|(row, values)| {
                Some((score_of(column.analysis, column.metric, row)?, values))
            })
            .collect();
        let needed = attributes.names.len() + 2;
        if taken.len() < needed {
            if !taken.is_empty() {
                warnings.push(format!(
                    "“{}”: {} rows have it; {} attributes need {needed}.",
                    column.heading,
                    taken.len(),
                    attributes.names.len()
                ));
            }
            continue;
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
        for found in attribute_regression(&values, &named, resamples, seed)? {
            let n = format!("{} rows", found.n);
            let metric = |what: &str| {
                format!(
                    "{what} of “{}” ({}) and {}",
                    column.heading, column.metric, found.attribute
                )
            };
            for (what, value, over) in [
                ("R²", found.r2, found.r2_over_models),
                ("partial R²", found.partial_r2, found.partial_r2_over_models),
            ] {
                scores.push(
                    Score::new(
                        "all rows of the file",
                        RowKind::Reference,
                        &metric(what),
                        "",
                        value,
                        n.clone(),
                    )
                    .between(over.p025, over.p975, "95 % bootstrap over rows")
                    .noting(format!("r {:.3}, p {:.4}", found.r, found.p)),
                );
            }
            table.push(vec![
                column.analysis.to_owned(),
                column.metric.to_owned(),
                found.attribute.clone(),
                digits(found.r),
                digits(found.r2),
                digits(found.p),
                digits(found.partial_r),
                digits(found.partial_r2),
                found.n.to_string(),
            ]);
        }
    }
    out.table(
        "attributes",
        &[
            "analysis",
            "metric",
            "attribute",
            "r",
            "r2",
            "p",
            "partial_r",
            "partial_r2",
            "n_rows",
        ],
        &table,
    )?;
    out.sections.push(Section {
        analysis: "attributes".into(),
        question: "What about the systems goes with how well they do?".into(),
        method: "R² is the squared correlation of a score with an attribute across rows; partial R² after all other attributes are regressed out of both (Rajalingham et al. 2022, Fig. 4; 2025, Fig. 4E-G).".into(),
        scores,
        warnings,
    });
    Ok(())
}
