//! Factor analysis by maximum likelihood.

use faer::linalg::solvers::Solve;
use faer::{ColRef, Mat, MatRef, Side};
use mental_pong_game::task::numpy_random::RandomState;
use serde::{Deserialize, Serialize};

use super::dense;
use super::solve::failed;
use crate::array::Array2;
use crate::error::{Error, Result};

/// How the leading singular directions are found in each iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FactorMethod {
    /// `svd_method="randomized"`: three power iterations on ten directions more than factors, from numpy's normals. The
    /// published choice; it may stop early at another solution than the exact method.
    Randomized {
        /// Seed of numpy's `RandomState`; published 0.
        seed: u32,
    },
    /// `svd_method="lapack"`: exact.
    Exact,
}

/// What a factor analysis is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FactorOptions {
    /// Number of factors.
    pub factors: usize,
    /// How to decompose.
    pub method: FactorMethod,
    /// Stop when the log likelihood grows by less than this. Default 0.01, as scikit-learn and as published.
    pub tolerance: f64,
    /// Iterations at most. Default 1000, as scikit-learn and as published.
    pub max_iterations: usize,
}

impl FactorOptions {
    /// As published, `FactorAnalysis(n_components=factors, random_state=0)`.
    #[must_use]
    pub fn published(factors: usize) -> Self {
        Self {
            factors,
            method: FactorMethod::Randomized { seed: 0 },
            tolerance: 1e-2,
            max_iterations: 1000,
        }
    }
}

/// `sklearn.decomposition.FactorAnalysis`, without rotation: `x = mean + factors · components + noise`, where the noise of
/// each unit has its own variance. Signs: the entry of largest size of each component is positive.
///
/// Source: Barber (2012), algorithm 21.1; Rajalingham et al. (2025) with 50 factors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FactorAnalysis {
    mean: Vec<f64>,
    components: Vec<Vec<f64>>,
    noise_variance: Vec<f64>,
    log_likelihood: Vec<f64>,
    converged: bool,
}

/// Power iterations of the randomized method, scikit-learn's `iterated_power`.
const POWER_ITERATIONS: usize = 3;
/// Directions beyond those asked for, scikit-learn's `n_oversamples`.
const OVERSAMPLES: usize = 10;
/// scikit-learn's `SMALL`: floor of a noise variance, and what is added to its root.
const SMALL: f64 = 1e-12;
/// Above this ratio of total to noise variance of a unit the rows are decomposed and not their covariance.
const COVARIANCE_RATIO_MAX: f64 = 1e8;

impl FactorAnalysis {
    /// As published, see [`FactorOptions::published`].
    pub fn published(x: &Array2, factors: usize) -> Result<Self> {
        Self::fit(x, &FactorOptions::published(factors))
    }

