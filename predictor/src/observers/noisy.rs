use argmin::core::{CostFunction, Executor, State};
use argmin::solver::neldermead::NelderMead;
use mental_pong_game::task::geometry::{
    BALL_RADIUS_DESIGN_UNITS, FIELD_UNITS, INTERCEPT_X_DEG, deg_from_units, units_from_deg,
};
use mental_pong_game::task::{Condition, Law, trajectory};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use mental_pong_base::Stream;

/// Samples of a condition (published: 100).
pub const SAMPLES: usize = 100;
/// Steps after which a sample that has not arrived is taken where it is.
const MOST_STEPS: usize = 120;
/// Upper bound of every parameter; the lower one is 0 (published).
const BOUND: f64 = 2.0;

/// Parameters of a [`NoisySimulation`], each in `(0, 2)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoisyParameters {
    /// σ²occ: variance of the hidden ball's step on either axis, units² a step of 1/24 s.
    pub occ_variance: f64,
    /// σ²bounce: variance that a bounce adds to the height, units².
    pub bounce_variance: f64,
    /// w_bias: the vertical step's mean over the true one.
    pub bias: f64,
}

impl NoisyParameters {
    /// A little noise and no bias, fitted to nobody: what [`super::Observer::NoisySimulation`] uses.
    pub const UNFITTED: Self = Self {
        occ_variance: 0.05,
        bounce_variance: 0.05,
        bias: 1.0,
    };
}

/// The process model of Rajalingham et al. 2022 (Methods, "process model"): from the last visible
/// state on, each step of the hidden ball is `dx ~ N(dx0, σ²occ)`, `dy ~ N(w_bias · dy0, σ²occ)`, and a
/// bounce adds `N(0, σ²bounce)`; an end height is the mean over 100 samples.
///
/// The paper does not say what a step and its unit are. Here they are those of the design law: 1/24 s,
/// units of the 32 × 32 field (0.625°); the last visible state is that of the last step with the
/// ball's centre left of the occluder.
///
/// Every parameter sees the same standard normal numbers, one stream for each condition: an end
/// height changes with the parameters alone.
#[derive(Clone, Debug)]
pub struct NoisySimulation {
    starts: Vec<Start>,
    samples: usize,
}

#[derive(Clone, Debug)]
struct Start {
    step: usize,
    x: f64,
    y: f64,
    dx: f64,
    dy: f64,
    /// `[sample, step, (x, y, bounce)]`.
    normals: Vec<f64>,
}

/// A fit of a [`NoisySimulation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoisyFit {
    /// The parameters.
    pub parameters: NoisyParameters,
    /// Mean squared difference of end heights there, degrees².
    pub mse_deg2: f64,
    /// End heights there, `[condition]`, degrees.
    pub final_y_deg: Vec<f64>,
    /// Evaluations of the model.
    pub evaluations: u64,
}

impl Start {
    fn of(condition: &Condition, seed: u64, samples: usize) -> Self {
        let path = trajectory(condition, Law::Design);
        let x = |n: usize| units_from_deg(path.x_deg[n]);
        let y = |n: usize| units_from_deg(path.y_deg[n]);
        let step = path.occlusion_frame.saturating_sub(1);
        let (sin, cos) = libm::sincos(condition.heading0_rad);
        let speed = (condition.speed0 * sin).abs();
        // A step that a wall bends is shorter than the others; the one beside it is whole.
        let moves = [step.checked_sub(1), Some(step)]
            .into_iter()
            .flatten()
            .filter(|n| n + 1 < path.len())
            .map(|n| y(n + 1) - y(n));
        let bent = |d: &f64| (d.abs() - speed).abs();
        let dy = moves.min_by(|a, b| bent(a).total_cmp(&bent(b)));
        let mut rng = Stream::new(seed, "noisy simulation", u64::from(condition.id));
        Self {
            step,
            x: x(step),
            y: y(step),
            dx: condition.speed0 * cos,
            dy: dy.map_or(0.0, |d| speed.copysign(d)),
            normals: (0..samples * MOST_STEPS * 3)
                .map(|_| rng.normal())
                .collect(),
        }
    }

