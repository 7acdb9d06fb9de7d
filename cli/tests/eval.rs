//! `mpong eval` as a user meets it, on recordings that say of themselves that they are simulated.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use assert_cmd::Command;
use serde_json::Value;

fn mpong() -> Command {
    Command::cargo_bin("mpong").unwrap()
}

fn run(command: &mut Command, code: &[i32]) -> (String, String) {
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let code_found = output.status.code().unwrap_or(-1);
    assert!(code.contains(&code_found), "{code_found}: {message}");
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    (String::from_utf8(output.stdout).unwrap(), words)
}

/// A small simulated recording of the 79 conditions, written once.
fn recording() -> &'static Path {
    static FILE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &FILE
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("simulated.npz");
            run(
                mpong()
                    .args(["recordings", "simulate", "--units", "24", "--trials", "20"])
                    .args(["--reliability", "0.5", "--quiet", "--out"])
                    .arg(&path),
                &[0],
            );
            (folder, path)
        })
        .1
}

fn eval(out: &Path, more: &[&str], threads: &str) -> (Value, String) {
    let (text, message) = run(
        mpong()
            .args(["eval", "--quiet", "--json", "--dmfc"])
            .arg(recording())
            .arg("--out")
            .arg(out)
            .args([
                "--set",
                "splits=6",
                "--set",
                "resamples=100",
                "--set",
                "map_splits=2",
            ])
            .args(more)
            .env("RAYON_NUM_THREADS", threads),
        &[0, 1],
    );
    (serde_json::from_str(&text).unwrap(), message)
}

/// `id` is metric, epoch and target.
fn score<'a>(card: &'a Value, analysis: &str, row: &str, id: [&str; 3]) -> &'a Value {
    let sections = card["sections"].as_array().unwrap();
    let section = sections
        .iter()
        .find(|s| s["analysis"] == analysis)
        .unwrap_or_else(|| panic!("no section {analysis}"));
    section["scores"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| {
            let [metric, epoch, target] = id;
            s["row"] == row && s["metric"] == metric && s["epoch"] == epoch && s["target"] == target
        })
        .unwrap_or_else(|| panic!("no {id:?} of {row}"))
}

#[test]
fn every_analysis_runs_and_says_simulated() {
    let out = tempfile::tempdir().unwrap();
    let (card, _) = eval(out.path(), &[], "2");
    assert!(
        card["data_statement"]
            .as_str()
            .unwrap()
            .contains("SYNTHETIC")
    );
    let names: Vec<&str> = card["sections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["analysis"].as_str().unwrap())
        .collect();
    for analysis in [
        "reliability",
        "dimensionality",
        "decode",
        "endpoint",
        "rsa",
        "predictivity",
        "behavior",
        "comparison",
    ] {
        assert!(names.contains(&analysis), "{analysis} of {names:?}");
    }
    // The units are tuned to the ball: it can be read out of them, and the true state explains them best.
    let dmfc = score(&card, "decode", "DMFC (synthetic)", ["r", "hidden", "x"])["value"]
        .as_f64()
        .unwrap();
    assert!(dmfc > 0.5, "{dmfc}");
    let of = |row| {
        score(
            &card,
            "predictivity",
            row,
            ["median_r_xy_n_sb", "hidden", "units"],
        )["value"]
            .as_f64()
            .unwrap()
    };
    assert!(
        of("oracle") > of("shuffled"),
        "{} {}",
        of("oracle"),
        of("shuffled")
    );
    for file in [
        "card.json",
        "card.md",
        "report.html",
        "tables/rsa.csv",
        "figures/rsa_occ_end.svg",
    ] {
        assert!(out.path().join(file).exists(), "{file}");
    }
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("SYNTHETIC") && page.contains("Side by side"));
    // Same input, same bytes, with any number of threads.
    let again = tempfile::tempdir().unwrap();
    eval(again.path(), &[], "1");
    for file in ["card.json", "report.html"] {
        assert_eq!(
            std::fs::read(out.path().join(file)).unwrap(),
            std::fs::read(again.path().join(file)).unwrap(),
            "{file}"
        );
    }
    let other = tempfile::tempdir().unwrap();
    let (other, _) = eval(
        other.path(),
        &["--set", "split_seed=3", "--analyses", "decode"],
        "2",
    );
    let decode = |card: &Value| score(card, "decode", "oracle", ["mae", "hidden", "y"]).clone();
    assert_ne!(decode(&other), decode(&card));
}

#[test]
fn latents_from_a_file_are_a_row_under_their_name() {
    let out = tempfile::tempdir().unwrap();
    let latents = out.path().join("l.npz");
    run(
        mpong()
            .args(["predict", "--model", "no-dynamics", "--quiet", "--out"])
            .arg(&latents),
        &[0],
    );
    let given = format!("mine={}", latents.display());
    let (card, message) = eval(
        &out.path().join("e"),
        &["--latents", &given, "--analyses", "decode"],
        "2",
    );
    let mine = score(&card, "decode", "mine:dynamics", ["r", "hidden", "y"]);
    let held = score(&card, "decode", "no-dynamics", ["r", "hidden", "y"]);
    let close = mine["value"].as_f64().unwrap() - held["value"].as_f64().unwrap();
    assert!(close.abs() < 1e-9, "{close}");
    // What stands no better than a null is a finding and no failure: both layers know more than a constant does, each by its
    // checks. What fails them is a model of constants, in the tests of the study.
    assert!(message.is_empty(), "{message}");
    let checks = card["checks"].as_array().unwrap();
    for layer in ["mine:dynamics", "mine:encoder"] {
        let name = format!("{layer} knows more than a constant");
        let check = checks.iter().find(|c| c["name"] == name.as_str()).unwrap();
        assert_eq!(check["passed"], true, "{check}");
    }
}

