//! Pickles, read as data.
//!
//! A pickle is a small program that builds objects and may call anything. This reader follows the instructions that
//! build plain data, and knows a fixed list of names ([`names`](allowed_names)) for which it does, itself, what numpy
//! and pandas would do with their own data. Nothing is imported, looked up or run; any other name, and any instruction
//! that reaches outside of the file, is [`Error::Refused`](crate::error::Error::Refused) with its name and position.
//!
//! Protocols 2 to 5 are read. Source of the format: Python's `pickletools`; of the states: pickles of numpy 1.19 to
//! 2.4 and pandas 1.1 to 3.1. A column of a frame that is of another kind is left out, and named.

mod columns;
mod globals;
pub(crate) mod machine;
mod objects;
mod stream;
pub(crate) mod tensors;
mod tree;

use std::io::Read;

use crate::error::Result;

use crate::limits::Limits;
use crate::value::Value;

pub use globals::allowed_names;

/// Read one pickle to its end.
///
/// Errors: [`Refused`](crate::error::Error::Refused) for anything that is not data,
/// [`Limit`](crate::error::Error::Limit) for too much of it, [`Format`](crate::error::Error::Format) for a file that is
/// cut off, damaged, has bytes after its end, or contains itself.
pub fn read(source: impl Read, limits: &Limits) -> Result<Value> {
    let machine = machine::Machine::new(source, machine::Dialect::Tables, limits)?;
    let (nodes, root, budget) = machine.run()?;
    tree::build(nodes, root, limits, budget)
}
