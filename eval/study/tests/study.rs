//! Whole studies of recordings that lack something: what can be done is done, what cannot is said, and what is wrong is an error that
//! names the file and the field. On the small SYNTHETIC recording, which is not of the task's own stimuli.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::path::PathBuf;
use std::sync::Arc;

use mental_pong_base::Quiet;
use mental_pong_eval::recordings::dmfc::{Expected, Opening, Recording};
use mental_pong_eval::recordings::file::read_value;
use mental_pong_formats::limits::Limits;
use mental_pong_formats::value::{Array, Dict, Value};
use mental_pong_game::task::{ConditionSet, Set};
use mental_pong_predictor::latents::{Cache, ConditionLatents, Latents, LayerInfo, Status, Step};
use mental_pong_study::card::Standing;
use mental_pong_study::{Inputs, Layer, Model, Study, StudyConfig, evaluate};

fn mini() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/recordings/mini_hand_dmfc_dataset_50ms.pkl.gz");
    read_value(&path, &Limits::default()).unwrap().1
}

fn key(name: &str) -> Value {
    Value::Str(name.into())
}

fn dict(entries: Vec<(Value, Value)>) -> Value {
    Value::Dict(Arc::new(Dict::new(entries)))
}

/// Every entry, `change`d by its path; `None` takes it out.
fn changed(
    value: &Value,
    path: &str,
    change: &dyn Fn(&str, &Value) -> Option<Value>,
) -> Option<Value> {
    match value {
        Value::Dict(entries) => {
            let entries = entries.entries().iter().filter_map(|(k, v)| {
                let name = k.as_str()?;
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}/{name}")
                };
                Some((k.clone(), changed(v, &path, change)?))
            });
            change(path, &dict(entries.collect()))
        }
        other => change(path, other),
    }
}

/// The tree as a laboratory's own: it states its axes.
fn own(root: &Value, conditions: usize, bin_ms: f64, first_bin_ms: f64) -> Value {
    let Value::Dict(entries) = root else {
        panic!("no dict")
    };
    let axes = dict(vec![
        (key("conditions"), Value::Int(conditions as i64)),
        (key("bins"), Value::Int(100)),
        (key("bin_ms"), Value::Float(bin_ms)),
        (key("first_bin_ms"), Value::Float(first_bin_ms)),
    ]);
    let mut entries = entries.entries().to_vec();
    entries.push((key("axes"), axes));
    dict(entries)
}

/// A laboratory's own tree states no set: the user says which it is.
fn of_published(root: &Value, expected: Expected) -> Recording {
    let opening = Opening {
        expected: Some(expected),
        conditions: Some(ConditionSet::open("primate79").unwrap()),
        ..Opening::default()
    };
    Recording::of_value(root, &opening).unwrap()
}

