//! What is finished of a file of latents, kept beside it until it is whole.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Stored;
use crate::latents::{ConditionLatents, LayerInfo, Status, Step};
use crate::{Error, Result};

const MAGIC: &[u8; 16] = b"mpong latents 1\n";
/// Bytes of a step: frame, time, status.
const STEP_BYTES: usize = 17;
/// Bytes of a checksum.
const CHECK_BYTES: usize = 8;

/// A condition that is in the journal.
#[derive(Debug)]
struct Record {
    id: String,
    steps: Vec<Step>,
    /// Where the values of the first layer begin.
    at: u64,
}

/// Conditions one after the other, each with its checksum: what was whole when a run ended is read back, and the
/// rest is written again.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    layers: Vec<LayerInfo>,
    file: BufWriter<File>,
    end: u64,
    records: Vec<Record>,
}

impl Journal {
    /// Opens the journal at `path`: with the conditions that are whole there where it is of the same work `key`,
    /// empty otherwise.
    pub(super) fn open(path: &Path, key: &str, layers: &[LayerInfo]) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let head: Vec<u8> = [MAGIC.as_slice(), &Sha256::digest(key.as_bytes())].concat();
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        let (mut records, mut end) = (Vec::new(), head.len() as u64);
        let mut found = vec![0; head.len()];
        let same = file.read_exact(&mut found).is_ok() && found == head;
        if same {
            let mut reader = BufReader::new(&mut file);
            while let Some((record, length)) = read_record(&mut reader, layers, end) {
                records.push(record);
                end += length;
            }
        } else {
            file.set_len(0).map_err(io)?;
            file.seek(SeekFrom::Start(0)).map_err(io)?;
            file.write_all(&head).map_err(io)?;
        }
        file.set_len(end).map_err(io)?;
        file.seek(SeekFrom::Start(end)).map_err(io)?;
        Ok(Self {
            path: path.to_path_buf(),
            layers: layers.to_vec(),
            file: BufWriter::with_capacity(1 << 20, file),
            end,
            records,
        })
    }

    /// Appends a condition.
    pub(super) fn push(&mut self, condition: &ConditionLatents) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        condition.fits(&self.layers)?;
        let n = condition.steps.len();
        let mut head = Vec::with_capacity(8 + condition.id.len() + n * STEP_BYTES);
        head.extend((condition.id.len() as u32).to_le_bytes());
        head.extend((n as u32).to_le_bytes());
        head.extend(condition.id.as_bytes());
        for step in &condition.steps {
            head.extend((step.frame as u64).to_le_bytes());
            head.extend(step.time_ms.to_le_bytes());
            head.push(step.status.code());
        }
        let mut hash = Sha256::new();
        let mut put = |file: &mut BufWriter<File>, bytes: &[u8]| {
            hash.update(bytes);
            file.write_all(bytes)
        };
        put(&mut self.file, &head).map_err(io)?;
        let mut length = head.len();
        for values in &condition.layers {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            put(&mut self.file, &bytes).map_err(io)?;
            length += bytes.len();
        }
        let check = hash.finalize();
        self.file.write_all(&check[..CHECK_BYTES]).map_err(io)?;
        self.file.flush().map_err(io)?;
        self.records.push(Record {
            id: condition.id.clone(),
            steps: condition.steps.clone(),
            at: self.end + head.len() as u64,
        });
        self.end += (length + CHECK_BYTES) as u64;
        Ok(())
    }

    /// Takes the journal away.
    pub(super) fn remove(mut self) -> Result<()> {
        self.records.clear();
        std::fs::remove_file(&self.path).map_err(|e| Error::io(&self.path, e))
    }
}

impl Stored for Journal {
    fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    fn conditions(&self) -> usize {
        self.records.len()
    }

    fn id(&self, condition: usize) -> &str {
        &self.records[condition].id
    }

    fn steps(&self, condition: usize) -> &[Step] {
        &self.records[condition].steps
    }

    fn read(&mut self, condition: usize, layer: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        let record = &self.records[condition];
        let units = |layers: &[LayerInfo]| -> usize { layers.iter().map(|l| l.units).sum() };
        let before = 4 * record.steps.len() * units(&self.layers[..layer]);
        out.resize(4 * record.steps.len() * self.layers[layer].units, 0);
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(record.at + before as u64))?;
        file.read_exact(out)
    }
}

impl Drop for Journal {
    /// Of work that ended before its first condition nothing is left.
    fn drop(&mut self) {
        if self.records.is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The record that stands at `at`, and its length; nothing where it is not whole.
fn read_record(reader: &mut impl Read, layers: &[LayerInfo], at: u64) -> Option<(Record, u64)> {
    let mut hash = Sha256::new();
    let mut take = |n: usize| -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = reader
            .by_ref()
            .take(n as u64)
            .read_to_end(&mut bytes)
            .ok()?;
        (read == n).then_some(bytes)
    };
    let lengths = take(8)?;
    hash.update(&lengths);
    let number = |from: usize| -> Option<u32> {
        Some(u32::from_le_bytes(
            lengths.get(from..from + 4)?.try_into().ok()?,
        ))
    };
    let (id_bytes, n) = (number(0)? as usize, number(4)? as usize);
    let id = take(id_bytes)?;
    hash.update(&id);
    let raw = take(n.checked_mul(STEP_BYTES)?)?;
    hash.update(&raw);
    let mut steps = Vec::with_capacity(n);
    for step in raw.chunks_exact(STEP_BYTES) {
        steps.push(Step {
            frame: u64::from_le_bytes(step[..8].try_into().ok()?) as usize,
            time_ms: f64::from_le_bytes(step[8..16].try_into().ok()?),
            status: match step[16] {
                0 => Status::Context,
                1 => Status::Visible,
                2 => Status::Hidden,
                _ => return None,
            },
        });
    }
    let head = 8 + id_bytes + raw.len();
    let units: usize = layers.iter().map(|l| l.units).sum();
    let mut left = 4_usize.checked_mul(n)?.checked_mul(units)?;
    let length = head + left + CHECK_BYTES;
    while left > 0 {
        let piece = take(left.min(1 << 20))?;
        hash.update(&piece);
        left -= piece.len();
    }
    let whole = take(CHECK_BYTES)? == hash.finalize()[..CHECK_BYTES];
    whole.then(|| {
        let record = Record {
            id: String::from_utf8_lossy(&id).into_owned(),
            steps,
            at: at + head as u64,
        };
        (record, length as u64)
    })
}
