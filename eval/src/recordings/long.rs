//! Long tables of responses: one row for each unit, condition and bin.
//!
//! | column | what |
//! |---|---|
//! | `unit` | any whole numbers; units come in rising order |
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
use super::lab::Lab;
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
    recording(table, &opening.limits)?.finished(opening)
}

/// The recording of a Parquet file, not yet checked.
pub(super) fn read(path: &Path, limits: &Limits) -> Result<Recording> {
    recording(&parquet::read(path, limits)?, limits)
}

fn recording(table: &Table, limits: &Limits) -> Result<Recording> {
    let units = whole(table, "unit")?;
    let conditions = match table.texts("condition") {
        Some(texts) => texts
            .iter()
            .enumerate()
            .map(|(row, text)| {
                let found = || format!("row {}: none", row + 1);
                text.clone()
                    .ok_or_else(|| Error::field("condition", "an id in every row", found()))
            })
            .collect::<Result<_>>()?,
        None => whole(table, "condition")?
            .iter()
            .map(i64::to_string)
            .collect::<Vec<_>>(),
    };
    let bins = whole(table, "bin")?;
    let values = numbers(table, "value")?;
    let halves = texts(table, "half", Half::Full, |text| match text {
        "" | "full" => Some(Half::Full),
        "sh1" => Some(Half::Sh1),
        "sh2" => Some(Half::Sh2),
        _ => None,
    })?;
    let types = texts(table, "trial_type", TrialType::Occ, TrialType::named)?;
    let bin_ms = constant(table, "bin_ms")?.unwrap_or(50.0);
    if bin_ms <= 0.0 {
        return Err(Error::field("bin_ms", "more than 0 ms", bin_ms.to_string()));
    }
    let first_bin_ms = constant(table, "first_bin_ms")?.unwrap_or(FIRST_BIN_MS);
    let places = |ids: &[i64]| -> BTreeMap<i64, usize> {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
            .into_iter()
            .enumerate()
            .map(|(at, id)| (id, at))
            .collect()
    };
    let unit_places = places(&units);
    let condition_ids = in_order(conditions.clone());
    let condition_places: BTreeMap<&str, usize> =
        condition_ids.iter().map(String::as_str).zip(0..).collect();
    let last = bins.iter().copied().max().unwrap_or(-1);
    if bins.iter().any(|&bin| bin < 0) || last < 0 {
        return Err(Error::field(
            "bin",
            "bins from 0",
            "a negative one, or no row",
        ));
    }
    let length = usize::try_from(last)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    let cells = unit_places
        .len()
        .saturating_mul(condition_places.len())
        .saturating_mul(length);
    let needed = (cells as u64).saturating_mul(8 * 6);
    if length > MOST_BINS || needed > limits.bytes {
        let what = "bytes of the array that the table spans";
        return Err(Error::limit(what, limits.bytes, needed));
    }
    let mut arrays: BTreeMap<(TrialType, Half), Vec<f64>> = BTreeMap::new();
    let mut taken: BTreeMap<(TrialType, Half), Vec<bool>> = BTreeMap::new();
    for row in 0..table.rows {
        let key = (types[row], halves[row]);
        let bin = usize::try_from(bins[row]).unwrap_or(usize::MAX);
        let at = (unit_places[&units[row]] * condition_places.len()
            + condition_places[&*conditions[row]])
            * length
            + bin;
        let seen = taken.entry(key).or_insert_with(|| vec![false; cells]);
        if std::mem::replace(&mut seen[at], true) {
            let found = format!(
                "row {}: unit {}, condition {}, bin {bin} a second time",
                row + 1,
                units[row],
                conditions[row]
            );
            return Err(Error::field("value", "one row of each cell", found));
        }
        arrays.entry(key).or_insert_with(|| vec![f64::NAN; cells])[at] = values[row];
    }
    let shape = vec![unit_places.len(), condition_places.len(), length];
    let responses = arrays
        .into_iter()
        .map(|((trials, half), values)| {
            Ok((
                trials,
                half,
                Arc::new(Array::from_f64(shape.clone(), &values)?),
            ))
        })
        .collect::<Result<_>>()?;
    let synthetic = ["synthetic", "simulated"]
        .iter()
        .any(|name| table.columns.iter().any(|(column, _)| column == name));
    Lab {
        bin_ms,
        first_bin_ms,
        bins: length,
        condition_ids,
        set: stated_set(table)?,
        responses,
        behaviors: Vec::new(),
        masks: Vec::new(),
        units: None,
        trials: BTreeMap::new(),
        unit_stated: true,
        synthetic,
        notes: Vec::new(),
    }
    .into_recording()
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
