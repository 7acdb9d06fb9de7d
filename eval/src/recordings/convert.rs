//! The open layout: a folder with every array in one safetensors file, every table in a Parquet file, and a manifest in
//! JSON that says what they are.
//!
//! ```text
//! folder/
//!   manifest.json            what is in it: axes, units, missing values, checksums, where it came from
//!   arrays.safetensors       neural_responses/occ, behavioral_responses/occ/ball_pos_x, masks/occ/start_end_pad0, …
//!   tables/meta.parquet      and neural_meta, trial_meta, as far as there are
//! ```
//!
//! Numbers are f64, little-endian, row-major, NaN where there is none. Masks are u8: 1 inside, 0 outside. The same
//! recording gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mental_pong_base::files::{create_folder, sha256_file, sha256_hex, write_atomic};
use mental_pong_game::task::{ConditionSet, SetIdentity};
use safetensors::Dtype as Element;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::branch::Branch;
use super::dmfc::{
    AXES, Axes, Expected, Mask, Population, Recording, TABLES, TrialType, behavior_unit,
};
use super::file::Format;
use mental_pong_formats::limits::{Budget, Limits, check_count};
use mental_pong_formats::parquet;
use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::value::{Array, Column, Dict, Dtype, Frame, Index, Labels, Value};

/// Name of the manifest in the folder.
pub const MANIFEST: &str = "manifest.json";
/// Name of the file of arrays in the folder.
pub const ARRAYS: &str = "arrays.safetensors";
/// Name of the layout, as the manifest states it.
pub const LAYOUT: &str = "mental-pong-recording";
/// Version of the layout.
pub const VERSION: u32 = 3;
/// Name of the folder of tables in the folder.
pub const TABLE_FOLDER: &str = "tables";

/// Longest manifest, and longest header of the file of arrays, that is read, in bytes.
const LONGEST_TEXT: u64 = 256 << 20;

/// Most arrays of a folder. The release has some 700.
const MOST_ARRAYS: usize = 1 << 14;

/// What the folder holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`LAYOUT`].
    pub layout: String,
    /// [`VERSION`].
    pub version: u32,
    /// Where the recording came from.
    pub source: Option<Source>,
    /// `true` if the recording says that it is invented.
    pub synthetic: Option<bool>,
    /// Whether it is held against the release (a condition set, halves and tables as there) or is a laboratory's own.
    pub released: bool,
    /// Number of conditions and bins, and length of a bin in ms.
    pub axes: Expected,
    /// Time of the left edge of bin 0, in ms after the ball starts to move.
    pub first_bin_ms: f64,
    /// The set of conditions that it is of.
    pub set: Option<SetIdentity>,
    /// Id of each condition, in that set.
    pub condition_ids: Option<Vec<String>>,
    /// Row of `neural_meta` of each unit, by `responses/trials`.
    pub unit_ids: BTreeMap<String, Vec<i64>>,
    /// Rows of the reliable units, from 0, by trial type.
    pub reliable_units: BTreeMap<String, Vec<usize>>,
    /// Trials of each session, by trial type.
    pub trials_per_session: BTreeMap<String, Vec<i64>>,
    /// What made a trial one of the type, by trial type.
    pub trial_criteria: BTreeMap<String, String>,
    /// Every array.
    pub arrays: Vec<ArrayEntry>,
    /// Every table.
    pub tables: Vec<TableEntry>,
    /// What is unusual.
    pub notes: Vec<String>,
}

/// Where a recording came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the file, without its folder.
    pub name: String,
    /// How it was kept.
    pub format: Option<Format>,
    /// SHA-256 of the file, in hexadecimal digits; of the manifest for a folder.
    pub sha256: String,
}

/// One array of [`ARRAYS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayEntry {
    /// Its name in the file.
    pub name: String,
    /// What each axis is.
    pub axes: Vec<String>,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Unit of the values; `None` if it is not known.
    pub unit: Option<String>,
    /// `NaN`, or `0 outside` for masks.
    pub missing: String,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// One table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TableEntry {
    /// `meta` (by condition), `neural_meta` (by unit) or `trial_meta` (by trial). Its file is `tables/NAME.parquet`.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Whether the first column is the index of a data frame.
    pub has_index: bool,
    /// The columns, in order.
    pub columns: Vec<ColumnEntry>,
    /// SHA-256 of its file, in hexadecimal digits; `None` where no column is kept, and so no file.
    pub sha256: Option<String>,
}

