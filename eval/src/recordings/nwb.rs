//! Neurodata Without Borders (NWB) files: spike times and trials, brought to responses `[unit, condition, bin]`.
//!
//! Read are `/units/spike_times` with its index, `/units/obs_intervals` if there, and the columns of `/intervals/trials`
//! that [`NwbOptions`] names; nothing else of the file, however large it is. A trial's bins start [`NwbOptions::first_bin_ms`]
//! after the ball starts to move, as in the release (-300 ms, 100 bins of 50 ms); counts are averaged over trials and
//! divided by the length of a bin: spikes/ms. Halves are those of the published rule. Source of the format: the NWB core
//! schema 2.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5_pure::{AttrValue, DType, File, Group, VlenStringReadOptions};

use mental_pong_game::task::SetIdentity;

use crate::error::{Error, Result};

use super::arrays::in_order;
use super::dmfc::{FIRST_BIN_MS, Opening, Recording, TrialType, whole_ids};
use super::lab::{Lab, Means, Missing};
use mental_pong_formats::limits::{Budget, Limits, check_count};

/// How an NWB file is to be understood. Names are those of columns of `/intervals/trials`.
#[derive(Debug, Clone, PartialEq)]
pub struct NwbOptions {
    /// Column of condition ids, as the set has them: whole numbers, or text. Default `condition_id`.
    pub condition: String,
    /// Ids that texts of that column stand for, where they are not the ids themselves.
    pub condition_names: BTreeMap<String, String>,
    /// Column of the time at which the ball starts to move, seconds of the session. Without it the first of
    /// [`ONSET_COLUMNS`] that is there; a file that has none of them is refused, because the start of a trial is another time.
    pub onset: Option<String>,
    /// Column of the trial type: text `occ` or `vis`, or numbers (the occluder's opacity, 1 is `occ`). Without it the first of
    /// [`TYPE_COLUMNS`] that is there, or all trials are occluded, with a note.
    pub trial_type: Option<String>,
    /// Column that is not 0 in trials to leave out, such as `ignore`. Without it `ignore` if it is there.
    pub exclude: Option<String>,
    /// Conditions and their order; without it those of the file, by id.
    pub conditions: Option<Vec<String>>,
    /// Length of a bin, ms. Default 50.
    pub bin_ms: f64,
    /// Number of bins. Default 100.
    pub bins: usize,
    /// Left edge of bin 0, ms after the ball starts to move. Default -300.
    pub first_bin_ms: f64,
}

/// Attributes of the file that say whose conditions it has.
const SET_ATTRIBUTES: [&str; 2] = ["mental_pong_set_name", "mental_pong_set_sha256"];

/// Names under which the time of motion onset is looked for.
pub const ONSET_COLUMNS: [&str; 3] = ["motion_onset_time", "motion_onset", "ball_on_time"];
/// Names under which the trial type is looked for.
pub const TYPE_COLUMNS: [&str; 2] = ["trial_type", "occ_alpha"];

impl Default for NwbOptions {
    fn default() -> Self {
        Self {
            condition: "condition_id".into(),
            condition_names: BTreeMap::new(),
            onset: None,
            trial_type: None,
            exclude: None,
            conditions: None,
            bin_ms: 50.0,
            bins: 100,
            first_bin_ms: FIRST_BIN_MS,
        }
    }
}

fn broken(path: &str, why: impl std::fmt::Display) -> Error {
    Error::format("NWB", None, format!("{path}: {why}"))
}

/// Whether an HDF5 file says that it is NWB.
pub(super) fn is_nwb(path: &Path) -> bool {
    File::open_streaming(path)
        .ok()
        .and_then(|file| file.root().attrs().ok())
        .is_some_and(|attributes| attributes.contains_key("nwb_version"))
}

/// The recording of a file, not yet checked.
///
/// Errors: [`Error::Format`](mental_pong_formats::Error::Format) for a damaged file; [`Error::Field`] for a column that is missing or of another kind, with those
/// that there are; [`Error::Limit`](mental_pong_formats::Error::Limit) for more spikes or trials than may be.
pub(super) fn read(path: &Path, opening: &Opening) -> Result<Recording> {
    let file = File::open_streaming(path).map_err(|error| broken("/", error))?;
    Reader::new(&opening.limits).file(&file, &opening.nwb, opening.missing)
}

