//! What else can be read out of the recording: all published variables, and how that depends on lag, on the number of
//! training conditions, on bounces, and on what goes with the ball.

use super::card::{Score, Section};
use super::scene::Scene;
use super::{Out, digits};
use crate::card::RowKind;
use crate::decode::inputs::{Variable, variable};
use crate::decode::variables::{BOUNCE_OCCLUDED, BOUNCE_VISIBLE, DRIVER_33, PUBLISHED_ROLLS};
use crate::decode::{
    Epochs, Inputs, OnlineDecoder, Pairing, Part, generalization, lag_sweep, published_train_sizes,
    train_size_curve,
};
use crate::error::Result;
use crate::linear::Readout;
use crate::recordings::dmfc::{Half, Recording, TrialType};
use crate::report::plot::{Curve, Dot, curves, dots};
use crate::stats::Summary;

const X: &str = "ball_pos_x_TRUE";
const Y: &str = "ball_pos_y_TRUE";
/// Splits for each training size, as published.
const SIZE_SPLITS: usize = 10;
const SPREAD: &str = "± SD over splits, which overlap: a spread, no standard error";

fn score(scene: &Scene, metric: &str, s: &Summary, n: String) -> Score {
    Score::new(scene.brain, RowKind::Published, metric, "", s.mean, n).between(
        s.mean - s.sd,
        s.mean + s.sd,
        SPREAD,
    )
}

