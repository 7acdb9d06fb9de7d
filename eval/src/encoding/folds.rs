//! How rows are divided for cross-validation.

use mental_pong_base::Stream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Ten-fold cross-validation, or another number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Folds {
    /// All bins of a condition are in one fold. The default.
    ByCondition {
        /// Number of folds.
        n: usize,
        /// Seed of the stream `encoding-folds`.
        seed: u64,
    },
    /// Single bins are drawn, as published. A bin's neighbours in time are in the training set: scores are too high wherever
    /// responses are smooth.
    SampleWise {
        /// Number of folds.
        n: usize,
        /// Seed of the stream `encoding-folds`.
        seed: u64,
    },
    /// `[row]`, fold of each row, from 0.
    Given(Vec<usize>),
}

impl Default for Folds {
    fn default() -> Self {
        Self::ByCondition { n: 10, seed: 0 }
    }
}

impl Folds {
    /// Whether bins of one condition stand on both sides of a fold.
    #[must_use]
    pub fn leaks(&self, cells: &[(usize, usize)]) -> bool {
        match self {
            Self::ByCondition { .. } => false,
            Self::SampleWise { .. } => true,
            Self::Given(fold) => cells
                .iter()
                .zip(fold)
                .zip(cells.iter().zip(fold).skip(1))
                .any(|((a, f), (b, g))| a.0 == b.0 && f != g),
        }
    }

    /// `[row]`, fold of each row, and the number of folds. [`Error::Invalid`] for fewer than two folds or an empty one,
    /// [`Error::Shape`] for a list of another length.
    pub(crate) fn assign(&self, cells: &[(usize, usize)]) -> Result<(Vec<usize>, usize)> {
        let fold: Vec<usize> = match self {
            Self::ByCondition { n, seed } => {
                let mut conditions: Vec<usize> = cells.iter().map(|c| c.0).collect();
                conditions.dedup();
                let order = Stream::new(*seed, "encoding-folds", 0).permutation(conditions.len());
                let mut of = vec![0; conditions.iter().max().map_or(0, |c| c + 1)];
                for (place, &at) in order.iter().enumerate() {
                    of[conditions[at]] = place % (*n).max(1);
                }
                cells.iter().map(|c| of[c.0]).collect()
            }
            Self::SampleWise { n, seed } => {
                let order = Stream::new(*seed, "encoding-folds", 0).permutation(cells.len());
                let mut fold = vec![0; cells.len()];
                for (place, &row) in order.iter().enumerate() {
                    fold[row] = place % (*n).max(1);
                }
                fold
            }
            Self::Given(fold) => {
                if fold.len() != cells.len() {
                    return Err(Error::shape(
                        "folds",
                        format!("{} rows", cells.len()),
                        format!("{}", fold.len()),
                    ));
                }
                fold.clone()
            }
        };
        let n = match self {
            Self::ByCondition { n, .. } | Self::SampleWise { n, .. } => *n,
            Self::Given(fold) => fold.iter().max().map_or(0, |f| f + 1),
        };
        let mut counts = vec![0usize; n];
        for &f in &fold {
            counts[f] += 1;
        }
        if n < 2 || counts.contains(&0) {
            return Err(Error::invalid(
                "folds",
                format!("{n} folds of {} rows leave one empty", cells.len()),
            ));
        }
        Ok((fold, n))
    }
}