    /// One sample's positions from the last visible one on, until x = 10°; the last is there.
    fn sample(&self, sample: usize, p: &NoisyParameters) -> Vec<(f64, f64)> {
        let (noise, jolt) = (p.occ_variance.sqrt(), p.bounce_variance.sqrt());
        let (top, bottom) = (
            FIELD_UNITS - BALL_RADIUS_DESIGN_UNITS,
            BALL_RADIUS_DESIGN_UNITS,
        );
        let fold = |y: f64| match y {
            y if y > top => 2.0 * top - y,
            y if y < bottom => 2.0 * bottom - y,
            y => y,
        };
        let end = units_from_deg(INTERCEPT_X_DEG);
        let (mut x, mut y, mut sign) = (self.x, self.y, 1.0);
        let mut path = vec![(x, y)];
        let draws = self.normals[sample * MOST_STEPS * 3..].chunks_exact(3);
        for normals in draws.take(MOST_STEPS) {
            let (from_x, from_y) = (x, y);
            x += self.dx + noise * normals[0];
            y += sign * p.bias * self.dy + noise * normals[1];
            if y > top || y < bottom {
                y = fold(fold(y) + jolt * normals[2]).clamp(bottom, top);
                sign = -sign;
            }
            if x >= end {
                let part = (end - from_x) / (x - from_x);
                path.push((end, from_y + part * (y - from_y)));
                return path;
            }
            path.push((x, y));
        }
        path
    }
}

impl NoisySimulation {
    /// The simulation of some conditions with [`SAMPLES`] samples each.
    #[must_use]
    pub fn new(conditions: &[Condition], seed: u64) -> Self {
        Self::with_samples(conditions, seed, SAMPLES)
    }

    /// The same with another number of samples, at least 1.
    #[must_use]
    pub fn with_samples(conditions: &[Condition], seed: u64, samples: usize) -> Self {
        let samples = samples.max(1);
        let starts = conditions.par_iter().map(|c| Start::of(c, seed, samples));
        Self {
            starts: starts.collect(),
            samples,
        }
    }

    /// End heights of every sample, `[condition, sample]`, row-major, degrees.
    #[must_use]
    pub fn samples_deg(&self, parameters: &NoisyParameters) -> Vec<f64> {
        let rows: Vec<Vec<f64>> = self
            .starts
            .par_iter()
            .map(|start| {
                (0..self.samples)
                    .map(|k| start.sample(k, parameters))
                    .filter_map(|path| path.last().map(|(_, y)| deg_from_units(*y)))
                    .collect()
            })
            .collect();
        rows.concat()
    }

    /// End heights, the means over the samples, `[condition]`, degrees.
    #[must_use]
    pub fn final_y_deg(&self, parameters: &NoisyParameters) -> Vec<f64> {
        let all = self.samples_deg(parameters);
        let means = all.chunks_exact(self.samples);
        means
            .map(|row| row.iter().sum::<f64>() / row.len() as f64)
            .collect()
    }

    /// The mean path of a condition by its place: the design step that it starts from, and `[step,
    /// (x, y)]` from there on, degrees. A sample that has arrived stays where it is.
    #[must_use]
    pub fn mean_path_deg(
        &self,
        condition: usize,
        parameters: &NoisyParameters,
    ) -> (usize, Vec<(f64, f64)>) {
        let Some(start) = self.starts.get(condition) else {
            return (0, Vec::new());
        };
        let paths: Vec<Vec<(f64, f64)>> = (0..self.samples)
            .map(|k| start.sample(k, parameters))
            .collect();
        let longest = paths.iter().map(Vec::len).max().unwrap_or(0);
        let n = paths.len() as f64;
        let mean = (0..longest)
            .map(|t| {
                let (mut x, mut y) = (0.0, 0.0);
                for path in &paths {
                    if let Some(place) = path.get(t).or(path.last()) {
                        (x, y) = (x + place.0, y + place.1);
                    }
                }
                (deg_from_units(x / n), deg_from_units(y / n))
            })
            .collect();
        (start.step, mean)
    }

