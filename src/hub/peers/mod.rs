//! The transport core: every connection with its rings and deadlines, and all that more than one owner needs with them: the
//! configuration, the time, randomness, counters, the log.
//!
//! Owns the connections from their opening to the last byte, the lists of who waits and why, and what is left of a turn. It is lent to
//! every other owner and knows none of them: what they must hear it says as an [`Event`]. It must not know what a message, a name, a
//! session or a provider is.
//!
//! A connection is open, then it may be finishing (only what waits is still written), then it is gone. Whichever way it leaves the first
//! of these, [`Peers::unlink`] says so to those above, once.

mod access;
mod budget;
mod check;
mod connect;
mod deadlines;
mod denials;
mod expire;
mod journal;
mod keyring;
mod news;
mod offer;
mod passage;
mod passing;
mod peer;
mod questions;
mod queue;
mod results;
pub(super) mod sealed;
mod sealing;
mod shares;
mod side;
mod trail;
mod undelivered;
mod waits;

use core::net::IpAddr;
use std::collections::VecDeque;

pub(super) use budget::{Budget, Work};
pub(super) use deadlines::{Due, FAREWELL, PeerTimer, ProcessTimer};
pub(super) use denials::Denials;
pub(super) use journal::{About, Journal, cut};
pub(super) use keyring::Keyring;
pub(super) use news::{News, Topic};
pub(super) use passage::{Loan, Passed};
pub use peer::Peer;
pub(super) use peer::{Flush, Life, Moment, Role, canonical, is_loopback};
pub(super) use results::{QueuedResult, ResultKind, Results};
pub(super) use shares::{Asker, Share, Shares, share_of};
pub(super) use side::Side;
pub(super) use trail::{Deed, Doer, Told, Trail};
pub(super) use undelivered::Undelivered;
pub(super) use waits::{For, Waits};

use crate::auth::Users;
use crate::config::Config;
use crate::counters::Counters;
use crate::limits::{LENT_PIECES_PER_TURN, RESUMES_PER_TURN, RETURNS_PER_TURN, TARPIT_MAX};
use crate::store::pool::Pool;
use crate::store::table::Table;
use crate::store::timers::Timers;
use crate::time::{Span, Tick};
use crate::zmtp::frame::Bounds;

/// How late a deadline may come before it is a pause of the process and not a long turn; and how late deadlines of connections may come
/// while sockets are left unread.
const PAUSE: Span = Span(1000);

use super::doors::{Output, Start};
use super::events::Event;
use super::keys::{OfPeers, PeerKey};
use super::ledger::Ticket;

/// What became of the message at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is dealt with.
    Done,
    /// It waits in this peer's ring: that of a component of this node, or our DEALER to another one.
    Queued { to: PeerKey, forwarded: bool },
    /// It must wait: the sender is held.
    Held,
    /// It is larger than a ring may be, and goes beside this peer's, with the block that it lies in.
    Large { to: PeerKey, forwarded: bool },
    /// It is a large document for a session, which takes it with the block that it lies in.
    Document,
}

