//! The 50 ms axis of the recordings: which bins belong to which epoch, which display frames fall
//! into a bin, and where the displayed ball is in it.
//!
//! The axis begins 300 ms before the first logged position of the ball; bin `b` covers
//! `[50 b, 50 b + 50)` ms; there are 100 bins.

use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::task::condition::Condition;
use crate::task::geometry::OCCLUDER_X_DEG;
use crate::task::law::{Law, Trajectory, named, trajectory_until};

/// Number of bins.
pub const N_BINS: usize = 100;
/// Width of a bin, milliseconds.
pub const BIN_MS: usize = 50;
/// Where the first logged position of the ball stands on the axis, milliseconds.
pub const ONSET_MS: usize = 300;
/// The bin in which motion begins.
pub const ONSET_BIN: usize = ONSET_MS / BIN_MS;
/// Display frames in a bin.
pub const FRAMES_PER_BIN: usize = 3;
/// Milliseconds that the published masks count for one design step (not 1000/24).
pub const MASK_STEP_MS: usize = 41;

/// A part of the trial over which a read-out is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Epoch {
    /// Motion onset to the end (mask `start_end`).
    All,
    /// Motion onset to occlusion (mask `start_occ`).
    Visible,
    /// Occlusion to the end (mask `occ_end`).
    Hidden,
}

impl Epoch {
    /// The three epochs.
    pub const ALL: [Self; 3] = [Self::All, Self::Visible, Self::Hidden];

    /// The epoch's name here.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Visible => "visible",
            Self::Hidden => "hidden",
        }
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Epoch {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        named("epoch", name, &Self::ALL, Self::name)
    }
}

/// The bins of one condition's epochs.
///
/// A bin with at least 1 ms of an epoch belongs to it, so that one bin may be both visible and
/// hidden, and the last one may reach beyond the end. The edges follow the design law at 41 ms a
/// step, as published; the displayed ball is up to 45 ms off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masks {
    /// Bins of `start_end`.
    pub start_end: Range<usize>,
    /// Bins of `start_occ`.
    pub start_occ: Range<usize>,
    /// Bins of `occ_end`.
    pub occ_end: Range<usize>,
}

impl Masks {
    /// The masks of a condition.
    #[must_use]
    pub fn of(condition: &Condition) -> Self {
        let occ_ms = ONSET_MS + MASK_STEP_MS * condition.t_occ as usize;
        let end_ms = ONSET_MS + MASK_STEP_MS * condition.t_end as usize;
        let bins = |from_ms: usize, to_ms: usize| {
            (from_ms / BIN_MS).min(N_BINS)..to_ms.div_ceil(BIN_MS).min(N_BINS)
        };
        Self {
            start_end: bins(ONSET_MS, end_ms),
            start_occ: bins(ONSET_MS, occ_ms),
            occ_end: bins(occ_ms, end_ms),
        }
    }

    /// The bins of one epoch.
    #[must_use]
    pub fn bins(&self, epoch: Epoch) -> Range<usize> {
        match epoch {
            Epoch::All => self.start_end.clone(),
            Epoch::Visible => self.start_occ.clone(),
            Epoch::Hidden => self.occ_end.clone(),
        }
    }
}

impl std::fmt::Display for Masks {
    /// Numbers of bins, `start_end/start_occ/occ_end`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.start_end.len(),
            self.start_occ.len(),
            self.occ_end.len()
        )
    }
}

/// Where display frame `n` stands on the axis, milliseconds: `850/3 + 50 n/3`. At the start of bin
/// 6 the ball has already moved by one frame.
#[must_use]
pub fn display_frame_ms(n: usize) -> f64 {
    (850 + 50 * n) as f64 / 3.0
}

/// The bin that display frame `n` falls into; may lie beyond the axis.
#[must_use]
pub const fn bin_of_display_frame(n: usize) -> usize {
    (17 + n) / FRAMES_PER_BIN
}

