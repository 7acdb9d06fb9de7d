use std::fs::File;
use std::io::{BufWriter, Write};

use serde_json::{Map, Value, json};

use super::{CLOCK, Content, Each};

/// The longer types stand first, so that each is aligned.
const SMALL: [(&str, &str, usize, Each); 2] = [
    ("frame", "I32", 4, Each::Frame),
    ("status", "U8", 1, Each::Status),
];

pub(super) fn write(content: &mut Content, file: &mut File) -> std::io::Result<()> {
    let (n, steps) = (content.conditions(), content.steps);
    let mut header = Map::new();
    let ids: Vec<&str> = content.ids().collect();
    header.insert(
        "__metadata__".into(),
        json!({
            "id": serde_json::to_string(&ids)?,
            "set_name": content.set.identity.name,
            "set_sha256": content.set.identity.sha256,
            "rate_hz": content.set.rate_hz.to_string(),
            "clock": CLOCK,
            "about_json": content.about,
        }),
    );
    let mut at = 0;
    let mut place = |name: &str, kind: &str, shape: &[usize], width: usize| {
        let bytes = shape.iter().product::<usize>() * width;
        let tensor = json!({"dtype": kind, "shape": shape, "data_offsets": [at, at + bytes]});
        header.insert(name.into(), tensor);
        at += bytes;
    };
    place("time_ms", "F64", &[n, steps], 8);
    for info in &content.layers {
        place(&info.name, "F32", &[n, steps, info.units], 4);
    }
    place("n_steps", "I32", &[n], 4);
    for (name, kind, width, _) in SMALL {
        place(name, kind, &[n, steps], width);
    }
    let mut head = serde_json::to_vec(&Value::Object(header))?;
    head.resize(head.len().next_multiple_of(8), b' ');
    let mut out = BufWriter::new(file);
    out.write_all(&(head.len() as u64).to_le_bytes())?;
    out.write_all(&head)?;
    for condition in 0..n {
        out.write_all(&content.row(Each::TimeMs, condition))?;
    }
    let mut bytes = Vec::new();
    for layer in 0..content.layers.len() {
        for condition in 0..n {
            content.layer(condition, layer, &mut bytes)?;
            out.write_all(&bytes)?;
        }
    }
    for count in content.n_steps() {
        out.write_all(&count.to_le_bytes())?;
    }
    for (_, _, _, what) in SMALL {
        for condition in 0..n {
            out.write_all(&content.row(what, condition))?;
        }
    }
    out.flush()
}
