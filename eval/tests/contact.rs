//! Object contact against scikit-learn, and people's tables in the layout of the published ones, with synthetic content.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;

use mental_pong_eval::array::Array2;
use mental_pong_eval::contact::people::{self, Exclusions};
use mental_pong_eval::contact::{
    ContactModel, ContactSettings, LogisticPath, Prediction, Scaler, Scenario, StratifiedKFold,
    Unmatched, against_people, kappa, per_scenario_accuracy,
};
use mental_pong_eval::stats;
use mental_pong_eval::stats::bootstrap::Bootstrap;
use serde_json::Value;

fn reference() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/contact/sklearn.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn floats(v: &Value) -> Vec<f64> {
    let values = v.as_array().unwrap().iter();
    values.map(|x| x.as_f64().unwrap()).collect()
}

fn bools(v: &Value) -> Vec<bool> {
    floats(v).into_iter().map(|x| x > 0.5).collect()
}

fn table(v: &Value) -> Array2 {
    let rows: Vec<Vec<f64>> = v.as_array().unwrap().iter().map(floats).collect();
    Array2::from_rows(&rows).unwrap()
}

fn indices(v: &Value) -> Vec<usize> {
    floats(v).into_iter().map(|x| x as usize).collect()
}

#[test]
fn folds_equal_sklearn() {
    let reference = reference();
    for (case, folds) in [("tall", 5), ("wide", 5), ("folds7", 7)] {
        let labels = bools(&reference[case]["y"]);
        let splits = StratifiedKFold { folds, seed: 42 }.split(&labels).unwrap();
        let expected = reference[case]["folds"].as_array().unwrap();
        assert_eq!(splits.len(), expected.len());
        for (split, expected) in splits.iter().zip(expected) {
            assert_eq!(split.test, indices(expected), "{case}");
            assert_eq!(split.train.len() + split.test.len(), labels.len());
        }
    }
    // The specification's golden vector.
    let y = [0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0].map(|v| v == 1);
    let splits = StratifiedKFold { folds: 3, seed: 42 }.split(&y).unwrap();
    let tests: Vec<&[usize]> = splits.iter().map(|s| &s.test[..]).collect();
    assert_eq!(tests, [&[0, 2, 3, 4][..], &[1, 6, 7, 11], &[5, 8, 9, 10]]);
    assert!(StratifiedKFold::default().split(&[true; 20]).is_err());
}

// scikit-learn 1.9: Pipeline(StandardScaler(), LogisticRegression(tol=1e-12)), GridSearchCV as published.
#[test]
fn the_chosen_c_and_the_probabilities_equal_sklearn() {
    let reference = reference();
    for case in ["tall", "wide"] {
        let case = &reference[case];
        let (x, y) = (table(&case["X"]), bools(&case["y"]));
        let model = ContactModel::train(&x, &y, &ContactSettings::default()).unwrap();
        assert!((model.c / case["best_c"].as_f64().unwrap() - 1.0).abs() < 1e-12);
        for (point, expected) in model
            .grid
            .iter()
            .zip(case["fold_accuracy"].as_array().unwrap())
        {
            for (a, b) in point.fold_accuracy.iter().zip(floats(expected)) {
                assert!((a - b).abs() < 1e-12, "C = {:e}: {a} is not {b}", point.c);
            }
        }
        let accuracy = case["train_accuracy"].as_f64().unwrap();
        assert!((model.train_accuracy - accuracy).abs() < 1e-12);
        let new = table(&case["X_test"]);
        let close = |a: &[f64], b: &[f64]| {
            assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-6, "{a} is not {b}");
            }
        };
        close(
            &model.probabilities(&new).unwrap(),
            &floats(&case["test_probabilities"]),
        );
        let clips: Vec<usize> = (0..y.len()).collect();
        let path = LogisticPath::new(&x, &y, &clips).unwrap();
        for (c, expected) in case["by_c"].as_object().unwrap() {
            let fit = path.fit(c.parse().unwrap()).unwrap();
            let odds = fit.log_odds(&new).unwrap();
            let p: Vec<f64> = odds.iter().map(|m| 1.0 / (1.0 + (-m).exp())).collect();
            close(&p, &floats(&expected["p"]));
            let (w, b) = (fit.coefficients[0], fit.intercept);
            close(
                &[w, b],
                &floats(&serde_json::json!([
                    expected["coef0"],
                    expected["intercept"]
                ])),
            );
        }
    }
}

