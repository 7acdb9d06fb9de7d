//! Logistic regression with an L2 penalty, for many penalties at once.
//!
//! The minimum of ½‖w‖² + C Σ log(1 + exp(−y (wᵀx + b))) over w and b, as in scikit-learn's `LogisticRegression`; b is not
//! penalised. w lies in the span of the clips, so it is found in the coordinates of their principal axes, which one
//! factorisation gives for every C: with more features than clips nothing larger than `[clip, clip]` is ever made. There
//! the Hessian is close to diagonal, and Newton's method with preconditioned conjugate gradients needs few products. The
//! general minimisers of the language stop on function values or step sizes and know nothing of these axes; at C = 1e8 on
//! separable clips the difference decides whether the minimum is reached at all.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use rayon::prelude::*;

use super::Scaler;
use crate::array::Array2;
use crate::error::{Error, Result};

/// Clips × features × min(clips, features) up to which the standardised features are kept and factorised themselves.
const DIRECT_WORK: f64 = 2e9;

/// Columns that are standardised at a time, and rows of one tile, for the matrix of inner products.
const BLOCK: usize = 256;

/// Most Newton steps for one C.
const STEPS: usize = 200;

/// A fit stops when a full Newton step changes no clip's log-odds by more than this (of 1 + the largest log-odds).
const TOLERANCE: f64 = 1e-10;

/// Standardised training clips on their principal axes, ready for any C.
pub struct LogisticPath<'a> {
    features: &'a Array2,
    clips: Vec<usize>,
    scaler: Scaler,
    /// `[clip]`, 1 or -1.
    sign: Vec<f64>,
    /// `[clip, axis]`: coordinates; columns are orthogonal.
    scores: Mat<f64>,
    axes: Axes,
}

/// How weights on the axes become weights of features.
enum Axes {
    /// `[feature, axis]`.
    Features(Mat<f64>),
    /// `[clip, axis]`: the axes are combinations of the clips.
    Clips(Mat<f64>),
}

/// A fitted classifier of standardised features, with weights for the features as they were given.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// The penalty's C.
    pub c: f64,
    /// `[feature]`, weights of the standardised features: scikit-learn's `coef_`.
    pub coefficients: Vec<f64>,
    /// Intercept at standardised features: scikit-learn's `intercept_`.
    pub intercept: f64,
    /// Newton steps.
    pub steps: usize,
    scaler: Scaler,
}

impl LogisticFit {
    /// Mean and scale of the features that it was fitted on.
    #[must_use]
    pub fn scaler(&self) -> &Scaler {
        &self.scaler
    }

    /// Log-odds of contact, `[clip]`, for `features` `[clip, feature]`. [`Error::Shape`] if the features differ.
    pub fn log_odds(&self, features: &Array2) -> Result<Vec<f64>> {
        if features.cols() != self.coefficients.len() {
            return Err(Error::shape(
                "features to predict from",
                format!("{} features", self.coefficients.len()),
                format!("{} features", features.cols()),
            ));
        }
        let clips: Vec<usize> = (0..features.rows()).collect();
        Ok(self.log_odds_of(features, &clips))
    }

    pub(crate) fn log_odds_of(&self, features: &Array2, clips: &[usize]) -> Vec<f64> {
        let (mean, scale) = (self.scaler.mean(), self.scaler.scale());
        clips
            .par_iter()
            .map(|&clip| {
                let mut sum = self.intercept;
                for (j, v) in features.row(clip).iter().enumerate() {
                    sum += self.coefficients[j] * ((v - mean[j]) / scale[j]);
                }
                sum
            })
            .collect()
    }
}

/// Probability from log-odds.
pub(crate) fn probability(log_odds: f64) -> f64 {
    if log_odds >= 0.0 {
        1.0 / (1.0 + (-log_odds).exp())
    } else {
        let e = log_odds.exp();
        e / (1.0 + e)
    }
}