#[test]
fn models_are_evaluated_without_a_recording() {
    let out = tempfile::tempdir().unwrap();
    let (text, _) = run(
        mpong()
            .args(["eval", "--quiet", "--json", "--set", "splits=6"])
            .args(["--set", "resamples=100", "--out"])
            .arg(out.path()),
        &[0, 1],
    );
    let card: Value = serde_json::from_str(&text).unwrap();
    for row in ["ctrnn", "lstm", "oracle"] {
        let value = |analysis, metric| {
            score(&card, analysis, row, metric)["value"]
                .as_f64()
                .unwrap()
        };
        assert!(value("decode", ["r", "hidden", "y"]) > 0.5, "{row}");
        assert!(
            value("decode", ["simulation_index", "hidden", ""]) < 5.0,
            "{row}"
        );
        assert!(
            value("endpoint", ["r_end_250ms", "hidden", "end"]).is_finite(),
            "{row}"
        );
        assert!(value("behavior", ["mae_of_mean", "", "end"]) < 3.0, "{row}");
    }
    assert!(
        card["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .any(|s| s["name"] == "rsa")
    );
}

#[test]
fn attributes_of_rows_are_regressed_on_their_scores() {
    let out = tempfile::tempdir().unwrap();
    let metric = ["r", "hidden", "x"];
    let (card, _) = eval(out.path(), &["--analyses", "decode"], "2");
    let rows = [
        "ctrnn",
        "lstm",
        "oracle",
        "upper-visible",
        "last-seen",
        "shuffled",
    ];
    let value = |row: &str| {
        score(&card, "decode", row, metric)["value"]
            .as_f64()
            .unwrap()
    };
    // One attribute is the score itself on another scale, one is not.
    let mut table = "row,scaled,size\n".to_owned();
    for (at, row) in rows.iter().enumerate() {
        table += &format!("{row},{},{}\n", 5.0 - 2.0 * value(row), (at * at) % 5);
    }
    let file = out.path().join("attributes.csv");
    std::fs::write(&file, &table).unwrap();
    let given = [
        "--analyses",
        "decode,attributes",
        "--attributes",
        file.to_str().unwrap(),
    ];
    let (card, _) = eval(out.path(), &given, "2");
    let of = |what: &str, attribute: &str| {
        let sections = card["sections"].as_array().unwrap();
        let section = sections
            .iter()
            .find(|s| s["analysis"] == "attributes")
            .unwrap();
        let mut scores = section["scores"].as_array().unwrap().iter();
        let found = scores.find(|s| {
            s["metric"] == what && s["target"] == "decode.r.x" && s["against"] == attribute
        });
        found.unwrap()["value"].as_f64().unwrap()
    };
    assert!((of("r2", "scaled") - 1.0).abs() < 1e-12);
    assert!((of("partial_r2", "scaled") - 1.0).abs() < 1e-9);
    assert!(of("r2", "size") < 0.9);
    assert!(out.path().join("tables/attributes.csv").exists());

    for (wrong, says) in [
        (table.replace("oracle", "orakel"), "orakel"),
        (table.replace("row,", "name,"), "no column `row`"),
        (table.clone() + "lstm,1,2\n", "twice"),
        (table.replacen(",1\n", ",big\n", 1), "`big`"),
    ] {
        std::fs::write(&file, wrong).unwrap();
        let (_, message) = run(
            mpong()
                .args(["eval", "--quiet", "--set", "splits=6", "--dmfc"])
                .arg(recording())
                .arg("--out")
                .arg(out.path())
                .args(given),
            &[2],
        );
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn wrong_inputs_are_named() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("x.npz");
    std::fs::write(&file, b"PK\x03\x04 not a zip").unwrap();
    let attempt = |args: &[&str]| {
        run(
            mpong()
                .args(["eval", "--quiet"])
                .args(args)
                .arg("--out")
                .arg(out.path().join("o")),
            &[2],
        )
        .1
    };
    let path = file.to_str().unwrap();
    assert!(attempt(&["--dmfc", path]).contains("x.npz"));
    assert!(attempt(&["--latents", path]).contains("x.npz"));
    assert!(attempt(&["--dmfc", "nowhere.pkl"]).contains("nowhere.pkl"));
    assert!(attempt(&["--analyses", "rsa"]).contains("recording"));
    assert!(attempt(&["--analyses", "telepathy"]).contains("telepathy"));
    assert!(attempt(&["--model", "gru9"]).contains("gru9"));
    assert!(attempt(&["--set", "splits=1"]).contains("splits"));
    let table = out.path().join("trials.tsv");
    std::fs::write(
        &table,
        "condition_id\ttrial_type\tpaddle_y_deg\n29337\toccluded\thigh\n",
    )
    .unwrap();
    let message = attempt(&["--behavior", table.to_str().unwrap()]);
    assert!(
        message.contains("trials.tsv") && message.contains("high"),
        "{message}"
    );
}
