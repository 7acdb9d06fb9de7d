//! Intervals, tests and corrections against scipy, and the comparison of models.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;

use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::compare::{
    ComparisonSettings, Contributions, Layer, Measure, ModelScores, PairTest, TimeBin,
    compare_models, decode_in_bins, layer_time_table,
};
use mental_pong_eval::decode::{ConditionRows, Epoch, Layout, OnlineDecoder, Split};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::stats::bootstrap::{Bootstrap, IntervalMethod, normal_cdf, normal_quantile};
use mental_pong_eval::stats::multiple::Correction;
use mental_pong_eval::stats::permutation::{Alternative, NullDistribution, Permutation};
use mental_pong_eval::stats::{effect, rank_tests};
use serde_json::Value;

fn reference() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/statistics/scipy.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn floats(v: &Value) -> Vec<f64> {
    let values = v.as_array().unwrap().iter();
    values.map(|x| x.as_f64().unwrap()).collect()
}

fn close(a: f64, b: &Value, what: &str) {
    let b = b.as_f64().unwrap();
    assert!(
        (a - b).abs() <= 1e-10 * b.abs().max(1e-3),
        "{what}: {a} is not {b}"
    );
}

const SIDES: [(Alternative, &str); 3] = [
    (Alternative::TwoSided, "two-sided"),
    (Alternative::Greater, "greater"),
    (Alternative::Less, "less"),
];

fn null(name: &Value) -> NullDistribution {
    match name.as_str().unwrap() {
        "exact" => NullDistribution::Exact,
        _ => NullDistribution::Normal,
    }
}

// scipy.stats.wilcoxon(correction=False, zero_method="wilcox"), scipy 1.17.
#[test]
fn signed_ranks_equal_scipy() {
    for case in reference()["wilcoxon"].as_array().unwrap() {
        for (side, name) in SIDES {
            let result = rank_tests::signed_rank("x", &floats(&case["x"]), side, 1).unwrap();
            assert_eq!(result.null, null(&case["method"]));
            close(result.p, &case[name], name);
        }
    }
    assert!(rank_tests::signed_rank("x", &[0.0; 9], Alternative::Less, 1).is_err());
}

// scipy.stats.mannwhitneyu, scipy 1.17.
#[test]
fn rank_sums_equal_scipy() {
    for case in reference()["rank_sum"].as_array().unwrap() {
        let (a, b) = (floats(&case["a"]), floats(&case["b"]));
        for (side, name) in SIDES {
            let result = rank_tests::rank_sum("x", &a, &b, side, 1).unwrap();
            assert_eq!(result.null, null(&case["method"]));
            close(result.statistic, &case["u"], "U");
            close(result.p, &case[name], name);
        }
    }
    let few = rank_tests::rank_sum("x", &[1.0, 2.0], &[3.0; 9], Alternative::Less, 3);
    assert!(few.unwrap_err().to_string().contains("at least 3"));
}

// scipy.stats.false_discovery_control; Holm from its definition in numpy.
#[test]
fn corrections_equal_their_references() {
    let reference = reference();
    let p = floats(&reference["p"]);
    for (correction, name) in [
        (Correction::BenjaminiHochberg, "bh"),
        (Correction::Holm, "holm"),
    ] {
        let expected = reference[name].as_array().unwrap();
        for (a, b) in correction.adjust(&p).unwrap().iter().zip(expected) {
            close(*a, b, name);
        }
    }
}

// scipy.stats.bootstrap's ends from its own resamples.
#[test]
fn interval_ends_equal_scipy_on_the_same_resamples() {
    for case in reference()["bootstrap"].as_array().unwrap() {
        let bca = case["method"] == "BCa";
        let bootstrap = Bootstrap {
            method: if bca {
                IntervalMethod::Bca
            } else {
                IntervalMethod::Percentile
            },
            ..Bootstrap::default()
        };
        let interval = bootstrap.interval_of_replicates(
            case["estimate"].as_f64().unwrap(),
            &floats(&case["replicates"]),
            &floats(&case["jackknife"]),
            18,
        );
        assert_eq!(
            (interval.method, interval.resamples),
            (bootstrap.method, 400)
        );
        close(interval.low, &case["low"], "low");
        close(interval.high, &case["high"], "high");
    }
    // scipy.stats.norm.
    assert!((normal_quantile(0.025) + 1.959_963_984_540_054).abs() < 1e-12);
    assert!((normal_cdf(-1.0) - 0.158_655_253_931_457_05).abs() < 1e-14);
}

