//! Latents of a model, from `mpong predict` or made elsewhere, brought to the bins of the recordings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mental_pong_game::task::{BinAxis, ConditionSet};
use mental_pong_predictor::latents::{ConditionLatents, Latents, LatentsFile, Step, mean_in_bins};

use crate::error::{Error, Result};
use mental_pong_eval::array::Array2;
use mental_pong_eval::linear::RowSpace;

/// Time at either end of a condition over which a step may be held, ms: a coarse model's last step and the bin that is cut.
const HELD_MS: f64 = 200.0;

/// Most of a layer's values, or of those of a file's layers together, that are held in memory, bytes.
const MOST_HELD: u64 = 2 << 30;
/// Bytes of a block of columns of a layer that is not held.
const BLOCK: usize = 1 << 30;

/// Latents of one layer, by condition.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Name of the array in the file, for example `latents`.
    pub name: String,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    /// A layer by its place; conditions in the order that was asked for.
    Held(Arc<Latents>, usize),
    /// Too many to be held.
    InFile(InFile),
}

/// A layer that is read when its bins are asked for, a condition at a time.
#[derive(Debug, Clone)]
struct InFile {
    path: PathBuf,
    set: ConditionSet,
    units: usize,
    /// Bytes of a block of columns.
    block: usize,
}

impl Layer {
    /// A layer by its place in latents that are in memory, whose conditions are in the order of the study's.
    #[must_use]
    pub fn held(latents: Arc<Latents>, layer: usize) -> Self {
        Self {
            name: latents.layers[layer].name.clone(),
            values: Values::Held(latents, layer),
        }
    }

    /// The latents and the layer's place there, where they are in memory.
    #[must_use]
    pub fn latents(&self) -> Option<(&Latents, usize)> {
        match &self.values {
            Values::Held(latents, layer) => Some((latents, *layer)),
            Values::InFile(_) => None,
        }
    }

    /// Units of the layer.
    #[must_use]
    pub fn units(&self) -> usize {
        match &self.values {
            Values::Held(latents, layer) => latents.layers[*layer].units,
            Values::InFile(of) => of.units,
        }
    }

    /// `[condition][step, latent]`: the first `n` steps of each condition, where they are in memory and step `k` of each stands
    /// at `k * step_ms`; nothing of other latents.
    #[must_use]
    pub fn at_steps(&self, n: &[usize], step_ms: f64) -> Option<Vec<Array2>> {
        const SAME_MS: f64 = 0.5;
        let ((latents, layer), units) = (self.latents()?, self.units());
        let first = |(trial, n): (&ConditionLatents, &usize)| {
            let steps = trial.steps.get(..*n)?;
            let mut at = (0..*n).map(|k| k as f64 * step_ms).zip(steps);
            let there = at.all(|(ms, step)| (step.time_ms - ms).abs() < SAME_MS);
            let value = |k: usize, u: usize| f64::from(trial.layers[layer][k * units + u]);
            there.then(|| Array2::from_fn(*n, units, value))
        };
        latents.conditions.iter().zip(n).map(first).collect()
    }

    /// `[condition][bin, latent]`: each condition in its own bins of `axis`, see [`mean_in_bins`]. Of a layer that is not in memory
    /// and has more units than there are bins, the latents are those of its [`RowSpace`]: as many numbers a bin as the bins of
    /// all conditions have directions, with the same distances and the same linear read-outs.
    ///
    /// # Errors
    /// [`Error::Field`](mental_pong_eval::error::Error::Field) for a condition whose steps leave more than 200 ms of its bins
    /// without a step at the beginning or at the end: there the first or last step would be held, as for times in seconds or
    /// from another zero; as [`LatentsFile::read`] where values are read now.
    pub fn in_bins(&self, axis: &BinAxis, bins: &[Vec<usize>]) -> Result<Vec<Array2>> {
        match &self.values {
            Values::Held(latents, layer) => (latents.conditions.iter().zip(bins))
                .map(|(trial, bins)| {
                    self.covered((&trial.id, &trial.steps), axis, bins)?;
                    let values = mean_in_bins(&trial.steps, &trial.layers[*layer], axis, bins);
                    Ok(Array2::new(bins.len(), self.units(), values)?)
                })
                .collect(),
            Values::InFile(of) => self.read_in_bins(of, axis, bins),
        }
    }

