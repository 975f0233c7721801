//! Large messages on their way to one receiver: beside its ring, in their turn, and never in memory twice.
//!
//! Owns what of such a message waits. It comes in one of three ways. One that has been kept until it was whole is handed over with the block
//! that it came in. One that goes to several is lent by whoever keeps it for all of them. Of one from this machine to a Component of this node, the pieces go as they come and as the receiver takes them; its
//! sender is not read while more of it than [`PASSAGE_WAITING_BYTES_MAX`] waits.
//!
//! A message that has begun to leave can neither be taken back nor ended early: its size has been said. So a receiver depends on
//! its sender for so long, and there are bounds to that: what is behind it in the ring waits no more than `slow_ms` in all for a sender that
//! has nothing to give, and where the sender ends, the receiver's link ends, too. Therefore none comes in pieces from another machine, nor
//! goes so over a link that others share.

use core::mem;

use super::passage::{Loan, Passage, Passed};
use super::peer::Peer;
use super::{For, PeerTimer, Peers, Role};
use crate::hub::cause::Cause;
use crate::hub::keys::PeerKey;
use crate::limits::{PASSAGE_BYTES_MIN, PASSAGE_CHAIN_MAX, PASSAGE_WAITING_BYTES_MAX};
use crate::store::ring::{NoRoom, Ring};
use crate::store::tail::Tail;
use crate::time::Span;

impl Peers {
    /// Bytes of a message from which on it goes in pieces, where it may.
    pub(in crate::hub) fn passage_bytes_min(&self) -> usize {
        self.config.ring_bytes_max.min(PASSAGE_BYTES_MIN)
    }

    /// Bytes of one that may wait.
    fn passage_bytes_max(&self) -> usize {
        self.config.ring_bytes_max.min(PASSAGE_WAITING_BYTES_MAX)
    }

    /// Whether messages may go in pieces between these two: see the module's documentation.
    pub(in crate::hub) fn may_pass(&self, from: PeerKey, to: PeerKey) -> bool {
        let is_component = |peer: &Peer| peer.role == Role::Accepted && peer.node.is_none() && peer.takes_messages();
        from != to
            && self.get(from).is_some_and(|peer| is_component(peer) && peer.is_local() && peer.passes_to.is_none())
            && self.get(to).is_some_and(is_component)
            // A frame can only be sealed when all of it is there.
            && ![from, to].iter().any(|key| self.get(*key).is_some_and(Peer::is_sealed))
            && !self.waits_for_passage(to, from)
    }

    /// Whether what `sender` is in the middle of sending goes to `last`, straight or by what its receiver is sending, and so on.
    fn waits_for_passage(&self, sender: PeerKey, last: PeerKey) -> bool {
        let next = |key: &PeerKey| self.get(*key)?.passes_to;
        let mut chain = core::iter::successors(next(&sender), next);
        // One that is too long to be looked through may be a circle.
        chain.by_ref().take(PASSAGE_CHAIN_MAX).any(|key| key == last) || chain.next().is_some()
    }

    /// Whether a large message is on its way to this peer; no other begins before it has arrived.
    pub(in crate::hub) fn has_passage(&self, to: PeerKey) -> bool {
        self.get(to).is_some_and(|peer| peer.passage().is_some())
    }

    /// A message from `from` begins to go to `to` in pieces. `front` are its frames before the payload.
    pub(in crate::hub) fn begin_passage(&mut self, from: PeerKey, to: PeerKey, front: Vec<u8>) {
        let Some(receiver) = self.get_mut(to) else { return };
        receiver.put_beside(Passage::in_pieces(receiver.ring.len(), from, front));
        if let Some(sender) = self.get_mut(from) {
            sender.passes_to = Some(to);
        }
    }

    /// Lets the bytes at hand go on, which belong to a message that goes on in pieces and are followed by `left` others at the most. Says how
    /// many have gone.
    pub(in crate::hub) fn pass_on(&mut self, from: PeerKey, bytes: &[u8], left: u64) -> (usize, Passed) {
        let Some(to) = self.get(from).and_then(|sender| sender.passes_to) else { return (0, Passed::Some) };
        let room = self.passage_room(to);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let piece = bytes.get(..wanted.min(room)).unwrap_or_default();
        let Some(receiver) = self.table.get_mut(to) else { return (0, Passed::Some) };
        let Some(passage) = receiver.passage_mut() else { return (0, Passed::Some) };
        let pushed = passage.push(piece, self.now, &mut self.pool);
        if pushed == Ok(true) {
            // Until now it was not for the receiver to make progress.
            receiver.last_progress = self.now;
        }
        let n = if pushed.is_ok() { piece.len() } else { 0 };
        if n > 0 {
            self.want_flush(to);
            if self.link_mut(from).is_some_and(|link| link.passed_on(n)) {
                self.all_is_in(from, to);
                self.counters.messages_in += 1;
                self.counters.messages_delivered += 1;
                return (n, Passed::Last);
            }
        }
        if n == wanted {
            return (n, Passed::Some);
        }
        self.hold_for_passage(from, to, pushed.is_err());
        (n, Passed::Held)
    }

