//! The released schema, from each of its formats, on the small SYNTHETIC recording.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use mental_pong_eval::error::Error;
use mental_pong_eval::recordings::dmfc::{
    Expected, Half, Population, Recording, TrialType, behavior_unit,
};
use mental_pong_eval::recordings::file::{Format, detect, read_value};
use mental_pong_formats::limits::Limits;
use mental_pong_formats::mat;
use mental_pong_formats::value::{Array, Dict, Value};
use proptest::prelude::*;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/recordings")
        .join(name)
}

const PICKLE: &str = "mini_hand_dmfc_dataset_50ms.pkl.gz";
const MAT5: &str = "mini_hand_dmfc_dataset_50ms.mat";
const MAT73: &str = "mini_hand_dmfc_dataset_50ms_v73.mat";

fn open(name: &str) -> Recording {
    Recording::open(data(name)).unwrap_or_else(|error| panic!("{error}"))
}

/// NaN has one meaning here, so all of its bit patterns are one.
fn bits(values: &[f64]) -> Vec<u64> {
    values
        .iter()
        .map(|v| if v.is_nan() { f64::NAN } else { *v }.to_bits())
        .collect()
}

#[test]
fn formats_are_told_apart_by_content() {
    for (name, format) in [
        (PICKLE, Format::PickleGz),
        (MAT5, Format::MatV5),
        (MAT73, Format::MatV73),
        ("pickle_conformance/conf_py36_pd115_p2.pkl", Format::Pickle),
    ] {
        assert_eq!(detect(&data(name)).unwrap(), format);
    }
    let error = detect(&data("README.md")).unwrap_err();
    assert!(error.to_string().contains("README.md"), "{error}");
    assert!(matches!(
        detect(&data("nowhere.pkl")),
        Err(Error::Io { .. })
    ));
}

#[test]
fn the_three_formats_agree_to_the_bit() {
    let (pickle, mat5, mat73) = (open(PICKLE), open(MAT5), open(MAT73));
    assert_eq!(pickle.available().count(), 12);
    for other in [&mat5, &mat73] {
        assert!(pickle.available().eq(other.available()));
        for (trials, population, half) in pickle.available() {
            let a = pickle.responses(trials, population, half).unwrap();
            let b = other.responses(trials, population, half).unwrap();
            assert_eq!(a.units(), b.units());
            assert_eq!(
                bits(a.as_slice()),
                bits(b.as_slice()),
                "{population:?} {half:?}"
            );
        }
        for trials in TrialType::ALL {
            let mut names: Vec<&str> = pickle.behavior_names(trials).collect();
            let mut others: Vec<&str> = other.behavior_names(trials).collect();
            names.sort_unstable();
            others.sort_unstable();
            assert_eq!(names, others);
            for name in names {
                let a = pickle.behavior(trials, name).unwrap();
                let b = other.behavior(trials, name).unwrap();
                assert_eq!(bits(a.as_slice()), bits(b.as_slice()), "{name}");
            }
            for name in other.mask_names(trials) {
                assert_eq!(
                    pickle.mask(trials, name).unwrap(),
                    other.mask(trials, name).unwrap(),
                    "{name}"
                );
            }
            assert_eq!(pickle.reliable_units(trials), other.reliable_units(trials));
            for half in Half::ALL {
                assert_eq!(pickle.unit_ids(trials, half), other.unit_ids(trials, half));
            }
            assert_eq!(
                pickle.trials_per_session(trials),
                other.trials_per_session(trials)
            );
        }
    }
    // Version 5 has the shifted masks, whose names have a "-"; version 7.3 was written without them.
    assert_eq!(
        mat5.mask_names(TrialType::Occ).count(),
        pickle.mask_names(TrialType::Occ).count()
    );
    assert!(mat5.mask(TrialType::Occ, "occ_pad0_roll-2").is_ok());
    assert!(mat73.mask(TrialType::Occ, "occ_pad0_roll-2").is_err());
}

