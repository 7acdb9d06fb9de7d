use std::path::Path;

use mental_pong_game::stimuli::decode;

use crate::Result;
use crate::encoders::Picture;

pub use decode::MAX_PIXELS;

/// Decodes a PNG or a JPEG to RGB of 8 bits: see [`decode::decode_picture`].
///
/// # Errors
/// [`crate::Error::Game`] for another format, a damaged file, or more than [`MAX_PIXELS`].
pub fn decode_picture(place: &Path, bytes: &[u8]) -> Result<Picture> {
    picture(decode::decode_picture(place, bytes)?)
}

pub(super) fn picture(decoded: decode::Decoded) -> Result<Picture> {
    Picture::new(decoded.width, decoded.height, decoded.rgb)
}

pub(super) fn check_size(place: &Path, width: usize, height: usize) -> Result<()> {
    Ok(decode::check_size(place, width, height)?)
}
