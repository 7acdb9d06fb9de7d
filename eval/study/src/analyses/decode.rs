//! Where the ball is: read out of every row in the same way.

use super::{CURVES, MIN_AT_A_TIME};
use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score};
use crate::cells;
use crate::error::Result;
use crate::published::{find, published_values};
use crate::report::plot::{Curve, Dot, Mark, curves, dots};
use crate::report::trajectories::{Panel, trajectories};
use crate::scene::{Row, Scene};
use mental_pong_eval::decode::{Epoch, OnlineResult};
use mental_pong_eval::nulls::Paths;
use mental_pong_eval::rsa::simulation_index;

/// Can the hidden ball be read out?
pub(crate) struct Decode;

/// Conditions whose paths are drawn, places in the published order: straight and bouncing, fast and slow.
const DRAWN: [usize; 12] = [0, 5, 9, 20, 33, 41, 51, 58, 61, 66, 75, 78];

const COLUMNS: [&str; 12] = [
    "row",
    "epoch",
    "target",
    "r_mean",
    "r_sd",
    "spearman_mean",
    "mae_mean",
    "mae_sd",
    "rmse_mean",
    "n_conditions",
    "n_bins",
    "dropped_rows",
];

impl Analysis for Decode {
    fn id(&self) -> &'static str {
        "decode"
    }
    fn chapter(&self) -> &'static str {
        "concepts/decoding"
    }

    fn title(&self) -> &'static str {
        "Can the hidden ball be read out?"
    }

    fn question(&self) -> &'static str {
        "A linear map is fitted on some conditions and asked, on others, where the ball is. How well does it do while the ball is hidden?"
    }

    fn does_not_show(&self) -> &'static str {
        "A high correlation is no proof of simulation: rows that go straight on reach theirs by a rule, and last-seen shows how far memory alone goes. The read-out is fitted on conditions of the same task, hidden epochs among them: what it finds is in the features, but a linear map had to be told where. Splits overlap, so their spread is no standard error."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Rows]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let mut full = Table::new("decode", &COLUMNS);
        let mut fair = Table::new("decode_pca50", &COLUMNS);
        let mut done: Vec<(&Row, &OnlineResult)> = Vec::new();
        let steps = match scene.never_hidden() {
            None => Some(scene.steps()?),
            Some(id) => {
                out.warnings.push(format!(
                    "Simulation index: not applicable: the ball of condition {id} is never hidden."
                ));
                None
            }
        };
        let ball = scene.ball();
        for row in &scene.rows {
            scene.stop_if_asked()?;
            let result = scene.online(row)?;
            scores(row, result, out);
            tabulate(scene, row, result, &mut full);
            tabulate(scene, row, scene.reduced(row)?, &mut fair);
            if let Some(steps) = &steps {
                let index = simulation_index(steps, scene.features(row)?, &ball, 2)?;
                out.scores.push(
                    Score::of(&row.name, row.kind, "simulation_index", index.index_deg)
                        .during("hidden")
                        .unit("deg")
                        .bins(index.n_steps)
                        .noting(
                            "lower is better; two folds without shuffling, as published, in degrees",
                        ),
                );
            }
            done.push((row, result));
        }
        let mut lines = Vec::new();
        for model in scene.of_kind(RowKind::Model) {
            lines.extend(straight(scene, model, &mut full, out)?);
        }
        out.tables.extend([full, fair]);
        over_time(&done, out);
        pictures(scene, &done, &lines, out)?;
        paths(scene, out)?;
        methods(scene, out);
        Ok(())
    }
}

fn scores(row: &Row, result: &OnlineResult, out: &mut Out) {
    for epoch in [Epoch::Hidden, Epoch::Visible, Epoch::All] {
        for (t, target) in ["x", "y"].into_iter().enumerate() {
            let Some(e) = result.get(epoch, t) else {
                continue;
            };
            let of = |metric: &str, s: &mental_pong_eval::stats::Summary| {
                Score::of(&row.name, row.kind, metric, s.mean)
                    .during(epoch.name())
                    .target(target)
                    .conditions(e.n_conditions)
                    .bins(e.n_bins)
                    .over_splits(s)
            };
            out.scores.push(of("r", &e.r));
            out.scores.push(of("mae", &e.mae).unit("deg"));
        }
    }
}

