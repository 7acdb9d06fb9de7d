use std::path::{Path, PathBuf};

/// A file or folder could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}: {source}", path = path.display())]
pub struct IoError {
    /// What was tried, as a verb ("read", "write", "create the folder").
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

impl IoError {
    /// What a system's error becomes that came from `doing` something to `path`.
    pub fn on(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self {
            doing,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }
}
