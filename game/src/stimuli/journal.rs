//! Which pieces of a set are done, so that a stopped run goes on without drawing them again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stimuli::drawer::Apart;
use crate::stimuli::manifest::{FileEntry, stays_inside};

#[derive(Serialize, Deserialize)]
struct Head {
    stimuli_sha256: String,
    generator: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    piece: usize,
    #[serde(flatten)]
    done: Done,
}

/// What a finished piece left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) files: Vec<FileEntry>,
    /// How far its frames are from the rasteriser's, where something else drew them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) difference: Option<Apart>,
}

/// A journal that is being written. A torn or foreign line is as if it were not there: its piece is
/// drawn again.
pub(crate) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    /// The pieces that an earlier run finished.
    pub(crate) done: BTreeMap<usize, Done>,
}

impl Journal {
    /// Opens the journal of a set, reading what an earlier run of the same set left.
    pub(crate) fn open(path: PathBuf, stimuli_sha256: &str, generator: &str) -> Result<Self> {
        let done = read(&path, stimuli_sha256, generator);
        let fresh = done.is_none();
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::io("write", &path))?;
        if fresh {
            file.set_len(0).map_err(Error::io("write", &path))?;
            let head = Head {
                stimuli_sha256: stimuli_sha256.to_owned(),
                generator: generator.to_owned(),
            };
            append(&mut file, &path, &head)?;
        } else {
            // A torn last line ends here.
            file.write_all(b"\n").map_err(Error::io("write", &path))?;
        }
        Ok(Self {
            path,
            file: Mutex::new(file),
            done: done.unwrap_or_default(),
        })
    }

    /// Notes a finished piece.
    pub(crate) fn note(&self, piece: usize, done: &Done) -> Result<()> {
        let line = Line {
            piece,
            done: done.clone(),
        };
        match self.file.lock() {
            Ok(mut file) => append(&mut file, &self.path, &line),
            // A thread that died holding the file: the piece is drawn again next time.
            Err(_) => Ok(()),
        }
    }

    /// Removes the journal of a finished run.
    pub(crate) fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))
    }
}

fn append(file: &mut File, path: &Path, line: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec(line).map_err(|e| Error::io("write", path)(e.into()))?;
    text.push(b'\n');
    file.write_all(&text).map_err(Error::io("write", path))
}

/// The finished pieces; nothing where there is no journal of this set.
fn read(path: &Path, stimuli_sha256: &str, generator: &str) -> Option<BTreeMap<usize, Done>> {
    let bytes = std::fs::read(path).ok()?;
    let mut lines = bytes.split(|&b| b == b'\n');
    let head: Head = serde_json::from_slice(lines.next()?).ok()?;
    if head.stimuli_sha256 != stimuli_sha256 || head.generator != generator {
        return None;
    }
    Some(
        lines
            .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
            .filter(|line| line.done.files.iter().all(|file| stays_inside(&file.path)))
            .map(|line| (line.piece, line.done))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_as_if_it_were_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let entry = |name: &str| Done {
            files: vec![FileEntry {
                path: name.into(),
                bytes: 3,
                sha256: "0".repeat(64),
            }],
            difference: None,
        };
        let journal = Journal::open(path.clone(), "a", "g").unwrap();
        journal.note(0, &entry("0")).unwrap();
        journal.note(1, &entry("1")).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let again = Journal::open(path.clone(), "a", "g").unwrap();
            assert!(again.done.len() <= 2);
            again.note(7, &entry("7")).unwrap();
            let read = Journal::open(path.clone(), "a", "g").unwrap();
            assert_eq!(read.done[&7], entry("7"));
            assert!(read.done.len() == again.done.len() + 1);
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(Journal::open(path.clone(), "a", "g").unwrap().done.len(), 2);
        assert!(
            Journal::open(path.clone(), "b", "g")
                .unwrap()
                .done
                .is_empty()
        );
        std::fs::write(
            &path,
            String::from_utf8(whole)
                .unwrap()
                .replace("\"1\"", "\"../1\""),
        )
        .unwrap();
        assert_eq!(Journal::open(path, "a", "g").unwrap().done.len(), 1);
    }
}
