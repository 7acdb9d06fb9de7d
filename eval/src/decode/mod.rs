//! Reading the ball out of features with one linear map, as was done with DMFC.

mod endpoint;
pub mod inputs;
mod layout;
mod online;
mod partial;
mod parts;
mod refit;
mod scoring;
mod sweeps;
pub mod variables;

pub use endpoint::{
    BehaviorRelation, EndpointCurve, EndpointDecoder, EndpointPoint, EndpointResult, SecondStage,
    ShuffledEndpoint,
};
pub use inputs::{Epochs, FromRecording, Inputs, Pairing, Variable, variable};
pub use layout::{ConditionRows, Epoch, Layout, Split};
pub use online::{
    EpochTarget, HeldOut, OnlineDecoder, OnlineResult, OverTime, PooledScores, PooledSplit, Score,
    SplitScores, TargetSummary,
};
pub use partial::{Offset, PartialCorrelation, partial_correlation, partial_correlations};
pub use parts::{BinErrors, ErrorsOverTime, GivenCovariate, Part};
pub use sweeps::{
    Generalization, Lag, TrainSize, generalization, group_splits, lag_sweep, published_train_sizes,
    train_size_curve,
};
pub use variables::ConditionSet;

use crate::array::Array2;
use crate::error::{Error, Result};
use layout::kept_rows;

/// Features checked against a layout and cut to the rows that take part.
pub(crate) struct Kept {
    /// `[condition]` positions in the layout's rows.
    pub(crate) rows: Vec<Vec<usize>>,
    /// `[condition][kept bin, unit]`.
    pub(crate) features: Vec<Array2>,
    /// Rows of the layout that were dropped for a missing value.
    pub(crate) dropped: usize,
}

impl Kept {
    /// `complete(condition, row)` says whether the targets of a row are complete.
    pub(crate) fn new(layout: &Layout, features: &[Array2], targets: &[Array2]) -> Result<Self> {
        if features.len() != layout.conditions().len() {
            return Err(Error::shape(
                "features",
                format!("{} conditions", layout.conditions().len()),
                format!("{} conditions", features.len()),
            ));
        }
        let mut kept = Self {
            rows: Vec::new(),
            features: Vec::new(),
            dropped: 0,
        };
        for ((condition, x), y) in layout.conditions().iter().zip(features).zip(targets) {
            if x.rows() != condition.bins.len() {
                return Err(Error::shape(
                    format!("features of condition {}", condition.id),
                    format!("{} bins", condition.bins.len()),
                    format!("{} bins", x.rows()),
                ));
            }
            let rows = kept_rows(x, y);
            kept.dropped += x.rows() - rows.len();
            kept.features.push(take(x, &rows));
            kept.rows.push(rows);
        }
        Ok(kept)
    }
}

pub(crate) fn take(a: &Array2, rows: &[usize]) -> Array2 {
    Array2::from_fn(rows.len(), a.cols(), |i, j| a.get(rows[i], j))
}
