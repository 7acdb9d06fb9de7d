//! Neurodata Without Borders (NWB) files: trials, and spike times or rates, brought to responses `[unit, condition, bin]`.
//!
//! Read are `/units/spike_times` with its index and `/units/obs_intervals` if there, or rates `[unit, trial, bin]` of each
//! trial, and the columns of `/intervals/trials` that [`Mapping`] names; nothing else of the file, however large it is. A
//! trial's bins start at the mapping's `first_bin_ms` after the ball starts to move, by default as in the release (-300 ms,
//! 100 bins of 50 ms); counts are averaged over trials and divided by the length of a bin: spikes/ms. Halves are those of the
//! published rule. Source of the format: the NWB core schema 2.
//!
//! [`write`] makes such a file of a recording. Its trials are means: a row of `/intervals/trials` is a condition of one kind
//! of trial, and the rates stand in columns of `/units`: `rates` `[unit, trial, bin]`, and `rates_sh1`, `rates_sh2` of the two
//! halves of the trials. Masks and behaviour are columns `mask_NAME`, `behavior_NAME` of the trials, `[trial, bin]`.

mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hdf5_pure::{AttrValue, DType, Dataset, File, Group, VlenStringReadOptions};

use mental_pong_game::task::SetIdentity;

use crate::error::{Error, Result};

use super::arrays::{RateUnit, in_axes, in_order, scaled};
use super::dmfc::{FIRST_BIN_MS, Half, Mask, Opening, Recording, TrialType, whole_ids};
use super::lab::{Lab, Means};
use super::mapping::{Item, Mapping, lacks};
use mental_pong_formats::limits::{Budget, Limits, check_count};
use mental_pong_formats::table::{Cells, Table};
use mental_pong_formats::value::Array;

pub(super) use write::write;

/// Attributes of the file that say whose conditions it has.
const SET_ATTRIBUTES: [&str; 2] = ["mental_pong_set_name", "mental_pong_set_sha256"];
/// Columns of `/units` with rates, and their halves.
const RATES: [(&str, Half); 3] = [
    ("rates", Half::Full),
    ("rates_sh1", Half::Sh1),
    ("rates_sh2", Half::Sh2),
];

/// Names under which the time of motion onset is looked for.
pub const ONSET_COLUMNS: [&str; 3] = ["motion_onset_time", "motion_onset", "ball_on_time"];
/// Names under which the trial type is looked for.
pub const TYPE_COLUMNS: [&str; 2] = ["trial_type", "occ_alpha"];
/// Names under which the final height of the paddle is looked for.
const PADDLE_COLUMNS: [&str; 4] = super::trials::PADDLE_COLUMNS;

fn broken(path: &str, why: impl std::fmt::Display) -> Error {
    Error::format("NWB", None, format!("{path}: {why}"))
}

/// The recording of a file, not yet checked.
///
/// Errors: [`Error::Format`](mental_pong_formats::Error::Format) for a damaged file; [`Error::Field`] for a column that is missing or of another kind, with those
/// that there are; [`Error::Limit`](mental_pong_formats::Error::Limit) for more spikes or trials than may be.
pub(super) fn read(path: &Path, opening: &Opening) -> Result<Recording> {
    let file = File::open_streaming(path).map_err(|error| broken("/", error))?;
    Reader::new(opening)?.file(&file)
}

/// The recording of a file in memory, checked as [`Recording::open`] does.
pub fn from_bytes(bytes: Vec<u8>, opening: &Opening) -> Result<Recording> {
    let mut reader = Reader::new(opening)?;
    reader.budget.take_usize(bytes.len())?;
    let file = File::from_bytes(bytes).map_err(|error| broken("/", error))?;
    reader.file(&file)?.finished(opening)
}

/// A column of the table of trials.
enum Content {
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

struct Reader<'a> {
    budget: Budget,
    limits: Limits,
    opening: &'a Opening,
    mapping: &'a Mapping,
    bins: Bins,
    notes: Vec<String>,
}

/// Where the bins of a trial are.
#[derive(Clone, Copy)]
struct Bins {
    ms: f64,
    first_ms: f64,
    number: usize,
}

struct Trial {
    /// Row of the table.
    row: usize,
    condition: usize,
    /// Left edge of bin 0, s.
    start: f64,
    /// End of the trial, s; infinite if not stated.
    stop: f64,
}

