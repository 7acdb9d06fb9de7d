//! Long tables of responses: one row for each unit, condition and bin.
//!
//! | column | what |
//! |---|---|
//! | `unit` | whole numbers or text; units come in rising order |
//! | `condition` | id of the set: whole numbers or text |
//! | `bin` | from 0; bin 0 starts 300 ms before the ball moves |
//! | `value` | spikes/ms, trial-averaged |
//! | `half` | text `full` (or empty), `sh1`, `sh2`; optional, all `full` |
//! | `trial_type` | text `occ` or `vis`; optional, all `occ` |
//! | `bin_ms` | length of a bin, ms, the same in every row; optional, 50 |
//! | `first_bin_ms` | start of bin 0, ms, the same in every row; optional, -300 |
//! | `set_name`, `set_sha256` | the set of conditions, the same in every row; said by `--conditions` where they are not there |
//!
//! A cell without a row is NaN. Masks and ball come from the set of conditions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mental_pong_game::task::SetIdentity;

use crate::error::{Error, Result};

use super::arrays::in_order;
use super::dmfc::{FIRST_BIN_MS, Half, Opening, Recording, TrialType};
use super::lab::{Lab, OfHalf};
use super::mapping::Mapping;
use mental_pong_formats::limits::Limits;
use mental_pong_formats::parquet;
use mental_pong_formats::table::Table;
use mental_pong_formats::value::Array;

/// Most bins of a table: five minutes in ms.
const MOST_BINS: usize = 300_000;

/// The recording of a table, checked as [`Recording::open`] does.
///
/// [`Error::Field`] for a column that is missing or holds something else, and for a cell that is there twice, with its row
/// (from 1); [`Error::Limit`](mental_pong_formats::Error::Limit) for indices that span more than there may be.
pub fn from_table(table: &Table, opening: &Opening) -> Result<Recording> {
    recording(table.clone(), opening)?.finished(opening)
}

/// The recording of a Parquet file, not yet checked.
pub(super) fn read(path: &Path, opening: &Opening) -> Result<Recording> {
    recording(parquet::read(path, &opening.limits)?, opening)
}

fn recording(mut table: Table, opening: &Opening) -> Result<Recording> {
    let mapping = &opening.mapping;
    mapping.rename_table(&mut table)?;
    let table = &table;
    let bin_ms = constant(table, "bin_ms")?
        .or(mapping.bin_ms)
        .unwrap_or(50.0);
    if bin_ms <= 0.0 {
        return Err(Error::field("bin_ms", "more than 0 ms", bin_ms.to_string()));
    }
    let first_bin_ms = constant(table, "first_bin_ms")?.or(mapping.first_bin_ms);
    let unit = mapping.response_unit.or(opening.response_unit);
    let rows = Rows::of(table, mapping)?;
    let condition_ids = in_order(rows.conditions.clone());
    let (bins, responses) = rows.arrays(
        &condition_ids,
        unit.map_or(1.0, |unit| unit.per_ms(bin_ms)),
        &opening.limits,
    )?;
    let synthetic = ["synthetic", "simulated"]
        .iter()
        .any(|name| table.columns.iter().any(|(column, _)| column == name));
    Lab {
        bin_ms,
        first_bin_ms: first_bin_ms.unwrap_or(FIRST_BIN_MS),
        bins,
        condition_ids,
        set: stated_set(table)?,
        responses,
        behaviors: Vec::new(),
        masks: Vec::new(),
        units: None,
        unit_ids: BTreeMap::new(),
        behavior: None,
        trials: BTreeMap::new(),
        unit_stated: true,
        synthetic,
        notes: Vec::new(),
    }
    .into_recording()
}

/// The columns of a table, `[row]`.
struct Rows<'a> {
    units: Vec<String>,
    conditions: Vec<String>,
    bins: Vec<i64>,
    values: &'a [f64],
    halves: Vec<Half>,
    kinds: Vec<TrialType>,
}

impl<'a> Rows<'a> {
    fn of(table: &'a Table, mapping: &Mapping) -> Result<Self> {
        let conditions = ids(table, "condition")?;
        let bins = whole(table, "bin")?;
        if bins.is_empty() || bins.iter().any(|&bin| bin < 0) {
            let found = "a negative one, or no row";
            return Err(Error::field("bin", "bins from 0", found));
        }
        Ok(Self {
            units: ids(table, "unit")?,
            conditions: conditions.iter().map(|id| mapping.id(id)).collect(),
            bins,
            values: numbers(table, "value")?,
            halves: texts(table, "half", Half::Full, |text| match text {
                "" | "full" => Some(Half::Full),
                "sh1" => Some(Half::Sh1),
                "sh2" => Some(Half::Sh2),
                _ => None,
            })?,
            kinds: texts(table, "trial_type", TrialType::Occ, |text| {
                mapping.kind(text)
            })?,
        })
    }

