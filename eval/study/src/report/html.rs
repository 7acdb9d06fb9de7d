//! The page: pictures first, then tables, then what is needed to check it. It loads nothing from anywhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ReportInput;
use super::figures::Figure;
use super::number::{fixed, mean_sd};
use crate::card::{Card, RowKind};
use crate::published;
use mental_pong_eval::decode::Epoch;

pub(crate) const STYLE: &str = "
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1b1b;--mut:#555;--line:#d9d9d9;--card:#f5f6f8;--bad:#a33000;--good:#00613f}
@media (prefers-color-scheme:dark){:root{--bg:#16181c;--fg:#e6e6e6;--mut:#b3b8bf;--line:#3a3f47;--card:#20242a;--bad:#ff9a70;--good:#4fd6a6}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
main{max-width:1180px;margin:0 auto;padding:16px}
h1{font-size:1.6rem;line-height:1.2;margin:.3em 0}h2{font-size:1.25rem;margin:2em 0 .5em}h3{font-size:1.05rem;margin:.2em 0 .5em}
p,li{max-width:44em}.mut{color:var(--mut)}.small{font-size:.875rem}
.note{background:var(--card);border-left:4px solid #d55e00;padding:.6em 1em;margin:1em 0}
.sum{background:var(--card);padding:.4em 1em;border-radius:6px;max-width:48em}
.figs{display:grid;grid-template-columns:minmax(0,1fr);gap:28px;align-items:start}
@media (min-width:900px){.figs{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}}
figure{margin:0;min-width:0}figure svg{display:block;width:100%;height:auto;max-width:600px}
figcaption{font-size:.9rem;color:var(--mut);margin-top:.4em;max-width:38em}
.scroll{overflow-x:auto;margin:.6em 0}
table{border-collapse:collapse;font-size:.9rem}th,td{border-bottom:1px solid var(--line);padding:.3em .6em;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.hash{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.8rem;word-break:break-all}
th[scope=rowgroup]{background:var(--card)}
.yes{color:var(--good);font-weight:600}.no{color:var(--bad);font-weight:600}
details{margin:.6em 0}summary{cursor:pointer}
";

pub(super) fn page(
    input: &ReportInput,
    card: &Card,
    figures: &[Figure],
    card_hash: &str,
) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (input.title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { (input.title) }
                p.note { (card.data_statement) }
                div.sum { @for line in summary(input, card) { p { (line) } } }
                (checks(card))
                h2 { "Pictures" }
                div.figs { @for f in figures {
                    figure id=(f.name) {
                        h3 { (f.title) }
                        (PreEscaped(&f.svg))
                        figcaption { (f.caption) }
                    }
                } }
                h2 { "What this score does not show" }
                ul { @for line in &card.does_not_show { li { (line) } } }
                h2 { "Tables" }
                (decode_tables(card))
                (behavior(card))
                (published_table(input))
                (rows(card))
                (models(card))
                (provenance(card, card_hash))
            } }
        }
    }
    .into_string()
}

