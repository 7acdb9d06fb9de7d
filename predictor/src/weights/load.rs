//! Networks from whatever file they stand in: converted, as their authors published them, or as a
//! released checkpoint of encoder and dynamics.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bundled::{OwnEncoder, load_dynamics, load_own_encoder};
use super::convert::{COMBINED, Checkpoint, Converted, ENCODER_NETWORK, Part, refused};
use super::infer::{self, DynamicsNetwork};
use super::{Loaded, Metadata};
use crate::dynamics::{
    CellKind, Dynamics, DynamicsConfig, Init, Mlp, MlpConfig, Recurrent, Rollout, Skip,
};
use crate::encoders::{
    Encoder, GaborPca, PixelPca, PlayNetConfig, PublishedEncoder, RoomNetConfig,
};
use crate::params::Params;
use crate::{Error, Result};
use mental_pong_base::Stream;

/// Longest description of a network beside its weights, bytes.
const DESCRIPTION_BYTES: u64 = 1 << 20;

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file's name without its folder; of random weights, `random`.
    pub file: String,
    /// SHA-256 of the file, or `random:<seed>`.
    pub sha256: String,
    /// Key that the tensors stood under, if the file is not flat.
    pub key: Option<String>,
    /// Seed of random weights; none where they come from a file.
    pub random_seed: Option<u64>,
    /// What the file also holds and was left out.
    pub dropped: Vec<String>,
}

impl Source {
    fn of(converted: &Converted) -> Self {
        Self {
            file: converted.source_file.clone(),
            sha256: converted.source_sha256.clone(),
            key: converted.source_key.clone(),
            random_seed: None,
            dropped: converted.dropped.clone(),
        }
    }

    fn file(path: &Path, sha256: &str) -> Self {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        Self {
            file: name.unwrap_or_default(),
            sha256: sha256.into(),
            key: None,
            random_seed: None,
            dropped: Vec::new(),
        }
    }

    /// Weights that stand in no file of their own, by a name and the hash of their content.
    #[must_use]
    pub fn named(name: &str, sha256: &str) -> Self {
        Self {
            file: name.into(),
            sha256: sha256.into(),
            key: None,
            random_seed: None,
            dropped: Vec::new(),
        }
    }

    /// Random weights of a seed.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        Self {
            file: "random".into(),
            sha256: format!("random:{seed}"),
            key: None,
            random_seed: Some(seed),
            dropped: Vec::new(),
        }
    }
}

/// What an encoder is made of: what fresh weights can be drawn for.
#[derive(Clone, Debug, PartialEq)]
pub enum EncoderNetwork {
    /// The project's first network.
    Playnet(PlayNetConfig),
    /// The project's network with two towers.
    Roomnet(RoomNetConfig),
    /// A published architecture.
    Published(Box<PublishedEncoder>),
    /// Grey levels of blocks; it has no weights.
    Pixels,
    /// Fitted without a network, or given by a caller.
    Fitted,
}

impl EncoderNetwork {
    /// The published architecture, if it is one.
    #[must_use]
    pub fn published(&self) -> Option<&PublishedEncoder> {
        match self {
            Self::Published(network) => Some(network),
            _ => None,
        }
    }
}

/// An encoder and where its weights come from.
pub struct LoadedEncoder {
    /// The encoder.
    pub model: Box<dyn Encoder>,
    /// What it is made of.
    pub network: EncoderNetwork,
    /// Its weights.
    pub source: Source,
    /// What their file says of their making.
    pub facts: Metadata,
}

impl LoadedEncoder {
    /// One of the project's own, as bundled.
    #[must_use]
    pub fn own(loaded: Loaded<OwnEncoder>) -> Self {
        let network = match &loaded.model {
            OwnEncoder::Play(net) => EncoderNetwork::Playnet(net.config().clone()),
            OwnEncoder::Room(net) => EncoderNetwork::Roomnet(net.config().clone()),
        };
        Self {
            network,
            model: loaded.model.boxed(),
            source: Source::named("bundled", &loaded.sha256),
            facts: loaded.metadata,
        }
    }
}

