//! The encoding model against numpy, and against truths that were planted.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::inputs::Variable;
use mental_pong_eval::encoding::{
    ALLOCENTRIC, Design, EGOCENTRIC, EncodingOptions, EncodingResult, Folds, Model, encode,
};
use mental_pong_eval::recordings::dmfc::{Half, Mask, Population, Recording, Responses, TrialType};
use serde_json::Value;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

fn largest(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| {
            assert!(a.is_finite());
            (a - b).abs()
        })
        .fold(0.0, f64::max)
}

#[test]
fn eleven_models_equal_numpy() {
    let file = BufReader::new(File::open(data("golden_encoding.json.gz")).unwrap());
    let file: Value = serde_json::from_reader(flate2::read::GzDecoder::new(file)).unwrap();
    let matrix = |v: &Value| -> Array2 {
        let rows: Vec<Vec<f64>> = v.as_array().unwrap().iter().map(floats).collect();
        Array2::from_rows(&rows).unwrap()
    };
    let variables: Vec<Variable> = file["variables"]
        .as_array()
        .unwrap()
        .iter()
        .zip(file["names"].as_array().unwrap())
        .map(|(v, n)| (n.as_str().unwrap().to_owned(), matrix(v)))
        .collect();
    assert!(variables.iter().map(|v| v.0.as_str()).eq(ALLOCENTRIC));
    let mask = matrix(&file["mask"]);
    let (conditions, bins) = (mask.rows(), mask.cols());
    let inside = mask.as_slice().iter().map(|&v| v > 0.5).collect();
    let mask = Mask::new(conditions, bins, inside).unwrap();
    let units = file["responses"].as_array().unwrap();
    let values: Vec<f64> = units
        .iter()
        .flat_map(|u| matrix(u).as_slice().to_vec())
        .collect();
    let responses = Responses::new(units.len(), conditions, bins, "spikes/ms", values).unwrap();
    let design = Design::new(&variables, &mask).unwrap();
    for (name, leaky) in [("samples", true), ("conditions", false)] {
        let expected = &file["results"][name];
        let folds = expected["folds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f.as_u64().unwrap() as usize)
            .collect();
        let options = EncodingOptions {
            folds: Folds::Given(folds),
            ..EncodingOptions::default()
        };
        let found = encode(&responses, &design, &options).unwrap();
        assert_eq!(found.leaky_folds, leaky);
        let mut worst: f64 = 0.0;
        for (unit, e) in found
            .units
            .iter()
            .zip(expected["units"].as_array().unwrap())
        {
            assert_eq!(unit.lag_bins, e["lag"].as_i64().unwrap());
            for (values, key) in [
                (&unit.log_likelihood_by_lag[..], "ll_by_lag"),
                (&unit.log_likelihood[..], "ll"),
                (&unit.pvaf[..], "pvaf"),
                (&unit.pvaf_last_fold[..], "pvaf_last"),
                (&unit.pvaf_train[..], "pvaf_train"),
            ] {
                let expected = floats(&e[key]);
                // Log-likelihoods and shares far below 0 are large numbers.
                let size = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
                worst = worst.max(largest(values, &expected) / size);
            }
            let sum: f64 = unit.partition.parts().iter().sum();
            assert!((sum - unit.pvaf_of(Model::Full)).abs() < 1e-9);
        }
        println!("{name}: {worst:e}");
        assert!(worst < 1e-9, "{name}: {worst:e}");
    }
}

/// Noise that changes slowly in time, mean 0 and variance near 1, `[condition, bin]`.
fn smooth(stream: &mut Stream, conditions: usize, bins: usize) -> Array2 {
    let keep = 0.9_f64;
    let mut out = Array2::filled(conditions, bins, 0.0);
    for c in 0..conditions {
        let mut v = stream.normal();
        for b in 0..bins {
            out.set(c, b, v);
            v = keep * v + (1.0 - keep * keep).sqrt() * stream.normal();
        }
    }
    out
}

const CONDITIONS: usize = 60;
const BINS: usize = 40;

struct World {
    variables: Vec<Variable>,
    design: Design,
}

fn world(seed: u64) -> World {
    let mut stream = Stream::new(seed, "encoding-test", 0);
    let variables: Vec<Variable> = ALLOCENTRIC
        .iter()
        .map(|n| ((*n).to_owned(), smooth(&mut stream, CONDITIONS, BINS)))
        .collect();
    let inside = (0..CONDITIONS * BINS)
        .map(|at| (8..30).contains(&(at % BINS)))
        .collect();
    let mask = Mask::new(CONDITIONS, BINS, inside).unwrap();
    World {
        design: Design::new(&variables, &mask).unwrap(),
        variables,
    }
}

fn run(world: &World, units: &[Array2], folds: Folds) -> EncodingResult {
    let values = units.iter().flat_map(|u| u.as_slice().to_vec()).collect();
    let responses = Responses::new(units.len(), CONDITIONS, BINS, "spikes/ms", values).unwrap();
    let options = EncodingOptions {
        folds,
        ..EncodingOptions::default()
    };
    encode(&responses, &world.design, &options).unwrap()
}

#[test]
fn a_unit_driven_by_one_source_is_given_to_that_source_at_its_lag() {
    let w = world(5);
    let mut stream = Stream::new(6, "encoding-test", 1);
    // (regressor, lag, which part)
    let planted = [(1, 3, 0), (12, -4, 1), (6, 0, 2), (3, 6, 0)];
    let units: Vec<Array2> = planted
        .iter()
        .map(|&(k, lag, _)| {
            let source = &w.variables[k].1;
            Array2::from_fn(CONDITIONS, BINS, |c, b| {
                let from = (b as i64 + lag).rem_euclid(BINS as i64) as usize;
                0.02 * source.get(c, from) + 0.01 * stream.normal() + 0.1
            })
        })
        .collect();
    let found = run(&w, &units, Folds::default());
    assert!(!found.leaky_folds && found.n_folds == 10);
    for (unit, (_, lag, part)) in found.units.iter().zip(planted) {
        assert_eq!(unit.lag_bins, lag);
        let parts = unit.partition.parts();
        // Signal variance 4 parts, noise 1. Models without the source do a little worse than nothing on held-out
        // conditions, which shows as negative shares.
        assert!((parts[part] - 0.8).abs() < 0.12, "{parts:?}");
        for (k, p) in parts.iter().enumerate().filter(|(k, _)| *k != part) {
            assert!(p.abs() < 0.1, "part {k}: {parts:?}");
        }
    }
}

#[test]
fn two_sources_that_go_together_have_it_in_common() {
    let mut w = world(7);
    let mut stream = Stream::new(8, "encoding-test", 2);
    // Gaze follows the ball; the unit follows what both share.
    let ball = w.variables[0].1.clone();
    w.variables[8].1 = Array2::from_fn(CONDITIONS, BINS, |c, b| {
        ball.get(c, b) + 0.05 * stream.normal()
    });
    let inside = (0..CONDITIONS * BINS)
        .map(|at| (8..30).contains(&(at % BINS)))
        .collect();
    w.design = Design::new(&w.variables, &Mask::new(CONDITIONS, BINS, inside).unwrap()).unwrap();
    let unit = Array2::from_fn(CONDITIONS, BINS, |c, b| {
        0.02 * ball.get(c, b) + 0.01 * stream.normal()
    });
    let found = run(&w, &[unit], Folds::default());
    let p = &found.units[0].partition;
    assert!(p.ball_eye > 0.7, "{p:?}");
    assert!(p.ball.abs() < 0.05 && p.eye.abs() < 0.05 && p.hand.abs() < 0.03);
}

#[test]
fn sample_wise_folds_leak_and_grouped_folds_do_not() {
    let w = world(9);
    let mut stream = Stream::new(10, "encoding-test", 3);
    // Smooth noise that has nothing to do with any regressor.
    let units: Vec<Array2> = (0..40)
        .map(|_| {
            let s = smooth(&mut stream, CONDITIONS, BINS);
            Array2::from_fn(CONDITIONS, BINS, |c, b| 0.02 * s.get(c, b))
        })
        .collect();
    let full = |folds| {
        let found = run(&w, &units, folds);
        let v: Vec<f64> = found.units.iter().map(|u| u.pvaf_of(Model::Full)).collect();
        (mental_pong_eval::stats::mean(&v), found.leaky_folds)
    };
    let (grouped, leaks) = full(Folds::ByCondition { n: 10, seed: 1 });
    let (samples, leaky) = full(Folds::SampleWise { n: 10, seed: 1 });
    println!("grouped {grouped}, sample-wise {samples}");
    assert!(!leaks && leaky);
    assert!(grouped < 0.0, "{grouped}");
    assert!(samples > grouped + 0.03, "{samples} beside {grouped}");
}

#[test]
fn threads_change_nothing_and_the_seed_does() {
    let w = world(11);
    let mut stream = Stream::new(12, "encoding-test", 4);
    let units: Vec<Array2> = (0..130)
        .map(|_| smooth(&mut stream, CONDITIONS, BINS))
        .collect();
    let go = |threads: usize, seed: u64| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| format!("{:?}", run(&w, &units, Folds::ByCondition { n: 10, seed })))
    };
    assert_eq!(go(1, 3), go(3, 3));
    assert_ne!(go(1, 3), go(1, 4));
}

