//! Latents of any origin: what is read of them, and what is said of those that are not what they seem.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]

use std::path::{Path, PathBuf};

use mental_pong_base::Quiet;
use mental_pong_game::task::ConditionSet;
use mental_pong_predictor::Predictor;
use mental_pong_predictor::latents::{
    Cache, Format, Latents, LatentsFile, LatentsWriter, Layers, OfSet,
};
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::write::FileOptions;
use serde_json::json;

/// Conditions of the small files here.
const N: usize = 6;

fn set() -> ConditionSet {
    let set = ConditionSet::open("primate79").unwrap();
    let ids: Vec<&str> = set.ids().into_iter().step_by(13).take(N).collect();
    set.narrowed(&ids).unwrap()
}

/// The arrays of a file: every frame of each condition, latents that say where the ball is.
#[derive(Clone)]
struct Made {
    ids: Vec<f64>,
    times: Vec<Vec<f64>>,
    frames: Option<Vec<Vec<f64>>>,
    bins: Option<Vec<Vec<f64>>>,
    counts: Option<Vec<f64>>,
    latents: Vec<Vec<[f64; 3]>>,
}

impl Made {
    fn new(set: &ConditionSet) -> Self {
        let truth: Vec<_> = set
            .conditions()
            .iter()
            .map(mental_pong_game::task::SetCondition::truth)
            .collect();
        let times = |t: &Vec<mental_pong_game::task::set::TruthFrame>| -> Vec<f64> {
            t.iter().map(|f| f.time_ms).collect()
        };
        let place = |t: &Vec<mental_pong_game::task::set::TruthFrame>| -> Vec<[f64; 3]> {
            let at = |f: &mental_pong_game::task::set::TruthFrame| {
                [f.x_deg, f.y_deg, f.x_deg - 0.5 * f.y_deg + 1.0]
            };
            t.iter().map(at).collect()
        };
        Self {
            ids: set.ids().iter().map(|id| id.parse().unwrap()).collect(),
            times: truth.iter().map(times).collect(),
            frames: None,
            bins: None,
            counts: None,
            latents: truth.iter().map(place).collect(),
        }
    }

    fn longest(&self) -> usize {
        self.times.iter().map(Vec::len).max().unwrap()
    }

    /// Writes it; what is beyond a condition's last step is `padding`.
    fn write(&self, path: &Path, padding: f64) {
        let (n, steps) = (self.ids.len(), self.longest());
        let mut npz = NpzWriter::new(std::fs::File::create(path).unwrap());
        let mut put = |name: &str, shape: &[u64], values: Vec<f64>| {
            let options = FileOptions::default();
            let builder = npz.array(name, options).unwrap().default_dtype();
            let mut writer = builder.shape(shape).begin_nd().unwrap();
            writer.extend(values).unwrap();
            writer.finish().unwrap();
        };
        let (c, s) = (n as u64, steps as u64);
        let table = |rows: &[Vec<f64>], padding: f64| -> Vec<f64> {
            let padded = |row: &Vec<f64>| {
                let mut row = row.clone();
                row.resize(steps, padding);
                row
            };
            rows.iter().flat_map(padded).collect()
        };
        put("id", &[c], self.ids.clone());
        put("time_ms", &[c, s], table(&self.times, padding));
        if let Some(frames) = &self.frames {
            put("frame", &[c, s], table(frames, -1.0));
        }
        if let Some(bins) = &self.bins {
            put("bin", &[c, s], table(bins, -1.0));
        }
        if let Some(counts) = &self.counts {
            put("n_steps", &[c], counts.clone());
        }
        let rows: Vec<Vec<f64>> = self.latents.iter().map(|r| r.concat()).collect();
        let mut latents = Vec::new();
        for row in rows {
            let mut row = row;
            row.resize(3 * steps, padding);
            latents.extend(row);
        }
        put("mine", &[c, s, 3], latents);
        npz.zip_writer().finish().unwrap();
    }
}

fn open(made: &Made, padding: f64) -> Result<Latents, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.npz");
    made.write(&path, padding);
    Latents::open(&path, Some(&set())).map_err(|e| e.to_string())
}

fn refused(change: impl Fn(&mut Made), padding: f64, words: &[&str]) {
    let mut made = Made::new(&set());
    change(&mut made);
    let error = open(&made, padding).expect_err("refused");
    for word in words.iter().chain(&["mine.npz"]) {
        assert!(error.contains(word), "{word:?} in {error}");
    }
}

