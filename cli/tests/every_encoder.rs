//! Every encoder's name through the command line, from a weight file of a small network of its kind to latents.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use mental_pong_base::Quiet;
use mental_pong_game::task::ConditionSet;
use mental_pong_predictor::encoders::{
    Architecture, GaborPca, PixelPca, PublishedEncoder, ResnetConfig,
};
use mental_pong_predictor::weights::to_bytes;
use mental_pong_study::read_layers;

/// Every name of an encoder, in groups; one that the program does not know fails.
const NAMES: [&str; 25] = [
    "vc1-base",
    "vc1-large",
    "deit-base",
    "dino-small",
    "dinov2-small",
    "dinov2-base",
    "dinov2-large",
    "dinov2-giant",
    "clip-base",
    "resnet18",
    "resnet34",
    "resnet50",
    "r3m-18",
    "r3m-34",
    "r3m-50",
    "vip",
    "vgg16",
    "vjepa2-large",
    "vjepa2-huge",
    "vjepa2-giant",
    "vjepa2-giant-384",
    "pixel_pca",
    "gabor_pca",
    "encoder",
    "no-dynamics",
];

/// The encoder of that name with fewer and smaller layers of the same kinds.
fn small(name: &str) -> PublishedEncoder {
    let mut network = PublishedEncoder::named(name).unwrap();
    match &mut network.architecture {
        Architecture::Vit(c) => (c.dim, c.depth, c.heads, c.hidden) = (12, 1, 3, 16),
        Architecture::Clip(c) => {
            (c.dim, c.depth, c.heads, c.hidden, c.latent) = (12, 1, 3, 16, 10);
        }
        Architecture::Vjepa2(c) => (c.dim, c.depth, c.heads, c.hidden) = (16, 1, 2, 16),
        Architecture::Resnet(c) => {
            *c = ResnetConfig {
                layers: [1; 4],
                width: 2,
                fc: c.fc.map(|_| 6),
                ..c.clone()
            };
        }
        Architecture::Vgg(c) => (c.width, c.hidden) = (1, 8),
    }
    network
}

/// A weight file for the name, if it takes one.
fn weights(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(format!("{name}.safetensors"));
    let bytes = match name {
        "encoder" | "no-dynamics" => return None,
        "pixel_pca" => {
            let trials = &PixelPca::sample().unwrap()[..4];
            let fitted = PixelPca::fit_sized(trials, 8, 2, &Quiet).unwrap();
            fitted.to_bytes().unwrap()
        }
        "gabor_pca" => {
            let trials = &GaborPca::sample().unwrap()[..4];
            let fitted = GaborPca::fit_sized(trials, 8, 2, &Quiet).unwrap();
            fitted.to_bytes().unwrap()
        }
        _ => {
            let network = small(name);
            let text = serde_json::to_string(&network).unwrap();
            std::fs::write(folder.join(format!("{name}.safetensors.json")), text).unwrap();
            to_bytes(&network.random_tensors(3).unwrap(), &[]).unwrap()
        }
    };
    std::fs::write(&path, bytes).unwrap();
    Some(path)
}

fn predict(folder: &Path, name: &str, more: &[&str]) -> (usize, usize) {
    let out = folder.join(format!("{name}.npz"));
    let mut command = Command::cargo_bin("mpong").unwrap();
    command.env_remove("RAYON_NUM_THREADS");
    command.args(["predict", "--model", name]).args(more);
    if let Some(file) = weights(folder, name) {
        command.arg("--weights").arg(file);
        command.args([
            "--dynamics",
            "gru",
            "--hidden",
            "5",
            "--random-weights",
            "1",
        ]);
    }
    let output = command.arg("--out").arg(&out).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {error}");
    let dynamics = name != "encoder";
    let layer = if dynamics { "dynamics" } else { "encoder" };
    let ids = more.iter().position(|m| *m == "--ids").map(|k| more[k + 1]);
    let ids: Vec<&str> = ids.map_or_else(Vec::new, |ids| ids.split(',').collect());
    let set = ConditionSet::chosen(None, &ids).unwrap();
    let layers = read_layers(&out, &set, false, &mut Vec::new()).unwrap();
    let layer = layers.iter().find(|l| l.name == layer).unwrap();
    let (latents, layer) = layer.latents().unwrap();
    let units = latents.layers[layer].units;
    for condition in &latents.conditions {
        let values = &condition.layers[layer];
        assert!(
            values
                .chunks_exact(units)
                .any(|row| *row != values[..units]),
            "{name}: every latent is the same"
        );
    }
    (latents.conditions.len(), units)
}

#[test]
fn every_name_predicts_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        let two = ["--ids", "29337,55062", "--subsample", "7"];
        let (conditions, dim) = predict(folder.path(), name, &two);
        assert_eq!(conditions, 2, "{name}");
        assert!(dim >= 6, "{name}");
    }
    for name in PublishedEncoder::NAMES {
        assert!(NAMES.contains(&name), "{name} is not driven here");
    }
}

#[test]
fn a_build_without_the_feature_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &[
            "predict",
            "--device",
            "cuda",
            "--model",
            "dino-small",
            "--random-weights",
            "1",
        ][..],
        &["train", "dynamics", "--device", "cuda"],
    ] {
        let mut command = Command::cargo_bin("mpong").unwrap();
        let out = folder.path().join("x.npz");
        let output = command
            .args(arguments)
            .arg("--out")
            .arg(out)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        if !cfg!(feature = "cuda") {
            assert_eq!(output.status.code(), Some(2), "{error}");
            assert!(error.contains("this build is without it"), "{error}");
        }
    }
}

/// The 79 recorded conditions; minutes.
#[test]
#[ignore = "minutes"]
fn every_name_predicts_the_79() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        let (conditions, _) = predict(folder.path(), name, &["--subsample", "7"]);
        assert_eq!(conditions, 79, "{name}");
    }
}
