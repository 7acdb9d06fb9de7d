//! Responses with their split halves, from a recording or from trials.

use mental_pong_game::task::numpy_random::RandomState;

use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::dense;
use crate::recordings::dmfc::{Half, Mask, Population, Recording, Responses, TrialType};

/// Responses `[row, unit]` averaged over all trials and over each half of them. Rows are (condition, bin) pairs or stimuli;
/// the three have the same rows and units, all finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Halves {
    full: Array2,
    first: Array2,
    second: Array2,
}

impl Halves {
    /// [`Error::Shape`] if the three differ in rows or units, [`Error::NotFinite`] for NaN or infinity.
    pub fn new(full: Array2, first: Array2, second: Array2) -> Result<Self> {
        for (name, half) in [("first half", &first), ("second half", &second)] {
            if (half.rows(), half.cols()) != (full.rows(), full.cols()) {
                return Err(Error::shape(
                    name,
                    format!("{} rows, {} units", full.rows(), full.cols()),
                    format!("{} rows, {} units", half.rows(), half.cols()),
                ));
            }
        }
        for (name, half) in [
            ("responses", &full),
            ("first half", &first),
            ("second half", &second),
        ] {
            dense::check_finite(name, half)?;
        }
        Ok(Self {
            full,
            first,
            second,
        })
    }

    /// The cells of a mask in which all units of all three are finite, as rows, condition by condition; with the
    /// (condition, bin) of each row. The three have to hold the same units in the same order.
    ///
    /// [`Error::Shape`] if they, or the mask, have other axes; [`Error::Invalid`] if no cell is left.
    pub fn from_responses(
        full: &Responses,
        first: &Responses,
        second: &Responses,
        mask: &Mask,
    ) -> Result<(Self, Vec<(usize, usize)>)> {
        let tables = [full.rows(mask)?, first.rows(mask)?, second.rows(mask)?];
        let cells = mask.cells();
        let kept: Vec<usize> = (0..cells.len())
            .filter(|&i| {
                tables
                    .iter()
                    .all(|t| t.row(i).iter().all(|v| v.is_finite()))
            })
            .collect();
        if kept.is_empty() {
            return Err(Error::invalid(
                "responses",
                "no cell of the mask is finite in all units and halves",
            ));
        }
        let take = |t: &Array2| Array2::from_fn(kept.len(), t.cols(), |i, j| t.get(kept[i], j));
        let [a, b, c] = &tables;
        Ok((
            Self::new(take(a), take(b), take(c))?,
            kept.iter().map(|&i| cells[i]).collect(),
        ))
    }

    /// All trials and both halves of a recording in the cells of a mask, aligned by the ids of the units; with the
    /// (condition, bin) of each row and the ids. The published choice is [`Population::Reliable`], occluded trials,
    /// `start_end_pad0`.
    ///
    /// [`Error::Invalid`] for factors: those of the halves were fitted apart and are different axes. [`Error::Field`] if
    /// the recording lacks something; else as [`Halves::from_responses`].
    pub fn of_recording(
        recording: &Recording,
        trials: TrialType,
        population: Population,
        mask: &str,
    ) -> Result<RecordedHalves> {
        if matches!(population, Population::Factors(_)) {
            return Err(Error::invalid(
                "halves",
                "factors of the two halves are different axes and cannot be compared one by one",
            ));
        }
        let (first, second, ids) = recording.halves(trials, population)?;
        let full = recording.responses(trials, population, Half::Full)?;
        let full_ids = (population == Population::All)
            .then(|| recording.unit_ids(trials, Half::Full))
            .flatten();
        let places: Vec<usize> = match full_ids {
            Some(full_ids) => ids
                .iter()
                .filter_map(|id| full_ids.iter().position(|other| other == id))
                .collect(),
            None => (0..full.units()).collect(),
        };
        if places.len() != first.units() {
            return Err(Error::field(
                population.key(Half::Full),
                format!("the {} units of the halves", first.units()),
                format!("{} of them", places.len()),
            ));
        }
        let full = full.select(&places)?;
        let (halves, cells) =
            Self::from_responses(&full, &first, &second, recording.mask(trials, mask)?)?;
        Ok(RecordedHalves {
            halves,
            cells,
            unit_ids: ids,
        })
    }