#[test]
fn shapes_names_and_ids_are_those_of_the_release() {
    let recording = open(PICKLE);
    let all = recording
        .responses(TrialType::Occ, Population::All, Half::Full)
        .unwrap();
    assert_eq!((all.units(), all.conditions(), all.bins()), (8, 79, 100));
    assert_eq!(all.unit_name(), "spikes/ms");
    // Trap 1: the last bin is NaN, and no other.
    for unit in 0..8 {
        for condition in 0..79 {
            for bin in 0..100 {
                assert_eq!(all.get(unit, condition, bin).is_nan(), bin == 99);
            }
        }
    }
    let reliable = recording.reliable_units(TrialType::Occ).unwrap();
    assert_eq!(reliable.len(), 6);
    let kept = recording
        .responses(TrialType::Occ, Population::Reliable, Half::Full)
        .unwrap();
    assert_eq!(
        bits(all.select(reliable).unwrap().as_slice()),
        bits(kept.as_slice())
    );
    let ids = recording.condition_ids().unwrap();
    assert_eq!(ids.len(), 79);
    assert_eq!(open(MAT73).condition_ids(), Some(ids));
    assert!(ids.iter().all(|id| id.parse::<u32>().unwrap() < 472_225));
    assert_eq!(recording.synthetic(), Some(true));
    let meta = recording.table("meta").unwrap();
    assert_eq!(meta.rows, 79);
    assert!(meta.numbers("n_bounce").is_some());
    let trials = recording.table("trial_meta").unwrap();
    assert!(trials.rows > 79 && trials.texts("session").is_some());
    // Trap 2: the visible and the hidden part share one bin of each condition.
    let count = |name| recording.mask(TrialType::Occ, name).unwrap().count();
    assert_eq!(
        count("start_occ_pad0") + count("occ_end_pad0"),
        count("start_end_pad0") + 79
    );
    assert_eq!(count("pretrial_pad0"), 0);
    let mask = recording.mask(TrialType::Occ, "start_end_pad0").unwrap();
    let rows = all.rows(mask).unwrap();
    assert_eq!((rows.rows(), rows.cols()), (count("start_end_pad0"), 8));
    assert!(rows.as_slice().iter().all(|v| v.is_finite()));
    let unknown: Vec<&str> = recording
        .behavior_names(TrialType::Occ)
        .filter(|name| behavior_unit(name).is_none())
        .collect();
    assert!(unknown.is_empty(), "no unit for {unknown:?}");
}

#[test]
fn fortran_order_is_honoured() {
    // Trap 3: these are pickled in Fortran order and do not change within a condition.
    let (_, root) = read_value(&data(PICKLE), &Limits::default()).unwrap();
    let recording = open(PICKLE);
    for name in [
        "ball_final_y",
        "ball_initial_y",
        "ball_occ_start_y",
        "target_y",
    ] {
        let stored = root
            .get("behavioral_responses")
            .and_then(|v| v.get("occ"))
            .and_then(|v| v.get(name));
        assert!(
            matches!(stored, Some(Value::Array(a)) if a.is_fortran()),
            "{name}"
        );
        let values = recording.behavior(TrialType::Occ, name).unwrap();
        for condition in 0..79 {
            let row = values.row(condition);
            assert!(
                row.iter().all(|&v| v == row[0]),
                "{name}, condition {condition}"
            );
        }
        // The control: conditions differ.
        assert!(values.column(0).windows(2).any(|pair| pair[0] != pair[1]));
    }
}

#[test]
fn what_version_5_lost_is_said() {
    let mat5 = open(MAT5);
    assert!(mat5.condition_ids().is_none());
    assert!(mat5.notes().iter().any(|note| note.contains("savemat")));
    assert!(
        open(PICKLE).notes().is_empty(),
        "{:?}",
        open(PICKLE).notes()
    );
}

#[test]
fn an_id_that_stands_for_two_conditions_is_an_error() {
    let (_, root) = read_value(&data(PICKLE), &Limits::default()).unwrap();
    let ids = open(PICKLE).condition_ids().unwrap().to_vec();
    let meta = |ids: &[f64]| {
        let key = Value::Str("py_meta_index".into());
        let columns = vec![(key, array(&[ids.len()], ids))];
        with(
            &root,
            &["meta"],
            Some(&Value::Dict(Arc::new(Dict::new(columns)))),
        )
    };
    let mut ids: Vec<f64> = ids.iter().map(|id| id.parse().unwrap()).collect();
    assert!(Recording::from_value(&meta(&ids), &Expected::default()).is_ok());
    ids[3] = ids[70];
    let error = Recording::from_value(&meta(&ids), &Expected::default()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("meta/py_meta_index") && text.contains(&format!("{} twice", ids[70])),
        "{text}"
    );
}

