//! What publishers are told is wanted: all of it when they come, and from then on what changes.
//!
//! Changes lie in one line in which each publisher has a place of its own, so that a change costs nothing but itself, whoever reads slowly. Who
//! is too far behind is cut off: it comes back and is told all.

use std::collections::VecDeque;

use crate::limits::WANTED_CHANGES_MAX;
use crate::zmtp::subscription::{Subscription, write_wanted};

use super::topics::{Topics, Turned};

/// A topic that is wanted from here on, or is not any more.
#[derive(Debug)]
struct Change {
    topic: Box<[u8]>,
    is_wanted: bool,
    turned: Turned,
}

/// The line of changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    line: VecDeque<Change>,
    /// The number of the first of them.
    first: u64,
}

/// How far one publisher has been told.
#[derive(Debug)]
pub(super) struct Told {
    /// It is one of this node, and not a gatherer of another one.
    is_here: bool,
    /// The minor version that it speaks.
    minor: u8,
    /// From which place of the table on it has still to be told what there was when it came.
    listing: Option<usize>,
    /// The number of the next change that it is told.
    next: u64,
}

/// What is left to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// There is more.
    More,
    /// What it missed is not known any more.
    Lost,
}

impl Changes {
    /// The number that the next change will have.
    fn end(&self) -> u64 {
        self.first + self.line.len() as u64
    }

    /// Something has changed for publishers.
    pub(super) fn note(&mut self, topic: Box<[u8]>, is_wanted: bool, turned: Turned) {
        self.line.push_back(Change { topic, is_wanted, turned });
        if self.line.len() > WANTED_CHANGES_MAX {
            self.line.pop_front();
            self.first += 1;
        }
    }

    /// Lets go of what all have been told.
    pub(super) fn trim(&mut self, told: impl Iterator<Item = u64>) {
        let needed = told.min().unwrap_or_else(|| self.end());
        while self.first < needed && self.line.pop_front().is_some() {
            self.first += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }
}

impl Told {
    /// A publisher that has just come.
    pub(super) fn new(changes: &Changes, is_here: bool, minor: u8) -> Self {
        Self { is_here, minor, listing: Some(0), next: changes.end() }
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Writes up to `most` topics or changes; says how many it looked at, and what is left.
    pub(super) fn write(
        &mut self,
        topics: &Topics,
        changes: &Changes,
        most: usize,
        out: &mut Vec<u8>,
    ) -> (usize, Left) {
        let mut done = 0;
        while let Some(slot) = self.listing {
            if done >= most {
                return (done, Left::More);
            }
            match topics.wanted_from(slot, self.is_here) {
                Some((at, topic)) => {
                    write_wanted(out, self.minor, topic);
                    self.listing = Some(at + 1);
                    done += 1;
                }
                None => self.listing = None,
            }
        }
        let Some(mut at) = self.next.checked_sub(changes.first) else { return (done, Left::Lost) };
        while let Some(change) = usize::try_from(at).ok().and_then(|at| changes.line.get(at)) {
            if done >= most {
                return (done, Left::More);
            }
            let is_told = if self.is_here { change.turned.here } else { change.turned.elsewhere };
            if is_told {
                Subscription { is_wanted: change.is_wanted, topic: &change.topic }.write(out);
            }
            at += 1;
            self.next += 1;
            done += 1;
        }
        (done, Left::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::keys::PeerKey;

    fn said(told: &mut Told, topics: &Topics, changes: &Changes, most: usize) -> (Vec<u8>, Left) {
        let mut out = Vec::new();
        let (_, left) = told.write(topics, changes, most, &mut out);
        (out, left)
    }

    #[test]
    fn who_comes_is_told_all_and_then_what_changes() {
        let (mut topics, mut changes) = (Topics::new(1, false), Changes::default());
        let peer = PeerKey::from_bits(1);
        topics.add(peer, false, b"a");
        topics.add(peer, true, b"b");
        let [mut new, mut old, mut other] =
            [(true, 1), (true, 0), (false, 1)].map(|(is_here, minor)| Told::new(&changes, is_here, minor));
        assert_eq!(
            said(&mut new, &topics, &changes, 9),
            (b"\x04\x0b\x09SUBSCRIBEa\x04\x0b\x09SUBSCRIBEb".to_vec(), Left::Nothing)
        );
        assert_eq!(said(&mut old, &topics, &changes, 1), (b"\x00\x02\x01a".to_vec(), Left::More));
        assert_eq!(said(&mut old, &topics, &changes, 9), (b"\x00\x02\x01b".to_vec(), Left::Nothing));
        assert_eq!(said(&mut other, &topics, &changes, 9), (b"\x04\x0b\x09SUBSCRIBEa".to_vec(), Left::Nothing));
        let here = Turned { here: true, elsewhere: false };
        changes.note(b"c"[..].into(), true, here);
        changes.note(b"a"[..].into(), false, Turned { here: false, elsewhere: true });
        assert_eq!(said(&mut new, &topics, &changes, 9).0, b"\x00\x02\x01c");
        assert_eq!(said(&mut other, &topics, &changes, 9).0, b"\x00\x02\x00a");
        changes.trim([new.next(), old.next(), other.next()].into_iter());
        assert!(!changes.is_empty(), "one has not heard of them");
        assert_eq!(said(&mut old, &topics, &changes, 9).0, b"\x00\x02\x01c");
        changes.trim([new.next(), old.next(), other.next()].into_iter());
        assert!(changes.is_empty());
    }

    #[test]
    fn who_is_too_far_behind_has_lost_the_way() {
        let (topics, mut changes) = (Topics::new(1, false), Changes::default());
        let mut told = Told::new(&changes, true, 1);
        for n in 0..=WANTED_CHANGES_MAX {
            changes.note(Box::default(), n % 2 == 0, Turned { here: true, elsewhere: true });
        }
        assert_eq!(said(&mut told, &topics, &changes, 9).1, Left::Lost);
    }
}
