//! Least squares and principal components from inner products of rows, for features with more units than a split has rows.
//!
//! All rows' products are made once; a split takes its block of them and centres it. The minimum-norm solution and the
//! leading components are then those of the rows themselves (`B = Xᵀ α`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatRef, Par, Side};

use super::solve::Solution;
use super::{SolvePath, dense};

/// Below this estimate of the reciprocal condition number the rows are factorised instead.
const KERNEL_RCOND_MIN: f64 = 1e-10;

/// Residual of a component, relative to the smallest kept eigenvalue, at which it counts as found.
const COMPONENT_TOLERANCE: f64 = 1e-10;

/// Components that are kept for the next question of the same rows: 256 MiB.
const FOUND_BYTES_MAX: usize = 1 << 28;

/// Inner products of all rows of all conditions, about an origin.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// `[condition]`, first row; one more entry for the end.
    starts: Vec<usize>,
    /// `[row, row]`.
    products: Mat<f64>,
    /// Finding components costs far more than using them, and analyses of the same
    /// features ask for the same.
    found: Mutex<BTreeMap<Asked, Arc<Components>>>,
}

/// Training conditions and number of components.
type Asked = (Vec<usize>, usize);
/// Eigenvalues, falling, and `[row, component]`.
type Components = (Vec<f64>, Mat<f64>);

/// A split's centred problem.
struct Block {
    /// `[row, row]`, centred products of the training rows.
    products: Mat<f64>,
    trace: f64,
}

impl Kernel {
    pub(crate) fn new(x: &[Mat<f64>]) -> Self {
        let mut starts = vec![0];
        for a in x {
            starts.push(starts[starts.len() - 1] + a.nrows());
        }
        let n = starts[starts.len() - 1];
        let mut products = Mat::<f64>::zeros(n, n);
        for (c, a) in x.iter().enumerate() {
            for (d, b) in x.iter().enumerate().take(c + 1) {
                let (rows, cols) = (a.nrows(), b.nrows());
                let mut block = products
                    .as_mut()
                    .submatrix_mut(starts[c], starts[d], rows, cols);
                matmul(
                    block.as_mut(),
                    Accum::Replace,
                    a.as_ref(),
                    b.transpose(),
                    1.0,
                    Par::Seq,
                );
                if c != d {
                    let lower = block.to_owned();
                    products
                        .as_mut()
                        .submatrix_mut(starts[d], starts[c], cols, rows)
                        .copy_from(lower.transpose());
                }
            }
        }
        Self {
            starts,
            products,
            found: Mutex::default(),
        }
    }

    fn block(&self, train: &[usize]) -> Block {
        let spans: Vec<(usize, usize)> = train
            .iter()
            .map(|&c| (self.starts[c], self.starts[c + 1]))
            .collect();
        let n: usize = spans.iter().map(|(a, b)| b - a).sum();
        let mut products = Mat::<f64>::zeros(n, n);
        let mut means = vec![0.0; n];
        let mut j = 0;
        for &(from, to) in &spans {
            for source in from..to {
                let column = self.products.col(source).try_as_col_major();
                let mut sum = 0.0;
                let mut i = 0;
                if let (Some(column), Some(out)) =
                    (column, products.col_mut(j).try_as_col_major_mut())
                {
                    let (column, out) = (column.as_slice(), out.as_slice_mut());
                    for &(a, b) in &spans {
                        let part = &column[a..b];
                        out[i..i + part.len()].copy_from_slice(part);
                        i += part.len();
                    }
                    sum = dense::sum(out);
                }
                means[j] = sum / n as f64;
                j += 1;
            }
        }
        let grand = means.iter().sum::<f64>() / n as f64;
        let mut trace = 0.0;
        for j in 0..n {
            let shift = means[j] - grand;
            if let Some(out) = products.col_mut(j).try_as_col_major_mut() {
                for (value, mean) in out.as_slice_mut().iter_mut().zip(&means) {
                    *value -= mean + shift;
                }
            }
            trace += products[(j, j)];
        }
        Block { products, trace }
    }

