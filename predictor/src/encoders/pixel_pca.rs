use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{Device, Tensor};
use mental_pong_game::Monitor;
use mental_pong_game::files::sha256_hex;
use mental_pong_game::frames::Preset;
use mental_pong_game::task::{Condition, PRIMATE79_IDS, Set};

use super::{Encoder, EncoderIdentity, IncrementalPca};
use crate::latents::{Clock, Shown, Video};
use crate::weights::{from_bytes, to_bytes};
use crate::{Error, Result};

/// Components (published: 100).
const COMPONENTS: usize = 100;
/// Trials of the fit (published: one validation batch of 512), and of a mini-batch (published: 32).
const TRIALS: usize = 512;
const BATCH: usize = 32;

/// The pixels' principal components (Rajalingham et al. 2022, `pixel_pca`): frames of preset `rnn100`,
/// design law, 10,000 grey levels each, in the coordinates of 100 components.
///
/// The components are those of [`PixelPca::fit`], by [`IncrementalPca`]. The published ones are of
/// another sample of the same kind and are not released.
#[derive(Clone, Debug)]
pub struct PixelPca {
    /// `[unit]`.
    mean: Vec<f32>,
    /// `[component, unit]`.
    components: Vec<f32>,
    kept: usize,
    identity: EncoderIdentity,
}

impl PixelPca {
    /// The sample that [`PixelPca::fit`] takes: the first 512 trials of the validation part, in
    /// scikit-learn's order, without the 79 recorded conditions.
    ///
    /// # Errors
    /// None in practice: the published split is fixed.
    pub fn sample() -> Result<Vec<Condition>> {
        let recorded: BTreeSet<u32> = PRIMATE79_IDS.into_iter().collect();
        let valid = Set::Valid.conditions()?.into_iter();
        let others = valid.filter(|c| !recorded.contains(&c.id));
        Ok(others.take(TRIALS).collect())
    }

    /// Fits 100 components to the occluded frames of some trials, 32 of them a batch.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when `monitor` stops it; [`Error::Shape`] when a batch has fewer
    /// frames than components.
    pub fn fit(trials: &[Condition], monitor: &dyn Monitor) -> Result<Self> {
        Self::fit_sized(trials, COMPONENTS, BATCH, monitor)
    }

    /// As [`PixelPca::fit`] with other numbers of components and trials a batch.
    ///
    /// # Errors
    /// As [`PixelPca::fit`].
    pub fn fit_sized(
        trials: &[Condition],
        components: usize,
        batch: usize,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let mut pca = IncrementalPca::new(components);
        let units = Preset::Rnn100.frame_len();
        monitor.stage("principal components", trials.len() as u64);
        for trials in trials.chunks(batch.max(1)) {
            let mut rows = Vec::new();
            for trial in trials {
                if monitor.stopped() {
                    return Err(Error::Interrupted);
                }
                for frame in Video::of(trial, Shown::Occluded, Clock::Design).frames {
                    rows.extend(frame.into_iter().map(f64::from));
                }
            }
            // A last batch that is too small to be one is left out, as scikit-learn must.
            if rows.len() / units >= components {
                pca.partial_fit(&rows, units)?;
            }
            monitor.advance(trials.len() as u64);
        }
        if pca.mean().is_empty() {
            return Err(Error::Shape {
                what: "frames of the trials [frame]",
                expected: vec![components],
                found: vec![trials.len()],
            });
        }
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        Self::of(
            narrow(pca.mean()),
            narrow(pca.components()),
            "memory".as_ref(),
        )
    }

    fn of(mean: Vec<f32>, components: Vec<f32>, path: &Path) -> Result<Self> {
        let units = Preset::Rnn100.frame_len();
        let kept = components.len() / units;
        if mean.len() != units || kept == 0 || kept * units != components.len() {
            return Err(Error::Weights {
                path: path.to_path_buf(),
                tensor: "components".into(),
                expected: format!("[component, {units}], and a mean [{units}]"),
                found: format!("{} and {} values", components.len(), mean.len()),
            });
        }
        let bytes: Vec<u8> = [&mean, &components]
            .into_iter()
            .flatten()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let identity = EncoderIdentity {
            name: "pixel_pca".into(),
            weights_sha256: sha256_hex(&bytes),
            preprocessing: format!("100 x 100 grey, 0 to 255; {kept} principal components"),
            code_version: 1,
        };
        Ok(Self {
            mean,
            components,
            kept,
            identity,
        })
    }

