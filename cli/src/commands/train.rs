use std::path::Path;
use std::time::Instant;

use mental_pong_base::files::{sha256_hex, write_atomic};
use mental_pong_predictor::device::device;
use mental_pong_predictor::dynamics::Recurrent;
use mental_pong_predictor::encoders::{Encoder, PlayNet, RoomNet};
use mental_pong_predictor::params::Params;
use mental_pong_predictor::playworld::Mix;
use mental_pong_predictor::training::{
    DynamicsTraining, EncoderTraining, Foresight, Horizon, LogRow, RolloutTraining, TowersTraining,
    probe, train_dynamics, train_encoder, train_rollouts, train_towers,
};
use mental_pong_predictor::weights::{bundled, load_encoder, load_roomnet, network_bytes};
use mental_pong_study::report::{LossPoint, loss_figure};
use serde::Serialize;

use super::memory::{available, refuse_above, shown};
use super::output;
use crate::Done;
use crate::args::{DeviceName, EncoderRecipe, Recipe, TrainDynamicsArgs, TrainEncoderArgs};
use crate::config::load;
use crate::failure::Failure;
use crate::progress::Progress;

const ENCODER: &str = include_str!("../../../data/configs/encoder.toml");
const CTRNN: &str = include_str!("../../../data/configs/ctrnn.toml");
const LSTM: &str = include_str!("../../../data/configs/lstm.toml");

pub(super) const ROOMNET: &str = include_str!("../../../data/configs/roomnet.toml");
const ROOM_GRU: &str = include_str!("../../../data/configs/room-gru.toml");
const ROOM_CTRNN: &str = include_str!("../../../data/configs/room-ctrnn.toml");
const ROOM_LSTM: &str = include_str!("../../../data/configs/room-lstm.toml");

/// Held-out trials that a finished module is judged by, and their seed: none that anything was trained on.
const FORESIGHT_TRIALS: usize = 400;
const FORESIGHT_SEED: u64 = 99;

/// Videos of the encoder's probes, and their seed: none that it was trained on.
const PROBE_VIDEOS: usize = 400;
const PROBE_SEED: u64 = 77;

pub(crate) fn encoder(args: &TrainEncoderArgs, progress: &Progress) -> Done {
    if args.recipe == EncoderRecipe::Roomnet {
        return roomnet(args, progress);
    }
    let config: EncoderTraining = load(&bundled_recipe(ENCODER)?, &args.config)?;
    let resumed = begun(&args.out, args.resume)?;
    let start = Instant::now();
    let (params, log) = train_encoder(&config, &args.out, progress)?;
    let wall_s = start.elapsed().as_secs_f64();
    let net = PlayNet::new(config.network.clone(), &params, String::new())?;
    let probes = probes(&net, &Mix::FULL, progress)?;
    let finished = Finished {
        what: "encoder",
        command: "mpong train encoder",
        config: to_toml(&config)?,
        seed: config.seed,
        log: &log,
        wall_s,
        resumed,
        extra: vec![("probes", probes)],
    };
    finished.write(&args.out, &params, &config.network)
}

/// What a linear read-out finds in the latents of held-out playworld.
fn probes(net: &dyn Encoder, mix: &Mix, progress: &Progress) -> Result<String, Failure> {
    let found = probe(net, mix, PROBE_SEED, PROBE_VIDEOS, progress)?;
    let each: Vec<String> = (found.probes.iter())
        .map(|p| format!("{} {:.3} [{:.3}, {:.3}]", p.target, p.r2, p.low, p.high))
        .collect();
    Ok(format!(
        "r2 of linear read-outs on {} held-out playworld videos after fitting on as many others, 95 % intervals over videos: \
         {}; participation ratio {:.1} of {} latents",
        PROBE_VIDEOS / 2,
        each.join(", "),
        found.participation_ratio,
        found.latents
    ))
}

fn roomnet(args: &TrainEncoderArgs, progress: &Progress) -> Done {
    let config: TowersTraining = load(&bundled_recipe(ROOMNET)?, &args.config)?;
    let resumed = begun(&args.out.join("place"), args.resume)?;
    let start = Instant::now();
    let (params, log) = train_towers(&config, &args.out, progress)?;
    let wall_s = start.elapsed().as_secs_f64();
    let net = RoomNet::new(config.network.clone(), &params, String::new())?;
    let finished = Finished {
        what: "roomnet",
        command: "mpong train encoder --recipe roomnet",
        config: to_toml(&config)?,
        seed: config.seed,
        log: &log,
        wall_s,
        resumed,
        extra: vec![("probes", probes(&net, &config.playworld, progress)?)],
    };
    write_log(&args.out, &log)?;
    finished.write(&args.out, &params, &config.network)
}

