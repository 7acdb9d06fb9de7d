//! `mpong play` without a window.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::Path;

use assert_cmd::Command;

fn play(out: &Path, args: &[&str]) -> std::process::Output {
    Command::cargo_bin("mpong")
        .unwrap()
        .args(["play", "--headless", "--quiet", "--out"])
        .arg(out)
        .args(args)
        .output()
        .unwrap()
}

fn fails(output: &std::process::Output) -> String {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    // The report wraps long lines and marks them.
    message
        .split_whitespace()
        .filter(|word| *word != "│")
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn an_observer_plays_the_79_and_leaves_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |name: &str, agent: &str| {
        let out = folder.path().join(name);
        let output = play(&out, &["--agent", agent, "--json"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (told["trials"].as_u64(), told["done"].as_u64()),
            (Some(83), Some(83))
        );
        assert_eq!(told["summary"]["n"], 79);
        let records = told["records"].as_str().unwrap();
        assert!(records.ends_with("sub-01/ses-01/beh/sub-01_ses-01_task-mentalpong_beh.tsv"));
        std::fs::read(records).unwrap()
    };
    let one = bytes("a", "kinematic");
    assert!(one == bytes("b", "kinematic"));
    assert!(one != bytes("c", "last-seen"));
}

#[test]
fn a_finished_session_is_left_as_it_is_and_another_schedule_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--agent", "oracle", "--subject", "p2"];
    let first = play(folder.path(), &args);
    assert!(first.status.success());
    let again = play(folder.path(), &args);
    assert!(again.status.success());
    assert_eq!(first.stdout, again.stdout);
    let message = fails(&play(
        folder.path(),
        &[&args[..], &["--seed", "9"]].concat(),
    ));
    assert!(message.contains("another schedule"), "{message}");
}

#[test]
fn ends_from_a_file_are_where_the_paddle_ends() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = folder.path().join("schedule.csv");
    std::fs::write(&schedule, "condition_id\n55062\n29337\n").unwrap();
    let ends = folder.path().join("ends.csv");
    std::fs::write(&ends, "condition_id,y_deg\n55062,-3\n29337,4\n").unwrap();
    let (schedule, ends) = (schedule.to_str().unwrap(), ends.to_str().unwrap());
    let output = play(
        folder.path(),
        &[
            "--schedule",
            schedule,
            "--ends",
            ends,
            "--agent",
            "ctrnn",
            "--json",
        ],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = std::fs::read_to_string(told["records"].as_str().unwrap()).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let at = |name: &str| header.iter().position(|h| *h == name).unwrap();
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let end: f64 = fields[at("paddle_y_deg")].parse().unwrap();
        let wanted = if fields[at("condition_id")] == "55062" {
            -3.0
        } else {
            4.0
        };
        assert!((end - wanted).abs() < 0.09);
        assert_eq!(fields[at("observer")], "ctrnn");
    }
    // Ids of another set are no ends of these trials.
    let other = folder.path().join("other.csv");
    std::fs::write(&other, "condition_id,y_deg\nup,-3\n").unwrap();
    let message = fails(&play(
        folder.path(),
        &["--schedule", schedule, "--ends", other.to_str().unwrap()],
    ));
    assert!(
        message.contains("none of the 2 conditions") && message.contains("its first is up"),
        "{message}"
    );
    std::fs::write(
        folder.path().join("bad.csv"),
        "condition_id,y_deg\n55062,high\n",
    )
    .unwrap();
    let bad = folder.path().join("bad.csv");
    let message = fails(&play(folder.path(), &["--ends", bad.to_str().unwrap()]));
    assert!(
        message.contains("line 2, column 2 (`y_deg`)") && message.contains("found `high`"),
        "{message}"
    );
}

/// Text ids, walls, occluders, plane and radius of one's own, and ends by those ids.
#[test]
fn a_set_of_ones_own_is_played_in_its_own_field() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("own.csv");
    let text = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s,wall_low_deg,wall_high_deg,ball_radius_deg,occluders,intercept_x_deg\n\
                up,-8,0,35,12,-7,6,0.5,-3:-1:-10:10 4:10,8\n\
                down,-6,2,-20,9,-7,6,0.5,-3:-1:-10:10 4:10,8\n";
    std::fs::write(&set, text).unwrap();
    let ends = folder.path().join("ends.csv");
    std::fs::write(
        &ends,
        "\u{feff}condition_id;y_deg\r\nup;-3,0\r\ndown;4,0\r\n",
    )
    .unwrap();
    let output = play(
        folder.path(),
        &[
            "--conditions",
            set.to_str().unwrap(),
            "--ends",
            ends.to_str().unwrap(),
            "--json",
        ],
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = std::fs::read_to_string(told["records"].as_str().unwrap()).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
    let at = |name: &str| rows[0].iter().position(|h| *h == name).unwrap();
    assert_eq!(rows.len(), 7);
    for row in &rows[1..] {
        let end: f64 = row[at("paddle_y_deg")].parse().unwrap();
        let wanted = if row[at("condition_id")] == "up" {
            -3.0
        } else {
            4.0
        };
        assert!((end - wanted).abs() < 0.09, "{row:?}");
    }
    // Another law makes another set of it, and a recorded path follows none.
    let path = folder.path().join("path.csv");
    std::fs::write(
        &path,
        "id,time_ms,x_deg,y_deg\na,0,-5,0\na,20,-4,1\na,40,-3,1\n",
    )
    .unwrap();
    let args = ["--conditions", path.to_str().unwrap(), "--agent", "oracle"];
    let other = folder.path().join("recorded");
    assert!(play(&other, &args).status.success());
    let message = fails(&play(&other, &[&args[..], &["--law", "design"]].concat()));
    assert!(message.contains("the path is given"), "{message}");
}

