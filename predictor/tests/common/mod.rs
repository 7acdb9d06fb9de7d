//! Reading of the reference fixtures in `tests/data` (see the README there).
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};

/// A file of `tests/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

pub(crate) fn tensors(file: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(data(file), &Device::Cpu).unwrap()
}

/// An expected array, f64, row-major, and its shape.
pub(crate) fn expected(name: &str) -> (Vec<usize>, Vec<f64>) {
    let mut all = tensors("expected.safetensors");
    all.extend(tensors("expected_2026.safetensors"));
    let tensor = all.get(name).unwrap_or_else(|| panic!("no {name}"));
    (tensor.dims().to_vec(), values(tensor))
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// A picture's bytes: stored as they are, or as runs of (length, r, g, b) under `<name>.rle`.
pub(crate) fn pixels(file: &HashMap<String, Tensor>, name: &str) -> Vec<u8> {
    match file.get(name) {
        Some(raw) => bytes(raw),
        None => bytes(&file[&format!("{name}.rle")])
            .chunks_exact(4)
            .flat_map(|run| run[1..].repeat(usize::from(run[0])))
            .collect(),
    }
}

/// The three test frames of 224 × 224.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let file = tensors("frames.safetensors");
    (0..3)
        .map(|k| pixels(&file, &format!("frame{k}")))
        .collect()
}

/// The ten frames of the test movie.
pub(crate) fn movie() -> Vec<Vec<u8>> {
    let file = tensors("frames.safetensors");
    pixels(&file, "movie")
        .chunks_exact(224 * 224 * 3)
        .map(<[u8]>::to_vec)
        .collect()
}

/// Largest absolute difference, printed; fails above `tolerance` or when nothing is compared.
pub(crate) fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    assert!(!got.is_empty(), "{what}");
    let worst = got
        .iter()
        .zip(want)
        .map(|(a, b)| (a - b).abs())
        .fold(
            0.0,
            |m: f64, d| if d.is_nan() { f64::INFINITY } else { m.max(d) },
        );
    println!("{what}: largest error {worst:.2e}");
    assert!(worst <= tolerance, "{what}: {worst:e} > {tolerance:e}");
}

/// Uniform numbers in `[0, 1)` of the fixtures' integer formula: FNV-1a of `name`, then splitmix64.
pub(crate) fn unit(name: &str) -> impl Iterator<Item = f64> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    (1_u64..).map(move |i| {
        let mut z = hash.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 * (0.5_f64).powi(53)
    })
}

/// `offset + scale · (2u − 1)`, rounded once.
pub(crate) fn formula(name: &str, count: usize, scale: f64, offset: f64) -> Vec<f32> {
    unit(name)
        .take(count)
        .map(|u| (offset + scale * (2.0 * u - 1.0)) as f32)
        .collect()
}

type FormulaTensor = (String, Vec<usize>, f64, f64, f64, f64);

/// The weights of a full-size case, filled by the formula and checked against first value and sum.
pub(crate) fn formula_tensors(case: &str) -> BTreeMap<String, Tensor> {
    let text = std::fs::read_to_string(data("formula.json")).unwrap();
    let mut all: BTreeMap<String, Vec<FormulaTensor>> = serde_json::from_str(&text).unwrap();
    all.remove(case)
        .unwrap()
        .into_iter()
        .map(|(name, shape, scale, offset, first, sum)| {
            let count = shape.iter().product();
            let values = formula(&format!("{case}/s0/{name}"), count, scale, offset);
            assert_eq!(f64::from(values[0]), first, "{name}");
            let total: f64 = values.iter().map(|v| f64::from(*v)).sum();
            assert!((total - sum).abs() < 1e-6, "{name}: {total} {sum}");
            (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        })
        .collect()
}
