use faer::Mat;

use crate::{Error, Result};

/// Principal components of rows that come in batches, as `sklearn.decomposition.IncrementalPCA` with
/// `partial_fit` (Ross et al. 2008), no whitening. The entry of largest size of each component is
/// positive.
#[derive(Clone, Debug)]
pub struct IncrementalPca {
    kept: usize,
    seen: usize,
    mean: Vec<f64>,
    components: Vec<f64>,
    singular_values: Vec<f64>,
}

impl IncrementalPca {
    /// An analysis that keeps `components` of them, before its first batch.
    #[must_use]
    pub fn new(components: usize) -> Self {
        Self {
            kept: components,
            seen: 0,
            mean: Vec::new(),
            components: Vec::new(),
            singular_values: Vec::new(),
        }
    }

    /// Mean of the rows so far, `[unit]`.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[component, unit]`, row-major, largest variance first.
    #[must_use]
    pub fn components(&self) -> &[f64] {
        &self.components
    }

    /// `[component]`.
    #[must_use]
    pub fn singular_values(&self) -> &[f64] {
        &self.singular_values
    }

    /// Variance along each component, `[component]`, over rows − 1.
    #[must_use]
    pub fn explained_variance(&self) -> Vec<f64> {
        let rows = self.seen.saturating_sub(1).max(1) as f64;
        self.singular_values.iter().map(|s| s * s / rows).collect()
    }

    /// Takes a batch `[row, unit]`, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units than before, or fewer rows or units than
    /// components are kept; [`Error::NotFinite`] for NaN or infinity.
    pub fn partial_fit(&mut self, batch: &[f64], units: usize) -> Result<()> {
        let rows = batch.len() / units.max(1);
        let wrong = rows * units != batch.len()
            || rows < self.kept
            || units < self.kept
            || self.seen > 0 && units != self.mean.len();
        if wrong || self.kept == 0 {
            return Err(Error::Shape {
                what: "batch [row, unit] of at least as many rows and units as components",
                expected: vec![self.kept.max(1), self.mean.len().max(self.kept)],
                found: vec![rows, units],
            });
        }
        if let Some(at) = batch.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: "batch of the principal components",
                step: at / units,
                value: batch[at],
            });
        }
        let mut batch_mean = vec![0.0; units];
        for row in batch.chunks_exact(units) {
            for (m, v) in batch_mean.iter_mut().zip(row) {
                *m += v;
            }
        }
        for m in &mut batch_mean {
            *m /= rows as f64;
        }
        let total = self.seen + rows;
        let before = if self.seen == 0 { 0 } else { self.kept + 1 };
        let old = if self.seen == 0 { 0 } else { self.kept };
        let correction = (self.seen as f64 / total as f64 * rows as f64).sqrt();
        let stacked = Mat::from_fn(rows + before, units, |i, j| {
            if i < old {
                self.singular_values[i] * self.components[i * units + j]
            } else if i < old + rows {
                batch[(i - old) * units + j] - batch_mean[j]
            } else {
                correction * (self.mean[j] - batch_mean[j])
            }
        });
        let (values, vectors) = right_vectors(&stacked, self.kept)?;
        let (a, b) = (self.seen as f64 / total as f64, rows as f64 / total as f64);
        self.mean = match self.seen {
            0 => batch_mean,
            _ => self
                .mean
                .iter()
                .zip(&batch_mean)
                .map(|(m, n)| a * m + b * n)
                .collect(),
        };
        self.components = vectors;
        self.singular_values = values;
        self.seen = total;
        Ok(())
    }

    /// Rows `[row, unit]` in the components' coordinates, `[row, component]`, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows of another length.
    pub fn transform(&self, rows: &[f64]) -> Result<Vec<f64>> {
        let units = self.mean.len();
        if units == 0 || !rows.len().is_multiple_of(units) {
            return Err(Error::Shape {
                what: "rows [row, unit]",
                expected: vec![1, units],
                found: vec![rows.len()],
            });
        }
        let mut out = Vec::with_capacity(rows.len() / units * self.kept);
        for row in rows.chunks_exact(units) {
            for component in self.components.chunks_exact(units) {
                let centred = row.iter().zip(&self.mean).map(|(v, m)| v - m);
                out.push(centred.zip(component).map(|(v, c)| v * c).sum());
            }
        }
        Ok(out)
    }
}

/// The first `kept` singular values and right singular vectors `[vector, column]`, the largest entry of
/// each positive. A matrix much wider than tall goes through the eigenvectors of its rows' products,
/// which halves the digits of values below 1e-8 of the largest.
fn right_vectors(matrix: &Mat<f64>, kept: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let failed = || Error::Config {
        place: "principal components".into(),
        field: "decomposition".into(),
        expected: "to converge".into(),
        found: format!("none for {rows} x {columns}"),
    };
    // Results must not depend on the number of threads.
    faer::set_global_parallelism(faer::Par::Seq);
    let mut values = Vec::with_capacity(kept);
    let mut vectors = Vec::with_capacity(kept * columns);
    if columns > 2 * rows {
        let products = matrix * matrix.transpose();
        let eigen = products
            .self_adjoint_eigen(faer::Side::Lower)
            .map_err(|_| failed())?;
        let (u, s) = (eigen.U(), eigen.S().column_vector());
        // From the smallest to the largest.
        let top = Mat::from_fn(kept, rows, |k, i| u[(i, rows - 1 - k)]);
        let raw = &top * matrix;
        for k in 0..kept {
            values.push(s[rows - 1 - k].max(0.0).sqrt());
            let norm = (0..columns)
                .map(|j| raw[(k, j)].powi(2))
                .sum::<f64>()
                .sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            vectors.extend((0..columns).map(|j| scale * raw[(k, j)]));
        }
    } else {
        let svd = matrix.thin_svd().map_err(|_| failed())?;
        let (v, s) = (svd.V(), svd.S().column_vector());
        for k in 0..kept {
            values.push(s[k]);
            vectors.extend((0..columns).map(|j| v[(j, k)]));
        }
    }
    for vector in vectors.chunks_exact_mut(columns) {
        let largest = vector
            .iter()
            .fold(0.0_f64, |m, v| if v.abs() > m.abs() { *v } else { m });
        if largest < 0.0 {
            for v in vector {
                *v = -*v;
            }
        }
    }
    Ok((values, vectors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mental_pong_base::Stream;

    #[test]
    fn both_ways_to_the_vectors_agree() {
        let mut rng = Stream::new(1, "pca", 0);
        let values: Vec<f64> = (0..12 * 40).map(|_| rng.normal()).collect();
        let wide = Mat::from_fn(12, 40, |i, j| values[i * 40 + j]);
        let (s, v) = right_vectors(&wide, 6).unwrap();
        let svd = wide.thin_svd().unwrap();
        for k in 0..6 {
            assert!((s[k] - svd.S().column_vector()[k]).abs() < 1e-10);
            let same: f64 = (0..40).map(|j| v[k * 40 + j] * svd.V()[(j, k)]).sum();
            assert!((same.abs() - 1.0).abs() < 1e-10);
        }
    }

    #[test]
    fn batches_that_do_not_fit_are_refused() {
        let mut pca = IncrementalPca::new(3);
        assert!(pca.partial_fit(&[1.0; 8], 4).is_err());
        assert!(pca.partial_fit(&[1.0; 10], 2).is_err());
        assert!(pca.partial_fit(&[f64::NAN; 16], 4).is_err());
        assert!(pca.transform(&[1.0; 4]).is_err());
    }
}
