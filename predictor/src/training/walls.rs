//! Are walls seen, or memorised? Own sets of trials with walls, bands, occluders and speeds of other places than the task's; the
//! read-out of place is fitted on held-out playworld alone.

use std::sync::Arc;

use mental_pong_base::{Monitor, Stream};
use mental_pong_game::task::geometry::{Geometry, Rect};
use mental_pong_game::task::own::{Rule, Start, own_condition};
use mental_pong_game::task::{Law, SetCondition};
use serde::Serialize;

use super::Foresight;
use super::probe::interval;
use crate::latents::{Cache, Clock, Layers, Shown, Timeline, Video, predict_video};
use crate::playworld::Mix;
use crate::predictor::{Null, Predictor};
use crate::{Error, Result};

/// Seed and number of the playworld videos that the read-out is fitted on.
const READOUT: (u64, usize) = (99, 200);
/// Fewest and most hidden steps of 50 ms, and fewest seen.
const HIDDEN: std::ops::RangeInclusive<usize> = 8..=40;
const SEEN: usize = 8;
/// Starts that are drawn for a trial before a set is given up.
const DRAWS: usize = 100_000;

/// A mean over trials with the 95 % interval of a bootstrap over them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Errors of a predictor on one set, over the steps in which nothing is seen of the ball; degrees.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WallsRow {
    /// What is special about its trials.
    pub set: String,
    /// Whose forecast.
    pub model: String,
    /// Trials.
    pub trials: usize,
    /// Bounces a trial.
    pub bounces: f64,
    /// Mean absolute error across.
    pub mae_x: Mean,
    /// Mean error across: below 0 behind the ball.
    pub signed_x: Mean,
    /// Mean absolute error of the height.
    pub mae_y: Mean,
    /// Absolute error of the height at the last step.
    pub end: Mean,
}

/// One set of trials.
struct Case {
    name: String,
    geometry: Geometry,
    band: bool,
    speed: (f64, f64),
    steepest: f64,
    bounces: Option<usize>,
}

/// The errors of a predictor, and of its own inertia, on `trials` trials of each set.
///
/// # Errors
/// [`Error::Config`] for a predictor that forecasts nothing or takes the frames of [`Clock::Design`]; as
/// [`predict_video`]; [`Error::Interrupted`].
pub fn walls(
    predictor: &Predictor,
    mix: &Mix,
    trials: usize,
    seed: u64,
    monitor: &dyn Monitor,
) -> Result<Vec<WallsRow>> {
    if !predictor.has_dynamics() || predictor.protocol().clock == Clock::Design {
        return Err(Error::Config {
            place: format!("model {}", predictor.name()),
            field: "dynamics".into(),
            expected: "a predictor that forecasts frames of 224 x 224".into(),
            found: predictor.provenance().description.clone(),
        });
    }
    let readout = Foresight::new(predictor.encoder(), mix, READOUT.0, READOUT.1, monitor)?;
    let inertia = predictor.null(Null::Inertia)?;
    let cases = cases();
    monitor.stage("forecasting", (cases.len() * trials) as u64);
    let mut rows = Vec::new();
    for case in &cases {
        let mut errors = [Vec::new(), Vec::new()];
        let mut bounces = 0;
        for condition in drawn(case, trials, seed)? {
            if monitor.stopped() {
                return Err(Error::Interrupted);
            }
            for (errors, one) in errors.iter_mut().zip([predictor, &inertia]) {
                errors.push(trial_errors(case, &condition, one, &readout)?);
            }
            bounces += condition.track().bounces_ms().len();
            monitor.advance(1);
        }
        for (errors, name) in errors.iter().zip([predictor.name(), "inertia"]) {
            let mean = |k: usize| {
                let of = |picked: &mut dyn Iterator<Item = usize>| {
                    picked.map(|trial| errors[trial][k]).sum::<f64>() / errors.len() as f64
                };
                let (low, high) = interval(errors.len(), seed, "walls bootstrap", of);
                Mean {
                    value: of(&mut (0..errors.len())),
                    low,
                    high,
                }
            };
            rows.push(WallsRow {
                set: case.name.clone(),
                model: name.into(),
                trials,
                bounces: bounces as f64 / trials as f64,
                mae_x: mean(0),
                signed_x: mean(1),
                mae_y: mean(2),
                end: mean(3),
            });
        }
    }
    Ok(rows)
}

