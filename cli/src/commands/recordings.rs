use std::path::Path;

use mental_pong_base::Monitor;
use mental_pong_base::files::write_atomic;
use mental_pong_eval::recordings::arrays::RateUnit;
use mental_pong_eval::recordings::dmfc::{Opening, Recording, TrialType};
use mental_pong_eval::recordings::info::Info;
use mental_pong_eval::recordings::mapping::{EXAMPLE, Item, Mapping};
use mental_pong_eval::recordings::results::Results;
use mental_pong_eval::recordings::sample::condition_set;
use mental_pong_eval::recordings::simulate::{self, Noise, Settings};
use mental_pong_eval::recordings::trials::{TrialOptions, Trials};
use mental_pong_eval::recordings::{Missing, convert, export, file, join};
use mental_pong_formats::limits::Limits;
use mental_pong_study::Reading;
use mental_pong_study::report::recording_figure;

use mental_pong_game::task::ConditionSet;

use super::{output, output_json};
use crate::Done;
use crate::args::{
    MissingArg, NoiseArg, ReadingArgs, RecordingFileArgs, RecordingsConvertArgs,
    RecordingsInfoArgs, RecordingsMappingArgs, RecordingsSimulateArgs, RecordingsTrialsArgs,
    ResponseUnitArg,
};
use crate::failure::Failure;
use crate::progress::Progress;

/// What the flags say of how recordings are read.
pub(super) fn reading(args: &ReadingArgs) -> Result<Reading, Failure> {
    let file = args.mapping.as_deref();
    let mut mapping = file.map(Mapping::open).transpose()?.unwrap_or_default();
    for (item, said) in [
        (Item::Condition, &args.nwb_condition),
        (Item::Onset, &args.nwb_onset),
        (Item::Kind, &args.nwb_trial_type),
        (Item::Exclude, &args.nwb_exclude),
    ] {
        let said = said.iter().map(|name| (item, name.clone()));
        mapping.names.extend(said);
    }
    mapping.conditions.extend(args.nwb_map.iter().cloned());
    Ok(Reading {
        most_bytes: args.max_memory,
        mapping,
        missing: match args.missing {
            MissingArg::Refuse => Missing::Refuse,
            MissingArg::DropUnits => Missing::DropUnits,
            MissingArg::DropConditions => Missing::DropConditions,
            MissingArg::Impute => Missing::Impute,
        },
        rebin_ms: args.rebin,
        response_unit: args.response_unit.map(|unit| match unit {
            ResponseUnitArg::SpikesPerMs => RateUnit::SpikesPerMs,
            ResponseUnitArg::Hz => RateUnit::Hz,
            ResponseUnitArg::SpikesPerBin => RateUnit::SpikesPerBin,
        }),
    })
}

fn open(args: &RecordingFileArgs, monitor: &dyn Monitor) -> Result<Recording, Failure> {
    let said = args.conditions.as_deref().map(condition_set).transpose()?;
    let opening = reading(&args.reading)?.opening(said);
    Ok(Recording::open_as(&args.file, &opening, monitor)?)
}

pub(crate) fn info(args: &RecordingsInfoArgs, monitor: &dyn Monitor) -> Done {
    let limits = Limits {
        bytes: args.input.reading.max_memory,
        ..Limits::default()
    };
    let recording = match open(&args.input, monitor) {
        Ok(recording) => recording,
        // A file of the authors' results is no recording, but it is one of theirs.
        Err(failure) => match Results::open(&args.input.file, &limits) {
            Ok(results) if !args.json => {
                let file = args.input.file.display();
                return output(|out| write!(out, "{file}\n{results}"));
            }
            _ => return Err(failure),
        },
    };
    if let Some(path) = &args.figure {
        let svg = recording_figure(&recording, TrialType::Occ)?;
        write_atomic(path, |out| out.write_all(svg.as_bytes()))?;
    }
    let info = Info::of(&recording)?;
    if args.json {
        output_json(&info)
    } else {
        output(|out| writeln!(out, "{info}"))
    }
}

pub(crate) fn convert(args: &RecordingsConvertArgs, monitor: &dyn Monitor) -> Done {
    let mut recording = open(&args.input, monitor)?;
    if !args.with.is_empty() {
        let said = args.input.conditions.as_deref();
        let said = said.map(condition_set).transpose()?;
        let opening = reading(&args.input.reading)?.opening(said);
        let name = |path: &Path| {
            let stem = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            stem.unwrap_or_else(|| path.display().to_string())
        };
        let mut parts = vec![(name(&args.input.file), recording)];
        for path in &args.with {
            parts.push((name(path), Recording::open_as(path, &opening, monitor)?));
        }
        recording = join::join(&parts)?;
    }
    export::write(&recording, &args.out)?;
    let manifest = args.out.join(convert::MANIFEST);
    let written = if manifest.is_file() {
        &manifest
    } else {
        &args.out
    };
    output(|out| writeln!(out, "{}", written.display()))
}

