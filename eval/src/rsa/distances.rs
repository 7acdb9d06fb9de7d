//! Distances of pairs of states, panel by panel.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use serde::{Deserialize, Serialize};

use crate::array::Array2;
use crate::error::{Error, Result};

/// How far two states are from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Euclidean, the published one. Units that are missing (NaN) in either state are left out and the square is scaled by
    /// all units over present ones; NaN if no unit is present in both. As `sklearn.metrics.pairwise.nan_euclidean_distances`.
    #[default]
    Euclidean,
    /// One less the Pearson correlation over units. NaN if a state is constant. Units may not be missing.
    Correlation,
}

/// A squared distance below this part of the squared norms has lost too many digits in `|a|² + |b|² - 2 a·b`, and is taken
/// again as the sum of squared differences.
const CANCELLED: f64 = 1e-6;

/// States ready for products: `[unit, state]`, column-major, about their mean.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    metric: Metric,
    /// Units that no state lacks.
    whole: Mat<f64>,
    /// Squared norms over `whole`.
    norms: Vec<f64>,
    /// Units that some state lacks.
    holed: Option<Holed>,
}

#[derive(Debug, Clone)]
struct Holed {
    /// `[unit, state]`, 0 where missing.
    values: Mat<f64>,
    squares: Mat<f64>,
    /// 1 where present.
    present: Mat<f64>,
}

/// Products of some states with others, from which distances follow.
#[derive(Debug)]
pub(super) struct Panel {
    whole: Mat<f64>,
    holed: Option<HoledPanel>,
}

/// Over the units that some state lacks.
#[derive(Debug)]
struct HoledPanel {
    /// `|a|² + |b|²` over the units present in both.
    norms: Mat<f64>,
    products: Mat<f64>,
    /// Units present in both.
    shared: Mat<f64>,
}

impl Prepared {
    /// From rows `[state, unit]`. [`Error::NotFinite`] for infinity, and for NaN with [`Metric::Correlation`].
    pub(super) fn new(what: &str, rows: &[&[f64]], metric: Metric) -> Result<Self> {
        let units = rows.first().map_or(0, |row| row.len());
        if units == 0 {
            return Err(Error::invalid(what, "no state has a unit"));
        }
        let mut mean = vec![0.0; units];
        let mut count = vec![0usize; units];
        for (at, row) in rows.iter().enumerate() {
            for (unit, &value) in row.iter().enumerate() {
                if value.is_infinite() || (value.is_nan() && metric == Metric::Correlation) {
                    return Err(Error::NotFinite {
                        what: what.to_owned(),
                        index: at * units + unit,
                        value,
                    });
                }
                if !value.is_nan() {
                    mean[unit] += value;
                    count[unit] += 1;
                }
            }
        }
        for (m, &n) in mean.iter_mut().zip(&count) {
            *m /= n.max(1) as f64;
        }
        if metric == Metric::Correlation {
            return Ok(Self::for_correlation(rows));
        }
        let (whole_units, holed_units): (Vec<usize>, Vec<usize>) =
            (0..units).partition(|&u| count[u] == rows.len());
        let whole = Mat::from_fn(whole_units.len(), rows.len(), |u, s| {
            rows[s][whole_units[u]] - mean[whole_units[u]]
        });
        let holed = (!holed_units.is_empty()).then(|| {
            let pick = |f: &dyn Fn(f64) -> f64| {
                Mat::from_fn(holed_units.len(), rows.len(), |u, s| {
                    f(rows[s][holed_units[u]] - mean[holed_units[u]])
                })
            };
            Holed {
                values: pick(&|v| if v.is_nan() { 0.0 } else { v }),
                squares: pick(&|v| if v.is_nan() { 0.0 } else { v * v }),
                present: pick(&|v| if v.is_nan() { 0.0 } else { 1.0 }),
            }
        });
        Ok(Self {
            metric,
            norms: squared_norms(&whole),
            whole,
            holed,
        })
    }

