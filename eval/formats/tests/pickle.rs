//! The pickle reader against what Python itself says is in the files, and against files that mean harm.
//!
//! `conf_*_expected.json` was written by the same Python that wrote the pickles (3.6 with pandas 1.1, 3.8 with 1.3,
//! 3.11 with 2.3).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mental_pong_formats::Error;
use mental_pong_formats::limits::Limits;
use mental_pong_formats::pickle;
use mental_pong_formats::value::{Index, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/recordings/pickle_conformance")
}

/// Every conformance pickle with its expected content.
fn conformance() -> Vec<(String, Vec<u8>, Json)> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pkl"))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let bytes = fs::read(folder().join(&name)).unwrap();
            let stem = name.rsplit_once("_p").unwrap().0;
            let expected = fs::read(folder().join(format!("{stem}_expected.json"))).unwrap();
            (name, bytes, serde_json::from_slice(&expected).unwrap())
        })
        .collect()
}

fn read(bytes: &[u8]) -> Result<Value, Error> {
    pickle::read(bytes, &Limits::default())
}

fn float(value: f64) -> Json {
    if value.is_nan() {
        json!({"__float__": "nan"})
    } else if value == f64::INFINITY {
        json!({"__float__": "inf"})
    } else if value == f64::NEG_INFINITY {
        json!({"__float__": "-inf"})
    } else if value == 0.0 && value.is_sign_negative() {
        json!({"__float__": "-0.0"})
    } else {
        json!(value)
    }
}

fn index(index: &Index) -> Json {
    Json::Array(index.items().map(|item| as_json(&item)).collect())
}

/// In the form of the expected files.
fn as_json(value: &Value) -> Json {
    let all = |items: &[Value]| Json::Array(items.iter().map(as_json).collect());
    match value {
        Value::None => Json::Null,
        Value::Bool(value) => json!(value),
        // The expected files write an int beyond 2^53 as text.
        Value::Int(value) if value.abs() < 1 << 53 => json!(value),
        Value::Int(value) => json!({"__int__": value.to_string()}),
        Value::BigInt(digits) => json!({"__int__": &**digits}),
        Value::Float(value) => float(*value),
        Value::Str(text) => json!(&**text),
        Value::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            json!({"__bytes_hex__": hex})
        }
        Value::List(items) => all(items),
        Value::Tuple(items) => json!({"__tuple__": all(items)}),
        Value::Dict(dict) => {
            let pairs: Vec<Json> = dict
                .entries()
                .iter()
                .map(|(k, v)| json!([as_json(k), as_json(v)]))
                .collect();
            json!({"__dict__": pairs})
        }
        Value::Scalar(array) => {
            let item = array.items().next().unwrap();
            json!({"__npscalar__": array.dtype().to_string(), "value": as_json(&item)})
        }
        Value::Array(array) => {
            let values: Vec<Json> = array.items().map(|item| as_json(&item)).collect();
            json!({
                "__array__": true,
                "dtype": array.dtype().to_string(),
                "shape": array.shape(),
                "values_row_major": values,
            })
        }
        Value::Series(series) => {
            let values: Vec<Json> = series.values.items().map(|item| as_json(&item)).collect();
            json!({
                "__series__": true,
                "name": as_json(&series.name),
                "index": index(&series.index),
                "values": values,
            })
        }
        Value::Frame(frame) => {
            let mut data = serde_json::Map::new();
            let mut columns = Vec::new();
            for column in &frame.columns {
                let name = as_json(&column.label).as_str().unwrap().to_owned();
                let values = column.values.items().map(|item| as_json(&item)).collect();
                columns.push(name.clone());
                data.insert(name, Json::Array(values));
            }
            json!({
                "__df__": true,
                "columns": columns,
                "index": index(&frame.index),
                "index_name": as_json(&frame.index.name),
                "data": data,
            })
        }
        other => panic!("not in the expected files: {other:?}"),
    }
}

#[test]
fn every_conformance_pickle_reads_as_python_says() {
    let files = conformance();
    assert_eq!(files.len(), 8);
    for (name, bytes, expected) in files {
        let found = read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let Value::Dict(found) = found else {
            panic!("{name} is no dict")
        };
        let expected = expected["objects"].as_object().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for ((key, value), (expected_key, expected)) in found.named().zip(expected) {
            assert_eq!(key, expected_key, "{name}");
            let found = as_json(value);
            assert_eq!(&found, expected, "{name}: {key}");
        }
    }
}

