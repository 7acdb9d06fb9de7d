use mental_pong_game::task::BinAxis;

use super::Step;

/// Brings a layer of a condition, `[step, unit]`, to bins of an axis: `[bin, unit]`, row-major, f64.
///
/// A bin takes the mean of the model's steps whose time falls into it. A bin without a step is
/// interpolated linearly in time between the nearest steps around its middle; before the first and
/// after the last step, that step's latent is held.
#[must_use]
pub fn mean_in_bins(steps: &[Step], latents: &[f32], axis: &BinAxis, bins: &[usize]) -> Vec<f64> {
    let at: Vec<Option<usize>> = steps.iter().map(|s| axis.bin_of(s.time_ms)).collect();
    let dim = latents.len() / steps.len().max(1);
    let row = |k: usize| {
        latents[k * dim..(k + 1) * dim]
            .iter()
            .map(|v| f64::from(*v))
    };
    let mut out = Vec::with_capacity(bins.len() * dim);
    for &bin in bins {
        let inside: Vec<usize> = (0..steps.len()).filter(|&k| at[k] == Some(bin)).collect();
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
        let middle = axis.middle_ms(bin);
        let after = steps.iter().position(|s| s.time_ms > middle);
        match after {
            Some(0) => out.extend(row(0)),
            None => out.extend(row(steps.len() - 1)),
            Some(k) => {
                let (t0, t1) = (steps[k - 1].time_ms, steps[k].time_ms);
                let part = (middle - t0) / (t1 - t0);
                out.extend(row(k - 1).zip(row(k)).map(|(a, b)| a + part * (b - a)));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn steps(times: &[f64]) -> Vec<Step> {
        let step = |time_ms: &f64| Step {
            frame: 0,
            time_ms: *time_ms,
            status: Status::Visible,
        };
        times.iter().map(step).collect()
    }

    #[test]
    fn one_step_a_bin_is_taken_as_it_is() {
        let steps = steps(&[100.0 / 3.0, 250.0 / 3.0]);
        let axis = BinAxis::PUBLISHED;
        assert_eq!(
            mean_in_bins(&steps, &[1.0, 3.0], &axis, &[6, 7]),
            [1.0, 3.0]
        );
    }

    #[test]
    fn several_steps_are_averaged_and_gaps_interpolated_in_time() {
        let steps = steps(&[1.0, 25.0, 125.0]);
        // The middle of bin 7 is 75 ms, half way from 25 to 125.
        let axis = BinAxis::PUBLISHED;
        let means = mean_in_bins(&steps, &[1.0, 3.0, 7.0], &axis, &[6, 7, 8, 9]);
        assert_eq!(means, [2.0, 5.0, 7.0, 7.0]);
    }

    #[test]
    fn bins_of_another_width_take_what_falls_into_them() {
        let steps = steps(&[10.0, 20.0, 30.0, 40.0]);
        let axis = BinAxis::new(20.0, 0.0, 4).unwrap();
        let means = mean_in_bins(&steps, &[1.0, 3.0, 5.0, 9.0], &axis, &[0, 1]);
        assert_eq!(means, [2.0, 7.0]);
    }
}