    /// Minimum-norm least squares on all units: `α` `[row, target]`. `None` where the products are too badly conditioned.
    pub(crate) fn interpolate(&self, train: &[usize], y: MatRef<'_, f64>) -> Option<Solution> {
        let mut block = self.block(train);
        let n = block.products.nrows();
        if !block.trace.is_normal() {
            return None;
        }
        // Centring leaves the constant direction empty. Targets are centred, so filling it changes no solution.
        let fill = block.trace / n as f64 / n as f64;
        for j in 0..n {
            if let Some(column) = block.products.col_mut(j).try_as_col_major_mut() {
                for v in column.as_slice_mut() {
                    *v += fill;
                }
            }
        }
        let targets = y.ncols();
        // Signs that follow no structure of the rows; A⁻¹ times them has the size of the inverse's Frobenius norm.
        const PROBES: usize = 4;
        let rhs = Mat::from_fn(n, targets + PROBES, |i, t| {
            if t < targets {
                y[(i, t)]
            } else {
                sign(i, t - targets)
            }
        });
        let norm = block.products.norm_l2();
        let factor = block.products.llt(Side::Lower).ok()?;
        let solved = factor.solve(&rhs);
        let inverse = (0..PROBES)
            .map(|p| {
                (0..n)
                    .map(|i| solved[(i, targets + p)].powi(2))
                    .sum::<f64>()
                    .sqrt()
            })
            .fold(0.0, f64::max);
        let rcond = 1.0 / (norm * inverse);
        if !(rcond.is_finite() && rcond >= KERNEL_RCOND_MIN) {
            return None;
        }
        Some(Solution {
            coefficients: solved.subcols(0, targets).to_owned(),
            rank: n - 1,
            path: SolvePath::Kernel,
        })
    }

    /// Regression on the leading `k` components: `α` `[row, target]`. `None` where they cannot be told apart or were not
    /// found.
    pub(crate) fn components(
        &self,
        train: &[usize],
        y: MatRef<'_, f64>,
        k: usize,
    ) -> Option<Solution> {
        let found = self.leading(train, k)?;
        let (values, vectors) = &*found;
        if values[k - 1] <= 1e-10 * values[0] {
            return None;
        }
        let mut scores = vectors.transpose() * y;
        for t in 0..scores.ncols() {
            for (c, value) in values.iter().enumerate() {
                scores[(c, t)] /= value;
            }
        }
        Some(Solution {
            coefficients: vectors * &scores,
            rank: k,
            path: SolvePath::Kernel,
        })
    }

    fn leading(&self, train: &[usize], k: usize) -> Option<Arc<Components>> {
        let key = (train.to_vec(), k);
        // A panic of another thread leaves a whole map behind.
        let lock = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&key) {
            return Some(Arc::clone(found));
        }
        let block = self.block(train);
        let found = Arc::new(leading(block.products.as_ref(), k)?);
        let size = found.1.nrows() * k * size_of::<f64>();
        let mut map = lock();
        if (map.len() + 1) * size <= FOUND_BYTES_MAX {
            map.insert(key, Arc::clone(&found));
        }
        Some(found)
    }
}

/// A fixed ±1 for each place (a mixed counter).
fn sign(i: usize, p: usize) -> f64 {
    if mix(i as u64, p as u64) & 1 == 0 {
        1.0
    } else {
        -1.0
    }
}

