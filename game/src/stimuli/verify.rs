//! Checking a stimulus set against its manifest.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::stimuli::manifest::{FILE_NAME, FileEntry, Manifest};
use crate::stimuli::plan::shard_manifests;
use crate::stimuli::write::set_of;
use mental_pong_base::Monitor;
use mental_pong_base::files::sha256_file;

/// A set, or the finished shards of one, that is what its manifests say.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The manifest of the whole set, or those of the shards.
    pub manifests: Vec<Manifest>,
    /// Number of files that were read and compared.
    pub n_files: u64,
    /// Files in the folder that no manifest names.
    pub unlisted: Vec<PathBuf>,
}

/// Reads every file of a set and compares its length and SHA-256 with the manifest; where the set is
/// not merged yet, with the manifests of its shards. Then the manifest is compared with what follows
/// from the conditions and the setting. The monitor counts files.
///
/// # Errors
/// Those of [`Manifest::read`]; [`Error::Io`] for a file that is not there;
/// [`Error::ManifestMismatch`] for the first file, in the manifest's order, with another content, or a
/// field of the manifest that does not follow from the set; [`Error::Interrupted`].
pub fn verify(folder: impl AsRef<Path>, monitor: &dyn Monitor) -> Result<Verified> {
    let folder = folder.as_ref();
    let shards = if folder.join(FILE_NAME).exists() || !folder.is_dir() {
        Vec::new()
    } else {
        shard_manifests(folder)?
    };
    let manifests = if shards.is_empty() {
        vec![Manifest::read(folder)?]
    } else {
        shards
            .iter()
            .map(|path| Manifest::read_file(path))
            .collect::<Result<_>>()?
    };
    let files: Vec<&FileEntry> = manifests.iter().flat_map(|m| &m.files).collect();
    let total = files.len() as u64;
    monitor.stage("verify", total);
    let checks: Vec<Option<Result<()>>> = files
        .par_iter()
        .map(|file| {
            if monitor.stopped() {
                return None;
            }
            let check = compare(folder, file);
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
    for manifest in &manifests {
        describes(folder, manifest)?;
    }
    let unlisted = unlisted(folder, &files)?;
    Ok(Verified {
        manifests,
        n_files: total,
        unlisted,
    })
}

/// Whether a manifest says of its set what the conditions beside it say.
fn describes(folder: &Path, manifest: &Manifest) -> Result<()> {
    let set = set_of(folder, manifest)?;
    let setting = set.setting();
    let n_frames: u64 = set.n_frames().iter().map(|&n| n as u64).sum();
    let geometry = set.set().geometry().map(|g| (*g).clone());
    let shape = match &manifest.imported {
        Some(imported) => imported.shape(0).split_off(1),
        None => setting.shape(0).split_off(1),
    };
    let say = |value: &dyn std::fmt::Debug| format!("{value:?}");
    for (field, expected, found) in [
        ("rate_hz", say(&setting.rate_hz()), say(&manifest.rate_hz)),
        ("frame_shape", say(&shape), say(&manifest.frame_shape)),
        (
            "n_conditions",
            say(&set.set().len()),
            say(&manifest.n_conditions),
        ),
        ("n_frames", say(&n_frames), say(&manifest.n_frames)),
        ("geometry", say(&geometry), say(&manifest.geometry)),
    ] {
        if expected != found {
            return Err(Error::ManifestMismatch {
                path: folder.join(FILE_NAME),
                field,
                expected,
                found,
            });
        }
    }
    Ok(())
}

/// Whether a file has the length and the hash of its entry.
pub(crate) fn compare(folder: &Path, file: &FileEntry) -> Result<()> {
    let path = folder.join(&file.path);
    let bytes = std::fs::metadata(&path)
        .map_err(Error::io("read", &path))?
        .len();
    let mismatch = |field, expected: String, found: String| {
        Err(Error::ManifestMismatch {
            path: path.clone(),
            field,
            expected,
            found,
        })
    };
    if bytes != file.bytes {
        return mismatch("bytes", file.bytes.to_string(), bytes.to_string());
    }
    let found = sha256_file(&path)?;
    if found != file.sha256 {
        return mismatch("sha256", file.sha256.clone(), found);
    }
    Ok(())
}

/// Files below a folder that are neither listed nor a part of the set's own bookkeeping.
fn unlisted(folder: &Path, files: &[&FileEntry]) -> Result<Vec<PathBuf>> {
    let listed: std::collections::BTreeSet<PathBuf> =
        files.iter().map(|file| PathBuf::from(&file.path)).collect();
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).map_err(Error::io("read", &next))? {
            let entry = entry.map_err(Error::io("read", &next))?;
            let path = entry.path();
            let name = entry.file_name();
            let own = next == folder
                && name.to_str().is_some_and(|name| {
                    name == FILE_NAME
                        || name == super::plan::PLAN_NAME
                        || name == super::write::CONDITIONS_NAME
                        || name.starts_with(".lock")
                        || name.starts_with(".journal")
                        || (name.starts_with("shard-") && name.ends_with(".json"))
                });
            let kind = entry.file_type().map_err(Error::io("read", &path))?;
            if kind.is_dir() {
                folders.push(path);
            } else if !own
                && let Ok(inside) = path.strip_prefix(folder)
                && !listed.contains(inside)
            {
                found.push(inside.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}
