//! Partial least squares regression (PLS2).

use faer::Mat;
use faer::linalg::solvers::Solve;
use serde::{Deserialize, Serialize};

use super::dense;
use crate::array::Array2;
use crate::error::{Error, Result};

/// Iterations of one component at most, as scikit-learn's default.
const MAX_ITERATIONS: usize = 500;
/// Bound on the squared change of the weights, as scikit-learn's default.
const TOLERANCE: f64 = 1e-6;
/// The products are made anew from the deflated rows when they have shrunk by this much, so that no digits are lost.
const SHRINKAGE: f64 = 1e-6;

/// `sklearn.cross_decomposition.PLSRegression(n_components, scale)`: the NIPALS algorithm with its iterates and its rule to
/// stop (at most 500 iterations, squared change below 1e-6).
///
/// The iteration of NIPALS on rows is a power iteration on the cross products `S = xᵀ y`, and both are deflated by the same
/// rank-one terms (Höskuldsson 1988; de Jong & ter Braak 1994), so it runs on `S`, or on `S Sᵀ`, which is small. Signs: the
/// entry of largest size of each weight vector is positive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pls {
    mean_x: Vec<f64>,
    mean_y: Vec<f64>,
    scale_x: Vec<f64>,
    scale_y: Vec<f64>,
    /// `[component][feature]`.
    weights: Vec<Vec<f64>>,
    loadings_x: Vec<Vec<f64>>,
    rotations: Vec<Vec<f64>>,
    /// `[component][target]`.
    loadings_y: Vec<Vec<f64>>,
    iterations: Vec<usize>,
}

impl Pls {
    /// Fit on rows: `x` `[row, feature]`, `y` `[row, target]`.
    ///
    /// With `scale` both sides are divided by their standard deviations (divisor n − 1). Fewer components come back where
    /// the targets are explained before. Errors: [`Error::Shape`] for different numbers of rows; [`Error::Invalid`] with
    /// fewer than two rows, or components outside of 1 to the smaller of rows and features; [`Error::NotFinite`].
    pub fn fit(x: &Array2, y: &Array2, components: usize, scale: bool) -> Result<Self> {
        if x.rows() != y.rows() {
            return Err(Error::shape(
                "targets of PLS",
                format!("{} rows, as the features", x.rows()),
                format!("{} rows", y.rows()),
            ));
        }
        dense::check_finite("features of PLS", x)?;
        dense::check_finite("targets of PLS", y)?;
        let source = PlsSource::new(dense::to_mat(x), components, scale)?;
        source.fit(dense::to_mat(y))
    }

    /// Number of components found.
    #[must_use]
    pub fn components(&self) -> usize {
        self.weights.len()
    }

    /// `[component]`, iterations that each took.
    #[must_use]
    pub fn iterations(&self) -> &[usize] {
        &self.iterations
    }

    /// `x_weights_`, `[feature, component]`.
    #[must_use]
    pub fn x_weights(&self) -> Array2 {
        columns(&self.weights, self.mean_x.len())
    }

    /// `x_loadings_`, `[feature, component]`.
    #[must_use]
    pub fn x_loadings(&self) -> Array2 {
        columns(&self.loadings_x, self.mean_x.len())
    }

    /// `y_loadings_`, `[target, component]`.
    #[must_use]
    pub fn y_loadings(&self) -> Array2 {
        columns(&self.loadings_y, self.mean_y.len())
    }

    /// `x_rotations_`, `[feature, component]`: what takes centred, scaled features to scores.
    #[must_use]
    pub fn x_rotations(&self) -> Array2 {
        columns(&self.rotations, self.mean_x.len())
    }

    /// `[feature, target]`, of features in their own units.
    #[must_use]
    pub fn coefficients(&self) -> Array2 {
        dense::from_mat(
            dense::product(
                self.rotation_matrix().as_ref(),
                self.loading_matrix().transpose(),
            )
            .as_ref(),
        )
    }

