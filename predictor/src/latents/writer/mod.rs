//! Latents as files: `.npz`, safetensors, NetCDF or Zarr, one condition after the other.

mod journal;
mod labelled;
mod npz;
mod safetensors;

use std::cell::RefCell;
use std::io::{BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};

use mental_pong_base::files::{write_atomic, write_atomic_file};
use mental_pong_game::task::SetIdentity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::journal::Journal;
use super::{ConditionLatents, Latents, LayerInfo, Step};
use crate::{Error, Result};

/// What the times of every file count from.
pub const CLOCK: &str = "ms from motion onset: frame 0, the last with the ball at rest, is 0 ms, frame n is n * 1000 / rate_hz";

/// The set that latents are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfSet {
    /// Its name and hash.
    #[serde(flatten)]
    pub identity: SetIdentity,
    /// Frames per second.
    pub rate_hz: f64,
}

/// A file format of latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy's zip of arrays.
    Npz,
    /// Tensors after a header.
    Safetensors,
    /// NetCDF 3 with 64-bit offsets; `xarray.open_dataset` opens it.
    Netcdf,
    /// A folder of Zarr version 2; `xarray.open_dataset` opens it.
    Zarr,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Npz, Self::Safetensors, Self::Netcdf, Self::Zarr];

    /// The format's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Npz => "npz",
            Self::Safetensors => "safetensors",
            Self::Netcdf => "netcdf",
            Self::Zarr => "zarr",
        }
    }

    /// How the names of such files end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Netcdf => "nc",
            other => other.name(),
        }
    }

    /// The format that a file's name says.
    ///
    /// # Errors
    /// [`Error::Config`] for a name that ends otherwise.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|e| e.to_string_lossy().into_owned());
        let found = Self::ALL
            .into_iter()
            .find(|f| extension.as_deref() == Some(f.extension()));
        found.ok_or_else(|| Error::Config {
            place: path.display().to_string(),
            field: "out".into(),
            expected: "a name that ends in .npz, .safetensors, .nc or .zarr".into(),
            found: extension.map_or("none of them".into(), |e| format!(".{e}")),
        })
    }
}

/// A file of latents that takes one condition after the other, so that memory holds one condition's.
///
/// What is finished stands in `OUT.progress` until [`LatentsWriter::finish`]: a writer for the same file
/// and the same work goes on after it, one for other work begins anew.
///
/// Arrays: each layer `[condition, step, unit]` f32 (NaN beyond a condition's last step), `frame` (−1),
/// `time_ms` (NaN) and `status` (0 context, 1 visible, 2 hidden; padding 255, in NetCDF and Zarr −1)
/// `[condition, step]`, `id` (text) and `n_steps` `[condition]`; and `set_name`, `set_sha256`,
/// `rate_hz`, `clock` and `about_json`.
#[derive(Debug)]
pub struct LatentsWriter {
    path: PathBuf,
    format: Format,
    journal: Journal,
}

impl LatentsWriter {
    /// A writer for the file `path`, which is not touched yet. `work` says all that the latents depend on:
    /// what an earlier writer of the same work left is kept.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file that cannot be written.
    pub fn new(path: &Path, format: Format, layers: &[LayerInfo], work: &Value) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".progress");
        let key = json!({"layers": layers, "work": work}).to_string();
        Ok(Self {
            path: path.to_path_buf(),
            format,
            journal: Journal::open(Path::new(&name), &key, layers)?,
        })
    }

    /// Ids of the conditions that are in it, in order.
    pub fn done(&self) -> impl Iterator<Item = &str> {
        (0..self.journal.conditions()).map(|k| self.journal.id(k))
    }

    /// The next condition.
    ///
    /// # Errors
    /// [`Error::Shape`] for other layers than the first one's; [`Error::Io`] naming the file when the disk
    /// is full.
    pub fn push(&mut self, condition: &ConditionLatents) -> Result<()> {
        self.journal.push(condition)
    }

    /// Puts the file together: it appears whole, and beside it `about` as `.json`.
    ///
    /// # Errors
    /// [`Error::File`] naming the file that cannot be written.
    pub fn finish(mut self, set: &OfSet, about: &Value) -> Result<()> {
        Content::new(&mut self.journal, set, about).write(self.format, &self.path)?;
        self.journal.remove()
    }
}

impl Latents {
    /// Writes them as the file's name says, with `about` beside it as `.json`; the arrays are those of [`LatentsWriter`].
    ///
    /// # Errors
    /// As [`Format::of`]; [`Error::Shape`] for a condition with other values than its steps and the layers say;
    /// [`Error::File`] naming the file that cannot be written.
    pub fn write(&self, path: &Path, set: &OfSet, about: &Value) -> Result<()> {
        let format = Format::of(path)?;
        self.conditions
            .iter()
            .try_for_each(|c| c.fits(&self.layers))?;
        Content::new(&mut &*self, set, about).write(format, path)
    }

