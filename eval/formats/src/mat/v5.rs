//! MAT files of version 5.
//!
//! Source of the layout: MathWorks, "MAT-File Format" (R2019b), chapter 1.

use std::io::Read;
use std::sync::Arc;

use flate2::read::ZlibDecoder;

use crate::error::{Error, Result};
use crate::limits::{Budget, Limits};
use crate::value::{Array, ByteOrder, Dict, Dtype, Kind, Value, count};

fn broken(at: u64, why: impl Into<String>) -> Error {
    Error::format("MAT v5", at, why)
}

/// Read what is there, up to `length` bytes, in pieces: a false length costs no memory.
fn read_up_to(source: &mut impl Read, length: u64, at: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .by_ref()
        .take(length)
        .read_to_end(&mut bytes)
        .map_err(|error| broken(at, format!("cannot be read: {error}")))?;
    Ok(bytes)
}

pub(super) fn read(mut source: impl Read, limits: &Limits) -> Result<Value> {
    let mut budget = Budget::new(limits);
    let header = read_up_to(&mut source, 128, 0)?;
    if header.len() < 128 {
        return Err(broken(header.len() as u64, "the file ends too early"));
    }
    match &header[124..128] {
        [0x00, 0x01, b'I', b'M'] => {}
        [0x01, 0x00, b'M', b'I'] => return Err(broken(124, "a big-endian file")),
        [0x00, 0x02, b'I', b'M'] => return Err(broken(124, "this is version 7.3 (HDF5)")),
        _ => return Err(broken(124, "this is no MAT file of version 5")),
    }
    let mut at = 128_u64;
    let mut variables = Vec::new();
    loop {
        let tag = read_up_to(&mut source, 8, at)?;
        if tag.is_empty() {
            break;
        }
        let &[t0, t1, t2, t3, n0, n1, n2, n3] = &*tag else {
            return Err(broken(at, "the file ends too early"));
        };
        let code = u32::from_le_bytes([t0, t1, t2, t3]);
        let length = u64::from(u32::from_le_bytes([n0, n1, n2, n3]));
        budget.take(length)?;
        let start = at;
        at += 8;
        let bytes = read_up_to(&mut source, length, at)?;
        if bytes.len() as u64 != length {
            return Err(broken(at, "the file ends too early"));
        }
        at += length;
        let variable = match code {
            COMPRESSED => {
                let mut inner = ZlibDecoder::new(&*bytes);
                // What the variable states of its length is checked before it unfolds.
                let mut unfolded = read_up_to(&mut inner, 8, start)?;
                if let &[_, _, _, _, a, b, c, d] = &*unfolded {
                    let stated = u64::from(u32::from_le_bytes([a, b, c, d]));
                    if stated > budget.left() {
                        budget.take(stated)?;
                    }
                }
                // One byte more than is left shows that there is more.
                let left = budget.left();
                unfolded.append(&mut read_up_to(&mut inner, left.saturating_add(1), start)?);
                budget.take_usize(unfolded.len())?;
                let mut reader = Elements {
                    bytes: &unfolded,
                    place: 0,
                    start,
                };
                let (code, content) = reader.next()?;
                if code != MATRIX {
                    return Err(broken(start, format!("an element of type {code}")));
                }
                matrix(content, start, limits, &mut budget, 1)?
            }
            MATRIX => matrix(&bytes, start, limits, &mut budget, 1)?,
            other => return Err(broken(start, format!("an element of type {other}"))),
        };
        // The subsystem of MATLAB's own objects has no name; nothing of ours is in it.
        if !variable.0.is_empty() {
            variables.push((Value::Str(variable.0.into()), variable.1));
        }
    }
    Ok(Value::Dict(Arc::new(Dict::new(variables))))
}

const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const SINGLE: u32 = 7;
const DOUBLE: u32 = 9;
const INT64: u32 = 12;
const UINT64: u32 = 13;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const UTF8: u32 = 16;
const UTF16: u32 = 17;

/// The elements of a piece of the file, one after the other.
struct Elements<'a> {
    bytes: &'a [u8],
    place: usize,
    /// Where in the file the variable begins, for messages.
    start: u64,
}

