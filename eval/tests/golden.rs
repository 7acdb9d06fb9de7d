//! The decoders against the reference implementations, on synthetic data (see `tests/data/README.md`).
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod reference;

use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::{
    ConditionRows, EndpointDecoder, Epoch, Layout, OnlineDecoder, Split,
};
use mental_pong_eval::linear::{GramTable, LeastSquares, Pca, Readout, SolvePath};
use mental_pong_eval::stats;

use reference::{Npz, floats, json, largest, matrix, splits};

#[test]
fn least_squares_equals_sklearn() {
    let g = json("golden_sklearn.json");
    let (x, y, new) = (matrix(&g["X"]), matrix(&g["Y"]), matrix(&g["X_new"]));
    let check = |fit: &LeastSquares, name: &str| {
        let expected = matrix(&g[name]["coef_"]);
        let transposed = Array2::from_fn(expected.rows(), expected.cols(), |i, j| {
            fit.coefficients().get(j, i)
        });
        let worst = largest(transposed.as_slice(), expected.as_slice())
            .max(largest(fit.intercept(), &floats(&g[name]["intercept_"])))
            .max(largest(
                fit.predict(&new).unwrap().as_slice(),
                matrix(&g[name]["predict_X_new"]).as_slice(),
            ));
        println!("{name}: {worst:e}");
        assert!(worst < 1e-10, "{name}: {worst:e}");
    };
    let full = LeastSquares::fit(&x, &y).unwrap();
    assert_eq!(full.path(), SolvePath::Gram);
    check(&full, "LinearRegression");
    let first = |a: &Array2| Array2::from_fn(9, a.cols(), |i, j| a.get(i, j));
    let small = LeastSquares::fit(&first(&x), &first(&y)).unwrap();
    assert_eq!((small.path(), small.rank()), (SolvePath::Svd, 8));
    check(&small, "LinearRegression_underdetermined_first9rows");
}

#[test]
fn principal_components_equal_sklearn() {
    let g = json("golden_sklearn.json");
    let pca = Pca::fit(&matrix(&g["X"]), 50).unwrap();
    let e = &g["PCA_full"];
    let worst = largest(
        pca.components().as_slice(),
        matrix(&e["components_signfixed"]).as_slice(),
    )
    .max(largest(
        pca.explained_variance(),
        &floats(&e["explained_variance_"]),
    ))
    .max(largest(
        pca.transform(&matrix(&g["X_new"])).unwrap().as_slice(),
        matrix(&e["transform_X_new_signfixed"]).as_slice(),
    ));
    println!("PCA: {worst:e}");
    assert!(worst < 1e-10, "{worst:e}");
}

#[test]
fn correlations_equal_scipy() {
    let g = &json("golden_sklearn.json")["correlations"];
    let (x, y) = (floats(&g["x"]), floats(&g["y_rounded_has_ties"]));
    for n in [5, 30, 90] {
        for (name, found) in [
            ("pearsonr", stats::pearson(&x[..n], &y[..n])),
            ("spearmanr", stats::spearman(&x[..n], &y[..n])),
        ] {
            let expected = g[format!("{name}_n{n}")]["r"].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-13, "{name} {n}: {found}");
        }
    }
}

/// Rows for which `keep` holds, as a layout with features.
fn online(keep: impl Fn(bool, bool) -> bool) -> (Layout, Vec<Array2>) {
    let mut npz = Npz::open("synthetic_online.npz");
    let condition = npz.ints("condition");
    let bin = npz.ints("bin");
    let factors = npz.ints("factors_x1024");
    let targets = npz.floats("targets");
    let visible = npz.ints("visible");
    let hidden = npz.ints("hidden");
    let (mut conditions, mut features) = (Vec::new(), Vec::new());
    for c in 0..79 {
        let rows: Vec<usize> = (0..condition.len())
            .filter(|&i| condition[i] == c && keep(visible[i] == 1, hidden[i] == 1))
            .collect();
        features.push(Array2::from_fn(rows.len(), 50, |i, j| {
            factors[rows[i] * 50 + j] as f64 / 1024.0
        }));
        conditions.push(ConditionRows {
            id: c.to_string(),
            bins: rows.iter().map(|&i| bin[i] as usize).collect(),
            targets: Array2::from_fn(rows.len(), 4, |i, j| targets[rows[i] * 4 + j]),
            visible: rows.iter().map(|&i| visible[i] == 1).collect(),
            hidden: rows.iter().map(|&i| hidden[i] == 1).collect(),
        });
    }
    let names = ["x", "y", "dx", "dy"].map(String::from).to_vec();
    (Layout::new(names, 50.0, conditions).unwrap(), features)
}

