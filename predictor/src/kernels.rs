//! Elementwise functions of networks on plain `f32` slices, as fast as the processor's vectors allow.
//!
//! The functions are polynomials without tables or branches, so that loops over them become vector code; each loop is
//! compiled for several instruction sets and the best is taken at run time (`pulp`). No fused multiply-add is used, so
//! every instruction set gives the same bits.

use mental_pong_base::simd::dispatch;
use rayon::prelude::*;

/// Values that one thread takes at a time; less is not worth a thread.
const CHUNK: usize = 1 << 14;

/// eˣ to about 2 units in the last place, for x in −87 to 88 and held at the ends beyond (Cephes' polynomial, S. Moshier).
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding and taking away 1.5 · 2²³ rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let y = p * (r * r) + r + 1.0;
    let scale = f32::from_bits((((n as i32) + 127) as u32) << 23);
    y * scale
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh x: Cephes' polynomial near 0, by eˣ beyond.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 0.020_639_088;
    let p = p * z - 5.373_971_6e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 0.333_332_8;
    let near = p * z * x + x;
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

/// The error function to 1.5e-7 (Abramowitz & Stegun 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    (1.0 - p * t * exp(-a * a)).copysign(x)
}

/// `x / 2 · (1 + erf(x / √2))` in place.
pub(crate) fn gelu(values: &mut [f32]) {
    values.par_chunks_mut(CHUNK).for_each(|part| {
        dispatch(
            #[inline(always)]
            || {
                for x in part.iter_mut() {
                    *x = 0.5 * *x * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
                }
            },
        );
    });
}

/// `x · sigmoid(1.702 x)`, OpenAI's approximation of GELU, in place.
pub(crate) fn quick_gelu(values: &mut [f32]) {
    values.par_chunks_mut(CHUNK).for_each(|part| {
        dispatch(
            #[inline(always)]
            || {
                for x in part.iter_mut() {
                    *x *= sigmoid(1.702 * *x);
                }
            },
        );
    });
}

/// Turns each row of `x` `[row, unit]`: `x · cos + y · sin`, y the neighbours swapped with a minus on the first; a last
/// unit without a neighbour is `x · cos`.
pub(crate) fn turn(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let even = x.len() / 2 * 2;
    let (pairs, rest) = x.split_at_mut(even);
    for ((pair, cos_pair), sin) in pairs
        .chunks_exact_mut(2)
        .zip(cos.chunks_exact(2))
        .zip(sin.chunks_exact(2))
    {
        let (a, b) = (pair[0], pair[1]);
        pair[0] = a * cos_pair[0] - b * sin[0];
        pair[1] = b * cos_pair[1] + a * sin[1];
    }
    if let (Some(last), Some(c)) = (rest.first_mut(), cos.get(even)) {
        *last *= c;
    }
}

/// `silu(a) · b` of rows that hold a and b side by side, each `width` long; gives rows of `width`.
pub(crate) fn gated_silu(rows: &[f32], width: usize, out: &mut [f32]) {
    out.par_chunks_mut(width)
        .zip(rows.par_chunks(2 * width))
        .for_each(|(out, row)| {
            let (a, b) = row.split_at(width);
            dispatch(
                #[inline(always)]
                || {
                    for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
                        *o = a * sigmoid(a) * b;
                    }
                },
            );
        });
}

/// Softmax of `scale · row` in place, row by row.
pub(crate) fn softmax_rows(values: &mut [f32], width: usize, scale: f32) {
    dispatch(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(width) {
                let mut most = f32::NEG_INFINITY;
                for &x in row.iter() {
                    most = if x > most { x } else { most };
                }
                for x in row.iter_mut() {
                    *x = exp((*x - most) * scale);
                }
                let share = 1.0 / sum(row);
                for x in row.iter_mut() {
                    *x *= share;
                }
            }
        },
    );
}

