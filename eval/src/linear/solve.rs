//! The two ways to solve centred least squares: from sums (fast) and from rows (safe).

use faer::prelude::*;
use faer::{Mat, MatRef, Side};

use super::SolvePath;
use crate::error::{Error, Result};

/// Below this reciprocal condition number of the (scaled) Gram matrix the rows themselves are factorised.
///
/// The Gram matrix has the square of the condition number of the data; at 1e-10 a prediction still has about ten good
/// digits.
pub(crate) const GRAM_RCOND_MIN: f64 = 1e-10;

/// Centred sums of the training rows of one split.
pub(crate) struct Centred {
    /// Number of rows.
    pub(crate) n: usize,
    /// `[unit]`, mean of the features.
    pub(crate) mean_x: Vec<f64>,
    /// `[target]`, mean of the targets.
    pub(crate) mean_y: Vec<f64>,
    /// `[unit, unit]`, sum of products about the mean.
    pub(crate) xtx: Mat<f64>,
    /// `[unit, target]`, sum of products about the mean.
    pub(crate) xty: Mat<f64>,
    /// Units that vary in the training rows, in order; all others get coefficient 0, as in the minimum-norm solution.
    pub(crate) active: Vec<usize>,
}

/// A solution: `[unit, target]` and how it was found.
pub(crate) struct Solution {
    pub(crate) coefficients: Mat<f64>,
    pub(crate) rank: usize,
    pub(crate) path: SolvePath,
}

/// All rows' least squares by Cholesky of the scaled Gram matrix, `None` where the condition forbids it.
pub(crate) fn cholesky(sums: &Centred) -> Option<Solution> {
    let units = sums.xtx.nrows();
    let targets = sums.xty.ncols();
    let active = &sums.active;
    if active.len() >= sums.n {
        return None;
    }
    if active.is_empty() {
        return Some(Solution {
            coefficients: Mat::zeros(units, targets),
            rank: 0,
            path: SolvePath::Gram,
        });
    }
    let scale: Vec<f64> = active.iter().map(|&j| sums.xtx[(j, j)].sqrt()).collect();
    if scale.iter().any(|s| !s.is_normal()) {
        return None;
    }
    let p = active.len();
    let a = Mat::from_fn(p, p, |i, j| {
        sums.xtx[(active[i], active[j])] / scale[i] / scale[j]
    });
    let factor = a.llt(Side::Lower).ok()?;
    if reciprocal_condition(a.as_ref(), |v| factor.solve(v)) < GRAM_RCOND_MIN {
        return None;
    }
    let rhs = Mat::from_fn(p, targets, |i, t| sums.xty[(active[i], t)] / scale[i]);
    let scaled = factor.solve(&rhs);
    let mut coefficients = Mat::zeros(units, targets);
    for (i, &unit) in active.iter().enumerate() {
        for t in 0..targets {
            coefficients[(unit, t)] = scaled[(i, t)] / scale[i];
        }
    }
    Some(Solution {
        coefficients,
        rank: p,
        path: SolvePath::Gram,
    })
}

/// Reciprocal condition number in the 1-norm of a symmetric matrix, by Hager's estimate of the norm of the inverse.
fn reciprocal_condition(a: MatRef<'_, f64>, solve: impl Fn(&Mat<f64>) -> Mat<f64>) -> f64 {
    let p = a.nrows();
    let norm = |v: &Mat<f64>| (0..p).map(|i| v[(i, 0)].abs()).sum::<f64>();
    let norm_a = (0..p)
        .map(|j| (0..p).map(|i| a[(i, j)].abs()).sum::<f64>())
        .fold(0.0, f64::max);
    let mut x = Mat::from_fn(p, 1, |_, _| 1.0 / p as f64);
    let mut norm_inverse: f64 = 0.0;
    let mut last = usize::MAX;
    for _ in 0..5 {
        let y = solve(&x);
        norm_inverse = norm_inverse.max(norm(&y));
        let signs = Mat::from_fn(p, 1, |i, _| if y[(i, 0)] < 0.0 { -1.0 } else { 1.0 });
        let z = solve(&signs);
        let mut best = 0;
        for i in 1..p {
            if z[(i, 0)].abs() > z[(best, 0)].abs() {
                best = i;
            }
        }
        let gain: f64 = (0..p).map(|i| z[(i, 0)] * x[(i, 0)]).sum();
        if best == last || z[(best, 0)].abs() <= gain {
            break;
        }
        last = best;
        x = Mat::from_fn(p, 1, |i, _| if i == best { 1.0 } else { 0.0 });
    }
    let rcond = 1.0 / (norm_a * norm_inverse);
    if rcond.is_finite() { rcond } else { 0.0 }
}