#[test]
fn online_decoding_equals_the_authors_decoder() {
    let golden = json("golden_online.json");
    type Keep = fn(bool, bool) -> bool;
    let cases: [(&str, Keep); 3] = [
        ("core_start_end_pad0", |_, _| true),
        ("core_start_occ_pad0", |visible, _| visible),
        ("core_occ_end_pad0", |_, hidden| hidden),
    ];
    for (name, keep) in cases {
        let run = golden["runs"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["name"] == name)
            .unwrap();
        let (layout, features) = online(keep);
        let decoder = OnlineDecoder::new(&layout, &features).unwrap();
        let result = decoder.run(&splits(run), Readout::Full).unwrap();
        let n_bins = result.get(Epoch::All, 0).unwrap().n_bins;
        assert_eq!(n_bins as u64, run["n_samples"].as_u64().unwrap());
        let mut worst: f64 = 0.0;
        for (found, expected) in result.splits.iter().zip(run["splits"].as_array().unwrap()) {
            assert_eq!(found.path, SolvePath::Gram);
            let all = &found.scores[Epoch::All as usize];
            let get = |f: fn(&mental_pong_eval::decode::Score) -> f64| {
                all.iter().map(f).collect::<Vec<f64>>()
            };
            worst = worst
                .max(largest(&get(|s| s.r), &floats(&expected["r"])))
                .max(largest(&get(|s| s.spearman), &floats(&expected["rs"])))
                .max(largest(&get(|s| s.mae), &floats(&expected["mae"])));
        }
        let over = |f: fn(&mental_pong_eval::decode::EpochTarget) -> f64| {
            (0..4)
                .map(|t| f(result.get(Epoch::All, t).unwrap()))
                .collect::<Vec<f64>>()
        };
        worst = worst
            .max(largest(&over(|e| e.r.mean), &floats(&run["r_mu"])))
            .max(largest(&over(|e| e.r.sd), &floats(&run["r_sd"])))
            .max(largest(&over(|e| e.spearman.mean), &floats(&run["rs_mu"])))
            .max(largest(&over(|e| e.mae.mean), &floats(&run["mae_mu"])))
            .max(largest(&over(|e| e.mae.sd), &floats(&run["mae_sd"])));
        println!("{name}: {worst:e}");
        assert!(worst < 1e-9, "{name}: {worst:e}");
    }
}

