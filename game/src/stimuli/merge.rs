//! The shards of a set to the set, byte for byte what one run would have written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::stimuli::drawer::Apart;
use crate::stimuli::lock::Lock;
use crate::stimuli::manifest::{FILE_NAME, Manifest};
use crate::stimuli::pieces::Pieces;
use crate::stimuli::plan::{PLAN_NAME, Shard, shard_manifests};
use crate::stimuli::set::StimulusSet;
use crate::stimuli::verify::compare;
use crate::stimuli::write::{Counts, Output, Written, around, put_manifest, remove, set_of};
use mental_pong_base::Monitor;
use mental_pong_base::files::create_folder;

/// Puts the shards that stand in `folders` together in `out`, which may be one of them.
///
/// Every file is checked against its shard's manifest. Files from other folders are linked where
/// the file system can and copied elsewhere; nothing is taken from them. The order of the folders
/// does not matter. Shards in `out` itself lose their own manifests once the set's is written.
///
/// # Errors
/// [`Error::MissingShards`], which names them; [`Error::ManifestMismatch`] for shards of different
/// sets, versions or numbers, or a file that is not what its manifest says; [`Error::Busy`];
/// [`Error::Io`]; [`Error::Interrupted`].
pub fn merge(folders: &[PathBuf], out: impl AsRef<Path>, monitor: &dyn Monitor) -> Result<Written> {
    let out = out.as_ref();
    let shards = collect(folders, out)?;
    let Some((first_folder, first)) = shards.first() else {
        return Err(Error::BadValue {
            field: "folders",
            expected: "shards of a set (shard-….json)".into(),
            found: "none".into(),
        });
    };
    let set = set_of(first_folder, first)?;
    let pieces = Pieces::of(&set);
    for (folder, manifest) in &shards {
        whole(folder, manifest, &set, &pieces)?;
    }
    create_folder(out)?;
    let _lock = Lock::take(out, ".lock")?;
    refuse_another(out, first)?;

    let files: Vec<_> = shards
        .iter()
        .flat_map(|(folder, shard)| shard.files.iter().map(move |file| (folder, file)))
        .collect();
    let total = files.len() as u64;
    monitor.stage("merge", total);
    let counts = Counts::default();
    let done: Vec<bool> = files
        .par_iter()
        .map(|(folder, file)| {
            if monitor.stopped() {
                return Ok(false);
            }
            let (from, to) = (folder.join(&file.path), out.join(&file.path));
            let count = if to.exists() && compare(out, file).is_ok() {
                &counts.kept
            } else {
                compare(folder, file)?;
                take_over(&from, &to)?;
                &counts.written
            };
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            monitor.advance(1);
            Ok(true)
        })
        .collect::<Result<_>>()?;
    let n_done = done.iter().filter(|&&done| done).count() as u64;
    if n_done < total {
        return Err(Error::Interrupted {
            done: n_done,
            total,
        });
    }

    let mut painted = first.painted.clone();
    if let Some(painted) = &mut painted {
        painted.difference = Apart::default();
        for part in shards
            .iter()
            .filter_map(|(_, shard)| shard.painted.as_ref())
        {
            painted.difference.add(&part.difference);
        }
    }
    let mut manifest = Manifest {
        shard: None,
        painted,
        files: files.iter().map(|(_, file)| (*file).clone()).collect(),
        ..first.clone()
    };
    let mut output = Output::new(out, None, monitor, &counts);
    around(&set, &pieces, &mut output)?;
    manifest.files.append(&mut output.files);
    put_manifest(&manifest, &out.join(FILE_NAME))?;
    for path in shard_manifests(out)? {
        remove(&path)?;
    }
    remove(&out.join(PLAN_NAME))?;
    Ok(Written {
        manifest,
        n_written: counts.written.into_inner(),
        n_kept: counts.kept.into_inner(),
    })
}