    /// `[target]`, prediction for features of 0.
    #[must_use]
    pub fn intercept(&self) -> Vec<f64> {
        let coefficients = self.coefficients();
        let mut out = self.mean_y.clone();
        for (feature, mean) in self.mean_x.iter().enumerate() {
            for (o, b) in out.iter_mut().zip(coefficients.row(feature)) {
                *o -= mean * b;
            }
        }
        out
    }

    /// Scores `[row, component]`. [`Error::Shape`] if the features differ.
    pub fn transform(&self, x: &Array2) -> Result<Array2> {
        self.check(x.cols())?;
        Ok(dense::from_mat(self.scores(&dense::to_mat(x)).as_ref()))
    }

    /// Predictions `[row, target]`. [`Error::Shape`] if the features differ.
    pub fn predict(&self, x: &Array2) -> Result<Array2> {
        self.check(x.cols())?;
        Ok(dense::from_mat(
            self.predict_mat(&dense::to_mat(x)).as_ref(),
        ))
    }

    fn check(&self, features: usize) -> Result<()> {
        if features == self.mean_x.len() {
            return Ok(());
        }
        Err(Error::shape(
            "features to predict from",
            format!("{} features", self.mean_x.len()),
            format!("{features} features"),
        ))
    }

    /// Rotations divided by the scale of the features, `[feature, component]`.
    fn rotation_matrix(&self) -> Mat<f64> {
        Mat::from_fn(self.mean_x.len(), self.rotations.len(), |j, k| {
            self.rotations[k][j] / self.scale_x[j]
        })
    }

    /// Loadings times the scale of the targets, `[target, component]`.
    fn loading_matrix(&self) -> Mat<f64> {
        Mat::from_fn(self.mean_y.len(), self.loadings_y.len(), |t, k| {
            self.loadings_y[k][t] * self.scale_y[t]
        })
    }

    fn scores(&self, x: &Mat<f64>) -> Mat<f64> {
        let mut centred = x.clone();
        dense::shift_columns(&mut centred, &self.mean_x);
        dense::product(centred.as_ref(), self.rotation_matrix().as_ref())
    }

    pub(crate) fn predict_mat(&self, x: &Mat<f64>) -> Mat<f64> {
        let mut out = dense::product(self.scores(x).as_ref(), self.loading_matrix().transpose());
        let offset: Vec<f64> = self.mean_y.iter().map(|m| -m).collect();
        dense::shift_columns(&mut out, &offset);
        out
    }
}

/// Features of training rows, centred and scaled once for all targets.
pub(crate) struct PlsSource {
    x: Mat<f64>,
    mean: Vec<f64>,
    scale: Vec<f64>,
    components: usize,
    scaled: bool,
}

impl PlsSource {
    pub(crate) fn new(mut x: Mat<f64>, components: usize, scaled: bool) -> Result<Self> {
        super::use_one_thread_per_factorisation();
        let most = x.nrows().min(x.ncols());
        if x.nrows() < 2 {
            return Err(Error::invalid(
                "PLS",
                format!("{} rows; needs two", x.nrows()),
            ));
        }
        if components == 0 || components > most {
            return Err(Error::invalid(
                "components of PLS",
                format!(
                    "{components}; has to be from 1 to {most}, the smaller of rows and features"
                ),
            ));
        }
        let (mean, scale) = standardise(&mut x, scaled);
        Ok(Self {
            x,
            mean,
            scale,
            components,
            scaled,
        })
    }

