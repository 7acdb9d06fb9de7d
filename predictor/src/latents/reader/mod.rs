//! Latents of any origin: what a file holds, whose conditions they are, and whether its clock is the set's.

mod clock;
mod given;
mod source;

use std::path::{Path, PathBuf};

use mental_pong_game::task::{ConditionSet, SetIdentity};

use mental_pong_formats::arrays::{Arrays, Held};

pub use self::given::{GivenLatents, Padded};
use self::source::wrong;
use super::{ConditionLatents, Latents, LayerInfo, Status, Step};
use crate::{Error, Result};

/// Arrays that say what the latents are of.
const ABOUT: [&str; 10] = [
    "id",
    "ids",
    "condition",
    "condition_id",
    "n_steps",
    "frame",
    "bin",
    "time_ms",
    "status",
    "rate_hz",
];
/// Most units of a layer: a wider one is refused from its header.
const MOST_UNITS: usize = 1 << 20;
/// Longest file of ids, bytes.
const MOST_IDS: u64 = 64 << 20;
/// Most latents that are held in memory at once, bytes.
const MOST_BYTES: u64 = 3 << 30;

/// A file of latents: its conditions, layers and times are known, its values are read condition by condition.
pub struct LatentsFile {
    path: PathBuf,
    arrays: Arrays,
    identity: Option<SetIdentity>,
    ids: Vec<String>,
    layers: Vec<LayerInfo>,
    held: Vec<Held>,
    /// `[condition][step]`, without padding.
    steps: Vec<Vec<Step>>,
    /// Steps of the arrays.
    longest: usize,
    /// Whether the file says how many steps are no padding.
    counted: bool,
    rate_hz: Option<f64>,
    /// What is odd but no error.
    pub notices: Vec<String>,
}

impl LatentsFile {
    /// Opens a file of latents by its content: `.npz`, `.npy`, safetensors, HDF5, NetCDF, Zarr, a long Parquet table
    /// (columns `condition`, `time_ms`, `frame` or `bin`, `unit`, `value`, and `layer` where there are several), a PyTorch
    /// tensor or dict of tensors.
    ///
    /// A layer is an array `[condition, step, unit]` (or `[condition, step]` of one unit where the file has no
    /// other). Beside it stand `id` `[condition]` (or the ids in a text file `ids`, one a line), and when each step
    /// is: `time_ms` `[condition, step]` (or `[step]` for all) from motion onset, `frame` `[condition, step]` with the set's rate, or
    /// `bin` `[condition, step]` of the published axis. `n_steps` `[condition]` says how many steps are no padding;
    /// without it steps whose time is NaN (or frame or bin negative) are. Without ids the conditions are those of
    /// the set that the user says, in its order; without times the steps are its frames, where they are as many.
    ///
    /// # Errors
    /// [`Error::Config`] naming the file, the array or condition, what was expected and what was recognised.
    pub fn open(path: &Path, ids: Option<&Path>, set: Option<&ConditionSet>) -> Result<Self> {
        Self::of(path, source::open(path)?, ids, set)
    }

    fn of(
        path: &Path,
        mut arrays: Arrays,
        ids: Option<&Path>,
        set: Option<&ConditionSet>,
    ) -> Result<Self> {
        let io = |e| unread(path, e);
        let (names, conditions, longest) = layers_of(path, &arrays)?;
        let mut layers = Vec::new();
        let mut held = Vec::new();
        for name in names {
            let array = arrays.held[&name].clone();
            let units = array.shape.get(2).copied().unwrap_or(1);
            if units > MOST_UNITS {
                let expected = format!("at most {MOST_UNITS} units");
                return Err(wrong(path, &name, &expected, format!("{:?}", array.shape)));
            }
            layers.push(LayerInfo { name, units });
            held.push(array);
        }
        let note = |arrays: &mut Arrays, name: &str| -> Result<Option<String>> {
            if let Some(text) = arrays.notes.get(name) {
                return Ok(Some(text.clone()));
            }
            let texts = arrays.texts(name, &mut source::small()).map_err(io)?;
            Ok(texts.and_then(|t| t.into_iter().next()))
        };
        let identity = match (
            note(&mut arrays, "set_name")?,
            note(&mut arrays, "set_sha256")?,
        ) {
            (Some(name), Some(sha256)) if sha256.len() == 64 => Some(SetIdentity { name, sha256 }),
            _ => None,
        };
        let rate = note(&mut arrays, "rate_hz")?.and_then(|text| text.parse().ok());
        let mut file = Self {
            path: path.to_path_buf(),
            ids: Vec::new(),
            layers,
            held,
            steps: Vec::new(),
            longest,
            counted: arrays.held.contains_key("n_steps"),
            rate_hz: rate,
            notices: Vec::new(),
            identity,
            arrays,
        };
        file.ids = file.read_ids(ids, conditions, set)?;
        file.steps = file.read_steps(set)?;
        Ok(file)
    }

