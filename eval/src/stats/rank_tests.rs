//! Wilcoxon's signed-rank and rank-sum tests, as scipy computes them.
//!
//! Exact where the null can be counted: signed ranks of up to 50 differences without ties, rank sums without ties where a
//! group has at most 8. Otherwise the normal approximation with the correction for ties; the rank sum also with that for
//! continuity (`scipy.stats.wilcoxon(correction=False)`, `scipy.stats.mannwhitneyu`). [`TestResult::null`] says which.

use super::average_ranks;
use super::bootstrap::normal_cdf;
use super::permutation::{Alternative, NullDistribution, TestResult, finite};
use crate::error::{Error, Result};

/// Most differences for an exact signed-rank test.
const EXACT_SIGNED: usize = 50;

/// A group of at most this size makes the rank-sum test exact.
const EXACT_SUM: usize = 8;

/// Wilcoxon's signed-rank test of paired differences `[unit]`. The statistic is the rank sum of the positive ones; zeros are
/// left out and `n` counts the rest.
///
/// [`Error::TooFew`] if fewer than `min_n` are left, [`Error::NotFinite`] for NaN or infinity.
pub fn signed_rank(
    what: &str,
    differences: &[f64],
    alternative: Alternative,
    min_n: usize,
) -> Result<TestResult> {
    finite(what, differences)?;
    let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let count = kept.len();
    if count < min_n.max(1) {
        return Err(Error::too_few(
            format!("differences other than 0 of the signed-rank test of {what}"),
            min_n.max(1),
            count,
        ));
    }
    let sizes: Vec<f64> = kept.iter().map(|d| d.abs()).collect();
    let ranks = average_ranks(&sizes);
    let plus: f64 = kept
        .iter()
        .zip(&ranks)
        .filter(|(d, _)| **d > 0.0)
        .map(|(_, r)| r)
        .sum();
    let ties = tie_term(&sizes);
    let zeros = differences.len() - count;
    let n = count as f64;
    if ties == 0.0 && zeros == 0 && count <= EXACT_SIGNED {
        // ways[w]: subsets of the ranks 1..=n with sum w.
        let top = count * (count + 1) / 2;
        let mut ways = vec![0.0_f64; top + 1];
        ways[0] = 1.0;
        for rank in 1..=count {
            for w in (rank..=top).rev() {
                ways[w] += ways[w - rank];
            }
        }
        return Ok(exact(&ways, plus, alternative, count));
    }
    let spread = ((n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0).sqrt();
    let z = (plus - n * (n + 1.0) / 4.0) / spread;
    let p = match alternative {
        Alternative::TwoSided => 2.0 * normal_cdf(-z.abs()),
        Alternative::Greater => normal_cdf(-z),
        Alternative::Less => normal_cdf(z),
    };
    Ok(normal(plus, p, alternative, count))
}

/// Wilcoxon's rank-sum test of two independent groups (Mann & Whitney 1947). The statistic is U of `a`: pairs in which `a`
/// is larger, ties by half.
///
/// [`Error::TooFew`] if a group has fewer than `min_n`, [`Error::NotFinite`] for NaN or infinity.
pub fn rank_sum(
    what: &str,
    a: &[f64],
    b: &[f64],
    alternative: Alternative,
    min_n: usize,
) -> Result<TestResult> {
    finite(what, a)?;
    finite(what, b)?;
    let smaller = a.len().min(b.len());
    if smaller < min_n.max(1) {
        return Err(Error::too_few(
            format!("units of a group of the rank-sum test of {what}"),
            min_n.max(1),
            smaller,
        ));
    }
    let pooled: Vec<f64> = a.iter().chain(b).copied().collect();
    let ranks = average_ranks(&pooled);
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let n = na + nb;
    let u = ranks[..a.len()].iter().sum::<f64>() - na * (na + 1.0) / 2.0;
    let ties = tie_term(&pooled);
    if ties == 0.0 && smaller <= EXACT_SUM {
        // ways[k][u]: choices of k of the pooled ranks seen so far whose U is u.
        let top = a.len() * b.len();
        let mut ways = vec![vec![0.0_f64; top + 1]; a.len() + 1];
        ways[0][0] = 1.0;
        for seen in 0..pooled.len() {
            for k in (0..a.len().min(seen + 1)).rev() {
                // The (seen + 1)th smallest as the (k + 1)th of `a` beats seen - k of `b`.
                let beaten = seen - k;
                if beaten > b.len() {
                    continue;
                }
                for w in (beaten..=top).rev() {
                    let add = ways[k][w - beaten];
                    ways[k + 1][w] += add;
                }
            }
        }
        return Ok(exact(&ways[a.len()], u, alternative, pooled.len()));
    }
    let spread = (na * nb / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    let tail = |u: f64| normal_cdf(-(u - na * nb / 2.0 - 0.5) / spread);
    let p = match alternative {
        Alternative::TwoSided => (2.0 * tail(u.max(na * nb - u))).min(1.0),
        Alternative::Greater => tail(u),
        Alternative::Less => tail(na * nb - u),
    };
    Ok(normal(
        u,
        if spread > 0.0 { p } else { f64::NAN },
        alternative,
        pooled.len(),
    ))
}

/// Sum over groups of ties of t³ - t.
fn tie_term(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let groups = sorted.chunk_by(|a, b| a == b);
    groups
        .map(|g| (g.len() as f64).powi(3) - g.len() as f64)
        .sum()
}

fn exact(ways: &[f64], statistic: f64, alternative: Alternative, n: usize) -> TestResult {
    let total: f64 = ways.iter().sum();
    let at = statistic.round() as usize;
    let up_to = ways[..=at.min(ways.len() - 1)].iter().sum::<f64>() / total;
    let from = ways[at.min(ways.len())..].iter().sum::<f64>() / total;
    let (p, sides) = match alternative {
        Alternative::TwoSided => ((2.0 * up_to.min(from)).min(1.0), 2.0),
        Alternative::Greater => (from, 1.0),
        Alternative::Less => (up_to, 1.0),
    };
    TestResult {
        statistic,
        p,
        p_floor: (sides / total).min(1.0),
        alternative,
        null: NullDistribution::Exact,
        n,
        permutations: 0,
    }
}

fn normal(statistic: f64, p: f64, alternative: Alternative, n: usize) -> TestResult {
    TestResult {
        statistic,
        p,
        p_floor: 0.0,
        alternative,
        null: NullDistribution::Normal,
        n,
        permutations: 0,
    }
}
