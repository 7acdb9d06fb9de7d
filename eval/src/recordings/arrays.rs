//! A laboratory's own arrays, by their names: in an `.npz`, or as variables of a MATLAB file (`/` is a struct there) or a
//! NetCDF file (`mask_` and `behavior_` there, and the ids may be the labels of the axis `condition`).
//!
//! | name | what |
//! |---|---|
//! | `responses` | `[unit, condition, bin]`, trial-averaged, in `response_unit` |
//! | `responses_sh1`, `responses_sh2` | the same of two halves of the trials; optional |
//! | `trial_responses` | instead of these: `[trial, unit, bin]`; NaN in all bins where a unit has no such trial |
//! | `trial_condition_ids` | `[trial]`, ids; with `trial_responses` |
//! | `trial_types` | `[trial]`, text `occ` or `vis`, or numbers (1 occluded); optional, all occluded |
//! | `condition_ids` | `[condition]`, ids of the set: text, or whole numbers |
//! | `set_name`, `set_sha256` | the set of conditions; said by `--conditions` where they are not there |
//! | `bin_ms` | length of a bin, ms |
//! | `first_bin_ms` | left edge of bin 0, ms after the ball starts to move; -300 |
//! | `response_unit` | `spikes/ms`, `Hz` or `spikes/bin`; said by `--response-unit` where it is not there |
//! | `unit_animal`, `unit_session` | `[unit]`, text; optional |
//! | `behavior/NAME` | `[condition, bin]`, units as in [`super::dmfc::behavior_unit`]; optional |
//! | `masks/NAME` | `[condition, bin]`, 1 inside, 0 or NaN outside; made from the set where there are none |
//! | `synthetic` | there if the data are invented |

use std::collections::BTreeMap;
use std::sync::Arc;

use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::value::{Array, Value};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::dmfc::{FIRST_BIN_MS, Half, Mask, Opening, Recording, TrialType, set_of, whole_ids};
use super::lab::{Lab, Means};
use super::mapping::{Item, Mapping};

/// Unit in which responses are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateUnit {
    /// Spikes per millisecond.
    #[serde(rename = "spikes/ms")]
    SpikesPerMs,
    /// Spikes per second.
    #[serde(rename = "Hz")]
    Hz,
    /// Spikes in a bin.
    #[serde(rename = "spikes/bin")]
    SpikesPerBin,
}

impl RateUnit {
    /// All three.
    pub const ALL: [Self; 3] = [Self::SpikesPerMs, Self::Hz, Self::SpikesPerBin];

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SpikesPerMs => "spikes/ms",
            Self::Hz => "Hz",
            Self::SpikesPerBin => "spikes/bin",
        }
    }

    pub(super) fn per_ms(self, bin_ms: f64) -> f64 {
        match self {
            Self::SpikesPerMs => 1.0,
            Self::Hz => 1e-3,
            Self::SpikesPerBin => 1.0 / bin_ms,
        }
    }
}

/// Names of a file with labelled axes that say nothing more.
const LABELS: [&str; 5] = ["bin", "title", "history", "Conventions", "_NCProperties"];

fn prefixed<'a>(name: &'a str, prefixes: [&str; 2]) -> Option<&'a str> {
    prefixes.iter().find_map(|prefix| name.strip_prefix(prefix))
}

/// Whether a tree holds a laboratory's own arrays.
pub(super) fn is_lab(root: &Value, mapping: &Mapping) -> bool {
    let named = [Item::Responses, Item::TrialResponses];
    named.iter().any(|&item| mapping.name(item).is_some())
        || ["responses", "trial_responses"]
            .iter()
            .any(|name| root.get(name).is_some())
}

/// The arrays of nested dictionaries, with their keys joined by `/`.
fn flat(path: &str, value: &Value, depth: usize, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Dict(dict) if depth < 4 => {
            for (name, value) in dict.named() {
                let path = if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}/{name}")
                };
                flat(&path, value, depth + 1, into);
            }
        }
        other => {
            into.insert(path.to_owned(), other.clone());
        }
    }
}

