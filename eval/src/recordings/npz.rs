//! `.npz` files: the released tree with its keys joined by `/` (or `.`), or a laboratory's own arrays.
//!
//! **The released tree.** One array under each path of keys: `neural_responses/occ`, `neural_responses_sh1/occ`,
//! `behavioral_responses/occ/ball_pos_x_TRUE`, `masks/occ/start_end_pad0`, `reliable_neural_idx/occ`, and tables by column,
//! `meta/py_meta_index`. Where no name has a `/`, a `.` joins. What `numpy.savez(path, **released)` writes is read too: its
//! arrays of objects are pickles, and are read as data.
//!
//! **A laboratory's own arrays** (axes, unit, default):
//!
//! | name | what |
//! |---|---|
//! | `responses` | `[unit, condition, bin]`, trial-averaged, in `response_unit` |
//! | `responses_sh1`, `responses_sh2` | the same of two halves of the trials; optional |
//! | `trial_responses` | instead of these: `[trial, unit, bin]`; NaN in all bins where a unit has no such trial |
//! | `trial_condition_ids` | `[trial]`, ids; with `trial_responses` |
//! | `trial_types` | `[trial]`, text `occ` or `vis`, or numbers (1 occluded); optional, all occluded |
//! | `condition_ids` | `[condition]`, rows of the published table of conditions |
//! | `bin_ms` | length of a bin, ms |
//! | `first_bin_ms` | left edge of bin 0, ms after the ball starts to move; -300 |
//! | `response_unit` | `spikes/ms` (default), `Hz` or `spikes/bin` |
//! | `behavior/NAME` | `[condition, bin]`, units as in [`super::dmfc::behavior_unit`]; optional |
//! | `masks/NAME` | `[condition, bin]`, 1 inside, 0 or NaN outside; made from the ids where there are none |
//! | `synthetic` | there if the data are invented |

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use mental_pong_formats::limits::Limits;
use mental_pong_formats::npz::{Column, arrays, write};
use mental_pong_formats::table::Cells;
use mental_pong_formats::value::{Array, Value};

use crate::error::{Error, Result};

use super::branch::Branch;
use super::dmfc::{FIRST_BIN_MS, Half, Recording, TrialType};
use super::lab::{Lab, Means, Missing};

fn wrong(why: impl Into<String>) -> Error {
    Error::format("npz", None, why)
}

/// Read a file as the tree that the released files have.
///
/// Errors: [`Error::Format`] for a damaged file and for arrays of records, dates and complex numbers;
/// [`Error::Field`] for a laboratory's own arrays that do not fit together; [`Error::Limit`] for too much of them;
/// [`Error::Refused`] from a pickle inside.
pub fn read(source: impl Read + Seek, limits: &Limits) -> Result<Value> {
    let arrays = arrays(source, limits)?;
    if ["responses", "trial_responses"]
        .iter()
        .any(|name| arrays.iter().any(|(key, _)| key == name))
    {
        return lab(arrays);
    }
    let separator = if arrays.iter().any(|(name, _)| name.contains('/')) {
        '/'
    } else {
        '.'
    };
    let mut root = Branch::default();
    for (name, value) in arrays {
        let path: Vec<&str> = name.split(separator).collect();
        root.insert(&path, value)?;
    }
    Ok(root.into_value())
}

