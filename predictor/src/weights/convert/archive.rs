//! The zip archive of a PyTorch file: stored entries only (PyTorch never compresses), every length
//! checked against the file's before memory is taken, every entry against its CRC-32.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What is wrong with a file, in words.
pub(super) type Refused = String;

struct Entry {
    header: u64,
    size: u64,
    crc: u32,
}

pub(super) struct Archive {
    file: File,
    length: u64,
    entries: BTreeMap<String, Entry>,
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u64, Refused> {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => Ok(u64::from(u16::from_le_bytes([a, b]))),
        _ => Err("a cut-off zip header".into()),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u64, Refused> {
    Ok(u16_at(bytes, at)? | u16_at(bytes, at + 2)? << 16)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Refused> {
    Ok(u32_at(bytes, at)? | u32_at(bytes, at + 4)? << 32)
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut n = 0;
    while n < 256 {
        let mut c = n as u32;
        let mut bit = 0;
        while bit < 8 {
            c = if c & 1 == 1 {
                0xEDB8_8320 ^ (c >> 1)
            } else {
                c >> 1
            };
            bit += 1;
        }
        table[n] = c;
        n += 1;
    }
    table
};

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |c, b| {
        CRC_TABLE[((c ^ u32::from(*b)) & 0xff) as usize] ^ (c >> 8)
    })
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Result<Self, Refused>, std::io::Error> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut start = [0_u8; 4];
        let read = file.read(&mut start)?;
        if read < 4 || &start != b"PK\x03\x04" {
            return Ok(Err(foreign(&start[..read])));
        }
        let mut archive = Self {
            file,
            length,
            entries: BTreeMap::new(),
        };
        Ok(archive.read_directory().map(|()| archive))
    }

    fn bytes(&mut self, at: u64, count: u64) -> Result<Vec<u8>, Refused> {
        let end = at.checked_add(count).filter(|end| *end <= self.length);
        if end.is_none() {
            return Err("a length beyond the end of the file".into());
        }
        let mut bytes = vec![0; usize::try_from(count).map_err(|e| e.to_string())?];
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|e| e.to_string())?;
        Ok(bytes)
    }

    fn read_directory(&mut self) -> Result<(), Refused> {
        let tail_length = self.length.min(22 + 65_535);
        let tail_start = self.length - tail_length;
        let tail = self.bytes(tail_start, tail_length)?;
        let end = (0..tail.len().saturating_sub(21))
            .rev()
            .find(|at| {
                tail[*at..].starts_with(b"PK\x05\x06")
                    && u16_at(&tail, at + 20) == Ok((tail.len() - at - 22) as u64)
            })
            .ok_or("a zip file without its directory: the file is cut off")?;
        let (mut count, mut size, mut start) = (
            u16_at(&tail, end + 10)?,
            u32_at(&tail, end + 12)?,
            u32_at(&tail, end + 16)?,
        );
        if end >= 20 && tail[end - 20..].starts_with(b"PK\x06\x07") {
            let record = self.bytes(u64_at(&tail, end - 12)?, 56)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Err("a damaged zip64 directory".into());
            }
            count = u64_at(&record, 32)?;
            size = u64_at(&record, 40)?;
            start = u64_at(&record, 48)?;
        }
        let directory = self.bytes(start, size)?;
        let mut at = 0;
        for _ in 0..count {
            let rest = directory.get(at..).ok_or("a damaged zip directory")?;
            at += self.read_entry(rest)?;
        }
        Ok(())
    }

    /// Reads the entry that `directory` begins with and gives its length there.
    fn read_entry(&mut self, directory: &[u8]) -> Result<usize, Refused> {
        if !directory.starts_with(b"PK\x01\x02") {
            return Err("a damaged zip directory".into());
        }
        let field = |at| u32_at(directory, at);
        let length = |at| u16_at(directory, at).map(|n| n as usize);
        let (names, extras, comments) = (length(28)?, length(30)?, length(32)?);
        let name = directory
            .get(46..46 + names)
            .ok_or("a damaged zip directory")?;
        let name = std::str::from_utf8(name)
            .map_err(|e| e.to_string())?
            .to_string();
        if u16_at(directory, 8)? & 1 == 1 || u16_at(directory, 10)? != 0 {
            return Err(format!("an encrypted or compressed entry {name}"));
        }
        let (mut packed, mut size, mut header) = (field(20)?, field(24)?, field(42)?);
        let extra = directory
            .get(46 + names..46 + names + extras)
            .ok_or("a damaged zip directory")?;
        let mut at = 0;
        while at + 4 <= extra.len() {
            let (id, len) = (u16_at(extra, at)?, u16_at(extra, at + 2)? as usize);
            if id == 1 {
                let mut wide = at + 4;
                for value in [&mut size, &mut packed, &mut header] {
                    if *value == 0xffff_ffff {
                        *value = u64_at(extra, wide)?;
                        wide += 8;
                    }
                }
            }
            at += 4 + len;
        }
        if packed != size || size > self.length {
            return Err(format!("entry {name} with impossible lengths"));
        }
        let entry = Entry {
            header,
            size,
            crc: field(16)? as u32,
        };
        if self.entries.insert(name.clone(), entry).is_some() {
            return Err(format!("entry {name} twice"));
        }
        Ok(46 + names + extras + comments)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Length of an entry, bytes.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|e| e.size)
    }

    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, Refused> {
        let Some(entry) = self.entries.get(name) else {
            return Err(format!("no entry {name}"));
        };
        let (at, size, crc) = (entry.header, entry.size, entry.crc);
        let header = self.bytes(at, 30)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(format!("a damaged header of entry {name}"));
        }
        let data = at + 30 + u16_at(&header, 26)? + u16_at(&header, 28)?;
        let bytes = self.bytes(data, size)?;
        if crc32(&bytes) != crc {
            return Err(format!(
                "entry {name} with another checksum than it was written with"
            ));
        }
        Ok(bytes)
    }
}

/// Says what a file that is no zip archive seems to be.
fn foreign(start: &[u8]) -> Refused {
    if start.first() == Some(&0x80) {
        "the format of before PyTorch 1.6, which is not a zip file; convert it once in Python: \
         torch.save(torch.load(\"old.pth\", map_location=\"cpu\"), \"new.pth\")"
            .into()
    } else if start.is_empty() {
        "an empty file".into()
    } else {
        format!("a file that begins with the bytes {start:02x?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // zlib.crc32(b"123456789") in Python.
    #[test]
    fn the_checksum_is_zip_s() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
