//! Who holds the paddle when no person does: observers and scripts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::task::geometry::Geometry;
use crate::task::law::Law;
use crate::task::paddle::Direction;
use crate::task::trial::{Input, Phase, Shown, Stamped, TrialRules, TrialSpec};
use mental_pong_base::table::{Problems, Row, Table};

/// What an agent can see in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// The part of the trial.
    pub phase: Phase,
    /// When the frame is seen, milliseconds on the session's clock.
    pub at_ms: f64,
    /// The ball's centre, degrees, while no opaque occluder covers it.
    pub ball_deg: Option<(f64, f64)>,
    /// Height of the paddle's centre, degrees.
    pub paddle_y_deg: f64,
}

/// An observer that plays. It is asked once a frame.
pub trait Agent {
    /// Its name in the records.
    fn name(&self) -> String;
    /// A trial begins. Only an oracle may use more of it than the rules.
    fn begin(&mut self, spec: &TrialSpec, rules: &TrialRules);
    /// Where it wants the paddle to be, degrees; nothing to leave it.
    fn target_deg(&mut self, seen: &Seen) -> Option<f64>;
}

/// The agents that need no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KinematicKind {
    /// Goes to where it last saw the ball.
    LastSeen,
    /// Draws the last seen velocity on, through the walls.
    ConstantVelocity,
    /// Draws it on with the walls of the trial's law.
    Kinematic,
    /// Knows where the ball will arrive.
    Oracle,
    /// Leaves the paddle alone.
    Still,
}

impl KinematicKind {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::LastSeen,
        Self::ConstantVelocity,
        Self::Kinematic,
        Self::Oracle,
        Self::Still,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastSeen => "last-seen",
            Self::ConstantVelocity => "constant-velocity",
            Self::Kinematic => "kinematic",
            Self::Oracle => "oracle",
            Self::Still => "still",
        }
    }
}

impl std::str::FromStr for KinematicKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        crate::task::law::named("agent", name, &Self::ALL, Self::name)
    }
}

/// An agent that follows the ball and, when it is gone, one simple rule.
#[derive(Clone, Debug)]
pub struct KinematicAgent {
    kind: KinematicKind,
    plane_x_deg: f64,
    /// The heights at which the ball turns.
    turns_deg: [f64; 2],
    oracle_y_deg: f64,
    /// The last two places at which the ball was seen to move, with their times.
    before: Option<(f64, f64, f64)>,
    last: Option<(f64, f64, f64)>,
}

impl KinematicAgent {
    /// The agent of a kind.
    #[must_use]
    pub fn new(kind: KinematicKind) -> Self {
        let published = Geometry::published();
        Self {
            kind,
            plane_x_deg: published.intercept_x_deg,
            turns_deg: published.turns_deg(Law::Display),
            oracle_y_deg: 0.0,
            before: None,
            last: None,
        }
    }

    /// Where the straight line through the last two places meets the interception plane.
    fn drawn_on(&self) -> Option<f64> {
        let ((t0, x0, y0), (t1, x1, y1)) = (self.before?, self.last?);
        let (dx, dy) = (x1 - x0, y1 - y0);
        (t1 > t0 && dx > 0.0).then(|| y1 + dy / dx * (self.plane_x_deg - x1))
    }

    /// A height beyond a wall, folded back by it.
    fn folded(&self, y_deg: f64) -> f64 {
        let [low, high] = self.turns_deg;
        let span = high - low;
        let at = (y_deg - low).rem_euclid(2.0 * span);
        if at <= span {
            low + at
        } else {
            high - (at - span)
        }
    }
}

impl Agent for KinematicAgent {
    fn name(&self) -> String {
        self.kind.name().to_owned()
    }

    fn begin(&mut self, spec: &TrialSpec, _rules: &TrialRules) {
        let condition = &spec.condition;
        self.plane_x_deg = condition.geometry().intercept_x_deg;
        // A recorded path names no law: the ball is taken to turn where it is drawn to touch.
        let law = condition.law().law().unwrap_or(Law::Display);
        self.turns_deg = condition.geometry().turns_deg(law);
        self.oracle_y_deg = condition.end_height_deg();
        (self.before, self.last) = (None, None);
    }

