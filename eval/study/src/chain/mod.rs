//! `mpong run`: conditions to frames, latents, forecasts, read-outs, card and report.

pub(crate) mod rows;

use std::path::Path;

use mental_pong_base::Monitor;
use mental_pong_game::task::{
    Condition, Law, Masks, Set, group_shuffle_split, select, trajectory, truth_bins,
};
use mental_pong_predictor::latents::{Cache, Clock, ContextRule, Shown, Video};
use mental_pong_predictor::weights::bundled;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::rows::{FeatureSet, Maker};
use crate::card::{
    BehaviorScore, Card, Check, Inputs, NamedText, Row, RowKind, SCHEMA_VERSION, Seed, SplitsInfo,
};
use crate::error::{Error, Result};
use crate::published::published_values;
use crate::report::number::fixed;
use crate::report::{
    EndpointLine, OverTimeLine, Report, ReportInput, TrajectoryPanel, build, decode_csv,
};
use mental_pong_eval::array::Array2;
use mental_pong_eval::behavior::{ErrorPattern, error_pattern};
use mental_pong_eval::controls::{NullRule, null_check};
use mental_pong_eval::decode::{
    ConditionRows, EndpointDecoder, Epoch, Layout, OnlineDecoder, OnlineResult, Split,
};
use mental_pong_eval::linear::Readout;

/// Rows that a model has to beat, in x and in y of the hidden epoch; otherwise the run fails.
pub const NULL_ROWS: [&str; 4] = ["no-dynamics", "last-seen", "constant", "random-weights"];

/// A model at or below a null row, in the mean over splits or in half of them, fails. Splits overlap, so a share is no p
/// value; the card gives it.
const NULL_RULE: NullRule = NullRule { min_share: 0.5 };

/// Fewest conditions that the published splits make sense for.
const MIN_CONDITIONS: usize = 10;
/// Read-out with features of equal number.
const FAIR: Readout = Readout::Pca { k: 50 };
/// Fewest conditions behind a point over time.
const MIN_AT_A_TIME: usize = 20;
/// Conditions whose paths are drawn, places in the published order: straight and bouncing, fast and slow.
const DRAWN: [usize; 12] = [0, 5, 9, 20, 33, 41, 51, 58, 61, 66, 75, 78];

/// Configuration of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Conditions by id; empty for the 79 recorded ones.
    pub ids: Vec<u32>,
    /// Number of splits by condition.
    pub splits: usize,
    /// Share of conditions that a read-out is fitted on.
    pub train: f64,
    /// Seed of the splits (numpy's legacy generator, as published).
    pub split_seed: u32,
    /// Root seed of the controls: derangement, random weights.
    pub control_seed: u64,
    /// Frames that a forecast starts from; 0 for the whole visible epoch (published), else the last so many.
    pub context_frames: usize,
    /// Model row that the pictures and the summary are about.
    pub headline: String,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            ids: Vec::new(),
            splits: 100,
            train: 0.5,
            split_seed: 0,
            control_seed: 1,
            context_frames: 0,
            headline: "ctrnn".into(),
        }
    }
}

impl RunConfig {
    fn conditions(&self) -> Result<Vec<Condition>> {
        let conditions = if self.ids.is_empty() {
            Set::Primate79.conditions()?
        } else {
            select(&self.ids)?
        };
        if conditions.len() < MIN_CONDITIONS {
            return Err(Error::invalid(
                "ids",
                format!(
                    "{} conditions; a read-out on held-out conditions needs at least {MIN_CONDITIONS}",
                    conditions.len()
                ),
            ));
        }
        Ok(conditions)
    }

    fn context(&self) -> ContextRule {
        match self.context_frames {
            0 => ContextRule::OccFrameStart,
            n => ContextRule::Last(n),
        }
    }

    fn check(&self) -> Result<()> {
        if self.splits == 0 {
            return Err(Error::invalid("splits", "0; needs at least 1"));
        }
        if !["ctrnn", "lstm"].contains(&self.headline.as_str()) {
            return Err(Error::invalid(
                "headline",
                format!("`{}`; the models are ctrnn, lstm", self.headline),
            ));
        }
        Ok(())
    }
}

