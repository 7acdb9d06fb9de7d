//! PyTorch's files (`torch.save` since 1.6): names and shapes of tensors first, values when they are asked for.
//!
//! Nothing is imported or run: tensors, dicts, lists, texts and numbers are understood, and any other object is kept as
//! the name of its class.

use std::fs::File as Disk;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use mental_pong_base::IoError;

use crate::archive::Archive;
use crate::error::{Error, Result};
use crate::limits::{Budget, Limits};
use crate::pickle::machine::{Dialect, Machine};
use crate::value::half_to_f64;

pub use crate::pickle::tensors::{Object, Objects, Storage, Tensor};

/// Longest pickle that is read, bytes. Published ones are below 1 MiB; the tensors' values stand outside of it.
const LONGEST_PICKLE: u64 = 8 << 20;
/// Most entries of an archive.
const MOST_ENTRIES: usize = 1 << 20;

fn wrong(why: impl Into<String>) -> Error {
    Error::format("PyTorch", None, why)
}

/// A file whose names and shapes are known.
#[derive(Debug)]
pub struct File {
    archive: Archive<BufReader<Disk>>,
    root: String,
}

impl File {
    /// Open a file and read its pickle.
    ///
    /// Errors: [`Error::Io`]; [`Error::Format`] for a file that is damaged, of the format before PyTorch 1.6 (the message
    /// says how to convert it) or a `TorchScript` archive.
    pub fn open(path: &Path) -> Result<(Self, Objects)> {
        let failed = || IoError::on("read", path);
        let mut file = Disk::open(path).map_err(failed())?;
        let mut start = Vec::with_capacity(4);
        file.by_ref()
            .take(4)
            .read_to_end(&mut start)
            .map_err(failed())?;
        if start != b"PK\x03\x04" {
            return Err(foreign(&start));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed())?;
        let mut archive = Archive::open(BufReader::new(file), MOST_ENTRIES)?;
        if let Some(packed) = archive.entries().iter().find(|entry| !entry.stored) {
            return Err(wrong(format!("a compressed entry {}", packed.name)));
        }
        let root = root(&archive)?;
        let limits = Limits {
            bytes: 64 * LONGEST_PICKLE,
            ..Limits::default()
        };
        let mut budget = Budget::new(&limits);
        let order = format!("{root}byteorder");
        if archive.entry(&order).is_some() && archive.read(&order, &mut budget)? != b"little" {
            return Err(wrong("values in big-endian order"));
        }
        let name = format!("{root}data.pkl");
        if archive
            .entry(&name)
            .is_some_and(|e| e.size > LONGEST_PICKLE)
        {
            return Err(wrong(format!("a pickle above {LONGEST_PICKLE} bytes")));
        }
        let pickle = archive.read(&name, &mut budget)?;
        let (nodes, id, _) = Machine::new(&*pickle, Dialect::Torch, &limits)?.run()?;
        Ok((Self { archive, root }, Objects::new(nodes, id)))
    }

    /// A tensor's values, row-major, as f32. [`Error::Format`] if its storage is not there, of another length than stated,
    /// damaged, or of elements that are no floats.
    pub fn values(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        let (width, decode) = float(&tensor.storage.class)?;
        self.elements(tensor, width, decode)
    }

    /// A tensor's values, row-major, whole numbers and truth values too; its memory is taken from the budget. Errors as
    /// [`File::values`].
    pub fn numbers(&mut self, tensor: &Tensor, budget: &mut Budget) -> Result<Vec<f64>> {
        let (width, decode) = element(&tensor.storage.class)?;
        let total = tensor
            .shape
            .iter()
            .try_fold(8_u64, |n, &s| n.checked_mul(s as u64));
        budget.take(total.unwrap_or(u64::MAX))?;
        self.elements(tensor, width, decode)
    }

    fn elements<T>(
        &mut self,
        tensor: &Tensor,
        width: u64,
        decode: fn(&[u8]) -> T,
    ) -> Result<Vec<T>> {
        let name = format!("{}data/{}", self.root, tensor.storage.key);
        let count = tensor.storage.count;
        let entry = self.archive.entry(&name);
        let size = entry.ok_or_else(|| wrong(format!("no entry {name}")))?.size;
        if count.checked_mul(width) != Some(size) {
            return Err(wrong(format!(
                "{size} bytes for {count} values of {width} bytes"
            )));
        }
        let mut total: u64 = 1;
        let mut last = Some(tensor.offset);
        for (n, stride) in tensor.shape.iter().zip(&tensor.strides) {
            total = total.saturating_mul(*n as u64);
            let reach = (*n as u64).saturating_sub(1).checked_mul(*stride);
            last = last.and_then(|last| last.checked_add(reach?));
        }
        if total > count || total > 0 && last.is_none_or(|last| last >= count) {
            return Err(wrong(format!(
                "shape {:?} with strides {:?} from {} in {count} values",
                tensor.shape, tensor.strides, tensor.offset
            )));
        }
        let limits = Limits {
            bytes: u64::MAX,
            ..Limits::default()
        };
        // As long as the entry, which is as long as the file at most: nothing is compressed.
        let bytes = self.archive.read(&name, &mut Budget::new(&limits))?;
        Ok(strided(tensor, &bytes, width as usize, decode))
    }
}

