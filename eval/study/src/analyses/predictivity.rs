//! Prediction of single units from models.

use mental_pong_base::Quiet;

use super::population::halves;
use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{Check, RowKind, Score, interval};
use crate::cells;
use crate::error::{Error, Result};
use crate::report::plot::{Dot, Mark, dots};
use crate::scene::{Row, Scene, units_of};
use crate::validity::leak_rule;
use mental_pong_eval::array::Array2;
use mental_pong_eval::controls::leak_check;
use mental_pong_eval::linear::{Map, published_alphas};
use mental_pong_eval::predictivity::{
    BetweenAnimals, Halves, IntervalOptions, Options, Predictivity as Found, RowSplit, Source,
    SplitBy, SplitScheme, between_animals, predictivity as predict,
};
use mental_pong_eval::recordings::dmfc::{Population, Recording};

/// Are the responses of units predicted?
pub(crate) struct Predictivity;

/// Masks that maps are fitted and scored in, and the part of the trial that they are.
const MASKS: [(&str, &str); 2] = [("start_end_pad0", "all"), ("occ_end_pad0", "hidden")];

/// What is the same for all rows in one mask.
struct Mask {
    epoch: &'static str,
    target: Halves,
    cells: Vec<(usize, usize)>,
    conditions: Vec<usize>,
    splits: Vec<RowSplit>,
    /// Median noise-corrected r of the other half of the neurons, in the model's place.
    ceiling: f64,
}

struct Tables {
    rows: Table,
    units: Table,
    /// Rows whose penalty stood at an end of its grid, with the share of maps.
    edges: Vec<String>,
    /// Rows whose components were cut to their features.
    cut: Vec<String>,
    above_one: usize,
}

impl Analysis for Predictivity {
    fn id(&self) -> &'static str {
        "predictivity"
    }
    fn chapter(&self) -> &'static str {
        "concepts/predictivity"
    }

    fn title(&self) -> &'static str {
        "Are the responses of units predicted?"
    }

    fn question(&self) -> &'static str {
        "Can a linear map from the model predict the response of a unit on conditions it was not fitted on?"
    }

    fn does_not_show(&self) -> &'static str {
        "A map may find in many features what it needs, whatever they are for: random networks of many units predict well. The published comparison of Nayebi et al. does not say whether frames of one condition stood on both sides of a split; here whole conditions are held out."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Recording, Need::Halves]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let Some(recording) = scene.recording else {
            return Ok(());
        };
        let population = units_of(recording);
        let mut tables = tables();
        for (mask, epoch) in MASKS {
            let mask = Mask::new(scene, recording, population, mask, epoch)?;
            let mut dots_of = Vec::new();
            for row in scene.rows.iter().filter(|s| s.kind != RowKind::Published) {
                scene.stop_if_asked()?;
                if let Some(found) = one(scene, row, &mask, &mut tables, out)? {
                    dots_of.push(dot(&row.name, row.kind, &found));
                }
            }
            if let Some(other) = &scene.inputs.other {
                for (name, found) in other_animal(scene, recording, other, population, &mask)? {
                    score(&name, RowKind::Reference, &found, &mask, out);
                    dots_of.push(dot(&name, RowKind::Reference, &found));
                }
            }
            leak(scene, &mask, out)?;
            picture(&mask, &dots_of, out);
        }
        let Tables {
            rows,
            units,
            edges,
            cut,
            above_one,
        } = tables;
        out.tables.extend([rows, units]);
        if above_one > 0 {
            out.warnings.push(format!("{above_one} unit scores are above 1: their reliability was estimated too low. Nothing is clipped."));
        }
        if !edges.is_empty() {
            out.warnings.push(format!(
                "The ridge penalty stands at an end of its grid ({:e} to {:e}) for {}: a smaller or larger penalty might predict better, and the score depends on the unit of the features. Features of about unit variance avoid it.",
                published_alphas()[0],
                published_alphas().last().copied().unwrap_or(f64::NAN),
                edges.join(", ")
            ));
        }
        if !cut.is_empty() {
            out.warnings.push(format!(
                "Fewer features than components: {}.",
                cut.join(", ")
            ));
        }
        let config = scene.config;
        out.method.push(format!(
            "{} splits, 80 % {} to fit on; map {}{}; maps fitted to all trials and to each half; r(prediction, response) / √(SB r(predictions of halves) · SB r(halves)) (Nayebi et al. 2023, brainmodel_utils), mean over splits, median over {}.",
            config.map_splits,
            if config.map_by_bin_leaky { "of single bins (LEAKY)" } else { "of the conditions" },
            config.map,
            if config.map == "ridge-cv" { " (penalty by leave-one-out error among the published 24)" } else { "" },
            match population {
                Population::Reliable => "the reliable units",
                _ => "all units",
            }
        ));
        out.method.push("Ceiling: every other neuron in the model's place, predicting the rest by the same map.".into());
        Ok(())
    }
}

