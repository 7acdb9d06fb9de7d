//! Zarr 2 and 3 in a folder, as xarray writes them: JSON that says what there is, and chunks of it.
//!
//! Chunks are plain or packed by zlib, gzip, zstd or Blosc, little- or big-endian, row-major; texts are of a fixed width or
//! `vlen-utf8`. Shards, and arrays of other orders, are left out. Sources: "Zarr storage specification version 2", "Zarr core
//! specification version 3".

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mental_pong_base::IoError;
use serde_json::Value as Json;

use super::{Arrays, Held, MOST_ARRAYS, MOST_PACKED, Place, blosc, dtype, wrong};
use crate::error::Result;
use crate::limits::check_count;
use crate::value::{ByteOrder, Dtype, Kind, count};

/// Longest description, bytes.
const LONGEST: u64 = 64 << 20;

/// How the chunks of an array are kept.
#[derive(Debug)]
pub(super) struct Chunks {
    folder: PathBuf,
    shape: Vec<usize>,
    /// Between the numbers of a chunk's name; version 3 puts `c` before them.
    separator: String,
    versions: u64,
    /// From the last to be undone to the first.
    codecs: Vec<String>,
    /// Bytes of an element that no chunk has.
    fill: Vec<u8>,
}

/// The chunks of one row of chunks, unpacked: whose, which, and their rows `[row of the chunk][rest of the array]`.
#[derive(Default)]
pub(super) struct Cache(Option<(PathBuf, usize, Vec<u8>)>);

fn json(path: &Path) -> Result<Option<Json>> {
    let Ok(file) = File::open(path) else {
        return Ok(None);
    };
    let mut text = Vec::new();
    let read = file.take(LONGEST).read_to_end(&mut text);
    read.map_err(IoError::on("read", path))?;
    let parsed = serde_json::from_slice(&text);
    parsed
        .map(Some)
        .map_err(|error| wrong(format!("Zarr, {}: {error}", path.display())))
}

pub(super) fn open(path: &Path) -> Result<Option<Arrays>> {
    let mut arrays = Arrays::of("Zarr 2");
    let about = if let Some(about) = json(&path.join("zarr.json"))? {
        arrays.format = "Zarr 3";
        about["attributes"].clone()
    } else if path.join(".zgroup").is_file() {
        json(&path.join(".zattrs"))?.unwrap_or_default()
    } else {
        return Ok(None);
    };
    for (name, value) in about.as_object().into_iter().flatten() {
        let text = value.as_str().map(str::to_owned);
        if let Some(text) = text.or_else(|| Some(value.as_f64()?.to_string())) {
            arrays.notes.insert(name.clone(), text);
        }
    }
    group(path, "", 1, &mut arrays)?;
    Ok(Some(arrays))
}

fn group(folder: &Path, path: &str, depth: usize, arrays: &mut Arrays) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(IoError::on("read", folder))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && folder.join(name).is_dir())
        .collect();
    names.sort_unstable();
    check_count("entries of the folder", names.len(), MOST_ARRAYS)?;
    for name in names {
        let inner = folder.join(&name);
        let full = if path.is_empty() {
            name
        } else {
            format!("{path}/{name}")
        };
        let three = json(&inner.join("zarr.json"))?;
        let described = match (&three, json(&inner.join(".zarray"))?) {
            (Some(about), _) if about["node_type"] == "array" => Some(version_three(&inner, about)),
            (None, Some(about)) => Some(version_two(&inner, &about)?),
            _ => None,
        };
        match described {
            Some(Ok(held)) => {
                let held = match held.dtype.kind {
                    Kind::Object => texts(&held).map_err(|why| wrong(format!("{full}: {why}")))?,
                    _ => held,
                };
                arrays.held.insert(full, held);
            }
            Some(Err(what)) => arrays.left_out.push((full, what)),
            None if depth < 16 && (three.is_some() || inner.join(".zgroup").is_file()) => {
                group(&inner, &full, depth + 1, arrays)?;
            }
            None => {}
        }
    }
    Ok(())
}

fn lengths(json: &Json) -> Option<Vec<usize>> {
    let all = json.as_array()?.iter();
    all.map(|n| usize::try_from(n.as_u64()?).ok()).collect()
}

fn names(json: &Json) -> Vec<String> {
    let all = json.as_array().into_iter().flatten();
    all.map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect()
}

