//! Ridge regression from one decomposition, and the penalty by leave-one-out errors.
//!
//! With `x - mean = u diag(s) vᵀ` the ridge coefficients are `v diag(s / (s² + α)) uᵀ y`, so one decomposition serves every
//! penalty and every target. The penalty is chosen by the leave-one-out errors of all rows in closed form, as
//! `sklearn.linear_model.RidgeCV` does (Rifkin & Lippert 2007, "Notes on regularized least squares").

use faer::Mat;

use super::basis::Basis;
use super::dense;
use crate::error::{Error, Result};

/// The penalties that Nayebi et al. (2023) chose from: 1e-9, 1e-8, …, 1e5 and 5e-4, 5e-3, …, 5e4, ascending (24 values).
#[must_use]
pub fn published_alphas() -> Vec<f64> {
    vec![
        1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1, 5e-1, 1e0, 5e0,
        1e1, 5e1, 1e2, 5e2, 1e3, 5e3, 1e4, 5e4, 1e5,
    ]
}

/// [`Error::Invalid`] unless every penalty is positive and finite and there is one.
pub(crate) fn check_alphas(alphas: &[f64]) -> Result<()> {
    if alphas.is_empty() {
        return Err(Error::invalid("ridge penalties", "there are none"));
    }
    match alphas.iter().find(|a| !(a.is_finite() && **a > 0.0)) {
        Some(alpha) => Err(Error::invalid(
            "ridge penalties",
            format!("{alpha}; each has to be positive and finite"),
        )),
        None => Ok(()),
    }
}

/// `s / (s² + α)` of each direction; `1 / s` for α = 0.
pub(crate) fn shrinkage(s: &[f64], alpha: f64) -> Vec<f64> {
    s.iter().map(|s| s / (s * s + alpha)).collect()
}

/// What the choice of a penalty needs of the features alone, so that it is made once for all targets.
pub(crate) struct LeaveOneOut {
    alphas: Vec<f64>,
    /// `[row, alpha]`, one over the square of the share of each row that is not its own prediction.
    weight: Mat<f64>,
    /// `[alpha]`, least and largest entry of `weight`.
    weight_range: Vec<(f64, f64)>,
}

/// A penalty for all targets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) alpha: f64,
    /// Mean squared leave-one-out error over rows and targets.
    pub(crate) mean_squared_error: f64,
}

impl LeaveOneOut {
    pub(crate) fn new(basis: &Basis, alphas: &[f64]) -> Result<Self> {
        check_alphas(alphas)?;
        let (n, r) = (basis.u.nrows(), basis.s.len());
        if n < 2 {
            return Err(Error::invalid("ridge", format!("{n} rows; needs two")));
        }
        // The part of a row that no direction reaches. With as many directions as centred rows have it is 0, and must not
        // be rounding.
        let reached: Vec<f64> = row_sums_of_squares(&basis.u);
        let own = 1.0 - 1.0 / n as f64;
        let squares = Mat::from_fn(n, r, |i, k| basis.u[(i, k)] * basis.u[(i, k)]);
        let kept = Mat::from_fn(r, alphas.len(), |k, a| {
            alphas[a] / (basis.s[k] * basis.s[k] + alphas[a])
        });
        let mut weight = dense::product(squares.as_ref(), kept.as_ref());
        let mut weight_range = Vec::with_capacity(alphas.len());
        for a in 0..alphas.len() {
            let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
            for (value, reached) in weight.col_as_slice_mut(a).iter_mut().zip(&reached) {
                let unreached = if r + 1 >= n {
                    0.0
                } else {
                    (own - reached).max(0.0)
                };
                let share = unreached + *value;
                *value = 1.0 / (share * share);
                low = low.min(*value);
                high = high.max(*value);
            }
            weight_range.push((low, high));
        }
        Ok(Self {
            alphas: alphas.to_vec(),
            weight,
            weight_range,
        })
    }

