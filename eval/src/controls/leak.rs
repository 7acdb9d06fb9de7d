//! Does a split over rows let a read-out know what it should not?
//!
//! Bins of one condition resemble each other: with bins of a condition on both sides of a split, a read-out that only knows
//! *which* condition it sees does well. [`leak_check`] finds that without being told: it gives each condition the target of
//! another one, so that nothing general is left to learn, and asks whether the splits still score better than random splits
//! by condition do.

use mental_pong_base::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::derangement;
use crate::array::Array2;
use crate::decode::take;
use crate::error::{Error, Result};
use crate::linear::LeastSquares;
use crate::predictivity::RowSplit;
use crate::stats::permutation::{Alternative, TestResult};
use crate::stats::rank_tests::rank_sum;
use crate::stats::{mean, pearson};

/// How a leak is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LeakRule {
    /// Exchanges of targets between conditions, over which a split's score is averaged.
    pub exchanges: usize,
    /// Random splits by condition to compare with. The smallest p of one split is 1 / (this + 1).
    pub splits_by_condition: usize,
    /// A leak is a p below this.
    pub alpha: f64,
    /// Root seed.
    pub seed: u64,
}

impl Default for LeakRule {
    /// 20 exchanges, 199 splits, 0.01.
    fn default() -> Self {
        Self {
            exchanges: 20,
            splits_by_condition: 199,
            alpha: 0.01,
            seed: 0,
        }
    }
}

/// What [`leak_check`] found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeakCheck {
    /// Splits with bins of one condition on both sides.
    pub splits_sharing_conditions: usize,
    /// Splits.
    pub splits: usize,
    /// Mean over splits of the held-out correlation, with the splits given.
    #[serde(with = "crate::nan_as_null")]
    pub score: f64,
    /// The same with random splits by condition of the same training share.
    #[serde(with = "crate::nan_as_null")]
    pub score_by_condition: f64,
    /// Mean over splits and exchanges of the score with exchanged targets, with the splits given. With clean splits this is what the
    /// clock alone explains.
    #[serde(with = "crate::nan_as_null")]
    pub exchanged: f64,
    /// The same with splits by condition.
    #[serde(with = "crate::nan_as_null")]
    pub exchanged_by_condition: f64,
    /// One-sided rank-sum test of the scores with exchanged targets, `[split]`: the splits given against those by condition.
    /// It takes the splits given as independent draws.
    pub test: TestResult,
    /// Whether the splits let the condition's identity through: p below the rule's alpha, or shared conditions.
    pub leaks: bool,
}

impl LeakCheck {
    /// By how much the splits given flatter the features, in correlation.
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.score - self.score_by_condition
    }

    /// One line for the card.
    #[must_use]
    pub fn detail(&self) -> String {
        format!(
            "{} of {} splits share conditions; r {:.3}, by condition {:.3}; with targets of other conditions {:.3}, by \
             condition {:.3} (p {:.3})",
            self.splits_sharing_conditions,
            self.splits,
            self.score,
            self.score_by_condition,
            self.exchanged,
            self.exchanged_by_condition,
            self.test.p
        )
    }
}

