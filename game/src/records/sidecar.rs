//! The JSON beside the records.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::records::columns::{Column, FRAME_COLUMNS, TRIAL_COLUMNS};
use crate::task::schedule::Plan;

/// What showed the task, as far as the program knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Display {
    /// Width of the window, physical pixels.
    pub width_px: u32,
    /// Height of the window, physical pixels.
    pub height_px: u32,
    /// Pixels of a degree of visual angle.
    pub px_per_deg: f64,
    /// Whether those are degrees of visual angle: screen size and distance were given, and the
    /// window is large enough.
    pub calibrated: bool,
    /// Width of the screen, centimetres, as the user gave it.
    pub screen_width_cm: Option<f64>,
    /// Width of the screen, pixels.
    pub screen_width_px: Option<u32>,
    /// From the eye to the screen, centimetres, as the user gave it.
    pub distance_cm: Option<f64>,
    /// Refresh rate that frames are judged by, frames per second.
    pub refresh_hz: f64,
    /// `real`, or `fixed` for a clock that counts frames.
    pub clock: String,
    /// What drew the frames.
    pub renderer: String,
    /// How frames were handed over.
    pub present_mode: String,
    /// The colours.
    pub palette: String,
    /// Whether the occluder faded as feedback.
    pub reduced_flash: bool,
}

impl Display {
    /// A session without a window, on a fixed clock.
    #[must_use]
    pub fn headless(hz: f64) -> Self {
        Self {
            width_px: 0,
            height_px: 0,
            px_per_deg: 0.0,
            calibrated: false,
            screen_width_cm: None,
            screen_width_px: None,
            distance_cm: None,
            refresh_hz: hz,
            clock: "fixed".into(),
            renderer: "none".into(),
            present_mode: "none".into(),
            palette: "none".into(),
            reduced_flash: false,
        }
    }
}

/// One run of a session: it has more than one where it was stopped and resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The first trial of the run.
    pub from_trial: u32,
    /// Version of the program.
    pub software_version: String,
    /// Who played.
    pub observer: String,
    /// What showed the task.
    pub display: Display,
    /// When it began, as the caller says; nothing where no clock was asked.
    pub started: Option<String>,
}

/// What stands beside the records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Name and hash of the schedule's list, its seed, law and rules.
    pub schedule: Value,
    /// The runs, first to last.
    pub runs: Vec<Run>,
}

impl Sidecar {
    /// The sidecar of a plan, without a run.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut schedule = json!({
                "Sha256": plan.sha256(),
                "Seed": plan.seed,
                "Law": plan.law,
                "Trials": plan.trials.len(),
                "Blocks": plan.blocks,
                "Rules": plan.rules,
        });
        if let (Some(set), Value::Object(all)) = (&plan.set, &mut schedule) {
            all.insert("ConditionSet".into(), json!(set));
        }
        Self {
            schedule,
            runs: Vec::new(),
        }
    }

    /// The sidecar of `plan` to go on with: the known one where there are records already, at `path`.
    ///
    /// # Errors
    /// [`Error::RecordsTaken`] where those are of another schedule.
    pub(crate) fn resumed(known: Option<Self>, plan: &Plan, path: &Path) -> Result<Self> {
        let fresh = Self::new(plan);
        let Some(known) = known else {
            return Ok(fresh);
        };
        if known.schedule_sha256() == fresh.schedule_sha256() {
            return Ok(known);
        }
        let short = |sidecar: &Self| {
            let sha256 = sidecar.schedule_sha256();
            sha256.get(..12).unwrap_or("none").to_owned()
        };
        Err(Error::RecordsTaken {
            path: path.to_path_buf(),
            message: format!(
                "holds records of another schedule ({} there, {} here): give another session or \
                 folder, or the same schedule, seed and rules",
                short(&known),
                short(&fresh),
            ),
        })
    }

    /// Adds a run that goes on after `done` trials of the records at `path`. One that is `replayed` from the first trial on a
    /// clock that counts frames is the last run itself, gone on with.
    ///
    /// # Errors
    /// [`Error::RecordsTaken`] where another observer began.
    pub(crate) fn begin(
        &mut self,
        run: Run,
        done: usize,
        replayed: bool,
        path: &Path,
    ) -> Result<()> {
        if let Some(last) = self.runs.last() {
            if last.observer != run.observer {
                return Err(Error::RecordsTaken {
                    path: path.to_path_buf(),
                    message: format!(
                        "holds {done} trials of the observer {}: {} cannot go on with them; give another session or folder",
                        last.observer, run.observer
                    ),
                });
            }
            let same = Run {
                from_trial: last.from_trial,
                ..run.clone()
            };
            if replayed && same == *last {
                return Ok(());
            }
        }
        self.runs.push(Run {
            from_trial: done as u32 + 1,
            ..run
        });
        Ok(())
    }

    /// The hash of the schedule's list and rules.
    #[must_use]
    pub fn schedule_sha256(&self) -> &str {
        self.schedule["Sha256"].as_str().unwrap_or_default()
    }

    fn json(&self, columns: &[Column]) -> Value {
        let mut all = Map::new();
        let mut put = |key: &str, value: Value| {
            all.insert(key.to_owned(), value);
        };
        put("TaskName", json!("mentalpong"));
        put(
            "TaskDescription",
            json!(
                "A ball flies to the right and passes behind an occluder; the paddle on the right \
                 edge has to meet it where it comes out (after Rajalingham et al. 2022, 2025). \
                 Lengths are degrees of visual angle, origin in the centre, x right, y up."
            ),
        );
        put("SoftwareName", json!("mental-pong"));
        put("SoftwareVersion", json!(env!("CARGO_PKG_VERSION")));
        put(
            "Clock",
            json!(
                "Milliseconds since the run began, from the computer's monotonic clock (display \
                 clock `real`) or counted in frames (`fixed`); it starts again with each entry of Runs. \
                 Inputs are stamped when the program receives them, at the latest once a frame."
            ),
        );
        put("Schedule", self.schedule.clone());
        put("Runs", json!(self.runs));
        for column in columns {
            let mut about = Map::new();
            about.insert("Description".into(), json!(column.description));
            if !column.units.is_empty() {
                about.insert("Units".into(), json!(column.units));
            }
            if !column.levels.is_empty() {
                let levels: Map<String, Value> = column
                    .levels
                    .iter()
                    .map(|(name, meaning)| ((*name).to_owned(), json!(meaning)))
                    .collect();
                about.insert("Levels".into(), Value::Object(levels));
            }
            put(column.name, Value::Object(about));
        }
        Value::Object(all)
    }

    /// The JSON beside the trials.
    #[must_use]
    pub fn of_trials(&self) -> Value {
        self.json(TRIAL_COLUMNS)
    }

    /// The JSON beside the frames.
    #[must_use]
    pub fn of_frames(&self) -> Value {
        self.json(FRAME_COLUMNS)
    }

    /// What a JSON beside the trials says about schedule and runs; nothing where it is none.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            schedule: value.get("Schedule")?.clone(),
            runs: serde_json::from_value(value.get("Runs")?.clone()).ok()?,
        })
    }
}

/// A JSON as it is written.
pub(crate) fn json_text(value: &Value) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
