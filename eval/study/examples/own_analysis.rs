//! An analysis of one's own beside the others: how fast does a model's read-out move while the ball is hidden?
#![allow(clippy::print_stdout, reason = "an example says what it found")]
//!
//! `cargo run --release -p mental-pong-study --example own_analysis`

use mental_pong_base::Quiet;
use mental_pong_game::task::Epoch;
use mental_pong_predictor::latents::Cache;
use mental_pong_study::analysis::{Analysis, Need, Out, Table};
use mental_pong_study::card::{RowKind, Score};
use mental_pong_study::error::Result;
use mental_pong_study::{Inputs, Scene, StudyConfig, cells, evaluate_with};

/// Mean change of a row's features from bin to bin, hidden over visible: 1 for what moves on alike, 0 for what stands still.
struct Speed;

impl Analysis for Speed {
    fn id(&self) -> &'static str {
        "speed"
    }
    fn chapter(&self) -> &'static str {
        "concepts/evaluation"
    }
    fn title(&self) -> &'static str {
        "Do the latents move on?"
    }
    fn question(&self) -> &'static str {
        "How fast do the latents change while the ball is hidden, as a share of how fast they change while it is seen?"
    }
    fn does_not_show(&self) -> &'static str {
        "Latents may move on and still not follow the ball."
    }
    fn needs(&self) -> &'static [Need] {
        &[Need::Model, Need::Occlusion]
    }

    fn run(&self, scene: &Scene<'_>, out: &mut Out) -> Result<()> {
        let mut table = Table::new("speed", &["row", "visible", "hidden"]);
        for row in scene.of_kind(RowKind::Model) {
            let (mut sum, mut n) = ([0.0; 2], [0_usize; 2]);
            for (states, truth) in scene.features(row)?.iter().zip(scene.layout.conditions()) {
                for bin in 1..states.rows() {
                    let hidden = usize::from(truth.hidden[bin]);
                    let (now, before) = (states.row(bin), states.row(bin - 1));
                    let squares = now.iter().zip(before).map(|(a, b)| (a - b).powi(2));
                    sum[hidden] += squares.sum::<f64>().sqrt();
                    n[hidden] += 1;
                }
            }
            let [visible, hidden] = [0, 1].map(|epoch| sum[epoch] / n[epoch] as f64);
            table.push(cells![&row.name, visible, hidden]);
            out.scores.push(
                Score::of(&row.name, row.kind, "speed", hidden / visible)
                    .during(Epoch::Hidden.name())
                    .conditions(scene.n_conditions())
                    .bins(n[1]),
            );
        }
        out.tables.push(table);
        out.method
            .push("Euclidean distance of the latents of neighbouring bins, mean over bins.".into());
        Ok(())
    }
}

fn main() -> Result<()> {
    let config = StudyConfig {
        analyses: vec!["speed".into()],
        ..StudyConfig::default()
    };
    let (cache, own) = (Cache::none(), [&Speed as &dyn Analysis]);
    let study = evaluate_with(&Inputs::bundled(), &config, &cache, &Quiet, &own)?;
    print!("{}", study.file("tables/speed.csv").unwrap_or_default());
    Ok(())
}
