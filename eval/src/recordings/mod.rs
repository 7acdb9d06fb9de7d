//! Recordings of neural activity and behaviour, read from the files that laboratories have.
//!
//! In order:
//!
//! 1. [`file`](mod@file) tells the format by the first bytes, and reads it: `mental_pong_formats` reads pickles
//!    and MAT files (data only, nothing is run), [`convert`] the open layout.
//! 2. [`dmfc::Recording`] checks such a tree against the released schema and gives responses, behaviour, masks and tables
//!    with their axes and units.
//! 3. [`reliability`] says which units repeat themselves.
//! 4. [`info::Info`] is a summary to print; [`convert`] writes an open copy.
//!
//! [`mapping::Mapping`] says what a file calls what is asked for.

/// Fewest conditions that are divided into those to fit and those to test on.
pub const FEWEST_CONDITIONS: usize = 10;

pub mod arrays;
mod branch;
pub mod convert;
pub mod dmfc;
pub mod export;
mod factors;
pub mod file;
mod finish;
pub mod info;
pub mod join;
mod lab;
pub mod long;
pub mod mapping;
pub mod npz;
pub mod nwb;
pub mod reliability;
pub mod results;
pub mod sample;
pub mod simulate;
pub mod trials;

pub use lab::Missing;
