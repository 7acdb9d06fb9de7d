//! A model's predictions of contact beside the truth and beside people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::people::{ClipKey, HumanClip, People};
use super::{Scenario, clip_name};
use crate::error::{Error, Result};
use crate::stats;
use crate::stats::bootstrap::{Bootstrap, Interval};

/// What a model says of one test clip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Scenario.
    pub scenario: Scenario,
    /// Name, with or without `-redyellow`.
    pub name: String,
    /// Whether the objects touch, as the model's side has it.
    pub label: bool,
    /// P(contact), 0 to 1.
    pub p_contact: f64,
}

impl Prediction {
    /// Whether the more probable outcome is the true one. 0.5 counts as no contact, as in scikit-learn.
    #[must_use]
    pub fn right(&self) -> bool {
        (self.p_contact > 0.5) == self.label
    }

    fn key(&self) -> ClipKey {
        (self.scenario, clip_name(&self.name))
    }
}

/// Share of right predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Over all clips.
    pub overall: f64,
    /// Clips.
    pub n: usize,
    /// In each scenario that has any, in their order.
    pub scenarios: Vec<ScenarioAccuracy>,
}

/// Share of right predictions in one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioAccuracy {
    /// Scenario.
    pub scenario: Scenario,
    /// Share of right predictions.
    pub accuracy: f64,
    /// Clips.
    pub n: usize,
}

/// Accuracy over all clips and by scenario.
///
/// [`Error::TooFew`] without predictions; [`Error::Invalid`] for a probability outside of [0, 1].
pub fn per_scenario_accuracy(predictions: &[Prediction]) -> Result<Accuracy> {
    if predictions.is_empty() {
        return Err(Error::too_few("predictions", 1, 0));
    }
    check(predictions)?;
    let share = |right: &[bool]| right.iter().filter(|r| **r).count() as f64 / right.len() as f64;
    let all: Vec<bool> = predictions.iter().map(Prediction::right).collect();
    let scenarios = Scenario::EVERY
        .into_iter()
        .filter_map(|scenario| {
            let of = predictions.iter().filter(|p| p.scenario == scenario);
            let right: Vec<bool> = of.map(Prediction::right).collect();
            (!right.is_empty()).then(|| ScenarioAccuracy {
                scenario,
                accuracy: share(&right),
                n: right.len(),
            })
        })
        .collect();
    Ok(Accuracy {
        overall: share(&all),
        n: all.len(),
        scenarios,
    })
}

/// What to do with a clip that people have and the model has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    /// It is an error.
    Refuse,
    /// It is counted.
    Count,
}

/// A model beside people in one scenario, over the clips that both have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioAgreement {
    /// Scenario.
    pub scenario: Scenario,
    /// Clips.
    pub n: usize,
    /// Share of clips that the model gets right, with an interval over clips.
    pub accuracy: Interval,
    /// Mean over clips of the people's share of right answers.
    pub people_accuracy: f64,
    /// Pearson correlation of P(contact) with the share of "yes", with an interval over clips.
    pub r: Interval,
    /// Root mean squared difference of P(contact) and the share of "yes".
    pub rmse: f64,
    /// The quantity that Physion's notebook calls RMSE: Euclidean distance over N, not over √N. For comparison with its
    /// figures only.
    pub notebook_distance: f64,
}

/// A model beside people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgainstPeople {
    /// Scenarios that people have clips of, in their order.
    pub scenarios: Vec<ScenarioAgreement>,
    /// Mean of the scenarios' correlations. NaN (null) if one is undefined.
    #[serde(with = "crate::nan_as_null")]
    pub mean_r: f64,
    /// Clips that the model has and people have not.
    pub without_people: usize,
    /// Clips that people have and the model has not.
    pub without_prediction: usize,
    /// Clips left out because model's and people's tables disagree about the outcome.
    pub label_disagrees: usize,
}