    /// Fit on `x` `[row, unit]`.
    ///
    /// Errors: [`Error::Invalid`] with fewer than two rows or factors outside of 1 to the smaller of rows and units;
    /// [`Error::NotFinite`].
    pub fn fit(x: &Array2, options: &FactorOptions) -> Result<Self> {
        super::use_one_thread_per_factorisation();
        let (rows, units, k) = (x.rows(), x.cols(), options.factors);
        if rows < 2 {
            return Err(Error::invalid(
                "factor analysis",
                format!("{rows} rows; needs two"),
            ));
        }
        if k == 0 || k > rows.min(units) {
            return Err(Error::invalid(
                "factors",
                format!(
                    "{k}; has to be from 1 to {}, the smaller of rows and units",
                    rows.min(units)
                ),
            ));
        }
        dense::check_finite("rows of factor analysis", x)?;
        let mut centred = dense::to_mat(x);
        let mean = dense::column_means(&centred);
        dense::shift_columns(&mut centred, &mean);
        let n = rows as f64;
        let variance: Vec<f64> = (0..units)
            .map(|j| dense::dot(centred.col_as_slice(j), centred.col_as_slice(j)) / n)
            .collect();
        let covariance = (rows >= units).then(|| {
            let mut c = dense::gram(centred.as_ref());
            dense::scale_columns(&mut c, &vec![1.0 / n; units]);
            c
        });
        let mut random = match options.method {
            FactorMethod::Randomized { seed } => Some(RandomState::new(seed)),
            FactorMethod::Exact => None,
        };
        let mut psi = vec![1.0; units];
        let mut log_likelihood = Vec::new();
        let mut components = Mat::zeros(0, 0);
        let mut converged = false;
        let constant = units as f64 * std::f64::consts::TAU.ln() + k as f64;
        for _ in 0..options.max_iterations {
            let root: Vec<f64> = psi.iter().map(|p: &f64| p.sqrt() + SMALL).collect();
            let inverse: Vec<f64> = root.iter().map(|r| 1.0 / r).collect();
            let total: f64 = variance.iter().zip(&inverse).map(|(v, i)| v * i * i).sum();
            let steep = variance
                .iter()
                .zip(&psi)
                .any(|(v, p)| *v > COVARIANCE_RATIO_MAX * p);
            // Squares of the singular values of the rows over root and √n, and their right vectors.
            let (square, vectors) = match (&covariance, &mut random) {
                (Some(c), Some(random)) if !steep => {
                    randomized_of_covariance(c, &inverse, k, random)?
                }
                (Some(c), None) if !steep => exact_of_covariance(c, &inverse, k)?,
                (_, random) => {
                    let mut scaled = centred.clone();
                    let by: Vec<f64> = inverse.iter().map(|i| i / n.sqrt()).collect();
                    dense::scale_columns(&mut scaled, &by);
                    match random {
                        Some(random) => randomized_of_rows(&scaled, k, random)?,
                        None => exact_of_rows(&scaled, k)?,
                    }
                }
            };
            components = Mat::from_fn(units, k, |j, c| {
                (square[c] - 1.0).max(0.0).sqrt() * vectors[(j, c)] * root[j]
            });
            let unexplained = total - square.iter().sum::<f64>();
            let log_square: f64 = square.iter().map(|s| s.ln()).sum();
            let log_psi: f64 = psi.iter().map(|p| p.ln()).sum();
            let value = -n / 2.0 * (constant + log_square + unexplained + log_psi);
            let before = log_likelihood.last().copied().unwrap_or(f64::NEG_INFINITY);
            log_likelihood.push(value);
            if value - before < options.tolerance {
                converged = true;
                break;
            }
            for j in 0..units {
                let common: f64 = (0..k)
                    .map(|c| components[(j, c)] * components[(j, c)])
                    .sum();
                psi[j] = (variance[j] - common).max(SMALL);
            }
        }
        Ok(Self {
            mean,
            components: (0..k)
                .map(|c| positive_largest(components.col_as_slice(c)))
                .collect(),
            noise_variance: psi,
            log_likelihood,
            converged,
        })
    }

    /// `[unit]`.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[factor, unit]`.
    #[must_use]
    pub fn components(&self) -> Array2 {
        Array2::from_fn(self.components.len(), self.mean.len(), |c, j| {
            self.components[c][j]
        })
    }

    /// `[unit]`.
    #[must_use]
    pub fn noise_variance(&self) -> &[f64] {
        &self.noise_variance
    }

    /// Log likelihood of the training rows in each iteration, as scikit-learn's `loglike_`.
    #[must_use]
    pub fn log_likelihood(&self) -> &[f64] {
        &self.log_likelihood
    }

    /// Whether it stopped by the tolerance and not by the number of iterations.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// Model covariance, `[unit, unit]`.
    #[must_use]
    pub fn covariance(&self) -> Array2 {
        let units = self.mean.len();
        let w = self.component_matrix();
        let shared = dense::product(w.as_ref(), w.transpose());
        Array2::from_fn(units, units, |i, j| {
            shared[(i, j)] + if i == j { self.noise_variance[i] } else { 0.0 }
        })
    }

    fn component_matrix(&self) -> Mat<f64> {
        Mat::from_fn(self.mean.len(), self.components.len(), |j, c| {
            self.components[c][j]
        })
    }

