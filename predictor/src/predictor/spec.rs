//! Which predictor is meant: settled by names and files' existence alone, before anything is loaded.

use std::path::{Path, PathBuf};

use candle_core::Device;
use mental_pong_base::Monitor;
use mental_pong_base::files::write_atomic;

use super::{Forecaster, Predictor};
use crate::dynamics::Rollout;
use crate::encoders::{Encoder, GaborPca, PixelEncoder, PixelPca, PublishedEncoder};
use crate::weights::catalogue;
use crate::weights::load::{
    EncoderNetwork, LoadedDynamics, LoadedEncoder, Network, Source, any_from, dynamics_from,
    encoder_from, network_beside, own_encoder_from, random_dynamics, random_encoder,
};
use crate::weights::{Loaded, OwnEncoder, bundled};
use crate::{Error, Result};

/// Names of the predictors that come with the program.
const BUNDLED: [&str; 11] = [
    "room-gru",
    "room-gru-2",
    "room-gru-3",
    "room-ctrnn",
    "room-lstm",
    "roomnet",
    "ctrnn",
    "lstm",
    "no-dynamics",
    "encoder",
    "pixels",
];
/// Input representations of networks that were trained on the task itself, fitted on the spot.
const REPRESENTATIONS: [&str; 2] = ["pixel_pca", "gabor_pca"];
/// Folder in which published weights are looked for.
const FOLDER: &str = "weights";

pub(super) fn names() -> Vec<&'static str> {
    let released = catalogue::PUBLISHED.iter().filter(|p| p.dynamics.is_some());
    let mut names = [&BUNDLED[..], &REPRESENTATIONS, &PublishedEncoder::NAMES].concat();
    names.extend(released.map(|p| p.name));
    names
}

/// What may be said beside a predictor's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// Weights of a published encoder or checkpoint, or the folder they stand in; of a bundled predictor
    /// its dynamics'; of principal components the file that keeps them.
    pub weights: Option<PathBuf>,
    /// Weights of the project's own encoder, in place of the bundled ones.
    pub encoder: Option<PathBuf>,
    /// Kind of the dynamics: `ctrnn`, `lstm`, `gru`, `mlp`, `identity` or `none`; what
    /// `dynamics_weights` holds, else none, without it.
    pub dynamics: Option<String>,
    /// Weights of the dynamics.
    pub dynamics_weights: Option<PathBuf>,
    /// Seed of the weights that no file gives.
    pub random_weights: Option<u64>,
    /// Units of dynamics drawn at random.
    pub hidden: usize,
    /// State between the steps of a forecast; what the dynamics were made for without it.
    pub rollout: Option<Rollout>,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            weights: None,
            encoder: None,
            dynamics: None,
            dynamics_weights: None,
            random_weights: None,
            hidden: 1024,
            rollout: None,
        }
    }
}

/// Where weights come from.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightsSpec {
    /// A file.
    File(PathBuf),
    /// Drawn by a seed.
    Random(u64),
}