/// A laboratory's own arrays.
fn lab(arrays: Vec<(String, Value)>) -> Result<Value> {
    let mut by_name: BTreeMap<String, Value> = arrays.into_iter().collect();
    let mut take = |name: &str| by_name.remove(name);
    let bin_ms = scalar("bin_ms", take("bin_ms").as_ref())?
        .ok_or_else(|| Error::field("bin_ms", "length of a bin in ms", "no such array"))?;
    if !(bin_ms > 0.0 && bin_ms.is_finite()) {
        return Err(Error::field("bin_ms", "more than 0 ms", bin_ms.to_string()));
    }
    let first_bin_ms =
        scalar("first_bin_ms", take("first_bin_ms").as_ref())?.unwrap_or(FIRST_BIN_MS);
    let factor = match take("response_unit") {
        None => 1.0,
        Some(unit) => match unit.as_str().as_deref() {
            Some("spikes/ms") => 1.0,
            Some("Hz") => 1e-3,
            Some("spikes/bin") => 1.0 / bin_ms,
            _ => {
                let found = unit.as_str().unwrap_or_else(|| unit.describe());
                let expected = "spikes/ms, Hz or spikes/bin";
                return Err(Error::field("response_unit", expected, found));
            }
        },
    };
    let mut notes = Vec::new();
    let synthetic = ["synthetic", "simulated"]
        .iter()
        .any(|key| take(key).is_some());
    let stated = match take("condition_ids") {
        Some(value) => Some(integers("condition_ids", &value)?),
        None => None,
    };
    let mut responses = Vec::new();
    let mut trials = BTreeMap::new();
    let (condition_ids, bins);
    if let Some(single) = take("trial_responses") {
        if take("responses").is_some() {
            return Err(Error::field(
                "trial_responses",
                "alone",
                "responses as well",
            ));
        }
        let single = numbers("trial_responses", &single, 3)?;
        let &[count, units, length] = single.shape() else {
            return Err(wrong("trial_responses"));
        };
        let values = scaled("trial_responses", &single, factor)?;
        let ids = take("trial_condition_ids")
            .ok_or_else(|| Error::field("trial_condition_ids", "this array", "no such array"))?;
        let ids = same_length(
            "trial_condition_ids",
            integers("trial_condition_ids", &ids)?,
            count,
        )?;
        let types = match take("trial_types") {
            Some(types) => same_length("trial_types", trial_types(&types)?, count)?,
            None => vec![TrialType::Occ; count],
        };
        condition_ids = stated.unwrap_or_else(|| {
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids.dedup();
            ids
        });
        bins = length;
        for kind in TrialType::ALL {
            if !types.contains(&kind) {
                continue;
            }
            let mut means = Means::new(units, condition_ids.len(), bins);
            let row = |trial: usize, unit: usize| {
                let at = (trial * units + unit) * bins;
                &values[at..at + bins]
            };
            let mut number = 0_i64;
            for (condition, id) in condition_ids.iter().enumerate() {
                let of: Vec<usize> = (0..count)
                    .filter(|&t| types[t] == kind && ids[t] == *id)
                    .collect();
                number += i64::try_from(of.len()).unwrap_or(i64::MAX);
                for unit in 0..units {
                    let there: Vec<usize> = of
                        .iter()
                        .copied()
                        .filter(|&t| !row(t, unit).iter().all(|v| v.is_nan()))
                        .collect();
                    means.add(unit, condition, &there, |t| row(t, unit).into())?;
                }
            }
            let left_out = (0..count)
                .filter(|&t| types[t] == kind && !condition_ids.contains(&ids[t]))
                .count();
            if left_out > 0 {
                notes.push(format!(
                    "{}: {left_out} trials are of conditions that condition_ids does not list",
                    kind.key()
                ));
            }
            trials.insert(kind, vec![number]);
            let (arrays, more) = means.finish(kind, Missing::Refuse)?;
            responses.extend(arrays);
            notes.extend(more);
        }
    } else {
        for (name, half) in [
            ("responses", Half::Full),
            ("responses_sh1", Half::Sh1),
            ("responses_sh2", Half::Sh2),
        ] {
            let Some(value) = take(name) else {
                continue;
            };
            let array = numbers(name, &value, 3)?;
            let array = if (factor - 1.0).abs() > 0.0 {
                let values = scaled(name, &array, factor)?;
                Arc::new(Array::from_f64(array.shape().to_vec(), &values)?)
            } else {
                array
            };
            responses.push((TrialType::Occ, half, array));
        }
        let shape = responses.first().map(|(_, _, array)| array.shape());
        let Some(&[_, conditions, length]) = shape else {
            return Err(Error::field(
                "responses",
                "[unit, condition, bin]",
                "no such array",
            ));
        };
        bins = length;
        let ids = stated.ok_or_else(|| {
            Error::field("condition_ids", "an id of each condition", "no such array")
        })?;
        condition_ids = same_length("condition_ids", ids, conditions)?;
        if responses.len() == 1 {
            notes.push("responses: no halves, so no reliability and no noise ceiling".into());
        }
    }
    let mut sorted = condition_ids.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let found = format!("{} twice", pair[0]);
        return Err(Error::field("condition_ids", "each id once", found));
    }
    let mut behaviors = Vec::new();
    let mut masks = Vec::new();
    for (name, value) in by_name {
        if let Some(name) = name.strip_prefix("behavior/") {
            let array = numbers(&format!("behavior/{name}"), &value, 2)?;
            behaviors.push((TrialType::Occ, name.to_owned(), array));
        } else if let Some(name) = name.strip_prefix("masks/") {
            let field = format!("masks/{name}");
            let array = numbers(&field, &value, 2)?;
            let inside: Vec<f64> = scaled(&field, &array, 1.0)?
                .into_iter()
                .map(|v| if v == 0.0 { f64::NAN } else { v })
                .collect();
            let array = Array::from_f64(array.shape().to_vec(), &inside)?;
            masks.push((TrialType::Occ, name.to_owned(), Arc::new(array)));
        } else {
            notes.push(format!("{name}: not known, and not used"));
        }
    }
    Lab {
        bin_ms,
        first_bin_ms,
        bins,
        condition_ids,
        responses,
        behaviors,
        masks,
        trials,
        synthetic,
        notes,
    }
    .into_value()
}

fn scalar(field: &str, value: Option<&Value>) -> Result<Option<f64>> {
    value
        .map(|value| {
            value
                .as_f64()
                .filter(|v| v.is_finite())
                .ok_or_else(|| Error::field(field, "one finite number", value.describe()))
        })
        .transpose()
}

fn integers(field: &str, value: &Value) -> Result<Vec<i64>> {
    match value {
        Value::Array(array) if array.shape().len() == 1 => array.to_i64(),
        _ => None,
    }
    .ok_or_else(|| Error::field(field, "whole numbers, one axis", value.describe()))
}

