//! Errors of the libraries as `mental_pong.Error`, a `ValueError` with `file`, `field`, `expected` and `found`.

use mental_pong_base::IoError;
use mental_pong_base::table::TableError;
use mental_pong_eval::error::Error as EvalError;
use mental_pong_formats::Error as FormatsError;
use mental_pong_game::Error as GameError;
use mental_pong_predictor::Error as PredictorError;
use mental_pong_study::error::Error as StudyError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// What an error is about; what it does not say is `None`.
#[derive(Debug, Default)]
struct About {
    file: Option<String>,
    field: Option<String>,
    expected: Option<String>,
    found: Option<String>,
}

impl About {
    fn file(path: impl AsRef<std::path::Path>) -> Self {
        Self {
            file: Some(path.as_ref().display().to_string()),
            ..Self::default()
        }
    }

    fn field(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            file: None,
            field: Some(field.into()),
            expected: Some(expected.into()),
            found: Some(found.into()),
        }
    }

    fn within(self, path: impl AsRef<std::path::Path>) -> Self {
        Self {
            file: Some(path.as_ref().display().to_string()),
            ..self
        }
    }
}

fn of_io(error: &IoError) -> About {
    About {
        found: Some(error.source.to_string()),
        ..About::file(&error.path)
    }
}

fn of_table(error: &TableError) -> About {
    match error {
        TableError::Io(error) => of_io(error),
        TableError::Cells { path, cells, .. } => match cells.first() {
            Some(cell) => About::field(&cell.field, &cell.expected, &cell.found).within(path),
            None => About::file(path),
        },
        _ => About::default(),
    }
}

fn of_game(error: &GameError) -> About {
    match error {
        GameError::Io(error) => of_io(error),
        GameError::Table(error) => of_table(error),
        GameError::UnknownCondition { id, last } => {
            About::field("id", format!("0 to {last}"), id.to_string())
        }
        GameError::UnknownId { id, expected, .. } => About::field("id", expected, id),
        GameError::UnknownName {
            what,
            found,
            expected,
        } => About::field(*what, expected, found),
        GameError::BadValue {
            field,
            expected,
            found,
        } => About::field(*field, expected, found),
        GameError::BadRow {
            path,
            field,
            expected,
            found,
            ..
        } => About::field(field, expected, found).within(path),
        GameError::BadFrames {
            path,
            field,
            expected,
            found,
        } => About::field(field, expected, found).within(path),
        GameError::ManifestMismatch {
            path,
            field,
            expected,
            found,
        } => About::field(*field, expected, found).within(path),
        GameError::OtherSet {
            first,
            first_set,
            second_set,
            ..
        } => About::field("set", second_set, first_set).within(first),
        GameError::NoSpace { path, .. }
        | GameError::Busy { path }
        | GameError::MissingShards { path, .. }
        | GameError::BadSchedule { path, .. }
        | GameError::RecordsTaken { path, .. }
        | GameError::BadManifest { path, .. }
        | GameError::Encode { path, .. } => About::file(path),
        _ => About::default(),
    }
}

fn of_predictor(error: &PredictorError) -> About {
    match error {
        PredictorError::Io { path, source } => About {
            found: Some(source.to_string()),
            ..About::file(path)
        },
        PredictorError::Weights {
            path,
            tensor,
            expected,
            found,
        } => About::field(tensor, expected, found).within(path),
        PredictorError::Config {
            place,
            field,
            expected,
            found,
        } => About::field(field, expected, found).within(place),
        PredictorError::Shape {
            what,
            expected,
            found,
        } => About::field(*what, format!("{expected:?}"), format!("{found:?}")),
        PredictorError::File(error) => of_io(error),
        PredictorError::Game(error) => of_game(error),
        _ => About::default(),
    }
}

fn of_formats(error: &FormatsError) -> About {
    match error {
        FormatsError::Format { format, why, .. } => About::field("file", *format, why),
        FormatsError::Limit {
            what,
            limit,
            needed,
        } => About::field(*what, format!("at most {limit}"), needed.to_string()),
        FormatsError::Shape {
            what,
            expected,
            found,
        } => About::field(what, expected, found),
        FormatsError::Io(error) => of_io(error),
        _ => About::default(),
    }
}

fn of_eval(error: &EvalError) -> About {
    match error {
        EvalError::Shape {
            what,
            expected,
            found,
        } => About::field(what, expected, found),
        EvalError::Field {
            field,
            expected,
            found,
        } => About::field(field, expected, found),
        EvalError::Invalid { what, why } => About {
            field: Some(what.clone()),
            found: Some(why.clone()),
            ..About::default()
        },
        EvalError::TooFew {
            what,
            needed,
            found,
        } => About::field(what, format!("at least {needed}"), found.to_string()),
        EvalError::InFile { path, source } => of_eval(source).within(path),
        EvalError::File(error) => of_io(error),
        EvalError::Game(error) => of_game(error),
        EvalError::Text(error) => of_table(error),
        EvalError::Formats(error) => of_formats(error),
        EvalError::Table { table, .. } => About::file(table),
        EvalError::Io { path, source } => About {
            found: Some(source.to_string()),
            ..About::file(path)
        },
        _ => About::default(),
    }
}

fn of_study(error: &StudyError) -> About {
    match error {
        StudyError::Eval(error) => of_eval(error),
        StudyError::Formats(error) => of_formats(error),
        StudyError::Game(error) => of_game(error),
        StudyError::Predictor(error) => of_predictor(error),
        StudyError::File(error) => of_io(error),
        _ => About::default(),
    }
}

/// The exception of an error of any of the libraries.
pub(crate) fn raised(error: impl Into<StudyError>) -> PyErr {
    let error = error.into();
    exception(error.to_string(), of_study(&error))
}

/// The exception of an argument that is not what it has to be.
pub(crate) fn refused(field: &str, expected: impl Into<String>, found: impl Into<String>) -> PyErr {
    let (expected, found) = (expected.into(), found.into());
    let message = format!("{field}: expected {expected}, found {found}");
    exception(message, About::field(field, expected, found))
}

fn exception(message: String, about: About) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Python::attach(|py| {
        let made = || -> PyResult<PyErr> {
            let class = CLASS.import(py, "mental_pong._error", "Error")?;
            let keywords = PyDict::new(py);
            keywords.set_item("file", about.file)?;
            keywords.set_item("field", about.field)?;
            keywords.set_item("expected", about.expected)?;
            keywords.set_item("found", about.found)?;
            Ok(PyErr::from_value(class.call((&message,), Some(&keywords))?))
        };
        made().unwrap_or_else(|_| PyValueError::new_err(message.clone()))
    })
}