fn tabulate(scene: &Scene, row: &Row, result: &OnlineResult, table: &mut Table) {
    for e in &result.table {
        table.push(cells![
            &row.name,
            e.epoch.name(),
            &scene.layout.target_names()[e.target],
            e.r.mean,
            e.r.sd,
            e.spearman.mean,
            e.mae.mean,
            e.mae.sd,
            e.rmse.mean,
            e.n_conditions,
            e.n_bins,
            result.dropped_rows,
        ]);
    }
}

/// A model's own read-out, continued in a straight line: rows that are paths and have no features.
fn straight(
    scene: &Scene,
    model: &Row,
    table: &mut Table,
    out: &mut Out,
) -> Result<Vec<(String, Paths)>> {
    let alone = scene.of_kind(RowKind::Model).count() == 1;
    let mut found = Vec::new();
    for (name, walls) in [("straight-line", false), ("straight-line-walls", true)] {
        if walls && scene.walls.is_none() {
            continue;
        }
        let paths = scene.line(model, true, walls)?;
        let name = if alone {
            name.to_owned()
        } else {
            format!("{name}: {}", model.name)
        };
        for (e, epoch) in Epoch::EVERY.into_iter().enumerate() {
            for (t, target) in ["x", "y"].into_iter().enumerate() {
                let (r, mae) = (&paths.r[e][t], &paths.mae[e][t]);
                table.push(cells![
                    &name,
                    epoch.name(),
                    target,
                    r.mean,
                    r.sd,
                    f64::NAN,
                    mae.mean,
                    mae.sd,
                    f64::NAN,
                    scene.n_conditions(),
                    "",
                    "",
                ]);
                if epoch == Epoch::Hidden {
                    let of = |metric: &str, s: &mental_pong_eval::stats::Summary| {
                        Score::of(&name, RowKind::Control, metric, s.mean)
                            .during("hidden")
                            .target(target)
                            .conditions(scene.n_conditions())
                            .over_splits(s)
                    };
                    out.scores.push(of("r", r));
                    out.scores.push(of("mae", mae).unit("deg"));
                }
            }
        }
        found.push((name, paths));
    }
    Ok(found)
}

fn over_time(done: &[(&Row, &OnlineResult)], out: &mut Out) {
    let mut table = Table::new(
        "over_time",
        &[
            "row",
            "t_ms_from_occlusion",
            "quantity",
            "mean",
            "sd",
            "n_conditions",
        ],
    );
    for (row, result) in done {
        for t in &result.over_time {
            let mut push = |quantity: &str, s: &mental_pong_eval::stats::Summary| {
                table.push(cells![
                    &row.name,
                    t.offset_ms,
                    quantity,
                    s.mean,
                    s.sd,
                    t.n_conditions
                ]);
            };
            push("r_x", &t.r[0]);
            push("r_y", &t.r[1]);
            push("distance_deg", &t.distance);
        }
    }
    out.tables.push(table);
}

fn pictures(
    scene: &Scene,
    done: &[(&Row, &OnlineResult)],
    lines: &[(String, Paths)],
    out: &mut Out,
) -> Result<()> {
    let published = published_values()?;
    for (t, target) in ["x", "y"].into_iter().enumerate() {
        let mut rows: Vec<Dot> = done
            .iter()
            .filter_map(|(row, result)| {
                let e = result.get(Epoch::Hidden, t)?;
                Some(Dot {
                    group: row.kind.heading().into(),
                    name: row.name.clone(),
                    value: e.r.mean,
                    interval: Some((e.r.mean - e.r.sd, e.r.mean + e.r.sd)),
                    filled: row.tested(),
                })
            })
            .collect();
        rows.extend(lines.iter().map(|(name, paths)| {
            let r = &paths.r[2][t];
            Dot {
                group: RowKind::Control.heading().into(),
                name: name.clone(),
                value: r.mean,
                interval: Some((r.mean - r.sd, r.mean + r.sd)),
                filled: false,
            }
        }));
        let value = find(&published, &format!("dmfc-r-{target}-hidden"));
        let mark = value.filter(|_| scene.set.is_published()).map(|v| Mark {
            name: "DMFC, published".into(),
            value: v.value,
        });
        let dashed = match mark {
            Some(_) => {
                " Dashed: the published figure for monkey DMFC (Rajalingham et al. 2025, Fig. 3E)."
            }
            None => "",
        };
        out.figure(
            &format!("decode_{target}"),
            "decode",
            &format!("Reading {target} of the hidden ball"),
            format!("Correlation of decoded and true position over the hidden bins of held-out conditions: mean over splits, bars ± SD over splits (a spread, no standard error). Filled: models and brain; open: references and nulls.{dashed}"),
            dots(
                &format!("Correlation of decoded and true {target} of the hidden ball"),
                &format!("correlation with the true {target} (Pearson r)"),
                &rows,
                mark.as_slice(),
            ),
        );
    }
    let curves_of: Vec<Curve> = done
        .iter()
        .filter(|(s, _)| s.drawn)
        .take(CURVES)
        .map(|(row, result)| Curve {
            name: row.name.clone(),
            null: row.kind == RowKind::Control,
            points: result
                .over_time
                .iter()
                .filter(|t| t.n_conditions >= MIN_AT_A_TIME)
                .map(|t| (t.offset_ms, t.distance.mean, f64::NAN, f64::NAN))
                .collect(),
        })
        .collect();
    out.figure(
        "decode_over_time",
        "over_time",
        "Distance of decoded and true ball over time",
        "Mean distance over held-out conditions, aligned to the onset of occlusion (0 ms). Later times have fewer conditions; a time with fewer than 20 is left out. Correlations over conditions in x dip at 0 ms in every row: there all balls are at one x, so that there is nothing to correlate.",
        curves(
            "Distance of decoded and true ball over time from occlusion",
            "time from the onset of occlusion (ms)",
            "distance (degrees)",
            &curves_of,
        ),
    );
    Ok(())
}

