//! Weight files that are damaged or hostile: an error or a network, never a panic, never memory beyond
//! the file's own size.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test helpers stop a test by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use candle_core::{Device, Tensor};
use common::data;
use mental_pong_base::Stream;
use mental_pong_predictor::weights::load::{any_from, combined_from, dynamics_from};
use mental_pong_predictor::weights::{from_bytes, to_bytes};
use proptest::prelude::*;

/// Every way in, on one file. What loads must load the same again.
fn every_way_in(path: &Path) -> usize {
    let mut good = 0;
    good += usize::from(any_from(path, None).is_ok());
    good += usize::from(dynamics_from(path, None).is_ok());
    good += usize::from(combined_from(path, None).is_ok());
    if let Ok(bytes) = std::fs::read(path) {
        good += usize::from(from_bytes(path, &bytes).is_ok());
    }
    for _ in 0..1 {
        assert_eq!(
            dynamics_from(path, None).is_ok(),
            dynamics_from(path, None).is_ok()
        );
    }
    good
}

fn sources() -> Vec<(&'static str, Vec<u8>)> {
    let read = |name: &str| std::fs::read(data(name)).unwrap();
    let tensors = tensors();
    vec![
        ("zip", read("dyn_ctrnn_small.pth")),
        ("zip of torch 2.15", read("torch_2_15.pth")),
        (
            "before torch 1.6",
            read("resnet18_tiny_r3m_legacy_head.pth"),
        ),
        ("safetensors", to_bytes(&tensors, &[]).unwrap()),
    ]
}

fn tensors() -> BTreeMap<String, Tensor> {
    let tensor = |shape: &[usize]| {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|k| (k as f32 * 0.3).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    [
        ("dynamics.ctrnn.ah0", vec![4]),
        ("dynamics.ctrnn.fc_x2ah.weight", vec![4, 3]),
        ("dynamics.ctrnn.fc_x2ah.bias", vec![4]),
        ("dynamics.ctrnn.fc_h2ah.weight", vec![4, 4]),
        ("dynamics.ctrnn.fc_h2y.weight", vec![4, 4]),
        ("dynamics.ctrnn.fc_h2y.bias", vec![4]),
        ("dynamics.regressor.weight", vec![3, 4]),
        ("dynamics.regressor.bias", vec![3]),
    ]
    .into_iter()
    .map(|(name, shape)| (name.to_string(), tensor(&shape)))
    .collect()
}

#[test]
fn whole_files_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (kind, bytes) in sources() {
        std::fs::write(&path, &bytes).unwrap();
        let good = every_way_in(&path);
        assert_eq!(good > 0, matches!(kind, "zip" | "safetensors"), "{kind}");
    }
}

#[test]
fn cut_off_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (kind, bytes) in sources() {
        let mut rng = Stream::new(1, "cut", 0);
        let some = (0..80).map(|_| rng.below(bytes.len()));
        for length in (0..70).chain(some).chain([bytes.len() - 1]) {
            std::fs::write(&path, &bytes[..length.min(bytes.len() - 1)]).unwrap();
            assert_eq!(every_way_in(&path), 0, "{kind} cut to {length}");
        }
    }
}

#[test]
fn turned_bits_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (kind, bytes) in sources() {
        let mut rng = Stream::new(2, kind, 0);
        let mut refused = 0;
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..=rng.below(4) {
                let at = match rng.below(3) {
                    // Where the structure is: the head, the tail, anywhere.
                    0 => rng.below(damaged.len().min(1200)),
                    1 => damaged.len() - 1 - rng.below(damaged.len().min(1200)),
                    _ => rng.below(damaged.len()),
                };
                damaged[at] ^= 1 << rng.below(8);
            }
            std::fs::write(&path, &damaged).unwrap();
            refused += usize::from(every_way_in(&path) == 0);
        }
        // A zip file's CRC finds nearly all; a safetensors file has none over its values.
        assert!(refused > 40, "{kind}: {refused} of 400 refused");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400), head in 0..4_usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let start: &[u8] = [&b""[..], b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9c", b"\x40\0\0\0\0\0\0\0{"][head];
        std::fs::write(&path, [start, &bytes].concat()).unwrap();
        prop_assert_eq!(every_way_in(&path), 0);
    }
}

#[test]
fn values_that_are_no_numbers_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut tensors = tensors();
        let values = vec![0.5, value, 0.25];
        let bias = Tensor::from_vec(values, 3, &Device::Cpu).unwrap();
        tensors.insert("dynamics.regressor.bias".into(), bias);
        std::fs::write(&path, to_bytes(&tensors, &[]).unwrap()).unwrap();
        let error = dynamics_from(&path, None).err().unwrap().to_string();
        assert!(
            error.contains("dynamics.regressor.bias") && error.contains("finite"),
            "{error}"
        );
    }
}

