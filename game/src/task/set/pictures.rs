//! Frames of a condition that were imported.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The stored frames of a condition: `[frame, y, x]` or `[frame, y, x, channel]`, u8, read one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pictures {
    path: PathBuf,
    size: [usize; 3],
}

impl Pictures {
    pub(crate) fn new(path: PathBuf, size: [usize; 3]) -> Self {
        Self { path, size }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `[height, width, channels]` of a frame.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Frame `n`, `[y, x]` or `[y, x, channel]`, u8.
    ///
    /// # Errors
    /// [`Error::Io`] with the file: not there, or without such a frame.
    pub fn frame(&self, n: usize) -> Result<Vec<u8>> {
        let length: usize = self.size.iter().product();
        let failed = || Error::io("read", &self.path);
        let mut file = std::fs::File::open(&self.path).map_err(failed())?;
        let bytes = file.metadata().map_err(failed())?.len();
        // What stands before the frames is the header; they fill the rest.
        let start = header_bytes(&mut file).map_err(failed())?;
        let at = start + (n * length) as u64;
        if at + length as u64 > bytes {
            let frames = (bytes - start) / length.max(1) as u64;
            let message = format!("there is no frame {n}: it has {frames}");
            return Err(failed()(std::io::Error::other(message)));
        }
        file.seek(SeekFrom::Start(at)).map_err(failed())?;
        let mut frame = vec![0; length];
        file.read_exact(&mut frame).map_err(failed())?;
        Ok(frame)
    }
}

/// Length of the header of a numpy array, versions 1 to 3.
fn header_bytes(file: &mut impl Read) -> std::io::Result<u64> {
    let mut start = [0; 12];
    file.read_exact(&mut start)?;
    let [_, _, _, _, _, _, version, _, a, b, c, d] = start;
    Ok(match version {
        1 => 10 + u64::from(u16::from_le_bytes([a, b])),
        _ => 12 + u64::from(u32::from_le_bytes([a, b, c, d])),
    })
}
