//! The classifier of contact: C by cross-validation, then all training clips.

use serde::{Deserialize, Serialize};

use super::StratifiedKFold;
use super::logistic::{LogisticFit, LogisticPath, probability};
use crate::array::Array2;
use crate::error::{Error, Result};

/// How the classifier is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactSettings {
    /// Values of C to choose from, rising.
    pub c_grid: Vec<f64>,
    /// Folds of the choice.
    pub folds: StratifiedKFold,
}

impl Default for ContactSettings {
    /// As published: `logspace(-8, 8, 17)`, five stratified folds of seed 42.
    fn default() -> Self {
        Self {
            c_grid: (-8..=8).map(|e| 10_f64.powi(e)).collect(),
            folds: StratifiedKFold::default(),
        }
    }
}

/// One C in the cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GridPoint {
    /// C.
    pub c: f64,
    /// `[fold]`, share of the held-out clips that were right.
    pub fold_accuracy: Vec<f64>,
    /// Mean over folds.
    pub mean_accuracy: f64,
}

/// A classifier of contact, chosen and fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactModel {
    /// The chosen C: the highest mean accuracy, the smallest C of equals.
    pub c: f64,
    /// Every C that was tried.
    pub grid: Vec<GridPoint>,
    /// Share of the training clips that the refitted classifier gets right. Not a measure of the model.
    pub train_accuracy: f64,
    /// Training clips.
    pub n_train: usize,
    /// The classifier, fitted on all training clips.
    pub fit: LogisticFit,
}

impl ContactModel {
    /// Choose and fit on `features` `[clip, feature]` and `labels` `[clip]` (true: contact). Scaling is part of each fold's
    /// fit. The result does not depend on the number of threads.
    ///
    /// [`Error::Invalid`] for a grid that is empty or does not rise; errors of [`StratifiedKFold::split`] and
    /// [`LogisticPath`].
    pub fn train(features: &Array2, labels: &[bool], settings: &ContactSettings) -> Result<Self> {
        let grid = &settings.c_grid;
        if grid.is_empty() || grid.windows(2).any(|w| w[0] >= w[1]) {
            return Err(Error::invalid(
                "grid of C",
                "it has to hold values that rise",
            ));
        }
        let all: Vec<usize> = (0..labels.len()).collect();
        // Here, before hours of folds, and not at the refit.
        if labels.len() != features.rows() {
            return Err(Error::shape(
                "labels",
                format!("{} clips, as the features", features.rows()),
                format!("{} clips", labels.len()),
            ));
        }
        let mut points: Vec<GridPoint> = grid
            .iter()
            .map(|&c| GridPoint {
                c,
                fold_accuracy: Vec::new(),
                mean_accuracy: 0.0,
            })
            .collect();
        // One fold at a time: at full size a fold fills the memory, and its products use all threads.
        for split in settings.folds.split(labels)? {
            let path = LogisticPath::new(features, labels, &split.train)?;
            let mut state = path.start();
            for point in &mut points {
                path.solve(point.c, &mut state)?;
                let fit = path.expand(point.c, &state, 0);
                let odds = fit.log_odds_of(features, &split.test);
                let truth = split.test.iter().map(|&clip| labels[clip]);
                point.fold_accuracy.push(accuracy(&odds, truth));
            }
        }
        let mut best = 0;
        for index in 0..points.len() {
            let folds = &points[index].fold_accuracy;
            points[index].mean_accuracy = folds.iter().sum::<f64>() / folds.len() as f64;
            if points[index].mean_accuracy > points[best].mean_accuracy {
                best = index;
            }
        }
        let c = points[best].c;
        let fit = LogisticPath::new(features, labels, &all)?.fit(c)?;
        let odds = fit.log_odds_of(features, &all);
        Ok(Self {
            c,
            grid: points,
            train_accuracy: accuracy(&odds, labels.iter().copied()),
            n_train: labels.len(),
            fit,
        })
    }

    /// P(contact), `[clip]`, for `features` `[clip, feature]`: the second column of scikit-learn's `predict_proba`.
    ///
    /// [`Error::Shape`] if the features differ from the training's, [`Error::NotFinite`] for NaN or infinity.
    pub fn probabilities(&self, features: &Array2) -> Result<Vec<f64>> {
        if let Some(index) = features.as_slice().iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: "features of the test clips".into(),
                index,
                value: features.as_slice()[index],
            });
        }
        let odds = self.fit.log_odds(features)?;
        Ok(odds.into_iter().map(probability).collect())
    }
}

/// Share of clips whose log-odds are above 0 where the truth is contact, and not above where it is not.
fn accuracy(odds: &[f64], truth: impl Iterator<Item = bool>) -> f64 {
    let right = odds
        .iter()
        .zip(truth)
        .filter(|(m, y)| (**m > 0.0) == *y)
        .count();
    right as f64 / odds.len() as f64
}
