//! Records of play, and play without a window.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mental_pong_game::Error as GameError;
use mental_pong_game::records::{Display, Recorder, Run, SessionName, Summary};
use mental_pong_game::records::{read_frames as frames_of, read_trials as trials_of};
use mental_pong_game::task::Schedule;
use mental_pong_game::task::agent::{
    AgentHands, Hands, KinematicAgent, KinematicKind, PlannedAgent, Script,
};
use mental_pong_game::task::headless;
use mental_pong_game::task::session::{Session, SessionSetup};
use pyo3::prelude::*;
use pythonize::depythonize;

use crate::convert::{named, object};
use crate::error::{raised, refused};
use crate::work::work;

type Table<'py> = (Bound<'py, PyAny>, Option<String>);

/// The rows of a ``*_beh.tsv``, and what was torn after them; see :func:`mental_pong.records.read`.
#[pyfunction]
pub(crate) fn read_trials(py: Python<'_>, path: PathBuf) -> PyResult<Table<'_>> {
    let read = py.detach(|| trials_of(path)).map_err(raised)?;
    Ok((object(py, &read.rows)?, read.torn))
}

/// The rows of a ``*_frames.tsv`` or ``*_frames.parquet``, and what was torn after them.
#[pyfunction]
pub(crate) fn read_frames(py: Python<'_>, path: PathBuf) -> PyResult<Table<'_>> {
    let read = py.detach(|| frames_of(path)).map_err(raised)?;
    Ok((object(py, &read.rows)?, read.torn))
}

/// Who plays: the name of an observer, a table of end heights by condition, or a script's path.
fn hands_of(
    agent: &Bound<'_, PyAny>,
    name: Option<&str>,
) -> PyResult<Box<dyn Hands + Send + Sync>> {
    let numbered = || {
        let of = |ends: BTreeMap<u64, f64>| ends.into_iter().map(|(id, y)| (id.to_string(), y));
        agent.extract().map(|ends| of(ends).collect())
    };
    if let Ok(ends) = agent
        .extract::<BTreeMap<String, f64>>()
        .or_else(|_| numbered())
    {
        let name = name.unwrap_or("ends").to_owned();
        let agent = PlannedAgent::new(name, ends);
        return Ok(Box::new(AgentHands::new(Box::new(agent))));
    }
    let Ok(text) = agent.extract::<PathBuf>() else {
        let expected = "an observer's name, heights by condition, or the path of a script";
        return Err(refused("agent", expected, agent.get_type().to_string()));
    };
    if text.is_file() {
        return Ok(Box::new(Script::read(&text).map_err(raised)?));
    }
    let kind: KinematicKind = named(&text.to_string_lossy())?;
    Ok(Box::new(AgentHands::new(Box::new(KinematicAgent::new(
        kind,
    )))))
}

fn schedule_of(given: Option<&Bound<'_, PyAny>>) -> PyResult<Schedule> {
    let Some(given) = given else {
        return Ok(Schedule::default());
    };
    if let Ok(path) = given.extract::<PathBuf>() {
        return Schedule::read(&path).map_err(raised);
    }
    depythonize(given)
        .map_err(|e| refused("schedule", "a path, or fields of a schedule", e.to_string()))
}

/// A session that an agent plays on a fixed clock; see :func:`mental_pong.play`.
#[pyfunction]
#[pyo3(signature = (agent, schedule=None, *, name=None, out=None, subject="01", session="01", hz=60.0, progress=None))]
pub(crate) fn play<'py>(
    py: Python<'py>,
    agent: &Bound<'py, PyAny>,
    schedule: Option<&Bound<'py, PyAny>>,
    name: Option<&str>,
    out: Option<PathBuf>,
    subject: &str,
    session: &str,
    hz: f64,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if !(10.0..=1000.0).contains(&hz) {
        return Err(refused("hz", "10 to 1000", hz.to_string()));
    }
    let mut hands = hands_of(agent, name)?;
    let observer = hands.name();
    let plan = schedule_of(schedule)?
        .plan(Path::new("schedule"))
        .map_err(raised)?;
    let name = SessionName::new(subject, session).map_err(raised)?;
    let played = work(py, progress, move |monitor| -> Result<_, GameError> {
        let run = Run {
            from_trial: 1,
            software_version: env!("CARGO_PKG_VERSION").into(),
            observer: observer.clone(),
            display: Display::headless(hz),
            started: None,
        };
        let mut recorder = match &out {
            Some(out) => Some(Recorder::replayed(out, &name, &plan, run)?),
            None => None,
        };
        // A session that was stopped is played again: what is there already is held against it.
        let mut trials = Vec::new();
        let mut frames = Vec::new();
        let setup = SessionSetup {
            name,
            observer,
            hz,
            from: 0,
            unattended: true,
        };
        let mut session = Session::new(plan, setup);
        let played = headless::play(&mut session, &mut *hands, monitor, |done| {
            if let Some(recorder) = &mut recorder {
                recorder.record(&done)?;
            }
            trials.push(done.trial);
            frames.extend(done.frames);
            Ok(())
        });
        if let Some(recorder) = &recorder {
            recorder.finish(false)?;
        }
        played.map(|()| (trials, frames))
    })?;
    let (trials, frames) = played;
    let summary = Summary::of(&trials);
    Ok((
        object(py, &trials)?,
        object(py, &frames)?,
        object(py, &summary)?,
    ))
}