/// Bytes of an element, and how they are read.
type Element<T> = (u64, fn(&[u8]) -> T);

#[allow(
    clippy::cast_possible_truncation,
    reason = "f32 is what is asked for, and holds every number of 16 bits"
)]
fn float(class: &str) -> Result<Element<f32>> {
    Ok(match class {
        "FloatStorage" => (4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        "DoubleStorage" => (8, |b| {
            f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32
        }),
        "HalfStorage" => (2, |b| half_to_f64(u16::from_le_bytes([b[0], b[1]])) as f32),
        "BFloat16Storage" => (2, |b| f32::from_le_bytes([0, 0, b[0], b[1]])),
        other => return Err(wrong(format!("values of {other}"))),
    })
}

/// Any number as f64.
#[allow(clippy::cast_precision_loss, reason = "numbers as f64")]
fn element(class: &str) -> Result<Element<f64>> {
    fn take<const N: usize>(b: &[u8]) -> [u8; N] {
        b.first_chunk().copied().unwrap_or([0; N])
    }
    Ok(match class {
        "LongStorage" => (8, |b| i64::from_le_bytes(take(b)) as f64),
        "IntStorage" => (4, |b| i32::from_le_bytes(take(b)).into()),
        "ShortStorage" => (2, |b| i16::from_le_bytes(take(b)).into()),
        "CharStorage" => (1, |b| i8::from_le_bytes(take(b)).into()),
        "ByteStorage" | "BoolStorage" => (1, |b| b[0].into()),
        "DoubleStorage" => (8, |b| f64::from_le_bytes(take(b))),
        "FloatStorage" => (4, |b| f32::from_le_bytes(take(b)).into()),
        "HalfStorage" => (2, |b| half_to_f64(u16::from_le_bytes(take(b)))),
        "BFloat16Storage" => (2, |b| f32::from_le_bytes([0, 0, b[0], b[1]]).into()),
        other => return Err(wrong(format!("values of {other}"))),
    })
}

/// The elements that a checked tensor names, in C order.
fn strided<T>(tensor: &Tensor, bytes: &[u8], width: usize, decode: fn(&[u8]) -> T) -> Vec<T> {
    let total = tensor.shape.iter().product();
    let mut out = Vec::with_capacity(total);
    let mut place = vec![0_usize; tensor.shape.len()];
    let strides: Vec<usize> = tensor
        .strides
        .iter()
        .map(|&s| usize::try_from(s).unwrap_or(usize::MAX))
        .collect();
    let mut at = usize::try_from(tensor.offset).unwrap_or(usize::MAX);
    for _ in 0..total {
        out.push(decode(&bytes[at * width..(at + 1) * width]));
        for axis in (0..place.len()).rev() {
            place[axis] += 1;
            at = at.wrapping_add(strides[axis]);
            if place[axis] < tensor.shape[axis] {
                break;
            }
            at = at.wrapping_sub(strides[axis].wrapping_mul(tensor.shape[axis]));
            place[axis] = 0;
        }
    }
    out
}

/// The folder inside the archive, with its slash.
fn root<R: Read + Seek>(archive: &Archive<R>) -> Result<String> {
    let mut roots = archive
        .entries()
        .iter()
        .filter_map(|entry| entry.name.strip_suffix("data.pkl"))
        .filter(|root| root.is_empty() || root.ends_with('/'));
    let (Some(root), None) = (roots.next(), roots.next()) else {
        return Err(wrong("a zip file without exactly one data.pkl"));
    };
    if archive.entry(&format!("{root}constants.pkl")).is_some() {
        return Err(wrong(
            "a TorchScript archive; export its state_dict in Python",
        ));
    }
    Ok(root.to_owned())
}

/// Says what a file that is no zip archive seems to be.
fn foreign(start: &[u8]) -> Error {
    wrong(if start.first() == Some(&0x80) {
        "the format of before PyTorch 1.6, which is not a zip file; convert it once in Python: \
         torch.save(torch.load(\"old.pth\", map_location=\"cpu\"), \"new.pth\")"
            .into()
    } else if start.is_empty() {
        "an empty file".into()
    } else {
        format!("a file that begins with the bytes {start:02x?}")
    })
}