/// An encoder of the project's own kind from a file of `mpong train encoder`.
///
/// # Errors
/// [`Error::Io`] and [`Error::Weights`].
pub fn own_encoder_from(path: &Path) -> Result<LoadedEncoder> {
    let loaded = load_own_encoder(path)?;
    Ok(LoadedEncoder {
        source: Source::file(path, &loaded.sha256),
        ..LoadedEncoder::own(loaded)
    })
}

/// A dynamics module and where its weights come from.
pub struct LoadedDynamics {
    /// The module.
    pub model: Box<dyn Dynamics>,
    /// Its kind: `ctrnn`, `lstm`, `gru` or `mlp`.
    pub kind: &'static str,
    /// Its sizes and equations.
    pub network: DynamicsNetwork,
    /// Its weights.
    pub source: Source,
    /// What their file says of their making.
    pub facts: Metadata,
}

impl LoadedDynamics {
    /// A module of the project's own, as bundled; with another rollout where one is said.
    #[must_use]
    pub fn own(loaded: Loaded<Recurrent>, rollout: Option<Rollout>) -> Self {
        let rollout = rollout.unwrap_or(loaded.model.config().rollout);
        let model = loaded.model.with_rollout(rollout);
        let network = DynamicsNetwork::Recurrent(model.config().clone());
        Self {
            kind: kind_of(&network),
            network,
            model: Box::new(model),
            source: Source::named("bundled", &loaded.sha256),
            facts: loaded.metadata,
        }
    }
}

/// What a weight file holds.
#[allow(
    clippy::large_enum_variant,
    reason = "one is made for a file; nobody holds many"
)]
pub enum Network {
    /// An encoder.
    Encoder(LoadedEncoder),
    /// Dynamics.
    Dynamics(LoadedDynamics),
    /// Both, as the released checkpoints do.
    Combined(LoadedEncoder, LoadedDynamics),
}

/// The name of a dynamics network's kind.
#[must_use]
pub fn kind_of(network: &DynamicsNetwork) -> &'static str {
    match network {
        DynamicsNetwork::Recurrent(config) => match config.cell {
            CellKind::Ctrnn => "ctrnn",
            CellKind::Lstm => "lstm",
            CellKind::Gru => "gru",
        },
        DynamicsNetwork::Mlp(_) => "mlp",
    }
}

/// The description of a network that stands beside a weight file: `<file>.json`, a
/// [`PublishedEncoder`].
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read, [`Error::Config`] for one that says something else.
pub fn network_beside(path: &Path) -> Result<Option<PublishedEncoder>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    let beside = PathBuf::from(name);
    if !beside.exists() {
        return Ok(None);
    }
    let text = mental_pong_base::table::read_text(&beside, DESCRIPTION_BYTES)?;
    let network = serde_json::from_str(&text).map_err(|e| wrong_description(&beside, &text, &e))?;
    Ok(Some(network))
}

/// An error of a description, with the field, what was expected and what was found.
fn wrong_description(path: &Path, text: &str, error: &serde_json::Error) -> Error {
    let said = error.to_string();
    let quoted = |text: &str| text.split('`').nth(1).map(String::from);
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    // The field of a value that is wrong stands before it on its line.
    let before = line.get(..error.column().min(line.len())).unwrap_or(line);
    let named = before
        .rsplit_once("\":")
        .and_then(|(head, _)| head.rsplit('"').next());
    let said_short = said.split(" at line ").next().unwrap_or(&said);
    let (field, expected, found) = match said_short.split_once(", expected ") {
        _ if said.starts_with("missing field") => {
            (quoted(&said), "a value".to_string(), "nothing".to_string())
        }
        Some((found, expected)) if said.starts_with("unknown") => {
            (quoted(&said), expected.to_string(), found.to_string())
        }
        Some((found, expected)) => {
            let found = found.trim_start_matches("invalid type: ");
            (
                named.map(String::from),
                expected.to_string(),
                found.to_string(),
            )
        }
        None => (named.map(String::from), "JSON".to_string(), said.clone()),
    };
    Error::Config {
        place: format!("{}, line {}", path.display(), error.line()),
        field: field.unwrap_or_else(|| "network".into()),
        expected: format!("{expected} (mpong weights convert --example prints one that is whole)"),
        found,
    }
}

