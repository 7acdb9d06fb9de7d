//! Damaged and hostile files for every reader: each gives a value or an error, in bounded time and memory, and never panics.
//!
//! Short here: a few hundred damaged copies of each small SYNTHETIC file. For longer:
//!
//! ```text
//! cargo test --release -p mental-pong-eval --test fuzz_smoke -- --ignored --nocapture
//! ```
//!
//! `fuzz/` has the same readers as targets of cargo-fuzz.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests"
)]

use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mental_pong_base::Stream;
use mental_pong_eval::error::Error;
use mental_pong_eval::recordings::dmfc::{Opening, Recording};
use mental_pong_eval::recordings::mapping::Mapping;
use mental_pong_eval::recordings::nwb;
use mental_pong_eval::recordings::trials::{TrialOptions, Trials};
use mental_pong_eval::recordings::{long, npz};
use mental_pong_formats::limits::Limits;
use mental_pong_formats::npz::npy_header;
use mental_pong_formats::{Error as Wrong, mat, parquet, pickle};
use mental_pong_game::task::ConditionSet;

/// What a damaged file may ask for: small, so that a false length shows.
fn limits() -> Limits {
    Limits {
        bytes: 16 << 20,
        memo: 1 << 16,
        objects: 1 << 18,
        depth: 100,
        walk: 1 << 20,
    }
}

/// Longest time for one file. The machine may be busy; an endless loop takes longer.
const LONGEST: Duration = Duration::from_secs(10);
/// Most growth of the process's largest memory over all files, bytes: many times the limit, for what is freed late.
const MOST_MEMORY: u64 = 512 << 20;

#[derive(Debug, Clone, Copy)]
enum Reader {
    Pickle,
    Mat5,
    Mat73,
    Npz,
    Nwb,
    Parquet,
    Trials,
}

const CORPUS: [(Reader, &str); 16] = [
    (Reader::Pickle, "fuzz/tiny.pkl"),
    (Reader::Pickle, "fuzz/tiny_p2.pkl"),
    (
        Reader::Pickle,
        "recordings/formats/synthetic_rnn_compare.pkl",
    ),
    (Reader::Mat5, "fuzz/tiny.mat"),
    (Reader::Mat5, "fuzz/plain.mat"),
    (Reader::Mat73, "fuzz/tiny_v73.mat"),
    (Reader::Npz, "fuzz/tiny.npz"),
    (Reader::Npz, "fuzz/plain.npz"),
    (Reader::Npz, "recordings/formats/synthetic_lab_trials.npz"),
    (Reader::Nwb, "recordings/formats/synthetic_named.nwb"),
    (
        Reader::Parquet,
        "recordings/formats/synthetic_snappy.parquet",
    ),
    (Reader::Parquet, "recordings/formats/synthetic_zstd.parquet"),
    (
        Reader::Parquet,
        "recordings/formats/synthetic_nested.parquet",
    ),
    (Reader::Parquet, "recordings/formats/synthetic_long.parquet"),
    (Reader::Trials, "fuzz/beh.tsv"),
    (
        Reader::Trials,
        "recordings/formats/synthetic_snappy.parquet",
    ),
];

fn read(reader: Reader, bytes: &[u8]) -> Result<(), Error> {
    let limits = limits();
    // What a reader gives is looked through, as a recording would be.
    let opening = Opening {
        limits,
        conditions: Some(ConditionSet::open("all").unwrap()),
        ..Opening::default()
    };
    let checked = |value| {
        let _ = Recording::of_value(&value, &opening);
    };
    match reader {
        Reader::Pickle => Ok(pickle::read(bytes, &limits).map(checked)?),
        Reader::Mat5 => Ok(mat::read_v5(bytes, &limits).map(checked)?),
        Reader::Mat73 => Ok(mat::read_v73(bytes.to_vec(), &limits).map(checked)?),
        Reader::Npz => npz::read(Cursor::new(bytes), &limits).map(checked),
        Reader::Nwb => {
            let names = [72_780, 105_802, 183_171, 420_020];
            let names = names.map(|id| (format!("cond-{id}"), id.to_string()));
            let opening = Opening {
                mapping: Mapping {
                    conditions: names.into(),
                    ..Mapping::default()
                },
                ..opening
            };
            nwb::from_bytes(bytes.to_vec(), &opening).map(drop)
        }
        Reader::Parquet => {
            let table = parquet::from_bytes(bytes.to_vec(), &limits)?;
            let _ = long::from_table(&table, &opening);
            Ok(())
        }
        Reader::Trials => {
            let options = TrialOptions {
                limits,
                ..TrialOptions::default()
            };
            Trials::from_bytes(bytes.to_vec(), "fuzz".into(), &options).map(drop)
        }
    }
}

