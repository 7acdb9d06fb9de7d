//! Recordings for other programs: arrays with named axes (NetCDF, Zarr), a long table (Parquet), arrays of numpy.
//!
//! The labelled arrays have the axes `unit`, `condition`, `bin`, the ids of the conditions and the times of the bins on
//! them, and the set of conditions as attributes. Read back, they are a recording again.

use std::path::Path;

use mental_pong_base::files::write_atomic;
use mental_pong_formats::labelled::{Labelled, Values, Variable};
use mental_pong_formats::parquet;
use mental_pong_formats::table::{Cells, Table};

use crate::error::{Error, Result};

use super::dmfc::{Half, Population, Recording, TrialType, behavior_unit};
use super::{convert, npz};

/// Write a recording in the layout that the name of `path` asks for: `.nc` (NetCDF), `.zarr`, `.parquet` (long table),
/// `.npz`, else the folder of [`convert`].
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
        "nc" => Ok(labelled(recording)?.write_netcdf(path)?),
        "zarr" => Ok(labelled(recording)?.write_zarr(path)?),
        "nwb" => super::nwb::write(recording, path),
        "npz" => npz::write_recording(path, recording, Vec::new()),
        "parquet" => {
            let bytes = parquet::to_bytes(&long(recording)?)?;
            Ok(write_atomic(path, |out| out.write_all(&bytes))?)
        }
        _ => convert::write(recording, path).map(drop),
    }
}

/// The responses of all units, masks and behaviour of occluded trials.
pub fn labelled(recording: &Recording) -> Result<Labelled> {
    let kind = TrialType::Occ;
    let axis = recording.axis();
    let expected = recording.expected();
    let axes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let said = |pairs: &[(&str, &str)]| {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect::<Vec<_>>()
    };
    let mut out = Labelled {
        axes: vec![
            ("condition".into(), expected.conditions),
            ("bin".into(), expected.bins),
        ],
        variables: Vec::new(),
        attributes: said(&[("title", "trial-averaged responses in the Mental-Pong task")]),
    };
    if recording.synthetic() == Some(true) {
        out.attributes.extend(said(&[("synthetic", "true")]));
    }
    if let Some(set) = recording.set() {
        let set = set.identity();
        out.attributes.extend(said(&[
            ("set_name", &set.name),
            ("set_sha256", &set.sha256),
        ]));
    }
    let ids = match recording.condition_ids() {
        Some(ids) => ids.to_vec(),
        None => (0..expected.conditions).map(|c| c.to_string()).collect(),
    };
    out.variables.push(Variable {
        name: "condition".into(),
        axes: axes(&["condition"]),
        values: Values::Texts(ids),
        attributes: said(&[("long_name", "id of the condition in its set")]),
    });
    out.variables.push(Variable {
        name: "bin".into(),
        axes: axes(&["bin"]),
        values: Values::Floats((0..axis.n_bins).map(|b| axis.start_ms(b)).collect()),
        attributes: said(&[
            ("units", "ms"),
            ("long_name", "start of the bin after motion onset"),
        ]),
    });
    for (name, value) in [("bin_ms", axis.bin_ms), ("first_bin_ms", axis.first_bin_ms)] {
        out.variables.push(Variable {
            name: name.into(),
            axes: Vec::new(),
            values: Values::Floats(vec![value]),
            attributes: said(&[("units", "ms")]),
        });
    }
    out.attributes
        .extend(said(&[("response_unit", "spikes/ms")]));
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
        out.variables.push(Variable {
            name: name.into(),
            axes: axes(&[&*unit, "condition", "bin"]),
            values: Values::Floats(values.as_slice().to_vec()),
            attributes: said(&[("units", "spikes/ms")]),
        });
    }
    for name in recording
        .mask_names(kind)
        .filter(|name| name.ends_with("_pad0"))
    {
        let mask = recording.mask(kind, name)?.as_slice();
        out.variables.push(Variable {
            name: format!("mask_{name}"),
            axes: axes(&["condition", "bin"]),
            values: Values::Bytes(mask.iter().map(|&inside| i8::from(inside)).collect()),
            attributes: Vec::new(),
        });
    }
    for name in recording.behavior_names(kind) {
        let values = recording.behavior(kind, name)?;
        out.variables.push(Variable {
            name: format!("behavior_{name}"),
            axes: axes(&["condition", "bin"]),
            values: Values::Floats(values.as_slice().to_vec()),
            attributes: behavior_unit(name).map_or_else(Vec::new, |unit| said(&[("units", unit)])),
        });
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
