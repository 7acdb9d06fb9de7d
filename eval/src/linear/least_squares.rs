//! Least squares with intercept.

use serde::{Deserialize, Serialize};

use super::GramTable;
use super::solve::Solution;
use crate::array::Array2;
use crate::error::{Error, Result};

/// What the linear map reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// All units.
    Full,
    /// The first `k` principal components of the training rows (at most the rank).
    Pca {
        /// Number of components.
        k: usize,
    },
    /// `k` factors of the training rows, by factor analysis as published ([`FactorOptions::published`](super::FactorOptions::published)).
    Factors {
        /// Number of factors.
        k: usize,
    },
}

impl Readout {
    /// Short name for tables: `full`, `pca50`, `fa50`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Full => "full".into(),
            Self::Pca { k } => format!("pca{k}"),
            Self::Factors { k } => format!("fa{k}"),
        }
    }
}

/// How a fit was solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SolvePath {
    /// From the Gram matrix: Cholesky, or its eigenvectors for principal components.
    Gram,
    /// From the inner products of the rows: more units than rows, or nearly so.
    Kernel,
    /// From the rows, by singular values, because the sums or products were badly conditioned.
    Svd,
}

/// A fitted map: `y = x · coefficients + intercept`.
#[derive(Debug, Clone, PartialEq)]
pub struct LeastSquares {
    coefficients: Array2,
    intercept: Vec<f64>,
    rank: usize,
    path: SolvePath,
}

impl LeastSquares {
    /// Fit on rows: `x` `[row, unit]`, `y` `[row, target]`. Equal to `sklearn.linear_model.LinearRegression`: no scaling,
    /// no penalty, the minimum-norm solution where there are many.
    ///
    /// Errors as [`GramTable::new`].
    pub fn fit(x: &Array2, y: &Array2) -> Result<Self> {
        GramTable::new(std::slice::from_ref(x), std::slice::from_ref(y))?.fit(&[0], Readout::Full)
    }

    pub(crate) fn from_solution(solution: &Solution, mean_x: &[f64], mean_y: &[f64]) -> Self {
        let b = &solution.coefficients;
        let coefficients = Array2::from_fn(b.nrows(), b.ncols(), |i, j| b[(i, j)]);
        let intercept = mean_y
            .iter()
            .enumerate()
            .map(|(t, my)| {
                let shift: f64 = mean_x
                    .iter()
                    .enumerate()
                    .map(|(i, mx)| mx * b[(i, t)])
                    .sum();
                my - shift
            })
            .collect();
        Self {
            coefficients,
            intercept,
            rank: solution.rank,
            path: solution.path,
        }
    }

    /// `[unit, target]`.
    #[must_use]
    pub fn coefficients(&self) -> &Array2 {
        &self.coefficients
    }

    /// `[target]`.
    #[must_use]
    pub fn intercept(&self) -> &[f64] {
        &self.intercept
    }

    /// Directions used: units that vary, singular directions, or principal components.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Whether the sums or the rows were factorised.
    #[must_use]
    pub fn path(&self) -> SolvePath {
        self.path
    }

    /// Predictions `[row, target]` for `x` `[row, unit]`. [`Error::Shape`] if the units differ.
    pub fn predict(&self, x: &Array2) -> Result<Array2> {
        if x.cols() != self.coefficients.rows() {
            return Err(Error::shape(
                "features to predict from",
                format!("{} units", self.coefficients.rows()),
                format!("{} units", x.cols()),
            ));
        }
        let mut out = Array2::filled(x.rows(), self.intercept.len(), 0.0);
        for i in 0..x.rows() {
            let row = out.row_mut(i);
            row.copy_from_slice(&self.intercept);
            for (unit, &value) in x.row(i).iter().enumerate() {
                for (o, b) in row.iter_mut().zip(self.coefficients.row(unit)) {
                    *o += value * b;
                }
            }
        }
        Ok(out)
    }
}