#[test]
fn wrong_shapes_and_names_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let refused = |tensors: &BTreeMap<String, Tensor>, name: &str| {
        std::fs::write(&path, to_bytes(tensors, &[]).unwrap()).unwrap();
        let error = dynamics_from(&path, None).err().unwrap().to_string();
        assert!(error.contains(name), "{name}: {error}");
    };
    let good = tensors();
    for name in good
        .keys()
        .filter(|n| !n.ends_with("ah0") && *n != "dynamics.regressor.weight")
    {
        let mut other = good.clone();
        let flat = good[name].flatten_all().unwrap();
        other.insert(
            name.clone(),
            flat.unsqueeze(0).unwrap().unsqueeze(0).unwrap(),
        );
        refused(&other, name);
        other.remove(name);
        refused(&other, name);
    }
    let mut more = good.clone();
    more.insert(
        "dynamics.ctrnn.fc_h2ah.bias".into(),
        good["dynamics.ctrnn.ah0"].clone(),
    );
    refused(&more, "fc_h2ah.bias");
    // Sizes of nothing.
    let mut empty = good;
    let none = Tensor::from_vec(Vec::<f32>::new(), 0, &Device::Cpu).unwrap();
    empty.insert("dynamics.ctrnn.ah0".into(), none);
    refused(&empty, "dynamics");
}

/// A zip file with stored entries, as PyTorch writes it.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |c, b| {
            (0..8).fold(c ^ u32::from(*b), |c, _| {
                if c & 1 == 1 {
                    0xEDB8_8320 ^ (c >> 1)
                } else {
                    c >> 1
                }
            })
        })
    };
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let at = out.len() as u32;
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend(crc(bytes).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes().repeat(2));
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let at = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((entries.len() as u16).to_le_bytes().repeat(2));
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[test]
fn hostile_pickles_are_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.pth");
    let witness = folder.path().join("witness");
    let command = format!("touch {}", witness.display());
    let mut pickles: Vec<(&str, Vec<u8>)> = vec![
        // os.system(command), as a value in a dict, as the whole, and by the older opcodes.
        (
            "call",
            format!("cos\nsystem\n(V{command}\ntR.").into_bytes(),
        ),
        (
            "value",
            format!("}}Vw\ncos\nsystem\n(V{command}\ntRs.").into_bytes(),
        ),
        ("inst", format!("(V{command}\nios\nsystem\n.").into_bytes()),
        ("eval", b"c__builtin__\neval\n(V1+1\ntR.".to_vec()),
        (
            "build",
            b"ccollections\nOrderedDict\n)R}Va\nI1\nsb.".to_vec(),
        ),
        ("empty", Vec::new()),
        ("stop", b".".to_vec()),
        ("long", b"\x80\x02\x8b\xff\xff\xff\x7f.".to_vec()),
        (
            "binunicode",
            b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.".to_vec(),
        ),
        ("negative memo", b"\x80\x02}r\xff\xff\xff\xff.".to_vec()),
        ("itself", b"\x80\x02}q\0Va\nh\0s.".to_vec()),
    ];
    // Lists in lists in lists, and memos that double: bounded by the file's length.
    pickles.push((
        "deep",
        [&b"\x80\x02"[..], &b"]".repeat(200_000), b"."].concat(),
    ));
    let mut doubling = b"\x80\x02]q\0.".to_vec();
    doubling.truncate(doubling.len() - 1);
    for k in 0..60_u8 {
        doubling.extend([b'(', b'h', k, b'h', k, b'l', b'q', k + 1]);
    }
    doubling.push(b'.');
    pickles.push(("doubling", doubling));
    // A tensor of 2^40 values in a storage of four bytes, and other tensors that do not fit theirs.
    let text = |t: &str| [&b"X"[..], &(t.len() as u32).to_le_bytes(), t.as_bytes()].concat();
    let int = |n: i64| [&b"\x8a\x08"[..], &n.to_le_bytes()].concat();
    let tuple = |items: &[Vec<u8>]| [&b"("[..], &items.concat(), b"t"].concat();
    let tensor = |count: i64, shape: &[i64], strides: &[i64]| {
        let ints = |all: &[i64]| tuple(&all.iter().map(|n| int(*n)).collect::<Vec<_>>());
        let class = b"ctorch\nFloatStorage\n".to_vec();
        let id = tuple(&[text("storage"), class, text("0"), text("cpu"), int(count)]);
        let storage = [id, b"Q".to_vec()].concat();
        let hooks = b"ccollections\nOrderedDict\n)R".to_vec();
        let no = b"\x89".to_vec();
        let args = tuple(&[storage, int(0), ints(shape), ints(strides), no, hooks]);
        let build = b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec();
        let start = b"\x80\x02}".to_vec();
        [start, text("w"), build, args, b"Rs.".to_vec()].concat()
    };
    pickles.push(("huge", tensor(1 << 40, &[1 << 40], &[1])));
    pickles.push(("beyond", tensor(1, &[4], &[1])));
    pickles.push(("far", tensor(1, &[1, 2], &[1, i64::MAX])));
    pickles.push(("negative", tensor(1, &[-1], &[-1])));
    pickles.push(("many", tensor(1, &[i64::from(i32::MAX); 9], &[0; 9])));
    for (what, pickle) in &pickles {
        let values = 1.0_f32.to_le_bytes();
        let bytes = zip(&[("a/data.pkl", pickle), ("a/data/0", &values)]);
        std::fs::File::create(&path)
            .unwrap()
            .write_all(&bytes)
            .unwrap();
        assert_eq!(every_way_in(&path), 0, "{what}");
        assert!(!witness.exists(), "{what} was run");
    }
    // The writer of these files is right: with a tensor that fits, the error is about its name.
    let good = tensor(1, &[1], &[1]);
    let bytes = zip(&[("a/data.pkl", &good), ("a/data/0", &1.0_f32.to_le_bytes())]);
    std::fs::write(&path, bytes).unwrap();
    let error = any_from(&path, None).err().unwrap().to_string();
    assert!(error.contains("1 tensors (w)"), "{error}");
}
