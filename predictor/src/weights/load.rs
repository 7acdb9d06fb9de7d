//! Networks from whatever file they stand in: converted, as their authors published them, or as a
//! released checkpoint of encoder and dynamics.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bundled::{load_dynamics, load_encoder};
use super::convert::{Checkpoint, Converted, Part, refused};
use super::infer::{self, DynamicsNetwork};
use crate::dynamics::{Dynamics, DynamicsConfig, Init, Mlp, MlpConfig, Recurrent, Rollout, Skip};
use crate::encoders::{Encoder, GaborPca, PixelPca, PublishedEncoder};
use crate::params::Params;
use crate::{Error, Result};
use mental_pong_base::Stream;

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

/// An encoder and where its weights come from.
pub struct LoadedEncoder {
    /// The encoder.
    pub model: Box<dyn Encoder>,
    /// Its network; none of the project's own encoder.
    pub network: Option<PublishedEncoder>,
    /// Its weights.
    pub source: Source,
}

/// A dynamics module and where its weights come from.
pub struct LoadedDynamics {
    /// The module.
    pub model: Box<dyn Dynamics>,
    /// Its kind: `ctrnn`, `lstm`, `gru` or `mlp`.
    pub kind: &'static str,
    /// Its weights.
    pub source: Source,
}

/// What a weight file holds.
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
    use crate::dynamics::CellKind;
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
    let text = std::fs::read_to_string(&beside).map_err(|e| Error::io(&beside, e))?;
    let network = serde_json::from_str(&text).map_err(|e| Error::Config {
        place: beside.display().to_string(),
        field: "network".into(),
        expected: "name, architecture and preprocess of an encoder".into(),
        found: e.to_string(),
    })?;
    Ok(Some(network))
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
        parts.push(Part::new("", dynamics.shapes()));
    }
    built(checkpoint.convert(&parts)?, network)
}

fn built(mut converted: Converted, network: PublishedEncoder) -> Result<LoadedEncoder> {
    let tensors = converted.parts.swap_remove(0);
    let source = Source::of(&converted);
    Ok(LoadedEncoder {
        model: network.build(&tensors, source.sha256.clone())?,
        network: Some(network),
        source,
    })
}

/// A published encoder with random weights; see [`PublishedEncoder::random`].
///
/// # Errors
/// As [`PublishedEncoder::build`].
pub fn random_encoder(network: &PublishedEncoder, seed: u64) -> Result<LoadedEncoder> {
    Ok(LoadedEncoder {
        model: network.random(seed)?,
        network: Some(network.clone()),
        source: Source::random(seed),
    })
}

fn build_dynamics(
    network: &DynamicsNetwork,
    params: &Params,
    source: Source,
    rollout: Option<Rollout>,
) -> Result<LoadedDynamics> {
    let model: Box<dyn Dynamics> = match network {
        DynamicsNetwork::Recurrent(config) => {
            let config = DynamicsConfig {
                rollout: rollout.unwrap_or(config.rollout),
                ..config.clone()
            };
            Box::new(Recurrent::new(config, params)?)
        }
        DynamicsNetwork::Mlp(config) => Box::new(Mlp::new(config.clone(), params)?),
    };
    Ok(LoadedDynamics {
        model,
        kind: kind_of(network),
        source,
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
        let mut loaded = load_dynamics(path)?;
        if let Some(rollout) = rollout {
            loaded.model = loaded.model.with_rollout(rollout);
        }
        return Ok(LoadedDynamics {
            kind: kind_of(&DynamicsNetwork::Recurrent(loaded.model.config().clone())),
            model: Box::new(loaded.model),
            source: Source::file(path, &loaded.sha256),
        });
    }
    let Some(network) = infer::dynamics(&checkpoint) else {
        let expected = "dynamics: dynamics.ctrnn.ah0, dynamics.lstm.weight_ih_l0, \
                        dynamics.gru.weight_ih_l0 or dynamics.regressor.2.weight";
        return Err(refused(path, "*", expected, "none of them"));
    };
    let part = Part::new("", network.shapes()).beside(&["encoder"]);
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
    use crate::dynamics::CellKind;
    let mut rng = Stream::new(seed, &format!("random dynamics/{kind}"), 0);
    let cell = match kind {
        "ctrnn" => CellKind::Ctrnn,
        "lstm" => CellKind::Lstm,
        "gru" => CellKind::Gru,
        "mlp" => {
            let config = MlpConfig {
                latent,
                window: 7,
                hidden,
            };
            let params = Mlp::init(&config, &mut rng)?;
            let network = DynamicsNetwork::Mlp(config);
            return build_dynamics(&network, &params, Source::random(seed), None);
        }
        other => {
            return Err(Error::Config {
                place: "dynamics".into(),
                field: "kind".into(),
                expected: "ctrnn, lstm, gru or mlp".into(),
                found: other.into(),
            });
        }
    };
    let config = DynamicsConfig {
        cell,
        latent,
        hidden,
        dt_over_tau: 0.1,
        skip: Skip::None,
        rollout,
    };
    let params = Init::Published.draw(&config, &mut rng)?;
    let network = DynamicsNetwork::Recurrent(config);
    build_dynamics(&network, &params, Source::random(seed), None)
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
    let encoder = match network_beside(path)? {
        Some(network) => Some(network),
        None => infer::combined_encoder(&checkpoint),
    };
    let (Some(encoder), Some(dynamics)) = (encoder, infer::dynamics(&checkpoint)) else {
        let expected = "an encoder under encoder.<name>. and dynamics under dynamics.";
        let mut found = "a file without the pair".to_string();
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
    let parts = [
        encoder.part_in(&checkpoint),
        Part::new("", dynamics.shapes()),
    ];
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
            network: None,
        }));
    }
    if let Some(text) = checkpoint.metadata().get("network") {
        if let Ok(network) = serde_json::from_str::<PublishedEncoder>(text) {
            return Ok(Network::Encoder(encoder_from(path, &network)?));
        }
        if serde_json::from_str::<DynamicsConfig>(text).is_ok() {
            return Ok(Network::Dynamics(dynamics_from(path, None)?));
        }
        let loaded = load_encoder(path)?;
        return Ok(Network::Encoder(LoadedEncoder {
            source: Source::file(path, &loaded.sha256),
            model: Box::new(loaded.model),
            network: None,
        }));
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
    // Names and shapes that are those of exactly one published encoder or of several with the same
    // network: the latter have to be told apart by their preprocessing.
    let fitting: Vec<PublishedEncoder> = PublishedEncoder::NAMES
        .iter()
        .filter_map(|name| PublishedEncoder::named(name).ok())
        .filter(|e| e.part_in(&checkpoint).first_missing(&checkpoint).is_none())
        .collect();
    match fitting.as_slice() {
        [one] => Ok(Network::Encoder(encoder_from(path, one)?)),
        [] => {
            let expected = "the tensors of a published encoder or of dynamics, or --encoder NAME";
            let count = checkpoint.tensors().count();
            let first = checkpoint
                .tensors()
                .next()
                .map(|(name, _)| name.to_string());
            let found = format!("{count} tensors, the first {}", first.unwrap_or_default());
            Err(refused(path, "*", expected, found))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|e| e.name.as_str()).collect();
            let expected = "the tensors of one published encoder, or --encoder NAME";
            Err(refused(
                path,
                "*",
                expected,
                format!("those of {}", names.join(", ")),
            ))
        }
    }
}
