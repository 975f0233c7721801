//! The socket by which a supervisor is told, where a system has such sockets.

use std::ffi::OsStr;
use std::io;
#[cfg(unix)]
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The other end of `NOTIFY_SOCKET`.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Notify {
    socket: UnixDatagram,
    address: SocketAddr,
}

#[cfg(unix)]
impl Notify {
    /// One at a path, or on Linux at an abstract name behind `@`.
    pub(super) fn to(place: &OsStr) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address: address(place)? })
    }

    /// Says it, without waiting.
    pub(super) fn send(&self, words: &str) -> io::Result<()> {
        self.socket.send_to_addr(words.as_bytes(), &self.address).map(drop)
    }

    pub(super) fn place(&self) -> String {
        format!("{:?}", self.address)
    }
}

/// The time by which a supervisor tells what comes first, in microseconds.
#[cfg(unix)]
pub(super) fn monotonic_us() -> i64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    at.tv_sec.saturating_mul(1_000_000).saturating_add(at.tv_nsec / 1000)
}

#[cfg(target_os = "linux")]
fn address(place: &OsStr) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    match place.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(place),
        _ => Err(neither()),
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn address(place: &OsStr) -> io::Result<SocketAddr> {
    if place.as_encoded_bytes().starts_with(b"/") { SocketAddr::from_pathname(place) } else { Err(neither()) }
}

#[cfg(unix)]
fn neither() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is neither a path nor an abstract name behind @")
}

/// There is none.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) enum Notify {}

#[cfg(not(unix))]
impl Notify {
    pub(super) fn to(_: &OsStr) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no such sockets"))
    }

    pub(super) const fn send(&self, _: &str) -> io::Result<()> {
        match *self {}
    }

    pub(super) const fn place(&self) -> String {
        match *self {}
    }
}

#[cfg(not(unix))]
pub(super) const fn monotonic_us() -> i64 {
    0
}