    /// Each state less its mean over units, divided by its norm; NaN for a constant state.
    fn for_correlation(rows: &[&[f64]]) -> Self {
        let units = rows.first().map_or(0, |row| row.len());
        let scaled: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                let mean = crate::stats::mean(row);
                let centred: Vec<f64> = row.iter().map(|v| v - mean).collect();
                let norm = centred.iter().map(|v| v * v).sum::<f64>().sqrt();
                let raw = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                // Spread that is rounding only, as in `stats::pearson`.
                let by = if norm > 1e-13 * raw { norm } else { f64::NAN };
                centred.iter().map(|v| v / by).collect()
            })
            .collect();
        let whole = Mat::from_fn(units, rows.len(), |u, s| scaled[s][u]);
        Self {
            metric: Metric::Correlation,
            norms: squared_norms(&whole),
            whole,
            holed: None,
        }
    }

    pub(super) fn states(&self) -> usize {
        self.whole.ncols()
    }

    /// Whether a distance may be NaN.
    pub(super) fn may_miss(&self) -> bool {
        self.holed.is_some() || self.norms.iter().any(|n| n.is_nan())
    }

    /// Products of states `rows` with states `cols`.
    pub(super) fn panel(
        &self,
        rows: std::ops::Range<usize>,
        cols: std::ops::Range<usize>,
    ) -> Panel {
        let product = |left: &Mat<f64>, right: &Mat<f64>, into: Option<Mat<f64>>| {
            let (accum, mut out) = match into {
                Some(out) => (Accum::Add, out),
                None => (Accum::Replace, Mat::zeros(rows.len(), cols.len())),
            };
            matmul(
                out.as_mut(),
                accum,
                columns(left, &rows).transpose(),
                columns(right, &cols),
                1.0,
                Par::Seq,
            );
            out
        };
        Panel {
            whole: product(&self.whole, &self.whole, None),
            holed: self.holed.as_ref().map(|h| {
                let norms = product(&h.squares, &h.present, None);
                HoledPanel {
                    norms: product(&h.present, &h.squares, Some(norms)),
                    products: product(&h.values, &h.values, None),
                    shared: product(&h.present, &h.present, None),
                }
            }),
        }
    }

    /// Distances less `pivot` of states `rows` to state `col`, into `out`. `panel` begins at states `origin`.
    #[inline(always)]
    pub(super) fn column(
        &self,
        panel: &Panel,
        origin: (usize, usize),
        rows: std::ops::Range<usize>,
        col: usize,
        pivot: f64,
        out: &mut [f64],
    ) {
        let products =
            &panel.whole.col_as_slice(col - origin.1)[rows.start - origin.0..rows.end - origin.0];
        if self.metric == Metric::Correlation {
            for (d, g) in out.iter_mut().zip(products) {
                *d = 1.0 - g - pivot;
            }
            return;
        }
        if let Some(holed) = &panel.holed {
            for (at, d) in out.iter_mut().enumerate() {
                let (i, j) = (rows.start - origin.0 + at, col - origin.1);
                let norms = self.norms[rows.start + at] + self.norms[col] + holed.norms[(i, j)];
                let square = norms - 2.0 * (products[at] + holed.products[(i, j)]);
                let shared = (self.whole.nrows() as f64) + holed.shared[(i, j)];
                *d = if shared < 0.5 {
                    f64::NAN
                } else if square <= CANCELLED * norms {
                    self.direct(rows.start + at, col) - pivot
                } else {
                    (square * self.units() as f64 / shared).sqrt() - pivot
                };
            }
            return;
        }
        let norm = self.norms[col];
        if root_squares(&self.norms[rows.clone()], norm, products, pivot, out) {
            for (at, d) in out.iter_mut().enumerate() {
                let norms = self.norms[rows.start + at] + norm;
                if norms - 2.0 * products[at] <= CANCELLED * norms {
                    *d = self.direct(rows.start + at, col) - pivot;
                }
            }
        }
    }

    fn units(&self) -> usize {
        self.whole.nrows() + self.holed.as_ref().map_or(0, |h| h.values.nrows())
    }

    /// One distance, from differences.
    pub(super) fn direct(&self, a: usize, b: usize) -> f64 {
        let pairs = || {
            self.whole
                .col_as_slice(a)
                .iter()
                .zip(self.whole.col_as_slice(b))
        };
        if self.metric == Metric::Correlation {
            return 1.0 - pairs().map(|(x, y)| x * y).sum::<f64>();
        }
        let mut square: f64 = pairs().map(|(x, y)| (x - y) * (x - y)).sum();
        let Some(h) = &self.holed else {
            return square.sqrt();
        };
        let mut shared = self.whole.nrows() as f64;
        for unit in 0..h.values.nrows() {
            let both = h.present[(unit, a)] * h.present[(unit, b)];
            let difference = h.values[(unit, a)] - h.values[(unit, b)];
            square += both * difference * difference;
            shared += both;
        }
        if shared < 0.5 {
            return f64::NAN;
        }
        (square * self.units() as f64 / shared).sqrt()
    }

    /// About the mean distance: over pairs of up to 48 states spread evenly. 0 if none is defined.
    pub(super) fn typical(&self) -> f64 {
        const SAMPLE: usize = 48;
        let n = self.states().min(SAMPLE);
        let at = |i: usize| i * self.states() / n;
        let mut sum = 0.0;
        let mut count = 0.0;
        for i in 0..n {
            for j in 0..i {
                let d = self.direct(at(j), at(i));
                if d.is_finite() {
                    sum += d;
                    count += 1.0;
                }
            }
        }
        if count > 0.0 { sum / count } else { 0.0 }
    }
}

