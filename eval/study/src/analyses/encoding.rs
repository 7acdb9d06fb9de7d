//! What drives single units.

use crate::analysis::{Analysis, Cell, Need, Out, Table};
use crate::card::{RowKind, Score};
use crate::cells;
use crate::error::Result;
use crate::report::plot::{Dot, dots};
use crate::scene::{Scene, units_of};
use mental_pong_eval::encoding::{
    ALLOCENTRIC, Design, EncodingOptions, EncodingResult, Folds, Model, encode,
};
use mental_pong_eval::recordings::dmfc::{Half, Population, TrialType};
use mental_pong_eval::stats::mean;

/// What drives single units?
pub(crate) struct Encoding;

const PARTS: [&str; 7] = [
    "ball",
    "eye",
    "hand",
    "ball and eye",
    "ball and hand",
    "eye and hand",
    "all three",
];

/// Published: visible trials before occlusion, occluded trials behind it.
const TRIALS: [(TrialType, &str, &str); 2] = [
    (TrialType::Occ, "occ_end_pad0", "hidden"),
    (TrialType::Vis, "start_occ_pad0", "visible"),
];

impl Analysis for Encoding {
    fn id(&self) -> &'static str {
        "encoding"
    }
    fn chapter(&self) -> &'static str {
        "concepts/encoding"
    }

    fn title(&self) -> &'static str {
        "What drives single units?"
    }

    fn question(&self) -> &'static str {
        "How much of a unit's response goes with the ball, with the eye, with the hand?"
    }

    fn does_not_show(&self) -> &'static str {
        "Shares are differences of cross-validated values and may be negative. What ball, eye and hand share cannot be told apart by a regression."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Recording]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let Some(recording) = scene.recording else {
            return Ok(());
        };
        let mut table = Table::new(
            "encoding",
            &[
                "unit",
                "trials",
                "folds",
                "lag_bins",
                "pvaf_full",
                "ball",
                "eye",
                "hand",
                "ball_eye",
                "ball_hand",
                "eye_hand",
                "all_three",
            ],
        );
        let (mut pictures, mut lacks) = (Vec::new(), Vec::new());
        for (trials, mask, epoch) in TRIALS {
            let population = match trials {
                TrialType::Occ => units_of(recording),
                TrialType::Vis => Population::All,
            };
            if !recording.has(trials, population, Half::Full) {
                continue;
            }
            let design = match Design::from_recording(recording, trials, &ALLOCENTRIC, mask) {
                Ok(design) => design,
                Err(error) => {
                    lacks.push(format!("{} trials: {error}", trials.key()));
                    continue;
                }
            };
            let responses = recording.responses(trials, population, Half::Full)?;
            for leaky in [false, true] {
                scene.stop_if_asked()?;
                let (n, seed) = (10, scene.config.seed);
                let folds = if leaky {
                    Folds::SampleWise { n, seed }
                } else {
                    Folds::ByCondition { n, seed }
                };
                let options = EncodingOptions {
                    folds,
                    ..EncodingOptions::default()
                };
                let found = encode(&responses, &design, &options)?;
                tabulate(scene, &found, epoch, leaky, &mut table, out);
                if !leaky {
                    let parts = found.mean_partition;
                    pictures.extend(PARTS.iter().zip(parts).map(|(part, value)| Dot {
                        group: crate::words::epoch(epoch).into(),
                        name: (*part).to_owned(),
                        value,
                        interval: None,
                        filled: true,
                    }));
                }
            }
        }
        if table.rows.is_empty() {
            lacks.insert(
                0,
                "the recording lacks a variable of the model (ball, eye, paddle, joystick)".into(),
            );
            out.skip(lacks.join("; "));
            return Ok(());
        }
        out.warnings.extend(lacks);
        out.tables.push(table);
        out.figure(
            "encoding",
            "encoding",
            "What single units' variance is shared with",
            "Mean over units of the share of held-out variance that ball, eye and hand explain alone and together; folds by condition.",
            dots("Variance partitioning of single units", "share of held-out variance", &pictures, &[]),
        );
        out.method.push("Least squares on 15 regressors, lag of −6 to 6 bins by held-out likelihood, 10 folds, 11 models, shares of variance partitioned (Rajalingham et al. 2025, Fig. S3). Default: whole conditions are held out and shares are means over folds. The published code holds out single bins, whose neighbours stay in, and returns the last fold: both are here, named.".into());
        Ok(())
    }
}

fn tabulate(
    scene: &Scene,
    found: &EncodingResult,
    epoch: &str,
    leaky: bool,
    table: &mut Table,
    out: &mut Out,
) {
    let words = if leaky {
        "held-out bins (leaky, as published)"
    } else {
        "held-out conditions"
    };
    let score = |metric: &str, value| {
        let metric = if leaky {
            format!("{metric}_leaky")
        } else {
            metric.to_owned()
        };
        Score::of(scene.brain, RowKind::Published, &metric, value)
            .during(epoch)
            .bins(found.n_rows)
            .noting(format!("{} units", found.units.len() - found.n_undefined))
    };
    let full: Vec<f64> = found
        .units
        .iter()
        .map(|u| u.pvaf_of(Model::Full))
        .filter(|v| v.is_finite())
        .collect();
    out.scores.push(score("pvaf_full", mean(&full)));
    let parts = if leaky {
        found.mean_partition_last_fold
    } else {
        found.mean_partition
    };
    for (part, value) in PARTS.iter().zip(parts) {
        out.scores.push(score("pvaf_alone", value).target(part));
    }
    for (u, unit) in found.units.iter().enumerate() {
        let mut row = cells![
            u,
            epoch,
            words,
            unit.lag_bins.to_string(),
            unit.pvaf_of(Model::Full)
        ];
        let parts = if leaky {
            unit.partition_last_fold
        } else {
            unit.partition
        };
        row.extend(parts.parts().map(Cell::from));
        table.push(row);
    }
}