/// The table of trials, `[trial]`.
struct Trials {
    /// When the ball starts to move, s.
    onsets: Vec<f64>,
    /// End of the trial, s; infinite if not stated.
    stops: Vec<f64>,
    ids: Vec<Option<String>>,
    kinds: Vec<TrialType>,
    excluded: Vec<bool>,
    /// Rows with a paddle: a table of behaviour.
    behavior: Option<Table>,
}

impl Trials {
    /// The trials as a table of behaviour. Those that are left out are so by their outcome or without a condition.
    fn table(&self, paddle: Vec<f64>, outcome: Option<Content>, mapping: &Mapping) -> Table {
        let rows = paddle.len();
        let ids = self.ids.iter().cloned();
        let kinds = self.kinds.iter().map(|kind| Some(kind.key().to_owned()));
        let excluded = self.excluded.iter().map(|&v| f64::from(u8::from(v)));
        let mut columns = vec![
            ("condition_id".to_owned(), Cells::Texts(ids.collect())),
            ("paddle_y_deg".to_owned(), Cells::Numbers(paddle)),
            ("trial_type".to_owned(), Cells::Texts(kinds.collect())),
            ("ignore".to_owned(), Cells::Numbers(excluded.collect())),
        ];
        if let Some(outcome) = outcome {
            let texts = match outcome {
                Content::Texts(texts) => texts,
                Content::Numbers(values) => values.iter().map(f64::to_string).collect(),
            };
            let of = |text: String| {
                let said = mapping.outcomes.get(text.trim()).cloned();
                Some(said.unwrap_or(text)).filter(|text| !text.trim().is_empty())
            };
            let cells = Cells::Texts(texts.into_iter().map(of).collect());
            columns.push(("outcome".to_owned(), cells));
        }
        Table {
            rows,
            has_index: false,
            columns,
        }
    }

    fn usable(&self, trial: usize) -> bool {
        !self.excluded[trial] && self.onsets[trial].is_finite()
    }

    /// The usable trials of a kind and of the conditions that have a place.
    fn chosen(&self, kind: TrialType, places: &BTreeMap<&str, usize>, bins: Bins) -> Vec<Trial> {
        (0..self.onsets.len())
            .filter(|&t| self.usable(t) && self.kinds[t] == kind)
            .filter_map(|t| {
                Some(Trial {
                    condition: *places.get(self.ids[t].as_deref()?)?,
                    row: t,
                    start: self.onsets[t] + bins.first_ms / 1000.0,
                    stop: self.stops[t],
                })
            })
            .collect()
    }
}

impl<'a> Reader<'a> {
    fn new(opening: &'a Opening) -> Result<Self> {
        let mapping = &opening.mapping;
        let bins = Bins {
            ms: mapping.bin_ms.unwrap_or(50.0),
            first_ms: mapping.first_bin_ms.unwrap_or(FIRST_BIN_MS),
            number: mapping.bins.unwrap_or(100),
        };
        let finite = [bins.ms, bins.first_ms].iter().all(|v| v.is_finite());
        if !finite || bins.ms <= 0.0 || bins.number == 0 {
            let why = "their length and number have to be above 0";
            return Err(Error::invalid("bins", why));
        }
        Ok(Self {
            budget: Budget::new(&opening.limits),
            limits: opening.limits,
            opening,
            mapping,
            bins,
            notes: Vec::new(),
        })
    }

