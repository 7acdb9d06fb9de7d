//! The singular directions of training rows: what every penalised map of one split is made from.

use faer::{Mat, MatRef, Side};

use super::dense;
use super::solve::{GRAM_RCOND_MIN, failed};
use crate::error::Result;

/// `x - mean = u diag(s) vᵀ` of training rows `x` `[row, feature]`.
///
/// From the Gram matrix of the shorter side where its condition allows, else from the rows. Directions that are rounding
/// only are left out, as are features that do not vary.
pub(crate) struct Basis {
    /// `[feature]`.
    pub(crate) mean: Vec<f64>,
    /// `[direction]`, positive.
    pub(crate) s: Vec<f64>,
    /// `[row, direction]`.
    pub(crate) u: Mat<f64>,
    /// `[feature, direction]`.
    pub(crate) v: Mat<f64>,
}

impl Basis {
    /// Of at least one row, all finite.
    pub(crate) fn new(x: &Mat<f64>) -> Result<Self> {
        super::use_one_thread_per_factorisation();
        let features = x.ncols();
        let active: Vec<usize> = (0..features)
            .filter(|&j| {
                let column = x.col_as_slice(j);
                column.iter().any(|v| v != &column[0])
            })
            .collect();
        let mean = dense::column_means(x);
        let mut centred = Mat::from_fn(x.nrows(), active.len(), |i, j| x[(i, active[j])]);
        let active_mean: Vec<f64> = active.iter().map(|&j| mean[j]).collect();
        dense::shift_columns(&mut centred, &active_mean);
        let (s, u, v) = decompose(&centred)?;
        let mut all = Mat::zeros(features, s.len());
        for (j, &feature) in active.iter().enumerate() {
            for k in 0..s.len() {
                all[(feature, k)] = v[(j, k)];
            }
        }
        Ok(Self { mean, s, u, v: all })
    }

    /// `(x - mean) v`, `[row, direction]`.
    pub(crate) fn project(&self, x: &Mat<f64>) -> Mat<f64> {
        let mut centred = x.clone();
        dense::shift_columns(&mut centred, &self.mean);
        dense::product(centred.as_ref(), self.v.as_ref())
    }

    /// `uᵀ y`, `[direction, unit]`.
    pub(crate) fn loadings(&self, y: MatRef<'_, f64>) -> Mat<f64> {
        dense::product(self.u.transpose(), y)
    }
}

type Parts = (Vec<f64>, Mat<f64>, Mat<f64>);

fn decompose(x: &Mat<f64>) -> Result<Parts> {
    let (rows, features) = (x.nrows(), x.ncols());
    if features == 0 || rows < 2 {
        return Ok((Vec::new(), Mat::zeros(rows, 0), Mat::zeros(features, 0)));
    }
    match from_gram(x)? {
        Some(parts) => Ok(parts),
        None => from_rows(x),
    }
}

fn from_gram(x: &Mat<f64>) -> Result<Option<Parts>> {
    let (rows, features) = (x.nrows(), x.ncols());
    let tall = rows > features;
    let gram = if tall {
        dense::gram(x.as_ref())
    } else {
        dense::gram(x.transpose())
    };
    // Centred rows add up to zero: the Gram matrix of wide data has one direction that is not there.
    let size = gram.nrows();
    let rank = if tall { size } else { size - 1 };
    if rank == 0 {
        return Ok(None);
    }
    let eigen = gram
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| failed("linear map", "eigendecomposition", size, size))?;
    let values = eigen.S().column_vector();
    // faer sorts ascending.
    let (least, largest) = (values[size - rank], values[size - 1]);
    if !(least > GRAM_RCOND_MIN * largest && largest.is_normal()) {
        return Ok(None);
    }
    let s: Vec<f64> = (0..rank).map(|k| values[size - 1 - k].sqrt()).collect();
    let inverse: Vec<f64> = s.iter().map(|s| 1.0 / s).collect();
    let vectors = eigen.U();
    let near = Mat::from_fn(size, rank, |i, k| vectors[(i, size - 1 - k)]);
    let mut far = if tall {
        dense::product(x.as_ref(), near.as_ref())
    } else {
        dense::product(x.transpose(), near.as_ref())
    };
    dense::scale_columns(&mut far, &inverse);
    let (u, v) = if tall { (far, near) } else { (near, far) };
    Ok(Some((s, u, v)))
}

fn from_rows(x: &Mat<f64>) -> Result<Parts> {
    let (rows, features) = (x.nrows(), x.ncols());
    let svd = x
        .thin_svd()
        .map_err(|_| failed("linear map", "SVD", rows, features))?;
    let values = svd.S().column_vector();
    let largest = if values.nrows() > 0 { values[0] } else { 0.0 };
    let floor = largest * f64::EPSILON * rows.max(features) as f64;
    let rank = (0..values.nrows())
        .take_while(|&k| values[k] > floor)
        .count();
    Ok((
        (0..rank).map(|k| values[k]).collect(),
        svd.U().subcols(0, rank).to_owned(),
        svd.V().subcols(0, rank).to_owned(),
    ))
}
