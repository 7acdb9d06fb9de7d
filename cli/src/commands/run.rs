use std::path::Path;

use mental_pong_base::files::create_folder;
use mental_pong_eval::decode::Epoch;
use mental_pong_predictor::latents::Cache;
use mental_pong_study::card::Card;
use mental_pong_study::chain::{self, RunConfig, cache_folder};
use mental_pong_study::published::{find, published_values};
use mental_pong_study::report::write_files;
use serde_json::json;

use super::{output, output_json};
use crate::Done;
use crate::args::{RunArgs, VerifyArgs};
use crate::config::load;
use crate::failure::Failure;
use crate::progress::Progress;

pub(crate) fn run(args: &RunArgs, progress: &Progress) -> Done {
    let mut config: RunConfig = load(&RunConfig::default(), &args.config)?;
    if !args.ids.is_empty() {
        config.ids.clone_from(&args.ids);
    }
    let folder = args.out.join(&args.name);
    // Before the work: a folder that cannot be written is found now, not after minutes.
    create_folder(&folder)?;
    let cache = Cache::in_folder(&cache_folder(&folder))?;
    let report = chain::run(&config, &cache, progress)?;
    write_files(&report, &folder)?;
    progress.finish();
    if args.json {
        output_json(&report.card)?;
    } else {
        summary(&report.card, &folder)?;
    }
    no_check_failed(&report.card)
}

/// A few lines for the terminal; the report says the rest.
fn summary(card: &Card, folder: &Path) -> Done {
    let published = published_values()?;
    let dmfc = |target: &str| {
        find(&published, &format!("dmfc-r-{target}-hidden")).map_or(f64::NAN, |v| v.value)
    };
    output(|out| {
        writeln!(
            out,
            "Pearson r of the decoded ball while it is hidden, mean over {} splits of {} conditions",
            card.splits.n, card.n_conditions
        )?;
        writeln!(out, "  {:18} {:>7} {:>7}", "", "x", "y")?;
        for row in card
            .rows
            .iter()
            .filter(|r| r.readout == card.primary_readout)
        {
            let r = |target| {
                row.get(Epoch::Hidden, target)
                    .map(|s| s.r.mean)
                    .filter(|r| r.is_finite())
                    .map_or("-".to_string(), |r| format!("{r:.3}"))
            };
            writeln!(out, "  {:18} {:>7} {:>7}", row.name, r("x"), r("y"))?;
        }
        writeln!(
            out,
            "  {:18} {:>7.3} {:>7.3}  published",
            "DMFC",
            dmfc("x"),
            dmfc("y")
        )?;
        writeln!(out, "Report: {}", folder.join("report.html").display())
    })
}

fn no_check_failed(card: &Card) -> Done {
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
        "{} of {} checks said no: {}",
        failed.len(),
        card.checks.len(),
        failed.join("; ")
    )))
}

pub(crate) fn verify(args: &VerifyArgs, progress: &Progress) -> Done {
    let text = std::fs::read_to_string(&args.card)
        .map_err(|e| Failure::Usage(format!("cannot read {}: {e}", args.card.display())))?;
    let card = Card::from_json(&text)
        .map_err(|e| Failure::Usage(format!("{}: {e}", args.card.display())))?;
    // Everything is computed again: a cache would only repeat what is to be verified.
    let differences = chain::verify(&card, &Cache::none(), progress)?;
    progress.finish();
    if args.json {
        let listed: Vec<_> = differences
            .iter()
            .map(|d| json!({"place": d.place, "card": d.first, "recomputed": d.second}))
            .collect();
        output_json(&listed)?;
    }
    if differences.is_empty() {
        return if args.json {
            Ok(())
        } else {
            output(|out| {
                writeln!(
                    out,
                    "{}: every number recomputed equal",
                    args.card.display()
                )
            })
        };
    }
    let shown: Vec<String> = differences
        .iter()
        .take(10)
        .map(|d| format!("{}: card {}, recomputed {}", d.place, d.first, d.second))
        .collect();
    Err(Failure::Check(format!(
        "{}: {} differences:\n{}",
        args.card.display(),
        differences.len(),
        shown.join("\n")
    )))
}
