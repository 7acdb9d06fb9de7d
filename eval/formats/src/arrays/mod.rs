//! Arrays of a file by name, whatever its format: names, axes, shapes and types first, rows when they are asked for.
//!
//! `.npy` and `.npz`, safetensors, HDF5 (groups, and NetCDF 4, which is HDF5), NetCDF 3 and Zarr 2 and 3 are told apart by
//! content. A row is one index of the first axis; reading one takes the memory of that row (of a Zarr array: of the chunks
//! that it is in), so that a file of any size can be walked through.

mod blosc;
mod hdf5;
mod netcdf;
mod safetensors;
mod zarr;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use mental_pong_base::IoError;

use crate::archive::Archive;
use crate::error::{Error, Result, quoted};
use crate::limits::{Budget, Limits};
use crate::npz;
use crate::value::{Array, ByteOrder, Dict, Dtype, Kind, Value, count};

pub use safetensors::once_each;

/// Most arrays of a file.
const MOST_ARRAYS: usize = 1 << 16;
/// Most that is unpacked at once of arrays that cannot be read by rows, bytes.
const MOST_PACKED: u64 = 256 << 20;

fn wrong(why: impl Into<String>) -> Error {
    Error::format("arrays", None, why)
}

/// An array of a file.
#[derive(Clone, Debug)]
pub struct Held {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Name of each axis; none where the format has no names.
    pub axes: Vec<String>,
    /// What an element is; numbers of HDF5 are given as f64.
    pub dtype: Dtype,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    /// As it is in the file, from this byte on.
    At(u64),
    /// A row of the first axis from this byte on, the next so many bytes later.
    Rows(u64, u64),
    /// A dataset of an HDF5 file.
    Hdf5(String),
    /// In chunks of its own folder.
    Zarr(Arc<zarr::Chunks>),
    /// Unpacked; whether the first axis runs fastest.
    Memory(Arc<Vec<u8>>, bool),
    /// With the caller.
    Caller(Rows),
}

/// Gives a row of the first axis of an array of f32, row-major, when it is asked for.
#[derive(Clone)]
pub struct Rows(pub Arc<RowOf>);

/// See [`Rows`].
pub type RowOf = dyn Fn(usize) -> std::io::Result<Vec<f32>> + Send + Sync;

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("rows of the caller")
    }
}

impl Held {
    /// Whether its elements are numbers.
    #[must_use]
    pub fn numeric(&self) -> bool {
        self.dtype.is_number()
    }

    /// Elements of a row.
    fn row_length(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Its bytes, if they are no more than can be.
    fn bytes(&self) -> Option<u64> {
        Some(count(&self.shape)?.checked_mul(self.dtype.size)? as u64)
    }

    /// An array of f32 that the caller holds.
    #[must_use]
    pub fn with_caller(shape: Vec<usize>, rows: Rows) -> Self {
        Self {
            shape,
            axes: Vec::new(),
            dtype: Dtype::F32,
            place: Place::Caller(rows),
        }
    }

    /// An array in memory, row-major, little-endian. [`Error::Shape`] where the bytes are not as many as the shape says.
    pub fn in_memory(shape: Vec<usize>, dtype: Dtype, bytes: Vec<u8>) -> Result<Self> {
        let held = Self {
            shape,
            axes: Vec::new(),
            dtype,
            place: Place::Memory(Arc::new(bytes), false),
        };
        match (&held.place, held.bytes()) {
            (Place::Memory(bytes, _), Some(n)) if n == bytes.len() as u64 => Ok(held),
            _ => Err(Error::shape(
                "an array",
                "as many bytes as its shape says",
                "others",
            )),
        }
    }
}

/// A file of arrays.
pub struct Arrays {
    /// The format that was recognised.
    pub format: &'static str,
    /// The arrays by name; `/` in a name is a group.
    pub held: BTreeMap<String, Held>,
    /// Texts and numbers that stand in a header, as text.
    pub notes: BTreeMap<String, String>,
    /// What is left out, and why.
    pub left_out: Vec<(String, String)>,
    file: Option<File>,
    hdf5: Option<hdf5_pure::File>,
    /// The chunks of a row of chunks that were read last.
    chunks: zarr::Cache,
}

impl std::fmt::Debug for Arrays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.format, self.held.keys())
    }
}