#[test]
fn latents_read_back_as_they_were_made() {
    let set = set();
    let made = Made::new(&set);
    let latents = open(&made, f64::NAN).unwrap();
    assert_eq!(latents.set.unwrap(), set.identity());
    assert_eq!(latents.layers[0].name, "mine");
    for (k, condition) in latents.conditions.iter().enumerate() {
        assert_eq!(condition.id, set.ids()[k]);
        assert_eq!(condition.steps.len(), made.times[k].len());
        let truth: Vec<f32> = made.latents[k].concat().iter().map(|v| *v as f32).collect();
        assert_eq!(condition.layers[0], truth);
    }
}

#[test]
fn a_clock_that_is_not_the_set_s_is_refused() {
    let each = |made: &mut Made, change: &dyn Fn(f64) -> f64| {
        for time in made.times.iter_mut().flatten() {
            *time = change(*time);
        }
    };
    refused(
        |m| each(m, &|t| t + 150.0),
        f64::NAN,
        &["time_ms, condition"],
    );
    refused(
        |m| each(m, &|t| t - 150.0),
        f64::NAN,
        &["time_ms, condition"],
    );
    let words = ["time_ms, condition", "300 ms before"];
    refused(|m| each(m, &|t| t + 300.0), f64::NAN, &words);
    // 50 Hz taken for 60, and the other way round.
    refused(|m| each(m, &|t| t * 1.2), f64::NAN, &["time_ms, condition"]);
    refused(|m| each(m, &|t| t / 1.2), f64::NAN, &["time_ms, condition"]);
    refused(|m| each(m, &|t| t / 1000.0), f64::NAN, &["seconds"]);
    refused(|m| m.times[2].swap(20, 30), f64::NAN, &["increase", "step"]);
    refused(|m| m.times[2][20] = m.times[2][19], f64::NAN, &["increase"]);
    // Half of a trial.
    refused(
        |m| {
            m.times[1].truncate(30);
            m.latents[1].truncate(30);
        },
        f64::NAN,
        &["steps over 0 to"],
    );
}

#[test]
fn bin_frame_and_time_have_to_agree() {
    let frames = |m: &Made| -> Vec<Vec<f64>> {
        let row = |t: &Vec<f64>| (0..t.len()).map(|k| k as f64).collect();
        m.times.iter().map(row).collect()
    };
    let bins = |m: &Made| -> Vec<Vec<f64>> {
        // Frames 1, 2 and 3 stand in bin 6.
        let row = |t: &Vec<f64>| (0..t.len()).map(|k| ((k + 17) / 3) as f64).collect();
        m.times.iter().map(row).collect()
    };
    let mut made = Made::new(&set());
    made.frames = Some(frames(&made));
    made.bins = Some(bins(&made));
    open(&made, f64::NAN).unwrap();
    refused(
        |m| {
            let mut wrong = bins(m);
            wrong[3].iter_mut().for_each(|b| *b += 6.0);
            m.bins = Some(wrong);
        },
        f64::NAN,
        &["a time in bin"],
    );
    refused(
        |m| {
            let mut wrong = frames(m);
            wrong[3].iter_mut().for_each(|f| *f += 9.0);
            m.frames = Some(wrong);
        },
        f64::NAN,
        &["at 60 Hz"],
    );
}

#[test]
fn padding_is_said_and_not_guessed() {
    refused(|_| (), 0.0, &["increase", "n_steps"]);
    // Times that go on, latents of zeros.
    refused(
        |m| {
            let longest = m.longest();
            for (times, latents) in m.times.iter_mut().zip(&mut m.latents) {
                for k in times.len()..longest {
                    times.push(k as f64 * 1000.0 / 60.0);
                    latents.push([0.0; 3]);
                }
            }
        },
        f64::NAN,
        &["condition"],
    );
    let mut made = Made::new(&set());
    made.counts = Some(made.times.iter().map(|t| t.len() as f64).collect());
    open(&made, 0.0).unwrap();
    refused(|m| m.counts = Some(vec![1e6; N]), f64::NAN, &["n_steps"]);
}

#[test]
fn values_that_f32_cannot_hold_are_named() {
    refused(
        |m| m.latents[2][7][1] = 1e39,
        f64::NAN,
        &["step 7, unit 1", "f32"],
    );
    refused(
        |m| m.latents[2][7][1] = f64::NAN,
        f64::NAN,
        &["step 7, unit 1"],
    );
    refused(
        |m| m.latents[2][7][1] = f64::INFINITY,
        f64::NAN,
        &["step 7"],
    );
    let notices = |change: &dyn Fn(&mut Made)| -> String {
        let mut made = Made::new(&set());
        change(&mut made);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.npz");
        made.write(&path, f64::NAN);
        let mut file = LatentsFile::open(&path, None, Some(&set())).unwrap();
        file.of_set(&set(), None).unwrap();
        file.notices.join("\n")
    };
    assert_eq!(notices(&|_| ()), "");
    let small = notices(&|m| m.latents[4][3][0] = 1e-60);
    assert!(small.contains("too small for f32"), "{small}");
    let constant = notices(&|m| m.latents[4].iter_mut().for_each(|row| *row = [2.0; 3]));
    assert!(constant.contains("every value is 2"), "{constant}");
}

