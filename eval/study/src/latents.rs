//! Latents of a model, from `mpong predict` or made elsewhere, brought to the bins of the recordings.

use std::path::Path;

use mental_pong_game::task::{BinAxis, ConditionSet};
use mental_pong_predictor::latents::{LatentsFile, Step, mean_in_bins};

use crate::error::{Error, Result};
use mental_pong_eval::array::Array2;

/// Time at either end of a condition over which a step may be held, ms: a coarse model's last step and the bin that is cut.
const HELD_MS: f64 = 200.0;

/// Latents of one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialLatents {
    /// The condition.
    pub id: String,
    /// The model's steps.
    pub steps: Vec<Step>,
    /// `[step, latent]`, row-major.
    pub latents: Vec<f32>,
    /// Length of a latent vector.
    pub dim: usize,
}

/// Latents of one layer, by condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Name of the array in the file, for example `latents`.
    pub name: String,
    /// `[condition]`, in the order that was asked for.
    pub trials: Vec<TrialLatents>,
}

impl Layer {
    /// `[condition][bin, latent]`: each condition in its own bins of `axis`, see [`mean_in_bins`].
    ///
    /// [`Error::Field`](mental_pong_eval::error::Error::Field) for a condition whose steps leave more than 200 ms of its bins without a step at the beginning or at
    /// the end: there the first or last step would be held, as for times in seconds or from another zero.
    pub fn in_bins(&self, axis: &BinAxis, bins: &[Vec<usize>]) -> Result<Vec<Array2>> {
        self.trials
            .iter()
            .zip(bins)
            .map(|(trial, bins)| {
                if let (Some(first), Some(last), [from, .., to]) =
                    (trial.steps.first(), trial.steps.last(), &bins[..])
                {
                    let (from, to) = (axis.start_ms(*from), axis.end_ms(*to));
                    if first.time_ms > from + HELD_MS || last.time_ms < to - HELD_MS {
                        return Err(Error::field(
                            format!("{}, condition {}", self.name, trial.id),
                            format!(
                                "steps from {from} to {to} ms (the ball starts to move at 0 ms)"
                            ),
                            format!("steps from {:.1} to {:.1} ms", first.time_ms, last.time_ms),
                        ));
                    }
                }
                let values = mean_in_bins(&trial.steps, &trial.latents, axis, bins);
                Ok(Array2::new(bins.len(), trial.dim, values)?)
            })
            .collect()
    }
}

/// Reads every layer of a file of latents for the conditions of a set. `said` is whether the user said that the file is of that
/// set; one that states its set needs no saying. What is odd about it, its clock or its values, goes to `notices`.
///
/// # Errors
/// Those of [`LatentsFile::open`] and [`LatentsFile::of_set`], which name file and field.
pub fn read_layers(
    path: &Path,
    set: &ConditionSet,
    said: bool,
    notices: &mut Vec<String>,
) -> Result<Vec<Layer>> {
    let mut file = LatentsFile::open(path, None, said.then_some(set))?;
    if !said {
        // Without a word about its set, nobody knows whose trials these are.
        file.set(None)?;
    }
    notices.extend(file.check(set)?.warnings);
    let latents = file.of_set(set, None)?;
    Ok(latents
        .layers
        .iter()
        .enumerate()
        .map(|(at, layer)| Layer {
            name: layer.name.clone(),
            trials: latents
                .conditions
                .iter()
                .map(|c| TrialLatents {
                    id: c.id.clone(),
                    steps: c.steps.clone(),
                    latents: c.layers[at].clone(),
                    dim: layer.units,
                })
                .collect(),
        })
        .collect())
}
