//! The card as short Markdown.

use std::fmt::Write as _;

use super::{Card, RowKind};
use crate::report::number;
use mental_pong_eval::decode::Epoch;

/// Short Markdown: the hidden epoch, the checks, the provenance. Same bytes for the same card.
#[must_use]
pub fn card_markdown(card: &Card) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write(card, &mut out);
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn write(card: &Card, out: &mut String) -> std::fmt::Result {
    writeln!(out, "# Score card\n\n{}\n", card.data_statement)?;
    writeln!(
        out,
        "{} · {} conditions ({}, law `{}`), {} bins, {} splits by condition ({:.0} % to fit, seed {}), read-out `{}`.\n",
        card.program,
        card.n_conditions,
        card.inputs.conditions,
        card.inputs.law,
        card.n_bins,
        card.splits.n,
        100.0 * card.splits.train,
        card.splits.seed,
        card.primary_readout
    )?;
    writeln!(
        out,
        "## Hidden epoch\n\nMean ± SD over splits. Splits overlap: the SD is a spread, not a standard error. An empty cell is undefined.\n"
    )?;
    writeln!(
        out,
        "| row | kind | r x | r y | MAE x (deg) | MAE y (deg) |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for row in card
        .rows
        .iter()
        .filter(|r| r.readout == card.primary_readout)
    {
        let kind = match row.kind {
            RowKind::Model => "model",
            RowKind::Reference => "reference",
            RowKind::Control => "control",
            RowKind::Published => "published",
        };
        write!(out, "| {} | {kind} |", cell(&row.name))?;
        for (target, mae) in [("x", false), ("y", false), ("x", true), ("y", true)] {
            let text = row.get(Epoch::Hidden, target).map_or(String::new(), |s| {
                let (summary, digits) = if mae { (s.mae, 2) } else { (s.r, 3) };
                number::mean_sd(summary.mean, summary.sd, digits)
            });
            write!(out, " {text} |")?;
        }
        writeln!(out)?;
    }
    if !card.behavior.is_empty() {
        writeln!(
            out,
            "\n## End height\n\n| row | conditions | r | MAE over trials (deg) | MAE of the mean (deg) |\n|---|---|---|---|---|"
        )?;
        for b in &card.behavior {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                cell(&b.row),
                b.n_conditions,
                number::fixed(b.r, 3),
                number::fixed(b.mae_trialwise_deg, 2),
                number::fixed(b.mae_of_mean_deg, 2)
            )?;
        }
    }
    writeln!(out, "\n## Checks\n")?;
    for check in &card.checks {
        let mark = if check.passed { "yes" } else { "**NO**" };
        writeln!(out, "- {mark}: {}. {}", check.name, check.detail)?;
    }
    writeln!(out, "\n## What this score does not show\n")?;
    for line in &card.does_not_show {
        writeln!(out, "- {line}")?;
    }
    writeln!(
        out,
        "\n## Provenance\n\n| what | sha256 or value |\n|---|---|"
    )?;
    for h in &card.inputs.sha256 {
        writeln!(out, "| {} | `{}` |", cell(&h.name), h.value)?;
    }
    for seed in &card.seeds {
        writeln!(out, "| seed: {} | {} |", cell(&seed.purpose), seed.value)?;
    }
    for f in card.tables.iter().chain(&card.figures) {
        writeln!(out, "| {} | `{}` |", f.name, f.sha256)?;
    }
    Ok(())
}
