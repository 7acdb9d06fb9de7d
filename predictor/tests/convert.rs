//! Published PyTorch files: read strictly, as data, and equal to PyTorch when run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test helpers stop a test by panicking; largest errors are printed"
)]

mod common;

use std::path::PathBuf;

use candle_core::{Device, Tensor};
use common::{assert_close, data, expected, movie, unit, values};
use mental_pong_predictor::dynamics::{CellKind, Dynamics, DynamicsConfig, Recurrent, Rollout};
use mental_pong_predictor::encoders::{
    Architecture, Preprocess, PublishedEncoder, ResnetBlock, ResnetConfig, VitConfig,
};
use mental_pong_predictor::params::Params;
use mental_pong_predictor::weights::convert::{Checkpoint, Converted, Part, load_published};
use mental_pong_predictor::weights::{from_bytes, load_dynamics};

fn vit(dim: usize, depth: usize, heads: usize) -> PublishedEncoder {
    PublishedEncoder {
        name: "vc1-tiny".into(),
        architecture: Architecture::Vit(VitConfig {
            dim,
            depth,
            heads,
            hidden: 4 * dim,
            ..VitConfig::base_16()
        }),
        preprocess: Preprocess::whole_frame(),
    }
}

fn resnet(layers: [usize; 4], width: usize) -> PublishedEncoder {
    PublishedEncoder {
        name: "r3m-tiny".into(),
        architecture: Architecture::Resnet(ResnetConfig {
            block: ResnetBlock::Basic,
            layers,
            width,
            fc: None,
        }),
        preprocess: Preprocess::whole_frame(),
    }
}

fn convert(file: &str, parts: &[Part]) -> Converted {
    Checkpoint::open(&data(file))
        .unwrap()
        .convert(parts)
        .unwrap()
}

#[test]
fn known_parts_are_dropped_by_name_and_listed() {
    let vc1 = convert("vit_tiny_vc1.pth", &[vit(36, 2, 3).part()]);
    assert_eq!(vc1.source_key.as_deref(), Some("model"));
    assert_eq!(vc1.parts[0].len(), 30);
    for name in [
        "mask_token",
        "decoder_pos_embed",
        "decoder_embed.weight",
        "epoch (number)",
    ] {
        assert!(
            vc1.dropped.iter().any(|d| d == name),
            "{name} {:?}",
            vc1.dropped
        );
    }
    let r3m = convert("resnet18_tiny_r3m.pth", &[resnet([2; 4], 5).part()]);
    assert_eq!(r3m.source_key.as_deref(), Some("r3m"));
    assert_eq!(r3m.parts[0].len(), 100);
    assert_eq!(r3m.dropped.len(), 20 + 2, "{:?}", r3m.dropped);
    for name in ["lang_rew.pred.0.weight", "convnet.bn1.num_batches_tracked"] {
        assert!(
            r3m.dropped.iter().any(|d| d == name),
            "{name} {:?}",
            r3m.dropped
        );
    }
}

#[test]
fn a_file_of_the_old_format_says_how_to_convert_it() {
    let error = Checkpoint::open(&data("resnet18_tiny_r3m_legacy_head.pth"))
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.contains("before PyTorch 1.6") && text.contains("torch.save("),
        "{text}"
    );
}

