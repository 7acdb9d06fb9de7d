//! MAT files of version 7.3: HDF5 with MATLAB's attributes.
//!
//! Axes stand in reverse order, so the bytes are those of a Fortran array. Source: files of MATLAB and of h5py.

use std::collections::BTreeMap;
use std::sync::Arc;

use hdf5_pure::{AttrValue, DType, Dataset, File, Group, Object};

use crate::error::{Error, Result};
use crate::limits::{Budget, Limits};
use crate::value::{Array, ByteOrder, Dict, Dtype, Kind, Value, count};

fn broken(path: &str, why: impl std::fmt::Display) -> Error {
    let path = if path.is_empty() { "/" } else { path };
    Error::format("MAT v7.3", None, format!("{path}: {why}"))
}

struct Reader {
    limits: Limits,
    budget: Budget,
}

pub(super) fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Value> {
    let mut reader = Reader {
        limits: *limits,
        budget: Budget::new(limits),
    };
    reader.budget.take_usize(bytes.len())?;
    let file = File::from_bytes(bytes).map_err(|error| broken("/", error))?;
    reader.group(&file.root(), "", 1)
}

/// The class that MATLAB gave, if any.
fn class(attributes: &std::collections::HashMap<String, AttrValue>) -> Option<String> {
    match attributes.get("MATLAB_class")? {
        AttrValue::String(text)
        | AttrValue::AsciiString(text)
        | AttrValue::StringSized { value: text, .. }
        | AttrValue::AsciiStringSized { value: text, .. } => {
            Some(text.trim_end_matches('\0').to_owned())
        }
        other => Some(format!("{other:?}")),
    }
}

/// What an object is that MATLAB keeps in another form than an array, a struct or a cell.
fn unread(attributes: &std::collections::HashMap<String, AttrValue>) -> Option<&'static str> {
    if attributes.contains_key("MATLAB_sparse") {
        return Some("a sparse matrix");
    }
    if attributes.contains_key("MATLAB_object_decode") {
        return Some("an object or a table");
    }
    (class(attributes)? == "function_handle").then_some("a function handle")
}

impl Reader {
    fn deeper(&mut self, depth: usize) -> Result<()> {
        // References may lead in circles, and each step is slow: a thousand bytes bound their number.
        self.budget.take(1000)?;
        if depth > self.limits.depth {
            return Err(Error::Limit {
                what: "nested structs and cells",
                limit: self.limits.depth as u64,
                needed: depth as u64,
            });
        }
        Ok(())
    }

    fn group(&mut self, group: &Group, path: &str, depth: usize) -> Result<Value> {
        self.deeper(depth)?;
        let failed = |error| broken(path, error);
        let attributes = group.attrs().map_err(failed)?;
        if let Some(what) = unread(&attributes) {
            return Ok(Value::Unread(what.into()));
        }
        // By name: the order in the file is not that of the fields.
        let mut members: BTreeMap<String, Value> = BTreeMap::new();
        for name in group.groups().map_err(failed)? {
            // MATLAB's own: what cells refer to, and the tables of its objects.
            if name.starts_with('#') {
                continue;
            }
            let inner = group.group(&name).map_err(failed)?;
            let value = self.group(&inner, &format!("{path}/{name}"), depth + 1)?;
            members.insert(name, value);
        }
        for name in group.datasets().map_err(failed)? {
            let inner = group.dataset(&name).map_err(failed)?;
            let value = self.dataset(&inner, &format!("{path}/{name}"), depth + 1)?;
            members.insert(name, value);
        }
        let entries = members
            .into_iter()
            .map(|(name, value)| (Value::Str(name.into()), value))
            .collect();
        Ok(Value::Dict(Arc::new(Dict::new(entries))))
    }

