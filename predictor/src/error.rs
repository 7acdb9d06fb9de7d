//! What can go wrong here, with what was expected and what was found.

use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A weight file is not what its model needs.
    #[error("{}: tensor {tensor}: expected {expected}, found {found}", path.display())]
    Weights {
        /// The weight file.
        path: PathBuf,
        /// The tensor's name, or `*` for the file as a whole.
        tensor: String,
        /// What the model needs.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// A configuration value cannot be used.
    #[error("{place}: {field}: expected {expected}, found {found}")]
    Config {
        /// The file or command line that holds it.
        place: String,
        /// The field's name.
        field: String,
        /// What would be accepted.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Frames or latents of another shape than the model's.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The array.
        what: &'static str,
        /// Shape the model needs.
        expected: Vec<usize>,
        /// Shape that was given.
        found: Vec<usize>,
    },
    /// Training went to a value that is not a number.
    #[error("the loss is {value} at step {step}: lower the learning rate")]
    Diverged {
        /// The step.
        step: u64,
        /// The loss there.
        value: f64,
    },
    /// A network gave a value that is not a number.
    #[error("{what}: {value} at step {step}: the weights do not suit this input")]
    NotFinite {
        /// The array.
        what: &'static str,
        /// The step.
        step: usize,
        /// The value there.
        value: f64,
    },
    /// The tensor library refused an operation.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A shared service could not read or write.
    #[error(transparent)]
    File(#[from] mental_pong_base::IoError),
    /// The task's crate refused something.
    #[error(transparent)]
    Game(#[from] mental_pong_game::Error),
    /// The user asked to stop; what is on disk can be resumed.
    #[error("stopped; run the same command again to go on")]
    Interrupted,
}

impl Error {
    /// An [`Error::Io`] about `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().to_path_buf(),
            source,
        }
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
