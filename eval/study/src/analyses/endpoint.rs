//! Where the ball will end: read out of every row over time.

use super::behavior::last_in_trial;
use super::{CURVES, MIN_AT_A_TIME};
use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score, interval};
use crate::cells;
use crate::error::Result;
use crate::report::plot::{Curve, curves};
use crate::scene::{FIFTY, Row, Scene, in_layout, units_of};
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::{
    BehaviorRelation, ConditionSet, EndpointDecoder, EndpointResult, Part, SecondStage,
};
use mental_pong_eval::recordings::dmfc::{Half, TrialType};

/// How early is the end foreseen?
pub(crate) struct Endpoint;

/// Time from occlusion of the controls.
const HEADLINE_MS: f64 = 250.0;
/// Fewest conditions with a paddle whose errors are related to those of the decoded end.
const FEWEST_PADDLES: usize = 10;
/// Most deals of the shuffle control.
const SHUFFLES: usize = 200;

impl Analysis for Endpoint {
    fn id(&self) -> &'static str {
        "endpoint"
    }
    fn chapter(&self) -> &'static str {
        "concepts/decoding"
    }

    fn title(&self) -> &'static str {
        "How early is the end foreseen?"
    }

    fn question(&self) -> &'static str {
        "Long before the ball arrives, does the state already hold where it will end?"
    }

    fn does_not_show(&self) -> &'static str {
        "That the end can be read early does not say that it is computed early: place and velocity of the visible ball, read linearly, foresee the end of every flight without a bounce. Rows that are given the true state (oracle, kinematic) foresee the end at once: that is trivial for them."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Rows]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let mut table = Table::new(
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
        );
        let mut lines = Vec::new();
        let mut related = Vec::new();
        let paddle = scene
            .recording
            .and_then(|r| r.behavior(TrialType::Occ, "paddle_pos_y").ok())
            .map(|p| last_in_trial(scene, &p))
            // A paddle that was never recorded is all NaN.
            .filter(|p| p.iter().filter(|v| v.is_finite()).count() >= FEWEST_PADDLES);
        let units = units(scene)?;
        for row in &scene.rows {
            scene.stop_if_asked()?;
            // As published: of the recording the units themselves, and not their factors.
            let features = match &units {
                Some(units) if row.kind == RowKind::Published => units,
                _ => scene.features(row)?,
            };
            // Correlations over as few held-out conditions as published; tables say how many there are, figures leave such times out.
            let decoder =
                EndpointDecoder::new(&scene.layout, features, &scene.ends)?.min_conditions(2);
            let result = decoder.run(&scene.splits, FIFTY)?;
            if row.tested() {
                controls(scene, row, &decoder, out)?;
                if let Some(paddle) = &paddle {
                    let held = decoder.held_out(&scene.splits, FIFTY)?;
                    let found = decoder.behavior_relation(
                        &held,
                        paddle,
                        Part::Hidden,
                        scene.config.resamples,
                        scene.config.seed,
                    )?;
                    related.push((row.name.clone(), found));
                }
            }
            tabulate(row, &result, scene.layout.bin_ms(), &mut table, out);
            if row.drawn && lines.len() < CURVES {
                lines.push(curve(row, &result, lines.is_empty()));
            }
        }
        out.tables.push(table);
        out.figure(
            "endpoint",
            "endpoint",
            "How early the end of the path can be read",
            "One static decoder reads the height at which the ball will end, at every time from the start of motion: correlation across held-out conditions, mean over splits (band: ± SD over splits, first row only; nulls in grey). In DMFC the published r rises to about 0.7 to 0.8 within 250 ms and stays there (read from Fig. 5B of 2025 by eye).",
            curves(
                "Correlation of decoded and true end height over time",
                "time from the start of motion (ms)",
                "correlation with the end height (Pearson r)",
                &lines,
            ),
        );
        relation(&related, out);
        out.method.push("50 principal components of the training conditions, least squares on all bins, one decoder for all times, read over time (Rajalingham et al. 2025, Fig. 5B; what the figure calls RMSE is a mean |error|). Two-stage control: the end height read from the decoded position alone. Shuffle control: end heights dealt to other conditions, everything fitted again.".into());
        Ok(())
    }
}

fn units(scene: &Scene) -> Result<Option<Vec<Array2>>> {
    let Some(recording) = scene.recording else {
        return Ok(None);
    };
    let responses = recording.responses(TrialType::Occ, units_of(recording), Half::Full)?;
    Ok(Some(in_layout(&scene.layout, &responses)))
}

