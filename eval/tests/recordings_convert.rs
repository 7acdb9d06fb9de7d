//! Reliability, summary and the open layout, on SYNTHETIC recordings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use mental_pong_eval::error::Error;
use mental_pong_eval::recordings::convert::{self, ARRAYS, MANIFEST, TABLE_FOLDER};
use mental_pong_eval::recordings::dmfc::{Half, Mask, Recording, Responses, TrialType};
use mental_pong_eval::recordings::file::{Format, detect};
use mental_pong_eval::recordings::info::Info;
use mental_pong_eval::recordings::reliability::{PUBLISHED_P, published, split_half};
use mental_pong_formats::table::Cells;
use serde_json::Value as Json;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/recordings")
        .join(name)
}

const FILES: [&str; 3] = [
    "mini_hand_dmfc_dataset_50ms.pkl.gz",
    "mini_hand_dmfc_dataset_50ms.mat",
    "mini_hand_dmfc_dataset_50ms_v73.mat",
];

fn npz(name: &str) -> Vec<f64> {
    let mut file = npyz::npz::NpzArchive::open(data("synthetic_reliability.npz")).unwrap();
    file.by_name(name).unwrap().unwrap().into_vec().unwrap()
}

fn floats(json: &Json) -> Vec<f64> {
    json.as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

#[test]
fn reliability_is_that_of_the_authors_code() {
    let golden = fs::read(data("golden_reliability.json")).unwrap();
    let golden: Json = serde_json::from_slice(&golden).unwrap();
    let cells = golden["n_cells"].as_u64().unwrap() as usize;
    // The cells stand one after the other; correlations do not ask where.
    let half = |name| Responses::new(62, 1, cells, "spikes/ms", npz(name)).unwrap();
    let mask = Mask::new(1, cells, vec![true; cells]).unwrap();
    let found = split_half(&half("sh1"), &half("sh2"), &mask, PUBLISHED_P).unwrap();
    let mut largest = [0.0_f64; 3];
    for (unit, found) in found.iter().enumerate() {
        assert_eq!(found.n, cells);
        let expected = |key: &str| golden[key][unit].as_f64().unwrap();
        largest[0] = largest[0].max((found.r - expected("r")).abs());
        largest[1] = largest[1].max((found.p / expected("p") - 1.0).abs());
        largest[2] = largest[2].max((found.spearman_brown - expected("r_sb")).abs());
    }
    assert!(
        largest[0] < 1e-10 && largest[1] < 1e-6 && largest[2] < 1e-10,
        "r, p (relative), Spearman-Brown: {largest:?}"
    );
    let kept: Vec<f64> = (0..62)
        .filter(|&u| found[u].reliable)
        .map(|u| u as f64)
        .collect();
    assert_eq!(kept, floats(&golden["reliable_neural_idx"]));
    assert_eq!(kept.len(), 55);
}

#[test]
fn reliability_chooses_the_units_that_the_file_states() {
    for name in FILES {
        let recording = Recording::open(data(name)).unwrap();
        let found = published(&recording, TrialType::Occ).unwrap();
        let kept: Vec<usize> = (0..found.len()).filter(|&u| found[u].reliable).collect();
        assert_eq!(
            recording.reliable_units(TrialType::Occ),
            Some(&*kept),
            "{name}"
        );
        // The control: noise is not kept, and not all is.
        assert!(kept.len() < found.len());
        assert!(found.iter().all(|unit| unit.n == 3513));
    }
}

#[test]
fn halves_of_other_shapes_are_refused() {
    let make = |units| Responses::new(units, 2, 3, "1", vec![0.5; units * 6]).unwrap();
    let mask = Mask::new(2, 3, vec![true; 6]).unwrap();
    assert!(split_half(&make(2), &make(3), &mask, 0.01).is_err());
    let mask = Mask::new(3, 2, vec![true; 6]).unwrap();
    assert!(split_half(&make(2), &make(2), &mask, 0.01).is_err());
    // Constant halves have no correlation, and are not reliable.
    let mask = Mask::new(2, 3, vec![true; 6]).unwrap();
    let found = split_half(&make(2), &make(2), &mask, 0.01).unwrap();
    assert!(
        found
            .iter()
            .all(|unit| unit.r.is_nan() && unit.p.is_nan() && !unit.reliable)
    );
}

#[test]
fn the_summary_says_what_is_in_the_file() {
    let info = Info::of(&Recording::open(data(FILES[0])).unwrap()).unwrap();
    assert_eq!(info.format, Some(Format::PickleGz));
    assert_eq!(info.synthetic, Some(true));
    assert_eq!((info.conditions, info.bins), (79, 100));
    assert_eq!(info.trials[0].units, 8);
    assert_eq!(info.trials[0].reliable, Some(6));
    assert_eq!(info.trials[1].units, 4);
    let all = info
        .responses
        .iter()
        .find(|a| a.key == "neural_responses/occ")
        .unwrap();
    assert_eq!(all.shape, [8, 79, 100]);
    assert!((all.nan_share - 0.01).abs() < 1e-12);
    assert_eq!(all.unit.as_deref(), Some("spikes/ms"));
    // The synthetic trials have other cells than the release (3513, 2174, 1418), and the summary says so.
    let cells: Vec<usize> = info.cells.iter().map(|cell| cell.found).collect();
    assert_eq!(cells, [3513, 2174, 1418]);
    assert!(!info.cells_as_released);
    let text = info.to_string();
    for word in [
        "SYNTHETIC",
        "8 units, 6 reliable",
        "3513 (3502) NOT as released",
        "spikes/ms",
        "deg/bin",
    ] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
    let json = serde_json::to_string(&info).unwrap();
    assert_eq!(serde_json::from_str::<Info>(&json).unwrap(), info);
}

fn bits(values: &[f64]) -> Vec<u64> {
    values
        .iter()
        .map(|v| if v.is_nan() { f64::NAN } else { *v }.to_bits())
        .collect()
}

/// Everything that a recording gives, for comparison.
fn content(recording: &Recording) -> Vec<(String, Vec<u64>)> {
    let mut all = Vec::new();
    for (trials, population, half) in recording.available() {
        let values = recording.responses(trials, population, half).unwrap();
        all.push((
            format!("{}/{trials:?}", population.key(half)),
            bits(values.as_slice()),
        ));
    }
    for trials in TrialType::ALL {
        for name in recording.behavior_names(trials) {
            let values = recording.behavior(trials, name).unwrap();
            all.push((format!("{name}/{trials:?}"), bits(values.as_slice())));
        }
        for name in recording.mask_names(trials) {
            let mask = recording.mask(trials, name).unwrap();
            let inside = mask.as_slice().iter().map(|&v| v.into()).collect();
            all.push((format!("{name}/{trials:?}"), inside));
        }
    }
    for table in ["meta", "neural_meta", "trial_meta"] {
        for (name, cells) in recording
            .table(table)
            .map_or(&[][..], |table| &table.columns)
        {
            if let Cells::Numbers(values) = cells {
                all.push((format!("{table}/{name}"), bits(values)));
            }
        }
    }
    all
}

fn texts(recording: &Recording) -> Vec<(String, Vec<Option<String>>)> {
    let mut all = Vec::new();
    for table in ["meta", "neural_meta", "trial_meta"] {
        for (name, cells) in recording
            .table(table)
            .map_or(&[][..], |table| &table.columns)
        {
            if let Cells::Texts(texts) = cells {
                all.push((format!("{table}/{name}"), texts.clone()));
            }
        }
    }
    all
}

#[test]
fn the_open_layout_reads_back_to_the_bit() {
    for name in FILES {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("open");
        let recording = Recording::open(data(name)).unwrap();
        let manifest = convert::write(&recording, &folder).unwrap();
        assert_eq!(detect(&folder).unwrap(), Format::Folder);
        let back = Recording::open(&folder).unwrap();
        assert_eq!(back.format(), Some(Format::Folder));
        let (before, after) = (content(&recording), content(&back));
        assert_eq!(before.len(), after.len(), "{name}");
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.0, after.0, "{name}");
            assert_eq!(before.1, after.1, "{name}: {}", before.0);
        }
        assert_eq!(texts(&recording), texts(&back), "{name}");
        assert_eq!(recording.condition_ids(), back.condition_ids());
        assert_eq!(recording.synthetic(), back.synthetic());
        for trials in TrialType::ALL {
            assert_eq!(
                recording.reliable_units(trials),
                back.reliable_units(trials)
            );
            assert_eq!(
                recording.trials_per_session(trials),
                back.trials_per_session(trials)
            );
            for half in Half::ALL {
                assert_eq!(
                    recording.unit_ids(trials, half),
                    back.unit_ids(trials, half)
                );
            }
        }
        let source = manifest.source.unwrap();
        assert_eq!(source.name, name);
        assert_eq!(source.sha256.len(), 64);
        // The file of arrays is one that others read.
        let bytes = fs::read(folder.join(ARRAYS)).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.len(), manifest.arrays.len());
        let tensor = tensors.tensor("neural_responses/occ").unwrap();
        assert_eq!(tensor.shape(), [8, 79, 100]);
        assert_eq!(tensor.dtype(), safetensors::Dtype::F64);
        for entry in &manifest.arrays {
            assert_eq!(entry.axes.len(), entry.shape.len(), "{}", entry.name);
        }
    }
}