/// One column of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ColumnEntry {
    /// Its name.
    pub name: String,
    /// Its name in the Parquet file, where names are unique; `None` if it is not kept.
    pub stored: Option<String>,
    /// What it was, if it is not kept.
    pub dropped: Option<String>,
}

/// What is written under a name.
enum Piece<'a> {
    Array(&'a Array),
    Mask(&'a Mask),
}

impl Piece<'_> {
    fn element(&self) -> Element {
        match self {
            Self::Mask(_) => Element::U8,
            _ => Element::F64,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Array(array) => array
                .to_f64()
                .unwrap_or_default()
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect(),
            Self::Mask(mask) => mask.as_slice().iter().map(|&v| u8::from(v)).collect(),
        }
    }
}

/// Write a recording as a folder, and return its manifest.
///
/// The arrays are written first and the manifest last, each under its name only when it is whole: a folder without a
/// manifest is no recording. A folder that has a manifest is not touched.
///
/// Errors: [`Error::Invalid`] if the folder has a manifest, [`Error::Game`] if it, or the source, cannot be written or read.
pub fn write(recording: &Recording, folder: &Path) -> Result<Manifest> {
    if folder.join(MANIFEST).exists() {
        let why = format!("there is a {MANIFEST} already; a recording is not overwritten");
        return Err(Error::invalid(folder.display().to_string(), why));
    }
    create_folder(folder)?;
    let pieces = pieces(recording);
    let mut arrays = Vec::with_capacity(pieces.len());
    let mut infos = Vec::with_capacity(pieces.len());
    let mut end = 0;
    // One array at a time is in memory: once for its checksum, once to be written.
    for (entry, piece) in &pieces {
        let bytes = piece.bytes();
        arrays.push(ArrayEntry {
            sha256: sha256_hex(&bytes),
            ..entry.clone()
        });
        infos.push((
            entry.name.clone(),
            TensorInfo {
                dtype: piece.element(),
                shape: entry.shape.clone(),
                data_offsets: (end, end + bytes.len()),
            },
        ));
        end += bytes.len();
    }
    let header =
        Metadata::new(None, infos).map_err(|error| Error::invalid(ARRAYS, error.to_string()))?;
    let mut header = serde_json::to_vec(&header).map_err(json)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    write_atomic(folder.join(ARRAYS), |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        pieces
            .iter()
            .try_for_each(|(_, piece)| out.write_all(&piece.bytes()))
    })?;
    let tables = write_tables(recording, folder)?;
    let manifest = Manifest {
        layout: LAYOUT.into(),
        version: VERSION,
        source: source(recording)?,
        synthetic: recording.synthetic,
        released: recording.released,
        axes: recording.expected,
        first_bin_ms: recording.first_bin_ms,
        set: recording.set().map(ConditionSet::identity),
        condition_ids: recording.ids.clone(),
        unit_ids: recording
            .unit_ids
            .iter()
            .map(|(&(trials, half), ids)| {
                let key = format!("{}/{}", Population::All.key(half), trials.key());
                (key, ids.clone())
            })
            .collect(),
        reliable_units: by_trials(&recording.reliable),
        trials_per_session: by_trials(&recording.trials),
        trial_criteria: by_trials(&recording.criteria),
        arrays,
        tables,
        notes: recording.notes.clone(),
    };
    let mut text = serde_json::to_vec_pretty(&manifest).map_err(json)?;
    text.push(b'\n');
    write_atomic(folder.join(MANIFEST), |out| out.write_all(&text))?;
    Ok(manifest)
}

fn by_trials<T: Clone>(map: &BTreeMap<TrialType, T>) -> BTreeMap<String, T> {
    map.iter()
        .map(|(trials, value)| (trials.key().to_owned(), value.clone()))
        .collect()
}

fn source(recording: &Recording) -> Result<Option<Source>> {
    let Some(path) = recording.path() else {
        return Ok(None);
    };
    let file = match recording.format {
        Some(Format::Folder) => path.join(MANIFEST),
        _ => path.to_owned(),
    };
    Ok(Some(Source {
        name: path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        format: recording.format,
        sha256: sha256_file(file)?,
    }))
}

