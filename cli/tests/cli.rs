//! The program as a user meets it: output, messages, exit codes.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::Path;

use assert_cmd::Command;

fn mpong() -> Command {
    let mut command = Command::cargo_bin("mpong").unwrap();
    command.env_remove("RAYON_NUM_THREADS");
    command
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn fails(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{message}");
    // The report wraps long lines.
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Twenty recorded conditions and few splits: seconds instead of a minute.
const SMALL: [&str; 6] = [
    "run",
    "--ids",
    "29337,55062,58244,68220,72780,77046,77944,90751,93053,99902,105802,118879,122957,158705,159613,163248,167848,179553,182748,183171",
    "--set",
    "splits=6",
    "--quiet",
];

fn small_run(out: &Path, threads: &str) -> Vec<u8> {
    let status = mpong()
        .args(SMALL)
        .arg("--out")
        .arg(out)
        .env("RAYON_NUM_THREADS", threads)
        .output()
        .unwrap();
    // On twenty conditions a validity check may say no (1); anything else is a failure.
    assert!(
        matches!(status.status.code(), Some(0 | 1)),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    std::fs::read(out.join("first-light/card.json")).unwrap()
}

#[test]
fn splits_are_printed_in_the_published_layout() {
    let printed = stdout(mpong().args([
        "splits",
        "--n-conditions",
        "79",
        "--n",
        "100",
        "--train",
        "0.5",
        "--seed",
        "0",
        "--format",
        "csv",
    ]));
    let reference = include_str!("../../game/tests/reference/group_shuffle_split_79_seed0.csv");
    let mut lines = printed.lines();
    for line in reference.lines() {
        assert_eq!(lines.next(), Some(line));
    }
    assert_eq!(printed.lines().count(), 101);
}

#[test]
fn conditions_have_the_reference_columns() {
    let printed = stdout(mpong().args(["conditions", "--ids", "29337,55062"]));
    let reference = include_str!("../../game/tests/reference/generator_sample_300.csv");
    let columns = reference.lines().next().unwrap();
    assert!(printed.starts_with(columns));
    assert_eq!(printed.lines().count(), 3);
    assert!(stdout(mpong().args(["conditions", "--format", "json"])).starts_with('['));
}

#[test]
fn a_trajectory_names_its_law() {
    let design = stdout(mpong().args(["trajectory", "55062", "--law", "design"]));
    let display = stdout(mpong().args(["trajectory", "55062"]));
    assert!(design.lines().nth(1).unwrap().contains("design"));
    assert!(display.lines().nth(1).unwrap().contains("display"));
    assert_ne!(design, display);
}

#[test]
fn an_unknown_condition_is_named() {
    let message = fails(mpong().args(["conditions", "--ids", "472225"]), 2);
    assert!(
        message.contains("472225") && message.contains("472224"),
        "{message}"
    );
    let message = fails(
        mpong().args(["run", "--ids", "1,2,999999", "--out", "unused"]),
        2,
    );
    assert!(message.contains("999999"), "{message}");
}

#[test]
fn an_unknown_setting_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let message = fails(
        mpong()
            .args(["run", "--set", "split=3", "--out"])
            .arg(folder.path()),
        2,
    );
    assert!(message.contains("did you mean `splits`"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_weight_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.safetensors");
    let good = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../data/weights/ctrnn.safetensors"
    ))
    .unwrap();
    let predict = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let out = folder.path().join("latents.npz");
        let message = fails(
            mpong()
                .args(["predict", "--ids", "29337", "--weights"])
                .arg(&file)
                .arg("--out")
                .arg(&out),
            2,
        );
        assert!(message.contains("bad.safetensors"), "{message}");
        assert!(!out.exists());
    };
    predict(&good[..good.len() / 2]);
    predict(b"not a weight file");
    let mut nan = good.clone();
    let last = nan.len() - 4;
    nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    predict(&nan);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    std::fs::write(&file, "x").unwrap();
    let message = fails(mpong().args(SMALL).arg("--out").arg(&file), 2);
    assert!(message.contains("taken"), "{message}");
}

#[test]
fn a_set_of_stimuli_is_written_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let write = || {
        stdout(
            mpong()
                .args([
                    "stimuli",
                    "--ids",
                    "29337,55062",
                    "--preset",
                    "rnn100",
                    "--out",
                ])
                .arg(folder.path()),
        )
    };
    let first = write();
    assert!(
        first.contains("2 conditions") && first.contains("0 already there"),
        "{first}"
    );
    let again = write();
    assert!(again.contains("0 written"), "{again}");
    let message = fails(
        mpong()
            .args(["stimuli", "--ids", "29337", "--preset", "model224", "--out"])
            .arg(folder.path()),
        2,
    );
    assert!(message.contains("manifest.json"), "{message}");
}

