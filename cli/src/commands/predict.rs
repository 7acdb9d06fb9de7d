use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use mental_pong_base::Monitor;
use mental_pong_base::files::create_folder;
use mental_pong_game::frames::Preset;
use mental_pong_game::task::{ConditionSet, Law};
use mental_pong_predictor::Predictor;
use mental_pong_predictor::device::device;
use mental_pong_predictor::dynamics::Rollout;
use mental_pong_predictor::latents::{
    Cache, Clock, ContextRule, Estimate, Format, LatentsWriter, Layers, OfSet, Protocol, Shown,
    Video,
};
use mental_pong_predictor::predictor::{Choices, PredictorSpec};
use serde_json::{Value, json};

use super::memory::{available, held, parse_bytes, refuse_above, shown};
use super::output;
use crate::Done;
use crate::args::{LayerName, PredictArgs, VideoName};
use crate::failure::Failure;
use crate::progress::Progress;

/// Folder that `mpong weights fetch` writes to.
pub(super) const WEIGHTS_FOLDER: &str = "weights";
/// Memory of the program itself with the bundled networks, bytes.
const PROGRAM_BYTES: u64 = 32_000_000;

fn usage<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Usage(text.into()))
}

pub(crate) fn predict(args: &PredictArgs, progress: &Progress) -> Done {
    let format = match args.format {
        Some(format) => format.into(),
        None => Format::of(&args.out)?,
    };
    let context = context(&args.context)?;
    let limit = match &args.max_memory {
        Some(text) => Some(parse_bytes("--max-memory", text)?),
        None => available(),
    };
    let set = ConditionSet::chosen(args.conditions.as_deref(), &args.ids)?;
    let spec = PredictorSpec::choose(&args.model, &choices(args))?;
    // Before the weights are read: they are most of it.
    refuse_above(
        limit,
        spec.loading_bytes(),
        &format!("loading {}", args.model),
    )?;
    if let Some(long) = spec.long_work() {
        progress.note(&long);
    }
    let on = device(args.device.name())?;
    let predictor = spec.load(&on, progress)?;
    let protocol = protocol(args, &predictor, context);
    let predictor = predictor.with_protocol(protocol)?;
    let layers = layers(args, &predictor)?;
    progress.stage("counting frames", set.len() as u64);
    let estimate = predictor.estimate(&set, layers, progress)?;
    survey(&estimate, &spec, set.len(), limit, progress)?;
    if let Some(folder) = &args.show_input {
        show_input(folder, &predictor, &set)?;
    }
    let cache = match &args.cache {
        Some(folder) => Cache::in_folder(folder)?,
        None => Cache::none(),
    };
    run(args, format, &predictor, &set, layers, &cache, progress)?;
    progress.finish();
    output(|out| {
        writeln!(
            out,
            "{}: {} conditions of {}, {} latents",
            args.out.display(),
            set.len(),
            set.name(),
            predictor.encoder().latent_dim()
        )
    })
}

/// Predicts what an earlier run of the same work has not, and writes the file.
fn run(
    args: &PredictArgs,
    format: Format,
    predictor: &Predictor,
    set: &ConditionSet,
    layers: Layers,
    cache: &Cache,
    progress: &Progress,
) -> Done {
    let about = about(args, predictor);
    let of = OfSet {
        identity: set.identity(),
        rate_hz: match predictor.protocol().clock {
            Clock::Design => Law::Design.hz(),
            _ => set
                .conditions()
                .first()
                .map_or(0.0, mental_pong_game::task::SetCondition::rate_hz),
        },
    };
    let work = json!({"about": about, "set": of, "conditions": set.ids()});
    let infos = predictor.layers(layers);
    let mut writer = LatentsWriter::new(&args.out, format, &infos, &work)?;
    let done = writer.done().count();
    if done > 0 {
        progress.note(&format!(
            "{done} of {} conditions are there already",
            set.len()
        ));
    }
    progress.stage("predicting", set.len() as u64);
    progress.advance(done as u64);
    let timed = Timed::new(progress, (set.len() - done) as u64);
    let mut take = |condition| writer.push(&condition);
    predictor.each(set, done, layers, cache, &timed, &mut take)?;
    Ok(writer.finish(&of, &about)?)
}

