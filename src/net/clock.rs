//! The clock: read once per turn, turned into [`Tick`]s.

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Tick;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub(super) fn new() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn now(self) -> Tick {
        Tick(self.micros() / 1000)
    }

    pub(super) fn micros(self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long until `at`; rounded up, so that the deadline has passed when the wait is over.
    pub(super) fn until(self, at: Tick) -> Duration {
        let at = Duration::from_millis(at.0);
        let left = at.saturating_sub(self.start.elapsed());
        if left.is_zero() { left } else { left + Duration::from_micros(999) }
    }
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A number that differs from process to process, from the randomness that the standard library gives its hash tables.
pub(super) fn seed() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
