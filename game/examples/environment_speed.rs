//! How fast the environment steps: `cargo run --release -p mental-pong-game --example environment_speed`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example prints, and stops where it cannot go on"
)]

use std::time::Instant;

use mental_pong_game::frames::{Preset, Renderer};
use mental_pong_game::task::environment::{EnvSettings, VectorEnv};
use mental_pong_game::task::primate79;

fn main() {
    for n in [64, 1024, 16_384] {
        let mut env = VectorEnv::new(&primate79(), n, EnvSettings::default()).unwrap();
        let actions: Vec<i8> = (0..n).map(|i| (i % 3) as i8 - 1).collect();
        let mut best = 0.0_f64;
        for _ in 0..10 {
            let steps = 8_000_000 / n;
            let start = Instant::now();
            let mut sum = 0.0;
            for _ in 0..steps {
                env.step(&actions).unwrap();
                sum += env.observations()[0][3];
            }
            let rate = (steps * n) as f64 / start.elapsed().as_secs_f64();
            assert!(sum.is_finite());
            best = best.max(rate);
        }
        println!(
            "{n} environments, state: {:.1} million steps a second on one core",
            best / 1e6
        );
    }
    let mut env = VectorEnv::new(&primate79(), 256, EnvSettings::default()).unwrap();
    let mut renderer = Renderer::new(Preset::Rnn100);
    let mut pixels = Vec::new();
    let start = Instant::now();
    for _ in 0..100 {
        env.step(&[1; 256]).unwrap();
        env.pixels(&mut renderer, &mut pixels);
    }
    let rate = 25_600.0 / start.elapsed().as_secs_f64();
    println!(
        "256 environments, rnn100 pixels: {:.0} thousand steps a second on one core",
        rate / 1e3
    );
}