fn tables() -> Tables {
    Tables {
        rows: Table::new(
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
                "ceiling_r_xy_n_sb",
                "n_units",
                "n_undefined",
                "n_above_one",
                "n_both_negative",
                "penalty_at_edge_share",
            ],
        ),
        units: Table::new(
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
        ),
        edges: Vec::new(),
        cut: Vec::new(),
        above_one: 0,
    }
}

impl Mask {
    fn new(
        scene: &Scene,
        recording: &Recording,
        population: Population,
        mask: &str,
        epoch: &'static str,
    ) -> Result<Self> {
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
        let mut found = Self {
            epoch,
            target,
            cells,
            conditions,
            splits,
            ceiling: f64::NAN,
        };
        found.ceiling = found.other_half(scene)?;
        Ok(found)
    }

    /// Mean over both directions of what every other neuron predicts of the rest.
    fn other_half(&self, scene: &Scene) -> Result<f64> {
        let n = self.target.units();
        if n < 4 {
            return Ok(f64::NAN);
        }
        let side = |odd: usize| -> Vec<usize> { (0..n).filter(|u| u % 2 == odd).collect() };
        let mut sum = 0.0;
        for odd in [0, 1] {
            scene.stop_if_asked()?;
            let theirs = self.target.select_units(&side(1 - odd))?;
            let mine = self.target.select_units(&side(odd))?;
            let options = Options {
                map: map(scene, theirs.full().cols())?,
                interval: None,
                ..Options::default()
            };
            let source = Source::Features(theirs.full());
            let found = predict(
                source,
                &mine,
                &self.conditions,
                &self.splits,
                &options,
                &Quiet,
            )?;
            sum += found.population.median;
        }
        Ok(sum / 2.0)
    }
}

