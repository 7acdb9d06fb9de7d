use std::path::{Path, PathBuf};

use hdf5_pure::{DType, File, VlenStringReadOptions};

use super::decode::check_size;
use super::{Clips, bad, checked, decode_picture, last_part, no_frame, relative};
use crate::encoders::Picture;
use crate::{Error, Result};

/// Most bytes of an encoded frame.
const MAX_ENCODED: u64 = 1 << 28;
/// Most frames of a file.
const MAX_FRAMES: usize = 1 << 20;

/// HDF5 files in Physion's layout (Bear et al. 2021), a clip in each: `frames/<number>/images/_img`
/// holds a PNG or JPEG as bytes (or the pixels, `[y, x, channel]` u8), frames in the order of their
/// groups' names; `static/stimulus_name` names the clip. The same name can occur twice, so that a clip's
/// id is its path, with the name after it.
#[derive(Clone, Debug)]
pub struct PhysionFiles {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl PhysionFiles {
    pub(super) fn new(root: &Path, files: Vec<PathBuf>) -> Self {
        Self {
            root: root.to_path_buf(),
            files,
        }
    }

    fn open(&self, clip: usize) -> Result<(&Path, File)> {
        let path = self.files[clip].as_path();
        let file = File::open_streaming(path).map_err(|e| broken(path, "/", &e))?;
        Ok((path, file))
    }
}

fn broken(path: &Path, field: &str, why: &dyn std::fmt::Display) -> Error {
    bad(
        path,
        field,
        "Physion's layout: frames/<number>/images/_img",
        why.to_string(),
    )
}

/// Names of the frames' groups, in order.
fn groups(path: &Path, file: &File) -> Result<Vec<String>> {
    let frames = file
        .group("frames")
        .map_err(|e| broken(path, "frames", &e))?;
    let mut names = frames.groups().map_err(|e| broken(path, "frames", &e))?;
    if names.is_empty() || names.len() > MAX_FRAMES {
        let found = format!("{} groups", names.len());
        return Err(broken(path, "frames", &found));
    }
    names.sort_unstable();
    Ok(names)
}

fn stimulus_name(file: &File) -> Option<String> {
    let dataset = file.dataset("static/stimulus_name").ok()?;
    let texts = match dataset.dtype().ok()? {
        DType::VariableLengthString => {
            let options = VlenStringReadOptions::new().with_max_payload_bytes(4096);
            dataset.read_vlen_strings(options).ok()?
        }
        DType::String if dataset.element_size().ok()? <= 4096 => dataset.read_string().ok()?,
        _ => return None,
    };
    let text = texts.first()?.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_string())
}

fn picture(path: &Path, file: &File, name: &str) -> Result<Picture> {
    let field = format!("frames/{name}/images/_img");
    let failed = |e: hdf5_pure::Error| broken(path, &field, &e);
    let dataset = file.dataset(&field).map_err(failed)?;
    let shape = dataset.shape().map_err(failed)?;
    let bytes = shape
        .iter()
        .try_fold(dataset.element_size().map_err(failed)?, |n, &side| {
            n.checked_mul(side)
        });
    match bytes {
        Some(1..=MAX_ENCODED) => {}
        found => {
            let found = found.map_or("more".into(), |n| n.to_string());
            let expected = format!("1 to {MAX_ENCODED} bytes");
            return Err(bad(path, &field, &expected, found));
        }
    }
    match dataset.dtype().map_err(failed)? {
        DType::U8 | DType::I8 | DType::Other(_) => {}
        other => {
            let found = format!("elements of type {other}");
            return Err(bad(path, &field, "bytes", found));
        }
    }
    let raw = dataset.read_raw().map_err(failed)?;
    let place = path.join(&field);
    if let &[height, width, 3] = shape.as_slice() {
        let side = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        check_size(&place, side(width), side(height))?;
        return Picture::new(side(width), side(height), raw);
    }
    decode_picture(&place, &raw)
}

impl Clips for PhysionFiles {
    fn describe(&self) -> String {
        format!("Physion files in {}", last_part(&self.root))
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn id(&self, clip: usize) -> String {
        let path = relative(&self.root, &self.files[clip]);
        let name = self
            .open(clip)
            .ok()
            .and_then(|(_, file)| stimulus_name(&file));
        match name {
            Some(name) => format!("{path} ({name})"),
            None => path,
        }
    }

    fn n_frames(&self, clip: usize) -> Result<usize> {
        let (path, file) = self.open(clip)?;
        Ok(groups(path, &file)?.len())
    }

    fn frames(&self, clip: usize, at: &[usize]) -> Result<Vec<Picture>> {
        let (path, file) = self.open(clip)?;
        let names = groups(path, &file)?;
        let pictures = at
            .iter()
            .map(|&frame| match names.get(frame) {
                Some(name) => picture(path, &file, name),
                None => Err(no_frame(path, frame, names.len())),
            })
            .collect::<Result<_>>()?;
        checked(path, pictures)
    }
}
