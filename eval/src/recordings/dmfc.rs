//! The recordings of dorsomedial frontal cortex (DMFC) as they were released, checked.
//!
//! Source of the schema: the data that go with Rajalingham et al. (2025), Zenodo 10.5281/zenodo.13952210, and the
//! authors' code that made them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mental_pong_base::{Monitor, Quiet};
use mental_pong_game::task::{BinAxis, ConditionSet, SetIdentity};
use serde::{Deserialize, Serialize};

use crate::array::Array2;
use crate::error::{Error, Result};

use super::arrays::{self, RateUnit};
use super::file::{self, Content, Format};
use super::lab::Missing;
use super::mapping::Mapping;
use mental_pong_formats::limits::Limits;
use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::value::{Array, Dict, Value};

/// Kind of trial. These are trials, not parts of a trial: an occluded trial has a visible part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialType {
    /// Occluded trials: the ball passes behind the occluder.
    Occ,
    /// Visible trials: the ball can be seen throughout.
    Vis,
}

impl TrialType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Occ, Self::Vis];

    /// The name in the files.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Occ => "occ",
            Self::Vis => "vis",
        }
    }

    /// From the name in the files, or `occluded`, `visible`. `None` for another.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.trim() {
            "occ" | "occluded" => Some(Self::Occ),
            "vis" | "visible" => Some(Self::Vis),
            _ => None,
        }
    }
}

/// Which trials were averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Half {
    /// All trials.
    Full,
    /// The first half. The release has one fixed split.
    Sh1,
    /// The second half.
    Sh2,
}

impl Half {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Full, Self::Sh1, Self::Sh2];

    fn suffix(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Sh1 => "_sh1",
            Self::Sh2 => "_sh2",
        }
    }
}

/// What the rows of a response array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Population {
    /// All units, in spikes/ms.
    All,
    /// Units that pass the reliability criterion, in spikes/ms.
    Reliable,
    /// Factor scores of the reliable units (this many factors), without unit. Each half was fitted by itself, so its
    /// factors are not those of the other half.
    Factors(usize),
}

const RESPONSES: &str = "neural_responses";
const RELIABLE: &str = "neural_responses_reliable";
const FACTORS: &str = "neural_responses_reliable_FactorAnalysis_";

impl Population {
    /// The key in the files.
    #[must_use]
    pub fn key(self, half: Half) -> String {
        let suffix = half.suffix();
        match self {
            Self::All => format!("{RESPONSES}{suffix}"),
            Self::Reliable => format!("{RELIABLE}{suffix}"),
            Self::Factors(count) => format!("{FACTORS}{count}{suffix}"),
        }
    }

    /// `spikes/ms`, or `1` for factors.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::All | Self::Reliable => "spikes/ms",
            Self::Factors(_) => "1",
        }
    }

    fn parse(key: &str) -> Option<(Self, Half)> {
        let (stem, half) = match key.strip_suffix("_sh1") {
            Some(stem) => (stem, Half::Sh1),
            None => match key.strip_suffix("_sh2") {
                Some(stem) => (stem, Half::Sh2),
                None => (key, Half::Full),
            },
        };
        let population = match stem {
            RESPONSES => Self::All,
            RELIABLE => Self::Reliable,
            _ => Self::Factors(stem.strip_prefix(FACTORS)?.parse().ok()?),
        };
        Some((population, half))
    }
}

/// What a file has to have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Number of conditions. Default 79.
    pub conditions: usize,
    /// Number of bins. Default 100.
    pub bins: usize,
    /// Length of a bin in ms. Default 50. The files do not state it, so it is checked by the number of bins.
    pub bin_ms: f64,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            conditions: 79,
            bins: 100,
            bin_ms: 50.0,
        }
    }
}

/// Trial-averaged responses, `[unit, condition, bin]`, f64.
///
/// Bin b covers [50 b, 50 (b + 1)) ms after 300 ms before the ball starts to move, so bin 6 is the first with motion. NaN:
/// the last bin of every response, and all bins outside of the trial for factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Responses {
    units: usize,
    conditions: usize,
    bins: usize,
    unit_name: &'static str,
    values: Vec<f64>,
}

impl Responses {
    /// From values `[unit, condition, bin]`, row-major. [`Error::Shape`] if their number is another.
    pub fn new(
        units: usize,
        conditions: usize,
        bins: usize,
        unit_name: &'static str,
        values: Vec<f64>,
    ) -> Result<Self> {
        let expected = units
            .checked_mul(conditions)
            .and_then(|n| n.checked_mul(bins));
        if expected != Some(values.len()) {
            return Err(Error::shape(
                "responses",
                format!("{units} x {conditions} x {bins} values"),
                format!("{} values", values.len()),
            ));
        }
        Ok(Self {
            units,
            conditions,
            bins,
            unit_name,
            values,
        })
    }

    /// Number of units (or factors).
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// Number of conditions.
    #[must_use]
    pub fn conditions(&self) -> usize {
        self.conditions
    }

