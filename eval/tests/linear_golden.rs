//! Maps and factor analysis against scikit-learn, on synthetic data (see `tests/data/README.md`), and against each other on
//! fresh random inputs.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod reference;

use mental_pong_base::Stream;
use mental_pong_eval::array::Array2;
use mental_pong_eval::linear::{
    FactorAnalysis, FactorMethod, FactorOptions, LeastSquares, LinearMap, Map, Pls,
    published_alphas,
};
use serde_json::Value;

use reference::{data, floats, json, largest, matrix};

fn transposed(a: &Array2) -> Array2 {
    Array2::from_fn(a.cols(), a.rows(), |i, j| a.get(j, i))
}

fn check_map(fit: &LinearMap, expected: &Value, new: &Array2, name: &str) {
    let mut worst = largest(
        fit.predict(new).unwrap().as_slice(),
        matrix(&expected["predict_X_new"]).as_slice(),
    );
    if let Some(coef) = expected.get("coef_") {
        worst = worst.max(largest(
            transposed(fit.coefficients()).as_slice(),
            matrix(coef).as_slice(),
        ));
    }
    if let Some(intercept) = expected.get("intercept_") {
        worst = worst.max(largest(fit.intercept(), &floats(intercept)));
    }
    println!("{name}: {worst:e}");
    assert!(worst < 1e-9, "{name}: {worst:e}");
}

#[test]
fn ridge_and_least_squares_equal_sklearn() {
    let g = json("golden_linear.json");
    let (x, y, new) = (matrix(&g["X"]), matrix(&g["Y"]), matrix(&g["X_new"]));
    for (alpha, name) in [
        (1e-6, "Ridge_alpha_1e-06"),
        (0.1, "Ridge_alpha_0.1"),
        (1.0, "Ridge_alpha_1"),
        (100.0, "Ridge_alpha_100"),
    ] {
        check_map(
            &Map::Ridge { alpha }.fit(&x, &y).unwrap(),
            &g[name],
            &new,
            name,
        );
    }
    check_map(
        &Map::LeastSquares.fit(&x, &y).unwrap(),
        &g["LinearRegression"],
        &new,
        "least squares",
    );
    let first = |a: &Array2| Array2::from_fn(9, a.cols(), |i, j| a.get(i, j));
    check_map(
        &Map::LeastSquares.fit(&first(&x), &first(&y)).unwrap(),
        &g["LinearRegression_underdetermined_first9rows"],
        &new,
        "minimum norm",
    );
}

#[test]
fn ridge_cv_equals_sklearn() {
    let g = json("golden_linear.json");
    let (x, y, new) = (matrix(&g["X"]), matrix(&g["Y"]), matrix(&g["X_new"]));
    let alphas = floats(&g["RidgeCV"]["alphas"]);
    assert!(largest(&alphas, &published_alphas()) < 1e-15 * 1e5);
    let fit = Map::RidgeCv { alphas }.fit(&x, &y).unwrap();
    assert!((fit.alpha()[0] - g["RidgeCV"]["alpha_"].as_f64().unwrap()).abs() < 1e-12);
    check_map(&fit, &g["RidgeCV"], &new, "RidgeCV");
}