/// The sets.
fn cases() -> Vec<Case> {
    let band = |x0: f64, x1: f64| Rect {
        x0_deg: x0,
        x1_deg: x1,
        y0_deg: -10.0,
        y1_deg: 10.0,
    };
    let case = |name: &str, wall: f64, drawn: bool| Case {
        name: name.into(),
        geometry: Geometry {
            wall_low_deg: -wall,
            wall_high_deg: wall,
            draw_walls: drawn,
            occluders: vec![band(5.0, 10.0)],
            ..Geometry::default()
        },
        band: true,
        speed: (4.0, 11.0),
        steepest: 55.0,
        bounces: None,
    };
    let mut cases = vec![case("walls at 10, not drawn (the task's)", 10.0, false)];
    for wall in [6.0, 7.5, 8.8] {
        for drawn in [true, false] {
            let how = if drawn { "drawn" } else { "not drawn" };
            cases.push(case(&format!("walls at {wall}, {how}"), wall, drawn));
        }
    }
    cases.push(Case {
        band: false,
        ..case("walls at 10, no band in the picture", 10.0, false)
    });
    cases.push(Case {
        steepest: 72.0,
        speed: (9.0, 12.0),
        ..case("walls at 7.5, drawn, steep and fast", 7.5, true)
    });
    cases.push(Case {
        steepest: 72.0,
        bounces: Some(2),
        ..case("walls at 6, drawn, two bounces", 6.0, true)
    });
    let mut early = case("walls at 10, occluder from 0 to 10", 10.0, false);
    early.geometry.occluders = vec![band(0.0, 10.0)];
    cases.push(early);
    let mut middle = case("walls at 10, occluder from 1 to 6", 10.0, false);
    middle.geometry.occluders = vec![band(1.0, 6.0)];
    cases.push(middle);
    for (low, high) in [(3.0, 4.5), (6.0, 8.0), (10.0, 12.0)] {
        cases.push(Case {
            speed: (low, high),
            ..case(&format!("walls at 10, {low} to {high} °/s"), 10.0, false)
        });
    }
    cases
}

/// Trials whose ball starts at the left and is hidden long enough.
fn drawn(case: &Case, trials: usize, seed: u64) -> Result<Vec<SetCondition>> {
    let mut rng = Stream::new(seed, "walls", 0);
    let geometry = Arc::new(case.geometry.clone());
    let wall = case.geometry.wall_high_deg;
    let mut found = Vec::new();
    for _ in 0..DRAWS {
        if found.len() == trials {
            break;
        }
        let start = Start::from_deg(
            rng.uniform(-9.0, -6.0),
            rng.uniform(1.0 - wall, wall - 1.0),
            rng.uniform(-case.steepest, case.steepest),
            rng.uniform(case.speed.0, case.speed.1),
        );
        let id = found.len();
        let Ok(condition) = own_condition(id as u32, start, Rule::Possible) else {
            continue;
        };
        let condition = SetCondition::own(id.to_string(), condition, Law::Display);
        let condition = condition.with_geometry(Arc::clone(&geometry));
        let bounces = condition.track().bounces_ms().len();
        let timeline = Timeline::of(&condition, Clock::Bins)?;
        let seen = timeline.occ_frame_start;
        let hidden = timeline.steps.len() - seen;
        let fits = HIDDEN.contains(&hidden) && seen >= SEEN;
        if fits && case.bounces.is_none_or(|n| n == bounces) {
            found.push(condition);
        }
    }
    if found.len() < trials {
        return Err(Error::Config {
            place: format!("set {}", case.name),
            field: "trials".into(),
            expected: format!("{trials} in {DRAWS} draws"),
            found: found.len().to_string(),
        });
    }
    Ok(found)
}