/// An encoder that is yet to be loaded.
#[derive(Clone, Debug, PartialEq)]
pub enum EncoderSpec {
    /// The bundled one.
    Bundled,
    /// The bundled one with two towers.
    Rooms,
    /// One of its kind, in a file of `mpong train encoder`.
    Own(PathBuf),
    /// Grey levels of blocks of the frame; nothing learned.
    Pixels,
    /// Principal components of pixels (`pixel_pca`) or motion energies (`gabor_pca`); of a file that is
    /// not there they are fitted and kept in it.
    Components(&'static str, Option<PathBuf>),
    /// A published architecture.
    Published(Box<PublishedEncoder>, WeightsSpec),
    /// Whatever the file holds: an encoder, dynamics of the bundled encoder, or both.
    File(PathBuf),
}

/// Dynamics that are yet to be loaded.
#[derive(Clone, Debug, PartialEq)]
pub enum DynamicsSpec {
    /// None, or those that stand in the encoder's file.
    None,
    /// The last latent, held.
    Identity,
    /// The bundled ones of this kind.
    Bundled(&'static str),
    /// The bundled ones of this name on the encoder with two towers.
    Rooms(String),
    /// A file's, which has to hold this kind where one is said.
    File(PathBuf, Option<String>),
    /// Drawn: kind, units, seed.
    Random(String, usize, u64),
}

/// A predictor that is yet to be loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictorSpec {
    name: String,
    /// The encoder.
    pub encoder: EncoderSpec,
    /// The dynamics.
    pub dynamics: DynamicsSpec,
    rollout: Option<Rollout>,
}

fn bad(name: &str, field: &str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::Config {
        place: format!("model {name}"),
        field: field.into(),
        expected: expected.into(),
        found: found.into(),
    }
}

impl PredictorSpec {
    /// The predictor of that name, or of the file of that name where no predictor has it.
    ///
    /// # Errors
    /// As [`PredictorSpec::choose`].
    pub fn named(name: &str) -> Result<Self> {
        Self::choose(name, &Choices::default())
    }

    /// The predictor that a name or file and what is said beside it mean. Nothing is loaded.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown name (with a guess), weights that are not there (with the command
    /// that gets them), and choices that do not go together.
    pub fn choose(name: &str, choices: &Choices) -> Result<Self> {
        if BUNDLED.contains(&name) {
            return Self::bundled(name, choices);
        }
        if let Some(kind) = REPRESENTATIONS.into_iter().find(|known| *known == name) {
            let encoder = EncoderSpec::Components(kind, choices.weights.clone());
            return Self::with_dynamics(name, encoder, choices);
        }
        if let Ok(network) = PublishedEncoder::named(name) {
            return Self::published(name, network, choices);
        }
        let known = catalogue::find(name);
        let path = match (&choices.weights, Path::new(name)) {
            (Some(file), _) if file.is_dir() => file.join(name),
            (Some(file), _) if known.is_some() => file.clone(),
            (_, path) if path.exists() => path.to_path_buf(),
            (None, _) if known.is_some() => Path::new(FOLDER).join(name),
            _ => return Err(unknown(name)),
        };
        if !path.exists() && known.is_some() {
            let expected = format!("the file (mpong weights fetch {name})");
            return Err(bad(
                name,
                "weights",
                expected,
                format!("no {}", path.display()),
            ));
        }
        Self::file(&path, choices).map(|spec| Self {
            name: name.into(),
            ..spec
        })
    }

    /// The predictor of a file, whatever its name.
    ///
    /// # Errors
    /// As [`PredictorSpec::choose`].
    pub fn file(path: &Path, choices: &Choices) -> Result<Self> {
        let name = path.display().to_string();
        if !path.is_file() {
            return Err(bad(&name, "file", "a weight file", "no such file"));
        }
        Self::with_dynamics(&name, EncoderSpec::File(path.to_path_buf()), choices)
    }

    fn bundled(name: &str, choices: &Choices) -> Result<Self> {
        if choices.dynamics.is_some() || choices.random_weights.is_some() {
            let field = match choices.dynamics {
                Some(_) => "dynamics",
                None => "random-weights",
            };
            let expected = "a published encoder or a file; a bundled predictor is its name, and its \
                            null random-weights a row of every study";
            return Err(bad(name, field, expected, "a bundled predictor"));
        }
        let file = choices
            .dynamics_weights
            .as_ref()
            .or(choices.weights.as_ref());
        let dynamics = match (name, file) {
            ("ctrnn" | "lstm", Some(file)) => DynamicsSpec::File(file.clone(), None),
            ("ctrnn", None) => DynamicsSpec::Bundled("ctrnn"),
            ("lstm", None) => DynamicsSpec::Bundled("lstm"),
            (_, None) if name.starts_with("room-") => DynamicsSpec::Rooms(name.into()),
            (_, Some(file)) if name.starts_with("room-") => DynamicsSpec::File(file.clone(), None),
            (_, Some(_)) => {
                let expected = "ctrnn or lstm, which have dynamics";
                return Err(bad(name, "weights", expected, name));
            }
            ("no-dynamics", None) => DynamicsSpec::Identity,
            _ => DynamicsSpec::None,
        };
        let encoder = match (name, &choices.encoder) {
            ("pixels", _) => EncoderSpec::Pixels,
            (_, Some(path)) => EncoderSpec::Own(path.clone()),
            (_, None) if name.starts_with("room") => EncoderSpec::Rooms,
            (_, None) => EncoderSpec::Bundled,
        };
        Ok(Self {
            name: name.into(),
            encoder,
            dynamics,
            rollout: choices.rollout,
        })
    }

