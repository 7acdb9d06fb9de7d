//! Which frames a condition has, and what stands in them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::{FrameScene, Look, PaddleLook, PictureKey, Preset, Renderer};
use crate::stimuli::drawer::{Drawer, Drawn};
use crate::stimuli::truth::Truth;
use crate::task::condition::Condition;
use crate::task::epochs::{Epoch, FrameStatus, frame_status};
use crate::task::geometry::OCCLUDER_X_DEG;
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
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One numpy array a condition.
    Npy,
    /// One picture a frame.
    Png,
    /// One moving picture a condition, to look at. Viewers do not show more than 50 frames a
    /// second, so under the display law it holds every second frame unless a rate is given.
    Gif,
    /// One H.264 video a condition, made by ffmpeg. Lossy.
    Mp4,
    /// `WebDataset` shards: a sample is a condition, an npy array and its truth as JSON.
    Tar,
    /// `WebDataset` shards: a sample is a frame, a PNG and its truth as JSON.
    TarPng,
    /// A Zarr v3 group, a chunk for each condition.
    Zarr,
    /// Every distinct picture of the set once, and an index that says which one each frame shows.
    Pool,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] = [
        Self::Npy,
        Self::Png,
        Self::Gif,
        Self::Mp4,
        Self::Tar,
        Self::TarPng,
        Self::Zarr,
        Self::Pool,
    ];

    /// The format's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Mp4 => "mp4",
            Self::Tar => "tar",
            Self::TarPng => "tar-png",
            Self::Zarr => "zarr",
            Self::Pool => "pool",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("format", name, &Self::ALL, Self::name)
    }
}

/// Fastest GIF that viewers show at its pace, frames per second.
const MAX_GIF_HZ: f64 = 50.0;

/// What fixes the bytes of a stimulus set, its conditions apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Law of motion.
    pub law: Law,
    /// Kind of picture.
    pub preset: Preset,
    /// What stands before the ball.
    pub occlusion: Occlusion,
    /// File format.
    pub format: Format,
    /// Frames per second; the law's own without it. Between two frames of the law the ball stands
    /// on the straight line between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate_hz: Option<f64>,
    /// Changes to the preset.
    #[serde(default, skip_serializing_if = "Look::is_default")]
    pub look: Look,
    /// What draws the frames of a stored set. Frames that are drawn when asked for are the
    /// rasteriser's.
    #[serde(default, skip_serializing_if = "Drawer::is_rasteriser")]
    pub drawn_by: Drawer,
}

impl Setting {
    /// Opaque occluder, npy, the law's frame rate, the preset as it is.
    #[must_use]
    pub fn new(law: Law, preset: Preset) -> Self {
        Self {
            law,
            preset,
            occlusion: Occlusion::Occluded,
            format: Format::Npy,
            frame_rate_hz: None,
            look: Look::default(),
            drawn_by: Drawer::default(),
        }
    }

    /// Frames per second.
    #[must_use]
    pub fn rate_hz(&self) -> f64 {
        let own = self.law.hz();
        self.frame_rate_hz
            .unwrap_or(if self.format == Format::Gif && own > MAX_GIF_HZ {
                own / 2.0
            } else {
                own
            })
    }

    /// When frame `n` stands, milliseconds after the frame at the start.
    #[must_use]
    pub fn frame_ms(&self, n: usize) -> f64 {
        n as f64 * 1000.0 / self.rate_hz()
    }

    /// Width and height, pixels.
    #[must_use]
    pub fn size_px(&self) -> usize {
        self.look.size_px(self.preset)
    }

    /// Channels of a pixel: 1 grey, 3 RGB.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.preset.channels()
    }

    /// Bytes of a frame.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.size_px() * self.size_px() * self.channels()
    }

    /// Shape of `n` frames: `[frame, y, x]`, or `[frame, y, x, channel]` where there are three.
    #[must_use]
    pub fn shape(&self, n: usize) -> Vec<usize> {
        let mut shape = vec![n, self.size_px(), self.size_px()];
        if self.channels() > 1 {
            shape.push(self.channels());
        }
        shape
    }

    /// Opacity of the occluder, 0 to 1; none where there is no occluder.
    #[must_use]
    pub fn opacity(&self) -> Option<f64> {
        let own = self.occlusion.alpha()?;
        Some(self.look.opacity.unwrap_or(own))
    }

    /// A renderer of this setting's frames; none is lent where the setting cannot be.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a frame rate, size, colour or opacity that cannot be.
    pub fn renderer(&self) -> Result<Renderer> {
        let bad = |field, expected: &str, found: String| Error::BadValue {
            field,
            expected: expected.to_owned(),
            found,
        };
        let rate = self.rate_hz();
        if !(1.0..=1000.0).contains(&rate) {
            let found = rate.to_string();
            return Err(bad("frame_rate_hz", "1 to 1000", found));
        }
        if self.format == Format::Gif && rate > MAX_GIF_HZ {
            let found = rate.to_string();
            return Err(bad("frame_rate_hz", "at most 50 for a GIF", found));
        }
        if self.format == Format::Mp4 && !self.size_px().is_multiple_of(2) {
            let found = self.size_px().to_string();
            return Err(bad("size_px", "an even number for MP4", found));
        }
        if self.drawn_by == Drawer::Bevy {
            if self.preset.style().is_none() {
                let expected = "rasteriser for rnn100, whose pictures are the published \
                                renderer's, pixel by pixel";
                return Err(bad("renderer", expected, "bevy".into()));
            }
            if self.format == Format::Pool {
                let expected = "rasteriser for format pool, which tells pictures apart by their \
                                bytes";
                return Err(bad("renderer", expected, "bevy".into()));
            }
        }
        self.look.renderer(self.preset)
    }

    /// Radius of the drawn ball, degrees.
    #[must_use]
    pub fn ball_radius_deg(&self) -> f64 {
        self.preset.ball_radius_deg()
    }
}

