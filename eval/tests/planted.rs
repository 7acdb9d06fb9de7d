//! Statistics on simulations whose truth is known: tests that reject as often as they say, intervals that cover as often as
//! they say, ceilings that are recovered, leaks that are found.
//!
//! Every simulation is seeded, so a failure is a defect and not bad luck; the bounds say how unlikely a correct method would
//! have been to fall outside of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::compare::{
    ComparisonSettings, Contributions, Measure, ModelScores, compare_models,
};
use mental_pong_eval::controls::{LeakRule, leak_check};
use mental_pong_eval::decode::{ConditionRows, Epoch, Layout, OnlineDecoder, Split};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::predictivity::RowSplit;
use mental_pong_eval::recordings::dmfc::{Mask, Responses};
use mental_pong_eval::recordings::reliability::{spearman_brown, split_half};
use mental_pong_eval::stats::bootstrap::{Bootstrap, IntervalMethod};
use mental_pong_eval::stats::moments::Moments;
use mental_pong_eval::stats::multiple::Correction;
use mental_pong_eval::stats::permutation::{Alternative, Permutation};
use mental_pong_eval::stats::rank_tests;

fn normals(stream: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| stream.normal()).collect()
}

/// Largest distance of the p from the uniform distribution, over the bound that a correct test passes with chance 0.999
/// (Kolmogorov's limit, 1.9495 / √n).
fn kolmogorov_over_bound(mut p: Vec<f64>) -> f64 {
    p.sort_by(f64::total_cmp);
    let n = p.len() as f64;
    let d = p.iter().enumerate().fold(0.0_f64, |d, (i, p)| {
        d.max((i as f64 + 1.0) / n - p).max(p - i as f64 / n)
    });
    d * n.sqrt() / 1.9495
}

/// Whether a count of `n` is within 3.29 standard deviations (two-sided chance 0.001) of what `rate` says.
fn as_often_as(count: usize, n: usize, rate: f64) -> bool {
    let n = n as f64;
    (count as f64 - n * rate).abs() <= 3.29 * (n * rate * (1.0 - rate)).sqrt() + 0.5
}

const QUICK: Permutation = Permutation {
    permutations: 499,
    alternative: Alternative::TwoSided,
    seed: 0,
    min_n: 6,
};

/// Two models with errors of one size about one truth, `[condition]` of several bins that share their condition's error.
fn null_models(simulation: u64, n: usize) -> [ModelScores; 2] {
    let mut stream = Stream::new(11, "planted null", simulation);
    let truth: Vec<Vec<f64>> = (0..n)
        .map(|_| {
            let level = 2.0 * stream.normal();
            (0..4).map(|_| level + stream.normal()).collect()
        })
        .collect();
    ["a", "b"].map(|name| {
        let pairs: Vec<(Vec<f64>, &Vec<f64>)> = truth
            .iter()
            .map(|y| {
                let shared = stream.normal();
                (y.iter().map(|y| y + shared + stream.normal()).collect(), y)
            })
            .collect();
        ModelScores {
            name: name.into(),
            contributions: Contributions::pairs(&pairs, Measure::Pearson).unwrap(),
        }
    })
}

fn settings(seed: u64) -> ComparisonSettings {
    ComparisonSettings {
        bootstrap: Bootstrap {
            resamples: 200,
            seed,
            ..Bootstrap::default()
        },
        permutation: Permutation { seed, ..QUICK },
        ..ComparisonSettings::default()
    }
}