// The public shape of the released checkpoints: encoder and dynamics in one file, `module.` once
// around all and once more inside R3M. Expected values: PyTorch in f32.
#[test]
fn combined_checkpoints_equal_pytorch() {
    let r3m = "encoder.r3m.module.convnet.";
    for (case, encoder, prefix, cell) in [
        (
            "frozen_vc1_ctrnn_tiny",
            vit(24, 1, 2),
            "encoder.vc1.",
            CellKind::Ctrnn,
        ),
        (
            "frozen_vc1_lstm_tiny",
            vit(24, 1, 2),
            "encoder.vc1.",
            CellKind::Lstm,
        ),
        (
            "frozen_r3m_lstm_tiny",
            resnet([1; 4], 4),
            r3m,
            CellKind::Lstm,
        ),
    ] {
        let (_, states) = expected(&format!("{case}/input_states"));
        let dim = states.len() / 7;
        let config = DynamicsConfig {
            cell,
            latent: dim,
            fixed: 0,
            hidden: 24,
            dt_over_tau: 0.1,
            skip: mental_pong_predictor::dynamics::Skip::None,
            rollout: Rollout::Restart,
        };
        let parts = [encoder.part_at(prefix), Part::new("", config.shapes())];
        let converted = convert(&format!("{case}.pth"), &parts);
        assert_eq!(converted.source_key.as_deref(), Some("state_dict"));

        // Through files, as a user would: two safetensors with their networks and provenance.
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        std::fs::write(path("e"), converted.to_bytes(0, &encoder).unwrap()).unwrap();
        std::fs::write(path("d"), converted.to_bytes(1, &config).unwrap()).unwrap();
        let encoder = load_published(&path("e")).unwrap();
        let dynamics = load_dynamics(&path("d")).unwrap();
        assert_eq!(encoder.metadata["source_sha256"], converted.source_sha256);
        assert_eq!(encoder.metadata["source_file"], format!("{case}.pth"));

        let frames = movie();
        let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let latents = encoder.model.encode(&views).unwrap();
        let seen = Tensor::from_slice(&latents[..7 * dim], (1, 7, dim), &Device::Cpu).unwrap();
        let forecast = dynamics.model.forecast(&seen, 3).unwrap();
        let observed: Vec<f64> = latents.iter().map(|v| f64::from(*v)).collect();
        let simulated = values(&forecast);
        let loss = |s: &[f64]| {
            let pairs = s.iter().zip(&observed[7 * dim..]);
            pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>() / s.len() as f64
        };
        let whole = [&observed[..7 * dim], &simulated].concat();
        for (name, got) in [
            ("input_states", observed[..7 * dim].to_vec()),
            ("observed_states", observed[7 * dim..].to_vec()),
            ("simulated_states", simulated.clone()),
            ("one_step_observed", observed[7 * dim..8 * dim].to_vec()),
            ("one_step_simulated", simulated[..dim].to_vec()),
            ("one_step_loss", vec![loss(&simulated[..dim])]),
            ("loss", vec![loss(&simulated)]),
            ("layer_encoder", observed.clone()),
            ("layer_dynamics", whole),
        ] {
            let name = format!("{case}/{name}");
            assert_close(&name, &got, &expected(&name).1, 1e-4);
        }
    }
}

#[test]
fn a_conversion_gives_the_same_bytes_and_what_pytorch_stored() {
    let encoder = vit(36, 2, 3);
    let once = convert("vit_tiny_vc1.pth", &[encoder.part()])
        .to_bytes(0, &encoder)
        .unwrap();
    let again = convert("vit_tiny_vc1.pth", &[encoder.part()])
        .to_bytes(0, &encoder)
        .unwrap();
    assert_eq!(once, again);
    let (tensors, metadata) = from_bytes("memory".as_ref(), &once).unwrap();
    assert_eq!(tensors.len(), 30);
    assert_eq!(metadata["source_key"], "model");
    assert!(metadata["dropped"].contains("mask_token"));
}

#[test]
fn ah0_is_part_of_a_ctrnn_and_missing_tensors_are_named() {
    let config = DynamicsConfig {
        cell: CellKind::Ctrnn,
        latent: 10,
        fixed: 0,
        hidden: 24,
        dt_over_tau: 0.1,
        skip: mental_pong_predictor::dynamics::Skip::None,
        rollout: Rollout::Restart,
    };
    let error = |shapes: Vec<(&str, Vec<usize>)>| {
        let checkpoint = Checkpoint::open(&data("dyn_ctrnn_small.pth")).unwrap();
        let result = checkpoint.convert(&[Part::new("", shapes)]);
        result.unwrap_err().to_string()
    };
    let without: Vec<_> = config.shapes().into_iter().skip(1).collect();
    assert!(error(without).contains("dynamics.ctrnn.ah0"));
    let mut more = config.shapes();
    more.push(("dynamics.ctrnn.fc_h2ah.bias", vec![24]));
    assert!(error(more).contains("fc_h2ah.bias: expected shape [24], found nothing"));
    let mut other = config.shapes();
    other[0].1 = vec![25];
    assert!(error(other).contains("ah0: expected shape [25], found shape [24]"));
    let mut params = Params::default();
    let parts = [Part::new("", config.shapes())];
    for (name, tensor) in &convert("dyn_ctrnn_small.pth", &parts).parts[0] {
        params.insert(name, tensor).unwrap();
    }
    assert!(Recurrent::new(config, &params).is_ok());
}

