//! Times the decoders and the encoding model at the size of the recordings, on simulated data, for comparison with Python.
//!
//! `cargo run --release -p mental-pong-eval --example decode_speed -- DIR` writes the simulated data (`*.npy`) and its own
//! results (`rust.json`) to `DIR`; `python eval/examples/decode_speed.py DIR` then does the same work with numpy, scipy and
//! scikit-learn, checks that the numbers agree and prints the table.
#![allow(
    clippy::print_stdout,
    reason = "the times are what this program is for"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::{
    ConditionRows, EndpointDecoder, Layout, OnlineDecoder, Part, PooledScores, group_splits,
};
use mental_pong_eval::encoding::{ALLOCENTRIC, Design, EncodingOptions, Folds, encode};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::recordings::dmfc::{Mask, Responses};
use mental_pong_game::task::{Masks, primate79};
use npyz::WriterBuilder;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

const UNITS: usize = 1889;
const LATENTS: usize = 100;
const FACTORS: usize = 50;
const TARGETS: usize = 33;
const ENCODED: usize = 2576;
const BINS: usize = 100;

/// User and system time of this process, seconds; 0 where the system does not tell.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn write(path: &Path, shape: &[u64], values: &[f32]) -> Result<(), Failure> {
    let file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .writer(file)
        .begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    Ok(())
}

/// Simulated rows: latents that change slowly in time with a power-law spectrum, read by units with noise.
struct Simulated {
    /// `[condition]`, number of rows.
    rows: Vec<usize>,
    /// `[row, unit]`, `[row, factor]`, `[row, target]`, all in f32 so that both programs read the same numbers.
    units: Vec<f32>,
    factors: Vec<f32>,
    targets: Vec<f32>,
    heights: Vec<f32>,
}

fn simulate() -> Simulated {
    let mut stream = Stream::new(2025, "decode-speed", 0);
    let rows: Vec<usize> = primate79()
        .iter()
        .map(|c| Masks::of(c).start_end.len())
        .collect();
    let total: usize = rows.iter().sum();
    let mut latents = vec![0.0f64; total * LATENTS];
    let mut row = 0;
    let keep = 0.93_f64;
    let mut heights = Vec::new();
    for &n in &rows {
        let height = stream.uniform(-8.0, 8.0);
        heights.push(height as f32);
        for k in 0..LATENTS {
            let mut v = stream.normal();
            for b in 0..n {
                // The first latents drift towards the end height.
                let pull = if k < 3 {
                    height / 8.0 * b as f64 / n as f64
                } else {
                    0.0
                };
                latents[(row + b) * LATENTS + k] = v + pull;
                v = keep * v + (1.0 - keep * keep).sqrt() * stream.normal();
            }
        }
        row += n;
    }
    let mut read = |width: usize, scale: &dyn Fn(usize) -> f64, noise: f64| -> Vec<f32> {
        let weights: Vec<f64> = (0..width * LATENTS)
            .map(|at| stream.normal() * scale(at % LATENTS))
            .collect();
        (0..total * width)
            .map(|at| {
                let (i, u) = (at / width, at % width);
                let z = &latents[i * LATENTS..(i + 1) * LATENTS];
                let w = &weights[u * LATENTS..(u + 1) * LATENTS];
                let signal: f64 = z.iter().zip(w).map(|(a, b)| a * b).sum();
                (signal + noise * stream.normal()) as f32
            })
            .collect()
    };
    let units = read(UNITS, &|k| 1.0 / (k + 1) as f64, 1.0);
    let factors = read(FACTORS, &|k| 1.0 / (k + 1) as f64, 0.1);
    let targets = read(TARGETS, &|k| if k < 12 { 1.0 } else { 0.0 }, 0.5);
    Simulated {
        rows,
        units,
        factors,
        targets,
        heights,
    }
}

fn by_condition(rows: &[usize], values: &[f32], width: usize) -> Vec<Array2> {
    let mut first = 0;
    rows.iter()
        .map(|&n| {
            let part = Array2::from_fn(n, width, |i, j| f64::from(values[(first + i) * width + j]));
            first += n;
            part
        })
        .collect()
}

