//! Reference observers: they know the ball's state while it is visible, as no network does, and
//! learn nothing. What they guess for the hidden ball brackets every model.

mod noisy;

pub use noisy::{NoisyFit, NoisyParameters, NoisySimulation, SAMPLES};

use mental_pong_game::task::epochs::FrameStatus;
use mental_pong_game::task::{BinAxis, Epoch, Law, SetCondition};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

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
    /// The ball's state in each bin of the trial: `[bin, (x, y, dx, dy)]`, row-major, degrees and degrees
    /// per bin. In a bin in which the ball is never fully hidden it is the truth; in others it goes on from
    /// the last frame before them with any of the ball in view.
    ///
    /// # Errors
    /// [`Error::Config`] for [`Observer::Kinematic`] where the path was recorded and no law says where the
    /// ball turns, and for [`Observer::NoisySimulation`] outside of the published field and bins.
    pub fn states(self, condition: &SetCondition, axis: &BinAxis) -> Result<Vec<f64>> {
        let truth = condition.binned(axis);
        let bins = truth.bins(Epoch::All);
        let at = |bin: usize| {
            [
                truth.x_deg[bin],
                truth.y_deg[bin],
                truth.dx_deg_per_bin[bin],
                truth.dy_deg_per_bin[bin],
            ]
        };
        if self == Self::Oracle {
            return Ok(bins.iter().flat_map(|&bin| at(bin)).collect());
        }
        let turns = match (self, condition.law().law()) {
            (Self::Kinematic, None) => return Err(needs(condition, "law", "a law of motion")),
            (_, law) => condition.geometry().turns_deg(law.unwrap_or(Law::Display)),
        };
        let simulated = match self {
            Self::NoisySimulation => Some(simulated(condition, axis)?),
            _ => None,
        };
        let sight = Sight::of(condition, axis);
        let state = |bin: usize| {
            let Some(seen) = sight.before(bin) else {
                return at(bin);
            };
            let ([x, y], [vx, vy]) = (seen.place, seen.velocity);
            let gone = seen.gone_bins;
            match (self, &simulated) {
                (Self::NoisySimulation, Some((step, path))) => {
                    simulated_state(seen.middle_ms, axis.bin_ms, *step, path)
                }
                (Self::ConstantVelocity, _) => [x + gone * vx, y + gone * vy, vx, vy],
                (Self::Kinematic, _) => {
                    let (height, sign) = mirrored(y + gone * vy, turns);
                    [x + gone * vx, height, vx, sign * vy]
                }
                _ => [x, y, vx, vy],
            }
        };
        Ok(bins.iter().flat_map(|&bin| state(bin)).collect())
    }
}

fn needs(condition: &SetCondition, field: &str, expected: &str) -> Error {
    Error::Config {
        place: format!("condition {}", condition.id()),
        field: field.into(),
        expected: format!("{expected}, which this reference goes by"),
        found: condition.law().name().into(),
    }
}

/// In which frames any of the ball is in view.
struct Sight<'a> {
    axis: &'a BinAxis,
    rate_hz: f64,
    /// `[frame]`, whether the ball is fully hidden; as in the last one ever after.
    hidden: Vec<bool>,
    /// `[frame]`, degrees.
    places: Vec<(f64, f64)>,
}

/// What was last seen before a bin.
struct Seen {
    /// x and y, degrees.
    place: [f64; 2],
    /// Degrees per bin.
    velocity: [f64; 2],
    /// The middle of the bin, milliseconds from motion onset.
    middle_ms: f64,
    /// From then to the middle of the bin, bins.
    gone_bins: f64,
}

impl<'a> Sight<'a> {
    fn of(condition: &SetCondition, axis: &'a BinAxis) -> Self {
        let track = condition.track();
        let frames = 0..track.n_frames();
        Self {
            axis,
            rate_hz: condition.rate_hz(),
            hidden: frames
                .clone()
                .map(|n| track.status(n) == Some(FrameStatus::Hidden))
                .collect(),
            places: frames.map_while(|n| track.ball_deg(n)).collect(),
        }
    }

    /// Nothing where the ball is in view throughout the bin.
    fn before(&self, bin: usize) -> Option<Seen> {
        let per_bin = self.rate_hz * self.axis.bin_ms / 1000.0;
        let frames = self.axis.frames_of(bin, self.rate_hz);
        let middle = if frames.is_empty() {
            (self.axis.middle_ms(bin) * self.rate_hz / 1000.0).max(0.0)
        } else {
            (frames.start + frames.len() / 2) as f64
        };
        let end = frames.end.max(middle as usize + 1);
        let last = self.hidden.len().checked_sub(1)?;
        let hidden =
            (frames.start.min(middle as usize)..end).find(|&n| self.hidden[n.min(last)])?;
        let seen = (0..hidden.min(last + 1)).rev().find(|&n| !self.hidden[n]);
        // A ball that was never seen rests where it starts.
        let (n, before) = seen.map_or((0, 0), |n| (n, n.saturating_sub(1)));
        let (here, there) = (self.places[n], self.places[before]);
        Some(Seen {
            place: [here.0, here.1],
            velocity: [per_bin * (here.0 - there.0), per_bin * (here.1 - there.1)],
            middle_ms: middle * 1000.0 / self.rate_hz,
            gone_bins: (middle - n as f64) / per_bin,
        })
    }
}

type MeanPath = (usize, Vec<(f64, f64)>);

