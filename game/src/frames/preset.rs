//! The kinds of picture that there are.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::screen::ScreenStyle;
use crate::frames::{display, model224, rnn100};
use crate::task::law::named;

/// A kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 100 × 100 grey, as the networks of 2022 saw the task: see [`rnn100`].
    Rnn100,
    /// 224 × 224 RGB, as an encoder sees the animals' screen: see [`model224`].
    Model224,
    /// 480 × 480 RGB with paddle and fixation: see [`display`].
    Display,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 3] = [Self::Rnn100, Self::Model224, Self::Display];

    /// The preset's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rnn100 => "rnn100",
            Self::Model224 => "model224",
            Self::Display => "display",
        }
    }

    /// Width and height, pixels.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Rnn100 => rnn100::SIZE,
            Self::Model224 => model224::SIZE,
            Self::Display => display::SIZE,
        }
    }

    /// Channels of a pixel: 1 grey, 3 RGB.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Rnn100 => 1,
            Self::Model224 | Self::Display => 3,
        }
    }

    /// Bytes of a frame.
    #[must_use]
    pub const fn frame_len(self) -> usize {
        self.size() * self.size() * self.channels()
    }

    /// Shape of `n` frames: `[frame, y, x]`, or `[frame, y, x, channel]` where there are three.
    #[must_use]
    pub fn shape(self, n: usize) -> Vec<usize> {
        let mut shape = vec![n, self.size(), self.size()];
        if self.channels() > 1 {
            shape.push(self.channels());
        }
        shape
    }

    /// Radius of the drawn ball, degrees.
    #[must_use]
    pub fn ball_radius_deg(self) -> f64 {
        self.style()
            .map_or(rnn100::BALL_RADIUS_DEG, |style| style.ball_radius_deg)
    }

    /// The colours and sizes of an RGB preset; none for `rnn100`, which has a rule of its own.
    #[must_use]
    pub fn style(self) -> Option<ScreenStyle> {
        match self {
            Self::Rnn100 => None,
            Self::Model224 => Some(model224::style()),
            Self::Display => Some(display::style()),
        }
    }

    /// A position in degrees to pixels, column and row, from the upper left corner. In `rnn100`
    /// the row grows with y, in the others it falls.
    #[must_use]
    pub fn px_from_deg(self, (x_deg, y_deg): (f64, f64)) -> (f64, f64) {
        match self.style() {
            None => rnn100::px_from_deg((x_deg, y_deg)),
            Some(style) => style.px_from_deg((x_deg, y_deg)),
        }
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("preset", name, &Self::ALL, Self::name)
    }
}
