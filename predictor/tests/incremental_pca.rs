//! Incremental principal components against scikit-learn.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

use mental_pong_predictor::encoders::IncrementalPca;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

#[test]
fn batches_give_scikit_learn_s_components() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/incremental_pca.json"
    );
    let want: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut pca = IncrementalPca::new(5);
    for batch in want["batches"].as_array().unwrap() {
        pca.partial_fit(&numbers(batch), 17).unwrap();
    }
    let query = pca.transform(&numbers(&want["query"])).unwrap();
    for (name, got) in [
        ("mean", pca.mean()),
        ("components", pca.components()),
        ("singular_values", pca.singular_values()),
        ("explained_variance", pca.explained_variance().as_slice()),
        ("transformed", &query),
    ] {
        let want = numbers(&want[name]);
        assert_eq!(got.len(), want.len(), "{name}");
        let worst = got
            .iter()
            .zip(&want)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        println!("{name}: largest error {worst:.1e}");
        assert!(worst < 1e-8, "{name}: {worst:e}");
    }
}
