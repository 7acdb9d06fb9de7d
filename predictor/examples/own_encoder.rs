//! An encoder of one's own on the task: where the ball is seen, as the centre of what changes from frame to frame.
#![allow(clippy::print_stdout, reason = "an example says what it found")]
//!
//! `cargo run --release -p mental-pong-predictor --example own_encoder`

use mental_pong_base::Quiet;
use mental_pong_game::task::ConditionSet;
use mental_pong_predictor::encoders::{Encoder, EncoderIdentity, FRAME_SIZE};
use mental_pong_predictor::latents::{Cache, Layers};
use mental_pong_predictor::{Predictor, Result};

/// Two latents: column and row of the centre of change, each −1 to 1; 0 where nothing changes.
struct CentreOfChange {
    identity: EncoderIdentity,
}

impl CentreOfChange {
    fn new() -> Self {
        Self {
            // All that the latents depend on but the frames; caches are found by it.
            identity: EncoderIdentity {
                name: "centre-of-change".into(),
                weights_sha256: String::new(),
                preprocessing: "none".into(),
                code_version: 1,
            },
        }
    }
}

impl Encoder for CentreOfChange {
    fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    fn latent_dim(&self) -> usize {
        2
    }

    /// A latent depends on its frame and on the one before.
    fn reach(&self) -> usize {
        2
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        let mut latents = Vec::with_capacity(2 * frames.len());
        for (at, frame) in frames.iter().enumerate() {
            let before = frames[at.saturating_sub(1)];
            let (mut sum, mut column, mut row) = (0.0, 0.0, 0.0);
            for (pixel, (now, then)) in frame.chunks(3).zip(before.chunks(3)).enumerate() {
                let change: f32 = now
                    .iter()
                    .zip(then)
                    .map(|(a, b)| f32::from(a.abs_diff(*b)))
                    .sum();
                sum += change;
                column += change * (pixel % FRAME_SIZE) as f32;
                row += change * (pixel / FRAME_SIZE) as f32;
            }
            let half = FRAME_SIZE as f32 / 2.0;
            let place = |moment: f32| {
                if sum > 0.0 {
                    moment / sum / half - 1.0
                } else {
                    0.0
                }
            };
            latents.extend([place(column), place(row)]);
        }
        Ok(latents)
    }
}

fn main() -> Result<()> {
    let set = ConditionSet::open("primate79")?.narrowed(&["29337", "381514"])?;
    let model = Predictor::of("centre-of-change", Box::new(CentreOfChange::new()), None)?;
    let latents = model.latents(&set, Layers::ENCODER, &Cache::none(), &Quiet)?;
    for condition in &latents.conditions {
        println!("condition {}", condition.id);
        for (step, latent) in condition.steps.iter().zip(condition.layers[0].chunks(2)) {
            println!("{:6.0} ms  {:?}  {latent:.3?}", step.time_ms, step.status);
        }
    }
    Ok(())
}
