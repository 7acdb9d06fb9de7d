//! The rows of the records.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::task::paddle::Direction;
use crate::task::schedule::Plan;
use crate::task::set::SetLaw;
use crate::task::trial::{Outcome, Phase, TrialKind};

/// A trial. Field names are column names, in this order; [`crate::records::TRIAL_COLUMNS`] says what
/// each means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRow {
    /// Subject.
    pub subject: String,
    /// Session.
    pub session: String,
    /// Block, from 1; practice is block 0.
    pub block: u32,
    /// Number in the session, from 1.
    pub trial: u32,
    /// Id of the condition in its set: of a published set the row of the generator's table; `own-1` and so on for a trial
    /// of the schedule's own, by its row there.
    pub condition_id: String,
    /// Whether the occluder hid the ball.
    pub trial_type: TrialKind,
    /// Practice: no occluder at all.
    pub practice: bool,
    /// Opacity of the occluder, 0 to 1.
    pub occluder_opacity: f64,
    /// Law of motion, or `recorded`.
    pub law: SetLaw,
    /// Start, degrees.
    pub x0_deg: f64,
    /// Start, degrees.
    pub y0_deg: f64,
    /// First heading, degrees of angle.
    pub heading_deg: f64,
    /// Speed, degrees per second.
    pub speed_deg_per_s: f64,
    /// Height of the ball at the interception plane (published: x = 10°), degrees.
    pub y_true_deg: f64,
    /// Height of the paddle when the ball arrived, degrees.
    #[serde(with = "na")]
    pub paddle_y_deg: Option<f64>,
    /// Paddle minus ball, degrees.
    #[serde(with = "na")]
    pub error_deg: Option<f64>,
    /// Hit, miss or ignore.
    pub outcome: Outcome,
    /// First movement after motion onset, milliseconds.
    #[serde(with = "na")]
    pub rt_ms: Option<f64>,
    /// Frames shown.
    pub n_frames: u32,
    /// Frames that were late.
    pub n_late: u32,
    /// The latest frame's lateness, milliseconds.
    pub max_late_ms: f64,
    /// Whether the window lost the focus.
    pub focus_lost: bool,
    /// Whether a controller was unplugged.
    pub controller_lost: bool,
    /// Whether the paddle moved.
    pub paddle_moved: bool,
    /// First frame, milliseconds on the run's clock.
    pub begun_ms: f64,
    /// First frame of the still ball, milliseconds on the run's clock.
    #[serde(with = "na")]
    pub still_on_ms: Option<f64>,
    /// Motion onset, milliseconds on the run's clock.
    #[serde(with = "na")]
    pub motion_on_ms: Option<f64>,
    /// Seed of the schedule.
    pub seed: u64,
    /// Who played.
    pub observer: String,
}

/// A frame of a trial. Field names are column names, in this order;
/// [`crate::records::FRAME_COLUMNS`] says what each means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameRow {
    /// Number of the trial.
    pub trial: u32,
    /// Number of the frame in the trial, from 0.
    pub frame: u32,
    /// Part of the trial.
    pub phase: Phase,
    /// The time that the frame shows, milliseconds on the run's clock.
    pub intended_ms: f64,
    /// When it had been handed to the display, milliseconds on the run's clock.
    pub presented_ms: f64,
    /// Whether it was late.
    pub late: bool,
    /// Ball, degrees, seen or not.
    #[serde(with = "na")]
    pub ball_x_deg: Option<f64>,
    /// Ball, degrees, seen or not.
    #[serde(with = "na")]
    pub ball_y_deg: Option<f64>,
    /// Height of the paddle's centre, degrees.
    pub paddle_y_deg: f64,
    /// Whether the paddle has moved in this trial.
    pub paddle_moved: bool,
    /// State of the paddle's control.
    pub input: Direction,
    /// Whether the subject fixates.
    pub fixating: bool,
}

/// Missing numbers as BIDS writes them.
mod na {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(
        clippy::ref_option,
        reason = "serde calls it with a reference to the field"
    )]
    pub(super) fn serialize<S: Serializer>(v: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        match v {
            Some(value) => to.serialize_f64(*value),
            None => to.serialize_str("n/a"),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        let text = String::deserialize(from)?;
        if text == "n/a" {
            return Ok(None);
        }
        text.parse()
            .map(Some)
            .map_err(|_| serde::de::Error::custom("expected a number or n/a"))
    }
}

/// Checks that the rows of `path` are the first of the plan's trials.
pub(crate) fn in_order(rows: &[TrialRow], plan: &Plan, path: &Path) -> Result<()> {
    let same = rows
        .iter()
        .zip(&plan.trials)
        .all(|(row, t)| row.trial == t.number && row.condition_id == t.spec.condition.id());
    if same && rows.len() <= plan.trials.len() {
        return Ok(());
    }
    Err(Error::RecordsTaken {
        path: path.to_path_buf(),
        message: "does not hold the schedule's trials in their order".into(),
    })
}

/// Rows as tab-separated text without a header, each with its line break.
pub(crate) fn to_tsv<R: Serialize>(rows: &[R]) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b'\t')
        .has_headers(false)
        .from_writer(Vec::new());
    for row in rows {
        writer
            .serialize(row)
            .map_err(|e| std::io::Error::other(e.to_string()))?;
    }
    writer
        .into_inner()
        .map_err(|e| std::io::Error::other(e.to_string()))
}
