//! Predictivity, ceilings and dimensionality against the published code, on synthetic data (see `tests/data/README.md`), and
//! against planted truths.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod reference;

use mental_pong_base::Stream;
use mental_pong_base::{Monitor, Quiet};
use mental_pong_eval::array::Array2;
use mental_pong_eval::dimensionality::{Spectrum, dimensionality};
use mental_pong_eval::linear::{Map, Pca};
use mental_pong_eval::predictivity::{
    BetweenAnimals, Halves, IntervalOptions, Metric, Options, RowSplit, Source, SplitBy,
    SplitScheme, TrialSource, Trials, UnitScore, between_animals, geometry, geometry_corrected,
    predictivity, predictivity_of_trials, standard_error, weighted_standard_error,
};
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, TrialType};
use mental_pong_eval::recordings::reliability;
use mental_pong_eval::reliability::{ceilings, ceilings_of_trials};

use reference::{Npz, data, floats, indices, json, largest};

/// Stored `[unit, row]`, given `[row, unit]`.
fn responses(npz: &mut Npz, name: &str) -> Array2 {
    let values = npz.floats(name);
    let units = values.len() / 3404;
    Array2::from_fn(3404, units, |i, j| values[j * 3404 + i])
}

type Field = fn(&UnitScore) -> f64;
const FIELDS: [(&str, Field); 7] = [
    ("r_xy", |s| s.r_xy),
    ("r_xx", |s| s.r_xx),
    ("r_yy", |s| s.r_yy),
    ("r_xx_sb", |s| s.r_xx_sb),
    ("r_yy_sb", |s| s.r_yy_sb),
    ("denom_sb", |s| s.denom_sb),
    ("r_xy_n_sb", |s| s.r_xy_n_sb),
];

/// The map of a golden's name, and the factors it goes through.
fn map_of(name: &str) -> (Map, Option<usize>) {
    let ridge = Map::Ridge { alpha: 1.0 };
    match name {
        "pls25" => (
            Map::Pls {
                components: 25,
                scale: false,
            },
            None,
        ),
        "pls5_scaled" => (
            Map::Pls {
                components: 5,
                scale: true,
            },
            None,
        ),
        "ridge1" => (ridge, None),
        "ridge1e3" => (Map::Ridge { alpha: 1e3 }, None),
        "ridge1e-4" => (Map::Ridge { alpha: 1e-4 }, None),
        "linear" => (Map::LeastSquares, None),
        "ridgecv" => (Map::published(), None),
        "percentile100_identity" => (Map::BestFeature, None),
        "percentile75_ridge1" => (
            Map::Percentile {
                percentile: 75.0,
                alpha: 1.0,
            },
            None,
        ),
        "factor8_ridge1" => (ridge, Some(8)),
        other => panic!("no such map: {other}"),
    }
}

fn options(name: &str) -> Options {
    let (map, factors) = map_of(name);
    Options {
        map,
        factors,
        train_scores: true,
        interval: None,
        ..Options::default()
    }
}

#[test]
fn predictivity_of_split_halves_equals_the_published_code() {
    let golden = json("golden_mapping.json");
    let mut npz = Npz::open("synthetic_mapping.npz");
    let features = npz.f32s("features");
    let features = Array2::new(3404, 32, features).unwrap();
    let conditions = npz.indices("condition");
    let all = responses(&mut npz, "responses");
    let rows = indices(&golden["neuron_rows"]);
    let full = Array2::from_fn(3404, rows.len(), |i, j| all.get(i, rows[j]));
    let halves = Halves::new(full, responses(&mut npz, "sh1"), responses(&mut npz, "sh2")).unwrap();
    let runs = golden["persplit"].as_array().unwrap();
    assert_eq!(runs.len(), 26);
    for run in runs {
        let text = |key: &str| run[key].as_str().unwrap();
        let name = format!(
            "{} {} {} {}",
            text("split_kind"),
            run["split"],
            text("map"),
            text("metric")
        );
        let split = match text("split_kind") {
            "cells_randomstate" => RowSplit {
                train: npz.indices(&format!("cellsplit{}_train", run["split"])),
                test: npz.indices(&format!("cellsplit{}_test", run["split"])),
            },
            _ => RowSplit::by_conditions(&conditions, &indices(&run["train_conditions"])),
        };
        let mut options = options(text("map"));
        if text("metric") == "spearmanr" {
            options.metric = Metric::Spearman;
        }
        let found = predictivity(
            Source::Features(&features),
            &halves,
            &conditions,
            &[split],
            &options,
            &Quiet,
        )
        .unwrap();
        assert_eq!(found.leaky, text("split_kind") == "cells_randomstate");
        let scored = &found.splits[0];
        assert_eq!(scored.n_train as u64, run["n_train"].as_u64().unwrap());
        assert_eq!(scored.n_test as u64, run["n_test"].as_u64().unwrap());
        if let Some(alpha) = run.get("alpha_full_fit") {
            assert!(
                (scored.alpha[0][0] - alpha.as_f64().unwrap()).abs() < 1e-12,
                "{name}"
            );
        }
        let mut worst: f64 = 0.0;
        for (part, scores) in [
            ("test", &scored.test),
            ("train", scored.train.as_ref().unwrap()),
        ] {
            for (key, field) in FIELDS {
                let values: Vec<f64> = scores.iter().map(field).collect();
                worst = worst.max(largest(&values, &floats(&run[part][key])));
            }
        }
        println!("{name}: {worst:e}");
        assert!(worst < 1e-9, "{name}: {worst:e}");
    }
}

