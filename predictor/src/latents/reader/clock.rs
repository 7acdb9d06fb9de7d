//! When the steps of a file are, and whether that is the set's clock.

use mental_pong_game::task::clock::frame_ms;
use mental_pong_game::task::{BinAxis, ConditionSet, SetLaw};

use super::{LatentsFile, Step, status_of};
use crate::latents::Status;
use crate::{Error, Result};

/// Motion onset on the axis of the recordings, ms: times that begin there are of that axis.
const OTHER_ZERO_MS: f64 = 300.0;

impl LatentsFile {
    /// `[condition][step]`: when each step is, padding left out.
    pub(super) fn read_steps(&mut self, set: Option<&ConditionSet>) -> Result<Vec<Vec<Step>>> {
        let counts = self.counts()?;
        let time = self.per_step("time_ms")?;
        let frame = self.per_step("frame")?;
        let bin = self.per_step("bin")?;
        let status = self.per_step("status")?;
        let rate = match (self.rate_hz, set.and_then(|s| s.conditions().first())) {
            (Some(rate), _) => Some(rate),
            (None, Some(first)) => Some(first.rate_hz()),
            (None, None) => None,
        };
        if time.is_none() && frame.is_none() && bin.is_none() {
            return self.frames_of_the_set(set, counts.as_deref());
        }
        if time.is_none() && bin.is_none() && rate.is_none() {
            let expected = "time_ms, or a set (--conditions) whose rate says when frames are";
            return Err(self.wrong("frame", expected, "frames alone"));
        }
        let axis = BinAxis::PUBLISHED;
        let mut all = Vec::with_capacity(self.ids.len());
        for condition in 0..self.ids.len() {
            let at = |array: &Option<Vec<f64>>, k: usize| {
                array.as_ref().map(|a| a[condition * self.longest + k])
            };
            let when = |k: usize| match (at(&time, k), at(&frame, k), at(&bin, k), rate) {
                (Some(ms), ..) => ms,
                (None, Some(n), _, Some(rate)) if n >= 0.0 => n * 1000.0 / rate,
                (None, _, Some(b), _) if b >= 0.0 => axis.middle_ms(b as usize),
                _ => f64::NAN,
            };
            let n = match &counts {
                Some(counts) => counts[condition],
                None => (0..self.longest)
                    .rev()
                    .find(|k| when(*k).is_finite())
                    .map_or(0, |k| k + 1),
            };
            let id = &self.ids[condition];
            let mut steps = Vec::with_capacity(n);
            for k in 0..n {
                let time_ms = when(k);
                let place = format!("time_ms, condition {id}, step {k}");
                if !time_ms.is_finite() {
                    return Err(self.wrong(&place, "a time", time_ms.to_string()));
                }
                if let Some(b) = at(&bin, k).filter(|_| time.is_some()) {
                    let held = axis.bin_of(time_ms).map(|b| b as f64);
                    if held != Some(b) {
                        let expected = format!("a time in bin {b} (50 ms, 6 the first of motion)");
                        return Err(self.wrong(&place, &expected, format!("{time_ms} ms")));
                    }
                }
                if let (Some(n), Some(rate), true) = (at(&frame, k), rate, time.is_some())
                    && (n * 1000.0 / rate - time_ms).abs() > 500.0 / rate
                {
                    let expected = format!("{:.3} ms, frame {n} at {rate} Hz", n * 1000.0 / rate);
                    return Err(self.wrong(&place, &expected, format!("{time_ms} ms")));
                }
                let frame = match (at(&frame, k), rate) {
                    (Some(n), _) => n.max(0.0) as usize,
                    (None, Some(rate)) => (time_ms * rate / 1000.0).round().max(0.0) as usize,
                    (None, None) => k,
                };
                steps.push(Step {
                    frame,
                    time_ms,
                    status: at(&status, k).map_or(Status::Visible, status_of),
                });
            }
            self.increasing(id, &steps)?;
            all.push(steps);
        }
        Ok(all)
    }

    fn increasing(&self, id: &str, steps: &[Step]) -> Result<()> {
        let place = format!("time_ms, condition {id}");
        if steps.is_empty() {
            return Err(self.wrong(&place, "at least one step", "none"));
        }
        let back = steps
            .windows(2)
            .position(|pair| pair[1].time_ms <= pair[0].time_ms);
        let Some(k) = back else { return Ok(()) };
        let (a, b) = (steps[k].time_ms, steps[k + 1].time_ms);
        let padding = steps[k + 1..].iter().all(|s| s.time_ms == b);
        let expected = match padding {
            true => "times that increase; n_steps, or NaN, where steps are padding",
            false => "times that increase from step to step",
        };
        let found = format!("{b} ms at step {} after {a} ms", k + 1);
        Err(self.wrong(&place, expected, found))
    }