/// The recording of a laboratory's arrays, not yet checked. [`Error::Field`] for arrays that do not fit together.
pub(super) fn recording(root: &Value, opening: &Opening) -> Result<Recording> {
    let mapping = &opening.mapping;
    let mut by_name = BTreeMap::new();
    flat("", root, 0, &mut by_name);
    mapping.rename_arrays(&mut by_name)?;
    let set = set_of(root);
    let by_single = by_name.contains_key("trial_responses");
    let mut take = |name: &str| by_name.remove(name);
    for name in ["set_name", "set_sha256"] {
        take(name);
    }
    let bin_ms = scalar("bin_ms", take("bin_ms").as_ref())?.or(mapping.bin_ms);
    let bin_ms = bin_ms.ok_or_else(|| {
        let expected = "length of a bin in ms, in the file or in the mapping";
        Error::field("bin_ms", expected, "no such array")
    })?;
    if !(1.0..=10_000.0).contains(&bin_ms) {
        let expected = "1 to 10000, milliseconds (0.05 s are 50)";
        return Err(Error::field("bin_ms", expected, bin_ms.to_string()));
    }
    let first_bin_ms = scalar("first_bin_ms", take("first_bin_ms").as_ref())?;
    let said_first = first_bin_ms.or(mapping.first_bin_ms);
    let first_bin_ms = said_first.unwrap_or(FIRST_BIN_MS);
    let unit = rate_unit(take("response_unit").as_ref())?.or(opening.response_unit);
    let unit = unit.or(mapping.response_unit);
    let factor = unit.map_or(1.0, |unit| unit.per_ms(bin_ms));
    let synthetic = ["synthetic", "simulated"]
        .iter()
        .any(|key| take(key).is_some());
    // The labels of the axis of a NetCDF file.
    let stated = take("condition_ids").or_else(|| take("condition"));
    let ids = |field: &str, value: &Value| -> Result<Vec<String>> {
        let found = ids(field, value)?;
        Ok(found.iter().map(|id| mapping.id(id)).collect())
    };
    let stated = match &mapping.order {
        Some(order) if by_single => Some(order.clone()),
        _ => stated.map(|v| ids("condition_ids", &v)).transpose()?,
    };
    let mut lab = Lab {
        bin_ms,
        first_bin_ms,
        bins: 0,
        condition_ids: Vec::new(),
        set,
        responses: Vec::new(),
        behaviors: Vec::new(),
        masks: Vec::new(),
        units: None,
        unit_ids: BTreeMap::new(),
        behavior: None,
        trials: BTreeMap::new(),
        unit_stated: unit.is_some(),
        synthetic,
        notes: Vec::new(),
    };
    if said_first.is_none() {
        lab.notes.push(format!(
            "the file does not say where bin 0 begins: {FIRST_BIN_MS} ms from motion onset is taken, as published (first_bin_ms says another)"
        ));
    }
    if let Some(single) = take("trial_responses") {
        if take("responses").is_some() {
            let found = "responses as well";
            return Err(Error::field("trial_responses", "alone", found));
        }
        let need = |name: &str, value: Option<Value>| {
            value.ok_or_else(|| Error::field(name, "this array", "no such array"))
        };
        let of = need("trial_condition_ids", take("trial_condition_ids"))?;
        let of = ids("trial_condition_ids", &of)?;
        let kinds = take("trial_types")
            .map(|v| trial_types(&v, mapping))
            .transpose()?;
        lab.single_trials(&single, factor, of, kinds, stated, opening)?;
    } else {
        lab.averages(&mut take, factor, stated, opening)?;
    }
    lab.units = unit_table(
        &mut take,
        lab.responses.first().map_or(0, |(_, _, a)| a.shape()[0]),
    )?;
    for (name, value) in by_name {
        if let Value::Unread(what) = &value {
            lab.notes
                .push(format!("{name}: {what} is not read, and left out"));
        } else if let Some(name) = prefixed(&name, ["behavior/", "behavior_"]) {
            let array = numbers(&format!("behavior/{name}"), &value, 2)?;
            lab.behaviors.push((TrialType::Occ, name.to_owned(), array));
        } else if LABELS.contains(&&*name) {
            // What labels the axes of a NetCDF file.
        } else if let Some(name) = prefixed(&name, ["masks/", "mask_"]) {
            let field = format!("masks/{name}");
            let array = numbers(&field, &value, 2)?;
            let inside = scaled(&field, &array, 1.0)?;
            let inside = inside.iter().map(|&v| v != 0.0 && !v.is_nan()).collect();
            let mask = Mask::new(array.shape()[0], array.shape()[1], inside)?;
            lab.masks.push((TrialType::Occ, name.to_owned(), mask));
        } else {
            lab.notes.push(format!("{name}: not known, and not used"));
        }
    }
    lab.into_recording()
}

