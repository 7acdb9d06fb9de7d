//! A laboratory's own recording: what its readers give, and means and halves of single trials.
//!
//! Halves are made from single trials by the published rule, never from means. What the file lacks and its set of conditions
//! knows is filled in later, by [`super::finish`].

use std::collections::BTreeMap;
use std::sync::Arc;

use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::value::Array;
use mental_pong_game::task::SetIdentity;
use mental_pong_game::task::splits::train_test_split;

use crate::error::Result;

use super::dmfc::{Expected, Half, Mask, Population, Recording, TrialType};

/// Responses of one kind of trial and one half, `[unit, condition, bin]`, spikes/ms.
pub(super) type OfHalf = (TrialType, Half, Arc<Array>);

/// What a laboratory's file holds.
pub(super) struct Lab {
    /// Length of a bin, ms.
    pub(super) bin_ms: f64,
    /// Left edge of bin 0, ms after the ball starts to move.
    pub(super) first_bin_ms: f64,
    /// Number of bins.
    pub(super) bins: usize,
    /// Id of each condition, in its set.
    pub(super) condition_ids: Vec<String>,
    /// The set that the file states.
    pub(super) set: Option<SetIdentity>,
    /// `[unit, condition, bin]`, spikes/ms.
    pub(super) responses: Vec<OfHalf>,
    /// `[condition, bin]`.
    pub(super) behaviors: Vec<(TrialType, String, Arc<Array>)>,
    /// `[condition, bin]`.
    pub(super) masks: Vec<(TrialType, String, Mask)>,
    /// What is said of each unit.
    pub(super) units: Option<Table>,
    /// Row of `units` of each unit, where arrays hold different ones.
    pub(super) unit_ids: BTreeMap<(TrialType, Half), Vec<i64>>,
    /// Single trials with a paddle.
    pub(super) behavior: Option<Table>,
    /// Trials of each session.
    pub(super) trials: BTreeMap<TrialType, Vec<i64>>,
    /// Whether the unit of the responses is known.
    pub(super) unit_stated: bool,
    /// Whether the file says that it is invented.
    pub(super) synthetic: bool,
    /// What is unusual.
    pub(super) notes: Vec<String>,
}

impl Lab {
    /// The recording, not yet checked.
    pub(super) fn into_recording(self) -> Result<Recording> {
        let expected = Expected {
            conditions: self.condition_ids.len(),
            bins: self.bins,
            bin_ms: self.bin_ms,
        };
        let ids = self.condition_ids.iter().cloned().map(Some).collect();
        let meta = Table {
            rows: expected.conditions,
            has_index: false,
            columns: vec![("condition_id".into(), Cells::Texts(ids))],
        };
        let mut tables = BTreeMap::from([("meta", meta)]);
        if let Some(units) = self.units {
            tables.insert("neural_meta", units);
        }
        if let Some(behavior) = self.behavior {
            tables.insert("trial_meta", behavior);
        }
        let responses = self.responses.into_iter();
        Ok(Recording {
            path: None,
            format: None,
            expected,
            released: false,
            first_bin_ms: self.first_bin_ms,
            responses: responses
                .map(|(kind, half, array)| ((kind, Population::All, half), array))
                .collect(),
            behaviors: self.behaviors,
            masks: self.masks,
            reliable: BTreeMap::new(),
            unit_ids: self.unit_ids,
            ids: Some(self.condition_ids),
            stated: self.set,
            set: None,
            unit_stated: self.unit_stated,
            tables,
            trials: self.trials,
            criteria: BTreeMap::new(),
            synthetic: self.synthetic.then_some(true),
            notes: self.notes,
        })
    }
}

/// Both halves of some trials as the release divides them: `train_test_split(test_size=0.5, random_state=0)`, the training
/// side first. `None` for fewer than two trials. The published split is within each unit and condition.
pub(super) fn halves(trials: &[usize]) -> Result<Option<[Vec<usize>; 2]>> {
    if trials.len() < 2 {
        return Ok(None);
    }
    let split = train_test_split(trials.len(), 0.5, 0)?;
    let side = |of: Vec<usize>| of.into_iter().map(|at| trials[at]).collect();
    Ok(Some([side(split.train), side(split.test)]))
}

/// What becomes of a unit that has no trial in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// An error with the number of such pairs. The default: nothing is invented unasked.
    #[default]
    Refuse,
    /// Units that lack a condition are left out, and counted.
    DropUnits,
    /// Conditions that some unit lacks are left out, and named.
    DropConditions,
    /// The released way: the unit's mean over all its conditions and bins stands in every bin, and each is counted.
    Impute,
}

