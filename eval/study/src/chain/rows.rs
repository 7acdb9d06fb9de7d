//! The features of each row of the table.

use mental_pong_base::Monitor;
use mental_pong_game::task::{BinAxis, Condition, ConditionSet, Masks};
use mental_pong_predictor::dynamics::Recurrent;
use mental_pong_predictor::encoders::Encoder;
use mental_pong_predictor::latents::{Cache, ContextRule, Layers, Protocol, mean_in_bins};
use mental_pong_predictor::observers::Observer;
use mental_pong_predictor::weights::{Bundled, Loaded};
use mental_pong_predictor::{Null, Predictor};

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
    pub(crate) context: ContextRule,
    pub(crate) seed: u64,
    pub(crate) cache: &'a Cache,
    pub(crate) monitor: &'a dyn Monitor,
}

impl Maker<'_> {
    /// All rows, in the order of the tables.
    pub(crate) fn all(&self) -> Result<Vec<FeatureSet>> {
        let model = Predictor::named("ctrnn")?;
        let ctrnn = self.features(&model)?;
        let lstm = self.features(&Predictor::named("lstm")?)?;
        let held = self.features(&model.null(Null::NoDynamics)?)?;
        let seen = self.features(&model.null(Null::UpperVisible)?)?;
        let random = self.features(&model.null(Null::RandomWeights(self.seed))?)?;
        let pixels = self.features(&Predictor::named("pixels")?)?;
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

    /// The bundled encoder with the inertia that is built into the bundled dynamics and nothing that they learned.
    pub(crate) fn inertia(&self) -> Result<FeatureSet> {
        let inertia = Predictor::named("ctrnn")?.null(Null::Inertia)?;
        let features = self.features(&inertia)?;
        Ok(FeatureSet {
            name: "inertia",
            kind: RowKind::Control,
            description:
                "bundled encoder; latents go on with their smoothed velocity, nothing learned"
                    .into(),
            features,
            drawn: false,
            has_paddle: false,
        })
    }

    /// The conditions as a set.
    pub(crate) fn set(&self) -> Result<ConditionSet> {
        let ids: Vec<String> = self.conditions.iter().map(|c| c.id.to_string()).collect();
        Ok(ConditionSet::chosen(None, &ids)?)
    }

    /// A predictor's latents in the bins of each condition: its forecast, or the encoder's where it has none.
    fn features(&self, predictor: &Predictor) -> Result<Vec<Array2>> {
        let protocol = Protocol {
            context: self.context,
            ..*predictor.protocol()
        };
        let predictor = predictor.clone().with_protocol(protocol)?;
        let layers = match predictor.has_dynamics() {
            true => Layers::DYNAMICS,
            false => Layers::ENCODER,
        };
        self.monitor
            .stage(predictor.name(), self.conditions.len() as u64);
        let latents = predictor.latents(&self.set()?, layers, self.cache, self.monitor)?;
        let units = predictor.encoder().latent_dim();
        self.conditions
            .iter()
            .zip(&latents.conditions)
            .map(|(condition, trial)| {
                let bins: Vec<usize> = Masks::of(condition).start_end.collect();
                let axis = BinAxis::PUBLISHED;
                let values = mean_in_bins(&trial.steps, &trial.layers[0], &axis, &bins);
                Ok(Array2::new(bins.len(), units, values)?)
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