fn trials(values: &[f64], units: usize) -> Trials {
    Trials::new(
        (0..8)
            .map(|t| Array2::from_fn(200, units, |i, j| values[(t * 200 + i) * units + j]))
            .collect(),
    )
    .unwrap()
}

#[test]
fn predictivity_of_trials_equals_the_published_code() {
    let golden = &json("golden_mapping.json")["trialdata"];
    let mut npz = Npz::open("synthetic_mapping.npz");
    let target = trials(&npz.f32s("trials_target"), 10);
    let source = trials(&npz.f32s("trials_source"), 6);
    let all = npz.f32s("features");
    let rows = npz.indices("stim_rows");
    let features = Array2::from_fn(200, 32, |i, j| all[rows[i] * 32 + j]);
    for half in golden["trial_halves"].as_array().unwrap() {
        let (first, second) = target.half_indices(half["seed"].as_u64().unwrap() as u32);
        assert_eq!(
            (first, second),
            (indices(&half["half1"]), indices(&half["half2"]))
        );
    }
    // Each row is a stimulus of its own.
    let conditions: Vec<usize> = (0..200).collect();
    let scheme = SplitScheme {
        n_splits: 3,
        ..SplitScheme::default()
    };
    let splits = scheme.splits(&conditions).unwrap();
    for (split, expected) in splits
        .iter()
        .zip(golden["train_test_splits"].as_array().unwrap())
    {
        let sorted = |key: &str| {
            let mut rows = indices(&expected[key]);
            rows.sort_unstable();
            rows
        };
        assert_eq!(
            (&split.train, &split.test),
            (&sorted("train"), &sorted("test"))
        );
    }
    let runs = golden["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 8);
    for run in runs {
        let (map, from) = (
            run["map"].as_str().unwrap(),
            run["source"].as_str().unwrap(),
        );
        let source = match from {
            "features" => TrialSource::Features(&features),
            _ => TrialSource::Trials(&source),
        };
        let found = predictivity_of_trials(
            source,
            &target,
            &conditions,
            &splits,
            &options(map),
            4,
            1234,
            &Quiet,
        )
        .unwrap();
        assert_eq!(
            (found.seeds.as_slice(), found.n_dropped),
            ([1234, 1235, 1236, 1237].as_slice(), 0)
        );
        let mut worst: f64 = 0.0;
        for (part, scores) in [("test", &found.test), ("train", &found.train)] {
            for (key, field) in FIELDS {
                let expected: Vec<f64> = run[part][key]
                    .as_array()
                    .unwrap()
                    .iter()
                    .flat_map(|b| b.as_array().unwrap().iter().flat_map(floats))
                    .collect();
                let values: Vec<f64> = scores.iter().map(field).collect();
                worst = worst.max(largest(&values, &expected));
            }
        }
        if let Some(median) = run.get("agg_results_median_over_units") {
            let sem = run["agg_results_sem"].as_f64().unwrap();
            worst = worst
                .max((found.population.median_published - median.as_f64().unwrap()).abs())
                .max((found.population.standard_error_published - sem).abs());
        }
        println!("{map} {from}: {worst:e}");
        assert!(worst < 1e-9, "{map} {from}: {worst:e}");
    }
}

#[test]
fn geometry_equals_the_published_code() {
    let golden = &json("golden_mapping.json")["helpers"];
    let mut npz = Npz::open("synthetic_mapping.npz");
    let target = trials(&npz.f32s("trials_target"), 10);
    let all = npz.f32s("features");
    let rows = npz.indices("stim_rows");
    let x = Array2::from_fn(40, 32, |i, j| all[rows[i] * 32 + j]);
    let first = |a: &Array2| Array2::from_fn(40, 10, |i, j| a.get(i, j));
    let halves = target.halves(1234).unwrap().unwrap();
    let y = Halves::new(
        first(halves.full()),
        first(halves.first()),
        first(halves.second()),
    )
    .unwrap();
    for (metric, key) in [
        (Metric::Pearson, "rsa_rdm_pearsonr"),
        (Metric::Spearman, "rsa_rdm_spearmanr"),
    ] {
        let expected = golden[key]["r"].as_f64().unwrap();
        let found = geometry(&x, y.full(), metric).unwrap();
        assert!(
            (found - expected).abs() < 1e-9,
            "{key}: {found}, not {expected}"
        );
    }
    let score = geometry_corrected(&x, &y, Metric::Pearson).unwrap();
    for (key, field) in FIELDS {
        let expected = golden["rsa_consistency"][key].as_f64().unwrap();
        assert!((field(&score) - expected).abs() < 1e-9, "{key}");
    }
}

#[test]
fn standard_errors_equal_the_published_code() {
    let golden = &json("golden_mapping.json")["helpers"]["weighted_sem"];
    let (values, weights) = (floats(&golden["data"]), floats(&golden["weights"]));
    let number = |key: &str| golden[key].as_f64().unwrap();
    assert!((standard_error(&values) - number("unweighted")).abs() < 1e-10);
    assert!((weighted_standard_error(&values, &weights) - number("weighted")).abs() < 1e-10);
}

#[test]
fn spectrum_equals_sklearn() {
    let golden = &json("golden_linear.json")["data_set_FA_PCA"];
    let x = responses(&mut Npz::open("synthetic_mapping.npz"), "responses");
    let spectrum = Spectrum::of(&x).unwrap();
    let expected = floats(&golden["pca_explained_variance_ratio_first20"]);
    let pca = Pca::fit(&x, 20).unwrap();
    let worst = largest(&spectrum.variance_ratio[..20], &expected)
        .max(largest(&pca.explained_variance_ratio(), &expected))
        .max(
            (spectrum.participation_ratio - golden["participation_ratio"].as_f64().unwrap()).abs(),
        );
    println!("{worst:e}");
    assert!(worst < 1e-9);
    let shuffled = &dimensionality(&x, 1, 0).unwrap().shuffled[0];
    assert!(shuffled.variance_ratio[0] < spectrum.variance_ratio[0] / 3.0);
}

/// A simulated population: smooth responses to 40 conditions of 20 bins, through a few latents that are the features of
/// the perfect model.
struct Simulated {
    latents: Array2,
    truth: Array2,
    conditions: Vec<usize>,
}

const LATENTS: usize = 4;

fn simulate(seed: u64, units: usize) -> Simulated {
    let mut stream = Stream::new(seed, "simulated population", 0);
    let curves: Vec<[f64; 3]> = (0..40 * LATENTS)
        .map(|_| {
            [
                stream.normal(),
                stream.uniform(0.1, 0.5),
                stream.uniform(0.0, 6.0),
            ]
        })
        .collect();
    let latents = Array2::from_fn(800, LATENTS, |row, l| {
        let (condition, bin) = (row / 20, row % 20);
        let [size, speed, phase] = curves[condition * LATENTS + l];
        size * (speed * bin as f64 + phase).sin()
    });
    let weights = Array2::from_fn(LATENTS, units, |_, _| stream.normal());
    let truth = Array2::from_fn(800, units, |i, u| {
        5.0 + (0..LATENTS)
            .map(|l| latents.get(i, l) * weights.get(l, u))
            .sum::<f64>()
    });
    Simulated {
        latents,
        truth,
        conditions: (0..800).map(|row| row / 20).collect(),
    }
}

fn noisy(truth: &Array2, noise_sd: f64, n_trials: usize, seed: u64) -> Trials {
    Trials::new(
        (0..n_trials)
            .map(|t| {
                let mut stream = Stream::new(seed, "trial noise", t as u64);
                Array2::from_fn(truth.rows(), truth.cols(), |i, u| {
                    truth.get(i, u) + noise_sd * stream.normal()
                })
            })
            .collect(),
    )
    .unwrap()
}

fn splits(conditions: &[usize]) -> Vec<RowSplit> {
    SplitScheme::default().splits(conditions).unwrap()
}

#[test]
fn the_perfect_model_scores_one_and_null_features_score_zero() {
    let s = simulate(1, 30);
    let halves = noisy(&s.truth, 4.0, 10, 2).halves(0).unwrap().unwrap();
    let options = Options::default();
    let score = |x: &Array2| {
        predictivity(
            Source::Features(x),
            &halves,
            &s.conditions,
            &splits(&s.conditions),
            &options,
            &Quiet,
        )
        .unwrap()
    };
    let perfect = score(&s.latents);
    let interval = perfect.population.interval.unwrap();
    println!("perfect: {:?}", perfect.population);
    assert!(interval.contains(1.0) && interval.high - interval.low < 0.15);
    assert!((perfect.population.median - 1.0).abs() < 0.05);
    // Without the correction the noise shows.
    assert!(perfect.population.median_r_xy < 0.95);
    assert!(!perfect.leaky);

    // Latents of another simulation say nothing of this one, though they are as smooth.
    let other = simulate(77, 1);
    let null = score(&other.latents);
    println!("null: {:?}", null.population);
    assert!(null.population.median_r_xy.abs() < 0.15);
    // Uncorrected, for the correction by an unreliable null map may mean nothing.
    let corrected = null.population.interval.unwrap();
    assert!(null.population.n_units == 0 || corrected.low < 0.2);
}

#[test]
fn leaky_splits_are_named_and_score_higher_for_features_of_time_and_condition() {
    let s = simulate(3, 12);
    let halves = noisy(&s.truth, 2.0, 10, 4).halves(0).unwrap().unwrap();
    // Which condition, and when: nothing that could carry over to a new condition.
    let x = Array2::from_fn(800, 80, |row, j| {
        let (condition, bin) = (row / 20, row % 20);
        if j / 2 != condition {
            0.0
        } else if j % 2 == 0 {
            1.0
        } else {
            bin as f64 / 20.0
        }
    });
    let options = Options {
        map: Map::Ridge { alpha: 0.1 },
        interval: None,
        ..Options::default()
    };
    let run = |by| {
        let splits = SplitScheme {
            by,
            ..SplitScheme::default()
        }
        .splits(&s.conditions)
        .unwrap();
        predictivity(
            Source::Features(&x),
            &halves,
            &s.conditions,
            &splits,
            &options,
            &Quiet,
        )
        .unwrap()
    };
    let (fair, leaky) = (run(SplitBy::Condition), run(SplitBy::RowLeaky));
    assert!(leaky.leaky && !fair.leaky);
    println!(
        "{} {}",
        fair.population.median_r_xy, leaky.population.median_r_xy
    );
    assert!(leaky.population.median_r_xy > 0.35);
    assert!(fair.population.median_r_xy.is_nan() || fair.population.median_r_xy < 0.2);
}

#[test]
fn ceilings_recover_the_planted_noise() {
    let s = simulate(5, 40);
    let (noise, n_trials) = (6.0, 12);
    let trials = noisy(&s.truth, noise, n_trials, 6);
    let one = trials.halves(3).unwrap().unwrap();
    let options = IntervalOptions {
        replicates: 300,
        ..IntervalOptions::default()
    };
    let from_halves = ceilings(&one, &s.conditions, &options).unwrap();
    let from_trials = ceilings_of_trials(&trials, &s.conditions, 30, 1234, &options).unwrap();
    assert_eq!(from_trials.n_halvings, 30);
    let variance = |v: &[f64]| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64
    };
    let (mut inside, mut strong) = (0, 0);
    let (mut error_one, mut error_many) = (0.0, 0.0);
    for u in 0..40 {
        let signal = variance(&s.truth.column(u));
        // Correlation of the true response with the mean of n trials.
        let upper = (signal / (signal + noise * noise / n_trials as f64)).sqrt();
        if from_halves.units[u].upper.is_finite() && from_trials.units[u].upper.is_finite() {
            error_one += (from_halves.units[u].upper - upper).abs();
            error_many += (from_trials.units[u].upper - upper).abs();
        }
        inside += usize::from(from_trials.units[u].upper_interval.contains(upper));
        println!(
            "unit {u}: planted {upper}, found {:?}",
            from_trials.units[u]
        );
        // A unit with next to no signal has next to no ceiling; its interval says so.
        if upper > 0.5 {
            let found = &from_trials.units[u];
            assert!((found.upper - upper).abs() < 0.12, "unit {u}");
            assert!((found.lower - found.upper.powi(2)).abs() < 1e-12);
            strong += 1;
        }
    }
    println!("inside {inside} of 40, {strong} strong, errors {error_one} {error_many}");
    assert!(inside >= 34);
    assert!(error_many < error_one);
    assert!(strong >= 25 && from_trials.n_reliable >= strong);
    let interval = from_trials.median_upper_interval;
    assert!(interval.contains(from_trials.median_upper));

    // A unit without signal has no ceiling to speak of.
    let flat = Array2::filled(800, 20, 1.0);
    let null = ceilings(
        &noisy(&flat, 1.0, 10, 9).halves(0).unwrap().unwrap(),
        &s.conditions,
        &options,
    )
    .unwrap();
    assert!(null.n_reliable <= 1 && null.n_negative > 0);
    assert!(
        null.units
            .iter()
            .filter(|u| u.r < 0.0)
            .all(|u| u.upper.is_nan())
    );
}

