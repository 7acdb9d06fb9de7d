//! Stimulus sets: the frames of some conditions in a folder, with a manifest that names every
//! file's content.
//!
//! ```text
//! OUT/manifest.json
//! OUT/<id>.npy                 format npy: u8, [frame, y, x] or [frame, y, x, channel]
//! OUT/<id>/frame_0000.png …    format png
//! OUT/<id>.gif                 format gif
//! ```

mod encode;
pub mod manifest;
pub mod movie;
pub mod verify;
pub mod write;

pub use manifest::{FileEntry, Manifest};
pub use movie::{Format, Movie, Occlusion, Setting};
pub use verify::{Verified, verify};
pub use write::{Written, write_set};