    fn passage_room(&self, to: PeerKey) -> usize {
        let waiting = self.get(to).and_then(Peer::passage).map_or(0, Passage::waiting);
        self.passage_bytes_max().saturating_sub(waiting)
    }

    /// Does not read a sender until its receiver has taken more, or there is memory for it.
    fn hold_for_passage(&mut self, from: PeerKey, to: PeerKey, lacks_memory: bool) {
        let waits = self.get(to).and_then(Peer::passage).is_some_and(|passage| passage.waiting() > 0);
        self.counters.senders_held += 1;
        if lacks_memory && !waits {
            self.wait_for_memory(from, For::Copy);
        } else {
            self.wait(from, For::Passage(to));
        }
        self.set_peer_timer(from, PeerTimer::Stall, Span(self.config.stall_ms.max(1)));
    }

    /// Bytes that may be read from a peer of whose message pieces go on: not more than the receiver has room for.
    pub(super) fn passage_budget(&mut self, from: PeerKey, to: PeerKey, budget: usize) -> usize {
        let room = self.passage_room(to);
        if room == 0 {
            self.hold_for_passage(from, to, false);
        }
        budget.min(room)
    }

    /// Bytes have left for a peer to which a large message is, or was, on its way: who waits for that may go on.
    pub(super) fn passage_moved(&mut self, to: PeerKey) {
        let Some(receiver) = self.get(to) else { return };
        let half = self.passage_bytes_max() / 2;
        let (is_over, has_room) = match receiver.passage() {
            Some(passage) => (false, passage.waiting() <= half),
            None => (true, false),
        };
        // What comes next lies elsewhere, and a socket with room says nothing more.
        if receiver.unsent().iter().any(|bytes| !bytes.is_empty()) || (receiver.is_sealed() && !receiver.is_drained()) {
            if self.goes_on_later(to) {
                self.want_flush_later(to);
            } else {
                self.want_flush(to);
            }
        }
        if is_over {
            self.wake(For::Ring(to));
        } else if has_room {
            self.wake(For::Passage(to));
        }
    }

    /// All of a message has come in: what waits of it has no more to do with its sender.
    fn all_is_in(&mut self, from: PeerKey, to: PeerKey) {
        if let Some(sender) = self.get_mut(from) {
            sender.passes_to = None;
        }
        if let Some(passage) = self.get_mut(to).and_then(Peer::passage_mut) {
            passage.all_is_in();
        }
    }

    /// Hands the message of `len` bytes at the front of `tail` over to its receiver, with the block that it lies in. What is behind it
    /// there moves to another one, for which there must be memory.
    pub(in crate::hub) fn hand_over(&mut self, to: PeerKey, tail: &mut Tail, len: usize) -> Result<(), NoRoom> {
        self.stage(to, len, len)?;
        let mut rest = Tail::default();
        if !rest.append(tail.bytes().get(len..).unwrap_or_default(), &mut self.pool) {
            self.unstage(to);
            return Err(NoRoom::Memory);
        }
        let (block, place) = mem::replace(tail, rest).into_block(&mut self.pool);
        self.pool.turn_over(block.len());
        let mut ring = Ring::of_block(block, place.start, len);
        match self.table.get_mut(to) {
            Some(receiver) => {
                receiver.put_beside(Passage::whole(receiver.ring.len(), ring));
                self.want_flush(to);
            }
            None => ring.clear(&mut self.pool),
        }
        Ok(())
    }

    /// Sends a peer a large message that is lent: `front` and the document behind it. Not, if another one is on its way there.
    pub(in crate::hub) fn lend(&mut self, to: PeerKey, front: &[u8], loan: Loan) -> bool {
        if !self.get(to).is_some_and(Peer::takes_passage) {
            return false;
        }
        let len = front.len() + loan.len();
        let mut ring = Ring::new();
        if self.stage(to, len, len).is_err() || ring.push(&[front], usize::MAX, &mut self.pool).is_err() {
            self.unstage(to);
            return false;
        }
        let Some(receiver) = self.table.get_mut(to) else { return false };
        receiver.put_beside(Passage::lent(receiver.ring.len(), ring, loan));
        self.want_flush_later(to);
        true
    }

