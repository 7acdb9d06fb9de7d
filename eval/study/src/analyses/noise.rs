//! Noise: a model that perceives with noise, as people do, and plays many trials.

use mental_pong_base::Stream;
use mental_pong_game::task::{Condition, Epoch, Law};
use mental_pong_predictor::latents::mean_in_bins;
use mental_pong_predictor::observers::{NoisyParameters, NoisySimulation};

use super::MIN_AT_A_TIME;
use super::behavior::{of_trials, performance_scores, places};
use crate::analysis::{Analysis, Need, Out, Table};
use crate::card::{RowKind, Score, interval};
use crate::cells;
use crate::error::Result;
use crate::published::published_values;
use crate::report::plot::{Curve, Dot, curves, dots};
use crate::scene::{Row, Scene, Source};
use mental_pong_eval::array::Array2;
use mental_pong_eval::behavior::{
    ErrorHalves, ErrorKind, PUBLISHED_ITERATIONS, TrialTable, consistency, performance,
};
use mental_pong_eval::linear::Map;
use mental_pong_eval::stats::{mean, sd};

/// Do noisy forecasts err as people do?
pub(crate) struct Noise;

/// Penalty of the read-out, a share of the rows, where there is no noise.
const LEAST_PENALTY: f64 = 1e-9;

/// Trials of someone who errs by chance.
struct Player {
    name: String,
    kind: RowKind,
    trials: TrialTable,
    /// `[condition][bin of the layout]`, spread of the decoded height over trials, degrees.
    spread: Vec<Vec<f64>>,
}

impl Analysis for Noise {
    fn id(&self) -> &'static str {
        "noise"
    }
    fn chapter(&self) -> &'static str {
        "concepts/behavior"
    }

    fn title(&self) -> &'static str {
        "Do noisy forecasts err as people do?"
    }

    fn question(&self) -> &'static str {
        "If a model sees the ball with noise and simulates on from there, does its uncertainty grow behind the occluder, and are its errors as large as those of people and monkeys?"
    }

    fn does_not_show(&self) -> &'static str {
        "The noise is a setting and fitted to nobody: the size of the errors is no finding, how it grows and how much of it is bias is. Whether the errors fall on the same conditions as people's can only be said with their trials (--behavior)."
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Model, Need::Occlusion]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let mut players = Vec::new();
        for row in scene.of_kind(RowKind::Model) {
            if let Some(player) = model(scene, row)? {
                players.push(player);
            }
        }
        if players.is_empty() {
            out.skip(
                "no model that can be run again with noise: latents from files are what they are",
            );
            return Ok(());
        }
        players.extend(process_model(scene));
        errors(scene, &players, out)?;
        growth(scene, &players, out);
        alike(scene, &players, out)?;
        out.method.push(format!(
            "{} trials of each condition. In each, an independent normal error is added to every latent of every frame that is seen, with {} of the latent's own standard deviation over the visible bins; the dynamics go on from there. Height by one ridge map from scaled latents to height, fitted on the visible bins without noise under the penalty that the noise amounts to.",
            scene.config.noise_trials, scene.config.noise
        ));
        if players.iter().any(|p| p.kind == RowKind::Reference) {
            let NoisyParameters {
                occ_variance,
                bounce_variance,
                bias,
            } = NoisyParameters::UNFITTED;
            out.method.push(format!(
                "noisy-simulation: the process model of Rajalingham et al. 2022 with variances {occ_variance} a step and {bounce_variance} a bounce (units², 1/24 s) and bias {bias}, fitted to nobody; under the design law, its errors added to the ends of this set."
            ));
        }
        Ok(())
    }
}

