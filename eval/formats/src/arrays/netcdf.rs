//! NetCDF 3 (versions 1 and 2): the header says where each variable stands; nothing is packed.
//!
//! Source: Unidata, "NetCDF Classic Format Specification".

use std::fs::File;
use std::io::Read;

use super::{Arrays, Held, MOST_ARRAYS, Place, dtype, wrong};
use crate::error::Result;
use crate::value::{ByteOrder, Kind, count};

/// Longest header that is read, bytes.
const LONGEST: u64 = 64 << 20;

/// The header's bytes as they are taken one after the other.
struct Header<'a>(&'a [u8]);

impl<'a> Header<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?) as usize)
    }

    fn text(&mut self) -> Option<String> {
        let n = self.number()?;
        let bytes = self.take(n.next_multiple_of(4))?;
        Some(String::from_utf8_lossy(&bytes[..n]).into_owned())
    }

    /// The length of a list, after its tag.
    fn list(&mut self) -> Option<usize> {
        self.number()?;
        self.number().filter(|&n| n <= MOST_ARRAYS)
    }

    /// Attributes; of those that are no text or number nothing.
    fn attributes(&mut self) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        for _ in 0..self.list()? {
            let name = self.text()?;
            let kind = self.number()?;
            let count = self.number()?;
            let bytes = self.take(count.checked_mul(width(kind)?)?.next_multiple_of(4))?;
            let text = match kind {
                2 => String::from_utf8_lossy(bytes.get(..count)?).into_owned(),
                6 if count == 1 => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
                5 if count == 1 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
                4 if count == 1 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
                _ => continue,
            };
            found.push((name, text));
        }
        Some(found)
    }
}

fn width(kind: usize) -> Option<usize> {
    Some(match kind {
        1 | 2 => 1,
        3 => 2,
        4 | 5 => 4,
        6 => 8,
        _ => return None,
    })
}

pub(super) fn open(mut file: File) -> Result<Arrays> {
    let failed = |error: std::io::Error| wrong(error.to_string());
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    file.by_ref()
        .take(LONGEST.min(length))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let mut arrays = Arrays::of("NetCDF 3");
    variables(&bytes, length, &mut arrays)
        .ok_or_else(|| wrong("NetCDF 3: a damaged header, or arrays beyond the end"))?;
    arrays.file = Some(file);
    Ok(arrays)
}

fn variables(bytes: &[u8], length: u64, arrays: &mut Arrays) -> Option<()> {
    let wide = *bytes.get(3)? == 2;
    let mut header = Header(bytes.get(4..)?);
    let records = header.number()?;
    let mut dimensions = Vec::new();
    for _ in 0..header.list()? {
        dimensions.push((header.text()?, header.number()?));
    }
    arrays.notes.extend(header.attributes()?);
    let mut found = Vec::new();
    let mut record_bytes = 0_u64;
    for _ in 0..header.list()? {
        let name = header.text()?;
        let mut axes = Vec::new();
        for _ in 0..header.number()? {
            axes.push(dimensions.get(header.number()?)?.clone());
        }
        let about = header.attributes()?;
        let kind = header.number()?;
        let size = header.number()? as u64;
        let begin = match wide {
            true => u64::from_be_bytes(header.take(8)?.try_into().ok()?),
            false => header.number()? as u64,
        };
        let of_records = axes.first().is_some_and(|(_, size)| *size == 0);
        record_bytes += if of_records { size } else { 0 };
        found.push((name, axes, kind, begin, of_records, about));
    }
    for (name, dims, kind, begin, of_records, about) in found {
        let (mut axes, mut shape): (Vec<String>, Vec<usize>) = dims.into_iter().unzip();
        if of_records {
            shape[0] = records;
        }
        let kind = match kind {
            1 => dtype(Kind::Int, 1, ByteOrder::Big),
            3 => dtype(Kind::Int, 2, ByteOrder::Big),
            4 => dtype(Kind::Int, 4, ByteOrder::Big),
            5 => dtype(Kind::Float, 4, ByteOrder::Big),
            6 => dtype(Kind::Float, 8, ByteOrder::Big),
            // The last axis of text is its characters.
            _ => {
                axes.pop();
                dtype(
                    Kind::Bytes,
                    shape.pop().unwrap_or(1),
                    ByteOrder::NotApplicable,
                )
            }
        };
        let row = count(shape.get(1..).unwrap_or_default())?.checked_mul(kind.size)? as u64;
        let stride = if of_records { record_bytes } else { row };
        let rows = shape.first().copied().unwrap_or(1) as u64;
        let end = begin
            .checked_add(rows.saturating_sub(1).checked_mul(stride)?)?
            .checked_add(row)?;
        if end > length {
            return None;
        }
        if super::hdf5::packed(about.iter().map(|(name, _)| name.as_str())) {
            arrays.left_out.push((name, super::hdf5::PACKED.into()));
            continue;
        }
        let held = Held {
            shape,
            axes,
            dtype: kind,
            place: Place::Rows(begin, stride),
        };
        arrays.held.insert(name, held);
    }
    Some(())
}
