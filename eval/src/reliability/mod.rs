//! Noise ceilings: how well the best model could predict each unit.
//!
//! From the correlation r of two halves of the trials:
//!
//! | | | what reaches it |
//! |---|---|---|
//! | reliability | `SB = 2 r / (1 + r)` (Spearman 1910, Brown 1910) | correlation of the mean over all trials with that over as many new trials |
//! | lower ceiling | `SB` | another data set of the same size from the same unit: noisy, but nothing is missing |
//! | upper ceiling | `sqrt(SB)` (Spearman 1904; Hsu, Borst & Theunissen 2004; Schoppe et al. 2016) | the unit's true mean response, free of noise |
//!
//! Both are correlations with the mean over all trials. A negative r has no upper ceiling (NaN); nothing is clipped. The
//! published criterion of a reliable unit is p < 0.01 and r > 0, see [`crate::recordings::reliability`].

use mental_pong_base::Stream;
use rayon::prelude::*;
use serde::Serialize;

use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::dense;
use crate::predictivity::interval::{ConditionSums, TOGETHER, drawn, ranks};
use crate::predictivity::{Halves, IntervalOptions, PercentileInterval, Trials};
use crate::recordings::reliability::{PUBLISHED_P, pearson_p};
use crate::stats;

/// Fewer rows than this give no ceiling.
pub const MIN_ROWS: usize = 10;
/// Fewer conditions than this give no interval.
pub const MIN_CONDITIONS: usize = 5;

/// Reliability and ceilings of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UnitCeiling {
    /// Pearson correlation of the halves over rows; of trials, the mean over halvings. NaN if a half is constant.
    pub r: f64,
    /// Two-sided p of `r`, as if rows were independent, which bins are not: for the published criterion.
    pub p: f64,
    /// p below 0.01 and `r` positive.
    pub reliable: bool,
    /// Lower ceiling, the reliability of all trials.
    pub lower: f64,
    /// Upper ceiling; NaN if `r` is negative.
    pub upper: f64,
    /// Interval of `lower` over conditions.
    pub lower_interval: PercentileInterval,
    /// Interval of `upper` over conditions, of replicates with positive r.
    pub upper_interval: PercentileInterval,
}

/// Reliability and ceilings of a population.
#[derive(Debug, Clone, Serialize)]
pub struct Ceilings {
    /// `[unit]`.
    pub units: Vec<UnitCeiling>,
    /// Median r over units.
    pub median_r: f64,
    /// Median lower ceiling over units.
    pub median_lower: f64,
    /// Interval of `median_lower` over conditions and units together.
    pub median_lower_interval: PercentileInterval,
    /// Median upper ceiling over units that have one.
    pub median_upper: f64,
    /// Interval of `median_upper` over conditions and units together.
    pub median_upper_interval: PercentileInterval,
    /// Units that meet the published criterion.
    pub n_reliable: usize,
    /// Units with negative r, which have no upper ceiling.
    pub n_negative: usize,
    /// Units of which a half is constant.
    pub n_undefined: usize,
    /// Rows.
    pub n_rows: usize,
    /// Conditions.
    pub n_conditions: usize,
    /// Halvings averaged: 1 unless there are trials.
    pub n_halvings: usize,
}

/// Ceilings from one pair of halves. `conditions` says the condition of each row.
///
/// Errors: [`Error::Shape`] if `conditions` has another length; [`Error::Invalid`] below [`MIN_ROWS`] rows or
/// [`MIN_CONDITIONS`] conditions.
pub fn ceilings(
    halves: &Halves,
    conditions: &[usize],
    options: &IntervalOptions,
) -> Result<Ceilings> {
    estimate(
        1,
        halves.rows(),
        halves.units(),
        conditions,
        options,
        |_| Ok(Some((halves.first().clone(), halves.second().clone()))),
    )
}

/// Ceilings from trials: `halvings` random halves (seeds from `start_seed`, [`Trials::half_indices`]), whose r are averaged
/// for each unit before the correction.
///
/// Halvings in which a half lacks a unit are left out. Errors as [`ceilings`]; [`Error::Invalid`] if none is left, and
/// [`Error::NotFinite`] where nothing was recorded in any trial.
pub fn ceilings_of_trials(
    trials: &Trials,
    conditions: &[usize],
    halvings: u32,
    start_seed: u32,
    options: &IntervalOptions,
) -> Result<Ceilings> {
    estimate(
        halvings,
        trials.rows(),
        trials.units(),
        conditions,
        options,
        |index| {
            Ok(trials
                .halves(start_seed.wrapping_add(index))?
                .map(|h| (h.first().clone(), h.second().clone())))
        },
    )
}

