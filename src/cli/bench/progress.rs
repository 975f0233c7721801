//! The clock of a run, and what it shows while it goes on.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How long nothing may arrive before the run is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "a load generator reads the clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A line on a terminal that is written over and over while the run goes on; nothing where standard error is no terminal.
#[derive(Debug)]
pub(super) struct StatusLine {
    shown: bool,
    next: Instant,
}

impl StatusLine {
    pub(super) fn new(start: Instant) -> Self {
        Self { shown: std::io::stderr().is_terminal(), next: start + Duration::from_millis(500) }
    }

    /// Shows a line twice a second.
    pub(super) fn show(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if self.shown && now >= self.next {
            self.next = now + Duration::from_millis(500);
            // A terminal that does not take the line only misses it.
            self.shown = write!(std::io::stderr(), "\r\x1b[K{}", line()).is_ok();
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if self.shown {
            let cleared = write!(std::io::stderr(), "\r\x1b[K");
            debug_assert!(cleared.is_ok(), "the terminal took the line before");
        }
    }
}