#[test]
fn too_few_rows_or_conditions_are_errors() {
    let a = Array2::from_fn(9, 2, |i, j| (i * (j + 1)) as f64);
    let halves = Halves::new(a.clone(), a.clone(), a).unwrap();
    let options = IntervalOptions::default();
    assert!(ceilings(&halves, &[0, 1, 2, 3, 4, 5, 6, 7, 8], &options).is_err());
    let a = Array2::from_fn(20, 2, |i, j| (i * (j + 1)) as f64);
    let halves = Halves::new(a.clone(), a.clone(), a).unwrap();
    let two: Vec<usize> = (0..20).map(|i| i % 2).collect();
    assert!(ceilings(&halves, &two, &options).is_err());
    assert!(ceilings(&halves, &[0], &options).is_err());
    assert!(Trials::new(vec![Array2::filled(3, 2, 0.0)]).is_err());
    assert!(Trials::new(vec![]).is_err());
}

#[test]
fn another_animal_predicts_what_is_shared() {
    let s = simulate(8, 40);
    let part = |from: usize, n: usize| Array2::from_fn(800, n, |i, u| s.truth.get(i, from + u));
    let a = noisy(&part(0, 25), 3.0, 10, 10).halves(0).unwrap().unwrap();
    let b = noisy(&part(25, 15), 3.0, 10, 11)
        .halves(1)
        .unwrap()
        .unwrap();
    let options = Options {
        interval: Some(IntervalOptions {
            replicates: 200,
            ..IntervalOptions::default()
        }),
        ..Options::default()
    };
    let run = |how| {
        between_animals(
            &a,
            &b,
            &s.conditions,
            &splits(&s.conditions),
            how,
            &options,
            &Quiet,
        )
        .unwrap()
    };
    let (pooled, single) = (run(BetweenAnimals::Pooled), run(BetweenAnimals::OneToOne));
    println!("{:?}\n{:?}", pooled.population, single.population);
    // 25 units span the four latents; one unit does not.
    assert!(pooled.population.median > 0.93);
    assert!(single.population.median < pooled.population.median - 0.05);
    assert_eq!(single.map, "best-feature");
}