#[test]
fn latents_of_other_conditions_are_refused() {
    refused(|m| m.ids[4] = m.ids[1], f64::NAN, &["id", "twice"]);
    refused(|m| m.ids[4] = 17.0, f64::NAN, &["id", "condition"]);
    // Numbered from 0, as if they were rows of the published table.
    refused(
        |m| m.ids = (0..N).map(|k| k as f64).collect(),
        f64::NAN,
        &["id", "6 others"],
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.npz");
    Made::new(&set()).write(&path, f64::NAN);
    let error = Latents::open(&path, None).unwrap_err().to_string();
    assert!(error.contains("--conditions"), "{error}");
}

#[test]
fn a_file_of_another_set_names_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.npz");
    let set = set();
    let predictor = Predictor::named("pixels").unwrap();
    let latents = predictor
        .latents(&set, Layers::ENCODER, &Cache::none(), &Quiet)
        .unwrap();
    let write = |sha256: &str| {
        let mut identity = set.identity();
        (identity.name, identity.sha256) = ("theirs".into(), sha256.into());
        let layers = predictor.layers(Layers::ENCODER);
        let mut writer = LatentsWriter::new(&path, Format::Npz, &layers, &json!(sha256)).unwrap();
        for condition in &latents.conditions {
            writer.push(condition).unwrap();
        }
        let of = OfSet {
            identity,
            rate_hz: 60.0,
        };
        writer.finish(&of, &json!({})).unwrap();
    };
    // The published set needs no word of the user's.
    write(&set.identity().sha256);
    let read = Latents::open(&path, None).unwrap();
    assert_eq!(read.conditions, latents.conditions);
    write(&"ab".repeat(32));
    let error = Latents::open(&path, Some(&set)).unwrap_err().to_string();
    assert!(
        error.contains("theirs") && error.contains("primate79"),
        "{error}"
    );
    let error = Latents::open(&path, None).unwrap_err().to_string();
    assert!(
        error.contains("theirs") && error.contains("--conditions"),
        "{error}"
    );
}

// The same latents through safetensors.
#[test]
fn our_own_formats_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let set = set();
    let predictor = Predictor::named("ctrnn").unwrap();
    let latents = predictor
        .latents(&set, Layers::BOTH, &Cache::none(), &Quiet)
        .unwrap();
    for format in [Format::Npz, Format::Safetensors] {
        let path = folder.path().join(format!("a.{}", format.extension()));
        let layers = predictor.layers(Layers::BOTH);
        let mut writer = LatentsWriter::new(&path, format, &layers, &json!(1)).unwrap();
        for condition in &latents.conditions {
            writer.push(condition).unwrap();
        }
        let of = OfSet {
            identity: set.identity(),
            rate_hz: 60.0,
        };
        writer.finish(&of, &json!({"model": "ctrnn"})).unwrap();
        let read = Latents::open(&path, None).unwrap();
        assert_eq!(read.conditions.len(), N);
        for (a, b) in read.conditions.iter().zip(&latents.conditions) {
            assert_eq!((&a.id, &a.steps), (&b.id, &b.steps));
            for (k, layer) in read.layers.iter().enumerate() {
                let own = latents.layer(&layer.name).unwrap();
                assert!(
                    a.layers[k] == b.layers[own],
                    "{} {}",
                    format.name(),
                    layer.name
                );
            }
        }
    }
}

#[test]
fn a_shifted_clock_shows_as_a_lag() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.npz");
    let set = set();
    let lag = |change: &dyn Fn(&mut Made)| {
        let mut made = Made::new(&set);
        change(&mut made);
        made.write(&path, f64::NAN);
        let mut file = LatentsFile::open(&path, None, Some(&set)).unwrap();
        let check = file.check(&set).unwrap();
        assert_eq!(check.conditions, [N, N]);
        (check.layers[0].best_lag_ms, check.warnings.len())
    };
    assert_eq!(lag(&|_| ()), (0.0, 0));
    // Latents that run 150 ms late: they say where the ball was.
    let late = |made: &mut Made| {
        for rows in &mut made.latents {
            let first = rows[0];
            rows.rotate_right(9);
            rows[..9].fill(first);
        }
    };
    let (found, warnings) = lag(&late);
    assert_eq!((found, warnings), (-150.0, 1));
}

