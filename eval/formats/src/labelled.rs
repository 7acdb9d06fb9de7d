//! Arrays with named axes and labels, as xarray keeps them, written as NetCDF and as Zarr.
//!
//! Both open with one line, `xarray.open_dataset(path)`, named axes and coordinates included. NetCDF is the classic format
//! with 64-bit offsets (CDF-2), which every library reads; Zarr is version 2, not compressed. The same arrays give the same
//! bytes. An array may be given row by row, so that it need not be in memory; [`crate::arrays`] reads both.
//!
//! Sources: Unidata, "NetCDF Classic Format Specification"; "Zarr storage specification version 2".

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use mental_pong_base::IoError;
use mental_pong_base::files::{create_folder, folder_of, write_atomic_file, write_whole};
use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::value::count;

/// One row of an array that is given row by row, little-endian, put at the end of the bytes.
pub type Row<'a> = Box<dyn FnMut(usize, &mut Vec<u8>) -> io::Result<()> + 'a>;

/// Values of an array.
pub enum Values<'a> {
    /// f64, NaN where there is none.
    Floats(Vec<f64>),
    /// i32.
    Ints(Vec<i32>),
    /// Bytes, as for truth values.
    Bytes(Vec<i8>),
    /// Texts.
    Texts(Vec<String>),
    /// f32, a row of the first axis at a time.
    Rows(Row<'a>),
}

/// What is said of an array or of the whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
}

impl From<&str> for Said {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// One array.
pub struct Variable<'a> {
    /// Its name; that of an axis for the labels of that axis.
    pub name: String,
    /// Names of its axes.
    pub axes: Vec<String>,
    /// Its values, row-major.
    pub values: Values<'a>,
    /// What is said of it: `units`, `long_name`, …
    pub attributes: Vec<(String, Said)>,
}

/// Arrays over shared axes.
#[derive(Default)]
pub struct Labelled<'a> {
    /// Name and length of each axis.
    pub axes: Vec<(String, usize)>,
    /// The arrays.
    pub variables: Vec<Variable<'a>>,
    /// What is said of the whole.
    pub attributes: Vec<(String, Said)>,
    /// The axis of which NetCDF keeps one record after the other: arrays that begin with it may be larger than 4 GiB.
    pub records: Option<String>,
}

/// Bytes as they are wanted in a file.
struct Form {
    shape: Vec<usize>,
    /// Bytes of an element; of a text in the encoding of the format.
    width: usize,
}

impl Form {
    fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    fn row_bytes(&self) -> usize {
        self.shape.iter().skip(1).product::<usize>() * self.width
    }
}

impl Values<'_> {
    fn len(&self) -> Option<usize> {
        match self {
            Self::Floats(values) => Some(values.len()),
            Self::Ints(values) => Some(values.len()),
            Self::Bytes(values) => Some(values.len()),
            Self::Texts(values) => Some(values.len()),
            Self::Rows(_) => None,
        }
    }

    /// Bytes of an element; of texts those of the longest, `wide` as UTF-32.
    fn width(&self, wide: bool) -> usize {
        let of = |text: &String| match wide {
            true => 4 * text.chars().count(),
            false => text.len(),
        };
        match self {
            Self::Floats(_) => 8,
            Self::Ints(_) | Self::Rows(_) => 4,
            Self::Bytes(_) => 1,
            Self::Texts(texts) => {
                let least = if wide { 4 } else { 1 };
                texts.iter().map(of).max().unwrap_or(0).max(least)
            }
        }
    }

    /// A row, little-endian, into `out`, which is emptied first.
    fn row(&mut self, form: &Form, row: usize, wide: bool, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        let length = form.row_bytes() / form.width;
        let range = row * length..(row + 1) * length;
        match self {
            Self::Floats(values) => out.extend(values[range].iter().flat_map(|v| v.to_le_bytes())),
            Self::Ints(values) => out.extend(values[range].iter().flat_map(|v| v.to_le_bytes())),
            Self::Bytes(values) => out.extend(values[range].iter().flat_map(|v| v.to_le_bytes())),
            Self::Texts(texts) => {
                for text in &texts[range] {
                    let end = out.len() + form.width;
                    match wide {
                        true => out.extend(text.chars().flat_map(|c| u32::from(c).to_le_bytes())),
                        false => out.extend(text.as_bytes()),
                    }
                    out.resize(end, 0);
                }
            }
            Self::Rows(of) => of(row, out)?,
        }
        if out.len() != form.row_bytes() {
            return Err(io::Error::other(
                "a row of another length than its shape says",
            ));
        }
        Ok(())
    }
}

