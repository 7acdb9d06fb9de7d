//! Similarity of representational geometry with the recording.

use super::scene::Scene;
use super::scores::{Score, Section};
use super::{Out, digits};
use crate::card::RowKind;
use crate::error::Result;
use crate::report::plot::{Dot, dots};
use mental_pong_eval::recordings::dmfc::{Half, Recording, TrialType};
use mental_pong_eval::rsa::{Rsa, System};

/// Parts of the trial that are shown; all stand in the table.
const SHOWN: [(&str, &str); 3] = [
    ("occ_end", "hidden"),
    ("start_occ", "visible"),
    ("start_end", "whole trial"),
];

pub(super) fn rsa(scene: &Scene, recording: &Recording, out: &mut Out) -> Result<()> {
    let trials = TrialType::Occ;
    let (full, what) = scene.recorded(recording, trials, Half::Full)?;
    let (first, _) = scene.recorded(recording, trials, Half::Sh1)?;
    let (second, _) = scene.recorded(recording, trials, Half::Sh2)?;
    let axis = scene.axis()?;
    let ball = scene.ball();
    let rsa = Rsa::new(
        &axis,
        &System::with_halves(scene.brain, &full, &first, &second),
        Some(&ball),
    )?;
    let compared: Vec<_> = scene
        .systems
        .iter()
        .filter(|s| s.kind != RowKind::Published)
        .collect();
    let systems: Vec<System> = compared
        .iter()
        .map(|s| System::noiseless(&s.name, &s.features))
        .collect();
    let found = rsa.compare(&systems)?;
    let mut scores = Vec::new();
    let mut table = Vec::new();
    for (system, score) in compared.iter().zip(&found) {
        for part in &score.parts {
            let (raw, se) = (part.raw, part.raw_se);
            let empty = f64::NAN;
            let textbook = part.partial;
            table.push(vec![
                system.name.clone(),
                part.part.clone(),
                digits(raw.r_xy),
                digits(raw.r_xx),
                digits(raw.r_xy_n),
                digits(raw.r_xy_n_sb),
                digits(se.r_xy_n_sb),
                digits(textbook.map_or(empty, |p| p.r_xy_n_sb)),
                digits(part.partial_as_published.map_or(empty, |p| p.r_xy_n_sb)),
                part.n_states.to_string(),
                part.n_pairs.to_string(),
                part.n_pairs_missing.to_string(),
            ]);
            if !SHOWN.iter().any(|(name, _)| *name == part.part) {
                continue;
            }
            let n = format!("{} states", part.n_states);
            let spread = 1.96 * se.r_xy_n_sb;
            let interval = "95 % jackknife over conditions";
            scores.push(
                Score::new(
                    &system.name,
                    system.kind,
                    &format!("r_xy_n_sb, {}", part.part),
                    "",
                    raw.r_xy_n_sb,
                    n.clone(),
                )
                .between(raw.r_xy_n_sb - spread, raw.r_xy_n_sb + spread, interval),
            );
            scores.push(Score::new(
                &system.name,
                system.kind,
                &format!("r_xy_n, {}", part.part),
                "",
                raw.r_xy_n,
                n.clone(),
            ));
            if let (Some(partial), Some(se)) = (textbook, part.partial_se) {
                let spread = 1.96 * se.r_xy_n_sb;
                scores.push(
                    Score::new(
                        &system.name,
                        system.kind,
                        &format!("partial r_xy_n_sb given the ball, {}", part.part),
                        "",
                        partial.r_xy_n_sb,
                        n,
                    )
                    .between(
                        partial.r_xy_n_sb - spread,
                        partial.r_xy_n_sb + spread,
                        interval,
                    ),
                );
            }
        }
    }
    out.table(
        "rsa",
        &[
            "row",
            "part",
            "r_xy",
            "r_xx",
            "r_xy_n",
            "r_xy_n_sb",
            "r_xy_n_sb_se",
            "partial_r_xy_n_sb",
            "partial_as_published_r_xy_n_sb",
            "n_states",
            "n_pairs",
            "n_pairs_missing",
        ],
        &table,
    )?;
    for (part, words) in [SHOWN[0], SHOWN[2]] {
        let rows: Vec<Dot> = compared
            .iter()
            .zip(&found)
            .filter_map(|(system, score)| {
                let p = score.part(part)?;
                let spread = 1.96 * p.raw_se.r_xy_n_sb;
                Some(Dot {
                    group: super::group(system.kind).into(),
                    name: system.name.clone(),
                    value: p.raw.r_xy_n_sb,
                    interval: Some((p.raw.r_xy_n_sb - spread, p.raw.r_xy_n_sb + spread)),
                    filled: system.kind == RowKind::Model,
                })
            })
            .collect();
        out.figure(
            "rsa",
            &format!("rsa_{part}"),
            &format!("Geometry alike, {words}"),
            "Correlation of distances between states with those of DMFC, corrected for the noise of the recording (r_xy_n_sb); bars: 95 % jackknife over conditions.",
            dots(
                &format!("Noise-corrected similarity of geometry with DMFC, {words}"),
                "r_xy_n_sb",
                &rows,
                &[],
            ),
        );
    }
    let mut warnings = Vec::new();
    if found
        .iter()
        .flat_map(|s| &s.parts)
        .any(|p| p.raw.r_xy_n_sb > 1.0)
    {
        warnings.push(
            "A value is above 1: the ceiling was estimated too low. Nothing is clipped.".to_owned(),
        );
    }
    out.sections.push(Section {
        analysis: "rsa".into(),
        question: "Are states that are far apart in DMFC far apart in the model?".into(),
        method: format!(
            "Euclidean distances between all pairs of states (condition, bin) of {what}; correlation of the distances. r_xy_n is the text's Eq. 4, r_xy_n_sb, with Spearman-Brown, is what the published code reports, and the headline here. Both systems stand in bins of 50 ms; the published comparison warps the recording onto the network's 41-ms steps. Partial: distances between ball positions are taken out of both; the table also has what the published code calls partial, which is another quantity (Rajalingham et al. 2025, Fig. 4).",
        ),
        scores,
        warnings,
    });
    Ok(())
}
