//! The decoders against every run of the reference files, on synthetic data (see `tests/data/README.md`).
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod reference;

use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::inputs::{
    Moment, Variable, final_values, moment, motion, roll, variable,
};
use mental_pong_eval::decode::{
    ConditionSet, EndpointDecoder, Epochs, FromRecording, HeldOut, Inputs, Offset, OnlineDecoder,
    Pairing, Part, PooledScores, SecondStage, group_splits, lag_sweep, partial_correlations,
    variables,
};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::recordings::dmfc::{Mask, Population, Recording, Responses, TrialType};
use serde_json::Value;

use reference::{Npz, data, floats, indices, json as golden, largest, rows, splits, strings};

const CONDITIONS: usize = 79;
const BINS: usize = 100;

/// The synthetic recording: cells outside of the trial are NaN.
struct World {
    cells: Vec<(usize, usize)>,
    start_end: Mask,
    start_occ: Mask,
    occ_end: Mask,
}

impl World {
    fn new() -> Self {
        let mut npz = Npz::open("synthetic_online.npz");
        let cells: Vec<(usize, usize)> = npz
            .ints("condition")
            .into_iter()
            .zip(npz.ints("bin"))
            .map(|(c, b)| (c as usize, b as usize))
            .collect();
        let mask = |inside: &dyn Fn(usize) -> bool| {
            let mut out = vec![false; CONDITIONS * BINS];
            for (i, &(c, b)) in cells.iter().enumerate() {
                out[c * BINS + b] = inside(i);
            }
            Mask::new(CONDITIONS, BINS, out).unwrap()
        };
        let (visible, hidden) = (npz.ints("visible"), npz.ints("hidden"));
        Self {
            start_end: mask(&|_| true),
            start_occ: mask(&|i| visible[i] == 1),
            occ_end: mask(&|i| hidden[i] == 1),
            cells,
        }
    }

    fn epochs(&self) -> Epochs<'_> {
        Epochs {
            visible: &self.start_occ,
            hidden: &self.occ_end,
        }
    }

    /// From `[row, unit]`.
    fn responses(&self, values: &[f64]) -> Responses {
        let units = values.len() / self.cells.len();
        let mut out = vec![f64::NAN; units * CONDITIONS * BINS];
        for (i, &(c, b)) in self.cells.iter().enumerate() {
            for u in 0..units {
                out[(u * CONDITIONS + c) * BINS + b] = values[i * units + u];
            }
        }
        Responses::new(units, CONDITIONS, BINS, "1", out).unwrap()
    }

    fn neural(&self, name: &str) -> Responses {
        let factors = |file: &str, key: &str| Npz::open(file).rows(key).as_slice().to_vec();
        let values = match name {
            "neural_responses_reliable_FactorAnalysis_50" => {
                factors("synthetic_online.npz", "factors_x1024")
            }
            "neural_responses_reliable_FactorAnalysis_10" => {
                factors("synthetic_decode.npz", "factors10_x1024")
            }
            reliable => Npz::open("synthetic_decode.npz")
                .floats(reliable.strip_prefix("neural_responses_").unwrap()),
        };
        self.responses(&values)
    }

    fn behavior(&self, names: &[String]) -> Vec<Variable> {
        let all = Npz::open("synthetic_decode.npz").floats("behaviours");
        names
            .iter()
            .map(|name| {
                let at = variables::DRIVER_33.iter().position(|n| n == name).unwrap();
                let mut values = Array2::filled(CONDITIONS, BINS, f64::NAN);
                for (i, &(c, b)) in self.cells.iter().enumerate() {
                    values.set(c, b, all[i * 33 + at]);
                }
                (name.clone(), values)
            })
            .collect()
    }

    /// A mask by its name in the recordings.
    fn mask(&self, name: &str) -> Mask {
        let (stem, bins) = name.split_once("_roll").unwrap_or((name, "0"));
        let mask = match stem {
            "start_end_pad0" => self.start_end.clone(),
            "start_occ_pad0" => self.start_occ.clone(),
            "occ_end_pad0" => self.occ_end.clone(),
            "start_pad0" => moment(&self.start_end, Moment::First),
            "occ_pad0" => moment(&self.occ_end, Moment::First),
            "half_pad0" => moment(&self.occ_end, Moment::Middle),
            "f_pad0" => moment(&self.occ_end, Moment::Last),
            other => unreachable!("{other}"),
        };
        roll(&mask, bins.parse().unwrap())
    }

    fn end_heights(&self) -> Vec<f64> {
        let y = &self.behavior(&["ball_final_y".into()])[0].1;
        (0..CONDITIONS).map(|c| y.get(c, 6)).collect()
    }
}

