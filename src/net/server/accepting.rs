//! Who comes is let in, boundedly, and his socket is put beside the hub's peer.

use mio::Token;

use crate::hub::{Cause, PeerKey};
use crate::limits::{ACCEPTS_PER_TURN, TURN_MICROS_OF_ACCEPTS};
use crate::net::door::{self, ACCEPT_PAUSE, AcceptFailure};
use crate::net::token::FIRST_WIRE;
use crate::time::Tick;

use super::Server;

impl Server {
    pub(super) fn accept(&mut self, now: Tick) {
        if let Some(again) = self.accepting_again {
            if now < again {
                return;
            }
            self.accepting_again = None;
            for listener in &mut self.listeners {
                listener.ready = true;
            }
        }
        for n in 0..self.listeners.len() {
            for taken in 0..ACCEPTS_PER_TURN {
                let Some(listener) = self.listeners.get_mut(n).filter(|listener| listener.ready) else { break };
                if taken > 0 && self.clock.micros() - self.turn_began >= TURN_MICROS_OF_ACCEPTS {
                    break;
                }
                let door = listener.door();
                match listener.accept() {
                    Ok((stream, remote)) => {
                        if let Some(key) = self.hub.open_at(now, remote, door) {
                            self.adopt(key, stream, now);
                            #[cfg(feature = "tls")]
                            self.guard(key, door, remote);
                        }
                    }
                    Err(error) => match door::accept_failure(&error) {
                        AcceptFailure::Nobody => listener.ready = false,
                        AcceptFailure::Next => log::debug!("accept: {error}"),
                        AcceptFailure::Pause => {
                            self.hub.note_accept_pause();
                            log::warn!("accepting pauses: {error}");
                            self.accepting_again = Some(now + ACCEPT_PAUSE);
                            return;
                        }
                    },
                }
            }
        }
        // More may wait than one turn takes: the edge will not come again.
        if self.accepting_again.is_none() && self.listeners.iter().any(|listener| listener.ready) {
            self.accepting_again = Some(now);
        }
    }

    /// Puts a socket beside the hub's peer.
    pub(super) fn adopt(&mut self, key: PeerKey, stream: mio::net::TcpStream, now: Tick) {
        let token = Token(FIRST_WIRE + key.slot());
        match self.wires.put(key, stream, self.poll.registry(), token) {
            // Bytes may be there already, and a dialled socket's readiness has been reported under its old token.
            Ok(old) => {
                if let Some(old) = old {
                    self.lingers.add(old, now, self.poll.registry());
                }
                self.want_read(key.slot());
            }
            Err(error) => {
                log::warn!("connection lost while it was registered: {error}");
                self.hub.handle_closed(now, key, Cause::Io);
            }
        }
    }
}
