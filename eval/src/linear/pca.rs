//! Principal components.

use super::solve::failed;
use crate::array::Array2;
use crate::error::{Error, Result};

/// Principal components of rows, as `sklearn.decomposition.PCA(svd_solver="full")` but for the sign: the entry of largest
/// size of each component is positive (the first of equals).
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    components: Array2,
    explained_variance: Vec<f64>,
}

impl Pca {
    /// Fit on `x` `[row, unit]`, keeping `min(k, rank)` components.
    ///
    /// [`Error::Invalid`] with fewer than two rows, [`Error::NotFinite`] for NaN or infinity.
    pub fn fit(x: &Array2, k: usize) -> Result<Self> {
        super::use_one_thread_per_factorisation();
        let (rows, units) = (x.rows(), x.cols());
        if rows < 2 {
            return Err(Error::invalid("PCA", format!("{rows} rows; needs two")));
        }
        if let Some(index) = x.as_slice().iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: "rows of PCA".into(),
                index,
                value: x.as_slice()[index],
            });
        }
        let mean: Vec<f64> = (0..units)
            .map(|j| (0..rows).map(|i| x.get(i, j)).sum::<f64>() / rows as f64)
            .collect();
        let centred = faer::Mat::from_fn(rows, units, |i, j| x.get(i, j) - mean[j]);
        let svd = centred
            .thin_svd()
            .map_err(|_| failed("PCA", "SVD", rows, units))?;
        let values = svd.S().column_vector();
        let floor = if values.nrows() > 0 { values[0] } else { 0.0 }
            * f64::EPSILON
            * rows.max(units) as f64;
        let rank = (0..values.nrows())
            .take_while(|&i| values[i] > floor)
            .count();
        let k = k.min(rank);
        let v = svd.V();
        let mut components = Array2::filled(k, units, 0.0);
        for c in 0..k {
            let mut largest = 0;
            for unit in 1..units {
                if v[(unit, c)].abs() > v[(largest, c)].abs() {
                    largest = unit;
                }
            }
            let sign = if v[(largest, c)] < 0.0 { -1.0 } else { 1.0 };
            for unit in 0..units {
                components.set(c, unit, sign * v[(unit, c)]);
            }
        }
        let explained_variance = (0..k)
            .map(|c| values[c] * values[c] / (rows - 1) as f64)
            .collect();
        Ok(Self {
            mean,
            components,
            explained_variance,
        })
    }

    /// `[unit]`, mean of the rows.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[component, unit]`, orthonormal rows.
    #[must_use]
    pub fn components(&self) -> &Array2 {
        &self.components
    }

    /// `[component]`, variance along each (divisor n − 1).
    #[must_use]
    pub fn explained_variance(&self) -> &[f64] {
        &self.explained_variance
    }

    /// Scores `[row, component]` of `x` `[row, unit]`. [`Error::Shape`] if the units differ.
    pub fn transform(&self, x: &Array2) -> Result<Array2> {
        if x.cols() != self.mean.len() {
            return Err(Error::shape(
                "rows to transform",
                format!("{} units", self.mean.len()),
                format!("{} units", x.cols()),
            ));
        }
        Ok(Array2::from_fn(x.rows(), self.components.rows(), |i, c| {
            x.row(i)
                .iter()
                .zip(&self.mean)
                .zip(self.components.row(c))
                .map(|((v, m), w)| (v - m) * w)
                .sum()
        }))
    }
}
