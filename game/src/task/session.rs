//! A session of play: the trials of a plan one after another, with rests, pauses and practice.
//!
//! A [`Session`] is driven frame by frame by whoever has a clock: a window, a browser, or
//! [`crate::task::headless`]. It gives back what to show and, at the end of a trial, what to record.

use crate::records::{FrameRow, SessionName, TrialRow};
use crate::task::paddle::Direction;
use crate::task::schedule::{Plan, ScheduledTrial};
use crate::task::trial::{Input, Phase, Shown, Stamped, Trial};

/// A frame is late when it is handed over more than this share of a period after it was due. Half
/// a period is what PsychoPy counts as dropped too.
pub const LATE_SHARE: f64 = 0.5;

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Instructions; waits for a go.
    Welcome,
    /// Before a block, from 1; waits for a go.
    Rest {
        /// The block that comes.
        block: u32,
    },
    /// A trial runs.
    Running,
    /// Stopped between two trials; waits for a go.
    Paused,
    /// Every trial is done.
    End,
}

/// What came in since the last frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameInput<'a> {
    /// Paddle and fixation, in the order of their times.
    pub inputs: &'a [Stamped],
    /// Go on from instructions, rest or pause.
    pub go: bool,
    /// Stop before the next trial.
    pub pause: bool,
    /// Whether the window has lost the focus.
    pub unfocused: bool,
    /// Whether a controller was unplugged.
    pub unplugged: bool,
}

/// What a session gives for a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameOutput {
    /// Where the session is.
    pub stage: Stage,
    /// What to show while a trial runs.
    pub shown: Option<Shown>,
    /// The trial that ended with this frame.
    pub finished: Option<Finished>,
}

/// What a finished trial leaves to the records.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The trial's row.
    pub trial: TrialRow,
    /// `[frame]`: its frames.
    pub frames: Vec<FrameRow>,
    /// The row of an observer that played beside: see [`crate::task::companion`].
    pub beside: Option<TrialRow>,
}

/// Who plays what.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSetup {
    /// Subject and session.
    pub name: SessionName,
    /// Who plays: `person`, `script`, or an observer's name.
    pub observer: String,
    /// Refresh rate of the display, frames per second; a frame is late by it.
    pub hz: f64,
    /// The first trial to play, counted from 0; the ones before are recorded already.
    pub from: usize,
    /// Without instructions and rests: nobody is there to read them.
    pub unattended: bool,
}

/// A session as it runs.
#[derive(Clone, Debug)]
pub struct Session {
    plan: Plan,
    setup: SessionSetup,
    next: usize,
    stage: Stage,
    rested_for: Option<u32>,
    running: Option<Running>,
    direction: Direction,
    fixating: bool,
    pause_asked: bool,
    waits: bool,
    waiting: bool,
}

#[derive(Clone, Debug)]
struct Running {
    trial: Trial,
    scheduled: ScheduledTrial,
    frames: Vec<FrameRow>,
    begun_ms: f64,
    /// When the last frame was handed over.
    handed_ms: Option<f64>,
    n_late: u32,
    max_late_ms: f64,
    focus_lost: bool,
    controller_lost: bool,
}

impl Session {
    /// A session of `plan`.
    #[must_use]
    pub fn new(plan: Plan, setup: SessionSetup) -> Self {
        let stage = if setup.from >= plan.trials.len() {
            Stage::End
        } else if setup.unattended {
            Stage::Running
        } else {
            Stage::Welcome
        };
        Self {
            next: setup.from,
            plan,
            setup,
            stage,
            rested_for: None,
            running: None,
            direction: Direction::Neutral,
            fixating: false,
            pause_asked: false,
            waits: false,
            waiting: false,
        }
    }

    /// From now on no trial begins before the one before it is [`Self::stored`]: for records that are
    /// stored while frames go on.
    pub const fn wait_for_records(&mut self) {
        self.waits = true;
    }

    /// Whether the next trial waits for the records.
    #[must_use]
    pub const fn waiting(&self) -> bool {
        self.waiting
    }

