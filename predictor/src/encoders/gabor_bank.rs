use std::f64::consts::TAU;

use mental_pong_game::frames::Preset;
use rayon::prelude::*;

/// Side of a frame, pixels; 5 of them are a degree.
const SIDE: usize = Preset::Rnn100.size();
/// Directions of motion, 45° apart from 0° (to larger x) towards larger y. Nishimoto & Gallant (2011)
/// take as many.
const DIRECTIONS: usize = 8;
/// Preferred speeds, pixels a frame: the slowest and the fastest ball of the task, 3.75 and 7.5 °/s.
/// With the directions they make the published number of 16 quadrature pairs.
const SPEEDS: [f64; 2] = [0.781_25, 1.562_5];
/// Pixels of a period: 1.6°, somewhat more than the ball, whose diameter is 6.25 pixels.
const PERIOD: f64 = 8.0;
/// Standard deviation of the envelope over space, pixels: 0.6 of a period, about one octave of
/// bandwidth (Nishimoto & Gallant 2011; cells of V1: De Valois et al. 1982).
const SIGMA_SPACE: f64 = 0.6 * PERIOD;
/// Pixels to each side of a kernel's middle, three deviations.
const REACH: usize = 15;
/// Standard deviation of the envelope over time, frames: 125 ms. Shorter ones do not tell the two speeds
/// and the opposite direction apart (at 2 frames the slow filters answer motion the other way with 0.30
/// of what they answer their own; at 3 with 0.02).
const SIGMA_TIME: f64 = 3.0;
/// Frames that a filter looks at, its own and those before it: two deviations to each side.
const TAPS: usize = 13;
/// Pixels from one place where energies are read to the next. The envelope is as wide, so that places
/// between say little that is new.
const SPACING: usize = 5;
/// First such place.
const FIRST: usize = 2;
/// Places a side.
const PLACES: usize = SIDE / SPACING;
/// Filters of the bank.
const FILTERS: usize = DIRECTIONS * SPEEDS.len();

/// A number with its imaginary part.
type Complex = (f64, f64);

fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// `e^(−iφ)`; libm's functions have the same last bit on every platform.
fn turned(phase: f64) -> Complex {
    (libm::cos(phase), -libm::sin(phase))
}

/// Sixteen causal spatio-temporal Gabor quadrature pairs and their energies (Adelson & Bergen 1985).
///
/// The filter of direction θ and speed v, at a place and a frame, weighs the pixel `dx`, `dy` beside it,
/// `k` frames before, with
///
/// `N(dx; σs) N(dy; σs) (T(k) e^(−iφ(dx, dy, k)) − c T(k) e^(−iφ(dx, dy, 0)))`,
/// `φ = 2π/λ (cos θ dx + sin θ dy + v k)`,
///
/// where each `N` and `T` is a Gaussian cut off and brought to a sum of 1, `T` about `k = 6`, and `c`
/// is such that what stands still has no energy. Real and imaginary part are the even and the odd
/// filter, their root sum of squares is the energy. Outside the picture is 0; before the first frame
/// stands the first frame.
#[derive(Clone, Debug)]
pub(super) struct GaborBank {
    /// `[direction of the first half][tap]`; those opposite are their complex conjugates.
    along_x: Vec<Vec<Complex>>,
    along_y: Vec<Vec<Complex>>,
    /// `[speed][frames before]`.
    over_time: Vec<Vec<Complex>>,
}

impl GaborBank {
    /// Numbers of a frame: `[direction, speed, y, x]`.
    pub(super) const UNITS: usize = FILTERS * PLACES * PLACES;
    /// Frames that a number depends on.
    pub(super) const FRAMES: usize = TAPS;

    /// The bank in words.
    pub(super) fn about() -> String {
        format!(
            "100 x 100 grey, divided by 255; energies of {FILTERS} causal spatio-temporal Gabor pairs, {DIRECTIONS} \
             directions, speeds {SPEEDS:?} pixels a frame, period {PERIOD} pixels, deviation {SIGMA_SPACE} pixels and \
             {SIGMA_TIME} of {TAPS} frames, at every {SPACING}th pixel from {FIRST}"
        )
    }