/// Plain sentences made from the numbers.
fn summary(input: &ReportInput, card: &Card) -> Vec<String> {
    let mut out = Vec::new();
    let Some(row) = card.row(&input.headline_row, &card.primary_readout) else {
        return out;
    };
    let r = |name: &str, target: &str| {
        card.row(name, &card.primary_readout)
            .and_then(|row| row.get(Epoch::Hidden, target))
            .map(|s| s.r)
    };
    out.push(format!(
        "Question: when a ball passes behind an occluder, how well does the forecast of “{}” still tell where it is? A linear map is fitted on some conditions and tested on others, {} times ({} conditions, {} bins of 50 ms).",
        row.name, card.splits.n, card.n_conditions, card.n_bins
    ));
    if let (Some(x), Some(y)) = (r(&row.name, "x"), r(&row.name, "y")) {
        let error = |t: &str| {
            row.get(Epoch::Hidden, t)
                .map_or(String::new(), |s| fixed(s.mae.mean, 2))
        };
        out.push(format!(
            "Answer: while the ball is hidden, decoded and true position correlate at {} for x and {} for y (mean ± SD over splits; 1 is perfect, 0 is nothing). The mean error is {}° in x and {}° in y.",
            or_undefined(mean_sd(x.mean, x.sd, 3)),
            or_undefined(mean_sd(y.mean, y.sd, 3)),
            error("x"),
            error("y")
        ));
        if let (Some(dx), Some(dy)) = (
            published::find(&input.published, "dmfc-r-x-hidden"),
            published::find(&input.published, "dmfc-r-y-hidden"),
        ) {
            let side = |v: f64, d: f64| {
                let gap = v - d;
                if gap.is_nan() {
                    "undefined".to_owned()
                } else if gap.abs() < 0.0005 {
                    "equal to it".to_owned()
                } else {
                    format!(
                        "{} {} it",
                        fixed(gap.abs(), 3),
                        if gap > 0.0 { "above" } else { "below" }
                    )
                }
            };
            out.push(format!(
                "For comparison, the same kind of read-out from the dorsomedial frontal cortex (DMFC) of two monkeys gave {} for x and {} for y. This row is {} in x and {} in y. The two are not measured alike: the recordings are noisy and their factors were fitted on all conditions.",
                fixed(dx.value, 3),
                fixed(dy.value, 3),
                side(x.mean, dx.value),
                side(y.mean, dy.value)
            ));
        }
        let nulls: Vec<String> = input
            .null_rows
            .iter()
            .filter_map(|name| {
                let (nx, ny) = (r(name, "x")?, r(name, "y")?);
                Some(format!(
                    "{name} {} / {}",
                    or_undefined(fixed(nx.mean, 3)),
                    or_undefined(fixed(ny.mean, 3))
                ))
            })
            .collect();
        if !nulls.is_empty() {
            out.push(format!(
                "To judge that: rows that do not forecast at all reach, for x / y, {}.",
                nulls.join(", ")
            ));
        }
    }
    out
}

fn or_undefined(text: String) -> String {
    if text.is_empty() {
        "undefined".into()
    } else {
        text
    }
}

fn checks(card: &Card) -> Markup {
    let failed = card.checks.iter().filter(|c| !c.passed).count();
    html! {
        @if !card.checks.is_empty() {
            p { @if failed == 0 { span.yes { "✓ All " (card.checks.len()) " checks passed." } }
                @else { span.no { "✗ " (failed) " of " (card.checks.len()) " checks failed." } } }
            details open[failed > 0] {
                summary { "The checks" }
                ul { @for c in &card.checks {
                    li { @if c.passed { span.yes { "✓ yes" } } @else { span.no { "✗ no" } } " " (c.name) ". " span.mut { (c.detail) } }
                } }
            }
        }
    }
}

fn decode_tables(card: &Card) -> Markup {
    let mut readouts: Vec<&str> = vec![&card.primary_readout];
    for row in &card.rows {
        if !readouts.contains(&row.readout.as_str()) {
            readouts.push(&row.readout);
        }
    }
    html! {
        p.small.mut { "Mean ± SD over splits. x, y in degrees; dx, dy in degrees per bin. Undefined cells are empty: a constant prediction has no correlation. All numbers with all digits are in the CSV files." }
        @for readout in readouts { @for epoch in [Epoch::Hidden, Epoch::Visible, Epoch::All] {
            @let first = readout == card.primary_readout && epoch == Epoch::Hidden;
            details open[first] {
                summary { "Decoding, epoch “" (epoch.name()) "”, read-out “" (readout) "”" }
                div.scroll { table {
                    thead { tr { th scope="col" { "row" } @for t in ["x","y","dx","dy"] { th.n scope="col" { "r " (t) } }
                        @for t in ["x","y"] { th.n scope="col" { "MAE " (t) " (°)" } } th.n scope="col" { "conditions" } th.n scope="col" { "bins" } } }
                    tbody { @for row in card.rows.iter().filter(|r| r.readout == readout) {
                        tr { th scope="row" { (row.name) }
                            @for t in ["x","y","dx","dy"] { td.n { (row.get(epoch, t).map_or(String::new(), |s| mean_sd(s.r.mean, s.r.sd, 3))) } }
                            @for t in ["x","y"] { td.n { (row.get(epoch, t).map_or(String::new(), |s| mean_sd(s.mae.mean, s.mae.sd, 2))) } }
                            td.n { (row.get(epoch, "x").map_or(0, |s| s.n_conditions)) } td.n { (row.get(epoch, "x").map_or(0, |s| s.n_bins)) } }
                    } }
                } }
            }
        } }
    }
}

