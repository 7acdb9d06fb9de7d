//! The linear model of every unit, from sums of products by fold.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Side};
use rayon::prelude::*;
use serde::Serialize;

use super::design::{Design, Model, REGRESSORS};
use super::folds::Folds;
use super::partition::Partition;
use crate::error::{Error, Result};
use crate::recordings::dmfc::Responses;
use crate::stats;

/// Units that share one matrix product.
const CHUNK: usize = 64;

const MODELS: usize = Model::EVERY.len();

/// Settings of [`encode`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EncodingOptions {
    /// Lags that are tried, in bins; a positive lag takes the response that many bins *before* the behaviour, as
    /// `circshift(response, +lag)`. Published: -6 to 6 (the text says 12 bins, the code has 13). Responses wrap around the
    /// axis.
    pub lags: Vec<i64>,
    /// How rows are divided.
    pub folds: Folds,
    /// Factor on the responses: 50 turns spikes/ms into spikes in a bin of 50 ms. The log-likelihood depends on it.
    pub scale: f64,
}

impl Default for EncodingOptions {
    fn default() -> Self {
        Self {
            lags: (-6..=6).collect(),
            folds: Folds::default(),
            scale: 50.0,
        }
    }
}

/// What is found for one unit. Values are NaN for a unit with missing responses at any lag (its `lag_bins` then says nothing),
/// or without variance in a test fold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitEncoding {
    /// Lag with the largest log-likelihood of the full model, bins; the first of equals.
    pub lag_bins: i64,
    /// `[lag]`, log-likelihood of held-out responses under the full model, summed over folds; normal with standard deviation
    /// 1 spike per bin, as published.
    pub log_likelihood_by_lag: Vec<f64>,
    /// `[model]`, the same of each model at the chosen lag.
    pub log_likelihood: [f64; MODELS],
    /// `[model]`, share of the held-out variance accounted for, `1 - var(residual) / var(response)`: mean over folds.
    pub pvaf: [f64; MODELS],
    /// `[model]`, the same of the last fold only: what the published function returns.
    pub pvaf_last_fold: [f64; MODELS],
    /// `[model]`, the same in the training rows, mean over folds.
    pub pvaf_train: [f64; MODELS],
    /// Parts of the full model's share, from `pvaf`.
    pub partition: Partition,
    /// Parts from `pvaf_last_fold`: the published ones.
    pub partition_last_fold: Partition,
}

impl UnitEncoding {
    /// Share of the held-out variance that a model accounts for, mean over folds.
    #[must_use]
    pub fn pvaf_of(&self, model: Model) -> f64 {
        self.pvaf[model as usize]
    }
}

/// What [`encode`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EncodingResult {
    /// `[unit]`.
    pub units: Vec<UnitEncoding>,
    /// Names of the regressors.
    pub regressors: Vec<String>,
    /// Lags that were tried, bins.
    pub lags: Vec<i64>,
    /// The models, in the order of the arrays.
    pub models: [Model; MODELS],
    /// Rows: cells with all regressors.
    pub n_rows: usize,
    /// Number of folds.
    pub n_folds: usize,
    /// Whether bins of one condition stand on both sides of a fold: scores are then too high.
    pub leaky_folds: bool,
    /// Units whose values are not defined.
    pub n_undefined: usize,
    /// `[ball, eye, hand, ball_eye, ball_hand, eye_hand, all_three]`, mean over units with a defined value.
    pub mean_partition: [f64; 7],
    /// The same of the last fold.
    pub mean_partition_last_fold: [f64; 7],
}

/// Sums of the regressors in one fold, or in all but one.
#[derive(Clone)]
struct Sums {
    n: f64,
    x: [f64; REGRESSORS],
    xx: [[f64; REGRESSORS]; REGRESSORS],
}

/// The same of one unit.
#[derive(Clone, Copy)]
struct UnitSums {
    y: f64,
    yy: f64,
    xy: [f64; REGRESSORS],
}

impl UnitSums {
    const ZERO: Self = Self {
        y: 0.0,
        yy: 0.0,
        xy: [0.0; REGRESSORS],
    };

    fn combine(self, other: Self, sign: f64) -> Self {
        let mut xy = self.xy;
        for (a, b) in xy.iter_mut().zip(&other.xy) {
            *a += sign * b;
        }
        Self {
            y: self.y + sign * other.y,
            yy: self.yy + sign * other.yy,
            xy,
        }
    }
}

/// One fold, ready for any unit.
struct Fold {
    test: Sums,
    train: Sums,
    /// `[model]`, (pseudo-)inverse of the centred sums of products of the training rows.
    inverse: Vec<[[f64; REGRESSORS]; REGRESSORS]>,
}

