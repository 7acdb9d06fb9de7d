//! The published training of dynamics, on clips of anybody's.

use std::path::Path;
use std::time::Instant;

use mental_pong_base::files::{sha256_file, write_atomic};
use mental_pong_predictor::encoders::{Encoder, PublishedEncoder};
use mental_pong_predictor::latents::Cache;
use mental_pong_predictor::playworld::Mix;
use mental_pong_predictor::training::clips::{self, Clips, PlayworldClips, Tools};
use mental_pong_predictor::training::{
    PublishedRun, PublishedSources, PublishedTraining, train_published,
};
use mental_pong_predictor::weights::load::{encoder_from, network_beside, random_encoder};
use mental_pong_predictor::weights::{bundled, catalogue, load_own_encoder};

use super::memory::{available, parse_bytes};
use super::output;
use super::predict::WEIGHTS_FOLDER;
use super::train::{begun, bundled_recipe, to_toml, write_figure};
use crate::Done;
use crate::args::{Recipe, TrainDynamicsArgs};
use crate::config::load;
use crate::failure::Failure;
use crate::progress::Progress;

const CTRNN: &str = include_str!("../../../data/configs/published-ctrnn.toml");
const LSTM: &str = include_str!("../../../data/configs/published-lstm.toml");

pub(super) fn train(args: &TrainDynamicsArgs, progress: &Progress) -> Done {
    let (recipe, command) = match args.recipe {
        Recipe::PublishedLstm => (LSTM, "mpong train dynamics --recipe published-lstm"),
        _ => (CTRNN, "mpong train dynamics --recipe published-ctrnn"),
    };
    let config: PublishedTraining = load(&bundled_recipe(recipe)?, &args.config)?;
    let Some(training) = &args.clips else {
        return Err(Failure::Usage(
            "--recipe published-…: needs --clips DIR (folders of frames, videos, Physion's HDF5, a stimulus set) or --clips playworld:N"
                .into(),
        ));
    };
    let max_bytes = match &args.max_memory {
        Some(text) => Some(parse_bytes("--max-memory", text)?),
        None => available(),
    };
    let cache_bytes = parse_bytes("--cache-bytes", &args.cache_bytes)?;
    let resumed = begun(&args.out, args.resume)?;
    let tools = Tools {
        ffmpeg: args.ffmpeg.clone().or_else(clips::ffmpeg_on_path),
    };
    let training = open(training, "--clips", "published clips", &config, &tools)?;
    let validation = match &args.validation {
        Some(text) => Some(open(
            text,
            "--validation",
            "published validation clips",
            &config,
            &tools,
        )?),
        None => None,
    };
    let encoder = encoder(args)?;
    let cache = Cache::bounded(
        args.cache.as_deref().unwrap_or(&args.out.join("cache")),
        cache_bytes,
    )?;
    progress.note(&format!(
        "training on {}: {} clips{}; encoder {}",
        training.describe(),
        training.len(),
        validation.as_ref().map_or(String::new(), |v| format!(
            ", validation on {}",
            v.describe()
        )),
        encoder.identity().name
    ));
    let start = Instant::now();
    let run = train_published(
        &config,
        &PublishedSources {
            training: training.as_ref(),
            validation: validation.as_deref(),
            encoder: encoder.as_ref(),
            cache: &cache,
            max_bytes,
            notes: &[("command", command.to_string())],
        },
        &args.out,
        progress,
    )?;
    progress.finish();
    if run.short_clips > 0 {
        progress.warn(&format!(
            "warning: {} clips have fewer than {} frames and were left out",
            run.short_clips,
            config.seq_len * config.subsample
        ));
    }
    if run.epochs < config.epochs {
        progress.note(&format!(
            "ended after {} of {} epochs: none of the last {} was better",
            run.epochs, config.epochs, config.patience
        ));
    }
    write_figure(&args.out, "dynamics", &run.log)?;
    let wall_s = start.elapsed().as_secs_f64();
    let card = card(
        resumed,
        command,
        &config,
        &run,
        encoder.as_ref(),
        training.as_ref(),
        wall_s,
    )?;
    write_atomic(args.out.join("card.md"), |out| {
        out.write_all(card.as_bytes())
    })?;
    let weights = run.best_file.as_ref().unwrap_or(&run.last);
    output(|out| writeln!(out, "{}", weights.display()))
}

