//! What each independent unit adds to a statistic.

use serde::{Deserialize, Serialize};

use crate::array::Array2;
use crate::decode::{Epoch, Layout};
use crate::error::{Error, Result};
use crate::stats::moments::Moments;
use crate::stats::{mean, quantile};

/// A statistic over units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Mean of one score for each unit.
    Mean,
    /// Median of one score for each unit.
    Median,
    /// Pearson correlation over the pooled bins of the units.
    Pearson,
    /// Mean absolute error over the pooled bins.
    MeanAbsoluteError,
    /// Root mean squared error over the pooled bins.
    RootMeanSquaredError,
}

impl Measure {
    /// Whether a larger value is better. For [`Self::Mean`] and [`Self::Median`] that is so if it is for the scores.
    #[must_use]
    pub fn larger_is_better(self) -> bool {
        !matches!(self, Self::MeanAbsoluteError | Self::RootMeanSquaredError)
    }

    fn pooled(self) -> bool {
        !matches!(self, Self::Mean | Self::Median)
    }
}

/// A statistic, and for each unit what it adds to it, so that a resample costs one addition for each unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    measure: Measure,
    parts: Parts,
}

#[derive(Debug, Clone, PartialEq)]
enum Parts {
    Scores(Vec<f64>),
    Pairs(Vec<Moments>),
}

impl Contributions {
    /// From one score for each unit, `[unit]`, for [`Measure::Mean`] or [`Measure::Median`].
    ///
    /// [`Error::NotFinite`] for NaN or infinity: units without a score have to be left out of all models alike.
    /// [`Error::Invalid`] for another measure.
    pub fn scores(scores: Vec<f64>, measure: Measure) -> Result<Self> {
        if measure.pooled() {
            return Err(Error::invalid(
                "measure",
                format!("{measure:?} needs predictions and truth, not one score for each unit"),
            ));
        }
        crate::stats::permutation::finite("scores of the units", &scores)?;
        Ok(Self {
            measure,
            parts: Parts::Scores(scores),
        })
    }

    /// From predictions and truth of each unit, `[unit]`, for the measures over pooled bins. Each unit needs at least one.
    ///
    /// Errors as [`Moments::per_condition`]; [`Error::Invalid`] for another measure or a unit without bins.
    pub fn pairs<A: AsRef<[f64]>, B: AsRef<[f64]>>(
        pairs: &[(A, B)],
        measure: Measure,
    ) -> Result<Self> {
        if !measure.pooled() {
            return Err(Error::invalid(
                "measure",
                format!("{measure:?} needs one score for each unit, not predictions and truth"),
            ));
        }
        if let Some(unit) = pairs.iter().position(|(x, _)| x.as_ref().is_empty()) {
            return Err(Error::invalid("pairs", format!("unit {unit} has no bins")));
        }
        Ok(Self {
            measure,
            parts: Parts::Pairs(Moments::per_condition(pairs)?),
        })
    }

    /// From held-out predictions as [`OnlineResult::held_out`](crate::decode::OnlineResult::held_out) has them,
    /// `[condition][row, target]`: the rows of one epoch of one target. Conditions without a finite prediction there are
    /// left out. These predictions are means over the splits in which a condition was held out, so a score of them is a
    /// little better than the mean score over splits. One without information about the target has a *negative* correlation
    /// here, not 0: the mean of the other conditions, which is all that it can say, lies away from the one left out. Compare
    /// with a null row that was made in the same way, never with 0.
    ///
    /// [`Error::Shape`] where predictions do not fit the layout; [`Error::Invalid`] for a target that is not there.
    pub fn held_out(
        layout: &Layout,
        predictions: &[Array2],
        epoch: Epoch,
        target: usize,
        measure: Measure,
    ) -> Result<Self> {
        let pairs = pairs_where(layout, predictions, target, |c, row| {
            let condition = &layout.conditions()[c];
            match epoch {
                Epoch::All => true,
                Epoch::Visible => condition.visible[row],
                Epoch::Hidden => condition.hidden[row],
            }
        })?;
        Self::pairs(&pairs, measure)
    }

