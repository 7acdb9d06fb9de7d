//! Preset `display`: 480 × 480 RGB, the task as a person sees it, with paddle and fixation point.
//!
//! ±12° fill the picture, 20 px a degree, so that the paddle, whose centre stands on the field's
//! right edge, is seen as a whole. The field's frame is a thin grey line. What the sources leave
//! open is listed at [`ScreenStyle`].

use crate::frames::canvas::Rgb;
use crate::frames::screen::{FrameStyle, PaddleStyle, ScreenStyle};
use crate::task::geometry::{BALL_RADIUS_DISPLAY_DEG, Geometry};

/// Width and height, pixels.
pub const SIZE: usize = 480;

/// The preset's colours and sizes.
#[must_use]
pub fn style() -> ScreenStyle {
    ScreenStyle {
        size_px: SIZE,
        view_half_deg: 12.0,
        background: Rgb::grey(0),
        ball: Rgb::grey(255),
        ball_radius_deg: BALL_RADIUS_DISPLAY_DEG,
        occluder: Rgb(255, 0, 0),
        paddle: Some(PaddleStyle::default()),
        fixation: Some(Rgb::grey(255)),
        frame: Some(FrameStyle {
            color: Rgb::grey(128),
            width_deg: 0.1,
        }),
        geometry: Geometry::default(),
    }
}
