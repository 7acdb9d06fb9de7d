//! Sums of products for each condition, so that a split is an addition and one factorisation.

use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

use super::kernel::Kernel;
use super::solve::{self, Centred, Solution};
use super::{FactorAnalysis, LeastSquares, Readout, dense};
use crate::array::Array2;
use crate::error::{Error, Result};

/// Tables beyond this many bytes are not kept; their sums are made for each split from the rows instead.
const TABLE_BYTES_MAX: usize = 1 << 30;

/// From this many units on, and with at least half as many units as rows, inner products of rows are kept instead.
const KERNEL_UNITS_MIN: usize = 512;

/// Most rows for which their inner products are kept: 512 MiB.
const KERNEL_ROWS_MAX: usize = 8192;

/// More units than this need a reduction before they come here: one `[unit, unit]` matrix would pass 128 MiB.
const UNITS_MAX: usize = 4096;

/// Sums of one condition's rows, about an origin shared by all conditions.
#[derive(Debug, Clone)]
pub struct ConditionGram {
    rows: usize,
    sum_x: Vec<f64>,
    sum_y: Vec<f64>,
    xtx: Option<Arc<Mat<f64>>>,
    xty: Option<Mat<f64>>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl ConditionGram {
    /// Number of rows (bins) of the condition.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Features `[condition][bin, unit]` and targets `[condition][bin, target]` with their sums.
///
/// All sums are about the mean over all rows of all conditions, which keeps cancellation small; they are f64.
#[derive(Debug, Clone)]
pub struct GramTable {
    units: usize,
    targets: usize,
    origin_x: Vec<f64>,
    origin_y: Vec<f64>,
    /// Rows less the origin, `[condition][bin, unit]` and `[condition][bin, target]`.
    x: Arc<Vec<Mat<f64>>>,
    y: Vec<Mat<f64>>,
    grams: Vec<ConditionGram>,
    kernel: Option<Arc<Kernel>>,
}

impl GramTable {
    /// Sums of each condition. Conditions may have no rows.
    ///
    /// [`Error::Shape`] if the conditions do not agree in units, targets or rows; [`Error::NotFinite`] for NaN or
    /// infinity; [`Error::Invalid`] beyond 4096 units.
    pub fn new(features: &[Array2], targets: &[Array2]) -> Result<Self> {
        super::use_one_thread_per_factorisation();
        if features.len() != targets.len() {
            return Err(Error::shape(
                "features",
                format!("{} conditions, as the targets", targets.len()),
                format!("{} conditions", features.len()),
            ));
        }
        let units = features.first().map_or(0, Array2::cols);
        let n_targets = targets.first().map_or(0, Array2::cols);
        if units > UNITS_MAX {
            return Err(Error::invalid(
                "features",
                format!("{units} units; at most {UNITS_MAX} can be fitted, reduce them first"),
            ));
        }
        for (c, (x, y)) in features.iter().zip(targets).enumerate() {
            if x.cols() != units || y.cols() != n_targets || x.rows() != y.rows() {
                return Err(Error::shape(
                    format!("condition {c}"),
                    format!("{} bins, {units} units, {n_targets} targets", y.rows()),
                    format!(
                        "{} bins, {} units, {} targets",
                        x.rows(),
                        x.cols(),
                        y.cols()
                    ),
                ));
            }
            for (name, array) in [("features", x), ("targets", y)] {
                if let Some(index) = array.as_slice().iter().position(|v| !v.is_finite()) {
                    return Err(Error::NotFinite {
                        what: format!("{name} of condition {c}"),
                        index,
                        value: array.as_slice()[index],
                    });
                }
            }
        }
        let origin_x = column_means(features, units);
        let origin_y = column_means(targets, n_targets);
        let total: usize = features.iter().map(Array2::rows).sum();
        let wide = units >= KERNEL_UNITS_MIN && 2 * units >= total && total <= KERNEL_ROWS_MAX;
        let keep = !wide
            && features
                .len()
                .saturating_mul(units * units * size_of::<f64>())
                <= TABLE_BYTES_MAX;
        let shift = |a: &Array2, origin: &[f64]| {
            Mat::from_fn(a.rows(), a.cols(), |i, j| a.get(i, j) - origin[j])
        };
        let x: Vec<_> = features.iter().map(|a| shift(a, &origin_x)).collect();
        let y: Vec<_> = targets.iter().map(|a| shift(a, &origin_y)).collect();
        let grams = x
            .iter()
            .zip(&y)
            .map(|(x, y)| ConditionGram {
                rows: x.nrows(),
                sum_x: column_sums(x),
                sum_y: column_sums(y),
                xtx: keep.then(|| Arc::new(product(x, x))),
                xty: keep.then(|| product(x, y)),
                low: column_fold(x, f64::INFINITY, f64::min),
                high: column_fold(x, f64::NEG_INFINITY, f64::max),
            })
            .collect();
        let kernel = wide.then(|| Arc::new(Kernel::new(&x)));
        Ok(Self {
            units,
            targets: n_targets,
            origin_x,
            origin_y,
            x: Arc::new(x),
            y,
            grams,
            kernel,
        })
    }

    /// Number of features.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// The sums of each condition, in condition order.
    #[must_use]
    pub fn conditions(&self) -> &[ConditionGram] {
        &self.grams
    }

    /// Least squares with intercept on all rows of the conditions `train` (indices, no duplicates).
    ///
    /// With [`Readout::Full`] it equals `sklearn.linear_model.LinearRegression`; with [`Readout::Pca`] it equals
    /// `PCA(k)` fitted on the same rows followed by `LinearRegression`, with `k` at most the rank. Sums are added in
    /// ascending order of condition, so the order of `train` does not matter.
    ///
    /// [`Error::Invalid`] for an index out of range or no rows at all.
    pub fn fit(&self, train: &[usize], readout: Readout) -> Result<LeastSquares> {
        let mut train = train.to_vec();
        train.sort_unstable();
        if let Some(&c) = train.iter().find(|&&c| c >= self.grams.len()) {
            return Err(Error::invalid(
                "training conditions",
                format!("condition {c} of {}", self.grams.len()),
            ));
        }
        if let Readout::Factors { k } = readout {
            return self.fit_factors(&train, k);
        }
        if let Some(fit) = self.fit_by_kernel(&train, readout) {
            return Ok(fit);
        }
        let sums = self.centred(&train)?;
        let fast = match readout {
            Readout::Full => solve::cholesky(&sums),
            Readout::Pca { k } => solve::principal_components(&sums, k)?,
            Readout::Factors { .. } => None,
        };
        let solution = match fast {
            Some(solution) => solution,
            None => self.solve_rows(&train, &sums, readout)?,
        };
        let mean_x: Vec<f64> = sums
            .mean_x
            .iter()
            .zip(&self.origin_x)
            .map(|(m, o)| m + o)
            .collect();
        let mean_y: Vec<f64> = sums
            .mean_y
            .iter()
            .zip(&self.origin_y)
            .map(|(m, o)| m + o)
            .collect();
        Ok(LeastSquares::from_solution(&solution, &mean_x, &mean_y))
    }

    /// Least squares on the factor scores of the training rows, as one map from the units.
    fn fit_factors(&self, train: &[usize], k: usize) -> Result<LeastSquares> {
        let rows: usize = train.iter().map(|&c| self.grams[c].rows).sum();
        let stack = |parts: &[Mat<f64>], origin: &[f64]| {
            let mut values = Vec::with_capacity(rows * origin.len());
            for part in train.iter().map(|&c| &parts[c]) {
                for i in 0..part.nrows() {
                    values.extend(origin.iter().enumerate().map(|(j, o)| part[(i, j)] + o));
                }
            }
            Array2::new(rows, origin.len(), values)
        };
        let x = stack(&self.x, &self.origin_x)?;
        let y = stack(&self.y, &self.origin_y)?;
        let factors = FactorAnalysis::published(&x, k)?;
        let inner = LeastSquares::fit(&factors.transform(&x)?, &y)?;
        let mut coefficients = Mat::zeros(self.units, self.targets);
        let projection = factors.projection()?;
        matmul(
            coefficients.as_mut(),
            Accum::Replace,
            projection.as_ref(),
            dense::to_mat(inner.coefficients()).as_ref(),
            1.0,
            Par::Seq,
        );
        let solution = Solution {
            coefficients,
            rank: inner.rank(),
            path: inner.path(),
        };
        // Factor scores are 0 at the mean of the units, where the prediction is the intercept.
        Ok(LeastSquares::from_solution(
            &solution,
            factors.mean(),
            inner.intercept(),
        ))
    }

    /// The same features with other targets; what was made of the features alone is shared.
    ///
    /// Errors as [`GramTable::new`].
    pub fn with_targets(&self, targets: &[Array2]) -> Result<Self> {
        let n_targets = targets.first().map_or(0, Array2::cols);
        if targets.len() != self.x.len() {
            return Err(Error::shape(
                "targets",
                format!("{} conditions, as the features", self.x.len()),
                format!("{} conditions", targets.len()),
            ));
        }
        for (c, (x, y)) in self.x.iter().zip(targets).enumerate() {
            if y.rows() != x.nrows() || y.cols() != n_targets {
                return Err(Error::shape(
                    format!("targets of condition {c}"),
                    format!("{} bins, {n_targets} targets", x.nrows()),
                    format!("{} bins, {} targets", y.rows(), y.cols()),
                ));
            }
            if let Some(index) = y.as_slice().iter().position(|v| !v.is_finite()) {
                return Err(Error::NotFinite {
                    what: format!("targets of condition {c}"),
                    index,
                    value: y.as_slice()[index],
                });
            }
        }
        let origin_y = column_means(targets, n_targets);
        let y: Vec<Mat<f64>> = targets
            .iter()
            .map(|a| Mat::from_fn(a.rows(), a.cols(), |i, j| a.get(i, j) - origin_y[j]))
            .collect();
        let grams = self
            .grams
            .iter()
            .zip(self.x.iter().zip(&y))
            .map(|(gram, (x, y))| ConditionGram {
                sum_y: column_sums(y),
                xty: gram.xtx.as_ref().map(|_| product(x, y)),
                ..gram.clone()
            })
            .collect();
        Ok(Self {
            targets: n_targets,
            origin_y,
            y,
            grams,
            ..self.clone()
        })
    }

    /// Predictions `[row, target]` of a fit for all rows of these conditions, one after the other.
    ///
    /// [`Error::Invalid`] for an index out of range, [`Error::Shape`] if the fit has other units.
    pub(crate) fn predict(&self, fit: &LeastSquares, conditions: &[usize]) -> Result<Mat<f64>> {
        let b = fit.coefficients();
        if b.rows() != self.units {
            return Err(Error::shape(
                "features to predict from",
                format!("{} units", b.rows()),
                format!("{} units", self.units),
            ));
        }
        if let Some(&c) = conditions.iter().find(|&&c| c >= self.x.len()) {
            return Err(Error::invalid(
                "conditions to predict",
                format!("condition {c} of {}", self.x.len()),
            ));
        }
        let targets = b.cols();
        let b = Mat::from_fn(self.units, targets, |i, t| b.get(i, t));
        let offset: Vec<f64> = (0..targets)
            .map(|t| {
                let shift: f64 = (0..self.units).map(|i| self.origin_x[i] * b[(i, t)]).sum();
                fit.intercept()[t] + shift
            })
            .collect();
        let rows: usize = conditions.iter().map(|&c| self.x[c].nrows()).sum();
        let mut out = Mat::from_fn(rows, targets, |_, t| offset[t]);
        let mut row = 0;
        for &c in conditions {
            let x = &self.x[c];
            matmul(
                out.as_mut().subrows_mut(row, x.nrows()),
                Accum::Add,
                x.as_ref(),
                b.as_ref(),
                1.0,
                Par::Seq,
            );
            row += x.nrows();
        }
        Ok(out)
    }

    /// The fit from inner products of rows; `None` where there are none or they do not serve.
    fn fit_by_kernel(&self, train: &[usize], readout: Readout) -> Option<LeastSquares> {
        let kernel = self.kernel.as_ref()?;
        let n: usize = train.iter().map(|&c| self.grams[c].rows).sum();
        if n < 2 {
            return None;
        }
        let sum = |get: &dyn Fn(&ConditionGram) -> &[f64], width: usize| {
            let mut sums = vec![0.0; width];
            for &c in train {
                add(&mut sums, get(&self.grams[c]));
            }
            sums.iter().map(|s| s / n as f64).collect::<Vec<f64>>()
        };
        let mean_x = sum(&|g| &g.sum_x, self.units);
        let mean_y = sum(&|g| &g.sum_y, self.targets);
        let mut y = Mat::<f64>::zeros(n, self.targets);
        let mut row = 0;
        for &c in train {
            for i in 0..self.y[c].nrows() {
                for t in 0..self.targets {
                    y[(row, t)] = self.y[c][(i, t)] - mean_y[t];
                }
                row += 1;
            }
        }
        let found = match readout {
            // Fewer units than rows has no interpolation; the last few are too close to call.
            Readout::Full if n > self.units => return None,
            Readout::Full => kernel.interpolate(train, y.as_ref())?,
            Readout::Pca { k } => kernel.components(train, y.as_ref(), k)?,
            Readout::Factors { .. } => return None,
        };
        // B = (X - mean)ᵀ α.
        let mut coefficients = Mat::<f64>::zeros(self.units, self.targets);
        let mut totals = vec![0.0; self.targets];
        let mut row = 0;
        for &c in train {
            let rows = self.x[c].nrows();
            let alpha = found.coefficients.subrows(row, rows);
            for (t, total) in totals.iter_mut().enumerate() {
                *total += (0..rows).map(|i| alpha[(i, t)]).sum::<f64>();
            }
            matmul(
                coefficients.as_mut(),
                Accum::Add,
                self.x[c].transpose(),
                alpha,
                1.0,
                Par::Seq,
            );
            row += rows;
        }
        for t in 0..self.targets {
            for unit in 0..self.units {
                coefficients[(unit, t)] -= mean_x[unit] * totals[t];
            }
        }
        let solution = Solution {
            coefficients,
            ..found
        };
        let shift = |mean: &[f64], origin: &[f64]| {
            mean.iter()
                .zip(origin)
                .map(|(m, o)| m + o)
                .collect::<Vec<f64>>()
        };
        Some(LeastSquares::from_solution(
            &solution,
            &shift(&mean_x, &self.origin_x),
            &shift(&mean_y, &self.origin_y),
        ))
    }

    fn centred(&self, train: &[usize]) -> Result<Centred> {
        let n: usize = train.iter().map(|&c| self.grams[c].rows).sum();
        if n == 0 {
            return Err(Error::invalid("training conditions", "no rows"));
        }
        let mut sum_x = vec![0.0; self.units];
        let mut sum_y = vec![0.0; self.targets];
        let mut low = vec![f64::INFINITY; self.units];
        let mut high = vec![f64::NEG_INFINITY; self.units];
        let mut xtx = Mat::<f64>::zeros(self.units, self.units);
        let mut xty = Mat::<f64>::zeros(self.units, self.targets);
        for &c in train {
            let gram = &self.grams[c];
            add(&mut sum_x, &gram.sum_x);
            add(&mut sum_y, &gram.sum_y);
            for j in 0..self.units {
                low[j] = low[j].min(gram.low[j]);
                high[j] = high[j].max(gram.high[j]);
            }
            match (&gram.xtx, &gram.xty) {
                (Some(a), Some(b)) => {
                    add_all(&mut xtx, a);
                    add_all(&mut xty, b);
                }
                _ => {
                    let (x, y) = (&self.x[c], &self.y[c]);
                    accumulate(&mut xtx, x, x);
                    accumulate(&mut xty, x, y);
                }
            }
        }
        let count = n as f64;
        let mean_x: Vec<f64> = sum_x.iter().map(|s| s / count).collect();
        let mean_y: Vec<f64> = sum_y.iter().map(|s| s / count).collect();
        for j in 0..self.units {
            for i in 0..self.units {
                xtx[(i, j)] -= sum_x[i] * mean_x[j];
            }
        }
        for t in 0..self.targets {
            for i in 0..self.units {
                xty[(i, t)] -= sum_x[i] * mean_y[t];
            }
        }
        let active = (0..self.units).filter(|&j| low[j] < high[j]).collect();
        Ok(Centred {
            n,
            mean_x,
            mean_y,
            xtx,
            xty,
            active,
        })
    }

    fn solve_rows(&self, train: &[usize], sums: &Centred, readout: Readout) -> Result<Solution> {
        let mut x = Mat::<f64>::zeros(sums.n, sums.active.len());
        let mut y = Mat::<f64>::zeros(sums.n, self.targets);
        let mut row = 0;
        for &c in train {
            for i in 0..self.x[c].nrows() {
                for (j, &unit) in sums.active.iter().enumerate() {
                    x[(row, j)] = self.x[c][(i, unit)] - sums.mean_x[unit];
                }
                for t in 0..self.targets {
                    y[(row, t)] = self.y[c][(i, t)] - sums.mean_y[t];
                }
                row += 1;
            }
        }
        let k = match readout {
            Readout::Full | Readout::Factors { .. } => None,
            Readout::Pca { k } => Some(k),
        };
        let compact = solve::singular_values(x.as_ref(), y.as_ref(), k)?;
        let mut coefficients = Mat::zeros(self.units, self.targets);
        for (j, &unit) in sums.active.iter().enumerate() {
            for t in 0..self.targets {
                coefficients[(unit, t)] = compact.coefficients[(j, t)];
            }
        }
        Ok(Solution {
            coefficients,
            ..compact
        })
    }
}

fn column_means(arrays: &[Array2], cols: usize) -> Vec<f64> {
    let mut sums = vec![0.0; cols];
    let mut rows = 0usize;
    for array in arrays {
        for i in 0..array.rows() {
            add(&mut sums, array.row(i));
        }
        rows += array.rows();
    }
    sums.iter().map(|s| s / rows.max(1) as f64).collect()
}

fn add(into: &mut [f64], values: &[f64]) {
    for (a, b) in into.iter_mut().zip(values) {
        *a += b;
    }
}

fn add_all(into: &mut Mat<f64>, values: &Mat<f64>) {
    for j in 0..into.ncols() {
        add(into.col_as_slice_mut(j), values.col_as_slice(j));
    }
}

fn column_sums(a: &Mat<f64>) -> Vec<f64> {
    column_fold(a, 0.0, |s, v| s + v)
}

fn column_fold(a: &Mat<f64>, start: f64, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    (0..a.ncols())
        .map(|j| (0..a.nrows()).fold(start, |acc, i| f(acc, a[(i, j)])))
        .collect()
}

fn product(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.ncols(), b.ncols());
    accumulate(&mut out, a, b);
    out
}

/// `out += aᵀ b`.
fn accumulate(out: &mut Mat<f64>, a: &Mat<f64>, b: &Mat<f64>) {
    matmul(
        out.as_mut(),
        Accum::Add,
        a.transpose(),
        b.as_ref(),
        1.0,
        Par::Seq,
    );
}
