//! Decoding of data whose truth was planted, and the behaviour of the tests on nothing at all.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::{
    ConditionRows, EndpointDecoder, Epoch, Layout, OnlineDecoder, Part, Split, generalization,
    group_splits, published_train_sizes, train_size_curve,
};
use mental_pong_eval::linear::{GramTable, Readout, SolvePath};
use mental_pong_eval::stats;
use proptest::prelude::*;

const CONDITIONS: usize = 24;

/// A path for each condition: x runs, y depends on the condition. `bins(c)` rows, the last third hidden.
fn layout(seed: u64) -> Layout {
    let mut stream = Stream::new(seed, "planted-layout", 0);
    let conditions = (0..CONDITIONS)
        .map(|c| {
            let n = 24 + c % 7;
            let (y0, dy) = (stream.uniform(-5.0, 5.0), stream.uniform(-0.3, 0.3));
            ConditionRows {
                id: c.to_string(),
                bins: (6..6 + n).collect(),
                targets: Array2::from_fn(n, 3, |b, t| match t {
                    0 => b as f64 * 0.4 - 5.0,
                    1 => y0 + dy * b as f64,
                    _ => dy,
                }),
                visible: (0..n).map(|b| b < 2 * n / 3).collect(),
                hidden: (0..n).map(|b| b >= 2 * n / 3).collect(),
            }
        })
        .collect();
    let names = ["x", "y", "dy"].map(String::from).to_vec();
    Layout::new(names, 50.0, conditions).unwrap()
}

fn noise(layout: &Layout, units: usize, stream: &mut Stream) -> Vec<Array2> {
    layout
        .conditions()
        .iter()
        .map(|c| Array2::from_fn(c.bins.len(), units, |_, _| stream.normal()))
        .collect()
}

/// A random linear code of the targets with noise of the given size.
fn code(layout: &Layout, units: usize, size: f64, stream: &mut Stream) -> Vec<Array2> {
    let weights = Array2::from_fn(units, 3, |_, _| stream.normal());
    layout
        .conditions()
        .iter()
        .map(|c| {
            Array2::from_fn(c.bins.len(), units, |b, u| {
                let signal: f64 = (0..3)
                    .map(|t| weights.get(u, t) * c.targets.get(b, t))
                    .sum();
                signal + size * stream.normal()
            })
        })
        .collect()
}

#[test]
fn a_planted_linear_code_is_read_and_noise_is_not() {
    let layout = layout(1);
    let mut stream = Stream::new(2, "planted", 0);
    let splits = group_splits(CONDITIONS, 20, 0.5, 0).unwrap();
    let planted = code(&layout, 30, 0.05, &mut stream);
    let decoder = OnlineDecoder::new(&layout, &planted).unwrap();
    let scores = decoder.scores(&splits, Readout::Full).unwrap();
    for target in &scores.targets[..2] {
        assert!(target.r.mean > 0.999, "{target:?}");
    }
    let nothing = noise(&layout, 30, &mut stream);
    let decoder = OnlineDecoder::new(&layout, &nothing).unwrap();
    let scores = decoder.scores(&splits, Readout::Full).unwrap();
    for target in &scores.targets {
        assert!(target.r.mean.abs() < 0.1, "{target:?}");
    }
}

#[test]
fn parts_and_pooled_scores_are_those_of_the_full_run() {
    let layout = layout(3);
    let mut stream = Stream::new(4, "planted", 0);
    let features = code(&layout, 12, 2.0, &mut stream);
    let splits = group_splits(CONDITIONS, 7, 0.5, 3).unwrap();
    let decoder = OnlineDecoder::new(&layout, &features).unwrap();
    let run = decoder.run(&splits, Readout::Full).unwrap();
    let scores = decoder.scores(&splits, Readout::Full).unwrap();
    let held = decoder.held_out(&splits, Readout::Full).unwrap();
    for (epoch, part) in [
        (Epoch::All, Part::All),
        (Epoch::Visible, Part::Visible),
        (Epoch::Hidden, Part::Hidden),
    ] {
        let by_part = decoder.part_scores(&held, part);
        for (s, split) in run.splits.iter().enumerate() {
            assert_eq!(split.scores[epoch as usize], by_part.splits[s].scores);
        }
    }
    for (s, split) in run.splits.iter().enumerate() {
        assert_eq!(split.scores[0], scores.splits[s].scores);
    }
    // As text, in which NaN equals NaN and every digit shows.
    assert_eq!(
        format!("{:?}", held.mean(&layout)),
        format!("{:?}", run.held_out)
    );
}

