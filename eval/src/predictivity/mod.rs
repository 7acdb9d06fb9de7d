//! Neural predictivity: how much of the explainable response of each unit a model's features predict on held-out
//! conditions.
//!
//! In order:
//!
//! 1. [`Halves`] (or [`Trials`]) are the responses with their split halves.
//! 2. [`SplitScheme`] draws the splits, by condition.
//! 3. [`predictivity`] fits a [`Map`](crate::linear::Map) to all trials and to each half, scores the held-out rows
//!    ([`UnitScore`]), and summarises units and population with intervals; [`predictivity_of_trials`] halves the trials
//!    again and again.
//! 4. [`between_animals`] predicts one animal from another, the ceiling.
//! 5. [`geometry`] compares distances between rows instead.
//!
//! Source: Nayebi et al. (2023), section on neural predictivity, and their released code.

mod animals;
mod evaluate;
mod geometry;
mod halves;
pub(crate) mod interval;
mod score;
mod split;

pub use animals::{BetweenAnimals, between_animals};
pub use evaluate::{
    Options, Population, Predictivity, Source, SplitScores, TrialPredictivity, TrialSource,
    UnitSummary, predictivity, predictivity_of_trials,
};
pub use geometry::{geometry, geometry_corrected, row_distances};
pub use halves::{Halves, RecordedHalves, Trials};
pub use interval::{IntervalOptions, PercentileInterval};
pub use score::{Correction, Metric, UnitScore, standard_error, weighted_standard_error};
pub use split::{RowSplit, SplitBy, SplitScheme};
