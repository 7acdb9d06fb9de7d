//! A recording as an NWB file.

use std::collections::BTreeSet;
use std::path::Path;

use hdf5_pure::{AttrValue, FileBuilder, GroupBuilder};
use mental_pong_base::files::{sha256_hex, write_atomic};
use mental_pong_game::task::ConditionSet;

use crate::error::Result;
use crate::recordings::dmfc::{Half, Population, Recording, TrialType, behavior_unit};

use super::{RATES, SET_ATTRIBUTES, broken};

/// When a session began is not known; the format asks for a time.
const UNKNOWN_TIME: &str = "1970-01-01T00:00:00+00:00";

/// A row of the table of trials: the mean of a condition's trials of one kind.
struct Row {
    kind: TrialType,
    condition: usize,
}

/// Name, `[row, bin]`, unit.
type ColumnOfBins = (String, Vec<f64>, Option<&'static str>);

/// What is written, and how objects of the file are told apart.
struct Writer<'a> {
    recording: &'a Recording,
    rows: Vec<Row>,
    seed: String,
}

/// Write a recording; the file appears only when it is whole. The same recording gives the same bytes.
///
/// Errors: [`Error::Formats`](crate::Error::Formats) for what the format does not hold, [`Error::File`](crate::Error::File)
/// where it cannot be written.
pub(in crate::recordings) fn write(recording: &Recording, path: &Path) -> Result<()> {
    let kinds = TrialType::ALL
        .into_iter()
        .filter(|&kind| recording.has(kind, Population::All, Half::Full));
    let conditions = recording.expected().conditions;
    let rows = kinds.flat_map(|kind| (0..conditions).map(move |condition| Row { kind, condition }));
    let set = recording.set().map(ConditionSet::identity);
    let writer = Writer {
        recording,
        rows: rows.collect(),
        seed: set.as_ref().map_or("", |set| &*set.sha256).to_owned(),
    };
    let mut file = FileBuilder::new();
    file.set_attr("namespace", text("core"));
    file.set_attr("neurodata_type", text("NWBFile"));
    file.set_attr("nwb_version", text("2.7.0"));
    file.set_attr("object_id", writer.id("root"));
    if let Some(set) = set {
        file.set_attr(SET_ATTRIBUTES[0], text(&set.name));
        file.set_attr(SET_ATTRIBUTES[1], text(&set.sha256));
    }
    let about = match recording.synthetic() {
        Some(true) => "SIMULATED responses in the Mental-Pong task, means over trials",
        _ => {
            "responses in the Mental-Pong task, means over trials; times of the session are not those of the experiment"
        }
    };
    for (name, value) in [
        ("identifier", "mental-pong"),
        ("session_description", about),
        ("session_start_time", UNKNOWN_TIME),
        ("timestamps_reference_time", UNKNOWN_TIME),
    ] {
        let dataset = file.create_dataset(name);
        dataset.with_vlen_strings(&[value]).with_shape(&[]);
    }
    let dates = file.create_dataset("file_create_date");
    dates.with_vlen_strings(&[UNKNOWN_TIME]);
    for name in ["acquisition", "analysis", "general", "processing"] {
        let group = file.create_group(name).finish();
        file.add_group(group);
    }
    let mut stimulus = file.create_group("stimulus");
    for name in ["presentation", "templates"] {
        let group = stimulus.create_group(name).finish();
        stimulus.add_group(group);
    }
    file.add_group(stimulus.finish());
    let mut intervals = file.create_group("intervals");
    let mut trials = intervals.create_group("trials");
    writer.trials(&mut trials)?;
    intervals.add_group(trials.finish());
    file.add_group(intervals.finish());
    let mut units = file.create_group("units");
    writer.units(&mut units)?;
    file.add_group(units.finish());
    let bytes = file.finish().map_err(|error| broken("/", error))?;
    Ok(write_atomic(path, |out| out.write_all(&bytes))?)
}

fn text(text: &str) -> AttrValue {
    AttrValue::VarLenString(text.to_owned())
}

