//! What runs that were killed left behind.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What a file is called until it is whole.
const PART: &str = ".part-";

/// Removes files that were never whole, unless another run is at work in the folder: they may be its.
/// `own` is the lock of this run.
pub(crate) fn remove(folder: &Path, own: &str) -> Result<()> {
    let (parts, locks) = found(folder)?;
    let held = |lock: &PathBuf| {
        let ours = lock.file_name().is_some_and(|name| name == own);
        !ours && File::open(lock).is_ok_and(|file| file.try_lock().is_err())
    };
    if parts.is_empty() || locks.iter().any(held) {
        return Ok(());
    }
    for part in parts {
        super::write::remove(&part)?;
    }
    Ok(())
}

/// The unfinished files in and below a folder, and the locks in it.
fn found(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut parts, mut locks) = (Vec::new(), Vec::new());
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).map_err(Error::io("read", &next))? {
            let entry = entry.map_err(Error::io("read", &next))?;
            let kind = entry.file_type().map_err(Error::io("read", entry.path()))?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if name.starts_with(PART) {
                parts.push(entry.path());
            } else if name.starts_with(".lock") && next == folder {
                locks.push(entry.path());
            }
        }
    }
    Ok((parts, locks))
}
