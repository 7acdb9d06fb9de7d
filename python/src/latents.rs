//! Latents of any origin, and the predictors that make them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mental_pong_base::Monitor;
use mental_pong_base::files::sha256_hex;
use mental_pong_game::task::{ConditionSet, SetIdentity};
use mental_pong_predictor::device::device;
use mental_pong_predictor::latents::{
    Cache, ConditionLatents, Extent, GivenLatents, LatentsFile, LayerInfo, Layers, OfSet,
    continuation, forecast as go_on, n_visible,
};
use mental_pong_predictor::predictor::{Choices, PredictorSpec};
use mental_pong_predictor::{Null, Predictor, latents};
use numpy::ndarray::Axis;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::convert::object;
use crate::error::{raised, refused};
use crate::sets::{PySet, set_of};
use crate::work::work;

/// Latents of conditions: one array, checked when it is made.
///
/// Parameters
/// ----------
/// array : array, shape (condition, step, unit)
///     Numbers of NumPy, PyTorch (bfloat16 too) or JAX. A float32 array is kept where it is, whatever its order; others are
///     converted to float32. NaN is allowed in padding alone.
/// ids : iterable, optional
///     The conditions; those of `conditions`, in its order, without it.
/// time_ms : array, shape (step,) or (condition, step), optional
///     When each step stands, milliseconds from motion onset, increasing; NaN is padding. The set's frames without it.
/// conditions : ConditionSet, str or path, optional
///     Whose conditions they are. Without it nothing can be evaluated or written.
/// n_steps : sequence of int, optional
///     Steps of each condition that are no padding.
/// layer : str
///     Name of the layer.
///
/// Raises
/// ------
/// Error
///     Naming condition, step and unit of a value that is no number; for times that do not increase or are not the set's clock
///     (seconds, another zero); for ids that are not in the set, or there twice.
///
/// Examples
/// --------
/// >>> import mental_pong as mp, numpy as np
/// >>> one = mp.ConditionSet("primate79", ids=["29337"])
/// >>> frames = mp.Stimuli(one).n_frames[0]
/// >>> mp.Latents(np.ones((1, frames, 3), dtype=np.float32), conditions=one).dead_units
/// 3
#[pyclass(frozen, module = "mental_pong", name = "Latents")]
pub(crate) struct PyLatents {
    array: Py<PyArray3<f32>>,
    file: Arc<Mutex<LatentsFile>>,
    extent: Extent,
    set: Option<PySet>,
    /// The file that they were read from, whole.
    source: Option<PathBuf>,
}

/// Rows of an array, read when they are asked for; the array stays where it is.
fn rows_of(
    array: &Bound<'_, PyArray3<f32>>,
) -> Arc<dyn Fn(usize) -> std::io::Result<Vec<f32>> + Send + Sync> {
    let held = array.clone().unbind();
    Arc::new(move |condition| {
        Python::attach(|py| {
            let array = held
                .bind(py)
                .try_readonly()
                .map_err(std::io::Error::other)?;
            let row = array.as_array();
            let row = row.index_axis(Axis(0), condition);
            Ok(row.iter().copied().collect())
        })
    })
}

/// What a file of latents says of where it is from.
fn about() -> serde_json::Value {
    serde_json::json!({"made_by": "mental_pong"})
}

impl PyLatents {
    fn file(&self) -> MutexGuard<'_, LatentsFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at every value; of a set its conditions and its clock too.
    fn checked(
        py: Python<'_>,
        array: Bound<'_, PyArray3<f32>>,
        mut file: LatentsFile,
        set: Option<PySet>,
        source: Option<PathBuf>,
    ) -> PyResult<Self> {
        let of = set.as_ref().map(|set| set.set.clone());
        let (file, extent) = work(
            py,
            None,
            move |_| -> Result<_, mental_pong_predictor::Error> {
                if let Some(set) = &of {
                    file.matched(set)?;
                }
                let extent = file.extent(0)?;
                Ok((file, extent))
            },
        )?;
        Ok(Self {
            array: array.unbind(),
            file: Arc::new(Mutex::new(file)),
            extent,
            set,
            source,
        })
    }