fn compare(found: &PooledScores, run: &Value) -> f64 {
    let mut worst: f64 = 0.0;
    for (f, e) in found.splits.iter().zip(run["splits"].as_array().unwrap()) {
        let get = |g: fn(&mental_pong_eval::decode::Score) -> f64| {
            f.scores.iter().map(g).collect::<Vec<f64>>()
        };
        worst = worst
            .max(largest(&get(|s| s.r), &floats(&e["r"])))
            .max(largest(&get(|s| s.spearman), &floats(&e["rs"])))
            .max(largest(&get(|s| s.mae), &floats(&e["mae"])));
        assert_eq!(f.scores[0].n as u64, e["n_test"].as_u64().unwrap());
    }
    assert_eq!(found.n_rows as u64, run["n_samples"].as_u64().unwrap());
    let over = |g: &dyn Fn(&mental_pong_eval::decode::TargetSummary) -> f64| {
        found.targets.iter().map(g).collect::<Vec<f64>>()
    };
    for (key, values) in [
        ("r_mu", over(&|t| t.r.mean)),
        ("r_sd", over(&|t| t.r.sd)),
        ("rs_mu", over(&|t| t.spearman.mean)),
        ("rs_sd", over(&|t| t.spearman.sd)),
        ("mae_mu", over(&|t| t.mae.mean)),
        ("mae_sd", over(&|t| t.mae.sd)),
    ] {
        worst = worst.max(largest(&values, &floats(&run[key])));
    }
    worst
}

/// Predictions of the first split at the rows that the file names.
fn predictions(held: &HeldOut, run: &Value) -> f64 {
    let counts: Vec<usize> = (0..CONDITIONS).map(|c| held.kept_rows(c).len()).collect();
    let mut worst: f64 = 0.0;
    for (s, split) in run["splits"].as_array().unwrap().iter().enumerate() {
        let check = &split["y_pred_check"];
        if !check.is_object() {
            continue;
        }
        for (index, expected) in indices(&check["sample_index"])
            .into_iter()
            .zip(rows(&check["y_pred"]))
        {
            let (mut c, mut i) = (0, index);
            while i >= counts[c] {
                i -= counts[c];
                c += 1;
            }
            let found = held.get(s, c).unwrap();
            worst = worst.max(largest(found.row(i), &expected));
        }
    }
    worst
}