/// One row in one mask; `None` for constant features.
fn one(
    scene: &Scene,
    row: &Row,
    mask: &Mask,
    tables: &mut Tables,
    out: &mut Out,
) -> Result<Option<Found>> {
    let x = rows_of(scene, row, &mask.cells)?;
    if (1..x.rows()).all(|i| x.row(i) == x.row(0)) {
        out.scores.push(
            Score::of(&row.name, row.kind, "median_r_xy_n_sb", f64::NAN)
                .during(mask.epoch)
                .target("units")
                .noting("constant features predict constants: undefined"),
        );
        return Ok(None);
    }
    let wanted = scene.config.pls_components;
    if scene.config.map == "pls" && x.cols() < wanted {
        let text = format!(
            "{} gets {} components instead of {wanted}",
            row.name,
            x.cols()
        );
        if !tables.cut.contains(&text) {
            tables.cut.push(text);
        }
    }
    let options = Options {
        map: map(scene, x.cols())?,
        interval: Some(IntervalOptions {
            replicates: scene.config.resamples as u32,
            seed: scene.config.seed,
            ..IntervalOptions::default()
        }),
        ..Options::default()
    };
    let found = predict(
        Source::Features(&x),
        &mask.target,
        &mask.conditions,
        &mask.splits,
        &options,
        &Quiet,
    )?;
    tables.above_one += found.population.n_above_one;
    let edge = at_edge(&found);
    if edge > 0.0 {
        tables.edges.push(format!(
            "{} ({}, {:.0} % of the maps)",
            row.name,
            mask.epoch,
            100.0 * edge
        ));
    }
    score(&row.name, row.kind, &found, mask, out);
    let p = &found.population;
    tables.rows.push(cells![
        &row.name,
        mask.epoch,
        p.median,
        p.interval.map_or(f64::NAN, |i| i.low),
        p.interval.map_or(f64::NAN, |i| i.high),
        p.standard_error,
        p.median_published,
        p.median_r_xy,
        p.median_r_yy_sb,
        mask.ceiling,
        p.n_units,
        p.n_undefined,
        p.n_above_one,
        p.n_both_negative,
        edge,
    ]);
    for (u, unit) in found.units.iter().enumerate() {
        tables.units.push(cells![
            &row.name,
            mask.epoch,
            u,
            unit.score,
            unit.r_xy,
            unit.r_xx_sb,
            unit.r_yy_sb,
        ]);
    }
    Ok(Some(found))
}

/// Share of the maps whose penalty is the smallest or the largest of the grid.
fn at_edge(found: &Found) -> f64 {
    let grid = published_alphas();
    let (least, most) = (grid[0], grid[grid.len() - 1]);
    let all: Vec<f64> = found
        .splits
        .iter()
        .flat_map(|s| s.alpha.iter().flatten().copied())
        .collect();
    if all.is_empty() || found.map != "ridge-cv" {
        return 0.0;
    }
    let edge = all.iter().filter(|&&a| a <= least || a >= most).count();
    edge as f64 / all.len() as f64
}

/// Whether the splits of the maps let the identity of conditions through.
fn leak(scene: &Scene, mask: &Mask, out: &mut Out) -> Result<()> {
    let Some(row) = scene.row("oracle") else {
        return Ok(());
    };
    let x = rows_of(scene, row, &mask.cells)?;
    let y: Vec<f64> = mask.target.full().column(0);
    let splits: Vec<RowSplit> = mask
        .splits
        .iter()
        .map(|s| RowSplit {
            train: s.train.clone(),
            test: s.test.clone(),
        })
        .collect();
    let rule = leak_rule(scene.config.seed);
    let found = leak_check(&x, &y, &mask.conditions, &splits, &rule)?;
    out.checks.push(Check {
        name: format!("the splits of the maps do not leak ({})", mask.epoch),
        // With a handful of splits the test says little: what counts is whether conditions stand on both sides.
        passed: found.splits_sharing_conditions == 0,
        detail: found.detail(),
    });
    Ok(())
}

fn picture(mask: &Mask, rows: &[Dot], out: &mut Out) {
    let words = crate::words::epoch(mask.epoch);
    let mark = Mark {
        name: "ceiling: the other half of the neurons".into(),
        value: mask.ceiling,
    };
    out.figure(
        &format!("predictivity_{}", mask.epoch),
        "predictivity",
        &format!("Prediction of single units, {words}"),
        "Noise-corrected correlation of predicted and recorded response on held-out conditions, median over units; bars: 95 % bootstrap over conditions and units. Dashed: what the other half of the recorded neurons reaches through the same path.",
        dots(
            &format!("Noise-corrected prediction of single units, {words}"),
            "prediction of units (noise-corrected r, median)",
            rows,
            &[mark],
        ),
    );
}

fn dot(name: &str, kind: RowKind, found: &Found) -> Dot {
    Dot {
        group: kind.heading().into(),
        name: name.into(),
        value: found.population.median,
        interval: found.population.interval.map(|i| (i.low, i.high)),
        filled: kind == RowKind::Model,
    }
}