/// The display frames that fall into a bin: `3 (b − 6) + 1` to `3 (b − 6) + 3`. Before motion
/// onset only frame 0, the ball at rest, in bin 5.
#[must_use]
pub const fn display_frames_of_bin(bin: usize) -> Range<usize> {
    let from = (FRAMES_PER_BIN * bin).saturating_sub(17);
    let to = (FRAMES_PER_BIN * (bin + 1)).saturating_sub(17);
    from..to
}

/// What can be seen of the ball in a frame of an occluded trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameStatus {
    /// The ball does not touch the occluder.
    Visible,
    /// The occluder covers a part of the ball.
    Partial,
    /// The ball is fully behind the occluder.
    Hidden,
}

impl FrameStatus {
    /// Of a ball of which a share, 0 to 1, is not covered.
    #[must_use]
    pub fn of_share(visible: f64) -> Self {
        if visible <= 0.0 {
            Self::Hidden
        } else if visible < 1.0 {
            Self::Partial
        } else {
            Self::Visible
        }
    }
}

/// What can be seen of a ball of `radius_deg` at `x_deg`, degrees.
#[must_use]
pub fn frame_status(x_deg: f64, radius_deg: f64) -> FrameStatus {
    if x_deg - radius_deg >= OCCLUDER_X_DEG {
        FrameStatus::Hidden
    } else if x_deg + radius_deg > OCCLUDER_X_DEG {
        FrameStatus::Partial
    } else {
        FrameStatus::Visible
    }
}

/// The first frame in which a ball of `radius_deg` is fully behind the occluder; the number of
/// frames where there is none.
#[must_use]
pub fn first_hidden_frame(path: &Trajectory, radius_deg: f64) -> usize {
    path.x_deg
        .iter()
        .position(|&x| frame_status(x, radius_deg) == FrameStatus::Hidden)
        .unwrap_or(path.len())
}

/// `[bin]`: where the displayed ball is, for the bins of `start_end`; NaN elsewhere.
///
/// Position is the mean over the display frames in the bin, the ball flying on beyond the end in
/// the last one. Velocity is the first difference to the next bin, the last bin repeating the one
/// before, as in the released data.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthBins {
    /// Horizontal position, degrees.
    pub x_deg: Vec<f64>,
    /// Height, degrees.
    pub y_deg: Vec<f64>,
    /// Horizontal velocity, degrees per 50 ms bin.
    pub dx_deg_per_bin: Vec<f64>,
    /// Vertical velocity, degrees per 50 ms bin.
    pub dy_deg_per_bin: Vec<f64>,
}