/// What `--clips` or `--validation` names.
fn open(
    text: &str,
    flag: &str,
    purpose: &'static str,
    config: &PublishedTraining,
    tools: &Tools,
) -> Result<Box<dyn Clips>, Failure> {
    let Some(count) = text.strip_prefix("playworld:") else {
        return Ok(clips::open(Path::new(text), tools)?);
    };
    let videos = match count.parse::<usize>() {
        Ok(n @ 1..=10_000_000) => n,
        _ => {
            return Err(Failure::Usage(format!(
                "{flag} {text}: expected playworld:N, N from 1 to 10000000"
            )));
        }
    };
    Ok(Box::new(PlayworldClips {
        seed: config.seed,
        purpose,
        videos,
        // A sixth more than a window needs, so that first frames differ.
        n_frames: (config.seq_len * config.subsample).saturating_mul(7) / 6,
        mix: Mix::FULL,
    }))
}

fn encoder(args: &TrainDynamicsArgs) -> Result<Box<dyn Encoder>, Failure> {
    let Some(name) = &args.model else {
        return Ok(match &args.encoder {
            Some(path) => load_own_encoder(path)?.model.boxed(),
            None => Box::new(bundled()?.encoder.model),
        });
    };
    published_encoder(name, args.weights.as_deref(), args.random_weights)
}

/// A published encoder by name: weights of a file, of the folder of weights, or drawn at random.
pub(super) fn published_encoder(
    name: &str,
    weights: Option<&Path>,
    random_weights: Option<u64>,
) -> Result<Box<dyn Encoder>, Failure> {
    let network = PublishedEncoder::named(name)?;
    if let Some(seed) = random_weights {
        return Ok(random_encoder(&network, seed)?.model);
    }
    let in_folder = || {
        catalogue::find(name)
            .map(|known| Path::new(WEIGHTS_FOLDER).join(known.file))
            .filter(|file| file.exists())
    };
    let Some(file) = weights.map(Path::to_path_buf).or_else(in_folder) else {
        return Err(Failure::Usage(format!(
            "{name}: needs --weights FILE (to get one: mpong weights fetch {name}) or --random-weights SEED"
        )));
    };
    let network = network_beside(&file)?.unwrap_or(network);
    Ok(encoder_from(&file, &network)?.model)
}

fn card(
    resumed: bool,
    command: &str,
    config: &PublishedTraining,
    run: &PublishedRun,
    encoder: &dyn Encoder,
    clips: &dyn Clips,
    wall_s: f64,
) -> Result<String, Failure> {
    let last = run.log.last();
    let best = run.best.map_or("no validation clips".into(), |best| {
        format!("{:.6} at epoch {}", best.validation, best.epoch)
    });
    let part = if resumed { ", of the resumed part" } else { "" };
    let mut rows = vec![
        ("command", format!("`{command}`")),
        ("seed", config.seed.to_string()),
        (
            "clips",
            format!(
                "{}: {} trained on, {} held out, {} too short",
                clips.describe(),
                run.training_clips,
                run.validation_clips,
                run.short_clips
            ),
        ),
        (
            "sha256 of names, lengths and first latents",
            run.clips_sha256.clone(),
        ),
        ("encoder", encoder.identity().name.clone()),
        ("encoder sha256", encoder.identity().weights_sha256.clone()),
        ("epochs", run.epochs.to_string()),
        ("steps", last.map_or(0, |row| row.step).to_string()),
        (
            "last training loss",
            last.map_or(f64::NAN, |row| row.loss).to_string(),
        ),
        ("best validation loss", best),
        (
            "wall time",
            format!(
                "{wall_s:.0} s on {} threads{part}",
                rayon::current_num_threads()
            ),
        ),
        ("sha256 of last.safetensors", sha256_file(&run.last)?),
    ];
    if let Some(file) = &run.best_file {
        rows.push(("sha256 of best.safetensors", sha256_file(file)?));
    }
    let mut card = String::from("# dynamics, published recipe\n\n| | |\n|---|---|\n");
    for (name, value) in rows {
        card.push_str(&format!("| {name} | {value} |\n"));
    }
    card.push_str(&format!(
        "\n## Configuration\n\n```toml\n{}```\n",
        to_toml(config)?
    ));
    Ok(card)
}