/// Fits the eleven models to every unit: `responses` are `[unit, condition, bin]`, of the axes of the design.
///
/// Least squares with intercept; a regressor that does not vary in the training rows, or that others make up, takes part
/// with the smallest coefficients (MATLAB's `glmfit` drops it instead). The result does not depend on the number of threads.
///
/// [`Error::Shape`] for other axes, [`Error::Invalid`] for no lags or a scale that is not positive; errors of [`Folds`].
pub fn encode(
    responses: &Responses,
    design: &Design,
    options: &EncodingOptions,
) -> Result<EncodingResult> {
    let (conditions, bins) = design.axes();
    if (responses.conditions(), responses.bins()) != (conditions, bins) {
        return Err(Error::shape(
            "responses",
            format!("{conditions} conditions x {bins} bins, as the design"),
            format!("{} x {}", responses.conditions(), responses.bins()),
        ));
    }
    if options.lags.is_empty() {
        return Err(Error::invalid("lags", "there are none"));
    }
    if !(options.scale.is_finite() && options.scale > 0.0) {
        return Err(Error::invalid("scale", format!("{}", options.scale)));
    }
    crate::linear::use_one_thread_per_factorisation();
    let (fold_of, n_folds) = options.folds.assign(design.cells())?;
    // Rows of a fold stand together.
    let mut order: Vec<usize> = (0..fold_of.len()).collect();
    order.sort_by_key(|&row| fold_of[row]);
    let mut starts = vec![0];
    for f in 0..n_folds {
        let count = fold_of.iter().filter(|&&g| g == f).count();
        starts.push(starts[f] + count);
    }
    let x = standardised(design, &order);
    let folds = folds(&x, &starts)?;
    let cells: Vec<(usize, usize)> = order.iter().map(|&row| design.cells()[row]).collect();
    let units: Vec<usize> = (0..responses.units()).collect();
    let found: Vec<UnitEncoding> = units
        .par_chunks(CHUNK)
        .map(|chunk| {
            chunk_sums(responses, chunk, &cells, &x, &starts, options)
                .into_iter()
                .map(|by_lag| unit(&by_lag, &folds, options))
                .collect::<Vec<_>>()
        })
        .collect::<Vec<_>>()
        .concat();
    let average = |get: fn(&UnitEncoding) -> &Partition| {
        let mut out = [f64::NAN; 7];
        for (k, value) in out.iter_mut().enumerate() {
            let defined: Vec<f64> = found
                .iter()
                .map(|u| get(u).parts()[k])
                .filter(|v| v.is_finite())
                .collect();
            *value = stats::mean(&defined);
        }
        out
    };
    Ok(EncodingResult {
        regressors: design.names().to_vec(),
        lags: options.lags.clone(),
        models: Model::EVERY,
        n_rows: cells.len(),
        n_folds,
        leaky_folds: options.folds.leaks(design.cells()),
        n_undefined: found.iter().filter(|u| u.pvaf[0].is_nan()).count(),
        mean_partition: average(|u| &u.partition),
        mean_partition_last_fold: average(|u| &u.partition_last_fold),
        units: found,
    })
}

/// `[row, regressor]` about the mean and in units of the standard deviation; 0 for a regressor that is constant. Predictions
/// do not change, and sums of products are well scaled: eye velocities are per ms and the ball's per bin.
fn standardised(design: &Design, order: &[usize]) -> Mat<f64> {
    let values = design.values();
    let mut x = Mat::<f64>::zeros(order.len(), REGRESSORS);
    for k in 0..REGRESSORS {
        let column = values.column(k);
        let (mean, sd) = (stats::mean(&column), stats::sd(&column));
        if sd > 1e-13 * mean.abs() && sd > 0.0 {
            for (i, &row) in order.iter().enumerate() {
                x[(i, k)] = (column[row] - mean) / sd;
            }
        }
    }
    x
}

