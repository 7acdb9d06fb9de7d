//! HDF5 files by groups, and NetCDF 4, which names the axes of their datasets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hdf5_pure::{AttrValue, DType, Dataset, File, Group, VlenStringReadOptions};

use super::{Arrays, Held, MOST_ARRAYS, Place, dtype, wrong};
use crate::error::{Result, quoted};
use crate::limits::{Budget, check_count};
use crate::value::{Array, ByteOrder, Dtype, Kind};

/// How deep groups may be nested.
const DEEPEST: usize = 16;
/// Why an array is left out whose numbers stand for others.
pub(super) const PACKED: &str = "numbers packed by scale_factor or add_offset";

/// Whether an array says that its numbers stand for others.
pub(super) fn packed<'a>(attributes: impl Iterator<Item = &'a str>) -> bool {
    let mut attributes = attributes;
    attributes.any(|name| matches!(name, "scale_factor" | "add_offset"))
}

fn broken(path: &str, error: impl std::fmt::Display) -> crate::Error {
    wrong(format!("HDF5, {}: {error}", quoted(path)))
}

pub(super) fn open(path: &Path) -> Result<Arrays> {
    let file = File::open_streaming(path).map_err(|error| broken("/", error))?;
    let mut arrays = Arrays::of("HDF5");
    let root = file.root();
    let attributes = root.attrs().map_err(|error| broken("/", error))?;
    if attributes.contains_key("_NCProperties") {
        arrays.format = "NetCDF 4 (HDF5)";
    }
    for (name, value) in attributes {
        if let Some(text) = text(&value) {
            arrays.notes.insert(name, text);
        }
    }
    // The places of axes in NetCDF 4, and who refers to them.
    let mut names = BTreeMap::new();
    let mut places = BTreeMap::new();
    group(&root, "", 1, &mut arrays, &mut names, &mut places)?;
    for (name, of) in places {
        let axes = of.iter().map(|place| names.get(place).cloned());
        if let (Some(held), Some(axes)) = (arrays.held.get_mut(&name), axes.collect::<Option<_>>())
        {
            held.axes = axes;
        }
    }
    arrays.hdf5 = Some(file);
    Ok(arrays)
}

fn text(value: &AttrValue) -> Option<String> {
    let number = || {
        let many = value.to_f64s().filter(|many| many.len() == 1);
        value
            .as_f64()
            .or_else(|| Some(many?[0]))
            .map(|v| v.to_string())
    };
    let text = value.as_str().map(str::to_owned);
    let first = || Some(value.as_strings().filter(|texts| texts.len() == 1)?[0].clone());
    text.or_else(first).or_else(number)
}

fn group(
    group: &Group,
    path: &str,
    depth: usize,
    arrays: &mut Arrays,
    names: &mut BTreeMap<i64, String>,
    places: &mut BTreeMap<String, Vec<i64>>,
) -> Result<()> {
    let failed = |error| broken(path, error);
    if depth > DEEPEST {
        return Err(broken(path, "groups nested too deep"));
    }
    let within = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    };
    for name in group.datasets().map_err(failed)? {
        check_count("arrays of the file", arrays.held.len(), MOST_ARRAYS)?;
        let dataset = group.dataset(&name).map_err(failed)?;
        let full = within(&name);
        let about = dataset.attrs().map_err(failed)?;
        let place = about.get("_Netcdf4Dimid").and_then(AttrValue::as_i64);
        let is_axis = about.get("CLASS").and_then(text).as_deref() == Some("DIMENSION_SCALE");
        if let (true, Some(place)) = (is_axis, place) {
            names.insert(place, name.clone());
            if about
                .get("NAME")
                .and_then(text)
                .is_some_and(|t| t.starts_with("This is a netCDF dimension"))
            {
                continue;
            }
        }
        match (
            about
                .get("_Netcdf4Coordinates")
                .and_then(AttrValue::to_i64s),
            place,
        ) {
            (Some(of), _) => drop(places.insert(full.clone(), of)),
            (None, Some(place)) if is_axis => drop(places.insert(full.clone(), vec![place])),
            _ => {}
        }
        let kind = if packed(about.keys().map(String::as_str)) {
            Err(PACKED.to_owned())
        } else {
            element(&dataset).map_err(failed)?
        };
        let kind = match kind {
            Ok(kind) => kind,
            Err(what) => {
                arrays.left_out.push((full, what));
                continue;
            }
        };
        let shape = dataset
            .shape()
            .map_err(failed)?
            .into_iter()
            .map(|n| n.try_into().ok());
        let shape: Option<Vec<usize>> = shape.collect();
        let held = Held {
            shape: shape.ok_or_else(|| broken(&full, "a shape that does not fit into memory"))?,
            axes: Vec::new(),
            dtype: kind,
            place: Place::Hdf5(full.clone()),
        };
        held.bytes()
            .ok_or_else(|| broken(&full, "more elements than can be"))?;
        arrays.held.insert(full, held);
    }
    for name in group.groups().map_err(failed)? {
        let inner = group.group(&name).map_err(failed)?;
        self::group(&inner, &within(&name), depth + 1, arrays, names, places)?;
    }
    Ok(())
}

