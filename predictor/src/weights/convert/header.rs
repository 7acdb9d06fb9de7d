//! A safetensors file by its header: names, types and shapes are known and checked against the file's
//! length before any value is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use mental_pong_formats::value::half_to_f64;
use safetensors::tensor::{Dtype, Metadata as Header};

use super::Refused;
use crate::weights::Metadata;

/// Longest header that is read, bytes. Published ones are below 1 MiB.
const LONGEST_HEADER: u64 = 16 << 20;

pub(super) struct Safetensors {
    file: File,
    values_at: u64,
    pub(super) tensors: BTreeMap<String, Span>,
    /// The entries of the `mental-pong` note, if there is one.
    pub(super) metadata: Metadata,
}

/// A tensor's type, shape and place.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) shape: Vec<usize>,
    dtype: Dtype,
    from: u64,
    to: u64,
}

impl Safetensors {
    /// Opens a file; nothing when it does not begin as a safetensors file.
    pub(super) fn open(path: &Path) -> std::io::Result<Option<Result<Self, Refused>>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut start = Vec::with_capacity(9);
        file.by_ref().take(9).read_to_end(&mut start)?;
        let [a, b, c, d, e, f, g, h, b'{'] = start[..] else {
            return Ok(None);
        };
        let header = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        // Other formats can begin so by chance, not with a length that fits.
        if header > LONGEST_HEADER || header.checked_add(8).is_none_or(|end| end > length) {
            let found = format!("a header of {header} bytes in a file of {length}");
            return Ok(Some(Err(found)));
        }
        let mut bytes = vec![0; 8 + header as usize];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut bytes)?;
        Ok(Some(Self::read(file, length, &bytes)))
    }

    /// The library's own check wants the whole file in memory; this is the same on the header alone:
    /// tensors side by side without a gap, each as long as its shape says, up to the file's end.
    fn read(file: File, length: u64, bytes: &[u8]) -> Result<Self, Refused> {
        crate::weights::once_each(&bytes[8..])?;
        let header: Header = serde_json::from_slice(&bytes[8..]).map_err(|e| e.to_string())?;
        let values_at = bytes.len() as u64;
        let mut tensors = BTreeMap::new();
        for (name, info) in header.tensors() {
            let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
            let count = info
                .shape
                .iter()
                .try_fold(1_usize, |n, s| n.checked_mul(*s));
            let bits = count.and_then(|n| n.checked_mul(info.dtype.bitsize()));
            let held = to.checked_sub(from).and_then(|n| n.checked_mul(8));
            if held.is_none() || bits.map(|b| b as u64) != held {
                return Err(format!(
                    "tensor {name}: bytes {from} to {to} for shape {:?} of {:?}",
                    info.shape, info.dtype
                ));
            }
            let span = Span {
                shape: info.shape.clone(),
                dtype: info.dtype,
                from,
                to,
            };
            tensors.insert(name, span);
        }
        if tensors.is_empty() {
            return Err("no tensors".into());
        }
        let mut spans: Vec<(u64, u64)> = tensors.values().map(|s| (s.from, s.to)).collect();
        spans.sort_unstable();
        let mut end = 0;
        for (from, to) in spans {
            if from != end {
                return Err(format!(
                    "a gap or an overlap of tensors at byte {end} of the values"
                ));
            }
            end = to;
        }
        if values_at.checked_add(end) != Some(length) {
            return Err(format!(
                "tensors of {end} bytes after a header of {values_at}, in a file of {length}"
            ));
        }
        let note = header
            .metadata()
            .as_ref()
            .and_then(|m| m.get("mental-pong"));
        let metadata = note.and_then(|text| serde_json::from_str(text).ok());
        Ok(Self {
            file,
            values_at,
            tensors,
            metadata: metadata.unwrap_or_default(),
        })
    }

    /// A tensor's values, row-major.
    pub(super) fn values(&mut self, span: &Span) -> Result<Vec<f32>, Refused> {
        let (width, decode): (usize, fn(&[u8]) -> f32) = match span.dtype {
            Dtype::F32 => (4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            Dtype::F64 => (8, |b| {
                f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32
            }),
            Dtype::F16 => (2, |b| half_to_f64(u16::from_le_bytes([b[0], b[1]])) as f32),
            Dtype::BF16 => (2, |b| f32::from_le_bytes([0, 0, b[0], b[1]])),
            other => return Err(format!("values of {other:?}")),
        };
        let count = span
            .shape
            .iter()
            .try_fold(1_usize, |n, s| n.checked_mul(*s));
        let bytes = count.and_then(|n| n.checked_mul(width));
        if bytes.map(|b| b as u64) != Some(span.to - span.from) {
            return Err(format!(
                "{} bytes for shape {:?}",
                span.to - span.from,
                span.shape
            ));
        }
        let mut bytes = vec![0; (span.to - span.from) as usize];
        self.file
            .seek(SeekFrom::Start(self.values_at + span.from))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|e| e.to_string())?;
        Ok(bytes.chunks_exact(width).map(decode).collect())
    }
}
