//! What a file of latents was understood as, and when its latents say where the ball is.

use mental_pong_base::Stream;
use mental_pong_game::task::{ConditionSet, SetIdentity};
use nalgebra::{DMatrix, DVector};
use serde::Serialize;

use super::LatentsFile;
use crate::Result;

/// Units that a read-out takes; wider layers are projected at random.
const MOST_UNITS: usize = 48;
/// Lags that are tried, ms.
const LAGS_MS: [f64; 13] = [
    -300.0, -250.0, -200.0, -150.0, -100.0, -50.0, 0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0,
];
/// Penalty of the read-out, as a share of the mean variance of a unit.
const RIDGE: f64 = 1e-3;
/// At another lag at most this share of what is left unexplained at none may be left.
const CLEARLY: f64 = 0.7;

/// A share of the place's variance below this is said.
const HARDLY: f64 = 0.5;
/// Conditions from which on it is.
const ENOUGH: usize = 20;

/// One layer as it was understood.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerCheck {
    /// Its name.
    pub name: String,
    /// Units.
    pub units: usize,
    /// Units that have the same value everywhere.
    pub dead_units: usize,
    /// Smallest and largest value.
    pub range: [f64; 2],
    /// Lag at which a linear read-out finds the visible ball best, ms: at a lag of 100 the latents say where it
    /// will be 100 ms later.
    pub best_lag_ms: f64,
    /// Share of the place's variance that is found at that lag and at none, in conditions left out.
    pub r2: [f64; 2],
}

/// A file as it was understood.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatentsCheck {
    /// The format that was recognised.
    pub format: String,
    /// The set that the file states.
    pub states: Option<SetIdentity>,
    /// The set that it was held against.
    #[serde(flatten)]
    pub set: SetIdentity,
    /// Conditions, and those of the set.
    pub conditions: [usize; 2],
    /// Steps of the shortest and of the longest condition.
    pub steps: [usize; 2],
    /// Time of the first and of the last step, ms from motion onset.
    pub times_ms: [f64; 2],
    /// Mean time from one step to the next, ms.
    pub step_ms: f64,
    /// The layers.
    pub layers: Vec<LayerCheck>,
    /// What is odd.
    pub warnings: Vec<String>,
}

/// What a layer's values are, whatever they are of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extent {
    /// Its name.
    pub name: String,
    /// Units.
    pub units: usize,
    /// Units that have the same value everywhere.
    pub dead_units: usize,
    /// Smallest and largest value.
    pub range: [f64; 2],
}

/// Range and dead units, condition by condition.
struct Values {
    range: [f64; 2],
    first: Vec<f32>,
    alive: Vec<bool>,
}

impl Values {
    fn new(units: usize) -> Self {
        Self {
            range: [f64::INFINITY, f64::NEG_INFINITY],
            first: Vec::new(),
            alive: vec![false; units],
        }
    }

    /// `values` are `[step, unit]`.
    fn take(&mut self, values: &[f32]) {
        let units = self.alive.len();
        if self.first.is_empty() {
            self.first = values[..units].to_vec();
        }
        for row in values.chunks_exact(units) {
            for (k, v) in row.iter().enumerate() {
                self.alive[k] |= *v != self.first[k];
                let [low, high] = self.range;
                self.range = [low.min(f64::from(*v)), high.max(f64::from(*v))];
            }
        }
    }

    fn dead(&self) -> usize {
        self.alive.iter().filter(|alive| !**alive).count()
    }
}

/// A step with the ball in view: its features, and its condition and time.
struct Seen {
    features: Vec<f64>,
    condition: usize,
    time_ms: f64,
}

impl LatentsFile {
    /// Reads every value of a layer once and says what they are.
    ///
    /// # Errors
    /// As [`LatentsFile::read`].
    pub fn extent(&mut self, layer: usize) -> Result<Extent> {
        let mut all = Values::new(self.layers()[layer].units);
        for condition in 0..self.ids().len() {
            all.take(&self.read(condition, layer)?);
        }
        let info = &self.layers()[layer];
        Ok(Extent {
            name: info.name.clone(),
            units: info.units,
            dead_units: all.dead(),
            range: all.range,
        })
    }