fn folds(x: &Mat<f64>, starts: &[usize]) -> Result<Vec<Fold>> {
    let sums = |from: usize, to: usize| {
        let mut s = Sums {
            n: (to - from) as f64,
            x: [0.0; REGRESSORS],
            xx: [[0.0; REGRESSORS]; REGRESSORS],
        };
        for i in from..to {
            for a in 0..REGRESSORS {
                s.x[a] += x[(i, a)];
                for b in 0..REGRESSORS {
                    s.xx[a][b] += x[(i, a)] * x[(i, b)];
                }
            }
        }
        s
    };
    let parts: Vec<Sums> = starts.windows(2).map(|w| sums(w[0], w[1])).collect();
    parts
        .iter()
        .enumerate()
        .map(|(f, test)| {
            // Added and not subtracted: a regressor that is constant in the training rows stays exactly so.
            let mut train = Sums {
                n: 0.0,
                x: [0.0; REGRESSORS],
                xx: [[0.0; REGRESSORS]; REGRESSORS],
            };
            for (_, part) in parts.iter().enumerate().filter(|(g, _)| *g != f) {
                train.n += part.n;
                for a in 0..REGRESSORS {
                    train.x[a] += part.x[a];
                    for b in 0..REGRESSORS {
                        train.xx[a][b] += part.xx[a][b];
                    }
                }
            }
            let inverse = Model::EVERY
                .iter()
                .map(|&model| inverse(&train, model))
                .collect::<Result<_>>()?;
            Ok(Fold {
                test: test.clone(),
                train,
                inverse,
            })
        })
        .collect()
}

fn inverse(train: &Sums, model: Model) -> Result<[[f64; REGRESSORS]; REGRESSORS]> {
    let members: Vec<usize> = (0..REGRESSORS).filter(|&k| model.has(k)).collect();
    let p = members.len();
    let gram = Mat::from_fn(p, p, |i, j| {
        let (a, b) = (members[i], members[j]);
        train.xx[a][b] - train.x[a] * train.x[b] / train.n
    });
    let eigen = gram
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Error::Factorisation {
            what: "encoding model".into(),
            factorisation: "eigendecomposition",
            rows: p,
            cols: p,
        })?;
    let values = eigen.S().column_vector();
    let floor = values[p - 1] * 1e-12;
    let mut out = [[0.0; REGRESSORS]; REGRESSORS];
    for e in 0..p {
        if values[e] > floor {
            for (i, &a) in members.iter().enumerate() {
                for (j, &b) in members.iter().enumerate() {
                    out[a][b] += eigen.U()[(i, e)] * eigen.U()[(j, e)] / values[e];
                }
            }
        }
    }
    Ok(out)
}

/// `[unit][lag][fold]`, sums of a chunk of units.
fn chunk_sums(
    responses: &Responses,
    chunk: &[usize],
    cells: &[(usize, usize)],
    x: &Mat<f64>,
    starts: &[usize],
    options: &EncodingOptions,
) -> Vec<Vec<Vec<UnitSums>>> {
    let bins = responses.bins();
    let mut out = vec![Vec::with_capacity(options.lags.len()); chunk.len()];
    let mut y = Mat::<f64>::zeros(cells.len(), chunk.len());
    let mut products = Mat::<f64>::zeros(REGRESSORS, chunk.len());
    for &lag in &options.lags {
        let from: Vec<usize> = cells
            .iter()
            .map(|&(c, b)| c * bins + (b as i64 - lag).rem_euclid(bins.max(1) as i64) as usize)
            .collect();
        for (j, &unit) in chunk.iter().enumerate() {
            let source = responses.unit(unit);
            if let Some(column) = y.col_mut(j).try_as_col_major_mut() {
                let column = column.as_slice_mut();
                let mut sum = 0.0;
                for (value, &at) in column.iter_mut().zip(&from) {
                    *value = source[at] * options.scale;
                    sum += *value;
                }
                // About the mean: sums of squares lose nothing. Variance and residuals do not change. What would be left of
                // a constant is rounding.
                let mean = if column.iter().all(|v| *v == column[0]) {
                    column[0]
                } else {
                    sum / cells.len() as f64
                };
                for value in column {
                    *value -= mean;
                }
            }
            out[j].push(Vec::with_capacity(starts.len() - 1));
        }
        for w in starts.windows(2) {
            let rows = w[1] - w[0];
            let part = y.subrows(w[0], rows);
            matmul(
                products.as_mut(),
                Accum::Replace,
                x.subrows(w[0], rows).transpose(),
                part,
                1.0,
                Par::Seq,
            );
            for (j, unit) in out.iter_mut().enumerate() {
                let mut s = UnitSums::ZERO;
                for i in 0..rows {
                    let v = part[(i, j)];
                    s.y += v;
                    s.yy += v * v;
                }
                for (k, xy) in s.xy.iter_mut().enumerate() {
                    *xy = products[(k, j)];
                }
                if let Some(folds) = unit.last_mut() {
                    folds.push(s);
                }
            }
        }
    }
    out
}

/// What a model makes of one fold.
struct Fit {
    log_likelihood: f64,
    pvaf: f64,
    pvaf_train: f64,
}