#[test]
fn pls_equals_sklearn() {
    let g = json("golden_linear.json");
    let (x, y, new) = (matrix(&g["X"]), matrix(&g["Y"]), matrix(&g["X_new"]));
    for (k, scale, name) in [
        (3, true, "PLS_n3_scale1"),
        (3, false, "PLS_n3_scale0"),
        (5, false, "PLS_n5_scale0"),
    ] {
        let e = &g[name];
        let pls = Pls::fit(&x, &y, k, scale).unwrap();
        let mut worst: f64 = 0.0;
        for (found, key) in [
            (pls.x_weights(), "x_weights_"),
            (pls.x_loadings(), "x_loadings_"),
            (pls.y_loadings(), "y_loadings_"),
            (pls.x_rotations(), "x_rotations_"),
            (pls.coefficients(), "coef_p_x_q_original_units"),
            (pls.predict(&new).unwrap(), "predict_X_new"),
            (pls.transform(&new).unwrap(), "transform_X_new"),
        ] {
            worst = worst.max(largest(found.as_slice(), matrix(&e[key]).as_slice()));
        }
        worst = worst.max(largest(
            &pls.intercept(),
            &floats(&e["intercept_original_units"]),
        ));
        println!("{name}: {worst:e}");
        assert!(worst < 1e-9, "{name}: {worst:e}");
        let map = Map::Pls {
            components: k,
            scale,
        }
        .fit(&x, &y)
        .unwrap();
        assert!(
            largest(
                map.predict(&new).unwrap().as_slice(),
                pls.predict(&new).unwrap().as_slice()
            ) < 1e-12
        );
    }
    let first = Array2::from_fn(y.rows(), 1, |i, _| y.get(i, 0));
    let pls = Pls::fit(&x, &first, 2, true).unwrap();
    let found = pls.predict(&new).unwrap();
    let expected = floats(&g["PLS_n2_single_target"]["predict_X_new"]);
    println!(
        "one target: {:?} {:?}",
        pls.iterations(),
        largest(found.as_slice(), &expected)
    );
    let unscaled = Pls::fit(&x, &first, 2, false)
        .unwrap()
        .predict(&new)
        .unwrap();
    assert!(
        largest(found.as_slice(), &expected).min(largest(unscaled.as_slice(), &expected)) < 1e-9
    );
    assert!(largest(found.as_slice(), unscaled.as_slice()) > 1e-3);
}

#[test]
fn factor_analysis_equals_sklearn() {
    let g = json("golden_linear.json");
    let (x, new) = (matrix(&g["X"]), matrix(&g["X_new"]));
    for (method, name) in [
        (FactorMethod::Exact, "lapack_None"),
        (FactorMethod::Randomized { seed: 0 }, "randomized_None"),
    ] {
        let e = &g["FactorAnalysis_n3"][name];
        let fa = FactorAnalysis::fit(
            &x,
            &FactorOptions {
                method,
                ..FactorOptions::published(3)
            },
        )
        .unwrap();
        assert!(fa.converged());
        assert_eq!(
            fa.log_likelihood().len() as u64,
            e["n_iter_"].as_u64().unwrap()
        );
        let ll = fa.log_likelihood();
        let worst = largest(
            fa.components().as_slice(),
            matrix(&e["components_signfixed"]).as_slice(),
        )
        .max(largest(fa.noise_variance(), &floats(&e["noise_variance_"])))
        .max(largest(fa.mean(), &floats(&e["mean_"])))
        .max(largest(&ll[..3], &floats(&e["loglike_first3"])))
        .max(largest(
            &[ll[ll.len() - 1]],
            &[e["loglike_last"].as_f64().unwrap()],
        ))
        .max(largest(
            fa.transform(&new).unwrap().as_slice(),
            matrix(&e["transform_X_new_signfixed"]).as_slice(),
        ))
        .max(largest(
            fa.covariance().as_slice(),
            matrix(&e["covariance_"]).as_slice(),
        ))
        .max(largest(
            &[fa.score(&x).unwrap()],
            &[e["score_X"].as_f64().unwrap()],
        ));
        println!("{name}: {worst:e}");
        assert!(worst < 1e-8, "{name}: {worst:e}");
    }
}

/// `[row, unit]`: 55 invented units in 3,404 cells, spikes/ms.
fn responses() -> Array2 {
    let mut npz = npyz::npz::NpzArchive::open(data("synthetic_mapping.npz")).unwrap();
    let values = npz
        .by_name("responses")
        .unwrap()
        .unwrap()
        .into_vec::<f64>()
        .unwrap();
    Array2::from_fn(3404, 55, |i, j| values[j * 3404 + i])
}

