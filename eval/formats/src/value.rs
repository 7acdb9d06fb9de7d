//! What every reader returns: a tree of plain data.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// One object of a file. Containers and arrays that a file shares are shared here too, not copied.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Python's `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A whole number that does not fit, in decimal digits.
    BigInt(Arc<str>),
    /// A number.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// Text.
    Str(Arc<str>),
    /// Bytes.
    Bytes(Arc<Vec<u8>>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A tuple.
    Tuple(Arc<Vec<Value>>),
    /// A set, in the order of the file.
    Set(Arc<Vec<Value>>),
    /// A dictionary or a MATLAB struct, in the order of the file.
    Dict(Arc<Dict>),
    /// Python's `slice(start, stop, step)`.
    Slice(Arc<[Value; 3]>),
    /// A numpy scalar: an array without axes.
    Scalar(Arc<Array>),
    /// An array. A MATLAB cell is an array of objects.
    Array(Arc<Array>),
    /// A pandas index.
    Index(Arc<Index>),
    /// A pandas series.
    Series(Arc<Series>),
    /// A pandas data frame.
    Frame(Arc<Frame>),
    /// Something that is not read: what it is.
    Unread(Arc<str>),
}

impl Value {
    /// What this is, for messages: `dict of 3`, `<f8 array [2, 79, 100]`, …
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::None => "None".into(),
            Self::Bool(_) => "a bool".into(),
            Self::Int(_) | Self::BigInt(_) => "an int".into(),
            Self::Float(_) => "a float".into(),
            Self::Complex(..) => "a complex number".into(),
            Self::Str(_) => "text".into(),
            Self::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Tuple(items) => format!("a tuple of {}", items.len()),
            Self::Set(items) => format!("a set of {}", items.len()),
            Self::Dict(dict) => format!("a dict of {}", dict.len()),
            Self::Slice(_) => "a slice".into(),
            Self::Scalar(array) => format!("a {} scalar", array.dtype),
            Self::Array(array) => format!("a {} array of shape {:?}", array.dtype, array.shape),
            Self::Index(index) => format!("an index of {}", index.len()),
            Self::Unread(what) => format!("{what}, which is not read"),
            Self::Series(series) => format!("a series of {}", series.values.len()),
            Self::Frame(frame) => format!(
                "a data frame of {} x {}",
                frame.index.len(),
                frame.columns.len()
            ),
        }
    }

    /// The entry of a dictionary. `None` if this is no dictionary or has no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Dict(dict) => dict.get(key),
            _ => None,
        }
    }

    /// Text, also of a text scalar or an array of one text. `None` if it is something else.
    #[must_use]
    pub fn as_str(&self) -> Option<String> {
        match self {
            Self::Str(text) => Some(text.to_string()),
            Self::Scalar(array) | Self::Array(array) if array.len() == 1 => match array.item(0) {
                Value::Str(text) => Some(text.to_string()),
                _ => None,
            },
            _ => None,
        }
    }

    /// A number: a plain one, a scalar, or an array of one element. `None` if it is something else.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "that is what f64 is asked for")]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Scalar(array) | Self::Array(array) if array.len() == 1 => array.number(0),
            _ => None,
        }
    }
}

/// A dictionary: pairs in the order of the file. A repeated key keeps its first place and its last value, as in Python.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dict {
    entries: Vec<(Value, Value)>,
    by_name: HashMap<Arc<str>, usize>,
}

impl Dict {
    /// From pairs.
    #[must_use]
    pub fn new(pairs: Vec<(Value, Value)>) -> Self {
        let mut dict = Self {
            entries: Vec::with_capacity(pairs.len()),
            by_name: HashMap::with_capacity(pairs.len()),
        };
        let mut by_int: HashMap<i64, usize> = HashMap::new();
        for (key, value) in pairs {
            let next = dict.entries.len();
            let place = match &key {
                Value::Str(name) => *dict.by_name.entry(Arc::clone(name)).or_insert(next),
                Value::Int(number) => *by_int.entry(*number).or_insert(next),
                _ => next,
            };
            if place == next {
                dict.entries.push((key, value));
            } else {
                dict.entries[place].1 = value;
            }
        }
        dict
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value under a text key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.by_name.get(key).map(|&place| &self.entries[place].1)
    }

