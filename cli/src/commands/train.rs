use std::path::Path;
use std::time::Instant;

use mental_pong_base::files::{sha256_hex, write_atomic};
use mental_pong_predictor::device::device;
use mental_pong_predictor::encoders::PlayNet;
use mental_pong_predictor::params::Params;
use mental_pong_predictor::training::{
    DynamicsTraining, EncoderTraining, LogRow, probe, train_dynamics, train_encoder,
};
use mental_pong_predictor::weights::{bundled, load_encoder, network_bytes};
use mental_pong_study::report::{LossPoint, loss_figure};
use serde::Serialize;

use super::memory::{available, refuse_above, shown};
use super::output;
use crate::Done;
use crate::args::{DeviceName, Recipe, TrainDynamicsArgs, TrainEncoderArgs};
use crate::config::load;
use crate::failure::Failure;
use crate::progress::Progress;

const ENCODER: &str = include_str!("../../../data/configs/encoder.toml");
const CTRNN: &str = include_str!("../../../data/configs/ctrnn.toml");
const LSTM: &str = include_str!("../../../data/configs/lstm.toml");

/// Videos of the encoder's probes, and their seed: none that it was trained on.
const PROBE_VIDEOS: usize = 400;
const PROBE_SEED: u64 = 77;

pub(crate) fn encoder(args: &TrainEncoderArgs, progress: &Progress) -> Done {
    let config: EncoderTraining = load(&bundled_recipe(ENCODER)?, &args.config)?;
    fresh(&args.out, args.resume)?;
    let start = Instant::now();
    let (params, log) = train_encoder(&config, &args.out, progress)?;
    let wall_s = start.elapsed().as_secs_f64();
    let net = PlayNet::new(config.network.clone(), &params, String::new())?;
    let found = probe(&net, PROBE_SEED, PROBE_VIDEOS)?;
    let probes = format!(
        "linear read-out on {} held-out playworld videos after fitting on {} others: place r2 x {:.3}, y {:.3} (error {:.2} \
         tenths of the view); velocity over 250 ms r2 x {:.3}, y {:.3}",
        found.test_videos,
        found.train_videos,
        found.r2_x,
        found.r2_y,
        found.rmse_place,
        found.r2_vx,
        found.r2_vy
    );
    let finished = Finished {
        what: "encoder",
        command: "mpong train encoder",
        config: to_toml(&config)?,
        seed: config.seed,
        log: &log,
        wall_s,
        resumed: args.resume,
        extra: vec![("probes", probes)],
    };
    finished.write(&args.out, &params, &config.network)
}

pub(crate) fn dynamics(args: &TrainDynamicsArgs, progress: &Progress) -> Done {
    let recipe = match args.recipe {
        Recipe::Ctrnn => CTRNN,
        Recipe::Lstm => LSTM,
        Recipe::PublishedCtrnn | Recipe::PublishedLstm => {
            if args.device != DeviceName::Cpu {
                return Err(Failure::Usage(
                    "--device: the published recipes train on the processor alone, by a step of their own; ctrnn and lstm take a card"
                        .into(),
                ));
            }
            return super::train_published::train(args, progress);
        }
    };
    if args.clips.is_some() {
        return Err(Failure::Usage(
            "--clips: only the recipes published-ctrnn and published-lstm train on clips; the others make playworld videos"
                .into(),
        ));
    }
    let config: DynamicsTraining = load(&bundled_recipe(recipe)?, &args.config)?;
    let encoder = match &args.encoder {
        Some(path) => load_encoder(path)?,
        None => bundled()?.encoder,
    };
    let on = device(args.device.name())?;
    let bytes = config.bytes();
    progress.note(&format!(
        "{} videos of {} frames; about {} of memory",
        config.videos + config.validation_videos,
        config.frames,
        shown(bytes)
    ));
    refuse_above(available(), bytes, "the training")?;
    fresh(&args.out, args.resume)?;
    let start = Instant::now();
    let (params, log) = train_dynamics(&config, &encoder.model, &on, &args.out, progress)?;
    let finished = Finished {
        what: "dynamics",
        command: match args.recipe {
            Recipe::Lstm => "mpong train dynamics --recipe lstm",
            _ => "mpong train dynamics --recipe ctrnn",
        },
        config: to_toml(&config)?,
        seed: config.seed,
        log: &log,
        wall_s: start.elapsed().as_secs_f64(),
        resumed: args.resume,
        extra: vec![("encoder_sha256", encoder.sha256)],
    };
    finished.write(&args.out, &params, &config.network)
}

