//! A recording in a format of one's own: read into named arrays, checked as every other.
#![allow(clippy::print_stdout, reason = "an example says what it found")]
//!
//! `cargo run --release -p mental-pong-eval --example own_format`

use std::sync::Arc;

use mental_pong_eval::error::Result;
use mental_pong_eval::recordings::dmfc::{Half, Opening, Population, Recording, TrialType};
use mental_pong_formats::value::{Array, Dict, Value};
use mental_pong_game::task::ConditionSet;

/// A rig that writes a line for each unit and condition: unit, condition, and the rate in each bin of 50 ms, Hz.
fn rig() -> String {
    let mut text = String::new();
    for (unit, slope) in [("u1", 3.0), ("u2", -2.0)] {
        for (condition, end) in [("29337", 1.0), ("381514", 2.0)] {
            let rates = (0..60).map(|bin| 100.0 + slope * end * f64::from(bin) / 10.0);
            let rates: Vec<String> = rates.map(|rate| format!("{rate:.1}")).collect();
            text += &format!("{unit} {condition} {}\n", rates.join(" "));
        }
    }
    text
}

/// Its arrays under the names that `docs/src/reference/files.md` lists.
fn arrays(text: &str) -> Result<Value> {
    let (mut conditions, mut rates) = (Vec::<String>::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(1);
        let condition = words.next().unwrap_or_default().to_owned();
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
        rates.extend(words.map(|rate| rate.parse().unwrap_or(f64::NAN)));
    }
    let units = text.lines().count() / conditions.len();
    let bins = rates.len() / units / conditions.len();
    let text = |text: &str| Value::Str(text.into());
    let ids: Vec<Value> = conditions.iter().map(|id| text(id)).collect();
    let array = |array: Array| Value::Array(Arc::new(array));
    Ok(Value::Dict(Arc::new(Dict::new(vec![
        (
            text("responses"),
            array(Array::from_f64(
                vec![units, conditions.len(), bins],
                &rates,
            )?),
        ),
        (
            text("condition_ids"),
            array(Array::from_objects(vec![ids.len()], false, Arc::new(ids))?),
        ),
        (text("bin_ms"), Value::Float(50.0)),
        (text("first_bin_ms"), Value::Float(0.0)),
        (text("response_unit"), text("Hz")),
    ]))))
}

fn main() -> Result<()> {
    let opening = Opening {
        conditions: Some(ConditionSet::open("primate79")?),
        ..Opening::default()
    };
    let recording = Recording::of_value(&arrays(&rig())?, &opening)?;
    let responses = recording.responses(TrialType::Occ, Population::All, Half::Full)?;
    println!(
        "{} units, {} conditions, {} bins; unit 0 in condition 1 begins with {:.4?} spikes/ms",
        responses.units(),
        responses.conditions(),
        responses.bins(),
        &responses.unit(0)[responses.bins()..][..4],
    );
    for note in recording.notes() {
        println!("{note}");
    }
    Ok(())
}