fn estimate(
    halvings: u32,
    rows: usize,
    units: usize,
    conditions: &[usize],
    options: &IntervalOptions,
    halves: impl Fn(u32) -> Result<Option<(Array2, Array2)>>,
) -> Result<Ceilings> {
    options.check()?;
    if conditions.len() != rows {
        return Err(Error::shape(
            "conditions",
            format!("{rows} rows, as the responses"),
            format!("{} rows", conditions.len()),
        ));
    }
    let (rank, n_conditions) = ranks(conditions);
    if rows < MIN_ROWS || n_conditions < MIN_CONDITIONS {
        return Err(Error::invalid(
            "noise ceiling",
            format!(
                "{rows} rows of {n_conditions} conditions; needs {MIN_ROWS} rows and {MIN_CONDITIONS} conditions"
            ),
        ));
    }
    // The first "replicate" is the data: each condition once. Units are drawn after conditions from the same stream.
    let draws: Vec<(Vec<f64>, Vec<usize>)> = (0..=options.replicates)
        .map(|b| {
            if b == 0 {
                return (vec![1.0; n_conditions], (0..units).collect());
            }
            let mut stream = Stream::new(options.seed, "ceiling bootstrap", u64::from(b));
            let counts = drawn(&mut stream, n_conditions);
            (counts, (0..units).map(|_| stream.below(units)).collect())
        })
        .collect();
    // [replicate][unit], sum of r over halvings.
    let mut total = vec![vec![0.0; units]; draws.len()];
    let mut n_halvings = 0_u32;
    for index in 0..halvings {
        let Some((x, y)) = halves(index)? else {
            continue;
        };
        n_halvings += 1;
        let sums = ConditionSums::new(&[(&dense::to_mat(&x), &dense::to_mat(&y))], &rank);
        total
            .par_chunks_mut(TOGETHER)
            .zip(draws.par_chunks(TOGETHER))
            .for_each(|(total, draws)| {
                let counts: Vec<&[f64]> = draws.iter().map(|(c, _)| c.as_slice()).collect();
                for (total, r) in total.iter_mut().zip(sums.correlations(&counts)) {
                    for (t, r) in total.iter_mut().zip(r) {
                        *t += r;
                    }
                }
            });
    }
    if n_halvings == 0 {
        return Err(Error::invalid(
            "trials",
            format!("none of {halvings} halvings leaves every row of every unit in both halves"),
        ));
    }
    for r in total.iter_mut().flatten() {
        *r /= f64::from(n_halvings);
    }
    let lower: Vec<Vec<f64>> = total
        .iter()
        .map(|r| r.iter().map(|&r| spearman_brown(r)).collect())
        .collect();
    let root = |v: f64| if v >= 0.0 { v.sqrt() } else { f64::NAN };
    let over_replicates = |value: &dyn Fn(f64) -> f64, unit: usize| {
        let values: Vec<f64> = lower[1..].iter().map(|l| value(l[unit])).collect();
        PercentileInterval::of(&values, options.level)
    };
    let unit_ceilings: Vec<UnitCeiling> = (0..units)
        .map(|u| {
            let r = total[0][u];
            let p = pearson_p(r, rows);
            UnitCeiling {
                r,
                p,
                reliable: p < PUBLISHED_P && r > 0.0,
                lower: lower[0][u],
                upper: root(lower[0][u]),
                lower_interval: over_replicates(&|v| v, u),
                upper_interval: over_replicates(&root, u),
            }
        })
        .collect();
    let median = |values: &mut dyn Iterator<Item = f64>| {
        stats::quantile(&values.filter(|v| !v.is_nan()).collect::<Vec<f64>>(), 0.5)
    };
    let medians = |value: &dyn Fn(f64) -> f64| {
        let all: Vec<f64> = lower[1..]
            .iter()
            .zip(&draws[1..])
            .map(|(l, (_, drawn))| median(&mut drawn.iter().map(|&u| value(l[u]))))
            .collect();
        PercentileInterval::of(&all, options.level)
    };
    Ok(Ceilings {
        median_r: median(&mut total[0].iter().copied()),
        median_lower: median(&mut lower[0].iter().copied()),
        median_lower_interval: medians(&|v| v),
        median_upper: median(&mut lower[0].iter().map(|&v| root(v))),
        median_upper_interval: medians(&root),
        n_reliable: unit_ceilings.iter().filter(|u| u.reliable).count(),
        n_negative: unit_ceilings.iter().filter(|u| u.r < 0.0).count(),
        n_undefined: unit_ceilings.iter().filter(|u| u.r.is_nan()).count(),
        n_rows: rows,
        n_conditions,
        n_halvings: n_halvings as usize,
        units: unit_ceilings,
    })
}

fn spearman_brown(r: f64) -> f64 {
    crate::recordings::reliability::spearman_brown(r)
}
