//! Where the ball is, and where it will end: read out of every system in the same way.

use super::observers::last_in_trial;
use super::population::units_of;
use super::scene::{Scene, System, in_layout};
use super::scores::{Score, Section};
use super::{CURVES, MIN_AT_A_TIME, Out, digits};
use crate::card::{Check, RowKind};
use crate::error::Result;
use crate::report::plot::{Curve, Dot, curves, dots};
use mental_pong_eval::controls::{NullRule, null_check};
use mental_pong_eval::decode::{
    BehaviorRelation, ConditionSet, EndpointDecoder, Epoch, OnlineResult, Part, SecondStage,
};
use mental_pong_eval::linear::Readout;
use mental_pong_eval::recordings::dmfc::{Half, TrialType};
use mental_pong_eval::rsa::simulation_index;
use mental_pong_eval::stats::Summary;

const OVER_SPLITS: &str = "± SD over splits, which overlap: a spread, no standard error";
/// Rows that a model has to beat.
const NULLS: [&str; 4] = ["no-dynamics", "last-seen", "constant", "random-weights"];
/// Published read-out of the end point.
const FIFTY: Readout = Readout::Pca { k: 50 };
/// Time from occlusion of the headline.
const HEADLINE_MS: f64 = 250.0;
/// Fewest conditions with a paddle whose errors are related to those of the decoded end.
const FEWEST_PADDLES: usize = 10;
/// Most deals of the shuffle control.
const SHUFFLES: usize = 200;

/// A mean over splits with its spread.
pub(super) fn over_splits(score: Score, s: &Summary) -> Score {
    score.between(s.mean - s.sd, s.mean + s.sd, OVER_SPLITS)
}

