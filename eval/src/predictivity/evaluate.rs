//! Fit the maps of every split, score every unit.

use faer::Mat;
use mental_pong_base::Monitor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::halves::{Halves, Trials};
use super::interval::{ConditionSums, IntervalOptions, PercentileInterval, bootstrap, ranks};
use super::score::{Correction, Metric, UnitScore, mean_defined, median_defined, standard_error};
use super::split::RowSplit;
use crate::array::Array2;
use crate::error::{Error, Result};
use crate::linear::{Map, Predictions, PreparedMap, dense};

/// What a predictivity is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Map from features to responses. Default: ridge with the published penalties, chosen by leave-one-out error.
    pub map: Map,
    /// Reduce the features to the scores of this many factors first, fitted on training rows. Default none.
    pub factors: Option<usize>,
    /// How predictions and responses are compared. Default Pearson.
    pub metric: Metric,
    /// Score the training rows too; they say how much a map overfits, and are never a result. Default false.
    pub train_scores: bool,
    /// Intervals by bootstrap over conditions and units; `None` for none. Default 1000 replicates.
    pub interval: Option<IntervalOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            map: Map::published(),
            factors: None,
            metric: Metric::Pearson,
            train_scores: false,
            interval: Some(IntervalOptions::default()),
        }
    }
}

/// What responses are predicted from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// Features of a model, `[row, feature]`: the same for all trials.
    Features(&'a Array2),
    /// Responses of another animal with their halves: half is mapped to half.
    Halves(&'a Halves),
}

/// What responses of trials are predicted from.
#[derive(Debug, Clone, Copy)]
pub enum TrialSource<'a> {
    /// Features of a model, `[row, feature]`.
    Features(&'a Array2),
    /// Trials of another animal. With as many trials as the target they are halved by the same permutation.
    Trials(&'a Trials),
}

/// Scores of one split.
#[derive(Debug, Clone, Serialize)]
pub struct SplitScores {
    /// Rows fitted on.
    pub n_train: usize,
    /// Rows scored.
    pub n_test: usize,
    /// `[unit]`, held-out rows.
    pub test: Vec<UnitScore>,
    /// `[unit]`, training rows, if asked for.
    pub train: Option<Vec<UnitScore>>,
    /// Penalties chosen for all trials, first half, second half; empty for maps that choose none.
    pub alpha: [Vec<f64>; 3],
}

/// One unit over splits (and bootstraps over trials, averaged first).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UnitSummary {
    /// Noise-corrected predictivity: mean over splits of what is [`Correction::Defined`]. NaN if nowhere.
    pub score: f64,
    /// The same with the meaningless values of [`Correction::BothNegative`] included, as the published code does.
    pub score_published: f64,
    /// Uncorrected: mean correlation of prediction and response.
    pub r_xy: f64,
    /// Mean reliability of the prediction, all trials.
    pub r_xx_sb: f64,
    /// Mean reliability of the response, all trials.
    pub r_yy_sb: f64,
    /// Interval of `score` over conditions, the fitted maps held; `None` if not asked for.
    pub interval: Option<PercentileInterval>,
}

/// All units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Population {
    /// Median over units of [`UnitSummary::score`].
    pub median: f64,
    /// Standard error of the mean over units (divisor n − 1), as published beside the median.
    pub standard_error: f64,
    /// Interval of `median` over conditions and units together; `None` if not asked for.
    pub interval: Option<PercentileInterval>,
    /// Median of [`UnitSummary::score_published`]: what the published code returns.
    pub median_published: f64,
    /// Standard error that goes with it.
    pub standard_error_published: f64,
    /// Median of [`UnitSummary::r_xy`], not corrected.
    pub median_r_xy: f64,
    /// Median of [`UnitSummary::r_yy_sb`].
    pub median_r_yy_sb: f64,
    /// Units with a score.
    pub n_units: usize,
    /// Units without.
    pub n_undefined: usize,
    /// Units whose score is above 1: a ceiling estimated too low.
    pub n_above_one: usize,
    /// Scores (unit, split, bootstrap) with one negative reliability.
    pub n_one_negative: usize,
    /// Scores with both reliabilities negative.
    pub n_both_negative: usize,
}

/// Noise-corrected neural predictivity.
#[derive(Debug, Clone, Serialize)]
pub struct Predictivity {
    /// Name of the map.
    pub map: String,
    /// Factors of the features, if they were reduced.
    pub factors: Option<usize>,
    /// How predictions and responses were compared.
    pub metric: Metric,
    /// Number of rows.
    pub n_rows: usize,
    /// Number of conditions.
    pub n_conditions: usize,
    /// Number of features (or source units).
    pub n_features: usize,
    /// Whether some split has rows of one condition on both sides: the scores are too high.
    pub leaky: bool,
    /// In order of the splits.
    pub splits: Vec<SplitScores>,
    /// `[unit]`.
    pub units: Vec<UnitSummary>,
    /// All units.
    pub population: Population,
}

