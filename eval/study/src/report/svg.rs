//! A small SVG writer: axes, lines, text. Colours stand in attributes for any viewer; a style block adapts them to a dark
//! page. Colours follow Okabe & Ito; no meaning rests on colour alone.

use std::fmt::{Display, Write as _};

use super::number::fixed;

/// Okabe-Ito colours, light page and dark page, with a dash pattern and a marker.
pub(super) struct Look {
    pub(super) class: &'static str,
    pub(super) colour: &'static str,
    pub(super) dash: &'static str,
    pub(super) marker: Marker,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

pub(super) const LOOKS: [Look; 7] = [
    Look {
        class: "c0",
        colour: "#0072b2",
        dash: "",
        marker: Marker::Circle,
    },
    Look {
        class: "c1",
        colour: "#d55e00",
        dash: "7 3",
        marker: Marker::Square,
    },
    Look {
        class: "c2",
        colour: "#555555",
        dash: "2 3",
        marker: Marker::Cross,
    },
    Look {
        class: "c3",
        colour: "#009e73",
        dash: "10 3 2 3",
        marker: Marker::Triangle,
    },
    Look {
        class: "c4",
        colour: "#aa4499",
        dash: "5 2 1 2",
        marker: Marker::Diamond,
    },
    Look {
        class: "c5",
        colour: "#8a6d00",
        dash: "3 2",
        marker: Marker::Square,
    },
    Look {
        class: "c6",
        colour: "#2a8fc7",
        dash: "12 4",
        marker: Marker::Circle,
    },
];

const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\
@media (prefers-color-scheme:dark){.bg{fill:#16181c}.fg{fill:#e6e6e6}.mut{fill:#b3b8bf}.ln{stroke:#c9ced6}.gr{stroke:#3a3f47}\
.occ{fill:#5b3b36}.c0s{stroke:#56b4e9}.c0f{fill:#56b4e9}.c1s{stroke:#ff9248}.c1f{fill:#ff9248}.c2s{stroke:#c0c0c0}.c2f{fill:#c0c0c0}\
.c3s{stroke:#2fd3a3}.c3f{fill:#2fd3a3}.c4s{stroke:#e59bd0}.c4f{fill:#e59bd0}.c5s{stroke:#f0d860}.c5f{fill:#f0d860}.c6s{stroke:#9ad2f5}.c6f{fill:#9ad2f5}}";

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Position with one decimal.
pub(super) fn px(value: f64) -> String {
    fixed(value, 1)
}

#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) struct Svg {
    width: f64,
    height: f64,
    label: String,
    body: String,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64, label: &str) -> Self {
        Self {
            width,
            height,
            label: escape(label),
            body: String::new(),
        }
    }

    pub(super) fn push(&mut self, piece: impl Display) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.body, "{piece}");
    }

    pub(super) fn text(&mut self, x: f64, y: f64, size: f64, anchor: Anchor, text: &str) {
        self.styled_text(x, y, size, anchor, text, false);
    }

    pub(super) fn bold(&mut self, x: f64, y: f64, size: f64, anchor: Anchor, text: &str) {
        self.styled_text(x, y, size, anchor, text, true);
    }

    fn styled_text(&mut self, x: f64, y: f64, size: f64, anchor: Anchor, text: &str, bold: bool) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if bold { " font-weight=\"600\"" } else { "" };
        self.push(format_args!(
            "<text class=\"fg\" fill=\"#1b1b1b\" x=\"{}\" y=\"{}\" font-size=\"{size}\" text-anchor=\"{anchor}\"{weight}>{}</text>",
            px(x),
            px(y),
            escape(text)
        ));
    }

