//! How long the demonstration waits for what should happen.

use std::time::Duration;

use super::super::failure::Failure;

/// How long something may take that should happen at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long the main thread is deaf for signals.
pub(super) const TICK: Duration = Duration::from_millis(50);

pub(super) fn missed(what: &str) -> Failure {
    Failure::other(format!("the demonstration went wrong, this did not happen within {} s: {what}", PATIENCE.as_secs()))
}
