use std::path::Path;

use mental_pong_base::Monitor;
use mental_pong_game::frames::Preset;
use mental_pong_game::task::Condition;

use super::components::{BATCH, COMPONENTS, Components, Fit, check, sample};
use super::gabor_bank::GaborBank;
use super::{Encoder, EncoderIdentity};
use crate::Result;

const NAME: &str = "gabor_pca";

/// Motion energies' principal components (after Rajalingham et al. 2022, `gabor_pca`): frames of preset
/// `rnn100`, design law, through sixteen spatio-temporal Gabor quadrature pairs; the 6,400 energies of a
/// frame in the coordinates of 100 components.
///
/// The published bank is not released. This one is this project's own: same number of pairs, same
/// energy, same analysis; it looks back only, where the published one looks to both sides in time, and
/// energies are read at every fifth pixel.
#[derive(Clone, Debug)]
pub struct GaborPca {
    bank: GaborBank,
    components: Components,
    identity: EncoderIdentity,
}

impl GaborPca {
    /// The sample that [`GaborPca::fit`] takes, as [`super::PixelPca::sample`].
    ///
    /// # Errors
    /// None in practice: the published split is fixed.
    pub fn sample() -> Result<Vec<Condition>> {
        sample()
    }

    /// Fits 100 components to the energies of the occluded frames of some trials, 32 of them a batch.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`] when `monitor` stops it; [`crate::Error::Shape`] when a batch has
    /// fewer frames than components.
    pub fn fit(trials: &[Condition], monitor: &dyn Monitor) -> Result<Self> {
        Self::fit_sized(trials, COMPONENTS, BATCH, monitor)
    }

    /// Memory that [`GaborPca::fit`] takes at its peak, bytes; an estimate from above.
    #[must_use]
    pub fn fit_bytes() -> u64 {
        Components::fit_bytes(GaborBank::UNITS)
    }

    /// As [`GaborPca::fit`] with other numbers of components and trials a batch.
    ///
    /// # Errors
    /// As [`GaborPca::fit`].
    pub fn fit_sized(
        trials: &[Condition],
        components: usize,
        batch: usize,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let bank = GaborBank::new();
        let fit = Fit { components, batch };
        let rows = |frames: &[&[u8]]| Ok(bank.energies(frames));
        let fitted = Components::fit(NAME, GaborBank::UNITS, trials, fit, rows, monitor)?;
        Ok(Self::of(fitted))
    }

    fn of(components: Components) -> Self {
        let identity = components.identity(&GaborBank::about());
        Self {
            bank: GaborBank::new(),
            components,
            identity,
        }
    }

    /// Energies of a clip's frames, `[frame, direction, speed, y, x]`: 8 directions, 2 speeds, 20 × 20
    /// places, row-major.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for a frame of another size.
    pub fn energies(&self, frames: &[&[u8]]) -> Result<Vec<f64>> {
        check(frames)?;
        Ok(self.bank.energies(frames))
    }

    /// A file of the components.
    ///
    /// # Errors
    /// When the tensor library fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.components.to_bytes()
    }

    /// Reads what [`GaborPca::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Weights`] for another file.
    pub fn load(path: &Path) -> Result<Self> {
        Components::load(NAME, GaborBank::UNITS, path).map(Self::of)
    }
}

impl Encoder for GaborPca {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn latent_dim(&self) -> usize {
        self.components.kept()
    }

    fn reach(&self) -> usize {
        GaborBank::FRAMES
    }

    fn preset(&self) -> Preset {
        Preset::Rnn100
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        let energies = self.energies(frames)?;
        let mut latents = Vec::with_capacity(frames.len() * self.components.kept());
        for row in energies.chunks_exact(GaborBank::UNITS) {
            self.components.project(row, &mut latents);
        }
        Ok(latents)
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_base::Quiet;

    use super::*;
    use crate::encoders::PixelPca;
    use crate::latents::{Clock, Shown, Video};
    use mental_pong_game::task::{Law, SetCondition};

    #[test]
    fn components_are_read_back_and_those_of_pixels_are_not_theirs() {
        let trials: Vec<Condition> = GaborPca::sample().unwrap().into_iter().take(4).collect();
        let pca = GaborPca::fit_sized(&trials, 10, 2, &Quiet).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pca.safetensors");
        std::fs::write(&path, pca.to_bytes().unwrap()).unwrap();
        let again = GaborPca::load(&path).unwrap();
        assert_eq!(again.identity(), pca.identity());
        assert!(PixelPca::load(&path).is_err());
        let trial = SetCondition::own("1".into(), trials[0], Law::Design);
        let video = Video::of(&trial, Shown::Occluded, Clock::Design).unwrap();
        let views: Vec<&[u8]> = video.frames.iter().map(Vec::as_slice).collect();
        let latents = pca.encode(&views).unwrap();
        assert_eq!(again.encode(&views).unwrap(), latents);
        // A later frame changes nothing before it.
        let half = views.len() / 2;
        assert_eq!(pca.encode(&views[..half]).unwrap(), latents[..half * 10]);
        // Once the ball has long been hidden nothing moves.
        let row = |k: usize| &latents[k * 10..(k + 1) * 10];
        let quiet = video.timeline.occ_frame_start + GaborBank::FRAMES;
        assert!(quiet < views.len());
        assert_eq!(row(quiet), row(views.len() - 1));
        assert_ne!(row(quiet), row(video.timeline.occ_frame_start / 2));
        assert!(pca.encode(&[&[0; 12]]).is_err());
    }
}
