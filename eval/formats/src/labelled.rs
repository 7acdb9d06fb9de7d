//! Arrays with named axes and labels, as xarray keeps them, written as NetCDF and as Zarr.
//!
//! Both open with one line, `xarray.open_dataset(path)`, named axes and coordinates included. NetCDF is the classic format
//! with 64-bit offsets (CDF-2), which every library reads; Zarr is version 2, one uncompressed chunk an array. The same
//! arrays give the same bytes.
//!
//! Sources: Unidata, "NetCDF Classic Format Specification"; "Zarr storage specification version 2".

use std::path::Path;

use mental_pong_base::files::{create_folder, write_atomic};

use crate::error::{Error, Result};
use crate::value::count;

/// Values of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// f64, NaN where there is none.
    Floats(Vec<f64>),
    /// i32.
    Ints(Vec<i32>),
    /// Bytes, as for truth values.
    Bytes(Vec<i8>),
    /// Texts.
    Texts(Vec<String>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Ints(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Bytes of the longest text, at least 1.
    fn width(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.iter().map(String::len).max().unwrap_or(0).max(1),
            _ => 1,
        }
    }
}

/// One array.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name; that of an axis for the labels of that axis.
    pub name: String,
    /// Names of its axes.
    pub axes: Vec<String>,
    /// Its values, row-major.
    pub values: Values,
    /// What is said of it: `units`, `long_name`, …
    pub attributes: Vec<(String, String)>,
}

/// Arrays over shared axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Labelled {
    /// Name and length of each axis.
    pub axes: Vec<(String, usize)>,
    /// The arrays.
    pub variables: Vec<Variable>,
    /// What is said of the whole.
    pub attributes: Vec<(String, String)>,
}

impl Labelled {
    fn shape(&self, variable: &Variable) -> Result<Vec<usize>> {
        let length = |axis: &String| {
            let known = self.axes.iter().find(|(name, _)| name == axis);
            known.map(|&(_, length)| length).ok_or_else(|| {
                Error::shape(&variable.name, "axes that there are", format!("`{axis}`"))
            })
        };
        let shape = variable
            .axes
            .iter()
            .map(length)
            .collect::<Result<Vec<_>>>()?;
        if count(&shape) != Some(variable.values.len()) {
            let found = format!("{} values", variable.values.len());
            return Err(Error::shape(&variable.name, format!("{shape:?}"), found));
        }
        Ok(shape)
    }

