//! scikit-learn's random splits, index for index.
//!
//! Sources: `GroupShuffleSplit` and `train_test_split` of scikit-learn 1.x over numpy's legacy
//! [`RandomState`].

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::task::numpy_random::RandomState;

/// One split: indices into the things split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Indices to fit on.
    pub train: Vec<usize>,
    /// Indices to test on.
    pub test: Vec<usize>,
}

/// `GroupShuffleSplit(n_splits, train_size=train_fraction, random_state=seed)` over `n_groups`
/// groups: the groups of each split, sorted. What is not for training is for testing; 79 groups at
/// 0.5 give 39 and 40.
///
/// # Errors
/// [`Error::BadValue`] when `train_fraction` is not inside (0, 1) or leaves either side empty.
pub fn group_shuffle_split(
    n_groups: usize,
    n_splits: usize,
    train_fraction: f64,
    seed: u32,
) -> Result<Vec<Split>> {
    check_fraction("train fraction", train_fraction)?;
    let n_train = (train_fraction * n_groups as f64).floor() as usize;
    if n_train == 0 || n_train >= n_groups {
        return Err(Error::BadValue {
            field: "train fraction",
            expected: format!("a fraction that leaves groups on both sides of {n_groups}"),
            found: train_fraction.to_string(),
        });
    }
    let mut stream = RandomState::new(seed);
    Ok((0..n_splits)
        .map(|_| {
            let mut split = cut(&stream.permutation(n_groups), n_groups - n_train);
            split.train.sort_unstable();
            split.test.sort_unstable();
            split
        })
        .collect())
}

/// `train_test_split(range(n), test_size=test_fraction, random_state=seed)`, in its order.
///
/// # Errors
/// [`Error::BadValue`] when `test_fraction` is not inside (0, 1) or leaves either side empty.
pub fn train_test_split(n: usize, test_fraction: f64, seed: u32) -> Result<Split> {
    check_fraction("test fraction", test_fraction)?;
    let n_test = (test_fraction * n as f64).ceil() as usize;
    if n_test == 0 || n_test >= n {
        return Err(Error::BadValue {
            field: "test fraction",
            expected: format!("a fraction that leaves something on both sides of {n}"),
            found: test_fraction.to_string(),
        });
    }
    Ok(cut(&RandomState::new(seed).permutation(n), n_test))
}

fn check_fraction(field: &'static str, fraction: f64) -> Result<()> {
    if fraction > 0.0 && fraction < 1.0 {
        return Ok(());
    }
    Err(Error::BadValue {
        field,
        expected: "a number between 0 and 1".into(),
        found: fraction.to_string(),
    })
}

/// The first `n_test` of an order are for testing, the others for training.
fn cut(order: &[usize], n_test: usize) -> Split {
    let (test, train) = order.split_at(n_test);
    Split {
        train: train.to_vec(),
        test: test.to_vec(),
    }
}

