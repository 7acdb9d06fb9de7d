//! Frames of other programs as a stimulus set.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests may panic as a test may"
)]

use std::path::{Path, PathBuf};

use mental_pong_base::Quiet;
use mental_pong_game::stimuli::{
    Format, Job, Manifest, Setting, StimulusSet, diff, ffmpeg_version, import, open_set, verify,
    write_set,
};
use mental_pong_game::task::{ConditionSet, Law};

fn set() -> ConditionSet {
    ConditionSet::open("primate79")
        .unwrap()
        .narrowed(&["29337", "55062"])
        .unwrap()
}

fn setting(format: Format) -> Setting {
    Setting {
        format,
        look: mental_pong_game::frames::Look {
            size_px: Some(32),
            ..Default::default()
        },
        ..Setting::new(Law::Display, mental_pong_game::frames::Preset::Model224)
    }
}

/// The frames of each condition, drawn.
fn drawn(set: &ConditionSet) -> Vec<Vec<Vec<u8>>> {
    let stimuli = StimulusSet::new(set, setting(Format::Npy)).unwrap();
    let conditions = stimuli.conditions().iter();
    conditions.map(|c| stimuli.movie(c).collect()).collect()
}

/// A folder of stimuli in a format, to import from.
fn source(folder: &Path, set: &ConditionSet, setting: Setting) -> PathBuf {
    let out = folder.join(format!("source-{}", setting.format));
    let stimuli = StimulusSet::new(set, setting).unwrap();
    let ffmpeg = Path::new("ffmpeg");
    let job = Job {
        ffmpeg: Some(ffmpeg),
        ..Job::default()
    };
    write_set(&out, &stimuli, &job, &Quiet).unwrap();
    out
}

fn taken(out: &Path, from: &Path, set: &ConditionSet) -> mental_pong_game::Result<Manifest> {
    let job = Job {
        command: "mpong stimuli import",
        ffmpeg: Some(Path::new("ffmpeg")),
        ..Job::default()
    };
    import(out, from, set, &job, &Quiet).map(|written| written.manifest)
}

fn holds(out: &Path, set: &ConditionSet, expected: &[Vec<Vec<u8>>]) {
    let opened = ConditionSet::open(out.to_str().unwrap()).unwrap();
    assert_eq!(opened.identity(), set.identity());
    for (condition, frames) in opened.conditions().iter().zip(expected) {
        let pictures = condition.pictures().unwrap();
        assert_eq!(condition.truth().len(), frames.len());
        for (n, frame) in frames.iter().enumerate().step_by(17) {
            assert!(
                pictures.frame(n).unwrap() == *frame,
                "{} {n}",
                condition.id()
            );
        }
        let last = pictures.frame(frames.len());
        assert!(last.unwrap_err().to_string().contains("no frame"));
    }
}

#[test]
fn frames_of_every_exact_format_come_in_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let set = set();
    let expected = drawn(&set);
    for format in [Format::Npy, Format::Png, Format::Tar, Format::TarPng] {
        let from = source(folder.path(), &set, setting(format));
        let out = folder.path().join(format!("{format}"));
        let manifest = taken(&out, &from, &set).unwrap();
        assert_eq!(
            (manifest.rate_hz, &manifest.frame_shape[..]),
            (60.0, &[32, 32, 3][..])
        );
        holds(&out, &set, &expected);
        verify(&out, &Quiet).unwrap();
        assert!(diff(&out, &out).unwrap().is_empty());
        // The same again changes nothing, and nothing is drawn in its place.
        assert_eq!(taken(&out, &from, &set).unwrap(), manifest);
        assert!(
            open_set(&out)
                .unwrap_err()
                .to_string()
                .contains("imported frames")
        );
    }
}