/// `[MAE x, signed x, MAE y, end height]` of one trial.
fn trial_errors(
    case: &Case,
    condition: &SetCondition,
    predictor: &Predictor,
    readout: &Foresight,
) -> Result<[f64; 4]> {
    let protocol = predictor.protocol();
    let shown = if case.band {
        protocol.shown
    } else {
        Shown::Visible
    };
    // Of the open video only the frames before the ball would be hidden are looked at.
    let video = Video::of(condition, shown, protocol.clock)?;
    let plan = protocol.plan(&video.timeline)?;
    let step_ms = protocol.clock.step_ms(condition.rate_hz()) * plan.spacing() as f64;
    let (encoder, dynamics) = (predictor.encoder(), predictor.dynamics(step_ms));
    let (layers, cache) = (Layers::DYNAMICS, Cache::none());
    let (_, values) = predict_video(encoder, dynamics.as_deref(), &video, &plan, layers, &cache)?;
    // The read-out counts from the lower left corner of a view of 20°.
    let places = readout.decoded(&values[0]);
    let hidden = video.timeline.occ_frame_start;
    let pairs = places.iter().zip(&video.timeline.ball_deg).skip(hidden);
    let errors: Vec<(f64, f64)> = pairs
        .map(|((x, y), (tx, ty))| (x - 10.0 - tx, y - 10.0 - ty))
        .collect();
    let n = errors.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| errors.iter().map(of).sum::<f64>() / n;
    Ok([
        mean(|e| e.0.abs()),
        mean(|e| e.0),
        mean(|e| e.1.abs()),
        errors.last().map_or(0.0, |e| e.1.abs()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use mental_pong_base::Quiet;

    fn mix() -> Mix {
        let recipe = include_str!("../../../data/configs/roomnet.toml");
        toml::from_str::<crate::training::TowersTraining>(recipe)
            .unwrap()
            .playworld
    }

    fn means(rows: &[WallsRow], set: &str, model: &str) -> WallsRow {
        let found = rows.iter().find(|row| row.set == set && row.model == model);
        found.unwrap().clone()
    }

    #[test]
    fn every_set_has_its_trials_and_two_bounces_are_two() {
        for case in cases() {
            let trials = drawn(&case, 6, 3).unwrap();
            assert_eq!(trials.len(), 6, "{}", case.name);
            for trial in &trials {
                let (track, wall) = (trial.track(), case.geometry.wall_high_deg);
                let inside = |frame: usize| track.ball_deg(frame).is_none_or(|b| b.1.abs() <= wall);
                assert!((0..track.n_frames()).all(inside), "{}", case.name);
                let bounces = track.bounces_ms().len();
                assert!(case.bounces.is_none_or(|n| n == bounces), "{}", case.name);
            }
        }
    }

    #[test]
    fn the_bundled_simulator_sees_a_wall_that_is_drawn_and_inertia_does_not() {
        let predictor = Predictor::named("room-gru").unwrap();
        let rows = walls(&predictor, &mix(), 12, 31, &Quiet).unwrap();
        assert_eq!(rows.len(), 2 * cases().len());
        let at = |set: &str, model: &str| means(&rows, set, model).mae_y;
        let (drawn, not) = ("walls at 6, drawn", "walls at 6, not drawn");
        assert!(at(drawn, "room-gru").high < at(not, "room-gru").low);
        let twice = "walls at 6, drawn, two bounces";
        assert!(at(twice, "room-gru").high < at(twice, "inertia").low);
        assert!(
            rows.iter()
                .all(|row| row.mae_x.low <= row.mae_x.value && row.mae_x.value <= row.mae_x.high)
        );
    }

    #[test]
    fn what_forecasts_nothing_is_refused() {
        let predictor = Predictor::named("encoder").unwrap();
        let refused = walls(&predictor, &mix(), 2, 1, &Quiet);
        assert!(matches!(refused, Err(Error::Config { .. })));
    }
}