    fn published(name: &str, network: PublishedEncoder, choices: &Choices) -> Result<Self> {
        let file = match (&choices.weights, catalogue::find(name)) {
            (Some(folder), Some(known)) if folder.is_dir() => Some(folder.join(known.file)),
            (Some(file), _) => Some(file.clone()),
            (None, known) => known
                .map(|known| Path::new(FOLDER).join(known.file))
                .filter(|file| choices.random_weights.is_none() && file.exists()),
        };
        let weights = match (file, choices.random_weights) {
            (Some(file), _) => WeightsSpec::File(file),
            (None, Some(seed)) => WeightsSpec::Random(seed),
            (None, None) => {
                let expected = format!(
                    "a file (to get it: mpong weights fetch {name}) or random-weights, a seed"
                );
                return Err(bad(name, "weights", expected, "neither"));
            }
        };
        // A description beside the file stands above the name: its sizes may be others.
        let described = match &weights {
            WeightsSpec::File(file) => network_beside(file)?,
            WeightsSpec::Random(_) => None,
        };
        let network = Box::new(described.unwrap_or(network));
        Self::with_dynamics(name, EncoderSpec::Published(network, weights), choices)
    }

    fn with_dynamics(name: &str, encoder: EncoderSpec, choices: &Choices) -> Result<Self> {
        let dynamics = match (&choices.dynamics_weights, choices.dynamics.as_deref()) {
            (None, None | Some("none")) => DynamicsSpec::None,
            (None, Some("identity")) => DynamicsSpec::Identity,
            (Some(_), Some(kind @ ("none" | "identity"))) => {
                let expected = format!("none: dynamics {kind} has no weights");
                return Err(bad(name, "dynamics-weights", expected, "a file"));
            }
            (Some(path), kind) => DynamicsSpec::File(path.clone(), kind.map(String::from)),
            (None, Some(kind)) if !KINDS.contains(&kind) => {
                let guess = nearest(kind, &KINDS);
                return Err(bad(
                    name,
                    "dynamics",
                    "ctrnn, lstm, gru, mlp, identity or none",
                    kind.to_string() + &guess,
                ));
            }
            (None, Some(kind)) => match choices.random_weights {
                Some(seed) => DynamicsSpec::Random(kind.into(), choices.hidden, seed),
                None => {
                    let expected = "dynamics-weights, a file, or random-weights, a seed";
                    return Err(bad(
                        name,
                        "dynamics",
                        expected,
                        format!("{kind} without either"),
                    ));
                }
            },
        };
        Ok(Self {
            name: name.into(),
            encoder,
            dynamics,
            rollout: choices.rollout,
        })
    }

    /// The predictor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Memory that loading takes and, with it, a batch of frames, bytes; 0 where only the file says.
    #[must_use]
    pub fn loading_bytes(&self) -> u64 {
        match &self.encoder {
            EncoderSpec::Published(network, _) => network.loading_bytes() + network.batch_bytes(),
            EncoderSpec::Components(kind, file) if !kept(file) => match *kind {
                "gabor_pca" => GaborPca::fit_bytes(),
                _ => PixelPca::fit_bytes(),
            },
            _ => 0,
        }
    }

