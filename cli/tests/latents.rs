//! Latents through the command line: own conditions, every format, an interrupt, and what is understood of a file.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use support::{fails, stdout};

fn mpong(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("mpong").unwrap();
    command.current_dir(folder);
    command
}

/// A set of one's own: twelve flights at other speeds.
fn own(folder: &Path) {
    let mut text = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n".to_string();
    for k in 0..12 {
        let (y, heading, speed) = (
            -6.0 + f64::from(k),
            -20.0 + 4.0 * f64::from(k),
            6.0 + 0.5 * f64::from(k),
        );
        text += &format!("{k},-8,{y},{heading},{speed}\n");
    }
    std::fs::write(folder.join("mine.csv"), text).unwrap();
}

#[test]
fn conditions_of_one_s_own_are_never_rows_of_the_published_table() {
    let folder = tempfile::tempdir().unwrap();
    own(folder.path());
    let said = stdout(mpong(folder.path()).args([
        "predict",
        "--model",
        "pixels",
        "--conditions",
        "mine.csv",
        "--out",
        "mine.npz",
    ]));
    assert!(said.contains("12 conditions of mine"), "{said}");
    // The set's hash stands in the file: it is the user's own, and no published one.
    let check = [
        "latents",
        "check",
        "mine.npz",
        "--json",
        "--conditions",
        "mine.csv",
    ];
    let check: Value = serde_json::from_str(&stdout(mpong(folder.path()).args(check))).unwrap();
    assert_eq!(check["conditions"], serde_json::json!([12, 12]));
    assert_eq!(check["layers"][0]["best_lag_ms"], 0.0);
    let message = fails(
        mpong(folder.path()).args(["latents", "check", "mine.npz"]),
        2,
    );
    assert!(message.contains("--conditions"), "{message}");
    let other = [
        "latents",
        "check",
        "mine.npz",
        "--conditions",
        "all",
        "--ids",
        "0,1,2",
    ];
    let message = fails(mpong(folder.path()).args(other), 2);
    assert!(
        message.contains("mine") && message.contains("all"),
        "{message}"
    );
}

#[test]
fn every_format_is_written_and_an_unknown_one_is_refused_first() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npz", "a.safetensors", "a.nc", "a.zarr"] {
        let args = [
            "predict",
            "--model",
            "pixels",
            "--ids",
            "29337,55062",
            "--out",
            name,
        ];
        stdout(mpong(folder.path()).args(args));
        assert!(folder.path().join(name).exists());
    }
    let message = fails(mpong(folder.path()).args(["predict", "--out", "a.csv"]), 2);
    assert!(message.contains(".safetensors"), "{message}");
    let message = fails(
        mpong(folder.path()).args(["predict", "--model", "ctrn", "--out", "a.npz"]),
        2,
    );
    assert!(message.contains("didyoumeanctrnn?"), "{message}");
}

#[cfg(unix)]
#[test]
fn the_same_command_goes_on_after_an_interrupt() {
    use std::process::{Command as Plain, Stdio};
    use std::time::{Duration, Instant};

    let folder = tempfile::tempdir().unwrap();
    let args = [
        "predict", "--model", "ctrnn", "--frames", "display", "--out",
    ];
    stdout(mpong(folder.path()).args(args).arg("once.npz"));
    let mut child = Plain::new(assert_cmd::cargo::cargo_bin("mpong"))
        .current_dir(folder.path())
        .args(args)
        .arg("twice.npz")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let journal = folder.path().join("twice.npz.progress");
    let start = Instant::now();
    let size = || std::fs::metadata(&journal).map_or(0, |m| m.len());
    while size() < 100_000 && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    Plain::new("kill").args(["-INT", &pid]).status().unwrap();
    let code = child.wait().unwrap().code();
    // A quick machine may be through before the signal comes.
    if code == Some(75) {
        assert!(size() > 0 && !folder.path().join("twice.npz").exists());
        stdout(mpong(folder.path()).args(args).arg("twice.npz"));
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("once.npz") == read("twice.npz"));
    assert!(!journal.exists());
}
