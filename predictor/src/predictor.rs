//! A predictor: an encoder, perhaps dynamics, the protocol they are run by, and where all of it comes from.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use mental_pong_base::Stream;
use mental_pong_game::frames::Preset;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::dynamics::{Dynamics, Identity, Inertia, Recurrent, Skip};
use crate::encoders::{Encoder, PlayNet, RoomNet};
use crate::latents::{Clock, Protocol, Shown};
use crate::playworld::Mix;
use crate::training::{standardised, standardised_rooms};
use crate::weights::infer::DynamicsNetwork;
use crate::weights::load::{
    EncoderNetwork, LoadedEncoder, Source, random_dynamics_of, random_encoder,
};
use crate::{Error, Result};

mod spec;

pub use spec::{Choices, DynamicsSpec, EncoderSpec, PredictorSpec, WeightsSpec};

/// What a predictor's forecasts come from.
#[derive(Clone)]
enum Forecaster {
    /// Nothing is forecast.
    None,
    /// The last latent of the context, held.
    Held,
    /// The context's smoothed velocity, kept; with this share of the newest change at steps of 50 ms.
    Inertia(f64),
    /// A network; of one that was read or drawn, its sizes.
    Network(Arc<dyn Dynamics>, Option<DynamicsNetwork>),
}

/// A predictor without what was learned, or without the task: what a forecast is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Null {
    /// The predictor's own latents of the visible ball, going on with their smoothed velocity.
    Inertia,
    /// The last latent of the context, held.
    NoDynamics,
    /// The same networks with weights drawn by this seed.
    RandomWeights(u64),
    /// The encoder alone on the same flights without occluder: a reference, nothing is hidden.
    UpperVisible,
}

impl Null {
    /// The null's name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inertia => "inertia",
            Self::NoDynamics => "no-dynamics",
            Self::RandomWeights(_) => "random-weights",
            Self::UpperVisible => "upper-visible",
        }
    }
}

/// Where the parts of a predictor come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// One sentence for tables and reports.
    pub description: String,
    /// The encoder's weights.
    pub encoder: Source,
    /// Kind of the dynamics: `none`, `identity`, `inertia`, `ctrnn`, `lstm`, `gru`, `mlp`, or `own`.
    pub dynamics: String,
    /// Their weights, if they have any.
    pub dynamics_source: Option<Source>,
}

impl Provenance {
    /// Whether any weights were drawn at random.
    #[must_use]
    pub fn random(&self) -> bool {
        let sources = [Some(&self.encoder), self.dynamics_source.as_ref()];
        let mut sources = sources.into_iter().flatten();
        sources.any(|source| source.random_seed.is_some())
    }
}

/// An encoder, perhaps dynamics, the protocol they are run by, and where all of it comes from.
///
/// ```no_run
/// use mental_pong_base::Quiet;
/// use mental_pong_game::task::ConditionSet;
/// use mental_pong_predictor::latents::{Cache, Layers};
/// use mental_pong_predictor::{Null, Predictor};
///
/// let ctrnn = Predictor::named("ctrnn")?;
/// let set = ConditionSet::open("primate79")?;
/// let latents = ctrnn.latents(&set, Layers::DYNAMICS, &Cache::none(), &Quiet)?;
/// let held = ctrnn.null(Null::NoDynamics)?;
/// assert_eq!(latents.conditions.len(), 79);
/// # Ok::<(), mental_pong_predictor::Error>(())
/// ```
#[derive(Clone)]
pub struct Predictor {
    name: String,
    encoder: Arc<dyn Encoder>,
    network: EncoderNetwork,
    forecaster: Forecaster,
    protocol: Protocol,
    provenance: Provenance,
}

impl std::fmt::Debug for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predictor")
            .field("name", &self.name)
            .field("protocol", &self.protocol)
            .field("provenance", &self.provenance)
            .finish_non_exhaustive()
    }
}

