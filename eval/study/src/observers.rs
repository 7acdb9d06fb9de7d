//! Behaviour: who errs how, and who errs alike. A model's paddle is the height that is decoded last.

use mental_pong_game::task::Law;

use super::scene::Scene;
use super::scores::{Score, Section};
use super::{MIN_AT_A_TIME, Out, digits};
use crate::card::RowKind;
use crate::error::{Error, Result};
use crate::report::plot::{Curve, Dot, curves, dots, matrix};
use mental_pong_eval::array::Array2;
use mental_pong_eval::behavior::{
    ErrorHalves, ErrorKind, PUBLISHED_ITERATIONS, TrialTable, aligned_curve, ceiling, consistency,
    eye_error, final_heights, hand_error, performance,
};
use mental_pong_eval::recordings::dmfc::{Recording, TrialType};
use mental_pong_eval::recordings::trials::{TrialOptions, Trials};

const OVER_CONDITIONS: &str = "95 % bootstrap over conditions";

/// Someone whose paddle is known.
struct Observer {
    name: String,
    kind: RowKind,
    table: TrialTable,
    note: String,
}

pub(super) fn behavior(scene: &Scene, out: &mut Out) -> Result<()> {
    let observers = observers(scene)?;
    let ids: Vec<u32> = scene.conditions.iter().map(|c| c.id).collect();
    let seed = scene.config.seed;
    let mut scores = Vec::new();
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    let mut patterns = Vec::new();
    for observer in &observers {
        scene.stop_if_asked()?;
        let p = performance(&observer.table, scene.config.resamples, seed)?;
        let n = format!("{} conditions, {} trials", p.n_conditions, p.n_trials);
        let score = |metric: &str, value| {
            Score::new(
                &observer.name,
                observer.kind,
                metric,
                "deg",
                value,
                n.clone(),
            )
            .noting(observer.note.clone())
        };
        let over = |s: Score, b: &mental_pong_eval::stats::Summary| {
            s.between(b.p025, b.p975, OVER_CONDITIONS)
        };
        scores.push(over(
            score("|mean error|", p.mae_of_mean),
            &p.mae_of_mean_over_conditions,
        ));
        scores.push(over(
            score("trial-wise |error|", p.mae_trialwise),
            &p.mae_trialwise_over_conditions,
        ));
        errors.push(Dot {
            group: super::group(observer.kind).into(),
            name: observer.name.clone(),
            value: p.mae_of_mean,
            interval: Some((
                p.mae_of_mean_over_conditions.p025,
                p.mae_of_mean_over_conditions.p975,
            )),
            filled: matches!(observer.kind, RowKind::Model | RowKind::Published),
        });
        rows.push(vec![
            observer.name.clone(),
            format!("{:?}", p.law).to_lowercase(),
            digits(p.mae_of_mean),
            digits(p.mae_of_mean_sem),
            digits(p.mae_trialwise),
            digits(p.rms_trialwise),
            digits(p.mean_signed_error),
            p.n_conditions.to_string(),
            p.n_trials.to_string(),
        ]);
        if let Some(pattern) = pattern(observer, &ids, seed as u32)? {
            patterns.push((observer, pattern));
        }
    }
    out.table(
        "performance",
        &[
            "row",
            "law_of_truth",
            "mae_of_mean_deg",
            "mae_of_mean_sem_deg",
            "mae_trialwise_deg",
            "rms_trialwise_deg",
            "mean_signed_error_deg",
            "n_conditions",
            "n_trials",
        ],
        &rows,
    )?;
    out.figure(
        "behavior",
        "performance",
        "Error at the end",
        "Mean over conditions of |mean paddle − ball|; bars: 95 % bootstrap over conditions. A model's paddle is the last decoded height, averaged over the splits in which the condition was held out.",
        dots("Mean absolute error of the mean paddle", "|mean error| (degrees)", &errors, &[]),
    );
    if let Some(recording) = scene.recording {
        tracking(scene, recording, &mut scores, out)?;
    }
    alike(scene, &patterns, &mut scores, out)?;
    for observer in &observers {
        if observer.kind == RowKind::Published && observer.table.len() > 2 * ids.len() {
            let c = ceiling(
                &observer.table,
                ErrorKind::Residual,
                PUBLISHED_ITERATIONS,
                seed as u32,
            )?;
            let n = format!("{} conditions", c.n_conditions);
            scores.push(Score::new(
                &observer.name,
                observer.kind,
                "split-half r of error patterns",
                "",
                c.split_half.mean,
                n.clone(),
            ));
            if c.between_subjects.n > 0 {
                scores.push(Score::new(
                    &observer.name,
                    observer.kind,
                    "consistency between subjects",
                    "",
                    c.between_subjects.mean,
                    n,
                ));
            }
        }
    }
    out.sections.push(Section {
        analysis: "behavior".into(),
        question: "How far from the ball is the paddle at the end, and do two observers err on the same conditions in the same way?".into(),
        method: "|mean error| is Table 1 of Rajalingham et al. 2025; trial-wise |error| is the “total” of 2022; they differ by a factor near 1.7 in monkeys. Consistency: residuals of one regression of paddle on truth over all trials, averaged within conditions, correlated between random halves of the trials, 10 × 10 pairs, over the square root of the product of the split-half correlations, no Spearman-Brown (2022). A model without noise is its own half.".into(),
        scores,
        warnings: Vec::new(),
    });
    Ok(())
}