/// The displayed ball of a condition on the 50 ms axis.
#[must_use]
pub fn truth_bins(condition: &Condition) -> TruthBins {
    let bins = Masks::of(condition).start_end;
    let n_frames = display_frames_of_bin(bins.end.saturating_sub(1)).end;
    let path = trajectory_until(condition, Law::Display, n_frames);
    let means = |of_frame: &[f64]| {
        let mut of_bin = vec![f64::NAN; N_BINS];
        for bin in bins.clone() {
            let frames = &of_frame[display_frames_of_bin(bin)];
            of_bin[bin] = frames.iter().sum::<f64>() / frames.len() as f64;
        }
        of_bin
    };
    let differences = |position: &[f64]| {
        let mut of_bin = vec![f64::NAN; N_BINS];
        for bin in bins.clone() {
            let from = bin.min(bins.end.saturating_sub(2));
            of_bin[bin] = position[from + 1] - position[from];
        }
        of_bin
    };
    let (x_deg, y_deg) = (means(&path.x_deg), means(&path.y_deg));
    TruthBins {
        dx_deg_per_bin: differences(&x_deg),
        dy_deg_per_bin: differences(&y_deg),
        x_deg,
        y_deg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::conditions79::primate79;
    use crate::task::geometry::BALL_RADIUS_DISPLAY_DEG;
    use crate::task::law::trajectory;

    #[test]
    fn mask_totals_are_the_published_ones() {
        // P25: 3502 rows of start_end; 2040 and 1541 of its parts.
        let masks: Vec<Masks> = primate79().iter().map(Masks::of).collect();
        let total = |epoch| masks.iter().map(|m| m.bins(epoch).len()).sum::<usize>();
        assert_eq!(Epoch::ALL.map(total), [3502, 2040, 1541]);
    }

    #[test]
    fn one_bin_at_most_is_visible_and_hidden() {
        let mut shared = 0;
        for condition in primate79() {
            let masks = Masks::of(&condition);
            assert_eq!(masks.start_end.start, ONSET_BIN);
            assert_eq!(masks.start_occ.start, masks.start_end.start);
            assert_eq!(masks.occ_end.end, masks.start_end.end);
            assert!(masks.start_occ.end - masks.occ_end.start <= 1);
            shared += masks.start_occ.end - masks.occ_end.start;
        }
        assert_eq!(shared, 2040 + 1541 - 3502);
    }

    #[test]
    fn frames_and_bins_are_two_views_of_one_clock() {
        for bin in 0..N_BINS {
            for n in display_frames_of_bin(bin) {
                assert_eq!(bin_of_display_frame(n), bin);
            }
            if bin >= ONSET_BIN {
                let first = 3 * (bin - 6) + 1;
                assert_eq!(display_frames_of_bin(bin), first..first + 3);
            }
        }
        for n in 0..200 {
            let (bin, ms) = (bin_of_display_frame(n), display_frame_ms(n));
            // A frame on a bin's edge is rounded to it only in the float.
            assert!((50 * bin) as f64 - 1e-9 <= ms && ms < (50 * bin + 50) as f64 - 1e-9);
        }
        assert_eq!(display_frame_ms(1), 300.0);
        assert_eq!(display_frames_of_bin(5), 0..1);
        assert!(display_frames_of_bin(4).is_empty());
    }

    #[test]
    fn truth_is_finite_in_the_mask_and_nowhere_else() {
        for condition in primate79() {
            let bins = Masks::of(&condition).start_end;
            let truth = truth_bins(&condition);
            for of_bin in [
                &truth.x_deg,
                &truth.y_deg,
                &truth.dx_deg_per_bin,
                &truth.dy_deg_per_bin,
            ] {
                assert_eq!(of_bin.len(), N_BINS);
                for (bin, value) in of_bin.iter().enumerate() {
                    assert_eq!(value.is_finite(), bins.contains(&bin));
                }
            }
        }
    }

    #[test]
    fn truth_of_a_straight_flight_is_a_straight_line() {
        let condition = primate79()[0];
        let truth = truth_bins(&condition);
        let (vx, vy) = condition.velocity0_deg_per_s();
        for bin in Masks::of(&condition).start_end {
            // The middle of the three frames in the bin.
            let s = (3 * (bin - 6) + 2) as f64 / 60.0;
            assert!((truth.x_deg[bin] - (condition.x0_deg() + vx * s)).abs() < 1e-9);
            assert!((truth.y_deg[bin] - (condition.y0_deg() + vy * s)).abs() < 1e-9);
            assert!((truth.dx_deg_per_bin[bin] - vx * 0.05).abs() < 1e-9);
            assert!((truth.dy_deg_per_bin[bin] - vy * 0.05).abs() < 1e-9);
        }
    }

    #[test]
    fn a_bounce_turns_the_vertical_velocity() {
        let condition = primate79()[1];
        let truth = truth_bins(&condition);
        let bins = Masks::of(&condition).start_end;
        assert!(truth.dy_deg_per_bin[bins.start] < 0.0);
        assert!(truth.dy_deg_per_bin[bins.end - 1] > 0.0);
    }

    #[test]
    fn a_ball_is_hidden_once_its_left_edge_is() {
        assert_eq!(frame_status(4.8, 0.2), FrameStatus::Visible);
        assert_eq!(frame_status(4.81, 0.2), FrameStatus::Partial);
        assert_eq!(frame_status(5.19, 0.2), FrameStatus::Partial);
        assert_eq!(frame_status(5.2, 0.2), FrameStatus::Hidden);
        for condition in primate79() {
            let path = trajectory(&condition, Law::Display);
            let first = first_hidden_frame(&path, BALL_RADIUS_DISPLAY_DEG);
            assert!(path.occlusion_frame <= first && first < path.end_frame);
            assert!(path.x_deg[first] >= 5.2 && path.x_deg[first - 1] < 5.2);
        }
    }
}