/// Noise-corrected predictivity of `target` from `source`, for each split and unit.
///
/// For every split one map is fitted to the training rows of all trials and one to each half; the scores on the other rows
/// are [`UnitScore`]s. `conditions` says the condition of each row, for intervals and to see leaks.
///
/// Errors: [`Error::Shape`] if rows differ; [`Error::NotFinite`] for features; [`Error::Split`]; what the map says;
/// [`Error::Invalid`] without splits or when `monitor` stops it.
pub fn predictivity(
    source: Source<'_>,
    target: &Halves,
    conditions: &[usize],
    splits: &[RowSplit],
    options: &Options,
    monitor: &impl Monitor,
) -> Result<Predictivity> {
    let sources = match source {
        Source::Features(x) => vec![x],
        Source::Halves(h) => vec![h.full(), h.first(), h.second()],
    };
    check(&sources, target.rows(), conditions, splits)?;
    let (rank, n_conditions) = ranks(conditions);
    let y = [target.full(), target.first(), target.second()];
    monitor.stage("neural predictivity", splits.len() as u64);
    let results: Vec<(SplitScores, Option<ConditionSums>)> = splits
        .par_iter()
        .map(|split| {
            if monitor.stopped() {
                return Err(stopped());
            }
            let fits = fit(&sources, &y, split, options)?;
            let truth = |rows: &[usize]| y.map(|y| dense::rows_to_mat(y, rows));
            let test_truth = truth(&split.test);
            let test = scores(
                &fits.each_ref().map(|f| &f.test),
                &test_truth.each_ref(),
                options.metric,
            );
            let train = match &fits {
                [
                    Predictions { train: Some(a), .. },
                    Predictions { train: Some(b), .. },
                    Predictions { train: Some(c), .. },
                ] => Some(scores(
                    &[a, b, c],
                    &truth(&split.train).each_ref(),
                    options.metric,
                )),
                _ => None,
            };
            let sums =
                (options.interval.is_some() && options.metric == Metric::Pearson).then(|| {
                    let test_conditions: Vec<usize> =
                        split.test.iter().map(|&row| rank[row]).collect();
                    let [p, p1, p2] = fits.each_ref().map(|f| &f.test);
                    let [t, t1, t2] = test_truth.each_ref();
                    ConditionSums::new(&[(p, t), (p1, p2), (t1, t2)], &test_conditions)
                });
            monitor.advance(1);
            Ok((
                SplitScores {
                    n_train: split.train.len(),
                    n_test: split.test.len(),
                    test,
                    train,
                    alpha: fits.map(|f| f.alpha),
                },
                sums,
            ))
        })
        .collect::<Result<_>>()?;
    let (splits_scored, sums): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let sums: Option<Vec<ConditionSums>> = sums.into_iter().collect();
    let per_split: Vec<&[UnitScore]> = splits_scored.iter().map(|s| s.test.as_slice()).collect();
    let (mut units, mut population) = summarise(&per_split, target.units());
    if let (Some(options), Some(sums)) = (&options.interval, &sums) {
        let found = bootstrap(sums, n_conditions, target.units(), options)?;
        for (unit, interval) in units.iter_mut().zip(found.units) {
            unit.interval = Some(interval);
        }
        population.interval = Some(found.median);
    }
    Ok(Predictivity {
        map: options.map.name(),
        factors: options.factors,
        metric: options.metric,
        n_rows: target.rows(),
        n_conditions,
        n_features: sources[0].cols(),
        leaky: leaky(splits, conditions),
        splits: splits_scored,
        units,
        population,
    })
}

/// Predictivity with the trials halved again and again.
#[derive(Debug, Clone, Serialize)]
pub struct TrialPredictivity {
    /// Name of the map.
    pub map: String,
    /// Seeds of halves that were kept, in order.
    pub seeds: Vec<u32>,
    /// Seeds dropped because a half lacked a unit, as the published code does.
    pub n_dropped: usize,
    /// Number of splits.
    pub n_splits: usize,
    /// Whether some split has rows of one condition on both sides.
    pub leaky: bool,
    /// `[seed, split, unit]`, row-major, held-out rows.
    pub test: Vec<UnitScore>,
    /// The same for training rows; empty if not asked for.
    pub train: Vec<UnitScore>,
    /// `[unit]`. Intervals over conditions are not made here.
    pub units: Vec<UnitSummary>,
    /// All units.
    pub population: Population,
}

