//! Principal components.

use faer::{Mat, Side};

use super::dense;
use super::solve::{GRAM_RCOND_MIN, failed};
use crate::array::Array2;
use crate::error::{Error, Result};

/// Principal components of rows, as `sklearn.decomposition.PCA(svd_solver="full")` but for the sign: the entry of largest
/// size of each component is positive (the first of equals).
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    components: Array2,
    explained_variance: Vec<f64>,
    total_variance: f64,
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
        let mut centred = dense::to_mat(x);
        let mean = dense::column_means(&centred);
        dense::shift_columns(&mut centred, &mean);
        let (variance, v) = match from_gram(&centred, k)? {
            Some(found) => found,
            None => from_rows(&centred, k)?,
        };
        let k = variance.len();
        let total_variance = (0..units)
            .map(|j| dense::dot(centred.col_as_slice(j), centred.col_as_slice(j)))
            .sum::<f64>()
            / (rows - 1) as f64;
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
        Ok(Self {
            mean,
            components,
            explained_variance: variance,
            total_variance,
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

    /// `[component]`, share of the variance of all units along each. NaN where nothing varies.
    #[must_use]
    pub fn explained_variance_ratio(&self) -> Vec<f64> {
        self.explained_variance
            .iter()
            .map(|v| v / self.total_variance)
            .collect()
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
        let mut centred = dense::to_mat(x);
        dense::shift_columns(&mut centred, &self.mean);
        let components = dense::to_mat(&self.components);
        Ok(dense::from_mat(
            dense::product(centred.as_ref(), components.transpose()).as_ref(),
        ))
    }
}

type Found = (Vec<f64>, Mat<f64>);

/// From the smaller Gram matrix of centred rows; `None` where component `k` is too small beside the first to be told from
/// rounding.
fn from_gram(x: &Mat<f64>, k: usize) -> Result<Option<Found>> {
    let (rows, units) = (x.nrows(), x.ncols());
    let tall = rows > units;
    let gram = if tall {
        dense::gram(x.as_ref())
    } else {
        dense::gram(x.transpose())
    };
    let size = gram.nrows();
    // Centred rows add up to zero.
    let k = k.min(if tall { size } else { size - 1 });
    if k == 0 {
        return Ok(None);
    }
    let eigen = gram
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| failed("PCA", "eigendecomposition", size, size))?;
    let values = eigen.S().column_vector();
    // faer sorts ascending.
    let clear = values[size - k] > GRAM_RCOND_MIN * values[size - 1];
    if !clear {
        return Ok(None);
    }
    let vectors = eigen.U();
    let near = Mat::from_fn(size, k, |i, c| vectors[(i, size - 1 - c)]);
    let leading: Vec<f64> = (0..k).map(|c| values[size - 1 - c]).collect();
    let v = if tall {
        near
    } else {
        let mut far = dense::product(x.transpose(), near.as_ref());
        let inverse: Vec<f64> = leading.iter().map(|v| 1.0 / v.sqrt()).collect();
        dense::scale_columns(&mut far, &inverse);
        far
    };
    let variance = leading.iter().map(|v| v / (rows - 1) as f64).collect();
    Ok(Some((variance, v)))
}

fn from_rows(x: &Mat<f64>, k: usize) -> Result<Found> {
    let (rows, units) = (x.nrows(), x.ncols());
    let svd = x
        .thin_svd()
        .map_err(|_| failed("PCA", "SVD", rows, units))?;
    let values = svd.S().column_vector();
    let floor =
        if values.nrows() > 0 { values[0] } else { 0.0 } * f64::EPSILON * rows.max(units) as f64;
    let rank = (0..values.nrows())
        .take_while(|&i| values[i] > floor)
        .count();
    let k = k.min(rank);
    Ok((
        (0..k)
            .map(|c| values[c] * values[c] / (rows - 1) as f64)
            .collect(),
        svd.V().subcols(0, k).to_owned(),
    ))
}
