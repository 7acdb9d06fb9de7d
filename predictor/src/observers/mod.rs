//! Reference observers: they know the ball's state while it is visible, as no network does, and
//! learn nothing. What they guess for the hidden ball brackets every model.

use mental_pong_game::task::epochs::{display_frames_of_bin, first_hidden_frame};
use mental_pong_game::task::geometry::{BALL_RADIUS_DISPLAY_DEG, WALL_DISPLAY_DEG};
use mental_pong_game::task::{Condition, Law, Masks, trajectory_until, truth_bins};
use serde::{Deserialize, Serialize};

/// A guess at the hidden ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observer {
    /// The truth throughout.
    Oracle,
    /// The ball stays where, and as it moved when, it was last seen.
    LastSeen,
    /// The ball goes straight on with its last velocity, through walls.
    ConstantVelocity,
    /// The ball goes on and is mirrored at the walls, |y| = 9.8°.
    Kinematic,
}

impl Observer {
    /// The ball's state in each bin of `start_end`: `[bin, (x, y, dx, dy)]`, row-major, degrees and
    /// degrees per bin of 50 ms. Up to the last bin before the ball is fully hidden it is the truth.
    #[must_use]
    pub fn states(self, condition: &Condition) -> Vec<f64> {
        let bins = Masks::of(condition).start_end;
        let truth = truth_bins(condition);
        let at = |bin: usize| {
            [
                truth.x_deg[bin],
                truth.y_deg[bin],
                truth.dx_deg_per_bin[bin],
                truth.dy_deg_per_bin[bin],
            ]
        };
        if self == Self::Oracle {
            return bins.flat_map(at).collect();
        }
        let path = trajectory_until(condition, Law::Display, 0);
        let hidden = first_hidden_frame(&path, BALL_RADIUS_DISPLAY_DEG);
        let last_bin = bins
            .clone()
            .rev()
            .find(|&bin| display_frames_of_bin(bin).end <= hidden)
            .unwrap_or(bins.start);
        // Position and velocity of the last two frames with any of the ball in view.
        let (x, y) = (path.x_deg[hidden - 1], path.y_deg[hidden - 1]);
        let step = |p: &[f64]| 3.0 * (p[hidden - 1] - p[hidden.saturating_sub(2)]);
        let (vx, vy) = (step(&path.x_deg), step(&path.y_deg));
        bins.flat_map(|bin| {
            if bin <= last_bin {
                return at(bin);
            }
            let middle = (display_frames_of_bin(bin).start + 1) as f64;
            let gone = (middle - (hidden - 1) as f64) / 3.0;
            match self {
                Self::Oracle => at(bin),
                Self::LastSeen => [x, y, vx, vy],
                Self::ConstantVelocity => [x + gone * vx, y + gone * vy, vx, vy],
                Self::Kinematic => {
                    let (height, sign) = mirrored(y + gone * vy);
                    [x + gone * vx, height, vx, sign * vy]
                }
            }
        })
        .collect()
    }
}

/// A height folded back into the walls, and whether the motion is turned (−1) or not (1).
fn mirrored(y: f64) -> (f64, f64) {
    if y > WALL_DISPLAY_DEG {
        (2.0 * WALL_DISPLAY_DEG - y, -1.0)
    } else if y < -WALL_DISPLAY_DEG {
        (-2.0 * WALL_DISPLAY_DEG - y, -1.0)
    } else {
        (y, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_game::task::primate79;
    use mental_pong_game::task::table::{BounceEpoch, bounce_epoch};

    use super::*;

    /// Largest error of x (`axis` 0) or y (1), degrees.
    fn worst(observer: Observer, condition: &Condition, axis: usize) -> f64 {
        let truth = Observer::Oracle.states(condition);
        observer
            .states(condition)
            .chunks_exact(4)
            .zip(truth.chunks_exact(4))
            .map(|(a, b)| (a[axis] - b[axis]).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn straight_flights_need_only_constant_velocity() {
        for condition in primate79() {
            let hidden_bounce = bounce_epoch(&condition) == Some(BounceEpoch::Occ);
            let straight = worst(Observer::ConstantVelocity, &condition, 1);
            if !hidden_bounce {
                assert!(straight < 0.3, "{} {straight}", condition.id);
            }
            assert!(worst(Observer::LastSeen, &condition, 0) > 2.0);
        }
    }

    #[test]
    fn bounces_need_the_kinematic_observer() {
        let condition = primate79().into_iter().find(|c| c.id == 463_174).unwrap();
        assert!(worst(Observer::ConstantVelocity, &condition, 1) > 5.0);
        // It mirrors exactly; the display truncates the heading to whole degrees.
        assert!(worst(Observer::Kinematic, &condition, 1) < 1.0);
    }
}
