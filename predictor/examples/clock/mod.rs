//! The clock of the programs that measure.

/// CPU time of this process, seconds; NaN where the system does not tell.
#[cfg(unix)]
pub(crate) fn cpu_s() -> f64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

#[cfg(not(unix))]
pub(crate) fn cpu_s() -> f64 {
    f64::NAN
}
