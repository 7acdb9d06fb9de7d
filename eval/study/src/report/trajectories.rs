//! Where the ball went, and where a model put it.

use super::number::fixed;
use super::svg::{Anchor, LOOKS, Scale, Svg};

const WIDTH: f64 = 400.0;
const TEXT: f64 = 12.0;
const SMALL: f64 = 10.5;

/// The path of one condition. All `[row]` in one order of time, degrees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panel {
    /// Heading, for example `condition 55062`.
    pub(crate) label: String,
    /// `[row]`, true path x, y; NaN is missing.
    pub(crate) truth: Vec<(f64, f64)>,
    /// `[row]`, path decoded from held-out conditions; NaN is missing.
    pub(crate) decoded: Vec<(f64, f64)>,
    /// `[row]`, behind the occluder.
    pub(crate) hidden: Vec<bool>,
}

/// Panels of true and decoded paths, three in a row.
pub(crate) fn trajectories(name: &str, panels: &[Panel]) -> String {
    let (columns, gap, top) = (3usize, 8.0, 62.0);
    let side = (WIDTH - 30.0 - gap * 2.0) / columns as f64;
    let rows = panels.len().div_ceil(columns);
    let pitch = side + 22.0;
    let height = top + rows as f64 * pitch + 34.0;
    let label = format!(
        "{} conditions: true path of the ball and the path decoded from {}, before and behind the occluder",
        panels.len(),
        name
    );
    let mut svg = Svg::new(WIDTH, height, &label);
    legend(&mut svg);
    for (i, panel) in panels.iter().enumerate() {
        let corner = (
            26.0 + (i % columns) as f64 * (side + gap),
            top + (i / columns) as f64 * pitch,
        );
        let ticks = (i % columns == 0, i + columns >= panels.len());
        draw(&mut svg, panel, corner, side, ticks);
    }
    svg.text(
        WIDTH / 2.0,
        height - 8.0,
        TEXT,
        Anchor::Middle,
        "across: x, up: y (degrees of visual angle)",
    );
    svg.finish()
}

fn legend(svg: &mut Svg) {
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
}

/// One square: the field, the occluder, both paths.
fn draw(svg: &mut Svg, panel: &Panel, (left, y0): (f64, f64), side: f64, ticks: (bool, bool)) {
    let (truth, decoded) = (&LOOKS[2], &LOOKS[0]);
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
    if ticks.0 {
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
    if ticks.1 {
        for (v, anchor) in [
            (-10.0, Anchor::Start),
            (0.0, Anchor::Middle),
            (10.0, Anchor::End),
        ] {
            svg.text(x.at(v), y0 + side + 11.0, 9.5, anchor, &fixed(v, 0));
        }
    }
}