/// Online decoding of x and y.
pub(super) fn decode(scene: &Scene, out: &mut Out) -> Result<()> {
    let mut scores = Vec::new();
    let mut rows = Vec::new();
    let mut done: Vec<&OnlineResult> = Vec::new();
    let axis = scene.axis()?;
    let ball = scene.ball();
    for system in &scene.systems {
        scene.stop_if_asked()?;
        let result = scene.online(system)?;
        for epoch in [Epoch::Hidden, Epoch::Visible, Epoch::All] {
            for (t, target) in ["x", "y"].into_iter().enumerate() {
                let Some(e) = result.get(epoch, t) else {
                    continue;
                };
                let n = format!("{} conditions, {} bins", e.n_conditions, e.n_bins);
                let name = epoch.name();
                scores.push(over_splits(
                    Score::new(
                        &system.name,
                        system.kind,
                        &format!("r of {target}, {name}"),
                        "",
                        e.r.mean,
                        n.clone(),
                    ),
                    &e.r,
                ));
                scores.push(over_splits(
                    Score::new(
                        &system.name,
                        system.kind,
                        &format!("mean |error| of {target}, {name}"),
                        "deg",
                        e.mae.mean,
                        n,
                    ),
                    &e.mae,
                ));
                rows.push(vec![
                    system.name.clone(),
                    name.into(),
                    target.into(),
                    digits(e.r.mean),
                    digits(e.r.sd),
                    digits(e.spearman.mean),
                    digits(e.mae.mean),
                    digits(e.rmse.mean),
                    e.n_conditions.to_string(),
                    e.n_bins.to_string(),
                    result.dropped_rows.to_string(),
                ]);
            }
        }
        let index = simulation_index(&axis, &system.features, &ball, 2)?;
        scores.push(
            Score::new(
                &system.name,
                system.kind,
                "simulation index",
                "deg",
                index.index_deg,
                format!("{} hidden bins", index.n_steps),
            )
            .noting("lower is better; two folds without shuffling, as published, in degrees"),
        );
        done.push(result);
    }
    out.table(
        "decode",
        &[
            "row",
            "epoch",
            "target",
            "r_mean",
            "r_sd",
            "spearman_mean",
            "mae_mean_deg",
            "rmse_mean_deg",
            "n_conditions",
            "n_bins",
            "dropped_rows",
        ],
        &rows,
    )?;
    for (t, target) in ["x", "y"].into_iter().enumerate() {
        let dots_of: Vec<Dot> = scene
            .systems
            .iter()
            .zip(&done)
            .filter_map(|(system, result)| {
                let e = result.get(Epoch::Hidden, t)?;
                Some(Dot {
                    group: super::group(system.kind).into(),
                    name: system.name.clone(),
                    value: e.r.mean,
                    interval: Some((e.r.mean - e.r.sd, e.r.mean + e.r.sd)),
                    filled: matches!(system.kind, RowKind::Model | RowKind::Published),
                })
            })
            .collect();
        out.figure(
            "decode",
            &format!("decode_{target}"),
            &format!("Reading {target} of the hidden ball"),
            "Correlation of decoded and true position over the hidden bins of held-out conditions: mean over splits, bars ± SD over splits. Filled: models and brain; open: references and controls.",
            dots(
                &format!("Correlation of decoded and true {target} of the hidden ball"),
                &format!("Pearson r of {target}"),
                &dots_of,
                &[],
            ),
        );
    }
    let lines: Vec<Curve> = scene
        .systems
        .iter()
        .zip(&done)
        .filter(|(s, _)| s.drawn)
        .take(CURVES)
        .map(|(system, result)| Curve {
            name: system.name.clone(),
            points: result
                .over_time
                .iter()
                .filter(|t| t.n_conditions >= MIN_AT_A_TIME)
                .map(|t| {
                    let d = t.distance;
                    (t.offset_ms, d.mean, f64::NAN, f64::NAN)
                })
                .collect(),
        })
        .collect();
    out.figure(
        "decode",
        "decode_over_time",
        "Distance of decoded and true ball over time",
        "Mean distance over held-out conditions, aligned to the onset of occlusion (0 ms). Later times have fewer conditions; a time with fewer than 20 is left out.",
        curves(
            "Distance of decoded and true ball over time from occlusion",
            "time from the onset of occlusion (ms)",
            "distance (degrees)",
            &lines,
        ),
    );
    let find = |name: &str| scene.systems.iter().position(|s| s.name == name);
    for (at, model) in scene.systems.iter().enumerate() {
        if model.kind != RowKind::Model {
            continue;
        }
        for null in NULLS {
            let Some(other) = find(null) else { continue };
            for (t, target) in ["x", "y"].into_iter().enumerate() {
                let check = null_check(
                    (&model.name, null, target),
                    &done[at].r_per_split(Epoch::Hidden, t),
                    &done[other].r_per_split(Epoch::Hidden, t),
                    NullRule { min_share: 0.5 },
                )?;
                out.checks.push(Check {
                    name: format!("{} beats {null} in hidden {target}", model.name),
                    passed: check.passed,
                    detail: check.detail(),
                });
            }
        }
    }
    out.sections.push(Section {
        analysis: "decode".into(),
        question: "A linear map is fitted on some conditions and asked, on others, where the ball is. How well does it do while the ball is hidden?".into(),
        method: format!(
            "Least squares with intercept, one map for all times, {} splits by condition (GroupShuffleSplit, train {}, seed {}), scores over pooled held-out bins (Rajalingham et al. 2025, Fig. 3). {}Models and controls are read out in the same bins with the same targets.",
            scene.config.splits,
            scene.config.train,
            scene.config.split_seed,
            if scene.population.is_empty() { String::new() } else { format!("DMFC: {}. ", scene.population) }
        ),
        scores,
        warnings: if scene.recording.is_some() {
            vec!["Factors stored in a recording were fitted on all conditions, held-out ones among them (as published); the models' latents were not.".into()]
        } else {
            Vec::new()
        },
    });
    Ok(())
}