/// Bins before and after the onset of occlusion that are drawn.
const DRAWN_BINS: (i64, i64) = (-15, 25);

/// Where the animals' eyes and paddle are over time, as far as the recording has them.
fn tracking(
    scene: &Scene,
    recording: &Recording,
    scores: &mut Vec<Score>,
    out: &mut Out,
) -> Result<()> {
    let conditions = scene.layout.conditions();
    let of = |name: &str| recording.behavior(TrialType::Occ, name).ok();
    let onset: Vec<usize> = conditions
        .iter()
        .map(|c| c.hidden.iter().position(|&h| h).unwrap_or(c.bins.len()))
        .collect();
    let mut found: Vec<(&str, Vec<Vec<f64>>)> = Vec::new();
    if let (Some(x), Some(y)) = (of("eye_h"), of("eye_v")) {
        let eye: Vec<Array2> = conditions
            .iter()
            .enumerate()
            .map(|(c, rows)| {
                Array2::from_fn(rows.bins.len(), 2, |row, t| {
                    [&x, &y][t].get(c, rows.bins[row])
                })
            })
            .collect();
        found.push(("eye to ball", eye_error(&eye, &scene.ball())?));
    }
    if let Some(paddle) = of("paddle_pos_y") {
        let paddle: Vec<Vec<f64>> = conditions
            .iter()
            .enumerate()
            .map(|(c, rows)| rows.bins.iter().map(|&b| paddle.get(c, b)).collect())
            .collect();
        found.push(("paddle to end", hand_error(&paddle, &scene.ends)?));
    }
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for (what, errors) in &found {
        let curve = aligned_curve(errors, &onset, DRAWN_BINS.0, DRAWN_BINS.1)?;
        let mut points = Vec::new();
        for (at, &bin) in curve.bin.iter().enumerate() {
            let ms = bin as f64 * scene.layout.bin_ms();
            let (mean, sem, n) = (curve.mean[at], curve.sem[at], curve.n[at]);
            rows.push(vec![
                (*what).to_owned(),
                digits(ms),
                digits(mean),
                digits(sem),
                n.to_string(),
            ]);
            if n >= MIN_AT_A_TIME {
                points.push((ms, mean, mean - sem, mean + sem));
            }
            if bin == 0 && n > 0 {
                scores.push(
                    Score::new(
                        scene.animals,
                        RowKind::Published,
                        &format!("distance of {what} at occlusion"),
                        "deg",
                        mean,
                        format!("{n} conditions"),
                    )
                    .between(
                        mean - sem,
                        mean + sem,
                        "± standard error over conditions",
                    ),
                );
            }
        }
        // Eyes or paddles that were never recorded are all NaN.
        if !points.is_empty() {
            lines.push(Curve {
                name: (*what).to_owned(),
                points,
            });
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    out.table(
        "tracking",
        &[
            "distance",
            "ms_from_occlusion",
            "mean_deg",
            "sem_deg",
            "n_conditions",
        ],
        &rows,
    )?;
    out.figure(
        "behavior",
        "tracking",
        "Eye and hand while the ball is hidden",
        "Distance of the eye from the true ball and of the paddle from where the ball will end: mean over conditions, band ± standard error, from the onset of occlusion (Rajalingham et al. 2025, Fig. 1C).",
        curves(
            "Distance of eye and paddle over time from occlusion",
            "time from the onset of occlusion (ms)",
            "distance (degrees)",
            &lines,
        ),
    );
    Ok(())
}

/// Consistency of every pair.
fn alike(
    scene: &Scene,
    patterns: &[(&Observer, ErrorHalves)],
    scores: &mut Vec<Score>,
    out: &mut Out,
) -> Result<()> {
    let mut rows = Vec::new();
    let names: Vec<String> = patterns.iter().map(|(o, _)| o.name.clone()).collect();
    let mut square = vec![vec![f64::NAN; names.len()]; names.len()];
    for (i, (a, x)) in patterns.iter().enumerate() {
        for (j, (b, y)) in patterns.iter().enumerate().skip(i + 1) {
            // Two observers are compared on the conditions that both have.
            let shared: Vec<u32> = x
                .ids
                .iter()
                .copied()
                .filter(|id| y.ids.contains(id))
                .collect();
            if shared.len() < 5 {
                continue;
            }
            let seed = scene.config.seed as u32;
            let restricted = |o: &Observer, p: &ErrorHalves| -> Result<ErrorHalves> {
                if p.ids == shared {
                    return Ok(p.clone());
                }
                Ok(ErrorHalves::new(
                    &o.name,
                    &o.table,
                    &shared,
                    ErrorKind::Residual,
                    PUBLISHED_ITERATIONS,
                    seed,
                )?)
            };
            let found = consistency(
                &restricted(a, x)?,
                &restricted(b, y)?,
                scene.config.resamples,
                scene.config.seed,
            )?;
            square[i][j] = found.corrected.mean;
            square[j][i] = found.corrected.mean;
            rows.push(vec![
                a.name.clone(),
                b.name.clone(),
                digits(found.corrected.mean),
                digits(found.over_conditions.p025),
                digits(found.over_conditions.p975),
                digits(found.r_uncorrected),
                digits(found.nse.mean),
                digits(found.split_half[0].mean),
                digits(found.split_half[1].mean),
                found.n_conditions.to_string(),
            ]);
            for (of, with) in [(a, b), (b, a)] {
                if with.kind != RowKind::Published || of.kind == RowKind::Published && i > j {
                    continue;
                }
                let metric = if with.name == scene.animals {
                    "consistency with the animals".to_owned()
                } else {
                    format!("consistency with {}", with.name)
                };
                scores.push(
                    Score::new(
                        &of.name,
                        of.kind,
                        &metric,
                        "",
                        found.corrected.mean,
                        format!("{} conditions", found.n_conditions),
                    )
                    .between(
                        found.over_conditions.p025,
                        found.over_conditions.p975,
                        OVER_CONDITIONS,
                    ),
                );
            }
        }
    }
    out.table(
        "consistency",
        &[
            "first",
            "second",
            "consistency",
            "low",
            "high",
            "r_uncorrected",
            "nse",
            "split_half_first",
            "split_half_second",
            "n_conditions",
        ],
        &rows,
    )?;
    if names.len() > 1 {
        out.figure(
            "behavior",
            "consistency",
            "Who errs alike",
            "Noise-corrected correlation of error patterns over conditions, for every pair. 1: the same errors as far as noise lets one tell; 0: nothing in common.",
            matrix("Consistency of error patterns between observers", &names, &square),
        );
    }
    Ok(())
}

fn pattern(observer: &Observer, ids: &[u32], seed: u32) -> Result<Option<ErrorHalves>> {
    let once = observer.table.conditions(1);
    let twice = observer.table.conditions(2);
    // Halves need two trials a condition; with one each the observer is noiseless, as published for networks.
    let usable = if twice.is_empty() { once } else { twice };
    let usable: Vec<u32> = ids
        .iter()
        .copied()
        .filter(|id| usable.contains(id))
        .collect();
    if usable.len() < 5 {
        return Ok(None);
    }
    Ok(Some(ErrorHalves::new(
        &observer.name,
        &observer.table,
        &usable,
        ErrorKind::Residual,
        PUBLISHED_ITERATIONS,
        seed,
    )?))
}

fn observers(scene: &Scene) -> Result<Vec<Observer>> {
    let mut found = Vec::new();
    for system in scene.systems.iter().filter(|s| s.name != scene.brain) {
        scene.stop_if_asked()?;
        let result = scene.online(system)?;
        let heights = final_heights(&scene.layout, &result.held_out, 1);
        found.push(Observer {
            name: system.name.clone(),
            kind: system.kind,
            table: one_each(scene, &heights),
            note: String::new(),
        });
    }
    if let Some(recording) = scene.recording
        && let Some(animals) = animals(scene, recording)?
    {
        found.push(animals);
    }
    for (name, trials) in &scene.inputs.trials {
        found.push(Observer {
            name: name.clone(),
            kind: RowKind::Published,
            table: of_trials(scene, trials)?,
            note: if trials.provenance.synthetic == Some(true) {
                "synthetic or simulated trials".into()
            } else {
                String::new()
            },
        });
    }
    Ok(found)
}

/// One trial a condition; NaN is left out.
fn one_each(scene: &Scene, heights: &[f64]) -> TrialTable {
    let n = scene.conditions.len();
    TrialTable {
        subject: vec![0; n],
        condition: scene.conditions.iter().map(|c| c.id).collect(),
        truth_deg: scene.ends.clone(),
        law: Law::Display,
        paddle_deg: heights.to_vec(),
        kind: vec![TrialType::Occ; n],
        outcome: None,
    }
}

/// The animals' trials, or, where the recording has none that fit, their mean paddle at the end.
fn animals(scene: &Scene, recording: &Recording) -> Result<Option<Observer>> {
    if recording.table("trial_meta").is_some() {
        let trials = Trials::of_recording(recording, &TrialOptions::default());
        // A table of other conditions is no reason to do without the rest.
        if let Ok(trials) = trials
            && let Ok(table) = of_trials(scene, &trials)
            && table.conditions(2).len() >= 5
        {
            return Ok(Some(Observer {
                name: scene.animals.into(),
                kind: RowKind::Published,
                note: format!(
                    "{} of {} trials left out by rule",
                    trials.provenance.excluded.total(),
                    trials.provenance.rows
                ),
                table,
            }));
        }
    }
    let Ok(paddle) = recording.behavior(TrialType::Occ, "paddle_pos_y") else {
        return Ok(None);
    };
    let heights = last_in_trial(scene, &paddle);
    if heights.iter().all(|v| v.is_nan()) {
        return Ok(None);
    }
    Ok(Some(Observer {
        name: scene.animals.into(),
        kind: RowKind::Published,
        table: one_each(scene, &heights),
        note: "means over trials: without single trials there are no halves, and no correction for noise".into(),
    }))
}

/// `[condition]`, a variable `[condition, bin]` in the last bin of the trial.
pub(super) fn last_in_trial(scene: &Scene, values: &Array2) -> Vec<f64> {
    scene
        .layout
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, rows)| {
            rows.bins
                .iter()
                .rev()
                .map(|&b| values.get(c, b))
                .find(|v| v.is_finite())
                .unwrap_or(f64::NAN)
        })
        .collect()
}

