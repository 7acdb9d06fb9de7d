//! Everything to compute a row again elsewhere: features, truth, masks, splits and held-out predictions as `.npz`.
//!
//! For each row that has features, `DIR/row_NAME.npz` has `features` `[condition, bin, unit]` (NaN beyond a condition's bins),
//! `predictions` `[condition, bin, (x, y)]` (mean over the splits in which the condition was held out) and `first_split`
//! `[condition, bin, (x, y)]` (of the first split alone, NaN elsewhere). `DIR/study.npz` has what the rows share: `id`,
//! `bin` (−1 beyond a condition's bins), `truth` `[condition, bin, (x, y)]` in degrees, `visible` and `hidden`
//! `[condition, bin]`, `end` `[condition]`, and `train` and `test` `[split, condition]` (1 where a condition belongs to it).
//! `DIR/recompute.py` recomputes a row in twenty lines of numpy.

use std::path::Path;

use mental_pong_base::files::{create_folder, write_atomic};

use crate::error::Result;
use crate::scene::{Row, Scene};
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::OnlineDecoder;
use mental_pong_eval::linear::Readout;
use mental_pong_formats::npz::{Column, write};

/// The script that recomputes a row.
pub const SCRIPT: &str = include_str!("export.py");

/// Name of a row's file: what a file system does not take becomes `_`.
#[must_use]
pub fn file_of(row: &str) -> String {
    let safe: String = row
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!("row_{safe}.npz")
}

/// Writes the folder. Rows that no analysis asked for are left out.
pub(crate) fn export(scene: &Scene, folder: &Path) -> Result<()> {
    create_folder(folder)?;
    let (n, most) = (
        scene.n_conditions(),
        scene
            .layout
            .conditions()
            .iter()
            .map(|c| c.bins.len())
            .max()
            .unwrap_or(0),
    );
    let padded = |width: usize, get: &dyn Fn(usize, usize, usize) -> f64| -> Vec<f64> {
        let mut values = Vec::with_capacity(n * most * width);
        for (c, rows) in scene.layout.conditions().iter().enumerate() {
            for bin in 0..most {
                for unit in 0..width {
                    let inside = bin < rows.bins.len();
                    values.push(if inside { get(c, bin, unit) } else { f64::NAN });
                }
            }
        }
        values
    };
    let conditions = scene.layout.conditions();
    let flag = |get: &dyn Fn(usize, usize) -> bool| -> Vec<i64> {
        padded(1, &|c, b, _| f64::from(u8::from(get(c, b))))
            .into_iter()
            .map(|v| if v == 1.0 { 1 } else { 0 })
            .collect()
    };
    let belongs = |of: &dyn Fn(usize) -> Vec<usize>| -> Vec<i64> {
        (0..scene.splits.len())
            .flat_map(|s| {
                let inside = of(s);
                (0..n).map(move |c| i64::from(inside.contains(&c)))
            })
            .collect()
    };
    let ids: Vec<String> = conditions.iter().map(|c| c.id.clone()).collect();
    let bins: Vec<i64> = padded(1, &|c, b, _| conditions[c].bins[b] as f64)
        .into_iter()
        .map(|v| if v.is_nan() { -1 } else { v as i64 })
        .collect();
    let truth = padded(2, &|c, b, t| conditions[c].targets.get(b, t));
    let visible = flag(&|c, b| conditions[c].visible[b]);
    let hidden = flag(&|c, b| conditions[c].hidden[b]);
    let train = belongs(&|s| scene.splits[s].train.clone());
    let test = belongs(&|s| scene.splits[s].test.clone());
    let splits = scene.splits.len();
    write(
        &folder.join("study.npz"),
        &[
            ("id".into(), vec![n], Column::Texts(&ids)),
            ("bin".into(), vec![n, most], Column::Ints(&bins)),
            ("truth".into(), vec![n, most, 2], Column::Floats(&truth)),
            ("visible".into(), vec![n, most], Column::Ints(&visible)),
            ("hidden".into(), vec![n, most], Column::Ints(&hidden)),
            ("end".into(), vec![n], Column::Floats(&scene.ends)),
            ("train".into(), vec![splits, n], Column::Ints(&train)),
            ("test".into(), vec![splits, n], Column::Ints(&test)),
        ],
    )?;
    for row in scene.rows.iter().filter(|r| r.features.get().is_some()) {
        one(scene, row, folder, &padded, (n, most))?;
    }
    write_atomic(folder.join("recompute.py"), |out| {
        out.write_all(SCRIPT.as_bytes())
    })?;
    Ok(())
}

type Padded<'a> = dyn Fn(usize, &dyn Fn(usize, usize, usize) -> f64) -> Vec<f64> + 'a;

fn one(
    scene: &Scene,
    row: &Row,
    folder: &Path,
    padded: &Padded<'_>,
    (n, most): (usize, usize),
) -> Result<()> {
    let features = scene.features(row)?;
    let units = features.first().map_or(0, Array2::cols);
    let held = &scene.online(row)?.held_out;
    let first = OnlineDecoder::new(&scene.layout, features)?
        .held_out(&scene.splits[..1], Readout::Full)?
        .mean(&scene.layout);
    let x = padded(units, &|c, b, u| features[c].get(b, u));
    let predictions = padded(2, &|c, b, t| held[c].get(b, t));
    let first = padded(2, &|c, b, t| first[c].get(b, t));
    write(
        &folder.join(file_of(&row.name)),
        &[
            ("features".into(), vec![n, most, units], Column::Floats(&x)),
            (
                "predictions".into(),
                vec![n, most, 2],
                Column::Floats(&predictions),
            ),
            (
                "first_split".into(),
                vec![n, most, 2],
                Column::Floats(&first),
            ),
        ],
    )?;
    Ok(())
}
