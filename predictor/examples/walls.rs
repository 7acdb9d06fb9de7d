//! Are walls seen, or memorised? Own sets of trials with walls, bands and speeds of other places than the task's, through a
//! bundled predictor; the read-out of place is fitted on held-out playworld alone.
//!
//! ```sh
//! cargo run --release -p mental-pong-predictor --example walls > docs/src/numbers/walls-table.md
//! ```
//!
//! Each set can be repeated with `mpong predict --conditions FILE` on a table of its starts, walls and occluder.

#![allow(clippy::print_stdout, reason = "an example prints what it measures")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use mental_pong_base::{Quiet, Stream};
use mental_pong_game::frames::{Preset, Renderer};
use mental_pong_game::task::geometry::{Geometry, Rect};
use mental_pong_game::task::own::{Rule, Start, own_condition};
use mental_pong_game::task::{ConditionSet, Law, SetCondition};
use mental_pong_predictor::dynamics::Dynamics;
use mental_pong_predictor::encoders::Encoder;
use mental_pong_predictor::training::{Foresight, TowersTraining};
use mental_pong_predictor::weights::{load_dynamics, load_roomnet};

/// Trials of a set.
const TRIALS: usize = 60;
/// Display frames in a step of 50 ms, and the one that stands for the first.
const STEP: usize = 3;
const FIRST: usize = 2;

/// One row of the table.
struct Case {
    name: String,
    geometry: Geometry,
    band: bool,
    speed: (f64, f64),
    steepest: f64,
}

#[derive(Default)]
struct Errors {
    n: usize,
    x: f64,
    signed_x: f64,
    y: f64,
    ends: Vec<f64>,
    bounces: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let recipe: TowersTraining = toml::from_str(include_str!("../../data/configs/roomnet.toml"))?;
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/weights");
    let encoder = match args.get(1) {
        Some(file) => load_roomnet(Path::new(file))?.model,
        None => load_roomnet(&weights.join("roomnet.safetensors"))?.model,
    };
    let dynamics = match args.get(2) {
        Some(file) => load_dynamics(Path::new(file))?.model,
        None => load_dynamics(&weights.join("room-gru-1.safetensors"))?.model,
    };
    let readout = Foresight::new(&encoder, &recipe.playworld, 99, 200, &Quiet)?;
    println!(
        "| set | trials | bounces a trial | MAE x | signed x | MAE y | end height |\n|---|---|---|---|---|---|---|"
    );
    for case in cases() {
        let set = ConditionSet::new(&case.name, trials(&case)?)?;
        let mut sum = Errors::default();
        for condition in set.conditions() {
            one(&case, condition, &encoder, &dynamics, &readout, &mut sum)?;
        }
        let n = sum.n.max(1) as f64;
        let ends = sum.ends.iter().sum::<f64>() / sum.ends.len().max(1) as f64;
        println!(
            "| {} | {} | {:.2} | {:.2} | {:+.2} | {:.2} | {ends:.2} |",
            case.name,
            sum.ends.len(),
            sum.bounces as f64 / sum.ends.len().max(1) as f64,
            sum.x / n,
            sum.signed_x / n,
            sum.y / n,
        );
    }
    Ok(())
}

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

/// Trials that the ball starts at the left, hidden for 8 to 40 steps.
fn trials(case: &Case) -> Result<Vec<SetCondition>, Box<dyn Error>> {
    let mut rng = Stream::new(31, "walls", 0);
    let geometry = Arc::new(case.geometry.clone());
    let wall = case.geometry.wall_high_deg;
    let mut trials = Vec::new();
    while trials.len() < TRIALS {
        let start = Start::from_deg(
            rng.uniform(-9.0, -6.0),
            rng.uniform(1.0 - wall, wall - 1.0),
            rng.uniform(-case.steepest, case.steepest),
            rng.uniform(case.speed.0, case.speed.1),
        );
        let id = trials.len();
        let Ok(condition) = own_condition(id as u32, start, Rule::Possible) else {
            continue;
        };
        let condition = SetCondition::own(id.to_string(), condition, Law::Display);
        let condition = condition.with_geometry(Arc::clone(&geometry));
        let steps = condition.track().n_frames() / STEP;
        let seen = first_hidden(&condition);
        if (8..=40).contains(&steps.saturating_sub(seen)) && seen >= 8 {
            trials.push(condition);
        }
    }
    Ok(trials)
}

/// Steps before the first in which nothing is seen of the ball.
fn first_hidden(condition: &SetCondition) -> usize {
    let track = condition.track();
    let steps = track.n_frames() / STEP;
    (0..steps)
        .find(|step| (track.frame(FIRST + STEP * step)).is_none_or(|frame| frame.visible <= 0.0))
        .unwrap_or(steps)
}

fn one(
    case: &Case,
    condition: &SetCondition,
    encoder: &dyn Encoder,
    dynamics: &dyn Dynamics,
    readout: &Foresight,
    sum: &mut Errors,
) -> Result<(), Box<dyn Error>> {
    let track = condition.track();
    let seen = first_hidden(condition);
    let steps = (track.n_frames() - 1 - FIRST) / STEP + 1;
    let mut renderer = Renderer::new(Preset::Model224);
    renderer.set_geometry(condition.geometry());
    let frames: Vec<Vec<u8>> = std::iter::once(0)
        .chain((0..seen).map(|step| FIRST + STEP * step))
        .map(|n| renderer.draw(&track.scene(n, case.band)).to_vec())
        .collect();
    let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let dim = encoder.latent_dim();
    let latents = &encoder.encode(&views)?[dim..];
    let context = Tensor::from_slice(latents, (1, seen, dim), &Device::Cpu)?;
    let ahead: Vec<f32> = dynamics
        .forecast(&context, steps - seen)?
        .flatten_all()?
        .to_vec1()?;
    // The read-out counts from the lower left corner of a view of 20°.
    let places = readout.decoded(&ahead);
    for (k, (x, y)) in places.iter().enumerate() {
        let Some((tx, ty)) = track.ball_deg(FIRST + STEP * (seen + k)) else {
            continue;
        };
        sum.n += 1;
        sum.x += (x - 10.0 - tx).abs();
        sum.signed_x += x - 10.0 - tx;
        sum.y += (y - 10.0 - ty).abs();
    }
    if let (Some((_, y)), Some((_, ty))) =
        (places.last(), track.ball_deg(FIRST + STEP * (steps - 1)))
    {
        sum.ends.push((y - 10.0 - ty).abs());
    }
    sum.bounces += track.bounces_ms().len();
    Ok(())
}
