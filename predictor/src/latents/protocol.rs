use serde::{Deserialize, Serialize};

use super::{Clock, Shown, Timeline};
use crate::{Error, Result};

/// Where the context of a forecast ends and which frames it takes (Nayebi et al. 2023, feature
/// extraction for neural comparison).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContextRule {
    /// Every frame before the first in which the ball is fully hidden: `n_past = occ_frame_start`
    /// (the published evaluation).
    OccFrameStart,
    /// Every frame up to and with the last in which all of the ball is in view:
    /// `n_past = vis_frame_end + 1` (the published alternative).
    VisFrameEnd,
    /// So many frames spread evenly from the first to frame `occ_frame_start`, which is with them
    /// (`fixed_n_past`, published with 7; one frame more than [`ContextRule::OccFrameStart`] sees, and
    /// the ball is hidden in it). Later frames are as far apart as these, rounded down.
    Fixed(usize),
    /// The last so many frames before the first in which the ball is fully hidden; not published.
    Last(usize),
}

/// How a model is run on a trial's video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// The frames.
    pub clock: Clock,
    /// The video; the open one of an encoder alone.
    pub shown: Shown,
    /// The context.
    pub context: ContextRule,
    /// Every so many frames are taken, from the first; at least 1.
    pub subsample: usize,
}

/// Frames that a model takes from a video of `frames`, by their places there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Frames that are skipped before the context ([`ContextRule::Last`] alone).
    pub before: Vec<usize>,
    /// The context, oldest first.
    pub context: Vec<usize>,
    /// The frames that are forecast.
    pub future: Vec<usize>,
    /// Frames of the video.
    pub frames: usize,
    /// Whether the model's steps are brought back to every frame by [`interpolate`].
    pub interpolated: bool,
}

impl Plan {
    /// Frames from one forecast step to the next.
    #[must_use]
    pub fn spacing(&self) -> usize {
        match (self.future.as_slice(), self.context.as_slice()) {
            ([a, b, ..], _) | ([], [.., a, b]) => b - a,
            ([a], [.., b]) => a - b,
            _ => 1,
        }
    }
}

impl Protocol {
    /// The frames of `clock` in the occluded video, all of the visible ones as the context.
    #[must_use]
    pub const fn of(clock: Clock) -> Self {
        Self {
            clock,
            shown: Shown::Occluded,
            context: ContextRule::OccFrameStart,
            subsample: 1,
        }
    }

    /// The frames that a model takes from a video. Published code, for a factor `s` and a video of
    /// `T` frames: `frames[::s]`, `n_past' = len(arange(0, n_past + 1, s)) − 1`; with a fixed context
    /// of `k`, `idx = linspace(0, n_past', k).astype(int64)`, `spacing = floor(mean(diff(idx)))`, and the
    /// future `arange(n_past' + spacing, T', spacing)`.
    ///
    /// # Errors
    /// [`Error::Config`] when nothing is left of the context, when its frames are not all different,
    /// or when a factor or number is 0.
    pub fn plan(&self, timeline: &Timeline) -> Result<Plan> {
        let n_past = match self.context {
            ContextRule::VisFrameEnd => timeline.vis_frame_end.map_or(0, |last| last + 1),
            _ => timeline.occ_frame_start,
        };
        self.plan_for(timeline.steps.len(), n_past)
    }

    /// As [`Protocol::plan`], for a video of `frames` and an `n_past` of the caller's.
    ///
    /// # Errors
    /// As [`Protocol::plan`].
    pub fn plan_for(&self, frames: usize, n_past: usize) -> Result<Plan> {
        let bad = |field: &str, expected: &str, found: String| Error::Config {
            place: "context".into(),
            field: field.into(),
            expected: expected.into(),
            found,
        };
        let factor = self.subsample;
        if factor == 0 {
            return Err(bad("subsample", "at least 1", "0".into()));
        }
        let taken: Vec<usize> = (0..frames).step_by(factor).collect();
        let past = n_past / factor;
        let (before, context, future) = match self.context {
            ContextRule::Fixed(count) => {
                if count < 2 {
                    return Err(bad("frames", "at least 2", count.to_string()));
                }
                let places = linspace(past, count);
                let spacing = past / (count - 1);
                if spacing == 0 || past >= taken.len() {
                    let expected = format!("at least {count} different frames in view");
                    return Err(bad("frames", &expected, (past + 1).to_string()));
                }
                let future = (past + spacing..taken.len()).step_by(spacing);
                (Vec::new(), places, future.collect::<Vec<_>>())
            }
            ContextRule::Last(count) => {
                let from = past.saturating_sub(count.max(1));
                (
                    (0..from).collect(),
                    (from..past).collect(),
                    (past..taken.len()).collect(),
                )
            }
            ContextRule::OccFrameStart | ContextRule::VisFrameEnd => (
                Vec::new(),
                (0..past).collect(),
                (past..taken.len()).collect(),
            ),
        };
        if context.is_empty() {
            let found = format!("{n_past} frames, every {factor}. taken");
            return Err(bad("frames", "at least one frame in view", found));
        }
        let original = |places: Vec<usize>| places.into_iter().map(|k| taken[k]).collect();
        Ok(Plan {
            before: original(before),
            context: original(context),
            future: original(future),
            frames,
            interpolated: factor > 1 || matches!(self.context, ContextRule::Fixed(_)),
        })
    }
}