impl Labelled<'_> {
    /// Shape and width of every array. [`Error::Shape`] for one that does not fit its axes.
    fn forms(&self, wide: bool) -> Result<Vec<Form>> {
        let form = |variable: &Variable| {
            let length = |axis: &String| {
                let known = self.axes.iter().find(|(name, _)| name == axis);
                known.map(|&(_, length)| length).ok_or_else(|| {
                    Error::shape(&variable.name, "axes that there are", format!("`{axis}`"))
                })
            };
            let shape = variable.axes.iter().map(length);
            let shape = shape.collect::<Result<Vec<_>>>()?;
            if let Some(found) = variable.values.len()
                && count(&shape) != Some(found)
            {
                let found = format!("{found} values");
                return Err(Error::shape(&variable.name, format!("{shape:?}"), found));
            }
            let width = variable.values.width(wide);
            Ok(Form { shape, width })
        };
        self.variables.iter().map(form).collect()
    }

    /// Write as NetCDF. The file appears only when it is whole. [`Error::Shape`] for an array that does not fit its axes,
    /// [`Error::Format`] for one above 4 GiB (of records, for a row above), [`Error::Io`].
    pub fn write_netcdf(&mut self, path: &Path) -> Result<()> {
        let forms = self.forms(false)?;
        let of_records = |variable: &Variable| {
            self.records.is_some() && variable.axes.first() == self.records.as_ref()
        };
        let records: Vec<bool> = self.variables.iter().map(of_records).collect();
        let mut sizes = Vec::new();
        for ((variable, form), record) in self.variables.iter().zip(&forms).zip(&records) {
            let rows = if *record { 1 } else { form.rows() };
            let size = (rows as u64 * form.row_bytes() as u64).next_multiple_of(4);
            let Some(size) = u32::try_from(size).ok().filter(|size| *size < u32::MAX - 3) else {
                let why = format!("{}: {size} bytes do not fit; take Zarr", variable.name);
                return Err(Error::format("NetCDF", None, why));
            };
            sizes.push(size);
        }
        let header = |begins: &[u64]| self.header(&forms, &sizes, begins);
        // Places have a fixed width, so the length of the header does not depend on them. Records come last.
        let mut begins = vec![0; forms.len()];
        let mut begin = header(&begins).len() as u64;
        for record in [false, true] {
            for at in (0..forms.len()).filter(|&at| records[at] == record) {
                begins[at] = begin;
                begin += u64::from(sizes[at]);
            }
        }
        let header = header(&begins);
        let rows = self
            .axes
            .iter()
            .find(|(name, _)| Some(name) == self.records.as_ref());
        let rows = rows.map_or(0, |(_, rows)| *rows);
        let variables = &mut self.variables;
        write_atomic_file(path, |file| {
            let mut out = BufWriter::with_capacity(1 << 20, file);
            out.write_all(&header)?;
            let mut bytes = Vec::new();
            for at in (0..forms.len()).filter(|&at| !records[at]) {
                let mut written = 0;
                for row in 0..forms[at].rows() {
                    big_endian(&mut variables[at], &forms[at], row, &mut bytes)?;
                    out.write_all(&bytes)?;
                    written += bytes.len();
                }
                out.write_all(&[0; 4][..written.next_multiple_of(4) - written])?;
            }
            for row in 0..rows {
                for at in (0..forms.len()).filter(|&at| records[at]) {
                    big_endian(&mut variables[at], &forms[at], row, &mut bytes)?;
                    bytes.resize(bytes.len().next_multiple_of(4), 0);
                    out.write_all(&bytes)?;
                }
            }
            out.flush()
        })?;
        Ok(())
    }

    fn header(&self, forms: &[Form], sizes: &[u32], begins: &[u64]) -> Vec<u8> {
        let record = |name: &String| Some(name) == self.records.as_ref();
        let rows = self.axes.iter().find(|(name, _)| record(name));
        let mut axes: Vec<(String, usize)> = self.axes.clone();
        for (name, length) in &mut axes {
            if record(name) {
                *length = 0;
            }
        }
        // Texts are rows of characters, which need an axis of their own.
        let mut places = Vec::new();
        for (variable, form) in self.variables.iter().zip(forms) {
            let place = |axis: &String| axes.iter().position(|(name, _)| name == axis);
            let mut of: Vec<usize> = variable.axes.iter().filter_map(place).collect();
            if matches!(variable.values, Values::Texts(_)) {
                of.push(axes.len());
                axes.push((format!("{}_length", variable.name), form.width));
            }
            places.push(of);
        }
        let mut out = b"CDF\x02".to_vec();
        word(&mut out, rows.map_or(0, |(_, rows)| *rows));
        list(&mut out, 10, axes.len());
        for (axis, length) in &axes {
            name(&mut out, axis);
            word(&mut out, *length);
        }
        attributes(&mut out, &self.attributes);
        list(&mut out, 11, self.variables.len());
        for (at, variable) in self.variables.iter().enumerate() {
            name(&mut out, &variable.name);
            word(&mut out, places[at].len());
            places[at].iter().for_each(|&axis| word(&mut out, axis));
            let mut said = variable.attributes.clone();
            let code = match variable.values {
                Values::Floats(_) => 6,
                Values::Rows(_) => 5,
                Values::Ints(_) => 4,
                Values::Bytes(_) => 1,
                Values::Texts(_) => {
                    said.push(("_Encoding".into(), "utf-8".into()));
                    2
                }
            };
            attributes(&mut out, &said);
            word(&mut out, code);
            out.extend(sizes[at].to_be_bytes());
            out.extend(begins[at].to_be_bytes());
        }
        out
    }

    /// Write as a Zarr folder, a chunk an array, of arrays that are given by rows a chunk a row. The folder appears only when
    /// it is whole, in the place of an earlier Zarr group. [`Error::Shape`] for an array that does not fit its axes,
    /// [`Error::Io`].
    pub fn write_zarr(&mut self, folder: &Path) -> Result<()> {
        let forms = self.forms(true)?;
        let failed = |error| IoError::on("write", folder)(error);
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let part = Unfinished(folder_of(folder).join(format!(".part-{name}")));
        if part.0.exists() {
            std::fs::remove_dir_all(&part.0).map_err(failed)?;
        }
        create_folder(&part.0)?;
        self.fill(&forms, &part.0)?;
        if folder.exists() {
            // Only what is a Zarr group is taken for an earlier result.
            if !folder.join(".zgroup").is_file() {
                let other = io::Error::other("there is something else than a Zarr group");
                return Err(failed(other).into());
            }
            std::fs::remove_dir_all(folder).map_err(failed)?;
        }
        Ok(std::fs::rename(&part.0, folder).map_err(failed)?)
    }

    fn fill(&mut self, forms: &[Form], folder: &Path) -> Result<()> {
        let mut all = Map::new();
        let mut put = |name: String, value: Json| -> Result<()> {
            write_whole(&folder.join(&name), value.to_string().as_bytes())?;
            all.insert(name, value);
            Ok(())
        };
        put(".zgroup".into(), json!({"zarr_format": 2}))?;
        put(".zattrs".into(), object(&self.attributes))?;
        for (variable, form) in self.variables.iter().zip(forms) {
            create_folder(folder.join(&variable.name))?;
            let (dtype, missing) = match variable.values {
                Values::Floats(_) => ("<f8".to_owned(), json!("NaN")),
                Values::Rows(_) => ("<f4".to_owned(), json!("NaN")),
                // Any value would be read as missing.
                Values::Ints(_) => ("<i4".to_owned(), Json::Null),
                Values::Bytes(_) => ("|i1".to_owned(), Json::Null),
                Values::Texts(_) => (format!("<U{}", form.width / 4), Json::Null),
            };
            let mut chunk = form.shape.clone();
            if let (Values::Rows(_), Some(first)) = (&variable.values, chunk.first_mut()) {
                *first = 1;
            }
            let about = json!({
                "zarr_format": 2, "shape": form.shape, "chunks": chunk, "dtype": dtype, "order": "C",
                "compressor": null, "filters": null, "fill_value": missing,
            });
            put(format!("{}/.zarray", variable.name), about)?;
            let mut said = object(&variable.attributes);
            said["_ARRAY_DIMENSIONS"] = json!(variable.axes);
            put(format!("{}/.zattrs", variable.name), said)?;
        }
        let consolidated = json!({"zarr_consolidated_format": 1, "metadata": all});
        let path = folder.join(".zmetadata");
        write_whole(&path, consolidated.to_string().as_bytes())?;
        for (variable, form) in self.variables.iter_mut().zip(forms) {
            let folder = folder.join(&variable.name);
            let rest = form.shape.iter().skip(1).map(|_| ".0").collect::<String>();
            let (mut row, mut chunk) = (Vec::new(), Vec::new());
            let by_rows = matches!(variable.values, Values::Rows(_));
            for number in 0..form.rows() {
                let read = variable.values.row(form, number, true, &mut row);
                read.map_err(IoError::on("write", &folder))?;
                if by_rows {
                    write_whole(&folder.join(format!("{number}{rest}")), &row)?;
                } else {
                    chunk.extend(&row);
                }
            }
            if !by_rows {
                write_whole(&folder.join(format!("0{rest}")), &chunk)?;
            }
        }
        Ok(())
    }
}

