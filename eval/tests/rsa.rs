//! Representational similarity against the authors' code on synthetic data (see `tests/data/README.md`), against the plain
//! definition on fresh random input, and against a planted truth.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod reference;

use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::recordings::dmfc::{Population, Recording};
use mental_pong_eval::rsa::{
    Consistency, Metric, Part, Recorded, Rsa, RsaScore, StepAxis, System, geometry, rdm,
    simulation_index, warp_time,
};
use mental_pong_eval::stats::{mean, pearson, sd};
use mental_pong_game::task::{PRIMATE79_IDS, primate79};
use serde_json::Value;

use reference::{Npz, data, json};

/// `[condition][bin, unit]` of the mask start_end.
fn by_condition(rows: &Array2, bins: &[usize]) -> Vec<Array2> {
    let mut start = 0;
    bins.iter()
        .map(|&n| {
            start += n;
            Array2::from_fn(n, rows.cols(), |i, j| rows.get(start - n + i, j))
        })
        .collect()
}

/// `[condition][step, unit]`, steps 0 to t_end.
fn model(name: &str, axis: &StepAxis) -> Vec<Array2> {
    let mut npz = Npz::open("rnn_states.npz");
    let (shape, values) = (npz.shape(name), npz.f32s(name));
    axis.steps()
        .iter()
        .enumerate()
        .map(|(c, &n)| {
            Array2::from_fn(n, shape[2], |t, u| {
                values[(c * shape[1] + t) * shape[2] + u]
            })
        })
        .collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

const MODELS: [&str; 3] = ["toy_sim10", "toy_nosim10", "toy_half20"];

/// Largest difference of the five numbers.
fn difference(found: Consistency, entry: &Value, prefix: &str) -> f64 {
    [
        ("r_xx", found.r_xx),
        ("r_yy", found.r_yy),
        ("r_xy", found.r_xy),
        ("r_xy_n", found.r_xy_n),
        ("r_xy_n_sb", found.r_xy_n_sb),
    ]
    .iter()
    .map(|(name, value)| {
        let expected = number(&entry[&format!("{prefix}_{name}")]);
        if expected.is_nan() && value.is_nan() {
            0.0
        } else {
            (expected - value).abs()
        }
    })
    .fold(0.0, |m: f64, d| {
        assert!(!d.is_nan());
        m.max(d)
    })
}

struct Synthetic {
    axis: StepAxis,
    ball: Vec<Array2>,
    bins: Vec<usize>,
}

impl Synthetic {
    fn load() -> Self {
        let mut online = Npz::open("synthetic_online.npz");
        let conditions = online.ints("condition");
        let bins: Vec<usize> = conditions
            .chunk_by(|a, b| a == b)
            .map(<[i64]>::len)
            .collect();
        let targets = online.rows("targets");
        let xy = Array2::from_fn(targets.rows(), 2, |i, j| targets.get(i, j));
        // Conditions of the synthetic set are not the recorded ones.
        let mut npz = Npz::open("synthetic_rsa.npz");
        let [steps, occlusion] = ["steps", "occlusion"].map(|name| npz.indices(name));
        Self {
            axis: StepAxis::published(&steps, &occlusion).unwrap(),
            ball: by_condition(&xy, &bins),
            bins,
        }
    }

    fn neurons(&self, name: &str) -> [Vec<Array2>; 3] {
        ["", "_sh1", "_sh2"].map(|half| {
            let rows = match name.strip_prefix("neural_responses_reliable_FactorAnalysis_") {
                Some("50") if half.is_empty() => {
                    Npz::open("synthetic_online.npz").rows("factors_x1024")
                }
                Some(n) => Npz::open("synthetic_rsa.npz").rows(&format!("factors{n}{half}_x1024")),
                None => Npz::open("synthetic_rsa.npz").rows(&format!("reliable{half}")),
            };
            by_condition(&rows, &self.bins)
        })
    }
}

#[test]
fn every_published_entry_matches_the_authors_code() {
    let golden = json("golden_rsa.json");
    let synthetic = Synthetic::load();
    let axis = &synthetic.axis;
    let models = MODELS.map(|name| model(name, axis));
    let systems: Vec<System<'_>> = MODELS
        .iter()
        .zip(&models)
        .map(|(n, m)| System::noiseless(n, m))
        .collect();
    let (mut worst, mut worst_partial, mut compared) = (0.0f64, 0.0f64, 0);
    for run in golden["runs"].as_array().unwrap() {
        for part in axis.parts() {
            let expected = run["masks_n_finite"][&format!("{}_pad0", part.name)]
                .as_u64()
                .unwrap();
            assert_eq!(part.count() as u64, expected);
        }
        let [full, half1, half2] = synthetic.neurons(run["neural_data"].as_str().unwrap());
        let neurons = System::with_halves("neurons", &full, &half1, &half2);
        let rsa = Rsa::new(axis, &neurons, Some(&synthetic.ball)).unwrap();
        let scores = rsa.compare(&systems).unwrap();
        for (score, expected) in scores.iter().zip(run["models"].as_array().unwrap()) {
            assert_eq!(score.system, expected["name"].as_str().unwrap());
            let found = score.parts.len() * 10 + 3;
            assert_eq!(
                expected.as_object().unwrap().len(),
                found,
                "an entry is not compared"
            );
            for part in &score.parts {
                assert_eq!(
                    part.n_pairs,
                    (part.n_states * (part.n_states - 1) / 2) as u64
                );
                assert_eq!(part.n_pairs_missing, 0);
                let raw = difference(
                    part.raw,
                    expected,
                    &format!("pdist_similarity_{}_pad0_euclidean", part.part),
                );
                let partial = difference(
                    part.partial_as_published.unwrap(),
                    expected,
                    &format!("pdist_similarity_partial_{}_pad0_euclidean", part.part),
                );
                worst = worst.max(raw);
                worst_partial = worst_partial.max(partial);
                compared += 10;
            }
        }
    }
    println!("{compared} numbers; worst {worst:e}, partial {worst_partial:e}");
    assert!(
        worst < 1e-9 && worst_partial < 1e-8,
        "{worst:e} {worst_partial:e}"
    );
    assert_eq!(compared, 450);
}

#[test]
fn time_warping_matches_the_authors_code() {
    let golden = json("golden_rsa.json");
    let synthetic = Synthetic::load();
    let check = &golden["runs"][0]["mapped_check"];
    let neurons = synthetic.neurons("neural_responses_reliable_FactorAnalysis_50");
    for (name, states) in ["X", "X_sh1", "X_sh2"].iter().zip(&neurons) {
        let warped: Vec<Array2> = states
            .iter()
            .zip(synthetic.axis.steps())
            .map(|(s, &n)| warp_time(s, n).unwrap())
            .collect();
        for unit in 0..5 {
            let sum: f64 = warped
                .iter()
                .map(|c| c.column(unit).iter().sum::<f64>())
                .sum();
            assert!((sum - number(&check[name]["nansum_per_unit_first5"][unit])).abs() < 1e-9);
        }
        for (key, condition, unit) in [("unit0_condition0", 0, 0), ("unit1_condition78", 78, 1)] {
            let expected = check[name][key].as_array().unwrap();
            let found = warped[condition].column(unit);
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(expected) {
                assert!((a - number(b)).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn distances_match_the_authors_code() {
    let golden = json("golden_rsa.json");
    let synthetic = Synthetic::load();
    let hidden = synthetic.axis.part("occ_end").unwrap();
    for run in golden["runs"].as_array().unwrap() {
        let [full, ..] = synthetic.neurons(run["neural_data"].as_str().unwrap());
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for (c, states) in full.iter().enumerate() {
            let warped = warp_time(states, synthetic.axis.steps()[c]).unwrap();
            rows.extend(
                (0..warped.rows())
                    .filter(|&s| hidden.inside[c][s])
                    .map(|s| warped.row(s).to_vec()),
            );
        }
        let rows = Array2::from_rows(&rows).unwrap();
        let n = rows.rows();
        // Place of pair (i, j), i < j, in the condensed order.
        let at = |i: usize, j: usize| i * n - i * (i + 1) / 2 + j - i - 1;
        let euclidean = rdm(&rows, Metric::Euclidean).unwrap();
        let check = &run["rdm_check_occ_end_euclidean"];
        assert_eq!(n as u64, check["n_states"].as_u64().unwrap());
        assert_eq!(euclidean.len() as u64, check["n_pairs"].as_u64().unwrap());
        assert!((mean(&euclidean) - number(&check["mean"])).abs() < 1e-9);
        assert!((sd(&euclidean) - number(&check["sd"])).abs() < 1e-9);
        let correlation = rdm(&rows, Metric::Correlation).unwrap();
        let check_r = &run["rdm_check_occ_end_corr"];
        // The authors keep the correlation itself.
        assert!((1.0 - mean(&correlation) - number(&check_r["mean"])).abs() < 1e-9);
        for k in 0..10 {
            let pair = at(k, 10);
            let key = "first_row_pairs_10_0_to_10_9";
            assert!((euclidean[pair] - number(&check[key][k])).abs() < 1e-9);
            assert!((1.0 - correlation[pair] - number(&check_r[key][k])).abs() < 1e-9);
        }
    }
}

#[test]
fn simulation_index_matches_the_authors_code() {
    let golden = json("golden_rsa.json");
    let axis = Synthetic::load().axis;
    let px = Npz::open("synthetic_rsa.npz").rows("design_px32");
    let deg = Array2::from_fn(px.rows(), 2, |i, k| (px.get(i, k) - 16.0) / 16.0 * 10.0);
    let ball = by_condition(&deg, axis.steps());
    let mut worst = 0.0f64;
    for name in MODELS {
        let states = model(name, &axis);
        for folds in [2, 5, 10] {
            let found = simulation_index(&axis, &states, &ball, folds).unwrap();
            let expected = &golden["simulation_index"]["models"][name];
            for target in 0..2 {
                for (key, value) in [
                    ("mae", found.mae_px32[target]),
                    ("rmse", found.rmse_px32[target]),
                    ("rho", found.r[target]),
                    ("nse", found.nse[target]),
                ] {
                    let expected = number(&expected[&format!("{key}_k{folds}")][target]);
                    worst = worst.max((value - expected).abs());
                }
            }
            assert_eq!(found.n_steps, 1715);
            assert!(
                (found.index_px32 - (found.mae_px32[0] + found.mae_px32[1]) / 2.0).abs() < 1e-12
            );
            assert!((found.index_deg - 0.625 * found.index_px32).abs() < 1e-12);
        }
    }
    println!("worst {worst:e}");
    assert!(worst < 1e-9, "{worst:e}");
}

/// Random states with a smooth path through each condition.
fn random_states(steps: &[usize], units: usize, seed: u64) -> Vec<Array2> {
    let mut stream = Stream::new(seed, "test states", units as u64);
    steps
        .iter()
        .map(|&n| {
            let mut at: Vec<f64> = (0..units).map(|_| 3.0 * stream.normal()).collect();
            Array2::from_fn(n, units, |_, u| {
                at[u] += stream.normal();
                at[u]
            })
        })
        .collect()
}

fn plus(a: &[Array2], b: &[Array2], factor: f64) -> Vec<Array2> {
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            Array2::from_fn(a.rows(), a.cols(), |i, j| {
                a.get(i, j) + factor * b.get(i, j)
            })
        })
        .collect()
}

/// Distances of one part by the definition, pair by pair; NaN units as scikit-learn has them.
fn plain_distances(states: &[Array2], part: &Part) -> Vec<f64> {
    let rows: Vec<&[f64]> = states
        .iter()
        .enumerate()
        .flat_map(|(c, s)| {
            (0..s.rows())
                .filter(move |&t| part.inside[c][t])
                .map(|t| s.row(t))
        })
        .collect();
    let mut out = Vec::new();
    for j in 0..rows.len() {
        for i in 0..j {
            let (mut sum, mut present) = (0.0, 0.0);
            for (a, b) in rows[i].iter().zip(rows[j]) {
                if !a.is_nan() && !b.is_nan() {
                    sum += (a - b) * (a - b);
                    present += 1.0;
                }
            }
            out.push((sum * rows[i].len() as f64 / present).sqrt());
        }
    }
    out
}

fn plain_consistency(x: [&[f64]; 3], y: [&[f64]; 3]) -> Consistency {
    Consistency::from_correlations(
        pearson(x[1], x[2]),
        pearson(y[1], y[2]),
        pearson(x[0], y[0]),
        [pearson(x[2], y[1]), pearson(x[1], y[2])],
    )
}

fn worst(a: Consistency, b: Consistency) -> f64 {
    [
        a.r_xx - b.r_xx,
        a.r_yy - b.r_yy,
        a.r_xy - b.r_xy,
        a.r_xy_n - b.r_xy_n,
        a.r_xy_n_sb - b.r_xy_n_sb,
    ]
    .iter()
    .fold(0.0, |m: f64, d| {
        assert!(!d.is_nan(), "{a:?} {b:?}");
        m.max(d.abs())
    })
}

#[test]
fn one_pass_equals_the_definition_on_random_input_with_overlapping_parts() {
    let steps = [9, 14, 1, 30, 7];
    // Parts that share steps, and steps that are in none.
    let part = |name: &str, f: &dyn Fn(usize, usize) -> bool| Part {
        name: name.into(),
        inside: steps
            .iter()
            .map(|&n| (0..n).map(|s| f(s, n)).collect())
            .collect(),
    };
    let axis = StepAxis::with_parts(
        &steps,
        vec![
            part("early", &|s, n| s > 0 && s < n / 2 + 1),
            part("late", &|s, n| s >= n / 2),
            part("middle", &|s, n| s == n / 2),
        ],
    )
    .unwrap();
    for seed in 0..5 {
        let truth = random_states(&steps, 6, seed);
        let [e1, e2, e3, e4] = [11, 12, 13, 14].map(|k| random_states(&steps, 6, 100 * seed + k));
        let x = [
            plus(&truth, &e1, 0.2),
            plus(&truth, &e1, 0.4),
            plus(&truth, &e2, 0.4),
        ];
        let y = [
            plus(&truth, &e3, 0.3),
            plus(&truth, &e3, 0.5),
            plus(&truth, &e4, 0.5),
        ];
        let neurons = System::with_halves("x", &x[0], &x[1], &x[2]);
        let ball = random_states(&steps, 2, seed + 50);
        let rsa = Rsa::new(&axis, &neurons, Some(&ball)).unwrap();
        let other = System::with_halves("y", &y[0], &y[1], &y[2]);
        let alone = System::noiseless("truth", &truth);
        let scores = rsa.compare(&[other, alone]).unwrap();
        for (p, part) in axis.parts().iter().enumerate() {
            let dx = [0, 1, 2].map(|k| plain_distances(&x[k], part));
            let dy = [0, 1, 2].map(|k| plain_distances(&y[k], part));
            let dt = plain_distances(&truth, part);
            let dx = [0, 1, 2].map(|k: usize| dx[k].as_slice());
            let expected = plain_consistency(dx, [0, 1, 2].map(|k: usize| dy[k].as_slice()));
            assert!(worst(scores[0].parts[p].raw, expected) < 1e-12);
            let expected = plain_consistency(dx, [dt.as_slice(); 3]);
            assert!(worst(scores[1].parts[p].raw, expected) < 1e-12);
            assert_eq!(scores[0].parts[p].n_pairs as usize, dt.len());

            // Without one condition: the same by leaving it out from the start.
            let keep: Vec<usize> = (0..steps.len()).filter(|&c| c != 3).collect();
            let fewer = Part {
                name: part.name.clone(),
                inside: keep.iter().map(|&c| part.inside[c].clone()).collect(),
            };
            let few = |s: &[Array2]| -> Vec<f64> {
                plain_distances(
                    &keep.iter().map(|&c| s[c].clone()).collect::<Vec<_>>(),
                    &fewer,
                )
            };
            let dx = x.each_ref().map(|s| few(s));
            let dt = few(&truth);
            let expected = plain_consistency([&dx[0], &dx[1], &dx[2]], [&dt, &dt, &dt]);
            assert!((scores[1].parts[p].leave_one_out[3] - expected.r_xy_n_sb).abs() < 1e-11);
        }
    }
}

#[test]
fn missing_units_and_states_follow_the_definition() {
    let steps = [8, 9, 10];
    let axis = StepAxis::published(&steps, &[4, 4, 5]).unwrap();
    let mut x = random_states(&steps, 5, 1);
    x[0].set(2, 1, f64::NAN);
    x[1].set(3, 4, f64::NAN);
    x[1].set(3, 1, f64::NAN);
    let model = random_states(&steps, 3, 2);
    let neurons = System::noiseless("x", &x);
    let score = |x: &System<'_>, m: &[Array2]| {
        Rsa::new(&axis, x, None)
            .unwrap()
            .compare(&[System::noiseless("m", m)])
            .unwrap()
            .remove(0)
    };
    let found = score(&neurons, &model);
    let all = &axis.parts()[0];
    let expected = pearson(&plain_distances(&x, all), &plain_distances(&model, all));
    assert!((found.parts[0].raw.r_xy - expected).abs() < 1e-12);
    assert_eq!(found.parts[0].n_pairs_missing, 0);

    // A state that is missing altogether takes its pairs with it, in either system.
    let without = |a: &[f64], b: &[f64]| {
        let (a, b): (Vec<f64>, Vec<f64>) = a
            .iter()
            .zip(b)
            .filter(|(a, b)| !a.is_nan() && !b.is_nan())
            .unzip();
        pearson(&a, &b)
    };
    for unit in 0..5 {
        x[2].set(7, unit, f64::NAN);
    }
    let mut holed = model.clone();
    for unit in 0..3 {
        holed[0].set(1, unit, f64::NAN);
    }
    for m in [&model, &holed] {
        let found = score(&System::noiseless("x", &x), m);
        let expected = without(&plain_distances(&x, all), &plain_distances(m, all));
        assert!((found.parts[0].raw.r_xy - expected).abs() < 1e-12);
    }
    let n = 27 * 26 / 2;
    let found = score(&System::noiseless("x", &x), &holed);
    assert_eq!(
        (found.parts[0].n_pairs, found.parts[0].n_pairs_missing),
        (n - 51, 51)
    );
    // A hole in one system does not touch the next one.
    let rsa = Rsa::new(&axis, &System::noiseless("x", &x), None).unwrap();
    let both = rsa
        .compare(&[
            System::noiseless("a", &model),
            System::noiseless("b", &holed),
            System::noiseless("c", &model),
        ])
        .unwrap();
    assert_eq!(
        (
            both[0].parts[0].n_pairs_missing,
            both[1].parts[0].n_pairs_missing
        ),
        (26, 51)
    );
    assert_eq!(
        format!("{:?}", both[0].parts),
        format!("{:?}", both[2].parts)
    );
}

#[test]
fn a_planted_system_is_recovered_and_an_unrelated_one_is_not() {
    let steps = vec![20; 30];
    let axis = StepAxis::published(&steps, &[10; 30]).unwrap();
    let truth = random_states(&steps, 8, 7);
    // Noise that is fresh in every bin, as that of trial averages; the whole is the mean of its halves.
    let noise = |seed: u64| -> Vec<Array2> {
        let mut stream = Stream::new(seed, "test noise", 0);
        steps
            .iter()
            .map(|&n| Array2::from_fn(n, 8, |_, _| stream.normal()))
            .collect()
    };
    let half1 = plus(&truth, &noise(1), 4.0);
    let half2 = plus(&truth, &noise(2), 4.0);
    let full = plus(&plus(&half1, &half1, -0.5), &half2, 0.5);
    let other = random_states(&steps, 8, 8);
    let neurons = System::with_halves("neurons", &full, &half1, &half2);
    let rsa = Rsa::new(&axis, &neurons, None).unwrap();
    let scores = rsa
        .compare(&[
            System::noiseless("truth", &truth),
            System::noiseless("other", &other),
        ])
        .unwrap();
    for p in 0..3 {
        let (planted, unrelated) = (&scores[0].parts[p], &scores[1].parts[p]);
        println!("{} {:?} se {:?}", planted.part, planted.raw, planted.raw_se);
        println!("   other {:?} se {:?}", unrelated.raw, unrelated.raw_se);
        // Without the correction, noise hides a part.
        assert!(planted.raw.r_xy < 0.97);
        for (value, se) in [
            (planted.raw.r_xy_n, planted.raw_se.r_xy_n),
            (planted.raw.r_xy_n_sb, planted.raw_se.r_xy_n_sb),
        ] {
            assert!((value - 1.0).abs() < (2.5 * se).min(0.15), "{value} {se}");
            assert!(se > 0.0 && se < 0.12, "{se}");
        }
    }
    // Neighbours in time are near in any system, so strangers are only strangers with one state a condition.
    for p in 3..5 {
        let unrelated = &scores[1].parts[p];
        println!(
            "{} {:?} se {:?}",
            unrelated.part, unrelated.raw, unrelated.raw_se
        );
        assert!(unrelated.raw.r_xy.abs() < 0.3 && unrelated.raw_se.r_xy > 0.01);
    }
}

#[test]
fn only_the_textbook_partial_correlation_takes_the_ball_out() {
    let steps = vec![3; 80];
    let axis = StepAxis::published(&steps, &[1; 80]).unwrap();
    // Two systems that share the ball and nothing else.
    let ball = random_states(&steps, 2, 3);
    let with_ball = |seed: u64| -> Vec<Array2> {
        let own = random_states(&steps, 2, seed);
        ball.iter()
            .zip(&own)
            .map(|(b, o)| {
                Array2::from_fn(b.rows(), 4, |i, j| {
                    if j < 2 { b.get(i, j) } else { o.get(i, j - 2) }
                })
            })
            .collect()
    };
    let (x, y) = (with_ball(4), with_ball(5));
    let rsa = Rsa::new(&axis, &System::noiseless("x", &x), Some(&ball)).unwrap();
    let score = rsa
        .compare(&[System::noiseless("y", &y)])
        .unwrap()
        .remove(0);
    let all = score.part("f").unwrap();
    let (textbook, published) = (all.partial.unwrap(), all.partial_as_published.unwrap());
    println!(
        "raw {} textbook {} published {}",
        all.raw.r_xy, textbook.r_xy, published.r_xy
    );
    assert!(all.raw.r_xy > 0.3);
    assert!(textbook.r_xy.abs() < 0.1);
    assert!((published.r_xy - textbook.r_xy).abs() > 0.1);
}

#[test]
fn scores_do_not_depend_on_threads_nor_on_company() {
    let steps = [30, 22, 41, 18, 25, 33, 27];
    let axis = StepAxis::published(&steps, &[15; 7]).unwrap();
    let x = random_states(&steps, 12, 1);
    let models: Vec<Vec<Array2>> = (0..20).map(|k| random_states(&steps, 3 + k, 2)).collect();
    let systems: Vec<System<'_>> = models.iter().map(|m| System::noiseless("m", m)).collect();
    let rsa = Rsa::new(&axis, &System::noiseless("x", &x), None).unwrap();
    let on = |threads: usize| -> Vec<RsaScore> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| rsa.compare(&systems).unwrap())
    };
    let one = on(1);
    assert_eq!(one, on(3));
    for k in [0, 17, 19] {
        assert_eq!(rsa.compare(&systems[k..=k]).unwrap()[0], one[k]);
    }
    assert_ne!(one[0].parts, one[1].parts);
}

#[test]
fn wrong_shapes_are_refused() {
    let axis = StepAxis::published(&[4, 5], &[2, 2]).unwrap();
    let good = random_states(&[4, 5], 3, 1);
    let rsa = Rsa::new(&axis, &System::noiseless("x", &good), None).unwrap();
    let other = random_states(&[4, 4], 3, 1);
    // The reference is warped to the axis, a model is not.
    assert!(Rsa::new(&axis, &System::noiseless("x", &other), None).is_ok());
    let error = rsa
        .compare(&[System::noiseless("m", &other)])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("m, condition 1") && error.contains("5 steps"),
        "{error}"
    );
    assert!(rsa.compare(&[System::noiseless("m", &good[..1])]).is_err());
    let mut bad = good.clone();
    bad[1].set(0, 0, f64::INFINITY);
    assert!(rsa.compare(&[System::noiseless("m", &bad)]).is_err());
    assert!(Rsa::new(&axis, &System::noiseless("x", &bad), None).is_err());
    assert!(StepAxis::published(&[4], &[4]).is_err());
    assert!(StepAxis::published(&[4], &[1, 2]).is_err());
    // A constant model has no distances to correlate.
    let still: Vec<Array2> = [4, 5].iter().map(|&n| Array2::filled(n, 2, 1.5)).collect();
    let score = rsa
        .compare(&[System::noiseless("m", &still)])
        .unwrap()
        .remove(0);
    assert!(score.parts[0].raw.r_xy.is_nan());
    assert!(geometry(&still).unwrap().rel_speed.abs() < 1e-15);
}

