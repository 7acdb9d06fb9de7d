use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mental_pong_game::stimuli::read_video;

use super::decode::picture;
use super::{Clips, Tools, bad, checked, last_part, no_frame, relative};
use crate::encoders::Picture;
use crate::{Error, Result};

/// The program's name on the path, if it can be run.
#[must_use]
pub fn ffmpeg_on_path() -> Option<PathBuf> {
    let name = PathBuf::from("ffmpeg");
    mental_pong_game::stimuli::ffmpeg_version(&name)
        .is_ok()
        .then_some(name)
}

/// Videos of a folder, every frame as it is stored, decoded by ffmpeg to RGB of 8 bits. Colours are
/// converted by ffmpeg's exact paths; another version of it can still give other values.
#[derive(Clone, Debug)]
pub struct VideoFiles {
    root: PathBuf,
    files: Vec<PathBuf>,
    ffmpeg: PathBuf,
}

impl VideoFiles {
    pub(super) fn new(root: &Path, files: Vec<PathBuf>, tools: &Tools) -> Result<Self> {
        let ffmpeg = tools.ffmpeg.clone().ok_or_else(|| {
            bad(
                root,
                "clips",
                "an ffmpeg to decode videos with (install it, or name it: --ffmpeg FILE)",
                "none; or decode them to folders of PNG frames yourself".into(),
            )
        })?;
        Ok(Self {
            root: root.to_path_buf(),
            files,
            ffmpeg,
        })
    }

    fn command(&self, file: &Path) -> Command {
        let mut command = Command::new(&self.ffmpeg);
        command
            .args([
                "-nostdin",
                "-hide_banner",
                "-loglevel",
                "error",
                "-noautorotate",
            ])
            .arg("-i")
            .arg(file)
            .args(["-map", "0:v:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }

    fn start(&self, command: &mut Command) -> Result<Child> {
        command.spawn().map_err(|e| Error::io(&self.ffmpeg, e))
    }
}

fn broken(file: &Path, why: String) -> Error {
    bad(file, "video", "frames that ffmpeg can decode", why)
}

impl Clips for VideoFiles {
    fn describe(&self) -> String {
        format!("videos in {}", last_part(&self.root))
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn id(&self, clip: usize) -> String {
        relative(&self.root, &self.files[clip])
    }

    /// Counts the stored packets; nothing is decoded.
    fn n_frames(&self, clip: usize) -> Result<usize> {
        let file = &self.files[clip];
        let mut child = self.start(
            self.command(file)
                .args(["-c", "copy", "-f", "framecrc", "-"]),
        )?;
        let mut frames = 0;
        if let Some(out) = child.stdout.take() {
            for line in BufReader::new(out).lines() {
                let line = line.map_err(|e| Error::io(file, e))?;
                frames += usize::from(!line.starts_with('#') && !line.is_empty());
            }
        }
        let status = child.wait().map_err(|e| Error::io(file, e))?;
        if !status.success() || frames == 0 {
            return Err(broken(file, format!("{frames} frames, {status}")));
        }
        Ok(frames)
    }

    fn frames(&self, clip: usize, at: &[usize]) -> Result<Vec<Picture>> {
        let file = &self.files[clip];
        let Some(&last) = at.last() else {
            return Ok(Vec::new());
        };
        let (mut decoded, mut frame) = (Vec::with_capacity(at.len()), 0);
        let mut wanted = at.iter().peekable();
        read_video(&self.ffmpeg, file, last + 1, |picture| {
            while wanted.next_if(|w| **w == frame).is_some() {
                decoded.push(picture.clone());
            }
            frame += 1;
            Ok(())
        })?;
        if frame <= last {
            return Err(no_frame(file, last, frame));
        }
        let pictures = decoded.into_iter().map(picture);
        checked(file, pictures.collect::<Result<_>>()?)
    }
}
