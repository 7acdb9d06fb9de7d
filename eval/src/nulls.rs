//! What needs no simulation, and how much better a forecast is: lines through what was last seen, skill, innovation, and
//! error over the horizon.
//!
//! A forecast of a hidden ball is compared with the ball going straight on ([`straight_line`]), with the same mirrored at
//! the walls ([`mirrored`]), and with the latents going on as they moved ([`inertia`]). Errors ([`errors`]) are summed by condition,
//! so that every interval and test draws conditions, never bins.

use crate::array::Array2;
use crate::decode::{Epoch, HeldOut, Layout};
use crate::error::{Error, Result};
use crate::linear::LeastSquares;
use crate::stats::bootstrap::{Bootstrap, Interval};
use crate::stats::permutation::{Permutation, TestResult};
use crate::stats::{self, Summary};

/// Time before the onset of occlusion whose bins a line is laid through, ms.
pub const LINE_MS: f64 = 500.0;

/// Paths read out of features on held-out conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Paths {
    /// `[condition][row, (x, y)]` degrees: mean over the splits in which the condition was held out; NaN in dropped rows.
    pub mean: Vec<Array2>,
    /// `[epoch of Epoch::EVERY][x, y]`, Pearson correlation over pooled held-out rows, over splits.
    pub r: [[Summary; 2]; 3],
    /// The same, mean absolute error, degrees.
    pub mae: [[Summary; 2]; 3],
}

impl Paths {
    /// From held-out predictions whose first two targets are x and y, each condition's path `change`d first.
    ///
    /// `change` gets the condition and its path `[row, (x, y)]` in the layout's rows, NaN where a row was dropped.
    /// Errors: [`Error::Invalid`] without splits.
    pub fn of(
        layout: &Layout,
        held: &HeldOut,
        change: impl Fn(usize, Array2) -> Array2 + Sync,
    ) -> Result<Self> {
        use rayon::prelude::*;
        let n = layout.conditions().len();
        if held.n_splits() == 0 {
            return Err(Error::invalid("paths", "no splits"));
        }
        // [split][condition], in parallel; summed in order, so that threads do not matter.
        let paths: Vec<Vec<(usize, Array2)>> = (0..held.n_splits())
            .into_par_iter()
            .map(|split| {
                (0..n)
                    .filter_map(|c| {
                        let kept = held.get(split, c)?;
                        let rows = held.kept_rows(c);
                        let mut path =
                            Array2::filled(layout.conditions()[c].bins.len(), 2, f64::NAN);
                        for (i, &row) in rows.iter().enumerate() {
                            path.row_mut(row).copy_from_slice(&kept.row(i)[..2]);
                        }
                        Some((c, change(c, path)))
                    })
                    .collect()
            })
            .collect();
        let mut mean: Vec<Array2> = layout
            .conditions()
            .iter()
            .map(|c| Array2::filled(c.bins.len(), 2, 0.0))
            .collect();
        let mut counts = vec![0.0; n];
        let mut r = [[(); 2]; 3].map(|epoch| epoch.map(|()| Vec::new()));
        let mut mae = r.clone();
        for split in &paths {
            for (c, path) in split {
                counts[*c] += 1.0;
                for row in 0..path.rows() {
                    for (sum, v) in mean[*c].row_mut(row).iter_mut().zip(path.row(row)) {
                        *sum += v;
                    }
                }
            }
            for (e, epoch) in Epoch::EVERY.into_iter().enumerate() {
                for t in 0..2 {
                    let (p, y) = pooled(layout, split, epoch, t);
                    r[e][t].push(stats::pearson(&p, &y));
                    mae[e][t].push(stats::mean_absolute_error(&p, &y));
                }
            }
        }
        for (path, count) in mean.iter_mut().zip(counts) {
            for row in 0..path.rows() {
                path.row_mut(row).iter_mut().for_each(|v| *v /= count);
            }
        }
        let summary = |v: [[Vec<f64>; 2]; 3]| v.map(|e| e.map(|s| Summary::over_splits(&s)));
        Ok(Self {
            mean,
            r: summary(r),
            mae: summary(mae),
        })
    }
}