/// A Parquet file of each table that has a column to keep.
fn write_tables(recording: &Recording, folder: &Path) -> Result<Vec<TableEntry>> {
    let mut entries = Vec::new();
    for (&name, table) in &recording.tables {
        let mut columns = Vec::new();
        let mut kept = Vec::new();
        for (place, (column, cells)) in table.columns.iter().enumerate() {
            let (stored, dropped) = match cells {
                Cells::Other(what) => (None, Some(what.clone())),
                _ => {
                    let taken = kept.iter().any(|(other, _)| other == column);
                    // The place keeps columns of one name apart.
                    let stored = if taken {
                        format!("{column} [{place}]")
                    } else {
                        column.clone()
                    };
                    kept.push((stored.clone(), cells.clone()));
                    (Some(stored), None)
                }
            };
            columns.push(ColumnEntry {
                name: column.clone(),
                stored,
                dropped,
            });
        }
        let sha256 = if kept.is_empty() {
            None
        } else {
            let bytes = parquet::to_bytes(&Table {
                rows: table.rows,
                has_index: false,
                columns: kept,
            })?;
            create_folder(folder.join(TABLE_FOLDER))?;
            write_atomic(table_path(folder, name), |out| out.write_all(&bytes))?;
            Some(sha256_hex(&bytes))
        };
        entries.push(TableEntry {
            name: name.to_owned(),
            rows: table.rows,
            has_index: table.has_index,
            columns,
            sha256,
        });
    }
    Ok(entries)
}

fn table_path(folder: &Path, table: &str) -> PathBuf {
    folder.join(TABLE_FOLDER).join(format!("{table}.parquet"))
}

/// Everything to write, numbers before masks so that all are aligned.
fn pieces(recording: &Recording) -> Vec<(ArrayEntry, Piece<'_>)> {
    let mut pieces = Vec::new();
    let entry = |name: String, axes: &[&str], shape: &[usize], unit: Option<&str>| ArrayEntry {
        name,
        axes: axes.iter().map(|&axis| axis.to_owned()).collect(),
        shape: shape.to_vec(),
        unit: unit.map(str::to_owned),
        missing: "NaN".into(),
        sha256: String::new(),
    };
    for (&(trials, population, half), array) in &recording.responses {
        let rows = match population {
            Population::Factors(_) => "factor",
            _ => "unit",
        };
        let name = format!("{}/{}", population.key(half), trials.key());
        let axes = [rows, "condition", "bin"];
        let entry = entry(name, &axes, array.shape(), Some(population.unit()));
        pieces.push((entry, Piece::Array(array)));
    }
    for (trials, name, array) in &recording.behaviors {
        let full = format!("behavioral_responses/{}/{name}", trials.key());
        let axes = ["condition", "bin"];
        let entry = entry(full, &axes, array.shape(), behavior_unit(name));
        pieces.push((entry, Piece::Array(array)));
    }
    let Expected {
        conditions, bins, ..
    } = recording.expected;
    for (trials, name, mask) in &recording.masks {
        let full = format!("masks/{}/{name}", trials.key());
        let mut entry = entry(full, &["condition", "bin"], &[conditions, bins], Some("1"));
        entry.missing = "0 outside".into();
        pieces.push((entry, Piece::Mask(mask)));
    }
    pieces
}

/// The manifest of a folder. [`Error::Io`] if it cannot be read, [`Error::Format`](mental_pong_formats::Error::Format) if it is damaged,
/// [`Error::Invalid`] if it is of another layout or version.
pub fn manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    let io = |source| Error::Io {
        path: path.display().to_string(),
        source,
    };
    let mut text = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(LONGEST_TEXT + 1).read_to_end(&mut text))
        .map_err(io)?;
    if text.len() as u64 > LONGEST_TEXT {
        return Err(Error::limit(
            "bytes of the manifest",
            LONGEST_TEXT,
            text.len() as u64,
        ));
    }
    #[derive(Deserialize)]
    struct Head {
        layout: String,
        version: u32,
    }
    let head: Head = serde_json::from_slice(&text).map_err(json)?;
    if head.layout != LAYOUT || head.version != VERSION {
        return Err(Error::invalid(
            MANIFEST,
            format!(
                "{} version {}; this program reads {LAYOUT} version {VERSION}",
                head.layout, head.version
            ),
        ));
    }
    serde_json::from_slice(&text).map_err(json)
}

