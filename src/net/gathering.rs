//! Whose bytes wait for more, so that several events of a session leave by one write: who, since when, and how much has come in meanwhile.
//!
//! Knows no sockets and no clock: the loop says what time it is, and writes.

use std::collections::VecDeque;

use crate::limits::{GATHER_BYTES, GATHER_MICROS};

/// All of them. The first decides for all how long they wait.
#[derive(Debug)]
pub(super) struct Gathering<K> {
    keys: VecDeque<K>,
    /// When the first of them began to wait, in microseconds of the clock.
    since: u64,
    /// Bytes read from everybody since then.
    read: usize,
}

impl<K> Default for Gathering<K> {
    fn default() -> Self {
        Self { keys: VecDeque::new(), since: 0, read: 0 }
    }
}

impl<K> Gathering<K> {
    /// Has one more wait. What time it is, is asked only where that is the first.
    pub(super) fn add(&mut self, key: K, at: impl FnOnce() -> u64) {
        if self.keys.is_empty() {
            (self.since, self.read) = (at(), 0);
        }
        self.keys.push_back(key);
    }

    pub(super) fn note_read(&mut self, bytes: usize) {
        self.read = self.read.saturating_add(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether they have waited long enough, or for enough.
    pub(super) fn is_over(&self, at: impl FnOnce() -> u64) -> bool {
        !self.is_empty() && (self.read >= GATHER_BYTES || at().saturating_sub(self.since) >= GATHER_MICROS)
    }

    /// Takes out the one that has waited longest.
    pub(super) fn next(&mut self) -> Option<K> {
        self.keys.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_and_nobody_for_nothing() {
        let mut gathering = Gathering::default();
        assert!(!gathering.is_over(|| u64::MAX), "nobody waits");
        gathering.add(1, || 1000);
        gathering.add(2, || 1000 + GATHER_MICROS - 1);
        assert!(!gathering.is_over(|| 1000 + GATHER_MICROS - 1));
        assert!(gathering.is_over(|| 1000 + GATHER_MICROS), "as long as the first may");
        assert_eq!([gathering.next(), gathering.next(), gathering.next()], [Some(1), Some(2), None]);
        assert!(gathering.is_empty());
        gathering.add(1, || 5000);
        assert!(!gathering.is_over(|| 5000), "its time begins anew");
    }

    #[test]
    fn what_comes_in_meanwhile_ends_it_too() {
        let mut gathering = Gathering::default();
        gathering.note_read(GATHER_BYTES);
        gathering.add(1, || 0);
        assert!(!gathering.is_over(|| 0), "what came before does not count");
        gathering.note_read(GATHER_BYTES - 1);
        assert!(!gathering.is_over(|| 0));
        gathering.note_read(1);
        assert!(gathering.is_over(|| 0));
    }
}