#[test]
fn minimum_norm_decoding_equals_the_authors_decoder() {
    let golden = json("golden_online.json");
    let run = golden["runs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == "driver_async_occ_minus3_to_final")
        .unwrap();
    let mut npz = Npz::open("synthetic_online.npz");
    let x = npz.floats("async_features");
    let y = npz.floats("async_targets");
    let n_targets = y.len() / 79;
    let conditions = (0..79)
        .map(|c| ConditionRows {
            id: c.to_string(),
            bins: vec![0],
            targets: Array2::from_fn(1, n_targets, |_, t| y[c * n_targets + t]),
            visible: vec![true],
            hidden: vec![true],
        })
        .collect();
    let features: Vec<Array2> = (0..79)
        .map(|c| Array2::from_fn(1, 50, |_, j| x[c * 50 + j]))
        .collect();
    let names = (0..n_targets).map(|t| t.to_string()).collect();
    let layout = Layout::new(names, 50.0, conditions).unwrap();
    let decoder = OnlineDecoder::new(&layout, &features).unwrap();
    let result = decoder.run(&splits(run), Readout::Full).unwrap();
    let mut worst: f64 = 0.0;
    for (found, expected) in result.splits.iter().zip(run["splits"].as_array().unwrap()) {
        assert_eq!((found.path, found.rank), (SolvePath::Svd, 38));
        let all = &found.scores[Epoch::All as usize];
        let r: Vec<f64> = all.iter().map(|s| s.r).collect();
        let mae: Vec<f64> = all.iter().map(|s| s.mae).collect();
        worst = worst
            .max(largest(&r, &floats(&expected["r"])))
            .max(largest(&mae, &floats(&expected["mae"])));
    }
    println!("minimum norm: {worst:e}");
    assert!(worst < 1e-6, "{worst:e}");
}

#[test]
fn end_point_decoding_equals_the_authors_decoder() {
    let golden = json("golden_endpoint.json");
    let mut npz = Npz::open("synthetic_endpoint.npz");
    let condition = npz.ints("condition");
    let bin = npz.ints("bin");
    let x = npz.floats("responses");
    let y = npz.floats("final_y");
    let (mut conditions, mut features, mut heights) = (Vec::new(), Vec::new(), Vec::new());
    for c in 0..79 {
        let rows: Vec<usize> = (0..condition.len())
            .filter(|&i| condition[i] == c)
            .collect();
        features.push(Array2::from_fn(rows.len(), 55, |i, j| x[rows[i] * 55 + j]));
        heights.push(y[rows[0]]);
        assert!(rows.iter().all(|&i| y[i] == y[rows[0]]));
        conditions.push(ConditionRows {
            id: c.to_string(),
            bins: rows.iter().map(|&i| bin[i] as usize).collect(),
            targets: Array2::filled(rows.len(), 0, 0.0),
            visible: vec![false; rows.len()],
            hidden: vec![true; rows.len()],
        });
    }
    let layout = Layout::new(Vec::new(), 50.0, conditions).unwrap();
    let decoder = EndpointDecoder::new(&layout, &features, &heights)
        .unwrap()
        .min_conditions(2);
    let result = decoder
        .run(&splits(&golden), Readout::Pca { k: 50 })
        .unwrap();
    let mut worst: f64 = 0.0;
    for (found, expected) in [
        (&result.r_per_split, &golden["r"]["per_split"]),
        (&result.mae_per_split, &golden["mae"]["per_split"]),
    ] {
        for (f, e) in found.iter().zip(expected.as_array().unwrap()) {
            let e = floats(e);
            let n = f.len().min(e.len());
            assert!(n > 20);
            worst = worst.max(largest(&f[..n], &e[..n]));
        }
    }
    let r: Vec<f64> = result.from_start.iter().map(|p| p.r.mean).collect();
    let expected = floats(&golden["r"]["mean_over_splits"]);
    let n = r.len().min(expected.len());
    assert!(n > 20);
    worst = worst.max(largest(&r[..n], &expected[..n]));
    println!("end point: {worst:e}");
    assert!(worst < 1e-8, "{worst:e}");
}

/// A small generator for test inputs, so that the tests need no other crate.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }
}

/// Least squares with intercept by Householder reflections, written from the definition: the slow reference.
fn householder(x: &Array2, y: &Array2) -> (Vec<Vec<f64>>, Vec<f64>) {
    let (n, p, q) = (x.rows(), x.cols() + 1, y.cols());
    let mut a: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            let mut row = vec![1.0];
            row.extend_from_slice(x.row(i));
            row
        })
        .collect();
    let mut b: Vec<Vec<f64>> = (0..n).map(|i| y.row(i).to_vec()).collect();
    for k in 0..p {
        let norm = (k..n).map(|i| a[i][k] * a[i][k]).sum::<f64>().sqrt();
        let alpha = if a[k][k] > 0.0 { -norm } else { norm };
        let mut v: Vec<f64> = (k..n).map(|i| a[i][k]).collect();
        v[0] -= alpha;
        let vv: f64 = v.iter().map(|u| u * u).sum();
        for (m, cols) in [(&mut a, p), (&mut b, q)] {
            for j in 0..cols {
                let s: f64 = v
                    .iter()
                    .zip(&m[k..])
                    .map(|(u, row)| u * row[j])
                    .sum::<f64>();
                for (u, row) in v.iter().zip(&mut m[k..]) {
                    row[j] -= 2.0 * s / vv * u;
                }
            }
        }
    }
    let mut beta = vec![vec![0.0; q]; p];
    for t in 0..q {
        for k in (0..p).rev() {
            let tail: f64 = (k + 1..p).map(|j| a[k][j] * beta[j][t]).sum();
            beta[k][t] = (b[k][t] - tail) / a[k][k];
        }
    }
    let intercept = beta.remove(0);
    (beta, intercept)
}

