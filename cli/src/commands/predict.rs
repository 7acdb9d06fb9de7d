use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use mental_pong_base::Monitor;
use mental_pong_base::files::{create_folder, write_atomic};
use mental_pong_game::frames::Preset;
use mental_pong_game::task::Condition;
use mental_pong_predictor::device::device;
use mental_pong_predictor::dynamics::{Dynamics, Identity, Rollout};
use mental_pong_predictor::encoders::{
    Encoder, FRAME_SIZE, GaborPca, Picture, PixelPca, PublishedEncoder,
};
use mental_pong_predictor::latents::{
    Cache, Clock, ContextRule, Layers, LayersWriter, Protocol, Shown, Step, Video, predict_each,
};
use mental_pong_predictor::weights::load::{
    Source, combined_from, dynamics_from, encoder_from, network_beside, random_dynamics,
    random_encoder,
};
use mental_pong_predictor::weights::{bundled, catalogue, load_dynamics, load_encoder};
use serde_json::{Value, json};

use super::memory::{available, held, parse_bytes, refuse_above, shown};
use super::{chosen, output};
use crate::Done;
use crate::args::PredictArgs;
use crate::failure::Failure;
use crate::progress::Progress;

/// Folder that `mpong weights fetch` writes to.
pub(super) const WEIGHTS_FOLDER: &str = "weights";
/// Names of the bundled predictors.
const BUNDLED: [&str; 4] = ["ctrnn", "lstm", "no-dynamics", "encoder"];
/// Memory of the program itself with the bundled networks, bytes.
const PROGRAM_BYTES: u64 = 32_000_000;
/// Input representations of networks that were trained on the task itself, fitted on the spot.
const REPRESENTATIONS: [&str; 2] = ["pixel_pca", "gabor_pca"];

/// An encoder, perhaps dynamics, and where both come from.
struct Predictor {
    encoder: Box<dyn Encoder>,
    encoder_source: Option<Source>,
    network: Option<PublishedEncoder>,
    dynamics: Option<Box<dyn Dynamics>>,
    dynamics_kind: String,
    dynamics_sha256: Option<String>,
    dynamics_seed: Option<u64>,
    /// Whether it is one of this project's, made for [`Clock::Bins`].
    own: bool,
}

fn usage<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Usage(text.into()))
}