/// A sum in sixteen lanes: the order is fixed and vectors can do it.
#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = values.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += v;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Layer norm of each row of `x` into `out`, with gain and offset.
pub(crate) fn layer_norm(x: &[f32], gain: &[f32], offset: &[f32], epsilon: f32, out: &mut [f32]) {
    let width = gain.len();
    out.par_chunks_mut(width)
        .zip(x.par_chunks(width))
        .with_min_len(CHUNK / width.max(1) + 1)
        .for_each(|(out, x)| {
            dispatch(
                #[inline(always)]
                || {
                    let mean = sum(x) / width as f32;
                    for (o, &v) in out.iter_mut().zip(x) {
                        *o = (v - mean) * (v - mean);
                    }
                    let scale = 1.0 / (sum(out) / width as f32 + epsilon).sqrt();
                    for (((o, &v), &g), &b) in out.iter_mut().zip(x).zip(gain).zip(offset) {
                        *o = (v - mean) * scale * g + b;
                    }
                },
            );
        });
}

/// Adds `row` to each row of `x`.
pub(crate) fn add_row(x: &mut [f32], row: &[f32]) {
    x.par_chunks_mut(row.len())
        .with_min_len(CHUNK / row.len().max(1) + 1)
        .for_each(|x| {
            for (x, &r) in x.iter_mut().zip(row) {
                *x += r;
            }
        });
}

/// Adds `bias` to each row of `x`, and `add`, of the same size, and takes what is below 0 away where `relu` says so.
pub(crate) fn bias_add_relu(x: &mut [f32], bias: &[f32], add: Option<&[f32]>, relu: bool) {
    let width = bias.len();
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    dispatch(
        #[inline(always)]
        || match add {
            Some(add) => {
                for (x, add) in x.chunks_exact_mut(width).zip(add.chunks_exact(width)) {
                    for ((x, &b), &a) in x.iter_mut().zip(bias).zip(add) {
                        let y = *x + b + a;
                        // Not a number stays what it is.
                        *x = if y < floor { floor } else { y };
                    }
                }
            }
            None => {
                for x in x.chunks_exact_mut(width) {
                    for (x, &b) in x.iter_mut().zip(bias) {
                        let y = *x + b;
                        *x = if y < floor { floor } else { y };
                    }
                }
            }
        },
    );
}

/// One step of an LSTM after its products: `gates` `[row, 4 · unit]` (input, forget, cell, output, as PyTorch orders them)
/// and the cell `[row, unit]` before it give the cell and the output `[row, unit]` after it.
pub(crate) fn lstm_step(gates: &[f32], cell: &mut [f32], output: &mut [f32], units: usize) {
    cell.par_chunks_mut(units)
        .zip(output.par_chunks_mut(units))
        .zip(gates.par_chunks(4 * units))
        .for_each(|((c, h), gates)| {
            let (i, rest) = gates.split_at(units);
            let (f, rest) = rest.split_at(units);
            let (g, o) = rest.split_at(units);
            dispatch(
                #[inline(always)]
                || {
                    for k in 0..units {
                        let next = sigmoid(f[k]) * c[k] + sigmoid(i[k]) * tanh(g[k]);
                        c[k] = next;
                        h[k] = sigmoid(o[k]) * tanh(next);
                    }
                },
            );
        });
}

/// One step of a GRU after its products: `input` and `recurrent` `[row, 3 · unit]` (reset, update, new, as PyTorch orders them),
/// biases added, bring the output `[row, unit]` up to date.
pub(crate) fn gru_step(input: &[f32], recurrent: &[f32], output: &mut [f32], units: usize) {
    output
        .par_chunks_mut(units)
        .zip(input.par_chunks(3 * units))
        .zip(recurrent.par_chunks(3 * units))
        .for_each(|((h, x), r)| {
            dispatch(
                #[inline(always)]
                || {
                    for k in 0..units {
                        let reset = sigmoid(x[k] + r[k]);
                        let update = sigmoid(x[units + k] + r[units + k]);
                        let new = tanh(x[2 * units + k] + reset * r[2 * units + k]);
                        h[k] = new + update * (h[k] - new);
                    }
                },
            );
        });
}

