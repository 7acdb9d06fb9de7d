//! Arrays to a MATLAB file of version 5, as MATLAB and `scipy.io` read them.

use std::path::Path;

use mental_pong_base::files::write_atomic;

use crate::error::{Error, Result, quoted};
use crate::npz::Column;

/// Most bytes of one variable: lengths in the file are 32 bits, and MATLAB takes them as signed.
const MOST: usize = i32::MAX as usize;
/// Longest name of a field, with the zero at its end.
const NAME: usize = 64;

// Types of elements.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
const INT64: u32 = 12;
const MATRIX: u32 = 14;

// Classes of arrays.
const CELL: u8 = 1;
const STRUCT: u8 = 2;
const CHAR: u8 = 4;
const FLOATS: u8 = 6;
const BYTES: u8 = 9;
const WHOLE: u8 = 14;
const LOGICAL: u8 = 2;

/// Names in the order in which they came, each with an array or the names below it.
enum Node<'a> {
    Array(&'a [usize], &'a Column<'a>),
    Names(Vec<(&'a str, Node<'a>)>),
}

/// Writes arrays `(name, shape, values in row-major order)`; a name with `/` is a field of a struct. Numbers are double, whole
/// numbers int64, truth values logical, text a cell of char; an array of one axis is a column.
///
/// # Errors
/// [`Error::Format`] for a name that MATLAB has no room for or that is there twice, and for more than 2 GiB in one variable.
pub fn write(path: &Path, arrays: &[(String, Vec<usize>, Column<'_>)]) -> Result<()> {
    let mut top = Vec::new();
    for (name, shape, values) in arrays {
        let parts: Vec<&str> = name.split('/').collect();
        put(&mut top, &parts, Node::Array(shape, values))
            .ok_or_else(|| no(name, "it is there twice, or stands above others"))?;
    }
    let mut bytes = Vec::new();
    let mut header = b"MATLAB 5.0 MAT-file, written by mental-pong".to_vec();
    header.resize(124, b' ');
    bytes.extend(header);
    bytes.extend([0x00, 0x01, b'I', b'M']);
    for (name, node) in &top {
        let body = matrix(name, node)?;
        element(&mut bytes, MATRIX, &body);
    }
    Ok(write_atomic(path, |out| out.write_all(&bytes))?)
}

fn no(name: &str, why: impl std::fmt::Display) -> Error {
    Error::format("MAT", None, format!("{}: {why}", quoted(name)))
}

/// Puts a node under its names; nothing where one of them is taken.
fn put<'a>(into: &mut Vec<(&'a str, Node<'a>)>, parts: &[&'a str], node: Node<'a>) -> Option<()> {
    let [first, rest @ ..] = parts else {
        return None;
    };
    let place = into.iter().position(|(name, _)| name == first);
    if rest.is_empty() {
        if place.is_some() {
            return None;
        }
        into.push((first, node));
        return Some(());
    }
    let place = place.unwrap_or_else(|| {
        into.push((first, Node::Names(Vec::new())));
        into.len() - 1
    });
    match &mut into[place].1 {
        Node::Names(names) => put(names, rest, node),
        Node::Array(..) => None,
    }
}

/// A tag, and content filled up to eight bytes.
#[allow(
    clippy::cast_possible_truncation,
    reason = "lengths are checked before"
)]
fn element(out: &mut Vec<u8>, kind: u32, content: &[u8]) {
    out.extend(kind.to_le_bytes());
    out.extend((content.len() as u32).to_le_bytes());
    out.extend(content);
    out.resize(out.len().next_multiple_of(8), 0);
}

/// What stands before the content of an array: class, shape and name.
fn begin(name: &str, class: u8, flags: u8, shape: &[usize]) -> Result<Vec<u8>> {
    if name.len() >= NAME {
        let why = format!(
            "a name of {} bytes; MATLAB has room for {}",
            name.len(),
            NAME - 1
        );
        return Err(no(name, why));
    }
    let mut out = Vec::new();
    element(&mut out, UINT32, &[class, flags, 0, 0, 0, 0, 0, 0]);
    let mut axes = Vec::new();
    // No fewer than two: one axis is a column.
    for n in shape.iter().chain(&[1, 1][shape.len().min(2)..]) {
        let n = i32::try_from(*n).map_err(|_| no(name, "an axis beyond 2^31"))?;
        axes.extend(n.to_le_bytes());
    }
    element(&mut out, INT32, &axes);
    element(&mut out, INT8, name.as_bytes());
    Ok(out)
}

fn matrix(name: &str, node: &Node<'_>) -> Result<Vec<u8>> {
    let out = match node {
        Node::Array(shape, values) => array(name, shape, values)?,
        Node::Names(fields) => {
            let mut out = begin(name, STRUCT, 0, &[1, 1])?;
            // The length of a name, in the short form that MATLAB writes.
            out.extend((4 << 16 | INT32).to_le_bytes());
            out.extend((NAME as u32).to_le_bytes());
            let mut names = Vec::with_capacity(NAME * fields.len());
            for (field, _) in fields {
                names.extend(field.as_bytes());
                names.resize(names.len().next_multiple_of(NAME).max(NAME), 0);
            }
            element(&mut out, INT8, &names);
            for (field, node) in fields {
                if field.len() >= NAME {
                    return Err(no(field, "a name that MATLAB has no room for"));
                }
                element(&mut out, MATRIX, &matrix("", node)?);
            }
            out
        }
    };
    if out.len() > MOST {
        let why = format!(
            "{} bytes; a MAT file of version 5 holds 2 GiB in a variable",
            out.len()
        );
        return Err(no(name, why));
    }
    Ok(out)
}

fn array(name: &str, shape: &[usize], values: &Column<'_>) -> Result<Vec<u8>> {
    let n: usize = shape.iter().product();
    if n.saturating_mul(8) > MOST {
        let why = "more than 2 GiB, which a MAT file of version 5 cannot hold";
        return Err(no(name, why));
    }
    let order = columns_first(shape);
    let (class, flags, kind, content) = match values {
        Column::Floats(v) => {
            let content = order.iter().flat_map(|&at| v[at].to_le_bytes()).collect();
            (FLOATS, 0, DOUBLE, content)
        }
        Column::Ints(v) => {
            let content = order.iter().flat_map(|&at| v[at].to_le_bytes()).collect();
            (WHOLE, 0, INT64, content)
        }
        Column::Bools(v) => {
            let content: Vec<u8> = order.iter().map(|&at| u8::from(v[at])).collect();
            (BYTES, LOGICAL, UINT8, content)
        }
        Column::Texts(v) => {
            let mut out = begin(name, CELL, 0, shape)?;
            for &at in &order {
                let units: Vec<u16> = v[at].encode_utf16().collect();
                let mut text = begin("", CHAR, 0, &[usize::from(!units.is_empty()), units.len()])?;
                let content: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
                element(&mut text, UINT16, &content);
                element(&mut out, MATRIX, &text);
            }
            return Ok(out);
        }
    };
    let mut out = begin(name, class, flags, shape)?;
    element(&mut out, kind, &content);
    Ok(out)
}

/// Places of a row-major array in the order of columns.
fn columns_first(shape: &[usize]) -> Vec<usize> {
    let n: usize = shape.iter().product();
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    let mut place = vec![0; shape.len()];
    let mut order = Vec::with_capacity(n);
    for _ in 0..n {
        order.push(place.iter().zip(&strides).map(|(p, s)| p * s).sum());
        for (axis, p) in place.iter_mut().enumerate() {
            *p += 1;
            if *p < shape[axis] {
                break;
            }
            *p = 0;
        }
    }
    order
}