    /// The penalty of least mean squared leave-one-out error over all targets; the first of equals.
    ///
    /// `y` `[row, target]` is centred, `z = uᵀ y`. The error of a row is that of a quadratic form, whose value is known
    /// within bounds from its trace; the form itself is evaluated only for penalties whose bounds reach below the best
    /// error found, so that the choice is the same as if all were.
    pub(crate) fn choose(&self, basis: &Basis, y: &Mat<f64>, z: &Mat<f64>) -> Choice {
        let (n, r) = (basis.u.nrows(), basis.s.len());
        let u = &basis.u;
        let w = dense::gram(z.transpose());
        let yz = dense::product(y.as_ref(), z.transpose());
        let uw = dense::product(u.as_ref(), w.as_ref());
        let y_square = row_sums_of_squares(y);
        // Residual of the unpenalised fit: e = y - u z, so e zᵀ = y zᵀ - u w.
        let mut e_square = y_square.clone();
        for k in 0..r {
            let (uk, uwk, yzk) = (u.col_as_slice(k), uw.col_as_slice(k), yz.col_as_slice(k));
            for i in 0..n {
                e_square[i] += uk[i] * (uwk[i] - 2.0 * yzk[i]);
            }
        }
        for value in &mut e_square {
            *value = value.max(0.0);
        }
        let near = Mat::from_fn(n, r, |i, k| u[(i, k)] * (yz[(i, k)] - uw[(i, k)]));
        let far = Mat::from_fn(n, r, |i, k| u[(i, k)] * yz[(i, k)]);
        let near = dense::product(near.transpose(), self.weight.as_ref());
        let far = dense::product(far.transpose(), self.weight.as_ref());

        struct Bound {
            low: f64,
            linear: f64,
            kept: Vec<f64>,
        }
        let bounds: Vec<Bound> = self
            .alphas
            .iter()
            .enumerate()
            .map(|(a, &alpha)| {
                let kept: Vec<f64> = basis.s.iter().map(|s| alpha / (s * s + alpha)).collect();
                let weight = self.weight.col_as_slice(a);
                let (mut linear, mut from_y) =
                    (dense::dot(weight, &e_square), dense::dot(weight, &y_square));
                let (mut trace, mut trace_y) = (0.0, 0.0);
                for k in 0..r {
                    // −s² / (s² + α) without the loss of kept − 1.
                    let removed = -basis.s[k] * basis.s[k] / (basis.s[k] * basis.s[k] + alpha);
                    linear += 2.0 * kept[k] * near[(k, a)];
                    from_y += 2.0 * removed * far[(k, a)];
                    trace += kept[k] * kept[k] * w[(k, k)];
                    trace_y += removed * removed * w[(k, k)];
                }
                let least = self.weight_range[a].0;
                Bound {
                    low: (linear + least * trace).max(from_y + least * trace_y),
                    linear,
                    kept,
                }
            })
            .collect();
        let mut order: Vec<usize> = (0..self.alphas.len()).collect();
        order.sort_by(|&a, &b| bounds[a].low.total_cmp(&bounds[b].low));
        let mut best: Option<(f64, usize)> = None;
        for a in order {
            let bound = &bounds[a];
            // The bounds themselves are rounded.
            let slack = 1e-10 * bound.low.abs();
            if best.is_some_and(|(error, _)| bound.low - slack > error) {
                break;
            }
            let error = bound.linear + self.quadratic(u, a, &bound.kept, &w);
            if best.is_none_or(|(least, index)| error < least || (error == least && a < index)) {
                best = Some((error, a));
            }
        }
        let (error, index) = best.unwrap_or((f64::NAN, 0));
        Choice {
            alpha: self.alphas[index],
            mean_squared_error: error / (n * y.ncols()) as f64,
        }
    }

    /// `Σ_i weight_i · |Σ_k u_ik kept_k z_k|²`, from `uᵀ diag(weight) u`.
    fn quadratic(&self, u: &Mat<f64>, alpha: usize, kept: &[f64], w: &Mat<f64>) -> f64 {
        let root: Vec<f64> = self
            .weight
            .col_as_slice(alpha)
            .iter()
            .map(|v| v.sqrt())
            .collect();
        let mut scaled = u.clone();
        dense::scale_rows(&mut scaled, &root);
        dense::scale_columns(&mut scaled, kept);
        let form = dense::gram(scaled.as_ref());
        (0..form.ncols())
            .map(|k| dense::dot(form.col_as_slice(k), w.col_as_slice(k)))
            .sum()
    }

    /// The penalty of least error for each target by itself, as `RidgeCV(alpha_per_target=True)`; the first of equals.
    pub(crate) fn choose_per_target(
        &self,
        basis: &Basis,
        y: &Mat<f64>,
        z: &Mat<f64>,
    ) -> Vec<Choice> {
        let n = basis.u.nrows() as f64;
        let fitted = dense::product(basis.u.as_ref(), z.as_ref());
        let mut residual = y.clone();
        residual -= &fitted;
        let mut best: Vec<Option<Choice>> = vec![None; y.ncols()];
        for (a, &alpha) in self.alphas.iter().enumerate() {
            let kept: Vec<f64> = basis.s.iter().map(|s| alpha / (s * s + alpha)).collect();
            let mut inner = z.clone();
            dense::scale_rows(&mut inner, &kept);
            let mut error = dense::product(basis.u.as_ref(), inner.as_ref());
            error += &residual;
            let weight = self.weight.col_as_slice(a);
            for (t, best) in best.iter_mut().enumerate() {
                let sum: f64 = error
                    .col_as_slice(t)
                    .iter()
                    .zip(weight)
                    .map(|(e, w)| e * e * w)
                    .sum();
                let found = Choice {
                    alpha,
                    mean_squared_error: sum / n,
                };
                if best.is_none_or(|b| found.mean_squared_error < b.mean_squared_error) {
                    *best = Some(found);
                }
            }
        }
        best.into_iter()
            .map(|choice| {
                choice.unwrap_or(Choice {
                    alpha: self.alphas[0],
                    mean_squared_error: f64::NAN,
                })
            })
            .collect()
    }
}

fn row_sums_of_squares(m: &Mat<f64>) -> Vec<f64> {
    let mut out = vec![0.0; m.nrows()];
    for j in 0..m.ncols() {
        for (o, v) in out.iter_mut().zip(m.col_as_slice(j)) {
            *o += v * v;
        }
    }
    out
}