// ---- Files made here, byte by byte ----

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |c, b| {
        (0..8).fold(c ^ u32::from(*b), |c, _| {
            if c & 1 == 1 {
                0xEDB8_8320 ^ (c >> 1)
            } else {
                c >> 1
            }
        })
    })
}

/// A zip archive of stored entries.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let at = out.len() as u32;
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend(crc32(bytes).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (count, at) = ((entries.len() as u16).to_le_bytes(), out.len() as u32);
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn text(s: &str) -> Vec<u8> {
    [
        b"X",
        (s.len() as u32).to_le_bytes().as_slice(),
        s.as_bytes(),
    ]
    .concat()
}

fn int(n: i64) -> Vec<u8> {
    [b"\x8a\x08", n.to_le_bytes().as_slice()].concat()
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), items.concat(), b"t".to_vec()].concat()
}

fn ints(values: &[i64]) -> Vec<u8> {
    tuple(&values.iter().map(|n| int(*n)).collect::<Vec<_>>())
}

/// The pickle of a tensor as `torch.save` writes it.
fn tensor(class: &str, key: &str, count: i64, at: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let class = format!("ctorch\n{class}\n").into_bytes();
    let storage = tuple(&[text("storage"), class, text(key), text("cpu"), int(count)]);
    let storage = [storage, b"Q".to_vec()].concat();
    let hooks = b"ccollections\nOrderedDict\n)R".to_vec();
    let args = [
        storage,
        int(at),
        ints(shape),
        ints(strides),
        b"\x89".to_vec(),
        hooks,
    ];
    let call = b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec();
    [call, tuple(&args), b"R".to_vec()].concat()
}

fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = entries
        .iter()
        .flat_map(|(k, v)| [text(k), v.clone()].concat())
        .collect();
    [b"}(".to_vec(), items, b"u".to_vec()].concat()
}

fn file(pickle: &[u8], storages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pickle = [b"\x80\x02", pickle, b"."].concat();
    let names: Vec<String> = storages
        .iter()
        .map(|(k, _)| format!("a/data/{k}"))
        .collect();
    let mut entries: Vec<(&str, &[u8])> = vec![("a/data.pkl", &pickle)];
    let data = names
        .iter()
        .zip(storages)
        .map(|(n, (_, b))| (n.as_str(), b.as_slice()));
    entries.extend(data);
    zip(&entries)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn read(bytes: &[u8], shapes: &[(&str, Vec<usize>)]) -> Result<Converted, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.pth");
    std::fs::write(&path, bytes).unwrap();
    Checkpoint::open(&path)
        .and_then(|c| c.convert(&[Part::new("", shapes.to_vec())]))
        .map_err(|e| e.to_string())
}

fn refused(bytes: &[u8], shapes: &[(&str, Vec<usize>)], parts: &[&str]) {
    let error = read(bytes, shapes).expect_err("refused");
    for part in parts {
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
}

fn six() -> Vec<(&'static str, Vec<u8>)> {
    vec![("0", floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))]
}

