//! Stimulus sets and their frames.

use std::path::PathBuf;
use std::sync::Arc;

use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{Format, Job, Occlusion, Setting, StimulusSet, Truth, write_set};
use mental_pong_game::task::{Epoch, SetLaw};
use numpy::{IntoPyArray, PyArray1, PyArrayDyn, PyArrayMethods};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{Reduced, frame, named, object};
use crate::error::{raised, refused};
use crate::sets::{PySet, set_of};
use crate::work::work;

/// The frames of a condition set as a preset draws them, when they are asked for.
///
/// Parameters
/// ----------
/// conditions : ConditionSet, str, path or DataFrame, optional
///     What is shown; ``primate79`` without it.
/// preset : {"model224", "rnn100", "display"}
///     Kind of picture: 224 × 224 RGB for encoders, 100 × 100 grey as the published networks saw, 480 × 480 RGB as people see it.
/// law : {"design", "display"}, optional
///     Law of motion. Published conditions drawn by ``rnn100`` follow ``design`` without it, others that of their set.
/// occlusion : {"occluded", "visible"}
///     Whether the occluder is drawn over the ball.
/// rate_hz : float, optional
///     Frames per second, where not those of the law.
/// size_px : int, optional
///     Height and width, where not those of the preset.
///
/// Raises
/// ------
/// Error
///     For a setting that cannot be.
///
/// Notes
/// -----
/// ``stimuli[k]`` and ``stimuli["55062"]`` are a :class:`Stimulus`. Stimuli can be pickled: what is sent is what they are made
/// from.
#[pyclass(frozen, module = "mental_pong", name = "Stimuli", from_py_object)]
#[derive(Clone)]
pub(crate) struct PyStimuli {
    given: PySet,
    pub(crate) stimuli: Arc<StimulusSet>,
    arguments: (String, Option<String>, String, Option<f64>, Option<usize>),
}

fn place(index: &Bound<'_, PyAny>, stimuli: &StimulusSet) -> PyResult<usize> {
    let n = stimuli.conditions().len();
    if let Ok(id) = index.extract::<String>() {
        let found = stimuli.set().condition(&id).map_err(raised)?.id();
        return Ok(stimuli.set().place(found).unwrap_or_default());
    }
    let at: isize = index.extract()?;
    let from_end = if at < 0 { at + n as isize } else { at };
    usize::try_from(from_end)
        .ok()
        .filter(|at| *at < n)
        .ok_or_else(|| PyIndexError::new_err(format!("{at} of {n} stimuli")))
}

#[pymethods]
impl PyStimuli {
    #[new]
    #[pyo3(signature = (conditions=None, *, preset="model224", law=None, occlusion="occluded", rate_hz=None, size_px=None))]
    fn new(
        conditions: Option<&Bound<'_, PyAny>>,
        preset: &str,
        law: Option<&str>,
        occlusion: &str,
        rate_hz: Option<f64>,
        size_px: Option<usize>,
    ) -> PyResult<Self> {
        let given = match conditions {
            Some(given) => set_of(given)?,
            None => PySet::published()?,
        };
        let mut setting = Setting::of(&given.set, named::<Preset>(preset)?);
        if let Some(law) = law {
            setting.law = named::<SetLaw>(law)?;
        }
        setting.occlusion = named::<Occlusion>(occlusion)?;
        setting.frame_rate_hz = rate_hz;
        setting.look.size_px = size_px;
        let stimuli = StimulusSet::new(&given.set, setting).map_err(raised)?;
        Ok(Self {
            given,
            stimuli: Arc::new(stimuli),
            arguments: (
                preset.into(),
                law.map(str::to_owned),
                occlusion.into(),
                rate_hz,
                size_px,
            ),
        })
    }

    /// The conditions, under the law and at the rate that are drawn.
    #[getter]
    fn set(&self) -> PyResult<PySet> {
        Ok(self.given.shown(self.stimuli.set().clone()))
    }

    /// The ids, in order.
    #[getter]
    fn ids(&self) -> Vec<&str> {
        self.stimuli.set().ids()
    }