    /// Every finished trial is stored: the next one may begin.
    pub const fn stored(&mut self) {
        self.waiting = false;
    }

    /// The trials.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Who plays what.
    #[must_use]
    pub const fn setup(&self) -> &SessionSetup {
        &self.setup
    }

    /// Sets the refresh rate that frames are judged by, frames per second: once it is known.
    pub const fn set_hz(&mut self, hz: f64) {
        self.setup.hz = hz;
    }

    /// Where it is.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// How many trials are done, those of earlier runs among them.
    #[must_use]
    pub const fn n_done(&self) -> usize {
        self.next
    }

    /// The trial that runs.
    #[must_use]
    pub fn trial(&self) -> Option<&Trial> {
        self.running.as_ref().map(|r| &r.trial)
    }

    /// The number of the trial that runs, and when its first frame was, milliseconds.
    #[must_use]
    pub fn trial_begun(&self) -> Option<(u32, f64)> {
        let running = self.running.as_ref()?;
        Some((running.scheduled.number, running.begun_ms))
    }

    /// The frame at `at_ms`, milliseconds on the session's clock. The call also says that the frame
    /// before it has been handed to the display by now.
    pub fn frame(&mut self, at_ms: f64, input: &FrameInput<'_>) -> FrameOutput {
        self.pause_asked |= input.pause;
        let finished = self.run(at_ms, input);
        if finished.is_none() {
            for stamped in input.inputs {
                self.keep(stamped.input);
            }
        }
        let shown = match finished {
            Some((shown, None)) => Some(shown),
            Some((_, Some(done))) => {
                self.next += 1;
                self.waiting = self.waits;
                self.advance(false);
                let shown = self.begin(at_ms);
                return FrameOutput {
                    stage: self.stage,
                    shown,
                    finished: Some(done),
                };
            }
            None => {
                self.advance(input.go);
                self.begin(at_ms)
            }
        };
        FrameOutput {
            stage: self.stage,
            shown,
            finished: None,
        }
    }

    fn keep(&mut self, input: Input) {
        match input {
            Input::Paddle(direction) => self.direction = direction,
            // A pointer asks for something in the trial in which it moved, and in no other.
            Input::Point(_) => self.direction = Direction::Neutral,
            Input::Fixate(on) => self.fixating = on,
        }
    }

    /// The next stage where no trial runs.
    fn advance(&mut self, go: bool) {
        if self.next >= self.plan.trials.len() {
            self.stage = Stage::End;
            return;
        }
        let block = self.plan.trials[self.next].block;
        if self.setup.unattended {
            self.stage = Stage::Running;
            return;
        }
        match self.stage {
            // The instructions stand for the first rest.
            Stage::Welcome if go => {
                self.rested_for = Some(block);
                self.stage = Stage::Running;
            }
            Stage::Rest { block } if go => {
                self.rested_for = Some(block);
                self.stage = Stage::Running;
            }
            Stage::Paused if go => self.stage = Stage::Running,
            Stage::Running => {
                if self.rested_for.is_some_and(|rested| rested != block) {
                    self.stage = Stage::Rest { block };
                    self.pause_asked = false;
                } else if std::mem::take(&mut self.pause_asked) {
                    self.stage = Stage::Paused;
                }
            }
            Stage::Welcome | Stage::Rest { .. } | Stage::Paused | Stage::End => {
                self.pause_asked = false;
            }
        }
    }

    /// Begins the next trial where the stage says so, and shows its first frame.
    fn begin(&mut self, at_ms: f64) -> Option<Shown> {
        if self.stage != Stage::Running || self.waiting {
            return None;
        }
        let scheduled = self.plan.trials.get(self.next)?.clone();
        let trial = Trial::new(
            scheduled.spec.clone(),
            self.plan.rules,
            self.direction,
            self.fixating,
        );
        let mut running = Running {
            trial,
            scheduled,
            frames: Vec::with_capacity(512),
            begun_ms: at_ms,
            handed_ms: None,
            n_late: 0,
            max_late_ms: 0.0,
            focus_lost: false,
            controller_lost: false,
        };
        let shown = running.trial.frame(at_ms, &[]);
        running.note(&shown);
        self.running = Some(running);
        Some(shown)
    }