fn tabulate(row: &Row, result: &EndpointResult, bin_ms: f64, table: &mut Table, out: &mut Out) {
    for (alignment, points) in [
        ("start", &result.from_start),
        ("occlusion", &result.from_occlusion),
    ] {
        for p in points {
            table.push(cells![
                &row.name,
                alignment,
                p.offset_ms,
                p.r.mean,
                p.r.sd,
                p.mae.mean,
                p.mae.sd,
                p.n_conditions,
            ]);
        }
    }
    for (metric, ms) in [
        ("r_end_0ms", 0.0),
        ("r_end_250ms", 250.0),
        ("r_end_500ms", 500.0),
    ] {
        // The bin that holds the time.
        let holds = |from: f64| (0.0..bin_ms).contains(&(ms - from));
        if let Some(p) = result.from_occlusion.iter().find(|p| holds(p.offset_ms)) {
            out.scores.push(
                Score::of(&row.name, row.kind, metric, p.r.mean)
                    .during("hidden")
                    .target("end")
                    .conditions(p.n_conditions)
                    .over_splits(&p.r),
            );
        }
    }
}

fn curve(row: &Row, result: &EndpointResult, band: bool) -> Curve {
    let end = |v: f64| if band { v } else { f64::NAN };
    Curve {
        name: row.name.clone(),
        null: row.kind == RowKind::Control,
        points: result
            .from_start
            .iter()
            .filter(|p| p.n_conditions >= MIN_AT_A_TIME)
            .map(|p| {
                let r = &p.r;
                (p.offset_ms, r.mean, end(r.mean - r.sd), end(r.mean + r.sd))
            })
            .collect(),
    }
}

/// The two-stage and the shuffle control, at the bin of the headline.
fn controls(scene: &Scene, row: &Row, decoder: &EndpointDecoder<'_>, out: &mut Out) -> Result<()> {
    let bin = (HEADLINE_MS / scene.layout.bin_ms()) as usize;
    let null = decoder.shuffled(
        &scene.splits,
        FIFTY,
        Part::Hidden,
        scene.config.resamples.min(SHUFFLES),
        scene.config.seed,
    )?;
    let score = |metric: &str, value| {
        Score::of(&row.name, row.kind, metric, value)
            .during("hidden")
            .target("end")
            .conditions(scene.n_conditions())
    };
    if let (Some(s), Some(Some(p))) = (null.null.get(bin), null.p.get(bin)) {
        out.scores.push(
            score("r_end_250ms_shuffled", s.mean)
                .between(s.p025, s.p975, interval::NULL)
                .noting(format!(
                    "{} deals of the end heights; p of the true heights {:.4}, smallest possible {:.4}",
                    null.n_shuffles, p.p, p.floor
                )),
        );
    }
    let (second, held) = decoder.two_stage(&scene.splits, FIFTY, SecondStage::Decoded)?;
    let all = ConditionSet {
        name: "all".into(),
        conditions: (0..scene.n_conditions()).collect(),
    };
    if let Some(r) = second
        .curves(&held, Part::Hidden, &[all])
        .first()
        .and_then(|c| c.r.get(bin).copied())
    {
        out.scores
            .push(score("r_end_250ms_two_stage", r.mean).over_splits(&r));
    }
    Ok(())
}

/// How errors of the decoded end go with the animals' errors, over time.
fn relation(related: &[(String, BehaviorRelation)], out: &mut Out) {
    if related.is_empty() {
        return;
    }
    let mut table = Table::new(
        "endpoint_behavior",
        &["row", "offset_ms", "r", "p", "p_floor", "n_conditions"],
    );
    let mut lines = Vec::new();
    for (name, found) in related {
        let mut points = Vec::new();
        for (bin, &r) in found.r.iter().enumerate() {
            let ms = bin as f64 * found.bin_ms;
            let p = found.p.get(bin).copied().flatten();
            if found.n_conditions[bin] >= MIN_AT_A_TIME {
                points.push((ms, r, f64::NAN, f64::NAN));
            }
            table.push(cells![
                name,
                ms,
                r,
                p.map_or(f64::NAN, |p| p.p),
                p.map_or(f64::NAN, |p| p.floor),
                found.n_conditions[bin],
            ]);
        }
        lines.push(Curve {
            name: name.clone(),
            null: false,
            points,
        });
    }
    out.tables.push(table);
    lines.truncate(CURVES);
    out.figure(
        "endpoint_behavior",
        "endpoint_behavior",
        "Errors of the decoded end and of the animals",
        "Decoded end height and final paddle are each regressed on the true end; correlation of the residuals over conditions, from the onset of occlusion. p values stand in the table.",
        curves(
            "Correlation of decoded and behavioural errors over time",
            "time from the onset of occlusion (ms)",
            "correlation of residuals (Pearson r)",
            &lines,
        ),
    );
}
