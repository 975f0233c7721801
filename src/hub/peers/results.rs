//! What waits for a viewer: results that it shares with others by reference, not by copy.
//!
//! Owns the queue, which of its entries may be left out, and how much of the first has left. On a WebSocket each goes as a message of its own,
//! whose header stands beside the bytes that are shared. It must not know what a result holds.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::http::websocket::frame::{Header, Kind};

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

/// A result, and what goes before it on a WebSocket.
#[derive(Debug)]
struct Entry {
    header: Option<Header>,
    result: QueuedResult,
}

impl Entry {
    fn header(&self) -> &[u8] {
        self.header.as_ref().map_or(&[], Header::bytes)
    }

    fn len(&self) -> usize {
        self.header().len() + self.result.bytes.len()
    }

    /// What is left of it once `begun` bytes have gone, as two slices of which the first is empty only if all of it has.
    fn left(&self, begun: usize) -> [&[u8]; 2] {
        let (header, bytes) = (self.header(), self.result.bytes.as_slice());
        match header.get(begun..) {
            Some(header) if !header.is_empty() => [header, bytes],
            _ => [bytes.get(begun - header.len().min(begun)..).unwrap_or_default(), &[]],
        }
    }
}

/// Results on their way to one viewer.
#[derive(Debug, Default)]
pub(in crate::hub) struct Results {
    /// Oldest first.
    queue: VecDeque<Entry>,
    /// How much of the first has left.
    begun: usize,
    /// Answers that are still being looked for.
    pub(in crate::hub) promised: usize,
    /// Each is a message of a WebSocket.
    is_framed: bool,
    /// The last word is among them: nothing may follow.
    is_over: bool,
}

impl Results {
    /// Of a viewer on a WebSocket.
    pub(super) fn framed() -> Self {
        Self { is_framed: true, ..Self::default() }
    }

    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(in crate::hub) fn iter(&self) -> impl Iterator<Item = &QueuedResult> {
        self.queue.iter().map(|entry| &entry.result)
    }

