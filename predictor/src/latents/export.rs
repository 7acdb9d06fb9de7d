use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mental_pong_base::files::{folder_of, spool_in, write_atomic, write_atomic_file};
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
    let rows: Vec<Row> = trials.iter().map(|t| (t.id, t.steps.clone())).collect();
    let dim = trials.first().map_or(0, |t| t.dim);
    let mut held = trials.iter();
    let latents: NextRow = Box::new(|row| {
        row.extend(held.next().into_iter().flat_map(|t| &t.latents));
        Ok(())
    });
    write_arrays(path, &rows, dim, vec![("latents", latents)], None)?;
    write_about(path, about)
}

/// Writes layers as `.npz`: `encoder` and `dynamics` (those that are there) `[condition, step, latent]`
/// f32, and beside them the arrays of [`write_npz`] but `latents`. `about` stands in the array
/// `about_json` (bytes of UTF-8) and, once more, beside the file as `.json`.
///
/// # Errors
/// [`Error::Game`] naming the file that cannot be written.
pub fn write_layers(path: &Path, trials: &[TrialLayers], about: &serde_json::Value) -> Result<()> {
    let mut writer = LayersWriter::new(path)?;
    for trial in trials {
        writer.push(trial)?;
    }
    writer.finish(about)
}

/// A file of [`write_layers`] that takes one condition after the other. Until [`LayersWriter::finish`] the
/// latents stand in nameless files beside it, so that memory holds one condition's; where the work is
/// given up nothing is left of them.
#[derive(Debug)]
pub struct LayersWriter {
    path: PathBuf,
    rows: Vec<Row>,
    dim: usize,
    encoder: Option<BufWriter<File>>,
    dynamics: Option<BufWriter<File>>,
}

impl LayersWriter {
    /// A writer for the file `path`, which is not touched yet.
    ///
    /// # Errors
    /// [`Error::Game`] naming the folder when nothing can be written there.
    pub fn new(path: &Path) -> Result<Self> {
        // Found out now rather than after the first condition.
        spool_in(folder_of(path))?;
        Ok(Self {
            path: path.to_path_buf(),
            rows: Vec::new(),
            dim: 0,
            encoder: None,
            dynamics: None,
        })
    }

    /// The next condition.
    ///
    /// # Errors
    /// [`Error::Shape`] for other layers or another length of latents than the first one's;
    /// [`Error::Io`] naming the file when the disk is full.
    pub fn push(&mut self, trial: &TrialLayers) -> Result<()> {
        let first = self.rows.is_empty();
        let layers = [
            (&mut self.encoder, &trial.encoder),
            (&mut self.dynamics, &trial.dynamics),
        ];
        for (spool, latents) in &layers {
            let alike = first || (self.dim == trial.dim && spool.is_some() == latents.is_some());
            let len = trial.steps.len() * trial.dim;
            if !alike || latents.as_ref().is_some_and(|l| l.len() != len) {
                return Err(Error::Shape {
                    what: "latents of a condition",
                    expected: vec![trial.steps.len(), if first { trial.dim } else { self.dim }],
                    found: vec![latents.as_ref().map_or(0, Vec::len)],
                });
            }
        }
        for (spool, latents) in layers {
            let Some(latents) = latents else { continue };
            if spool.is_none() {
                *spool = Some(BufWriter::new(spool_in(folder_of(&self.path))?));
            }
            let bytes: Vec<u8> = latents.iter().flat_map(|v| v.to_le_bytes()).collect();
            if let Some(out) = spool {
                out.write_all(&bytes)
                    .map_err(|e| Error::io(&self.path, e))?;
            }
        }
        self.dim = trial.dim;
        self.rows.push((trial.id, trial.steps.clone()));
        Ok(())
    }

