//! Reference observers: they know the ball's state while it is visible, as no network does, and
//! learn nothing. What they guess for the hidden ball brackets every model.

mod noisy;

pub use noisy::{NoisyFit, NoisyParameters, NoisySimulation, SAMPLES};

use mental_pong_game::task::epochs::{display_frame_ms, display_frames_of_bin, first_hidden_frame};
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
    /// The mean of noisy simulations ([`NoisySimulation`], [`NoisyParameters::UNFITTED`], design law).
    NoisySimulation,
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
        let simulated = (self == Self::NoisySimulation).then(|| {
            let simulation = NoisySimulation::new(std::slice::from_ref(condition), 0);
            simulation.mean_path_deg(0, &NoisyParameters::UNFITTED)
        });
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
                Self::NoisySimulation => match &simulated {
                    Some((step, path)) => simulated_state(bin, *step, path),
                    None => [x, y, vx, vy],
                },
                Self::Kinematic => {
                    let (height, sign) = mirrored(y + gone * vy);
                    [x + gone * vx, height, vx, sign * vy]
                }
            }
        })
        .collect()
    }
}

/// The state in the middle of a bin of a path whose first place is that of design step `step`: degrees
/// and degrees per bin. Beyond its end the path stays where it is.
fn simulated_state(bin: usize, step: usize, path: &[(f64, f64)]) -> [f64; 4] {
    let middle_ms = display_frame_ms(display_frames_of_bin(bin).start + 1) - display_frame_ms(0);
    let at = |ms: f64| {
        let steps = (ms / Law::Design.frame_ms(1) - step as f64).max(0.0);
        let last = path.len().saturating_sub(1);
        let from = (steps as usize).min(last);
        let part = (steps - from as f64).min(1.0);
        let (a, b) = (path[from], path[(from + 1).min(last)]);
        (a.0 + part * (b.0 - a.0), a.1 + part * (b.1 - a.1))
    };
    if path.is_empty() {
        return [f64::NAN; 4];
    }
    let (now, next) = (at(middle_ms), at(middle_ms + 50.0));
    [now.0, now.1, next.0 - now.0, next.1 - now.1]
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
    fn the_noisy_simulation_follows_the_ball_but_not_exactly() {
        for condition in primate79().iter().step_by(9) {
            let error = worst(Observer::NoisySimulation, condition, 0);
            assert!(error > 1e-6 && error < 2.0, "{} {error}", condition.id);
            assert!(worst(Observer::NoisySimulation, condition, 1) < 3.0);
        }
        let name = serde_json::to_string(&Observer::NoisySimulation).unwrap();
        assert_eq!(name, "\"noisy-simulation\"");
    }

    #[test]
    fn bounces_need_the_kinematic_observer() {
        let condition = primate79().into_iter().find(|c| c.id == 463_174).unwrap();
        assert!(worst(Observer::ConstantVelocity, &condition, 1) > 5.0);
        // It mirrors exactly; the display truncates the heading to whole degrees.
        assert!(worst(Observer::Kinematic, &condition, 1) < 1.0);
    }
}
