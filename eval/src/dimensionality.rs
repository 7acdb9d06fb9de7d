//! How many dimensions a population spans: spectrum of principal components, participation ratio, and their null.
//!
//! Source: Rajalingham et al. (2025), figure 3B and S2: the reliable units in all cells of `start_end_pad0`.

use faer::Side;
use mental_pong_base::Stream;
use rayon::prelude::*;
use serde::Serialize;

use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::{dense, use_one_thread_per_factorisation};

/// Variances of the principal components of rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spectrum {
    /// `[component]`, share of all variance, descending. NaN where nothing varies.
    pub variance_ratio: Vec<f64>,
    /// `(Σ λ)² / Σ λ²`: from 1 for one dimension to the number of units for equal variances. NaN where nothing varies.
    pub participation_ratio: f64,
    /// Number of rows.
    pub n_rows: usize,
    /// Number of units.
    pub n_units: usize,
}

impl Spectrum {
    /// Spectrum of `x` `[row, unit]`; as many components as the smaller of rows and units.
    ///
    /// [`Error::Invalid`] with fewer than two rows or no unit, [`Error::NotFinite`].
    pub fn of(x: &Array2) -> Result<Self> {
        use_one_thread_per_factorisation();
        if x.rows() < 2 || x.cols() == 0 {
            return Err(Error::invalid(
                "dimensionality",
                format!(
                    "{} rows, {} units; needs two rows and a unit",
                    x.rows(),
                    x.cols()
                ),
            ));
        }
        dense::check_finite("rows", x)?;
        let mut centred = dense::to_mat(x);
        let mean = dense::column_means(&centred);
        dense::shift_columns(&mut centred, &mean);
        let gram = if x.rows() > x.cols() {
            dense::gram(centred.as_ref())
        } else {
            dense::gram(centred.transpose())
        };
        let size = gram.nrows();
        let ascending = gram.self_adjoint_eigenvalues(Side::Lower).map_err(|_| {
            crate::linear::failed("dimensionality", "eigendecomposition", size, size)
        })?;
        let total: f64 = (0..size).map(|i| gram[(i, i)]).sum();
        let squares: f64 = (0..size)
            .map(|j| dense::dot(gram.col_as_slice(j), gram.col_as_slice(j)))
            .sum();
        Ok(Self {
            // Rounding may take the last ones below 0.
            variance_ratio: ascending.iter().rev().map(|v| v.max(0.0) / total).collect(),
            participation_ratio: total * total / squares,
            n_rows: x.rows(),
            n_units: x.cols(),
        })
    }

    /// Least number of components that hold this share of the variance; `None` if nothing varies.
    #[must_use]
    pub fn components_for(&self, share: f64) -> Option<usize> {
        let mut sum = 0.0;
        for (index, ratio) in self.variance_ratio.iter().enumerate() {
            sum += ratio;
            if sum >= share {
                return Some(index + 1);
            }
        }
        None
    }
}

/// A spectrum beside that of shuffled data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dimensionality {
    /// Of the data.
    pub data: Spectrum,
    /// Of each shuffle. The shuffle permutes all entries of the matrix, over rows and units together, as published
    /// (Lehky et al. 2014); it keeps the distribution of values and nothing else.
    pub shuffled: Vec<Spectrum>,
}

/// Spectrum of `x` `[row, unit]` and of `shuffles` shuffles of it. Errors as [`Spectrum::of`].
pub fn dimensionality(x: &Array2, shuffles: u32, seed: u64) -> Result<Dimensionality> {
    let data = Spectrum::of(x)?;
    let shuffled = (0..shuffles)
        .into_par_iter()
        .map(|index| {
            let mut stream = Stream::new(seed, "shuffled matrix", u64::from(index));
            let mut values = x.as_slice().to_vec();
            for i in (1..values.len()).rev() {
                values.swap(i, stream.below(i + 1));
            }
            Spectrum::of(&Array2::new(x.rows(), x.cols(), values)?)
        })
        .collect::<Result<_>>()?;
    Ok(Dimensionality { data, shuffled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_dimensions_are_counted() {
        let mut stream = Stream::new(1, "test", 0);
        // Three independent directions of equal variance in 12 units.
        let z = Array2::from_fn(4000, 3, |_, _| stream.normal());
        let x = Array2::from_fn(4000, 12, |i, j| if j < 3 { z.get(i, j) } else { 0.0 });
        let d = dimensionality(&x, 2, 0).unwrap();
        assert!((d.data.participation_ratio - 3.0).abs() < 0.05);
        assert_eq!(d.data.components_for(0.9), Some(3));
        for null in &d.shuffled {
            assert!((null.participation_ratio - 12.0).abs() < 0.2);
            assert!((null.variance_ratio[0] - 1.0 / 12.0).abs() < 0.02);
        }
        assert_ne!(d.shuffled[0], d.shuffled[1]);
        // As many units as rows and more: the same numbers from the other side.
        let few = Array2::from_fn(8, 12, |i, j| x.get(i, j));
        let spectrum = Spectrum::of(&few).unwrap();
        assert_eq!(spectrum.variance_ratio.len(), 8);
        assert!((spectrum.variance_ratio.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn bad_rows_are_errors() {
        assert!(Spectrum::of(&Array2::filled(1, 3, 0.0)).is_err());
        assert!(Spectrum::of(&Array2::filled(3, 3, f64::NAN)).is_err());
        assert!(
            Spectrum::of(&Array2::filled(3, 3, 1.0))
                .unwrap()
                .participation_ratio
                .is_nan()
        );
    }
}