/// An array of what was said of it; the reason where it is not read.
#[allow(
    clippy::too_many_arguments,
    reason = "what both versions of the format say of an array"
)]
fn held(
    folder: &Path,
    shape: Option<Vec<usize>>,
    axes: Vec<String>,
    dtype: Dtype,
    chunk: Option<Vec<usize>>,
    (separator, versions): (&str, u64),
    codecs: Vec<String>,
    fill: &Json,
) -> std::result::Result<Held, String> {
    let (Some(shape), Some(chunk)) = (shape, chunk) else {
        return Err("an array of no stated shape".into());
    };
    if shape.len() != chunk.len() || chunk.contains(&0) {
        return Err(format!("chunks {chunk:?} of shape {shape:?}"));
    }
    let size = count(&chunk).and_then(|n| n.checked_mul(dtype.size.max(1)));
    if size.is_none_or(|size| size as u64 > MOST_PACKED) || count(&shape).is_none() {
        return Err(format!("chunks {chunk:?} of more than 256 MiB"));
    }
    let number = match fill {
        Json::String(text) if dtype.is_number() => text.parse().unwrap_or(f64::NAN),
        other => other.as_f64().unwrap_or(0.0),
    };
    let mut fill = match (dtype.kind, dtype.size) {
        (Kind::Float, 8) => number.to_le_bytes().to_vec(),
        #[allow(clippy::cast_possible_truncation, reason = "the type of the array")]
        (Kind::Float, 4) => (number as f32).to_le_bytes().to_vec(),
        #[allow(clippy::cast_possible_truncation, reason = "the type of the array")]
        (Kind::Int | Kind::UInt, n) => (number as i64).to_le_bytes()[..n].to_vec(),
        (_, n) => vec![0; n],
    };
    if dtype.order == ByteOrder::Big {
        fill.reverse();
    }
    let chunks = Chunks {
        folder: folder.to_owned(),
        shape: chunk,
        separator: separator.to_owned(),
        versions,
        codecs,
        fill,
    };
    Ok(Held {
        axes: if axes.len() == shape.len() {
            axes
        } else {
            Vec::new()
        },
        shape,
        dtype,
        place: Place::Zarr(Arc::new(chunks)),
    })
}

fn version_two(folder: &Path, about: &Json) -> Result<std::result::Result<Held, String>> {
    let attributes = json(&folder.join(".zattrs"))?.unwrap_or_default();
    let of = || {
        if attributes
            .as_object()
            .is_some_and(|a| super::hdf5::packed(a.keys().map(String::as_str)))
        {
            return Err(super::hdf5::PACKED.to_owned());
        }
        let name = about["dtype"].as_str().unwrap_or_default();
        let dtype = Dtype::parse(name).ok_or_else(|| format!("elements of type {name}"))?;
        if about["order"] == "F" && about["shape"].as_array().is_some_and(|s| s.len() > 1) {
            return Err("chunks in Fortran order".into());
        }
        let filters = names_of(&about["filters"], "id");
        let compressor = &about["compressor"];
        let compressor = compressor["id"].as_str().map(str::to_owned);
        let codecs: Vec<String> = filters.into_iter().chain(compressor).collect();
        let separator = about["dimension_separator"].as_str().unwrap_or(".");
        let (shape, chunk) = (lengths(&about["shape"]), lengths(&about["chunks"]));
        let axes = names(&attributes["_ARRAY_DIMENSIONS"]);
        let fill = &about["fill_value"];
        held(
            folder,
            shape,
            axes,
            dtype,
            chunk,
            (separator, 2),
            codecs,
            fill,
        )
    };
    Ok(of())
}

fn names_of(list: &Json, key: &str) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.map(|of| of[key].as_str().unwrap_or("unknown").to_owned())
        .collect()
}