/// What a training run leaves besides its checkpoint.
struct Finished<'a> {
    what: &'static str,
    command: &'static str,
    config: String,
    seed: u64,
    log: &'a [LogRow],
    wall_s: f64,
    resumed: bool,
    extra: Vec<(&'static str, String)>,
}

impl Finished<'_> {
    /// Writes weights, model card and loss figure.
    fn write(&self, folder: &Path, params: &Params, network: &impl Serialize) -> Done {
        let mut notes = vec![
            ("command", self.command),
            ("training", self.config.as_str()),
        ];
        notes.extend(self.extra.iter().map(|(k, v)| (*k, v.as_str())));
        let bytes = network_bytes(params, network, &notes)?;
        let weights = folder.join("weights.safetensors");
        write_atomic(&weights, |out| out.write_all(&bytes))?;
        write_figure(folder, self.what, self.log)?;
        let card = self.card(&sha256_hex(&bytes), bytes.len());
        write_atomic(folder.join("card.md"), |out| out.write_all(card.as_bytes()))?;
        output(|out| writeln!(out, "{}", weights.display()))
    }

    fn card(&self, sha256: &str, size: usize) -> String {
        let last = self.log.last();
        let loss = last.map_or(f64::NAN, |row| row.loss);
        let validation = last
            .and_then(|row| row.validation)
            .map_or("not taken".to_string(), |v| format!("{v:.4}"));
        let wall = format!(
            "{:.0} s on {} threads{}",
            self.wall_s,
            rayon::current_num_threads(),
            if self.resumed {
                ", of the resumed part"
            } else {
                ""
            }
        );
        let mut card = format!(
            "# {}\n\n| | |\n|---|---|\n| command | `{}` |\n| seed | {} |\n| data | playworld: made by the program, no recording, \
             no Mental-Pong trial |\n| wall time | {wall} |\n| last training loss | {loss:.4} |\n| loss on held-out videos | \
             {validation} |\n| size | {size} bytes |\n| sha256 | {sha256} |\n",
            self.what, self.command, self.seed
        );
        for (name, value) in &self.extra {
            card.push_str(&format!("| {name} | {value} |\n"));
        }
        card.push_str(&format!(
            "\n## Configuration\n\n```toml\n{}```\n",
            self.config
        ));
        card
    }
}

/// Draws the loss.
pub(super) fn write_figure(folder: &Path, what: &str, log: &[LogRow]) -> Done {
    let points: Vec<LossPoint> = log
        .iter()
        .map(|row| LossPoint {
            step: row.step,
            loss: row.loss,
            validation: row.validation,
        })
        .collect();
    let figure = loss_figure(what, &points);
    write_atomic(folder.join("loss.svg"), |out| {
        out.write_all(figure.as_bytes())
    })?;
    Ok(())
}

/// Refuses a folder with a checkpoint unless it is to be resumed.
pub(super) fn fresh(folder: &Path, resume: bool) -> Done {
    let checkpoint = folder.join("checkpoint.safetensors");
    match (checkpoint.exists(), resume) {
        (true, false) => Err(Failure::Usage(format!(
            "{} is there already: add --resume to go on from it, or choose another folder",
            checkpoint.display()
        ))),
        (false, true) => Err(Failure::Usage(format!(
            "--resume: there is no {}",
            checkpoint.display()
        ))),
        _ => Ok(()),
    }
}

pub(super) fn bundled_recipe<C: serde::de::DeserializeOwned>(text: &str) -> Result<C, Failure> {
    toml::from_str(text).map_err(|e| Failure::Internal(format!("bundled recipe: {e}")))
}

pub(super) fn to_toml(config: &impl Serialize) -> Result<String, Failure> {
    toml::to_string(config).map_err(|e| Failure::Internal(e.to_string()))
}