/// Which formats [`Arrays::open`] reads, in words.
pub const READ: &str = ".npz, .npy, safetensors, HDF5, NetCDF or Zarr";

impl Arrays {
    /// None yet; others may add to `held`.
    #[must_use]
    pub fn of(format: &'static str) -> Self {
        Self {
            format,
            held: BTreeMap::new(),
            notes: BTreeMap::new(),
            left_out: Vec::new(),
            file: None,
            hdf5: None,
            chunks: zarr::Cache::default(),
        }
    }

    /// Open a file or a Zarr folder by its content. `Ok(None)` for another format.
    ///
    /// Errors: [`Error::Io`]; [`Error::Format`] for a damaged file and for one whose arrays cannot be read;
    /// [`Error::Limit`] for headers of more than there may be.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        if path.is_dir() {
            return zarr::open(path);
        }
        let failed = || IoError::on("read", path);
        let mut file = File::open(path).map_err(failed())?;
        let mut start = Vec::new();
        file.by_ref()
            .take(520)
            .read_to_end(&mut start)
            .map_err(failed())?;
        file.seek(SeekFrom::Start(0)).map_err(failed())?;
        const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
        let found = match &*start {
            head if head.starts_with(b"\x93NUMPY") => npy(file)?,
            head if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") => {
                return zipped(path, file);
            }
            head if head.starts_with(HDF5) || head.get(512..) == Some(HDF5) => hdf5::open(path)?,
            [b'C', b'D', b'F', 1 | 2, ..] => netcdf::open(file)?,
            head if head.get(8) == Some(&b'{') => safetensors::open(file)?,
            _ => return Ok(None),
        };
        Ok(Some(found))
    }

    /// The array of that name. [`Error::Format`] naming those that there are.
    pub fn get(&self, name: &str) -> Result<&Held> {
        self.held.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.held.keys().take(20).map(String::as_str).collect();
            wrong(format!(
                "no array {}, only {}",
                quoted(name),
                names.join(", ")
            ))
        })
    }

    /// One row of the first axis; all of an array without axes. [`Error::Format`] where it cannot be read.
    pub fn row(&mut self, held: &Held, row: usize) -> Result<Array> {
        let width = held.dtype.size;
        let length = held.row_length();
        let shape: Vec<usize> = held.shape.iter().skip(1).copied().collect();
        if held.shape.first().is_some_and(|&rows| row >= rows) {
            return Err(wrong(format!("row {row} of shape {:?}", held.shape)));
        }
        let failed = |error: std::io::Error| wrong(error.to_string());
        let mut at = |from: u64, n: usize| -> Result<Vec<u8>> {
            let file = self.file.as_mut().ok_or_else(|| wrong("no file"))?;
            let mut bytes = vec![0; n];
            file.seek(SeekFrom::Start(from)).map_err(failed)?;
            file.read_exact(&mut bytes).map_err(failed)?;
            Ok(bytes)
        };
        let bytes = match &held.place {
            Place::At(from) => at(from + (row * length * width) as u64, length * width)?,
            Place::Rows(from, stride) => at(from + row as u64 * stride, length * width)?,
            Place::Hdf5(name) => {
                let file = self.hdf5.as_ref().ok_or_else(|| wrong("no HDF5 file"))?;
                return hdf5::row(file, name, held, row);
            }
            Place::Zarr(chunks) => chunks.row(held, row, &mut self.chunks)?,
            Place::Caller(rows) => {
                let values = (rows.0)(row).map_err(failed)?;
                if values.len() != length {
                    return Err(wrong(format!("a row of {} values", values.len())));
                }
                values.iter().flat_map(|v| v.to_le_bytes()).collect()
            }
            Place::Memory(bytes, false) => bytes[row * length * width..][..length * width].to_vec(),
            Place::Memory(bytes, true) => {
                // The first axis runs fastest.
                let rows = held.shape.first().copied().unwrap_or(1);
                let each = (0..length).map(|k| (k * rows + row) * width);
                let bytes: Vec<u8> = each
                    .flat_map(|at| &bytes[at..at + width])
                    .copied()
                    .collect();
                return Array::from_bytes(held.dtype, shape, true, Arc::new(bytes));
            }
        };
        Array::from_bytes(held.dtype, shape, false, Arc::new(bytes))
    }

    /// All of an array as numbers, row-major; `None` for one that is not there or holds no numbers.
    pub fn numbers(&mut self, name: &str, budget: &mut Budget) -> Result<Option<Vec<f64>>> {
        let Some(held) = self.held.get(name).filter(|held| held.numeric()).cloned() else {
            return Ok(None);
        };
        budget.take(held.bytes().unwrap_or(u64::MAX).saturating_mul(2))?;
        let mut all = Vec::new();
        for row in 0..held.shape.first().copied().unwrap_or(1) {
            all.extend(self.row(&held, row)?.to_f64().unwrap_or_default());
        }
        Ok(Some(all))
    }

    /// All of an array as texts, whole numbers in their shortest form; `None` for one that is not there.
    pub fn texts(&mut self, name: &str, budget: &mut Budget) -> Result<Option<Vec<String>>> {
        let Some(held) = self.held.get(name).cloned() else {
            return Ok(None);
        };
        let most = count(&held.shape).unwrap_or(usize::MAX);
        budget.take_usize(most.saturating_mul(24 + held.dtype.size))?;
        if let (Place::Hdf5(place), Some(file)) = (&held.place, &self.hdf5) {
            return hdf5::texts(file, place, budget).map(Some);
        }
        let mut all = Vec::with_capacity(most.min(1 << 16));
        for row in 0..held.shape.first().copied().unwrap_or(1) {
            all.extend(self.row(&held, row)?.items().map(|item| match item {
                Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Value::Int(value) => value.to_string(),
                other => match (other.as_str(), other.as_f64()) {
                    (Some(text), _) => text,
                    (None, Some(value)) => value.to_string(),
                    (None, None) => other.describe(),
                },
            }));
        }
        Ok(Some(all))
    }

    /// Everything: arrays of numbers and of texts, and the notes as texts, by name.
    pub fn tree(&mut self, limits: &Limits) -> Result<Value> {
        let mut budget = Budget::new(limits);
        let mut entries: BTreeMap<String, Value> = BTreeMap::new();
        for (name, text) in &self.notes {
            let number = text.parse().ok().map(Value::Float);
            let value = number.unwrap_or_else(|| Value::Str(text.as_str().into()));
            entries.insert(name.clone(), value);
        }
        for (name, what) in &self.left_out {
            entries.insert(name.clone(), Value::Unread(what.as_str().into()));
        }
        for name in self.held.keys().cloned().collect::<Vec<_>>() {
            let shape = self.get(&name)?.shape.clone();
            let array = match self.numbers(&name, &mut budget)? {
                Some(values) => Array::from_f64(shape, &values)?,
                None => {
                    let texts = self.texts(&name, &mut budget)?.unwrap_or_default();
                    let texts = texts.into_iter().map(|text| Value::Str(text.into()));
                    Array::from_objects(shape, false, Arc::new(texts.collect()))?
                }
            };
            entries.insert(name, Value::Array(Arc::new(array)));
        }
        let entries = entries.into_iter().map(|(k, v)| (Value::Str(k.into()), v));
        Ok(Value::Dict(Arc::new(Dict::new(entries.collect()))))
    }
}