    /// The first layer of what a library gives.
    fn of(py: Python<'_>, found: &latents::Latents, layer: usize, set: &PySet) -> PyResult<Self> {
        let padded = found.padded(layer);
        let shape = padded.shape;
        let array = padded.values.into_pyarray(py).reshape(shape)?;
        let info = found.layers[layer].clone();
        let given = GivenLatents {
            name: info.name.clone(),
            shape: [shape[0], shape[1]],
            layers: vec![(info, rows_of(&array))],
            ids: Some(found.conditions.iter().map(|c| c.id.clone()).collect()),
            per_step: padded.per_step,
            n_steps: Some(padded.n_steps),
            set: found.set.clone(),
        };
        let file = LatentsFile::given(given, Some(&set.set)).map_err(raised)?;
        Self::checked(py, array, file, Some(set.clone()), None)
    }

    /// What gives all of it, for the library.
    fn whole(
        &self,
    ) -> impl FnOnce() -> Result<latents::Latents, mental_pong_predictor::Error> + use<> {
        let (file, set) = (Arc::clone(&self.file), self.identity(&self.file()));
        move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let mut conditions = Vec::with_capacity(file.ids().len());
            for place in 0..file.ids().len() {
                conditions.push(ConditionLatents {
                    id: file.ids()[place].clone(),
                    steps: file.steps(place).to_vec(),
                    layers: vec![file.read(place, 0)?],
                });
            }
            Ok(latents::Latents {
                set,
                layers: vec![file.layers()[0].clone()],
                conditions,
            })
        }
    }

    fn identity(&self, file: &LatentsFile) -> Option<SetIdentity> {
        let said = self.set.as_ref().map(|set| set.set.identity());
        said.or_else(|| file.identity().cloned())
    }

    /// All of it for a study, with the hash of the `.npz` that [`PyLatents::write`] would write; or the file that it was read from.
    pub(crate) fn held(
        &self,
        py: Python<'_>,
    ) -> PyResult<Result<(Arc<latents::Latents>, String), PathBuf>> {
        if let Some(source) = &self.source {
            return Ok(Err(source.clone()));
        }
        let of = self.of_set()?;
        let whole = self.whole();
        let held = work(
            py,
            None,
            move |_| -> Result<_, mental_pong_predictor::Error> {
                let whole = whole()?;
                let sha256 = sha256_hex(&whole.npz(&of, &about())?);
                Ok((Arc::new(whole), sha256))
            },
        );
        Ok(Ok(held?))
    }

    fn of_set(&self) -> PyResult<OfSet> {
        let set = self.known()?;
        Ok(OfSet {
            identity: set.identity(),
            rate_hz: set.rate_hz(),
        })
    }

    /// The set that they are of.
    fn known(&self) -> PyResult<&ConditionSet> {
        self.set.as_ref().map(|set| &set.set).ok_or_else(|| {
            let found = "latents that were made without a set";
            refused(
                "conditions",
                "the set that they are of: Latents(…, conditions=…)",
                found,
            )
        })
    }
}

#[pymethods]
impl PyLatents {
    #[new]
    #[pyo3(signature = (array, ids=None, time_ms=None, *, conditions=None, n_steps=None, layer="latents"))]
    fn new(
        py: Python<'_>,
        array: &Bound<'_, PyAny>,
        ids: Option<&Bound<'_, PyAny>>,
        time_ms: Option<&Bound<'_, PyAny>>,
        conditions: Option<&Bound<'_, PyAny>>,
        n_steps: Option<Vec<usize>>,
        layer: &str,
    ) -> PyResult<Self> {
        let python = py.import("mental_pong._arrays")?;
        let array = python.getattr("latents")?.call1((array,))?;
        let array = array.cast_into::<PyArray3<f32>>()?;
        let [n, steps, units] = [0, 1, 2].map(|axis| array.shape()[axis]);
        let set = conditions.map(set_of).transpose()?;
        let ids = match ids {
            None => None,
            Some(ids) => {
                let mut texts = Vec::new();
                for id in ids.try_iter()? {
                    texts.push(id?.str()?.to_string());
                }
                Some(texts)
            }
        };
        let mut per_step = Vec::new();
        if let Some(times) = time_ms {
            let times = python.getattr("times")?.call1((times, n, steps))?;
            let times: PyReadonlyArray2<'_, f64> = times.extract()?;
            per_step.push(("time_ms", times.as_array().iter().copied().collect()));
        }
        // Ids narrow the set: latents of a part of it are of that part.
        let part = match (&set, &ids) {
            (Some(set), Some(ids)) => Some(set.narrowed(ids)?),
            (set, _) => set.clone(),
        };
        let given = GivenLatents {
            name: "latents".into(),
            shape: [n, steps],
            layers: vec![(
                LayerInfo {
                    name: layer.into(),
                    units,
                },
                rows_of(&array),
            )],
            ids,
            per_step,
            n_steps,
            set: part.as_ref().map(|part| part.set.identity()),
        };
        let of = part.as_ref().map(|part| &part.set);
        let file = LatentsFile::given(given, of).map_err(raised)?;
        Self::checked(py, array, file, part, None)
    }

