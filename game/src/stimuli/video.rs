//! H.264 video by ffmpeg, which the caller finds: raw frames go into its standard input.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::stimuli::movie::{Movie, Setting};

fn failed(message: impl Into<String>) -> Error {
    Error::Tool {
        tool: "ffmpeg",
        message: message.into(),
    }
}

/// What an ffmpeg says its version is, the first line of `-version`.
///
/// # Errors
/// [`Error::Tool`] where it cannot be run.
pub fn ffmpeg_version(ffmpeg: &Path) -> Result<String> {
    let output = Command::new(ffmpeg)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(format!("cannot run {}: {e}", ffmpeg.display())))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.trim().to_owned()),
        _ => Err(failed(format!(
            "{} -version ended with {}",
            ffmpeg.display(),
            output.status
        ))),
    }
}

/// Frames per second of a video, as ffmpeg says it; nothing where it does not.
pub(crate) fn rate_hz(ffmpeg: &Path, file: &Path) -> Option<f64> {
    let output = Command::new(ffmpeg)
        .args(["-nostdin", "-hide_banner", "-i"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("Video:"))?;
    let (before, _) = line.split_once(" fps")?;
    before.rsplit([' ', ',']).next()?.parse().ok()
}

/// A whole movie as MP4: H.264, yuv420p, constant quality 18, one thread and no dates, so that one
/// ffmpeg always gives the same bytes.
pub(crate) fn mp4(
    movie: &mut Movie,
    setting: &Setting,
    ffmpeg: &Path,
    scratch: &Path,
    path: &Path,
) -> Result<Vec<u8>> {
    // MP4 is not written front to back, so it needs a file.
    let file = tempfile::Builder::new()
        .prefix(".part-")
        .suffix(".mp4")
        .tempfile_in(scratch)
        .map_err(Error::io("write", path))?;
    let size = setting.size_px();
    let pixels = if setting.channels() == 1 {
        "gray"
    } else {
        "rgb24"
    };
    let mut child = Command::new(ffmpeg)
        .args(["-hide_banner", "-loglevel", "error", "-y"])
        .args(["-f", "rawvideo", "-pixel_format", pixels])
        .args(["-video_size", &format!("{size}x{size}")])
        .args(["-framerate", &setting.rate_hz().to_string()])
        .args(["-i", "pipe:0", "-an", "-c:v", "libx264"])
        .args(["-preset", "medium", "-crf", "18", "-pix_fmt", "yuv420p"])
        .args(["-threads", "1", "-map_metadata", "-1"])
        .args(["-fflags", "+bitexact", "-flags:v", "+bitexact"])
        .args(["-movflags", "+faststart", "-f", "mp4"])
        .arg(file.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("cannot run {}: {e}", ffmpeg.display())))?;
    let mut sent = Ok(());
    if let Some(mut pipe) = child.stdin.take() {
        for n in 0..movie.n_frames() {
            sent = pipe.write_all(movie.draw(n));
            if sent.is_err() {
                break;
            }
        }
    }
    let mut said = String::new();
    if let Some(mut pipe) = child.stderr.take() {
        // Lost words change nothing: the exit status decides.
        let _ = pipe.read_to_string(&mut said);
    }
    let status = child.wait().map_err(|e| failed(e.to_string()))?;
    if !status.success() || sent.is_err() {
        return Err(failed(format!(
            "{} ended with {status}: {}",
            path.display(),
            said.trim()
        )));
    }
    std::fs::read(file.path()).map_err(Error::io("read", path))
}
