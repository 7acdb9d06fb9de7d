//! What a stimulus set says about itself.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stimuli::movie::Setting;

/// The manifest's name in its folder.
pub const FILE_NAME: &str = "manifest.json";
/// The version of the manifest's layout. A reader refuses another.
pub const SCHEMA_VERSION: u32 = 1;

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

/// One condition of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionEntry {
    /// The condition.
    pub id: u32,
    /// Number of frames.
    pub n_frames: usize,
    /// Its files; of PNG one for each frame, in order.
    pub files: Vec<FileEntry>,
}

/// The manifest of a stimulus set. It is written last, so that a folder with one is whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub schema_version: u32,
    /// The crate and version that drew the frames.
    pub generator: String,
    /// The command that asked for the set, as the caller gives it.
    pub command: String,
    /// Law, preset, occlusion and format.
    #[serde(flatten)]
    pub setting: Setting,
    /// Shape of a frame: `[y, x]` or `[y, x, channel]`.
    pub frame_shape: Vec<usize>,
    /// The conditions, in the order of the set.
    pub ids: Vec<u32>,
    /// `[frame]`: when each frame stands, milliseconds after the frame at the start; a condition
    /// has the first `n_frames` of them.
    pub frame_times_ms: Vec<f64>,
    /// Frames and files of each condition, in the order of `ids`.
    pub conditions: Vec<ConditionEntry>,
}

impl Manifest {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadManifest`], or [`Error::ManifestMismatch`] for another layout or
    /// a path that leads out of the folder.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(FILE_NAME);
        let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let bad = |source| Error::BadManifest {
            path: path.clone(),
            source,
        };
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(bad)?;
        let mismatch = |field, expected: String, found: String| Error::ManifestMismatch {
            path: path.clone(),
            field,
            expected,
            found,
        };
        // Before the rest: another layout need not have the same fields.
        let version = &value["schema_version"];
        if *version != SCHEMA_VERSION {
            return Err(mismatch(
                "schema_version",
                SCHEMA_VERSION.to_string(),
                version.to_string(),
            ));
        }
        let manifest: Self = serde_json::from_value(value).map_err(bad)?;
        let files = || manifest.conditions.iter().flat_map(|c| &c.files);
        if let Some(file) = files().find(|file| !stays_inside(&file.path)) {
            return Err(mismatch(
                "path",
                "a path inside the folder".into(),
                file.path.clone(),
            ));
        }
        Ok(manifest)
    }

    /// The manifest as JSON, with a line break at its end.
    pub(crate) fn to_json(&self) -> std::io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}
