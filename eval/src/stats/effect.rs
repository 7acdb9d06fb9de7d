//! Effect sizes: how large a difference is, beside whether it is there.

use super::{average_ranks, mean};

fn variance(values: &[f64]) -> f64 {
    let centre = mean(values);
    values
        .iter()
        .map(|v| (v - centre) * (v - centre))
        .sum::<f64>()
        / (values.len() as f64 - 1.0)
}

/// Mean of paired differences over their standard deviation (ddof 1), Cohen's d_z. NaN with fewer than two or where all are
/// equal.
#[must_use]
pub fn cohen_dz(differences: &[f64]) -> f64 {
    if differences.len() < 2 {
        return f64::NAN;
    }
    let spread = variance(differences).sqrt();
    if spread > 0.0 {
        mean(differences) / spread
    } else {
        f64::NAN
    }
}

/// Difference of the means of two independent groups over their pooled standard deviation, with Hedges' exact correction for
/// small groups. NaN with fewer than two in a group or no spread.
#[must_use]
pub fn hedges_g(a: &[f64], b: &[f64]) -> f64 {
    if a.len() < 2 || b.len() < 2 {
        return f64::NAN;
    }
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let freedom = na + nb - 2.0;
    let pooled = (((na - 1.0) * variance(a) + (nb - 1.0) * variance(b)) / freedom).sqrt();
    if pooled <= 0.0 {
        return f64::NAN;
    }
    let ln_gamma = statrs::function::gamma::ln_gamma;
    let correction =
        (ln_gamma(freedom / 2.0) - ln_gamma((freedom - 1.0) / 2.0)).exp() / (freedom / 2.0).sqrt();
    (mean(a) - mean(b)) / pooled * correction
}

/// Matched-pairs rank-biserial correlation (Kerby 2014): the share of the rank sum with a positive difference less that with
/// a negative one, -1 to 1. Zeros are left out; NaN if nothing is left.
#[must_use]
pub fn rank_biserial(differences: &[f64]) -> f64 {
    let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if kept.is_empty() {
        return f64::NAN;
    }
    let sizes: Vec<f64> = kept.iter().map(|d| d.abs()).collect();
    let ranks = average_ranks(&sizes);
    let signed: f64 = kept.iter().zip(&ranks).map(|(d, r)| d.signum() * r).sum();
    signed / ranks.iter().sum::<f64>()
}

/// Cliff's delta of two independent groups: P(a > b) - P(a < b), -1 to 1. NaN for an empty group.
#[must_use]
pub fn cliffs_delta(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let mut score = 0.0;
    for x in a {
        for y in b {
            score += f64::from(i8::from(x > y) - i8::from(x < y));
        }
    }
    score / (a.len() * b.len()) as f64
}
