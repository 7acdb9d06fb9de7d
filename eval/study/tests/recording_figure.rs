//! A recording drawn, each kind: simulated, in the released layout, a laboratory's own. SYNTHETIC all.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::PathBuf;

use mental_pong_base::Quiet;
use mental_pong_eval::recordings::dmfc::{Opening, Recording, TrialType};
use mental_pong_eval::recordings::simulate::{Settings, simulate};
use mental_pong_game::task::ConditionSet;
use mental_pong_study::report::recording_figure;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data")
        .join(name)
}

/// One figure of each kind, kept in the target's folder of temporary files for whoever wants to look.
#[test]
fn recordings_are_drawn() {
    let simulated = simulate(
        &Settings {
            units: 300,
            reliability: 0.15,
            reliability_spread: 0.2,
            untuned: 0.2,
            ..Settings::default()
        },
        &ConditionSet::open("primate79").unwrap(),
        &mental_pong_base::Quiet,
    )
    .unwrap()
    .recording;
    let mini = Recording::open(data("recordings/mini_hand_dmfc_dataset_50ms.pkl.gz")).unwrap();
    let opening = Opening {
        conditions: Some(ConditionSet::open("all").unwrap()),
        ..Opening::default()
    };
    let path = data("recordings/formats/synthetic_lab.npz");
    let lab = Recording::open_as(path, &opening, &Quiet).unwrap();
    for (name, recording, words) in [
        (
            "simulated",
            &simulated,
            ["300 units", "2040 cells", "of 300 reliable"],
        ),
        (
            "mini",
            &mini,
            ["8 units", "SIMULATED or synthetic", "6 of 8 reliable"],
        ),
        (
            "lab",
            &lab,
            ["2 units", "SIMULATED or synthetic", "No halves"],
        ),
    ] {
        let svg = recording_figure(recording, TrialType::Occ).unwrap();
        assert_eq!(svg, recording_figure(recording, TrialType::Occ).unwrap());
        for word in words {
            assert!(svg.contains(word), "{name}: {word}");
        }
        assert!(
            svg.len() < 600_000 && !svg.contains("NaN"),
            "{name}: {}",
            svg.len()
        );
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("recording-{name}.svg"));
        fs::write(path, svg).unwrap();
    }
}