/// Runs the bundled predictors and every control, and builds the report. Encoded clips are kept in `cache`, so that a
/// stopped run goes on where it was.
///
/// The same configuration gives the same bytes, with any number of threads.
///
/// # Errors
/// [`Error::Interrupted`] when `monitor` stops it; [`Error::Invalid`] for a configuration that cannot
/// be run.
pub fn run(config: &RunConfig, cache: &Cache, monitor: &dyn Monitor) -> Result<Report> {
    config.check()?;
    let conditions = config.conditions()?;
    let layout = layout(&conditions)?;
    let splits: Vec<Split> = group_shuffle_split(
        conditions.len(),
        config.splits,
        config.train,
        config.split_seed,
    )?
    .into_iter()
    .map(|s| Split {
        train: s.train,
        test: s.test,
    })
    .collect();
    let bundle = bundled()?;
    let maker = Maker {
        conditions: &conditions,
        bundle: &bundle,
        context: config.context(),
        seed: config.control_seed,
        cache,
        monitor,
    };
    let sets = maker.all()?;
    monitor.stage("reading out", 2 * sets.len() as u64);
    let ends: Vec<f64> = conditions
        .iter()
        .map(|c| trajectory(c, Law::Display).y_x10_deg())
        .collect();
    let mut done: Vec<Scored> = Vec::new();
    for set in &sets {
        done.push(score(set, &layout, &splits, &ends, monitor)?);
    }
    let mut input = assemble(config, &conditions, &layout, &sets, &done, &maker)?;
    let set = maker.inertia()?;
    let result = OnlineDecoder::new(&layout, &set.features)?.run(&splits, Readout::Full)?;
    ablation(&mut input, &layout, &set, &result)?;
    build(&input)
}

/// Says beside the score what the inertia built into the dynamics reaches by itself: a table and a sentence.
fn ablation(
    input: &mut ReportInput,
    layout: &Layout,
    set: &FeatureSet,
    result: &OnlineResult,
) -> Result<()> {
    let row = Row::from_online(
        set.name,
        set.kind,
        &set.description,
        set.features.first().map_or(0, Array2::cols),
        layout.target_names(),
        result,
    );
    let r = |target| {
        row.get(Epoch::Hidden, target)
            .map_or(String::new(), |s| fixed(s.r.mean, 3))
    };
    input.card.does_not_show.push(format!(
        "What the dynamics learned is only a part of the score: the inertia built into them (latents going on with their \
         smoothed velocity, nothing learned) reaches {} for x and {} for y by itself (tables/ablation.csv).",
        r("x"),
        r("y")
    ));
    let mut alone = input.card.clone();
    alone.rows = vec![row];
    let table = decode_csv(&alone, &input.card.primary_readout)?;
    input
        .extra_tables
        .push(("tables/ablation.csv".into(), table));
    Ok(())
}

/// One row, read out.
struct Scored {
    full: OnlineResult,
    fair: OnlineResult,
    endpoint: Option<EndpointLine>,
    pattern: Option<ErrorPattern>,
}

fn score(
    set: &FeatureSet,
    layout: &Layout,
    splits: &[Split],
    ends: &[f64],
    monitor: &dyn Monitor,
) -> Result<Scored> {
    let decoder = OnlineDecoder::new(layout, &set.features)?;
    let stop = || {
        if monitor.stopped() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    };
    stop()?;
    let full = decoder.run(splits, Readout::Full)?;
    monitor.advance(1);
    stop()?;
    let fair = decoder.run(splits, FAIR)?;
    monitor.advance(1);
    let endpoint = if set.drawn {
        let result = EndpointDecoder::new(layout, &set.features, ends)?.run(splits, FAIR)?;
        Some(EndpointLine::from_endpoint(
            set.name,
            &result,
            MIN_AT_A_TIME,
        ))
    } else {
        None
    };
    let pattern = if set.has_paddle {
        let ids: Vec<u32> = layout.conditions().iter().map(|c| c.id).collect();
        let trials: Vec<Vec<f64>> = full
            .last
            .iter()
            .map(|splits| splits.iter().map(|targets| targets[1]).collect())
            .collect();
        Some(error_pattern(&ids, &trials, ends)?)
    } else {
        None
    };
    Ok(Scored {
        full,
        fair,
        endpoint,
        pattern,
    })
}

