//! Which format a file has, and its content as it stands there.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use mental_pong_base::{Monitor, Quiet};

use crate::error::{Error, Result};

use super::arrays::in_axes;
use super::dmfc::{Opening, Recording};
use super::{convert, long, npz, nwb};
use mental_pong_formats::arrays::Arrays;
use mental_pong_formats::limits::Limits;
use mental_pong_formats::value::{Dict, Value};
use mental_pong_formats::{mat, pickle};

/// How a recording is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A pickle.
    Pickle,
    /// A pickle, compressed with gzip.
    PickleGz,
    /// A MATLAB file of version 5 to 7.
    MatV5,
    /// A MATLAB file of version 7.3.
    MatV73,
    /// An archive of numpy arrays, see [`npz`].
    Npz,
    /// Neurodata Without Borders, see [`nwb`].
    Nwb,
    /// A long table of responses, see [`long`].
    Parquet,
    /// Arrays with labelled axes: NetCDF 3 or 4.
    Netcdf,
    /// The same in a Zarr folder, version 2 or 3.
    Zarr,
    /// The open layout of [`convert`]: a folder.
    Folder,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pickle => "pickle",
            Self::PickleGz => "pickle, gzip",
            Self::MatV5 => "MAT v5",
            Self::MatV73 => "MAT v7.3 (HDF5)",
            Self::Npz => "npz",
            Self::Nwb => "NWB (HDF5)",
            Self::Parquet => "Parquet, long table",
            Self::Netcdf => "NetCDF",
            Self::Zarr => "Zarr",
            Self::Folder => "open layout (safetensors + Parquet + JSON)",
        })
    }
}

const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.display().to_string(),
        source,
    }
}

/// The format of a file or folder, by its first bytes and not by its name. [`Error::Io`] if it cannot be opened,
/// [`Error::InFile`] if it is none of them.
pub fn detect(path: &Path) -> Result<Format> {
    if path.is_dir() {
        if path.join(convert::MANIFEST).is_file() {
            return Ok(Format::Folder);
        }
        if path.join(".zgroup").is_file() || path.join("zarr.json").is_file() {
            return Ok(Format::Zarr);
        }
        let why = format!(
            "a folder without {}, .zgroup or zarr.json",
            convert::MANIFEST
        );
        return Err(Error::invalid("recording", why).in_file(path));
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(520).read_to_end(&mut head))
        .map_err(|source| io(path, source))?;
    match &*head {
        [0x80, ..] => Ok(Format::Pickle),
        [0x1f, 0x8b, ..] => Ok(Format::PickleGz),
        // Some libraries write MAT files of version 7.3 without the 512 bytes that MATLAB puts first.
        head if head.starts_with(HDF5) && states(path, "nwb_version") => Ok(Format::Nwb),
        head if head.starts_with(HDF5) && states(path, "_NCProperties") => Ok(Format::Netcdf),
        head if head.starts_with(HDF5) || head.get(512..) == Some(HDF5) => Ok(Format::MatV73),
        head if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") => {
            Ok(Format::Npz)
        }
        head if head.starts_with(b"PAR1") => Ok(Format::Parquet),
        [b'C', b'D', b'F', 1 | 2, ..] => Ok(Format::Netcdf),
        head if head.starts_with(b"MATLAB 5.0") || head.get(126..128) == Some(b"IM") => {
            Ok(Format::MatV5)
        }
        _ => Err(Error::invalid(
            "recording",
            "neither a pickle (protocol 2 to 5, plain or gzip), a MAT file (v5 or v7.3), .npz, NWB, Parquet, NetCDF, Zarr nor a converted folder",
        )
        .in_file(path)),
    }
}

/// Whether an HDF5 file has an attribute.
fn states(path: &Path, attribute: &str) -> bool {
    hdf5_pure::File::open_streaming(path)
        .ok()
        .and_then(|file| file.root().attrs().ok())
        .is_some_and(|attributes| attributes.contains_key(attribute))
}

/// What a file holds.
pub(super) enum Content {
    /// Values by keys.
    Tree(Value),
    /// A recording, not yet checked.
    Recording(Box<Recording>),
}

/// Read a file of values by keys, whatever is in it. NWB files, long tables and folders are recordings and nothing else:
/// [`Recording::open`] reads them.
///
/// Errors: [`Error::Io`] if it cannot be opened; [`Error::InFile`] with the path and, inside, what the reader of the format
/// found, or a limit with the size of the file, before any of it is read, if that alone is more than the limit.
pub fn read_value(path: &Path, limits: &Limits) -> Result<(Format, Value)> {
    let opening = Opening {
        limits: *limits,
        ..Opening::default()
    };
    match content(path, &opening, &Quiet)? {
        (format, Content::Tree(value)) => Ok((format, value)),
        (format, Content::Recording(_)) => {
            let found = format!("{format}, which holds a recording only");
            Err(Error::field("the file", "values by keys", found).in_file(path))
        }
    }
}