    fn dataset(&mut self, dataset: &Dataset, path: &str, depth: usize) -> Result<Value> {
        self.deeper(depth)?;
        let failed = |error| broken(path, error);
        let attributes = dataset.attrs().map_err(failed)?;
        if let Some(what) = unread(&attributes) {
            return Ok(Value::Unread(what.into()));
        }
        let class = class(&attributes);
        let mut shape = dataset
            .shape()
            .map_err(failed)?
            .iter()
            .map(|&n| usize::try_from(n).ok())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| broken(path, "a shape that does not fit into memory"))?;
        shape.reverse();
        let total = count(&shape).ok_or_else(|| broken(path, "more elements than can be"))?;
        let element = dataset.element_size().map_err(failed)?;
        self.budget.take(
            element
                .checked_mul(total as u64)
                .ok_or_else(|| broken(path, "more bytes than can be"))?,
        )?;
        // An empty array is kept as its shape.
        if attributes.contains_key("MATLAB_empty") {
            let shape: Vec<usize> = dataset
                .read_u64()
                .map_err(failed)?
                .iter()
                .map(|&n| usize::try_from(n).unwrap_or(usize::MAX))
                .collect();
            if class.as_deref() == Some("char") {
                return Ok(Value::Str("".into()));
            }
            if count(&shape) != Some(0) {
                return Err(broken(path, "an empty array that is not empty"));
            }
            let array = Array::from_bytes(Dtype::F64, shape, true, Arc::default())?;
            return Ok(Value::Array(Arc::new(array)));
        }
        let dtype = match dataset.dtype().map_err(failed)? {
            DType::F32 => (Kind::Float, 4),
            DType::F64 => (Kind::Float, 8),
            DType::I8 => (Kind::Int, 1),
            DType::I16 => (Kind::Int, 2),
            DType::I32 => (Kind::Int, 4),
            DType::I64 => (Kind::Int, 8),
            DType::U8 => (Kind::UInt, 1),
            DType::U16 => (Kind::UInt, 2),
            DType::U32 => (Kind::UInt, 4),
            DType::U64 => (Kind::UInt, 8),
            DType::ObjectReference => return self.cell(dataset, path, shape, depth),
            other => return Ok(Value::Unread(format!("an array of {other}").into())),
        };
        let dtype = Dtype {
            kind: dtype.0,
            size: dtype.1,
            order: ByteOrder::Little,
        }
        .with_order(order(dataset, path)?);
        let raw = dataset.read_raw().map_err(failed)?;
        if class.as_deref() == Some("char") {
            let array = Array::from_bytes(dtype, vec![total], false, Arc::new(raw))?;
            let units = array
                .to_i64()
                .and_then(|units| units.iter().map(|&u| u16::try_from(u).ok()).collect())
                .ok_or_else(|| broken(path, "text that is not UTF-16"))
                .map(|units: Vec<u16>| units)?;
            return super::text(&units, &shape, None);
        }
        let dtype = if class.as_deref() == Some("logical") && dtype.size == 1 {
            Dtype {
                kind: Kind::Bool,
                ..dtype
            }
        } else {
            dtype
        };
        let array = Array::from_bytes(dtype, shape, true, Arc::new(raw))?;
        Ok(Value::Array(Arc::new(array)))
    }

    fn cell(
        &mut self,
        dataset: &Dataset,
        path: &str,
        shape: Vec<usize>,
        depth: usize,
    ) -> Result<Value> {
        let mut objects = Vec::new();
        for (place, object) in dataset
            .dereference()
            .map_err(|error| broken(path, error))?
            .iter()
            .enumerate()
        {
            let path = format!("{path}{{{}}}", place + 1);
            objects.push(match object {
                Object::Group(group) => self.group(group, &path, depth + 1)?,
                Object::Dataset(dataset) => self.dataset(dataset, &path, depth + 1)?,
                _ => return Err(broken(&path, "a reference to something that is not read")),
            });
        }
        let array = Array::from_objects(shape, true, Arc::new(objects))?;
        Ok(Value::Array(Arc::new(array)))
    }
}

fn order(dataset: &Dataset, path: &str) -> Result<ByteOrder> {
    use hdf5_pure::{Datatype, DatatypeByteOrder};
    match dataset.datatype().map_err(|error| broken(path, error))? {
        Datatype::FixedPoint { byte_order, .. } | Datatype::FloatingPoint { byte_order, .. } => {
            match byte_order {
                DatatypeByteOrder::LittleEndian => Ok(ByteOrder::Little),
                DatatypeByteOrder::BigEndian => Ok(ByteOrder::Big),
                _ => Err(broken(path, "a byte order that is not read")),
            }
        }
        other => Err(broken(path, format!("elements {other:?} are not read"))),
    }
}
