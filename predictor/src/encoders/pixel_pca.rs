use std::path::Path;

use mental_pong_base::Monitor;
use mental_pong_game::frames::Preset;
use mental_pong_game::task::Condition;

use super::components::{BATCH, COMPONENTS, Components, Fit, check, sample};
use super::{Encoder, EncoderIdentity};
use crate::Result;

const NAME: &str = "pixel_pca";

/// The pixels' principal components (Rajalingham et al. 2022, `pixel_pca`): frames of preset `rnn100`,
/// design law, 10,000 grey levels each, in the coordinates of 100 components.
///
/// The components are those of [`PixelPca::fit`], by [`super::IncrementalPca`]. The published ones are
/// of another sample of the same kind and are not released.
#[derive(Clone, Debug)]
pub struct PixelPca {
    components: Components,
    identity: EncoderIdentity,
}

impl PixelPca {
    /// The sample that [`PixelPca::fit`] takes: the first 512 trials of the validation part, in
    /// scikit-learn's order, without the 79 recorded conditions.
    ///
    /// # Errors
    /// None in practice: the published split is fixed.
    pub fn sample() -> Result<Vec<Condition>> {
        sample()
    }

    /// Fits 100 components to the occluded frames of some trials, 32 of them a batch.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`] when `monitor` stops it; [`crate::Error::Shape`] when a batch has
    /// fewer frames than components.
    pub fn fit(trials: &[Condition], monitor: &dyn Monitor) -> Result<Self> {
        Self::fit_sized(trials, COMPONENTS, BATCH, monitor)
    }

    /// Memory that [`PixelPca::fit`] takes at its peak, bytes; an estimate from above.
    #[must_use]
    pub fn fit_bytes() -> u64 {
        Components::fit_bytes(Preset::Rnn100.frame_len())
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
        let levels = |frames: &[&[u8]]| {
            let levels = frames.iter().copied().flatten();
            Ok(levels.map(|v| f64::from(*v)).collect())
        };
        let units = Preset::Rnn100.frame_len();
        let fit = Fit { components, batch };
        Components::fit(NAME, units, trials, fit, levels, monitor).map(Self::of)
    }

    fn of(components: Components) -> Self {
        let identity = components.identity("100 x 100 grey, 0 to 255");
        Self {
            components,
            identity,
        }
    }

    /// A file of the components.
    ///
    /// # Errors
    /// When the tensor library fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.components.to_bytes()
    }

    /// Reads what [`PixelPca::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Weights`] for another file.
    pub fn load(path: &Path) -> Result<Self> {
        Components::load(NAME, Preset::Rnn100.frame_len(), path).map(Self::of)
    }
}

impl Encoder for PixelPca {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn latent_dim(&self) -> usize {
        self.components.kept()
    }

    fn preset(&self) -> Preset {
        Preset::Rnn100
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        check(frames)?;
        let mut latents = Vec::with_capacity(frames.len() * self.components.kept());
        for frame in frames {
            self.components.project(frame, &mut latents);
        }
        Ok(latents)
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_base::Quiet;

    use super::*;
    use crate::latents::{Clock, Shown, Video};
    use mental_pong_game::task::{Law, SetCondition};

    #[test]
    fn components_tell_the_pictures_of_their_trials_apart_and_read_back() {
        let trials: Vec<Condition> = PixelPca::sample().unwrap().into_iter().take(6).collect();
        let pca = PixelPca::fit_sized(&trials, 12, 2, &Quiet).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pca.safetensors");
        std::fs::write(&path, pca.to_bytes().unwrap()).unwrap();
        let again = PixelPca::load(&path).unwrap();
        assert_eq!(again.identity(), pca.identity());
        let trial = SetCondition::own("1".into(), trials[0], Law::Design);
        let video = Video::of(&trial, Shown::Occluded, Clock::Design).unwrap();
        let views: Vec<&[u8]> = video.frames.iter().map(Vec::as_slice).collect();
        let latents = pca.encode(&views).unwrap();
        assert_eq!(latents.len(), views.len() * 12);
        assert_eq!(again.encode(&views).unwrap(), latents);
        // Frames differ while the ball is in view, and are one when it is not.
        let row = |k: usize| &latents[k * 12..(k + 1) * 12];
        assert_ne!(row(0), row(video.timeline.occ_frame_start / 2));
        assert_eq!(row(video.timeline.occ_frame_start), row(views.len() - 1));
        assert!(pca.encode(&[&[0; 12]]).is_err());
    }
}
