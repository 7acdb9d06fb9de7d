//! The field, the ball and the clock, as numbers.
//!
//! Degrees are degrees of visual angle with the origin in the centre, x right, y up
//! (Rajalingham et al. 2025). Units are those of the generator's 32 × 32 field, whose origin is
//! the lower left corner.

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
