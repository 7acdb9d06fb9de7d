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