    /// Read a layer of a file of latents.
    ///
    /// Parameters
    /// ----------
    /// path : path
    ///     ``.npz``, ``.npy``, safetensors, HDF5, NetCDF, Zarr, Parquet or PyTorch, known by its content.
    /// conditions : ConditionSet, str or path, optional
    ///     Whose conditions they are; needed where the file does not say, checked where it does.
    /// layer : str, optional
    ///     Which layer; the first without it.
    ///
    /// Returns
    /// -------
    /// Latents
    ///
    /// Raises
    /// ------
    /// Error
    ///     Naming file, field, what was expected and what was found.
    #[staticmethod]
    #[pyo3(signature = (path, *, conditions=None, layer=None))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        conditions: Option<&Bound<'_, PyAny>>,
        layer: Option<&str>,
    ) -> PyResult<Self> {
        let said = conditions.map(set_of).transpose()?;
        let of = said.as_ref().map(|said| said.set.clone());
        let (layer, from) = (layer.map(str::to_owned), path.clone());
        let read = move |_: &dyn Monitor| -> Result<_, mental_pong_predictor::Error> {
            let mut file = LatentsFile::open(&from, None, of.as_ref())?;
            let set = file.set(of.as_ref())?;
            let names = [layer.unwrap_or_else(|| file.layers()[0].name.clone())];
            let whole = file.layers().len() == 1 && set.len() == file.ids().len();
            Ok((file.of_set(&set, Some(&names))?, set, whole))
        };
        let (found, set, whole) = work(py, None, read)?;
        let set = match said {
            Some(said) => said,
            None => PySet::found(set),
        };
        let latents = Self::of(py, &found, 0, &set)?;
        Ok(Self {
            source: whole.then_some(path),
            ..latents
        })
    }

    /// ``[condition, step, unit]`` float32, the same object each time.
    #[getter]
    fn array<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray3<f32>> {
        self.array.bind(py).clone()
    }

    /// The conditions that they are of, None where nobody said.
    #[getter]
    fn set(&self) -> Option<PySet> {
        self.set.clone()
    }

    /// Name of the layer.
    #[getter]
    fn layer(&self) -> &str {
        &self.extent.name
    }

    /// The conditions, in the order of the array.
    #[getter]
    fn ids(&self) -> Vec<String> {
        self.file().ids().to_vec()
    }

    /// ``[condition, step]`` float64: milliseconds from motion onset, NaN in padding.
    #[getter]
    fn time_ms<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let file = self.file();
        let [n, steps] = [0, 1].map(|axis| self.array.bind(py).shape()[axis]);
        let mut times = vec![f64::NAN; n * steps];
        for condition in 0..n {
            for (k, step) in file.steps(condition).iter().enumerate() {
                times[condition * steps + k] = step.time_ms;
            }
        }
        times.into_pyarray(py).reshape([n, steps])
    }

    /// ``[condition]`` int64: steps that are no padding.
    #[getter]
    fn n_steps<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let file = self.file();
        let n: Vec<i64> = (0..file.ids().len())
            .map(|condition| file.steps(condition).len() as i64)
            .collect();
        n.into_pyarray(py)
    }

    /// ``[condition]`` int64: steps before the ball is wholly hidden. :class:`Error` without a set.
    #[getter]
    fn n_visible<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let (set, file) = (self.known()?, self.file());
        let ids = file.ids().iter().enumerate();
        let conditions = ids.map(|(place, id)| (id.as_str(), file.steps(place)));
        let n = n_visible(set, conditions).map_err(raised)?;
        let n: Vec<i64> = n.into_iter().map(|n| n as i64).collect();
        Ok(n.into_pyarray(py))
    }

    /// Units that have the same value everywhere.
    #[getter]
    fn dead_units(&self) -> usize {
        self.extent.dead_units
    }

    /// Smallest and largest value.
    #[getter]
    fn range(&self) -> (f64, f64) {
        let [low, high] = self.extent.range;
        (low, high)
    }

    /// The hash of the set that they are of.
    #[getter]
    fn set_sha256(&self) -> Option<String> {
        self.identity(&self.file()).map(|set| set.sha256)
    }

    /// The file that they were read from, where they are all of it.
    #[getter]
    fn source(&self) -> Option<PathBuf> {
        self.source.clone()
    }

    /// What they were understood as, as ``mpong latents check`` says it.
    ///
    /// Returns
    /// -------
    /// dict
    ///     ``format``, ``set``, ``conditions``, ``steps``, ``times_ms``, ``step_ms``, ``layers`` (of each ``dead_units``, ``range``,
    ///     ``best_lag_ms``: the lag at which the visible ball is read best) and ``warnings``.
    ///
    /// Raises
    /// ------
    /// Error
    ///     Without a set.
    fn check<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let set = self.known()?;
        let (file, set) = (Arc::clone(&self.file), set.clone());
        let check = work(py, None, move |_| {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.check(&set)
        })?;
        object(py, &check)
    }

    /// Write them to a file, whole or not at all, with a ``.json`` beside it. The same latents give the same bytes.
    ///
    /// Parameters
    /// ----------
    /// path : path
    ///     A name that ends in ``.npz``, ``.safetensors``, ``.nc`` or ``.zarr``.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For another ending, latents without a set, or a file that cannot be written.
    fn write(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let of = self.of_set()?;
        let whole = self.whole();
        work(py, None, move |_| whole()?.write(&path, &of, &about()))
    }

    fn __len__(&self) -> usize {
        self.file().ids().len()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let file = self.file();
        let shape = self.array.bind(py).shape().to_vec();
        let all = (0..file.ids().len()).flat_map(|condition| file.steps(condition));
        let times = all.map(|step| step.time_ms);
        let (from, to) = times.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), t| {
            (a.min(t), b.max(t))
        });
        let set = self.set.as_ref().map_or("no set", |set| set.set.name());
        let [low, high] = self.extent.range;
        format!(
            "<Latents {}: {shape:?} of {set}, clock {from:.1} to {to:.1} ms from motion onset, range {low:.4} to {high:.4}, {} of {} units dead>",
            self.extent.name, self.extent.dead_units, self.extent.units
        )
    }
}

