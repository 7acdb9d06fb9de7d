use std::path::{Path, PathBuf};

use mental_pong_base::files::{create_folder, sha256_file};
use mental_pong_eval::recordings::dmfc::Recording;
use mental_pong_eval::recordings::trials::{TrialOptions, Trials};
use mental_pong_game::task::{Set, select};
use mental_pong_predictor::latents::Cache;
use mental_pong_study::card::NamedText;
use mental_pong_study::report::write_texts;
use mental_pong_study::{
    self as study, Analysis, Attributes, Contact, Inputs, Model, SideBySide, Study, StudyConfig,
    read_layers,
};

use super::{output, output_json};
use crate::Done;
use crate::args::EvalArgs;
use crate::config::load;
use crate::failure::Failure;
use crate::progress::Progress;
use mental_pong_base::Monitor as _;

pub(crate) fn eval(args: &EvalArgs, progress: &Progress) -> Done {
    let mut config: StudyConfig = load(&StudyConfig::default(), &args.config)?;
    if !args.analyses.is_empty() {
        config.analyses = args
            .analyses
            .iter()
            .map(|text| text.parse::<Analysis>())
            .collect::<Result<_, _>>()
            .map_err(|e| Failure::Usage(format!("--analyses: {e}")))?;
    }
    // Before the work: a folder that cannot be written is found now, not after minutes.
    create_folder(&args.out)?;
    progress.stage("reading", 0);
    let inputs = read(args)?;
    let cache = Cache::in_folder(&args.out.join("cache"))?;
    let study = study::run(&inputs, &config, &cache, progress)?;
    write_texts(&study.files, &args.out)?;
    progress.finish();
    if args.json {
        output_json(&study.card)?;
    } else {
        summary(&study, &args.out)?;
    }
    let failed: Vec<&str> = study
        .card
        .checks
        .iter()
        .filter(|c| !c.passed)
        .map(|c| c.name.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(format!(
        "{} of {} checks said no: {}",
        failed.len(),
        study.card.checks.len(),
        failed.join("; ")
    )))
}

fn read(args: &EvalArgs) -> Result<Inputs, Failure> {
    let mut inputs = Inputs {
        bundled_by_default: !args.no_models,
        ..Inputs::default()
    };
    if let Some(path) = &args.dmfc {
        inputs.recording = Some(Recording::open(path)?);
        inputs.recording_name = file_name(path);
        if path.is_file() {
            inputs.hashes.push(NamedText::new(
                format!("recording {}", file_name(path)),
                sha256_file(path)?,
            ));
        }
    }
    if let Some(path) = &args.other_dmfc {
        inputs.other = Some(Recording::open(path)?);
        if path.is_file() {
            inputs.hashes.push(NamedText::new(
                format!("other recording {}", file_name(path)),
                sha256_file(path)?,
            ));
        }
    }
    if let Some(path) = &args.attributes {
        inputs.attributes = Some(Attributes::read(path)?);
        inputs.hashes.push(NamedText::new(
            format!("attributes {}", file_name(path)),
            sha256_file(path)?,
        ));
    }
    if let Some(folder) = &args.contact {
        inputs.contact = Some(Contact::read(folder)?);
    }
    for name in &args.models {
        inputs.models.push(Model::Bundled(name.clone()));
    }
    let conditions = match inputs.recording.as_ref().and_then(Recording::condition_ids) {
        Some(ids) => {
            let ids: Vec<u32> = ids.iter().filter_map(|id| id.parse().ok()).collect();
            select(&ids)?
        }
        None => Set::Primate79.conditions()?,
    };
    for given in &args.latents {
        let (name, path) = named(given);
        let layers = read_layers(&path, &conditions)?;
        let several = layers.len() > 1;
        inputs.hashes.push(NamedText::new(
            format!("latents {}", file_name(&path)),
            sha256_file(&path)?,
        ));
        for layer in layers {
            let name = if several {
                format!("{name}:{}", layer.name)
            } else {
                name.clone()
            };
            inputs.models.push(Model::Latents { name, layer });
        }
    }
    let options = TrialOptions {
        columns: args
            .columns
            .as_deref()
            .map(str::parse)
            .transpose()?
            .unwrap_or_default(),
        ..TrialOptions::default()
    };
    for given in &args.behavior {
        let (name, path) = named(given);
        let trials = Trials::open(&path, &options)?;
        inputs.hashes.push(NamedText::new(
            format!("trials {}", file_name(&path)),
            sha256_file(&path)?,
        ));
        inputs.trials.push((name, trials));
    }
    Ok(inputs)
}

/// `NAME=FILE`, or a file by its own name.
fn named(given: &str) -> (String, PathBuf) {
    match given.split_once('=') {
        Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
        None => {
            let path = PathBuf::from(given);
            let name = path
                .file_stem()
                .map_or_else(|| given.to_owned(), |n| n.to_string_lossy().into_owned());
            (name, path)
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |n| n.to_string_lossy().into_owned(),
    )
}

/// A few lines for the terminal; the report says the rest.
fn summary(study: &Study, folder: &Path) -> Done {
    let SideBySide { header, rows } = study.side_by_side();
    output(|out| {
        writeln!(out, "{}", study.card.data_statement)?;
        write!(out, "  {:20}", "")?;
        for heading in &header {
            write!(out, " {heading:>16}")?;
        }
        writeln!(out)?;
        for (name, values) in &rows {
            write!(out, "  {name:20}")?;
            for value in values {
                match value {
                    Some(v) if v.is_finite() => write!(out, " {v:>16.3}")?,
                    Some(_) => write!(out, " {:>16}", "undefined")?,
                    None => write!(out, " {:>16}", "-")?,
                }
            }
            writeln!(out)?;
        }
        writeln!(out, "Report: {}", folder.join("report.html").display())
    })
}
