//! Arrays of conditions, channels and times in the layouts of other programs: an assembly of Brain-Score, and a temporal
//! dataset of rsatoolbox.
//!
//! Sources: brainscore_core 2.5, `brainio.assemblies` (an assembly is an xarray `DataArray` with the axes `presentation`,
//! `neuroid`, `time_bin`, read by `xarray.open_dataarray`); rsatoolbox 0.3, `io.hdf5` (a dataset is its dictionary as groups,
//! arrays and attributes of an HDF5 file).

use std::path::Path;

use hdf5_pure::{AttrValue, FileBuilder};
use mental_pong_base::files::write_atomic;

use crate::error::{Error, Result};
use crate::labelled::{Labelled, Said, Values, Variable};

#[allow(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn broken(error: impl std::fmt::Display) -> Error {
    Error::format("HDF5", None, error.to_string())
}

/// What one channel gives in one condition and time.
pub struct Observations<'a> {
    /// What the values are, as `responses`.
    pub name: &'a str,
    /// Unit of the values, where they have one.
    pub unit: Option<&'a str>,
    /// `[condition]`: the ids.
    pub conditions: Vec<String>,
    /// `[channel]`: the names.
    pub channels: Vec<String>,
    /// `[time]`: start and end, ms from motion onset.
    pub times_ms: Vec<[f64; 2]>,
    /// `[condition, channel, time]`, row-major; NaN where there is none.
    pub values: Vec<f64>,
    /// What is said of the whole: the set, whether it is simulated.
    pub said: Vec<(String, String)>,
}

impl Observations<'_> {
    /// Writes an assembly that `NeuroidAssembly.from_files` of Brain-Score opens: NetCDF with one array `[presentation, neuroid,
    /// time_bin]` and the coordinates `stimulus_id`, `neuroid_id`, `time_bin_start`, `time_bin_end` (ms).
    ///
    /// # Errors
    /// As [`Labelled::write_netcdf`].
    pub fn write_assembly(self, path: &Path) -> Result<()> {
        let variable = |name: &str, axes: &[&str], values| Variable {
            name: name.into(),
            axes: axes.iter().map(|axis| (*axis).to_owned()).collect(),
            values,
            attributes: Vec::new(),
        };
        let times = |end: usize| self.times_ms.iter().map(|t| t[end]).collect();
        let (starts, ends): (Vec<f64>, Vec<f64>) = (times(0), times(1));
        let repetitions = vec![0; self.conditions.len()];
        let axes = vec![
            ("presentation".into(), self.conditions.len()),
            ("neuroid".into(), self.channels.len()),
            ("time_bin".into(), self.times_ms.len()),
        ];
        let all = ["presentation", "neuroid", "time_bin"];
        let mut values = variable(self.name, &all, Values::Floats(self.values));
        let names = "stimulus_id repetition neuroid_id time_bin_start time_bin_end";
        values.attributes = vec![("coordinates".into(), names.into())];
        if let Some(unit) = self.unit {
            values.attributes.push(("units".into(), unit.into()));
        }
        let said = self.said.into_iter().map(|(k, v)| (k, Said::Text(v)));
        values.attributes.extend(said);
        Labelled {
            axes,
            variables: vec![
                variable("stimulus_id", &all[..1], Values::Texts(self.conditions)),
                variable("repetition", &all[..1], Values::Ints(repetitions)),
                variable("neuroid_id", &all[1..2], Values::Texts(self.channels)),
                variable("time_bin_start", &all[2..], Values::Floats(starts)),
                variable("time_bin_end", &all[2..], Values::Floats(ends)),
                values,
            ],
            ..Labelled::default()
        }
        .write_netcdf(path)
    }

    /// Writes a `TemporalDataset` that `rsatoolbox.data.load_dataset` opens: observations are conditions, channels are units,
    /// times are the middles in seconds.
    ///
    /// # Errors
    /// [`Error::Format`] where the file cannot be made, [`Error::Io`] where it cannot be written.
    pub fn write_rsatoolbox(&self, path: &Path) -> Result<()> {
        let mut file = FileBuilder::new();
        let text = |text: &str| AttrValue::VarLenString(text.to_owned());
        file.set_attr("type", text("TemporalDataset"));
        let shape = [
            self.conditions.len(),
            self.channels.len(),
            self.times_ms.len(),
        ];
        let shape = shape.map(|n| n as u64);
        let values = file.create_dataset("measurements");
        values.with_f64_data(&self.values).with_shape(&shape);
        let mut about = file.create_group("descriptors");
        about.set_attr("measurement", text(self.name));
        for (name, value) in self.said.iter().map(|(k, v)| (&**k, &**v)) {
            about.set_attr(name, text(value));
        }
        if let Some(unit) = self.unit {
            about.set_attr("unit", text(unit));
        }
        file.add_group(about.finish());
        for (group, name, texts) in [
            ("obs_descriptors", "condition", &self.conditions),
            ("channel_descriptors", "unit", &self.channels),
        ] {
            let mut group = file.create_group(group);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let dataset = group.create_dataset(name);
            dataset.with_strings(&texts).map_err(broken)?;
            file.add_group(group.finish());
        }
        let mut times = file.create_group("time_descriptors");
        let middles: Vec<f64> = (self.times_ms.iter().map(|[a, b]| 0.0005 * (a + b))).collect();
        let axis = times.create_dataset("time");
        axis.with_f64_data(&middles).with_shape(&shape[2..]);
        file.add_group(times.finish());
        let bytes = file.finish();
        let bytes = bytes.map_err(broken)?;
        Ok(write_atomic(path, |out| out.write_all(&bytes))?)
    }
}