    /// The format that was recognised.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.arrays.format
    }

    /// The set that the file says it is of.
    #[must_use]
    pub fn identity(&self) -> Option<&SetIdentity> {
        self.identity.as_ref()
    }

    /// The layers.
    #[must_use]
    pub fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    /// Ids of the conditions, in the file's order.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Steps of a condition, by its place in the file.
    #[must_use]
    pub fn steps(&self, condition: usize) -> &[Step] {
        &self.steps[condition]
    }

    /// Bytes of a layer in memory.
    #[must_use]
    pub fn layer_bytes(&self, layer: usize) -> u64 {
        let steps: usize = self.steps.iter().map(Vec::len).sum();
        4 * steps as u64 * self.layers[layer].units as u64
    }

    fn wrong(&self, field: &str, expected: &str, found: impl Into<String>) -> Error {
        wrong(&self.path, field, expected, found)
    }

    fn read_ids(
        &mut self,
        file: Option<&Path>,
        conditions: usize,
        set: Option<&ConditionSet>,
    ) -> Result<Vec<String>> {
        let found = match file {
            Some(file) => {
                let text = mental_pong_base::table::read_text(file, MOST_IDS)?;
                let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
                Some(lines.map(String::from).collect())
            }
            None => {
                let noted = self.arrays.notes.get("id");
                match noted.and_then(|text| serde_json::from_str(text).ok()) {
                    Some(ids) => Some(ids),
                    None => {
                        let names = ["id", "ids", "condition_id", "condition"];
                        let name = names
                            .into_iter()
                            .find(|n| self.arrays.held.contains_key(*n));
                        let texts = name.map(|name| self.arrays.texts(name, &mut source::small()));
                        let texts = texts.transpose().map_err(|e| unread(&self.path, e))?;
                        texts.flatten()
                    }
                }
            }
        };
        let ids: Vec<String> = match (found, set) {
            (Some(ids), _) => ids,
            (None, Some(set)) if set.len() == conditions => {
                self.notices.push(format!(
                    "the file has no ids: its {conditions} conditions are taken in the order of {}",
                    set.name()
                ));
                set.ids().into_iter().map(String::from).collect()
            }
            (None, _) => {
                let expected = "an array `id` [condition], or --ids-file with an id a line";
                return Err(self.wrong("id", expected, "neither"));
            }
        };
        if ids.len() != conditions {
            let expected = format!("{conditions} ids, as many as conditions");
            return Err(self.wrong("id", &expected, ids.len().to_string()));
        }
        let mut sorted: Vec<&String> = ids.iter().collect();
        sorted.sort();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(self.wrong("id", "each condition once", format!("{} twice", pair[0])))
            }
            None => Ok(ids),
        }
    }

    /// One of the arrays that say when the steps are, `[condition, step]`.
    fn per_step(&mut self, name: &str) -> Result<Option<Vec<f64>>> {
        let Some(held) = self.arrays.held.get(name) else {
            return Ok(None);
        };
        let expected = [self.ids.len(), self.longest];
        // One axis of time for all conditions.
        let shared = held.shape == expected[1..];
        if held.shape != expected && !shared {
            let found = format!("{:?}", held.shape);
            let expected = format!("[{} conditions, {} steps]", expected[0], expected[1]);
            return Err(self.wrong(name, &expected, found));
        }
        let found = self.arrays.numbers(name, &mut source::small());
        let found = found.map_err(|e| unread(&self.path, e))?;
        Ok(found.map(|values| match shared {
            true => values.repeat(self.ids.len()),
            false => values,
        }))
    }

    fn counts(&mut self) -> Result<Option<Vec<usize>>> {
        let counts = self.arrays.numbers("n_steps", &mut source::small());
        let counts = counts.map_err(|e| unread(&self.path, e))?;
        let Some(counts) = counts else {
            return Ok(None);
        };
        let whole = |v: &f64| v.fract() == 0.0 && *v >= 1.0 && *v <= self.longest as f64;
        if counts.len() != self.ids.len() || !counts.iter().all(whole) {
            let expected = format!("{} counts from 1 to {}", self.ids.len(), self.longest);
            return Err(self.wrong("n_steps", &expected, format!("{counts:?}")));
        }
        Ok(Some(counts.into_iter().map(|v| v as usize).collect()))
    }
}

