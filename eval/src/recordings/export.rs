//! Recordings for other programs: arrays with named axes (NetCDF, Zarr), a long table (Parquet), arrays of numpy.
//!
//! The labelled arrays have the axes `unit`, `condition`, `bin`, the ids of the conditions and the times of the bins on
//! them, and the set of conditions as attributes. Read back, they are a recording again.

use std::path::Path;

use mental_pong_base::files::write_atomic;
use mental_pong_formats::exchange::Observations;
use mental_pong_formats::labelled::{Labelled, Said, Values, Variable};
use mental_pong_formats::parquet;
use mental_pong_formats::table::{Cells, Table};

use crate::error::{Error, Result};

use super::dmfc::{Half, Population, Recording, TrialType, behavior_unit};
use super::{convert, npz};

/// Write a recording in the layout that the name of `path` asks for: `.nc` (NetCDF), `.zarr`, `.parquet` (long table),
/// `.npz`, `.mat` (MAT v5), `.nwb`, `.assembly.nc` (Brain-Score) and `.h5` (rsatoolbox) the means alone, else the folder of
/// [`convert`].
///
/// [`Error::Invalid`] for a path that is there already, [`Error::Formats`] and [`Error::File`] where it cannot be written.
pub fn write(recording: &Recording, path: &Path) -> Result<()> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    if path.exists() && !extension.is_empty() {
        let why = "it is there already; a recording is not overwritten";
        return Err(Error::invalid(path.display().to_string(), why));
    }
    match extension {
        // A name within a name: what stands in the file is for Brain-Score.
        "nc" if path
            .file_stem()
            .is_some_and(|s| Path::new(s).extension() == Some("assembly".as_ref())) =>
        {
            Ok(observations(recording)?.write_assembly(path)?)
        }
        "h5" => Ok(observations(recording)?.write_rsatoolbox(path)?),
        "nc" => Ok(labelled(recording)?.write_netcdf(path)?),
        "zarr" => Ok(labelled(recording)?.write_zarr(path)?),
        "nwb" => super::nwb::write(recording, path),
        "npz" | "mat" => npz::write_recording(path, recording, Vec::new()),
        "parquet" => {
            let bytes = parquet::to_bytes(&long(recording)?)?;
            Ok(write_atomic(path, |out| out.write_all(&bytes))?)
        }
        _ => convert::write(recording, path).map(drop),
    }
}

/// Means over all occluded trials, of all units.
fn observations(recording: &Recording) -> Result<Observations<'static>> {
    let responses = recording.responses(TrialType::Occ, Population::All, Half::Full)?;
    let (axis, [units, conditions, bins]) = (
        recording.axis(),
        [responses.units(), responses.conditions(), responses.bins()],
    );
    let ids = recording.condition_ids();
    let ids = ids.ok_or_else(|| Error::field("condition_ids", "ids of the conditions", "none"))?;
    let mut values = Vec::with_capacity(units * conditions * bins);
    for c in 0..conditions {
        for u in 0..units {
            values.extend((0..bins).map(|b| responses.get(u, c, b)));
        }
    }
    let mut said = Vec::new();
    if let Some(set) = recording.set() {
        let set = set.identity();
        said.extend([
            ("set_name".into(), set.name),
            ("set_sha256".into(), set.sha256),
        ]);
    }
    if recording.synthetic() == Some(true) {
        said.push(("synthetic".into(), "true".into()));
    }
    Ok(Observations {
        name: "responses",
        unit: Some("spikes/ms"),
        conditions: ids.to_vec(),
        channels: (0..units).map(|u| u.to_string()).collect(),
        times_ms: (0..bins)
            .map(|b| [axis.start_ms(b), axis.end_ms(b)])
            .collect(),
        values,
        said,
    })
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, Said)> {
    let owned = pairs.iter().map(|(k, v)| ((*k).to_owned(), Said::from(*v)));
    owned.collect()
}

fn variable(
    name: &str,
    axes: &[&str],
    values: Values<'static>,
    attributes: &[(&str, &str)],
) -> Variable<'static> {
    Variable {
        name: name.into(),
        axes: axes.iter().map(|name| (*name).to_owned()).collect(),
        values,
        attributes: said(attributes),
    }
}

