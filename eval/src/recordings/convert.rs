//! The open layout: a folder with every array in one safetensors file, and a manifest in JSON that says what they are.
//!
//! ```text
//! folder/
//!   manifest.json            what is in it: axes, units, missing values, checksums, tables of text, where it came from
//!   arrays.safetensors       neural_responses/occ, behavioral_responses/occ/ball_pos_x, masks/occ/start_end_pad0, …
//! ```
//!
//! Numbers are f64, little-endian, row-major, NaN where there is none. Masks are u8: 1 inside, 0 outside. The same
//! recording gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use mental_pong_game::files::{create_folder, sha256_file, sha256_hex, write_atomic};
use safetensors::Dtype as Element;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::dmfc::{Expected, Mask, Population, Recording, TABLES, TrialType, behavior_unit};
use super::file::Format;
use super::limits::{Budget, Limits, check_count};
use super::table::Cells;
use super::value::{Array, Column, Dict, Dtype, Frame, Index, Labels, Value};

/// Name of the manifest in the folder.
pub const MANIFEST: &str = "manifest.json";
/// Name of the file of arrays in the folder.
pub const ARRAYS: &str = "arrays.safetensors";
/// Name of the layout, as the manifest states it.
pub const LAYOUT: &str = "mental-pong-recording";
/// Version of the layout.
pub const VERSION: u32 = 1;

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
    /// Number of conditions and bins, and length of a bin in ms.
    pub axes: Expected,
    /// Time of the left edge of bin 0, in ms after the ball starts to move.
    pub first_bin_ms: f64,
    /// Id of each condition.
    pub condition_ids: Option<Vec<i64>>,
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
    /// `meta` (by condition), `neural_meta` (by unit) or `trial_meta` (by trial).
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Whether the first column is the index of a data frame.
    pub has_index: bool,
    /// The columns, in order.
    pub columns: Vec<ColumnEntry>,
}

/// One column of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ColumnEntry {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: ColumnContent,
}

/// What a column holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnContent {
    /// Numbers: the name of the array.
    Array(String),
    /// Texts, `null` where there is none.
    Texts(Vec<Option<String>>),
    /// Something that is not kept: what it was.
    Dropped(String),
}

