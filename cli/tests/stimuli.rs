//! `mpong stimuli` and `mpong shards` as a user meets them.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::Path;

use assert_cmd::Command;

fn mpong(words: &str) -> Command {
    let mut command = Command::cargo_bin("mpong").unwrap();
    for name in ["ID", "COUNT", "MIN", "MAX"] {
        command.env_remove(format!("SLURM_ARRAY_TASK_{name}"));
    }
    command.args(words.split_whitespace());
    command
}

/// Exit code and everything that was said.
fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said).into_owned();
    // The report wraps long lines.
    let text = (text.split_whitespace().filter(|word| *word != "│"))
        .collect::<Vec<_>>()
        .join(" ");
    (output.status.code().unwrap_or(-1), text)
}

fn works(command: &mut Command) -> String {
    let (code, said) = run(command);
    assert_eq!(code, 0, "{said}");
    said
}

fn refused(command: &mut Command, code: i32, says: &str) {
    let (found, said) = run(command);
    assert_eq!(found, code, "{said}");
    assert!(said.contains(says), "{said}");
}

const SET: &str = "stimuli --ids 29337,55062,58244 --preset rnn100";

fn write(out: &Path) {
    works(mpong(SET).arg("--out").arg(out));
}

#[test]
fn a_set_is_told_checked_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    write(&a);
    let said = works(mpong("stimuli info").arg(&a));
    assert!(
        said.contains("conditions 3") && said.contains("mpong stimuli --ids"),
        "{said}"
    );
    assert!(works(mpong("stimuli verify").arg(&a)).contains("6 files"));
    works(mpong(SET).args(["--law", "display", "--out"]).arg(&b));
    refused(mpong("stimuli diff").arg(&a).arg(&b), 1, "law");
    works(mpong("stimuli diff").arg(&a).arg(&a));
    let file = a.join("29337.npy");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[900] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    refused(mpong("stimuli verify").arg(&a), 1, "29337.npy");
    std::fs::remove_file(&file).unwrap();
    refused(mpong("stimuli verify").arg(&a), 1, "29337.npy");
    std::fs::write(a.join("manifest.json"), "{").unwrap();
    refused(mpong("stimuli verify").arg(&a), 2, "not a manifest");
}

#[test]
fn shards_are_planned_found_missing_and_merged_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    write(&whole);
    let plan = "shards plan --n 3 --ids 29337,55062,58244 --preset rnn100 --out";
    assert!(works(mpong(plan).arg(&parts)).contains("--array=0-2"));
    let part = |index: &str| {
        let mut command = mpong(SET);
        command
            .env("SLURM_ARRAY_TASK_ID", index)
            .env("SLURM_ARRAY_TASK_COUNT", "3")
            .env("SLURM_ARRAY_TASK_MIN", "0")
            .env("SLURM_ARRAY_TASK_MAX", "2")
            .arg("--out")
            .arg(&parts);
        command
    };
    works(&mut part("1"));
    let missing = works(mpong("shards missing --slurm").arg(&parts));
    assert_eq!(missing, "0,2");
    refused(mpong("shards merge").arg(&parts), 1, "missing: 0,2");
    works(&mut part("2"));
    // Submitted again, alone: the number of shards has to be named.
    let again = |command: &mut Command| {
        command
            .env("SLURM_ARRAY_TASK_COUNT", "1")
            .env("SLURM_ARRAY_TASK_MAX", "0");
    };
    let mut alone = part("0");
    again(&mut alone);
    refused(&mut alone, 2, "shards");
    let mut alone = part("0");
    again(&mut alone);
    works(alone.args(["--shard", "0/3"]));
    assert_eq!(works(mpong("shards missing --slurm").arg(&parts)), "");
    works(mpong("shards merge").arg(&parts));
    works(mpong("stimuli diff").arg(&whole).arg(&parts));
    let read = |at: &Path| std::fs::read(at.join("manifest.json")).unwrap();
    assert_eq!(read(&whole), read(&parts));
}