fn pooled(
    layout: &Layout,
    paths: &[(usize, Array2)],
    epoch: Epoch,
    target: usize,
) -> (Vec<f64>, Vec<f64>) {
    paths
        .iter()
        .flat_map(|(c, path)| {
            let rows = &layout.conditions()[*c];
            (0..path.rows())
                .filter(move |&row| match epoch {
                    Epoch::All => true,
                    Epoch::Visible => rows.visible[row],
                    Epoch::Hidden => rows.hidden[row],
                })
                .map(move |row| (path.get(row, target), rows.targets.get(row, target)))
        })
        .filter(|(p, y)| p.is_finite() && y.is_finite())
        .unzip()
}

/// A path `[row, (x, y)]` whose rows from `onset` on follow the least-squares line through the last `bins` rows before it.
///
/// Rows that are NaN take no part. With fewer than two rows before `onset` the last place is held; without any the path is
/// left as it is.
#[must_use]
pub fn straight_line(path: &Array2, onset: usize, bins: usize) -> Array2 {
    let from = onset.saturating_sub(bins);
    let seen: Vec<usize> = (from..onset.min(path.rows()))
        .filter(|&row| path.row(row).iter().all(|v| v.is_finite()))
        .collect();
    let mut out = path.clone();
    let Some(&last) = seen.last() else {
        return out;
    };
    let line = if seen.len() < 2 {
        None
    } else {
        let x = Array2::from_fn(seen.len(), 1, |i, _| seen[i] as f64);
        let y = Array2::from_fn(seen.len(), path.cols(), |i, t| path.get(seen[i], t));
        LeastSquares::fit(&x, &y).ok()
    };
    for row in onset..path.rows() {
        for t in 0..path.cols() {
            let value = line.as_ref().map_or(path.get(last, t), |line| {
                line.intercept()[t] + line.coefficients().get(0, t) * row as f64
            });
            out.set(row, t, value);
        }
    }
    out
}

/// The same path with its heights (column 1) mirrored at `low` and `high`, as often as needed.
#[must_use]
pub fn mirrored(path: &Array2, low: f64, high: f64) -> Array2 {
    let mut out = path.clone();
    let span = high - low;
    for row in 0..path.rows() {
        let y = path.get(row, 1);
        if span > 0.0 && y.is_finite() {
            let turn = (y - low).rem_euclid(2.0 * span);
            out.set(
                row,
                1,
                low + if turn > span { 2.0 * span - turn } else { turn },
            );
        }
    }
    out
}

/// Features `[row, unit]` that go on from `onset` with the running mean of their changes before it, the newest with `share`
/// (a plain mean until there are enough): nothing learned.
#[must_use]
pub fn inertia(features: &Array2, onset: usize, share: f64) -> Array2 {
    let mut out = features.clone();
    let onset = onset.min(features.rows());
    if onset == 0 {
        return out;
    }
    let mut velocity = vec![0.0; features.cols()];
    for row in 1..onset {
        let share = share.max(1.0 / row as f64);
        for (unit, v) in velocity.iter_mut().enumerate() {
            let change = features.get(row, unit) - features.get(row - 1, unit);
            *v += share * (change - *v);
        }
    }
    for row in onset..features.rows() {
        for (unit, v) in velocity.iter().enumerate() {
            out.set(row, unit, out.get(row - 1, unit) + v);
        }
    }
    out
}

/// What is compared: a coordinate over hidden bins, or the height at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Horizontal place over hidden bins.
    X,
    /// Vertical place over hidden bins.
    Y,
    /// The last height against the true end height.
    End,
}

impl Target {
    /// In the order of the tables.
    pub const ALL: [Self; 3] = [Self::X, Self::Y, Self::End];

    /// As in the tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X => "x",
            Self::Y => "y",
            Self::End => "end",
        }
    }
}

/// `[condition]`, sum over hidden rows of |path − truth| (for [`Target::End`] the one at the end), degrees; NaN where a
/// condition has no such row.
///
/// `ends` is `[condition]`, true end heights.
#[must_use]
pub fn errors(layout: &Layout, paths: &[Array2], ends: &[f64], target: Target) -> Vec<f64> {
    layout
        .conditions()
        .iter()
        .zip(paths)
        .zip(ends)
        .map(|((rows, path), end)| {
            let column = usize::from(target != Target::X);
            if target == Target::End {
                let last = (0..path.rows()).rev().map(|row| path.get(row, 1));
                return last
                    .into_iter()
                    .find(|v| v.is_finite())
                    .map_or(f64::NAN, |p| (p - end).abs());
            }
            let all: Vec<f64> = (0..path.rows())
                .filter(|&row| rows.hidden[row])
                .map(|row| (path.get(row, column) - rows.targets.get(row, column)).abs())
                .filter(|v| v.is_finite())
                .collect();
            if all.is_empty() {
                f64::NAN
            } else {
                all.iter().sum()
            }
        })
        .collect()
}

