//! Training of encoders and dynamics: on playworld by this project's recipes, and by the published one on
//! [`clips`] of anybody's.
//!
//! A run is a pure function of its configuration: the same file gives the same weights, in one go or
//! stopped and resumed, with any number of threads.

mod checkpoint;
pub mod clips;
mod descent;
mod dynamics;
mod encoder;
mod foresight;
mod one_step;
mod probe;
mod published;
mod rollouts;
mod sequences;
mod through_time;
mod towers;
mod walls;

pub use checkpoint::{Kept, LogRow, RunFolder};
pub use dynamics::{DynamicsTraining, train_dynamics};
pub use encoder::{EncoderTraining, Objective, standardised, train_encoder};
pub use foresight::{Foresight, HORIZONS, Horizon};
pub use one_step::{OneStep, Windows};
pub use probe::{Probe, ProbeReport, probe};
pub use published::{Best, PublishedRun, PublishedSources, PublishedTraining, train_published};
pub use rollouts::{RolloutTraining, train_rollouts};
pub use towers::{
    PictureTraining, PlaceTraining, TowersTraining, standardised_rooms, train_towers,
};
pub use walls::{Mean, WallsRow, walls};
