//! The Mental-Pong task and its stimuli.
//!
//! A ball flies to the right, passes behind an occluder, and a paddle has to meet it at the right
//! edge (Rajalingham et al. 2022, 2025). This crate says exactly which trials there are, how the
//! ball moves in them, and what the screen shows.
//!
//! In order:
//!
//! 1. [`task`]: the generator's 472,225 trials and the 79 recorded ones; the two laws of motion,
//!    `design` and `display`; the 50 ms axis with its epochs; the published splits; tables.
//! 2. [`frames`]: a scene to the bytes of a picture.
//! 3. [`stimuli`]: the frames of many trials in a folder, with a manifest.
//! 4. [`records`]: what a session of play leaves; [`error`]: what can go wrong.
//!
//! Lengths are degrees of visual angle with the origin in the field's centre, x right, y up, unless
//! a name says units (of the generator's 32 × 32 field) or px. Nothing here depends on the platform,
//! the number of threads, or the time.
//!
//! ```
//! use mental_pong_game::frames::{FrameScene, Preset, render};
//! use mental_pong_game::task::{Law, Masks, primate79, trajectory, truth_bins};
//!
//! // The second recorded condition: the ball bounces off the lower wall.
//! let condition = primate79()[1];
//! let shown = trajectory(&condition, Law::Display);
//! assert_eq!(condition.id, 55_062);
//! assert_eq!(format!("{:.4}", shown.y_x10_deg()), "-5.0421");
//!
//! // The same trial on the 50 ms axis of the recordings.
//! assert_eq!(Masks::of(&condition).to_string(), "51/36/16");
//! assert!(truth_bins(&condition).x_deg[6] > condition.x0_deg());
//!
//! // Its first frame, as an encoder sees it.
//! let scene = FrameScene {
//!     ball: Some((shown.x_deg[0], shown.y_deg[0])),
//!     occluder: Some(1.0),
//!     ..FrameScene::default()
//! };
//! assert_eq!(render(Preset::Model224, &scene).len(), 224 * 224 * 3);
//! ```

pub mod task;

#[cfg_attr(
    target_family = "wasm",
    allow(
        dead_code,
        unused_imports,
        reason = "sets on disk ask for pictures' keys"
    )
)]
pub mod frames;

#[cfg(not(target_family = "wasm"))]
pub mod stimuli;

pub mod records;

pub mod error;

pub use error::{Error, Result};