    /// The number of bins, and the values times `factor` as arrays.
    fn arrays(
        &self,
        condition_ids: &[String],
        factor: f64,
        limits: &Limits,
    ) -> Result<(usize, Vec<OfHalf>)> {
        fn places(ids: &[String]) -> BTreeMap<&str, usize> {
            ids.iter().map(String::as_str).zip(0..).collect()
        }
        let unit_ids = in_order(self.units.clone());
        let (units, conditions) = (places(&unit_ids), places(condition_ids));
        let last = self.bins.iter().copied().max().unwrap_or(0);
        let bins = usize::try_from(last)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let cells = units.len().saturating_mul(conditions.len());
        let cells = cells.saturating_mul(bins);
        let needed = (cells as u64).saturating_mul(8 * 6);
        if bins > MOST_BINS || needed > limits.bytes {
            let what = "bytes of the array that the table spans";
            return Err(Error::limit(what, limits.bytes, needed));
        }
        // Values, and which of them are there.
        let mut arrays: BTreeMap<(TrialType, Half), (Vec<f64>, Vec<bool>)> = BTreeMap::new();
        for (row, &value) in self.values.iter().enumerate() {
            let (unit, condition) = (&*self.units[row], &*self.conditions[row]);
            let bin = usize::try_from(self.bins[row]).unwrap_or(usize::MAX);
            let at = (units[unit] * conditions.len() + conditions[condition]) * bins + bin;
            let (values, taken) = arrays
                .entry((self.kinds[row], self.halves[row]))
                .or_insert_with(|| (vec![f64::NAN; cells], vec![false; cells]));
            if std::mem::replace(&mut taken[at], true) {
                let found = format!(
                    "row {}: unit {unit}, condition {condition}, bin {bin} a second time",
                    row + 1
                );
                return Err(Error::field("value", "one row of each cell", found));
            }
            values[at] = value * factor;
        }
        let shape = [units.len(), conditions.len(), bins];
        let of = |((kind, half), (values, _)): ((TrialType, Half), (Vec<f64>, _))| {
            Ok((
                kind,
                half,
                Arc::new(Array::from_f64(shape.to_vec(), &values)?),
            ))
        };
        Ok((bins, arrays.into_iter().map(of).collect::<Result<_>>()?))
    }
}

/// Texts, or whole numbers as texts.
fn ids(table: &Table, name: &str) -> Result<Vec<String>> {
    let Some(texts) = table.texts(name) else {
        return Ok(whole(table, name)?.iter().map(i64::to_string).collect());
    };
    let id = |(row, text): (usize, &Option<String>)| {
        let found = || format!("row {}: none", row + 1);
        let text = text.clone();
        text.ok_or_else(|| Error::field(name, "an id in every row", found()))
    };
    texts.iter().enumerate().map(id).collect()
}

/// A number that every row has.
fn constant(table: &Table, name: &str) -> Result<Option<f64>> {
    let Some(all) = table.numbers(name) else {
        return Ok(None);
    };
    let first = all.first().copied().unwrap_or(f64::NAN);
    if !first.is_finite() || all.iter().any(|v| v.to_bits() != first.to_bits()) {
        return Err(Error::field(name, "one number in every row", "others"));
    }
    Ok(Some(first))
}

fn stated_set(table: &Table) -> Result<Option<SetIdentity>> {
    let one = |name: &str| -> Result<Option<String>> {
        let Some(all) = table.texts(name) else {
            return Ok(None);
        };
        let first = all.first().cloned().flatten();
        if all.iter().any(|text| *text != first) {
            return Err(Error::field(name, "one set in every row", "several"));
        }
        Ok(first)
    };
    Ok(match (one("set_name")?, one("set_sha256")?) {
        (Some(name), Some(sha256)) => Some(SetIdentity { name, sha256 }),
        _ => None,
    })
}

fn missing(table: &Table, name: &str, what: &str) -> Error {
    let have: Vec<&str> = table.columns.iter().map(|(name, _)| &**name).collect();
    let there = have.contains(&name);
    let found = if there {
        "something else".into()
    } else {
        format!("no such column; there are {}", have.join(", "))
    };
    Error::field(name, what, found)
}

fn numbers<'a>(table: &'a Table, name: &str) -> Result<&'a [f64]> {
    table
        .numbers(name)
        .ok_or_else(|| missing(table, name, "a column of numbers"))
}

fn whole(table: &Table, name: &str) -> Result<Vec<i64>> {
    numbers(table, name)?
        .iter()
        .enumerate()
        .map(|(row, &value)| {
            #[allow(clippy::cast_possible_truncation, reason = "checked")]
            (value.fract() == 0.0 && value.abs() < 9e15)
                .then_some(value as i64)
                .ok_or_else(|| {
                    Error::field(name, "whole numbers", format!("row {}: {value}", row + 1))
                })
        })
        .collect()
}

fn texts<T: Copy>(
    table: &Table,
    name: &str,
    default: T,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>> {
    if !table.columns.iter().any(|(column, _)| column == name) {
        return Ok(vec![default; table.rows]);
    }
    table
        .texts(name)
        .ok_or_else(|| missing(table, name, "a column of texts"))?
        .iter()
        .enumerate()
        .map(|(row, text)| {
            let text = text.as_deref().unwrap_or("");
            parse(text).ok_or_else(|| {
                Error::field(
                    name,
                    "a name that is known",
                    format!("row {}: {text}", row + 1),
                )
            })
        })
        .collect()
}