    fn file(mut self, file: &File) -> Result<Recording> {
        let root = file.root();
        let attributes = root.attrs().map_err(|error| broken("/", error))?;
        let Some(version) = attributes.get("nwb_version").and_then(text) else {
            return Err(broken("/", "no attribute nwb_version: not an NWB file"));
        };
        let set = SET_ATTRIBUTES.map(|name| attributes.get(name).and_then(text));
        let set = match set {
            [Some(name), Some(sha256)] => Some(SetIdentity { name, sha256 }),
            _ => None,
        };
        let synthetic = [
            "session_description",
            "identifier",
            "experiment_description",
        ]
        .iter()
        .filter_map(|name| root.dataset(name).ok()?.read_string().ok())
        .flatten()
        .any(|text| {
            let text = text.to_lowercase();
            text.contains("synthetic") || text.contains("simulated")
        });
        let trials = self.trials(file)?;
        let usable = |t: usize| trials.usable(t);
        let condition_ids = self.mapping.order.clone().unwrap_or_else(|| {
            let found = (0..trials.onsets.len()).filter(|&t| usable(t));
            in_order(found.filter_map(|t| trials.ids[t].clone()).collect())
        });
        let places: BTreeMap<&str, usize> =
            condition_ids.iter().map(String::as_str).zip(0..).collect();
        if places.len() != condition_ids.len() {
            return Err(Error::invalid("conditions", "an id is listed twice"));
        }
        self.note_left_out(&trials, &places);
        let activity = self.activity(file, trials.onsets.len())?;
        let how = match &activity {
            Activity::Spikes(_) => "binned here",
            Activity::Rates(_) => "rates as they stand there",
        };
        self.notes.insert(0, format!("NWB {version}, {how}"));
        let mut lab = Lab {
            bin_ms: self.bins.ms,
            first_bin_ms: self.bins.first_ms,
            bins: self.bins.number,
            condition_ids: condition_ids.clone(),
            set,
            responses: Vec::new(),
            behaviors: Vec::new(),
            masks: Vec::new(),
            units: self.unit_table(file)?,
            unit_ids: BTreeMap::new(),
            behavior: trials.behavior.clone(),
            trials: BTreeMap::new(),
            unit_stated: true,
            synthetic,
            notes: Vec::new(),
        };
        for kind in TrialType::ALL {
            let chosen = trials.chosen(kind, &places, self.bins);
            if chosen.is_empty() {
                continue;
            }
            let conditions = condition_ids.len();
            match &activity {
                Activity::Rates(rates) if rates.len() > 1 => {
                    for of in rates {
                        let (rows, array) = self.averages(of, &chosen, conditions)?;
                        lab.responses.push((kind, of.half, array));
                        lab.unit_ids.insert((kind, of.half), rows);
                    }
                    self.columns_of_bins(file, kind, &chosen, &mut lab)?;
                }
                _ => {
                    let number = i64::try_from(chosen.len()).unwrap_or(i64::MAX);
                    lab.trials.insert(kind, vec![number]);
                    let means = self.means(kind, &activity, &chosen, conditions)?;
                    let (arrays, more) = means.finish(kind, self.opening.missing)?;
                    lab.responses.extend(arrays);
                    self.notes.extend(more);
                }
            }
        }
        let all = activity.units();
        if lab.unit_ids.values().all(|rows| rows.len() == all) {
            lab.unit_ids.clear();
        }
        lab.notes = self.notes;
        lab.into_recording()
    }

    /// Trials that are not used, and why.
    fn note_left_out(&mut self, trials: &Trials, places: &BTreeMap<&str, usize>) {
        let all = trials.onsets.len();
        let count = |odd: &dyn Fn(usize) -> bool| (0..all).filter(|&t| odd(t)).count();
        let left_out = [
            ("are excluded", count(&|t| trials.excluded[t])),
            (
                "have no time of motion onset",
                count(&|t| !trials.excluded[t] && !trials.onsets[t].is_finite()),
            ),
            (
                "have no condition, or one that is not asked for",
                count(&|t| {
                    let id = trials.ids[t].as_deref();
                    trials.usable(t) && id.is_none_or(|id| !places.contains_key(id))
                }),
            ),
        ];
        for (why, number) in left_out {
            if number > 0 {
                self.notes.push(format!("{number} of {all} trials {why}"));
            }
        }
    }