    /// Number of bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// `spikes/ms`, or `1` for factors.
    #[must_use]
    pub fn unit_name(&self) -> &'static str {
        self.unit_name
    }

    /// One value. Panics if out of range, as slices do.
    #[must_use]
    pub fn get(&self, unit: usize, condition: usize, bin: usize) -> f64 {
        self.unit(unit)[condition * self.bins + bin]
    }

    /// One unit, `[condition, bin]`, row-major. Panics if out of range, as slices do.
    #[must_use]
    pub fn unit(&self, unit: usize) -> &[f64] {
        let size = self.conditions * self.bins;
        &self.values[unit * size..(unit + 1) * size]
    }

    /// All values, `[unit, condition, bin]`, row-major.
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        &self.values
    }

    /// The cells of a mask, `[(condition, bin), unit]`: rows condition by condition. NaN as in the responses.
    /// [`Error::Shape`] if the mask has other axes.
    pub fn rows(&self, mask: &Mask) -> Result<Array2> {
        mask.check(self.conditions, self.bins)?;
        let cells = mask.cells();
        Ok(Array2::from_fn(cells.len(), self.units, |row, unit| {
            let (condition, bin) = cells[row];
            self.get(unit, condition, bin)
        }))
    }

    /// These units only, in this order. [`Error::Invalid`] for one that is not there.
    pub fn select(&self, units: &[usize]) -> Result<Self> {
        let mut values = Vec::with_capacity(units.len() * self.conditions * self.bins);
        for &unit in units {
            if unit >= self.units {
                return Err(Error::invalid(
                    format!("unit {unit}"),
                    format!("there are {} units", self.units),
                ));
            }
            values.extend_from_slice(self.unit(unit));
        }
        Self::new(
            units.len(),
            self.conditions,
            self.bins,
            self.unit_name,
            values,
        )
    }
}

/// Part of the trials, `[condition, bin]`. In the files 1 inside and NaN outside; a bin is inside if 1 ms of it is, so
/// neighbouring parts share a bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    conditions: usize,
    bins: usize,
    inside: Vec<bool>,
}

impl Mask {
    /// From `[condition, bin]`, row-major. [`Error::Shape`] if the number is another.
    pub fn new(conditions: usize, bins: usize, inside: Vec<bool>) -> Result<Self> {
        if conditions.checked_mul(bins) != Some(inside.len()) {
            return Err(Error::shape(
                "mask",
                format!("{conditions} x {bins} values"),
                format!("{} values", inside.len()),
            ));
        }
        Ok(Self {
            conditions,
            bins,
            inside,
        })
    }

    /// Number of conditions.
    #[must_use]
    pub fn conditions(&self) -> usize {
        self.conditions
    }

    /// Number of bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// The mask of the same axes with the cells for which `inside(condition, bin)` holds.
    #[must_use]
    pub fn map(&self, inside: impl Fn(usize, usize) -> bool) -> Self {
        Self {
            inside: (0..self.inside.len())
                .map(|at| inside(at / self.bins, at % self.bins))
                .collect(),
            ..*self
        }
    }

    /// Whether a cell is inside. False if it is out of range.
    #[must_use]
    pub fn contains(&self, condition: usize, bin: usize) -> bool {
        condition < self.conditions && bin < self.bins && self.inside[condition * self.bins + bin]
    }

    /// The (condition, bin) pairs inside, condition by condition.
    #[must_use]
    pub fn cells(&self) -> Vec<(usize, usize)> {
        (0..self.inside.len())
            .filter(|&at| self.inside[at])
            .map(|at| (at / self.bins, at % self.bins))
            .collect()
    }

    /// Number of cells inside.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inside.iter().filter(|&&inside| inside).count()
    }

    /// `[condition, bin]`, row-major.
    #[must_use]
    pub fn as_slice(&self) -> &[bool] {
        &self.inside
    }

    pub(crate) fn check(&self, conditions: usize, bins: usize) -> Result<()> {
        if (self.conditions, self.bins) != (conditions, bins) {
            return Err(Error::shape(
                "mask",
                format!("{conditions} conditions x {bins} bins"),
                format!("{} conditions x {} bins", self.conditions, self.bins),
            ));
        }
        Ok(())
    }
}

/// A checked recording. Arrays are decoded when they are asked for, so that it costs little more memory than its file.
#[derive(Debug, Clone)]
pub struct Recording {
    pub(crate) path: Option<PathBuf>,
    pub(crate) format: Option<Format>,
    pub(crate) expected: Expected,
    pub(crate) released: bool,
    pub(crate) first_bin_ms: f64,
    pub(crate) responses: BTreeMap<(TrialType, Population, Half), Arc<Array>>,
    pub(crate) behaviors: Vec<(TrialType, String, Arc<Array>)>,
    pub(crate) masks: Vec<(TrialType, String, Mask)>,
    pub(crate) reliable: BTreeMap<TrialType, Vec<usize>>,
    pub(crate) unit_ids: BTreeMap<(TrialType, Half), Vec<i64>>,
    pub(crate) ids: Option<Vec<String>>,
    /// The set that the file states.
    pub(crate) stated: Option<SetIdentity>,
    pub(crate) set: Option<ConditionSet>,
    /// Whether the unit of the responses is known.
    pub(crate) unit_stated: bool,
    pub(crate) tables: BTreeMap<&'static str, Table>,
    pub(crate) trials: BTreeMap<TrialType, Vec<i64>>,
    pub(crate) criteria: BTreeMap<TrialType, String>,
    pub(crate) synthetic: Option<bool>,
    pub(crate) notes: Vec<String>,
}

