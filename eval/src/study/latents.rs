//! Latents of a model, from `mpong predict` or made elsewhere, brought to the bins of the recordings.

use std::fs::File;
use std::path::Path;

use mental_pong_game::task::Condition;
use mental_pong_predictor::latents::{Status, Step, TrialLatents, mean_in_bins};
use npyz::npz::NpzArchive;

use crate::array::Array2;
use crate::error::{Error, Result};

/// Arrays of the file that are not latents.
const KNOWN: [&str; 6] = ["id", "n_steps", "frame", "bin", "time_ms", "status"];
const BIN_MS: f64 = 50.0;

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
    pub fn in_bins(&self, bins: &[Vec<usize>]) -> Result<Vec<Array2>> {
        self.trials
            .iter()
            .zip(bins)
            .map(|(trial, bins)| {
                let mut values = Vec::with_capacity(bins.len() * trial.dim);
                for &bin in bins {
                    values.extend(mean_in_bins(trial, bin..bin + 1));
                }
                Array2::new(bins.len(), trial.dim, values)
            })
            .collect()
    }
}

/// Reads every layer of an `.npz` for these conditions.
///
/// The file holds `id` `[condition]`, at least one array `[condition, step, unit]` (a layer; arrays of another number of axes
/// are left alone), and when each
/// step is: `time_ms` `[condition, step]` on the recordings' axis (the ball starts to move at 300 ms) or `bin`
/// `[condition, step]` of 50 ms. `n_steps` `[condition]` says how many steps are no padding; without it, steps whose time
/// is NaN (or bin negative) are padding.
///
/// # Errors
/// [`Error::InFile`] with the file and, inside, [`Error::Field`] for an array that is missing or of another shape, a
/// condition that the file lacks, or NaN in a step that is no padding.
pub fn read_layers(path: &Path, conditions: &[Condition]) -> Result<Vec<Layer>> {
    read(path, conditions).map_err(|e| e.in_file(path))
}

fn read(path: &Path, conditions: &[Condition]) -> Result<Vec<Layer>> {
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.display().to_string(),
        source,
    })?;
    let bad = |e: std::io::Error| Error::format("npz", None, e.to_string());
    let mut archive = NpzArchive::new(file).map_err(bad)?;
    let mut names: Vec<String> = archive.array_names().map(String::from).collect();
    names.sort();
    // Arrays of another number of axes are left alone: descriptions, texts.
    let mut numbers = |name: &str, axes: usize| -> Result<Option<(Vec<u64>, Vec<f64>)>> {
        let Some(array) = archive.by_name(name).map_err(bad)? else {
            return Ok(None);
        };
        let shape = array.shape().to_vec();
        if shape.len() != axes {
            return Ok(None);
        }
        let values = as_f64(array).map_err(|why| Error::field(name, "numbers", why))?;
        Ok(Some((shape, values)))
    };
    let (_, ids) = numbers("id", 1)?
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
            (None, Some((_, b))) if b[c * steps + s] >= 0.0 => (b[c * steps + s] + 0.5) * BIN_MS,
            _ => f64::NAN,
        }
    };
    // The file's own bins come first: a step at the very edge of a bin belongs where its maker put it.
    let bin_at = |c: usize, s: usize, time_ms: f64| match &bin {
        Some((shape, b)) if *shape == timing.0 && b[c * steps + s] >= 0.0 => {
            b[c * steps + s] as usize
        }
        _ => (time_ms / BIN_MS) as usize,
    };
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
                        bin: bin_at(c, s, time_ms),
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
        return Err(Error::field(
            "latents",
            "an array [condition, step, unit]",
            format!("only {names:?}"),
        ));
    }
    Ok(layers)
}

/// All values as f64, in C order.
pub(super) fn as_f64<R: std::io::Read>(
    array: npyz::NpyFile<R>,
) -> std::result::Result<Vec<f64>, String> {
    use npyz::Order;
    if array.order() != Order::C {
        return Err("Fortran order; save it in C order".into());
    }
    let text = array.dtype().descr();
    let end = |e: std::io::Error| e.to_string();
    let Some(code) = text.trim_matches('\'').get(1..).map(str::to_owned) else {
        return Err(text);
    };
    macro_rules! read {
        ($t:ty) => {
            array
                .into_vec::<$t>()
                .map_err(end)?
                .into_iter()
                .map(|v| v as f64)
                .collect()
        };
    }
    Ok(match code.as_str() {
        "f4" => read!(f32),
        "f8" => read!(f64),
        "u1" => read!(u8),
        "u4" => read!(u32),
        "u8" => read!(u64),
        "i1" => read!(i8),
        "i2" => read!(i16),
        "i4" => read!(i32),
        "i8" => read!(i64),
        _ => return Err(text),
    })
}
