//! Stimulus sets: the frames of some conditions, drawn when asked for or written to a folder with a
//! manifest that names every file's content.
//!
//! ```text
//! OUT/manifest.json            what the set is, and the SHA-256 of every file
//! OUT/conditions.csv           the conditions; can be read again as a table of one's own
//! OUT/ground_truth.csv         where the ball is in each frame
//! OUT/ground_truth.parquet     the same
//! OUT/<id>.npy                 format npy: u8, [frame, y, x] or [frame, y, x, channel]
//! OUT/<id>/frame_0000.png …    format png
//! OUT/<id>.gif, OUT/<id>.mp4   formats gif, mp4
//! OUT/frames-000000.tar …      formats tar, tar-png: WebDataset shards
//! OUT/frames.zarr/             format zarr: frames [condition, frame, y, x(, channel)], n_frames, id
//! OUT/pool/000000.npy …        format pool: each distinct picture once, and
//! OUT/index.npy                the number of each frame's picture, in the order of the truth
//! ```

pub mod decode;
pub mod diff;
pub mod drawer;
mod encode;
pub mod import;
mod journal;
mod leftovers;
mod lock;
pub mod manifest;
pub mod merge;
pub mod movie;
mod need;
mod pieces;
pub mod plan;
mod pool;
pub mod set;
mod table;
mod tar_shard;
pub mod truth;
pub mod verify;
mod video;
pub mod write;
mod zarr;

pub use decode::{Decoded, decode_picture, read_video};
pub use diff::{Difference, diff};
pub use drawer::{Adapter, Apart, Drawer, Painted, Painter};
pub use import::{Imported, import};
pub use manifest::{FileEntry, Manifest};
pub use merge::merge;
pub use movie::{Format, Movie, Occlusion, Setting};
pub use pieces::file_name;
pub use plan::{Plan, Shard, missing_shards};
pub use set::{Frame, Frames, StimulusSet};
pub use truth::{Truth, write_truth_csv, write_truth_parquet};
pub use verify::{Verified, verify};
pub use video::ffmpeg_version;
pub use write::{
    Job, Written, condition_set, needed_bytes, open_set, plan_shards, write_set, write_set_with,
};
