//! Behaviour against scikit-learn and plain numpy on synthetic trials (see `tests/data/README.md`), and against planted truth.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::behavior::{
    ErrorHalves, ErrorKind, Outcome, PUBLISHED_ITERATIONS, TrialTable, aligned_curve,
    attribute_regression, ceiling, consistency, error_pattern, eye_error, hand_error, nse,
    performance, stratified_halves,
};
use mental_pong_eval::recordings::dmfc::TrialType;
use mental_pong_eval::stats::pearson;
use mental_pong_game::task::Law;
use serde_json::Value;

fn reference() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/behavior_reference.json");
    serde_json::from_reader(BufReader::new(File::open(path).unwrap())).unwrap()
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

fn ids(v: &Value) -> Vec<u32> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_u64().unwrap() as u32)
        .collect()
}

fn indices(v: &Value) -> Vec<usize> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_u64().unwrap() as usize)
        .collect()
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |m: f64, (a, b)| {
        assert!(!(a - b).is_nan());
        m.max((a - b).abs())
    })
}

fn table(
    condition: Vec<u32>,
    paddle: Vec<f64>,
    subject: Vec<u32>,
    truth: impl Fn(u32) -> f64,
) -> TrialTable {
    let n = condition.len();
    TrialTable {
        subject,
        truth_deg: condition.iter().map(|&c| truth(c)).collect(),
        condition,
        law: Law::Design,
        paddle_deg: paddle,
        kind: vec![TrialType::Occ; n],
        outcome: None,
    }
}

fn observer(reference: &Value, name: &str) -> TrialTable {
    let all = ids(&reference["ids"]);
    let truth = floats(&reference["truth"]);
    let o = &reference["observers"][name];
    let condition = ids(&o["condition"]);
    let subject = vec![1; condition.len()];
    table(condition, floats(&o["paddle"]), subject, |c| {
        truth[all.iter().position(|&i| i == c).unwrap()]
    })
}

#[test]
fn stratified_halves_match_sklearn() {
    for split in reference()["splits"].as_array().unwrap() {
        let [train, test] = stratified_halves(
            &ids(&split["labels"]),
            split["seed"].as_u64().unwrap() as u32,
        )
        .unwrap();
        assert_eq!(train, indices(&split["train"]));
        assert_eq!(test, indices(&split["test"]));
    }
    assert!(
        stratified_halves(&[1, 1, 2], 0)
            .unwrap_err()
            .to_string()
            .contains("condition 2")
    );
}

#[test]
fn errors_patterns_and_halves_match_numpy() {
    let reference = reference();
    let all = ids(&reference["ids"]);
    for name in ["a", "b"] {
        let (t, o) = (observer(&reference, name), &reference["observers"][name]);
        let p = performance(&t, 200, 1).unwrap();
        for (found, key) in [
            (p.mae_trialwise, "mae_trialwise"),
            (p.mae_of_mean, "mae_of_mean"),
            (p.mae_of_mean_sem, "mae_of_mean_sem"),
            (p.rms_trialwise, "rms_trialwise"),
            (p.rms_of_mean, "rms_of_mean"),
        ] {
            assert!((found - o[key].as_f64().unwrap()).abs() < 1e-12, "{key}");
        }
        assert!(p.mae_of_mean < p.mae_trialwise);
        assert!(p.mae_of_mean_over_conditions.p025 < p.mae_of_mean);
        assert!(p.mae_of_mean_over_conditions.p975 > p.mae_of_mean);
        assert_eq!((p.n_conditions, p.n_trials), (all.len(), t.len()));

        let (truth, paddles) = t.by_condition(&all).unwrap();
        let pattern = error_pattern(&all, &paddles, &truth).unwrap();
        assert!(worst(&pattern.residual, &floats(&o["residual"])) < 1e-12);
        assert!((pattern.slope - o["slope"].as_f64().unwrap()).abs() < 1e-12);
        assert!((pattern.offset - o["offset"].as_f64().unwrap()).abs() < 1e-12);

        for (seed, split) in o["halves_index"].as_array().unwrap().iter().enumerate() {
            let halves = stratified_halves(&t.condition, seed as u32).unwrap();
            assert_eq!(halves, [indices(&split[0]), indices(&split[1])]);
        }
        let halves =
            ErrorHalves::new(name, &t, &all, ErrorKind::Residual, PUBLISHED_ITERATIONS, 0).unwrap();
        let expected = o["halves_residual"].as_array().unwrap();
        assert_eq!((halves.halves.len(), expected.len()), (10, 10));
        for (found, expected) in halves.halves.iter().zip(expected) {
            for k in 0..2 {
                assert!(worst(&found[k], &floats(&expected[k])) < 1e-12);
            }
        }
    }
}