    /// The pairs, in order.
    #[must_use]
    pub fn entries(&self) -> &[(Value, Value)] {
        &self.entries
    }

    /// The pairs with text keys, in order.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().filter_map(|(key, value)| match key {
            Value::Str(name) => Some((&**name, value)),
            _ => None,
        })
    }
}

/// Order of the bytes of one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// `<`, lowest first.
    Little,
    /// `>`, highest first.
    Big,
    /// `|`, the elements have one byte or none.
    NotApplicable,
}

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `f`, IEEE 754 of 2, 4 or 8 bytes.
    Float,
    /// `i`, 1 to 8 bytes.
    Int,
    /// `u`, 1 to 8 bytes.
    UInt,
    /// `b1`.
    Bool,
    /// `U`, UTF-32, padded with zeros.
    Unicode,
    /// `S`, bytes, padded with zeros.
    Bytes,
    /// `O`, any object.
    Object,
}

/// numpy's name for what an element is, as `<f8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dtype {
    /// What it is.
    pub kind: Kind,
    /// Bytes of one element; 0 for objects.
    pub size: usize,
    /// Order of its bytes.
    pub order: ByteOrder,
}

impl Dtype {
    /// `<f4`.
    pub const F32: Self = Self {
        kind: Kind::Float,
        size: 4,
        order: ByteOrder::Little,
    };
    /// `<f8`.
    pub const F64: Self = Self {
        kind: Kind::Float,
        size: 8,
        order: ByteOrder::Little,
    };
    /// `|O`.
    pub const OBJECT: Self = Self {
        kind: Kind::Object,
        size: 0,
        order: ByteOrder::NotApplicable,
    };

    /// From numpy's name, with or without a byte order (`f8`, `>i4`, `U3`, `O8`). `None` for a name that is not read.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (order, rest) = match name.as_bytes().first()? {
            b'<' | b'=' => (ByteOrder::Little, name.get(1..)?),
            b'>' => (ByteOrder::Big, name.get(1..)?),
            b'|' => (ByteOrder::NotApplicable, name.get(1..)?),
            _ => (ByteOrder::Little, name),
        };
        let code = *rest.as_bytes().first()?;
        let digits = rest.get(1..)?;
        if code == b'O' && digits.is_empty() {
            return Some(Self::OBJECT);
        }
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let size: usize = digits.parse().ok()?;
        let (kind, size) = match (code, size) {
            (b'f', 2 | 4 | 8) => (Kind::Float, size),
            (b'i', 1 | 2 | 4 | 8) => (Kind::Int, size),
            (b'u', 1 | 2 | 4 | 8) => (Kind::UInt, size),
            (b'b', 1) => (Kind::Bool, 1),
            (b'U', n) => (Kind::Unicode, n.checked_mul(4)?),
            (b'S', n) => (Kind::Bytes, n),
            (b'O', 4 | 8) => (Kind::Object, 0),
            _ => return None,
        };
        Some(Self { kind, size, order }.normal())
    }

    /// The same with a byte order, where one applies.
    #[must_use]
    pub fn with_order(self, order: ByteOrder) -> Self {
        Self { order, ..self }.normal()
    }

    fn normal(self) -> Self {
        let single = match self.kind {
            Kind::Bool | Kind::Bytes | Kind::Object => true,
            Kind::Unicode => false,
            _ => self.size == 1,
        };
        let order = match (single, self.order) {
            (true, _) => ByteOrder::NotApplicable,
            (false, ByteOrder::NotApplicable) => ByteOrder::Little,
            (false, order) => order,
        };
        Self { order, ..self }
    }

    /// Whether an element is a number or a truth value.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self.kind, Kind::Float | Kind::Int | Kind::UInt | Kind::Bool)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            ByteOrder::Little => '<',
            ByteOrder::Big => '>',
            ByteOrder::NotApplicable => '|',
        };
        match self.kind {
            Kind::Float => write!(f, "{order}f{}", self.size),
            Kind::Int => write!(f, "{order}i{}", self.size),
            Kind::UInt => write!(f, "{order}u{}", self.size),
            Kind::Bool => write!(f, "{order}b1"),
            Kind::Unicode => write!(f, "{order}U{}", self.size / 4),
            Kind::Bytes => write!(f, "{order}S{}", self.size),
            Kind::Object => write!(f, "{order}O"),
        }
    }
}