    /// Reads every condition once and says what was understood.
    ///
    /// # Errors
    /// As [`LatentsFile::of_set`].
    pub fn check(&mut self, set: &ConditionSet) -> Result<LatentsCheck> {
        let places = self.matched(set)?;
        let counts: Vec<usize> = places.iter().map(|p| self.steps(*p).len()).collect();
        let ends = |of: fn(&[super::Step]) -> Option<f64>| -> Vec<f64> {
            places.iter().filter_map(|p| of(self.steps(*p))).collect()
        };
        let first = ends(|s| s.first().map(|s| s.time_ms));
        let last = ends(|s| s.last().map(|s| s.time_ms));
        let span: f64 = last.iter().zip(&first).map(|(b, a)| b - a).sum();
        let gaps: usize = counts.iter().map(|n| n.saturating_sub(1)).sum();
        let smallest = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut check = LatentsCheck {
            format: self.format().into(),
            states: self.identity().cloned(),
            set: set.identity(),
            conditions: [places.len(), set.len()],
            steps: [
                counts.iter().copied().min().unwrap_or(0),
                counts.iter().copied().max().unwrap_or(0),
            ],
            times_ms: [smallest(&first), largest(&last)],
            step_ms: span / gaps.max(1) as f64,
            layers: Vec::new(),
            warnings: Vec::new(),
        };
        for layer in 0..self.layers().len() {
            let found = self.check_layer(set, &places, layer)?;
            if found.best_lag_ms != 0.0 {
                check.warnings.push(format!(
                    "{}: the visible ball is read best {} ms {} the time that the steps state (r2 {:.3} against {:.3}): is the clock right?",
                    found.name,
                    found.best_lag_ms.abs(),
                    if found.best_lag_ms > 0.0 { "after" } else { "before" },
                    found.r2[0],
                    found.r2[1],
                ));
            }
            if found.best_lag_ms == 0.0 && found.r2[1] < HARDLY && set.len() >= ENOUGH {
                check.warnings.push(format!(
                    "{}: the visible ball can hardly be read at any time (r2 {:.3}): are ids, order and times right?",
                    found.name, found.r2[1],
                ));
            }
            if found.dead_units > 0 {
                let text = format!("{}: {} dead units", found.name, found.dead_units);
                check.warnings.push(text);
            }
            check.layers.push(found);
        }
        check.warnings.append(&mut self.notices);
        Ok(check)
    }

    fn check_layer(
        &mut self,
        set: &ConditionSet,
        places: &[usize],
        layer: usize,
    ) -> Result<LayerCheck> {
        let units = self.layers()[layer].units;
        let mut all = Values::new(units);
        let mut seen = Vec::new();
        let projection = projection(units);
        for (condition, place) in set.conditions().iter().zip(places) {
            let values = self.read(*place, layer)?;
            all.take(&values);
            let track = condition.track();
            for (step, row) in self.steps(*place).iter().zip(values.chunks_exact(units)) {
                let frame = (step.time_ms * condition.rate_hz() / 1000.0)
                    .round()
                    .max(0.0);
                let visible = track
                    .frame(frame as usize)
                    .is_some_and(|f| f.visible >= 1.0);
                if visible {
                    seen.push(Seen {
                        features: projected(row, projection.as_deref()),
                        condition: *place,
                        time_ms: step.time_ms,
                    });
                }
            }
        }
        let at = |place: usize, time_ms: f64| -> Option<(f64, f64)> {
            let k = places.iter().position(|p| *p == place)?;
            let condition = &set.conditions()[k];
            let n = time_ms * condition.rate_hz() / 1000.0;
            if n < 0.0 {
                return None;
            }
            condition.track().ball_deg(n.round() as usize)
        };
        let found: Vec<f64> = LAGS_MS
            .iter()
            .map(|lag| read_out(&seen, *lag, &at))
            .collect();
        let none = found[LAGS_MS.len() / 2];
        let best = (0..LAGS_MS.len()).fold(LAGS_MS.len() / 2, |best, k| {
            if found[k] > found[best] { k } else { best }
        });
        let best = if 1.0 - found[best] < CLEARLY * (1.0 - none) {
            best
        } else {
            LAGS_MS.len() / 2
        };
        Ok(LayerCheck {
            name: self.layers()[layer].name.clone(),
            units,
            dead_units: all.dead(),
            range: all.range,
            best_lag_ms: LAGS_MS[best],
            r2: [found[best], none],
        })
    }
}

