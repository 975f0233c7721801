//! Whose bytes wait for more, so that several events of a session leave by one write: who, since when, and how much has come in meanwhile.
//!
//! Knows no sockets and no clock: the loop says what time it is, and writes.

use std::collections::VecDeque;

use crate::limits::{GATHER_BYTES, GATHER_MICROS};

/// All of them, the one that has waited longest first.
#[derive(Debug)]
pub(super) struct Gathering<K> {
    waiting: VecDeque<Waiting<K>>,
    /// Bytes read from everybody so far.
    read: u64,
}

/// One of them.
#[derive(Debug)]
struct Waiting<K> {
    key: K,
    /// When it began to wait, in microseconds of the clock.
    since: u64,
    /// What had been read by then.
    read: u64,
}

impl<K> Default for Gathering<K> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), read: 0 }
    }
}

impl<K> Gathering<K> {
    /// Has one more wait.
    pub(super) fn add(&mut self, key: K, since: u64) {
        self.waiting.push_back(Waiting { key, since, read: self.read });
    }

    pub(super) fn note_read(&mut self, bytes: usize) {
        self.read = self.read.saturating_add(bytes as u64);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes out the one that has waited longest.
    pub(super) fn next(&mut self) -> Option<K> {
        self.waiting.pop_front().map(|waiting| waiting.key)
    }

    /// The same, if it has waited so many times as long, or for so many times as much, as it should.
    pub(super) fn next_over(&mut self, at: u64, times: u64) -> Option<K> {
        let Self { waiting, read } = self;
        let is_over = |first: &mut Waiting<K>| {
            let (bytes, micros) = (*read - first.read, at.saturating_sub(first.since));
            bytes >= times * GATHER_BYTES as u64 || micros >= times * GATHER_MICROS
        };
        waiting.pop_front_if(is_over).map(|waiting| waiting.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_and_nobody_for_nothing() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.next_over(u64::MAX, 1), None, "nobody waits");
        gathering.add(1, 1000);
        gathering.add(2, 1001);
        assert_eq!(gathering.next_over(1000 + GATHER_MICROS - 1, 1), None);
        assert_eq!(gathering.next_over(1000 + GATHER_MICROS, 2), None, "not twice as long");
        assert_eq!(gathering.next_over(1000 + GATHER_MICROS, 1), Some(1));
        assert_eq!(gathering.next_over(1000 + GATHER_MICROS, 1), None, "the second has come later");
        gathering.add(1, 1002);
        assert_eq!([gathering.next(), gathering.next(), gathering.next()], [Some(2), Some(1), None]);
        assert!(gathering.is_empty());
    }

    #[test]
    fn what_comes_in_meanwhile_ends_it_too() {
        let mut gathering = Gathering::default();
        gathering.note_read(GATHER_BYTES);
        gathering.add(1, 0);
        assert_eq!(gathering.next_over(0, 1), None, "what came before does not count");
        gathering.note_read(GATHER_BYTES - 1);
        gathering.add(2, 0);
        assert_eq!(gathering.next_over(0, 1), None);
        gathering.note_read(1);
        assert_eq!([gathering.next_over(0, 1), gathering.next_over(0, 1)], [Some(1), None]);
    }
}
