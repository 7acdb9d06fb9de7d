//! A recording at a glance: its units over time, the parts of its trials, and how reliable its units are.

use crate::error::Result;
use mental_pong_eval::recordings::dmfc::{Half, Population, Recording, TrialType};
use mental_pong_eval::recordings::reliability;
use mental_pong_eval::stats;

use super::number::fixed;
use super::svg::{Anchor, LOOKS, Scale, Svg, px};

/// Most rows of the heat map; more units share rows.
const ROWS: usize = 150;
/// Steps of its grey scale.
const LEVELS: usize = 16;

/// An SVG of a recording's units (mean over conditions, each from its least to its most, sorted by the time of their peak),
/// of the visible and hidden parts of its conditions, and of its split-half correlations where it has halves.
///
/// Errors: those of [`Recording::responses`] and [`Recording::mask`].
pub fn recording_figure(recording: &Recording, trials: TrialType) -> Result<String> {
    let (width, height) = (880.0, 520.0);
    let simulated = recording.synthetic() == Some(true);
    let name = recording
        .path()
        .and_then(|path| path.file_name())
        .map_or_else(
            || "recording".into(),
            |name| name.to_string_lossy().into_owned(),
        );
    let title = if simulated {
        format!("SIMULATED or synthetic data, not a recording: {name}")
    } else {
        name
    };
    let mut svg = Svg::new(width, height, &title);
    svg.bold(20.0, 24.0, 14.0, Anchor::Start, &title);
    let axes = recording.expected();
    let time = Scale {
        data: (
            recording.first_bin_ms() / 1000.0,
            (recording.first_bin_ms() + axes.bins as f64 * axes.bin_ms) / 1000.0,
        ),
        pixels: (64.0, 530.0),
    };
    heat_map(&mut svg, recording, trials, time)?;
    parts(&mut svg, recording, trials, time)?;
    histogram(&mut svg, recording, trials);
    Ok(svg.finish())
}

/// Axis of time below a panel, and the line of motion onset through it.
fn time_axis(svg: &mut Svg, time: Scale, top: f64, bottom: f64) {
    svg.line((time.pixels.0, bottom), (time.pixels.1, bottom), false);
    let (ticks, digits) = time.ticks(6);
    for tick in ticks {
        svg.line(
            (time.at(tick), bottom),
            (time.at(tick), bottom + 4.0),
            false,
        );
        let label = fixed(tick, digits);
        svg.text(time.at(tick), bottom + 17.0, 11.0, Anchor::Middle, &label);
    }
    if time.data.0 < 0.0 && time.data.1 > 0.0 {
        svg.line((time.at(0.0), top), (time.at(0.0), bottom), false);
    }
}

