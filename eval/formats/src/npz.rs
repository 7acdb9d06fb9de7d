//! Arrays of numpy: one in a `.npy` file, several in an `.npz`.
//!
//! The header is read before the elements, so an array takes the memory that its shape says and not what an archive
//! unfolds to. Arrays of objects are pickles, and are read by [`crate::pickle`], as data.

use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use mental_pong_base::files::write_atomic_file;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::archive::{Archive, at_end, read_exactly};
use crate::error::{Error, Result, quoted};
use crate::limits::{Budget, Limits};
use crate::pickle;
use crate::value::{Array, Dtype, Kind, Value, count};

/// Most arrays of a file. The released recordings have some 700.
const MOST_ARRAYS: usize = 1 << 14;
/// Longest header of an array, bytes.
const LONGEST_HEADER: usize = 1 << 16;

fn wrong(why: impl Into<String>) -> Error {
    Error::format("npz", None, why)
}

/// What the header of an array says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// numpy's name of an element, as `<f8`.
    pub descr: String,
    /// Whether the first axis runs fastest.
    pub fortran: bool,
    /// Length of each axis.
    pub shape: Vec<usize>,
}

/// Every array of a file, by its name, in the order of the file.
///
/// Errors: [`Error::Format`] for a damaged file and for arrays of records, dates and complex numbers; [`Error::Limit`]
/// for too much of them; [`Error::Refused`] from a pickle inside.
pub fn arrays(source: impl Read + Seek, limits: &Limits) -> Result<Vec<(String, Value)>> {
    let mut budget = Budget::new(limits);
    let mut archive = Archive::open(source, MOST_ARRAYS.min(limits.objects))?;
    let names: Vec<String> = archive.entries().iter().map(|e| e.name.clone()).collect();
    let mut found = Vec::with_capacity(names.len());
    for entry in names {
        let name = entry
            .strip_suffix(".npy")
            .ok_or_else(|| wrong(format!("{} is no array (.npy)", quoted(&entry))))?;
        let value = archive.with(&entry, |content| array(content, name, &mut budget, limits))?;
        found.push((name.to_owned(), value));
    }
    Ok(found)
}

/// Name and header of every array of a file, in the order of the file; no element is read. Errors as in [`arrays`].
pub fn headers(source: impl Read + Seek, limits: &Limits) -> Result<Vec<(String, Header)>> {
    let mut archive = Archive::open(source, MOST_ARRAYS.min(limits.objects))?;
    let names: Vec<String> = archive.entries().iter().map(|e| e.name.clone()).collect();
    let mut found = Vec::with_capacity(names.len());
    for entry in names {
        let name = entry
            .strip_suffix(".npy")
            .ok_or_else(|| wrong(format!("{} is no array (.npy)", quoted(&entry))))?;
        found.push((name.to_owned(), archive.with(&entry, |c| header(c, name))?));
    }
    Ok(found)
}

/// The array of a `.npy` file; `name` is for messages. Errors as in [`arrays`].
pub fn read_npy(mut source: impl Read, name: &str, limits: &Limits) -> Result<Value> {
    array(&mut source, name, &mut Budget::new(limits), limits)
}

/// The header of an array; the source stands at the elements afterwards. [`Error::Format`] for one that is not read.
pub fn header(source: &mut dyn Read, name: &str) -> Result<Header> {
    let failed = |error: std::io::Error| wrong(format!("{}: {error}", quoted(name)));
    let other = || {
        wrong(format!(
            "{}: not the header of an array that is read here",
            quoted(name)
        ))
    };
    let mut start = [0; 10];
    source.read_exact(&mut start).map_err(failed)?;
    let length = match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b] => usize::from(u16::from_le_bytes([a, b])),
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b] => {
            let mut rest = [0; 2];
            source.read_exact(&mut rest).map_err(failed)?;
            usize::try_from(u32::from_le_bytes([a, b, rest[0], rest[1]])).unwrap_or(usize::MAX)
        }
        _ => return Err(other()),
    };
    if length > LONGEST_HEADER {
        return Err(other());
    }
    let mut text = vec![0; length];
    source.read_exact(&mut text).map_err(failed)?;
    std::str::from_utf8(&text)
        .ok()
        .and_then(|text| literal(text.trim()))
        .ok_or_else(other)
}

/// The header's dictionary, a literal of Python in a fixed form.
fn literal(text: &str) -> Option<Header> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?.trim();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = in_quotes(rest)?;
        let value = after.trim_start().strip_prefix(':')?.trim_start();
        let after = match key {
            "descr" => {
                let (text, after) = in_quotes(value)?;
                descr = Some(text.to_owned());
                after
            }
            "fortran_order" => {
                let (flag, after) = match value.strip_prefix("True") {
                    Some(after) => (true, after),
                    None => (false, value.strip_prefix("False")?),
                };
                fortran = Some(flag);
                after
            }
            "shape" => {
                let (inside, after) = value.strip_prefix('(')?.split_once(')')?;
                let inside = inside.trim().trim_end_matches(',');
                let lengths = inside.split(',').filter(|_| !inside.is_empty());
                let lengths = lengths.map(|n| n.trim().trim_end_matches('L').parse().ok());
                shape = Some(lengths.collect::<Option<Vec<usize>>>()?);
                after
            }
            _ => return None,
        };
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(Header {
        descr: descr?,
        fortran: fortran?,
        shape: shape?,
    })
}

