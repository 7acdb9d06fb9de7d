//! Preset `rnn100`: the pictures that the networks of 2022 were trained on, pixel for pixel.
//!
//! 100 × 100 grey, 3.125 px a unit: background 0, ball 255 with a radius of one unit (0.625°),
//! occluder 128 over it from column 75 on. The row grows with y: up is down. There is never a
//! paddle or a fixation point. The published renderer draws the ball as a filled ellipse of
//! Pillow, which cuts the bounding box to whole pixels towards zero and has no soft edge.

use serde::{Deserialize, Serialize};

use crate::frames::FrameScene;
use crate::task::geometry::{
    BALL_RADIUS_RNN_UNITS, DEG_PER_UNIT, FIELD_UNITS, Geometry, WALL_WIDTH_DEG, units_from_deg,
};

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

/// Greys and size of this kind of picture; those published by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreyStyle {
    /// Width and height, pixels; a multiple of four, so that the occluder begins with a column.
    pub size_px: usize,
    /// Grey of the background.
    pub background: u8,
    /// Grey of the ball.
    pub ball: u8,
    /// Grey of the occluder.
    pub occluder: u8,
}

impl Default for GreyStyle {
    fn default() -> Self {
        Self {
            size_px: SIZE,
            background: BACKGROUND,
            ball: BALL,
            occluder: OCCLUDER,
        }
    }
}

impl GreyStyle {
    fn px_per_unit(&self) -> f64 {
        self.size_px as f64 / FIELD_UNITS
    }

    /// The column or row that a place in degrees begins with, within the picture.
    fn px(&self, deg: f64) -> usize {
        let at = (units_from_deg(deg) * self.px_per_unit()).round();
        (at.max(0.0) as usize).min(self.size_px)
    }

    fn behind(&self, grey: u8, alpha: f64) -> u8 {
        let mixed = f64::from(grey) * (1.0 - alpha) + f64::from(self.occluder) * alpha;
        (mixed + 0.5) as u8
    }
}

/// Draws a frame into `out`, `[y, x]`, u8, taking what of `scene` this preset has.
pub fn render_into(scene: &FrameScene, out: &mut Vec<u8>) {
    let mut renderer = Rnn100::new(GreyStyle::default());
    renderer.draw(scene);
    *out = renderer.picture;
}

/// A row of a disc, and its first and last column, from the corner of the disc's box.
type Run = (i64, i64, i64);

/// Draws frame after frame, changing only the pixels of the ball.
#[derive(Clone, Debug)]
pub(crate) struct Rnn100 {
    style: GreyStyle,
    geometry: Geometry,
    picture: Vec<u8>,
    /// The occluder of `picture` and `backdrop`, which is without the ball.
    occluder: Option<f64>,
    backdrop: Vec<u8>,
    /// The pixels of each rectangle of the occluder, `[left, right, top, bottom]`, the ends not among
    /// them, whether or not `picture` has an occluder.
    rects: Vec<[usize; 4]>,
    /// Which pixels are behind the occluder of `picture`.
    behind: Vec<bool>,
    /// Rows and columns of the ball in `picture`, the ends among them.
    dirty: Option<[usize; 4]>,
    /// Discs drawn before, by width and height of their box: `(row, first, last)` from its corner.
    discs: Vec<((i64, i64), Vec<Run>)>,
}

impl Rnn100 {
    pub(crate) fn new(style: GreyStyle) -> Self {
        let mut new = Self {
            style,
            geometry: Geometry::default(),
            picture: Vec::new(),
            occluder: None,
            backdrop: Vec::new(),
            rects: Vec::new(),
            behind: Vec::new(),
            dirty: None,
            discs: Vec::new(),
        };
        new.set_occluder(None);
        new
    }

    pub(crate) fn set_geometry(&mut self, geometry: &Geometry) {
        if self.geometry != *geometry {
            self.geometry = geometry.clone();
            self.set_occluder(self.occluder);
        }
    }

    fn set_occluder(&mut self, occluder: Option<f64>) {
        let style = self.style;
        let size = style.size_px;
        let mut picture = vec![style.background; size * size];
        let mut fill = |x: std::ops::Range<usize>,
                        y: std::ops::Range<usize>,
                        with: &mut dyn FnMut(usize, &mut u8)| {
            for row in y {
                let from = row * size + x.start;
                for (at, pixel) in (from..).zip(&mut picture[from..row * size + x.end]) {
                    with(at, pixel);
                }
            }
        };
        if self.geometry.draw_walls {
            // At least one row, outside of the wall. Up is down.
            let thick = WALL_WIDTH_DEG.max(DEG_PER_UNIT / style.px_per_unit());
            let (low, high) = (self.geometry.wall_low_deg, self.geometry.wall_high_deg);
            for (from, to) in [(low - thick, low), (high, high + thick)] {
                let rows = style.px(from)..style.px(to);
                fill(0..size, rows, &mut |_, px| *px = style.occluder);
            }
        }
        let rects = self.geometry.occluders.iter();
        self.rects = rects
            .map(|rect| rect.reach().map(|deg| style.px(deg)))
            .collect();
        let mut behind = vec![false; size * size];
        if let Some(alpha) = occluder {
            for &[left, right, top, bottom] in &self.rects {
                fill(left..right, top..bottom, &mut |at, px| {
                    if !std::mem::replace(&mut behind[at], true) {
                        *px = style.behind(*px, alpha);
                    }
                });
            }
        }
        self.behind = behind;
        self.picture.clone_from(&picture);
        self.backdrop = picture;
        self.occluder = occluder;
        self.dirty = None;
    }

