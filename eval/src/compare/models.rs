//! Each model with its interval, each pair with its difference and test.

use serde::{Deserialize, Serialize};

use super::{Contributions, Measure};
use crate::error::{Error, Result};
use crate::stats::bootstrap::{Bootstrap, Interval};
use crate::stats::effect;
use crate::stats::multiple::Correction;
use crate::stats::permutation::{Permutation, TestResult};
use crate::stats::rank_tests;

/// A model and what each unit adds to its statistic.
#[derive(Debug, Clone)]
pub struct ModelScores {
    /// Name for the table.
    pub name: String,
    /// The same units in the same order for all models.
    pub contributions: Contributions,
}

/// How a pair is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairTest {
    /// Swap the two models' contributions within units: for every measure. For means of scores it is the sign-flip test of
    /// the differences.
    Swap,
    /// Wilcoxon's signed ranks of the differences unit by unit: not for correlations.
    SignedRank,
}

/// How models are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ComparisonSettings {
    /// Intervals of models and of differences; both models of a pair see the same resamples.
    pub bootstrap: Bootstrap,
    /// Arrangements and side of the tests.
    pub permutation: Permutation,
    /// How a pair is tested.
    pub test: PairTest,
    /// Correction over all pairs.
    pub correction: Correction,
    /// Level of the corrected p.
    pub alpha: f64,
}

impl Default for ComparisonSettings {
    /// 95 % BCa intervals, swaps, Holm, 0.05.
    fn default() -> Self {
        Self {
            bootstrap: Bootstrap::default(),
            permutation: Permutation::default(),
            test: PairTest::Swap,
            correction: Correction::Holm,
            alpha: 0.05,
        }
    }
}

/// A model's statistic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInterval {
    /// Model.
    pub name: String,
    /// The statistic with its interval over units.
    pub interval: Interval,
}

/// A pair of models, the first less the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairComparison {
    /// First model: place in the list of models.
    pub first: usize,
    /// Second model: place in the list of models, after the first.
    pub second: usize,
    /// First less second, with its interval over paired resamples.
    pub difference: Interval,
    /// The test of no difference.
    pub test: TestResult,
    /// p over all pairs of the table.
    #[serde(with = "crate::nan_as_null")]
    pub p_corrected: f64,
    /// Mean over standard deviation of the units' differences (Cohen's d_z). NaN (null) for correlations, which a unit alone
    /// does not have, and where all differences are equal.
    #[serde(with = "crate::nan_as_null")]
    pub cohen_dz: f64,
    /// Matched-pairs rank-biserial correlation of the units' differences; NaN (null) as `cohen_dz`, or where all are 0.
    #[serde(with = "crate::nan_as_null")]
    pub rank_biserial: f64,
    /// Place of the better model; `None` where the corrected p is not below the level.
    pub better: Option<usize>,
}

/// Models and all their pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The statistic.
    pub measure: Measure,
    /// Units: conditions, or neurons.
    pub n: usize,
    /// In the order given.
    pub models: Vec<ModelInterval>,
    /// Each pair once: (0, 1), (0, 2), …, (1, 2), ….
    pub pairs: Vec<PairComparison>,
    /// The settings.
    pub settings: ComparisonSettings,
    /// What a reader has to know, for example that no pair can pass the correction with these numbers.
    pub warnings: Vec<String>,
}