    fn target_deg(&mut self, seen: &Seen) -> Option<f64> {
        if let Some((x, y)) = seen.ball_deg
            && self.last.is_none_or(|(_, x1, y1)| (x1, y1) != (x, y))
        {
            self.before = self.last;
            self.last = Some((seen.at_ms, x, y));
        }
        let last_seen = self.last.map(|(_, _, y)| y);
        match self.kind {
            KinematicKind::Still => None,
            KinematicKind::Oracle => Some(self.oracle_y_deg),
            KinematicKind::LastSeen => last_seen,
            KinematicKind::ConstantVelocity => self.drawn_on(),
            KinematicKind::Kinematic => self.drawn_on().map(|y| self.folded(y)),
        }
    }
}

/// An agent that knows beforehand where it will put the paddle in each condition: how a predictor's
/// end heights play.
#[derive(Clone, Debug)]
pub struct PlannedAgent {
    name: String,
    end_deg: BTreeMap<String, f64>,
    now: Option<f64>,
}

impl PlannedAgent {
    /// `end_deg` holds the height for each condition's id in its set, degrees; others are left alone.
    #[must_use]
    pub const fn new(name: String, end_deg: BTreeMap<String, f64>) -> Self {
        Self {
            name,
            end_deg,
            now: None,
        }
    }

    /// Heights by the condition's id, degrees.
    #[must_use]
    pub const fn ends_deg(&self) -> &BTreeMap<String, f64> {
        &self.end_deg
    }

    /// Reads a table of ends: `condition_id`, as the set has them, and `y_deg`.
    ///
    /// # Errors
    /// [`Error::Table`] with line and column.
    pub fn read(name: String, path: impl AsRef<Path>) -> Result<Self> {
        let table = Table::read(path)?;
        let mut problems = Problems::of(table.path());
        let at = ["condition_id", "y_deg"].map(|name| problems.take(table.need(&[name])));
        let [Some(id), Some(y)] = at else {
            return Ok(problems.or(Self::new(name, BTreeMap::new()))?);
        };
        let mut end_deg = BTreeMap::new();
        for row in table.rows() {
            let (name, end) = (problems.take(row.id(id)), problems.take(row.number(y)));
            if let (Some(name), Some(end)) = (name, end)
                && end_deg.insert(name.to_owned(), end).is_some()
            {
                problems.push(row.bad(id, "each condition once"));
            }
        }
        Ok(problems.or(Self::new(name, end_deg))?)
    }
}

impl Agent for PlannedAgent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn begin(&mut self, spec: &TrialSpec, _rules: &TrialRules) {
        self.now = self.end_deg.get(spec.condition.id()).copied();
    }

    fn target_deg(&mut self, seen: &Seen) -> Option<f64> {
        self.now
            .filter(|_| matches!(seen.phase, Phase::Visible | Phase::Occluded))
    }
}

/// What gives the inputs of a session.
pub trait Hands {
    /// Its name in the records.
    fn name(&self) -> String;
    /// A trial begins with a frame at `begun_ms`.
    fn begin(&mut self, number: u32, begun_ms: f64, spec: &TrialSpec, rules: &TrialRules);
    /// The inputs after the frame `shown` up to `to_ms`, in the order of their times.
    fn inputs(&mut self, shown: &Shown, to_ms: f64) -> Vec<Stamped>;
}

/// The hands of an agent: it fixates at once and steers towards its target.
pub struct AgentHands {
    agent: Box<dyn Agent + Send + Sync>,
    alpha: f64,
    rules: TrialRules,
}

impl std::fmt::Debug for AgentHands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentHands")
            .field("agent", &self.agent.name())
            .finish_non_exhaustive()
    }
}

impl AgentHands {
    /// The hands of `agent`.
    #[must_use]
    pub fn new(agent: Box<dyn Agent + Send + Sync>) -> Self {
        Self {
            agent,
            alpha: 1.0,
            rules: TrialRules::default(),
        }
    }
}

impl Hands for AgentHands {
    fn name(&self) -> String {
        self.agent.name()
    }

