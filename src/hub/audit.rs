//! What must be true between any two calls. Tests and the simulator ask after each of theirs.

use crate::leco::nodes::Dealer;

use super::keep::Purpose;
use super::peer::{Held, Life, Role};
use super::play::Job;
use super::provider::Source;
use super::{Hub, plain};

/// Words that are said even when memory is short: a few kilobytes for each viewer and session.
const SMALL_WORDS_BYTES: usize = 1 << 20;

impl Hub {
    /// Checks that all tables agree with each other.
    ///
    /// # Errors
    /// A sentence about the first thing that does not hold.
    pub fn check_invariants(&self) -> Result<(), String> {
        let (mut rings, mut tails, mut handshakes, mut tarpit, mut names, mut plain_peers) = (0, 0, 0, 0, 0, 0);
        for (key, peer) in self.peers.iter() {
            rings += peer.ring.block_bytes();
            tails += peer.tail.block_bytes();
            names += peer.names.len();
            handshakes += usize::from(peer.is_open() && !peer.is_ready());
            plain_peers += usize::from(matches!(peer.role, Role::Controller | Role::Viewer));
            tarpit += usize::from(peer.life == Life::Tarpit);
            for name in &peer.names {
                if self.directory.get(*name).is_none_or(|component| component.link != key) {
                    return Err(format!("{key:?} holds a name that the directory does not give it"));
                }
            }
            if !peer.is_open() && (!peer.names.is_empty() || peer.node.is_some()) {
                return Err(format!("{key:?} is being closed and still known"));
            }
            if peer.begun > peer.ring.len() {
                return Err(format!("{key:?}: more of a message has begun than waits"));
            }
            if let Some(Held::Ring(on) | Held::Probe(on)) = peer.held
                && self.peers.get(on).is_none()
            {
                return Err(format!("{key:?} waits for a peer that has left"));
            }
            if let Some(node) = peer.node
                && self.nodes.get(node).is_none_or(|node| node.inbound != Some(key))
            {
                return Err(format!("{key:?} is no node's inbound link"));
            }
            if peer.waiters.len() > 2 * self.peers.len() + 8 {
                return Err(format!("{key:?} has more waiters than there are peers"));
            }
            if let (Role::Kernel(provider), true) = (peer.role, peer.is_open())
                && !matches!(self.providers.get(provider).map(|found| &found.source),
                    Some(Source::Kernel(kernel)) if kernel.peer == Some(key))
            {
                return Err(format!("{key:?} is no provider's kernel"));
            }
            if let (Role::Dialled(node), true) = (peer.role, peer.is_open())
                && self.nodes.get(node).is_none_or(|node| node.dealer.link() != Some(key))
            {
                return Err(format!("{key:?} is no node's DEALER"));
            }
        }
        for (key, provider) in self.providers.iter() {
            let Source::Kernel(kernel) = &provider.source else { continue };
            if kernel.peer.is_some_and(|link| self.peers.get(link).is_none_or(|peer| peer.role != Role::Kernel(key))) {
                return Err(format!("provider {} has a link that is not its kernel's", provider.id));
            }
        }
        rings += self.undelivered.iter().map(|undelivered| undelivered.ring().block_bytes()).sum::<usize>();
        if (rings, tails) != self.pool.in_use() {
            return Err(format!("blocks out: {:?}, found: {:?}", self.pool.in_use(), (rings, tails)));
        }
        if rings + tails + self.pool.data_in_use() > self.config.memory_max + SMALL_WORDS_BYTES {
            return Err("more bytes wait than memory_max".to_owned());
        }
        if (handshakes, tarpit) != (self.handshakes, self.tarpit) {
            return Err(format!(
                "counted {handshakes} handshakes and {tarpit} held, noted {} and {}",
                self.handshakes, self.tarpit
            ));
        }
        if plain_peers != self.plain_peers {
            return Err(format!("counted {plain_peers} controllers and viewers, noted {}", self.plain_peers));
        }
        if names != self.directory.len() {
            return Err(format!("links hold {names} names, the directory {}", self.directory.len()));
        }
        let closed = self.counters.connections_opened - self.counters.connections_closed;
        if closed != plain(self.peers.len()) {
            return Err(format!("{closed} connections should be open, {} are", self.peers.len()));
        }
        let mut session_bytes = 0;
        for (key, session) in self.sessions.iter() {
            for viewer in &session.viewers {
                let watches =
                    self.peers.get(*viewer).and_then(|peer| peer.viewer.as_ref()).and_then(|viewer| viewer.session);
                if watches != Some(key) {
                    return Err(format!("session {} counts a viewer that is not in it", session.id));
                }
            }
            if session
                .provider
                .is_some_and(|provider| self.providers.get(provider).is_none_or(|found| found.session != Some(key)))
            {
                return Err(format!("session {} has a provider that does not know it", session.id));
            }
            if self.session_at(session.local_name()) != Some(key) {
                return Err(format!("session {} is not found by its name", session.id));
            }
            for name in session.members.keys() {
                if !self.memberships.get(name).is_some_and(|sessions| sessions.contains(&key)) {
                    return Err(format!("session {} has a member that is not noted as one", session.id));
                }
            }
            if session.pending.is_some() != self.tickets.values().any(|purpose| *purpose == Purpose::Change(key)) {
                return Err(format!("session {} waits for a commit that nobody makes, or does not wait", session.id));
            }
            let in_background = self.tickets.values().any(|purpose| *purpose == Purpose::Background(key));
            if session.kept.as_ref().is_some_and(super::keep::Kept::is_writing) != in_background {
                return Err(format!("session {} is written by nobody, or without its knowledge", session.id));
            }
            if !session.is_writing() && !session.queue.is_empty() && !self.jobs.contains(&Job::Session(key)) {
                return Err(format!("session {} has requests that nobody will deal with", session.id));
            }
            session_bytes += session.bytes();
        }
        let mut results = std::collections::BTreeMap::new();
        for (_, peer) in self.peers.iter() {
            let waiting = peer.viewer.iter().flat_map(|viewer| &viewer.queue);
            results.extend(waiting.map(super::audience::Waiting::identity));
        }
        let mut data = session_bytes + results.values().sum::<usize>();
        for (_, provider) in self.providers.iter() {
            data += provider.accounted;
            if provider.accounted > 0 && provider.accounted != provider.bytes() {
                return Err(format!(
                    "provider {} holds {} bytes, noted are {}",
                    provider.id,
                    provider.bytes(),
                    provider.accounted
                ));
            }
        }
        self.recordings.check()?;
        if data != self.pool.data_in_use() {
            return Err(format!("data has {data} bytes, counted are {}", self.pool.data_in_use()));
        }
        if session_bytes != self.session_bytes {
            return Err(format!("sessions keep {session_bytes} bytes, noted are {}", self.session_bytes));
        }
        let members: usize = self.sessions.iter().map(|(_, session)| session.members.len()).sum();
        let memberships: usize = self.memberships.values().map(Vec::len).sum();
        if members != memberships || self.session_names.len() != self.sessions.len() {
            return Err(format!("sessions have {members} members, noted are {memberships}"));
        }
        if !self.afterwards.is_empty() {
            return Err("an event has not been told".to_owned());
        }
        if self.viewers.values().any(|key| self.peers.get(*key).is_none_or(|peer| peer.viewer.is_none())) {
            return Err("a viewer is listed that has left".to_owned());
        }
        for (key, node) in self.nodes.iter() {
            let living = |link| self.peers.get(link).is_some();
            if node.inbound.is_some_and(|link| !living(link)) || node.dealer.link().is_some_and(|link| !living(link)) {
                return Err(format!("node {key:?} has a link that has left"));
            }
            if matches!(node.dealer, Dealer::Up(_)) && node.namespace.is_none() {
                return Err(format!("node {key:?} is signed in without a namespace"));
            }
        }
        Ok(())
    }
}
