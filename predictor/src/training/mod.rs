//! Training of encoders and dynamics: on playworld by this project's recipes, and by the published one on
//! [`clips`] of anybody's.
//!
//! A run is a pure function of its configuration: the same file gives the same weights, in one go or
//! stopped and resumed, with any number of threads.

mod checkpoint;
pub mod clips;
mod dynamics;
mod encoder;
mod one_step;
mod probe;
mod published;
mod sequences;

pub use checkpoint::{LogRow, RunFolder};
pub use dynamics::{DynamicsTraining, train_dynamics};
pub use encoder::{EncoderTraining, Objective, standardised, train_encoder};
pub use one_step::{OneStep, Windows};
pub use probe::{ProbeReport, probe};
pub use published::{Best, PublishedRun, PublishedSources, PublishedTraining, train_published};

/// Rate at `step` of `steps`: a short linear rise, then a cosine down to a twentieth.
fn rate(base: f64, step: u64, steps: u64) -> f64 {
    let warm = (steps / 20).clamp(1, 200);
    if step < warm {
        return base * (step + 1) as f64 / warm as f64;
    }
    let done = (step - warm) as f64 / (steps - warm).max(1) as f64;
    base * (0.05 + 0.95 * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done)))
}