impl Predictor {
    /// Every name that [`Predictor::named`] knows: the bundled ones, those with nothing learned, the
    /// published encoders, the released checkpoints.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        spec::names()
    }

    /// The predictor of that name; published weights are looked for in the folder `weights`.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown name, with a guess, or for weights that are not there, with the
    /// command that gets them: both before anything is loaded. Then as [`PredictorSpec::load`].
    pub fn named(name: &str) -> Result<Self> {
        PredictorSpec::named(name)?.load(&Device::Cpu, &mental_pong_base::Quiet)
    }

    /// The predictor of a file: a released checkpoint of encoder and dynamics, an encoder alone, or
    /// dynamics that were trained on the bundled encoder.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Weights`].
    pub fn from_file(path: &Path) -> Result<Self> {
        PredictorSpec::file(path, &Choices::default())?.load(&Device::Cpu, &mental_pong_base::Quiet)
    }

    /// A predictor of an encoder, and perhaps dynamics, of one's own. Its null `random-weights` cannot be
    /// made.
    ///
    /// # Errors
    /// [`Error::Shape`] for dynamics of other latents than the encoder's.
    pub fn of(
        name: &str,
        encoder: Box<dyn Encoder>,
        dynamics: Option<Box<dyn Dynamics>>,
    ) -> Result<Self> {
        let source = Source::named(&encoder.identity().name, &encoder.identity().weights_sha256);
        let encoder = LoadedEncoder {
            model: encoder,
            network: EncoderNetwork::Fitted,
            source,
            facts: Default::default(),
        };
        let (forecaster, kind) = match dynamics {
            None => (Forecaster::None, "none"),
            Some(model) => (Forecaster::Network(model.into(), None), "own"),
        };
        let description = format!("encoder {name} and dynamics given by the caller");
        Self::assembled(name, description, encoder, forecaster, kind, None)
    }

    fn assembled(
        name: &str,
        description: String,
        encoder: LoadedEncoder,
        forecaster: Forecaster,
        kind: &str,
        dynamics_source: Option<Source>,
    ) -> Result<Self> {
        let dim = encoder.model.latent_dim();
        if let Forecaster::Network(model, _) = &forecaster
            && model.latent_dim() != dim
        {
            return Err(Error::Config {
                place: format!("model {name}"),
                field: "dynamics".into(),
                expected: format!("a forecast of the encoder's {dim} latents"),
                found: format!("one of {} latents", model.latent_dim()),
            });
        }
        let protocol = match (encoder.model.preset(), &encoder.network) {
            (Preset::Rnn100, _) => Protocol::of(Clock::Design),
            (
                _,
                EncoderNetwork::Playnet(_) | EncoderNetwork::Roomnet(_) | EncoderNetwork::Pixels,
            ) => Protocol::of(Clock::Bins),
            _ => Protocol::of(Clock::Display),
        };
        Ok(Self {
            name: name.into(),
            provenance: Provenance {
                description,
                encoder: encoder.source,
                dynamics: kind.into(),
                dynamics_source,
            },
            encoder: encoder.model.into(),
            network: encoder.network,
            forecaster,
            protocol,
        })
    }

    /// The predictor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The encoder.
    #[must_use]
    pub fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    /// What the encoder is made of.
    #[must_use]
    pub fn network(&self) -> &EncoderNetwork {
        &self.network
    }

    /// Whether anything is forecast.
    #[must_use]
    pub fn has_dynamics(&self) -> bool {
        !matches!(self.forecaster, Forecaster::None)
    }

    /// Sizes of the dynamics, where they are a network that was read or drawn.
    #[must_use]
    pub fn dynamics_network(&self) -> Option<&DynamicsNetwork> {
        match &self.forecaster {
            Forecaster::Network(_, network) => network.as_ref(),
            _ => None,
        }
    }

    /// How it is run.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Where its parts come from.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The same predictor under another protocol.
    ///
    /// # Errors
    /// [`Error::Config`] for frames that its encoder does not take, and for the open video of a predictor
    /// that forecasts.
    pub fn with_protocol(mut self, protocol: Protocol) -> Result<Self> {
        let bad = |field: &str, expected: &str, found: &str| {
            Err(Error::Config {
                place: format!("model {}", self.name),
                field: field.into(),
                expected: expected.into(),
                found: found.into(),
            })
        };
        let design = self.encoder.preset() == Preset::Rnn100;
        if design != (protocol.clock == Clock::Design) {
            let expected = match design {
                true => "the design law's frames and no others",
                false => "bins or display",
            };
            return bad("frames", expected, protocol.clock.name());
        }
        if protocol.shown == Shown::Visible && self.has_dynamics() {
            let expected = "the occluded video; only an encoder alone takes the open one \
                            (dynamics none), since a forecast starts where the ball is hidden";
            return bad("video", expected, "visible");
        }
        self.protocol = protocol;
        Ok(self)
    }

    /// The dynamics at steps of `step_ms`.
    pub(crate) fn dynamics(&self, step_ms: f64) -> Option<Arc<dyn Dynamics>> {
        let latent = self.encoder.latent_dim();
        match &self.forecaster {
            Forecaster::None => None,
            Forecaster::Held => Some(Arc::new(Identity { latent })),
            Forecaster::Inertia(share) => Some(Arc::new(Inertia::every(latent, *share, step_ms))),
            Forecaster::Network(model, _) => Some(Arc::clone(model)),
        }
    }

    /// The predictor without what was learned, or without the task; see [`Null`].
    ///
    /// # Errors
    /// [`Error::Config`] for random weights of parts that have none (principal components, or those of
    /// [`Predictor::of`]).
    pub fn null(&self, null: Null) -> Result<Self> {
        let share = match self.dynamics_network() {
            Some(DynamicsNetwork::Recurrent(config)) => match config.skip {
                Skip::Inertia(share) => share,
                Skip::None | Skip::Last(_) => Inertia::SHARE,
            },
            _ => Inertia::SHARE,
        };
        let encoder = &self.provenance.description;
        let (forecaster, kind, description) = match null {
            Null::Inertia => (
                Forecaster::Inertia(share),
                "inertia",
                "latents go on with their smoothed velocity, nothing learned",
            ),
            Null::NoDynamics => (
                Forecaster::Held,
                "identity",
                "the last latent of the visible ball is held",
            ),
            Null::UpperVisible => (
                Forecaster::None,
                "none",
                "the same flights without occluder: nothing is hidden",
            ),
            Null::RandomWeights(seed) => return self.drawn(seed),
        };
        let shown = match null {
            Null::UpperVisible => Shown::Visible,
            _ => self.protocol.shown,
        };
        Ok(Self {
            name: null.name().into(),
            forecaster,
            protocol: Protocol {
                shown,
                ..self.protocol
            },
            provenance: Provenance {
                description: format!("{description} ({encoder})"),
                dynamics: kind.into(),
                dynamics_source: None,
                ..self.provenance.clone()
            },
            ..self.clone()
        })
    }

    /// The same networks with weights drawn by `seed`; of the project's own encoder the latents are
    /// standardised as the bundled one's are.
    fn drawn(&self, seed: u64) -> Result<Self> {
        let refuse = |what: &str| {
            Err(Error::Config {
                place: format!("model {}", self.name),
                field: "random-weights".into(),
                expected: "networks whose weights can be drawn".into(),
                found: what.into(),
            })
        };
        let mut rng = Stream::new(seed, "random weights", 0);
        let encoder = match &self.network {
            EncoderNetwork::Playnet(config) => {
                let raw = PlayNet::init(config, &mut rng)?;
                let params = standardised(config, seed, &raw)?;
                let model = PlayNet::new(config.clone(), &params, format!("random {seed}"))?;
                LoadedEncoder {
                    model: Box::new(model),
                    network: self.network.clone(),
                    source: Source::random(seed),
                    facts: Default::default(),
                }
            }
            EncoderNetwork::Roomnet(config) => {
                let raw = RoomNet::init(config, &mut rng)?;
                let params = standardised_rooms(config, &Mix::ROOMS, seed, &raw)?;
                let model = RoomNet::new(config.clone(), &params, format!("random {seed}"))?;
                LoadedEncoder {
                    model: Box::new(model),
                    network: self.network.clone(),
                    source: Source::random(seed),
                    facts: Default::default(),
                }
            }
            EncoderNetwork::Published(network) => random_encoder(network, seed)?,
            EncoderNetwork::Pixels | EncoderNetwork::Fitted => {
                return refuse(&self.encoder.identity().name);
            }
        };
        let mut source = None;
        let forecaster = match &self.forecaster {
            Forecaster::Network(_, None) => return refuse("dynamics given by the caller"),
            Forecaster::Network(_, Some(network)) => {
                source = Some(Source::random(seed));
                let model = match network {
                    DynamicsNetwork::Recurrent(config) if config.skip != Skip::None => {
                        let params = Recurrent::init(config, &mut rng)?;
                        Arc::new(Recurrent::new(config.clone(), &params)?) as Arc<dyn Dynamics>
                    }
                    _ => random_dynamics_of(network, seed)?.model.into(),
                };
                Forecaster::Network(model, Some(network.clone()))
            }
            other => other.clone(),
        };
        let of = &self.provenance.description;
        let description =
            format!("networks of the same sizes with random weights, seed {seed} ({of})");
        let kind = &self.provenance.dynamics;
        let null = Null::RandomWeights(seed).name();
        Self::assembled(null, description, encoder, forecaster, kind, source)?
            .with_protocol(self.protocol)
    }

    /// What a file of its latents says of it.
    #[must_use]
    pub fn about(&self) -> Value {
        let identity = self.encoder.identity();
        let p = &self.provenance;
        json!({
            "model": self.name,
            "description": p.description,
            "random_weights": p.random(),
            "protocol": self.protocol,
            "preset": self.encoder.preset().name(),
            "encoder": identity,
            "encoder_key": identity.key(),
            "encoder_weights": p.encoder,
            "dynamics": p.dynamics,
            "dynamics_weights": p.dynamics_source,
            "network": self.network.published(),
        })
    }
}
