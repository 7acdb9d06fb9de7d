//! The animals' screen as a picture: background, frame, fixation point, ball, occluder, paddle, in
//! this order.

use serde::{Deserialize, Serialize};

use crate::frames::canvas::{Canvas, Rgb};
use crate::frames::{FrameScene, PaddleLook};
use crate::task::geometry::{
    FIELD_HALF_DEG, FIXATION_DIAMETER_DEG, Geometry, PADDLE_HEIGHT_DEG, PADDLE_WIDTH_DEG,
    WALL_WIDTH_DEG,
};

/// Colours and sizes of a screen.
///
/// The published sources give the sizes, a red occluder, a green paddle that is transparent before
/// its first movement, and a white fixation circle. They do not give the colours of ball,
/// background and frame, the exact red and green, the transparency, or the width of the frame's
/// line: those are ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScreenStyle {
    /// Width and height of the picture, pixels.
    pub size_px: usize,
    /// Half of what the picture shows, degrees; the field itself is ±10°.
    pub view_half_deg: f64,
    /// Colour behind everything.
    pub background: Rgb,
    /// Colour of the ball.
    pub ball: Rgb,
    /// Radius of the ball, degrees.
    pub ball_radius_deg: f64,
    /// Colour of the occluders.
    pub occluder: Rgb,
    /// The paddle, where the preset has one.
    pub paddle: Option<PaddleStyle>,
    /// Colour of the fixation point in the centre, 0.5° across, where the preset has one.
    pub fixation: Option<Rgb>,
    /// The line around the field, where the preset has one.
    pub frame: Option<FrameStyle>,
    /// Where occluders and walls stand.
    #[serde(default)]
    pub geometry: Geometry,
}

/// Colour of walls that are drawn.
const WALL: Rgb = Rgb::grey(128);

/// Colours and sizes of the paddle, whose centre stands at x = 10°.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaddleStyle {
    /// Colour.
    pub color: Rgb,
    /// Width, degrees; also width and height before the first movement.
    pub width_deg: f64,
    /// Height after the first movement, degrees.
    pub height_deg: f64,
    /// Opacity before the first movement, 0 to 1.
    pub waiting_alpha: f64,
}

impl Default for PaddleStyle {
    fn default() -> Self {
        Self {
            color: Rgb(0, 255, 0),
            width_deg: PADDLE_WIDTH_DEG,
            height_deg: PADDLE_HEIGHT_DEG,
            waiting_alpha: 0.5,
        }
    }
}

/// The line around the field, drawn outside of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameStyle {
    /// Colour.
    pub color: Rgb,
    /// Width, degrees.
    pub width_deg: f64,
}

impl ScreenStyle {
    /// Pixels of a degree.
    #[must_use]
    pub fn px_per_deg(&self) -> f64 {
        self.size_px as f64 / (2.0 * self.view_half_deg)
    }

    /// A position in degrees to pixels, column and row, from the upper left corner.
    #[must_use]
    pub fn px_from_deg(&self, (x_deg, y_deg): (f64, f64)) -> (f64, f64) {
        (
            (x_deg + self.view_half_deg) * self.px_per_deg(),
            (self.view_half_deg - y_deg) * self.px_per_deg(),
        )
    }

    /// Paints the whole scene.
    pub(crate) fn paint(&self, scene: &FrameScene, canvas: &mut Canvas) {
        canvas.fill(self.background);
        if let Some(frame) = &self.frame {
            let outer = FIELD_HALF_DEG + frame.width_deg;
            self.rect(canvas, (-outer, -outer), (outer, outer), frame.color, 1.0);
            let inner = FIELD_HALF_DEG;
            self.rect(
                canvas,
                (-inner, -inner),
                (inner, inner),
                self.background,
                1.0,
            );
        }
        if self.geometry.draw_walls {
            let Geometry {
                wall_low_deg: low,
                wall_high_deg: high,
                ..
            } = self.geometry;
            for (from, to) in [(low - WALL_WIDTH_DEG, low), (high, high + WALL_WIDTH_DEG)] {
                let half = FIELD_HALF_DEG;
                self.rect(canvas, (-half, from), (half, to), WALL, 1.0);
            }
        }
        if let Some(color) = self.fixation.filter(|_| scene.fixation) {
            let (column, row) = self.px_from_deg((0.0, 0.0));
            let r = 0.5 * FIXATION_DIAMETER_DEG * self.px_per_deg();
            canvas.disc(column, row, r, color, 1.0);
        }
        if let Some(ball) = scene.ball {
            self.paint_ball(ball, canvas);
        }
        if let Some(alpha) = scene.occluder {
            for rect in &self.geometry.occluders {
                let (from, to) = ((rect.x0_deg, rect.y0_deg), (rect.x1_deg, rect.y1_deg));
                self.rect(canvas, from, to, self.occluder, alpha);
            }
        }
        if let (Some(paddle), Some((y, look))) = (&self.paddle, scene.paddle) {
            let (height_deg, alpha) = match look {
                PaddleLook::Waiting => (paddle.width_deg, paddle.waiting_alpha),
                PaddleLook::Full => (paddle.height_deg, 1.0),
            };
            let (w, h) = (0.5 * paddle.width_deg, 0.5 * height_deg);
            let x = self.geometry.intercept_x_deg;
            self.rect(canvas, (x - w, y - h), (x + w, y + h), paddle.color, alpha);
        }
    }

    pub(crate) fn paint_ball(&self, ball_deg: (f64, f64), canvas: &mut Canvas) {
        let (column, row) = self.px_from_deg(ball_deg);
        if column.is_finite() && row.is_finite() {
            let r = self.ball_radius_deg * self.px_per_deg();
            canvas.disc(column, row, r, self.ball, 1.0);
        }
    }

    /// A rectangle between two corners in degrees, lower left and upper right.
    fn rect(&self, canvas: &mut Canvas, from: (f64, f64), to: (f64, f64), color: Rgb, alpha: f64) {
        let (x0, y1) = self.px_from_deg(from);
        let (x1, y0) = self.px_from_deg(to);
        canvas.rect(x0, y0, x1, y1, color, alpha);
    }
}