#[test]
fn views_strides_and_other_widths_are_read_as_they_are_meant() {
    let halves: Vec<u8> = [0x3c00_u16, 0xc000]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let brain: Vec<u8> = [0x3f80_u16, 0xc000]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let doubles: Vec<u8> = [0.1_f64, -7.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let mut storages = six();
    storages.extend([("h", halves), ("b", brain), ("d", doubles)]);
    let pickle = dict(&[
        ("plain", tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1])),
        (
            "turned",
            tensor("FloatStorage", "0", 6, 0, &[3, 2], &[1, 3]),
        ),
        ("view", tensor("FloatStorage", "0", 6, 2, &[3], &[1])),
        (
            "last",
            tensor("FloatStorage", "0", 6, 0, &[1, 2, 1, 3], &[6, 1, 6, 2]),
        ),
        ("half", tensor("HalfStorage", "h", 2, 0, &[2], &[1])),
        ("brain", tensor("BFloat16Storage", "b", 2, 0, &[2], &[1])),
        ("double", tensor("DoubleStorage", "d", 2, 0, &[2], &[1])),
        ("none", tensor("FloatStorage", "0", 6, 6, &[0], &[1])),
        ("one", tensor("FloatStorage", "0", 6, 5, &[], &[])),
    ]);
    let shapes = [
        ("plain", vec![2, 3]),
        ("turned", vec![3, 2]),
        ("view", vec![3]),
        ("last", vec![1, 2, 1, 3]),
        ("half", vec![2]),
        ("brain", vec![2]),
        ("double", vec![2]),
        ("none", vec![0]),
        ("one", vec![]),
    ];
    let got = read(&file(&pickle, &storages), &shapes).unwrap();
    let of = |name: &str| values(&got.parts[0][name]);
    assert_eq!(of("plain"), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(of("turned"), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(of("view"), [3.0, 4.0, 5.0]);
    assert_eq!(of("last"), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    assert_eq!(of("half"), [1.0, -2.0]);
    assert_eq!(of("brain"), [1.0, -2.0]);
    assert_eq!(of("double"), [f64::from(0.1_f32), -7.0]);
    assert_eq!(of("none"), [0.0; 0]);
    assert_eq!(of("one"), [6.0]);
}

#[test]
fn hostile_and_wrong_files_are_errors_that_say_what_is_wrong() {
    let shapes = [("w", vec![2, 3])];
    let good = tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1]);
    let with = |w: Vec<u8>| file(&dict(&[("w", w)]), &six());
    assert!(read(&with(good.clone()), &shapes).is_ok());

    for bad in [f32::NAN, f32::INFINITY] {
        let storages = [("0", floats(&[1.0, 2.0, bad, 4.0, 5.0, 6.0]))];
        let bytes = file(&dict(&[("w", good.clone())]), &storages);
        refused(&bytes, &shapes, &["tensor w", "finite"]);
    }
    // Beyond the storage: by shape, by stride, by offset, by overflow; a storage of another length.
    let float = |count, at, shape: &[i64], strides: &[i64]| {
        with(tensor("FloatStorage", "0", count, at, shape, strides))
    };
    refused(
        &float(6, 1, &[2, 3], &[3, 1]),
        &shapes,
        &["tensor w", "strides"],
    );
    refused(
        &float(6, 0, &[2, 3], &[4, 1]),
        &shapes,
        &["tensor w", "strides"],
    );
    refused(
        &float(6, 0, &[2, 3], &[i64::MAX, 1]),
        &shapes,
        &["tensor w", "strides"],
    );
    refused(
        &float(7, 0, &[2, 3], &[3, 1]),
        &shapes,
        &["tensor w", "24 bytes for 7 values"],
    );
    refused(
        &float(i64::MAX, 0, &[2, 3], &[3, 1]),
        &shapes,
        &["tensor w", "24 bytes"],
    );
    refused(&float(6, -1, &[2, 3], &[3, 1]), &shapes, &["length -1"]);
    let huge = [("w", vec![1 << 40, 1 << 20])];
    refused(
        &float(6, 0, &[1 << 40, 1 << 20], &[0, 0]),
        &huge,
        &["tensor w", "strides"],
    );
    // A memory bomb of one value spread out.
    let bomb = [("w", vec![1 << 40])];
    refused(
        &float(6, 0, &[1 << 40], &[0]),
        &bomb,
        &["tensor w", "strides"],
    );
    // Types that are no weights.
    let long = with(tensor("LongStorage", "0", 3, 0, &[2, 3], &[3, 1]));
    refused(&long, &shapes, &["tensor w", "LongStorage"]);
    let missing = with(tensor("FloatStorage", "9", 6, 0, &[2, 3], &[3, 1]));
    refused(&missing, &shapes, &["tensor w", "no entry a/data/9"]);
    // Code is named, never run.
    let code = b"cos\nsystem\n(X\x04\x00\x00\x00truetR".to_vec();
    refused(&with(code.clone()), &shapes, &["os.system", "w"]);
    let whole = file(&code, &six());
    refused(&whole, &shapes, &["os.system", "dict of tensors"]);
    // Two levels of wrapping, several keys, none, the same name twice.
    let inner = dict(&[("w", good.clone())]);
    let nested = file(
        &dict(&[("model", dict(&[("state_dict", inner.clone())]))]),
        &six(),
    );
    refused(&nested, &shapes, &["dict", "state_dict"]);
    let several = dict(&[("model", inner.clone()), ("state_dict", inner.clone())]);
    refused(&file(&several, &six()), &shapes, &["2 dicts", "model"]);
    refused(&file(&dict(&[]), &six()), &shapes, &["no tensors"]);
    let twice = dict(&[("w", good.clone()), ("w", good.clone())]);
    refused(&file(&twice, &six()), &shapes, &["w twice"]);
    let more = dict(&[("w", good.clone()), ("v", good.clone())]);
    refused(
        &file(&more, &six()),
        &shapes,
        &["tensor v", "no such tensor"],
    );
    // Other kinds of file.
    refused(b"", &shapes, &["empty"]);
    refused(b"<html>", &shapes, &["HTML page"]);
    refused(b"<htm", &shapes, &["begins with"]);
    refused(&zip(&[("a/other", b"x")]), &shapes, &["data.pkl"]);
    let script = zip(&[("a/constants.pkl", b""), ("a/data.pkl", b"\x80\x02}.")]);
    refused(&script, &shapes, &["TorchScript"]);
    let big = zip(&[("a/byteorder", b"big"), ("a/data.pkl", b"\x80\x02}.")]);
    refused(&big, &shapes, &["big-endian"]);
    refused(
        &zip(&[("a/data.pkl", &[]), ("a/data.pkl", &[])]),
        &shapes,
        &["twice"],
    );
    let long_pickle = vec![b'N'; (8 << 20) + 1];
    refused(
        &zip(&[("a/data.pkl", &long_pickle)]),
        &shapes,
        &["pickle above"],
    );
}

