//! Bytes of a pickle, counted.

use std::io::{ErrorKind, Read};

use crate::error::{Error, Result};
use crate::limits::{Budget, Limits};

/// Longest piece that is read, and taken memory for, at once.
const PIECE: usize = 1 << 20;

pub(super) struct Stream<R> {
    source: R,
    at: u64,
    limit: u64,
}

pub(super) fn broken(at: impl Into<Option<u64>>, why: impl Into<String>) -> Error {
    Error::format("pickle", at, why)
}

impl<R: Read> Stream<R> {
    pub(super) fn new(source: R, limits: &Limits) -> Self {
        Self {
            source,
            at: 0,
            limit: limits.bytes,
        }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<()> {
        let length = into.len() as u64;
        if self.at.saturating_add(length) > self.limit {
            return Err(Error::Limit {
                what: "bytes of the pickle",
                limit: self.limit,
                needed: self.at.saturating_add(length),
            });
        }
        self.source.read_exact(into).map_err(|source| {
            if source.kind() == ErrorKind::UnexpectedEof {
                broken(self.at, "the file ends too early")
            } else {
                broken(self.at, format!("cannot be read: {source}"))
            }
        })?;
        self.at += length;
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// `length` bytes. The memory is taken from the budget first, and then only as the file turns out to have the bytes.
    pub(super) fn bytes(&mut self, length: u64, budget: &mut Budget) -> Result<Vec<u8>> {
        budget.take(length)?;
        let length =
            usize::try_from(length).map_err(|_| broken(self.at, "longer than memory can be"))?;
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let have = bytes.len();
            // Doubling, so that a false length costs at most twice what the file has.
            let piece = (length - have).min(have.max(PIECE));
            bytes.try_reserve_exact(piece).map_err(|_| Error::Limit {
                what: "bytes of memory",
                limit: have as u64,
                needed: (have + piece) as u64,
            })?;
            bytes.resize(have + piece, 0);
            self.fill(&mut bytes[have..])?;
        }
        Ok(bytes)
    }

    /// A line, without its end.
    pub(super) fn line(&mut self) -> Result<String> {
        let start = self.at;
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte => bytes.push(byte),
            }
            if bytes.len() > 255 {
                return Err(broken(start, "a name is longer than 255 bytes"));
            }
        }
        String::from_utf8(bytes).map_err(|_| broken(start, "a name is not UTF-8"))
    }

    /// [`Error::Format`] if there is more.
    pub(super) fn end(mut self) -> Result<()> {
        let mut next = [0];
        match self.source.read(&mut next) {
            Ok(0) => Ok(()),
            Ok(_) => Err(broken(self.at, "there are bytes after the end")),
            Err(source) => Err(broken(self.at, format!("cannot be read: {source}"))),
        }
    }
}
