//! One's own latents scored by the library: written to a file that states its set, read, evaluated, with the nulls beside.
#![allow(clippy::print_stdout, reason = "an example says what it found")]
//!
//! `cargo run --release -p mental-pong-study --example score_latents`

use mental_pong_base::Quiet;
use mental_pong_game::task::ConditionSet;
use mental_pong_predictor::latents::{
    Cache, ConditionLatents, Format, LatentsWriter, LayerInfo, OfSet, Status, Step,
};
use mental_pong_study::{Asked, Inputs, Request, StudyConfig, evaluate};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Stands for any network: it holds the ball where it was seen last.
fn latents(set: &ConditionSet) -> Vec<ConditionLatents> {
    set.conditions()
        .iter()
        .map(|condition| {
            let (mut steps, mut values, mut seen) = (Vec::new(), Vec::new(), [0.0_f32; 2]);
            for (frame, truth) in condition.truth().iter().enumerate() {
                if truth.visible > 0.0 {
                    seen = [truth.x_deg as f32, truth.y_deg as f32];
                }
                values.extend(seen);
                steps.push(Step {
                    frame,
                    time_ms: truth.time_ms,
                    status: if truth.visible > 0.0 {
                        Status::Visible
                    } else {
                        Status::Hidden
                    },
                });
            }
            ConditionLatents {
                id: condition.id().into(),
                steps,
                layers: vec![values],
            }
        })
        .collect()
}

fn main() -> Outcome<()> {
    let set = ConditionSet::open("primate79")?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mine.npz");
    let layers = [LayerInfo {
        name: "held".into(),
        units: 2,
    }];
    let mut writer = LatentsWriter::new(&path, Format::of(&path)?, &layers, &json!({}))?;
    for condition in latents(&set) {
        writer.push(&condition)?;
    }
    let of = OfSet {
        identity: set.identity(),
        rate_hz: set.conditions()[0].rate_hz(),
    };
    writer.finish(&of, &json!({ "model": "held" }))?;

    let inputs = Inputs::open(&Request {
        asked: Asked {
            no_models: true,
            ..Asked::default()
        },
        latents: vec![("mine".into(), path)],
        ..Request::default()
    })?;
    let config = StudyConfig {
        analyses: vec!["simulation".into()],
        ..StudyConfig::default()
    };
    let study = evaluate(&inputs, &config, &Cache::none(), &Quiet)?;
    for sentence in &study.card.answer {
        println!("{sentence}");
    }
    Ok(())
}
