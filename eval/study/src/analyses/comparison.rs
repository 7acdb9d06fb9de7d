//! Which differences hold: paired intervals and corrected tests.

use mental_pong_base::Stream;

use super::CURVES;
use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score, interval};
use crate::cells;
use crate::error::Result;
use crate::report::plot::{Curve, Dot, curves, dots};
use crate::scene::{Row, Scene};
use mental_pong_eval::array::Array2;
use mental_pong_eval::behavior::final_heights;
use mental_pong_eval::compare::{
    ComparisonSettings, Contributions, Layer, Measure, ModelScores, PairComparison, TimeBin,
    compare_models, decode_in_bins, layer_time_table,
};
use mental_pong_eval::decode::{Epoch, Layout, OnlineDecoder};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::stats::bootstrap::Bootstrap;
use mental_pong_eval::stats::permutation::Permutation;
use mental_pong_eval::stats::{mean_absolute_error, pearson, sd};

/// Which differences hold?
pub(crate) struct Comparison;

/// Rows beside the models.
const BESIDE: [&str; 3] = ["no-dynamics", "last-seen", "inertia"];
/// Width of a time bin of the table, ms.
const WIDTH_MS: f64 = 200.0;
/// Where the table begins and ends, ms from occlusion.
const SPAN_MS: (f64, f64) = (600.0, 1000.0);
/// Resamples in which read-outs are fitted again.
const REFITS: usize = 200;
/// Splits of a resample that is fitted again.
const REFIT_SPLITS: usize = 20;
/// More features than this are not fitted again: it would take hours.
const REFIT_UNITS: usize = 300;

/// What is compared: metric of the rows, of the differences, target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct What {
    value: &'static str,
    difference: &'static str,
    target: &'static str,
    measure: Measure,
}

const WHATS: [What; 5] = [
    what("r_mean_prediction", "difference_r", "x", Measure::Pearson),
    what("r_mean_prediction", "difference_r", "y", Measure::Pearson),
    what(
        "mae_mean_prediction",
        "difference_mae",
        "x",
        Measure::MeanAbsoluteError,
    ),
    what(
        "mae_mean_prediction",
        "difference_mae",
        "y",
        Measure::MeanAbsoluteError,
    ),
    what(
        "mae_mean_prediction",
        "difference_mae",
        "end",
        Measure::MeanAbsoluteError,
    ),
];

const fn what(
    value: &'static str,
    difference: &'static str,
    target: &'static str,
    measure: Measure,
) -> What {
    What {
        value,
        difference,
        target,
        measure,
    }
}

impl What {
    fn unit(self) -> &'static str {
        if self.measure == Measure::Pearson {
            "1"
        } else {
            "deg"
        }
    }

    fn epoch(self) -> &'static str {
        if self.target == "end" { "" } else { "hidden" }
    }
}

