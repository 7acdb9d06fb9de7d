//! The headline: does a forecast of the hidden ball do more than what needs no simulation?

mod aims;

use std::borrow::Cow;

use self::aims::Aim;
use super::{CURVES, MIN_AT_A_TIME};
use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{Finding, RowKind, Score, Standing, interval};
use crate::cells;
use crate::error::Result;
use crate::published::{find, published_values};
use crate::report::number::{fixed, p_value};
use crate::report::plot::{Curve, curves};
use crate::scene::{BOUNCES, Row, Scene, Stage};
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::Epoch;
use mental_pong_eval::nulls::{self, HorizonPoint, Skill, Target};
use mental_pong_eval::stats::bootstrap::Bootstrap;
use mental_pong_eval::stats::multiple::Correction;
use mental_pong_eval::stats::permutation::Permutation;

/// Level of the tests after Holm's correction.
const ALPHA: f64 = 0.05;

/// Does a forecast do more than what needs no simulation?
pub(crate) struct Simulation;

/// A null with its paths `[condition][row, (x, y)]` by both read-outs.
struct Null {
    name: &'static str,
    /// By a map fitted on all bins, as published.
    all: Vec<Array2>,
    /// By a map fitted on visible bins alone.
    visible: Vec<Array2>,
}

/// One comparison of the table.
struct Tested {
    null: &'static str,
    target: Target,
    bounce: &'static str,
    skill: Skill,
    /// After Holm's correction.
    p: f64,
    readout: &'static str,
}

impl Tested {
    fn standing(&self) -> Standing {
        let skill = self.skill.skill.estimate;
        if self.p < ALPHA && skill > 0.0 {
            Standing::Above
        } else if self.p < ALPHA && (skill < 0.0 || skill.is_nan()) {
            Standing::Below
        } else {
            Standing::NotDistinguishable
        }
    }
}

impl Analysis for Simulation {
    fn id(&self) -> &'static str {
        "simulation"
    }
    fn chapter(&self) -> &'static str {
        "concepts/evaluation"
    }

    fn title(&self) -> &'static str {
        "Does it take a simulation?"
    }

    fn question(&self) -> &'static str {
        "While the ball is hidden, is the forecast nearer to it than what needs no simulation: the model's own latents going on as they moved, its own read-out continued in a straight line, or the memory of the last place?"
    }

    fn does_not_show(&self) -> &'static str {
        "Being above these nulls on these conditions does not say how the forecast is made, nor that people or monkeys do it in this way. Being below one says that the same latents, used without learning, would have done better."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Model, Need::Occlusion]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let hidden = |stage: &Stage| {
            let mut all = stage.layout.conditions().iter();
            all.any(|c| c.hidden.contains(&true))
        };
        if !hidden(scene) {
            out.skip("not applicable: the ball of no condition is hidden");
            return Ok(());
        }
        let mut tables = Tables::new();
        let mut lines = Vec::new();
        let mut answers = Vec::new();
        for stage in scene.stages() {
            for model in stage.of_kind(RowKind::Model) {
                scene.stop_if_asked()?;
                let nulls = nulls_of(stage, model)?;
                let found = hold(scene, stage, model, &nulls, &mut tables, out)?;
                let drawn = scene.headline().is_some_and(|h| h.name == model.name);
                let curves = horizon(scene, stage, model, &nulls, &mut tables, out)?;
                let innovation = innovation(scene, stage, model, &nulls, &mut tables, out)?;
                let aims = aims::of(&found, &curves, innovation);
                aims::tabulate(stage, model, &aims, &mut tables.aims);
                if drawn {
                    answers.push((stage, found, aims));
                    lines.push((stage, curves));
                }
            }
        }
        let Some(headline) = scene.headline() else {
            out.skip("no model");
            return Ok(());
        };
        answer(scene, headline, &answers, out)?;
        pictures(&lines, headline, out);
        out.tables.extend(tables.finish());
        methods(scene, out);
        Ok(())
    }
}

struct Tables {
    skill: Table,
    readouts: Table,
    horizon: Table,
    innovation: Table,
    aims: Table,
}

