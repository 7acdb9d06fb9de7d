//! The page of a study: the answer and everything side by side first, then a section an analysis. It loads nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::number::{fixed, p_value};
use super::side::{SideBySide, side_by_side};
use super::style::STYLE;
use crate::analysis::{self, Figure};
use crate::card::{Card, RowKind, Score, Section};
use crate::published::{PublishedValue, published_values};
use crate::words;

pub(crate) fn page(card: &Card, figures: &[Figure], card_hash: &str) -> String {
    let published = published_values().unwrap_or_default();
    let of = |analysis: &str| -> Vec<&PublishedValue> {
        published
            .iter()
            .filter(|v| v.analysis == analysis)
            .collect()
    };
    let beside = |v: &&PublishedValue| card.sections.iter().any(|s| s.analysis == v.analysis);
    let rest: Vec<&PublishedValue> = published.iter().filter(|v| !beside(v)).collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Mental-Pong: does the forecast simulate the hidden ball?" }
                style { (PreEscaped(STYLE)) }
            }
            body { div.page {
                (contents(card, !rest.is_empty()))
                main {
                    h1 { "Does the forecast simulate the hidden ball?" }
                    @if !card.answer.is_empty() {
                        div.answer id="answer" { @for line in &card.answer { p { (line) } } }
                    }
                    p.note { (card.data_statement) }
                    (summary(card))
                    (checks(card))
                    @for section in &card.sections { (section_of(section, figures, &of(&section.analysis))) }
                    @if !card.skipped.is_empty() {
                        h2 id="not-run" { "Not run" }
                        ul { @for s in &card.skipped { li { b { (s.name) } ": " (s.value) } } }
                    }
                    @if !rest.is_empty() {
                        h2 id="published" { "Published figures of other analyses" }
                        (published_beside(&rest))
                    }
                    (provenance(card, card_hash))
                }
            } }
        }
    }
    .into_string()
}

fn contents(card: &Card, more_published: bool) -> Markup {
    html! {
        nav aria-label="contents" { details open {
            summary { "Contents" }
            ol {
                @if !card.answer.is_empty() { li { a href="#answer" { "The answer" } } }
                li { a href="#side-by-side" { "Side by side" } }
                @if !card.findings.is_empty() { li { a href="#findings" { "Against the nulls" } } }
                li { a href="#validity" { "Validity" } }
                @for s in &card.sections { li { a href={ "#" (s.analysis) } { (s.title) } } }
                @if !card.skipped.is_empty() { li { a href="#not-run" { "Not run" } } }
                @if more_published { li { a href="#published" { "Published figures" } } }
                li { a href="#provenance" { "To check it" } }
            }
        } }
    }
}

/// The table at the top, what its columns say, and how the models stand.
fn summary(card: &Card) -> Markup {
    let SideBySide { columns, rows } = side_by_side(card);
    let kinds = interval_kinds(rows.iter().flat_map(|r| r.scores.iter().copied().flatten()));
    html! {
        h2 id="side-by-side" { "Side by side" }
        p { "A ball passes behind an occluder. Each row is a model, the recorded brain, those who played, a reference or a null; each column asks one thing of it. A model is of interest where it stands above the nulls and near the brain." }
        table.wide {
            thead { tr { th { } @for c in &columns { th.n { (c.heading) } } } }
            tbody {
                @for (at, row) in rows.iter().enumerate() {
                    @if at == 0 || rows[at - 1].kind != row.kind {
                        tr { th scope="rowgroup" colspan=(columns.len() + 1) { (row.kind.heading()) } }
                    }
                    tr {
                        th scope="row" { (row.name) }
                        @for (c, score) in columns.iter().zip(&row.scores) { @match score {
                            Some(s) => td.n data-of=(c.heading) { (value(s, 3, true)) },
                            None => td.n.empty data-of=(c.heading) { span.mut { "–" } },
                        } }
                    }
                }
            }
        }
        @if !kinds.is_empty() {
            p.small.mut { "Below each number its interval: " (kinds.join("; ")) "." }
        }
        details open { summary { "What the columns say" }
            ul { @for c in &columns { li { b { (c.heading) } ": " (c.means) "." } } }
        }
        details { summary { "What the rows are" }
            ul { @for row in card.rows.iter().filter(|r| !r.description.is_empty()) {
                li { b { (row.name) } ": " (row.description) @if let Some(n) = row.units { " (" (n) " features)" } "." }
            } }
        }
        details { summary { "What looked at which conditions" }
            ul { @for set in &card.sets {
                li { b { (set.name) } " (" (set.n_conditions) " conditions, " (set.n_bins) " bins): " (set.looked_at) "." }
            } }
        }
        (findings(card))
    }
}