/// The transport core. See the module's documentation.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) config: Config,
    /// Who may do what.
    pub(super) users: Users,
    pub(super) denials: Denials,
    pub(super) bounds: Bounds,
    /// The hub's own time: that of the event loop, less the pauses in which nobody came to look.
    pub(super) now: Tick,
    paused: Span,
    /// When it began, by that time.
    pub(super) born: Tick,
    /// Addresses of which we have closed a link with names lately, and when.
    cut: VecDeque<(IpAddr, Tick)>,
    start: Start,
    random: u64,
    /// The last ticket that was drawn, for whatever is written.
    pub(super) last_ticket: Ticket,
    pub(super) counters: Counters,
    pub(super) journal: Journal,
    pub(super) news: News,
    pub(super) trail: Trail,
    table: Table<Peer, OfPeers>,
    pub(super) pool: Pool,
    timers: Timers<{ PeerTimer::KINDS }>,
    process_timers: Timers<{ ProcessTimer::KINDS }>,
    pub(super) waits: Waits,
    /// Bytes in use, rings and partial input, when a peer last ran short: before they are fewer no other try can go better.
    short_at: (usize, usize),
    /// What is left of the turn for the peer at hand.
    pub(super) budget: Budget,
    /// What is left of the turn for all peers, and for those who ask for little.
    budget_of_all: Budget,
    budget_of_light: Budget,
    /// Whose bytes or request is being dealt with.
    at_hand: Option<PeerKey>,
    flushes: VecDeque<PeerKey>,
    /// Peers to which something that is lent goes on in one of the next turns.
    lent: VecDeque<PeerKey>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) events: VecDeque<Event>,
    /// Rings of closed receivers whose messages still have to be returned.
    pub(super) undelivered: VecDeque<Undelivered>,
    /// How many peers that waited have gone on in this turn.
    resumed: u32,
    /// As many have as may in one turn: there are more.
    goes_on_resuming: bool,
    /// How many messages of these were returned in this turn.
    pub(super) returned: u32,
    /// As many were returned as may be in one turn: there may be more.
    goes_on_returning: bool,
    /// Bytes that were sealed in this turn, and commands of handshakes that were answered with public-key cryptography.
    sealed_in_turn: usize,
    /// Bytes of published messages that were copied in this turn, and what that cost beside.
    fanned_out: usize,
    /// Bytes that were moved in this turn to make way for newer messages.
    moved_in_turn: usize,
    heavy_shakes: u32,
    /// Our own keys and chance, and whose keys we know of those that we dial.
    pub(super) keyring: Keyring,
    /// Unfinished handshakes, and controllers and viewers that have asked for nothing yet, oldest first; entries may be stale.
    handshaking: VecDeque<PeerKey>,
    handshakes: usize,
    /// Controllers and viewers.
    plain: usize,
    tarpit: usize,
    pub(super) shares: Shares,
    /// Sockets with bytes in them are left that nobody has looked at.
    pub(super) is_unread: bool,
    /// No new connection is wanted: the process ends.
    pub(super) stopping: bool,
}

impl Peers {
    pub(super) fn new(config: Config, users: Users, start: Start) -> Self {
        Self {
            users,
            denials: Denials::default(),
            bounds: Bounds {
                frame_bytes_max: u64::try_from(config.frame_bytes_max).unwrap_or(u64::MAX),
                message_bytes_max: u64::try_from(config.message_bytes_max).unwrap_or(u64::MAX),
            },
            now: start.now,
            paused: Span(0),
            born: start.now,
            cut: VecDeque::new(),
            start,
            random: start.seed,
            last_ticket: Ticket::default(),
            counters: Counters::default(),
            journal: Journal::default(),
            news: News::new(start.unix_ms),
            trail: Trail::default(),
            table: Table::new(config.connections_max + TARPIT_MAX),
            pool: Pool::new(config.memory_max),
            timers: Timers::default(),
            process_timers: Timers::default(),
            waits: Waits::default(),
            short_at: (0, 0),
            budget: Budget::ONE_PEER,
            budget_of_all: Budget::ALL_PEERS,
            budget_of_light: Budget::LIGHT_PEERS,
            at_hand: None,
            flushes: VecDeque::new(),
            lent: VecDeque::new(),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            undelivered: VecDeque::new(),
            resumed: 0,
            goes_on_resuming: false,
            returned: 0,
            goes_on_returning: false,
            sealed_in_turn: 0,
            fanned_out: 0,
            moved_in_turn: 0,
            heavy_shakes: 0,
            keyring: Keyring::default(),
            handshaking: VecDeque::new(),
            handshakes: 0,
            plain: 0,
            tarpit: 0,
            shares: Shares::default(),
            is_unread: false,
            stopping: false,
            config,
        }
    }

    // ---- The table ----

    #[inline(always)]
    pub(super) fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.table.get(key)
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.table.get_mut(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.table.iter()
    }

    pub(super) fn key_at(&self, slot: usize) -> Option<PeerKey> {
        self.table.key_at(slot)
    }