#[test]
fn consistency_and_nse_match_numpy() {
    let reference = reference();
    let all = ids(&reference["ids"]);
    let [a, b] = ["a", "b"].map(|name| {
        ErrorHalves::new(
            name,
            &observer(&reference, name),
            &all,
            ErrorKind::Residual,
            10,
            0,
        )
        .unwrap()
    });
    let found = consistency(&a, &b, 300, 1).unwrap();
    let expected = floats(&reference["consistency"]["values"]);
    assert!(worst(&found.values, &expected) < 1e-11);
    assert_eq!((found.corrected.n, found.values.len()), (100, 100));
    let expected = floats(&reference["consistency"]["nse"]);
    assert!((found.nse.mean - expected.iter().sum::<f64>() / 100.0).abs() < 1e-11);
    assert!(
        found.over_conditions.p025 < found.corrected.mean
            && found.corrected.mean < found.over_conditions.p975
    );
    assert!((found.r_uncorrected - pearson(&a.full, &b.full)).abs() < 1e-15);

    // A network has one trial a condition: its halves are the whole.
    let network = ErrorHalves::noiseless("network", &all, &floats(&reference["network"])).unwrap();
    let found = consistency(&a, &network, 0, 1).unwrap();
    assert!(worst(&found.values, &floats(&reference["network_consistency"])) < 1e-11);
    assert!((found.split_half[1].mean - 1.0).abs() < 1e-12);
    let same = consistency(&network, &network, 50, 1).unwrap();
    assert!((same.corrected.mean - 1.0).abs() < 1e-12 && same.nse.mean.abs() < 1e-12);
    assert!(
        consistency(
            &a,
            &ErrorHalves::noiseless("x", &all[1..], &network.full[1..]).unwrap(),
            0,
            1
        )
        .is_err()
    );
}

