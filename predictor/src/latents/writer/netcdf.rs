//! NetCDF 3 with 64-bit offsets (the classic format's version 2): big-endian, and every condition a record,
//! so that a file of any size is written from its beginning to its end.

use std::fs::File;
use std::io::{BufWriter, Write};

use super::{CLOCK, Content, Each};

/// Type codes of the format.
const BYTE: u32 = 1;
const CHAR: u32 = 2;
const INT: u32 = 4;
const FLOAT: u32 = 5;
const DOUBLE: u32 = 6;

struct Variable {
    name: String,
    kind: u32,
    /// Places of its axes in the list of dimensions; the first is the record.
    axes: Vec<u32>,
    attributes: Vec<(&'static str, String)>,
    /// Bytes of a record, without its padding.
    bytes: usize,
}

impl Variable {
    fn padded(&self) -> usize {
        self.bytes.next_multiple_of(4)
    }
}

fn number(out: &mut Vec<u8>, value: usize) {
    out.extend((value as u32).to_be_bytes());
}

/// A name or an attribute's text: length, bytes, and zeros up to a multiple of four.
fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend(text.as_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
}

fn attributes(out: &mut Vec<u8>, list: &[(&str, String)]) {
    out.extend(if list.is_empty() {
        [0; 4]
    } else {
        [0, 0, 0, 12]
    });
    number(out, list.len());
    for (name, value) in list {
        text(out, name);
        out.extend(CHAR.to_be_bytes());
        text(out, value);
    }
}

fn variables(content: &Content, id_bytes: usize, axes: &[String]) -> Vec<Variable> {
    let steps = content.steps;
    let of = |name: &str, kind: u32, axes: &[u32], bytes: usize| Variable {
        name: name.into(),
        kind,
        axes: axes.to_vec(),
        attributes: Vec::new(),
        bytes,
    };
    let mut list = vec![
        Variable {
            attributes: vec![("_Encoding", "utf-8".into())],
            ..of("id", CHAR, &[0, 2], id_bytes)
        },
        of("n_steps", INT, &[0], 4),
        of("frame", INT, &[0, 1], 4 * steps),
        Variable {
            attributes: vec![("comment", CLOCK.into())],
            ..of("time_ms", DOUBLE, &[0, 1], 8 * steps)
        },
        Variable {
            attributes: vec![(
                "comment",
                "0 context, 1 visible, 2 hidden; -1 is padding".into(),
            )],
            ..of("status", BYTE, &[0, 1], steps)
        },
    ];
    for (k, info) in content.layers.iter().enumerate() {
        let axis = content.unit_axis(k);
        let place = axes.iter().position(|name| *name == axis).unwrap_or(0);
        list.push(Variable {
            attributes: vec![("coordinates", "id n_steps frame time_ms status".into())],
            ..of(
                &info.name,
                FLOAT,
                &[0, 1, place as u32],
                4 * steps * info.units,
            )
        });
    }
    list
}

pub(super) fn write(content: &mut Content, file: &mut File) -> std::io::Result<()> {
    let n = content.conditions();
    let id_bytes = content.ids().map(str::len).max().unwrap_or(0).max(1);
    let mut axes: Vec<String> = ["condition", "step", "id_byte"].map(String::from).into();
    let mut sizes = vec![0, content.steps, id_bytes];
    for (k, info) in content.layers.iter().enumerate() {
        let axis = content.unit_axis(k);
        if !axes.contains(&axis) {
            axes.push(axis);
            sizes.push(info.units);
        }
    }
    let list = variables(content, id_bytes, &axes);
    if let Some(wide) = list.iter().find(|v| v.padded() > u32::MAX as usize - 3) {
        return Err(std::io::Error::other(format!(
            "{}: a condition of {} bytes; NetCDF 3 holds 4 GiB of one, choose another format",
            wide.name, wide.bytes
        )));
    }
    let mut head = b"CDF\x02".to_vec();
    number(&mut head, n);
    head.extend([0, 0, 0, 10]);
    number(&mut head, axes.len());
    for (name, size) in axes.iter().zip(&sizes) {
        text(&mut head, name);
        number(&mut head, *size);
    }
    let set = content.set;
    let global = [
        ("set_name", set.identity.name.clone()),
        ("set_sha256", set.identity.sha256.clone()),
        ("rate_hz", set.rate_hz.to_string()),
        ("clock", CLOCK.to_string()),
        ("about_json", content.about.clone()),
    ];
    attributes(&mut head, &global);
    head.extend([0, 0, 0, 11]);
    number(&mut head, list.len());
    let mut descriptions: Vec<Vec<u8>> = Vec::new();
    for variable in &list {
        let mut out = Vec::new();
        text(&mut out, &variable.name);
        number(&mut out, variable.axes.len());
        for axis in &variable.axes {
            out.extend(axis.to_be_bytes());
        }
        attributes(&mut out, &variable.attributes);
        out.extend(variable.kind.to_be_bytes());
        number(&mut out, variable.padded());
        descriptions.push(out);
    }
    // Each description is followed by where its first record begins, 8 bytes.
    let mut begin = head.len() + descriptions.iter().map(|d| d.len() + 8).sum::<usize>();
    for (variable, description) in list.iter().zip(&descriptions) {
        head.extend(description);
        head.extend((begin as u64).to_be_bytes());
        begin += variable.padded();
    }
    let mut out = BufWriter::new(file);
    out.write_all(&head)?;
    records(content, &list, &mut out)?;
    out.flush()
}

fn records(content: &mut Content, list: &[Variable], out: &mut impl Write) -> std::io::Result<()> {
    let ids: Vec<String> = content.ids().map(String::from).collect();
    let counts: Vec<i32> = content.n_steps().collect();
    let mut bytes = Vec::new();
    for (condition, id) in ids.iter().enumerate() {
        let mut layer = 0;
        for variable in list {
            bytes.clear();
            match variable.name.as_str() {
                "id" if variable.kind == CHAR => bytes.extend(id.as_bytes()),
                "n_steps" if variable.axes.len() == 1 => {
                    bytes.extend(counts[condition].to_le_bytes());
                }
                "frame" if variable.kind == INT => {
                    bytes = content.row(Each::Frame, condition);
                }
                "time_ms" if variable.kind == DOUBLE => {
                    bytes = content.row(Each::TimeMs, condition);
                }
                "status" if variable.kind == BYTE => bytes = content.row(Each::Status, condition),
                _ => {
                    content.layer(condition, layer, &mut bytes)?;
                    layer += 1;
                }
            }
            let width = match variable.kind {
                DOUBLE => 8,
                INT | FLOAT => 4,
                _ => 1,
            };
            for value in bytes.chunks_exact_mut(width) {
                value.reverse();
            }
            bytes.resize(variable.padded(), 0);
            out.write_all(&bytes)?;
        }
    }
    Ok(())
}