#[test]
fn a_constant_feature_keeps_its_scale() {
    let x = Array2::from_fn(7, 2, |i, j| if j == 0 { 0.1 + 0.2 } else { i as f64 });
    let scaler = Scaler::fit(&x, &[0, 1, 2, 3, 4, 5, 6]).unwrap();
    assert!((scaler.scale()[0] - 1.0).abs() < 1e-15);
    assert!((scaler.scale()[1] - 2.0).abs() < 1e-15);
}

#[test]
fn threads_do_not_change_the_model_and_the_folds_seed_does() {
    let case = &reference()["wide"];
    let (x, y) = (table(&case["X"]), bools(&case["y"]));
    let run = |threads: usize, seed: u32| {
        let mut settings = ContactSettings::default();
        settings.folds.seed = seed;
        rayon_pool(threads, || ContactModel::train(&x, &y, &settings).unwrap())
    };
    let one = run(1, 42);
    assert_eq!(one, run(3, 42));
    assert_ne!(one.grid, run(1, 43).grid);
}

fn rayon_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(work)
}

#[test]
fn kappa_equals_sklearn_and_its_edges_are_stated() {
    for case in reference()["kappa"].as_array().unwrap() {
        let k = kappa::cohen_kappa(&bools(&case["a"]), &bools(&case["b"]));
        assert!((k - case["kappa"].as_f64().unwrap()).abs() < 1e-12);
    }
    let golden = kappa::cohen_kappa(
        &[true, false, true, true, false],
        &[true, false, false, true, false],
    );
    assert!((golden - 0.615_384_615).abs() < 1e-9);
    // Both constant and equal: undefined. One constant: 0. Both constant and opposite: 0.
    assert!(kappa::cohen_kappa(&[true; 4], &[true; 4]).is_nan());
    assert!(kappa::cohen_kappa(&[true; 4], &[true, false, true, false]).abs() < 1e-15);
    assert!(kappa::cohen_kappa(&[true; 4], &[false; 4]).abs() < 1e-15);
}

#[test]
fn kappa_over_participants_leaves_missing_answers_out() {
    let yes = Some(true);
    let no = Some(false);
    let responses = vec![
        vec![yes, no, yes, no],
        vec![yes, no, None, yes],
        vec![None, None, None, None],
    ];
    let model = [true, false, true, false];
    let with = kappa::model_with_people(&model, &responses).unwrap();
    // 1 with the first; with the second over clips 0, 1, 3: p_o 2/3, p_e 4/9, so 0.4; nothing with the third.
    assert_eq!((with.n, with.n_undefined), (2, 1));
    assert!((with.median - 0.7).abs() < 1e-12);
    assert!((with.p025 - (0.4 + 0.6 * 0.025)).abs() < 1e-12);
    let among = kappa::people_with_people(&responses).unwrap();
    assert_eq!((among.n, among.n_undefined), (1, 2));
    assert!((among.median - 0.4).abs() < 1e-12);
    assert!(kappa::people_with_people(&responses[..1]).is_err());
    assert!(kappa::model_with_people(&model[..3], &responses).is_err());
}

const LABELS: &str = "stim_ID,scenario,stim_url,correct,label\n\
    a_0001,drape,x,0.9,True\na_0002,drape,x,0.4,False\na_0001,collide,x,0.5,False\nb_ledge_1,roll,x,0.7,True\n\
    glitch_1,drape,x,0.1,True\n";

#[test]
fn people_are_joined_on_scenario_and_name() {
    let labels = people::read_labels(LABELS.as_bytes(), "labels.csv").unwrap();
    let drape = "stim_ID,correct,c\na_0002_img,0.4,100\na_0001_img,0.9,100\nglitch_1_img,0.1,99\n";
    let mut rows = people::read_accuracy(drape.as_bytes(), "drape.csv", Scenario::Drape).unwrap();
    let collide = "correct,stim_ID\n0.25,a_0001_img\n";
    rows.extend(
        people::read_accuracy(collide.as_bytes(), "collide.csv", Scenario::Collide).unwrap(),
    );
    let roll = "stim_ID,correct\nb_ledge_1,0.7\n";
    rows.extend(people::read_accuracy(roll.as_bytes(), "roll.csv", Scenario::Roll).unwrap());
    let exclude = Exclusions {
        ledges: true,
        listed: vec![(Scenario::Drape, "glitch_1-redyellow".into())],
    };
    let people = people::join(&labels, &rows, &exclude).unwrap();
    let found: Vec<(Scenario, &str, f64, Option<u32>)> = people
        .clips
        .iter()
        .map(|c| (c.scenario, &c.name[..], c.p_yes, c.answers))
        .collect();
    assert_eq!(found.len(), 3);
    assert_eq!(
        (found[0].0, found[0].1, found[0].3),
        (Scenario::Drape, "a_0001", Some(100))
    );
    // P(yes): as it is for contact, 1 - correct otherwise, and another label for the same name elsewhere.
    for (found, expected) in found.iter().zip([0.9, 0.6, 0.75]) {
        assert!((found.2 - expected).abs() < 1e-12);
    }
    assert_eq!((people.excluded.ledges, people.excluded.listed), (1, 1));
    let unknown = Exclusions {
        listed: vec![(Scenario::Link, "glitch_1".into())],
        ..Exclusions::default()
    };
    assert!(people::join(&labels, &rows, &unknown).is_err());
}

