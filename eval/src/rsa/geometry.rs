//! How a system's states move.

use serde::{Deserialize, Serialize};

use crate::array::Array2;
use crate::error::{Error, Result};
use crate::stats;

/// Geometry of the states of a system over whole trials (P22, Fig. 4; P25, Fig. 4G).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Mean over conditions of `Σ_t |h(t+1) - h(t)| / Σ_t |h(t)|`: a ratio of *sums* over the trial, as the published code
    /// has it (its means run over padded frames, which makes them sums).
    #[serde(with = "crate::nan_as_null")]
    pub rel_speed: f64,
    /// The same with second differences, there called `rel_acc`; the papers also say curvature.
    #[serde(with = "crate::nan_as_null")]
    pub rel_acceleration: f64,
    /// Mean over conditions of the ratio of *means* over the differences and states that there are.
    #[serde(with = "crate::nan_as_null")]
    pub rel_speed_of_means: f64,
    /// The same with second differences.
    #[serde(with = "crate::nan_as_null")]
    pub rel_acceleration_of_means: f64,
    /// Participation ratio of all states, `(Σ λ)² / Σ λ²` over the eigenvalues of their covariance: the number of dimensions
    /// that the states fill.
    #[serde(with = "crate::nan_as_null")]
    pub participation_ratio: f64,
}

/// [`Geometry`] of `states`, `[condition][step, unit]`. NaN where a condition has too few steps for a difference or is zero
/// throughout, or where no state differs from another.
///
/// [`Error::Shape`] if units differ, [`Error::NotFinite`] for NaN or infinity.
pub fn geometry(states: &[Array2]) -> Result<Geometry> {
    let units = states.first().map_or(0, Array2::cols);
    let mut ratios: [Vec<f64>; 4] = Default::default();
    for (c, h) in states.iter().enumerate() {
        if h.cols() != units {
            return Err(Error::shape(
                format!("states, condition {c}"),
                format!("{units} units"),
                format!("{} units", h.cols()),
            ));
        }
        if let Some(index) = h.as_slice().iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: format!("states, condition {c}"),
                index,
                value: h.as_slice()[index],
            });
        }
        let speed = differences(h);
        let acceleration = differences(&speed);
        let (size, moved, bent) = (norms(h), norms(&speed), norms(&acceleration));
        let sum = |v: &[f64]| v.iter().sum::<f64>();
        let ratio = |top: &[f64], value: f64| {
            if top.is_empty() || sum(&size) <= 0.0 {
                f64::NAN
            } else {
                value
            }
        };
        ratios[0].push(ratio(&moved, sum(&moved) / sum(&size)));
        ratios[1].push(ratio(&bent, sum(&bent) / sum(&size)));
        ratios[2].push(ratio(&moved, stats::mean(&moved) / stats::mean(&size)));
        ratios[3].push(ratio(&bent, stats::mean(&bent) / stats::mean(&size)));
    }
    let [speed, acceleration, speed_m, acceleration_m] = ratios.map(|r| stats::mean(&r));
    Ok(Geometry {
        rel_speed: speed,
        rel_acceleration: acceleration,
        rel_speed_of_means: speed_m,
        rel_acceleration_of_means: acceleration_m,
        participation_ratio: participation_ratio(states, units),
    })
}

fn differences(h: &Array2) -> Array2 {
    Array2::from_fn(h.rows().saturating_sub(1), h.cols(), |t, u| {
        h.get(t + 1, u) - h.get(t, u)
    })
}

fn norms(h: &Array2) -> Vec<f64> {
    (0..h.rows())
        .map(|t| h.row(t).iter().map(|v| v * v).sum::<f64>().sqrt())
        .collect()
}

/// `(tr C)² / tr(C²)`: no eigenvalue is needed.
fn participation_ratio(states: &[Array2], units: usize) -> f64 {
    let rows: Vec<&[f64]> = states
        .iter()
        .flat_map(|h| (0..h.rows()).map(|t| h.row(t)))
        .collect();
    if rows.is_empty() {
        return f64::NAN;
    }
    let mut mean = vec![0.0; units];
    for row in &rows {
        for (m, v) in mean.iter_mut().zip(*row) {
            *m += v / rows.len() as f64;
        }
    }
    let centred = faer::Mat::from_fn(rows.len(), units, |t, u| rows[t][u] - mean[u]);
    // The smaller of the two Gram matrices has the same eigenvalues other than 0.
    let mut gram = faer::Mat::<f64>::zeros(units.min(rows.len()), units.min(rows.len()));
    let (left, right) = if units <= rows.len() {
        (centred.transpose(), centred.as_ref())
    } else {
        (centred.as_ref(), centred.transpose())
    };
    faer::linalg::matmul::matmul(
        gram.as_mut(),
        faer::Accum::Replace,
        left,
        right,
        1.0,
        faer::Par::Seq,
    );
    let n = gram.nrows();
    let trace: f64 = (0..n).map(|i| gram[(i, i)]).sum();
    let squares: f64 = (0..n)
        .map(|j| gram.col_as_slice(j).iter().map(|v| v * v).sum::<f64>())
        .sum();
    if squares > 0.0 {
        trace * trace / squares
    } else {
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_speed_no_acceleration_and_one_dimension() {
        let states = vec![Array2::from_fn(5, 2, |t, u| (t + 1) as f64 * [3.0, 4.0][u])];
        let g = geometry(&states).unwrap();
        // |h| = 5, 10, .. 25; |Δh| = 5.
        assert!((g.rel_speed - 20.0 / 75.0).abs() < 1e-15);
        assert!((g.rel_speed_of_means - 5.0 / 15.0).abs() < 1e-15);
        assert!(g.rel_acceleration.abs() < 1e-15);
        assert!((g.participation_ratio - 1.0).abs() < 1e-12);
    }

    #[test]
    fn equal_variance_in_all_directions_fills_all_dimensions() {
        let states = vec![Array2::from_fn(6, 3, |t, u| {
            if t / 2 == u {
                if t % 2 == 0 { 1.0 } else { -1.0 }
            } else {
                0.0
            }
        })];
        assert!((geometry(&states).unwrap().participation_ratio - 3.0).abs() < 1e-12);
        let wide = vec![Array2::from_fn(3, 50, |t, u| f64::from(u8::from(t == u)))];
        assert!((geometry(&wide).unwrap().participation_ratio - 2.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_said_is_missing() {
        let g = geometry(&[Array2::filled(1, 2, 1.0)]).unwrap();
        assert!(g.rel_speed.is_nan() && g.participation_ratio.is_nan());
        assert!(geometry(&[Array2::filled(2, 2, f64::NAN)]).is_err());
    }
}
