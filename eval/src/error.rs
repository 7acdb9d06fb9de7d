//! The errors of this crate.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in an evaluation. Each variant names what was being done, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array has another shape than its neighbours.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which array, or which field of which condition.
        what: String,
        /// The shape that was needed.
        expected: String,
        /// The shape that was given.
        found: String,
    },
    /// An argument is outside of its range.
    #[error("{what}: {why}")]
    Invalid {
        /// Which argument.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A value that has to be finite is NaN or infinite.
    #[error("{what}: value {index} is {value}, but has to be finite")]
    NotFinite {
        /// Which array.
        what: String,
        /// Position in the array, row-major.
        index: usize,
        /// The value found.
        value: f64,
    },
    /// A split names a condition that is not there, or one condition on both sides.
    #[error("split {split}: {why}")]
    Split {
        /// Index of the split, from 0.
        split: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A factorisation did not converge.
    #[error("{what}: the {factorisation} of a {rows} x {cols} matrix failed")]
    Factorisation {
        /// What was being fitted.
        what: String,
        /// Which factorisation.
        factorisation: &'static str,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
    },
    /// A bundled or given table cannot be read.
    #[error("{table}, line {line}: {why}")]
    Table {
        /// Name of the table.
        table: String,
        /// Line, from 1; 0 when it is not known.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// A card cannot be read or written as JSON.
    #[error("score card: {0}")]
    Json(#[from] serde_json::Error),
    /// The score card has a schema that this version does not read.
    #[error("score card has schema version {found}; this version reads {expected}")]
    SchemaVersion {
        /// The version this program writes.
        expected: u32,
        /// The version found.
        found: u32,
    },
    /// A file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// Path as it was given.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn shape(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Shape {
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid {
            what: what.into(),
            why: why.into(),
        }
    }
}