#[test]
fn attribute_regressions_match_numpy() {
    let reference = reference();
    let attributes = &reference["attributes"];
    let columns: Vec<Vec<f64>> = attributes["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(floats)
        .collect();
    let named: Vec<(&str, &[f64])> = ["simulation", "performance", "speed"]
        .iter()
        .zip(&columns)
        .map(|(n, c)| (*n, c.as_slice()))
        .collect();
    let found = attribute_regression(&floats(&attributes["scores"]), &named, 300, 1).unwrap();
    for (k, score) in found.iter().enumerate() {
        assert!((score.r2 - attributes["r2"][k].as_f64().unwrap()).abs() < 1e-12);
        assert!((score.partial_r2 - attributes["partial_r2"][k].as_f64().unwrap()).abs() < 1e-12);
        assert!(score.r2_over_models.p025 <= score.r2 && score.r2 <= score.r2_over_models.p975);
    }
    // Planted: attribute 0 makes the score, attribute 1 has nothing of its own.
    assert!(found[0].partial_r2 > 0.25 && found[1].partial_r2 < 0.15);
    // Other units, same answer.
    let scaled: Vec<f64> = columns[0].iter().map(|v| 1e6 * v + 3.0).collect();
    let again = attribute_regression(
        &floats(&attributes["scores"]),
        &[("simulation", &scaled), named[1], named[2]],
        0,
        1,
    )
    .unwrap();
    assert!((again[1].partial_r2 - found[1].partial_r2).abs() < 1e-9);
    // What the others explain wholly has nothing left.
    let twin = attribute_regression(
        &floats(&attributes["scores"]),
        &[("a", &columns[0]), ("b", &scaled)],
        0,
        1,
    )
    .unwrap();
    assert!(twin[0].partial_r2.is_nan());
    assert!(attribute_regression(&[1.0, 2.0], &[("a", &[1.0, f64::NAN])], 0, 1).is_err());
}

/// Trials of an observer with pattern `own`, and noise of each trial.
fn planted(own: &[f64], trials: usize, noise: f64, subjects: u32, seed: u64) -> TrialTable {
    let mut stream = Stream::new(seed, "test trials", 0);
    let (mut condition, mut paddle, mut subject) = (Vec::new(), Vec::new(), Vec::new());
    for (c, error) in own.iter().enumerate() {
        for s in 0..subjects {
            for _ in 0..trials {
                condition.push(c as u32);
                subject.push(s);
                paddle.push(0.7 * height(c as u32) + 0.5 + error + noise * stream.normal());
            }
        }
    }
    table(condition, paddle, subject, height)
}

fn height(condition: u32) -> f64 {
    f64::from(condition * 37 % 101) / 101.0 * 18.0 - 9.0
}

fn pattern(seed: u64) -> Vec<f64> {
    let mut stream = Stream::new(seed, "test pattern", 0);
    (0..150).map(|_| stream.normal()).collect()
}

#[test]
fn one_observer_with_noise_is_fully_consistent_and_strangers_are_not() {
    let all: Vec<u32> = (0..150).collect();
    let mut inside = 0;
    for seed in 0..6 {
        let (own, other) = (pattern(seed), pattern(seed + 100));
        let halves = |t: &TrialTable, seed| {
            ErrorHalves::new("o", t, &all, ErrorKind::Residual, 10, seed).unwrap()
        };
        let first = halves(&planted(&own, 6, 2.0, 1, 10 + seed), 0);
        let again = halves(&planted(&own, 6, 2.0, 1, 20 + seed), 50);
        let stranger = halves(&planted(&other, 6, 2.0, 1, 30 + seed), 0);
        let same = consistency(&first, &again, 200, 1).unwrap();
        // Noise hides half of it without the correction.
        assert!(same.r_uncorrected < 0.8);
        assert!(
            (same.corrected.mean - 1.0).abs() < 0.2,
            "{:?}",
            same.corrected
        );
        assert!(same.nse.mean.abs() < 0.3, "{:?}", same.nse);
        inside += i32::from(same.over_conditions.p025 <= 1.0 && 1.0 <= same.over_conditions.p975);
        let none = consistency(&first, &stranger, 200, 1).unwrap();
        assert!(none.corrected.mean.abs() < 0.3, "{:?}", none.corrected);
        assert!((none.nse.mean - 1.0).abs() < 0.35, "{:?}", none.nse);
        // A noiseless model with the true pattern.
        let model = ErrorHalves::noiseless("model", &all, &own).unwrap();
        let score = consistency(&first, &model, 0, 1).unwrap();
        assert!(
            (score.corrected.mean - 1.0).abs() < 0.12,
            "{:?}",
            score.corrected
        );
    }
    println!("1 inside of {inside} of 6 intervals");
    assert!(inside >= 4, "{inside}");
}

#[test]
fn a_gain_shared_by_all_is_taken_out_by_the_residual_only() {
    let all: Vec<u32> = (0..150).collect();
    let [a, b] = [(pattern(1), 1), (pattern(2), 2)].map(|(p, seed)| planted(&p, 4, 0.5, 1, seed));
    let score = |kind| {
        let [a, b] = [&a, &b].map(|t| ErrorHalves::new("o", t, &all, kind, 4, 0).unwrap());
        consistency(&a, &b, 0, 1).unwrap().corrected.mean
    };
    assert!(score(ErrorKind::Difference) > 0.5);
    assert!(score(ErrorKind::Residual).abs() < 0.3);
}

#[test]
fn ceilings_follow_what_subjects_share() {
    // Eight subjects with one pattern.
    let shared = ceiling(
        &planted(&pattern(1), 3, 1.5, 8, 1),
        ErrorKind::Residual,
        10,
        0,
    )
    .unwrap();
    assert!(
        (shared.between_subjects.mean - 1.0).abs() < 0.1,
        "{shared:?}"
    );
    assert_eq!((shared.between_subjects.n, shared.n_conditions), (10, 150));
    assert!(shared.split_half.mean < shared.split_half_spearman_brown.mean);
    // Eight subjects, each with a pattern of its own beside the shared one.
    let mut own = planted(&pattern(1), 3, 1.5, 8, 1);
    for i in 0..own.len() {
        own.paddle_deg[i] +=
            2.0 * pattern(500 + u64::from(own.subject[i]))[own.condition[i] as usize];
    }
    let differ = ceiling(&own, ErrorKind::Residual, 10, 0).unwrap();
    // Halves of trials cannot tell, halves of subjects can: four patterns of variance 4 on one of variance 1.
    assert!(
        (differ.between_subjects.mean - 0.5).abs() < 0.25,
        "{differ:?}"
    );
    assert!(differ.split_half_spearman_brown.mean > 0.8, "{differ:?}");
    let one = ceiling(
        &planted(&pattern(1), 3, 1.5, 1, 1),
        ErrorKind::Residual,
        5,
        0,
    )
    .unwrap();
    assert_eq!(one.between_subjects.n, 0);
}

#[test]
fn tables_are_checked_and_published_exclusions_apply() {
    let mut t = planted(&[0.0, 1.0, 2.0], 2, 0.1, 1, 1);
    t.outcome = Some(vec![Outcome::Success; 6]);
    t.outcome.as_mut().unwrap()[0] = Outcome::Ignore;
    t.paddle_deg[3] = 10.5;
    t.paddle_deg[5] = f64::NAN;
    assert_eq!(t.valid().len(), 3);
    assert_eq!(t.conditions(2), [0, 1]);
    assert_eq!(t.conditions(1), [0, 1, 2]);
    assert_eq!(t.subjects(), [0]);
    t.check().unwrap();
    let single = ErrorHalves::new("o", &t, &[0, 1, 2], ErrorKind::Residual, 3, 0).unwrap_err();
    assert!(single.to_string().contains("condition 2"), "{single}");
    t.truth_deg[1] += 0.1;
    assert!(t.check().unwrap_err().to_string().contains("condition 0"));
    t.truth_deg.pop();
    assert!(t.check().unwrap_err().to_string().contains("truth_deg"));
    assert!(performance(&planted(&[], 1, 0.0, 1, 1), 10, 1).is_err());
}

#[test]
fn same_seed_same_bytes_and_another_seed_others() {
    let all: Vec<u32> = (0..150).collect();
    let t = planted(&pattern(1), 4, 1.0, 1, 1);
    let run = |seed: u32| {
        let h = ErrorHalves::new("o", &t, &all, ErrorKind::Residual, 3, seed).unwrap();
        serde_json::to_string(&consistency(&h, &h, 20, u64::from(seed)).unwrap()).unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn curves_are_aligned_and_averaged() {
    let ball: Vec<Array2> = (0..3)
        .map(|c| Array2::from_fn(6, 2, |t, k| (c * k + t) as f64))
        .collect();
    let mut eye: Vec<Array2> = ball
        .iter()
        .enumerate()
        .map(|(c, b)| {
            Array2::from_fn(6, 2, |t, k| {
                b.get(t, k) + [3.0, 4.0][k] * f64::from(u8::from(t > c)) * (c + 1) as f64
            })
        })
        .collect();
    eye[2].set(5, 0, f64::NAN);
    let errors = eye_error(&eye, &ball).unwrap();
    assert!((errors[1][2] - 10.0).abs() < 1e-12 && errors[1][1] == 0.0);
    let curve = aligned_curve(&errors, &[1, 2, 3], -2, 2).unwrap();
    assert_eq!(curve.bin, [-2, -1, 0, 1, 2]);
    // 5, 10, 15 after the event; the mean 10, its standard error 5 / sqrt(3) with ddof 1.
    assert!((curve.mean[2] - 10.0).abs() < 1e-12);
    assert!((curve.sem[2] - 5.0 / 3f64.sqrt()).abs() < 1e-12);
    assert_eq!(curve.n, [2, 3, 3, 3, 2]);
    assert!(curve.mean[1].abs() < 1e-12 && (curve.mean[4] - 7.5).abs() < 1e-12);
    let hand = hand_error(&[vec![1.0, -2.0]], &[0.5]).unwrap();
    assert_eq!(hand, [[0.5, 2.5]]);
    assert!(eye_error(&eye[..2], &ball).is_err() && hand_error(&[vec![]], &[]).is_err());
    assert!(aligned_curve(&errors, &[1, 2, 3], 2, -2).is_err());
}

#[test]
fn nse_of_unrelated_patterns_of_one_mean_is_one() {
    let (x, y) = ([1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]);
    assert!((nse(&x, &x, &y, &y) - 1.0).abs() < 1e-15);
    assert!(nse(&x, &x, &x, &x).abs() < 1e-15);
    assert!(nse(&x, &x, &y, &y[..2]).is_nan());
}