/// Writes splits as CSV: `split,train_conditions`, indices from 0 with a space between.
///
/// # Errors
/// What `out` says.
pub fn write_splits_csv(splits: &[Split], mut out: impl Write) -> std::io::Result<()> {
    writeln!(out, "split,train_conditions")?;
    for (i, split) in splits.iter().enumerate() {
        let train: Vec<String> = split.train.iter().map(usize::to_string).collect();
        writeln!(out, "{i},{}", train.join(" "))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    // [s for s in GroupShuffleSplit(4, train_size=0.25, random_state=0)] over groups 0..16 (11 absent), train
    const TRAIN_25: [&[usize]; 4] = [
        &[0, 3, 5, 13],
        &[1, 6, 7, 14],
        &[0, 2, 3, 16],
        &[0, 4, 7, 10],
    ];
    // [s for s in GroupShuffleSplit(4, train_size=0.5, random_state=0)] over groups 0..16 (11 absent), train
    const TRAIN_5: [&[usize]; 4] = [
        &[0, 3, 5, 7, 10, 12, 13, 16],
        &[1, 5, 6, 7, 8, 12, 14, 16],
        &[0, 1, 2, 3, 8, 9, 13, 16],
        &[0, 2, 3, 4, 7, 10, 13, 15],
    ];
    // [s for s in GroupShuffleSplit(4, train_size=0.8, random_state=0)] over groups 0..16 (11 absent), train
    const TRAIN_8: [&[usize]; 4] = [
        &[0, 2, 3, 4, 5, 7, 10, 12, 13, 14, 15, 16],
        &[0, 1, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16],
        &[0, 1, 2, 3, 6, 8, 9, 10, 12, 13, 15, 16],
        &[0, 2, 3, 4, 6, 7, 9, 10, 13, 14, 15, 16],
    ];
    // GroupShuffleSplit(100, train_size=0.5, random_state=0) over 79 groups, test groups of the first five
    const TEST_79: [&[usize]; 5] = [
        &[
            2, 3, 4, 6, 7, 10, 11, 17, 22, 23, 26, 27, 28, 30, 31, 33, 34, 38, 40, 41, 42, 45, 48,
            49, 50, 52, 54, 55, 56, 57, 59, 61, 62, 63, 69, 71, 72, 74, 76, 78,
        ],
        &[
            1, 4, 5, 6, 7, 8, 11, 12, 14, 16, 17, 19, 22, 24, 25, 26, 27, 28, 31, 32, 33, 37, 38,
            40, 44, 45, 46, 51, 53, 54, 55, 61, 62, 63, 67, 72, 73, 74, 75, 77,
        ],
        &[
            0, 2, 5, 8, 9, 10, 12, 17, 19, 20, 22, 23, 26, 27, 28, 30, 34, 35, 37, 39, 42, 44, 45,
            46, 47, 48, 49, 50, 52, 55, 58, 63, 64, 65, 66, 68, 72, 73, 76, 77,
        ],
        &[
            4, 6, 7, 9, 10, 11, 13, 14, 15, 16, 19, 21, 22, 23, 24, 26, 28, 31, 32, 38, 41, 42, 43,
            45, 46, 47, 54, 55, 57, 58, 59, 60, 63, 65, 66, 67, 68, 70, 71, 72,
        ],
        &[
            1, 2, 3, 6, 9, 12, 16, 17, 19, 21, 23, 24, 29, 31, 33, 37, 38, 40, 44, 47, 48, 49, 50,
            51, 52, 54, 56, 59, 60, 62, 65, 66, 68, 69, 70, 73, 74, 75, 77, 78,
        ],
    ];
    // ShuffleSplit(..., test_size=0.5, random_state=3).split(range(90)), the first split
    const HALF_TRAIN_3: &[usize] = &[
        18, 81, 68, 85, 28, 82, 79, 49, 30, 77, 37, 48, 15, 33, 43, 87, 7, 62, 59, 89, 29, 51, 1,
        60, 63, 2, 66, 22, 26, 14, 39, 44, 20, 38, 84, 10, 41, 74, 19, 21, 0, 72, 56, 3, 24,
    ];
    const HALF_TEST_3: &[usize] = &[
        83, 9, 25, 88, 69, 57, 42, 64, 86, 75, 50, 6, 78, 52, 73, 12, 8, 4, 70, 65, 17, 54, 40, 31,
        5, 13, 47, 23, 11, 53, 45, 46, 32, 34, 16, 27, 35, 36, 80, 71, 67, 58, 76, 61, 55,
    ];

    #[test]
    fn splits_of_17_groups_match_sklearn() {
        // The groups of the reference are 0..=16 without 11.
        let present: Vec<usize> = (0..17).filter(|&g| g != 11).collect();
        for (fraction, expected) in [(0.25, TRAIN_25), (0.5, TRAIN_5), (0.8, TRAIN_8)] {
            let splits = group_shuffle_split(16, expected.len(), fraction, 0).unwrap();
            for (split, expected) in splits.iter().zip(expected) {
                let train: Vec<usize> = split.train.iter().map(|&g| present[g]).collect();
                assert_eq!(train, expected);
            }
        }
    }

    #[test]
    fn test_sides_of_79_groups_match_sklearn() {
        let splits = group_shuffle_split(79, 100, 0.5, 0).unwrap();
        assert_eq!(splits.len(), 100);
        for (split, expected) in splits.iter().zip(TEST_79) {
            assert_eq!(split.test, expected);
            assert_eq!((split.train.len(), split.test.len()), (39, 40));
            let mut all = [split.train.clone(), split.test.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..79).collect::<Vec<_>>());
        }
    }

    #[test]
    fn train_test_split_matches_sklearn_in_order() {
        let split = train_test_split(90, 0.5, 3).unwrap();
        assert_eq!(split.train, HALF_TRAIN_3);
        assert_eq!(split.test, HALF_TEST_3);
    }

    #[test]
    fn another_seed_gives_other_splits() {
        let zero = group_shuffle_split(79, 10, 0.5, 0).unwrap();
        let one = group_shuffle_split(79, 10, 0.5, 1).unwrap();
        assert!(zero.iter().zip(&one).all(|(a, b)| a != b));
    }

    #[test]
    fn a_fraction_that_empties_a_side_is_an_error() {
        for fraction in [0.0, 1.0, -0.1, f64::NAN, 0.005] {
            assert!(
                group_shuffle_split(79, 1, fraction, 0).is_err(),
                "{fraction}"
            );
        }
        assert!(group_shuffle_split(0, 1, 0.5, 0).is_err());
        assert!(train_test_split(1, 0.5, 0).is_err());
    }
}
