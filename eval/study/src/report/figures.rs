//! The figures. Each is drawn 400 units wide, so that its text stays legible on a phone.

use super::number::{fixed, mean_sd};
use super::svg::{Anchor, LOOKS, Look, Scale, Svg, px};
use super::{ReportInput, TimePoint};
use crate::card::{Row, RowKind};
use crate::published;
use mental_pong_eval::decode::Epoch;

const WIDTH: f64 = 400.0;
const TEXT: f64 = 12.0;
const SMALL: f64 = 10.5;

pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) caption: String,
    pub(super) svg: String,
}

pub(super) fn all(input: &ReportInput) -> Vec<Figure> {
    [
        trajectories(input),
        bars(input),
        over_time(input),
        error_pattern(input),
        endpoint(input),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn trajectories(input: &ReportInput) -> Option<Figure> {
    if input.trajectories.is_empty() {
        return None;
    }
    let (columns, gap, top) = (3usize, 8.0, 62.0);
    let side = (WIDTH - 30.0 - gap * 2.0) / columns as f64;
    let rows = input.trajectories.len().div_ceil(columns);
    let pitch = side + 22.0;
    let height = top + rows as f64 * pitch + 34.0;
    let label = format!(
        "{} conditions: true path of the ball and the path decoded from {}, before and behind the occluder",
        input.trajectories.len(),
        input.headline_row
    );
    let mut svg = Svg::new(WIDTH, height, &label);
    // Legend.
    let (truth, decoded) = (&LOOKS[2], &LOOKS[0]);
    svg.path(
        &[(12.0, 14.0), (40.0, 14.0)],
        truth.class,
        truth.colour,
        1.6,
        "",
    );
    svg.text(46.0, 18.0, TEXT, Anchor::Start, "true path");
    svg.occluder(160.0, 7.0, 28.0, 14.0);
    svg.text(194.0, 18.0, TEXT, Anchor::Start, "occluder (ball not seen)");
    svg.path(
        &[(12.0, 36.0), (40.0, 36.0)],
        decoded.class,
        decoded.colour,
        2.4,
        "",
    );
    svg.text(46.0, 40.0, TEXT, Anchor::Start, "decoded, visible");
    svg.path(
        &[(160.0, 36.0), (188.0, 36.0)],
        decoded.class,
        decoded.colour,
        2.4,
        "3 2.5",
    );
    svg.marker(188.0, 36.0, 3.2, decoded, false);
    svg.text(
        196.0,
        40.0,
        TEXT,
        Anchor::Start,
        "decoded, hidden (dot: end)",
    );
    for (i, panel) in input.trajectories.iter().enumerate() {
        let left = 26.0 + (i % columns) as f64 * (side + gap);
        let y0 = top + (i / columns) as f64 * pitch;
        let x = Scale {
            data: (-10.0, 10.0),
            pixels: (left, left + side),
        };
        let y = Scale {
            data: (-10.0, 10.0),
            pixels: (y0 + side, y0),
        };
        svg.occluder(x.at(5.0), y0, x.at(10.0) - x.at(5.0), side);
        for (from, to) in [
            ((left, y0), (left + side, y0)),
            ((left, y0 + side), (left + side, y0 + side)),
            ((left, y0), (left, y0 + side)),
            ((left + side, y0), (left + side, y0 + side)),
        ] {
            svg.line(from, to, false);
        }
        svg.text(left + 2.0, y0 - 4.0, SMALL, Anchor::Start, &panel.label);
        let place = |p: &(f64, f64)| {
            if p.0.is_finite() && p.1.is_finite() {
                (x.clamped(p.0), y.clamped(p.1))
            } else {
                (f64::NAN, f64::NAN)
            }
        };
        let path: Vec<_> = panel.truth.iter().map(place).collect();
        svg.path(&path, truth.class, truth.colour, 1.6, "");
        let path: Vec<_> = panel.decoded.iter().map(place).collect();
        let first_hidden = panel
            .hidden
            .iter()
            .position(|&h| h)
            .unwrap_or(path.len())
            .min(path.len());
        svg.path(
            &path[..first_hidden],
            decoded.class,
            decoded.colour,
            2.2,
            "",
        );
        let from = first_hidden.saturating_sub(1);
        svg.path(&path[from..], decoded.class, decoded.colour, 2.2, "3 2.5");
        if let Some(&(px, py)) = path.iter().rev().find(|p| p.0.is_finite()) {
            svg.marker(px, py, 3.2, decoded, false);
        }
        if i % columns == 0 {
            for v in [-10.0, 0.0, 10.0] {
                let at = y.at(v)
                    + if v > 0.0 {
                        8.0
                    } else if v < 0.0 {
                        0.0
                    } else {
                        4.0
                    };
                svg.text(left - 3.0, at, 9.5, Anchor::End, &fixed(v, 0));
            }
        }
        if i + columns >= input.trajectories.len() {
            for (v, anchor) in [
                (-10.0, Anchor::Start),
                (0.0, Anchor::Middle),
                (10.0, Anchor::End),
            ] {
                svg.text(x.at(v), y0 + side + 11.0, 9.5, anchor, &fixed(v, 0));
            }
        }
    }
    svg.text(
        WIDTH / 2.0,
        height - 8.0,
        TEXT,
        Anchor::Middle,
        "across: x, up: y (degrees of visual angle)",
    );
    Some(Figure {
        name: "trajectories",
        title: "Where the ball went, and where the model put it".into(),
        caption: format!(
            "Each square is the 20° × 20° frame of one condition. The decoded path is read from the latents of {} by a linear map that never saw the condition: the mean over all splits in which it was held out. Paths outside of the frame are drawn at its edge.",
            input.headline_row
        ),
        svg: svg.finish(),
    })
}

fn kind_order(kind: RowKind) -> usize {
    match kind {
        RowKind::Model => 0,
        RowKind::Reference => 1,
        RowKind::Control => 2,
        RowKind::Published => 3,
    }
}

fn bars(input: &ReportInput) -> Option<Figure> {
    let mut rows: Vec<&Row> = input
        .card
        .rows
        .iter()
        .filter(|r| r.readout == input.card.primary_readout && r.kind != RowKind::Published)
        .collect();
    rows.sort_by_key(|r| kind_order(r.kind));
    if rows.is_empty() {
        return None;
    }
    let mut groups: Vec<RowKind> = Vec::new();
    for row in &rows {
        if groups.last() != Some(&row.kind) {
            groups.push(row.kind);
        }
    }
    let (row_height, head, left, right) = (19.0, 20.0, 116.0, 96.0);
    let panel = rows.len() as f64 * row_height + groups.len() as f64 * head;
    let block = panel + 84.0;
    let height = 2.0 * block;
    let lowest = rows
        .iter()
        .flat_map(|r| ["x", "y"].map(|t| r.get(Epoch::Hidden, t)))
        .flatten()
        .map(|s| s.r.mean - s.r.sd)
        .filter(|v| v.is_finite())
        .fold(0.0, f64::min);
    let low = (lowest * 5.0).floor().max(-5.0) / 5.0;
    let mut svg = Svg::new(
        WIDTH,
        height,
        "Correlation of decoded and true position while the ball is hidden, for each row, beside DMFC",
    );
    for (block_index, target) in ["x", "y"].into_iter().enumerate() {
        let top = block_index as f64 * block;
        let dmfc = published::find(&input.published, &format!("dmfc-r-{target}-hidden"));
        svg.bold(
            8.0,
            top + 18.0,
            13.0,
            Anchor::Start,
            &format!(
                "{target}: {} position of the hidden ball",
                if target == "x" {
                    "horizontal"
                } else {
                    "vertical"
                }
            ),
        );
        let x = Scale {
            data: (low, 1.0),
            pixels: (left, WIDTH - right),
        };
        let (y0, y1) = (top + 46.0, top + 46.0 + panel);
        let (ticks, digits) = x.ticks(if low < -0.1 { 4 } else { 5 });
        for tick in ticks {
            svg.line((x.at(tick), y0), (x.at(tick), y1), true);
            svg.text(
                x.at(tick),
                y1 + 13.0,
                SMALL,
                Anchor::Middle,
                &fixed(tick, digits),
            );
        }
        if let Some(v) = dmfc {
            let sd = v.spread.unwrap_or(0.0);
            svg.push(format_args!(
                "<rect class=\"c1f\" fill=\"#d55e00\" fill-opacity=\"0.22\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                px(x.at(v.value - sd)), px(y0), px((x.at((v.value + sd).min(1.0)) - x.at(v.value - sd)).max(1.0)), px(y1 - y0)
            ));
            svg.path(
                &[(x.at(v.value), y0 - 4.0), (x.at(v.value), y1)],
                "c1",
                "#d55e00",
                1.6,
                "4 2",
            );
            svg.text(
                WIDTH - 6.0,
                y0 - 8.0,
                SMALL,
                Anchor::End,
                &format!(
                    "dashed: DMFC {}",
                    mean_sd(v.value, v.spread.unwrap_or(f64::NAN), 3)
                ),
            );
        }
        svg.line((x.at(0.0), y0), (x.at(0.0), y1), false);
        let mut y = y0;
        let mut group = None;
        for row in &rows {
            if group != Some(row.kind) {
                group = Some(row.kind);
                let heading = match row.kind {
                    RowKind::Model => "Models",
                    RowKind::Reference => "References",
                    RowKind::Control => "Controls",
                    RowKind::Published => "Published",
                };
                svg.bold(8.0, y + 14.0, SMALL, Anchor::Start, heading);
                y += head;
            }
            let middle = y + row_height / 2.0;
            svg.text(left - 6.0, middle + 4.0, SMALL, Anchor::End, &row.name);
            match row.get(Epoch::Hidden, target) {
                Some(s) if s.r.mean.is_finite() => {
                    let (a, b) = (x.clamped(0.0), x.clamped(s.r.mean));
                    let (fill, stroke) = match row.kind {
                        RowKind::Model => ("fill-opacity=\"0.85\"", ""),
                        RowKind::Reference => {
                            ("fill-opacity=\"0.12\"", " stroke-dasharray=\"3 2\"")
                        }
                        _ => ("fill-opacity=\"0.30\"", ""),
                    };
                    let look = if row.kind == RowKind::Model {
                        &LOOKS[0]
                    } else {
                        &LOOKS[2]
                    };
                    svg.push(format_args!(
                        "<rect class=\"{c}f {c}s\" fill=\"{k}\" {fill} stroke=\"{k}\" stroke-width=\"1\"{stroke} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                        px(a.min(b)), px(y + 3.0), px((a - b).abs()), px(row_height - 6.0),
                        c = look.class, k = look.colour
                    ));
                    let (l, r) = (x.clamped(s.r.mean - s.r.sd), x.clamped(s.r.mean + s.r.sd));
                    svg.line((l, middle), (r, middle), false);
                    svg.line((l, middle - 3.0), (l, middle + 3.0), false);
                    svg.line((r, middle - 3.0), (r, middle + 3.0), false);
                    svg.text(
                        WIDTH - 6.0,
                        middle + 4.0,
                        SMALL,
                        Anchor::End,
                        &mean_sd(s.r.mean, s.r.sd, 3),
                    );
                }
                _ => svg.text(WIDTH - 6.0, middle + 4.0, SMALL, Anchor::End, "undefined"),
            }
            y += row_height;
        }
        svg.text(
            (left + WIDTH - right) / 2.0,
            y1 + 29.0,
            TEXT,
            Anchor::Middle,
            &format!("Pearson r of decoded and true {target}"),
        );
    }
    let dmfc = published::find(&input.published, "dmfc-r-x-hidden");
    Some(Figure {
        name: "hidden_r",
        title: "How well each row follows the hidden ball".into(),
        caption: format!(
            "Correlation over held-out bins behind the occluder, read-out `{}`. Bars: mean over splits; whiskers: ± SD over splits, which overlap, so this is a spread and not a standard error. Filled: models; dashed outline: references that know more than a model may; grey: controls. {}",
            input.card.primary_readout,
            dmfc.map_or(String::new(), |v| format!(
                "The dashed line with its band is DMFC of two monkeys, mean ± SD over splits ({}); its factors were fitted on all conditions.",
                v.source
            ))
        ),
        svg: svg.finish(),
    })
}

struct Panel<'a> {
    axis: &'a str,
    lines: Vec<&'a [TimePoint]>,
    correlation: bool,
}

/// Panels under each other with one time axis.
fn time_figure(
    label: &str,
    x_label: &str,
    names: &[&str],
    panels: &[Panel<'_>],
    mark: Option<(f64, &str)>,
) -> String {
    let (left, right, inner, gap) = (46.0, 10.0, 138.0, 16.0);
    let legend_rows = names.len().div_ceil(2);
    let top = 12.0 + 18.0 * legend_rows as f64 + if mark.is_some() { 20.0 } else { 6.0 };
    let height = top + panels.len() as f64 * (inner + gap) + 34.0;
    let mut svg = Svg::new(WIDTH, height, label);
    for (i, name) in names.iter().enumerate() {
        let look = &LOOKS[i % LOOKS.len()];
        let (x, y) = (10.0 + (i % 2) as f64 * 195.0, 14.0 + (i / 2) as f64 * 18.0);
        svg.path(
            &[(x, y), (x + 34.0, y)],
            look.class,
            look.colour,
            2.0,
            look.dash,
        );
        svg.marker(x + 17.0, y, 3.2, look, false);
        svg.text(x + 40.0, y + 4.0, TEXT, Anchor::Start, name);
    }
    let all = || panels.iter().flat_map(|p| &p.lines).flat_map(|l| l.iter());
    let t_low = all().map(|p| p.t_ms).fold(f64::INFINITY, f64::min);
    let t_high = all().map(|p| p.t_ms).fold(f64::NEG_INFINITY, f64::max);
    if t_low.partial_cmp(&t_high) != Some(std::cmp::Ordering::Less) {
        return svg.finish();
    }
    let x = Scale {
        data: (t_low, t_high),
        pixels: (left, WIDTH - right),
    };
    for (index, panel) in panels.iter().enumerate() {
        let y0 = top + index as f64 * (inner + gap);
        let y1 = y0 + inner;
        let values = panel
            .lines
            .iter()
            .flat_map(|l| l.iter())
            .filter(|p| p.mean.is_finite());
        let (mut low, mut high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| {
            (l.min(p.mean), h.max(p.mean))
        });
        if panel.correlation {
            low = (low.min(0.0) * 5.0).floor() / 5.0;
            high = 1.0;
        } else {
            low = 0.0;
            high = if high > 0.0 { high * 1.08 } else { 1.0 };
        }
        if !low.is_finite() {
            low = 0.0;
        }
        let y = Scale {
            data: (low, high),
            pixels: (y1, y0),
        };
        if let Some((at, text)) = mark
            && at < t_high
            && at >= t_low
        {
            svg.occluder(x.at(at), y0, x.at(t_high) - x.at(at), inner);
            svg.line((x.at(at), y0), (x.at(at), y1), false);
            if index == 0 {
                svg.text(x.at(at) + 4.0, y0 - 5.0, SMALL, Anchor::Start, text);
            }
        }
        svg.axes((left, WIDTH - right), &y, SMALL);
        svg.vertical_text(12.0, (y0 + y1) / 2.0, TEXT, panel.axis);
        for (i, line) in panel.lines.iter().enumerate() {
            let look: &Look = &LOOKS[i % LOOKS.len()];
            if i == 0 {
                let band: Vec<_> = line
                    .iter()
                    .map(|p| {
                        (
                            x.at(p.t_ms),
                            y.clamped(p.mean + p.sd),
                            y.clamped(p.mean - p.sd),
                        )
                    })
                    .collect();
                svg.band(&band, look);
            }
            let points: Vec<_> = line
                .iter()
                .map(|p| {
                    (
                        x.at(p.t_ms),
                        if p.mean.is_finite() {
                            y.clamped(p.mean)
                        } else {
                            f64::NAN
                        },
                    )
                })
                .collect();
            svg.path(&points, look.class, look.colour, 2.0, look.dash);
            for (j, &(px, py)) in points.iter().enumerate() {
                if j % 6 == i % 6 {
                    svg.marker(px, py, 2.8, look, false);
                }
            }
        }
        if index + 1 == panels.len() {
            for tick in x.ticks(6).0 {
                svg.line((x.at(tick), y1), (x.at(tick), y1 + 4.0), false);
                svg.text(
                    x.at(tick),
                    y1 + 15.0,
                    SMALL,
                    Anchor::Middle,
                    &fixed(tick, 0),
                );
            }
            svg.text(
                (left + WIDTH - right) / 2.0,
                y1 + 31.0,
                TEXT,
                Anchor::Middle,
                x_label,
            );
        }
    }
    svg.finish()
}

fn over_time(input: &ReportInput) -> Option<Figure> {
    let lines = &input.over_time[..input.over_time.len().min(LOOKS.len())];
    if lines.is_empty() {
        return None;
    }
    let names: Vec<&str> = lines.iter().map(|l| l.name.as_str()).collect();
    let panels = [
        Panel {
            axis: "r of x",
            lines: lines.iter().map(|l| l.r_x.as_slice()).collect(),
            correlation: true,
        },
        Panel {
            axis: "r of y",
            lines: lines.iter().map(|l| l.r_y.as_slice()).collect(),
            correlation: true,
        },
        Panel {
            axis: "distance (degrees)",
            lines: lines.iter().map(|l| l.distance.as_slice()).collect(),
            correlation: false,
        },
    ];
    Some(Figure {
        name: "over_time",
        title: "Accuracy over time".into(),
        caption: format!(
            "One linear read-out for all times, tested on held-out conditions. r: Pearson correlation across conditions at each 50-ms bin; distance: mean distance of decoded and true ball. Shaded: behind the occluder. Lines: mean over splits; band ({} only): ± SD over splits. Late bins have fewer conditions, since trials differ in length.",
            names[0]
        ),
        svg: time_figure(
            "Correlation and distance of decoded and true position over time from the onset of occlusion",
            "time from the onset of occlusion (ms)",
            &names,
            &panels,
            Some((0.0, "ball hidden →")),
        ),
    })
}

fn endpoint(input: &ReportInput) -> Option<Figure> {
    let lines = &input.endpoint[..input.endpoint.len().min(LOOKS.len())];
    if lines.is_empty() {
        return None;
    }
    let names: Vec<&str> = lines.iter().map(|l| l.name.as_str()).collect();
    let panels = [
        Panel {
            axis: "r of end height",
            lines: lines.iter().map(|l| l.r.as_slice()).collect(),
            correlation: true,
        },
        Panel {
            axis: "mean |error| (degrees)",
            lines: lines.iter().map(|l| l.mae.as_slice()).collect(),
            correlation: false,
        },
    ];
    Some(Figure {
        name: "endpoint",
        title: "How early the end of the path can be read".into(),
        caption: "One static decoder (principal components of the training conditions, least squares) reads the height at which the ball will end, at every time from the start of motion; Pearson correlation and mean absolute error across held-out conditions, mean over splits (band: ± SD, first row only). In DMFC the published r rises to about 0.7 to 0.8 within 250 ms and stays there (read from Fig. 5B of 2025 by eye).".into(),
        svg: time_figure(
            "End height decoded over time from the start of motion: correlation and error",
            "time from the start of motion (ms)",
            &names,
            &panels,
            None,
        ),
    })
}

fn error_pattern(input: &ReportInput) -> Option<Figure> {
    let p = input.error_pattern.as_ref()?;
    let height = 640.0;
    let mut svg = Svg::new(
        WIDTH,
        height,
        &format!(
            "End height of {} against the true end height, and its error for each condition",
            input.headline_row
        ),
    );
    let look = &LOOKS[0];
    let limit = p
        .mean_paddle
        .iter()
        .chain(&p.truth)
        .filter(|v| v.is_finite())
        .fold(10.0f64, |m, v| m.max(v.abs()))
        .min(20.0);
    let x = Scale {
        data: (-10.0, 10.0),
        pixels: (50.0, 388.0),
    };
    let y = Scale {
        data: (-limit, limit),
        pixels: (330.0, 20.0),
    };
    for tick in [-10.0, -5.0, 0.0, 5.0, 10.0] {
        svg.line((x.at(tick), 20.0), (x.at(tick), 330.0), true);
        svg.line((50.0, y.at(tick)), (388.0, y.at(tick)), true);
        svg.text(x.at(tick), 345.0, SMALL, Anchor::Middle, &fixed(tick, 0));
        svg.text(45.0, y.at(tick) + 4.0, SMALL, Anchor::End, &fixed(tick, 0));
    }
    svg.line((50.0, 20.0), (50.0, 330.0), false);
    svg.line((50.0, 330.0), (388.0, 330.0), false);
    svg.path(
        &[(x.at(-10.0), y.at(-10.0)), (x.at(10.0), y.at(10.0))],
        "c2",
        "#555555",
        1.2,
        "4 3",
    );
    svg.text(x.at(4.2), y.at(7.6), SMALL, Anchor::End, "equal (dashed)");
    for (&t, &m) in p.truth.iter().zip(&p.mean_paddle) {
        if m.is_finite() {
            svg.marker(x.clamped(t), y.clamped(m), 3.4, look, true);
        }
    }
    svg.text(
        219.0,
        361.0,
        TEXT,
        Anchor::Middle,
        "true end height (degrees)",
    );
    svg.vertical_text(14.0, 175.0, TEXT, "decoded end height (degrees)");
    svg.text(
        56.0,
        34.0,
        SMALL,
        Anchor::Start,
        &format!(
            "r {}, slope {}, n = {}",
            fixed(p.r, 3),
            fixed(p.slope, 2),
            p.n_conditions
        ),
    );
    // Errors, conditions in order of the true end height.
    let mut order: Vec<usize> = (0..p.truth.len())
        .filter(|&i| p.error[i].is_finite())
        .collect();
    order.sort_by(|&a, &b| p.truth[a].total_cmp(&p.truth[b]).then(a.cmp(&b)));
    let worst = order.iter().map(|&i| p.error[i].abs()).fold(1.0, f64::max) * 1.05;
    let x = Scale {
        data: (-1.0, order.len().max(1) as f64),
        pixels: (50.0, 388.0),
    };
    let y = Scale {
        data: (-worst, worst),
        pixels: (590.0, 400.0),
    };
    let (ticks, digits) = y.ticks(5);
    for tick in ticks {
        svg.line((50.0, y.at(tick)), (388.0, y.at(tick)), true);
        svg.text(
            45.0,
            y.at(tick) + 4.0,
            SMALL,
            Anchor::End,
            &fixed(tick, digits),
        );
    }
    svg.line((50.0, 400.0), (50.0, 590.0), false);
    svg.line((50.0, y.at(0.0)), (388.0, y.at(0.0)), false);
    for (rank, &i) in order.iter().enumerate() {
        let at = x.at(rank as f64);
        svg.path(
            &[(at, y.at(0.0)), (at, y.at(p.error[i]))],
            look.class,
            look.colour,
            1.6,
            "",
        );
        svg.marker(at, y.at(p.error[i]), 2.2, look, false);
    }
    svg.vertical_text(14.0, 495.0, TEXT, "error (degrees)");
    svg.text(
        219.0,
        608.0,
        TEXT,
        Anchor::Middle,
        "conditions, from the lowest true end to the highest",
    );
    svg.text(
        219.0,
        626.0,
        SMALL,
        Anchor::Middle,
        "error = decoded − true end height",
    );
    Some(Figure {
        name: "error_pattern",
        title: "Where the model errs".into(),
        caption: format!(
            "The last decoded height is the model's paddle. Mean |error| of the condition means: {}°; over trials: {}° (the same thing for a model without noise). Both are named because published figures use one or the other.",
            fixed(p.mae_of_mean, 2),
            fixed(p.mae_trialwise, 2)
        ),
        svg: svg.finish(),
    })
}