#[test]
fn what_is_no_file_of_latents_is_called_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("x");
    for (bytes, words) in [
        (&b"<!DOCTYPE html><html>"[..], "HTML"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "git lfs pull",
        ),
        (b"\x1f\x8b\x08", "gzip"),
        (b"", "begins with"),
        (b"id,x\n1,2\n", "begins with"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = Latents::open(&path, None).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // Weights are no latents.
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/weights/ctrnn.safetensors");
    let error = Latents::open(&weights, None).unwrap_err().to_string();
    assert!(error.contains("ctrnn.safetensors"), "{error}");
}

fn origin(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/latents")
        .join(name)
}

/// The script beside the files made them of what `mpong trajectory` says of the ball, which stands in f32 there.
#[test]
fn latents_of_any_origin_are_the_same() {
    let all = ConditionSet::open("primate79").unwrap();
    let set = all.narrowed(&["29337", "55062"]).unwrap();
    let made = Made::new(&set);
    let folder = tempfile::tempdir().unwrap();
    let ids = folder.path().join("ids.txt");
    std::fs::write(&ids, "29337\n55062\n").unwrap();
    for (name, format, layer) in [
        ("own.nc", "NetCDF 4", "mine"),
        ("nested.h5", "HDF5", "network/run1/mine"),
        ("v2.zarr", "Zarr 2", "mine"),
        ("v3.zarr", "Zarr 3", "mine"),
        ("long.parquet", "Parquet", "mine"),
        ("dict.pt", "PyTorch", "mine"),
        ("plain.npy", "NumPy", "latents"),
    ] {
        let path = origin(name);
        // By content: the name does not matter.
        let other = folder.path().join("x.bin");
        let path = if path.is_file() {
            std::fs::copy(&path, &other).unwrap();
            other
        } else {
            path
        };
        let ids = (name == "plain.npy").then_some(&*ids);
        let mut file =
            LatentsFile::open(&path, ids, Some(&set)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(file.format().contains(format), "{name}: {}", file.format());
        assert_eq!(file.ids(), ["29337", "55062"], "{name}");
        assert_eq!(file.layers()[0].name, layer, "{name}");
        // What torch kept of padding are zeros, of which frames of -1 say that they are.
        let latents = file
            .of_set(&set, Some(&[layer.into()]))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        for (condition, (times, rows)) in latents
            .conditions
            .iter()
            .zip(made.times.iter().zip(&made.latents))
        {
            let found: Vec<f64> = condition.steps.iter().map(|s| s.time_ms).collect();
            assert_eq!(found.len(), times.len(), "{name}");
            assert!(
                found.iter().zip(times).all(|(a, b)| (a - b).abs() < 1e-9),
                "{name}"
            );
            let values: Vec<f32> = rows.iter().flatten().map(|v| *v as f32).collect();
            assert!(
                condition.layers[0]
                    .iter()
                    .zip(&values)
                    .all(|(a, b)| (a - b).abs() < 1e-5),
                "{name}"
            );
        }
        let check = file.check(&set).unwrap();
        assert_eq!(check.conditions, [2, 2], "{name}");
        assert_eq!(check.layers[0].dead_units, 0, "{name}");
        let error = file.of_set(&set, Some(&["other".into()])).unwrap_err();
        assert!(error.to_string().contains(layer), "{error}");
    }
}

/// 79 conditions of 215 steps of 150,528 units are 9.5 GiB: refused from the header, and read by the condition.
#[test]
fn wide_latents_are_refused_with_an_estimate_and_read_by_the_condition() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.npy");
    let header = mental_pong_formats::npz::npy_header("<f4", &[79, 215, 150_528]);
    std::fs::write(&path, &header).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(header.len() as u64 + 4 * 79 * 215 * 150_528)
        .unwrap();
    let set = ConditionSet::open("primate79").unwrap();
    let mut file = LatentsFile::open(&path, None, Some(&set)).unwrap();
    assert_eq!(file.layers()[0].units, 150_528);
    let error = file.of_set(&set, None).unwrap_err().to_string();
    for word in ["GiB", "150528 units", "wide.npy"] {
        assert!(error.contains(word), "{word} in {error}");
    }
    assert_eq!(
        file.read(0, 0).unwrap().len(),
        file.steps(0).len() * 150_528
    );
}
