//! Dynamics modules against the published modules in PyTorch (f64) and against golden vectors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test helpers stop a test by panicking; largest errors are printed"
)]

mod common;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use common::{assert_close, expected, formula, formula_tensors, tensors, values};
use mental_pong_predictor::dynamics::{
    CellKind, Dynamics, DynamicsConfig, Mlp, MlpConfig, Recurrent, Rollout,
};
use mental_pong_predictor::params::Params;
use mental_pong_predictor::weights::{convert::Checkpoint, convert::Part};

fn config(cell: CellKind, latent: usize, hidden: usize) -> DynamicsConfig {
    DynamicsConfig {
        cell,
        latent,
        fixed: 0,
        hidden,
        dt_over_tau: 0.1,
        skip: mental_pong_predictor::dynamics::Skip::None,
        rollout: Rollout::Restart,
    }
}

fn params(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Params {
    let mut params = Params::default();
    for (name, tensor) in tensors {
        params.insert(&name, &tensor).unwrap();
    }
    params
}

fn context(values: Vec<f32>, shape: (usize, usize, usize)) -> Tensor {
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn from_pth(file: &str, shapes: Vec<(&str, Vec<usize>)>) -> BTreeMap<String, Tensor> {
    let parts = [Part::new("", shapes)];
    let mut converted = Checkpoint::open(&common::data(file))
        .unwrap()
        .convert(&parts)
        .unwrap();
    converted.parts.remove(0)
}

fn small(case: &str, dynamics: &dyn Dynamics) {
    let (shape, input) = expected(&format!("{case}/input_latents"));
    let input = input.iter().map(|v| *v as f32).collect();
    let (steps, want) = expected(&format!("{case}/rollout_f64"));
    let got = dynamics
        .forecast(&context(input, (shape[0], shape[1], shape[2])), steps[1])
        .unwrap();
    assert_eq!(got.dims(), steps);
    assert_close(case, &values(&got), &want, 1e-5);
}

#[test]
fn small_modules_equal_pytorch_from_their_checkpoints() {
    for (case, cell) in [
        ("dyn_ctrnn_small", CellKind::Ctrnn),
        ("dyn_lstm_small", CellKind::Lstm),
    ] {
        let config = config(cell, 10, 24);
        let loaded = from_pth(&format!("{case}.pth"), config.shapes());
        small(
            case,
            &Recurrent::new(config.clone(), &params(loaded.clone())).unwrap(),
        );
        // The control: a carried state is another model.
        let carried = DynamicsConfig {
            rollout: Rollout::Carried,
            ..config
        };
        let carried = Recurrent::new(carried, &params(loaded)).unwrap();
        let (shape, input) = expected(&format!("{case}/input_latents"));
        let input = input.iter().map(|v| *v as f32).collect();
        let got = carried
            .forecast(&context(input, (shape[0], shape[1], shape[2])), 6)
            .unwrap();
        let (_, want) = expected(&format!("{case}/rollout_f64"));
        let far = values(&got)
            .iter()
            .zip(&want)
            .any(|(a, b)| (a - b).abs() > 1e-3);
        assert!(far, "{case}");
    }
    let config = MlpConfig {
        latent: 10,
        window: 7,
        hidden: 24,
    };
    let loaded = from_pth("dyn_mlp_small.pth", config.shapes());
    small("dyn_mlp_small", &Mlp::new(config, &params(loaded)).unwrap());
}

#[test]
fn full_size_modules_equal_pytorch() {
    for (case, cell, latent) in [
        ("dyn_ctrnn_1024_formula", CellKind::Ctrnn, 1024),
        ("dyn_lstm_1024_formula", CellKind::Lstm, 1024),
        ("dyn_ctrnn_2048_formula", CellKind::Ctrnn, 2048),
        ("dyn_lstm_2048_formula", CellKind::Lstm, 2048),
    ] {
        let tensors = formula_tensors(case)
            .into_iter()
            .map(|(name, t)| (format!("dynamics.{name}"), t));
        let module = Recurrent::new(config(cell, latent, 1024), &params(tensors)).unwrap();
        let input = formula(&format!("{case}/s0/input"), 2 * 7 * latent, 1.0, 0.0);
        let got = module.forecast(&context(input, (2, 7, latent)), 4).unwrap();
        let ends = Tensor::cat(
            &[&got.narrow(1, 0, 1).unwrap(), &got.narrow(1, 3, 1).unwrap()],
            1,
        );
        let (shape, want) = expected(&format!("{case}/rollout_f64_first_and_last_step"));
        assert_eq!(shape, [2, 2, latent]);
        assert_close(case, &values(&ends.unwrap()), &want, 1e-5);
    }
}

// The core cell alone, inputs (2, 11, 4) to outputs (2, 11, 5): the regressor is the identity, and
// the output layer is filled up with zeros to be square.
#[test]
fn the_core_cell_equals_pytorch_at_every_step() {
    let core = tensors("ctrnn_core.safetensors");
    let (hidden, inputs, outputs) = (9, 4, 5);
    let widen = |t: &Tensor| {
        let zeros = hidden - outputs;
        t.pad_with_zeros(0, 0, zeros).unwrap()
    };
    let config = config(CellKind::Ctrnn, hidden, hidden);
    let mut all: Vec<(String, Tensor)> = core
        .iter()
        .map(|(name, t)| {
            let t = match name.as_str() {
                "fc_h2y.weight" | "fc_h2y.bias" => widen(t),
                // Inputs beyond the fourth are zeros.
                "fc_x2ah.weight" => t.pad_with_zeros(1, 0, hidden - inputs).unwrap(),
                _ => t.clone(),
            };
            (format!("dynamics.ctrnn.{name}"), t)
        })
        .collect();
    let eye = Tensor::eye(hidden, candle_core::DType::F32, &Device::Cpu).unwrap();
    all.push(("dynamics.regressor.weight".into(), eye));
    let zeros = Tensor::zeros(hidden, candle_core::DType::F32, &Device::Cpu).unwrap();
    all.push(("dynamics.regressor.bias".into(), zeros));
    let module = Recurrent::new(config, &params(all)).unwrap();
    let (shape, input) = expected("ctrnn_core/input");
    let input = context(
        input.iter().map(|v| *v as f32).collect(),
        (shape[0], shape[1], shape[2]),
    )
    .pad_with_zeros(2, 0, hidden - inputs)
    .unwrap();
    let run = module.unroll(&input, 1).unwrap();
    let y = Tensor::cat(&[&run.context.unwrap(), &run.rollout], 1).unwrap();
    let y = y.narrow(2, 0, outputs).unwrap();
    let (shape, want) = expected("ctrnn_core/retanh_y_f64");
    assert_eq!(y.dims(), shape);
    assert_close("ctrnn_core", &values(&y), &want, 1e-5);
}

/// `fill(shape, phi, s)[k] = s · sin(0.7 k + phi)`, k row-major, of the golden vectors.
fn fill(count: usize, phi: f64, s: f64) -> Vec<f32> {
    (0..count)
        .map(|k| (s * (0.7 * k as f64 + phi).sin()) as f32)
        .collect()
}

fn filled(name: &str, shape: &[usize], phi: f64, s: f64) -> (String, Tensor) {
    let values = fill(shape.iter().product(), phi, s);
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    (format!("dynamics.{name}"), tensor)
}

fn golden(what: &str, module: &Recurrent, one: [f64; 3], rollout: [f64; 6]) {
    let x = context(fill(15, 0.9, 1.0), (1, 5, 3));
    let got = values(&module.forecast(&x, 1).unwrap());
    assert_close(what, &got, &one, 1e-6);
    let got = values(&module.forecast(&x.narrow(1, 0, 3).unwrap(), 2).unwrap());
    assert_close(what, &got, &rollout, 1e-6);
}

// Golden vectors computed in f64 with numpy from the published equations.
#[test]
fn golden_vectors_of_the_published_equations() {
    let ctrnn = params([
        filled("ctrnn.fc_x2ah.weight", &[4, 3], 0.1, 0.5),
        filled("ctrnn.fc_x2ah.bias", &[4], 0.2, 0.5),
        filled("ctrnn.fc_h2ah.weight", &[4, 4], 0.3, 0.8),
        filled("ctrnn.fc_h2y.weight", &[4, 4], 0.4, 0.5),
        filled("ctrnn.fc_h2y.bias", &[4], 0.5, 0.5),
        filled("ctrnn.ah0", &[4], 0.6, 1.0),
        filled("regressor.weight", &[3, 4], 0.7, 0.5),
        filled("regressor.bias", &[3], 0.8, 0.5),
    ]);
    golden(
        "golden ctrnn",
        &Recurrent::new(config(CellKind::Ctrnn, 3, 4), &ctrnn).unwrap(),
        [0.997_779_664, -0.068_607_257, 0.834_295_224],
        [
            1.004_492_172,
            -0.066_766_321,
            0.824_113_574,
            1.004_385_373,
            -0.066_827_623,
            0.824_335_894,
        ],
    );
    let lstm = params([
        filled("lstm.weight_ih_l0", &[16, 3], 1.1, 0.5),
        filled("lstm.weight_hh_l0", &[16, 4], 1.2, 0.5),
        filled("lstm.bias_ih_l0", &[16], 1.3, 0.5),
        filled("lstm.bias_hh_l0", &[16], 1.4, 0.5),
        filled("regressor.weight", &[3, 4], 1.5, 0.5),
        filled("regressor.bias", &[3], 1.6, 0.5),
    ]);
    golden(
        "golden lstm",
        &Recurrent::new(config(CellKind::Lstm, 3, 4), &lstm).unwrap(),
        [0.648_805_289, 0.179_496_832, 0.285_909_776],
        [
            0.649_889_207,
            0.175_065_951,
            0.293_175_608,
            0.639_034_804,
            0.192_738_439,
            0.270_727_186,
        ],
    );
}

// Expected: torch.nn.GRU and nn.Linear in f64, rolled out over a window that is run again for each
// step, and with the state carried on.
#[test]
fn a_gru_equals_pytorch_in_both_rollouts() {
    let tensors = formula_tensors("gru_tiny");
    for (rollout, name) in [
        (Rollout::Restart, "rollout_f64"),
        (Rollout::Carried, "carried_f64"),
    ] {
        let config = DynamicsConfig {
            rollout,
            ..config(CellKind::Gru, 6, 9)
        };
        let module = Recurrent::new(config, &params(tensors.clone())).unwrap();
        let input = formula("gru_tiny/s0/input", 2 * 7 * 6, 1.0, 0.0);
        let got = module.forecast(&context(input, (2, 7, 6)), 5).unwrap();
        let name = format!("gru_tiny/{name}");
        let (shape, want) = expected(&name);
        assert_eq!(got.dims(), shape);
        assert_close(&name, &values(&got), &want, 1e-5);
    }
}
