//! An RGB picture and the few shapes that the task and the pretraining videos are made of.
//!
//! Coverage is analytic and uses only IEEE-exact operations (`+ - * / sqrt`), so that a frame is
//! the same bytes on every platform. Pixel `(i, j)` covers `[i, i + 1) × [j, j + 1)`.

use serde::{Deserialize, Serialize};

/// An 8-bit sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// The grey with all three channels at `v`.
    #[must_use]
    pub const fn grey(v: u8) -> Self {
        Self(v, v, v)
    }
}

/// An RGB picture, `[y, x, channel]`, u8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    width: usize,
    height: usize,
    data: Vec<u8>,
    clip: PxBox,
}

/// A box of whole pixels, the ends not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PxBox {
    pub(crate) x0: usize,
    pub(crate) x1: usize,
    pub(crate) y0: usize,
    pub(crate) y1: usize,
}

impl Canvas {
    /// A picture of one colour.
    #[must_use]
    pub fn new(width: usize, height: usize, background: Rgb) -> Self {
        let mut canvas = Self {
            width,
            height,
            data: vec![0; width * height * 3],
            clip: PxBox {
                x0: 0,
                x1: width,
                y0: 0,
                y1: height,
            },
        };
        canvas.fill(background);
        canvas
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Paints every pixel.
    pub fn fill(&mut self, color: Rgb) {
        for y in self.clip.y0..self.clip.y1 {
            let row = y * self.width;
            for px in
                self.data[(row + self.clip.x0) * 3..(row + self.clip.x1) * 3].chunks_exact_mut(3)
            {
                px.copy_from_slice(&[color.0, color.1, color.2]);
            }
        }
    }

    /// Lets `paint` change the pixels of `clip` only; they become what they would without it.
    pub(crate) fn clipped(&mut self, clip: PxBox, paint: impl FnOnce(&mut Self)) {
        let whole = self.clip;
        self.clip = PxBox {
            x0: clip.x0.max(whole.x0),
            x1: clip.x1.min(whole.x1),
            y0: clip.y0.max(whole.y0),
            y1: clip.y1.min(whole.y1),
        };
        if self.clip.x0 < self.clip.x1 && self.clip.y0 < self.clip.y1 {
            paint(self);
        }
        self.clip = whole;
    }

    /// The pixels that [`Self::disc`] may change.
    pub(crate) fn disc_box(&self, cx: f64, cy: f64, r: f64) -> PxBox {
        let columns = pixel_range(cx - r - 1.0, cx + r + 1.0, 0, self.width);
        let rows = pixel_range(cy - r - 1.0, cy + r + 1.0, 0, self.height);
        PxBox {
            x0: columns.start,
            x1: columns.end,
            y0: rows.start,
            y1: rows.end,
        }
    }

    /// Makes the pixels of a box those of `other`, a picture of the same size.
    pub(crate) fn copy_box(&mut self, other: &Self, part: PxBox) {
        for y in part.y0..part.y1 {
            let row = (y * self.width + part.x0) * 3..(y * self.width + part.x1) * 3;
            self.data[row.clone()].copy_from_slice(&other.data[row]);
        }
    }

    /// Makes this picture equal to `other`, keeping the allocation.
    pub fn copy_from(&mut self, other: &Self) {
        self.width = other.width;
        self.height = other.height;
        self.clip = other.clip;
        self.data.clone_from(&other.data);
    }

    /// Blends `color` into the pixels of a box of columns and rows, each with its coverage in `[0, 1]`.
    fn blend(
        &mut self,
        (x_lo, x_hi): (f64, f64),
        (y_lo, y_hi): (f64, f64),
        color: Rgb,
        alpha: f64,
        coverage: impl Fn(f64, f64) -> f64,
    ) {
        let columns = pixel_range(x_lo, x_hi, self.clip.x0, self.clip.x1);
        for j in pixel_range(y_lo, y_hi, self.clip.y0, self.clip.y1) {
            for i in columns.clone() {
                let a = coverage(i as f64, j as f64).clamp(0.0, 1.0) * alpha;
                if a <= 0.0 {
                    continue;
                }
                let at = (j * self.width + i) * 3;
                if a >= 1.0 {
                    self.data[at..at + 3].copy_from_slice(&[color.0, color.1, color.2]);
                    continue;
                }
                for (px, target) in self.data[at..at + 3]
                    .iter_mut()
                    .zip([color.0, color.1, color.2])
                {
                    let mixed = f64::from(*px) * (1.0 - a) + f64::from(target) * a;
                    // Rounds half up; the value lies in [0, 255].
                    *px = (mixed + 0.5) as u8;
                }
            }
        }
    }

    /// Draws an anti-aliased disc, centre and radius in pixels. Coverage is `r + ½ − d`, with `d`
    /// the distance of the pixel's centre, and at most the disc's own area for sub-pixel discs.
    pub fn disc(&mut self, cx: f64, cy: f64, r: f64, color: Rgb, alpha: f64) {
        let most = (std::f64::consts::PI * r * r).min(1.0);
        self.blend(
            (cx - r - 1.0, cx + r + 1.0),
            (cy - r - 1.0, cy + r + 1.0),
            color,
            alpha,
            |i, j| {
                let (dx, dy) = (i + 0.5 - cx, j + 0.5 - cy);
                (r + 0.5 - (dx * dx + dy * dy).sqrt()).min(most)
            },
        );
    }

    /// Draws an axis-aligned rectangle with exact area coverage, edges in pixels.
    pub fn rect(&mut self, x0: f64, y0: f64, x1: f64, y1: f64, color: Rgb, alpha: f64) {
        // Inside an opaque rectangle nothing is blended: whole rows are filled.
        let inner_x = inner_range(x0, x1, self.width);
        let inner_y = inner_range(y0, y1, self.height);
        let solid = alpha >= 1.0 && !inner_x.is_empty() && !inner_y.is_empty();
        if solid {
            let solid = PxBox {
                x0: inner_x.start,
                x1: inner_x.end,
                y0: inner_y.start,
                y1: inner_y.end,
            };
            self.clipped(solid, |canvas| canvas.fill(color));
        }
        let (skip_x, skip_y) = (
            inner_x.start as f64..inner_x.end as f64,
            inner_y.start as f64..inner_y.end as f64,
        );
        if solid {
            // The frame of partly covered pixels around them.
            for (xs, ys) in [
                ((x0, x1), (y0, skip_y.start)),
                ((x0, x1), (skip_y.end, y1)),
                ((x0, skip_x.start), (skip_y.start, skip_y.end)),
                ((skip_x.end, x1), (skip_y.start, skip_y.end)),
            ] {
                if xs.0 < xs.1 && ys.0 < ys.1 {
                    self.rect_edge(xs, ys, (x0, y0, x1, y1), color, alpha);
                }
            }
        } else {
            self.rect_edge((x0, x1), (y0, y1), (x0, y0, x1, y1), color, alpha);
        }
    }

    /// Blends the part of a rectangle that lies in a span of columns and rows.
    fn rect_edge(
        &mut self,
        xs: (f64, f64),
        ys: (f64, f64),
        (x0, y0, x1, y1): (f64, f64, f64, f64),
        color: Rgb,
        alpha: f64,
    ) {
        self.blend(xs, ys, color, alpha, |i, j| {
            let w = (x1.min(i + 1.0) - x0.max(i)).max(0.0);
            let h = (y1.min(j + 1.0) - y0.max(j)).max(0.0);
            w * h
        });
    }

    /// Draws an anti-aliased convex polygon, corners in pixels in either order. Fewer than three
    /// corners draw nothing.
    pub fn polygon(&mut self, corners: &[(f64, f64)], color: Rgb, alpha: f64) {
        if corners.len() < 3 {
            return;
        }
        let fold = |f: fn(f64, f64) -> f64, start: f64, axis: fn(&(f64, f64)) -> f64| {
            corners.iter().map(axis).fold(start, f)
        };
        let x_span = (
            fold(f64::min, f64::INFINITY, |p| p.0) - 1.0,
            fold(f64::max, f64::NEG_INFINITY, |p| p.0) + 1.0,
        );
        let y_span = (
            fold(f64::min, f64::INFINITY, |p| p.1) - 1.0,
            fold(f64::max, f64::NEG_INFINITY, |p| p.1) + 1.0,
        );
        let edges = || corners.iter().zip(corners.iter().cycle().skip(1));
        let area2: f64 = edges().map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
        let turn = if area2 < 0.0 { -1.0 } else { 1.0 };
        // Each edge as a line whose signed distance is positive inside.
        let lines: Vec<(f64, f64, f64)> = edges()
            .filter_map(|(a, b)| {
                let (ex, ey) = (b.0 - a.0, b.1 - a.1);
                let length = (ex * ex + ey * ey).sqrt();
                (length > 0.0).then(|| {
                    let (nx, ny) = (-ey / length * turn, ex / length * turn);
                    (nx, ny, -(nx * a.0 + ny * a.1))
                })
            })
            .collect();
        self.blend(x_span, y_span, color, alpha, |i, j| {
            lines
                .iter()
                .map(|(nx, ny, c)| nx * (i + 0.5) + ny * (j + 0.5) + c + 0.5)
                .fold(1.0, f64::min)
        });
    }

    /// The pixels, `[y, x, channel]`.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.data
    }

