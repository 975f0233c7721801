//! The event loop: one turn after the other, and what each of its tokens leads to.

mod accepting;
#[cfg(unix)]
mod descriptor;
mod feeding;
#[cfg(feature = "tls")]
mod secret;
mod supervised;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};

use crate::config::Config;
use crate::hub::{Cause, Door, Hub, Output, PeerKey};
use crate::limits::{
    READ_BYTES_MAX, READ_BYTES_OF_ALL, READS_IN_A_ROW, TURN_MICROS, TURN_MICROS_OF_MORE, TURN_MICROS_OF_READS,
    TURN_MICROS_OF_WAKING,
};
use crate::store::wipe;
use crate::time::Tick;

use super::audit_log::AuditLog;
use super::channels;
use super::clock::{self, Clock};
use super::dial::Dials;
use super::door::{self, Listener};
use super::feed::Feeds;
use super::gathering::Gathering;
use super::linger::Lingers;
use super::passed::Passed;
use super::signals::Signals;
use super::stopper::{Stopper, Turn};
#[cfg(feature = "daemon")]
use super::supervisor::Supervisor;
use super::target::Target;
use super::token::{FIRST_DIAL, FIRST_LINGER, FIRST_LISTENER, FIRST_WIRE, SIGNALS, WAKE};
use super::wire::{ASKED_UNTIL_NOTHING, Wires, broken_by};
use super::writer::Outcomes;
use super::{modes, open};

/// Events taken from the operating system in one turn.
const EVENTS_PER_TURN: usize = 1024;

/// The event loop. See the documentation of [`crate::net`].
///
/// When it is dropped, what waits for a disk is written first: for the state directory that takes as long as it takes, for recordings
/// ten seconds at most.
pub struct Server {
    poll: Poll,
    events: Events,
    hub: Hub,
    clock: Clock,
    listeners: Vec<Listener>,
    accepting_again: Option<Tick>,
    wires: Wires,
    lingers: Lingers,
    dials: Dials,
    /// Providers of the program around.
    feeds: Feeds,
    /// What comes of the hub's commits and recordings, where there are directories for them.
    outcomes: Vec<Outcomes>,
    /// Where who did what is written, if it is.
    audit: Option<AuditLog>,
    /// Slots of peers that may have bytes to read.
    ready: VecDeque<u32>,
    /// How many of them are still to be read in this lap.
    lap: usize,
    /// Peers for which bytes wait that the last turn had no time to write.
    unwritten: VecDeque<PeerKey>,
    /// Streams whose bytes wait for more.
    gathering: Gathering<PeerKey>,
    scratch: Box<[u8]>,
    stopper: Stopper,
    stopping: bool,
    /// The hub has said all it had to say: what is left is that it arrives.
    has_stopped: bool,
    signals: Signals,
    #[cfg(feature = "daemon")]
    supervisor: Option<Supervisor>,
    /// The rules of users, and other settings, can be read anew; and what they were at the start.
    has_rules: bool,
    asked: Box<Config>,
    turns: u64,
    /// When this turn began, in microseconds of the clock.
    turn_began: u64,
    longest_turn_us: u64,
    #[cfg(feature = "tls")]
    tls: super::tls::Certificates,
    /// Pieces of handshakes of TLS in this turn.
    #[cfg(feature = "tls")]
    shakes: u32,
}

