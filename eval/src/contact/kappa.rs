//! Cohen's kappa: agreement of two raters beyond what their rates of "yes" give by chance.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stats::quantile;

/// κ = (p_o − p_e) / (1 − p_e) of two raters' binary answers to the same clips (Cohen 1960). As scikit-learn: NaN where both
/// are constant and equal, 0 where one alone is constant. NaN for slices that are empty or of different length.
#[must_use]
pub fn cohen_kappa(a: &[bool], b: &[bool]) -> f64 {
    if a.len() != b.len() || a.is_empty() {
        return f64::NAN;
    }
    let n = a.len() as f64;
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count() as f64;
    let yes_a = a.iter().filter(|a| **a).count() as f64;
    let yes_b = b.iter().filter(|b| **b).count() as f64;
    // Counts times n: exact, so that "no disagreement possible" is exactly 0.
    let expected = yes_a * yes_b + (n - yes_a) * (n - yes_b);
    if expected == n * n {
        return f64::NAN;
    }
    (equal * n - expected) / (n * n - expected)
}

/// κ over participants, or over pairs of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KappaSummary {
    /// Median.
    #[serde(with = "crate::nan_as_null")]
    pub median: f64,
    /// 2.5th percentile: a range over participants or pairs, not an interval of the median.
    #[serde(with = "crate::nan_as_null")]
    pub p025: f64,
    /// 97.5th percentile.
    #[serde(with = "crate::nan_as_null")]
    pub p975: f64,
    /// Participants or pairs where κ is defined.
    pub n: usize,
    /// Those where it is not: no clip in common, or both constant and equal.
    pub n_undefined: usize,
}

impl KappaSummary {
    fn of(values: &[f64]) -> Self {
        let defined: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        Self {
            median: quantile(&defined, 0.5),
            p025: quantile(&defined, 0.025),
            p975: quantile(&defined, 0.975),
            n: defined.len(),
            n_undefined: values.len() - defined.len(),
        }
    }
}

/// κ of a model's binary outcome `[clip]` with each participant. `responses` is `[participant][clip]`, `None` where a clip
/// was not answered; such clips are left out of that pair.
///
/// [`Error::Shape`] where a participant has another number of clips; [`Error::TooFew`] without participants.
pub fn model_with_people(model: &[bool], responses: &[Vec<Option<bool>>]) -> Result<KappaSummary> {
    check(model.len(), responses, 1)?;
    let model: Vec<Option<bool>> = model.iter().copied().map(Some).collect();
    let values: Vec<f64> = responses.iter().map(|r| both(&model, r)).collect();
    Ok(KappaSummary::of(&values))
}

/// κ of all pairs of participants, `responses` as in [`model_with_people`].
///
/// [`Error::Shape`] where a participant has another number of clips; [`Error::TooFew`] with fewer than two.
pub fn people_with_people(responses: &[Vec<Option<bool>>]) -> Result<KappaSummary> {
    check(responses.first().map_or(0, Vec::len), responses, 2)?;
    let mut values = Vec::new();
    for (i, first) in responses.iter().enumerate() {
        for second in &responses[i + 1..] {
            values.push(both(first, second));
        }
    }
    Ok(KappaSummary::of(&values))
}

fn both(a: &[Option<bool>], b: &[Option<bool>]) -> f64 {
    let (a, b): (Vec<bool>, Vec<bool>) = a
        .iter()
        .zip(b)
        .filter_map(|(a, b)| Some(((*a)?, (*b)?)))
        .unzip();
    cohen_kappa(&a, &b)
}

fn check(clips: usize, responses: &[Vec<Option<bool>>], needed: usize) -> Result<()> {
    if responses.len() < needed {
        return Err(Error::too_few(
            "participants for kappa",
            needed,
            responses.len(),
        ));
    }
    for (p, answers) in responses.iter().enumerate() {
        if answers.len() != clips {
            return Err(Error::shape(
                format!("answers of participant {p}"),
                format!("{clips} clips"),
                format!("{} clips", answers.len()),
            ));
        }
    }
    Ok(())
}
