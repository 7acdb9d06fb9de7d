//! Splits of rows into those to fit on and those to score on.

use mental_pong_game::task::numpy_random::RandomState;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is held out together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// Whole conditions. The default: nothing of a tested trial was seen.
    Condition,
    /// Single rows (bins, frames). **Leaky**: neighbours in time of a tested row are in training, so a map can interpolate
    /// and scores are too high. Only for comparison with figures made so.
    RowLeaky,
}

/// How splits are drawn: for split s, `RandomState(first_seed + s).permutation(n)`, of which the first
/// `ceil(train_fraction · n)` are for training (Nayebi et al. 2023, released code).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SplitScheme {
    /// What is held out together. The published fits of DMFC do not say which.
    pub by: SplitBy,
    /// Number of splits. Published default 5.
    pub n_splits: u32,
    /// Share of conditions (or rows) to fit on, inside (0, 1). Published default 0.8.
    pub train_fraction: f64,
    /// Seed of the first split. Published 0.
    pub first_seed: u32,
}

impl Default for SplitScheme {
    fn default() -> Self {
        Self {
            by: SplitBy::Condition,
            n_splits: 5,
            train_fraction: 0.8,
            first_seed: 0,
        }
    }
}

/// One split, as indices of rows, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSplit {
    /// Rows to fit on.
    pub train: Vec<usize>,
    /// Rows to score on.
    pub test: Vec<usize>,
}

impl RowSplit {
    /// All rows of these conditions for training, all others for testing. `conditions` says the condition of each row.
    #[must_use]
    pub fn by_conditions(conditions: &[usize], train: &[usize]) -> Self {
        let (train, test) =
            (0..conditions.len()).partition(|&row| train.contains(&conditions[row]));
        Self { train, test }
    }

    /// [`Error::Split`] for an index out of range, a row on both sides, or a side of fewer than two rows.
    pub(crate) fn check(&self, split: usize, rows: usize) -> Result<()> {
        let refuse = |why: String| Err(Error::Split { split, why });
        let mut side = vec![0_u8; rows];
        for (name, list) in [("training", &self.train), ("test", &self.test)] {
            if list.len() < 2 {
                return refuse(format!("{} {name} rows; needs two", list.len()));
            }
            for &row in list {
                match side.get_mut(row) {
                    None => return refuse(format!("{name} row {row} of {rows}")),
                    Some(seen) if *seen > 0 => return refuse(format!("row {row} is there twice")),
                    Some(seen) => *seen = 1,
                }
            }
        }
        Ok(())
    }
}

impl SplitScheme {
    /// The splits of rows whose conditions are given.
    ///
    /// [`Error::Invalid`] for a fraction outside of (0, 1), no splits, or a side that stays empty.
    pub fn splits(&self, conditions: &[usize]) -> Result<Vec<RowSplit>> {
        if !(self.train_fraction > 0.0 && self.train_fraction < 1.0) {
            return Err(Error::invalid(
                "train fraction",
                format!("{}; has to be in (0, 1)", self.train_fraction),
            ));
        }
        if self.n_splits == 0 {
            return Err(Error::invalid("splits", "there are none"));
        }
        let mut distinct = conditions.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let n = match self.by {
            SplitBy::Condition => distinct.len(),
            SplitBy::RowLeaky => conditions.len(),
        };
        let n_train = (self.train_fraction * n as f64).ceil() as usize;
        if n_train == 0 || n_train >= n {
            return Err(Error::invalid(
                "train fraction",
                format!("{} of {n} leaves one side empty", self.train_fraction),
            ));
        }
        Ok((0..self.n_splits)
            .map(|s| {
                let order = RandomState::new(self.first_seed.wrapping_add(s)).permutation(n);
                let mut for_training = vec![false; n];
                for &i in &order[..n_train] {
                    for_training[i] = true;
                }
                let (train, test) = (0..conditions.len()).partition(|&row| match self.by {
                    SplitBy::Condition => distinct
                        .binary_search(&conditions[row])
                        .is_ok_and(|i| for_training[i]),
                    SplitBy::RowLeaky => for_training[row],
                });
                RowSplit { train, test }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy.random.RandomState(s).permutation(79), the first eight and the last three
    #[test]
    fn splits_by_condition_match_numpy() {
        let expected = [
            ([49, 27, 30, 63, 45, 69, 74, 76], [64, 47, 44]),
            ([63, 27, 31, 69, 46, 47, 53, 74], [72, 12, 37]),
            ([25, 30, 29, 48, 73, 56, 41, 52], [72, 15, 40]),
            ([45, 48, 25, 6, 52, 8, 66, 75], [56, 3, 24]),
            ([75, 26, 35, 20, 19, 48, 65, 59], [69, 55, 46]),
        ];
        // Three rows for each condition, ids with gaps.
        let conditions: Vec<usize> = (0..79 * 3).map(|row| 10 * (row / 3)).collect();
        let splits = SplitScheme::default().splits(&conditions).unwrap();
        for (split, (first, last)) in splits.iter().zip(expected) {
            assert_eq!((split.train.len(), split.test.len()), (64 * 3, 15 * 3));
            for c in first {
                assert!((0..3).all(|i| split.train.contains(&(3 * c + i))));
            }
            for c in last {
                assert!((0..3).all(|i| split.test.contains(&(3 * c + i))));
            }
        }
    }

    #[test]
    fn leaky_splits_share_conditions_and_others_do_not() {
        let conditions: Vec<usize> = (0..60).map(|row| row / 6).collect();
        let shared = |by| {
            let split = &SplitScheme {
                by,
                ..Default::default()
            }
            .splits(&conditions)
            .unwrap()[0];
            split
                .test
                .iter()
                .any(|&t| split.train.iter().any(|&u| conditions[t] == conditions[u]))
        };
        assert!(!shared(SplitBy::Condition));
        assert!(shared(SplitBy::RowLeaky));
    }

    #[test]
    fn empty_sides_are_errors() {
        let one = [3, 3, 3];
        assert!(SplitScheme::default().splits(&one).is_err());
        let bad = SplitScheme {
            train_fraction: 1.0,
            ..Default::default()
        };
        assert!(bad.splits(&[0, 1, 2]).is_err());
    }
}