    /// The pixels, `[y, x, channel]`, without a copy.
    #[must_use]
    pub fn into_rgb(self) -> Vec<u8> {
        self.data
    }
}

/// The pixels from `first` to before `end` of an axis that `[low, high]` touches.
fn pixel_range(low: f64, high: f64, first: usize, end: usize) -> std::ops::Range<usize> {
    let low = low.floor().clamp(first as f64, end as f64) as usize;
    let high = high.ceil().clamp(first as f64, end as f64) as usize;
    low..high.max(low)
}

/// The pixels of an axis of `size` that `[low, high]` covers wholly.
fn inner_range(low: f64, high: f64, size: usize) -> std::ops::Range<usize> {
    let low = low.ceil().clamp(0.0, size as f64) as usize;
    let high = high.floor().clamp(0.0, size as f64) as usize;
    low..high.max(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn white_mass(canvas: &Canvas) -> f64 {
        canvas.rgb().iter().map(|&v| f64::from(v)).sum::<f64>() / (3.0 * 255.0)
    }

    #[test]
    fn a_disc_covers_its_area_wherever_it_stands() {
        for (cx, cy) in [(20.0, 20.0), (20.3, 19.8), (20.5, 20.5)] {
            let mut canvas = Canvas::new(40, 40, Rgb::grey(0));
            canvas.disc(cx, cy, 6.0, Rgb::grey(255), 1.0);
            let area = std::f64::consts::PI * 36.0;
            assert!((white_mass(&canvas) / area - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn a_rect_covers_exactly_its_area() {
        let mut canvas = Canvas::new(10, 10, Rgb::grey(0));
        canvas.rect(1.5, 2.0, 4.0, 6.0, Rgb::grey(255), 1.0);
        assert!((white_mass(&canvas) - 10.0).abs() < 0.02);
    }

    #[test]
    fn a_polygon_is_the_same_in_both_orders_and_like_the_rect() {
        let corners = [(2.0, 3.0), (7.0, 3.0), (7.0, 8.0), (2.0, 8.0)];
        let mut forward = Canvas::new(12, 12, Rgb::grey(0));
        forward.polygon(&corners, Rgb(255, 40, 0), 1.0);
        let mut backward = Canvas::new(12, 12, Rgb::grey(0));
        backward.polygon(
            &corners.iter().rev().copied().collect::<Vec<_>>(),
            Rgb(255, 40, 0),
            1.0,
        );
        let mut rect = Canvas::new(12, 12, Rgb::grey(0));
        rect.rect(2.0, 3.0, 7.0, 8.0, Rgb(255, 40, 0), 1.0);
        assert_eq!(forward, backward);
        assert_eq!(forward, rect);
    }

    #[test]
    fn shapes_outside_the_picture_draw_nothing() {
        let empty = Canvas::new(8, 8, Rgb::grey(9));
        let mut canvas = empty.clone();
        canvas.disc(-20.0, 4.0, 3.0, Rgb::grey(255), 1.0);
        canvas.rect(9.0, 0.0, 12.0, 8.0, Rgb::grey(255), 1.0);
        canvas.polygon(&[(1.0, 1.0), (2.0, 2.0)], Rgb::grey(255), 1.0);
        assert_eq!(canvas, empty);
    }
}
