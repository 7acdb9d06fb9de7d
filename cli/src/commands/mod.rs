//! One file a group of commands.

pub(crate) mod about;
pub(crate) mod eval;
pub(crate) mod fetch;
pub(crate) mod latents;
mod memory;
pub(crate) mod play;
pub(crate) mod predict;
pub(crate) mod probe;
pub(crate) mod recordings;
pub(crate) mod run;
pub(crate) mod stimuli;
mod study;
pub(crate) mod task;
pub(crate) mod train;
mod train_published;
pub(crate) mod walls;
pub(crate) mod weights;

use std::io::{BufWriter, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Writes data to standard output.
fn output(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    write(&mut out)
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Writes a value as indented JSON to standard output.
fn output_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Internal(e.to_string()))?;
    output(|out| writeln!(out, "{text}"))
}
