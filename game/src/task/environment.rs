//! The task as an environment for learning agents: many trials side by side, a step a frame.
//!
//! The contract is that of Gymnasium's vector environments: `reset` with a seed, then `step` with an action
//! for each environment gives observations, rewards and ends. [`Autoreset`] says when an environment whose
//! trial ended begins its next one; what it showed last is kept in [`VectorEnv::finals`]. The same seed and
//! actions give the same rollout, however many environments stand beside it.

use crate::error::{Error, Result};
use crate::frames::{FrameScene, PaddleLook, Preset, Renderer};
use crate::task::condition::Condition;
use crate::task::geometry::{BALL_RADIUS_DISPLAY_DEG, INTERCEPT_X_DEG, OCCLUDER_X_DEG};
use crate::task::law::{Law, trajectory};
use crate::task::paddle::PaddleRule;
use crate::task::trial::HitRule;
use mental_pong_base::Stream;

/// Numbers of an observation: ball x, ball y, whether the ball is seen (0 or 1), paddle y; degrees.
/// A ball that is not seen has x and y 0.
pub const N_FEATURES: usize = 4;

/// What an environment rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reward {
    /// 1 for a hit, when the ball arrives; 0 otherwise.
    #[default]
    Hit,
    /// Minus the distance of ball and paddle, degrees, when the ball arrives; 0 before.
    Closeness,
}

/// When an environment whose trial ended begins its next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Autoreset {
    /// In the step that ended it: the observation is the next trial's first, the last one is in
    /// [`VectorEnv::finals`].
    #[default]
    SameStep,
    /// In the step after, whose action counts for nothing.
    NextStep,
    /// When it is reset, and not before.
    Disabled,
}

/// How one environment begins a trial; what is not said stays as it was, and the condition is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Begin {
    /// Seed of what it draws from here on.
    pub seed: Option<u64>,
    /// Id of the condition of this one trial.
    pub condition_id: Option<u32>,
    /// Whether the ball is unseen from x = 5°, from here on.
    pub occluded: Option<bool>,
    /// The law of motion from here on.
    pub law: Option<Law>,
}

/// Which environment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnvSettings {
    /// The law of motion; a step is a frame of it.
    pub law: Law,
    /// Frames of the still ball before it moves. Published: 300 ms, 18 frames of `display`.
    pub still_frames: u32,
    /// Whether the ball is unseen from x = 5°, as in occluded trials.
    pub occluded: bool,
    /// What is rewarded.
    pub reward: Reward,
    /// When the ball counts as met.
    pub hit: HitRule,
    /// The paddle.
    pub paddle: PaddleRule,
    /// When a next trial begins.
    pub autoreset: Autoreset,
}

impl Default for EnvSettings {
    fn default() -> Self {
        Self {
            law: Law::Display,
            still_frames: 18,
            occluded: true,
            reward: Reward::default(),
            hit: HitRule::default(),
            paddle: PaddleRule::default(),
            autoreset: Autoreset::default(),
        }
    }
}

/// A trial that ended in a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// The environment.
    pub env: usize,
    /// Its condition.
    pub condition_id: u32,
    /// Whether the paddle met the ball.
    pub hit: bool,
    /// Paddle minus ball at arrival, degrees.
    pub error_deg: f64,
}

/// One frame of a condition: ball x, ball y, seen, and room for the paddle.
type Row = [f32; N_FEATURES];

/// A condition's frames in the table, and its end.
#[derive(Clone, Copy, Debug)]
struct Flight {
    id: u32,
    /// First row.
    first: u32,
    /// One after the last row; the step that would reach it ends the trial.
    end: u32,
    y_true_deg: f64,
    /// Time of the last step that lies before the arrival, milliseconds.
    last_ms: f64,
}

/// All conditions under a law, seen or occluded.
#[derive(Clone, Copy, Debug)]
struct Variant {
    law: Law,
    occluded: bool,
}

