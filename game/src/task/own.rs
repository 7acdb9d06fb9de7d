//! Trials of one's own: the check that a trial can be run.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::task::condition::Condition;
use crate::task::generator::{flight, step_between, trial};
use crate::task::geometry::{
    DEG_PER_S_OF_UNIT_SPEED, FIELD_HALF_DEG, Geometry, deg_from_units, units_from_deg,
};
use crate::task::law::named;

/// Longest trial that is let through, design steps of 1/24 s (100 s).
pub const MAX_STEPS: u32 = 2400;
/// Fastest ball that is let through, degrees per second.
pub const MAX_SPEED_DEG_PER_S: f64 = 100.0;

/// Which trials are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Those that the published generator would keep: 15 to 45 design steps visible and as many
    /// hidden, and at most one bounce in 100.
    Published,
    /// Every trial that can be run: the ball starts in the field left of the occluder and reaches
    /// the right edge in [`MAX_STEPS`], with any number of bounces.
    Possible,
}

impl Rule {
    /// Both rules.
    pub const ALL: [Self; 2] = [Self::Published, Self::Possible];

    /// The rule's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Possible => "possible",
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("rule", name, &Self::ALL, Self::name)
    }
}

/// Where a trial of one's own starts and how it flies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Units of the 32 × 32 field from the left edge.
    pub x0: f64,
    /// Units from the lower edge.
    pub y0: f64,
    /// Radians, 0 = right, up positive.
    pub heading0_rad: f64,
    /// Units per design step.
    pub speed0: f64,
}

impl Start {
    /// From degrees of visual angle, degrees of angle, and degrees per second.
    #[must_use]
    pub fn from_deg(x0_deg: f64, y0_deg: f64, heading_deg: f64, speed_deg_per_s: f64) -> Self {
        Self {
            x0: units_from_deg(x0_deg),
            y0: units_from_deg(y0_deg),
            heading0_rad: heading_deg.to_radians(),
            speed0: speed_deg_per_s / DEG_PER_S_OF_UNIT_SPEED,
        }
    }
}

/// Why a trial cannot be run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unfit {
    /// 0 x0, 1 y0, 2 heading, 3 speed.
    pub(crate) value: usize,
    /// What it has to be.
    pub(crate) expected: String,
    /// What it is, or what comes of it.
    pub(crate) found: Option<String>,
}

/// The trial of a start in the published geometry, with what the design law makes of it.
///
/// # Errors
/// [`Error::BadValue`] naming the value that does not fit and its range, in degrees.
pub fn own_condition(id: u32, start: Start, rule: Rule) -> Result<Condition> {
    check(id, start, rule).map_err(|unfit| unfit.of(start))
}

impl Unfit {
    fn of(self, start: Start) -> Error {
        let (field, value) = in_degrees(start)[self.value];
        Error::BadValue {
            field,
            expected: self.expected,
            found: self.found.unwrap_or_else(|| value.to_string()),
        }
    }
}