/// Whether splits over rows let the identity of conditions through, for least squares on `features` `[row, unit]`, one
/// `target` `[row]` and the `condition` of each row.
///
/// Rows of a condition have to be in the order of time: an exchanged target is read from its start and held where the
/// other condition is shorter. Undefined correlations count as 0.
///
/// [`Error::Shape`] for lengths that differ, [`Error::TooFew`] below 8 conditions, without exchanges or with fewer
/// than 19 splits by condition, [`Error::Split`] for a split
/// with an empty side, a row that is not there, or one on both sides.
pub fn leak_check(
    features: &Array2,
    target: &[f64],
    condition: &[usize],
    splits: &[RowSplit],
    rule: &LeakRule,
) -> Result<LeakCheck> {
    let groups = groups(features, target, condition)?;
    if groups.len() < 8 {
        return Err(Error::too_few(
            "conditions of the leak check",
            8,
            groups.len(),
        ));
    }
    for (what, needed, found) in [
        ("exchanges of the leak check", 1, rule.exchanges),
        (
            "splits by condition of the leak check",
            19,
            rule.splits_by_condition,
        ),
    ] {
        if found < needed {
            return Err(Error::too_few(what, needed, found));
        }
    }
    check_splits(splits, target.len())?;
    let n_groups = groups.len();
    let mut group_of = vec![0; target.len()];
    for (g, rows) in groups.iter().enumerate() {
        rows.iter().for_each(|&row| group_of[row] = g);
    }
    // Column 0 is the target itself, the others are exchanges.
    let mut columns = vec![target.to_vec()];
    for exchange in 0..rule.exchanges {
        let source = derangement(n_groups, rule.seed.wrapping_add(exchange as u64))?;
        let mut column = vec![0.0; target.len()];
        for (g, rows) in groups.iter().enumerate() {
            let other = &groups[source[g]];
            for (i, &row) in rows.iter().enumerate() {
                column[row] = target[other[i.min(other.len() - 1)]];
            }
        }
        columns.push(column);
    }
    let targets = Array2::from_fn(target.len(), columns.len(), |row, c| columns[c][row]);
    let (trained, all) = splits.iter().fold((0, 0), |(trained, all), split| {
        let train = split.train.len();
        (trained + train, all + train + split.test.len())
    });
    let n_train = (trained as f64 / all as f64 * n_groups as f64).round() as usize;
    let n_train = n_train.clamp(1, n_groups - 1);
    let by_condition: Vec<RowSplit> = (0..rule.splits_by_condition as u64)
        .map(|s| {
            let order = Stream::new(rule.seed, "leak check", s).permutation(n_groups);
            let rows = |of: &[usize]| {
                let mut rows: Vec<usize> = of.iter().flat_map(|&g| groups[g].clone()).collect();
                rows.sort_unstable();
                rows
            };
            RowSplit {
                train: rows(&order[..n_train]),
                test: rows(&order[n_train..]),
            }
        })
        .collect();
    let (score, exchanged) = scores(features, &targets, splits)?;
    let (score_by, exchanged_by) = scores(features, &targets, &by_condition)?;
    let test = rank_sum(
        "leak check",
        &exchanged,
        &exchanged_by,
        Alternative::Greater,
        1,
    )?;
    let sharing = splits
        .iter()
        .filter(|split| {
            let mut trained = vec![false; n_groups];
            split
                .train
                .iter()
                .for_each(|&row| trained[group_of[row]] = true);
            split.test.iter().any(|&row| trained[group_of[row]])
        })
        .count();
    Ok(LeakCheck {
        splits_sharing_conditions: sharing,
        splits: splits.len(),
        score: mean(&score),
        score_by_condition: mean(&score_by),
        exchanged: mean(&exchanged),
        exchanged_by_condition: mean(&exchanged_by),
        leaks: sharing > 0 || test.p < rule.alpha,
        test,
    })
}

fn zero(r: f64) -> f64 {
    if r.is_nan() { 0.0 } else { r }
}

/// Rows of each condition, conditions rising.
fn groups(features: &Array2, target: &[f64], condition: &[usize]) -> Result<Vec<Vec<usize>>> {
    for (what, found) in [("target", target.len()), ("condition", condition.len())] {
        if found != features.rows() {
            return Err(Error::shape(
                what,
                format!("{} rows, as the features", features.rows()),
                format!("{found} rows"),
            ));
        }
    }
    let mut groups: std::collections::BTreeMap<usize, Vec<usize>> =
        std::collections::BTreeMap::new();
    for (row, &c) in condition.iter().enumerate() {
        groups.entry(c).or_default().push(row);
    }
    Ok(groups.into_values().collect())
}

/// Held-out correlation of the first target, and mean of that of the others, `[split]` each.
fn scores(
    features: &Array2,
    targets: &Array2,
    splits: &[RowSplit],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let each: Vec<(f64, f64)> = splits
        .par_iter()
        .map(|split| {
            let x = take(features, &split.train);
            let y = take(targets, &split.train);
            let p = LeastSquares::fit(&x, &y)?.predict(&take(features, &split.test))?;
            let truth = take(targets, &split.test);
            let r: Vec<f64> = (0..targets.cols())
                .map(|t| zero(pearson(&p.column(t), &truth.column(t))))
                .collect();
            Ok((r[0], mean(&r[1..])))
        })
        .collect::<Result<_>>()?;
    Ok(each.into_iter().unzip())
}

fn check_splits(splits: &[RowSplit], rows: usize) -> Result<()> {
    if splits.is_empty() {
        return Err(Error::invalid("splits", "there are none"));
    }
    for (index, split) in splits.iter().enumerate() {
        split.check(index, rows)?;
    }
    Ok(())
}
