//! Each format of a stimulus set against the frames it is made of, and the truth beside it.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests may panic as a test may"
)]

mod stimulus_support;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use mental_pong_base::Quiet;
use mental_pong_game::Error;
use mental_pong_game::frames::{Look, Preset, Rgb};
use mental_pong_game::stimuli::{
    Format, Job, Movie, Occlusion, Setting, StimulusSet, Truth, ffmpeg_version, needed_bytes,
    open_set, write_set,
};
use mental_pong_game::task::set::TableRules;
use mental_pong_game::task::{
    Condition, ConditionSet, Draw, Law, Rule, draw, primate79, trajectory,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use stimulus_support::{SMALL, content, few, job, set, write};

fn frames(condition: &Condition, setting: Setting) -> Vec<Vec<u8>> {
    Movie::new(condition, setting).unwrap().collect()
}

fn npy<T: npyz::Deserialize>(bytes: &[u8]) -> (Vec<u64>, Vec<T>) {
    let array = npyz::NpyFile::new(bytes).unwrap();
    (array.shape().to_vec(), array.into_vec().unwrap())
}

#[test]
fn a_pool_holds_each_picture_once_and_its_index_gives_every_frame_back() {
    for (preset, conditions) in [
        (Preset::Rnn100, primate79()),
        (Preset::Model224, few()),
        (Preset::Display, few()[..2].to_vec()),
    ] {
        for occlusion in [Occlusion::Occluded, Occlusion::Faint] {
            let setting = Setting {
                occlusion,
                format: Format::Pool,
                ..Setting::new(Law::Design, preset)
            };
            let folder = tempfile::tempdir().unwrap();
            let manifest = write(folder.path(), &conditions, setting).unwrap().manifest;
            let pool = manifest.pool.unwrap();
            let mut pictures: Vec<Vec<u8>> = Vec::new();
            for file in manifest
                .files
                .iter()
                .filter(|f| f.path.starts_with("pool/"))
            {
                let bytes = std::fs::read(folder.path().join(&file.path)).unwrap();
                let (shape, pixels) = npy::<u8>(&bytes);
                assert_eq!(
                    shape[1..],
                    setting.shape(0)[1..]
                        .iter()
                        .map(|&n| n as u64)
                        .collect::<Vec<_>>()
                );
                pictures.extend(pixels.chunks(setting.frame_len()).map(<[u8]>::to_vec));
            }
            assert_eq!(pictures.len(), pool.n_pictures);
            let index = std::fs::read(folder.path().join("index.npy")).unwrap();
            let (_, index) = npy::<u32>(&index);
            let mut at = index.iter();
            for condition in &conditions {
                for frame in frames(condition, setting) {
                    assert!(pictures[*at.next().unwrap() as usize] == frame);
                }
            }
            assert!(at.next().is_none());
            // Once each: no more than frames, fewer where the ball is hidden, and no two the same.
            assert!(pictures.len() <= index.len());
            assert!(occlusion != Occlusion::Occluded || pictures.len() < index.len());
            let n = pictures.len();
            pictures.sort_unstable();
            pictures.dedup();
            let twice = n - pictures.len();
            assert_eq!(twice, 0, "{preset} {}: of {n}", occlusion.name());
        }
    }
}

#[test]
fn a_ball_that_moved_by_next_to_nothing_is_the_same_picture() {
    let one = primate79()[0];
    let twin = Condition {
        id: 1_000_000,
        y0: one.y0 + 1e-9,
        ..one
    };
    for (preset, look) in [
        (Preset::Model224, Look::default()),
        (Preset::Display, Look::default()),
        // A ball in the background's grey: every picture is the empty one.
        (
            Preset::Rnn100,
            Look {
                ball: Some(Rgb::grey(0)),
                occluder: Some(Rgb::grey(0)),
                ..Look::default()
            },
        ),
    ] {
        let setting = Setting {
            format: Format::Pool,
            look,
            ..Setting::new(Law::Display, preset)
        };
        let folder = tempfile::tempdir().unwrap();
        let pictures = |name: &str, conditions: &[Condition]| {
            let out = folder.path().join(name);
            let written = write(&out, conditions, setting).unwrap();
            written.manifest.pool.unwrap().n_pictures
        };
        let (alone, both) = (pictures("one", &[one]), pictures("both", &[one, twin]));
        assert_eq!(alone, both, "{preset}");
        assert_eq!(alone == 1, preset == Preset::Rnn100);
        // In the order of their first appearance.
        let index = std::fs::read(folder.path().join("both/index.npy")).unwrap();
        let (_, index) = npy::<u32>(&index);
        let mut next = 0;
        for number in index {
            assert!(number <= next);
            next = next.max(number + 1);
        }
        assert_eq!(next as usize, both);
    }
}

fn members(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(file);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        found.insert(name, bytes);
    }
    found
}

