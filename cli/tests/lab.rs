//! The worked laboratory of the book: conditions, three models and a recording of its own in three formats, one report. What is
//! decoded is held against scikit-learn (`lab/lab.py` makes the files and the golden numbers from nothing of this program).
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use assert_cmd::Command;
use mental_pong_predictor::encoders::{Architecture, PublishedEncoder, ResnetConfig};
use mental_pong_predictor::weights::to_bytes;
use serde_json::Value;

use support::{fails, stdout};

fn lab(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    folder.join(name).display().to_string()
}

fn mpong(words: &[&str]) -> Command {
    let mut command = Command::cargo_bin("mpong").unwrap();
    command.args(words);
    command
}

/// A published architecture with fewer and smaller layers, its weights drawn at random.
fn drawn(folder: &Path) -> String {
    let mut network = PublishedEncoder::named("resnet18").unwrap();
    if let Architecture::Resnet(c) = &mut network.architecture {
        *c = ResnetConfig {
            layers: [1; 4],
            width: 4,
            ..c.clone()
        };
    }
    let path = folder.join("small.safetensors");
    let text = serde_json::to_string(&network).unwrap();
    std::fs::write(folder.join("small.safetensors.json"), text).unwrap();
    std::fs::write(
        &path,
        to_bytes(&network.random_tensors(3).unwrap(), &[]).unwrap(),
    )
    .unwrap();
    path.display().to_string()
}

fn number(card: &Value, row: &str, metric: &str, epoch: &str, target: &str) -> f64 {
    let sections = card["sections"].as_array().unwrap();
    let decode = sections.iter().find(|s| s["analysis"] == "decode").unwrap();
    let mut scores = decode["scores"].as_array().unwrap().iter();
    let of = |s: &&Value| {
        s["row"] == row && s["metric"] == metric && s["epoch"] == epoch && s["target"] == target
    };
    scores.find(of).unwrap()["value"].as_f64().unwrap()
}

/// The golden numbers to 1e-9.
fn golden(card: &Value) {
    let text = std::fs::read_to_string(lab("golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    for (name, expected) in golden.as_object().unwrap() {
        let [metric, epoch, target] = name.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let found = number(card, "DMFC (synthetic)", metric, epoch, target);
        let off = (found - expected.as_f64().unwrap()).abs();
        assert!(off < 1e-9, "{name}: {found} for {expected}");
    }
    let sets = &card["sets"][0];
    assert_eq!(sets["n_bins"], golden["bins"]);
    let rows = card["rows"].as_array().unwrap();
    let brain = rows
        .iter()
        .find(|r| r["name"] == "DMFC (synthetic)")
        .unwrap();
    assert_eq!(brain["units"], golden["units"]);
}

#[test]
fn a_laboratory_goes_through_the_whole_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let own = lab("own.csv");
    // Its stimuli, and the same set by their folder.
    let (stimuli, folder_of) = (path("stimuli"), "--conditions");
    stdout(&mut mpong(&[
        "stimuli", "--quiet", folder_of, &own, "--out", &stimuli,
    ]));
    // A published architecture, drawn, and latents of one's own.
    let (weights, latents) = (drawn(folder.path()), path("drawn.npz"));
    stdout(&mut mpong(&[
        "predict",
        "--quiet",
        folder_of,
        &stimuli,
        "--model",
        "resnet18",
        "--weights",
        &weights,
        "--frames",
        "bins",
        "--out",
        &latents,
    ]));
    let (mine, out) = (format!("mine={}", lab("own_latents.npz")), path("report"));
    let (drawn, export) = (format!("drawn={latents}"), path("export"));
    for (file, more) in [
        ("lab.npz", vec![]),
        ("lab.mat", vec![]),
        ("lab.nwb", vec!["--mapping".to_owned(), lab("lab_nwb.toml")]),
    ] {
        let recording = lab(file);
        let mut command = mpong(&["eval", "--quiet", "--json", "--recording", &recording]);
        command.args([folder_of, &stimuli, "--analyses", "decode,simulation"]);
        command
            .args(["--set", "splits=10", "--set", "resamples=100"])
            .args(more);
        if file == "lab.nwb" {
            // One report of everything.
            command.args(["--model", "ctrnn", "--latents", &mine, "--latents", &drawn]);
            command.args(["--export", &export]);
        } else {
            command.args(["--latents", &mine]);
        }
        let output = command.args(["--out", &out]).output().unwrap();
        // Drawn weights may know nothing: a check that says no is no failure here.
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            [Some(0), Some(1)].contains(&output.status.code()),
            "{error}"
        );
        let card: Value = serde_json::from_slice(&output.stdout).unwrap();
        golden(&card);
        let statement = card["data_statement"].as_str().unwrap();
        for words in [
            "NOT the published conditions",
            "bins of 20 ms",
            "4 of 6 units are reliable",
        ] {
            assert!(statement.contains(words), "{statement}");
        }
        // The latents are the place itself while it is seen; the read-out is fitted on held bins too, which bends it a little.
        let seen = number(&card, "mine", "r", "visible", "x");
        assert!(seen > 0.95, "{file}: {seen}");
    }
    let page = std::fs::read_to_string(Path::new(&out).join("report.html")).unwrap();
    for words in [
        "ctrnn",
        "drawn",
        "mine",
        "kinematic",
        "NOT the published conditions",
    ] {
        assert!(page.contains(words), "{words}");
    }
    recomputed(&export, "row_mine.npz");
    // In the published set these ids are nothing.
    let npz = lab("lab.npz");
    let says = fails(
        &mut mpong(&["eval", "--recording", &npz, folder_of, "primate79"]),
        2,
    );
    assert!(says.contains("ball_left_00"), "{says}");
}

