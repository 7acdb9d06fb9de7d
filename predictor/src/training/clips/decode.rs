use std::io::Cursor;
use std::path::Path;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::bad;
use crate::encoders::Picture;
use crate::{Error, Result};

/// Most pixels of a frame: 8192 squared.
pub const MAX_PIXELS: usize = 1 << 26;
/// Longest side of a frame.
const MAX_SIDE: usize = 1 << 14;

/// Decodes a PNG or a JPEG, told apart by its first bytes, to RGB of 8 bits. Grey is given to all three
/// channels, opacity is dropped, 16 bits are cut to the upper 8. `place` is named in errors.
///
/// PNG is exact. A JPEG's values can differ from another decoder's, as they do between versions of
/// libjpeg: the standard leaves rounding and the spreading of colour open. From libjpeg-turbo they differ
/// by less than half a level on average in a smooth picture, and by up to ten where colour jumps.
///
/// # Errors
/// [`Error::Config`] for another format, a damaged file, or more than [`MAX_PIXELS`]; the size is
/// looked at before memory is taken.
pub fn decode_picture(place: &Path, bytes: &[u8]) -> Result<Picture> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(place, bytes)
    } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        jpeg(place, bytes)
    } else {
        let first: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
        Err(bad(
            place,
            "format",
            "PNG or JPEG",
            format!("{} bytes that begin {}", bytes.len(), first.join(" ")),
        ))
    }
}

pub(super) fn check_size(place: &Path, width: usize, height: usize) -> Result<()> {
    let fits = width.checked_mul(height).is_some_and(|n| n <= MAX_PIXELS);
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE || !fits {
        return Err(bad(
            place,
            "size",
            "at most 67,108,864 pixels and 16,384 on a side, at least 1",
            format!("{width} x {height}"),
        ));
    }
    Ok(())
}

fn png(place: &Path, bytes: &[u8]) -> Result<Picture> {
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
        .ok_or_else(|| bad(place, "PNG", "a picture that fits", "more".into()))?;
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
            return Err(bad(place, "PNG", "colours of a palette", "none".into()));
        }
    };
    Picture::new(width, height, rgb)
}

fn jpeg(place: &Path, bytes: &[u8]) -> Result<Picture> {
    let failed = |e: &dyn std::fmt::Debug| -> Error {
        bad(place, "JPEG", "a whole picture", format!("{e:?}"))
    };
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
    let pixels = decoder.decode().map_err(|e| failed(&e))?;
    Picture::new(width, height, pixels)
}
