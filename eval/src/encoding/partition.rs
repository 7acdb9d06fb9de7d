//! Variance partitioning: what ball, eye and hand explain alone and together.

use serde::{Deserialize, Serialize};

/// Parts of the variance that the full model explains, from the seven models of ball, eye and hand. They add up to the full
/// model's. Parts may be negative: they are differences of cross-validated values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// Ball alone: `full - (eye ∪ hand)`.
    pub ball: f64,
    /// Eye alone: `full - (ball ∪ hand)`.
    pub eye: f64,
    /// Hand alone: `full - (ball ∪ eye)`.
    pub hand: f64,
    /// Ball and eye, not hand: `(ball ∪ hand) + (eye ∪ hand) - hand - full`.
    pub ball_eye: f64,
    /// Ball and hand, not eye.
    pub ball_hand: f64,
    /// Eye and hand, not ball.
    pub eye_hand: f64,
    /// All three (P25, Eq. 3): `full + ball + eye + hand - (ball ∪ eye) - (ball ∪ hand) - (eye ∪ hand)`.
    pub all_three: f64,
    /// What ball and eye have in common whatever the hand does: `ball + eye - (ball ∪ eye)`.
    pub common_ball_eye: f64,
    /// The same of ball and hand.
    pub common_ball_hand: f64,
    /// The same of eye and hand.
    pub common_eye_hand: f64,
}

impl Partition {
    /// From the variance explained by ball, eye, hand, ball ∪ eye, ball ∪ hand, eye ∪ hand and all.
    #[must_use]
    pub fn new([b, e, h, be, bh, eh, full]: [f64; 7]) -> Self {
        Self {
            ball: full - eh,
            eye: full - bh,
            hand: full - be,
            ball_eye: bh + eh - h - full,
            ball_hand: be + eh - e - full,
            eye_hand: be + bh - b - full,
            all_three: full + b + e + h - be - bh - eh,
            common_ball_eye: b + e - be,
            common_ball_hand: b + h - bh,
            common_eye_hand: e + h - eh,
        }
    }

    /// `[ball, eye, hand, ball_eye, ball_hand, eye_hand, all_three]`, the published order.
    #[must_use]
    pub fn parts(&self) -> [f64; 7] {
        [
            self.ball,
            self.eye,
            self.hand,
            self.ball_eye,
            self.ball_hand,
            self.eye_hand,
            self.all_three,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_disjoint_sources_have_nothing_in_common() {
        let v = [0.11, 0.07, 0.3, 0.17, 0.35, 0.33, 0.41];
        assert!((Partition::new(v).parts().iter().sum::<f64>() - v[6]).abs() < 1e-15);
        let p = Partition::new([0.2, 0.1, 0.05, 0.3, 0.25, 0.15, 0.35]);
        assert!((p.ball - 0.2).abs() < 1e-15 && (p.eye - 0.1).abs() < 1e-15);
        assert!(p.parts()[3..].iter().all(|c| c.abs() < 1e-15));
        assert!(p.common_ball_eye.abs() < 1e-15);
    }
}
