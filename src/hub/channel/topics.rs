//! Who wants what: the topics that are subscribed to, each with its subscribers, found by the first frame of a message.
//!
//! A subscription stands for all messages whose first frame begins with its topic. The topics lie in one index, so a message asks it once for each
//! length that any of them has and that is no longer than its first frame: what others have subscribed to beside costs nothing. Who it goes
//! to is remembered until something changes, since publishers seldom change their topic.

use crate::hub::keys::PeerKey;
use crate::limits::{SUBSCRIPTION_BYTES, SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_PEER_MAX, TOPIC_BYTES_MAX};
use crate::store::index::Index;
use crate::store::table::{Key, Table};
use crate::zmtp::Fault;

/// Bits of a word of the set of lengths.
const WORD: usize = 64;
const WORDS: usize = TOPIC_BYTES_MAX / WORD + 1;

/// A topic that somebody wants.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Box<[u8]>,
    /// Who wants all of it, in the order of their keys.
    subscribers: Vec<PeerKey>,
    /// Who wants what is published at this node.
    distributors: Vec<PeerKey>,
    /// Messages that have come since somebody wants them, and their bytes.
    traffic: [u64; 2],
}

/// Key of a topic.
pub(super) type TopicKey = Key<Topic>;

impl Topic {
    fn side(&mut self, is_distributor: bool) -> &mut Vec<PeerKey> {
        if is_distributor { &mut self.distributors } else { &mut self.subscribers }
    }

    /// How many want it: of all that is published anywhere, and of what is published here.
    pub(super) const fn wanted_by(&self) -> (usize, usize) {
        (self.subscribers.len(), self.distributors.len())
    }

    /// Bytes that one subscription to it is counted as.
    const fn bytes(&self) -> usize {
        SUBSCRIPTION_BYTES + self.name.len()
    }
}

/// What a subscription, or its end, changes for publishers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turned {
    /// Those of this node hear that something is wanted, or is not any more.
    pub(super) here: bool,
    /// So do the gatherers of other nodes.
    pub(super) elsewhere: bool,
}

impl Turned {
    pub(super) const fn is_any(self) -> bool {
        self.here || self.elsewhere
    }
}

/// Who wants the messages of one topic, each once, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Found {
    topic: Vec<u8>,
    generation: u64,
    /// All who want it.
    pub(super) all: Vec<PeerKey>,
    /// Those of them who want it wherever it comes from.
    pub(super) subscribers: Vec<PeerKey>,
    /// The topics that it begins with, of those that are wanted.
    keys: Vec<TopicKey>,
    /// Messages of it, and their bytes, that these have not been told of yet.
    traffic: [u64; 2],
}

impl Found {
    /// So many messages of it have come, of so many bytes together.
    #[inline]
    pub(super) const fn note(&mut self, messages: u64, bytes: u64) {
        let [all, all_bytes] = &mut self.traffic;
        (*all, *all_bytes) = (*all + messages, *all_bytes + bytes);
    }
}

/// All topics of a channel. See the module's documentation.
#[derive(Debug)]
pub(super) struct Topics {
    table: Table<Topic>,
    index: Index,
    /// How many topics have that length, and the set of those lengths of which there are any.
    by_length: [u32; TOPIC_BYTES_MAX + 1],
    lengths: [u64; WORDS],
    subscriptions: usize,
    bytes: usize,
    generation: u64,
    /// We want all that is published at this node, whoever else does.
    wants_all: bool,
    pub(super) found: Found,
}

/// What topics are looked for in of a message's first frame: none is longer, so what follows changes nothing.
#[inline]
pub(super) fn matched(first: &[u8]) -> &[u8] {
    first.get(..TOPIC_BYTES_MAX).unwrap_or(first)
}

impl Topics {
    pub(super) fn new(seed: u64, wants_all: bool) -> Self {
        Self {
            table: Table::new(SUBSCRIPTIONS_MAX),
            index: Index::new(seed),
            by_length: [0; TOPIC_BYTES_MAX + 1],
            lengths: [0; WORDS],
            subscriptions: 0,
            bytes: 0,
            generation: 1,
            wants_all,
            found: Found::default(),
        }
    }

    fn key_of(&self, name: &[u8]) -> Option<TopicKey> {
        let slot = self.index.find(name, |slot| self.table.at(slot).is_some_and(|topic| *topic.name == *name))?;
        self.table.key_at(slot)
    }