#[test]
fn every_run_of_the_online_decoder_equals_the_authors() {
    let world = World::new();
    let file = golden("golden_online_decode.json.gz");
    let runs = file["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 16);
    for run in runs {
        let name = run["name"].as_str().unwrap();
        let specs = &run["decoder_specs"];
        let readout = match specs["preprocess_func"].as_str().unwrap() {
            "pca" => Readout::Pca {
                k: specs["ncomp"].as_u64().unwrap() as usize,
            },
            "fa" => Readout::Factors {
                k: specs["ncomp"].as_u64().unwrap() as usize,
            },
            // Scaling the units changes no prediction of least squares of full rank.
            "none" | "scale" => Readout::Full,
            other => unreachable!("{other}"),
        };
        let responses = world.neural(run["neural_data"].as_str().unwrap());
        let behavior = world.behavior(&strings(&run["behaviours"]));
        let masks = (
            &world.mask(run["mask_neural"].as_str().unwrap()),
            &world.mask(run["mask_behaviour"].as_str().unwrap()),
        );
        let inputs = if specs["matched_timepoints"].as_bool().unwrap() {
            Inputs::matched(&responses, &behavior, masks, world.epochs(), None, 50.0)
        } else {
            Inputs::asynchronous(&responses, &behavior, masks, None, 50.0)
        }
        .unwrap();
        let splits = splits(run);
        // The splits of the file are those that we draw.
        let fraction = specs["train_size"].as_f64().unwrap();
        assert_eq!(
            splits,
            group_splits(CONDITIONS, splits.len(), fraction, 0).unwrap()
        );
        let decoder = OnlineDecoder::new(&inputs.layout, &inputs.features).unwrap();
        let scores = decoder.scores(&splits, readout).unwrap();
        let held = decoder.held_out(&splits, readout).unwrap();
        let worst = compare(&scores, run).max(predictions(&held, run));
        let tolerance = if name.starts_with("driver_async_") {
            1e-6
        } else {
            1e-9
        };
        println!("{name}: {worst:e}");
        assert!(worst < tolerance, "{name}: {worst:e}");
        if name == "transfer_sh1_to_sh2" {
            let other = world.neural(run["transfer_neural_data"].as_str().unwrap());
            let other =
                Inputs::matched(&other, &behavior, masks, world.epochs(), None, 50.0).unwrap();
            let scores = decoder
                .transfer_scores(&other.features, &splits, readout)
                .unwrap();
            let mut worst: f64 = 0.0;
            for (s, split) in scores.splits.iter().enumerate() {
                let get = |g: fn(&mental_pong_eval::decode::Score) -> f64| {
                    split.scores.iter().map(g).collect::<Vec<f64>>()
                };
                worst = worst
                    .max(largest(&get(|s| s.r), &floats(&run["r_2_dist"][s])))
                    .max(largest(&get(|s| s.spearman), &floats(&run["rs_2_dist"][s])))
                    .max(largest(&get(|s| s.mae), &floats(&run["mae_2_dist"][s])));
            }
            println!("transfer: {worst:e}");
            assert!(worst < 1e-9, "{worst:e}");
        }
    }
}

#[test]
fn a_lag_sweep_holds_the_single_runs() {
    let world = World::new();
    let file = golden("golden_online_decode.json.gz");
    let find = |name: &str| {
        let runs = file["runs"].as_array().unwrap();
        runs.iter().find(|r| r["name"] == name).unwrap().clone()
    };
    let run = find("rolled_neural_minus2");
    let responses = world.neural(run["neural_data"].as_str().unwrap());
    let behavior = world.behavior(&strings(&run["behaviours"]));
    let sweep = lag_sweep(
        &responses,
        &behavior,
        &world.start_end,
        world.epochs(),
        50.0,
        variables::PUBLISHED_ROLLS.map(Pairing::RolledMask),
        &splits(&run),
        Readout::Full,
    )
    .unwrap();
    assert_eq!(sweep.len(), 11);
    let at = |bins| sweep.iter().find(|l| l.pairing.bins() == bins).unwrap();
    assert!(compare(&at(-2).scores, &run) < 1e-9);
    assert_ne!(at(2).scores.splits, at(-2).scores.splits);
    assert!((at(3).lag_ms - 150.0).abs() < 1e-12);
}

/// What the rolled masks of the published sweep look like, and do not do.
#[test]
fn a_lag_moves_responses_and_a_rolled_mask_does_not() {
    let world = World::new();
    let behavior = world.behavior(&["ball_pos_x_TRUE".into(), "ball_pos_y_TRUE".into()]);
    // A unit that follows the height by two bins, and one that follows x at once.
    let mut values = Vec::new();
    for (variable, delay) in [(1, 2i64), (0, 0)] {
        for c in 0..CONDITIONS {
            for b in 0..BINS {
                let at = (b as i64 - delay).max(0) as usize;
                values.push(behavior[variable].1.get(c, at));
            }
        }
    }
    let responses = Responses::new(2, CONDITIONS, BINS, "1", values).unwrap();
    let splits = group_splits(CONDITIONS, 5, 0.5, 0).unwrap();
    let best = |pairing: fn(i64) -> Pairing| {
        let sweep = lag_sweep(
            &responses,
            &behavior[1..],
            &world.start_end,
            world.epochs(),
            50.0,
            (-4..=4).map(pairing),
            &splits,
            Readout::Full,
        )
        .unwrap();
        let best = sweep
            .iter()
            .max_by(|a, b| {
                let r = |l: &mental_pong_eval::decode::Lag| l.scores.targets[0].r.mean;
                r(a).total_cmp(&r(b))
            })
            .unwrap();
        (best.pairing.bins(), best.scores.targets[0].r.mean)
    };
    let (lag, r) = best(Pairing::Lag);
    assert_eq!(lag, 2);
    assert!(r > 1.0 - 1e-9);
    assert!(best(Pairing::RolledMask).1 < 1.0 - 1e-4);
}

#[test]
fn errors_over_time_equal_the_authors_plots() {
    let world = World::new();
    let file = golden("golden_online_decode_over_time.json.gz");
    let behavior = world.behavior(&strings(&file["behaviours"]));
    let responses = world.neural("neural_responses_reliable_FactorAnalysis_50");
    let masks = (&world.start_end, &world.start_end);
    let inputs = Inputs::matched(&responses, &behavior, masks, world.epochs(), None, 50.0).unwrap();
    let decoder = OnlineDecoder::new(&inputs.layout, &inputs.features).unwrap();
    let niter = file["niter"].as_u64().unwrap() as usize;
    let splits = group_splits(CONDITIONS, niter, 0.5, 0).unwrap();
    let held = decoder.held_out(&splits, Readout::Full).unwrap();
    let mut worst: f64 = 0.0;
    for (mask, part) in [
        ("start_end_pad0", Part::All),
        ("start_occ_pad0", Part::Visible),
        ("occ_end_pad0", Part::Hidden),
        ("start_pad0_roll0", Part::Start),
        ("occ_pad0_roll0", Part::Occlusion),
        ("f_pad0_roll0", Part::Final),
    ] {
        let expected = &file["masks"][mask];
        let scores = decoder.part_scores(&held, part);
        for (s, split) in scores.splits.iter().enumerate() {
            let r: Vec<f64> = split.scores.iter().map(|s| s.r).collect();
            let mae: Vec<f64> = split.scores.iter().map(|s| s.mae).collect();
            worst = worst
                .max(largest(&r, &floats(&expected["r_mu"][s])))
                .max(largest(&mae, &floats(&expected["mae_mu"][s])));
        }
        let errors = decoder.errors_over_time(&held, part);
        let pad = |mut v: Vec<f64>| {
            v.resize(BINS, f64::NAN);
            v
        };
        for t in 0..4 {
            let column =
                |key: &str| -> Vec<f64> { rows(&expected[key]).iter().map(|row| row[t]).collect() };
            let mean = |from_end| -> Vec<f64> {
                pad(errors.mae(t, from_end).iter().map(|s| s.mean).collect())
            };
            let mut from_end = mean(true);
            from_end.reverse();
            let mse = pad(errors.from_start[0].iter().map(|e| e.mse[t]).collect());
            worst = worst
                .max(largest(&mean(false), &column("mae_t_mean_over_splits")))
                .max(largest(&from_end, &column("mae_t2_mean_over_splits")))
                .max(largest(&mse, &column("mse_t_split0")));
        }
        let plane = errors.rmse_2d(0, 1, false)[0].mean;
        let by_hand: Vec<f64> = errors
            .from_start
            .iter()
            .map(|s| (s[0].mse[0] + s[0].mse[1]).sqrt())
            .collect();
        assert!((plane - by_hand.iter().sum::<f64>() / niter as f64).abs() < 1e-12);
    }
    println!("over time: {worst:e}");
    assert!(worst < 1e-9, "{worst:e}");

    // pred y, true y, true x, true dy of the first split.
    let expected = &file["partial_corr"];
    let mut table = Vec::new();
    for &c in &splits[0].test {
        let p = held.get(0, c).unwrap();
        for (i, &row) in held.kept_rows(c).iter().enumerate() {
            let y = inputs.layout.conditions()[c].targets.row(row);
            table.push([p.get(i, 1), y[1], y[0], y[3]]);
        }
    }
    let table = Array2::from_rows(&table).unwrap();
    assert_eq!(table.rows() as u64, expected["n"].as_u64().unwrap());
    for (offset, key) in [
        (Offset::With, "with_offset"),
        (Offset::Without, "without_offset"),
    ] {
        let found = partial_correlations(&table, offset).unwrap();
        for (i, row) in found.iter().enumerate() {
            let r: Vec<f64> = row.iter().map(|c| c.r).collect();
            let p: Vec<f64> = row.iter().map(|c| c.p_of_residuals).collect();
            let worst = largest(&r, &floats(&expected[format!("r_{key}")][i]))
                .max(largest(&p, &floats(&expected[format!("p_{key}")][i])));
            println!("partial {key}: {worst:e}");
            assert!(worst < 1e-9, "{worst:e}");
        }
    }
    // Given one covariate, the textbook formula says the same.
    let given = decoder.given_each(&held, 1, &[0, 3], Part::All).unwrap();
    let r =
        |a: usize, b: usize| mental_pong_eval::stats::pearson(&table.column(a), &table.column(b));
    for (found, z) in given.iter().zip([2, 3]) {
        let formula = (r(0, 1) - r(0, z) * r(1, z))
            / ((1.0 - r(0, z).powi(2)) * (1.0 - r(1, z).powi(2))).sqrt();
        assert!((found.per_split[0] - formula).abs() < 1e-12);
    }
}

#[test]
fn every_run_of_the_end_point_decoder_equals_the_authors() {
    let world = World::new();
    let file = golden("golden_offline_decode.json.gz");
    let runs = file["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 8);
    let responses = world.neural("neural_responses_reliable");
    let heights = world.end_heights();
    let readout = Readout::Pca { k: 50 };
    for run in runs {
        let (name, mask_name) = (run["name"].as_str().unwrap(), run["mask"].as_str().unwrap());
        let n_state = if name == "pos_state_pred" { 2 } else { 4 };
        let state: Vec<String> = variables::BALL_STATE[..n_state]
            .iter()
            .map(|s| (*s).to_owned())
            .collect();
        let mask = world.mask(mask_name);
        let inputs = Inputs::matched(
            &responses,
            &world.behavior(&state),
            (&mask, &mask),
            world.epochs(),
            None,
            50.0,
        )
        .unwrap();
        let splits = splits(run);
        let stages = |second| {
            EndpointDecoder::new(&inputs.layout, &inputs.features, &heights)
                .unwrap()
                .two_stage(&splits, readout, second)
                .unwrap()
        };
        let (decoder, held) = match name {
            "neural_data" => {
                let decoder =
                    EndpointDecoder::new(&inputs.layout, &inputs.features, &heights).unwrap();
                let held = decoder.held_out(&splits, readout).unwrap();
                (decoder, held)
            }
            "pos_state_pred" | "posvel_state_pred" => stages(SecondStage::Decoded),
            "posvel_state_pred_transfer" => stages(SecondStage::True),
            other => unreachable!("{other}"),
        };
        let decoder = decoder.min_conditions(2);
        let sets = ConditionSet::published();
        for set in &sets {
            assert_eq!(set.conditions, indices(&run["condition_sets"][&set.name]));
        }
        let mut worst: f64 = 0.0;
        for curve in decoder.curves(&held, Part::All, &sets) {
            for (key, values, per_split) in [
                ("r_start1", &curve.r, &curve.r_per_split),
                ("mae_start1", &curve.mae, &curve.mae_per_split),
            ] {
                let expected = &run["metrics"][format!("{key}_{}", curve.set)];
                let n = expected["n_time"].as_u64().unwrap() as usize;
                let take = |g: fn(&mental_pong_eval::stats::Summary) -> f64| {
                    values.iter().take(n).map(g).collect::<Vec<f64>>()
                };
                worst = worst
                    .max(largest(
                        &take(|s| s.mean),
                        &floats(&expected["mean_over_splits"]),
                    ))
                    .max(largest(
                        &take(|s| s.sd),
                        &floats(&expected["sd_over_splits"]),
                    ));
                // Nothing is defined beyond what the file has.
                assert!(values.iter().skip(n).all(|s| s.n == 0));
                let all = match &expected["per_split"] {
                    Value::Null => vec![floats(&expected["split0"])],
                    listed => rows(listed),
                };
                for (found, e) in per_split.iter().zip(&all) {
                    worst = worst.max(largest(&found[..n], e));
                }
            }
        }
        let check = &run["yp_check"];
        let c = check["condition"].as_u64().unwrap() as usize;
        let found = held.get(0, c).unwrap().column(0);
        worst = worst.max(largest(&found, &floats(&check["yp"])[..found.len()]));
        println!("{name} {mask_name}: {worst:e}");
        assert!(worst < 1e-8, "{name} {mask_name}: {worst:e}");
    }
}

#[test]
fn masks_and_derived_variables_are_those_of_the_recording() {
    let recording = Recording::open(data("recordings/mini_hand_dmfc_dataset_50ms.pkl.gz")).unwrap();
    let trials = TrialType::Occ;
    let mask = |name: &str| recording.mask(trials, name).unwrap();
    let (start_end, occ_end) = (mask("start_end_pad0"), mask("occ_end_pad0"));
    for (name, found) in [
        ("start_pad0_roll0", moment(start_end, Moment::First)),
        ("occ_pad0_roll0", moment(occ_end, Moment::First)),
        ("half_pad0_roll0", moment(occ_end, Moment::Middle)),
        ("f_pad0_roll0", moment(occ_end, Moment::Last)),
    ] {
        assert_eq!(mask(name), &found, "{name}");
    }
    let mut rolled = 0;
    let names: Vec<String> = recording.mask_names(trials).map(String::from).collect();
    for name in &names {
        let Some((stem, bins)) = name.split_once("_roll") else {
            continue;
        };
        let base = if recording.mask(trials, stem).is_ok() {
            stem.to_owned()
        } else {
            format!("{stem}_roll0")
        };
        assert_eq!(
            mask(name),
            &roll(mask(&base), bins.parse().unwrap()),
            "{name}"
        );
        rolled += 1;
    }
    assert!(rolled > 20, "{rolled}");

    // Against the larger synthetic recording: the positions of this small one are rounded. The last bin of a condition
    // looks at the next one, which is not among its rows.
    let world = World::new();
    let names: Vec<String> = variables::DRIVER_33[..6]
        .iter()
        .map(|s| (*s).to_owned())
        .collect();
    let known = world.behavior(&names);
    let derived = motion(&known[0].1, &known[1].1).unwrap();
    for (k, found) in [
        (2, &derived.dx),
        (3, &derived.dy),
        (4, &derived.speed),
        (5, &derived.heading),
    ] {
        let worst = world
            .cells
            .iter()
            .filter(|&&(c, b)| world.start_end.contains(c, b + 1))
            .map(|&(c, b)| (found.get(c, b) - known[k].1.get(c, b)).abs())
            .fold(0.0, f64::max);
        println!("{}: {worst:e}", names[k]);
        assert!(worst < 1e-12, "{}: {worst:e}", names[k]);
    }
    // Visible trials have no velocities in the file.
    assert!(
        recording
            .behavior(TrialType::Vis, "ball_pos_dx_TRUE")
            .is_err()
    );
    let dx = variable(&recording, TrialType::Vis, "ball_pos_dx_TRUE").unwrap();
    assert!(dx.get(0, 10).is_finite());

    let at_end = |name: &str| final_values(&recording, trials, name, "start_end_pad0").unwrap();
    assert_eq!(at_end("ball_final_y"), at_end("ball_pos_y"));
    assert!(at_end("paddle_pos_y").iter().all(|v| v.is_finite()));
    let mut from = FromRecording::published();
    // This small recording has no 50 factors.
    assert!(Inputs::from_recording(&recording, &from).is_err());
    from.population = Population::All;
    let inputs = Inputs::from_recording(&recording, &from).unwrap();
    assert_eq!(inputs.layout.target_names(), variables::PUBLISHED_23);
    let count = |i: &Inputs| i.features.iter().map(Array2::rows).sum::<usize>();
    assert_eq!(count(&inputs), start_end.count());
    from.pairing = Pairing::Lag(-2);
    let early = Inputs::from_recording(&recording, &from).unwrap();
    assert_eq!(inputs.features[3].row(0), early.features[3].row(2));
    assert_eq!(count(&early), count(&inputs));
    from.pairing = Pairing::RolledMask(-2);
    let fewer = Inputs::from_recording(&recording, &from).unwrap();
    assert_eq!(count(&fewer), count(&inputs) - 2 * CONDITIONS);
}
