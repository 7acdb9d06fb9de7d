use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Metadata, from_bytes, strict, to_bytes};
use crate::dynamics::{DynamicsConfig, Recurrent};
use crate::encoders::{Encoder, PlayNet, PlayNetConfig, RoomNet, RoomNetConfig};
use crate::params::Params;
use crate::{Error, Result};

/// Longest file of our own weights that is read, bytes.
const OWN_BYTES: u64 = 4 << 30;
const ENCODER: &[u8] = include_bytes!("../../../data/weights/playnet.safetensors");
const CTRNN: &[u8] = include_bytes!("../../../data/weights/ctrnn.safetensors");
const LSTM: &[u8] = include_bytes!("../../../data/weights/lstm.safetensors");
const ROOMNET: &[u8] = include_bytes!("../../../data/weights/roomnet.safetensors");
const ROOM_GRU: [&[u8]; 3] = [
    include_bytes!("../../../data/weights/room-gru-1.safetensors"),
    include_bytes!("../../../data/weights/room-gru-2.safetensors"),
    include_bytes!("../../../data/weights/room-gru-3.safetensors"),
];
const ROOM_CTRNN: &[u8] = include_bytes!("../../../data/weights/room-ctrnn.safetensors");
const ROOM_LSTM: &[u8] = include_bytes!("../../../data/weights/room-lstm.safetensors");

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

impl<M> Loaded<M> {
    /// The same with another model.
    pub(crate) fn map<N>(self, with: impl FnOnce(M) -> N) -> Loaded<N> {
        Loaded {
            model: with(self.model),
            sha256: self.sha256,
            metadata: self.metadata,
        }
    }
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
    /// The encoder with two towers and what forecasts its latents.
    pub rooms: Rooms,
}

/// The encoder with two towers and the dynamics on it.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// The encoder.
    pub encoder: Loaded<RoomNet>,
    /// Gated recurrent units of three seeds, the first the one to use where one is asked for.
    pub gru: [Loaded<Recurrent>; 3],
    /// The published CTRNN's cell.
    pub ctrnn: Loaded<Recurrent>,
    /// The published LSTM's cell.
    pub lstm: Loaded<Recurrent>,
}

impl Rooms {
    /// The dynamics of that name: `room-gru`, `room-gru-2`, `room-gru-3`, `room-ctrnn`, `room-lstm`; the first of any other.
    #[must_use]
    pub fn dynamics(self, name: &str) -> Loaded<Recurrent> {
        let [first, second, third] = self.gru;
        match name {
            "room-gru-2" => second,
            "room-gru-3" => third,
            "room-ctrnn" => self.ctrnn,
            "room-lstm" => self.lstm,
            _ => first,
        }
    }
}

/// Loads the bundled networks, as strictly as any file.
///
/// # Errors
/// [`Error::Weights`] when the program was built from damaged files.
pub fn bundled() -> Result<Bundled> {
    let gru = |k: usize| {
        let name = format!("bundled room-gru-{}.safetensors", k + 1);
        read_dynamics(name.as_ref(), ROOM_GRU[k])
    };
    Ok(Bundled {
        encoder: read_encoder("bundled playnet.safetensors".as_ref(), ENCODER)?,
        ctrnn: read_dynamics("bundled ctrnn.safetensors".as_ref(), CTRNN)?,
        lstm: read_dynamics("bundled lstm.safetensors".as_ref(), LSTM)?,
        rooms: Rooms {
            encoder: read_roomnet("bundled roomnet.safetensors".as_ref(), ROOMNET)?,
            gru: [gru(0)?, gru(1)?, gru(2)?],
            ctrnn: read_dynamics("bundled room-ctrnn.safetensors".as_ref(), ROOM_CTRNN)?,
            lstm: read_dynamics("bundled room-lstm.safetensors".as_ref(), ROOM_LSTM)?,
        },
    })
}

/// Reads an encoder from a file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Weights`].
pub fn load_encoder(path: &Path) -> Result<Loaded<PlayNet>> {
    read_encoder(path, &read(path)?)
}

/// An encoder of this project's own.
#[derive(Clone, Debug)]
pub enum OwnEncoder {
    /// The first one.
    Play(PlayNet),
    /// The one with two towers.
    Room(RoomNet),
}

impl OwnEncoder {
    /// The encoder, whichever it is.
    #[must_use]
    pub fn boxed(self) -> Box<dyn Encoder> {
        match self {
            Self::Play(net) => Box::new(net),
            Self::Room(net) => Box::new(net),
        }
    }
}

/// Reads an encoder of either kind from a file; its tensors' names tell which.
///
/// # Errors
/// [`Error::Io`] or [`Error::Weights`].
pub fn load_own_encoder(path: &Path) -> Result<Loaded<OwnEncoder>> {
    let bytes = read(path)?;
    let (tensors, _) = from_bytes(path, &bytes)?;
    if tensors.keys().any(|name| name.starts_with("encoder.place")) {
        return Ok(read_roomnet(path, &bytes)?.map(OwnEncoder::Room));
    }
    Ok(read_encoder(path, &bytes)?.map(OwnEncoder::Play))
}

/// Reads an encoder with two towers from a file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Weights`].
pub fn load_roomnet(path: &Path) -> Result<Loaded<RoomNet>> {
    read_roomnet(path, &read(path)?)
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
    Ok(mental_pong_base::files::read(path, OWN_BYTES)?)
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

fn read_roomnet(path: &Path, bytes: &[u8]) -> Result<Loaded<RoomNet>> {
    let (tensors, metadata) = from_bytes(path, bytes)?;
    let config: RoomNetConfig = network(path, &metadata)?;
    let params = strict(path, tensors, &RoomNet::shapes(&config))?;
    let sha256 = mental_pong_base::files::sha256_hex(bytes);
    Ok(Loaded {
        model: RoomNet::new(config, &params, sha256.clone())?,
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