#[test]
fn a_gzip_of_several_members_is_read_and_what_follows_it_is_not() {
    use std::io::{Read, Write};
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(data(PICKLE)).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.pkl.gz");
    let mut file = Vec::new();
    for piece in bytes.chunks(bytes.len() / 3) {
        let mut member = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        member.write_all(piece).unwrap();
        file = member.finish().unwrap();
    }
    std::fs::write(&path, &file).unwrap();
    assert_eq!(
        Recording::open(&path).unwrap().available().count(),
        open(PICKLE).available().count()
    );
    file.extend(b"no gzip");
    std::fs::write(&path, &file).unwrap();
    let error = Recording::open(&path).unwrap_err().to_string();
    assert!(error.contains("members.pkl.gz"), "{error}");
}

/// The tree with the entry at `path` replaced, or removed.
fn with(root: &Value, path: &[&str], new: Option<&Value>) -> Value {
    let Value::Dict(dict) = root else {
        panic!("no dict at {path:?}")
    };
    let mut entries = Vec::new();
    let mut met = false;
    for (key, value) in dict.entries() {
        if matches!(key, Value::Str(name) if &**name == path[0]) {
            met = true;
            match (path.len(), new) {
                (1, None) => {}
                (1, Some(new)) => entries.push((key.clone(), new.clone())),
                _ => entries.push((key.clone(), with(value, &path[1..], new))),
            }
        } else {
            entries.push((key.clone(), value.clone()));
        }
    }
    assert!(met, "{path:?}");
    Value::Dict(Arc::new(Dict::new(entries)))
}

fn array(shape: &[usize], values: &[f64]) -> Value {
    Value::Array(Arc::new(Array::from_f64(shape.to_vec(), values).unwrap()))
}

fn at<'a>(root: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(root, |value, key| value.get(key).unwrap())
}

