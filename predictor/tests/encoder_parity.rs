//! Encoders against PyTorch (timm, torchvision) in f64 on the same f32 weights and frames.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test helpers stop a test by panicking; largest errors are printed"
)]

mod common;

use std::collections::BTreeMap;

use candle_core::Tensor;
use common::{assert_close, data, expected, formula_tensors, frames, values};
use mental_pong_predictor::encoders::{
    Clip, ClipConfig, Encoder, Preprocess, Resnet, ResnetBlock, ResnetConfig, Vgg, VggConfig, Vit,
    VitConfig,
};
use mental_pong_predictor::weights::convert::{Checkpoint, Part};

fn views(frames: &[Vec<u8>]) -> Vec<&[u8]> {
    frames.iter().map(Vec::as_slice).collect()
}

fn features(case: &str, encoder: &dyn Encoder, tolerance: f64) {
    let (shape, want) = expected(&format!("{case}/features_f64"));
    let frames = frames();
    let got = encoder.encode(&views(&frames[..shape[0]])).unwrap();
    assert_eq!(encoder.latent_dim(), shape[1]);
    let got: Vec<f64> = got.into_iter().map(f64::from).collect();
    assert_close(case, &got, &want, tolerance);
}

fn alone_equals_together(encoder: &dyn Encoder) {
    let frames: Vec<Vec<u8>> = frames().into_iter().cycle().take(10).collect();
    let together = encoder.encode(&views(&frames)).unwrap();
    let dim = encoder.latent_dim();
    for (k, frame) in frames.iter().take(3).enumerate() {
        let alone = encoder.encode(&[frame]).unwrap();
        for at in (k..10).step_by(3) {
            for (a, b) in alone.iter().zip(&together[at * dim..]) {
                assert!((a - b).abs() < 1e-5);
            }
        }
        let next = &together[(k + 1) * dim..(k + 2) * dim];
        assert!(alone.iter().zip(next).any(|(a, b)| (a - b).abs() > 1e-3));
    }
}

fn vit(config: VitConfig, tensors: &BTreeMap<String, Tensor>) -> Vit {
    Vit::new(
        config,
        Preprocess::whole_frame(),
        tensors,
        "vit",
        String::new(),
    )
    .unwrap()
}

fn tiny_vit() -> VitConfig {
    VitConfig {
        dim: 36,
        depth: 2,
        heads: 3,
        hidden: 4 * 36,
        ..VitConfig::base_16()
    }
}

fn from_pth(file: &str, part: Part) -> BTreeMap<String, Tensor> {
    let converted = Checkpoint::open(&data(file)).unwrap().convert(&[part]);
    converted.unwrap().parts.remove(0)
}

#[test]
fn a_tiny_vit_equals_pytorch_at_every_stage() {
    let tensors = from_pth("vit_tiny_vc1.pth", Part::new("", Vit::shapes(&tiny_vit())));
    let vit = vit(tiny_vit(), &tensors);
    features("vit_tiny_vc1", &vit, 1e-5);
    alone_equals_together(&vit);
    let stages = vit.activations(&views(&frames())).unwrap();
    for (name, got) in [
        ("tokens_in_first4_f64", &stages.embedded),
        ("block0_out_first4_f64", &stages.blocks[0]),
        ("norm_first4_f64", &stages.normed),
    ] {
        let name = format!("vit_tiny_vc1/{name}");
        let (_, want) = expected(&name);
        // Values reach 12 before the last norm, where f32 steps are 1e-6.
        assert_close(&name, &values(&got.narrow(1, 0, 4).unwrap()), &want, 3e-5);
    }
    assert_eq!(stages.blocks.len(), 2);
}

#[test]
fn vit_small_equals_pytorch() {
    let case = "vit_small_vc1_formula";
    let vit = vit(VitConfig::small_16(), &formula_tensors(case));
    features(case, &vit, 5e-5);
}

#[test]
#[ignore = "seconds, but 1 GB of memory"]
fn vit_base_equals_pytorch() {
    let case = "vit_base_vc1_formula";
    let vit = vit(VitConfig::base_16(), &formula_tensors(case));
    features(case, &vit, 5e-5);
}

#[test]
#[ignore = "seconds, but 3 GB of memory"]
fn vit_large_equals_pytorch() {
    let case = "vit_large_vc1_formula";
    let vit = vit(VitConfig::large_16(), &formula_tensors(case));
    features(case, &vit, 5e-5);
}

fn resnet(config: ResnetConfig, tensors: &BTreeMap<String, Tensor>) -> Resnet {
    Resnet::new(
        config,
        Preprocess::whole_frame(),
        tensors,
        "resnet",
        String::new(),
    )
    .unwrap()
}

#[test]
fn tiny_resnets_equal_pytorch() {
    for (case, block, layers) in [
        ("resnet18_tiny_r3m", ResnetBlock::Basic, [2, 2, 2, 2]),
        ("resnet50_tiny_r3m", ResnetBlock::Bottleneck, [1, 2, 1, 1]),
    ] {
        let config = ResnetConfig {
            block,
            layers,
            width: 5,
            fc: None,
        };
        let part = Part::new("convnet.", Resnet::shapes(&config));
        let tensors = from_pth(&format!("{case}.pth"), part);
        let resnet = resnet(config, &tensors);
        features(case, &resnet, 1e-5);
        alone_equals_together(&resnet);
    }
}

#[test]
fn full_size_resnets_equal_pytorch() {
    for (case, config) in [
        ("resnet18_r3m_formula", ResnetConfig::resnet18()),
        ("resnet50_r3m_formula", ResnetConfig::resnet50()),
    ] {
        features(case, &resnet(config, &formula_tensors(case)), 5e-5);
    }
}

