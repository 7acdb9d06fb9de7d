//! A card computed again.

use mental_pong_base::Monitor;
use mental_pong_predictor::latents::Cache;

use crate::card::{Card, Difference, compare, processor};
use crate::error::{Error, Result};
use crate::inputs::{Inputs, Request, sha256_path};
use crate::{StudyConfig, evaluate};

/// Largest relative difference between processors of different instruction sets.
pub const TOLERANCE: f64 = 1e-4;

/// What came of a verification.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// What differs; nothing if the card is right.
    pub differences: Vec<Difference>,
    /// Whether the card was written on a processor with the same instruction sets, so that it was compared to the last digit.
    pub same_processor: bool,
}

/// Repeats the study that a card describes. `request` names the files that went in, which the card knows by their hashes; what
/// is built in needs no name.
///
/// # Errors
/// Of an input that is not named, naming it and its flag; of a file with another hash; of the study.
pub fn verify(
    card: &Card,
    request: &Request,
    cache: &Cache,
    monitor: &dyn Monitor,
) -> Result<Verified> {
    let config: StudyConfig = serde_json::from_value(card.config.clone())
        .map_err(|e| Error::invalid("config of the card", e.to_string()))?;
    for given in card.inputs.iter().filter(|g| !g.file.is_empty()) {
        let Some(path) = request.path(given) else {
            return Err(Error::invalid(
                format!("input {}", given.name),
                format!(
                    "the card was made from the file {} (sha256 {}…); name it with {}",
                    given.file,
                    &given.sha256[..12.min(given.sha256.len())],
                    given.role.flag()
                ),
            ));
        };
        let found = sha256_path(path)?;
        if found != given.sha256 {
            return Err(Error::invalid(
                format!("{} {}", given.role.flag(), path.display()),
                format!(
                    "expected the file that the card was made from, sha256 {}…; found {}…",
                    &given.sha256[..12.min(given.sha256.len())],
                    &found[..12]
                ),
            ));
        }
    }
    let inputs = Inputs::open(&request.completed(card))?;
    let again = evaluate(&inputs, &config, cache, monitor)?.card;
    let same_processor = card.processor == processor();
    let tolerance = if same_processor { 0.0 } else { TOLERANCE };
    Ok(Verified {
        differences: compare(card, &again, tolerance)?,
        same_processor,
    })
}