/// Every shard once, in order, with its folder.
fn collect(folders: &[PathBuf], out: &Path) -> Result<Vec<(PathBuf, Manifest)>> {
    let mut shards: BTreeMap<u32, (PathBuf, Manifest)> = BTreeMap::new();
    let mut first: Option<(PathBuf, Manifest)> = None;
    for folder in folders {
        for path in shard_manifests(folder)? {
            let manifest = Manifest::read_file(&path)?;
            let mismatch = |field, expected: String, found: String| {
                Err(Error::ManifestMismatch {
                    path: path.clone(),
                    field,
                    expected,
                    found,
                })
            };
            let Some(shard) = manifest.shard else {
                return mismatch("shard", "i of n".into(), "nothing".into());
            };
            if let Some((_, one)) = &first {
                let of = |m: &Manifest| m.shard.map_or(0, |s| s.of).to_string();
                let setting = |m: &Manifest| {
                    serde_json::to_string(&m.setting).unwrap_or_else(|error| error.to_string())
                };
                let tools = |m: &Manifest| format!("{:?}", m.tools);
                let rest = |m: &Manifest| {
                    format!(
                        "{} Hz, {:?}, {} conditions, {} frames, {:?}",
                        m.rate_hz, m.frame_shape, m.n_conditions, m.n_frames, m.pool
                    )
                };
                let adapter = |m: &Manifest| match &m.painted {
                    Some(painted) => painted.adapter.to_string(),
                    None => "the rasteriser".into(),
                };
                let compared: [(&'static str, String, String); 10] = [
                    ("setting", setting(one), setting(&manifest)),
                    (
                        "set_sha256",
                        one.set.sha256.clone(),
                        manifest.set.sha256.clone(),
                    ),
                    ("set_name", one.set.name.clone(), manifest.set.name.clone()),
                    (
                        "stimuli_sha256",
                        one.stimuli_sha256.clone(),
                        manifest.stimuli_sha256.clone(),
                    ),
                    (
                        "generator",
                        one.generator.clone(),
                        manifest.generator.clone(),
                    ),
                    ("command", one.command.clone(), manifest.command.clone()),
                    ("tools", tools(one), tools(&manifest)),
                    ("shards", of(one), of(&manifest)),
                    ("size", rest(one), rest(&manifest)),
                    ("adapter", adapter(one), adapter(&manifest)),
                ];
                for (field, expected, found) in compared {
                    if expected != found {
                        return mismatch(field, expected, found);
                    }
                }
            } else {
                first = Some((folder.clone(), manifest.clone()));
            }
            if let Some((_, other)) = shards.get(&shard.index)
                && other.files != manifest.files
            {
                return mismatch(
                    "files",
                    "those of the same shard elsewhere".into(),
                    "others".into(),
                );
            }
            shards.insert(shard.index, (folder.clone(), manifest));
        }
    }
    if let Some((_, one)) = first {
        let of = one.shard.map_or(0, |s| s.of);
        let missing: Vec<String> = (0..of)
            .filter(|index| !shards.contains_key(index))
            .map(|index| Shard { index, of }.index.to_string())
            .collect();
        if !missing.is_empty() {
            return Err(Error::MissingShards {
                path: out.to_path_buf(),
                of,
                missing: missing.join(","),
            });
        }
    }
    Ok(shards.into_values().collect())
}

/// Refuses a shard that does not list just the files that it should have.
fn whole(folder: &Path, manifest: &Manifest, set: &StimulusSet, pieces: &Pieces) -> Result<()> {
    let Some(shard) = manifest.shard else {
        return Ok(());
    };
    let mut found = manifest.files.iter().map(|file| &file.path);
    let expected = shard.pieces(pieces.n).flat_map(|p| pieces.names(set, p));
    let mismatch = |expected: Option<&str>, found: Option<&str>| Error::ManifestMismatch {
        path: folder.join(shard.manifest_name()),
        field: "files",
        expected: expected.unwrap_or("no more").to_owned(),
        found: found.unwrap_or("no more").to_owned(),
    };
    for name in expected {
        let listed = found.next();
        if listed != Some(&name) {
            return Err(mismatch(Some(&name), listed.map(String::as_str)));
        }
    }
    match found.next() {
        None => Ok(()),
        Some(more) => Err(mismatch(None, Some(more))),
    }
}

fn refuse_another(out: &Path, first: &Manifest) -> Result<()> {
    let path = out.join(FILE_NAME);
    if !path.exists() {
        return Ok(());
    }
    let there = Manifest::read(out)?;
    if there.stimuli_sha256 == first.stimuli_sha256 {
        return Ok(());
    }
    Err(Error::ManifestMismatch {
        path,
        field: "stimuli_sha256",
        expected: first.stimuli_sha256.clone(),
        found: there.stimuli_sha256,
    })
}

/// Puts a file from another folder in its place as a whole.
fn take_over(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        create_folder(parent)?;
    }
    remove(to)?;
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let mut source = std::fs::File::open(from).map_err(Error::io("read", from))?;
    Ok(mental_pong_base::files::write_atomic(to, |out| {
        std::io::copy(&mut source, out).map(drop)
    })?)
}
