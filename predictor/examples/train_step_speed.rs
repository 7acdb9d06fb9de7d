//! Time of one step of the published training: batch 32, 7 latents of 1024 in, 1024 units, Adam.
//!
//! ```sh
//! RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1 cargo run --release --example train_step_speed -- PYTHON
//! ```
//!
//! With a Python that has PyTorch, the same steps from the same weights on the same windows are timed there too, and the
//! losses compared.

#![allow(clippy::print_stdout, reason = "an example prints what it measures")]

mod clock;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use candle_core::{Device, Tensor};
use clock::cpu_s;
use mental_pong_base::Stream;
use mental_pong_predictor::dynamics::{CellKind, DynamicsConfig, Init, Rollout, Skip};
use mental_pong_predictor::training::{OneStep, Windows};

const BATCH: usize = 32;
const TIME: usize = 7;
const LATENT: usize = 1024;
const HIDDEN: usize = 1024;
/// Steps of a round; the least of the rounds is shown.
const STEPS: usize = 8;
const ROUNDS: usize = 6;
const RATE: f64 = 1e-4;

struct Timed {
    name: String,
    losses: Vec<f64>,
    cpu_s: f64,
    wall_s: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = Stream::new(1, "train step speed", 0);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
    let x = draw(TIME * BATCH * LATENT);
    let y = draw(BATCH * LATENT);
    let mut stored: BTreeMap<String, Tensor> = BTreeMap::from([
        (
            "x".into(),
            Tensor::from_slice(&x, (TIME, BATCH, LATENT), &Device::Cpu)?,
        ),
        (
            "y".into(),
            Tensor::from_slice(&y, (BATCH, LATENT), &Device::Cpu)?,
        ),
    ]);
    let mut rows = BTreeMap::new();
    for (kind, cell) in [("ctrnn", CellKind::Ctrnn), ("lstm", CellKind::Lstm)] {
        let config = DynamicsConfig {
            cell,
            latent: LATENT,
            fixed: 0,
            hidden: HIDDEN,
            dt_over_tau: 0.1,
            skip: Skip::None,
            rollout: Rollout::Restart,
        };
        let params = Init::Published.draw(&config, &mut Stream::new(2, kind, 0))?;
        for (name, tensor) in params.tensors() {
            stored.insert(format!("{kind}/{name}"), tensor);
        }
        let mut net = OneStep::new(config, &params)?;
        let windows = Windows {
            context: &x,
            target: &y,
            batch: BATCH,
        };
        let mut best = Timed {
            name: format!("mental-pong, {} threads", rayon::current_num_threads()),
            losses: Vec::new(),
            cpu_s: f64::INFINITY,
            wall_s: f64::INFINITY,
        };
        for _ in 0..ROUNDS {
            let (cpu, wall) = (cpu_s(), Instant::now());
            for _ in 0..STEPS {
                let loss = net.train(windows, RATE)?;
                if best.losses.len() < STEPS {
                    best.losses.push(loss);
                }
            }
            best.cpu_s = best.cpu_s.min((cpu_s() - cpu) / STEPS as f64);
            best.wall_s = best.wall_s.min(wall.elapsed().as_secs_f64() / STEPS as f64);
        }
        rows.insert(kind, vec![best]);
    }
    if let Some(python) = std::env::args().nth(1) {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("step.safetensors");
        candle_core::safetensors::save(&stored.into_iter().collect(), &file)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer_torch_step.py");
        let output = Command::new(python)
            .arg(script)
            .arg(&file)
            .args([ROUNDS.to_string(), STEPS.to_string()])
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let value: serde_json::Value = serde_json::from_str(line)?;
            let number = |field: &str| value[field].as_f64().ok_or(format!("no {field}"));
            let kind = value["kind"].as_str().ok_or("no kind")?;
            let losses: Vec<f64> = serde_json::from_value(value["losses"].clone())?;
            let own = rows.get_mut(kind).ok_or("another kind")?;
            for (a, b) in own[0].losses.iter().zip(&losses) {
                if (a / b - 1.0).abs() > 1e-4 {
                    return Err(format!("{kind}: losses {:?} and {losses:?}", own[0].losses).into());
                }
            }
            own.push(Timed {
                name: value["name"].as_str().ok_or("no name")?.to_string(),
                losses,
                cpu_s: number("cpu_s")?,
                wall_s: number("wall_s")?,
            });
        }
    }
    println!(
        "| cell | | CPU ms a step | wall ms a step | CPU of ours over it | loss before steps 1 and {STEPS} |"
    );
    println!("|---|---|---|---|---|---|");
    for (kind, timed) in &rows {
        for one in timed {
            println!(
                "| {kind} | {} | {:.2} | {:.2} | {:.2} | {:.6}, {:.6} |",
                one.name,
                1e3 * one.cpu_s,
                1e3 * one.wall_s,
                timed[0].cpu_s / one.cpu_s,
                one.losses[0],
                one.losses[STEPS - 1]
            );
        }
    }
    Ok(())
}
