//! Independent pieces of work on every thread there is. A browser has one.

/// `f` of each number below `n`, in order, whatever the number of threads.
#[cfg(not(target_family = "wasm"))]
pub fn map<T: Send>(n: usize, f: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
    use rayon::prelude::*;
    (0..n).into_par_iter().map(f).collect()
}

/// `f` of each number below `n`, in order.
#[cfg(target_family = "wasm")]
pub fn map<T>(n: usize, f: impl Fn(usize) -> T) -> Vec<T> {
    (0..n).map(f).collect()
}
