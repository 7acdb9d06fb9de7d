//! Rows, names and tables.

use std::str::FromStr;

use mental_pong_game::Error as GameError;
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pythonize::pythonize;
use serde::Serialize;

use crate::error::raised;

/// A package that only some of the functions need.
pub(crate) fn import<'py>(
    py: Python<'py>,
    name: &str,
    extra: &str,
) -> PyResult<Bound<'py, PyModule>> {
    py.import(name).map_err(|error| {
        if error.is_instance_of::<PyImportError>(py) {
            let message = format!("{name} is not installed: pip install 'mental-pong[{extra}]'");
            PyImportError::new_err(message)
        } else {
            error
        }
    })
}

/// A `pandas.DataFrame` of columns.
pub(crate) fn frame<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    import(py, "pandas", "pandas")?
        .getattr("DataFrame")?
        .call1((columns,))
}

/// A `pandas.DataFrame` of rows, a column a field.
pub(crate) fn frame_of<'py, R: Serialize>(
    py: Python<'py>,
    rows: &[R],
) -> PyResult<Bound<'py, PyAny>> {
    import(py, "pandas", "pandas")?
        .getattr("DataFrame")?
        .call1((pythonize(py, rows)?,))
}

/// A value as dicts, lists, numbers and text.
pub(crate) fn object<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    Ok(pythonize(py, value)?)
}

/// One of the task's names.
pub(crate) fn named<T: FromStr<Err = GameError>>(name: &str) -> PyResult<T> {
    name.parse().map_err(raised)
}

/// What pickle makes an object from again.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);