/// Takes an unfinished folder away, unless it was finished.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn object(all: &[(String, Said)]) -> Json {
    let pair = |(key, value): &(String, Said)| {
        let value = match value {
            Said::Text(text) => json!(text),
            Said::Number(number) => json!(number),
        };
        (key.clone(), value)
    };
    Json::Object(all.iter().map(pair).collect())
}

/// A row as NetCDF has it.
fn big_endian(
    variable: &mut Variable,
    form: &Form,
    row: usize,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    variable.values.row(form, row, false, bytes)?;
    if !matches!(variable.values, Values::Texts(_)) {
        bytes.chunks_exact_mut(form.width).for_each(<[u8]>::reverse);
    }
    Ok(())
}

fn word(out: &mut Vec<u8>, n: usize) {
    out.extend(u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes());
}

/// The tag and the length of a list.
fn list(out: &mut Vec<u8>, tag: usize, length: usize) {
    word(out, if length == 0 { 0 } else { tag });
    word(out, length);
}

fn name(out: &mut Vec<u8>, text: &str) {
    word(out, text.len());
    out.extend(text.as_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
}

fn attributes(out: &mut Vec<u8>, all: &[(String, Said)]) {
    list(out, 12, all.len());
    for (key, said) in all {
        name(out, key);
        match said {
            Said::Text(text) => {
                word(out, 2);
                name(out, text);
            }
            Said::Number(number) => {
                word(out, 6);
                word(out, 1);
                out.extend(number.to_be_bytes());
            }
        }
    }
}