/// Turns a published file, whatever it holds, into safetensors: an encoder, dynamics, or both in one file.
/// `network` says which encoder; the description beside the file stands above it.
///
/// # Errors
/// As [`any_from`].
pub fn convert_any(
    path: &Path,
    network: Option<&PublishedEncoder>,
    key: Option<&str>,
    prefix: Option<&str>,
) -> Result<(Converted, Vec<u8>)> {
    let checkpoint = match (key, network) {
        (Some(key), _) => Checkpoint::open_key(path, key)?,
        (None, Some(network)) => open_for(path, network)?,
        (None, None) => Checkpoint::open(path)?,
    };
    let beside = network_beside(path)?;
    let has_encoder = checkpoint.tensors().any(|(n, _)| n.starts_with("encoder."));
    let dynamics = infer::dynamics(&checkpoint);
    let encoder = match (beside.as_ref().or(network), prefix) {
        (Some(encoder), _) => Some(encoder.clone()),
        (None, _) if has_encoder => infer::combined_encoder(&checkpoint),
        (None, _) => None,
    };
    if let (Some(dynamics), None) = (&dynamics, &encoder) {
        let part = infer::dynamics_part(&checkpoint, dynamics).beside(&["encoder"]);
        let converted = checkpoint.convert(&[part])?;
        let config = match dynamics {
            DynamicsNetwork::Recurrent(config) => Some(config),
            DynamicsNetwork::Mlp(_) => None,
        };
        let bytes = converted.to_bytes(0, &config)?;
        return Ok((converted, bytes));
    }
    let encoder = match encoder {
        Some(encoder) => encoder,
        None => only_fitting(path, &checkpoint)?,
    };
    let both = dynamics.filter(|_| has_encoder && network.is_none() && prefix.is_none());
    if let Some(dynamics) = both {
        let parts = combined_parts(&checkpoint, &encoder, &dynamics);
        let converted = checkpoint.convert(&parts)?;
        let bytes = converted.to_combined_bytes(&encoder)?;
        return Ok((converted, bytes));
    }
    let part = match prefix {
        Some(prefix) => encoder.part_at(prefix),
        None => encoder.part_in(&checkpoint),
    };
    let converted = checkpoint.convert(&[part.beside(&["dynamics"])])?;
    let bytes = converted.to_bytes(0, &encoder)?;
    Ok((converted, bytes))
}

/// Opens a file for a network: under V-JEPA 2's key where it is one of its authors' files.
fn open_for(path: &Path, network: &PublishedEncoder) -> Result<Checkpoint> {
    match Checkpoint::open(path) {
        Err(error)
            if matches!(
                network.architecture,
                crate::encoders::Architecture::Vjepa2(_)
            ) =>
        {
            Checkpoint::open_key(path, "encoder").map_err(|_| error)
        }
        opened => opened,
    }
}

/// An encoder from a file: converted, or as published (PyTorch or safetensors) in any layout that is
/// known. Dynamics that stand beside it in a released checkpoint are left alone.
///
/// # Errors
/// [`Error::Io`] and [`Error::Weights`], as [`Checkpoint::open`] and [`Checkpoint::convert`].
pub fn encoder_from(path: &Path, network: &PublishedEncoder) -> Result<LoadedEncoder> {
    let checkpoint = open_for(path, network)?;
    let mut network = network.clone();
    let part = match checkpoint.metadata().get("network") {
        Some(text) => {
            let found: PublishedEncoder = serde_json::from_str(text).map_err(|e| {
                refused(
                    path,
                    "*",
                    "metadata `network` with a published encoder",
                    e.to_string(),
                )
            })?;
            if found.architecture != network.architecture {
                let found = format!("an encoder {} of another size or kind", found.name);
                return Err(refused(
                    path,
                    "*",
                    &format!("the encoder {}", network.name),
                    found,
                ));
            }
            network.preprocess = found.preprocess;
            network.part_at("")
        }
        None => network.part_in(&checkpoint),
    };
    let part = part.beside(&["dynamics"]);
    let has_dynamics = infer::dynamics(&checkpoint);
    let mut parts = vec![part];
    if let Some(dynamics) = has_dynamics {
        parts.push(infer::dynamics_part(&checkpoint, &dynamics));
    }
    built(checkpoint.convert(&parts)?, network)
}