    /// Whether what comes next for this peer is lent: that leaves in pieces, some of them in a turn.
    fn goes_on_later(&self, to: PeerKey) -> bool {
        self.get(to).and_then(Peer::passage).is_some_and(|passage| passage.is_lent() && passage.behind() == 0)
    }

    /// A socket has room again; answers whether it is written to later.
    pub(in crate::hub) fn is_written_later(&mut self, to: PeerKey) -> bool {
        let is_later = self.goes_on_later(to);
        if is_later {
            self.want_flush_later(to);
        }
        is_later
    }

    /// Whether something that was lent is on its way to this peer.
    pub(in crate::hub) fn has_loan(&self, to: PeerKey) -> bool {
        self.get(to).and_then(Peer::passage).is_some_and(Passage::is_lent)
    }

    // ---- Ends ----

    /// A receiver ends: what is on its way to it goes back, if anything does, and what is still to come of it goes nowhere.
    pub(super) fn end_passage(&mut self, to: PeerKey, returns: bool) {
        let Some(passage) = self.get_mut(to).and_then(Peer::take_passage) else { return };
        if let Some(sender) = passage.from().and_then(|from| self.get_mut(from)) {
            sender.passes_to = None;
            sender.give_up();
        }
        self.wake(For::Passage(to));
        self.wake(For::Ring(to));
        if !returns || passage.is_lent() {
            passage.clear(&mut self.pool);
            return;
        }
        match passage.into_undelivered(&mut self.pool) {
            Some(undelivered) => self.undelivered.push_back(undelivered),
            None => self.counters.errors_dropped += 1,
        }
    }

    /// A sender ends in the middle of a message. Where some of it has left the receiver's link ends too: nothing else can follow it there.
    pub(super) fn break_passage(&mut self, from: PeerKey) {
        let Some(sender) = self.get_mut(from) else { return };
        let Some(to) = sender.passes_to.take() else { return };
        sender.give_up();
        let Some(passage) = self.get_mut(to).and_then(Peer::take_passage) else { return };
        let has_begun = passage.has_begun();
        passage.clear(&mut self.pool);
        if has_begun {
            self.counters.messages_torn += 1;
            self.close(to, Cause::Torn);
        } else {
            self.wake(For::Ring(to));
            // What stood behind it may go now.
            self.want_flush(to);
        }
    }

    /// A sender has been held for `stall_ms` in the middle of a message. One of which nothing has left is refused.
    pub(super) fn passage_stalls(&mut self, from: PeerKey, to: PeerKey) {
        let stall = Span(self.config.stall_ms.max(1));
        let Some(receiver) = self.get(to) else { return };
        if receiver.passage().is_none_or(Passage::has_begun) {
            // Its receiver goes on, or is closed for not doing so.
            return;
        }
        let waited = self.now.since(receiver.last_progress);
        if waited < stall {
            self.set_peer_timer(from, PeerTimer::Stall, Span(stall.0 - waited.0));
        } else {
            self.end_passage(to, true);
        }
    }

    /// A half-sent message that goes on in pieces should have gone on by now.
    pub(super) fn half_passage_due(&mut self, from: PeerKey, to: PeerKey) {
        let slow = Span(self.config.slow_ms);
        let now = self.now;
        let starved = self.get(to).and_then(Peer::passage).map_or(Span(0), |passage| passage.starved(now));
        if starved >= slow {
            self.close(from, Cause::HalfMessage);
        } else {
            self.set_peer_timer(from, PeerTimer::Half, Span(slow.0 - starved.0));
        }
    }

    /// Both ends of a message in pieces know of each other.
    pub(super) fn check_passages(&self) -> Result<(), String> {
        for (key, peer) in self.iter() {
            if let Some(from) = peer.passage().and_then(Passage::from)
                && self.get(from).is_none_or(|sender| sender.passes_to != Some(key))
            {
                return Err(format!("{key:?} waits for a message that {from:?} does not send"));
            }
            if let Some(to) = peer.passes_to
                && self.get(to).and_then(Peer::passage).and_then(Passage::from) != Some(key)
            {
                return Err(format!("{key:?} sends a message that {to:?} does not wait for"));
            }
            if peer.passes_to.is_some() != peer.link.as_ref().is_some_and(|link| link.is_passing_on()) {
                return Err(format!("{key:?}: a message goes on in pieces, and nobody knows where to"));
            }
            if peer.passage().is_some_and(|passage| passage.behind() > peer.ring.len()) {
                return Err(format!("{key:?}: a message waits for more than there is"));
            }
        }
        Ok(())
    }
}
