//! NetCDF 3 (versions 1 and 2): the header says where each variable stands; nothing is packed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::source::{Arrays, rows_at, wrong};
use crate::{Error, Result};

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
        self.number()
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

pub(super) fn read(path: &Path, mut file: File) -> Result<Arrays> {
    let io = |e| Error::io(path, e);
    let length = file.metadata().map_err(io)?.len();
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    file.by_ref()
        .take(LONGEST.min(length))
        .read_to_end(&mut bytes)
        .map_err(io)?;
    let mut arrays = Arrays::of("NetCDF 3", file);
    match variables(&bytes, length, &mut arrays) {
        Some(()) => Ok(arrays),
        None => Err(wrong(
            path,
            "file",
            "a readable NetCDF 3 file",
            "a damaged header",
        )),
    }
}

fn variables(bytes: &[u8], length: u64, arrays: &mut Arrays) -> Option<()> {
    let wide = *bytes.get(3)? == 2;
    let mut header = Header(bytes.get(4..)?);
    let records = header.number()?;
    let mut dimensions = Vec::new();
    for _ in 0..header.list()? {
        header.text()?;
        dimensions.push(header.number()?);
    }
    arrays.notes.extend(header.attributes()?);
    let mut found = Vec::new();
    let mut record_bytes = 0_u64;
    for _ in 0..header.list()? {
        let name = header.text()?;
        let mut axes = Vec::new();
        for _ in 0..header.number()? {
            axes.push(*dimensions.get(header.number()?)?);
        }
        header.attributes()?;
        let kind = header.number()?;
        let size = header.number()? as u64;
        let begin = match wide {
            true => u64::from_be_bytes(header.take(8)?.try_into().ok()?),
            false => header.number()? as u64,
        };
        let of_records = axes.first() == Some(&0);
        record_bytes += if of_records { size } else { 0 };
        found.push((name, axes, kind, begin, of_records));
    }
    for (name, mut shape, kind, begin, of_records) in found {
        if of_records {
            shape[0] = records;
        }
        let mut descr = match kind {
            1 => "|i1".to_string(),
            3 => ">i2".into(),
            4 => ">i4".into(),
            5 => ">f4".into(),
            6 => ">f8".into(),
            _ => String::new(),
        };
        if kind == 2 {
            // The last axis of text is its characters.
            descr = format!("|S{}", shape.pop()?);
        }
        let inside: usize = shape
            .iter()
            .skip(1)
            .try_fold(1_usize, |n, s| n.checked_mul(*s))?;
        let each = match kind {
            2 => descr.get(2..)?.parse().ok()?,
            kind => width(kind)?,
        };
        let row = inside.checked_mul(each)? as u64;
        let stride = if of_records { record_bytes } else { row };
        let rows = shape.first().copied().unwrap_or(1) as u64;
        let end = begin
            .checked_add(rows.saturating_sub(1).checked_mul(stride)?)?
            .checked_add(row)?;
        if end > length {
            return None;
        }
        let held = rows_at(shape, &descr, begin, stride)?;
        arrays.held.insert(name, held);
    }
    Some(())
}