fn built(mut converted: Converted, network: PublishedEncoder) -> Result<LoadedEncoder> {
    let tensors = converted.parts.swap_remove(0);
    let source = Source::of(&converted);
    Ok(LoadedEncoder {
        model: network.build(&tensors, source.sha256.clone())?,
        network: EncoderNetwork::Published(Box::new(network)),
        source,
        facts: Metadata::new(),
    })
}

/// A published encoder with random weights; see [`PublishedEncoder::random`].
///
/// # Errors
/// As [`PublishedEncoder::build`].
pub fn random_encoder(network: &PublishedEncoder, seed: u64) -> Result<LoadedEncoder> {
    Ok(LoadedEncoder {
        model: network.random(seed)?,
        network: EncoderNetwork::Published(Box::new(network.clone())),
        source: Source::random(seed),
        facts: Metadata::new(),
    })
}

fn build_dynamics(
    network: &DynamicsNetwork,
    params: &Params,
    source: Source,
    rollout: Option<Rollout>,
) -> Result<LoadedDynamics> {
    let network = match network {
        DynamicsNetwork::Recurrent(config) => DynamicsNetwork::Recurrent(DynamicsConfig {
            rollout: rollout.unwrap_or(config.rollout),
            ..config.clone()
        }),
        mlp => mlp.clone(),
    };
    let model: Box<dyn Dynamics> = match &network {
        DynamicsNetwork::Recurrent(config) => Box::new(Recurrent::new(config.clone(), params)?),
        DynamicsNetwork::Mlp(config) => Box::new(Mlp::new(config.clone(), params)?),
    };
    Ok(LoadedDynamics {
        model,
        kind: kind_of(&network),
        network,
        source,
        facts: Metadata::new(),
    })
}

fn params(tensors: std::collections::BTreeMap<String, candle_core::Tensor>) -> Result<Params> {
    let mut params = Params::default();
    for (name, tensor) in tensors {
        params.insert(&name, &tensor)?;
    }
    Ok(params)
}

/// Dynamics from a file: of `mpong train dynamics`, or with the published names (PyTorch or
/// safetensors; those of a released checkpoint among them). `rollout` overrides what the file says.
///
/// # Errors
/// [`Error::Io`] and [`Error::Weights`]; also when the file holds no dynamics.
pub fn dynamics_from(path: &Path, rollout: Option<Rollout>) -> Result<LoadedDynamics> {
    let checkpoint = Checkpoint::open(path)?;
    if checkpoint.metadata().contains_key("network") {
        let loaded = load_dynamics(path)?;
        return Ok(LoadedDynamics {
            source: Source::file(path, &loaded.sha256),
            ..LoadedDynamics::own(loaded, rollout)
        });
    }
    let Some(network) = infer::dynamics(&checkpoint) else {
        let expected = "dynamics: dynamics.ctrnn.ah0, dynamics.lstm.weight_ih_l0, \
                        dynamics.gru.weight_ih_l0 or dynamics.regressor.2.weight";
        return Err(refused(path, "*", expected, checkpoint.described()));
    };
    let part = infer::dynamics_part(&checkpoint, &network).beside(&["encoder"]);
    let mut converted = checkpoint.convert(&[part])?;
    let tensors = converted.parts.swap_remove(0);
    let source = Source::of(&converted);
    build_dynamics(&network, &params(tensors)?, source, rollout)
}

