//! Motion energies against NumPy, against the formula, and against what they are for.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::f64::consts::TAU;
use std::sync::OnceLock;

use mental_pong_base::Quiet;
use mental_pong_base::Stream;
use mental_pong_predictor::encoders::GaborPca;
use serde_json::Value;

const SIDE: usize = 100;
const DIRECTIONS: usize = 8;
const SPEEDS: [f64; 2] = [0.781_25, 1.562_5];
const FILTERS: usize = 16;
const PLACES: usize = 20;
const UNITS: usize = FILTERS * PLACES * PLACES;
const TAPS: usize = 13;
const PERIOD: f64 = 8.0;

fn times(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// The bank of an encoder; its components do not matter.
fn energies(clip: &[Vec<u8>]) -> Vec<f64> {
    static ENCODER: OnceLock<GaborPca> = OnceLock::new();
    let encoder = ENCODER.get_or_init(|| {
        let trials = &GaborPca::sample().unwrap()[..2];
        GaborPca::fit_sized(trials, 2, 2, &Quiet).unwrap()
    });
    let views: Vec<&[u8]> = clip.iter().map(Vec::as_slice).collect();
    encoder.energies(&views).unwrap()
}

fn clip(seed: u64, frames: usize) -> Vec<Vec<u8>> {
    let mut rng = Stream::new(seed, "gabor bank", 0);
    (0..frames)
        .map(|_| (0..SIDE * SIDE).map(|_| rng.below(256) as u8).collect())
        .collect()
}

/// A number of [`GaborBank::energies`], straight from the formula: a sum over a block of the video.
fn by_formula(clip: &[Vec<u8>], t: usize, unit: usize) -> f64 {
    let (place, filter) = (unit % (PLACES * PLACES), unit / (PLACES * PLACES));
    let (x0, y0) = (place % PLACES * 5 + 2, place / PLACES * 5 + 2);
    let theta = (filter / 2) as f64 * std::f64::consts::FRAC_PI_4;
    let speed = [0.781_25, 1.562_5][filter % 2];
    let norm = |n: i64, sigma: f64| -> f64 {
        let weights = (-n..=n).map(|k| (-((k * k) as f64) / (2.0 * sigma * sigma)).exp());
        weights.sum()
    };
    let (space, time) = (norm(15, 4.8), norm(6, 3.0));
    let envelope = |k: i64| (-(((k - 6) * (k - 6)) as f64) / 18.0).exp() / time;
    let wave = |phase: f64| (phase.cos(), -phase.sin());
    let still = (0..13).fold((0.0, 0.0), |s, k| {
        let (re, im) = wave(TAU / 8.0 * speed * k as f64);
        (s.0 + envelope(k) * re, s.1 + envelope(k) * im)
    });
    let mut sum = (0.0, 0.0);
    for k in 0..13_i64 {
        let frame = &clip[(t as i64 - k).max(0) as usize];
        for dy in -15..=15_i64 {
            for dx in -15..=15_i64 {
                let (x, y) = (x0 as i64 + dx, y0 as i64 + dy);
                if !(0..100).contains(&x) || !(0..100).contains(&y) {
                    continue;
                }
                let around = (-((dx * dx + dy * dy) as f64) / (2.0 * 4.8 * 4.8)).exp();
                let weight = around / (space * space) * envelope(k);
                let phase = |k: f64| {
                    let along = theta.cos() * dx as f64 + theta.sin() * dy as f64;
                    TAU / 8.0 * (along + speed * k)
                };
                let (now, zero) = (wave(phase(k as f64)), wave(phase(0.0)));
                let zero = times(zero, still);
                let level = f64::from(frame[(y * 100 + x) as usize]) / 255.0;
                sum.0 += level * weight * (now.0 - zero.0);
                sum.1 += level * weight * (now.1 - zero.1);
            }
        }
    }
    sum.0.hypot(sum.1)
}

#[test]
fn energies_are_the_formula_s() {
    for seed in 0..4 {
        let clip = clip(seed, 18);
        let got = energies(&clip);
        assert_eq!(got.len(), 18 * UNITS);
        let mut rng = Stream::new(seed, "gabor units", 0);
        for _ in 0..25 {
            let (t, unit) = (rng.below(18), rng.below(UNITS));
            let want = by_formula(&clip, t, unit);
            let got = got[t * UNITS + unit];
            assert!((got - want).abs() < 1e-12, "{t} {unit}: {got} {want}");
        }
    }
}

// Expected: numpy and scipy.signal.fftconvolve over the whole three-dimensional kernels.
#[test]
fn energies_are_numpy_s() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gabor_bank.json");
    let want: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let frames = want["frames"].as_u64().unwrap() as usize;
    // Numerical Recipes' linear congruential generator, its highest byte.
    let mut state = want["seed"].as_u64().unwrap() as u32;
    let clip: Vec<Vec<u8>> = (0..frames)
        .map(|_| {
            (0..SIDE * SIDE)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect()
        })
        .collect();
    let got = energies(&clip);
    let mut worst = 0.0_f64;
    let energies = want["energies"].as_array().unwrap();
    assert_eq!(energies.len(), 16 * 40);
    for entry in energies {
        let [t, filter, y, x] = [0, 1, 2, 3].map(|k| entry[k].as_u64().unwrap() as usize);
        let unit = (filter * PLACES + y) * PLACES + x;
        let error = got[t * UNITS + unit] - entry[4].as_f64().unwrap();
        worst = worst.max(error.abs());
    }
    assert!(worst < 1e-12, "{worst:e}");
}

#[test]
fn no_later_frame_and_no_longer_past_is_looked_at() {
    let mut clip = clip(9, 36);
    let before = energies(&clip);
    clip[20].fill(7);
    let after = energies(&clip);
    let differs = |t: usize| {
        let row = t * UNITS..(t + 1) * UNITS;
        before[row.clone()] != after[row]
    };
    let changed: Vec<usize> = (0..36).filter(|t| differs(*t)).collect();
    assert_eq!(changed, (20..20 + TAPS).collect::<Vec<_>>());
}

#[test]
fn what_stands_still_has_no_energy_and_what_moves_has_that_of_its_direction() {
    let still = clip(3, 1);
    let frames = vec![still[0].clone(); 16];
    assert!(energies(&frames).iter().all(|e| *e < 1e-14));
    for direction in 0..DIRECTIONS {
        for (s, speed) in SPEEDS.iter().enumerate() {
            let theta = TAU * direction as f64 / DIRECTIONS as f64;
            let clip: Vec<Vec<u8>> = (0..20)
                .map(|t| {
                    let along =
                        |x: usize, y: usize| theta.cos() * x as f64 + theta.sin() * y as f64;
                    (0..SIDE * SIDE)
                        .map(|p| {
                            let moved = along(p % SIDE, p / SIDE) - speed * t as f64;
                            (127.5 + 100.0 * (TAU / PERIOD * moved).cos()) as u8
                        })
                        .collect()
                })
                .collect();
            let energies = energies(&clip);
            let last = &energies[19 * UNITS..];
            let middle = (PLACES / 2) * PLACES + PLACES / 2;
            let at = |filter: usize| last[filter * PLACES * PLACES + middle];
            let most = (0..FILTERS)
                .max_by(|a, b| at(*a).total_cmp(&at(*b)))
                .unwrap();
            assert_eq!(most, direction * SPEEDS.len() + s);
            let opposite = (direction + DIRECTIONS / 2) % DIRECTIONS * SPEEDS.len() + s;
            assert!(
                at(opposite) < 0.1 * at(most),
                "{} {}",
                at(opposite),
                at(most)
            );
        }
    }
}