#[test]
fn wrong_usage_is_told_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("records");
    let message = fails(&play(&out, &[]));
    assert!(message.contains("--agent"), "{message}");
    let message = fails(&play(&out, &["--agent", "genius"]));
    assert!(
        message.contains("unknown agent `genius`") && message.contains("kinematic"),
        "{message}"
    );
    let message = fails(&play(&out, &["--agent", "oracle", "--subject", "a/b"]));
    assert!(message.contains("subject"), "{message}");
    let message = fails(&play(&out, &["--agent", "oracle", "--schedule", "no.toml"]));
    assert!(message.contains("no.toml"), "{message}");
    assert!(!out.exists());
}

#[test]
fn ten_minutes_without_a_window_miss_no_step_of_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = folder.path().join("schedule.toml");
    std::fs::write(&schedule, "repeats = 2\n").unwrap();
    let output = play(
        folder.path(),
        &[
            "--agent",
            "kinematic",
            "--frames-parquet",
            "--json",
            "--schedule",
            schedule.to_str().unwrap(),
        ],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["summary"]["n_late"], 0);
    let records = told["records"].as_str().unwrap();
    let frames = Path::new(&records.replace("_beh.tsv", "_frames.tsv")).to_path_buf();
    let rows = mental_pong_game::records::read_frames(&frames)
        .unwrap()
        .rows;
    let step = 1000.0 / 60.0;
    for pair in rows.windows(2) {
        // Each frame is shown until the next one is; none is left out, none comes twice.
        assert!((pair[1].intended_ms - pair[0].intended_ms - step).abs() < 1e-6);
        assert!((pair[0].presented_ms - pair[1].intended_ms).abs() < 1e-6);
        assert!(!pair[0].late);
    }
    let minutes = rows.len() as f64 / 60.0 / 60.0;
    assert!(minutes > 10.0, "{minutes} minutes");
    let parquet = frames.with_extension("parquet");
    let again = mental_pong_game::records::read_frames(parquet)
        .unwrap()
        .rows;
    assert!(again == rows);
}

/// Sent in the middle of a session, as `kill -9` would be.
#[cfg(unix)]
#[test]
fn a_killed_session_goes_on_and_loses_no_finished_trial() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = folder.path().join("schedule.toml");
    std::fs::write(&schedule, "repeats = 30\npractice = 0\n").unwrap();
    let records = folder
        .path()
        .join("sub-01/ses-01/beh/sub-01_ses-01_task-mentalpong_beh.tsv");
    let rows = || std::fs::read_to_string(&records).map_or(0, |text| text.lines().count());
    let binary = assert_cmd::cargo::cargo_bin("mpong");
    let mut killed = 0;
    for wanted in [40, 300] {
        let mut child = std::process::Command::new(&binary)
            .args([
                "play",
                "--headless",
                "--quiet",
                "--agent",
                "oracle",
                "--schedule",
            ])
            .arg(&schedule)
            .arg("--out")
            .arg(folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while rows() < wanted && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let before = std::fs::read(&records).unwrap();
        let whole = before.iter().rposition(|&b| b == b'\n').unwrap() + 1;
        killed += 1;
        assert!(rows() >= wanted, "killed too early");
        // What stood there stays.
        let again = std::process::Command::new(&binary)
            .args([
                "play",
                "--headless",
                "--quiet",
                "--agent",
                "oracle",
                "--schedule",
            ])
            .arg(&schedule)
            .arg("--out")
            .arg(folder.path())
            .stdout(std::process::Stdio::null())
            .spawn();
        let mut again = again.unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        again.kill().unwrap();
        again.wait().unwrap();
        let after = std::fs::read(&records).unwrap();
        assert!(after.len() >= whole && after[..whole] == before[..whole]);
    }
    assert_eq!(killed, 2);
    let output = play(
        folder.path(),
        &[
            "--agent",
            "oracle",
            "--schedule",
            schedule.to_str().unwrap(),
            "--json",
        ],
    );
    assert!(output.status.success());
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["done"], 79 * 30);
    assert_eq!(rows(), 79 * 30 + 1);
}

#[cfg(not(feature = "play"))]
#[test]
fn without_the_window_the_command_says_how_to_build_it() {
    let output = Command::cargo_bin("mpong")
        .unwrap()
        .arg("play")
        .output()
        .unwrap();
    let message = fails(&output);
    assert!(message.contains("--features play"), "{message}");
}
