//! Bytes on their way: into tails, into rings and results, and out; and who is held where there is no room.

use crate::limits::{READ_BYTES_MAX, RING_RESERVE_BYTES};
use crate::store::ring::NoRoom;
use crate::time::Span;
use crate::zmtp::command::Built;
use crate::zmtp::frame;
use crate::zmtp::link::Link;

use super::peer::{Beside, Moment};
use super::results::{QueuedResult, Results};
use super::{Flush, For, Life, Outcome, Peer, PeerTimer, Peers, Role};
use crate::hub::cause::Cause;
use crate::hub::events::Event;
use crate::hub::keys::PeerKey;

impl Peers {
    // ---- In ----

    /// The machine of a connection that speaks ZMTP.
    pub(in crate::hub) fn link_mut(&mut self, key: PeerKey) -> Option<&mut Link> {
        self.get_mut(key)?.link.as_deref_mut()
    }

    /// The same, while it is read.
    #[inline(always)]
    pub(in crate::hub) fn open_link(&mut self, key: PeerKey) -> Option<&mut Link> {
        self.get_mut(key).filter(|peer| peer.is_open())?.link.as_deref_mut()
    }

    /// Bytes that may be read from this peer now; zero while it is held.
    pub(in crate::hub) fn read_budget(&mut self, key: PeerKey) -> usize {
        let Some(peer) = self.get(key) else { return 0 };
        if !peer.is_open() || peer.held.is_some() {
            return 0;
        }
        // A read may have to be kept whole.
        let budget = peer.room(&self.pool);
        if budget > 0 {
            let budget = budget.min(READ_BYTES_MAX);
            return match peer.passes_to {
                Some(to) => self.passage_budget(key, to, budget),
                None => budget,
            };
        }
        self.wait_for_memory(key, For::Memory);
        self.counters.senders_held += 1;
        0
    }

    /// Buffers bytes for later; a pool without room for them ends the peer.
    pub(in crate::hub) fn buffer(&mut self, key: PeerKey, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let Some(peer) = self.table.get_mut(key) else { return };
        if !peer.tail.append(bytes, &mut self.pool) {
            self.close(key, Cause::Memory);
        }
    }

    /// The same of bytes of a handshake, among which a password may be.
    pub(in crate::hub) fn buffer_secret(&mut self, key: PeerKey, bytes: &[u8]) {
        let Some(peer) = self.table.get_mut(key) else { return };
        if !bytes.is_empty() && !peer.tail.append_secret(bytes, &mut self.pool) {
            self.close(key, Cause::Memory);
        }
    }

    /// A peer's bytes have been walked through, by which the counter of messages has gone up from `before`. A half-sent message must go on: sets the
    /// deadline unless there is one.
    pub(in crate::hub) fn walked(&mut self, key: PeerKey, before: u64) {
        // A kernel may be silent for minutes, and what is kept of it waits for our decoding. HTTP has deadlines of its own.
        let is_asked = |role: Role| !matches!(role, Role::Kernel(_) | Role::Web);
        let watched = |peer: &Peer| peer.is_inside_message() && peer.is_open() && is_asked(peer.role);
        let Some(peer) = self.table.get_mut(key) else { return };
        peer.traffic.messages_in += self.counters.messages_in - before;
        if watched(peer) && !self.timers.is_set(key.slot(), PeerTimer::Half as usize) {
            self.set_peer_timer(key, PeerTimer::Half, Span(self.config.slow_ms));
        }
    }

    // ---- Into rings ----

    /// Queues a message's wire bytes, whole or not at all, and only where they fit a ring.
    #[inline(always)]
    pub(in crate::hub) fn queue(&mut self, to: PeerKey, wire: &[u8]) -> Result<(), NoRoom> {
        self.queue_several(to, wire, 1)
    }

    /// The same for so many messages, all of them or none.
    #[inline(always)]
    pub(in crate::hub) fn queue_several(&mut self, to: PeerKey, wire: &[u8], count: u32) -> Result<(), NoRoom> {
        let Some(peer) = self.table.get_mut(to) else {
            debug_assert!(false, "names and nodes lead to living links");
            return Ok(());
        };
        if peer.beside.is_some() {
            return self.queue_beside(to, wire, count);
        }
        peer.ring.push_within(&[wire], self.config.ring_bytes_max + peer.left, &mut self.pool)?;
        peer.put_in += count;
        if peer.flush == Flush::None {
            peer.flush = Flush::Queued;
            self.flushes.push_back(to);
        }
        Ok(())
    }

    /// The same for a peer for which something may wait elsewhere, or be sealed.
    #[cold]
    fn queue_beside(&mut self, to: PeerKey, wire: &[u8], count: u32) -> Result<(), NoRoom> {
        self.stage(to, frame::largest(wire), wire.len())?;
        let Some(peer) = self.table.get_mut(to) else { return Ok(()) };
        if let Err(full) = peer.ring.push_within(&[wire], self.config.ring_bytes_max + peer.left, &mut self.pool) {
            self.unstage(to);
            return Err(full);
        }
        peer.put_in += count;
        self.want_flush(to);
        Ok(())
    }

