//! One file an analysis.

mod attributes;
mod behavior;
mod comparison;
mod contact;
mod decode;
mod encoding;
mod endpoint;
mod noise;
mod population;
mod predictivity;
mod rsa;
mod simulation;
mod variables;

pub use attributes::Attributes;
pub use contact::{Contact, ContactClip, ContactSet};

pub(crate) use attributes::AttributeRegression;
pub(crate) use behavior::Behavior;
pub(crate) use comparison::Comparison;
pub(crate) use contact::ObjectContact;
pub(crate) use decode::Decode;
pub(crate) use encoding::Encoding;
pub(crate) use endpoint::Endpoint;
pub(crate) use noise::Noise;
pub(crate) use population::{Dimensionality, Reliability};
pub(crate) use predictivity::Predictivity;
pub(crate) use rsa::Rsa;
pub(crate) use simulation::Simulation;
pub(crate) use variables::Variables;

/// Fewest conditions behind a point over time.
pub(crate) const MIN_AT_A_TIME: usize = 20;
/// Curves that stay legible.
pub(crate) const CURVES: usize = 6;