/// The tables of a recording.
pub(crate) const TABLES: [&str; 3] = ["meta", "neural_meta", "trial_meta"];

/// Masks without which nothing can be analysed.
pub(super) const NEEDED_MASKS: [&str; 3] = ["start_end_pad0", "start_occ_pad0", "occ_end_pad0"];

impl Recording {
    /// Open a file or a converted folder, whatever its format, and check it: a file that states axes of its own (a
    /// laboratory's `.npz`, NWB, a long table, what [`super::convert`] made of one) against these, any other against the
    /// release: 79 conditions, 100 bins of 50 ms.
    ///
    /// Errors: [`Error::Io`] if it cannot be opened; [`Error::InFile`] with the path and, inside, what is wrong:
    /// [`Error::Field`] with field, expected and found for a missing key, another bin size, other conditions, another
    /// shape, or NaN where none may be; else what the reader of the format says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path, &Opening::default(), &Quiet)
    }

    /// [`Recording::open`] held against this number of conditions and bins, and within other limits.
    pub fn open_with(path: impl AsRef<Path>, expected: &Expected, limits: &Limits) -> Result<Self> {
        let opening = Opening {
            expected: Some(*expected),
            limits: *limits,
            ..Opening::default()
        };
        Self::open_as(path, &opening, &Quiet)
    }

    /// [`Recording::open`] with everything stated. `monitor` hears of the bytes that are read.
    pub fn open_as(
        path: impl AsRef<Path>,
        opening: &Opening,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let path = path.as_ref();
        let (format, content) = file::content(path, opening, monitor)?;
        let of = || {
            let mut recording = match content {
                Content::Recording(recording) => *recording,
                Content::Tree(value) => Self::from_tree(&value, opening)?,
            };
            if let Some(expected) = &opening.expected {
                recording.hold_against(expected)?;
            }
            recording.path = Some(path.to_owned());
            recording.format = Some(format);
            recording.finished(opening)
        };
        of().map_err(|error| error.in_file(path))
    }

    /// From what a reader returned, held against `expected`. [`Error::Field`] as in [`Recording::open`].
    pub fn from_value(root: &Value, expected: &Expected) -> Result<Self> {
        let opening = Opening {
            expected: Some(*expected),
            ..Opening::default()
        };
        Self::of_value(root, &opening)
    }

    /// From what a reader returned. Errors as in [`Recording::open`].
    pub fn of_value(root: &Value, opening: &Opening) -> Result<Self> {
        let recording = Self::from_tree(root, opening)?;
        if let Some(expected) = &opening.expected {
            recording.hold_against(expected)?;
        }
        recording.finished(opening)
    }

    /// A tree of the released keys, or a laboratory's own arrays by their names.
    fn from_tree(root: &Value, opening: &Opening) -> Result<Self> {
        if arrays::is_lab(root, &opening.mapping) {
            return arrays::recording(root, opening);
        }
        let axes = Axes::of(root)?;
        let released = axes.is_none();
        let expected = opening.expected.unwrap_or_default();
        let (stated, first_bin_ms, set, notes) = match axes {
            Some(axes) => (axes.expected, axes.first_bin_ms, axes.set, axes.notes),
            None => (expected, FIRST_BIN_MS, set_of(root), Vec::new()),
        };
        Checker {
            expected: stated,
            released,
            first_bin_ms,
            set,
            notes,
        }
        .recording(root)
    }

    /// [`Error::Field`] for other axes than these.
    fn hold_against(&self, expected: &Expected) -> Result<()> {
        let found = self.expected;
        if (found.bin_ms - expected.bin_ms).abs() > 1e-9 {
            return Err(Error::field(
                "axes/bin_ms",
                format!("{} ms", expected.bin_ms),
                format!("{} ms", found.bin_ms),
            ));
        }
        for (what, expected, found) in [
            ("conditions", expected.conditions, found.conditions),
            ("bins", expected.bins, found.bins),
        ] {
            if expected != found {
                let expected = format!("{expected} {what}");
                return Err(Error::field(
                    format!("axes/{what}"),
                    expected,
                    found.to_string(),
                ));
            }
        }
        Ok(())
    }

    /// An error about this recording, with its file.
    pub fn in_its_file(&self, error: Error) -> Error {
        match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        }
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// How it was kept.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Number of conditions and bins, and length of a bin.
    #[must_use]
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// Whether it was held against the release. A laboratory's own layout may lack halves, tables and behaviour, and says
    /// so in [`Recording::notes`].
    #[must_use]
    pub fn is_released_layout(&self) -> bool {
        self.released
    }

    /// Left edge of bin 0, in ms after the ball starts to move; -300 in the release.
    #[must_use]
    pub fn first_bin_ms(&self) -> f64 {
        self.first_bin_ms
    }

    /// What responses there are.
    pub fn available(&self) -> impl Iterator<Item = (TrialType, Population, Half)> + '_ {
        self.responses.keys().copied()
    }

    /// Responses, `[unit, condition, bin]`. [`Error::Field`] if the file has none of the kind.
    pub fn responses(
        &self,
        trials: TrialType,
        population: Population,
        half: Half,
    ) -> Result<Responses> {
        let field = || format!("{}/{}", population.key(half), trials.key());
        let array = self
            .responses
            .get(&(trials, population, half))
            .ok_or_else(|| {
                let have: Vec<String> = self
                    .available()
                    .map(|(t, p, h)| format!("{}/{}", p.key(h), t.key()))
                    .collect();
                let found = format!("only {}", have.join(", "));
                self.in_its_file(Error::field(field(), "responses", found))
            })?;
        Responses::new(
            array.shape()[0],
            self.expected.conditions,
            self.expected.bins,
            population.unit(),
            numbers(&field(), array)?,
        )
    }

    /// Both halves of the same units, `[unit, condition, bin]` each, and the ids of these units (rows of `neural_meta`; row
    /// numbers if the file has no ids). Units that one half lacks are left out, and the order is that of the first half.
    /// [`Error::Field`] if a half is missing.
    pub fn halves(
        &self,
        trials: TrialType,
        population: Population,
    ) -> Result<(Responses, Responses, Vec<i64>)> {
        let first = self.responses(trials, population, Half::Sh1)?;
        let second = self.responses(trials, population, Half::Sh2)?;
        let ids = (population == Population::All)
            .then(|| {
                Some((
                    self.unit_ids.get(&(trials, Half::Sh1))?,
                    self.unit_ids.get(&(trials, Half::Sh2))?,
                ))
            })
            .flatten();
        match ids {
            Some((ids1, ids2)) if ids1 != ids2 => {
                let place: BTreeMap<i64, usize> =
                    ids2.iter().enumerate().map(|(at, &id)| (id, at)).collect();
                let common: Vec<(usize, usize)> = ids1
                    .iter()
                    .enumerate()
                    .filter_map(|(at, id)| Some((at, *place.get(id)?)))
                    .collect();
                let (rows1, rows2): (Vec<usize>, Vec<usize>) = common.into_iter().unzip();
                let ids = rows1.iter().map(|&at| ids1[at]).collect();
                Ok((first.select(&rows1)?, second.select(&rows2)?, ids))
            }
            Some((ids, _)) => Ok((first, second, ids.clone())),
            None if first.units() == second.units() => {
                let ids = (0..first.units()).filter_map(|u| i64::try_from(u).ok());
                let ids = ids.collect();
                Ok((first, second, ids))
            }
            None => Err(self.in_its_file(Error::field(
                population.key(Half::Sh2),
                format!("{} units, as in the first half", first.units()),
                format!("{} units, and no ids to align them by", second.units()),
            ))),
        }
    }

    /// Names of the behavioural variables, in the order of the file.
    pub fn behavior_names(&self, trials: TrialType) -> impl Iterator<Item = &str> {
        self.behaviors
            .iter()
            .filter(move |(of, ..)| *of == trials)
            .map(|(_, name, _)| &**name)
    }

    /// A behavioural variable, `[condition, bin]`, trial-averaged, in the unit of [`behavior_unit`]. NaN where it is not
    /// defined (the ball before it moves and after its end). A name that ends in `_TRUE` is the mean over trials in which the
    /// ball did not bounce off the paddle. [`Error::Field`] if it is not there.
    pub fn behavior(&self, trials: TrialType, name: &str) -> Result<Array2> {
        let field = || format!("behavioral_responses/{}/{name}", trials.key());
        let array = self
            .behaviors
            .iter()
            .find(|(of, n, _)| *of == trials && n == name)
            .map(|(.., array)| array)
            .ok_or_else(|| {
                let have: Vec<&str> = self.behavior_names(trials).collect();
                let found = if have.is_empty() {
                    "none at all".to_owned()
                } else {
                    format!("only {}", have.join(", "))
                };
                self.in_its_file(Error::field(field(), "a variable", found))
            })?;
        Array2::new(
            self.expected.conditions,
            self.expected.bins,
            numbers(&field(), array)?,
        )
    }

    /// Names of the masks, in the order of the file.
    pub fn mask_names(&self, trials: TrialType) -> impl Iterator<Item = &str> {
        self.masks
            .iter()
            .filter(move |(of, ..)| *of == trials)
            .map(|(_, name, _)| &**name)
    }

    /// A mask, `[condition, bin]`. [`Error::Field`] if it is not there.
    pub fn mask(&self, trials: TrialType, name: &str) -> Result<&Mask> {
        self.masks
            .iter()
            .find(|(of, n, _)| *of == trials && n == name)
            .map(|(.., mask)| mask)
            .ok_or_else(|| {
                let have: Vec<&str> = self.mask_names(trials).take(20).collect();
                self.in_its_file(Error::field(
                    format!("masks/{}/{name}", trials.key()),
                    "a mask",
                    format!("only {}", have.join(", ")),
                ))
            })
    }

    /// Rows of [`Population::All`] that are in [`Population::Reliable`], from 0. `None` if the file does not say.
    #[must_use]
    pub fn reliable_units(&self, trials: TrialType) -> Option<&[usize]> {
        self.reliable.get(&trials).map(|rows| &**rows)
    }

    /// Row of `neural_meta` for each unit. `None` if the file does not say.
    #[must_use]
    pub fn unit_ids(&self, trials: TrialType, half: Half) -> Option<&[i64]> {
        self.unit_ids.get(&(trials, half)).map(|ids| &**ids)
    }

    /// Id of each condition, as its set has it. `None` if the file does not say, as MATLAB files of version 5 do not.
    #[must_use]
    pub fn condition_ids(&self) -> Option<&[String]> {
        self.ids.as_deref()
    }

    /// The conditions, in the order of the recording: part of the set that the file is of. `None` where it has no ids.
    #[must_use]
    pub fn set(&self) -> Option<&ConditionSet> {
        self.set.as_ref()
    }

    /// The bins on the clock of the set.
    #[must_use]
    pub fn axis(&self) -> BinAxis {
        BinAxis {
            bin_ms: self.expected.bin_ms,
            first_bin_ms: self.first_bin_ms,
            n_bins: self.expected.bins,
        }
    }

    /// The table `meta` (by condition), `neural_meta` (by unit) or `trial_meta` (by trial). `None` if the file lacks it.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Number of trials of each session. `None` if the file does not say.
    #[must_use]
    pub fn trials_per_session(&self, trials: TrialType) -> Option<&[i64]> {
        self.trials.get(&trials).map(|counts| &**counts)
    }

    /// Whether the file says that it is invented: text with `synthetic` or `simulated` among its tables, or a key of that
    /// name. `None` if it does not say, as real recordings do not.
    #[must_use]
    pub fn synthetic(&self) -> Option<bool> {
        self.synthetic
    }

    /// What is unusual but no error, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Unit of a behavioural variable, by its name. `None` for a name that is not known.
