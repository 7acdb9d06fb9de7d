//! Writes a report from made-up numbers into the folder given, to look at its layout: `cargo run --example sample_report -- DIR`.
//! Everything in it is SYNTHETIC; no number means anything.

use std::path::Path;

use mental_pong_eval::array::Array2;
use mental_pong_eval::behavior::{error_pattern, final_heights};
use mental_pong_eval::controls::{
    NullRule, constant_features, derangement, null_check, shuffle_conditions,
};
use mental_pong_eval::decode::{
    ConditionRows, EndpointDecoder, Epoch, Layout, OnlineDecoder, Split,
};
use mental_pong_eval::linear::Readout;
use mental_pong_study::card::{
    BehaviorScore, Card, Check, Inputs, ModelCard, NamedText, Row, RowKind, SCHEMA_VERSION, Seed,
    SplitsInfo,
};
use mental_pong_study::error::Result;
use mental_pong_study::published::published_values;
use mental_pong_study::report::{
    EndpointLine, OverTimeLine, ReportInput, TrajectoryPanel, build, write_files,
};

/// Made-up noise in -1..1 from a hash of its arguments.
fn noise(a: usize, b: usize, c: usize) -> f64 {
    let mut z = (a as u64) << 40 ^ (b as u64) << 20 ^ c as u64 ^ 0x9e37_79b9_7f4a_7c15;
    for _ in 0..3 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^= z >> 27;
    }
    (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

const CONDITIONS: usize = 40;

fn layout() -> Result<Layout> {
    let conditions = (0..CONDITIONS)
        .map(|c| {
            let bins = 34 + c % 9;
            let (x0, y0) = (-8.0 + 3.0 * noise(c, 1, 0), 6.0 * noise(c, 2, 0));
            let (dx, mut dy) = ((10.0 - x0) / bins as f64, 0.35 * noise(c, 3, 0));
            let mut y = y0;
            let mut rows = Vec::new();
            for i in 0..bins {
                if (y + dy).abs() > 9.8 {
                    dy = -dy;
                }
                y += dy;
                rows.push([x0 + dx * (i + 1) as f64, y, dx, dy]);
            }
            let first = rows.iter().position(|r| r[0] >= 5.0).unwrap_or(bins);
            Ok(ConditionRows {
                id: 1000 + c as u32,
                bins: (6..6 + bins).collect(),
                visible: (0..bins).map(|i| i <= first).collect(),
                hidden: (0..bins).map(|i| i >= first).collect(),
                targets: Array2::from_rows(&rows)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Layout::new(
        ["x", "y", "dx", "dy"].map(String::from).to_vec(),
        50.0,
        conditions,
    )?)
}

/// Noisy mixtures of the truth; `blur` is the noise while hidden, `frozen` holds the last visible state.
fn features(layout: &Layout, blur: f64, frozen: bool, salt: usize) -> Vec<Array2> {
    layout
        .conditions()
        .iter()
        .enumerate()
        .map(|(c, rows)| {
            let first = rows.hidden.iter().position(|&h| h).unwrap_or(0);
            Array2::from_fn(rows.bins.len(), 12, |i, unit| {
                let source = if frozen { i.min(first) } else { i };
                let scale = if i >= first { blur } else { 0.25 * blur };
                let state = rows.targets.row(source);
                let mixed: f64 = state
                    .iter()
                    .enumerate()
                    .map(|(t, v)| v * noise(7, unit, t))
                    .sum();
                mixed + 4.0 * scale * noise(c * 100 + i, unit, salt)
            })
        })
        .collect()
}

pub(crate) fn run(folder: &Path) -> Result<()> {
    let layout = layout()?;
    let splits: Vec<Split> = (0..20)
        .map(|s| {
            let (train, test) = (0..CONDITIONS).partition(|&c| noise(s, c, 99) < 0.0);
            Split { train, test }
        })
        .collect();
    let counts: Vec<usize> = layout.conditions().iter().map(|c| c.bins.len()).collect();
    let model = features(&layout, 1.0, false, 1);
    let sets: Vec<(&str, RowKind, &str, Vec<Array2>)> = vec![
        (
            "ctrnn",
            RowKind::Model,
            "synthetic stand-in for a forecast",
            model.clone(),
        ),
        (
            "lstm",
            RowKind::Model,
            "synthetic stand-in, more noise",
            features(&layout, 1.6, false, 2),
        ),
        (
            "upper-visible",
            RowKind::Reference,
            "synthetic stand-in without hidden noise",
            features(&layout, 0.4, false, 3),
        ),
        (
            "oracle",
            RowKind::Reference,
            "the truth itself",
            layout
                .conditions()
                .iter()
                .map(|c| c.targets.clone())
                .collect(),
        ),
        (
            "no-dynamics",
            RowKind::Control,
            "last visible state held",
            features(&layout, 1.0, true, 4),
        ),
        (
            "constant",
            RowKind::Control,
            "one constant",
            constant_features(&counts),
        ),
        (
            "last-seen",
            RowKind::Control,
            "last visible state held, little noise",
            features(&layout, 0.3, true, 5),
        ),
        (
            "constant-velocity",
            RowKind::Control,
            "synthetic",
            features(&layout, 0.8, false, 6),
        ),
        (
            "kinematic",
            RowKind::Control,
            "synthetic",
            features(&layout, 0.5, false, 7),
        ),
        (
            "shuffled",
            RowKind::Control,
            "features of another condition",
            shuffle_conditions(&model, &derangement(CONDITIONS, 1)?)?,
        ),
        (
            "random-weights",
            RowKind::Control,
            "synthetic",
            features(&layout, 5.0, true, 8),
        ),
        (
            "pixels",
            RowKind::Control,
            "synthetic",
            features(&layout, 7.0, true, 9),
        ),
    ];
    let (mut rows, mut over_time, mut endpoint, mut results) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let truth: Vec<f64> = layout
        .conditions()
        .iter()
        .map(|c| c.targets.get(c.targets.rows() - 1, 1))
        .collect();
    for (name, kind, description, set) in &sets {
        let decoder = OnlineDecoder::new(&layout, set)?;
        for readout in [Readout::Pca { k: 50 }, Readout::Full] {
            let result = decoder.run(&splits, readout)?;
            let units = set[0].cols();
            rows.push(Row::from_online(
                name,
                *kind,
                description,
                units,
                layout.target_names(),
                &result,
            ));
            if readout != Readout::Full {
                if [
                    "ctrnn",
                    "lstm",
                    "no-dynamics",
                    "upper-visible",
                    "shuffled",
                    "kinematic",
                ]
                .contains(name)
                {
                    over_time.push(OverTimeLine::from_online(name, &result, 20));
                    let end = EndpointDecoder::new(&layout, set, &truth)?.run(&splits, readout)?;
                    endpoint.push(EndpointLine::from_endpoint(name, &end, 20));
                }
                results.push((*name, result));
            }
        }
    }
    let find = |name: &str| {
        results
            .iter()
            .find(|r| r.0 == name)
            .map(|r| &r.1)
            .ok_or_else(|| mental_pong_eval::error::Error::invalid("row", name))
    };
    let ctrnn = find("ctrnn")?;
    let mut checks = Vec::new();
    for null in ["no-dynamics", "last-seen", "constant", "random-weights"] {
        for (t, target) in ["x", "y"].into_iter().enumerate() {
            let check = null_check(
                ("ctrnn", null, target),
                &ctrnn.r_per_split(Epoch::Hidden, t),
                &find(null)?.r_per_split(Epoch::Hidden, t),
                NullRule::default(),
            )?;
            checks.push(Check {
                name: format!("ctrnn beats {null} in hidden {target}"),
                passed: check.passed,
                detail: check.detail(),
            });
        }
    }
    let ids: Vec<u32> = layout.conditions().iter().map(|c| c.id).collect();
    let heights = final_heights(&layout, &ctrnn.held_out, 1);
    let trials: Vec<Vec<f64>> = heights.iter().map(|&h| vec![h]).collect();
    let pattern = error_pattern(&ids, &trials, &truth)?;
    let trajectories = (0..12)
        .map(|c| {
            let rows = &layout.conditions()[c];
            let path = |a: &Array2| (0..a.rows()).map(|i| (a.get(i, 0), a.get(i, 1))).collect();
            TrajectoryPanel {
                label: format!("condition {}", rows.id),
                truth: path(&rows.targets),
                decoded: path(&ctrnn.held_out[c]),
                hidden: rows.hidden.clone(),
            }
        })
        .collect();
    let card = Card {
        schema_version: SCHEMA_VERSION,
        program: "sample_report".into(),
        data_statement: "SYNTHETIC: every model number on this page is made up to show the layout. Nothing was measured.".into(),
        config: serde_json::Value::Null,
        inputs: Inputs {
            conditions: "made-up".into(),
            law: "synthetic".into(),
            preset: "none".into(),
            sha256: vec![NamedText::new("stimuli", "0".repeat(64))],
        },
        seeds: vec![Seed { purpose: "derangement of conditions".into(), value: 1 }],
        models: vec![ModelCard {
            name: "ctrnn".into(),
            description: "A synthetic stand-in.".into(),
            units: 12,
            weights_sha256: String::new(),
            facts: vec![NamedText::new("trained on", "nothing")],
        }],
        splits: SplitsInfo { n: splits.len(), train: 0.5, seed: 0, method: "made-up".into() },
        n_conditions: CONDITIONS,
        n_bins: counts.iter().sum(),
        primary_readout: "pca50".into(),
        rows,
        behavior: vec![BehaviorScore {
            row: "ctrnn".into(),
            n_conditions: pattern.n_conditions,
            n_trials: pattern.n_trials,
            mae_trialwise_deg: pattern.mae_trialwise,
            mae_of_mean_deg: pattern.mae_of_mean,
            r: pattern.r,
        }],
        checks,
        tables: Vec::new(),
        figures: Vec::new(),
        does_not_show: vec![
            "That a brain works like this model: a linear read-out of both says what can be read, not how it is made.".into(),
            "Anything about real balls: the numbers are synthetic.".into(),
        ],
    };
    let report = build(&ReportInput {
        title: "Mental-Pong: sample report (synthetic)".into(),
        card,
        headline_row: "ctrnn".into(),
        null_rows: ["no-dynamics", "last-seen", "constant", "random-weights"]
            .map(String::from)
            .to_vec(),
        trajectories,
        over_time,
        endpoint,
        error_patterns: vec![("ctrnn".into(), pattern.clone())],
        error_pattern: Some(pattern),
        published: published_values()?,
        extra_tables: Vec::new(),
    })?;
    write_files(&report, folder)
}

fn main() -> std::process::ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        return std::process::ExitCode::from(2);
    };
    match run(Path::new(&folder)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