    /// Whether a peer that has so many subscriptions may have one more, of so many bytes.
    pub(super) fn may_add(&self, name: &[u8], has: usize) -> Result<(), Fault> {
        if name.len() > TOPIC_BYTES_MAX {
            return Err(Fault::Topic);
        }
        if has >= SUBSCRIPTIONS_PER_PEER_MAX || self.subscriptions >= SUBSCRIPTIONS_MAX {
            return Err(Fault::Subscriptions);
        }
        Ok(())
    }

    /// Whether a peer wants a topic.
    pub(super) fn has(&self, peer: PeerKey, is_distributor: bool, name: &[u8]) -> bool {
        let topic = self.key_of(name).and_then(|key| self.table.get(key));
        topic.is_some_and(|topic| {
            let side = if is_distributor { &topic.distributors } else { &topic.subscribers };
            side.binary_search(&peer).is_ok()
        })
    }

    /// A peer wants a topic. Nothing, if it does already; otherwise under which key it stands, and what that changes.
    pub(super) fn add(&mut self, peer: PeerKey, is_distributor: bool, name: &[u8]) -> Option<(TopicKey, Turned)> {
        let key = match self.key_of(name) {
            Some(key) => key,
            None => self.insert(name)?,
        };
        let topic = self.table.get_mut(key)?;
        let side = topic.side(is_distributor);
        let at = side.binary_search(&peer).err()?;
        side.insert(at, peer);
        let (subscribers, distributors) = topic.wanted_by();
        self.subscriptions += 1;
        self.bytes += topic.bytes();
        self.generation += 1;
        let elsewhere = !is_distributor && subscribers == 1;
        let here = subscribers + distributors == 1 && !(self.wants_all && name.is_empty());
        Some((key, Turned { here, elsewhere }))
    }

    fn insert(&mut self, name: &[u8]) -> Option<TopicKey> {
        let topic = Topic { name: name.into(), subscribers: Vec::new(), distributors: Vec::new(), traffic: [0; 2] };
        let key = self.table.insert(topic).ok()?;
        self.index.insert(name, key.slot());
        self.note_length(name.len(), true);
        Some(key)
    }

    fn note_length(&mut self, length: usize, is_there: bool) {
        let (Some(count), Some(word)) = (self.by_length.get_mut(length), self.lengths.get_mut(length / WORD)) else {
            return;
        };
        *count = if is_there { *count + 1 } else { *count - 1 };
        let bit = 1 << (length % WORD);
        *word = if *count > 0 { *word | bit } else { *word & !bit };
    }

    /// A peer does not want a topic any more. Nothing, if it did not; otherwise under which key that stood, and what it changes.
    pub(super) fn cancel(&mut self, peer: PeerKey, is_distributor: bool, name: &[u8]) -> Option<(TopicKey, Turned)> {
        let key = self.key_of(name)?;
        let (_, turned) = self.remove(peer, is_distributor, key)?;
        Some((key, turned))
    }

    /// The same of the topic under this key; with its name, where that changes anything.
    pub(super) fn remove(&mut self, peer: PeerKey, is_distributor: bool, key: TopicKey) -> Option<(Box<[u8]>, Turned)> {
        let topic = self.table.get_mut(key)?;
        let side = topic.side(is_distributor);
        let at = side.binary_search(&peer).ok()?;
        side.remove(at);
        let (subscribers, distributors) = topic.wanted_by();
        self.subscriptions -= 1;
        self.bytes -= topic.bytes();
        self.generation += 1;
        let is_gone = subscribers + distributors == 0;
        let here = is_gone && !(self.wants_all && topic.name.is_empty());
        let turned = Turned { here, elsewhere: !is_distributor && subscribers == 0 };
        if !is_gone {
            let name = if turned.is_any() { topic.name.clone() } else { Box::default() };
            return Some((name, turned));
        }
        let topic = self.table.remove(key)?;
        let removed = self.index.remove(&topic.name, key.slot());
        debug_assert!(removed, "every topic is in the index");
        self.note_length(topic.name.len(), false);
        Some((topic.name, turned))
    }

    /// Finds who wants messages of this first frame: see `found`.
    #[inline]
    pub(super) fn find(&mut self, topic: &[u8]) {
        let topic = matched(topic);
        if self.found.generation != self.generation || *self.found.topic != *topic {
            self.find_anew(topic);
        }
    }

