//! What else can be read out of the recording and of the models: all published variables, and how that depends on lag, on
//! the number of training conditions, on bounces, and on what goes with the ball.

use mental_pong_game::task::ConditionSet;

use super::CURVES;
use crate::analysis::{Analysis, Cell, Need, Out, Table};
use crate::card::{RowKind, Score};
use crate::cells;
use crate::error::Result;
use crate::report::plot::{Curve, Dot, curves, dots};
use crate::scene::{Row as StudyRow, Scene};
use mental_pong_eval::array::Array2;
use mental_pong_eval::decode::inputs::{Variable, variable};
use mental_pong_eval::decode::variables::{
    BOUNCE_OCCLUDED, BOUNCE_VISIBLE, DRIVER_33, PUBLISHED_ROLLS,
};
use mental_pong_eval::decode::{
    Epochs, HeldOut, Inputs, OnlineDecoder, Pairing, Part, generalization, lag_sweep,
    published_train_sizes, train_size_curve,
};
use mental_pong_eval::encoding::bounces;
use mental_pong_eval::linear::Readout;
use mental_pong_eval::recordings::dmfc::{Half, Mask, Responses, TrialType, behavior_unit};
use mental_pong_eval::stats::Summary;

const X: &str = "ball_pos_x_TRUE";
const Y: &str = "ball_pos_y_TRUE";
/// Splits for each training size, as published.
const SIZE_SPLITS: usize = 10;

/// One row: the recording or a model.
struct Row<'a> {
    name: &'a str,
    kind: RowKind,
    responses: Responses,
}

impl Row<'_> {
    fn score(&self, metric: &str, target: &str, s: &Summary) -> Score {
        Score::of(self.name, self.kind, metric, s.mean)
            .target(target)
            .over_splits(s)
    }
}

/// What is the same for all rows.
struct Question<'a> {
    scene: &'a Scene<'a>,
    known: Vec<Variable>,
    /// x and y alone.
    ball: Vec<Variable>,
    mask: &'a Mask,
    epochs: Epochs<'a>,
    bin_ms: f64,
}

/// Rows of the tables, curves and dots of the figures.
#[derive(Default)]
struct Found {
    scores: Vec<Score>,
    variables: Vec<Vec<Cell>>,
    dots: Vec<Dot>,
    partial: [Vec<Vec<Cell>>; 2],
    lags: Vec<Vec<Cell>>,
    lag_curves: Vec<Curve>,
    sizes: Vec<Vec<Cell>>,
    size_curves: Vec<Curve>,
}

/// What else can be read out?
pub(crate) struct Variables;

impl Analysis for Variables {
    fn id(&self) -> &'static str {
        "variables"
    }
    fn chapter(&self) -> &'static str {
        "concepts/decoding"
    }

    fn title(&self) -> &'static str {
        "What else can be read out?"
    }

    fn question(&self) -> &'static str {
        "What else than the ball can be read out of the recording and of the models, and is it the ball that is read?"
    }

    fn does_not_show(&self) -> &'static str {
        "Eye and hand are the animals' and go with the ball: that a variable can be read out does not say that it is represented, only that something that goes with it is."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Recording]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let Some(recording) = scene.recording else {
            return Ok(());
        };
        let trials = TrialType::Occ;
        let mask = recording.mask(trials, "start_end_pad0")?;
        let known: Vec<Variable> = DRIVER_33
            .iter()
            .filter_map(|&name| Some((name.to_owned(), variable(recording, trials, name).ok()?)))
            // One that was never recorded is all NaN, and would take every bin with it.
            .filter(|(_, values)| {
                let cells = mask.cells();
                cells.iter().any(|&(c, b)| values.get(c, b).is_finite())
            })
            .collect();
        let missing: Vec<&str> = DRIVER_33
            .iter()
            .copied()
            .filter(|name| !known.iter().any(|(n, _)| n == name))
            .collect();
        let question = Question {
            scene,
            ball: known
                .iter()
                .filter(|(n, _)| n == X || n == Y)
                .cloned()
                .collect(),
            known,
            mask,
            epochs: Epochs {
                visible: recording.mask(trials, "start_occ_pad0")?,
                hidden: recording.mask(trials, "occ_end_pad0")?,
            },
            bin_ms: recording.expected().bin_ms,
        };
        let population = scene.population_of(recording, Half::Full);
        let mut found = Found::default();
        let brain = Row {
            name: scene.brain,
            kind: RowKind::Published,
            responses: recording.responses(trials, population, Half::Full)?,
        };
        question.ask(&brain, &mut found)?;
        drop(brain);
        for row in scene.of_kind(RowKind::Model) {
            scene.stop_if_asked()?;
            let model = Row {
                name: &row.name,
                kind: row.kind,
                responses: as_responses(scene, row, recording.expected().bins)?,
            };
            question.ask(&model, &mut found)?;
        }
        leave(found, out);
        if !missing.is_empty() {
            out.warnings.push(format!(
                "The recording lacks {} (or has no value of it within the trials); the rest is decoded.",
                missing.join(", ")
            ));
        }
        out.warnings.push("A row with NaN in any variable is dropped for all, so the rows depend on the list of variables.".into());
        out.warnings.push("Velocities of the eye (eye_dv, eye_dh, eye_dspeed) are in degrees per millisecond, as the authors' code has them.".into());
        out.method.push(format!(
            "One linear map for all variables, {} splits by condition, on {} and on the models' latents in the same bins; partial correlations given each other variable; lags −5 to 5 bins; 10 splits for each training size (Rajalingham et al. 2025, Fig. 3, S4, S5). Eye and hand are the animals'.",
            scene.config.splits, scene.population
        ));
        Ok(())
    }
}

