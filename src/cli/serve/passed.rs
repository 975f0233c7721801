//! Sockets that systemd has opened for the service, from its environment (`sd_listen_fds(3)`).

use instep::net::Passed;

use super::super::failure::Failure;
#[cfg(unix)]
use super::super::failure::in_words;

/// The first descriptor that is passed.
#[cfg(unix)]
const FIRST: i32 = 3;
/// More are a mistake.
#[cfg(unix)]
const SOCKETS_MAX: i32 = 62;

/// Takes over what was passed to this very process, with the names that it has. To be called before anything is opened and any thread is there.
#[cfg(unix)]
pub(super) fn of_environment() -> Result<Passed, Failure> {
    let text = |name| std::env::var(name).unwrap_or_default();
    if text("LISTEN_PID").parse() != Ok(std::process::id()) {
        return Ok(Passed::default());
    }
    let (count, names) = (text("LISTEN_FDS"), text("LISTEN_FDNAMES"));
    let many = || Failure::usage(format!("LISTEN_FDS: '{count}' is not a number of sockets up to {SOCKETS_MAX}"));
    let count: i32 = count.parse().ok().filter(|count| (0..=SOCKETS_MAX).contains(count)).ok_or_else(many)?;
    let mut sockets = Vec::new();
    let mut names = names.split(':');
    for number in FIRST..FIRST + count {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned();
        let none = |error| Failure::usage(format!("LISTEN_FDS: descriptor {number} ({name}): {error}"));
        let socket = take(number).map_err(|error| none(in_words(&error)))?;
        sockets.push((name, socket));
    }
    forget();
    Passed::new(sockets).map_err(|error| Failure::usage(in_words(&error)))
}

/// The descriptor of this number, if it is open.
#[cfg(unix)]
#[expect(unsafe_code, reason = "numbers are all that is passed; nothing else in this process has opened one yet")]
fn take(number: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd};
    // SAFETY: it is only asked whether it is open.
    let lent = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_getfd(lent)?;
    // SAFETY: it is open, and by the protocol ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// They are nobody's any more who might come behind us.
#[cfg(unix)]
#[expect(unsafe_code, reason = "there is one thread, which reads no variable meanwhile")]
fn forget() {
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
        // SAFETY: there are no other threads yet.
        unsafe { std::env::remove_var(name) };
    }
}

#[cfg(not(unix))]
pub(super) fn of_environment() -> Result<Passed, Failure> {
    if std::env::var_os("LISTEN_FDS").is_some_and(|count| !count.is_empty()) {
        return Err(Failure::usage("LISTEN_FDS: no sockets are passed on this system"));
    }
    Ok(Passed::default())
}
