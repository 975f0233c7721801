//! The sockets that belong to the hub's peers, found by the peers' slots.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{SockRef, TcpKeepalive};

use crate::hub::PeerKey;

/// Idle time before the kernel probes a connection, time between probes, and number of them.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 6;
/// How long sent bytes may go unacknowledged before the kernel gives the connection up.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// One peer's socket.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) key: PeerKey,
    /// On the ready list.
    pub(super) queued: bool,
    /// The socket took all that was written last time.
    pub(super) writable: bool,
    /// The end of the stream has been announced: read until it comes.
    pub(super) ends: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Wires {
    slots: Vec<Option<Box<Wire>>>,
}

impl Wires {
    /// Sets the socket's options, registers it for both interests, and files it under the peer's slot.
    pub(super) fn put(
        &mut self,
        key: PeerKey,
        mut stream: TcpStream,
        registry: &Registry,
        token: Token,
        scratch: &mut [u8],
    ) -> io::Result<()> {
        // The slot's last tenant may have been closed within this turn: its socket goes before the new one comes.
        if let Some(old) = self.slots.get_mut(key.slot()).and_then(Option::take) {
            end(*old, scratch);
        }
        tune(&stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        if self.slots.len() <= key.slot() {
            self.slots.resize_with(key.slot() + 1, || None);
        }
        if let Some(place) = self.slots.get_mut(key.slot()) {
            *place = Some(Box::new(Wire { stream, key, queued: false, writable: true, ends: false }));
        }
        Ok(())
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

    /// Closes a peer's socket, unless its slot has a new tenant already.
    pub(super) fn close(&mut self, key: PeerKey, scratch: &mut [u8]) {
        let Some(place) = self.slots.get_mut(key.slot()) else { return };
        if let Some(wire) = place.take_if(|wire| wire.key == key) {
            end(*wire, scratch);
        }
    }
}

/// Ends a stream in order, so that what has been written still arrives. What came in is read away, as unread bytes would turn the
/// close into a reset.
fn end(mut wire: Wire, scratch: &mut [u8]) {
    if wire.stream.shutdown(Shutdown::Write).is_ok() {
        for _ in 0..4 {
            match wire.stream.read(scratch) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
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
