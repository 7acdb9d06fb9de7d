//! Latents of a model, from `mpong predict` or made elsewhere, brought to the bins of the recordings.

use std::path::Path;

use mental_pong_game::task::{BinAxis, ConditionSet};
use mental_pong_predictor::latents::{Latents, LatentsFile, LayerInfo, mean_in_bins};

use crate::error::{Error, Result};
use mental_pong_eval::array::Array2;

/// Time at either end of a condition over which a step may be held, ms: a coarse model's last step and the bin that is cut.
const HELD_MS: f64 = 200.0;

/// `[condition][bin, unit]` of a layer: each condition in its own bins of `axis`, see [`mean_in_bins`].
///
/// # Errors
/// [`Error::Field`] for a condition whose steps leave more than 200 ms of its bins without a step at the beginning or at
/// the end: there the first or last step would be held, as for times in seconds or from another zero.
pub(crate) fn in_bins(
    latents: &Latents,
    layer: usize,
    axis: &BinAxis,
    bins: &[Vec<usize>],
) -> Result<Vec<Array2>> {
    let LayerInfo { name, units } = &latents.layers[layer];
    let trials = latents.conditions.iter().zip(bins);
    trials
        .map(|(trial, bins)| {
            if let (Some(first), Some(last), [from, .., to]) =
                (trial.steps.first(), trial.steps.last(), &bins[..])
            {
                let (from, to) = (axis.start_ms(*from), axis.end_ms(*to));
                if first.time_ms > from + HELD_MS || last.time_ms < to - HELD_MS {
                    return Err(Error::field(
                        format!("{name}, condition {}", trial.id),
                        format!("steps from {from} to {to} ms (the ball starts to move at 0 ms)"),
                        format!("steps from {:.1} to {:.1} ms", first.time_ms, last.time_ms),
                    ));
                }
            }
            let values = mean_in_bins(&trial.steps, &trial.layers[layer], axis, bins);
            Ok(Array2::new(bins.len(), *units, values)?)
        })
        .collect()
}

/// Reads every layer of a file of latents for the conditions of a set. `said` is whether the user said that the file is of that
/// set; one that states its set needs no saying. What is odd about it, its clock or its values, goes to `notices`.
///
/// # Errors
/// Those of [`LatentsFile::open`] and [`LatentsFile::of_set`], which name file and field.
pub fn read_latents(
    path: &Path,
    set: &ConditionSet,
    said: bool,
    notices: &mut Vec<String>,
) -> Result<Latents> {
    let file = LatentsFile::open(path, None, said.then_some(set))?;
    of_set(file, set, said, notices)
}

/// As [`read_latents`], of a file that is open.
pub(crate) fn of_set(
    mut file: LatentsFile,
    set: &ConditionSet,
    said: bool,
    notices: &mut Vec<String>,
) -> Result<Latents> {
    if !said {
        // Without a word about its set, nobody knows whose trials these are.
        file.set(None)?;
    }
    notices.extend(file.check(set)?.warnings);
    Ok(file.of_set(set, None)?)
}