#[must_use]
pub fn behavior_unit(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix("_TRUE").unwrap_or(name);
    Some(match name {
        "joy" => "V",
        "t_from_start" | "t_from_occ" | "t_from_end" => "bin",
        "eye_dtheta" | "ball_pos_dtheta" | "eye_dtheta_postmean" | "hand_dtheta_postmean" => "rad",
        "ball_pos_dx"
        | "ball_pos_dy"
        | "ball_pos_dspeed"
        | "eye_dx_postmean"
        | "eye_dy_postmean"
        | "eye_dspeed_postmean"
        | "hand_dx_postmean"
        | "hand_dy_postmean"
        | "hand_dspeed_postmean" => "deg/bin",
        // The authors divide by milliseconds.
        "eye_dv" | "eye_dh" | "eye_dspeed" => "deg/ms",
        "ball_pos_x" | "ball_pos_y" | "paddle_pos_y" | "eye_v" | "eye_h" | "ball_pos_y_rel"
        | "ball_final_y" | "ball_initial_y" | "ball_occ_start_y" | "target_y"
        | "target_y_relative" | "ball_pos_ego_x" | "ball_pos_ego_y" => "deg",
        _ => return None,
    })
}

pub(super) fn numbers(field: &str, array: &Array) -> Result<Vec<f64>> {
    array.to_f64().ok_or_else(|| {
        Error::field(
            field,
            "numbers",
            format!("elements of type {}", array.dtype()),
        )
    })
}

