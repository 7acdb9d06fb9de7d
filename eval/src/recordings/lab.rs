//! A laboratory's own recording, brought to the tree that the released files have.
//!
//! What the file lacks and the task knows is filled in, and each such thing is a note: the epoch masks from the ids of the
//! conditions by the published rule (41 ms a step, a bin is inside if 1 ms of it is), and the ball by the display law. Halves
//! are made from single trials by the published rule, never from means.

use std::collections::BTreeMap;
use std::sync::Arc;

use mental_pong_game::task::epochs::{MASK_STEP_MS, N_BINS};
use mental_pong_game::task::splits::train_test_split;
use mental_pong_game::task::{Condition, select, truth_bins};

use crate::error::{Error, Result};

use super::branch::Branch;
use super::dmfc::{AXES, Axes, Expected, FIRST_BIN_MS, Half, Population, TrialType};
use mental_pong_formats::value::{Array, Value};

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
    /// Id of each condition: its row in the published table.
    pub(super) condition_ids: Vec<i64>,
    /// `[unit, condition, bin]`, spikes/ms.
    pub(super) responses: Vec<OfHalf>,
    /// `[condition, bin]`.
    pub(super) behaviors: Vec<(TrialType, String, Arc<Array>)>,
    /// `[condition, bin]`, 1 inside, NaN outside.
    pub(super) masks: Vec<(TrialType, String, Arc<Array>)>,
    /// Trials of each session.
    pub(super) trials: BTreeMap<TrialType, Vec<i64>>,
    /// Whether the file says that it is invented.
    pub(super) synthetic: bool,
    /// What is unusual.
    pub(super) notes: Vec<String>,
}

impl Lab {
    /// The tree. [`Error::Field`] if there are no responses, or no masks and no ids that they could be made from.
    pub(super) fn into_value(mut self) -> Result<Value> {
        if !self
            .responses
            .iter()
            .any(|(trials, half, _)| (*trials, *half) == (TrialType::Occ, Half::Full))
        {
            return Err(Error::field(
                "responses",
                "responses of occluded trials",
                "none",
            ));
        }
        for trials in TrialType::ALL {
            let there = self.responses.iter().any(|(of, ..)| *of == trials);
            if there && !self.masks.iter().any(|(of, ..)| *of == trials) {
                self.add_masks(trials)?;
            }
            if there {
                self.add_ball(trials)?;
            }
        }
        let mut root = Branch::default();
        for (trials, half, array) in self.responses {
            let key = Population::All.key(half);
            root.insert(&[&*key, trials.key()], Value::Array(array))?;
        }
        // An empty dictionary too says that there is no behaviour.
        let mut none = Branch::default();
        for (trials, name, array) in self.behaviors {
            none.insert(&[trials.key(), &*name], Value::Array(array))?;
        }
        if none.is_empty() {
            none.insert(&[TrialType::Occ.key()], Branch::default().into_value())?;
        }
        root.insert(&["behavioral_responses"], none.into_value())?;
        for (trials, name, array) in self.masks {
            root.insert(&["masks", trials.key(), &*name], Value::Array(array))?;
        }
        #[allow(clippy::cast_precision_loss, reason = "ids are far below 2^53")]
        let ids: Vec<f64> = self.condition_ids.iter().map(|&id| id as f64).collect();
        let ids = Array::from_f64(vec![ids.len()], &ids)?;
        root.insert(&["meta", "py_meta_index"], Value::Array(Arc::new(ids)))?;
        for (trials, counts) in self.trials {
            let counts = counts.into_iter().map(Value::Int).collect();
            let key = format!("ntr_{}", trials.key());
            root.insert(&[&*key], Value::List(Arc::new(counts)))?;
        }
        if self.synthetic {
            root.insert(&["synthetic"], Value::Bool(true))?;
        }
        let axes = Axes {
            expected: Expected {
                conditions: self.condition_ids.len(),
                bins: self.bins,
                bin_ms: self.bin_ms,
            },
            first_bin_ms: self.first_bin_ms,
            notes: self.notes,
        };
        root.insert(&[AXES], axes.to_value())?;
        Ok(root.into_value())
    }

    /// The task's conditions of the ids. [`Error::Field`] for an id that the task does not have.
    fn conditions(&self) -> Result<Vec<Condition>> {
        let ids: Vec<u32> = self
            .condition_ids
            .iter()
            .map(|&id| u32::try_from(id).unwrap_or(u32::MAX))
            .collect();
        select(&ids).map_err(|error| {
            Error::field(
                "condition_ids",
                "rows of the published table of conditions, or masks in the file",
                error.to_string(),
            )
        })
    }

