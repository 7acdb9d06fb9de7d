//! Which format a file has, and its content as it stands there.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::GzDecoder;

use crate::error::{Error, Result};

use super::limits::Limits;
use super::value::Value;
use super::{convert, mat, pickle};

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
            Self::Folder => "open layout (safetensors + JSON)",
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
        let why = format!("a folder without {}", convert::MANIFEST);
        return Err(Error::invalid("recording", why).in_file(path));
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(520).read_to_end(&mut head))
        .map_err(|source| io(path, source))?;
    match &*head {
        [0x80, ..] => Ok(Format::Pickle),
        [0x1f, 0x8b, ..] => Ok(Format::PickleGz),
        head if head.starts_with(HDF5) || head.get(512..) == Some(HDF5) => Ok(Format::MatV73),
        head if head.starts_with(b"MATLAB 5.0") || head.get(126..128) == Some(b"IM") => {
            Ok(Format::MatV5)
        }
        _ => Err(Error::invalid(
            "recording",
            "neither a pickle (protocol 2 to 5, plain or gzip), a MAT file (v5 or v7.3) nor a converted folder",
        )
        .in_file(path)),
    }
}

/// Read a file of any of the formats, whatever is in it.
///
/// Errors: [`Error::Io`] if it cannot be opened; [`Error::InFile`] with the path and, inside, what
/// [`pickle::read`], [`mat::read_v5`], [`mat::read_v73`] or [`convert::read`] found.
pub fn read_value(path: &Path, limits: &Limits) -> Result<(Format, Value)> {
    let format = detect(path)?;
    let value = match format {
        Format::Folder => convert::read(path, limits),
        Format::Pickle => open(path).and_then(|file| pickle::read(file, limits)),
        Format::PickleGz => open(path).and_then(|file| {
            // Buffered, because the reader takes single bytes.
            pickle::read(
                BufReader::with_capacity(1 << 16, GzDecoder::new(file)),
                limits,
            )
        }),
        Format::MatV5 => open(path).and_then(|file| mat::read_v5(file, limits)),
        Format::MatV73 => {
            let mut file = open(path)?;
            let length = file
                .seek(SeekFrom::End(0))
                .map_err(|source| io(path, source))?;
            if length > limits.bytes {
                Err(Error::Limit {
                    what: "bytes of the file",
                    limit: limits.bytes,
                    needed: length,
                })
            } else {
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(0))
                    .and_then(|_| file.take(length).read_to_end(&mut bytes))
                    .map_err(|source| io(path, source))?;
                mat::read_v73(bytes, limits)
            }
        }
    };
    Ok((format, value.map_err(|error| error.in_file(path))?))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    File::open(path)
        .map(|file| BufReader::with_capacity(1 << 16, file))
        .map_err(|source| io(path, source))
}