fn version_three(folder: &Path, about: &Json) -> std::result::Result<Held, String> {
    let attributes = &about["attributes"];
    if attributes
        .as_object()
        .is_some_and(|a| super::hdf5::packed(a.keys().map(String::as_str)))
    {
        return Err(super::hdf5::PACKED.into());
    }
    let kind = &about["data_type"];
    let name = kind
        .as_str()
        .or_else(|| kind["name"].as_str())
        .unwrap_or_default();
    let codecs = about["codecs"].as_array().map_or(&[][..], Vec::as_slice);
    let big = codecs
        .iter()
        .any(|codec| codec["configuration"]["endian"] == "big");
    let order = if big {
        ByteOrder::Big
    } else {
        ByteOrder::Little
    };
    let width = kind["configuration"]["length_bytes"].as_u64().unwrap_or(0);
    let width = usize::try_from(width).map_err(|_| "texts too long".to_owned())?;
    let dtype = match name {
        "float64" => dtype(Kind::Float, 8, order),
        "float32" => dtype(Kind::Float, 4, order),
        "float16" => dtype(Kind::Float, 2, order),
        "int64" => dtype(Kind::Int, 8, order),
        "int32" => dtype(Kind::Int, 4, order),
        "int16" => dtype(Kind::Int, 2, order),
        "int8" => dtype(Kind::Int, 1, order),
        "uint64" => dtype(Kind::UInt, 8, order),
        "uint32" => dtype(Kind::UInt, 4, order),
        "uint16" => dtype(Kind::UInt, 2, order),
        "uint8" => dtype(Kind::UInt, 1, order),
        "bool" => dtype(Kind::Bool, 1, order),
        "fixed_length_utf32" => dtype(Kind::Unicode, width, order),
        "null_terminated_bytes" => dtype(Kind::Bytes, width, order),
        "string" | "variable_length_utf8" => Dtype::OBJECT,
        other => return Err(format!("elements of type {other}")),
    };
    let encoding = &about["chunk_key_encoding"];
    let (default, version) = match encoding["name"].as_str() {
        Some("v2") => (".", 2),
        _ => ("/", 3),
    };
    let separator = encoding["configuration"]["separator"]
        .as_str()
        .unwrap_or(default);
    let codecs = names_of(&about["codecs"], "name");
    let shape = lengths(&about["shape"]);
    let chunk = lengths(&about["chunk_grid"]["configuration"]["chunk_shape"]);
    let axes = names(&about["dimension_names"]);
    let fill = &about["fill_value"];
    held(
        folder,
        shape,
        axes,
        dtype,
        chunk,
        (separator, version),
        codecs,
        fill,
    )
}

impl Chunks {
    /// A chunk's content before its elements are read; `None` where there is no such file.
    fn content(
        &self,
        place: &[usize],
        most: usize,
    ) -> std::result::Result<Option<Vec<u8>>, String> {
        let numbers: Vec<String> = place.iter().map(ToString::to_string).collect();
        let name = match (self.versions, numbers.is_empty()) {
            (2, true) => "0".into(),
            (2, false) => numbers.join(&self.separator),
            (_, true) => "c".into(),
            (_, false) => format!("c{}{}", self.separator, numbers.join(&self.separator)),
        };
        let file = match File::open(self.folder.join(&name)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("chunk {name}: {error}")),
        };
        // Packed, a chunk is hardly longer than it is.
        let mut bytes = blosc::limited(file, most.saturating_add(most / 4 + 4096))?;
        for codec in self.codecs.iter().rev() {
            let undone = match codec.as_str() {
                "bytes" | "endian" | "vlen-utf8" => continue,
                "zlib" => blosc::limited(flate2::read::ZlibDecoder::new(&*bytes), most),
                "gzip" => blosc::limited(flate2::read::MultiGzDecoder::new(&*bytes), most),
                "zstd" => blosc::zstd(&bytes, most),
                "blosc" => blosc::unpacked(&bytes, most),
                // The checksum stands at the end.
                "crc32c" => Ok(bytes[..bytes.len().saturating_sub(4)].to_vec()),
                other => Err(format!("the codec {other} is not read")),
            };
            bytes = undone.map_err(|why| format!("chunk {name}: {why}"))?;
        }
        Ok(Some(bytes))
    }

    /// The bytes of one row of the array, or of all where it has no axes.
    pub(super) fn row(&self, held: &Held, row: usize, cache: &mut Cache) -> Result<Vec<u8>> {
        let size = held.row_length() * held.dtype.size;
        let rows = self.shape.first().copied().unwrap_or(1);
        let (number, within) = (row / rows, row % rows);
        let have = cache.0.as_ref();
        if have.is_none_or(|(of, n, _)| *of != self.folder || *n != number) {
            let slab = self.slab(held, number);
            let slab =
                slab.map_err(|why| wrong(format!("Zarr, {}: {why}", self.folder.display())))?;
            cache.0 = Some((self.folder.clone(), number, slab));
        }
        let slab = cache.0.as_ref().map_or(&[][..], |(.., slab)| slab);
        let bytes = slab.get(within * size..(within + 1) * size);
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| wrong("a row beyond its chunk"))
    }

    /// All chunks whose first number is `number`, put together: `[row of the chunk][rest of the array]`.
    fn slab(&self, held: &Held, number: usize) -> std::result::Result<Vec<u8>, String> {
        let width = held.dtype.size;
        let chunk_bytes = count(&self.shape).unwrap_or(0) * width;
        let mut shape = held.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = self.shape[0];
        }
        let total = count(&shape).and_then(|n| n.checked_mul(width));
        let total = total.filter(|&n| n as u64 <= 4 * MOST_PACKED);
        let total = total.ok_or("chunks of one row that are more than 1 GiB together")?;
        let mut slab = self.fill.repeat(total / width.max(1));
        let grid: Vec<usize> = shape
            .iter()
            .zip(&self.shape)
            .map(|(n, c)| n.div_ceil(*c))
            .collect();
        for index in 0..count(&grid).unwrap_or(0) {
            // Place of the chunk: numbers of the grid, the last axis fastest.
            let mut place = vec![0; grid.len()];
            let mut left = index;
            for axis in (0..grid.len()).rev() {
                place[axis] = left % grid[axis];
                left /= grid[axis];
            }
            let mut name = place.clone();
            if let Some(first) = name.first_mut() {
                *first = number;
            }
            let Some(content) = self.content(&name, chunk_bytes)? else {
                continue;
            };
            if content.len() != chunk_bytes {
                return Err(format!(
                    "chunk {name:?}: {} bytes, not {chunk_bytes}",
                    content.len()
                ));
            }
            self.placed(&content, &place, &shape, width, &mut slab);
        }
        Ok(slab)
    }

    /// Puts a chunk into its place, line by line of the last axis.
    fn placed(
        &self,
        content: &[u8],
        place: &[usize],
        shape: &[usize],
        width: usize,
        slab: &mut [u8],
    ) {
        let axes = shape.len();
        let Some(last) = axes.checked_sub(1) else {
            slab.copy_from_slice(content);
            return;
        };
        let line = self.shape[last];
        let from = place[last] * line;
        let length = line.min(shape[last] - from);
        let mut index = vec![0; last];
        for number in 0..self.shape[..last].iter().product() {
            let mut left: usize = number;
            for axis in (0..last).rev() {
                index[axis] = left % self.shape[axis];
                left /= self.shape[axis];
            }
            let mut at = 0;
            let mut inside = true;
            for axis in 0..last {
                let here = place[axis] * self.shape[axis] + index[axis];
                inside &= here < shape[axis];
                at = at * shape[axis] + here;
            }
            if inside {
                let to = (at * shape[last] + from) * width;
                let start = number * line * width;
                slab[to..to + length * width]
                    .copy_from_slice(&content[start..start + length * width]);
            }
        }
    }
}