/// Weights on the axes while C rises: the last solution is the next start.
#[derive(Clone)]
pub(crate) struct State {
    /// `[axis]`.
    beta: Vec<f64>,
    intercept: f64,
}

impl<'a> LogisticPath<'a> {
    /// Standardise the rows `clips` of `features` `[clip, feature]` and find their axes. `labels` `[clip]` are of all rows.
    ///
    /// [`Error::Shape`] if labels and rows differ; [`Error::NotFinite`] for NaN or infinity; [`Error::Invalid`] for a clip
    /// out of range or with one class only.
    pub fn new(features: &'a Array2, labels: &[bool], clips: &[usize]) -> Result<Self> {
        Self::with(features, labels, clips, DIRECT_WORK)
    }

    fn with(
        features: &'a Array2,
        labels: &[bool],
        clips: &[usize],
        direct_work: f64,
    ) -> Result<Self> {
        crate::linear::use_one_thread_per_factorisation();
        check(features, labels, clips)?;
        let scaler = Scaler::fit(features, clips)?;
        let (n, d) = (clips.len(), features.cols());
        let work = n as f64 * d as f64 * n.min(d) as f64;
        let (scores, axes) = if d <= n || work <= direct_work {
            direct_axes(features, clips, &scaler)?
        } else {
            inner_product_axes(features, clips, &scaler)?
        };
        Ok(Self {
            features,
            clips: clips.to_vec(),
            scaler,
            sign: clips
                .iter()
                .map(|&c| if labels[c] { 1.0 } else { -1.0 })
                .collect(),
            scores,
            axes,
        })
    }

    /// The fit of one C. [`Error::Invalid`] unless C is positive and finite; [`Error::NotConverged`].
    pub fn fit(&self, c: f64) -> Result<LogisticFit> {
        let mut state = self.start();
        // Large C from the solutions of smaller ones: each is near the last.
        let mut step_c = c.min(1.0);
        let mut steps = 0;
        while step_c < c {
            steps += self.solve(step_c, &mut state)?;
            step_c *= 10.0;
        }
        steps += self.solve(c, &mut state)?;
        Ok(self.expand(c, &state, steps))
    }

    pub(crate) fn start(&self) -> State {
        let positive = self.sign.iter().filter(|s| **s > 0.0).count() as f64;
        State {
            beta: vec![0.0; self.scores.ncols()],
            intercept: (positive / (self.sign.len() as f64 - positive)).ln(),
        }
    }

    /// Weights of the features from those on the axes.
    pub(crate) fn expand(&self, c: f64, state: &State, steps: usize) -> LogisticFit {
        let d = self.features.cols();
        let coefficients = match &self.axes {
            Axes::Features(axes) => product(axes.as_ref(), &state.beta),
            Axes::Clips(axes) => {
                let of_clips = product(axes.as_ref(), &state.beta);
                let (mean, scale) = (self.scaler.mean(), self.scaler.scale());
                let mut sums = vec![0.0; d];
                for (&clip, weight) in self.clips.iter().zip(&of_clips) {
                    for ((s, v), m) in sums.iter_mut().zip(self.features.row(clip)).zip(mean) {
                        *s += weight * (v - m);
                    }
                }
                sums.iter().zip(scale).map(|(s, scale)| s / scale).collect()
            }
        };
        LogisticFit {
            c,
            coefficients,
            intercept: state.intercept,
            steps,
            scaler: self.scaler.clone(),
        }
    }

