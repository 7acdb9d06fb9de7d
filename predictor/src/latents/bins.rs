use super::TrialLatents;

/// Brings a condition's latents to the bins `bins`: `[bin, latent]`, row-major, f64.
///
/// A bin takes the mean of the model's steps whose time falls into it. A bin without a step is
/// interpolated linearly in time between the nearest steps around its middle; before the first and
/// after the last step, that step's latent is held.
#[must_use]
pub fn mean_in_bins(trial: &TrialLatents, bins: std::ops::Range<usize>) -> Vec<f64> {
    let dim = trial.dim;
    let row = |k: usize| {
        trial.latents[k * dim..(k + 1) * dim]
            .iter()
            .map(|v| f64::from(*v))
    };
    let mut out = Vec::with_capacity(bins.len() * dim);
    for bin in bins {
        let inside: Vec<usize> = (0..trial.steps.len())
            .filter(|&k| trial.steps[k].bin == bin)
            .collect();
        if !inside.is_empty() {
            let mut mean = vec![0.0; dim];
            for &k in &inside {
                for (m, v) in mean.iter_mut().zip(row(k)) {
                    *m += v / inside.len() as f64;
                }
            }
            out.extend(mean);
            continue;
        }
        let middle = (bin as f64 + 0.5) * 50.0;
        let after = trial.steps.iter().position(|s| s.time_ms > middle);
        match after {
            Some(0) => out.extend(row(0)),
            None => out.extend(row(trial.steps.len() - 1)),
            Some(k) => {
                let (t0, t1) = (trial.steps[k - 1].time_ms, trial.steps[k].time_ms);
                let part = (middle - t0) / (t1 - t0);
                out.extend(row(k - 1).zip(row(k)).map(|(a, b)| a + part * (b - a)));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Status, Step};
    use super::*;

    fn trial(bins_and_values: &[(usize, f64, f32)]) -> TrialLatents {
        TrialLatents {
            id: 0,
            steps: bins_and_values
                .iter()
                .map(|&(bin, time_ms, _)| Step {
                    frame: 0,
                    time_ms,
                    bin,
                    status: Status::Visible,
                })
                .collect(),
            latents: bins_and_values.iter().map(|v| v.2).collect(),
            dim: 1,
        }
    }

    #[test]
    fn one_step_a_bin_is_taken_as_it_is() {
        let trial = trial(&[(6, 316.0, 1.0), (7, 366.0, 3.0)]);
        assert_eq!(mean_in_bins(&trial, 6..8), [1.0, 3.0]);
    }

    #[test]
    fn several_steps_are_averaged_and_gaps_interpolated_in_time() {
        let trial = trial(&[(6, 300.0, 1.0), (6, 325.0, 3.0), (8, 425.0, 7.0)]);
        // The middle of bin 7 is 375 ms, half way from 325 to 425.
        assert_eq!(mean_in_bins(&trial, 6..10), [2.0, 5.0, 7.0, 7.0]);
    }
}