#[test]
fn halvings_that_lose_a_unit_are_dropped() {
    let s = simulate(12, 3);
    let full = noisy(&s.truth, 1.0, 6, 13);
    let values: Vec<Array2> = (0..6)
        .map(|t| {
            let mut stream = Stream::new(13, "trial noise", t);
            Array2::from_fn(800, 3, |i, u| {
                let v = s.truth.get(i, u) + stream.normal();
                // Unit 0 was recorded in trials 0 and 1 only.
                if u == 0 && t > 1 { f64::NAN } else { v }
            })
        })
        .collect();
    let gaps = Trials::new(values).unwrap();
    let options = Options {
        interval: None,
        map: Map::Ridge { alpha: 1.0 },
        ..Options::default()
    };
    let run = |trials: &Trials| {
        predictivity_of_trials(
            TrialSource::Features(&s.latents),
            trials,
            &s.conditions,
            &splits(&s.conditions),
            &options,
            12,
            1234,
            &Quiet,
        )
        .unwrap()
    };
    let found = run(&gaps);
    assert!(found.n_dropped > 0 && !found.seeds.is_empty());
    assert_eq!(found.n_dropped + found.seeds.len(), 12);
    for &seed in &found.seeds {
        let (first, _) = gaps.half_indices(seed);
        assert_eq!(first.iter().filter(|&&t| t < 2).count(), 1);
    }
    assert_eq!(run(&full).n_dropped, 0);
}