/// How much smaller a row's errors are than a null's, over conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Skill {
    /// 1 − Σ errors / Σ errors of the null, with its BCa interval over conditions; ends NaN below 10 conditions.
    pub skill: Interval,
    /// Sign-flip test of the paired differences by condition, two-sided; `None` below its fewest conditions.
    pub test: Option<TestResult>,
    /// Conditions.
    pub n: usize,
}

/// A null with a smaller error a condition makes none, and there is no share of it.
const EXACT_DEG: f64 = 1e-6;

/// Skill of `model` over `null`, `[condition]` errors of the same conditions; those in which either is NaN are left out.
///
/// # Errors
/// [`Error::Shape`] for lengths that differ; errors of the bootstrap and the test.
pub fn skill(
    model: &[f64],
    null: &[f64],
    bootstrap: &Bootstrap,
    permutation: &Permutation,
) -> Result<Skill> {
    if model.len() != null.len() {
        return Err(Error::shape(
            "errors of the null",
            format!("{} conditions", model.len()),
            format!("{}", null.len()),
        ));
    }
    let pairs: Vec<(f64, f64)> = model
        .iter()
        .zip(null)
        .map(|(a, b)| (*a, *b))
        .filter(|(a, b)| a.is_finite() && b.is_finite())
        .collect();
    let n = pairs.len();
    let of = |drawn: &[usize]| {
        let (a, b) = drawn
            .iter()
            .fold((0.0, 0.0), |(a, b), &i| (a + pairs[i].0, b + pairs[i].1));
        let errs = b > EXACT_DEG * drawn.len() as f64;
        if errs { 1.0 - a / b } else { f64::NAN }
    };
    let skill = interval_or_value("skill", n, bootstrap, of)?;
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    let test = if n >= permutation.min_n.max(2) {
        Some(permutation.sign_flip("paired errors", &differences)?)
    } else {
        None
    };
    Ok(Skill { skill, test, n })
}

/// An interval where there are units enough, else the value with open ends.
///
/// # Errors
/// Those of [`Bootstrap::interval`].
pub fn interval_or_value(
    what: &str,
    n: usize,
    bootstrap: &Bootstrap,
    of: impl Fn(&[usize]) -> f64 + Sync,
) -> Result<Interval> {
    if n >= bootstrap.min_n {
        return bootstrap.interval(what, n, of);
    }
    let all: Vec<usize> = (0..n).collect();
    Ok(Interval {
        estimate: if n == 0 { f64::NAN } else { of(&all) },
        low: f64::NAN,
        high: f64::NAN,
        level: bootstrap.level,
        method: bootstrap.method,
        n,
        resamples: 0,
        undefined: 0,
    })
}

/// Innovation: correlation over hidden rows of (path − null) with (truth − null), conditions drawn together.
///
/// It asks whether a row leaves its null where the ball does, and is 0 by definition for the null itself (NaN).
///
/// # Errors
/// Those of the bootstrap.
pub fn innovation(
    layout: &Layout,
    paths: &[Array2],
    null: &[Array2],
    conditions: &[usize],
    column: usize,
    bootstrap: &Bootstrap,
) -> Result<Interval> {
    let pairs: Vec<(Vec<f64>, Vec<f64>)> = conditions
        .iter()
        .map(|&c| {
            let rows = &layout.conditions()[c];
            (0..rows.bins.len())
                .filter(|&row| rows.hidden[row])
                .map(|row| {
                    let base = null[c].get(row, column);
                    (
                        paths[c].get(row, column) - base,
                        rows.targets.get(row, column) - base,
                    )
                })
                .filter(|(a, b)| a.is_finite() && b.is_finite())
                .unzip()
        })
        .filter(|(a, _): &(Vec<f64>, Vec<f64>)| !a.is_empty())
        .collect();
    let sums = stats::moments::Moments::per_condition(&pairs)?;
    interval_or_value("innovation", sums.len(), bootstrap, |drawn| {
        let mut total = stats::moments::Moments::default();
        drawn.iter().for_each(|&i| total.add(&sums[i]));
        total.pearson()
    })
}

