//! Condition sets, paths and splits.

use std::path::PathBuf;

use mental_pong_game::task::set::TableRules;
use mental_pong_game::task::table::{set_rows, trajectory_rows};
use mental_pong_game::task::{ConditionSet, Law, group_shuffle_split};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::convert::{Reduced, frame, frame_of, named};
use crate::error::{raised, refused};

/// Where a set comes from.
#[derive(Clone, Debug)]
enum Origin {
    /// A name or a path.
    Spec(String),
    /// The text of a table.
    Table(Vec<u8>),
}

/// Conditions with ids of their own, what flies in each, and the hash that names them.
#[pyclass(frozen, module = "mental_pong", name = "ConditionSet", from_py_object)]
#[derive(Clone, Debug)]
pub(crate) struct PySet {
    pub(crate) set: ConditionSet,
    origin: Origin,
    ids: Option<Vec<String>>,
    law: Option<String>,
    name: Option<String>,
}

/// A set, or what names one.
pub(crate) fn set_of(given: &Bound<'_, PyAny>) -> PyResult<PySet> {
    if let Ok(set) = given.extract::<PySet>() {
        return Ok(set);
    }
    PySet::new(given, None, None, None)
}

fn text_of(ids: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let mut out = Vec::new();
    for id in ids.try_iter()? {
        out.push(id?.str()?.to_string());
    }
    Ok(out)
}

#[pymethods]
impl PySet {
    #[new]
    #[pyo3(signature = (conditions, *, ids=None, law=None, name=None))]
    fn new(
        conditions: &Bound<'_, PyAny>,
        ids: Option<&Bound<'_, PyAny>>,
        law: Option<&str>,
        name: Option<&str>,
    ) -> PyResult<Self> {
        let (origin, set) = if let Ok(set) = conditions.extract::<Self>() {
            (set.origin.clone(), set.set)
        } else if conditions.hasattr("to_csv")? {
            let keywords = PyDict::new(conditions.py());
            keywords.set_item("index", false)?;
            let text: String = conditions
                .call_method("to_csv", (), Some(&keywords))?
                .extract()?;
            Self::of_table(text.into_bytes(), name)?
        } else if let Ok(bytes) = conditions.cast::<PyBytes>() {
            Self::of_table(bytes.as_bytes().to_vec(), name)?
        } else if let Ok(path) = conditions.extract::<PathBuf>() {
            let spec = path.to_string_lossy().into_owned();
            let set = ConditionSet::open(&spec).map_err(raised)?;
            (Origin::Spec(spec), set)
        } else {
            let found = conditions.get_type().to_string();
            return Err(refused(
                "conditions",
                "a name, a path or a DataFrame",
                found,
            ));
        };
        let (set, ids) = match ids {
            None => (set, None),
            Some(ids) => {
                let ids = text_of(ids)?;
                (set.narrowed(&ids).map_err(raised)?, Some(ids))
            }
        };
        let set = match law {
            Some(law) => set.with_law(named::<Law>(law)?).map_err(raised)?,
            None => set,
        };
        let set = match name {
            Some(name) => set.named(name),
            None => set,
        };
        Ok(Self {
            set,
            origin,
            ids,
            law: law.map(str::to_owned),
            name: name.map(str::to_owned),
        })
    }

    /// The set's name.
    #[getter]
    fn name(&self) -> &str {
        self.set.name()
    }

    /// The name or path that it was opened by; none for one from a table at hand.
    #[getter]
    fn spec(&self) -> Option<&str> {
        match &self.origin {
            Origin::Spec(spec) => Some(spec),
            Origin::Table(_) => None,
        }
    }

    /// The ids that it was narrowed to.
    #[getter]
    fn narrowed_to(&self) -> Option<Vec<String>> {
        self.ids.clone()
    }