/// Most elements of an array whose elements have no bytes.
const MAX_WITHOUT_BYTES: usize = 1 << 16;

/// What an array holds.
#[derive(Debug, Clone, PartialEq)]
enum Data {
    /// Elements as they stand in the file.
    Raw(Arc<Vec<u8>>),
    /// Objects, in the order of the file.
    Objects(Arc<Vec<Value>>),
}

/// An array of any number of axes, kept as it stands in the file; whoever reads it gets row-major (C) order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    fortran: bool,
    data: Data,
}

impl Array {
    /// From the bytes of its elements, in C or Fortran order. [`Error::Shape`] if their number is not what the shape says.
    pub fn from_bytes(
        dtype: Dtype,
        shape: Vec<usize>,
        fortran: bool,
        bytes: Arc<Vec<u8>>,
    ) -> Result<Self> {
        let expected = count(&shape)
            // Elements without bytes would make an array of any length out of nothing.
            .filter(|&n| dtype.size > 0 || n <= MAX_WITHOUT_BYTES)
            .and_then(|n| n.checked_mul(dtype.size));
        if dtype.kind == Kind::Object || expected != Some(bytes.len()) {
            return Err(Error::shape(
                format!("{dtype} array of shape {shape:?}"),
                expected.map_or("an array that fits into memory".into(), |n| {
                    format!("{n} bytes")
                }),
                format!("{} bytes", bytes.len()),
            ));
        }
        Ok(Self {
            dtype,
            shape,
            fortran,
            data: Data::Raw(bytes),
        })
    }

    /// From objects, in C or Fortran order. [`Error::Shape`] if their number is not what the shape says.
    pub fn from_objects(
        shape: Vec<usize>,
        fortran: bool,
        objects: Arc<Vec<Value>>,
    ) -> Result<Self> {
        if count(&shape) != Some(objects.len()) {
            return Err(Error::shape(
                format!("object array of shape {shape:?}"),
                format!("{shape:?}"),
                format!("{} objects", objects.len()),
            ));
        }
        Ok(Self {
            dtype: Dtype::OBJECT,
            shape,
            fortran,
            data: Data::Objects(objects),
        })
    }

    /// From numbers in C order. [`Error::Shape`] if their number is not what the shape says.
    pub fn from_f64(shape: Vec<usize>, values: &[f64]) -> Result<Self> {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self::from_bytes(Dtype::F64, shape, false, Arc::new(bytes))
    }

    /// What an element is.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether the file keeps it in Fortran order (first axis fastest).
    #[must_use]
    pub fn is_fortran(&self) -> bool {
        self.fortran
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes as they stand in the file, in the order of [`Array::is_fortran`]. `None` for objects.
    #[must_use]
    pub fn raw(&self) -> Option<&Arc<Vec<u8>>> {
        match &self.data {
            Data::Raw(bytes) => Some(bytes),
            Data::Objects(_) => None,
        }
    }

    /// Positions in the file of the elements, in C order.
    fn positions(&self) -> Positions<'_> {
        let mut strides = vec![1; self.shape.len()];
        if self.fortran {
            for axis in 1..self.shape.len() {
                strides[axis] = strides[axis - 1] * self.shape[axis - 1];
            }
        } else {
            for axis in (1..self.shape.len()).rev() {
                strides[axis - 1] = strides[axis] * self.shape[axis];
            }
        }
        Positions {
            shape: &self.shape,
            strides,
            index: vec![0; self.shape.len()],
            position: 0,
            left: self.len(),
        }
    }