// scipy.stats.permutation_test(permutation_type="samples"), all arrangements.
#[test]
fn sign_flips_equal_scipy() {
    let case = &reference()["sign_flip"];
    let d = floats(&case["d"]);
    for (alternative, name) in [
        (Alternative::TwoSided, "two_sided"),
        (Alternative::Greater, "greater"),
    ] {
        let test = Permutation {
            alternative,
            ..Permutation::default()
        };
        let result = test.sign_flip("d", &d).unwrap();
        assert_eq!(
            (result.null, result.permutations),
            (NullDistribution::Exact, 512)
        );
        close(result.p, &case[name], name);
    }
}

#[test]
fn effect_sizes_equal_numpy() {
    let reference = reference();
    let case = &reference["effect"];
    let d = floats(&reference["sign_flip"]["d"]);
    close(effect::cohen_dz(&d), &case["dz"], "dz");
    close(
        effect::rank_biserial(&d),
        &case["rank_biserial"],
        "rank-biserial",
    );
    assert!(effect::cohen_dz(&[1.0, 1.0]).is_nan() && effect::rank_biserial(&[0.0]).is_nan());
}

/// Pooled predictions of 40 conditions with as many errors as `noise` says, about one truth.
fn model(name: &str, noise: f64, measure: Measure) -> ModelScores {
    let mut truth = Stream::new(1, "truth", 0);
    let mut error = Stream::new(2, name, 0);
    let pairs: Vec<(Vec<f64>, Vec<f64>)> = (0..40)
        .map(|c| {
            let y: Vec<f64> = (0..5 + c % 7).map(|_| 4.0 * truth.normal()).collect();
            (y.iter().map(|y| y + noise * error.normal()).collect(), y)
        })
        .collect();
    ModelScores {
        name: name.into(),
        contributions: Contributions::pairs(&pairs, measure).unwrap(),
    }
}

#[test]
fn better_models_are_told_from_equal_ones() {
    for measure in [
        Measure::Pearson,
        Measure::MeanAbsoluteError,
        Measure::RootMeanSquaredError,
    ] {
        let models = [
            model("good", 1.0, measure),
            model("bad", 6.0, measure),
            model("also good", 1.0, measure),
        ];
        let settings = ComparisonSettings {
            bootstrap: Bootstrap {
                resamples: 2000,
                ..Bootstrap::default()
            },
            permutation: Permutation {
                permutations: 999,
                ..Permutation::default()
            },
            ..ComparisonSettings::default()
        };
        let found = compare_models(&models, &settings).unwrap();
        let better: Vec<Option<usize>> = found.pairs.iter().map(|p| p.better).collect();
        assert_eq!(better, [Some(0), None, Some(2)], "{measure:?}");
        assert!((found.pairs[0].p_corrected - 0.003).abs() < 1e-12 && found.warnings.is_empty());
        assert!(
            !found.pairs[0].difference.contains(0.0) && found.pairs[1].difference.contains(0.0)
        );
        // A correlation has no differences of single units; errors do.
        assert_eq!(
            found.pairs[0].cohen_dz.is_nan(),
            measure == Measure::Pearson
        );
        let json = serde_json::to_string(&found).unwrap();
        assert!(serde_json::from_str::<mental_pong_eval::compare::Comparison>(&json).is_ok());
    }
}

#[test]
fn the_order_of_models_turns_signs_only() {
    let (a, b) = (
        model("a", 1.0, Measure::Pearson),
        model("b", 1.5, Measure::Pearson),
    );
    let settings = ComparisonSettings::default();
    let ab = compare_models(&[a.clone(), b.clone()], &settings).unwrap();
    let ba = compare_models(&[b, a], &settings).unwrap();
    assert!((ab.pairs[0].difference.estimate + ba.pairs[0].difference.estimate).abs() < 1e-15);
    assert!((ab.pairs[0].difference.low + ba.pairs[0].difference.high).abs() < 1e-12);
    assert!((ab.pairs[0].test.p - ba.pairs[0].test.p).abs() < 1e-15);
    assert_eq!(ab.models[0], ba.models[1]);
}

