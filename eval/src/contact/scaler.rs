//! Features to mean 0 and standard deviation 1.

use crate::array::Array2;
use crate::error::{Error, Result};

/// `sklearn.preprocessing.StandardScaler`: mean and standard deviation (ddof 0) of each feature over training clips. A
/// feature that is constant to rounding keeps its scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Scaler {
    /// From the rows `clips` of `features` `[clip, feature]`. [`Error::Invalid`] without rows; values have to be finite.
    pub fn fit(features: &Array2, clips: &[usize]) -> Result<Self> {
        if clips.is_empty() {
            return Err(Error::invalid("scaler", "no clips to fit on"));
        }
        let n = clips.len() as f64;
        let mut mean = vec![0.0; features.cols()];
        for &clip in clips {
            for (m, v) in mean.iter_mut().zip(features.row(clip)) {
                *m += v;
            }
        }
        mean.iter_mut().for_each(|m| *m /= n);
        let mut variance = vec![0.0; features.cols()];
        for &clip in clips {
            for ((s, v), m) in variance.iter_mut().zip(features.row(clip)).zip(&mean) {
                *s += (v - m) * (v - m);
            }
        }
        let scale = variance
            .iter()
            .zip(&mean)
            .map(|(sum, m)| {
                let variance = sum / n;
                // scikit-learn's bound on what rounding leaves of a constant.
                let rounding = n * f64::EPSILON * variance + (n * m * f64::EPSILON).powi(2);
                if variance <= rounding {
                    1.0
                } else {
                    variance.sqrt()
                }
            })
            .collect();
        Ok(Self { mean, scale })
    }

    /// `[feature]`.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[feature]`, 1 where the feature is constant.
    #[must_use]
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }
}