/// Many trials side by side.
#[derive(Clone, Debug)]
pub struct VectorEnv {
    settings: EnvSettings,
    conditions: Vec<Condition>,
    /// The settings' own first, others as they are asked for.
    variants: Vec<Variant>,
    /// `[variant][condition]`.
    flights: Vec<Flight>,
    /// `[row]`: the frames of all conditions, one after another.
    rows: Vec<Row>,
    /// `[env]`.
    streams: Vec<Stream>,
    variant: Vec<u32>,
    step_deg: Vec<f64>,
    /// Whether its trial has ended and no other begun.
    over: Vec<bool>,
    flight: Vec<u32>,
    row: Vec<u32>,
    end: Vec<u32>,
    paddle_y: Vec<f64>,
    moved: Vec<bool>,
    observations: Vec<Row>,
    finals: Vec<Row>,
    rewards: Vec<f32>,
    dones: Vec<bool>,
    episodes: Vec<Episode>,
}

impl VectorEnv {
    /// `n` environments over some conditions, reset with seed 0.
    ///
    /// # Errors
    /// [`Error::BadValue`] for no condition, no environment, too many frames in all, or a paddle that
    /// cannot be.
    pub fn new(conditions: &[Condition], n: usize, settings: EnvSettings) -> Result<Self> {
        settings.paddle.check()?;
        let bad = |field, expected: &str, found: usize| Error::BadValue {
            field,
            expected: expected.to_owned(),
            found: found.to_string(),
        };
        if conditions.is_empty() {
            return Err(bad("conditions", "1 or more", 0));
        }
        if n == 0 {
            return Err(bad("environments", "1 or more", 0));
        }
        if settings.still_frames > 10_000 {
            let found = settings.still_frames as usize;
            return Err(bad("still_frames", "0 to 10000", found));
        }
        let mut env = Self {
            settings,
            conditions: conditions.to_vec(),
            variants: Vec::new(),
            flights: Vec::with_capacity(conditions.len()),
            rows: Vec::new(),
            streams: Vec::new(),
            variant: vec![0; n],
            step_deg: vec![0.0; n],
            over: vec![false; n],
            flight: vec![0; n],
            row: vec![0; n],
            end: vec![0; n],
            paddle_y: vec![0.0; n],
            moved: vec![false; n],
            observations: vec![[0.0; N_FEATURES]; n],
            finals: vec![[0.0; N_FEATURES]; n],
            rewards: vec![0.0; n],
            dones: vec![false; n],
            episodes: Vec::new(),
        };
        env.variant(settings.law, settings.occluded)?;
        env.reset(0);
        Ok(env)
    }

    /// Place of the conditions under a law, seen or occluded; made where they are not there yet.
    fn variant(&mut self, law: Law, occluded: bool) -> Result<u32> {
        let known = self
            .variants
            .iter()
            .position(|v| v.law == law && v.occluded == occluded);
        if let Some(at) = known {
            return Ok(at as u32);
        }
        for condition in &self.conditions {
            let path = trajectory(condition, law);
            let first = self.rows.len();
            let still = self.settings.still_frames as usize;
            let frames = std::iter::repeat_n(0, still).chain(0..path.end_frame);
            self.rows.extend(frames.map(|frame| {
                let (x, y) = (path.x_deg[frame], path.y_deg[frame]);
                if occluded && x >= OCCLUDER_X_DEG {
                    [0.0; N_FEATURES]
                } else {
                    [x as f32, y as f32, 1.0, 0.0]
                }
            }));
            let end = u32::try_from(self.rows.len()).map_err(|_| Error::BadValue {
                field: "conditions",
                expected: "4294967295 frames in all at most".into(),
                found: self.rows.len().to_string(),
            })?;
            self.flights.push(Flight {
                id: condition.id,
                first: first as u32,
                end,
                y_true_deg: path.y_x10_deg(),
                last_ms: path.t_x10_ms() - law.frame_ms(path.end_frame - 1),
            });
        }
        self.variants.push(Variant { law, occluded });
        Ok(self.variants.len() as u32 - 1)
    }