impl Tables {
    fn new() -> Self {
        Self {
            skill: Table::new(
                "skill",
                &[
                    "set",
                    "model",
                    "null",
                    "target",
                    "bounce",
                    "n_conditions",
                    "skill",
                    "low",
                    "high",
                    "p",
                ],
            ),
            readouts: Table::new(
                "skill_readouts",
                &[
                    "set",
                    "model",
                    "null",
                    "readout_of_null",
                    "target",
                    "bounce",
                    "n_conditions",
                    "mean_error_model_deg",
                    "mean_error_null_deg",
                    "skill",
                ],
            ),
            horizon: Table::new(
                "horizon",
                &[
                    "set",
                    "model",
                    "row",
                    "target",
                    "from_bin",
                    "to_bin",
                    "from_ms",
                    "to_ms",
                    "n_conditions",
                    "n_bins",
                    "mae_deg",
                    "low",
                    "high",
                ],
            ),
            innovation: Table::new(
                "innovation",
                &[
                    "set",
                    "model",
                    "target",
                    "bounce",
                    "n_conditions",
                    "r",
                    "low",
                    "high",
                ],
            ),
            aims: Table::new("aims", &["set", "model", "aim", "found", "reached"]),
        }
    }

    fn finish(self) -> [Table; 5] {
        [
            self.skill,
            self.horizon,
            self.innovation,
            self.readouts,
            self.aims,
        ]
    }
}

fn methods(scene: &Scene, out: &mut Out) {
    let config = scene.config;
    out.method.push(format!(
        "Each row is read out by one linear map for all times (least squares with intercept), {} splits by condition (train {}, seed {}); a condition's path is the mean over the splits in which it was held out. The models are read out as published, by a map fitted on all bins of the training conditions.",
        config.splits, config.train, config.split_seed
    ));
    out.method.push(format!(
        "Nulls, in each model's own latents: inertia (the visible latents go on with the running mean of their changes, nothing learned); straight-line (the model's own read-out of the visible ball, continued along the least-squares line through the last {} ms in which it is visible); straight-line-walls (the same, mirrored at the heights where the ball turns); last-seen (the ball's true state, held). Each null is read out both by a map fitted on all bins and by one fitted on visible bins; the model is held against the one with the smaller error (tables/skill_readouts.csv has both).",
        nulls::LINE_MS
    ));
    out.method.push(format!(
        "Skill is 1 − summed |error| / summed |error| of the null over hidden bins (x, y) or at the end (end). Intervals: BCa bootstrap over conditions, {} resamples. p: sign flips of the paired errors by condition, two-sided, after Holm over all comparisons of a model on a set. Innovation is the correlation over hidden bins of (model − inertia) with (truth − inertia), both by the map fitted on all bins.",
        config.resamples
    ));
    out.warnings.push("r cannot tell a simulation from its absence: a ball that goes straight on correlates with one that bounces. It stands in the section on decoding, beside the published figures.".into());
}

/// Paths of a row's held-out read-out as published, x and y alone.
fn online_paths(stage: &Stage, row: &Row) -> Result<Vec<Array2>> {
    let result = stage.online(row)?;
    Ok(result
        .held_out
        .iter()
        .map(|p| Array2::from_fn(p.rows(), 2, |i, t| p.get(i, t)))
        .collect())
}

fn nulls_of(stage: &Stage, model: &Row) -> Result<Vec<Null>> {
    let mut found = Vec::new();
    let of_row = |name, row: &Row| -> Result<Null> {
        Ok(Null {
            name,
            all: online_paths(stage, row)?,
            visible: stage.by_visible(row)?.mean.clone(),
        })
    };
    if let Some(row) = model.inertia.and_then(|at| stage.rows.get(at)) {
        found.push(of_row("inertia", row)?);
    }
    for (name, walls) in [("straight-line", false), ("straight-line-walls", true)] {
        if walls && stage.walls.is_none() {
            continue;
        }
        found.push(Null {
            name,
            all: stage.line(model, false, walls)?.mean,
            visible: stage.line(model, true, walls)?.mean,
        });
    }
    if let Some(row) = stage.row("last-seen") {
        found.push(of_row("last-seen", row)?);
    }
    Ok(found)
}

fn bootstrap(scene: &Scene) -> Bootstrap {
    Bootstrap {
        resamples: scene.config.resamples,
        seed: scene.config.seed,
        ..Bootstrap::default()
    }
}

