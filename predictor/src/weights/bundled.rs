use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Metadata, from_bytes, strict, to_bytes};
use crate::dynamics::{DynamicsConfig, Recurrent};
use crate::encoders::{PlayNet, PlayNetConfig};
use crate::params::Params;
use crate::{Error, Result};

const ENCODER: &[u8] = include_bytes!("../../../data/weights/playnet.safetensors");
const CTRNN: &[u8] = include_bytes!("../../../data/weights/ctrnn.safetensors");
const LSTM: &[u8] = include_bytes!("../../../data/weights/lstm.safetensors");

/// A network, the hash of its file, and what the file says of itself.
#[derive(Clone, Debug)]
pub struct Loaded<M> {
    /// The network.
    pub model: M,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The file's metadata: training configuration and command.
    pub metadata: Metadata,
}

/// The networks that come with the program, trained by `mpong train`.
#[derive(Clone, Debug)]
pub struct Bundled {
    /// The encoder.
    pub encoder: Loaded<PlayNet>,
    /// Forecasts by a continuous-time recurrent network.
    pub ctrnn: Loaded<Recurrent>,
    /// Forecasts by a long short-term memory.
    pub lstm: Loaded<Recurrent>,
}

/// Loads the bundled networks, as strictly as any file.
///
/// # Errors
/// [`Error::Weights`] when the program was built from damaged files.
pub fn bundled() -> Result<Bundled> {
    Ok(Bundled {
        encoder: read_encoder("bundled playnet.safetensors".as_ref(), ENCODER)?,
        ctrnn: read_dynamics("bundled ctrnn.safetensors".as_ref(), CTRNN)?,
        lstm: read_dynamics("bundled lstm.safetensors".as_ref(), LSTM)?,
    })
}

/// Reads an encoder from a file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Weights`].
pub fn load_encoder(path: &Path) -> Result<Loaded<PlayNet>> {
    read_encoder(path, &read(path)?)
}

/// Reads a dynamics module from a file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Weights`].
pub fn load_dynamics(path: &Path) -> Result<Loaded<Recurrent>> {
    read_dynamics(path, &read(path)?)
}

/// Bytes of a weight file: tensors, the network's configuration, and notes on its making.
///
/// # Errors
/// When a tensor cannot be read back from the library.
pub fn network_bytes(
    params: &Params,
    network: &impl Serialize,
    notes: &[(&str, &str)],
) -> Result<Vec<u8>> {
    let network = serde_json::to_string(network).map_err(|e| Error::Config {
        place: "network".into(),
        field: "configuration".into(),
        expected: "serialisable values".into(),
        found: e.to_string(),
    })?;
    let mut metadata = vec![("network", network.as_str())];
    metadata.extend_from_slice(notes);
    to_bytes(&params.tensors(), &metadata)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io(path, e))
}

/// The `network` entry of a file's metadata.
fn network<C: for<'de> Deserialize<'de>>(path: &Path, metadata: &Metadata) -> Result<C> {
    let bad = |found: String| Error::Weights {
        path: path.to_path_buf(),
        tensor: "*".into(),
        expected: "metadata `network` with the network's configuration".into(),
        found,
    };
    let text = metadata.get("network").ok_or_else(|| bad("none".into()))?;
    serde_json::from_str(text).map_err(|e| bad(e.to_string()))
}

fn read_encoder(path: &Path, bytes: &[u8]) -> Result<Loaded<PlayNet>> {
    let (tensors, metadata) = from_bytes(path, bytes)?;
    let config: PlayNetConfig = network(path, &metadata)?;
    let params = strict(path, tensors, &PlayNet::shapes(&config))?;
    let sha256 = mental_pong_base::files::sha256_hex(bytes);
    Ok(Loaded {
        model: PlayNet::new(config, &params, sha256.clone())?,
        sha256,
        metadata,
    })
}

fn read_dynamics(path: &Path, bytes: &[u8]) -> Result<Loaded<Recurrent>> {
    let (tensors, metadata) = from_bytes(path, bytes)?;
    let config: DynamicsConfig = network(path, &metadata)?;
    let params = strict(path, tensors, &config.shapes())?;
    Ok(Loaded {
        model: Recurrent::new(config, &params)?,
        sha256: mental_pong_base::files::sha256_hex(bytes),
        metadata,
    })
}
