//! Rows that are too wide to be held, as short rows with the same inner products.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use rayon::prelude::*;

use super::dense;
use crate::array::Array2;
use crate::error::{Error, Result};

/// Rows of a piece of the products, whatever the number of threads.
const PIECE: usize = 256;

/// The space that a few wide rows span.
///
/// Distances between rows, and what least squares, ridge, partial least squares and principal components make of them, depend
/// on the rows' inner products about their mean alone. These are summed here over blocks of columns, of which one at a time is
/// in memory; [`RowSpace::finish`] gives rows with as many columns as the rows have directions, and the same products.
#[derive(Debug)]
pub struct RowSpace {
    /// `[row, row]`, products about the mean row; the lower triangle.
    products: Mat<f64>,
}

impl RowSpace {
    /// For so many rows.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        Self {
            products: Mat::zeros(rows, rows),
        }
    }

    /// Bytes that the products of so many rows take, with the rows that are made of them.
    #[must_use]
    pub fn bytes(rows: usize) -> u64 {
        16 * (rows as u64) * (rows as u64)
    }

    /// Takes the next columns `[row, column]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of rows, [`Error::Invalid`] for a value that is not finite.
    pub fn take(&mut self, columns: &Array2) -> Result<()> {
        let n = self.products.nrows();
        if columns.rows() != n {
            let (expected, found) = (format!("{n} rows"), columns.rows().to_string());
            return Err(Error::shape("columns", expected, found));
        }
        dense::check_finite("columns", columns)?;
        let mut x = dense::to_mat(columns);
        let means = dense::column_means(&x);
        dense::shift_columns(&mut x, &means);
        let pieces: Vec<(usize, Mat<f64>)> = (0..n.div_ceil(PIECE))
            .into_par_iter()
            .map(|piece| {
                let from = piece * PIECE;
                let to = (from + PIECE).min(n);
                let mut out = Mat::zeros(to - from, to);
                let (rows, before) = (x.subrows(from, to - from), x.subrows(0, to));
                let accum = Accum::Replace;
                matmul(out.as_mut(), accum, rows, before.transpose(), 1.0, Par::Seq);
                (from, out)
            })
            .collect();
        for (from, piece) in pieces {
            for j in 0..piece.ncols() {
                for i in 0..piece.nrows() {
                    self.products[(from + i, j)] += piece[(i, j)];
                }
            }
        }
        Ok(())
    }

    /// `[row, direction]`: rows whose products about their mean are those of the rows that were taken, to rounding. At least one
    /// column, at most as many as rows. By Cholesky's method with pivots: directions that are rounding only are left out.
    #[must_use]
    pub fn finish(self) -> Array2 {
        let g = &self.products;
        let n = g.nrows();
        let of = |i: usize, j: usize| if i >= j { g[(i, j)] } else { g[(j, i)] };
        let mut left: Vec<f64> = (0..n).map(|i| g[(i, i)]).collect();
        let most = left.iter().copied().fold(0.0, f64::max);
        let least = most * f64::EPSILON * n.max(1) as f64;
        let mut done = vec![false; n];
        let mut columns: Vec<Vec<f64>> = Vec::new();
        while columns.len() < n {
            let open = (0..n).filter(|&i| !done[i]);
            let Some(pivot) = open.max_by(|&a, &b| left[a].total_cmp(&left[b])) else {
                break;
            };
            if left[pivot] <= least {
                break;
            }
            let mut column: Vec<f64> = (0..n).map(|i| of(i, pivot)).collect();
            for before in &columns {
                let by = before[pivot];
                for (value, v) in column.iter_mut().zip(before) {
                    *value -= by * v;
                }
            }
            let root = left[pivot].sqrt();
            for (i, value) in column.iter_mut().enumerate() {
                // Rows that were pivots have nothing left.
                *value = if done[i] { 0.0 } else { *value / root };
            }
            column[pivot] = root;
            done[pivot] = true;
            for (rest, v) in left.iter_mut().zip(&column) {
                *rest -= v * v;
            }
            columns.push(column);
        }
        Array2::from_fn(n, columns.len().max(1), |i, k| {
            columns.get(k).map_or(0.0, |column| column[i])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mental_pong_base::Stream;

    #[test]
    fn short_rows_have_the_distances_of_the_wide_ones() {
        let (n, units, rank) = (60, 900, 23);
        let mut stream = Stream::new(3, "wide rows", 0);
        let few: Vec<f64> = (0..n * rank).map(|_| stream.normal()).collect();
        let mix: Vec<f64> = (0..rank * units).map(|_| stream.normal()).collect();
        // Of rank 23, far from the origin.
        let wide = Array2::from_fn(n, units, |i, u| {
            let sum: f64 = (0..rank)
                .map(|k| few[i * rank + k] * mix[k * units + u])
                .sum();
            100.0 + sum
        });
        let mut space = RowSpace::new(n);
        for from in (0..units).step_by(128) {
            let width = 128.min(units - from);
            let block = Array2::from_fn(n, width, |i, u| wide.get(i, from + u));
            space.take(&block).unwrap();
        }
        assert!(space.take(&Array2::filled(n + 1, 2, 0.0)).is_err());
        let short = space.finish();
        assert_eq!(short.cols(), rank);
        let distance = |of: &Array2, a: usize, b: usize| -> f64 {
            let (a, b) = (of.row(a), of.row(b));
            a.iter()
                .zip(b)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        for a in 0..n {
            for b in 0..a {
                let (found, expected) = (distance(&short, a, b), distance(&wide, a, b));
                assert!((found / expected - 1.0).abs() < 1e-11, "{a}, {b}");
            }
        }
        // Nothing varies: one column of zeros.
        let mut space = RowSpace::new(4);
        space.take(&Array2::filled(4, 3, 7.0)).unwrap();
        assert_eq!(space.finish(), Array2::filled(4, 1, 0.0));
    }
}