    /// ``[condition]`` int64: frames of each condition.
    #[getter]
    fn n_frames<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let n = self.stimuli.n_frames();
        let n: Vec<i64> = n.into_iter().map(|n| n as i64).collect();
        n.into_pyarray(py)
    }

    /// Frames per second.
    #[getter]
    fn rate_hz(&self) -> f64 {
        self.stimuli.setting().rate_hz()
    }

    /// Height, width and, in colour, channels of a frame.
    #[getter]
    fn frame_shape(&self) -> Vec<usize> {
        self.stimuli.setting().shape(1).split_off(1)
    }

    /// How the frames are drawn, as the manifest of a written set says it.
    #[getter]
    fn setting<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        object(py, &self.stimuli.setting())
    }

    /// A row a frame, as a ``pandas.DataFrame``: ``id``, ``frame``, ``time_ms`` (from motion onset), ``x_deg``, ``y_deg``,
    /// ``dx_deg_per_s``, ``dy_deg_per_s``, ``epoch``, ``ball_visible``.
    #[getter]
    fn truth<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let truth: Vec<Truth> = py.detach(|| self.stimuli.truth().collect());
        let columns = PyDict::new(py);
        let ids: Vec<&str> = truth.iter().map(|t| t.id.as_str()).collect();
        columns.set_item("id", ids)?;
        let frames: Vec<i64> = truth.iter().map(|t| i64::from(t.frame)).collect();
        columns.set_item("frame", frames.into_pyarray(py))?;
        type Column = (&'static str, fn(&Truth) -> f64);
        let of: [Column; 5] = [
            ("time_ms", |t| t.time_ms),
            ("x_deg", |t| t.x_deg),
            ("y_deg", |t| t.y_deg),
            ("dx_deg_per_s", |t| t.dx_deg_per_s),
            ("dy_deg_per_s", |t| t.dy_deg_per_s),
        ];
        for (name, value) in of {
            let column: Vec<f64> = truth.iter().map(value).collect();
            columns.set_item(name, column.into_pyarray(py))?;
        }
        let epochs: Vec<String> = truth.iter().map(|t| t.epoch.to_string()).collect();
        columns.set_item("epoch", epochs)?;
        let visible: Vec<bool> = truth.iter().map(|t| t.ball_visible).collect();
        columns.set_item("ball_visible", visible.into_pyarray(py))?;
        frame(py, &columns)
    }

    /// Write the set into a folder with its manifest.
    ///
    /// Parameters
    /// ----------
    /// folder : path
    ///     Where; what a stopped call left there is gone on with.
    /// format : {"npy", "png", "gif", "mp4", "tar", "tar-png", "zarr", "pool"}
    ///     How frames are stored; ``gif`` and ``mp4`` (which needs ffmpeg) are to look at.
    /// progress : callable, optional
    ///     Called with stage, conditions done and conditions in all.
    ///
    /// Returns
    /// -------
    /// dict
    ///     The manifest.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For an unknown format, a folder that holds another set, or a full disk.
    #[pyo3(signature = (folder, *, format="npy", progress=None))]
    fn write<'py>(
        &self,
        py: Python<'py>,
        folder: PathBuf,
        format: &str,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut setting = self.stimuli.setting();
        setting.format = named::<Format>(format)?;
        let set = StimulusSet::new(&self.given.set, setting).map_err(raised)?;
        let written = work(py, progress, move |monitor| {
            let job = Job {
                command: "mental_pong.Stimuli.write",
                ..Job::default()
            };
            write_set(folder, &set, &job, monitor)
        })?;
        object(py, &written.manifest)
    }

    /// All frames with their truth as an ``xarray.Dataset``, in memory: ``frames`` ``[condition, frame, y, x, channel]`` uint8 (0 beyond
    /// a condition's last frame), ``time_ms``, ``x_deg``, ``y_deg``, ``hidden`` ``[condition, frame]``.
    fn to_xarray<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let made = slf.py().import("mental_pong._xarray")?;
        made.getattr("stimuli")?.call1((slf,))
    }

    fn __len__(&self) -> usize {
        self.stimuli.conditions().len()
    }

    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<PyStimulus> {
        Ok(PyStimulus {
            stimuli: Arc::clone(&self.stimuli),
            place: place(index, &self.stimuli)?,
        })
    }

    fn __repr__(&self) -> String {
        let setting = self.stimuli.setting();
        format!(
            "<Stimuli {}: {} conditions, preset {}, law {}, {} Hz, {:?} uint8>",
            self.stimuli.set().name(),
            self.stimuli.conditions().len(),
            setting.preset,
            setting.law,
            setting.rate_hz(),
            setting.shape(1).split_off(1)
        )
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let made = py.import("mental_pong._pickle")?.getattr("stimuli")?;
        let (preset, law, occlusion, rate_hz, size_px) = self.arguments.clone();
        let arguments = (self.given.clone(), preset, law, occlusion, rate_hz, size_px);
        Ok((made, arguments.into_pyobject(py)?))
    }
}