impl Lab {
    /// Means and halves of single trials `[trial, unit, bin]`.
    fn single_trials(
        &mut self,
        single: &Value,
        factor: f64,
        of: Vec<String>,
        kinds: Option<Vec<TrialType>>,
        stated: Option<Vec<String>>,
        opening: &Opening,
    ) -> Result<()> {
        let single = numbers("trial_responses", single, 3)?;
        let order = opening.mapping.axes.as_deref();
        let single = in_axes("trial_responses", &single, order, &["trial", "unit", "bin"])?;
        let &[count, units, bins] = single.shape() else {
            return Err(Error::field("trial_responses", "three axes", "others"));
        };
        let values = scaled("trial_responses", &single, factor)?;
        let of = same_length("trial_condition_ids", of, count)?;
        let kinds = match kinds {
            Some(kinds) => same_length("trial_types", kinds, count)?,
            None => vec![TrialType::Occ; count],
        };
        self.bins = bins;
        self.condition_ids = stated.unwrap_or_else(|| in_order(of.clone()));
        for kind in TrialType::ALL {
            if !kinds.contains(&kind) {
                continue;
            }
            let mut means = Means::new(units, self.condition_ids.len(), bins);
            let row = |trial: usize, unit: usize| {
                let at = (trial * units + unit) * bins;
                &values[at..at + bins]
            };
            let mut number = 0_i64;
            for (condition, id) in self.condition_ids.iter().enumerate() {
                let of: Vec<usize> = (0..count)
                    .filter(|&t| kinds[t] == kind && of[t] == *id)
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
                .filter(|&t| kinds[t] == kind && !self.condition_ids.contains(&of[t]))
                .count();
            if left_out > 0 {
                self.notes.push(format!(
                    "{}: {left_out} trials are of conditions that condition_ids does not list",
                    kind.key()
                ));
            }
            self.trials.insert(kind, vec![number]);
            let (arrays, more) = means.finish(kind, opening.missing)?;
            self.responses.extend(arrays);
            self.notes.extend(more);
        }
        Ok(())
    }

    /// Averages `[unit, condition, bin]`, of all trials and of halves.
    fn averages(
        &mut self,
        take: &mut dyn FnMut(&str) -> Option<Value>,
        factor: f64,
        stated: Option<Vec<String>>,
        opening: &Opening,
    ) -> Result<()> {
        let order = opening.mapping.axes.as_deref();
        for (name, half) in [
            ("responses", Half::Full),
            ("responses_sh1", Half::Sh1),
            ("responses_sh2", Half::Sh2),
        ] {
            let Some(value) = take(name) else {
                continue;
            };
            let array = numbers(name, &value, 3)?;
            let array = in_axes(name, &array, order, &["unit", "condition", "bin"])?;
            let array = if (factor - 1.0).abs() > 0.0 {
                let values = scaled(name, &array, factor)?;
                Arc::new(Array::from_f64(array.shape().to_vec(), &values)?)
            } else {
                array
            };
            self.responses.push((TrialType::Occ, half, array));
        }
        let shape = self.responses.first().map(|(_, _, array)| array.shape());
        let Some(&[_, conditions, bins]) = shape else {
            let expected = "[unit, condition, bin]";
            return Err(Error::field("responses", expected, "no such array"));
        };
        self.bins = bins;
        let ids = stated.ok_or_else(|| {
            Error::field("condition_ids", "an id of each condition", "no such array")
        })?;
        self.condition_ids = same_length("condition_ids", ids, conditions)?;
        if self.responses.len() == 1 {
            let note = "responses: no halves, so no reliability and no noise ceiling";
            self.notes.push(note.into());
        }
        Ok(())
    }
}

/// Each id once: numbers by size, then texts.
pub(super) fn in_order(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_by_cached_key(|id| (id.parse::<i64>().unwrap_or(i64::MAX), id.clone()));
    ids.dedup();
    ids
}

fn rate_unit(value: Option<&Value>) -> Result<Option<RateUnit>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let text = value.as_str().unwrap_or_else(|| value.describe());
    let known = RateUnit::ALL.into_iter().find(|unit| unit.name() == text);
    let wrong = || Error::field("response_unit", "spikes/ms, Hz or spikes/bin", text.clone());
    known.map(Some).ok_or_else(wrong)
}

