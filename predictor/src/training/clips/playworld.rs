use rayon::prelude::*;

use super::{Clips, no_frame};
use crate::Result;
use crate::encoders::{FRAME_SIZE, Picture};
use crate::playworld::{Layers, Mix, Video};

/// Procedural videos, 20 frames a second, as an observer sees them.
#[derive(Clone, Debug)]
pub struct PlayworldClips {
    /// Root seed.
    pub seed: u64,
    /// Name of the random stream, so that held-out videos are others.
    pub purpose: &'static str,
    /// Number of videos.
    pub videos: usize,
    /// Frames of each.
    pub n_frames: usize,
    /// What happens in them.
    pub mix: Mix,
}

impl Clips for PlayworldClips {
    fn describe(&self) -> String {
        format!(
            "{} playworld videos ({}, seed {})",
            self.videos, self.purpose, self.seed
        )
    }

    fn len(&self) -> usize {
        self.videos
    }

    fn id(&self, clip: usize) -> String {
        format!("{} {clip}", self.purpose)
    }

    fn n_frames(&self, _clip: usize) -> Result<usize> {
        Ok(self.n_frames)
    }

    fn frames(&self, clip: usize, at: &[usize]) -> Result<Vec<Picture>> {
        if let Some(&frame) = at.iter().find(|&&frame| frame >= self.n_frames) {
            return Err(no_frame(self.id(clip).as_ref(), frame, self.n_frames));
        }
        let video = Video::simulate(
            self.seed,
            self.purpose,
            clip as u64,
            self.n_frames,
            &self.mix,
        );
        at.par_iter()
            .map(|&frame| {
                let canvas = video.render(frame, FRAME_SIZE, Layers::Seen);
                Picture::new(FRAME_SIZE, FRAME_SIZE, canvas.into_rgb())
            })
            .collect()
    }
}