    /// What takes minutes before anything is predicted, in words.
    #[must_use]
    pub fn long_work(&self) -> Option<String> {
        match &self.encoder {
            EncoderSpec::Components(kind, file) if !kept(file) => Some(format!(
                "{kind}: fitting components to 512 trials of the validation part takes minutes \
                 (weights FILE keeps them)"
            )),
            _ => None,
        }
    }

    /// Loads it and moves its networks to `device`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Weights`] for files, [`Error::Config`] for dynamics of another kind or
    /// of other latents, [`Error::Interrupted`] when `monitor` stops a fit.
    pub fn load(&self, device: &Device, monitor: &dyn Monitor) -> Result<Predictor> {
        let (mut encoder, mut inside) = self.load_encoder(monitor)?;
        if inside.is_some() && self.dynamics != DynamicsSpec::None {
            let expected = "an encoder alone";
            return Err(bad(
                &self.name,
                "dynamics",
                expected,
                "a file with dynamics of its own",
            ));
        }
        let latent = encoder.model.latent_dim();
        let bundle = |l: Loaded<crate::dynamics::Recurrent>| LoadedDynamics::own(l, self.rollout);
        let loaded = match &self.dynamics {
            DynamicsSpec::None => inside.take(),
            DynamicsSpec::Identity => None,
            DynamicsSpec::Bundled("lstm") => Some(bundle(bundled()?.lstm)),
            DynamicsSpec::Bundled(_) => Some(bundle(bundled()?.ctrnn)),
            DynamicsSpec::Rooms(name) => Some(bundle(bundled()?.rooms.dynamics(name))),
            DynamicsSpec::File(path, kind) => {
                let loaded = dynamics_from(path, self.rollout)?;
                if let Some(kind) = kind.as_ref().filter(|kind| *kind != loaded.kind) {
                    let found = format!("{}, a {}", path.display(), loaded.kind);
                    return Err(bad(&self.name, "dynamics", kind, found));
                }
                Some(loaded)
            }
            DynamicsSpec::Random(kind, hidden, seed) => {
                let rollout = self.rollout.unwrap_or(Rollout::Restart);
                Some(random_dynamics(kind, latent, *hidden, rollout, *seed)?)
            }
        };
        encoder.model.move_to(device)?;
        let (forecaster, kind, source, how) = match loaded {
            Some(mut loaded) => {
                loaded.model.move_to(device)?;
                let how = format!("forecast by {} while the ball is hidden", loaded.kind);
                let network = Some(loaded.network);
                let forecaster = Forecaster::Network(loaded.model.into(), network);
                (forecaster, loaded.kind, Some(loaded.source), how)
            }
            None if self.dynamics == DynamicsSpec::Identity => {
                let how = "the last latent of the visible ball is held".to_string();
                (Forecaster::Held, "identity", None, how)
            }
            None => (Forecaster::None, "none", None, "nothing is forecast".into()),
        };
        let description = format!("encoder {}; {how}", encoder.model.identity().name);
        Predictor::assembled(&self.name, description, encoder, forecaster, kind, source)
    }

