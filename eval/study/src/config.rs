//! How a study is done.

use mental_pong_base::guess::nearest;
use serde::{Deserialize, Serialize};

use crate::analysis;
use crate::error::{Error, Result};

/// How a study is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudyConfig {
    /// Which analyses, by identifier; empty for all that the inputs allow.
    pub analyses: Vec<String>,
    /// Number of splits by condition.
    pub splits: usize,
    /// Share of conditions that a read-out is fitted on.
    pub train: f64,
    /// Seed of the splits (numpy's legacy generator, as published).
    pub split_seed: u32,
    /// Splits for the maps to single units, which cost more.
    pub map_splits: usize,
    /// Seed of controls, bootstraps and permutations.
    pub seed: u64,
    /// Resamples of a bootstrap or permutations of a test.
    pub resamples: usize,
    /// Map from a model to units: ridge-cv (published), ridge, least-squares, pls, percentile or best-feature.
    pub map: String,
    /// Components of `map = "pls"`; a row with fewer features gets as many as it has.
    pub pls_components: usize,
    /// Split single bins instead of whole conditions for the maps. Leaky: neighbours in time of a tested bin are fitted on.
    pub map_by_bin_leaky: bool,
    /// Factors of the recording that are decoded and compared: the file's, else fitted here as published.
    pub factors: usize,
    /// Frames that a forecast starts from; 0 for the whole visible epoch (published), else the last so many.
    pub context_frames: usize,
    /// Noise of perception in the analysis `noise`: standard deviation of the error of a latent, as a share of that latent's
    /// own standard deviation while the ball is seen.
    pub noise: f64,
    /// Trials of a condition in the analysis `noise`.
    pub noise_trials: usize,
    /// Model row that the answer and the paths drawn are about; the first where it is not there.
    pub headline: String,
    /// Sets beside the one asked for on which the models are held against their nulls, for example `fresh400`.
    pub also: Vec<String>,
}

impl Default for StudyConfig {
    fn default() -> Self {
        Self {
            analyses: Vec::new(),
            splits: 100,
            train: 0.5,
            split_seed: 0,
            map_splits: 5,
            seed: 1,
            resamples: 1000,
            map: "ridge-cv".into(),
            pls_components: 25,
            map_by_bin_leaky: false,
            factors: 50,
            context_frames: 0,
            noise: 0.3,
            noise_trials: 20,
            headline: "room-gru".into(),
            also: Vec::new(),
        }
    }
}

/// The maps to single units, by name.
pub const MAPS: [&str; 6] = [
    "ridge-cv",
    "ridge",
    "least-squares",
    "pls",
    "percentile",
    "best-feature",
];

impl StudyConfig {
    /// Whether an analysis is asked for; all are where none is named.
    #[must_use]
    pub fn takes(&self, analysis: &str) -> bool {
        self.analyses.is_empty() || self.analyses.iter().any(|a| a == analysis)
    }

    /// What is impossible, before anything is read or computed.
    ///
    /// # Errors
    /// Of an unknown name, with a guess; of a number outside of its range.
    pub fn check(&self) -> Result<()> {
        self.check_among(&analysis::ALL)
    }

    /// As [`check`](Self::check), where these are the analyses there are.
    pub(crate) fn check_among(&self, all: &[&dyn analysis::Analysis]) -> Result<()> {
        let known: Vec<&str> = all.iter().map(|a| a.id()).collect();
        for name in &self.analyses {
            if !known.contains(&name.as_str()) {
                return Err(unknown("analyses", name, &known));
            }
        }
        if !MAPS.contains(&self.map.as_str()) {
            return Err(unknown("map", &self.map, &MAPS));
        }
        for set in &self.also {
            crate::scene::check_set(set)?;
        }
        for (what, n, least) in [
            ("splits", self.splits, 2),
            ("map_splits", self.map_splits, 1),
            ("resamples", self.resamples, 100),
            ("factors", self.factors, 1),
            ("pls_components", self.pls_components, 1),
            ("noise_trials", self.noise_trials, 2),
        ] {
            if n < least {
                return Err(Error::invalid(
                    format!("setting {what}"),
                    format!("{n}; needs at least {least}"),
                ));
            }
        }
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return Err(Error::invalid(
                "setting noise",
                format!("{}; expected a share of at least 0", self.noise),
            ));
        }
        if !(self.train > 0.0 && self.train < 1.0) {
            return Err(Error::invalid(
                "setting train",
                format!("{}; expected a share between 0 and 1", self.train),
            ));
        }
        Ok(())
    }
}

/// An error about a name that is not there, with the nearest that is.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    Error::invalid(what, format!("unknown `{name}`; {hint}"))
}