    /// The numbers, in C order. `None` if the elements are no numbers. Whole numbers beyond 2^53 are rounded.
    #[must_use]
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        if !self.dtype.is_number() {
            return None;
        }
        // The common case, without a detour over single objects.
        if let (Data::Raw(bytes), Dtype::F64) = (&self.data, self.dtype) {
            let (values, _) = bytes.as_chunks::<8>();
            return Some(if self.fortran {
                self.positions()
                    .map(|at| f64::from_le_bytes(values[at]))
                    .collect()
            } else {
                values.iter().map(|&v| f64::from_le_bytes(v)).collect()
            });
        }
        self.positions().map(|at| self.number(at)).collect()
    }

    /// The whole numbers, in C order. `None` if an element is none (a float with a fraction, text, …).
    #[must_use]
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        self.positions()
            .map(|at| match self.item(at) {
                Value::Bool(value) => Some(i64::from(value)),
                Value::Int(value) => Some(value),
                Value::Float(value) => whole(value),
                _ => None,
            })
            .collect()
    }

    /// The elements, in C order.
    pub fn items(&self) -> impl Iterator<Item = Value> + '_ {
        self.positions().map(|at| self.item(at))
    }

    /// Row `row` of a 2-D array as a 1-D array. `None` if it has another number of axes or fewer rows.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<Self> {
        let &[rows, cols] = &*self.shape else {
            return None;
        };
        if row >= rows {
            return None;
        }
        let position = |col: usize| {
            if self.fortran {
                col * rows + row
            } else {
                row * cols + col
            }
        };
        let data = match &self.data {
            Data::Raw(bytes) => {
                let size = self.dtype.size;
                let mut out = Vec::with_capacity(cols * size);
                for col in 0..cols {
                    let at = position(col) * size;
                    out.extend_from_slice(bytes.get(at..at + size)?);
                }
                Data::Raw(Arc::new(out))
            }
            Data::Objects(objects) => Data::Objects(Arc::new(
                (0..cols)
                    .map(|col| objects.get(position(col)).cloned())
                    .collect::<Option<_>>()?,
            )),
        };
        Some(Self {
            dtype: self.dtype,
            shape: vec![cols],
            fortran: false,
            data,
        })
    }

    /// The number at a position of the file.
    #[allow(clippy::cast_precision_loss, reason = "that is what f64 is asked for")]
    pub fn number(&self, at: usize) -> Option<f64> {
        match self.item(at) {
            Value::Bool(value) => Some(f64::from(u8::from(value))),
            Value::Int(value) => Some(value as f64),
            Value::BigInt(digits) => digits.parse().ok(),
            Value::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The element at a position of the file.
    pub fn item(&self, at: usize) -> Value {
        let bytes = match &self.data {
            Data::Objects(objects) => return objects.get(at).cloned().unwrap_or(Value::None),
            Data::Raw(bytes) => bytes,
        };
        let size = self.dtype.size;
        let element = bytes
            .get(at * size..at * size + size)
            .unwrap_or(Default::default());
        let number = || {
            let mut padded = [0_u8; 8];
            for (place, byte) in element.iter().enumerate().take(8) {
                let place = if self.dtype.order == ByteOrder::Big {
                    size - 1 - place
                } else {
                    place
                };
                padded[place] = *byte;
            }
            u64::from_le_bytes(padded)
        };
        match (self.dtype.kind, size) {
            #[allow(clippy::cast_possible_truncation, reason = "the upper bytes are zero")]
            (Kind::Float, 2) => Value::Float(half_to_f64(number() as u16)),
            #[allow(clippy::cast_possible_truncation, reason = "the upper bytes are zero")]
            (Kind::Float, 4) => Value::Float(f64::from(f32::from_bits(number() as u32))),
            (Kind::Float, _) => Value::Float(f64::from_bits(number())),
            (Kind::Int, size) => {
                let shift = 64 - 8 * size.clamp(1, 8);
                Value::Int((number() << shift).cast_signed() >> shift)
            }
            (Kind::UInt, _) => i64::try_from(number())
                .map_or_else(|_| Value::BigInt(number().to_string().into()), Value::Int),
            (Kind::Bool, _) => Value::Bool(element.first().is_some_and(|&b| b != 0)),
            (Kind::Unicode, _) => {
                let mut text = String::new();
                for unit in element.chunks_exact(4) {
                    let unit = [unit[0], unit[1], unit[2], unit[3]];
                    let code = if self.dtype.order == ByteOrder::Big {
                        u32::from_be_bytes(unit)
                    } else {
                        u32::from_le_bytes(unit)
                    };
                    text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Value::Str(text.trim_end_matches('\0').into())
            }
            (Kind::Bytes, _) => {
                let end = element.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
                Value::Bytes(Arc::new(element[..end].to_vec()))
            }
            (Kind::Object, _) => Value::None,
        }
    }
}

/// A float that is a whole number of 64 bits.
fn whole(value: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
    (value.fract() == 0.0 && value.abs() < 9.007_199_254_740_992e15).then_some(value as i64)
}

/// IEEE 754 binary16.
#[must_use]
pub fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    }
}

