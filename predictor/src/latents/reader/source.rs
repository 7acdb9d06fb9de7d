//! The arrays of a file of latents, whatever its format.

use std::collections::BTreeMap;
use std::path::Path;

use mental_pong_formats::arrays::{self, Arrays, Held};
use mental_pong_formats::limits::{Budget, Limits};
use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::value::{ByteOrder, Dtype, Kind};
use mental_pong_formats::{parquet, torch};

use super::ABOUT;
use crate::{Error, Result};

/// Most that the small arrays of a file may take, bytes.
const MOST_SMALL: u64 = 256 << 20;
/// Most that a table, or the tensors of a PyTorch file, may take, bytes.
const MOST_IN_MEMORY: u64 = 4 << 30;

pub(super) fn wrong(path: &Path, field: &str, expected: &str, found: impl Into<String>) -> Error {
    Error::Config {
        place: path.display().to_string(),
        field: field.into(),
        expected: expected.into(),
        found: found.into(),
    }
}

/// What a small array may cost.
pub(super) fn small() -> Budget {
    Budget::new(&limits(MOST_SMALL))
}

fn limits(bytes: u64) -> Limits {
    Limits {
        bytes,
        ..Limits::default()
    }
}

/// Opens a file by its content.
pub(super) fn open(path: &Path) -> Result<Arrays> {
    let read = format!(
        "latents as {}, a long Parquet table, or a PyTorch tensor or dict of tensors",
        arrays::READ
    );
    let failed = |error: mental_pong_formats::Error| match error {
        mental_pong_formats::Error::Io(error) => Error::File(error),
        other => wrong(path, "file", &read, other.to_string()),
    };
    let mut found = match Arrays::open(path).map_err(failed)? {
        Some(found) => found,
        None if path.is_dir() => {
            let found = "a folder that is no Zarr group";
            return Err(wrong(path, "file", &read, found));
        }
        None => {
            let mut start = Vec::new();
            let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
            std::io::Read::read_to_end(&mut std::io::Read::take(file, 16), &mut start)
                .map_err(|e| Error::io(path, e))?;
            if start.starts_with(b"PK\x03\x04") {
                tensors(path).map_err(failed)?
            } else if start.starts_with(b"PAR1") {
                let table = parquet::read(path, &limits(MOST_IN_MEMORY)).map_err(failed)?;
                long(path, &table)?
            } else {
                let begins = || format!("a file that begins with the bytes {start:02x?}");
                let what = crate::weights::foreign(path).unwrap_or_else(begins);
                return Err(wrong(path, "file", &read, what));
            }
        }
    };
    // What says what the latents are of may stand in the group of the latents.
    for name in ABOUT {
        let inner = found.held.keys().filter(|key| {
            let before = key.strip_suffix(name);
            before.is_some_and(|before| before.ends_with('/'))
        });
        let inner: Vec<String> = inner.cloned().collect();
        if let ([only], false) = (&inner[..], found.held.contains_key(name))
            && let Some(held) = found.held.remove(only)
        {
            found.held.insert(name.to_owned(), held);
        }
    }
    Ok(found)
}

const F64: Dtype = Dtype::F64;

pub(super) fn numbers(shape: Vec<usize>, values: &[f64]) -> mental_pong_formats::Result<Held> {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Held::in_memory(shape, F64, bytes)
}

fn texts(all: &[String]) -> mental_pong_formats::Result<Held> {
    let width = all.iter().map(|text| text.chars().count()).max();
    let width = width.unwrap_or(0).max(1);
    let mut bytes = Vec::with_capacity(4 * width * all.len());
    for text in all {
        let units = text.chars().map(u32::from).chain(std::iter::repeat(0));
        bytes.extend(units.take(width).flat_map(u32::to_le_bytes));
    }
    let dtype = Dtype {
        kind: Kind::Unicode,
        size: 4 * width,
        order: ByteOrder::Little,
    };
    Held::in_memory(vec![all.len()], dtype, bytes)
}

/// A PyTorch file: one tensor, or a dict of tensors, lists of ids and texts.
fn tensors(path: &Path) -> mental_pong_formats::Result<Arrays> {
    let (mut file, objects) = torch::File::open(path)?;
    let mut found = Arrays::of("PyTorch");
    let mut budget = Budget::new(&limits(MOST_IN_MEMORY));
    let top = objects.root();
    if let Some(tensor) = top.tensor() {
        let values = file.numbers(tensor, &mut budget)?;
        let held = numbers(tensor.shape.clone(), &values)?;
        found.held.insert("latents".into(), held);
    }
    for (name, value) in top.entries().into_iter().flatten() {
        let Some(name) = name.text() else { continue };
        if let Some(tensor) = value.tensor() {
            let values = file.numbers(tensor, &mut budget)?;
            let held = numbers(tensor.shape.clone(), &values)?;
            found.held.insert(name.to_owned(), held);
        } else if let Some(text) = value.text() {
            found.notes.insert(name.to_owned(), text.to_owned());
        } else if let Some(items) = value.items() {
            let item = |item: torch::Object| {
                let number = || item.integer().map(|id| id.to_string());
                item.text().map(str::to_owned).or_else(number)
            };
            if let Some(all) = items.map(item).collect::<Option<Vec<_>>>() {
                found.held.insert(name.to_owned(), texts(&all)?);
            }
        }
    }
    if found.held.is_empty() {
        let what = format!("PyTorch: a {} without tensors", top.kind());
        found.left_out.push(("latents".into(), what));
    }
    Ok(found)
}

