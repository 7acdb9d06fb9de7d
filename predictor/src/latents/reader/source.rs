//! Arrays of a file by name, whatever its format: names, shapes and kinds first, rows when they are asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use npyz::zip::ZipArchive;

use crate::weights::convert::Checkpoint;
use crate::{Error, Result};

/// Most that is unpacked of the small arrays of a file, bytes.
const MOST_SMALL: u64 = 256 << 20;
/// Longest header of an array, bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// Elements of an array.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Numbers of so many bytes, and how they are read.
    Number(usize, fn(&[u8]) -> f64),
    /// Text of so many characters of four bytes.
    Wide(usize),
    /// Text of so many bytes.
    Narrow(usize),
    /// Whole numbers of 64 bits, which ids may be.
    Long,
}

impl Kind {
    fn width(self) -> usize {
        match self {
            Self::Number(width, _) | Self::Narrow(width) => width,
            Self::Wide(chars) => 4 * chars,
            Self::Long => 8,
        }
    }
}

/// An array of a file.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) shape: Vec<usize>,
    kind: Kind,
    fortran: bool,
    place: Place,
}

impl Held {
    pub(super) fn numeric(&self) -> bool {
        matches!(self.kind, Kind::Number(..) | Kind::Long)
    }
}

#[derive(Clone, Debug)]
enum Place {
    /// As it is in the file, from this byte on.
    At(u64),
    /// A row of the first axis from this byte on, the next so many bytes later.
    Rows(u64, u64),
    /// A dataset of an HDF5 file.
    Hdf5(String),
    /// Unpacked.
    Memory(std::sync::Arc<Vec<u8>>),
}

/// A file of arrays.
pub(super) struct Arrays {
    pub(super) format: &'static str,
    pub(super) held: BTreeMap<String, Held>,
    /// Texts that stand in a header.
    pub(super) notes: BTreeMap<String, String>,
    file: File,
    hdf5: Option<hdf5_pure::File>,
}

pub(super) fn wrong(path: &Path, field: &str, expected: &str, found: impl Into<String>) -> Error {
    Error::Config {
        place: path.display().to_string(),
        field: field.into(),
        expected: expected.into(),
        found: found.into(),
    }
}

const READ: &str = "latents as .npz, .npy, safetensors, HDF5, NetCDF, or a PyTorch dict of tensors";