/// One condition of a stimulus set; what :class:`Stimuli` gives by place or id.
#[pyclass(frozen, module = "mental_pong", name = "Stimulus")]
pub(crate) struct PyStimulus {
    stimuli: Arc<StimulusSet>,
    place: usize,
}

impl PyStimulus {
    fn column<'py, T: numpy::Element>(
        &self,
        py: Python<'py>,
        of: impl Fn(&Truth) -> T,
    ) -> Bound<'py, PyArray1<T>> {
        let movie = self.stimuli.movie(&self.stimuli.conditions()[self.place]);
        let column: Vec<T> = (0..movie.n_frames())
            .map_while(|n| movie.truth(n))
            .map(|truth| of(&truth))
            .collect();
        column.into_pyarray(py)
    }
}

#[pymethods]
impl PyStimulus {
    /// The condition.
    #[getter]
    fn id(&self) -> &str {
        self.stimuli.conditions()[self.place].id()
    }

    fn __len__(&self) -> usize {
        self.stimuli.conditions()[self.place].track().n_frames()
    }

    /// All frames, drawn anew: ``[frame, y, x, channel]`` uint8, without the last axis for grey presets. The array is the
    /// drawing itself, not a copy of it.
    #[getter]
    fn frames<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        self.draw(py, 0, None)
    }

    /// Some of the frames, drawn anew.
    ///
    /// Parameters
    /// ----------
    /// start, stop : int
    ///     The first frame, and the one after the last; to the end without `stop`.
    ///
    /// Returns
    /// -------
    /// array, shape (frame, y, x, channel)
    ///     uint8; without the last axis for grey presets.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For frames that the condition does not have.
    #[pyo3(signature = (start=0, stop=None))]
    fn draw<'py>(
        &self,
        py: Python<'py>,
        start: usize,
        stop: Option<usize>,
    ) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        let n = self.__len__();
        let stop = stop.unwrap_or(n);
        if start > stop || stop > n {
            return Err(refused(
                "frames",
                format!("0 to {n}"),
                format!("{start} to {stop}"),
            ));
        }
        let setting = self.stimuli.setting();
        let bytes = py.detach(|| {
            let mut movie = self.stimuli.movie(&self.stimuli.conditions()[self.place]);
            let mut bytes = Vec::with_capacity((stop - start) * setting.frame_len());
            for n in start..stop {
                bytes.extend_from_slice(movie.draw(n));
            }
            bytes
        });
        bytes.into_pyarray(py).reshape(setting.shape(stop - start))
    }

    /// ``[frame]`` float64: milliseconds from motion onset.
    #[getter]
    fn time_ms<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.column(py, |t| t.time_ms)
    }

    /// ``[frame]`` float64: horizontal position of the ball's centre, degrees, right positive.
    #[getter]
    fn x_deg<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.column(py, |t| t.x_deg)
    }

    /// ``[frame]`` float64: height of the ball's centre, degrees, up positive.
    #[getter]
    fn y_deg<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.column(py, |t| t.y_deg)
    }

    /// ``[frame]`` bool: whether the ball's centre is behind an occluder.
    #[getter]
    fn hidden<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        self.column(py, |t| t.epoch == Epoch::Hidden)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Stimulus {} of {}: {} frames>",
            self.id(),
            self.stimuli.set().name(),
            self.__len__()
        )
    }
}
