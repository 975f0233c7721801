//! The clock of a run, and what it shows while it goes on.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::options::Options;

const SECOND: Duration = Duration::from_secs(1);
/// How long nothing may arrive before the run is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "a load generator reads the clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A line each second while the run goes on: on a terminal written over and over, elsewhere one below the other where that is wanted.
#[derive(Debug)]
pub(super) struct StatusLine {
    kind: Kind,
    start: Instant,
    next: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hidden,
    Terminal,
    Lines,
}

impl StatusLine {
    pub(super) fn new(start: Instant, options: &Options) -> Self {
        let kind = match (std::io::stderr().is_terminal(), options.progress) {
            (true, _) => Kind::Terminal,
            (false, true) => Kind::Lines,
            (false, false) => Kind::Hidden,
        };
        Self { kind, start, next: start + SECOND }
    }

    /// Shows a line once a second, behind the time since the start.
    pub(super) fn show(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if self.kind == Kind::Hidden || now < self.next {
            return;
        }
        self.next = now + SECOND;
        let seconds = now.saturating_duration_since(self.start).as_secs();
        let (before, behind) = if self.kind == Kind::Terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Who does not take the line only misses it, and all others.
        if write!(std::io::stderr(), "{before}{seconds:>5} s  {}{behind}", line()).is_err() {
            self.kind = Kind::Hidden;
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if self.kind == Kind::Terminal {
            let cleared = write!(std::io::stderr(), "\r\x1b[K");
            debug_assert!(cleared.is_ok(), "the terminal took the line before");
        }
    }
}