#[test]
fn latents_are_written_with_their_description() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("latents.npz");
    let mut predict = mpong();
    predict
        .args([
            "predict",
            "--model",
            "lstm",
            "--ids",
            "29337,55062",
            "--context",
            "7",
            "--out",
        ])
        .arg(&out);
    stdout(&mut predict);
    let about = std::fs::read_to_string(folder.path().join("latents.json")).unwrap();
    assert!(about.contains("preprocessing") && about.contains("dynamics_weights"));
    let message = fails(
        mpong()
            .args(["predict", "--context", "soon", "--out"])
            .arg(&out),
        2,
    );
    assert!(message.contains("soon"), "{message}");
}

#[test]
fn a_run_gives_the_same_card_with_any_number_of_threads_and_verifies() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = small_run(one.path(), "1");
    assert_eq!(first, small_run(two.path(), "2"));
    // Again in the same folder, now from its cache.
    assert_eq!(first, small_run(one.path(), "2"));
    let card = one.path().join("first-light/card.json");
    stdout(mpong().args(["verify", "--quiet"]).arg(&card));
    let wrong = String::from_utf8(first)
        .unwrap()
        .replacen("\"value\": 0.9", "\"value\": 0.8", 1);
    std::fs::write(&card, wrong).unwrap();
    let message = fails(mpong().args(["verify", "--quiet"]).arg(&card), 1);
    assert!(message.contains("recomputed"), "{message}");
}

#[test]
fn training_resumed_equals_training_uninterrupted() {
    let folder = tempfile::tempdir().unwrap();
    let small = |steps: &str, name: &str| {
        let mut command = mpong();
        command
            .args(["train", "encoder", "--quiet", "--out"])
            .arg(folder.path().join(name));
        for set in [
            "videos=2",
            "pairs=3",
            "network.hidden=8",
            "network.maps=4",
            "checkpoint_every=2",
        ] {
            command.args(["--set", set]);
        }
        command.args(["--set", &format!("steps={steps}")]);
        command
    };
    stdout(&mut small("4", "whole"));
    // Stopped right away: the first Ctrl-C lets a step end and writes a checkpoint.
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("mpong"))
        .args(small("4", "parts").get_args())
        .spawn()
        .unwrap();
    let checkpoint = folder.path().join("parts/checkpoint.safetensors");
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let _ = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 75)), "{code:?}");
    // The same command goes on.
    stdout(&mut small("4", "parts"));
    let weights =
        |name: &str| std::fs::read(folder.path().join(name).join("weights.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("parts"));
    let message = fails(small("4", "nothing").arg("--resume"), 2);
    assert!(message.contains("there is no"), "{message}");
    // Another configuration is not resumed.
    let message = fails(&mut small("6", "parts"), 2);
    assert!(message.contains("configuration"), "{message}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("mpong"))
        .args(["conditions", "--conditions", "all"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn help_and_about_work() {
    for args in [
        vec!["--help"],
        vec!["run", "--help"],
        vec!["doctor"],
        vec!["cite"],
        vec!["man"],
        vec!["completions", "bash"],
    ] {
        assert!(!stdout(mpong().args(&args)).is_empty());
    }
    fails(mpong().arg("nonsense"), 2);
}