    /// Newton's method from `state`, which becomes the solution. Returns the steps taken.
    pub(crate) fn solve(&self, c: f64, state: &mut State) -> Result<usize> {
        if !(c.is_finite() && c > 0.0) {
            return Err(Error::invalid(
                "C",
                format!("{c} is not positive and finite"),
            ));
        }
        let n = self.sign.len();
        let mut odds = self.odds(state);
        let mut value = self.objective(c, state, &odds);
        let mut change = f64::INFINITY;
        for step in 1..=STEPS {
            // Derivatives of the loss by the log-odds: first and second.
            let p: Vec<f64> = odds.iter().map(|&m| probability(m)).collect();
            let slope: Vec<f64> = (0..n)
                .map(|i| {
                    c * if self.sign[i] > 0.0 {
                        -probability(-odds[i])
                    } else {
                        p[i]
                    }
                })
                .collect();
            let curve: Vec<f64> = odds
                .iter()
                .zip(&p)
                .map(|(&m, p)| c * p * probability(-m))
                .collect();
            let mut gradient = transposed_product(self.scores.as_ref(), &slope);
            for (g, b) in gradient.iter_mut().zip(&state.beta) {
                *g += b;
            }
            gradient.push(slope.iter().sum());
            let direction = self.newton_direction(&gradient, &curve);
            let along: Vec<f64> = {
                let by_axes = product(self.scores.as_ref(), &direction[..direction.len() - 1]);
                let shift = direction[direction.len() - 1];
                by_axes.iter().map(|v| v + shift).collect()
            };
            let descent = dot(&gradient, &direction);
            let largest = odds.iter().fold(0.0_f64, |a, m| a.max(m.abs()));
            change = along.iter().fold(0.0_f64, |a, m| a.max(m.abs())) / (1.0 + largest);
            // What rounding leaves of the objective.
            let slack = 16.0 * f64::EPSILON * value.abs();
            let mut size = 1.0;
            loop {
                let trial = State {
                    beta: add(&state.beta, size, &direction[..state.beta.len()]),
                    intercept: state.intercept + size * direction[state.beta.len()],
                };
                let trial_odds = add(&odds, size, &along);
                let trial_value = self.objective(c, &trial, &trial_odds);
                if trial_value <= value + 1e-4 * size * descent + slack {
                    *state = trial;
                    odds = trial_odds;
                    value = trial_value;
                    break;
                }
                size *= 0.5;
                if size < 1e-12 {
                    return Err(not_converged(c, step, change));
                }
            }
            if change <= TOLERANCE {
                return Ok(step);
            }
            if step % 16 == 0 {
                // The log-odds were updated in place; this takes their rounding away.
                odds = self.odds(state);
                value = self.objective(c, state, &odds);
            }
        }
        Err(not_converged(c, STEPS, change))
    }

    /// `-H⁻¹ g` by conjugate gradients; the last entry is the intercept's.
    fn newton_direction(&self, gradient: &[f64], curve: &[f64]) -> Vec<f64> {
        let axes = self.scores.ncols();
        let hessian = |v: &[f64]| {
            let mut along = product(self.scores.as_ref(), &v[..axes]);
            for (a, w) in along.iter_mut().zip(curve) {
                *a = (*a + v[axes]) * w;
            }
            let mut out = transposed_product(self.scores.as_ref(), &along);
            for (o, v) in out.iter_mut().zip(v) {
                *o += v;
            }
            out.push(along.iter().sum());
            out
        };
        let mut diagonal: Vec<f64> = (0..axes)
            .map(|k| {
                let column = self.scores.col(k);
                1.0 + (0..curve.len())
                    .map(|i| curve[i] * column[i] * column[i])
                    .sum::<f64>()
            })
            .collect();
        diagonal.push(curve.iter().sum::<f64>().max(f64::MIN_POSITIVE));
        let precondition =
            |r: &[f64]| -> Vec<f64> { r.iter().zip(&diagonal).map(|(r, d)| r / d).collect() };
        let mut x = vec![0.0; axes + 1];
        let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut z = precondition(&residual);
        let mut direction = z.clone();
        let mut rho = dot(&residual, &z);
        // The residual in the preconditioner's norm falls by this much: an almost exact step, so that Newton converges
        // quadratically.
        let goal = rho * 1e-16;
        for _ in 0..2 * (axes + 1) + 20 {
            if rho <= goal || rho <= f64::MIN_POSITIVE {
                break;
            }
            let h = hessian(&direction);
            let curvature = dot(&direction, &h);
            if curvature <= 0.0 {
                break;
            }
            let size = rho / curvature;
            x = add(&x, size, &direction);
            residual = add(&residual, -size, &h);
            z = precondition(&residual);
            let next = dot(&residual, &z);
            direction = add(&z, next / rho, &direction);
            rho = next;
        }
        x
    }