/// Compare predictions with people, scenario by scenario. Clips are joined on (scenario, name).
///
/// [`Error::Invalid`] for a clip that is there twice, a probability outside of [0, 1], or (with [`Unmatched::Refuse`]) a
/// clip without prediction; [`Error::TooFew`] where a scenario has fewer clips than the bootstrap accepts.
pub fn against_people(
    predictions: &[Prediction],
    people: &People,
    unmatched: Unmatched,
    bootstrap: &Bootstrap,
) -> Result<AgainstPeople> {
    check(predictions)?;
    let mut by_key: BTreeMap<ClipKey, &Prediction> = BTreeMap::new();
    for prediction in predictions {
        let key = prediction.key();
        if by_key.insert(key.clone(), prediction).is_some() {
            return Err(Error::invalid(
                "predictions",
                format!("{} of {} is there twice", key.1, key.0.name()),
            ));
        }
    }
    let mut pairs: BTreeMap<Scenario, Vec<(&Prediction, &HumanClip)>> = BTreeMap::new();
    let mut known: BTreeSet<ClipKey> = BTreeSet::new();
    let (mut without_prediction, mut label_disagrees) = (0, 0);
    for clip in &people.clips {
        let key = (clip.scenario, clip.name.clone());
        if !known.insert(key.clone()) {
            return Err(Error::invalid(
                "people",
                format!("{} of {} is there twice", key.1, key.0.name()),
            ));
        }
        match by_key.get(&key) {
            None if unmatched == Unmatched::Refuse => {
                return Err(Error::invalid(
                    "predictions",
                    format!("none for {} of {}, which people have", key.1, key.0.name()),
                ));
            }
            None => without_prediction += 1,
            Some(prediction) if prediction.label != clip.label => label_disagrees += 1,
            Some(prediction) => pairs
                .entry(clip.scenario)
                .or_default()
                .push((prediction, clip)),
        }
    }
    let without_people = by_key.keys().filter(|key| !known.contains(*key)).count();
    let scenarios: Vec<ScenarioAgreement> = pairs
        .iter()
        .map(|(&scenario, pairs)| one(scenario, pairs, bootstrap))
        .collect::<Result<_>>()?;
    let r: Vec<f64> = scenarios.iter().map(|s| s.r.estimate).collect();
    Ok(AgainstPeople {
        scenarios,
        mean_r: stats::mean(&r),
        without_people,
        without_prediction,
        label_disagrees,
    })
}

fn one(
    scenario: Scenario,
    pairs: &[(&Prediction, &HumanClip)],
    bootstrap: &Bootstrap,
) -> Result<ScenarioAgreement> {
    let n = pairs.len();
    let p: Vec<f64> = pairs.iter().map(|(p, _)| p.p_contact).collect();
    let yes: Vec<f64> = pairs.iter().map(|(_, h)| h.p_yes).collect();
    let right: Vec<f64> = pairs
        .iter()
        .map(|(p, _)| f64::from(u8::from(p.right())))
        .collect();
    let correct: Vec<f64> = pairs.iter().map(|(_, h)| h.correct).collect();
    let clip = |i: usize| ([p[i]], [yes[i]]);
    let sums = stats::moments::Moments::per_condition(&(0..n).map(clip).collect::<Vec<_>>())?;
    let r = |drawn: &[usize]| {
        let mut total = stats::moments::Moments::default();
        drawn.iter().for_each(|&i| total.add(&sums[i]));
        total.pearson()
    };
    let share = |drawn: &[usize]| drawn.iter().map(|&i| right[i]).sum::<f64>() / drawn.len() as f64;
    let rmse = stats::root_mean_squared_error(&p, &yes);
    Ok(ScenarioAgreement {
        scenario,
        n,
        accuracy: bootstrap.interval(&format!("accuracy in {}", scenario.name()), n, share)?,
        people_accuracy: stats::mean(&correct),
        r: bootstrap.interval(&format!("r with people in {}", scenario.name()), n, r)?,
        rmse,
        notebook_distance: rmse / (n as f64).sqrt(),
    })
}

fn check(predictions: &[Prediction]) -> Result<()> {
    match predictions
        .iter()
        .find(|p| !(0.0..=1.0).contains(&p.p_contact))
    {
        None => Ok(()),
        Some(bad) => Err(Error::invalid(
            "predictions",
            format!(
                "P(contact) of {} is {}, not in [0, 1]",
                bad.name, bad.p_contact
            ),
        )),
    }
}
