//! Trials of observers: people, monkeys, models.

use mental_pong_game::task::Law;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::recordings::dmfc::TrialType;

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The paddle met the ball.
    Success,
    /// The paddle missed it.
    Failure,
    /// The paddle was not moved; published analyses leave these trials out.
    Ignore,
}

/// Trials, one entry of each column for each trial.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialTable {
    /// `[trial]`, who; any number that tells subjects apart.
    pub subject: Vec<u32>,
    /// `[trial]`, which condition; any number that tells conditions apart.
    pub condition: Vec<u32>,
    /// `[trial]`, height of the ball at the end, degrees, by `law`.
    pub truth_deg: Vec<f64>,
    /// The law that `truth_deg` follows. P22 takes the errors of people and monkeys to the design law (`yf_mworks`), P25
    /// (Table 1) to the displayed ball; they differ by 0.5 to 1 degree after a bounce.
    pub law: Law,
    /// `[trial]`, height of the paddle at the end, degrees. NaN is missing: such trials count for nothing.
    pub paddle_deg: Vec<f64>,
    /// `[trial]`, whether the ball was hidden.
    pub kind: Vec<TrialType>,
    /// `[trial]`, how it ended, where that is known.
    pub outcome: Option<Vec<Outcome>>,
}

impl TrialTable {
    /// A table without a trial.
    #[must_use]
    pub fn empty(law: Law) -> Self {
        Self {
            subject: Vec::new(),
            condition: Vec::new(),
            truth_deg: Vec::new(),
            law,
            paddle_deg: Vec::new(),
            kind: Vec::new(),
            outcome: None,
        }
    }

    /// Adds an occluded trial: who, which condition, where the ball ended and where the paddle did, degrees.
    pub fn push_occluded(&mut self, subject: u32, condition: u32, truth: f64, paddle: f64) {
        self.subject.push(subject);
        self.condition.push(condition);
        self.truth_deg.push(truth);
        self.paddle_deg.push(paddle);
        self.kind.push(TrialType::Occ);
    }

    /// Checks that all columns are of one length, that every truth is finite, and that a condition has one truth.
    ///
    /// [`Error::Shape`], [`Error::NotFinite`] and [`Error::Invalid`] for these, in order.
    pub fn check(&self) -> Result<()> {
        let n = self.subject.len();
        for (what, found) in [
            ("condition", self.condition.len()),
            ("truth_deg", self.truth_deg.len()),
            ("paddle_deg", self.paddle_deg.len()),
            ("kind", self.kind.len()),
            ("outcome", self.outcome.as_ref().map_or(n, Vec::len)),
        ] {
            if found != n {
                return Err(Error::shape(
                    what,
                    format!("{n} trials, as subject"),
                    format!("{found} trials"),
                ));
            }
        }
        if let Some(index) = self.truth_deg.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: "truth_deg".into(),
                index,
                value: self.truth_deg[index],
            });
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| self.condition[i]);
        for pair in order.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            if self.condition[a] == self.condition[b]
                && (self.truth_deg[a] - self.truth_deg[b]).abs() > 1e-9
            {
                return Err(Error::invalid(
                    "truth_deg",
                    format!(
                        "condition {} ends at {} and at {}",
                        self.condition[a], self.truth_deg[a], self.truth_deg[b]
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Number of trials.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subject.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subject.is_empty()
    }

    /// Trials for which `keep` (of their index) holds.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(usize) -> bool) -> Self {
        let rows: Vec<usize> = (0..self.len()).filter(|&i| keep(i)).collect();
        self.select(&rows)
    }

    /// These trials, in this order. Panics if one is out of range, as slices do.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            subject: rows.iter().map(|&i| self.subject[i]).collect(),
            condition: rows.iter().map(|&i| self.condition[i]).collect(),
            truth_deg: rows.iter().map(|&i| self.truth_deg[i]).collect(),
            law: self.law,
            paddle_deg: rows.iter().map(|&i| self.paddle_deg[i]).collect(),
            kind: rows.iter().map(|&i| self.kind[i]).collect(),
            outcome: self
                .outcome
                .as_ref()
                .map(|o| rows.iter().map(|&i| o[i]).collect()),
        }
    }

    /// The published selection: a paddle that is there and on the frame (|paddle| at most 10°), and no ignored trial.
    #[must_use]
    pub fn valid(&self) -> Self {
        self.filter(|i| {
            self.paddle_deg[i].abs() <= 10.0
                && self
                    .outcome
                    .as_ref()
                    .is_none_or(|o| o[i] != Outcome::Ignore)
        })
    }

    /// Ids of the conditions with at least `trials` finite trials, ascending.
    #[must_use]
    pub fn conditions(&self, trials: usize) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.len())
            .filter(|&i| self.paddle_deg[i].is_finite())
            .map(|i| self.condition[i])
            .collect();
        ids.sort_unstable();
        ids.chunk_by(|a, b| a == b)
            .filter(|same| same.len() >= trials)
            .map(|same| same[0])
            .collect()
    }

    /// Subjects, ascending, each once.
    #[must_use]
    pub fn subjects(&self) -> Vec<u32> {
        let mut all = self.subject.clone();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Truth `[condition]` and paddles `[condition][trial]` of these conditions, as [`super::error_pattern`] takes them. Missing
    /// paddles are left out. [`Error::Invalid`] for a condition without a trial.
    pub fn by_condition(&self, ids: &[u32]) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
        let mut order: Vec<usize> = (0..self.len())
            .filter(|&i| self.paddle_deg[i].is_finite())
            .collect();
        order.sort_by_key(|&i| self.condition[i]);
        let (mut truth, mut paddles) = (Vec::new(), Vec::new());
        for &id in ids {
            let start = order.partition_point(|&i| self.condition[i] < id);
            let end = order.partition_point(|&i| self.condition[i] <= id);
            let first = order[start..end].first().ok_or_else(|| {
                Error::invalid(format!("condition {id}"), "it has no trial with a paddle")
            })?;
            truth.push(self.truth_deg[*first]);
            paddles.push(
                order[start..end]
                    .iter()
                    .map(|&i| self.paddle_deg[i])
                    .collect(),
            );
        }
        Ok((truth, paddles))
    }
}