    /// `Wψ⁻¹` as `[unit, factor]` and `I + Wψ⁻¹Wᵀ`.
    fn weighted(&self) -> (Mat<f64>, Mat<f64>) {
        let w = self.component_matrix();
        let mut weighted = w.clone();
        let inverse: Vec<f64> = self.noise_variance.iter().map(|p| 1.0 / p).collect();
        dense::scale_rows(&mut weighted, &inverse);
        let mut inner = dense::product(w.transpose(), weighted.as_ref());
        for c in 0..inner.nrows() {
            inner[(c, c)] += 1.0;
        }
        (weighted, inner)
    }

    /// Factor scores `[row, factor]`: the mean of the factors given `x` `[row, unit]`. [`Error::Shape`] if the units differ.
    pub fn transform(&self, x: &Array2) -> Result<Array2> {
        let (centred, projected, factor) = self.project(x)?;
        drop(centred);
        Ok(dense::from_mat(
            factor.solve(projected.transpose()).transpose(),
        ))
    }

    /// `[unit, factor]`: scores are `(x − mean)` times this.
    pub(crate) fn projection(&self) -> Result<Mat<f64>> {
        let (weighted, inner) = self.weighted();
        let factor = cholesky_of_scores(&inner)?;
        Ok(factor.solve(weighted.transpose()).transpose().to_owned())
    }

    /// Log likelihood of each row of `x` `[row, unit]`. [`Error::Shape`] if the units differ.
    pub fn row_log_likelihoods(&self, x: &Array2) -> Result<Vec<f64>> {
        let (centred, projected, factor) = self.project(x)?;
        let solved = factor.solve(projected.transpose());
        let k = self.components.len();
        let diagonal = factor.L();
        let log_det: f64 = (0..k).map(|c| 2.0 * diagonal[(c, c)].ln()).sum::<f64>()
            + self.noise_variance.iter().map(|p| p.ln()).sum::<f64>();
        let constant = self.mean.len() as f64 * std::f64::consts::TAU.ln() + log_det;
        Ok((0..x.rows())
            .map(|i| {
                let own: f64 = (0..self.mean.len())
                    .map(|j| centred[(i, j)] * centred[(i, j)] / self.noise_variance[j])
                    .sum();
                let shared: f64 = (0..k).map(|c| projected[(i, c)] * solved[(c, i)]).sum();
                -0.5 * (own - shared + constant)
            })
            .collect())
    }

    /// Mean log likelihood of the rows, as scikit-learn's `score`.
    pub fn score(&self, x: &Array2) -> Result<f64> {
        Ok(crate::stats::mean(&self.row_log_likelihoods(x)?))
    }

    fn project(&self, x: &Array2) -> Result<(Mat<f64>, Mat<f64>, faer::linalg::solvers::Llt<f64>)> {
        if x.cols() != self.mean.len() {
            return Err(Error::shape(
                "rows to transform",
                format!("{} units", self.mean.len()),
                format!("{} units", x.cols()),
            ));
        }
        super::use_one_thread_per_factorisation();
        let mut centred = dense::to_mat(x);
        dense::shift_columns(&mut centred, &self.mean);
        let (weighted, inner) = self.weighted();
        let projected = dense::product(centred.as_ref(), weighted.as_ref());
        Ok((centred, projected, cholesky_of_scores(&inner)?))
    }
}

fn cholesky_of_scores(inner: &Mat<f64>) -> Result<faer::linalg::solvers::Llt<f64>> {
    let k = inner.nrows();
    inner
        .llt(Side::Lower)
        .map_err(|_| failed("factor scores", "Cholesky factorisation", k, k))
}

type Leading = (Vec<f64>, Mat<f64>);

/// numpy's `normal(size=(rows, columns))`, filled row by row.
fn normals(random: &mut RandomState, rows: usize, columns: usize) -> Mat<f64> {
    let mut out = Mat::zeros(rows, columns);
    for i in 0..rows {
        for j in 0..columns {
            out[(i, j)] = random.standard_normal();
        }
    }
    out
}

fn orthonormal(m: &Mat<f64>) -> Mat<f64> {
    m.qr().compute_thin_Q()
}