/// Texts of any length, as texts of a fixed width in memory: `vlen-utf8` of one axis.
fn texts(held: &Held) -> std::result::Result<Held, String> {
    let Place::Zarr(chunks) = &held.place else {
        return Err("no chunks".into());
    };
    if held.shape.len() > 1 || !chunks.codecs.iter().any(|codec| codec == "vlen-utf8") {
        return Err("objects that are no texts of one axis".into());
    }
    let total = held.shape.first().copied().unwrap_or(1);
    let each = chunks.shape.first().copied().unwrap_or(1);
    let mut all: Vec<Vec<u32>> = Vec::new();
    for number in 0..total.div_ceil(each) {
        let place = if held.shape.is_empty() {
            vec![]
        } else {
            vec![number]
        };
        let most = usize::try_from(MOST_PACKED).unwrap_or(usize::MAX);
        let content = chunks.content(&place, most)?.unwrap_or_default();
        let mut rest = content.get(4..).unwrap_or_default();
        for _ in 0..each.min(total - number * each) {
            let text = match rest.split_first_chunk::<4>() {
                None if content.is_empty() => &[][..],
                None => return Err("texts that end too early".into()),
                Some((length, after)) => {
                    let length = u32::from_le_bytes(*length) as usize;
                    let (text, after) = after
                        .split_at_checked(length)
                        .ok_or("texts that end too early")?;
                    rest = after;
                    text
                }
            };
            all.push(
                String::from_utf8_lossy(text)
                    .chars()
                    .map(u32::from)
                    .collect(),
            );
        }
    }
    let width = all.iter().map(Vec::len).max().unwrap_or(0).max(1);
    if (width * 4 * total) as u64 > MOST_PACKED {
        return Err(format!("texts as long as {width} characters"));
    }
    let mut bytes = Vec::with_capacity(width * 4 * total);
    for mut text in all {
        text.resize(width, 0);
        bytes.extend(text.into_iter().flat_map(u32::to_le_bytes));
    }
    Ok(Held {
        dtype: dtype(Kind::Unicode, width * 4, ByteOrder::Little),
        place: Place::Memory(Arc::new(bytes), false),
        ..held.clone()
    })
}
