//! The task as an environment of learning agents.

use mental_pong_game::frames::{Preset, Renderer};
use mental_pong_game::task::environment::{
    Autoreset, Begin, EnvSettings, N_FEATURES, Reward, VectorEnv,
};
use mental_pong_game::task::{Condition, Law};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::convert::named;
use crate::error::{raised, refused};
use crate::sets::set_of;

/// Trials side by side; what a step gives is in arrays that stay where they are. :mod:`mental_pong.gym` gives it the form of
/// Gymnasium.
///
/// Parameters
/// ----------
/// conditions : ConditionSet, str or path
///     What a trial is drawn from: starts in the published field.
/// n : int
///     How many trials run at once.
/// law : {"display", "design"}
///     The law of motion; a step is a frame of it.
/// occluded : bool
///     Whether the ball is unseen from x = 5°.
/// reward : {"hit", "closeness"}
///     1 for a hit, or minus the distance of ball and paddle (degrees), when the ball arrives.
/// still_frames : int
///     Frames of the still ball before it moves.
/// autoreset : {"SameStep", "NextStep", "Disabled"}
///     When the next trial begins.
///
/// Raises
/// ------
/// Error
///     For a condition or a setting that cannot be.
#[pyclass(module = "mental_pong._native", name = "Environment")]
pub(crate) struct PyEnvironment {
    env: VectorEnv,
    actions: Vec<i8>,
    renderer: Option<(Preset, Renderer)>,
    observations: Py<PyArray2<f32>>,
    finals: Py<PyArray2<f32>>,
    rewards: Py<PyArray1<f32>>,
    terminated: Py<PyArray1<bool>>,
}

/// Of each environment: whether its trial ended, the condition, whether the paddle met the ball, and the error.
type Ended<'py> = (
    Bound<'py, PyArray1<bool>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<bool>>,
    Bound<'py, PyArray1<f64>>,
);

impl PyEnvironment {
    /// Copies what the environments show into the arrays.
    fn show(&self, py: Python<'_>) -> PyResult<()> {
        put(
            self.observations.bind(py),
            self.env.observations().as_flattened(),
        )?;
        put_flat(self.rewards.bind(py), self.env.rewards())?;
        put_flat(self.terminated.bind(py), self.env.dones())
    }
}

fn put(to: &Bound<'_, PyArray2<f32>>, from: &[f32]) -> PyResult<()> {
    let mut to = to
        .try_readwrite()
        .map_err(|e| refused("array", "one that can be written", e.to_string()))?;
    to.as_slice_mut()?.copy_from_slice(from);
    Ok(())
}

fn put_flat<T: numpy::Element + Copy>(to: &Bound<'_, PyArray1<T>>, from: &[T]) -> PyResult<()> {
    let mut to = to
        .try_readwrite()
        .map_err(|e| refused("array", "one that can be written", e.to_string()))?;
    to.as_slice_mut()?.copy_from_slice(from);
    Ok(())
}

#[pymethods]
impl PyEnvironment {
    #[new]
    #[pyo3(signature = (conditions, n, *, law="display", occluded=true, reward="hit", still_frames=18, autoreset="SameStep"))]
    fn new(
        py: Python<'_>,
        conditions: &Bound<'_, PyAny>,
        n: usize,
        law: &str,
        occluded: bool,
        reward: &str,
        still_frames: u32,
        autoreset: &str,
    ) -> PyResult<Self> {
        let set = set_of(conditions)?.set;
        let trials: Option<Vec<Condition>> = set
            .conditions()
            .iter()
            .map(|c| c.start().filter(|_| c.geometry().is_published()).copied())
            .collect();
        let trials = trials.ok_or_else(|| {
            let found = format!("{}, with another field or recorded paths", set.name());
            refused("conditions", "starts in the published field", found)
        })?;
        let settings = EnvSettings {
            law: named::<Law>(law)?,
            still_frames,
            occluded,
            reward: match reward {
                "hit" => Reward::Hit,
                "closeness" => Reward::Closeness,
                other => return Err(refused("reward", "hit or closeness", other)),
            },
            autoreset: match autoreset {
                "SameStep" => Autoreset::SameStep,
                "NextStep" => Autoreset::NextStep,
                "Disabled" => Autoreset::Disabled,
                other => {
                    return Err(refused(
                        "autoreset",
                        "SameStep, NextStep or Disabled",
                        other,
                    ));
                }
            },
            ..EnvSettings::default()
        };
        let env = VectorEnv::new(&trials, n, settings).map_err(raised)?;
        let made = Self {
            env,
            actions: vec![0; n],
            renderer: None,
            observations: PyArray2::zeros(py, [n, N_FEATURES], false).unbind(),
            finals: PyArray2::zeros(py, [n, N_FEATURES], false).unbind(),
            rewards: PyArray1::zeros(py, n, false).unbind(),
            terminated: PyArray1::zeros(py, n, false).unbind(),
        };
        made.show(py)?;
        Ok(made)
    }