/// The recording of a file in memory, checked as [`Recording::open`] does.
pub fn from_bytes(bytes: Vec<u8>, opening: &Opening) -> Result<Recording> {
    let mut reader = Reader::new(&opening.limits);
    reader.budget.take_usize(bytes.len())?;
    let file = File::from_bytes(bytes).map_err(|error| broken("/", error))?;
    reader
        .file(&file, &opening.nwb, opening.missing)?
        .finished(opening)
}

/// A column of the table of trials.
enum Content {
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

struct Reader {
    budget: Budget,
    limits: Limits,
}

struct Trial {
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
}

impl Trials {
    fn usable(&self, trial: usize) -> bool {
        !self.excluded[trial] && self.onsets[trial].is_finite()
    }

    /// The usable trials of a kind and of the conditions that have a place.
    fn chosen(
        &self,
        kind: TrialType,
        places: &BTreeMap<&str, usize>,
        options: &NwbOptions,
    ) -> Vec<Trial> {
        (0..self.onsets.len())
            .filter(|&t| self.usable(t) && self.kinds[t] == kind)
            .filter_map(|t| {
                Some(Trial {
                    condition: *places.get(self.ids[t].as_deref()?)?,
                    start: self.onsets[t] + options.first_bin_ms / 1000.0,
                    stop: self.stops[t],
                })
            })
            .collect()
    }
}

impl Reader {
    fn new(limits: &Limits) -> Self {
        Self {
            budget: Budget::new(limits),
            limits: *limits,
        }
    }

    fn file(mut self, file: &File, options: &NwbOptions, missing: Missing) -> Result<Recording> {
        let lengths = [options.bin_ms, -options.first_bin_ms, 1.0];
        if lengths.iter().any(|v| !v.is_finite()) || options.bin_ms <= 0.0 || options.bins == 0 {
            return Err(Error::invalid(
                "bins",
                "their length and number have to be above 0",
            ));
        }
        let root = file.root();
        let attributes = root.attrs().map_err(|error| broken("/", error))?;
        let Some(version) = attributes.get("nwb_version").and_then(text) else {
            return Err(broken("/", "no attribute nwb_version: not an NWB file"));
        };
        let mut notes = vec![format!("NWB {version}, binned here")];
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
        let trials = self.trials(file, options, &mut notes)?;
        let usable = |t: usize| trials.usable(t);
        let condition_ids = options.conditions.clone().unwrap_or_else(|| {
            let found = (0..trials.onsets.len()).filter(|&t| usable(t));
            in_order(found.filter_map(|t| trials.ids[t].clone()).collect())
        });
        let places: BTreeMap<&str, usize> =
            condition_ids.iter().map(String::as_str).zip(0..).collect();
        if places.len() != condition_ids.len() {
            return Err(Error::invalid("conditions", "an id is listed twice"));
        }
        let left_out = [
            (
                "are excluded",
                (0..trials.onsets.len())
                    .filter(|&t| trials.excluded[t])
                    .count(),
            ),
            (
                "have no time of motion onset",
                (0..trials.onsets.len())
                    .filter(|&t| !trials.excluded[t] && !trials.onsets[t].is_finite())
                    .count(),
            ),
            (
                "have no condition, or one that is not asked for",
                (0..trials.onsets.len())
                    .filter(|&t| {
                        let id = trials.ids[t].as_deref();
                        usable(t) && id.is_none_or(|id| !places.contains_key(id))
                    })
                    .count(),
            ),
        ];
        for (why, number) in left_out {
            if number > 0 {
                let count = trials.onsets.len();
                notes.push(format!("{number} of {count} trials {why}"));
            }
        }
        let units = self.units(file)?;
        let mut responses = Vec::new();
        let mut per_type = BTreeMap::new();
        for kind in TrialType::ALL {
            let chosen = trials.chosen(kind, &places, options);
            if chosen.is_empty() {
                continue;
            }
            per_type.insert(kind, vec![i64::try_from(chosen.len()).unwrap_or(i64::MAX)]);
            let means = self.means(
                kind,
                &units,
                &chosen,
                condition_ids.len(),
                options,
                &mut notes,
            )?;
            let (arrays, more) = means.finish(kind, missing)?;
            responses.extend(arrays);
            notes.extend(more);
        }
        Lab {
            bin_ms: options.bin_ms,
            first_bin_ms: options.first_bin_ms,
            bins: options.bins,
            condition_ids,
            set,
            responses,
            behaviors: Vec::new(),
            masks: Vec::new(),
            units: None,
            trials: per_type,
            unit_stated: true,
            synthetic,
            notes,
        }
        .into_recording()
    }