/// Number of elements of a shape, if that is a number.
pub fn count(shape: &[usize]) -> Option<usize> {
    // An axis of length 0 must not hide an overflow of the others.
    let nonzero = shape
        .iter()
        .filter(|&&n| n > 0)
        .try_fold(1_usize, |product, &n| product.checked_mul(n))?;
    Some(if shape.contains(&0) { 0 } else { nonzero })
}

struct Positions<'a> {
    shape: &'a [usize],
    strides: Vec<usize>,
    index: Vec<usize>,
    position: usize,
    left: usize,
}

impl Iterator for Positions<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let here = self.position;
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            self.position += self.strides[axis];
            if self.index[axis] < self.shape[axis] {
                break;
            }
            self.position -= self.strides[axis] * self.shape[axis];
            self.index[axis] = 0;
        }
        Some(here)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Labels of rows or columns.
#[derive(Debug, Clone, PartialEq)]
pub enum Labels {
    /// `start, start + step, …` below (or above) `stop`.
    Range {
        /// First label.
        start: i64,
        /// Where it ends; not part of it.
        stop: i64,
        /// From one label to the next; not 0.
        step: i64,
    },
    /// One label each, `[label]`.
    Array(Arc<Array>),
}

/// A pandas index.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Its name, mostly [`Value::None`] or text.
    pub name: Value,
    /// The labels.
    pub labels: Labels,
}

impl Index {
    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.labels {
            Labels::Range { start, stop, step } => {
                let (start, stop, step) =
                    (i128::from(*start), i128::from(*stop), i128::from(*step));
                let span = if step > 0 { stop - start } else { start - stop };
                if span <= 0 || step == 0 {
                    0
                } else {
                    usize::try_from((span + step.abs() - 1) / step.abs()).unwrap_or(usize::MAX)
                }
            }
            Labels::Array(array) => array.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels, in order.
    pub fn items(&self) -> Box<dyn Iterator<Item = Value> + '_> {
        match &self.labels {
            Labels::Range { start, step, .. } => {
                let (start, step) = (*start, *step);
                Box::new((0..self.len()).map(move |at| {
                    let at = i64::try_from(at).unwrap_or(i64::MAX);
                    Value::Int(start.wrapping_add(step.wrapping_mul(at)))
                }))
            }
            Labels::Array(array) => Box::new(array.items()),
        }
    }
}

/// A pandas series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name, mostly [`Value::None`] or text.
    pub name: Value,
    /// Labels of the rows.
    pub index: Index,
    /// The values, `[row]`.
    pub values: Arc<Array>,
}

/// A column of a [`Frame`].
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its label, mostly text.
    pub label: Value,
    /// The values, `[row]`.
    pub values: Arc<Array>,
}

/// A pandas data frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Labels of the rows.
    pub index: Index,
    /// The columns that are read, in order.
    pub columns: Vec<Column>,
    /// Label of each column that is not read, and what it is.
    pub unread: Vec<(Value, String)>,
}

impl Frame {
    /// The first column of a name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Arc<Array>> {
        self.columns
            .iter()
            .find(|column| matches!(&column.label, Value::Str(label) if &**label == name))
            .map(|column| &column.values)
    }
}

#[cfg(test)]
mod tests {
    use super::half_to_f64;

    // IEEE 754 half precision: numpy.frombuffer(numpy.uint16(bits), numpy.float16).
    #[test]
    fn halves_are_read_as_numpy_does() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2_f64.powi(-24)),
            (0x03ff, 1023.0 * 2_f64.powi(-24)),
            (0x0400, 2_f64.powi(-14)),
            (0x3555, 0.333_251_953_125),
        ] {
            assert!((half_to_f64(bits) - value).abs() < f64::EPSILON * value.abs());
        }
        assert!(half_to_f64(0x7c00).is_infinite() && half_to_f64(0x7e00).is_nan());
    }
}
