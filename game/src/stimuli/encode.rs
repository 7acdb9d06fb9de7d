//! Frames to the bytes of a file. The same frames give the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use npyz::WriterBuilder;

use crate::error::{Error, Result};
use crate::stimuli::movie::{Movie, Setting};

pub(crate) fn failed<E: std::fmt::Display>(
    path: &Path,
    format: &'static str,
) -> impl Fn(E) -> Error {
    move |e| Error::Encode {
        path: path.to_path_buf(),
        format,
        message: e.to_string(),
    }
}

/// The header of a numpy array of bytes, C order.
pub(crate) fn npy_header(shape: &[usize], path: &Path) -> Result<Vec<u8>> {
    header::<u8>(shape, path)
}

/// A numpy array of u32, one axis.
pub(crate) fn npy_u32(values: &[u32], path: &Path) -> Result<Vec<u8>> {
    let mut bytes = header::<u32>(&[values.len()], path)?;
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    Ok(bytes)
}

fn header<T: npyz::AutoSerialize + npyz::Serialize>(
    shape: &[usize],
    path: &Path,
) -> Result<Vec<u8>> {
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let mut bytes = Vec::new();
    // The header by the library, with no element; the elements are written as they are.
    npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut bytes)
        .begin_nd()
        .map(|writer: npyz::NpyWriter<T, _>| drop(writer))
        .map_err(failed(path, "npy"))?;
    Ok(bytes)
}

/// A whole movie as a numpy array, u8, C order, `[frame, y, x]` or `[frame, y, x, channel]`.
pub(crate) fn npy(movie: &mut Movie, setting: &Setting, path: &Path) -> Result<Vec<u8>> {
    let n_frames = movie.n_frames();
    let mut bytes = npy_header(&setting.shape(n_frames), path)?;
    bytes.reserve_exact(n_frames * setting.frame_len());
    for n in 0..n_frames {
        bytes.extend_from_slice(movie.draw(n));
    }
    Ok(bytes)
}

/// One frame as PNG.
pub(crate) fn png(frame: &[u8], setting: &Setting, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let size = setting.size_px() as u32;
    let mut encoder = png::Encoder::new(&mut bytes, size, size);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(match setting.channels() {
        1 => png::ColorType::Grayscale,
        _ => png::ColorType::Rgb,
    });
    let mut writer = encoder.write_header().map_err(failed(path, "png"))?;
    writer
        .write_image_data(frame)
        .map_err(failed(path, "png"))?;
    writer.finish().map_err(failed(path, "png"))?;
    Ok(bytes)
}

/// A whole movie as an endless GIF with one palette.
pub(crate) fn gif(movie: &mut Movie, setting: &Setting, path: &Path) -> Result<Vec<u8>> {
    let channels = setting.channels();
    let n_frames = movie.n_frames();
    let palette = Palette::of(movie, n_frames, channels);
    let size = setting.size_px() as u16;
    let mut bytes = Vec::new();
    let mut encoder =
        gif::Encoder::new(&mut bytes, size, size, &palette.colors).map_err(failed(path, "gif"))?;
    encoder
        .set_repeat(gif::Repeat::Infinite)
        .map_err(failed(path, "gif"))?;
    // Hundredths of a second, cut so that they never drift from the frame times.
    let hundredths = |n: usize| (setting.frame_ms(n) / 10.0).round() as u16;
    let mut frame = Vec::new();
    for n in 0..n_frames {
        movie.frame_into(n, &mut frame);
        let picture = gif::Frame {
            width: size,
            height: size,
            delay: hundredths(n + 1).saturating_sub(hundredths(n)),
            buffer: palette.indices(&frame, channels).into(),
            ..gif::Frame::default()
        };
        encoder.write_frame(&picture).map_err(failed(path, "gif"))?;
    }
    drop(encoder);
    Ok(bytes)
}

/// At most 256 colours: those of the frames, with as many low bits dropped as needed (none for a
/// preset of this crate but soft edges over many colours).
struct Palette {
    colors: Vec<u8>,
    index: BTreeMap<[u8; 3], u8>,
    dropped_bits: u32,
}

fn color(px: &[u8], dropped_bits: u32) -> [u8; 3] {
    let keep = u8::MAX << dropped_bits;
    match *px {
        [r, g, b] => [r & keep, g & keep, b & keep],
        _ => [px[0] & keep; 3],
    }
}

impl Palette {
    fn of(movie: &mut Movie, n_frames: usize, channels: usize) -> Self {
        let mut found = std::collections::BTreeSet::new();
        let mut frame = Vec::new();
        for n in 0..n_frames {
            movie.frame_into(n, &mut frame);
            let mut last = None;
            for px in frame.chunks_exact(channels) {
                if last != Some(px) {
                    found.insert(color(px, 0));
                    last = Some(px);
                }
            }
        }
        let mut dropped_bits = 0;
        while found.len() > 256 {
            dropped_bits += 1;
            found = found.iter().map(|c| color(c, dropped_bits)).collect();
        }
        Self {
            colors: found.iter().flatten().copied().collect(),
            index: found.into_iter().zip(0..=u8::MAX).collect(),
            dropped_bits,
        }
    }

    fn indices(&self, frame: &[u8], channels: usize) -> Vec<u8> {
        let mut last = ([0; 3], None);
        frame
            .chunks_exact(channels)
            .map(|px| {
                let color = color(px, self.dropped_bits);
                if last.0 != color || last.1.is_none() {
                    last = (color, self.index.get(&color).copied());
                }
                last.1.unwrap_or_default()
            })
            .collect()
    }
}
