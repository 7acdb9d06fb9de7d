//! Scores of many predictions against one truth: the truth is ranked once.

use std::ops::Range;

use mental_pong_base::simd::dispatch;

use super::online::Score;

/// Stacked truth `[row]` of one target.
pub(crate) struct Truth {
    values: Vec<f64>,
    /// Rows by rising value.
    order: Vec<u32>,
    /// Places in `order` of equal values: `(first, one past the last)`, two or more each.
    equal: Vec<(u32, u32)>,
}

impl Truth {
    pub(crate) fn new(values: Vec<f64>) -> Self {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]));
        let mut equal = Vec::new();
        let mut first = 0;
        // `==` and not total_cmp, so that 0 and -0 are a tie.
        for group in order.chunk_by(|&a, &b| values[a as usize] == values[b as usize]) {
            let end = first + group.len() as u32;
            if group.len() > 1 {
                equal.push((first, end));
            }
            first = end;
        }
        Self {
            values,
            order,
            equal,
        }
    }
}

/// Rows that are scored, and room that scoring uses again and again.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Runs of neighbouring stacked rows that are scored.
    spans: Vec<Range<usize>>,
    /// `[stacked row]`, 1 where it is scored.
    inside: Vec<u32>,
    /// `[stacked row]`, twice the average rank of the truth among the scored rows.
    row_ranks: Vec<u32>,
    /// The same, and the truth, of the scored rows.
    ranks: Vec<u32>,
    truth: Vec<f64>,
    counts: Vec<u32>,
    /// Place of a value on a scale (upper bits) and its index (lower bits).
    keys: Vec<u32>,
    sorted: Vec<u32>,
}

impl Scratch {
    /// The rows, rising, of `total` stacked ones that are scored from now on.
    pub(crate) fn choose(&mut self, rows: impl Iterator<Item = usize>, total: usize) {
        self.spans.clear();
        self.inside.clear();
        self.inside.resize(total, 0);
        self.row_ranks.resize(total, 0);
        for row in rows {
            self.inside[row] = 1;
            match self.spans.last_mut() {
                Some(span) if span.end == row => span.end += 1,
                _ => self.spans.push(row..row + 1),
            }
        }
    }
}

/// Scores of `predicted` `[i]` against the truth in the chosen rows.
pub(crate) fn score(predicted: &[f64], truth: &Truth, scratch: &mut Scratch) -> Score {
    let n = predicted.len();
    scratch.truth.clear();
    for span in &scratch.spans {
        scratch.truth.extend_from_slice(&truth.values[span.clone()]);
    }
    let found = dispatch(
        #[inline(always)]
        || moments(predicted, &scratch.truth),
    );
    let spearman = if found.r.is_nan() {
        f64::NAN
    } else {
        let ties_y = rank_truth(truth, scratch);
        let (product, ties_p) = rank_product(predicted, (found.low, found.high), scratch);
        correlate_ranks(n, product, ties_p, ties_y)
    };
    let count = n as f64;
    Score {
        r: found.r,
        spearman,
        mae: if n == 0 {
            f64::NAN
        } else {
            found.absolute / count
        },
        rmse: if n == 0 {
            f64::NAN
        } else {
            (found.squared / count).sqrt()
        },
        n,
    }
}

const LANES: usize = 8;

/// Sums over pairs of x and y.
struct Moments {
    /// Pearson correlation; NaN as in [`crate::stats::pearson`].
    r: f64,
    /// Σ |x − y|.
    absolute: f64,
    /// Σ (x − y)².
    squared: f64,
    /// Smallest x.
    low: f64,
    /// Largest x.
    high: f64,
}

type Lanes = [f64; LANES];

#[inline(always)]
fn each(a: &Lanes, b: &Lanes, f: impl Fn(f64, f64) -> f64) -> Lanes {
    let mut out = [0.0; LANES];
    for l in 0..LANES {
        out[l] = f(a[l], b[l]);
    }
    out
}