    /// The statistic.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// Units.
    #[must_use]
    pub fn n(&self) -> usize {
        match &self.parts {
            Parts::Scores(scores) => scores.len(),
            Parts::Pairs(sums) => sums.len(),
        }
    }

    /// Bins over all units; units where there is one score for each.
    #[must_use]
    pub fn n_bins(&self) -> u64 {
        match &self.parts {
            Parts::Scores(scores) => scores.len() as u64,
            Parts::Pairs(sums) => sums.iter().map(Moments::n).sum(),
        }
    }

    /// The statistic over all units. NaN where it is undefined.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.of((0..self.n()).map(|i| (self, i)))
    }

    /// The statistic over the units `drawn`, with repeats. Panics for a unit that is not there, as slices do.
    #[must_use]
    pub fn value_of(&self, drawn: &[usize]) -> f64 {
        self.of(drawn.iter().map(|&i| (self, i)))
    }

    /// The statistic with the units of `other` where `swapped[unit]`.
    pub(crate) fn value_swapped(&self, other: &Self, swapped: &[bool]) -> f64 {
        let side = |(i, &s): (usize, &bool)| (if s { other } else { self }, i);
        self.of(swapped.iter().enumerate().map(side))
    }

    fn of<'a>(&self, units: impl Iterator<Item = (&'a Self, usize)>) -> f64 {
        if let Parts::Pairs(_) = self.parts {
            let mut total = Moments::default();
            for (from, unit) in units {
                if let Parts::Pairs(sums) = &from.parts {
                    total.add(&sums[unit]);
                }
            }
            return match self.measure {
                Measure::MeanAbsoluteError => total.mean_absolute_error(),
                Measure::RootMeanSquaredError => total.root_mean_squared_error(),
                Measure::Pearson | Measure::Mean | Measure::Median => total.pearson(),
            };
        }
        let values: Vec<f64> = units
            .filter_map(|(from, unit)| match &from.parts {
                Parts::Scores(scores) => Some(scores[unit]),
                Parts::Pairs(_) => None,
            })
            .collect();
        match self.measure {
            Measure::Median => quantile(&values, 0.5),
            _ => mean(&values),
        }
    }

    /// Differences unit by unit, for an effect size; `None` for a correlation, which a unit alone does not have.
    pub(crate) fn unit_differences(&self, other: &Self) -> Option<Vec<f64>> {
        match (&self.parts, &other.parts) {
            (Parts::Scores(a), Parts::Scores(b)) => {
                Some(a.iter().zip(b).map(|(a, b)| a - b).collect())
            }
            (Parts::Pairs(a), Parts::Pairs(b)) => {
                let error: fn(&Moments) -> f64 = match self.measure {
                    Measure::MeanAbsoluteError => Moments::mean_absolute_error,
                    Measure::RootMeanSquaredError => Moments::root_mean_squared_error,
                    _ => return None,
                };
                Some(a.iter().zip(b).map(|(a, b)| error(a) - error(b)).collect())
            }
            _ => None,
        }
    }

    /// Whether the two may be compared: one measure, the same units with as many bins and the same truth.
    pub(crate) fn check_same_units(&self, other: &Self, names: (&str, &str)) -> Result<()> {
        let what = format!("{} against {}", names.0, names.1);
        if self.measure != other.measure {
            return Err(Error::invalid(
                what,
                format!("one has {:?}, the other {:?}", self.measure, other.measure),
            ));
        }
        if self.n() != other.n() {
            return Err(Error::shape(
                what,
                format!("{} units", self.n()),
                format!("{} units", other.n()),
            ));
        }
        if let (Parts::Pairs(a), Parts::Pairs(b)) = (&self.parts, &other.parts) {
            for (unit, (a, b)) in a.iter().zip(b).enumerate() {
                let (ya, yb) = (a.mean_y(), b.mean_y());
                let close = (ya - yb).abs() <= 1e-9 * (1.0 + ya.abs().max(yb.abs()));
                if a.n() != b.n() || !close {
                    return Err(Error::invalid(
                        what,
                        format!(
                            "unit {unit} has {} bins of mean truth {ya} in one, {} of {yb} in the other",
                            a.n(),
                            b.n()
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Predictions and truth of one target in the rows that `keep(condition, row)` takes, for the conditions that have any.
pub(crate) fn pairs_where(
    layout: &Layout,
    predictions: &[Array2],
    target: usize,
    keep: impl Fn(usize, usize) -> bool,
) -> Result<Vec<(Vec<f64>, Vec<f64>)>> {
    if target >= layout.target_names().len() {
        return Err(Error::invalid(
            "target",
            format!("{target} of {}", layout.target_names().len()),
        ));
    }
    if predictions.len() != layout.conditions().len() {
        return Err(Error::shape(
            "predictions",
            format!("{} conditions", layout.conditions().len()),
            format!("{} conditions", predictions.len()),
        ));
    }
    let mut pairs = Vec::new();
    for (c, (condition, p)) in layout.conditions().iter().zip(predictions).enumerate() {
        if p.rows() != condition.bins.len() || p.cols() <= target {
            return Err(Error::shape(
                format!("predictions of condition {}", condition.id),
                format!("{} bins, more than {target} targets", condition.bins.len()),
                format!("{} bins, {} targets", p.rows(), p.cols()),
            ));
        }
        let (x, y): (Vec<f64>, Vec<f64>) = (0..p.rows())
            .filter(|&row| keep(c, row))
            .map(|row| (p.get(row, target), condition.targets.get(row, target)))
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .unzip();
        if !x.is_empty() {
            pairs.push((x, y));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_all_units_is_the_other_model() {
        let a = Contributions::pairs(
            &[([1.0, 2.0], [1.5, 2.5]), ([3.0, 5.0], [3.0, 4.0])],
            Measure::Pearson,
        )
        .unwrap();
        let b = Contributions::pairs(
            &[([-1.0, 2.0], [1.5, 2.5]), ([3.0, 9.0], [3.0, 4.0])],
            Measure::Pearson,
        )
        .unwrap();
        assert!((a.value_swapped(&b, &[true, true]) - b.value()).abs() < 1e-12);
        assert!((a.value_swapped(&b, &[false, false]) - a.value()).abs() < 1e-12);
        let mixed = crate::stats::pearson(&[1.0, 2.0, 3.0, 9.0], &[1.5, 2.5, 3.0, 4.0]);
        assert!((a.value_swapped(&b, &[false, true]) - mixed).abs() < 1e-12);
        let truth = Contributions::pairs(
            &[([1.0, 2.0], [1.5, 2.5]), ([3.0, 5.0], [3.0, 4.5])],
            Measure::Pearson,
        )
        .unwrap();
        let error = a
            .check_same_units(&truth, ("a", "b"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("unit 1"), "{error}");
    }

    #[test]
    fn errors_per_unit_follow_their_definition() {
        let pairs = [(vec![1.0, 4.0], vec![2.0, 2.0]), (vec![0.0], vec![3.0])];
        let mae = Contributions::pairs(&pairs, Measure::MeanAbsoluteError).unwrap();
        let pooled = crate::stats::mean_absolute_error(&[1.0, 4.0, 0.0], &[2.0, 2.0, 3.0]);
        assert!((mae.value() - pooled).abs() < 1e-12);
        assert!(Contributions::pairs(&pairs, Measure::Mean).is_err());
        assert!(Contributions::scores(vec![1.0], Measure::Pearson).is_err());
        let median = Contributions::scores(vec![1.0, 5.0, 2.0], Measure::Median).unwrap();
        assert!((median.value() - 2.0).abs() < 1e-15);
        assert!((median.value_of(&[1, 1, 0]) - 5.0).abs() < 1e-15);
    }
}
