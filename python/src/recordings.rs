//! Recordings.

use std::path::PathBuf;

use mental_pong_eval::error::Error as EvalError;
use mental_pong_eval::recordings::arrays::RateUnit;
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, TrialType};
use mental_pong_eval::recordings::info::Info;
use mental_pong_eval::recordings::mapping::Mapping;
use mental_pong_eval::recordings::simulate::{self as simulated, Settings};
use mental_pong_eval::recordings::{Missing, export};
use mental_pong_game::task::ConditionSet;
use mental_pong_study::Reading;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::depythonize;

use crate::convert::object;
use crate::error::{raised, refused};
use crate::sets::{PySet, set_of};
use crate::work::work;

/// Trial-averaged responses of units, and what they are of; :class:`mental_pong.Recording` has the documentation.
#[pyclass(frozen, module = "mental_pong", name = "Recording", subclass)]
pub(crate) struct PyRecording {
    pub(crate) recording: Recording,
    pub(crate) path: PathBuf,
    /// How it was read.
    pub(crate) reading: Reading,
    /// The conditions that it was said to be of.
    said: Option<PySet>,
}

impl PyRecording {
    pub(crate) fn said(&self) -> Option<PySet> {
        self.said.clone()
    }
}

fn trial_type(name: &str) -> PyResult<TrialType> {
    TrialType::named(name).ok_or_else(|| refused("trials", "occ or vis", name))
}

fn half_of(name: &str) -> PyResult<Half> {
    match name {
        "full" => Ok(Half::Full),
        "sh1" => Ok(Half::Sh1),
        "sh2" => Ok(Half::Sh2),
        other => Err(refused("half", "full, sh1 or sh2", other)),
    }
}

fn population_of(given: &Bound<'_, PyAny>) -> PyResult<Population> {
    if let Ok(factors) = given.extract::<usize>() {
        return Ok(Population::Factors(factors));
    }
    match given.extract::<String>()?.as_str() {
        "all" => Ok(Population::All),
        "reliable" => Ok(Population::Reliable),
        other => Err(refused(
            "population",
            "all, reliable or a number of factors",
            other,
        )),
    }
}

/// A mapping: the path of a file, or its entries.
fn mapping_of(given: &Bound<'_, PyAny>) -> PyResult<Mapping> {
    if let Ok(path) = given.extract::<PathBuf>() {
        return Mapping::open(&path).map_err(raised);
    }
    depythonize(given)
        .map_err(|e| refused("mapping", "a path, or entries of a mapping", e.to_string()))
}

fn unit_of(given: &Bound<'_, PyAny>) -> PyResult<RateUnit> {
    depythonize(given).map_err(|e| {
        refused(
            "response_unit",
            "spikes/ms, Hz or spikes/bin",
            e.to_string(),
        )
    })
}

