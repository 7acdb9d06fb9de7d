//! Which frames a condition has, and what stands in them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::{FrameScene, Look, PaddleLook, PictureKey, Preset, Renderer};
use crate::stimuli::drawer::{Drawer, Drawn};
use crate::stimuli::truth::Truth;
use crate::task::clock::frame_ms;
use crate::task::condition::Condition;
use crate::task::epochs::{Epoch, FrameStatus};
use crate::task::law::{Law, named};
use crate::task::set::{ConditionSet, SetCondition, SetLaw, Track};

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
    /// Law of motion; `recorded` where the paths are given.
    pub law: SetLaw,
    /// Kind of picture.
    pub preset: Preset,
    /// What stands before the ball.
    pub occlusion: Occlusion,
    /// File format.
    pub format: Format,
    /// Frames per second; without it the law's own, or that of recorded paths. Between two frames of the law the ball stands
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
    pub fn new(law: impl Into<SetLaw>, preset: Preset) -> Self {
        Self {
            law: law.into(),
            preset,
            occlusion: Occlusion::Occluded,
            format: Format::Npy,
            frame_rate_hz: None,
            look: Look::default(),
            drawn_by: Drawer::default(),
        }
    }

    /// A set as a preset shows it: of the published conditions `rnn100` shows the design law.
    #[must_use]
    pub fn of(set: &ConditionSet, preset: Preset) -> Self {
        let law = match (preset, set.law()) {
            (Preset::Rnn100, SetLaw::Display) if set.is_published() => SetLaw::Design,
            (_, law) => law,
        };
        Self::new(law, preset)
    }

    /// Frames per second; of recorded paths, whose set knows, 60 unless it is given.
    #[must_use]
    pub fn rate_hz(&self) -> f64 {
        let own = self.law.law().unwrap_or(Law::Display).hz();
        self.frame_rate_hz
            .unwrap_or(if self.format == Format::Gif && own > MAX_GIF_HZ {
                own / 2.0
            } else {
                own
            })
    }

    /// When frame `n` stands, milliseconds from motion onset.
    #[must_use]
    pub fn frame_ms(&self, n: usize) -> f64 {
        frame_ms(n, self.rate_hz())
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
    condition: SetCondition,
    track: Track,
    setting: Setting,
    renderer: Renderer,
    /// Frames that something else drew, in the place of the rasteriser's.
    drawn: Drawn,
    next: usize,
}

impl Movie {
    /// The frames of a trial in the published geometry.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a setting that cannot be.
    pub fn new(trial: &Condition, setting: Setting) -> Result<Self> {
        let law = setting.law.law().unwrap_or(Law::Display);
        Self::of(
            &SetCondition::own(trial.id.to_string(), *trial, law),
            setting,
        )
    }

    /// The frames of a condition of a set, under the law and at the rate of the setting.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a setting that cannot be, or that is not that of a recorded path.
    pub fn of(condition: &SetCondition, setting: Setting) -> Result<Self> {
        let renderer = setting.renderer()?;
        let mut movie = Self {
            condition: condition.clone(),
            track: condition.track(),
            setting,
            renderer,
            drawn: Drawn::default(),
            next: 0,
        };
        movie.turn_to(&condition.shown(setting.law, setting.rate_hz())?);
        Ok(movie)
    }

    /// As [`of`](Self::of) for a condition that has the setting's law and rate.
    pub(crate) fn with_renderer(
        condition: &SetCondition,
        setting: Setting,
        renderer: Renderer,
    ) -> Self {
        let mut movie = Self {
            condition: condition.clone(),
            track: condition.track(),
            setting,
            renderer,
            drawn: Drawn::default(),
            next: 0,
        };
        movie.renderer.set_geometry(condition.geometry());
        movie
    }

    pub(crate) fn drawn(self, drawn: Drawn) -> Self {
        Self { drawn, ..self }
    }

    /// The movie of another condition with the setting's law and rate, drawn by the same renderer.
    pub(crate) fn turn_to(&mut self, condition: &SetCondition) {
        self.condition = condition.clone();
        self.track = condition.track();
        self.renderer.set_geometry(condition.geometry());
        self.next = 0;
    }

    /// Number of frames.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        self.track.n_frames()
    }

    /// Lets the ball fly on beyond the end, up to and with frame `n`, so that it can be drawn there.
    /// A recorded path ends with its last frame.
    pub fn fly_to(&mut self, n: usize) {
        self.track.fly_to(n);
    }

    /// Where the ball is in frame `n`, degrees; nothing where there is no such frame.
    #[must_use]
    pub fn ball_deg(&self, n: usize) -> Option<(f64, f64)> {
        self.track.ball_deg(n)
    }

    /// What can be seen in frame `n` of a ball with the radius that it is drawn with; nothing where
    /// there is no such frame.
    #[must_use]
    pub fn status(&self, n: usize) -> Option<FrameStatus> {
        let geometry = self.condition.geometry();
        let drawn = self.setting.ball_radius_deg();
        let radius = geometry.ball_radius_deg.unwrap_or(drawn);
        if self.condition.law() == SetLaw::Recorded {
            return self.track.status(n);
        }
        Some(geometry.status(self.ball_deg(n)?, radius))
    }

    /// The truth of frame `n`; nothing where there is no such frame.
    #[must_use]
    pub fn truth(&self, n: usize) -> Option<Truth> {
        let (x_deg, y_deg) = self.ball_deg(n)?;
        let (dx_deg_per_s, dy_deg_per_s) = self.track.velocity_deg_per_s(n);
        let opaque = self.setting.opacity().is_some_and(|alpha| alpha >= 1.0);
        let hidden = self.status(n)? == FrameStatus::Hidden;
        Some(Truth {
            id: self.condition.id().to_owned(),
            frame: n as u32,
            time_ms: self.setting.frame_ms(n),
            x_deg,
            y_deg,
            dx_deg_per_s,
            dy_deg_per_s,
            epoch: if self.track.is_behind(n) {
                Epoch::Hidden
            } else {
                Epoch::Visible
            },
            ball_visible: !(self.setting.look.no_ball || opaque && hidden),
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
        match self.drawn.frame(self.condition.id(), n) {
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
