//! Latents of a model, from `mpong predict` or made elsewhere, brought to the bins of the recordings.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use mental_pong_game::task::{BinAxis, Condition};
use mental_pong_predictor::latents::{Status, Step, mean_in_bins};

use crate::error::{Error, Result};
use mental_pong_eval::array::Array2;
use mental_pong_formats::limits::Limits;
use mental_pong_formats::npz;
use mental_pong_formats::value::Value;

/// Arrays of the file that are not latents.
const KNOWN: [&str; 6] = ["id", "n_steps", "frame", "bin", "time_ms", "status"];
const BIN_MS: f64 = 50.0;
/// Motion onset on the axis of bins, ms.
const ONSET_MS: f64 = 300.0;
/// Time at either end of a condition over which a step may be held, ms: a coarse model's last step and the bin that is cut.
const HELD_MS: f64 = 200.0;

/// Latents of one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialLatents {
    /// The condition.
    pub id: u32,
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
    /// `[condition][bin, latent]`: each condition in its own bins, see [`mean_in_bins`].
    ///
    /// [`Error::Field`] for a condition whose steps leave more than 200 ms of its bins without a step at the beginning or at
    /// the end: there the first or last step would be held, as for times in seconds or from another zero.
    pub fn in_bins(&self, bins: &[Vec<usize>]) -> Result<Vec<Array2>> {
        self.trials
            .iter()
            .zip(bins)
            .map(|(trial, bins)| {
                if let (Some(first), Some(last), [from, .., to]) =
                    (trial.steps.first(), trial.steps.last(), &bins[..])
                {
                    let (from, to) = (*from as f64 * BIN_MS, (*to as f64 + 1.0) * BIN_MS);
                    let (from, to) = (from - ONSET_MS, to - ONSET_MS);
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
                let axis = BinAxis::PUBLISHED;
                let values = mean_in_bins(&trial.steps, &trial.latents, &axis, bins);
                Ok(Array2::new(bins.len(), trial.dim, values)?)
            })
            .collect()
    }
}

/// Reads every layer of an `.npz` for these conditions.
///
/// The file holds `id` `[condition]`, at least one array `[condition, step, unit]` (a layer; arrays of another number of axes
/// are left alone), and when each
/// step is: `time_ms` `[condition, step]` from motion onset or `bin` `[condition, step]` of 50 ms, 6 being the first of motion. `n_steps` `[condition]` says how many steps are no padding; without it, steps whose time
/// is NaN (or bin negative) are padding.
///
/// # Errors
/// [`Error::InFile`] with the file and, inside, [`Error::Field`] for an array that is missing or of another shape, a
/// condition that the file lacks, or NaN in a step that is no padding.
pub fn read_layers(path: &Path, conditions: &[Condition]) -> Result<Vec<Layer>> {
    read(path, conditions).map_err(|e| e.in_file(path))
}

