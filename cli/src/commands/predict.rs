use mental_pong_game::Monitor;
use mental_pong_predictor::dynamics::{Dynamics, Identity};
use mental_pong_predictor::encoders::Encoder;
use mental_pong_predictor::latents::{
    Cache, Context, Shown, TrialLatents, forecast, observe, write_npz,
};
use mental_pong_predictor::weights::{bundled, load_dynamics, load_encoder};
use serde_json::json;

use super::{chosen, output};
use crate::Done;
use crate::args::{Model, PredictArgs};
use crate::failure::Failure;
use crate::progress::Progress;

pub(crate) fn predict(args: &PredictArgs, progress: &Progress) -> Done {
    if args.out.extension().is_none_or(|e| e != "npz") {
        return Err(Failure::Usage(format!(
            "--out {}: expected a name that ends in .npz",
            args.out.display()
        )));
    }
    let context = match args.context.as_str() {
        "visible" => Context::Visible,
        text => match text.parse() {
            Ok(n) if n > 0 => Context::Last(n),
            _ => {
                return Err(Failure::Usage(format!(
                    "--context {text}: expected `visible` or a number of steps, at least 1"
                )));
            }
        },
    };
    let shown = match (args.video.as_str(), args.model) {
        ("occluded", _) => Shown::Occluded,
        ("visible", Model::Encoder) => Shown::Visible,
        ("visible", _) => {
            return Err(Failure::Usage(
                "--video visible: only --model encoder takes it; a forecast starts where the ball is hidden".into(),
            ));
        }
        (other, _) => {
            return Err(Failure::Usage(format!(
                "--video {other}: expected occluded or visible"
            )));
        }
    };
    if args.weights.is_some() && !matches!(args.model, Model::Ctrnn | Model::Lstm) {
        return Err(Failure::Usage(
            "--weights: only --model ctrnn and --model lstm have dynamics".into(),
        ));
    }
    let conditions = chosen(args.set, &args.ids)?;
    let bundle = bundled()?;
    let encoder = match &args.encoder {
        Some(path) => load_encoder(path)?,
        None => bundle.encoder,
    };
    let mut dynamics_sha256 = None;
    let dynamics: Option<Box<dyn Dynamics>> = match args.model {
        Model::Encoder => None,
        Model::NoDynamics => Some(Box::new(Identity {
            latent: encoder.model.latent_dim(),
        })),
        Model::Ctrnn | Model::Lstm => {
            let loaded = match (&args.weights, args.model) {
                (Some(path), _) => load_dynamics(path)?,
                (None, Model::Lstm) => bundle.lstm,
                (None, _) => bundle.ctrnn,
            };
            dynamics_sha256 = Some(loaded.sha256);
            Some(Box::new(loaded.model))
        }
    };
    progress.stage("predicting", conditions.len() as u64);
    let trials: Vec<TrialLatents> = match &dynamics {
        None => observe(&encoder.model, &conditions, shown, &Cache::none(), progress)?,
        Some(dynamics) => forecast(
            &encoder.model,
            dynamics.as_ref(),
            &conditions,
            context,
            &Cache::none(),
            progress,
        )?,
    };
    let about = json!({
        "arrays": {
            "id": "[condition] id in the generator's table",
            "n_steps": "[condition] steps of the condition; the rest of the arrays below is padding",
            "latents": "[condition, step, latent] f32, standardised on playworld; NaN is padding",
            "frame": "[condition, step] display frame at 60 Hz, 0 the ball at rest; -1 is padding",
            "time_ms": "[condition, step] ms on the recordings' axis, motion onset at 300; NaN is padding",
            "bin": "[condition, step] bin of 50 ms; -1 is padding",
            "status": "[condition, step] 0 context, 1 visible, 2 hidden; 255 is padding",
        },
        "program": format!("mpong {}", env!("CARGO_PKG_VERSION")),
        "model": format!("{:?}", args.model).to_lowercase(),
        "context": args.context,
        "law": "display",
        "video": args.video,
        "encoder": encoder.model.identity(),
        "dynamics_sha256": dynamics_sha256,
    });
    write_npz(&args.out, &trials, &about)?;
    progress.finish();
    output(|out| {
        writeln!(
            out,
            "{}: {} conditions, {} latents",
            args.out.display(),
            trials.len(),
            encoder.model.latent_dim()
        )
    })
}