#[test]
fn errors_of_tables_name_file_line_and_column() {
    let labels = people::read_labels(LABELS.as_bytes(), "labels.csv").unwrap();
    let accuracy =
        |text: &str| people::read_accuracy(text.as_bytes(), "people.csv", Scenario::Drape);
    let shown = |text: &str, words: &[&str]| {
        let error = match accuracy(text) {
            Err(error) => error,
            Ok(rows) => people::join(&labels, &rows, &Exclusions::default()).unwrap_err(),
        };
        let message = error.to_string();
        for word in words.iter().chain(&["people.csv"]) {
            assert!(message.contains(word), "{message:?} lacks {word:?}");
        }
    };
    shown(
        "stim_ID,correct\na_0001,1.2\n",
        &["line 2", "correct", "1.2"],
    );
    shown("stim_ID,correct\na_0001,\n", &["line 2", "correct"]);
    shown("stim_ID,correct\na_0001,NaN\n", &["line 2", "correct"]);
    shown(
        "stim_ID,correct,c\na_0001,0.5,many\n",
        &["line 2", "column c"],
    );
    shown("stim_ID,correct\n,0.5\n", &["line 2", "stim_ID"]);
    shown(
        "stim_ID,right\na_0001,0.5\n",
        &["line 1", "no column correct", "right"],
    );
    shown("stim_ID,correct\na_0001,0.5,7\n", &["line 2"]);
    shown(
        "stim_ID,correct\nnew_1,0.5\n",
        &["line 2", "stim_ID", "no row in the table of labels"],
    );
    shown(
        "stim_ID,correct\na_0001_img,0.5\na_0002,0.5\na_0001,0.5\n",
        &["line 4", "stim_ID", "twice", "line 2"],
    );
    let labels = |text: &str| {
        people::read_labels(text.as_bytes(), "labels.csv")
            .unwrap_err()
            .to_string()
    };
    let twice = labels("stim_ID,scenario,label\na,drape,True\na,collide,True\na,Drape,False\n");
    assert!(
        twice.contains("labels.csv, line 4") && twice.contains("twice"),
        "{twice}"
    );
    assert!(labels("stim_ID,scenario,label\na,table,True\n").contains("column scenario"));
    assert!(labels("stim_ID,scenario,label\na,drape,maybe\n").contains("column label"));
}

#[test]
fn files_are_read_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("stimulus_names_and_labels.csv");
    let drape = folder.path().join("human_accuracy-clothiness_pilot.csv");
    let unnamed = folder.path().join("human_accuracy.csv");
    std::fs::write(&labels, LABELS).unwrap();
    std::fs::write(&drape, "stim_ID,correct,c\na_0001_img,0.9,100\n").unwrap();
    std::fs::write(&unnamed, "stim_ID,correct,c\na_0001_img,0.9,100\n").unwrap();
    let people = people::read_files(&labels, &[&drape], &Exclusions::default()).unwrap();
    assert_eq!(people.clips[0].scenario, Scenario::Drape);
    let error = people::read_files(&labels, &[&unnamed], &Exclusions::default()).unwrap_err();
    assert!(error.to_string().contains("human_accuracy.csv"));
    let missing = folder.path().join("human_accuracy-drop.csv");
    let error = people::read_files(&labels, &[&missing], &Exclusions::default()).unwrap_err();
    assert!(error.to_string().contains("human_accuracy-drop.csv"));
}

#[test]
fn single_answers_become_a_table_of_participants() {
    let text = "participant,scenario,stim_ID,response\np2,drape,a_1_img,YES\np1,drape,a_2_img,NO\np1,drape,a_1_img,True\n";
    let read = people::read_responses(text.as_bytes(), "answers.csv").unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].participants, ["p1", "p2"]);
    assert_eq!(read[0].clips, ["a_1", "a_2"]);
    assert_eq!(
        read[0].answers,
        [[Some(true), Some(false)], [Some(true), None]]
    );
    let twice = format!("{text}p1,drape,a_1,NO\n");
    let error = people::read_responses(twice.as_bytes(), "answers.csv")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("answers.csv, line 5") && error.contains("twice"),
        "{error}"
    );
}