#[test]
fn tar_shards_hold_samples_by_the_name_up_to_the_first_dot() {
    let conditions = few();
    for format in [Format::Tar, Format::TarPng] {
        let setting = Setting { format, ..SMALL };
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &conditions, setting).unwrap();
        let members = members(&folder.path().join("frames-000000.tar"));
        for condition in &conditions {
            let frames = frames(condition, setting);
            let id = condition.id;
            if format == Format::Tar {
                let (shape, pixels) = npy::<u8>(&members[&format!("{id}.frames.npy")]);
                assert_eq!(shape, [frames.len() as u64, 100, 100]);
                assert!(pixels == frames.concat());
                let about: serde_json::Value =
                    serde_json::from_slice(&members[&format!("{id}.json")]).unwrap();
                assert_eq!(about["truth"].as_array().unwrap().len(), frames.len());
                assert_eq!(about["condition"]["id"], id);
                assert_eq!(about["law"], "display");
            } else {
                for (n, frame) in frames.iter().enumerate() {
                    let bytes = &members[&format!("{id}_{n:04}.png")];
                    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
                        .read_info()
                        .unwrap();
                    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
                    reader.next_frame(&mut pixels).unwrap();
                    assert!(pixels == *frame);
                    assert!(members.contains_key(&format!("{id}_{n:04}.json")));
                }
            }
        }
    }
}

#[test]
fn zarr_chunks_are_the_frames_and_zeros_after_them() {
    let conditions = few();
    let setting = Setting {
        format: Format::Zarr,
        preset: Preset::Model224,
        look: Look {
            size_px: Some(32),
            ..Look::default()
        },
        ..SMALL
    };
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &conditions, setting).unwrap();
    let root = folder.path().join("frames.zarr");
    let about: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root.join("frames/zarr.json")).unwrap()).unwrap();
    let longest = conditions
        .iter()
        .map(|c| frames(c, setting).len())
        .max()
        .unwrap();
    assert_eq!(about["shape"], serde_json::json!([4, longest, 32, 32, 3]));
    for (k, condition) in conditions.iter().enumerate() {
        let chunk = std::fs::read(root.join(format!("frames/c/{k}/0/0/0/0"))).unwrap();
        let raw = zstd::bulk::decompress(&chunk, longest * setting.frame_len()).unwrap();
        let frames = frames(condition, setting).concat();
        assert!(raw[..frames.len()] == frames);
        assert!(raw[frames.len()..].iter().all(|&v| v == 0));
        assert_eq!(raw.len(), longest * setting.frame_len());
    }
}

#[test]
fn an_mp4_shows_the_frames_or_says_what_is_missing() {
    let setting = Setting {
        format: Format::Mp4,
        preset: Preset::Model224,
        ..SMALL
    };
    let folder = tempfile::tempdir().unwrap();
    let message = write(folder.path(), &few()[..1], setting)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("apt install ffmpeg") && message.contains("gif"),
        "{message}"
    );
    let wrong = Job {
        ffmpeg: Some(Path::new("no-such-ffmpeg")),
        ..job()
    };
    let refused = write_set(folder.path(), &set(&few()[..1], setting), &wrong, &Quiet);
    assert!(matches!(refused, Err(Error::Tool { .. })), "{refused:?}");
    assert!(content(folder.path()).is_empty());

    let ffmpeg = Path::new("ffmpeg");
    let Ok(version) = ffmpeg_version(ffmpeg) else {
        // The rest needs the program; what is said without it was seen above.
        return;
    };
    let job = Job {
        ffmpeg: Some(ffmpeg),
        ..job()
    };
    let condition = primate79()[28];
    let all = set(&[condition], setting);
    let mut bytes = Vec::new();
    for name in ["one", "two"] {
        let out = folder.path().join(name);
        let written = write_set(&out, &all, &job, &Quiet).unwrap();
        assert_eq!(written.manifest.tools["ffmpeg"], version);
        bytes.push(std::fs::read(out.join(format!("{}.mp4", condition.id))).unwrap());
    }
    assert!(bytes[0] == bytes[1]);
    let decoded = std::process::Command::new(ffmpeg)
        .args(["-loglevel", "error", "-i"])
        .arg(folder.path().join(format!("one/{}.mp4", condition.id)))
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"])
        .output()
        .unwrap();
    let frames = frames(&condition, setting).concat();
    assert_eq!(decoded.stdout.len(), frames.len());
    // Lossy, and colour is stored at half the size: near on the whole.
    let off: f64 = decoded
        .stdout
        .iter()
        .zip(&frames)
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum::<f64>()
        / frames.len() as f64;
    assert!(off < 2.0, "{off}");
}