    fn begin(&mut self, _number: u32, _begun_ms: f64, spec: &TrialSpec, rules: &TrialRules) {
        self.alpha = spec.occluder_alpha(rules);
        self.rules = *rules;
        self.agent.begin(spec, rules);
    }

    fn inputs(&mut self, shown: &Shown, to_ms: f64) -> Vec<Stamped> {
        let hidden = shown.phase == Phase::Occluded && self.alpha >= 1.0;
        let target = self.agent.target_deg(&Seen {
            phase: shown.phase,
            at_ms: shown.at_ms,
            ball_deg: shown.ball_deg.filter(|_| !hidden),
            paddle_y_deg: shown.paddle_y_deg,
        });
        // Nearer than half of what a frame moves it, it would only tremble.
        let tolerance = 0.5 * self.rules.paddle.speed_deg_per_ms * (to_ms - shown.at_ms).max(0.0);
        let direction = target.map_or(Direction::Neutral, |y| {
            Direction::towards(shown.paddle_y_deg, y, tolerance)
        });
        [Input::Fixate(true), Input::Paddle(direction)]
            .into_iter()
            .map(|input| Stamped {
                at_ms: shown.at_ms,
                input,
            })
            .collect()
    }
}

/// Inputs written down beforehand, by trial and time.
///
/// As a file: a table with the columns `trial`, `ms` and `input`; `ms` counts from the trial's first
/// frame; `input` is `up`, `down`, `neutral`, `fixate` or `release`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// `(trial number, ms, input)`, in order.
    rows: Vec<(u32, f64, Input)>,
    trial: u32,
    begun_ms: f64,
    /// The first row that has not been given.
    next: usize,
}

impl Script {
    /// A script of `(trial number, ms from the trial's first frame, input)`.
    #[must_use]
    pub fn new(mut rows: Vec<(u32, f64, Input)>) -> Self {
        rows.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        Self {
            rows,
            ..Self::default()
        }
    }

    /// Reads a script.
    ///
    /// # Errors
    /// [`Error::Table`] with line and column.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::of(&Table::read(path)?)
    }

    /// Reads a script from text; `path` names it in errors.
    ///
    /// # Errors
    /// [`Error::Table`] with line and column.
    pub fn from_tsv(text: &str, path: &Path) -> Result<Self> {
        Self::of(&Table::parse(text.as_bytes(), path)?)
    }

    fn of(table: &Table) -> Result<Self> {
        let mut problems = Problems::of(table.path());
        let at = ["trial", "ms", "input"].map(|name| problems.take(table.need(&[name])));
        let [Some(trial), Some(ms), Some(input)] = at else {
            return Ok(problems.or(Self::default())?);
        };
        let row = |row: Row<'_>| {
            let number = row.whole(trial)?;
            let number = u32::try_from(number).map_err(|_| row.bad(trial, "a whole number"))?;
            let what = match row.text(input) {
                "up" => Input::Paddle(Direction::Up),
                "down" => Input::Paddle(Direction::Down),
                "neutral" => Input::Paddle(Direction::Neutral),
                "fixate" => Input::Fixate(true),
                "release" => Input::Fixate(false),
                _ => return Err(row.bad(input, "up, down, neutral, fixate or release")),
            };
            Ok((number, row.number(ms)?, what))
        };
        let rows = table.rows().filter_map(|r| problems.take(row(r))).collect();
        Ok(problems.or(Self::new(rows))?)
    }
}

impl Hands for Script {
    fn name(&self) -> String {
        "script".to_owned()
    }

    fn begin(&mut self, number: u32, begun_ms: f64, _spec: &TrialSpec, _rules: &TrialRules) {
        (self.trial, self.begun_ms) = (number, begun_ms);
        self.next = self.rows.partition_point(|row| row.0 < number);
    }

    fn inputs(&mut self, _shown: &Shown, to_ms: f64) -> Vec<Stamped> {
        let mut due = Vec::new();
        while let Some(&(trial, ms, input)) = self.rows.get(self.next) {
            if trial != self.trial || self.begun_ms + ms > to_ms {
                break;
            }
            due.push(Stamped {
                at_ms: self.begun_ms + ms,
                input,
            });
            self.next += 1;
        }
        due
    }
}