/// [`predictivity`] of trials, for each of `iterations` halvings with seeds from `start_seed` (published 1000 from 1234).
///
/// The map of all trials does not change between halvings and is fitted once. Errors as [`predictivity`]; and
/// [`Error::Invalid`] if no halving leaves every unit recorded in both halves, or there are none.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one thing that the published function takes too"
)]
pub fn predictivity_of_trials(
    source: TrialSource<'_>,
    target: &Trials,
    conditions: &[usize],
    splits: &[RowSplit],
    options: &Options,
    iterations: u32,
    start_seed: u32,
    monitor: &impl Monitor,
) -> Result<TrialPredictivity> {
    let mut halved = Vec::new();
    let mut n_dropped = 0;
    for seed in (0..iterations).map(|i| start_seed.wrapping_add(i)) {
        let y = target.halves(seed)?;
        let x = match source {
            TrialSource::Features(_) => Some(None),
            TrialSource::Trials(trials) => trials.halves(seed)?.map(Some),
        };
        match (x, y) {
            (Some(x), Some(y)) => halved.push((seed, x, y)),
            _ => n_dropped += 1,
        }
    }
    if halved.is_empty() {
        return Err(Error::invalid(
            "trials",
            format!("none of {iterations} halvings leaves every row of every unit in both halves"),
        ));
    }
    let full_x = match source {
        TrialSource::Features(x) => x.clone(),
        TrialSource::Trials(trials) => trials.mean(),
    };
    let full_y = target.mean();
    check(&[&full_x], full_y.rows(), conditions, splits)?;
    monitor.stage("neural predictivity", splits.len() as u64);
    type Scored = (Vec<Vec<UnitScore>>, Vec<Vec<UnitScore>>);
    let by_split: Vec<Scored> = splits
        .par_iter()
        .map(|split| {
            let rows = |a: &Array2, rows: &[usize]| dense::rows_to_mat(a, rows);
            let prepare = |x: &Array2| {
                PreparedMap::new(
                    &options.map,
                    options.factors,
                    rows(x, &split.train),
                    rows(x, &split.test),
                    options.train_scores,
                )
            };
            let prepared = prepare(&full_x)?;
            let full = prepared.predict(&rows(&full_y, &split.train))?;
            let full_test = rows(&full_y, &split.test);
            let full_train = rows(&full_y, &split.train);
            let each: Vec<(Vec<UnitScore>, Vec<UnitScore>)> = halved
                .par_iter()
                .map(|(_, x, y)| {
                    if monitor.stopped() {
                        return Err(stopped());
                    }
                    let fit = |x: Option<&Array2>, y: &Array2| match x {
                        None => prepared.predict(&rows(y, &split.train)),
                        Some(x) => prepare(x)?.predict(&rows(y, &split.train)),
                    };
                    let first = fit(x.as_ref().map(Halves::first), y.first())?;
                    let second = fit(x.as_ref().map(Halves::second), y.second())?;
                    let half = |which: &[usize]| (rows(y.first(), which), rows(y.second(), which));
                    let (a, b) = half(&split.test);
                    let test = scores(
                        &[&full.test, &first.test, &second.test],
                        &[&full_test, &a, &b],
                        options.metric,
                    );
                    let train = match (&full.train, &first.train, &second.train) {
                        (Some(f), Some(one), Some(two)) => {
                            let (a, b) = half(&split.train);
                            scores(&[f, one, two], &[&full_train, &a, &b], options.metric)
                        }
                        _ => Vec::new(),
                    };
                    Ok((test, train))
                })
                .collect::<Result<_>>()?;
            monitor.advance(1);
            Ok(each.into_iter().unzip())
        })
        .collect::<Result<_>>()?;
    let order = |part: fn(&Scored) -> &Vec<Vec<UnitScore>>| -> Vec<UnitScore> {
        (0..halved.len())
            .flat_map(|b| {
                by_split
                    .iter()
                    .flat_map(move |s| part(s)[b].iter().copied())
            })
            .collect()
    };
    let (test, train) = (order(|s| &s.0), order(|s| &s.1));
    let (units, population) = summarise_trials(&test, splits.len(), target.units());
    Ok(TrialPredictivity {
        map: options.map.name(),
        seeds: halved.iter().map(|(seed, _, _)| *seed).collect(),
        n_dropped,
        n_splits: splits.len(),
        leaky: leaky(splits, conditions),
        test,
        train,
        units,
        population,
    })
}

fn stopped() -> Error {
    Error::invalid("neural predictivity", "stopped before it was done")
}