    /// The bytes of the `.npz` that [`Latents::write`] writes.
    ///
    /// # Errors
    /// [`Error::Shape`] as [`Latents::write`]; [`Error::Io`] for an array that the format cannot hold.
    pub fn npz(&self, set: &OfSet, about: &Value) -> Result<Vec<u8>> {
        self.conditions
            .iter()
            .try_for_each(|c| c.fits(&self.layers))?;
        let out = Cursor::new(Vec::new());
        let written = npz::write(&mut Content::new(&mut &*self, set, about), out);
        let bytes = written.map_err(|e| Error::io(Path::new("latents"), e))?;
        Ok(bytes.into_inner())
    }
}

/// Conditions that are there to be written, one layer of one condition at a time.
trait Stored {
    fn layers(&self) -> &[LayerInfo];
    fn conditions(&self) -> usize;
    fn id(&self, condition: usize) -> &str;
    fn steps(&self, condition: usize) -> &[Step];
    /// Reads a layer of a condition, `[step, unit]`, as little-endian bytes.
    fn read(&mut self, condition: usize, layer: usize, out: &mut Vec<u8>) -> std::io::Result<()>;
}

impl Stored for &Latents {
    fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    fn conditions(&self) -> usize {
        self.conditions.len()
    }

    fn id(&self, condition: usize) -> &str {
        &self.conditions[condition].id
    }

    fn steps(&self, condition: usize) -> &[Step] {
        &self.conditions[condition].steps
    }

    fn read(&mut self, condition: usize, layer: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        out.clear();
        let values = &self.conditions[condition].layers[layer];
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        Ok(())
    }
}

/// What a file holds.
struct Content<'a> {
    stored: &'a mut dyn Stored,
    layers: Vec<LayerInfo>,
    /// Steps of the longest condition.
    steps: usize,
    set: &'a OfSet,
    about: String,
}

/// A small array of one value for each condition and step.
#[derive(Clone, Copy)]
enum Each {
    Frame,
    TimeMs,
    Status,
}

impl<'a> Content<'a> {
    fn new(stored: &'a mut dyn Stored, set: &'a OfSet, about: &Value) -> Self {
        let lengths = (0..stored.conditions()).map(|k| stored.steps(k).len());
        Self {
            steps: lengths.max().unwrap_or(0),
            layers: stored.layers().to_vec(),
            stored,
            set,
            about: serde_json::to_string_pretty(about).unwrap_or_default(),
        }
    }

    /// The file, whole, and `about` beside it.
    fn write(mut self, format: Format, path: &Path) -> Result<()> {
        match format {
            Format::Npz => write_atomic_file(path, |file| {
                npz::write(&mut self, BufWriter::new(file))?.flush()
            })?,
            Format::Safetensors => {
                write_atomic_file(path, |file| safetensors::write(&mut self, file))?;
            }
            Format::Netcdf | Format::Zarr => {
                let shared = RefCell::new(self);
                let mut all = labelled::of(&shared);
                let written = match format {
                    Format::Zarr => all.write_zarr(path),
                    _ => all.write_netcdf(path),
                };
                written.map_err(|error| match error {
                    mental_pong_formats::Error::Io(error) => Error::File(error),
                    other => Error::io(path, std::io::Error::other(other.to_string())),
                })?;
                drop(all);
                self = shared.into_inner();
            }
        }
        let text = self.about;
        write_atomic(path.with_extension("json"), |out| writeln!(out, "{text}"))?;
        Ok(())
    }

    fn conditions(&self) -> usize {
        self.stored.conditions()
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        (0..self.conditions()).map(|k| self.stored.id(k))
    }

    fn n_steps(&self) -> impl Iterator<Item = i32> {
        (0..self.conditions()).map(|k| self.stored.steps(k).len() as i32)
    }

    /// Characters of the longest id, at least 1.
    fn id_chars(&self) -> usize {
        self.ids()
            .map(|id| id.chars().count())
            .max()
            .unwrap_or(0)
            .max(1)
    }

    /// A condition's steps, with nothing for the padding.
    fn padded(&self, condition: usize) -> impl Iterator<Item = Option<&Step>> {
        let steps = self.stored.steps(condition);
        (0..self.steps).map(|k| steps.get(k))
    }

    /// A condition's row of a small array, little-endian: i32, f64, or u8.
    fn row(&self, what: Each, condition: usize) -> Vec<u8> {
        let steps = self.padded(condition);
        match what {
            Each::Frame => steps
                .flat_map(|s| s.map_or(-1, |s| s.frame as i32).to_le_bytes())
                .collect(),
            Each::TimeMs => steps
                .flat_map(|s| s.map_or(f64::NAN, |s| s.time_ms).to_le_bytes())
                .collect(),
            Each::Status => steps.map(|s| s.map_or(255, |s| s.status.code())).collect(),
        }
    }

    /// A condition's layer, padded with NaN, little-endian f32.
    fn layer(&mut self, condition: usize, layer: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        self.stored.read(condition, layer, out)?;
        let whole = 4 * self.steps * self.layers[layer].units;
        let nan = f32::NAN.to_le_bytes();
        out.extend(std::iter::repeat_n(nan, (whole - out.len()) / 4).flatten());
        Ok(())
    }

    /// Name of the axis of a layer's units: one for all where they are as many.
    fn unit_axis(&self, layer: usize) -> String {
        let alike = self.layers.iter().all(|l| l.units == self.layers[0].units);
        match alike {
            true => "unit".into(),
            false => format!("unit_{}", self.layers[layer].name),
        }
    }
}