/// Read a folder as the tree that the released files have.
///
/// Errors: those of [`manifest`]; [`Error::Format`](mental_pong_formats::Error::Format) if the arrays do not fit to it or to their checksums;
/// [`Error::Limit`](mental_pong_formats::Error::Limit) for too much of them.
pub fn read(folder: &Path, limits: &Limits) -> Result<Value> {
    let manifest = manifest(folder)?;
    check_count(
        "arrays of the folder",
        manifest.arrays.len(),
        MOST_ARRAYS.min(limits.objects),
    )?;
    let mut arrays = read_arrays(folder, &manifest, limits)?;
    let mut root = Branch::default();
    for entry in &manifest.arrays {
        if let Some(array) = arrays.remove(&*entry.name) {
            let path: Vec<&str> = entry.name.split('/').collect();
            root.insert(&path, Value::Array(array))?;
        }
    }
    for table in &manifest.tables {
        // The name becomes a path: only those that are known.
        if !TABLES.contains(&&*table.name) {
            return Err(wrong(format!("table {} is not known", table.name)));
        }
        root.insert(&[&*table.name], table_value(folder, table, limits)?)?;
    }
    let ints =
        |values: &[i64]| Value::List(Arc::new(values.iter().map(|&v| Value::Int(v)).collect()));
    for (key, ids) in &manifest.unit_ids {
        let Some((responses, trials)) = key.split_once('/') else {
            return Err(wrong(format!("unit_ids: {key}")));
        };
        root.insert(&["neural_idx_global", trials, responses], ints(ids))?;
    }
    for (trials, rows) in &manifest.reliable_units {
        let rows: Vec<i64> = rows
            .iter()
            .map(|&row| i64::try_from(row).unwrap_or(i64::MAX))
            .collect();
        root.insert(&["reliable_neural_idx", trials], ints(&rows))?;
    }
    for (trials, counts) in &manifest.trials_per_session {
        root.insert(&[&*format!("ntr_{trials}")], ints(counts))?;
    }
    for (trials, text) in &manifest.trial_criteria {
        let text = Value::Str(text.as_str().into());
        root.insert(&["conds_ch_dict", trials], text)?;
    }
    if manifest.synthetic == Some(true) {
        root.insert(&["synthetic"], Value::Bool(true))?;
    }
    if !manifest.released {
        let axes = Axes {
            expected: manifest.axes,
            first_bin_ms: manifest.first_bin_ms,
            set: manifest.set.clone(),
            notes: manifest.notes.clone(),
        };
        root.insert(&[AXES], axes.to_value())?;
    } else if let Some(set) = &manifest.set {
        for (key, text) in [("set_name", &set.name), ("set_sha256", &set.sha256)] {
            root.insert(&[key], Value::Str(text.as_str().into()))?;
        }
    }
    Ok(root.into_value())
}

// By value, because `map_err` hands it over.
#[allow(clippy::needless_pass_by_value, reason = "signature of map_err")]
fn json(error: serde_json::Error) -> Error {
    wrong(format!("{MANIFEST}: {error}"))
}

fn wrong(why: impl Into<String>) -> Error {
    Error::format("open layout", None, why)
}