    /// The columns of the table of trials that are used.
    fn trials(
        &mut self,
        file: &File,
        options: &NwbOptions,
        notes: &mut Vec<String>,
    ) -> Result<Trials> {
        let table = group(file, "intervals/trials")?;
        let names = table
            .datasets()
            .map_err(|error| broken("intervals/trials", error))?;
        let first_of = |stated: &Option<String>, known: &[&str]| {
            stated.clone().or_else(|| {
                let found = known.iter().find(|name| names.iter().any(|n| n == *name));
                found.map(|name| (*name).to_owned())
            })
        };
        let onset = first_of(&options.onset, &ONSET_COLUMNS).ok_or_else(|| {
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
        let ids = self.column(&table, &names, &options.condition)?;
        let ids = condition_ids(&ids, options)?;
        let kinds = match first_of(&options.trial_type, &TYPE_COLUMNS) {
            Some(name) => types(&name, &self.column(&table, &names, &name)?)?,
            None => {
                notes.push("intervals/trials: no trial type; all count as occluded".into());
                vec![TrialType::Occ; count]
            }
        };
        let excluded = match first_of(&options.exclude, &["ignore"]) {
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
        let found = [ids.len(), kinds.len(), excluded.len(), stops.len()];
        if found.iter().any(|&n| n != count) {
            let why = format!("columns of different lengths: {count} and {found:?} rows");
            return Err(broken("intervals/trials", why));
        }
        Ok(Trials {
            onsets,
            stops,
            ids,
            kinds,
            excluded,
        })
    }

    /// Sums of the chosen trials of one kind, unit by unit.
    fn means(
        &mut self,
        kind: TrialType,
        units: &[Unit],
        chosen: &[Trial],
        conditions: usize,
        options: &NwbOptions,
        notes: &mut Vec<String>,
    ) -> Result<Means> {
        // Sums of three kinds, and the means that are made of them.
        let cells = (units.len() as u64)
            .saturating_mul(conditions as u64)
            .saturating_mul(options.bins as u64);
        self.budget.take(cells.saturating_mul(8 * 5))?;
        let mut means = Means::new(units.len(), conditions, options.bins);
        let mut of_condition = vec![Vec::new(); conditions];
        for (at, trial) in chosen.iter().enumerate() {
            of_condition[trial.condition].push(at);
        }
        let mut unobserved = 0_usize;
        #[allow(clippy::cast_precision_loss, reason = "a few hundred bins")]
        let window = options.bins as f64 * options.bin_ms / 1000.0;
        for (place, unit) in units.iter().enumerate() {
            for (condition, trials) in of_condition.iter().enumerate() {
                let seen: Vec<usize> = trials
                    .iter()
                    .copied()
                    .filter(|&at| unit.observed(&chosen[at], window))
                    .collect();
                unobserved += trials.len() - seen.len();
                means.add(place, condition, &seen, |at| {
                    unit.rates(chosen[at].start, options).into()
                })?;
            }
        }
        if unobserved > 0 {
            notes.push(format!(
                "{}: {unobserved} pairs of unit and trial lie outside of obs_intervals and are left out",
                kind.key()
            ));
        }
        Ok(means)
    }

    fn column(&mut self, table: &Group, names: &[String], name: &str) -> Result<Content> {
        let field = format!("intervals/trials/{name}");
        if !names.iter().any(|n| n == name) {
            let found = format!("only {}", names.join(", "));
            return Err(Error::field(field, "this column", found));
        }
        self.dataset(table, &field, name)
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
    fn dataset(&mut self, group: &Group, path: &str, name: &str) -> Result<Content> {
        let failed = |error| broken(path, error);
        let dataset = group.dataset(name).map_err(failed)?;
        let shape = dataset.shape().map_err(failed)?;
        let total = shape
            .iter()
            .try_fold(1_u64, |product, &n| product.checked_mul(n))
            .ok_or_else(|| broken(path, "more elements than can be"))?;
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

    fn units(&mut self, file: &File) -> Result<Vec<Unit>> {
        let group = group(file, "units")?;
        let names = group.datasets().map_err(|error| broken("units", error))?;
        let mut get = |name: &str| {
            let field = format!("units/{name}");
            if !names.iter().any(|n| n == name) {
                let found = format!("only {}", names.join(", "));
                return Err(Error::field(field, "this column", found));
            }
            match self.dataset(&group, &field, name)? {
                Content::Numbers(values) => Ok(values),
                Content::Texts(_) => Err(Error::field(field, "numbers", "text")),
            }
        };
        let times = get("spike_times")?;
        let ends = get("spike_times_index")?;
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

struct Unit {
    /// Spikes, s, in order.
    times: Vec<f64>,
    /// When it was recorded, s; `None` for always.
    observed: Option<Vec<(f64, f64)>>,
}

impl Unit {
    /// Whether it was recorded from the first bin to the end of the trial (or of the bins, if that is earlier).
    fn observed(&self, trial: &Trial, window: f64) -> bool {
        let end = (trial.start + window).min(trial.stop.max(trial.start));
        self.observed.as_ref().is_none_or(|intervals| {
            intervals
                .iter()
                .any(|&(from, to)| from <= trial.start + 1e-9 && end <= to + 1e-9)
        })
    }

    /// `[bin]`, spikes/ms of one trial.
    fn rates(&self, start: f64, options: &NwbOptions) -> Vec<f64> {
        let mut rates = vec![0.0; options.bins];
        let first = self.times.partition_point(|&t| t < start);
        for time in &self.times[first..] {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "not negative, and saturating"
            )]
            let bin = ((time - start) * 1000.0 / options.bin_ms).floor() as usize;
            match rates.get_mut(bin) {
                Some(rate) => *rate += 1.0 / options.bin_ms,
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

fn condition_ids(content: &Content, options: &NwbOptions) -> Result<Vec<Option<String>>> {
    let field = format!("intervals/trials/{}", options.condition);
    match content {
        Content::Numbers(values) => values
            .iter()
            .map(|&value| {
                if !value.is_finite() || value < 0.0 {
                    return Ok(None);
                }
                let id = whole_ids(&[value]).and_then(|mut ids| ids.pop());
                id.map(Some)
                    .ok_or_else(|| Error::field(&field, "whole numbers", value.to_string()))
            })
            .collect(),
        Content::Texts(texts) => Ok(texts
            .iter()
            .map(|text| {
                let text = text.trim();
                let id = options
                    .condition_names
                    .get(text)
                    .map_or(text, String::as_str);
                (!id.is_empty()).then(|| id.to_owned())
            })
            .collect()),
    }
}

fn types(name: &str, content: &Content) -> Result<Vec<TrialType>> {
    let field = format!("intervals/trials/{name}");
    let wrong = |found: String| Error::field(&field, "occ or vis, or an opacity of 0 to 1", found);
    match content {
        Content::Texts(texts) => texts
            .iter()
            .map(|text| TrialType::named(text).ok_or_else(|| wrong(text.clone())))
            .collect(),
        Content::Numbers(values) => values
            .iter()
            .map(|&alpha| match alpha {
                1.0 => Ok(TrialType::Occ),
                alpha if (0.0..1.0).contains(&alpha) => Ok(TrialType::Vis),
                other => Err(wrong(other.to_string())),
            })
            .collect(),
    }
}
