//! What waits for peers is written to their sockets: at once, when there is time, or when several events of a session can leave together.

use std::io::{self, Write as _};

use super::Server;
use crate::hub::PeerKey;
use crate::limits::TURN_MICROS;
use crate::net::wire::{ASKED_UNTIL_NOTHING, broken_by};
use crate::time::Tick;

impl Server {
    /// Writes to the streams whose bytes have waited for more: to all of them where there is nothing else to do. Otherwise those that have waited long
    /// enough share the turn with those who ask for something, half as much time as it has taken for these till now, so that nobody who asks waits
    /// behind all streams; whatever else there is, none waits twice as long.
    pub(super) fn write_gathered(&mut self, now: Tick, is_quiet: bool) {
        if self.gathering.is_empty() {
            return;
        }
        let mut spent = self.spent();
        let (at, until) = (self.turn_began + spent, spent + spent / 2);
        while let Some(key) = if is_quiet { self.gathering.next() } else { self.gathering.next_over(at, 2) } {
            self.write_by(TURN_MICROS, now, key);
        }
        while spent < until
            && let Some(key) = self.gathering.next_over(at, 1)
        {
            self.write_by(TURN_MICROS, now, key);
            spent = self.spent();
        }
    }

    /// Writes what waits for a peer; where this turn has gone on for so many microseconds or others have been put off, in the next.
    pub(super) fn write_by(&mut self, micros: u64, now: Tick, key: PeerKey) {
        if self.unwritten.is_empty() && (self.has_stopped || self.spent() < micros) {
            self.write(now, key);
        } else if let Some(wire) = self.wires.get(key)
            && !core::mem::replace(&mut wire.is_put_off, true)
        {
            self.unwritten.push_back(key);
        }
    }

    /// Writes what waits for a peer, once.
    pub(super) fn write(&mut self, now: Tick, key: PeerKey) {
        let Some(wire) = self.wires.get(key) else { return };
        wire.is_put_off = false;
        if wire.ends && !self.hub.may_write_to_ended(now, key) {
            self.hub.sent(now, key, 0);
            return;
        }
        #[cfg(feature = "tls")]
        if wire.secrecy.as_ref().is_some_and(|secrecy| !secrecy.is_unknown()) {
            return self.seal(now, key);
        }
        let [first, second] = self.hub.unsent(key);
        if !wire.writable || first.is_empty() {
            self.hub.sent(now, key, 0);
            return;
        }
        let written = if second.is_empty() {
            wire.stream.write(first)
        } else {
            wire.stream.write_vectored(&[io::IoSlice::new(first), io::IoSlice::new(second)])
        };
        match written {
            Ok(n) => {
                // Less than all: the socket is full, and its next writable event says when it is not.
                let is_full = n < first.len() + second.len();
                wire.writable = !is_full || ASKED_UNTIL_NOTHING;
                self.hub.sent(now, key, n);
                if is_full && ASKED_UNTIL_NOTHING {
                    self.write_by(0, now, key);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wire.writable = false;
                self.hub.sent(now, key, 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.hub.sent(now, key, 0),
            Err(error) => {
                log::debug!("write: {error}");
                self.hub.handle_closed(now, key, broken_by(&error));
            }
        }
    }
}