/// A text in single or double quotes at the beginning, without escapes, and what follows.
fn in_quotes(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn dtype(descr: &str) -> Option<Dtype> {
    // A byte order is always stated here.
    let stated = descr.starts_with(['<', '>', '|']);
    Dtype::parse(descr).filter(|dtype| stated && dtype.kind != Kind::Object)
}

fn array(source: &mut dyn Read, name: &str, budget: &mut Budget, limits: &Limits) -> Result<Value> {
    let header = header(source, name)?;
    if matches!(&*header.descr, "|O" | "O") {
        // numpy pickles the whole array; a single object is what was meant.
        let left = Limits {
            bytes: budget.left(),
            ..*limits
        };
        let mut counted = Counted::of(source);
        let value = pickle::read(&mut counted, &left)?;
        budget.take(counted.count)?;
        return Ok(match value {
            Value::Array(array) if array.shape().is_empty() && array.len() == 1 => array.item(0),
            other => other,
        });
    }
    let dtype = dtype(&header.descr).ok_or_else(|| {
        wrong(format!(
            "{}: elements of type {} are not read",
            quoted(name),
            quoted(&header.descr)
        ))
    })?;
    let expected = count(&header.shape).and_then(|n| n.checked_mul(dtype.size));
    let expected = expected.ok_or_else(|| {
        wrong(format!(
            "{}: more elements than can be, of shape {:?}",
            quoted(name),
            header.shape
        ))
    })?;
    budget.take_usize(expected)?;
    let bytes = read_exactly(source, expected as u64)
        .and_then(|bytes| at_end(source).map(|()| bytes))
        .map_err(|error| {
            wrong(format!(
                "{}: not {expected} bytes for {} of shape {:?}: {error}",
                quoted(name),
                header.descr,
                header.shape
            ))
        })?;
    let array = Array::from_bytes(dtype, header.shape, header.fortran, Arc::new(bytes))?;
    Ok(Value::Array(Arc::new(array)))
}

/// Counts what is read.
pub(crate) struct Counted<'a> {
    source: &'a mut dyn Read,
    count: u64,
}

impl<'a> Counted<'a> {
    pub(crate) fn of(source: &'a mut dyn Read) -> Self {
        Self { source, count: 0 }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(into)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// An `.npz` under way: for each array its name and form, then its elements as bytes. Not compressed; the same arrays
/// give the same bytes.
pub struct Writer<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> Writer<W> {
    /// Nothing written yet.
    pub fn new(out: W) -> Self {
        Self(ZipWriter::new(out))
    }

    /// Begin an array; what is written to `self` next are its elements, row-major, of the type `descr` names.
    pub fn begin(&mut self, name: &str, descr: &str, shape: &[usize]) -> std::io::Result<()> {
        let dtype = Dtype::parse(descr).ok_or_else(|| std::io::Error::other("no such type"))?;
        let size = count(shape).and_then(|n| n.checked_mul(dtype.size));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::STORE)
            .last_modified_time(DateTime::default())
            .large_file(size.is_none_or(|size| size >= 0xffff_0000));
        self.0
            .start_file(format!("{name}.npy"), options)
            .map_err(std::io::Error::other)?;
        self.0.write_all(&npy_header(descr, shape))
    }

    /// Write the directory, and give what was written to back.
    pub fn finish(self) -> std::io::Result<W> {
        self.0.finish().map_err(std::io::Error::other)
    }
}

impl<W: Write + Seek> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Magic, version and header of a row-major `.npy`.
#[must_use]
pub fn npy_header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let comma = if lengths.len() == 1 { "," } else { "" };
    let shape = format!("({}{comma})", lengths.join(", "));
    let mut text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    // The elements begin at a multiple of 64 bytes.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.resize(length - 1, b' ');
    text.push(b'\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(text);
    bytes
}

/// Something to write into an `.npz`.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// f64.
    Floats(&'a [f64]),
    /// i64.
    Ints(&'a [i64]),
    /// Truth values.
    Bools(&'a [bool]),
    /// Text, padded to the longest.
    Texts(&'a [String]),
}

/// Write arrays under their names, row-major. The same arrays give the same bytes; the file appears only when it is
/// whole.
pub fn write(path: &Path, arrays: &[(String, Vec<usize>, Column<'_>)]) -> Result<()> {
    write_atomic_file(path, |file| {
        let mut npz = Writer::new(std::io::BufWriter::with_capacity(1 << 20, file));
        for (name, shape, content) in arrays {
            match content {
                Column::Floats(values) => {
                    npz.begin(name, "<f8", shape)?;
                    for value in *values {
                        npz.write_all(&value.to_le_bytes())?;
                    }
                }
                Column::Ints(values) => {
                    npz.begin(name, "<i8", shape)?;
                    for value in *values {
                        npz.write_all(&value.to_le_bytes())?;
                    }
                }
                Column::Bools(values) => {
                    npz.begin(name, "|b1", shape)?;
                    for value in *values {
                        npz.write_all(&[u8::from(*value)])?;
                    }
                }
                Column::Texts(texts) => {
                    let width = texts.iter().map(|t| t.chars().count()).max();
                    let width = width.unwrap_or(0).max(1);
                    npz.begin(name, &format!("<U{width}"), shape)?;
                    for text in *texts {
                        let mut units: Vec<u32> = text.chars().map(u32::from).collect();
                        units.resize(width, 0);
                        for unit in units {
                            npz.write_all(&unit.to_le_bytes())?;
                        }
                    }
                }
            }
        }
        npz.finish()?.flush()
    })?;
    Ok(())
}
