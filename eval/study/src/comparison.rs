//! Which differences hold: paired intervals and corrected tests.

use super::scene::Scene;
use super::scores::{Score, Section};
use super::{Out, digits};
use crate::card::RowKind;
use crate::error::Result;
use crate::report::plot::{Curve, curves, matrix};
use mental_pong_eval::compare::{
    ComparisonSettings, Contributions, Layer, Measure, ModelScores, TimeBin, compare_models,
    decode_in_bins, layer_time_table,
};
use mental_pong_eval::decode::Epoch;
use mental_pong_eval::linear::Readout;
use mental_pong_eval::stats::bootstrap::Bootstrap;
use mental_pong_eval::stats::permutation::Permutation;

/// Rows beside the models.
const BESIDE: [&str; 2] = ["no-dynamics", "last-seen"];
/// Width of a time bin of the table, in bins of 50 ms.
const WIDTH_BINS: u32 = 4;

pub(super) fn comparison(scene: &Scene, out: &mut Out) -> Result<()> {
    let chosen: Vec<_> = scene
        .systems
        .iter()
        .filter(|s| {
            s.kind == RowKind::Model || s.name == scene.brain || BESIDE.contains(&s.name.as_str())
        })
        .collect();
    let bootstrap = Bootstrap {
        resamples: scene.config.resamples,
        seed: scene.config.seed,
        ..Bootstrap::default()
    };
    let settings = ComparisonSettings {
        bootstrap,
        permutation: Permutation {
            permutations: scene.config.resamples as u64,
            seed: scene.config.seed,
            ..Permutation::default()
        },
        ..ComparisonSettings::default()
    };
    let mut models = Vec::new();
    for system in &chosen {
        scene.stop_if_asked()?;
        let result = scene.online(system)?;
        models.push(ModelScores {
            name: system.name.clone(),
            contributions: Contributions::held_out(
                &scene.layout,
                &result.held_out,
                Epoch::Hidden,
                1,
                Measure::Pearson,
            )?,
        });
    }
    let found = compare_models(&models, &settings)?;
    let mut scores: Vec<Score> = found
        .models
        .iter()
        .zip(&chosen)
        .map(|(m, s)| {
            Score::new(
                &m.name,
                s.kind,
                "r of y, hidden, mean prediction",
                "",
                m.interval.estimate,
                format!("{} conditions", found.n),
            )
            .between(
                m.interval.low,
                m.interval.high,
                "95 % BCa bootstrap over conditions",
            )
        })
        .collect();
    let mut rows = Vec::new();
    for pair in &found.pairs {
        let (a, b) = (
            &found.models[pair.first].name,
            &found.models[pair.second].name,
        );
        rows.push(vec![
            a.clone(),
            b.clone(),
            digits(pair.difference.estimate),
            digits(pair.difference.low),
            digits(pair.difference.high),
            digits(pair.test.p),
            digits(pair.p_corrected),
            digits(pair.test.p_floor),
            pair.better
                .map_or(String::new(), |k| found.models[k].name.clone()),
        ]);
        scores.push(
            Score::new(
                a,
                chosen[pair.first].kind,
                &format!("r of y, hidden: difference to {b}"),
                "",
                pair.difference.estimate,
                format!("{} conditions", found.n),
            )
            .between(
                pair.difference.low,
                pair.difference.high,
                "95 % BCa bootstrap over conditions, paired",
            )
            .noting(format!(
                "p {:.4} after Holm over {} pairs (smallest possible before: {:.4})",
                pair.p_corrected,
                found.pairs.len(),
                pair.test.p_floor
            )),
        );
    }
    out.table(
        "comparison",
        &[
            "first",
            "second",
            "difference_r_y_hidden",
            "low",
            "high",
            "p",
            "p_holm",
            "p_floor",
            "better",
        ],
        &rows,
    )?;
    let names: Vec<String> = found.models.iter().map(|m| m.name.clone()).collect();
    out.figure(
        "comparison",
        "comparison",
        "p of no difference",
        "p after Holm's correction over all pairs, from swaps of the two rows' conditions. Small: the difference holds beyond these conditions.",
        matrix("Corrected p values of all pairs", &names, &found.p_matrix()),
    );
    let layers: Vec<Layer> = chosen
        .iter()
        .map(|s| Layer {
            name: s.name.clone(),
            features: s.features.clone(),
        })
        .collect();
    let bins = TimeBin::every(WIDTH_BINS, -12, 20)?;
    let bin_ms = scene.layout.bin_ms();
    let table = layer_time_table(
        &layers,
        &bins,
        bin_ms,
        &bootstrap,
        decode_in_bins(
            &scene.layout,
            &scene.splits,
            Readout::Full,
            1,
            Measure::Pearson,
            &bins,
        ),
    )?;
    let rows: Vec<Vec<String>> = table
        .cells
        .iter()
        .map(|c| {
            vec![
                c.layer.clone(),
                digits(c.from_ms),
                digits(c.to_ms),
                digits(c.estimate),
                digits(c.interval.map_or(f64::NAN, |i| i.low)),
                digits(c.interval.map_or(f64::NAN, |i| i.high)),
                c.n.to_string(),
                c.n_rows.to_string(),
                c.too_few.to_string(),
            ]
        })
        .collect();
    out.table(
        "layers_over_time",
        &[
            "row",
            "from_ms",
            "to_ms",
            "r_y",
            "low",
            "high",
            "n_conditions",
            "n_bins",
            "too_few",
        ],
        &rows,
    )?;
    let lines: Vec<Curve> = table
        .layers
        .iter()
        .map(|name| Curve {
            name: name.clone(),
            points: table
                .cells
                .iter()
                .filter(|c| c.layer == *name && !c.too_few)
                .map(|c| ((c.from_ms + c.to_ms) / 2.0, c.estimate, f64::NAN, f64::NAN))
                .collect(),
        })
        .collect();
    out.figure(
        "comparison",
        "layers_over_time",
        "Row × time",
        "Correlation of decoded and true height in windows of 200 ms from the onset of occlusion; intervals stand in tables/layers_over_time.csv.",
        curves("Correlation of height over time for each row", "time from the onset of occlusion (ms)", "r of y", &lines),
    );
    let mut warnings = found.warnings;
    warnings.push("Predictions are averaged over the splits in which a condition was held out. A row that knows nothing has a negative correlation then, since the mean of the other conditions leans away from the one left out: compare rows with each other, not with 0.".into());
    out.sections.push(Section {
        analysis: "comparison".into(),
        question: "Would the differences between rows hold for other conditions?".into(),
        method: format!(
            "Statistic: correlation of true and decoded height over hidden bins, predictions averaged over the splits in which a condition was held out. Conditions are resampled with replacement, the same for both rows of a pair ({} resamples, BCa); p by swapping the rows' conditions, Holm over pairs.",
            scene.config.resamples
        ),
        scores,
        warnings,
    });
    Ok(())
}
