//! What a written stimulus set promises.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests may panic as a test may"
)]

mod stimulus_support;

use std::sync::atomic::AtomicU64;

use mental_pong_base::Quiet;
use mental_pong_game::Error;
use mental_pong_game::frames::Preset;
use mental_pong_game::stimuli::{
    Format, Manifest, Movie, Occlusion, Setting, StimulusSet, verify, write_set,
};
use mental_pong_game::task::{SetLaw, primate79};
use stimulus_support::{FORMATS, SMALL, StopAfter, content, few, job, set, write};

/// `conditions.csv` and the truth twice.
const TABLES: u64 = 3;

#[test]
fn an_npy_set_holds_the_frames_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (setting, channels) in [
        (SMALL, vec![]),
        (
            Setting {
                preset: Preset::Model224,
                law: SetLaw::Design,
                ..SMALL
            },
            vec![3],
        ),
    ] {
        let out = folder.path().join(setting.preset.name());
        let conditions = few();
        let written = write(&out, &conditions, setting).unwrap();
        assert_eq!(written.n_written, 4 + TABLES);
        let manifest = Manifest::read(&out).unwrap();
        assert_eq!(manifest, written.manifest);
        assert_eq!(manifest.n_conditions, 4);
        assert_eq!(manifest.command, "mpong stimuli");
        for condition in &conditions {
            let movie = Movie::new(condition, setting).unwrap();
            let bytes = std::fs::read(out.join(format!("{}.npy", condition.id))).unwrap();
            let array = npyz::NpyFile::new(&bytes[..]).unwrap();
            let side = setting.preset.size() as u64;
            let shape = [vec![movie.n_frames() as u64, side, side], channels.clone()].concat();
            assert_eq!(array.shape(), shape);
            assert_eq!(array.order(), npyz::Order::C);
            assert_eq!(
                array.into_vec::<u8>().unwrap(),
                movie.flatten().collect::<Vec<u8>>()
            );
        }
        assert_eq!(manifest.rate_hz, setting.rate_hz());
        assert_eq!(setting.frame_ms(6), 6000.0 / setting.rate_hz());
        let verified = verify(&out, &Quiet).unwrap();
        assert_eq!(verified.n_files, 4 + TABLES);
        assert!(verified.unlisted.is_empty());
    }
}

#[test]
fn a_png_set_reads_back_to_its_frames() {
    let folder = tempfile::tempdir().unwrap();
    for preset in Preset::ALL {
        let setting = Setting {
            preset,
            format: Format::Png,
            ..SMALL
        };
        let out = folder.path().join(preset.name());
        let condition = primate79()[28];
        write(&out, &[condition], setting).unwrap();
        let movie = Movie::new(&condition, setting).unwrap();
        let n_frames = movie.n_frames();
        for (n, frame) in movie.enumerate() {
            let path = out.join(format!("{}/frame_{n:04}.png", condition.id));
            let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
            let mut reader = png::Decoder::new(file).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert!(pixels == frame, "{preset} {n}");
        }
        assert_eq!(
            verify(&out, &Quiet).unwrap().n_files,
            n_frames as u64 + TABLES
        );
    }
}

#[test]
fn a_gif_set_reads_back_to_every_second_frame_at_its_pace() {
    let folder = tempfile::tempdir().unwrap();
    for preset in Preset::ALL {
        let setting = Setting {
            preset,
            format: Format::Gif,
            ..SMALL
        };
        let out = folder.path().join(preset.name());
        let condition = primate79()[28];
        write(&out, &[condition], setting).unwrap();
        let file = std::fs::File::open(out.join(format!("{}.gif", condition.id))).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut reader = options.read_info(std::io::BufReader::new(file)).unwrap();
        let every = Movie::new(
            &condition,
            Setting {
                format: Format::Npy,
                ..setting
            },
        )
        .unwrap();
        let mut hundredths = 0;
        let mut expected = every.step_by(2);
        while let Some(shown) = reader.read_next_frame().unwrap() {
            hundredths += u32::from(shown.delay);
            let frame = expected.next().unwrap();
            let same = shown
                .buffer
                .chunks_exact(4)
                .zip(frame.chunks_exact(preset.channels()))
                .all(|(rgba, px)| match *px {
                    [grey] => rgba[..3] == [grey; 3],
                    _ => rgba[..3] == *px,
                });
            assert!(same, "{preset}");
        }
        assert!(expected.next().is_none());
        // 1727.5 ms, to the end of the last frame shown.
        assert!((173..=177).contains(&hundredths), "{hundredths}");
    }
}

