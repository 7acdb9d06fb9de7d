//! Preset `rnn100`: the pictures that the networks of 2022 were trained on, pixel for pixel.
//!
//! 100 × 100 grey, 3.125 px a unit: background 0, ball 255 with a radius of one unit (0.625°),
//! occluder 128 over it from column 75 on. The row grows with y: up is down. There is never a
//! paddle or a fixation point. The published renderer draws the ball as a filled ellipse of
//! Pillow, which cuts the bounding box to whole pixels towards zero and has no soft edge.

use crate::frames::FrameScene;
use crate::task::geometry::{BALL_RADIUS_RNN_UNITS, DEG_PER_UNIT, units_from_deg};

/// Width and height, pixels.
pub const SIZE: usize = 100;
/// Radius of the ball, degrees.
pub const BALL_RADIUS_DEG: f64 = BALL_RADIUS_RNN_UNITS * DEG_PER_UNIT;
/// First column of the occluder.
pub const OCCLUDER_COLUMN: usize = 75;
/// Grey of the background.
pub const BACKGROUND: u8 = 0;
/// Grey of the ball.
pub const BALL: u8 = 255;
/// Grey of the occluder.
pub const OCCLUDER: u8 = 128;

const PX_PER_UNIT: f64 = 3.125;

/// A position in degrees to pixels, column and row.
#[must_use]
pub fn px_from_deg((x_deg, y_deg): (f64, f64)) -> (f64, f64) {
    (
        units_from_deg(x_deg) * PX_PER_UNIT,
        units_from_deg(y_deg) * PX_PER_UNIT,
    )
}

/// Draws a frame into `out`, `[y, x]`, u8, taking what of `scene` this preset has.
pub fn render_into(scene: &FrameScene, out: &mut Vec<u8>) {
    out.clear();
    out.resize(SIZE * SIZE, BACKGROUND);
    if let Some((column, row)) = scene.ball.map(px_from_deg)
        && column.is_finite()
        && row.is_finite()
    {
        fill_ellipse(out, column, row, BALL_RADIUS_RNN_UNITS * PX_PER_UNIT);
    }
    if let Some(alpha) = scene.occluder {
        for line in out.chunks_exact_mut(SIZE) {
            for px in &mut line[OCCLUDER_COLUMN..] {
                let mixed = f64::from(*px) * (1.0 - alpha) + f64::from(OCCLUDER) * alpha;
                *px = (mixed + 0.5) as u8;
            }
        }
    }
}

/// Fills the ellipse in the box of ±`r` around a centre, as Pillow does: box edges are cut to
/// whole pixels, both belong to it.
fn fill_ellipse(out: &mut [u8], column: f64, row: f64, r: f64) {
    let (left, right) = ((column - r) as i64, (column + r) as i64);
    let (top, bottom) = ((row - r) as i64, (row + r) as i64);
    let (width, height) = (right - left, bottom - top);
    let inside = |v: i64| usize::try_from(v).ok().filter(|&v| v < SIZE);
    for (y2, x2) in half_widths(width, height) {
        for side in [-y2, y2] {
            let Some(y) = inside(top + (height + side) / 2) else {
                continue;
            };
            for x in left + (width - x2) / 2..=left + (width + x2) / 2 {
                if let Some(x) = inside(x) {
                    out[y * SIZE + x] = BALL;
                }
            }
        }
    }
}

/// The lower half of the ellipse through the middles of a box's outermost pixels, as pairs of
/// (row, half width of its run), all doubled so that boxes of even and odd size have whole numbers.
///
/// The outline is walked from its widest row to its last one; of the pixels one step up, left, or
/// both, the one nearest the ellipse's equation is next. A row's run ends where the walk enters
/// the row.
fn half_widths(width: i64, height: i64) -> Vec<(i64, i64)> {
    let (w2, h2) = (width * width, height * height);
    let miss = |(x, y): (i64, i64)| (h2 * x * x + w2 * y * y - w2 * h2).abs();
    let mut at = (width, height % 2);
    let mut runs = vec![(at.1, at.0)];
    while at.1 < height {
        let (x, y) = at;
        let mut next = (x, y + 2);
        if x > 1 {
            for other in [(x - 2, y + 2), (x - 2, y)] {
                if miss(other) < miss(next) {
                    next = other;
                }
            }
        }
        if next.1 > y {
            runs.push((next.1, next.0));
        }
        at = next;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: i64, height: i64) -> Vec<String> {
        let mut rows = vec![String::new(); usize::try_from(height).unwrap() + 1];
        for (y2, x2) in half_widths(width, height) {
            for side in [-y2, y2] {
                let row: String = (0..=width)
                    .map(|x| {
                        let run = (width - x2) / 2..=(width + x2) / 2;
                        if run.contains(&x) { '#' } else { '.' }
                    })
                    .collect();
                rows[usize::try_from((height + side) / 2).unwrap()] = row;
            }
        }
        rows
    }

    #[test]
    fn ellipses_are_those_of_pillow() {
        // ImageDraw.Draw(im).ellipse([0, 0, w, h], fill=1), Pillow 13.0.0.
        assert_eq!(
            picture(5, 5),
            ["..##..", ".####.", "######", "######", ".####.", "..##.."]
        );
        assert_eq!(
            picture(6, 6),
            [
                "..###..", ".#####.", "#######", "#######", "#######", ".#####.", "..###.."
            ]
        );
        assert_eq!(
            picture(6, 7),
            [
                "..###..", ".#####.", "#######", "#######", "#######", "#######", ".#####.",
                "..###.."
            ]
        );
        assert_eq!(
            picture(7, 8),
            [
                "..####..", ".######.", ".######.", "########", "########", "########", ".######.",
                ".######.", "..####.."
            ]
        );
    }

    #[test]
    fn a_ball_off_the_picture_or_nowhere_draws_nothing() {
        let mut empty = Vec::new();
        render_into(&FrameScene::default(), &mut empty);
        for ball in [
            (f64::NAN, 0.0),
            (0.0, f64::INFINITY),
            (-40.0, 0.0),
            (0.0, 1e300),
        ] {
            let mut frame = Vec::new();
            let scene = FrameScene {
                ball: Some(ball),
                ..FrameScene::default()
            };
            render_into(&scene, &mut frame);
            assert_eq!(frame, empty, "{ball:?}");
        }
    }

    #[test]
    fn up_is_down() {
        let mut frame = Vec::new();
        let scene = FrameScene {
            ball: Some((0.0, 8.0)),
            ..FrameScene::default()
        };
        render_into(&scene, &mut frame);
        assert_eq!(frame[90 * SIZE + 50], BALL);
        assert_eq!(frame[10 * SIZE + 50], BACKGROUND);
    }
}