fn numbers(field: &str, value: &Value, axes: usize) -> Result<Arc<Array>> {
    match value {
        Value::Array(array) if array.shape().len() == axes && array.dtype().is_number() => {
            Ok(Arc::clone(array))
        }
        other => Err(Error::field(
            field,
            format!("numbers, {axes} axes"),
            other.describe(),
        )),
    }
}

fn scaled(field: &str, array: &Array, factor: f64) -> Result<Vec<f64>> {
    let mut values = array
        .to_f64()
        .ok_or_else(|| Error::field(field, "numbers", array.dtype().to_string()))?;
    for value in &mut values {
        *value *= factor;
    }
    Ok(values)
}

fn same_length<T>(field: &str, values: Vec<T>, length: usize) -> Result<Vec<T>> {
    if values.len() != length {
        let expected = format!("{length} values");
        return Err(Error::field(field, expected, values.len().to_string()));
    }
    Ok(values)
}

fn trial_types(value: &Value) -> Result<Vec<TrialType>> {
    let wrong =
        |found: String| Error::field("trial_types", "occ or vis, or numbers (1: occ)", found);
    let Value::Array(array) = value else {
        return Err(wrong(value.describe()));
    };
    array
        .items()
        .map(|item| match item {
            Value::Str(text) => TrialType::named(&text).ok_or_else(|| wrong(text.to_string())),
            Value::Bytes(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                TrialType::named(&text).ok_or_else(|| wrong(text))
            }
            other => match other.as_f64() {
                Some(1.0) => Ok(TrialType::Occ),
                Some(alpha) if (0.0..1.0).contains(&alpha) => Ok(TrialType::Vis),
                _ => Err(wrong(other.describe())),
            },
        })
        .collect()
}

/// Write a recording in the released layout, with more arrays after it. Columns of text and of other kinds are left out:
/// [`super::convert`] keeps them.
pub(super) fn write_recording(
    path: &Path,
    recording: &Recording,
    more: Vec<(String, Vec<usize>, Column<'_>)>,
) -> Result<()> {
    let mut floats: Vec<(String, Vec<usize>, Vec<f64>)> = Vec::new();
    let mut ints: Vec<(String, Vec<i64>)> = Vec::new();
    // One array at a time would need less memory, and a second way to write.
    for (&(trials, population, half), array) in &recording.responses {
        let name = format!("{}/{}", population.key(half), trials.key());
        floats.push((
            name.clone(),
            array.shape().to_vec(),
            scaled(&name, array, 1.0)?,
        ));
    }
    for (trials, name, array) in &recording.behaviors {
        let name = format!("behavioral_responses/{}/{name}", trials.key());
        floats.push((
            name.clone(),
            array.shape().to_vec(),
            scaled(&name, array, 1.0)?,
        ));
    }
    let axes = recording.expected;
    for (trials, name, mask) in &recording.masks {
        let inside = mask
            .as_slice()
            .iter()
            .map(|&v| if v { 1.0 } else { f64::NAN });
        let name = format!("masks/{}/{name}", trials.key());
        floats.push((name, vec![axes.conditions, axes.bins], inside.collect()));
    }
    for (&table, content) in &recording.tables {
        for (name, cells) in &content.columns {
            if let Cells::Numbers(values) = cells {
                floats.push((
                    format!("{table}/{name}"),
                    vec![values.len()],
                    values.clone(),
                ));
            }
        }
    }
    for (trials, rows) in &recording.reliable {
        let rows = rows
            .iter()
            .map(|&row| i64::try_from(row).unwrap_or(i64::MAX));
        ints.push((
            format!("reliable_neural_idx/{}", trials.key()),
            rows.collect(),
        ));
    }
    for (trials, counts) in &recording.trials {
        ints.push((format!("ntr_{}", trials.key()), counts.clone()));
    }
    for (&(trials, half), ids) in &recording.unit_ids {
        let key = super::dmfc::Population::All.key(half);
        ints.push((
            format!("neural_idx_global/{}/{key}", trials.key()),
            ids.clone(),
        ));
    }
    if !recording.released {
        for (name, value) in [("conditions", axes.conditions), ("bins", axes.bins)] {
            ints.push((
                format!("axes/{name}"),
                vec![i64::try_from(value).unwrap_or(i64::MAX)],
            ));
        }
        for (name, value) in [
            ("bin_ms", axes.bin_ms),
            ("first_bin_ms", recording.first_bin_ms),
        ] {
            floats.push((format!("axes/{name}"), vec![1], vec![value]));
        }
    }
    let said = [true];
    let mut arrays = Vec::new();
    if recording.synthetic == Some(true) {
        arrays.push(("simulated".to_owned(), vec![], Column::Bools(&said)));
    }
    for (name, shape, values) in &floats {
        arrays.push((name.clone(), shape.clone(), Column::Floats(values)));
    }
    for (name, values) in &ints {
        arrays.push((name.clone(), vec![values.len()], Column::Ints(values)));
    }
    arrays.extend(more);
    Ok(write(path, &arrays)?)
}