pub(crate) fn predict(args: &PredictArgs, progress: &Progress) -> Done {
    if args.out.extension().is_none_or(|e| e != "npz") {
        return usage(format!(
            "--out {}: expected a name that ends in .npz",
            args.out.display()
        ));
    }
    let context = context(&args.context)?;
    let rollout = match args.rollout.as_deref() {
        None => None,
        Some("restart") => Some(Rollout::Restart),
        Some("carried") => Some(Rollout::Carried),
        Some(other) => return usage(format!("--rollout {other}: expected restart or carried")),
    };
    let limit = match &args.max_memory {
        Some(text) => Some(parse_bytes("--max-memory", text)?),
        None => available(),
    };
    let conditions = chosen(args.set, &args.ids)?;
    let model = Model::of(args)?;
    if let Some(network) = &model.network() {
        // Before the weights are read: they are most of it.
        let least = network.loading_bytes() + network.batch_bytes();
        refuse_above(limit, least, &format!("the encoder {}", network.name))?;
    }
    let on = device(args.device.name())?;
    let mut predictor = model.load(args, limit, rollout, progress)?;
    predictor.encoder.move_to(&on)?;
    if let Some(dynamics) = &mut predictor.dynamics {
        dynamics.move_to(&on)?;
    }
    let layers = layers(args, &predictor)?;
    let shown = match (args.video.as_str(), predictor.dynamics.is_some()) {
        ("occluded", _) => Shown::Occluded,
        ("visible", false) => Shown::Visible,
        ("visible", true) => {
            return usage(
                "--video visible: only an encoder alone takes it (--model encoder, or --dynamics none); a forecast starts where the ball is hidden",
            );
        }
        (other, _) => return usage(format!("--video {other}: expected occluded or visible")),
    };
    let rnn = predictor.encoder.preset() == Preset::Rnn100;
    let clock = match (args.frames.as_deref(), predictor.own) {
        (None, _) if rnn => Clock::Design,
        (Some(other), _) if rnn => {
            return usage(format!(
                "--frames {other}: {} takes the design law's frames and no others",
                args.model
            ));
        }
        (Some("bins"), _) | (None, true) => Clock::Bins,
        (Some("display"), _) | (None, false) => Clock::Display,
        (Some(other), _) => {
            return usage(format!("--frames {other}: expected bins or display"));
        }
    };
    let protocol = Protocol {
        clock,
        context,
        subsample: args.subsample,
    };
    survey(
        &predictor,
        &conditions,
        shown,
        &protocol,
        layers,
        limit,
        progress,
    )?;
    if rnn && args.show_input.is_some() {
        return usage(format!(
            "--show-input: {} sees the frames of `mpong stimuli --preset rnn100`",
            args.model
        ));
    }
    if let Some(folder) = &args.show_input {
        show_input(
            folder,
            predictor.encoder.as_ref(),
            &conditions,
            shown,
            clock,
        )?;
    }
    let cache = match &args.cache {
        Some(folder) => Cache::in_folder(folder)?,
        None => Cache::none(),
    };
    progress.stage("predicting", conditions.len() as u64);
    let timed = Timed::new(progress, conditions.len() as u64);
    let mut writer = LayersWriter::new(&args.out)?;
    predict_each(
        predictor.encoder.as_ref(),
        predictor.dynamics.as_deref(),
        &conditions,
        shown,
        &protocol,
        layers,
        &cache,
        &timed,
        &mut |trial| writer.push(&trial),
    )?;
    writer.finish(&about(args, &predictor, &protocol, shown))?;
    progress.finish();
    output(|out| {
        writeln!(
            out,
            "{}: {} conditions, {} latents",
            args.out.display(),
            conditions.len(),
            predictor.encoder.latent_dim()
        )
    })
}

fn context(text: &str) -> Result<ContextRule, Failure> {
    let count = |digits: &str, least: usize| match digits.parse::<usize>() {
        Ok(n) if n >= least => Some(n),
        _ => None,
    };
    let rule = match text {
        "visible" => Some(ContextRule::OccFrameStart),
        "vis-end" => Some(ContextRule::VisFrameEnd),
        _ => match text.strip_prefix("last:") {
            Some(digits) => count(digits, 1).map(ContextRule::Last),
            None => count(text, 2).map(ContextRule::Fixed),
        },
    };
    rule.ok_or_else(|| {
        Failure::Usage(format!(
            "--context {text}: expected visible, vis-end, a number of frames (at least 2), or last:N"
        ))
    })
}

fn layers(args: &PredictArgs, predictor: &Predictor) -> Result<Layers, Failure> {
    let dynamics = predictor.dynamics.is_some();
    match args.layer.as_str() {
        "both" => Ok(Layers {
            encoder: true,
            dynamics,
        }),
        "encoder" => Ok(Layers {
            encoder: true,
            dynamics: false,
        }),
        "dynamics" if dynamics => Ok(Layers {
            encoder: false,
            dynamics: true,
        }),
        "dynamics" => usage("--layer dynamics: this predictor has none; see --dynamics"),
        other => usage(format!(
            "--layer {other}: expected encoder, dynamics or both"
        )),
    }
}

