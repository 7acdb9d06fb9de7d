//! The records of a session as texts, for whoever keeps them elsewhere than in files: a browser.
//!
//! Put together they are what [`crate::records::Recorder`] writes, byte for byte. Observers that play
//! beside are not kept.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::records::columns::{FRAME_COLUMNS, TRIAL_COLUMNS, header};
use crate::records::name::SessionName;
use crate::records::reader::parse_trials;
use crate::records::rows::{TrialRow, in_order, to_tsv};
use crate::records::sidecar::{Display, Run, Sidecar, json_text};
use crate::task::schedule::Plan;
use crate::task::session::Finished;

/// What is kept of earlier runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// `*_beh.json`.
    pub beh_json: String,
    /// `*_beh.tsv`.
    pub trials: String,
}

/// What is kept of a session beside its trials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTexts {
    /// What the names of the files begin with: `sub-01_ses-01_task-mentalpong_`.
    pub prefix: String,
    /// How many trials the session has.
    pub n_trials: usize,
    /// `*_schedule.tsv`.
    pub schedule: String,
    /// First line of `*_beh.tsv`.
    pub trials_header: String,
    /// First line of `*_frames.tsv`.
    pub frames_header: String,
    /// `*_beh.json`.
    pub beh_json: String,
    /// `*_frames.json`.
    pub frames_json: String,
}

/// What is kept of a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialTexts {
    /// Its number.
    pub number: u32,
    /// Its line of `*_beh.tsv`.
    pub trial: String,
    /// Its lines of `*_frames.tsv`.
    pub frames: String,
}

/// Makes the texts of a session.
#[derive(Clone, Debug)]
pub struct Keeper {
    name: SessionName,
    n_trials: usize,
    schedule: String,
    done: Vec<TrialRow>,
    sidecar: Sidecar,
    goes_on: bool,
}

impl Keeper {
    /// Begins the records of `name`, or goes on with what is kept of it.
    ///
    /// # Errors
    /// [`Error::RecordsTaken`] where what is kept is of another schedule or observer; [`Error::BadRow`] where it is
    /// damaged.
    pub fn open(name: &SessionName, plan: &Plan, kept: Option<&Kept>, run: Run) -> Result<Self> {
        let path = |suffix: &str| PathBuf::from(name.file(suffix));
        let mut done = Vec::new();
        let mut known = None;
        if let Some(kept) = kept {
            let json = path("beh.json");
            let read = serde_json::from_str(&kept.beh_json).ok();
            known = read.as_ref().and_then(Sidecar::from_json);
            if known.is_none() {
                return Err(Error::RecordsTaken {
                    path: json,
                    message: "does not say which schedule the records beside it are of".into(),
                });
            }
            done = parse_trials(&kept.trials, &path("beh.tsv"))?.rows;
        }
        let mut sidecar = Sidecar::resumed(known, plan, Path::new(&name.file("beh.tsv")))?;
        in_order(&done, plan, &path("beh.tsv"))?;
        let goes_on = done.len() < plan.trials.len();
        if goes_on {
            sidecar.begin(run, done.len(), false, &path("beh.tsv"))?;
        }
        Ok(Self {
            name: name.clone(),
            n_trials: plan.trials.len(),
            schedule: plan.to_tsv(),
            done,
            sidecar,
            goes_on,
        })
    }

    /// The trials that earlier runs recorded, in order.
    #[must_use]
    pub fn done(&self) -> &[TrialRow] {
        &self.done
    }

    /// Says what shows the task in this run, once that is known.
    pub fn describe(&mut self, display: &Display) {
        if let Some(run) = self.sidecar.runs.last_mut().filter(|_| self.goes_on) {
            run.display.clone_from(display);
        }
    }

    /// What is kept beside the trials.
    ///
    /// # Errors
    /// None in practice: the JSON holds no number that JSON has not.
    pub fn session(&self) -> Result<SessionTexts> {
        let json = |suffix: &str, value: &serde_json::Value| {
            json_text(value).map_err(|e| Error::io("write", self.name.file(suffix))(e.into()))
        };
        Ok(SessionTexts {
            prefix: self.name.file(""),
            n_trials: self.n_trials,
            schedule: self.schedule.clone(),
            trials_header: header(TRIAL_COLUMNS),
            frames_header: header(FRAME_COLUMNS),
            beh_json: json("beh.json", &self.sidecar.of_trials())?,
            frames_json: json("frames.json", &self.sidecar.of_frames())?,
        })
    }

    /// What is kept of a finished trial.
    ///
    /// # Errors
    /// None in practice: every row can be written.
    pub fn trial(&self, finished: &Finished) -> Result<TrialTexts> {
        let text = |bytes: std::io::Result<Vec<u8>>| {
            bytes
                .and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other))
                .map_err(Error::io("write", self.name.file("beh.tsv")))
        };
        Ok(TrialTexts {
            number: finished.trial.trial,
            trial: text(to_tsv(std::slice::from_ref(&finished.trial)))?,
            frames: text(to_tsv(&finished.frames))?,
        })
    }
}
