use mental_pong_game::files::write_atomic;
use mental_pong_predictor::encoders::{Encoder, PublishedEncoder};
use mental_pong_predictor::weights::convert::{Checkpoint, load_published};
use mental_pong_predictor::weights::{load_dynamics, load_encoder};

use super::output;
use crate::Done;
use crate::args::{WeightsCheckArgs, WeightsConvertArgs};
use crate::failure::Failure;

pub(crate) fn list() -> Done {
    output(|out| {
        writeln!(out, "name,tensors,values")?;
        for name in PublishedEncoder::NAMES {
            let Ok(encoder) = PublishedEncoder::named(name) else {
                continue;
            };
            let shapes = encoder.shapes();
            let values: usize = shapes
                .iter()
                .map(|(_, s)| s.iter().product::<usize>())
                .sum();
            writeln!(out, "{name},{},{values}", shapes.len())?;
        }
        Ok(())
    })
}

pub(crate) fn convert(args: &WeightsConvertArgs) -> Done {
    let encoder = PublishedEncoder::named(&args.encoder)?;
    let part = match &args.prefix {
        Some(prefix) => encoder.part_at(prefix),
        None => encoder.part(),
    };
    let checkpoint = match &args.key {
        Some(key) => Checkpoint::open_key(&args.file, key)?,
        None => Checkpoint::open(&args.file)?,
    };
    let converted = checkpoint.convert(&[part])?;
    let bytes = converted.to_bytes(0, &encoder)?;
    write_atomic(&args.out, |out| out.write_all(&bytes))?;
    output(|out| {
        writeln!(
            out,
            "{}: {} tensors",
            args.out.display(),
            converted.parts[0].len()
        )?;
        for name in &converted.dropped {
            writeln!(out, "left out: {name}")?;
        }
        Ok(())
    })
}

pub(crate) fn check(args: &WeightsCheckArgs) -> Done {
    // A file is one of three kinds; the error of the last one read says what is wrong with it.
    let found = match load_encoder(&args.file) {
        Ok(loaded) => format!("encoder {}", loaded.model.identity().name),
        Err(_) => match load_dynamics(&args.file) {
            Ok(loaded) => format!("dynamics {:?}", loaded.model.config().cell).to_lowercase(),
            Err(_) => {
                let loaded = load_published(&args.file).map_err(Failure::from)?;
                format!("encoder {}", loaded.model.identity().name)
            }
        },
    };
    output(|out| {
        writeln!(
            out,
            "{}: {found}, every tensor as it should be",
            args.file.display()
        )
    })
}
