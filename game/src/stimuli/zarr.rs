//! A Zarr v3 group: JSON beside raw chunks, as the specification of its core and of the codecs
//! `bytes` and `zstd` has it.

use std::path::Path;

use serde_json::json;

use crate::error::Result;
use crate::stimuli::encode::failed;
use crate::stimuli::movie::{Movie, Setting};

/// The group's folder in that of the set.
pub(crate) const FOLDER: &str = "frames.zarr";
const LEVEL: i32 = 3;

/// The name of a condition's chunk.
pub(crate) fn chunk_name(condition: usize, setting: &Setting) -> String {
    let rest = "/0".repeat(setting.shape(0).len());
    format!("{FOLDER}/frames/c/{condition}{rest}")
}

/// The chunk of a condition: its frames, then zeros up to `n_frames`.
pub(crate) fn chunk(
    movie: &mut Movie,
    setting: &Setting,
    n_frames: usize,
    path: &Path,
) -> Result<Vec<u8>> {
    let mut raw = Vec::with_capacity(n_frames * setting.frame_len());
    for n in 0..movie.n_frames() {
        raw.extend_from_slice(movie.draw(n));
    }
    raw.resize(n_frames * setting.frame_len(), 0);
    zstd::bulk::compress(&raw, LEVEL).map_err(failed(path, "zarr"))
}

/// The metadata and the small arrays: `(path, content)`.
pub(crate) fn around(
    ids: &[&str],
    n_frames: &[usize],
    setting: &Setting,
    path: &Path,
) -> Result<Vec<(String, Vec<u8>)>> {
    let longest = n_frames.iter().copied().max().unwrap_or(0);
    let n = ids.len();
    let frame = &setting.shape(longest);
    let axes = ["condition", "frame", "y", "x", "channel"];
    let array = |shape: &[usize], chunk: &[usize], kind: &str, about: &str| {
        json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": kind,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [
                if kind == "uint8" {
                    json!({"name": "bytes"})
                } else {
                    json!({"name": "bytes", "configuration": {"endian": "little"}})
                },
                {"name": "zstd", "configuration": {"level": LEVEL, "checksum": false}}
            ],
            "dimension_names": &axes[..shape.len()],
            "attributes": {"description": about},
        })
    };
    let small = |values: Vec<u32>| -> Result<Vec<u8>> {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        zstd::bulk::compress(&raw, LEVEL).map_err(failed(path, "zarr"))
    };
    let text = |value: serde_json::Value| -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(&value).map_err(failed(path, "zarr"))?;
        text.push(b'\n');
        Ok(text)
    };
    let whole = [&[n], &frame[..]].concat();
    let one = [&[1], &frame[..]].concat();
    let counts = n_frames.iter().map(|&n| n as u32).collect();
    // Numbers where all are, as the published ones; else texts of any length.
    let numbers: Option<Vec<u32>> = ids.iter().map(|id| number(id)).collect();
    let about_ids = "id of each condition";
    let mut id_array = array(&[n], &[n], "uint32", about_ids);
    let id_chunk = match numbers {
        Some(numbers) => small(numbers)?,
        None => {
            id_array["data_type"] = json!("string");
            id_array["fill_value"] = json!("");
            id_array["codecs"][0] = json!({"name": "vlen-utf8"});
            let mut raw = (n as u32).to_le_bytes().to_vec();
            for id in ids {
                raw.extend((id.len() as u32).to_le_bytes());
                raw.extend(id.as_bytes());
            }
            zstd::bulk::compress(&raw, LEVEL).map_err(failed(path, "zarr"))?
        }
    };
    let name = |rest: &str| format!("{FOLDER}/{rest}");
    Ok(vec![
        (
            name("zarr.json"),
            text(json!({
                "zarr_format": 3,
                "node_type": "group",
                "attributes": {"rate_hz": setting.rate_hz(), "setting": setting},
            }))?,
        ),
        (
            name("frames/zarr.json"),
            text(array(
                &whole,
                &one,
                "uint8",
                "frames of each condition; those from n_frames on are no frames and hold zeros",
            ))?,
        ),
        (name("id/zarr.json"), text(id_array)?),
        (name("id/c/0"), id_chunk),
        (
            name("n_frames/zarr.json"),
            text(array(
                &[n],
                &[n],
                "uint32",
                "number of frames of each condition",
            ))?,
        ),
        (name("n_frames/c/0"), small(counts)?),
    ])
}

/// The number that an id is, written as such.
pub(crate) fn number(id: &str) -> Option<u32> {
    let number: u32 = id.parse().ok()?;
    (number.to_string() == id).then_some(number)
}
