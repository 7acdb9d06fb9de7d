//! What `run` and `eval` share: a request checked, a study made and written, its answer on the terminal.

use std::path::{Path, PathBuf};

use mental_pong_base::Monitor as _;
use mental_pong_base::files::create_folder;
use mental_pong_predictor::latents::Cache;
use mental_pong_study::card::{Card, Standing};
use mental_pong_study::report::side::side_by_side;
use mental_pong_study::report::write_texts;
use mental_pong_study::{Inputs, Request, StudyConfig, evaluate_to};

use super::{output, output_json};
use crate::Done;
use crate::args::StudyArgs;
use crate::config::load;
use crate::failure::Failure;
use crate::progress::Progress;

/// Where a study goes.
pub(crate) struct Outputs {
    pub(crate) folder: PathBuf,
    /// Where encoded clips are kept, so that a stopped study goes on where it was.
    pub(crate) cache: PathBuf,
}

pub(crate) fn study(
    request: &Request,
    base: &StudyConfig,
    args: &StudyArgs,
    outputs: &Outputs,
    progress: &Progress,
) -> Done {
    let mut config: StudyConfig = load(base, &args.config)?;
    if !args.analyses.is_empty() {
        config.analyses.clone_from(&args.analyses);
    }
    // Before the work: what is wrong is found now, not after minutes.
    config.check()?;
    request.check()?;
    create_folder(&outputs.folder)?;
    if let Some(folder) = &args.export {
        create_folder(folder)?;
    }
    progress.stage("reading", 0);
    let inputs = Inputs::open(request)?;
    for notice in &inputs.notices {
        progress.note(notice);
    }
    let cache = Cache::in_folder(&outputs.cache)?;
    let study = evaluate_to(&inputs, &config, &cache, progress, args.export.as_deref())?;
    write_texts(&study.files, &outputs.folder)?;
    progress.finish();
    if args.json {
        output_json(&study.card)?;
    } else {
        summary(&study.card, &outputs.folder)?;
    }
    valid(&study.card)?;
    required(&study.card, &args.require)
}

/// A few lines for the terminal; the report says the rest.
fn summary(card: &Card, folder: &Path) -> Done {
    let table = side_by_side(card);
    output(|out| {
        for line in &card.answer {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "{}", card.data_statement)?;
        for (why, names) in not_run(card) {
            writeln!(out, "Not run, {why}: {}.", names.join(", "))?;
        }
        if table.columns.is_empty() {
            return writeln!(out, "Report: {}", folder.join("report.html").display());
        }
        let name_width = table.rows.iter().map(|r| r.name.chars().count()).max();
        let name_width = name_width.unwrap_or(0).max(4);
        write!(out, "  {:name_width$}", "")?;
        for column in &table.columns {
            write!(out, " {:>16}", column.heading)?;
        }
        writeln!(out)?;
        for row in &table.rows {
            write!(out, "  {:name_width$}", row.name)?;
            for score in &row.scores {
                match score.map(|s| s.value) {
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

/// Analyses that were not run by their reason, in the card's order.
fn not_run(card: &Card) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for skipped in &card.skipped {
        match found.iter_mut().find(|(why, _)| *why == skipped.value) {
            Some((_, names)) => names.push(&skipped.name),
            None => found.push((&skipped.value, vec![&skipped.name])),
        }
    }
    found
}

/// Exit code 1 where a validity check says no.
fn valid(card: &Card) -> Done {
    let failed: Vec<String> = card
        .checks
        .iter()
        .filter(|c| !c.passed)
        .map(|c| format!("{} ({})", c.name, c.detail))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(format!(
        "{} of {} validity checks said no: {}",
        failed.len(),
        card.checks.len(),
        failed.join("; ")
    )))
}

/// Exit code 1 where a model is not above a null that was required.
fn required(card: &Card, nulls: &[String]) -> Done {
    let mut missed = Vec::new();
    for null in nulls {
        let of = || {
            card.findings
                .iter()
                .filter(move |f| f.null == *null && f.bounce == "all")
        };
        if of().next().is_none() {
            return Err(Failure::Usage(format!(
                "--require {null}: this study held no model against it (the analysis `simulation` does)"
            )));
        }
        missed.extend(of().filter(|f| f.standing != Standing::Above).map(|f| {
            format!(
                "{} is {} {null} in {} on {} (skill {:.3})",
                f.row,
                f.standing.words(),
                f.target,
                f.set,
                f.skill
            )
        }));
    }
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(format!("--require: {}", missed.join("; "))))
}