/// One Euler step of a CTRNN: `drive` is `W_hh h + W_hx x + b`; the activation `ah` and the rate `h = max(tanh(ah), 0)` are
/// brought up to date. All `[row, unit]`.
pub(crate) fn ctrnn_step(drive: &[f32], ah: &mut [f32], h: &mut [f32], dt_over_tau: f32) {
    ah.par_chunks_mut(CHUNK)
        .zip(h.par_chunks_mut(CHUNK))
        .zip(drive.par_chunks(CHUNK))
        .for_each(|((ah, h), drive)| {
            dispatch(
                #[inline(always)]
                || {
                    for ((a, h), &d) in ah.iter_mut().zip(h.iter_mut()).zip(drive) {
                        *a += (d - *a) * dt_over_tau;
                        *h = tanh(*a).max(0.0);
                    }
                },
            );
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of every size that networks have.
    fn grid() -> Vec<f32> {
        (-40_000..=40_000).map(|k| k as f32 * 2.5e-4).collect()
    }

    #[test]
    fn exp_is_right_to_two_units_in_the_last_place() {
        for k in -8_700..=8_800 {
            let x = k as f32 / 100.0;
            let want = f64::from(x).exp();
            let got = f64::from(exp(x));
            assert!((got / want - 1.0).abs() < 2.5e-7, "{x}: {got} {want}");
        }
        assert!(exp(-1e9) > 0.0 && exp(-1e9) < 1e-37 && exp(1e9).is_finite());
    }

    #[test]
    fn sigmoid_and_tanh_are_those_of_double_precision() {
        for x in grid() {
            let wide = f64::from(x);
            assert!(
                (f64::from(sigmoid(x)) - 1.0 / (1.0 + (-wide).exp())).abs() < 1.5e-7,
                "{x}"
            );
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 1.5e-7, "{x}");
        }
    }

    #[test]
    fn gelu_is_that_of_double_precision() {
        // erf by its series (small) and its continued fraction would be as long as the code; statrs has it.
        let mut values = grid();
        gelu(&mut values);
        for (x, y) in grid().into_iter().zip(values) {
            let wide = f64::from(x);
            let want = 0.5 * wide * statrs::function::erf::erfc(-wide / std::f64::consts::SQRT_2);
            assert!((f64::from(y) - want).abs() < 1e-6, "{x}: {y} {want}");
        }
    }

    #[test]
    fn rows_of_a_softmax_sum_to_one_and_keep_their_order() {
        let mut values: Vec<f32> = (0..3 * 37).map(|k| ((k * 17) % 29) as f32 - 14.0).collect();
        let before = values.clone();
        softmax_rows(&mut values, 37, 0.5);
        for (row, old) in values.chunks(37).zip(before.chunks(37)) {
            let total: f64 = old.iter().map(|&x| (0.5 * f64::from(x)).exp()).sum();
            for (p, &x) in row.iter().zip(old) {
                assert!((f64::from(*p) - (0.5 * f64::from(x)).exp() / total).abs() < 2e-7);
            }
        }
    }

    #[test]
    fn a_layer_norm_has_its_gain_and_offset() {
        let x: Vec<f32> = (0..2 * 50).map(|k| ((k * 31) % 23) as f32).collect();
        let gain = vec![2.0; 50];
        let offset = vec![-1.0; 50];
        let mut out = vec![0.0; 100];
        layer_norm(&x, &gain, &offset, 1e-6, &mut out);
        for (row, x) in out.chunks(50).zip(x.chunks(50)) {
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / 50.0;
            let var = x
                .iter()
                .map(|&v| (f64::from(v) - mean).powi(2))
                .sum::<f64>()
                / 50.0;
            for (o, &v) in row.iter().zip(x) {
                let want = 2.0 * (f64::from(v) - mean) / (var + 1e-6).sqrt() - 1.0;
                assert!((f64::from(*o) - want).abs() < 1e-5);
            }
        }
    }
}