/// One damaged copy: cut off, bits turned, lengths inflated, pieces doubled or swapped, instructions of a pickle put in.
fn damage(original: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..1 + stream.below(3) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = stream.below(bytes.len());
        match stream.below(8) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << stream.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][stream.below(5)],
            3 => {
                // A length of 4 or 8 bytes, in either order.
                let length =
                    [u64::MAX, 1 << 62, 1 << 40, 1 << 31, 0xffff_ffff, 1 << 20][stream.below(6)];
                let width = if stream.chance(0.5) { 4 } else { 8 };
                let mut word = length.to_le_bytes();
                if stream.chance(0.3) {
                    word.reverse();
                }
                let end = (at + width).min(bytes.len());
                let piece = end - at;
                bytes[at..end].copy_from_slice(&word[..piece]);
            }
            4 => {
                let end = (at + 1 + stream.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let end = (at + 1 + stream.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 => {
                let other = stream.below(bytes.len());
                bytes.swap(at, other);
            }
            _ => {
                let hostile: [&[u8]; 8] = [
                    b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R.",
                    b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
                    b"\x95\xff\xff\xff\xff\xff\xff\xff\xff",
                    b"((((((((((((((((((((((((((((((((",
                    b"h\x00h\x00h\x00\x87\x94\x87\x94",
                    b"(1, 99999999999999999999, 2)",
                    b"\x00\x00\x00\x00\x00\x00\x00\x80",
                    b"{'descr': '<f8', 'shape': (((((((",
                ];
                let piece = hostile[stream.below(8)];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Largest memory of this process so far, bytes; 0 where the system does not say.
fn peak() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(0, |kib| kib * 1024)
}

fn original(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shake(each: usize, seed: u64) {
    let before = peak();
    for (reader, name) in CORPUS {
        let original = original(name);
        read(reader, &original).unwrap_or_else(|error| panic!("{name} itself: {error}"));
        let mut stream = Stream::new(seed, name, 0);
        let (mut errors, mut slowest) = (0, Duration::ZERO);
        for round in 0..each {
            // Every short prefix once, then random damage.
            let bytes = if round < original.len().min(each / 4) {
                original[..round * original.len() / (each / 4).max(1)].to_vec()
            } else {
                damage(&original, &mut stream)
            };
            let start = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| read(reader, &bytes)));
            slowest = slowest.max(start.elapsed());
            let Ok(result) = result else {
                let kept = std::env::temp_dir().join(format!("panic-{reader:?}-{round}"));
                fs::write(&kept, &bytes).unwrap();
                panic!(
                    "{name}, round {round}: a panic; the file is {}",
                    kept.display()
                );
            };
            errors += usize::from(result.is_err());
        }
        assert!(slowest < LONGEST, "{name}: {slowest:?} for one file");
        // The control: damage that nothing notices would test nothing.
        assert!(
            errors > each / 10,
            "{name}: only {errors} of {each} damaged files are errors"
        );
        println!("{reader:?} {name}: {errors} of {each} are errors, slowest {slowest:?}");
    }
    let growth = peak().saturating_sub(before);
    assert!(growth < MOST_MEMORY, "{growth} bytes of memory");
}

#[test]
fn damaged_files_are_errors_or_values() {
    shake(300, 1);
}

/// Some minutes. Another seed by changing it here.
#[test]
#[ignore = "takes minutes"]
fn damaged_files_for_long() {
    for seed in 2..12 {
        shake(20_000, seed);
    }
}

/// Small files that ask for much, by hand: each is an error that says so, at once.
#[test]
fn small_files_that_ask_for_much_are_refused() {
    let start = Instant::now();
    let npy = |shape: &str| {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        zip("responses.npy", &bytes)
    };
    let last = usize::MAX;
    for shape in [
        "(1000000000000,)".to_owned(),
        format!("({last}, {last})"),
        format!("({last}, 0, {last})"),
        "(-1,)".to_owned(),
        "((((((((1,),),),),),),),)".to_owned(),
        format!("({}1)", "(".repeat(5000)),
    ] {
        assert!(read(Reader::Npz, &npy(&shape)).is_err(), "{shape}");
    }
    // A pickle whose text is said to be of 2^62 bytes.
    let mut pickle = b"\x80\x04\x8d".to_vec();
    pickle.extend((1_u64 << 62).to_le_bytes());
    let error = read(Reader::Pickle, &pickle).unwrap_err();
    assert!(
        matches!(error, Error::Formats(Wrong::Limit { needed, .. }) if needed >= 1 << 62),
        "{error}"
    );
    // Nested far deeper than a stack goes.
    let mut deep = b"\x80\x04".to_vec();
    deep.extend(std::iter::repeat_n(b']', 200_000));
    deep.extend(std::iter::repeat_n(b'a', 199_999));
    deep.push(b'.');
    assert!(matches!(
        read(Reader::Pickle, &deep),
        Err(Error::Formats(Wrong::Limit { .. }))
    ));
    // A page whose dictionary is missing: the library would panic, and a panic that is caught is still printed.
    let found = original("fuzz/dictionary_missing.parquet");
    let error = read(Reader::Parquet, &found).unwrap_err();
    assert!(
        error.to_string().contains("a dictionary that is not there"),
        "{error}"
    );
    // A compressed variable that states its length: refused before it unfolds.
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &[14, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff]).unwrap();
    let packed = packed.finish().unwrap();
    let mut mat = b"MATLAB 5.0 MAT-file".to_vec();
    mat.resize(124, b' ');
    mat.extend(b"\x00\x01IM\x0f\x00\x00\x00");
    mat.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
    mat.extend(packed);
    let error = read(Reader::Mat5, &mat).unwrap_err();
    assert!(
        matches!(error, Error::Formats(Wrong::Limit { needed, .. }) if needed > 0xffff_0000),
        "{error}"
    );
    // Zeros pack well: 64 MiB in a few KiB.
    let mut content = npy_header("<f8", &[8 << 20]);
    content.resize(content.len() + (64 << 20), 0);
    let bomb = zip("responses.npy", &content);
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(
        read(Reader::Npz, &bomb),
        Err(Error::Formats(Wrong::Limit { .. }))
    ));
    assert!(start.elapsed() < LONGEST);
}

fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = npyz::zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, npyz::zip::write::FileOptions::default())
        .unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap().into_inner()
}