/// Dynamics with random weights of the published initialisation ([`Init::Published`]); `kind` is
/// `ctrnn`, `lstm`, `gru` or `mlp` (a window of 7).
///
/// # Errors
/// [`Error::Config`] for another kind.
pub fn random_dynamics(
    kind: &str,
    latent: usize,
    hidden: usize,
    rollout: Rollout,
    seed: u64,
) -> Result<LoadedDynamics> {
    let recurrent = |cell| {
        DynamicsNetwork::Recurrent(DynamicsConfig {
            cell,
            latent,
            fixed: 0,
            hidden,
            dt_over_tau: 0.1,
            skip: Skip::None,
            rollout,
        })
    };
    let network = match kind {
        "ctrnn" => recurrent(CellKind::Ctrnn),
        "lstm" => recurrent(CellKind::Lstm),
        "gru" => recurrent(CellKind::Gru),
        "mlp" => DynamicsNetwork::Mlp(MlpConfig {
            latent,
            window: 7,
            hidden,
        }),
        other => {
            return Err(Error::Config {
                place: "dynamics".into(),
                field: "kind".into(),
                expected: "ctrnn, lstm, gru or mlp".into(),
                found: other.into(),
            });
        }
    };
    random_dynamics_of(&network, seed)
}

/// Dynamics of these sizes and equations with random weights, as [`random_dynamics`].
///
/// # Errors
/// When the tensor library refuses a shape.
pub fn random_dynamics_of(network: &DynamicsNetwork, seed: u64) -> Result<LoadedDynamics> {
    let purpose = format!("random dynamics/{}", kind_of(network));
    let mut rng = Stream::new(seed, &purpose, 0);
    let params = match network {
        DynamicsNetwork::Recurrent(config) => Init::Published.draw(config, &mut rng)?,
        DynamicsNetwork::Mlp(config) => Mlp::init(config, &mut rng)?,
    };
    build_dynamics(network, &params, Source::random(seed), None)
}

/// Where encoder and dynamics stand in a file of both.
fn combined_parts(
    checkpoint: &Checkpoint,
    encoder: &PublishedEncoder,
    dynamics: &DynamicsNetwork,
) -> [Part; 2] {
    let encoder = match checkpoint.metadata().contains_key(ENCODER_NETWORK) {
        true => encoder.part_at(COMBINED),
        false => encoder.part_in(checkpoint),
    };
    [encoder, infer::dynamics_part(checkpoint, dynamics)]
}

/// Encoder and dynamics from a released checkpoint (`VC-1+CTRNN_physion.pt` and its like) or one of
/// its layout. The encoder is what its names and shapes say, or what stands beside the file
/// ([`network_beside`]).
///
/// # Errors
/// [`Error::Io`] and [`Error::Weights`]; also when the file holds no such pair, or is of a
/// transformer whose heads its shapes do not tell.
pub fn combined_from(
    path: &Path,
    rollout: Option<Rollout>,
) -> Result<(LoadedEncoder, LoadedDynamics)> {
    let checkpoint = Checkpoint::open(path)?;
    let noted = checkpoint.metadata().get(ENCODER_NETWORK);
    let encoder = match (noted, network_beside(path)?) {
        (Some(text), _) => Some(serde_json::from_str(text).map_err(|e| {
            let expected = "a note `encoder_network` with a published encoder";
            refused(path, "*", expected, e.to_string())
        })?),
        (None, Some(network)) => Some(network),
        (None, None) => infer::combined_encoder(&checkpoint),
    };
    let (Some(encoder), Some(dynamics)) = (encoder, infer::dynamics(&checkpoint)) else {
        let expected = "an encoder under encoder.<name>. and dynamics under dynamics.";
        let mut found = format!("a file without the pair: {}", checkpoint.described());
        if checkpoint
            .tensors()
            .any(|(name, _)| name.starts_with("encoder."))
        {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".json");
            found = format!(
                "an encoder whose size its shapes do not tell (heads); describe it in {}",
                Path::new(&beside).display()
            );
        }
        return Err(refused(path, "*", expected, found));
    };
    let parts = combined_parts(&checkpoint, &encoder, &dynamics);
    let mut converted = checkpoint.convert(&parts)?;
    let tensors = converted.parts.swap_remove(1);
    let source = Source::of(&converted);
    let dynamics = build_dynamics(&dynamics, &params(tensors)?, source, rollout)?;
    let encoder = built(converted, encoder)?;
    if encoder.model.latent_dim() != dynamics.model.latent_dim() {
        return Err(Error::Shape {
            what: "latent of encoder and dynamics",
            expected: vec![encoder.model.latent_dim()],
            found: vec![dynamics.model.latent_dim()],
        });
    }
    Ok((encoder, dynamics))
}

