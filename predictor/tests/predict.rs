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
use mental_pong_game::task::ConditionSet;
use mental_pong_predictor::Predictor;
use mental_pong_predictor::Result;
use mental_pong_predictor::dynamics::{Dynamics, Rollout};
use mental_pong_predictor::encoders::{
    Architecture, Encoder, PixelEncoder, Preprocess, PublishedEncoder, ResnetBlock, ResnetConfig,
    VitConfig,
};
use mental_pong_predictor::latents::{
    Cache, Clock, ContextRule, Layers, Protocol, Status, Step, Timeline, Video, interpolate,
    predict_video,
};
use mental_pong_predictor::weights::load::{
    Network, any_from, combined_from, dynamics_from, encoder_from, random_dynamics, random_encoder,
};

fn published() -> Protocol {
    Protocol::of(Clock::Display)
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
        status: Status::Visible,
    });
    Video {
        lead: None,
        fitted: None,
        timeline: Timeline {
            steps: steps.collect(),
            occ_frame_start: 7,
            vis_frame_end: Some(6),
            ball_deg: vec![(0.0, 0.0); frames.len()],
        },
        frames,
    }
}

/// Both layers of the test movie.
fn run(
    encoder: &dyn Encoder,
    dynamics: Option<&dyn Dynamics>,
    protocol: &Protocol,
    layers: Layers,
) -> Result<(Vec<Step>, Vec<Vec<f32>>)> {
    let video = video();
    let plan = protocol.plan(&video.timeline)?;
    predict_video(encoder, dynamics, &video, &plan, layers, &Cache::none())
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
        let layers = |layers| {
            let model = Some(dynamics.model.as_ref());
            run(encoder.model.as_ref(), model, &published(), layers).unwrap()
        };
        let (steps, both) = layers(Layers::BOTH);
        for (name, got) in [("layer_encoder", &both[0]), ("layer_dynamics", &both[1])] {
            let got: Vec<f64> = got.iter().map(|v| f64::from(*v)).collect();
            let name = format!("{case}/{name}");
            assert_close(&name, &got, &expected(&name).1, 1e-4);
        }
        let status: Vec<Status> = steps.iter().map(|s| s.status).collect();
        assert!(status[..7].iter().all(|s| *s == Status::Context));
        assert!(status[7..].iter().all(|s| *s != Status::Context));
        // One layer alone is the same layer; a carried state is another model.
        let (_, one) = layers(Layers::DYNAMICS);
        assert_eq!(one.len(), 1);
        let dim = encoder.model.latent_dim();
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&one[0], &both[1]));
        let (_, carried) = combined_from(&path, Some(Rollout::Carried)).unwrap();
        let carried = Some(carried.model.as_ref());
        let other = run(encoder.model.as_ref(), carried, &published(), Layers::BOTH);
        let (a, b) = (&other.unwrap().1[1], &both[1]);
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
    let network = encoder.network.published().unwrap();
    assert_eq!(network.architecture, r3m().architecture);
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
    let at = |protocol: &Protocol| {
        let model = Some(dynamics.model.as_ref());
        run(encoder.model.as_ref(), model, protocol, Layers::BOTH)
    };
    let whole = &at(&published()).unwrap().1[0];
    let dim = whole.len() / 10;
    let (steps, trial) = at(&Protocol {
        subsample: 3,
        ..published()
    })
    .unwrap();
    // Frames 0, 3, 6 and 9; context 0 and 3 (7 / 3 = 2).
    let taken: Vec<f32> = [0, 3, 6, 9]
        .iter()
        .flat_map(|k| whole[k * dim..(k + 1) * dim].to_vec())
        .collect();
    for (a, b) in trial[0].iter().zip(&interpolate(&taken, dim, 10)) {
        assert!((a - b).abs() < 1e-5);
    }
    assert_eq!(trial[0].len(), whole.len());
    let last = steps.iter().rposition(|s| s.status == Status::Context);
    assert_eq!(last, Some(3));
    let error = at(&Protocol {
        context: ContextRule::Fixed(9),
        ..published()
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("9 different frames")
    );
}

/// A predictor of grey levels under a protocol.
fn pixels(protocol: Protocol) -> Predictor {
    let pixels = Predictor::named("pixels").unwrap();
    pixels.with_protocol(protocol).unwrap()
}

// The published fixed context ends with the first hidden frame; the default does not see it.
#[test]
fn a_fixed_context_sees_one_frame_more() {
    let conditions = ConditionSet::chosen(None, &["29337", "55062"]).unwrap();
    let at = |context: ContextRule| {
        let protocol = Protocol {
            context,
            ..published()
        };
        let latents = pixels(protocol).latents(&conditions, Layers::BOTH, &Cache::none(), &Quiet);
        latents.unwrap().conditions
    };
    let (visible, fixed) = (at(ContextRule::OccFrameStart), at(ContextRule::Fixed(7)));
    let end = at(ContextRule::VisFrameEnd);
    for ((a, b), c) in visible.iter().zip(&fixed).zip(&end) {
        let last = |t: &mental_pong_predictor::latents::ConditionLatents| {
            let context = |s: &Step| s.status == Status::Context;
            t.steps.iter().rposition(context).unwrap()
        };
        assert_eq!(last(b), last(a) + 1);
        assert!(last(c) < last(a));
        assert_eq!(a.steps.len(), b.steps.len());
        assert_eq!(a.layers[0].len(), b.layers[0].len());
    }
}

#[test]
fn random_weights_are_those_of_their_seed_and_say_so() {
    let conditions = ConditionSet::chosen(None, &["29337"]).unwrap();
    let at = |seed: u64, kind: &str| {
        let encoder = random_encoder(&r3m(), seed).unwrap();
        let dim = encoder.model.latent_dim();
        let dynamics = random_dynamics(kind, dim, 16, Rollout::Restart, seed).unwrap();
        assert!(encoder.model.identity().name.contains("random"));
        assert_eq!(encoder.source.random_seed, Some(seed));
        let predictor = Predictor::of("drawn", encoder.model, Some(dynamics.model)).unwrap();
        let predictor = predictor.with_protocol(Protocol::of(Clock::Bins)).unwrap();
        let latents = predictor.latents(&conditions, Layers::BOTH, &Cache::none(), &Quiet);
        latents.unwrap()
    };
    for kind in ["ctrnn", "lstm", "gru", "mlp"] {
        assert_eq!(at(1, kind), at(1, kind));
        assert_ne!(at(1, kind), at(2, kind));
    }
    assert!(random_dynamics("rnn", 4, 4, Rollout::Restart, 1).is_err());
    // Every kind of network can be drawn.
    for name in ["vc1-base", "clip-base", "r3m-18"] {
        let network = PublishedEncoder::named(name).unwrap();
        let shapes = network.shapes().len();
        assert_eq!(network.random_tensors(3).unwrap().len(), shapes);
    }
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