#[test]
fn arrays_of_numpy_come_in_by_name_or_in_the_set_s_order() {
    let folder = tempfile::tempdir().unwrap();
    // Conditions of one length: a path of four frames each.
    let table = folder.path().join("truth.csv");
    let rows: String = ["a", "b"]
        .iter()
        .flat_map(|id| (0..4).map(move |n| format!("{id},{},{n},0\n", 20 * n)))
        .collect();
    std::fs::write(&table, format!("id,time_ms,x_deg,y_deg\n{rows}")).unwrap();
    let set = ConditionSet::open(table.to_str().unwrap()).unwrap();
    let bytes = |from: u8| -> Vec<u8> { (0..4 * 5 * 6).map(|k| k as u8 ^ from).collect() };
    let array = |shape: &[usize], content: &[u8]| -> Vec<u8> {
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        let mut text = format!(
            "{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}",
            shape.join(", ")
        );
        // Magic, version 1.0, length, and spaces up to a multiple of 64.
        while (text.len() + 11) % 64 != 0 {
            text.push(' ');
        }
        text.push('\n');
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((text.len() as u16).to_le_bytes());
        out.extend(text.as_bytes());
        out.extend(content);
        out
    };
    let stack = folder.path().join("stack.npy");
    let both = [bytes(0), bytes(7)].concat();
    std::fs::write(&stack, array(&[2, 4, 5, 6], &both)).unwrap();
    let out = folder.path().join("from-npy");
    let manifest = taken(&out, &stack, &set).unwrap();
    assert_eq!(manifest.frame_shape, [5, 6]);
    let expected: Vec<Vec<Vec<u8>>> = [bytes(0), bytes(7)]
        .iter()
        .map(|of| of.chunks(30).map(<[u8]>::to_vec).collect())
        .collect();
    holds(&out, &set, &expected);
    for (shape, content, says) in [
        (&[3, 4, 5, 6][..], vec![0; 360], "conditions: expected 2"),
        (
            &[2, 3, 5, 6],
            vec![0; 180],
            "frames of condition `a`: expected 4, as the truth has at 50 Hz, found 3",
        ),
        (&[2, 4, 5], vec![0; 40], "[condition, frame, y, x]"),
        (&[2, 4, 5, 6], vec![0; 200], "120 bytes"),
    ] {
        std::fs::write(&stack, array(shape, &content)).unwrap();
        let message = taken(&folder.path().join("no"), &stack, &set)
            .unwrap_err()
            .to_string();
        assert!(message.contains(says), "{message}");
    }
    let floats = String::from_utf8_lossy(&array(&[2, 4, 5, 6], b"")).replace("|u1", "<f4");
    std::fs::write(&stack, floats.replace('\u{fffd}', "?")).unwrap();
    let message = taken(&folder.path().join("no"), &stack, &set)
        .unwrap_err()
        .to_string();
    assert!(message.contains("stack.npy"), "{message}");
}

#[test]
fn ids_numbers_sizes_and_rates_that_do_not_fit_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let set = set();
    let from = source(folder.path(), &set, setting(Format::Npy));
    let out = folder.path().join("out");
    let refused = |set: &ConditionSet, from: &Path, parts: &[&str]| {
        let message = taken(&out, from, set).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    };
    let whole = ConditionSet::open("primate79").unwrap();
    let three = whole.narrowed(&["29337", "55062", "58244"]).unwrap();
    refused(&three, &from, &["none for 58244"]);
    refused(&set.narrowed(&["29337"]).unwrap(), &from, &["also 55062"]);
    refused(
        &set.with_rate(30.0).unwrap(),
        &from,
        &["frames of condition `29337`", "as the truth has at 30 Hz"],
    );
    std::fs::rename(from.join("55062.npy"), from.join("7.npy")).unwrap();
    refused(&set, &from, &["none for 55062", "there are 7"]);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    refused(&set, &empty, &["folders of PNG or JPEG"]);
    let text = folder.path().join("frames.txt");
    std::fs::write(&text, "x").unwrap();
    refused(&set, &text, &["`.txt`", ".npz"]);
    // A GIF of every second frame, half as fast.
    let from = source(folder.path(), &set, setting(Format::Gif));
    refused(&set, &from, &["frames of condition `29337`"]);
    taken(
        &folder.path().join("gif"),
        &from,
        &set.with_rate(30.0).unwrap(),
    )
    .unwrap();
    // Frames that are not of one size.
    let from = source(folder.path(), &set, setting(Format::Png));
    std::fs::copy(
        from.join("29337/frame_0003.png"),
        folder.path().join("keep.png"),
    )
    .unwrap();
    let other = Setting {
        look: Default::default(),
        ..setting(Format::Png)
    };
    let big = source(&folder.path().join("big"), &set, other);
    std::fs::copy(
        big.join("29337/frame_0003.png"),
        from.join("29337/frame_0003.png"),
    )
    .unwrap();
    refused(&set, &from, &["frame 3: expected 32 x 32"]);
}

#[test]
fn a_video_comes_in_through_ffmpeg() {
    if ffmpeg_version(Path::new("ffmpeg")).is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let set = set();
    let from = source(folder.path(), &set, setting(Format::Mp4));
    let out = folder.path().join("out");
    taken(&out, &from, &set).unwrap();
    let opened = ConditionSet::open(out.to_str().unwrap()).unwrap();
    let frames = &drawn(&set)[0];
    let found = opened.conditions()[0]
        .pictures()
        .unwrap()
        .frame(20)
        .unwrap();
    let off: u64 = found
        .iter()
        .zip(&frames[20])
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    // H.264 is lossy: near on the whole.
    assert!(off / (found.len() as u64) < 3, "{off}");
    let message = taken(&out, &from, &set.with_rate(50.0).unwrap())
        .unwrap_err()
        .to_string();
    assert!(message.contains("as the truth has at 50 Hz"), "{message}");
}
