//! Where the ball is, and where it will end: read out of every system in the same way.

use super::card::{Score, Section};
use super::scene::Scene;
use super::{Out, digits};
use crate::card::{Check, RowKind};
use crate::controls::{NullRule, null_check};
use crate::decode::{EndpointDecoder, Epoch, OnlineDecoder, OnlineResult};
use crate::error::Result;
use crate::linear::Readout;
use crate::report::plot::{Curve, Dot, curves, dots};
use crate::stats::Summary;

const OVER_SPLITS: &str = "± SD over splits, which overlap: a spread, no standard error";
/// Rows that a model has to beat.
const NULLS: [&str; 4] = ["no-dynamics", "last-seen", "constant", "random-weights"];
/// Fewest conditions behind a point over time.
const MIN_AT_A_TIME: usize = 20;
/// Curves that stay legible.
const CURVES: usize = 6;

fn over_splits(score: Score, s: &Summary) -> Score {
    score.between(s.mean - s.sd, s.mean + s.sd, OVER_SPLITS)
}

/// Online decoding of x and y.
pub(super) fn decode(scene: &Scene, out: &mut Out) -> Result<()> {
    let mut scores = Vec::new();
    let mut rows = Vec::new();
    let mut done: Vec<OnlineResult> = Vec::new();
    for system in &scene.systems {
        scene.stop_if_asked()?;
        let result = OnlineDecoder::new(&scene.layout, &system.features)?
            .run(&scene.splits, Readout::Full)?;
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
    for system in &scene.systems {
        scene.stop_if_asked()?;
        let result = EndpointDecoder::new(&scene.layout, &system.features, &scene.ends)?
            .run(&scene.splits, Readout::Pca { k: 50 })?;
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
    out.sections.push(Section {
        analysis: "endpoint".into(),
        question: "Long before the ball arrives, does the state already hold where it will end?".into(),
        method: "50 principal components of the training conditions, least squares on all bins, one decoder for all times, read over time (Rajalingham et al. 2025, Fig. 5B; what the figure calls RMSE is a mean |error|).".into(),
        scores,
        warnings: vec!["Rows that are given the true state (oracle, kinematic) foresee the end at once: that is trivial for them.".into()],
    });
    Ok(())
}