#[test]
fn p_is_uniform_under_the_null_and_not_under_a_difference() {
    const SIMULATIONS: u64 = 400;
    let run = |shift: f64| {
        let mut p = [vec![], vec![], vec![], vec![]];
        for s in 0..SIMULATIONS {
            let mut stream = Stream::new(12, "planted", s);
            // Skewed but symmetric under the null: differences of two gamma-like scores.
            let d: Vec<f64> = (0..20)
                .map(|_| shift + stream.normal().powi(2) - stream.normal().powi(2))
                .collect();
            let (a, b) = (normals(&mut stream, 14), normals(&mut stream, 17));
            let a: Vec<f64> = a.iter().map(|v| v + shift).collect();
            let test = Permutation { seed: s, ..QUICK };
            p[0].push(test.sign_flip("d", &d).unwrap().p);
            p[1].push(test.two_groups("d", &a, &b).unwrap().p);
            p[2].push(
                rank_tests::signed_rank("d", &d, Alternative::TwoSided, 6)
                    .unwrap()
                    .p,
            );
            p[3].push(
                rank_tests::rank_sum("d", &a, &b, Alternative::TwoSided, 6)
                    .unwrap()
                    .p,
            );
        }
        p
    };
    for (which, p) in run(0.0).into_iter().enumerate() {
        let rejected = p.iter().filter(|p| **p <= 0.05).count();
        assert!(
            as_often_as(rejected, 400, 0.05),
            "test {which} rejects {rejected} of 400"
        );
        let over = kolmogorov_over_bound(p);
        assert!(over < 1.0, "test {which}: {over} of the bound");
    }
    for (which, p) in run(1.0).into_iter().enumerate() {
        let rejected = p.iter().filter(|p| **p <= 0.05).count();
        assert!(rejected > 200, "test {which} finds {rejected} of 400");
        assert!(kolmogorov_over_bound(p) > 1.0);
    }
}

#[test]
fn swapped_models_reject_as_often_as_they_say() {
    let p: Vec<f64> = (0..300)
        .map(|s| {
            let found = compare_models(&null_models(s, 25), &settings(s)).unwrap();
            found.pairs[0].test.p
        })
        .collect();
    let rejected = p.iter().filter(|p| **p <= 0.05).count();
    assert!(as_often_as(rejected, 300, 0.05), "{rejected} of 300");
    assert!(kolmogorov_over_bound(p) < 1.0);
}

#[test]
fn holm_keeps_the_error_of_the_family() {
    // Ten pairs of five models without a difference: any finding is a false one.
    let family = |correction| {
        (0..200)
            .filter(|&s| {
                let mut stream = Stream::new(13, "family", s);
                let models: Vec<ModelScores> = (0..5)
                    .map(|m| ModelScores {
                        name: format!("{m}"),
                        contributions: Contributions::scores(
                            normals(&mut stream, 15),
                            Measure::Mean,
                        )
                        .unwrap(),
                    })
                    .collect();
                let settings = ComparisonSettings {
                    correction,
                    ..settings(s)
                };
                let found = compare_models(&models, &settings).unwrap();
                found.pairs.iter().any(|pair| pair.better.is_some())
            })
            .count()
    };
    let (holm, none) = (family(Correction::Holm), family(Correction::None));
    // At most 5 %, within 3.09 standard deviations (one-sided 0.001); without a correction far more.
    assert!(holm <= 10 + 10, "{holm} of 200");
    assert!(none > 35, "{none} of 200");
}

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    const SIMULATIONS: u64 = 300;
    const CONDITIONS: usize = 60;
    // Truth y = level + noise, prediction y + shared error + noise: the population correlation by its variances.
    let truth = (4.0 + 1.0) / f64::sqrt((4.0 + 1.0) * (4.0 + 1.0 + 1.0 + 1.0));
    for method in [IntervalMethod::Bca, IntervalMethod::Percentile] {
        let (mut r_covers, mut mean_covers, mut rows_cover) = (0, 0, 0);
        for s in 0..SIMULATIONS {
            let bootstrap = Bootstrap {
                resamples: 600,
                seed: s,
                method,
                ..Bootstrap::default()
            };
            let [a, _] = null_models(1000 + s, CONDITIONS);
            let of = |drawn: &[usize]| a.contributions.value_of(drawn);
            let interval = bootstrap.interval("r", CONDITIONS, of).unwrap();
            r_covers += usize::from(interval.contains(truth));
            // A skewed score of each condition, mean 1.
            let mut stream = Stream::new(14, "skewed", s);
            let x: Vec<f64> = (0..CONDITIONS).map(|_| stream.normal().powi(2)).collect();
            let mean =
                |drawn: &[usize]| drawn.iter().map(|&i| x[i]).sum::<f64>() / drawn.len() as f64;
            mean_covers += usize::from(
                bootstrap
                    .interval("mean", CONDITIONS, mean)
                    .unwrap()
                    .contains(1.0),
            );
            // The control: bins of 15 conditions as if they were independent.
            let level: Vec<f64> = (0..CONDITIONS).map(|i| x[i / 4]).collect();
            let mean =
                |drawn: &[usize]| drawn.iter().map(|&i| level[i]).sum::<f64>() / drawn.len() as f64;
            rows_cover += usize::from(
                bootstrap
                    .interval("rows", CONDITIONS, mean)
                    .unwrap()
                    .contains(1.0),
            );
        }
        assert!(
            as_often_as(r_covers, 300, 0.95),
            "{method:?}: r {r_covers} of 300"
        );
        // The bootstrap of a mean of 60 chi-square scores is known to fall short by about 2 %.
        assert!(
            (270..=297).contains(&mean_covers),
            "{method:?}: mean {mean_covers} of 300"
        );
        assert!(
            rows_cover < 225,
            "{method:?}: dependent bins {rows_cover} of 300"
        );
    }
}