    /// The columns of the table of trials that are used.
    fn trials(&mut self, file: &File) -> Result<Trials> {
        let table = group(file, "intervals/trials")?;
        let names = table
            .datasets()
            .map_err(|error| broken("intervals/trials", error))?;
        let mapping = self.mapping;
        let first_of = |item: Item, known: &[&str]| {
            mapping.name(item).map(str::to_owned).or_else(|| {
                let found = known.iter().find(|name| names.iter().any(|n| n == *name));
                found.map(|name| (*name).to_owned())
            })
        };
        let onset = first_of(Item::Onset, &ONSET_COLUMNS).ok_or_else(|| {
            Error::field(
                "intervals/trials",
                format!(
                    "the time at which the ball starts to move ({}), or its column named",
                    ONSET_COLUMNS.join(", ")
                ),
                format!("only {}", names.join(", ")),
            )
        })?;
        let onsets = self.numbers(&table, &names, &onset)?;
        let count = onsets.len();
        let condition = mapping.name(Item::Condition).unwrap_or("condition_id");
        let ids = self.column(&table, &names, condition)?;
        let ids = condition_ids(&ids, condition, mapping)?;
        let kind = first_of(Item::Kind, &TYPE_COLUMNS);
        let kinds = match &kind {
            Some(name) => types(name, &self.column(&table, &names, name)?, mapping)?,
            None => {
                let note = "intervals/trials: no trial type; all count as occluded";
                self.notes.push(note.into());
                vec![TrialType::Occ; count]
            }
        };
        let excluded = match first_of(Item::Exclude, &["ignore"]) {
            Some(name) => self
                .numbers(&table, &names, &name)?
                .iter()
                .map(|&v| v != 0.0)
                .collect(),
            None => vec![false; count],
        };
        let stops = if names.iter().any(|name| name == "stop_time") {
            self.numbers(&table, &names, "stop_time")?
        } else {
            vec![f64::INFINITY; count]
        };
        let mut trials = Trials {
            onsets,
            stops,
            ids,
            kinds,
            excluded,
            behavior: None,
        };
        if let Some(paddle) = first_of(Item::Paddle, &PADDLE_COLUMNS) {
            let outcome = first_of(Item::Outcome, &["outcome"]);
            let paddle = self.numbers(&table, &names, &paddle)?;
            let outcome = outcome
                .map(|name| self.column(&table, &names, &name))
                .transpose()?;
            trials.behavior = Some(trials.table(paddle, outcome, mapping));
        }
        let found = [
            trials.ids.len(),
            trials.kinds.len(),
            trials.excluded.len(),
            trials.stops.len(),
            trials.behavior.as_ref().map_or(count, |table| table.rows),
        ];
        if found.iter().any(|&n| n != count) {
            let why = format!("columns of different lengths: {count} and {found:?} rows");
            return Err(broken("intervals/trials", why));
        }
        Ok(trials)
    }

    /// Sums of the chosen trials of one kind, unit by unit.
    fn means(
        &mut self,
        kind: TrialType,
        activity: &Activity,
        chosen: &[Trial],
        conditions: usize,
    ) -> Result<Means> {
        let bins = self.bins;
        // Sums of three kinds, and the means that are made of them.
        let cells = (activity.units() as u64)
            .saturating_mul(conditions as u64)
            .saturating_mul(bins.number as u64);
        self.budget.take(cells.saturating_mul(8 * 5))?;
        let mut means = Means::new(activity.units(), conditions, bins.number);
        let mut of_condition = vec![Vec::new(); conditions];
        for (at, trial) in chosen.iter().enumerate() {
            of_condition[trial.condition].push(at);
        }
        let mut unobserved = 0_usize;
        for unit in 0..activity.units() {
            for (condition, trials) in of_condition.iter().enumerate() {
                let seen = trials.iter().copied();
                let seen: Vec<usize> = seen
                    .filter(|&at| activity.observed(unit, &chosen[at], bins))
                    .collect();
                unobserved += trials.len() - seen.len();
                means.add(unit, condition, &seen, |at| {
                    activity.rates(unit, &chosen[at], bins)
                })?;
            }
        }
        if unobserved > 0 {
            let why = match activity {
                Activity::Spikes(_) => "lie outside of obs_intervals",
                Activity::Rates(_) => "have no rate",
            };
            self.notes.push(format!(
                "{}: {unobserved} pairs of unit and trial {why} and are left out",
                kind.key()
            ));
        }
        Ok(means)
    }

    /// Rates of means, `[unit, condition, bin]`, and the units that they are of: those that have one. [`Error::Field`] for a
    /// condition with two.
    fn averages(
        &mut self,
        rates: &Rates,
        chosen: &[Trial],
        conditions: usize,
    ) -> Result<(Vec<i64>, Arc<Array>)> {
        let [units, _, bins] = rates.shape;
        self.budget
            .take_usize((units * conditions * bins).saturating_mul(16))?;
        let mut taken = vec![false; conditions];
        for trial in chosen {
            if std::mem::replace(&mut taken[trial.condition], true) {
                let expected = "each condition once beside the halves of its trials";
                let found = format!("a second one in row {}", trial.row + 1);
                return Err(Error::field("intervals/trials", expected, found));
            }
        }
        let mut rows = Vec::new();
        let mut out = Vec::new();
        for unit in 0..units {
            let of = |trial: &Trial| rates.of(unit, trial.row);
            if chosen.iter().flat_map(of).all(|v| v.is_nan()) {
                continue;
            }
            rows.push(i64::try_from(unit).unwrap_or(i64::MAX));
            let start = out.len();
            out.resize(start + conditions * bins, f64::NAN);
            for trial in chosen {
                out[start + trial.condition * bins..][..bins].copy_from_slice(of(trial));
            }
        }
        let shape = vec![rows.len(), conditions, bins];
        Ok((rows, Arc::new(Array::from_f64(shape, &out)?)))
    }