/// Error at one stretch of the horizon.
#[derive(Debug, Clone, PartialEq)]
pub struct HorizonPoint {
    /// First bin since the onset of occlusion, and one past the last; `None` for all that follow.
    pub bins: (usize, Option<usize>),
    /// Mean absolute error, degrees, with its interval over conditions.
    pub mae: Interval,
    /// Conditions with a bin in it.
    pub n_conditions: usize,
    /// Bins.
    pub n_bins: usize,
}

/// Stretches of the horizon, bins since the onset of occlusion.
pub const HORIZON: [(usize, Option<usize>); 4] =
    [(0, Some(5)), (5, Some(10)), (10, Some(15)), (15, None)];

/// Error of one coordinate (0: x, 1: y) over the horizon.
///
/// # Errors
/// Those of the bootstrap.
pub fn over_horizon(
    layout: &Layout,
    paths: &[Array2],
    column: usize,
    bootstrap: &Bootstrap,
) -> Result<Vec<HorizonPoint>> {
    HORIZON
        .into_iter()
        .map(|(from, to)| {
            let sums: Vec<(f64, f64)> = layout
                .conditions()
                .iter()
                .zip(paths)
                .filter_map(|(rows, path)| {
                    let onset = rows.hidden.iter().position(|&h| h)?;
                    let all: Vec<f64> = (onset + from..to.map_or(path.rows(), |to| onset + to))
                        .take_while(|&row| row < path.rows())
                        .filter(|&row| rows.hidden[row])
                        .map(|row| (path.get(row, column) - rows.targets.get(row, column)).abs())
                        .filter(|v| v.is_finite())
                        .collect();
                    (!all.is_empty()).then(|| (all.iter().sum(), all.len() as f64))
                })
                .collect();
            let mae =
                interval_or_value("error over the horizon", sums.len(), bootstrap, |drawn| {
                    let (sum, n) = drawn
                        .iter()
                        .fold((0.0, 0.0), |(s, n), &i| (s + sums[i].0, n + sums[i].1));
                    sum / n
                })?;
            Ok(HorizonPoint {
                bins: (from, to),
                mae,
                n_conditions: sums.len(),
                n_bins: sums.iter().map(|s| s.1 as usize).sum(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_path_is_continued_exactly_and_mirrored_at_walls() {
        let path = Array2::from_fn(
            12,
            2,
            |row, t| if t == 0 { row as f64 } else { 2.0 * row as f64 },
        );
        let mut hidden = path.clone();
        for row in 6..12 {
            hidden.row_mut(row).copy_from_slice(&[99.0, -99.0]);
        }
        let line = straight_line(&hidden, 6, 4);
        for row in 0..12 {
            assert!((line.get(row, 1) - 2.0 * row as f64).abs() < 1e-9);
        }
        // By hand: 14 mirrored at 10 is 6; 22 is back at -2 and mirrored at 0 is 2.
        let mirrored = mirrored(&line, 0.0, 10.0);
        assert!((mirrored.get(7, 1) - 6.0).abs() < 1e-9);
        assert!((mirrored.get(11, 1) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn inertia_keeps_a_constant_velocity() {
        let x = Array2::from_fn(9, 2, |row, u| row as f64 * (u + 1) as f64);
        let mut cut = x.clone();
        (5..9).for_each(|row| cut.row_mut(row).fill(0.0));
        let out = inertia(&cut, 5, 0.1);
        (0..9).for_each(|row| assert!((out.get(row, 1) - x.get(row, 1)).abs() < 1e-12));
    }

    #[test]
    fn skill_of_half_the_error_is_a_half_and_of_the_null_itself_zero() {
        let null: Vec<f64> = (1..=20).map(f64::from).collect();
        let half: Vec<f64> = null.iter().map(|v| v / 2.0).collect();
        let bootstrap = Bootstrap {
            resamples: 200,
            ..Bootstrap::default()
        };
        let permutation = Permutation::default();
        let found = skill(&half, &null, &bootstrap, &permutation).unwrap();
        assert!((found.skill.estimate - 0.5).abs() < 1e-12);
        assert!(found.test.unwrap().p < 0.001);
        let same = skill(&null, &null, &bootstrap, &permutation).unwrap();
        assert!(same.skill.estimate.abs() < 1e-12);
        assert!(same.test.unwrap().p > 0.9);
    }
}