pub(super) fn variables(scene: &Scene, recording: &Recording, out: &mut Out) -> Result<()> {
    let trials = TrialType::Occ;
    let known: Vec<Variable> = DRIVER_33
        .iter()
        .filter_map(|&name| Some((name.to_owned(), variable(recording, trials, name).ok()?)))
        .collect();
    let missing: Vec<&str> = DRIVER_33
        .iter()
        .copied()
        .filter(|name| !known.iter().any(|(n, _)| n == name))
        .collect();
    let population = scene.population_of(recording, trials, Half::Full);
    let responses = recording.responses(trials, population, Half::Full)?;
    let mask = recording.mask(trials, "start_end_pad0")?;
    let epochs = Epochs {
        visible: recording.mask(trials, "start_occ_pad0")?,
        hidden: recording.mask(trials, "occ_end_pad0")?,
    };
    let bin_ms = recording.expected().bin_ms;
    let inputs = Inputs::matched(&responses, &known, (mask, mask), epochs, None, bin_ms)?;
    let decoder = OnlineDecoder::new(&inputs.layout, &inputs.features)?;
    let held = decoder.held_out(&scene.splits, Readout::Full)?;
    let mut scores = Vec::new();
    let mut rows = Vec::new();
    let mut pictures = Vec::new();
    for (part, words) in [
        (Part::All, "whole trial"),
        (Part::Visible, "visible"),
        (Part::Hidden, "hidden"),
    ] {
        let found = decoder.part_scores(&held, part);
        for t in &found.targets {
            rows.push(vec![
                t.target.clone(),
                words.into(),
                digits(t.r.mean),
                digits(t.r.sd),
                digits(t.spearman.mean),
                digits(t.mae.mean),
                digits(t.mae.sd),
                digits(t.rmse.mean),
                found.n_rows.to_string(),
            ]);
            if part != Part::Visible {
                scores.push(score(
                    scene,
                    &format!("r of {}, {words}", t.target),
                    &t.r,
                    format!("{} bins", found.n_rows),
                ));
            }
            if part == Part::Hidden {
                pictures.push(Dot {
                    group: "hidden".into(),
                    name: t.target.clone(),
                    value: t.r.mean,
                    interval: Some((t.r.mean - t.r.sd, t.r.mean + t.r.sd)),
                    filled: true,
                });
            }
        }
    }
    out.table(
        "variables",
        &[
            "variable",
            "part",
            "r_mean",
            "r_sd",
            "spearman_mean",
            "mae_mean",
            "mae_sd",
            "rmse_mean",
            "n_bins",
        ],
        &rows,
    )?;
    out.figure(
        "variables",
        "variables",
        "Every variable, while the ball is hidden",
        "Correlation of decoded and true value over held-out hidden bins: mean over splits, bars ± SD over splits. Names are those of the released files.",
        dots("Correlation of decoded and true variables while the ball is hidden", "Pearson r", &pictures, &[]),
    );
    let names: Vec<&str> = known.iter().map(|(n, _)| n.as_str()).collect();
    for target in [X, Y] {
        let Some(at) = names.iter().position(|n| *n == target) else {
            continue;
        };
        let others: Vec<usize> = (0..names.len())
            .filter(|&k| !names[k].starts_with("ball_pos"))
            .collect();
        let given = decoder.given_each(&held, at, &others, Part::All)?;
        let rows: Vec<Vec<String>> = given
            .iter()
            .map(|g| {
                vec![
                    target.to_owned(),
                    g.covariate.clone(),
                    digits(g.r.mean),
                    digits(g.r.sd),
                ]
            })
            .collect();
        out.table(
            &format!("partial_{target}"),
            &["variable", "given", "partial_r_mean", "partial_r_sd"],
            &rows,
        )?;
        if let Some(least) = given
            .iter()
            .filter(|g| g.r.mean.is_finite())
            .min_by(|a, b| a.r.mean.total_cmp(&b.r.mean))
        {
            scores.push(
                score(
                    scene,
                    &format!("lowest partial r of {target} given one other variable"),
                    &least.r,
                    format!("{} variables", given.len()),
                )
                .noting(format!("given {}", least.covariate)),
            );
        }
    }
    let two: Vec<Variable> = known
        .iter()
        .filter(|(n, _)| n == X || n == Y)
        .cloned()
        .collect();
    let pairings = PUBLISHED_ROLLS
        .map(Pairing::Lag)
        .chain(PUBLISHED_ROLLS.map(Pairing::RolledMask));
    let lags = lag_sweep(
        &responses,
        &two,
        mask,
        epochs,
        bin_ms,
        pairings,
        &scene.splits,
        Readout::Full,
    )?;
    let of_time: Vec<_> = lags
        .iter()
        .filter(|l| matches!(l.pairing, Pairing::Lag(_)))
        .collect();
    let lag_curve = |name: &str| Curve {
        name: name.to_owned(),
        points: of_time
            .iter()
            .filter_map(|l| {
                let r = l.scores.target(name)?.r;
                Some((l.lag_ms, r.mean, r.mean - r.sd, r.mean + r.sd))
            })
            .collect(),
    };
    let lines = [lag_curve(X), lag_curve(Y)];
    let mut rows = Vec::new();
    for l in &lags {
        let how = match l.pairing {
            Pairing::Lag(_) => "lag in time",
            Pairing::RolledMask(_) => "rolled mask (published)",
        };
        for t in &l.scores.targets {
            rows.push(vec![
                how.to_owned(),
                digits(l.lag_ms),
                t.target.clone(),
                digits(t.r.mean),
                digits(t.r.sd),
                l.scores.n_rows.to_string(),
            ]);
        }
    }
    out.table(
        "lags",
        &["pairing", "lag_ms", "variable", "r_mean", "r_sd", "n_bins"],
        &rows,
    )?;
    out.figure(
        "variables",
        "lags",
        "Responses before and after the ball",
        "Right of 0: responses later than the ball. Stored factors exist inside of the trial only, so that a lag loses bins. The published sweep rolls a mask, which compares sets of bins and not times: it stands in tables/lags.csv.",
        curves("Decoding by lag", "lag (ms)", "Pearson r", &lines),
    );
    let xy = Inputs::matched(&responses, &two, (mask, mask), epochs, None, bin_ms)?;
    let decoder = OnlineDecoder::new(&xy.layout, &xy.features)?;
    let sizes = train_size_curve(
        &decoder,
        &published_train_sizes(),
        SIZE_SPLITS,
        scene.config.split_seed,
        Readout::Full,
    )?;
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for name in [X, Y] {
        let mut points = Vec::new();
        for s in &sizes {
            if let Some(t) = s.scores.target(name) {
                points.push((
                    s.n_train as f64,
                    t.r.mean,
                    t.r.mean - t.r.sd,
                    t.r.mean + t.r.sd,
                ));
                rows.push(vec![
                    s.n_train.to_string(),
                    name.to_owned(),
                    digits(t.r.mean),
                    digits(t.r.sd),
                ]);
            }
        }
        lines.push(Curve {
            name: name.to_owned(),
            points,
        });
    }
    out.table(
        "training_size",
        &["n_train_conditions", "variable", "r_mean", "r_sd"],
        &rows,
    )?;
    out.figure(
        "variables",
        "training_size",
        "How many conditions a read-out needs",
        "Correlation on all other conditions by the number of conditions that the map was fitted on, 10 splits each.",
        curves("Decoding by number of training conditions", "training conditions", "Pearson r", &lines),
    );
    if scene.conditions.len() == 79 {
        let bounce: Vec<usize> = BOUNCE_VISIBLE
            .iter()
            .chain(&BOUNCE_OCCLUDED)
            .copied()
            .collect();
        let found = generalization(&decoder, &bounce, Readout::Full)?;
        for (words, result) in [
            ("trained on bounces", &found.from_class),
            ("trained on no bounce", &found.to_class),
        ] {
            for t in &result.targets {
                scores.push(Score::new(
                    scene.brain,
                    RowKind::Published,
                    &format!("r of {}, {words}, tested on the others", t.target),
                    "",
                    t.r.mean,
                    format!("{} bounces", found.n_class),
                ));
            }
        }
    }
    let mut warnings = Vec::new();
    if !missing.is_empty() {
        warnings.push(format!(
            "The recording lacks {}; the rest is decoded.",
            missing.join(", ")
        ));
    }
    warnings.push("A row with NaN in any variable is dropped for all, so the rows depend on the list of variables.".into());
    out.sections.push(Section {
        analysis: "variables".into(),
        question: "What else than the ball can be read out of the recording, and is it the ball that is read?".into(),
        method: format!(
            "One linear map for all variables, {} splits by condition, on {}; partial correlations given each other variable; lags −5 to 5 bins; 10 splits for each training size (Rajalingham et al. 2025, Fig. 3, S4, S5).",
            scene.config.splits, scene.population
        ),
        scores,
        warnings,
    });
    Ok(())
}
