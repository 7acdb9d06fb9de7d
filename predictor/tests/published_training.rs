//! The published recipe on clips: the same bytes stopped and resumed, with one thread and two.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use mental_pong_base::{Monitor, Quiet};
use mental_pong_predictor::dynamics::{CellKind, Dynamics, Init};
use mental_pong_predictor::encoders::{Encoder, EncoderIdentity, Picture, PixelEncoder};
use mental_pong_predictor::latents::Cache;
use mental_pong_predictor::training::clips::Clips;
use mental_pong_predictor::training::{
    PublishedRun, PublishedSources, PublishedTraining, train_published,
};
use mental_pong_predictor::weights::load_dynamics;
use mental_pong_predictor::{Error, Result};

/// A bright square that moves at each clip's own pace: 30 x 24 pixels, made on the spot.
#[derive(Clone)]
struct Squares {
    lengths: Vec<usize>,
    shade: u8,
}

impl Clips for Squares {
    fn describe(&self) -> String {
        "synthetic squares".into()
    }

    fn len(&self) -> usize {
        self.lengths.len()
    }

    fn id(&self, clip: usize) -> String {
        format!("square {clip}")
    }

    fn n_frames(&self, clip: usize) -> Result<usize> {
        Ok(self.lengths[clip])
    }

    fn frames(&self, clip: usize, at: &[usize]) -> Result<Vec<Picture>> {
        at.iter()
            .map(|&t| {
                let mut pixels = vec![20_u8; 30 * 24 * 3];
                let (x, y) = (
                    (t * (1 + clip % 3) / 2 + clip) % 24,
                    (clip * 5 + t / 3) % 18,
                );
                for row in y..y + 6 {
                    pixels[(row * 30 + x) * 3..(row * 30 + x + 6) * 3].fill(self.shade);
                }
                Picture::new(30, 24, pixels)
            })
            .collect()
    }
}

fn squares() -> Squares {
    Squares {
        lengths: (0..14).map(|clip| 19 + clip * 3).collect(),
        shade: 230,
    }
}

fn config(cell: CellKind) -> PublishedTraining {
    PublishedTraining {
        cell,
        hidden: 96,
        context: 3,
        seq_len: 10,
        subsample: 2,
        batch: 4,
        learning_rate: 1e-3,
        epochs: 3,
        seed: 9,
        init: Init::Published,
        validation_share: 0.2,
        patience: 0,
    }
}

fn train_on(
    config: &PublishedTraining,
    clips: &dyn Clips,
    encoder: &dyn Encoder,
    folder: &Path,
    monitor: &dyn Monitor,
) -> Result<PublishedRun> {
    let sources = PublishedSources {
        training: clips,
        validation: None,
        encoder,
        cache: &Cache::none(),
        max_bytes: None,
        notes: &[("command", "a test".into())],
    };
    train_published(config, &sources, folder, monitor)
}

fn train(config: &PublishedTraining, folder: &Path) -> PublishedRun {
    train_on(config, &squares(), &PixelEncoder::default(), folder, &Quiet).unwrap()
}

/// All that a run leaves.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = [
        "best.safetensors",
        "checkpoint.safetensors",
        "last.safetensors",
        "log.csv",
    ];
    names
        .iter()
        .map(|name| {
            (
                (*name).to_string(),
                std::fs::read(folder.join(name)).unwrap(),
            )
        })
        .collect()
}

/// Stops when so many batches of training are done.
struct StopAfter {
    training: AtomicU64,
    left: AtomicU64,
}

impl StopAfter {
    fn batches(n: u64) -> Self {
        Self {
            training: AtomicU64::new(0),
            left: AtomicU64::new(n),
        }
    }
}

impl Monitor for StopAfter {
    fn stage(&self, name: &str, _total: u64) {
        if name == "training the dynamics" {
            self.training.store(1, Ordering::SeqCst);
        }
    }

