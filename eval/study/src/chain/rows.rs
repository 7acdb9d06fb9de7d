//! The features of each row of the table.

use mental_pong_base::Monitor;
use mental_pong_base::Stream;
use mental_pong_game::task::{Condition, Masks};
use mental_pong_predictor::dynamics::{Dynamics, Identity, Recurrent, Skip};
use mental_pong_predictor::encoders::{Encoder, PixelEncoder, PlayNet};
use mental_pong_predictor::latents::{
    Cache, Context, Shown, TrialLatents, forecast, mean_in_bins, observe,
};
use mental_pong_predictor::observers::Observer;
use mental_pong_predictor::training::standardised;
use mental_pong_predictor::weights::{Bundled, Loaded};

use crate::card::{ModelCard, NamedText, RowKind};
use crate::error::Result;
use mental_pong_eval::array::Array2;
use mental_pong_eval::controls::{constant_features, derangement, shuffle_conditions};

/// A row before it is read out.
pub(crate) struct FeatureSet {
    pub(crate) name: &'static str,
    pub(crate) kind: RowKind,
    pub(crate) description: String,
    /// `[condition][bin of start_end, unit]`.
    pub(crate) features: Vec<Array2>,
    /// Whether it is drawn over time.
    pub(crate) drawn: bool,
    /// Whether its end heights stand in the table of behaviour.
    pub(crate) has_paddle: bool,
}

/// Makes the rows.
pub(crate) struct Maker<'a> {
    pub(crate) conditions: &'a [Condition],
    pub(crate) bundle: &'a Bundled,
    pub(crate) context: Context,
    pub(crate) seed: u64,
    pub(crate) cache: &'a Cache,
    pub(crate) monitor: &'a dyn Monitor,
}