#[test]
fn threads_do_not_change_a_bit_and_seeds_do() {
    let s = simulate(20, 8);
    let halves = noisy(&s.truth, 3.0, 8, 21).halves(0).unwrap().unwrap();
    let run = |threads: usize, seed: u64| {
        let options = Options {
            interval: Some(IntervalOptions {
                replicates: 50,
                seed,
                ..IntervalOptions::default()
            }),
            ..Options::default()
        };
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| {
                let x = Source::Features(&s.latents);
                let found = predictivity(
                    x,
                    &halves,
                    &s.conditions,
                    &splits(&s.conditions),
                    &options,
                    &Quiet,
                )
                .unwrap();
                format!("{found:?}")
            })
    };
    assert_eq!(run(1, 0), run(5, 0));
    assert_ne!(run(1, 0), run(1, 1));
}

struct Stopping;

impl Monitor for Stopping {
    fn stopped(&self) -> bool {
        true
    }
}

#[test]
fn bad_input_and_stopping_are_errors() {
    let s = simulate(30, 2);
    let halves = noisy(&s.truth, 1.0, 4, 31).halves(0).unwrap().unwrap();
    let good = splits(&s.conditions);
    let options = Options {
        interval: None,
        ..Options::default()
    };
    let run = |x: &Array2, conditions: &[usize], splits: &[RowSplit]| {
        predictivity(
            Source::Features(x),
            &halves,
            conditions,
            splits,
            &options,
            &Quiet,
        )
        .is_err()
    };
    assert!(!run(&s.latents, &s.conditions, &good));
    assert!(run(&Array2::filled(799, 3, 1.0), &s.conditions, &good));
    assert!(run(&Array2::filled(800, 3, f64::NAN), &s.conditions, &good));
    assert!(run(&s.latents, &s.conditions[1..], &good));
    assert!(run(&s.latents, &s.conditions, &[]));
    for (train, test) in [
        (vec![0, 1], vec![1, 2]),
        (vec![0, 1], vec![2]),
        (vec![0, 800], vec![2, 3]),
    ] {
        assert!(run(&s.latents, &s.conditions, &[RowSplit { train, test }]));
    }
    let stopped = predictivity(
        Source::Features(&s.latents),
        &halves,
        &s.conditions,
        &good,
        &options,
        &Stopping,
    );
    assert!(stopped.is_err());
}