#[test]
fn constant_and_missing_units_are_undefined() {
    let w = world(13);
    let mut broken = w.variables[0].1.clone();
    broken.set(3, 12, f64::NAN);
    let units = [
        Array2::filled(CONDITIONS, BINS, 0.3),
        broken,
        w.variables[0].1.clone(),
    ];
    let found = run(&w, &units, Folds::default());
    let full: Vec<f64> = found.units.iter().map(|u| u.pvaf[0]).collect();
    assert_eq!(found.n_undefined, 2, "{full:?}");
    assert!(found.units[0].pvaf[0].is_nan() && found.units[1].pvaf[0].is_nan());
    assert!(found.units[2].pvaf[0] > 0.99);
    assert!(found.mean_partition.iter().all(|v| v.is_finite()));
}

/// A unit that answers in one condition only is silent, so constant, in all folds but one: no share of no variance. Its mean is
/// not zero, so that sums of squares about it leave rounding.
#[test]
fn a_unit_that_is_silent_in_a_fold_is_undefined_and_spoils_no_mean() {
    let w = world(14);
    let mut sparse = Array2::filled(CONDITIONS, BINS, 0.0);
    for bin in 0..BINS {
        sparse.set(4, bin, 0.013 * (1.0 + bin as f64).sqrt());
    }
    let units = [sparse, w.variables[0].1.clone()];
    for folds in [Folds::default(), Folds::ByCondition { n: 3, seed: 5 }] {
        let found = run(&w, &units, folds);
        assert!(found.units[0].pvaf[0].is_nan(), "{:?}", found.units[0].pvaf);
        assert_eq!(found.n_undefined, 1);
        assert!(found.mean_partition.iter().all(|v| v.abs() < 2.0));
    }
}