#[test]
fn factor_analysis_of_a_population_equals_sklearn() {
    let g = &json("golden_linear.json")["data_set_FA_PCA"];
    let x = responses();
    for (k, method, name) in [
        (10, FactorMethod::Exact, "n10_lapack"),
        (10, FactorMethod::Randomized { seed: 0 }, "n10_randomized"),
        (50, FactorMethod::Exact, "n50_lapack"),
        (50, FactorMethod::Randomized { seed: 0 }, "n50_randomized"),
    ] {
        let e = &g[name];
        let fa = FactorAnalysis::fit(
            &x,
            &FactorOptions {
                method,
                ..FactorOptions::published(k)
            },
        )
        .unwrap();
        let ll = fa.log_likelihood();
        assert_eq!(ll.len() as u64, e["n_iter_"].as_u64().unwrap(), "{name}");
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let covariance = fa.covariance();
        let trace: f64 = (0..55).map(|j| covariance.get(j, j)).sum();
        let scores = fa.transform(&x).unwrap();
        let first: Vec<f64> = scores.row(0).iter().map(|v| v.abs()).collect();
        let number = |key: &str| e[key].as_f64().unwrap();
        let worst = largest(fa.noise_variance(), &floats(&e["noise_variance_"]))
            .max((trace - number("cov_trace")).abs())
            .max((norm(covariance.as_slice()) - number("cov_frobenius")).abs())
            .max(largest(&first, &floats(&e["scores_first_row_abs"])))
            .max((norm(scores.as_slice()) - number("score_frobenius")).abs() / 100.0)
            .max((fa.score(&x).unwrap() - number("score_X")).abs() / 100.0)
            .max((ll[ll.len() - 1] - number("loglike_last")).abs() / 1e6);
        println!("{name}: {} iterations, {worst:e}", ll.len());
        assert!(worst < 1e-8, "{name}: {worst:e}");
    }
}

fn random(seed: u64, rows: usize, cols: usize) -> Array2 {
    let mut stream = Stream::new(seed, "linear test", 0);
    Array2::from_fn(rows, cols, |_, _| stream.normal())
}

/// Leave-one-out errors by leaving one out.
fn slow_loo(x: &Array2, y: &Array2, alpha: f64) -> Vec<f64> {
    let mut sums = vec![0.0; y.cols()];
    for left in 0..x.rows() {
        let rows: Vec<usize> = (0..x.rows()).filter(|&i| i != left).collect();
        let take = |a: &Array2, rows: &[usize]| {
            Array2::from_rows(&rows.iter().map(|&i| a.row(i).to_vec()).collect::<Vec<_>>()).unwrap()
        };
        let fit = Map::Ridge { alpha }
            .fit(&take(x, &rows), &take(y, &rows))
            .unwrap();
        let predicted = fit.predict(&take(x, &[left])).unwrap();
        for (t, sum) in sums.iter_mut().enumerate() {
            *sum += (predicted.get(0, t) - y.get(left, t)).powi(2);
        }
    }
    sums
}

#[test]
fn the_penalty_is_the_one_of_least_error_when_one_row_is_left_out() {
    let alphas = [1e-3, 1e-1, 1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4];
    let mut chosen = std::collections::BTreeSet::new();
    for seed in 0..6 {
        // Tall and wide, more and less noise.
        let (rows, features) = if seed % 2 == 0 { (30, 8) } else { (14, 20) };
        let x = random(seed, rows, features);
        let noise = random(seed + 100, rows, 3);
        let y = Array2::from_fn(rows, 3, |i, t| {
            x.get(i, t) + 0.5 * x.get(i, t + 1) + (0.3 + seed as f64) * noise.get(i, t)
        });
        let errors: Vec<Vec<f64>> = alphas.iter().map(|&a| slow_loo(&x, &y, a)).collect();
        let least = |of: &dyn Fn(&Vec<f64>) -> f64| {
            let at = (0..alphas.len())
                .min_by(|&a, &b| of(&errors[a]).total_cmp(&of(&errors[b])))
                .unwrap();
            alphas[at]
        };
        let all = Map::RidgeCv {
            alphas: alphas.to_vec(),
        }
        .fit(&x, &y)
        .unwrap();
        assert_eq!(all.alpha(), [least(&|e| e.iter().sum())], "seed {seed}");
        chosen.insert(all.alpha()[0].to_bits());
        let each = Map::RidgeCvPerUnit {
            alphas: alphas.to_vec(),
        }
        .fit(&x, &y)
        .unwrap();
        let expected: Vec<f64> = (0..3).map(|t| least(&|e| e[t])).collect();
        assert_eq!(each.alpha(), expected, "seed {seed}");
        for (t, &alpha) in expected.iter().enumerate() {
            let alone = Map::Ridge { alpha }.fit(&x, &y).unwrap();
            let worst = largest(
                &each.coefficients().column(t),
                &alone.coefficients().column(t),
            );
            assert!(worst < 1e-9, "{worst:e}");
        }
    }
    assert!(
        chosen.len() > 1,
        "the data have to need different penalties"
    );
}

