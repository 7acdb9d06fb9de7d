//! Prediction of single units from models.

use mental_pong_base::Quiet;

use super::population::{halves, units_of};
use super::scene::{Scene, System};
use super::scores::{Score, Section};
use super::{Out, digits};
use crate::card::{Check, RowKind};
use crate::error::{Error, Result};
use crate::report::plot::{Dot, dots};
use mental_pong_eval::array::Array2;
use mental_pong_eval::linear::Map;
use mental_pong_eval::predictivity::{
    BetweenAnimals, IntervalOptions, Options, Predictivity, RowSplit, Source, SplitBy, SplitScheme,
    between_animals, predictivity as predict,
};
use mental_pong_eval::recordings::dmfc::Recording;

/// Masks that maps are fitted and scored in.
const MASKS: [(&str, &str); 2] = [
    ("start_end_pad0", "whole trial"),
    ("occ_end_pad0", "hidden"),
];
const INTERVAL: &str = "95 % bootstrap over conditions and units";

pub(super) fn predictivity(scene: &Scene, recording: &Recording, out: &mut Out) -> Result<()> {
    let population = units_of(recording);
    let options = Options {
        map: map(&scene.config.map)?,
        interval: Some(IntervalOptions {
            replicates: scene.config.resamples as u32,
            seed: scene.config.seed,
            ..IntervalOptions::default()
        }),
        ..Options::default()
    };
    let mut scores = Vec::new();
    let mut table = Vec::new();
    let mut by_unit = Vec::new();
    let mut pictures = Vec::new();
    let mut above = 0;
    for (mask, words) in MASKS {
        let (target, cells) = halves(recording, population, mask)?;
        let conditions: Vec<usize> = cells.iter().map(|&(c, _)| c).collect();
        let scheme = SplitScheme {
            by: if scene.config.map_by_bin_leaky {
                SplitBy::RowLeaky
            } else {
                SplitBy::Condition
            },
            n_splits: scene.config.map_splits as u32,
            first_seed: scene.config.split_seed,
            ..SplitScheme::default()
        };
        let splits = scheme.splits(&conditions)?;
        let mut dots_of = Vec::new();
        for system in scene
            .systems
            .iter()
            .filter(|s| s.kind != RowKind::Published)
        {
            scene.stop_if_asked()?;
            let x = rows_of(scene, system, &cells)?;
            let n_units = target.units();
            let metric = format!("median r_xy_n_sb, {words}");
            if constant(&x) {
                scores.push(
                    Score::new(
                        &system.name,
                        system.kind,
                        &metric,
                        "",
                        f64::NAN,
                        format!("{n_units} units"),
                    )
                    .noting("constant features predict constants: undefined"),
                );
                continue;
            }
            let found = predict(
                Source::Features(&x),
                &target,
                &conditions,
                &splits,
                &options,
                &Quiet,
            )?;
            above += found.population.n_above_one;
            score(system, &found, words, &mut scores);
            dots_of.push(Dot {
                group: super::group(system.kind).into(),
                name: system.name.clone(),
                value: found.population.median,
                interval: found.population.interval.map(|i| (i.low, i.high)),
                filled: system.kind == RowKind::Model,
            });
            let p = &found.population;
            table.push(vec![
                system.name.clone(),
                words.into(),
                digits(p.median),
                digits(p.interval.map_or(f64::NAN, |i| i.low)),
                digits(p.interval.map_or(f64::NAN, |i| i.high)),
                digits(p.standard_error),
                digits(p.median_published),
                digits(p.median_r_xy),
                digits(p.median_r_yy_sb),
                p.n_units.to_string(),
                p.n_undefined.to_string(),
                p.n_above_one.to_string(),
                p.n_both_negative.to_string(),
            ]);
            for (u, unit) in found.units.iter().enumerate() {
                by_unit.push(vec![
                    system.name.clone(),
                    words.into(),
                    u.to_string(),
                    digits(unit.score),
                    digits(unit.r_xy),
                    digits(unit.r_xx_sb),
                    digits(unit.r_yy_sb),
                ]);
            }
        }
        if let Some(other) = &scene.inputs.other {
            for (name, found) in
                other_animal(recording, other, population, mask, &splits, &options)?
            {
                let row = System {
                    name,
                    kind: RowKind::Reference,
                    description: String::new(),
                    features: Vec::new(),
                    drawn: false,
                    online: std::cell::OnceCell::new(),
                };
                score(&row, &found, words, &mut scores);
                dots_of.push(Dot {
                    group: super::group(row.kind).into(),
                    name: row.name,
                    value: found.population.median,
                    interval: found.population.interval.map(|i| (i.low, i.high)),
                    filled: false,
                });
            }
        }
        pictures.push((words, dots_of));
    }
    out.table(
        "predictivity",
        &[
            "row",
            "part",
            "median_r_xy_n_sb",
            "low",
            "high",
            "standard_error",
            "median_as_published",
            "median_r_xy",
            "median_r_yy_sb",
            "n_units",
            "n_undefined",
            "n_above_one",
            "n_both_negative",
        ],
        &table,
    )?;
    out.table(
        "predictivity_units",
        &[
            "row",
            "part",
            "unit",
            "r_xy_n_sb",
            "r_xy",
            "r_xx_sb",
            "r_yy_sb",
        ],
        &by_unit,
    )?;
    for (words, rows) in pictures.into_iter().rev() {
        out.figure(
            "predictivity",
            &format!("predictivity_{}", words.replace(' ', "_")),
            &format!("Prediction of units, {words}"),
            "Noise-corrected correlation of predicted and recorded responses on held-out conditions, median over units; bars: 95 % bootstrap over conditions and units. 1 is all that the recording's noise allows.",
            dots(
                &format!("Median noise-corrected predictivity, {words}"),
                "median r_xy_n_sb",
                &rows,
                &[],
            ),
        );
    }
    for model in scene.of_kind(RowKind::Model) {
        let value = |name: &str| {
            scores
                .iter()
                .find(|s: &&Score| s.row == name && s.metric == "median r_xy_n_sb, hidden")
                .map(|s| s.value)
        };
        if let (Some(mine), Some(null)) = (value(&model.name), value("random-weights")) {
            out.checks.push(Check {
                name: format!(
                    "{} predicts units better than random-weights, hidden",
                    model.name
                ),
                passed: mine > null,
                detail: format!("median {mine:.3} and {null:.3}"),
            });
        }
    }
    let mut warnings = vec![
        "The published comparison of Nayebi et al. does not say whether frames of one condition stood on both sides of a split; here whole conditions are held out.".to_owned(),
    ];
    if above > 0 {
        warnings.push(format!("{above} unit scores are above 1: their reliability was estimated too low. Nothing is clipped."));
    }
    out.sections.push(Section {
        analysis: "predictivity".into(),
        question: "Can a linear map from the model predict the response of a unit on conditions it was not fitted on?".into(),
        method: format!(
            "{} splits, 80 % {} to fit on; map {} (ridge-cv: penalty by leave-one-out error among the published 24); maps fitted to all trials and to each half; r(prediction, response) / √(SB r(predictions of halves) · SB r(halves)) (Nayebi et al. 2023, brainmodel_utils), mean over splits, median over units.",
            scene.config.map_splits,
            if scene.config.map_by_bin_leaky { "of single bins (LEAKY)" } else { "of the conditions" },
            scene.config.map
        ),
        scores,
        warnings,
    });
    Ok(())
}