/// `√(n + norm - 2 product) - pivot` of each; whether one of them is nearly 0 and has lost its digits.
#[inline(always)]
fn root_squares(norms: &[f64], norm: f64, products: &[f64], pivot: f64, out: &mut [f64]) -> bool {
    let mut cancelled = 0u64;
    for ((d, g), n) in out.iter_mut().zip(products).zip(norms) {
        let norms = n + norm;
        let square = norms - 2.0 * g;
        cancelled += u64::from(square <= CANCELLED * norms);
        let square = if square > 0.0 { square } else { 0.0 };
        *d = square.sqrt() - pivot;
    }
    cancelled > 0
}

fn columns<'a>(of: &'a Mat<f64>, range: &std::ops::Range<usize>) -> MatRef<'a, f64> {
    of.as_ref().subcols(range.start, range.len())
}

fn squared_norms(of: &Mat<f64>) -> Vec<f64> {
    (0..of.ncols())
        .map(|s| of.col_as_slice(s).iter().map(|v| v * v).sum())
        .collect()
}

/// All distances of `rows` `[state, unit]`: pairs (0, 1), (0, 2), ... (n - 2, n - 1), as `scipy.spatial.distance.pdist` orders
/// them. For small sets: it holds n (n - 1) / 2 numbers. [`super::Rsa`] does not need them.
///
/// [`Error::NotFinite`] for infinity, and for NaN with [`Metric::Correlation`]; [`Error::Invalid`] without units.
pub fn rdm(rows: &Array2, metric: Metric) -> Result<Vec<f64>> {
    let slices: Vec<&[f64]> = (0..rows.rows()).map(|i| rows.row(i)).collect();
    let states = Prepared::new("states", &slices, metric)?;
    let n = states.states();
    let mut out = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for i in 0..n {
        out.extend((i + 1..n).map(|j| states.direct(i, j)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel_distances(rows: &Array2, metric: Metric) -> Vec<f64> {
        let slices: Vec<&[f64]> = (0..rows.rows()).map(|i| rows.row(i)).collect();
        let states = Prepared::new("states", &slices, metric).unwrap();
        let n = states.states();
        let panel = states.panel(0..n, 0..n);
        let mut out = Vec::new();
        for col in 1..n {
            let mut buffer = vec![0.0; col];
            states.column(&panel, (0, 0), 0..col, col, 0.25, &mut buffer);
            out.extend(buffer.iter().map(|d| d + 0.25));
        }
        out
    }

    /// Pairs in the order of `panel_distances`, by the definition.
    fn by_definition(rows: &Array2) -> Vec<f64> {
        let mut out = Vec::new();
        for j in 1..rows.rows() {
            for i in 0..j {
                let both: Vec<f64> = rows
                    .row(i)
                    .iter()
                    .zip(rows.row(j))
                    .filter(|(a, b)| !a.is_nan() && !b.is_nan())
                    .map(|(a, b)| (a - b) * (a - b))
                    .collect();
                let scale = rows.cols() as f64 / both.len() as f64;
                out.push((both.iter().sum::<f64>() * scale).sqrt());
            }
        }
        out
    }

    #[test]
    fn far_from_the_origin_and_twice_the_same_state_lose_no_digits() {
        let rows = Array2::from_fn(40, 5, |i, j| {
            1e4 + (((i % 20) * 31 + j * 17) % 23) as f64 + if i == 7 { 1e-6 } else { 0.0 }
        });
        let (found, expected) = (
            panel_distances(&rows, Metric::Euclidean),
            by_definition(&rows),
        );
        let worst = found
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        assert!(worst < 1e-10, "{worst:e}");
        assert!(expected.contains(&0.0) && found.contains(&0.0));
    }

    #[test]
    fn missing_units_are_left_out_and_scaled_for() {
        let mut rows = Array2::from_fn(30, 6, |i, j| ((i * 31 + j * 17) % 23) as f64 / 7.0);
        rows.set(3, 0, f64::NAN);
        rows.set(3, 5, f64::NAN);
        rows.set(4, 5, f64::NAN);
        for unit in 0..6 {
            rows.set(9, unit, f64::NAN);
        }
        let (found, expected) = (
            panel_distances(&rows, Metric::Euclidean),
            by_definition(&rows),
        );
        for (a, b) in found.iter().zip(&expected) {
            assert!(
                (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-12,
                "{a} {b}"
            );
        }
        assert_eq!(found.iter().filter(|d| d.is_nan()).count(), 29);
    }

    #[test]
    fn correlation_distance_is_one_less_pearson() {
        let rows = Array2::from_fn(6, 9, |i, j| ((i * i * 31 + j * 17 * (i + 1)) % 23) as f64);
        let found = rdm(&rows, Metric::Correlation).unwrap();
        let mut k = 0;
        for i in 0..6 {
            for j in i + 1..6 {
                assert!(
                    (1.0 - crate::stats::pearson(rows.row(i), rows.row(j)) - found[k]).abs()
                        < 1e-12
                );
                k += 1;
            }
        }
        assert!(rdm(&Array2::filled(2, 3, f64::NAN), Metric::Correlation).is_err());
    }
}