    fn find_anew(&mut self, topic: &[u8]) {
        let Self { table, index, lengths, found, .. } = self;
        let [messages, bytes] = core::mem::take(&mut found.traffic);
        for key in found.keys.drain(..) {
            if let Some(topic) = table.get_mut(key) {
                topic.traffic = [topic.traffic[0] + messages, topic.traffic[1] + bytes];
            }
        }
        found.generation = self.generation;
        found.topic.clear();
        found.topic.extend_from_slice(topic);
        found.all.clear();
        found.subscribers.clear();
        let mut hits = 0;
        for (n, word) in lengths.iter().enumerate() {
            let mut left = *word;
            while left > 0 {
                let length = n * WORD + left.trailing_zeros() as usize;
                left &= left - 1;
                let Some(name) = topic.get(..length) else { break };
                let slot = index.find(name, |slot| table.at(slot).is_some_and(|topic| *topic.name == *name));
                let Some(topic) = slot.and_then(|slot| table.at(slot)) else { continue };
                found.keys.extend(slot.and_then(|slot| table.key_at(slot)));
                hits += 1 + usize::from(!topic.distributors.is_empty());
                found.subscribers.extend_from_slice(&topic.subscribers);
                found.all.extend_from_slice(&topic.subscribers);
                found.all.extend_from_slice(&topic.distributors);
            }
        }
        if hits > 1 {
            for list in [&mut found.all, &mut found.subscribers] {
                list.sort_unstable();
                list.dedup();
            }
        }
    }

    // ---- To tell ----

    /// The first topic at or behind a place that is wanted, with that place: of what is published anywhere, or of what is published here. The places
    /// are those of the table, behind that of all that we want ourselves.
    pub(super) fn wanted_from(&self, place: usize, is_here: bool) -> Option<(usize, &[u8])> {
        let wants_all = is_here && self.wants_all;
        let Some(slot) = place.checked_sub(1) else {
            return if wants_all { Some((0, &[])) } else { self.wanted_from(1, is_here) };
        };
        let is_wanted = |topic: &Topic| {
            if is_here { !wants_all || !topic.name.is_empty() } else { !topic.subscribers.is_empty() }
        };
        let mut slots = slot..self.table.slots_end();
        let found = |slot| self.table.at(slot).filter(|topic| is_wanted(topic)).map(|topic| (slot + 1, &*topic.name));
        slots.find_map(found)
    }

    pub(super) fn get(&self, key: TopicKey) -> Option<&Topic> {
        self.table.get(key)
    }