    /// Begin a trial in some environments.
    ///
    /// Parameters
    /// ----------
    /// places : sequence of int
    ///     Which.
    /// seeds : sequence of int or None, optional
    ///     A seed for each place; None goes on with its stream.
    /// conditions : sequence of int or None, optional
    ///     A condition for each place; None draws one.
    /// occluded : bool, optional
    ///     For these trials and those after them.
    /// law : {"display", "design"}, optional
    ///     For these trials and those after them.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For a place or a condition that is not there.
    #[pyo3(signature = (places, *, seeds=None, conditions=None, occluded=None, law=None))]
    fn reset(
        &mut self,
        py: Python<'_>,
        places: Vec<usize>,
        seeds: Option<Vec<Option<u64>>>,
        conditions: Option<Vec<Option<u32>>>,
        occluded: Option<bool>,
        law: Option<&str>,
    ) -> PyResult<()> {
        let law = law.map(named::<Law>).transpose()?;
        let seeds = seeds.unwrap_or_else(|| vec![None; places.len()]);
        let conditions = conditions.unwrap_or_else(|| vec![None; places.len()]);
        if seeds.len() != places.len() || conditions.len() != places.len() {
            let found = format!("{} seeds, {} conditions", seeds.len(), conditions.len());
            return Err(refused(
                "seeds, conditions",
                places.len().to_string(),
                found,
            ));
        }
        for ((place, seed), condition_id) in places.into_iter().zip(seeds).zip(conditions) {
            let how = Begin {
                seed,
                condition_id,
                occluded,
                law,
            };
            self.env.reset_one(place, &how).map_err(raised)?;
        }
        self.show(py)
    }

    /// Hold each action for a frame.
    ///
    /// Parameters
    /// ----------
    /// actions : array, shape (n,)
    ///     int64: 0 down, 1 stay, 2 up.
    ///
    /// Returns
    /// -------
    /// tuple of arrays, shape (n,), or None
    ///     Where a trial ended: whether it did (bool), the condition (int64), whether the paddle met the ball (bool), and
    ///     paddle minus ball (float64, degrees); 0 elsewhere.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For another number of actions, or another action.
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        actions: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Option<Ended<'py>>> {
        let given = actions.as_array();
        if given.len() != self.actions.len() {
            let expected = format!("{}, one for each environment", self.actions.len());
            return Err(refused("actions", expected, given.len().to_string()));
        }
        let mut worst = 0;
        for (action, given) in self.actions.iter_mut().zip(given) {
            *action = (*given as i8).wrapping_sub(1);
            worst |= (*given & !3) | (*given & (*given >> 1) & 1);
        }
        if worst != 0 {
            let found = given.iter().find(|a| !(0..=2).contains(*a));
            return Err(refused(
                "actions",
                "0, 1 or 2",
                format!("{}", found.unwrap_or(&3)),
            ));
        }
        self.env.step(&self.actions).map_err(raised)?;
        self.show(py)?;
        if self.env.episodes().is_empty() {
            return Ok(None);
        }
        put(self.finals.bind(py), self.env.finals().as_flattened())?;
        let n = self.actions.len();
        let (mut ended, mut condition) = (vec![false; n], vec![0; n]);
        let (mut hit, mut error_deg) = (vec![false; n], vec![0.0; n]);
        for episode in self.env.episodes() {
            ended[episode.env] = true;
            condition[episode.env] = i64::from(episode.condition_id);
            hit[episode.env] = episode.hit;
            error_deg[episode.env] = episode.error_deg;
        }
        Ok(Some((
            ended.into_pyarray(py),
            condition.into_pyarray(py),
            hit.into_pyarray(py),
            error_deg.into_pyarray(py),
        )))
    }

    /// ``[n, 4]`` float32: ball x, ball y, seen, paddle y, degrees; a ball that is not seen has x and y 0.
    #[getter]
    fn observations<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        self.observations.bind(py).clone()
    }

    /// ``[n, 4]`` float32: the same when the last trial of each ended.
    #[getter]
    fn finals<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        self.finals.bind(py).clone()
    }

    /// ``[n]`` float32.
    #[getter]
    fn rewards<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.rewards.bind(py).clone()
    }

    /// ``[n]`` bool: whether the trial ended in this step.
    #[getter]
    fn terminated<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        self.terminated.bind(py).clone()
    }

    /// ``[n]`` int64: the conditions that run.
    #[getter]
    fn condition_ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let ids: Vec<i64> = self
            .env
            .condition_ids()
            .into_iter()
            .map(i64::from)
            .collect();
        ids.into_pyarray(py)
    }

    /// ``[n]`` bool: whether the ball is hidden at the end of the trials that run.
    #[getter]
    fn occluded<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        self.env.occluded().into_pyarray(py)
    }

    /// What each environment shows as a picture.
    ///
    /// Parameters
    /// ----------
    /// preset : {"model224", "rnn100", "display"}
    ///     Kind of picture.
    ///
    /// Returns
    /// -------
    /// array, shape (n, y, x, channel)
    ///     uint8; without the last axis for grey presets.
    ///
    /// Raises
    /// ------
    /// Error
    ///     For an unknown preset.
    #[pyo3(signature = (preset="model224"))]
    fn pixels<'py>(
        &mut self,
        py: Python<'py>,
        preset: &str,
    ) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        let preset: Preset = named(preset)?;
        let mut renderer = match self.renderer.take() {
            Some((of, renderer)) if of == preset => renderer,
            _ => Renderer::new(preset),
        };
        let mut bytes = Vec::new();
        py.detach(|| self.env.pixels(&mut renderer, &mut bytes));
        self.renderer = Some((preset, renderer));
        bytes.into_pyarray(py).reshape(self.env.pixel_shape(preset))
    }

    fn __len__(&self) -> usize {
        self.env.len()
    }
}