/// The recipes on roomnet: trained, then judged on held-out playworld.
fn room_dynamics(args: &TrainDynamicsArgs, progress: &Progress) -> Done {
    let (recipe, command) = match args.recipe {
        Recipe::RoomCtrnn => (ROOM_CTRNN, "mpong train dynamics --recipe room-ctrnn"),
        Recipe::RoomLstm => (ROOM_LSTM, "mpong train dynamics --recipe room-lstm"),
        _ => (ROOM_GRU, "mpong train dynamics --recipe room-gru"),
    };
    if args.clips.is_some() || args.device != DeviceName::Cpu {
        return Err(Failure::Usage(
            "--clips, --device: the room recipes make playworld videos and train on the processor alone".into(),
        ));
    }
    let config: RolloutTraining = load(&bundled_recipe(recipe)?, &args.config)?;
    let encoder = match &args.encoder {
        Some(path) => load_roomnet(path)?,
        None => bundled()?.rooms.encoder,
    };
    let resumed = begun(&args.out, args.resume)?;
    let cache = args.cache.clone().unwrap_or_else(|| args.out.join("cache"));
    let start = Instant::now();
    let (params, log) = train_rollouts(&config, &encoder.model, &args.out, &cache, progress)?;
    let wall_s = start.elapsed().as_secs_f64();
    let module = Recurrent::new(config.network.clone(), &params)?;
    let (mix, seed) = (&config.playworld, FORESIGHT_SEED);
    let judge = Foresight::new(&encoder.model, mix, seed, FORESIGHT_TRIALS, progress)?;
    let mut rows = judge.of_dynamics("trained", &module)?;
    rows.extend(judge.of_nulls()?);
    write_foresight(&args.out, &rows)?;
    let finished = Finished {
        what: "room dynamics",
        command,
        config: to_toml(&config)?,
        seed: config.seed,
        log: &log,
        wall_s,
        resumed,
        extra: vec![
            ("encoder_sha256", encoder.sha256),
            ("foresight", foresight_text(&rows)),
        ],
    };
    finished.write(&args.out, &params, &config.network)
}

/// Mean absolute errors of the trained module in short.
fn foresight_text(rows: &[Horizon]) -> String {
    let of = |bounces: usize| {
        let errors: Vec<String> = (rows.iter())
            .filter(|row| row.model == "trained" && row.bounces == bounces)
            .map(|row| format!("{:.2}", row.mae_deg))
            .collect();
        errors.join(" / ")
    };
    format!(
        "decoded place on {FORESIGHT_TRIALS} held-out playworld trials, mean absolute error in degrees .25 / .5 / 1 / 1.5 s ahead: \
         {} without a bounce, {} with one, {} with more",
        of(0),
        of(1),
        of(2)
    )
}

fn write_foresight(folder: &Path, rows: &[Horizon]) -> Done {
    write_atomic(folder.join("foresight.csv"), |out| {
        writeln!(out, "model,ahead_frames,bounces,n,mae_deg,rmse_deg")?;
        for row in rows {
            let Horizon {
                model,
                ahead,
                bounces,
                n,
                mae_deg,
                rmse_deg,
            } = row;
            writeln!(out, "{model},{ahead},{bounces},{n},{mae_deg},{rmse_deg}")?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The log of both towers.
fn write_log(folder: &Path, log: &[LogRow]) -> Done {
    write_atomic(folder.join("log.csv"), |out| {
        writeln!(out, "step,rate,loss,validation")?;
        for row in log {
            let validation = row.validation.map_or(String::new(), |v| v.to_string());
            writeln!(out, "{},{},{},{validation}", row.step, row.rate, row.loss)?;
        }
        Ok(())
    })?;
    Ok(())
}

pub(crate) fn dynamics(args: &TrainDynamicsArgs, progress: &Progress) -> Done {
    let recipe = match args.recipe {
        Recipe::Ctrnn => CTRNN,
        Recipe::Lstm => LSTM,
        Recipe::RoomGru | Recipe::RoomCtrnn | Recipe::RoomLstm => {
            return room_dynamics(args, progress);
        }
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
    let resumed = begun(&args.out, args.resume)?;
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
        resumed,
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

/// Whether there is a checkpoint to go on from; of other settings it is refused by whoever reads it.
pub(super) fn begun(folder: &Path, resume: bool) -> Result<bool, Failure> {
    let checkpoint = folder.join("checkpoint.safetensors");
    match checkpoint.exists() {
        false if resume => Err(Failure::Usage(format!(
            "--resume: there is no {}",
            checkpoint.display()
        ))),
        there => Ok(there),
    }
}

pub(super) fn bundled_recipe<C: serde::de::DeserializeOwned>(text: &str) -> Result<C, Failure> {
    toml::from_str(text).map_err(|e| Failure::Internal(format!("bundled recipe: {e}")))
}

pub(super) fn to_toml(config: &impl Serialize) -> Result<String, Failure> {
    toml::to_string(config).map_err(|e| Failure::Internal(e.to_string()))
}
