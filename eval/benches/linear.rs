//! Full-size neural predictivity and factor analysis, timed, beside scikit-learn.
//!
//! ```sh
//! RAYON_NUM_THREADS=1 cargo bench -p mental-pong-eval --bench linear -- DIR
//! OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python eval/benches/peer_sklearn.py DIR
//! ```
//!
//! The first writes simulated data (79 conditions, 3,404 cells, 1,024 features, 1,889 units) and its own times and results
//! into DIR; the second does the same work with scikit-learn on the same files, checks that both give the same numbers, and
//! prints the ratio. CPU time is that of the process, user and system.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program for the terminal, not a library"
)]

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use mental_pong_base::Quiet;
use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::dimensionality::Spectrum;
use mental_pong_eval::linear::{FactorAnalysis, Map};
use mental_pong_eval::predictivity::{
    Halves, IntervalOptions, Options, Source, SplitScheme, predictivity,
};
use npyz::WriterBuilder;
use serde_json::{Value, json};

const CONDITIONS: usize = 79;
const CELLS: usize = 3404;
const FEATURES: usize = 1024;
const UNITS: usize = 1889;
const LATENTS: usize = 40;

/// Seconds of processor time of this process; 0 where the system does not tell.
fn cpu_seconds() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return 0.0;
    };
    // Fields 14 and 15, counted after the name in brackets, in hundredths of a second.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|v| v.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

struct Data {
    features: Array2,
    halves: Halves,
    conditions: Vec<usize>,
}

fn simulate() -> Data {
    // 43 cells each, and one more in the first seven.
    let conditions: Vec<usize> = (0..CONDITIONS)
        .flat_map(|c| vec![c; 43 + usize::from(c < 7)])
        .collect();
    assert_eq!(conditions.len(), CELLS);
    let mut stream = Stream::new(0, "benchmark latents", 0);
    let curves: Vec<[f64; 3]> = (0..CONDITIONS * LATENTS)
        .map(|_| {
            [
                stream.normal(),
                stream.uniform(0.05, 0.4),
                stream.uniform(0.0, 6.3),
            ]
        })
        .collect();
    let mut bin = 0;
    let latents = Array2::from_rows(
        &(0..CELLS)
            .map(|row| {
                bin = if row > 0 && conditions[row] == conditions[row - 1] {
                    bin + 1
                } else {
                    0
                };
                (0..LATENTS)
                    .map(|l| {
                        let [size, speed, phase] = curves[conditions[row] * LATENTS + l];
                        size * (speed * f64::from(bin) + phase).sin() / (1.0 + l as f64 / 8.0)
                    })
                    .collect::<Vec<f64>>()
            })
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let mix = |name: &str, columns: usize, scale: f64| {
        let mut stream = Stream::new(0, name, 0);
        let weights = Array2::from_fn(LATENTS, columns, |_, _| stream.normal());
        let mut out = Array2::filled(CELLS, columns, 0.0);
        for i in 0..CELLS {
            for l in 0..LATENTS {
                let by = scale * latents.get(i, l);
                for (o, w) in out.row_mut(i).iter_mut().zip(weights.row(l)) {
                    *o += by * w;
                }
            }
        }
        out
    };
    let inner = mix("benchmark features", FEATURES, 0.5);
    let mut stream = Stream::new(0, "benchmark feature noise", 0);
    let features = Array2::from_fn(CELLS, FEATURES, |i, j| {
        inner.get(i, j).tanh() + 0.03 * stream.normal()
    });
    let rates = mix("benchmark units", UNITS, 0.002);
    let half = |index: u64| {
        let mut stream = Stream::new(0, "benchmark trial noise", index);
        Array2::from_fn(CELLS, UNITS, |i, u| {
            let rate = 0.015 + rates.get(i, u);
            // Noise of a spike count over some trials.
            rate + (0.02 + 0.0005 * (u % 7) as f64) * stream.normal()
        })
    };
    let (first, second) = (half(1), half(2));
    let full = Array2::from_fn(CELLS, UNITS, |i, u| {
        0.5 * (first.get(i, u) + second.get(i, u))
    });
    Data {
        features,
        halves: Halves::new(full, first, second).unwrap(),
        conditions,
    }
}

fn write(path: &Path, a: &Array2) {
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[a.rows() as u64, a.cols() as u64])
        .writer(BufWriter::new(File::create(path).unwrap()))
        .begin_nd()
        .unwrap();
    writer.extend(a.as_slice().iter().copied()).unwrap();
    writer.finish().unwrap();
}