/// Names of the layers, and the number of conditions and steps that they agree in.
fn layers_of(path: &Path, arrays: &Arrays) -> Result<(Vec<String>, usize, usize)> {
    let of = |axes: usize| -> Vec<String> {
        let found = arrays.held.iter().filter(|(name, held)| {
            held.shape.len() == axes && held.numeric() && !ABOUT.contains(&name.as_str())
        });
        found.map(|(name, _)| name.clone()).collect()
    };
    let mut names = of(3);
    if names.is_empty() {
        names = of(2);
    }
    let Some(first) = names.first() else {
        let found: Vec<String> = arrays
            .held
            .iter()
            .map(|(name, held)| format!("{name} {:?}", held.shape))
            .chain(
                arrays
                    .left_out
                    .iter()
                    .map(|(name, what)| format!("{name}: {what}")),
            )
            .take(20)
            .collect();
        let found = format!("a {} with {}", arrays.format, found.join(", "));
        return Err(wrong(
            path,
            "latents",
            "an array [condition, step, unit]",
            found,
        ));
    };
    let shape = &arrays.held[first].shape;
    let (conditions, steps) = (shape[0], shape[1]);
    for name in &names {
        let axes = &arrays.held[name].axes;
        if let Some(place @ 1..) = axes.iter().position(|axis| axis == "condition") {
            let found = format!("{}; transpose(\"condition\", …)", axes.join(", "));
            let expected = format!("the axis condition first, not as number {}", place + 1);
            return Err(wrong(path, name, &expected, found));
        }
        let other = &arrays.held[name].shape;
        if other[..2] != shape[..2] || other.contains(&0) {
            let expected = format!("[{conditions} conditions, {steps} steps, units], as {first}");
            return Err(wrong(path, name, &expected, format!("{other:?}")));
        }
    }
    Ok((names, conditions, steps))
}

impl LatentsFile {
    /// A layer of a condition by their places, `[step, unit]`, padding left out.
    ///
    /// # Errors
    /// [`Error::Config`] naming file, layer, condition and step of a value that is no number or too large for f32.
    pub fn read(&mut self, condition: usize, layer: usize) -> Result<Vec<f32>> {
        let held = self.held[layer].clone();
        let row = self.arrays.row(&held, condition);
        let row = row.map_err(|e| unread(&self.path, e))?;
        let row = row.to_f64().unwrap_or_default();
        let units = self.layers[layer].units;
        let n = self.steps[condition].len();
        let place = |at: usize| {
            format!(
                "{}, condition {}, step {}, unit {}",
                self.layers[layer].name,
                self.ids[condition],
                at / units,
                at % units
            )
        };
        let mut values = Vec::with_capacity(n * units);
        let mut lost = 0;
        for (at, value) in row.iter().take(n * units).enumerate() {
            let narrow = *value as f32;
            if !narrow.is_finite() {
                let expected = "a number that f32 can hold (padding is said by n_steps)";
                return Err(self.wrong(&place(at), expected, value.to_string()));
            }
            lost += usize::from(*value != 0.0 && narrow == 0.0);
            values.push(narrow);
        }
        let id = &self.ids[condition];
        let name = &self.layers[layer].name;
        if lost > 0 {
            let text =
                format!("{name}, condition {id}: {lost} values are too small for f32 and become 0");
            self.notices.push(text);
        }
        if values.len() > 1 && values.iter().all(|v| *v == values[0]) {
            let text = format!("{name}, condition {id}: every value is {}", values[0]);
            self.notices.push(text);
        }
        let zeros = |row: &[f32]| row.iter().all(|v| *v == 0.0);
        let rows: Vec<&[f32]> = values.chunks_exact(units).collect();
        let padded = rows.iter().rev().take_while(|row| zeros(row)).count();
        if !self.counted && padded > 1 && padded < rows.len() {
            let expected = "n_steps, or NaN, where steps are padding";
            let found = format!("{padded} steps of zeros at the end of condition {id}");
            return Err(self.wrong(&self.layers[layer].name.clone(), expected, found));
        }
        Ok(values)
    }

