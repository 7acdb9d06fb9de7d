//! Files of laboratories and of PyTorch, read as data.
//!
//! Every reader gives plain values and nothing else: no code of a file is run, no name in it is looked up, and what a
//! file may cost is bounded by [`limits::Limits`] before memory is taken. What the values mean is for others to say.
//!
//! | module | what |
//! |---|---|
//! | [`pickle`] | Python's pickles of plain data, numpy arrays and pandas frames |
//! | [`torch`] | PyTorch's `.pt` and `.pth`: names, shapes and values of tensors |
//! | [`npz`] | `.npy` and `.npz`, read and written |
//! | [`mat`] | MATLAB files of version 5 and 7.3 |
//! | [`arrays`] | arrays by name and by rows: npz, safetensors, HDF5, NetCDF, Zarr |
//! | [`labelled`] | arrays with named axes, written: NetCDF and Zarr |
//! | [`exchange`] | assemblies of Brain-Score and datasets of rsatoolbox, written |
//! | [`parquet`] | flat tables, read and written |
//! | [`archive`] | zip archives |
//!
//! ```
//! use mental_pong_formats::{Limits, pickle};
//!
//! # fn main() -> mental_pong_formats::Result<()> {
//! // What Python's pickle.dumps({"bins": 100}, protocol=2) returns.
//! let bytes = b"\x80\x02}q\x00X\x04\x00\x00\x00binsq\x01Kds.";
//! let value = pickle::read(&bytes[..], &Limits::default())?;
//! assert_eq!(value.get("bins").and_then(|v| v.as_f64()), Some(100.0));
//!
//! // A pickle that would run a command is refused by name.
//! let hostile = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.";
//! let error = pickle::read(&hostile[..], &Limits::default()).unwrap_err();
//! assert!(error.to_string().contains("os.system"));
//! # Ok(())
//! # }
//! ```

pub mod archive;
pub mod arrays;
mod error;
pub mod exchange;
pub mod labelled;
pub mod limits;
pub mod mat;
pub mod npz;
pub mod parquet;
pub mod pickle;
pub mod table;
pub mod torch;
pub mod value;

pub use error::{Error, Result, one_line, quoted};
pub use limits::Limits;