    /// Masks and behaviour of means: columns `[trial, bin]`.
    fn columns_of_bins(
        &mut self,
        file: &File,
        kind: TrialType,
        chosen: &[Trial],
        lab: &mut Lab,
    ) -> Result<()> {
        let table = group(file, "intervals/trials")?;
        let names = table
            .datasets()
            .map_err(|error| broken("intervals/trials", error))?;
        let (conditions, bins) = (lab.condition_ids.len(), self.bins.number);
        for name in names {
            let mask = name.strip_prefix("mask_");
            let Some(to) = mask.or_else(|| name.strip_prefix("behavior_")) else {
                continue;
            };
            let field = format!("intervals/trials/{name}");
            let dataset = table
                .dataset(&name)
                .map_err(|error| broken(&field, error))?;
            let shape = shape(&dataset, &field)?;
            let Content::Numbers(values) = self.dataset(&dataset, &field)? else {
                return Err(Error::field(field, "numbers", "text"));
            };
            if shape.get(1..) != Some(&[bins]) {
                let expected = format!("[trial, {bins} bins]");
                return Err(Error::field(field, expected, format!("{shape:?}")));
            }
            let mut out = vec![f64::NAN; conditions * bins];
            for trial in chosen {
                let row = values.get(trial.row * bins..(trial.row + 1) * bins);
                let row = row.ok_or_else(|| broken(&field, "fewer rows than trials"))?;
                out[trial.condition * bins..][..bins].copy_from_slice(row);
            }
            if mask.is_some() {
                let inside = out.iter().map(|&v| v == 1.0).collect();
                let mask = Mask::new(conditions, bins, inside)?;
                if mask.count() > 0 {
                    lab.masks.push((kind, to.to_owned(), mask));
                }
            } else if out.iter().any(|v| !v.is_nan()) {
                let array = Array::from_f64(vec![conditions, bins], &out)?;
                lab.behaviors.push((kind, to.to_owned(), Arc::new(array)));
            }
        }
        Ok(())
    }

    fn column(&mut self, table: &Group, names: &[String], name: &str) -> Result<Content> {
        let field = format!("intervals/trials/{name}");
        if !names.iter().any(|n| n == name) {
            let found = format!("only {}", names.join(", "));
            return Err(Error::field(field, "this column", found));
        }
        let dataset = table.dataset(name).map_err(|error| broken(&field, error))?;
        self.dataset(&dataset, &field)
    }

    fn numbers(&mut self, table: &Group, names: &[String], name: &str) -> Result<Vec<f64>> {
        match self.column(table, names, name)? {
            Content::Numbers(values) => Ok(values),
            Content::Texts(_) => {
                let field = format!("intervals/trials/{name}");
                Err(Error::field(field, "numbers", "text"))
            }
        }
    }

    /// A dataset of one axis, or more in a row, within the limits.
    fn dataset(&mut self, dataset: &Dataset, path: &str) -> Result<Content> {
        let failed = |error| broken(path, error);
        let total = shape(dataset, path)?.iter().product::<usize>() as u64;
        self.budget.take(total.saturating_mul(24))?;
        Ok(match dataset.dtype().map_err(failed)? {
            DType::F32
            | DType::F64
            | DType::I8
            | DType::I16
            | DType::I32
            | DType::I64
            | DType::U8
            | DType::U16
            | DType::U32
            | DType::U64 => Content::Numbers(dataset.read_f64().map_err(failed)?),
            // h5py keeps truth values as an enumeration of bytes.
            DType::Enum(..) => Content::Numbers(
                dataset
                    .read_raw()
                    .map_err(failed)?
                    .iter()
                    .map(|&byte| f64::from(byte))
                    .collect(),
            ),
            DType::VariableLengthString => {
                // Many elements may point at one long text.
                let most = usize::try_from(self.budget.left()).unwrap_or(usize::MAX);
                let options = VlenStringReadOptions::new().with_max_payload_bytes(most);
                let texts = dataset.read_vlen_strings(options).map_err(failed)?;
                self.budget
                    .take_usize(texts.iter().map(String::len).sum())?;
                Content::Texts(texts)
            }
            DType::String => {
                let element = dataset.element_size().map_err(failed)?;
                self.budget.take(total.saturating_mul(element))?;
                Content::Texts(dataset.read_string().map_err(failed)?)
            }
            other => {
                return Err(broken(
                    path,
                    format!("elements of type {other} are not read"),
                ));
            }
        })
    }

