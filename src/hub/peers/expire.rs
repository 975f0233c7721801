//! Deadlines of connections: what happens when nothing happens.

use crate::hub::events::Event;
use crate::limits::HINT_AFTER_MS;
use crate::time::{Span, Tick};

use super::deadlines::Due;
use super::peer::Life;
use super::peer::Moment;
use super::{For, Peer, PeerTimer, Peers, ProcessTimer, Role};
use crate::hub::cause::Cause;
use crate::hub::keys::PeerKey;

impl Peers {
    /// Deals with every deadline of a connection that has passed.
    pub(in crate::hub) fn expire(&mut self) {
        self.go_on_lending();
        let is_fresh = |at: Tick| self.now.since(at) < super::PAUSE;
        if self.is_unread && self.timers.soonest().is_none_or(is_fresh) {
            return;
        }
        while let Some((slot, kind)) = self.timers.pop_due(self.now) {
            if let (Some(key), Some(kind)) = (self.key_at(slot), PeerTimer::from_index(kind)) {
                self.peer_due(key, kind);
            }
        }
    }

    /// The next deadline of the process that has passed.
    pub(in crate::hub) fn next_due(&mut self) -> Option<Due> {
        while let Some((_, kind)) = self.process_timers.pop_due(self.now) {
            match ProcessTimer::from_index(kind) {
                Some(ProcessTimer::Clean) => return Some(Due::Clean),
                Some(ProcessTimer::SendDirectory) => return Some(Due::SendDirectory),
                Some(ProcessTimer::Memory) => self.make_room(),
                Some(ProcessTimer::Goodbye) => return Some(Due::Goodbye),
                Some(ProcessTimer::SeeOff) => return Some(Due::SeeOff),
                Some(ProcessTimer::Stop) => return Some(Due::Stop),
                None => {}
            }
        }
        None
    }

    fn peer_due(&mut self, key: PeerKey, kind: PeerTimer) {
        let Some(peer) = self.get(key) else { return };
        match kind {
            PeerTimer::Life => match peer.life {
                Life::Open if !peer.is_ready() && !peer.role.is_zmtp() => self.close(key, Cause::NoRequest),
                Life::Open if !peer.is_ready() => self.close(key, Cause::HandshakeTime),
                Life::Open if peer.role == Role::Web => self.events.push_back(Event::WebLate { peer: key }),
                Life::Open if peer.role == Role::Topic => self.events.push_back(Event::TopicLate { peer: key }),
                // A dialled Coordinator that has not answered our sign-in.
                Life::Open if matches!(peer.role, Role::Dialled(_)) => self.close(key, Cause::Silent),
                // A Coordinator that has signed out and does not end its link.
                Life::Open if peer.node.is_some() => self.close(key, Cause::SignedOut),
                Life::Open => {}
                Life::Finishing(cause) => self.end(key, cause),
                Life::Tarpit => self.end(key, Cause::Refused),
            },
            PeerTimer::Half => self.half_due(key),
            PeerTimer::Slow => self.slow_due(key),
            PeerTimer::Stall => self.stall_due(key),
            PeerTimer::Takeover if peer.probed || peer.must_prove => self.take_over(key),
            PeerTimer::Takeover => {}
            PeerTimer::Hint => {
                let is_strange = peer.is_open() && peer.names.is_empty() && peer.node.is_none();
                if is_strange && self.now.since(peer.last_heard).0 >= HINT_AFTER_MS {
                    self.events.push_back(Event::Speechless { peer: key });
                }
            }
        }
    }

    /// Whoever has what another claims has not answered: it loses it, with its link.
    fn take_over(&mut self, key: PeerKey) {
        let newcomer = self.waits.first(For::Probe(key)).and_then(|newcomer| self.get(newcomer));
        let (Some(peer), newcomer) = (self.get(key), newcomer.map(|peer| peer.remote)) else { return };
        let (old, is_name) = (peer.remote, peer.probed);
        if is_name {
            self.counters.names_taken_over += 1;
        } else {
            self.counters.nodes_displaced += 1;
        }
        if self.may_log() {
            let what = if is_name { "its name" } else { "its place as a node's Coordinator" };
            match newcomer {
                Some(newcomer) => log::warn!("{old} does not answer and loses {what} to {newcomer}"),
                None => log::warn!("{old} does not answer and loses {what}; whoever claimed it has left"),
            }
        }
        self.close(key, Cause::Takeover);
    }

