//! Trials of one's own, beside those of the generator.

use crate::error::{Error, Result};
use crate::task::condition::Condition;
use crate::task::geometry::{
    DEG_PER_S_OF_UNIT_SPEED, DESIGN_HZ, FIELD_HALF_DEG, OCCLUDER_X_DEG, WALL_DISPLAY_DEG,
    units_from_deg,
};
use crate::task::law::{Law, trajectory};

/// The first id of a trial of one's own; those of the generator end below.
pub const OWN_ID_FIRST: u32 = 1_000_000;
/// The longest flight that a trial of one's own may have, milliseconds.
pub const LONGEST_FLIGHT_MS: f64 = 20_000.0;

/// A trial of one's own: start in degrees, heading in degrees of angle (0 = right, up positive),
/// speed in degrees per second. Its times, heights and bounces follow by the law `design`.
///
/// # Errors
/// [`Error::BadValue`] for a trial that cannot be: a start outside the walls or not left of the
/// occluder, a heading that does not lead to the right, a flight of more than 20 s, more than one
/// bounce before the end under either law.
pub fn own_condition(
    id: u32,
    (x0_deg, y0_deg): (f64, f64),
    heading_deg: f64,
    speed_deg_per_s: f64,
) -> Result<Condition> {
    let within = |field, value: f64, ok: bool, expected: &str| {
        if ok && value.is_finite() {
            Ok(())
        } else {
            Err(Error::BadValue {
                field,
                expected: expected.to_owned(),
                found: value.to_string(),
            })
        }
    };
    within(
        "x0_deg",
        x0_deg,
        (-FIELD_HALF_DEG..OCCLUDER_X_DEG).contains(&x0_deg),
        "-10 to 5, left of the occluder",
    )?;
    within(
        "y0_deg",
        y0_deg,
        // The narrower wall of the two laws.
        y0_deg.abs() < 9.6,
        "between the walls, -9.6 to 9.6",
    )?;
    within(
        "heading_deg",
        heading_deg,
        heading_deg.abs() < 90.0,
        "more than -90 and less than 90: the ball flies to the right",
    )?;
    within(
        "speed_deg_per_s",
        speed_deg_per_s,
        speed_deg_per_s > 0.0,
        "a positive number",
    )?;
    let heading0_rad = heading_deg.to_radians();
    let speed0 = speed_deg_per_s / DEG_PER_S_OF_UNIT_SPEED;
    let (sin, cos) = libm::sincos(heading0_rad);
    let flight_ms = (FIELD_HALF_DEG - x0_deg) / (speed_deg_per_s * cos) * 1000.0;
    within(
        "speed_deg_per_s",
        speed_deg_per_s,
        flight_ms <= LONGEST_FLIGHT_MS,
        "a ball that arrives within 20 s",
    )?;
    // A step longer than the field would pass both walls at once.
    let step_deg = speed_deg_per_s * sin.abs() / DESIGN_HZ;
    within(
        "speed_deg_per_s",
        speed_deg_per_s,
        step_deg < WALL_DISPLAY_DEG,
        "a ball that does not cross the field in a step",
    )?;
    let mut condition = Condition {
        id,
        x0: units_from_deg(x0_deg),
        y0: units_from_deg(y0_deg),
        heading0_rad,
        speed0,
        n_bounce: 0,
        y_final: 0.0,
        x_final: 0.0,
        t_end: 0,
        t_occ: 0,
    };
    let mut bounces = 0;
    for law in Law::ALL {
        let path = trajectory(&condition, law);
        let turns = path
            .y_deg
            .windows(3)
            .filter(|y| (y[1] - y[0]) * (y[2] - y[1]) < 0.0)
            .count();
        bounces = bounces.max(turns);
    }
    if bounces > 1 {
        return Err(Error::BadValue {
            field: "heading_deg",
            expected: "a flight with at most one bounce".into(),
            found: format!("{heading_deg}, which bounces {bounces} times"),
        });
    }
    let path = trajectory(&condition, Law::Design);
    condition.t_end = u32::try_from(path.end_frame).unwrap_or(u32::MAX);
    condition.t_occ = u32::try_from(path.occlusion_frame).unwrap_or(u32::MAX);
    condition.n_bounce = u32::from(path.bounce_frame.is_some_and(|n| n < path.end_frame));
    condition.y_final = units_from_deg(path.y_deg[path.end_frame]);
    condition.x_final = units_from_deg(path.x_deg[path.end_frame]);
    Ok(condition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::conditions79::primate79;
    use proptest::prelude::*;

    #[test]
    fn a_recorded_trial_given_by_hand_is_the_recorded_trial() {
        for recorded in primate79() {
            let own = own_condition(
                recorded.id,
                (recorded.x0_deg(), recorded.y0_deg()),
                recorded.heading0_deg(),
                recorded.speed_deg_per_s(),
            )
            .unwrap();
            assert_eq!(
                (own.t_occ, own.t_end, own.n_bounce),
                (recorded.t_occ, recorded.t_end, recorded.n_bounce),
                "{}",
                recorded.id
            );
            assert!((own.y_final - recorded.y_final).abs() < 1e-9);
        }
    }

    #[test]
    fn impossible_trials_are_refused_by_field() {
        let refused = |start, heading, speed| {
            own_condition(OWN_ID_FIRST, start, heading, speed)
                .unwrap_err()
                .to_string()
        };
        assert!(refused((6.0, 0.0), 0.0, 7.5).starts_with("x0_deg is 6"));
        assert!(refused((0.0, 9.9), 0.0, 7.5).starts_with("y0_deg is 9.9"));
        assert!(refused((0.0, 0.0), 90.0, 7.5).starts_with("heading_deg is 90"));
        assert!(refused((0.0, 0.0), 120.0, 7.5).starts_with("heading_deg"));
        assert!(refused((0.0, 0.0), 0.0, 0.0).starts_with("speed_deg_per_s is 0"));
        assert!(refused((0.0, 0.0), 0.0, 0.1).contains("within 20 s"));
        assert!(refused((-8.0, 0.0), 75.0, 7.5).contains("at most one bounce"));
        assert!(refused((f64::NAN, 0.0), 0.0, 7.5).starts_with("x0_deg is NaN"));
    }

    proptest! {
        #[test]
        fn no_number_makes_it_panic_or_run_for_ever(
            x in prop::num::f64::ANY, y in prop::num::f64::ANY,
            heading in prop::num::f64::ANY, speed in prop::num::f64::ANY,
        ) {
            let _ = own_condition(OWN_ID_FIRST, (x, y), heading, speed);
            let _ = own_condition(OWN_ID_FIRST, (x % 10.0, y % 10.0), heading % 90.0, speed % 50.0);
        }
    }
}
