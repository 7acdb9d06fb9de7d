//! Long calls: without Python's lock, with progress, and with an ear for Ctrl-C.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mental_pong_base::Monitor;
use mental_pong_study::error::Error as StudyError;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::error::raised;

/// How often signals and progress are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long work that was asked to stop is waited for. What has not stopped by then ends by itself at its next whole piece.
const GRACE: Duration = Duration::from_millis(600);

/// What work says of itself.
#[derive(Default)]
struct Watch {
    stopped: AtomicBool,
    done: AtomicU64,
    stage: Mutex<(String, u64)>,
}

impl Monitor for Watch {
    fn stage(&self, name: &str, total: u64) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = (name.to_owned(), total);
        self.done.store(0, Ordering::Relaxed);
    }

    fn advance(&self, n: u64) {
        self.done.fetch_add(n, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

impl Watch {
    /// Tells `progress(stage, done, total)` where something has changed.
    fn tell(
        &self,
        progress: Option<&Bound<'_, PyAny>>,
        told: &mut (String, u64, u64),
    ) -> PyResult<()> {
        let Some(progress) = progress else {
            return Ok(());
        };
        let (stage, total) = self
            .stage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let now = (stage, self.done.load(Ordering::Relaxed), total);
        if now != *told {
            progress.call1((&now.0, now.1, now.2))?;
            *told = now;
        }
        Ok(())
    }
}

/// Waits for `wait` at most, without Python's lock.
fn received<T: Send>(
    py: Python<'_>,
    from: &Mutex<Receiver<T>>,
    wait: Duration,
) -> Result<T, RecvTimeoutError> {
    py.detach(|| {
        from.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(wait)
    })
}

/// Runs `job` on a thread of its own while this one hears signals and tells `progress`. An exception of either asks the job
/// to stop, and is raised within a second whether it has or not.
pub(crate) fn work<T, E>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    job: impl FnOnce(&dyn Monitor) -> Result<T, E> + Send + 'static,
) -> PyResult<T>
where
    T: Send + 'static,
    E: Into<StudyError> + Send + 'static,
{
    let watch = Arc::new(Watch::default());
    let (send, receive) = channel();
    let receive = Mutex::new(receive);
    let inner = Arc::clone(&watch);
    std::thread::Builder::new()
        .name("mental_pong".into())
        .spawn(move || {
            // Nobody listens any more where the call was left.
            let _ = send.send(job(&*inner));
        })?;
    let mut told = (String::new(), 0, 0);
    loop {
        match received(py, &receive, LOOK) {
            Ok(done) => {
                watch.tell(progress, &mut told)?;
                return done.map_err(raised);
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("the work ended without a result"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let heard = py
            .check_signals()
            .and_then(|()| watch.tell(progress, &mut told));
        if let Err(exception) = heard {
            watch.stopped.store(true, Ordering::Relaxed);
            let asked = Instant::now();
            while asked.elapsed() < GRACE {
                match received(py, &receive, LOOK) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
            }
            return Err(exception);
        }
    }
}