/// The first column of these names, as texts.
fn texts_of(table: &Table, wanted: &[&str]) -> Option<Vec<String>> {
    let of = |name: &&str| table.columns.iter().find(|(column, _)| column == name);
    match &wanted.iter().find_map(of)?.1 {
        Cells::Texts(texts) => Some(
            texts
                .iter()
                .map(|t| t.clone().unwrap_or_default())
                .collect(),
        ),
        Cells::Numbers(values) => Some(values.iter().map(f64::to_string).collect()),
        Cells::Other(_) => None,
    }
}

/// A long table: a row for each condition, step and unit (and layer), with `time_ms`, `frame` or `bin` of the step.
fn long(path: &Path, table: &Table) -> Result<Arrays> {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| &**name).collect();
    let listed = || format!("a Parquet table with {}", names.join(", "));
    let column = |wanted: &[&str], expected: &str| {
        let found = || wrong(path, wanted[0], expected, listed());
        texts_of(table, wanted).ok_or_else(found)
    };
    let ids = column(&["condition", "id", "condition_id"], "a column of ids")?;
    let units = column(&["unit"], "a column of units")?;
    let layers = column(&["layer"], "").unwrap_or_else(|_| vec!["latents".into(); table.rows]);
    let value = table.numbers("value");
    let value = value.ok_or_else(|| wrong(path, "value", "a column of numbers", listed()))?;
    let whens: Vec<(&str, &[f64])> = ["time_ms", "frame", "bin"]
        .into_iter()
        .filter_map(|name| Some((name, table.numbers(name)?)))
        .collect();
    let Some((_, when)) = whens.first() else {
        return Err(wrong(
            path,
            "time_ms",
            "a column time_ms, frame or bin",
            listed(),
        ));
    };
    // Conditions in the order of the file, steps by their time, units by number or name.
    let mut order: Vec<&String> = Vec::new();
    let mut steps: BTreeMap<&String, BTreeMap<u64, usize>> = BTreeMap::new();
    let mut widths: BTreeMap<&String, BTreeMap<(i64, &String), usize>> = BTreeMap::new();
    // Bits of times from 0 on have the order of the times, those below come before.
    let key = |v: f64| {
        let bits = (v + 0.0).to_bits();
        if v < 0.0 { !bits } else { bits | 1 << 63 }
    };
    for row in 0..table.rows {
        if !steps.contains_key(&ids[row]) {
            order.push(&ids[row]);
        }
        steps
            .entry(&ids[row])
            .or_default()
            .insert(key(when[row]), row);
        let unit = (units[row].parse().unwrap_or(i64::MAX), &units[row]);
        widths.entry(&layers[row]).or_default().insert(unit, 0);
    }
    let longest = steps.values().map(BTreeMap::len).max().unwrap_or(0);
    let places: BTreeMap<&String, usize> = order.iter().copied().zip(0..).collect();
    let failed =
        |error: mental_pong_formats::Error| wrong(path, "table", "latents", error.to_string());
    let mut found = Arrays::of("Parquet, long table");
    let all_ids: Vec<String> = order.iter().map(|id| (*id).clone()).collect();
    found
        .held
        .insert("id".into(), texts(&all_ids).map_err(failed)?);
    let per_step = vec![order.len(), longest];
    for (name, values) in &whens {
        let mut out = vec![f64::NAN; order.len() * longest];
        for (id, rows) in &steps {
            for (step, row) in rows.values().enumerate() {
                out[places[id] * longest + step] = values[*row];
            }
        }
        let held = numbers(per_step.clone(), &out).map_err(failed)?;
        found.held.insert((*name).to_owned(), held);
    }
    for of in steps.values_mut() {
        of.values_mut().zip(0..).for_each(|(row, step)| *row = step);
    }
    let mut budget = Budget::new(&limits(MOST_IN_MEMORY));
    for (layer, mut width) in widths {
        width
            .values_mut()
            .zip(0..)
            .for_each(|(place, unit)| *place = unit);
        let cells = order
            .len()
            .saturating_mul(longest)
            .saturating_mul(width.len());
        budget
            .take_usize(cells.saturating_mul(16))
            .map_err(failed)?;
        let mut out = vec![f64::NAN; cells];
        for row in (0..table.rows).filter(|&row| layers[row] == *layer) {
            let step = steps[&ids[row]][&key(when[row])];
            let unit = width[&(units[row].parse().unwrap_or(i64::MAX), &units[row])];
            let at = (places[&ids[row]] * longest + step) * width.len() + unit;
            if !out[at].is_nan() {
                let place = format!("row {}", row + 1);
                return Err(wrong(path, &place, "each value once", "one a second time"));
            }
            out[at] = value[row];
        }
        let shape = vec![order.len(), longest, width.len()];
        let held = numbers(shape, &out).map_err(failed)?;
        found.held.insert(layer.clone(), held);
    }
    Ok(found)
}
