use std::io::{Seek, Write};

use mental_pong_formats::npz::Writer;

use super::{CLOCK, Content, Each};

/// Text as NumPy holds it: `chars` characters of four bytes.
fn wide(text: &str, chars: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = text
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    bytes.resize(4 * chars, 0);
    bytes
}

fn text<W: Write + Seek>(npz: &mut Writer<W>, name: &str, text: &str) -> std::io::Result<()> {
    let chars = text.chars().count().max(1);
    npz.begin(name, &format!("<U{chars}"), &[])?;
    npz.write_all(&wide(text, chars))
}

pub(super) fn write<W: Write + Seek>(content: &mut Content, out: W) -> std::io::Result<W> {
    let (n, steps) = (content.conditions(), content.steps);
    let mut npz = Writer::new(out);
    let mut bytes = Vec::new();
    for layer in 0..content.layers.len() {
        let (name, units) = {
            let info = &content.layers[layer];
            (info.name.clone(), info.units)
        };
        npz.begin(&name, "<f4", &[n, steps, units])?;
        for condition in 0..n {
            content.layer(condition, layer, &mut bytes)?;
            npz.write_all(&bytes)?;
        }
    }
    let chars = content.id_chars();
    npz.begin("id", &format!("<U{chars}"), &[n])?;
    for id in content.ids() {
        npz.write_all(&wide(id, chars))?;
    }
    npz.begin("n_steps", "<i4", &[n])?;
    for count in content.n_steps() {
        npz.write_all(&count.to_le_bytes())?;
    }
    for (name, kind, what) in [
        ("frame", "<i4", Each::Frame),
        ("time_ms", "<f8", Each::TimeMs),
        ("status", "|u1", Each::Status),
    ] {
        npz.begin(name, kind, &[n, steps])?;
        for condition in 0..n {
            npz.write_all(&content.row(what, condition))?;
        }
    }
    text(&mut npz, "set_name", &content.set.identity.name)?;
    text(&mut npz, "set_sha256", &content.set.identity.sha256)?;
    npz.begin("rate_hz", "<f8", &[])?;
    npz.write_all(&content.set.rate_hz.to_le_bytes())?;
    text(&mut npz, "clock", CLOCK)?;
    let about = content.about.as_bytes();
    npz.begin("about_json", "|u1", &[about.len()])?;
    npz.write_all(about)?;
    npz.finish()
}
