//! Predictors and what is made of them, loaded when a row first needs one.

use std::path::Path;

use mental_pong_base::Monitor;
use mental_pong_game::task::{BinAxis, ConditionSet};
use mental_pong_predictor::latents::{Cache, ContextRule, Layers, Protocol, mean_in_bins};
use mental_pong_predictor::predictor::{Choices, PredictorSpec};
use mental_pong_predictor::{Null, Predictor};

use crate::card::NamedText;
use crate::error::Result;
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::Layout;

/// Names of the bundled models that stand in where none is named.
pub const BUNDLED: [&str; 3] = ["ctrnn", "lstm", "room-gru"];

/// The encoder of each of [`BUNDLED`].
pub(crate) fn bundled_encoder(model: &str) -> Option<&'static str> {
    match model {
        "ctrnn" | "lstm" => Some("playnet"),
        "room-gru" => Some("roomnet"),
        _ => None,
    }
}

/// Features that come from a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Net {
    /// A predictor, by name or by file.
    Model(String),
    /// What a predictor is held against.
    Null(String, Null),
}

/// The predictors.
pub(crate) struct Networks<'a> {
    pub(crate) context_frames: usize,
    pub(crate) cache: &'a Cache,
    pub(crate) monitor: &'a dyn Monitor,
}

/// What a name or a file means, before anything is loaded.
pub(crate) fn spec(name: &str) -> Result<PredictorSpec> {
    let path = Path::new(name);
    Ok(if path.is_file() {
        PredictorSpec::file(path, &Choices::default())?
    } else {
        PredictorSpec::named(name)?
    })
}

impl Networks<'_> {
    pub(crate) fn predictor(&self, net: &Net) -> Result<Predictor> {
        let load = |name: &str| -> Result<Predictor> {
            let path = Path::new(name);
            Ok(if path.is_file() {
                Predictor::from_file(path)?
            } else {
                Predictor::named(name)?
            })
        };
        let predictor = match net {
            Net::Model(name) => load(name)?,
            Net::Null(name, null) => load(name)?.null(*null)?,
        };
        let context = match self.context_frames {
            0 => return Ok(predictor),
            n => ContextRule::Last(n),
        };
        let protocol = Protocol {
            context,
            ..*predictor.protocol()
        };
        Ok(predictor.with_protocol(protocol)?)
    }

    /// `[condition][bin of the layout, unit]`: the forecast, or the encoder's latents where there is none.
    pub(crate) fn features(
        &self,
        net: &Net,
        name: &str,
        set: &ConditionSet,
        (axis, layout): (&BinAxis, &Layout),
    ) -> Result<Vec<Array2>> {
        self.monitor.stage(name, set.len() as u64);
        let predictor = self.predictor(net)?;
        let layers = if predictor.has_dynamics() {
            Layers::DYNAMICS
        } else {
            Layers::ENCODER
        };
        let latents = predictor.latents(set, layers, self.cache, self.monitor)?;
        let units = predictor.encoder().latent_dim();
        layout
            .conditions()
            .iter()
            .zip(&latents.conditions)
            .map(|(rows, trial)| {
                let values = mean_in_bins(&trial.steps, &trial.layers[0], axis, &rows.bins);
                Ok(Array2::new(rows.bins.len(), units, values)?)
            })
            .collect()
    }

    /// Facts of a model for the card: weights, training, preprocessing.
    pub(crate) fn facts(&self, net: &Net) -> Result<Vec<NamedText>> {
        let predictor = self.predictor(net)?;
        let provenance = predictor.provenance();
        let mut facts = vec![
            NamedText::new("what", provenance.description.clone()),
            NamedText::new("encoder", predictor.encoder().identity().key()),
            NamedText::new("dynamics", provenance.dynamics.clone()),
        ];
        if let serde_json::Value::Object(about) = predictor.about() {
            for key in ["protocol", "encoder_weights", "dynamics_weights"] {
                if let Some(value) = about.get(key) {
                    facts.push(NamedText::new(key.replace('_', " "), value.to_string()));
                }
            }
        }
        Ok(facts)
    }
}