#[test]
fn a_file_that_is_cut_off_or_changed_is_never_taken_for_another() {
    let shapes = [("w", vec![2, 3])];
    let good = tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1]);
    let bytes = file(&dict(&[("state_dict", dict(&[("w", good)]))]), &six());
    let want = values(&read(&bytes, &shapes).unwrap().parts[0]["w"]);
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end], &shapes).is_err(), "{end}");
    }
    let mut kept = 0;
    for at in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            // Dates and versions in the zip headers may change; values may not.
            if let Ok(got) = read(&changed, &shapes) {
                assert_eq!(values(&got.parts[0]["w"]), want, "{at}");
                kept += 1;
            }
        }
    }
    assert!(kept < bytes.len() * 3 / 4);
}

// With the checksum made right again, the pickle reader itself meets the changed bytes.
#[test]
fn a_changed_pickle_gives_an_error_or_tensors_of_the_right_shape() {
    let shapes = [("w", vec![2, 3])];
    let good = tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1]);
    let pickle = dict(&[("state_dict", dict(&[("w", good)])), ("epoch", int(3))]);
    let mut random = unit("pickle fuzz").map(|u| (u * f64::from(1 << 30)) as usize);
    let mut below = |n: usize| random.next().unwrap() % n;
    let mut errors = 0;
    for _ in 0..4000 {
        let mut changed = pickle.clone();
        for _ in 0..=below(3) {
            let at = below(changed.len());
            match below(3) {
                0 => changed[at] = below(256) as u8,
                1 => drop(changed.remove(at)),
                _ => changed.insert(at, below(256) as u8),
            }
        }
        match read(&file(&changed, &six()), &shapes) {
            Ok(got) => assert_eq!(got.parts[0]["w"].dims(), [2, 3]),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 2000, "{errors}");
}