    pub(super) fn new() -> Self {
        let gauss = |at: f64, sigma: f64| libm::exp(-at * at / (2.0 * sigma * sigma));
        let normed = |values: Vec<f64>| -> Vec<f64> {
            let sum: f64 = values.iter().sum();
            values.iter().map(|v| v / sum).collect()
        };
        let space = normed(
            (0..=2 * REACH)
                .map(|k| gauss(k as f64 - REACH as f64, SIGMA_SPACE))
                .collect(),
        );
        let middle = (TAPS - 1) as f64 / 2.0;
        let time = normed(
            (0..TAPS)
                .map(|k| gauss(k as f64 - middle, SIGMA_TIME))
                .collect(),
        );
        let scaled = |z: Complex, by: f64| (z.0 * by, z.1 * by);
        let along = |part: fn(f64) -> f64| -> Vec<Vec<Complex>> {
            (0..DIRECTIONS / 2)
                .map(|d| {
                    let rate = part(TAU * d as f64 / DIRECTIONS as f64) * TAU / PERIOD;
                    let at = |k: usize| k as f64 - REACH as f64;
                    let taps = space.iter().enumerate();
                    taps.map(|(k, w)| scaled(turned(rate * at(k)), *w))
                        .collect()
                })
                .collect()
        };
        let over_time = SPEEDS
            .iter()
            .map(|speed| {
                let waves: Vec<Complex> = time
                    .iter()
                    .enumerate()
                    .map(|(k, w)| scaled(turned(TAU / PERIOD * speed * k as f64), *w))
                    .collect();
                // The envelope sums to 1, so that the waves' sum times it takes away what stands still.
                let still = waves.iter().fold((0.0, 0.0), |s, z| (s.0 + z.0, s.1 + z.1));
                waves
                    .iter()
                    .zip(&time)
                    .map(|(z, w)| (z.0 - w * still.0, z.1 - w * still.1))
                    .collect()
            })
            .collect();
        Self {
            along_x: along(libm::cos),
            along_y: along(libm::sin),
            over_time,
        }
    }

    /// Energies of a clip's frames, each `[y, x]`: `[frame, direction, speed, y, x]`.
    pub(super) fn energies(&self, frames: &[&[u8]]) -> Vec<f64> {
        let space: Vec<Vec<Complex>> = frames
            .par_iter()
            .map(|frame| self.in_space(frame))
            .collect();
        let half = PLACES * PLACES * DIRECTIONS / 2;
        let mut out = vec![0.0; frames.len() * Self::UNITS];
        out.par_chunks_exact_mut(Self::UNITS)
            .enumerate()
            .for_each(|(t, out)| {
                for (filter, out) in out.chunks_exact_mut(PLACES * PLACES).enumerate() {
                    let (direction, speed) = (filter / SPEEDS.len(), filter % SPEEDS.len());
                    let from = direction * PLACES * PLACES % half;
                    let sign = if direction < DIRECTIONS / 2 {
                        1.0
                    } else {
                        -1.0
                    };
                    for (place, out) in out.iter_mut().enumerate() {
                        let mut sum = (0.0, 0.0);
                        for (k, w) in self.over_time[speed].iter().enumerate() {
                            let (re, im) = space[t.saturating_sub(k)][from + place];
                            let term = times((re, sign * im), *w);
                            sum = (sum.0 + term.0, sum.1 + term.1);
                        }
                        *out = (sum.0 * sum.0 + sum.1 * sum.1).sqrt();
                    }
                }
            });
        out
    }

    /// One frame through the filters' spatial part, `[direction of the first half, y, x]`.
    fn in_space(&self, frame: &[u8]) -> Vec<Complex> {
        let mut out = Vec::with_capacity(self.along_x.len() * PLACES * PLACES);
        let mut rows = vec![(0.0, 0.0); SIDE * PLACES];
        for (along_x, along_y) in self.along_x.iter().zip(&self.along_y) {
            for (y, row) in frame.chunks_exact(SIDE).enumerate() {
                for x in 0..PLACES {
                    rows[y * PLACES + x] = weighed(along_x, FIRST + x * SPACING, |at| {
                        (f64::from(row[at]) / 255.0, 0.0)
                    });
                }
            }
            for y in 0..PLACES {
                for x in 0..PLACES {
                    out.push(weighed(along_y, FIRST + y * SPACING, |at| {
                        rows[at * PLACES + x]
                    }));
                }
            }
        }
        out
    }
}

/// Sum over a kernel's taps about `middle` of a line [`SIDE`] long; 0 beyond its ends.
fn weighed(taps: &[Complex], middle: usize, line: impl Fn(usize) -> Complex) -> Complex {
    let from = REACH.saturating_sub(middle);
    let to = taps.len().min(SIDE + REACH - middle);
    (from..to).fold((0.0, 0.0), |sum, k| {
        let term = times(line(middle + k - REACH), taps[k]);
        (sum.0 + term.0, sum.1 + term.1)
    })
}