fn mix(i: u64, p: u64) -> u64 {
    let mut z = i
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(p.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The `k` largest eigenvalues, falling, and their vectors of a symmetric positive matrix, by block Lanczos with full
/// orthogonalisation and thick restarts; `None` where they were not found within the tolerance. Starts from fixed numbers,
/// so that the same matrix gives the same bits.
///
/// Blocks are narrow: where the last component stands in a crowd of noise, few columns of a high power find it sooner than
/// many of a low one, and one pass over the matrix serves a whole block.
pub(crate) fn leading(a: MatRef<'_, f64>, k: usize) -> Option<Components> {
    let n = a.nrows();
    if k == 0 || k > n {
        return None;
    }
    // Small or nearly full problems: all of it.
    if n < 640 || n < 12 * k {
        let eigen = a.self_adjoint_eigen(Side::Lower).ok()?;
        let values = eigen.S().column_vector();
        let out = (0..k).map(|c| values[n - 1 - c]).collect();
        let vectors = Mat::from_fn(n, k, |i, c| eigen.U()[(i, n - 1 - c)]);
        return Some((out, vectors));
    }
    const WIDTH: usize = 8;
    let most = (8 * k).max(320).min(n / 2);
    let keep = (2 * k).min(most / 2);
    let mut basis = Mat::<f64>::zeros(n, most + WIDTH);
    let mut image = Mat::<f64>::zeros(n, most + WIDTH);
    // basisᵀ a basis.
    let mut small = Mat::<f64>::zeros(most + WIDTH, most + WIDTH);
    let mut next = Mat::from_fn(n, WIDTH, |i, j| {
        (mix(i as u64, j as u64 + 17) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    });
    let mut size = 0;
    let mut look = (4 * k).min(most);
    for _look in 0..200 {
        while size < most {
            let kept = orthonormal(basis.subcols(0, size), &mut next);
            if kept == 0 {
                break;
            }
            basis
                .as_mut()
                .subcols_mut(size, kept)
                .copy_from(next.subcols(0, kept));
            matmul(
                image.as_mut().subcols_mut(size, kept),
                Accum::Replace,
                a,
                basis.subcols(size, kept),
                1.0,
                Par::Seq,
            );
            let products = basis.subcols(0, size + kept).transpose() * image.subcols(size, kept);
            for j in 0..kept {
                for i in 0..size + kept {
                    small[(i, size + j)] = products[(i, j)];
                    small[(size + j, i)] = products[(i, j)];
                }
            }
            next = image.subcols(size, kept).to_owned();
            size += kept;
            if size >= look {
                break;
            }
        }
        if size < k {
            return None;
        }
        let eigen = small
            .submatrix(0, 0, size, size)
            .self_adjoint_eigen(Side::Lower)
            .ok()?;
        let values = eigen.S().column_vector();
        let take = keep.min(size);
        let full = size + WIDTH > most;
        // Vectors beyond k are needed for a restart only.
        let wanted = if full { take } else { k };
        let turn = Mat::from_fn(size, wanted, |i, c| eigen.U()[(i, size - 1 - c)]);
        let ritz: Vec<f64> = (0..wanted).map(|c| values[size - 1 - c]).collect();
        let vectors = basis.subcols(0, size) * &turn;
        let images = image.subcols(0, size) * &turn;
        // Rounding of the products is a floor under every residual.
        let goal =
            (COMPONENT_TOLERANCE * ritz[k - 1].abs()).max(4.0 * f64::EPSILON * ritz[0].abs());
        let residual = |c: usize| {
            let parts = images.col(c) - ritz[c] * vectors.col(c);
            parts.norm_l2()
        };
        // The last are found last.
        let open = (0..k).rev().any(|c| residual(c) > goal);
        if !open {
            return Some((ritz[..k].to_vec(), vectors.subcols(0, k).to_owned()));
        }
        if !full {
            look = (size + 6 * WIDTH).min(most);
            continue;
        }
        // All residuals span the block that would have come next; it goes on from there.
        basis.as_mut().subcols_mut(0, take).copy_from(&vectors);
        image.as_mut().subcols_mut(0, take).copy_from(&images);
        for j in 0..take {
            for i in 0..take {
                small[(i, j)] = if i == j { ritz[i] } else { 0.0 };
            }
        }
        size = take;
        next = Mat::from_fn(n, WIDTH, |i, j| {
            images[(i, k - 1 - j)] - ritz[k - 1 - j] * vectors[(i, k - 1 - j)]
        });
        look = (size + 6 * WIDTH).min(most);
    }
    None
}

/// Makes the columns of `block` orthonormal and orthogonal to `basis`; columns that vanish are dropped. Returns how many
/// are left, at the front.
fn orthonormal(basis: MatRef<'_, f64>, block: &mut Mat<f64>) -> usize {
    if block.ncols() == 0 {
        return 0;
    }
    let project = |block: &mut Mat<f64>| {
        if basis.ncols() > 0 {
            let overlap = basis.transpose() * &*block;
            matmul(
                block.as_mut(),
                Accum::Add,
                basis,
                overlap.as_ref(),
                -1.0,
                Par::Seq,
            );
        }
    };
    // Columns of very different size would lose the small ones.
    let scale = |block: &mut Mat<f64>| {
        for j in 0..block.ncols() {
            let norm = block.col(j).norm_l2();
            if norm > 0.0 {
                for i in 0..block.nrows() {
                    block[(i, j)] /= norm;
                }
            }
        }
    };
    scale(block);
    project(block);
    scale(block);
    project(block);
    scale(block);
    let qr = block.col_piv_qr();
    let r = qr.thin_R();
    let first = r[(0, 0)].abs();
    let rank = (0..r.ncols())
        .take_while(|&j| first > 0.0 && r[(j, j)].abs() > 1e-10 * first)
        .count();
    if rank == 0 {
        *block = Mat::zeros(block.nrows(), 0);
        return 0;
    }
    let shaky = r[(rank - 1, rank - 1)].abs() < 1e-3 * first;
    let mut q = qr.compute_thin_Q().subcols(0, rank).to_owned();
    if shaky {
        // Division by small numbers brought some of the basis back.
        project(&mut q);
        q = q.qr().compute_thin_Q();
    }
    *block = q;
    rank
}