/// What is written under a name.
enum Piece<'a> {
    Array(&'a Array),
    Numbers(&'a [f64]),
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
            Self::Numbers(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
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
    let (pieces, tables) = pieces(recording);
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
    let manifest = Manifest {
        layout: LAYOUT.into(),
        version: VERSION,
        source: source(recording)?,
        synthetic: recording.synthetic,
        axes: recording.expected,
        first_bin_ms: -300.0,
        condition_ids: recording.condition_ids.clone(),
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

/// Everything to write, numbers before masks so that all are aligned, and the tables that refer to it.
fn pieces(recording: &Recording) -> (Vec<(ArrayEntry, Piece<'_>)>, Vec<TableEntry>) {
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
    let mut tables = Vec::new();
    for (&table, content) in &recording.tables {
        let mut columns = Vec::new();
        for (place, (name, cells)) in content.columns.iter().enumerate() {
            let content = match cells {
                Cells::Numbers(values) => {
                    // The place keeps columns of one name apart.
                    let full = format!("tables/{table}/{place}/{name}");
                    let entry = entry(full.clone(), &["row"], &[values.len()], None);
                    pieces.push((entry, Piece::Numbers(values)));
                    ColumnContent::Array(full)
                }
                Cells::Texts(texts) => ColumnContent::Texts(texts.clone()),
                Cells::Other(what) => ColumnContent::Dropped(what.clone()),
            };
            columns.push(ColumnEntry {
                name: name.clone(),
                content,
            });
        }
        tables.push(TableEntry {
            name: table.to_owned(),
            rows: content.rows,
            has_index: content.has_index,
            columns,
        });
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
    (pieces, tables)
}

/// The manifest of a folder. [`Error::Io`] if it cannot be read, [`Error::Format`] if it is damaged,
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
        return Err(Error::Limit {
            what: "bytes of the manifest",
            limit: LONGEST_TEXT,
            needed: text.len() as u64,
        });
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
/// Errors: those of [`manifest`]; [`Error::Format`] if the arrays do not fit to it or to their checksums;
/// [`Error::Limit`] for too much of them.
pub fn read(folder: &Path, limits: &Limits) -> Result<Value> {
    let manifest = manifest(folder)?;
    check_count(
        "arrays of the folder",
        manifest.arrays.len(),
        MOST_ARRAYS.min(limits.objects),
    )?;
    let mut arrays = read_arrays(folder, &manifest, limits)?;
    let mut root: Vec<(String, Value)> = Vec::new();
    for entry in &manifest.arrays {
        if entry.name.starts_with("tables/") {
            continue;
        }
        if let Some(array) = arrays.remove(&*entry.name) {
            let path: Vec<&str> = entry.name.split('/').collect();
            insert(&mut root, &path, Value::Array(array));
        }
    }
    for table in &manifest.tables {
        if TABLES.contains(&&*table.name) {
            root.push((table.name.clone(), table_value(table, &mut arrays)?));
        }
    }
    let ints =
        |values: &[i64]| Value::List(Arc::new(values.iter().map(|&v| Value::Int(v)).collect()));
    for (key, ids) in &manifest.unit_ids {
        let Some((responses, trials)) = key.split_once('/') else {
            return Err(wrong(format!("unit_ids: {key}")));
        };
        insert(
            &mut root,
            &["neural_idx_global", trials, responses],
            ints(ids),
        );
    }
    for (trials, rows) in &manifest.reliable_units {
        let rows: Vec<i64> = rows
            .iter()
            .map(|&row| i64::try_from(row).unwrap_or(i64::MAX))
            .collect();
        insert(&mut root, &["reliable_neural_idx", trials], ints(&rows));
    }
    for (trials, counts) in &manifest.trials_per_session {
        root.push((format!("ntr_{trials}"), ints(counts)));
    }
    for (trials, text) in &manifest.trial_criteria {
        let text = Value::Str(text.as_str().into());
        insert(&mut root, &["conds_ch_dict", trials], text);
    }
    if manifest.synthetic == Some(true) {
        root.push(("synthetic".into(), Value::Bool(true)));
    }
    Ok(dict(root))
}

// By value, because `map_err` hands it over.
#[allow(clippy::needless_pass_by_value, reason = "signature of map_err")]
fn json(error: serde_json::Error) -> Error {
    wrong(format!("{MANIFEST}: {error}"))
}

fn wrong(why: impl Into<String>) -> Error {
    Error::format("open layout", None, why)
}

fn dict(entries: Vec<(String, Value)>) -> Value {
    let entries = entries
        .into_iter()
        .map(|(key, value)| (Value::Str(key.into()), value))
        .collect();
    Value::Dict(Arc::new(Dict::new(entries)))
}

/// Put a value under a path of keys, two levels at least; dictionaries on the way are made.
fn insert(entries: &mut Vec<(String, Value)>, path: &[&str], value: Value) {
    let [key, rest @ ..] = path else {
        return;
    };
    if rest.is_empty() {
        entries.push(((*key).to_owned(), value));
        return;
    }
    let place = entries
        .iter()
        .position(|(name, _)| name == key)
        .unwrap_or_else(|| {
            entries.push(((*key).to_owned(), dict(Vec::new())));
            entries.len() - 1
        });
    let mut inner: Vec<(String, Value)> = match &entries[place].1 {
        Value::Dict(dict) => dict
            .named()
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect(),
        _ => Vec::new(),
    };
    insert(&mut inner, rest, value);
    entries[place].1 = dict(inner);
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

fn table_value(table: &TableEntry, arrays: &mut BTreeMap<&str, Arc<Array>>) -> Result<Value> {
    let mut columns = Vec::new();
    for ColumnEntry { name, content } in &table.columns {
        let values = match content {
            ColumnContent::Array(array) => arrays
                .remove(&**array)
                .ok_or_else(|| wrong(format!("table {}: {array} is missing", table.name)))?,
            ColumnContent::Texts(texts) => {
                let texts: Vec<Value> = texts
                    .iter()
                    .map(|text| {
                        text.as_ref()
                            .map_or(Value::None, |text| Value::Str(text.as_str().into()))
                    })
                    .collect();
                Arc::new(Array::from_objects(
                    vec![texts.len()],
                    false,
                    Arc::new(texts),
                )?)
            }
            ColumnContent::Dropped(_) => continue,
        };
        if values.len() != table.rows {
            return Err(wrong(format!(
                "table {}: {name} has {} rows of {}",
                table.name,
                values.len(),
                table.rows
            )));
        }
        columns.push(Column {
            label: Value::Str(name.as_str().into()),
            values,
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
    })))
}
