//! The loss of a training run, drawn.

use super::number::fixed;
use super::svg::{Anchor, LOOKS, Scale, Svg};

/// A point of a training log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossPoint {
    /// Optimiser steps.
    pub step: u64,
    /// Training loss.
    pub loss: f64,
    /// Loss on held-out videos, where it was taken.
    pub validation: Option<f64>,
}

/// An SVG of loss over steps, both lines where there is a validation loss. `label` names the run.
#[must_use]
pub fn loss_figure(label: &str, points: &[LossPoint]) -> String {
    let (width, height, left, right, top, bottom) = (460.0, 260.0, 62.0, 16.0, 34.0, 46.0);
    let values: Vec<f64> = points
        .iter()
        .flat_map(|p| [Some(p.loss), p.validation])
        .flatten()
        .collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let margin = 0.05 * (most - least).max(1e-9);
    let last = points.last().map_or(1, |p| p.step.max(1));
    let x = Scale {
        data: (0.0, last as f64),
        pixels: (left, width - right),
    };
    let y = Scale {
        data: (least - margin, most + margin),
        pixels: (height - bottom, top),
    };
    let mut svg = Svg::new(width, height, &format!("Loss over training steps: {label}"));
    if points.is_empty() {
        return svg.finish();
    }
    let (ticks, digits) = y.ticks(5);
    for tick in ticks {
        svg.line((left, y.at(tick)), (width - right, y.at(tick)), true);
        svg.text(
            left - 6.0,
            y.at(tick) + 4.0,
            11.0,
            Anchor::End,
            &fixed(tick, digits),
        );
    }
    let (ticks, digits) = x.ticks(5);
    for tick in ticks {
        svg.text(
            x.at(tick),
            height - bottom + 16.0,
            11.0,
            Anchor::Middle,
            &fixed(tick, digits),
        );
    }
    svg.line(
        (left, height - bottom),
        (width - right, height - bottom),
        false,
    );
    svg.text(
        0.5 * (left + width - right),
        height - 10.0,
        12.0,
        Anchor::Middle,
        "optimiser steps",
    );
    svg.vertical_text(14.0, 0.5 * (top + height - bottom), 12.0, "loss");
    type Get = fn(&LossPoint) -> f64;
    let lines: [(&str, Get); 2] = [
        ("training", |p| p.loss),
        ("held-out videos", |p| p.validation.unwrap_or(f64::NAN)),
    ];
    for (k, (name, get)) in lines.into_iter().enumerate() {
        let path: Vec<(f64, f64)> = points
            .iter()
            .map(|p| (x.at(p.step as f64), y.at(get(p))))
            .collect();
        if path.iter().all(|p| p.1.is_nan()) {
            continue;
        }
        let look = &LOOKS[k];
        svg.path(&path, look.class, look.colour, 2.0, look.dash);
        let at = left + 8.0 + 130.0 * k as f64;
        svg.path(
            &[(at, 18.0), (at + 22.0, 18.0)],
            look.class,
            look.colour,
            2.0,
            look.dash,
        );
        svg.text(at + 28.0, 22.0, 11.0, Anchor::Start, name);
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_losses_are_drawn_and_an_empty_log_is_no_error() {
        let point = |step, validation| LossPoint {
            step,
            loss: 1.0 / step as f64,
            validation,
        };
        let one = loss_figure("test", &[point(10, None), point(20, None)]);
        let two = loss_figure("test", &[point(10, Some(0.4)), point(20, Some(0.3))]);
        assert!(!one.contains("held-out") && two.contains("held-out"));
        assert!(loss_figure("test", &[]).contains("</svg>"));
    }
}