/// End-point decoding over time.
pub(super) fn endpoint(scene: &Scene, out: &mut Out) -> Result<()> {
    let mut scores = Vec::new();
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    let mut related = Vec::new();
    let paddle = scene
        .recording
        .and_then(|r| r.behavior(TrialType::Occ, "paddle_pos_y").ok())
        .map(|p| last_in_trial(scene, &p))
        // A paddle that was never recorded is all NaN.
        .filter(|p| p.iter().filter(|v| v.is_finite()).count() >= FEWEST_PADDLES);
    let units = match scene.recording {
        Some(r) => {
            let responses = r.responses(TrialType::Occ, units_of(r), Half::Full)?;
            Some(in_layout(&scene.layout, &responses))
        }
        None => None,
    };
    for system in &scene.systems {
        scene.stop_if_asked()?;
        // As published: of the recording the units themselves, and not their factors.
        let features = match &units {
            Some(units) if system.kind == RowKind::Published => units,
            _ => &system.features,
        };
        // Correlations over as few held-out conditions as published; tables say how many there are, figures leave such times out.
        let decoder = EndpointDecoder::new(&scene.layout, features, &scene.ends)?.min_conditions(2);
        let result = decoder.run(&scene.splits, FIFTY)?;
        let tested = matches!(system.kind, RowKind::Model | RowKind::Published);
        if tested {
            controls(scene, system, &decoder, &mut scores)?;
        }
        if let (true, Some(paddle)) = (tested, &paddle) {
            let held = decoder.held_out(&scene.splits, FIFTY)?;
            let found = decoder.behavior_relation(
                &held,
                paddle,
                Part::Hidden,
                scene.config.resamples,
                scene.config.seed,
            )?;
            related.push((system.name.clone(), found));
        }
        for (alignment, points) in [
            ("start", &result.from_start),
            ("occlusion", &result.from_occlusion),
        ] {
            for p in points {
                rows.push(vec![
                    system.name.clone(),
                    alignment.into(),
                    digits(p.offset_ms),
                    digits(p.r.mean),
                    digits(p.r.sd),
                    digits(p.mae.mean),
                    digits(p.mae.sd),
                    p.n_conditions.to_string(),
                ]);
            }
        }
        for (what, ms) in [
            ("at occlusion", 0.0),
            ("250 ms hidden", 250.0),
            ("500 ms hidden", 500.0),
        ] {
            if let Some(p) = result.from_occlusion.iter().find(|p| p.offset_ms == ms) {
                scores.push(over_splits(
                    Score::new(
                        &system.name,
                        system.kind,
                        &format!("r of end height, {what}"),
                        "",
                        p.r.mean,
                        format!("{} conditions", p.n_conditions),
                    ),
                    &p.r,
                ));
            }
        }
        if system.drawn && lines.len() < CURVES {
            lines.push(Curve {
                name: system.name.clone(),
                points: result
                    .from_start
                    .iter()
                    .filter(|p| p.n_conditions >= MIN_AT_A_TIME)
                    .map(|p| (p.offset_ms, p.r.mean, p.r.mean - p.r.sd, p.r.mean + p.r.sd))
                    .map(|p| {
                        if lines.is_empty() {
                            p
                        } else {
                            (p.0, p.1, f64::NAN, f64::NAN)
                        }
                    })
                    .collect(),
            });
        }
    }
    out.table(
        "endpoint",
        &[
            "row",
            "aligned_to",
            "offset_ms",
            "r_mean",
            "r_sd",
            "mae_mean_deg",
            "mae_sd_deg",
            "n_conditions",
        ],
        &rows,
    )?;
    out.figure(
        "endpoint",
        "endpoint",
        "How early the end of the path can be read",
        "One static decoder reads the height at which the ball will end, at every time from the start of motion: correlation across held-out conditions, mean over splits (band: ± SD, first row only).",
        curves(
            "Correlation of decoded and true end height over time",
            "time from the start of motion (ms)",
            "r of end height",
            &lines,
        ),
    );
    relation(&related, out)?;
    out.sections.push(Section {
        analysis: "endpoint".into(),
        question: "Long before the ball arrives, does the state already hold where it will end?".into(),
        method: "50 principal components of the training conditions, least squares on all bins, one decoder for all times, read over time (Rajalingham et al. 2025, Fig. 5B; what the figure calls RMSE is a mean |error|). Two-stage control: the end height read from the decoded position alone. Shuffle control: end heights dealt to other conditions, everything fitted again.".into(),
        scores,
        warnings: vec!["Rows that are given the true state (oracle, kinematic) foresee the end at once: that is trivial for them.".into()],
    });
    Ok(())
}

