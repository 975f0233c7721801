//! What must be true of the connections between any two calls.

use super::{For, Life, Peer, PeerTimer, Peers, Shares};
use crate::counters::count;

/// Words that are said even when memory is short: a few kilobytes for each viewer and session.
const SMALL_WORDS_BYTES: usize = 1 << 20;

impl Peers {
    /// Handshakes under way, controllers and viewers, connections in the tarpit, as they are counted on the way.
    pub(super) const fn counts(&self) -> (usize, usize, usize) {
        (self.handshakes, self.plain, self.tarpit)
    }

    pub(in crate::hub) fn check(&self) -> Result<(), String> {
        self.check_each()?;
        self.check_memory()?;
        self.check_passages()?;
        let (mut handshakes, mut plain, mut tarpit) = (0, 0, 0);
        for (_, peer) in self.iter() {
            handshakes += usize::from(peer.is_open() && !peer.is_ready());
            plain += usize::from(peer.role.is_beside());
            tarpit += usize::from(peer.life == Life::Tarpit);
        }
        let mut shares = Shares::default();
        for (_, peer) in self.iter() {
            if let Some(share) = peer.share {
                shares.add_connection(share);
                shares.add_names(share, peer.names.len());
            }
        }
        if shares != self.shares {
            return Err(format!("other machines have {shares:?}, noted is {:?}", self.shares));
        }
        let (counted, noted) = ((handshakes, plain, tarpit), self.counts());
        if counted != noted {
            return Err(format!("handshakes, controllers and viewers, tarpit: counted {counted:?}, noted {noted:?}"));
        }
        let is_held_for = |list, key| self.get(key).is_some_and(|peer| peer.held == Some(list));
        if let Some((list, key)) = self.waits.all().find(|(list, key)| !is_held_for(*list, *key)) {
            return Err(format!("{key:?} stands on the list {list:?} and is not held for it"));
        }
        if !self.events.is_empty() {
            return Err("something was said and nobody was told".to_owned());
        }
        let open = self.counters.connections_opened - self.counters.connections_closed;
        if open != count(self.len()) {
            return Err(format!("{open} connections should be open, {} are", self.len()));
        }
        Ok(())
    }

    fn check_each(&self) -> Result<(), String> {
        for (key, peer) in self.iter() {
            if !peer.is_open() && (!peer.names.is_empty() || peer.node.is_some()) {
                return Err(format!("{key:?} is being closed and still known"));
            }
            if peer.left.max(peer.opening.into()) > peer.ring.len() || (peer.left > 0 && peer.left == peer.ring.len()) {
                return Err(format!("{key:?}: more has left than there was"));
            }
            if self.timers.is_set(key.slot(), PeerTimer::Slow as usize) && !peer.is_watched {
                return Err(format!("{key:?} has a deadline that nobody will cancel"));
            }
            if let Some(For::Ring(on) | For::Passage(on) | For::Probe(on)) = peer.held
                && self.get(on).is_none()
            {
                return Err(format!("{key:?} waits for a peer that has left"));
            }
            if peer.held.is_some_and(|list| !self.waits.on(list).any(|waiting| waiting == key)) {
                return Err(format!("{key:?} is held and stands on no list"));
            }
        }
        Ok(())
    }

    fn check_memory(&self) -> Result<(), String> {
        let undelivered = self.undelivered.iter().map(|undelivered| undelivered.ring.block_bytes()).sum::<usize>();
        let of_peer = |peer: &Peer| {
            let sealed = peer.sealed().map_or(0, |sealed| sealed.block_bytes());
            peer.ring.block_bytes() + sealed + peer.passage().map_or(0, |passage| passage.block_bytes())
        };
        let rings = undelivered + self.iter().map(|(_, peer)| of_peer(peer)).sum::<usize>();
        let raw = |peer: &Peer| peer.sealed().map_or(0, |sealed| sealed.raw.block_bytes());
        let tails = self.iter().map(|(_, peer)| peer.tail.block_bytes() + raw(peer)).sum::<usize>();
        if (rings, tails) != self.pool.in_use() {
            return Err(format!("blocks out: {:?}, found: {:?}", self.pool.in_use(), (rings, tails)));
        }
        if rings + tails + self.pool.data_in_use() > self.config.memory_max + SMALL_WORDS_BYTES {
            return Err("more bytes wait than memory_max".to_owned());
        }
        Ok(())
    }
}