    /// The frame of the trial that runs, and what it leaves if it is over.
    fn run(&mut self, at_ms: f64, input: &FrameInput<'_>) -> Option<(Shown, Option<Finished>)> {
        let period_ms = 1000.0 / self.setup.hz;
        let running = self.running.as_mut()?;
        running.handed_over(at_ms, period_ms);
        running.focus_lost |= input.unfocused;
        running.controller_lost |= input.unplugged;
        let shown = running.trial.frame(at_ms, input.inputs);
        for stamped in input.inputs {
            self.keep(stamped.input);
        }
        let running = self.running.as_mut()?;
        if shown.phase != Phase::Done {
            running.note(&shown);
            return Some((shown, None));
        }
        let running = self.running.take()?;
        let trial = self.row(&running)?;
        let frames = running.frames;
        let finished = Finished {
            trial,
            frames,
            beside: None,
        };
        Some((shown, Some(finished)))
    }

    fn row(&self, running: &Running) -> Option<TrialRow> {
        let result = running.trial.result()?;
        let (spec, rules) = (running.trial.spec(), running.trial.rules());
        let launch = spec.condition.launch();
        Some(TrialRow {
            subject: self.setup.name.subject.clone(),
            session: self.setup.name.session.clone(),
            block: running.scheduled.block,
            trial: running.scheduled.number,
            condition_id: spec.condition.id().to_owned(),
            trial_type: spec.kind,
            practice: spec.practice,
            occluder_opacity: spec.occluder_alpha(rules),
            law: spec.condition.law(),
            x0_deg: launch.x0_deg,
            y0_deg: launch.y0_deg,
            heading_deg: launch.heading_deg,
            speed_deg_per_s: launch.speed_deg_per_s,
            y_true_deg: result.y_true_deg,
            paddle_y_deg: result.paddle_y_deg,
            error_deg: result.error_deg(),
            outcome: result.outcome,
            rt_ms: result.rt_ms,
            n_frames: running.frames.len() as u32,
            n_late: running.n_late,
            max_late_ms: running.max_late_ms,
            focus_lost: running.focus_lost,
            controller_lost: running.controller_lost,
            paddle_moved: result.paddle_moved,
            begun_ms: running.begun_ms,
            still_on_ms: result.still_on_ms,
            motion_on_ms: result.motion_on_ms,
            seed: self.plan.seed,
            observer: self.setup.observer.clone(),
        })
    }
}

impl Running {
    /// The frame before has been handed over by now.
    fn handed_over(&mut self, at_ms: f64, period_ms: f64) {
        let Some(last) = self.frames.last_mut() else {
            return;
        };
        last.presented_ms = at_ms;
        // The first frame of a trial has none before it to be measured from.
        if let Some(before) = self.handed_ms {
            let late_ms = at_ms - before - period_ms;
            if late_ms > LATE_SHARE * period_ms {
                last.late = true;
                self.n_late += 1;
            }
            // Below a microsecond it is the last bits of the sum.
            if late_ms > 1e-3 {
                self.max_late_ms = self.max_late_ms.max(late_ms);
            }
        }
        self.handed_ms = Some(at_ms);
    }

    fn note(&mut self, shown: &Shown) {
        self.frames.push(FrameRow {
            trial: self.scheduled.number,
            frame: self.frames.len() as u32,
            phase: shown.phase,
            intended_ms: shown.at_ms,
            presented_ms: shown.at_ms,
            late: false,
            ball_x_deg: shown.ball_deg.map(|b| b.0),
            ball_y_deg: shown.ball_deg.map(|b| b.1),
            paddle_y_deg: shown.paddle_y_deg,
            paddle_moved: shown.paddle_moved,
            input: shown.direction,
            fixating: shown.fixating,
        });
    }
}
