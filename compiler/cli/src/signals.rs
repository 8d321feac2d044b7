//! Ctrl-C and the signals of schedulers: the first asks the run to save and
//! stop, the second stops at once.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// Who asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// The user, by Ctrl-C.
    Interrupted,
    /// A scheduler, by SIGTERM or SIGUSR1.
    Terminated,
}

/// Signals that have been heard.
pub struct Signals {
    stop: Arc<AtomicBool>,
    first: Arc<AtomicUsize>,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn listen() -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let first = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM, SIGUSR1] {
            // In this order: a second signal finds the flag up and ends.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
            flag::register_usize(signal, Arc::clone(&first), signal as usize)?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Signals { stop, first })
    }

    /// Goes up at the first signal.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// The exit code of a run that a signal ended: 130 for Ctrl-C, 85 for a
    /// scheduler.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.first() {
            Some(Stopped::Terminated) => 85,
            _ => 130,
        })
    }

    /// Who asked to stop, if somebody did.
    fn first(&self) -> Option<Stopped> {
        match self.first.load(Ordering::Relaxed) {
            0 => None,
            s if s == SIGINT as usize => Some(Stopped::Interrupted),
            _ => Some(Stopped::Terminated),
        }
    }
}