fn choices(args: &PredictArgs) -> Choices {
    Choices {
        weights: args.weights.clone(),
        encoder: args.encoder.clone(),
        dynamics: args.dynamics.clone(),
        dynamics_weights: args.dynamics_weights.clone(),
        random_weights: args.random_weights,
        hidden: args.hidden,
        rollout: args.rollout.map(Rollout::from),
    }
}

fn protocol(args: &PredictArgs, predictor: &Predictor, context: ContextRule) -> Protocol {
    Protocol {
        clock: args.frames.map_or(predictor.protocol().clock, Clock::from),
        shown: match args.video {
            VideoName::Occluded => Shown::Occluded,
            VideoName::Visible => Shown::Visible,
        },
        context,
        subsample: args.subsample,
    }
}

pub(super) fn context(text: &str) -> Result<ContextRule, Failure> {
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
    match args.layer {
        LayerName::Dynamics if !predictor.has_dynamics() => {
            usage("--layer dynamics: this predictor has none; see --dynamics")
        }
        LayerName::Dynamics => Ok(Layers::DYNAMICS),
        LayerName::Encoder => Ok(Layers::ENCODER),
        LayerName::Both => Ok(Layers::BOTH),
    }
}

/// Says what is to be done, and refuses what cannot fit.
fn survey(
    estimate: &Estimate,
    spec: &PredictorSpec,
    conditions: usize,
    limit: Option<u64>,
    progress: &Progress,
) -> Done {
    let cut = estimate.cut;
    if cut.frames > 0 {
        progress.warn(&format!(
            "warning: the crop of {} cuts off a part of the ball in {} of {} frames with the ball in view, in {} of {conditions} conditions (--show-input DIR shows what is seen)",
            spec.name(), cut.frames, cut.of_frames, cut.conditions,
        ));
    }
    let memory = match held() {
        Some((now, most)) => most.max(now + estimate.memory_bytes),
        None => PROGRAM_BYTES + spec.loading_bytes() + estimate.memory_bytes,
    };
    progress.note(&format!(
        "{conditions} conditions, {} frames, {} to encode; latents of {}; about {} of memory",
        estimate.frames,
        estimate.encoded,
        shown(estimate.latents_bytes),
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

fn show_input(folder: &Path, predictor: &Predictor, set: &ConditionSet) -> Done {
    let (encoder, protocol) = (predictor.encoder(), predictor.protocol());
    if encoder.preset() == Preset::Rnn100 {
        return usage(format!(
            "--show-input: {} sees the frames of `mpong stimuli --preset rnn100`",
            predictor.name()
        ));
    }
    create_folder(folder).map_err(mental_pong_predictor::Error::from)?;
    for condition in set.conditions() {
        let video = Video::of(condition, protocol.shown, protocol.clock)?;
        let last = video.frames.len().saturating_sub(1);
        let hidden = video.timeline.occ_frame_start.min(last);
        for (name, at) in [("first", 0), ("occlusion", hidden), ("last", last)] {
            let mut picture = video.picture(&video.frames[at])?;
            if let Some(preprocess) = encoder.preprocess() {
                picture = preprocess.picture(&picture)?;
            }
            picture.write_png(&folder.join(format!("{}_{name}.png", condition.id())))?;
        }
    }
    Ok(())
}

fn about(args: &PredictArgs, predictor: &Predictor) -> Value {
    let mut about = predictor.about();
    let notes = json!({
        "program": format!("mpong {}", env!("CARGO_PKG_VERSION")),
        "device": args.device.name(),
        "rollout": args.rollout.map(Rollout::from),
        "context_note": match predictor.protocol().context {
            ContextRule::Fixed(_) => "fixed_n_past as published: the context's last frame is the first with the ball hidden",
            ContextRule::VisFrameEnd => "vis_frame_end is read as the last frame with all of the ball in view",
            _ => "",
        },
    });
    if let (Value::Object(about), Value::Object(notes)) = (&mut about, notes) {
        about.extend(notes);
    }
    about
}
