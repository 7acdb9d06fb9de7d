//! Whole predictors, from weight files in their published layouts to both layers at every frame.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test helpers stop a test by panicking; largest errors are printed"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{assert_close, data, expected, movie};
use mental_pong_base::Quiet;
use mental_pong_game::task::select;
use mental_pong_predictor::dynamics::Rollout;
use mental_pong_predictor::encoders::{
    Architecture, Encoder, PixelEncoder, Preprocess, PublishedEncoder, ResnetBlock, ResnetConfig,
    VitConfig,
};
use mental_pong_predictor::latents::{
    Cache, Clock, ContextRule, Layer, Layers, Protocol, Shown, Status, Step, Video, interpolate,
    predict, predict_video, read_layer, write_layers,
};
use mental_pong_predictor::weights::load::{
    Network, any_from, combined_from, dynamics_from, encoder_from, random_dynamics, random_encoder,
};

const BOTH: Layers = Layers {
    encoder: true,
    dynamics: true,
};

fn published() -> Protocol {
    Protocol {
        clock: Clock::Display,
        context: ContextRule::OccFrameStart,
        subsample: 1,
    }
}

fn vc1() -> PublishedEncoder {
    PublishedEncoder {
        name: "vc1-tiny".into(),
        architecture: Architecture::Vit(VitConfig {
            dim: 24,
            depth: 1,
            heads: 2,
            hidden: 96,
            ..VitConfig::base_16()
        }),
        preprocess: Preprocess::whole_frame(),
    }
}

fn r3m() -> PublishedEncoder {
    PublishedEncoder {
        name: "r3m-tiny".into(),
        architecture: Architecture::Resnet(ResnetConfig {
            block: ResnetBlock::Basic,
            layers: [1; 4],
            width: 4,
            fc: None,
        }),
        preprocess: Preprocess::whole_frame(),
    }
}

/// The test movie with its first seven frames as the context.
fn video() -> Video {
    let frames = movie();
    let steps = (0..frames.len()).map(|frame| Step {
        frame,
        time_ms: 0.0,
        bin: 0,
        status: Status::Visible,
    });
    Video {
        lead: None,
        steps: steps.collect(),
        occ_frame_start: 7,
        vis_frame_end: Some(6),
        ball_deg: vec![(0.0, 0.0); frames.len()],
        frames,
    }
}

/// A copy of a checkpoint with its network described beside it.
fn described(folder: &Path, case: &str, network: &PublishedEncoder) -> PathBuf {
    let path = folder.join(format!("{case}.pth"));
    std::fs::copy(data(&format!("{case}.pth")), &path).unwrap();
    let text = serde_json::to_string(network).unwrap();
    std::fs::write(folder.join(format!("{case}.pth.json")), text).unwrap();
    path
}

// Expected: PyTorch in f32, the layers that are compared with neurons.
#[test]
fn released_checkpoints_give_pytorch_s_layers() {
    let folder = tempfile::tempdir().unwrap();
    for (case, network, kind) in [
        ("frozen_vc1_ctrnn_tiny", vc1(), "ctrnn"),
        ("frozen_vc1_lstm_tiny", vc1(), "lstm"),
        ("frozen_r3m_lstm_tiny", r3m(), "lstm"),
    ] {
        let path = described(folder.path(), case, &network);
        let (encoder, dynamics) = combined_from(&path, None).unwrap();
        assert_eq!(dynamics.kind, kind);
        assert_eq!(encoder.source.sha256, dynamics.source.sha256);
        assert_eq!(
            encoder.model.identity().weights_sha256,
            encoder.source.sha256
        );
        let run = |protocol: &Protocol, layers: Layers| {
            let model = Some(dynamics.model.as_ref());
            let cache = Cache::none();
            predict_video(
                encoder.model.as_ref(),
                model,
                &video(),
                protocol,
                layers,
                &cache,
            )
        };
        let trial = run(&published(), BOTH).unwrap();
        for (name, got) in [
            ("layer_encoder", trial.encoder.as_ref().unwrap()),
            ("layer_dynamics", trial.dynamics.as_ref().unwrap()),
        ] {
            let got: Vec<f64> = got.iter().map(|v| f64::from(*v)).collect();
            let name = format!("{case}/{name}");
            assert_close(&name, &got, &expected(&name).1, 1e-4);
        }
        let status: Vec<Status> = trial.steps.iter().map(|s| s.status).collect();
        assert!(status[..7].iter().all(|s| *s == Status::Context));
        assert!(status[7..].iter().all(|s| *s != Status::Context));
        // One layer alone is the same layer; a carried state is another model.
        let alone = Layers {
            encoder: false,
            dynamics: true,
        };
        let one = run(&published(), alone).unwrap();
        assert!(one.encoder.is_none());
        let dim = trial.dim;
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(
            &one.dynamics.unwrap(),
            trial.dynamics.as_ref().unwrap()
        ));
        let (_, carried) = combined_from(&path, Some(Rollout::Carried)).unwrap();
        let other = predict_video(
            encoder.model.as_ref(),
            Some(carried.model.as_ref()),
            &video(),
            &published(),
            BOTH,
            &Cache::none(),
        )
        .unwrap();
        let (a, b) = (other.dynamics.unwrap(), trial.dynamics.unwrap());
        assert!(close(&a[..8 * dim], &b[..8 * dim]) && !close(&a[8 * dim..], &b[8 * dim..]));
        // The same file for its dynamics or its encoder alone, and as whatever it is.
        assert_eq!(dynamics_from(&path, None).unwrap().kind, kind);
        assert_eq!(
            encoder_from(&path, &network).unwrap().model.latent_dim(),
            dim
        );
        assert!(matches!(
            any_from(&path, None).unwrap(),
            Network::Combined(..)
        ));
    }
}