    /// Log-odds of the training clips.
    fn odds(&self, state: &State) -> Vec<f64> {
        let mut odds = product(self.scores.as_ref(), &state.beta);
        odds.iter_mut().for_each(|m| *m += state.intercept);
        odds
    }

    fn objective(&self, c: f64, state: &State, odds: &[f64]) -> f64 {
        let loss: f64 = odds
            .iter()
            .zip(&self.sign)
            .map(|(m, s)| {
                let margin = m * s;
                if margin > 0.0 {
                    (-margin).exp().ln_1p()
                } else {
                    margin.exp().ln_1p() - margin
                }
            })
            .sum();
        0.5 * dot(&state.beta, &state.beta) + c * loss
    }
}

fn check(features: &Array2, labels: &[bool], clips: &[usize]) -> Result<()> {
    if labels.len() != features.rows() {
        return Err(Error::shape(
            "labels",
            format!("{} clips, as the features", features.rows()),
            format!("{} clips", labels.len()),
        ));
    }
    if let Some(index) = features.as_slice().iter().position(|v| !v.is_finite()) {
        return Err(Error::NotFinite {
            what: "features".into(),
            index,
            value: features.as_slice()[index],
        });
    }
    if let Some(&clip) = clips.iter().find(|&&c| c >= labels.len()) {
        return Err(Error::invalid(
            "clips",
            format!("clip {clip} of {}", labels.len()),
        ));
    }
    for class in [false, true] {
        if !clips.iter().any(|&c| labels[c] == class) {
            return Err(Error::invalid(
                "labels",
                format!("no training clip has label {class}"),
            ));
        }
    }
    Ok(())
}

fn not_converged(c: f64, iterations: usize, change: f64) -> Error {
    Error::NotConverged {
        what: format!("logistic regression, C = {c:e}"),
        iterations,
        measure: format!("log-odds still change by {change:e} of the largest"),
    }
}

/// Axes and coordinates from the singular values of the standardised features.
fn direct_axes(features: &Array2, clips: &[usize], scaler: &Scaler) -> Result<(Mat<f64>, Axes)> {
    let (n, d) = (clips.len(), features.cols());
    let z = block(features, clips, scaler, 0..d);
    let svd = z.thin_svd().map_err(|_| failed("SVD", n, d))?;
    let values = svd.S().column_vector();
    let largest = if values.nrows() > 0 { values[0] } else { 0.0 };
    let floor = largest * f64::EPSILON * n.max(d) as f64;
    let rank = (0..values.nrows())
        .take_while(|&k| values[k] > floor)
        .count();
    let (u, v) = (svd.U(), svd.V());
    let scores = Mat::from_fn(n, rank, |i, k| u[(i, k)] * values[k]);
    let axes = Mat::from_fn(d, rank, |j, k| v[(j, k)]);
    Ok((scores, Axes::Features(axes)))
}

