//! The generator of the 472,225 trials, in the published order.
//!
//! The rule is that of Rajalingham et al. (2022): a grid of starts, headings and speeds, of which
//! those trials are kept whose visible and hidden parts have a fitting length and which bounce at
//! most once within 100 frames. Sums and products are done in numpy's order, so that positions
//! agree to the last bits.

use crate::task::condition::Condition;
use crate::task::geometry::{BALL_RADIUS_DESIGN_UNITS, FIELD_UNITS, OCCLUDER_X_UNITS};
use mental_pong_base::threads::map;

/// Number of trials that the rule keeps.
pub const N_TRIALS: usize = 472_225;

const N_X: usize = 50;
const N_Y: usize = 90;
const N_HEADING: usize = 150;
const N_SPEED: usize = 4;
/// Frames simulated for each trial, the start among them.
const N_FRAMES: u32 = 100;

/// Element `i` of numpy's `arange(0.05, …, 0.01)`, in units.
fn start_units(i: usize) -> f64 {
    let (start, step) = (0.05, 0.01);
    let delta = (start + step) - start;
    (start + i as f64 * delta) * FIELD_UNITS
}

/// Element `i` of numpy's `linspace(-0.4π, 0.4π, 150)`, radians.
fn heading_rad(i: usize) -> f64 {
    let stop = 0.4 * std::f64::consts::PI;
    let start = -stop;
    if i == N_HEADING - 1 {
        return stop;
    }
    i as f64 * ((stop - start) / (N_HEADING - 1) as f64) + start
}

/// Element `i` of `linspace(0, 1, 5)[1:]`, units per frame.
fn speed_units(i: usize) -> f64 {
    (i + 1) as f64 / N_SPEED as f64
}

/// A heading and a speed from one x0, with what they fix whatever the height.
pub(crate) struct Flight {
    heading_rad: f64,
    speed_units: f64,
    dy: f64,
    t_occ: u32,
    t_end: u32,
    x_final: f64,
}

/// The flight from `x0`, or nothing where the rule drops it whatever the height.
pub(crate) fn flight(x0: f64, heading_rad: f64, speed_units: f64) -> Option<Flight> {
    let (sin, cos) = libm::sincos(heading_rad);
    let dx = speed_units * cos;
    let to_occluder = (OCCLUDER_X_UNITS - x0) / dx;
    let behind = (FIELD_UNITS - OCCLUDER_X_UNITS) / dx;
    if !(16.0..=44.0).contains(&to_occluder) || !(16.0..=44.0).contains(&behind) {
        return None;
    }
    let (mut x, mut t_occ) = (x0, None);
    for frame in 0..N_FRAMES {
        if t_occ.is_none() && x >= OCCLUDER_X_UNITS {
            t_occ = Some(frame);
        }
        if x >= FIELD_UNITS {
            let t_occ = t_occ?;
            let fits = |frames: u32| (15..=45).contains(&frames);
            return (fits(t_occ) && fits(frame - t_occ)).then_some(Flight {
                heading_rad,
                speed_units,
                dy: speed_units * sin,
                t_occ,
                t_end: frame,
                x_final: x,
            });
        }
        x += dx;
    }
    None
}

/// One step of the design law on the vertical axis between the published walls: the height, the step
/// that goes on from it, and whether it was reflected.
pub(crate) fn design_step(y: f64, dy: f64) -> (f64, f64, bool) {
    let (low, high) = (
        BALL_RADIUS_DESIGN_UNITS,
        FIELD_UNITS - BALL_RADIUS_DESIGN_UNITS,
    );
    step_between(y, dy, low, high)
}

/// One step of the design law between the heights at which it mirrors the ball.
pub(crate) fn step_between(y: f64, dy: f64, low: f64, high: f64) -> (f64, f64, bool) {
    let y = y + dy;
    if y <= low {
        (2.0 * low - y, -dy, true)
    } else if y >= high {
        (2.0 * high - y, -dy, true)
    } else {
        (y, dy, false)
    }
}

/// The trial of a flight from the height `y0`, or nothing where it bounces twice.
pub(crate) fn trial(id: u32, x0: f64, y0: f64, flight: &Flight) -> Option<Condition> {
    let (mut y, mut dy) = (y0, flight.dy);
    let (mut flags, mut n_bounce, mut y_final) = (0, 0, y0);
    // A reflection is flagged one frame later, so that of the last frame is never seen.
    for frame in 1..N_FRAMES - 1 {
        let reflected;
        (y, dy, reflected) = design_step(y, dy);
        if reflected {
            flags += 1;
            if flags > 1 {
                return None;
            }
            if frame < flight.t_end {
                n_bounce += 1;
            }
        }
        if frame == flight.t_end {
            y_final = y;
        }
    }
    Some(Condition {
        id,
        x0,
        y0,
        heading0_rad: flight.heading_rad,
        speed0: flight.speed_units,
        n_bounce,
        y_final,
        x_final: flight.x_final,
        t_end: flight.t_end,
        t_occ: flight.t_occ,
    })
}