/// Go on from the visible steps of latents; :func:`mental_pong.forecast` takes callables too.
#[pyfunction]
#[pyo3(signature = (latents, dynamics, *, progress=None))]
pub(crate) fn forecast(
    py: Python<'_>,
    latents: &Bound<'_, PyLatents>,
    dynamics: String,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyLatents> {
    let held = latents.get();
    let of = held.known()?.clone();
    let whole = held.whole();
    let out = work(py, progress, move |monitor| {
        let found = whole()?;
        let gaps: Vec<f64> = found
            .conditions
            .iter()
            .flat_map(|c| {
                c.steps
                    .windows(2)
                    .map(|pair| pair[1].time_ms - pair[0].time_ms)
            })
            .collect();
        let step_ms = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
        let model = continuation(&dynamics, found.layers[0].units, step_ms)?;
        go_on(&found, &of, model.as_ref(), monitor)
    })?;
    match &held.set {
        Some(set) => PyLatents::of(py, &out, 0, set),
        None => held
            .known()
            .and_then(|set| PyLatents::of(py, &out, 0, &PySet::found(set.clone()))),
    }
}

/// Every name that a :class:`Predictor` can have.
///
/// Returns
/// -------
/// list of str
#[pyfunction]
pub(crate) fn predictor_names() -> Vec<&'static str> {
    Predictor::names()
}

/// An encoder, perhaps dynamics, and the protocol they are run by.
///
/// Parameters
/// ----------
/// model : str or path
///     A name (:func:`predictor_names`), or a file of weights.
/// weights : path, optional
///     Weights of a published encoder.
/// encoder : path, optional
///     Weights of the encoder that dynamics in `model` are for.
/// dynamics : {"identity", "inertia", "gru", "lstm", "ctrnn", …}, optional
///     How latents go on.
/// dynamics_weights : path, optional
///     Their weights.
/// random_weights : int, optional
///     A seed: untrained weights in their place.
/// progress : callable, optional
///     Called with stage, done and total.
///
/// Raises
/// ------
/// Error
///     For an unknown name, with a guess; for missing, unexpected or mis-shaped weights, naming file and tensor.
#[pyclass(frozen, module = "mental_pong", name = "Predictor")]
pub(crate) struct PyPredictor {
    predictor: Arc<Predictor>,
}