/// What an element is given as; what it is where it is not read.
fn element(
    dataset: &Dataset,
) -> std::result::Result<std::result::Result<Dtype, String>, hdf5_pure::Error> {
    Ok(Ok(match dataset.dtype()? {
        DType::F32 | DType::F64 => Dtype::F64,
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => dtype(Kind::Int, 8, ByteOrder::Little),
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => dtype(Kind::Int, 8, ByteOrder::Little),
        // h5py keeps truth values as an enumeration of bytes.
        DType::Enum(..) if dataset.element_size()? == 1 => {
            dtype(Kind::Bool, 1, ByteOrder::NotApplicable)
        }
        DType::VariableLengthString | DType::String => {
            dtype(Kind::Bytes, 1, ByteOrder::NotApplicable)
        }
        other => return Ok(Err(format!("elements of type {other}"))),
    }))
}

/// One row, or all where there are no axes.
pub(super) fn row(file: &File, name: &str, held: &Held, row: usize) -> Result<Array> {
    let failed = |error| broken(name, error);
    let dataset = file.dataset(name).map_err(failed)?;
    let row = row as u64;
    let scalar = held.shape.is_empty();
    let bytes: Vec<u8> = match held.dtype.kind {
        Kind::Float => {
            let values = if scalar {
                dataset.read_f64()
            } else {
                dataset.read_f64_rows(row, 1)
            };
            values
                .map_err(failed)?
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect()
        }
        Kind::Int => {
            let values = if scalar {
                dataset.read_i64()
            } else {
                dataset.read_i64_rows(row, 1)
            };
            values
                .map_err(failed)?
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect()
        }
        Kind::Bool if scalar => dataset.read_raw().map_err(failed)?,
        Kind::Bool => dataset.read_raw_rows(row, 1).map_err(failed)?,
        _ => return Err(broken(name, "text where numbers are read")),
    };
    let shape = held.shape.iter().skip(1).copied().collect();
    Array::from_bytes(held.dtype, shape, false, Arc::new(bytes))
}

/// Everything as texts.
pub(super) fn texts(file: &File, name: &str, budget: &mut Budget) -> Result<Vec<String>> {
    let failed = |error| broken(name, error);
    let dataset = file.dataset(name).map_err(failed)?;
    match dataset.dtype().map_err(failed)? {
        DType::VariableLengthString => {
            // Many elements may point at one long text.
            let most = usize::try_from(budget.left()).unwrap_or(usize::MAX);
            let options = VlenStringReadOptions::new().with_max_payload_bytes(most);
            let texts = dataset.read_vlen_strings(options).map_err(failed)?;
            budget.take_usize(texts.iter().map(String::len).sum())?;
            Ok(texts)
        }
        DType::String => {
            let size = dataset.element_size().map_err(failed)?;
            let total: u64 = dataset.shape().map_err(failed)?.iter().product();
            budget.take(total.saturating_mul(size))?;
            dataset.read_string().map_err(failed)
        }
        DType::F32 | DType::F64 => {
            let values = dataset.read_f64().map_err(failed)?;
            Ok(values.iter().map(f64::to_string).collect())
        }
        _ => {
            let values = dataset.read_i64().map_err(failed)?;
            Ok(values.iter().map(i64::to_string).collect())
        }
    }
}
