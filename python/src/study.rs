//! Studies.

use std::path::PathBuf;

use mental_pong_predictor::latents::Cache;
use mental_pong_study::error::Error as StudyError;
use mental_pong_study::report::write_texts;
use mental_pong_study::{Asked, Inputs, Request, Study, StudyConfig, analysis, evaluate as study};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::depythonize;

use crate::convert::object;
use crate::error::{raised, refused};
use crate::work::work;

/// A finished study.
#[pyclass(frozen, module = "mental_pong._native", name = "Study")]
pub(crate) struct PyStudy {
    study: Study,
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

    /// The text of a file.
    fn file(&self, name: &str) -> PyResult<&str> {
        let expected = || format!("one of {}", self.files().join(", "));
        self.study
            .file(name)
            .ok_or_else(|| refused("file", expected(), name))
    }

    /// Every score, with the names of the card.
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

    /// Writes all files below a folder.
    fn write(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        py.detach(|| write_texts(&self.study.files, &folder))
            .map_err(raised)
    }
}

/// Files by what they are, as the command line takes them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Files {
    conditions: Option<String>,
    ids: Vec<String>,
    models: Vec<String>,
    no_models: bool,
    columns: Option<String>,
    recording: Option<PathBuf>,
    other_recording: Option<PathBuf>,
    latents: Vec<(String, PathBuf)>,
    behavior: Vec<(String, PathBuf)>,
    attributes: Option<PathBuf>,
    contact: Option<PathBuf>,
}

/// Does what `mpong eval` does with the same files.
#[pyfunction]
#[pyo3(signature = (files, config, *, cache=None, progress=None))]
pub(crate) fn evaluate(
    py: Python<'_>,
    files: Files,
    config: &Bound<'_, PyDict>,
    cache: Option<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyStudy> {
    let request = Request {
        asked: Asked {
            conditions: files.conditions,
            ids: files.ids,
            models: files.models,
            no_models: files.no_models,
            columns: files.columns,
            ..Asked::default()
        },
        recording: files.recording,
        other_recording: files.other_recording,
        latents: files.latents,
        behavior: files.behavior,
        attributes: files.attributes,
        contact: files.contact,
    };
    let config: StudyConfig =
        depythonize(config).map_err(|e| refused("config", "settings of a study", e.to_string()))?;
    let made = work(py, progress, move |monitor| -> Result<Study, StudyError> {
        config.check()?;
        request.check()?;
        monitor.stage("reading", 0);
        let inputs = Inputs::open(&request)?;
        let cache = match cache {
            Some(folder) => Cache::in_folder(&folder)?,
            None => Cache::none(),
        };
        study(&inputs, &config, &cache, monitor)
    })?;
    Ok(PyStudy { study: made })
}

/// Identifiers of all analyses.
#[pyfunction]
pub(crate) fn analyses() -> Vec<&'static str> {
    analysis::names()
}
