//! Time of a ViT-B/16 at 224 pixels, and of the published rollout: 1,024 latents, a window of 80, 60 steps.
//!
//! ```sh
//! RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1 cargo run --release --example forward_speed -- PYTHON
//! ```
//!
//! With a Python that has PyTorch, the same weights on the same inputs are timed there too, and the outputs compared.

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
use mental_pong_predictor::dynamics::{
    CellKind, Dynamics, DynamicsConfig, Init, Recurrent, Rollout, Skip,
};
use mental_pong_predictor::encoders::{Encoder, FRAME_BYTES, Preprocess, Vit, VitConfig};
use mental_pong_predictor::params::Params;

const LATENT: usize = 1024;
const HIDDEN: usize = 1024;
const WINDOW: usize = 80;
const STEPS: usize = 60;
/// Conditions that are rolled out together; PyTorch takes them one by one, as published.
const CONDITIONS: usize = 79;
const ROUNDS: usize = 5;

struct Timed {
    cpu_s: f64,
    wall_s: f64,
    /// Some of the output, to compare.
    output: Vec<f32>,
}

fn time(
    rounds: usize,
    mut work: impl FnMut() -> Result<Vec<f32>, Box<dyn Error>>,
) -> Result<Timed, Box<dyn Error>> {
    let mut best = Timed {
        cpu_s: f64::INFINITY,
        wall_s: f64::INFINITY,
        output: Vec::new(),
    };
    for _ in 0..rounds {
        let (cpu, wall) = (cpu_s(), Instant::now());
        best.output = work()?;
        best.cpu_s = best.cpu_s.min(cpu_s() - cpu);
        best.wall_s = best.wall_s.min(wall.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = Stream::new(1, "forward speed", 0);
    let config = VitConfig::base_16();
    let mut stored: BTreeMap<String, Tensor> = BTreeMap::new();
    for (name, shape) in Vit::shapes(&config) {
        let n: usize = shape.iter().product();
        let norm = name.contains("norm") && name.ends_with("weight");
        let values: Vec<f32> = (0..n)
            .map(|_| {
                if norm {
                    1.0
                } else {
                    0.02 * rng.normal() as f32
                }
            })
            .collect();
        stored.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
    }
    let vit = Vit::new(
        config,
        Preprocess::bicubic_256(),
        &stored,
        "speed",
        String::new(),
    )?;
    let frames: Vec<Vec<u8>> = (0..8)
        .map(|_| (0..FRAME_BYTES).map(|_| rng.below(256) as u8).collect())
        .collect();
    let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let input = vit.preprocess().tensor(&views)?;
    let mut rows: BTreeMap<String, Timed> = BTreeMap::new();
    for batch in [1, 8] {
        let timed = time(ROUNDS, || Ok(vit.encode(&views[..batch])?))?;
        rows.insert(format!("vit_b16 batch {batch}"), timed);
    }
    let mut file: BTreeMap<String, Tensor> = stored
        .into_iter()
        .map(|(name, t)| (format!("vit/{name}"), t))
        .collect();
    file.insert("vit_input".into(), input);
    let values: Vec<f32> = (0..CONDITIONS * WINDOW * LATENT)
        .map(|_| rng.normal() as f32)
        .collect();
    let context = Tensor::from_vec(values, (CONDITIONS, WINDOW, LATENT), &Device::Cpu)?;
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
        let drawn = Init::Published.draw(&config, &mut Stream::new(2, kind, 0))?;
        let mut params = Params::default();
        for (name, tensor) in drawn.tensors() {
            // The published initial read-out of the CTRNN is so large that a free rollout leaves all bounds.
            let small = if name.contains("fc_h2y") {
                (tensor * 0.02)?
            } else {
                tensor
            };
            params.insert(&name, &small)?;
            file.insert(format!("{kind}/{name}"), small);
        }
        let net = Recurrent::new(config, &params)?;
        let timed = time(1, || {
            let out = net.forecast(&context, STEPS)?;
            Ok(out.get(0)?.flatten_all()?.to_vec1()?)
        })?;
        rows.insert(format!("{kind} rollout, {CONDITIONS} conditions"), timed);
    }
    file.insert("context".into(), context);
    println!("| work | CPU s | wall s |");
    println!("|---|---|---|");
    for (name, t) in &rows {
        println!(
            "| {name}, mental-pong, {} threads | {:.3} | {:.3} |",
            rayon::current_num_threads(),
            t.cpu_s,
            t.wall_s
        );
    }
    if let Some(python) = std::env::args().nth(1) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("speed.safetensors");
        candle_core::safetensors::save(&file.into_iter().collect(), &path)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer_torch_forward.py");
        let output = Command::new(python).arg(script).arg(&path).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let value: serde_json::Value = serde_json::from_str(line)?;
            let number = |field: &str| value[field].as_f64().ok_or(format!("no {field}"));
            let name = value["name"].as_str().ok_or("no name")?;
            let theirs: Vec<f32> = serde_json::from_value(value["output"].clone())?;
            let own = rows.get(name).ok_or(format!("no {name} here"))?;
            let largest = own
                .output
                .iter()
                .zip(&theirs)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            println!(
                "| {name}, PyTorch, {} | {:.3} | {:.3} | ours over it: CPU {:.3}, wall {:.3}; largest difference {largest:.1e}",
                value["threads"],
                number("cpu_s")?,
                number("wall_s")?,
                own.cpu_s / number("cpu_s")?,
                own.wall_s / number("wall_s")?
            );
        }
    }
    Ok(())
}
