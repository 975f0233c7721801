//! Deadlines: what happens when nothing happens.

use crate::leco::nodes::Dealer;
use crate::time::{Span, Tick};
use crate::zmtp::command::Built;

use super::peer::{Held, Life, Role};
use super::{Cause, Hub, NodeKey, PeerKey};

/// Deadlines of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfPeer {
    /// The handshake, the last words before a close, or the tarpit: whichever part of its life the peer is in.
    Life,
    /// A half-sent message must have gone on.
    Half,
    /// The ring must have made progress.
    Slow,
    /// The peer has been held long enough for room in a ring.
    Stall,
    /// The peer must have given a sign of life, as its name is claimed.
    Takeover,
}

impl OfPeer {
    pub(super) const KINDS: usize = 5;

    const fn from_index(index: usize) -> Option<Self> {
        Some(match index {
            0 => Self::Life,
            1 => Self::Half,
            2 => Self::Slow,
            3 => Self::Stall,
            4 => Self::Takeover,
            _ => return None,
        })
    }
}

/// Deadlines of the whole house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum House {
    /// The directory is cleaned.
    Clean,
    /// The directory is published.
    Publish,
    /// Readers have waited long enough for memory.
    Memory,
    /// Everybody is told goodbye.
    Goodbye,
    /// The last words have taken long enough.
    Stop,
}

impl House {
    pub(super) const KINDS: usize = 5;

    const fn from_index(index: usize) -> Option<Self> {
        Some(match index {
            0 => Self::Clean,
            1 => Self::Publish,
            2 => Self::Memory,
            3 => Self::Goodbye,
            4 => Self::Stop,
            _ => return None,
        })
    }
}

impl Hub {
    /// Sets a deadline of a peer.
    pub(super) fn of_peer(&mut self, key: PeerKey, kind: OfPeer, span: Span) {
        self.peer_timers.set(key.slot(), kind as usize, self.now + span);
    }

    /// Sets a deadline of the house, unless it is set already.
    pub(super) fn house(&mut self, kind: House, span: Span) {
        if !self.house_timers.is_set(0, kind as usize) {
            self.house_timers.set(0, kind as usize, self.now + span);
        }
    }

    /// There is somebody to look after: the cleaning must be due some time. An empty house sleeps.
    pub(super) fn wake_house(&mut self) {
        self.house(House::Clean, self.config.cleaning_interval());
    }

    pub(super) fn redial_at(&mut self, key: NodeKey, at: Tick) {
        self.node_timers.set(key.slot(), 0, at);
    }

    pub(super) fn expire(&mut self) {
        let now = self.now;
        self.own_bytes_in_turn = 0;
        for key in core::mem::take(&mut self.yielded) {
            self.resume(key);
        }
        self.go_on_with_batches();
        while let Some((slot, kind)) = self.peer_timers.pop_due(now) {
            if let (Some(key), Some(kind)) = (self.peers.key_at(slot), OfPeer::from_index(kind)) {
                self.peer_due(key, kind);
            }
        }
        while let Some((slot, _)) = self.node_timers.pop_due(now) {
            if let Some(key) = self.nodes.key_at(slot) {
                self.dial(key);
            }
        }
        while let Some((slot, kind)) = self.provider_timers.pop_due(now) {
            if let Some(key) = self.providers.key_at(slot) {
                if kind == 0 {
                    self.play_due(key);
                } else {
                    self.dial_kernel(key);
                }
            }
        }
        while let Some((slot, _)) = self.session_timers.pop_due(now) {
            if let Some(key) = self.sessions.key_at(slot) {
                self.schedule_due(key);
            }
        }
        self.do_one_job();
        while let Some((_, kind)) = self.house_timers.pop_due(now) {
            match House::from_index(kind) {
                Some(House::Clean) => self.clean_up(),
                Some(House::Publish) => self.publish(),
                Some(House::Memory) => self.make_room(),
                Some(House::Goodbye) => self.stop(),
                Some(House::Stop) => self.say_stop(),
                None => {}
            }
        }
    }

