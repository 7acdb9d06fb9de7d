//! What drives single units.

use super::population::units_of;
use super::scene::Scene;
use super::scores::{Score, Section};
use super::{Out, digits};
use crate::card::RowKind;
use crate::error::Result;
use crate::report::plot::{Dot, dots};
use mental_pong_eval::encoding::{ALLOCENTRIC, Design, EncodingOptions, Folds, Model, encode};
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, TrialType};

const PARTS: [&str; 7] = [
    "ball",
    "eye",
    "hand",
    "ball and eye",
    "ball and hand",
    "eye and hand",
    "all three",
];

pub(super) fn encoding(scene: &Scene, recording: &Recording, out: &mut Out) -> Result<()> {
    let mut scores = Vec::new();
    let mut table = Vec::new();
    let mut pictures = Vec::new();
    // Published: visible trials before occlusion, occluded trials behind it.
    for (trials, mask, words) in [
        (TrialType::Occ, "occ_end_pad0", "occluded"),
        (TrialType::Vis, "start_occ_pad0", "visible"),
    ] {
        let population = match trials {
            TrialType::Occ => units_of(recording),
            TrialType::Vis => Population::All,
        };
        if !recording.has(trials, population, Half::Full) {
            continue;
        }
        let Ok(design) = Design::from_recording(recording, trials, &ALLOCENTRIC, mask) else {
            continue;
        };
        let responses = recording.responses(trials, population, Half::Full)?;
        for (folds, name) in [
            (
                Folds::ByCondition {
                    n: 10,
                    seed: scene.config.seed,
                },
                "held-out conditions",
            ),
            (
                Folds::SampleWise {
                    n: 10,
                    seed: scene.config.seed,
                },
                "held-out bins (leaky, as published)",
            ),
        ] {
            scene.stop_if_asked()?;
            let leaky = matches!(folds, Folds::SampleWise { .. });
            let found = encode(
                &responses,
                &design,
                &EncodingOptions {
                    folds,
                    ..EncodingOptions::default()
                },
            )?;
            let n = format!(
                "{} units, {} bins",
                found.units.len() - found.n_undefined,
                found.n_rows
            );
            let full: Vec<f64> = found
                .units
                .iter()
                .map(|u| u.pvaf_of(Model::Full))
                .filter(|v| v.is_finite())
                .collect();
            scores.push(Score::new(
                scene.brain,
                RowKind::Published,
                &format!("mean share of variance, full model, {words}, {name}"),
                "",
                mental_pong_eval::stats::mean(&full),
                n.clone(),
            ));
            let parts = if leaky {
                found.mean_partition_last_fold
            } else {
                found.mean_partition
            };
            for (part, value) in PARTS.iter().zip(parts) {
                scores.push(Score::new(
                    scene.brain,
                    RowKind::Published,
                    &format!("{part} alone, {words}, {name}"),
                    "",
                    value,
                    n.clone(),
                ));
            }
            if !leaky {
                pictures.extend(PARTS.iter().zip(parts).map(|(part, value)| Dot {
                    group: format!("{words} trials"),
                    name: (*part).to_owned(),
                    value,
                    interval: None,
                    filled: true,
                }));
            }
            for (u, unit) in found.units.iter().enumerate() {
                let mut row = vec![
                    u.to_string(),
                    words.to_owned(),
                    name.to_owned(),
                    unit.lag_bins.to_string(),
                    digits(unit.pvaf_of(Model::Full)),
                ];
                let parts = if leaky {
                    unit.partition_last_fold
                } else {
                    unit.partition
                };
                row.extend(parts.parts().map(digits));
                table.push(row);
            }
        }
    }
    let mut header = vec!["unit", "trials", "folds", "lag_bins", "pvaf_full"];
    header.extend([
        "ball",
        "eye",
        "hand",
        "ball_eye",
        "ball_hand",
        "eye_hand",
        "all_three",
    ]);
    out.table("encoding", &header, &table)?;
    if scores.is_empty() {
        out.skip(
            super::Analysis::Encoding,
            "the recording lacks a variable of the model (ball, eye, paddle, joystick)",
        );
        return Ok(());
    }
    out.figure(
        "encoding",
        "encoding",
        "What single units' variance is shared with",
        "Mean over units of the share of held-out variance that ball, eye and hand explain alone and together; folds by condition.",
        dots("Variance partitioning of single units", "share of held-out variance", &pictures, &[]),
    );
    out.sections.push(Section {
        analysis: "encoding".into(),
        question: "How much of a unit's response goes with the ball, with the eye, with the hand?".into(),
        method: "Least squares on 15 regressors, lag of −6 to 6 bins by held-out likelihood, 10 folds, 11 models, shares of variance partitioned (Rajalingham et al. 2025, Fig. S3). Default: whole conditions are held out and shares are means over folds. The published code holds out single bins, whose neighbours stay in, and returns the last fold: both are here, named.".into(),
        scores,
        warnings: vec!["Shares are differences of cross-validated values and may be negative.".into()],
    });
    Ok(())
}