fn npy(mut file: File) -> Result<Arrays> {
    let header = npz::header(&mut file, "the array")?;
    let at = file.stream_position().map_err(|e| wrong(e.to_string()))?;
    let length = file.metadata().map_err(|e| wrong(e.to_string()))?.len();
    let mut arrays = Arrays::of("NumPy array");
    let mut held = numpy(header.shape, &header.descr).ok_or_else(|| {
        wrong(format!(
            "elements of type {} are not read",
            quoted(&header.descr)
        ))
    })?;
    if held.bytes().and_then(|n| n.checked_add(at)) != Some(length) {
        let why = format!("another length than its shape {:?} says", held.shape);
        return Err(wrong(why));
    }
    held.place = Place::At(at);
    if header.fortran && held.shape.len() > 1 {
        let mut bytes = Vec::new();
        Budget::new(&packed_limits()).take(length)?;
        file.by_ref()
            .take(MOST_PACKED)
            .read_to_end(&mut bytes)
            .map_err(|e| wrong(e.to_string()))?;
        held.place = Place::Memory(Arc::new(bytes), true);
    }
    arrays.held.insert("latents".into(), held);
    arrays.file = Some(file);
    Ok(arrays)
}

fn packed_limits() -> Limits {
    Limits {
        bytes: MOST_PACKED,
        ..Limits::default()
    }
}