    /// Write as NetCDF. The file appears only when it is whole. [`Error::Shape`] for an array that does not fit its axes,
    /// [`Error::Format`] for one above 4 GiB, [`Error::Io`].
    pub fn write_netcdf(&self, path: &Path) -> Result<()> {
        // Texts are rows of characters, which need an axis of their own.
        let mut axes = self.axes.clone();
        let mut places: Vec<(Vec<usize>, u64)> = Vec::new();
        for variable in &self.variables {
            self.shape(variable)?;
            let place = |axis: &String| axes.iter().position(|(name, _)| name == axis);
            let mut of: Vec<usize> = variable.axes.iter().filter_map(place).collect();
            let element = match &variable.values {
                Values::Floats(_) => 8,
                Values::Ints(_) => 4,
                Values::Bytes(_) => 1,
                Values::Texts(_) => {
                    let width = variable.values.width();
                    of.push(axes.len());
                    axes.push((format!("{}_length", variable.name), width));
                    width as u64
                }
            };
            let size = (variable.values.len() as u64 * element).next_multiple_of(4);
            if size > u64::from(u32::MAX) - 3 {
                let why = format!("{}: {size} bytes do not fit; take Zarr", variable.name);
                return Err(Error::format("NetCDF", None, why));
            }
            places.push((of, size));
        }
        let header = |begin: u64| self.netcdf_header(&axes, &places, begin);
        // Offsets have a fixed width, so the length of the header does not depend on them.
        let begin = header(0).len() as u64;
        let header = header(begin);
        write_atomic(path, |out| {
            out.write_all(&header)?;
            for variable in &self.variables {
                let mut written = 0_usize;
                let mut put = |bytes: &[u8]| {
                    written += bytes.len();
                    out.write_all(bytes)
                };
                match &variable.values {
                    Values::Floats(v) => v.iter().try_for_each(|v| put(&v.to_be_bytes()))?,
                    Values::Ints(v) => v.iter().try_for_each(|v| put(&v.to_be_bytes()))?,
                    Values::Bytes(v) => v.iter().try_for_each(|v| put(&v.to_be_bytes()))?,
                    Values::Texts(texts) => {
                        let width = variable.values.width();
                        for text in texts {
                            let mut row = text.clone().into_bytes();
                            row.resize(width, 0);
                            put(&row)?;
                        }
                    }
                }
                let padding = written.next_multiple_of(4) - written;
                out.write_all(&[0; 4][..padding])?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn netcdf_header(
        &self,
        axes: &[(String, usize)],
        places: &[(Vec<usize>, u64)],
        mut begin: u64,
    ) -> Vec<u8> {
        let mut out = b"CDF\x02\0\0\0\0".to_vec();
        let word = |out: &mut Vec<u8>, n: usize| {
            out.extend(u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes());
        };
        let name = |out: &mut Vec<u8>, text: &str| {
            word(out, text.len());
            out.extend(text.as_bytes());
            out.resize(out.len().next_multiple_of(4), 0);
        };
        let attributes = |out: &mut Vec<u8>, all: &[(String, String)]| {
            word(out, if all.is_empty() { 0 } else { 12 });
            word(out, all.len());
            for (key, text) in all {
                name(out, key);
                word(out, 2);
                name(out, text);
            }
        };
        word(&mut out, if axes.is_empty() { 0 } else { 10 });
        word(&mut out, axes.len());
        for (axis, length) in axes {
            name(&mut out, axis);
            word(&mut out, *length);
        }
        attributes(&mut out, &self.attributes);
        word(&mut out, if self.variables.is_empty() { 0 } else { 11 });
        word(&mut out, self.variables.len());
        for (variable, (of, size)) in self.variables.iter().zip(places) {
            name(&mut out, &variable.name);
            word(&mut out, of.len());
            for &axis in of {
                word(&mut out, axis);
            }
            let mut said = variable.attributes.clone();
            let code = match variable.values {
                Values::Floats(_) => 6,
                Values::Ints(_) => 4,
                Values::Bytes(_) => 1,
                Values::Texts(_) => {
                    said.push(("_Encoding".into(), "utf-8".into()));
                    2
                }
            };
            attributes(&mut out, &said);
            word(&mut out, code);
            word(&mut out, usize::try_from(*size).unwrap_or(usize::MAX));
            out.extend(begin.to_be_bytes());
            begin += size;
        }
        out
    }

    /// Write as a Zarr folder. [`Error::Shape`] for an array that does not fit its axes, [`Error::Io`].
    pub fn write_zarr(&self, folder: &Path) -> Result<()> {
        create_folder(folder)?;
        let text = |text: &str| {
            let escaped: String = text.chars().map(json_char).collect();
            format!("\"{escaped}\"")
        };
        let object = |all: &[(String, String)]| -> Vec<String> {
            let pair = |(key, value): &(String, String)| format!("{}: {}", text(key), text(value));
            all.iter().map(pair).collect()
        };
        let put = |path: std::path::PathBuf, content: &[u8]| {
            write_atomic(path, |out| out.write_all(content))
        };
        for variable in &self.variables {
            let shape = self.shape(variable)?;
            let folder = folder.join(&variable.name);
            create_folder(&folder)?;
            let (dtype, fill, bytes) = zarr_bytes(&variable.values);
            let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
            let lengths = lengths.join(", ");
            let about = format!(
                "{{\"zarr_format\": 2, \"shape\": [{lengths}], \"chunks\": [{lengths}], \"dtype\": \"{dtype}\", \"compressor\": null, \"fill_value\": {fill}, \"order\": \"C\", \"filters\": null}}\n"
            );
            put(folder.join(".zarray"), about.as_bytes())?;
            let axes: Vec<String> = variable.axes.iter().map(|axis| text(axis)).collect();
            let mut said = vec![format!("\"_ARRAY_DIMENSIONS\": [{}]", axes.join(", "))];
            said.extend(object(&variable.attributes));
            put(
                folder.join(".zattrs"),
                format!("{{{}}}\n", said.join(", ")).as_bytes(),
            )?;
            let chunk: Vec<&str> = shape.iter().map(|_| "0").collect();
            let chunk = if chunk.is_empty() {
                "0".into()
            } else {
                chunk.join(".")
            };
            put(folder.join(chunk), &bytes)?;
        }
        let said = object(&self.attributes).join(", ");
        put(folder.join(".zattrs"), format!("{{{said}}}\n").as_bytes())?;
        // The group last: a folder without it is no data set.
        put(folder.join(".zgroup"), b"{\"zarr_format\": 2}\n")?;
        Ok(())
    }
}

fn json_char(c: char) -> String {
    match c {
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        c if u32::from(c) < 0x20 => format!("\\u{:04x}", u32::from(c)),
        c => c.into(),
    }
}

/// Name of the type, value of what is missing, bytes.
fn zarr_bytes(values: &Values) -> (String, &'static str, Vec<u8>) {
    match values {
        Values::Floats(v) => (
            "<f8".into(),
            "\"NaN\"",
            v.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        Values::Ints(v) => (
            "<i4".into(),
            "0",
            v.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        Values::Bytes(v) => (
            "|i1".into(),
            "0",
            v.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        Values::Texts(texts) => {
            let width = texts.iter().map(|t| t.chars().count()).max().unwrap_or(0);
            let width = width.max(1);
            let mut bytes = Vec::with_capacity(4 * width * texts.len());
            for text in texts {
                let units = text.chars().map(u32::from).chain(std::iter::repeat(0));
                bytes.extend(units.take(width).flat_map(u32::to_le_bytes));
            }
            (format!("<U{width}"), "\"\"", bytes)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::value::Value;

    fn small() -> Labelled {
        let text = |t: &str| t.to_owned();
        Labelled {
            axes: vec![(text("unit"), 2), (text("condition"), 3)],
            variables: vec![
                Variable {
                    name: text("responses"),
                    axes: vec![text("unit"), text("condition")],
                    values: Values::Floats(vec![1.0, 2.0, f64::NAN, -4.0, 5.5, 6.0]),
                    attributes: vec![(text("units"), text("spikes/ms"))],
                },
                Variable {
                    name: text("condition"),
                    axes: vec![text("condition")],
                    values: Values::Texts(vec![text("a"), text("bé"), text("29337")]),
                    attributes: Vec::new(),
                },
                Variable {
                    name: text("inside"),
                    axes: vec![text("condition")],
                    values: Values::Bytes(vec![1, 0, 1]),
                    attributes: Vec::new(),
                },
            ],
            attributes: vec![(text("set_name"), text("own"))],
        }
    }

    #[test]
    fn netcdf_reads_back_and_damage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        small().write_netcdf(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let read = || {
            crate::arrays::Arrays::open(&path)?
                .unwrap()
                .tree(&Limits::default())
        };
        let value = read().unwrap();
        assert_eq!(
            value.get("set_name").unwrap().as_str().as_deref(),
            Some("own")
        );
        let Some(Value::Array(responses)) = value.get("responses") else {
            unreachable!()
        };
        assert_eq!(responses.shape(), [2, 3]);
        assert_eq!(responses.to_f64().unwrap()[3..], [-4.0, 5.5, 6.0]);
        let Some(Value::Array(ids)) = value.get("condition") else {
            unreachable!()
        };
        let ids: Vec<Value> = ids.items().collect();
        assert_eq!(ids[1], Value::Str("bé".into()));
        // The last byte fills a word up and holds no value; what is shorter than a magic number is another file.
        for end in 4..bytes.len() - 1 {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(read().is_err(), "{end}");
        }
        let mut other = small();
        other.variables[0].axes.pop();
        assert!(other.write_netcdf(&path).is_err());
    }
}
