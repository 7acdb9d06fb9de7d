//! Pictures and videos of other programs to frames.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::{Error, Result};

/// Most pixels of a frame: 8192 squared.
pub const MAX_PIXELS: usize = 1 << 26;
/// Longest side of a frame.
const MAX_SIDE: usize = 1 << 14;

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
    /// `[y, x, channel]`, RGB of 8 bits.
    pub rgb: Vec<u8>,
}

pub(crate) fn bad(place: &Path, field: &str, expected: &str, found: impl Into<String>) -> Error {
    Error::BadFrames {
        path: place.to_path_buf(),
        field: field.to_owned(),
        expected: expected.to_owned(),
        found: found.into(),
    }
}

/// Decodes a PNG or a JPEG, told apart by its first bytes, to RGB of 8 bits. Grey is given to all three
/// channels, opacity is dropped, 16 bits are cut to the upper 8. `place` is named in errors.
///
/// PNG is exact. A JPEG's values can differ from another decoder's, as they do between versions of
/// libjpeg: the standard leaves rounding and the spreading of colour open. From libjpeg-turbo they differ
/// by less than half a level on average in a smooth picture, and by up to ten where colour jumps.
///
/// # Errors
/// [`Error::BadFrames`] for another format, a damaged file, or more than [`MAX_PIXELS`]; the size is
/// looked at before memory is taken.
pub fn decode_picture(place: &Path, bytes: &[u8]) -> Result<Decoded> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(place, bytes)
    } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        jpeg(place, bytes)
    } else {
        let first: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
        let found = format!("{} bytes that begin {}", bytes.len(), first.join(" "));
        Err(bad(place, "format", "PNG or JPEG", found))
    }
}

/// Refuses a size that no frame has.
///
/// # Errors
/// [`Error::BadFrames`].
pub fn check_size(place: &Path, width: usize, height: usize) -> Result<()> {
    let fits = width.checked_mul(height).is_some_and(|n| n <= MAX_PIXELS);
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE || !fits {
        let expected = "at most 67,108,864 pixels and 16,384 on a side, at least 1";
        return Err(bad(place, "size", expected, format!("{width} x {height}")));
    }
    Ok(())
}

fn png(place: &Path, bytes: &[u8]) -> Result<Decoded> {
    let failed = |e: png::DecodingError| bad(place, "PNG", "a whole picture", e.to_string());
    let limits = png::Limits {
        bytes: 8 * MAX_PIXELS,
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(failed)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(place, width, height)?;
    let mut reader = decoder.read_info().map_err(failed)?;
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| bad(place, "PNG", "a picture that fits", "more"))?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels).map_err(failed)?;
    pixels.truncate(info.buffer_size());
    let rgb = match info.color_type {
        png::ColorType::Rgb => pixels,
        png::ColorType::Rgba => pixels
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect(),
        png::ColorType::Grayscale => pixels.iter().flat_map(|&v| [v; 3]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        png::ColorType::Indexed => {
            return Err(bad(place, "PNG", "colours of a palette", "none"));
        }
    };
    Ok(Decoded { width, height, rgb })
}

fn jpeg(place: &Path, bytes: &[u8]) -> Result<Decoded> {
    let failed = |e: &dyn std::fmt::Debug| bad(place, "JPEG", "a whole picture", format!("{e:?}"));
    // Strict: a file cut short is an error, not a grey patch.
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| failed(&e))?;
    let info = decoder.info().ok_or_else(|| failed(&"no header"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(place, width, height)?;
    let rgb = decoder.decode().map_err(|e| failed(&e))?;
    Ok(Decoded { width, height, rgb })
}

/// Decodes the frames of a video as they are stored, one after another, by ffmpeg: at most `most`. Colours
/// are converted by ffmpeg's exact paths; another version of it can still give other values.
///
/// # Errors
/// [`Error::BadFrames`] for what ffmpeg cannot decode, [`Error::Tool`] where it cannot be run, and what
/// `take` says.
pub fn read_video(
    ffmpeg: &Path,
    file: &Path,
    most: usize,
    mut take: impl FnMut(Decoded) -> Result<()>,
) -> Result<()> {
    // A stream of PPM pictures: raw RGB with the size before each.
    let mut child = Command::new(ffmpeg)
        .args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "error",
            "-noautorotate",
            "-i",
        ])
        .arg(file)
        .args([
            "-map",
            "0:v:0",
            "-fps_mode",
            "passthrough",
            "-frames:v",
            &most.to_string(),
        ])
        .args([
            "-sws_flags",
            "bilinear+accurate_rnd+full_chroma_int+bitexact",
        ])
        .args(["-pix_fmt", "rgb24", "-c:v", "ppm", "-f", "image2pipe", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| Error::Tool {
            tool: "ffmpeg",
            message: format!("cannot run {}: {e}", ffmpeg.display()),
        })?;
    let mut read = Ok(());
    if let Some(out) = child.stdout.take() {
        let mut out = BufReader::with_capacity(1 << 20, out);
        loop {
            read = match ppm(&mut out, file) {
                Ok(Some(picture)) => take(picture),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            if read.is_err() {
                break;
            }
        }
    }
    if read.is_err() {
        // It may still be writing to a pipe that nobody reads.
        let _ = child.kill();
    }
    let status = child.wait().map_err(Error::io("read", file))?;
    read?;
    match status.success() {
        true => Ok(()),
        false => Err(broken(file, status.to_string())),
    }
}

fn broken(file: &Path, why: String) -> Error {
    bad(file, "video", "frames that ffmpeg can decode", why)
}

/// The next binary PPM of a stream; none at its end.
fn ppm(out: &mut impl BufRead, file: &Path) -> Result<Option<Decoded>> {
    let mut line = || -> Result<String> {
        let mut text = Vec::new();
        out.by_ref()
            .take(64)
            .read_until(b'\n', &mut text)
            .map_err(Error::io("read", file))?;
        Ok(String::from_utf8_lossy(&text).trim().to_string())
    };
    let magic = line()?;
    if magic.is_empty() {
        return Ok(None);
    }
    let (sides, most) = (line()?, line()?);
    let side = |k: usize| {
        sides
            .split(' ')
            .nth(k)
            .and_then(|s| s.parse::<usize>().ok())
    };
    let (Some(width), Some(height), "P6", "255") =
        (side(0), side(1), magic.as_str(), most.as_str())
    else {
        let why = format!("a frame that begins {magic} {sides} {most}");
        return Err(broken(file, why));
    };
    check_size(file, width, height)?;
    let mut rgb = vec![0; 3 * width * height];
    out.read_exact(&mut rgb)
        .map_err(|e| broken(file, e.to_string()))?;
    Ok(Some(Decoded { width, height, rgb }))
}
