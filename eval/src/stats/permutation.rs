//! Permutation tests: p from the data's own exchangeability, with the smallest p that the number of permutations allows.
//!
//! p is (1 + permutations at least as extreme) / (1 + permutations), Phipson & Smyth 2010, so that it is never 0; where all
//! arrangements can be listed they are, and p is exact. Permutation `b` has its own random stream.

use mental_pong_base::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::mean;
use crate::error::{Error, Result};

/// What counts as extreme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alternative {
    /// Far from 0 on either side: |T| at least |t|.
    TwoSided,
    /// Large.
    Greater,
    /// Small.
    Less,
}

/// How the distribution under the null was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NullDistribution {
    /// All arrangements, or their exact count.
    Exact,
    /// Random arrangements.
    MonteCarlo,
    /// Normal approximation.
    Normal,
}

/// The result of a test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// The test's statistic.
    #[serde(with = "crate::nan_as_null")]
    pub statistic: f64,
    /// p; NaN (null) where the statistic is undefined.
    #[serde(with = "crate::nan_as_null")]
    pub p: f64,
    /// Smallest p that this test could have given; 0 for a normal approximation.
    pub p_floor: f64,
    /// What counts as extreme.
    pub alternative: Alternative,
    /// How the null was had.
    pub null: NullDistribution,
    /// Units that took part.
    pub n: usize,
    /// Arrangements looked at; 0 where none were drawn or listed.
    pub permutations: u64,
}

/// A permutation p-value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationP {
    /// `(1 + extreme) / (1 + n)`: never 0. NaN where the observed value is undefined.
    #[serde(with = "crate::nan_as_null")]
    pub p: f64,
    /// The smallest p that this many permutations can give: a smaller claim has no support.
    pub floor: f64,
    /// Permutations with a defined value.
    pub n: usize,
}

