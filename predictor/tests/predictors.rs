//! Predictors by name, by file and from parts; the nulls that each makes of itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails is a test that fails"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mental_pong_base::Quiet;
use mental_pong_game::task::ConditionSet;
use mental_pong_predictor::encoders::PixelEncoder;
use mental_pong_predictor::latents::{Cache, ConditionLatents, Layers, Protocol, Shown, Status};
use mental_pong_predictor::predictor::{Choices, PredictorSpec};
use mental_pong_predictor::weights::to_bytes;
use mental_pong_predictor::{Null, Predictor};

fn bundled_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../data/weights")
        .join(name)
}

fn few() -> ConditionSet {
    let set = ConditionSet::open("primate79").unwrap();
    let ids: Vec<&str> = set.ids().into_iter().step_by(26).collect();
    set.narrowed(&ids).unwrap()
}

fn both(predictor: &Predictor) -> Vec<ConditionLatents> {
    let latents = predictor.latents(&few(), Layers::BOTH, &Cache::none(), &Quiet);
    latents.unwrap().conditions
}

/// Steps that were forecast.
fn hidden(condition: &ConditionLatents) -> usize {
    let seen = |s: &&mental_pong_predictor::latents::Step| s.status == Status::Context;
    condition.steps.len() - condition.steps.iter().filter(seen).count()
}