/// The frames of one condition, from the start to the last at which the ball has not yet passed the
/// first position with x ≥ 10° of the law: at the law's own rate its frames 0 to the end. An
/// iterator over frames, `[y, x]` or `[y, x, channel]`, u8.
///
/// Where there is a paddle it waits at height 0, and the fixation point stays.
#[derive(Clone, Debug)]
pub struct Movie {
    path: Trajectory,
    setting: Setting,
    renderer: Renderer,
    /// Frames that something else drew, in the place of the rasteriser's.
    drawn: Drawn,
    next: usize,
}

impl Movie {
    /// The frames of a condition.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a setting that cannot be.
    pub fn new(condition: &Condition, setting: Setting) -> Result<Self> {
        Ok(Self::with_renderer(condition, setting, setting.renderer()?))
    }

    pub(crate) fn with_renderer(
        condition: &Condition,
        setting: Setting,
        renderer: Renderer,
    ) -> Self {
        Self {
            path: trajectory(condition, setting.law),
            setting,
            renderer,
            drawn: Drawn::default(),
            next: 0,
        }
    }

    pub(crate) fn drawn(self, drawn: Drawn) -> Self {
        Self { drawn, ..self }
    }

    /// The movie of another condition, drawn by the same renderer.
    pub(crate) fn turn_to(&mut self, condition: &Condition) {
        self.path = trajectory(condition, self.setting.law);
        self.next = 0;
    }

    /// Number of frames.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        let last = self.path.len().saturating_sub(1) as f64;
        (last * self.setting.rate_hz() / self.setting.law.hz()) as usize + 1
    }

    /// Where frame `n` stands among those of the law: a whole frame and the part of the next.
    fn place(&self, n: usize) -> (usize, f64) {
        let at = n as f64 * self.setting.law.hz() / self.setting.rate_hz();
        (at as usize, at - at.floor())
    }

    /// Where the ball is in frame `n`, degrees; nothing where there is no such frame.
    #[must_use]
    pub fn ball_deg(&self, n: usize) -> Option<(f64, f64)> {
        let (frame, part) = self.place(n);
        let (x, y) = (&self.path.x_deg, &self.path.y_deg);
        let here = (*x.get(frame)?, *y.get(frame)?);
        if part <= 0.0 {
            return Some(here);
        }
        let next = (*x.get(frame + 1)?, *y.get(frame + 1)?);
        Some((
            here.0 + part * (next.0 - here.0),
            here.1 + part * (next.1 - here.1),
        ))
    }

    /// The truth of frame `n`; nothing where there is no such frame.
    #[must_use]
    pub fn truth(&self, n: usize) -> Option<Truth> {
        let (x_deg, y_deg) = self.ball_deg(n)?;
        let (frame, _) = self.place(n);
        // The move that leads out of the frame; out of the last one, the move into it.
        let to = (frame + 1).min(self.path.len() - 1);
        let from = to.saturating_sub(1);
        let per_s = |of: &[f64]| (of[to] - of[from]) * self.setting.law.hz();
        let status = frame_status(x_deg, self.setting.ball_radius_deg());
        let opaque = self.setting.opacity().is_some_and(|alpha| alpha >= 1.0);
        Some(Truth {
            id: self.path.id,
            frame: n as u32,
            time_ms: self.setting.frame_ms(n),
            x_deg,
            y_deg,
            dx_deg_per_s: per_s(&self.path.x_deg),
            dy_deg_per_s: per_s(&self.path.y_deg),
            epoch: if x_deg < OCCLUDER_X_DEG {
                Epoch::Visible
            } else {
                Epoch::Hidden
            },
            ball_visible: !(self.setting.look.no_ball || opaque && status == FrameStatus::Hidden),
        })
    }

    /// What stands in frame `n`; without a ball where there is no such frame.
    #[must_use]
    pub fn scene(&self, n: usize) -> FrameScene {
        FrameScene {
            ball: self.ball_deg(n).filter(|_| !self.setting.look.no_ball),
            occluder: self.setting.opacity(),
            paddle: Some((0.0, PaddleLook::Waiting)),
            fixation: true,
        }
    }

    /// Draws frame `n` and lends it.
    pub fn draw(&mut self, n: usize) -> &[u8] {
        let scene = self.scene(n);
        match self.drawn.frame(self.path.id, n) {
            Some(frame) => frame,
            None => self.renderer.draw(&scene),
        }
    }

    /// Draws frame `n` into `out`, which becomes as long as a frame.
    pub fn frame_into(&mut self, n: usize, out: &mut Vec<u8>) {
        let frame = self.draw(n);
        out.clear();
        out.extend_from_slice(frame);
    }

    /// The key of the picture of frame `n` among those of the same setting.
    pub(crate) fn key(&self, n: usize) -> PictureKey {
        self.renderer.key(&self.scene(n))
    }

    /// The digest of the picture of frame `n` among those of the same setting.
    pub(crate) fn digest(&mut self, n: usize) -> [u8; 32] {
        let scene = self.scene(n);
        self.renderer.digest(&scene)
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
