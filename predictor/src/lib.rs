//! Latent future predictors: a frozen encoder turns frames into latents, a small recurrent network
//! forecasts the latents that follow.
//!
//! In the order of the work: [`playworld`] makes pretraining videos, [`training`] fits
//! [`encoders`] and [`dynamics`] on them, [`weights`] loads what was fitted (strictly, and the
//! bundled networks), [`Predictor`] puts encoder, dynamics and protocol together, [`latents`] runs it over
//! a condition set, and [`observers`] are references that know the ball's state and learn nothing.

pub mod device;
pub mod dynamics;
pub mod encoders;
mod error;
mod kernels;
pub mod latents;
pub mod observers;
pub mod params;
pub mod playworld;
pub mod predictor;
pub mod training;
pub mod weights;

pub use error::{Error, Result};
pub use predictor::{Null, Predictor};