/// The map that the settings name, for so many features.
fn map(scene: &Scene, features: usize) -> Result<Map> {
    Ok(match scene.config.map.as_str() {
        "ridge-cv" => Map::published(),
        "ridge" => Map::Ridge { alpha: 1.0 },
        "least-squares" => Map::LeastSquares,
        "pls" => Map::Pls {
            components: scene.config.pls_components.min(features),
            scale: false,
        },
        "percentile" => Map::Percentile {
            percentile: 90.0,
            alpha: 1.0,
        },
        "best-feature" => Map::BestFeature,
        other => return Err(crate::config::unknown("map", other, &crate::config::MAPS)),
    })
}

/// Another animal in the model's place: one unit for each unit, and all of them together.
fn other_animal(
    scene: &Scene,
    recording: &Recording,
    other: &Recording,
    population: Population,
    mask: &Mask,
) -> Result<Vec<(String, Found)>> {
    let name = MASKS.iter().find(|(_, epoch)| *epoch == mask.epoch);
    let name = name.map_or("", |(name, _)| name);
    let (target, cells) = halves(recording, population, name)?;
    let (source, theirs) = halves(other, units_of(other), name)?;
    if cells != theirs || recording.condition_ids() != other.condition_ids() {
        return Err(Error::field(
            format!("other recording, {name}"),
            format!("the same {} bins of the same conditions", cells.len()),
            format!("{} bins", theirs.len()),
        ));
    }
    let options = Options {
        map: map(scene, source.units())?,
        interval: Some(IntervalOptions {
            replicates: scene.config.resamples as u32,
            seed: scene.config.seed,
            ..IntervalOptions::default()
        }),
        ..Options::default()
    };
    [
        (BetweenAnimals::OneToOne, "other animal, one-to-one"),
        (BetweenAnimals::Pooled, "other animal, pooled"),
    ]
    .into_iter()
    .map(|(how, name)| {
        let found = between_animals(
            &source,
            &target,
            &mask.conditions,
            &mask.splits,
            how,
            &options,
            &Quiet,
        )?;
        Ok((name.to_owned(), found))
    })
    .collect()
}

fn score(name: &str, kind: RowKind, found: &Found, mask: &Mask, out: &mut Out) {
    let p = &found.population;
    let score = |metric: &str, value| {
        Score::of(name, kind, metric, value)
            .during(mask.epoch)
            .target("units")
            .conditions(found.n_conditions)
            .bins(found.n_rows)
            .noting(format!("{} units", p.n_units))
    };
    let mut median = score("median_r_xy_n_sb", p.median).below(mask.ceiling);
    if let Some(i) = p.interval {
        median = median.between(i.low, i.high, interval::UNITS);
    }
    let edge = at_edge(found);
    if edge > 0.0 {
        median = median.noting(format!(
            "penalty at an end of its grid in {:.0} % of the maps",
            100.0 * edge
        ));
    }
    out.scores.push(median);
    out.scores
        .push(score("median_r_xy", p.median_r_xy).below(p.median_r_yy_sb.sqrt()));
}

/// Features in the cells of a mask, `[(condition, bin), unit]`.
fn rows_of(scene: &Scene, row: &Row, cells: &[(usize, usize)]) -> Result<Array2> {
    let conditions = scene.layout.conditions();
    let features = scene.features(row)?;
    let mut rows: Vec<&[f64]> = Vec::with_capacity(cells.len());
    for &(c, bin) in cells {
        let at = conditions[c]
            .bins
            .iter()
            .position(|&b| b == bin)
            .ok_or_else(|| {
                Error::invalid(
                    format!("condition {}", conditions[c].id),
                    format!("bin {bin} is outside of start_end"),
                )
            })?;
        rows.push(features[c].row(at));
    }
    Ok(Array2::from_rows(&rows)?)
}
