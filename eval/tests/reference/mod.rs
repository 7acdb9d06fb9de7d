//! Reading the reference files of `tests/data`.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test takes what it needs"
)]

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::Split;
use serde_json::Value;

pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// A JSON file, gzipped if its name says so.
pub(crate) fn json(name: &str) -> Value {
    let file = BufReader::new(File::open(data(name)).unwrap());
    if name.ends_with(".gz") {
        serde_json::from_reader(flate2::read::GzDecoder::new(file)).unwrap()
    } else {
        serde_json::from_reader(file).unwrap()
    }
}

pub(crate) struct Npz(npyz::npz::NpzArchive<BufReader<File>>);

impl Npz {
    pub(crate) fn open(name: &str) -> Self {
        Self(npyz::npz::NpzArchive::open(data(name)).unwrap())
    }

    pub(crate) fn ints(&mut self, name: &str) -> Vec<i64> {
        self.values::<i32>(name)
            .into_iter()
            .map(i64::from)
            .collect()
    }

    pub(crate) fn indices(&mut self, name: &str) -> Vec<usize> {
        let values = self.values::<i32>(name).into_iter();
        values.map(|v| usize::try_from(v).unwrap()).collect()
    }

    pub(crate) fn floats(&mut self, name: &str) -> Vec<f64> {
        self.values(name)
    }

    pub(crate) fn f32s(&mut self, name: &str) -> Vec<f64> {
        self.values::<f32>(name)
            .into_iter()
            .map(f64::from)
            .collect()
    }

    /// Two axes; whole numbers are 1024 times the value where the name says so.
    pub(crate) fn rows(&mut self, name: &str) -> Array2 {
        let shape = self.shape(name);
        let values = if name.ends_with("_x1024") {
            let values = self.values::<i32>(name).into_iter();
            values.map(|v| f64::from(v) / 1024.0).collect()
        } else {
            self.floats(name)
        };
        Array2::new(shape[0], shape[1], values).unwrap()
    }

    pub(crate) fn shape(&mut self, name: &str) -> Vec<usize> {
        let array = self.0.by_name(name).unwrap().unwrap();
        array.shape().iter().map(|&n| n as usize).collect()
    }

    fn values<T: npyz::Deserialize>(&mut self, name: &str) -> Vec<T> {
        self.0.by_name(name).unwrap().unwrap().into_vec().unwrap()
    }
}

/// `null` is NaN.
pub(crate) fn floats(v: &Value) -> Vec<f64> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap_or(f64::NAN))
        .collect()
}

pub(crate) fn rows(v: &Value) -> Vec<Vec<f64>> {
    v.as_array().unwrap().iter().map(floats).collect()
}

pub(crate) fn matrix(v: &Value) -> Array2 {
    Array2::from_rows(&rows(v)).unwrap()
}

pub(crate) fn indices(v: &Value) -> Vec<usize> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| usize::try_from(x.as_u64().unwrap()).unwrap())
        .collect()
}

pub(crate) fn strings(v: &Value) -> Vec<String> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_str().unwrap().to_owned())
        .collect()
}

/// Training and test conditions of a run.
pub(crate) fn splits(run: &Value) -> Vec<Split> {
    run["splits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| Split {
            train: indices(&s["train_conditions"]),
            test: indices(&s["test_conditions"]),
        })
        .collect()
}

/// Largest difference; NaN has to meet NaN.
pub(crate) fn largest(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| {
            assert_eq!(a.is_nan(), b.is_nan(), "expected {b}, found {a}");
            if b.is_nan() { 0.0 } else { (a - b).abs() }
        })
        .fold(0.0, f64::max)
}
