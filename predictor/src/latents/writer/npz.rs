use std::fs::File;
use std::io::{BufWriter, Write};

use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, DateTime, ZipWriter};

use super::{CLOCK, Content, Each};

struct Npz<'a>(ZipWriter<BufWriter<&'a mut File>>);

impl Npz<'_> {
    /// Begins an array; its values, row-major and little-endian, follow as bytes.
    fn begin(
        &mut self,
        name: &str,
        kind: &str,
        shape: &[usize],
        width: usize,
    ) -> std::io::Result<()> {
        let values: usize = shape.iter().product();
        // No time stamp: the same latents are the same bytes. Above 4 GiB an entry has a longer header, and this
        // must be known before.
        let options = FileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file((values * width) as u64 > u64::from(u32::MAX) - (1 << 16));
        self.0.start_file(format!("{name}.npy"), options)?;
        let comma = if shape.len() == 1 { "," } else { "" };
        let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let mut head = format!(
            "{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}{comma}), }}",
            axes.join(", ")
        );
        let before = 10;
        let padding = 63 - (before + head.len()) % 64;
        head.extend(std::iter::repeat_n(' ', padding));
        head.push('\n');
        self.0.write_all(b"\x93NUMPY\x01\x00")?;
        self.0.write_all(&(head.len() as u16).to_le_bytes())?;
        self.0.write_all(head.as_bytes())
    }

    fn text(&mut self, name: &str, text: &str) -> std::io::Result<()> {
        let chars = text.chars().count().max(1);
        self.begin(name, &format!("<U{chars}"), &[], 4 * chars)?;
        self.0.write_all(&wide(text, chars))
    }
}

/// Text as NumPy holds it: `chars` characters of four bytes.
pub(super) fn wide(text: &str, chars: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = text
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    bytes.resize(4 * chars, 0);
    bytes
}

pub(super) fn write(content: &mut Content, file: &mut File) -> std::io::Result<()> {
    let (n, steps) = (content.conditions(), content.steps);
    let mut npz = Npz(ZipWriter::new(BufWriter::new(file)));
    let mut bytes = Vec::new();
    for layer in 0..content.layers.len() {
        let (name, units) = {
            let info = &content.layers[layer];
            (info.name.clone(), info.units)
        };
        npz.begin(&name, "<f4", &[n, steps, units], 4)?;
        for condition in 0..n {
            content.layer(condition, layer, &mut bytes)?;
            npz.0.write_all(&bytes)?;
        }
    }
    let chars = content.id_chars();
    npz.begin("id", &format!("<U{chars}"), &[n], 4 * chars)?;
    for id in content.ids() {
        npz.0.write_all(&wide(id, chars))?;
    }
    npz.begin("n_steps", "<i4", &[n], 4)?;
    for count in content.n_steps() {
        npz.0.write_all(&count.to_le_bytes())?;
    }
    for (name, kind, width, what) in [
        ("frame", "<i4", 4, Each::Frame),
        ("time_ms", "<f8", 8, Each::TimeMs),
        ("status", "|u1", 1, Each::Status),
    ] {
        npz.begin(name, kind, &[n, steps], width)?;
        for condition in 0..n {
            npz.0.write_all(&content.row(what, condition))?;
        }
    }
    npz.text("set_name", &content.set.identity.name)?;
    npz.text("set_sha256", &content.set.identity.sha256)?;
    npz.begin("rate_hz", "<f8", &[], 8)?;
    npz.0.write_all(&content.set.rate_hz.to_le_bytes())?;
    npz.text("clock", CLOCK)?;
    let about = content.about.as_bytes();
    npz.begin("about_json", "|u1", &[about.len()], 1)?;
    npz.0.write_all(about)?;
    npz.0.finish()?.flush()
}