    /// Spikes, or the rates of each trial.
    fn activity(&mut self, file: &File, trials: usize) -> Result<Activity> {
        let group = group(file, "units")?;
        let names = group.datasets().map_err(|error| broken("units", error))?;
        let has = |name: &str| names.iter().any(|n| n == name);
        let named = [Item::Responses, Item::ResponsesSh1, Item::ResponsesSh2];
        let spikes = self.mapping.name(Item::SpikeTimes).unwrap_or("spike_times");
        let asked = named.iter().any(|&item| self.mapping.name(item).is_some());
        if !asked && (has(spikes) || !has("rates")) {
            return Ok(Activity::Spikes(self.units(&group, &names, spikes)?));
        }
        let mut rates = Vec::new();
        for (item, (known, half)) in named.into_iter().zip(RATES) {
            let name = self.mapping.name(item);
            if name.is_some_and(|name| !has(name)) {
                return Err(lacks(known, name.unwrap_or_default(), names.iter()));
            }
            let name = name.unwrap_or(known);
            if has(name) {
                rates.push(self.rates(&group, name, trials, half)?);
            }
        }
        if rates.first().is_none_or(|rates| rates.half != Half::Full) {
            let expected = "rates of all trials, [unit, trial, bin]";
            return Err(Error::field("units/rates", expected, names.join(", ")));
        }
        Ok(Activity::Rates(rates))
    }

    /// A column of rates `[unit, trial, bin]`, spikes/ms. The first one says where the bins are.
    fn rates(&mut self, group: &Group, name: &str, trials: usize, half: Half) -> Result<Rates> {
        let field = format!("units/{name}");
        let failed = |error| broken(&field, error);
        let dataset = group.dataset(name).map_err(failed)?;
        let attributes = dataset.attrs().map_err(failed)?;
        let shape = shape(&dataset, &field)?;
        let Content::Numbers(values) = self.dataset(&dataset, &field)? else {
            return Err(Error::field(field, "numbers", "text"));
        };
        let array = Arc::new(Array::from_f64(shape, &values)?);
        let order = ["unit", "trial", "bin"];
        let array = in_axes(&field, &array, self.mapping.axes.as_deref(), &order)?;
        let shape = <[usize; 3]>::try_from(array.shape());
        let shape = shape.ok().filter(|shape| shape[1] == trials);
        let shape = shape.ok_or_else(|| {
            let expected = format!("[unit, {trials} trials, bin]; `axes` says another order");
            Error::field(&field, expected, format!("{:?}", array.shape()))
        })?;
        if half == Half::Full {
            let number = |name: &str| attributes.get(name).and_then(AttrValue::as_f64);
            let need = |name: &str, said: Option<f64>| {
                number(name)
                    .or(said)
                    .filter(|v| v.is_finite())
                    .ok_or_else(|| {
                        let expected = format!("an attribute `{name}`, or {name} in the mapping");
                        Error::field(&field, expected, "neither")
                    })
            };
            self.bins = Bins {
                ms: need("bin_ms", self.mapping.bin_ms)?,
                first_ms: need("first_bin_ms", self.mapping.first_bin_ms)?,
                number: shape[2],
            };
            if self.bins.ms <= 0.0 || self.bins.number == 0 {
                return Err(Error::field(&field, "bins longer than 0 ms", "others"));
            }
        }
        let stated = attributes.get("unit").and_then(text);
        let known = |text: &String| RateUnit::ALL.into_iter().find(|u| u.name() == text);
        let unit = stated
            .as_ref()
            .and_then(known)
            .or(self.mapping.response_unit);
        let unit = unit.or(self.opening.response_unit).ok_or_else(|| {
            let expected = "an attribute `unit`: spikes/ms, Hz or spikes/bin; or --response-unit";
            Error::field(&field, expected, stated.unwrap_or_else(|| "none".into()))
        })?;
        let factor = unit.per_ms(self.bins.ms);
        if shape[2] != self.bins.number {
            let expected = format!("{} bins, as the rates of all trials", self.bins.number);
            return Err(Error::field(field, expected, shape[2].to_string()));
        }
        Ok(Rates {
            half,
            shape,
            values: scaled(&field, &array, factor)?,
        })
    }