/// The same from the inner products of the clips. Axes whose variance is below rounding of the largest are lost: a singular
/// value under 1e-8 × √clips of the first, which no C of the published grid can make count on standardised features.
fn inner_product_axes(
    features: &Array2,
    clips: &[usize],
    scaler: &Scaler,
) -> Result<(Mat<f64>, Axes)> {
    let (n, d) = (clips.len(), features.cols());
    // Rows of the lower triangle in tiles, each its own piece of work; blocks of columns are added in order.
    let mut tiles: Vec<Mat<f64>> = (0..n)
        .step_by(BLOCK)
        .map(|low| Mat::zeros(BLOCK.min(n - low), (low + BLOCK).min(n)))
        .collect();
    for from in (0..d).step_by(BLOCK) {
        let z = block(features, clips, scaler, from..(from + BLOCK).min(d));
        tiles.par_iter_mut().enumerate().for_each(|(t, tile)| {
            let left = z.as_ref().subrows(t * BLOCK, tile.nrows());
            let right = z.as_ref().subrows(0, tile.ncols());
            matmul(
                tile.as_mut(),
                Accum::Add,
                left,
                right.transpose(),
                1.0,
                Par::Seq,
            );
        });
    }
    let k = Mat::from_fn(n, n, |i, j| {
        let (i, j) = (i.max(j), i.min(j));
        tiles[i / BLOCK][(i % BLOCK, j)]
    });
    drop(tiles);
    let eigen = k
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| failed("eigendecomposition", n, n))?;
    let values = eigen.S().column_vector();
    let vectors = eigen.U();
    let floor = values[n - 1] * f64::EPSILON * n as f64;
    // faer sorts ascending.
    let kept: Vec<usize> = (0..n).rev().take_while(|&k| values[k] > floor).collect();
    let scores = Mat::from_fn(n, kept.len(), |i, k| {
        vectors[(i, kept[k])] * values[kept[k]].sqrt()
    });
    let axes = Mat::from_fn(n, kept.len(), |i, k| {
        vectors[(i, kept[k])] / values[kept[k]].sqrt()
    });
    Ok((scores, Axes::Clips(axes)))
}

/// Standardised features `[clip, feature]` of some columns.
fn block(
    features: &Array2,
    clips: &[usize],
    scaler: &Scaler,
    columns: std::ops::Range<usize>,
) -> Mat<f64> {
    let (mean, scale) = (scaler.mean(), scaler.scale());
    Mat::from_fn(clips.len(), columns.len(), |i, j| {
        let column = columns.start + j;
        (features.get(clips[i], column) - mean[column]) / scale[column]
    })
}

fn failed(factorisation: &'static str, rows: usize, cols: usize) -> Error {
    Error::Factorisation {
        what: "logistic regression".into(),
        factorisation,
        rows,
        cols,
    }
}

/// `a v`, column by column: the order of the sums is fixed.
fn product(a: MatRef<'_, f64>, v: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; a.nrows()];
    for (k, &weight) in v.iter().enumerate() {
        match a.col(k).try_as_col_major() {
            Some(column) => {
                for (o, x) in out.iter_mut().zip(column.as_slice()) {
                    *o += weight * x;
                }
            }
            None => {
                for (i, o) in out.iter_mut().enumerate() {
                    *o += weight * a[(i, k)];
                }
            }
        }
    }
    out
}

/// `aᵀ v`, one column at a time.
fn transposed_product(a: MatRef<'_, f64>, v: &[f64]) -> Vec<f64> {
    (0..a.ncols())
        .into_par_iter()
        .with_min_len(64)
        .map(|k| match a.col(k).try_as_col_major() {
            Some(column) => dot(column.as_slice(), v),
            None => (0..a.nrows()).map(|i| a[(i, k)] * v[i]).sum(),
        })
        .collect()
}

/// Eight sums side by side, so that the compiler can use wide registers; always in this order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (x, y) in a8.iter().zip(b8) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