    /// Fit to targets `[row, target]` of the same rows.
    pub(crate) fn fit(&self, mut y: Mat<f64>) -> Result<Pls> {
        let (mean_y, scale_y) = standardise(&mut y, self.scaled);
        let x = &self.x;
        let mut state = State {
            weights: Vec::new(),
            scores: Vec::new(),
            loadings_x: Vec::new(),
            loadings_y: Vec::new(),
        };
        let mut iterations = Vec::new();
        let mut cross = Cross::new(dense::product(x.transpose(), y.as_ref()));
        for _ in 0..self.components {
            let Some(start) = state.first_column(&y) else {
                break;
            };
            let (mut weight, count) = cross.weights(start);
            let largest = (1..weight.len()).fold(0, |best, j| {
                if weight[j].abs() > weight[best].abs() {
                    j
                } else {
                    best
                }
            });
            if weight[largest] < 0.0 {
                for w in &mut weight {
                    *w = -*w;
                }
            }
            let score = state.deflated_times(x, &weight);
            let size = dense::dot(&score, &score);
            if !size.is_normal() {
                break;
            }
            let loading_x: Vec<f64> = state
                .deflated_transposed_times(x, &score)
                .iter()
                .map(|v| v / size)
                .collect();
            let s_weight = dense::transposed_times(&cross.s, &weight);
            let loading_y: Vec<f64> = s_weight.iter().map(|v| v / size).collect();
            cross.deflate(size, &loading_x, &loading_y);
            state.weights.push(weight);
            state.scores.push(score);
            state.loadings_x.push(loading_x);
            state.loadings_y.push(loading_y);
            iterations.push(count);
            if cross.worn() {
                // (x - t pᵀ)ᵀ (y - t qᵀ) = (x - t pᵀ)ᵀ y, for the scores are orthogonal.
                let mut rest = x.clone();
                for (t, p) in state.scores.iter().zip(&state.loadings_x) {
                    dense::add_outer(&mut rest, -1.0, t, p);
                }
                cross = Cross::new(dense::product(rest.transpose(), y.as_ref()));
            }
        }
        let rotations = rotations(&state.weights, &state.loadings_x);
        Ok(Pls {
            mean_x: self.mean.clone(),
            mean_y,
            scale_x: self.scale.clone(),
            scale_y,
            weights: state.weights,
            loadings_x: state.loadings_x,
            rotations,
            loadings_y: state.loadings_y,
            iterations,
        })
    }
}

/// What the components so far take off the rows.
struct State {
    weights: Vec<Vec<f64>>,
    scores: Vec<Vec<f64>>,
    loadings_x: Vec<Vec<f64>>,
    loadings_y: Vec<Vec<f64>>,
}

impl State {
    /// The first target that is not explained yet; scikit-learn takes residuals below ten roundings for none.
    fn first_column(&self, y: &Mat<f64>) -> Option<usize> {
        (0..y.ncols()).find(|&t| {
            let mut column = y.col_as_slice(t).to_vec();
            for (score, loading) in self.scores.iter().zip(&self.loadings_y) {
                for (value, s) in column.iter_mut().zip(score) {
                    *value -= s * loading[t];
                }
            }
            column.iter().any(|v| v.abs() >= 10.0 * f64::EPSILON)
        })
    }

    fn deflated_times(&self, x: &Mat<f64>, v: &[f64]) -> Vec<f64> {
        let mut out = dense::times(x, v);
        for (score, loading) in self.scores.iter().zip(&self.loadings_x) {
            let by = dense::dot(loading, v);
            for (o, s) in out.iter_mut().zip(score) {
                *o -= by * s;
            }
        }
        out
    }

    fn deflated_transposed_times(&self, x: &Mat<f64>, v: &[f64]) -> Vec<f64> {
        let mut out = dense::transposed_times(x, v);
        for (score, loading) in self.scores.iter().zip(&self.loadings_x) {
            let by = dense::dot(score, v);
            for (o, p) in out.iter_mut().zip(loading) {
                *o -= by * p;
            }
        }
        out
    }
}

/// `S = xᵀ y` of the deflated rows `[feature, target]`, and `S Sᵀ` where that is the smaller.
struct Cross {
    s: Mat<f64>,
    square: Option<Mat<f64>>,
    /// Squared size of `s` when it was made.
    made: f64,
}

impl Cross {
    fn new(s: Mat<f64>) -> Self {
        let square = (s.nrows() <= s.ncols()).then(|| dense::gram(s.transpose()));
        let made = squared_size(&s, square.as_ref());
        Self { s, square, made }
    }