/// scikit-learn's `_randomized_svd` of rows of which `c` is the covariance, after scaling by `inverse`: every product with
/// the rows comes in a pair, which is one with the covariance.
///
/// scikit-learn keeps the iterates apart by LU and not by QR; both span the same space.
fn randomized_of_covariance(
    c: &Mat<f64>,
    inverse: &[f64],
    k: usize,
    random: &mut RandomState,
) -> Result<Leading> {
    let units = c.nrows();
    let times_covariance = |z: &Mat<f64>| {
        let mut scaled = z.clone();
        dense::scale_rows(&mut scaled, inverse);
        let mut out = dense::product(c.as_ref(), scaled.as_ref());
        dense::scale_rows(&mut out, inverse);
        out
    };
    let mut z = normals(random, units, k + OVERSAMPLES);
    for _ in 0..POWER_ITERATIONS {
        z = orthonormal(&times_covariance(&z));
    }
    // With q = a z (zᵀ aᵀ a z)^(-1/2) the projection qᵀ a is L⁻¹ zᵀ aᵀ a.
    let az = times_covariance(&z);
    let size = z.ncols();
    let inner = dense::product(z.transpose(), az.as_ref());
    let lower = inner
        .llt(Side::Lower)
        .map_err(|_| failed("factor analysis", "Cholesky factorisation", size, size))?;
    let mut b = az.transpose().to_owned();
    faer::linalg::triangular_solve::solve_lower_triangular_in_place(
        lower.L(),
        b.as_mut(),
        faer::Par::Seq,
    );
    let svd = b
        .transpose()
        .thin_svd()
        .map_err(|_| failed("factor analysis", "SVD", units, size))?;
    Ok(leading(svd.S().column_vector(), svd.U(), k))
}

fn exact_of_covariance(c: &Mat<f64>, inverse: &[f64], k: usize) -> Result<Leading> {
    let units = c.nrows();
    let mut scaled = c.clone();
    dense::scale_rows(&mut scaled, inverse);
    dense::scale_columns(&mut scaled, inverse);
    let eigen = scaled
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| failed("factor analysis", "eigendecomposition", units, units))?;
    let (values, vectors) = (eigen.S().column_vector(), eigen.U());
    Ok((
        (0..k).map(|i| values[units - 1 - i]).collect(),
        Mat::from_fn(units, k, |j, i| vectors[(j, units - 1 - i)]),
    ))
}

fn exact_of_rows(x: &Mat<f64>, k: usize) -> Result<Leading> {
    let svd = x
        .thin_svd()
        .map_err(|_| failed("factor analysis", "SVD", x.nrows(), x.ncols()))?;
    Ok(leading(svd.S().column_vector(), svd.V(), k))
}

/// scikit-learn's `_randomized_svd` of the rows themselves; of their transpose where there are more units than rows.
fn randomized_of_rows(x: &Mat<f64>, k: usize, random: &mut RandomState) -> Result<Leading> {
    let wide = x.nrows() < x.ncols();
    let m = if wide { x.transpose() } else { x.as_ref() };
    let mut q = normals(random, m.ncols(), k + OVERSAMPLES);
    for _ in 0..POWER_ITERATIONS {
        q = orthonormal(&dense::product(m, q.as_ref()));
        q = orthonormal(&dense::product(m.transpose(), q.as_ref()));
    }
    let q = orthonormal(&dense::product(m, q.as_ref()));
    let b = dense::product(q.transpose(), m);
    let svd = b
        .thin_svd()
        .map_err(|_| failed("factor analysis", "SVD", b.nrows(), b.ncols()))?;
    if wide {
        let u = dense::product(q.as_ref(), svd.U());
        return Ok(leading(svd.S().column_vector(), u.as_ref(), k));
    }
    Ok(leading(svd.S().column_vector(), svd.V(), k))
}

/// Squares of the first `k` singular values, and their vectors on the side of the units.
fn leading(values: ColRef<'_, f64>, vectors: MatRef<'_, f64>, k: usize) -> Leading {
    (
        (0..k).map(|i| values[i] * values[i]).collect(),
        vectors.subcols(0, k).to_owned(),
    )
}

fn positive_largest(v: &[f64]) -> Vec<f64> {
    let largest = (1..v.len()).fold(
        0,
        |best, j| if v[j].abs() > v[best].abs() { j } else { best },
    );
    let sign = if v.get(largest).is_some_and(|v| *v < 0.0) {
        -1.0
    } else {
        1.0
    };
    v.iter().map(|v| sign * v).collect()
}
