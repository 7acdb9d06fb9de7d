//! Clips to train dynamics on: videos of anybody's, as ordered frames that are decoded when asked for.
//!
//! | source | what it is |
//! |---|---|
//! | [`FrameFolders`] | a folder of folders of PNG or JPEG files |
//! | [`VideoFiles`] | a folder of videos, decoded by ffmpeg |
//! | [`PhysionFiles`] | HDF5 files in Physion's layout |
//! | [`StimulusClips`] | a stimulus set of `mpong stimuli` |
//! | [`PlayworldClips`] | the project's own procedural videos |
//!
//! [`open`] tells them apart.

mod decode;
mod folders;
mod physion;
mod playworld;
mod stimuli;
mod videos;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

pub use decode::{MAX_PIXELS, decode_picture};
pub use folders::FrameFolders;
pub use physion::PhysionFiles;
pub use playworld::PlayworldClips;
pub use stimuli::StimulusClips;
pub use videos::{VideoFiles, ffmpeg_on_path};

use crate::encoders::Picture;
use crate::{Error, Result};

/// Videos in a fixed order. A clip is named by its place in it.
pub trait Clips: Send + Sync {
    /// The kind of source and its folder's name, without the folders around it: stands in weight files.
    fn describe(&self) -> String;

    /// Number of clips.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A clip's name: a path without its root, a condition's id, a number.
    fn id(&self, clip: usize) -> String;

    /// Frames of a clip.
    ///
    /// # Errors
    /// When its file cannot be read; the error names it.
    fn n_frames(&self, clip: usize) -> Result<usize>;

    /// Some frames of a clip, `at` in rising order, all of one size. No other frame is decoded unless
    /// the format demands it.
    ///
    /// # Errors
    /// When a frame cannot be read; the error names the file.
    fn frames(&self, clip: usize, at: &[usize]) -> Result<Vec<Picture>>;
}

/// Deepest folder below the root that is looked into.
const MAX_DEPTH: usize = 6;
/// Most files that are listed.
const MAX_FILES: usize = 4_000_000;

/// What a folder of clips may need from outside.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    /// The ffmpeg that decodes videos.
    pub ffmpeg: Option<PathBuf>,
}

/// Opens a folder of clips: a stimulus set (it has a `manifest.json`), HDF5 files, videos, or folders
/// of pictures, at any depth.
///
/// # Errors
/// [`Error::Config`] for a folder without any of them or with several kinds, and for videos without an
/// ffmpeg; [`Error::Io`] for a folder that cannot be read.
pub fn open(root: &Path, tools: &Tools) -> Result<Box<dyn Clips>> {
    if root.join("manifest.json").is_file() {
        return Ok(Box::new(StimulusClips::open(root)?));
    }
    let files = listed(root)?;
    let of = |kind: Kind| files.iter().filter(move |f| Kind::of(f) == Some(kind));
    let kinds: Vec<Kind> = [Kind::Hdf5, Kind::Video, Kind::Picture]
        .into_iter()
        .filter(|kind| of(*kind).next().is_some())
        .collect();
    let found = |kind: Kind| of(kind).cloned().collect::<Vec<PathBuf>>();
    match kinds.as_slice() {
        [Kind::Hdf5] => Ok(Box::new(PhysionFiles::new(root, found(Kind::Hdf5)))),
        [Kind::Video] => Ok(Box::new(VideoFiles::new(root, found(Kind::Video), tools)?)),
        [Kind::Picture] => Ok(Box::new(FrameFolders::new(root, found(Kind::Picture))?)),
        [] => Err(bad(
            root,
            "clips",
            "a stimulus set, .hdf5 files, videos (.mp4, .avi, .mov, .mkv, .webm), or folders of .png or .jpg frames",
            format!("{} files of other kinds", files.len()),
        )),
        several => Err(bad(
            root,
            "clips",
            "one kind of clips in a folder",
            several
                .iter()
                .map(|kind| format!("{} {}", of(*kind).count(), kind.name()))
                .collect::<Vec<_>>()
                .join(", "),
        )),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hdf5,
    Video,
    Picture,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "hdf5" | "h5" => Some(Self::Hdf5),
            "mp4" | "m4v" | "avi" | "mov" | "mkv" | "webm" | "mpg" | "mpeg" => Some(Self::Video),
            "png" | "jpg" | "jpeg" => Some(Self::Picture),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Hdf5 => "HDF5 files",
            Self::Video => "videos",
            Self::Picture => "pictures",
        }
    }
}

