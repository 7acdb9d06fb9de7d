//! The paddle: where it may go, and how an input moves it.
//!
//! It stands on the right edge with one degree of freedom. A stick, or two keys, give three states;
//! while one is held the paddle moves at one constant speed, without acceleration
//! (Rajalingham et al. 2025, Methods).

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::PaddleLook;
use crate::task::geometry::{FIELD_HALF_DEG, PADDLE_HEIGHT_DEG, PADDLE_WIDTH_DEG};

/// Speed of the paddle, degrees per millisecond. The source gives 0.17° a refresh of 16.6 ms.
pub const PADDLE_SPEED_DEG_PER_MS: f64 = 0.01;

/// What the subject asks of the paddle.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards negative y.
    Down,
    /// Stay.
    #[default]
    Neutral,
    /// Towards positive y.
    Up,
}

impl Direction {
    /// −1, 0 or 1.
    #[must_use]
    pub const fn sign(self) -> f64 {
        match self {
            Self::Down => -1.0,
            Self::Neutral => 0.0,
            Self::Up => 1.0,
        }
    }

    /// The state's name in the records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Neutral => "neutral",
            Self::Up => "up",
        }
    }

    /// Two buttons, one for each way: both together are neutral.
    #[must_use]
    pub const fn of_buttons(up: bool, down: bool) -> Self {
        match (up, down) {
            (true, false) => Self::Up,
            (false, true) => Self::Down,
            _ => Self::Neutral,
        }
    }

    /// A stick from −1 (down) to 1 (up). The animals' joystick gave 0 to 5 V, up from 3 V, down
    /// to 2 V: a fifth of the way to either side. A stick that gives no number is neutral.
    #[must_use]
    pub fn of_stick(deflection: f64) -> Self {
        if deflection >= 0.2 {
            Self::Up
        } else if deflection <= -0.2 {
            Self::Down
        } else {
            Self::Neutral
        }
    }

    /// The way from `from_deg` to `to_deg`, neutral within `tolerance_deg`.
    #[must_use]
    pub fn towards(from_deg: f64, to_deg: f64, tolerance_deg: f64) -> Self {
        if to_deg - from_deg > tolerance_deg {
            Self::Up
        } else if from_deg - to_deg > tolerance_deg {
            Self::Down
        } else {
            Self::Neutral
        }
    }
}

/// Sizes and speed of the paddle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaddleRule {
    /// Width, degrees; also width and height before the first movement. Default 0.5.
    pub width_deg: f64,
    /// Height after the first movement, degrees. Default 2.5; the held-out people of 2022 had 1.75.
    pub height_deg: f64,
    /// Speed while a direction is held, degrees per millisecond. Default 0.01.
    pub speed_deg_per_ms: f64,
    /// Largest height of the centre, degrees. The source gives the travel, −10 to 10: default 10.
    pub reach_deg: f64,
}

impl Default for PaddleRule {
    fn default() -> Self {
        Self {
            width_deg: PADDLE_WIDTH_DEG,
            height_deg: PADDLE_HEIGHT_DEG,
            speed_deg_per_ms: PADDLE_SPEED_DEG_PER_MS,
            reach_deg: FIELD_HALF_DEG,
        }
    }
}