/// Every comparison of a model on a set.
fn hold(
    scene: &Scene,
    stage: &Stage,
    model: &Row,
    nulls: &[Null],
    tables: &mut Tables,
    out: &mut Out,
) -> Result<Vec<Tested>> {
    let paths = online_paths(stage, model)?;
    let permutation = Permutation {
        permutations: 9_999,
        seed: scene.config.seed,
        ..Permutation::default()
    };
    let mut all = Vec::new();
    for null in nulls {
        for target in Target::ALL {
            let mine = nulls::errors(&stage.layout, &paths, &stage.ends, target);
            let theirs = [("all", &null.all), ("visible", &null.visible)].map(|(name, paths)| {
                (
                    name,
                    nulls::errors(&stage.layout, paths, &stage.ends, target),
                )
            });
            for bounce in BOUNCES {
                let class = stage.class(bounce);
                let of = |v: &[f64]| -> Vec<f64> { class.iter().map(|&c| v[c]).collect() };
                let mine = of(&mine);
                let mut best: Option<(&'static str, Vec<f64>, f64)> = None;
                for (readout, errors) in &theirs {
                    let errors = of(errors);
                    let total = sum(&errors);
                    tables.readouts.push(cells![
                        stage.name.as_str(),
                        model.name.as_str(),
                        null.name,
                        *readout,
                        target.name(),
                        bounce,
                        class.len(),
                        sum(&mine) / count(stage, &class, target),
                        total / count(stage, &class, target),
                        1.0 - sum(&mine) / total,
                    ]);
                    if best.as_ref().is_none_or(|b| total < b.2) {
                        best = Some((readout, errors, total));
                    }
                }
                let Some((readout, errors, _)) = best.filter(|_| !class.is_empty()) else {
                    continue;
                };
                all.push(Tested {
                    null: null.name,
                    target,
                    bounce,
                    skill: nulls::skill(&mine, &errors, &bootstrap(scene), &permutation)?,
                    p: f64::NAN,
                    readout,
                });
            }
        }
    }
    corrected(&mut all)?;
    for t in &all {
        let s = &t.skill.skill;
        tables.skill.push(cells![
            stage.name.as_str(),
            model.name.as_str(),
            t.null,
            t.target.name(),
            t.bounce,
            t.skill.n,
            s.estimate,
            s.low,
            s.high,
            t.p,
        ]);
        out.findings.push(Finding {
            set: stage.name.clone(),
            row: model.name.clone(),
            null: t.null.into(),
            target: t.target.name().into(),
            bounce: t.bounce.into(),
            standing: t.standing(),
            skill: s.estimate,
            p: t.p,
        });
        if t.bounce == "all" {
            let epoch = if t.target == Target::End {
                ""
            } else {
                "hidden"
            };
            let score = Score::of(&model.name, RowKind::Model, "skill", s.estimate)
                .during(epoch)
                .target(t.target.name())
                .against(t.null)
                .between(s.low, s.high, interval::BCA)
                .conditions(t.skill.n)
                .noting(format!(
                    "{}; p {} after Holm; null read out by its {} bins",
                    t.standing().words(),
                    p_value(t.p),
                    t.readout
                ));
            out.scores.push(beside(stage, score));
        }
    }
    Ok(all)
}

fn sum(errors: &[f64]) -> f64 {
    errors.iter().filter(|e| e.is_finite()).sum()
}

/// Hidden bins of the conditions, or conditions at the end.
fn count(stage: &Stage, class: &[usize], target: Target) -> f64 {
    match target {
        Target::End => class.len() as f64,
        _ => class
            .iter()
            .map(|&c| {
                let hidden = &stage.layout.conditions()[c].hidden;
                hidden.iter().filter(|&&h| h).count()
            })
            .sum::<usize>() as f64,
    }
}

/// p values after Holm's correction over all comparisons that have one.
fn corrected(all: &mut [Tested]) -> Result<()> {
    let places: Vec<usize> = (0..all.len())
        .filter(|&i| all[i].skill.test.is_some())
        .collect();
    let p: Vec<f64> = places
        .iter()
        .filter_map(|&i| all[i].skill.test.as_ref().map(|t| t.p))
        .collect();
    for (&place, p) in places.iter().zip(Correction::Holm.adjust(&p)?) {
        all[place].p = p;
    }
    Ok(())
}

fn beside(stage: &Stage, score: Score) -> Score {
    if stage.main {
        score
    } else {
        score.on(&stage.name)
    }
}

type Horizon = Vec<(Cow<'static, str>, [Vec<HorizonPoint>; 2])>;

/// Error over the horizon, of the model and its nulls.
fn horizon(
    scene: &Scene,
    stage: &Stage,
    model: &Row,
    nulls: &[Null],
    tables: &mut Tables,
    out: &mut Out,
) -> Result<Horizon> {
    let mut rows: Vec<(Cow<str>, Vec<Array2>)> =
        vec![(model.name.clone().into(), online_paths(stage, model)?)];
    for null in nulls {
        // The read-out with the smaller error over all hidden bins, x and y together.
        let total = |paths: &[Array2]| -> f64 {
            [Target::X, Target::Y]
                .iter()
                .map(|&t| sum(&nulls::errors(&stage.layout, paths, &stage.ends, t)))
                .sum()
        };
        let better = if total(&null.visible) < total(&null.all) {
            &null.visible
        } else {
            &null.all
        };
        rows.push((null.name.into(), better.clone()));
    }
    let mut found = Vec::new();
    for (name, paths) in rows {
        let mut both = Vec::new();
        for (column, target) in ["x", "y"].into_iter().enumerate() {
            let points = nulls::over_horizon(&stage.layout, &paths, column, &bootstrap(scene))?;
            for p in &points {
                let ms = stage.layout.bin_ms();
                let to = p.bins.1.map_or(f64::NAN, |to| to as f64);
                tables.horizon.push(cells![
                    stage.name.as_str(),
                    model.name.as_str(),
                    &*name,
                    target,
                    p.bins.0,
                    to,
                    p.bins.0 as f64 * ms,
                    to * ms,
                    p.n_conditions,
                    p.n_bins,
                    p.mae.estimate,
                    p.mae.low,
                    p.mae.high,
                ]);
                if name == model.name {
                    let bins = match p.bins.1 {
                        Some(to) => format!("bins {} to {to} after occlusion", p.bins.0),
                        None => format!("bins {} and later after occlusion", p.bins.0),
                    };
                    let score = Score::of(&name, RowKind::Model, "mae_horizon", p.mae.estimate)
                        .during("hidden")
                        .target(target)
                        .unit("deg")
                        .between(p.mae.low, p.mae.high, interval::BCA)
                        .conditions(p.n_conditions)
                        .bins(p.n_bins)
                        .noting(bins);
                    out.scores.push(beside(stage, score));
                }
            }
            both.push(points);
        }
        let y = both.pop().unwrap_or_default();
        let x = both.pop().unwrap_or_default();
        found.push((name, [x, y]));
    }
    Ok(found)
}

/// Where the model leaves inertia, does it follow the ball? The correlation in y over all conditions.
fn innovation(
    scene: &Scene,
    stage: &Stage,
    model: &Row,
    nulls: &[Null],
    tables: &mut Tables,
    out: &mut Out,
) -> Result<f64> {
    let Some(inertia) = nulls.iter().find(|n| n.name == "inertia") else {
        return Ok(f64::NAN);
    };
    let mut overall = f64::NAN;
    let paths = online_paths(stage, model)?;
    for (column, target) in ["x", "y"].into_iter().enumerate() {
        for bounce in BOUNCES {
            let class = stage.class(bounce);
            if class.is_empty() {
                continue;
            }
            let found = nulls::innovation(
                &stage.layout,
                &paths,
                &inertia.all,
                &class,
                column,
                &bootstrap(scene),
            )?;
            tables.innovation.push(cells![
                stage.name.as_str(),
                model.name.as_str(),
                target,
                bounce,
                found.n,
                found.estimate,
                found.low,
                found.high,
            ]);
            if bounce == "all" {
                // y comes last.
                overall = found.estimate;
                let score = Score::of(&model.name, RowKind::Model, "innovation_r", found.estimate)
                    .during("hidden")
                    .target(target)
                    .against("inertia")
                    .between(found.low, found.high, interval::BCA)
                    .conditions(found.n);
                out.scores.push(beside(stage, score));
            }
        }
    }
    Ok(overall)
}

/// The answer, made from the tests.
fn answer(
    scene: &Scene,
    headline: &Row,
    answers: &[(&Stage, Vec<Tested>, Vec<Aim>)],
    out: &mut Out,
) -> Result<()> {
    for (stage, found, _) in answers {
        let over_all: Vec<&Tested> = found.iter().filter(|t| t.bounce == "all").collect();
        let all_above = over_all.iter().all(|t| t.standing() == Standing::Above);
        let verdict = if all_above {
            "does better than everything that needs no simulation"
        } else {
            "does not do better than everything that needs no simulation"
        };
        let mut parts = Vec::new();
        let mut names: Vec<&str> = over_all.iter().map(|t| t.null).collect();
        names.dedup();
        for null in names {
            parts.push(against(null, &over_all));
        }
        out.answer.push(format!(
            "On {} ({} conditions) the forecast of {} {verdict}: {}.",
            stage.name,
            stage.n_conditions(),
            headline.name,
            parts.join("; ")
        ));
    }
    if let Some((stage, found, aims)) = answers.last() {
        let of = |target: Target| {
            let t = found
                .iter()
                .find(|t| t.null == "inertia" && t.bounce == "all" && t.target == target)?;
            let s = &t.skill.skill;
            Some(format!(
                "{} {} ({} to {})",
                target.name(),
                fixed(s.estimate, 2),
                fixed(s.low, 2),
                fixed(s.high, 2)
            ))
        };
        let parts: Vec<String> = Target::ALL.into_iter().filter_map(of).collect();
        if !parts.is_empty() {
            out.answer.push(format!(
                "Skill over inertia in the same latents on {}, 1 − error / error of inertia, with 95 % intervals over conditions: {}.",
                stage.name,
                parts.join(", ")
            ));
        }
        out.answer.extend(aims::sentence(stage, aims));
    }
    correlation(scene, headline, out)
}

/// How a model stands against one null: its targets grouped by what the test says.
fn against(null: &str, tested: &[&Tested]) -> String {
    let mut parts = Vec::new();
    for standing in [
        Standing::Above,
        Standing::NotDistinguishable,
        Standing::Below,
    ] {
        let targets: Vec<&str> = tested
            .iter()
            .filter(|t| t.null == null && t.standing() == standing)
            .map(|t| match t.target {
                Target::X => "in x",
                Target::Y => "in y",
                Target::End => "at the end",
            })
            .collect();
        if let [before @ .., last] = &targets[..] {
            let before = match before {
                [] => String::new(),
                some => format!("{} and ", some.join(", ")),
            };
            parts.push(format!("{} {null} {before}{last}", standing.words()));
        }
    }
    parts.join(", ")
}

/// r beside DMFC and beside inertia, with what it cannot show.
fn correlation(scene: &Scene, headline: &Row, out: &mut Out) -> Result<()> {
    let r = |row: &Row| -> Result<[f64; 2]> {
        let result = scene.online(row)?;
        Ok([0, 1].map(|t| result.get(Epoch::Hidden, t).map_or(f64::NAN, |e| e.r.mean)))
    };
    let mine = r(headline)?;
    let beside = if scene.set.is_published() {
        let published = published_values()?;
        let dmfc = ["x", "y"]
            .map(|t| find(&published, &format!("dmfc-r-{t}-hidden")).map_or(f64::NAN, |v| v.value));
        format!(
            "published for monkey DMFC: {} and {}",
            fixed(dmfc[0], 3),
            fixed(dmfc[1], 3)
        )
    } else {
        "the published figures are of other conditions".into()
    };
    let mut text = format!(
        "Correlation of the decoded with the true hidden ball on {}: {} for x, {} for y; {beside}.",
        scene.name,
        fixed(mine[0], 3),
        fixed(mine[1], 3),
    );
    if let Some(inertia) = headline.inertia.and_then(|at| scene.rows.get(at)) {
        let null = r(inertia)?;
        text.push_str(&format!(
            " It cannot tell a simulation from its absence: inertia in the same latents, with nothing learned, has {} and {}.",
            fixed(null[0], 3),
            fixed(null[1], 3)
        ));
    }
    out.answer.push(text);
    Ok(())
}

/// The first figure: error over the horizon, models in colour, nulls in grey.
fn pictures(lines: &[(&Stage, Horizon)], headline: &Row, out: &mut Out) {
    for (stage, rows) in lines {
        for (t, target) in [(1, "y"), (0, "x")] {
            let drawn: Vec<Curve> =
                rows.iter()
                    .take(CURVES)
                    .map(|(name, both)| Curve {
                        name: name.to_string(),
                        null: *name != headline.name,
                        points: both[t]
                            .iter()
                            .filter(|p| p.n_conditions >= MIN_AT_A_TIME.min(stage.n_conditions()))
                            .map(|p| {
                                let bins = p.bins.1.map_or(p.bins.0 as f64 + 2.5, |to| {
                                    (p.bins.0 + to) as f64 / 2.0
                                });
                                let band = if *name == headline.name {
                                    (p.mae.low, p.mae.high)
                                } else {
                                    (f64::NAN, f64::NAN)
                                };
                                (bins * stage.layout.bin_ms(), p.mae.estimate, band.0, band.1)
                            })
                            .collect(),
                    })
                    .collect();
            out.figure(
                &format!("horizon_{}_{target}", stage.name.replace(' ', "_")),
                "horizon",
                &format!("Error in {target} since the ball vanished, on {}", stage.name),
                format!(
                    "Mean |error| of {} (colour; band: 95 % interval over conditions) and of its nulls (grey) in four stretches after the onset of occlusion, drawn at their middle. Below a grey line: nearer to the ball than that null.",
                    headline.name
                ),
                curves(
                    &format!("Error in {target} over time since occlusion, {} and its nulls", headline.name),
                    "time since the ball vanished (ms)",
                    &format!("mean |error| in {target} (degrees)"),
                    &drawn,
                ),
            );
        }
    }
}
