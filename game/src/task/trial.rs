//! One trial as it runs: fixation, still ball, flight, arrival, feedback, pause.
//!
//! A [`Trial`] is a pure function of the times of its frames and of its inputs. It knows no window
//! and no clock, so that the window, the browser and a test run the same one.
//!
//! The order is the published one (Rajalingham et al. 2025, Methods): a fixation point held for
//! 200 ms; then frame, paddle and still ball; 300 ms later the ball moves; it is seen until x = 5°,
//! hidden until x = 10°; the occluder goes as feedback, the ball bounces off the paddle or flies on;
//! 750 ms pause. What the source leaves open is a parameter of [`TrialRules`] with our default. Where
//! it is hidden and where the paddle stands are the condition's, in a geometry of its own too.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::FrameScene;
use crate::task::geometry::Geometry;
use crate::task::paddle::{Direction, Paddle, PaddleRule};
use crate::task::set::{SetCondition, Track};

/// Times that differ by less than this are the same, milliseconds: a sum of frame times differs
/// from the time it stands for in its last bits.
const SAME_MS: f64 = 1e-6;

/// Whether the occluder hides the ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialKind {
    /// It does.
    Occluded,
    /// It is 95 % opaque: the control trials, in which the ball can be followed.
    Visible,
}

impl TrialKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Occluded, Self::Visible];

    /// The kind's name in the records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Occluded => "occluded",
            Self::Visible => "visible",
        }
    }
}

/// When the ball counts as met. The published text does not say; the ball's centre is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HitRule {
    /// Within half the paddle's height (1.25°).
    #[default]
    HalfPaddle,
    /// Within half the paddle's height and the ball's radius (published: 1.45°): they touch.
    Touch,
}

impl HitRule {
    /// The largest distance of ball and paddle that is a hit, degrees.
    #[must_use]
    pub fn reach_deg(self, paddle: &PaddleRule, ball_radius_deg: f64) -> f64 {
        let half = 0.5 * paddle.height_deg;
        match self {
            Self::HalfPaddle => half,
            Self::Touch => half + ball_radius_deg,
        }
    }
}

/// Where the ball stands between two frames of its law.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Motion {
    /// At the nearest frame of the law: on a 60 Hz screen each frame of the law `display` once.
    #[default]
    Frames,
    /// On the straight line between them, for screens with another rate and the law `design`.
    Smooth,
}

/// What a trial follows. Defaults are the published values, or ours where none was published.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrialRules {
    /// How long fixation has to be held, milliseconds. Published: 200. 0 leaves fixation out.
    pub fixation_hold_ms: f64,
    /// Across the window within which the eye counts as fixating, degrees. Published: 4. Used by
    /// an eye tracker; a key or click is always inside.
    pub fixation_window_deg: f64,
    /// Without fixation for so long the trial is ignored, milliseconds; none waits for ever (ours).
    pub fixation_timeout_ms: Option<f64>,
    /// From the first picture of the ball to its motion, milliseconds. Published: 300.
    pub still_ms: f64,
    /// From arrival to the empty screen, milliseconds. Not published; ours is 500.
    pub feedback_ms: f64,
    /// Empty screen before the next trial, milliseconds. Published: 750.
    pub pause_ms: f64,
    /// Opacity of the occluder in visible trials, 0 to 1. Published: 0.95.
    pub faint_alpha: f64,
    /// When the ball counts as met. Not published; ours is half the paddle's height.
    pub hit: HitRule,
    /// Where the ball stands between frames of its law.
    pub motion: Motion,
    /// The paddle.
    pub paddle: PaddleRule,
}

impl Default for TrialRules {
    fn default() -> Self {
        Self {
            fixation_hold_ms: 200.0,
            fixation_window_deg: 4.0,
            fixation_timeout_ms: None,
            still_ms: 300.0,
            feedback_ms: 500.0,
            pause_ms: 750.0,
            faint_alpha: 0.95,
            hit: HitRule::default(),
            motion: Motion::default(),
            paddle: PaddleRule::default(),
        }
    }
}