#[test]
fn shapes_tell_a_residual_network_and_not_a_transformer_s_heads() {
    let (encoder, dynamics) = combined_from(&data("frozen_r3m_lstm_tiny.pth"), None).unwrap();
    assert_eq!(encoder.model.latent_dim(), dynamics.model.latent_dim());
    assert_eq!(encoder.network.unwrap().architecture, r3m().architecture);
    let error = combined_from(&data("frozen_vc1_ctrnn_tiny.pth"), None)
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.contains("heads") && text.contains(".pth.json"),
        "{text}"
    );
}

#[test]
fn a_subsampled_video_is_brought_back_to_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = described(folder.path(), "frozen_vc1_ctrnn_tiny", &vc1());
    let (encoder, dynamics) = combined_from(&path, None).unwrap();
    let run = |protocol: &Protocol| {
        let model = Some(dynamics.model.as_ref());
        predict_video(
            encoder.model.as_ref(),
            model,
            &video(),
            protocol,
            BOTH,
            &Cache::none(),
        )
        .unwrap()
    };
    let whole = run(&published()).encoder.unwrap();
    let dim = whole.len() / 10;
    let trial = run(&Protocol {
        subsample: 3,
        ..published()
    });
    // Frames 0, 3, 6 and 9; context 0 and 3 (7 / 3 = 2).
    let taken: Vec<f32> = [0, 3, 6, 9]
        .iter()
        .flat_map(|k| whole[k * dim..(k + 1) * dim].to_vec())
        .collect();
    let got = trial.encoder.unwrap();
    for (a, b) in got.iter().zip(&interpolate(&taken, dim, 10)) {
        assert!((a - b).abs() < 1e-5);
    }
    assert_eq!(got.len(), whole.len());
    let last = trial
        .steps
        .iter()
        .rposition(|s| s.status == Status::Context);
    assert_eq!(last, Some(3));
    let error = predict_video(
        encoder.model.as_ref(),
        None,
        &video(),
        &Protocol {
            context: ContextRule::Fixed(9),
            ..published()
        },
        BOTH,
        &Cache::none(),
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("9 different frames")
    );
}

// The published fixed context ends with the first hidden frame; the default does not see it.
#[test]
fn a_fixed_context_sees_one_frame_more() {
    let conditions = select(&[29_337, 55_062]).unwrap();
    let run = |context: ContextRule| {
        let protocol = Protocol {
            context,
            ..published()
        };
        let cache = Cache::none();
        let encoder = PixelEncoder::default();
        predict(
            &encoder,
            None,
            &conditions,
            Shown::Occluded,
            &protocol,
            BOTH,
            &cache,
            &Quiet,
        )
        .unwrap()
    };
    let (visible, fixed) = (run(ContextRule::OccFrameStart), run(ContextRule::Fixed(7)));
    let end = run(ContextRule::VisFrameEnd);
    for ((a, b), c) in visible.iter().zip(&fixed).zip(&end) {
        let last = |t: &mental_pong_predictor::latents::TrialLayers| {
            t.steps
                .iter()
                .rposition(|s| s.status == Status::Context)
                .unwrap()
        };
        assert_eq!(last(b), last(a) + 1);
        assert!(last(c) < last(a));
        assert_eq!(a.steps.len(), b.steps.len());
        assert_eq!(
            a.encoder.as_ref().unwrap().len(),
            b.encoder.as_ref().unwrap().len()
        );
    }
}