/// A model that plays with noise; none where it cannot be run again.
fn model(scene: &Scene, row: &Row) -> Result<Option<Player>> {
    let Source::Net(net) = &row.source else {
        return Ok(None);
    };
    let features = scene.features(row)?;
    let (seen, kept) = scene.seen_layout()?;
    let rows: Vec<&[f64]> = (features.iter().zip(&kept))
        .flat_map(|(x, kept)| kept.iter().map(|&bin| x.row(bin)))
        .collect();
    let units = features.first().map_or(0, Array2::cols);
    let scale: Vec<f64> = (0..units)
        .map(|j| sd(&rows.iter().map(|row| row[j]).collect::<Vec<f64>>()))
        .collect();
    let scaled = |row: &[f64], j: usize| {
        if scale[j] > 0.0 {
            row[j] / scale[j]
        } else {
            0.0
        }
    };
    let x = Array2::from_fn(rows.len(), units, |i, j| scaled(rows[i], j));
    let truth: Vec<&[f64]> = (seen.conditions().iter())
        .flat_map(|c| (0..c.targets.rows()).map(|bin| c.targets.row(bin)))
        .collect();
    let y = Array2::from_fn(truth.len(), 1, |i, _| truth[i][1]);
    // What the noise of the scaled latents adds to their sums of squares.
    let alpha = rows.len() as f64 * scene.config.noise.powi(2).max(LEAST_PENALTY);
    let readout = Map::Ridge { alpha }.fit(&x, &y)?;
    let noise: Vec<f32> = (scale.iter())
        .map(|sd| (scene.config.noise * sd) as f32)
        .collect();
    let networks = &scene.common.networks;
    let predictor = networks.predictor(net)?;
    if !predictor.has_dynamics() {
        return Ok(None);
    }
    let samples = scene.config.noise_trials;
    let mut trials = TrialTable::empty(Law::Display);
    let mut spread = Vec::new();
    scene.monitor.stage(
        &format!("{} with noise", row.name),
        scene.n_conditions() as u64,
    );
    for (c, (condition, rows)) in scene
        .set
        .conditions()
        .iter()
        .zip(scene.layout.conditions())
        .enumerate()
    {
        scene.stop_if_asked()?;
        let mut rng = Stream::new(scene.config.seed, "noise of perception", c as u64);
        let (steps, all) =
            predictor.noisy_forecasts(condition, &noise, samples, &mut rng, networks.cache)?;
        let mut heights: Vec<Vec<f64>> = Vec::new();
        for latents in &all {
            let values = mean_in_bins(&steps, latents, &scene.axis, &rows.bins);
            let latent = |bin: usize, j: usize| scaled(&values[bin * units..(bin + 1) * units], j);
            let read = readout.predict(&Array2::from_fn(rows.bins.len(), units, latent))?;
            heights.push((0..read.rows()).map(|bin| read.get(bin, 0)).collect());
        }
        for path in &heights {
            trials.push_occluded(
                0,
                c as u32,
                scene.ends[c],
                path.last().copied().unwrap_or(f64::NAN),
            );
        }
        let at = |bin: usize| sd(&heights.iter().map(|path| path[bin]).collect::<Vec<f64>>());
        spread.push((0..rows.bins.len()).map(at).collect());
        scene.monitor.advance(1);
    }
    Ok(Some(Player {
        name: format!("{}, noisy", row.name),
        kind: RowKind::Model,
        trials,
        spread,
    }))
}

/// The published process model, where the set has the starts that it needs.
fn process_model(scene: &Scene) -> Option<Player> {
    let starts: Option<Vec<Condition>> = (scene.set.conditions().iter())
        .map(|c| c.start().filter(|_| c.is_published()).copied())
        .collect();
    let starts = starts?;
    let samples = scene.config.noise_trials;
    let simulation = NoisySimulation::with_samples(&starts, scene.config.seed, samples);
    let heights = simulation.samples_deg(&NoisyParameters::UNFITTED);
    let mut trials = TrialTable::empty(Law::Display);
    for (c, (start, heights)) in starts.iter().zip(heights.chunks_exact(samples)).enumerate() {
        for height in heights {
            let error = height - start.y_final_design_deg();
            trials.push_occluded(0, c as u32, scene.ends[c], scene.ends[c] + error);
        }
    }
    Some(Player {
        name: "noisy-simulation".into(),
        kind: RowKind::Reference,
        trials,
        spread: Vec::new(),
    })
}

/// How large the errors are, beside what was published of people and monkeys.
fn errors(scene: &Scene, players: &[Player], out: &mut Out) -> Result<()> {
    let columns = [
        "row",
        "mae_trialwise_deg",
        "mae_of_mean_deg",
        "n_conditions",
        "n_trials",
        "source",
    ];
    let mut table = Table::new("noise", &columns);
    let mut drawn = Vec::new();
    let group = |over_trials: bool| match over_trials {
        true => "Error over trials".to_owned(),
        false => "Error of the mean".to_owned(),
    };
    for player in players {
        let p = performance(&player.trials, scene.config.resamples, scene.config.seed)?;
        for score in performance_scores(&player.name, player.kind, &p) {
            let over_trials = score.metric == "mae_trialwise";
            drawn.push(Dot {
                group: group(over_trials),
                name: player.name.clone(),
                value: score.value,
                interval: Some((score.low, score.high)),
                filled: true,
            });
            out.scores.push(score);
        }
        table.push(cells![
            &player.name,
            p.mae_trialwise,
            p.mae_of_mean,
            p.n_conditions,
            p.n_trials,
            "computed"
        ]);
    }
    for v in published_values()?
        .iter()
        .filter(|v| v.analysis == "behavior")
    {
        let (trialwise, of_mean) = match v.quantity.as_str() {
            "mae over trials" => (v.value, f64::NAN),
            "mae of the mean" => (f64::NAN, v.value),
            _ => continue,
        };
        table.push(cells![&v.subject, trialwise, of_mean, &v.n, "", &v.source]);
        drawn.push(Dot {
            group: group(!trialwise.is_nan()),
            name: format!(
                "{} ({})",
                v.subject,
                v.n.split(' ').next().unwrap_or_default()
            ),
            value: v.value,
            interval: v.spread.map(|s| (v.value - s, v.value + s)),
            filled: false,
        });
    }
    drawn.sort_by_key(|dot| dot.group != group(true));
    out.tables.push(table);
    out.figure(
        "noise",
        "noise",
        "How large the errors are",
        "Mean absolute error of single trials, and of the mean over trials (bias). Filled: computed, bars 95 % bootstrap over conditions. Open: published, bars as printed, with the number of conditions; conditions, laws and numbers of trials differ (see the table).",
        dots("Errors at the end of noisy models, people and monkeys", "|error| at the end (degrees)", &drawn, &[]),
    );
    Ok(())
}

