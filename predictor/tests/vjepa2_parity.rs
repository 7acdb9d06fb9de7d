//! V-JEPA 2 against the `transformers` library in f64 on the same f32 weights and frames, and its two
//! published layouts.

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
use common::{assert_close, data, expected, formula_tensors, frames, movie, values};
use mental_pong_predictor::encoders::{
    Architecture, Encoder, Pooling, Preprocess, PublishedEncoder, Vjepa2, Vjepa2Config,
};
use mental_pong_predictor::weights::load::encoder_from;
use mental_pong_predictor::weights::to_bytes;

fn config(dim: usize, window: usize) -> Vjepa2Config {
    Vjepa2Config {
        dim,
        depth: 2,
        heads: 2,
        hidden: 2 * dim,
        patch: 16,
        image: 224,
        window,
        pooling: Pooling::MeanOfLastTubelet,
    }
}

fn clip() -> Vec<Vec<u8>> {
    frames()
        .into_iter()
        .chain(movie().into_iter().take(3))
        .collect()
}

fn encoder(case: &str, config: Vjepa2Config) -> Vjepa2 {
    let tensors = formula_tensors(case);
    let preprocess = Preprocess::whole_frame();
    Vjepa2::new(config, preprocess, &tensors, case, String::new()).unwrap()
}

// Heads of 18 units are turned in thirds of 6; heads of 20 keep two units as they are.
#[test]
fn tiny_networks_equal_transformers_in_every_window() {
    for (case, dim, window) in [("vjepa2_tiny", 36, 4), ("vjepa2_odd_tiny", 40, 2)] {
        let encoder = encoder(case, config(dim, window));
        let clip = clip();
        let views: Vec<&[u8]> = clip.iter().map(Vec::as_slice).collect();
        let got: Vec<f64> = encoder
            .encode(&views)
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect();
        let name = format!("{case}/features_f64");
        let (shape, want) = expected(&name);
        assert_eq!(shape, [6, dim]);
        assert_close(&name, &got, &want, 1e-5);
        let tokens = encoder.tokens(&views[4 - window..4]).unwrap();
        let count = tokens.dim(0).unwrap();
        assert_eq!(count, window / 2 * 196);
        for (part, at, n) in [("tokens_first5", 0, 5), ("tokens_last3", count - 3, 3)] {
            let name = format!("{case}/{part}");
            let got = values(&tokens.narrow(0, at, n).unwrap());
            assert_close(&name, &got, &expected(&name).1, 3e-5);
        }
    }
}

#[test]
fn a_latent_never_sees_a_later_frame() {
    let encoder = encoder("vjepa2_tiny", config(36, 4));
    let clip = clip();
    let views: Vec<&[u8]> = clip.iter().map(Vec::as_slice).collect();
    let all = encoder.encode(&views).unwrap();
    assert_eq!(encoder.encode(&views[..3]).unwrap(), all[..3 * 36]);
    assert_eq!(encoder.reach(), 4);
    // Four frames back it does see.
    let later = encoder.encode(&views[3..]).unwrap();
    assert_ne!(later[..36], all[3 * 36..4 * 36]);
    let whole = Vjepa2Config {
        pooling: Pooling::MeanOfWindow,
        ..config(36, 4)
    };
    let other = self::encoder("vjepa2_tiny", whole);
    assert_ne!(other.identity().key(), encoder.identity().key());
    assert_ne!(other.encode(&views).unwrap(), all);
}

fn tiny(name: &str, config: Vjepa2Config) -> PublishedEncoder {
    PublishedEncoder {
        name: name.into(),
        architecture: Architecture::Vjepa2(config),
        preprocess: Preprocess::whole_frame(),
    }
}

#[test]
fn the_transformers_layout_gives_the_same_network() {
    let canonical = formula_tensors("vjepa2_odd_tiny");
    let mut renamed: BTreeMap<String, Tensor> = BTreeMap::new();
    for (name, tensor) in &canonical {
        let name = name
            .replace("patch_embed.proj", "embeddings.patch_embeddings.proj")
            .replace("blocks.", "layer.")
            .replace(".attn.", ".attention.");
        match name.split_once(".qkv.") {
            Some((before, kind)) => {
                for (k, part) in ["query", "key", "value"].iter().enumerate() {
                    let rows = tensor.narrow(0, 40 * k, 40).unwrap().contiguous().unwrap();
                    renamed.insert(format!("encoder.{before}.{part}.{kind}"), rows);
                }
            }
            None if name.starts_with("norm.") => {
                renamed.insert(format!("encoder.layer{name}"), tensor.clone());
            }
            None => {
                renamed.insert(format!("encoder.{name}"), tensor.clone());
            }
        }
    }
    // What transformers 5.23 lists: VJEPA2Model(...).state_dict().
    for name in [
        "encoder.embeddings.patch_embeddings.proj.weight",
        "encoder.layer.0.attention.query.weight",
        "encoder.layer.1.mlp.fc2.bias",
        "encoder.layernorm.weight",
    ] {
        assert!(renamed.contains_key(name), "{name}");
    }
    let bias = canonical["norm.bias"].clone();
    renamed.insert("predictor.embeddings.mask_tokens".into(), bias.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, to_bytes(&renamed, &[]).unwrap()).unwrap();
    let network = tiny("vjepa2-odd", config(40, 2));
    let loaded = encoder_from(&path, &network).unwrap();
    assert_eq!(loaded.source.dropped, ["predictor.embeddings.mask_tokens"]);
    let clip = clip();
    let views: Vec<&[u8]> = clip.iter().map(Vec::as_slice).collect();
    let want = encoder("vjepa2_odd_tiny", config(40, 2))
        .encode(&views)
        .unwrap();
    assert_eq!(loaded.model.encode(&views).unwrap(), want);
    renamed.insert("encoder.layer.2.norm1.bias".into(), bias);
    std::fs::write(&path, to_bytes(&renamed, &[]).unwrap()).unwrap();
    let error = encoder_from(&path, &network).err().unwrap().to_string();
    assert!(error.contains("encoder.layer.2.norm1.bias"), "{error}");
}

#[test]
fn the_authors_layout_is_read_from_under_its_key() {
    let network = tiny(
        "vjepa2-meta",
        Vjepa2Config {
            depth: 1,
            heads: 1,
            hidden: 16,
            ..config(8, 2)
        },
    );
    let loaded = encoder_from(&data("vjepa2_meta_tiny.pt"), &network).unwrap();
    assert_eq!(loaded.source.key.as_deref(), Some("encoder"));
    let dropped = &loaded.source.dropped;
    assert!(
        dropped.iter().any(|d| d.ends_with("pos_embed")),
        "{dropped:?}"
    );
    assert!(dropped.iter().any(|d| d.starts_with("opt")), "{dropped:?}");
    let clip = clip();
    let latents = loaded.model.encode(&[&clip[0], &clip[1]]).unwrap();
    assert!(latents.iter().all(|v| v.is_finite()) && latents.len() == 16);
}