/// Responses `[unit, condition, bin]` of the three kinds of averages, from sums over trials.
pub(super) struct Means {
    units: usize,
    conditions: usize,
    bins: usize,
    /// `[half][unit, condition, bin]`, sums over trials.
    sums: [Vec<f64>; 3],
    /// `[half][unit, condition]`, trials.
    counts: [Vec<u32>; 3],
}

impl Means {
    /// Nothing added yet.
    pub(super) fn new(units: usize, conditions: usize, bins: usize) -> Self {
        Self {
            units,
            conditions,
            bins,
            sums: std::array::from_fn(|_| vec![0.0; units * conditions * bins]),
            counts: std::array::from_fn(|_| vec![0; units * conditions]),
        }
    }

    /// Add one unit's trials of one condition: their indices in order, and what to add for a trial, `[bin]`.
    pub(super) fn add<'a>(
        &mut self,
        unit: usize,
        condition: usize,
        trials: &[usize],
        values: impl Fn(usize) -> std::borrow::Cow<'a, [f64]>,
    ) -> Result<()> {
        let cell = unit * self.conditions + condition;
        let sides = halves(trials)?.unwrap_or_default();
        for (half, trials) in [trials, &sides[0], &sides[1]].into_iter().enumerate() {
            self.counts[half][cell] = u32::try_from(trials.len()).unwrap_or(u32::MAX);
            let into = &mut self.sums[half][cell * self.bins..(cell + 1) * self.bins];
            for &trial in trials {
                for (sum, value) in into.iter_mut().zip(values(trial).iter()) {
                    *sum += value;
                }
            }
        }
        Ok(())
    }

    /// The means, NaN where there was no trial and none is invented, and notes on what was missing.
    #[allow(clippy::cast_precision_loss, reason = "counts of trials")]
    pub(super) fn finish(
        mut self,
        trials: TrialType,
        missing: Missing,
    ) -> Result<(Vec<OfHalf>, Vec<String>)> {
        let pairs = self.units * self.conditions;
        let full = self.counts[0].iter().filter(|&&n| n == 0).count();
        let halved = self.counts[1].iter().zip(&self.counts[2]);
        let single = halved.filter(|(a, b)| **a == 0 || **b == 0).count();
        let mut notes = Vec::new();
        // Without a trial a condition is missing from the mean; with one, from the halves only.
        let lacking = |count: usize, what: &str| {
            format!(
                "{}: {count} of {pairs} pairs of unit and condition have {what}",
                trials.key()
            )
        };
        let mut with_halves = true;
        if full + single > 0 {
            match missing {
                Missing::Refuse if full == 0 => {
                    with_halves = false;
                    notes.push(format!(
                        "{}; no halves are made",
                        lacking(single, "one trial only")
                    ));
                }
                // What has no trial is NaN, and treated as every hole of a recording is.
                Missing::Refuse => {}
                Missing::DropUnits | Missing::DropConditions => {
                    notes.push(lacking(full + single, "no trial, or one only"));
                }
                Missing::Impute => notes.push(format!(
                    "{}, {single} have none in a half; IMPUTED with the unit's mean over conditions and bins, as in the release",
                    lacking(full, "no trial")
                )),
            }
        }
        let mut out = Vec::new();
        for (half, name) in Half::ALL.into_iter().enumerate() {
            if half > 0 && !with_halves {
                continue;
            }
            let mut values = Vec::with_capacity(pairs * self.bins);
            for unit in 0..self.units {
                let (mut total, mut cells) = (0.0, 0_usize);
                let start = values.len();
                let mut gaps = Vec::new();
                for condition in 0..self.conditions {
                    let cell = unit * self.conditions + condition;
                    let count = self.counts[half][cell];
                    if count == 0 {
                        gaps.push(condition);
                        values.resize(values.len() + self.bins, 0.0);
                        continue;
                    }
                    let sums = &self.sums[half][cell * self.bins..(cell + 1) * self.bins];
                    let means = sums.iter().map(|sum| sum / f64::from(count));
                    values.extend(means);
                    total += values[values.len() - self.bins..].iter().sum::<f64>();
                    cells += self.bins;
                }
                let mean = match missing {
                    Missing::Impute if cells > 0 => total / cells as f64,
                    Missing::Impute => 0.0,
                    _ => f64::NAN,
                };
                for condition in gaps {
                    let at = start + condition * self.bins;
                    values[at..at + self.bins].fill(mean);
                }
            }
            // One of the three at a time is kept twice.
            self.sums[half] = Vec::new();
            let array = Array::from_f64(vec![self.units, self.conditions, self.bins], &values)?;
            out.push((trials, name, Arc::new(array)));
        }
        Ok((out, notes))
    }
}
