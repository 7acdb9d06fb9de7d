//! Corrections of p for several comparisons.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is kept below the level over all comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// Holm 1979: the chance of any false positive, under any dependence.
    Holm,
    /// Benjamini & Hochberg 1995: the expected share of false positives among the positives, for independent or
    /// positively dependent tests.
    BenjaminiHochberg,
    /// p as they are.
    None,
}

impl Correction {
    /// Corrected p in the order of the input. NaN stays NaN and is not counted as a comparison.
    ///
    /// [`Error::Invalid`] for a p outside of [0, 1].
    pub fn adjust(self, p: &[f64]) -> Result<Vec<f64>> {
        if let Some(bad) = p.iter().find(|v| !v.is_nan() && !(0.0..=1.0).contains(*v)) {
            return Err(Error::invalid("p", format!("{bad} is not in [0, 1]")));
        }
        let mut order: Vec<usize> = (0..p.len()).filter(|&i| !p[i].is_nan()).collect();
        order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
        let m = order.len() as f64;
        let mut out = vec![f64::NAN; p.len()];
        match self {
            Self::None => return Ok(p.to_vec()),
            Self::Holm => {
                let mut running = 0.0_f64;
                for (rank, &i) in order.iter().enumerate() {
                    running = running.max((m - rank as f64) * p[i]).min(1.0);
                    out[i] = running;
                }
            }
            Self::BenjaminiHochberg => {
                let mut running = 1.0_f64;
                for (rank, &i) in order.iter().enumerate().rev() {
                    running = running.min(m / (rank + 1) as f64 * p[i]);
                    out[i] = running;
                }
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &[f64], b: &[f64]) -> bool {
        a.iter()
            .zip(b)
            .all(|(a, b)| (a - b).abs() < 1e-12 || (a.is_nan() && b.is_nan()))
    }

    #[test]
    fn corrections_follow_their_definition_by_hand() {
        let p = [0.01, 0.04, 0.03, f64::NAN, 0.005];
        let holm = Correction::Holm.adjust(&p).unwrap();
        assert!(
            close(&holm, &[0.03, 0.06, 0.06, f64::NAN, 0.02]),
            "{holm:?}"
        );
        let bh = Correction::BenjaminiHochberg.adjust(&p).unwrap();
        assert!(close(&bh, &[0.02, 0.04, 0.04, f64::NAN, 0.02]), "{bh:?}");
        assert!(Correction::Holm.adjust(&[1.2]).is_err());
        assert!(Correction::Holm.adjust(&[]).unwrap().is_empty());
    }
}
