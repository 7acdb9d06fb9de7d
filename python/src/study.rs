//! Studies.

use std::path::PathBuf;
use std::sync::Arc;

use mental_pong_predictor::latents::Cache;
use mental_pong_study::card::Role;
use mental_pong_study::error::Error as StudyError;
use mental_pong_study::inputs::{file_name, sha256_path};
use mental_pong_study::report::write_texts;
use mental_pong_study::{
    Asked, Held, Inputs, Request, Study, StudyConfig, analysis, evaluate as study,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::depythonize;

use crate::convert::object;
use crate::error::{raised, refused};
use crate::latents::PyLatents;
use crate::recordings::PyRecording;
use crate::sets::PySet;
use crate::work::work;

/// A finished study, as texts; :class:`mental_pong.Result` shows it.
#[pyclass(frozen, module = "mental_pong._native", name = "Study")]
pub(crate) struct PyStudy {
    study: Arc<Study>,
}

#[pymethods]
impl PyStudy {
    /// Names of all files.
    #[getter]
    fn files(&self) -> Vec<&str> {
        self.study
            .files
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The text of a file. :class:`Error` for a name that is not there.
    fn file(&self, name: &str) -> PyResult<&str> {
        let expected = || format!("one of {}", self.files().join(", "));
        self.study
            .file(name)
            .ok_or_else(|| refused("file", expected(), name))
    }

    /// Every score, with the names of the card, a dict each.
    fn scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sections = self.study.card.sections.iter();
        let scores: Vec<_> = sections.flat_map(|section| &section.scores).collect();
        object(py, &scores)
    }

    /// Whether every validity check said yes.
    #[getter]
    fn passed(&self) -> bool {
        self.study.card.passed()
    }

    /// Write all files below a folder. :class:`Error` naming what cannot be written.
    fn write(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        let study = Arc::clone(&self.study);
        work(py, None, move |_| write_texts(&study.files, &folder))
    }
}

/// A set, or what the command line calls one.
#[derive(FromPyObject)]
enum Conditions {
    Set(PySet),
    Spec(String),
}

/// Latents at hand, or a file of them.
#[derive(FromPyObject)]
enum GivenLatents {
    Held(Py<PyLatents>),
    File(PathBuf),
}

/// A recording that is open, or a file.
#[derive(FromPyObject)]
enum GivenRecording {
    Open(Py<PyRecording>),
    File(PathBuf),
}

/// What goes into a study, by what it is.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Given {
    conditions: Option<Conditions>,
    ids: Vec<String>,
    models: Vec<String>,
    no_models: bool,
    columns: Option<String>,
    allow_missing: bool,
    recording: Option<GivenRecording>,
    other_recording: Option<GivenRecording>,
    latents: Vec<(String, GivenLatents)>,
    behavior: Vec<(String, PathBuf)>,
    attributes: Option<PathBuf>,
    contact: Option<PathBuf>,
}

impl Given {
    fn request(self, py: Python<'_>) -> PyResult<Request> {
        let mut request = Request {
            asked: Asked {
                models: self.models,
                no_models: self.no_models,
                columns: self.columns,
                allow_missing: self.allow_missing,
                ..Asked::default()
            },
            behavior: self.behavior,
            attributes: self.attributes,
            contact: self.contact,
            ..Request::default()
        };
        let conditions = match (self.conditions, &self.recording) {
            (None, Some(GivenRecording::Open(open))) => open.get().said().map(Conditions::Set),
            (said, _) => said,
        };
        match conditions {
            Some(Conditions::Set(set)) => {
                let (name, ids, held) = set.asked()?;
                request.asked.ids = ids;
                if let Some(set) = held {
                    request.hold(Role::Conditions, &name, String::new(), Held::Set(set));
                }
                request.asked.conditions = Some(name);
            }
            Some(Conditions::Spec(name)) => request.asked.conditions = Some(name),
            None => {}
        }
        if !self.ids.is_empty() {
            request.asked.ids = self.ids;
        }
        request.recording = recording(&mut request, Role::Recording, self.recording)?;
        request.other_recording =
            recording(&mut request, Role::OtherRecording, self.other_recording)?;
        for (name, given) in self.latents {
            let path = match given {
                GivenLatents::File(path) => path,
                GivenLatents::Held(latents) => match latents.get().held(py)? {
                    Err(source) => source,
                    Ok((latents, sha256)) => {
                        request.hold(Role::Latents, &name, sha256, Held::Latents(latents));
                        PathBuf::from(format!("{name}.npz"))
                    }
                },
            };
            request.latents.push((name, path));
        }
        Ok(request)
    }
}

/// The path of a recording; one that is open is handed on, with how it was read.
fn recording(
    request: &mut Request,
    role: Role,
    given: Option<GivenRecording>,
) -> PyResult<Option<PathBuf>> {
    let open = match given {
        None => return Ok(None),
        Some(GivenRecording::File(path)) => return Ok(Some(path)),
        Some(GivenRecording::Open(open)) => open,
    };
    let open = open.get();
    let first = !request
        .held
        .iter()
        .any(|(given, _)| given.role == Role::Recording);
    if !first && request.asked.reading != open.reading {
        return Err(refused(
            "other_recording",
            "opened as the recording was: mapping, missing, rebin_ms, response_unit",
            "otherwise",
        ));
    }
    request.asked.reading = open.reading.clone();
    let sha256 = sha256_path(&open.path).map_err(raised)?;
    let held = Held::Recording(Box::new(open.recording.clone()));
    request.hold(role, &file_name(&open.path), sha256, held);
    Ok(Some(open.path.clone()))
}

/// Do what ``mpong eval`` does with the same inputs; see :func:`mental_pong.evaluate`.
#[pyfunction]
#[pyo3(signature = (given, config, *, cache=None, progress=None))]
pub(crate) fn evaluate(
    py: Python<'_>,
    given: Given,
    config: &Bound<'_, PyDict>,
    cache: Option<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyStudy> {
    let config: StudyConfig =
        depythonize(config).map_err(|e| refused("config", "settings of a study", e.to_string()))?;
    config.check().map_err(raised)?;
    let request = given.request(py)?;
    let made = work(py, progress, move |monitor| -> Result<Study, StudyError> {
        monitor.stage("reading", 0);
        let inputs = Inputs::open(&request)?;
        let cache = match cache {
            Some(folder) => Cache::in_folder(&folder)?,
            None => Cache::none(),
        };
        study(&inputs, &config, &cache, monitor)
    })?;
    Ok(PyStudy {
        study: Arc::new(made),
    })
}

/// Identifiers of all analyses, as ``evaluate(analyses=…)`` takes them.
///
/// Returns
/// -------
/// list of str
#[pyfunction]
pub(crate) fn analyses() -> Vec<&'static str> {
    analysis::names()
}