impl<'a> Elements<'a> {
    fn done(&self) -> bool {
        self.place >= self.bytes.len()
    }

    fn next(&mut self) -> Result<(u32, &'a [u8])> {
        let start = self.start;
        let short = || broken(start, "a variable ends too early");
        let word = |place: usize| {
            self.bytes
                .get(place..place + 4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .ok_or_else(short)
        };
        let first = word(self.place)?;
        // A small element keeps its length in the upper half of the first word, and up to four bytes beside it.
        let small = (first >> 16) as usize;
        let (code, length, from, end) = if small > 0 {
            if small > 4 {
                return Err(broken(start, "a small element of more than four bytes"));
            }
            (first & 0xffff, small, self.place + 4, self.place + 8)
        } else {
            let length = word(self.place + 4)? as usize;
            let from = self.place + 8;
            let end = from.checked_add(length).ok_or_else(short)?;
            let padded = if first == COMPRESSED {
                end
            } else {
                end.checked_next_multiple_of(8).ok_or_else(short)?
            };
            (first, length, from, padded)
        };
        let content = self.bytes.get(from..from + length).ok_or_else(short)?;
        // The last element may lack its padding.
        self.place = end.min(self.bytes.len());
        Ok((code, content))
    }

    fn expect(&mut self, what: &str, codes: &[u32]) -> Result<&'a [u8]> {
        let (code, content) = self.next()?;
        if codes.contains(&code) {
            Ok(content)
        } else {
            Err(broken(
                self.start,
                format!("{what}: an element of type {code}"),
            ))
        }
    }
}

fn dtype(code: u32) -> Option<Dtype> {
    let (kind, size) = match code {
        INT8 => (Kind::Int, 1),
        UINT8 => (Kind::UInt, 1),
        INT16 => (Kind::Int, 2),
        UINT16 => (Kind::UInt, 2),
        INT32 => (Kind::Int, 4),
        UINT32 => (Kind::UInt, 4),
        SINGLE => (Kind::Float, 4),
        DOUBLE => (Kind::Float, 8),
        INT64 => (Kind::Int, 8),
        UINT64 => (Kind::UInt, 8),
        _ => return None,
    };
    Some(
        Dtype {
            kind,
            size,
            order: ByteOrder::Little,
        }
        .with_order(ByteOrder::Little),
    )
}

/// What the array is in MATLAB; the file may keep it in a shorter type.
fn class_dtype(class: u8) -> Option<Dtype> {
    dtype(match class {
        6 => DOUBLE,
        7 => SINGLE,
        8 => INT8,
        9 => UINT8,
        10 => INT16,
        11 => UINT16,
        12 => INT32,
        13 => UINT32,
        14 => INT64,
        15 => UINT64,
        _ => return None,
    })
}

