//! `mpong probe`: what an encoder's latents hold, on held-out playworld.

use mental_pong_base::Stream;
use mental_pong_predictor::encoders::{Encoder, PixelEncoder, PlayNet, PublishedEncoder, RoomNet};
use mental_pong_predictor::training::{ProbeReport, TowersTraining, probe};
use mental_pong_predictor::weights::{OwnEncoder, bundled, load_own_encoder};
use serde::Serialize;

use super::output;
use super::train::{ROOMNET, bundled_recipe};
use super::train_published::published_encoder;
use crate::Done;
use crate::args::ProbeArgs;
use crate::failure::Failure;
use crate::progress::Progress;

/// Seed of the untrained twin's weights.
const TWIN_SEED: u64 = 7;

#[derive(Serialize)]
struct Row<'a> {
    encoder: &'a str,
    weights_sha256: &'a str,
    #[serde(flatten)]
    report: &'a ProbeReport,
}

pub(crate) fn run(args: &ProbeArgs, progress: &Progress) -> Done {
    let videos = args.videos as usize;
    let recipe: TowersTraining = bundled_recipe(ROOMNET)?;
    let (encoder, twin) = encoders(args)?;
    let mut all: Vec<(String, String, ProbeReport)> = Vec::new();
    let mut look = |label: &str, encoder: &dyn Encoder| -> Done {
        let found = probe(encoder, &recipe.playworld, args.seed, videos, progress)?;
        let identity = encoder.identity();
        all.push((label.into(), identity.weights_sha256.clone(), found));
        Ok(())
    };
    look(&encoder.identity().name, encoder.as_ref())?;
    if let Some(twin) = twin {
        look("untrained twin", twin.as_ref())?;
    }
    if !args.no_pixels {
        look("pixels", &PixelEncoder::default())?;
    }
    if args.json {
        let rows: Vec<Row> = (all.iter())
            .map(|(encoder, weights_sha256, report)| Row {
                encoder,
                weights_sha256,
                report,
            })
            .collect();
        let text =
            serde_json::to_string_pretty(&rows).map_err(|e| Failure::Internal(e.to_string()))?;
        return output(|out| writeln!(out, "{text}"));
    }
    output(|out| {
        writeln!(
            out,
            "r2 of linear read-outs on {} held-out playworld videos [95 % interval over videos]\n",
            videos - videos / 2
        )?;
        writeln!(
            out,
            "| encoder | latents | participation ratio | place | velocity | size | bodies | walls | occluders |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
        for (name, _, report) in &all {
            write!(
                out,
                "| {name} | {} | {:.1} |",
                report.latents, report.participation_ratio
            )?;
            for p in &report.probes {
                write!(out, " {:.2} [{:.2}, {:.2}] |", p.r2, p.low, p.high)?;
            }
            writeln!(out)?;
        }
        Ok(())
    })
}

/// An encoder, and its untrained twin where it has weights.
type WithTwin = (Box<dyn Encoder>, Option<Box<dyn Encoder>>);

/// The encoder asked for, and the same network with weights drawn at random.
fn encoders(args: &ProbeArgs) -> Result<WithTwin, Failure> {
    let mut rng = Stream::new(TWIN_SEED, "untrained twin", 0);
    if let Some(path) = &args.encoder {
        return Ok(match load_own_encoder(path)?.model {
            OwnEncoder::Play(net) => with_playnet_twin(net, &mut rng)?,
            OwnEncoder::Room(net) => with_roomnet_twin(net, &mut rng)?,
        });
    }
    match args.model.as_deref() {
        None | Some("playnet") => with_playnet_twin(bundled()?.encoder.model, &mut rng),
        Some("roomnet") => with_roomnet_twin(bundled()?.rooms.encoder.model, &mut rng),
        Some(name) => {
            let weights = args.weights.as_deref();
            let encoder = published_encoder(name, weights, args.random_weights)?;
            let twin = PublishedEncoder::named(name)?.random(TWIN_SEED)?;
            Ok((encoder, Some(twin)))
        }
    }
}

fn with_playnet_twin(net: PlayNet, rng: &mut Stream) -> Result<WithTwin, Failure> {
    let params = PlayNet::init(net.config(), rng)?;
    let twin = PlayNet::new(net.config().clone(), &params, "untrained".into())?;
    Ok((Box::new(net), Some(Box::new(twin))))
}

fn with_roomnet_twin(net: RoomNet, rng: &mut Stream) -> Result<WithTwin, Failure> {
    let params = RoomNet::init(net.config(), rng)?;
    let twin = RoomNet::new(net.config().clone(), &params, "untrained".into())?;
    Ok((Box::new(net), Some(Box::new(twin))))
}