impl PaddleRule {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a size or speed that is not a positive number.
    pub fn check(&self) -> Result<()> {
        for (field, value) in [
            ("paddle.width_deg", self.width_deg),
            ("paddle.height_deg", self.height_deg),
            ("paddle.speed_deg_per_ms", self.speed_deg_per_ms),
            ("paddle.reach_deg", self.reach_deg),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::BadValue {
                    field,
                    expected: "a positive number".into(),
                    found: value.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// The paddle in a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paddle {
    /// Height of the centre, degrees. It starts at 0.
    pub y_deg: f64,
    /// Whether a direction has been held for any time.
    pub moved: bool,
}

impl Paddle {
    /// Holds `direction` for `ms` milliseconds.
    pub fn hold(&mut self, rule: &PaddleRule, direction: Direction, ms: f64) {
        if direction != Direction::Neutral && ms > 0.0 {
            self.moved = true;
            let way = direction.sign() * rule.speed_deg_per_ms * ms;
            self.y_deg = (self.y_deg + way).clamp(-rule.reach_deg, rule.reach_deg);
        }
    }

    /// Goes towards `y_deg` for `ms` milliseconds, at the paddle's own speed, and rests there: what a
    /// pointer or a finger asks for. The same whatever the frame rate.
    pub fn follow(&mut self, rule: &PaddleRule, y_deg: f64, ms: f64) {
        let to_deg = y_deg.clamp(-rule.reach_deg, rule.reach_deg);
        let way = Direction::towards(self.y_deg, to_deg, 0.0);
        if way == Direction::Neutral || ms <= 0.0 {
            return;
        }
        self.hold(rule, way, ms);
        // There, or beyond it.
        if Direction::towards(self.y_deg, to_deg, 0.0) != way {
            self.y_deg = to_deg;
        }
    }

    /// How it is drawn: a small transparent square until its first movement.
    #[must_use]
    pub const fn look(&self) -> PaddleLook {
        if self.moved {
            PaddleLook::Full
        } else {
            PaddleLook::Waiting
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refresh_moves_it_as_far_as_the_source_says() {
        // 0.17° in a refresh of 16.6 ms: 0.166 by the rounded speed.
        let mut paddle = Paddle::default();
        paddle.hold(&PaddleRule::default(), Direction::Up, 16.6);
        assert!((paddle.y_deg - 0.17).abs() < 0.005);
        // The whole travel, −10 to 10, takes 2 s.
        let mut paddle = Paddle {
            y_deg: -10.0,
            moved: true,
        };
        paddle.hold(&PaddleRule::default(), Direction::Up, 1999.0);
        assert!(paddle.y_deg < 10.0);
        paddle.hold(&PaddleRule::default(), Direction::Up, 1.01);
        assert_eq!(paddle.y_deg, 10.0);
    }

    #[test]
    fn it_is_a_small_square_until_it_moves() {
        let mut paddle = Paddle::default();
        paddle.hold(&PaddleRule::default(), Direction::Neutral, 100.0);
        assert_eq!(paddle.look(), PaddleLook::Waiting);
        paddle.hold(&PaddleRule::default(), Direction::Down, 1.0);
        assert_eq!(paddle.look(), PaddleLook::Full);
    }

    #[test]
    fn the_stick_has_the_three_states_of_the_animals_joystick() {
        // 0 to 5 V with its middle at 2.5 V.
        let stick = |volts: f64| Direction::of_stick((volts - 2.5) / 2.5);
        assert_eq!(stick(0.0), Direction::Down);
        assert_eq!(stick(1.99), Direction::Down);
        assert_eq!(stick(2.01), Direction::Neutral);
        assert_eq!(stick(2.99), Direction::Neutral);
        assert_eq!(stick(3.01), Direction::Up);
        assert_eq!(stick(5.0), Direction::Up);
        assert_eq!(Direction::of_stick(f64::NAN), Direction::Neutral);
        assert_eq!(Direction::of_buttons(true, true), Direction::Neutral);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_reach_however_it_is_moved(
            holds in prop::collection::vec((0..3_usize, 0.0..3000.0_f64), 1..30),
        ) {
            let rule = PaddleRule::default();
            let mut paddle = Paddle::default();
            for (way, ms) in holds {
                let before = paddle.y_deg;
                let way = [Direction::Down, Direction::Neutral, Direction::Up][way];
                paddle.hold(&rule, way, ms);
                prop_assert!(paddle.y_deg.abs() <= rule.reach_deg);
                prop_assert!((paddle.y_deg - before).abs() <= ms * rule.speed_deg_per_ms + 1e-9);
            }
        }
    }
}