#[test]
fn halves_of_a_recording_are_aligned_and_factors_are_refused() {
    let path = data("recordings/mini_hand_dmfc_dataset_50ms.pkl.gz");
    let recording = Recording::open(path).unwrap();
    let found = Halves::of_recording(
        &recording,
        TrialType::Occ,
        Population::All,
        "start_end_pad0",
    )
    .unwrap();
    let (halves, cells) = (found.halves, found.cells);
    assert_eq!(
        (halves.units(), halves.rows(), found.unit_ids.len()),
        (8, cells.len(), 8)
    );
    let full = recording
        .responses(TrialType::Occ, Population::All, Half::Full)
        .unwrap();
    let (condition, bin) = cells[100];
    assert_eq!(halves.full().get(100, 3), full.get(3, condition, bin));
    let conditions: Vec<usize> = cells.iter().map(|c| c.0).collect();
    let options = IntervalOptions {
        replicates: 20,
        ..IntervalOptions::default()
    };
    let found = ceilings(&halves, &conditions, &options).unwrap();
    let published = reliability::published(&recording, TrialType::Occ).unwrap();
    for (a, b) in found.units.iter().zip(&published) {
        assert!((a.r - b.r).abs() < 1e-12 && a.reliable == b.reliable);
    }
    assert!(
        Halves::of_recording(
            &recording,
            TrialType::Occ,
            Population::Factors(10),
            "start_end_pad0"
        )
        .is_err()
    );
}