/// The trial at one place of the grid, `[x0, y0, heading, speed]`, or nothing where it is dropped.
pub(crate) fn trial_of_grid(id: u32, [x, y, heading, speed]: [usize; 4]) -> Option<Condition> {
    let x0 = start_units(x);
    let flight = flight(x0, heading_rad(heading), speed_units(speed))?;
    trial(id, x0, start_units(y), &flight)
}

/// The flights from `x0` that the rule keeps at some height, in the published order.
fn flights(x0: f64) -> Vec<Flight> {
    (0..N_HEADING)
        .flat_map(|heading| (0..N_SPEED).map(move |speed| (heading, speed)))
        .filter_map(|(heading, speed)| flight(x0, heading_rad(heading), speed_units(speed)))
        .collect()
}

/// One trial by its id, without the others; nothing outside the table. Trials before it that start as
/// far right are flown, so that it takes some milliseconds at most.
#[must_use]
pub fn row(id: u32) -> Option<Condition> {
    if id as usize >= N_TRIALS {
        return None;
    }
    let x = FIRST_OF_X.partition_point(|&first| first <= id) - 1;
    let x0 = start_units(x);
    let flights = flights(x0);
    let trials = (0..N_Y).flat_map(|y| {
        let y0 = start_units(y);
        flights
            .iter()
            .filter_map(move |flight| trial(id, x0, y0, flight))
    });
    trials.into_iter().nth((id - FIRST_OF_X[x]) as usize)
}

/// The first id of each start from left to right; a test holds it against the table.
const FIRST_OF_X: [u32; N_X] = [
    0, 0, 0, 1620, 3993, 7113, 10796, 14839, 19259, 24052, 29214, 34736, 40621, 46866, 53291,
    60076, 67041, 74366, 81871, 89556, 97591, 105795, 114164, 122694, 131383, 140378, 149520,
    158807, 168235, 177800, 187500, 197331, 207291, 217376, 227584, 237911, 248355, 260534, 274264,
    289003, 304569, 320960, 338174, 356027, 374517, 393462, 413040, 429498, 444656, 458892,
];

/// All 472,225 trials in the published order: trial `id` is element `id`.
///
/// The same for any number of threads. About 38 MB.
#[must_use]
pub fn generate() -> Vec<Condition> {
    let columns: Vec<Vec<Condition>> = map(N_X, |x| {
        let x0 = start_units(x);
        let flights = flights(x0);
        (0..N_Y)
            .flat_map(|y| {
                let y0 = start_units(y);
                flights
                    .iter()
                    .filter_map(move |flight| trial(0, x0, y0, flight))
            })
            .collect()
    });
    let mut all = columns.concat();
    for (condition, id) in all.iter_mut().zip(0..) {
        condition.id = id;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_counts_come_out() {
        let all = generate();
        assert_eq!(all.len(), N_TRIALS);
        let of_speed = |speed: f64| all.iter().filter(|c| c.speed0 == speed).count();
        // 3.75, 7.5, 11.25 and 15 degrees per second.
        assert_eq!(
            [0.25, 0.5, 0.75, 1.0].map(of_speed),
            [86_760, 380_281, 5_184, 0]
        );
        assert!(all.iter().zip(0..).all(|(c, id)| c.id == id));
    }

    #[test]
    fn a_row_alone_is_that_of_the_table() {
        let all = generate();
        let firsts: Vec<usize> = (0..N_X)
            .map(|x| all.partition_point(|c| c.x0 < start_units(x)))
            .collect();
        assert!(
            firsts.iter().zip(FIRST_OF_X).all(|(a, b)| *a == b as usize),
            "{firsts:?}"
        );
        for id in (0..N_TRIALS as u32)
            .step_by(4999)
            .chain([N_TRIALS as u32 - 1])
        {
            assert_eq!(row(id), Some(all[id as usize]));
        }
        assert_eq!(row(N_TRIALS as u32), None);
    }

    #[test]
    fn the_published_ranges_come_out() {
        let all = generate();
        let range = |of: fn(&Condition) -> f64| {
            all.iter()
                .map(of)
                .fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)))
        };
        let near = |(a, b): (f64, f64), (c, d): (f64, f64), by: f64| {
            assert!(
                (a - c).abs() < by && (b - d).abs() < by,
                "{a} {b}, not {c} {d}"
            );
        };
        near(range(Condition::x0_deg), (-8.6, 0.8), 1e-9);
        near(range(Condition::y0_deg), (-9.0, 8.8), 1e-9);
        near(range(Condition::heading0_deg), (-68.13, 68.13), 0.005);
        near(range(|c| c.velocity0_deg_per_s().0), (2.742, 7.4997), 5e-4);
        near(range(|c| c.velocity0_deg_per_s().1), (-9.17, 9.17), 5e-3);
    }

    #[test]
    fn one_thread_and_many_give_the_same_trials() {
        let with = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
                .install(generate)
        };
        assert_eq!(with(1), with(3));
    }
}
