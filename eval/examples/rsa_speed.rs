//! Times a full-size representational similarity analysis on simulated states, and keeps the numbers to be compared with those
//! that scikit-learn gives for the same states (`eval/examples/rsa_speed.py`).
//!
//! ```sh
//! cargo run --release -p mental-pong-eval --example rsa_speed -- 50 OUT.json
//! ```
//!
//! The states follow a formula that both programs compute: sums of sines of condition, time and unit. Nothing is a recording.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::time::Instant;

use mental_pong_eval::array::Array2;
use mental_pong_eval::rsa::{Rsa, StepAxis, System, simulation_index};
use mental_pong_game::task::{Epoch, Law, Masks, primate79, trajectory};

/// State of a unit: a slow path through each condition, and noise of the same kind for `set` above 0.
fn state(set: usize, condition: usize, at: f64, unit: usize, noise: f64) -> f64 {
    let (s, c, u) = (set as f64, condition as f64, unit as f64);
    let path = (0.07 * at * (1.0 + u % 5.0) + 1.3 * u + 0.9 * c).sin()
        + (0.31 * c * (1.0 + u % 3.0) + 0.5 * u).cos();
    let hash =
        (12.9898 * at + 78.233 * (u + 1.0) + 37.719 * (c + 1.0) + 4.581 * s).sin() * 43758.5453;
    path + noise * (hash - hash.floor() - 0.5)
}

fn states(steps: &[usize], set: usize, units: usize, noise: f64) -> Vec<Array2> {
    steps
        .iter()
        .enumerate()
        .map(|(c, &n)| Array2::from_fn(n, units, |t, u| state(set, c, t as f64, u, noise)))
        .collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let units: usize = arguments.next().unwrap_or_else(|| "50".into()).parse()?;
    let out = arguments.next();
    let n_models: usize = arguments.next().unwrap_or_else(|| "2".into()).parse()?;
    let conditions = primate79();
    let axis = StepAxis::design(&conditions)?;
    let bins: Vec<usize> = conditions
        .iter()
        .map(|c| Masks::of(c).bins(Epoch::All).len())
        .collect();
    let [full, half1, half2] =
        [(0, 1.0), (1, 2.0), (2, 2.0)].map(|(set, noise)| states(&bins, set, units, noise));
    let paths: Vec<_> = conditions
        .iter()
        .map(|c| trajectory(c, Law::Design))
        .collect();
    let ball = |steps: &[usize], ms: f64| -> Vec<Array2> {
        steps
            .iter()
            .zip(&paths)
            .map(|(&n, p)| {
                Array2::from_fn(n, 2, |t, k| {
                    let at = ((t as f64 * ms / 41.0) as usize).min(p.len() - 1);
                    if k == 0 { p.x_deg[at] } else { p.y_deg[at] }
                })
            })
            .collect()
    };
    let (ball_bins, ball_steps) = (ball(&bins, 50.0), ball(axis.steps(), 41.0));
    let models: Vec<Vec<Array2>> = (0..n_models)
        .map(|m| states(axis.steps(), 3 + m, 20, 0.5))
        .collect();
    let names: Vec<String> = (0..n_models).map(|m| format!("model {m}")).collect();
    let systems: Vec<System<'_>> = names
        .iter()
        .zip(&models)
        .map(|(n, m)| System::noiseless(n, m))
        .collect();

    let start = Instant::now();
    let rsa = Rsa::new(
        &axis,
        &System::with_halves("neurons", &full, &half1, &half2),
        Some(&ball_bins),
    )?;
    let loaded = start.elapsed().as_secs_f64();
    let scores = rsa.compare(&systems)?;
    let compared = start.elapsed().as_secs_f64() - loaded;
    println!("{units} units, {n_models} models: prepare {loaded:.3} s, compare {compared:.3} s");
    let start = Instant::now();
    let index = models
        .iter()
        .map(|m| simulation_index(&axis, m, &ball_steps, 2))
        .collect::<Result<Vec<_>, _>>()?;
    println!(
        "simulation index of {n_models} models: {:.3} s",
        start.elapsed().as_secs_f64()
    );
    if let Some(path) = out {
        let file = serde_json::json!({
            "ball": ball_bins.iter().map(Array2::as_slice).collect::<Vec<_>>(),
            "ball_steps": ball_steps.iter().map(Array2::as_slice).collect::<Vec<_>>(),
            "occlusion": conditions.iter().map(|c| c.t_occ).collect::<Vec<_>>(),
            "seconds": loaded + compared,
            "scores": scores,
            "simulation_index_px32": index.iter().map(|i| i.index_px32).collect::<Vec<_>>(),
        });
        std::fs::write(path, serde_json::to_vec(&file)?)?;
    }
    Ok(())
}