fn random_conditions(noise: &mut Noise, mixing: f64) -> (Vec<Array2>, Vec<Array2>) {
    let mut features = Vec::new();
    let mut targets = Vec::new();
    for c in 0..12 {
        let bins = 20 + c;
        let x = Array2::from_fn(bins, 7, |_, _| noise.next());
        // Columns 5 and 6 are nearly the same for small `mixing`; all have a large offset.
        let x = Array2::from_fn(bins, 7, |i, j| {
            100.0
                + if j == 6 {
                    x.get(i, 5) + mixing * x.get(i, 6)
                } else {
                    x.get(i, j)
                }
        });
        let y = Array2::from_fn(bins, 2, |i, t| {
            x.get(i, t) - 2.0 * x.get(i, t + 2) + 0.3 * noise.next() + 5.0
        });
        features.push(x);
        targets.push(y);
    }
    (features, targets)
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
fn sums_of_conditions_equal_a_slow_reference_also_when_badly_conditioned() {
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    println!("seed {seed}");
    let mut noise = Noise(seed);
    for (mixing, path, tolerance) in [
        (1.0, SolvePath::Gram, 1e-11),
        (1e-3, SolvePath::Gram, 1e-9),
        (1e-7, SolvePath::Svd, 1e-9),
    ] {
        let (features, targets) = random_conditions(&mut noise, mixing);
        let train = [3, 0, 7, 5, 9];
        let test = [1, 2, 11];
        let fit = GramTable::new(&features, &targets)
            .unwrap()
            .fit(&train, Readout::Full)
            .unwrap();
        assert_eq!(fit.path(), path, "mixing {mixing}");
        let (beta, intercept) = householder(&stack(&features, &train), &stack(&targets, &train));
        let x = stack(&features, &test);
        let found = fit.predict(&x).unwrap();
        let mut worst: f64 = 0.0;
        for i in 0..x.rows() {
            for t in 0..2 {
                let slow: f64 =
                    intercept[t] + (0..7).map(|j| x.get(i, j) * beta[j][t]).sum::<f64>();
                worst = worst.max((slow - found.get(i, t)).abs());
            }
        }
        // The reference itself keeps about 1e-16 / mixing * 1e2 digits.
        let tolerance = f64::max(tolerance, 1e-13 / mixing);
        println!("mixing {mixing}: {worst:e}");
        assert!(worst < tolerance, "mixing {mixing}: {worst:e}");
    }
}

#[test]
fn rank_deficient_columns_give_the_minimum_norm() {
    let mut noise = Noise(3);
    let (features, targets) = random_conditions(&mut noise, 1.0);
    // Unit 7 doubles unit 0, unit 8 is constant in training conditions only, unit 9 everywhere.
    let wide: Vec<Array2> = features
        .iter()
        .enumerate()
        .map(|(c, x)| {
            Array2::from_fn(x.rows(), 10, |i, j| match j {
                7 => x.get(i, 0),
                8 => {
                    if c < 6 {
                        0.1 * 3.0
                    } else {
                        x.get(i, 1)
                    }
                }
                9 => 4.2,
                j => x.get(i, j),
            })
        })
        .collect();
    let train = [0, 1, 2, 3, 4, 5];
    let narrow = GramTable::new(&features, &targets)
        .unwrap()
        .fit(&train, Readout::Full)
        .unwrap();
    let fit = GramTable::new(&wide, &targets)
        .unwrap()
        .fit(&train, Readout::Full)
        .unwrap();
    assert_eq!((fit.path(), fit.rank()), (SolvePath::Svd, 7));
    for t in 0..2 {
        let half = narrow.coefficients().get(0, t) / 2.0;
        assert!((fit.coefficients().get(0, t) - half).abs() < 1e-10);
        assert!((fit.coefficients().get(7, t) - half).abs() < 1e-10);
        assert_eq!(fit.coefficients().get(8, t), 0.0);
        assert_eq!(fit.coefficients().get(9, t), 0.0);
    }
}

#[test]
fn principal_component_read_out_equals_its_two_steps() {
    let (layout, features) = online(|_, _| true);
    let targets: Vec<Array2> = layout
        .conditions()
        .iter()
        .map(|c| c.targets.clone())
        .collect();
    let table = GramTable::new(&features, &targets).unwrap();
    let train: Vec<usize> = (0..79).step_by(2).collect();
    for k in [1, 10, 50, 80] {
        let fit = table.fit(&train, Readout::Pca { k }).unwrap();
        let x = stack(&features, &train);
        let pca = Pca::fit(&x, k).unwrap();
        let two = LeastSquares::fit(&pca.transform(&x).unwrap(), &stack(&targets, &train)).unwrap();
        assert_eq!(fit.rank(), k.min(50));
        let new = stack(&features, &[1, 3, 5]);
        let worst = largest(
            fit.predict(&new).unwrap().as_slice(),
            two.predict(&pca.transform(&new).unwrap())
                .unwrap()
                .as_slice(),
        );
        println!("k {k}: {worst:e}");
        assert!(worst < 1e-9, "k {k}: {worst:e}");
    }
}

#[test]
fn threads_do_not_change_a_bit_and_splits_do() {
    let golden = json("golden_online.json");
    let all = splits(&golden["runs"][0]);
    let (layout, features) = online(|_, _| true);
    let run = |threads: usize, splits: &[Split]| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| {
                let decoder = OnlineDecoder::new(&layout, &features).unwrap();
                // Debug prints every digit that tells two f64 apart.
                format!("{:?}", decoder.run(splits, Readout::Pca { k: 20 }).unwrap())
            })
    };
    assert_eq!(run(1, &all), run(5, &all));
    assert_ne!(run(1, &all), run(1, &all[1..]));
}

