//! The errors of this crate.

use mental_pong_eval::error::Error as EvalError;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in a study.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An analysis or a reader refused something.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A file is not what its format says.
    #[error(transparent)]
    Formats(#[from] mental_pong_formats::Error),
    /// The task's crate refused something.
    #[error(transparent)]
    Game(#[from] mental_pong_game::Error),
    /// The predictor's crate refused something.
    #[error(transparent)]
    Predictor(#[from] mental_pong_predictor::Error),
    /// A shared service could not read or write.
    #[error(transparent)]
    File(#[from] mental_pong_base::IoError),
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
    /// The monitor asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub(crate) fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Eval(EvalError::invalid(what, why))
    }

    pub(crate) fn field(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Eval(EvalError::field(field, expected, found))
    }

    pub(crate) fn too_few(what: impl Into<String>, needed: usize, found: usize) -> Self {
        Self::Eval(EvalError::too_few(what, needed, found))
    }

    pub(crate) fn table(table: impl Into<String>, line: u64, why: impl Into<String>) -> Self {
        Self::Eval(EvalError::Table {
            table: table.into(),
            line,
            why: why.into(),
        })
    }

    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Eval(EvalError::Io {
            path: path.display().to_string(),
            source,
        })
    }

    /// The same error, naming the file that it is about.
    pub(crate) fn in_file(self, path: &std::path::Path) -> Self {
        match self {
            Self::Eval(e) => Self::Eval(e.in_file(path)),
            other => other,
        }
    }

    /// Whether the work was stopped and may go on.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(
            self,
            Self::Interrupted
                | Self::Eval(EvalError::Interrupted)
                | Self::Predictor(mental_pong_predictor::Error::Interrupted)
        )
    }
}