// Written by torch.save of torch 2.15.0 with all that real training scripts leave in a checkpoint
// (a Namespace, numpy scalars and arrays, Adam's state, sets, a long integer). Each tensor of n
// values holds (k - n/2) / 8, k = 0 … n − 1 in its own order; `base` is such a matrix of 6 × 4.
#[test]
fn a_file_with_all_that_pytorch_writes_is_read() {
    let shapes = [
        ("parameter", vec![2, 3]),
        ("view", vec![2, 4]),
        ("column", vec![6]),
        ("turned", vec![4, 6]),
        ("last", vec![2, 3, 4, 5]),
        ("half", vec![5]),
        ("brain", vec![5]),
        ("double", vec![5]),
        ("scalar", vec![]),
        ("lin.weight", vec![2, 3]),
        ("lin.bias", vec![2]),
    ];
    let got = convert("torch_2_15.pth", &[Part::new("", shapes.clone())]);
    let ramp = |n: usize| -> Vec<f64> {
        let centre = n as f64 / 2.0;
        (0..n).map(|k| (k as f64 - centre) / 8.0).collect()
    };
    for name in [
        "parameter",
        "last",
        "half",
        "brain",
        "double",
        "lin.weight",
        "lin.bias",
    ] {
        let tensor = &got.parts[0][name];
        assert_eq!(values(tensor), ramp(tensor.elem_count()), "{name}");
    }
    let base = ramp(24);
    assert_eq!(values(&got.parts[0]["view"]), base[8..16]);
    let column: Vec<f64> = base.iter().skip(1).step_by(4).copied().collect();
    assert_eq!(values(&got.parts[0]["column"]), column);
    let turned: Vec<f64> = (0..24).map(|k| base[k % 6 * 4 + k / 6]).collect();
    assert_eq!(values(&got.parts[0]["turned"]), turned);
    assert_eq!(values(&got.parts[0]["scalar"]), [2.5]);
    for name in [
        "bn.num_batches_tracked",
        "args (argparse.Namespace)",
        "optimizer (dict)",
    ] {
        assert!(
            got.dropped.iter().any(|d| d == name),
            "{name} {:?}",
            got.dropped
        );
    }
    assert_eq!(got.source_key.as_deref(), Some("model"));
}

// torch.compile, DistributedDataParallel, and either in the other.
#[test]
fn prefixes_of_wrappers_are_understood_in_any_order() {
    let shapes = [("w", vec![2, 3])];
    let w = || tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1]);
    let plain = read(&file(&dict(&[("w", w())]), &six()), &shapes).unwrap();
    for prefix in [
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "module.module.",
    ] {
        let name = format!("{prefix}w");
        let bytes = file(&dict(&[(name.as_str(), w())]), &six());
        let found = read(&bytes, &shapes).unwrap();
        let values = |c: &Converted| c.parts[0]["w"].flatten_all().unwrap().to_vec1::<f32>();
        assert_eq!(values(&found).unwrap(), values(&plain).unwrap(), "{prefix}");
    }
    // A refusal shows what is there.
    let names = ["net.a", "net.b", "net.c", "net.d"].map(|name| (name, w()));
    let bytes = file(&dict(&names), &six());
    let words = ["4 tensors (net.a, net.b, net.c, …)", "begin with net."];
    refused(&bytes, &shapes, &words);
}

#[test]
fn a_tensor_named_twice_is_refused_in_safetensors() {
    let head = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
    bytes.extend(head);
    bytes.extend([0; 4]);
    refused(&bytes, &[("w", vec![1])], &["w twice"]);
    let error = mental_pong_predictor::weights::from_bytes("x".as_ref(), &bytes).unwrap_err();
    assert!(error.to_string().contains("w twice"), "{error}");
}

#[test]
fn what_is_often_found_in_place_of_weights_is_called_by_name() {
    let shapes = [("w", vec![1])];
    for (bytes, words) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"[..],
            "Git LFS pointer",
        ),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x08\x08\x12\x07pytorch\x1a", "ONNX"),
        (b"{\"weight_map\": {}}", "JSON"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"  <!DOCTYPE html>", "HTML page"),
    ] {
        refused(bytes, &shapes, &[words]);
    }
}
