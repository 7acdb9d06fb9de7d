//! Controls: features that must not do well, and the check that a model does better.

mod leak;

pub use leak::{LeakCheck, LeakRule, RowSplit, leak_check, unknowable_check};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::array::Array2;
use crate::error::{Error, Result};

/// A permutation of `0..n` without a fixed point: one cycle through all (Sattolo's algorithm on ChaCha8).
///
/// The same `(n, seed)` gives the same permutation on every machine. [`Error::Invalid`] for `n` below 2.
pub fn derangement(n: usize, seed: u64) -> Result<Vec<usize>> {
    if n < 2 {
        return Err(Error::invalid(
            "derangement",
            format!("{n} conditions; needs two"),
        ));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, below(&mut rng, i as u64) as usize);
    }
    Ok(order)
}

/// Uniform in `0..bound`, without bias: draws beyond the last whole multiple are thrown away.
fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let draw = rng.next_u64();
        if draw < limit {
            return draw % bound;
        }
    }
}

/// Each condition gets the features of another one, bin for bin from the start of motion, held at the last bin where the
/// other is shorter. Time is kept and the condition is lost: what remains is what the clock alone explains.
///
/// `features` is `[condition][bin, unit]` with row 0 at the start of motion; `source[condition]` names the other one (see
/// [`derangement`]). [`Error::Invalid`] for a bad index, or for a source without bins.
pub fn shuffle_conditions(features: &[Array2], source: &[usize]) -> Result<Vec<Array2>> {
    if source.len() != features.len() {
        return Err(Error::shape(
            "source",
            format!("{} conditions", features.len()),
            format!("{}", source.len()),
        ));
    }
    features
        .iter()
        .zip(source)
        .map(|(mine, &s)| {
            let other = features.get(s).filter(|o| o.rows() > 0).ok_or_else(|| {
                Error::invalid(
                    "source",
                    format!("condition {s} is not there or has no bins"),
                )
            })?;
            Ok(Array2::from_fn(mine.rows(), other.cols(), |row, unit| {
                other.get(row.min(other.rows() - 1), unit)
            }))
        })
        .collect()
}

/// One unit that is 1 everywhere: the read-out can only say the mean of the training rows.
#[must_use]
pub fn constant_features(rows_per_condition: &[usize]) -> Vec<Array2> {
    rows_per_condition
        .iter()
        .map(|&rows| Array2::filled(rows, 1, 1.0))
        .collect()
}

/// When a model counts as better than a null row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NullRule {
    /// Smallest share of splits in which the model's correlation has to be above the null's (paired: same split).
    pub min_share: f64,
}

impl Default for NullRule {
    /// 95 % of the splits.
    fn default() -> Self {
        Self { min_share: 0.95 }
    }
}

/// A model against one null row on one target.
#[derive(Debug, Clone, PartialEq)]
pub struct NullCheck {
    /// Row of the model.
    pub model: String,
    /// Null row.
    pub null: String,
    /// Target.
    pub target: String,
    /// Mean over splits of the paired difference of correlations.
    pub mean_difference: f64,
    /// Share of splits in which the model is above, 0 to 1.
    pub share: f64,
    /// Whether the mean difference is above 0 and the share is large enough. Equality fails.
    pub passed: bool,
}

impl NullCheck {
    /// One line for the card.
    #[must_use]
    pub fn detail(&self) -> String {
        format!(
            "r of hidden {}: mean difference over splits {:+.3}, above in {:.0} % of them",
            self.target,
            self.mean_difference,
            100.0 * self.share
        )
    }
}

/// Whether a model is above a null row, split by split. `model` and `null` are `[split]` correlations of the same splits.
///
/// An undefined correlation (constant prediction) counts as 0: it carries nothing about the target.
/// [`Error::Shape`] if the numbers of splits differ, [`Error::Invalid`] if there are none.
pub fn null_check(
    names: (&str, &str, &str),
    model: &[f64],
    null: &[f64],
    rule: NullRule,
) -> Result<NullCheck> {
    if model.len() != null.len() {
        return Err(Error::shape(
            format!("{} against {}", names.0, names.1),
            format!("{} splits", model.len()),
            format!("{} splits", null.len()),
        ));
    }
    if model.is_empty() {
        return Err(Error::invalid("null check", "no splits"));
    }
    let zero = |v: f64| if v.is_nan() { 0.0 } else { v };
    let differences: Vec<f64> = model
        .iter()
        .zip(null)
        .map(|(&a, &b)| zero(a) - zero(b))
        .collect();
    let mean_difference = crate::stats::mean(&differences);
    let share = differences.iter().filter(|&&d| d > 0.0).count() as f64 / differences.len() as f64;
    Ok(NullCheck {
        model: names.0.into(),
        null: names.1.into(),
        target: names.2.into(),
        mean_difference,
        share,
        passed: mean_difference > 0.0 && share >= rule.min_share,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derangement_has_no_fixed_point_and_follows_its_seed() {
        for n in [2, 3, 79, 200] {
            for seed in 0..20 {
                let d = derangement(n, seed).unwrap();
                assert!(d.iter().enumerate().all(|(i, &s)| i != s));
                let mut sorted = d.clone();
                sorted.sort_unstable();
                assert!(sorted.iter().copied().eq(0..n));
            }
        }
        assert_eq!(derangement(79, 5).unwrap(), derangement(79, 5).unwrap());
        assert_ne!(derangement(79, 5).unwrap(), derangement(79, 6).unwrap());
        assert!(derangement(1, 0).is_err());
    }

    #[test]
    fn shuffled_features_keep_time_and_hold_the_last_bin() {
        let a = Array2::from_fn(2, 1, |i, _| i as f64);
        let b = Array2::from_fn(4, 1, |i, _| 10.0 + i as f64);
        let s = shuffle_conditions(&[a, b], &[1, 0]).unwrap();
        assert_eq!(s[0].as_slice(), [10.0, 11.0]);
        assert_eq!(s[1].as_slice(), [0.0, 1.0, 1.0, 1.0]);
        assert!(shuffle_conditions(&s, &[1, 2]).is_err());
    }

    #[test]
    fn a_model_equal_to_its_null_fails() {
        let r = [0.4, 0.5, 0.6];
        let check = |m: &[f64], n: &[f64]| {
            null_check(("m", "n", "y"), m, n, NullRule::default())
                .unwrap()
                .passed
        };
        assert!(!check(&r, &r));
        assert!(check(&r, &[0.1, 0.2, 0.3]));
        assert!(check(&r, &[f64::NAN; 3]));
        assert!(!check(&[f64::NAN; 3], &[f64::NAN; 3]));
        assert!(!check(&[0.9, 0.9, 0.1], &[0.2, 0.2, 0.2]));
    }
}
