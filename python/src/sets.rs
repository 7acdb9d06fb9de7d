//! Condition sets, paths and splits.

use std::path::PathBuf;

use mental_pong_game::Error as GameError;
use mental_pong_game::task::set::TableRules;
use mental_pong_game::task::table::{set_rows, trajectory_rows};
use mental_pong_game::task::{ConditionSet, Law, group_shuffle_split};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::convert::{Reduced, frame, frame_of, named};
use crate::error::{raised, refused};
use crate::work::work;

/// Where a set comes from.
#[derive(Clone, Debug)]
enum Origin {
    /// A name or a path.
    Spec(String),
    /// The text of a table.
    Table(Vec<u8>),
}

/// Conditions with ids of their own, what flies in each, and the hash that names them.
///
/// Parameters
/// ----------
/// conditions : str, path, DataFrame, bytes or ConditionSet
///     The name of a built-in set (``primate79``, ``valid``, ``train``, ``all``, ``fresh400``), a stimulus folder, a CSV, or such
///     a table at hand: a row a condition (``id``, ``x0_deg``, ``y0_deg``, ``heading_deg``, ``speed_deg_per_s``, …) or a row a
///     frame (``id``, ``frame``, ``x_deg``, ``y_deg``, …).
/// ids : iterable, optional
///     Conditions of the set, in this order; it stays the same set by its hash.
/// law : {"design", "display"}, optional
///     Another law of motion: as the stimuli were designed (24 frames a second), or as they were shown (60).
/// name : str, optional
///     Another name.
///
/// Raises
/// ------
/// Error
///     For an unknown name, with a guess; naming line and column of every bad cell of a table.
///
/// Notes
/// -----
/// The published conditions are those of Rajalingham et al. (2022, 2025), computed by their generator and not read from a file.
/// Two sets are equal where hash and ids are.
///
/// Examples
/// --------
/// >>> import mental_pong as mp
/// >>> mp.ConditionSet("primate79", ids=[29337]).ids
/// ['29337']
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
        let mut before = (None, None, None);
        let (origin, set) = if let Ok(given) = conditions.extract::<Self>() {
            before = (given.ids, given.law, given.name);
            (given.origin, given.set)
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
            None => (set, before.0),
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
            law: law.map(str::to_owned).or(before.1),
            name: name.map(str::to_owned).or(before.2),
        })
    }

    /// The set's name.
    #[getter]
    fn name(&self) -> &str {
        self.set.name()
    }

    /// The hash of the whole set that this is or is a part of: 64 hexadecimal digits.
    #[getter]
    fn sha256(&self) -> &str {
        self.set.sha256()
    }

    /// The ids, in order.
    #[getter]
    fn ids(&self) -> Vec<&str> {
        self.set.ids()
    }

    /// ``design``, ``display`` or ``recorded``.
    #[getter]
    fn law(&self) -> String {
        self.set.law().to_string()
    }

    /// Frames per second.
    #[getter]
    fn rate_hz(&self) -> f64 {
        self.set.rate_hz()
    }

    /// A row a condition, as a ``pandas.DataFrame``: where the ball starts and ends (degrees), its heading (degrees), speed
    /// (degrees per second), walls, occluder, and how often it bounces.
    #[getter]
    fn table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let set = self.set.clone();
        let rows = work(py, None, move |_| Ok::<_, GameError>(set_rows(&set)))?;
        frame_of(py, &rows)
    }

    /// A row a frame, as a ``pandas.DataFrame``: ``id``, ``frame``, ``time_ms`` (from motion onset), ``x_deg``, ``y_deg`` (centre of
    /// the ball), ``visible`` (share of the ball that is seen, 0 to 1).
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
    /// What a study is asked for: what a card calls the set, the ids that narrow it, and the set itself where that name alone
    /// does not open it.
    pub(crate) fn asked(&self) -> PyResult<(String, Vec<String>, Option<ConditionSet>)> {
        let (name, whole, held) = match &self.origin {
            Origin::Spec(spec) => (
                spec.clone(),
                ConditionSet::open(spec).map_err(raised)?,
                false,
            ),
            Origin::Table(text) => {
                let (_, set) = Self::of_table(text.clone(), self.name.as_deref())?;
                (format!("{}.csv", set.name()), set, true)
            }
        };
        let same = whole.sha256() == self.set.sha256();
        let held = match (same, held) {
            (true, true) => Some(whole),
            (true, false) => None,
            // Under another law, or at another rate.
            (false, _) => Some(self.set.clone()),
        };
        Ok((name, self.ids.clone().unwrap_or_default(), held))
    }

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
///
/// Parameters
/// ----------
/// id : str or int
///     The condition.
/// conditions : ConditionSet, str or path, optional
///     The set that it is of; ``primate79``, or ``all`` for an id that is not there, without it.
/// law : {"design", "display"}, optional
///     Another law of motion.
///
/// Returns
/// -------
/// pandas.DataFrame
///     ``frame``, ``time_ms`` (from motion onset), ``x_deg``, ``y_deg`` and what else ``mpong trajectory`` prints.
///
/// Raises
/// ------
/// Error
///     For an id that the set does not have, or an unknown law.
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

/// Splits by condition, index for index those of scikit-learn's ``GroupShuffleSplit``.
///
/// Parameters
/// ----------
/// conditions : ConditionSet, str, path or int
///     The set, or how many conditions it has.
/// n : int
///     How many splits.
/// train : float
///     Share of the conditions that is fitted on, between 0 and 1.
/// seed : int
///     Of NumPy's legacy generator, as published (Rajalingham et al. 2025).
///
/// Returns
/// -------
/// list of (array, array)
///     Places of the conditions to fit on, and to test on, int64 each.
///
/// Raises
/// ------
/// Error
///     For a share that leaves one side empty.
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