fn read(path: &Path, conditions: &[Condition]) -> Result<Vec<Layer>> {
    let file = File::open(path).map_err(|source| Error::io(path, source))?;
    let arrays: BTreeMap<String, Value> =
        npz::arrays(std::io::BufReader::new(file), &Limits::default())?
            .into_iter()
            .collect();
    let names: Vec<String> = arrays.keys().cloned().collect();
    // Arrays of another number of axes are left alone: descriptions, texts.
    let numbers = |name: &str, axes: usize| -> Result<Option<(Vec<u64>, Vec<f64>)>> {
        let Some(Value::Array(array)) = arrays.get(name) else {
            return Ok(None);
        };
        if array.shape().len() != axes {
            return Ok(None);
        }
        let values = array.to_f64().ok_or_else(|| {
            let found = format!("elements of type {}", array.dtype());
            Error::field(name, "numbers", found)
        })?;
        let shape = array.shape().iter().map(|&n| n as u64).collect();
        Ok(Some((shape, values)))
    };
    let text = arrays.get("id").and_then(|ids| {
        let Value::Array(ids) = ids else { return None };
        let number = |id: Value| id.as_str()?.parse::<f64>().ok();
        ids.items().map(number).collect::<Option<Vec<f64>>>()
    });
    let numbered = match &text {
        Some(_) => None,
        None => numbers("id", 1)?.map(|(_, ids)| ids),
    };
    let ids = text
        .or(numbered)
        .ok_or_else(|| Error::field("id", "an array [condition]", format!("only {names:?}")))?;
    let time = numbers("time_ms", 2)?;
    let bin = numbers("bin", 2)?;
    let counts = numbers("n_steps", 1)?;
    let timing = time.as_ref().or(bin.as_ref()).ok_or_else(|| {
        Error::field(
            "time_ms",
            "`time_ms` or `bin`, [condition, step]",
            format!("only {names:?}"),
        )
    })?;
    let (n, steps) = match timing.0[..] {
        [n, steps] if n as usize == ids.len() => (n as usize, steps as usize),
        _ => {
            return Err(Error::field(
                if time.is_some() { "time_ms" } else { "bin" },
                format!("[{} conditions, steps]", ids.len()),
                format!("{:?}", timing.0),
            ));
        }
    };
    let when = |c: usize, s: usize| -> f64 {
        match (&time, &bin) {
            (Some((_, t)), _) => t[c * steps + s],
            (None, Some((_, b))) if b[c * steps + s] >= 0.0 => {
                (b[c * steps + s] + 0.5) * BIN_MS - ONSET_MS
            }
            _ => f64::NAN,
        }
    };
    let mut sorted = ids.clone();
    sorted.sort_by(f64::total_cmp);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let found = format!("{} twice", pair[0]);
        return Err(Error::field("id", "each condition once", found));
    }
    let places = conditions
        .iter()
        .map(|condition| {
            ids.iter()
                .position(|&id| id == f64::from(condition.id))
                .ok_or_else(|| {
                    Error::field(
                        "id",
                        format!("condition {}", condition.id),
                        format!("{} other conditions", ids.len()),
                    )
                })
        })
        .collect::<Result<Vec<usize>>>()?;
    let length = |c: usize| -> usize {
        match &counts {
            Some((_, counts)) if c < counts.len() => (counts[c].max(0.0) as usize).min(steps),
            _ => (0..steps)
                .rev()
                .find(|&s| when(c, s).is_finite())
                .map_or(0, |s| s + 1),
        }
    };
    let mut layers = Vec::new();
    for name in names.iter().filter(|n| !KNOWN.contains(&n.as_str())) {
        let Some((shape, values)) = numbers(name, 3)? else {
            continue;
        };
        let dim = match shape[..] {
            [a, b, dim] if a as usize == n && b as usize == steps && dim > 0 => dim as usize,
            _ => {
                return Err(Error::field(
                    name,
                    format!("[{n} conditions, {steps} steps, units]"),
                    format!("{shape:?}"),
                ));
            }
        };
        let trials = conditions
            .iter()
            .zip(&places)
            .map(|(condition, &c)| {
                let mut trial = TrialLatents {
                    id: condition.id,
                    steps: Vec::new(),
                    latents: Vec::new(),
                    dim,
                };
                for s in 0..length(c) {
                    let time_ms = when(c, s);
                    let row = &values[(c * steps + s) * dim..][..dim];
                    if !time_ms.is_finite() || row.iter().any(|v| !v.is_finite()) {
                        return Err(Error::field(
                            format!("{name}, condition {}, step {s}", condition.id),
                            "finite numbers and a time",
                            "NaN or infinity",
                        ));
                    }
                    trial.steps.push(Step {
                        frame: 0,
                        time_ms,
                        status: Status::Visible,
                    });
                    trial.latents.extend(row.iter().map(|&v| v as f32));
                }
                if trial.steps.is_empty() {
                    return Err(Error::field(
                        format!("{name}, condition {}", condition.id),
                        "at least one step",
                        "none",
                    ));
                }
                Ok(trial)
            })
            .collect::<Result<Vec<_>>>()?;
        layers.push(Layer {
            name: name.clone(),
            trials,
        });
    }
    if layers.is_empty() {
        let names: Vec<String> = arrays
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.describe()))
            .collect();
        return Err(Error::field(
            "latents",
            "an array [condition, step, unit]",
            format!("only {names:?}"),
        ));
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use mental_pong_game::task::Set;
    use npyz::WriterBuilder;

    use super::*;

    /// An `.npz` of latents of the 79 conditions: what the steps hold depends on their place, so that an order that is not
    /// honoured shows.
    fn file(
        change: impl Fn(&mut Vec<f64>, &mut Vec<f64>),
        fortran: bool,
    ) -> tempfile::NamedTempFile {
        let conditions = Set::Primate79.conditions().unwrap();
        let mut ids: Vec<f64> = conditions.iter().map(|c| f64::from(c.id)).collect();
        let mut times: Vec<f64> = (0..79 * 100)
            .map(|at| 50.0 * f64::from(at % 100) - 275.0)
            .collect();
        change(&mut ids, &mut times);
        let out = tempfile::NamedTempFile::new().unwrap();
        let mut npz = npyz::npz::NpzWriter::new(out.reopen().unwrap());
        let mut put = |name: &str, shape: &[u64], values: &[f64], order| {
            let mut writer = npz
                .array(name, npyz::zip::write::FileOptions::default())
                .unwrap()
                .default_dtype()
                .order(order)
                .shape(shape)
                .begin_nd()
                .unwrap();
            writer.extend(values.iter().copied()).unwrap();
            writer.finish().unwrap();
        };
        put("id", &[79], &ids, npyz::Order::C);
        put("time_ms", &[79, 100], &times, npyz::Order::C);
        let value = |c: usize, s: usize, u: usize| (c * 1000 + s * 10 + u) as f64;
        let mut values = Vec::new();
        if fortran {
            for u in 0..2 {
                for s in 0..100 {
                    values.extend((0..79).map(|c| value(c, s, u)));
                }
            }
            put("layer", &[79, 100, 2], &values, npyz::Order::Fortran);
        } else {
            for c in 0..79 {
                for s in 0..100 {
                    values.extend((0..2).map(|u| value(c, s, u)));
                }
            }
            put("layer", &[79, 100, 2], &values, npyz::Order::C);
        }
        npz.zip_writer().finish().unwrap();
        out
    }

    #[test]
    fn either_order_of_a_file_gives_the_same_latents() {
        let conditions = Set::Primate79.conditions().unwrap();
        let bins: Vec<Vec<usize>> = vec![(6..40).collect(); 79];
        for fortran in [false, true] {
            let file = file(|_, _| (), fortran);
            let layers = read_layers(file.path(), &conditions).unwrap();
            let found = layers[0].in_bins(&bins).unwrap();
            assert_eq!(found[3].row(2), [3080.0, 3081.0], "Fortran {fortran}");
        }
    }

    #[test]
    fn ids_and_times_that_cannot_be_are_errors() {
        let conditions = Set::Primate79.conditions().unwrap();
        let twice = file(|ids, _| ids[4] = ids[70], false);
        let error = read_layers(twice.path(), &conditions)
            .unwrap_err()
            .to_string();
        assert!(error.contains("id") && error.contains("twice"), "{error}");
        // Seconds instead of milliseconds.
        let seconds = file(
            |_, times| times.iter_mut().for_each(|t| *t /= 1000.0),
            false,
        );
        let layers = read_layers(seconds.path(), &conditions).unwrap();
        let bins: Vec<Vec<usize>> = vec![(6..40).collect(); 79];
        let error = layers[0].in_bins(&bins).unwrap_err().to_string();
        assert!(
            error.contains("condition 29337") && error.contains("1700 ms"),
            "{error}"
        );
    }
}
