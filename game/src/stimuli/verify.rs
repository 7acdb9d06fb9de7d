//! Checking a stimulus set against its manifest.

use std::path::Path;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::files::sha256_file;
use crate::monitor::Monitor;
use crate::stimuli::manifest::Manifest;

/// A set that is what its manifest says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The manifest.
    pub manifest: Manifest,
    /// Number of files that were read and compared.
    pub n_files: u64,
}

/// Reads every file of a set and compares its length and SHA-256 with the manifest. The monitor
/// counts files.
///
/// # Errors
/// Those of [`Manifest::read`]; [`Error::Io`] for a file that is not there;
/// [`Error::ManifestMismatch`] for the first file, in the manifest's order, with another content;
/// [`Error::Interrupted`].
pub fn verify(folder: impl AsRef<Path>, monitor: &dyn Monitor) -> Result<Verified> {
    let folder = folder.as_ref();
    let manifest = Manifest::read(folder)?;
    let files: Vec<_> = manifest.conditions.iter().flat_map(|c| &c.files).collect();
    let total = files.len() as u64;
    monitor.stage("verify", total);
    let checks: Vec<Option<Result<()>>> = files
        .par_iter()
        .map(|file| {
            if monitor.stopped() {
                return None;
            }
            let path = folder.join(&file.path);
            let check = sha256_file(&path).and_then(|found| {
                if found == file.sha256 {
                    return Ok(());
                }
                Err(Error::ManifestMismatch {
                    path,
                    field: "sha256",
                    expected: file.sha256.clone(),
                    found,
                })
            });
            monitor.advance(1);
            Some(check)
        })
        .collect();
    let done = checks.iter().flatten().count() as u64;
    for check in checks.into_iter().flatten() {
        check?;
    }
    if done < total {
        return Err(Error::Interrupted { done, total });
    }
    Ok(Verified {
        manifest,
        n_files: total,
    })
}