/// Name and value of a matrix.
fn matrix(
    content: &[u8],
    start: u64,
    limits: &Limits,
    budget: &mut Budget,
    depth: usize,
) -> Result<(String, Value)> {
    if depth > limits.depth {
        return Err(Error::Limit {
            what: "nested structs and cells",
            limit: limits.depth as u64,
            needed: depth as u64,
        });
    }
    budget.take_usize(size_of::<Value>())?;
    // `[]` inside of a struct or a cell may be an element without content.
    if content.is_empty() {
        return Ok((String::new(), empty()?));
    }
    let mut elements = Elements {
        bytes: content,
        place: 0,
        start,
    };
    let flags = elements.expect("array flags", &[UINT32])?;
    let &[class, flags, ..] = flags else {
        return Err(broken(start, "array flags without content"));
    };
    let (complex, logical) = (flags & 0x08 != 0, flags & 0x02 != 0);
    if matches!(class, 5 | 16 | 17) {
        let what = match class {
            5 => "a sparse matrix",
            16 => "a function handle",
            _ => "an object",
        };
        // MATLAB's own objects have no dimensions before the name.
        if class != 17 {
            elements.next()?;
        }
        let name = String::from_utf8_lossy(elements.next()?.1).into_owned();
        return Ok((name, Value::Unread(what.into())));
    }
    let shape = elements
        .expect("dimensions", &[INT32])?
        .chunks_exact(4)
        .map(|b| usize::try_from(i32::from_le_bytes([b[0], b[1], b[2], b[3]])).ok())
        .collect::<Option<Vec<_>>>()
        .filter(|shape| shape.len() >= 2 && shape.len() <= 32)
        .ok_or_else(|| broken(start, "dimensions that are none"))?;
    let total = count(&shape).ok_or_else(|| broken(start, "more elements than can be"))?;
    let name = elements.expect("a name", &[INT8, UINT8, UTF8])?;
    let name =
        String::from_utf8(name.to_vec()).map_err(|_| broken(start, "a name is not UTF-8"))?;
    if complex {
        return Ok((name, Value::Unread("an array of complex numbers".into())));
    }
    let value = match class {
        1 => {
            let mut objects = Vec::new();
            for _ in 0..total {
                if elements.done() {
                    return Err(broken(start, format!("{name}: a cell ends too early")));
                }
                let item = elements.expect("a cell", &[MATRIX])?;
                objects.push(matrix(item, start, limits, budget, depth + 1)?.1);
            }
            Value::Array(Arc::new(Array::from_objects(
                shape,
                true,
                Arc::new(objects),
            )?))
        }
        2 | 3 => structure(
            &name,
            class,
            shape,
            total,
            &mut elements,
            limits,
            budget,
            depth,
        )?,
        4 => characters(&name, &shape, start, &mut elements, budget)?,
        _ => {
            let target = class_dtype(class)
                .ok_or_else(|| broken(start, format!("{name}: an array of class {class}")))?;
            let (code, content) = if total == 0 && elements.done() {
                (DOUBLE, &[][..])
            } else {
                elements.next()?
            };
            let stored = dtype(code)
                .ok_or_else(|| broken(start, format!("{name}: numbers of type {code}")))?;
            numbers(
                &name, start, content, stored, target, logical, shape, budget,
            )?
        }
    };
    Ok((name, value))
}

fn characters(
    name: &str,
    shape: &[usize],
    start: u64,
    elements: &mut Elements,
    budget: &mut Budget,
) -> Result<Value> {
    let (code, content) = elements.next()?;
    let units: Vec<u16> = match code {
        UINT8 | INT8 if content.is_ascii() => content.iter().map(|&b| b.into()).collect(),
        UINT8 | INT8 | UTF8 => std::str::from_utf8(content)
            .map_err(|_| broken(start, format!("{name}: text is not UTF-8")))?
            .encode_utf16()
            .collect(),
        UINT16 | UTF16 => content
            .chunks_exact(2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]))
            .collect(),
        other => return Err(broken(start, format!("{name}: text of type {other}"))),
    };
    budget.take_usize(2 * units.len())?;
    super::text(&units, shape, Some(start))
}

fn empty() -> Result<Value> {
    let array = Array::from_bytes(Dtype::F64, vec![0, 0], true, Arc::default())?;
    Ok(Value::Array(Arc::new(array)))
}

#[allow(clippy::too_many_arguments, reason = "the parts of one array")]
fn numbers(
    name: &str,
    start: u64,
    content: &[u8],
    stored: Dtype,
    target: Dtype,
    logical: bool,
    shape: Vec<usize>,
    budget: &mut Budget,
) -> Result<Value> {
    let total = count(&shape).and_then(|n| n.checked_mul(stored.size));
    if total != Some(content.len()) {
        return Err(broken(
            start,
            format!(
                "{name}: an array of shape {shape:?} with {} bytes",
                content.len()
            ),
        ));
    }
    let target = if logical {
        Dtype {
            kind: Kind::Bool,
            size: 1,
            order: ByteOrder::NotApplicable,
        }
    } else {
        target
    };
    budget.take_usize(content.len() / stored.size * target.size)?;
    let bytes = if stored == target || (logical && stored.size == 1) {
        content.to_vec()
    } else {
        // MATLAB keeps whole numbers in the shortest type that holds them.
        let raw = Array::from_bytes(
            stored,
            vec![content.len() / stored.size],
            false,
            Arc::new(content.to_vec()),
        )?;
        let mut bytes = Vec::with_capacity(raw.len() * target.size);
        for item in raw.items() {
            convert(&item, target, &mut bytes)
                .ok_or_else(|| broken(start, format!("{name}: a number does not fit {target}")))?;
        }
        bytes
    };
    let array = Array::from_bytes(target, shape, true, Arc::new(bytes))?;
    Ok(Value::Array(Arc::new(array)))
}

