//! The two laws of motion. Which one is meant is always named.
//!
//! - *design*: 24 steps a second, wall at ±9.6° with the overshoot mirrored. The generator's own
//!   law; what the networks of 2022 saw and what the analysis masks are made from.
//! - *display*: 60 frames a second, the wall felt at the first frame with |y| ≥ 9.8°, where the
//!   position is kept and the heading becomes minus its whole degrees. What the animals saw,
//!   inferred from the released condition means.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::task::condition::Condition;
use crate::task::generator::step_between;
use crate::task::geometry::{
    DESIGN_HZ, DISPLAY_HZ, Geometry, INTERCEPT_X_DEG, OCCLUDER_X_DEG, deg_from_units,
};

/// A law of motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Law {
    /// 24 Hz, mirrored at ±9.6°.
    Design,
    /// 60 Hz, turned beyond ±9.8°.
    Display,
}

impl Law {
    /// Both laws.
    pub const ALL: [Self; 2] = [Self::Design, Self::Display];

    /// The law's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Design => "design",
            Self::Display => "display",
        }
    }

    /// Frames per second.
    #[must_use]
    pub const fn hz(self) -> f64 {
        match self {
            Self::Design => DESIGN_HZ,
            Self::Display => DISPLAY_HZ,
        }
    }

    /// When frame `n` stands, milliseconds after the frame at the start.
    #[must_use]
    pub fn frame_ms(self, n: usize) -> f64 {
        n as f64 * 1000.0 / self.hz()
    }
}

impl std::fmt::Display for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Law {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("law", name, &Self::ALL, Self::name)
    }
}

