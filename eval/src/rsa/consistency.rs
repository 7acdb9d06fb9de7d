//! Noise-corrected correlation of two systems' distances.

use serde::{Deserialize, Serialize};

use crate::recordings::reliability::spearman_brown;

/// Correlations of the distances of two systems X and Y, and what is left when the noise of both is corrected for.
///
/// X1, X2 and Y1, Y2 are halves of the trials; a noiseless system is its own half. NaN where a correlation is not defined or
/// where the halves of a system correlate negatively.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Consistency {
    /// r(X1, X2).
    #[serde(with = "crate::nan_as_null")]
    pub r_xx: f64,
    /// r(Y1, Y2); 1 for a noiseless system.
    #[serde(with = "crate::nan_as_null")]
    pub r_yy: f64,
    /// r(X, Y), all trials.
    #[serde(with = "crate::nan_as_null")]
    pub r_xy: f64,
    /// The form of the text (P25, Eq. 4): mean of r(X2, Y1) and r(X1, Y2), over `sqrt(r_xx r_yy)`.
    #[serde(with = "crate::nan_as_null")]
    pub r_xy_n: f64,
    /// The form of the code, which is the one that is plotted and reported: r(X, Y) over `sqrt(SB(r_xx) SB(r_yy))`,
    /// SB(r) = 2 r / (1 + r).
    #[serde(with = "crate::nan_as_null")]
    pub r_xy_n_sb: f64,
}

impl Consistency {
    /// From the correlations; `across` are r(X2, Y1) and r(X1, Y2).
    #[must_use]
    pub fn from_correlations(r_xx: f64, r_yy: f64, r_xy: f64, across: [f64; 2]) -> Self {
        let under = |a: f64, b: f64| {
            if a >= 0.0 && b >= 0.0 {
                (a * b).sqrt()
            } else {
                f64::NAN
            }
        };
        let ratio = |top: f64, bottom: f64| if bottom > 0.0 { top / bottom } else { f64::NAN };
        Self {
            r_xx,
            r_yy,
            r_xy,
            r_xy_n: ratio((across[0] + across[1]) / 2.0, under(r_xx, r_yy)),
            r_xy_n_sb: ratio(r_xy, under(spearman_brown(r_xx), spearman_brown(r_yy))),
        }
    }

    /// The five numbers, to fold over many.
    pub(super) fn numbers(self) -> [f64; 5] {
        [self.r_xx, self.r_yy, self.r_xy, self.r_xy_n, self.r_xy_n_sb]
    }

    pub(super) fn from_numbers([r_xx, r_yy, r_xy, r_xy_n, r_xy_n_sb]: [f64; 5]) -> Self {
        Self {
            r_xx,
            r_yy,
            r_xy,
            r_xy_n,
            r_xy_n_sb,
        }
    }
}

/// What is left of a variance below this is rounding: a correlation with it is 0 / 0.
const NOTHING_LEFT: f64 = 1e-10;

/// Correlation of x and y with z taken out of both: `(r_xy - r_xz r_yz) / sqrt((1 - r_xz²)(1 - r_yz²))`. NaN where z leaves
/// nothing of x or of y.
pub(super) fn partial(r_xy: f64, r_xz: f64, r_yz: f64) -> f64 {
    if (1.0 - r_xz * r_xz).min(1.0 - r_yz * r_yz) < NOTHING_LEFT {
        return f64::NAN;
    }
    (r_xy - r_xz * r_yz) / ((1.0 - r_xz * r_xz) * (1.0 - r_yz * r_yz)).sqrt()
}

/// What the published code calls partial: the correlation of what x leaves of z with what y leaves of z,
/// `(1 - r_xz² - r_yz² + r_xz r_yz r_xy) / sqrt((1 - r_xz²)(1 - r_yz²))`. It is large wherever z is explained by neither.
pub(super) fn partial_as_published(r_xy: f64, r_xz: f64, r_yz: f64) -> f64 {
    (1.0 - r_xz * r_xz - r_yz * r_yz + r_xz * r_yz * r_xy)
        / ((1.0 - r_xz * r_xz) * (1.0 - r_yz * r_yz)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::pearson;

    fn residual(of: &[f64], on: &[f64]) -> Vec<f64> {
        let (mx, my) = (crate::stats::mean(on), crate::stats::mean(of));
        let top: f64 = on.iter().zip(of).map(|(x, y)| (x - mx) * (y - my)).sum();
        let bottom: f64 = on.iter().map(|x| (x - mx) * (x - mx)).sum();
        of.iter()
            .zip(on)
            .map(|(y, x)| y - my - top / bottom * (x - mx))
            .collect()
    }

    #[test]
    fn both_partial_forms_are_correlations_of_residuals() {
        let wave = |a: f64, b: f64| -> Vec<f64> {
            (0..60)
                .map(|i| (f64::from(i) * a).sin() + b * f64::from(i * i % 17))
                .collect()
        };
        let (x, y, z) = (wave(0.3, 0.05), wave(0.31, 0.02), wave(1.1, 0.07));
        let (xy, xz, yz) = (pearson(&x, &y), pearson(&x, &z), pearson(&y, &z));
        let textbook = pearson(&residual(&x, &z), &residual(&y, &z));
        let published = pearson(&residual(&z, &x), &residual(&z, &y));
        assert!((partial(xy, xz, yz) - textbook).abs() < 1e-12);
        assert!((partial_as_published(xy, xz, yz) - published).abs() < 1e-12);
        // They are not the same thing: all three correlations 0.5.
        assert!((partial(0.5, 0.5, 0.5) - 1.0 / 3.0).abs() < 1e-15);
        assert!((partial_as_published(0.5, 0.5, 0.5) - 5.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn a_partial_correlation_of_what_the_ball_explains_wholly_is_undefined() {
        assert!(partial(0.7, 1.0 - 1e-15, 0.7).is_nan());
        assert!(partial(0.7, 0.7, -1.0).is_nan());
    }

    #[test]
    fn a_system_is_consistent_with_its_noisy_self() {
        // Distances d + e, e of the variance that gives r_xx = 0.5; r with the clean d is sqrt(0.5) for a half and
        // sqrt(2/3) for the mean of two halves.
        let c = Consistency::from_correlations(0.5, 1.0, (2.0f64 / 3.0).sqrt(), [0.5f64.sqrt(); 2]);
        assert!((c.r_xy_n - 1.0).abs() < 1e-12 && (c.r_xy_n_sb - 1.0).abs() < 1e-12);
    }

    #[test]
    fn negative_reliability_is_not_a_number() {
        let c = Consistency::from_correlations(-0.1, 1.0, 0.5, [0.5, 0.5]);
        assert!(c.r_xy_n.is_nan() && c.r_xy_n_sb.is_nan() && c.r_xy == 0.5);
        let c = Consistency::from_correlations(0.0, 1.0, 0.0, [0.0, 0.0]);
        assert!(c.r_xy_n.is_nan() && c.r_xy_n_sb.is_nan());
    }
}
