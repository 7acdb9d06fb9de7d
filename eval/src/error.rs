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
    /// Too few units for the statistic that was asked for.
    #[error("{what}: {found} is too few, at least {needed} needed")]
    TooFew {
        /// What is counted, and for what.
        what: String,
        /// The smallest number that is accepted.
        needed: usize,
        /// The number given.
        found: usize,
    },
    /// An iteration did not reach its tolerance.
    #[error("{what}: not converged after {iterations} iterations, {measure}")]
    NotConverged {
        /// What was being fitted.
        what: String,
        /// Iterations done.
        iterations: usize,
        /// How far it was.
        measure: String,
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
    /// A shared service could not read or write.
    #[error(transparent)]
    File(#[from] mental_pong_base::IoError),
    /// The task's crate refused something.
    #[error(transparent)]
    Game(#[from] mental_pong_game::Error),
    /// The monitor asked to stop.
    #[error("interrupted")]
    Interrupted,
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
    /// JSON cannot be read or written.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A file of recordings could not be read; the path and why.
    #[error("{path}: {source}")]
    InFile {
        /// Path as it was given.
        path: String,
        /// What is wrong with the file.
        source: Box<Error>,
    },
    /// A table of text cannot be read.
    #[error(transparent)]
    Text(#[from] mental_pong_base::table::TableError),
    /// A file is not what its format says, or asks for more than it may.
    #[error(transparent)]
    Formats(#[from] mental_pong_formats::Error),
    /// A recording lacks a field, or has it in another form.
    #[error("field {field}: expected {expected}, found {found}")]
    Field {
        /// Which field, as a path of keys.
        field: String,
        /// What was needed.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Path as it was given.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
}

/// Most characters of what was found that a message shows.
const MOST_FOUND: usize = 2000;

impl Error {
    /// See the variant of the same name.
    #[must_use]
    pub fn shape(
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

    /// See the variant of the same name.
    #[must_use]
    pub fn too_few(what: impl Into<String>, needed: usize, found: usize) -> Self {
        Self::TooFew {
            what: what.into(),
            needed,
            found,
        }
    }

    /// See the variant of the same name.
    #[must_use]
    pub fn field(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Field {
            field: field.into(),
            expected: expected.into(),
            found: mental_pong_formats::one_line(&found.into(), MOST_FOUND),
        }
    }

    /// See the variant of the same name.
    #[must_use]
    pub fn format(
        format: &'static str,
        at: impl Into<Option<u64>>,
        why: impl Into<String>,
    ) -> Self {
        mental_pong_formats::Error::format(format, at, why).into()
    }

    pub(crate) fn limit(what: &'static str, limit: u64, needed: u64) -> Self {
        mental_pong_formats::Error::Limit {
            what,
            limit,
            needed,
        }
        .into()
    }

    /// The same error, naming the file that it is about.
    #[must_use]
    pub fn in_file(self, path: &std::path::Path) -> Self {
        match self {
            Self::InFile { .. }
            | Self::Io { .. }
            | Self::File(_)
            | Self::Formats(mental_pong_formats::Error::Io(_)) => self,
            other => Self::InFile {
                path: path.display().to_string(),
                source: Box::new(other),
            },
        }
    }

    /// See the variant of the same name.
    #[must_use]
    pub fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid {
            what: what.into(),
            why: why.into(),
        }
    }
}
