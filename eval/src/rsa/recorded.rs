//! What the comparison needs of a recording.

use super::System;
use crate::array::Array2;
use crate::error::Result;
use crate::recordings::dmfc::{Half, Mask, Population, Recording, Responses, TrialType};

/// Recorded states of occluded trials, `[condition][bin, unit]`, in the bins of the mask `start_end_pad0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// All trials.
    pub full: Vec<Array2>,
    /// The two halves of the release's one split. Factors of each half were fitted by themselves.
    pub halves: [Vec<Array2>; 2],
    /// `[condition][bin, (x, y)]`, the displayed ball, degrees (`ball_pos_x_TRUE`, `ball_pos_y_TRUE`).
    pub ball: Vec<Array2>,
    /// `[condition]`, ids, if the recording has them. The axis and the models have to be in this order.
    pub condition_ids: Option<Vec<String>>,
}

impl Recorded {
    /// Responses of one population (published: [`Population::Factors`]`(50)`) and the ball.
    /// [`crate::error::Error::Field`] if the recording lacks one of them.
    pub fn load(recording: &Recording, population: Population) -> Result<Self> {
        let trials = TrialType::Occ;
        let mask = recording.mask(trials, "start_end_pad0")?;
        let states = |half| -> Result<Vec<Array2>> {
            by_condition(&recording.responses(trials, population, half)?, mask)
        };
        let [x, y] =
            ["ball_pos_x_TRUE", "ball_pos_y_TRUE"].map(|name| recording.behavior(trials, name));
        let (x, y) = (x?, y?);
        let ball = bins_of(mask, x.rows())
            .iter()
            .enumerate()
            .map(|(c, bins)| Array2::from_fn(bins.len(), 2, |i, k| [&x, &y][k].get(c, bins[i])))
            .collect();
        Ok(Self {
            full: states(Half::Full)?,
            halves: [states(Half::Sh1)?, states(Half::Sh2)?],
            ball,
            condition_ids: recording.condition_ids().map(<[String]>::to_vec),
        })
    }

    /// As the reference of a comparison.
    #[must_use]
    pub fn system<'a>(&'a self, name: &'a str) -> System<'a> {
        System::with_halves(name, &self.full, &self.halves[0], &self.halves[1])
    }
}

/// `[condition]`, bins inside of a mask.
fn bins_of(mask: &Mask, conditions: usize) -> Vec<Vec<usize>> {
    let mut bins = vec![Vec::new(); conditions];
    for (c, bin) in mask.cells() {
        bins[c].push(bin);
    }
    bins
}

/// `[condition][bin, unit]` of the bins inside of a mask.
fn by_condition(responses: &Responses, mask: &Mask) -> Result<Vec<Array2>> {
    mask.check(responses.conditions(), responses.bins())?;
    Ok(bins_of(mask, responses.conditions())
        .iter()
        .enumerate()
        .map(|(c, bins)| {
            Array2::from_fn(bins.len(), responses.units(), |i, unit| {
                responses.get(unit, c, bins[i])
            })
        })
        .collect())
}
