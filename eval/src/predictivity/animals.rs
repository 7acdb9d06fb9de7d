//! One animal predicted from another: what a model that is another animal's brain would reach.

use mental_pong_base::Monitor;
use serde::{Deserialize, Serialize};

use super::evaluate::{Options, Predictivity, Source, predictivity};
use super::halves::Halves;
use super::split::RowSplit;
use crate::error::Result;
use crate::linear::Map;

/// How one animal is mapped to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BetweenAnimals {
    /// For each unit the one unit of the other animal that is most like it ([`Map::BestFeature`]): the stricter ceiling.
    OneToOne,
    /// All units of the other animal together, by the map of the options: the ceiling for models that are mapped so.
    Pooled,
}

/// Predictivity of `target` from the responses of another animal to the same conditions and bins. Half is mapped to half,
/// so that the noise of both animals is corrected for. Errors as [`predictivity`].
pub fn between_animals(
    source: &Halves,
    target: &Halves,
    conditions: &[usize],
    splits: &[RowSplit],
    how: BetweenAnimals,
    options: &Options,
    monitor: &impl Monitor,
) -> Result<Predictivity> {
    let mut options = options.clone();
    if how == BetweenAnimals::OneToOne {
        options.map = Map::BestFeature;
        options.factors = None;
    }
    predictivity(
        Source::Halves(source),
        target,
        conditions,
        splits,
        &options,
        monitor,
    )
}