/// How to open a recording.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// What it is held against; `None` for what the file states, or else the release.
    pub expected: Option<Expected>,
    /// What it may cost.
    pub limits: Limits,
    /// What the file calls what is asked for.
    pub mapping: Mapping,
    /// The conditions that the file is about, for one that does not say; checked for one that does.
    pub conditions: Option<ConditionSet>,
    /// What becomes of units and conditions without responses.
    pub missing: Missing,
    /// Length of the bins to bring the recording to, ms: a whole multiple of its own.
    pub rebin_ms: Option<f64>,
    /// Unit of the responses of a laboratory's own arrays, where the file does not say.
    pub response_unit: Option<RateUnit>,
}

/// Left edge of bin 0 in the release, in ms after the ball starts to move.
pub const FIRST_BIN_MS: f64 = -300.0;

/// Key of the axes in the tree of a laboratory's own file.
pub(crate) const AXES: &str = "axes";

/// What a laboratory's own file states about itself.
#[derive(Debug, Clone)]
pub(crate) struct Axes {
    pub(crate) expected: Expected,
    pub(crate) first_bin_ms: f64,
    pub(crate) set: Option<SetIdentity>,
    pub(crate) notes: Vec<String>,
}

impl Axes {
    pub(crate) fn to_value(&self) -> Value {
        let int = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let notes = self.notes.iter().map(|n| Value::Str(n.as_str().into()));
        let entries = [
            ("conditions", int(self.expected.conditions)),
            ("bins", int(self.expected.bins)),
            ("bin_ms", Value::Float(self.expected.bin_ms)),
            ("first_bin_ms", Value::Float(self.first_bin_ms)),
            ("notes", Value::List(Arc::new(notes.collect()))),
        ];
        let text = |text: &str| Value::Str(text.into());
        let set = self.set.iter().flat_map(|set| {
            [
                ("set_name", text(&set.name)),
                ("set_sha256", text(&set.sha256)),
            ]
        });
        let entries = entries
            .into_iter()
            .chain(set)
            .map(|(key, value)| (Value::Str(key.into()), value))
            .collect();
        Value::Dict(Arc::new(Dict::new(entries)))
    }