fn heat_map(svg: &mut Svg, recording: &Recording, trials: TrialType, time: Scale) -> Result<()> {
    let (top, bottom) = (62.0, 300.0);
    let responses = recording.responses(trials, Population::All, Half::Full)?;
    let (units, bins) = (responses.units(), responses.bins());
    let mut rows: Vec<(usize, Vec<f64>)> = (0..units)
        .map(|unit| {
            let values = responses.unit(unit);
            let mut mean: Vec<f64> = (0..bins)
                .map(|bin| {
                    let column: Vec<f64> = values
                        .iter()
                        .skip(bin)
                        .step_by(bins)
                        .copied()
                        .filter(|v| v.is_finite())
                        .collect();
                    stats::mean(&column)
                })
                .collect();
            let finite = || mean.iter().copied().filter(|v| v.is_finite());
            let (least, most) = (
                finite().fold(f64::INFINITY, f64::min),
                finite().fold(f64::NEG_INFINITY, f64::max),
            );
            for value in &mut mean {
                *value = (*value - least) / (most - least).max(1e-300);
            }
            let peak = (0..bins)
                .filter(|&bin| mean[bin].is_finite())
                .max_by(|&a, &b| mean[a].total_cmp(&mean[b]).then(b.cmp(&a)))
                .unwrap_or(0);
            (peak, mean)
        })
        .collect();
    rows.sort_by_key(|(peak, _)| *peak);
    let shown = units.min(ROWS);
    svg.text(
        time.pixels.0,
        top - 10.0,
        12.0,
        Anchor::Start,
        &format!(
            "{units} units, {} trials: mean over {} conditions, each unit from least to most",
            trials.key(),
            responses.conditions()
        ),
    );
    let row_height = (bottom - top) / shown.max(1) as f64;
    let bin_width = (time.pixels.1 - time.pixels.0) / bins.max(1) as f64;
    // One path for each shade keeps the file small.
    let mut shades = vec![String::new(); LEVELS];
    for row in 0..shown {
        let of =
            &rows[row * units / shown..((row + 1) * units / shown).max(row * units / shown + 1)];
        let shade = |bin: usize| -> Option<usize> {
            let mean = of.iter().map(|(_, mean)| mean[bin]).sum::<f64>() / of.len() as f64;
            mean.is_finite()
                .then(|| ((mean * LEVELS as f64) as usize).min(LEVELS - 1))
        };
        let y = top + row as f64 * row_height;
        let mut bin = 0;
        while bin < bins {
            let Some(level) = shade(bin) else {
                bin += 1;
                continue;
            };
            let mut end = bin + 1;
            while end < bins && shade(end) == Some(level) {
                end += 1;
            }
            let x = time.pixels.0 + bin as f64 * bin_width;
            let length = (end - bin) as f64 * bin_width;
            shades[level].push_str(&format!(
                "M{} {}h{}v{}h-{}z",
                fixed(x, 2),
                fixed(y, 2),
                fixed(length, 2),
                fixed(row_height, 2),
                fixed(length, 2)
            ));
            bin = end;
        }
    }
    for (level, path) in shades.iter().enumerate() {
        if !path.is_empty() {
            svg.push(format_args!(
                "<path fill=\"{}\" shape-rendering=\"crispEdges\" d=\"{path}\"/>",
                shade_colour(level)
            ));
        }
    }
    svg.vertical_text(
        16.0,
        0.5 * (top + bottom),
        12.0,
        "units, by time of their peak",
    );
    svg.text(time.pixels.0 - 6.0, top + 9.0, 11.0, Anchor::End, "1");
    let last = units.to_string();
    svg.text(time.pixels.0 - 6.0, bottom, 11.0, Anchor::End, &last);
    time_axis(svg, time, top, bottom);
    // The scale.
    let (left, y) = (time.pixels.1 + 14.0, top);
    for level in 0..LEVELS {
        svg.push(format_args!(
            "<rect fill=\"{}\" x=\"{}\" y=\"{}\" width=\"12\" height=\"7\"/>",
            shade_colour(level),
            px(left),
            px(y + 7.0 * (LEVELS - 1 - level) as f64)
        ));
    }
    svg.text(left + 17.0, y + 9.0, 11.0, Anchor::Start, "most");
    svg.text(
        left + 17.0,
        y + 7.0 * LEVELS as f64,
        11.0,
        Anchor::Start,
        "least",
    );
    Ok(())
}

/// From near white to the dark blue of the lines: lightness alone carries the value.
fn shade_colour(level: usize) -> String {
    let share = level as f64 / (LEVELS - 1) as f64;
    let mix = |from: f64, to: f64| (from + share * (to - from)).round() as u8;
    format!(
        "#{:02x}{:02x}{:02x}",
        mix(244.0, 3.0),
        mix(247.0, 46.0),
        mix(251.0, 84.0)
    )
}

fn parts(svg: &mut Svg, recording: &Recording, trials: TrialType, time: Scale) -> Result<()> {
    let (top, bottom) = (352.0, 470.0);
    let masks = ["start_occ_pad0", "occ_end_pad0"].map(|name| recording.mask(trials, name));
    let [visible, hidden] = masks;
    let (visible, hidden) = (visible?, hidden?);
    let axes = recording.expected();
    let last = |condition: usize| {
        (0..axes.bins)
            .rev()
            .find(|&bin| hidden.contains(condition, bin))
            .unwrap_or(0)
    };
    let mut order: Vec<usize> = (0..axes.conditions).collect();
    order.sort_by_key(|&condition| last(condition));
    let row = (bottom - top) / axes.conditions.max(1) as f64;
    let width = (time.pixels.1 - time.pixels.0) / axes.bins.max(1) as f64;
    let mut shared = 0;
    for (place, &condition) in order.iter().enumerate() {
        let y = top + place as f64 * row;
        for bin in 0..axes.bins {
            shared +=
                usize::from(visible.contains(condition, bin) && hidden.contains(condition, bin));
        }
        for (mask, look) in [(visible, &LOOKS[0]), (hidden, &LOOKS[1])] {
            let bins: Vec<usize> = (0..axes.bins)
                .filter(|&b| mask.contains(condition, b))
                .collect();
            if let (Some(&first), Some(&end)) = (bins.first(), bins.last()) {
                svg.push(format_args!(
                    "<rect class=\"{}f\" fill=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    look.class,
                    look.colour,
                    px(time.pixels.0 + first as f64 * width),
                    fixed(y, 2),
                    px((end + 1 - first) as f64 * width),
                    fixed(0.8 * row, 2)
                ));
            }
        }
    }
    let cells = |what: &str, count: usize| format!("{what}: {count} cells");
    svg.text(
        time.pixels.0,
        top - 10.0,
        12.0,
        Anchor::Start,
        "Parts of the trial:",
    );
    for (k, (text, look)) in [
        (cells("visible", visible.count()), &LOOKS[0]),
        (cells("hidden", hidden.count()), &LOOKS[1]),
    ]
    .iter()
    .enumerate()
    {
        let x = time.pixels.0 + 112.0 + 150.0 * k as f64;
        svg.push(format_args!(
            "<rect class=\"{}f\" fill=\"{}\" x=\"{}\" y=\"{}\" width=\"10\" height=\"10\"/>",
            look.class,
            look.colour,
            px(x),
            px(top - 19.0)
        ));
        svg.text(x + 15.0, top - 10.0, 12.0, Anchor::Start, text);
    }
    svg.vertical_text(16.0, 0.5 * (top + bottom), 12.0, "conditions");
    time_axis(svg, time, top, bottom);
    svg.text(
        0.5 * (time.pixels.0 + time.pixels.1),
        bottom + 36.0,
        12.0,
        Anchor::Middle,
        &format!("time from motion onset, s ({shared} cells are in both parts)"),
    );
    Ok(())
}