/// Compare models on the same units. A pair that cannot be told apart has no better one; equal models have p 1.
///
/// Bootstrap and permutations use the same seed for all pairs, so the order of the models changes no number but its sign.
/// [`Error::TooFew`] below two models or the smallest number of units; [`Error::Invalid`] or [`Error::Shape`] for models that
/// were not scored on the same units and truth, a name that is there twice, or signed ranks of correlations.
pub fn compare_models(models: &[ModelScores], settings: &ComparisonSettings) -> Result<Comparison> {
    if models.len() < 2 {
        return Err(Error::too_few("models to compare", 2, models.len()));
    }
    if !(settings.alpha > 0.0 && settings.alpha < 1.0) {
        return Err(Error::invalid(
            "alpha",
            format!("{} is not inside (0, 1)", settings.alpha),
        ));
    }
    let first = &models[0];
    for (i, model) in models.iter().enumerate() {
        if models[..i].iter().any(|other| other.name == model.name) {
            return Err(Error::invalid(
                "models",
                format!("{} is there twice", model.name),
            ));
        }
        first
            .contributions
            .check_same_units(&model.contributions, (&first.name, &model.name))?;
    }
    let n = first.contributions.n();
    let intervals = models
        .iter()
        .map(|model| {
            let statistic = |drawn: &[usize]| model.contributions.value_of(drawn);
            Ok(ModelInterval {
                name: model.name.clone(),
                interval: settings.bootstrap.interval(&model.name, n, statistic)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut pairs = Vec::new();
    for first in 0..models.len() {
        for second in first + 1..models.len() {
            pairs.push(pair(models, (first, second), settings)?);
        }
    }
    let p: Vec<f64> = pairs.iter().map(|pair| pair.test.p).collect();
    let measure = models[0].contributions.measure();
    for (pair, p) in pairs.iter_mut().zip(settings.correction.adjust(&p)?) {
        pair.p_corrected = p;
        let first_wins = (pair.difference.estimate > 0.0) == measure.larger_is_better();
        let winner = if first_wins { pair.first } else { pair.second };
        pair.better = (p < settings.alpha).then_some(winner);
    }
    Ok(Comparison {
        measure,
        n,
        warnings: warnings(&pairs, settings),
        models: intervals,
        pairs,
        settings: *settings,
    })
}

fn pair(
    models: &[ModelScores],
    (first, second): (usize, usize),
    settings: &ComparisonSettings,
) -> Result<PairComparison> {
    let (a, b) = (&models[first].contributions, &models[second].contributions);
    let what = format!("{} - {}", models[first].name, models[second].name);
    let n = a.n();
    let difference = settings
        .bootstrap
        .interval(&what, n, |drawn| a.value_of(drawn) - b.value_of(drawn))?;
    let unit_differences = a.unit_differences(b);
    let test = match settings.test {
        PairTest::Swap => settings.permutation.swap(&what, n, |swapped| {
            a.value_swapped(b, swapped) - b.value_swapped(a, swapped)
        })?,
        PairTest::SignedRank => {
            let differences = unit_differences.as_deref().ok_or_else(|| {
                Error::invalid(
                    "test of pairs",
                    "signed ranks need a score for each unit, which a correlation is not; use swaps",
                )
            })?;
            rank_tests::signed_rank(
                &what,
                differences,
                settings.permutation.alternative,
                settings.permutation.min_n,
            )?
        }
    };
    Ok(PairComparison {
        first,
        second,
        difference,
        test,
        p_corrected: f64::NAN,
        cohen_dz: unit_differences
            .as_deref()
            .map_or(f64::NAN, effect::cohen_dz),
        rank_biserial: unit_differences
            .as_deref()
            .map_or(f64::NAN, effect::rank_biserial),
        better: None,
    })
}

fn warnings(pairs: &[PairComparison], settings: &ComparisonSettings) -> Vec<String> {
    let floor = pairs
        .iter()
        .map(|pair| pair.test.p_floor)
        .fold(0.0, f64::max);
    let factor = match settings.correction {
        Correction::Holm => pairs.len() as f64,
        Correction::BenjaminiHochberg | Correction::None => 1.0,
    };
    let mut out = Vec::new();
    if floor * factor >= settings.alpha {
        out.push(format!(
            "the smallest possible p is {floor:.2e}; over {} pairs it cannot fall below {} even if the difference is there: \
             take more permutations or units",
            pairs.len(),
            settings.alpha
        ));
    }
    let undefined = pairs.iter().filter(|pair| pair.test.p.is_nan()).count();
    if undefined > 0 {
        out.push(format!(
            "{undefined} of {} pairs have an undefined difference and no p",
            pairs.len()
        ));
    }
    out
}