    /// Steps without times are the set's frames, where there are as many.
    fn frames_of_the_set(
        &mut self,
        set: Option<&ConditionSet>,
        counts: Option<&[usize]>,
    ) -> Result<Vec<Vec<Step>>> {
        let expected = "`time_ms`, `frame` or `bin`, [condition, step]";
        let Some(set) = set else {
            return Err(self.wrong("time_ms", expected, "none of them"));
        };
        let mut all = Vec::new();
        for (k, id) in self.ids.iter().enumerate() {
            let condition = set.condition(id)?;
            let track = condition.track();
            let n = counts.map_or(self.longest.min(track.n_frames()), |c| c[k]);
            if n != track.n_frames() {
                let found = format!(
                    "{n} steps for {} frames in condition {id}",
                    track.n_frames()
                );
                return Err(self.wrong("time_ms", expected, found));
            }
            let step = |frame| Step {
                frame,
                time_ms: track.frame_ms(frame),
                status: match track.frame(frame).map(|f| f.visible) {
                    Some(share) if share <= 0.0 => Status::Hidden,
                    _ => Status::Visible,
                },
            };
            all.push((0..n).map(step).collect());
        }
        let text = format!(
            "the file has no times: its steps are the frames of {}",
            set.name()
        );
        self.notices.push(text);
        Ok(all)
    }

    /// Refuses times that are not the set's clock: they have to cover each trial to half a bin.
    ///
    /// Steps on one axis for all conditions, as the bins of a recording are, may go on after a trial: what
    /// lies beyond it is not looked at. Steps that end with each trial tell another rate by where they end.
    pub(super) fn check_clock(&self, set: &ConditionSet) -> Result<()> {
        let mut ends = self
            .steps
            .iter()
            .filter_map(|s| s.last())
            .map(|s| s.time_ms);
        let one_axis = ends
            .next()
            .is_some_and(|first| self.steps.len() > 1 && ends.all(|end| end == first));
        for condition in set.conditions() {
            let Some(place) = self.ids.iter().position(|id| id == condition.id()) else {
                continue;
            };
            let steps = &self.steps[place];
            let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
                continue;
            };
            let (end_ms, _) = condition.track().end();
            let step_ms = match steps.len() {
                1 => 0.0,
                n => (last.time_ms - first.time_ms) / (n - 1) as f64,
            };
            let rate = condition.rate_hz();
            // A step may stand in the middle of what it is of.
            let slack = BinAxis::PUBLISHED.bin_ms / 2.0 + step_ms.min(100.0) / 2.0 + 1e-6;
            // The design law's ball is up to 45 ms before or after the display's.
            let slack = slack
                + if condition.law() == SetLaw::Recorded {
                    0.0
                } else {
                    45.0
                };
            let found = format!("steps from {:.1} to {:.1} ms", first.time_ms, last.time_ms);
            let covers = first.time_ms <= slack && last.time_ms >= end_ms - slack;
            if !covers || !one_axis && last.time_ms > end_ms + slack + 50.0 {
                let hint = if (first.time_ms - OTHER_ZERO_MS).abs() <= slack {
                    "; these seem to count from 300 ms before"
                } else if last.time_ms.abs() < 60.0 && end_ms > 300.0 {
                    "; these seem to be seconds"
                } else {
                    ""
                };
                let place = format!("time_ms, condition {}", condition.id());
                let expected = format!("steps over 0 to {end_ms:.1} ms from motion onset{hint}");
                return Err(self.wrong(&place, &expected, found));
            }
            self.frames_at_the_rate(condition.id(), steps, condition.track().n_frames(), rate)?;
        }
        Ok(())
    }

    /// As many steps as the set has frames are its frames, and stand at its rate.
    fn frames_at_the_rate(&self, id: &str, steps: &[Step], n: usize, rate: f64) -> Result<()> {
        if steps.len() != n {
            return Ok(());
        }
        let off = |k: usize, s: &Step| (s.time_ms - frame_ms(k, rate)).abs() > 500.0 / rate + 1e-6;
        // From frame 1 on is usual too.
        let as_frames = !steps.iter().enumerate().any(|(k, s)| off(k, s));
        let after = !steps.iter().enumerate().any(|(k, s)| off(k + 1, s));
        if as_frames || after {
            return Ok(());
        }
        let k = steps
            .iter()
            .enumerate()
            .position(|(k, s)| off(k, s))
            .unwrap_or(0);
        let expected = format!("{:.3} ms: frame {k} of {n} at {rate} Hz", frame_ms(k, rate));
        let place = format!("time_ms, condition {id}, step {k}");
        Err::<(), Error>(self.wrong(&place, &expected, format!("{:.3} ms", steps[k].time_ms)))
    }
}
