//! Halves of trials, as scikit-learn splits them.

use mental_pong_game::task::numpy_random::RandomState;

use crate::error::{Error, Result};

/// `train_test_split(range(n), test_size=0.5, stratify=labels, random_state=seed)`, index for index: two lists of trials that
/// have each label half the time. Where a label has an odd number of trials, chance says which half gets one more.
///
/// The published halves were drawn without a seed, so they cannot be had again; these are of the same kind.
///
/// [`Error::Invalid`] for a label with a single trial, or fewer trials than the labels need, as scikit-learn.
pub fn stratified_halves(labels: &[u32], seed: u32) -> Result<[Vec<usize>; 2]> {
    let n = labels.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&i| labels[i]);
    let classes: Vec<&[usize]> = order.chunk_by(|&a, &b| labels[a] == labels[b]).collect();
    if let Some(class) = classes.iter().find(|c| c.len() < 2) {
        return Err(Error::invalid(
            format!("condition {}", labels[class[0]]),
            "it has a single trial, which cannot be split",
        ));
    }
    let n_test = n.div_ceil(2);
    let n_train = n - n_test;
    if n_train < classes.len() {
        return Err(Error::invalid(
            "trials",
            format!("{n} trials of {} conditions cannot be split", classes.len()),
        ));
    }
    let mut stream = RandomState::new(seed);
    let counts: Vec<usize> = classes.iter().map(|c| c.len()).collect();
    let first = approximate_mode(&counts, n_train, &mut stream);
    let rest: Vec<usize> = counts.iter().zip(&first).map(|(c, f)| c - f).collect();
    let second = approximate_mode(&rest, n_test, &mut stream);
    let (mut train, mut test) = (Vec::with_capacity(n_train), Vec::with_capacity(n_test));
    for ((class, &a), &b) in classes.iter().zip(&first).zip(&second) {
        let shuffled = stream.permutation(class.len());
        train.extend(shuffled[..a].iter().map(|&i| class[i]));
        test.extend(shuffled[a..a + b].iter().map(|&i| class[i]));
    }
    stream.shuffle(&mut train);
    stream.shuffle(&mut test);
    Ok([train, test])
}

/// How many of each class to draw so that `draws` are nearest to their shares; ties by chance (`_approximate_mode`).
fn approximate_mode(counts: &[usize], draws: usize, stream: &mut RandomState) -> Vec<usize> {
    let all: usize = counts.iter().sum();
    let shares: Vec<f64> = counts
        .iter()
        .map(|&c| c as f64 / all as f64 * draws as f64)
        .collect();
    let mut taken: Vec<usize> = shares.iter().map(|s| s.floor() as usize).collect();
    let mut missing = draws - taken.iter().sum::<usize>().min(draws);
    let remainders: Vec<f64> = shares.iter().map(|s| s - s.floor()).collect();
    let mut values = remainders.clone();
    values.sort_by(|a, b| b.total_cmp(a));
    values.dedup();
    for value in values {
        if missing == 0 {
            break;
        }
        let with: Vec<usize> = (0..counts.len())
            .filter(|&c| remainders[c].total_cmp(&value).is_eq())
            .collect();
        let now = with.len().min(missing);
        for &chosen in &stream.permutation(with.len())[..now] {
            taken[with[chosen]] += 1;
        }
        missing -= now;
    }
    taken
}