#[test]
fn ceilings_are_recovered_and_a_perfect_model_reaches_them() {
    // Responses of a neuron to 79 conditions: signal of variance 1, noise of variance `noise` in the mean of each half.
    let mut covered = 0;
    for s in 0..100 {
        let mut stream = Stream::new(15, "ceiling", s);
        let noise: f64 = 0.8;
        let signal = normals(&mut stream, 79);
        let mut half = || -> Vec<f64> {
            let sd = noise.sqrt();
            signal.iter().map(|v| v + sd * stream.normal()).collect()
        };
        let (first, second) = (half(), half());
        let full: Vec<f64> = first
            .iter()
            .zip(&second)
            .map(|(a, b)| (a + b) / 2.0)
            .collect();
        let clip = |x: &[f64], y: &[f64]| {
            let pairs: Vec<([f64; 1], [f64; 1])> =
                x.iter().zip(y).map(|(x, y)| ([*x], [*y])).collect();
            Moments::per_condition(&pairs).unwrap()
        };
        let (halves, model) = (clip(&first, &second), clip(&signal, &full));
        let r = |sums: &[Moments], drawn: &[usize]| {
            let mut total = Moments::default();
            drawn.iter().for_each(|&i| total.add(&sums[i]));
            total.pearson()
        };
        // The perfect model is the signal itself: its correlation over the ceiling is 1, beyond it where noise says so.
        let corrected =
            |drawn: &[usize]| r(&model, drawn) / spearman_brown(r(&halves, drawn)).sqrt();
        let bootstrap = Bootstrap {
            resamples: 400,
            seed: s,
            ..Bootstrap::default()
        };
        let interval = bootstrap
            .interval("noise-corrected r", 79, corrected)
            .unwrap();
        covered += usize::from(interval.contains(1.0));
        if s == 0 {
            // Many conditions: the reliability of the full mean is 1 / (1 + noise / 2).
            let signal = normals(&mut stream, 40_000);
            let mut half = || {
                let noisy = signal
                    .iter()
                    .map(|v| v + noise.sqrt() * stream.normal())
                    .collect();
                Responses::new(1, 400, 100, "a.u.", noisy).unwrap()
            };
            let (first, second) = (half(), half());
            let mask = Mask::new(400, 100, vec![true; 40_000]).unwrap();
            let unit = split_half(&first, &second, &mask, 0.01).unwrap()[0];
            assert!((unit.spearman_brown - 1.0 / 1.4).abs() < 0.01, "{unit:?}");
            assert!(unit.reliable);
        }
    }
    assert!(as_often_as(covered, 100, 0.95), "{covered} of 100");
}