fn check(
    sources: &[&Array2],
    rows: usize,
    conditions: &[usize],
    splits: &[RowSplit],
) -> Result<()> {
    for (what, found) in [
        ("features", sources[0].rows()),
        ("conditions", conditions.len()),
    ] {
        if found != rows {
            return Err(Error::shape(
                what,
                format!("{rows} rows, as the responses"),
                format!("{found} rows"),
            ));
        }
    }
    for x in sources {
        dense::check_finite("features", x)?;
    }
    if splits.is_empty() {
        return Err(Error::invalid("splits", "there are none"));
    }
    for (index, split) in splits.iter().enumerate() {
        split.check(index, rows)?;
    }
    Ok(())
}

/// Maps of all trials, first half, second half. One source is prepared once for all three.
fn fit(
    sources: &[&Array2],
    y: &[&Array2; 3],
    split: &RowSplit,
    options: &Options,
) -> Result<[Predictions; 3]> {
    let prepare = |x: &Array2| {
        PreparedMap::new(
            &options.map,
            options.factors,
            dense::rows_to_mat(x, &split.train),
            dense::rows_to_mat(x, &split.test),
            options.train_scores,
        )
    };
    let shared = match sources {
        [x] => Some(prepare(x)?),
        _ => None,
    };
    let one = |i: usize| -> Result<Predictions> {
        let y = dense::rows_to_mat(y[i], &split.train);
        match &shared {
            Some(prepared) => prepared.predict(&y),
            None => prepare(sources[i])?.predict(&y),
        }
    };
    let (full, (first, second)) = rayon::join(|| one(0), || rayon::join(|| one(1), || one(2)));
    Ok([full?, first?, second?])
}

fn scores(predicted: &[&Mat<f64>; 3], truth: &[&Mat<f64>; 3], metric: Metric) -> Vec<UnitScore> {
    (0..truth[0].ncols())
        .map(|t| {
            let r = |a: &Mat<f64>, b: &Mat<f64>| metric.of(a.col_as_slice(t), b.col_as_slice(t));
            UnitScore::new(
                r(predicted[0], truth[0]),
                r(predicted[1], predicted[2]),
                r(truth[1], truth[2]),
            )
        })
        .collect()
}

fn summarise(splits: &[&[UnitScore]], units: usize) -> (Vec<UnitSummary>, Population) {
    let flat: Vec<UnitScore> = splits.iter().flat_map(|s| s.iter().copied()).collect();
    summarise_trials(&flat, splits.len(), units)
}

/// Of `[bootstrap, split, unit]`: mean over bootstraps, then over splits, then the median over units, as published.
fn summarise_trials(
    scores: &[UnitScore],
    splits: usize,
    units: usize,
) -> (Vec<UnitSummary>, Population) {
    let bootstraps = scores.len().checked_div(splits * units).unwrap_or(0);
    let over = |unit: usize, value: &dyn Fn(&UnitScore) -> f64| {
        mean_defined((0..splits).map(|s| {
            mean_defined((0..bootstraps).map(|b| value(&scores[(b * splits + s) * units + unit])))
        }))
    };
    let summaries: Vec<UnitSummary> = (0..units)
        .map(|u| UnitSummary {
            score: over(u, &UnitScore::value),
            score_published: over(u, &|s| s.r_xy_n_sb),
            r_xy: over(u, &|s| s.r_xy),
            r_xx_sb: over(u, &|s| s.r_xx_sb),
            r_yy_sb: over(u, &|s| s.r_yy_sb),
            interval: None,
        })
        .collect();
    let column = |value: fn(&UnitSummary) -> f64| summaries.iter().map(value).collect::<Vec<f64>>();
    let (score, published) = (column(|u| u.score), column(|u| u.score_published));
    let count = |which| scores.iter().filter(|s| s.correction == which).count();
    let n_units = score.iter().filter(|v| !v.is_nan()).count();
    let population = Population {
        median: median_defined(&score),
        standard_error: standard_error(&score),
        interval: None,
        median_published: median_defined(&published),
        standard_error_published: standard_error(&published),
        median_r_xy: median_defined(&column(|u| u.r_xy)),
        median_r_yy_sb: median_defined(&column(|u| u.r_yy_sb)),
        n_units,
        n_undefined: units - n_units,
        n_above_one: score.iter().filter(|v| **v > 1.0).count(),
        n_one_negative: count(Correction::OneNegative),
        n_both_negative: count(Correction::BothNegative),
    };
    (summaries, population)
}

fn leaky(splits: &[RowSplit], conditions: &[usize]) -> bool {
    splits.iter().any(|split| {
        let mut trained: Vec<usize> = split.train.iter().map(|&row| conditions[row]).collect();
        trained.sort_unstable();
        split
            .test
            .iter()
            .any(|&row| trained.binary_search(&conditions[row]).is_ok())
    })
}