/// Bins, masks and truth (display law) of the conditions; targets x and y in degrees, dx and dy in degrees per bin.
pub fn layout(conditions: &[Condition]) -> Result<Layout> {
    let rows = conditions
        .iter()
        .map(|condition| {
            let masks = Masks::of(condition);
            let truth = truth_bins(condition);
            let bins: Vec<usize> = masks.start_end.clone().collect();
            let targets: Vec<[f64; 4]> = bins
                .iter()
                .map(|&b| {
                    [
                        truth.x_deg[b],
                        truth.y_deg[b],
                        truth.dx_deg_per_bin[b],
                        truth.dy_deg_per_bin[b],
                    ]
                })
                .collect();
            Ok(ConditionRows {
                id: condition.id,
                targets: Array2::from_rows(&targets)?,
                visible: bins.iter().map(|b| masks.start_occ.contains(b)).collect(),
                hidden: bins.iter().map(|b| masks.occ_end.contains(b)).collect(),
                bins,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Layout::new(
        ["x", "y", "dx", "dy"].map(String::from).to_vec(),
        50.0,
        rows,
    )?)
}

fn assemble(
    config: &RunConfig,
    conditions: &[Condition],
    layout: &Layout,
    sets: &[FeatureSet],
    done: &[Scored],
    maker: &Maker,
) -> Result<ReportInput> {
    let mut rows = Vec::new();
    for full in [true, false] {
        for (set, scored) in sets.iter().zip(done) {
            let result = if full { &scored.full } else { &scored.fair };
            rows.push(Row::from_online(
                set.name,
                set.kind,
                &set.description,
                set.features.first().map_or(0, Array2::cols),
                layout.target_names(),
                result,
            ));
        }
    }
    let find = |name: &str| {
        sets.iter()
            .position(|s| s.name == name)
            .map(|k| &done[k])
            .ok_or_else(|| Error::invalid("row", name))
    };
    let mut checks = Vec::new();
    for model in sets.iter().filter(|s| s.kind == RowKind::Model) {
        for null in NULL_ROWS {
            for (t, target) in ["x", "y"].into_iter().enumerate() {
                let check = null_check(
                    (model.name, null, target),
                    &find(model.name)?.full.r_per_split(Epoch::Hidden, t),
                    &find(null)?.full.r_per_split(Epoch::Hidden, t),
                    NULL_RULE,
                )?;
                checks.push(Check {
                    name: format!("{} beats {null} in hidden {target}", model.name),
                    passed: check.passed,
                    detail: check.detail(),
                });
            }
        }
    }
    let headline = find(&config.headline)?;
    let drawn = sets.iter().zip(done).filter(|(s, _)| s.drawn);
    let patterns = || {
        sets.iter()
            .zip(done)
            .filter_map(|(s, d)| d.pattern.as_ref().map(|p| (s.name.to_string(), p.clone())))
    };
    let card = Card {
        schema_version: SCHEMA_VERSION,
        program: format!("mpong {}", env!("CARGO_PKG_VERSION")),
        data_statement: "Task, stimuli and truth are computed from the published rules. The models are this program's own. \
                         Figures of DMFC, monkeys and people are quoted from the literature; no recording was read."
            .into(),
        config: serde_json::to_value(config)?,
        inputs: inputs(config, conditions, maker)?,
        seeds: vec![
            Seed {
                purpose: "splits by condition (numpy RandomState)".into(),
                value: u64::from(config.split_seed),
            },
            Seed {
                purpose: "controls (ChaCha8): derangement, random weights".into(),
                value: config.control_seed,
            },
        ],
        models: maker.model_cards(),
        splits: SplitsInfo {
            n: config.splits,
            train: config.train,
            seed: u64::from(config.split_seed),
            method: "GroupShuffleSplit over conditions, as scikit-learn draws it".into(),
        },
        n_conditions: conditions.len(),
        n_bins: layout.conditions().iter().map(|c| c.bins.len()).sum(),
        primary_readout: Readout::Full.name(),
        rows,
        behavior: patterns()
            .map(|(row, p)| BehaviorScore {
                row,
                n_conditions: p.n_conditions,
                n_trials: p.n_trials,
                mae_trialwise_deg: p.mae_trialwise,
                mae_of_mean_deg: p.mae_of_mean,
                r: p.r,
            })
            .collect(),
        checks,
        tables: Vec::new(),
        figures: Vec::new(),
        does_not_show: does_not_show(),
    };
    Ok(ReportInput {
        title: "Mental-Pong: how well a latent predictor follows the hidden ball".into(),
        card,
        headline_row: config.headline.clone(),
        null_rows: NULL_ROWS.map(String::from).to_vec(),
        trajectories: panels(layout, headline),
        over_time: drawn
            .clone()
            .map(|(s, d)| OverTimeLine::from_online(s.name, &d.full, MIN_AT_A_TIME))
            .collect(),
        endpoint: drawn.filter_map(|(_, d)| d.endpoint.clone()).collect(),
        error_pattern: headline.pattern.clone(),
        error_patterns: patterns().collect(),
        published: published_values()?,
        extra_tables: Vec::new(),
    })
}

fn panels(layout: &Layout, headline: &Scored) -> Vec<TrajectoryPanel> {
    let n = layout.conditions().len();
    let places: Vec<usize> = if n == 79 {
        DRAWN.to_vec()
    } else {
        (0..n.min(12)).map(|k| k * n / n.min(12)).collect()
    };
    let path = |a: &Array2| (0..a.rows()).map(|i| (a.get(i, 0), a.get(i, 1))).collect();
    places
        .into_iter()
        .map(|k| {
            let rows = &layout.conditions()[k];
            TrajectoryPanel {
                label: format!("condition {}", rows.id),
                truth: path(&rows.targets),
                decoded: path(&headline.full.held_out[k]),
                hidden: rows.hidden.clone(),
            }
        })
        .collect()
}

fn inputs(config: &RunConfig, conditions: &[Condition], maker: &Maker) -> Result<Inputs> {
    let mut frames = Sha256::new();
    for condition in maker.set()?.conditions() {
        let video = Video::of(condition, Shown::Occluded, Clock::Bins)?;
        for frame in video.lead.iter().chain(&video.frames) {
            frames.update(frame);
        }
    }
    let hex =
        |hash: Sha256| -> String { hash.finalize().iter().map(|b| format!("{b:02x}")).collect() };
    let ids: Vec<String> = conditions.iter().map(|c| c.id.to_string()).collect();
    let mut listed = Sha256::new();
    listed.update(ids.join(",").as_bytes());
    Ok(Inputs {
        conditions: if config.ids.is_empty() {
            Set::Primate79.name().into()
        } else {
            format!("{} given ids", conditions.len())
        },
        law: Law::Display.name().into(),
        preset: "model224".into(),
        sha256: [
            ("condition ids".to_string(), hex(listed)),
            ("frames the models saw".to_string(), hex(frames)),
        ]
        .into_iter()
        .chain(maker.hashes())
        .map(|(name, value)| NamedText::new(name, value))
        .collect(),
    })
}

/// What a reader must not take the score for.
fn does_not_show() -> Vec<String> {
    [
        "It does not compare with a brain directly: the DMFC figures were decoded by the same protocol from recordings that \
         this run did not read. Neural predictivity and similarity of representations need those recordings.",
        "A high correlation is no proof of simulation: the rows constant-velocity and kinematic reach theirs by a rule, and \
         last-seen shows how far memory alone goes.",
        "The read-out is fitted on conditions of the same task, hidden epochs among them: what it finds is in the latents, \
         but a linear map had to be told where.",
        "The 79 conditions are one sample of the task, the 100 splits overlap, and their standard deviation is no standard \
         error.",
        "The models were trained on other videos, with the hidden ball's later picture as the target; how people or monkeys \
         learn it is another question.",
    ]
    .map(String::from)
    .to_vec()
}

/// Repeats the run that a card describes and lists what differs; nothing if the card is right to the last digit.
///
/// # Errors
/// [`Error::Invalid`] for a card without a configuration, and the errors of [`run`].
pub fn verify(
    card: &Card,
    cache: &Cache,
    monitor: &dyn Monitor,
) -> Result<Vec<crate::card::Difference>> {
    let config: RunConfig = serde_json::from_value(card.config.clone())
        .map_err(|e| Error::invalid("config of the card", e.to_string()))?;
    let again = run(&config, cache, monitor)?.card;
    crate::card::compare(card, &again)
}

/// Where a run keeps its encoded clips.
#[must_use]
pub fn cache_folder(out: &Path) -> std::path::PathBuf {
    out.join("cache")
}
