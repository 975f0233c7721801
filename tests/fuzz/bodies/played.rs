//! What targets share that play operations on a hub: texts of an operation, time, and what must be true after each.

use instep::hub::PeerKey;
use instep::time::{Span, Tick};

use crate::common::driver::{Outside, drive};

/// Takes a text off the front of `bytes`, which has its length in front.
pub(crate) fn text<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let (&length, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (text, rest) = rest.split_at(rest.len().min(length.into()));
    *bytes = rest;
    text
}

/// A hub under a clock of its own, with what its peers have sent and it has not read.
pub(crate) trait Played: Outside + Sized {
    /// What may wait in it.
    const MEMORY_MAX: usize;

    /// It is then.
    fn set(&mut self, to: Tick);

    /// A peer with what it has sent; nothing behind the last one.
    fn inbox(&mut self, at: usize) -> Option<(PeerKey, &mut Vec<u8>)>;

    /// Whether its tables agree, and no more waits than may.
    fn check(&mut self) {
        let (hub, now) = self.hub();
        if let Err(broken) = hub.check_invariants() {
            panic!("at {now:?}: {broken}");
        }
        let (rings, partial) = hub.bytes_waiting();
        assert!(rings + partial <= Self::MEMORY_MAX, "{rings} + {partial} bytes wait");
    }

    /// Does what an event loop does until nothing moves without time.
    fn pump(&mut self) {
        self.check();
        for round in 0.. {
            let (hub, now) = self.hub();
            assert!(round < 5000, "the hub spins at {now:?}");
            let mut moved = hub.poll_timeout().is_some_and(|at| at <= now);
            if moved {
                hub.handle_timeout(now);
                self.check();
            }
            let mut next = 0;
            while let Some((key, inbox)) = self.inbox(next) {
                next += 1;
                if inbox.is_empty() {
                    continue;
                }
                let sent = core::mem::take(inbox);
                let (hub, now) = self.hub();
                let n = sent.len().min(hub.read_budget(key));
                if n > 0 {
                    hub.handle_bytes(now, key, &sent[..n]);
                    self.check();
                    moved = true;
                }
                if let Some((_, inbox)) = self.inbox(next - 1) {
                    *inbox = sent[n..].to_vec();
                }
            }
            moved |= drive(self);
            self.check();
            if !moved {
                return;
            }
        }
    }

    /// Lets time pass, with a stop at every deadline on the way.
    fn wait(&mut self, ms: u64) {
        let end = self.hub().1 + Span(ms);
        loop {
            let (hub, now) = self.hub();
            let Some(at) = hub.poll_timeout().filter(|at| *at <= end) else { break };
            self.set(at.max(now));
            self.pump();
        }
        self.set(end);
        self.pump();
    }
}