/// The one of `all` with this name; `what` says what the name stands for.
///
/// # Errors
/// [`Error::UnknownName`].
pub fn named<T: Copy>(
    what: &'static str,
    found: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T> {
    all.iter()
        .copied()
        .find(|&one| name(one) == found)
        .ok_or_else(|| Error::UnknownName {
            what,
            found: found.to_owned(),
            expected: all
                .iter()
                .map(|&one| name(one))
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// A ball's path under one law, degrees and frames of that law.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// The condition.
    pub id: u32,
    /// The law.
    pub law: Law,
    /// `[frame]`: horizontal position, degrees. Frame 0 is the start.
    pub x_deg: Vec<f64>,
    /// `[frame]`: height, degrees.
    pub y_deg: Vec<f64>,
    /// The first frame with x ≥ 5°; in another geometry the first with the ball's centre behind an
    /// occluder, or the last where there is none.
    pub occlusion_frame: usize,
    /// The first frame with x ≥ 10°, or beyond the interception plane: the trial's last.
    pub end_frame: usize,
    /// The first frame up to the end that a wall has changed: under *design* the first mirrored
    /// position, under *display* the first position with |y| ≥ 9.8°.
    pub bounce_frame: Option<usize>,
    /// Every frame up to the end that a wall has changed.
    pub touches: Vec<usize>,
}

impl Trajectory {
    /// Number of frames, those beyond the end among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.x_deg.len()
    }

    /// Whether there is no frame. Never so for a path made here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.x_deg.is_empty()
    }

    /// Duration of a frame, milliseconds.
    #[must_use]
    pub fn step_ms(&self) -> f64 {
        1000.0 / self.law.hz()
    }

    /// When the frame that the wall changed stands, milliseconds after the start.
    #[must_use]
    pub fn bounce_ms(&self) -> Option<f64> {
        self.bounce_frame.map(|n| self.law.frame_ms(n))
    }

    /// The step that the wall bends, counted as the published lists do: the move from this frame
    /// to the next.
    #[must_use]
    pub fn bounce_step(&self) -> Option<usize> {
        self.bounce_frame.map(|n| n - 1)
    }

    /// When x = 10° is crossed, milliseconds after the start, between frames by a straight line.
    #[must_use]
    pub fn t_x10_ms(&self) -> f64 {
        self.crossing(self.end_frame, INTERCEPT_X_DEG).0
    }

    /// Height at x = 10°, degrees, between frames by a straight line.
    #[must_use]
    pub fn y_x10_deg(&self) -> f64 {
        self.crossing(self.end_frame, INTERCEPT_X_DEG).1
    }

    /// When the ball's centre crosses the occluder's edge at x = 5°, milliseconds after the start,
    /// between frames by a straight line.
    #[must_use]
    pub fn t_x5_ms(&self) -> f64 {
        self.crossing(self.occlusion_frame, OCCLUDER_X_DEG).0
    }

    /// Time and height at which `x_deg` is crossed on the way to frame `n`. A ball that starts at
    /// or beyond `x_deg` is there at once.
    pub(crate) fn crossing(&self, n: usize, x_deg: f64) -> (f64, f64) {
        if n == 0 {
            return (0.0, self.y_deg[0]);
        }
        let (xa, xb) = (self.x_deg[n - 1], self.x_deg[n]);
        let (ya, yb) = (self.y_deg[n - 1], self.y_deg[n]);
        let part = (x_deg - xa) / (xb - xa);
        (
            ((n - 1) as f64 + part) * self.step_ms(),
            ya + part * (yb - ya),
        )
    }
}

impl Trajectory {
    /// The place a part of the way from frame `n` to the next, on the straight line; nothing where the
    /// path does not go so far.
    pub(crate) fn between(&self, n: usize, part: f64) -> Option<(f64, f64)> {
        let (x, y) = (&self.x_deg, &self.y_deg);
        let here = (*x.get(n)?, *y.get(n)?);
        if part <= 0.0 {
            return Some(here);
        }
        let next = (*x.get(n + 1)?, *y.get(n + 1)?);
        Some((
            here.0 + part * (next.0 - here.0),
            here.1 + part * (next.1 - here.1),
        ))
    }
}

/// A trial's path, frame 0 to the first frame with x ≥ 10°.
#[must_use]
pub fn trajectory(condition: &Condition, law: Law) -> Trajectory {
    trajectory_until(condition, law, 0)
}

/// A trial's path with at least `n_frames` frames: the ball flies on beyond the end by the same
/// law, walls included, as if nothing stood at x = 10°.
#[must_use]
pub fn trajectory_until(condition: &Condition, law: Law, n_frames: usize) -> Trajectory {
    path_in(condition, law, &Geometry::published(), n_frames)
}

/// As [`trajectory_until`] between the walls and to the interception plane of a geometry.
#[must_use]
pub fn path_in(
    condition: &Condition,
    law: Law,
    geometry: &Geometry,
    n_frames: usize,
) -> Trajectory {
    let mut path = Trajectory {
        id: condition.id,
        law,
        x_deg: Vec::new(),
        y_deg: Vec::new(),
        occlusion_frame: 0,
        end_frame: 0,
        bounce_frame: None,
        touches: Vec::new(),
    };
    match law {
        Law::Design => fly(&mut path, geometry, n_frames, design(condition, geometry)),
        Law::Display => fly(&mut path, geometry, n_frames, display(condition, geometry)),
    }
    path
}

/// Collects positions `(x, y, touched a wall)` until the end and `n_frames` are reached. x grows
/// by the same amount in every step, so the end comes.
fn fly(
    path: &mut Trajectory,
    geometry: &Geometry,
    n_frames: usize,
    ball: impl Iterator<Item = (f64, f64, bool)>,
) {
    let (mut occluded, mut ended) = (false, false);
    for (n, (x, y, touched)) in ball.enumerate() {
        if ended && n >= n_frames {
            return;
        }
        path.x_deg.push(x);
        path.y_deg.push(y);
        if touched && !ended {
            path.bounce_frame.get_or_insert(n);
            path.touches.push(n);
        }
        if !occluded && !ended && geometry.hides((x, y)) {
            (occluded, path.occlusion_frame) = (true, n);
        }
        if !ended && x >= geometry.intercept_x_deg {
            (ended, path.end_frame) = (true, n);
            if !occluded {
                path.occlusion_frame = n;
            }
        }
    }
}

fn design(
    condition: &Condition,
    geometry: &Geometry,
) -> impl Iterator<Item = (f64, f64, bool)> + use<> {
    let (sin, cos) = libm::sincos(condition.heading0_rad);
    let [low, high] = geometry.turns_units();
    let dx = condition.speed0 * cos;
    let (mut x, mut y, mut dy) = (condition.x0, condition.y0, condition.speed0 * sin);
    let mut reflected = false;
    std::iter::from_fn(move || {
        let now = (deg_from_units(x), deg_from_units(y), reflected);
        x += dx;
        (y, dy, reflected) = step_between(y, dy, low, high);
        Some(now)
    })
}

fn display(
    condition: &Condition,
    geometry: &Geometry,
) -> impl Iterator<Item = (f64, f64, bool)> + use<> {
    let [low, high] = geometry.turns_deg(Law::Display);
    let step_deg = condition.speed_deg_per_s() / DISPLAY_HZ;
    let step = move |heading_deg: f64| {
        let (sin, cos) = libm::sincos(heading_deg.to_radians());
        (step_deg * cos, step_deg * sin)
    };
    let mut heading_deg = condition.heading0_deg();
    let (mut dx, mut dy) = step(heading_deg);
    let (mut x, mut y) = (condition.x0_deg(), condition.y0_deg());
    let mut touched = false;
    std::iter::from_fn(move || {
        let now = (x, y, touched);
        x += dx;
        y += dy;
        touched = (y >= high && dy > 0.0) || (y <= low && dy < 0.0);
        if touched {
            heading_deg = -heading_deg.trunc();
            (dx, dy) = step(heading_deg);
        }
        Some(now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::conditions79::primate79;

    fn recorded(id: u32) -> Condition {
        primate79().into_iter().find(|c| c.id == id).unwrap()
    }

    #[test]
    fn a_longer_path_begins_with_the_shorter_one() {
        for condition in primate79() {
            for law in Law::ALL {
                let short = trajectory(&condition, law);
                let long = trajectory_until(&condition, law, short.len() + 30);
                assert_eq!(short.len(), short.end_frame + 1);
                assert_eq!(long.len(), short.len() + 30);
                assert_eq!(long.x_deg[..short.len()], short.x_deg);
                assert_eq!(long.y_deg[..short.len()], short.y_deg);
                assert_eq!(
                    (long.end_frame, long.occlusion_frame, long.bounce_frame),
                    (short.end_frame, short.occlusion_frame, short.bounce_frame)
                );
                assert!(long.y_deg.iter().all(|y| y.abs() < 10.0));
            }
        }
    }

    #[test]
    fn the_laws_part_where_a_wall_is_met() {
        // Table of the 79: the displayed ball bounces later, by 0.474 to 0.960° at the end.
        let mut apart = 0;
        for condition in primate79().into_iter().filter(|c| c.n_bounce == 1) {
            let shown = trajectory(&condition, Law::Display).y_x10_deg();
            let gap = (shown - condition.y_final_design_deg()).abs();
            assert!((0.4735..0.9605).contains(&gap), "{}: {gap}", condition.id);
            apart += 1;
        }
        assert_eq!(apart, 27);
    }

    #[test]
    fn bounce_frames_are_those_of_the_published_table() {
        // id, design step, display ms.
        for (id, step, ms) in [
            (55062, 31, 1350.0),
            (59920, 51, 6550.0 / 3.0),
            (469_268, 21, 2800.0 / 3.0),
        ] {
            let condition = recorded(id);
            assert_eq!(
                trajectory(&condition, Law::Design).bounce_step(),
                Some(step)
            );
            let shown = trajectory(&condition, Law::Display).bounce_ms().unwrap();
            assert!((shown - ms).abs() < 1e-9, "{shown}");
        }
        // Reflected in the very last design frame, never on the display.
        let late = recorded(126_479);
        assert_eq!(late.n_bounce, 0);
        assert_eq!(trajectory(&late, Law::Design).bounce_frame, Some(54));
        assert_eq!(trajectory(&late, Law::Display).bounce_frame, None);
    }

    #[test]
    fn a_law_is_read_by_its_name_only() {
        assert_eq!("design".parse::<Law>().unwrap(), Law::Design);
        let message = "Display".parse::<Law>().unwrap_err().to_string();
        assert_eq!(message, "unknown law `Display`: expected design, display");
    }
}