#[pymethods]
impl PyRecording {
    /// Opens a recording of any of the formats that are read.
    #[new]
    #[pyo3(signature = (path, *, conditions=None, mapping=None, missing="refuse", rebin_ms=None, response_unit=None, progress=None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        conditions: Option<&Bound<'_, PyAny>>,
        mapping: Option<&Bound<'_, PyAny>>,
        missing: &str,
        rebin_ms: Option<f64>,
        response_unit: Option<&Bound<'_, PyAny>>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mapping = match mapping {
            Some(given) => mapping_of(given)?,
            None => Mapping::default(),
        };
        let reading = Reading {
            mapping,
            missing: match missing {
                "refuse" => Missing::Refuse,
                "drop-units" => Missing::DropUnits,
                "drop-conditions" => Missing::DropConditions,
                "impute" => Missing::Impute,
                other => {
                    let expected = "refuse, drop-units, drop-conditions or impute";
                    return Err(refused("missing", expected, other));
                }
            },
            rebin_ms,
            response_unit: response_unit.map(unit_of).transpose()?,
            ..Reading::default()
        };
        let said = conditions.map(set_of).transpose()?;
        let opening = reading.opening(said.as_ref().map(|said| said.set.clone()));
        let from = path.clone();
        let recording = work(py, progress, move |monitor| {
            Recording::open_as(&from, &opening, monitor)
        })?;
        Ok(Self {
            recording,
            path,
            reading,
            said,
        })
    }

    /// The file that it was read from. Of a recording of arrays it is there as long as the object: copy it to keep it.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// What it holds, as ``mpong recordings info --json`` says it.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let recording = self.recording.clone();
        let info = work(py, None, move |_| Info::of(&recording))?;
        object(py, &info)
    }

    /// The conditions, in the order of the arrays.
    #[getter]
    fn ids(&self) -> Option<Vec<String>> {
        self.recording.condition_ids().map(<[String]>::to_vec)
    }

    /// The conditions as a :class:`ConditionSet`, None where nobody said whose they are.
    #[getter]
    fn conditions(&self) -> PyResult<Option<PySet>> {
        let Some(set) = self.recording.set() else {
            return Ok(None);
        };
        let found = || PySet::found(set.clone());
        let of = self.said.clone().unwrap_or_else(found);
        match self.recording.condition_ids() {
            Some(ids) => of.narrowed(ids).map(Some),
            None => Ok(Some(of)),
        }
    }

    /// The hash of the set that the conditions are of.
    #[getter]
    fn set_sha256(&self) -> Option<&str> {
        self.recording.set().map(ConditionSet::sha256)
    }

    /// The name of the set that the conditions are of.
    #[getter]
    fn set_name(&self) -> Option<&str> {
        self.recording.set().map(ConditionSet::name)
    }

    /// Length of a bin, milliseconds.
    #[getter]
    fn bin_ms(&self) -> f64 {
        self.recording.axis().bin_ms
    }

    /// Left edge of bin 0, milliseconds from motion onset.
    #[getter]
    fn first_bin_ms(&self) -> f64 {
        self.recording.axis().first_bin_ms
    }

    /// Whether the data are invented, None where the file does not say.
    #[getter]
    fn synthetic(&self) -> Option<bool> {
        self.recording.synthetic()
    }

    /// What responses there are: trials (``occ``, ``vis``), population (``all``, ``reliable``, a number of factors), half (``full``,
    /// ``sh1``, ``sh2``).
    #[getter]
    fn available(&self) -> Vec<(&'static str, String, &'static str)> {
        let half = |half| match half {
            Half::Full => "full",
            Half::Sh1 => "sh1",
            Half::Sh2 => "sh2",
        };
        let population = |of| match of {
            Population::All => "all".to_owned(),
            Population::Reliable => "reliable".to_owned(),
            Population::Factors(n) => n.to_string(),
        };
        self.recording
            .available()
            .map(|(trials, of, h)| (trials.key(), population(of), half(h)))
            .collect()
    }

    /// Responses of a kind.
    ///
    /// Parameters
    /// ----------
    /// trials : {"occ", "vis"}
    ///     Trials with the occluder, or without.
    /// population : {"all", "reliable"} or int, optional
    ///     Which units, or how many factors; all units without it.
    /// half : {"full", "sh1", "sh2"}
    ///     Mean over all trials, or over one half of them.
    ///
    /// Returns
    /// -------
    /// array, shape (unit, condition, bin)
    ///     float64, spikes/ms; NaN where a bin is beyond the trial.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For a kind that is not there.
    #[pyo3(signature = (trials="occ", *, population=None, half="full"))]
    fn responses<'py>(
        &self,
        py: Python<'py>,
        trials: &str,
        population: Option<&Bound<'py, PyAny>>,
        half: &str,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let population = match population {
            Some(given) => population_of(given)?,
            None => Population::All,
        };
        let (trials, half) = (trial_type(trials)?, half_of(half)?);
        let found = self.recording.responses(trials, population, half);
        let found = found.map_err(raised)?;
        let shape = [found.units(), found.conditions(), found.bins()];
        found.as_slice().to_vec().into_pyarray(py).reshape(shape)
    }

    /// Names of the masks.
    ///
    /// Parameters
    /// ----------
    /// trials : {"occ", "vis"}
    ///     Which trials.
    ///
    /// Returns
    /// -------
    /// list of str
    #[pyo3(signature = (trials="occ"))]
    fn masks(&self, trials: &str) -> PyResult<Vec<String>> {
        let names = self.recording.mask_names(trial_type(trials)?);
        Ok(names.map(str::to_owned).collect())
    }

    /// A mask.
    ///
    /// Parameters
    /// ----------
    /// name : str
    ///     Which (:meth:`masks`): ``start_end_pad0`` from motion onset to the end, ``occ_end_pad0`` while the ball is hidden, …
    /// trials : {"occ", "vis"}
    ///     Which trials.
    ///
    /// Returns
    /// -------
    /// array, shape (condition, bin)
    ///     bool.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For a name that is not there.
    #[pyo3(signature = (name, trials="occ"))]
    fn mask<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        trials: &str,
    ) -> PyResult<Bound<'py, PyArray2<bool>>> {
        let mask = self
            .recording
            .mask(trial_type(trials)?, name)
            .map_err(raised)?;
        let shape = [mask.conditions(), mask.bins()];
        mask.as_slice().to_vec().into_pyarray(py).reshape(shape)
    }

    /// ``[unit]`` int64: places of the units that the file calls reliable, None where it says nothing.
    ///
    /// Parameters
    /// ----------
    /// trials : {"occ", "vis"}
    ///     Which trials.
    ///
    /// Returns
    /// -------
    /// array or None
    #[pyo3(signature = (trials="occ"))]
    fn reliable<'py>(
        &self,
        py: Python<'py>,
        trials: &str,
    ) -> PyResult<Option<Bound<'py, PyArray1<i64>>>> {
        let units = self.recording.reliable_units(trial_type(trials)?);
        Ok(units.map(|units| {
            let units: Vec<i64> = units.iter().map(|u| *u as i64).collect();
            units.into_pyarray(py)
        }))
    }

    /// Write it to a file.
    ///
    /// Parameters
    /// ----------
    /// path : path
    ///     A name that ends in ``.npz``, ``.nc``, ``.zarr``, ``.parquet`` or ``.nwb``; any other is a folder of arrays.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For a path that is there already, or cannot be written.
    fn write(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let recording = self.recording.clone();
        work(py, None, move |_| export::write(&recording, &path))
    }

    fn __repr__(&self) -> String {
        let expected = self.recording.expected();
        format!(
            "<Recording {}: {} conditions of {}, {} bins of {} ms from {} ms>",
            self.path.display(),
            expected.conditions,
            self.set_name().unwrap_or("no set"),
            expected.bins,
            expected.bin_ms,
            self.recording.first_bin_ms()
        )
    }
}

/// Simulate a recording into a file and give the path of its truth; see :func:`mental_pong.simulate`.
#[pyfunction]
#[pyo3(signature = (path, conditions, settings))]
pub(crate) fn simulate(
    py: Python<'_>,
    path: PathBuf,
    conditions: &Bound<'_, PyAny>,
    settings: &Bound<'_, PyDict>,
) -> PyResult<PathBuf> {
    let set = set_of(conditions)?.set;
    let settings: Settings = depythonize(settings)?;
    work(py, None, move |monitor| {
        let made = simulated::simulate(&settings, &set, monitor)?;
        if monitor.stopped() {
            return Err(EvalError::Interrupted);
        }
        made.write(&path)
    })
}