    /// `None` if the tree states none.
    fn of(root: &Value) -> Result<Option<Self>> {
        let Some(axes) = root.get(AXES) else {
            return Ok(None);
        };
        let number = |key: &str| {
            need(axes, AXES, key)?
                .as_f64()
                .filter(|value| value.is_finite())
                .ok_or_else(|| Error::field(format!("{AXES}/{key}"), "a number", "something else"))
        };
        let length = |key: &str| {
            let value = number(key)?;
            whole(value)
                .and_then(|n| usize::try_from(n).ok())
                .filter(|&n| n > 0)
                .ok_or_else(|| {
                    Error::field(
                        format!("{AXES}/{key}"),
                        "a whole number above 0",
                        value.to_string(),
                    )
                })
        };
        let bin_ms = number("bin_ms")?;
        if bin_ms <= 0.0 {
            return Err(Error::field(
                "axes/bin_ms",
                "more than 0 ms",
                bin_ms.to_string(),
            ));
        }
        let notes = match axes.get("notes") {
            Some(Value::List(notes)) => notes.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        Ok(Some(Self {
            expected: Expected {
                conditions: length("conditions")?,
                bins: length("bins")?,
                bin_ms,
            },
            first_bin_ms: number("first_bin_ms")?,
            set: set_of(axes),
            notes,
        }))
    }
}

/// The set that a dictionary states, if it states one.
pub(super) fn set_of(dict: &Value) -> Option<SetIdentity> {
    Some(SetIdentity {
        name: dict.get("set_name")?.as_str()?,
        sha256: dict.get("set_sha256")?.as_str()?,
    })
}

/// An array `[…, condition, bin]` of numbers, with a leading axis of units or without. [`Error::Field`] otherwise.
pub(super) fn shaped(
    field: &str,
    array: &Array,
    expected: &Expected,
    with_units: bool,
) -> Result<()> {
    let &Expected {
        conditions,
        bins,
        bin_ms,
    } = expected;
    if !array.dtype().is_number() {
        let found = format!("elements of type {}", array.dtype());
        return Err(Error::field(field, "numbers", found));
    }
    let axes = if with_units {
        "[unit, condition, bin]"
    } else {
        "[condition, bin]"
    };
    let shape = array.shape();
    let tail = match (with_units, shape) {
        (true, &[_, conditions, bins]) | (false, &[conditions, bins]) => (conditions, bins),
        _ => {
            let expected = format!("axes {axes}");
            return Err(Error::field(field, expected, format!("shape {shape:?}")));
        }
    };
    if tail.0 != conditions {
        return Err(Error::field(
            field,
            format!("{conditions} conditions in {axes}"),
            format!("{} conditions (shape {shape:?})", tail.0),
        ));
    }
    if tail.1 != bins {
        return Err(Error::field(
            field,
            format!("{bins} bins of {bin_ms} ms in {axes}"),
            format!(
                "{} bins (shape {shape:?}): another bin size or another length",
                tail.1
            ),
        ));
    }
    Ok(())
}

struct Checker {
    expected: Expected,
    released: bool,
    first_bin_ms: f64,
    set: Option<SetIdentity>,
    notes: Vec<String>,
}

impl Checker {
    fn recording(mut self, root: &Value) -> Result<Recording> {
        let Value::Dict(entries) = root else {
            return Err(Error::field(
                "the file",
                "a dict of fields",
                root.describe(),
            ));
        };
        let masks = self.masks(root)?;
        let behaviors = self.behaviors(root)?;
        let responses = self.responses(root, entries)?;
        let reliable = self.reliable(root, &responses)?;
        let unit_ids = self.unit_ids(root, &responses)?;
        let tables = self.tables(root);
        let ids = self.condition_ids(tables.get("meta"))?;
        for (name, value) in entries.named() {
            if let Value::Unread(what) = value {
                self.notes
                    .push(format!("{name}: {what} is not read, and left out"));
            }
        }
        let (trials, criteria) = trials_of(root);
        let synthetic = ["synthetic", "simulated"]
            .iter()
            .any(|key| root.get(key).is_some())
            || tables.values().any(|table| {
                table.columns.iter().any(|(_, cells)| match cells {
                    Cells::Texts(texts) => texts
                        .iter()
                        .flatten()
                        .any(|text| text.contains("synthetic") || text.contains("simulated")),
                    _ => false,
                })
            });
        Ok(Recording {
            path: None,
            format: None,
            expected: self.expected,
            released: self.released,
            first_bin_ms: self.first_bin_ms,
            responses,
            behaviors,
            masks,
            reliable,
            unit_ids,
            ids,
            stated: self.set,
            set: None,
            unit_stated: true,
            tables,
            trials,
            criteria,
            synthetic: synthetic.then_some(true),
            notes: self.notes,
        })
    }

    fn responses(
        &self,
        root: &Value,
        entries: &Dict,
    ) -> Result<BTreeMap<(TrialType, Population, Half), Arc<Array>>> {
        let mut responses = BTreeMap::new();
        for half in Half::ALL {
            if half != Half::Full && !self.released {
                continue;
            }
            let key = Population::All.key(half);
            need(root, "", &key).and_then(|value| need(value, &key, "occ"))?;
        }
        for (key, value) in entries.named() {
            let Some((population, half)) = Population::parse(key) else {
                continue;
            };
            for trials in TrialType::ALL {
                let Some(value) = value.get(trials.key()) else {
                    continue;
                };
                let field = format!("{key}/{}", trials.key());
                let array = self.shaped(&field, value, true)?;
                if let Population::Factors(count) = population
                    && array.shape()[0] != count
                {
                    let found = format!("{} rows", array.shape()[0]);
                    return Err(Error::field(field, format!("{count} factors"), found));
                }
                responses.insert((trials, population, half), array);
            }
        }
        // Scores are corrected by the halves of the very units that they are about.
        for trials in TrialType::ALL {
            if self.released && responses.contains_key(&(trials, Population::Reliable, Half::Full))
            {
                for half in [Half::Sh1, Half::Sh2] {
                    let key = Population::Reliable.key(half);
                    need(root, "", &key).and_then(|value| need(value, &key, trials.key()))?;
                }
            }
        }
        Ok(responses)
    }