    /// The latents of a set's conditions, in its order; `wanted` names the layers, all without it.
    ///
    /// # Errors
    /// [`Error::Game`] for latents of another set, naming both; [`Error::Config`] for a clock that is not the
    /// set's, a condition that the file lacks, a layer that it has not, and as [`LatentsFile::read`].
    pub fn of_set(&mut self, set: &ConditionSet, wanted: Option<&[String]>) -> Result<Latents> {
        let places = self.matched(set)?;
        let layers: Vec<usize> = match wanted {
            None => (0..self.layers.len()).collect(),
            Some(names) => names.iter().map(|n| self.layer(n)).collect::<Result<_>>()?,
        };
        let steps: usize = places.iter().map(|place| self.steps[*place].len()).sum();
        let units: usize = layers.iter().map(|layer| self.layers[*layer].units).sum();
        let bytes = 4 * steps as u64 * units as u64;
        if bytes > MOST_BYTES {
            let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
            let expected = format!("at most {} GiB of latents in memory", gib(MOST_BYTES));
            let found = format!(
                "{:.1} GiB: {units} units at {steps} steps of {} conditions; choose one layer by name, or fewer units",
                gib(bytes),
                places.len()
            );
            return Err(self.wrong("latents", &expected, found));
        }
        let mut conditions = Vec::with_capacity(places.len());
        for place in places {
            let values = layers.iter().map(|layer| self.read(place, *layer));
            let values = values.collect::<Result<_>>()?;
            conditions.push(ConditionLatents {
                id: self.ids[place].clone(),
                layers: values,
                steps: self.steps[place].clone(),
            });
        }
        Ok(Latents {
            set: Some(set.identity()),
            layers: layers.iter().map(|l| self.layers[*l].clone()).collect(),
            conditions,
        })
    }

    /// Places of a set's conditions in the file, whose clock is the set's.
    ///
    /// # Errors
    /// As [`LatentsFile::of_set`], of all but the values.
    pub fn matched(&self, set: &ConditionSet) -> Result<Vec<usize>> {
        let places = self.places(set)?;
        self.check_clock(set)?;
        Ok(places)
    }

    /// Place of the layer of that name.
    ///
    /// # Errors
    /// [`Error::Config`] naming the layers there are.
    pub fn layer(&self, name: &str) -> Result<usize> {
        let place = self.layers.iter().position(|layer| layer.name == name);
        place.ok_or_else(|| {
            let names: Vec<&str> = self.layers.iter().map(|l| l.name.as_str()).collect();
            self.wrong("layer", &format!("one of {}", names.join(", ")), name)
        })
    }

    /// Places of a set's conditions in the file.
    fn places(&self, set: &ConditionSet) -> Result<Vec<usize>> {
        if let Some(identity) = &self.identity {
            let file = self.path.display().to_string();
            identity.check(&file, &set.identity(), "the condition set")?;
        }
        let place = |id: &str| {
            let place = self.ids.iter().position(|found| found == id);
            place.ok_or_else(|| {
                let expected = format!("condition {id} of {}", set.name());
                let found: Vec<&str> = self.ids.iter().take(3).map(String::as_str).collect();
                let found = format!("{} others, as {}", self.ids.len(), found.join(", "));
                self.wrong("id", &expected, found)
            })
        };
        set.ids().into_iter().map(place).collect()
    }
}

impl Latents {
    /// Reads latents of any origin; see [`LatentsFile::open`]. The set is the one that is said, or the published one
    /// that the file states.
    ///
    /// # Errors
    /// As [`LatentsFile::open`] and [`LatentsFile::of_set`]; [`Error::Config`] for a file that states no published
    /// set where none is said.
    pub fn open(path: &Path, set: Option<&ConditionSet>) -> Result<Self> {
        let mut file = LatentsFile::open(path, None, set)?;
        let set = file.set(set)?;
        file.of_set(&set, None)
    }
}

impl LatentsFile {
    /// The set that is said, or the published one that the file states, narrowed to its conditions.
    ///
    /// # Errors
    /// [`Error::Config`] where neither is there.
    pub fn set(&self, said: Option<&ConditionSet>) -> Result<ConditionSet> {
        if let Some(set) = said {
            return Ok(set.clone());
        }
        let published = self.identity.as_ref().and_then(SetIdentity::published);
        match (published, &self.identity) {
            (Some((set, law)), _) => Ok(ConditionSet::published(set, law).narrowed(&self.ids)?),
            (None, Some(identity)) => {
                let expected = "--conditions with the set of that hash";
                Err(self.wrong("conditions", expected, format!("latents of {identity}")))
            }
            (None, None) => {
                let expected = "--conditions NAME|DIR|FILE: whose trials these are";
                Err(self.wrong(
                    "conditions",
                    expected,
                    "a file that states no condition set",
                ))
            }
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn unread(path: &Path, error: mental_pong_formats::Error) -> Error {
    wrong(path, "file", "readable arrays", error.to_string())
}

/// The status that a number stands for.
fn status_of(code: f64) -> Status {
    match code as i64 {
        0 => Status::Context,
        2 => Status::Hidden,
        _ => Status::Visible,
    }
}
