//! What of the loop is different where TLS is spoken: reading, writing, coming in.

use std::net::SocketAddr;

use crate::hub::{Cause, Door, PeerKey};
use crate::limits::{TLS_BYTES_IN_A_ROW, TLS_CONNECTIONS_MAX, TLS_SHAKES_PER_TURN, TURN_MICROS};
use crate::net::tls::Came;
use crate::net::wire::{Wire, broken_by};
use crate::time::Tick;

use super::Server;

impl Server {
    /// Puts TLS between the socket of whoever has come and the hub, where that is spoken.
    pub(super) fn guard(&mut self, key: PeerKey, door: Door, remote: SocketAddr) {
        if let Some(secrecy) = self.tls.for_newcomer(door, remote.ip())
            && let Some(wire) = self.wires.get(key)
        {
            wire.secrecy = Some(secrecy);
        }
    }

    /// As [`Server::read_once`], where TLS is spoken or may be.
    pub(super) fn open_once(&mut self, now: Tick, slot: usize, budget: usize) -> (usize, bool) {
        let Some(Wire { stream, key, secrecy: Some(secrecy), writable, .. }) = self.wires.at(slot) else {
            return (0, false);
        };
        let key = *key;
        let Some(buffer) = self.scratch.get_mut(..budget).filter(|buffer| !buffer.is_empty()) else {
            return (0, false);
        };
        let may_shake = self.shakes < TLS_SHAKES_PER_TURN;
        let was_shaking = secrecy.is_shaking();
        let came = secrecy.take(stream, buffer, may_shake);
        *writable &= !secrecy.waits();
        self.shakes += u32::from(was_shaking && matches!(came, Came::More | Came::Wrong(_)));
        match came {
            Came::Nothing => return (0, false),
            Came::More | Came::Later => return (0, true),
            Came::Bytes(n) => {
                self.hub.handle_bytes(now, key, self.scratch.get(..n).unwrap_or_default());
                return (n, true);
            }
            Came::Plain => {
                self.wires.forget_secrecy(slot);
                return (0, true);
            }
            Came::Begins if self.wires.secret() > TLS_CONNECTIONS_MAX => {
                self.hub.handle_turned_away(now, key, "there are as many connections over TLS as there may be");
            }
            Came::Begins => {
                self.hub.handle_private(key);
                return (0, true);
            }
            Came::Ended => self.hub.handle_closed(now, key, Cause::Peer),
            Came::Failed(error) => {
                log::debug!("read: {error}");
                self.hub.handle_closed(now, key, broken_by(&error));
            }
            Came::Wrong(why) => self.hub.handle_turned_away(now, key, &why),
        }
        (0, false)
    }

    /// Seals and writes what waits for a peer.
    pub(super) fn seal(&mut self, now: Tick, key: PeerKey) {
        let mut sealed = 0;
        loop {
            let is_late = self.spent() >= TURN_MICROS;
            let Some(Wire { stream, secrecy: Some(secrecy), writable, is_put_off, .. }) = self.wires.get(key) else {
                return;
            };
            let outcome = if *writable { secrecy.give(stream, self.hub.unsent(key)) } else { Ok(None) };
            match outcome {
                Ok(Some(n)) => {
                    self.hub.sent(now, key, n);
                    sealed += n;
                    if n == 0 || self.hub.unsent(key)[0].is_empty() {
                        return;
                    }
                    if sealed >= TLS_BYTES_IN_A_ROW || is_late {
                        *is_put_off = true;
                        self.unwritten.push_back(key);
                        return;
                    }
                }
                Ok(None) => {
                    *writable = false;
                    self.hub.sent(now, key, 0);
                    return;
                }
                Err(error) => {
                    log::debug!("write: {error}");
                    self.hub.handle_closed(now, key, broken_by(&error));
                    return;
                }
            }
        }
    }
}
