//! What a link says beside messages: that it is ready, commands, and what it must not say.

use crate::hub::Hub;
use crate::hub::cause::Cause;
use crate::hub::coordinator::Coordinator;
use crate::hub::keys::PeerKey;
use crate::hub::peers::{Peer, Role, Side};
#[cfg(feature = "tls")]
use crate::time::Tick;
use crate::zmtp::command::{Built, Command, Metadata};
use crate::zmtp::{Fault, SocketType};

/// What the loop says of links that speak TLS.
#[cfg(feature = "tls")]
impl Hub {
    /// From here on nobody on the way can read what this peer says, or is told.
    pub(crate) fn handle_private(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.is_private = true;
        }
    }

    /// A peer cannot be talked to, for this reason: its connection ends.
    pub(crate) fn handle_turned_away(&mut self, now: Tick, key: PeerKey, why: &str) {
        self.advance(now);
        self.peers.note_stranger(key, "connect", why);
        self.peers.close(key, Cause::Stranger);
        self.drain_events();
    }
}

impl Hub {
    pub(in crate::hub) fn ready(&mut self, key: PeerKey, metadata: &Metadata<'_>) {
        if let Some(peer) = self.peers.get(key) {
            let identity = metadata.identity.escape_ascii();
            log::debug!("{} is a {} with identity '{identity}'", peer.remote, metadata.socket_type.name());
        }
        self.peers.handshake_done(key);
        if self.peers.get(key).is_some_and(|peer| peer.role.is_accepted() && peer.user.is_none()) {
            let why = "it speaks NULL, and no user has this address (auth)";
            self.peers.note_stranger(key, "connect", why);
            self.peers.close(key, Cause::Stranger);
            return;
        }
        match self.peers.get(key).map(|peer| peer.role) {
            Some(Role::Dialled(node)) => Coordinator::sign_in_at(&mut self.peers, &mut self.names, node, key),
            Some(Role::Channel(channel, side)) => {
                self.channels.ready(&mut self.peers, key, (channel, side), metadata.socket_type);
            }
            _ => {}
        }
    }

    pub(in crate::hub) fn command(&mut self, key: PeerKey, command: Command<'_>) {
        let now = self.peers.now;
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.floods_commands(now) {
            self.fault(key, Fault::CommandRate);
            return;
        }
        if let (Command::Pong, Role::Dialled(node)) = (&command, peer.role)
            && let Some(node) = self.names.nodes.get_mut(node)
        {
            node.is_timed(now);
        }
        if let Command::Ping { context, .. } = command {
            let pong = Built::pong(context);
            // A peer that does not read its ring gets no PONG on top of what waits there.
            if self.peers.queue_parts(key, &[pong.bytes()], self.peers.config.ring_bytes_max).is_ok() {
                self.peers.counters.pongs_sent += 1;
            }
        }
    }

    /// The same fault; with the port at which such a socket is spoken to, where it is at another one.
    fn with_port(&self, key: PeerKey, fault: Fault) -> Fault {
        let (Fault::SocketType(theirs), Some(role)) = (fault, self.peers.get(key).map(|peer| peer.role)) else {
            return fault;
        };
        let port = match (role, theirs) {
            (Role::Channel(..), SocketType::Dealer | SocketType::Router) => Some(self.peers.config.port),
            (Role::Channel(channel, Side::Publisher | Side::Subscriber | Side::Distributor), _) => {
                self.channels.port_for(theirs, Some(channel))
            }
            (Role::Accepted, _) => self.channels.port_for(theirs, None),
            _ => None,
        };
        port.map_or(fault, |port| Fault::Port { theirs, port })
    }

    pub(in crate::hub) fn fault(&mut self, key: PeerKey, fault: Fault) {
        let fault = self.with_port(key, fault);
        self.note_refused_for_good(key, fault);
        let is_sealed = self.peers.get(key).is_some_and(Peer::is_sealed);
        let is_told = fault.helps() && !is_sealed && {
            let error = Built::error(&fault.to_string());
            self.peers.queue_parts(key, &[error.bytes()], self.peers.own_bytes_max()).is_ok()
        };
        if is_told {
            self.peers.finish(key, Cause::Zmtp(fault));
        } else {
            self.peers.close(key, Cause::Zmtp(fault));
        }
    }
}