/// A kind of interval once for each heading that has it.
fn interval_kinds<'a>(scores: impl Iterator<Item = &'a Score>) -> Vec<&'a str> {
    let mut kinds = Vec::new();
    for score in scores {
        let words = words::interval(&score.interval);
        if !words.is_empty() && !kinds.contains(&words) {
            kinds.push(words);
        }
    }
    kinds
}

fn value(s: &Score, digits: usize, small: bool) -> Markup {
    html! {
        @if s.value.is_finite() {
            b title=(s.value) { (fixed(s.value, digits)) }
            @if s.low.is_finite() {
                @if small { br; }
                span.mut.small { " " (fixed(s.low, 2)) " to " (fixed(s.high, 2)) }
            }
        } @else { span.mut { "undefined" } }
    }
}

/// How the models stand against their nulls, over all conditions and by class of bounce.
fn findings(card: &Card) -> Markup {
    let mut groups: Vec<(&str, &str, &str)> = Vec::new();
    for f in &card.findings {
        let key = (f.set.as_str(), f.row.as_str(), f.null.as_str());
        if !groups.contains(&key) {
            groups.push(key);
        }
    }
    let cell = |key: (&str, &str, &str), target: &str, bounce: &str| {
        card.findings.iter().find(|f| {
            (f.set.as_str(), f.row.as_str(), f.null.as_str()) == key
                && f.target == target
                && f.bounce == bounce
        })
    };
    let shown = [
        ("x", "all", "x"),
        ("y", "all", "y"),
        ("end", "all", "end"),
        ("y", "hidden", "y, hidden bounce"),
        ("end", "hidden", "end, hidden bounce"),
    ];
    html! { @if !groups.is_empty() {
        h2 id="findings" { "Against the nulls" }
        p { "Skill is 1 − error / error of the null: 1 is perfect, 0 is as good as the null, below 0 is worse. The word says what a paired test over conditions tells after Holm's correction." }
        table.wide {
            thead { tr { th { "set" } th { "model" } th { "null" } @for s in shown { th.n { (s.2) } } } }
            tbody { @for key in groups { tr {
                td data-of="set" { (key.0) } td data-of="model" { b { (key.1) } } td data-of="null" { (key.2) }
                @for (target, bounce, heading) in shown { @match cell(key, target, bounce) {
                    Some(f) => td.n data-of=(heading) title={ "p " (p_value(f.p)) } {
                        b { @if f.skill.is_finite() { (fixed(f.skill, 2)) } @else { "null exact" } } br; span.mut.small { (f.standing.words().trim_end_matches(" from")) }
                    },
                    None => td.n.empty data-of=(heading) { "–" },
                } }
            } } }
        }
        p.small.mut { "p values, intervals and all classes of bounce: " a href="tables/skill.csv" { "tables/skill.csv" } "." }
    } }
}

fn checks(card: &Card) -> Markup {
    let failed = card.checks.iter().filter(|c| !c.passed).count();
    html! {
        h2 id="validity" { "Validity" }
        @if card.checks.is_empty() {
            p { "Nothing was asked whose validity could be checked." }
        } @else {
            p { "These checks say whether the numbers may be read at all, not whether a model is good. "
                @if failed == 0 { span.yes { "Each of the " (card.checks.len()) " answers yes." } }
                @else { span.no { (failed) " of " (card.checks.len()) " answer no." } }
            }
            details open[failed > 0] { summary { "Each check" }
                ul { @for c in &card.checks { li {
                    @if c.passed { span.yes { "yes" } } @else { span.no { "no" } } ": " (c.name) ". " span.mut { (c.detail) }
                } } }
            }
        }
    }
}

