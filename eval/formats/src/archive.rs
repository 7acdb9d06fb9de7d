//! Zip archives: what they state is checked before memory is taken, what they give against its checksum.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Seek};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use crate::error::{Error, Result, quoted};
use crate::limits::{Budget, check_count};

/// Longest piece for which memory is taken at once, bytes.
const PIECE: usize = 1 << 20;

fn wrong(why: impl Into<String>) -> Error {
    Error::format("zip", None, why)
}

/// One entry, as the directory of the archive states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Bytes after decompression.
    pub size: u64,
    /// Whether it stands in the file as it is.
    pub stored: bool,
    crc: u32,
}

/// An archive whose directory has been read.
#[derive(Debug)]
pub struct Archive<R> {
    zip: ZipArchive<R>,
    entries: Vec<Entry>,
    places: BTreeMap<String, usize>,
}

impl<R: Read + Seek> Archive<R> {
    /// Read the directory. [`Error::Format`] if it is damaged, names an entry twice or one that is encrypted;
    /// [`Error::Limit`] for more than `most` entries.
    pub fn open(source: R, most: usize) -> Result<Self> {
        // Looking for an archive behind other bytes, zip 9.4 takes the wrong directory of some of PyTorch's files.
        let from_the_start = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let mut zip = ZipArchive::with_config(from_the_start, source)
            .map_err(|error| wrong(error.to_string()))?;
        check_count("entries of the zip file", zip.len(), most)?;
        if zip.has_duplicate_names() {
            return Err(wrong("an entry is there twice"));
        }
        let mut entries = Vec::with_capacity(zip.len());
        let mut places = BTreeMap::new();
        for place in 0..zip.len() {
            let entry = zip.by_index_raw(place);
            let entry = entry.map_err(|error| wrong(error.to_string()))?;
            let name = entry.name().map(Cow::into_owned);
            let name = name.map_err(|error| wrong(error.to_string()))?;
            if entry.encrypted() {
                return Err(wrong(format!("{}: encrypted", quoted(&name))));
            }
            let stored = match entry.compression() {
                CompressionMethod::STORE => true,
                CompressionMethod::DEFLATE => false,
                other => return Err(wrong(format!("{}: compressed with {other}", quoted(&name)))),
            };
            if stored && entry.size() != entry.compressed_size() {
                return Err(wrong(format!("{}: impossible lengths", quoted(&name))));
            }
            if places.insert(name.clone(), place).is_some() {
                return Err(wrong(format!("{} is there twice", quoted(&name))));
            }
            entries.push(Entry {
                name,
                size: entry.size(),
                stored,
                crc: entry.crc32(),
            });
        }
        Ok(Self {
            zip,
            entries,
            places,
        })
    }

    /// The entries, in the order of the directory.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.places.get(name).map(|&place| &self.entries[place])
    }

    /// Hand the content of an entry to `use_it`, which has to read it to its end: what it states of its length and its
    /// checksum is compared as it unfolds. [`Error::Format`] if it is damaged or not there.
    pub fn with<T>(
        &mut self,
        name: &str,
        use_it: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        let place = self.places.get(name).copied();
        let place = place.ok_or_else(|| wrong(format!("no entry {}", quoted(name))))?;
        let entry = &self.entries[place];
        let raw = self.zip.by_index_raw(place);
        let raw = raw.map_err(|error| wrong(error.to_string()))?;
        let mut content = Checked {
            inner: if entry.stored {
                Box::new(raw)
            } else {
                Box::new(DeflateDecoder::new(raw))
            },
            crc: Crc::new(),
            left: entry.size,
            expected: entry.crc,
        };
        use_it(&mut content)
    }

    /// Where the content of an entry begins in the file. [`Error::Format`] if it is not there.
    pub fn data_start(&mut self, name: &str) -> Result<u64> {
        let place = self.places.get(name).copied();
        let place = place.ok_or_else(|| wrong(format!("no entry {}", quoted(name))))?;
        let raw = self.zip.by_index_raw(place);
        let raw = raw.map_err(|error| wrong(error.to_string()))?;
        raw.data_start()
            .ok_or_else(|| wrong(format!("{}: no content", quoted(name))))
    }

    /// The content of an entry; its memory is taken from the budget. Errors as [`Archive::with`].
    pub fn read(&mut self, name: &str, budget: &mut Budget) -> Result<Vec<u8>> {
        let size = self.entry(name).map_or(0, |entry| entry.size);
        budget.take(size)?;
        self.with(name, |content| {
            let bytes = read_exactly(content, size);
            let bytes = bytes.map_err(|error| wrong(format!("{}: {error}", quoted(name))))?;
            at_end(content).map_err(|error| wrong(format!("{}: {error}", quoted(name))))?;
            Ok(bytes)
        })
    }
}

/// `length` bytes; memory is taken only as the source turns out to have them.
pub(crate) fn read_exactly(source: &mut dyn Read, length: u64) -> std::io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(std::io::Error::other)?;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let have = bytes.len();
        // Doubling, so that a false length costs at most twice what the source has.
        let piece = (length - have).min(have.max(PIECE));
        bytes
            .try_reserve_exact(piece)
            .map_err(std::io::Error::other)?;
        bytes.resize(have + piece, 0);
        source.read_exact(&mut bytes[have..])?;
    }
    Ok(bytes)
}

/// An error if the source has more. The end is also where the checksum is compared.
pub(crate) fn at_end(source: &mut dyn Read) -> std::io::Result<()> {
    match source.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(std::io::Error::other("more bytes than it states")),
    }
}

/// The content of an entry, held against what the directory says of it.
struct Checked<'a> {
    inner: Box<dyn Read + 'a>,
    crc: Crc,
    left: u64,
    expected: u32,
}

impl Read for Checked<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(into)?;
        self.crc.update(&into[..count]);
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(std::io::Error::other("longer than the archive states")),
        }
        if count == 0 && self.left > 0 {
            return Err(std::io::Error::other("shorter than the archive states"));
        }
        if count == 0 && self.crc.sum() != self.expected {
            let why = "another checksum than it was written with";
            return Err(std::io::Error::other(why));
        }
        Ok(count)
    }
}