    /// Every topic, with the messages that have come since it is wanted and their bytes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Topic, [u64; 2])> {
        self.table.iter().map(|(key, topic)| {
            let last = if self.found.keys.contains(&key) { self.found.traffic } else { [0; 2] };
            (topic, [topic.traffic[0] + last[0], topic.traffic[1] + last[1]])
        })
    }

    /// Topics, and subscriptions to them.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.table.len(), self.subscriptions)
    }

    /// Bytes that all subscriptions are counted as.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What must be true of the table between any two calls.
    pub(super) fn check(&self) -> Result<(), String> {
        let (mut subscriptions, mut bytes) = (0, 0);
        for (key, topic) in self.table.iter() {
            let wanted = topic.subscribers.len() + topic.distributors.len();
            if wanted == 0 || self.key_of(&topic.name) != Some(key) {
                return Err(format!("nobody wants the topic {:?}, or it is not found", topic.name));
            }
            subscriptions += wanted;
            bytes += wanted * topic.bytes();
        }
        if (subscriptions, bytes) != (self.subscriptions, self.bytes) {
            return Err(format!("{subscriptions} subscriptions, counted are {}", self.subscriptions));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u64) -> PeerKey {
        PeerKey::from_bits(n)
    }

    fn wanted_by(topics: &mut Topics, topic: &[u8]) -> (Vec<u64>, Vec<u64>) {
        topics.find(topic);
        let bits = |list: &[PeerKey]| list.iter().map(|key| key.to_bits()).collect();
        (bits(&topics.found.all), bits(&topics.found.subscribers))
    }

    #[test]
    fn a_topic_is_wanted_by_all_whose_topic_it_begins_with_and_by_each_once() {
        let mut topics = Topics::new(1, false);
        for (n, name) in [(1, &b""[..]), (2, b"N1.a"), (3, b"N1.ab"), (2, b"N1."), (4, b"N2")] {
            assert!(topics.add(peer(n), false, name).is_some());
        }
        assert!(topics.add(peer(9), true, b"N1.a").is_some());
        for (topic, all, subscribers) in [
            (&b"N1.a"[..], &[1, 2, 9][..], &[1, 2][..]),
            (b"N1.abc", &[1, 2, 3, 9], &[1, 2, 3]),
            (b"N1.b", &[1, 2], &[1, 2]),
            (b"N2", &[1, 4], &[1, 4]),
            (b"N", &[1], &[1]),
            (b"", &[1], &[1]),
        ] {
            assert_eq!(wanted_by(&mut topics, topic), (all.to_vec(), subscribers.to_vec()), "{topic:?}");
        }
        assert!(topics.cancel(peer(1), false, b"").is_some());
        assert_eq!(wanted_by(&mut topics, b"").0, [0; 0], "what was found before is not taken for it");
        topics.check().unwrap();
    }

    #[test]
    fn only_the_first_and_the_last_change_anything_for_publishers() {
        let mut topics = Topics::new(1, false);
        let turned = |here, elsewhere| Turned { here, elsewhere };
        let mut add = |n, side| topics.add(peer(n), side, b"x").map(|(_, turned)| turned);
        assert_eq!(add(1, true), Some(turned(true, false)), "for another node, what is published here");
        assert_eq!(add(2, false), Some(turned(false, true)));
        assert_eq!(add(3, false), Some(turned(false, false)));
        assert_eq!(add(3, false), None, "it is a set");
        let mut cancel = |n, side| topics.cancel(peer(n), side, b"x").map(|(_, turned)| turned);
        assert_eq!(cancel(3, false), Some(turned(false, false)));
        assert_eq!(cancel(3, false), None);
        assert_eq!(cancel(2, false), Some(turned(false, true)));
        assert_eq!(cancel(1, true), Some(turned(true, false)));
        assert_eq!((topics.counts(), topics.bytes()), ((0, 0), 0));
        topics.check().unwrap();
    }

    #[test]
    fn what_is_too_long_or_too_much_is_refused() {
        let topics = Topics::new(1, false);
        assert_eq!(topics.may_add(&[0; TOPIC_BYTES_MAX], 0), Ok(()));
        assert_eq!(topics.may_add(&[0; TOPIC_BYTES_MAX + 1], 0), Err(Fault::Topic));
        assert_eq!(topics.may_add(b"x", SUBSCRIPTIONS_PER_PEER_MAX), Err(Fault::Subscriptions));
    }

    #[test]
    fn the_longest_topic_is_found_and_the_whole_set_is_told() {
        let mut topics = Topics::new(1, false);
        let long = [7; TOPIC_BYTES_MAX];
        topics.add(peer(1), false, &long).unwrap();
        topics.add(peer(1), true, b"here").unwrap();
        assert_eq!(wanted_by(&mut topics, &[7; 300]).0, [1]);
        assert_eq!(topics.found.topic, long, "what follows is not remembered");
        assert_eq!(wanted_by(&mut topics, &[7; 255]).0, [0; 0]);
        let told = |is_here| {
            let mut told = Vec::new();
            let mut slot = 0;
            while let Some((at, name)) = topics.wanted_from(slot, is_here) {
                told.push(name.to_vec());
                slot = at + 1;
            }
            told
        };
        assert_eq!((told(false).len(), told(true).len()), (1, 2));
    }

    #[test]
    fn what_has_come_is_counted_for_each_topic_that_it_begins_with() {
        let mut topics = Topics::new(1, false);
        for name in [&b""[..], b"N1.a", b"N2"] {
            assert!(topics.add(peer(1), false, name).is_some());
        }
        let told = |topics: &Topics, name: &[u8]| topics.iter().find(|(topic, _)| *topic.name == *name).unwrap().1;
        for (topic, messages, bytes) in [(&b"N1.a"[..], 2, 20), (b"N1.a", 1, 10), (b"N1.ab", 4, 400), (b"N3", 1, 1)] {
            topics.find(topic);
            topics.found.note(messages, bytes);
        }
        assert_eq!(told(&topics, b""), [8, 431]);
        assert_eq!(told(&topics, b"N1.a"), [7, 430]);
        assert_eq!(told(&topics, b"N2"), [0, 0]);
        assert!(topics.add(peer(1), false, b"N3").is_some());
        assert_eq!(told(&topics, b"N3"), [0, 0], "from here on");
        topics.find(b"N3");
        topics.found.note(1, 5);
        assert!(topics.cancel(peer(1), false, b"N1.a").is_some() && topics.cancel(peer(1), false, b"N3").is_some());
        assert!(topics.add(peer(1), false, b"N1.a").is_some());
        topics.find(b"N1.a");
        assert_eq!((told(&topics, b""), told(&topics, b"N1.a")), ([9, 436], [0, 0]));
    }
}
