//! Behaviour: who errs how, and who errs alike. A model's paddle is the height that is decoded last.

use mental_pong_game::task::Law;

use super::MIN_AT_A_TIME;
use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score, interval};
use crate::cells;
use crate::error::{Error, Result};
use crate::report::plot::{Curve, Dot, curves, dots, matrix};
use crate::scene::Scene;
use mental_pong_eval::array::Array2;
use mental_pong_eval::behavior::{
    ErrorHalves, ErrorKind, PUBLISHED_ITERATIONS, Performance, TrialTable, aligned_curve, ceiling,
    consistency, error_pattern, eye_error, final_heights, hand_error, performance,
};
use mental_pong_eval::recordings::dmfc::{Recording, TrialType};
use mental_pong_eval::recordings::trials::{TrialOptions, Trials};
use mental_pong_eval::stats::Summary;

/// Who errs how, and who errs alike?
pub(crate) struct Behavior;

/// Someone whose paddle is known.
struct Observer {
    name: String,
    kind: RowKind,
    table: TrialTable,
    note: String,
}

type Patterns<'a> = Vec<(&'a Observer, ErrorHalves)>;

impl Analysis for Behavior {
    fn id(&self) -> &'static str {
        "behavior"
    }
    fn chapter(&self) -> &'static str {
        "concepts/behavior"
    }

    fn title(&self) -> &'static str {
        "Who errs how, and who errs alike?"
    }

    fn question(&self) -> &'static str {
        "How far from the ball is the paddle at the end, and do two observers err on the same conditions in the same way?"
    }

    fn does_not_show(&self) -> &'static str {
        "A model has no paddle: its height at the end is a linear read-out, which a person's hand is not. Without single trials nothing can be said about spread, and consistency is not corrected for noise."
    }

    fn needs(&self) -> &'static [Need] {
        &[]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let observers = observers(scene, out)?;
        if observers.is_empty() {
            out.skip("no model, animal or person with an end height");
            return Ok(());
        }
        let patterns = errors(scene, &observers, out)?;
        end_heights(scene, out)?;
        if let Some(recording) = scene.recording {
            tracking(scene, recording, out)?;
        }
        alike(scene, &patterns, out)?;
        ceilings(scene, &observers, out)?;
        out.method.push("|mean error| is Table 1 of Rajalingham et al. 2025; trial-wise |error| is the “total” of 2022; they differ by a factor near 1.7 in monkeys. A model's paddle is the last decoded height, averaged over the splits in which the condition was held out.".into());
        out.method.push("Consistency: residuals of one regression of paddle on truth over all trials, averaged within conditions, correlated between random halves of the trials, 10 × 10 pairs, over the square root of the product of the split-half correlations, no Spearman-Brown (2022). A model without noise is its own half.".into());
        Ok(())
    }
}

/// The error of the mean and over trials.
pub(super) fn performance_scores(name: &str, kind: RowKind, p: &Performance) -> [Score; 2] {
    let of = |metric: &str, value: f64, b: &Summary| {
        Score::of(name, kind, metric, value)
            .target("end")
            .unit("deg")
            .conditions(p.n_conditions)
            .between(b.p025, b.p975, interval::CONDITIONS)
            .noting(format!("{} trials", p.n_trials))
    };
    let over_trials = &p.mae_trialwise_over_conditions;
    [
        of("mae_of_mean", p.mae_of_mean, &p.mae_of_mean_over_conditions),
        of("mae_trialwise", p.mae_trialwise, over_trials),
    ]
}