    /// Who and when, of each unit.
    fn unit_table(&mut self, file: &File) -> Result<Option<Table>> {
        let group = group(file, "units")?;
        let names = group.datasets().map_err(|error| broken("units", error))?;
        let mut columns = Vec::new();
        for (item, known) in [(Item::Animal, "animal"), (Item::Session, "session")] {
            let said = self.mapping.name(item);
            let name = said.unwrap_or(known);
            if !names.iter().any(|n| n == name) {
                match said {
                    Some(name) => return Err(lacks(known, name, names.iter())),
                    None => continue,
                }
            }
            let field = format!("units/{name}");
            let dataset = group.dataset(name).map_err(|error| broken(&field, error))?;
            let texts = match self.dataset(&dataset, &field)? {
                Content::Texts(texts) => texts,
                Content::Numbers(values) => values.iter().map(f64::to_string).collect(),
            };
            let cells = Cells::Texts(texts.into_iter().map(Some).collect());
            columns.push((known.to_owned(), cells));
        }
        let rows = match columns.first() {
            Some((_, Cells::Texts(texts))) => texts.len(),
            _ => return Ok(None),
        };
        Ok(Some(Table {
            rows,
            has_index: false,
            columns,
        }))
    }

    fn units(&mut self, group: &Group, names: &[String], spikes: &str) -> Result<Vec<Unit>> {
        let mut get = |name: &str| {
            let field = format!("units/{name}");
            if !names.iter().any(|n| n == name) {
                let found = format!("only {}", names.join(", "));
                return Err(Error::field(field, "this column", found));
            }
            let dataset = group.dataset(name).map_err(|error| broken(&field, error))?;
            match self.dataset(&dataset, &field)? {
                Content::Numbers(values) => Ok(values),
                Content::Texts(_) => Err(Error::field(field, "numbers", "text")),
            }
        };
        let times = get(spikes)?;
        let ends = get(&format!("{spikes}_index"))?;
        let spikes = ragged("units/spike_times", &times, &ends, 1)?;
        let observed = if names.iter().any(|name| name == "obs_intervals") {
            Some((get("obs_intervals")?, get("obs_intervals_index")?))
        } else {
            None
        };
        let observed = observed
            .as_ref()
            .map(|(times, ends)| ragged("units/obs_intervals", times, ends, 2))
            .transpose()?;
        check_count("units", spikes.len(), self.limits.objects)?;
        if observed.as_ref().is_some_and(|o| o.len() != spikes.len()) {
            return Err(broken("units", "obs_intervals of another number of units"));
        }
        spikes
            .iter()
            .enumerate()
            .map(|(place, times)| {
                if times.iter().any(|t| !t.is_finite()) {
                    let field = format!("units/spike_times, unit {place}");
                    return Err(Error::field(field, "finite times in s", "another value"));
                }
                let mut times = times.to_vec();
                times.sort_unstable_by(f64::total_cmp);
                Ok(Unit {
                    times,
                    observed: observed
                        .as_ref()
                        .map(|all| all[place].chunks_exact(2).map(|p| (p[0], p[1])).collect()),
                })
            })
            .collect()
    }
}

/// What the units did.
enum Activity {
    Spikes(Vec<Unit>),
    /// Of all trials and, where each row is a mean, of their halves.
    Rates(Vec<Rates>),
}

/// Rates `[unit, trial, bin]`, spikes/ms.
struct Rates {
    half: Half,
    shape: [usize; 3],
    values: Vec<f64>,
}

impl Rates {
    /// `[bin]`.
    fn of(&self, unit: usize, trial: usize) -> &[f64] {
        let [_, trials, bins] = self.shape;
        &self.values[(unit * trials + trial) * bins..][..bins]
    }
}

impl Activity {
    fn units(&self) -> usize {
        match self {
            Self::Spikes(units) => units.len(),
            Self::Rates(rates) => rates.first().map_or(0, |rates| rates.shape[0]),
        }
    }

    fn observed(&self, unit: usize, trial: &Trial, bins: Bins) -> bool {
        match self {
            Self::Spikes(units) => units[unit].observed(trial, bins),
            Self::Rates(_) => self.rates(unit, trial, bins).iter().any(|v| !v.is_nan()),
        }
    }

    /// `[bin]`, spikes/ms of one trial.
    fn rates(&self, unit: usize, trial: &Trial, bins: Bins) -> Cow<'_, [f64]> {
        match self {
            Self::Spikes(units) => units[unit].rates(trial.start, bins).into(),
            Self::Rates(rates) => rates[0].of(unit, trial.row).into(),
        }
    }
}

struct Unit {
    /// Spikes, s, in order.
    times: Vec<f64>,
    /// When it was recorded, s; `None` for always.
    observed: Option<Vec<(f64, f64)>>,
}