/// How the spread of the decoded height grows from the moment that the ball is hidden.
fn growth(scene: &Scene, players: &[Player], out: &mut Out) {
    let mut table = Table::new(
        "noise_growth",
        &["row", "ms_hidden", "sd_deg", "n_conditions"],
    );
    let mut lines = Vec::new();
    for player in players.iter().filter(|p| !p.spread.is_empty()) {
        let mut by_time: Vec<Vec<f64>> = Vec::new();
        for (spread, rows) in player.spread.iter().zip(scene.layout.conditions()) {
            let onset = rows
                .hidden
                .iter()
                .position(|&h| h)
                .unwrap_or(rows.bins.len());
            for (k, value) in spread[onset..].iter().enumerate() {
                if by_time.len() <= k {
                    by_time.push(Vec::new());
                }
                by_time[k].push(*value);
            }
        }
        let mut points = Vec::new();
        for (k, values) in by_time.iter().enumerate() {
            let (ms, at) = (k as f64 * scene.axis.bin_ms, mean(values));
            table.push(cells![&player.name, ms, at, values.len()]);
            if values.len() >= MIN_AT_A_TIME.min(scene.n_conditions()) {
                points.push((ms, at, at, at));
            }
        }
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            out.scores.push(
                Score::of(&player.name, player.kind, "spread_growth", last.1 / first.1)
                    .target("y")
                    .during(Epoch::Hidden.name())
                    .conditions(scene.n_conditions())
                    .noting(format!(
                        "{:.2}° at first, {:.2}° after {} ms",
                        first.1, last.1, last.0
                    )),
            );
        }
        lines.push(Curve {
            name: player.name.clone(),
            null: false,
            points,
        });
    }
    out.tables.push(table);
    out.figure(
        "noise_growth",
        "noise_growth",
        "Uncertainty behind the occluder",
        "Standard deviation over trials of the decoded height, mean over conditions, by time since the ball was hidden. Noise enters while the ball is seen; what grows afterwards is the simulation's own.",
        curves("Spread of the decoded height over hidden time", "time hidden (ms)", "spread (degrees)", &lines),
    );
}

/// Whether they err on the conditions on which those err whose trials are there.
fn alike(scene: &Scene, players: &[Player], out: &mut Out) -> Result<()> {
    let (ids, seed) = (places(scene), scene.config.seed);
    let halves = |name: &str, table: &TrialTable, ids: &[u32]| {
        let kind = ErrorKind::Residual;
        ErrorHalves::new(name, table, ids, kind, PUBLISHED_ITERATIONS, seed as u32)
    };
    for (name, trials) in &scene.inputs.trials {
        let theirs = of_trials(scene, trials)?;
        let twice = theirs.conditions(2);
        let shared: Vec<u32> = ids
            .iter()
            .copied()
            .filter(|id| twice.contains(id))
            .collect();
        if shared.len() < 5 {
            out.warnings.push(format!(
                "{name}: fewer than five conditions with two trials, no consistency."
            ));
            continue;
        }
        let other = halves(name, &theirs, &shared)?;
        for player in players {
            let own = halves(&player.name, &player.trials, &shared)?;
            let found = consistency(&own, &other, scene.config.resamples, seed)?;
            let over = &found.over_conditions;
            out.scores.push(
                Score::of(
                    &player.name,
                    player.kind,
                    "consistency",
                    found.corrected.mean,
                )
                .target(name)
                .conditions(found.n_conditions)
                .between(over.p025, over.p975, interval::CONDITIONS),
            );
        }
    }
    Ok(())
}