fn section_of(section: &Section, figures: &[Figure], published: &[&PublishedValue]) -> Markup {
    let ceilings = section.scores.iter().any(|s| s.ceiling.is_finite());
    let notes = section.scores.iter().any(|s| !s.note.is_empty());
    html! {
        h2 id=(section.analysis) { a href={ "#" (section.analysis) } { (section.title) } }
        p.q { (section.question) }
        @for w in &section.warnings { p.note { (w) } }
        div.figs { @for f in figures.iter().filter(|f| f.analysis == section.analysis) {
            figure id=(f.name) {
                h3 { a href={ "#" (f.name) } { (f.title) } }
                (PreEscaped(&f.svg))
                figcaption { (f.caption) @if !f.table.is_empty() { " Numbers: " a href={ "tables/" (f.table) ".csv" } { "tables/" (f.table) ".csv" } "." } }
            }
        } }
        details { summary { (section.scores.len()) " numbers" }
            table.wide {
                thead { tr {
                    th { "row" } th { "number" } th.n { "value" } th.n { "interval" }
                    @if ceilings { th.n { "ceiling" } }
                    th.n { "conditions" } th.n { "bins" }
                    @if notes { th { "note" } }
                } }
                tbody { @for s in &section.scores { tr {
                    th scope="row" { (s.row) }
                    td { (words::number(s)) }
                    td.n data-of="value" title=(s.value) { @if s.value.is_finite() { (fixed(s.value, 4)) } @else { "undefined" } }
                    @if s.low.is_finite() {
                        td.n data-of="interval" { (fixed(s.low, 4)) " to " (fixed(s.high, 4)) br; span.mut.small { (words::interval(&s.interval)) } }
                    } @else { td.empty { } }
                    @if ceilings { (optional("ceiling", &fixed(s.ceiling, 4))) }
                    (optional("conditions", &count(s.n_conditions)))
                    (optional("bins", &count(s.n_bins)))
                    @if notes { td.small { (s.note) } }
                } } }
            }
        }
        (published_beside(published))
        @for line in &section.method { p.mut.small { (line) } }
        p { b { "What this does not show. " } (section.does_not_show) }
        p.small { "Tables: "
            @for (at, t) in section.tables.iter().enumerate() { @if at > 0 { ", " } a href={ "tables/" (t) ".csv" } { (t) ".csv" } }
            "."
            @if let Some(analysis) = analysis::find(&section.analysis) {
                " The book on it: " code { "docs/src/" (analysis.chapter()) ".md" } "."
            }
        }
    }
}

fn optional(of: &str, text: &str) -> Markup {
    html! { @if text.is_empty() { td.n.empty { } } @else { td.n data-of=(of) { (text) } } }
}

fn count(n: Option<usize>) -> String {
    n.map_or(String::new(), |n| n.to_string())
}

/// What the literature reports, each value with its source.
fn published_beside(values: &[&PublishedValue]) -> Markup {
    html! { @if !values.is_empty() {
        details { summary { (values.len()) @if values.len() == 1 { " published figure" } @else { " published figures" } }
            p.small.mut { "Two numbers may be compared only where set, bins, kind of error and number of trials agree." }
            table.wide {
                thead { tr { th { "who" } th { "what" } th.n { "value" } th { "behind it" } th { "source" } th { "status" } } }
                tbody { @for v in values { tr {
                    td { (v.subject) }
                    td { (v.quantity) " " (v.target) " " (v.epoch) details.meaning { summary { "exactly" } (v.meaning) } }
                    td.n data-of="value" { (v.value) @if let Some(s) = v.spread { " ± " (s) " (" (v.spread_kind) ")" } @if v.unit != "1" { " " (v.unit) } }
                    td.small { (v.n) } td.small { (linked(&v.source)) } td.small { (v.status.name()) }
                } } }
            }
        }
    } }
}

/// A source with its DOI as a link, where it has one.
fn linked(source: &str) -> Markup {
    let doi = source
        .split([' ', ',', ';', ')'])
        .find(|part| part.trim_start_matches("doi:").starts_with("10."));
    html! {
        (source)
        @if let Some(doi) = doi {
            " " a href={ "https://doi.org/" (doi.trim_start_matches("doi:").trim_end_matches('.')) } { "DOI" }
        }
    }
}

fn provenance(card: &Card, card_hash: &str) -> Markup {
    html! {
        h2 id="provenance" { "To check it" }
        p { "Card: " a href="card.json" { "card.json" } ", sha256 " code.small { (card_hash) } ". " (card.program) ", processor " (card.processor.join(" ")) ". "
            code { "mpong verify card.json" } " computes it again." }
        details { summary { "What went in (sha256)" }
            table.wide { tbody {
                @for s in &card.sets { tr { th scope="row" { "set " (s.name) } td.hash { (s.sha256) } } }
                @for i in &card.inputs { tr { th scope="row" { (i.role.flag()) " " (i.name) @if i.file != i.name { " (" (i.file) ")" } } td.hash { (i.sha256) } } }
            } }
        }
        @for row in card.rows.iter().filter(|r| r.kind == RowKind::Model && !r.facts.is_empty()) {
            details { summary { "Model " (row.name) }
                table.wide { tbody { @for f in &row.facts { tr { th scope="row" { (f.name) } td.hash { (f.value) } } } } }
            }
        }
        details { summary { "Seeds" }
            ul { @for s in &card.seeds { li { (s.purpose) ": " (s.value) } } }
        }
        details { summary { "Configuration" }
            pre.small { (serde_json::to_string_pretty(&card.config).unwrap_or_default()) }
        }
    }
}