#[test]
fn what_the_file_shares_is_shared() {
    for (name, bytes, _) in conformance() {
        let root = read(&bytes).unwrap();
        match (root.get("shared_1"), root.get("shared_2")) {
            (Some(Value::Array(a)), Some(Value::Array(b))) => {
                assert!(std::sync::Arc::ptr_eq(a, b), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        // The control: equal content that the file holds twice.
        match (root.get("f64_c"), root.get("f64_fortran")) {
            (Some(Value::Array(a)), Some(Value::Array(b))) => {
                assert!(!std::sync::Arc::ptr_eq(a, b), "{name}");
                assert!(b.is_fortran() && !a.is_fortran(), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_pickle_cut_anywhere_is_an_error() {
    for (name, bytes, _) in conformance() {
        for length in 0..bytes.len() {
            let error = read(&bytes[..length]).expect_err(&format!("{name} cut at {length}"));
            assert!(
                matches!(error, Error::Format { .. }),
                "{name}, {length}: {error}"
            );
        }
    }
}

#[test]
fn bytes_after_the_end_are_an_error() {
    let mut bytes = conformance().remove(0).1;
    bytes.push(0);
    assert!(
        read(&bytes)
            .unwrap_err()
            .to_string()
            .contains("after the end")
    );
}

/// A pickle of protocol 4 with these instructions and a STOP.
fn program(instructions: &[u8]) -> Vec<u8> {
    [b"\x80\x04", instructions, b"."].concat()
}

/// `callable(text)` as protocol 2 writes it.
fn call(module: &str, name: &str) -> Vec<u8> {
    program(
        &[
            b"c",
            module.as_bytes(),
            b"\n",
            name.as_bytes(),
            b"\nX\x02\0\0\0id\x85R",
        ]
        .concat(),
    )
}

#[test]
fn code_is_refused_by_name_and_position() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("__builtin__", "apply"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.testing._private.utils", "runstring"),
        ("pandas.core.computation.eval", "eval"),
        ("pandas", "read_pickle"),
        ("functools", "reduce"),
        ("operator", "attrgetter"),
        ("_codecs", "decode"),
        ("builtins", "set.__init__"),
        ("BUILTINS", "set"),
    ] {
        for bytes in [
            call(module, name),
            // The same with both parts on the stack.
            program(
                &[
                    &[0x8c, module.len() as u8],
                    module.as_bytes(),
                    &[0x8c, name.len() as u8],
                    name.as_bytes(),
                    b"\x93)R",
                ]
                .concat(),
            ),
        ] {
            match read(&bytes).unwrap_err() {
                Error::Refused { what, at } => {
                    assert_eq!(what, format!("{module}.{name}"));
                    assert!(at >= 2 && at < bytes.len() as u64);
                }
                other => panic!("{module}.{name}: {other}"),
            }
        }
    }
}

#[test]
fn what_lies_outside_of_the_file_is_refused() {
    for (instructions, word) in [
        (&b"X\x01\0\0\0aQ"[..], "persistent"),
        (b"Pabc\n", "persistent"),
        (b"\x82\x01", "extension"),
        (b"\x83\x01\x00", "extension"),
        (b"\x84\x01\x00\x00\x00", "extension"),
        (b"\x97", "out-of-band"),
        (b"\x97\x98", "out-of-band"),
        (b"(ios\nsystem\n", "protocol 0"),
        (b"I1\n", "protocol 0"),
        // partial(print), partial(set): only new_block may be bound.
        (b"cfunctools\npartial\ncbuiltins\nset\n\x85R", "partial"),
        // A numpy dtype that is a record, a time, or an object of another library.
        (b"cnumpy\ndtype\n\x8c\x03M8[\x85R", "dtype"),
        (b"cnumpy\ndtype\n\x8c\x03V16\x85R", "dtype"),
        // Text to bytes in an encoding that is not latin1.
        (b"c_codecs\nencode\n\x8c\x01a\x8c\x05rot13\x86R", "encode"),
        // Something that is no name is called.
        (b"K\x01)R", "call"),
    ] {
        let error = read(&program(instructions)).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_false_length_takes_no_memory() {
    let huge = u64::MAX.to_le_bytes();
    let large = (2_u64 << 30).to_le_bytes();
    for instructions in [
        [b"\x8e", &huge[..]].concat(),
        [b"\x8d", &huge[..]].concat(),
        [b"\x96", &huge[..]].concat(),
        [b"\x95", &huge[..]].concat(),
        [b"\x8e", &large[..]].concat(),
        b"B\xff\xff\xff\x7f".to_vec(),
        b"X\xff\xff\xff\xff".to_vec(),
        b"\x8b\xff\xff\xff\x7f".to_vec(),
        b"\x8b\xff\xff\xff\xff".to_vec(),
        b"T\xff\xff\xff\xff".to_vec(),
    ] {
        let start = Instant::now();
        let error = read(&program(&instructions)).unwrap_err();
        assert!(
            matches!(error, Error::Limit { .. } | Error::Format { .. }),
            "{error}"
        );
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    // An array that says more than it has.
    let array = b"cnumpy.core.numeric\n_frombuffer\n(C\x02abcnumpy\ndtype\n\x8c\x02f8\x85R(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft\x8c\x01CtR";
    let error = read(&program(array)).unwrap_err();
    assert!(error.to_string().contains("2147483647"), "{error}");
    // Elements without bytes, 2^31 of them.
    let nothing = b"cnumpy.core.numeric\n_frombuffer\n(C\x00cnumpy\ndtype\n\x8c\x02S0\x85R(J\xff\xff\xff\x7ft\x8c\x01CtR";
    assert!(read(&program(nothing)).is_err());
}

#[test]
fn deep_nesting_is_refused_with_a_number() {
    // [[[…]]], a million deep.
    let mut deep = vec![b']'; 1_000_000];
    deep.extend(vec![b'a'; 999_999]);
    let error = read(&program(&deep)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                limit: 100,
                needed: 101,
                ..
            }
        ),
        "{error}"
    );
    // A million marks.
    let marks = vec![b'('; 1_000_000];
    assert!(read(&program(&marks)).is_err());
    // The control: fifty are fine.
    let mut fine = vec![b']'; 50];
    fine.extend(vec![b'a'; 49]);
    assert!(read(&program(&fine)).is_ok());
}

#[test]
fn a_list_that_contains_itself_is_refused() {
    let error = read(&program(b"]\x94h\x00a")).unwrap_err();
    assert!(error.to_string().contains("contains itself"), "{error}");
}

#[test]
fn a_billion_laughs_are_counted() {
    // Each list holds the one before ten times: 10^20 strings to whoever walks over it.
    let mut instructions = b"(]\x94".to_vec();
    for level in 0..20_u8 {
        instructions.extend(b"](");
        for _ in 0..10 {
            instructions.extend([b'h', level]);
        }
        instructions.extend(b"e\x94");
    }
    instructions.push(b'l');
    let error = read(&program(&instructions)).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    assert!(error.to_string().contains("walk"), "{error}");
}

#[test]
fn memo_and_objects_are_limited() {
    let limits = Limits {
        memo: 10,
        objects: 100,
        bytes: 10_000,
        ..Limits::default()
    };
    let memo = [&b"N"[..], &[0x94; 11]].concat();
    let error = pickle::read(&*program(&memo), &limits).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                limit: 10,
                needed: 11,
                ..
            }
        ),
        "{error}"
    );
    let objects = [b'N'; 101];
    let error = pickle::read(&*program(&objects), &limits).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                limit: 100,
                needed: 101,
                ..
            }
        ),
        "{error}"
    );
    // A list that grows out of one memo entry.
    let mut grow = b"]\x94K\x01\x94".to_vec();
    for _ in 0..2_000 {
        grow.extend(b"0h\x00h\x01a");
    }
    let error = pickle::read(&*program(&grow), &limits).unwrap_err();
    assert!(
        matches!(error, Error::Limit { limit: 10_000, .. }),
        "{error}"
    );
}

#[test]
fn data_frames_that_do_not_fit_together_are_errors() {
    // What pandas would build from: DataFrame, BlockManager((block,), [columns, rows]).
    let index = |n: u8| {
        [
            &b"cpandas.core.indexes.base\n_new_Index\ncpandas.core.indexes.range\nRangeIndex\n}(\x8c\x04nameN\x8c\x05startK\x00\x8c\x04stopK"[..],
            &[n],
            b"\x8c\x04stepK\x01u\x86R",
        ]
        .concat()
    };
    let frame = |columns: u8, rows: u8, slice: [u8; 2], shape: [u8; 2]| {
        let count = usize::from(shape[0]) * usize::from(shape[1]);
        program(
            &[
                &b"cpandas.core.frame\nDataFrame\n)\x81}\x8c\x04_mgrcpandas.core.internals.managers\nBlockManager\n(cpandas._libs.internals\n_unpickle_block\n(cnumpy.core.numeric\n_frombuffer\n(C"[..],
                &[count as u8],
                &vec![7; count],
                b"cnumpy\ndtype\n\x8c\x02u1\x85R(K",
                &shape[..1],
                b"K",
                &shape[1..],
                b"t\x8c\x01CtRcbuiltins\nslice\n(K",
                &slice[..1],
                b"K",
                &slice[1..],
                b"K\x01tRK\x02tR\x85](",
                &index(columns),
                &index(rows),
                b"etRsb",
            ]
            .concat(),
        )
    };
    assert!(matches!(
        read(&frame(2, 3, [0, 2], [2, 3])).unwrap(),
        Value::Frame(frame) if frame.columns.len() == 2 && frame.index.len() == 3
    ));
    for wrong in [
        frame(2, 4, [0, 2], [2, 3]),
        frame(1, 3, [0, 2], [2, 3]),
        frame(3, 3, [0, 2], [2, 3]),
        frame(2, 3, [0, 1], [2, 3]),
        frame(2, 3, [1, 3], [2, 3]),
        frame(2, 3, [0, 200], [2, 3]),
    ] {
        assert!(matches!(read(&wrong).unwrap_err(), Error::Format { .. }));
    }
}

#[test]
fn ints_of_any_length_are_exact() {
    for (bytes, digits) in [
        (&b"\x00"[..], "0"),
        (b"\x01\xff", "-1"),
        (b"\x02\xff\x00", "255"),
        (
            b"\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
            "9223372036854775807",
        ),
        (
            b"\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00",
            "9223372036854775808",
        ),
        (
            b"\x09\x00\x00\x00\x00\x00\x00\x00\x80\xff",
            "-9223372036854775808",
        ),
        (b"\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00", "1"),
        // 10^27, from Python: (10**27).to_bytes(12, "little")
        (
            b"\x0c\x00\x00\x00\xe8\x3c\x80\xd0\x9f\x3c\x2e\x3b\x03",
            "1000000000000000000000000000",
        ),
    ] {
        let found = match read(&program(&[b"\x8a", bytes].concat())).unwrap() {
            Value::Int(value) => value.to_string(),
            Value::BigInt(value) => value.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, digits);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// A damaged file is read or refused, and neither panics nor hangs.
    #[test]
    fn damaged_pickles_never_panic(
        file in 0_usize..8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..8),
    ) {
        let mut bytes = conformance_bytes()[file].clone();
        for (place, byte, kind) in changes {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes[place] ^= 1 << (byte % 8),
                2 => bytes.insert(place, byte),
                _ => { bytes.remove(place); }
            }
        }
        let limits = Limits { bytes: 64 << 20, ..Limits::default() };
        if let Ok(value) = pickle::read(&*bytes, &limits) {
            // Whatever was read can be looked at.
            let _ = value.describe();
            if let Value::Dict(dict) = &value {
                for (_, value) in dict.entries() {
                    if let Value::Array(array) = value {
                        prop_assert_eq!(array.items().count(), array.len());
                    }
                }
            }
        }
    }

    #[test]
    fn random_instructions_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&program(&bytes));
    }
}

fn conformance_bytes() -> &'static [Vec<u8>] {
    static FILES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    FILES.get_or_init(|| {
        conformance()
            .into_iter()
            .map(|(_, bytes, _)| bytes)
            .collect()
    })
}