#[test]
fn bad_folds_and_shapes_are_errors() {
    let w = world(15);
    let responses = |bins| Responses::new(1, CONDITIONS, bins, "1", vec![0.1; CONDITIONS * bins]);
    let options = EncodingOptions::default();
    assert!(encode(&responses(BINS + 1).unwrap(), &w.design, &options).is_err());
    for folds in [
        Folds::ByCondition { n: 1, seed: 0 },
        Folds::ByCondition { n: 61, seed: 0 },
        Folds::Given(vec![0; 3]),
    ] {
        let options = EncodingOptions {
            folds,
            ..EncodingOptions::default()
        };
        assert!(encode(&responses(BINS).unwrap(), &w.design, &options).is_err());
    }
    assert!(Design::new(&w.variables[..3], &Mask::new(1, 1, vec![true]).unwrap()).is_err());
}

/// The published sets of rows: visible trials while visible, occluded trials while hidden.
#[test]
fn a_recording_gives_both_published_designs() {
    let recording = Recording::open(data("recordings/mini_hand_dmfc_dataset_50ms.pkl.gz")).unwrap();
    for (trials, mask) in [
        (TrialType::Vis, "start_occ_pad0"),
        (TrialType::Occ, "occ_end_pad0"),
    ] {
        for names in [&ALLOCENTRIC, &EGOCENTRIC] {
            let design = Design::from_recording(&recording, trials, names, mask).unwrap();
            assert_eq!(
                design.cells().len(),
                recording.mask(trials, mask).unwrap().count()
            );
            let responses = recording
                .responses(trials, Population::All, Half::Full)
                .unwrap();
            let found = encode(&responses, &design, &EncodingOptions::default()).unwrap();
            println!("{mask} {}: {:?}", names[0], found.mean_partition);
            assert_eq!(found.units.len(), responses.units());
            assert!(found.units.iter().any(|u| u.pvaf[0].is_finite()));
        }
    }
}
