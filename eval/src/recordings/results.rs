//! The authors' own results, as far as a comparison needs them.
//!
//! Source: the result files that go with Rajalingham et al. (2025), Zenodo 10.5281/zenodo.13952210: `decode_*.pkl`,
//! `rnn_compare_*.pkl`, `offline_*.pkl`. Field names are theirs. Everything is read as data within [`Limits`]; of the large
//! files (to 1.8 GB) only the distributions over splits are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::array::Array2;
use crate::error::{Error, Result};

use super::file::read_value;
use mental_pong_formats::limits::Limits;
use mental_pong_formats::table::Table;
use mental_pong_formats::value::Value;

/// Column of the network's name in [`RnnCompare`].
pub const FILENAME: &str = "filename";
/// Column of the reported similarity to DMFC: distances while the ball is hidden, corrected for noise with Spearman-Brown.
pub const SIMILARITY: &str = "pdist_similarity_occ_end_pad0_euclidean_r_xy_n_sb";
/// Column of the simulation index: mean absolute error in units of the 32 x 32 field; lower is better.
pub const SIMULATION_INDEX: &str = "decode_vis-sim_to_sim_index_mae_k2";

/// One of the authors' files of results.
#[derive(Debug, Clone)]
pub enum Results {
    /// `rnn_compare_*.pkl`.
    Compare(RnnCompare),
    /// `decode_*.pkl`.
    Decode(DecodeResults),
    /// `offline_*.pkl`.
    Offline(OfflineResults),
}

impl Results {
    /// Open a file that is one of them, told by its keys. Errors as in [`RnnCompare::open`].
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let (_, root) = read_value(path, limits)?;
        let has = |key: &str| root.get(key).is_some();
        let of = || {
            if has("res_decode") {
                return DecodeResults::from_value(&root).map(Self::Decode);
            }
            if has("all_metrics") {
                return OfflineResults::from_value(&root).map(Self::Offline);
            }
            RnnCompare::from_value(&root).map(Self::Compare)
        };
        of().map_err(|error| error.in_file(path))
    }
}

impl fmt::Display for Results {
    /// What is in the file, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = |values: &[f64]| {
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            crate::stats::mean(&finite)
        };
        match self {
            Self::Compare(compare) => {
                writeln!(
                    f,
                    "  results     {} networks beside DMFC",
                    compare.summary.rows
                )?;
                for column in [SIMILARITY, SIMULATION_INDEX] {
                    if let Ok(values) = compare.numbers(column) {
                        writeln!(f, "  {column}: mean {:.4}", mean(values))?;
                    }
                }
                Ok(())
            }
            Self::Decode(decode) => {
                writeln!(
                    f,
                    "  results     online decoder, {} shifts, mask {}",
                    decode.shifts.len(),
                    decode.mask.as_deref().unwrap_or("not stated")
                )?;
                for target in &decode.targets {
                    if let Ok((r, mae)) = decode.headline(target) {
                        writeln!(f, "  {target}: r {:.4}, mae {:.4}", mean(&r), mean(&mae))?;
                    }
                }
                Ok(())
            }
            Self::Offline(offline) => {
                writeln!(
                    f,
                    "  results     end-point decoder, {} models",
                    offline.metrics.len()
                )?;
                for (model, metrics) in &offline.metrics {
                    let names: Vec<&str> = metrics.keys().map(String::as_str).collect();
                    writeln!(f, "  {model}: {}", names.join(", "))?;
                }
                Ok(())
            }
        }
    }
}

/// `rnn_compare_*.pkl`: the networks of 2025 beside DMFC, one row each (192 in the release).
#[derive(Debug, Clone)]
pub struct RnnCompare {
    /// Every column.
    pub summary: Table,
    /// `[row]`, the network's name; empty if the file has no such column.
    pub filenames: Vec<String>,
}