fn in_degrees(start: Start) -> [(&'static str, f64); 4] {
    [
        ("x0_deg", deg_from_units(start.x0)),
        ("y0_deg", deg_from_units(start.y0)),
        ("heading_deg", start.heading0_rad.to_degrees()),
        ("speed_deg_per_s", start.speed0 * DEG_PER_S_OF_UNIT_SPEED),
    ]
}

fn no(value: usize, expected: impl Into<String>) -> Unfit {
    Unfit {
        value,
        expected: expected.into(),
        found: None,
    }
}

/// A trial that the rule lets through in the published geometry.
pub(crate) fn check(id: u32, start: Start, rule: Rule) -> std::result::Result<Condition, Unfit> {
    let condition = check_in(id, start, &Geometry::published())?;
    if rule == Rule::Possible {
        return Ok(condition);
    }
    let Start {
        x0,
        y0,
        heading0_rad,
        speed0,
    } = start;
    let flight = flight(x0, heading0_rad, speed0).ok_or_else(|| Unfit {
        found: Some(format!(
            "{} and {}",
            condition.t_occ,
            condition.t_end - condition.t_occ
        )),
        ..no(
            3,
            "a ball that is visible for 15 to 45 steps of 1/24 s and hidden for as many",
        )
    })?;
    trial(id, x0, y0, &flight).ok_or_else(|| Unfit {
        found: Some("more".into()),
        ..no(2, "at most one bounce in 100 steps of 1/24 s")
    })
}

/// A trial that can be run in a geometry.
pub(crate) fn check_in(
    id: u32,
    start: Start,
    geometry: &Geometry,
) -> std::result::Result<Condition, Unfit> {
    let [low, high] = geometry.turns_units();
    let (x_deg, y_deg) = (deg_from_units(start.x0), deg_from_units(start.y0));
    let Start {
        x0,
        y0,
        heading0_rad,
        speed0,
    } = start;
    if !(x0 >= 0.0 && x_deg < geometry.intercept_x_deg) || geometry.hides((x_deg, y_deg)) {
        return Err(match geometry.is_published() {
            true => no(0, "from -10 to below 5 degrees, left of the occluder"),
            false => no(
                0,
                format!(
                    "from -{FIELD_HALF_DEG} to below {} degrees, behind no occluder",
                    geometry.intercept_x_deg
                ),
            ),
        });
    }
    // Half a thousandth of room for heights that were rounded on their way here.
    if !(low - 5e-4..=high + 5e-4).contains(&y0) {
        let [low, high] = [low, high].map(|units| (deg_from_units(units) * 1e6).round() / 1e6);
        return Err(no(
            1,
            format!("from {low} to {high} degrees, between the walls"),
        ));
    }
    if heading0_rad.is_nan() || heading0_rad.abs() >= std::f64::consts::FRAC_PI_2 {
        return Err(no(2, "above -90 and below 90 degrees, to the right"));
    }
    if !(speed0 > 0.0 && speed0 * DEG_PER_S_OF_UNIT_SPEED <= MAX_SPEED_DEG_PER_S) {
        return Err(no(3, "above 0 and up to 100 degrees per second"));
    }
    if (speed0 * libm::sin(heading0_rad)).abs() >= high - low {
        return Err(no(3, "a ball that meets one wall at most in 1/24 s"));
    }
    let condition = fly(id, start, geometry).ok_or_else(|| Unfit {
        found: Some("a ball that is slower".into()),
        ..no(3, "a ball that crosses the field in 100 s")
    })?;
    let never_hidden = geometry.is_published() && condition.t_end == condition.t_occ;
    if condition.t_occ == 0 || never_hidden {
        return Err(Unfit {
            found: Some("none".into()),
            ..no(3, "a frame before and one behind the occluder's edge")
        });
    }
    Ok(condition)
}

/// The design law to the interception plane, in the generator's order of sums; nothing where that takes
/// more than [`MAX_STEPS`].
fn fly(id: u32, start: Start, geometry: &Geometry) -> Option<Condition> {
    let (sin, cos) = libm::sincos(start.heading0_rad);
    let [low, high] = geometry.turns_units();
    let dx = start.speed0 * cos;
    let (mut x, mut y, mut dy) = (start.x0, start.y0, start.speed0 * sin);
    let (mut t_occ, mut bounces, mut reflected) = (None, 0, false);
    for frame in 0..MAX_STEPS {
        let at = (deg_from_units(x), deg_from_units(y));
        let arrived = at.0 >= geometry.intercept_x_deg;
        // As in the generator, a reflection in the very last frame is not counted.
        if reflected && !arrived {
            bounces += 1;
        }
        if t_occ.is_none() && (geometry.hides(at) || arrived) {
            t_occ = Some(frame);
        }
        if arrived {
            return Some(Condition {
                id,
                x0: start.x0,
                y0: start.y0,
                heading0_rad: start.heading0_rad,
                speed0: start.speed0,
                n_bounce: bounces,
                y_final: y,
                x_final: x,
                t_end: frame,
                t_occ: t_occ?,
            });
        }
        x += dx;
        (y, dy, reflected) = step_between(y, dy, low, high);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::generator::generate;

    #[test]
    fn a_trial_of_the_table_comes_out_as_it_stands_there() {
        for condition in generate().iter().step_by(97) {
            let start = Start {
                x0: condition.x0,
                y0: condition.y0,
                heading0_rad: condition.heading0_rad,
                speed0: condition.speed0,
            };
            for rule in Rule::ALL {
                assert_eq!(check(condition.id, start, rule).as_ref(), Ok(condition));
            }
        }
    }

    #[test]
    fn the_published_rule_is_stricter_and_says_why() {
        let slow = Start::from_deg(-6.0, 0.0, 0.0, 2.0);
        assert!(own_condition(1, slow, Rule::Possible).is_ok());
        let message = own_condition(1, slow, Rule::Published)
            .unwrap_err()
            .to_string();
        assert!(message.contains("15 to 45 steps"), "{message}");
        let twice = Start::from_deg(-2.0, 9.0, -70.0, 11.25);
        let message = own_condition(1, twice, Rule::Published)
            .unwrap_err()
            .to_string();
        assert!(message.contains("bounce"), "{message}");
    }
}
