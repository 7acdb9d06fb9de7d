//! The page of a study: everything side by side first, then a section an analysis.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::scores::{Score, Section, StudyCard};
use crate::card::RowKind;
use crate::report::html::STYLE;
use crate::report::number::fixed;

/// A figure of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Analysis it belongs to.
    pub analysis: String,
    /// File name without ending.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What is drawn, and what must be known about it.
    pub caption: String,
    /// The picture.
    pub svg: String,
}

/// A column of the table at the top: analysis, metric, heading, what it says.
pub(super) struct Column {
    pub(super) analysis: &'static str,
    pub(super) metric: &'static str,
    pub(super) heading: &'static str,
    pub(super) means: &'static str,
}

/// The columns of the table at the top, in order.
pub(super) const SIDE_BY_SIDE: [Column; 7] = [
    Column {
        analysis: "decode",
        metric: "r of x, hidden",
        heading: "finds hidden x",
        means: "correlation of the ball's true horizontal position, while it is hidden, with what a linear read-out finds on conditions it was not fitted on; 1 is perfect",
    },
    Column {
        analysis: "decode",
        metric: "r of y, hidden",
        heading: "finds hidden y",
        means: "the same for the vertical position, which is what the paddle needs",
    },
    Column {
        analysis: "endpoint",
        metric: "r of end height, 250 ms hidden",
        heading: "foresees the end",
        means: "correlation of the true end height with what is read out 250 ms after the ball disappeared",
    },
    Column {
        analysis: "rsa",
        metric: "r_xy_n_sb, occ_end",
        heading: "similar to DMFC",
        means: "similarity of representational geometry with DMFC while the ball is hidden, corrected for noise",
    },
    Column {
        analysis: "predictivity",
        metric: "median r_xy_n_sb, hidden",
        heading: "predicts units",
        means: "noise-corrected correlation with the responses of single units on held-out conditions, median over units",
    },
    Column {
        analysis: "behavior",
        metric: "|mean error|",
        heading: "error (°)",
        means: "mean over conditions of |mean paddle − ball| at the end, degrees; smaller is better",
    },
    Column {
        analysis: "behavior",
        metric: "consistency with the animals",
        heading: "errs alike",
        means: "noise-corrected correlation of error patterns over conditions with those of the animals in the recording",
    },
];

pub(super) fn page(card: &StudyCard, figures: &[Figure], card_hash: &str) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Mental-Pong: models, brain and behaviour" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { "Models, brain and behaviour on Mental-Pong" }
                p.note { (card.data_statement) }
                (side_by_side(card))
                (checks(card))
                @for section in &card.sections { (section_of(section, figures)) }
                @if !card.skipped.is_empty() {
                    h2 { "Not run" }
                    ul { @for s in &card.skipped { li { b { (s.name) } ": " (s.value) } } }
                }
                h2 { "To check it" }
                p { "Card: " code { "card.json" } ", sha256 " code { (card_hash) } ". " (card.program) "." }
                details { summary { "What went in (sha256)" }
                    div.scroll { table { tbody {
                        @for i in &card.inputs { tr { th scope="row" { (i.name) } td.hash { (i.value) } } }
                    } } }
                }
                details { summary { "Seeds" }
                    ul { @for s in &card.seeds { li { (s.purpose) ": " (s.value) } } }
                }
                details { summary { "Configuration" }
                    pre.small { (serde_json::to_string_pretty(&card.config).unwrap_or_default()) }
                }
            } }
        }
    }
    .into_string()
}

/// Order of the kinds of rows.
pub(super) fn kind_rank(kind: RowKind) -> u8 {
    match kind {
        RowKind::Model => 0,
        RowKind::Published => 1,
        RowKind::Reference => 2,
        RowKind::Control => 3,
    }
}

/// Rows of the table at the top: name, kind and a score for each of [`SIDE_BY_SIDE`].
pub(super) fn side_rows(card: &StudyCard) -> Vec<(String, RowKind, Vec<Option<&Score>>)> {
    let mut rows: Vec<(String, RowKind)> = Vec::new();
    for column in &SIDE_BY_SIDE {
        let section = card.sections.iter().find(|s| s.analysis == column.analysis);
        for score in section.into_iter().flat_map(|s| &s.scores) {
            if score.metric == column.metric && !rows.iter().any(|(name, _)| *name == score.row) {
                rows.push((score.row.clone(), score.kind));
            }
        }
    }
    rows.sort_by_key(|(_, kind)| kind_rank(*kind));
    rows.into_iter()
        .map(|(name, kind)| {
            let scores = SIDE_BY_SIDE
                .iter()
                .map(|c| card.score(c.analysis, &name, c.metric))
                .collect();
            (name, kind, scores)
        })
        .collect()
}