    fn advance(&self, n: u64) {
        // What a resumed run has done already comes in one piece; it may be nothing.
        if self.training.load(Ordering::SeqCst) == 1 && n == 1 {
            self.left.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn stopped(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

#[test]
fn resumed_equals_uninterrupted_to_the_byte() {
    for cell in [CellKind::Ctrnn, CellKind::Lstm] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let run = train(&config(cell), &at("whole"));
        // 14 clips, one too short for 20 frames; 3 of 13 are held out; 10 in batches of 4.
        assert_eq!(
            (run.short_clips, run.validation_clips, run.training_clips),
            (1, 3, 10)
        );
        assert_eq!(
            run.log.iter().map(|row| row.step).collect::<Vec<_>>(),
            [3, 6, 9]
        );
        let whole = files(&at("whole"));
        // In the middle of an epoch, at its end, and twice.
        for (name, stops) in [("middle", vec![5]), ("end", vec![3]), ("twice", vec![2, 2])] {
            for stop in stops {
                let monitor = StopAfter::batches(stop);
                let encoder = PixelEncoder::default();
                let error = train_on(&config(cell), &squares(), &encoder, &at(name), &monitor);
                assert!(matches!(error, Err(Error::Interrupted)), "{name}");
            }
            assert_ne!(
                std::fs::read(at(name).join("checkpoint.safetensors")).unwrap(),
                whole[1].1
            );
            train(&config(cell), &at(name));
            assert!(files(&at(name)) == whole, "{name}");
        }
        let other = PublishedTraining {
            seed: 10,
            ..config(cell)
        };
        train(&other, &at("other"));
        assert!(files(&at("other"))[2] != whole[2]);
    }
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for cell in [CellKind::Ctrnn, CellKind::Lstm] {
        let big = PublishedTraining {
            hidden: 384,
            epochs: 2,
            ..config(cell)
        };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let folder = folder.path().join(format!("{cell:?}{threads}"));
            pool.install(|| train(&big, &folder));
            files(&folder)
        };
        let one = with(1);
        assert!(one == with(2) && one == with(5));
    }
}

#[test]
fn more_epochs_go_on_from_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let longer = PublishedTraining {
        epochs: 5,
        ..config(CellKind::Lstm)
    };
    train(&longer, &folder.path().join("whole"));
    train(&config(CellKind::Lstm), &folder.path().join("parts"));
    let run = train(&longer, &folder.path().join("parts"));
    assert_eq!(run.epochs, 5);
    let (whole, parts) = (
        files(&folder.path().join("whole")),
        files(&folder.path().join("parts")),
    );
    assert!(whole[1..] == parts[1..]);
}

#[test]
fn training_learns_and_the_best_epoch_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let long = PublishedTraining {
        epochs: 60,
        patience: 4,
        learning_rate: 3e-3,
        ..config(CellKind::Lstm)
    };
    let run = train(&long, folder.path());
    let losses: Vec<f64> = run.log.iter().map(|row| row.validation.unwrap()).collect();
    let best = run.best.unwrap();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(best.validation, least);
    assert_eq!(losses[best.epoch as usize - 1], least);
    assert!(least < 0.7 * losses[0], "{losses:?}");
    // Ended early: four epochs after the best.
    assert!(run.epochs < 60, "{losses:?}");
    assert_eq!(run.epochs, best.epoch + 4);
    // The files are weights of the published names that say where they come from.
    let best = load_dynamics(&run.best_file.unwrap()).unwrap();
    let last = load_dynamics(&run.last).unwrap();
    assert_eq!(best.metadata["epoch"], run.best.unwrap().epoch.to_string());
    assert_eq!(best.metadata["validation_loss"], least.to_string());
    assert_eq!(last.metadata["epoch"], run.epochs.to_string());
    assert_eq!(last.metadata["clips"], "synthetic squares");
    assert_eq!(last.metadata["clips_sha256"], run.clips_sha256);
    assert_eq!(last.metadata["command"], "a test");
    assert!(last.metadata["training"].contains("learning_rate = 0.003"));
    assert_eq!(
        best.model.latent_dim(),
        PixelEncoder::default().latent_dim()
    );
    let log = std::fs::read_to_string(folder.path().join("log.csv")).unwrap();
    assert_eq!(log.lines().count() as u64, run.epochs + 1);
    assert!(
        log.starts_with("step,rate,loss,validation\n3,0.003,"),
        "{log}"
    );
}

/// The pixels, said to look back.
struct LooksBack(PixelEncoder);

impl Encoder for LooksBack {
    fn identity(&self) -> &EncoderIdentity {
        self.0.identity()
    }

    fn latent_dim(&self) -> usize {
        self.0.latent_dim()
    }

    fn reach(&self) -> usize {
        3
    }