/// What is said of each unit.
fn unit_table(take: &mut dyn FnMut(&str) -> Option<Value>, units: usize) -> Result<Option<Table>> {
    let mut columns = Vec::new();
    for name in ["animal", "session"] {
        let field = format!("unit_{name}");
        if let Some(value) = take(&field) {
            let texts = same_length(&field, ids(&field, &value)?, units)?;
            let cells = Cells::Texts(texts.into_iter().map(Some).collect());
            columns.push((name.to_owned(), cells));
        }
    }
    Ok((!columns.is_empty()).then_some(Table {
        rows: units,
        has_index: false,
        columns,
    }))
}

/// Texts, or whole numbers as texts, of one axis.
fn ids(field: &str, value: &Value) -> Result<Vec<String>> {
    let array = match value {
        Value::Array(array) if array.shape().iter().filter(|&&n| n != 1).count() <= 1 => array,
        Value::Str(text) => return Ok(vec![text.to_string()]),
        other => return Err(Error::field(field, "ids, one axis", other.describe())),
    };
    if array.dtype().is_number() {
        let found = array.to_f64().and_then(|ids| whole_ids(&ids));
        return found.ok_or_else(|| Error::field(field, "whole numbers", value.describe()));
    }
    array
        .items()
        .map(|item| match item {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Value::Int(id) => Some(id.to_string()),
            other => other.as_str().map(|text| text.trim().to_owned()),
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Error::field(field, "texts or whole numbers", value.describe()))
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

pub(super) fn scaled(field: &str, array: &Array, factor: f64) -> Result<Vec<f64>> {
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

fn trial_types(value: &Value, mapping: &Mapping) -> Result<Vec<TrialType>> {
    let wrong =
        |found: String| Error::field("trial_types", "occ or vis, or numbers (1: occ)", found);
    let Value::Array(array) = value else {
        return Err(wrong(value.describe()));
    };
    let kind = |item: Value| {
        let text = match &item {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            other => other.as_str().or_else(|| Some(other.as_f64()?.to_string())),
        };
        let text = text.ok_or_else(|| wrong(item.describe()))?;
        mapping.kind(&text).ok_or_else(|| wrong(text))
    };
    array.items().map(kind).collect()
}

/// An array whose axes have the order `given`, in the order `wanted`; as it is where none is given. `trial` and `condition`
/// are the same axis. [`Error::Field`] for other axes than these.
pub(super) fn in_axes(
    field: &str,
    array: &Arc<Array>,
    given: Option<&[String]>,
    wanted: &[&str],
) -> Result<Arc<Array>> {
    let Some(given) = given else {
        return Ok(Arc::clone(array));
    };
    let same =
        |a: &str, b: &str| a == b || [a, b].iter().all(|x| ["trial", "condition"].contains(x));
    let place = |axis: &&str| given.iter().position(|name| same(name, axis));
    let places: Vec<usize> = wanted.iter().filter_map(place).collect();
    let shape = array.shape();
    if places.len() != wanted.len() || given.len() != wanted.len() || shape.len() != wanted.len() {
        let expected = format!("the axes {}, each once", wanted.join(", "));
        return Err(Error::field(
            field,
            expected,
            format!("{given:?} of {shape:?}"),
        ));
    }
    if places.is_sorted() {
        return Ok(Arc::clone(array));
    }
    let to: Vec<usize> = places.iter().map(|&at| shape[at]).collect();
    let steps: Vec<usize> = places
        .iter()
        .map(|&at| shape[at + 1..].iter().product())
        .collect();
    let values = scaled(field, array, 1.0)?;
    let mut out = Vec::with_capacity(values.len());
    let mut index = vec![0; to.len()];
    for _ in 0..values.len() {
        let at: usize = index.iter().zip(&steps).map(|(i, step)| i * step).sum();
        out.push(values[at]);
        for axis in (0..to.len()).rev() {
            index[axis] += 1;
            if index[axis] < to[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Ok(Arc::new(Array::from_f64(to, &out)?))
}
