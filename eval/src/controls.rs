//! Controls: features that must not do well, and the check that a model does better.

mod leak;

pub use leak::{LeakCheck, LeakRule, leak_check};

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
}
