//! What a stimulus set says about itself.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::{Component, Path};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stimuli::drawer::Painted;
use crate::stimuli::import::Imported;
use crate::stimuli::movie::Setting;
use crate::stimuli::plan::Shard;
use crate::task::geometry::Geometry;
use crate::task::set::SetIdentity;

/// The manifest's name in its folder.
pub const FILE_NAME: &str = "manifest.json";
/// The version of the manifest's layout. A reader refuses another.
pub const SCHEMA_VERSION: u32 = 3;
/// The crate and version that draws frames.
pub(crate) const GENERATOR: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it stands, from the manifest's folder, with `/`.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The SHA-256 of its content, hexadecimal.
    pub sha256: String,
}

/// The pictures of format `pool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolInfo {
    /// Number of distinct pictures.
    pub n_pictures: usize,
    /// Pictures in each file but the last: picture `p` is row `p % per_file` of file
    /// `p / per_file`.
    pub per_file: usize,
}

/// The manifest of a stimulus set, or of a shard of one. It is written last, so that a folder with
/// one is whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub schema_version: u32,
    /// The crate and version that drew the frames.
    pub generator: String,
    /// The command that asked for the set, as the caller gives it.
    pub command: String,
    /// Other programs that had a part, with their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
    /// The condition set that the conditions are of, all of it or a part.
    #[serde(flatten)]
    pub set: SetIdentity,
    /// The geometry that all conditions have; where they have several, `conditions.csv` gives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geometry: Option<Geometry>,
    /// What names the stimuli: the SHA-256 of their conditions, of the hash of their set, and of the
    /// setting.
    pub stimuli_sha256: String,
    /// Which part of the set this is; of a whole set nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Law, preset, occlusion, format and so on.
    #[serde(flatten)]
    pub setting: Setting,
    /// Frames per second. Frame `n` stands `n · 1000 / rate_hz` ms after motion onset.
    pub rate_hz: f64,
    /// Shape of a frame: `[y, x]` or `[y, x, channel]`.
    pub frame_shape: Vec<usize>,
    /// Number of conditions of the whole set; `conditions.csv` lists them.
    pub n_conditions: usize,
    /// Number of frames of the whole set.
    pub n_frames: u64,
    /// Who drew the frames, where it was not the rasteriser, and how far they are from its.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub painted: Option<Painted>,
    /// The pictures, where each is stored once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolInfo>,
    /// What the frames are, where they were imported and not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// Every file but this one: those of the frames in the set's order, then the tables.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadManifest`], or [`Error::ManifestMismatch`] for another layout,
    /// a path that leads out of the folder or stands there twice, or a hash that is none.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        Self::read_file(&folder.as_ref().join(FILE_NAME))
    }

    pub(crate) fn read_file(path: &Path) -> Result<Self> {
        let manifest: Self = read_json(path)?;
        let mismatch = |field, expected: &str, found: String| {
            Err(Error::ManifestMismatch {
                path: path.to_path_buf(),
                field,
                expected: expected.to_owned(),
                found,
            })
        };
        let mut seen = BTreeSet::new();
        for file in &manifest.files {
            if !stays_inside(&file.path) {
                return mismatch("path", "a path inside the folder", file.path.clone());
            }
            if !seen.insert(&file.path) {
                return mismatch("path", "each file once", file.path.clone());
            }
            let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            if file.sha256.len() != 64 || !file.sha256.bytes().all(digit) {
                return mismatch("sha256", "64 hexadecimal digits", file.sha256.clone());
            }
        }
        if let Some(shard) = manifest.shard {
            shard.check()?;
        }
        Ok(manifest)
    }

    /// Bytes of the files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// The manifest as JSON, a line for each file, with a line break at its end.
    pub(crate) fn to_json(&self) -> std::io::Result<Vec<u8>> {
        let head = Self {
            files: Vec::new(),
            ..self.clone()
        };
        let mut text = serde_json::to_vec_pretty(&head)?;
        // The list is last: it ends in `[]`, a line break and `}`.
        text.truncate(text.len() - "]\n}".len());
        for (k, file) in self.files.iter().enumerate() {
            text.extend_from_slice(if k == 0 { b"\n    " } else { b",\n    " });
            serde_json::to_writer(&mut text, file)?;
        }
        text.extend_from_slice(b"\n  ]\n}\n");
        Ok(text)
    }
}

/// Reads JSON of this layout.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = mental_pong_base::files::read(path, mental_pong_base::table::MAX_BYTES)?;
    let bad = |source| Error::BadManifest {
        path: path.to_path_buf(),
        source,
    };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(bad)?;
    // Before the rest: another layout need not have the same fields.
    let version = &value["schema_version"];
    if *version != SCHEMA_VERSION {
        return Err(Error::ManifestMismatch {
            path: path.to_path_buf(),
            field: "schema_version",
            expected: SCHEMA_VERSION.to_string(),
            found: version.to_string(),
        });
    }
    serde_json::from_value(value).map_err(bad)
}

pub(crate) fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}