/// The script of the export finds the same; passed over, and said so, where there is no Python with numpy.
fn recomputed(export: &str, row: &str) {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Process::new(&python).args(["-c", "import numpy"]).output();
    if !there.is_ok_and(|o| o.status.success()) {
        use std::io::Write as _;
        let why = format!("recompute.py was not run: {python} with numpy is not there\n");
        std::io::stderr().write_all(why.as_bytes()).unwrap();
        return;
    }
    let script = Path::new(export).join("recompute.py");
    let output = Process::new(&python)
        .arg(script)
        .args([export, row])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, off) = said.trim().rsplit_once(": ").unwrap();
    assert!(off.parse::<f64>().unwrap() < 1e-9, "{said}");
}

#[test]
fn its_conditions_are_played_in_their_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain.csv");
    let text = "id,x0_deg,y0_deg,heading_deg,speed_deg_per_s\nslow_left,-8,1,20,10\nfast_right,-7,-2,-30,14\n";
    std::fs::write(&file, text).unwrap();
    let (file, out) = (file.display().to_string(), folder.path().join("records"));
    let play = |conditions: &str| {
        let mut command = mpong(&["play", "--headless", "--agent", "kinematic", "--json"]);
        command
            .args(["--conditions", conditions, "--out"])
            .arg(&out);
        command
    };
    let told: Value = serde_json::from_str(&stdout(&mut play(&file))).unwrap();
    let records = told["records"].as_str().unwrap();
    let rows = std::fs::read_to_string(records).unwrap();
    assert!(
        rows.contains("\tslow_left\t") && rows.contains("\tfast_right\t"),
        "{rows}"
    );
    let about = std::fs::read_to_string(records.replace(".tsv", ".json")).unwrap();
    let set = mental_pong_game::task::ConditionSet::open(&file).unwrap();
    assert!(about.contains(set.sha256()), "{about}");
    // What was played is read as trials of the same set, and of no other.
    stdout(&mut mpong(&[
        "recordings",
        "trials",
        records,
        "--conditions",
        &file,
        "--allow-missing",
    ]));
    let says = fails(
        &mut mpong(&["recordings", "trials", records, "--conditions", "primate79"]),
        2,
    );
    assert!(
        says.contains("slow_left") || says.contains("fast_right"),
        "{says}"
    );
    // In another field too, in records of their own.
    let own = folder.path().join("own");
    let mut command = mpong(&["play", "--headless", "--agent", "oracle", "--json"]);
    command
        .args(["--conditions", &lab("own.csv"), "--out"])
        .arg(&own);
    let told: Value = serde_json::from_str(&stdout(&mut command)).unwrap();
    assert_eq!(told["summary"]["n_hit"], told["summary"]["n"]);
}
