//! Who is not read, and until when: every peer that waits stands on exactly one list, once.
//!
//! Owns the lists and their order. Why a peer waits stands with the peer; who may go on is said by [`Waits::wake`], and who has been told so
//! comes out of [`Waits::next`] in that order.

use std::collections::{BTreeMap, VecDeque};

use crate::hub::keys::{PeerKey, SessionKey};

/// What a peer waits for. It is not read meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) enum For {
    /// Its next message needs room in that peer's ring.
    Ring(PeerKey),
    /// What it is in the middle of sending goes on as that peer takes it.
    Passage(PeerKey),
    /// Its next message claims a name whose owner is being asked for a sign of life.
    Probe(PeerKey),
    /// The pool has no room for its next message in anybody's ring.
    Copy,
    /// The pool has no room for what a read could bring.
    Memory,
    /// Its next message is for a name that may come back any moment.
    Name,
    /// It has had its share of this turn.
    Turn,
    /// Its last request is longer than a turn, and is still being answered.
    Answer,
    /// Its next request needs this session, whose change is being made durable.
    Session(SessionKey),
    /// What it sent is still being decoded.
    Decoding,
}

const NOBODY: u32 = u32::MAX;

/// The neighbours of a peer on its list, by slot.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: PeerKey,
    before: u32,
    after: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

/// The lists of those who wait, and the line of those who need not any more.
#[derive(Debug, Default)]
pub(in crate::hub) struct Waits {
    places: Vec<Option<Place>>,
    lists: BTreeMap<For, Ends>,
    ready: VecDeque<PeerKey>,
}

impl Waits {
    /// Puts a peer that stands on no list at the end of one.
    pub(super) fn join(&mut self, key: PeerKey, list: For) {
        let Ok(slot) = u32::try_from(key.slot()) else { return };
        if self.places.len() <= key.slot() {
            self.places.resize(key.slot() + 1, None);
        }
        debug_assert!(self.places.get(key.slot()).is_some_and(Option::is_none), "a peer waits for one thing");
        let ends = self.lists.entry(list).or_insert(Ends { first: slot, last: NOBODY });
        let before = core::mem::replace(&mut ends.last, slot);
        if let Some(Some(last)) = self.places.get_mut(before as usize) {
            last.after = slot;
        }
        if let Some(place) = self.places.get_mut(key.slot()) {
            *place = Some(Place { key, before, after: NOBODY });
        }
    }

    /// Takes a peer off its list.
    pub(super) fn leave(&mut self, key: PeerKey, list: For) {
        let Some(place) = self.places.get_mut(key.slot()).and_then(Option::take) else { return };
        debug_assert!(place.key == key, "whoever leaves is taken off its list");
        if let Some(Some(before)) = self.places.get_mut(place.before as usize) {
            before.after = place.after;
        }
        if let Some(Some(after)) = self.places.get_mut(place.after as usize) {
            after.before = place.before;
        }
        if let Some(ends) = self.lists.get_mut(&list) {
            if place.before == NOBODY {
                ends.first = place.after;
            }
            if place.after == NOBODY {
                ends.last = place.before;
            }
            if ends.first == NOBODY {
                self.lists.remove(&list);
            }
        }
    }

    /// The first on a list.
    pub(super) fn first(&self, list: For) -> Option<PeerKey> {
        let ends = self.lists.get(&list)?;
        self.places.get(ends.first as usize)?.map(|place| place.key)
    }

    /// Whether anybody stands on a list.
    pub(in crate::hub) fn has(&self, list: For) -> bool {
        self.lists.contains_key(&list)
    }

    /// Those on a list, in order.
    pub(in crate::hub) fn on(&self, list: For) -> impl Iterator<Item = PeerKey> {
        let mut at = self.lists.get(&list).map_or(NOBODY, |ends| ends.first);
        core::iter::from_fn(move || {
            let place = (*self.places.get(at as usize)?)?;
            at = place.after;
            Some(place.key)
        })
    }

    /// Lets a peer that has left its list go on.
    pub(super) fn make_ready(&mut self, key: PeerKey) {
        self.ready.push_back(key);
    }

    /// Whether anybody may go on.
    #[inline]
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next of those who may go on.
    pub(in crate::hub) fn next(&mut self) -> Option<PeerKey> {
        self.ready.pop_front()
    }

    /// Everybody who waits, with the list it stands on.
    pub(in crate::hub) fn all(&self) -> impl Iterator<Item = (For, PeerKey)> {
        self.lists.keys().flat_map(|list| self.on(*list).map(|key| (*list, key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::table::Table;

    fn keys<const N: usize>() -> [PeerKey; N] {
        let mut table: Table<(), crate::hub::keys::OfPeers> = Table::new(N);
        core::array::from_fn(|_| table.insert(()).unwrap())
    }

    fn standing(waits: &Waits, list: For) -> Vec<PeerKey> {
        waits.on(list).collect()
    }

    #[test]
    fn those_who_wait_stand_in_the_order_they_came() {
        let [a, b, c, d] = keys();
        let mut waits = Waits::default();
        for key in [c, a, b] {
            waits.join(key, For::Ring(d));
        }
        waits.join(d, For::Turn);
        assert_eq!(standing(&waits, For::Ring(d)), [c, a, b]);
        assert_eq!(standing(&waits, For::Turn), [d]);
        assert_eq!(waits.first(For::Ring(d)), Some(c));
        assert_eq!(waits.all().count(), 4);
    }

    #[test]
    fn leaving_keeps_the_others_in_order_whoever_leaves() {
        let [a, b, c, d] = keys();
        for (leaver, rest) in [(a, [b, c]), (b, [a, c]), (c, [a, b])] {
            let mut waits = Waits::default();
            for key in [a, b, c] {
                waits.join(key, For::Probe(d));
            }
            waits.leave(leaver, For::Probe(d));
            assert_eq!(standing(&waits, For::Probe(d)), rest);
            waits.join(leaver, For::Memory);
            assert_eq!(standing(&waits, For::Memory), [leaver]);
        }
    }

    #[test]
    fn an_empty_list_is_none_and_two_reasons_about_one_peer_are_two_lists() {
        let [a, b, d] = keys();
        let mut waits = Waits::default();
        waits.join(a, For::Ring(d));
        waits.join(b, For::Probe(d));
        waits.leave(a, For::Ring(d));
        assert!(!waits.has(For::Ring(d)) && waits.has(For::Probe(d)));
        waits.leave(b, For::Probe(d));
        waits.leave(b, For::Probe(d));
        assert_eq!(waits.all().count(), 0);
        assert_eq!(waits.first(For::Probe(d)), None);
    }

    #[test]
    fn who_is_made_ready_comes_out_once_and_in_order() {
        let [a, b] = keys();
        let mut waits = Waits::default();
        waits.make_ready(b);
        waits.make_ready(a);
        assert_eq!((waits.next(), waits.next(), waits.next()), (Some(b), Some(a), None));
    }
}