// VIP is the same network with a linear layer: its latent is that layer of R3M's.
#[test]
fn the_linear_layer_comes_after_the_average() {
    let config = ResnetConfig {
        block: ResnetBlock::Basic,
        layers: [2, 2, 2, 2],
        width: 5,
        fc: None,
    };
    let part = Part::new("convnet.", Resnet::shapes(&config));
    let mut tensors = from_pth("resnet18_tiny_r3m.pth", part);
    let frames = frames();
    let average = resnet(config.clone(), &tensors)
        .encode(&views(&frames))
        .unwrap();
    let weight: Vec<f32> = (0..3 * 40).map(|k| (k as f32 * 0.37).sin()).collect();
    let bias = [0.5_f32, -1.0, 2.0];
    let device = candle_core::Device::Cpu;
    tensors.insert(
        "fc.weight".into(),
        Tensor::from_slice(&weight, (3, 40), &device).unwrap(),
    );
    tensors.insert(
        "fc.bias".into(),
        Tensor::from_slice(&bias, 3, &device).unwrap(),
    );
    let config = ResnetConfig {
        fc: Some(3),
        ..config
    };
    let latents = resnet(config, &tensors).encode(&views(&frames)).unwrap();
    for (average, latent) in average.chunks_exact(40).zip(latents.chunks_exact(3)) {
        for k in 0..3 {
            let row = &weight[k * 40..][..40];
            let want: f32 = bias[k] + row.iter().zip(average).map(|(w, x)| w * x).sum::<f32>();
            assert!((latent[k] - want).abs() < 1e-4);
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let tensors = from_pth("vit_tiny_vc1.pth", Part::new("", Vit::shapes(&tiny_vit())));
    let error = |tensors: &BTreeMap<String, Tensor>| {
        Vit::new(
            tiny_vit(),
            Preprocess::whole_frame(),
            tensors,
            "vit",
            String::new(),
        )
        .unwrap_err()
        .to_string()
    };
    let mut missing = tensors.clone();
    missing.remove("blocks.1.mlp.fc2.bias");
    assert!(error(&missing).contains("blocks.1.mlp.fc2.bias"));
    let mut more = tensors.clone();
    more.insert("blocks.2.norm1.bias".into(), more["norm.bias"].clone());
    assert!(error(&more).contains("blocks.2.norm1.bias"));
    let mut other = tensors.clone();
    other.insert("norm.bias".into(), other["cls_token"].clone());
    assert!(error(&other).contains("norm.bias"));
    let heads = VitConfig {
        heads: 5,
        ..tiny_vit()
    };
    assert!(
        Vit::new(
            heads,
            Preprocess::whole_frame(),
            &tensors,
            "vit",
            String::new()
        )
        .is_err()
    );
}

#[test]
fn a_batch_norm_without_a_variance_is_refused() {
    let config = ResnetConfig {
        block: ResnetBlock::Basic,
        layers: [2, 2, 2, 2],
        width: 5,
        fc: None,
    };
    let part = Part::new("convnet.", Resnet::shapes(&config));
    let mut tensors = from_pth("resnet18_tiny_r3m.pth", part);
    let negative = tensors["bn1.running_var"].neg().unwrap();
    tensors.insert("bn1.running_var".into(), negative);
    let error = Resnet::new(
        config,
        Preprocess::whole_frame(),
        &tensors,
        "r",
        String::new(),
    );
    assert!(error.unwrap_err().to_string().contains("bn1.running_var"));
}

// Expected: transformers 5.23 `Dinov2Model` in f64 with position embeddings resampled by
// torch.nn.functional.interpolate(scale_factor = 16.1 / 37, mode = "bicubic"), as Meta's code does.
#[test]
fn tiny_dinov2_equals_pytorch_with_both_perceptrons() {
    for (case, hidden, gated) in [("dinov2_tiny", 96, false), ("dinov2_swiglu_tiny", 64, true)] {
        let config = VitConfig {
            dim: 24,
            depth: 2,
            heads: 3,
            hidden,
            gated,
            ..VitConfig::dinov2_small()
        };
        let vit = vit(config, &formula_tensors(case));
        features(case, &vit, 1e-5);
        alone_equals_together(&vit);
    }
}

// Expected: transformers 5.23 `CLIPVisionModelWithProjection` in f64.
#[test]
fn tiny_clip_equals_pytorch() {
    let config = ClipConfig {
        dim: 24,
        depth: 2,
        heads: 3,
        patch: 32,
        hidden: 96,
        latent: 10,
    };
    let preprocess = Preprocess {
        resize: None,
        ..Preprocess::clip()
    };
    let tensors = formula_tensors("clip_tiny");
    let clip = Clip::new(config, preprocess, &tensors, "clip", String::new()).unwrap();
    features("clip_tiny", &clip, 1e-5);
    alone_equals_together(&clip);
}

// Expected: torchvision 0.29 `VGG` with `make_layers(batch_norm=True)` in f64, cut after classifier.3.
#[test]
fn tiny_vgg_equals_pytorch() {
    let config = VggConfig {
        width: 4,
        hidden: 12,
    };
    let tensors = formula_tensors("vgg16_tiny");
    let preprocess = Preprocess::whole_frame();
    let vgg = Vgg::new(config, preprocess, &tensors, "vgg", String::new()).unwrap();
    features("vgg16_tiny", &vgg, 1e-5);
    alone_equals_together(&vgg);
}