fn side_by_side(card: &StudyCard) -> Markup {
    let rows = side_rows(card);
    let used: Vec<usize> = (0..SIDE_BY_SIDE.len())
        .filter(|&i| rows.iter().any(|r| r.2[i].is_some()))
        .collect();
    html! {
        h2 { "Side by side" }
        p { "A ball passes behind an occluder. Each row is a model, the recorded brain, those who played, or a control; each \
             column asks one thing of it. A model is of interest where it stands above the controls and near the brain." }
        div.scroll { table {
            thead { tr { th { } @for &i in &used { th.n { (SIDE_BY_SIDE[i].heading) } } } }
            tbody {
                @for (at, (name, kind, scores)) in rows.iter().enumerate() {
                    @if at == 0 || rows[at - 1].1 != *kind {
                        tr { th scope="rowgroup" colspan=(used.len() + 1) { (super::group(*kind)) } }
                    }
                    tr {
                        th scope="row" { (name) }
                        @for &i in &used { td.n { @match scores[i] {
                            Some(s) if s.value.is_finite() => {
                                b { (fixed(s.value, 3)) }
                                @if s.low.is_finite() { br; span.mut.small { (fixed(s.low, 2)) " to " (fixed(s.high, 2)) } }
                            }
                            Some(_) => span.mut { "undefined" },
                            None => span.mut { "–" },
                        } } }
                    }
                }
            }
        } }
        details open[true] { summary { "What the columns say" }
            ul { @for &i in &used { li { b { (SIDE_BY_SIDE[i].heading) } ": " (SIDE_BY_SIDE[i].means) "." } } }
        }
        @let known: Vec<_> = rows
            .iter()
            .filter_map(|(name, ..)| card.rows.iter().find(|r| r.name == *name && !r.value.is_empty()))
            .collect();
        @if !known.is_empty() {
            details open[true] { summary { "What the rows are" }
                ul { @for row in &known { li { b { (row.name) } ": " (row.value) "." } } }
            }
        }
    }
}

fn checks(card: &StudyCard) -> Markup {
    let failed = card.checks.iter().filter(|c| !c.passed).count();
    html! {
        @if !card.checks.is_empty() {
            h2 { "Checks" }
            p { @if failed == 0 {
                span.yes { "All " (card.checks.len()) " passed." }
            } @else {
                span.no { (failed) " of " (card.checks.len()) " failed." }
            } }
            details open[failed > 0] { summary { "Each check" }
                div.scroll { table { tbody {
                    @for c in &card.checks { tr {
                        td { @if c.passed { span.yes { "yes" } } @else { span.no { "no" } } }
                        td { (c.name) }
                        td.mut { (c.detail) }
                    } }
                } } }
            }
        }
    }
}

fn section_of(section: &Section, figures: &[Figure]) -> Markup {
    let ceilings = section.scores.iter().any(|s| s.ceiling.is_finite());
    let notes = section.scores.iter().any(|s| !s.note.is_empty());
    html! {
        h2 id=(section.analysis) { (title(&section.analysis)) }
        p { (section.question) }
        @for w in &section.warnings { p.note { (w) } }
        div.figs { @for f in figures.iter().filter(|f| f.analysis == section.analysis) {
            figure id=(f.name) {
                h3 { (f.title) }
                (PreEscaped(&f.svg))
                figcaption { (f.caption) }
            }
        } }
        p.mut.small { (section.method) }
        details open[section.scores.len() <= 24] { summary { (section.scores.len()) " numbers" }
            div.scroll { table {
                thead { tr {
                    th { "row" } th { "number" } th.n { "value" } th.n { "interval" }
                    @if ceilings { th.n { "ceiling" } }
                    th { "n" }
                    @if notes { th { "note" } }
                } }
                tbody { @for s in &section.scores { tr {
                    td { (s.row) }
                    td { (s.metric) @if !s.unit.is_empty() { span.mut { " (" (s.unit) ")" } } }
                    td.n { @if s.value.is_finite() { (fixed(s.value, 4)) } @else { "undefined" } }
                    td.n { @if s.low.is_finite() {
                        (fixed(s.low, 4)) " to " (fixed(s.high, 4)) br; span.mut.small { (s.interval) }
                    } }
                    @if ceilings { td.n { (fixed(s.ceiling, 4)) } }
                    td { (s.n) }
                    @if notes { td.small { (s.note) } }
                } } }
            } }
        }
    }
}

/// Heading of an analysis.
pub(super) fn title(analysis: &str) -> &str {
    match analysis {
        "reliability" => "How reliable the recordings are",
        "dimensionality" => "How many dimensions they have",
        "decode" => "Can the hidden ball be read out?",
        "variables" => "What else can be read out?",
        "endpoint" => "How early is the end foreseen?",
        "rsa" => "Is the geometry like that of DMFC?",
        "predictivity" => "Are the responses of units predicted?",
        "behavior" => "Who errs how, and who errs alike?",
        "encoding" => "What drives single units?",
        "contact" => "Will the objects touch?",
        "comparison" => "Which differences hold?",
        "attributes" => "What goes with the scores?",
        other => other,
    }
}