/// The responses of all units, masks and behaviour of occluded trials.
pub fn labelled(recording: &Recording) -> Result<Labelled<'static>> {
    let kind = TrialType::Occ;
    let axis = recording.axis();
    let expected = recording.expected();
    let title = "trial-averaged responses in the Mental-Pong task";
    let mut attributes = said(&[("title", title), ("response_unit", "spikes/ms")]);
    if recording.synthetic() == Some(true) {
        attributes.extend(said(&[("synthetic", "true")]));
    }
    if let Some(set) = recording.set() {
        let set = set.identity();
        let of = [("set_name", &*set.name), ("set_sha256", &*set.sha256)];
        attributes.extend(said(&of));
    }
    let ids = match recording.condition_ids() {
        Some(ids) => ids.to_vec(),
        None => (0..expected.conditions).map(|c| c.to_string()).collect(),
    };
    let starts = (0..axis.n_bins).map(|b| axis.start_ms(b)).collect();
    let of_ids = [("long_name", "id of the condition in its set")];
    let of_bins = [
        ("units", "ms"),
        ("long_name", "start of the bin after motion onset"),
    ];
    let ms = [("units", "ms")];
    let one = |value: f64| Values::Floats(vec![value]);
    let mut out = Labelled {
        axes: vec![
            ("condition".into(), expected.conditions),
            ("bin".into(), expected.bins),
        ],
        variables: vec![
            variable("condition", &["condition"], Values::Texts(ids), &of_ids),
            variable("bin", &["bin"], Values::Floats(starts), &of_bins),
            variable("bin_ms", &[], one(axis.bin_ms), &ms),
            variable("first_bin_ms", &[], one(axis.first_bin_ms), &ms),
        ],
        attributes,
        records: None,
    };
    for (half, name) in Half::ALL
        .into_iter()
        .zip(["responses", "responses_sh1", "responses_sh2"])
    {
        if !recording.has(kind, Population::All, half) {
            continue;
        }
        let values = recording.responses(kind, Population::All, half)?;
        // Halves of the release may hold other units than the mean.
        let unit = match out.axes.iter().find(|(of, _)| of == "unit") {
            Some((_, units)) if *units != values.units() => format!("unit_{name}"),
            _ => "unit".into(),
        };
        if !out.axes.iter().any(|(of, _)| *of == unit) {
            out.axes.push((unit.clone(), values.units()));
        }
        let axes = [&*unit, "condition", "bin"];
        let values = Values::Floats(values.as_slice().to_vec());
        let unit = [("units", "spikes/ms")];
        out.variables.push(variable(name, &axes, values, &unit));
    }
    let axes = ["condition", "bin"];
    for name in recording
        .mask_names(kind)
        .filter(|name| name.ends_with("_pad0"))
    {
        let inside = recording.mask(kind, name)?.as_slice().iter();
        let values = Values::Bytes(inside.map(|&inside| i8::from(inside)).collect());
        let name = format!("mask_{name}");
        out.variables.push(variable(&name, &axes, values, &[]));
    }
    for name in recording.behavior_names(kind) {
        let values = recording.behavior(kind, name)?;
        let values = Values::Floats(values.as_slice().to_vec());
        let unit = behavior_unit(name).map(|unit| ("units", unit));
        let name = format!("behavior_{name}");
        out.variables
            .push(variable(&name, &axes, values, unit.as_slice()));
    }
    Ok(out)
}

/// One row for each unit, condition and bin, as [`super::long`] reads it.
fn long(recording: &Recording) -> Result<Table> {
    let ids = recording
        .condition_ids()
        .ok_or_else(|| Error::field("condition_ids", "ids of the conditions", "none"))?;
    let [mut unit, mut bin, mut value]: [Vec<f64>; 3] = Default::default();
    let [mut condition, mut half_name, mut kind_name]: [Vec<Option<String>>; 3] =
        Default::default();
    for (kind, population, half) in recording.available() {
        if population != Population::All {
            continue;
        }
        let responses = recording.responses(kind, population, half)?;
        let name = match half {
            Half::Full => "full",
            Half::Sh1 => "sh1",
            Half::Sh2 => "sh2",
        };
        #[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        for u in 0..responses.units() {
            for (c, id) in ids.iter().enumerate() {
                for b in 0..responses.bins() {
                    unit.push(u as f64);
                    bin.push(b as f64);
                    value.push(responses.get(u, c, b));
                    condition.push(Some(id.clone()));
                    half_name.push(Some(name.into()));
                    kind_name.push(Some(kind.key().into()));
                }
            }
        }
    }
    let rows = unit.len();
    let axis = recording.axis();
    let mut columns = vec![
        ("unit".into(), Cells::Numbers(unit)),
        ("condition".into(), Cells::Texts(condition)),
        ("bin".into(), Cells::Numbers(bin)),
        ("value".into(), Cells::Numbers(value)),
        ("half".into(), Cells::Texts(half_name)),
        ("trial_type".into(), Cells::Texts(kind_name)),
        ("bin_ms".into(), Cells::Numbers(vec![axis.bin_ms; rows])),
        (
            "first_bin_ms".into(),
            Cells::Numbers(vec![axis.first_bin_ms; rows]),
        ),
    ];
    if let Some(set) = recording.set() {
        let set = set.identity();
        columns.push(("set_name".into(), Cells::Texts(vec![Some(set.name); rows])));
        columns.push((
            "set_sha256".into(),
            Cells::Texts(vec![Some(set.sha256); rows]),
        ));
    }
    if recording.synthetic() == Some(true) {
        columns.push(("synthetic".into(), Cells::Numbers(vec![1.0; rows])));
    }
    Ok(Table {
        rows,
        has_index: false,
        columns,
    })
}