    /// Weights of the next component, from target `start` on, and the iterations they took.
    fn weights(&self, start: usize) -> (Vec<f64>, usize) {
        let mut weight = normalised(self.s.col_as_slice(start).to_vec());
        let single = self.s.ncols() == 1;
        // scikit-learn compares the first weights with a vector of 100s, so it never stops at once but for one target.
        let mut count = 1;
        while !single && count < MAX_ITERATIONS {
            let next = match &self.square {
                Some(square) => dense::transposed_times(square, &weight),
                None => dense::times(&self.s, &dense::transposed_times(&self.s, &weight)),
            };
            let next = normalised(next);
            count += 1;
            let change: f64 = next
                .iter()
                .zip(&weight)
                .map(|(a, b)| (a - b) * (a - b))
                .sum();
            weight = next;
            if change < TOLERANCE {
                break;
            }
        }
        (weight, count)
    }

    /// `S -= size · p qᵀ`.
    fn deflate(&mut self, size: f64, p: &[f64], q: &[f64]) {
        if let Some(square) = &mut self.square {
            // (S - c p qᵀ)(S - c p qᵀ)ᵀ = S Sᵀ - c p (S q)ᵀ - c (S q) pᵀ + c² |q|² p pᵀ
            let sq = dense::times(&self.s, q);
            let half = 0.5 * size * dense::dot(q, q);
            let mixed: Vec<f64> = sq.iter().zip(p).map(|(a, b)| a - half * b).collect();
            dense::add_outer(square, -size, p, &mixed);
            dense::add_outer(square, -size, &mixed, p);
        }
        dense::add_outer(&mut self.s, -size, p, q);
    }

    fn worn(&self) -> bool {
        squared_size(&self.s, self.square.as_ref()) < SHRINKAGE * self.made
    }
}

fn squared_size(s: &Mat<f64>, square: Option<&Mat<f64>>) -> f64 {
    match square {
        Some(square) => (0..square.nrows()).map(|j| square[(j, j)]).sum(),
        None => (0..s.ncols())
            .map(|t| dense::dot(s.col_as_slice(t), s.col_as_slice(t)))
            .sum(),
    }
}

fn normalised(mut v: Vec<f64>) -> Vec<f64> {
    // Largest entry first, so that very small cross products do not underflow.
    let largest = v.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    if largest > 0.0 {
        for x in &mut v {
            *x /= largest;
        }
        let norm = dense::dot(&v, &v).sqrt();
        for x in &mut v {
            *x /= norm;
        }
    }
    v
}

fn standardise(m: &mut Mat<f64>, scaled: bool) -> (Vec<f64>, Vec<f64>) {
    let mean = dense::column_means(m);
    // The mean of equal numbers may be off by a rounding, which scaling would make large.
    let constant: Vec<bool> = (0..m.ncols())
        .map(|j| m.col_as_slice(j).iter().all(|v| v == &m[(0, j)]))
        .collect();
    dense::shift_columns(m, &mean);
    for (j, _) in constant
        .iter()
        .enumerate()
        .filter(|(_, constant)| **constant)
    {
        m.col_as_slice_mut(j).fill(0.0);
    }
    let divisor = m.nrows().saturating_sub(1) as f64;
    let scale: Vec<f64> = (0..m.ncols())
        .map(|j| {
            let column = m.col_as_slice(j);
            let sd = (dense::dot(column, column) / divisor).sqrt();
            if scaled && sd > 0.0 { sd } else { 1.0 }
        })
        .collect();
    if scaled {
        let inverse: Vec<f64> = scale.iter().map(|s| 1.0 / s).collect();
        dense::scale_columns(m, &inverse);
    }
    (mean, scale)
}

/// `W (Pᵀ W)⁻¹`, `[component][feature]`.
fn rotations(weights: &[Vec<f64>], loadings: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let k = weights.len();
    let mixing = Mat::from_fn(k, k, |i, j| dense::dot(&loadings[i], &weights[j]));
    let inverse = mixing.partial_piv_lu().solve(Mat::<f64>::identity(k, k));
    let features = weights.first().map_or(0, Vec::len);
    let w = Mat::from_fn(features, k, |j, c| weights[c][j]);
    let r = dense::product(w.as_ref(), inverse.as_ref());
    (0..k).map(|c| r.col_as_slice(c).to_vec()).collect()
}

fn columns(vectors: &[Vec<f64>], rows: usize) -> Array2 {
    Array2::from_fn(rows, vectors.len(), |i, k| vectors[k][i])
}