#[test]
fn trials_are_drawn_by_seed_and_tables_are_checked_by_the_cell() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        let words = format!(
            "stimuli --draw 5 --seed {seed} --x0=-7:-5 --preset rnn100 --format pool --out"
        );
        works(mpong(&words).arg(&out));
        std::fs::read(out.join("manifest.json")).unwrap()
    };
    assert_eq!(draw("a", "4"), draw("b", "4"));
    assert_ne!(draw("a", "4"), draw("c", "5"));
    let table = folder.path().join("own.csv");
    let header = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\n";
    std::fs::write(&table, format!("{header}1,-6,0,10,7.5\n2,-6,up,10,7.5\n")).unwrap();
    let own = |name: &str| {
        let mut command = mpong("stimuli --preset rnn100 --csv");
        command
            .arg(&table)
            .arg("--out")
            .arg(folder.path().join(name));
        command
    };
    refused(
        &mut own("d"),
        2,
        "line 3, column 3 (`y0_deg`): expected a finite number, found `up`",
    );
    assert!(!folder.path().join("d").exists());
    std::fs::write(&table, format!("{header}1,-6,0,10,7.5\nb,-6,0,10,7.5\n")).unwrap();
    works(&mut own("d"));
}

#[test]
fn a_set_made_here_is_taken_wherever_conditions_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("lab.csv");
    // Semicolons, decimal commas, a byte-order mark, CRLF: shared cases 04 and 07.
    let text = "\u{feff}id;x0_deg;y0_deg;heading_deg;speed_deg_per_s;occluders\r\n\
                low;-5,0;1,0;20,0;7,5;-2:0 5:10\r\nhigh;-6;-1;-10;7,5;\r\n";
    std::fs::write(&table, text).unwrap();
    let out = folder.path().join("set");
    works(
        mpong("stimuli --preset rnn100 --conditions")
            .arg(&table)
            .arg("--out")
            .arg(&out),
    );
    let rows = |from: &Path| works(mpong("conditions --conditions").arg(from));
    assert_eq!(rows(&table), rows(&out));
    assert!(
        // A height goes through the field's units and comes back in its last digits.
        rows(&out).contains("low,-5.0,1.0000000000000009,20.0,7.5,display,60.0"),
        "{}",
        rows(&out)
    );
    let info = works(mpong("stimuli info").arg(&out));
    assert!(info.contains("set `lab` ("), "{info}");
    let path = works(mpong("trajectory low --law design --conditions").arg(&out));
    assert!(path.contains("design"), "{path}");
    refused(
        mpong("conditions --ids lwo --conditions").arg(&out),
        2,
        "as low",
    );
    // A part is of the same set.
    let part = folder.path().join("part");
    works(
        mpong("stimuli --preset rnn100 --ids low --conditions")
            .arg(&out)
            .arg("--out")
            .arg(&part),
    );
    let hash = |at: &Path| {
        let text = std::fs::read_to_string(at.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        manifest["set_sha256"].as_str().unwrap().to_owned()
    };
    assert_eq!(hash(&out), hash(&part));
    // Fresh conditions are in the published table, and own ids mean nothing there.
    assert_eq!(
        works(&mut mpong("conditions --conditions fresh400 --format json"))
            .matches("\"split\":\"valid\"")
            .count(),
        400
    );
}

#[test]
fn what_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for (words, says) in [
        ("stimuli --preset rnn100 --ball-color #ff0000", "ball"),
        ("stimuli --opacity 2", "opacity"),
        ("stimuli --background blue", "#rrggbb"),
        ("stimuli --shard 4/4", "i/n"),
        ("stimuli --rule possible", "--draw or a table"),
        ("stimuli --draw 1 --heading 100:120", "no such trial"),
        (
            "stimuli --format mp4 --ffmpeg no-such-program",
            "no-such-program",
        ),
        ("stimuli --conditions primate79 --ids 3", "no condition `3`"),
        ("stimuli --conditions primat79", "(`primate79`?)"),
        ("stimuli --draw 3 --ids 3", "cannot be used with"),
        (
            "stimuli --renderer bevy --preset rnn100",
            "renderer is bevy: expected rasteriser",
        ),
        (
            "stimuli --renderer bevy --format pool",
            "renderer is bevy: expected rasteriser",
        ),
        ("stimuli --renderer gpu", "unknown renderer `gpu`"),
        #[cfg(not(feature = "play"))]
        ("stimuli --renderer bevy", "--features play"),
    ] {
        refused(mpong(words).arg("--out").arg(&out), 2, says);
    }
    assert!(!out.exists());
    refused(&mut mpong("stimuli"), 2, "--out");
}

#[cfg(unix)]
#[test]
fn a_terminated_run_exits_75_and_the_same_command_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set");
    let words = "stimuli --conditions primate79 --preset display --format png --out";
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("mpong"))
        .args(words.split_whitespace())
        .arg(&out)
        .spawn()
        .unwrap();
    while !out.join("29337/frame_0000.png").exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let _ = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert!(!out.join("manifest.json").exists());
    assert!(works(mpong(words).arg(&out)).contains("79 conditions"));
    works(mpong("stimuli verify").arg(&out));
}
