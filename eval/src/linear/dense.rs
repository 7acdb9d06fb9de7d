//! Small helpers on dense column-major matrices. One thread each: work is divided over threads further out.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par};

use crate::array::Array2;
use crate::error::{Error, Result};

/// Rows copied at once, so that both sides of a transposition stay in the cache.
const TILE: usize = 32;

/// Copy to column-major.
pub(crate) fn to_mat(a: &Array2) -> Mat<f64> {
    let rows: Vec<usize> = (0..a.rows()).collect();
    rows_to_mat(a, &rows)
}

/// These rows, to column-major.
pub(crate) fn rows_to_mat(a: &Array2, rows: &[usize]) -> Mat<f64> {
    let mut out = Mat::zeros(rows.len(), a.cols());
    let source = a.as_slice();
    let stride = a.cols();
    for (tile, chunk) in rows.chunks(TILE).enumerate() {
        for j in 0..stride {
            let column = &mut out.col_as_slice_mut(j)[tile * TILE..tile * TILE + chunk.len()];
            for (to, &row) in column.iter_mut().zip(chunk) {
                *to = source[row * stride + j];
            }
        }
    }
    out
}

/// Copy to row-major.
pub(crate) fn from_mat(m: MatRef<'_, f64>) -> Array2 {
    let mut out = Array2::filled(m.nrows(), m.ncols(), 0.0);
    for start in (0..m.nrows()).step_by(TILE) {
        let end = (start + TILE).min(m.nrows());
        for j in 0..m.ncols() {
            for i in start..end {
                out.set(i, j, m[(i, j)]);
            }
        }
    }
    out
}

/// `[column]`, mean of each column; 0 without rows.
pub(crate) fn column_means(m: &Mat<f64>) -> Vec<f64> {
    let rows = m.nrows().max(1) as f64;
    (0..m.ncols())
        .map(|j| sum(m.col_as_slice(j)) / rows)
        .collect()
}

/// Take a number off each column.
pub(crate) fn shift_columns(m: &mut Mat<f64>, by: &[f64]) {
    for (j, by) in by.iter().enumerate() {
        for value in m.col_as_slice_mut(j) {
            *value -= by;
        }
    }
}

/// Multiply each column by a number.
pub(crate) fn scale_columns(m: &mut Mat<f64>, by: &[f64]) {
    for (j, by) in by.iter().enumerate() {
        for value in m.col_as_slice_mut(j) {
            *value *= by;
        }
    }
}

/// Multiply each row by a number.
pub(crate) fn scale_rows(m: &mut Mat<f64>, by: &[f64]) {
    for j in 0..m.ncols() {
        for (value, by) in m.col_as_slice_mut(j).iter_mut().zip(by) {
            *value *= by;
        }
    }
}

/// `a b`.
pub(crate) fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

/// `aᵀ a`, both triangles; half the work of a product.
pub(crate) fn gram(a: MatRef<'_, f64>) -> Mat<f64> {
    let n = a.ncols();
    let mut out = Mat::zeros(n, n);
    triangular::matmul(
        out.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        a.transpose(),
        BlockStructure::Rectangular,
        a,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    for start in (0..n).step_by(TILE) {
        for j in 0..n {
            for i in start.max(j + 1)..(start + TILE).min(n) {
                out[(j, i)] = out[(i, j)];
            }
        }
    }
    out
}

/// `m v`.
pub(crate) fn times(m: &Mat<f64>, v: &[f64]) -> Vec<f64> {
    let v = MatRef::from_column_major_slice(v, v.len(), 1);
    product(m.as_ref(), v).col_as_slice(0).to_vec()
}

/// `mᵀ v`.
pub(crate) fn transposed_times(m: &Mat<f64>, v: &[f64]) -> Vec<f64> {
    let v = MatRef::from_column_major_slice(v, v.len(), 1);
    product(m.transpose(), v).col_as_slice(0).to_vec()
}

/// Sum of products, in eight fixed lanes: faster than one, and the same on every machine.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let ((a8, a_rest), (b8, b_rest)) = (a[..n].as_chunks::<8>(), b[..n].as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (x, y) in a8.iter().zip(b8) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Sum, in eight fixed lanes as [`dot`].
#[inline(always)]
pub(crate) fn sum(values: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (eights, rest) = values.as_chunks::<8>();
    for eight in eights {
        for lane in 0..8 {
            lanes[lane] += eight[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// `m += by · x yᵀ`.
pub(crate) fn add_outer(m: &mut Mat<f64>, by: f64, x: &[f64], y: &[f64]) {
    let x = MatRef::from_column_major_slice(x, x.len(), 1);
    let y = MatRef::from_column_major_slice(y, y.len(), 1);
    matmul(m.as_mut(), Accum::Add, x, y.transpose(), by, Par::Seq);
}

/// [`Error::NotFinite`] for the first entry that is NaN or infinite.
pub(crate) fn check_finite(what: &str, a: &Array2) -> Result<()> {
    match a.as_slice().iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite {
            what: what.into(),
            index,
            value: a.as_slice()[index],
        }),
        None => Ok(()),
    }
}