    fn add_masks(&mut self, trials: TrialType) -> Result<()> {
        let conditions = self.conditions()?;
        for (name, from, to) in [
            ("start_end_pad0", None, true),
            ("start_occ_pad0", None, false),
            ("occ_end_pad0", Some(()), true),
        ] {
            let mut values = vec![f64::NAN; conditions.len() * self.bins];
            for (condition, row) in conditions.iter().zip(values.chunks_exact_mut(self.bins)) {
                #[allow(clippy::cast_precision_loss, reason = "a few hundred steps")]
                let ms = |steps: u32| MASK_STEP_MS as f64 * f64::from(steps);
                let from = from.map_or(0.0, |()| ms(condition.t_occ)) - self.first_bin_ms;
                let to = ms(if to { condition.t_end } else { condition.t_occ }) - self.first_bin_ms;
                for (bin, value) in row.iter_mut().enumerate() {
                    #[allow(clippy::cast_precision_loss, reason = "a few hundred bins")]
                    let left = bin as f64 * self.bin_ms;
                    if left < to && left + self.bin_ms > from {
                        *value = 1.0;
                    }
                }
            }
            let array = Array::from_f64(vec![conditions.len(), self.bins], &values)?;
            self.masks.push((trials, name.into(), Arc::new(array)));
        }
        self.notes.push(format!(
            "masks/{}: made from the ids of the conditions by the published rule; the file has none",
            trials.key()
        ));
        Ok(())
    }

    /// The ball by the display law, where the file has none and the axes are those that it is known on.
    fn add_ball(&mut self, trials: TrialType) -> Result<()> {
        let has = |name: &str| {
            self.behaviors
                .iter()
                .any(|(of, n, _)| *of == trials && n == name)
        };
        let released_axes = (self.bin_ms - 50.0).abs() < 1e-9
            && (self.first_bin_ms - FIRST_BIN_MS).abs() < 1e-9
            && self.bins <= N_BINS;
        let names = [
            "ball_pos_x_TRUE",
            "ball_pos_y_TRUE",
            "ball_pos_dx_TRUE",
            "ball_pos_dy_TRUE",
        ];
        if names.iter().any(|name| has(name)) {
            return Ok(());
        }
        let conditions = match self.conditions() {
            Ok(conditions) if released_axes => conditions,
            _ => {
                self.notes.push(format!(
                    "behavioral_responses/{}: no ball; it is filled in for the task's conditions in bins of 50 ms from -300 ms",
                    trials.key()
                ));
                return Ok(());
            }
        };
        let mut values = vec![Vec::with_capacity(conditions.len() * self.bins); names.len()];
        for condition in &conditions {
            let truth = truth_bins(condition);
            let columns = [
                &truth.x_deg,
                &truth.y_deg,
                &truth.dx_deg_per_bin,
                &truth.dy_deg_per_bin,
            ];
            for (into, column) in values.iter_mut().zip(columns) {
                into.extend_from_slice(&column[..self.bins]);
            }
        }
        for (name, values) in names.into_iter().zip(values) {
            let array = Array::from_f64(vec![conditions.len(), self.bins], &values)?;
            self.behaviors.push((trials, name.into(), Arc::new(array)));
        }
        self.notes.push(format!(
            "behavioral_responses/{}: the ball is that of the display law, by the ids of the conditions; the file has none",
            trials.key()
        ));
        Ok(())
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

    /// The means, and notes on what was missing. [`Error::Invalid`] with the number of missing pairs for
    /// [`Missing::Refuse`].
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
        let mut kept: Vec<usize> = (0..self.units).collect();
        let mut with_halves = true;
        if full + single > 0 {
            match missing {
                Missing::Refuse if full > 0 => {
                    let why = lacking(full, "no trial");
                    return Err(Error::invalid(
                        "responses",
                        format!("{why}; ask to drop these units or to impute"),
                    ));
                }
                Missing::Refuse => {
                    with_halves = false;
                    notes.push(format!("{}; no halves are made", lacking(single, "one trial only")));
                }
                Missing::DropUnits => {
                    kept.retain(|unit| {
                        let of = unit * self.conditions..(unit + 1) * self.conditions;
                        self.counts.iter().all(|counts| counts[of.clone()].iter().all(|&n| n > 0))
                    });
                    notes.push(format!(
                        "{}: {} of {} units lack a condition (in the mean or in a half) and are left out",
                        trials.key(),
                        self.units - kept.len(),
                        self.units
                    ));
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
            let mut values = Vec::with_capacity(kept.len() * self.conditions * self.bins);
            for &unit in &kept {
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
                let mean = if cells > 0 { total / cells as f64 } else { 0.0 };
                for condition in gaps {
                    let at = start + condition * self.bins;
                    values[at..at + self.bins].fill(mean);
                }
            }
            // One of the three at a time is kept twice.
            self.sums[half] = Vec::new();
            let array = Array::from_f64(vec![kept.len(), self.conditions, self.bins], &values)?;
            out.push((trials, name, Arc::new(array)));
        }
        Ok((out, notes))
    }
}
