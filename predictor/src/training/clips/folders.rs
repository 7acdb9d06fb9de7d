use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Clips, bad, checked, decode_picture, last_part, no_frame, relative};
use crate::encoders::Picture;
use crate::{Error, Result};

/// A folder for each clip, a PNG or JPEG for each frame, in natural order of the names.
#[derive(Clone, Debug)]
pub struct FrameFolders {
    root: PathBuf,
    clips: Vec<(PathBuf, Vec<PathBuf>)>,
}

impl FrameFolders {
    /// From the pictures below `root`, in natural order.
    ///
    /// # Errors
    /// [`Error::Config`] for pictures that lie in the root itself: which clip they are of is not said.
    pub(super) fn new(root: &Path, files: Vec<PathBuf>) -> Result<Self> {
        let mut clips: Vec<(PathBuf, Vec<PathBuf>)> = Vec::new();
        let mut places: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for file in files {
            let folder = file.parent().unwrap_or(root).to_path_buf();
            if folder == root {
                return Err(bad(
                    root,
                    "clips",
                    "a folder for each clip, with its frames",
                    format!("the picture {}", relative(root, &file)),
                ));
            }
            let place = *places.entry(folder.clone()).or_insert(clips.len());
            match clips.get_mut(place) {
                Some((_, frames)) => frames.push(file),
                None => clips.push((folder, vec![file])),
            }
        }
        let folders: Vec<&PathBuf> = places.keys().collect();
        // In this order a folder stands right before what is in it.
        if let Some(pair) = folders.windows(2).find(|p| p[1].starts_with(p[0])) {
            return Err(bad(
                pair[0],
                "clips",
                "pictures or folders of pictures",
                "both".into(),
            ));
        }
        Ok(Self {
            root: root.to_path_buf(),
            clips,
        })
    }
}

impl Clips for FrameFolders {
    fn describe(&self) -> String {
        format!("folders of frames in {}", last_part(&self.root))
    }

    fn len(&self) -> usize {
        self.clips.len()
    }

    fn id(&self, clip: usize) -> String {
        relative(&self.root, &self.clips[clip].0)
    }

    fn n_frames(&self, clip: usize) -> Result<usize> {
        Ok(self.clips[clip].1.len())
    }

    fn frames(&self, clip: usize, at: &[usize]) -> Result<Vec<Picture>> {
        let (folder, files) = &self.clips[clip];
        let pictures = at
            .par_iter()
            .map(|&frame| {
                let file = files
                    .get(frame)
                    .ok_or_else(|| no_frame(folder, frame, files.len()))?;
                let bytes = std::fs::read(file).map_err(|e| Error::io(file, e))?;
                decode_picture(file, &bytes)
            })
            .collect::<Result<_>>()?;
        checked(folder, pictures)
    }
}
