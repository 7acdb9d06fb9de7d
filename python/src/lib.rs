//! The Python package `mental_pong`: what the libraries do, on NumPy's arrays.
//!
//! Conversion only. In order: `error` makes exceptions of errors, `work` runs long calls without Python's lock and
//! listens for Ctrl-C, `sets`, `stimuli`, `latents`, `recordings`, `study`, `play` and `environment` are the
//! classes. Their Python side, with documentation, is `mental_pong/` beside this folder.
#![allow(
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "what Python gives is owned, and its keywords are arguments here"
)]

mod convert;
mod environment;
mod error;
mod latents;
mod play;
mod recordings;
mod sets;
mod stimuli;
mod study;
mod work;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Run the command line ``mpong`` and give its exit code.
///
/// Parameters
/// ----------
/// arguments : sequence of str or path
///     The name of the program, and what follows it.
///
/// Returns
/// -------
/// int
///     0 done, 1 a check said no, 2 wrong usage, 3 internal error, 4 the machine refused, 75 stopped and resumable.
#[pyfunction]
fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| mental_pong::main(arguments))
}

/// The extension module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(sets::trajectory, module)?)?;
    module.add_function(wrap_pyfunction!(sets::splits, module)?)?;
    module.add_function(wrap_pyfunction!(latents::predictor_names, module)?)?;
    module.add_function(wrap_pyfunction!(latents::forecast, module)?)?;
    module.add_function(wrap_pyfunction!(recordings::simulate, module)?)?;
    module.add_function(wrap_pyfunction!(study::evaluate, module)?)?;
    module.add_function(wrap_pyfunction!(study::analyses, module)?)?;
    module.add_function(wrap_pyfunction!(play::read_trials, module)?)?;
    module.add_function(wrap_pyfunction!(play::read_frames, module)?)?;
    module.add_function(wrap_pyfunction!(play::play, module)?)?;
    module.add_class::<sets::PySet>()?;
    module.add_class::<stimuli::PyStimuli>()?;
    module.add_class::<stimuli::PyStimulus>()?;
    module.add_class::<latents::PyLatents>()?;
    module.add_class::<latents::PyPredictor>()?;
    module.add_class::<recordings::PyRecording>()?;
    module.add_class::<study::PyStudy>()?;
    module.add_class::<environment::PyEnvironment>()
}
