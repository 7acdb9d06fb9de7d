//! What a session of play leaves: a row a trial, a row a frame, and what the columns mean.
//!
//! The layout follows BIDS for behaviour: `sub-01/ses-01/beh/sub-01_ses-01_task-mentalpong_beh.tsv`
//! with a `.json` of the same name that describes each column. Every trial is appended and synced
//! when it ends, so that a run that is killed loses at most the running trial; the reader says what
//! was torn.

pub mod columns;
#[cfg(not(target_family = "wasm"))]
pub mod frames_parquet;
pub mod keeper;
pub mod name;
pub mod reader;
pub mod rows;
pub mod sidecar;
pub mod summary;
#[cfg(not(target_family = "wasm"))]
pub mod writer;

pub use columns::{Column, FRAME_COLUMNS, TRIAL_COLUMNS};
#[cfg(not(target_family = "wasm"))]
pub use frames_parquet::convert_frames;
pub use keeper::{Keeper, Kept, SessionTexts, TrialTexts};
pub use name::SessionName;
pub use reader::{ReadRows, parse_frames, parse_trials, read_frames, read_trials};
pub use rows::{FrameRow, TrialRow};
pub use sidecar::{Display, Run, Sidecar};
pub use summary::{Other, Summary};
#[cfg(not(target_family = "wasm"))]
pub use writer::Recorder;