fn numpy(shape: Vec<usize>, descr: &str) -> Option<Held> {
    let dtype = Dtype::parse(descr).filter(|dtype| dtype.kind != Kind::Object)?;
    Some(Held {
        shape,
        axes: Vec::new(),
        dtype,
        place: Place::At(0),
    })
}

/// An `.npz`; other archives are none.
fn zipped(path: &Path, file: File) -> Result<Option<Arrays>> {
    let again = File::open(path).map_err(IoError::on("read", path))?;
    let mut archive = Archive::open(file, MOST_ARRAYS)?;
    if !archive
        .entries()
        .iter()
        .any(|entry| entry.name.ends_with(".npy"))
    {
        return Ok(None);
    }
    let mut arrays = Arrays::of("npz");
    arrays.file = Some(again);
    let mut budget = Budget::new(&packed_limits());
    for entry in archive.entries().to_vec() {
        let Some(name) = entry.name.strip_suffix(".npy") else {
            continue;
        };
        let mut at = 0;
        let header = archive.with(&entry.name, |content| {
            let mut counted = npz::Counted::of(content);
            let header = npz::header(&mut counted, name)?;
            at = counted.count();
            Ok(header)
        })?;
        let Some(mut held) = numpy(header.shape.clone(), &header.descr) else {
            let what = format!("elements of type {}", quoted(&header.descr));
            arrays.left_out.push((name.to_owned(), what));
            continue;
        };
        if held.bytes().and_then(|n| n.checked_add(at)) != Some(entry.size) {
            let found = format!("{} bytes for shape {:?}", entry.size - at, held.shape);
            let why = format!(
                "{}: as many bytes as its shape says, found {found}",
                quoted(name)
            );
            return Err(wrong(why));
        }
        let fortran = header.fortran && held.shape.len() > 1;
        held.place = if entry.stored && !fortran {
            Place::At(archive.data_start(&entry.name)? + at)
        } else {
            // Unpacked whole: where it is much it is refused from the header.
            budget.take(entry.size).map_err(|_| {
                let why = "packed arrays, or arrays in Fortran order, of more than 256 MiB; save them plainly";
                wrong(format!("{}: {why}", quoted(name)))
            })?;
            let whole = archive.read(&entry.name, &mut Budget::new(&packed_limits()))?;
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            Place::Memory(
                Arc::new(whole.get(at..).unwrap_or_default().to_vec()),
                fortran,
            )
        };
        arrays.held.insert(name.to_owned(), held);
    }
    Ok(Some(arrays))
}

/// What NumPy calls little-endian elements of a kind.
fn dtype(kind: Kind, size: usize, order: ByteOrder) -> Dtype {
    Dtype { kind, size, order }.with_order(order)
}
