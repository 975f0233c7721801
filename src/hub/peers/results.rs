//! What waits for a viewer: results that it shares with others by reference, not by copy.
//!
//! Owns the queue, which of its entries may be left out, and how much of the first has left. It must not know what a result holds.

use std::collections::VecDeque;
use std::sync::Arc;

/// Why a result is sent, which decides what becomes of it when the viewer does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum ResultKind {
    /// The viewer has asked for it: it is never left out.
    Answer,
    /// It comes of the session's course, and is left out when the viewer starts anew.
    Step,
    /// Unasked, without data: what became of the session. The oldest of too many is left out.
    Word,
}

/// A result that waits for a viewer.
#[derive(Debug)]
pub(in crate::hub) struct QueuedResult {
    pub(in crate::hub) bytes: Arc<Vec<u8>>,
    pub(in crate::hub) kind: ResultKind,
}

impl QueuedResult {
    /// Its bytes, if nobody else waits for them.
    pub(super) fn last_bytes(&self) -> usize {
        if Arc::strong_count(&self.bytes) == 1 { self.bytes.len() } else { 0 }
    }

    /// Where its bytes lie and how many they are: what viewers share counts once.
    pub(in crate::hub) fn identity(&self) -> (*const u8, usize) {
        (self.bytes.as_ptr(), self.bytes.len())
    }
}

/// Results on their way to one viewer.
#[derive(Debug, Default)]
pub(in crate::hub) struct Results {
    /// Oldest first.
    queue: VecDeque<QueuedResult>,
    /// How much of the first has left.
    begun: usize,
    /// Answers that are still being looked for.
    pub(in crate::hub) promised: usize,
}

impl Results {
    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(in crate::hub) fn iter(&self) -> impl Iterator<Item = &QueuedResult> {
        self.queue.iter()
    }

    pub(super) fn push(&mut self, waiting: QueuedResult) {
        self.queue.push_back(waiting);
    }

    /// What waits, as two slices.
    pub(super) fn unsent(&self) -> [&[u8]; 2] {
        let first = self.queue.front().and_then(|waiting| waiting.bytes.get(self.begun..)).unwrap_or_default();
        let second = self.queue.get(1).map(|waiting| waiting.bytes.as_slice()).unwrap_or_default();
        [first, second]
    }

    /// `n` bytes have left. Says how many bytes of results nobody waits for any more.
    pub(super) fn note_sent(&mut self, mut n: usize) -> usize {
        let mut freed = 0;
        while let Some(front) = self.queue.front() {
            let left = front.bytes.len() - self.begun;
            if n < left {
                self.begun += n;
                break;
            }
            n -= left;
            self.begun = 0;
            freed += self.queue.pop_front().map_or(0, |waiting| waiting.last_bytes());
        }
        freed
    }

    /// Drops what may be left out, but not the first result if `keep_first` or if it has begun to leave. Says how many bytes of results
    /// nobody waits for any more.
    pub(super) fn drop_steps(&mut self, keep_first: bool) -> usize {
        let mut keep = keep_first || self.begun > 0;
        let mut freed = 0;
        self.queue.retain(|waiting| {
            let stays = core::mem::take(&mut keep) || waiting.kind != ResultKind::Step;
            freed += if stays { 0 } else { waiting.last_bytes() };
            stays
        });
        freed
    }

    /// Drops everything. Says how many bytes of results nobody waits for any more.
    pub(super) fn clear(&mut self) -> usize {
        self.begun = 0;
        self.queue.drain(..).map(|waiting| waiting.last_bytes()).sum()
    }

    /// Drops the oldest word that has not begun to leave. Says how many bytes of results nobody waits for any more.
    pub(super) fn drop_oldest_word(&mut self) -> usize {
        let begun = usize::from(self.begun > 0);
        let oldest = self.queue.iter().skip(begun).position(|waiting| waiting.kind == ResultKind::Word);
        let dropped = oldest.and_then(|at| self.queue.remove(begun + at));
        dropped.map_or(0, |waiting| waiting.last_bytes())
    }

    /// How many of a kind wait.
    pub(in crate::hub) fn count(&self, kind: ResultKind) -> usize {
        self.queue.iter().filter(|waiting| waiting.kind == kind).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(kinds: &[ResultKind]) -> Results {
        let mut results = Results::default();
        for (n, kind) in kinds.iter().enumerate() {
            results.push(QueuedResult { bytes: Arc::new(vec![u8::try_from(n).unwrap(); 4]), kind: *kind });
        }
        results
    }

    fn first_bytes(results: &Results) -> Vec<u8> {
        results.iter().map(|waiting| waiting.bytes[0]).collect()
    }

    #[test]
    fn bytes_leave_from_the_front_and_are_freed_with_their_last_reader() {
        let mut results = results(&[ResultKind::Step, ResultKind::Step]);
        let shared = Arc::clone(&results.iter().next().unwrap().bytes);
        assert_eq!(results.unsent().map(<[u8]>::len), [4, 4]);
        assert_eq!(results.note_sent(3), 0);
        assert_eq!(results.unsent()[0], [0]);
        assert_eq!(results.note_sent(2), 0, "somebody else still waits for the first");
        drop(shared);
        assert_eq!(results.note_sent(3), 4);
        assert!(results.is_empty());
    }

    #[test]
    fn steps_may_be_left_out_answers_and_words_stay() {
        let kinds = [ResultKind::Step, ResultKind::Answer, ResultKind::Step, ResultKind::Word];
        let mut all = results(&kinds);
        assert_eq!(all.drop_steps(false), 8);
        assert_eq!(first_bytes(&all), [1, 3]);
        let mut begun = results(&kinds);
        begun.note_sent(1);
        assert_eq!(begun.drop_steps(false), 4, "what has begun to leave stays");
        assert_eq!(first_bytes(&begun), [0, 1, 3]);
        assert_eq!(results(&kinds).drop_steps(true), 4);
    }

    #[test]
    fn the_oldest_word_goes_but_not_one_that_is_leaving() {
        let mut results = results(&[ResultKind::Word, ResultKind::Answer, ResultKind::Word]);
        results.note_sent(2);
        assert_eq!(results.drop_oldest_word(), 4);
        assert_eq!(first_bytes(&results), [0, 1]);
        assert_eq!(results.drop_oldest_word(), 0);
        assert_eq!((results.count(ResultKind::Word), results.clear(), results.is_empty()), (1, 8, true));
    }
}