    /// A half-sent message should have gone on.
    fn half_due(&mut self, key: PeerKey) {
        let slow = Span(self.config.slow_ms);
        let Some(peer) = self.get(key).filter(|peer| peer.is_inside_message()) else { return };
        let idle = self.now.since(peer.last_heard);
        if peer.held.is_some() {
            // It is we who do not read.
            self.set_peer_timer(key, PeerTimer::Half, slow);
        } else if let Some(to) = peer.passes_to {
            self.half_passage_due(key, to);
        } else if idle >= slow {
            self.close(key, Cause::HalfMessage);
        } else {
            self.set_peer_timer(key, PeerTimer::Half, Span(slow.0 - idle.0));
        }
    }

    /// What waits should have begun to leave.
    fn slow_due(&mut self, key: PeerKey) {
        let slow = Span(self.config.slow_ms);
        let Some(peer) = self.get(key) else { return };
        if peer.is_drained() {
            if !peer.is_open() && !peer.has_all_answers() {
                // It has ended its side, and an old timestep is still being looked for.
                self.set_peer_timer(key, PeerTimer::Slow, slow);
            }
            return;
        }
        if peer.passage().is_some_and(|passage| passage.is_starved()) {
            // It is its sender who makes no progress.
            self.set_peer_timer(key, PeerTimer::Slow, slow);
            return;
        }
        let idle = self.now.since(peer.last_progress);
        if idle >= slow {
            self.close(key, Cause::Slow);
        } else {
            self.set_peer_timer(key, PeerTimer::Slow, Span(slow.0 - idle.0));
        }
    }

    /// A peer has waited long enough for room.
    fn stall_due(&mut self, key: PeerKey) {
        let stall = Span(self.config.stall_ms);
        let on = match self.get(key).and_then(|peer| peer.held) {
            Some(For::Ring(on)) => on,
            Some(For::Passage(to)) => return self.passage_stalls(key, to),
            Some(For::Copy | For::Name) => return self.resume(key),
            Some(For::Probe(_) | For::Memory | For::Turn | For::Answer | For::Session(_) | For::Decoding) | None => {
                return;
            }
        };
        // Progress in between starts the wait anew; a receiver that has left answers by itself.
        let since = self.get(on).and_then(|receiver| receiver.full_since).map(Moment::tick);
        match since.map(|since| self.now.since(since)) {
            Some(waited) if waited < stall => {
                self.set_peer_timer(key, PeerTimer::Stall, Span(stall.0 - waited.0));
            }
            // All who wait for that ring have waited long enough.
            _ => self.wake(For::Ring(on)),
        }
    }

    /// Peers wait for memory and none came free: if it is readers, the largest half-sent message goes.
    fn make_room(&mut self) {
        let readers_wait = self.waits.has(For::Memory);
        if !readers_wait && !self.waits.has(For::Copy) {
            return;
        }
        // Where rings hold most of the memory, their receivers move or are closed for not moving; and what a held peer has sent
        // waits because of us.
        let largest = self
            .iter()
            .filter(|(_, peer)| peer.partial_bytes() > 0 && matches!(peer.held, None | Some(For::Memory)))
            .max_by_key(|(_, peer)| peer.partial_bytes())
            .map(|(key, _)| key);
        let (rings, partial) = self.pool.in_use();
        if let Some(key) = largest.filter(|_| readers_wait && partial >= rings) {
            self.close(key, Cause::Memory);
        }
        self.set_timer(ProcessTimer::Memory, Span(self.config.stall_ms.max(1)));
    }

    /// Asks silent ZMTP 3.1 peers for a sign of life and closes those that gave none.
    pub(in crate::hub) fn ping_silent(&mut self) {
        if self.config.heartbeat_s == 0 {
            return;
        }
        let patience = Span::seconds(self.config.heartbeat_s);
        // Never before the directory would have given the component up.
        let end = patience.times(3).max(self.config.expiration().times(3));
        let is_silent = |peer: &Peer, now: Tick| {
            peer.is_open() && peer.takes_pings() && peer.held.is_none() && now.since(peer.last_heard) >= patience
        };
        for slot in 0..self.slots_end() {
            let Some(key) = self.key_at(slot) else { continue };
            let Some(peer) = self.get(key).filter(|peer| is_silent(peer, self.now)) else { continue };
            if self.now.since(peer.last_heard) >= end {
                self.close(key, Cause::Silent);
            } else {
                self.ping(key);
            }
        }
    }
}