fn timed(name: &str, results: &mut serde_json::Map<String, Value>, work: impl FnOnce() -> Value) {
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let result = work();
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    println!("{name:24} wall {wall:8.3} s  cpu {cpu:8.2} s");
    results.insert(
        name.into(),
        json!({"wall_s": wall, "cpu_s": cpu, "result": result}),
    );
}

fn main() {
    let Some(folder) = std::env::args().skip(1).find(|a| !a.starts_with('-')) else {
        eprintln!("usage: cargo bench -p mental-pong-eval --bench linear -- DIR");
        return;
    };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let data = simulate();
    let split = SplitScheme::default()
        .splits(&data.conditions)
        .unwrap()
        .swap_remove(0);
    for (name, a) in [
        ("features.npy", &data.features),
        ("full.npy", data.halves.full()),
        ("first.npy", data.halves.first()),
        ("second.npy", data.halves.second()),
    ] {
        write(&folder.join(name), a);
    }
    let mut results = serde_json::Map::new();
    let splits = [split];
    for map in [
        Map::Ridge { alpha: 1.0 },
        Map::published(),
        Map::LeastSquares,
        Map::Pls {
            components: 25,
            scale: false,
        },
    ] {
        let options = Options {
            map,
            interval: None,
            ..Options::default()
        };
        let name = options.map.name();
        timed(&name, &mut results, || {
            let source = Source::Features(&data.features);
            let found = predictivity(
                source,
                &data.halves,
                &data.conditions,
                &splits,
                &options,
                &Quiet,
            )
            .unwrap();
            let scores: Vec<f64> = found.splits[0].test.iter().map(|s| s.r_xy_n_sb).collect();
            json!({"alpha": found.splits[0].alpha, "r_xy_n_sb": scores, "median": found.population.median})
        });
    }
    let options = Options {
        map: Map::Ridge { alpha: 1.0 },
        interval: Some(IntervalOptions::default()),
        ..Options::default()
    };
    timed("ridge1 with interval", &mut results, || {
        let source = Source::Features(&data.features);
        let found = predictivity(
            source,
            &data.halves,
            &data.conditions,
            &splits,
            &options,
            &Quiet,
        )
        .unwrap();
        json!({"interval": found.population.interval})
    });
    for factors in [10, 50] {
        timed(&format!("factors{factors} x3"), &mut results, || {
            let fits: Vec<FactorAnalysis> = [
                data.halves.full(),
                data.halves.first(),
                data.halves.second(),
            ]
            .into_iter()
            .map(|x| FactorAnalysis::published(x, factors).unwrap())
            .collect();
            let scores = fits[0].transform(data.halves.full()).unwrap();
            json!({
                "log_likelihood": fits.iter().map(|f| f.log_likelihood().to_vec()).collect::<Vec<_>>(),
                "noise_variance": fits[0].noise_variance(),
                "scores_first_row_abs": scores.row(0).iter().map(|v| v.abs()).collect::<Vec<f64>>(),
            })
        });
    }
    timed("spectrum", &mut results, || {
        let spectrum = Spectrum::of(data.halves.full()).unwrap();
        json!({"variance_ratio": spectrum.variance_ratio, "participation_ratio": spectrum.participation_ratio})
    });
    let out =
        json!({"split": {"train": splits[0].train, "test": splits[0].test}, "tasks": results});
    std::fs::write(folder.join("ours.json"), serde_json::to_vec(&out).unwrap()).unwrap();
}
