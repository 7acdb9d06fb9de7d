//! `mpong recordings`, on simulated and SYNTHETIC data.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;

fn mpong(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let output = Command::cargo_bin("mpong")
        .unwrap()
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        // The report wraps long lines.
        String::from_utf8(output.stderr)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    )
}

#[test]
fn simulate_info_convert_and_trials_work_together() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| mpong(arguments, folder.path());
    let simulate = [
        "recordings",
        "simulate",
        "--units",
        "8",
        "--reliability",
        "0.4",
        "--out",
    ];
    let (code, out, error) = run(&[&simulate[..], &["simulated.npz"]].concat());
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("simulated-truth.json"), "{out}");
    // A name that does not say so is refused.
    let (code, _, error) = run(&[&simulate[..], &["data.npz"]].concat());
    assert_eq!(code, 2);
    assert!(error.contains("simulated"), "{error}");

    let (code, out, error) = run(&["recordings", "info", "simulated.npz", "--figure", "a.svg"]);
    assert_eq!(code, 0, "{error}");
    for word in [
        "SYNTHETIC",
        "8 units",
        "median split-half r",
        "as released",
        "mind:",
    ] {
        assert!(out.contains(word), "{word} is not in\n{out}");
    }
    assert!(
        fs::read_to_string(folder.path().join("a.svg"))
            .unwrap()
            .contains("SIMULATED")
    );
    let (_, out, _) = run(&["recordings", "info", "simulated.npz", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["trials"][0]["units"], 8);

    let (code, _, error) = run(&[
        "recordings",
        "info",
        "simulated.npz",
        "--max-memory",
        "100KiB",
    ]);
    assert_eq!(code, 2);
    assert!(error.contains("102400"), "{error}");
    let (code, ..) = run(&[
        "recordings",
        "info",
        "simulated.npz",
        "--max-memory",
        "3 parsecs",
    ]);
    assert_eq!(code, 2);

    let (code, _, error) = run(&["recordings", "convert", "simulated.npz", "--out", "open"]);
    assert_eq!(code, 0, "{error}");
    assert!(
        folder
            .path()
            .join("open/tables/trial_meta.parquet")
            .is_file()
    );
    let (code, out, error) = run(&["recordings", "trials", "open"]);
    assert_eq!(code, 0, "{error}");
    assert!(
        out.contains("of 1422 rows") && out.contains("SYNTHETIC"),
        "{out}"
    );

    fs::write(
        folder.path().join("t.csv"),
        "cond,py,kind\n72780,1.5,occ\n72780,high,occ\n",
    )
    .unwrap();
    let trials = [
        "recordings",
        "trials",
        "t.csv",
        "--columns",
        "condition=cond,paddle=py,trial_type=kind",
    ];
    let (code, _, error) = run(&trials);
    assert_eq!(code, 2);
    for word in ["t.csv", "row 2", "py", "high"] {
        assert!(error.contains(word), "{word} is not in\n{error}");
    }
    let (code, out, _) = run(&[&trials[..], &["--keep-going", "1"]].concat());
    assert_eq!(code, 0);
    assert!(out.contains("bad row 2"), "{out}");
}

/// What is converted opens in the programs that it is for, and is read back here; parts whose package is not installed are passed
/// over, and said so.
#[test]
fn other_programs_open_what_is_converted() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let (code, out, error) = mpong(words, folder.path());
        assert_eq!(code, 0, "{words:?}: {error}");
        out
    };
    run(&[
        "recordings",
        "simulate",
        "--units",
        "5",
        "--out",
        "simulated.npz",
    ]);
    let info = |file: &str| {
        let text = run(&["recordings", "info", "--json", file]);
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for own in ["path", "format", "notes", "sha256", "bytes"] {
            value.as_object_mut().unwrap().remove(own);
        }
        value
    };
    let whole = info("simulated.npz");
    let names = [
        "simulated.nc",
        "simulated.zarr",
        "simulated.mat",
        "simulated.nwb",
        "simulated.assembly.nc",
        "simulated.h5",
    ];
    for name in names {
        run(&["recordings", "convert", "simulated.npz", "--out", name]);
    }
    // MAT keeps all of it.
    assert_eq!(info("simulated.mat"), whole);
    run(&[
        "predict",
        "--quiet",
        "--model",
        "ctrnn",
        "--layer",
        "dynamics",
        "--out",
        "latents.nc",
    ]);
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/opened.py");
    let command = |arguments: &[&std::ffi::OsStr]| {
        std::process::Command::new(&python).args(arguments).output()
    };
    let there = command(&["-c".as_ref(), "import numpy".as_ref()]);
    let said = match there.is_ok_and(|output| output.status.success()) {
        false => format!("nothing was opened: {python} with numpy is not there\n"),
        true => {
            let output = command(&[script.as_ref(), folder.path().as_ref()]).unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{error}");
            String::from_utf8(output.stdout).unwrap()
        }
    };
    std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).unwrap();
}

#[test]
fn bins_of_another_width_are_simulated_and_every_analysis_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/own.csv");
    let set = set.display().to_string();
    let simulate = [
        "recordings",
        "simulate",
        "--conditions",
        &set,
        "--units",
        "24",
        "--reliability",
        "0.5",
        "--bin-ms",
    ];
    let of = |bin: &'static str| [&simulate[..], &[bin, "--out", "simulated.npz"]].concat();
    let (code, _, error) = mpong(&of("20"), folder.path());
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = mpong(&of("0.2"), folder.path());
    assert!(code == 2 && error.contains("1 to 1000 ms"), "{error}");
    let (code, out, error) = mpong(
        &[
            "eval",
            "--quiet",
            "--json",
            "--recording",
            "simulated.npz",
            "--conditions",
            &set,
            "--no-models",
            "--set",
            "splits=4",
            "--set",
            "resamples=100",
            "--out",
            "report",
        ],
        folder.path(),
    );
    assert!([0, 1].contains(&code), "{error}");
    let card: serde_json::Value = serde_json::from_str(&out).unwrap();
    let sections = card["sections"].as_array().unwrap();
    let done = |id: &str| sections.iter().find(|s| s["analysis"] == id);
    for id in [
        "decode",
        "rsa",
        "reliability",
        "variables",
        "encoding",
        "endpoint",
    ] {
        assert!(done(id).is_some(), "{id}: {}", card["skipped"]);
    }
    // Either it was done, or the card says why not.
    let reasons = card["skipped"].as_array().unwrap();
    assert!(
        reasons
            .iter()
            .all(|s| s["value"].as_str().is_some_and(|why| why.len() > 8))
    );
    let statement = card["data_statement"].as_str().unwrap();
    assert!(statement.contains("in bins of 20 ms"), "{statement}");
    let rsa = done("rsa").unwrap()["scores"].as_array().unwrap();
    assert!(
        rsa.iter()
            .all(|s| s["note"].as_str().unwrap().contains("bins of 20 ms")),
        "the axis stands beside each number"
    );
}