/// Append a number in another type, little-endian. `None` if it does not fit.
fn convert(item: &Value, target: Dtype, bytes: &mut Vec<u8>) -> Option<()> {
    match (target.kind, item) {
        (Kind::Float, _) => {
            let value = match item {
                Value::BigInt(digits) => digits.parse().ok()?,
                other => other.as_f64()?,
            };
            if target.size == 4 {
                #[allow(clippy::cast_possible_truncation, reason = "the class says single")]
                bytes.extend((value as f32).to_le_bytes());
            } else {
                bytes.extend(value.to_le_bytes());
            }
        }
        (Kind::Bool, _) => bytes.push(u8::from(item.as_f64()? != 0.0)),
        (Kind::Int | Kind::UInt, Value::Int(value)) => {
            let fits = if target.kind == Kind::Int {
                let bound = 1_i128 << (8 * target.size - 1);
                (-bound..bound).contains(&i128::from(*value))
            } else {
                (0..1_i128 << (8 * target.size)).contains(&i128::from(*value))
            };
            if !fits {
                return None;
            }
            bytes.extend_from_slice(value.to_le_bytes().get(..target.size)?);
        }
        _ => return None,
    }
    Some(())
}

#[allow(clippy::too_many_arguments, reason = "the parts of one struct")]
fn structure(
    name: &str,
    class: u8,
    shape: Vec<usize>,
    total: usize,
    elements: &mut Elements<'_>,
    limits: &Limits,
    budget: &mut Budget,
    depth: usize,
) -> Result<Value> {
    let start = elements.start;
    if class == 3 {
        elements.expect("a class name", &[INT8, UINT8, UTF8])?;
    }
    let width = elements.expect("the length of field names", &[INT32])?;
    let width = match *width {
        [a, b, c, d] => usize::try_from(i32::from_le_bytes([a, b, c, d])).ok(),
        _ => None,
    }
    .filter(|&width| width > 0)
    .ok_or_else(|| broken(start, format!("{name}: a false length of field names")))?;
    let names = elements.expect("field names", &[INT8, UINT8, UTF8])?;
    if !names.len().is_multiple_of(width) {
        return Err(broken(
            start,
            format!("{name}: field names of another length"),
        ));
    }
    let fields = names
        .chunks_exact(width)
        .map(|name| {
            let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
            std::str::from_utf8(&name[..end])
                .map(Arc::<str>::from)
                .map_err(|_| broken(start, "a field name is not UTF-8"))
        })
        .collect::<Result<Vec<_>>>()?;
    // Structs without fields have no content that would bound their number.
    if fields.is_empty() && total > limits.objects {
        return Err(Error::Limit {
            what: "structs without fields",
            limit: limits.objects as u64,
            needed: total as u64,
        });
    }
    let mut structs = Vec::new();
    for _ in 0..total {
        budget.take_usize(size_of::<Value>() + size_of::<Dict>())?;
        let mut entries = Vec::with_capacity(fields.len());
        for field in &fields {
            if elements.done() {
                return Err(broken(start, format!("{name}: a struct ends too early")));
            }
            let item = elements.expect("a field", &[MATRIX])?;
            let value = matrix(item, start, limits, budget, depth + 1)?.1;
            entries.push((Value::Str(Arc::clone(field)), value));
        }
        structs.push(Value::Dict(Arc::new(Dict::new(entries))));
    }
    if total == 1
        && let Some(only) = structs.pop()
    {
        return Ok(only);
    }
    let array = Array::from_objects(shape, true, Arc::new(structs))?;
    Ok(Value::Array(Arc::new(array)))
}
