//! How much a file may ask for.

use crate::error::{Error, Result};

/// What one file may cost to read. Each number is checked before memory is taken, and an error names the number.
///
/// The defaults read the released files (up to 1.2 GB) within the 4 GB that the whole program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of decoded data in all: arrays, strings and what holds them together. Also the longest stream that is
    /// read after decompression. Default 3 GiB.
    pub bytes: u64,
    /// Entries of a pickle's memo. Default 4,194,304.
    pub memo: usize,
    /// Objects of a pickle, and entries of its stack. Default 16,777,216.
    pub objects: usize,
    /// How deep containers may be nested. Default 100.
    pub depth: usize,
    /// Objects that a walk over the whole tree would meet, shared ones counted each time they are met.
    /// Default 67,108,864.
    pub walk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 3 << 30,
            memo: 1 << 22,
            objects: 1 << 24,
            depth: 100,
            walk: 1 << 26,
        }
    }
}

/// What of [`Limits::bytes`] is left.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: u64,
}

impl Budget {
    /// All of it.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.bytes,
            used: 0,
        }
    }

    /// [`Error::Limit`] if `bytes` more would be too many.
    pub fn take(&mut self, bytes: u64) -> Result<()> {
        let needed = self.used.saturating_add(bytes);
        if needed > self.limit {
            return Err(Error::Limit {
                what: "bytes of decoded data",
                limit: self.limit,
                needed,
            });
        }
        self.used = needed;
        Ok(())
    }

    /// Bytes that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.limit - self.used
    }

    /// [`Budget::take`] of a length in memory.
    pub fn take_usize(&mut self, bytes: usize) -> Result<()> {
        self.take(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

/// [`Error::Limit`] if `needed` is more than `limit`.
pub fn check_count(what: &'static str, needed: usize, limit: usize) -> Result<()> {
    if needed > limit {
        return Err(Error::Limit {
            what,
            limit: limit as u64,
            needed: needed as u64,
        });
    }
    Ok(())
}
