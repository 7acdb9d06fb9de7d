//! How well a unit repeats itself, and which units are kept.
//!
//! Source: Rajalingham et al. (2025), methods, and the authors' code that made `neural_responses_reliable`.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stats;

use super::dmfc::{Mask, Population, Recording, Responses, TrialType};

/// Split-half reliability of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct UnitReliability {
    /// Pearson correlation of the two halves over the cells. NaN if one half is constant.
    pub r: f64,
    /// Two-sided p of `r` under independent normal samples. NaN if `r` is.
    pub p: f64,
    /// Cells in which both halves are finite.
    pub n: usize,
    /// Correlation that twice the trials would have, `2 r / (1 + r)`.
    pub spearman_brown: f64,
    /// Whether the unit is kept: p below the bound, and `r` positive.
    pub reliable: bool,
}

/// The published bound on p.
pub const PUBLISHED_P: f64 = 0.01;

/// Reliability of each unit, `[unit]`, over the cells of a mask. The published choice is `start_end_pad0` of occluded
/// trials and [`PUBLISHED_P`].
///
/// The halves have to hold the same units in the same order, see [`Recording::halves`]. [`Error::Shape`] if they, or the
/// mask, have other axes.
pub fn split_half(
    first: &Responses,
    second: &Responses,
    mask: &Mask,
    p_below: f64,
) -> Result<Vec<UnitReliability>> {
    let axes = |half: &Responses| (half.units(), half.conditions(), half.bins());
    if axes(first) != axes(second) {
        return Err(Error::shape(
            "second half",
            format!("{:?} (unit, condition, bin), as the first", axes(first)),
            format!("{:?}", axes(second)),
        ));
    }
    mask.check(first.conditions(), first.bins())?;
    let inside = mask.as_slice();
    Ok((0..first.units())
        .map(|unit| {
            let (x, y): (Vec<f64>, Vec<f64>) = first
                .unit(unit)
                .iter()
                .zip(second.unit(unit))
                .zip(inside)
                .filter(|&((x, y), &inside)| inside && x.is_finite() && y.is_finite())
                .map(|((&x, &y), _)| (x, y))
                .unzip();
            let r = stats::pearson(&x, &y);
            let p = pearson_p(r, x.len());
            UnitReliability {
                r,
                p,
                n: x.len(),
                spearman_brown: spearman_brown(r),
                reliable: p < p_below && r > 0.0,
            }
        })
        .collect())
}

/// [`split_half`] of all units of a recording, as published: `start_end_pad0`, p below 0.01. [`Error::Field`] if the
/// recording lacks the halves or the mask.
pub fn published(recording: &Recording, trials: TrialType) -> Result<Vec<UnitReliability>> {
    let (first, second, _) = recording.halves(trials, Population::All)?;
    let mask = recording.mask(trials, "start_end_pad0")?;
    split_half(&first, &second, mask, PUBLISHED_P)
}

/// Correlation of means over twice the trials, `2 r / (1 + r)` (Spearman 1910, Brown 1910). NaN for `r` of -1 or below.
#[must_use]
pub fn spearman_brown(r: f64) -> f64 {
    if r > -1.0 {
        2.0 * r / (1.0 + r)
    } else {
        f64::NAN
    }
}

/// Two-sided p of a Pearson correlation of `n` pairs: the share of the symmetric beta distribution with both shapes
/// n/2 - 1 on [-1, 1] beyond |r|, as in scipy. 1 for two pairs; NaN for fewer, or for `r` that is NaN or outside of
/// [-1, 1].
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "far below 2^53 pairs")]
pub fn pearson_p(r: f64, n: usize) -> f64 {
    if !(-1.0..=1.0).contains(&r) || n < 2 {
        return f64::NAN;
    }
    if n == 2 {
        return 1.0;
    }
    // 1 - r² without loss where |r| is close to 1.
    let tail = (1.0 - r) * (1.0 + r);
    statrs::function::beta::checked_beta_reg(n as f64 / 2.0 - 1.0, 0.5, tail).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy.stats.pearsonr's p by its beta distribution, scipy 1.17:
    // beta(n/2 - 1, n/2 - 1, loc=-1, scale=2); 2 * dist.cdf(-abs(r))
    #[test]
    fn p_matches_scipy() {
        for (r, n, expected) in P_TABLE {
            let p = pearson_p(*r, *n);
            assert!(
                (p - expected).abs() <= 1e-9 * expected.abs(),
                "r {r}, n {n}: {p} is not {expected}"
            );
        }
    }

    const P_TABLE: &[(f64, usize, f64)] = &[
        (0.5, 3, 0.6666666666666667),
        (-0.5, 4, 0.5),
        (0.9, 10, 0.0003871562499999996),
        (0.0434, 3502, 0.01021086378819947),
        (0.0436, 3502, 0.00986706171197428),
        (0.3, 3404, 9.706161193918315e-72),
        (0.41, 3404, 3.6610903932008576e-138),
        (0.95, 79, 1.1367025823396253e-40),
        (0.01, 3502, 0.5541315266028994),
        (0.999, 50, 1.9009987456819445e-66),
        (-0.2, 20000, 1.5133902020389823e-179),
    ];

    #[test]
    fn edges_are_stated() {
        assert!((pearson_p(0.3, 2) - 1.0).abs() < 1e-15);
        assert!(pearson_p(0.3, 1).is_nan());
        assert!(pearson_p(f64::NAN, 10).is_nan());
        assert!(pearson_p(1.1, 10).is_nan());
        assert!(pearson_p(1.0, 10).abs() < 1e-300);
        assert!((pearson_p(0.0, 10) - 1.0).abs() < 1e-12);
        assert!(spearman_brown(-1.0).is_nan());
        assert!((spearman_brown(0.5) - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn the_published_bound_on_r_is_that_on_p() {
        // "p < 0.01 equals r > 0.0434" for 3,502 cells, without the part of negative r.
        assert!(pearson_p(0.0436, 3502) < 0.01);
        assert!(pearson_p(0.0434, 3502) > 0.01);
    }
}
