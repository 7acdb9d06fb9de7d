//! Scores of many predictions against one truth: the truth is ranked once.

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
    pairs: Vec<(f64, u32)>,
    ranks_p: Vec<f64>,
    ranks_y: Vec<f64>,
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
    let (r, absolute, squared) = moments(predicted, &scratch.truth);
    let spearman = if r.is_nan() {
        f64::NAN
    } else {
        let ties_p = rank_values(predicted, scratch);
        let ties_y = rank_classes(truth, rows, scratch);
        correlate_ranks(&scratch.ranks_p, &scratch.ranks_y, ties_p, ties_y)
    };
    let count = n as f64;
    Score {
        r,
        spearman,
        mae: if n == 0 { f64::NAN } else { absolute / count },
        rmse: if n == 0 {
            f64::NAN
        } else {
            (squared / count).sqrt()
        },
        n,
    }
}

const LANES: usize = 8;

/// Pearson correlation (NaN as in [`crate::stats::pearson`]), sum of |x − y| and of (x − y)². Sums run over eight lanes in a
/// fixed order.
fn moments(x: &[f64], y: &[f64]) -> (f64, f64, f64) {
    let n = x.len().min(y.len());
    let (x, y) = (&x[..n], &y[..n]);
    let split = n - n % LANES;
    let mut sums = [[0.0f64; LANES]; 6];
    for (a, b) in x[..split]
        .chunks_exact(LANES)
        .zip(y[..split].chunks_exact(LANES))
    {
        for l in 0..LANES {
            let d = a[l] - b[l];
            sums[0][l] += a[l];
            sums[1][l] += b[l];
            sums[2][l] += d.abs();
            sums[3][l] += d * d;
            sums[4][l] += a[l] * a[l];
            sums[5][l] += b[l] * b[l];
        }
    }
    for (l, (a, b)) in x[split..].iter().zip(&y[split..]).enumerate() {
        let d = a - b;
        sums[0][l] += a;
        sums[1][l] += b;
        sums[2][l] += d.abs();
        sums[3][l] += d * d;
        sums[4][l] += a * a;
        sums[5][l] += b * b;
    }
    let total = |s: &[f64; LANES]| s.iter().sum::<f64>();
    let (absolute, squared) = (total(&sums[2]), total(&sums[3]));
    if n < 2 {
        return (f64::NAN, absolute, squared);
    }
    let (raw_x, raw_y) = (total(&sums[4]), total(&sums[5]));
    let (mean_x, mean_y) = (total(&sums[0]) / n as f64, total(&sums[1]) / n as f64);
    let mut about = [[0.0f64; LANES]; 3];
    for (a, b) in x[..split]
        .chunks_exact(LANES)
        .zip(y[..split].chunks_exact(LANES))
    {
        for l in 0..LANES {
            let (da, db) = (a[l] - mean_x, b[l] - mean_y);
            about[0][l] += da * da;
            about[1][l] += db * db;
            about[2][l] += da * db;
        }
    }
    for (l, (a, b)) in x[split..].iter().zip(&y[split..]).enumerate() {
        let (da, db) = (a - mean_x, b - mean_y);
        about[0][l] += da * da;
        about[1][l] += db * db;
        about[2][l] += da * db;
    }
    let [sxx, syy, sxy] = about.map(|s| total(&s));
    const ROUNDING: f64 = 1e-26;
    let r = if sxx > ROUNDING * raw_x && syy > ROUNDING * raw_y {
        (sxy / sxx.sqrt() / syy.sqrt()).clamp(-1.0, 1.0)
    } else {
        f64::NAN
    };
    (r, absolute, squared)
}