    fn covered(&self, (id, steps): (&str, &[Step]), axis: &BinAxis, bins: &[usize]) -> Result<()> {
        let (Some(first), Some(last), [from, .., to]) = (steps.first(), steps.last(), bins) else {
            return Ok(());
        };
        let (from, to) = (axis.start_ms(*from), axis.end_ms(*to));
        if first.time_ms > from + HELD_MS || last.time_ms < to - HELD_MS {
            return Err(Error::field(
                format!("{}, condition {id}", self.name),
                format!("steps from {from} to {to} ms (the ball starts to move at 0 ms)"),
                format!("steps from {:.1} to {:.1} ms", first.time_ms, last.time_ms),
            ));
        }
        Ok(())
    }

    fn read_in_bins(
        &self,
        of: &InFile,
        axis: &BinAxis,
        bins: &[Vec<usize>],
    ) -> Result<Vec<Array2>> {
        let mut file = LatentsFile::open(&of.path, None, Some(&of.set))?;
        let (places, layer) = (file.matched(&of.set)?, file.layer(&self.name)?);
        let units = file.layers()[layer].units;
        for (place, bins) in places.iter().zip(bins) {
            self.covered((&file.ids()[*place], file.steps(*place)), axis, bins)?;
        }
        // `[condition][bin, unit]` of the columns from one to another.
        let mut columns = |from: usize, to: usize| -> Result<Vec<Array2>> {
            let of_condition = |(place, bins): (&usize, &Vec<usize>)| {
                let values = file.read(*place, layer)?;
                let rows = values.chunks_exact(units);
                let part: Vec<f32> = rows.flat_map(|row| &row[from..to]).copied().collect();
                drop(values);
                let values = mean_in_bins(file.steps(*place), &part, axis, bins);
                Ok(Array2::new(bins.len(), to - from, values)?)
            };
            places.iter().zip(bins).map(of_condition).collect()
        };
        let n: usize = bins.iter().map(Vec::len).sum();
        if units <= n {
            return columns(0, units);
        }
        let width = (of.block / (8 * n.max(1))).clamp(1, units);
        let mut space = RowSpace::new(n);
        for from in (0..units).step_by(width) {
            let to = (from + width).min(units);
            let mut block = Vec::with_capacity(n * (to - from));
            for part in columns(from, to)? {
                block.extend_from_slice(part.as_slice());
            }
            space.take(&Array2::new(n, to - from, block)?)?;
        }
        let short = space.finish();
        let mut at = 0;
        let by_condition = bins.iter().map(|bins| {
            let from = at;
            at += bins.len();
            Array2::from_fn(bins.len(), short.cols(), |bin, k| short.get(from + bin, k))
        });
        Ok(by_condition.collect())
    }
}

/// Reads every layer of a file of latents for the conditions of a set. `said` is whether the user said that the file is of that
/// set; without it the file has to state its own. What is odd goes into `notices`. Layers that are too many to be held are read when
/// their bins are asked for.
///
/// # Errors
/// As [`LatentsFile::open`] and [`LatentsFile::of_set`].
pub fn read_layers(
    path: &Path,
    set: &ConditionSet,
    said: bool,
    notices: &mut Vec<String>,
) -> Result<Vec<Layer>> {
    let file = LatentsFile::open(path, None, said.then_some(set))?;
    layers_of(file, Some(path), set, said, (MOST_HELD, BLOCK), notices)
}

/// As [`read_layers`], of a file that is open; its layers are held where it has no path, and else up to `most` bytes of them. Others
/// are read in blocks of columns of `block` bytes.
pub(crate) fn layers_of(
    mut file: LatentsFile,
    path: Option<&Path>,
    set: &ConditionSet,
    said: bool,
    (most, block): (u64, usize),
    notices: &mut Vec<String>,
) -> Result<Vec<Layer>> {
    if !said {
        // Without a word about its set, nobody knows whose trials these are.
        file.set(None)?;
    }
    let odd = file.check(set)?.warnings;
    let mut held = 0;
    let mut layers = Vec::new();
    for at in 0..file.layers().len() {
        let (name, units) = (file.layers()[at].name.clone(), file.layers()[at].units);
        let bytes = file.layer_bytes(at);
        if let Some(path) = path.filter(|_| held + bytes > most) {
            notices.push(cost(&file, at, block));
            layers.push(Layer {
                name,
                values: Values::InFile(InFile {
                    path: path.to_path_buf(),
                    set: set.clone(),
                    units,
                    block,
                }),
            });
            continue;
        }
        held += bytes;
        let latents = file.of_set(set, Some(std::slice::from_ref(&name)))?;
        layers.push(Layer::held(Arc::new(latents), 0));
    }
    notices.extend(odd);
    Ok(layers)
}

