//! A Zarr group of version 2: a folder of JSON and raw chunks, a chunk of each layer a condition.

use std::path::{Path, PathBuf};

use mental_pong_base::files::{create_folder, folder_of, write_whole};
use serde_json::{Map, Value, json};

use super::npz::wide;
use super::{CLOCK, Content, Each};
use crate::{Error, Result};

/// Takes an unfinished folder away, unless it was finished.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn write(content: &mut Content, path: &Path) -> Result<()> {
    let io = |e| Error::io(path, e);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = Unfinished(folder_of(path).join(format!(".part-{name}")));
    if part.0.exists() {
        std::fs::remove_dir_all(&part.0).map_err(io)?;
    }
    fill(content, &part.0)?;
    if path.exists() {
        // Only what is a Zarr group is taken for an earlier result.
        if !path.join(".zgroup").is_file() {
            let found = std::io::Error::other("there is something else than a Zarr group");
            return Err(io(found));
        }
        std::fs::remove_dir_all(path).map_err(io)?;
    }
    std::fs::rename(&part.0, path).map_err(io)
}

fn fill(content: &mut Content, folder: &Path) -> Result<()> {
    let (n, steps) = (content.conditions(), content.steps);
    create_folder(folder)?;
    let mut all = Map::new();
    let json_file = |all: &mut Map<String, Value>, name: &str, value: Value| -> Result<()> {
        write_whole(&folder.join(name), value.to_string().as_bytes())?;
        all.insert(name.into(), value);
        Ok(())
    };
    json_file(&mut all, ".zgroup", json!({"zarr_format": 2}))?;
    let set = content.set;
    let attributes = json!({
        "set_name": set.identity.name,
        "set_sha256": set.identity.sha256,
        "rate_hz": set.rate_hz,
        "clock": CLOCK,
        "about_json": content.about,
        "coordinates": "id n_steps frame time_ms status",
    });
    json_file(&mut all, ".zattrs", attributes)?;
    let chars = content.id_chars();
    let id_kind = format!("<U{chars}");
    let per_step = ["condition", "step"];
    // Name, kind of number, shape, chunk, names of the axes.
    type Described<'a> = (String, &'a str, Vec<usize>, Vec<usize>, Vec<String>);
    let mut arrays: Vec<Described> = Vec::new();
    let whole = |name: &str, kind, shape: &[usize]| {
        let axes = per_step[..shape.len()].iter().map(ToString::to_string);
        (
            name.to_string(),
            kind,
            shape.to_vec(),
            shape.to_vec(),
            axes.collect(),
        )
    };
    arrays.push(whole("id", id_kind.as_str(), &[n]));
    arrays.push(whole("n_steps", "<i4", &[n]));
    arrays.push(whole("frame", "<i4", &[n, steps]));
    arrays.push(whole("time_ms", "<f8", &[n, steps]));
    arrays.push(whole("status", "|u1", &[n, steps]));
    for (k, info) in content.layers.iter().enumerate() {
        let axes = ["condition", "step", &content.unit_axis(k)].map(String::from);
        let (shape, chunk) = ([n, steps, info.units], [1, steps, info.units]);
        arrays.push((
            info.name.clone(),
            "<f4",
            shape.into(),
            chunk.into(),
            axes.into(),
        ));
    }
    for (name, kind, shape, chunk, axes) in arrays {
        create_folder(folder.join(&name))?;
        let fill_value = match kind {
            "<f4" | "<f8" => json!("NaN"),
            // Any other value would be read as missing.
            _ => Value::Null,
        };
        let about = json!({
            "zarr_format": 2, "shape": shape, "chunks": chunk, "dtype": kind, "order": "C",
            "compressor": null, "filters": null, "fill_value": fill_value,
        });
        json_file(&mut all, &format!("{name}/.zarray"), about)?;
        let axes = json!({"_ARRAY_DIMENSIONS": axes});
        json_file(&mut all, &format!("{name}/.zattrs"), axes)?;
    }
    let consolidated = json!({"zarr_consolidated_format": 1, "metadata": all});
    write_whole(
        &folder.join(".zmetadata"),
        consolidated.to_string().as_bytes(),
    )?;
    chunks(content, folder, chars)
}

fn chunks(content: &mut Content, folder: &Path, chars: usize) -> Result<()> {
    let n = content.conditions();
    let ids: Vec<u8> = content.ids().flat_map(|id| wide(id, chars)).collect();
    write_whole(&folder.join("id/0"), &ids)?;
    let counts: Vec<u8> = content.n_steps().flat_map(i32::to_le_bytes).collect();
    write_whole(&folder.join("n_steps/0"), &counts)?;
    for (name, what) in [
        ("frame", Each::Frame),
        ("time_ms", Each::TimeMs),
        ("status", Each::Status),
    ] {
        let rows: Vec<u8> = (0..n).flat_map(|c| content.row(what, c)).collect();
        write_whole(&folder.join(name).join("0.0"), &rows)?;
    }
    let mut bytes = Vec::new();
    for layer in 0..content.layers.len() {
        let name = content.layers[layer].name.clone();
        for condition in 0..n {
            let path = folder.join(&name).join(format!("{condition}.0.0"));
            content
                .layer(condition, layer, &mut bytes)
                .map_err(|e| Error::io(&path, e))?;
            write_whole(&path, &bytes)?;
        }
    }
    Ok(())
}
