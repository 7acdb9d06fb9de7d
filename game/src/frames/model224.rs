//! Preset `model224`: 224 × 224 RGB, the animals' screen as an encoder sees it.
//!
//! The 20° field fills the picture, 11.2 px a degree, y up: row = (10 − y) · 11.2. Black
//! background, white ball of radius 0.2°, red occluder from x = 5° to the right edge, over the ball.
//! There is no paddle and no fixation point. Black, white and the pure red are ours; the sources say
//! only "red".

use crate::frames::canvas::Rgb;
use crate::frames::screen::ScreenStyle;
use crate::task::geometry::{BALL_RADIUS_DISPLAY_DEG, FIELD_HALF_DEG, Geometry};

/// Width and height, pixels.
pub const SIZE: usize = 224;

/// The preset's colours and sizes.
#[must_use]
pub fn style() -> ScreenStyle {
    ScreenStyle {
        size_px: SIZE,
        view_half_deg: FIELD_HALF_DEG,
        background: Rgb::grey(0),
        ball: Rgb::grey(255),
        ball_radius_deg: BALL_RADIUS_DISPLAY_DEG,
        occluder: Rgb(255, 0, 0),
        paddle: None,
        fixation: None,
        frame: None,
        geometry: Geometry::default(),
    }
}
