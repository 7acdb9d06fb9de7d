//! Which frames a condition has, and what stands in them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::{FrameScene, PaddleLook, Preset, Renderer};
use crate::task::condition::Condition;
use crate::task::law::{Law, Trajectory, named, trajectory};

/// What stands before the ball on its last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occlusion {
    /// The opaque occluder.
    Occluded,
    /// The occluder at 95 % opacity, as in the published control trials.
    Faint,
    /// No occluder at all.
    Visible,
}

impl Occlusion {
    /// Every occlusion.
    pub const ALL: [Self; 3] = [Self::Occluded, Self::Faint, Self::Visible];

    /// The occlusion's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Occluded => "occluded",
            Self::Faint => "faint",
            Self::Visible => "visible",
        }
    }

    /// Opacity of the occluder, 0 to 1; none where there is no occluder.
    #[must_use]
    pub const fn alpha(self) -> Option<f64> {
        match self {
            Self::Occluded => Some(1.0),
            Self::Faint => Some(0.95),
            Self::Visible => None,
        }
    }
}

impl FromStr for Occlusion {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("occlusion", name, &Self::ALL, Self::name)
    }
}

/// A file format of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One numpy array a condition.
    Npy,
    /// One picture a frame.
    Png,
    /// One moving picture a condition, to look at. Viewers do not show more than 50 frames a
    /// second, so under the display law it holds every second frame.
    Gif,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Npy, Self::Png, Self::Gif];

    /// The format's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Png => "png",
            Self::Gif => "gif",
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("format", name, &Self::ALL, Self::name)
    }
}

/// What fixes the bytes of a stimulus set, its conditions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Law of motion, which also fixes the frame rate.
    pub law: Law,
    /// Kind of picture.
    pub preset: Preset,
    /// What stands before the ball.
    pub occlusion: Occlusion,
    /// File format.
    pub format: Format,
}

impl Setting {
    /// Of the law's frames, each how many-th is kept.
    #[must_use]
    pub const fn frame_step(&self) -> usize {
        match (self.format, self.law) {
            (Format::Gif, Law::Display) => 2,
            _ => 1,
        }
    }

    /// When kept frame `n` stands, milliseconds after the frame at the start.
    #[must_use]
    pub fn frame_ms(&self, n: usize) -> f64 {
        self.law.frame_ms(n * self.frame_step())
    }
}

/// The frames of one condition, from the start to the first with x ≥ 10°: under the display law at
/// 60 Hz, under the design law frames 0 to `t_end` at 24 Hz. An iterator over frames, `[y, x]` or
/// `[y, x, channel]`, u8.
///
/// In preset `display` the paddle waits at height 0 and the fixation point stays.
#[derive(Clone, Debug)]
pub struct Movie {
    path: Trajectory,
    setting: Setting,
    renderer: Renderer,
    next: usize,
}

impl Movie {
    /// The frames of a condition.
    #[must_use]
    pub fn new(condition: &Condition, setting: Setting) -> Self {
        Self {
            path: trajectory(condition, setting.law),
            setting,
            renderer: Renderer::new(setting.preset),
            next: 0,
        }
    }

    /// Number of frames.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        self.path.len().div_ceil(self.setting.frame_step())
    }

    /// What stands in frame `n`; without a ball where there is no such frame.
    #[must_use]
    pub fn scene(&self, n: usize) -> FrameScene {
        let at = n * self.setting.frame_step();
        let ball = self.path.x_deg.get(at).copied();
        FrameScene {
            ball: ball.zip(self.path.y_deg.get(at).copied()),
            occluder: self.setting.occlusion.alpha(),
            paddle: Some((0.0, PaddleLook::Waiting)),
            fixation: true,
        }
    }

    /// Draws frame `n` into `out`, which becomes as long as a frame.
    pub fn frame_into(&mut self, n: usize, out: &mut Vec<u8>) {
        let scene = self.scene(n);
        self.renderer.render_into(&scene, out);
    }
}

impl Iterator for Movie {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        (self.next < self.n_frames()).then(|| {
            let mut frame = Vec::new();
            self.frame_into(self.next, &mut frame);
            self.next += 1;
            frame
        })
    }
}