#[test]
fn a_constant_prediction_has_no_correlation() {
    let layout = layout(5);
    let flat: Vec<Array2> = layout
        .conditions()
        .iter()
        .map(|c| Array2::filled(c.bins.len(), 4, 1.5))
        .collect();
    let splits = group_splits(CONDITIONS, 5, 0.5, 0).unwrap();
    let scores = OnlineDecoder::new(&layout, &flat)
        .unwrap()
        .scores(&splits, Readout::Full)
        .unwrap();
    for t in &scores.targets {
        assert!(t.r.mean.is_nan() && t.spearman.mean.is_nan());
        assert_eq!((t.r.n, t.r.n_undefined), (0, 5));
        assert!(t.mae.mean > 0.0);
    }
    let heights: Vec<f64> = (0..CONDITIONS).map(|c| c as f64).collect();
    let decoder = EndpointDecoder::new(&layout, &flat, &heights).unwrap();
    let shuffled = decoder
        .shuffled(&splits, Readout::Pca { k: 50 }, Part::All, 10, 1)
        .unwrap();
    assert!(shuffled.r.iter().all(|r| r.is_nan()));
    assert!(shuffled.p.iter().all(Option::is_none));
}

/// Under the null the p of the shuffled control is uniform on its grid: Kolmogorov's distance stays below the 0.1 % bound.
#[test]
fn p_is_uniform_for_features_of_nothing() {
    let layout = layout(7);
    let splits = group_splits(CONDITIONS, 6, 0.5, 0).unwrap();
    let mut stream = Stream::new(8, "planted", 0);
    let mut p: Vec<f64> = (0..120)
        .map(|i| {
            let features = noise(&layout, 6, &mut stream);
            let heights: Vec<f64> = (0..CONDITIONS).map(|_| stream.normal()).collect();
            let decoder = EndpointDecoder::new(&layout, &features, &heights).unwrap();
            let found = decoder
                .shuffled(&splits, Readout::Full, Part::Occlusion, 99, i)
                .unwrap();
            let p = found.p[0].unwrap();
            assert!((p.floor - 0.01).abs() < 1e-15 && p.n == 99);
            p.p
        })
        .collect();
    p.sort_by(f64::total_cmp);
    let n = p.len() as f64;
    let distance = p
        .iter()
        .enumerate()
        .map(|(i, v)| (v - i as f64 / n).abs().max((v - (i + 1) as f64 / n).abs()))
        .fold(0.0, f64::max);
    println!("distance {distance}");
    // 1.95 / sqrt(n), and 1/100 for the grid.
    assert!(distance < 1.95 / n.sqrt() + 0.01, "{distance}");
}

#[test]
fn a_planted_end_height_is_found_and_its_errors_follow_the_observer() {
    let layout = layout(9);
    let mut stream = Stream::new(10, "planted", 0);
    let heights: Vec<f64> = (0..CONDITIONS).map(|_| 4.0 * stream.normal()).collect();
    // The observer errs, and the units encode what it believes, not the truth; from the hidden part on.
    let belief: Vec<f64> = heights.iter().map(|y| y + stream.normal()).collect();
    let features: Vec<Array2> = layout
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, rows)| {
            let n = rows.bins.len();
            let direction: Vec<f64> = (0..10).map(|u| f64::from(u) - 4.5).collect();
            Array2::from_fn(n, 10, |b, u| {
                let gain = if rows.hidden[b] { 1.0 } else { 0.0 };
                gain * belief[c] * direction[u] + 0.3 * stream.normal()
            })
        })
        .collect();
    let splits = group_splits(CONDITIONS, 30, 0.5, 0).unwrap();
    let decoder = EndpointDecoder::new(&layout, &features, &heights)
        .unwrap()
        .min_conditions(2);
    let held = decoder.held_out(&splits, Readout::Pca { k: 5 }).unwrap();
    let all = mental_pong_eval::decode::ConditionSet {
        name: "all".into(),
        conditions: (0..CONDITIONS).collect(),
    };
    let curve = &decoder.curves(&held, Part::Hidden, std::slice::from_ref(&all))[0];
    assert!(curve.r[0].mean > 0.9, "{:?}", curve.r[0]);
    let before = &decoder.curves(&held, Part::Visible, std::slice::from_ref(&all))[0];
    assert!(before.r[3].mean.abs() < 0.4);
    let run = decoder.run(&splits, Readout::Pca { k: 5 }).unwrap();
    let whole = decoder.curves(&held, Part::All, &[all]);
    assert_eq!(
        format!("{:?}", run.r_per_split),
        format!("{:?}", whole[0].r_per_split)
    );
    let with = |paddle: &[f64]| {
        decoder
            .behavior_relation(&held, paddle, Part::Hidden, 999, 4)
            .unwrap()
    };
    let found = with(&belief);
    assert!(found.r[0] > 0.7, "{:?}", found.r);
    let p = found.p[0].unwrap();
    assert!(p.p < 0.01 && (p.floor - 0.001).abs() < 1e-12);
    // An observer with its own errors.
    let other: Vec<f64> = heights.iter().map(|y| y + stream.normal()).collect();
    assert!(with(&other).r[0].abs() < 0.6);
    let text = |p: &[f64]| format!("{:?}", with(p));
    assert_eq!(text(&belief), text(&belief));

    let shuffled = decoder
        .shuffled(&splits, Readout::Pca { k: 5 }, Part::Hidden, 49, 2)
        .unwrap();
    assert!((shuffled.r[0] - curve.r[0].mean).abs() < 1e-12);
    assert!((shuffled.p[0].unwrap().p - 0.02).abs() < 1e-12);
    assert!(shuffled.null[0].mean.abs() < 0.3);
}

