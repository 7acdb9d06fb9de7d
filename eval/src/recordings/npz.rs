//! `.npz` files: the released tree with its keys joined by `/` (or `.`), or a laboratory's own arrays ([`super::arrays`]).
//!
//! One array under each path of keys: `neural_responses/occ`, `neural_responses_sh1/occ`,
//! `behavioral_responses/occ/ball_pos_x_TRUE`, `masks/occ/start_end_pad0`, `reliable_neural_idx/occ`, and tables by column,
//! `meta/py_meta_index`. Where no name has a `/`, a `.` joins. What `numpy.savez(path, **released)` writes is read too: its
//! arrays of objects are pickles, and are read as data.

use std::io::{Read, Seek};
use std::path::Path;

use mental_pong_formats::limits::Limits;
use mental_pong_formats::npz::{Column, arrays, write};
use mental_pong_formats::table::Cells;
use mental_pong_formats::value::Value;

use crate::error::Result;

use super::arrays::scaled;
use super::branch::Branch;
use super::dmfc::Recording;

/// Read a file as a tree of its keys. Errors as in [`mental_pong_formats::npz::arrays`].
pub fn read(source: impl Read + Seek, limits: &Limits) -> Result<Value> {
    let arrays = arrays(source, limits)?;
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

/// Name, shape, numbers.
type Numbers = (String, Vec<usize>, Vec<f64>);

/// Responses, behaviour and masks by their names, with their shapes.
fn numbers(recording: &Recording) -> Result<Vec<Numbers>> {
    let mut floats: Vec<Numbers> = Vec::new();
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
    Ok(floats)
}

/// Write a recording in the released layout, with more arrays after it: as MAT v5 by a name that ends in `.mat`, else `.npz`. Columns that are neither numbers
/// nor text are left out.
pub(super) fn write_recording(
    path: &Path,
    recording: &Recording,
    more: Vec<(String, Vec<usize>, Column<'_>)>,
) -> Result<()> {
    let mut floats = numbers(recording)?;
    let mut ints: Vec<(String, Vec<i64>)> = Vec::new();
    let axes = recording.expected;
    let mut texts: Vec<(String, Vec<String>)> = Vec::new();
    for (&table, content) in &recording.tables {
        for (name, cells) in &content.columns {
            let name = format!("{table}/{name}");
            match cells {
                Cells::Numbers(values) => {
                    floats.push((name, vec![values.len()], values.clone()));
                }
                Cells::Texts(of) => {
                    let of = of.iter().map(|text| text.clone().unwrap_or_default());
                    texts.push((name, of.collect()));
                }
                Cells::Other(_) => {}
            }
        }
    }
    if let Some(ids) = &recording.ids
        && recording.table("meta").is_none()
    {
        texts.push(("meta/condition_id".into(), ids.clone()));
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
    if let Some(set) = recording.set() {
        let set = set.identity();
        let within = if recording.released { "" } else { "axes/" };
        texts.push((format!("{within}set_name"), vec![set.name]));
        texts.push((format!("{within}set_sha256"), vec![set.sha256]));
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
    for (name, values) in &texts {
        arrays.push((name.clone(), vec![values.len()], Column::Texts(values)));
    }
    arrays.extend(more);
    match path.extension().is_some_and(|e| e == "mat") {
        true => Ok(mental_pong_formats::mat::write(path, &arrays)?),
        false => Ok(write(path, &arrays)?),
    }
}