/// Tables and figures of all rows.
fn leave(mut found: Found, out: &mut Out) {
    let mut put = |name: &str, columns: &[&str], rows: Vec<Vec<Cell>>| {
        let mut table = Table::new(name, columns);
        table.rows = rows;
        out.tables.push(table);
    };
    put(
        "variables",
        &[
            "row",
            "variable",
            "unit",
            "part",
            "r_mean",
            "r_sd",
            "spearman_mean",
            "mae_mean",
            "mae_sd",
            "rmse_mean",
            "n_bins",
        ],
        found.variables,
    );
    for (target, rows) in [X, Y].into_iter().zip(found.partial) {
        put(
            &format!("partial_{target}"),
            &["row", "variable", "given", "partial_r_mean", "partial_r_sd"],
            rows,
        );
    }
    put(
        "lags",
        &[
            "row", "pairing", "lag_ms", "variable", "r_mean", "r_sd", "n_bins",
        ],
        found.lags,
    );
    put(
        "training_size",
        &["row", "n_train_conditions", "variable", "r_mean", "r_sd"],
        found.sizes,
    );
    out.scores = found.scores;
    out.figure(
        "variables",
        "variables",
        "Every variable, while the ball is hidden",
        "Correlation of decoded and true value over held-out hidden bins: mean over splits, bars ± SD over splits. Filled: the recording; open: models. Names are those of the released files.",
        dots("Correlation of decoded and true variables while the ball is hidden", "correlation with the truth (Pearson r)", &found.dots, &[]),
    );
    found.lag_curves.truncate(CURVES);
    out.figure(
        "lags",
        "lags",
        "Responses before and after the ball",
        "Right of 0: responses later than the ball. Factors and latents exist inside of the trial only, so that a lag loses bins. The published sweep rolls a mask, which compares sets of bins and not times: it stands in the table.",
        curves("Decoding by lag", "lag (ms)", "correlation with the truth (Pearson r)", &found.lag_curves),
    );
    found.size_curves.truncate(CURVES);
    out.figure(
        "training_size",
        "training_size",
        "How many conditions a read-out needs",
        "Correlation on all other conditions by the number of conditions that the map was fitted on, 10 splits each.",
        curves("Decoding by number of training conditions", "training conditions", "correlation with the truth (Pearson r)", &found.size_curves),
    );
}