    /// Puts the file together: it appears whole, with `about` in it and beside it.
    ///
    /// # Errors
    /// [`Error::Game`] naming the file that cannot be written.
    pub fn finish(self, about: &serde_json::Value) -> Result<()> {
        let (path, rows, dim) = (&self.path, &self.rows, self.dim);
        let mut layers = Vec::new();
        for (name, spool) in [("encoder", self.encoder), ("dynamics", self.dynamics)] {
            let Some(spool) = spool else { continue };
            let mut file = spool
                .into_inner()
                .map_err(|e| Error::io(path, e.into_error()))?;
            file.seek(SeekFrom::Start(0))
                .map_err(|e| Error::io(path, e))?;
            let mut file = BufReader::new(file);
            let mut lengths = rows.iter().map(|(_, steps)| steps.len() * dim);
            let mut bytes = Vec::new();
            let next: NextRow = Box::new(move |row| {
                bytes.resize(4 * lengths.next().unwrap_or(0), 0);
                file.read_exact(&mut bytes)?;
                let values = bytes.as_chunks::<4>().0;
                row.extend(values.iter().map(|b| f32::from_le_bytes(*b)));
                Ok(())
            });
            layers.push((name, next));
        }
        let text = serde_json::to_string_pretty(about).unwrap_or_default();
        write_arrays(path, rows, dim, layers, Some(&text))?;
        write_about(path, about)
    }
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

/// A condition and its steps.
type Row = (u32, Vec<Step>);
/// Appends the next condition's latents `[step, latent]`.
type NextRow<'a> = Box<dyn FnMut(&mut Vec<f32>) -> std::io::Result<()> + 'a>;
type Zip<'a> = NpzWriter<BufWriter<&'a mut File>>;

fn write_about(path: &Path, about: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(about).unwrap_or_default();
    Ok(write_atomic(path.with_extension("json"), |out| {
        writeln!(out, "{text}")
    })?)
}

fn write_arrays(
    path: &Path,
    rows: &[Row],
    dim: usize,
    layers: Vec<(&str, NextRow)>,
    about: Option<&str>,
) -> Result<()> {
    Ok(write_atomic_file(path, |file| {
        let mut zip = NpzWriter::new(BufWriter::new(file));
        arrays(&mut zip, rows, dim, layers, about)?;
        zip.zip_writer().finish()?.flush()
    })?)
}

fn arrays(
    zip: &mut Zip,
    trials: &[Row],
    dim: usize,
    layers: Vec<(&str, NextRow)>,
    about: Option<&str>,
) -> std::io::Result<()> {
    let steps = trials.iter().map(|t| t.1.len()).max().unwrap_or(0);
    let shape = [trials.len() as u64, steps as u64, dim as u64];
    for (name, mut next) in layers {
        let mut writer = begin(zip, name, &shape)?;
        let mut row = Vec::with_capacity(steps * dim);
        for _ in trials {
            row.clear();
            next(&mut row)?;
            row.resize(steps * dim, f32::NAN);
            writer.extend(row.iter().copied())?;
        }
        writer.finish()?;
    }
    array(zip, "id", &shape[..1], trials.iter().map(|t| t.0))?;
    let counts = trials.iter().map(|t| t.1.len() as u32);
    array(zip, "n_steps", &shape[..1], counts)?;
    let each = || {
        trials
            .iter()
            .flat_map(|t| (0..steps).map(|k| t.1.get(k).copied()))
    };
    let frames = each().map(|s| s.map_or(-1, |s| s.frame as i32));
    array(zip, "frame", &shape[..2], frames)?;
    let bins = each().map(|s| s.map_or(-1, |s| s.bin as i32));
    array(zip, "bin", &shape[..2], bins)?;
    let times = each().map(|s| s.map_or(f64::NAN, |s| s.time_ms));
    array(zip, "time_ms", &shape[..2], times)?;
    let status = each().map(|s| match s.map(|s| s.status) {
        Some(Status::Context) => 0_u8,
        Some(Status::Visible) => 1,
        Some(Status::Hidden) => 2,
        None => 255,
    });
    array(zip, "status", &shape[..2], status)?;
    if let Some(about) = about {
        let bytes = about.as_bytes();
        array(
            zip,
            "about_json",
            &[bytes.len() as u64],
            bytes.iter().copied(),
        )?;
    }
    Ok(())
}

fn begin<'z, 'f, T: npyz::AutoSerialize>(
    zip: &'z mut Zip<'f>,
    name: &str,
    shape: &[u64],
) -> std::io::Result<npyz::NpyWriter<T, &'z mut npyz::zip::ZipWriter<BufWriter<&'f mut File>>>> {
    // Above 4 GiB an entry has a longer header, and this must be known before.
    let bytes = shape.iter().product::<u64>() * size_of::<T>() as u64;
    // No time stamp: the same latents are the same bytes.
    let options = FileOptions::default()
        .last_modified_time(npyz::zip::DateTime::default())
        .large_file(bytes > u64::from(u32::MAX) - (1 << 16));
    zip.array::<T>(name, options)?
        .default_dtype()
        .shape(shape)
        .begin_nd()
}

fn array<T: npyz::AutoSerialize>(
    zip: &mut Zip,
    name: &str,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> std::io::Result<()> {
    let mut writer = begin(zip, name, shape)?;
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

    fn layered(id: u32, n: usize, dim: usize) -> TrialLayers {
        let steps = (0..n).map(|k| Step {
            frame: k,
            time_ms: 300.0 + 50.0 * k as f64,
            bin: 6 + k,
            status: Status::Visible,
        });
        let latents: Vec<f32> = (0..n * dim).map(|v| (id as f32).sin() + v as f32).collect();
        TrialLayers {
            id,
            steps: steps.collect(),
            dim,
            encoder: Some(latents.clone()),
            dynamics: Some(latents.iter().map(|v| -v).collect()),
        }
    }

    /// The bytes of a file that was put together in memory, array by array, in the order of the format.
    #[test]
    fn a_file_written_condition_by_condition_is_that_of_one_held_in_memory() {
        use std::io::Cursor;
        let trials: Vec<TrialLayers> = (0..40).map(|k| layered(k, 1 + k as usize % 7, 3)).collect();
        let about = serde_json::json!({"model": "x"});
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut writer = LayersWriter::new(&path).unwrap();
        for trial in &trials {
            writer.push(trial).unwrap();
            let listing = std::fs::read_dir(folder.path()).unwrap();
            assert_eq!(
                listing.count(),
                0,
                "nothing is seen of it before it is whole"
            );
        }
        writer.finish(&about).unwrap();
        fn put<T: npyz::AutoSerialize>(
            zip: &mut NpzWriter<&mut Cursor<Vec<u8>>>,
            name: &str,
            shape: &[u64],
            values: Vec<T>,
        ) {
            let options = FileOptions::default().last_modified_time(npyz::zip::DateTime::default());
            let builder = zip.array::<T>(name, options).unwrap().default_dtype();
            let mut array = builder.shape(shape).begin_nd().unwrap();
            array.extend(values).unwrap();
            array.finish().unwrap();
        }
        let mut memory = Cursor::new(Vec::new());
        let mut zip = NpzWriter::new(&mut memory);
        let padded = |latents: &Option<Vec<f32>>| {
            let mut row = latents.clone().unwrap();
            row.resize(7 * 3, f32::NAN);
            row
        };
        let each = |row: &dyn Fn(&TrialLayers) -> Vec<f32>| trials.iter().flat_map(row).collect();
        put(
            &mut zip,
            "encoder",
            &[40, 7, 3],
            each(&|t| padded(&t.encoder)),
        );
        put(
            &mut zip,
            "dynamics",
            &[40, 7, 3],
            each(&|t| padded(&t.dynamics)),
        );
        put(&mut zip, "id", &[40], trials.iter().map(|t| t.id).collect());
        let counts = trials.iter().map(|t| t.steps.len() as u32);
        put(&mut zip, "n_steps", &[40], counts.collect());
        let n = |t: &TrialLayers| t.steps.len() as i32;
        let frames = |t: &TrialLayers| {
            let n = n(t);
            (0..7).map(move |k| if k < n { k } else { -1 })
        };
        put(
            &mut zip,
            "frame",
            &[40, 7],
            trials.iter().flat_map(frames).collect(),
        );
        let bins = trials
            .iter()
            .flat_map(frames)
            .map(|k| if k < 0 { k } else { 6 + k });
        put(&mut zip, "bin", &[40, 7], bins.collect());
        let times = trials.iter().flat_map(frames).map(|k| match k {
            -1 => f64::NAN,
            k => 300.0 + 50.0 * f64::from(k),
        });
        put(&mut zip, "time_ms", &[40, 7], times.collect());
        let status = trials.iter().flat_map(frames);
        let status = status.map(|k| if k < 0 { 255_u8 } else { 1 });
        put(&mut zip, "status", &[40, 7], status.collect());
        let text = serde_json::to_string_pretty(&about).unwrap().into_bytes();
        put(&mut zip, "about_json", &[text.len() as u64], text);
        drop(zip);
        assert_eq!(std::fs::read(&path).unwrap(), memory.into_inner());
    }

    #[test]
    fn conditions_that_do_not_fit_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LayersWriter::new(&folder.path().join("a.npz")).unwrap();
        writer.push(&layered(1, 3, 2)).unwrap();
        let alone = TrialLayers {
            dynamics: None,
            ..layered(2, 3, 2)
        };
        let short = TrialLayers {
            encoder: Some(vec![0.0; 5]),
            ..layered(2, 3, 2)
        };
        for other in [layered(2, 3, 4), alone, short] {
            assert!(matches!(writer.push(&other), Err(Error::Shape { .. })));
        }
        assert!(LayersWriter::new(&folder.path().join("no/where/a.npz")).is_err());
    }
}
