//! A command that is stopped or killed at any moment, and given once more word for word, leaves what it would have left.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mental_pong_base::Stream;

/// Commands that take longer than a moment; `OUT` is where they write.
const COMMANDS: [(&str, &str); 7] = [
    (
        "stimuli",
        "stimuli --conditions fresh400 --preset rnn100 --format npy --out OUT",
    ),
    (
        "predict",
        "predict --model ctrnn --conditions primate79 --out OUT/latents.npz",
    ),
    ("play", "play --headless --agent oracle --out OUT"),
    (
        "train encoder",
        "train encoder --set steps=6 --set videos=2 --set pairs=3 --set network.hidden=8 --set network.maps=4 --set checkpoint_every=4 --out OUT",
    ),
    (
        "train dynamics",
        "train dynamics --set steps=6 --set videos=12 --set validation_videos=4 --set network.hidden=8 --set checkpoint_every=4 --out OUT",
    ),
    (
        "recordings simulate",
        "recordings simulate --units 150 --out OUT/simulated.npz",
    ),
    (
        "run",
        "run --ids 29337,55062,301600,340684,187617,206128,122957,182748,226533,406460 --analyses decode --set splits=10 --out OUT",
    ),
];

fn command(words: &str, out: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("mpong"));
    command.args(
        words
            .split(' ')
            .map(|word| word.replace("OUT", &out.to_string_lossy())),
    );
    command
        .arg("--quiet")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Every file below a folder with its bytes; cards of training say how long it took.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "card.md"
                || !path.with_file_name("loss.svg").exists()
            {
                let bytes = std::fs::read(&path).unwrap();
                all.insert(path.strip_prefix(folder).unwrap().to_path_buf(), bytes);
            }
        }
    }
    all
}

/// Stops each command `times` times by each signal, and gives how often it was really stopped.
fn stopped(signals: &[&str], times: u64, seed: u64) -> usize {
    let mut stops = 0;
    for (name, words) in COMMANDS {
        let whole = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let done = command(words, whole.path()).output().unwrap();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{name}: {error}");
        let took = start.elapsed();
        let expected = files(whole.path());
        assert!(!expected.is_empty(), "{name}");
        let mut random = Stream::new(seed, name, 0);
        for signal in signals {
            for _ in 0..times {
                let out = tempfile::tempdir().unwrap();
                let mut child = command(words, out.path()).spawn().unwrap();
                let wait = took.as_secs_f64() * random.uniform(0.05, 0.95);
                std::thread::sleep(Duration::from_secs_f64(wait));
                let kill = Command::new("kill")
                    .args([&format!("-{signal}"), &child.id().to_string()])
                    .output();
                assert!(kill.is_ok());
                let code = child.wait().unwrap().code();
                let expects: &[Option<i32>] = if *signal == "KILL" {
                    &[None, Some(0)]
                } else {
                    &[Some(75), Some(0)]
                };
                assert!(
                    expects.contains(&code),
                    "{name} {signal} after {wait:.2} s: {code:?}"
                );
                stops += usize::from(code != Some(0));
                let again = command(words, out.path()).output().unwrap();
                let error = String::from_utf8_lossy(&again.stderr).into_owned();
                assert!(
                    again.status.success(),
                    "{name} again after {signal} at {wait:.2} s: {error}"
                );
                let found = files(out.path());
                let (a, b): (Vec<_>, Vec<_>) = (expected.keys().collect(), found.keys().collect());
                assert_eq!(a, b, "{name} {signal} after {wait:.2} s");
                for (file, bytes) in &expected {
                    assert!(
                        *bytes == found[file],
                        "{name} {signal} after {wait:.2} s: {}",
                        file.display()
                    );
                }
            }
        }
    }
    stops
}

#[test]
fn a_command_that_is_stopped_and_given_again_leaves_the_same_bytes() {
    assert!(stopped(&["USR1", "TERM"], 1, 1) > 3);
}

#[test]
#[ignore = "twenty kills of each command: .ci/slow"]
fn a_command_that_is_killed_and_given_again_leaves_the_same_bytes() {
    let stops = stopped(&["KILL"], 20, 2) + stopped(&["INT", "HUP", "USR2"], 5, 3);
    println!("{stops} commands were stopped or killed and given again");
    assert!(stops > 100);
}