#[test]
fn truth_is_the_path_and_reads_back_the_same_from_both_tables() {
    let conditions = draw(&Draw {
        n: 30,
        seed: 9,
        ..Draw::default()
    })
    .unwrap();
    for law in Law::ALL {
        let setting = Setting::new(law, Preset::Rnn100);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &conditions, setting).unwrap();
        let set = set(&conditions, setting);
        let expected: Vec<Truth> = set.truth().collect();
        let mut reader = csv::Reader::from_path(folder.path().join("ground_truth.csv")).unwrap();
        let from_csv: Vec<Truth> = reader.deserialize().map(Result::unwrap).collect();
        assert_eq!(from_csv, expected);
        let file = std::fs::File::open(folder.path().join("ground_truth.parquet")).unwrap();
        let parquet = SerializedFileReader::new(file).unwrap();
        let mut n = 0;
        for (row, truth) in parquet.get_row_iter(None).unwrap().zip(&expected) {
            let row = row.unwrap();
            assert_eq!(row.get_long(0).unwrap(), truth.id.parse::<i64>().unwrap());
            assert_eq!(row.get_int(1).unwrap(), truth.frame as i32);
            for (column, value) in [
                (2, truth.time_ms),
                (3, truth.x_deg),
                (4, truth.y_deg),
                (5, truth.dx_deg_per_s),
                (6, truth.dy_deg_per_s),
            ] {
                assert_eq!(row.get_double(column).unwrap().to_bits(), value.to_bits());
            }
            assert_eq!(row.get_string(7).unwrap(), truth.epoch.name());
            assert_eq!(row.get_bool(8).unwrap(), truth.ball_visible);
            n += 1;
        }
        assert_eq!(n, expected.len());
        let mut rows = expected.iter();
        for condition in &conditions {
            let path = trajectory(condition, law);
            for (n, (x, y)) in path.x_deg.iter().zip(&path.y_deg).enumerate() {
                let row = rows.next().unwrap();
                assert_eq!(
                    (row.id.as_str(), row.frame as usize),
                    (condition.id.to_string().as_str(), n)
                );
                assert_eq!((row.x_deg, row.y_deg), (*x, *y));
                assert_eq!(row.epoch.name() == "visible", n < path.occlusion_frame);
                if let Some(next) = path.y_deg.get(n + 1) {
                    assert!((row.y_deg + row.dy_deg_per_s / law.hz() - next).abs() < 1e-12);
                }
            }
        }
    }
}

#[test]
fn a_ball_is_visible_exactly_where_its_frame_differs_from_the_background() {
    for occlusion in Occlusion::ALL {
        let setting = Setting {
            occlusion,
            ..Setting::new(Law::Display, Preset::Model224)
        };
        let bare = Setting {
            look: Look {
                no_ball: true,
                ..Look::default()
            },
            ..setting
        };
        let conditions = few();
        let (with, without) = (set(&conditions, setting), set(&conditions, bare));
        let mut hidden = 0;
        for (a, b) in with.frames().zip(without.frames()) {
            assert!(!b.truth.ball_visible);
            // The soft edge is half a pixel (0.045°) wider than the disc.
            let edge = a.truth.x_deg - 5.2;
            if edge.abs() > 0.05 && a.truth.x_deg < 10.0 {
                assert_eq!(a.truth.ball_visible, a.pixels != b.pixels, "{:?}", a.truth);
                hidden += usize::from(!a.truth.ball_visible);
            }
        }
        assert_eq!(hidden > 50, occlusion == Occlusion::Occluded);
    }
}