/// What `--model` names.
enum Model {
    Bundled,
    Representation(&'static str),
    Published(Box<PublishedEncoder>, Option<PathBuf>),
    Combined(PathBuf),
}

impl Model {
    fn of(args: &PredictArgs) -> Result<Self, Failure> {
        let name = args.model.as_str();
        if BUNDLED.contains(&name) {
            return Ok(Self::Bundled);
        }
        if let Some(name) = REPRESENTATIONS.into_iter().find(|known| *known == name) {
            return Ok(Self::Representation(name));
        }
        let in_folder = |file: &str| Path::new(WEIGHTS_FOLDER).join(file);
        if let Ok(network) = PublishedEncoder::named(name) {
            let file = match (&args.weights, catalogue::find(name)) {
                (Some(folder), Some(known)) if folder.is_dir() => Some(folder.join(known.file)),
                (Some(file), _) => Some(file.clone()),
                (None, known) => known
                    .map(|known| in_folder(known.file))
                    .filter(|file| args.random_weights.is_none() && file.exists()),
            };
            if file.is_none() && args.random_weights.is_none() {
                return usage(format!(
                    "--model {name}: needs --weights FILE (to get one: mpong weights fetch {name}) or --random-weights SEED"
                ));
            }
            // A description beside the file stands above the name: its sizes may be others.
            let described = match &file {
                Some(file) => network_beside(file)?,
                None => None,
            };
            return Ok(Self::Published(
                Box::new(described.unwrap_or(network)),
                file,
            ));
        }
        let path = match (&args.weights, Path::new(name)) {
            (Some(file), _) if file.is_dir() => file.join(name),
            (Some(file), _) => file.clone(),
            (None, path) if path.exists() => path.to_path_buf(),
            (None, _) if catalogue::find(name).is_some() => in_folder(name),
            (None, _) => {
                let released = catalogue::PUBLISHED.iter().filter(|p| p.dynamics.is_some());
                return usage(format!(
                    "--model {name}: no such file, and none of the bundled predictors ({}), the published encoders ({}) or the released checkpoints ({})",
                    BUNDLED.join(", "),
                    PublishedEncoder::NAMES.join(", "),
                    released.map(|p| p.name).collect::<Vec<_>>().join(", ")
                ));
            }
        };
        if !path.exists() && catalogue::find(name).is_some() {
            return usage(format!(
                "--model {name}: {} is not there; get it with: mpong weights fetch {name}",
                path.display()
            ));
        }
        if args.dynamics.is_some()
            || args.dynamics_weights.is_some()
            || args.random_weights.is_some()
        {
            return usage(format!(
                "--model {name}: a released checkpoint has dynamics of its own; --dynamics, --dynamics-weights and --random-weights are for published encoders"
            ));
        }
        Ok(Self::Combined(path))
    }

    fn network(&self) -> Option<PublishedEncoder> {
        match self {
            Self::Published(network, _) => Some(network.as_ref().clone()),
            _ => None,
        }
    }