impl RnnCompare {
    /// Open the file: `{'summary': DataFrame}`. [`Error::Io`] if it cannot be opened; inside [`Error::InFile`],
    /// [`Error::Field`] for another content, and what the reader of the format says.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let (_, root) = read_value(path, limits)?;
        Self::from_value(&root).map_err(|error| error.in_file(path))
    }

    /// From what a reader returned.
    pub fn from_value(root: &Value) -> Result<Self> {
        let summary = need(root, "", "summary")?;
        let table = Table::from_value(summary)
            .ok_or_else(|| Error::field("summary", "a data frame", summary.describe()))?;
        let filenames = table.texts(FILENAME).map_or_else(Vec::new, |names| {
            names
                .iter()
                .map(|name| name.clone().unwrap_or_default())
                .collect()
        });
        Ok(Self {
            summary: table,
            filenames,
        })
    }

    /// `[row]`, a column of numbers, NaN where there is none. [`Error::Field`] if it is not there.
    pub fn numbers(&self, column: &str) -> Result<&[f64]> {
        self.summary.numbers(column).ok_or_else(|| {
            Error::field(
                format!("summary/{column}"),
                "a column of numbers",
                "no such column",
            )
        })
    }
}

/// `decode_*.pkl`: the online decoder at several shifts of the neural data in time.
#[derive(Debug, Clone, Serialize)]
pub struct DecodeResults {
    /// Number of conditions.
    pub conditions: Option<usize>,
    /// Type of trial, `occ`.
    pub condition: Option<String>,
    /// Mask, `start_end_pad0`.
    pub mask: Option<String>,
    /// Which responses. The key of the release ends with a blank; with and without are read.
    pub neural_data: Option<String>,
    /// `[target]`, in the order of the columns below (23 in the release).
    pub targets: Vec<String>,
    /// One for each shift of the neural mask, in the order of the file: -5 to +5 bins in the release, 0 in the middle.
    pub shifts: Vec<DecodeScores>,
}

/// Scores at one shift, each `[split, target]`; in the release 100 splits.
#[derive(Debug, Clone, Serialize)]
pub struct DecodeScores {
    /// Shift of the neural mask, bins.
    pub shift_bins: i64,
    /// Pearson correlation over the held-out rows.
    #[serde(skip)]
    pub r: Array2,
    /// Spearman correlation; `None` if the file lacks it.
    #[serde(skip)]
    pub rs: Option<Array2>,
    /// Mean absolute error, in the unit of the target.
    #[serde(skip)]
    pub mae: Array2,
}

impl DecodeResults {
    /// Open the file. Errors as in [`RnnCompare::open`].
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let (_, root) = read_value(path, limits)?;
        Self::from_value(&root).map_err(|error| error.in_file(path))
    }

    /// From what a reader returned. [`Error::Field`] if the shapes do not fit to the targets.
    pub fn from_value(root: &Value) -> Result<Self> {
        let targets = texts("beh_to_decode", need(root, "", "beh_to_decode")?)?;
        let results = need(root, "", "res_decode")?;
        let (Value::List(list) | Value::Tuple(list)) = results else {
            return Err(Error::field(
                "res_decode",
                "a list of results",
                results.describe(),
            ));
        };
        let half = i64::try_from(list.len() / 2).unwrap_or(0);
        let mut shifts = Vec::with_capacity(list.len());
        for (shift_bins, result) in (-half..).zip(list.iter()) {
            let field = |key: &str| format!("res_decode[{}]/{key}", shift_bins + half);
            let get = |key: &str| {
                let array = matrix(&field(key), need(result, "res_decode", key)?)?;
                if array.cols() != targets.len() {
                    return Err(Error::field(
                        field(key),
                        format!("{} targets, as in beh_to_decode", targets.len()),
                        format!("{} columns", array.cols()),
                    ));
                }
                Ok(array)
            };
            shifts.push(DecodeScores {
                shift_bins,
                r: get("r_dist")?,
                rs: result
                    .get("rs_dist")
                    .is_some()
                    .then(|| get("rs_dist"))
                    .transpose()?,
                mae: get("mae_dist")?,
            });
        }
        let text = |key: &str| root.get(key).and_then(Value::as_str);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count, checked"
        )]
        let conditions = root
            .get("ncond")
            .and_then(Value::as_f64)
            .filter(|n| n.fract() == 0.0 && (0.0..1e6).contains(n))
            .map(|n| n as usize);
        Ok(Self {
            conditions,
            condition: text("condition"),
            mask: text("mask_conditions").or_else(|| text("mask")),
            neural_data: text("neural_data_to_use ").or_else(|| text("neural_data_to_use")),
            targets,
            shifts,
        })
    }

    /// `[split]`, r and mean absolute error of a target without a shift. [`Error::Field`] if there is no such target, or the
    /// number of shifts is even and so has no middle.
    pub fn headline(&self, target: &str) -> Result<(Vec<f64>, Vec<f64>)> {
        let column = self.targets.iter().position(|name| name == target);
        let column = column.ok_or_else(|| {
            let found = format!("only {}", self.targets.join(", "));
            Error::field("beh_to_decode", target, found)
        })?;
        let middle = self
            .shifts
            .iter()
            .find(|scores| scores.shift_bins == 0)
            .filter(|_| self.shifts.len() % 2 == 1)
            .ok_or_else(|| {
                let found = format!("{} shifts", self.shifts.len());
                Error::field("res_decode", "an odd number of shifts", found)
            })?;
        Ok((middle.r.column(column), middle.mae.column(column)))
    }
}

