//! The one clock: milliseconds from motion onset.
//!
//! Frame 0, the last with the ball at rest, stands at 0 ms; frame `n` of a set at `rate_hz` stands at
//! `n · 1000 / rate_hz` ms. A [`BinAxis`] cuts that clock into bins.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::task::epochs::{BIN_MS, N_BINS, ONSET_MS};

/// Times closer than this are the same, milliseconds: a frame on a bin's edge is rounded in the float.
pub const SAME_MS: f64 = 1e-6;

/// When frame `n` stands, milliseconds from motion onset.
#[must_use]
pub fn frame_ms(n: usize, rate_hz: f64) -> f64 {
    n as f64 * 1000.0 / rate_hz
}

/// Bins of equal width on the clock: bin `b` holds what lies after its start, up to and with its end.
///
/// ```
/// use mental_pong_game::task::clock::{BinAxis, frame_ms};
///
/// // The published axis: 50 ms from 300 ms before motion onset. Bin 6 holds display frames 1, 2, 3.
/// let axis = BinAxis::PUBLISHED;
/// let held = (0..10).filter(|&n| axis.bin_of(frame_ms(n, 60.0)) == Some(6));
/// assert_eq!(held.collect::<Vec<_>>(), [1, 2, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinAxis {
    /// Width of a bin, milliseconds.
    pub bin_ms: f64,
    /// Start of bin 0, milliseconds from motion onset.
    pub first_bin_ms: f64,
    /// Number of bins.
    pub n_bins: usize,
}

/// More bins than any trial has.
const MOST_BINS: usize = 1_000_000;

impl BinAxis {
    /// The axis of the published recordings: 100 bins of 50 ms from −300 ms.
    pub const PUBLISHED: Self = Self {
        bin_ms: BIN_MS as f64,
        first_bin_ms: -(ONSET_MS as f64),
        n_bins: N_BINS,
    };

    /// An axis whose numbers can be.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a width outside 0.1 to 10,000 ms, a start that is not finite, or no bin.
    pub fn new(bin_ms: f64, first_bin_ms: f64, n_bins: usize) -> Result<Self> {
        let bad = |field, expected: &str, found: String| {
            Err(Error::BadValue {
                field,
                expected: expected.to_owned(),
                found,
            })
        };
        if !(0.1..=10_000.0).contains(&bin_ms) {
            return bad("bin_ms", "0.1 to 10000 ms", bin_ms.to_string());
        }
        if !(first_bin_ms.is_finite() && first_bin_ms.abs() <= 1e7) {
            return bad("first_bin_ms", "a time in ms", first_bin_ms.to_string());
        }
        if n_bins == 0 || n_bins > MOST_BINS {
            return bad("n_bins", "1 to 1000000", n_bins.to_string());
        }
        Ok(Self {
            bin_ms,
            first_bin_ms,
            n_bins,
        })
    }

    /// Start of a bin, milliseconds from motion onset.
    #[must_use]
    pub fn start_ms(&self, bin: usize) -> f64 {
        self.first_bin_ms + bin as f64 * self.bin_ms
    }

    /// End of a bin, milliseconds from motion onset.
    #[must_use]
    pub fn end_ms(&self, bin: usize) -> f64 {
        self.start_ms(bin + 1)
    }

    /// Middle of a bin, milliseconds from motion onset.
    #[must_use]
    pub fn middle_ms(&self, bin: usize) -> f64 {
        self.first_bin_ms + (bin as f64 + 0.5) * self.bin_ms
    }

    /// The bin with start < time ≤ end; nothing off the axis.
    #[must_use]
    pub fn bin_of(&self, time_ms: f64) -> Option<usize> {
        let bins = ((time_ms - self.first_bin_ms - SAME_MS) / self.bin_ms).floor();
        (bins >= 0.0 && bins < self.n_bins as f64).then_some(bins as usize)
    }

    /// The frames of a bin at `rate_hz`, those before frame 0 left out.
    #[must_use]
    pub fn frames_of(&self, bin: usize, rate_hz: f64) -> std::ops::Range<usize> {
        // The first frame after a time.
        let after = |ms: f64| {
            let at = (ms + SAME_MS) * rate_hz / 1000.0;
            if at < 0.0 { 0 } else { at.floor() as usize + 1 }
        };
        after(self.start_ms(bin))..after(self.end_ms(bin))
    }
}

impl std::fmt::Display for BinAxis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} bins of {} ms from {} ms",
            self.n_bins, self.bin_ms, self.first_bin_ms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::epochs::{bin_of_display_frame, display_frames_of_bin};

    #[test]
    fn the_published_axis_holds_the_published_display_frames() {
        let axis = BinAxis::PUBLISHED;
        for bin in 0..N_BINS {
            assert_eq!(
                axis.frames_of(bin, 60.0),
                display_frames_of_bin(bin),
                "{bin}"
            );
        }
        for n in 0..282 {
            assert_eq!(
                axis.bin_of(frame_ms(n, 60.0)),
                Some(bin_of_display_frame(n))
            );
        }
        assert_eq!(axis.bin_of(frame_ms(283, 60.0)), None);
        assert_eq!(axis.bin_of(-300.0), None);
        assert_eq!(
            (axis.start_ms(6), axis.end_ms(6), axis.middle_ms(6)),
            (0.0, 50.0, 25.0)
        );
    }

    #[test]
    fn frames_and_bins_of_any_axis_are_two_views_of_one_clock() {
        for (bin_ms, first, rate) in [(20.0, -200.0, 60.0), (10.0, -5.0, 24.0), (33.3, 0.0, 144.0)]
        {
            let axis = BinAxis::new(bin_ms, first, 40).unwrap();
            for bin in 0..axis.n_bins {
                for n in axis.frames_of(bin, rate) {
                    assert_eq!(
                        axis.bin_of(frame_ms(n, rate)),
                        Some(bin),
                        "{axis}, frame {n}"
                    );
                }
            }
            let held: usize = (0..axis.n_bins)
                .map(|b| axis.frames_of(b, rate).len())
                .sum();
            let inside = (0..1000).filter(|&n| axis.bin_of(frame_ms(n, rate)).is_some());
            assert_eq!(held, inside.count(), "{axis}");
        }
        assert!(BinAxis::new(0.0, 0.0, 1).is_err() && BinAxis::new(50.0, f64::NAN, 1).is_err());
        assert!(BinAxis::new(50.0, 0.0, 0).is_err());
    }
}
