//! What can go wrong in this crate.

use std::path::{Path, PathBuf};

/// An error of this crate. The binary turns it into a report and an exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb ("read", "write", "create the folder").
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A condition id outside the generator's table.
    #[error("there is no condition {id}: ids run from 0 to {last}")]
    UnknownCondition {
        /// The id asked for.
        id: u32,
        /// The largest id there is.
        last: u32,
    },
    /// A condition id listed twice where each may stand once.
    #[error("condition {id} is listed twice")]
    DuplicateCondition {
        /// The id.
        id: u32,
    },
    /// A name that is none of the known ones.
    #[error("unknown {what} `{found}`: expected {expected}")]
    UnknownName {
        /// What the name stands for ("law", "preset").
        what: &'static str,
        /// The name given.
        found: String,
        /// The names there are.
        expected: String,
    },
    /// A value outside its range.
    #[error("{field} is {found}: expected {expected}")]
    BadValue {
        /// The value's name.
        field: &'static str,
        /// What it has to be.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A row of a table that cannot be read.
    #[error("{path}, row {row}, field `{field}`: expected {expected}, found {found}", path = path.display())]
    BadRow {
        /// The table.
        path: PathBuf,
        /// The row, counted from 1 without the header; 0 is the header.
        row: u64,
        /// The column's name.
        field: String,
        /// What the field has to be.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A schedule of play that cannot be read.
    #[error("{path} is not a schedule: {message}", path = path.display())]
    BadSchedule {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        message: String,
    },
    /// A folder that another run writes to, or that holds another run's records.
    #[error("{path} {message}", path = path.display())]
    RecordsTaken {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A manifest that is no manifest.
    #[error("{path} is not a manifest of a stimulus set: {source}", path = path.display())]
    BadManifest {
        /// The manifest.
        path: PathBuf,
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// A stimulus set that differs from what its manifest, or the caller, says.
    #[error("{path}: {field} does not match: expected {expected}, found {found}", path = path.display())]
    ManifestMismatch {
        /// The file that differs.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A picture or array that could not be put into its file format.
    #[error("cannot encode {path} as {format}: {message}", path = path.display())]
    Encode {
        /// The file meant.
        path: PathBuf,
        /// The file format.
        format: &'static str,
        /// What the encoder said.
        message: String,
    },
    /// The caller asked to stop. What was written is whole; the same call goes on from there.
    #[error("stopped after {done} of {total}; the same command goes on from there")]
    Interrupted {
        /// Pieces of work done.
        done: u64,
        /// Pieces of work in all.
        total: u64,
    },
}

/// The result of a function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A closure that wraps what the system said about `path`.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