/// `offline_*.pkl`: the end-point decoder over time.
#[derive(Debug, Clone)]
pub struct OfflineResults {
    /// By model (`neural_data`, `pos_state_pred`, `posvel_state_pred` or a network's file), by metric (`r_start1_all`,
    /// `mae_start1_bounce`, …): `[split, bin from the start of the visible part]`.
    pub metrics: BTreeMap<String, BTreeMap<String, Array2>>,
    /// The networks' table, where there is one; its column `filename` is that of [`RnnCompare`].
    pub networks: Option<Table>,
}

impl OfflineResults {
    /// Open the file. Errors as in [`RnnCompare::open`].
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let (_, root) = read_value(path, limits)?;
        Self::from_value(&root).map_err(|error| error.in_file(path))
    }

    /// From what a reader returned.
    pub fn from_value(root: &Value) -> Result<Self> {
        let all = need(root, "", "all_metrics")?;
        let Value::Dict(models) = all else {
            return Err(Error::field(
                "all_metrics",
                "a dict by model",
                all.describe(),
            ));
        };
        let mut metrics = BTreeMap::new();
        for (model, content) in models.named() {
            let Value::Dict(content) = content else {
                let field = format!("all_metrics/{model}");
                return Err(Error::field(field, "a dict of metrics", content.describe()));
            };
            let mut of_model = BTreeMap::new();
            for (name, value) in content.named() {
                if name.starts_with("r_start1_") || name.starts_with("mae_start1_") {
                    let field = format!("all_metrics/{model}/{name}");
                    of_model.insert(name.to_owned(), matrix(&field, value)?);
                }
            }
            metrics.insert(model.to_owned(), of_model);
        }
        Ok(Self {
            metrics,
            networks: root.get("df").and_then(Table::from_value),
        })
    }
}

fn need<'a>(value: &'a Value, path: &str, key: &str) -> Result<&'a Value> {
    value.get(key).ok_or_else(|| {
        let have: Vec<&str> = match value {
            Value::Dict(dict) => dict.named().map(|(name, _)| name).take(30).collect(),
            _ => Vec::new(),
        };
        let found = if have.is_empty() {
            value.describe()
        } else {
            format!("only {}", have.join(", "))
        };
        let field = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}/{key}")
        };
        Error::field(field, "this key", found)
    })
}

/// A table of numbers: an array of two axes, or a list of arrays or lists of one length.
fn matrix(field: &str, value: &Value) -> Result<Array2> {
    let wrong = || Error::field(field, "numbers [split, target or bin]", value.describe());
    match value {
        Value::Array(array) if array.shape().len() == 2 => {
            let values = array
                .to_f64()
                .or_else(|| array.items().map(|item| item.as_f64()).collect());
            Array2::new(
                array.shape()[0],
                array.shape()[1],
                values.ok_or_else(wrong)?,
            )
        }
        Value::List(rows) | Value::Tuple(rows) => {
            let rows: Vec<Vec<f64>> = rows
                .iter()
                .map(|row| match row {
                    Value::Array(array) => array.to_f64(),
                    Value::List(items) | Value::Tuple(items) => {
                        items.iter().map(Value::as_f64).collect()
                    }
                    _ => None,
                })
                .collect::<Option<_>>()
                .ok_or_else(wrong)?;
            Array2::from_rows(&rows)
        }
        _ => Err(wrong()),
    }
}

fn texts(field: &str, value: &Value) -> Result<Vec<String>> {
    match value {
        Value::List(items) | Value::Tuple(items) => items.iter().map(Value::as_str).collect(),
        Value::Array(array) => array.items().map(|item| item.as_str()).collect(),
        _ => None,
    }
    .ok_or_else(|| Error::field(field, "a list of names", value.describe()))
}