    fn shaped(&self, field: &str, value: &Value, with_units: bool) -> Result<Arc<Array>> {
        let Value::Array(array) = value else {
            return Err(Error::field(field, "an array", value.describe()));
        };
        shaped(field, array, &self.expected, with_units)?;
        Ok(Arc::clone(array))
    }

    fn masks(&mut self, root: &Value) -> Result<Vec<(TrialType, String, Mask)>> {
        let all = need(root, "", "masks")?;
        let occ = need(all, "masks", "occ")?;
        for name in NEEDED_MASKS {
            need(occ, "masks/occ", name)?;
        }
        let mut masks = Vec::new();
        for trials in TrialType::ALL {
            let Some(Value::Dict(of_type)) = all.get(trials.key()) else {
                continue;
            };
            for (name, value) in of_type.named() {
                let field = format!("masks/{}/{name}", trials.key());
                let array = self.shaped(&field, value, false)?;
                let inside = numbers(&field, &array)?
                    .iter()
                    .enumerate()
                    .map(|(at, &value)| {
                        if value.is_nan() {
                            Ok(false)
                        } else if (value - 1.0).abs() < f64::EPSILON {
                            Ok(true)
                        } else {
                            let (c, b) = (at / self.expected.bins, at % self.expected.bins);
                            Err(Error::field(
                                &field,
                                "1 inside and NaN outside",
                                format!("{value} at condition {c}, bin {b}"),
                            ))
                        }
                    })
                    .collect::<Result<_>>()?;
                let mask = Mask::new(self.expected.conditions, self.expected.bins, inside)?;
                masks.push((trials, name.to_owned(), mask));
            }
        }
        Ok(masks)
    }

    fn behaviors(&mut self, root: &Value) -> Result<Vec<(TrialType, String, Arc<Array>)>> {
        let all = need(root, "", "behavioral_responses")?;
        need(all, "behavioral_responses", "occ")?;
        let mut behaviors = Vec::new();
        for trials in TrialType::ALL {
            let Some(Value::Dict(of_type)) = all.get(trials.key()) else {
                continue;
            };
            for (name, value) in of_type.named() {
                let field = format!("behavioral_responses/{}/{name}", trials.key());
                let array = self.shaped(&field, value, false)?;
                behaviors.push((trials, name.to_owned(), array));
            }
        }
        Ok(behaviors)
    }

    fn reliable(
        &mut self,
        root: &Value,
        responses: &BTreeMap<(TrialType, Population, Half), Arc<Array>>,
    ) -> Result<BTreeMap<TrialType, Vec<usize>>> {
        let mut found = BTreeMap::new();
        for trials in TrialType::ALL {
            let all = responses.get(&(trials, Population::All, Half::Full));
            let kept = responses.get(&(trials, Population::Reliable, Half::Full));
            let value = root
                .get("reliable_neural_idx")
                .and_then(|value| value.get(trials.key()));
            let field = format!("reliable_neural_idx/{}", trials.key());
            let Some(value) = value else {
                if kept.is_some() {
                    return Err(Error::field(
                        field,
                        "the units that are reliable",
                        "no such key",
                    ));
                }
                continue;
            };
            let units = all.map_or(0, |array| array.shape()[0]);
            let rows = integers(value)
                .ok_or_else(|| Error::field(&field, "whole numbers", value.describe()))?
                .into_iter()
                .map(|row| {
                    usize::try_from(row)
                        .ok()
                        .filter(|&row| row < units)
                        .ok_or_else(|| {
                            let expected = format!("rows from 0 to {}", units.saturating_sub(1));
                            Error::field(&field, expected, row.to_string())
                        })
                })
                .collect::<Result<Vec<_>>>()?;
            if let Some(pair) = rows.windows(2).find(|pair| pair[0] >= pair[1]) {
                let found = format!("{} before {}", pair[0], pair[1]);
                return Err(Error::field(field, "rows in rising order", found));
            }
            for half in Half::ALL {
                if let Some(array) = responses.get(&(trials, Population::Reliable, half))
                    && array.shape()[0] != rows.len()
                {
                    return Err(Error::field(
                        format!("{}/{}", Population::Reliable.key(half), trials.key()),
                        format!("{} units, as {field} says", rows.len()),
                        format!("{} units", array.shape()[0]),
                    ));
                }
            }
            found.insert(trials, rows);
        }
        Ok(found)
    }