#[test]
fn constant_features_have_no_correlation() {
    let golden = json("golden_online.json");
    let (layout, features) = online(|_, _| true);
    let rows: Vec<usize> = features.iter().map(Array2::rows).collect();
    let constant = mental_pong_eval::controls::constant_features(&rows);
    let decoder = OnlineDecoder::new(&layout, &constant).unwrap();
    for readout in [Readout::Full, Readout::Pca { k: 50 }] {
        let result = decoder.run(&splits(&golden["runs"][0]), readout).unwrap();
        for e in &result.table {
            assert!(e.r.mean.is_nan());
            assert_eq!((e.r.n, e.r.n_undefined), (0, 20));
            assert!(e.mae.mean > 0.0 && e.mae.n == 20);
        }
    }
}

#[test]
fn a_missing_value_drops_its_row_only() {
    let golden = json("golden_online.json");
    let all = splits(&golden["runs"][0]);
    let (layout, mut features) = online(|_, _| true);
    features[4].set(2, 17, f64::NAN);
    let result = OnlineDecoder::new(&layout, &features)
        .unwrap()
        .run(&all, Readout::Full)
        .unwrap();
    assert_eq!(result.dropped_rows, 1);
    assert_eq!(result.get(Epoch::All, 0).unwrap().n_bins, 3403);
    let missing: usize = result
        .held_out
        .iter()
        .map(|p| p.column(0).iter().filter(|v| v.is_nan()).count())
        .sum();
    assert_eq!(missing, 1);
    assert!(result.held_out[4].get(2, 0).is_nan());
}

#[test]
fn bad_splits_and_shapes_are_errors() {
    let (layout, mut features) = online(|_, _| true);
    let decoder = OnlineDecoder::new(&layout, &features).unwrap();
    for (train, test) in [
        (vec![], vec![1]),
        (vec![0], vec![79]),
        (vec![0, 1], vec![1]),
    ] {
        assert!(
            decoder
                .run(&[Split { train, test }], Readout::Full)
                .is_err()
        );
    }
    assert!(decoder.run(&[], Readout::Full).is_err());
    features.pop();
    assert!(OnlineDecoder::new(&layout, &features).is_err());
}

/// A feature that is the truth reads out perfectly, and the boundary bin counts in both epochs.
#[test]
fn truth_as_features_is_perfect_and_the_boundary_bin_counts_twice() {
    let golden = json("golden_online.json");
    let (layout, _) = online(|_, _| true);
    let truth: Vec<Array2> = layout
        .conditions()
        .iter()
        .map(|c| c.targets.clone())
        .collect();
    let result = OnlineDecoder::new(&layout, &truth)
        .unwrap()
        .run(&splits(&golden["runs"][0]), Readout::Pca { k: 50 })
        .unwrap();
    let bins = |epoch| result.get(epoch, 0).unwrap().n_bins;
    assert_eq!(
        (bins(Epoch::All), bins(Epoch::Visible), bins(Epoch::Hidden)),
        (3404, 2054, 1429)
    );
    assert!(
        result
            .table
            .iter()
            .all(|e| e.r.mean > 1.0 - 1e-9 && e.mae.mean < 1e-9)
    );
    let at_onset = result
        .over_time
        .iter()
        .find(|t| t.offset_bins == 0)
        .unwrap();
    assert_eq!(at_onset.n_conditions, 79);
}
