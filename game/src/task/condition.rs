//! One trial of the generator's table.

use serde::{Deserialize, Serialize};

use crate::task::geometry::{DEG_PER_S_OF_UNIT_SPEED, deg_from_units};

/// One trial: where the ball starts, how it flies, and what the design law makes of it.
///
/// Positions are in units of the 32 × 32 field, times in design steps of 1/24 s; the methods give
/// degrees and degrees per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Row in the published order of the 472,225 trials.
    pub id: u32,
    /// Start, units from the left edge.
    pub x0: f64,
    /// Start, units from the lower edge.
    pub y0: f64,
    /// First heading, radians, 0 = right, up positive.
    pub heading0_rad: f64,
    /// Speed, units per step: 0.25, 0.5 or 0.75.
    pub speed0: f64,
    /// Bounces flagged up to the last frame. The flag sits one frame after the reflected frame,
    /// so a reflection in the very last frame is not counted.
    pub n_bounce: u32,
    /// Height at the last frame, units (design law).
    pub y_final: f64,
    /// x at the last frame, units (design law); 32 or slightly more.
    pub x_final: f64,
    /// The last frame: the first with x ≥ 32 units.
    pub t_end: u32,
    /// The first frame with x ≥ 24 units, the occluder's edge.
    pub t_occ: u32,
}

impl Condition {
    /// Start, degrees.
    #[must_use]
    pub fn x0_deg(&self) -> f64 {
        deg_from_units(self.x0)
    }

    /// Start, degrees.
    #[must_use]
    pub fn y0_deg(&self) -> f64 {
        deg_from_units(self.y0)
    }

    /// First heading, degrees of angle.
    #[must_use]
    pub fn heading0_deg(&self) -> f64 {
        self.heading0_rad.to_degrees()
    }

    /// Speed, degrees per second.
    #[must_use]
    pub fn speed_deg_per_s(&self) -> f64 {
        self.speed0 * DEG_PER_S_OF_UNIT_SPEED
    }

    /// First velocity `(vx, vy)`, degrees per second.
    #[must_use]
    pub fn velocity0_deg_per_s(&self) -> (f64, f64) {
        let (sin, cos) = libm::sincos(self.heading0_rad);
        (self.speed_deg_per_s() * cos, self.speed_deg_per_s() * sin)
    }

    /// Height at the last frame, degrees (design law; `yf_mworks` of the recordings).
    #[must_use]
    pub fn y_final_design_deg(&self) -> f64 {
        deg_from_units(self.y_final)
    }
}