impl Question<'_> {
    /// A row's responses beside variables of the same bins.
    fn inputs(&self, row: &Row<'_>, variables: &[Variable]) -> Result<Inputs> {
        let masks = (self.mask, self.mask);
        Ok(Inputs::matched(
            &row.responses,
            variables,
            masks,
            self.epochs,
            None,
            self.bin_ms,
        )?)
    }

    fn ask(&self, row: &Row<'_>, found: &mut Found) -> Result<()> {
        let inputs = self.inputs(row, &self.known)?;
        let decoder = OnlineDecoder::new(&inputs.layout, &inputs.features)?;
        let held = decoder.held_out(&self.scene.splits, Readout::Full)?;
        self.parts(row, &decoder, &held, found);
        self.partial(row, &decoder, &held, found)?;
        if self.ball.is_empty() {
            return Ok(());
        }
        self.lags(row, found)?;
        let inputs = self.inputs(row, &self.ball)?;
        let decoder = OnlineDecoder::new(&inputs.layout, &inputs.features)?;
        self.sizes(row, &decoder, found)?;
        self.bounces(row, &decoder, found)
    }

    /// Every variable, by part of the trial.
    fn parts(&self, row: &Row<'_>, decoder: &OnlineDecoder<'_>, held: &HeldOut, found: &mut Found) {
        for (part, words) in [
            (Part::All, "all"),
            (Part::Visible, "visible"),
            (Part::Hidden, "hidden"),
        ] {
            let scores = decoder.part_scores(held, part);
            for t in &scores.targets {
                let unit = unit_of(&t.target);
                found.variables.push(cells![
                    row.name,
                    &t.target,
                    unit,
                    words,
                    t.r.mean,
                    t.r.sd,
                    t.spearman.mean,
                    t.mae.mean,
                    t.mae.sd,
                    t.rmse.mean,
                    scores.n_rows,
                ]);
                if part != Part::Visible {
                    found.scores.push(
                        row.score("r", &t.target, &t.r)
                            .during(words)
                            .bins(scores.n_rows),
                    );
                }
                if part == Part::Hidden {
                    found.dots.push(Dot {
                        group: row.name.to_owned(),
                        name: t.target.clone(),
                        value: t.r.mean,
                        interval: Some((t.r.mean - t.r.sd, t.r.mean + t.r.sd)),
                        filled: row.kind == RowKind::Published,
                    });
                }
            }
        }
    }

    /// x and y given each other variable.
    fn partial(
        &self,
        row: &Row<'_>,
        decoder: &OnlineDecoder<'_>,
        held: &HeldOut,
        found: &mut Found,
    ) -> Result<()> {
        let names: Vec<&str> = self.known.iter().map(|(n, _)| n.as_str()).collect();
        for (target, table) in [X, Y].into_iter().zip(&mut found.partial) {
            let Some(at) = names.iter().position(|n| *n == target) else {
                continue;
            };
            let others: Vec<usize> = (0..names.len())
                .filter(|&k| !names[k].starts_with("ball_pos"))
                .collect();
            let given = decoder.given_each(held, at, &others, Part::All)?;
            table.extend(
                given
                    .iter()
                    .map(|g| cells![row.name, target, &g.covariate, g.r.mean, g.r.sd]),
            );
            if let Some(least) = given
                .iter()
                .filter(|g| g.r.mean.is_finite())
                .min_by(|a, b| a.r.mean.total_cmp(&b.r.mean))
            {
                found.scores.push(
                    row.score("least_partial_r", target, &least.r)
                        .during("all")
                        .noting(format!(
                            "given {}, of {} variables",
                            least.covariate,
                            given.len()
                        )),
                );
            }
        }
        Ok(())
    }

    fn lags(&self, row: &Row<'_>, found: &mut Found) -> Result<()> {
        let pairings = PUBLISHED_ROLLS
            .map(Pairing::Lag)
            .chain(PUBLISHED_ROLLS.map(Pairing::RolledMask));
        let lags = lag_sweep(
            &row.responses,
            &self.ball,
            self.mask,
            self.epochs,
            self.bin_ms,
            pairings,
            &self.scene.splits,
            Readout::Full,
        )?;
        for (name, axis) in [(X, "x"), (Y, "y")] {
            found.lag_curves.push(Curve {
                name: format!("{}, {axis}", row.name),
                null: false,
                points: lags
                    .iter()
                    .filter(|l| matches!(l.pairing, Pairing::Lag(_)))
                    .filter_map(|l| {
                        let r = l.scores.target(name)?.r;
                        Some((l.lag_ms, r.mean, r.mean - r.sd, r.mean + r.sd))
                    })
                    .collect(),
            });
        }
        for l in &lags {
            let how = match l.pairing {
                Pairing::Lag(_) => "lag in time",
                Pairing::RolledMask(_) => "rolled mask (published)",
            };
            for t in &l.scores.targets {
                found.lags.push(cells![
                    row.name,
                    how,
                    l.lag_ms,
                    &t.target,
                    t.r.mean,
                    t.r.sd,
                    l.scores.n_rows,
                ]);
            }
        }
        Ok(())
    }

    fn sizes(&self, row: &Row<'_>, decoder: &OnlineDecoder<'_>, found: &mut Found) -> Result<()> {
        let n = self.scene.n_conditions() as f64;
        let fractions: Vec<f64> = published_train_sizes()
            .into_iter()
            .filter(|f| (n * f).floor() >= 1.0)
            .collect();
        let sizes = train_size_curve(
            decoder,
            &fractions,
            SIZE_SPLITS,
            self.scene.config.split_seed,
            Readout::Full,
        )?;
        for (name, axis) in [(X, "x"), (Y, "y")] {
            let mut points = Vec::new();
            for s in &sizes {
                let Some(t) = s.scores.target(name) else {
                    continue;
                };
                points.push((
                    s.n_train as f64,
                    t.r.mean,
                    t.r.mean - t.r.sd,
                    t.r.mean + t.r.sd,
                ));
                found
                    .sizes
                    .push(cells![row.name, s.n_train, name, t.r.mean, t.r.sd]);
            }
            found.size_curves.push(Curve {
                name: format!("{}, {axis}", row.name),
                null: false,
                points,
            });
        }
        Ok(())
    }

    /// Places of the conditions with a bounce: by the published lists, which are of the 79 conditions, or, where the recording is
    /// of others, by the bend of its ball.
    fn with_bounce(&self) -> Vec<usize> {
        let set = &self.scene.set;
        let published = ConditionSet::open("primate79").ok();
        let places = |known: ConditionSet| -> Option<Vec<usize>> {
            set.ids().iter().map(|id| known.place(id)).collect()
        };
        let published = published.filter(|_| set.is_published() && self.scene.other_task.is_none());
        if let Some(places) = published.and_then(places) {
            let listed =
                |place: &usize| BOUNCE_VISIBLE.contains(place) || BOUNCE_OCCLUDED.contains(place);
            return (0..places.len()).filter(|&c| listed(&places[c])).collect();
        }
        let Some((_, y)) = self.ball.iter().find(|(name, _)| name == Y) else {
            return Vec::new();
        };
        let bends = bounces(y, self.mask);
        (0..bends.len()).filter(|&c| bends[c]).collect()
    }

    /// From conditions with a bounce to those without, and back.
    fn bounces(&self, row: &Row<'_>, decoder: &OnlineDecoder<'_>, found: &mut Found) -> Result<()> {
        let bounce = self.with_bounce();
        if bounce.len() < 2 || bounce.len() + 2 > self.scene.n_conditions() {
            return Ok(());
        }
        let both = generalization(decoder, &bounce, Readout::Full)?;
        for (metric, result) in [
            ("r_from_bounces", &both.from_class),
            ("r_from_no_bounce", &both.to_class),
        ] {
            for t in &result.targets {
                found.scores.push(
                    Score::of(row.name, row.kind, metric, t.r.mean)
                        .target(&t.target)
                        .noting(format!("{} conditions with a bounce", both.n_class)),
                );
            }
        }
        Ok(())
    }
}

/// Unit of a decoded variable, as the released files have it; empty where it has none.
fn unit_of(name: &str) -> &'static str {
    behavior_unit(name).unwrap_or("")
}

/// A model's latents on the axes of a recording: NaN outside of the bins that it has.
fn as_responses(scene: &Scene, row: &StudyRow, bins: usize) -> Result<Responses> {
    let features = scene.features(row)?;
    let units = features.first().map_or(0, Array2::cols);
    let conditions = scene.layout.conditions();
    let mut values = vec![f64::NAN; units * conditions.len() * bins];
    for (c, (rows, x)) in conditions.iter().zip(features).enumerate() {
        for (at, &bin) in rows.bins.iter().enumerate() {
            for unit in 0..units {
                values[(unit * conditions.len() + c) * bins + bin] = x.get(at, unit);
            }
        }
    }
    Ok(Responses::new(units, conditions.len(), bins, "1", values)?)
}