    fn unit_ids(
        &mut self,
        root: &Value,
        responses: &BTreeMap<(TrialType, Population, Half), Arc<Array>>,
    ) -> Result<BTreeMap<(TrialType, Half), Vec<i64>>> {
        let mut found = BTreeMap::new();
        for trials in TrialType::ALL {
            for half in Half::ALL {
                let key = Population::All.key(half);
                let value = root
                    .get("neural_idx_global")
                    .and_then(|value| value.get(trials.key()))
                    .and_then(|value| value.get(&key));
                let array = responses.get(&(trials, Population::All, half));
                let (Some(value), Some(array)) = (value, array) else {
                    continue;
                };
                let field = format!("neural_idx_global/{}/{key}", trials.key());
                let ids = integers(value)
                    .ok_or_else(|| Error::field(&field, "whole numbers", value.describe()))?;
                if ids.len() != array.shape()[0] {
                    let expected = format!("{} ids, one for each unit", array.shape()[0]);
                    return Err(Error::field(field, expected, ids.len().to_string()));
                }
                found.insert((trials, half), ids);
            }
            if found.get(&(trials, Half::Sh1)) != found.get(&(trials, Half::Sh2)) {
                self.notes.push(format!(
                    "neural_idx_global/{}: the halves hold different units; they are aligned by id",
                    trials.key()
                ));
            }
        }
        Ok(found)
    }

    fn tables(&mut self, root: &Value) -> BTreeMap<&'static str, Table> {
        let mut tables = BTreeMap::new();
        for name in TABLES {
            match (root.get(name), root.get(name).and_then(Table::from_value)) {
                (_, Some(table)) => {
                    tables.insert(name, table);
                }
                (Some(_), None) => self.notes.push(format!(
                    "{name}: its columns are empty; scipy's savemat drops the content of data frames"
                )),
                (None, None) if self.released => {
                    self.notes.push(format!("{name}: not in this file"));
                }
                (None, None) => {}
            }
        }
        tables
    }

    fn condition_ids(&mut self, meta: Option<&Table>) -> Result<Option<Vec<String>>> {
        let Some(meta) = meta else {
            return Ok(None);
        };
        if meta.rows != self.expected.conditions {
            let expected = format!("{} rows, one for each condition", self.expected.conditions);
            return Err(Error::field("meta", expected, meta.rows.to_string()));
        }
        let ids = ["condition_id", "py_meta_index"]
            .into_iter()
            .find_map(|name| {
                let texts = meta.texts(name).map(|texts| {
                    let text = |text: &Option<String>| text.clone();
                    texts.iter().map(text).collect::<Option<Vec<_>>>()
                });
                texts.or_else(|| meta.numbers(name).map(whole_ids))
            });
        let ids = ids.or_else(|| match meta.columns.first() {
            Some((_, Cells::Numbers(index))) if meta.has_index => Some(whole_ids(index)),
            _ => None,
        });
        let wrong = || Error::field("meta/py_meta_index", "ids in every row", "others");
        let ids = ids.map(|ids| ids.ok_or_else(wrong)).transpose()?;
        if ids.is_none() {
            self.notes.push("meta: no ids of conditions".into());
        }
        Ok(ids)
    }
}

/// Trials of each session, and what made a trial one of its kind.
fn trials_of(root: &Value) -> (BTreeMap<TrialType, Vec<i64>>, BTreeMap<TrialType, String>) {
    let mut trials = BTreeMap::new();
    let mut criteria = BTreeMap::new();
    for kind in TrialType::ALL {
        let key = format!("ntr_{}", kind.key());
        if let Some(counts) = root.get(&key).and_then(integers) {
            trials.insert(kind, counts);
        }
        if let Some(text) = root
            .get("conds_ch_dict")
            .and_then(|dict| dict.get(kind.key()))
            .and_then(Value::as_str)
        {
            criteria.insert(kind, text);
        }
    }
    (trials, criteria)
}

/// Whole numbers as ids.
pub(super) fn whole_ids(ids: &[f64]) -> Option<Vec<String>> {
    ids.iter().map(|&id| Some(whole(id)?.to_string())).collect()
}

pub(super) fn find_mask<'a>(
    masks: &'a [(TrialType, String, Mask)],
    trials: TrialType,
    name: &str,
) -> Option<&'a Mask> {
    masks
        .iter()
        .find(|(of, n, _)| *of == trials && n == name)
        .map(|(.., mask)| mask)
}

/// The entry `key` of `value`, which is the field `path`.
fn need<'a>(value: &'a Value, path: &str, key: &str) -> Result<&'a Value> {
    let field = if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}/{key}")
    };
    let Value::Dict(dict) = value else {
        let found = value.describe();
        return Err(Error::field(path, format!("a dict with {key}"), found));
    };
    dict.get(key).ok_or_else(|| {
        let mut have: Vec<&str> = dict.named().map(|(name, _)| name).take(30).collect();
        if dict.len() > have.len() {
            have.push("…");
        }
        let found = format!("no such key; there are {}", have.join(", "));
        Error::field(field, "this key", found)
    })
}

fn whole(value: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
    (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
}

/// Whole numbers of a list or of an array of any shape.
fn integers(value: &Value) -> Option<Vec<i64>> {
    match value {
        Value::Array(array) => array.to_i64(),
        Value::List(items) | Value::Tuple(items) => {
            items.iter().map(|item| whole(item.as_f64()?)).collect()
        }
        other => whole(other.as_f64()?).map(|value| vec![value]),
    }
}