    /// Whether some of the first has left, so that the rest of it must come next.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun > 0
    }

    /// Puts one behind the others, unless the last word was said. Says how many bytes of it nobody waits for.
    pub(super) fn push(&mut self, result: QueuedResult) -> usize {
        if self.is_over {
            return result.last_bytes();
        }
        let header = self.is_framed.then(|| Header::of(Kind::Binary, result.bytes.len()));
        self.queue.push_back(Entry { header, result });
        0
    }

    /// Puts the last word behind them, as it is.
    pub(super) fn push_last(&mut self, bytes: Vec<u8>) {
        let result = QueuedResult { bytes: Arc::new(bytes), kind: ResultKind::Answer };
        self.queue.push_back(Entry { header: None, result });
        self.is_over = true;
    }

    /// Whether the last word is among them, or was.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// What waits, as two slices: of the first alone, if something else is to follow it.
    pub(super) fn unsent(&self, is_first_alone: bool) -> [&[u8]; 2] {
        let Some(first) = self.queue.front() else { return [&[], &[]] };
        match first.left(self.begun) {
            [first, &[]] if !is_first_alone => [first, self.queue.get(1).map_or(&[], |next| next.left(0)[0])],
            both => both,
        }
    }

    /// `n` bytes have left. Says how many bytes of results nobody waits for any more.
    pub(super) fn note_sent(&mut self, mut n: usize) -> usize {
        let mut freed = 0;
        while let Some(front) = self.queue.front() {
            let left = front.len() - self.begun;
            if n < left {
                self.begun += n;
                break;
            }
            n -= left;
            self.begun = 0;
            freed += self.queue.pop_front().map_or(0, |gone| gone.result.last_bytes());
        }
        freed
    }

    /// Drops what may be left out, but not the first result if `keep_first` or if it has begun to leave. Says how many bytes of results
    /// nobody waits for any more.
    pub(super) fn drop_steps(&mut self, keep_first: bool) -> usize {
        let mut keep = keep_first || self.begun > 0;
        let mut freed = 0;
        self.queue.retain(|Entry { result, .. }| {
            let stays = core::mem::take(&mut keep) || result.kind != ResultKind::Step;
            freed += if stays { 0 } else { result.last_bytes() };
            stays
        });
        freed
    }

    /// Drops everything that has not begun to leave: its viewer wants no more. Says how many bytes of results nobody waits for any more.
    pub(super) fn drop_unbegun(&mut self) -> usize {
        let begun = usize::from(self.begun > 0).min(self.queue.len());
        self.queue.drain(begun..).map(|entry| entry.result.last_bytes()).sum()
    }

    /// Drops everything. Says how many bytes of results nobody waits for any more.
    pub(super) fn clear(&mut self) -> usize {
        self.begun = 0;
        self.queue.drain(..).map(|entry| entry.result.last_bytes()).sum()
    }

    /// Drops the oldest word that has not begun to leave. Says how many bytes of results nobody waits for any more.
    pub(super) fn drop_oldest_word(&mut self) -> usize {
        let begun = usize::from(self.begun > 0);
        let oldest = self.iter().skip(begun).position(|waiting| waiting.kind == ResultKind::Word);
        let dropped = oldest.and_then(|at| self.queue.remove(begun + at));
        dropped.map_or(0, |dropped| dropped.result.last_bytes())
    }

    /// How many of a kind wait.
    pub(in crate::hub) fn count(&self, kind: ResultKind) -> usize {
        self.iter().filter(|waiting| waiting.kind == kind).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(kinds: &[ResultKind]) -> Results {
        filled(Results::default(), kinds)
    }

    fn filled(mut results: Results, kinds: &[ResultKind]) -> Results {
        for (n, kind) in kinds.iter().enumerate() {
            let bytes = Arc::new(vec![u8::try_from(n).unwrap(); 4]);
            assert_eq!(results.push(QueuedResult { bytes, kind: *kind }), 0);
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
        assert_eq!(results.unsent(false).map(<[u8]>::len), [4, 4]);
        assert_eq!(results.unsent(true).map(<[u8]>::len), [4, 0]);
        assert_eq!(results.note_sent(3), 0);
        assert_eq!(results.unsent(false)[0], [0]);
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

    #[test]
    fn on_a_websocket_each_is_a_message_whatever_pieces_it_leaves_in() {
        for step in 1..14 {
            let mut results = filled(Results::framed(), &[ResultKind::Step, ResultKind::Answer]);
            results.push_last(b"bye".to_vec());
            let (mut gone, mut freed) = (Vec::new(), 0);
            while !results.is_empty() {
                for is_first_alone in [true, false] {
                    assert!(!results.unsent(is_first_alone)[0].is_empty(), "there is something to write");
                }
                let bytes = results.unsent(false).concat();
                let n = step.min(bytes.len());
                gone.extend_from_slice(&bytes[..n]);
                freed += results.note_sent(n);
            }
            assert_eq!(gone, b"\x82\x04\0\0\0\0\x82\x04\x01\x01\x01\x01bye", "{step} at a time");
            assert_eq!(freed, 11, "headers are not counted");
        }
    }

    #[test]
    fn nothing_comes_behind_the_last_word() {
        let mut results = filled(Results::framed(), &[ResultKind::Step, ResultKind::Step]);
        results.note_sent(1);
        assert_eq!(results.drop_unbegun(), 4, "the first has begun with its header");
        results.push_last(b"bye".to_vec());
        assert_eq!(results.push(QueuedResult { bytes: Arc::new(vec![7; 9]), kind: ResultKind::Answer }), 9);
        assert_eq!(results.unsent(false), [&b"\x04"[..], &[0; 4]]);
        assert_eq!(results.note_sent(8), 7);
        assert!(results.is_empty() && results.is_over());
    }
}
