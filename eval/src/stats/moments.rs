//! Sums of (prediction, truth) pairs of one condition: a resample of conditions is then an addition.

use crate::error::{Error, Result};

/// Sums over pairs (x, y), about an origin that keeps cancellation small.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    n: u64,
    origin: (f64, f64),
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
    absolute: f64,
    squared: f64,
}

impl Moments {
    /// The sums of each condition, `[condition]`, from its pairs `(prediction, truth)`, all about the mean over all
    /// conditions. A condition may have no pairs.
    ///
    /// [`Error::Shape`] where a condition's two slices differ in length, [`Error::NotFinite`] for NaN or infinity.
    pub fn per_condition<A: AsRef<[f64]>, B: AsRef<[f64]>>(pairs: &[(A, B)]) -> Result<Vec<Self>> {
        let (mut n, mut sum_x, mut sum_y) = (0_u64, 0.0, 0.0);
        for (c, (x, y)) in pairs.iter().enumerate() {
            let (x, y) = (x.as_ref(), y.as_ref());
            if x.len() != y.len() {
                return Err(Error::shape(
                    format!("truth of condition {c}"),
                    format!("{} values, as the predictions", x.len()),
                    format!("{} values", y.len()),
                ));
            }
            for (what, values) in [("predictions", x), ("truth", y)] {
                if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                    return Err(Error::NotFinite {
                        what: format!("{what} of condition {c}"),
                        index,
                        value: values[index],
                    });
                }
            }
            n += x.len() as u64;
            sum_x += x.iter().sum::<f64>();
            sum_y += y.iter().sum::<f64>();
        }
        let (origin_x, origin_y) = match n {
            0 => (0.0, 0.0),
            n => (sum_x / n as f64, sum_y / n as f64),
        };
        Ok(pairs
            .iter()
            .map(|(x, y)| {
                let mut sums = Self {
                    origin: (origin_x, origin_y),
                    ..Self::default()
                };
                for (&x, &y) in x.as_ref().iter().zip(y.as_ref()) {
                    let (dx, dy, error) = (x - origin_x, y - origin_y, x - y);
                    sums.n += 1;
                    sums.x += dx;
                    sums.y += dy;
                    sums.xx += dx * dx;
                    sums.yy += dy * dy;
                    sums.xy += dx * dy;
                    sums.absolute += error.abs();
                    sums.squared += error * error;
                }
                sums
            })
            .collect())
    }

    /// The sums of the pairs of both, about the origin of `self` unless that is empty.
    pub fn add(&mut self, other: &Self) {
        if self.n == 0 {
            *self = *other;
            return;
        }
        let moved;
        let other = if self.origin == other.origin {
            other
        } else {
            moved = other.about(self.origin);
            &moved
        };
        self.n += other.n;
        self.x += other.x;
        self.y += other.y;
        self.xx += other.xx;
        self.yy += other.yy;
        self.xy += other.xy;
        self.absolute += other.absolute;
        self.squared += other.squared;
    }

    /// The same pairs about another origin.
    fn about(&self, origin: (f64, f64)) -> Self {
        let n = self.n as f64;
        let (dx, dy) = (self.origin.0 - origin.0, self.origin.1 - origin.1);
        Self {
            origin,
            x: self.x + n * dx,
            y: self.y + n * dy,
            xx: self.xx + 2.0 * dx * self.x + n * dx * dx,
            yy: self.yy + 2.0 * dy * self.y + n * dy * dy,
            xy: self.xy + dx * self.y + dy * self.x + n * dx * dy,
            ..*self
        }
    }

    /// Mean of y; NaN without pairs.
    #[must_use]
    pub fn mean_y(&self) -> f64 {
        if self.n == 0 {
            return f64::NAN;
        }
        self.origin.1 + self.y / self.n as f64
    }

    /// Pairs.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Pearson correlation over the pairs; NaN with fewer than two, or where one side is constant to rounding (a sum of
    /// squares about the mean below 1e-12 of that about the origin).
    #[must_use]
    pub fn pearson(&self) -> f64 {
        const ROUNDING: f64 = 1e-12;
        let n = self.n as f64;
        if self.n < 2 {
            return f64::NAN;
        }
        let xx = self.xx - self.x * self.x / n;
        let yy = self.yy - self.y * self.y / n;
        let xy = self.xy - self.x * self.y / n;
        if !(xx > ROUNDING * self.xx && yy > ROUNDING * self.yy) {
            return f64::NAN;
        }
        (xy / xx.sqrt() / yy.sqrt()).clamp(-1.0, 1.0)
    }

    /// Mean absolute difference; NaN without pairs.
    #[must_use]
    pub fn mean_absolute_error(&self) -> f64 {
        if self.n == 0 {
            return f64::NAN;
        }
        self.absolute / self.n as f64
    }

    /// Root of the mean squared difference; NaN without pairs.
    #[must_use]
    pub fn root_mean_squared_error(&self) -> f64 {
        if self.n == 0 {
            return f64::NAN;
        }
        (self.squared / self.n as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats;
    use mental_pong_base::Stream;

    #[test]
    fn added_sums_equal_the_pooled_pairs() {
        let mut rng = Stream::new(1, "test", 0);
        let pairs: Vec<(Vec<f64>, Vec<f64>)> = (0..20)
            .map(|c| {
                let y: Vec<f64> = (0..c).map(|_| 1e3 + rng.normal()).collect();
                (y.iter().map(|v| v * 0.7 + rng.normal()).collect(), y)
            })
            .collect();
        // Each half about its own origin, so that adding has to move some.
        let mut sums = Moments::per_condition(&pairs[..10]).unwrap();
        sums.extend(Moments::per_condition(&pairs[10..]).unwrap());
        for _ in 0..50 {
            let (mut total, mut x, mut y) = (Moments::default(), vec![], vec![]);
            for _ in 0..20 {
                let c = rng.below(20);
                total.add(&sums[c]);
                x.extend_from_slice(&pairs[c].0);
                y.extend_from_slice(&pairs[c].1);
            }
            assert_eq!(total.n(), x.len() as u64);
            assert!((total.pearson() - stats::pearson(&x, &y)).abs() < 1e-11);
            let mae = stats::mean_absolute_error(&x, &y);
            let rmse = stats::root_mean_squared_error(&x, &y);
            assert!((total.mean_absolute_error() - mae).abs() < 1e-11 * mae);
            assert!((total.root_mean_squared_error() - rmse).abs() < 1e-11 * rmse);
        }
    }

    #[test]
    fn constants_and_emptiness_are_undefined() {
        let sums = Moments::per_condition(&[([2.0; 3], [1.0, 2.0, 3.0]), ([2.1; 3], [0.0; 3])]);
        let sums = sums.unwrap();
        assert!(sums[0].pearson().is_nan() && sums[1].pearson().is_nan());
        assert!(Moments::default().mean_absolute_error().is_nan());
        assert!(Moments::per_condition(&[([1.0], [f64::NAN])]).is_err());
        assert!(Moments::per_condition(&[(vec![1.0], vec![])]).is_err());
    }
}