impl TrialRules {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::BadValue`] with the field that cannot be.
    pub fn check(&self) -> Result<()> {
        for (field, value) in [
            ("fixation_hold_ms", self.fixation_hold_ms),
            ("still_ms", self.still_ms),
            ("feedback_ms", self.feedback_ms),
            ("pause_ms", self.pause_ms),
            (
                "fixation_timeout_ms",
                self.fixation_timeout_ms.unwrap_or(0.0),
            ),
        ] {
            if !(0.0..=60_000.0).contains(&value) {
                return Err(Error::BadValue {
                    field,
                    expected: "0 to 60000 ms".into(),
                    found: value.to_string(),
                });
            }
        }
        if !(0.0..=1.0).contains(&self.faint_alpha) {
            return Err(Error::BadValue {
                field: "faint_alpha",
                expected: "0 to 1".into(),
                found: self.faint_alpha.to_string(),
            });
        }
        if !(self.fixation_window_deg.is_finite() && self.fixation_window_deg > 0.0) {
            return Err(Error::BadValue {
                field: "fixation_window_deg",
                expected: "a positive number".into(),
                found: self.fixation_window_deg.to_string(),
            });
        }
        self.paddle.check()
    }
}

/// Which trial to run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialSpec {
    /// The ball, its path, and what stands in the field.
    pub condition: Arc<SetCondition>,
    /// Whether the occluder hides it.
    pub kind: TrialKind,
    /// Practice: there is no occluder at all.
    pub practice: bool,
}

impl TrialSpec {
    /// Opacity of the occluder, 0 to 1.
    #[must_use]
    pub fn occluder_alpha(&self, rules: &TrialRules) -> f64 {
        match (self.practice, self.kind) {
            (true, _) => 0.0,
            (false, TrialKind::Visible) => rules.faint_alpha,
            (false, TrialKind::Occluded) => 1.0,
        }
    }
}

/// What the subject does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// Holds the paddle's control in this state.
    Paddle(Direction),
    /// Points at a height, degrees: the paddle goes there at its own speed and rests there, until
    /// the next of these two.
    Point(f64),
    /// Fixates, or no longer does. A key or a click stands for gaze where there is no eye tracker.
    Fixate(bool),
}

/// An input and when it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamped {
    /// When, milliseconds on the clock of the frames.
    pub at_ms: f64,
    /// What.
    pub input: Input,
}

/// The part of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The fixation point waits to be held.
    Fixation,
    /// Frame, paddle and still ball.
    Still,
    /// The ball flies, and its centre is behind no occluder: x < 5° in the published geometry.
    Visible,
    /// The ball flies, its centre where an occluder stands, seen or not.
    Occluded,
    /// The ball has arrived; the occluder is gone.
    Feedback,
    /// The empty screen.
    Pause,
    /// The trial is over.
    Done,
}

impl Phase {
    /// The phase's name in the records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixation => "fixation",
            Self::Still => "still",
            Self::Visible => "visible",
            Self::Occluded => "occluded",
            Self::Feedback => "feedback",
            Self::Pause => "pause",
            Self::Done => "done",
        }
    }
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The paddle met the ball.
    Hit,
    /// It did not.
    Miss,
    /// The trial was not taken up: no fixation in time.
    Ignore,
}

impl Outcome {
    /// The outcome's name in the records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Ignore => "ignore",
        }
    }
}

/// What a frame shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// When the frame is meant to be seen, milliseconds.
    pub at_ms: f64,
    /// The part of the trial.
    pub phase: Phase,
    /// Whether the field's frame is drawn.
    pub field: bool,
    /// Ball, occluder, paddle, fixation point.
    pub scene: FrameScene,
    /// Where the ball stands, seen or not; nothing before it appears and after it is gone.
    pub ball_deg: Option<(f64, f64)>,
    /// Height of the paddle's centre, degrees.
    pub paddle_y_deg: f64,
    /// Whether the paddle has moved in this trial.
    pub paddle_moved: bool,
    /// The state of the paddle's control.
    pub direction: Direction,
    /// Whether the subject fixates.
    pub fixating: bool,
}

/// What a finished trial leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrialResult {
    /// How it ended.
    pub outcome: Outcome,
    /// Height of the ball at the interception plane (published: x = 10°), degrees.
    pub y_true_deg: f64,
    /// Height of the paddle when the ball arrived, degrees; nothing if it did not.
    pub paddle_y_deg: Option<f64>,
    /// First movement of the paddle after the ball began to move, milliseconds; negative if it
    /// came before; nothing if the paddle stayed.
    pub rt_ms: Option<f64>,
    /// Whether the paddle moved.
    pub paddle_moved: bool,
    /// First frame of the still ball, milliseconds.
    pub still_on_ms: Option<f64>,
    /// When the ball began to move, milliseconds.
    pub motion_on_ms: Option<f64>,
}

impl TrialResult {
    /// Paddle minus ball at arrival, degrees.
    #[must_use]
    pub fn error_deg(&self) -> Option<f64> {
        self.paddle_y_deg.map(|y| y - self.y_true_deg)
    }
}

/// What moves the paddle.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Control {
    Held(Direction),
    Pointed(f64),
}

/// A trial as it runs.
#[derive(Clone, Debug)]
pub struct Trial {
    spec: TrialSpec,
    rules: TrialRules,
    track: Track,
    /// When the ball's centre is behind an occluder, milliseconds from motion onset.
    hidden_ms: Vec<(f64, f64)>,
    /// When it is at the interception plane, and its height there.
    end: (f64, f64),
    /// The last frame of the path that is there.
    last_frame: usize,
    phase: Phase,
    now_ms: Option<f64>,
    /// When this phase began.
    since_ms: f64,
    fixated_since_ms: Option<f64>,
    still_on_ms: Option<f64>,
    motion_on_ms: f64,
    arrival_ms: f64,
    paddle: Paddle,
    control: Control,
    fixating: bool,
    first_move_ms: Option<f64>,
    outcome: Option<Outcome>,
}

impl Trial {
    /// A trial that has not begun. What the subject holds at its first frame is `direction` and
    /// `fixating`.
    #[must_use]
    pub fn new(spec: TrialSpec, rules: TrialRules, direction: Direction, fixating: bool) -> Self {
        let mut track = spec.condition.track();
        let (hidden_ms, end) = (track.hidden_ms(), track.end());
        let step_ms = 1000.0 / spec.condition.rate_hz();
        let last_frame = ((end.0 + rules.feedback_ms.max(0.0)) / step_ms).ceil() as usize + 3;
        // A recorded path stays as long as it is.
        track.fly_to(last_frame);
        let last_frame = match spec.condition.law().law() {
            Some(_) => last_frame,
            None => last_frame.min(track.n_frames().saturating_sub(1)),
        };
        Self {
            spec,
            rules,
            track,
            hidden_ms,
            end,
            last_frame,
            phase: Phase::Fixation,
            now_ms: None,
            since_ms: 0.0,
            fixated_since_ms: None,
            still_on_ms: None,
            motion_on_ms: f64::INFINITY,
            arrival_ms: f64::INFINITY,
            paddle: Paddle::default(),
            control: Control::Held(direction),
            fixating,
            first_move_ms: None,
            outcome: None,
        }
    }

    /// Which trial it is.
    #[must_use]
    pub const fn spec(&self) -> &TrialSpec {
        &self.spec
    }

    /// What it follows.
    #[must_use]
    pub const fn rules(&self) -> &TrialRules {
        &self.rules
    }

    /// The part that it is in.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// What stands in the field.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        self.spec.condition.geometry()
    }

    /// Takes the inputs since the frame before and shows the frame at `at_ms`.
    ///
    /// An input counts from its own time; one that is stamped before the last frame counts from
    /// that frame, one stamped after this frame from this frame. Inputs are in the order of their
    /// times. Frames do not go back in time: an earlier `at_ms` is taken as the last one.
    pub fn frame(&mut self, at_ms: f64, inputs: &[Stamped]) -> Shown {
        let last = match self.now_ms {
            None => {
                self.since_ms = at_ms;
                self.fixated_since_ms = self.fixating.then_some(at_ms);
                at_ms
            }
            Some(last) => last,
        };
        self.now_ms = Some(last);
        let at_ms = at_ms.max(last);
        for stamped in inputs {
            self.elapse(stamped.at_ms.min(at_ms));
            self.take(stamped.input);
        }
        self.elapse(at_ms);
        self.turn(at_ms);
        self.shown(at_ms)
    }

    /// What the trial leaves, once the ball has arrived or the trial was ignored.
    #[must_use]
    pub fn result(&self) -> Option<TrialResult> {
        let outcome = self.outcome?;
        let arrived = outcome != Outcome::Ignore;
        Some(TrialResult {
            outcome,
            y_true_deg: self.end.1,
            paddle_y_deg: arrived.then_some(self.paddle.y_deg),
            rt_ms: self.first_move_ms.map(|ms| ms - self.motion_on_ms),
            paddle_moved: self.paddle.moved,
            still_on_ms: self.still_on_ms,
            motion_on_ms: self.still_on_ms.map(|_| self.motion_on_ms),
        })
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Paddle(direction) => self.control = Control::Held(direction),
            Input::Point(y_deg) => self.control = Control::Pointed(y_deg),
            Input::Fixate(on) => {
                if on != self.fixating {
                    self.fixating = on;
                    self.fixated_since_ms = self.now_ms.filter(|_| on);
                }
            }
        }
    }

    /// Lets time go by, with the inputs as they are.
    fn elapse(&mut self, to_ms: f64) {
        let Some(from_ms) = self.now_ms.filter(|&from| to_ms > from) else {
            return;
        };
        self.now_ms = Some(to_ms);
        if !matches!(self.phase, Phase::Still | Phase::Visible | Phase::Occluded) {
            return;
        }
        // The paddle stands still once the ball has arrived.
        let held_ms = to_ms.min(self.arrival_ms) - from_ms;
        if self.direction() != Direction::Neutral && held_ms > 0.0 {
            self.first_move_ms.get_or_insert(from_ms);
        }
        let rule = &self.rules.paddle;
        match self.control {
            Control::Held(direction) => self.paddle.hold(rule, direction, held_ms),
            Control::Pointed(y_deg) => self.paddle.follow(rule, y_deg, held_ms),
        }
        if to_ms >= self.arrival_ms - SAME_MS {
            let apart = (self.paddle.y_deg - self.end.1).abs();
            let radius_deg = self.geometry().radius_deg();
            let hit = apart <= self.rules.hit.reach_deg(&self.rules.paddle, radius_deg);
            self.outcome = Some(if hit { Outcome::Hit } else { Outcome::Miss });
            self.phase = Phase::Feedback;
            self.since_ms = self.arrival_ms;
        }
    }

    /// Which way the paddle goes, or would go where it may not move yet.
    fn direction(&self) -> Direction {
        let reach = self.rules.paddle.reach_deg;
        match self.control {
            Control::Held(direction) => direction,
            Control::Pointed(y) => {
                Direction::towards(self.paddle.y_deg, y.clamp(-reach, reach), 0.0)
            }
        }
    }

    /// Changes of phase that come with a frame.
    fn turn(&mut self, at_ms: f64) {
        let lasts = |since_ms: f64, ms: f64| at_ms - since_ms >= ms - SAME_MS;
        if self.phase == Phase::Fixation {
            let held = self
                .fixated_since_ms
                .is_some_and(|since| lasts(since, self.rules.fixation_hold_ms));
            if held || self.rules.fixation_hold_ms <= 0.0 {
                self.phase = Phase::Still;
                self.since_ms = at_ms;
                self.still_on_ms = Some(at_ms);
                self.motion_on_ms = at_ms + self.rules.still_ms;
                self.arrival_ms = self.motion_on_ms + self.end.0;
            } else if (self.rules.fixation_timeout_ms).is_some_and(|ms| lasts(self.since_ms, ms)) {
                self.outcome = Some(Outcome::Ignore);
                self.phase = Phase::Pause;
                self.since_ms = at_ms;
            }
        }
        if self.phase == Phase::Still && lasts(self.motion_on_ms, 0.0) {
            self.phase = Phase::Visible;
        }
        if matches!(self.phase, Phase::Visible | Phase::Occluded) {
            let hidden = (self.hidden_ms.iter())
                .any(|&(from, to)| lasts(self.motion_on_ms, from) && !lasts(self.motion_on_ms, to));
            self.phase = match hidden {
                true => Phase::Occluded,
                false => Phase::Visible,
            };
        }
        if self.phase == Phase::Feedback && lasts(self.since_ms, self.rules.feedback_ms) {
            self.phase = Phase::Pause;
            self.since_ms = at_ms;
        }
        if self.phase == Phase::Pause && lasts(self.since_ms, self.rules.pause_ms) {
            self.phase = Phase::Done;
        }
    }

    /// Where the ball stands `ms` after it began to move.
    fn ball_at(&self, ms: f64) -> (f64, f64) {
        let last = self.last_frame;
        let step_ms = 1000.0 / self.spec.condition.rate_hz();
        let steps = (ms / step_ms).clamp(0.0, last as f64);
        let at = |n: usize| self.track.ball_deg(n).unwrap_or((f64::NAN, f64::NAN));
        let (x, y) = match self.rules.motion {
            Motion::Frames => at(steps.round() as usize),
            Motion::Smooth => {
                let n = (steps.floor() as usize).min(last.saturating_sub(1));
                let part = steps - n as f64;
                let (a, b) = (at(n), at(n + 1));
                (a.0 + part * (b.0 - a.0), a.1 + part * (b.1 - a.1))
            }
        };
        // Off the paddle the ball goes back, mirrored at the plane where it was met.
        let plane = self.geometry().intercept_x_deg;
        if self.outcome == Some(Outcome::Hit) && x > plane {
            (2.0 * plane - x, y)
        } else {
            (x, y)
        }
    }

    fn shown(&self, at_ms: f64) -> Shown {
        let field = matches!(
            self.phase,
            Phase::Still | Phase::Visible | Phase::Occluded | Phase::Feedback
        );
        let ball = field.then(|| self.ball_at(at_ms - self.motion_on_ms));
        let alpha = self.spec.occluder_alpha(&self.rules);
        let occluder = (field && self.phase != Phase::Feedback && alpha > 0.0).then_some(alpha);
        Shown {
            at_ms,
            phase: self.phase,
            field,
            scene: FrameScene {
                ball,
                occluder,
                paddle: field.then(|| (self.paddle.y_deg, self.paddle.look())),
                fixation: self.phase == Phase::Fixation,
            },
            ball_deg: ball,
            paddle_y_deg: self.paddle.y_deg,
            paddle_moved: self.paddle.moved,
            direction: self.direction(),
            fixating: self.fixating,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::PaddleLook;
    use crate::task::conditions79::primate79;
    use crate::task::law::{Law, trajectory};
    use proptest::prelude::*;

    fn spec(k: usize, law: Law) -> TrialSpec {
        TrialSpec {
            condition: Arc::new(SetCondition::published(primate79()[k], law, law.hz())),
            kind: TrialKind::Occluded,
            practice: false,
        }
    }

    fn at(at_ms: f64, input: Input) -> Stamped {
        Stamped { at_ms, input }
    }

    /// Every frame at `hz` until the trial is over, with inputs at their times.
    fn play(trial: &mut Trial, hz: f64, inputs: &[Stamped]) -> Vec<Shown> {
        let mut shown = Vec::new();
        let mut last = f64::NEG_INFINITY;
        for n in 0..10_000 {
            let now = f64::from(n) * 1000.0 / hz;
            let due: Vec<Stamped> = inputs
                .iter()
                .filter(|i| i.at_ms > last && i.at_ms <= now)
                .copied()
                .collect();
            shown.push(trial.frame(now, &due));
            last = now;
            if trial.phase() == Phase::Done {
                return shown;
            }
        }
        panic!("the trial does not end");
    }

    #[test]
    fn the_phases_last_as_long_as_published() {
        let mut trial = Trial::new(
            spec(0, Law::Display),
            TrialRules::default(),
            Direction::Neutral,
            true,
        );
        let shown = play(&mut trial, 60.0, &[]);
        let count = |phase| shown.iter().filter(|s| s.phase == phase).count();
        // 200 ms and 300 ms are 12 and 18 frames at 60 Hz.
        assert_eq!(count(Phase::Fixation), 12);
        assert_eq!(count(Phase::Still), 18);
        // Condition 0: x = 10 after 2534.5 ms, by the published table.
        let flight = count(Phase::Visible) + count(Phase::Occluded);
        assert_eq!(flight, (2534.5_f64 * 0.06).ceil() as usize);
        assert_eq!(
            count(Phase::Visible),
            trajectory(&primate79()[0], Law::Display).occlusion_frame
        );
        assert_eq!(count(Phase::Feedback), 30);
        assert_eq!(count(Phase::Pause), 45);
    }

    #[test]
    fn at_60_hz_every_frame_of_the_display_law_is_shown_once() {
        for (k, condition) in primate79().into_iter().enumerate() {
            let mut trial = Trial::new(
                spec(k, Law::Display),
                TrialRules::default(),
                Direction::Neutral,
                true,
            );
            let path = trajectory(&condition, Law::Display);
            let flight: Vec<(f64, f64)> = play(&mut trial, 60.0, &[])
                .iter()
                .filter(|s| matches!(s.phase, Phase::Visible | Phase::Occluded))
                .filter_map(|s| s.scene.ball)
                .collect();
            assert_eq!(flight.len(), path.end_frame);
            for (n, ball) in flight.iter().enumerate() {
                assert_eq!(*ball, (path.x_deg[n], path.y_deg[n]));
            }
        }
    }

    #[test]
    fn a_screen_that_trembles_still_shows_every_frame_once() {
        // ±4 ms around the grid.
        let mut trial = Trial::new(
            spec(1, Law::Display),
            TrialRules::default(),
            Direction::Neutral,
            true,
        );
        let path = trajectory(&primate79()[1], Law::Display);
        let mut balls = Vec::new();
        for n in 0..400_u32 {
            let tremble = f64::from((n * 7919) % 9) - 4.0;
            let tremble = if n <= 12 { 0.0 } else { tremble };
            let shown = trial.frame(f64::from(n) * 1000.0 / 60.0 + tremble, &[]);
            if matches!(shown.phase, Phase::Visible | Phase::Occluded) {
                balls.push(shown.scene.ball.unwrap().0);
            }
        }
        assert!(balls.len() + 1 >= path.end_frame);
        for (n, x) in balls.iter().skip(1).enumerate() {
            assert!(path.x_deg[n..n + 3].contains(x), "{n}: {x}");
        }
    }

    #[test]
    fn a_paddle_in_the_right_place_is_a_hit_and_the_ball_comes_back() {
        let y = trajectory(&primate79()[0], Law::Display).y_x10_deg();
        assert!(y.abs() < 1.25);
        let mut trial = Trial::new(
            spec(0, Law::Display),
            TrialRules::default(),
            Direction::Neutral,
            true,
        );
        let shown = play(&mut trial, 60.0, &[]);
        let result = trial.result().unwrap();
        assert_eq!(result.outcome, Outcome::Hit);
        assert_eq!(result.error_deg(), Some(-y));
        assert_eq!((result.rt_ms, result.paddle_moved), (None, false));
        let back: Vec<f64> = shown
            .iter()
            .filter(|s| s.phase == Phase::Feedback)
            .map(|s| s.scene.ball.unwrap().0)
            .collect();
        assert!(back.iter().all(|&x| x <= 10.0) && back[29] < 8.0);
        assert!(
            shown
                .iter()
                .filter(|s| s.phase == Phase::Feedback)
                .all(|s| s.scene.occluder.is_none())
        );
    }

    #[test]
    fn a_paddle_elsewhere_is_a_miss_and_the_ball_flies_on() {
        let mut trial = Trial::new(
            spec(0, Law::Display),
            TrialRules::default(),
            Direction::Neutral,
            true,
        );
        // Motion begins at 500 ms; up from 600 ms for 200 ms is 2°.
        let shown = play(
            &mut trial,
            60.0,
            &[
                at(600.0, Input::Paddle(Direction::Up)),
                at(800.0, Input::Paddle(Direction::Neutral)),
            ],
        );
        let result = trial.result().unwrap();
        assert_eq!(result.outcome, Outcome::Miss);
        assert!((result.paddle_y_deg.unwrap() - 2.0).abs() < 1e-9);
        assert!((result.rt_ms.unwrap() - 100.0).abs() < 1e-9);
        let last = shown.iter().rfind(|s| s.phase == Phase::Feedback).unwrap();
        assert!(last.scene.ball.unwrap().0 > 12.0);
        assert_eq!(last.scene.paddle.unwrap().1, PaddleLook::Full);
        let still = shown.iter().find(|s| s.phase == Phase::Still).unwrap();
        assert_eq!(still.scene.paddle.unwrap(), (0.0, PaddleLook::Waiting));
    }

    #[test]
    fn an_input_between_frames_counts_from_its_own_time() {
        let ends: Vec<f64> = [30.0, 60.0, 240.0]
            .iter()
            .map(|&hz| {
                let mut trial = Trial::new(
                    spec(0, Law::Display),
                    TrialRules::default(),
                    Direction::Neutral,
                    true,
                );
                let inputs = [
                    at(701.3, Input::Paddle(Direction::Down)),
                    at(1003.9, Input::Paddle(Direction::Neutral)),
                ];
                play(&mut trial, hz, &inputs);
                trial.result().unwrap().paddle_y_deg.unwrap()
            })
            .collect();
        for end in ends {
            assert!((end + 3.026).abs() < 1e-9, "{end}");
        }
    }

    /// A pointer that is where `pointer` says at each frame, read as a window reads it: once a frame.
    fn point(hz: f64, pointer: impl Fn(f64) -> f64) -> (Vec<Shown>, TrialResult) {
        let mut trial = Trial::new(
            spec(0, Law::Display),
            TrialRules::default(),
            Direction::Neutral,
            true,
        );
        let mut shown = Vec::new();
        for n in 0..10_000 {
            let now = f64::from(n) * 1000.0 / hz;
            let inputs = [at(now, Input::Point(pointer(now)))];
            let from = usize::from(now <= 500.0);
            shown.push(trial.frame(now, &inputs[from..]));
            if trial.phase() == Phase::Feedback {
                return (shown, trial.result().unwrap());
            }
        }
        panic!("the ball does not arrive");
    }

    #[test]
    fn a_paddle_comes_to_rest_at_the_pointer_at_any_frame_rate() {
        for hz in [20.0, 30.0, 60.0, 120.0, 240.0] {
            for k in 0..100 {
                let target = -10.0 + 0.201 * f64::from(k);
                let (shown, result) = point(hz, |_| target);
                // 10 degrees take a second; the ball arrives after two and a half.
                let rest: Vec<f64> = (shown.iter().filter(|s| s.at_ms > 1600.0))
                    .map(|s| s.paddle_y_deg)
                    .collect();
                assert!(
                    rest.iter().all(|&y| y == target),
                    "{hz} Hz, {target}: {rest:?}"
                );
                assert_eq!(result.paddle_y_deg, Some(target));
                let turns = (shown.windows(2))
                    .filter(|w| w[0].direction != w[1].direction)
                    .count();
                assert!(
                    turns <= 2,
                    "{hz} Hz, {target}: {turns} changes of direction"
                );
            }
        }
    }

    #[test]
    fn a_paddle_follows_a_moving_and_a_jumping_pointer_at_its_own_speed() {
        for hz in [20.0, 30.0, 60.0, 120.0, 240.0] {
            let frame_ms = 1000.0 / hz;
            // 3 degrees a second: slower than the paddle, which is one frame behind at most.
            let slow = |ms: f64| 0.003 * (ms - 500.0);
            let (shown, _) = point(hz, slow);
            for s in shown
                .iter()
                .filter(|s| s.at_ms > 700.0 && s.phase != Phase::Feedback)
            {
                let behind = slow(s.at_ms) - s.paddle_y_deg;
                assert!(
                    (0.0..=0.003 * frame_ms + 1e-9).contains(&behind),
                    "{hz} Hz: {behind}"
                );
            }
            // A jump: the paddle goes there without a detour and stays.
            let jump = |ms: f64| if ms < 1500.0 { 3.0 } else { -2.5 };
            let (shown, result) = point(hz, jump);
            let fastest = (shown.windows(2))
                .map(|w| (w[1].paddle_y_deg - w[0].paddle_y_deg).abs())
                .fold(0.0, f64::max);
            assert!(fastest <= 0.01 * frame_ms + 1e-9);
            assert_eq!(result.paddle_y_deg, Some(-2.5));
        }
    }

    #[test]
    fn fixation_has_to_be_held_without_a_break() {
        let mut trial = Trial::new(
            spec(0, Law::Display),
            TrialRules::default(),
            Direction::Neutral,
            false,
        );
        let shown = play(
            &mut trial,
            60.0,
            &[
                at(100.0, Input::Fixate(true)),
                at(250.0, Input::Fixate(false)),
                at(400.0, Input::Fixate(true)),
            ],
        );
        let still = shown.iter().find(|s| s.phase == Phase::Still).unwrap();
        assert!((still.at_ms - 600.0).abs() < 1e-6);
        assert!(shown[0].scene.fixation && !shown[0].field);
    }

    #[test]
    fn without_fixation_in_time_the_trial_is_ignored() {
        let rules = TrialRules {
            fixation_timeout_ms: Some(1000.0),
            ..TrialRules::default()
        };
        let mut trial = Trial::new(spec(0, Law::Display), rules, Direction::Neutral, false);
        let shown = play(&mut trial, 60.0, &[]);
        let result = trial.result().unwrap();
        assert_eq!(
            (result.outcome, result.paddle_y_deg),
            (Outcome::Ignore, None)
        );
        assert!(shown.iter().all(|s| s.scene.ball.is_none()));
    }

    #[test]
    fn the_hit_rule_and_the_paddle_height_are_parameters() {
        // The paddle stays at 0; condition 13 arrives at −1.6974.
        let outcome = |hit, height_deg| {
            let rules = TrialRules {
                hit,
                paddle: PaddleRule {
                    height_deg,
                    ..PaddleRule::default()
                },
                ..TrialRules::default()
            };
            let mut trial = Trial::new(spec(13, Law::Display), rules, Direction::Neutral, true);
            play(&mut trial, 60.0, &[]);
            trial.result().unwrap().outcome
        };
        assert_eq!(outcome(HitRule::HalfPaddle, 2.5), Outcome::Miss);
        assert_eq!(outcome(HitRule::HalfPaddle, 3.4), Outcome::Hit);
        assert_eq!(outcome(HitRule::Touch, 3.1), Outcome::Hit);
        assert_eq!(outcome(HitRule::HalfPaddle, 3.1), Outcome::Miss);
    }

    #[test]
    fn control_trials_have_a_faint_occluder_and_practice_none() {
        let rules = TrialRules::default();
        let alpha = |kind, practice| {
            TrialSpec {
                kind,
                practice,
                ..spec(0, Law::Design)
            }
            .occluder_alpha(&rules)
        };
        assert_eq!(alpha(TrialKind::Occluded, false), 1.0);
        assert_eq!(alpha(TrialKind::Visible, false), 0.95);
        assert_eq!(alpha(TrialKind::Visible, true), 0.0);
    }

    #[test]
    fn the_law_is_the_one_asked_for() {
        // Condition 1 bounces: the laws end 0.6° apart.
        let y = |law| {
            let mut trial = Trial::new(
                spec(1, law),
                TrialRules::default(),
                Direction::Neutral,
                true,
            );
            play(&mut trial, 60.0, &[]);
            trial.result().unwrap().y_true_deg
        };
        assert!((y(Law::Display) - -5.0421).abs() < 5e-5);
        assert!((y(Law::Design) - y(Law::Display)) > 0.4);
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        let bad = TrialRules {
            faint_alpha: 1.5,
            ..TrialRules::default()
        };
        assert!(
            bad.check()
                .unwrap_err()
                .to_string()
                .contains("faint_alpha is 1.5")
        );
        let bad = TrialRules {
            still_ms: f64::NAN,
            ..TrialRules::default()
        };
        assert!(bad.check().unwrap_err().to_string().contains("still_ms"));
        assert!(TrialRules::default().check().is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_trial_always_ends_and_is_judged_by_its_rule(
            k in 0..79_usize,
            design: bool,
            smooth: bool,
            hz in 24.0..240.0_f64,
            presses in prop::collection::vec((0.0..5000.0_f64, 0..3_usize), 0..12),
        ) {
            let law = if design { Law::Design } else { Law::Display };
            let motion = if smooth { Motion::Smooth } else { Motion::Frames };
            let rules = TrialRules { motion, ..TrialRules::default() };
            let mut inputs: Vec<Stamped> = presses
                .into_iter()
                .map(|(ms, way)| {
                    let way = [Direction::Down, Direction::Neutral, Direction::Up][way];
                    at(ms, Input::Paddle(way))
                })
                .collect();
            inputs.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
            let mut trial = Trial::new(spec(k, law), rules, Direction::Neutral, true);
            play(&mut trial, hz, &inputs);
            let result = trial.result().unwrap();
            let hit = result.error_deg().unwrap().abs() <= 1.25;
            prop_assert_eq!(result.outcome == Outcome::Hit, hit);
            prop_assert_eq!(result.paddle_moved, result.rt_ms.is_some());
        }
    }
}
