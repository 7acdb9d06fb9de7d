//! What a file that holds no tensors seems to be, by its first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes that are looked at.
const START: u64 = 512;

/// What begins like something that is often found under the name of a weight file, in words; nothing for any other.
pub(crate) fn foreign(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path)
        .ok()?
        .take(START)
        .read_to_end(&mut start)
        .ok()?;
    let text = String::from_utf8_lossy(&start).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let what = if text.starts_with("<!doctype html") || text.starts_with("<html") {
        "an HTML page: what a server answers in place of a file; fetch it again"
    } else if text.starts_with("<?xml") {
        "an XML text: what a server answers in place of a file; fetch it again"
    } else if text.starts_with("version https://git-lfs") {
        "a Git LFS pointer, the name of a file and not the file; get it with: git lfs pull"
    } else if text.starts_with('{') {
        "a JSON text: the tensors stand in other files"
    } else if start.starts_with(&[0x1f, 0x8b]) {
        "a gzip file; unpack it first"
    } else if start.starts_with(b"\xfd7zXZ") || start.starts_with(b"BZh") {
        "a compressed file; unpack it first"
    } else if start.starts_with(b"\x89HDF\r\n") {
        "an HDF5 file, as Keras writes them; export the tensors as safetensors"
    } else if start.starts_with(b"GGUF") {
        "a GGUF file; the tensors are wanted as their authors published them"
    } else if start.get(257..262) == Some(b"ustar") {
        "a tar file; unpack it first"
    } else if start.starts_with(b"\x93NUMPY") {
        "one NumPy array"
    } else if onnx(&start) {
        "an ONNX model; its state_dict is wanted"
    } else {
        return None;
    };
    Some(what.into())
}

/// A protocol buffer that begins with a small version and then the producer's name, as ONNX models do.
fn onnx(start: &[u8]) -> bool {
    matches!(start, [0x08, version, 0x12, length, rest @ ..]
        if (1..=20).contains(version)
            && rest.get(..usize::from(*length)).is_some_and(|name| name.iter().all(u8::is_ascii_graphic)))
}