fn map(name: &str) -> Result<Map> {
    Ok(match name {
        "ridge-cv" => Map::published(),
        "ridge" => Map::Ridge { alpha: 1.0 },
        "least-squares" => Map::LeastSquares,
        "pls" => Map::Pls {
            components: 25,
            scale: false,
        },
        "percentile" => Map::Percentile {
            percentile: 90.0,
            alpha: 1.0,
        },
        "best-feature" => Map::BestFeature,
        other => {
            return Err(Error::invalid(
                "map",
                format!(
                    "`{other}`; expected ridge-cv, ridge, least-squares, pls, percentile or best-feature"
                ),
            ));
        }
    })
}

/// Another animal in the model's place: one unit for each unit, and all of them together.
fn other_animal(
    recording: &Recording,
    other: &Recording,
    population: mental_pong_eval::recordings::dmfc::Population,
    mask: &str,
    splits: &[RowSplit],
    options: &Options,
) -> Result<Vec<(String, Predictivity)>> {
    let (target, cells) = halves(recording, population, mask)?;
    let (source, theirs) = halves(other, units_of(other), mask)?;
    if cells != theirs || recording.condition_ids() != other.condition_ids() {
        return Err(Error::field(
            format!("other recording, {mask}"),
            format!("the same {} bins of the same conditions", cells.len()),
            format!("{} bins", theirs.len()),
        ));
    }
    let conditions: Vec<usize> = cells.iter().map(|&(c, _)| c).collect();
    [
        (BetweenAnimals::OneToOne, "other animal, one-to-one"),
        (BetweenAnimals::Pooled, "other animal, pooled"),
    ]
    .into_iter()
    .map(|(how, name)| {
        let found = between_animals(&source, &target, &conditions, splits, how, options, &Quiet)?;
        Ok((name.to_owned(), found))
    })
    .collect()
}

fn score(system: &System, found: &Predictivity, words: &str, scores: &mut Vec<Score>) {
    let p = &found.population;
    let n = format!("{} units", p.n_units);
    let mut median = Score::new(
        &system.name,
        system.kind,
        &format!("median r_xy_n_sb, {words}"),
        "",
        p.median,
        n.clone(),
    )
    .below(1.0);
    if let Some(i) = p.interval {
        median = median.between(i.low, i.high, INTERVAL);
    }
    scores.push(median);
    scores.push(
        Score::new(
            &system.name,
            system.kind,
            &format!("median r_xy, not corrected, {words}"),
            "",
            p.median_r_xy,
            n,
        )
        .below(p.median_r_yy_sb.sqrt()),
    );
}

/// Features in the cells of a mask, `[(condition, bin), unit]`.
fn rows_of(scene: &Scene, system: &System, cells: &[(usize, usize)]) -> Result<Array2> {
    let conditions = scene.layout.conditions();
    let mut rows: Vec<&[f64]> = Vec::with_capacity(cells.len());
    for &(c, bin) in cells {
        let row = conditions[c]
            .bins
            .iter()
            .position(|&b| b == bin)
            .ok_or_else(|| {
                Error::invalid(
                    format!("condition {}", conditions[c].id),
                    format!("bin {bin} is outside of start_end"),
                )
            })?;
        rows.push(system.features[c].row(row));
    }
    Ok(Array2::from_rows(&rows)?)
}

fn constant(x: &Array2) -> bool {
    (1..x.rows()).all(|row| x.row(row) == x.row(0))
}