fn read_arrays<'m>(
    folder: &Path,
    manifest: &'m Manifest,
    limits: &Limits,
) -> Result<BTreeMap<&'m str, Arc<Array>>> {
    let path = folder.join(ARRAYS);
    let io = |source| Error::Io {
        path: path.display().to_string(),
        source,
    };
    let mut budget = Budget::new(limits);
    let mut file = File::open(&path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut word = [0; 8];
    file.read_exact(&mut word).map_err(io)?;
    let header_length = u64::from_le_bytes(word);
    if header_length > LONGEST_TEXT.min(length.saturating_sub(8)) {
        return Err(wrong(format!("{ARRAYS}: a false length of its header")));
    }
    budget.take(header_length)?;
    let mut header = Vec::new();
    (&mut file)
        .take(header_length)
        .read_to_end(&mut header)
        .map_err(io)?;
    // Overlaps, gaps and sizes are checked here.
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| wrong(format!("{ARRAYS}: {error}")))?;
    let end = header
        .tensors()
        .values()
        .map(|info| info.data_offsets.1)
        .max()
        .unwrap_or(0) as u64;
    if length != 8 + header_length + end {
        let why = format!(
            "{ARRAYS}: {} bytes expected, {length} found",
            8 + header_length + end
        );
        return Err(wrong(why));
    }
    let stated: BTreeSet<&str> = manifest.arrays.iter().map(|entry| &*entry.name).collect();
    if let Some(name) = header
        .offset_keys()
        .iter()
        .find(|name| !stated.contains(&***name))
    {
        return Err(wrong(format!("{ARRAYS}: {name} is not in {MANIFEST}")));
    }
    let mut arrays = BTreeMap::new();
    for entry in &manifest.arrays {
        let name = &*entry.name;
        let info = header
            .info(name)
            .ok_or_else(|| wrong(format!("{ARRAYS}: {name} is missing")))?;
        if info.shape != entry.shape || info.shape.len() != entry.axes.len() {
            let why = format!(
                "{name}: shape {:?}, but {:?} in {MANIFEST}",
                info.shape, entry.shape
            );
            return Err(wrong(why));
        }
        let (start, end) = info.data_offsets;
        budget.take_usize(end - start)?;
        file.seek(SeekFrom::Start(8 + header_length + start as u64))
            .map_err(io)?;
        let mut bytes = vec![0; end - start];
        file.read_exact(&mut bytes).map_err(io)?;
        if sha256_hex(&bytes) != entry.sha256 {
            return Err(wrong(format!(
                "{name}: the bytes do not fit to their checksum"
            )));
        }
        let array = match info.dtype {
            Element::F64 => {
                Array::from_bytes(Dtype::F64, info.shape.clone(), false, Arc::new(bytes))?
            }
            Element::U8 if name.starts_with("masks/") => {
                budget.take_usize(bytes.len().saturating_mul(8))?;
                let values: Vec<f64> = bytes
                    .iter()
                    .map(|&byte| match byte {
                        0 => f64::NAN,
                        // A false value fails as one when the recording is checked.
                        other => other.into(),
                    })
                    .collect();
                Array::from_f64(info.shape.clone(), &values)?
            }
            other => return Err(wrong(format!("{name}: elements of type {other:?}"))),
        };
        arrays.insert(name, Arc::new(array));
    }
    Ok(arrays)
}

fn table_value(folder: &Path, table: &TableEntry, limits: &Limits) -> Result<Value> {
    let mut content = match &table.sha256 {
        Some(expected) => {
            let path = table_path(folder, &table.name);
            if sha256_file(&path)? != *expected {
                return Err(wrong(format!(
                    "table {}: the file does not fit to its checksum",
                    table.name
                )));
            }
            parquet::read(&path, limits)?
        }
        None => Table {
            rows: table.rows,
            has_index: false,
            columns: Vec::new(),
        },
    };
    if content.rows != table.rows {
        return Err(wrong(format!(
            "table {}: {} rows, but {} in {MANIFEST}",
            table.name, content.rows, table.rows
        )));
    }
    let mut columns = Vec::new();
    for entry in &table.columns {
        let Some(stored) = &entry.stored else {
            continue;
        };
        let found = content.columns.iter().position(|(name, _)| name == stored);
        let found = found
            .ok_or_else(|| wrong(format!("table {}: column {stored} is missing", table.name)))?;
        let values = match content.columns.swap_remove(found).1 {
            Cells::Numbers(values) => Array::from_f64(vec![values.len()], &values)?,
            Cells::Texts(texts) => {
                let texts: Vec<Value> = texts
                    .into_iter()
                    .map(|text| text.map_or(Value::None, |text| Value::Str(text.into())))
                    .collect();
                Array::from_objects(vec![texts.len()], false, Arc::new(texts))?
            }
            Cells::Other(what) => return Err(wrong(format!("column {stored} is {what}"))),
        };
        columns.push(Column {
            label: Value::Str(entry.name.as_str().into()),
            values: Arc::new(values),
        });
    }
    if !table.has_index {
        let columns = columns
            .into_iter()
            .map(|column| (column.label, Value::Array(column.values)))
            .collect();
        return Ok(Value::Dict(Arc::new(Dict::new(columns))));
    }
    if columns.is_empty() {
        return Err(wrong(format!("table {}: no index", table.name)));
    }
    let index = columns.remove(0);
    Ok(Value::Frame(Arc::new(Frame {
        index: Index {
            name: index.label,
            labels: Labels::Array(index.values),
        },
        columns,
        unread: Vec::new(),
    })))
}