impl Analysis for Comparison {
    fn id(&self) -> &'static str {
        "comparison"
    }
    fn chapter(&self) -> &'static str {
        "concepts/statistics"
    }

    fn title(&self) -> &'static str {
        "Which differences hold?"
    }

    fn question(&self) -> &'static str {
        "Would the differences between rows hold for other conditions?"
    }

    fn does_not_show(&self) -> &'static str {
        "Intervals and tests are over conditions of this kind: other speeds, other walls and other animals are another question. Seeds of training are not varied."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Rows]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let chosen: Vec<&Row> = scene
            .rows
            .iter()
            .filter(|s| {
                s.kind == RowKind::Model
                    || s.name == scene.brain
                    || BESIDE.contains(&s.name.as_str())
            })
            .collect();
        if chosen.len() < 2 {
            out.skip("nothing to compare: one row alone");
            return Ok(());
        }
        let settings = settings(scene);
        let refits = refits(scene, &chosen)?;
        let mut table = Table::new(
            "comparison",
            &[
                "first",
                "second",
                "metric",
                "target",
                "difference",
                "low",
                "high",
                "p",
                "p_holm",
                "p_floor",
                "refitting_widens_by",
                "better",
            ],
        );
        let mut pictures = Vec::new();
        for (k, what) in WHATS.into_iter().enumerate() {
            scene.stop_if_asked()?;
            compare(
                scene,
                &chosen,
                (k, what),
                &settings,
                &refits,
                (&mut table, &mut pictures),
                out,
            )?;
        }
        out.tables.push(table);
        out.figure(
            "comparison",
            "comparison",
            "Differences in the error of the hidden height",
            "Mean |error| in y of the first row less that of the second, over hidden bins; bars: 95 % bootstrap over conditions with the noise of fitting the read-outs again. Left of 0: the first is nearer to the ball. Other measures and p stand in the table.",
            dots("Differences in mean error of y between rows", "difference in mean |error| of y (degrees)", &pictures, &[]),
        );
        over_time(scene, &chosen, &settings.bootstrap, out)?;
        out.warnings.push("Predictions are averaged over the splits in which a condition was held out. A row that knows nothing has a negative correlation then, since the mean of the other conditions leans away from the one left out: compare rows with each other, not with 0.".into());
        methods(scene, &refits, &chosen, out);
        Ok(())
    }
}

fn methods(scene: &Scene, refits: &[Option<Vec<[f64; 5]>>], chosen: &[&Row], out: &mut Out) {
    out.method.push(format!(
        "Statistics: correlation and mean |error| over hidden bins in x and y, and |error| at the end; predictions averaged over the splits in which a condition was held out. Conditions are resampled with replacement, the same for both rows of a pair ({} resamples, BCa); p by swapping the rows' conditions, Holm over the pairs of a statistic. A difference's interval is widened by the ratio of its standard deviation with the read-outs fitted again in each of {} resamples ({} splits) to that without.",
        scene.config.resamples,
        REFITS.min(scene.config.resamples),
        REFIT_SPLITS.min(scene.splits.len())
    ));
    let left_out: Vec<&str> = chosen
        .iter()
        .zip(refits)
        .filter(|(_, r)| r.is_none())
        .map(|(row, _)| row.name.as_str())
        .collect();
    if !left_out.is_empty() {
        out.warnings.push(format!(
            "Intervals that involve {} are without the noise of fitting: more than {REFIT_UNITS} features are not fitted again. They are too narrow.",
            left_out.join(", ")
        ));
    }
}

fn settings(scene: &Scene) -> ComparisonSettings {
    ComparisonSettings {
        bootstrap: Bootstrap {
            resamples: scene.config.resamples,
            seed: scene.config.seed,
            ..Bootstrap::default()
        },
        permutation: Permutation {
            permutations: scene.config.resamples as u64,
            seed: scene.config.seed,
            ..Permutation::default()
        },
        ..ComparisonSettings::default()
    }
}

/// `[row][resample][statistic]` with the read-outs fitted again; `None` for rows with too many features.
fn refits(scene: &Scene, chosen: &[&Row]) -> Result<Vec<Option<Vec<[f64; 5]>>>> {
    let n = scene.n_conditions();
    let drawn: Vec<Vec<usize>> = (0..REFITS.min(scene.config.resamples) as u64)
        .map(|b| {
            let mut stream = Stream::new(scene.config.seed, "bootstrap", b);
            (0..n).map(|_| stream.below(n)).collect()
        })
        .collect();
    let splits = &scene.splits[..REFIT_SPLITS.min(scene.splits.len())];
    chosen
        .iter()
        .map(|row| {
            scene.stop_if_asked()?;
            let features = scene.features(row)?;
            if features.first().map_or(0, Array2::cols) > REFIT_UNITS {
                return Ok(None);
            }
            let decoder = OnlineDecoder::new(&scene.layout, features)?;
            let (layout, ends) = (&scene.layout, &scene.ends);
            let found = decoder.refitted(splits, &drawn, Readout::Full, |mean, drawn| {
                statistics(layout, ends, mean, drawn)
            })?;
            Ok(Some(found))
        })
        .collect()
}