    fn load_encoder(
        &self,
        monitor: &dyn Monitor,
    ) -> Result<(LoadedEncoder, Option<LoadedDynamics>)> {
        let alone = |encoder| Ok((encoder, None));
        match &self.encoder {
            EncoderSpec::Bundled => {
                alone(LoadedEncoder::own(bundled()?.encoder.map(OwnEncoder::Play)))
            }
            EncoderSpec::Rooms => alone(LoadedEncoder::own(
                bundled()?.rooms.encoder.map(OwnEncoder::Room),
            )),
            EncoderSpec::Own(path) => alone(own_encoder_from(path)?),
            EncoderSpec::Pixels => alone(LoadedEncoder {
                model: Box::new(PixelEncoder::default()),
                network: EncoderNetwork::Pixels,
                source: Source::named("pixels", ""),
                facts: Default::default(),
            }),
            EncoderSpec::Components(kind, file) => {
                alone(components(kind, file.as_deref(), monitor)?)
            }
            EncoderSpec::Published(network, WeightsSpec::File(file)) => {
                alone(encoder_from(file, network)?)
            }
            EncoderSpec::Published(network, WeightsSpec::Random(seed)) => {
                alone(random_encoder(network, *seed)?)
            }
            EncoderSpec::File(path) => match any_from(path, None)? {
                Network::Encoder(encoder) => alone(encoder),
                Network::Combined(encoder, _) if self.rollout.is_some() => {
                    let dynamics = dynamics_from(path, self.rollout)?;
                    Ok((encoder, Some(dynamics)))
                }
                Network::Combined(encoder, dynamics) => Ok((encoder, Some(dynamics))),
                Network::Dynamics(dynamics) => {
                    let trained = dynamics.facts.get("encoder_sha256");
                    let bundle = bundled()?;
                    let encoder = match trained == Some(&bundle.rooms.encoder.sha256) {
                        true => bundle.rooms.encoder.map(OwnEncoder::Room),
                        false => bundle.encoder.map(OwnEncoder::Play),
                    };
                    let encoder = LoadedEncoder::own(encoder);
                    if trained != Some(&encoder.source.sha256) {
                        let expected =
                            "an encoder, or dynamics that were trained on the bundled one";
                        let found = format!(
                            "{} alone; say which encoder's they are, with dynamics-weights {}",
                            dynamics.kind,
                            path.display()
                        );
                        return Err(bad(&self.name, "file", expected, found));
                    }
                    Ok((encoder, Some(dynamics)))
                }
            },
        }
    }
}

/// Kinds of dynamics that can be asked for.
const KINDS: [&str; 6] = ["ctrnn", "lstm", "gru", "mlp", "identity", "none"];

fn kept(file: &Option<PathBuf>) -> bool {
    file.as_ref().is_some_and(|file| file.exists())
}

/// `; did you mean …?`, where a name is near enough to one that is known.
fn nearest(name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|k| (strsim::normalized_damerau_levenshtein(name, k), k));
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, guess)) if likeness >= 0.5 => format!("; did you mean {guess}?"),
        _ => String::new(),
    }
}

fn unknown(name: &str) -> Error {
    let names = names();
    let guess = nearest(name, &names);
    let found = format!("no such name and no such file{guess}");
    bad(
        name,
        "name",
        format!("a weight file or one of {}", names.join(", ")),
        found,
    )
}

/// Principal components, read from a file or fitted.
fn components(
    kind: &'static str,
    file: Option<&Path>,
    monitor: &dyn Monitor,
) -> Result<LoadedEncoder> {
    let gabor = kind == "gabor_pca";
    let model: Box<dyn Encoder> = match file {
        Some(file) if file.exists() && gabor => Box::new(GaborPca::load(file)?),
        Some(file) if file.exists() => Box::new(PixelPca::load(file)?),
        file => {
            let sample = PixelPca::sample()?;
            let (encoder, bytes): (Box<dyn Encoder>, Vec<u8>) = if gabor {
                let fitted = GaborPca::fit(&sample, monitor)?;
                let bytes = fitted.to_bytes()?;
                (Box::new(fitted), bytes)
            } else {
                let fitted = PixelPca::fit(&sample, monitor)?;
                let bytes = fitted.to_bytes()?;
                (Box::new(fitted), bytes)
            };
            if let Some(file) = file {
                write_atomic(file, |out| out.write_all(&bytes))
                    .map_err(mental_pong_game::Error::from)?;
            }
            encoder
        }
    };
    let identity = model.identity();
    Ok(LoadedEncoder {
        source: Source::named(&identity.name, &identity.weights_sha256),
        network: EncoderNetwork::Fitted,
        facts: Default::default(),
        model,
    })
}
