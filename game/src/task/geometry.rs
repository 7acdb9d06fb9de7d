//! The field, the ball and the clock, as numbers, and the geometry of a condition.
//!
//! Degrees are degrees of visual angle with the origin in the centre, x right, y up
//! (Rajalingham et al. 2025). Units are those of the generator's 32 × 32 field, whose origin is
//! the lower left corner.

use serde::{Deserialize, Serialize};

use crate::task::epochs::FrameStatus;
use crate::task::law::Law;

/// Half the width and height of the field, degrees.
pub const FIELD_HALF_DEG: f64 = 10.0;
/// Left edge of the occluder, degrees; it reaches to the right edge and over the whole height.
pub const OCCLUDER_X_DEG: f64 = 5.0;
/// Where the paddle stands and a trial ends, degrees.
pub const INTERCEPT_X_DEG: f64 = 10.0;
/// Radius of the displayed ball, degrees: what a wall at 9.8° implies.
pub const BALL_RADIUS_DISPLAY_DEG: f64 = 0.2;
/// Height at which the displayed ball is found beyond the wall, degrees.
pub const WALL_DISPLAY_DEG: f64 = 9.8;
/// Width of a wall that is drawn, degrees, outside of the field that it bounds.
pub const WALL_WIDTH_DEG: f64 = 0.1;
/// Width of the paddle, degrees.
pub const PADDLE_WIDTH_DEG: f64 = 0.5;
/// Height of the paddle after its first movement, degrees.
pub const PADDLE_HEIGHT_DEG: f64 = 2.5;
/// Diameter of the fixation point, degrees.
pub const FIXATION_DIAMETER_DEG: f64 = 0.5;

/// Degrees of a unit.
pub const DEG_PER_UNIT: f64 = 0.625;
/// Width and height of the field, units.
pub const FIELD_UNITS: f64 = 32.0;
/// Left edge of the occluder, units.
pub const OCCLUDER_X_UNITS: f64 = 24.0;
/// Radius of the ball that the design law reflects at the walls, units (0.4°).
pub const BALL_RADIUS_DESIGN_UNITS: f64 = 0.64;
/// Radius of the ball in the networks' pictures, units (0.625°).
pub const BALL_RADIUS_RNN_UNITS: f64 = 1.0;

/// Steps of the design law in a second.
pub const DESIGN_HZ: f64 = 24.0;
/// Frames of the display in a second.
pub const DISPLAY_HZ: f64 = 60.0;
/// Degrees per second of a speed of one unit per step, as the task counts it.
pub const DEG_PER_S_OF_UNIT_SPEED: f64 = 15.0;

/// A position on either axis, from units to degrees: `(u − 16) · 10/16`.
#[must_use]
pub fn deg_from_units(units: f64) -> f64 {
    (units - 16.0) * DEG_PER_UNIT
}

/// A position on either axis, from degrees to units.
#[must_use]
pub fn units_from_deg(deg: f64) -> f64 {
    deg * 1.6 + 16.0
}

/// An upright rectangle, degrees. One that reaches the field's edge goes on beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rect {
    /// Left edge.
    pub x0_deg: f64,
    /// Right edge.
    pub x1_deg: f64,
    /// Lower edge.
    pub y0_deg: f64,
    /// Upper edge.
    pub y1_deg: f64,
}

impl Rect {
    /// `[left, right, lower, upper]`, degrees, an edge at the field's being endless.
    pub(crate) fn reach(&self) -> [f64; 4] {
        let low = |v: f64| {
            if v <= -FIELD_HALF_DEG {
                f64::NEG_INFINITY
            } else {
                v
            }
        };
        let high = |v: f64| {
            if v >= FIELD_HALF_DEG {
                f64::INFINITY
            } else {
                v
            }
        };
        [
            low(self.x0_deg),
            high(self.x1_deg),
            low(self.y0_deg),
            high(self.y1_deg),
        ]
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        let [left, right, lower, upper] = self.reach();
        x >= left && x <= right && y >= lower && y <= upper
    }
}

/// What stands in the field of a condition, degrees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Geometry {
    /// Height of the lower wall. Published: −10.
    pub wall_low_deg: f64,
    /// Height of the upper wall. Published: 10.
    pub wall_high_deg: f64,
    /// Radius of the ball, drawn and felt by the walls. Without it the published ones: drawn 0.2°
    /// (`rnn100` 0.625°), felt 0.2° under the display law and 0.4° under the design law.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ball_radius_deg: Option<f64>,
    /// What hides the ball. Published: x from 5° to 10° over the whole height.
    pub occluders: Vec<Rect>,
    /// Where the trial ends. Published: 10.
    pub intercept_x_deg: f64,
    /// Whether the walls are drawn. Published: they are not.
    pub draw_walls: bool,
}