#[test]
fn a_model_against_itself_has_p_one() {
    let a = model("a", 1.0, Measure::Pearson);
    let twin = ModelScores {
        name: "twin".into(),
        ..a.clone()
    };
    let found = compare_models(&[a, twin], &ComparisonSettings::default()).unwrap();
    let pair = &found.pairs[0];
    assert!((pair.test.p - 1.0).abs() < 1e-15 && pair.better.is_none());
    assert!(pair.difference.low.abs() < 1e-15 && pair.difference.high.abs() < 1e-15);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let settings = ComparisonSettings::default();
    let a = model("a", 1.0, Measure::Pearson);
    assert!(compare_models(std::slice::from_ref(&a), &settings).is_err());
    assert!(compare_models(&[a.clone(), a.clone()], &settings).is_err());
    let other = model("b", 1.0, Measure::MeanAbsoluteError);
    assert!(compare_models(&[a.clone(), other], &settings).is_err());
    let few = |name: &str| ModelScores {
        name: name.into(),
        contributions: Contributions::scores(vec![1.0; 5], Measure::Mean).unwrap(),
    };
    let error = compare_models(&[few("x"), few("y")], &settings)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("at least 10") && error.contains('5'),
        "{error}"
    );
    let ranks = ComparisonSettings {
        test: PairTest::SignedRank,
        ..settings
    };
    let b = model("b", 2.0, Measure::Pearson);
    assert!(compare_models(&[a.clone(), b.clone()], &ranks).is_err());
    // 12 units, 20 arrangements, 1 pair: fine; the floor is told when it forbids any finding.
    let coarse = ComparisonSettings {
        permutation: Permutation {
            permutations: 19,
            ..Permutation::default()
        },
        ..settings
    };
    let found = compare_models(&[a, b], &coarse).unwrap();
    assert!(
        found
            .warnings
            .iter()
            .any(|w| w.contains("smallest possible p")),
        "{:?}",
        found.warnings
    );
}

/// Conditions with a hidden y that one layer holds all the time and another one only while the ball is visible.
fn layered() -> (Layout, Vec<Layer>) {
    let n = 24;
    let bins = 16;
    let mut rng = Stream::new(7, "layers", 0);
    let mut conditions = Vec::new();
    let (mut keeps, mut loses) = (Vec::new(), Vec::new());
    for c in 0..n {
        // Occlusion at another bin in each condition; one condition is long.
        let occlusion = 6 + c % 3;
        let last = if c == 0 { bins + 4 } else { bins };
        let slope = rng.normal();
        let start = 3.0 * rng.normal();
        let y = |bin: usize| start + slope * bin as f64;
        conditions.push(ConditionRows {
            id: c.to_string(),
            bins: (0..last).collect(),
            targets: Array2::from_fn(last, 2, |bin, t| if t == 0 { bin as f64 } else { y(bin) }),
            visible: (0..last).map(|bin| bin < occlusion).collect(),
            hidden: (0..last).map(|bin| bin >= occlusion).collect(),
        });
        keeps.push(Array2::from_fn(last, 3, |bin, u| {
            [y(bin), bin as f64, 1.0][u] + 0.3 * rng.normal()
        }));
        loses.push(Array2::from_fn(last, 3, |bin, u| {
            let seen = if bin < occlusion { y(bin) } else { 0.0 };
            [seen, bin as f64, 1.0][u] + 0.3 * rng.normal()
        }));
    }
    let layout = Layout::new(vec!["x".into(), "y".into()], 50.0, conditions).unwrap();
    let layers = vec![
        Layer {
            name: "keeps".into(),
            features: keeps,
        },
        Layer {
            name: "loses".into(),
            features: loses,
        },
    ];
    (layout, layers)
}

fn halves(n: usize, count: u64) -> Vec<Split> {
    (0..count)
        .map(|s| {
            let order = Stream::new(9, "split", s).permutation(n);
            Split {
                train: order[..n / 2].to_vec(),
                test: order[n / 2..].to_vec(),
            }
        })
        .collect()
}

