//! Permutation tests.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which values of the null are as extreme as the observed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// At least as large.
    Upper,
    /// At most as large.
    Lower,
    /// At least as large in absolute value.
    Both,
}

/// A permutation p-value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationP {
    /// `(1 + extreme) / (1 + n)`: never 0. NaN where the observed value is undefined.
    #[serde(with = "crate::card::nan_as_null")]
    pub p: f64,
    /// The smallest p that this many permutations can give: a smaller claim has no support.
    pub floor: f64,
    /// Permutations with a defined value.
    pub n: usize,
}

/// The share of the null that is as extreme as the observed value, which counts as one of them (Phipson & Smyth 2010).
///
/// Undefined (NaN) values of the null are left out. [`Error::Invalid`] if none is left.
pub fn permutation_p(observed: f64, null: &[f64], tail: Tail) -> Result<PermutationP> {
    let defined: Vec<f64> = null.iter().copied().filter(|v| !v.is_nan()).collect();
    if defined.is_empty() {
        return Err(Error::invalid(
            "null distribution",
            "it has no defined value",
        ));
    }
    let extreme = defined
        .iter()
        .filter(|&&v| match tail {
            Tail::Upper => v >= observed,
            Tail::Lower => v <= observed,
            Tail::Both => v.abs() >= observed.abs(),
        })
        .count();
    let floor = 1.0 / (1.0 + defined.len() as f64);
    Ok(PermutationP {
        p: if observed.is_nan() {
            f64::NAN
        } else {
            (1.0 + extreme as f64) * floor
        },
        floor,
        n: defined.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_is_counted_and_never_zero() {
        let null = [0.1, -0.5, 0.3, f64::NAN, 0.2];
        let p = |observed, tail| permutation_p(observed, &null, tail).unwrap().p;
        assert!((p(0.2, Tail::Upper) - 3.0 / 5.0).abs() < 1e-15);
        assert!((p(0.2, Tail::Lower) - 4.0 / 5.0).abs() < 1e-15);
        assert!((p(-0.3, Tail::Both) - 3.0 / 5.0).abs() < 1e-15);
        assert!((p(9.0, Tail::Both) - 1.0 / 5.0).abs() < 1e-15);
        assert!(p(f64::NAN, Tail::Both).is_nan());
        assert!(permutation_p(0.0, &[f64::NAN], Tail::Both).is_err());
    }
}