impl core::fmt::Debug for Server {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners.len()).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the listeners. An empty namespace or host becomes the machine's name.
    ///
    /// # Errors
    /// A configuration that does not fit ([`io::ErrorKind::InvalidInput`], naming the key), or an address that cannot be listened
    /// on: the error names the address and, where it can be known, the program that holds the port.
    pub fn bind(config: Config) -> io::Result<Self> {
        Self::open(config, Passed::default())
    }

    fn open(config: Config, passed: Passed) -> io::Result<Self> {
        let mut config = open::checked(config)?;
        let asked = Box::new(config.clone());
        let poll = Poll::new()?;
        let listeners = open::listen(&mut config, poll.registry(), passed)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let clock = Clock::new();
        #[cfg(feature = "tls")]
        let tls = super::tls::Certificates::of(&config).map_err(open::invalid)?;
        let audit = (!config.audit_log.is_empty()).then(|| AuditLog::open(&config.audit_log)).transpose()?;
        let (mut hub, outcomes) = open::hub(config, clock, &waker, &listeners)?;
        if let Some(audit) = &audit {
            hub.begin_audit();
            audit.append_of(&mut hub);
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            hub,
            clock,
            listeners,
            accepting_again: None,
            wires: Wires::default(),
            lingers: Lingers::new(),
            dials: Dials::new(Arc::clone(&waker)),
            feeds: Feeds::new(Arc::clone(&waker)),
            outcomes,
            audit,
            ready: VecDeque::new(),
            lap: 0,
            // Few are ever put off: what a long turn puts off then takes no memory.
            unwritten: VecDeque::with_capacity(16),
            gathering: Gathering::default(),
            scratch: vec![0; READ_BYTES_MAX].into_boxed_slice(),
            stopper: Stopper::new(waker),
            stopping: false,
            has_stopped: false,
            signals: Signals::default(),
            #[cfg(feature = "daemon")]
            supervisor: None,
            has_rules: false,
            asked,
            turns: 0,
            turn_began: 0,
            longest_turn_us: 0,
            #[cfg(feature = "tls")]
            tls,
            #[cfg(feature = "tls")]
            shakes: 0,
        })
    }

    /// Whether the addresses to listen on are such, without opening them.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`], naming the address that is none.
    pub fn check_addresses(config: &Config) -> io::Result<()> {
        door::check(config)
    }

    /// All that would be listened on, each with what it is for, without opening anything; port 0 is left to the system. What whoever starts the
    /// server may have opened for it is not known here.
    ///
    /// # Errors
    /// As for [`check_addresses`](Self::check_addresses).
    pub fn planned_addresses(config: &Config) -> io::Result<Vec<(Door, SocketAddr)>> {
        let mut all = door::planned(config)?;
        all.extend(channels::planned(config)?);
        Ok(all)
    }

    /// Whether the files and directories that the configuration names are there, without starting anything. The state directory may be
    /// missing: the server makes it.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`], naming the key and the first file or directory that is missing or of no use.
    pub fn check_files(config: &Config) -> io::Result<()> {
        open::check_files(config)
    }

    /// A sentence for each file and directory of the server's that more users of the machine can read than should: those of `state_dir` only
    /// its own user, `log_file` its group too. What the server makes it makes so.
    #[must_use]
    pub fn wide_files(config: &Config) -> Vec<String> {
        modes::too_wide(config)
    }

    /// The addresses on which it listens for Components and Coordinators.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses(Door::Leco)
    }

    /// The addresses of one kind of listener.
    pub fn addresses(&self, door: Door) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().filter(move |listener| listener.door() == door).map(Listener::address)
    }

    /// A handle to end it from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The hub, to look at.
    #[must_use]
    pub const fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Turns taken, and the longest of them in microseconds, waiting not counted.
    #[must_use]
    pub const fn turns(&self) -> (u64, u64) {
        (self.turns, self.longest_turn_us)
    }

    /// Whether many blocks of memory that nobody has needed for a while were let go of since this was asked last. What an allocator keeps of them
    /// among others that live it may give back to the system now.
    pub const fn has_let_go(&mut self) -> bool {
        self.hub.take_let_go()
    }

    /// Turns until it is stopped.
    ///
    /// # Errors
    /// Waiting for events failed; nothing a peer does leads here.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn(None)? == Turn::Goes {}
        Ok(())
    }

    /// How long the loop may sleep before it must take a turn; `None` is for ever.
    #[must_use]
    pub fn next_wake_up(&self) -> Option<Duration> {
        let is_unwritten = !self.unwritten.is_empty() || !self.gathering.is_empty();
        if !self.ready.is_empty() || is_unwritten || self.lingers.is_ready() || self.feeds.is_left() {
            return Some(Duration::ZERO);
        }
        let of_peers = [self.hub.poll_timeout(), self.accepting_again, self.dials.soonest(), self.lingers.soonest()];
        let soonest = of_peers.into_iter().flatten();
        #[cfg(feature = "daemon")]
        let soonest = soonest.chain(self.report_due());
        let soonest = soonest.min()?;
        Some(self.clock.until(soonest))
    }

    /// Waits for at most `wait` (`None`: until something happens), then deals with everything that has happened, boundedly.
    ///
    /// # Errors
    /// Waiting for events failed.
    pub fn turn(&mut self, wait: Option<Duration>) -> io::Result<Turn> {
        let turn = self.take_turn(wait);
        self.write_audit();
        turn
    }

    fn take_turn(&mut self, wait: Option<Duration>) -> io::Result<Turn> {
        // What was left by a call between the turns.
        self.turn_began = self.clock.micros();
        if self.carry_out(self.clock.now()) == Turn::Ended {
            return Ok(Turn::Ended);
        }
        let taken_before = self.spent();
        let wait = match (self.next_wake_up(), wait) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        match self.poll.poll(&mut self.events, wait) {
            // A signal has ended the wait: what came in is read before the clock is believed.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.look_once()?,
            outcome => outcome?,
        }
        let now = self.clock.now();
        self.hub.handle_clock(now, clock::unix_ms());
        self.turn_began = self.clock.micros() - taken_before;
        let is_quiet = self.events.is_empty() && self.ready.is_empty();
        let events = core::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut ended = false;
        for event in &events {
            ended |= self.dispatch(now, event) == Turn::Ended;
        }
        let may_be_more = events.iter().count() == EVENTS_PER_TURN;
        self.events = events;
        if ended {
            return Ok(Turn::Ended);
        }
        self.accept(now);
        self.read_ready(now);
        let is_unread = may_be_more || self.lap > 0;
        self.hub.note_unread(is_unread);
        self.take_from_feeds(now);
        self.dials.expire(now, &mut self.hub, self.poll.registry());
        let turn = self.work(now, is_unread);
        self.write_gathered(now, is_quiet);
        self.hub.note_unknown_ends(self.lingers.turn(now, &mut self.scratch));
        #[cfg(feature = "daemon")]
        self.report(now);
        self.turns += 1;
        let taken = self.spent();
        self.longest_turn_us = self.longest_turn_us.max(taken);
        self.hub.note_turn(taken);
        Ok(turn)
    }

    /// How long this turn has taken so far, in microseconds.
    fn spent(&self) -> u64 {
        self.clock.micros() - self.turn_began
    }

    /// Has the hub do what is due, in pieces for which there is time, and does what it wants done.
    fn work(&mut self, now: Tick, is_unread: bool) -> Turn {
        loop {
            let is_due = |hub: &Hub| hub.poll_timeout().is_some_and(|at| at <= now);
            let was_due = is_due(&self.hub);
            if was_due {
                self.hub.handle_timeout(now);
            }
            if self.carry_out(now) == Turn::Ended {
                return Turn::Ended;
            }
            // Where there is more to read, that comes first.
            if !was_due || is_unread || !is_due(&self.hub) || self.spent() >= TURN_MICROS_OF_MORE {
                return Turn::Goes;
            }
        }
    }

    /// Takes the events that are there, without waiting.
    fn look_once(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn dispatch(&mut self, now: Tick, event: &Event) -> Turn {
        match event.token() {
            WAKE => {
                for (ticket, outcome) in self.outcomes.iter().flat_map(Outcomes::take) {
                    self.hub.handle_committed(now, ticket, outcome);
                }
                self.dials.resolved(&mut self.hub, now, self.poll.registry());
                if self.stopper.take() {
                    return self.stop(now);
                }
            }
            SIGNALS => {
                let (ends, hung_up) = self.signals.take();
                if hung_up {
                    self.reload(now);
                }
                for _ in 0..ends {
                    if self.stop(now) == Turn::Ended {
                        return Turn::Ended;
                    }
                }
            }
            Token(token) if token < FIRST_DIAL => {
                if let Some(listener) = self.listeners.get_mut(token - FIRST_LISTENER) {
                    listener.ready = true;
                }
            }
            Token(token) if token < FIRST_WIRE => {
                if let Some((target, stream)) =
                    self.dials.connected(token - FIRST_DIAL, now, &mut self.hub, self.poll.registry())
                {
                    let remote = stream.peer_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
                    if let Some(key) = target.report(now, &mut self.hub, Ok(remote)) {
                        self.adopt(key, stream, now);
                    }
                }
            }
            Token(token) if token >= FIRST_LINGER => self.lingers.wake(token - FIRST_LINGER),
            Token(token) => {
                let slot = token - FIRST_WIRE;
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    let ends = event.is_read_closed() || event.is_error();
                    if let Some(wire) = self.wires.at(slot) {
                        wire.ends |= ends;
                    }
                    self.want_read(slot);
                }
                if event.is_writable()
                    && let Some(wire) = self.wires.at(slot)
                {
                    let waited = !wire.writable;
                    wire.writable = true;
                    let key = wire.key;
                    if waited && !self.hub.is_written_later(key) {
                        self.write_by(TURN_MICROS_OF_WAKING, now, key);
                    }
                }
            }
        }
        Turn::Goes
    }

    fn stop(&mut self, now: Tick) -> Turn {
        if self.stopping {
            log::info!("stopped at once");
            self.feeds.end();
            return Turn::Ended;
        }
        log::info!("stopping");
        self.begin_end();
        self.hub.handle_stop(now);
        Turn::Goes
    }

    /// Nobody comes in any more, and whoever looks after the process is told.
    fn begin_end(&mut self) {
        self.stopping = true;
        #[cfg(feature = "daemon")]
        self.report_end(self.clock.now());
        self.listeners.clear();
        self.hub.end_audit();
    }

    // ---- Reading ----

    fn want_read(&mut self, slot: usize) {
        if let Some(wire) = self.wires.at(slot)
            && !wire.queued
            && let Ok(slot) = u32::try_from(slot)
        {
            wire.queued = true;
            self.ready.push_back(slot);
        }
    }

    /// Reads from the peers on the ready list, in laps of a turn or several; who may have more stays on it.
    fn read_ready(&mut self, now: Tick) {
        #[cfg(feature = "tls")]
        {
            self.shakes = 0;
        }
        if self.lap == 0 {
            self.lap = self.ready.len();
        }
        let (mut bytes, mut has_begun) = (0, false);
        while self.lap > 0 && bytes < READ_BYTES_OF_ALL && !(has_begun && self.spent() >= TURN_MICROS_OF_READS) {
            self.lap -= 1;
            let Some(slot) = self.ready.pop_front() else { break };
            bytes += self.read_in_a_row(now, slot as usize);
            has_begun = true;
        }
        self.gathering.note_read(bytes);
    }

    /// Reads from a socket until it is empty or has had its share; how many bytes that were.
    fn read_in_a_row(&mut self, now: Tick, slot: usize) -> usize {
        if let Some(wire) = self.wires.at(slot) {
            wire.queued = false;
        }
        let mut bytes = 0;
        for _ in 0..READS_IN_A_ROW {
            let (n, more) = self.read_once(now, slot);
            bytes += n;
            if !more {
                return bytes;
            }
            if self.spent() >= TURN_MICROS_OF_READS {
                break;
            }
        }
        self.want_read(slot);
        bytes
    }

    /// Reads once; how many bytes, and whether there may be more.
    fn read_once(&mut self, now: Tick, slot: usize) -> (usize, bool) {
        let Some(wire) = self.wires.at(slot) else { return (0, false) };
        let (key, ends) = (wire.key, wire.ends);
        let budget = self.hub.read_budget(key);
        if budget == 0 && ends {
            // Its end will not be read for now: what has waited for that leaves.
            self.write(now, key);
            return (0, false);
        }
        #[cfg(feature = "tls")]
        if wire.secrecy.is_some() {
            return self.open_once(now, slot, budget);
        }
        let Some(buffer) = self.scratch.get_mut(..budget).filter(|buffer| !buffer.is_empty()) else {
            return (0, false);
        };
        match wire.stream.read(buffer) {
            Ok(0) => self.hub.handle_closed(now, key, Cause::Peer),
            Ok(n) => {
                // A short read has emptied the socket, unless its end has been announced behind the bytes.
                let more = n == buffer.len() || wire.ends || ASKED_UNTIL_NOTHING;
                let is_secret = self.hub.may_say_secrets(key);
                if let Some(bytes) = self.scratch.get_mut(..n) {
                    self.hub.handle_bytes(now, key, bytes);
                    if is_secret {
                        wipe(bytes);
                    }
                }
                return (n, more);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return (0, true),
            Err(error) => {
                log::debug!("read: {error}");
                self.hub.handle_closed(now, key, broken_by(&error));
            }
        }
        (0, false)
    }

    // ---- Acting ----

    /// Does what the hub wants done.
    fn carry_out(&mut self, now: Tick) -> Turn {
        if self.hub.is_stopping() && !self.stopping {
            // By a call.
            self.begin_end();
        }
        while let Some(key) = self.unwritten.pop_front() {
            self.write(now, key);
            if self.spent() >= TURN_MICROS {
                break;
            }
        }
        while let Some(output) = self.hub.poll_output(now) {
            match output {
                Output::Flush(key) if self.hub.may_gather(key) && !self.stopping => {
                    self.gathering.add(key, self.turn_began);
                }
                Output::Flush(key) => self.write_by(TURN_MICROS, now, key),
                Output::Read(key) => self.want_read(key.slot()),
                Output::Close(key, cause) => {
                    // A peer that has ended its side sends nothing more that could turn our close into a reset.
                    let stream = self.wires.take(key).filter(|_| !cause.is_theirs());
                    if let Some(stream) = stream {
                        self.lingers.add(stream, now, self.poll.registry());
                    }
                }
                Output::Dial(node) => self.dial(Target::Node(node), now),
                Output::DialKernel(provider) => self.dial(Target::Kernel(provider), now),
                Output::DialGatherer(gatherer) => self.dial(Target::Gatherer(gatherer), now),
                Output::LogLevel(level) => log::set_max_level(level),
                Output::Stop => {
                    self.has_stopped = true;
                    self.feeds.end();
                    self.lingers.hurry(now);
                }
            }
        }
        if self.has_stopped && self.lingers.is_empty() { Turn::Ended } else { Turn::Goes }
    }

    fn dial(&mut self, target: Target, now: Tick) {
        self.dials.begin(target, now, &mut self.hub, self.poll.registry());
    }
}
