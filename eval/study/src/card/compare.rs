//! What differs between two cards.

use serde_json::Value;

use super::Card;
use crate::error::Result;

/// One difference between two cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Place in the JSON, for example `sections[3].scores[0].value`.
    pub place: String,
    /// Text in the first card; `(absent)` where it has no such place.
    pub first: String,
    /// Text in the second card.
    pub second: String,
}

/// All places where two cards differ by more than `tolerance` (numbers, relative to the larger, absolute below 1), in order;
/// with 0, to the last digit. With a tolerance the processor and the hashes of tables and figures are not compared, since
/// they follow the last digits.
///
/// # Errors
/// Of a card that cannot be written as JSON.
pub fn compare(first: &Card, second: &Card, tolerance: f64) -> Result<Vec<Difference>> {
    let mut out = Vec::new();
    let mut trees = [serde_json::to_value(first)?, serde_json::to_value(second)?];
    if tolerance > 0.0 {
        for tree in &mut trees {
            if let Value::Object(map) = tree {
                for key in ["processor", "tables", "figures"] {
                    map.remove(key);
                }
            }
        }
    }
    walk("", Some(&trees[0]), Some(&trees[1]), tolerance, &mut out);
    Ok(out)
}

fn walk(
    place: &str,
    a: Option<&Value>,
    b: Option<&Value>,
    tolerance: f64,
    out: &mut Vec<Difference>,
) {
    match (a, b) {
        (Some(Value::Object(x)), Some(Value::Object(y))) => {
            let keys = x.keys().chain(y.keys().filter(|k| !x.contains_key(*k)));
            for key in keys {
                let inner = if place.is_empty() {
                    key.clone()
                } else {
                    format!("{place}.{key}")
                };
                walk(&inner, x.get(key), y.get(key), tolerance, out);
            }
        }
        (Some(Value::Array(x)), Some(Value::Array(y))) => {
            for i in 0..x.len().max(y.len()) {
                walk(&format!("{place}[{i}]"), x.get(i), y.get(i), tolerance, out);
            }
        }
        (a, b) if a == b => {}
        (Some(Value::Number(x)), Some(Value::Number(y))) if near(x, y, tolerance) => {}
        // A sentence is made from numbers: with a tolerance its digits may turn.
        (Some(Value::String(_)), Some(Value::String(_))) if tolerance > 0.0 && prose(place) => {}
        (a, b) => {
            let text = |v: Option<&Value>| v.map_or("(absent)".into(), Value::to_string);
            out.push(Difference {
                place: place.into(),
                first: text(a),
                second: text(b),
            });
        }
    }
}

fn near(x: &serde_json::Number, y: &serde_json::Number, tolerance: f64) -> bool {
    match (x.as_f64(), y.as_f64()) {
        (Some(x), Some(y)) => (x - y).abs() <= tolerance * x.abs().max(y.abs()).max(1.0),
        _ => false,
    }
}

fn prose(place: &str) -> bool {
    ["answer", ".note", ".detail", ".method", ".warnings"]
        .iter()
        .any(|part| place.contains(part))
}