    /// Fits the parameters to mean final paddle positions, `[condition]`, degrees, by least squares:
    /// Nelder–Mead from eight starts within the published bounds `(0, 2)³`. (The paper used L-BFGS-B;
    /// the samples make the objective bend at every bounce.) Conditions whose value is not finite
    /// are left out.
    ///
    /// The end heights of straight flights depend on the noise only through the walls and the time
    /// of arrival: σ²occ and σ²bounce are found much less exactly than w_bias.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of conditions; [`Error::Config`] when fewer than four
    /// values are finite.
    pub fn fit(&self, final_paddle_deg: &[f64]) -> Result<NoisyFit> {
        if final_paddle_deg.len() != self.starts.len() {
            return Err(Error::Shape {
                what: "final paddle positions [condition]",
                expected: vec![self.starts.len()],
                found: vec![final_paddle_deg.len()],
            });
        }
        let bad = |field: &str, found: String| Error::Config {
            place: "fit of the noisy simulation".into(),
            field: field.into(),
            expected: "at least four finite values".into(),
            found,
        };
        let finite = final_paddle_deg.iter().filter(|v| v.is_finite()).count();
        if finite < 4 {
            return Err(bad("final paddle positions", finite.to_string()));
        }
        let mut best: Option<(f64, Vec<f64>)> = None;
        let mut evaluations = 0;
        for start in 0..8_u32 {
            // The corners of a cube, a quarter and three quarters of the bound along each axis.
            let corner: Vec<f64> = (0..3)
                .map(|axis| if start >> axis & 1 == 1 { 1.1 } else { -1.1 })
                .collect();
            let simplex: Vec<Vec<f64>> = (0..4)
                .map(|k| {
                    let mut point = corner.clone();
                    if k > 0 {
                        point[k - 1] += 0.7;
                    }
                    point
                })
                .collect();
            let solver = NelderMead::new(simplex)
                .with_sd_tolerance(1e-9)
                .map_err(|e| bad("solver", e.to_string()))?;
            let objective = Objective {
                simulation: self,
                target: final_paddle_deg,
            };
            let done = Executor::new(objective, solver)
                .timer(false)
                .configure(|state| state.max_iters(200))
                .run()
                .map_err(|e| bad("solver", e.to_string()))?;
            let state = done.state();
            evaluations += state
                .get_func_counts()
                .get("cost_count")
                .copied()
                .unwrap_or(0);
            let cost = state.get_best_cost();
            if let Some(point) = state.get_best_param()
                && best.as_ref().is_none_or(|(least, _)| cost < *least)
            {
                best = Some((cost, point.clone()));
            }
        }
        let (mse_deg2, point) = best.ok_or_else(|| bad("solver", "no result".into()))?;
        let parameters = bounded(&point);
        Ok(NoisyFit {
            parameters,
            mse_deg2,
            final_y_deg: self.final_y_deg(&parameters),
            evaluations,
        })
    }

    /// Fits the parameters to an error pattern: paddle minus truth, `[condition]`, degrees.
    ///
    /// # Errors
    /// As [`NoisySimulation::fit`].
    pub fn fit_errors(&self, errors_deg: &[f64], truth_deg: &[f64]) -> Result<NoisyFit> {
        if errors_deg.len() != truth_deg.len() {
            return Err(Error::Shape {
                what: "true end heights [condition]",
                expected: vec![errors_deg.len()],
                found: vec![truth_deg.len()],
            });
        }
        let paddle: Vec<f64> = errors_deg
            .iter()
            .zip(truth_deg)
            .map(|(e, t)| e + t)
            .collect();
        self.fit(&paddle)
    }
}

/// A free point in the parameters' bounds.
fn bounded(point: &[f64]) -> NoisyParameters {
    let at = |k: usize| BOUND / (1.0 + libm::exp(-point.get(k).copied().unwrap_or(0.0)));
    NoisyParameters {
        occ_variance: at(0),
        bounce_variance: at(1),
        bias: at(2),
    }
}

struct Objective<'a> {
    simulation: &'a NoisySimulation,
    target: &'a [f64],
}

