use std::io::Cursor;
use std::path::Path;

use mental_pong_game::files::write_atomic;
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::write::FileOptions;

use super::{Layer, Status, Step, TrialLatents, TrialLayers};
use crate::{Error, Result};

/// Writes latents as `.npz`, and `about` beside it as `.json`: `latents` `[condition, step, latent]`
/// f32 (NaN beyond a condition's last step), `frame`, `bin` (−1), `time_ms` (NaN) and `status`
/// (0 context, 1 visible, 2 hidden; 255) `[condition, step]`, `id` and `n_steps` `[condition]`.
///
/// # Errors
/// [`Error::Game`] naming the file that cannot be written.
pub fn write_npz(path: &Path, trials: &[TrialLatents], about: &serde_json::Value) -> Result<()> {
    let bytes = npz(trials).map_err(|e| Error::io(path, e))?;
    write_atomic(path, |out| out.write_all(&bytes))?;
    let text = serde_json::to_string_pretty(about).unwrap_or_default();
    write_atomic(path.with_extension("json"), |out| writeln!(out, "{text}"))?;
    Ok(())
}

/// Writes layers as `.npz`: `encoder` and `dynamics` (those that are there) `[condition, step, latent]`
/// f32, and beside them the arrays of [`write_npz`] but `latents`. `about` stands in the array
/// `about_json` (bytes of UTF-8) and, once more, beside the file as `.json`.
///
/// # Errors
/// [`Error::Game`] naming the file that cannot be written.
pub fn write_layers(path: &Path, trials: &[TrialLayers], about: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(about).unwrap_or_default();
    let bytes = layers(trials, &text).map_err(|e| Error::io(path, e))?;
    write_atomic(path, |out| out.write_all(&bytes))?;
    write_atomic(path.with_extension("json"), |out| writeln!(out, "{text}"))?;
    Ok(())
}

/// One layer of a file of latents.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerFile {
    /// `[condition]`: id in the generator's table.
    pub id: Vec<u32>,
    /// `[condition]`: steps; what follows is padding.
    pub n_steps: Vec<u32>,
    /// `[condition, step]`: bin of 50 ms; −1 is padding.
    pub bin: Vec<i32>,
    /// `[condition, step]`: 0 context, 1 visible, 2 hidden; 255 is padding.
    pub status: Vec<u8>,
    /// `[condition, step, latent]`, row-major; NaN is padding.
    pub latents: Vec<f32>,
    /// Lengths of the three axes.
    pub shape: [usize; 3],
}

/// Reads one layer of a file of [`write_layers`], or the one layer of [`write_npz`], back.
///
/// # Errors
/// [`Error::Io`] naming the file and the array that is missing or of another type or shape.
pub fn read_layer(path: &Path, layer: Layer) -> Result<LayerFile> {
    let failed = |e: std::io::Error| Error::io(path, e);
    let mut npz = npyz::npz::NpzArchive::open(path).map_err(failed)?;
    let missing = |name: &str| {
        let text = format!("no array {name}");
        failed(std::io::Error::new(std::io::ErrorKind::InvalidData, text))
    };
    let name = match layer {
        Layer::Encoder => "encoder",
        Layer::Dynamics => "dynamics",
    };
    let found = npz.array_names().any(|n| n == name);
    let name = if found { name } else { "latents" };
    let array = npz
        .by_name(name)
        .map_err(failed)?
        .ok_or_else(|| missing(name))?;
    let &[conditions, steps, dim] = array.shape() else {
        return Err(missing("of three axes"));
    };
    let shape = [conditions as usize, steps as usize, dim as usize];
    let latents: Vec<f32> = array.into_vec().map_err(failed)?;
    let (rows, cells) = (shape[0], shape[0] * shape[1]);
    let mut counts = |name: &str| -> Result<Vec<u32>> {
        let array = npz
            .by_name(name)
            .map_err(failed)?
            .ok_or_else(|| missing(name))?;
        let values: Vec<u32> = array.into_vec().map_err(failed)?;
        Some(values)
            .filter(|v| v.len() == rows)
            .ok_or_else(|| missing(name))
    };
    let (id, n_steps) = (counts("id")?, counts("n_steps")?);
    let bin = npz
        .by_name("bin")
        .map_err(failed)?
        .ok_or_else(|| missing("bin"))?;
    let bin: Vec<i32> = bin.into_vec().map_err(failed)?;
    let status = npz
        .by_name("status")
        .map_err(failed)?
        .ok_or_else(|| missing("status"))?;
    let status: Vec<u8> = status.into_vec().map_err(failed)?;
    if bin.len() != cells || status.len() != cells {
        return Err(missing("bin or status of the latents' shape"));
    }
    Ok(LayerFile {
        id,
        n_steps,
        bin,
        status,
        latents,
        shape,
    })
}