/// A random projection of wide layers `[feature][unit]`; none of narrow ones.
fn projection(units: usize) -> Option<Vec<f64>> {
    let mut rng = Stream::new(1, "latents check", 0);
    (units > MOST_UNITS).then(|| (0..MOST_UNITS * units).map(|_| rng.normal()).collect())
}

fn projected(row: &[f32], projection: Option<&[f64]>) -> Vec<f64> {
    match projection {
        None => row.iter().map(|v| f64::from(*v)).collect(),
        Some(weights) => weights
            .chunks_exact(row.len())
            .map(|w| w.iter().zip(row).map(|(w, v)| w * f64::from(*v)).sum())
            .collect(),
    }
}

/// Share of the variance of the ball's place `lag_ms` later that a linear read-out finds, mean of x and y, each half
/// of the conditions read by what was fitted to the other; 0 where it finds none.
fn read_out(seen: &[Seen], lag_ms: f64, at: &dyn Fn(usize, f64) -> Option<(f64, f64)>) -> f64 {
    let rows: Vec<(&Seen, (f64, f64))> = seen
        .iter()
        .filter_map(|s| Some((s, at(s.condition, s.time_ms + lag_ms)?)))
        .collect();
    let mut order: Vec<usize> = rows.iter().map(|(s, _)| s.condition).collect();
    order.sort_unstable();
    order.dedup();
    let half = |s: &Seen| order.binary_search(&s.condition).unwrap_or(0) % 2;
    let mut sums = [[0.0; 2]; 2];
    for held_out in 0..2 {
        let train: Vec<&(&Seen, (f64, f64))> =
            rows.iter().filter(|(s, _)| half(s) != held_out).collect();
        let test: Vec<&(&Seen, (f64, f64))> =
            rows.iter().filter(|(s, _)| half(s) == held_out).collect();
        if train.len() < 10 || test.len() < 10 {
            return 0.0;
        }
        for (axis, sum) in sums.iter_mut().enumerate() {
            let place = |p: &(f64, f64)| if axis == 0 { p.0 } else { p.1 };
            let Some((weights, means, base)) = fitted(&train, place) else {
                return 0.0;
            };
            for (s, p) in &test {
                let found: f64 = s
                    .features
                    .iter()
                    .zip(&means)
                    .zip(weights.iter())
                    .map(|((v, m), w)| (v - m) * w)
                    .sum();
                let truth = place(p);
                sum[0] += (truth - base - found).powi(2);
                sum[1] += (truth - base).powi(2);
            }
        }
    }
    let r2 = |[left, all]: [f64; 2]| if all > 0.0 { 1.0 - left / all } else { 0.0 };
    (0.5 * (r2(sums[0]) + r2(sums[1]))).max(0.0)
}

type Fitted = (DVector<f64>, Vec<f64>, f64);

/// Ridge regression: weights, means of the features, mean of the target.
fn fitted(rows: &[&(&Seen, (f64, f64))], place: impl Fn(&(f64, f64)) -> f64) -> Option<Fitted> {
    let dim = rows.first()?.0.features.len();
    let n = rows.len() as f64;
    let mut means = vec![0.0; dim];
    for (s, _) in rows {
        for (m, v) in means.iter_mut().zip(&s.features) {
            *m += v / n;
        }
    }
    let base = rows.iter().map(|(_, p)| place(p)).sum::<f64>() / n;
    let mut gram = DMatrix::<f64>::zeros(dim, dim);
    let mut right = DVector::<f64>::zeros(dim);
    for (s, p) in rows {
        let x = DVector::from_iterator(dim, s.features.iter().zip(&means).map(|(v, m)| v - m));
        gram.ger(1.0, &x, &x, 1.0);
        right.axpy(place(p) - base, &x, 1.0);
    }
    let penalty = RIDGE * gram.trace() / dim as f64 + f64::MIN_POSITIVE;
    for k in 0..dim {
        gram[(k, k)] += penalty;
    }
    Some((gram.cholesky()?.solve(&right), means, base))
}