/// Regression on the first `k` principal components from the eigenvectors of the Gram matrix; `None` where component `k`
/// is too small beside the first to be told from rounding.
pub(crate) fn principal_components(sums: &Centred, k: usize) -> Result<Option<Solution>> {
    let units = sums.xtx.nrows();
    let targets = sums.xty.ncols();
    let active = &sums.active;
    let p = active.len();
    if p == 0 || k == 0 {
        return Ok(Some(Solution {
            coefficients: Mat::zeros(units, targets),
            rank: 0,
            path: SolvePath::Gram,
        }));
    }
    if p >= sums.n && k >= sums.n {
        return Ok(None);
    }
    let k = k.min(p);
    let a = Mat::from_fn(p, p, |i, j| sums.xtx[(active[i], active[j])]);
    let eigen = a
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| failed("principal components", "eigendecomposition", p, p))?;
    let values = eigen.S().column_vector();
    let vectors = eigen.U();
    // faer sorts ascending.
    let largest = values[p - 1];
    if values[p - k] <= GRAM_RCOND_MIN * largest {
        return Ok(None);
    }
    let mut coefficients = Mat::zeros(units, targets);
    for t in 0..targets {
        for component in 0..k {
            let column = p - 1 - component;
            let mut score = 0.0;
            for (i, &unit) in active.iter().enumerate() {
                score += vectors[(i, column)] * sums.xty[(unit, t)];
            }
            score /= values[column];
            for (i, &unit) in active.iter().enumerate() {
                coefficients[(unit, t)] += vectors[(i, column)] * score;
            }
        }
    }
    Ok(Some(Solution {
        coefficients,
        rank: k,
        path: SolvePath::Gram,
    }))
}

/// Minimum-norm solution from the centred rows themselves, keeping at most `k` singular directions.
///
/// Singular values up to `max(rows, units) * epsilon` of the largest count as zero, as in scipy's `lstsq`.
pub(crate) fn singular_values(
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    k: Option<usize>,
) -> Result<Solution> {
    let (rows, units) = (x.nrows(), x.ncols());
    let svd = x
        .thin_svd()
        .map_err(|_| failed("least squares", "SVD", rows, units))?;
    let values = svd.S().column_vector();
    let count = values.nrows();
    let largest = if count > 0 { values[0] } else { 0.0 };
    let floor = largest * f64::EPSILON * rows.max(units) as f64;
    let full_rank = (0..count).take_while(|&i| values[i] > floor).count();
    let rank = k.map_or(full_rank, |k| k.min(full_rank));
    let (u, v) = (svd.U(), svd.V());
    let mut coefficients = Mat::zeros(units, y.ncols());
    for t in 0..y.ncols() {
        for component in 0..rank {
            let mut score = 0.0;
            for i in 0..rows {
                score += u[(i, component)] * y[(i, t)];
            }
            score /= values[component];
            for unit in 0..units {
                coefficients[(unit, t)] += v[(unit, component)] * score;
            }
        }
    }
    Ok(Solution {
        coefficients,
        rank,
        path: SolvePath::Svd,
    })
}

pub(crate) fn failed(what: &str, factorisation: &'static str, rows: usize, cols: usize) -> Error {
    Error::Factorisation {
        what: what.into(),
        factorisation,
        rows,
        cols,
    }
}
