//! What about a model goes with its score: regressions across models.

use mental_pong_base::Stream;
use serde::{Deserialize, Serialize};

use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::LeastSquares;
use crate::recordings::reliability::pearson_p;
use crate::stats::{self, Summary};

/// How a score goes with one attribute across models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttributeScore {
    /// The attribute.
    pub attribute: String,
    /// Pearson correlation of score and attribute; its sign says which way.
    #[serde(with = "crate::nan_as_null")]
    pub r: f64,
    /// `r²`.
    #[serde(with = "crate::nan_as_null")]
    pub r2: f64,
    /// Two-sided p of `r`, models taken as independent.
    #[serde(with = "crate::nan_as_null")]
    pub p: f64,
    /// Correlation after all other attributes are regressed out of both, by least squares with intercept.
    #[serde(with = "crate::nan_as_null")]
    pub partial_r: f64,
    /// `partial_r²`.
    #[serde(with = "crate::nan_as_null")]
    pub partial_r2: f64,
    /// Bootstrap over models of `r2`.
    pub r2_over_models: Summary,
    /// Bootstrap over models of `partial_r2`.
    pub partial_r2_over_models: Summary,
    /// Models.
    pub n: usize,
}

/// R² and partial R² of `scores` `[model]` on each attribute (name, `[model]`), given all others (P22, Fig. 4; P25, Fig. 4E-G),
/// with `resamples` bootstrap samples of models. Attributes of one training family are not independent models: the intervals
/// say how far the sample of models matters, no more.
///
/// [`Error::Shape`] if lengths differ, [`Error::NotFinite`] for NaN or infinity, [`Error::Invalid`] with fewer models than
/// attributes and two.
pub fn attribute_regression(
    scores: &[f64],
    attributes: &[(&str, &[f64])],
    resamples: usize,
    seed: u64,
) -> Result<Vec<AttributeScore>> {
    let n = scores.len();
    if n < attributes.len() + 2 {
        return Err(Error::invalid(
            "scores",
            format!("{n} models for {} attributes", attributes.len()),
        ));
    }
    for (name, values) in attributes.iter().copied().chain([("scores", scores)]) {
        if values.len() != n {
            return Err(Error::shape(
                name,
                format!("{n} models"),
                format!("{} models", values.len()),
            ));
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: name.to_owned(),
                index,
                value: values[index],
            });
        }
    }
    let all: Vec<usize> = (0..n).collect();
    let square = |r: f64| r * r;
    attributes
        .iter()
        .enumerate()
        .map(|(k, (name, values))| {
            let raw = |rows: &[usize]| stats::pearson(&pick(scores, rows), &pick(values, rows));
            let given = |rows: &[usize]| partial(scores, attributes, k, rows);
            let (r, partial_r) = (raw(&all), given(&all)?);
            let stream = |part| Stream::new(seed, part, k as u64);
            Ok(AttributeScore {
                attribute: (*name).to_owned(),
                r,
                r2: square(r),
                p: pearson_p(r, n),
                partial_r,
                partial_r2: square(partial_r),
                r2_over_models: stats::bootstrap(n, resamples, stream("R2 over models"), |rows| {
                    square(raw(rows))
                }),
                partial_r2_over_models: stats::bootstrap(
                    n,
                    resamples,
                    stream("partial R2 over models"),
                    |rows| {
                        // A sample that cannot be fitted has no partial correlation.
                        square(given(rows).unwrap_or(f64::NAN))
                    },
                ),
                n,
            })
        })
        .collect()
}

fn pick(values: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|&i| values[i]).collect()
}

/// Correlation of scores and attribute `k` over these models, all other attributes taken out of both.
fn partial(scores: &[f64], attributes: &[(&str, &[f64])], k: usize, rows: &[usize]) -> Result<f64> {
    let others: Vec<&[f64]> = (0..attributes.len())
        .filter(|&j| j != k)
        .map(|j| attributes[j].1)
        .collect();
    if others.is_empty() {
        return Ok(stats::pearson(
            &pick(scores, rows),
            &pick(attributes[k].1, rows),
        ));
    }
    // Columns of one scale, so that the solution does not depend on units.
    let scaled: Vec<Vec<f64>> = others
        .iter()
        .map(|values| {
            let v = pick(values, rows);
            let (mean, sd) = (stats::mean(&v), stats::sd(&v));
            v.iter()
                .map(|x| if sd > 0.0 { (x - mean) / sd } else { 0.0 })
                .collect()
        })
        .collect();
    let x = Array2::from_fn(rows.len(), others.len(), |i, j| scaled[j][i]);
    let y = Array2::from_fn(rows.len(), 2, |i, j| {
        if j == 0 {
            scores[rows[i]]
        } else {
            attributes[k].1[rows[i]]
        }
    });
    let fitted = LeastSquares::fit(&x, &y)?.predict(&x)?;
    let residual = |j: usize| -> Vec<f64> {
        (0..rows.len())
            .map(|i| y.get(i, j) - fitted.get(i, j))
            .collect()
    };
    let (a, b) = (residual(0), residual(1));
    // What is left may be rounding only, if the others explain all of one side.
    let left = |residual: &[f64], j: usize| stats::sd(residual) > 1e-12 * stats::sd(&y.column(j));
    Ok(if left(&a, 0) && left(&b, 1) {
        stats::pearson(&a, &b)
    } else {
        f64::NAN
    })
}