    fn load(
        self,
        args: &PredictArgs,
        limit: Option<u64>,
        rollout: Option<Rollout>,
        progress: &Progress,
    ) -> Result<Predictor, Failure> {
        match self {
            Self::Representation(name) => representation(name, args, limit, rollout, progress),
            Self::Bundled => own(args, rollout),
            Self::Combined(path) => {
                let (encoder, dynamics) = combined_from(&path, rollout)?;
                Ok(Predictor {
                    encoder: encoder.model,
                    encoder_source: Some(encoder.source),
                    network: encoder.network,
                    dynamics: Some(dynamics.model),
                    dynamics_kind: dynamics.kind.into(),
                    dynamics_sha256: Some(dynamics.source.sha256),
                    dynamics_seed: None,
                    own: false,
                })
            }
            Self::Published(network, file) => published(args, &network, file.as_deref(), rollout),
        }
    }
}

fn own(args: &PredictArgs, rollout: Option<Rollout>) -> Result<Predictor, Failure> {
    if args.dynamics.is_some() || args.random_weights.is_some() {
        return usage(
            "--dynamics and --random-weights are for published encoders; the bundled predictors are named by --model",
        );
    }
    let file = args.dynamics_weights.as_ref().or(args.weights.as_ref());
    let recurrent = matches!(args.model.as_str(), "ctrnn" | "lstm");
    if file.is_some() && !recurrent {
        return usage("--weights: only --model ctrnn and --model lstm have dynamics");
    }
    let bundle = bundled()?;
    let encoder = match &args.encoder {
        Some(path) => load_encoder(path)?,
        None => bundle.encoder,
    };
    let mut dynamics_sha256 = None;
    let dynamics: Option<Box<dyn Dynamics>> = match args.model.as_str() {
        "encoder" => None,
        "no-dynamics" => Some(Box::new(Identity {
            latent: encoder.model.latent_dim(),
        })),
        name => {
            let mut loaded = match (file, name) {
                (Some(path), _) => load_dynamics(path)?,
                (None, "lstm") => bundle.lstm,
                (None, _) => bundle.ctrnn,
            };
            if let Some(rollout) = rollout {
                loaded.model = loaded.model.with_rollout(rollout);
            }
            dynamics_sha256 = Some(loaded.sha256);
            Some(Box::new(loaded.model))
        }
    };
    Ok(Predictor {
        encoder: Box::new(encoder.model),
        encoder_source: None,
        network: None,
        dynamics,
        dynamics_kind: args.model.clone(),
        dynamics_sha256,
        dynamics_seed: None,
        own: true,
    })
}

/// Principal components of pixels or of motion energies, read from a file or fitted.
fn representation(
    name: &str,
    args: &PredictArgs,
    limit: Option<u64>,
    rollout: Option<Rollout>,
    progress: &Progress,
) -> Result<Predictor, Failure> {
    let gabor = name == "gabor_pca";
    let fitting = if gabor {
        GaborPca::fit_bytes()
    } else {
        PixelPca::fit_bytes()
    };
    let encoder: Box<dyn Encoder> = match &args.weights {
        Some(file) if file.exists() && gabor => Box::new(GaborPca::load(file)?),
        Some(file) if file.exists() => Box::new(PixelPca::load(file)?),
        file => {
            let sample = PixelPca::sample()?;
            progress.note(&format!(
                "{name}: fitting components to {} trials of the validation part; this takes minutes and about {} of memory \
                 (--weights FILE keeps them)",
                sample.len(),
                shown(fitting)
            ));
            refuse_above(limit, fitting, &format!("the fit of {name}"))?;
            let (encoder, bytes): (Box<dyn Encoder>, Vec<u8>) = if gabor {
                let fitted = GaborPca::fit(&sample, progress)?;
                let bytes = fitted.to_bytes()?;
                (Box::new(fitted), bytes)
            } else {
                let fitted = PixelPca::fit(&sample, progress)?;
                let bytes = fitted.to_bytes()?;
                (Box::new(fitted), bytes)
            };
            if let Some(file) = file {
                write_atomic(file, |out| out.write_all(&bytes))?;
            }
            encoder
        }
    };
    let predictor = Predictor {
        encoder,
        encoder_source: None,
        network: None,
        dynamics: None,
        dynamics_kind: "none".into(),
        dynamics_sha256: None,
        dynamics_seed: None,
        own: false,
    };
    with_dynamics(args, predictor, rollout)
}

fn published(
    args: &PredictArgs,
    network: &PublishedEncoder,
    file: Option<&Path>,
    rollout: Option<Rollout>,
) -> Result<Predictor, Failure> {
    let encoder = match (file, args.random_weights) {
        (Some(file), _) => encoder_from(file, network)?,
        (None, Some(seed)) => random_encoder(network, seed)?,
        (None, None) => return usage("no weights"),
    };
    let predictor = Predictor {
        encoder: encoder.model,
        encoder_source: Some(encoder.source),
        network: encoder.network,
        dynamics: None,
        dynamics_kind: "none".into(),
        dynamics_sha256: None,
        dynamics_seed: None,
        own: false,
    };
    with_dynamics(args, predictor, rollout)
}

fn with_dynamics(
    args: &PredictArgs,
    mut predictor: Predictor,
    rollout: Option<Rollout>,
) -> Result<Predictor, Failure> {
    let latent = predictor.encoder.latent_dim();
    let loaded = match (&args.dynamics_weights, args.dynamics.as_deref()) {
        (None, None | Some("none")) => return Ok(predictor),
        (None, Some("identity")) => {
            predictor.dynamics = Some(Box::new(Identity { latent }));
            predictor.dynamics_kind = "identity".into();
            return Ok(predictor);
        }
        (Some(_), Some(kind @ ("none" | "identity"))) => {
            return usage(format!(
                "--dynamics-weights: --dynamics {kind} has no weights"
            ));
        }
        (Some(path), kind) => {
            let loaded = dynamics_from(path, rollout)?;
            if let Some(kind) = kind.filter(|kind| *kind != loaded.kind) {
                return usage(format!(
                    "--dynamics {kind}: {} holds a {}",
                    path.display(),
                    loaded.kind
                ));
            }
            loaded
        }
        (None, Some(kind)) => {
            let Some(seed) = args.random_weights else {
                return usage(format!(
                    "--dynamics {kind}: needs --dynamics-weights FILE or --random-weights SEED"
                ));
            };
            let rollout = rollout.unwrap_or(Rollout::Restart);
            predictor.dynamics_seed = Some(seed);
            random_dynamics(kind, latent, args.hidden, rollout, seed)?
        }
    };
    if loaded.model.latent_dim() != latent {
        return usage(format!(
            "the dynamics are of {} latents, the encoder gives {latent}",
            loaded.model.latent_dim()
        ));
    }
    predictor.dynamics = Some(loaded.model);
    predictor.dynamics_kind = loaded.kind.into();
    predictor.dynamics_sha256 = Some(loaded.source.sha256);
    Ok(predictor)
}

/// Counts what is to be done, says so, and refuses what cannot fit.
fn survey(
    predictor: &Predictor,
    conditions: &[Condition],
    shown_video: Shown,
    protocol: &Protocol,
    layers: Layers,
    limit: Option<u64>,
    progress: &Progress,
) -> Result<(), Failure> {
    let encoder = predictor.encoder.as_ref();
    let (mut frames, mut encoded, mut longest) = (0_u64, 0_u64, 0_usize);
    let (mut cut_frames, mut cut_conditions, mut seen) = (0, 0, 0);
    progress.stage("counting frames", conditions.len() as u64);
    for condition in conditions {
        if progress.stopped() {
            return Err(mental_pong_predictor::Error::Interrupted.into());
        }
        let video = Video::of(condition, shown_video, protocol.clock);
        let plan = protocol
            .plan(&video)
            .map_err(|e| Failure::Usage(format!("condition {}: {e}", condition.id)))?;
        let context = plan.before.len() + plan.context.len();
        let hidden = plan.future.len();
        frames += video.frames.len() as u64;
        longest = longest.max(video.frames.len());
        let alone = encoder.reach() == 1 && shown_video == Shown::Occluded;
        encoded += match (layers.encoder, alone) {
            (false, _) => context,
            (true, true) => context + hidden.min(1),
            (true, false) => context + hidden,
        } as u64;
        if let Some(preprocess) = encoder.preprocess() {
            let cut = video.cut_off_by(preprocess);
            cut_frames += cut;
            cut_conditions += usize::from(cut > 0);
            seen += video.occ_frame_start;
        }
        progress.advance(1);
    }
    if cut_frames > 0 {
        progress.warn(&format!(
            "warning: the crop of {} cuts off a part of the ball in {cut_frames} of {seen} frames with the ball in view, in {cut_conditions} of {} conditions (--show-input DIR shows what is seen)",
            encoder.identity().name,
            conditions.len()
        ));
    }
    let n_layers = u64::from(layers.encoder) + u64::from(layers.dynamics);
    let of_one = n_layers * 4 * (longest * encoder.latent_dim()) as u64;
    let latents = of_one * conditions.len() as u64;
    // A condition's frames, those of its layers once more while they are put in order, its latents; of all conditions
    // their steps.
    let mut ahead = 2 * (longest * encoder.preset().frame_len()) as u64
        + 4 * of_one
        + frames * size_of::<Step>() as u64;
    let mut loaded = PROGRAM_BYTES;
    if let Some(network) = &predictor.network {
        ahead += network.batch_bytes();
        loaded += network.loading_bytes();
    }
    let memory = match held() {
        Some((now, most)) => most.max(now + ahead),
        None => loaded + ahead,
    };
    progress.note(&format!(
        "{} conditions, {frames} frames, {encoded} to encode; latents of {}; about {} of memory",
        conditions.len(),
        shown(latents),
        shown(memory)
    ));
    refuse_above(limit, memory, "the run")
}

/// Says once, after the first condition, how long the rest will take.
struct Timed<'a> {
    inner: &'a Progress,
    start: Instant,
    total: u64,
    done: Mutex<u64>,
}

