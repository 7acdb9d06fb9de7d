//! Time-warping: bins of a trial to steps of a model, both stretched over the whole trial.

use crate::array::Array2;
use crate::error::{Error, Result};

/// Piecewise linear interpolation, `numpy.interp`: the line through (`xp`, `fp`) at each `x`; outside, the end values. `xp`
/// has to increase. Empty if `xp` is, or if `xp` and `fp` differ in length.
#[must_use]
pub fn interp(x: &[f64], xp: &[f64], fp: &[f64]) -> Vec<f64> {
    if xp.is_empty() || xp.len() != fp.len() {
        return Vec::new();
    }
    x.iter()
        .map(|&at| {
            let place = Place::of(at, xp);
            place.between(fp[place.below], fp[place.above])
        })
        .collect()
}

/// Where a point lies between two knots.
#[derive(Debug, Clone, Copy)]
struct Place {
    below: usize,
    above: usize,
    /// Beyond the knot below.
    offset: f64,
    /// From knot to knot.
    width: f64,
}

impl Place {
    fn of(at: f64, knots: &[f64]) -> Self {
        let above = knots.partition_point(|&knot| knot <= at);
        let below = above.saturating_sub(1);
        if above == 0 || above == knots.len() || at == knots[below] {
            // An end value, or a knot itself: a missing neighbour does not take it away.
            return Self {
                below,
                above: below,
                offset: 0.0,
                width: 1.0,
            };
        }
        Self {
            below,
            above,
            offset: at - knots[below],
            width: knots[above] - knots[below],
        }
    }

    fn between(self, below: f64, above: f64) -> f64 {
        (above - below) / self.width * self.offset + below
    }
}

/// `numpy.linspace(0, 1, n)`.
fn unit_line(n: usize) -> Vec<f64> {
    let step = 1.0 / (n.max(2) - 1) as f64;
    let mut line: Vec<f64> = (0..n).map(|i| i as f64 * step).collect();
    if n > 1
        && let Some(end) = line.last_mut()
    {
        *end = 1.0;
    }
    line
}

/// States `[bin, unit]` of one condition at `steps` steps, `[step, unit]`: `interp(linspace(0, 1, steps), linspace(0, 1, bins))`
/// for each unit, so that the first and last states keep their places. Source: P25, comparison of networks and DMFC.
///
/// [`Error::Invalid`] if there is no bin or no step.
pub fn warp_time(states: &Array2, steps: usize) -> Result<Array2> {
    if states.rows() == 0 || steps == 0 {
        return Err(Error::invalid(
            "states to warp",
            format!("{} bins to {steps} steps", states.rows()),
        ));
    }
    let (from, to) = (unit_line(states.rows()), unit_line(steps));
    let mut out = Array2::filled(steps, states.cols(), f64::NAN);
    for (step, &at) in to.iter().enumerate() {
        let place = Place::of(at, &from);
        let (below, above) = (states.row(place.below), states.row(place.above));
        for ((value, &b), &a) in out.row_mut(step).iter_mut().zip(below).zip(above) {
            *value = place.between(b, a);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_of_steps_changes_nothing() {
        for n in [1, 2, 37, 44, 90] {
            let states = Array2::from_fn(n, 2, |i, j| (i * 7 % 11) as f64 / 3.0 + j as f64);
            assert_eq!(warp_time(&states, n).unwrap(), states);
        }
    }

    #[test]
    fn interpolation_follows_numpy() {
        // numpy.interp([-1, 0, .25, 1, 1.5, 3], [0, 1, 2], [1, 3, 2])
        let found = interp(
            &[-1.0, 0.0, 0.25, 1.0, 1.5, 3.0],
            &[0.0, 1.0, 2.0],
            &[1.0, 3.0, 2.0],
        );
        assert_eq!(found, [1.0, 1.0, 1.5, 3.0, 2.5, 2.0]);
        // numpy.interp([0, .5, 1, 1.5], [0, 1, 2], [1, nan, 2]) is [1, nan, nan, nan]
        let found = interp(
            &[0.0, 0.5, 1.0, 1.5],
            &[0.0, 1.0, 2.0],
            &[1.0, f64::NAN, 2.0],
        );
        assert!(found[0] == 1.0 && found[1..].iter().all(|v| v.is_nan()));
        assert!(interp(&[1.0], &[], &[]).is_empty());
    }

    #[test]
    fn ends_keep_their_places() {
        let states = Array2::from_fn(5, 1, |i, _| i as f64);
        let out = warp_time(&states, 9).unwrap();
        assert_eq!(
            (out.get(0, 0), out.get(4, 0), out.get(8, 0)),
            (0.0, 2.0, 4.0)
        );
        assert!(warp_time(&states, 0).is_err());
    }
}
