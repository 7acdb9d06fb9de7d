//! What differs between two cards.

use serde_json::Value;

use super::Card;
use crate::error::Result;

/// One difference between two cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Place in the JSON, for example `rows[3].stats[0].r.mean`.
    pub place: String,
    /// Text in the first card; `(absent)` where it has no such place.
    pub first: String,
    /// Text in the second card.
    pub second: String,
}

/// All places where two cards differ, in order; none if they are equal to the last digit.
pub fn compare(first: &Card, second: &Card) -> Result<Vec<Difference>> {
    let mut out = Vec::new();
    walk(
        "",
        Some(&serde_json::to_value(first)?),
        Some(&serde_json::to_value(second)?),
        &mut out,
    );
    Ok(out)
}

fn walk(place: &str, a: Option<&Value>, b: Option<&Value>, out: &mut Vec<Difference>) {
    match (a, b) {
        (Some(Value::Object(x)), Some(Value::Object(y))) => {
            let keys = x.keys().chain(y.keys().filter(|k| !x.contains_key(*k)));
            for key in keys {
                let inner = if place.is_empty() {
                    key.clone()
                } else {
                    format!("{place}.{key}")
                };
                walk(&inner, x.get(key), y.get(key), out);
            }
        }
        (Some(Value::Array(x)), Some(Value::Array(y))) => {
            for i in 0..x.len().max(y.len()) {
                walk(&format!("{place}[{i}]"), x.get(i), y.get(i), out);
            }
        }
        (a, b) if a == b => {}
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