impl<'a> Timed<'a> {
    fn new(inner: &'a Progress, total: u64) -> Self {
        Self {
            inner,
            start: Instant::now(),
            total,
            done: Mutex::new(0),
        }
    }
}

impl Monitor for Timed<'_> {
    fn advance(&self, n: u64) {
        if let Ok(mut done) = self.done.lock() {
            let first = *done == 0;
            *done += n;
            let each = self.start.elapsed().as_secs_f64() / *done as f64;
            let left = each * self.total.saturating_sub(*done) as f64;
            if first && left > 10.0 {
                let text = format!("{each:.1} s a condition, about {left:.0} s to go");
                self.inner.note(&text);
            }
        }
        self.inner.advance(n);
    }

    fn stopped(&self) -> bool {
        self.inner.stopped()
    }
}

fn show_input(
    folder: &Path,
    encoder: &dyn Encoder,
    conditions: &[Condition],
    shown: Shown,
    clock: Clock,
) -> Result<(), Failure> {
    create_folder(folder)?;
    for condition in conditions {
        let video = Video::of(condition, shown, clock);
        let last = video.frames.len().saturating_sub(1);
        let hidden = video.occ_frame_start.min(last);
        for (name, at) in [("first", 0), ("occlusion", hidden), ("last", last)] {
            let frame = video.frames[at].clone();
            let mut picture = Picture::new(FRAME_SIZE, FRAME_SIZE, frame)?;
            if let Some(preprocess) = encoder.preprocess() {
                picture = preprocess.picture(&picture)?;
            }
            picture.write_png(&folder.join(format!("{}_{name}.png", condition.id)))?;
        }
    }
    Ok(())
}

