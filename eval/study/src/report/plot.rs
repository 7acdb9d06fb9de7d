//! Plain plots that any analysis can use. Each is drawn 400 units wide and has its numbers written beside it.

use super::number::fixed;
use super::svg::{Anchor, LOOKS, Look, Scale, Svg, px};

const WIDTH: f64 = 400.0;
const TEXT: f64 = 12.0;
const SMALL: f64 = 10.5;

/// Width of a letter in units of the size of the text: that of a wide sans serif, so that a narrow one fits too.
const LETTER: f64 = 0.62;

/// How wide a text is drawn at most, units.
fn width(text: &str, size: f64) -> f64 {
    LETTER * size * text.chars().count() as f64
}

/// A name that fits into `room` units: its middle is left out where it is longer, as ends tell names apart.
fn fitting(name: &str, size: f64, room: f64) -> String {
    let most = ((room / (LETTER * size)) as usize).max(3);
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= most {
        return name.to_owned();
    }
    let tail = (most - 1) / 2;
    let head = most - 1 - tail;
    letters[..head]
        .iter()
        .chain(&['…'])
        .chain(&letters[letters.len() - tail..])
        .collect()
}

/// Room for names at the left of a plot: `least`, or what the longest needs, up to half of the plot.
fn margin<'a>(names: impl Iterator<Item = &'a str>, least: f64) -> f64 {
    names
        .map(|name| width(name, SMALL) + 14.0)
        .fold(least, f64::max)
        .min(WIDTH / 2.0)
}

/// One row of [`dots`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dot {
    /// Rows under one heading stand together.
    pub(crate) group: String,
    /// Name of the row.
    pub(crate) name: String,
    /// The value; NaN is written as undefined.
    pub(crate) value: f64,
    /// Lower and upper end of the interval, if there is one.
    pub(crate) interval: Option<(f64, f64)>,
    /// Filled (a model under test) or open.
    pub(crate) filled: bool,
}

/// A value drawn as a vertical line with its name, for example a ceiling.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) value: f64,
}