#[test]
fn scores_survive_json() {
    let axis = StepAxis::published(&[4, 5], &[2, 2]).unwrap();
    let x = random_states(&[4, 5], 3, 1);
    let rsa = Rsa::new(&axis, &System::noiseless("x", &x), None).unwrap();
    let score = rsa
        .compare(&[System::noiseless("m", &random_states(&[4, 5], 2, 2))])
        .unwrap()
        .remove(0);
    let back: RsaScore = serde_json::from_str(&serde_json::to_string(&score).unwrap()).unwrap();
    assert_eq!(back.parts[0].raw, score.parts[0].raw);
    assert_eq!(
        back.part("occ_end").unwrap().n_pairs,
        score.part("occ_end").unwrap().n_pairs
    );
}

#[test]
fn a_recording_is_a_reference() {
    let path = data("recordings").join("mini_hand_dmfc_dataset_50ms.pkl.gz");
    let recording = Recording::open(path).unwrap();
    let recorded = Recorded::load(&recording, Population::All).unwrap();
    let axis = StepAxis::design(&primate79()).unwrap();
    let expected: Vec<String> = PRIMATE79_IDS.iter().map(u32::to_string).collect();
    assert_eq!(recorded.condition_ids.as_ref(), Some(&expected));
    let rsa = Rsa::new(
        &axis,
        &recorded.system("SYNTHETIC recording"),
        Some(&recorded.ball),
    )
    .unwrap();
    // The recording itself, at the model's steps, as a noiseless model.
    let warped: Vec<Array2> = recorded
        .full
        .iter()
        .zip(axis.steps())
        .map(|(s, &n)| warp_time(s, n).unwrap())
        .collect();
    let score = rsa
        .compare(&[System::noiseless("itself", &warped)])
        .unwrap()
        .remove(0);
    for part in &score.parts {
        assert!((part.raw.r_xy - 1.0).abs() < 1e-12);
        assert!(part.raw.r_xx < 0.99);
    }
    assert!(Recorded::load(&recording, Population::Factors(99)).is_err());
}
