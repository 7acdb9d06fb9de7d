//! Partial correlation: what two variables share beyond others.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::LeastSquares;
use crate::recordings::reliability::pearson_p;
use crate::stats;

/// Whether the covariates are regressed out with an intercept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offset {
    /// The textbook definition, and pingouin's.
    With,
    /// Through the origin, as the helper in the authors' code does unless told otherwise.
    Without,
}

/// A partial correlation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PartialCorrelation {
    /// Pearson correlation of the residuals; NaN where one side has none left.
    pub r: f64,
    /// Two-sided p with `n - 2 - covariates` degrees of freedom, as in pingouin.
    pub p: f64,
    /// Two-sided p with `n - 2` degrees of freedom: what a correlation test on the residuals says, as in the authors' helper.
    /// It ignores the covariates.
    pub p_of_residuals: f64,
    /// Rows.
    pub n: usize,
}

/// Partial correlation of `x` and `y` given the `covariates`: each is regressed on all of them and the residuals are
/// correlated. With [`Offset::With`] it equals pingouin's `partial_corr`.
///
/// [`Error::Shape`] for different lengths, [`Error::NotFinite`] for NaN.
pub fn partial_correlation(
    x: &[f64],
    y: &[f64],
    covariates: &[&[f64]],
    offset: Offset,
) -> Result<PartialCorrelation> {
    let n = x.len();
    for (what, found) in
        std::iter::once(("y", y.len())).chain(covariates.iter().map(|z| ("covariate", z.len())))
    {
        if found != n {
            return Err(Error::shape(
                what,
                format!("{n} values"),
                format!("{found} values"),
            ));
        }
    }
    // Through the origin is the regression on rows and their mirror images: they have mean zero.
    let mirror = offset == Offset::Without;
    let rows = if mirror { 2 * n } else { n };
    let at = |v: &[f64], i: usize| if i < n { v[i] } else { -v[i - n] };
    let z = Array2::from_fn(rows, covariates.len(), |i, k| at(covariates[k], i));
    let both = Array2::from_fn(rows, 2, |i, k| at(if k == 0 { x } else { y }, i));
    let fit = LeastSquares::fit(&z, &both)?;
    let fitted = fit.predict(&z)?;
    let residual =
        |k: usize| -> Vec<f64> { (0..n).map(|i| both.get(i, k) - fitted.get(i, k)).collect() };
    let (a, b) = (residual(0), residual(1));
    // What is left of a variable that the covariates explain is rounding.
    let gone = |r: &[f64], v: &[f64]| {
        let size = |s: &[f64]| s.iter().map(|v| v * v).sum::<f64>().sqrt();
        size(r) <= 1e-12 * size(v)
    };
    let r = if gone(&a, x) || gone(&b, y) {
        f64::NAN
    } else {
        stats::pearson(&a, &b)
    };
    Ok(PartialCorrelation {
        r,
        p: t_test(r, n, covariates.len()),
        p_of_residuals: pearson_p(r, n),
        n,
    })
}

/// `[variable, variable]`, each pair given all other columns of `data` `[row, variable]`; the diagonal is 1.
pub fn partial_correlations(data: &Array2, offset: Offset) -> Result<Vec<Vec<PartialCorrelation>>> {
    let columns: Vec<Vec<f64>> = (0..data.cols()).map(|k| data.column(k)).collect();
    let one = PartialCorrelation {
        r: 1.0,
        p: 0.0,
        p_of_residuals: 0.0,
        n: data.rows(),
    };
    let mut out = vec![vec![one; columns.len()]; columns.len()];
    for i in 0..columns.len() {
        for j in 0..i {
            let others: Vec<&[f64]> = (0..columns.len())
                .filter(|&k| k != i && k != j)
                .map(|k| columns[k].as_slice())
                .collect();
            let found = partial_correlation(&columns[i], &columns[j], &others, offset)?;
            out[i][j] = found;
            out[j][i] = found;
        }
    }
    Ok(out)
}

fn t_test(r: f64, n: usize, covariates: usize) -> f64 {
    let freedom = n as f64 - 2.0 - covariates as f64;
    if r.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    let t = r.abs() * (freedom / ((1.0 - r) * (1.0 + r))).sqrt();
    if t.is_infinite() {
        return 0.0;
    }
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |d| 2.0 * d.sf(t))
}