    /// Queues parts of one message, whole or not at all, in a ring that may hold `bytes_max`.
    pub(in crate::hub) fn queue_parts(&mut self, to: PeerKey, parts: &[&[u8]], bytes_max: usize) -> Result<(), NoRoom> {
        if self.get(to).is_some_and(|peer| peer.beside.is_some()) {
            let bytes = parts.iter().map(|part| part.len()).sum();
            self.stage(to, bytes, bytes)?;
        }
        let Some(peer) = self.table.get_mut(to) else { return Ok(()) };
        if let Err(full) = peer.ring.push(parts, bytes_max + peer.left, &mut self.pool) {
            self.unstage(to);
            return Err(full);
        }
        peer.put_in += 1;
        self.want_flush(to);
        Ok(())
    }

    /// What a ring may hold of our own words: there is a reserve for them.
    pub(in crate::hub) const fn own_bytes_max(&self) -> usize {
        self.config.ring_bytes_max + RING_RESERVE_BYTES
    }

    /// Queues bytes for a peer that does not speak ZMTP.
    pub(in crate::hub) fn send_plain(&mut self, key: PeerKey, bytes: &[u8]) {
        self.send_parts(key, &[bytes]);
    }

    /// The same for bytes that lie in several places.
    pub(in crate::hub) fn send_parts(&mut self, key: PeerKey, parts: &[&[u8]]) {
        if self.queue_parts(key, parts, self.own_bytes_max()).is_err() {
            self.close(key, Cause::Memory);
        }
    }

    /// Sends a ZMTP PING, if the peer understands it.
    pub(in crate::hub) fn ping(&mut self, key: PeerKey) -> bool {
        if !self.get(key).is_some_and(Peer::takes_pings) {
            return false;
        }
        if self.queue_parts(key, &[Built::ping(0).bytes()], self.own_bytes_max()).is_err() {
            return false;
        }
        self.counters.pings_sent += 1;
        true
    }

    // ---- Results ----

    /// Puts a result behind those that wait for a viewer.
    pub(in crate::hub) fn queue_result(&mut self, key: PeerKey, waiting: QueuedResult) {
        let Some(results) = self.results_mut(key) else {
            self.pool.refund(waiting.last_bytes());
            return;
        };
        let unwanted = results.push(waiting);
        self.pool.refund(unwanted);
        self.want_flush(key);
    }

    /// A connection is that of a viewer from here on, who is sent messages of a WebSocket.
    pub(in crate::hub) fn begin_results(&mut self, key: PeerKey) {
        if let Some(peer) = self.get_mut(key).filter(|peer| peer.is_open()) {
            debug_assert!(peer.beside.is_none(), "an answer is still on its way");
            peer.beside = Some(Box::new(Beside::Results(Results::framed())));
        }
    }

    /// The last bytes for a viewer on a WebSocket, behind all that waits for it; or `at_once`, behind what has begun to leave.
    pub(in crate::hub) fn end_results(&mut self, key: PeerKey, bytes: Vec<u8>, at_once: bool) {
        let Some(results) = self.results_mut(key).filter(|results| !results.is_over()) else { return };
        let unwanted = if at_once { results.drop_unbegun() } else { 0 };
        let len = bytes.len();
        results.push_last(bytes);
        self.pool.refund(unwanted);
        self.pool.charge_small(len);
        self.want_flush(key);
    }

    pub(in crate::hub) fn results(&self, key: PeerKey) -> Option<&Results> {
        self.get(key)?.results()
    }

    pub(in crate::hub) fn results_mut(&mut self, key: PeerKey) -> Option<&mut Results> {
        self.get_mut(key)?.results_mut()
    }

    /// Leaves out the timesteps that wait for a viewer.
    pub(in crate::hub) fn drop_steps(&mut self, key: PeerKey, keep_first: bool) {
        let freed = self.results_mut(key).map_or(0, |results| results.drop_steps(keep_first));
        self.pool.refund(freed);
    }

    /// Leaves out the oldest word that waits for a viewer.
    pub(in crate::hub) fn drop_oldest_word(&mut self, key: PeerKey) {
        let freed = self.results_mut(key).map_or(0, Results::drop_oldest_word);
        self.pool.refund(freed);
    }

    // ---- Out ----

    /// What waits for this peer, oldest bytes first.
    pub(in crate::hub) fn unsent(&self, key: PeerKey) -> [&[u8]; 2] {
        self.get(key).map_or([&[], &[]], Peer::unsent)
    }

