//! What must be true between any two calls. Tests and the simulator ask after each of theirs.

use crate::leco::nodes::Dealer;

use super::Hub;
use super::peers::{For, Life, Role};
use crate::counters::count;

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
                if self.names.directory.get(*name).is_none_or(|component| component.link != key) {
                    return Err(format!("{key:?} holds a name that the directory does not give it"));
                }
            }
            if !peer.is_open() && (!peer.names.is_empty() || peer.node.is_some()) {
                return Err(format!("{key:?} is being closed and still known"));
            }
            if peer.left.max(peer.opening) > peer.ring.len() || (peer.left > 0 && peer.left == peer.ring.len()) {
                return Err(format!("{key:?}: more has left than there was"));
            }
            if let Some(For::Ring(on) | For::Probe(on)) = peer.held
                && self.peers.get(on).is_none()
            {
                return Err(format!("{key:?} waits for a peer that has left"));
            }
            if let Some(node) = peer.node
                && self.names.nodes.get(node).is_none_or(|node| node.inbound != Some(key))
            {
                return Err(format!("{key:?} is no node's inbound link"));
            }
            if peer.held.is_some_and(|list| !self.peers.waits.on(list).any(|waiting| waiting == key)) {
                return Err(format!("{key:?} is held and stands on no list"));
            }
            if let (Role::Kernel(provider), true) = (peer.role, peer.is_open())
                && self.manager.kernel_link(provider) != Some(key)
            {
                return Err(format!("{key:?} is no provider's kernel"));
            }
            if let (Role::Dialled(node), true) = (peer.role, peer.is_open())
                && self.names.nodes.get(node).is_none_or(|node| node.dealer.link() != Some(key))
            {
                return Err(format!("{key:?} is no node's DEALER"));
            }
        }
        rings += self.peers.undelivered.iter().map(|undelivered| undelivered.ring.block_bytes()).sum::<usize>();
        if (rings, tails) != self.peers.pool.in_use() {
            return Err(format!("blocks out: {:?}, found: {:?}", self.peers.pool.in_use(), (rings, tails)));
        }
        if rings + tails + self.peers.pool.data_in_use() > self.peers.config.memory_max + SMALL_WORDS_BYTES {
            return Err("more bytes wait than memory_max".to_owned());
        }
        let counted = (handshakes, plain_peers, tarpit);
        if counted != self.peers.counts() {
            let noted = self.peers.counts();
            return Err(format!("handshakes, controllers and viewers, tarpit: counted {counted:?}, noted {noted:?}"));
        }
        if let Some((list, key)) =
            self.peers.waits.all().find(|(list, key)| self.peers.get(*key).is_none_or(|peer| peer.held != Some(*list)))
        {
            return Err(format!("{key:?} stands on the list {list:?} and is not held for it"));
        }
        if !self.peers.events.is_empty() {
            return Err("something was said and nobody was told".to_owned());
        }
        if names != self.names.directory.len() {
            return Err(format!("links hold {names} names, the directory {}", self.names.directory.len()));
        }
        let closed = self.peers.counters.connections_opened - self.peers.counters.connections_closed;
        if closed != count(self.peers.len()) {
            return Err(format!("{closed} connections should be open, {} are", self.peers.len()));
        }
        self.sessions.check()?;
        self.manager.check(&self.peers)?;
        for (session, state, multiple) in self.manager.sessions() {
            let Some(flow) = self.sessions.get(session).map(|session| &session.flow) else {
                return Err(format!("{session:?} has ended and is still shown"));
            };
            if flow.state != state || flow.multiple.total_cmp(&multiple).is_ne() {
                return Err(format!("{session:?} is {}, the Manager takes it to be {state}", flow.state));
            }
        }
        let data = self.sessions.bytes() + self.manager.bytes(&self.peers);
        if data != self.peers.pool.data_in_use() {
            return Err(format!("data has {data} bytes, counted are {}", self.peers.pool.data_in_use()));
        }
        for (key, node) in self.names.nodes.iter() {
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