/// 40 clips of one scenario; the model says what people say, but for `noise`.
fn synthetic(noise: f64) -> (Vec<Prediction>, people::People) {
    let mut rng = mental_pong_base::Stream::new(5, "test", 0);
    let mut predictions = Vec::new();
    let mut clips = Vec::new();
    for i in 0..40 {
        let label = i % 2 == 0;
        let correct = 0.55 + 0.4 * rng.unit();
        let p_yes = if label { correct } else { 1.0 - correct };
        clips.push(people::HumanClip {
            scenario: Scenario::Link,
            name: format!("clip_{i:02}"),
            label,
            correct,
            p_yes,
            answers: None,
        });
        predictions.push(Prediction {
            scenario: Scenario::Link,
            name: format!("clip_{i:02}-redyellow"),
            label,
            p_contact: (p_yes + noise * rng.normal()).clamp(0.0, 1.0),
        });
    }
    let excluded = people::ExcludedClips::default();
    (predictions, people::People { clips, excluded })
}

#[test]
fn a_model_that_says_what_people_say_agrees_fully() {
    let (predictions, people) = synthetic(0.0);
    let bootstrap = Bootstrap::default();
    let found = against_people(&predictions, &people, Unmatched::Refuse, &bootstrap).unwrap();
    let link = &found.scenarios[0];
    assert_eq!((found.scenarios.len(), link.n), (1, 40));
    assert!((link.r.estimate - 1.0).abs() < 1e-12 && link.r.contains(link.r.estimate));
    assert!((link.accuracy.estimate - 1.0).abs() < 1e-12);
    assert!(link.rmse < 1e-12 && link.notebook_distance < 1e-12);

    let (noisy, _) = synthetic(0.4);
    let found = against_people(&noisy, &people, Unmatched::Refuse, &bootstrap).unwrap();
    let link = &found.scenarios[0];
    let p: Vec<f64> = noisy.iter().map(|p| p.p_contact).collect();
    let yes: Vec<f64> = people.clips.iter().map(|c| c.p_yes).collect();
    assert!((link.r.estimate - stats::pearson(&p, &yes)).abs() < 1e-12);
    assert!(link.r.low < link.r.estimate && link.r.estimate < link.r.high && link.r.high < 1.0);
    // The notebook divides the Euclidean distance by N.
    let squares: f64 = p.iter().zip(&yes).map(|(a, b)| (a - b) * (a - b)).sum();
    assert!((link.notebook_distance - squares.sqrt() / 40.0).abs() < 1e-12);
    assert!((link.rmse - (squares / 40.0).sqrt()).abs() < 1e-12);
}

#[test]
fn what_cannot_be_joined_is_counted_or_refused() {
    let (mut predictions, mut people) = synthetic(0.1);
    predictions[0].label = !predictions[0].label;
    people.clips.remove(1);
    let lonely = predictions.remove(2);
    let bootstrap = Bootstrap::default();
    let error = against_people(&predictions, &people, Unmatched::Refuse, &bootstrap).unwrap_err();
    assert!(error.to_string().contains("clip_02"), "{error}");
    let found = against_people(&predictions, &people, Unmatched::Count, &bootstrap).unwrap();
    assert_eq!(found.scenarios[0].n, 37);
    assert_eq!(
        (
            found.without_people,
            found.without_prediction,
            found.label_disagrees
        ),
        (1, 1, 1)
    );
    predictions.push(predictions[5].clone());
    assert!(against_people(&predictions, &people, Unmatched::Count, &bootstrap).is_err());
    predictions.pop();
    predictions.push(Prediction {
        p_contact: 1.5,
        ..lonely
    });
    assert!(per_scenario_accuracy(&predictions).is_err());
    let few = against_people(&predictions[..8], &people, Unmatched::Count, &bootstrap);
    assert!(few.unwrap_err().to_string().contains("too few"));
}

#[test]
fn accuracy_counts_each_scenario() {
    let clip = |scenario, label, p_contact| Prediction {
        scenario,
        name: String::new(),
        label,
        p_contact,
    };
    let predictions = [
        clip(Scenario::Drop, true, 0.9),
        clip(Scenario::Drop, false, 0.9),
        clip(Scenario::Drape, false, 0.5),
    ];
    let found = per_scenario_accuracy(&predictions).unwrap();
    assert!((found.overall - 2.0 / 3.0).abs() < 1e-15 && found.n == 3);
    let by: Vec<(Scenario, f64, usize)> = found
        .scenarios
        .iter()
        .map(|s| (s.scenario, s.accuracy, s.n))
        .collect();
    assert_eq!(by, [(Scenario::Drape, 1.0, 1), (Scenario::Drop, 0.5, 2)]);
}