    /// The box of the ball in whole pixels, `[left, top, right, bottom]`, both ends of it; nothing
    /// where it is nowhere or off the picture.
    fn disc_box(&self, scene: &FrameScene) -> Option<[i64; 4]> {
        let (x_deg, y_deg) = scene.ball?;
        let scale = self.style.px_per_unit();
        let (column, row) = (units_from_deg(x_deg) * scale, units_from_deg(y_deg) * scale);
        if !(column.is_finite() && row.is_finite()) {
            return None;
        }
        let own = self.geometry.ball_radius_deg.map(|deg| deg / DEG_PER_UNIT);
        let r = own.unwrap_or(BALL_RADIUS_RNN_UNITS) * scale;
        // Cut towards zero, as Pillow does.
        let px = [column - r, row - r, column + r, row + r].map(|v| v as i64);
        let size = self.style.size_px as i64;
        let seen = px[0] < size && px[1] < size && px[2] >= 0 && px[3] >= 0;
        seen.then_some(px)
    }

    /// What tells the picture of a scene from others with the same occluder: the box of the ball or,
    /// where some of it is cut off, the rows that are left; nothing where no ball is seen.
    pub(crate) fn key(&self, scene: &FrameScene) -> Option<[u64; 2]> {
        let px = self.disc_box(scene)?;
        let [left, top, right, bottom] = px;
        let size = self.style.size_px as i64;
        // `behind` is that of the last picture drawn, whose occluder may be another.
        let opaque = scene.occluder.is_some_and(|alpha| alpha >= 1.0);
        let rects = self.rects.iter().filter(|_| opaque);
        let rects = rects.map(|rect| rect.map(|v| v as i64));
        let apart = |[a, b, c, d]: [i64; 4]| right < a || left >= b || bottom < c || top >= d;
        let inside = left >= 0 && top >= 0 && right < size && bottom < size;
        if inside && rects.clone().all(apart) {
            // Each is within a picture's size.
            let pair = |a: i64, b: i64| (a.cast_unsigned() << 32) | b.cast_unsigned();
            return Some([pair(left, top), pair(right, bottom)]);
        }
        let covers = |x: i64, y: i64| {
            rects
                .clone()
                .any(|[a, b, c, d]| (a..b).contains(&x) && (c..d).contains(&y))
        };
        // FNV-1a over what is seen.
        let (mut hash, mut seen) = (0xcbf2_9ce4_8422_2325_u64, false);
        for (row, from, to) in runs((right - left, bottom - top)) {
            let y = top + row;
            if !(0..size).contains(&y) {
                continue;
            }
            for x in (left + from).max(0)..=(left + to).min(size - 1) {
                if !covers(x, y) {
                    seen = true;
                    for value in [y, x] {
                        hash = (hash ^ value.cast_unsigned()).wrapping_mul(0x0100_0000_01b3);
                    }
                }
            }
        }
        // No box begins so far to the right.
        seen.then_some([u64::MAX, hash])
    }

    pub(crate) fn draw(&mut self, scene: &FrameScene) -> &[u8] {
        let size = self.style.size_px;
        if self.occluder != scene.occluder {
            self.set_occluder(scene.occluder);
        } else if let Some([x0, y0, x1, y1]) = self.dirty.take() {
            for y in y0..=y1 {
                let part = y * size + x0..=y * size + x1;
                self.picture[part.clone()].copy_from_slice(&self.backdrop[part]);
            }
        }
        let Some([left, top, right, bottom]) = self.disc_box(scene) else {
            return &self.picture;
        };
        let of = (right - left, bottom - top);
        let known = self.discs.iter().position(|(box_of, _)| *box_of == of);
        let at = known.unwrap_or_else(|| {
            self.discs.push((of, runs(of)));
            self.discs.len() - 1
        });
        let open = self.style.ball;
        let behind = self
            .occluder
            .map_or(open, |alpha| self.style.behind(open, alpha));
        let inside = |v: i64| v.clamp(0, size as i64) as usize;
        for &(row, from, to) in &self.discs[at].1 {
            let y = top + row;
            if y < 0 || y >= size as i64 {
                continue;
            }
            let line = y as usize * size;
            for at in line + inside(left + from)..line + inside(left + to + 1) {
                self.picture[at] = if self.behind[at] { behind } else { open };
            }
        }
        let last = |v: i64| v.clamp(0, size as i64 - 1) as usize;
        self.dirty = Some([last(left), last(top), last(right), last(bottom)]);
        &self.picture
    }

    /// Draws a frame and hands on each pixel that is not as without the ball.
    pub(crate) fn changes(&mut self, scene: &FrameScene, mut take: impl FnMut(usize, &[u8])) {
        let size = self.style.size_px;
        self.draw(scene);
        let Some([x0, y0, x1, y1]) = self.dirty else {
            return;
        };
        for y in y0..=y1 {
            for x in x0..=x1 {
                let at = y * size + x;
                if self.picture[at] != self.backdrop[at] {
                    take(at, &self.picture[at..=at]);
                }
            }
        }
    }
}

/// The rows of the ellipse in a box, as Pillow fills it: `(row, first, last)` from the box's corner,
/// both ends in it.
fn runs((width, height): (i64, i64)) -> Vec<Run> {
    let mut rows: Vec<Run> = half_widths(width, height)
        .into_iter()
        .flat_map(|(y2, x2)| {
            [-y2, y2].map(|side| ((height + side) / 2, (width - x2) / 2, (width + x2) / 2))
        })
        .collect();
    rows.sort_unstable();
    rows.dedup();
    rows
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