fn fit(fold: &Fold, model: usize, train: &UnitSums, test: &UnitSums) -> Fit {
    let s = &fold.train;
    let mut beta = [0.0; REGRESSORS];
    let mut about = [0.0; REGRESSORS];
    for (k, value) in about.iter_mut().enumerate() {
        *value = train.xy[k] - s.x[k] * train.y / s.n;
    }
    for (b, row) in beta.iter_mut().zip(&fold.inverse[model]) {
        *b = row.iter().zip(&about).map(|(a, v)| a * v).sum();
    }
    let dot = |a: &[f64; REGRESSORS], b: &[f64; REGRESSORS]| -> f64 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    };
    let intercept = (train.y - dot(&s.x, &beta)) / s.n;
    // (sum of squared residuals, share of variance accounted for)
    let judge = |s: &Sums, u: &UnitSums| {
        let quadratic: f64 =
            s.xx.iter()
                .zip(&beta)
                .map(|(row, b)| b * dot(row, &beta))
                .sum();
        let cross = dot(&s.x, &beta);
        let squares = u.yy - 2.0 * (intercept * u.y + dot(&u.xy, &beta))
            + s.n * intercept * intercept
            + 2.0 * intercept * cross
            + quadratic;
        let residual = u.y - s.n * intercept - cross;
        let variance = u.yy - u.y * u.y / s.n;
        let left = squares - residual * residual / s.n;
        // A unit that is silent in the whole fold is constant about its mean: the difference is then rounding of `yy`.
        let pvaf = if variance > 1e-12 * u.yy {
            1.0 - left / variance
        } else {
            f64::NAN
        };
        (squares, pvaf)
    };
    let (squares, pvaf) = judge(&fold.test, test);
    Fit {
        log_likelihood: -0.5 * squares - 0.5 * fold.test.n * std::f64::consts::TAU.ln(),
        pvaf,
        pvaf_train: judge(s, train).1,
    }
}

fn unit(by_lag: &[Vec<UnitSums>], folds: &[Fold], options: &EncodingOptions) -> UnitEncoding {
    let training = |sums: &[UnitSums]| -> Vec<UnitSums> {
        let total = sums
            .iter()
            .fold(UnitSums::ZERO, |total, s| total.combine(*s, 1.0));
        sums.iter().map(|s| total.combine(*s, -1.0)).collect()
    };
    let over_folds = |sums: &[UnitSums], model: usize| -> Vec<Fit> {
        folds
            .iter()
            .zip(training(sums).iter().zip(sums))
            .map(|(fold, (train, test))| fit(fold, model, train, test))
            .collect()
    };
    let log_likelihood_by_lag: Vec<f64> = by_lag
        .iter()
        .map(|sums| over_folds(sums, 0).iter().map(|f| f.log_likelihood).sum())
        .collect();
    let mut best = 0;
    for (lag, value) in log_likelihood_by_lag.iter().enumerate() {
        if *value > log_likelihood_by_lag[best] {
            best = lag;
        }
    }
    let mut found = UnitEncoding {
        lag_bins: options.lags[best],
        log_likelihood_by_lag,
        log_likelihood: [f64::NAN; MODELS],
        pvaf: [f64::NAN; MODELS],
        pvaf_last_fold: [f64::NAN; MODELS],
        pvaf_train: [f64::NAN; MODELS],
        partition: Partition::new([f64::NAN; 7]),
        partition_last_fold: Partition::new([f64::NAN; 7]),
    };
    // A lag that misses a response cannot be compared with one that does not.
    if found.log_likelihood_by_lag.iter().any(|v| v.is_nan()) {
        return found;
    }
    for model in 0..MODELS {
        let fits = over_folds(&by_lag[best], model);
        let n = fits.len() as f64;
        found.log_likelihood[model] = fits.iter().map(|f| f.log_likelihood).sum();
        found.pvaf[model] = fits.iter().map(|f| f.pvaf).sum::<f64>() / n;
        found.pvaf_train[model] = fits.iter().map(|f| f.pvaf_train).sum::<f64>() / n;
        found.pvaf_last_fold[model] = fits.last().map_or(f64::NAN, |f| f.pvaf);
    }
    let seven = |v: &[f64; MODELS]| {
        [
            Model::Ball,
            Model::Eye,
            Model::Hand,
            Model::WithoutHand,
            Model::WithoutEye,
            Model::WithoutBall,
            Model::Full,
        ]
        .map(|m| v[m as usize])
    };
    found.partition = Partition::new(seven(&found.pvaf));
    found.partition_last_fold = Partition::new(seven(&found.pvaf_last_fold));
    found
}