impl Arrays {
    /// Opens a file by its content.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let mut file = File::open(path).map_err(io)?;
        let mut start = Vec::new();
        file.by_ref().take(16).read_to_end(&mut start).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        if start.starts_with(b"\x93NUMPY") {
            return Self::npy(path, file);
        }
        if start.starts_with(b"PK\x03\x04") {
            let mut zip =
                ZipArchive::new(file).map_err(|e| wrong(path, "file", READ, e.to_string()))?;
            let torch = zip.file_names().any(|name| name.ends_with("data.pkl"));
            if torch {
                return Self::tensors(path, "PyTorch");
            }
            return Self::npz(path, &mut zip);
        }
        if start.starts_with(b"\x89HDF\r\n\x1a\n") {
            return Self::hdf5(path, file);
        }
        if start.starts_with(b"CDF\x01") || start.starts_with(b"CDF\x02") {
            return super::netcdf::read(path, file);
        }
        if start.get(8) == Some(&b'{') {
            return Self::safetensors(path, file);
        }
        let found = match crate::weights::foreign(path) {
            Some(what) => what,
            None => format!("a file that begins with the bytes {start:02x?}"),
        };
        Err(wrong(path, "file", READ, found))
    }

    /// The datasets of an HDF5 file's root (NetCDF 4 is one).
    fn hdf5(path: &Path, file: File) -> Result<Self> {
        let bad = |e: hdf5_pure::Error| wrong(path, "file", "a readable HDF5 file", e.to_string());
        let hdf5 = hdf5_pure::File::open_streaming(path).map_err(bad)?;
        let mut arrays = Self::of("HDF5", file);
        for name in hdf5.root().datasets().map_err(bad)? {
            let dataset = hdf5.dataset(&name).map_err(bad)?;
            let shape = dataset.shape().map_err(bad)?;
            let kind = match dataset.dtype().map_err(bad)? {
                hdf5_pure::DType::F32 => Kind::Number(4, f4),
                hdf5_pure::DType::F64 => Kind::Number(8, f4),
                hdf5_pure::DType::I64 | hdf5_pure::DType::U64 => Kind::Long,
                hdf5_pure::DType::I32
                | hdf5_pure::DType::U32
                | hdf5_pure::DType::I16
                | hdf5_pure::DType::U16
                | hdf5_pure::DType::I8
                | hdf5_pure::DType::U8 => Kind::Number(4, f4),
                _ => Kind::Narrow(1),
            };
            let held = Held {
                shape: shape.into_iter().map(|n| n as usize).collect(),
                kind,
                fortran: false,
                place: Place::Hdf5(name.clone()),
            };
            arrays.held.insert(name, held);
        }
        for (name, value) in hdf5.root().attrs().map_err(bad)? {
            let text = match value {
                hdf5_pure::AttrValue::String(text) | hdf5_pure::AttrValue::AsciiString(text) => {
                    text
                }
                hdf5_pure::AttrValue::F64(value) => value.to_string(),
                hdf5_pure::AttrValue::I64(value) => value.to_string(),
                _ => continue,
            };
            arrays.notes.insert(name, text);
        }
        arrays.hdf5 = Some(hdf5);
        Ok(arrays)
    }

    /// A dataset's rows `from..to` of its first axis as numbers, and its texts.
    fn dataset(&self, name: &str) -> std::io::Result<hdf5_pure::Dataset> {
        let file = self
            .hdf5
            .as_ref()
            .ok_or_else(|| std::io::Error::other("no HDF5 file"))?;
        file.dataset(name).map_err(std::io::Error::other)
    }

    pub(super) fn of(format: &'static str, file: File) -> Self {
        Self {
            format,
            held: BTreeMap::new(),
            notes: BTreeMap::new(),
            file,
            hdf5: None,
        }
    }

    fn npy(path: &Path, mut file: File) -> Result<Self> {
        let (header, at) = npy_header(&mut file).map_err(|e| wrong(path, "array", READ, e))?;
        let mut arrays = Self::of("NumPy array", file);
        let (kind, fortran, shape) = header;
        let held = Held {
            shape,
            kind,
            fortran,
            place: Place::At(at as u64),
        };
        arrays.held.insert("latents".into(), held);
        Ok(arrays)
    }

    fn npz(path: &Path, zip: &mut ZipArchive<File>) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let mut arrays = Self::of("npz", file);
        let mut left = MOST_SMALL;
        for k in 0..zip.len() {
            let mut entry = zip
                .by_index(k)
                .map_err(|e| wrong(path, "entry", "a readable zip entry", e.to_string()))?;
            let name = entry.name().to_string();
            let Some(name) = name.strip_suffix(".npy").map(String::from) else {
                continue;
            };
            let begins = entry.data_start();
            let stored = entry.compression() == npyz::zip::CompressionMethod::Stored;
            let Ok(((kind, fortran, shape), at)) = npy_header(&mut entry) else {
                // Objects, records and dates are no latents.
                continue;
            };
            let bytes = bytes_of(&shape, kind)
                .ok_or_else(|| wrong(path, &name, "a shape that can be", format!("{shape:?}")))?;
            let place = if stored {
                if at as u64 + bytes != entry.size() {
                    let found = format!("{} bytes for shape {shape:?}", entry.size() - at as u64);
                    return Err(wrong(path, &name, "as many bytes as its shape says", found));
                }
                Place::At(begins + at as u64)
            } else {
                // Packed arrays are unpacked whole: of latents that is refused from the header where it is much.
                left = left.checked_sub(bytes).ok_or_else(|| {
                    let found = format!("{bytes} bytes, packed; save it without compression");
                    wrong(path, &name, "at most 256 MiB of packed arrays", found)
                })?;
                let mut content = Vec::new();
                entry
                    .by_ref()
                    .take(bytes + 1)
                    .read_to_end(&mut content)
                    .map_err(|e| Error::io(path, e))?;
                if content.len() as u64 != bytes {
                    let found = format!("{} bytes for shape {shape:?}", content.len());
                    return Err(wrong(path, &name, "as many bytes as its shape says", found));
                }
                Place::Memory(content.into())
            };
            let held = Held {
                shape,
                kind,
                fortran,
                place,
            };
            if arrays.held.insert(name.clone(), held).is_some() {
                return Err(wrong(path, &name, "each array once", "it twice"));
            }
        }
        Ok(arrays)
    }

    fn safetensors(path: &Path, mut file: File) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let whole = file.metadata().map_err(io)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > 16 << 20 || length + 8 > whole {
            let found = format!("a header of {length} bytes in a file of {whole}");
            return Err(wrong(path, "file", READ, found));
        }
        let mut head = vec![0; length as usize];
        file.read_exact(&mut head).map_err(io)?;
        crate::weights::once_each(&head)
            .map_err(|e| wrong(path, "file", "a safetensors file", e))?;
        let header: safetensors::tensor::Metadata = serde_json::from_slice(&head)
            .map_err(|e| wrong(path, "file", "a safetensors file", e.to_string()))?;
        let mut arrays = Self::of("safetensors", file);
        arrays
            .notes
            .extend(header.metadata().clone().unwrap_or_default());
        for (name, info) in header.tensors() {
            use safetensors::Dtype;
            let descr = match info.dtype {
                Dtype::F64 => "<f8",
                Dtype::F32 => "<f4",
                Dtype::F16 => "<f2",
                Dtype::I64 => "<i8",
                Dtype::I32 => "<i4",
                Dtype::U8 => "|u1",
                Dtype::BF16 => "bf16",
                _ => continue,
            };
            let Some(kind) = kind_of(descr) else { continue };
            let (from, to) = info.data_offsets;
            let at = 8 + length + from as u64;
            if bytes_of(&info.shape, kind) != Some((to - from) as u64)
                || at + (to - from) as u64 > whole
            {
                let found = format!("bytes {from} to {to} for shape {:?}", info.shape);
                return Err(wrong(path, &name, "as many bytes as its shape says", found));
            }
            let held = Held {
                shape: info.shape.clone(),
                kind,
                fortran: false,
                place: Place::At(at),
            };
            arrays.held.insert(name, held);
        }
        Ok(arrays)
    }

    /// Tensors of a PyTorch file, which are floats.
    fn tensors(path: &Path, format: &'static str) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let mut checkpoint = Checkpoint::open(path)?;
        let mut arrays = Self::of(format, file);
        let shapes: Vec<(String, Vec<usize>)> = checkpoint
            .tensors()
            .map(|(name, shape)| (name.to_string(), shape.to_vec()))
            .collect();
        for (name, shape) in shapes {
            let values = checkpoint.values(&name)?;
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let held = Held {
                shape,
                kind: Kind::Number(4, f4),
                fortran: false,
                place: Place::Memory(std::sync::Arc::new(bytes)),
            };
            arrays.held.insert(name, held);
        }
        Ok(arrays)
    }

    /// Elements `from..to` of an array by their place in its own order, as bytes.
    fn bytes(&mut self, held: &Held, from: usize, to: usize) -> std::io::Result<Vec<u8>> {
        let width = held.kind.width();
        match &held.place {
            Place::Memory(bytes) => Ok(bytes[from * width..to * width].to_vec()),
            Place::Hdf5(name) => Err(std::io::Error::other(format!("{name}: not as bytes"))),
            Place::Rows(at, stride) => {
                // Whole rows, one after the other.
                let length = held.shape.iter().skip(1).product::<usize>().max(1);
                let mut bytes = Vec::with_capacity((to - from) * width);
                for row in from / length..to / length {
                    let mut piece = vec![0; length * width];
                    self.file.seek(SeekFrom::Start(at + row as u64 * stride))?;
                    self.file.read_exact(&mut piece)?;
                    bytes.extend(piece);
                }
                Ok(bytes)
            }
            Place::At(at) => {
                let mut bytes = vec![0; (to - from) * width];
                self.file
                    .seek(SeekFrom::Start(at + (from * width) as u64))?;
                self.file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// One row of the first axis, row-major, as numbers; nothing for text.
    pub(super) fn row(&mut self, held: &Held, row: usize) -> std::io::Result<Option<Vec<f64>>> {
        if let (Place::Hdf5(name), true) = (&held.place, held.numeric()) {
            let dataset = self.dataset(name)?;
            let values = match held.shape.is_empty() {
                true => dataset.read_f64(),
                false => dataset.read_f64_rows(row as u64, 1),
            };
            return values.map(Some).map_err(std::io::Error::other);
        }
        let decode = match held.kind {
            Kind::Number(_, decode) => decode,
            Kind::Long => |b: &[u8]| long(b) as f64,
            _ => return Ok(None),
        };
        let width = held.kind.width();
        let n = held.shape.first().copied().unwrap_or(1);
        let length = held.shape.iter().skip(1).product::<usize>();
        if !held.fortran || held.shape.len() < 2 {
            let bytes = self.bytes(held, row * length, (row + 1) * length)?;
            return Ok(Some(bytes.chunks_exact(width).map(decode).collect()));
        }
        // The first axis runs fastest: every n-th element, and then the other way round.
        let mut column = Vec::with_capacity(length);
        for k in 0..length {
            let bytes = self.bytes(held, k * n + row, k * n + row + 1)?;
            column.push(decode(&bytes));
        }
        let rest = &held.shape[1..];
        let mut out = vec![0.0; length];
        for (k, value) in column.into_iter().enumerate() {
            let (mut left, mut at, mut place) = (k, 0, vec![0; rest.len()]);
            for (axis, size) in rest.iter().enumerate() {
                place[axis] = left % size;
                left /= size;
            }
            for (axis, size) in rest.iter().enumerate() {
                at = at * size + place[axis];
            }
            out[at] = value;
        }
        Ok(Some(out))
    }

    /// All of a small array as numbers, row-major.
    pub(super) fn numbers(&mut self, name: &str) -> std::io::Result<Option<Vec<f64>>> {
        let Some(held) = self.held.get(name).cloned() else {
            return Ok(None);
        };
        if held.shape.is_empty() {
            return self.row(&held, 0);
        }
        let mut all = Vec::new();
        for row in 0..held.shape[0] {
            match self.row(&held, row)? {
                Some(values) => all.extend(values),
                None => return Ok(None),
            }
        }
        Ok(Some(all))
    }

    /// All of an array `[condition]` as ids: texts, or whole numbers in their shortest form.
    pub(super) fn texts(&mut self, name: &str) -> std::io::Result<Option<Vec<String>>> {
        let Some(held) = self.held.get(name).cloned() else {
            return Ok(None);
        };
        if let Place::Hdf5(place) = &held.place {
            return match held.numeric() {
                true => Ok(self
                    .numbers(name)?
                    .map(|v| v.iter().map(f64::to_string).collect())),
                false => {
                    let texts = self.dataset(place)?.read_string();
                    texts.map(Some).map_err(std::io::Error::other)
                }
            };
        }
        let n = held.shape.iter().product();
        let bytes = self.bytes(&held, 0, n)?;
        let each = bytes.chunks_exact(held.kind.width().max(1));
        let text = |b: &[u8]| match held.kind {
            Kind::Long => long(b).to_string(),
            Kind::Number(_, decode) => decode(b).to_string(),
            Kind::Narrow(_) => String::from_utf8_lossy(b)
                .trim_end_matches('\0')
                .to_string(),
            Kind::Wide(_) => b
                .as_chunks::<4>()
                .0
                .iter()
                .filter_map(|c| char::from_u32(u32::from_le_bytes(*c)))
                .filter(|c| *c != '\0')
                .collect(),
        };
        Ok(Some(each.map(text).collect()))
    }
}

/// An array whose rows stand apart in the file; `kind` as NumPy names it.
pub(super) fn rows_at(shape: Vec<usize>, kind: &str, at: u64, stride: u64) -> Option<Held> {
    Some(Held {
        shape,
        kind: kind_of(kind)?,
        fortran: false,
        place: Place::Rows(at, stride),
    })
}

fn bytes_of(shape: &[usize], kind: Kind) -> Option<u64> {
    let count = shape.iter().try_fold(1_usize, |n, s| n.checked_mul(*s))?;
    count.checked_mul(kind.width()).map(|n| n as u64)
}

fn long(b: &[u8]) -> i64 {
    b.first_chunk().map_or(0, |b| i64::from_le_bytes(*b))
}

fn f4(b: &[u8]) -> f64 {
    b.first_chunk()
        .map_or(f64::NAN, |b| f64::from(f32::from_le_bytes(*b)))
}

fn kind_of(descr: &str) -> Option<Kind> {
    fn take<const N: usize>(b: &[u8]) -> [u8; N] {
        b.first_chunk().copied().unwrap_or([0; N])
    }
    let number: (usize, fn(&[u8]) -> f64) = match descr {
        "<f8" => (8, |b| f64::from_le_bytes(take(b))),
        "<f4" => (4, f4),
        "<f2" => (2, |b| {
            mental_pong_formats::value::half_to_f64(u16::from_le_bytes(take(b)))
        }),
        "bf16" => (2, |b| {
            f64::from(f32::from_bits(u32::from(u16::from_le_bytes(take(b))) << 16))
        }),
        ">f8" => (8, |b| f64::from_be_bytes(take(b))),
        ">f4" => (4, |b| f64::from(f32::from_be_bytes(take(b)))),
        "<i4" => (4, |b| f64::from(i32::from_le_bytes(take(b)))),
        ">i4" => (4, |b| f64::from(i32::from_be_bytes(take(b)))),
        ">i2" => (2, |b| f64::from(i16::from_be_bytes(take(b)))),
        "<u4" => (4, |b| f64::from(u32::from_le_bytes(take(b)))),
        "<i2" => (2, |b| f64::from(i16::from_le_bytes(take(b)))),
        "<u2" => (2, |b| f64::from(u16::from_le_bytes(take(b)))),
        "|u1" | "|b1" => (1, |b| f64::from(take::<1>(b)[0])),
        "|i1" => (1, |b| f64::from(i8::from_le_bytes(take(b)))),
        "<i8" | "<u8" => return Some(Kind::Long),
        _ => {
            let (kind, digits) = descr.split_at_checked(2)?;
            let chars = digits.parse().ok()?;
            return match kind {
                "<U" => Some(Kind::Wide(chars)),
                "|S" => Some(Kind::Narrow(chars)),
                _ => None,
            };
        }
    };
    Some(Kind::Number(number.0, number.1))
}

type Header = (Kind, bool, Vec<usize>);

/// The header of a NumPy array, and where its elements begin after it.
fn npy_header(source: &mut impl Read) -> std::result::Result<(Header, usize), String> {
    let mut start = [0; 10];
    source.read_exact(&mut start).map_err(|e| e.to_string())?;
    let (length, before) = match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b] => {
            (usize::from(u16::from_le_bytes([a, b])), 10)
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b] => {
            let mut rest = [0; 2];
            source.read_exact(&mut rest).map_err(|e| e.to_string())?;
            (u32::from_le_bytes([a, b, rest[0], rest[1]]) as usize, 12)
        }
        _ => return Err("no NumPy header".into()),
    };
    if length > LONGEST_HEADER {
        return Err(format!("a header of {length} bytes"));
    }
    let mut text = vec![0; length];
    source.read_exact(&mut text).map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&text);
    let after = |key: &str| -> Option<&str> {
        let rest = &text[text.find(&format!("'{key}'"))? + key.len() + 2..];
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let header = || -> Option<Header> {
        let descr = after("descr")?.strip_prefix('\'')?.split('\'').next()?;
        let fortran = after("fortran_order")?.starts_with("True");
        let inside = after("shape")?.strip_prefix('(')?.split(')').next()?;
        let sizes = inside.split(',').map(str::trim).filter(|s| !s.is_empty());
        let shape = sizes.map(|s| s.parse().ok()).collect::<Option<_>>()?;
        Some((kind_of(descr)?, fortran, shape))
    };
    let header = header().ok_or("an array of another type")?;
    Ok((header, before + length))
}