/// Occluded trials of the study's conditions. The truth is the study's, so that all observers are held to the same.
fn of_trials(scene: &Scene, trials: &Trials) -> Result<TrialTable> {
    let subjects = trials.subjects();
    let mut table = TrialTable {
        subject: Vec::new(),
        condition: Vec::new(),
        truth_deg: Vec::new(),
        law: Law::Display,
        paddle_deg: Vec::new(),
        kind: Vec::new(),
        outcome: None,
    };
    for i in 0..trials.len() {
        let Some(c) = scene
            .conditions
            .iter()
            .position(|k| k.id.to_string() == trials.condition[i])
        else {
            continue;
        };
        if trials.trial_type[i] != TrialType::Occ {
            continue;
        }
        let subject = subjects
            .iter()
            .position(|s| *s == trials.subject[i])
            .unwrap_or(0);
        table.subject.push(subject as u32);
        table.condition.push(scene.conditions[c].id);
        table.truth_deg.push(scene.ends[c]);
        table.paddle_deg.push(trials.final_paddle_deg[i]);
        table.kind.push(TrialType::Occ);
    }
    if table.is_empty() {
        return Err(Error::invalid(
            format!("trials of {}", trials.provenance.source),
            format!(
                "none of {} is an occluded trial of the study's conditions",
                trials.len()
            ),
        ));
    }
    Ok(table)
}