fn study(recording: Recording, analyses: &[&str]) -> Result<Study, String> {
    let inputs = Inputs {
        recording: Some(recording),
        recording_name: "synthetic".into(),
        ..Inputs::default()
    };
    let config = StudyConfig {
        analyses: analyses.iter().map(|a| (*a).to_owned()).collect(),
        splits: 4,
        map_splits: 1,
        resamples: 100,
        ..StudyConfig::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::in_folder(folder.path()).unwrap();
    evaluate(&inputs, &config, &cache, &Quiet).map_err(|e| e.to_string())
}

/// Numbers of an array of any kind with those `new` makes of (place, value).
fn mapped(value: &Value, new: impl Fn(usize, f64) -> f64) -> Value {
    let Value::Array(array) = value else {
        panic!("no array")
    };
    let values: Vec<f64> = array
        .to_f64()
        .unwrap()
        .into_iter()
        .enumerate()
        .map(|(at, v)| new(at, v))
        .collect();
    Value::Array(Arc::new(
        Array::from_f64(array.shape().to_vec(), &values).unwrap(),
    ))
}

#[test]
fn without_halves_what_needs_them_is_left_out_and_said() {
    let root = changed(&own(&mini(), 79, 50.0, -300.0), "", &|path, value| {
        let gone = path.contains("_sh") || path.starts_with("neural_responses_reliable");
        (!gone && !path.starts_with("reliable")).then(|| value.clone())
    })
    .unwrap();
    let open = || of_published(&root, Expected::default());
    let done = study(open(), &[]).unwrap();
    let skipped: Vec<&str> = done.card.skipped.iter().map(|s| s.name.as_str()).collect();
    for name in ["reliability", "rsa", "predictivity"] {
        assert!(skipped.contains(&name), "{name}: {skipped:?}");
    }
    for name in [
        "decode",
        "variables",
        "endpoint",
        "behavior",
        "encoding",
        "comparison",
    ] {
        let there = done.card.sections.iter().any(|s| s.analysis == name);
        assert!(there, "{name}: {skipped:?}");
    }
    // What is asked for by name is an error that says why.
    let error = study(open(), &["rsa"]).unwrap_err();
    assert!(error.contains("rsa") && error.contains("halves"), "{error}");
}

#[test]
fn variables_that_were_never_recorded_are_left_out() {
    let root = changed(&mini(), "", &|path, value| {
        let never = path.ends_with("/eye_v") || path.ends_with("/paddle_pos_y");
        Some(if never {
            mapped(value, |_, _| f64::NAN)
        } else {
            value.clone()
        })
    })
    .unwrap();
    let recording = Recording::from_value(&root, &Expected::default()).unwrap();
    let done = study(recording, &[]).unwrap();
    let section = |name: &str| {
        done.card
            .sections
            .iter()
            .find(|s| s.analysis == name)
            .unwrap()
    };
    let variables = section("variables");
    assert!(
        variables.warnings[0].contains("eye_v"),
        "{:?}",
        variables.warnings
    );
    let of = |target: &str| {
        let mut scores = variables.scores.iter();
        scores.find(|s| s.metric == "r" && s.epoch == "all" && s.target == target)
    };
    assert!(of("eye_v").is_none());
    assert!(of("eye_h").unwrap().value.is_finite());
}

#[test]
fn other_bins_are_analysed_and_other_conditions_and_a_missing_ball_are_errors_that_say_so() {
    let open = |root: &Value, conditions: usize, bin_ms: f64| {
        let expected = Expected {
            conditions,
            bin_ms,
            ..Expected::default()
        };
        of_published(root, expected)
    };
    let says = |recording: Recording, words: &[&str]| {
        let error = study(recording, &["decode"]).unwrap_err();
        for word in words {
            assert!(error.contains(word), "{error} lacks {word}");
        }
    };
    // Other bins are analysed as they are. These masks are not those of the set in such bins, and that is said.
    for (bin_ms, first_bin_ms) in [(25.0, -300.0), (50.0, 0.0)] {
        let root = own(&mini(), 79, bin_ms, first_bin_ms);
        let done = study(open(&root, 79, bin_ms), &["decode"]).unwrap();
        let statement = &done.card.data_statement;
        assert!(
            statement.contains("not of the set's own stimuli"),
            "{statement}"
        );
    }
    // Seven conditions: the first of each array that has 79.
    let few = changed(&own(&mini(), 7, 50.0, -300.0), "", &|path, value| {
        if path == "trial_meta" || path == "meta" {
            return None;
        }
        let Value::Array(array) = value else {
            return Some(value.clone());
        };
        let shape = array.shape();
        let Some(axis) = shape.windows(2).position(|s| s == [79, 100]) else {
            return Some(value.clone());
        };
        let values: Vec<f64> = array
            .to_f64()
            .unwrap()
            .chunks_exact(7900)
            .flat_map(|unit| unit[..700].to_vec())
            .collect();
        let mut shape = shape.to_vec();
        shape[axis] = 7;
        Some(Value::Array(Arc::new(
            Array::from_f64(shape, &values).unwrap(),
        )))
    })
    .unwrap();
    says(
        open(&few, 7, 50.0),
        &["conditions", "the 79 of", "names no ids", "7"],
    );
    // NaN where none may be, by condition and bin.
    let broken = changed(&mini(), "", &|path, value| {
        let ball = path == "behavioral_responses/occ/ball_pos_y_TRUE";
        Some(if ball {
            mapped(value, |at, v| if at / 100 == 5 { f64::NAN } else { v })
        } else {
            value.clone()
        })
    })
    .unwrap();
    says(
        open(&broken, 79, 50.0),
        &[
            "behavioral_responses/occ/ball_pos_y_TRUE",
            "NaN at condition 5, bin 6",
        ],
    );
    let none = changed(&mini(), "", &|path, value| {
        (!path.contains("occ/ball_pos_x")).then(|| value.clone())
    })
    .unwrap();
    says(
        open(&none, 79, 50.0),
        &["behavioral_responses/occ/ball_pos_x", "found only"],
    );
}

/// The order of the conditions in a file is no property of the task: which of them bounce follows their ids.
#[test]
fn what_bounces_does_not_depend_on_the_order_of_conditions() {
    let of = |recording: Recording| {
        let done = study(recording, &["variables"]).unwrap();
        let section = &done.card.sections[0];
        let found = |metric: &str| {
            section
                .scores
                .iter()
                .find(|s| s.metric == metric && s.target == "ball_pos_y_TRUE")
                .unwrap()
                .value
        };
        [found("r_from_bounces"), found("r_from_no_bounce")]
    };
    let root = mini();
    let there = of(Recording::from_value(&root, &Expected::default()).unwrap());
    let turned = changed(&root, "", &|path, value| {
        if path == "trial_meta" || path == "meta" {
            return None;
        }
        let Value::Array(array) = value else {
            return Some(value.clone());
        };
        if !array.shape().ends_with(&[79, 100]) {
            return Some(value.clone());
        }
        let values: Vec<f64> = array
            .to_f64()
            .unwrap()
            .chunks_exact(7900)
            .flat_map(|unit| {
                unit.chunks_exact(100)
                    .rev()
                    .flatten()
                    .copied()
                    .collect::<Vec<_>>()
            })
            .collect();
        Some(Value::Array(Arc::new(
            Array::from_f64(array.shape().to_vec(), &values).unwrap(),
        )))
    })
    .unwrap();
    let back = of(Recording::from_value(&turned, &Expected::default()).unwrap());
    for (a, b) in there.iter().zip(&back) {
        assert!((a - b).abs() < 1e-9, "{there:?} {back:?}");
    }
}

/// Factors are fitted for the analyses that take them, and the others give the same without.
#[test]
fn factors_are_fitted_only_where_they_are_used() {
    let recording = || Recording::from_value(&mini(), &Expected::default()).unwrap();
    let alone = study(recording(), &["reliability", "encoding"]).unwrap();
    let all = study(recording(), &[]).unwrap();
    for section in &alone.card.sections {
        let other = all
            .card
            .sections
            .iter()
            .find(|s| s.analysis == section.analysis)
            .unwrap();
        assert_eq!(
            serde_json::to_string(section).unwrap(),
            serde_json::to_string(other).unwrap()
        );
    }
}

/// A model that says nothing fails the run: a check says no, and numbers that are not defined are called so.
#[test]
fn a_constant_model_fails_the_checks() {
    let conditions = Set::Primate79.conditions().unwrap();
    let trials = conditions
        .iter()
        .map(|c| ConditionLatents {
            id: c.id.to_string(),
            steps: (0..100)
                .map(|bin| Step {
                    frame: 0,
                    time_ms: 50.0 * bin as f64 - 275.0,
                    status: Status::Visible,
                })
                .collect(),
            layers: vec![vec![1.0; 300]],
        })
        .collect();
    let latents = Latents {
        set: None,
        layers: vec![LayerInfo {
            name: "x".into(),
            units: 3,
        }],
        conditions: trials,
    };
    let inputs = Inputs {
        models: vec![Model::Latents {
            name: "constant-model".into(),
            layer: Layer::held(latents.into(), 0),
        }],
        ..Inputs::default()
    };
    let config = StudyConfig {
        splits: 4,
        resamples: 100,
        ..StudyConfig::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::in_folder(folder.path()).unwrap();
    let done = evaluate(&inputs, &config, &cache, &Quiet).unwrap();
    assert!(!done.card.passed());
    for check in &done.card.checks {
        let about = check.name.contains("constant-model");
        assert_eq!(check.passed, !about, "{check:?}");
    }
    for target in ["x", "y"] {
        let score = done
            .card
            .score("decode", "constant-model", "r", "hidden", target);
        assert!(score.unwrap().value.is_nan(), "{target}");
    }
    // Standing against nulls is a finding, and no check.
    assert!(
        done.card
            .findings
            .iter()
            .all(|f| f.standing != Standing::Above)
    );
}