/// `numpy.linspace(0, last, count).astype(int64)`.
fn linspace(last: usize, count: usize) -> Vec<usize> {
    let step = last as f64 / (count - 1) as f64;
    (0..count)
        .map(|k| match k + 1 == count {
            true => last,
            false => (k as f64 * step) as usize,
        })
        .collect()
}

/// Brings `[step, latent]` of `steps` steps to `frames` frames, `[frame, latent]`: each column is
/// `numpy.interp(linspace(0, 1, frames), linspace(0, 1, steps), column)`. The last step stands at the
/// last frame even where it was made from an earlier one (as published).
#[must_use]
pub fn interpolate(latents: &[f32], dim: usize, frames: usize) -> Vec<f32> {
    let steps = latents.len() / dim.max(1);
    if steps < 2 || frames < 2 {
        return latents.iter().copied().cycle().take(frames * dim).collect();
    }
    let place = |k: usize, n: usize| match k + 1 == n {
        true => 1.0,
        false => k as f64 * (1.0 / (n - 1) as f64),
    };
    let mut out = Vec::with_capacity(frames * dim);
    let mut left = 0;
    for frame in 0..frames {
        let x = place(frame, frames);
        while left + 2 < steps && place(left + 1, steps) <= x {
            left += 1;
        }
        let (x0, x1) = (place(left, steps), place(left + 1, steps));
        for unit in 0..dim {
            let a = f64::from(latents[left * dim + unit]);
            let b = f64::from(latents[(left + 1) * dim + unit]);
            let slope = (b - a) / (x1 - x0);
            out.push((slope * (x - x0) + a) as f32);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(context: ContextRule, subsample: usize) -> Protocol {
        Protocol {
            context,
            subsample,
            ..Protocol::of(Clock::Display)
        }
    }

    // Expected: the published expressions in numpy 2.4 for T = 101 frames, n_past = 43.
    #[test]
    fn plans_are_the_published_ones() {
        let plan = protocol(ContextRule::OccFrameStart, 1)
            .plan_for(101, 43)
            .unwrap();
        assert_eq!((plan.context.len(), plan.future.len()), (43, 58));
        assert!(!plan.interpolated);
        let plan = protocol(ContextRule::OccFrameStart, 6)
            .plan_for(101, 43)
            .unwrap();
        assert_eq!(plan.context, [0, 6, 12, 18, 24, 30, 36]);
        assert_eq!(plan.future, [42, 48, 54, 60, 66, 72, 78, 84, 90, 96]);
        let plan = protocol(ContextRule::Fixed(7), 1)
            .plan_for(101, 43)
            .unwrap();
        assert_eq!(plan.context, [0, 7, 14, 21, 28, 35, 43]);
        assert_eq!(plan.future, [50, 57, 64, 71, 78, 85, 92, 99]);
        let plan = protocol(ContextRule::Fixed(7), 3)
            .plan_for(101, 43)
            .unwrap();
        assert_eq!(plan.context, [0, 6, 12, 21, 27, 33, 42]);
        assert_eq!(plan.future, [48, 54, 60, 66, 72, 78, 84, 90, 96]);
        assert!(
            protocol(ContextRule::Fixed(7), 9)
                .plan_for(101, 43)
                .is_err()
        );
        assert!(
            protocol(ContextRule::OccFrameStart, 50)
                .plan_for(101, 43)
                .is_err()
        );
    }

    // numpy.interp(linspace(0, 1, 6), linspace(0, 1, 3), [1, 3, -1]).
    #[test]
    fn interpolation_pins_both_ends() {
        let got = interpolate(&[1.0, 3.0, -1.0], 1, 6);
        for (a, b) in got.iter().zip([1.0, 1.8, 2.6, 2.2, 0.6, -1.0]) {
            assert!((a - b).abs() < 1e-6, "{got:?}");
        }
        assert_eq!(
            interpolate(&[1.0, 2.0, 3.0, 4.0], 2, 2),
            [1.0, 2.0, 3.0, 4.0]
        );
    }
}