/// What a file holds. `monitor` hears of the KiB that are read.
pub(super) fn content(
    path: &Path,
    opening: &Opening,
    monitor: &dyn Monitor,
) -> Result<(Format, Content)> {
    let limits = &opening.limits;
    let format = detect(path)?;
    let recording = |recording| Content::Recording(Box::new(recording));
    let content = match format {
        Format::Folder => convert::read(path, limits).map(Content::Tree),
        Format::Nwb => nwb::read(path, opening).map(recording),
        Format::Parquet => long::read(path, opening).map(recording),
        Format::Netcdf | Format::Zarr => labelled(path, limits).map(Content::Tree),
        _ => stream(path, format, limits, monitor).map(|value| {
            Content::Tree(match opening.mapping.names.is_empty() {
                true => alone(value),
                false => value,
            })
        }),
    };
    let content = content.map_err(|error| {
        if monitor.stopped() {
            return Error::Interrupted;
        }
        error.in_file(path)
    })?;
    Ok((format, content))
}

/// The dictionary within a dictionary that holds nothing else: a struct that MATLAB saved by its own name.
fn alone(value: Value) -> Value {
    const KNOWN: [&str; 3] = ["neural_responses", "responses", "trial_responses"];
    let holds = |value: &Value| KNOWN.iter().any(|key| value.get(key).is_some());
    let Value::Dict(dict) = &value else {
        return value;
    };
    match dict.entries() {
        [(_, inner)] if !holds(&value) && holds(inner) => inner.clone(),
        _ => value,
    }
}

/// The arrays of NetCDF and Zarr, those of known axes in the order in which they are asked for.
fn labelled(path: &Path, limits: &Limits) -> Result<Value> {
    let known = || Error::field("the file", "NetCDF or Zarr", "another format");
    let mut file = Arrays::open(path)?.ok_or_else(known)?;
    let tree = file.tree(limits)?;
    let Value::Dict(dict) = &tree else {
        return Ok(tree);
    };
    let mut entries = dict.entries().to_vec();
    for (name, value) in &mut entries {
        let (Some(name), Value::Array(array)) = (name.as_str(), &value) else {
            continue;
        };
        let Some(held) = file.held.get(&name) else {
            continue;
        };
        let wanted: &[&str] = match (&*name, held.axes.len()) {
            ("trial_responses", 3) => &["trial", "unit", "bin"],
            (_, 3) => &["unit", "condition", "bin"],
            (_, 2) => &["condition", "bin"],
            _ => continue,
        };
        // Axes of other names may be in any order: the mapping says which.
        let all = |axis: &&str| held.axes.iter().any(|name| name == axis);
        if wanted.iter().all(all) {
            *value = Value::Array(in_axes(&name, array, Some(&held.axes), wanted)?);
        }
    }
    Ok(Value::Dict(Arc::new(Dict::new(entries))))
}

fn stream(path: &Path, format: Format, limits: &Limits, monitor: &dyn Monitor) -> Result<Value> {
    let file = File::open(path).map_err(|source| io(path, source))?;
    let length = file.metadata().map_err(|source| io(path, source))?.len();
    // What is in the file is in memory afterwards, so its size alone may be too much. A compressed one is counted as it
    // unfolds.
    if length > limits.bytes {
        return Err(Error::limit("bytes of the file", limits.bytes, length));
    }
    monitor.stage("read, KiB", length.div_ceil(1024));
    let counted = Counted {
        inner: file,
        monitor,
        rest: 0,
    };
    let mut file = BufReader::with_capacity(1 << 16, counted);
    match format {
        // Buffered once more, because the reader takes single bytes.
        Format::PickleGz => Ok(pickle::read(
            BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)),
            limits,
        )?),
        Format::MatV5 => Ok(mat::read_v5(file, limits)?),
        Format::MatV73 => {
            let mut bytes = Vec::new();
            file.by_ref()
                .take(length)
                .read_to_end(&mut bytes)
                .map_err(|source| io(path, source))?;
            Ok(mat::read_v73(bytes, limits)?)
        }
        Format::Npz => npz::read(file, limits),
        _ => Ok(pickle::read(file, limits)?),
    }
}

/// Tells of the bytes that are read, and fails when it is asked to stop.
struct Counted<'a> {
    inner: File,
    monitor: &'a dyn Monitor,
    rest: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.monitor.stopped() {
            return Err(std::io::Error::other("stopped"));
        }
        let count = self.inner.read(into)?;
        self.rest += count as u64;
        self.monitor.advance(self.rest / 1024);
        self.rest %= 1024;
        Ok(count)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}