#[test]
fn an_unknown_name_is_guessed_before_anything_is_loaded() {
    let start = Instant::now();
    for (name, guess) in [
        ("ctrn", "did you mean ctrnn?"),
        ("vc1-larg", "did you mean vc1-large?"),
        ("no-dynamic", "did you mean no-dynamics?"),
        (
            "VC-1+CTRNN_physion.p",
            "did you mean VC-1+CTRNN_physion.pt?",
        ),
        ("zzz", "no such name"),
    ] {
        let error = Predictor::named(name).unwrap_err().to_string();
        assert!(error.contains(guess), "{error}");
    }
    let error = Predictor::named("dinov2-base").unwrap_err().to_string();
    assert!(error.contains("mpong weights fetch dinov2-base"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn choices_that_do_not_go_together_are_named() {
    let dynamics = |kind: &str| Choices {
        dynamics: Some(kind.into()),
        ..Choices::default()
    };
    let says = |name: &str, choices: &Choices, words: &[&str]| {
        let error = PredictorSpec::choose(name, choices)
            .unwrap_err()
            .to_string();
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    };
    says("ctrnn", &dynamics("lstm"), &["model ctrnn", "dynamics"]);
    let random = Choices {
        random_weights: Some(1),
        ..dynamics("lstmm")
    };
    says("vc1-base", &random, &["dynamics", "did you mean lstm?"]);
    let drawn = Choices {
        weights: Some("x.pth".into()),
        ..dynamics("lstm")
    };
    says("vc1-base", &drawn, &["random-weights", "dynamics-weights"]);
    let weights = Choices {
        weights: Some("x".into()),
        ..Choices::default()
    };
    says("encoder", &weights, &["weights", "ctrnn or lstm"]);
}

// The bundled files by their paths are the bundled predictors by their names.
#[test]
fn a_file_is_the_predictor_that_it_holds() {
    let named = both(&Predictor::named("ctrnn").unwrap());
    let dynamics = Predictor::from_file(&bundled_file("ctrnn.safetensors")).unwrap();
    assert_eq!(both(&dynamics), named);
    let alone = Predictor::from_file(&bundled_file("playnet.safetensors")).unwrap();
    assert!(!alone.has_dynamics());
    let encoder = both(&alone);
    assert_eq!(encoder[0].layers.len(), 1);
    for (a, b) in encoder.iter().zip(&named) {
        assert_eq!(a.layers[0], b.layers[0]);
    }
    let p = Predictor::named("ctrnn").unwrap();
    let provenance = p.provenance();
    let bytes = std::fs::read(bundled_file("ctrnn.safetensors")).unwrap();
    let sha256 = mental_pong_base::files::sha256_hex(&bytes);
    assert_eq!(provenance.dynamics_source.as_ref().unwrap().sha256, sha256);
    assert!(!provenance.random());
}

#[test]
fn dynamics_of_another_encoder_ask_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let bytes = std::fs::read(bundled_file("lstm.safetensors")).unwrap();
    let (tensors, mut metadata) =
        mental_pong_predictor::weights::from_bytes(&path, &bytes).unwrap();
    metadata.insert("encoder_sha256".into(), "0".repeat(64));
    let notes: Vec<(&str, &str)> = metadata
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    std::fs::write(&path, to_bytes(&tensors, &notes).unwrap()).unwrap();
    let error = Predictor::from_file(&path).unwrap_err().to_string();
    assert!(error.contains("dynamics-weights"), "{error}");
}

#[test]
fn every_predictor_makes_its_own_nulls() {
    let pixels = Predictor::of("pixels", Box::new(PixelEncoder::default()), None).unwrap();
    for predictor in [Predictor::named("lstm").unwrap(), pixels] {
        let own = both(&predictor);
        let units = predictor.encoder().latent_dim();
        let held = both(&predictor.null(Null::NoDynamics).unwrap());
        let inertia = both(&predictor.null(Null::Inertia).unwrap());
        let open = predictor.null(Null::UpperVisible).unwrap();
        assert_eq!(open.protocol().shown, Shown::Visible);
        let open = both(&open);
        for (((own, held), inertia), open) in own.iter().zip(&held).zip(&inertia).zip(&open) {
            let (n, ahead) = (own.steps.len(), hidden(held));
            assert!(ahead > 5);
            let rows = |c: &ConditionLatents, layer: usize| -> Vec<Vec<f32>> {
                let rows = c.layers[layer].chunks_exact(units);
                rows.map(<[f32]>::to_vec).collect()
            };
            let (h, i) = (rows(held, 1), rows(inertia, 1));
            let last = n - ahead - 1;
            assert!(h[last..].iter().all(|row| *row == h[last]));
            assert_eq!(i[..=last], h[..=last]);
            // The same change from step to step.
            let change =
                |k: usize| -> Vec<f32> { i[k + 1].iter().zip(&i[k]).map(|(a, b)| a - b).collect() };
            for (a, b) in change(last).iter().zip(&change(n - 2)) {
                assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
            assert!(change(last).iter().any(|v| v.abs() > 1e-4));
            // Without occluder the ball stays in view and moves.
            let seen = rows(open, 0);
            assert!(seen[n - 1] != seen[n - 3] && seen[n - 1] != rows(own, 0)[n - 1]);
        }
    }
}

#[test]
fn random_weights_of_a_network_are_those_of_their_seed() {
    let lstm = Predictor::named("lstm").unwrap();
    let drawn = |seed| lstm.null(Null::RandomWeights(seed)).unwrap();
    assert!(drawn(1).provenance().random());
    assert_eq!(both(&drawn(1)), both(&drawn(1)));
    assert_ne!(both(&drawn(1)), both(&drawn(2)));
    assert_ne!(both(&drawn(1)), both(&lstm));
    let pixels = Predictor::named("pixels").unwrap();
    let error = pixels.null(Null::RandomWeights(1)).unwrap_err();
    assert!(error.to_string().contains("random-weights"), "{error}");
}

#[test]
fn the_open_video_is_for_an_encoder_alone() {
    let open = |name: &str| {
        let predictor = Predictor::named(name).unwrap();
        let protocol = Protocol {
            shown: Shown::Visible,
            ..*predictor.protocol()
        };
        predictor.with_protocol(protocol)
    };
    assert!(open("encoder").is_ok());
    let error = open("ctrnn").unwrap_err().to_string();
    assert!(error.contains("video"), "{error}");
}

#[test]
fn an_estimate_counts_what_is_done() {
    let conditions = ConditionSet::chosen(None, &["29337", "55062"]).unwrap();
    let pixels = Predictor::named("pixels").unwrap();
    let estimate = pixels.estimate(&conditions, Layers::BOTH, &Quiet).unwrap();
    let latents = pixels.latents(&conditions, Layers::BOTH, &Cache::none(), &Quiet);
    let steps: usize = latents
        .unwrap()
        .conditions
        .iter()
        .map(|c| c.steps.len())
        .sum();
    assert_eq!(estimate.frames, steps as u64);
    assert_eq!(estimate.latents_bytes, 4 * 196 * steps as u64);
    // After the ball has gone all frames are one.
    assert!(estimate.encoded < estimate.frames);
}