impl CostFunction for Objective<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, point: &Vec<f64>) -> std::result::Result<f64, argmin::core::Error> {
        let heights = self.simulation.final_y_deg(&bounded(point));
        let pairs = heights.iter().zip(self.target);
        let squares: Vec<f64> = pairs
            .filter(|(_, t)| t.is_finite())
            .map(|(h, t)| (h - t).powi(2))
            .collect();
        Ok(squares.iter().sum::<f64>() / squares.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use mental_pong_game::task::geometry::OCCLUDER_X_UNITS;
    use mental_pong_game::task::primate79;

    use super::*;

    const NONE: NoisyParameters = NoisyParameters {
        occ_variance: 0.0,
        bounce_variance: 0.0,
        bias: 1.0,
    };

    #[test]
    fn without_noise_and_bias_the_end_is_the_design_s() {
        let conditions = primate79();
        let simulation = NoisySimulation::with_samples(&conditions, 1, 2);
        let heights = simulation.final_y_deg(&NONE);
        for (condition, height) in conditions.iter().zip(heights) {
            let truth = trajectory(condition, Law::Design).y_x10_deg();
            // Bounces between the last two steps are drawn as one straight line in both.
            assert!(
                (height - truth).abs() < 1e-9,
                "{} {height} {truth}",
                condition.id
            );
        }
        assert!(simulation.starts.iter().all(|s| s.x < OCCLUDER_X_UNITS));
    }

    #[test]
    fn samples_scatter_by_their_variance_and_repeat() {
        let conditions = primate79();
        let straight: Vec<Condition> = conditions
            .into_iter()
            .filter(|c| c.n_bounce == 0 && c.y_final_design_deg().abs() < 4.0)
            .take(4)
            .collect();
        assert!(!straight.is_empty());
        let simulation = NoisySimulation::with_samples(&straight, 5, 2000);
        let parameters = NoisyParameters {
            occ_variance: 0.01,
            ..NONE
        };
        let all = simulation.samples_deg(&parameters);
        assert_eq!(all, simulation.samples_deg(&parameters));
        for (start, row) in simulation.starts.iter().zip(all.chunks_exact(2000)) {
            let mean = row.iter().sum::<f64>() / 2000.0;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2000.0;
            // n steps of both axes' noise; that of x counts by the path's slope.
            let steps = (units_from_deg(INTERCEPT_X_DEG) - start.x) / start.dx;
            let slope = start.dy / start.dx;
            let expected = 0.625_f64.powi(2) * 0.01 * steps * (1.0 + slope * slope);
            assert!(
                (variance / expected - 1.0).abs() < 0.15,
                "{variance} {expected}"
            );
        }
        let other = NoisySimulation::with_samples(&straight, 6, 2000);
        assert_ne!(other.samples_deg(&parameters), all);
    }

    // The truth is planted: heights of known parameters, once with the fit's own random numbers,
    // once with others and 20 times the samples.
    #[test]
    fn a_fit_finds_planted_parameters() {
        let conditions: Vec<Condition> = primate79().into_iter().step_by(2).collect();
        let planted = NoisyParameters {
            occ_variance: 0.6,
            bounce_variance: 0.9,
            bias: 0.8,
        };
        let simulation = NoisySimulation::new(&conditions, 3);
        let fit = simulation.fit(&simulation.final_y_deg(&planted)).unwrap();
        assert!(fit.mse_deg2 < 1e-4, "{fit:?}");
        assert!((fit.parameters.bias - 0.8).abs() < 0.01, "{fit:?}");
        assert!((fit.parameters.occ_variance - 0.6).abs() < 0.06, "{fit:?}");
        assert!(
            (fit.parameters.bounce_variance - 0.9).abs() < 0.3,
            "{fit:?}"
        );
        let others = NoisySimulation::with_samples(&conditions, 4, 2000);
        let paddle = others.final_y_deg(&planted);
        let fit = simulation.fit(&paddle).unwrap();
        assert!((fit.parameters.bias - 0.8).abs() < 0.1, "{fit:?}");
        assert!((fit.parameters.occ_variance - 0.6).abs() < 0.4, "{fit:?}");
        let truth: Vec<f64> = conditions
            .iter()
            .map(Condition::y_final_design_deg)
            .collect();
        let errors: Vec<f64> = paddle.iter().zip(&truth).map(|(p, t)| p - t).collect();
        let again = simulation.fit_errors(&errors, &truth).unwrap();
        assert!((again.parameters.bias - fit.parameters.bias).abs() < 1e-3);
        // A control: another planted bias gives another fit.
        let flat = NoisyParameters {
            bias: 0.3,
            ..planted
        };
        let flat = simulation.fit(&simulation.final_y_deg(&flat)).unwrap();
        assert!((flat.parameters.bias - 0.3).abs() < 0.02, "{flat:?}");
    }

    #[test]
    fn too_few_values_are_refused() {
        let conditions: Vec<Condition> = primate79().into_iter().take(5).collect();
        let simulation = NoisySimulation::with_samples(&conditions, 1, 3);
        assert!(simulation.fit(&[0.0; 4]).is_err());
        let nan = [f64::NAN, f64::NAN, 0.0, 1.0, 2.0];
        assert!(
            simulation
                .fit(&nan)
                .unwrap_err()
                .to_string()
                .contains("finite")
        );
    }
}