    fn peer_due(&mut self, key: PeerKey, kind: OfPeer) {
        let slow = Span(self.config.slow_ms);
        let stall = Span(self.config.stall_ms);
        let Some(peer) = self.peers.get(key) else { return };
        match kind {
            OfPeer::Life => match peer.life {
                Life::Open if !peer.is_ready() && !peer.role.is_zmtp() => self.close(key, Cause::NoRequest),
                Life::Open if !peer.is_ready() => self.close(key, Cause::HandshakeTime),
                // A dialled Coordinator that has not answered our sign-in.
                Life::Open if matches!(peer.role, Role::Dialled(_)) => self.close(key, Cause::Silent),
                Life::Open => {}
                Life::Finishing(cause) => self.end(key, cause),
                Life::Tarpit => self.end(key, Cause::Refused),
            },
            OfPeer::Half if peer.tail.is_empty() => {}
            OfPeer::Half => {
                let idle = self.now.since(peer.last_heard);
                if peer.held.is_some() {
                    // It is we who do not read.
                    self.of_peer(key, OfPeer::Half, slow);
                } else if idle >= slow {
                    self.close(key, Cause::HalfMessage);
                } else {
                    self.of_peer(key, OfPeer::Half, Span(slow.0 - idle.0));
                }
            }
            // It has ended its side, and an old timestep is still being looked for.
            OfPeer::Slow if peer.is_drained() && !peer.is_open() && !peer.has_all_answers() => {
                self.of_peer(key, OfPeer::Slow, slow);
            }
            OfPeer::Slow if peer.is_drained() => {}
            OfPeer::Slow => {
                let idle = self.now.since(peer.last_progress);
                if idle >= slow {
                    self.close(key, Cause::Slow);
                } else {
                    self.of_peer(key, OfPeer::Slow, Span(slow.0 - idle.0));
                }
            }
            OfPeer::Stall => {
                let Some(Held::Ring(on)) = peer.held else { return };
                // Progress in between starts the wait anew; a receiver that has left answers by itself.
                let since = self.peers.get(on).and_then(|receiver| receiver.full_since);
                match since.map(|since| self.now.since(since)) {
                    Some(waited) if waited < stall => self.of_peer(key, OfPeer::Stall, Span(stall.0 - waited.0)),
                    // All who wait for that ring have waited long enough.
                    _ => {
                        self.wake_waiters(on);
                        self.resume(key);
                    }
                }
            }
            OfPeer::Takeover if peer.probed => {
                self.counters.names_taken_over += 1;
                self.close(key, Cause::Takeover);
            }
            OfPeer::Takeover => {}
        }
    }

    /// Peers wait for memory and none came free: if it is readers, the largest half-sent message goes.
    fn make_room(&mut self) {
        if self.short_of_memory.is_empty() {
            return;
        }
        // Where rings hold most of the memory, their receivers move or are closed for not moving; and what a held peer has sent
        // waits because of us.
        let readers_wait = self
            .short_of_memory
            .iter()
            .any(|key| self.peers.get(*key).is_some_and(|peer| peer.held == Some(Held::Memory)));
        let largest = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.tail.is_empty() && matches!(peer.held, None | Some(Held::Memory)))
            .max_by_key(|(_, peer)| peer.tail.block_bytes())
            .map(|(key, _)| key);
        let (rings, partial) = self.pool.in_use();
        if let Some(key) = largest.filter(|_| readers_wait && partial >= rings) {
            self.close(key, Cause::Memory);
        }
        self.house(House::Memory, Span(self.config.stall_ms.max(1)));
    }

    /// The regular cleaning, and the update that goes with it.
    fn clean_up(&mut self) {
        self.ping_silent_peers();
        self.clean_directory(self.config.expiration());
        self.clean_nodes(self.config.expiration());
        self.say_farewells();
        self.pool.age();
        if self.nodes.iter().any(|(_, node)| matches!(node.dealer, Dealer::Up(_))) {
            self.publish();
        }
        if !self.peers.is_empty() || self.nodes.iter().next().is_some() || self.pool.keeps_any() {
            self.wake_house();
        }
    }

    /// Asks silent ZMTP 3.1 peers for a sign of life and closes those that gave none.
    fn ping_silent_peers(&mut self) {
        if self.config.heartbeat_s == 0 {
            return;
        }
        let patience = Span::seconds(self.config.heartbeat_s);
        // Never before the directory would have given the component up.
        let end = patience.times(3).max(self.config.expiration().times(3));
        for slot in 0..self.peers.slots_end() {
            let Some(key) = self.peers.key_at(slot) else { continue };
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let silent = self.now.since(peer.last_heard);
            if !peer.is_open() || !peer.link.pings() || silent < patience || peer.held.is_some() {
                continue;
            }
            if silent >= end {
                self.close(key, Cause::Silent);
            } else {
                self.ping(key);
            }
        }
    }

    /// Sends a ZMTP PING, if the peer understands it.
    pub(super) fn ping(&mut self, key: PeerKey) -> bool {
        let Some(peer) = self.peers.get_mut(key) else { return false };
        if !peer.link.pings() {
            return false;
        }
        let bytes_max = self.config.ring_bytes_max + crate::limits::RING_RESERVE_BYTES;
        if peer.ring.push(&[Built::ping(0).bytes()], bytes_max, &mut self.pool).is_err() {
            return false;
        }
        self.counters.pings_sent += 1;
        self.want_flush(key);
        true
    }

    /// Asks components that have been silent for `expiration`, removes those silent three times as long.
    pub(super) fn clean_directory(&mut self, expiration: Span) {
        let silent: Vec<_> = self
            .directory
            .iter()
            .filter_map(|(key, component)| {
                let peer = self.peers.get(component.link)?;
                let idle = self.now.since(peer.last_heard);
                (idle >= expiration && peer.held.is_none()).then_some((key, component.link, idle))
            })
            .collect();
        for (key, link, idle) in silent {
            if idle >= expiration.times(3) {
                self.expire_component(key, link);
            } else if let Some(component) = self.directory.get(key) {
                let name = self.named_here(&component.name);
                self.ask_pong(link, &name);
            }
        }
    }

    fn expire_component(&mut self, key: super::ComponentKey, link: PeerKey) {
        let Some(component) = self.directory.remove(key) else { return };
        if let Some(peer) = self.peers.get_mut(link) {
            peer.names.retain(|name| *name != key);
        }
        self.component_left(&component.name);
        self.counters.names_expired += 1;
        self.unpublished = true;
        log::warn!("component {} removed: silent too long", crate::leco::name::shown(&component.name));
    }
}