fn npz(trials: &[TrialLatents]) -> std::io::Result<Vec<u8>> {
    let rows: Vec<(u32, &[Step])> = trials.iter().map(|t| (t.id, t.steps.as_slice())).collect();
    let dim = trials.first().map_or(0, |t| t.dim);
    let latents = trials.iter().map(|t| t.latents.as_slice()).collect();
    arrays(&rows, dim, &[("latents", latents)], None)
}

fn layers(trials: &[TrialLayers], about: &str) -> std::io::Result<Vec<u8>> {
    let rows: Vec<(u32, &[Step])> = trials.iter().map(|t| (t.id, t.steps.as_slice())).collect();
    let dim = trials.first().map_or(0, |t| t.dim);
    let encoder: Vec<&[f32]> = trials.iter().filter_map(|t| t.encoder.as_deref()).collect();
    let dynamics: Vec<&[f32]> = trials
        .iter()
        .filter_map(|t| t.dynamics.as_deref())
        .collect();
    let named: Vec<(&str, Vec<&[f32]>)> = [("encoder", encoder), ("dynamics", dynamics)]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    arrays(&rows, dim, &named, Some(about))
}

fn arrays(
    trials: &[(u32, &[Step])],
    dim: usize,
    layers: &[(&str, Vec<&[f32]>)],
    about: Option<&str>,
) -> std::io::Result<Vec<u8>> {
    let steps = trials.iter().map(|t| t.1.len()).max().unwrap_or(0);
    let shape = [trials.len() as u64, steps as u64, dim as u64];
    let mut file = Cursor::new(Vec::new());
    let mut zip = NpzWriter::new(&mut file);
    for (name, rows) in layers {
        let padded = rows.iter().flat_map(|row| {
            let rest = std::iter::repeat_n(f32::NAN, steps * dim - row.len());
            row.iter().copied().chain(rest)
        });
        array(&mut zip, name, &shape, padded)?;
    }
    array(&mut zip, "id", &shape[..1], trials.iter().map(|t| t.0))?;
    let counts = trials.iter().map(|t| t.1.len() as u32);
    array(&mut zip, "n_steps", &shape[..1], counts)?;
    let each = || {
        trials
            .iter()
            .flat_map(|t| (0..steps).map(|k| t.1.get(k).copied()))
    };
    let frames = each().map(|s| s.map_or(-1, |s| s.frame as i32));
    array(&mut zip, "frame", &shape[..2], frames)?;
    let bins = each().map(|s| s.map_or(-1, |s| s.bin as i32));
    array(&mut zip, "bin", &shape[..2], bins)?;
    let times = each().map(|s| s.map_or(f64::NAN, |s| s.time_ms));
    array(&mut zip, "time_ms", &shape[..2], times)?;
    let status = each().map(|s| match s.map(|s| s.status) {
        Some(Status::Context) => 0_u8,
        Some(Status::Visible) => 1,
        Some(Status::Hidden) => 2,
        None => 255,
    });
    array(&mut zip, "status", &shape[..2], status)?;
    if let Some(about) = about {
        let bytes = about.as_bytes();
        array(
            &mut zip,
            "about_json",
            &[bytes.len() as u64],
            bytes.iter().copied(),
        )?;
    }
    drop(zip);
    Ok(file.into_inner())
}

fn array<T: npyz::AutoSerialize>(
    zip: &mut NpzWriter<&mut Cursor<Vec<u8>>>,
    name: &str,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> std::io::Result<()> {
    // No time stamp: the same latents are the same bytes.
    let options = FileOptions::default().last_modified_time(npyz::zip::DateTime::default());
    let mut writer = zip
        .array::<T>(name, options)?
        .default_dtype()
        .shape(shape)
        .begin_nd()?;
    writer.extend(values)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use npyz::npz::NpzArchive;

    use super::*;

    #[test]
    fn an_export_reads_back_and_pads_short_conditions() {
        let trial = |id, n: usize| TrialLatents {
            id,
            steps: (0..n)
                .map(|k| Step {
                    frame: 3 * k + 2,
                    time_ms: 316.0,
                    bin: 6 + k,
                    status: Status::Hidden,
                })
                .collect(),
            latents: (0..2 * n).map(|v| v as f32).collect(),
            dim: 2,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let about = serde_json::json!({"a": 1});
        write_npz(&path, &[trial(4, 3), trial(9, 1)], &about).unwrap();
        let first = std::fs::read(&path).unwrap();
        write_npz(&path, &[trial(4, 3), trial(9, 1)], &about).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert!(folder.path().join("a.json").exists());
        let mut npz = NpzArchive::open(&path).unwrap();
        let latents = npz.by_name("latents").unwrap().unwrap();
        assert_eq!(latents.shape(), [2, 3, 2]);
        let latents: Vec<f32> = latents.into_vec().unwrap();
        assert_eq!(latents[..8], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 1.0]);
        assert!(latents[8..].iter().all(|v| v.is_nan()));
        let status: Vec<u8> = npz.by_name("status").unwrap().unwrap().into_vec().unwrap();
        assert_eq!(status, [2, 2, 2, 2, 255, 255]);
    }
}