    /// Number of environments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.row.len()
    }

    /// Whether there is none. Never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }

    /// Begins a trial in every environment, as the settings say. Each draws its conditions from a stream of
    /// its own, so that environment `i` does the same among any number of others.
    pub fn reset(&mut self, seed: u64) {
        self.streams = (0..self.len())
            .map(|env| Stream::new(seed, "environment", env as u64))
            .collect();
        self.episodes.clear();
        self.rewards.fill(0.0);
        self.dones.fill(false);
        self.variant.fill(0);
        for env in 0..self.len() {
            self.begin(env, None);
        }
    }

    /// Begins a trial in one environment and leaves the others as they are. With one seed it draws the same
    /// in any place among any number of others.
    ///
    /// # Errors
    /// [`Error::BadValue`] for an environment or a condition that is not there; nothing has changed then.
    pub fn reset_one(&mut self, env: usize, how: &Begin) -> Result<()> {
        let bad = |field, expected: String, found: String| Error::BadValue {
            field,
            expected,
            found,
        };
        if env >= self.len() {
            let expected = format!("0 to {}", self.len() - 1);
            return Err(bad("environment", expected, env.to_string()));
        }
        let condition = match how.condition_id {
            None => None,
            Some(id) => {
                let at = self.conditions.iter().position(|c| c.id == id);
                let expected = || format!("one of the {} conditions", self.conditions.len());
                Some(at.ok_or_else(|| bad("condition", expected(), id.to_string()))?)
            }
        };
        let now = self.variants[self.variant[env] as usize];
        let (law, occluded) = (how.law, how.occluded);
        self.variant[env] =
            self.variant(law.unwrap_or(now.law), occluded.unwrap_or(now.occluded))?;
        if let Some(seed) = how.seed {
            self.streams[env] = Stream::new(seed, "environment", 0);
        }
        self.episodes.retain(|episode| episode.env != env);
        self.rewards[env] = 0.0;
        self.dones[env] = false;
        self.begin(env, condition);
        Ok(())
    }

    fn begin(&mut self, env: usize, condition: Option<usize>) {
        let n = self.conditions.len();
        let condition = condition.unwrap_or_else(|| self.streams[env].below(n));
        let variant = self.variant[env] as usize;
        let flight = variant * n + condition;
        let frame_ms = 1000.0 / self.variants[variant].law.hz();
        self.step_deg[env] = self.settings.paddle.speed_deg_per_ms * frame_ms;
        self.over[env] = false;
        self.flight[env] = flight as u32;
        self.row[env] = self.flights[flight].first;
        self.end[env] = self.flights[flight].end;
        self.paddle_y[env] = 0.0;
        self.moved[env] = false;
        self.observations[env] = self.rows[self.row[env] as usize];
    }

    /// Holds each environment's action, −1 down, 0 neutral, 1 up, for a frame.
    ///
    /// # Errors
    /// [`Error::BadValue`] for another number of actions than environments, another action, or, without
    /// autoreset, an environment whose trial has ended; no environment has moved then.
    pub fn step(&mut self, actions: &[i8]) -> Result<()> {
        if actions.len() != self.len() {
            return Err(Error::BadValue {
                field: "actions",
                expected: format!("{}, one for each environment", self.len()),
                found: actions.len().to_string(),
            });
        }
        // One pass without a branch in it.
        let worst = actions
            .iter()
            .fold(0, |worst: u8, a| worst.max(a.unsigned_abs()));
        if worst > 1 {
            return Err(Error::BadValue {
                field: "actions",
                expected: "-1, 0 or 1".into(),
                found: worst.to_string(),
            });
        }
        if self.settings.autoreset == Autoreset::Disabled
            && let Some(env) = self.over.iter().position(|over| *over)
        {
            return Err(Error::BadValue {
                field: "environment",
                expected: "a trial that goes on: reset it first".into(),
                found: format!("environment {env}, whose trial has ended"),
            });
        }
        self.episodes.clear();
        let begun = self.begin_next();
        let reach_deg = self.settings.paddle.reach_deg;
        let rows = self.rows.as_slice();
        let mut ended = false;
        let envs = actions
            .iter()
            .zip(&mut self.row)
            .zip(&self.end)
            .zip(&self.step_deg)
            .zip(&mut self.paddle_y)
            .zip(&mut self.moved)
            .zip(&mut self.observations)
            .zip(&mut self.rewards)
            .zip(&mut self.dones);
        for ((((((((action, row), end), step_deg), paddle), moved), seen), reward), done) in envs {
            *row = row.wrapping_add(1);
            *reward = 0.0;
            *done = *row >= *end;
            *moved |= *action != 0;
            ended |= *done;
            if !*done {
                *paddle = (*paddle + f64::from(*action) * step_deg).clamp(-reach_deg, reach_deg);
                *seen = rows[*row as usize];
                seen[3] = *paddle as f32;
            }
        }
        for env in begun {
            self.paddle_y[env] = 0.0;
            self.moved[env] = false;
            self.observations[env] = self.rows[self.row[env] as usize];
        }
        if ended {
            for (env, action) in actions.iter().enumerate() {
                if self.dones[env] {
                    self.arrive(env, *action);
                }
            }
        }
        Ok(())
    }

    /// Begins the trials of environments that wait for this step, one frame before their first, where the
    /// step takes them.
    fn begin_next(&mut self) -> Vec<usize> {
        if self.settings.autoreset != Autoreset::NextStep {
            return Vec::new();
        }
        let waiting: Vec<usize> = (0..self.len()).filter(|&env| self.over[env]).collect();
        for &env in &waiting {
            self.begin(env, None);
            self.row[env] = self.row[env].wrapping_sub(1);
        }
        waiting
    }

    /// The ball arrives within the step: the paddle moves until then, and no longer.
    fn arrive(&mut self, env: usize, action: i8) {
        let flight = self.flights[self.flight[env] as usize];
        let rule = &self.settings.paddle;
        let way = f64::from(action) * rule.speed_deg_per_ms * flight.last_ms;
        let y_deg = (self.paddle_y[env] + way).clamp(-rule.reach_deg, rule.reach_deg);
        let error_deg = y_deg - flight.y_true_deg;
        let hit = error_deg.abs() <= self.settings.hit.reach_deg(rule, BALL_RADIUS_DISPLAY_DEG);
        self.rewards[env] = match self.settings.reward {
            Reward::Hit => f32::from(u8::from(hit)),
            Reward::Closeness => -error_deg.abs() as f32,
        };
        self.episodes.push(Episode {
            env,
            condition_id: flight.id,
            hit,
            error_deg,
        });
        let (x, y) = (INTERCEPT_X_DEG as f32, flight.y_true_deg as f32);
        self.finals[env] = match self.variants[self.variant[env] as usize].occluded {
            true => [0.0, 0.0, 0.0, y_deg as f32],
            false => [x, y, 1.0, y_deg as f32],
        };
        if self.settings.autoreset == Autoreset::SameStep {
            self.begin(env, None);
        } else {
            self.paddle_y[env] = y_deg;
            self.observations[env] = self.finals[env];
            self.over[env] = true;
        }
    }

    /// `[env, feature]`: what each environment shows; see [`N_FEATURES`].
    #[must_use]
    pub fn observations(&self) -> &[[f32; N_FEATURES]] {
        &self.observations
    }

    /// `[env, feature]`: what an environment showed when its last trial ended: the ball at the interception
    /// plane, unseen in an occluded trial, and the paddle. Zeros where none has ended.
    #[must_use]
    pub fn finals(&self) -> &[[f32; N_FEATURES]] {
        &self.finals
    }

    /// `[env]`: the rewards of the last step.
    #[must_use]
    pub fn rewards(&self) -> &[f32] {
        &self.rewards
    }

    /// `[env]`: whether a trial ended in the last step.
    #[must_use]
    pub fn dones(&self) -> &[bool] {
        &self.dones
    }

    /// The trials that ended in the last step, by environment.
    #[must_use]
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// `[env]`: the conditions that run.
    #[must_use]
    pub fn condition_ids(&self) -> Vec<u32> {
        self.flight
            .iter()
            .map(|&flight| self.flights[flight as usize].id)
            .collect()
    }

    /// `[env]`: whether the ball is unseen from x = 5° in the trial that runs.
    #[must_use]
    pub fn occluded(&self) -> Vec<bool> {
        let of = |&variant: &u32| self.variants[variant as usize].occluded;
        self.variant.iter().map(of).collect()
    }

    /// `[env]`: the law of the trial that runs.
    #[must_use]
    pub fn laws(&self) -> Vec<Law> {
        let of = |&variant: &u32| self.variants[variant as usize].law;
        self.variant.iter().map(of).collect()
    }

    /// `[env, y, x]` or `[env, y, x, channel]`, u8: what each environment shows as a picture.
    pub fn pixels(&self, renderer: &mut Renderer, out: &mut Vec<u8>) {
        out.clear();
        let mut frame = Vec::new();
        for (env, seen) in self.observations.iter().enumerate() {
            let visible = seen[2] > 0.0;
            let look = if self.moved[env] {
                PaddleLook::Full
            } else {
                PaddleLook::Waiting
            };
            let scene = FrameScene {
                ball: visible.then(|| (f64::from(seen[0]), f64::from(seen[1]))),
                occluder: self.variants[self.variant[env] as usize]
                    .occluded
                    .then_some(1.0),
                paddle: Some((self.paddle_y[env], look)),
                fixation: false,
            };
            renderer.render_into(&scene, &mut frame);
            out.extend_from_slice(&frame);
        }
    }

    /// The shape of [`Self::pixels`].
    #[must_use]
    pub fn pixel_shape(&self, preset: Preset) -> Vec<usize> {
        preset.shape(self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::conditions79::primate79;
    use crate::task::paddle::Direction;
    use crate::task::set::SetCondition;
    use crate::task::trial::{
        Input, Outcome, Phase, Stamped, Trial, TrialKind, TrialRules, TrialSpec,
    };

    /// An action for environment `env` in step `n`, the same whatever else there is.
    fn action(env: usize, n: usize) -> i8 {
        let mix = (env as u64 * 0x9E37_79B9 + (n as u64 / 7) * 0x85EB_CA6B) % 1_000_003;
        (mix % 3) as i8 - 1
    }

    fn rollout(env: &mut VectorEnv, steps: usize) -> (Vec<[f32; 4]>, Vec<Episode>) {
        let (mut seen, mut episodes) = (Vec::new(), Vec::new());
        for n in 0..steps {
            let actions: Vec<i8> = (0..env.len()).map(|e| action(e, n)).collect();
            env.step(&actions).unwrap();
            seen.extend_from_slice(env.observations());
            episodes.extend_from_slice(env.episodes());
        }
        (seen, episodes)
    }

    #[test]
    fn same_seed_same_rollout_among_any_number_of_others() {
        let conditions = primate79();
        let make = |n| VectorEnv::new(&conditions, n, EnvSettings::default()).unwrap();
        let (mut one, mut again, mut many) = (make(3), make(3), make(8));
        for env in [&mut one, &mut again, &mut many] {
            env.reset(5);
        }
        let (a, ends_a) = rollout(&mut one, 700);
        assert_eq!((a.clone(), ends_a.clone()), rollout(&mut again, 700));
        let (b, ends_b) = rollout(&mut many, 700);
        let first: Vec<[f32; 4]> = b.chunks(8).flat_map(|c| c[..3].to_vec()).collect();
        assert_eq!(a, first);
        let first: Vec<Episode> = ends_b.into_iter().filter(|e| e.env < 3).collect();
        assert_eq!(ends_a, first);
        assert!(ends_a.len() > 6);
        one.reset(6);
        assert_ne!(a, rollout(&mut one, 700).0);
    }

    #[test]
    fn an_episode_is_the_trial_that_a_person_would_play() {
        for law in Law::ALL {
            for condition in primate79() {
                let settings = EnvSettings {
                    law,
                    still_frames: if law == Law::Display { 18 } else { 0 },
                    ..EnvSettings::default()
                };
                let mut env = VectorEnv::new(&[condition], 1, settings).unwrap();
                let rules = TrialRules {
                    fixation_hold_ms: 0.0,
                    still_ms: law.frame_ms(settings.still_frames as usize),
                    ..TrialRules::default()
                };
                let spec = TrialSpec {
                    condition: SetCondition::own(String::new(), condition, law).into(),
                    kind: TrialKind::Occluded,
                    practice: false,
                };
                let mut trial = Trial::new(spec, rules, Direction::Neutral, false);
                let (mut n, mut episode) = (0, None);
                let mut held = Direction::Neutral;
                loop {
                    let at_ms = law.frame_ms(n);
                    let input = [Stamped {
                        at_ms: law.frame_ms(n.max(1) - 1),
                        input: Input::Paddle(held),
                    }];
                    let shown = trial.frame(at_ms, &input);
                    if trial.result().is_some() {
                        break;
                    }
                    let seen = env.observations()[0];
                    let ball = shown.scene.ball.unwrap();
                    if shown.phase == Phase::Occluded {
                        assert_eq!(seen[..3], [0.0; 3]);
                    } else {
                        assert_eq!(seen[..3], [ball.0 as f32, ball.1 as f32, 1.0]);
                    }
                    assert!((f64::from(seen[3]) - shown.paddle_y_deg).abs() < 1e-5);
                    let next = action(condition.id as usize, n);
                    held =
                        [Direction::Down, Direction::Neutral, Direction::Up][(next + 1) as usize];
                    env.step(&[next]).unwrap();
                    episode = env.episodes().first().copied();
                    n += 1;
                }
                let (episode, result) = (episode.unwrap(), trial.result().unwrap());
                assert_eq!(episode.hit, result.outcome == Outcome::Hit);
                let apart = episode.error_deg - result.error_deg().unwrap();
                assert!(apart.abs() < 1e-9, "{}: {apart}", condition.id);
                assert_eq!(env.rewards()[0], f32::from(u8::from(episode.hit)));
            }
        }
    }

    #[test]
    fn the_three_ways_to_begin_again_run_through_the_same_trials() {
        let conditions = primate79();
        let make = |autoreset| {
            let settings = EnvSettings {
                autoreset,
                ..EnvSettings::default()
            };
            let mut env = VectorEnv::new(&conditions, 3, settings).unwrap();
            for place in 0..3 {
                let seed = Some(7 + place as u64);
                env.reset_one(
                    place,
                    &Begin {
                        seed,
                        ..Begin::default()
                    },
                )
                .unwrap();
            }
            env
        };
        // Trials of environment 1, whose action depends on the frames since its trial began.
        let run = |autoreset| {
            let mut env = make(autoreset);
            let (mut ends, mut since) = (Vec::new(), [0; 3]);
            while ends.len() < 4 {
                let actions: Vec<i8> = (0..3).map(|e| action(e, since[e])).collect();
                env.step(&actions).unwrap();
                let over: Vec<Episode> = env.episodes().to_vec();
                for steps in &mut since {
                    *steps += 1;
                }
                for episode in over {
                    let first = env.observations()[episode.env];
                    let last = env.finals()[episode.env];
                    assert_eq!(last[..3], [0.0; 3]);
                    since[episode.env] = 0;
                    match autoreset {
                        Autoreset::SameStep => assert_eq!(first[2..], [1.0, 0.0]),
                        Autoreset::NextStep | Autoreset::Disabled => assert_eq!(first, last),
                    }
                    if autoreset == Autoreset::Disabled {
                        assert!(env.step(&actions).is_err());
                        env.reset_one(episode.env, &Begin::default()).unwrap();
                    }
                    if episode.env == 1 {
                        ends.push((episode.condition_id, episode.error_deg));
                    }
                }
                if autoreset == Autoreset::NextStep {
                    // The step that begins a trial counts for nothing.
                    let waiting: Vec<usize> = (0..3).filter(|&e| env.dones()[e]).collect();
                    if !waiting.is_empty() {
                        let actions: Vec<i8> = (0..3).map(|e| action(e, since[e])).collect();
                        env.step(&actions).unwrap();
                        for (place, steps) in since.iter_mut().enumerate() {
                            if waiting.contains(&place) {
                                assert_eq!(env.observations()[place][2..], [1.0, 0.0]);
                                assert!(!env.dones()[place]);
                            } else {
                                *steps += 1;
                            }
                        }
                    }
                }
            }
            ends
        };
        let same = run(Autoreset::SameStep);
        assert_eq!(same, run(Autoreset::NextStep));
        assert_eq!(same, run(Autoreset::Disabled));
    }

    #[test]
    fn one_environment_begins_as_it_is_told_and_the_others_go_on() {
        let conditions = primate79();
        let mut env = VectorEnv::new(&conditions, 2, EnvSettings::default()).unwrap();
        let (before, mut alone) = (env.observations()[1], env.clone());
        let how = Begin {
            seed: Some(3),
            condition_id: Some(55_062),
            occluded: Some(false),
            law: Some(Law::Design),
        };
        env.reset_one(0, &how).unwrap();
        assert_eq!(env.condition_ids()[0], 55_062);
        assert_eq!(env.observations()[1], before);
        assert_eq!(
            (env.occluded(), env.laws()),
            (vec![false, true], vec![Law::Design, Law::Display])
        );
        // 62 frames of the design law, and 18 of the still ball.
        let mut shown = Vec::new();
        while env.episodes().iter().all(|e| e.env != 0) {
            shown.push(env.observations()[0]);
            env.step(&[1, 0]).unwrap();
        }
        assert_eq!(
            shown.len(),
            18 + trajectory(&conditions[1], Law::Design).end_frame
        );
        assert!(shown.iter().all(|seen| seen[2] == 1.0));
        assert_eq!(
            env.finals()[0][..3],
            [
                10.0,
                trajectory(&conditions[1], Law::Design).y_x10_deg() as f32,
                1.0
            ]
        );
        // Ten degrees a second up at 24 frames a second, until the paddle's end.
        assert!((shown[2][3] - 2.0 * 10.0 / 24.0).abs() < 1e-6);
        alone.step(&[0, 0]).unwrap();
        assert!(alone.reset_one(2, &Begin::default()).is_err());
        let nowhere = Begin {
            condition_id: Some(1),
            ..Begin::default()
        };
        assert!(
            alone
                .reset_one(0, &nowhere)
                .unwrap_err()
                .to_string()
                .contains("condition is 1")
        );
    }

    #[test]
    fn bad_calls_are_refused_and_move_nothing() {
        let conditions = primate79();
        let mut env = VectorEnv::new(&conditions, 2, EnvSettings::default()).unwrap();
        let before = env.clone();
        assert!(
            env.step(&[0])
                .unwrap_err()
                .to_string()
                .contains("actions is 1")
        );
        assert!(
            env.step(&[0, 2])
                .unwrap_err()
                .to_string()
                .contains("actions is 2")
        );
        assert!(env.step(&[i8::MIN, 0]).is_err());
        assert_eq!(env.row, before.row);
        assert!(VectorEnv::new(&[], 2, EnvSettings::default()).is_err());
        assert!(VectorEnv::new(&conditions, 0, EnvSettings::default()).is_err());
    }

    #[test]
    fn pixels_show_what_is_observed() {
        let env = VectorEnv::new(&primate79(), 3, EnvSettings::default()).unwrap();
        let mut out = Vec::new();
        env.pixels(&mut Renderer::new(Preset::Rnn100), &mut out);
        assert_eq!(
            out.len(),
            env.pixel_shape(Preset::Rnn100).iter().product::<usize>()
        );
        for (picture, seen) in out.chunks(100 * 100).zip(env.observations()) {
            let (column, row) =
                Preset::Rnn100.px_from_deg((f64::from(seen[0]), f64::from(seen[1])));
            assert_eq!(picture[row as usize * 100 + column as usize], 255);
            assert_eq!(picture[50 * 100 + 90], 128);
        }
    }
}
