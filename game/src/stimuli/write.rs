//! Writing a stimulus set so that it can be stopped and taken up again.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::files::{create_folder, sha256_hex, write_atomic, write_whole};
use crate::monitor::Monitor;
use crate::stimuli::encode;
use crate::stimuli::manifest::{ConditionEntry, FILE_NAME, FileEntry, Manifest, SCHEMA_VERSION};
use crate::stimuli::movie::{Format, Movie, Setting};
use crate::task::condition::Condition;

/// What a call of [`write_set`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The set.
    pub manifest: Manifest,
    /// Files written by this call.
    pub n_written: u64,
    /// Files that stood there already with the right content.
    pub n_kept: u64,
}

/// Writes the frames of some conditions into `folder`, and its manifest last.
///
/// The bytes do not depend on the number of threads, nor on how often the work was stopped. Files
/// with the right content are left alone, others are replaced, each as a whole; a file of the set
/// that was damaged is healed by the same call. `command` goes into the manifest as it is. The
/// monitor counts conditions.
///
/// # Errors
/// [`Error::DuplicateCondition`]; [`Error::ManifestMismatch`] when the folder holds another set,
/// which is left alone; [`Error::Io`] when it cannot be written or the disk is full;
/// [`Error::Interrupted`] when the monitor asks to stop: what was written is whole.
pub fn write_set(
    folder: impl AsRef<Path>,
    conditions: &[Condition],
    setting: Setting,
    command: &str,
    monitor: &dyn Monitor,
) -> Result<Written> {
    let folder = folder.as_ref();
    let ids: Vec<u32> = conditions.iter().map(|c| c.id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::DuplicateCondition { id: pair[0] });
    }
    create_folder(folder)?;
    refuse_another_set(folder, &ids, setting)?;

    let total = conditions.len() as u64;
    monitor.stage("stimuli", total);
    let job = Job {
        folder,
        setting,
        monitor,
        n_written: AtomicU64::new(0),
        n_kept: AtomicU64::new(0),
    };
    let done = AtomicU64::new(0);
    let entries: Vec<Option<ConditionEntry>> = conditions
        .par_iter()
        .map(|condition| {
            let entry = job.condition(condition)?;
            if entry.is_some() {
                done.fetch_add(1, Ordering::Relaxed);
                monitor.advance(1);
            }
            Ok(entry)
        })
        .collect::<Result<_>>()?;
    let Some(entries) = entries.into_iter().collect::<Option<Vec<_>>>() else {
        return Err(Error::Interrupted {
            done: done.into_inner(),
            total,
        });
    };

    let longest = entries.iter().map(|e| e.n_frames).max().unwrap_or(0);
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        generator: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        command: command.to_owned(),
        setting,
        frame_shape: setting.preset.shape(0).split_off(1),
        ids,
        frame_times_ms: (0..longest).map(|n| setting.frame_ms(n)).collect(),
        conditions: entries,
    };
    let path = folder.join(FILE_NAME);
    let text = manifest.to_json().map_err(Error::io("write", &path))?;
    if !holds(&path, &text) {
        write_atomic(&path, |out| out.write_all(&text))?;
    }
    Ok(Written {
        manifest,
        n_written: job.n_written.into_inner(),
        n_kept: job.n_kept.into_inner(),
    })
}

/// A folder with a manifest of other frames is somebody's set: never mix two.
fn refuse_another_set(folder: &Path, ids: &[u32], setting: Setting) -> Result<()> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        return Ok(());
    }
    let there = Manifest::read(folder)?;
    let mismatch = |field, expected: String, found: String| Error::ManifestMismatch {
        path: path.clone(),
        field,
        expected,
        found,
    };
    if there.setting != setting {
        let say = |s: Setting| {
            [
                s.law.name(),
                s.preset.name(),
                s.occlusion.name(),
                s.format.name(),
            ]
            .join(" ")
        };
        return Err(mismatch("setting", say(setting), say(there.setting)));
    }
    if there.ids != ids {
        let say = |ids: &[u32]| match ids {
            [first, .., last] => format!("{} ids, {first} to {last}", ids.len()),
            _ => format!("{ids:?}"),
        };
        return Err(mismatch("ids", say(ids), say(&there.ids)));
    }
    Ok(())
}

/// Whether a file holds exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.len() == bytes.len() as u64)
        && std::fs::read(path).is_ok_and(|there| there == bytes)
}

struct Job<'a> {
    folder: &'a Path,
    setting: Setting,
    monitor: &'a dyn Monitor,
    n_written: AtomicU64,
    n_kept: AtomicU64,
}

impl Job<'_> {
    /// Writes one condition; nothing when asked to stop before it is whole.
    fn condition(&self, condition: &Condition) -> Result<Option<ConditionEntry>> {
        if self.monitor.stopped() {
            return Ok(None);
        }
        let id = condition.id;
        let Setting { preset, format, .. } = self.setting;
        let mut movie = Movie::new(condition, self.setting);
        let n_frames = movie.n_frames();
        let mut files = Vec::new();
        match format {
            Format::Npy => {
                let name = format!("{id}.npy");
                let bytes = encode::npy(&mut movie, preset, &self.folder.join(&name))?;
                files.push(self.file(name, &bytes)?);
            }
            Format::Gif => {
                let name = format!("{id}.gif");
                let bytes = encode::gif(&mut movie, &self.setting, &self.folder.join(&name))?;
                files.push(self.file(name, &bytes)?);
            }
            Format::Png => {
                create_folder(self.folder.join(id.to_string()))?;
                let mut frame = Vec::new();
                for n in 0..n_frames {
                    if self.monitor.stopped() {
                        return Ok(None);
                    }
                    let name = format!("{id}/frame_{n:04}.png");
                    movie.frame_into(n, &mut frame);
                    let bytes = encode::png(&frame, preset, &self.folder.join(&name))?;
                    files.push(self.file(name, &bytes)?);
                }
            }
        }
        Ok(Some(ConditionEntry {
            id,
            n_frames,
            files,
        }))
    }

    fn file(&self, name: String, bytes: &[u8]) -> Result<FileEntry> {
        let path = self.folder.join(&name);
        if holds(&path, bytes) {
            self.n_kept.fetch_add(1, Ordering::Relaxed);
        } else {
            write_whole(&path, bytes)?;
            self.n_written.fetch_add(1, Ordering::Relaxed);
        }
        Ok(FileEntry {
            path: name,
            bytes: bytes.len() as u64,
            sha256: sha256_hex(bytes),
        })
    }
}
