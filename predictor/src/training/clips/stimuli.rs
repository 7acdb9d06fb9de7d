use std::path::{Path, PathBuf};

use mental_pong_game::stimuli::{StimulusSet, file_name, open_set};

use super::{Clips, last_part, no_frame};
use crate::Result;
use crate::encoders::Picture;

/// The conditions of a stimulus set. Frames are drawn again from its manifest, to the byte as those in
/// its files whatever their format (the lossy ones are thus taken without their loss). Grey is given to
/// all three channels.
#[derive(Clone, Debug)]
pub struct StimulusClips {
    folder: PathBuf,
    set: StimulusSet,
}

impl StimulusClips {
    /// The set in a folder.
    ///
    /// # Errors
    /// [`crate::Error::Game`] for a manifest that is damaged or not that of the conditions beside it.
    pub fn open(folder: &Path) -> Result<Self> {
        let (_, set) = open_set(folder)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            set,
        })
    }
}

impl Clips for StimulusClips {
    fn describe(&self) -> String {
        format!("the stimulus set {}", last_part(&self.folder))
    }

    fn len(&self) -> usize {
        self.set.conditions().len()
    }

    fn id(&self, clip: usize) -> String {
        self.set.conditions()[clip].id().to_owned()
    }

    fn n_frames(&self, clip: usize) -> Result<usize> {
        Ok(self.set.movie(&self.set.conditions()[clip]).n_frames())
    }

    fn frames(&self, clip: usize, at: &[usize]) -> Result<Vec<Picture>> {
        let condition = &self.set.conditions()[clip];
        let mut movie = self.set.movie(condition);
        let side = self.set.setting().size_px();
        let n_frames = movie.n_frames();
        at.iter()
            .map(|&frame| {
                if frame >= n_frames {
                    let place = self.folder.join(file_name(condition.id()));
                    return Err(no_frame(&place, frame, n_frames));
                }
                let pixels = movie.draw(frame);
                let rgb = match self.set.setting().channels() {
                    1 => pixels.iter().flat_map(|&v| [v; 3]).collect(),
                    _ => pixels.to_vec(),
                };
                Picture::new(side, side, rgb)
            })
            .collect()
    }
}
