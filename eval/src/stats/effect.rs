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
