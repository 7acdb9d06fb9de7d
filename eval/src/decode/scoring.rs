//! Scores of many predictions against one truth: the truth is ranked once.

use pulp::Arch;

use super::online::Score;

/// Stacked truth `[row]` of one target, with the class of equal values that each row belongs to, rising with the value.
pub(crate) struct Truth {
    pub(crate) values: Vec<f64>,
    class: Vec<u32>,
    classes: usize,
}

impl Truth {
    pub(crate) fn new(values: Vec<f64>) -> Self {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]));
        let mut class = vec![0; values.len()];
        let mut classes = 0;
        for (at, &row) in order.iter().enumerate() {
            // `==` and not total_cmp, so that 0 and -0 are a tie.
            if at > 0 && values[row as usize] != values[order[at - 1] as usize] {
                classes += 1;
            }
            class[row as usize] = classes;
        }
        Self {
            values,
            class,
            classes: classes as usize + 1,
        }
    }
}

/// Room that scoring uses again and again.
#[derive(Default)]
pub(crate) struct Scratch {
    counts: Vec<u32>,
    /// Place of a value on a scale of [`KEY_BITS`] bits (upper half) and its index (lower half).
    keys: Vec<u64>,
    sorted: Vec<u64>,
    /// Twice the average rank of the truth.
    ranks: Vec<u32>,
    truth: Vec<f64>,
}