/// A dot plot: names at the left, values with intervals, numbers at the right.
pub(crate) fn dots(label: &str, axis: &str, rows: &[Dot], marks: &[Mark]) -> String {
    let (row_height, head, right) = (19.0, 20.0, 62.0);
    let left = margin(rows.iter().map(|r| r.name.as_str()), 128.0);
    let mut groups = 0;
    for (i, row) in rows.iter().enumerate() {
        if i == 0 || rows[i - 1].group != row.group {
            groups += 1;
        }
    }
    let top = 10.0 + 16.0 * marks.len() as f64;
    let inner = rows.len() as f64 * row_height + f64::from(groups) * head;
    let mut svg = Svg::new(WIDTH, top + inner + 46.0, label);
    let ends = rows
        .iter()
        .flat_map(|r| {
            let (low, high) = r.interval.unwrap_or((r.value, r.value));
            [r.value, low, high]
        })
        .chain(marks.iter().map(|m| m.value))
        .filter(|v| v.is_finite());
    let (low, high) = ends.fold((0.0f64, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    let high = if high > low { high } else { low + 1.0 };
    let margin = 0.04 * (high - low);
    let x = Scale {
        data: (if low < 0.0 { low - margin } else { 0.0 }, high + margin),
        pixels: (left, WIDTH - right),
    };
    let (y0, y1) = (top, top + inner);
    let (ticks, digits) = x.ticks(4);
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
    if low < 0.0 {
        svg.line((x.at(0.0), y0), (x.at(0.0), y1), false);
    }
    for (i, mark) in marks.iter().enumerate() {
        if !mark.value.is_finite() {
            continue;
        }
        let look = &LOOKS[(i + 1) % LOOKS.len()];
        let at = x.at(mark.value);
        svg.path(&[(at, y0), (at, y1)], look.class, look.colour, 1.6, "4 2");
        let y = 12.0 + 16.0 * i as f64;
        svg.path(&[(10.0, y), (34.0, y)], look.class, look.colour, 1.6, "4 2");
        svg.text(
            40.0,
            y + 4.0,
            SMALL,
            Anchor::Start,
            &format!("{}: {}", mark.name, fixed(mark.value, 3)),
        );
    }
    let mut y = y0;
    let mut group: Option<&str> = None;
    for row in rows {
        if group != Some(&row.group) {
            group = Some(&row.group);
            svg.bold(8.0, y + 14.0, SMALL, Anchor::Start, &row.group);
            y += head;
        }
        let middle = y + row_height / 2.0;
        let name = fitting(&row.name, SMALL, left - 10.0);
        svg.text(left - 8.0, middle + 4.0, SMALL, Anchor::End, &name);
        let look: &Look = if row.filled { &LOOKS[0] } else { &LOOKS[2] };
        if let Some((low, high)) = row.interval
            && low.is_finite()
            && high.is_finite()
        {
            svg.path(
                &[(x.clamped(low), middle), (x.clamped(high), middle)],
                look.class,
                look.colour,
                1.8,
                "",
            );
        }
        if row.value.is_finite() {
            svg.push(format_args!(
                "<circle class=\"{c}s{f}\" fill=\"{fill}\" stroke=\"{k}\" stroke-width=\"1.5\" cx=\"{}\" cy=\"{}\" r=\"3.6\"/>",
                px(x.clamped(row.value)),
                px(middle),
                c = look.class,
                f = if row.filled { format!(" {}f", look.class) } else { String::new() },
                fill = if row.filled { look.colour } else { "none" },
                k = look.colour,
            ));
        }
        let number = if row.value.is_finite() {
            fixed(row.value, 3)
        } else {
            "undefined".into()
        };
        svg.text(WIDTH - 6.0, middle + 4.0, SMALL, Anchor::End, &number);
        y += row_height;
    }
    svg.text(
        (left + WIDTH - right) / 2.0,
        y1 + 32.0,
        TEXT,
        Anchor::Middle,
        axis,
    );
    svg.finish()
}

/// A histogram of finite values in equal bins, with one value marked.
pub(crate) fn histogram(label: &str, axis: &str, values: &[f64], mark: Option<&Mark>) -> String {
    let (left, right, y0, y1) = (46.0, 10.0, 28.0, 190.0);
    let mut svg = Svg::new(WIDTH, 232.0, label);
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let (low, high) = finite
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| {
            (l.min(v), h.max(v))
        });
    if finite.is_empty() || high <= low {
        svg.text(
            WIDTH / 2.0,
            110.0,
            TEXT,
            Anchor::Middle,
            "fewer than two different values",
        );
        return svg.finish();
    }
    const BINS: usize = 30;
    let mut counts = [0usize; BINS];
    for v in &finite {
        let at = ((v - low) / (high - low) * BINS as f64) as usize;
        counts[at.min(BINS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let x = Scale {
        data: (low, high),
        pixels: (left, WIDTH - right),
    };
    let y = Scale {
        data: (0.0, most as f64 * 1.05),
        pixels: (y1, y0),
    };
    let (ticks, digits) = y.ticks(4);
    for tick in ticks {
        svg.line((left, y.at(tick)), (WIDTH - right, y.at(tick)), true);
        svg.text(
            left - 5.0,
            y.at(tick) + 4.0,
            SMALL,
            Anchor::End,
            &fixed(tick, digits),
        );
    }
    let width = (x.pixels.1 - x.pixels.0) / BINS as f64;
    for (i, &count) in counts.iter().enumerate() {
        let top = y.at(count as f64);
        svg.push(format_args!(
            "<rect class=\"c0f\" fill=\"#0072b2\" fill-opacity=\"0.7\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            px(left + i as f64 * width + 0.4),
            px(top),
            px(width - 0.8),
            px(y1 - top)
        ));
    }
    svg.line((left, y1), (WIDTH - right, y1), false);
    svg.x_ticks(y1, &x, 5, SMALL);
    if let Some(mark) = mark
        && mark.value >= low
        && mark.value <= high
    {
        let at = x.at(mark.value);
        svg.path(&[(at, y0), (at, y1)], "c1", "#d55e00", 1.6, "4 2");
        svg.text(
            WIDTH - right,
            18.0,
            SMALL,
            Anchor::End,
            &format!("dashed: {} {}", mark.name, fixed(mark.value, 4)),
        );
    }
    svg.text(
        (left + WIDTH - right) / 2.0,
        y1 + 34.0,
        TEXT,
        Anchor::Middle,
        axis,
    );
    svg.vertical_text(12.0, (y0 + y1) / 2.0, TEXT, "count");
    svg.finish()
}

/// x, y, lower and upper end of an interval.
pub(crate) type Point = (f64, f64, f64, f64);

/// One curve of [`curves`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// Whether it is a null: drawn in grey.
    pub(crate) null: bool,
    /// (x, y, lower, upper); NaN in y is a gap, NaN bounds are no band.
    pub(crate) points: Vec<Point>,
}

/// Dashes of grey lines, told apart without colour.
const GREY_DASHES: [&str; 5] = ["", "2 3", "7 3", "1 2", "9 3 2 3"];

/// What a curve is drawn with: its look and its dash.
fn look_of(curves: &[Curve], at: usize) -> (&'static Look, &'static str) {
    let before = curves[..at]
        .iter()
        .filter(|c| c.null == curves[at].null)
        .count();
    if curves[at].null {
        return (&LOOKS[2], GREY_DASHES[before % GREY_DASHES.len()]);
    }
    let look = &LOOKS[[0, 1, 3, 4, 5, 6][before % 6]];
    (look, look.dash)
}

/// Heights of labels that belong at `wanted`, moved apart to at least `gap` and kept within the plot.
fn apart(wanted: &[f64], gap: f64, (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut placed = wanted.to_vec();
    let mut last = f64::NEG_INFINITY;
    for &i in &order {
        placed[i] = placed[i].max(last + gap).max(top);
        last = placed[i];
    }
    let mut next = bottom + gap;
    for &i in order.iter().rev() {
        placed[i] = placed[i].min(next - gap);
        next = placed[i];
    }
    placed
}

/// Curves over one axis, with bands, each named at its end. At most seven stay legible; more are not drawn.
pub(crate) fn curves(label: &str, x_axis: &str, y_axis: &str, curves: &[Curve]) -> String {
    let curves = &curves[..curves.len().min(LOOKS.len())];
    let names = curves.iter().map(|c| width(&c.name, SMALL) + 16.0);
    let right = names.fold(24.0, f64::max).min(150.0);
    let left = 50.0;
    let (y0, y1) = (14.0, 224.0);
    let mut svg = Svg::new(WIDTH, y1 + 42.0, label);
    let points = || {
        curves
            .iter()
            .flat_map(|c| c.points.iter())
            .filter(|p| p.0.is_finite() && p.1.is_finite())
    };
    let bounds = |get: &dyn Fn(&Point) -> [f64; 3]| {
        points()
            .flat_map(get)
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
                (l.min(v), h.max(v))
            })
    };
    let (x_low, x_high) = bounds(&|p| [p.0, p.0, p.0]);
    let (low, high) = bounds(&|p| [p.1, p.2, p.3]);
    if x_high.partial_cmp(&x_low) != Some(std::cmp::Ordering::Greater) {
        return svg.finish();
    }
    let low = low.min(0.0);
    let high = if high > low { high } else { low + 1.0 };
    let x = Scale {
        data: (x_low, x_high),
        pixels: (left, WIDTH - right),
    };
    let y = Scale {
        data: (low, high + 0.04 * (high - low)),
        pixels: (y1, y0),
    };
    svg.axes((left, WIDTH - right), &y, SMALL);
    svg.x_ticks(y1, &x, 5, SMALL);
    if low < 0.0 {
        svg.line((left, y.at(0.0)), (WIDTH - right, y.at(0.0)), false);
    }
    let mut ends = Vec::new();
    // Nulls first, so that the models lie on top.
    let mut order: Vec<usize> = (0..curves.len()).collect();
    order.sort_by_key(|&i| !curves[i].null);
    for i in order {
        let line = draw(&mut svg, (&x, &y), curves, i);
        if let Some(&end) = line.iter().rev().find(|p| p.1.is_finite()) {
            ends.push((i, end));
        }
    }
    let wanted: Vec<f64> = ends.iter().map(|(_, end)| end.1).collect();
    for ((i, end), at) in ends.iter().zip(apart(&wanted, 12.0, (y0 + 4.0, y1 - 2.0))) {
        let (look, _) = look_of(curves, *i);
        let from = WIDTH - right;
        if (end.0 - from).abs() > 1.0 || (end.1 - at).abs() > 4.0 {
            svg.path(
                &[*end, (from + 8.0, at)],
                look.class,
                look.colour,
                0.7,
                "1 2",
            );
        }
        let name = fitting(&curves[*i].name, SMALL, right - 12.0);
        svg.text(from + 10.0, at + 3.5, SMALL, Anchor::Start, &name);
    }
    svg.text(
        (left + WIDTH - right) / 2.0,
        y1 + 33.0,
        TEXT,
        Anchor::Middle,
        x_axis,
    );
    svg.vertical_text(12.0, (y0 + y1) / 2.0, TEXT, y_axis);
    svg.finish()
}

/// Draws one curve with its band and markers, and gives its points on the page.
fn draw(svg: &mut Svg, (x, y): (&Scale, &Scale), curves: &[Curve], i: usize) -> Vec<(f64, f64)> {
    let (curve, (look, dash)) = (&curves[i], look_of(curves, i));
    let band: Vec<_> = curve
        .points
        .iter()
        .map(|p| (x.at(p.0), y.clamped(p.3), y.clamped(p.2)))
        .collect();
    svg.band(&band, look);
    let line: Vec<_> = curve
        .points
        .iter()
        .map(|p| {
            let at = if p.1.is_finite() {
                y.clamped(p.1)
            } else {
                f64::NAN
            };
            (x.at(p.0), at)
        })
        .collect();
    let wide = if curve.null { 1.4 } else { 2.4 };
    svg.path(&line, look.class, look.colour, wide, dash);
    if !curve.null {
        let every = line.len().div_ceil(8).max(1);
        for (j, &(px, py)) in line.iter().enumerate() {
            if j % every == i % every {
                svg.marker(px, py, 2.8, look, false);
            }
        }
    }
    line
}

/// A square table of numbers as shades, each number written in its cell. NaN is left empty.
pub(crate) fn matrix(label: &str, names: &[String], values: &[Vec<f64>]) -> String {
    let n = names.len().max(1);
    let left = margin(names.iter().map(String::as_str), 60.0);
    // The names above lean to the right by 50 degrees: the last one stands out over the square.
    let longest = names.iter().map(|n| width(n, SMALL)).fold(0.0, f64::max);
    let longest = longest.min(150.0);
    let (over, above) = (0.643 * longest, 0.767 * longest);
    let cell = (WIDTH - left - over - 8.0) / (n as f64 - 0.5).max(1.0);
    let cell = cell.min((WIDTH - left - 8.0) / n as f64).min(64.0);
    let top = above + 14.0;
    let mut svg = Svg::new(WIDTH, top + cell * n as f64 + 10.0, label);
    for (i, name) in names.iter().enumerate() {
        let at = (i as f64 + 0.5) * cell;
        let side = fitting(name, SMALL, left - 8.0);
        svg.text(left - 6.0, top + at + 4.0, SMALL, Anchor::End, &side);
        svg.push(format_args!(
            "<text class=\"fg\" fill=\"#1b1b1b\" transform=\"translate({} {}) rotate(-50)\" font-size=\"{SMALL}\" text-anchor=\"start\">{}</text>",
            px(left + at),
            px(top - 6.0),
            super::svg::escape(&fitting(name, SMALL, 150.0))
        ));
        for (j, value) in values
            .get(i)
            .into_iter()
            .flatten()
            .enumerate()
            .filter(|(_, v)| v.is_finite())
        {
            let (x, y) = (left + j as f64 * cell, top + i as f64 * cell);
            svg.push(format_args!(
                "<rect class=\"c0f\" fill=\"#0072b2\" fill-opacity=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                fixed(0.06 + 0.5 * value.clamp(0.0, 1.0), 2),
                px(x + 0.5),
                px(y + 0.5),
                px(cell - 1.0),
                px(cell - 1.0)
            ));
            svg.text(
                x + cell / 2.0,
                y + cell / 2.0 + 4.0,
                if cell > 30.0 {
                    SMALL
                } else {
                    (0.36 * cell).min(8.0)
                },
                Anchor::Middle,
                &fixed(*value, 2),
            );
        }
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places and texts of all texts of a picture: (x, anchor, size, text).
    fn texts(svg: &str) -> Vec<(f64, String, f64, String)> {
        let attribute = |tag: &str, name: &str| {
            let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
            let end = tag[start..].find('"')? + start;
            Some(tag[start..end].to_owned())
        };
        svg.split("<text")
            .skip(1)
            .filter_map(|piece| {
                let (tag, rest) = piece.split_once('>')?;
                let text = rest.split('<').next()?.to_owned();
                Some((
                    attribute(tag, "x")?.parse().ok()?,
                    attribute(tag, "text-anchor").unwrap_or_else(|| "start".into()),
                    attribute(tag, "font-size")?.parse().ok()?,
                    text,
                ))
            })
            .collect()
    }

    /// Every text that is not turned stands within the picture.
    fn all_inside(svg: &str) {
        let found = texts(svg);
        assert!(!found.is_empty());
        for (x, anchor, size, text) in found {
            let wide = width(&text, size);
            let (from, to) = match anchor.as_str() {
                "end" => (x - wide, x),
                "middle" => (x - wide / 2.0, x + wide / 2.0),
                _ => (x, x + wide),
            };
            assert!(from >= -0.5 && to <= WIDTH + 0.5, "{text}: {from} to {to}");
        }
    }

    #[test]
    fn names_of_any_length_stay_within_the_picture() {
        let names = [
            "a",
            "hand_dspeed_postmean",
            "vc1-large ctrnn physion seed 3:dynamics_after_rollout",
        ];
        let rows = names.map(|name| Dot {
            group: "Models".into(),
            name: name.into(),
            value: 0.5,
            interval: None,
            filled: true,
        });
        all_inside(&dots("label", "r", &rows, &[]));
        let lines = names.map(|name| Curve {
            null: false,
            name: format!("{name}, x"),
            points: vec![
                (0.0, 0.1, f64::NAN, f64::NAN),
                (1.0, 0.2, f64::NAN, f64::NAN),
            ],
        });
        all_inside(&curves("label", "x", "y", &lines));
        let names = names.map(String::from);
        all_inside(&matrix("label", &names, &vec![vec![0.5; 3]; 3]));
    }

    #[test]
    fn a_name_keeps_its_ends() {
        assert_eq!(fitting("short", 10.0, 100.0), "short");
        let cut = fitting("encoder-of-a-long-name:dynamics", 10.0, 100.0);
        assert!(
            cut.starts_with("encoder") && cut.ends_with("ynamics"),
            "{cut}"
        );
        assert_eq!(cut.chars().count(), 16);
    }
}
