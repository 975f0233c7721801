//! Conversations that we begin, and the numbers that chance gives.

use std::hash::{DefaultHasher, Hasher as _};

use super::options::Start;
use crate::leco::message::{HEADER_BYTES, new_header};
use crate::time::{Span, Tick};

/// Shortest and longest pause between two attempts to come in, but for a quarter that chance adds.
const PAUSE_MIN: Span = Span(100);
const PAUSE_MAX: Span = Span(10_000);

/// The source of ids.
#[derive(Debug)]
pub(super) struct Ids {
    start: Start,
    drawn: u64,
    /// The next pause, without the part of chance.
    pause: Span,
}

impl Ids {
    pub(super) const fn new(start: Start) -> Self {
        Self { start, drawn: 0, pause: PAUSE_MIN }
    }

    /// The header of a new conversation.
    pub(super) fn header(&mut self, now: Tick, content_type: u8) -> [u8; HEADER_BYTES] {
        let unix_ms = self.start.unix_ms.saturating_add(now.since(self.start.now).0);
        let random = (u128::from(self.random()) << 64) | u128::from(self.random());
        let mut header = new_header(unix_ms, random);
        header[HEADER_BYTES - 1] = content_type;
        header
    }

    /// The pause before the next attempt to come in, doubled each time.
    pub(super) fn pause(&mut self) -> Span {
        let pause = self.pause;
        self.pause = self.pause.times(2).min(PAUSE_MAX);
        Span(pause.0 + self.random() % (pause.0 / 4 + 1))
    }

    /// Pauses begin with the shortest again: an attempt has succeeded.
    pub(super) const fn reset_pause(&mut self) {
        self.pause = PAUSE_MIN;
    }

    /// The next random number. A hash of the seed, and no step from the last number: whoever sees some conversations of ours must not
    /// be able to tell the next.
    fn random(&mut self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.start.seed);
        hasher.write_u64(self.drawn);
        self.drawn += 1;
        hasher.finish()
    }
}