#[test]
fn least_squares_of_both_rooms_agree_also_with_dead_and_doubled_features() {
    for seed in 0..3 {
        let base = random(seed, 40, 6);
        let x = Array2::from_fn(40, 9, |i, j| match j {
            6 => base.get(i, 0),
            7 => 3.5,
            8 => base.get(i, 1) + 1e-7 * base.get(i, 2),
            j => base.get(i, j),
        });
        let y = random(seed + 50, 40, 2);
        let a = Map::LeastSquares.fit(&x, &y).unwrap();
        let b = LeastSquares::fit(&x, &y).unwrap();
        let worst = largest(
            a.predict(&x).unwrap().as_slice(),
            b.predict(&x).unwrap().as_slice(),
        );
        println!("{worst:e}");
        assert!(worst < 1e-7);
        assert!(a.coefficients().get(7, 0).abs() < 1e-9);
    }
}

#[test]
fn one_to_one_takes_the_best_feature_and_percentiles_keep_the_better_ones() {
    let x = random(5, 60, 5);
    let noise = random(6, 60, 2);
    let y = Array2::from_fn(60, 2, |i, t| {
        if t == 0 {
            2.0 * x.get(i, 3) + 0.1 * noise.get(i, 0)
        } else {
            7.0
        }
    });
    let one = Map::BestFeature.fit(&x, &y).unwrap();
    assert!((one.coefficients().get(3, 0) - 1.0).abs() < 1e-15);
    // A constant unit: the last feature, as the published code.
    assert!((one.coefficients().get(4, 1) - 1.0).abs() < 1e-15);
    assert!(one.intercept().iter().all(|v| v.abs() < 1e-15));
    let some = Map::Percentile {
        percentile: 75.0,
        alpha: 1.0,
    }
    .fit(&x, &y)
    .unwrap();
    let kept = (0..5)
        .filter(|&j| some.coefficients().get(j, 0).abs() > 1e-12)
        .count();
    assert_eq!(kept, 2);
    let all = Map::Percentile {
        percentile: 0.0,
        alpha: 1.0,
    }
    .fit(&x, &y)
    .unwrap();
    let ridge = Map::Ridge { alpha: 1.0 }.fit(&x, &y).unwrap();
    assert!(
        largest(
            &all.coefficients().column(0),
            &ridge.coefficients().column(0)
        ) < 1e-10
    );
}

#[test]
fn bad_arguments_are_errors() {
    let (x, y) = (random(1, 10, 3), random(2, 10, 2));
    assert!(Map::Ridge { alpha: 0.0 }.fit(&x, &y).is_err());
    assert!(Map::RidgeCv { alphas: vec![] }.fit(&x, &y).is_err());
    assert!(
        Map::RidgeCv {
            alphas: vec![1.0, f64::NAN]
        }
        .fit(&x, &y)
        .is_err()
    );
    assert!(
        Map::Pls {
            components: 4,
            scale: false
        }
        .fit(&x, &y)
        .is_err()
    );
    assert!(Map::Identity.fit(&x, &y).is_err());
    assert!(Map::LeastSquares.fit(&x, &random(2, 9, 2)).is_err());
    assert!(FactorAnalysis::published(&x, 4).is_err());
    let mut broken = x.clone();
    broken.set(2, 1, f64::NAN);
    assert!(Map::LeastSquares.fit(&broken, &y).is_err());
    assert!(FactorAnalysis::published(&broken, 2).is_err());
    assert!(Pls::fit(&broken, &y, 2, false).is_err());
}
