//! `mpong train dynamics --recipe published-…` on small synthetic clips.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::Path;

use assert_cmd::Command;

fn mpong() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin("mpong"))
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn fails(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code));
    // Lines are wrapped for the terminal.
    let text = String::from_utf8(output.stderr).unwrap();
    text.replace(['│', '\n'], " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A stimulus set of four conditions.
fn set(folder: &Path, format: &str) {
    let ids = "29337,40000,55062,60000";
    stdout(
        mpong()
            .args([
                "stimuli", "--quiet", "--preset", "rnn100", "--format", format,
            ])
            .args(["--ids", ids, "--out"])
            .arg(folder),
    );
}

fn train(clips: &Path, out: &Path) -> Command {
    let mut command = mpong();
    command
        .args([
            "train",
            "dynamics",
            "--quiet",
            "--recipe",
            "published-ctrnn",
        ])
        .arg("--clips")
        .arg(clips)
        .arg("--out")
        .arg(out);
    for set in [
        "hidden=16",
        "seq_len=10",
        "subsample=2",
        "batch=2",
        "epochs=3",
        "validation_share=0.25",
    ] {
        command.args(["--set", set]);
    }
    command
}

/// A row of a run's card.
fn row(out: &Path, name: &str) -> String {
    let card = std::fs::read_to_string(out.join("card.md")).unwrap();
    let start = format!("| {name} | ");
    let line = card.lines().find(|line| line.starts_with(&start)).unwrap();
    line[start.len()..].to_string()
}

#[test]
fn a_set_and_its_pictures_are_the_same_clips() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    set(&at("set"), "npy");
    set(&at("pictures"), "png");
    // What is left are folders of pictures.
    for file in ["manifest.json", "conditions.csv", "ground_truth.csv"] {
        std::fs::remove_file(at("pictures").join(file)).unwrap();
    }
    let printed = stdout(&mut train(&at("set"), &at("one")));
    assert!(printed.trim().ends_with("best.safetensors"), "{printed}");
    for file in [
        "best.safetensors",
        "last.safetensors",
        "log.csv",
        "loss.svg",
    ] {
        assert!(at("one").join(file).is_file(), "{file}");
    }
    assert!(row(&at("one"), "clips").starts_with("the stimulus set set: 3 trained on, 1 held out"));
    stdout(&mut train(&at("pictures"), &at("two")));
    assert!(row(&at("two"), "clips").starts_with("folders of frames in pictures: 3"));
    let sha = "sha256 of names, lengths and first latents";
    assert_eq!(row(&at("one"), sha), row(&at("two"), sha));
    let log = |name: &str| std::fs::read(at(name).join("log.csv")).unwrap();
    assert_eq!(log("one"), log("two"));
    // The weights are read by name as any other.
    stdout(
        mpong()
            .args(["predict", "--quiet", "--ids", "29337", "--dynamics-weights"])
            .arg(at("one").join("best.safetensors"))
            .arg("--out")
            .arg(at("latents.npz")),
    );
}

#[test]
fn stopped_and_resumed_equals_uninterrupted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let clips = || {
        let mut command = train(Path::new("playworld:4"), &at("parts"));
        command.args(["--validation", "playworld:2", "--set", "epochs=120"]);
        command
    };
    stdout(train(Path::new("playworld:4"), &at("whole")).args([
        "--validation",
        "playworld:2",
        "--set",
        "epochs=120",
    ]));
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("mpong"))
        .args(clips().get_args())
        .spawn()
        .unwrap();
    let checkpoint = at("parts").join("checkpoint.safetensors");
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let _ = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 75)), "{code:?}");
    stdout(&mut clips());
    for file in [
        "best.safetensors",
        "last.safetensors",
        "log.csv",
        "loss.svg",
    ] {
        let read = |name: &str| std::fs::read(at(name).join(file)).unwrap();
        assert!(read("whole") == read("parts"), "{file}");
    }
    // Another seed is not gone on with.
    let message = fails(clips().args(["--set", "seed=2"]), 2);
    assert!(message.contains("another folder"), "{message}");
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let recipe = |recipe: &str| {
        let mut command = mpong();
        command
            .args(["train", "dynamics", "--quiet", "--recipe", recipe, "--out"])
            .arg(&out);
        command
    };
    assert!(fails(&mut recipe("published-lstm"), 2).contains("--clips"));
    let own = fails(recipe("lstm").args(["--clips", "playworld:3"]), 2);
    assert!(own.contains("published-ctrnn"), "{own}");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let none = fails(recipe("published-lstm").arg("--clips").arg(&empty), 2);
    assert!(none.contains(".hdf5"), "{none}");
    let count = fails(recipe("published-lstm").args(["--clips", "playworld:0"]), 2);
    assert!(count.contains("playworld:N"), "{count}");
    let playworld = ["--clips", "playworld:3"];
    let name = fails(
        recipe("published-lstm")
            .args(playworld)
            .args(["--set", "hiden=3"]),
        2,
    );
    assert!(name.contains("did you mean `hidden`"), "{name}");
    let weights = fails(
        recipe("published-lstm")
            .args(playworld)
            .args(["--model", "dino-small"]),
        2,
    );
    assert!(weights.contains("--random-weights"), "{weights}");
    let memory = fails(
        recipe("published-lstm")
            .args(playworld)
            .args(["--max-memory", "1M"]),
        2,
    );
    assert!(memory.contains("memory"), "{memory}");
}
