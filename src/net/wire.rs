//! The sockets that belong to the hub's peers, found by the peers' slots.

use std::io;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{SockRef, TcpKeepalive};

#[cfg(feature = "tls")]
use super::tls::Secrecy;
use crate::hub::{Cause, PeerKey};

/// Idle time before the kernel probes a connection, time between probes, and number of them.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 6;
/// How long sent bytes may go unacknowledged before the kernel gives the connection up.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether a socket that has nothing more, or no more room, says so once that is over only where it was asked and had none: so it is on Windows,
/// where mio waits for that answer before it looks at the socket again.
pub const ASKED_UNTIL_NOTHING: bool = cfg!(windows);

/// One peer's socket.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) key: PeerKey,
    /// On the ready list.
    pub(super) queued: bool,
    /// The socket took all that was written last time.
    pub(super) writable: bool,
    /// It is written to once there is time.
    pub(super) is_put_off: bool,
    /// The end of the stream has been announced: read until it comes.
    pub(super) ends: bool,
    /// What seals and opens, where TLS is spoken, or may be.
    #[cfg(feature = "tls")]
    pub(super) secrecy: Option<Box<Secrecy>>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Wires {
    slots: Vec<Option<Box<Wire>>>,
}

impl Wires {
    /// Sets the socket's options, registers it for both interests, and files it under the peer's slot. The slot's last tenant may have been
    /// closed within this turn: its socket is given back.
    pub(super) fn put(
        &mut self,
        key: PeerKey,
        mut stream: TcpStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Option<TcpStream>> {
        let old = self.slots.get_mut(key.slot()).and_then(Option::take).map(|old| old.stream);
        tune(&stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        if self.slots.len() <= key.slot() {
            self.slots.resize_with(key.slot() + 1, || None);
        }
        if let Some(place) = self.slots.get_mut(key.slot()) {
            *place = Some(Box::new(Wire {
                stream,
                key,
                queued: false,
                writable: true,
                is_put_off: false,
                ends: false,
                #[cfg(feature = "tls")]
                secrecy: None,
            }));
        }
        Ok(old)
    }

    /// How many of them speak TLS.
    #[cfg(feature = "tls")]
    pub(super) fn secret(&self) -> usize {
        self.slots.iter().flatten().filter(|wire| wire.secrecy.as_ref().is_some_and(|one| !one.is_unknown())).count()
    }

    /// The one in a slot speaks no TLS.
    #[cfg(feature = "tls")]
    pub(super) fn forget_secrecy(&mut self, slot: usize) {
        if let Some(wire) = self.at(slot) {
            wire.secrecy = None;
        }
    }

    /// The socket in a slot, whoever's it is.
    #[inline]
    pub(super) fn at(&mut self, slot: usize) -> Option<&mut Wire> {
        self.slots.get_mut(slot)?.as_deref_mut()
    }

    /// The socket of a peer.
    #[inline]
    pub(super) fn get(&mut self, key: PeerKey) -> Option<&mut Wire> {
        self.at(key.slot()).filter(|wire| wire.key == key)
    }

    /// Takes a peer's socket out, unless its slot has a new tenant already.
    pub(super) fn take(&mut self, key: PeerKey) -> Option<TcpStream> {
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "there is no goodbye to be said"))]
        let mut wire = self.slots.get_mut(key.slot())?.take_if(|wire| wire.key == key)?;
        #[cfg(feature = "tls")]
        if let Some(secrecy) = &mut wire.secrecy {
            secrecy.end(&mut wire.stream);
        }
        Some(wire.stream)
    }
}

/// Options of every connection. A system that refuses one of them still carries the bytes.
pub(super) fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    let set = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&keepalive));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket.set_tcp_user_timeout(Some(USER_TIMEOUT)));
    if let Err(error) = set {
        log::debug!("socket options: {error}");
    }
}

/// What an error of a connection says of its other end.
pub(super) fn broken_by(error: &io::Error) -> Cause {
    let hung_up = matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
    if hung_up { Cause::Gone } else { Cause::Io }
}