/// Sums run over eight lanes in a fixed order, so that they are the same on every processor.
#[inline(always)]
fn moments(x: &[f64], y: &[f64]) -> Moments {
    let n = x.len().min(y.len());
    let ((x8, x_rest), (y8, y_rest)) = (x[..n].as_chunks(), y[..n].as_chunks());
    let (mut sum_x, mut sum_y) = ([0.0; LANES], [0.0; LANES]);
    let (mut raw_x, mut raw_y) = ([0.0; LANES], [0.0; LANES]);
    let (mut absolute, mut squared) = ([0.0; LANES], [0.0; LANES]);
    let (mut low, mut high) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    for (a, b) in x8.iter().zip(y8) {
        let d = each(a, b, |a, b| a - b);
        sum_x = each(&sum_x, a, |s, v| s + v);
        sum_y = each(&sum_y, b, |s, v| s + v);
        absolute = each(&absolute, &d, |s, v| s + v.abs());
        squared = each(&squared, &d, |s, v| s + v * v);
        raw_x = each(&raw_x, a, |s, v| s + v * v);
        raw_y = each(&raw_y, b, |s, v| s + v * v);
        low = each(&low, a, |s, v| if v < s { v } else { s });
        high = each(&high, a, |s, v| if v > s { v } else { s });
    }
    for (l, (&a, &b)) in x_rest.iter().zip(y_rest).enumerate() {
        sum_x[l] += a;
        sum_y[l] += b;
        absolute[l] += (a - b).abs();
        squared[l] += (a - b) * (a - b);
        raw_x[l] += a * a;
        raw_y[l] += b * b;
        low[l] = low[l].min(a);
        high[l] = high[l].max(a);
    }
    let total = |s: Lanes| s.iter().sum::<f64>();
    let mut found = Moments {
        r: f64::NAN,
        absolute: total(absolute),
        squared: total(squared),
        low: low.into_iter().fold(f64::INFINITY, f64::min),
        high: high.into_iter().fold(f64::NEG_INFINITY, f64::max),
    };
    if n < 2 {
        return found;
    }
    let (mean_x, mean_y) = (total(sum_x) / n as f64, total(sum_y) / n as f64);
    let (mut sxx, mut syy, mut sxy) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for (a, b) in x8.iter().zip(y8) {
        let (da, db) = (a.map(|v| v - mean_x), b.map(|v| v - mean_y));
        sxx = each(&sxx, &da, |s, v| s + v * v);
        syy = each(&syy, &db, |s, v| s + v * v);
        let product = each(&da, &db, |a, b| a * b);
        sxy = each(&sxy, &product, |s, v| s + v);
    }
    for (l, (&a, &b)) in x_rest.iter().zip(y_rest).enumerate() {
        let (da, db) = (a - mean_x, b - mean_y);
        sxx[l] += da * da;
        syy[l] += db * db;
        sxy[l] += da * db;
    }
    let (sxx, syy, sxy) = (total(sxx), total(syy), total(sxy));
    const ROUNDING: f64 = 1e-26;
    if sxx > ROUNDING * total(raw_x) && syy > ROUNDING * total(raw_y) {
        found.r = (sxy / sxx.sqrt() / syy.sqrt()).clamp(-1.0, 1.0);
    }
    found
}

/// Pearson correlation of average ranks, from the sum of products of twice the ranks. Their mean is (n + 1) / 2 and their
/// spread n (n² - 1) / 12, less Σ (t³ - t) / 12 over groups of t ties; `ties` are these sums of t³ - t.
fn correlate_ranks(n: usize, product: u128, ties_x: u128, ties_y: u128) -> f64 {
    let n = n as u128;
    // Twelve times the sums of products about the mean are whole numbers.
    let about = 3 * product as i128 - (3 * n * (n + 1) * (n + 1)) as i128;
    let spread = |ties: u128| (n * (n * n - 1) - ties) as f64;
    let (sxx, syy) = (spread(ties_x), spread(ties_y));
    if sxx > 0.0 && syy > 0.0 {
        (about as f64 / sxx.sqrt() / syy.sqrt()).clamp(-1.0, 1.0)
    } else {
        f64::NAN
    }
}

/// Most bits of a value's place: a longer scale tells few rows apart no better, and has more places to count.
const KEY_BITS_MAX: u32 = 22;

/// Σ of twice the average rank of finite values times `scratch.ranks`, and Σ (t³ - t) over the values' ties.
///
/// Values are put on an even scale from `low` to `high` and sorted by counting, upper and lower half of their places; what
/// falls on one mark is then sorted by value. A scale that one far value stretches costs time and nothing else.
fn rank_product(values: &[f64], (low, high): (f64, f64), scratch: &mut Scratch) -> (u128, u128) {
    let n = values.len();
    let index_bits = usize::BITS - n.saturating_sub(1).leading_zeros();
    let key_bits = u32::BITS.saturating_sub(index_bits).min(KEY_BITS_MAX);
    let scale = f64::from((1u32 << key_bits) - 1) / (high - low);
    let scale = if scale.is_finite() { scale } else { 0.0 };
    // Adding 2^52 leaves the rounded number in the low bits.
    const SHIFT: f64 = (1u64 << 52) as f64;
    let keys = &mut scratch.keys;
    keys.resize(n, 0);
    dispatch(
        #[inline(always)]
        || {
            for (i, (key, &v)) in keys.iter_mut().zip(values).enumerate() {
                let place = ((v - low) * scale + SHIFT).to_bits() as u32;
                *key = (place << index_bits) | i as u32;
            }
        },
    );
    let lower_bits = key_bits / 2;
    let counts = &mut scratch.counts;
    counts.clear();
    counts.resize((1 << lower_bits) + (1 << (key_bits - lower_bits)), 0);
    let (lower, upper) = counts.split_at_mut(1 << lower_bits);
    let low_place = |key: u32| (key >> index_bits) as usize & ((1 << lower_bits) - 1);
    let high_place = |key: u32| (key >> (index_bits + lower_bits)) as usize;
    for &key in &*keys {
        lower[low_place(key)] += 1;
        upper[high_place(key)] += 1;
    }
    for counts in [&mut *lower, &mut *upper] {
        let mut sum = 0;
        for c in counts {
            (*c, sum) = (sum, sum + *c);
        }
    }
    let sorted = &mut scratch.sorted;
    sorted.resize(n, 0);
    place_all(keys, sorted, lower, low_place);
    place_all(sorted, keys, upper, high_place);
    let ranks = &scratch.ranks;
    let mark = |key: u32| key >> index_bits;
    let index = |key: u32| (key & ((1 << index_bits) - 1)) as usize;
    let (mut product, mut ties) = (0u128, 0u128);
    let mut start = 0;
    while start < n {
        let first = keys[start];
        if start + 1 == n || mark(keys[start + 1]) != mark(first) {
            product += u128::from(2 * (start as u64 + 1) * u64::from(ranks[index(first)]));
            start += 1;
            continue;
        }
        let same = |&&key: &&u32| mark(key) == mark(first);
        let end = start + keys[start..].iter().take_while(same).count();
        let value = |key: u32| values[index(key)];
        keys[start..end].sort_unstable_by(|&a, &b| value(a).total_cmp(&value(b)));
        while start < end {
            // `==` and not total_cmp, so that 0 and -0 are a tie.
            let equal = |&&key: &&u32| value(key) == value(keys[start]);
            let t = keys[start..end].iter().take_while(equal).count();
            let twice = (2 * start + t + 1) as u64;
            for &key in &keys[start..start + t] {
                product += u128::from(twice * u64::from(ranks[index(key)]));
            }
            ties += cubed(t) - t as u128;
            start += t;
        }
    }
    (product, ties)
}