fn numbers(root: &Value, path: &[&str]) -> (Vec<usize>, Vec<f64>) {
    match at(root, path) {
        Value::Array(array) => (array.shape().to_vec(), array.to_f64().unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_wrong_is_named_with_field_expected_and_found() {
    let (_, root) = read_value(&data(PICKLE), &Limits::default()).unwrap();
    let check = |root: &Value, field: &str, words: &[&str]| {
        let error = Recording::from_value(root, &Expected::default()).unwrap_err();
        match &error {
            Error::Field { field: found, .. } => assert_eq!(found, field, "{error}"),
            other => panic!("{other}"),
        }
        let text = error.to_string();
        for word in words {
            assert!(text.contains(word), "{text} lacks {word}");
        }
    };
    // A missing key.
    for path in [
        &["neural_responses"][..],
        &["neural_responses_sh2"],
        &["neural_responses_sh1", "occ"],
        &["behavioral_responses"],
        &["behavioral_responses", "occ"],
        &["masks"],
        &["masks", "occ", "start_end_pad0"],
    ] {
        check(&with(&root, path, None), &path.join("/"), &["no such key"]);
    }
    check(
        &with(&root, &["reliable_neural_idx"], None),
        "reliable_neural_idx/occ",
        &["no such key"],
    );
    let path = ["neural_responses", "occ"];
    // Another bin size: 250 bins of 20 ms.
    check(
        &with(
            &root,
            &path,
            Some(&array(&[8, 79, 250], &vec![0.0; 8 * 79 * 250])),
        ),
        "neural_responses/occ",
        &["100 bins of 50 ms", "250 bins", "another bin size"],
    );
    // Fewer conditions.
    check(
        &with(
            &root,
            &path,
            Some(&array(&[8, 78, 100], &vec![0.0; 8 * 78 * 100])),
        ),
        "neural_responses/occ",
        &["79 conditions", "78 conditions", "[8, 78, 100]"],
    );
    check(
        &with(
            &root,
            &["behavioral_responses", "occ", "eye_v"],
            Some(&array(&[78, 100], &vec![0.0; 7800])),
        ),
        "behavioral_responses/occ/eye_v",
        &["79 conditions", "78 conditions"],
    );
    // Another number of axes, and no numbers at all.
    check(
        &with(&root, &path, Some(&array(&[79, 100], &vec![0.0; 7900]))),
        "neural_responses/occ",
        &["[unit, condition, bin]", "[79, 100]"],
    );
    check(
        &with(&root, &path, Some(&Value::Str("x".into()))),
        "neural_responses/occ",
        &["an array", "text"],
    );
    // NaN where none may be: inside of the trial, named by place.
    let (shape, mut values) = numbers(&root, &path);
    values[(3 * 79 + 5) * 100 + 10] = f64::NAN;
    check(
        &with(&root, &path, Some(&array(&shape, &values))),
        "neural_responses/occ",
        &["NaN at unit 3, condition 5, bin 10", "start_end_pad0"],
    );
    values[(3 * 79 + 5) * 100 + 10] = f64::INFINITY;
    check(
        &with(&root, &path, Some(&array(&shape, &values))),
        "neural_responses/occ",
        &["inf at unit 3, condition 5, bin 10"],
    );
    // A mask with 0 outside.
    let path = ["masks", "occ", "occ_end_pad0"];
    let (shape, values) = numbers(&root, &path);
    let zeros: Vec<f64> = values
        .iter()
        .map(|v| if v.is_nan() { 0.0 } else { *v })
        .collect();
    check(
        &with(&root, &path, Some(&array(&shape, &zeros))),
        "masks/occ/occ_end_pad0",
        &["1 inside and NaN outside", "0 at condition 0, bin 0"],
    );
    // Indices from 1, and out of range.
    let path = ["reliable_neural_idx", "occ"];
    let (shape, values) = numbers(&root, &path);
    let from_one: Vec<f64> = values.iter().map(|v| v + 1.0).collect();
    let wrong = Recording::from_value(
        &with(&root, &path, Some(&array(&shape, &from_one))),
        &Expected::default(),
    );
    assert!(wrong.is_err());
    check(
        &with(&root, &path, Some(&array(&[2], &[0.0, 8.0]))),
        "reliable_neural_idx/occ",
        &["rows from 0 to 7", "found 8"],
    );
    // Halves of other units than the mean.
    let path = ["neural_responses_reliable_sh1"];
    check(
        &with(&root, &path, None),
        "neural_responses_reliable_sh1",
        &["no such key"],
    );
    // Units that are not as many as the ids.
    check(
        &with(
            &root,
            &["neural_idx_global", "occ", "neural_responses"],
            Some(&array(&[2], &[0.0, 1.0])),
        ),
        "neural_idx_global/occ/neural_responses",
        &["8 ids", "found 2"],
    );
}

#[test]
fn a_wrong_file_is_named_with_its_path() {
    let path = data("pickle_conformance/conf_py38_pd135_p4.pkl");
    let error = Recording::open(&path).unwrap_err();
    assert!(
        error.to_string().contains("conf_py38_pd135_p4.pkl"),
        "{error}"
    );
    assert!(error.to_string().contains("no such key"), "{error}");
    // A file cut short, in each format.
    for name in [PICKLE, MAT5, MAT73] {
        let bytes = std::fs::read(data(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut");
        for part in [10, 3, 2] {
            std::fs::write(&cut, &bytes[..bytes.len() - bytes.len() / part]).unwrap();
            let error = Recording::open(&cut).unwrap_err();
            assert!(error.to_string().contains("cut"), "{name}: {error}");
        }
    }
}

#[test]
fn halves_with_different_units_are_aligned_by_id() {
    let (_, root) = read_value(&data(PICKLE), &Limits::default()).unwrap();
    // The second half loses its first unit and has the others in reverse order.
    let path = ["neural_responses_sh2", "occ"];
    let (_, values) = numbers(&root, &path);
    let (_, ids) = numbers(&root, &["neural_idx_global", "occ", "neural_responses_sh2"]);
    let order: Vec<usize> = (1..8).rev().collect();
    let mixed: Vec<f64> = order
        .iter()
        .flat_map(|&u| values[u * 7900..(u + 1) * 7900].to_vec())
        .collect();
    let mixed_ids: Vec<f64> = order.iter().map(|&u| ids[u]).collect();
    let other = with(&root, &path, Some(&array(&[7, 79, 100], &mixed)));
    let other = with(
        &other,
        &["neural_idx_global", "occ", "neural_responses_sh2"],
        Some(&array(&[7], &mixed_ids)),
    );
    let recording = Recording::from_value(&other, &Expected::default()).unwrap();
    assert!(
        recording
            .notes()
            .iter()
            .any(|note| note.contains("aligned by id"))
    );
    let (first, second, found) = recording.halves(TrialType::Occ, Population::All).unwrap();
    let straight = open(PICKLE);
    let (all1, all2, all_ids) = straight.halves(TrialType::Occ, Population::All).unwrap();
    assert_eq!(found, all_ids[1..]);
    for unit in 0..7 {
        assert_eq!(bits(first.unit(unit)), bits(all1.unit(unit + 1)));
        assert_eq!(bits(second.unit(unit)), bits(all2.unit(unit + 1)));
    }
}

#[test]
fn limits_hold_for_every_format() {
    let limits = Limits {
        bytes: 100_000,
        ..Limits::default()
    };
    for name in [PICKLE, MAT5, MAT73] {
        let error = read_value(&data(name), &limits).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("the limit is 100000"), "{name}: {text}");
    }
    let limits = Limits {
        depth: 1,
        ..Limits::default()
    };
    for name in [PICKLE, MAT5, MAT73] {
        let text = read_value(&data(name), &limits).unwrap_err().to_string();
        assert!(text.contains("the limit is 1"), "{name}: {text}");
    }
}

/// A MAT v5 file of these uncompressed elements.
fn mat5(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![b' '; 124];
    bytes.extend([0, 1, b'I', b'M']);
    bytes.extend(elements.concat());
    bytes
}

fn element(code: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = code.to_le_bytes().to_vec();
    bytes.extend((content.len() as u32).to_le_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn matrix(class: u8, flags: u8, shape: &[i32], name: &str, rest: &[Vec<u8>]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|n| n.to_le_bytes()).collect();
    element(
        14,
        &[
            element(6, &[class, flags, 0, 0, 0, 0, 0, 0]),
            element(5, &dims),
            element(1, name.as_bytes()),
            rest.concat(),
        ]
        .concat(),
    )
}

fn read_mat5(bytes: &[u8]) -> Result<BTreeMap<String, Value>, Error> {
    let root = mat::read_v5(bytes, &Limits::default())?;
    let Value::Dict(dict) = root else { panic!() };
    Ok(dict
        .named()
        .map(|(k, v)| (k.to_owned(), v.clone()))
        .collect())
}

#[test]
fn every_kind_of_matlab_array_is_read() {
    let text = |s: &str| element(16, s.as_bytes());
    let file = mat5(&[
        // Doubles kept as bytes, as MATLAB does for small whole numbers: [1 2; 3 4].
        matrix(6, 0, &[2, 2], "a", &[element(2, &[1, 3, 2, 4])]),
        matrix(8, 0, &[1, 2], "i8", &[element(1, &[0xff, 5])]),
        matrix(9, 2, &[1, 2], "yes", &[element(2, &[1, 0])]),
        matrix(4, 0, &[1, 3], "word", &[text("abc")]),
        // Two rows of text, kept by columns: "ab", "c ".
        matrix(4, 0, &[2, 2], "rows", &[text("acb ")]),
        matrix(4, 0, &[0, 0], "nothing", &[text("")]),
        // A cell with a number, text and [].
        matrix(
            1,
            0,
            &[1, 3],
            "c",
            &[
                matrix(6, 0, &[1, 1], "", &[element(9, &2.5_f64.to_le_bytes())]),
                matrix(4, 0, &[1, 2], "", &[text("hi")]),
                matrix(6, 0, &[0, 0], "", &[element(9, &[])]),
            ],
        ),
        // A struct array of two with a long name and one with "-".
        matrix(
            2,
            0,
            &[1, 2],
            "s",
            &[
                element(5, &48_i32.to_le_bytes()),
                element(
                    1,
                    &[
                        b"a_name_of_more_than_thirty_one_characters\0\0\0\0\0\0\0".to_vec(),
                        [b"roll-5".to_vec(), vec![0; 42]].concat(),
                    ]
                    .concat(),
                ),
                matrix(6, 0, &[1, 1], "", &[element(2, &[1])]),
                matrix(6, 0, &[1, 1], "", &[element(2, &[2])]),
                matrix(6, 0, &[1, 1], "", &[element(2, &[3])]),
                matrix(6, 0, &[1, 1], "", &[element(2, &[4])]),
            ],
        ),
    ]);
    let found = read_mat5(&file).unwrap();
    let Value::Array(a) = &found["a"] else {
        panic!()
    };
    assert_eq!(a.to_f64().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    let Value::Array(i8) = &found["i8"] else {
        panic!()
    };
    assert_eq!(
        (i8.dtype().to_string(), i8.to_i64()),
        ("|i1".into(), Some(vec![-1, 5]))
    );
    let Value::Array(yes) = &found["yes"] else {
        panic!()
    };
    assert_eq!(yes.dtype().to_string(), "|b1");
    assert_eq!(found["word"], Value::Str("abc".into()));
    let Value::Array(rows) = &found["rows"] else {
        panic!()
    };
    let rows: Vec<Value> = rows.items().collect();
    assert_eq!(rows, [Value::Str("ab".into()), Value::Str("c".into())]);
    assert_eq!(found["nothing"], Value::Str("".into()));
    let Value::Array(cell) = &found["c"] else {
        panic!()
    };
    let cell: Vec<Value> = cell.items().collect();
    assert_eq!(cell[0].as_f64(), Some(2.5));
    assert_eq!(cell[1].as_str().as_deref(), Some("hi"));
    assert!(matches!(&cell[2], Value::Array(a) if a.is_empty()));
    let Value::Array(s) = &found["s"] else {
        panic!()
    };
    let s: Vec<Value> = s.items().collect();
    assert_eq!(s[1].get("roll-5").and_then(Value::as_f64), Some(4.0));
    assert_eq!(
        s[0].get("a_name_of_more_than_thirty_one_characters")
            .and_then(Value::as_f64),
        Some(1.0)
    );
}

#[test]
fn what_is_not_read_from_matlab_is_named() {
    for (class, flags, word) in [
        (5, 0, "sparse"),
        (6, 8, "complex"),
        (16, 0, "function handle"),
        (17, 0, "object"),
    ] {
        let file = mat5(&[
            matrix(class, flags, &[1, 1], "x", &[element(9, &[0; 8])]),
            matrix(6, 0, &[1, 1], "y", &[element(9, &2.5_f64.to_le_bytes())]),
        ]);
        let found = mat::read_v5(&*file, &Limits::default()).unwrap();
        let Value::Dict(variables) = &found else {
            panic!("{word}");
        };
        let mut unread = variables.named().filter_map(|(_, value)| match value {
            Value::Unread(what) => Some(what.to_string()),
            _ => None,
        });
        assert!(unread.any(|what| what.contains(word)), "{word}");
        // The variables beside it are read.
        assert_eq!(found.get("y").and_then(Value::as_f64), Some(2.5));
    }
    let file = mat5(&[matrix(99, 0, &[1, 1], "x", &[element(9, &[0; 8])])]);
    let error = read_mat5(&file).unwrap_err().to_string();
    assert!(error.contains("class 99"), "{error}");
    // More elements than the file has, and than there can be.
    for shape in [
        &[1 << 30, 1 << 30][..],
        &[1000, 1000],
        &[-1, 2],
        &[i32::MAX; 32],
    ] {
        for class in [1, 2, 4, 6] {
            let file = mat5(&[matrix(class, 0, shape, "x", &[element(9, &[0; 8])])]);
            assert!(read_mat5(&file).is_err());
        }
    }
    // A zip bomb: 64 MiB of zeros in a few kilobytes, with a limit of 1 MiB.
    let zeros = matrix(6, 0, &[1, 1 << 23], "x", &[element(9, &vec![0; 64 << 20])]);
    let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut deflated, &zeros).unwrap();
    let bomb = element(15, &deflated.finish().unwrap());
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let error = mat::read_v5(&*mat5(&[bomb]), &limits).unwrap_err();
    assert!(
        matches!(error, mental_pong_formats::Error::Limit { .. }),
        "{error}"
    );
}

/// HDF5 is read by a crate of others; what it does with a damaged file is ours to know.
#[test]
fn a_damaged_v73_file_never_panics() {
    let bytes = std::fs::read(data(MAT73)).unwrap();
    // Places all over the file, more of them where its structure begins.
    for at in (512..2048)
        .step_by(3)
        .chain((2048..bytes.len()).step_by(19_997))
    {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        let _ = mat::read_v73(damaged, &Limits::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// A damaged MAT v5 file is read or refused, and neither panics nor hangs.
    #[test]
    fn damaged_mat_files_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let inner = matrix(2, 0, &[1, 1], "s", &[
            element(5, &8_i32.to_le_bytes()),
            element(1, b"a\0\0\0\0\0\0\0b-\0\0\0\0\0\0"),
            matrix(6, 0, &[2, 2], "", &[element(9, &[1; 32])]),
            matrix(1, 0, &[1, 2], "", &[
                matrix(4, 0, &[1, 2], "", &[element(16, b"hi")]),
                matrix(9, 2, &[1, 1], "", &[element(2, &[1])]),
            ]),
        ]);
        let mut bytes = mat5(&[inner]);
        for (place, byte) in changes {
            let place = 124 + place.index(bytes.len() - 124);
            bytes[place] = byte;
        }
        let limits = Limits { bytes: 16 << 20, ..Limits::default() };
        if let Ok(value) = mat::read_v5(&*bytes, &limits) {
            let _ = Recording::from_value(&value, &Expected::default());
        }
    }
}