/// Whatever network a file holds, loaded strictly. `network` says which encoder to expect in a file
/// that does not say so itself.
///
/// # Errors
/// [`Error::Io`] and [`Error::Weights`]: of a file that says nothing of its network, the error names
/// what was looked for.
pub fn any_from(path: &Path, network: Option<&PublishedEncoder>) -> Result<Network> {
    let checkpoint = match network {
        Some(network) => open_for(path, network)?,
        None => Checkpoint::open(path)?,
    };
    let beside = network_beside(path)?;
    let representation: Option<Box<dyn Encoder>> =
        match checkpoint.metadata().get("encoder").map(String::as_str) {
            Some("pixel_pca") => Some(Box::new(PixelPca::load(path)?)),
            Some("gabor_pca") => Some(Box::new(GaborPca::load(path)?)),
            _ => None,
        };
    if let Some(model) = representation {
        return Ok(Network::Encoder(LoadedEncoder {
            source: Source::file(path, &mental_pong_base::files::sha256_file(path)?),
            model,
            network: EncoderNetwork::Fitted,
            facts: Metadata::new(),
        }));
    }
    if let Some(text) = checkpoint.metadata().get("network") {
        if let Ok(network) = serde_json::from_str::<PublishedEncoder>(text) {
            return Ok(Network::Encoder(encoder_from(path, &network)?));
        }
        if serde_json::from_str::<DynamicsConfig>(text).is_ok() {
            return Ok(Network::Dynamics(dynamics_from(path, None)?));
        }
        return Ok(Network::Encoder(own_encoder_from(path)?));
    }
    let has_encoder = checkpoint
        .tensors()
        .any(|(name, _)| name.starts_with("encoder."));
    if infer::dynamics(&checkpoint).is_some() {
        if !has_encoder {
            return Ok(Network::Dynamics(dynamics_from(path, None)?));
        }
        let (encoder, dynamics) = combined_from(path, None)?;
        return Ok(Network::Combined(encoder, dynamics));
    }
    if let Some(network) = network.or(beside.as_ref()) {
        return Ok(Network::Encoder(encoder_from(path, network)?));
    }
    let encoder = only_fitting(path, &checkpoint)?;
    Ok(Network::Encoder(encoder_from(path, &encoder)?))
}

/// The published encoder whose names and shapes a file's are. Of several with the same network which it is has to be
/// said: they are told apart by their preprocessing.
fn only_fitting(path: &Path, checkpoint: &Checkpoint) -> Result<PublishedEncoder> {
    let mut fitting: Vec<PublishedEncoder> = PublishedEncoder::NAMES
        .iter()
        .filter_map(|name| PublishedEncoder::named(name).ok())
        .filter(|e| e.part_in(checkpoint).first_missing(checkpoint).is_none())
        .collect();
    match fitting.len() {
        1 => Ok(fitting.swap_remove(0)),
        0 => {
            let expected = "the tensors of a published encoder or of dynamics, or --encoder NAME";
            Err(refused(path, "*", expected, checkpoint.described()))
        }
        _ => {
            let names: Vec<&str> = fitting.iter().map(|e| e.name.as_str()).collect();
            let expected = "the tensors of one published encoder, or its name beside the file \
                            (predict --model NAME --weights FILE; weights --encoder NAME)";
            let found = format!("those of {}", names.join(", "));
            Err(refused(path, "*", expected, found))
        }
    }
}
