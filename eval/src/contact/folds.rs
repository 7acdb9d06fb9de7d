//! scikit-learn's stratified folds, index for index.

use mental_pong_game::task::Split;
use mental_pong_game::task::numpy_random::RandomState;

use crate::error::{Error, Result};

/// `StratifiedKFold(n_splits, shuffle=True, random_state=seed)` of scikit-learn 1.x over two classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StratifiedKFold {
    /// Number of folds.
    pub folds: usize,
    /// Seed of the legacy `RandomState`.
    pub seed: u32,
}

impl Default for StratifiedKFold {
    /// As published: 5 folds, seed 42.
    fn default() -> Self {
        Self { folds: 5, seed: 42 }
    }
}

impl StratifiedKFold {
    /// The folds of `labels` `[clip]`: each clip is in one test side, both sides ascending.
    ///
    /// [`Error::Invalid`] for fewer than two folds; [`Error::TooFew`] if a class has fewer clips than there are folds
    /// (scikit-learn goes on with a warning where only one class does).
    pub fn split(&self, labels: &[bool]) -> Result<Vec<Split>> {
        if self.folds < 2 {
            return Err(Error::invalid(
                "folds",
                format!("{}; needs two", self.folds),
            ));
        }
        for class in [false, true] {
            let count = labels.iter().filter(|&&l| l == class).count();
            if count < self.folds {
                return Err(Error::too_few(
                    format!("clips with label {class} for {} folds", self.folds),
                    self.folds,
                    count,
                ));
            }
        }
        // Classes count in order of first appearance; a fold gets every `folds`-th of the sorted labels.
        let first = labels[0];
        let n_first = labels.iter().filter(|&&l| l == first).count();
        let mut stream = RandomState::new(self.seed);
        let mut fold_of = vec![0; labels.len()];
        for (class, range) in [(first, 0..n_first), (!first, n_first..labels.len())] {
            let mut folds: Vec<usize> = (0..self.folds)
                .flat_map(|fold| {
                    let members = range
                        .clone()
                        .filter(move |i| i % self.folds == fold)
                        .count();
                    std::iter::repeat_n(fold, members)
                })
                .collect();
            stream.shuffle(&mut folds);
            let members = labels.iter().enumerate().filter(|(_, l)| **l == class);
            for ((clip, _), fold) in members.zip(folds) {
                fold_of[clip] = fold;
            }
        }
        Ok((0..self.folds)
            .map(|fold| {
                let (test, train) = (0..labels.len()).partition(|&clip| fold_of[clip] == fold);
                Split { train, test }
            })
            .collect())
    }
}