/// What reading a layer in blocks takes, before it is done. Bins are not known yet: there are no more than steps.
#[allow(clippy::cast_precision_loss, reason = "sizes for a sentence")]
fn cost(file: &LatentsFile, layer: usize, block: usize) -> String {
    let info = &file.layers()[layer];
    let steps: Vec<usize> = (0..file.ids().len()).map(|c| file.steps(c).len()).collect();
    let (rows, longest) = (
        steps.iter().sum::<usize>(),
        steps.iter().max().copied().unwrap_or(0),
    );
    let passes = (8 * rows * info.units).div_ceil(block);
    let one = 20 * (longest as u64) * (info.units as u64);
    let most = RowSpace::bytes(rows) + 3 * (block as u64) + one;
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    format!(
        "{}: {} units at {rows} steps are {:.1} GiB and are not held: read in at most {passes} passes within {:.1} GiB, and compared by the inner products of its bins, exactly",
        info.name,
        info.units,
        gib(file.layer_bytes(layer)),
        gib(most),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use mental_pong_formats::npz::{Column, write};

    #[test]
    fn a_layer_that_is_not_held_has_the_distances_of_one_that_is() {
        let set = ConditionSet::open("primate79").unwrap();
        let set = set.narrowed(&set.ids()[..6]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.npz");
        let (steps, units) = (101, 700);
        let value = |c: usize, k: usize, u: usize| {
            let (c, k, u) = (c as f64, k as f64, u as f64);
            (0.7 * c + 0.03 * k * (1.0 + u % 13.0)).sin() + 0.1 * (u * (k + 3.0 * c)).cos()
        };
        let mut values = Vec::new();
        for c in 0..6 {
            for k in 0..steps {
                values.extend((0..units).map(|u| value(c, k, u)));
            }
        }
        let times: Vec<f64> = (0..6 * steps)
            .map(|at| 50.0 * (at % steps) as f64 - 300.0)
            .collect();
        let ids: Vec<f64> = set.ids().iter().map(|id| id.parse().unwrap()).collect();
        let columns = [
            (
                "latents".to_owned(),
                vec![6, steps, units],
                Column::Floats(&values),
            ),
            ("time_ms".to_owned(), vec![6, steps], Column::Floats(&times)),
            ("id".to_owned(), vec![6], Column::Floats(&ids)),
        ];
        write(&path, &columns).unwrap();
        let axis = BinAxis::PUBLISHED;
        let bins: Vec<Vec<usize>> = (0..6).map(|c| (6..40 + c).collect()).collect();
        let read = |within| {
            let mut said = Vec::new();
            let file = LatentsFile::open(&path, None, Some(&set)).unwrap();
            let layers = layers_of(file, Some(&path), &set, true, within, &mut said).unwrap();
            let found = layers[0].in_bins(&axis, &bins).unwrap();
            (found, said)
        };
        let (direct, said) = read((u64::MAX, BLOCK));
        assert!(!said.iter().any(|s| s.contains("not held")), "{said:?}");
        // 219 rows in blocks of 100 columns.
        let (short, said) = read((0, 8 * 219 * 100));
        assert!(
            said[0].contains("not held") && said[0].contains("700 units"),
            "{said:?}"
        );
        let rows = |of: &[Array2]| -> Vec<Vec<f64>> {
            let of = of
                .iter()
                .flat_map(|a| (0..a.rows()).map(|r| a.row(r).to_vec()));
            of.collect()
        };
        assert!(short[0].cols() <= 219 && direct[0].cols() == 700);
        let (direct, short) = (rows(&direct), rows(&short));
        let distance = |a: &[f64], b: &[f64]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        for a in (0..direct.len()).step_by(7) {
            for b in 0..a {
                let expected = distance(&direct[a], &direct[b]);
                let found = distance(&short[a], &short[b]);
                assert!(
                    (found - expected).abs() < 1e-9 * expected.max(1.0),
                    "{a} {b}"
                );
            }
        }
    }
}