#[test]
fn another_rate_samples_the_same_flight_by_time() {
    let condition = primate79()[1];
    let path = trajectory(&condition, Law::Display);
    let at = |rate: f64| {
        let setting = Setting {
            frame_rate_hz: Some(rate),
            ..SMALL
        };
        set(&[condition], setting).truth().collect::<Vec<_>>()
    };
    assert_eq!(
        at(60.0),
        set(&[condition], SMALL).truth().collect::<Vec<_>>()
    );
    for (k, row) in at(30.0).iter().enumerate() {
        assert_eq!(
            (row.x_deg, row.y_deg),
            (path.x_deg[2 * k], path.y_deg[2 * k])
        );
    }
    for row in at(144.0) {
        let place = row.time_ms / 1000.0 * 60.0;
        let k = place.floor() as usize;
        let (low, high) = (path.y_deg[k], path.y_deg[(k + 1).min(path.len() - 1)]);
        let expected = low + (place - place.floor()) * (high - low);
        assert!((row.y_deg - expected).abs() < 1e-9, "{row:?}");
    }
    let ms = |rows: &[Truth]| rows.last().unwrap().time_ms;
    for rate in [7.0, 24.0, 144.0, 1000.0] {
        let gap = ms(&at(60.0)) - ms(&at(rate));
        assert!((0.0..1000.0 / rate + 1e-9).contains(&gap), "{rate}: {gap}");
    }
    for (rate, format) in [
        (0.5, Format::Npy),
        (f64::NAN, Format::Npy),
        (60.0, Format::Gif),
    ] {
        let setting = Setting {
            frame_rate_hz: Some(rate),
            format,
            ..SMALL
        };
        assert!(StimulusSet::of_trials(&few(), setting).is_err());
    }
}

#[test]
fn lent_and_owned_frames_are_those_of_the_movies() {
    let setting = Setting {
        look: Look {
            ball: Some(Rgb(255, 255, 0)),
            paddle: Some(true),
            ..Look::default()
        },
        ..Setting::new(Law::Display, Preset::Display)
    };
    let conditions = few();
    let set = set(&conditions[..2], setting);
    let mut lent = set.frames();
    let mut owned = set.frames();
    for condition in &conditions[..2] {
        for frame in frames(condition, setting) {
            let (truth, pixels) = lent.draw_next().unwrap();
            assert_eq!(truth.id, condition.id.to_string());
            assert!(pixels == frame);
            assert!(owned.next().unwrap().pixels == frame);
        }
    }
    assert!(lent.draw_next().is_none() && owned.next().is_none());
}

#[test]
fn a_set_opens_to_what_it_was_made_from() {
    let conditions = draw(&Draw::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &conditions, SMALL).unwrap();
    let (manifest, opened) = open_set(folder.path()).unwrap();
    let trials: Vec<Condition> = opened
        .conditions()
        .iter()
        .filter_map(|c| c.start().copied())
        .collect();
    assert_eq!(trials, conditions);
    assert_eq!(opened.setting(), SMALL);
    assert_eq!(opened.sha256().unwrap(), manifest.stimuli_sha256);
    assert_eq!(opened.set().identity(), manifest.set);
    // The condition table is a table of one's own.
    let rules = TableRules {
        rule: Rule::Published,
        law: None,
    };
    let own = ConditionSet::read_csv(folder.path().join("conditions.csv"), rules).unwrap();
    assert_eq!(own.conditions(), opened.conditions());
    assert_eq!(own.sha256(), manifest.set.sha256);
}

#[test]
fn a_disk_that_is_too_small_is_refused_before_anything_is_drawn() {
    for format in stimulus_support::FORMATS {
        let set = set(&few(), Setting { format, ..SMALL });
        let folder = tempfile::tempdir().unwrap();
        let need = needed_bytes(&set, &job(), folder.path()).unwrap();
        let tight = Job {
            free_bytes: Some(need - 1),
            ..job()
        };
        let refused = write_set(folder.path(), &set, &tight, &Quiet);
        let Err(Error::NoSpace {
            need_bytes,
            free_bytes,
            ..
        }) = refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!((need_bytes, free_bytes), (need, need - 1));
        assert!(content(folder.path()).is_empty());
        // A folder that was made for it is gone again, and the sizes can be read.
        let new = folder.path().join("new");
        let message = write_set(&new, &set, &tight, &Quiet).unwrap_err();
        assert!(message.to_string().contains("B more and "), "{message}");
        assert!(!new.exists());
        let enough = Job {
            free_bytes: Some(need),
            ..job()
        };
        write_set(folder.path(), &set, &enough, &Quiet).unwrap();
        let written: usize = content(folder.path()).values().map(Vec::len).sum();
        assert!(written as u64 <= need, "{format}: {written} of {need}");
        // A set that is there needs nothing more.
        let none = Job {
            free_bytes: Some(need / 2),
            ..job()
        };
        if format == Format::Npy {
            write_set(folder.path(), &set, &none, &Quiet).unwrap();
        }
    }
}