#[test]
fn the_layer_table_follows_each_layer_over_occlusion() {
    let (layout, layers) = layered();
    let splits = halves(24, 20);
    let bins = TimeBin::every(4, -4, 12).unwrap();
    let bootstrap = Bootstrap {
        resamples: 1000,
        ..Bootstrap::default()
    };
    let score = decode_in_bins(&layout, &splits, Readout::Full, 1, Measure::Pearson, &bins);
    let table = layer_time_table(&layers, &bins, layout.bin_ms(), &bootstrap, score).unwrap();
    assert_eq!(
        (table.layers.len(), table.bins.len(), table.cells.len()),
        (2, 4, 8)
    );
    let r = |layer, bin| table.get(layer, bin).unwrap().estimate;
    assert!(r(0, 0) > 0.95 && r(0, 1) > 0.95 && r(0, 2) > 0.95);
    // Without any information held-out predictions lean away from the truth: see `Contributions::held_out`.
    assert!(r(1, 0) > 0.6, "{}", r(1, 0));
    assert!(r(1, 2) < 0.0, "{}", r(1, 2));
    let first = table.get(0, 0).unwrap();
    assert!((first.from_ms + 200.0).abs() < 1e-12 && first.to_ms.abs() < 1e-12);
    assert_eq!((first.n, first.n_rows, first.too_few), (24, 96, false));
    assert!(first.interval.unwrap().contains(first.estimate));
    // Bins 8 to 11 after occlusion: 2 rows where it begins at bin 6, 1 at 7, none at 8, and the long condition's four.
    let late = table.get(0, 3).unwrap();
    assert_eq!((late.n, late.n_rows), (16, 4 + 7 * 2 + 8));
    assert!(table.get(0, 4).is_none() && table.get(2, 0).is_none());
    // Beyond all but the long condition there is a value's absence, said so.
    let far = [TimeBin { from: 12, to: 14 }, TimeBin { from: 90, to: 99 }];
    let score = decode_in_bins(
        &layout,
        &splits,
        Readout::Full,
        1,
        Measure::MeanAbsoluteError,
        &far,
    );
    let table = layer_time_table(&layers, &far, 50.0, &bootstrap, score).unwrap();
    let (one, none) = (table.get(0, 0).unwrap(), table.get(0, 1).unwrap());
    assert!(one.too_few && one.interval.is_none() && one.n == 1 && one.estimate.is_finite());
    assert!(none.too_few && none.n == 0 && none.estimate.is_nan());
}

#[test]
fn held_out_predictions_become_contributions() {
    let (layout, layers) = layered();
    let splits = halves(24, 20);
    let decoder = OnlineDecoder::new(&layout, &layers[0].features).unwrap();
    let result = decoder.run(&splits, Readout::Full).unwrap();
    let held = |epoch, measure| {
        Contributions::held_out(&layout, &result.held_out, epoch, 1, measure).unwrap()
    };
    let hidden = held(Epoch::Hidden, Measure::Pearson);
    let (mut p, mut y) = (vec![], vec![]);
    for (c, condition) in layout.conditions().iter().enumerate() {
        for row in (0..condition.bins.len()).filter(|&row| condition.hidden[row]) {
            p.push(result.held_out[c].get(row, 1));
            y.push(condition.targets.get(row, 1));
        }
    }
    assert!((hidden.value() - mental_pong_eval::stats::pearson(&p, &y)).abs() < 1e-12);
    assert_eq!((hidden.n(), hidden.n_bins()), (24, p.len() as u64));
    let all = held(Epoch::All, Measure::Pearson).n_bins();
    assert_eq!(
        all,
        held(Epoch::Visible, Measure::Pearson).n_bins() + hidden.n_bins()
    );
    assert!(
        Contributions::held_out(&layout, &result.held_out, Epoch::All, 2, Measure::Pearson)
            .is_err()
    );
    assert!(
        Contributions::held_out(
            &layout,
            &result.held_out[1..],
            Epoch::All,
            0,
            Measure::Pearson
        )
        .is_err()
    );
}
