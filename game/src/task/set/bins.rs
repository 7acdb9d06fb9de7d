//! The truth of a condition on an axis of bins.

use super::condition::{SetCondition, SetLaw};
use crate::task::clock::{BinAxis, SAME_MS};
use crate::task::epochs::{Epoch, Masks, truth_bins};

/// A bin with at least so much of an epoch belongs to it, milliseconds.
const LEAST_MS: f64 = 1.0;

/// Where the ball is in each bin, and which bins are of which epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Binned {
    axis: BinAxis,
    all: Vec<usize>,
    visible: Vec<usize>,
    hidden: Vec<usize>,
    /// `[bin]`: horizontal position, degrees: the mean over the frames of the bin, or the place at its
    /// middle where it has none. NaN outside of the epoch `all`.
    pub x_deg: Vec<f64>,
    /// `[bin]`: height, degrees.
    pub y_deg: Vec<f64>,
    /// `[bin]`: horizontal velocity, degrees per bin: the difference to the next bin, the last one
    /// repeating the one before.
    pub dx_deg_per_bin: Vec<f64>,
    /// `[bin]`: vertical velocity, degrees per bin.
    pub dy_deg_per_bin: Vec<f64>,
}

impl Binned {
    /// The axis.
    #[must_use]
    pub fn axis(&self) -> &BinAxis {
        &self.axis
    }

    /// The bins of an epoch, in order. With several occluders those of `visible` and `hidden` need not
    /// follow one another, and one bin may be of both.
    #[must_use]
    pub fn bins(&self, epoch: Epoch) -> &[usize] {
        match epoch {
            Epoch::All => &self.all,
            Epoch::Visible => &self.visible,
            Epoch::Hidden => &self.hidden,
        }
    }
}

impl SetCondition {
    /// The published bins, and more of them where a condition of one's own lasts longer.
    #[must_use]
    pub fn axis(&self) -> BinAxis {
        let published = BinAxis::PUBLISHED;
        if self.is_published() {
            return published;
        }
        let (end_ms, _) = self.track().end();
        let needed = ((end_ms - published.first_bin_ms) / published.bin_ms).ceil() + 1.0;
        BinAxis {
            n_bins: published.n_bins.max(needed as usize),
            ..published
        }
    }

    /// The truth in bins. A published condition on the published axis has the published masks, which
    /// count 41 ms for a step of the design law, and the ball's places of the released data; any other
    /// has what its truth says: a bin belongs to an epoch when at least 1 ms of it lies in it, and the
    /// ball is hidden while its centre is behind an occluder. In the last bin the ball flies on.
    #[must_use]
    pub fn binned(&self, axis: &BinAxis) -> Binned {
        let published = self.start().filter(|_| self.is_published());
        match published.filter(|_| *axis == BinAxis::PUBLISHED) {
            Some(trial) => {
                let masks = Masks::of(trial);
                let bins = |epoch| masks.bins(epoch).collect::<Vec<_>>();
                let epochs = Epoch::ALL.map(bins);
                if self.law() == SetLaw::Display && self.rate_hz() == 60.0 {
                    let [all, visible, hidden] = epochs;
                    let truth = truth_bins(trial);
                    return Binned {
                        axis: *axis,
                        all,
                        visible,
                        hidden,
                        x_deg: truth.x_deg,
                        y_deg: truth.y_deg,
                        dx_deg_per_bin: truth.dx_deg_per_bin,
                        dy_deg_per_bin: truth.dy_deg_per_bin,
                    };
                }
                self.placed(axis, epochs)
            }
            None => self.placed(axis, self.epochs(axis)),
        }
    }

    /// `[epoch][bin]`: the bins of each epoch by the truth.
    fn epochs(&self, axis: &BinAxis) -> [Vec<usize>; 3] {
        let track = self.track();
        let (end_ms, _) = track.end();
        let hidden = track.hidden_ms();
        let shared = |bin: usize, from: f64, to: f64| {
            (axis.end_ms(bin).min(to) - axis.start_ms(bin).max(from)).max(0.0)
        };
        let mut epochs = [Vec::new(), Vec::new(), Vec::new()];
        for bin in 0..axis.n_bins {
            let all = shared(bin, 0.0, end_ms);
            let behind: f64 = hidden.iter().map(|&(from, to)| shared(bin, from, to)).sum();
            // A bin narrower than the least is of an epoch that fills it.
            let least = LEAST_MS.min(axis.bin_ms) - SAME_MS;
            for (bins, ms) in epochs.iter_mut().zip([all, all - behind, behind]) {
                if ms >= least {
                    bins.push(bin);
                }
            }
        }
        epochs
    }

    fn placed(&self, axis: &BinAxis, [all, visible, hidden]: [Vec<usize>; 3]) -> Binned {
        let mut track = self.track();
        let frames = |bin| axis.frames_of(bin, self.rate_hz());
        let last = all.last().map_or(0, |&bin| frames(bin).end);
        track.fly_to(last + 1);
        let at = |ms: f64| {
            let at = (ms * self.rate_hz() / 1000.0).max(0.0);
            let (n, part) = (at.floor() as usize, at - at.floor());
            let here = track.ball_deg(n)?;
            let next = track.ball_deg(n + 1).unwrap_or(here);
            Some((
                here.0 + part * (next.0 - here.0),
                here.1 + part * (next.1 - here.1),
            ))
        };
        let mut x_deg = vec![f64::NAN; axis.n_bins];
        let mut y_deg = x_deg.clone();
        for &bin in &all {
            let inside: Vec<(f64, f64)> = frames(bin).map_while(|n| track.ball_deg(n)).collect();
            let place = if inside.is_empty() {
                let middle = axis.middle_ms(bin);
                at(middle).or_else(|| track.ball_deg(track.n_frames().saturating_sub(1)))
            } else {
                let n = inside.len() as f64;
                let sum = |of: fn(&(f64, f64)) -> f64| inside.iter().map(of).sum::<f64>();
                Some((sum(|p| p.0) / n, sum(|p| p.1) / n))
            };
            if let Some((x, y)) = place {
                (x_deg[bin], y_deg[bin]) = (x, y);
            }
        }
        let differences = |position: &[f64]| {
            let mut of_bin = vec![f64::NAN; axis.n_bins];
            for (k, &bin) in all.iter().enumerate() {
                let k = k.min(all.len().saturating_sub(2));
                if let Some(&next) = all.get(k + 1) {
                    of_bin[bin] = position[next] - position[all[k]];
                }
            }
            of_bin
        };
        Binned {
            axis: *axis,
            dx_deg_per_bin: differences(&x_deg),
            dy_deg_per_bin: differences(&y_deg),
            all,
            visible,
            hidden,
            x_deg,
            y_deg,
        }
    }
}