fn histogram(svg: &mut Svg, recording: &Recording, trials: TrialType) {
    let (left, right, top, bottom) = (640.0, 850.0, 230.0, 470.0);
    let Some(found) = reliability::published(recording, trials).ok() else {
        svg.text(left, top, 12.0, Anchor::Start, "No halves: no reliability.");
        return;
    };
    let values: Vec<f64> = found
        .iter()
        .map(|u| u.r)
        .filter(|r| r.is_finite())
        .collect();
    let least = values.iter().copied().fold(0.0, f64::min);
    let most = values.iter().copied().fold(0.1, f64::max);
    let step = [0.01, 0.02, 0.05, 0.1]
        .into_iter()
        .find(|step| (most - least) / step <= 30.0)
        .unwrap_or(0.1);
    let from = (least / step).floor() * step;
    let count = (((most - from) / step).floor() as usize) + 1;
    let mut bars = vec![0_usize; count];
    let mut kept = vec![0_usize; count];
    for unit in found.iter().filter(|unit| unit.r.is_finite()) {
        let bar = (((unit.r - from) / step).floor() as usize).min(count - 1);
        bars[bar] += 1;
        kept[bar] += usize::from(unit.reliable);
    }
    let x = Scale {
        data: (from, from + count as f64 * step),
        pixels: (left, right),
    };
    let y = Scale {
        data: (0.0, bars.iter().copied().max().unwrap_or(1).max(1) as f64),
        pixels: (bottom, top),
    };
    for bar in 0..count {
        let (a, b) = (
            x.at(from + bar as f64 * step),
            x.at(from + (bar + 1) as f64 * step),
        );
        for (n, look) in [(bars[bar], &LOOKS[2]), (kept[bar], &LOOKS[0])] {
            if n > 0 {
                svg.push(format_args!(
                    "<rect class=\"{}f\" fill=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    look.class,
                    look.colour,
                    px(a),
                    px(y.at(n as f64)),
                    px((b - a - 1.0).max(0.5)),
                    px(bottom - y.at(n as f64))
                ));
            }
        }
    }
    svg.line((left, bottom), (right, bottom), false);
    let (ticks, digits) = x.ticks(4);
    for tick in ticks {
        let label = fixed(tick, digits);
        svg.text(x.at(tick), bottom + 17.0, 11.0, Anchor::Middle, &label);
    }
    let (ticks, _) = y.ticks(4);
    for tick in ticks.into_iter().filter(|tick| tick.fract() == 0.0) {
        svg.line((left - 4.0, y.at(tick)), (left, y.at(tick)), false);
        let label = fixed(tick, 0);
        svg.text(left - 8.0, y.at(tick) + 4.0, 11.0, Anchor::End, &label);
    }
    let reliable = found.iter().filter(|unit| unit.reliable).count();
    let median = stats::quantile(&values, 0.5);
    if median.is_finite() {
        svg.line((x.at(median), top), (x.at(median), bottom), false);
    }
    svg.text(
        left,
        top - 42.0,
        12.0,
        Anchor::Start,
        "Split-half correlation of units",
    );
    svg.text(
        left,
        top - 26.0,
        12.0,
        Anchor::Start,
        &format!("median {} (line)", fixed(median, 3)),
    );
    svg.text(
        left,
        top - 10.0,
        12.0,
        Anchor::Start,
        &format!("{reliable} of {} reliable (blue), p < 0.01", found.len()),
    );
    svg.text(
        0.5 * (left + right),
        bottom + 36.0,
        12.0,
        Anchor::Middle,
        "r",
    );
    svg.vertical_text(left - 40.0, 0.5 * (top + bottom), 12.0, "units");
}
