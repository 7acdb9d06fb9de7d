//! Recordings of neural activity and behaviour, read from the files that laboratories have.
//!
//! In order:
//!
//! 1. [`file`](mod@file) tells the format by the first bytes, and reads it: [`pickle`] (data only, nothing is run), [`mat`] (v5 and
//!    v7.3), or the open layout of [`convert`]. All give the same tree, [`value::Value`], within [`limits::Limits`].
//! 2. [`dmfc::Recording`] checks such a tree against the released schema and gives responses, behaviour, masks and tables
//!    with their axes and units.
//! 3. [`reliability`] says which units repeat themselves.
//! 4. [`info::Info`] is a summary to print; [`convert`] writes an open copy.
//!
//! ```
//! use mental_pong_eval::recordings::limits::Limits;
//! use mental_pong_eval::recordings::pickle;
//!
//! # fn main() -> mental_pong_eval::error::Result<()> {
//! // What Python's pickle.dumps({"bins": 100}, protocol=2) returns.
//! let bytes = b"\x80\x02}q\x00X\x04\x00\x00\x00binsq\x01Kds.";
//! let value = pickle::read(&bytes[..], &Limits::default())?;
//! assert_eq!(value.get("bins").and_then(|v| v.as_f64()), Some(100.0));
//!
//! // A pickle that would run a command is refused by name.
//! let hostile = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.";
//! let error = pickle::read(&hostile[..], &Limits::default()).unwrap_err();
//! assert!(error.to_string().contains("os.system"));
//! # Ok(())
//! # }
//! ```

mod branch;
pub mod convert;
pub mod dmfc;
mod factors;
pub mod file;
pub mod info;
mod lab;
pub mod limits;
pub mod long;
pub mod mat;
pub mod npz;
pub mod nwb;
pub mod parquet;
pub mod pickle;
pub mod reliability;
pub mod results;
pub mod sample;
pub mod simulate;
pub mod table;
pub mod trials;
pub mod value;

pub use lab::Missing;