#[test]
fn same_recording_same_bytes() {
    let folders = tempfile::tempdir().unwrap();
    let recording = Recording::open(data(FILES[0])).unwrap();
    let [a, b] = ["a", "b"].map(|name| {
        let folder = folders.path().join(name);
        convert::write(&recording, &folder).unwrap();
        [
            ARRAYS,
            MANIFEST,
            "tables/meta.parquet",
            "tables/trial_meta.parquet",
        ]
        .map(|file| fs::read(folder.join(file)).unwrap())
    });
    assert!(a == b);
    // The control: another recording gives other bytes.
    let folder = folders.path().join("c");
    let other = Recording::open(data("formats/synthetic_released_flat.npz")).unwrap();
    convert::write(&other, &folder).unwrap();
    assert!(fs::read(folder.join(ARRAYS)).unwrap() != a[0]);
}

#[test]
fn a_converted_recording_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let recording = Recording::open(data(FILES[0])).unwrap();
    convert::write(&recording, folder.path()).unwrap();
    let error = convert::write(&recording, folder.path()).unwrap_err();
    assert!(error.to_string().contains("not overwritten"), "{error}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in [ARRAYS, MANIFEST] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    fs::create_dir(to.join(TABLE_FOLDER)).unwrap();
    for file in fs::read_dir(from.join(TABLE_FOLDER)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(TABLE_FOLDER).join(file.file_name())).unwrap();
    }
}