fn add(a: &[f64], size: f64, b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(x, y)| x + size * y).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mental_pong_base::Stream;

    fn data(n: usize, d: usize, seed: u64) -> (Array2, Vec<bool>) {
        let mut rng = Stream::new(seed, "test", 0);
        let x = Array2::from_fn(n, d, |_, j| (1.0 + j as f64).sqrt() * rng.normal() + 3.0);
        let y = (0..n)
            .map(|i| x.get(i, 0) - 3.0 + 0.5 * (x.get(i, 1) - 3.0) + rng.normal() > 0.2)
            .collect();
        (x, y)
    }

    /// Gradient of the stated objective at a fit, from the features themselves.
    fn gradient(x: &Array2, y: &[bool], fit: &LogisticFit) -> (f64, f64) {
        let odds = fit.log_odds(x).unwrap();
        let (mean, scale) = (fit.scaler.mean(), fit.scaler.scale());
        let slope: Vec<f64> = odds
            .iter()
            .zip(y)
            .map(|(m, y)| {
                fit.c
                    * if *y {
                        -probability(-m)
                    } else {
                        probability(*m)
                    }
            })
            .collect();
        let worst = (0..x.cols())
            .map(|j| {
                let sum: f64 = (0..x.rows())
                    .map(|i| slope[i] * (x.get(i, j) - mean[j]) / scale[j])
                    .sum();
                (fit.coefficients[j] + sum).abs()
            })
            .fold(0.0, f64::max);
        (worst, slope.iter().sum::<f64>().abs())
    }

    #[test]
    fn the_gradient_is_zero_for_every_c_of_the_grid() {
        for (n, d, seed) in [(60, 4, 1), (30, 50, 2), (41, 41, 3)] {
            let (x, y) = data(n, d, seed);
            let clips: Vec<usize> = (0..n).collect();
            let path = LogisticPath::new(&x, &y, &clips).unwrap();
            for exponent in -8..=8 {
                let c = 10_f64.powi(exponent);
                let fit = path.fit(c).unwrap();
                let size = fit.coefficients.iter().fold(0.0_f64, |a, w| a.max(w.abs()));
                let (by_w, by_b) = gradient(&x, &y, &fit);
                // Relative to the terms that cancel in it: at most C times the clips.
                let bound = 1e-9 * size + 1e-13 * c * n as f64;
                assert!(
                    by_w <= bound && by_b <= bound,
                    "{n} {d} {c:e}: {by_w:e} {by_b:e} {size:e}"
                );
            }
        }
    }

    #[test]
    fn inner_products_give_the_same_fit_as_the_features() {
        // More clips than one tile, more features than one block.
        let (x, y) = data(300, 700, 4);
        let clips: Vec<usize> = (0..300).filter(|c| c % 7 != 0).collect();
        let direct = LogisticPath::new(&x, &y, &clips).unwrap();
        let inner = LogisticPath::with(&x, &y, &clips, 0.0).unwrap();
        assert!(matches!(direct.axes, Axes::Features(_)) && matches!(inner.axes, Axes::Clips(_)));
        for c in [1e-6, 1e-2, 1.0, 1e4] {
            let (a, b) = (direct.fit(c).unwrap(), inner.fit(c).unwrap());
            let (a, b) = (a.log_odds(&x).unwrap(), b.log_odds(&x).unwrap());
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).abs() < 1e-7 * (1.0 + a.abs()), "{c}: {a} {b}");
            }
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let (x, y) = data(20, 3, 5);
        assert!(LogisticPath::new(&x, &[true; 20], &[0, 1, 2]).is_err());
        assert!(LogisticPath::new(&x, &y[..19], &[0, 1, 2]).is_err());
        assert!(LogisticPath::new(&x, &y, &[0, 20]).is_err());
        let clips: Vec<usize> = (0..20).collect();
        assert!(LogisticPath::new(&x, &y, &clips).unwrap().fit(0.0).is_err());
        let constant = Array2::filled(20, 3, 2.0);
        let fit = LogisticPath::new(&constant, &y, &clips)
            .unwrap()
            .fit(1e8)
            .unwrap();
        let yes = y.iter().filter(|y| **y).count() as f64 / 20.0;
        assert!((probability(fit.intercept) - yes).abs() < 1e-12);
    }
}