    pub(super) fn slots_end(&self) -> usize {
        self.table.slots_end()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whether a peer is read and written to.
    pub(super) fn is_open(&self, key: PeerKey) -> bool {
        self.get(key).is_some_and(Peer::is_open)
    }

    /// Whether a peer has signed in as the Coordinator of a node.
    pub(super) fn is_node(&self, key: PeerKey) -> bool {
        self.get(key).is_some_and(|peer| peer.node.is_some())
    }

    // ---- Time, chance, words ----

    /// The event loop says that it is `now`. Time never runs backwards here, whatever a caller says.
    #[inline]
    pub(super) fn advance(&mut self, now: Tick) {
        self.now = self.now.max(self.inside(now));
    }

    /// A moment of the event loop by the hub's own time.
    #[inline]
    const fn inside(&self, at: Tick) -> Tick {
        Tick(at.0.saturating_sub(self.paused.0))
    }

    /// A moment of the hub's own time as the event loop has it.
    pub(super) const fn outside(&self, at: Tick) -> Tick {
        Tick(at.0.saturating_add(self.paused.0))
    }

    /// Whether more time has gone by since the last call than a busy loop lets go by.
    #[inline]
    pub(super) fn has_jumped(&self, now: Tick) -> bool {
        self.inside(now).since(self.now) > PAUSE
    }

    /// Leaves a pause out of the hub's own time, if this is one: the first deadline was `due` long ago. It comes again a second from now, when
    /// all that has come in meanwhile has been read. Answers whether it was a pause.
    #[cold]
    pub(super) fn skip_pause(&mut self, now: Tick, due: Tick) -> bool {
        let now = self.inside(now);
        if now.since(due) <= PAUSE {
            return false;
        }
        let back = Tick(due.0.saturating_sub(PAUSE.0)).max(self.now);
        let gap = now.since(back);
        self.paused = Span(self.paused.0 + gap.0);
        self.start.unix_ms += gap.0;
        self.counters.pauses += 1;
        log::warn!(
            "nothing ran for {} ms: the process or its machine was stopped; all deadlines wait as much longer",
            gap.0
        );
        true
    }

    /// Milliseconds since 1970.
    pub(super) const fn unix_ms(&self) -> u64 {
        self.start.unix_ms.saturating_add(self.now.since(self.start.now).0)
    }

    /// When it began, by the time of day that it is now, in milliseconds since 1970.
    pub(super) const fn began_unix_ms(&self) -> u64 {
        self.unix_ms().saturating_sub(self.now.since(self.born).0)
    }

    /// The time of day is this, whatever it was by our own count.
    pub(super) const fn set_clock(&mut self, unix_ms: u64) {
        (self.start.now, self.start.unix_ms) = (self.now, unix_ms);
    }

    /// The next number of the seeded sequence (SplitMix64).
    pub(super) const fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The same, twice as wide.
    pub(super) fn wide_random(&mut self) -> u128 {
        (u128::from(self.random()) << 64) | u128::from(self.random())
    }

    /// Whether one more log line about a peer's misbehaviour is due within this second.
    pub(super) fn may_log(&mut self) -> bool {
        let admitted = self.journal.admits(self.now);
        self.counters.log_lines_spared += u64::from(!admitted);
        admitted
    }

    /// Whether a log line about the machine of this peer is due, of a kind that comes once a minute.
    pub(super) fn may_log_of(&mut self, key: PeerKey, about: About) -> bool {
        let Some(address) = self.get(key).map(Peer::address) else { return false };
        let admitted = self.journal.admits_once(self.now, address, about);
        self.counters.log_lines_spared += u64::from(!admitted);
        admitted
    }

    /// Something that was for a peer was refused, returned or left out because it does not take it.
    pub(super) fn note_drops(&mut self, key: PeerKey, drops: u64) {
        if let Some(peer) = self.table.get_mut(key) {
            peer.traffic.drops += drops;
        }
    }

    /// Adds a line to the error list. What others say may stand in it, so it is cut.
    pub(super) fn note_error(&mut self, text: &str) {
        let text = cut(text);
        self.counters.manager_errors += 1;
        if self.may_log() {
            log::warn!("{text}");
        }
        self.news.add(Topic::Errors, &serde_json::json!({ "text": text }));
        self.journal.note(self.unix_ms(), &text);
    }

    // ---- Deadlines ----

    /// Sets a deadline of a peer.
    pub(super) fn set_peer_timer(&mut self, key: PeerKey, kind: PeerTimer, span: Span) {
        self.timers.set(key.slot(), kind as usize, self.now + span);
    }

    pub(super) fn cancel_peer_timer(&mut self, key: PeerKey, kind: PeerTimer) {
        self.timers.cancel(key.slot(), kind as usize);
    }

    /// Sets a deadline of the process, unless it is set already.
    pub(super) fn set_timer(&mut self, kind: ProcessTimer, span: Span) {
        if !self.process_timers.is_set(0, kind as usize) {
            self.process_timers.set(0, kind as usize, self.now + span);
        }
    }

    pub(super) fn is_timer_set(&self, kind: ProcessTimer) -> bool {
        self.process_timers.is_set(0, kind as usize)
    }

    pub(super) fn cancel_timer(&mut self, kind: ProcessTimer) {
        self.process_timers.cancel(0, kind as usize);
    }

    /// There is somebody to look after: the cleaning must be due some time. An empty house sleeps.
    pub(super) fn ensure_cleaning(&mut self) {
        self.set_timer(ProcessTimer::Clean, self.config.cleaning_interval());
    }

    /// The first of all deadlines; now, when somebody goes on in the next turn.
    pub(super) fn soonest(&self) -> Option<Tick> {
        let has_work =
            self.waits.has(For::Turn) || self.goes_on_resuming || self.goes_on_returning || !self.lent.is_empty();
        let at_once = has_work.then_some(self.now);
        [self.timers.soonest(), self.process_timers.soonest(), at_once].into_iter().flatten().min()
    }

    // ---- Waiting ----

    /// Does not read a peer until it may go on.
    pub(super) fn wait(&mut self, key: PeerKey, list: For) {
        let Some(peer) = self.table.get_mut(key).filter(|peer| peer.is_open()) else { return };
        match peer.held.replace(list) {
            Some(old) => self.waits.leave(key, old),
            None => peer.traffic.held_since = self.now,
        }
        self.waits.join(key, list);
    }

    /// Lets a peer go on, if it waits.
    pub(super) fn resume(&mut self, key: PeerKey) {
        let Some(peer) = self.table.get_mut(key) else { return };
        let Some(list) = peer.held.take() else { return };
        // While it was held it could not be heard; its silence counts from here.
        peer.last_heard = self.now;
        peer.traffic.held_ms += self.now.since(peer.traffic.held_since).0;
        self.waits.leave(key, list);
        self.waits.make_ready(key);
        self.cancel_peer_timer(key, PeerTimer::Stall);
    }

    /// Lets all go on who wait for this.
    pub(super) fn wake(&mut self, list: For) {
        while let Some(key) = self.waits.first(list) {
            self.resume(key);
            debug_assert!(self.waits.first(list) != Some(key), "who is held stands on its list");
        }
    }

    /// Lets all go on who wait for what may not happen before the process ends: room, a name that comes back, a sign of life.
    pub(super) fn wake_for_the_end(&mut self) {
        let ends = |list: &For| matches!(list, For::Ring(_) | For::Copy | For::Name | For::Probe(_));
        let waiting: Vec<PeerKey> = self.waits.all().filter(|(list, _)| ends(list)).map(|(_, key)| key).collect();
        for key in waiting {
            self.resume(key);
        }
    }

    /// Wakes those who wait for memory where there is more than when they began to.
    pub(super) fn wake_where_memory_came_free(&mut self) {
        let (rings, partial) = self.pool.in_use();
        let is_more = rings < self.short_at.0 || partial < self.short_at.1;
        if is_more && (self.waits.has(For::Memory) || self.waits.has(For::Copy)) {
            self.wake(For::Memory);
            self.wake(For::Copy);
        }
    }

    /// Puts a peer on a list of those that try again once there is more memory than now.
    fn wait_for_memory(&mut self, key: PeerKey, list: For) {
        self.wait(key, list);
        self.short_at = self.pool.in_use();
        self.set_timer(ProcessTimer::Memory, Span(self.config.stall_ms.max(1)));
    }

    /// Whether a request that brings so many bytes may be dealt with now, with up to `ring_bytes_max` waiting for whoever asks: a method may
    /// change things, so there must be room for its answer before it runs. If not, its sender is held.
    pub(super) fn may_serve(&mut self, key: PeerKey, bytes: usize, ring_bytes_max: usize) -> bool {
        let is_light =
            self.get(key).is_some_and(|peer| peer.asks_for_little(self.now)) && self.budget_of_light.is_left();
        if !self.budget.is_left() || !(self.budget_of_all.is_left() || is_light) {
            self.wait(key, For::Turn);
            return false;
        }
        if self.get(key).is_some_and(|peer| peer.waiting() > ring_bytes_max) {
            return self.hold_for_answer(key, key, crate::store::ring::NoRoom::Full) != Outcome::Held;
        }
        self.spend(Work::Document(bytes));
        true
    }

    /// A piece of our own work is done for the peer at hand.
    pub(super) fn spend(&mut self, work: Work) {
        self.budget.spend(work);
        let of_all = if self.budget_of_all.is_left() { &mut self.budget_of_all } else { &mut self.budget_of_light };
        of_all.spend(work);
        let now = self.now;
        if let Some(peer) = self.at_hand.and_then(|key| self.get_mut(key)) {
            peer.note_work(now, work.micros());
        }
    }

    /// What is done from here on is done for this peer, which has its share of the turn.
    pub(super) const fn take_in_hand(&mut self, key: PeerKey) {
        self.budget = Budget::ONE_PEER;
        self.at_hand = Some(key);
    }

    /// What is done from here on is nobody's doing but the clock's.
    pub(super) const fn take_nobody_in_hand(&mut self) {
        self.budget = Budget::ONE_PEER;
        self.at_hand = None;
    }

    /// Everything is said: what comes now is another turn.
    #[inline]
    pub(super) fn begin_turn(&mut self) {
        self.budget_of_all = Budget::ALL_PEERS;
        self.budget_of_light = Budget::LIGHT_PEERS;
        self.goes_on_returning = !self.may_return();
        self.goes_on_resuming = self.waits.has_ready();
        self.returned = 0;
        self.resumed = 0;
        self.sealed_in_turn = 0;
        self.fanned_out = 0;
        self.moved_in_turn = 0;
        self.heavy_shakes = 0;
    }

    /// The next of those who may go on, if it may in this turn.
    #[inline]
    pub(super) fn next_resumed(&mut self) -> Option<PeerKey> {
        if !self.waits.has_ready() || (self.resumed >= RESUMES_PER_TURN && !self.stopping) {
            return None;
        }
        let key = self.waits.next()?;
        self.resumed += 1;
        Some(key)
    }

    /// Whether another undelivered message may be returned in this turn.
    pub(super) const fn may_return(&self) -> bool {
        self.returned < RETURNS_PER_TURN || self.stopping
    }

    /// Whether more of our own work may be begun in this turn.
    pub(super) const fn has_time(&self) -> bool {
        self.budget_of_all.is_left()
    }

    /// Lets the first of those go on who have had their share of an earlier turn, if there is time for it.
    pub(super) fn resume_next_turn(&mut self) -> bool {
        let may_resume = self.has_time() && self.resumed < RESUMES_PER_TURN;
        let Some(key) = self.waits.first(For::Turn).filter(|_| may_resume) else { return false };
        self.resume(key);
        true
    }

    // ---- Outputs ----

    /// The next thing to do.
    pub(super) fn next_output(&mut self) -> Option<Output> {
        while let Some(key) = self.flushes.pop_front() {
            if let Some(peer) = self.table.get_mut(key) {
                peer.flush = Flush::Asked;
                if peer.beside.is_some() && self.seals_later(key) {
                    continue;
                }
            }
            return Some(Output::Flush(key));
        }
        self.outputs.pop_front()
    }

    pub(super) fn want_flush(&mut self, key: PeerKey) {
        if let Some(peer) = self.table.get_mut(key)
            && peer.flush == Flush::None
        {
            peer.flush = Flush::Queued;
            self.flushes.push_back(key);
        }
    }

    /// The same in one of the next turns, for what is lent: there may be much of it, for many.
    pub(super) fn want_flush_later(&mut self, key: PeerKey) {
        if let Some(peer) = self.table.get_mut(key)
            && peer.flush == Flush::None
        {
            peer.flush = Flush::Later;
            self.lent.push_back(key);
        }
    }

    /// What is lent goes on to some of those who wait for it.
    pub(super) fn go_on_lending(&mut self) {
        for _ in 0..LENT_PIECES_PER_TURN.min(self.lent.len()) {
            if let Some(key) = self.lent.pop_front()
                && let Some(peer) = self.table.get_mut(key)
            {
                peer.flush = Flush::Queued;
                self.flushes.push_back(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
