//! Linear maps: least squares, principal components, and the sums they are fitted from.

mod gram;
mod kernel;
mod least_squares;
mod pca;
mod solve;

pub use gram::{ConditionGram, GramTable};
pub use least_squares::{LeastSquares, Readout, SolvePath};
pub use pca::Pca;

/// faer works on one thread here: the result must not depend on the thread count, and splits already run in parallel.
pub(crate) fn use_one_thread_per_factorisation() {
    faer::set_global_parallelism(faer::Par::Seq);
}