    /// The first `n` bytes of what waited have been taken by the operating system; 0 if it takes nothing now.
    pub(in crate::hub) fn sent(&mut self, key: PeerKey, n: usize) {
        let Some(peer) = self.table.get_mut(key) else { return };
        if peer.flush == Flush::Asked {
            peer.flush = Flush::None;
        }
        let bytes = u64::try_from(n).unwrap_or(u64::MAX);
        self.counters.bytes_out += bytes;
        peer.bytes_out += bytes;
        peer.messages_out += u64::from(core::mem::take(&mut peer.put_in));
        let (mut has_room, had_passage) = (false, peer.passage().is_some());
        if n > 0 {
            peer.note_sent(n, self.now, &mut self.pool);
            // Who is not watched has nothing that waits.
            if peer.is_watched || peer.full_since.is_some() {
                let is_progress = peer.makes_progress(n);
                if is_progress {
                    peer.last_progress = self.now;
                }
                if let Some(since) = peer.full_since {
                    // Half empty: room for many messages at once, so that waking senders pays.
                    has_room = peer.waiting() <= self.config.ring_bytes_max / 2;
                    let since = if is_progress { Moment::of(self.now) } else { since };
                    peer.full_since = if has_room { None } else { Some(since) };
                }
            }
        }
        let has_half = peer.waiting() <= self.config.ring_bytes_max / 2;
        if n > 0 && has_half && core::mem::take(&mut peer.tells_of_room) {
            self.events.push_back(Event::Room { peer: key });
        }
        let (is_drained, life, has_all) = (peer.is_drained(), peer.life, peer.has_all_answers());
        let has_results = n > 0 && peer.results().is_some();
        if had_passage && n > 0 {
            self.passage_moved(key);
        }
        if has_room {
            self.wake(For::Ring(key));
        }
        if has_results && is_drained {
            self.events.push_back(Event::Drained { peer: key });
        }
        if !is_drained {
            if has_results || self.get(key).is_some_and(Peer::wants_seal) {
                // A viewer's results leave two at a time, and a socket with room says nothing more.
                self.want_flush(key);
            }
            self.watch_slow(key);
            return;
        }
        if life == Life::Finishing(Cause::Peer) && !has_all {
            // The next of them wakes it.
            return;
        }
        // The next wait begins anew, with all of its time.
        if self.table.get_mut(key).is_some_and(|peer| core::mem::take(&mut peer.is_watched)) {
            self.cancel_peer_timer(key, PeerTimer::Slow);
        }
        if let Life::Finishing(cause) = life {
            self.end(key, cause);
        }
    }

    /// What waits for a peer must leave: sets the deadline unless there is one.
    pub(super) fn watch_slow(&mut self, key: PeerKey) {
        if !self.timers.is_set(key.slot(), PeerTimer::Slow as usize)
            && let Some(peer) = self.table.get_mut(key)
        {
            peer.last_progress = self.now;
            peer.is_watched = true;
            self.set_peer_timer(key, PeerTimer::Slow, Span(self.config.slow_ms));
        }
    }

    // ---- No room ----

    /// Has it said, by an event, when the ring of a peer has room for more.
    pub(in crate::hub) fn tell_of_room(&mut self, key: PeerKey) {
        if let Some(peer) = self.get_mut(key) {
            peer.tells_of_room = true;
        }
    }

    /// How long a receiver has stood still with somebody waiting for room in its ring, counted from now if nobody has.
    pub(in crate::hub) fn stood_still(&mut self, to: PeerKey) -> Option<Span> {
        let now = self.now;
        let receiver = self.table.get_mut(to)?;
        Some(now.since(receiver.full_since.get_or_insert_with(|| Moment::of(now)).tick()))
    }

    /// Does not read `from` until `to` has room, or the pool where that is what is lacking, or `to` has stood still for `stall_ms`.
    pub(in crate::hub) fn hold(&mut self, from: PeerKey, to: PeerKey, refused: NoRoom, waited: Span) -> Outcome {
        let lacks_memory = refused == NoRoom::Memory;
        if lacks_memory {
            self.wait_for_memory(from, For::Copy);
        } else {
            self.wait(from, For::Ring(to));
        }
        self.counters.senders_held += 1;
        // Who waits for room in its own ring waits until it reads, or is closed for not reading.
        if from != to || lacks_memory {
            let patience = Span(self.config.stall_ms.saturating_sub(waited.0).max(1));
            self.set_peer_timer(from, PeerTimer::Stall, patience);
        }
        Outcome::Held
    }

    /// Holds `from` for want of room at `to`, unless that has stood still for `stall_ms`, or the process ends: then what `from` has is to be
    /// refused. Answers whether it is held; nothing where `to` is gone.
    pub(in crate::hub) fn hold_unless_stalled(&mut self, from: PeerKey, to: PeerKey, refused: NoRoom) -> Option<bool> {
        let waited = self.stood_still(to)?;
        // A peer that waits for room in its own ring must read first: nobody else can tell it anything.
        let is_held = from == to || (waited < Span(self.config.stall_ms) && !self.stopping);
        if is_held {
            self.hold(from, to, refused, waited);
        }
        Some(is_held)
    }

    /// There is no room for an answer: the asking peer is held until there is. If the way back leads over another link that has
    /// stood still for `stall_ms`, the answer is given up.
    pub(in crate::hub) fn hold_for_answer(&mut self, from: PeerKey, link: PeerKey, refused: NoRoom) -> Outcome {
        let Some(waited) = self.stood_still(link) else { return Outcome::Done };
        if self.stopping || (from != link && waited >= Span(self.config.stall_ms)) {
            self.counters.answers_dropped += 1;
            return Outcome::Done;
        }
        self.hold(from, link, refused, waited)
    }
}