#[test]
fn training_sizes_rise_and_classes_cross() {
    let layout = layout(11);
    let mut stream = Stream::new(12, "planted", 0);
    let features = code(&layout, 20, 3.0, &mut stream);
    let decoder = OnlineDecoder::new(&layout, &features).unwrap();
    let sizes = published_train_sizes();
    assert_eq!(sizes.len(), 8);
    // 24 conditions have no 2 %.
    assert!(train_size_curve(&decoder, &sizes[..1], 10, 0, Readout::Full).is_err());
    let curve = train_size_curve(&decoder, &sizes[1..], 10, 0, Readout::Full).unwrap();
    assert!(curve.windows(2).all(|w| w[0].n_train < w[1].n_train));
    let y = |i: usize| curve[i].scores.target("y").unwrap().r.mean;
    assert!(y(0) < y(6), "{} {}", y(0), y(6));
    let class: Vec<usize> = (0..8).collect();
    let cross = generalization(&decoder, &class, Readout::Full).unwrap();
    assert_eq!(cross.n_class, 8);
    let by_hand = |train: Vec<usize>, test: Vec<usize>| {
        decoder
            .scores(&[Split { train, test }], Readout::Full)
            .unwrap()
    };
    assert_eq!(
        cross.from_class,
        by_hand((0..8).collect(), (8..24).collect())
    );
    assert_eq!(cross.to_class, by_hand((8..24).collect(), (0..8).collect()));
    assert!(generalization(&decoder, &[99], Readout::Full).is_err());
    assert!(generalization(&decoder, &[], Readout::Full).is_err());
}

#[test]
fn threads_do_not_change_a_bit() {
    let layout = layout(13);
    let mut stream = Stream::new(14, "planted", 0);
    let features = code(&layout, 9, 1.0, &mut stream);
    let heights: Vec<f64> = (0..CONDITIONS).map(|_| stream.normal()).collect();
    let splits = group_splits(CONDITIONS, 9, 0.5, 0).unwrap();
    let go = |threads: usize, seed: u64| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| {
                let online = OnlineDecoder::new(&layout, &features).unwrap();
                let end = EndpointDecoder::new(&layout, &features, &heights).unwrap();
                let held = online.held_out(&splits, Readout::Full).unwrap();
                format!(
                    "{:?} {:?} {:?}",
                    online.scores(&splits, Readout::Full).unwrap(),
                    online.errors_over_time(&held, Part::Hidden),
                    end.shuffled(&splits, Readout::Pca { k: 4 }, Part::All, 20, seed)
                        .unwrap(),
                )
            })
    };
    assert_eq!(go(1, 5), go(4, 5));
    assert_ne!(go(1, 5), go(1, 6));
}

/// More units than rows: inner products of rows against singular values of the rows.
fn wide(units: usize, rows: usize, seed: u64) -> (Vec<Array2>, Vec<Array2>) {
    let mut stream = Stream::new(seed, "planted-wide", 0);
    let weights = Array2::from_fn(units, 12, |_, k| stream.normal() / (k + 1) as f64);
    let mut x = Vec::new();
    let mut y = Vec::new();
    for c in 0..10 {
        let n = rows + c % 3;
        let latent = Array2::from_fn(n, 12, |_, _| stream.normal());
        x.push(Array2::from_fn(n, units, |i, u| {
            let signal: f64 = (0..12).map(|k| weights.get(u, k) * latent.get(i, k)).sum();
            3.0 + signal + 0.5 * stream.normal()
        }));
        y.push(Array2::from_fn(n, 2, |i, t| {
            latent.get(i, t) + 0.2 * stream.normal()
        }));
    }
    (x, y)
}

fn stack(arrays: &[Array2], which: &[usize]) -> Array2 {
    let rows: Vec<Vec<f64>> = which
        .iter()
        .flat_map(|&c| (0..arrays[c].rows()).map(move |i| (c, i)))
        .map(|(c, i)| arrays[c].row(i).to_vec())
        .collect();
    Array2::from_rows(&rows).unwrap()
}

