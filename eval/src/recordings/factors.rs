//! Factors of the reliable units, for recordings that were stored without them.

use std::sync::Arc;

use rayon::prelude::*;

use super::dmfc::{Half, Population, Recording, Responses, TrialType};
use crate::array::Array2;
use crate::error::Result;
use crate::linear::FactorAnalysis;
use mental_pong_formats::value::Array;

impl Recording {
    /// The recording with the factors that it lacks of these trials, and which of its halves were fitted here.
    ///
    /// As published (Rajalingham et al. 2025): scikit-learn's factor analysis on the bins of `start_end_pad0` of the reliable
    /// units (all units where the file names none), without scaling; the whole and each half by itself, so that their axes
    /// differ; NaN outside of the mask. A bin in which a unit has no response is left out. A population that has no more
    /// units or bins than factors is left as it is.
    ///
    /// Only the `halves` asked for are fitted. Errors of the mask and of the factor analysis.
    pub fn with_factors(
        &self,
        trials: TrialType,
        factors: usize,
        halves: &[Half],
    ) -> Result<(Self, Vec<Half>)> {
        let wanted = Population::Factors(factors);
        let missing: Vec<(Half, Population)> = halves
            .iter()
            .copied()
            .filter(|&half| !self.has(trials, wanted, half))
            .filter_map(|half| {
                let units = [Population::Reliable, Population::All]
                    .into_iter()
                    .find(|&p| self.has(trials, p, half))?;
                Some((half, units))
            })
            .collect();
        let fitted: Vec<Option<(Half, Array)>> = missing
            .into_par_iter()
            .map(|(half, units)| {
                let responses = self.responses(trials, units, half)?;
                let array = self.fit_factors(trials, &responses, factors)?;
                Ok(array.map(|a| (half, a)))
            })
            .collect::<Result<_>>()?;
        let mut out = self.clone();
        let mut halves = Vec::new();
        for (half, array) in fitted.into_iter().flatten() {
            out.responses
                .insert((trials, wanted, half), Arc::new(array));
            halves.push(half);
        }
        Ok((out, halves))
    }

    /// Whether there are such responses.
    #[must_use]
    pub fn has(&self, trials: TrialType, population: Population, half: Half) -> bool {
        self.responses.contains_key(&(trials, population, half))
    }

    /// Factors of some units of a population, fitted as [`Recording::with_factors`] does; `None` where there are not more units
    /// or bins than factors.
    ///
    /// # Errors
    /// Of responses that are not there, of the mask and of the factor analysis.
    pub fn factors_of(
        &self,
        trials: TrialType,
        responses: &Responses,
        factors: usize,
    ) -> Result<Option<Responses>> {
        let Some(array) = self.fit_factors(trials, responses, factors)? else {
            return Ok(None);
        };
        let values = array.to_f64().unwrap_or_default();
        let (conditions, bins) = (responses.conditions(), responses.bins());
        Responses::new(factors, conditions, bins, "1", values).map(Some)
    }

    fn fit_factors(
        &self,
        trials: TrialType,
        responses: &Responses,
        factors: usize,
    ) -> Result<Option<Array>> {
        let mask = self.mask(trials, "start_end_pad0")?;
        let cells: Vec<(usize, usize)> = mask
            .cells()
            .into_iter()
            .filter(|&(c, b)| (0..responses.units()).all(|u| responses.get(u, c, b).is_finite()))
            .collect();
        if cells.len() <= factors || responses.units() <= factors {
            return Ok(None);
        }
        let rows = Array2::from_fn(cells.len(), responses.units(), |row, unit| {
            responses.get(unit, cells[row].0, cells[row].1)
        });
        let scores = FactorAnalysis::published(&rows, factors)?.transform(&rows)?;
        let (conditions, bins) = (responses.conditions(), responses.bins());
        let mut values = vec![f64::NAN; factors * conditions * bins];
        for (row, &(c, b)) in cells.iter().enumerate() {
            for factor in 0..factors {
                values[(factor * conditions + c) * bins + b] = scores.get(row, factor);
            }
        }
        let array = Array::from_f64(vec![factors, conditions, bins], &values)?;
        Ok(Some(array))
    }
}
