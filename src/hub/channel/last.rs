//! The last message of every topic of a channel, for whoever subscribes later.
//!
//! Owns those messages, under bounds in topics and bytes: a topic that comes when there are as many as there may be takes the place of one that nothing
//! has been published under for longest, as far as a short look around shows. It knows topics and bytes, and nobody who wants them.

use core::ops::Bound;
use std::collections::BTreeMap;

use crate::limits::{LAST_VALUE_BYTES, LAST_VALUE_BYTES_MAX, LAST_VALUES_BYTES_MAX, LAST_VALUES_MAX, TOPIC_BYTES_MAX};
use crate::store::pool::Pool;

/// How many topics are looked at for one that may go.
const LOOKS: usize = 8;

/// The last message of a topic.
#[derive(Debug)]
struct Last {
    wire: Vec<u8>,
    /// Its number among all that were kept.
    number: u64,
    /// It came since somebody looked for one that may go.
    is_new: bool,
}

/// All of them. See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Lasts {
    by_topic: BTreeMap<Box<[u8]>, Box<Last>>,
    number: u64,
    bytes: usize,
    /// Up to which topic those were looked at that may go.
    looked: Vec<u8>,
}

/// Bytes that one is counted as.
fn bytes_of(topic: &[u8], last: &Last) -> usize {
    LAST_VALUE_BYTES + topic.len() + last.wire.capacity()
}

impl Lasts {
    /// Keeps the last message of a topic. Answers how many topics have none any more for that: this one, if there is no room, or another.
    pub(super) fn keep(&mut self, pool: &mut Pool, topic: &[u8], wire: &[u8]) -> u64 {
        self.number += 1;
        let number = self.number;
        if let Some(last) = self.by_topic.get_mut(topic)
            && last.wire.capacity() >= wire.len()
            && last.wire.capacity() / 4 <= wire.len().max(LAST_VALUE_BYTES)
        {
            last.wire.clear();
            last.wire.extend_from_slice(wire);
            (last.number, last.is_new) = (number, true);
            return 0;
        }
        self.keep_anew(pool, topic, wire)
    }

    #[cold]
    fn keep_anew(&mut self, pool: &mut Pool, topic: &[u8], wire: &[u8]) -> u64 {
        // One that is not the last any more would be worse than none.
        let was_there = self.remove(pool, topic);
        let bytes = LAST_VALUE_BYTES + topic.len() + wire.len();
        if topic.len() > TOPIC_BYTES_MAX || bytes > LAST_VALUE_BYTES_MAX.min(pool.data_max() / 4) {
            return 1;
        }
        let mut gone = 0;
        // Sessions and worlds have most of what data may have.
        let most = LAST_VALUES_BYTES_MAX.min(pool.data_max() / 4);
        while self.by_topic.len() >= LAST_VALUES_MAX || self.bytes + bytes > most {
            if !self.let_go(pool) {
                break;
            }
            gone += 1;
        }
        if !pool.charge_leaving_room(bytes) {
            return gone + 1;
        }
        self.bytes += bytes;
        let mut kept = Vec::new();
        kept.reserve_exact(wire.len());
        kept.extend_from_slice(wire);
        debug_assert_eq!(kept.capacity(), wire.len(), "what is reserved exactly is that");
        self.by_topic.insert(topic.into(), Box::new(Last { wire: kept, number: self.number, is_new: was_there }));
        gone
    }

    /// Forgets the last message of a topic; answers whether there was one.
    fn remove(&mut self, pool: &mut Pool, topic: &[u8]) -> bool {
        let Some(last) = self.by_topic.remove(topic) else { return false };
        let bytes = bytes_of(topic, &last);
        self.bytes -= bytes;
        pool.refund(bytes);
        true
    }

    /// Lets one go; answers whether there was any.
    fn let_go(&mut self, pool: &mut Pool) -> bool {
        for look in 0..LOOKS {
            let behind = (Bound::Excluded(&*self.looked), Bound::Unbounded);
            let next = self.by_topic.range_mut::<[u8], _>(behind).next();
            let Some((topic, last)) = next else {
                // Once around.
                self.looked.clear();
                continue;
            };
            let is_new = core::mem::take(&mut last.is_new);
            self.looked.clear();
            self.looked.extend_from_slice(topic);
            if !is_new || look + 1 == LOOKS {
                break;
            }
        }
        let topic = core::mem::take(&mut self.looked);
        let is_gone = self.remove(pool, &topic);
        self.looked = topic;
        let first = if is_gone { None } else { self.by_topic.keys().next().cloned() };
        is_gone || first.is_some_and(|topic| self.remove(pool, &topic))
    }