/// One pass of a sort by counting: `starts` is where each place begins.
fn place_all(from: &[u32], to: &mut [u32], starts: &mut [u32], place: impl Fn(u32) -> usize) {
    for &key in from {
        let at = &mut starts[place(key)];
        to[*at as usize] = key;
        *at += 1;
    }
}

fn cubed(t: usize) -> u128 {
    (t as u128).pow(3)
}

/// Twice the average ranks of the truth among the chosen rows into `scratch.ranks`, and Σ (t³ - t) over their ties.
fn rank_truth(truth: &Truth, scratch: &mut Scratch) -> u128 {
    let (inside, row_ranks) = (&scratch.inside, &mut scratch.row_ranks);
    let mut before = 0;
    for &row in &truth.order {
        row_ranks[row as usize] = 2 * before + 2;
        before += inside[row as usize];
    }
    let mut ties = 0;
    for &(first, end) in &truth.equal {
        let group = &truth.order[first as usize..end as usize];
        let t: u32 = group.iter().map(|&row| inside[row as usize]).sum();
        if t > 1 {
            let twice = row_ranks[group[0] as usize] + t - 1;
            for &row in group {
                row_ranks[row as usize] = twice;
            }
            ties += cubed(t as usize) - u128::from(t);
        }
    }
    scratch.ranks.clear();
    for span in &scratch.spans {
        scratch.ranks.extend_from_slice(&row_ranks[span.clone()]);
    }
    ties
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats;

    #[test]
    fn scores_equal_their_plain_definitions() {
        let mut state = 7u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as f64 / f64::from(1u32 << 31) - 0.5
        };
        for case in 0..60 {
            let n = 2 + 13 * case;
            let mut p: Vec<f64> = (0..n).map(|_| next()).collect();
            let mut y: Vec<f64> = (0..2 * n).map(|_| next()).collect();
            if case % 3 == 1 {
                // Ties, and 0 beside -0.
                for v in p.iter_mut().chain(&mut y) {
                    *v = (*v * 8.0).round();
                }
            }
            if case % 3 == 2 {
                // One value far away puts all others into one bucket.
                p[0] = 1e12;
            }
            // Every second row, and neighbours.
            let rows: Vec<usize> = (0..n)
                .map(|i| if i < n / 2 { 2 * i } else { n / 2 + i })
                .collect();
            let picked: Vec<f64> = rows.iter().map(|&r| y[r]).collect();
            let mut scratch = Scratch::default();
            scratch.choose(rows.into_iter(), y.len());
            let found = score(&p, &Truth::new(y), &mut scratch);
            for (a, b) in [
                (found.r, stats::pearson(&p, &picked)),
                (found.spearman, stats::spearman(&p, &picked)),
                (found.mae, stats::mean_absolute_error(&p, &picked)),
                (found.rmse, stats::root_mean_squared_error(&p, &picked)),
            ] {
                assert!(
                    (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * b.abs().max(1.0),
                    "case {case}: {a} is not {b}"
                );
            }
        }
    }

    #[test]
    fn a_constant_has_errors_and_no_correlation() {
        let truth = Truth::new(vec![1.0, 2.0, 3.0]);
        let mut scratch = Scratch::default();
        scratch.choose(0..3, 3);
        let s = score(&[2.0; 3], &truth, &mut scratch);
        assert!(s.r.is_nan() && s.spearman.is_nan());
        assert!((s.mae - 2.0 / 3.0).abs() < 1e-15);
    }
}