/// Scores of `predicted` `[i]` against the truth in `rows` `[i]`.
pub(crate) fn score(
    predicted: &[f64],
    truth: &Truth,
    rows: &[u32],
    scratch: &mut Scratch,
) -> Score {
    let n = predicted.len();
    scratch.truth.clear();
    scratch
        .truth
        .extend(rows.iter().map(|&r| truth.values[r as usize]));
    let found = Arch::new().dispatch(|| moments(predicted, &scratch.truth));
    let spearman = if found.r.is_nan() {
        f64::NAN
    } else {
        let ties_y = rank_classes(truth, rows, scratch);
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

/// Sums run over eight lanes in a fixed order, so that they are the same on every processor.
#[inline(always)]
fn moments(x: &[f64], y: &[f64]) -> Moments {
    let n = x.len().min(y.len());
    let (x, y) = (&x[..n], &y[..n]);
    let split = n - n % LANES;
    let mut sums = [[0.0f64; LANES]; 6];
    let mut low = [f64::INFINITY; LANES];
    let mut high = [f64::NEG_INFINITY; LANES];
    let mut add = |l: usize, a: f64, b: f64| {
        let d = a - b;
        sums[0][l] += a;
        sums[1][l] += b;
        sums[2][l] += d.abs();
        sums[3][l] += d * d;
        sums[4][l] += a * a;
        sums[5][l] += b * b;
        low[l] = if a < low[l] { a } else { low[l] };
        high[l] = if a > high[l] { a } else { high[l] };
    };
    for (a, b) in x[..split]
        .chunks_exact(LANES)
        .zip(y[..split].chunks_exact(LANES))
    {
        for l in 0..LANES {
            add(l, a[l], b[l]);
        }
    }
    for (l, (a, b)) in x[split..].iter().zip(&y[split..]).enumerate() {
        add(l, *a, *b);
    }
    let total = |s: &[f64; LANES]| s.iter().sum::<f64>();
    let mut found = Moments {
        r: f64::NAN,
        absolute: total(&sums[2]),
        squared: total(&sums[3]),
        low: low.into_iter().fold(f64::INFINITY, f64::min),
        high: high.into_iter().fold(f64::NEG_INFINITY, f64::max),
    };
    if n < 2 {
        return found;
    }
    let (raw_x, raw_y) = (total(&sums[4]), total(&sums[5]));
    let (mean_x, mean_y) = (total(&sums[0]) / n as f64, total(&sums[1]) / n as f64);
    let mut about = [[0.0f64; LANES]; 3];
    let mut add = |l: usize, a: f64, b: f64| {
        let (da, db) = (a - mean_x, b - mean_y);
        about[0][l] += da * da;
        about[1][l] += db * db;
        about[2][l] += da * db;
    };
    for (a, b) in x[..split]
        .chunks_exact(LANES)
        .zip(y[..split].chunks_exact(LANES))
    {
        for l in 0..LANES {
            add(l, a[l], b[l]);
        }
    }
    for (l, (a, b)) in x[split..].iter().zip(&y[split..]).enumerate() {
        add(l, *a, *b);
    }
    let [sxx, syy, sxy] = about.map(|s| total(&s));
    const ROUNDING: f64 = 1e-26;
    if sxx > ROUNDING * raw_x && syy > ROUNDING * raw_y {
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

/// Bits of the scale on which values are sorted, in two passes.
const KEY_BITS: u32 = 2 * PASS_BITS;
const PASS_BITS: u32 = 11;
const BUCKETS: usize = 1 << PASS_BITS;

/// Σ of twice the average rank of finite values times `scratch.ranks`, and Σ (t³ - t) over the values' ties.
///
/// Values are put on an even scale from `low` to `high` and sorted by counting; what falls on one mark is then sorted by
/// value. A scale that one far value stretches costs time and nothing else.
fn rank_product(values: &[f64], (low, high): (f64, f64), scratch: &mut Scratch) -> (u128, u128) {
    let n = values.len();
    let scale = f64::from((1u32 << KEY_BITS) - 1) / (high - low);
    let scale = if scale.is_finite() { scale } else { 0.0 };
    // Adding 2^52 leaves the rounded number in the low bits.
    const SHIFT: f64 = (1u64 << 52) as f64;
    let keys = &mut scratch.keys;
    keys.resize(n, 0);
    Arch::new().dispatch(|| {
        for (i, (key, &v)) in keys.iter_mut().zip(values).enumerate() {
            *key = (((v - low) * scale + SHIFT).to_bits() << 32) | i as u64;
        }
    });
    let counts = &mut scratch.counts;
    counts.clear();
    counts.resize(2 * BUCKETS, 0);
    let (first, second) = counts.split_at_mut(BUCKETS);
    let place = |key: u64, pass: u32| (key >> (32 + pass * PASS_BITS)) as usize % BUCKETS;
    for &key in &*keys {
        first[place(key, 0)] += 1;
        second[place(key, 1)] += 1;
    }
    for counts in [&mut *first, &mut *second] {
        let mut sum = 0;
        for c in counts {
            (*c, sum) = (sum, sum + *c);
        }
    }
    let sorted = &mut scratch.sorted;
    sorted.resize(n, 0);
    for (pass, counts) in [first, second].into_iter().enumerate() {
        for &key in &*keys {
            let at = &mut counts[place(key, pass as u32)];
            sorted[*at as usize] = key;
            *at += 1;
        }
        std::mem::swap(keys, sorted);
    }
    let ranks = &scratch.ranks;
    let (mut product, mut ties) = (0u128, 0u128);
    let mut start = 0;
    while start < n {
        let mark = keys[start] >> 32;
        let index = keys[start] as u32 as usize;
        if start + 1 == n || keys[start + 1] >> 32 != mark {
            product += u128::from(2 * (start as u64 + 1) * u64::from(ranks[index]));
            start += 1;
            continue;
        }
        let end = keys[start..]
            .iter()
            .take_while(|&&k| k >> 32 == mark)
            .count()
            + start;
        let value = |key: u64| values[key as u32 as usize];
        keys[start..end].sort_unstable_by(|&a, &b| value(a).total_cmp(&value(b)));
        while start < end {
            // `==` and not total_cmp, so that 0 and -0 are a tie.
            let equal = |&&key: &&u64| value(key) == value(keys[start]);
            let t = keys[start..end].iter().take_while(equal).count();
            let twice = (2 * start + t + 1) as u64;
            for &key in &keys[start..start + t] {
                product += u128::from(twice * u64::from(ranks[key as u32 as usize]));
            }
            ties += cubed(t) - t as u128;
            start += t;
        }
    }
    (product, ties)
}

fn cubed(t: usize) -> u128 {
    (t as u128).pow(3)
}

/// Twice the average ranks of the truth among `rows` into `ranks`, and Σ (t³ - t) over their ties, by counting its classes.
fn rank_classes(truth: &Truth, rows: &[u32], scratch: &mut Scratch) -> u128 {
    let counts = &mut scratch.counts;
    counts.clear();
    counts.resize(truth.classes, 0);
    for &r in rows {
        counts[truth.class[r as usize] as usize] += 1;
    }
    let mut before = 0;
    let mut ties = 0;
    for c in counts.iter_mut() {
        let here = *c;
        if here > 1 {
            ties += cubed(here as usize) - u128::from(here);
        }
        *c = 2 * before + here + 1;
        before += here;
    }
    scratch.ranks.clear();
    scratch.ranks.extend(
        rows.iter()
            .map(|&r| counts[truth.class[r as usize] as usize]),
    );
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
            let rows: Vec<u32> = (0..n as u32).map(|i| 2 * i).collect();
            let picked: Vec<f64> = rows.iter().map(|&r| y[r as usize]).collect();
            let found = score(&p, &Truth::new(y), &rows, &mut Scratch::default());
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
        let s = score(&[2.0; 3], &truth, &[0, 1, 2], &mut Scratch::default());
        assert!(s.r.is_nan() && s.spearman.is_nan());
        assert!((s.mae - 2.0 / 3.0).abs() < 1e-15);
    }
}