/// A layout of `n` conditions with one hidden target, and its truth as features.
fn planted_layout(n: usize, bins: usize, seed: u64) -> (Layout, Vec<Array2>) {
    let mut stream = Stream::new(seed, "layout", 0);
    let mut features = Vec::new();
    let conditions = (0..n)
        .map(|c| {
            let (start, slope) = (3.0 * stream.normal(), 0.4 * stream.normal());
            let targets = Array2::from_fn(bins, 1, |bin, _| start + slope * bin as f64);
            features.push(Array2::from_fn(bins, 2, |bin, u| {
                targets.get(bin, 0) * [1.0, -2.0][u] + [0.0, 3.0][u]
            }));
            ConditionRows {
                id: c.to_string(),
                bins: (0..bins).collect(),
                targets,
                visible: (0..bins).map(|bin| bin < bins / 2).collect(),
                hidden: (0..bins).map(|bin| bin >= bins / 2).collect(),
            }
        })
        .collect();
    (
        Layout::new(vec!["y".into()], 50.0, conditions).unwrap(),
        features,
    )
}

#[test]
fn a_perfect_model_scores_one_and_a_constant_one_fails() {
    let (layout, perfect) = planted_layout(30, 10, 16);
    let splits: Vec<Split> = (0..20)
        .map(|s| {
            let order = Stream::new(17, "split", s).permutation(30);
            Split {
                train: order[..15].to_vec(),
                test: order[15..].to_vec(),
            }
        })
        .collect();
    let run = |features: &[Array2]| {
        let decoder = OnlineDecoder::new(&layout, features).unwrap();
        decoder.run(&splits, Readout::Full).unwrap()
    };
    let result = run(&perfect);
    let held = Contributions::held_out(
        &layout,
        &result.held_out,
        Epoch::Hidden,
        0,
        Measure::Pearson,
    )
    .unwrap();
    let bootstrap = Bootstrap {
        resamples: 500,
        ..Bootstrap::default()
    };
    let interval = bootstrap
        .interval("r", held.n(), |drawn| held.value_of(drawn))
        .unwrap();
    assert!((interval.estimate - 1.0).abs() < 1e-9 && interval.low > 1.0 - 1e-9);
    assert!(
        interval.low <= interval.estimate + 1e-12 && interval.estimate <= interval.high + 1e-12
    );

    let constant = mental_pong_eval::controls::constant_features(&[10; 30]);
    let flat = run(&constant).r_per_split(Epoch::Hidden, 0);
    assert!(flat.iter().all(|r| r.is_nan()));
}

struct Rows {
    features: Array2,
    target: Vec<f64>,
    condition: Vec<usize>,
}

/// 24 conditions of 8 to 12 rows. Features hold the clock, noise and, with `identity`, eight numbers that are constant in a
/// condition and say nothing about any other; with `state`, the target.
fn rows(seed: u64, identity: bool, state: bool) -> Rows {
    let mut stream = Stream::new(seed, "leak", 0);
    let (mut features, mut target, mut condition) = (Vec::new(), Vec::new(), Vec::new());
    for c in 0..24 {
        let (start, slope) = (3.0 * stream.normal(), 0.3 * stream.normal() + 0.2);
        let tag = normals(&mut stream, 8);
        for bin in 0..8 + c % 5 {
            let y = start + slope * bin as f64;
            let mut row = vec![bin as f64, stream.normal()];
            row.extend(
                tag.iter()
                    .map(|t| if identity { *t } else { stream.normal() }),
            );
            row.push(if state {
                y + stream.normal()
            } else {
                stream.normal()
            });
            features.push(row);
            target.push(y);
            condition.push(c);
        }
    }
    Rows {
        features: Array2::from_rows(&features).unwrap(),
        target,
        condition,
    }
}

