//! MATLAB files, to the same tree as pickles.
//!
//! A struct of one element is a [`Value::Dict`]; a struct array and a cell are arrays of objects; a row of characters is
//! text and a table of them an array of objects, one text for each row; `[]` is an array without elements. Arrays are in
//! Fortran order, as MATLAB keeps them. Field names are taken as they stand, so names that MATLAB itself does not allow
//! (with `-`, or longer than 31 characters), as Python writes them, are kept.

mod v5;
mod v73;
mod write;

pub use write::write;

use std::io::Read;

use crate::error::{Error, Result};

use crate::limits::Limits;
use crate::value::Value;

/// Read a file of version 5 (MATLAB 5 to 7, and scipy's `savemat`), compressed or not. The variables become a
/// [`Value::Dict`].
///
/// Read are real numbers, truth values, text, structs and cells; complex numbers, sparse matrices, objects and function
/// handles are [`Value::Unread`]. Errors: [`Format`](crate::Error::Format) for a damaged or a big-endian file;
/// [`Limit`](crate::error::Error::Limit) for a file that asks for too much.
pub fn read_v5(source: impl Read, limits: &Limits) -> Result<Value> {
    v5::read(source, limits)
}

/// Read a file of version 7.3 (HDF5). The variables become a [`Value::Dict`].
///
/// Read is the same as by [`read_v5`]. Errors: [`Format`](crate::Error::Format) for a damaged file,
/// [`Limit`](crate::Error::Limit) for a file that asks for too much.
pub fn read_v73(bytes: Vec<u8>, limits: &Limits) -> Result<Value> {
    v73::read(bytes, limits)
}

/// One text of each row of characters, without the spaces that fill it up; a single row is plain text.
fn text(units: &[u16], shape: &[usize], at: Option<u64>) -> Result<Value> {
    let (rows, columns) = match *shape {
        [rows, columns] => (rows, columns),
        _ => return Err(Error::format("MAT", at, "text of more than two axes")),
    };
    if rows.checked_mul(columns) != Some(units.len()) {
        return Err(Error::format(
            "MAT",
            at,
            "text of another length than its shape",
        ));
    }
    let decode = |units: &[u16]| {
        String::from_utf16(units).map_err(|_| Error::format("MAT", at, "text that is not UTF-16"))
    };
    if rows <= 1 || columns == 0 {
        return Ok(Value::Str(decode(units)?.into()));
    }
    let mut lines = Vec::with_capacity(rows);
    for row in 0..rows {
        let line: Vec<u16> = (0..columns).map(|c| units[c * rows + row]).collect();
        lines.push(Value::Str(decode(&line)?.trim_end_matches(' ').into()));
    }
    Ok(Value::Array(std::sync::Arc::new(
        crate::value::Array::from_objects(vec![rows, 1], true, std::sync::Arc::new(lines))?,
    )))
}
