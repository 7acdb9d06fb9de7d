use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{Device, Tensor};
use mental_pong_base::Monitor;
use mental_pong_base::files::sha256_hex;
use mental_pong_game::frames::Preset;
use mental_pong_game::task::{Condition, Law, PRIMATE79_IDS, Set, SetCondition};

use super::{EncoderIdentity, IncrementalPca};
use crate::latents::{Clock, Shown, Video};
use crate::weights::{from_bytes, to_bytes};
use crate::{Error, Result};

/// Components (published: 100).
pub(super) const COMPONENTS: usize = 100;
/// Longest file of components that is read, bytes.
const COMPONENTS_BYTES: u64 = 4 << 30;
/// Trials of the fit (published: one validation batch of 512), and of a mini-batch (published: 32).
const TRIALS: usize = 512;
pub(super) const BATCH: usize = 32;
/// Frames of the longest trials (published: sequences of 90).
const LONGEST: usize = 90;

/// Principal components of the rows that an input representation of Rajalingham et al. 2022 makes of
/// frames (preset `rnn100`, design law), by [`IncrementalPca`].
#[derive(Clone, Debug)]
pub(super) struct Components {
    /// Name of the representation.
    name: &'static str,
    /// `[unit]`.
    mean: Vec<f32>,
    /// `[component, unit]`.
    values: Vec<f32>,
    kept: usize,
}

/// The sample that `fit` of the input representations takes: the first 512 trials of the validation
/// part, in scikit-learn's order, without the 79 recorded conditions.
pub(super) fn sample() -> Result<Vec<Condition>> {
    let recorded: BTreeSet<u32> = PRIMATE79_IDS.into_iter().collect();
    let valid = Set::Valid.conditions()?.into_iter();
    let others = valid.filter(|c| !recorded.contains(&c.id));
    Ok(others.take(TRIALS).collect())
}

/// A fit: what is kept, and how many trials go together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) components: usize,
    pub(super) batch: usize,
}

impl Components {
    /// Memory that a fit with rows of `units` takes at its peak, bytes: a batch of the longest trials, twice
    /// more while it is decomposed, and its rows' products.
    pub(super) const fn fit_bytes(units: usize) -> u64 {
        let rows = BATCH * LONGEST + COMPONENTS + 1;
        8 * (3 * rows * units + 3 * rows * rows) as u64
    }

    /// Fits to the occluded frames of some trials; `rows` makes `[frame, unit]` of a trial's frames.
    pub(super) fn fit(
        name: &'static str,
        units: usize,
        trials: &[Condition],
        fit: Fit,
        rows: impl Fn(&[&[u8]]) -> Result<Vec<f64>>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let mut pca = IncrementalPca::new(fit.components);
        monitor.stage("principal components", trials.len() as u64);
        for trials in trials.chunks(fit.batch.max(1)) {
            let mut batch = Vec::new();
            for trial in trials {
                if monitor.stopped() {
                    return Err(Error::Interrupted);
                }
                let trial = SetCondition::own(trial.id.to_string(), *trial, Law::Design);
                let video = Video::of(&trial, Shown::Occluded, Clock::Design)?;
                let frames: Vec<&[u8]> = video.frames.iter().map(Vec::as_slice).collect();
                batch.extend(rows(&frames)?);
            }
            // A last batch that is too small to be one is left out, as scikit-learn must.
            if batch.len() / units >= fit.components {
                pca.partial_fit(&batch, units)?;
            }
            monitor.advance(trials.len() as u64);
        }
        if pca.mean().is_empty() {
            return Err(Error::Shape {
                what: "frames of the trials [frame]",
                expected: vec![fit.components],
                found: vec![trials.len()],
            });
        }
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        let (mean, values) = (narrow(pca.mean()), narrow(pca.components()));
        Self::of(name, units, mean, values, "memory".as_ref())
    }

    fn of(
        name: &'static str,
        units: usize,
        mean: Vec<f32>,
        values: Vec<f32>,
        path: &Path,
    ) -> Result<Self> {
        let kept = values.len() / units;
        if mean.len() != units || kept == 0 || kept * units != values.len() {
            return Err(Error::Weights {
                path: path.to_path_buf(),
                tensor: "components".into(),
                expected: format!("[component, {units}], and a mean [{units}]"),
                found: format!("{} and {} values", values.len(), mean.len()),
            });
        }
        Ok(Self {
            name,
            mean,
            values,
            kept,
        })
    }

    /// Components that there are.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// The encoder's identity; `rows` says in words what a row is.
    pub(super) fn identity(&self, rows: &str) -> EncoderIdentity {
        let bytes: Vec<u8> = [&self.mean, &self.values]
            .into_iter()
            .flatten()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        EncoderIdentity {
            name: self.name.into(),
            weights_sha256: sha256_hex(&bytes),
            preprocessing: format!("{rows}; {} principal components", self.kept),
            code_version: 1,
        }
    }

    /// A row `[unit]` in the components' coordinates, put behind `latents`.
    pub(super) fn project<V: Copy + Into<f64>>(&self, row: &[V], latents: &mut Vec<f32>) {
        for component in self.values.chunks_exact(self.mean.len()) {
            let products = row.iter().zip(&self.mean).zip(component);
            let sum: f64 = products
                .map(|((v, m), c)| ((*v).into() - f64::from(*m)) * f64::from(*c))
                .sum();
            latents.push(sum as f32);
        }
    }

    /// A file of the components.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let units = self.mean.len();
        let tensor = |values: &[f32], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu).map_err(Error::from)
        };
        let tensors = BTreeMap::from([
            ("mean".to_string(), tensor(&self.mean, &[units])?),
            (
                "components".to_string(),
                tensor(&self.values, &[self.kept, units])?,
            ),
        ]);
        let sample = "frames rnn100, design law, occluded, of trials of the validation part";
        to_bytes(&tensors, &[("encoder", self.name), ("sample", sample)])
    }

    /// Reads what [`Components::to_bytes`] wrote.
    pub(super) fn load(name: &'static str, units: usize, path: &Path) -> Result<Self> {
        let bytes = mental_pong_base::files::read(path, COMPONENTS_BYTES)?;
        let (tensors, notes) = from_bytes(path, &bytes)?;
        let values = |name: &str| -> Result<Vec<f32>> {
            match tensors.get(name) {
                Some(tensor) => Ok(tensor.flatten_all()?.to_vec1()?),
                None => Ok(Vec::new()),
            }
        };
        if notes.get("encoder").map(String::as_str) != Some(name) || tensors.len() != 2 {
            return Err(Error::Weights {
                path: path.to_path_buf(),
                tensor: "*".into(),
                expected: format!("mean and components of {name}"),
                found: format!("{} tensors", tensors.len()),
            });
        }
        Self::of(name, units, values("mean")?, values("components")?, path)
    }
}

/// Refuses frames of another size than preset `rnn100`'s.
pub(super) fn check(frames: &[&[u8]]) -> Result<()> {
    let units = Preset::Rnn100.frame_len();
    match frames.iter().find(|frame| frame.len() != units) {
        Some(frame) => Err(Error::Shape {
            what: "frame [y, x] of preset rnn100",
            expected: vec![units],
            found: vec![frame.len()],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_of_the_validation_part_without_the_recorded() {
        let sample = sample().unwrap();
        assert_eq!(sample.len(), 512);
        assert!(sample.iter().all(|c| !PRIMATE79_IDS.contains(&c.id)));
    }
}