fn about(args: &PredictArgs, predictor: &Predictor, protocol: &Protocol, video: Shown) -> Value {
    let identity = predictor.encoder.identity();
    let random = predictor
        .encoder_source
        .as_ref()
        .and_then(|source| source.random_seed);
    json!({
        "arrays": {
            "id": "[condition] id in the generator's table",
            "n_steps": "[condition] steps of the condition; the rest of the arrays below is padding",
            "encoder": "[condition, step, latent] f32, the encoder's latents of every frame, hidden ones too; NaN is padding",
            "dynamics": "[condition, step, latent] f32, the encoder's latents up to the context's end, then the forecast; NaN is padding",
            "frame": "[condition, step] frame of the law, 60 Hz of display and 24 Hz of design, 0 the ball at rest; -1 is padding",
            "time_ms": "[condition, step] ms on the recordings' axis, motion onset at 300; NaN is padding",
            "bin": "[condition, step] bin of 50 ms; -1 is padding",
            "status": "[condition, step] 0 context, 1 visible, 2 hidden; 255 is padding",
        },
        "program": format!("mpong {}", env!("CARGO_PKG_VERSION")),
        "model": args.model,
        "random_weights": random.is_some() || predictor.dynamics_seed.is_some(),
        "context": args.context,
        "context_rule": protocol.context,
        "context_note": match protocol.context {
            ContextRule::Fixed(_) => "fixed_n_past as published: the context's last frame is the first with the ball hidden",
            ContextRule::VisFrameEnd => "vis_frame_end is read as the last frame with all of the ball in view",
            _ => "",
        },
        "device": args.device.name(),
        "frames": protocol.clock,
        "subsample": protocol.subsample,
        "rollout": args.rollout,
        "law": if protocol.clock == Clock::Design { "design" } else { "display" },
        "video": video,
        "preset": predictor.encoder.preset().name(),
        "encoder": identity,
        "encoder_key": identity.key(),
        "encoder_weights": predictor.encoder_source,
        "dynamics": predictor.dynamics_kind,
        "dynamics_sha256": predictor.dynamics_sha256,
        "dynamics_random_seed": predictor.dynamics_seed,
        "network": predictor.network,
    })
}