    fn encode(&self, frames: &[&[u8]]) -> Result<Vec<f32>> {
        self.0.encode(frames)
    }
}

#[test]
fn an_encoder_of_video_is_given_the_windows_frames_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    train(&config(CellKind::Ctrnn), &one);
    let encoder = LooksBack(PixelEncoder::default());
    train_on(&config(CellKind::Ctrnn), &squares(), &encoder, &two, &Quiet).unwrap();
    // It looks at no other frame, so windows encoded whole are the frames encoded one by one.
    assert!(files(&one) == files(&two));
}

#[test]
fn other_clips_settings_or_too_little_memory_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    train(&config(CellKind::Ctrnn), folder.path());
    let encoder = PixelEncoder::default();
    let refused = |config: &PublishedTraining, clips: &Squares| {
        train_on(config, clips, &encoder, folder.path(), &Quiet)
            .unwrap_err()
            .to_string()
    };
    let darker = Squares {
        shade: 229,
        ..squares()
    };
    assert!(refused(&config(CellKind::Ctrnn), &darker).contains("clips"));
    let other = PublishedTraining {
        learning_rate: 2e-3,
        ..config(CellKind::Ctrnn)
    };
    assert!(refused(&other, &squares()).contains("configuration"));
    let short = Squares {
        lengths: vec![19, 12],
        shade: 9,
    };
    let message = refused(&config(CellKind::Ctrnn), &short);
    assert!(
        message.contains("20 frames") && message.contains("19"),
        "{message}"
    );
    for (wrong, field) in [
        (
            PublishedTraining {
                cell: CellKind::Gru,
                ..config(CellKind::Ctrnn)
            },
            "cell",
        ),
        (
            PublishedTraining {
                context: 10,
                ..config(CellKind::Ctrnn)
            },
            "context",
        ),
        (
            PublishedTraining {
                batch: 0,
                ..config(CellKind::Ctrnn)
            },
            "batch",
        ),
        (
            PublishedTraining {
                epochs: 0,
                ..config(CellKind::Ctrnn)
            },
            "epochs",
        ),
        (
            PublishedTraining {
                learning_rate: f64::NAN,
                ..config(CellKind::Ctrnn)
            },
            "learning_rate",
        ),
        (
            PublishedTraining {
                validation_share: 0.9,
                ..config(CellKind::Ctrnn)
            },
            "validation_share",
        ),
    ] {
        let message = refused(&wrong, &squares());
        assert!(message.contains(field), "{message}");
    }
    let small = PublishedSources {
        training: &squares(),
        validation: None,
        encoder: &encoder,
        cache: &Cache::none(),
        max_bytes: Some(10_000),
        notes: &[],
    };
    let message = train_published(
        &config(CellKind::Ctrnn),
        &small,
        &folder.path().join("new"),
        &Quiet,
    )
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("memory") && message.contains("10000"),
        "{message}"
    );
    // A file that is no checkpoint.
    std::fs::write(folder.path().join("checkpoint.safetensors"), "x").unwrap();
    assert!(refused(&config(CellKind::Ctrnn), &squares()).contains("checkpoint.safetensors"));
}

#[test]
fn held_out_clips_of_their_own_start_at_their_first_frame() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = PixelEncoder::default();
    let folder_of = |name: &str| folder.path().join(name);
    let run = |held_out: &Squares, name: &str| {
        let sources = PublishedSources {
            training: &squares(),
            validation: Some(held_out),
            encoder: &encoder,
            cache: &Cache::in_folder(&folder.path().join("cache")).unwrap(),
            max_bytes: None,
            notes: &[],
        };
        train_published(&config(CellKind::Ctrnn), &sources, &folder_of(name), &Quiet).unwrap()
    };
    let one = run(
        &Squares {
            lengths: vec![20, 20],
            shade: 99,
        },
        "one",
    );
    // Longer clips that begin alike: nothing but their first window is looked at.
    let two = run(
        &Squares {
            lengths: vec![60, 70],
            shade: 99,
        },
        "two",
    );
    assert_eq!((one.training_clips, one.validation_clips), (13, 2));
    assert_eq!(one.log, two.log);
    assert_ne!(one.clips_sha256, two.clips_sha256);
    assert!(
        std::fs::read_dir(folder.path().join("cache"))
            .unwrap()
            .count()
            > 13
    );
}