impl Maker<'_> {
    /// All rows, in the order of the tables.
    pub(crate) fn all(&self) -> Result<Vec<FeatureSet>> {
        let encoder = &self.bundle.encoder.model;
        let identity = Identity {
            latent: encoder.latent_dim(),
        };
        let ctrnn = self.forecast("ctrnn", encoder, &self.bundle.ctrnn.model)?;
        let lstm = self.forecast("lstm", encoder, &self.bundle.lstm.model)?;
        let held = self.forecast("no-dynamics", encoder, &identity)?;
        let seen = self.observe("upper-visible", encoder, Shown::Visible)?;
        let random = self.random_weights()?;
        let pixels = self.observe("pixels", &PixelEncoder::default(), Shown::Occluded)?;
        let shuffled = shuffle_conditions(&ctrnn, &derangement(self.conditions.len(), self.seed)?)?;
        let bins: Vec<usize> = ctrnn.iter().map(Array2::rows).collect();
        let row = |name, kind, description: &str, features, drawn, has_paddle| FeatureSet {
            name,
            kind,
            description: description.into(),
            features,
            drawn,
            has_paddle,
        };
        let observed = |observer: Observer| self.states(observer);
        use RowKind::{Control, Model, Reference};
        Ok(vec![
            row(
                "ctrnn",
                Model,
                "bundled encoder; forecast by the bundled CTRNN while the ball is hidden",
                ctrnn,
                true,
                true,
            ),
            row(
                "lstm",
                Model,
                "bundled encoder; forecast by the bundled LSTM while the ball is hidden",
                lstm,
                true,
                true,
            ),
            row(
                "no-dynamics",
                Control,
                "bundled encoder; the last visible latent is held",
                held,
                true,
                true,
            ),
            row(
                "upper-visible",
                Reference,
                "bundled encoder of the same flights without occluder: nothing is hidden",
                seen,
                true,
                true,
            ),
            row(
                "oracle",
                Reference,
                "the ball's true state throughout",
                observed(Observer::Oracle)?,
                false,
                true,
            ),
            row(
                "constant",
                Control,
                "one constant: the read-out's best guess without features",
                constant_features(&bins),
                false,
                true,
            ),
            row(
                "last-seen",
                Control,
                "the ball's true state, held from the moment it is hidden",
                observed(Observer::LastSeen)?,
                true,
                true,
            ),
            row(
                "constant-velocity",
                Reference,
                "the true state, then straight on, through walls",
                observed(Observer::ConstantVelocity)?,
                false,
                true,
            ),
            row(
                "kinematic",
                Reference,
                "the true state, then straight on, mirrored at the walls",
                observed(Observer::Kinematic)?,
                true,
                true,
            ),
            row(
                "shuffled",
                Control,
                "the CTRNN's latents of another condition, same bin: what the clock alone tells",
                shuffled,
                false,
                true,
            ),
            row(
                "random-weights",
                Control,
                "encoder and CTRNN of the same size, untrained",
                random,
                true,
                true,
            ),
            row(
                "pixels",
                Control,
                "grey levels of 14 x 14 blocks of the video with its occluder",
                pixels,
                false,
                true,
            ),
        ])
    }

    /// The bundled encoder with the inertia that is built into the bundled dynamics and nothing that they learned; `None`
    /// for dynamics without inertia.
    pub(crate) fn inertia(&self) -> Result<Option<FeatureSet>> {
        let cell = self.bundle.ctrnn.model.config();
        if cell.skip == Skip::None {
            return Ok(None);
        }
        // Fresh parameters: the regressor is zero, the forecast goes straight on.
        let fresh = Recurrent::init(cell, &mut Stream::new(self.seed, "inertia", 0))?;
        let dynamics = Recurrent::new(cell.clone(), &fresh)?;
        let features = self.forecast("inertia", &self.bundle.encoder.model, &dynamics)?;
        Ok(Some(FeatureSet {
            name: "inertia",
            kind: RowKind::Control,
            description:
                "bundled encoder; latents go on with their smoothed velocity, nothing learned"
                    .into(),
            features,
            drawn: false,
            has_paddle: false,
        }))
    }

    fn forecast(
        &self,
        name: &str,
        encoder: &dyn Encoder,
        dynamics: &dyn Dynamics,
    ) -> Result<Vec<Array2>> {
        self.monitor.stage(name, self.conditions.len() as u64);
        let trials = forecast(
            encoder,
            dynamics,
            self.conditions,
            self.context,
            self.cache,
            self.monitor,
        )?;
        self.binned(&trials)
    }

    fn observe(&self, name: &str, encoder: &dyn Encoder, shown: Shown) -> Result<Vec<Array2>> {
        self.monitor.stage(name, self.conditions.len() as u64);
        let trials = observe(encoder, self.conditions, shown, self.cache, self.monitor)?;
        self.binned(&trials)
    }

    /// The bundled architecture before any training, its latents standardised as the bundled ones are.
    fn random_weights(&self) -> Result<Vec<Array2>> {
        let network = self.bundle.encoder.model.config();
        let mut rng = Stream::new(self.seed, "random weights", 0);
        let raw = PlayNet::init(network, &mut rng)?;
        let params = standardised(network, self.seed, &raw)?;
        let encoder = PlayNet::new(network.clone(), &params, format!("random {}", self.seed))?;
        let cell = self.bundle.ctrnn.model.config();
        let dynamics = Recurrent::new(cell.clone(), &Recurrent::init(cell, &mut rng)?)?;
        self.forecast("random-weights", &encoder, &dynamics)
    }

    fn binned(&self, trials: &[TrialLatents]) -> Result<Vec<Array2>> {
        self.conditions
            .iter()
            .zip(trials)
            .map(|(condition, trial)| {
                let bins = Masks::of(condition).start_end;
                let rows = bins.len();
                Ok(Array2::new(rows, trial.dim, mean_in_bins(trial, bins))?)
            })
            .collect()
    }

    fn states(&self, observer: Observer) -> Result<Vec<Array2>> {
        self.conditions
            .iter()
            .map(|c| {
                let states = observer.states(c);
                Ok(Array2::new(states.len() / 4, 4, states)?)
            })
            .collect()
    }

    /// Hashes of weights and preprocessing.
    pub(crate) fn hashes(&self) -> Vec<(String, String)> {
        vec![
            ("encoder weights".into(), self.bundle.encoder.sha256.clone()),
            (
                "encoder identity (weights, preprocessing, code version)".into(),
                self.bundle.encoder.model.identity().key(),
            ),
            ("ctrnn weights".into(), self.bundle.ctrnn.sha256.clone()),
            ("lstm weights".into(), self.bundle.lstm.sha256.clone()),
        ]
    }

    pub(crate) fn model_cards(&self) -> Vec<ModelCard> {
        let encoder = &self.bundle.encoder;
        let units = encoder.model.latent_dim();
        let facts = |metadata: &std::collections::BTreeMap<String, String>| {
            metadata
                .iter()
                .map(|(name, value)| NamedText::new(name.clone(), value.clone()))
                .collect::<Vec<_>>()
        };
        let mut cards = vec![ModelCard {
            name: "encoder".into(),
            description: "Patch network with a spatial soft-argmax, pretrained without labels on playworld videos. It sees a \
                          frame and the change since the frame 50 ms before."
                .into(),
            units,
            weights_sha256: encoder.sha256.clone(),
            facts: [
                facts(&encoder.metadata),
                vec![NamedText::new(
                    "preprocessing",
                    encoder.model.identity().preprocessing.clone(),
                )],
            ]
            .concat(),
        }];
        let dynamics: [(&str, &str, &Loaded<Recurrent>); 2] = [
            (
                "ctrnn",
                "Continuous-time recurrent network",
                &self.bundle.ctrnn,
            ),
            ("lstm", "Long short-term memory", &self.bundle.lstm),
        ];
        for (name, what, loaded) in dynamics {
            cards.push(ModelCard {
                name: name.into(),
                description: format!(
                    "{what} over the encoder's latents, one step a bin of 50 ms, trained on playworld to forecast several \
                     steps ahead; the state is carried from step to step."
                ),
                units,
                weights_sha256: loaded.sha256.clone(),
                facts: facts(&loaded.metadata),
            });
        }
        cards
    }
}
