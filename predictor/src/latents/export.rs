use std::io::Cursor;
use std::path::Path;

use mental_pong_game::files::write_atomic;
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::write::FileOptions;

use super::{Status, TrialLatents};
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

fn npz(trials: &[TrialLatents]) -> std::io::Result<Vec<u8>> {
    let steps = trials.iter().map(|t| t.steps.len()).max().unwrap_or(0);
    let dim = trials.first().map_or(0, |t| t.dim);
    let shape = [trials.len() as u64, steps as u64, dim as u64];
    let mut file = Cursor::new(Vec::new());
    let mut zip = NpzWriter::new(&mut file);
    let padded = |trial: &TrialLatents| {
        let mut row = trial.latents.clone();
        row.resize(steps * dim, f32::NAN);
        row
    };
    array(&mut zip, "latents", &shape, trials.iter().flat_map(padded))?;
    array(&mut zip, "id", &shape[..1], trials.iter().map(|t| t.id))?;
    let counts = trials.iter().map(|t| t.steps.len() as u32);
    array(&mut zip, "n_steps", &shape[..1], counts)?;
    let step = |trial: &TrialLatents, k: usize| trial.steps.get(k).copied();
    let each = |k: usize| trials.iter().flat_map(move |t| (0..k).map(move |s| (t, s)));
    let frames = each(steps).map(|(t, k)| step(t, k).map_or(-1, |s| s.frame as i32));
    array(&mut zip, "frame", &shape[..2], frames)?;
    let bins = each(steps).map(|(t, k)| step(t, k).map_or(-1, |s| s.bin as i32));
    array(&mut zip, "bin", &shape[..2], bins)?;
    let times = each(steps).map(|(t, k)| step(t, k).map_or(f64::NAN, |s| s.time_ms));
    array(&mut zip, "time_ms", &shape[..2], times)?;
    let status = each(steps).map(|(t, k)| match step(t, k).map(|s| s.status) {
        Some(Status::Context) => 0_u8,
        Some(Status::Visible) => 1,
        Some(Status::Hidden) => 2,
        None => 255,
    });
    array(&mut zip, "status", &shape[..2], status)?;
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

    use super::super::Step;
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