/// The share of the null that is as extreme as the observed value, which counts as one of them (Phipson & Smyth 2010).
///
/// Undefined (NaN) values of the null are left out. [`Error::Invalid`] if none is left.
pub fn permutation_p(
    observed: f64,
    null: &[f64],
    alternative: Alternative,
) -> Result<PermutationP> {
    let defined: Vec<f64> = null.iter().copied().filter(|v| !v.is_nan()).collect();
    if defined.is_empty() {
        return Err(Error::invalid(
            "null distribution",
            "it has no defined value",
        ));
    }
    let extreme = defined
        .iter()
        .filter(|&&v| match alternative {
            Alternative::Greater => v >= observed,
            Alternative::Less => v <= observed,
            Alternative::TwoSided => v.abs() >= observed.abs(),
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

/// How to permute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Permutation {
    /// Random arrangements, where there are more in all.
    pub permutations: u64,
    /// What counts as extreme.
    pub alternative: Alternative,
    /// Root seed.
    pub seed: u64,
    /// Fewest units that are accepted.
    pub min_n: usize,
}

impl Default for Permutation {
    /// 9,999 arrangements (p not below 0.0001), two-sided, at least 6 units: with 5, all signs equal give p 0.0625.
    fn default() -> Self {
        Self {
            permutations: 9_999,
            alternative: Alternative::TwoSided,
            seed: 0,
            min_n: 6,
        }
    }
}

impl Permutation {
    /// Whether paired differences have mean 0, by flipping their signs: under the null each is as likely as its negative.
    /// `differences` is `[unit]`.
    ///
    /// [`Error::TooFew`] below `min_n`, [`Error::NotFinite`] for NaN or infinity.
    pub fn sign_flip(&self, what: &str, differences: &[f64]) -> Result<TestResult> {
        finite(what, differences)?;
        let n = differences.len() as f64;
        self.swap(what, differences.len(), |flip| {
            let signed = differences.iter().zip(flip);
            signed.map(|(d, &f)| if f { -d } else { *d }).sum::<f64>() / n
        })
    }

    /// Whether two models are exchangeable within units. `statistic(swapped)` is the difference between the first and the
    /// second model after their contributions in the units with `swapped[unit]` true have changed places; its sign has to
    /// turn when all are swapped.
    ///
    /// [`Error::TooFew`] below `min_n`.
    pub fn swap(
        &self,
        what: &str,
        n: usize,
        statistic: impl Fn(&[bool]) -> f64 + Sync,
    ) -> Result<TestResult> {
        self.check(what, n)?;
        let observed = statistic(&vec![false; n]);
        // The list of all 2^n arrangements, the observed one among them, where it is no longer than what would be drawn.
        if n < 63 && (1_u64 << n) <= self.permutations.saturating_add(1) {
            let all = 1_u64 << n;
            let hits = self.count(observed, all, n, |which, arrangement| {
                for (unit, swapped) in arrangement.iter_mut().enumerate() {
                    *swapped = (which >> unit) & 1 == 1;
                }
                statistic(arrangement)
            });
            let sides = match self.alternative {
                Alternative::TwoSided => 2.0,
                Alternative::Greater | Alternative::Less => 1.0,
            };
            return Ok(self.result(
                observed,
                hits as f64 / all as f64,
                sides / all as f64,
                NullDistribution::Exact,
                (n, all),
            ));
        }
        let hits = self.count(observed, self.permutations, n, |which, arrangement| {
            let mut stream = Stream::new(self.seed, "sign flip", which);
            arrangement.fill_with(|| stream.chance(0.5));
            statistic(arrangement)
        });
        Ok(self.monte_carlo(observed, hits, n))
    }

    /// Whether labels matter. `statistic(order)` is a statistic that is 0 on average when the labels of the `n` units are
    /// rearranged: unit `i` gets the label of unit `order[i]`; `0..n` gives the observed one.
    ///
    /// [`Error::TooFew`] below `min_n`.
    pub fn shuffle_labels(
        &self,
        what: &str,
        n: usize,
        statistic: impl Fn(&[usize]) -> f64 + Sync,
    ) -> Result<TestResult> {
        self.check(what, n)?;
        let identity: Vec<usize> = (0..n).collect();
        let observed = statistic(&identity);
        let hits = (0..self.permutations)
            .into_par_iter()
            .filter(|&b| {
                let order = Stream::new(self.seed, "label shuffle", b).permutation(n);
                self.extreme(statistic(&order), observed)
            })
            .count() as u64;
        Ok(self.monte_carlo(observed, hits, n))
    }

    /// Whether two independent groups have one mean, by rearranging who belongs to which.
    ///
    /// [`Error::TooFew`] below `min_n` in all or with an empty group, [`Error::NotFinite`] for NaN or infinity.
    pub fn two_groups(&self, what: &str, a: &[f64], b: &[f64]) -> Result<TestResult> {
        finite(what, a)?;
        finite(what, b)?;
        if a.is_empty() || b.is_empty() {
            return Err(Error::too_few(format!("units of a group of {what}"), 1, 0));
        }
        let pooled: Vec<f64> = a.iter().chain(b).copied().collect();
        let centre = mean(&pooled);
        self.shuffle_labels(what, pooled.len(), |order| {
            let first: f64 = order[..a.len()].iter().map(|&i| pooled[i] - centre).sum();
            let second: f64 = order[a.len()..].iter().map(|&i| pooled[i] - centre).sum();
            first / a.len() as f64 - second / b.len() as f64
        })
    }

    fn count(
        &self,
        observed: f64,
        arrangements: u64,
        n: usize,
        statistic: impl Fn(u64, &mut [bool]) -> f64 + Sync,
    ) -> u64 {
        (0..arrangements)
            .into_par_iter()
            .map_init(
                || vec![false; n],
                |arrangement, which| {
                    u64::from(self.extreme(statistic(which, arrangement), observed))
                },
            )
            .sum()
    }

    /// An undefined statistic of an arrangement counts as extreme: it cannot speak against the null.
    fn extreme(&self, value: f64, observed: f64) -> bool {
        // Sums in another order differ by rounding; such a tie is a tie.
        let slack = 1e-12 * observed.abs();
        value.is_nan()
            || match self.alternative {
                Alternative::TwoSided => value.abs() >= observed.abs() - slack,
                Alternative::Greater => value >= observed - slack,
                Alternative::Less => value <= observed + slack,
            }
    }

    fn monte_carlo(&self, observed: f64, hits: u64, n: usize) -> TestResult {
        let total = self.permutations as f64 + 1.0;
        self.result(
            observed,
            (hits as f64 + 1.0) / total,
            1.0 / total,
            NullDistribution::MonteCarlo,
            (n, self.permutations),
        )
    }

    fn result(
        &self,
        statistic: f64,
        p: f64,
        p_floor: f64,
        null: NullDistribution,
        (n, permutations): (usize, u64),
    ) -> TestResult {
        TestResult {
            statistic,
            p: if statistic.is_nan() {
                f64::NAN
            } else {
                p.min(1.0)
            },
            p_floor,
            alternative: self.alternative,
            null,
            n,
            permutations,
        }
    }

    fn check(&self, what: &str, n: usize) -> Result<()> {
        if n < self.min_n.max(1) {
            return Err(Error::too_few(
                format!("units of the permutation test of {what}"),
                self.min_n.max(1),
                n,
            ));
        }
        if self.permutations < 19 {
            return Err(Error::too_few(
                format!("arrangements of the permutation test of {what}"),
                19,
                usize::try_from(self.permutations).unwrap_or(usize::MAX),
            ));
        }
        Ok(())
    }
}

pub(crate) fn finite(what: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite {
            what: what.into(),
            index,
            value: values[index],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_is_counted_and_never_zero() {
        let null = [0.1, -0.5, 0.3, f64::NAN, 0.2];
        let p = |observed, side| permutation_p(observed, &null, side).unwrap().p;
        assert!((p(0.2, Alternative::Greater) - 3.0 / 5.0).abs() < 1e-15);
        assert!((p(0.2, Alternative::Less) - 4.0 / 5.0).abs() < 1e-15);
        assert!((p(-0.3, Alternative::TwoSided) - 3.0 / 5.0).abs() < 1e-15);
        assert!((p(9.0, Alternative::TwoSided) - 1.0 / 5.0).abs() < 1e-15);
        assert!(p(f64::NAN, Alternative::TwoSided).is_nan());
        assert!(permutation_p(0.0, &[f64::NAN], Alternative::TwoSided).is_err());
    }

    #[test]
    fn equal_signs_of_six_give_the_floor() {
        let test = Permutation::default();
        let result = test
            .sign_flip("d", &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
            .unwrap();
        assert_eq!(result.null, NullDistribution::Exact);
        assert!((result.p - 2.0 / 64.0).abs() < 1e-15 && (result.p_floor - result.p).abs() < 1e-15);
        let error = test.sign_flip("d", &[0.1; 5]).unwrap_err().to_string();
        assert!(error.contains("at least 6"), "{error}");
        assert!(test.sign_flip("d", &[f64::NAN; 9]).is_err());
    }

    #[test]
    fn monte_carlo_meets_the_exact_p() {
        let d: Vec<f64> = (0..12)
            .map(|i| 0.3 + f64::from(i * 7 % 12 - 6) * 0.2)
            .collect();
        let exact = Permutation::default().sign_flip("d", &d).unwrap();
        let drawn = Permutation {
            permutations: 4000,
            ..Permutation::default()
        };
        let drawn = drawn.sign_flip("d", &d).unwrap();
        assert_eq!(exact.null, NullDistribution::Exact);
        assert_eq!(drawn.null, NullDistribution::MonteCarlo);
        // Five standard errors of a share of 4,000 draws.
        let bound = 5.0 * (exact.p * (1.0 - exact.p) / 4000.0).sqrt();
        assert!((exact.p - drawn.p).abs() < bound, "{} {}", exact.p, drawn.p);
    }

    #[test]
    fn a_far_group_reaches_the_floor_and_threads_do_not_matter() {
        let a: Vec<f64> = (0..15).map(f64::from).collect();
        let b: Vec<f64> = (0..15).map(|i| 100.0 + f64::from(i)).collect();
        let test = Permutation {
            permutations: 999,
            ..Permutation::default()
        };
        let result = test.two_groups("x", &a, &b).unwrap();
        assert!((result.p - 0.001).abs() < 1e-15 && (result.p_floor - 0.001).abs() < 1e-15);
        let c: Vec<f64> = a.iter().map(|v| v * 1.1 + 1.0).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| test.two_groups("x", &a, &c).unwrap().p)
        };
        assert!((run(1) - run(3)).abs() < 1e-300 && run(1) > 0.01);
    }
}
