use mental_pong_base::files::write_atomic;
use mental_pong_predictor::encoders::PublishedEncoder;
use mental_pong_predictor::weights::catalogue::{Checksum, PUBLISHED};
use mental_pong_predictor::weights::load::{
    LoadedDynamics, LoadedEncoder, Network, any_from, convert_any,
};
use serde_json::{Value, json};

use super::memory::shown;
use super::{output, output_json};
use crate::Done;
use crate::args::{WeightsCheckArgs, WeightsConvertArgs, WeightsListArgs};
use crate::failure::Failure;

pub(crate) fn list(args: &WeightsListArgs) -> Done {
    if args.json {
        let rows: Result<Vec<Value>, Failure> = PUBLISHED
            .iter()
            .map(|p| {
                let network = PublishedEncoder::named(p.encoder)?;
                let (sha256, prefix) = match p.checksum {
                    Checksum::Sha256(digits) => (digits, None),
                    Checksum::Sha256Prefix(digits) => ("unknown", Some(digits)),
                    Checksum::Unknown => ("unknown", None),
                };
                Ok(json!({
                    "name": p.name,
                    "encoder": p.encoder,
                    "dynamics": p.dynamics,
                    "file": p.file,
                    "url": p.url(),
                    "about_bytes": p.about_bytes,
                    "licence": p.licence,
                    "sha256": sha256,
                    "sha256_prefix": prefix,
                    "citation": p.citation,
                    "tensors": network.shapes().len(),
                    "values": network.values(),
                }))
            })
            .collect();
        return output_json(&rows?);
    }
    output(|out| {
        writeln!(out, "name,size,licence,sha256,citation,url")?;
        for p in &PUBLISHED {
            let size = p.about_bytes.map_or("unknown".into(), shown);
            let sha256 = match p.checksum {
                Checksum::Sha256(digits) => digits.to_string(),
                Checksum::Sha256Prefix(digits) => format!("{digits}..."),
                Checksum::Unknown => "unknown".into(),
            };
            let (name, licence, cite) = (p.name, p.licence, p.citation);
            writeln!(
                out,
                "{name},{size},{licence},{sha256},\"{cite}\",{}",
                p.url()
            )?;
        }
        Ok(())
    })
}

pub(crate) fn convert(args: &WeightsConvertArgs) -> Done {
    if let Some(name) = &args.example {
        return output_json(&PublishedEncoder::named(name)?);
    }
    let network = match &args.encoder {
        Some(name) => Some(PublishedEncoder::named(name)?),
        None => None,
    };
    let (Some(file), Some(out)) = (&args.file, &args.out) else {
        return Err(Failure::Usage("expected a FILE and --out FILE".into()));
    };
    let (key, prefix) = (args.key.as_deref(), args.prefix.as_deref());
    let (converted, bytes) = convert_any(file, network.as_ref(), key, prefix)?;
    write_atomic(out, |out| out.write_all(&bytes)).map_err(mental_pong_predictor::Error::from)?;
    let tensors: usize = converted
        .parts
        .iter()
        .map(std::collections::BTreeMap::len)
        .sum();
    output(|write| {
        writeln!(write, "{}: {tensors} tensors", out.display())?;
        for name in &converted.dropped {
            writeln!(write, "left out: {name}")?;
        }
        Ok(())
    })
}

pub(crate) fn check(args: &WeightsCheckArgs) -> Done {
    let network = match &args.encoder {
        Some(name) => Some(PublishedEncoder::named(name)?),
        None => None,
    };
    let found = any_from(&args.file, network.as_ref())?;
    let encoder = |e: &LoadedEncoder| {
        json!({
            "name": e.model.identity().name,
            "latents": e.model.latent_dim(),
            "preprocessing": e.model.identity().preprocessing,
            "values": e.network.published().map(PublishedEncoder::values),
            "source": e.source,
        })
    };
    let dynamics = |d: &LoadedDynamics| json!({ "kind": d.kind, "latents": d.model.latent_dim(), "source": d.source });
    let (text, value) = match &found {
        Network::Encoder(e) => (
            format!("encoder {}", e.model.identity().name),
            json!({ "encoder": encoder(e) }),
        ),
        Network::Dynamics(d) => (
            format!("dynamics {} of {} latents", d.kind, d.model.latent_dim()),
            json!({ "dynamics": dynamics(d) }),
        ),
        Network::Combined(e, d) => (
            format!(
                "encoder {} and dynamics {}",
                e.model.identity().name,
                d.kind
            ),
            json!({ "encoder": encoder(e), "dynamics": dynamics(d) }),
        ),
    };
    if args.json {
        return output_json(&value);
    }
    output(|out| {
        writeln!(
            out,
            "{}: {text}, every tensor as it should be",
            args.file.display()
        )
    })
}
