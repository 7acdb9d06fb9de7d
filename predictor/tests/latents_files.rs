//! Files of latents: whole, the same bytes for the same latents, and gone on with after an interrupt.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]

use std::path::Path;

use mental_pong_game::task::SetIdentity;
use mental_pong_predictor::Error;
use mental_pong_predictor::latents::{
    ConditionLatents, Format, LatentsWriter, LayerInfo, OfSet, Status, Step,
};
use serde_json::{Value, json};

fn layers(units: [usize; 2]) -> Vec<LayerInfo> {
    let names = ["encoder", "dynamics"].into_iter().zip(units);
    names
        .map(|(name, units)| LayerInfo {
            name: name.into(),
            units,
        })
        .collect()
}

fn condition(id: u32, n: usize, units: [usize; 2]) -> ConditionLatents {
    let steps = (0..n).map(|k| Step {
        frame: 3 * k + 2,
        time_ms: (3 * k + 2) as f64 * 1000.0 / 60.0,
        status: [Status::Context, Status::Visible, Status::Hidden][k % 3],
    });
    let values = |units: usize, sign: f32| -> Vec<f32> {
        (0..n * units)
            .map(|v| sign * ((id as f32).sin() + v as f32))
            .collect()
    };
    ConditionLatents {
        id: format!("c{id}"),
        steps: steps.collect(),
        layers: vec![values(units[0], 1.0), values(units[1], -1.0)],
    }
}

fn set() -> OfSet {
    OfSet {
        identity: SetIdentity {
            name: "mine".into(),
            sha256: "ab".repeat(32),
        },
        rate_hz: 60.0,
    }
}

fn write(path: &Path, format: Format, work: &Value, from: usize, to: usize) -> LatentsWriter {
    let units = [3, 2];
    let mut writer = LatentsWriter::new(path, format, &layers(units), work).unwrap();
    assert_eq!(writer.done().count(), from);
    for k in from..to {
        writer.push(&condition(k as u32, 1 + k % 7, units)).unwrap();
    }
    writer
}

fn names(folder: &Path) -> Vec<String> {
    let listing = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = listing
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every byte of a file, or of a folder's files in order.
fn bytes(path: &Path) -> Vec<u8> {
    if path.is_file() {
        return std::fs::read(path).unwrap();
    }
    let names = names(path).into_iter();
    names
        .flat_map(|name| [name.clone().into_bytes(), bytes(&path.join(name))].concat())
        .collect()
}

#[test]
fn an_interrupted_file_goes_on_and_equals_an_uninterrupted_one() {
    let work = json!({"model": "x"});
    for format in Format::ALL {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(format!("{name}.{}", format.extension()));
        let about = json!({"model": "x"});
        write(&path("once"), format, &work, 0, 20)
            .finish(&set(), &about)
            .unwrap();
        drop(write(&path("twice"), format, &work, 0, 9));
        // The end of a killed run: a condition that is not whole.
        let name = format!("twice.{}.progress", format.extension());
        let journal = folder.path().join(&name);
        assert!(!path("twice").exists());
        let held = std::fs::read(&journal).unwrap();
        std::fs::write(&journal, &held[..held.len() - 5]).unwrap();
        write(&path("twice"), format, &work, 8, 20)
            .finish(&set(), &about)
            .unwrap();
        assert_eq!(bytes(&path("once")), bytes(&path("twice")));
        let extension = format.extension();
        let expected = ["once.json", "twice.json"].map(String::from);
        let mut expected = Vec::from(expected);
        expected.extend([format!("once.{extension}"), format!("twice.{extension}")]);
        expected.sort();
        assert_eq!(names(folder.path()), expected);
    }
}

#[test]
fn other_work_begins_anew_and_damage_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let work = |seed: u32| json!({"seed": seed});
    drop(write(&path, Format::Npz, &work(1), 0, 9));
    drop(write(&path, Format::Npz, &work(2), 0, 6));
    let journal = folder.path().join("a.npz.progress");
    let whole = std::fs::read(&journal).unwrap();
    // Whatever byte is damaged, no condition is kept that is not as it was written.
    for at in (0..whole.len()).step_by(23) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&journal, &damaged).unwrap();
        let units = [3, 2];
        let mut writer = LatentsWriter::new(&path, Format::Npz, &layers(units), &work(2)).unwrap();
        let done = writer.done().count();
        assert!(done < 6, "byte {at}");
        for k in done..6 {
            writer.push(&condition(k as u32, 1 + k % 7, units)).unwrap();
        }
        drop(writer);
        assert_eq!(std::fs::read(&journal).unwrap(), whole, "byte {at}");
    }
}

#[test]
fn conditions_that_do_not_fit_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let mut writer = LatentsWriter::new(&path, Format::Npz, &layers([2, 2]), &json!(1)).unwrap();
    writer.push(&condition(1, 3, [2, 2])).unwrap();
    let mut alone = condition(2, 3, [2, 2]);
    alone.layers.pop();
    let mut short = condition(2, 3, [2, 2]);
    short.layers[0].pop();
    for other in [condition(2, 3, [4, 2]), alone, short] {
        assert!(matches!(writer.push(&other), Err(Error::Shape { .. })));
    }
    let nowhere = folder.path().join("no/where/a.npz");
    assert!(LatentsWriter::new(&nowhere, Format::Npz, &layers([2, 2]), &json!(1)).is_err());
}

#[test]
fn a_name_says_its_format() {
    assert_eq!(Format::of("a.b.nc".as_ref()).unwrap(), Format::Netcdf);
    let error = Format::of("a.npy".as_ref()).unwrap_err().to_string();
    assert!(
        error.contains(".safetensors") && error.contains(".npy"),
        "{error}"
    );
}