    /// The text of the table that it was made from.
    #[getter]
    fn csv<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        match &self.origin {
            Origin::Spec(_) => None,
            Origin::Table(text) => Some(PyBytes::new(py, text)),
        }
    }

    /// The hash of the whole set that this is or is a part of.
    #[getter]
    fn sha256(&self) -> &str {
        self.set.sha256()
    }

    /// The ids, in order.
    #[getter]
    fn ids(&self) -> Vec<&str> {
        self.set.ids()
    }

    /// `design`, `display` or `recorded`.
    #[getter]
    fn law(&self) -> String {
        self.set.law().to_string()
    }

    /// Frames per second.
    #[getter]
    fn rate_hz(&self) -> f64 {
        self.set.rate_hz()
    }

    /// A row a condition.
    #[getter]
    fn table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rows = py.detach(|| set_rows(&self.set));
        frame_of(py, &rows)
    }

    /// A row a frame.
    #[getter]
    fn truth<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut ids: Vec<String> = Vec::new();
        let mut numbers: Vec<i64> = Vec::new();
        let mut values: [Vec<f64>; 4] = Default::default();
        py.detach(|| {
            for condition in self.set.conditions() {
                for (frame, truth) in condition.truth().into_iter().enumerate() {
                    ids.push(condition.id().to_owned());
                    numbers.push(frame as i64);
                    let of = [truth.time_ms, truth.x_deg, truth.y_deg, truth.visible];
                    for (column, value) in values.iter_mut().zip(of) {
                        column.push(value);
                    }
                }
            }
        });
        let columns = PyDict::new(py);
        columns.set_item("id", ids)?;
        columns.set_item("frame", numbers.into_pyarray(py))?;
        for (name, column) in ["time_ms", "x_deg", "y_deg", "visible"]
            .into_iter()
            .zip(values)
        {
            columns.set_item(name, column.into_pyarray(py))?;
        }
        frame(py, &columns)
    }

    fn __len__(&self) -> usize {
        self.set.len()
    }

    fn __contains__(&self, id: &str) -> bool {
        self.set.place(id).is_some()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.extract::<Self>().is_ok_and(|other| {
            self.set.identity() == other.set.identity() && self.set.ids() == other.set.ids()
        })
    }

    fn __hash__(&self) -> u64 {
        let digits = self.set.sha256().get(..16).unwrap_or_default();
        u64::from_str_radix(digits, 16).unwrap_or_default()
    }

    fn __repr__(&self) -> String {
        format!(
            "<ConditionSet {}: {} conditions, law {}, {} Hz, sha256 {}>",
            self.set.name(),
            self.set.len(),
            self.set.law(),
            self.set.rate_hz(),
            self.set.sha256().get(..12).unwrap_or_default()
        )
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let made = py.import("mental_pong._pickle")?.getattr("condition_set")?;
        let origin = match &self.origin {
            Origin::Spec(spec) => spec.into_pyobject(py)?.into_any(),
            Origin::Table(text) => PyBytes::new(py, text).into_any(),
        };
        let arguments = (
            origin,
            self.ids.clone(),
            self.law.clone(),
            self.name.clone(),
        );
        Ok((made, arguments.into_pyobject(py)?))
    }
}

impl PySet {
    /// The 79 recorded conditions.
    pub(crate) fn published() -> PyResult<Self> {
        Ok(Self {
            set: ConditionSet::open("primate79").map_err(raised)?,
            origin: Origin::Spec("primate79".into()),
            ids: None,
            law: None,
            name: None,
        })
    }

    /// A set that a file states: a built-in one, or a part of it.
    pub(crate) fn found(set: ConditionSet) -> Self {
        Self {
            origin: Origin::Spec(set.name().into()),
            ids: Some(set.ids().into_iter().map(str::to_owned).collect()),
            law: set.law().law().map(|law| law.to_string()),
            name: None,
            set,
        }
    }

    /// The conditions with these ids.
    pub(crate) fn narrowed(&self, ids: &[String]) -> PyResult<Self> {
        Ok(Self {
            set: self.set.narrowed(ids).map_err(raised)?,
            ids: Some(ids.to_vec()),
            ..self.clone()
        })
    }

    /// The same conditions under the law and at the rate of `set`.
    pub(crate) fn shown(&self, set: ConditionSet) -> Self {
        let law = set.law().law().map(|law| law.to_string());
        Self {
            set,
            law,
            ..self.clone()
        }
    }

    fn of_table(text: Vec<u8>, name: Option<&str>) -> PyResult<(Origin, ConditionSet)> {
        let path = format!("{}.csv", name.unwrap_or("conditions"));
        let set = ConditionSet::parse_csv(&text, path, TableRules::default()).map_err(raised)?;
        Ok((Origin::Table(text), set))
    }
}

/// The path of one condition, a row a frame.
#[pyfunction]
#[pyo3(signature = (id, conditions=None, *, law=None))]
pub(crate) fn trajectory<'py>(
    py: Python<'py>,
    id: &Bound<'py, PyAny>,
    conditions: Option<&Bound<'py, PyAny>>,
    law: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let id = id.str()?.to_string();
    let mut set = match conditions {
        Some(given) => set_of(given)?.set,
        None => ConditionSet::chosen(None, &[&id]).map_err(raised)?,
    };
    if let Some(law) = law {
        set = set.with_law(named::<Law>(law)?).map_err(raised)?;
    }
    frame_of(py, &trajectory_rows(set.condition(&id).map_err(raised)?))
}

type Indices<'py> = Bound<'py, PyArray1<i64>>;

/// Train and test indices of each split.
#[pyfunction]
#[pyo3(signature = (conditions, n=100, *, train=0.5, seed=0))]
pub(crate) fn splits<'py>(
    py: Python<'py>,
    conditions: &Bound<'py, PyAny>,
    n: usize,
    train: f64,
    seed: u32,
) -> PyResult<Vec<(Indices<'py>, Indices<'py>)>> {
    let n_conditions = match conditions.extract::<usize>() {
        Ok(n) => n,
        Err(_) => set_of(conditions)?.set.len(),
    };
    let splits = group_shuffle_split(n_conditions, n, train, seed).map_err(raised)?;
    let array = |places: Vec<usize>| {
        let places: Vec<i64> = places.into_iter().map(|p| p as i64).collect();
        places.into_pyarray(py)
    };
    Ok(splits
        .into_iter()
        .map(|split| (array(split.train), array(split.test)))
        .collect())
}
