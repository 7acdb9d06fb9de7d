//! A session without a window, on a clock that counts frames: the same plan and the same hands give
//! the same records, byte for byte.

use crate::error::{Error, Result};
use crate::task::agent::Hands;
use crate::task::session::{Finished, FrameInput, Session, Stage};
use mental_pong_base::Monitor;

/// When frame `n` of a display with `hz` frames a second stands, milliseconds.
#[must_use]
pub fn fixed_ms(n: u64, hz: f64) -> f64 {
    n as f64 * 1000.0 / hz
}

/// Plays a session to its end. `record` takes each finished trial. An unattended session has no
/// rests; of an attended one each is left at once.
///
/// # Errors
/// What `record` says; [`Error::Interrupted`] when the monitor stops it, with what was recorded
/// kept.
pub fn play(
    session: &mut Session,
    hands: &mut dyn Hands,
    monitor: &dyn Monitor,
    mut record: impl FnMut(Finished) -> Result<()>,
) -> Result<()> {
    let hz = session.setup().hz;
    let total = session.plan().trials.len() as u64;
    monitor.stage("trials", total);
    monitor.advance(session.n_done() as u64);
    let mut shown = None;
    let mut begun = None;
    for n in 0.. {
        let at_ms = fixed_ms(n, hz);
        let inputs = match &shown {
            Some(shown) => hands.inputs(shown, at_ms),
            None => Vec::new(),
        };
        let output = session.frame(
            at_ms,
            &FrameInput {
                inputs: &inputs,
                go: true,
                ..FrameInput::default()
            },
        );
        if let Some(finished) = output.finished {
            record(finished)?;
            session.stored();
            monitor.advance(1);
            if monitor.stopped() && session.stage() != Stage::End {
                return Err(Error::Interrupted {
                    done: session.n_done() as u64,
                    total,
                });
            }
        }
        if output.stage == Stage::End {
            break;
        }
        shown = output.shown;
        if let (Some((number, begun_ms)), Some(trial)) = (session.trial_begun(), session.trial())
            && begun != Some(number)
        {
            begun = Some(number);
            hands.begin(number, begun_ms, trial.spec(), trial.rules());
        }
    }
    Ok(())
}