pub(crate) fn mapping(args: &RecordingsMappingArgs) -> Done {
    let Some(path) = args.file.as_deref().filter(|_| !args.example) else {
        return output(|out| out.write_all(EXAMPLE.as_bytes()));
    };
    let mapping = Mapping::open(path)?;
    output(|out| {
        writeln!(out, "{}: {} names", path.display(), mapping.names.len())?;
        for (item, name) in &mapping.names {
            writeln!(out, "  {item} is {name} in the file")?;
        }
        Ok(())
    })
}

pub(crate) fn trials(args: &RecordingsTrialsArgs, progress: &Progress) -> Done {
    let trial_type = match &args.trial_type {
        None => None,
        Some(name) => Some(
            TrialType::named(name)
                .ok_or_else(|| Failure::Usage(format!("--trial-type {name}: occ or vis")))?,
        ),
    };
    let options = TrialOptions {
        columns: args.columns.parse()?,
        subject: args.subject.clone(),
        trial_type,
        keep_going: args.keep_going,
        set: args.conditions.as_deref().map(condition_set).transpose()?,
        allow_missing: args.allow_missing,
        limits: Limits::default(),
    };
    // Parquet is a table here; every other format that is told by its content is a recording.
    let is_recording = file::detect(&args.file).is_ok_and(|f| f != file::Format::Parquet);
    let trials = if is_recording {
        let opening = Opening {
            conditions: options.set.clone(),
            ..Opening::default()
        };
        let recording = Recording::open_as(&args.file, &opening, progress);
        // A pickle may be a data frame of trials.
        match recording {
            Ok(recording) => Trials::of_recording(&recording, &options)?,
            Err(error) => match Trials::open(&args.file, &options) {
                Ok(trials) if file::detect(&args.file)? == file::Format::Pickle => trials,
                _ => return Err(error.into()),
            },
        }
    } else {
        Trials::open(&args.file, &options)?
    };
    if let Some(set) = &options.set {
        progress.note(&format!("trials of {}", trials.coverage(set)));
    }
    if args.json {
        return output_json(&trials);
    }
    let about = &trials.provenance;
    output(|out| {
        writeln!(out, "{}", about.source)?;
        if about.synthetic == Some(true) {
            writeln!(out, "  SYNTHETIC or simulated (the table says so)")?;
        }
        let kinds =
            TrialType::ALL.map(|kind| trials.trial_type.iter().filter(|t| **t == kind).count());
        writeln!(
            out,
            "  {} of {} rows: {} occ, {} vis; {} conditions, {} subjects",
            trials.len(),
            about.rows,
            kinds[0],
            kinds[1],
            trials.conditions().len(),
            trials.subjects().len()
        )?;
        for (role, column) in &about.columns {
            writeln!(out, "  {:<10} column {column}", role.name())?;
        }
        let e = &about.excluded;
        writeln!(
            out,
            "  left out by rule: {} without condition, {} of another condition, {} of practice, {} ignored, {} without outcome, {} without occluder, {} without paddle, {} lapses (|paddle| > 10 deg)",
            e.no_condition,
            e.other_condition,
            e.practice,
            e.ignored,
            e.no_outcome,
            e.no_occluder,
            e.no_paddle,
            e.lapses
        )?;
        for problem in &about.problems {
            writeln!(
                out,
                "  bad row {}, column {}: expected {}, found {}",
                problem.row, problem.column, problem.expected, problem.found
            )?;
        }
        Ok(())
    })
}

pub(crate) fn simulate(args: &RecordingsSimulateArgs, progress: &Progress) -> Done {
    let defaults = Settings::default();
    let settings = Settings {
        seed: args.seed,
        units: args.units,
        untuned: args.untuned,
        trials: args.trials,
        noise: match args.noise {
            NoiseArg::Poisson => Noise::Poisson,
            NoiseArg::Gaussian => Noise::Gaussian,
        },
        reliability: args.reliability,
        reliability_spread: args.reliability_spread,
        rate_hz: args.rate_hz,
        bin_ms: args.bin_ms,
        ..defaults
    };
    let set = ConditionSet::chosen(args.conditions.as_deref(), &args.ids)?;
    let simulated = simulate::simulate(&settings, &set, progress)?;
    if progress.stopped() {
        return Err(mental_pong_eval::error::Error::Interrupted.into());
    }
    let truth = simulated.write(&args.out)?;
    output(|out| {
        writeln!(out, "{}", args.out.display())?;
        writeln!(out, "{}", truth.display())
    })
}