/// The mean path of noisy simulations, and the design step of its first place.
fn simulated(condition: &SetCondition, axis: &BinAxis) -> Result<MeanPath> {
    let start = condition
        .start()
        .filter(|_| condition.geometry().is_published());
    let Some(start) = start.filter(|_| *axis == BinAxis::PUBLISHED) else {
        return Err(needs(
            condition,
            "start",
            "a start in the published field and bins",
        ));
    };
    let simulation = NoisySimulation::new(std::slice::from_ref(start), 0);
    Ok(simulation.mean_path_deg(0, &NoisyParameters::UNFITTED))
}

/// The state at a time of a path whose first place is that of design step `step`: degrees and degrees per
/// bin. Beyond its end the path stays where it is.
fn simulated_state(middle_ms: f64, bin_ms: f64, step: usize, path: &[(f64, f64)]) -> [f64; 4] {
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
    let (now, next) = (at(middle_ms), at(middle_ms + bin_ms));
    [now.0, now.1, next.0 - now.0, next.1 - now.1]
}

/// A height folded back between the heights at which the ball turns, and whether the motion is turned (−1)
/// or not (1).
fn mirrored(mut y: f64, [low, high]: [f64; 2]) -> (f64, f64) {
    let mut sign = 1.0;
    // More turns than any flight has.
    for _ in 0..64 {
        if y > high {
            y = 2.0 * high - y;
        } else if y < low {
            y = 2.0 * low - y;
        } else {
            break;
        }
        sign = -sign;
    }
    (y, sign)
}

#[cfg(test)]
mod tests {
    use mental_pong_game::task::set::TableRules;
    use mental_pong_game::task::{Bounce, ConditionSet};

    use super::*;

    fn primate79() -> ConditionSet {
        ConditionSet::open("primate79").unwrap()
    }

    /// Largest error of x (`axis` 0) or y (1), degrees.
    fn worst(observer: Observer, condition: &SetCondition, bins: &BinAxis, axis: usize) -> f64 {
        let truth = Observer::Oracle.states(condition, bins).unwrap();
        observer
            .states(condition, bins)
            .unwrap()
            .chunks_exact(4)
            .zip(truth.chunks_exact(4))
            .map(|(a, b)| (a[axis] - b[axis]).abs())
            .fold(0.0, f64::max)
    }

    const PUBLISHED: &BinAxis = &BinAxis::PUBLISHED;

    #[test]
    fn straight_flights_need_only_constant_velocity() {
        for condition in primate79().conditions() {
            let straight = worst(Observer::ConstantVelocity, condition, PUBLISHED, 1);
            if condition.bounce() != Bounce::Hidden {
                assert!(straight < 0.3, "{} {straight}", condition.id());
            }
            assert!(worst(Observer::LastSeen, condition, PUBLISHED, 0) > 2.0);
        }
    }

    #[test]
    fn the_noisy_simulation_follows_the_ball_but_not_exactly() {
        for condition in primate79().conditions().iter().step_by(9) {
            let error = worst(Observer::NoisySimulation, condition, PUBLISHED, 0);
            assert!(error > 1e-6 && error < 2.0, "{} {error}", condition.id());
            assert!(worst(Observer::NoisySimulation, condition, PUBLISHED, 1) < 3.0);
        }
        let name = serde_json::to_string(&Observer::NoisySimulation).unwrap();
        assert_eq!(name, "\"noisy-simulation\"");
    }

    #[test]
    fn bounces_need_the_kinematic_observer() {
        let set = primate79();
        let condition = set.condition("463174").unwrap();
        assert!(worst(Observer::ConstantVelocity, condition, PUBLISHED, 1) > 5.0);
        // It mirrors exactly; the display truncates the heading to whole degrees.
        assert!(worst(Observer::Kinematic, condition, PUBLISHED, 1) < 1.0);
    }

    /// Walls at 6 degrees, two occluders with a gap, bins of 20 ms, two bounces: the same references.
    #[test]
    fn a_field_of_ones_own_has_the_same_references() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.csv");
        let text = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s,wall_low_deg,wall_high_deg,occluders\n\
                    twice,-8,-3,50,16,-6,6,-2:1|4:9\n";
        std::fs::write(&path, text).unwrap();
        let set = ConditionSet::read_csv(&path, TableRules::default()).unwrap();
        let condition = &set.conditions()[0];
        let axis = BinAxis::new(20.0, -100.0, 200).unwrap();
        let (kinematic, straight) = (
            worst(Observer::Kinematic, condition, &axis, 1),
            worst(Observer::ConstantVelocity, condition, &axis, 1),
        );
        assert!(kinematic < 1.0 && straight > 2.0, "{kinematic} {straight}");
        // In the gap the ball is seen again, and what is held from there on is nearer.
        let truth = Observer::Oracle.states(condition, &axis).unwrap();
        let held = Observer::LastSeen.states(condition, &axis).unwrap();
        let gap = truth
            .chunks_exact(4)
            .zip(held.chunks_exact(4))
            .filter(|(t, _)| t[0] > 1.5 && t[0] < 3.5);
        let gap: Vec<_> = gap.collect();
        assert!(gap.len() > 5 && gap.iter().all(|(t, h)| t == h));
        // Nobody says where a recorded ball turns.
        let law = Observer::Kinematic;
        let recorded = SetCondition::recorded(
            "r".into(),
            condition.truth(),
            None,
            60.0,
            std::sync::Arc::new(condition.geometry().clone()),
        )
        .unwrap();
        let error = law.states(&recorded, &axis).unwrap_err().to_string();
        assert!(
            error.contains("law") && error.contains("recorded"),
            "{error}"
        );
        assert_eq!(
            Observer::LastSeen.states(&recorded, &axis).unwrap().len(),
            held.len()
        );
    }
}