/// How far each observer is from the ball, and its pattern of errors.
fn errors<'a>(scene: &Scene, observers: &'a [Observer], out: &mut Out) -> Result<Patterns<'a>> {
    let places: Vec<u32> = places(scene);
    let seed = scene.config.seed;
    let law = match scene.recording {
        Some(_) => "as recorded",
        None => scene.set.law().name(),
    };
    let mut table = Table::new(
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
    );
    let mut dots_of = Vec::new();
    let mut patterns = Vec::new();
    for observer in observers {
        scene.stop_if_asked()?;
        let p = performance(&observer.table, scene.config.resamples, seed)?;
        let scores = performance_scores(&observer.name, observer.kind, &p);
        out.scores
            .extend(scores.map(|score| score.noting(observer.note.clone())));
        let b = &p.mae_of_mean_over_conditions;
        dots_of.push(Dot {
            group: observer.kind.heading().into(),
            name: observer.name.clone(),
            value: p.mae_of_mean,
            interval: Some((b.p025, b.p975)),
            filled: matches!(observer.kind, RowKind::Model | RowKind::Published),
        });
        table.push(cells![
            &observer.name,
            law,
            p.mae_of_mean,
            p.mae_of_mean_sem,
            p.mae_trialwise,
            p.rms_trialwise,
            p.mean_signed_error,
            p.n_conditions,
            p.n_trials,
        ]);
        if let Some(pattern) = pattern(observer, &places, seed as u32)? {
            patterns.push((observer, pattern));
        }
    }
    out.tables.push(table);
    out.figure(
        "performance",
        "performance",
        "Error at the end",
        "Mean over conditions of |mean paddle − ball|; bars: 95 % bootstrap over conditions. A model's paddle is the last decoded height, averaged over the splits in which the condition was held out.",
        dots("Mean absolute error of the mean paddle", "|mean error| at the end (degrees)", &dots_of, &[]),
    );
    Ok(patterns)
}

/// End heights of every row, its splits taken as trials: error by condition.
fn end_heights(scene: &Scene, out: &mut Out) -> Result<()> {
    let places: Vec<u32> = places(scene);
    let mut by_condition = Table::new(
        "error_patterns",
        &[
            "row",
            "condition",
            "true_end_deg",
            "mean_end_deg",
            "error_deg",
            "residual_deg",
        ],
    );
    let mut summary = Table::new(
        "end_heights",
        &[
            "row",
            "n_conditions",
            "n_trials",
            "mae_over_splits_deg",
            "mae_of_mean_deg",
            "r",
        ],
    );
    for row in scene.rows.iter().filter(|s| s.name != scene.brain) {
        let result = scene.online(row)?;
        let trials: Vec<Vec<f64>> = result
            .last
            .iter()
            .map(|splits| splits.iter().map(|targets| targets[1]).collect())
            .collect();
        let p = error_pattern(&places, &trials, &scene.ends)?;
        for (i, &place) in p.ids.iter().enumerate() {
            by_condition.push(cells![
                &row.name,
                &scene.layout.conditions()[place as usize].id,
                p.truth[i],
                p.mean_paddle[i],
                p.error[i],
                p.residual[i],
            ]);
        }
        summary.push(cells![
            &row.name,
            p.n_conditions,
            p.n_trials,
            p.mae_trialwise,
            p.mae_of_mean,
            p.r,
        ]);
        out.scores.push(
            Score::of(&row.name, row.kind, "r_of_mean", p.r)
                .target("end")
                .conditions(p.n_conditions),
        );
    }
    out.tables.extend([by_condition, summary]);
    Ok(())
}

/// How well those with many trials agree with themselves.
fn ceilings(scene: &Scene, observers: &[Observer], out: &mut Out) -> Result<()> {
    for observer in observers {
        if observer.kind != RowKind::Published || observer.table.len() <= 2 * scene.n_conditions() {
            continue;
        }
        let c = ceiling(
            &observer.table,
            ErrorKind::Residual,
            PUBLISHED_ITERATIONS,
            scene.config.seed as u32,
        )?;
        let score = |metric: &str, value| {
            Score::of(&observer.name, observer.kind, metric, value)
                .target("end")
                .conditions(c.n_conditions)
        };
        out.scores.push(score("split_half_r", c.split_half.mean));
        if c.between_subjects.n > 0 {
            out.scores.push(score(
                "consistency_between_subjects",
                c.between_subjects.mean,
            ));
        }
    }
    Ok(())
}

/// Time before and after the onset of occlusion that is drawn, ms.
const DRAWN_MS: (f64, f64) = (750.0, 1250.0);

