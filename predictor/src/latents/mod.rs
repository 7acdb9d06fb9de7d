//! A predictor at work on the task: the frames of a condition, forecasts, and the bins of the
//! recordings.
//!
//! There is one path: [`crate::Predictor`] plans each condition's frames by its [`Protocol`], encodes the
//! context, forecasts the rest, and gives [`ConditionLatents`]; [`Latents`] holds those of a set,
//! whatever file or network they come from.

mod bins;
mod cache;
mod check;
mod forecast;
mod protocol;
mod reader;
mod run;
mod video;
mod writer;

pub use bins::mean_in_bins;
pub use cache::{CACHE_BYTES, Cache};
pub use check::{Extent, LatentsCheck, LayerCheck};
pub use forecast::{continuation, forecast, n_visible};
pub use protocol::{ContextRule, Plan, Protocol, interpolate};
pub use reader::{GivenLatents, LatentsFile, Padded};
pub use run::{Cut, Estimate, predict_video};
pub use video::{Clock, Shown, Timeline, Video};
pub use writer::{CLOCK, Format, LatentsWriter, OfSet};

use mental_pong_game::task::SetIdentity;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Which layers of a predictor are wanted: the encoder's latents of every frame, the hidden ones too,
/// and the encoder's latents of the context followed by the forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Layer [`Layers::ENCODER_NAME`].
    pub encoder: bool,
    /// Layer [`Layers::DYNAMICS_NAME`].
    pub dynamics: bool,
}

impl Layers {
    /// The encoder's layer alone.
    pub const ENCODER: Self = Self {
        encoder: true,
        dynamics: false,
    };
    /// The forecast alone.
    pub const DYNAMICS: Self = Self {
        encoder: false,
        dynamics: true,
    };
    /// Both.
    pub const BOTH: Self = Self {
        encoder: true,
        dynamics: true,
    };
    /// Name of the encoder's layer.
    pub const ENCODER_NAME: &'static str = "encoder";
    /// Name of the forecast's layer.
    pub const DYNAMICS_NAME: &'static str = "dynamics";
}

/// What a step's latent was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// An encoded frame that the forecast started from.
    Context,
    /// A frame with the ball in view that is no context.
    Visible,
    /// A frame with the ball fully behind the occluder.
    Hidden,
}

impl Status {
    /// The number that stands for it in files.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Context => 0,
            Self::Visible => 1,
            Self::Hidden => 2,
        }
    }
}

/// A step of a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Frame of the condition, 0 being the ball at rest.
    pub frame: usize,
    /// When it stands, ms from motion onset: `frame · 1000 / rate`.
    pub time_ms: f64,
    /// What its latent is made from.
    pub status: Status,
}

/// A layer of latents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Its name.
    pub name: String,
    /// Length of a latent vector.
    pub units: usize,
}

/// Latents of one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionLatents {
    /// The condition.
    pub id: String,
    /// The model's steps, in order of time.
    pub steps: Vec<Step>,
    /// `[layer][step, unit]`, row-major f32, in the order of [`Latents::layers`].
    pub layers: Vec<Vec<f32>>,
}

impl ConditionLatents {
    /// Whether it has a value for each of its steps and each unit of the layers.
    fn fits(&self, layers: &[LayerInfo]) -> Result<()> {
        let n = self.steps.len();
        let expected: Vec<usize> = layers.iter().map(|l| n * l.units).collect();
        let found: Vec<usize> = self.layers.iter().map(Vec::len).collect();
        if expected == found {
            return Ok(());
        }
        Err(Error::Shape {
            what: "latents of a condition [layer]",
            expected,
            found,
        })
    }
}

/// Latents of a condition set.
#[derive(Clone, Debug, PartialEq)]
pub struct Latents {
    /// The set that they are of, where it is known.
    pub set: Option<SetIdentity>,
    /// The layers, in the order of [`ConditionLatents::layers`].
    pub layers: Vec<LayerInfo>,
    /// The conditions, in the order of the set.
    pub conditions: Vec<ConditionLatents>,
}

impl Latents {
    /// Place of the layer of that name.
    ///
    /// # Errors
    /// [`Error::Config`] naming the layers there are.
    pub fn layer(&self, name: &str) -> Result<usize> {
        let place = self.layers.iter().position(|layer| layer.name == name);
        place.ok_or_else(|| Error::Config {
            place: "latents".into(),
            field: "layer".into(),
            expected: format!(
                "one of {}",
                self.layers
                    .iter()
                    .map(|layer| layer.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            found: name.into(),
        })
    }
}
