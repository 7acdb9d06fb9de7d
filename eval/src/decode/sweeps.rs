//! Online decoding many times over: lags, training sizes, and from one kind of trial to another.

use mental_pong_game::task::group_shuffle_split;
use serde::Serialize;

use super::inputs::{Epochs, Inputs, Pairing, Variable};
use super::layout::Split;
use super::online::{OnlineDecoder, PooledScores};
use crate::error::{Error, Result};
use crate::linear::Readout;
use crate::recordings::dmfc::{Mask, Responses};

/// The published splits: scikit-learn's `GroupShuffleSplit(n_splits, train_size, random_state = seed)` over conditions.
/// Errors of [`group_shuffle_split`].
pub fn group_splits(
    n_conditions: usize,
    n_splits: usize,
    train_size: f64,
    seed: u32,
) -> Result<Vec<Split>> {
    Ok(
        group_shuffle_split(n_conditions, n_splits, train_size, seed)?
            .into_iter()
            .map(|s| Split {
                train: s.train,
                test: s.test,
            })
            .collect(),
    )
}

/// One lag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lag {
    /// How responses and behaviour were put together.
    pub pairing: Pairing,
    /// Its bins in ms.
    pub lag_ms: f64,
    /// Scores at this lag.
    pub scores: PooledScores,
}

/// Online decoding at several pairings of responses and behaviour.
///
/// The published sweep is [`Pairing::RolledMask`] over [`super::variables::PUBLISHED_ROLLS`]: it compares sets of rows and not
/// times (see [`Inputs::matched`]). [`Pairing::Lag`] compares times; factors exist inside of the trial only, so that a lag
/// loses rows there. Errors as [`Inputs::matched`] and [`OnlineDecoder::run`].
#[allow(clippy::too_many_arguments, reason = "they are the analysis")]
pub fn lag_sweep(
    responses: &Responses,
    variables: &[Variable],
    mask: &Mask,
    epochs: Epochs<'_>,
    bin_ms: f64,
    pairings: impl IntoIterator<Item = Pairing>,
    splits: &[Split],
    readout: Readout,
) -> Result<Vec<Lag>> {
    pairings
        .into_iter()
        .map(|pairing| {
            let inputs = Inputs::paired(responses, variables, mask, pairing, epochs, None, bin_ms)?;
            let decoder = OnlineDecoder::new(&inputs.layout, &inputs.features)?;
            Ok(Lag {
                pairing,
                lag_ms: pairing.bins() as f64 * bin_ms,
                scores: decoder.scores(splits, readout)?,
            })
        })
        .collect()
}

/// One training size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainSize {
    /// Share of the conditions.
    pub fraction: f64,
    /// Conditions that were trained on.
    pub n_train: usize,
    /// Scores on all other conditions.
    pub scores: PooledScores,
}

/// The published training sizes (P25, Fig. S4A): `numpy.arange(.02, .8, .1)`.
#[must_use]
pub fn published_train_sizes() -> Vec<f64> {
    (0..8).map(|i| 0.02 + 0.1 * f64::from(i)).collect()
}

/// Accuracy by number of training conditions; published: 10 splits of seed 0 for each of [`published_train_sizes`].
///
/// The published axis shows `fraction * 79`; scikit-learn trains on the whole conditions below that. Errors as
/// [`group_splits`] and [`OnlineDecoder::run`].
pub fn train_size_curve(
    decoder: &OnlineDecoder<'_>,
    fractions: &[f64],
    n_splits: usize,
    seed: u32,
    readout: Readout,
) -> Result<Vec<TrainSize>> {
    let n = decoder.layout().conditions().len();
    fractions
        .iter()
        .map(|&fraction| {
            let splits = group_splits(n, n_splits, fraction, seed)?;
            Ok(TrainSize {
                fraction,
                n_train: splits[0].train.len(),
                scores: decoder.scores(&splits, readout)?,
            })
        })
        .collect()
}

/// From one class of conditions to the other and back (P25, Fig. S4A, squares: bounce and no bounce).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Generalization {
    /// Fitted on the conditions in the class, scored on the others.
    pub from_class: PooledScores,
    /// Fitted on the others, scored on the class.
    pub to_class: PooledScores,
    /// Conditions in the class.
    pub n_class: usize,
}

/// Fit on one class, test on the other, both ways; `class` are conditions, such as those with a bounce.
///
/// The published run draws a training half of the two classes 100 times, which gives these two splits again and again.
/// [`Error::Split`] if either side is empty.
pub fn generalization(
    decoder: &OnlineDecoder<'_>,
    class: &[usize],
    readout: Readout,
) -> Result<Generalization> {
    let n = decoder.layout().conditions().len();
    let mut class = class.to_vec();
    class.sort_unstable();
    class.dedup();
    if let Some(&bad) = class.iter().find(|&&c| c >= n) {
        return Err(Error::invalid("class", format!("condition {bad} of {n}")));
    }
    let rest: Vec<usize> = (0..n).filter(|c| class.binary_search(c).is_err()).collect();
    let one = |train: &[usize], test: &[usize]| {
        let split = Split {
            train: train.to_vec(),
            test: test.to_vec(),
        };
        decoder.scores(&[split], readout)
    };
    Ok(Generalization {
        from_class: one(&class, &rest)?,
        to_class: one(&rest, &class)?,
        n_class: class.len(),
    })
}
