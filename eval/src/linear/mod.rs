//! Linear maps: least squares, ridge, partial least squares, principal components, factor analysis, and the sums and
//! decompositions that they are fitted from.
//!
//! [`Map`] names the maps from features to responses. Everything equals the scikit-learn estimator that its documentation
//! names; decompositions are shared between targets and penalties, and are made of the smaller Gram matrix where its
//! condition allows, of the rows where not.

mod basis;
pub(crate) mod dense;
mod factor_analysis;
mod gram;
mod kernel;
mod least_squares;
mod map;
mod pca;
mod pls;
mod ridge;
mod row_space;
mod solve;

pub use factor_analysis::{FactorAnalysis, FactorMethod, FactorOptions};
pub use gram::{ConditionGram, GramTable};
pub use least_squares::{LeastSquares, Readout, SolvePath};
pub use map::{LinearMap, Map};
pub(crate) use map::{Predictions, PreparedMap};
pub use pca::Pca;
pub use pls::Pls;
pub use ridge::published_alphas;
pub use row_space::RowSpace;
pub(crate) use solve::failed;

/// faer works on one thread here: the result must not depend on the thread count, and splits already run in parallel.
pub(crate) fn use_one_thread_per_factorisation() {
    faer::set_global_parallelism(faer::Par::Seq);
}