/// The two-stage and the shuffle control, at the bin of the headline.
fn controls(
    scene: &Scene,
    system: &System,
    decoder: &EndpointDecoder<'_>,
    scores: &mut Vec<Score>,
) -> Result<()> {
    let bin = (HEADLINE_MS / scene.layout.bin_ms()) as usize;
    let n = format!("{} splits", scene.config.splits);
    let shuffles = scene.config.resamples.min(SHUFFLES);
    let null = decoder.shuffled(
        &scene.splits,
        FIFTY,
        Part::Hidden,
        shuffles,
        scene.config.seed,
    )?;
    if let (Some(s), Some(Some(p))) = (null.null.get(bin), null.p.get(bin)) {
        scores.push(
            Score::new(
                &system.name,
                system.kind,
                "r of end height, 250 ms hidden, shuffled",
                "",
                s.mean,
                format!("{} deals of the end heights", null.n_shuffles),
            )
            .between(s.p025, s.p975, "2.5th to 97.5th percentile over deals")
            .noting(format!(
                "p of the true heights {:.4}, smallest possible {:.4}",
                p.p, p.floor
            )),
        );
    }
    let (second, held) = decoder.two_stage(&scene.splits, FIFTY, SecondStage::Decoded)?;
    let all = ConditionSet {
        name: "all".into(),
        conditions: (0..scene.conditions.len()).collect(),
    };
    if let Some(r) = second
        .curves(&held, Part::Hidden, &[all])
        .first()
        .and_then(|c| c.r.get(bin).copied())
    {
        scores.push(over_splits(
            Score::new(
                &system.name,
                system.kind,
                "r of end height from the decoded position, 250 ms hidden",
                "",
                r.mean,
                n,
            ),
            &r,
        ));
    }
    Ok(())
}

/// How errors of the decoded end go with the animals' errors, over time.
fn relation(related: &[(String, BehaviorRelation)], out: &mut Out) -> Result<()> {
    if related.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for (name, found) in related {
        let mut points = Vec::new();
        for (bin, &r) in found.r.iter().enumerate() {
            let ms = bin as f64 * found.bin_ms;
            let p = found.p.get(bin).copied().flatten();
            if found.n_conditions[bin] >= MIN_AT_A_TIME {
                points.push((ms, r, f64::NAN, f64::NAN));
            }
            rows.push(vec![
                name.clone(),
                digits(ms),
                digits(r),
                digits(p.map_or(f64::NAN, |p| p.p)),
                digits(p.map_or(f64::NAN, |p| p.floor)),
                found.n_conditions[bin].to_string(),
            ]);
        }
        lines.push(Curve {
            name: name.clone(),
            points,
        });
    }
    out.table(
        "endpoint_behavior",
        &["row", "offset_ms", "r", "p", "p_floor", "n_conditions"],
        &rows,
    )?;
    out.figure(
        "endpoint",
        "endpoint_behavior",
        "Errors of the decoded end and of the animals",
        "Decoded end height and final paddle are each regressed on the true end; correlation of the residuals over conditions, from the onset of occlusion. p values stand in tables/endpoint_behavior.csv.",
        curves(
            "Correlation of decoded and behavioural errors over time",
            "time from the onset of occlusion (ms)",
            "r of residuals",
            &lines,
        ),
    );
    Ok(())
}