fn behavior(card: &Card) -> Markup {
    html! {
        @if !card.behavior.is_empty() {
            details open { summary { "End heights (the model's paddle)" }
            div.scroll { table {
                thead { tr { th scope="col" { "row" } th.n scope="col" { "r with truth" } th.n scope="col" { "MAE over trials (°)" } th.n scope="col" { "MAE of the mean (°)" } th.n scope="col" { "conditions" } th.n scope="col" { "trials" } } }
                tbody { @for b in &card.behavior { tr { th scope="row" { (b.row) } td.n { (fixed(b.r, 3)) } td.n { (fixed(b.mae_trialwise_deg, 2)) } td.n { (fixed(b.mae_of_mean_deg, 2)) } td.n { (b.n_conditions) } td.n { (b.n_trials) } } } }
            } } }
        }
    }
}

fn published_table(input: &ReportInput) -> Markup {
    html! {
        @if !input.published.is_empty() {
            details { summary { "Published figures, with their meaning and source" }
            div.scroll { table {
                thead { tr { th scope="col" { "subject" } th scope="col" { "quantity" } th scope="col" { "epoch, target" } th.n scope="col" { "value" } th scope="col" { "meaning" } th scope="col" { "source" } } }
                tbody { @for v in &input.published { tr {
                    td { (v.subject) } td { (v.quantity) } td { (v.epoch) ", " (v.target) }
                    td.n { (v.value) @if let Some(s) = v.spread { " ± " (s) } @if v.unit == "deg" { "°" } }
                    td { (v.meaning) @if !v.spread_kind.is_empty() { ". ±: " (v.spread_kind) } ". n: " (v.n) }
                    td { (v.source) " (" (v.status.name()) ")" @if v.unit.len() > 3 { ". Unit: " (v.unit) } }
                } } }
            } } }
        }
    }
}

fn rows(card: &Card) -> Markup {
    let kinds = [RowKind::Model, RowKind::Reference, RowKind::Control];
    html! {
        details { summary { "What each row is" }
        div.scroll { table {
            thead { tr { th scope="col" { "row" } th scope="col" { "what it is" } th.n scope="col" { "features" } } }
            @for kind in kinds { tbody {
                tr { th scope="rowgroup" colspan="3" { (kind.heading()) } }
                @for row in card.rows.iter().filter(|r| r.kind == kind && r.readout == card.primary_readout) {
                    tr { th scope="row" { (row.name) } td { (row.description) } td.n { (row.units) } }
                } } }
        } } }
    }
}

fn models(card: &Card) -> Markup {
    html! {
        @for m in &card.models {
            details { summary { "Model card: " (m.name) }
                p { (m.description) }
                div.scroll { table { tbody {
                    tr { th scope="row" { "features" } td { (m.units) } }
                    @if !m.weights_sha256.is_empty() { tr { th scope="row" { "sha256 of the weights" } td.hash { (m.weights_sha256) } } }
                    @for f in &m.facts { tr { th scope="row" { (f.name) } td { (f.value) } } }
                } } }
            }
        }
    }
}

fn provenance(card: &Card, card_hash: &str) -> Markup {
    html! {
        h2 { "Provenance" }
        p { (card.program) ". Conditions: " (card.inputs.conditions) " (n = " (card.n_conditions) ", " (card.n_bins) " bins). Law of motion: " (card.inputs.law)
            ". Stimuli: " (card.inputs.preset) ". Splits: " (card.splits.n) " by condition, " (fixed(100.0 * card.splits.train, 0)) " % to fit, seed " (card.splits.seed) " (" (card.splits.method) ")." }
        details { summary { "Hashes and seeds" }
            div.scroll { table { tbody {
                @for s in &card.seeds { tr { th scope="row" { "seed: " (s.purpose) } td { (s.value) } } }
                @for h in &card.inputs.sha256 { tr { th scope="row" { (h.name) } td.hash { (h.value) } } }
                @for f in card.tables.iter().chain(&card.figures) { tr { th scope="row" { (f.name) } td.hash { (f.sha256) } } }
                tr { th scope="row" { "card.json" } td.hash { (card_hash) } }
            } } }
        }
    }
}
