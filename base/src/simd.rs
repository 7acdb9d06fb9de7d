//! Loops compiled for the vectors of the processor at hand.

/// Runs `work` compiled for the best vectors that this processor has.
///
/// Only what is inlined is compiled anew: mark the closure `#[inline(always)]`, and functions that it calls. It is an
/// `FnMut` because the compiler reaches a closure as `FnOnce` through a function of its own, which is not inlined.
#[inline]
pub fn dispatch<R>(work: impl FnMut() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnMut() -> R> pulp::WithSimd for Work<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}