#[test]
fn products_of_rows_equal_singular_values() {
    // About 52 or 135 rows in each of ten conditions: all components at once, or the leading ones by iteration.
    for (units, rows, seed) in [(600, 52, 1), (1300, 135, 2)] {
        let (x, y) = wide(units, rows, seed);
        let table = GramTable::new(&x, &y).unwrap();
        let train = [0, 2, 3, 6, 8];
        let test = stack(&x, &[1, 9]);
        let (xs, ys) = (stack(&x, &train), stack(&y, &train));
        for readout in [
            Readout::Full,
            Readout::Pca { k: 12 },
            Readout::Pca { k: 50 },
        ] {
            let fit = table.fit(&train, readout).unwrap();
            assert_eq!(fit.path(), SolvePath::Kernel, "{readout:?}");
            let expected = match readout {
                Readout::Full => minimum_norm(&xs, &ys, &test),
                Readout::Pca { k } => {
                    let pca = mental_pong_eval::linear::Pca::fit(&xs, k).unwrap();
                    let scores = pca.transform(&xs).unwrap();
                    let two = mental_pong_eval::linear::LeastSquares::fit(&scores, &ys).unwrap();
                    two.predict(&pca.transform(&test).unwrap()).unwrap()
                }
                Readout::Factors { .. } => unreachable!("not asked for"),
            };
            let found = fit.predict(&test).unwrap();
            let worst = found
                .as_slice()
                .iter()
                .zip(expected.as_slice())
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            println!("{units} units, {readout:?}: {worst:e}");
            assert!(worst < 1e-7, "{readout:?}: {worst:e}");
        }
    }
    let (x, y) = wide(600, 52, 1);
    let narrow = |units: usize| -> Vec<Array2> {
        x.iter()
            .map(|a| Array2::from_fn(a.rows(), units, |i, u| a.get(i, u)))
            .collect()
    };
    let train = [0, 2, 3, 6, 8];
    // Rows that repeat have no inverse: the rows themselves are factorised.
    let repeated: Vec<Array2> = x.iter().map(|_| x[0].clone()).collect();
    let targets: Vec<Array2> = x.iter().map(|_| y[0].clone()).collect();
    let fit = GramTable::new(&repeated, &targets)
        .unwrap()
        .fit(&[0, 1, 2], Readout::Full)
        .unwrap();
    assert_eq!((fit.path(), fit.rank()), (SolvePath::Svd, x[0].rows() - 1));
    // Fewer units than rows stay with the sums.
    let fit = GramTable::new(&narrow(40), &y)
        .unwrap()
        .fit(&train, Readout::Full)
        .unwrap();
    assert_eq!(fit.path(), SolvePath::Gram);
}

/// Minimum-norm least squares by all principal components of the rows: the slow reference.
fn minimum_norm(x: &Array2, y: &Array2, new: &Array2) -> Array2 {
    let pca = mental_pong_eval::linear::Pca::fit(x, x.rows()).unwrap();
    let scores = pca.transform(x).unwrap();
    let n = x.rows() as f64;
    let means: Vec<f64> = (0..y.cols()).map(|t| stats::mean(&y.column(t))).collect();
    let news = pca.transform(new).unwrap();
    Array2::from_fn(new.rows(), y.cols(), |i, t| {
        let mut value = means[t];
        for k in 0..scores.cols() {
            let cross: f64 = (0..x.rows())
                .map(|r| scores.get(r, k) * (y.get(r, t) - means[t]))
                .sum();
            value += news.get(i, k) * cross / (pca.explained_variance()[k] * (n - 1.0));
        }
        value
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Adding an offset or turning the feature space changes no prediction of least squares.
    #[test]
    fn scores_do_not_depend_on_the_basis(seed in 0u64..1_000_000) {
        let layout = layout(seed);
        let mut stream = Stream::new(seed, "planted-basis", 0);
        let features = code(&layout, 5, 1.0, &mut stream);
        let turn = Array2::from_fn(5, 5, |i, j| stream.normal() + if i == j { 4.0 } else { 0.0 });
        let turned: Vec<Array2> = features
            .iter()
            .map(|x| Array2::from_fn(x.rows(), 5, |i, j| {
                7.0 + (0..5).map(|k| x.get(i, k) * turn.get(k, j)).sum::<f64>()
            }))
            .collect();
        let splits = group_splits(CONDITIONS, 3, 0.5, 1).unwrap();
        let scores = |f: &[Array2]| OnlineDecoder::new(&layout, f).unwrap().scores(&splits, Readout::Full).unwrap();
        let (a, b) = (scores(&features), scores(&turned));
        for (a, b) in a.splits.iter().zip(&b.splits) {
            for (a, b) in a.scores.iter().zip(&b.scores) {
                prop_assert!((a.r - b.r).abs() < 1e-8 && (a.mae - b.mae).abs() < 1e-8);
            }
        }
    }
}
