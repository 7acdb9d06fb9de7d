//! Time-warping: bins of a trial to steps of a model, both stretched over the whole trial.

use crate::array::Array2;
use crate::error::{Error, Result};

/// Piecewise linear interpolation, `numpy.interp`: the line through (`xp`, `fp`) at each `x`; outside, the end values. `xp`
/// has to increase. Empty if `xp` is, or if `xp` and `fp` differ in length.
#[must_use]
pub fn interp(x: &[f64], xp: &[f64], fp: &[f64]) -> Vec<f64> {
    let (Some(&first), Some(&last)) = (fp.first(), fp.last()) else {
        return Vec::new();
    };
    if xp.len() != fp.len() {
        return Vec::new();
    }
    x.iter()
        .map(|&at| {
            // The first knot beyond `at`.
            let above = xp.partition_point(|&knot| knot <= at);
            if above == 0 {
                return first;
            }
            if above == xp.len() {
                return last;
            }
            let below = above - 1;
            let slope = (fp[above] - fp[below]) / (xp[above] - xp[below]);
            let value = slope * (at - xp[below]) + fp[below];
            if value.is_nan() && at == xp[below] {
                // A missing neighbour does not take away the knot itself.
                return fp[below];
            }
            value
        })
        .collect()
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
    for unit in 0..states.cols() {
        for (step, value) in interp(&to, &from, &states.column(unit))
            .into_iter()
            .enumerate()
        {
            out.set(step, unit, value);
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