#[test]
fn a_damaged_folder_is_an_error() {
    let folders = tempfile::tempdir().unwrap();
    let good = folders.path().join("good");
    convert::write(&Recording::open(data(FILES[0])).unwrap(), &good).unwrap();
    let damage = |name: &str, change: &dyn Fn(&Path), word: &str| {
        let folder = folders.path().join(name);
        copy(&good, &folder);
        change(&folder);
        let error = Recording::open(&folder).unwrap_err();
        assert!(error.to_string().contains(word), "{name}: {error}");
    };
    let change_text = |folder: &Path, from: &str, to: &str| {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    damage(
        "bit",
        &|folder| {
            let path = folder.join(ARRAYS);
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        "checksum",
    );
    damage(
        "cut",
        &|folder| {
            let path = folder.join(ARRAYS);
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        },
        "bytes expected",
    );
    damage(
        "header",
        &|folder| {
            let path = folder.join(ARRAYS);
            let mut bytes = fs::read(&path).unwrap();
            bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            fs::write(path, bytes).unwrap();
        },
        "false length",
    );
    damage(
        "version",
        &|folder| change_text(folder, "\"version\": 3", "\"version\": 4"),
        "version 4",
    );
    damage(
        "table",
        &|folder| {
            let path = folder.join("tables/meta.parquet");
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        "table meta: the file does not fit to its checksum",
    );
    damage(
        "path",
        &|folder| change_text(folder, "\"name\": \"meta\"", "\"name\": \"../meta\""),
        "is not known",
    );
    damage(
        "layout",
        &|folder| change_text(folder, "mental-pong-recording", "zarr"),
        "zarr",
    );
    damage(
        "name",
        &|folder| {
            change_text(
                folder,
                "\"name\": \"neural_responses/occ\"",
                "\"name\": \"neural_responses/xxx\"",
            );
        },
        "neural_responses/occ is not in",
    );
    damage(
        "unknown",
        &|folder| change_text(folder, "\"synthetic\"", "\"sinthetic\""),
        "sinthetic",
    );
    let no_manifest = folders.path().join("none");
    fs::create_dir(&no_manifest).unwrap();
    assert!(matches!(
        Recording::open(&no_manifest),
        Err(Error::InFile { .. })
    ));
}