    /// The number of the last message that was kept.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The first topic that begins with `prefix`, behind `after` if that is given; its message, and the number of that.
    pub(super) fn next(&self, prefix: &[u8], after: Option<&[u8]>) -> Option<(&[u8], &[u8], u64)> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let (topic, last) = self.by_topic.range::<[u8], _>((from, Bound::Unbounded)).next()?;
        topic.starts_with(prefix).then_some((topic, &last.wire, last.number))
    }

    /// How many topics have one, and the bytes that these are counted as.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.by_topic.len(), self.bytes)
    }

    /// Lets go of all.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        pool.refund(core::mem::take(&mut self.bytes));
        self.by_topic.clear();
    }

    /// What must be true between any two calls.
    pub(super) fn check(&self) -> Result<(), String> {
        let bytes: usize = self.by_topic.iter().map(|(topic, last)| bytes_of(topic, last)).sum();
        if bytes != self.bytes || bytes > LAST_VALUES_BYTES_MAX || self.by_topic.len() > LAST_VALUES_MAX {
            return Err(format!("{} last values of {bytes} bytes, counted are {}", self.by_topic.len(), self.bytes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(lasts: &Lasts, prefix: &[u8]) -> Vec<Vec<u8>> {
        let (mut topics, mut after) = (Vec::new(), None::<Vec<u8>>);
        while let Some((topic, _, _)) = lasts.next(prefix, after.as_deref()) {
            topics.push(topic.to_vec());
            after = Some(topic.to_vec());
        }
        topics
    }

    #[test]
    fn the_last_of_every_topic_is_there_and_is_found_by_what_it_begins_with() {
        let (mut pool, mut lasts) = (Pool::new(64 << 20), Lasts::default());
        for (n, topic) in [&b"b"[..], b"a", b"ab", b"a", b""].into_iter().enumerate() {
            assert_eq!(lasts.keep(&mut pool, topic, &vec![7; n + 1]), 0);
        }
        assert_eq!(topics(&lasts, b"a"), [&b"a"[..], b"ab"]);
        assert_eq!(topics(&lasts, b""), [&b""[..], b"a", b"ab", b"b"]);
        assert_eq!(lasts.next(b"a", None), Some((&b"a"[..], &[7; 4][..], 4)));
        assert_eq!(lasts.keep(&mut pool, b"a", b"7"), 0);
        assert_eq!(lasts.next(b"a", None), Some((&b"a"[..], &b"7"[..], 6)));
        assert_eq!(pool.data_in_use(), lasts.counts().1);
        lasts.check().unwrap();
        lasts.clear(&mut pool);
        assert_eq!((pool.data_in_use(), lasts.counts()), (0, (0, 0)));
    }

    #[test]
    fn what_is_too_large_leaves_no_older_one_behind() {
        let (mut pool, mut lasts) = (Pool::new(64 << 20), Lasts::default());
        assert_eq!(lasts.keep(&mut pool, b"a", b"7"), 0);
        assert_eq!(lasts.keep(&mut pool, b"a", &vec![0; LAST_VALUE_BYTES_MAX]), 1);
        assert_eq!(topics(&lasts, b""), [[0_u8; 0]; 0]);
        let (mut dry, mut none) = (Pool::new(1024), Lasts::default());
        assert_eq!(none.keep(&mut dry, b"a", &[0; 900]), 1);
        assert_eq!(dry.data_in_use(), 0);
    }

    #[test]
    fn the_bounds_hold_and_what_is_published_often_stays() {
        let (mut pool, mut lasts) = (Pool::new(512 << 20), Lasts::default());
        for (count, bytes) in [(LAST_VALUES_MAX * 3, 8), (2000, LAST_VALUE_BYTES_MAX / 2)] {
            for n in 0..count {
                lasts.keep(&mut pool, b"often", b"x");
                lasts.keep(&mut pool, format!("{n:x}").as_bytes(), &vec![1; bytes]);
            }
            lasts.check().unwrap();
            assert_eq!(topics(&lasts, b"often").len(), 1);
        }
        lasts.keep(&mut pool, b"", b"x");
        while lasts.let_go(&mut pool) {}
        assert_eq!(lasts.counts(), (0, 0));
    }
}
