//! One encoder at full size: time of a picture and of eight, memory, and the difference from PyTorch.
//!
//! ```sh
//! RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1 cargo run --release --example encoder_speed -- NAME PYTHON [BATCHES [ROUNDS]]
//! ```
//!
//! `NAME` is a published encoder's or `playnet`, the bundled one's. Weights are random. With a Python that has PyTorch and
//! torchvision, the same weights on the same inputs are timed there too, and the latents compared. Our time has the
//! preprocessing in it, PyTorch's has it for `playnet` alone. `BATCHES` is `1,8` where it is left out, `ROUNDS`, of which the
//! least counts, 3; the largest networks take minutes for eight pictures.

#![allow(clippy::print_stdout, reason = "an example prints what it measures")]

mod clock;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;

use candle_core::{Device, Tensor};
use clock::cpu_s;
use mental_pong_base::Stream;
use mental_pong_predictor::encoders::{Encoder, FRAME_BYTES, FRAME_SIZE, PublishedEncoder};
use mental_pong_predictor::weights::bundled;

/// Pictures that are made, and the largest batch.
const MOST: usize = 8;

/// Most memory that this process has held, MB; where the system says.
fn peak_mb() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

struct Ours {
    /// `[batch]`: least CPU seconds of the rounds.
    cpu_s: Vec<f64>,
    latents: Vec<f32>,
}

fn measure(
    encoder: &dyn Encoder,
    views: &[&[u8]],
    batches: &[usize],
    rounds: usize,
) -> Result<Ours, Box<dyn Error>> {
    let mut ours = Ours {
        cpu_s: Vec::new(),
        latents: Vec::new(),
    };
    for &batch in batches {
        let mut least = f64::INFINITY;
        for _ in 0..rounds {
            let cpu = cpu_s();
            ours.latents = encoder.encode(&views[..batch])?;
            least = least.min(cpu_s() - cpu);
        }
        ours.cpu_s.push(least);
    }
    Ok(ours)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("which encoder?")?;
    let python = arguments.next();
    let batches: Vec<usize> = arguments
        .next()
        .as_deref()
        .unwrap_or("1,8")
        .split(',')
        .map(|n| n.parse::<usize>().map(|n| n.clamp(1, MOST)))
        .collect::<Result<_, _>>()?;
    let rounds: usize = arguments.next().as_deref().unwrap_or("3").parse()?;
    let mut rng = Stream::new(1, "encoder speed", 0);
    // Coarse pictures, as resampled noise alone would be a grey.
    let frames: Vec<Vec<u8>> = (0..MOST)
        .map(|_| {
            let blocks: Vec<u8> = (0..14 * 14 * 3).map(|_| rng.below(256) as u8).collect();
            (0..FRAME_BYTES)
                .map(|k| {
                    let (pixel, channel) = (k / 3, k % 3);
                    let (y, x) = (pixel / FRAME_SIZE / 16, pixel % FRAME_SIZE / 16);
                    blocks[(y * 14 + x) * 3 + channel]
                })
                .collect()
        })
        .collect();
    let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut file: BTreeMap<String, Tensor> = BTreeMap::new();
    let mut about = serde_json::json!({"name": name, "batches": batches, "rounds": rounds});
    let ours = if name == "playnet" {
        let network = bundled()?.encoder.model;
        let stored = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../data/weights/playnet.safetensors"
        );
        file.extend(candle_core::safetensors::load(stored, &Device::Cpu)?);
        let pixels: Vec<f32> = frames.iter().flatten().map(|v| f32::from(*v)).collect();
        let shape = (MOST, FRAME_SIZE, FRAME_SIZE, 3);
        file.insert(
            "input".into(),
            Tensor::from_vec(pixels, shape, &Device::Cpu)?,
        );
        measure(&network, &views, &batches, rounds)?
    } else {
        let network = PublishedEncoder::named(&name)?;
        about["network"] = serde_json::to_value(&network)?;
        let mut tensors = network.random_tensors(1)?;
        // Norms, biases and statistics that are not all ones or noughts.
        for (name, tensor) in &mut tensors {
            if tensor.rank() == 1 {
                let mut rng = Stream::new(2, name, 0);
                let low = if name.ends_with("running_var") {
                    0.8
                } else {
                    -0.1
                };
                let values: Vec<f32> = (0..tensor.elem_count())
                    .map(|_| rng.uniform(low, low + 0.2) as f32)
                    .collect();
                let varied = Tensor::from_vec(values, tensor.dims(), &Device::Cpu)?;
                *tensor = match name.ends_with("running_var") {
                    true => varied,
                    false => (&*tensor + varied)?,
                };
            }
        }
        let encoder = network.build(&tensors, "random".into())?;
        if python.is_some() {
            file = tensors;
            file.insert("input".into(), network.preprocess.tensor(&views)?);
        } else {
            drop(tensors);
        }
        measure(encoder.as_ref(), &views, &batches, rounds)?
    };
    let memory = peak_mb().map_or("unknown".into(), |mb| format!("{mb:.0} MB"));
    let threads = rayon::current_num_threads();
    for (batch, cpu) in batches.iter().zip(&ours.cpu_s) {
        println!(
            "{name}, batch {batch}, mental-pong, {threads} threads: {cpu:.4} s CPU; peak {memory}"
        );
    }
    let Some(python) = python else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("encoder.safetensors");
    candle_core::safetensors::save(&file.into_iter().collect(), &path)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer_torch_encoder.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&path)
        .arg(about.to_string())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let theirs: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let times: Vec<f64> = serde_json::from_value(theirs["cpu_s"].clone())?;
    let latents: Vec<f32> = serde_json::from_value(theirs["latents"].clone())?;
    if latents.len() != ours.latents.len() {
        return Err(format!(
            "{} latents here, {} there",
            ours.latents.len(),
            latents.len()
        )
        .into());
    }
    let pairs = ours.latents.iter().zip(&latents);
    let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let size = latents.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let row = |cell: &dyn Fn(usize) -> String| -> String {
        let cells: Vec<String> = (0..batches.len()).map(cell).collect();
        cells.join(", ")
    };
    println!(
        "| `{name}` | {largest:.0e} (of {size:.1}) | {} | {} | {memory} |",
        row(&|k| format!("{:.3}", ours.cpu_s[k])),
        row(&|k| format!("{:.2}", ours.cpu_s[k] / times[k])),
    );
    Ok(())
}