fn scores(found: &PooledScores) -> Value {
    let get = |f: fn(&mental_pong_eval::decode::Score) -> f64| -> Vec<Vec<f64>> {
        found
            .splits
            .iter()
            .map(|s| s.scores.iter().map(f).collect())
            .collect()
    };
    json!({"r": get(|s| s.r), "rs": get(|s| s.spearman), "mae": get(|s| s.mae)})
}

fn timed<T>(
    repeats: usize,
    mut f: impl FnMut() -> Result<T, Failure>,
) -> Result<(T, f64, f64), Failure> {
    let mut out = f()?;
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let (c, w) = (cpu_seconds(), Instant::now());
        out = f()?;
        wall.push(w.elapsed().as_secs_f64());
        cpu.push(cpu_seconds() - c);
    }
    wall.sort_by(f64::total_cmp);
    let mean_cpu = cpu.iter().sum::<f64>() / cpu.len() as f64;
    Ok((out, wall[wall.len() / 2], mean_cpu))
}

fn main() -> Result<(), Failure> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: decode_speed DIR")?);
    std::fs::create_dir_all(&dir)?;
    let data = simulate();
    let total: usize = data.rows.iter().sum();
    let n = total as u64;
    write(&dir.join("units.npy"), &[n, UNITS as u64], &data.units)?;
    write(
        &dir.join("factors.npy"),
        &[n, FACTORS as u64],
        &data.factors,
    )?;
    write(
        &dir.join("targets.npy"),
        &[n, TARGETS as u64],
        &data.targets,
    )?;
    let condition: Vec<f32> = data
        .rows
        .iter()
        .enumerate()
        .flat_map(|(c, &rows)| std::iter::repeat_n(c as f32, rows))
        .collect();
    write(&dir.join("condition.npy"), &[n], &condition)?;
    write(&dir.join("heights.npy"), &[79], &data.heights)?;

    let targets = by_condition(&data.rows, &data.targets, TARGETS);
    let conditions = data
        .rows
        .iter()
        .enumerate()
        .map(|(c, &rows)| ConditionRows {
            id: c.to_string(),
            bins: (6..6 + rows).collect(),
            targets: targets[c].clone(),
            visible: vec![true; rows],
            hidden: vec![false; rows],
        })
        .collect();
    let names = (0..TARGETS).map(|t| format!("variable {t}")).collect();
    let layout = Layout::new(names, 50.0, conditions)?;
    let splits = group_splits(79, 100, 0.5, 0)?;
    let factors = by_condition(&data.rows, &data.factors, FACTORS);
    let units = by_condition(&data.rows, &data.units, UNITS);
    let heights: Vec<f64> = data.heights.iter().map(|&h| f64::from(h)).collect();
    let threads = rayon::current_num_threads();
    let mut report = serde_json::Map::new();
    let mut note = |name: &str, wall: f64, cpu: f64, n: usize, values: Value| {
        println!("{name}: {wall:.4} s wall, {cpu:.3} s CPU, {n} splits, {threads} threads");
        report.insert(
            name.into(),
            json!({"wall_s": wall, "cpu_s": cpu, "splits": n, "threads": threads, "values": values}),
        );
    };

    // From the arrays to the scores: sums, fits, predictions, r, Spearman, MAE.
    let (found, wall, cpu) = timed(9, || {
        Ok(OnlineDecoder::new(&layout, &factors)?.scores(&splits, Readout::Full)?)
    })?;
    note("online_fa50", wall, cpu, 100, scores(&found));

    let (found, wall, cpu) = timed(1, || {
        Ok(OnlineDecoder::new(&layout, &units)?.scores(&splits[..3], Readout::Full)?)
    })?;
    note("online_raw_3", wall, cpu, 3, scores(&found));
    let (found, wall, cpu) = timed(1, || {
        Ok(OnlineDecoder::new(&layout, &units)?.scores(&splits, Readout::Full)?)
    })?;
    println!("  paths: {:?}", found.splits[0].path);
    note("online_raw_100", wall, cpu, 100, json!(null));

    for n in [10, 100] {
        let (found, wall, cpu) = timed(1, || {
            let decoder = EndpointDecoder::new(&layout, &units, &heights)?.min_conditions(2);
            let held = decoder.held_out(&splits[..n], Readout::Pca { k: 50 })?;
            let all = mental_pong_eval::decode::ConditionSet {
                name: "all".into(),
                conditions: (0..79).collect(),
            };
            Ok(decoder.curves(&held, Part::All, &[all]))
        })?;
        let values = json!({"r": found[0].r_per_split, "mae": found[0].mae_per_split});
        note(&format!("endpoint_{n}"), wall, cpu, n, values);
    }

    // Encoding: the first 14 targets as regressors, on the last rows of each condition, units of the full count.
    let mut inside = vec![false; 79 * BINS];
    let mut grid = vec![Array2::filled(79, BINS, 0.0); 14];
    let mut stream = Stream::new(2025, "decode-speed", 1);
    for (c, condition) in primate79().iter().enumerate() {
        for b in Masks::of(condition).occ_end {
            inside[c * BINS + b] = true;
        }
        for g in &mut grid {
            let mut v = stream.normal();
            for b in 0..BINS {
                g.set(c, b, f64::from(v as f32));
                v = 0.9 * v + 0.43 * stream.normal();
            }
        }
    }
    let mut values = vec![0.0f64; ENCODED * 79 * BINS];
    for u in 0..ENCODED {
        let w: Vec<f64> = (0..14).map(|_| 0.004 * stream.normal()).collect();
        let lag = stream.below(13) as i64 - 6;
        for c in 0..79 {
            for b in 0..BINS {
                let from = (b as i64 + lag).clamp(0, BINS as i64 - 1) as usize;
                let signal: f64 = (0..14).map(|k| w[k] * grid[k].get(c, from)).sum();
                values[(u * 79 + c) * BINS + b] =
                    f64::from((0.05 + signal + 0.02 * stream.normal()) as f32);
            }
        }
    }
    let as_f32: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    write(
        &dir.join("encoded.npy"),
        &[ENCODED as u64, 79, BINS as u64],
        &as_f32,
    )?;
    let flat: Vec<f32> = grid
        .iter()
        .flat_map(|g| g.as_slice().iter().map(|&v| v as f32))
        .collect();
    write(&dir.join("regressors.npy"), &[14, 79, BINS as u64], &flat)?;
    let mask: Vec<f32> = inside.iter().map(|&m| f32::from(u8::from(m))).collect();
    write(&dir.join("mask.npy"), &[79, BINS as u64], &mask)?;
    let mask = Mask::new(79, BINS, inside)?;
    let variables: Vec<(String, Array2)> = ALLOCENTRIC
        .iter()
        .zip(grid)
        .map(|(n, g)| ((*n).to_owned(), g))
        .collect();
    let design = Design::new(&variables, &mask)?;
    let bounce: Vec<f32> = (0..design.cells().len())
        .map(|i| design.values().get(i, 14) as f32)
        .collect();
    write(&dir.join("bounce.npy"), &[bounce.len() as u64], &bounce)?;
    let folds: Vec<usize> = design.cells().iter().map(|&(c, _)| c % 10).collect();
    let responses = Responses::new(ENCODED, 79, BINS, "spikes/ms", values)?;
    let options = EncodingOptions {
        folds: Folds::Given(folds),
        ..EncodingOptions::default()
    };
    let (found, wall, cpu) = timed(1, || Ok(encode(&responses, &design, &options)?))?;
    let lags: Vec<i64> = found.units.iter().map(|u| u.lag_bins).collect();
    let pvaf: Vec<[f64; 11]> = found.units.iter().map(|u| u.pvaf).collect();
    note(
        "encoding",
        wall,
        cpu,
        10,
        json!({"lag": lags, "pvaf": pvaf}),
    );

    std::fs::write(dir.join("rust.json"), serde_json::to_vec(&report)?)?;
    Ok(())
}