/// Where the animals' eyes and paddle are over time, as far as the recording has them.
fn tracking(scene: &Scene, recording: &Recording, out: &mut Out) -> Result<()> {
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
        found.push(("eye_to_ball", eye_error(&eye, &scene.ball())?));
    }
    if let Some(paddle) = of("paddle_pos_y") {
        let paddle: Vec<Vec<f64>> = conditions
            .iter()
            .enumerate()
            .map(|(c, rows)| rows.bins.iter().map(|&b| paddle.get(c, b)).collect())
            .collect();
        found.push(("paddle_to_end", hand_error(&paddle, &scene.ends)?));
    }
    let drawn = |ms| scene.bins_in(ms) as i64;
    let mut table = Table::new(
        "tracking",
        &[
            "distance",
            "ms_from_occlusion",
            "mean_deg",
            "sem_deg",
            "n_conditions",
        ],
    );
    let mut lines = Vec::new();
    for (what, errors) in &found {
        let curve = aligned_curve(errors, &onset, -drawn(DRAWN_MS.0), drawn(DRAWN_MS.1))?;
        let mut points = Vec::new();
        for (at, &bin) in curve.bin.iter().enumerate() {
            let ms = bin as f64 * scene.layout.bin_ms();
            let (mean, sem, n) = (curve.mean[at], curve.sem[at], curve.n[at]);
            table.push(cells![what.replace('_', " "), ms, mean, sem, n]);
            if n >= MIN_AT_A_TIME {
                points.push((ms, mean, mean - sem, mean + sem));
            }
            if bin == 0 && n > 0 {
                let metric = format!("{what}_at_occlusion");
                out.scores.push(
                    Score::of(scene.animals, RowKind::Published, &metric, mean)
                        .unit("deg")
                        .conditions(n)
                        .between(mean - sem, mean + sem, interval::SEM),
                );
            }
        }
        // Eyes or paddles that were never recorded are all NaN.
        if !points.is_empty() {
            lines.push(Curve {
                name: what.replace('_', " "),
                null: false,
                points,
            });
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    out.tables.push(table);
    out.figure(
        "tracking",
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
fn alike(scene: &Scene, patterns: &Patterns<'_>, out: &mut Out) -> Result<()> {
    let mut table = Table::new(
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
    );
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
            let seed = scene.config.seed;
            let found = consistency(
                &restricted(a, x, &shared, seed)?,
                &restricted(b, y, &shared, seed)?,
                scene.config.resamples,
                seed,
            )?;
            square[i][j] = found.corrected.mean;
            square[j][i] = found.corrected.mean;
            let over = &found.over_conditions;
            table.push(cells![
                &a.name,
                &b.name,
                found.corrected.mean,
                over.p025,
                over.p975,
                found.r_uncorrected,
                found.nse.mean,
                found.split_half[0].mean,
                found.split_half[1].mean,
                found.n_conditions,
            ]);
            for (of, with) in [(a, b), (b, a)] {
                if with.kind != RowKind::Published || of.kind == RowKind::Published && i > j {
                    continue;
                }
                out.scores.push(
                    Score::of(&of.name, of.kind, "consistency", found.corrected.mean)
                        .target(&with.name)
                        .conditions(found.n_conditions)
                        .between(over.p025, over.p975, interval::CONDITIONS),
                );
            }
        }
    }
    out.tables.push(table);
    let read: Vec<usize> = (0..names.len())
        .filter(|&i| patterns[i].0.kind != RowKind::Control)
        .collect();
    if read.len() > 1 {
        let kept: Vec<String> = read.iter().map(|&i| names[i].clone()).collect();
        let values: Vec<Vec<f64>> = read
            .iter()
            .map(|&i| read.iter().map(|&j| square[i][j]).collect())
            .collect();
        out.figure(
            "consistency",
            "consistency",
            "Who errs alike",
            "Noise-corrected correlation of error patterns over conditions, for every pair of models, brains, people and references. 1: the same errors as far as noise lets one tell; 0: nothing in common. Nulls stand in the table.",
            matrix("Consistency of error patterns between observers", &kept, &values),
        );
    }
    Ok(())
}

fn restricted(
    observer: &Observer,
    pattern: &ErrorHalves,
    shared: &[u32],
    seed: u64,
) -> Result<ErrorHalves> {
    if pattern.ids == shared {
        return Ok(pattern.clone());
    }
    Ok(ErrorHalves::new(
        &observer.name,
        &observer.table,
        shared,
        ErrorKind::Residual,
        PUBLISHED_ITERATIONS,
        seed as u32,
    )?)
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

fn observers(scene: &Scene, out: &mut Out) -> Result<Vec<Observer>> {
    let mut found = Vec::new();
    for row in scene.rows.iter().filter(|s| s.name != scene.brain) {
        scene.stop_if_asked()?;
        let result = scene.online(row)?;
        let heights = final_heights(&scene.layout, &result.held_out, 1);
        found.push(Observer {
            name: row.name.clone(),
            kind: row.kind,
            table: one_each(scene, &heights),
            note: String::new(),
        });
    }
    if let Some(recording) = scene.recording
        && let Some(animals) = animals(scene, recording, out)?
    {
        found.push(animals);
    }
    for (name, trials) in &scene.inputs.trials {
        found.push(Observer {
            name: name.clone(),
            kind: RowKind::Published,
            table: of_trials(scene, trials)?,
            note: said(scene, trials),
        });
    }
    Ok(found)
}

/// What must be known about trials: what they are of, what was left out of them, whether they are invented.
fn said(scene: &Scene, trials: &Trials) -> String {
    let mut said = vec![trials.coverage(&scene.set)];
    let left_out = trials.provenance.excluded.total();
    if left_out > 0 {
        let rows = trials.provenance.rows;
        said.push(format!("{left_out} of {rows} trials left out by rule"));
    }
    if trials.provenance.synthetic == Some(true) {
        said.push("synthetic or simulated trials".into());
    }
    said.join("; ")
}

/// What tells the conditions of a study apart in a table of trials: their places in its set.
pub(super) fn places(scene: &Scene) -> Vec<u32> {
    (0..scene.n_conditions() as u32).collect()
}

/// One trial a condition; NaN is left out.
fn one_each(scene: &Scene, heights: &[f64]) -> TrialTable {
    let mut table = TrialTable::empty(Law::Display);
    for ((place, truth), paddle) in places(scene).into_iter().zip(&scene.ends).zip(heights) {
        table.push_occluded(0, place, *truth, *paddle);
    }
    table
}

/// The animals' trials, or, where the recording has none that fit, their mean paddle at the end; why is said.
fn animals(scene: &Scene, recording: &Recording, out: &mut Out) -> Result<Option<Observer>> {
    if recording.table("trial_meta").is_some() {
        let trials = Trials::of_recording(recording, &TrialOptions::default());
        match trials.map_err(Error::from).and_then(|t| Ok((of_trials(scene, &t)?, t))) {
            Ok((table, trials)) if table.conditions(2).len() >= 5 => {
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
            Ok(_) => out.warnings.push("The recording's table of trials (trial_meta) has fewer than five conditions with two trials: the animals' mean paddle at the end stands for them, one a condition.".into()),
            Err(e) => out.warnings.push(format!("The recording's table of trials (trial_meta) was not used: {e}. The animals' mean paddle at the end stands for them, one a condition.")),
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
pub(super) fn of_trials(scene: &Scene, trials: &Trials) -> Result<TrialTable> {
    let subjects = trials.subjects();
    let mut table = TrialTable::empty(Law::Display);
    for i in 0..trials.len() {
        let Some(c) = scene.set.place(&trials.condition[i]) else {
            continue;
        };
        if trials.trial_type[i] != TrialType::Occ {
            continue;
        }
        let subject = subjects
            .iter()
            .position(|s| *s == trials.subject[i])
            .unwrap_or(0);
        let paddle = trials.final_paddle_deg[i];
        table.push_occluded(subject as u32, c as u32, scene.ends[c], paddle);
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
