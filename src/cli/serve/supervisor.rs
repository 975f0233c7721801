//! What systemd says in the environment of a service: where it listens.

use instep::net::Supervisor;

use super::super::failure::Failure;

/// The supervisor of this process, if the environment names one (`sd_notify(3)`, `sd_watchdog_enabled(3)`).
pub(super) fn of_environment() -> Option<Supervisor> {
    let place = std::env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty())?;
    let number = |name| std::env::var(name).ok().map(|word| word.parse::<u64>().ok());
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == Some(u64::from(std::process::id())));
    let watchdog = number("WATCHDOG_USEC").flatten().filter(|_| is_ours);
    match Supervisor::new(&place, watchdog) {
        Ok(supervisor) => Some(supervisor),
        Err(error) => {
            log::warn!("NOTIFY_SOCKET {}: {error}: nobody is told how this process is", place.display());
            None
        }
    }
}

/// Tells it why this process cannot start or go on, so that its status has the reason where the journal has many lines.
pub(super) fn tell(failure: &Failure) {
    if let Some(mut supervisor) = of_environment() {
        supervisor.failed(&failure.text);
    }
}