/// r of x and y, mean |error| of x, y and the end, over the conditions drawn.
fn statistics(layout: &Layout, ends: &[f64], paths: &[Array2], drawn: &[usize]) -> [f64; 5] {
    let mut pairs: [(Vec<f64>, Vec<f64>); 3] = Default::default();
    for &c in drawn {
        let rows = &layout.conditions()[c];
        for row in (0..rows.bins.len()).filter(|&row| rows.hidden[row]) {
            for (t, pair) in pairs.iter_mut().take(2).enumerate() {
                let (p, y) = (paths[c].get(row, t), rows.targets.get(row, t));
                if p.is_finite() && y.is_finite() {
                    pair.0.push(p);
                    pair.1.push(y);
                }
            }
        }
        let last = (0..paths[c].rows())
            .rev()
            .map(|row| paths[c].get(row, 1))
            .find(|v| v.is_finite());
        if let Some(last) = last {
            pairs[2].0.push(last);
            pairs[2].1.push(ends[c]);
        }
    }
    let [x, y, end] = &pairs;
    [
        pearson(&x.0, &x.1),
        pearson(&y.0, &y.1),
        mean_absolute_error(&x.0, &x.1),
        mean_absolute_error(&y.0, &y.1),
        mean_absolute_error(&end.0, &end.1),
    ]
}

/// What each condition adds to a statistic of a row.
fn contributions(scene: &Scene, row: &Row, what: What) -> Result<Contributions> {
    let result = scene.online(row)?;
    if what.target == "end" {
        let heights = final_heights(&scene.layout, &result.held_out, 1);
        let errors = heights
            .iter()
            .zip(&scene.ends)
            .map(|(p, y)| (p - y).abs())
            .filter(|v| v.is_finite())
            .collect();
        return Ok(Contributions::scores(errors, Measure::Mean)?);
    }
    let target = usize::from(what.target == "y");
    Ok(Contributions::held_out(
        &scene.layout,
        &result.held_out,
        Epoch::Hidden,
        target,
        what.measure,
    )?)
}

/// How much an interval has to be widened for the noise of fitting.
fn widening(pair: &PairComparison, k: usize, refits: &[Option<Vec<[f64; 5]>>]) -> f64 {
    let (Some(a), Some(b)) = (&refits[pair.first], &refits[pair.second]) else {
        return 1.0;
    };
    let differences: Vec<f64> = a
        .iter()
        .zip(b)
        .map(|(a, b)| a[k] - b[k])
        .filter(|v| v.is_finite())
        .collect();
    let without = (pair.difference.high - pair.difference.low) / (2.0 * 1.96);
    let ratio = sd(&differences) / without;
    if ratio.is_finite() {
        ratio.max(1.0)
    } else {
        1.0
    }
}