impl Unit {
    /// Whether it was recorded from the first bin to the end of the trial (or of the bins, if that is earlier).
    fn observed(&self, trial: &Trial, bins: Bins) -> bool {
        #[allow(clippy::cast_precision_loss, reason = "a few hundred bins")]
        let window = bins.number as f64 * bins.ms / 1000.0;
        let end = (trial.start + window).min(trial.stop.max(trial.start));
        self.observed.as_ref().is_none_or(|intervals| {
            intervals
                .iter()
                .any(|&(from, to)| from <= trial.start + 1e-9 && end <= to + 1e-9)
        })
    }

    /// `[bin]`, spikes/ms of one trial.
    fn rates(&self, start: f64, bins: Bins) -> Vec<f64> {
        let mut rates = vec![0.0; bins.number];
        let first = self.times.partition_point(|&t| t < start);
        for time in &self.times[first..] {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "not negative, and saturating"
            )]
            let bin = ((time - start) * 1000.0 / bins.ms).floor() as usize;
            match rates.get_mut(bin) {
                Some(rate) => *rate += 1.0 / bins.ms,
                None => break,
            }
        }
        rates
    }
}

fn group(file: &File, path: &str) -> Result<Group> {
    file.group(path)
        .map_err(|error| Error::field(path, "this group", error.to_string()))
}

fn text(value: &AttrValue) -> Option<String> {
    match value {
        AttrValue::String(text)
        | AttrValue::VarLenString(text)
        | AttrValue::AsciiString(text)
        | AttrValue::StringSized { value: text, .. }
        | AttrValue::AsciiStringSized { value: text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// The pieces of a ragged column: `ends` are where each piece ends, in rows of `width` values.
fn ragged<'a>(
    field: &str,
    values: &'a [f64],
    ends: &[f64],
    width: usize,
) -> Result<Vec<&'a [f64]>> {
    let mut pieces = Vec::with_capacity(ends.len());
    let mut start = 0_usize;
    for (place, &end) in ends.iter().enumerate() {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked against the length below"
        )]
        let stop = (end.fract() == 0.0 && end >= 0.0)
            .then_some(end as usize)
            .and_then(|end| end.checked_mul(width));
        let piece = stop.and_then(|stop| values.get(start..stop).map(|piece| (piece, stop)));
        let Some((piece, stop)) = piece else {
            let why = format!("a false end of unit {place}: {end}");
            return Err(broken(&format!("{field}_index"), why));
        };
        pieces.push(piece);
        start = stop;
    }
    if start != values.len() {
        let why = format!("{} values after the last unit", values.len() - start);
        return Err(broken(field, why));
    }
    Ok(pieces)
}

fn condition_ids(content: &Content, name: &str, mapping: &Mapping) -> Result<Vec<Option<String>>> {
    let field = format!("intervals/trials/{name}");
    match content {
        Content::Numbers(values) => values
            .iter()
            .map(|&value| {
                if !value.is_finite() || value < 0.0 {
                    return Ok(None);
                }
                let id = whole_ids(&[value]).and_then(|mut ids| ids.pop());
                id.map(|id| Some(mapping.id(&id)))
                    .ok_or_else(|| Error::field(&field, "whole numbers", value.to_string()))
            })
            .collect(),
        Content::Texts(texts) => {
            let ids = texts.iter().map(|text| mapping.id(text));
            Ok(ids.map(|id| (!id.is_empty()).then_some(id)).collect())
        }
    }
}

fn types(name: &str, content: &Content, mapping: &Mapping) -> Result<Vec<TrialType>> {
    let field = format!("intervals/trials/{name}");
    let texts: Cow<[String]> = match content {
        Content::Texts(texts) => texts.into(),
        Content::Numbers(values) => values.iter().map(f64::to_string).collect::<Vec<_>>().into(),
    };
    let kinds = texts.iter().map(|text| {
        mapping.kind(text).ok_or_else(|| {
            let expected = "occ or vis, or an opacity of 0 to 1";
            Error::field(&field, expected, text.clone())
        })
    });
    kinds.collect()
}

fn shape(dataset: &Dataset, path: &str) -> Result<Vec<usize>> {
    let shape = dataset.shape().map_err(|error| broken(path, error))?;
    let shape: Option<Vec<usize>> = shape.into_iter().map(|n| n.try_into().ok()).collect();
    let fits = |shape: &Vec<usize>| mental_pong_formats::value::count(shape).is_some();
    let shape = shape.filter(fits);
    shape.ok_or_else(|| broken(path, "more elements than can be"))
}
