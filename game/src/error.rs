//! What can go wrong in this crate.

use std::path::{Path, PathBuf};

use mental_pong_base::IoError;
use mental_pong_base::table::TableError;

/// An error of this crate. The binary turns it into a report and an exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
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
    /// An id that a condition set does not have.
    #[error("condition set `{set}` has no condition `{id}`: expected {expected}")]
    UnknownId {
        /// The set's name.
        set: String,
        /// The id asked for.
        id: String,
        /// The ids there are, or the nearest.
        expected: String,
    },
    /// An id that stands twice where each may stand once.
    #[error("condition `{id}` is listed twice")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// Two inputs of different condition sets.
    #[error(
        "{first} is of the condition set {first_set}, {second} of {second_set}: their conditions are \
         not the same, whatever their ids. Make both from one set, or name the set of a file that \
         states none with --conditions"
    )]
    OtherSet {
        /// One input.
        first: String,
        /// Its set.
        first_set: String,
        /// The other input.
        second: String,
        /// Its set.
        second_set: String,
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
    /// Frames of another program that are none, or that do not fit the set.
    #[error("{path}: {field}: expected {expected}, found {found}", path = path.display())]
    BadFrames {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        field: String,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A text table that cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Less room on the disk than a set needs.
    #[error(
        "{path}: the set needs about {need} more and {free} are free: nothing was drawn",
        path = path.display(),
        need = size(*need_bytes),
        free = size(*free_bytes)
    )]
    NoSpace {
        /// The folder.
        path: PathBuf,
        /// Bytes still to write.
        need_bytes: u64,
        /// Bytes that are free.
        free_bytes: u64,
    },
    /// Another run is writing into the folder.
    #[error("{path} is being written by another run: wait for it, or name another folder", path = path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Shards of a set that are not there yet.
    #[error("{path}: {n} of {of} shards are missing: {missing}", path = path.display(), n = missing.split(',').count())]
    MissingShards {
        /// The folder.
        path: PathBuf,
        /// Number of shards in all.
        of: u32,
        /// The missing ones, separated by commas.
        missing: String,
    },
    /// A program that this work needs was not given or does not work.
    #[error("{tool}: {message}")]
    Tool {
        /// The program.
        tool: &'static str,
        /// What is wrong and what helps.
        message: String,
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
    #[error(
        "{path} is not a manifest of a stimulus set: {source}. To write the set anew, remove that file",
        path = path.display()
    )]
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

/// A number of bytes as a person reads it.
fn size(bytes: u64) -> String {
    let of = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..1_000_000 => format!("{:.1} kB", of(1e3)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", of(1e6)),
        1_000_000_000..1_000_000_000_000 => format!("{:.1} GB", of(1e9)),
        _ => format!("{:.1} TB", of(1e12)),
    }
}

/// The result of a function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A closure that wraps what the system said about `path`.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let error = IoError::on(doing, path);
        move |source| Self::Io(error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_units_that_fit() {
        for (bytes, said) in [
            (900, "0.9 kB"),
            (4_200_000, "4.2 MB"),
            (54_184_000_000, "54.2 GB"),
            (44_110_650_000_000, "44.1 TB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}