fn compare(
    scene: &Scene,
    chosen: &[&Row],
    (k, what): (usize, What),
    settings: &ComparisonSettings,
    refits: &[Option<Vec<[f64; 5]>>],
    (table, pictures): (&mut Table, &mut Vec<Dot>),
    out: &mut Out,
) -> Result<()> {
    let mut models = Vec::new();
    for row in chosen {
        models.push(ModelScores {
            name: row.name.clone(),
            contributions: contributions(scene, row, what)?,
        });
    }
    let found = compare_models(&models, settings)?;
    for (m, row) in found.models.iter().zip(chosen) {
        let i = &m.interval;
        out.scores.push(
            Score::of(&m.name, row.kind, what.value, i.estimate)
                .during(what.epoch())
                .target(what.target)
                .unit(what.unit())
                .conditions(found.n)
                .between(i.low, i.high, interval::BCA),
        );
    }
    for pair in &found.pairs {
        let (a, b) = (chosen[pair.first], chosen[pair.second]);
        let by = widening(pair, k, refits);
        let d = &pair.difference;
        let (low, high) = (
            d.estimate - by * (d.estimate - d.low),
            d.estimate + by * (d.high - d.estimate),
        );
        // Of errors the smaller is the better one, however the rows' means are compared.
        let better = pair.better.map(|_| {
            let first = (d.estimate > 0.0) == (what.measure == Measure::Pearson);
            if first { &a.name } else { &b.name }
        });
        table.push(cells![
            &a.name,
            &b.name,
            what.difference,
            what.target,
            d.estimate,
            low,
            high,
            pair.test.p,
            pair.p_corrected,
            pair.test.p_floor,
            by,
            better.map_or(String::new(), Clone::clone),
        ]);
        out.scores.push(
            Score::of(&a.name, a.kind, what.difference, d.estimate)
                .during(what.epoch())
                .target(what.target)
                .against(&b.name)
                .unit(what.unit())
                .conditions(found.n)
                .between(low, high, interval::BCA_REFIT)
                .noting(format!(
                    "p {:.4} after Holm over {} pairs (smallest possible before: {:.4})",
                    pair.p_corrected,
                    found.pairs.len(),
                    pair.test.p_floor
                )),
        );
        if what.target == "y" && what.measure == Measure::MeanAbsoluteError {
            pictures.push(Dot {
                group: format!("{} less …", a.name),
                name: b.name.clone(),
                value: d.estimate,
                interval: Some((low, high)),
                filled: true,
            });
        }
    }
    for warning in found.warnings {
        if !out.warnings.contains(&warning) {
            out.warnings.push(warning);
        }
    }
    Ok(())
}

/// Rows × time.
fn over_time(scene: &Scene, chosen: &[&Row], bootstrap: &Bootstrap, out: &mut Out) -> Result<()> {
    let mut layers = Vec::new();
    for row in chosen {
        layers.push(Layer {
            name: row.name.clone(),
            features: scene.features(row)?.to_vec(),
        });
    }
    let n = |ms| scene.bins_in(ms) as i64;
    let width = n(WIDTH_MS);
    // Whole time bins on both sides of occlusion.
    let (before, after) = (n(SPAN_MS.0) / width * width, n(SPAN_MS.1) / width * width);
    let bins = TimeBin::every(width as u32, -before, after)?;
    let found = layer_time_table(
        &layers,
        &bins,
        scene.layout.bin_ms(),
        bootstrap,
        decode_in_bins(
            &scene.layout,
            &scene.splits,
            Readout::Full,
            1,
            Measure::Pearson,
            &bins,
        ),
    )?;
    let mut table = Table::new(
        "layers_over_time",
        &[
            "row",
            "from_ms",
            "to_ms",
            "r_y",
            "low",
            "high",
            "n_conditions",
            "n_bins",
            "too_few",
        ],
    );
    for c in &found.cells {
        table.push(cells![
            &c.layer,
            c.from_ms,
            c.to_ms,
            c.estimate,
            c.interval.map_or(f64::NAN, |i| i.low),
            c.interval.map_or(f64::NAN, |i| i.high),
            c.n,
            c.n_rows as usize,
            c.too_few,
        ]);
    }
    out.tables.push(table);
    let lines: Vec<Curve> = found
        .layers
        .iter()
        .zip(chosen)
        .take(CURVES)
        .map(|(name, row)| Curve {
            name: name.clone(),
            null: row.kind == RowKind::Control,
            points: found
                .cells
                .iter()
                .filter(|c| c.layer == *name && !c.too_few)
                .map(|c| ((c.from_ms + c.to_ms) / 2.0, c.estimate, f64::NAN, f64::NAN))
                .collect(),
        })
        .collect();
    out.figure(
        "layers_over_time",
        "layers_over_time",
        "Rows over time",
        "Correlation of decoded and true height in windows of 200 ms from the onset of occlusion (nulls in grey); intervals stand in the table.",
        curves("Correlation of height over time for each row", "time from the onset of occlusion (ms)", "correlation with the true height (Pearson r)", &lines),
    );
    Ok(())
}