/// Pearson correlation of average ranks. Their mean is (n + 1) / 2 and their spread n (n² - 1) / 12, less Σ (t³ - t) / 12 over
/// groups of t ties; `ties` are these sums of t³ - t. All terms are multiples of 1/4 and exact.
fn correlate_ranks(x: &[f64], y: &[f64], ties_x: f64, ties_y: f64) -> f64 {
    let count = x.len() as f64;
    let mut sums = [0.0f64; LANES];
    let split = x.len() - x.len() % LANES;
    for (a, b) in x[..split]
        .chunks_exact(LANES)
        .zip(y[..split].chunks_exact(LANES))
    {
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    for (a, b) in x[split..].iter().zip(&y[split..]) {
        sums[0] += a * b;
    }
    let mean = (count + 1.0) / 2.0;
    let product = sums.iter().sum::<f64>() - count * mean * mean;
    let spread = |ties: f64| (count * (count * count - 1.0) - ties) / 12.0;
    let (sxx, syy) = (spread(ties_x), spread(ties_y));
    if sxx > 0.0 && syy > 0.0 {
        (product / sxx.sqrt() / syy.sqrt()).clamp(-1.0, 1.0)
    } else {
        f64::NAN
    }
}

/// Average ranks of finite values into `ranks_p`, and Σ (t³ - t) over their ties: one pass into buckets that rise with the value, then an insertion sort of
/// what is nearly in order.
fn rank_values(values: &[f64], scratch: &mut Scratch) -> f64 {
    let n = values.len();
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for &v in values {
        low = low.min(v);
        high = high.max(v);
    }
    let buckets = n.next_power_of_two().max(2);
    let scale = (buckets - 1) as f64 / (high - low);
    let pairs = &mut scratch.pairs;
    pairs.clear();
    pairs.resize(n, (0.0, 0));
    let mut even = false;
    if scale.is_finite() {
        let counts = &mut scratch.counts;
        counts.clear();
        counts.resize(buckets + 1, 0);
        let bucket = |v: f64| (((v - low) * scale) as usize).min(buckets - 1);
        for &v in values {
            counts[bucket(v) + 1] += 1;
        }
        // Long buckets would make the insertion sort quadratic.
        even = counts.iter().all(|&c| c <= 64);
        if even {
            let mut sum = 0;
            for c in counts.iter_mut() {
                sum += *c;
                *c = sum;
            }
            for (i, &v) in values.iter().enumerate() {
                let place = &mut counts[bucket(v)];
                pairs[*place as usize] = (v, i as u32);
                *place += 1;
            }
            for i in 1..n {
                let moved = pairs[i];
                let mut j = i;
                while j > 0 && pairs[j - 1].0 > moved.0 {
                    pairs[j] = pairs[j - 1];
                    j -= 1;
                }
                pairs[j] = moved;
            }
        }
    }
    if !even {
        for (i, &v) in values.iter().enumerate() {
            pairs[i] = (v, i as u32);
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    }
    let ranks = &mut scratch.ranks_p;
    ranks.clear();
    ranks.resize(n, 0.0);
    let mut ties = 0.0;
    let mut start = 0;
    while start < n {
        let mut end = start + 1;
        while end < n && pairs[end].0 == pairs[start].0 {
            end += 1;
        }
        let rank = (start + 1 + end) as f64 / 2.0;
        for pair in &pairs[start..end] {
            ranks[pair.1 as usize] = rank;
        }
        let t = (end - start) as f64;
        ties += t * t * t - t;
        start = end;
    }
    ties
}

/// Average ranks of the truth among `rows` into `ranks_y`, and Σ (t³ - t) over their ties, by counting its classes.
fn rank_classes(truth: &Truth, rows: &[u32], scratch: &mut Scratch) -> f64 {
    let counts = &mut scratch.counts;
    counts.clear();
    counts.resize(truth.classes, 0);
    for &r in rows {
        counts[truth.class[r as usize] as usize] += 1;
    }
    // Twice the average rank is a whole number.
    let mut before = 0;
    let mut ties = 0.0;
    for c in counts.iter_mut() {
        let here = *c;
        let t = f64::from(here);
        ties += t * t * t - t;
        *c = 2 * before + here + 1;
        before += here;
    }
    scratch.ranks_y.clear();
    scratch.ranks_y.extend(
        rows.iter()
            .map(|&r| f64::from(counts[truth.class[r as usize] as usize]) / 2.0),
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
