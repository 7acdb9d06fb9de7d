//! The written-out training step against automatic differentiation and Adam in PyTorch (f32).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]
#![allow(
    clippy::print_stdout,
    reason = "the shared helpers print the largest error"
)]

mod common;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mental_pong_predictor::dynamics::{CellKind, DynamicsConfig, Recurrent, Rollout, Skip};
use mental_pong_predictor::params::Params;
use mental_pong_predictor::training::{OneStep, Windows};

/// Made with torch 2.15: four steps of Adam at 0.01 on windows of 6 latents of 5 numbers, batch 4, 7 units.
fn reference() -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(common::data("one_step.safetensors"), &Device::Cpu)
        .unwrap()
        .into_iter()
        .collect()
}

fn config(cell: CellKind) -> DynamicsConfig {
    DynamicsConfig {
        cell,
        latent: 5,
        fixed: 0,
        hidden: 7,
        dt_over_tau: 0.1,
        skip: Skip::None,
        rollout: Rollout::Restart,
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn four_steps_equal_those_of_pytorch() {
    let reference = reference();
    for (name, cell) in [("lstm", CellKind::Lstm), ("ctrnn", CellKind::Ctrnn)] {
        let mut params = Params::default();
        for (key, tensor) in &reference {
            if let Some(key) = key.strip_prefix(&format!("{name}.before.")) {
                params.insert(key, tensor).unwrap();
            }
        }
        let mut training = OneStep::new(config(cell), &params).unwrap();
        let losses: Vec<f64> = reference[&format!("{name}.loss")].to_vec1().unwrap();
        for (step, loss) in losses.iter().enumerate() {
            let x = values(&reference[&format!("{name}.x{step}")]);
            let y = values(&reference[&format!("{name}.y{step}")]);
            let windows = Windows {
                context: &x,
                target: &y,
                batch: 4,
            };
            let found = training.train(windows, 0.01).unwrap();
            assert!(
                (found / loss - 1.0).abs() < 2e-6,
                "{name} {step}: {found} {loss}"
            );
        }
        for (key, tensor) in training.tensors().unwrap() {
            let want = values(&reference[&format!("{name}.after.{key}")]);
            for (a, b) in values(&tensor).iter().zip(want) {
                assert!((a - b).abs() < 5e-6, "{name} {key}: {a} {b}");
            }
        }
        assert_eq!(training.step, 4);
    }
}

#[test]
fn the_loss_is_that_of_the_module_that_forecasts() {
    let config = config(CellKind::Lstm);
    let mut rng = mental_pong_base::Stream::new(3, "test", 0);
    let params = Recurrent::init(&config, &mut rng).unwrap();
    let training = OneStep::new(config.clone(), &params).unwrap();
    let module = Recurrent::new(config, &params).unwrap();
    let (batch, time) = (3, 4);
    let x: Vec<f32> = (0..time * batch * 5)
        .map(|k| ((k * 7) % 11) as f32 / 11.0)
        .collect();
    let y: Vec<f32> = (0..batch * 5).map(|k| k as f32 / 10.0).collect();
    let context = Tensor::from_slice(&x, (time, batch, 5), &Device::Cpu)
        .unwrap()
        .transpose(0, 1)
        .unwrap()
        .contiguous()
        .unwrap();
    let forecast = values(&module.unroll(&context, 1).unwrap().rollout);
    let want: f64 = forecast
        .iter()
        .zip(&y)
        .map(|(a, b)| f64::from(a - b).powi(2))
        .sum::<f64>()
        / y.len() as f64;
    let windows = Windows {
        context: &x,
        target: &y,
        batch,
    };
    let found = training.loss(windows).unwrap();
    assert!((found - want).abs() < 1e-6, "{found} {want}");
    let wrong = Windows {
        batch: 2,
        ..windows
    };
    assert!(training.loss(wrong).is_err());
}