fn row_splits(rows: &Rows, seed: u64, by_condition: bool) -> Vec<RowSplit> {
    (0..8)
        .map(|s| {
            let mut stream = Stream::new(seed, "rows", s);
            let train = if by_condition {
                let order = stream.permutation(24);
                let mut inside = [false; 24];
                order[..12].iter().for_each(|&c| inside[c] = true);
                rows.condition
                    .iter()
                    .map(|&c| inside[c])
                    .collect::<Vec<bool>>()
            } else {
                rows.condition.iter().map(|_| stream.chance(0.5)).collect()
            };
            let (train, test) = (0..train.len()).partition(|&row| train[row]);
            RowSplit { train, test }
        })
        .collect()
}

#[test]
fn a_planted_leak_is_found_and_clean_splits_pass() {
    let rule = LeakRule::default();
    let check = |rows: &Rows, splits: &[RowSplit], seed: u64| {
        let rule = LeakRule { seed, ..rule };
        leak_check(&rows.features, &rows.target, &rows.condition, splits, &rule).unwrap()
    };
    // Splits over rows, features that carry the condition: the test finds it by the score alone.
    let tagged = rows(21, true, true);
    let leak = check(&tagged, &row_splits(&tagged, 1, false), 1);
    assert!(leak.leaks && leak.test.p < 0.01 && leak.splits_sharing_conditions == 8);
    assert!(
        leak.exchanged > 0.3 && leak.exchanged_by_condition < 0.3,
        "{}",
        leak.detail()
    );
    assert!(leak.gap() > 0.0, "{}", leak.detail());

    // The same features with splits by condition: identity does not help.
    let clean = check(&tagged, &row_splits(&tagged, 1, true), 1);
    assert!(
        !clean.leaks && clean.splits_sharing_conditions == 0,
        "{}",
        clean.detail()
    );

    // Splits over rows of features without identity: conditions are shared and it is said, but there is nothing to gain.
    let plain = rows(22, false, false);
    let shared = check(&plain, &row_splits(&plain, 2, false), 2);
    assert!(shared.leaks && shared.splits_sharing_conditions == 8 && shared.test.p > 0.01);

    // False alarms on clean splits: at 0.01, more than 4 of 60 has a chance below 0.001.
    let alarms = (0..60)
        .filter(|&s| {
            let rows = rows(100 + s, s % 2 == 0, s % 3 == 0);
            let rule = LeakRule {
                exchanges: 5,
                splits_by_condition: 60,
                seed: s,
                ..rule
            };
            let splits = row_splits(&rows, 100 + s, true);
            leak_check(
                &rows.features,
                &rows.target,
                &rows.condition,
                &splits,
                &rule,
            )
            .unwrap()
            .leaks
        })
        .count();
    assert!(alarms <= 4, "{alarms} of 60");
}

#[test]
fn a_leak_check_refuses_what_it_cannot_judge() {
    let rows = rows(23, true, true);
    let mut splits = row_splits(&rows, 3, true);
    let rule = LeakRule::default();
    let check = |splits: &[RowSplit], condition: &[usize], rule: &LeakRule| {
        leak_check(&rows.features, &rows.target, condition, splits, rule).is_err()
    };
    assert!(check(&[], &rows.condition, &rule));
    assert!(check(&splits, &rows.condition[1..], &rule));
    assert!(check(&splits, &vec![0; rows.target.len()], &rule));
    assert!(check(
        &splits,
        &rows.condition,
        &LeakRule {
            exchanges: 0,
            ..rule
        }
    ));
    let row = splits[0].train[0];
    splits[0].test.push(row);
    assert!(check(&splits, &rows.condition, &rule));
}