impl Default for Geometry {
    fn default() -> Self {
        Self {
            wall_low_deg: -FIELD_HALF_DEG,
            wall_high_deg: FIELD_HALF_DEG,
            ball_radius_deg: None,
            occluders: vec![Rect {
                x0_deg: OCCLUDER_X_DEG,
                x1_deg: FIELD_HALF_DEG,
                y0_deg: -FIELD_HALF_DEG,
                y1_deg: FIELD_HALF_DEG,
            }],
            intercept_x_deg: INTERCEPT_X_DEG,
            draw_walls: false,
        }
    }
}

static PUBLISHED: std::sync::LazyLock<std::sync::Arc<Geometry>> =
    std::sync::LazyLock::new(Default::default);

impl Geometry {
    /// That of the published task.
    #[must_use]
    pub fn published() -> std::sync::Arc<Self> {
        std::sync::Arc::clone(&PUBLISHED)
    }

    /// Whether it is that of the published task.
    #[must_use]
    pub fn is_published(&self) -> bool {
        *self == **PUBLISHED
    }

    /// Radius of the displayed ball, degrees.
    #[must_use]
    pub fn radius_deg(&self) -> f64 {
        self.ball_radius_deg.unwrap_or(BALL_RADIUS_DISPLAY_DEG)
    }

    /// Whether a ball's centre is behind an occluder.
    #[must_use]
    pub fn hides(&self, ball_deg: (f64, f64)) -> bool {
        self.occluders.iter().any(|rect| rect.holds(ball_deg))
    }

    /// What can be seen of a ball of `radius_deg`.
    #[must_use]
    pub fn status(&self, ball_deg: (f64, f64), radius_deg: f64) -> FrameStatus {
        FrameStatus::of_share(self.visible_share(ball_deg, radius_deg))
    }

    /// How much of a ball of `radius_deg` no occluder covers, 0 to 1, to a thousandth; exactly 0 and 1
    /// where all of it is covered and none.
    #[must_use]
    pub fn visible_share(&self, (x, y): (f64, f64), radius_deg: f64) -> f64 {
        const STRIPS: usize = 512;
        let r = radius_deg;
        let mut touching: Vec<[f64; 4]> = Vec::new();
        for rect in &self.occluders {
            let [left, right, lower, upper] = rect.reach();
            if x - r >= left && x + r <= right && y - r >= lower && y + r <= upper {
                return 0.0;
            }
            // Beside an edge the box decides, exactly; beyond a corner the disc does.
            let touches = x + r > left && x - r < right && y + r > lower && y - r < upper;
            let (dx, dy) = (x - x.clamp(left, right), y - y.clamp(lower, upper));
            let cornered = dx != 0.0 && dy != 0.0 && dx * dx + dy * dy >= r * r;
            if touches && !cornered {
                touching.push([left, right, lower, upper]);
            }
        }
        if touching.is_empty() || r <= 0.0 {
            return 1.0;
        }
        touching.sort_by(|a, b| a[2].total_cmp(&b[2]));
        let (mut area, mut seen) = (0.0, 0.0);
        for k in 0..STRIPS {
            let dx = r * ((2 * k + 1) as f64 / STRIPS as f64 - 1.0);
            let half = (r * r - dx * dx).sqrt();
            let (mut from, top) = (y - half, y + half);
            area += 2.0 * half;
            for [left, right, lower, upper] in &touching {
                if x + dx < *left || x + dx > *right || *upper <= from {
                    continue;
                }
                seen += (lower.min(top) - from).max(0.0);
                from = from.max(*upper);
            }
            seen += (top - from).max(0.0);
        }
        let share = seen / area;
        // Several may cover all of it together; one that does was found above, whatever the strips say.
        if touching.len() > 1 && share <= 0.0 {
            0.0
        } else {
            share.clamp(1e-9, 1.0 - 1e-9)
        }
    }

    /// `[low, high]`: the heights at which a wall turns the ball's centre under a law, degrees.
    #[must_use]
    pub fn turns_deg(&self, law: Law) -> [f64; 2] {
        let felt = self.ball_radius_deg.unwrap_or(match law {
            Law::Display => BALL_RADIUS_DISPLAY_DEG,
            Law::Design => BALL_RADIUS_DESIGN_UNITS * DEG_PER_UNIT,
        });
        [self.wall_low_deg + felt, self.wall_high_deg - felt]
    }

    /// `[low, high]`: the heights at which the design law mirrors the ball, units.
    pub(crate) fn turns_units(&self) -> [f64; 2] {
        let felt = self
            .ball_radius_deg
            .map_or(BALL_RADIUS_DESIGN_UNITS, |deg| deg / DEG_PER_UNIT);
        [
            units_from_deg(self.wall_low_deg) + felt,
            units_from_deg(self.wall_high_deg) - felt,
        ]
    }
}