/// Every file below a folder, in natural order; hidden ones are left out.
fn listed(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| Error::io(&folder, e))? {
            let entry = entry.map_err(|e| Error::io(&folder, e))?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // Follows links, which data sets on shared disks are often made of.
            let about = std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?;
            if about.is_dir() {
                if depth + 1 > MAX_DEPTH {
                    return Err(bad(
                        &path,
                        "clips",
                        "folders at most 6 deep",
                        "a deeper one".into(),
                    ));
                }
                folders.push((path, depth + 1));
            } else {
                files.push(path);
            }
            if files.len() > MAX_FILES {
                return Err(bad(root, "clips", "at most 4,000,000 files", "more".into()));
            }
        }
    }
    files.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(files)
}

/// Order in which whole numbers inside names count as numbers: `f2` before `f10`. Names that differ
/// only in leading zeros are in the order of their bytes.
#[must_use]
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        match (x.first(), y.first()) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(p), Some(q)) if p.is_ascii_digit() && q.is_ascii_digit() => {
                let (m, rest_x) = number(x);
                let (n, rest_y) = number(y);
                let order = m.len().cmp(&n.len()).then_with(|| m.cmp(n));
                if order != Ordering::Equal {
                    return order;
                }
                (x, y) = (rest_x, rest_y);
            }
            (Some(p), Some(q)) => {
                if p != q {
                    // A folder before what only begins with its name.
                    let rank = |c: u8| if c == b'/' { 0 } else { u16::from(c) + 1 };
                    return rank(*p).cmp(&rank(*q));
                }
                (x, y) = (&x[1..], &y[1..]);
            }
        }
    }
}

/// The digits that a name begins with, without leading zeros, and the rest.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let zeros = text[..end].iter().take_while(|c| **c == b'0').count();
    (&text[zeros..end], &text[end..])
}

/// A path without its root, with `/` between folders.
fn relative(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<String> = inner
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    parts.join("/")
}

/// A folder's own name.
fn last_part(folder: &Path) -> String {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "the working folder".into())
}

fn bad(place: &Path, field: &str, expected: &str, found: String) -> Error {
    Error::Config {
        place: place.display().to_string(),
        field: field.into(),
        expected: expected.into(),
        found,
    }
}

/// Refuses frames that a clip does not have, and pictures of more than one size.
fn checked(place: &Path, pictures: Vec<Picture>) -> Result<Vec<Picture>> {
    let size = |p: &Picture| (p.width(), p.height());
    if let Some(pair) = pictures.windows(2).find(|w| size(&w[0]) != size(&w[1])) {
        let (a, b) = (size(&pair[0]), size(&pair[1]));
        let expected = format!("frames of one size, {} x {} pixels", a.0, a.1);
        return Err(bad(place, "size", &expected, format!("{} x {}", b.0, b.1)));
    }
    Ok(pictures)
}

fn no_frame(place: &Path, frame: usize, n_frames: usize) -> Error {
    bad(
        place,
        "frame",
        &format!("0 to {}", n_frames.saturating_sub(1)),
        frame.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = vec!["f10", "f2", "f02", "a/3", "a-b/1", "a/20", "f2b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a/3", "a/20", "a-b/1", "f02", "f2", "f2b", "f10"]);
    }
}
