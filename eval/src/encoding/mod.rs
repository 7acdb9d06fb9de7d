//! What single units respond to: a linear model of each unit from ball, hand and eye, and how much of it each explains.
//!
//! Rajalingham, Sohn & Jazayeri 2025, Methods ("encoding", Eq. 3) and the authors' `run_glm`: ordinary least squares with 15
//! regressors, 13 lags, ten folds, eleven models. All units share their regressors, so one matrix of sums for each fold
//! serves all of them.
//!
//! Two things of the published run are kept apart from what is reported by default (trap 19 of the specification): its
//! folds draw single bins, so that neighbours in time stand on both sides; and the variance explained that it returns is
//! that of the last fold.

mod design;
mod folds;
mod glm;
mod partition;

pub use design::{
    ALLOCENTRIC, BOUNCE, BOUNCE_BEND, Design, EGOCENTRIC, Model, REGRESSORS, bounces,
};
pub use folds::Folds;
pub use glm::{EncodingOptions, EncodingResult, UnitEncoding, encode};
pub use partition::Partition;
