//! The card as Markdown: the answer, the table at the top of the page, then every number.

use std::fmt::Write as _;

use super::{Card, Score};
use crate::report::number::fixed;
use crate::report::side::{SideBySide, side_by_side};
use crate::words;

/// Text of a cell or a sentence: what Markdown or HTML would take for a mark is escaped.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => {
                out.push('\\');
                out.push(letter);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// The card as Markdown. Same bytes for the same card.
#[must_use]
pub fn markdown(card: &Card) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write(card, &mut out);
    out
}

fn write(card: &Card, out: &mut String) -> std::fmt::Result {
    writeln!(out, "# Score card\n")?;
    for sentence in &card.answer {
        writeln!(out, "{}\n", plain(sentence))?;
    }
    writeln!(out, "{}\n", plain(&card.data_statement))?;
    let SideBySide { columns, rows } = side_by_side(card);
    if !columns.is_empty() {
        write!(out, "| |")?;
        for column in &columns {
            write!(out, " {} |", plain(column.heading))?;
        }
        writeln!(out, "\n|---{}|", "|---".repeat(columns.len()))?;
        for row in &rows {
            write!(out, "| {} |", plain(&row.name))?;
            for score in &row.scores {
                let text = score.map_or(String::new(), |s| fixed(s.value, 3));
                write!(out, " {text} |")?;
            }
            writeln!(out)?;
        }
    }
    for section in &card.sections {
        writeln!(
            out,
            "\n## {}\n\n{}\n",
            plain(&section.title),
            plain(&section.question)
        )?;
        for warning in &section.warnings {
            writeln!(out, "> {}\n", plain(warning))?;
        }
        writeln!(
            out,
            "| row | number | value | interval | ceiling | conditions | bins | note |\n|---|---|---|---|---|---|---|---|"
        )?;
        for s in &section.scores {
            score(s, out)?;
        }
        for line in &section.method {
            writeln!(out, "\n{}", plain(line))?;
        }
        writeln!(
            out,
            "\nWhat this does not show: {}",
            plain(&section.does_not_show)
        )?;
    }
    provenance(card, out)
}

fn score(s: &Score, out: &mut String) -> std::fmt::Result {
    let interval = if s.low.is_finite() {
        format!(
            "{} to {} ({})",
            fixed(s.low, 4),
            fixed(s.high, 4),
            words::interval(&s.interval)
        )
    } else {
        String::new()
    };
    let count = |n: Option<usize>| n.map_or(String::new(), |n| n.to_string());
    writeln!(
        out,
        "| {} | {} | {} | {interval} | {} | {} | {} | {} |",
        plain(&s.row),
        plain(&words::number(s)),
        fixed(s.value, 4),
        fixed(s.ceiling, 4),
        count(s.n_conditions),
        count(s.n_bins),
        plain(&s.note)
    )
}

fn provenance(card: &Card, out: &mut String) -> std::fmt::Result {
    if !card.checks.is_empty() {
        writeln!(out, "\n## Validity\n")?;
        for check in &card.checks {
            let mark = if check.passed { "yes" } else { "**NO**" };
            writeln!(
                out,
                "- {mark}: {}. {}",
                plain(&check.name),
                plain(&check.detail)
            )?;
        }
    }
    if !card.skipped.is_empty() {
        writeln!(out, "\n## Not run\n")?;
        for s in &card.skipped {
            writeln!(out, "- {}: {}", plain(&s.name), plain(&s.value))?;
        }
    }
    writeln!(
        out,
        "\n## Provenance\n\n| what | sha256 or value |\n|---|---|"
    )?;
    for set in &card.sets {
        writeln!(out, "| set {} | `{}` |", plain(&set.name), set.sha256)?;
    }
    for g in &card.inputs {
        writeln!(
            out,
            "| {} {} | `{}` |",
            g.role.flag().trim_start_matches('-'),
            plain(&g.name),
            g.sha256
        )?;
    }
    for seed in &card.seeds {
        writeln!(out, "| seed: {} | {} |", plain(&seed.purpose), seed.value)?;
    }
    for f in card.tables.iter().chain(&card.figures) {
        writeln!(out, "| {} | `{}` |", f.name, f.sha256)?;
    }
    Ok(())
}