/// Paths of the headline model, drawn and tabulated.
fn paths(scene: &Scene, out: &mut Out) -> Result<()> {
    let Some(row) = scene.headline() else {
        return Ok(());
    };
    let result = scene.online(row)?;
    let mut table = Table::new(
        "paths",
        &[
            "row",
            "condition",
            "bin",
            "hidden",
            "true_x_deg",
            "true_y_deg",
            "decoded_x_deg",
            "decoded_y_deg",
        ],
    );
    for (rows, decoded) in scene.layout.conditions().iter().zip(&result.held_out) {
        for (i, bin) in rows.bins.iter().enumerate() {
            table.push(cells![
                &row.name,
                &rows.id,
                *bin,
                rows.hidden[i],
                rows.targets.get(i, 0),
                rows.targets.get(i, 1),
                decoded.get(i, 0),
                decoded.get(i, 1),
            ]);
        }
    }
    out.tables.push(table);
    let n = scene.n_conditions();
    let places: Vec<usize> = if n == 79 {
        DRAWN.to_vec()
    } else {
        (0..n.min(12)).map(|k| k * n / n.min(12)).collect()
    };
    let panels: Vec<Panel> = places
        .into_iter()
        .map(|k| {
            let rows = &scene.layout.conditions()[k];
            let path = |a: &mental_pong_eval::array::Array2| {
                (0..a.rows()).map(|i| (a.get(i, 0), a.get(i, 1))).collect()
            };
            Panel {
                label: format!("condition {}", rows.id),
                truth: path(&rows.targets),
                decoded: path(&result.held_out[k]),
                hidden: rows.hidden.clone(),
            }
        })
        .collect();
    out.figure(
        "trajectories",
        "paths",
        "Where the ball went, and where the model put it",
        format!(
            "Each square is the 20° × 20° frame of one condition. The decoded path is read from {} by a linear map that never saw the condition: the mean over all splits in which it was held out. Paths outside of the frame are drawn at its edge.",
            row.name
        ),
        trajectories(&row.name, &panels),
    );
    Ok(())
}

fn methods(scene: &Scene, out: &mut Out) {
    out.method.push(format!(
        "Least squares with intercept, one map for all times, {} splits by condition (GroupShuffleSplit, train {}, seed {}), scores over pooled held-out bins (Rajalingham et al. 2025, Fig. 3). tables/decode_pca50.csv has the same from 50 principal components of the training conditions, so that rows of many and of few features can be compared.",
        scene.config.splits, scene.config.train, scene.config.split_seed
    ));
    if !scene.population.is_empty() {
        out.method.push(format!(
            "{}: {}. Models and controls are read out in the same bins with the same targets.",
            scene.brain, scene.population
        ));
        if scene.population.contains("as stored") {
            out.warnings.push("Factors stored in a recording were fitted on all conditions, held-out ones among them (as published); the models' latents were not.".into());
        } else if scene.population.contains("fitted here") {
            out.warnings.push("The recording's factors were fitted on all conditions, held-out ones among them (as published); the models' latents were not.".into());
        }
    }
}
