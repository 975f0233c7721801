//! One connection of a channel: what it has subscribed to, how far it has been told what is wanted, and how it fares.

use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

use crate::hub::keys::PeerKey;
use crate::hub::peers::Side;
use crate::zmtp::SocketType;

use super::topics::{TopicKey, matched};
use super::wanted::Told;

/// So many subscriptions are looked through sooner than they are looked up.
const FEW: usize = 64;

/// What a connection has subscribed to, each topic once: a list as long as there are few, as there nearly always are.
#[derive(Debug)]
pub(super) enum Subscriptions {
    Few(Vec<TopicKey>),
    Many(BTreeSet<TopicKey>),
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(keys) => keys.len(),
            Self::Many(keys) => keys.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more, which is not there.
    pub(super) fn insert(&mut self, key: TopicKey) {
        if let Self::Few(keys) = self
            && keys.len() >= FEW
        {
            *self = Self::Many(keys.drain(..).collect());
        }
        match self {
            Self::Few(keys) => keys.push(key),
            Self::Many(keys) => {
                keys.insert(key);
            }
        }
    }

    pub(super) fn remove(&mut self, key: TopicKey) {
        match self {
            Self::Few(keys) => {
                if let Some(at) = keys.iter().position(|one| *one == key) {
                    keys.swap_remove(at);
                }
            }
            Self::Many(keys) => {
                keys.remove(&key);
            }
        }
    }

    /// Takes any of them.
    pub(super) fn pop(&mut self) -> Option<TopicKey> {
        match self {
            Self::Few(keys) => keys.pop(),
            Self::Many(keys) => keys.pop_last(),
        }
    }

    /// The next of them behind this one, about so many: few are all of them.
    pub(super) fn behind(&self, after: Option<TopicKey>, most: usize) -> Vec<TopicKey> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        match self {
            Self::Few(_) if after.is_some() => Vec::new(),
            Self::Few(keys) => keys.clone(),
            Self::Many(keys) => keys.range((from, Bound::Unbounded)).take(most).copied().collect(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = TopicKey> {
        let (few, many) = match self {
            Self::Few(keys) => (Some(keys), None),
            Self::Many(keys) => (None, Some(keys)),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).copied()
    }
}

/// What a subscriber is to be given: the last message of every topic that it has newly subscribed to.
#[derive(Debug, Default)]
pub(super) struct Catch {
    /// By subscription, the number of the last message that was there when it was made: it has had those behind that as they came.
    pub(super) waiting: BTreeMap<TopicKey, u64>,
    /// The one of them that has begun, and up to which topic it has been given those.
    pub(super) begun: Option<TopicKey>,
    pub(super) after: Vec<u8>,
    /// It stands in line.
    pub(super) is_queued: bool,
}

impl Catch {
    /// Whether it is to be put in line.
    pub(super) const fn goes_on(&mut self) -> bool {
        !core::mem::replace(&mut self.is_queued, true)
    }

    /// One of its subscriptions needs no more.
    pub(super) fn end(&mut self, key: TopicKey) {
        self.begun = self.begun.filter(|begun| *begun != key);
        self.waiting.remove(&key);
    }
}

/// The last subscriptions that were judged by other rules: a connection with all of its subscriptions, or up to one of them; nobody yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) link: Option<PeerKey>,
    pub(super) topic: Option<TopicKey>,
}

/// A connection whose handshake is over.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) side: Side,
    /// What its socket is.
    pub(super) theirs: SocketType,
    /// Where messages come from there: how far it has been told what is wanted.
    pub(super) told: Option<Told>,
    /// It stands among those that have more to be told, or is told when it has room.
    pub(super) is_behind: bool,
    /// What it has subscribed to.
    pub(super) subscriptions: Subscriptions,
    /// To whom the message at its front has gone already, up to this one.
    pub(super) done: Option<PeerKey>,
    /// Messages that came from there, or were put on their way to it.
    pub(super) messages: u64,
    /// Bytes of these.
    pub(super) bytes: u64,
    /// Messages that it went without.
    pub(super) drops: u64,
    /// The same since it was last seen to keep up.
    pub(super) drops_lately: u64,
    /// The first frame of the last message that came from there, as far as topics go.
    pub(super) topic: Vec<u8>,
    /// What it has still to be given of what was published before it subscribed.
    pub(super) catch: Option<Box<Catch>>,
}

impl Link {
    pub(super) const fn new(side: Side, theirs: SocketType, told: Option<Told>) -> Self {
        Self {
            side,
            theirs,
            told,
            is_behind: false,
            subscriptions: Subscriptions::Few(Vec::new()),
            done: None,
            messages: 0,
            bytes: 0,
            drops: 0,
            drops_lately: 0,
            topic: Vec::new(),
            catch: None,
        }
    }

    /// Whether it wants only what is published at this node.
    pub(super) const fn is_distributor(&self) -> bool {
        matches!(self.side, Side::Distributor)
    }

    /// A message with this first frame came from there.
    #[inline]
    pub(super) fn note_topic(&mut self, topic: &[u8]) {
        let topic = matched(topic);
        if *self.topic != *topic {
            self.topic.clear();
            self.topic.extend_from_slice(topic);
        }
    }

    /// It has given up a subscription.
    pub(super) fn cancel_catch(&mut self, key: TopicKey) {
        if let Some(catch) = &mut self.catch {
            catch.end(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_subscriptions_are_the_same_set() {
        let (mut subscriptions, mut twin) = (Subscriptions::Few(Vec::new()), BTreeSet::new());
        let mut state = 1_u64;
        for round in 0..4000_usize {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = TopicKey::from_bits((state >> 33) % (2 * FEW as u64));
            let grows = round / 1000 % 2 == 0;
            if twin.contains(&key) && (!grows || state >> 40 & 3 == 0) {
                subscriptions.remove(key);
                twin.remove(&key);
            } else if !twin.contains(&key) && grows {
                subscriptions.insert(key);
                twin.insert(key);
            }
            assert_eq!(subscriptions.len(), twin.len());
        }
        assert_eq!(subscriptions.iter().collect::<BTreeSet<_>>(), twin);
        while let Some(key) = subscriptions.pop() {
            assert!(twin.remove(&key));
        }
        assert!(twin.is_empty() && subscriptions.is_empty());
    }
}