#[test]
fn one_thread_and_many_write_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let with = |threads| {
        let out = folder.path().join(format!("{threads}"));
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| write(&out, &few(), SMALL).unwrap());
        content(&out)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn another_setting_writes_other_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let hash = |setting: Setting, name: &str| {
        write(&folder.path().join(name), &few(), setting)
            .unwrap()
            .manifest
            .files[0]
            .sha256
            .clone()
    };
    let base = hash(SMALL, "base");
    assert_ne!(
        base,
        hash(
            Setting {
                law: SetLaw::Design,
                ..SMALL
            },
            "law"
        )
    );
    assert_ne!(
        base,
        hash(
            Setting {
                occlusion: Occlusion::Visible,
                ..SMALL
            },
            "visible"
        )
    );
    assert_ne!(
        base,
        hash(
            Setting {
                occlusion: Occlusion::Faint,
                ..SMALL
            },
            "faint"
        )
    );
    assert_eq!(base, hash(SMALL, "again"));
}

#[test]
fn a_stopped_run_leaves_whole_files_and_goes_on_to_the_same_set() {
    for format in FORMATS {
        let setting = Setting { format, ..SMALL };
        let folder = tempfile::tempdir().unwrap();
        let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
        let all = write(&whole, &few(), setting).unwrap();
        let expected = content(&whole);

        let stop = StopAfter(AtomicU64::new(match format {
            Format::Png => 100,
            Format::Tar | Format::TarPng => 3,
            Format::Pool => 20,
            _ => 2,
        }));
        let stopped = write_set(&broken, &set(&few(), setting), &job(), &stop);
        assert!(
            matches!(stopped, Err(Error::Interrupted { .. })),
            "{stopped:?}"
        );
        let left = content(&broken);
        // A tar shard and a file of the pool are one piece here: nothing of it is left.
        let one = matches!(format, Format::Tar | Format::TarPng | Format::Pool);
        assert_eq!(left.is_empty(), one, "{format}");
        assert!(left.len() < expected.len() - 1);
        assert!(left.iter().all(|(path, bytes)| expected[path] == *bytes));

        let resumed = write(&broken, &few(), setting).unwrap();
        assert_eq!(resumed.n_kept, left.len() as u64);
        assert_eq!(resumed.n_kept + resumed.n_written, all.n_written);
        assert_eq!(content(&broken), expected);
    }
}

#[test]
fn damage_is_found_by_name_and_healed_by_the_same_call() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    write(out, &few(), SMALL).unwrap();
    let expected = content(out);
    let path = out.join("55062.npy");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let Err(Error::ManifestMismatch {
        path: named,
        field: "sha256",
        ..
    }) = verify(out, &Quiet)
    else {
        panic!("the damage was not found");
    };
    assert_eq!(named, path);
    let healed = write(out, &few(), SMALL).unwrap();
    assert_eq!((healed.n_written, healed.n_kept), (1, 3 + TABLES));
    assert_eq!(content(out), expected);

    std::fs::remove_file(&path).unwrap();
    let message = verify(out, &Quiet).unwrap_err().to_string();
    assert!(message.contains("55062.npy"), "{message}");
}

#[test]
fn a_folder_with_another_set_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &few(), SMALL).unwrap();
    let before = content(folder.path());
    let other = Setting {
        law: SetLaw::Design,
        ..SMALL
    };
    let message = write(folder.path(), &few(), other).unwrap_err().to_string();
    assert!(
        message.contains("setting") && message.contains("design"),
        "{message}"
    );
    assert!(write(folder.path(), &few()[1..], SMALL).is_err());
    assert_eq!(content(folder.path()), before);
}

#[test]
fn a_manifest_that_is_none_or_leads_outside_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &few(), SMALL).unwrap();
    let path = folder.path().join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (damaged, says) in [
        ("{".to_owned(), "is not a manifest"),
        (
            text.replace("\"schema_version\": 3", "\"schema_version\": 9"),
            "schema_version",
        ),
        (
            text.replace("\"29337.npy\"", "\"../29337.npy\""),
            "a path inside the folder",
        ),
        (
            text.replace("\"29337.npy\"", "\"/etc/29337.npy\""),
            "a path inside the folder",
        ),
        (
            text.replace("\"display\"", "\"other\""),
            "is not a manifest",
        ),
    ] {
        assert_ne!(damaged, text);
        std::fs::write(&path, damaged).unwrap();
        let message = verify(folder.path(), &Quiet).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_repeated_condition_and_an_empty_set_are_refused() {
    let refused = StimulusSet::of_trials(&[few()[0], few()[0]], SMALL);
    assert!(matches!(
        refused,
        Err(Error::DuplicateId { ref id }) if id == "29337"
    ));
    assert!(StimulusSet::of_trials(&[], SMALL).is_err());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let message = write(&file.join("out"), &few(), SMALL)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("create the folder") && message.contains("file"),
        "{message}"
    );
}
