//! How long work tells of its progress and is asked to stop.

/// Hears of progress and may ask to stop. Called from several threads at once.
///
/// Every method does nothing unless it is written.
pub trait Monitor: Sync {
    /// A stage of `total` pieces begins.
    fn stage(&self, name: &str, total: u64) {
        let _ = (name, total);
    }

    /// `n` more pieces of the stage are done.
    fn advance(&self, n: u64) {
        let _ = n;
    }

    /// Whether to stop at the next whole piece.
    fn stopped(&self) -> bool {
        false
    }
}

/// Hears nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Monitor for Quiet {}
