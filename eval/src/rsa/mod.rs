//! Representational similarity: do a model's states lie to each other as those of the recorded neurons do?
//!
//! Rajalingham, Sohn & Jazayeri 2025, Fig. 4 and Eq. 4 (their `RnnNeuralComparer`). In order:
//!
//! 1. [`StepAxis`] says which steps a model has of each condition, and which parts of a trial are scored.
//! 2. [`warp_time`] brings recordings on 50-ms bins to those steps.
//! 3. [`Rsa`] takes all pairs of states of one part, their distances in both systems, and correlates them; the noise of the
//!    recordings is corrected for by their halves ([`Consistency`], in both published forms).
//! 4. [`simulation_index`] says how well the hidden ball can be read out of a model linearly, and [`geometry`] how its states
//!    move: the attributes that the similarity is regressed on.
//!
//! No matrix of distances is ever kept: pairs are visited once, for all parts, systems and models together.
//!
//! ```
//! use mental_pong_eval::array::Array2;
//! use mental_pong_eval::rsa::{Rsa, StepAxis, System};
//!
//! # fn main() -> mental_pong_eval::error::Result<()> {
//! // Two conditions of six steps; the last three are hidden.
//! let axis = StepAxis::published(&[6, 6], &[3, 3])?;
//! let states = |noise: f64| -> Vec<Array2> {
//!     (0..2)
//!         .map(|c| {
//!             Array2::from_fn(6, 2, |step, unit| {
//!                 let clean = if unit == 0 { step as f64 } else { (c * step) as f64 };
//!                 clean + noise * ((7 * step + 3 * unit + c) % 5) as f64
//!             })
//!         })
//!         .collect()
//! };
//! let (full, half1, half2) = (states(0.05), states(0.1), states(-0.1));
//! let neurons = System::with_halves("neurons", &full, &half1, &half2);
//! let rsa = Rsa::new(&axis, &neurons, None)?;
//! let model = states(0.0);
//! let scores = rsa.compare(&[System::noiseless("model", &model)])?;
//! let hidden = scores[0].part("occ_end").map(|p| p.raw.r_xy_n_sb);
//! assert!(hidden > Some(0.9));
//! # Ok(())
//! # }
//! ```

mod axis;
mod compare;
mod consistency;
mod distances;
mod geometry;
mod recorded;
mod simulation;
mod warp;

pub use axis::{Part, StepAxis};
pub use compare::{PartScore, Rsa, RsaScore, System};
pub use consistency::Consistency;
pub use distances::{Metric, rdm};
pub use geometry::{Geometry, geometry};
pub use recorded::Recorded;
pub use simulation::{SimulationIndex, simulation_index};
pub use warp::{interp, warp_time};
