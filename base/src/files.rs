//! Files that are whole or absent, and the hashes that name their content.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::IoError;

type Result<T> = std::result::Result<T, IoError>;

/// Writes a file that appears under its name only when it is whole and on the disk.
///
/// `write` fills a temporary file in the same folder, which is then synced and renamed.
///
/// # Errors
/// [`IoError`] with `path` when the folder cannot be written, the disk is full, or `write`
/// fails. The temporary file is removed, and a file that stood at `path` stays as it was.
pub fn write_atomic(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    write_atomic_file(path, |file| {
        let mut out = BufWriter::with_capacity(1 << 16, file);
        write(&mut out)?;
        out.flush()
    })
}

/// Like [`write_atomic`] for what has to seek: `write` gets the file itself, without a buffer.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_file(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, write, true).map_err(IoError::on("write", path))
}

/// The bytes of a file, if there are no more than `most`; of one that never ends no more than that is read.
///
/// # Errors
/// [`IoError`] with `path` when it cannot be read or is longer.
pub fn read(path: impl AsRef<Path>, most: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let file = File::open(path).map_err(IoError::on("read", path))?;
    read_on(&file, path, Vec::new(), most)
}

/// What follows in a file whose first bytes were read, after them: see [`read`].
pub(crate) fn read_on(file: &File, path: &Path, mut start: Vec<u8>, most: u64) -> Result<Vec<u8>> {
    let left = most.saturating_sub(start.len() as u64);
    file.take(left.saturating_add(1))
        .read_to_end(&mut start)
        .map_err(IoError::on("read", path))?;
    if start.len() as u64 > most {
        let message = format!("the file is longer than the {most} bytes that are read");
        return Err(IoError::on("read", path)(std::io::Error::other(message)));
    }
    Ok(start)
}

/// The folder that a path stands in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Like [`write_atomic`] without the sync: for the many small files of a set whose manifest is
/// checked by content.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, |out| out.write_all(content), false).map_err(IoError::on("write", path))
}

fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
    sync: bool,
) -> std::io::Result<()> {
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".part-");
    // A temporary file is private; the finished one follows the user's umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    write(file.as_file_mut())?;
    if sync {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|e| e.error)?;
    if sync {
        sync_folder(folder);
    }
    Ok(())
}

/// Makes the rename itself last. Not every file system can; the file is whole either way.
fn sync_folder(folder: &Path) {
    if cfg!(unix)
        && let Ok(handle) = File::open(folder)
    {
        let _ = handle.sync_all();
    }
}

/// Makes a folder and the folders above it.
///
/// # Errors
/// [`IoError`] with `path`.
pub fn create_folder(path: impl AsRef<Path>) -> Result<()> {
    std::fs::create_dir_all(&path).map_err(IoError::on("create the folder", path))
}

/// The SHA-256 of some bytes, 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of a file, 64 lower-case hexadecimal digits, read piece by piece.
///
/// # Errors
/// [`IoError`] with `path`.
pub fn sha256_file(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let mut file = File::open(path).map_err(IoError::on("read", path))?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(n) => hash.update(&piece[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(IoError::on("read", path)(e)),
        }
    }
}

fn hex(digest: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    digest
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn hashes_are_those_of_the_standard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        write_atomic(&path, |out| out.write_all(b"abc")).unwrap();
        assert_eq!(sha256_hex(b"abc"), ABC);
        assert_eq!(sha256_file(&path).unwrap(), ABC);
        assert_ne!(sha256_hex(b"abd"), ABC);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomic(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write_atomic(&path, |out| {
            out.write_all(&vec![b'n'; 1 << 20])?;
            Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
        });
        let Err(IoError {
            path: named,
            source,
            ..
        }) = failed
        else {
            panic!("{failed:?}");
        };
        assert_eq!(named, path);
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        // /dev/full accepts an open and refuses every byte.
        let full = Path::new("/dev/full");
        let written = File::options()
            .write(true)
            .open(full)
            .and_then(|mut file| file.write_all(b"x"))
            .map_err(IoError::on("write", full));
        let message = written.unwrap_err().to_string();
        assert!(message.contains("/dev/full"), "{message}");
        assert!(message.to_lowercase().contains("no space"), "{message}");
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no/such/file");
        let message = write_atomic(&path, |_| Ok(())).unwrap_err().to_string();
        assert!(message.contains("no/such/file"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_finished_file_can_be_read_by_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("ours");
        let plain = folder.path().join("plain");
        write_atomic(&ours, |_| Ok(())).unwrap();
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
