//! Models against each other: intervals, paired tests, corrections, and a table of layers over time.
//!
//! The unit of every resample and permutation is what is independent: a condition (or a neuron), with all its bins.
//! [`Contributions`] says what each unit adds to a statistic; [`compare_models`] gives each model an interval and each pair a
//! difference, a test, a corrected p and an effect size; [`layer_time_table`] does one analysis for several layers and times
//! from occlusion.

mod contributions;
mod layers;
mod models;

pub use contributions::{Contributions, Measure};
pub use layers::{
    BinScore, Layer, LayerTimeCell, LayerTimeTable, TimeBin, decode_in_bins, layer_time_table,
};
pub use models::{
    Comparison, ComparisonSettings, ModelInterval, ModelScores, PairComparison, PairTest,
    compare_models,
};
