//! What a Component was asked lately, where it may not send to everybody: it may answer that.

use std::collections::VecDeque;

use crate::leco::message::HEADER_BYTES;
use crate::leco::route::Place;
use crate::limits::{QUESTION_MS, QUESTIONS_MAX};
use crate::time::{Span, Tick};

/// Bytes of a header that name the conversation.
const CONVERSATION_BYTES: usize = 16;

/// The last of them, the oldest first.
#[derive(Debug, Default)]
pub(in crate::hub) struct Questions(VecDeque<([u8; CONVERSATION_BYTES], Box<[u8]>, Tick)>);

fn conversation(header: &[u8; HEADER_BYTES]) -> [u8; CONVERSATION_BYTES] {
    header.first_chunk().copied().unwrap_or_default()
}

impl Questions {
    /// Somebody of this full name asks.
    pub(super) fn note(&mut self, header: &[u8; HEADER_BYTES], sender: &[u8], now: Tick) {
        let is_over = |(.., at): &(_, _, Tick)| now.since(*at) > Span(QUESTION_MS);
        while self.0.len() >= QUESTIONS_MAX || self.0.front().is_some_and(is_over) {
            self.0.pop_front();
        }
        self.0.push_back((conversation(header), sender.into(), now));
    }

    /// Whether this may be an answer to somebody of that name, who need not say our namespace.
    pub(super) fn has(&self, header: &[u8; HEADER_BYTES], receiver: &[u8], prefix: &[u8], now: Tick) -> bool {
        let conversation = conversation(header);
        let receiver = Place::of(receiver, prefix);
        let is_it = |(known, sender, at): &([u8; CONVERSATION_BYTES], Box<[u8]>, Tick)| {
            *known == conversation && Place::of(sender, prefix) == receiver && now.since(*at) <= Span(QUESTION_MS)
        };
        self.0.iter().any(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_may_be_answered_for_a_minute() {
        let mut questions = Questions::default();
        let header = |n: u8| [n; HEADER_BYTES];
        questions.note(&header(1), b"N1.CA", Tick(0));
        questions.note(&header(2), b"N2.CB", Tick(30_000));
        let has = |questions: &Questions, n, receiver: &[u8], at| questions.has(&header(n), receiver, b"N1.", Tick(at));
        assert!(has(&questions, 1, b"CA", 60_000) && has(&questions, 1, b"N1.CA", 0));
        assert!(!has(&questions, 1, b"N1.CA", 60_001) && !has(&questions, 1, b"N2.CB", 0));
        assert!(has(&questions, 2, b"N2.CB", 60_001) && !has(&questions, 2, b"CB", 60_001));
        for _ in 0..2 * QUESTIONS_MAX {
            questions.note(&header(3), b"N1.CA", Tick(60_001));
        }
        assert!(questions.0.len() <= QUESTIONS_MAX && !has(&questions, 2, b"N2.CB", 60_001));
    }
}
