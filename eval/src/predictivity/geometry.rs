//! Comparison of geometry: distances between rows instead of single units. The published code calls it `rsa_pearsonr`.

use super::halves::Halves;
use super::score::{Metric, UnitScore};
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::dense;

/// `1 - r` between all pairs of rows of `x` `[row, feature]`, upper triangle without diagonal, row by row. NaN where a row
/// is constant.
#[must_use]
pub fn row_distances(x: &Array2) -> Vec<f64> {
    let rows = x.rows();
    let mut standard = dense::to_mat(x).transpose().to_owned();
    let means = dense::column_means(&standard);
    dense::shift_columns(&mut standard, &means);
    let inverse: Vec<f64> = (0..rows)
        .map(|i| {
            let row = standard.col_as_slice(i);
            let (size, raw) = (dense::dot(row, row), dense::dot(x.row(i), x.row(i)));
            if size > 1e-26 * raw {
                1.0 / size.sqrt()
            } else {
                f64::NAN
            }
        })
        .collect();
    dense::scale_columns(&mut standard, &inverse);
    let r = dense::gram(standard.as_ref());
    (0..rows)
        .flat_map(|i| (i + 1..rows).map(move |j| (i, j)))
        .map(|(i, j)| 1.0 - r[(i, j)])
        .collect()
}

/// Correlation of the row distances of `x` and `y`, `[row, feature]` each. [`Error::Shape`] if they differ in rows.
pub fn geometry(x: &Array2, y: &Array2, metric: Metric) -> Result<f64> {
    if x.rows() != y.rows() {
        return Err(Error::shape(
            "geometry",
            format!("{} rows", y.rows()),
            format!("{} rows", x.rows()),
        ));
    }
    Ok(metric.of(&row_distances(x), &row_distances(y)))
}

/// [`geometry`] with the correction for noise of [`UnitScore`]: features are the same for all trials, so their reliability
/// is 1. [`Error::Shape`] if they differ in rows.
pub fn geometry_corrected(x: &Array2, y: &Halves, metric: Metric) -> Result<UnitScore> {
    Ok(UnitScore::new(
        geometry(x, y.full(), metric)?,
        1.0,
        geometry(y.first(), y.second(), metric)?,
    ))
}
