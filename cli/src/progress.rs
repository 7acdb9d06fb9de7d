//! Progress on a terminal, and the signals that ask for an end.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use mental_pong_base::Monitor;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::{Failure, plain};

/// Signals that ask for an end: Ctrl-C and those of batch systems.
#[cfg(unix)]
const ASKS: &[i32] = &[
    SIGINT,
    SIGTERM,
    signal_hook::consts::SIGHUP,
    signal_hook::consts::SIGUSR1,
    signal_hook::consts::SIGUSR2,
];
#[cfg(not(unix))]
const ASKS: &[i32] = &[SIGINT, SIGTERM];

/// A bar for the stage at work; silent where standard error is no terminal.
pub(crate) struct Progress {
    bar: Mutex<ProgressBar>,
    shown: bool,
    quiet: bool,
    stopped: Arc<AtomicBool>,
}

impl Progress {
    /// Listens for the signals of [`ASKS`]: they ask the work to stop at a whole piece. A second Ctrl-C
    /// ends the program at once.
    pub(crate) fn new(quiet: bool) -> Result<Self, Failure> {
        let stopped = Arc::new(AtomicBool::new(false));
        let listen = || {
            // In this order: the flag is looked at before it is set.
            signal_hook::flag::register_conditional_shutdown(SIGINT, 75, Arc::clone(&stopped))?;
            for &signal in ASKS {
                signal_hook::flag::register(signal, Arc::clone(&stopped))?;
            }
            Ok(())
        };
        listen().map_err(|e: std::io::Error| {
            Failure::Internal(format!("cannot listen for signals: {e}"))
        })?;
        Ok(Self {
            bar: Mutex::new(ProgressBar::hidden()),
            quiet,
            shown: !quiet && std::io::stderr().is_terminal(),
            stopped,
        })
    }

    /// Prints a line to standard error, above the bar if there is one; nothing when asked for quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Prints a line to standard error, even when asked for quiet.
    pub(crate) fn warn(&self, text: &str) {
        let print = || {
            // Nothing is left to do if standard error is gone.
            let _ = writeln!(std::io::stderr(), "{}", plain(text));
        };
        match self.bar.lock() {
            Ok(bar) => bar.suspend(print),
            Err(_) => print(),
        }
    }

    /// Whether it was asked to stop, for those who cannot hold on to it.
    #[cfg(feature = "play")]
    pub(crate) fn stopper(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let stopped = Arc::clone(&self.stopped);
        move || stopped.load(Ordering::SeqCst)
    }

    /// Clears the bar.
    pub(crate) fn finish(&self) {
        if let Ok(bar) = self.bar.lock() {
            bar.finish_and_clear();
        }
    }
}

impl Monitor for Progress {
    fn stage(&self, name: &str, total: u64) {
        if !self.shown {
            return;
        }
        let style = ProgressStyle::with_template(
            "{msg:24} [{bar:30}] {pos}/{len} {per_sec} {elapsed} left {eta}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
        if let Ok(mut bar) = self.bar.lock() {
            bar.finish();
            *bar = ProgressBar::new(total)
                .with_style(style)
                .with_message(name.to_string());
            bar.tick();
        }
    }

    fn advance(&self, n: u64) {
        if let Ok(bar) = self.bar.lock() {
            bar.inc(n);
        }
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}
