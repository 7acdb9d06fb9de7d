//! The noise-corrected correlation of one unit.

use serde::{Deserialize, Serialize};

use crate::stats;

/// How predictions and responses are compared across rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Pearson correlation, the published one.
    Pearson,
    /// Spearman correlation.
    Spearman,
}

impl Metric {
    /// Of two slices of one length; NaN where one side is constant.
    #[must_use]
    pub fn of(self, x: &[f64], y: &[f64]) -> f64 {
        match self {
            Self::Pearson => stats::pearson(x, y),
            Self::Spearman => stats::spearman(x, y),
        }
    }
}

/// What became of the correction for noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// Both reliabilities are positive.
    Defined,
    /// One reliability is negative: the score is NaN, here and in the published code.
    OneNegative,
    /// Both are negative: their product is positive, so the published formula gives a number without meaning. It is kept
    /// in [`UnitScore::r_xy_n_sb`], and left out of all summaries but those named "published".
    BothNegative,
    /// A correlation is undefined (a constant side), or the score is not finite.
    Undefined,
}

/// Scores of one unit on one set of rows. Nothing is clipped: noise can take `r_xy_n_sb` above 1.
///
/// Source: Nayebi et al. (2023), methods and released code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UnitScore {
    /// Correlation of the prediction with the response, both from all trials.
    pub r_xy: f64,
    /// Correlation of the predictions of two maps, each fitted to one half of the trials.
    pub r_xx: f64,
    /// Correlation of the halves.
    pub r_yy: f64,
    /// `r_xx` for all trials, `2 r / (1 + r)`.
    pub r_xx_sb: f64,
    /// `r_yy` for all trials.
    pub r_yy_sb: f64,
    /// `sqrt(r_xx_sb · r_yy_sb)`.
    pub denom_sb: f64,
    /// Noise-corrected predictivity, `r_xy / denom_sb`.
    pub r_xy_n_sb: f64,
    /// Whether the correction means anything.
    pub correction: Correction,
}

impl UnitScore {
    /// From the three correlations.
    #[must_use]
    pub fn new(r_xy: f64, r_xx: f64, r_yy: f64) -> Self {
        // As published: -1 gives minus infinity.
        let sb = |r: f64| 2.0 * r / (1.0 + r);
        let (r_xx_sb, r_yy_sb) = (sb(r_xx), sb(r_yy));
        let denom_sb = (r_xx_sb * r_yy_sb).sqrt();
        let r_xy_n_sb = r_xy / denom_sb;
        let correction = if r_xx_sb < 0.0 && r_yy_sb < 0.0 {
            Correction::BothNegative
        } else if r_xx_sb < 0.0 || r_yy_sb < 0.0 {
            Correction::OneNegative
        } else if r_xy_n_sb.is_finite() {
            Correction::Defined
        } else {
            Correction::Undefined
        };
        Self {
            r_xy,
            r_xx,
            r_yy,
            r_xx_sb,
            r_yy_sb,
            denom_sb,
            r_xy_n_sb,
            correction,
        }
    }

    /// The score where it means something, else NaN.
    #[must_use]
    pub fn value(&self) -> f64 {
        if self.correction == Correction::Defined {
            self.r_xy_n_sb
        } else {
            f64::NAN
        }
    }
}

/// [`UnitScore::value`] of three correlations.
#[inline]
pub(crate) fn corrected(r_xy: f64, r_xx: f64, r_yy: f64) -> f64 {
    let (r_xx_sb, r_yy_sb) = (2.0 * r_xx / (1.0 + r_xx), 2.0 * r_yy / (1.0 + r_yy));
    let score = r_xy / (r_xx_sb * r_yy_sb).sqrt();
    if r_xx_sb < 0.0 || r_yy_sb < 0.0 || !score.is_finite() {
        f64::NAN
    } else {
        score
    }
}

/// Standard error of the mean of what is not NaN (divisor n − 1); NaN for fewer than two.
#[must_use]
pub fn standard_error(values: &[f64]) -> f64 {
    let defined: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let n = defined.len() as f64;
    if n < 2.0 {
        return f64::NAN;
    }
    stats::sd(&defined) / (n - 1.0).sqrt()
}

/// Standard error of a weighted mean: root of the weighted variance over `(Σ w)² / Σ w²`, as the published code. NaN for
/// slices of different length or weights that add up to 0.
#[must_use]
pub fn weighted_standard_error(values: &[f64], weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    if values.len() != weights.len() || total <= 0.0 {
        return f64::NAN;
    }
    let mean = values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / total;
    let variance = values
        .iter()
        .zip(weights)
        .map(|(v, w)| w * (v - mean) * (v - mean))
        .sum::<f64>()
        / total;
    let n = total * total / weights.iter().map(|w| w * w).sum::<f64>();
    (variance / n).sqrt()
}

/// Mean of what is not NaN; NaN if nothing is.
pub(crate) fn mean_defined(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut n) = (0.0, 0_u32);
    for v in values.filter(|v| !v.is_nan()) {
        sum += v;
        n += 1;
    }
    sum / f64::from(n)
}

/// Median of what is not NaN; NaN if nothing is.
pub(crate) fn median_defined(values: &[f64]) -> f64 {
    let defined: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    stats::quantile(&defined, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_the_correction_are_kept_apart() {
        let good = UnitScore::new(0.6, 0.9, 0.5);
        assert_eq!(good.correction, Correction::Defined);
        assert!((good.r_xy_n_sb - 0.6 / ((1.8 / 1.9) * (1.0 / 1.5_f64)).sqrt()).abs() < 1e-15);
        // Above 1, and not clipped.
        assert!(UnitScore::new(0.9, 0.9, 0.2).value() > 1.0);
        let one = UnitScore::new(0.6, 0.9, -0.1);
        assert_eq!(one.correction, Correction::OneNegative);
        assert!(one.r_xy_n_sb.is_nan());
        let both = UnitScore::new(0.6, -0.2, -0.1);
        assert_eq!(both.correction, Correction::BothNegative);
        assert!(both.r_xy_n_sb.is_finite() && both.value().is_nan());
        assert_eq!(
            UnitScore::new(0.6, f64::NAN, 0.4).correction,
            Correction::Undefined
        );
        assert_eq!(
            UnitScore::new(0.6, -1.0, 0.4).correction,
            Correction::OneNegative
        );
        assert_eq!(
            UnitScore::new(0.6, 0.5, 0.0).correction,
            Correction::Undefined
        );
    }

    #[test]
    fn the_short_form_is_the_score() {
        let r = [-1.0, -0.3, 0.0, 0.2, 0.9, 1.0, f64::NAN];
        let triples = (0..r.len().pow(3)).map(|k| (r[k / 49], r[k / 7 % 7], r[k % 7]));
        for (a, b, c) in triples {
            let (one, other) = (corrected(a, b, c), UnitScore::new(a, b, c).value());
            assert!(
                one == other || one.is_nan() && other.is_nan(),
                "{a} {b} {c}"
            );
        }
    }

    #[test]
    fn standard_error_leaves_out_the_undefined() {
        assert!((standard_error(&[1.0, 3.0, f64::NAN]) - 1.0).abs() < 1e-15);
        assert!(standard_error(&[1.0]).is_nan());
    }
}