#[pymethods]
impl PyPredictor {
    #[new]
    #[pyo3(signature = (model, *, weights=None, encoder=None, dynamics=None, dynamics_weights=None, random_weights=None, progress=None))]
    fn new(
        py: Python<'_>,
        model: PathBuf,
        weights: Option<PathBuf>,
        encoder: Option<PathBuf>,
        dynamics: Option<String>,
        dynamics_weights: Option<PathBuf>,
        random_weights: Option<u64>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let choices = Choices {
            weights,
            encoder,
            dynamics,
            dynamics_weights,
            random_weights,
            ..Choices::default()
        };
        let model = model.to_string_lossy().into_owned();
        let spec = PredictorSpec::choose(&model, &choices).map_err(raised)?;
        let predictor = work(py, progress, move |monitor| {
            spec.load(&device("cpu")?, monitor)
        })?;
        Ok(Self {
            predictor: Arc::new(predictor),
        })
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.predictor.name()
    }

    /// Length of a latent vector.
    #[getter]
    fn units(&self) -> usize {
        self.predictor.encoder().latent_dim()
    }

    /// Whether it forecasts, or encodes alone.
    #[getter]
    fn has_dynamics(&self) -> bool {
        self.predictor.has_dynamics()
    }

    /// Where its parts come from: files, hashes, sources.
    #[getter]
    fn provenance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        object(py, self.predictor.provenance())
    }

    /// The same without what was learned.
    ///
    /// Parameters
    /// ----------
    /// name : {"inertia", "no-dynamics", "random-weights", "upper-visible"}
    ///     Which null.
    /// seed : int
    ///     Of random weights.
    ///
    /// Returns
    /// -------
    /// Predictor
    ///
    /// Raises
    /// ------
    /// Error
    ///     For another name, or a null that this predictor cannot have.
    #[pyo3(signature = (name, *, seed=1))]
    fn null(&self, name: &str, seed: u64) -> PyResult<Self> {
        let all = [
            Null::Inertia,
            Null::NoDynamics,
            Null::RandomWeights(seed),
            Null::UpperVisible,
        ];
        let names = all.map(Null::name);
        let null = all.into_iter().find(|null| null.name() == name);
        let null = null.ok_or_else(|| refused("null", names.join(", "), name))?;
        let predictor = self.predictor.null(null).map_err(raised)?;
        Ok(Self {
            predictor: Arc::new(predictor),
        })
    }

    /// Run it over a set.
    ///
    /// Parameters
    /// ----------
    /// conditions : ConditionSet, Stimuli, str, path or DataFrame
    ///     The set; of stimuli theirs. Frames are drawn as the encoder wants them.
    /// layer : {"encoder", "dynamics"}, optional
    ///     Latents of every frame, or of the visible ones followed by the forecast; the forecast, if there is one, without it.
    /// cache : path, optional
    ///     Folder in which encoded frames are kept.
    /// progress : callable, optional
    ///     Called with stage, conditions done and conditions in all.
    ///
    /// Returns
    /// -------
    /// Latents
    ///     ``[condition, step, unit]``.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For a layer or a set that it cannot have.
    /// KeyboardInterrupt
    ///     Within a second of Ctrl-C.
    #[pyo3(signature = (conditions, *, layer=None, cache=None, progress=None))]
    fn latents(
        &self,
        py: Python<'_>,
        conditions: &Bound<'_, PyAny>,
        layer: Option<&str>,
        cache: Option<PathBuf>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyLatents> {
        let given = match conditions.getattr_opt("set")? {
            Some(set) => set_of(&set)?,
            None => set_of(conditions)?,
        };
        let layers = match (layer, self.predictor.has_dynamics()) {
            (Some(Layers::ENCODER_NAME), _) | (None, false) => Layers::ENCODER,
            (Some(Layers::DYNAMICS_NAME), true) | (None, true) => Layers::DYNAMICS,
            (Some(other), forecasts) => {
                let expected = if forecasts {
                    "encoder or dynamics"
                } else {
                    "encoder"
                };
                return Err(refused("layer", expected, other));
            }
        };
        let (predictor, of) = (Arc::clone(&self.predictor), given.set.clone());
        let found = work(py, progress, move |monitor: &dyn Monitor| {
            let cache = match cache {
                Some(folder) => Cache::in_folder(&folder)?,
                None => Cache::none(),
            };
            monitor.stage(predictor.name(), of.len() as u64);
            predictor.latents(&of, layers, &cache, monitor)
        })?;
        PyLatents::of(py, &found, 0, &given)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Predictor {}: {}, {} units>",
            self.predictor.name(),
            self.predictor.provenance().description,
            self.predictor.encoder().latent_dim()
        )
    }
}