    pub(super) fn vertical_text(&mut self, x: f64, y: f64, size: f64, text: &str) {
        self.push(format_args!(
            "<text class=\"fg\" fill=\"#1b1b1b\" transform=\"translate({} {}) rotate(-90)\" font-size=\"{size}\" text-anchor=\"middle\">{}</text>",
            px(x),
            px(y),
            escape(text)
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), grid: bool) {
        let (class, colour, width) = if grid {
            ("gr", "#dddddd", 0.8)
        } else {
            ("ln", "#444444", 1.0)
        };
        self.push(format_args!(
            "<line class=\"{class}\" stroke=\"{colour}\" stroke-width=\"{width}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            px(from.0), px(from.1), px(to.0), px(to.1)
        ));
    }

    /// Axes from `left` to `right` with a labelled grid of about four values of y.
    pub(super) fn axes(&mut self, (left, right): (f64, f64), y: &Scale, size: f64) {
        let (bottom, top) = y.pixels;
        let (ticks, digits) = y.ticks(4);
        for tick in ticks {
            self.line((left, y.at(tick)), (right, y.at(tick)), true);
            let label = fixed(tick, digits);
            self.text(left - 5.0, y.at(tick) + 4.0, size, Anchor::End, &label);
        }
        self.line((left, top), (left, bottom), false);
        self.line((left, bottom), (right, bottom), false);
    }

    /// Labelled marks of about `count` values of x below the axis at `bottom`.
    pub(super) fn x_ticks(&mut self, bottom: f64, x: &Scale, count: usize, size: f64) {
        let (ticks, digits) = x.ticks(count);
        for tick in ticks {
            self.line((x.at(tick), bottom), (x.at(tick), bottom + 4.0), false);
            let label = fixed(tick, digits);
            self.text(x.at(tick), bottom + 15.0, size, Anchor::Middle, &label);
        }
    }

    pub(super) fn occluder(&mut self, x: f64, y: f64, width: f64, height: f64) {
        self.push(format_args!(
            "<rect class=\"occ\" fill=\"#f3ddd8\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            px(x),
            px(y),
            px(width),
            px(height)
        ));
    }

    /// A line through points; a NaN breaks it.
    pub(super) fn path(
        &mut self,
        points: &[(f64, f64)],
        class: &str,
        colour: &str,
        width: f64,
        dash: &str,
    ) {
        let mut d = String::new();
        let mut pen_down = false;
        for &(x, y) in points {
            if !(x.is_finite() && y.is_finite()) {
                pen_down = false;
                continue;
            }
            let _ = write!(d, "{}{} {}", if pen_down { 'L' } else { 'M' }, px(x), px(y));
            pen_down = true;
        }
        if d.is_empty() {
            return;
        }
        let dash = if dash.is_empty() {
            String::new()
        } else {
            format!(" stroke-dasharray=\"{dash}\"")
        };
        self.push(format_args!(
            "<path class=\"{class}s\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"{dash} d=\"{d}\"/>"
        ));
    }

    /// A shaded band; points where a bound is NaN are left out.
    pub(super) fn band(&mut self, points: &[(f64, f64, f64)], look: &Look) {
        let good: Vec<_> = points
            .iter()
            .filter(|p| p.1.is_finite() && p.2.is_finite())
            .collect();
        if good.len() < 2 {
            return;
        }
        let mut d = String::new();
        for (i, p) in good.iter().enumerate() {
            let _ = write!(
                d,
                "{}{} {}",
                if i > 0 { 'L' } else { 'M' },
                px(p.0),
                px(p.1)
            );
        }
        for p in good.iter().rev() {
            let _ = write!(d, "L{} {}", px(p.0), px(p.2));
        }
        self.push(format_args!(
            "<path class=\"{}f\" fill=\"{}\" fill-opacity=\"0.18\" d=\"{d}Z\"/>",
            look.class, look.colour
        ));
    }

    pub(super) fn marker(&mut self, x: f64, y: f64, size: f64, look: &Look, open: bool) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let (class, colour) = (look.class, look.colour);
        let paint = if open {
            format!("class=\"{class}s\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"")
        } else {
            format!("class=\"{class}f\" fill=\"{colour}\"")
        };
        let s = size;
        match look.marker {
            Marker::Circle => self.push(format_args!(
                "<circle {paint} cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
                px(x), px(y), px(s)
            )),
            Marker::Square => self.push(format_args!(
                "<rect {paint} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                px(x - s), px(y - s), px(2.0 * s), px(2.0 * s)
            )),
            Marker::Triangle => self.push(format_args!(
                "<path {paint} d=\"M{} {}L{} {}L{} {}Z\"/>",
                px(x), px(y - 1.2 * s), px(x + 1.2 * s), px(y + s), px(x - 1.2 * s), px(y + s)
            )),
            Marker::Diamond => self.push(format_args!(
                "<path {paint} d=\"M{} {}L{} {}L{} {}L{} {}Z\"/>",
                px(x), px(y - 1.3 * s), px(x + 1.3 * s), px(y), px(x), px(y + 1.3 * s), px(x - 1.3 * s), px(y)
            )),
            Marker::Cross => self.push(format_args!(
                "<path class=\"{class}s\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" d=\"M{} {}L{} {}M{} {}L{} {}\"/>",
                px(x - s), px(y - s), px(x + s), px(y + s), px(x - s), px(y + s), px(x + s), px(y - s)
            )),
        }
    }

    pub(super) fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n<title>{}</title>\n<style>{STYLE}</style>\n<rect class=\"bg\" fill=\"#ffffff\" width=\"100%\" height=\"100%\"/>\n{}</svg>\n",
            px(self.width),
            px(self.height),
            self.label,
            self.label,
            self.body
        )
    }
}

/// A linear scale from data to pixels.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) data: (f64, f64),
    pub(super) pixels: (f64, f64),
}

impl Scale {
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.data.0) / (self.data.1 - self.data.0);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// The same, kept within the range.
    pub(super) fn clamped(&self, value: f64) -> f64 {
        self.at(value.clamp(self.data.0, self.data.1))
    }

    /// About `count` round ticks within the range, and the digits they need.
    pub(super) fn ticks(&self, count: usize) -> (Vec<f64>, usize) {
        let (low, high) = self.data;
        let raw = (high - low) / count.max(1) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|s| *s >= raw * 0.999)
            .unwrap_or(10.0 * power);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        ((first..=last).map(|i| i as f64 * step).collect(), digits)
    }
}
