//! Which steps there are, and which parts of a trial they belong to.

use mental_pong_game::task::Condition;

use crate::error::{Error, Result};

/// More parts than this have no place in a signature.
const PARTS_MAX: usize = 32;

/// A part of the trial: a set of steps of each condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name, as the recordings' masks without `_pad0`.
    pub name: String,
    /// `[condition][step]`, whether the step is inside.
    pub inside: Vec<Vec<bool>>,
}

/// The steps of each condition, and the parts of a trial. Parts may overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepAxis {
    steps: Vec<usize>,
    parts: Vec<Part>,
}

impl StepAxis {
    /// The published five parts. `steps` is `[condition]`, the number of steps from motion onset to the end, `occlusion` is
    /// `[condition]`, the first hidden step.
    ///
    /// `start_end` all steps; `start_occ` before occlusion; `occ_end` from occlusion on; `f` the last step; `occ` the first
    /// hidden step. Unlike the masks of 50-ms bins, `start_occ` and `occ_end` share no step.
    ///
    /// [`Error::Shape`] if the lengths differ, [`Error::Invalid`] if an occlusion is not inside its condition.
    pub fn published(steps: &[usize], occlusion: &[usize]) -> Result<Self> {
        if steps.len() != occlusion.len() {
            return Err(Error::shape(
                "occlusion",
                format!("{} conditions", steps.len()),
                format!("{} conditions", occlusion.len()),
            ));
        }
        for (c, (&n, &occ)) in steps.iter().zip(occlusion).enumerate() {
            if occ >= n {
                return Err(Error::invalid(
                    format!("condition {c}"),
                    format!("occlusion at step {occ} of {n}"),
                ));
            }
        }
        let part = |name: &str, inside: &dyn Fn(usize, usize, usize) -> bool| Part {
            name: name.to_owned(),
            inside: steps
                .iter()
                .zip(occlusion)
                .map(|(&n, &occ)| (0..n).map(|s| inside(s, occ, n)).collect())
                .collect(),
        };
        let parts = vec![
            part("start_end", &|_, _, _| true),
            part("start_occ", &|s, occ, _| s < occ),
            part("occ_end", &|s, occ, _| s >= occ),
            part("f", &|s, _, n| s + 1 == n),
            part("occ", &|s, occ, _| s == occ),
        ];
        Self::with_parts(steps, parts)
    }

    /// [`StepAxis::published`] for the design law: steps 0 to `t_end`, hidden from `t_occ`.
    pub fn design(conditions: &[Condition]) -> Result<Self> {
        let steps: Vec<usize> = conditions.iter().map(|c| c.t_end as usize + 1).collect();
        let occlusion: Vec<usize> = conditions.iter().map(|c| c.t_occ as usize).collect();
        Self::published(&steps, &occlusion)
    }

    /// Other parts, at most 32. [`Error::Shape`] if a part has another number of conditions or steps, [`Error::Invalid`] for
    /// two parts of one name or too many.
    pub fn with_parts(steps: &[usize], parts: Vec<Part>) -> Result<Self> {
        if parts.is_empty() || parts.len() > PARTS_MAX {
            return Err(Error::invalid(
                "parts",
                format!("{} parts; 1 to {PARTS_MAX} are possible", parts.len()),
            ));
        }
        for (i, part) in parts.iter().enumerate() {
            if parts[..i].iter().any(|p| p.name == part.name) {
                return Err(Error::invalid(
                    "parts",
                    format!("{} is there twice", part.name),
                ));
            }
            let found: Vec<usize> = part.inside.iter().map(Vec::len).collect();
            if found != steps {
                return Err(Error::shape(
                    format!("part {}", part.name),
                    format!("steps {steps:?} by condition"),
                    format!("{found:?}"),
                ));
            }
        }
        Ok(Self {
            steps: steps.to_vec(),
            parts,
        })
    }

    /// `[condition]`, number of steps.
    #[must_use]
    pub fn steps(&self) -> &[usize] {
        &self.steps
    }

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// One part by name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|p| p.name == name)
    }

    /// Bit p is set if the step is inside of part p.
    pub(super) fn signature(&self, condition: usize, step: usize) -> u32 {
        self.parts
            .iter()
            .enumerate()
            .filter(|(_, part)| part.inside[condition][step])
            .fold(0, |bits, (p, _)| bits | (1 << p))
    }
}

impl Part {
    /// Number of states.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inside
            .iter()
            .flatten()
            .filter(|&&inside| inside)
            .count()
    }
}