/// Content of a column.
enum Cell<'a> {
    Numbers(&'a [f64], Vec<u64>),
    Texts(Vec<&'a str>),
}

/// A dynamic table as it grows.
struct TableOf<'g, 'w> {
    group: &'g mut GroupBuilder,
    writer: &'w Writer<'w>,
    name: &'static str,
    columns: Vec<String>,
}

impl TableOf<'_, '_> {
    fn column(&mut self, name: &str, about: &str, content: &Cell, more: &[(&str, AttrValue)]) {
        let dataset = self.group.create_dataset(name);
        match content {
            Cell::Numbers(values, shape) => dataset.with_f64_data(values).with_shape(shape),
            Cell::Texts(texts) => dataset.with_vlen_strings(texts),
        };
        dataset.set_attr("namespace", text("hdmf-common"));
        dataset.set_attr("neurodata_type", text("VectorData"));
        dataset.set_attr(
            "object_id",
            self.writer.id(&format!("{}/{name}", self.name)),
        );
        dataset.set_attr("description", text(about));
        for (key, value) in more {
            dataset.set_attr(key, value.clone());
        }
        self.columns.push(name.to_owned());
    }

    /// Ids of the rows, and what makes the group a table.
    fn finish(self, kind: &str, about: &str, ids: &[i64]) {
        let dataset = self.group.create_dataset("id");
        dataset.with_i64_data(ids);
        dataset.set_attr("namespace", text("hdmf-common"));
        dataset.set_attr("neurodata_type", text("ElementIdentifiers"));
        dataset.set_attr("object_id", self.writer.id(&format!("{}/id", self.name)));
        self.group.set_attr("namespace", text("core"));
        self.group.set_attr("neurodata_type", text(kind));
        self.group.set_attr("object_id", self.writer.id(self.name));
        self.group.set_attr("description", text(about));
        let columns = AttrValue::VarLenStringArray(self.columns);
        self.group.set_attr("colnames", columns);
    }
}

impl Writer<'_> {
    /// The id of an object: the same for the same set and place.
    fn id(&self, place: &str) -> AttrValue {
        let hash = sha256_hex(format!("{} {place}", self.seed).as_bytes());
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &hash[range]);
        text(&parts.join("-"))
    }

    fn table<'g>(&'g self, group: &'g mut GroupBuilder, name: &'static str) -> TableOf<'g, 'g> {
        TableOf {
            group,
            writer: self,
            name,
            columns: Vec::new(),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of conditions and bins")]
    fn trials(&self, group: &mut GroupBuilder) -> Result<()> {
        let recording = self.recording;
        let axis = recording.axis();
        let window = axis.n_bins as f64 * axis.bin_ms / 1000.0;
        let rows = self.rows.len();
        let mut table = self.table(group, "intervals/trials");
        let times = |offset: f64| (0..rows).map(move |row| row as f64 * window + offset);
        for (name, about, offset) in [
            (
                "start_time",
                "start of the first bin, s; rows follow one another",
                0.0,
            ),
            ("stop_time", "end of the last bin, s", window),
            (
                "motion_onset_time",
                "when the ball starts to move, s",
                -axis.first_bin_ms / 1000.0,
            ),
        ] {
            let values: Vec<f64> = times(offset).collect();
            table.column(name, about, &Cell::Numbers(&values, vec![rows as u64]), &[]);
        }
        let ids = self.rows.iter().map(|row| match recording.condition_ids() {
            Some(ids) => ids[row.condition].clone(),
            None => row.condition.to_string(),
        });
        let ids: Vec<String> = ids.collect();
        let texts = |texts: Vec<&'static str>| Cell::Texts(texts);
        let column = Cell::Texts(ids.iter().map(String::as_str).collect());
        table.column(
            "condition_id",
            "id of the condition in its set",
            &column,
            &[],
        );
        let kinds = self.rows.iter().map(|row| row.kind.key()).collect();
        let about = "occ: the ball passes behind the occluder; vis: it can be seen throughout";
        table.column("trial_type", about, &texts(kinds), &[]);
        let about = "what a row is: the mean over trials, whatever their outcome";
        table.column("outcome", about, &texts(vec!["mean"; rows]), &[]);
        let shape = vec![rows as u64, axis.n_bins as u64];
        for (name, values, unit) in self.columns_of_bins()? {
            let more = [("unit", text(unit.unwrap_or("not known")))];
            let cell = Cell::Numbers(&values, shape.clone());
            table.column(&name, "by trial and bin", &cell, &more);
        }
        let ids: Vec<i64> = (0..rows as i64).collect();
        let about = "one row for each condition and kind of trial";
        table.finish("TimeIntervals", about, &ids);
        Ok(())
    }

    /// Masks (1 inside) and behaviour, `[row, bin]`, NaN where a kind of trial has none.
    fn columns_of_bins(&self) -> Result<Vec<ColumnOfBins>> {
        let recording = self.recording;
        let bins = recording.expected().bins;
        let mut out = Vec::new();
        let mut names: Vec<(bool, &str)> = Vec::new();
        for kind in TrialType::ALL {
            let masks = recording.mask_names(kind).map(|name| (true, name));
            let behaviors = recording.behavior_names(kind).map(|name| (false, name));
            for name in masks.chain(behaviors) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        for (is_mask, name) in names {
            let mut values = vec![f64::NAN; self.rows.len() * bins];
            for kind in TrialType::ALL {
                let of: Vec<f64> = if is_mask {
                    let Ok(mask) = recording.mask(kind, name) else {
                        continue;
                    };
                    let inside = mask.as_slice().iter();
                    inside.map(|&inside| f64::from(u8::from(inside))).collect()
                } else {
                    let Ok(values) = recording.behavior(kind, name) else {
                        continue;
                    };
                    values.as_slice().to_vec()
                };
                for (at, row) in self
                    .rows
                    .iter()
                    .enumerate()
                    .filter(|(_, row)| row.kind == kind)
                {
                    let from = &of[row.condition * bins..(row.condition + 1) * bins];
                    values[at * bins..(at + 1) * bins].copy_from_slice(from);
                }
            }
            let (prefix, unit) = match is_mask {
                true => ("mask", Some("1 inside")),
                false => ("behavior", behavior_unit(name)),
            };
            out.push((format!("{prefix}_{name}"), values, unit));
        }
        Ok(out)
    }

    /// Rates of every unit that some array has; NaN where one lacks it.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_wrap,
        reason = "counts of units"
    )]
    fn units(&self, group: &mut GroupBuilder) -> Result<()> {
        let recording = self.recording;
        let axis = recording.axis();
        let bins = axis.n_bins;
        // Rows of the table of units, where the recording says them: halves may hold others than the mean.
        let ids_of = |kind, half, units: usize| -> Vec<i64> {
            let stated = recording.unit_ids(kind, half).map(<[i64]>::to_vec);
            stated.unwrap_or_else(|| (0..units as i64).collect())
        };
        let mut arrays = Vec::new();
        let mut ids = BTreeSet::new();
        for (kind, population, half) in recording.available() {
            if population == Population::All {
                let responses = recording.responses(kind, population, half)?;
                let of = ids_of(kind, half, responses.units());
                ids.extend(&of);
                arrays.push((kind, half, of, responses));
            }
        }
        let ids: Vec<i64> = ids.into_iter().collect();
        let shape = vec![ids.len() as u64, self.rows.len() as u64, bins as u64];
        let mut table = self.table(group, "units");
        for (name, half) in RATES {
            if !arrays.iter().any(|(_, of, ..)| *of == half) {
                continue;
            }
            let mut values = vec![f64::NAN; ids.len() * self.rows.len() * bins];
            for (kind, _, of, responses) in arrays.iter().filter(|(_, of, ..)| *of == half) {
                for (unit, id) in of.iter().enumerate() {
                    let Ok(place) = ids.binary_search(id) else {
                        continue;
                    };
                    let rows = self.rows.iter().enumerate();
                    for (at, row) in rows.filter(|(_, row)| row.kind == *kind) {
                        let from = &responses.unit(unit)[row.condition * bins..][..bins];
                        let to = (place * self.rows.len() + at) * bins;
                        values[to..to + bins].copy_from_slice(from);
                    }
                }
            }
            let more = [
                ("unit", text("spikes/ms")),
                ("bin_ms", AttrValue::F64(axis.bin_ms)),
                ("first_bin_ms", AttrValue::F64(axis.first_bin_ms)),
            ];
            let about = match half {
                Half::Full => {
                    "mean rate [unit, trial, bin] of all trials of the row of /intervals/trials"
                }
                _ => "the same of one half of the trials",
            };
            table.column(name, about, &Cell::Numbers(&values, shape.clone()), &more);
        }
        if let Some(meta) = recording.table("neural_meta") {
            let row = |id: &i64| usize::try_from(*id).ok().filter(|&row| row < meta.rows);
            let rows: Option<Vec<usize>> = ids.iter().map(row).collect();
            for name in ["animal", "session"] {
                let (Some(rows), Some(texts)) = (&rows, meta.texts(name)) else {
                    continue;
                };
                let of = rows.iter().map(|&row| texts[row].as_deref().unwrap_or(""));
                table.column(name, "of the unit", &Cell::Texts(of.collect()), &[]);
            }
        }
        table.finish("Units", "units, and their mean responses", &ids);
        Ok(())
    }
}