#[test]
fn random_weights_are_those_of_their_seed_and_say_so() {
    let conditions = select(&[29_337]).unwrap();
    let run = |seed: u64, kind: &str| {
        let encoder = random_encoder(&r3m(), seed).unwrap();
        let dim = encoder.model.latent_dim();
        let dynamics = random_dynamics(kind, dim, 16, Rollout::Restart, seed).unwrap();
        assert!(encoder.model.identity().name.contains("random"));
        assert_eq!(encoder.source.random_seed, Some(seed));
        let protocol = Protocol {
            clock: Clock::Bins,
            ..published()
        };
        predict(
            encoder.model.as_ref(),
            Some(dynamics.model.as_ref()),
            &conditions,
            Shown::Occluded,
            &protocol,
            BOTH,
            &Cache::none(),
            &Quiet,
        )
        .unwrap()
    };
    for kind in ["ctrnn", "lstm", "gru", "mlp"] {
        assert_eq!(run(1, kind), run(1, kind));
        assert_ne!(run(1, kind), run(2, kind));
    }
    assert!(random_dynamics("rnn", 4, 4, Rollout::Restart, 1).is_err());
    // Every kind of network can be drawn.
    for name in ["vc1-base", "clip-base", "r3m-18"] {
        let network = PublishedEncoder::named(name).unwrap();
        let shapes = network.shapes().len();
        assert_eq!(network.random_tensors(3).unwrap().len(), shapes);
    }
}

#[test]
fn layers_read_back_from_their_file() {
    let conditions = select(&[29_337, 55_062]).unwrap();
    let protocol = Protocol {
        clock: Clock::Bins,
        ..published()
    };
    let (cache, encoder) = (Cache::none(), PixelEncoder::default());
    let trials = predict(
        &encoder,
        None,
        &conditions,
        Shown::Occluded,
        &protocol,
        BOTH,
        &cache,
        &Quiet,
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    write_layers(&path, &trials, &serde_json::json!({"model": "pixels"})).unwrap();
    let file = read_layer(&path, Layer::Encoder).unwrap();
    assert_eq!(file.id, [29_337, 55_062]);
    let (shape, latents) = (file.shape, &file.latents);
    assert_eq!((shape[0], shape[2]), (2, 196));
    for (k, trial) in trials.iter().enumerate() {
        assert_eq!(file.n_steps[k] as usize, trial.steps.len());
        let row = &latents[k * shape[1] * 196..(k + 1) * shape[1] * 196];
        assert_eq!(
            row[..trial.steps.len() * 196],
            trial.encoder.as_ref().unwrap()[..]
        );
        assert!(row[trial.steps.len() * 196..].iter().all(|v| v.is_nan()));
        assert_eq!(file.bin[k * shape[1]] as usize, trial.steps[0].bin);
    }
    assert!(
        read_layer(&path, Layer::Dynamics)
            .unwrap_err()
            .to_string()
            .contains("a.npz")
    );
}

// Two processes (here threads with caches of their own) on one folder, so small that each takes
// away what the other wrote.
#[test]
fn one_folder_serves_several_caches_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = PixelEncoder::default();
    let frame = |v: u8| vec![v; 224 * 224 * 3];
    let fresh: Vec<Vec<f32>> = (0..12)
        .map(|v| encoder.encode(&[&frame(v)]).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for start in 0..4_u8 {
            let (folder, encoder, fresh) = (folder.path(), &encoder, &fresh);
            scope.spawn(move || {
                let cache = Cache::bounded(folder, 5_000).unwrap();
                for round in 0..40_u8 {
                    let v = (start * 5 + round * 7) % 12;
                    let got = cache.encode(encoder, &[frame(v)]).unwrap();
                    assert_eq!(got, fresh[usize::from(v)]);
                }
            });
        }
    });
}