    /// A file of the components.
    ///
    /// # Errors
    /// When the tensor library fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let units = self.mean.len();
        let tensor = |values: &[f32], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu).map_err(Error::from)
        };
        let tensors = BTreeMap::from([
            ("mean".to_string(), tensor(&self.mean, &[units])?),
            (
                "components".to_string(),
                tensor(&self.components, &[self.kept, units])?,
            ),
        ]);
        let sample = "frames rnn100, design law, occluded, of trials of the validation part";
        to_bytes(&tensors, &[("encoder", "pixel_pca"), ("sample", sample)])
    }

    /// Reads what [`PixelPca::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Weights`] for another file.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let (tensors, notes) = from_bytes(path, &bytes)?;
        let values = |name: &str| -> Result<Vec<f32>> {
            match tensors.get(name) {
                Some(tensor) => Ok(tensor.flatten_all()?.to_vec1()?),
                None => Ok(Vec::new()),
            }
        };
        if notes.get("encoder").map(String::as_str) != Some("pixel_pca") || tensors.len() != 2 {
            return Err(Error::Weights {
                path: path.to_path_buf(),
                tensor: "*".into(),
                expected: "mean and components of pixel_pca".into(),
                found: format!("{} tensors", tensors.len()),
            });
        }
        Self::of(values("mean")?, values("components")?, path)
    }
}

impl Encoder for PixelPca {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn latent_dim(&self) -> usize {
        self.kept
    }

    fn preset(&self) -> Preset {
        Preset::Rnn100
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        let units = self.mean.len();
        let mut latents = Vec::with_capacity(frames.len() * self.kept);
        for frame in frames {
            if frame.len() != units {
                return Err(Error::Shape {
                    what: "frame [y, x] of preset rnn100",
                    expected: vec![units],
                    found: vec![frame.len()],
                });
            }
            for component in self.components.chunks_exact(units) {
                let products = frame.iter().zip(&self.mean).zip(component);
                let sum: f64 = products
                    .map(|((v, m), c)| (f64::from(*v) - f64::from(*m)) * f64::from(*c))
                    .sum();
                latents.push(sum as f32);
            }
        }
        Ok(latents)
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_game::monitor::Quiet;

    use super::*;

    #[test]
    fn the_sample_is_of_the_validation_part_without_the_recorded() {
        let sample = PixelPca::sample().unwrap();
        assert_eq!(sample.len(), 512);
        assert!(sample.iter().all(|c| !PRIMATE79_IDS.contains(&c.id)));
    }

    #[test]
    fn components_tell_the_pictures_of_their_trials_apart_and_read_back() {
        let trials: Vec<Condition> = PixelPca::sample().unwrap().into_iter().take(6).collect();
        let pca = PixelPca::fit_sized(&trials, 12, 2, &Quiet).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pca.safetensors");
        std::fs::write(&path, pca.to_bytes().unwrap()).unwrap();
        let again = PixelPca::load(&path).unwrap();
        assert_eq!(again.identity(), pca.identity());
        let video = Video::of(&trials[0], Shown::Occluded, Clock::Design);
        let views: Vec<&[u8]> = video.frames.iter().map(Vec::as_slice).collect();
        let latents = pca.encode(&views).unwrap();
        assert_eq!(latents.len(), views.len() * 12);
        assert_eq!(again.encode(&views).unwrap(), latents);
        // Frames differ while the ball is in view, and are one when it is not.
        let row = |k: usize| &latents[k * 12..(k + 1) * 12];
        assert_ne!(row(0), row(video.occ_frame_start / 2));
        assert_eq!(row(video.occ_frame_start), row(views.len() - 1));
        assert!(pca.encode(&[&[0; 12]]).is_err());
    }
}