    /// These units only, in this order. [`Error::Invalid`] for one that is not there.
    pub fn select_units(&self, units: &[usize]) -> Result<Self> {
        if let Some(unit) = units.iter().find(|&&u| u >= self.units()) {
            return Err(Error::invalid(
                format!("unit {unit}"),
                format!("there are {} units", self.units()),
            ));
        }
        let take = |t: &Array2| Array2::from_fn(t.rows(), units.len(), |i, j| t.get(i, units[j]));
        Ok(Self {
            full: take(&self.full),
            first: take(&self.first),
            second: take(&self.second),
        })
    }

    /// Mean over all trials, `[row, unit]`.
    #[must_use]
    pub fn full(&self) -> &Array2 {
        &self.full
    }

    /// Mean over the first half, `[row, unit]`.
    #[must_use]
    pub fn first(&self) -> &Array2 {
        &self.first
    }

    /// Mean over the second half, `[row, unit]`.
    #[must_use]
    pub fn second(&self) -> &Array2 {
        &self.second
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.full.rows()
    }

    /// Number of units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.full.cols()
    }
}

/// What [`Halves::of_recording`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedHalves {
    /// The responses.
    pub halves: Halves,
    /// `[row]`, (condition, bin) of each.
    pub cells: Vec<(usize, usize)>,
    /// `[unit]`, ids in the recording.
    pub unit_ids: Vec<i64>,
}

/// Single trials, `[trial][row, unit]`; NaN where a unit was not recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials {
    trials: Vec<Array2>,
}

impl Trials {
    /// [`Error::Invalid`] with fewer than two trials: no halves; [`Error::Shape`] if the trials differ in rows or units.
    pub fn new(trials: Vec<Array2>) -> Result<Self> {
        let [first, rest @ ..] = trials.as_slice() else {
            return Err(Error::invalid("trials", "there are none"));
        };
        if rest.is_empty() {
            return Err(Error::invalid("trials", "1 trial; split halves need two"));
        }
        let shape = (first.rows(), first.cols());
        if let Some(at) = rest.iter().position(|t| (t.rows(), t.cols()) != shape) {
            return Err(Error::shape(
                format!("trial {}", at + 1),
                format!("{} rows, {} units", shape.0, shape.1),
                format!("{} rows, {} units", rest[at].rows(), rest[at].cols()),
            ));
        }
        Ok(Self { trials })
    }

    /// Number of trials.
    #[must_use]
    pub fn len(&self) -> usize {
        self.trials.len()
    }

    /// Never: there are at least two trials.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.trials[0].rows()
    }

    /// Number of units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.trials[0].cols()
    }

    /// Mean over all trials, `[row, unit]`, of what was recorded; NaN where nothing was.
    #[must_use]
    pub fn mean(&self) -> Array2 {
        self.mean_of(&(0..self.len()).collect::<Vec<_>>())
    }

    /// The trials of both halves: `RandomState(seed).shuffle` of `0..len`, cut at `len / 2`, so that the second half has
    /// one more of an odd number (Nayebi et al. 2023, released code).
    #[must_use]
    pub fn half_indices(&self, seed: u32) -> (Vec<usize>, Vec<usize>) {
        let mut order = RandomState::new(seed).permutation(self.len());
        let second = order.split_off(self.len() / 2);
        (order, second)
    }

    /// Halves of one seed. `None` where a row of a unit was not recorded in one of the halves: the published code drops
    /// the whole seed. [`Error::NotFinite`] where one was never recorded.
    pub fn halves(&self, seed: u32) -> Result<Option<Halves>> {
        let full = self.mean();
        dense::check_finite("mean over trials", &full)?;
        let (first, second) = self.half_indices(seed);
        let (first, second) = (self.mean_of(&first), self.mean_of(&second));
        let finite = |a: &Array2| a.as_slice().iter().all(|v| v.is_finite());
        if !(finite(&first) && finite(&second)) {
            return Ok(None);
        }
        Ok(Some(Halves {
            full,
            first,
            second,
        }))
    }

    fn mean_of(&self, which: &[usize]) -> Array2 {
        Array2::from_fn(self.rows(), self.units(), |i, j| {
            let (mut sum, mut n) = (0.0, 0_u32);
            for &t in which {
                let value = self.trials[t].get(i, j);
                if !value.is_nan() {
                    sum += value;
                    n += 1;
                }
            }
            sum / f64::from(n)
        })
    }
}
