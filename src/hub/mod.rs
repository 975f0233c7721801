//! The heart: all protocols, all tables, no I/O.
//!
//! [`Hub`] is fed with bytes and time (`handle_*`) and gives small commands (`poll_*`). It owns the peers, the directory, what is known
//! of other nodes, and every deadline. It must not know sockets, files, clocks or randomness but its seed: the same `Hub`
//! runs under the event loop of `net`, in a simulation of many nodes with a virtual clock, and inside another program.
//!
//! # Life of a message
//! `handle_bytes` walks the input with the peer's ZMTP link. A whole message is judged by [`crate::leco::route`] and its wire bytes are
//! copied once, verbatim, into the receiver's ring; the receiver is put on the list of peers to flush, once. What does not
//! yet make a whole message waits in a pooled block. When the ring has no room the sender is held: its bytes stay where
//! they are and it is not read, until there is room or `stall_ms` is over and the message is refused to its sender.
//!
//! # Example: one component, no sockets
//! ```
//! use instep::config::Config;
//! use instep::hub::{Hub, Output, Start};
//! use instep::time::Tick;
//! use instep::zmtp::{SocketType, link::Link, mechanism::Mechanism};
//!
//! let config = Config { namespace: "N1".into(), host: "lab".into(), ..Config::default() };
//! let mut hub = Hub::new(config, Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 });
//! let peer = hub.open(Tick(1), "127.0.0.1:5000".parse().unwrap()).expect("there is room");
//!
//! // The other end: greeting and READY of a DEALER, then a sign_in message of five frames.
//! let (greeting, ready) = Link::new(SocketType::Dealer, Mechanism::Null).opening();
//! let mut bytes = [&greeting[..], ready.expect("NULL speaks first").bytes()].concat();
//! for (more, body) in [
//!     (1, &b"\0"[..]),
//!     (1, b"COORDINATOR"),
//!     (1, b"CA"),
//!     (1, b"0123456789abcdef\0\0\0\x01"),
//!     (0, br#"{"jsonrpc":"2.0","id":1,"method":"sign_in"}"#),
//! ] {
//!     bytes.extend_from_slice(&[more, body.len() as u8]);
//!     bytes.extend_from_slice(body);
//! }
//! hub.handle_bytes(Tick(2), peer, &bytes);
//!
//! // What the event loop would do: write what waits, say how much left.
//! while let Some(output) = hub.poll_output(Tick(2)) {
//!     if let Output::Flush(key) = output {
//!         let waiting = hub.unsent(key).concat();
//!         assert!(waiting.windows(5).any(|w| w == b"N1.CA"), "the answer to sign_in names the component in full");
//!         hub.sent(Tick(2), key, waiting.len());
//!     }
//! }
//! assert_eq!(hub.counters().sign_ins, 1);
//! ```

mod audience;
mod audit;
mod cause;
mod desk;
mod expire;
mod flow;
mod keep;
pub mod ledger;
mod manager;
mod member;
mod mesh;
mod peer;
mod play;
mod ports;
mod provider;
mod publish;
pub mod recorder;
mod recording;
mod relay;
mod scene;
mod serve;
mod session;
pub mod shelf;

use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};

pub use cause::Cause;
pub use peer::Peer;
pub use provider::{Provider, ProviderKey};
pub use session::{Session, SessionKey};

use crate::c2sim::schema::Rules;
use crate::config::Config;
use crate::counters::Counters;
use crate::leco::directory::{self, Directory};
use crate::leco::nodes::{self, Nodes};
use crate::limits::{
    DEPARTED_MAX, HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX, LOG_LINES_PER_SECOND, PLAIN_RESERVE_SHARE,
    READ_BYTES_PER_TURN, RING_RESERVE_BYTES, SESSIONS_MAX, TARPIT_MAX,
};
use crate::store::pool::Pool;
use crate::store::ring::Ring;
use crate::store::table::{Key, Table};
use crate::store::timers::Timers;
use crate::time::{Span, Tick};
use crate::zmtp::command::{Built, Command};
use crate::zmtp::frame::Bounds;
use crate::zmtp::link::{Link, Step};
use crate::zmtp::mechanism::Mechanism;
use crate::zmtp::{Fault, SocketType};

use expire::{House, OfPeer};
use peer::{Flush, Held, Life, Role, is_loopback};
use play::Job;
use recorder::Recorder;
use recording::Recordings;
use shelf::{NoShelf, Shelf};

/// Key of a connection.
pub type PeerKey = Key<Peer>;
/// Key of another node.
pub type NodeKey = nodes::NodeKey<PeerKey>;
/// Key of a signed-in component.
pub type ComponentKey = directory::ComponentKey<PeerKey>;

/// A difference between the time of day and what it should be by our own count that means that somebody has set the clock.
const CLOCK_STEP_MS: u64 = 50;
/// How long a refused connection is held before it is closed.
const TARPIT: Span = Span(1500);
/// How long a controller or viewer may take until its first request: somebody may have to press a button for it.
const FIRST_REQUEST: Span = Span(60_000);
/// How long a link that is to be closed may take for what still waits in its ring.
const FAREWELL: Span = Span(2000);

/// Which listener a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Components and Coordinators, over ZMTP.
    Leco,
    /// Controllers of the Manager.
    Control,
    /// Viewers.
    Viewer,
}

/// What the hub cannot know by itself.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Keys the hash of names and feeds conversation ids and jitter; should differ from process to process.
    pub seed: u64,
    /// The first moment.
    pub now: Tick,
    /// Milliseconds since 1970 at `now`, for the time stamps in conversation ids.
    pub unix_ms: u64,
}

/// What the event loop is to do. Bytes never travel in here: they wait in rings, see [`Hub::unsent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write what waits for this peer; comes at most once per peer until [`Hub::sent`] has been called.
    Flush(PeerKey),
    /// Read this peer again: it was held, and bytes may wait in the socket that no event will announce again.
    Read(PeerKey),
    /// Close this peer's socket; its key is stale from here on.
    Close(PeerKey, Cause),
    /// Connect to this node's address, see [`Hub::dial_address`], and report through [`Hub::handle_dialed`].
    Dial(NodeKey),
    /// Connect to this provider's kernel, see [`Hub::kernel_address`], and report through [`Hub::handle_kernel_dialed`].
    DialKernel(ProviderKey),
    /// Log from this level on.
    LogLevel(log::LevelFilter),
    /// Everything is said; end the process.
    Stop,
}

/// What to do with the message at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is dealt with.
    Done,
    /// It waits in this peer's ring: that of a component of this node, or our DEALER to another one.
    Queued { to: PeerKey, forwarded: bool },
    /// It must wait: the sender is held.
    Held,
}

/// Why a walk through input stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// The rest is no whole message; at least so many bytes are missing.
    Need(usize),
    /// The sender is held.
    Held,
    /// The peer is closed or only being flushed.
    Gone,
    /// A command lay inside a message and has been dealt with; it must be cut out.
    Hole { at: usize, len: usize },
}

/// The heart. See the module's documentation.
#[derive(Debug)]
pub struct Hub {
    config: Config,
    /// Our namespace with its dot: what full names of this node begin with.
    prefix: Box<[u8]>,
    /// Our own full name.
    full_name: Box<[u8]>,
    /// The address that other Coordinators are told.
    address: Box<str>,
    bounds: Bounds,
    now: Tick,
    start: Start,
    random: u64,
    counters: Counters,
    peers: Table<Peer>,
    pool: Pool,
    directory: Directory<PeerKey>,
    nodes: Nodes<PeerKey>,
    peer_timers: Timers<{ OfPeer::KINDS }>,
    node_timers: Timers<1>,
    house_timers: Timers<{ House::KINDS }>,
    flushes: VecDeque<PeerKey>,
    outputs: VecDeque<Output>,
    /// Peers that are no longer held and whose waiting bytes are to be looked at.
    resumed: VecDeque<PeerKey>,
    /// Peers that go on in the next turn.
    yielded: Vec<PeerKey>,
    /// The rest of batches, which goes on in the next turn.
    batches: VecDeque<desk::Errand>,
    /// Messages to ourselves, or control requests, that the peer at hand has had answered in this turn.
    own_in_turn: u32,
    /// Bytes of such messages, of all peers, in this turn.
    own_bytes_in_turn: usize,
    /// Peers that are not read because the pool has no room.
    short_of_memory: Vec<PeerKey>,
    /// Bytes in use, rings and partial input, when a peer last ran short: before they are fewer no other try can go better.
    short_at: (usize, usize),
    /// Rings of closed receivers whose messages still have to be returned.
    undelivered: VecDeque<relay::Undelivered>,
    /// Unfinished handshakes, and controllers and viewers that have asked for nothing yet, oldest first; entries may be stale.
    handshaking: VecDeque<PeerKey>,
    handshakes: usize,
    /// Controllers and viewers.
    plain_peers: usize,
    tarpit: usize,
    /// The directory or the nodes changed since the last update to other Coordinators.
    unpublished: bool,
    last_published: Tick,
    stopping: bool,
    has_said_stop: bool,
    log_gate: (u64, u32),
    // ---- Sessions ----
    sessions: Table<Session>,
    /// By LECO name without namespace.
    session_names: BTreeMap<Box<[u8]>, SessionKey>,
    session_timers: Timers<1>,
    /// The sessions of each member, by its full name.
    memberships: BTreeMap<Box<[u8]>, Vec<SessionKey>>,
    leavers: VecDeque<member::Leaver>,
    farewells: VecDeque<publish::Farewell>,
    /// Events that come right behind an answer that is being written.
    afterwards: Vec<(SessionKey, publish::Draft)>,
    /// Bytes that all sessions keep: initializations, histories, waiting requests.
    session_bytes: usize,
    /// What the content of documents must be, for each schema that is loaded.
    rules: Vec<Rules>,
    ledger: Option<Box<dyn ledger::Ledger>>,
    tickets: BTreeMap<ledger::Ticket, keep::Purpose>,
    last_ticket: ledger::Ticket,
    // ---- The Manager ----
    providers: Table<Provider>,
    provider_timers: Timers<2>,
    /// Connected viewers by id. Ids of viewers, providers and sessions are never given twice.
    viewers: BTreeMap<i64, PeerKey>,
    departed: VecDeque<audience::Departed>,
    next_viewer: i64,
    next_provider: i64,
    next_session: i64,
    errors: VecDeque<String>,
    jobs: VecDeque<Job>,
    shelf: Box<dyn Shelf>,
    recordings: Recordings,
    viewer_port: u16,
    reply: Vec<u8>,
}

impl Hub {
    /// A hub without peers. `config` must have passed [`Config::check`] and name a namespace and a host.
    #[must_use]
    pub fn new(config: Config, start: Start) -> Self {
        debug_assert!(!config.namespace.is_empty() && !config.host.is_empty(), "the caller knows the machine's name");
        let mut hub = Self {
            prefix: [config.namespace.as_bytes(), b"."].concat().into(),
            full_name: [config.namespace.as_bytes(), b".", crate::leco::name::COORDINATOR].concat().into(),
            address: nodes::address(&format!("{}:{}", config.host, config.port))
                .unwrap_or_else(|| format!("{}:{}", config.host, config.port))
                .into(),
            bounds: Bounds {
                frame_bytes_max: u64::try_from(config.frame_bytes_max).unwrap_or(u64::MAX),
                message_bytes_max: u64::try_from(config.message_bytes_max).unwrap_or(u64::MAX),
            },
            now: start.now,
            start,
            random: start.seed,
            counters: Counters::default(),
            peers: Table::new(config.connections_max + TARPIT_MAX),
            pool: Pool::new(config.memory_max),
            directory: Directory::new(start.seed),
            nodes: Nodes::default(),
            peer_timers: Timers::default(),
            node_timers: Timers::default(),
            house_timers: Timers::default(),
            flushes: VecDeque::new(),
            outputs: VecDeque::new(),
            resumed: VecDeque::new(),
            yielded: Vec::new(),
            batches: VecDeque::new(),
            own_in_turn: 0,
            own_bytes_in_turn: 0,
            short_of_memory: Vec::new(),
            short_at: (0, 0),
            undelivered: VecDeque::new(),
            handshaking: VecDeque::new(),
            handshakes: 0,
            plain_peers: 0,
            tarpit: 0,
            unpublished: false,
            last_published: start.now,
            stopping: false,
            has_said_stop: false,
            log_gate: (0, 0),
            sessions: Table::new(SESSIONS_MAX),
            session_names: BTreeMap::new(),
            session_timers: Timers::default(),
            memberships: BTreeMap::new(),
            leavers: VecDeque::new(),
            farewells: VecDeque::new(),
            afterwards: Vec::new(),
            session_bytes: 0,
            rules: Vec::new(),
            ledger: None,
            tickets: BTreeMap::new(),
            last_ticket: ledger::Ticket::default(),
            providers: Table::new(config.providers_max),
            provider_timers: Timers::default(),
            viewers: BTreeMap::new(),
            departed: VecDeque::new(),
            next_viewer: 1,
            next_provider: 1,
            next_session: 1,
            errors: VecDeque::new(),
            jobs: VecDeque::new(),
            shelf: Box::new(NoShelf),
            recordings: Recordings::new(config.memory_max),
            viewer_port: config.port.wrapping_add(11),
            reply: Vec::new(),
            config,
        };
        let predefined = core::mem::take(&mut hub.config.sessions);
        hub.add_predefined(&predefined);
        for text in core::mem::take(&mut hub.config.coordinators) {
            match nodes::address(&text) {
                Some(address) => hub.know_address(&address, None, true),
                None => log::warn!("'{text}' is not an address of a Coordinator"),
            }
        }
        hub
    }

    /// Gives the hub files: logs to play. Without, it has none.
    pub fn set_shelf(&mut self, shelf: Box<dyn Shelf>) {
        self.shelf = shelf;
    }

    /// Has every provider recorded from now on. Without, none is.
    pub fn set_recorder(&mut self, recorder: Box<dyn Recorder>) {
        self.recordings.set_recorder(recorder);
    }

    /// Has the content of C2SIM documents checked against the schema in `xsd`, in all sessions of that schema.
    ///
    /// # Errors
    /// It is no schema that can be used, or of none that sessions may have, or of one that is loaded already; says why, and in which line.
    pub fn load_schema(&mut self, xsd: &str) -> Result<(), String> {
        let rules = Rules::load(xsd).map_err(|error| error.to_string())?;
        let Some(schema) = rules.schema() else {
            return Err(format!("its namespace '{}' is that of no schema that sessions can have", rules.namespace()));
        };
        if self.rules.iter().any(|other| other.schema() == Some(schema)) {
            return Err(format!("another file has schema {} already", schema.name()));
        }
        let (elements, types) = rules.size();
        log::info!("C2SIM {} is checked: {elements} elements, {types} types", schema.name());
        self.rules.push(rules);
        Ok(())
    }

    /// The port that viewers are told to connect to.
    pub const fn set_viewer_port(&mut self, port: u16) {
        self.viewer_port = port;
    }

    // ---- Doors in ----

    /// A connection was accepted on the LECO listener. `None`: close it at once.
    #[must_use]
    pub fn open(&mut self, now: Tick, remote: SocketAddr) -> Option<PeerKey> {
        self.open_at(now, remote, Door::Leco)
    }

    /// A connection was accepted on the listener `door`. `None`: close it at once.
    #[must_use]
    pub fn open_at(&mut self, now: Tick, remote: SocketAddr, door: Door) -> Option<PeerKey> {
        self.advance(now);
        if self.stopping {
            return None;
        }
        let crowded = self.peers.len() - self.tarpit >= self.config.connections_max
            || self.plain_peers >= self.plain_peers_max(door)
            || (!is_loopback(remote) && self.handshakes_from(remote) >= HANDSHAKES_PER_ADDRESS_MAX);
        if crowded {
            return self.refuse_connection(remote);
        }
        if self.handshakes >= HANDSHAKES_MAX {
            self.push_out_oldest_handshake();
        }
        let key = match door {
            Door::Leco => self.add_peer(Role::Accepted, SocketType::Router, remote)?,
            Door::Control => self.add_plain_peer(Role::Controller, remote)?,
            Door::Viewer => self.add_plain_peer(Role::Viewer, remote)?,
        };
        log::debug!("connection from {remote}");
        Some(key)
    }

    /// Bytes came in from a peer. The caller has asked [`Hub::read_budget`] before it read them.
    pub fn handle_bytes(&mut self, now: Tick, key: PeerKey, input: &[u8]) {
        self.advance(now);
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.last_heard = self.now;
        self.counters.bytes_in += plain(input.len());
        if !peer.is_open() {
            return;
        }
        if peer.probed {
            self.probe_answered(key);
        }
        // What cannot be dealt with now is kept, though rings may want the same memory.
        let growth = self.peers.get(key).map_or(0, |peer| peer.tail.growth(input.len()));
        self.pool.reserve(growth);
        self.feed(key, input);
        self.pool.unreserve();
        self.watch_tail(key);
    }

    /// A peer's connection ended by itself: [`Cause::Peer`] at the end of what it says, [`Cause::Gone`] or [`Cause::Io`] when nothing can
    /// be written to it any more either.
    pub fn handle_closed(&mut self, now: Tick, key: PeerKey, cause: Cause) {
        self.advance(now);
        // Who asks and then ends its side still wants the answers that wait or are being looked for. Whoever takes none is closed as slow.
        let wants_answers = |peer: &Peer| {
            matches!(peer.role, Role::Controller | Role::Viewer) && peer.is_open() && !peer.has_all_answers()
        };
        if cause == Cause::Peer && self.peers.get(key).is_some_and(wants_answers) {
            self.unlink(key, cause);
            self.only_write(key, cause);
            self.peer_timers.cancel(key.slot(), OfPeer::Life as usize);
            self.watch_slow(key);
            return;
        }
        self.close(key, cause);
    }

    /// The attempt of an [`Output::Dial`] ended: a connection to `remote`, or the reason why there is none. `None`: drop the
    /// connection, the node is no longer wanted.
    pub fn handle_dialed(&mut self, now: Tick, node: NodeKey, outcome: Result<SocketAddr, &str>) -> Option<PeerKey> {
        self.advance(now);
        self.dialed(node, outcome)
    }

    /// The attempt of an [`Output::DialKernel`] ended, as for [`Hub::handle_dialed`].
    pub fn handle_kernel_dialed(
        &mut self,
        now: Tick,
        provider: ProviderKey,
        outcome: Result<SocketAddr, &str>,
    ) -> Option<PeerKey> {
        self.advance(now);
        self.kernel_dialed(provider, outcome)
    }

    /// The time of day, in milliseconds since 1970: it may be set while the process runs. Scheduled triggers go by it.
    pub fn handle_clock(&mut self, now: Tick, unix_ms: u64) {
        self.advance(now);
        let step = unix_ms.abs_diff(self.unix_ms());
        if step <= 1 {
            return;
        }
        (self.start.now, self.start.unix_ms) = (self.now, unix_ms);
        if step >= CLOCK_STEP_MS {
            log::info!("the clock was set, by {step} ms");
            self.schedules_moved();
        }
    }

    /// Deadlines may have passed; safe to call early.
    pub fn handle_timeout(&mut self, now: Tick) {
        self.advance(now);
        self.expire();
    }

    /// Says goodbye to everybody, then gives [`Output::Stop`], at the latest after two seconds.
    pub fn handle_stop(&mut self, now: Tick) {
        self.advance(now);
        self.stop();
    }

    // ---- Doors out ----

    /// When [`Hub::handle_timeout`] must be called at the latest. Ask again after any other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        // Jobs are due at once, and so is who has yielded, only after everybody else had a turn.
        let waits = !self.jobs.is_empty() || !self.yielded.is_empty() || !self.batches.is_empty();
        let at_once = waits.then_some(self.now);
        let timers = [self.peer_timers.soonest(), self.node_timers.soonest(), self.house_timers.soonest()];
        timers
            .into_iter()
            .chain([self.provider_timers.soonest(), self.session_timers.soonest(), at_once])
            .flatten()
            .min()
    }

    /// The next thing to do; `None` until another door in has been used.
    #[must_use]
    pub fn poll_output(&mut self, now: Tick) -> Option<Output> {
        self.advance(now);
        self.work();
        if let Some(key) = self.flushes.pop_front() {
            if let Some(peer) = self.peers.get_mut(key) {
                peer.flush = Flush::Asked;
            }
            return Some(Output::Flush(key));
        }
        self.outputs.pop_front()
    }

    /// Bytes that may be read from this peer now; zero while it is held.
    #[must_use]
    pub fn read_budget(&mut self, key: PeerKey) -> usize {
        let Some(peer) = self.peers.get_mut(key) else { return 0 };
        if !peer.is_open() || peer.held.is_some() {
            return 0;
        }
        // A read may have to be kept whole.
        let budget = peer.tail.room(&self.pool);
        if budget > 0 {
            return budget.min(READ_BYTES_PER_TURN);
        }
        peer.held = Some(Held::Memory);
        self.wait_for_memory(key);
        self.counters.senders_held += 1;
        0
    }

    /// What waits for this peer, oldest bytes first.
    #[must_use]
    pub fn unsent(&self, key: PeerKey) -> [&[u8]; 2] {
        self.peers.get(key).map_or([&[], &[]], Peer::unsent)
    }

    /// The first `n` bytes of what waited have been taken by the operating system; 0 if it takes nothing now.
    pub fn sent(&mut self, now: Tick, key: PeerKey, n: usize) {
        self.advance(now);
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.flush == Flush::Asked {
            peer.flush = Flush::None;
        }
        self.counters.bytes_out += plain(n);
        if n > 0 {
            peer.note_sent(n, &mut self.pool);
            peer.last_progress = self.now;
            if peer.full_since.is_some() {
                peer.full_since = Some(self.now);
                // Half empty: room for many messages at once, so that waking senders pays.
                if peer.ring.len() <= self.config.ring_bytes_max / 2 {
                    peer.full_since = None;
                    self.wake_waiters(key);
                }
            }
        }
        if n > 0 && self.peers.get(key).is_some_and(|peer| peer.viewer.is_some() && peer.is_drained()) {
            self.viewer_drained(key);
        }
        if n > 0 && self.peers.get(key).is_some_and(|peer| peer.viewer.is_some() && !peer.is_drained()) {
            // A viewer's results leave two at a time, and a socket with room says nothing more.
            self.want_flush(key);
        }
        let Some(peer) = self.peers.get(key) else { return };
        if !peer.is_drained() {
            self.watch_slow(key);
            return;
        }
        let life = peer.life;
        if life == Life::Finishing(Cause::Peer) && !peer.has_all_answers() {
            // The next of them wakes it.
            return;
        }
        // The next wait begins anew, with all of its time.
        self.peer_timers.cancel(key.slot(), OfPeer::Slow as usize);
        if let Life::Finishing(cause) = life {
            self.end(key, cause);
        }
    }

    /// `host:port` to connect to for an [`Output::Dial`].
    #[must_use]
    pub fn dial_address(&self, node: NodeKey) -> Option<&str> {
        self.nodes.get(node)?.address.as_deref()
    }

    /// `host:port` to connect to for an [`Output::DialKernel`].
    #[must_use]
    pub fn kernel_address(&self, provider: ProviderKey) -> Option<String> {
        match &self.providers.get(provider)?.source {
            provider::Source::Kernel(kernel) if kernel.host.contains(':') => {
                Some(format!("[{}]:{}", kernel.host, kernel.port))
            }
            provider::Source::Kernel(kernel) => Some(format!("{}:{}", kernel.host, kernel.port)),
            provider::Source::Log(_) => None,
        }
    }

    /// Every counter.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts an event that only the event loop sees: it could not accept for want of file descriptors or memory.
    pub const fn note_accept_pause(&mut self) {
        self.counters.accept_pauses += 1;
    }

    /// Our full name, `NS.COORDINATOR`.
    #[must_use]
    pub fn full_name(&self) -> &[u8] {
        &self.full_name
    }

    /// Bytes waiting in the whole process: for receivers, and in half-sent messages.
    #[must_use]
    pub const fn bytes_waiting(&self) -> (usize, usize) {
        self.pool.in_use()
    }

    /// Bytes of worlds, of results for viewers, and of what sessions keep.
    #[must_use]
    pub const fn data_in_use(&self) -> usize {
        self.pool.data_in_use()
    }

    // ---- Peers ----

    fn advance(&mut self, now: Tick) {
        // Time never runs backwards here, whatever a caller says.
        self.now = self.now.max(now);
    }

    fn add_peer(&mut self, role: Role, ours: SocketType, remote: SocketAddr) -> Option<PeerKey> {
        let link = Link::new(ours, Mechanism::default());
        let (greeting, ready) = link.opening();
        let key = self.peers.insert(Peer::new(role, link, remote, self.now)).ok()?;
        self.counters.connections_opened += 1;
        self.note_newcomer(key);
        let ready = ready.as_ref().map(Built::bytes).unwrap_or_default();
        let opening = [&greeting[..], ready];
        if let Some(peer) = self.peers.get_mut(key) {
            let pushed = peer.ring.push(&opening, self.config.ring_bytes_max, &mut self.pool);
            // The opening is no message: it counts as one whose beginning has left.
            peer.begun = peer.ring.len();
            if pushed.is_err() {
                self.close(key, Cause::Memory);
                return None;
            }
        }
        self.want_flush(key);
        self.of_peer(key, OfPeer::Life, Span::seconds(self.config.handshake_s));
        self.wake_house();
        Some(key)
    }

    /// A connection that must show that it speaks: by its handshake, or by a first request.
    fn note_newcomer(&mut self, key: PeerKey) {
        self.handshakes += 1;
        self.handshaking.push_back(key);
        if self.handshaking.len() > 4 * HANDSHAKES_MAX {
            let peers = &self.peers;
            self.handshaking.retain(|key| peers.get(*key).is_some_and(|peer| !peer.is_ready()));
        }
    }

    /// Controllers and viewers together that one more may join at this door: some connections stay for Components, whatever viewers do,
    /// and some for controllers.
    const fn plain_peers_max(&self, door: Door) -> usize {
        let all = self.config.connections_max;
        match door {
            Door::Leco => usize::MAX,
            Door::Control => all - all.div_ceil(2 * PLAIN_RESERVE_SHARE),
            Door::Viewer => all - all.div_ceil(PLAIN_RESERVE_SHARE),
        }
    }

    /// A peer that does not speak ZMTP: a controller, a viewer, a kernel.
    fn add_plain_peer(&mut self, role: Role, remote: SocketAddr) -> Option<PeerKey> {
        let mut peer = Peer::new(role, Link::new(SocketType::Router, Mechanism::default()), remote, self.now);
        if role == Role::Viewer {
            peer.viewer = Some(Box::new(audience::Viewer::new(self.next_viewer)));
        }
        let key = self.peers.insert(peer).ok()?;
        self.counters.connections_opened += 1;
        if role == Role::Viewer {
            log::info!("viewer {} connected from {remote}", self.next_viewer);
            self.viewers.insert(self.next_viewer, key);
            self.next_viewer += 1;
        }
        if matches!(role, Role::Viewer | Role::Controller) {
            self.plain_peers += 1;
            self.note_newcomer(key);
            self.of_peer(key, OfPeer::Life, FIRST_REQUEST);
        }
        self.wake_house();
        Some(key)
    }

    /// A controller or viewer has sent a whole request: from here on it may be silent as long as it likes.
    fn first_request(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && !core::mem::replace(&mut peer.has_asked, true)
        {
            self.handshakes -= 1;
            self.peer_timers.cancel(key.slot(), OfPeer::Life as usize);
        }
    }

    fn handshakes_from(&self, remote: SocketAddr) -> u32 {
        let same = |key: &&PeerKey| {
            self.peers
                .get(**key)
                .is_some_and(|peer| !peer.is_ready() && peer.is_open() && peer.remote.ip() == remote.ip())
        };
        u32::try_from(self.handshaking.iter().filter(same).count()).unwrap_or(u32::MAX)
    }

    /// Holds the connection for a moment where there is room for that, so that its client comes back less often.
    fn refuse_connection(&mut self, remote: SocketAddr) -> Option<PeerKey> {
        self.counters.connections_refused += 1;
        if self.may_log() {
            log::warn!("connection from {remote} refused: {}", Cause::Refused);
        }
        if self.tarpit >= TARPIT_MAX {
            return None;
        }
        let mut peer = Peer::new(Role::Accepted, Link::new(SocketType::Router, Mechanism::default()), remote, self.now);
        peer.life = Life::Tarpit;
        let key = self.peers.insert(peer).ok()?;
        self.tarpit += 1;
        self.counters.connections_opened += 1;
        self.counters.connections_held += 1;
        self.of_peer(key, OfPeer::Life, TARPIT);
        Some(key)
    }

    fn push_out_oldest_handshake(&mut self) {
        while let Some(key) = self.handshaking.pop_front() {
            let unfinished = self.peers.get(key).is_some_and(|peer| peer.is_open() && !peer.is_ready());
            if unfinished {
                self.close(key, Cause::HandshakePushedOut);
                return;
            }
        }
    }

    fn want_flush(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && peer.flush == Flush::None
        {
            peer.flush = Flush::Queued;
            self.flushes.push_back(key);
        }
    }

    /// Takes everything that others know of the peer away: names, node, those who wait for it.
    fn unlink(&mut self, key: PeerKey, cause: Cause) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let names = core::mem::take(&mut peer.names);
        let node = peer.node.take();
        let role = peer.role;
        peer.held = None;
        peer.probed = false;
        for name in names {
            if let Some(component) = self.directory.remove(name) {
                self.counters.names_freed += 1;
                self.unpublished = true;
                self.component_left(&component.name);
                let name = crate::leco::name::shown(&component.name);
                log::info!("component {name} is gone: {cause}");
            }
        }
        if let Some(node) = node {
            self.inbound_lost(node, key);
        }
        match role {
            Role::Dialled(node) => self.dealer_lost(node, key),
            Role::Kernel(provider) => self.kernel_gone(provider, key, cause),
            Role::Viewer => self.viewer_gone(key, cause),
            Role::Accepted | Role::Controller => {}
        }
        self.wake_waiters(key);
    }

    /// Ends a peer at once; what waits for it goes back to its senders.
    fn close(&mut self, key: PeerKey, cause: Cause) {
        if self.peers.get(key).is_none() {
            return;
        }
        self.unlink(key, cause);
        self.end(key, cause);
    }

    /// Ends a peer once everything that waits for it has left, at the latest after two seconds.
    fn finish(&mut self, key: PeerKey, cause: Cause) {
        self.unlink(key, cause);
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.is_drained() || !peer.is_open() {
            self.end(key, cause);
            return;
        }
        self.only_write(key, cause);
    }

    fn only_write(&mut self, key: PeerKey, cause: Cause) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if !peer.is_ready() {
            self.handshakes -= 1;
        }
        peer.life = Life::Finishing(cause);
        peer.tail.clear(&mut self.pool);
        self.want_flush(key);
        self.of_peer(key, OfPeer::Life, FAREWELL);
    }

    fn end(&mut self, key: PeerKey, cause: Cause) {
        self.peer_timers.cancel_all(key.slot());
        let Some(mut peer) = self.peers.remove(key) else { return };
        match peer.life {
            Life::Open if !peer.is_ready() => self.handshakes -= 1,
            Life::Tarpit => self.tarpit -= 1,
            Life::Open | Life::Finishing(_) => {}
        }
        self.plain_peers -= usize::from(matches!(peer.role, Role::Viewer | Role::Controller));
        peer.tail.clear(&mut self.pool);
        if let Some(viewer) = &mut peer.viewer {
            self.pool.refund(viewer.clear());
        }
        let returns = cause.returns_messages() && peer.role.is_zmtp() && peer.is_ready();
        let mut ring: Ring = core::mem::take(&mut peer.ring);
        if returns && ring.len() > peer.begun {
            self.undelivered.push_back(relay::Undelivered::new(ring, peer.begun, &mut self.pool));
        } else {
            ring.clear(&mut self.pool);
        }
        self.counters.connections_closed += 1;
        if cause != Cause::Refused {
            *cause.counter(&mut self.counters) += 1;
        }
        if !cause.is_warning() {
            log::debug!("{} closed: {cause}", peer.remote);
        } else if self.may_log() {
            log::warn!("{} closed: {cause}", peer.remote);
        }
        self.outputs.push_back(Output::Close(key, cause));
        if self.stopping && self.peers.is_empty() {
            self.say_stop();
        }
    }

    // ---- Input ----

    /// Walks through what waits in the peer's tail and then `input`.
    fn feed(&mut self, key: PeerKey, mut input: &[u8]) {
        self.own_in_turn = 0;
        loop {
            let Some(peer) = self.peers.get_mut(key) else { return };
            if !peer.is_open() {
                return;
            }
            if peer.held.is_some() {
                self.keep(key, input);
                return;
            }
            if let Role::Kernel(provider) = peer.role {
                self.feed_kernel(key, provider, input);
                return;
            }
            if peer.tail.is_empty() {
                if input.is_empty() {
                    return;
                }
                let (used, halt) = self.walk(key, input);
                input = input.get(used..).unwrap_or_default();
                match halt {
                    Halt::Gone => return,
                    Halt::Held => {}
                    Halt::Need(_) => {
                        self.keep(key, input);
                        return;
                    }
                    Halt::Hole { at, len } => {
                        let (front, rest) = input.split_at_checked(at).unwrap_or((input, &[]));
                        self.keep(key, front);
                        input = rest.get(len..).unwrap_or_default();
                    }
                }
                continue;
            }
            let mut tail = core::mem::take(&mut peer.tail);
            let (used, halt) = self.walk(key, tail.bytes());
            tail.consume(used, &mut self.pool);
            if let Halt::Hole { at, len } = halt {
                tail.cut(at, len, &mut self.pool);
            }
            match self.peers.get_mut(key) {
                Some(peer) if halt != Halt::Gone => peer.tail = tail,
                _ => {
                    tail.clear(&mut self.pool);
                    return;
                }
            }
            if let Halt::Need(n) = halt {
                if input.is_empty() {
                    return;
                }
                if !self.peers.get(key).is_some_and(|peer| peer.tail.is_empty()) {
                    let (more, rest) = input.split_at(n.min(input.len()));
                    self.keep(key, more);
                    input = rest;
                }
            }
        }
    }

    /// Hands bytes to a kernel's machine: what was kept first. While it decodes it takes nothing more, and the kernel is not read.
    fn feed_kernel(&mut self, key: PeerKey, provider: ProviderKey, input: &[u8]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let mut tail = core::mem::take(&mut peer.tail);
        let (used, mut busy) = self.take_kernel_bytes(key, provider, tail.bytes());
        tail.consume(used, &mut self.pool);
        match self.peers.get_mut(key) {
            Some(peer) => peer.tail = tail,
            None => {
                tail.clear(&mut self.pool);
                return;
            }
        }
        let mut rest = input;
        if !busy {
            let (used, works) = self.take_kernel_bytes(key, provider, input);
            rest = input.get(used..).unwrap_or_default();
            busy = works;
        }
        self.keep(key, rest);
        if let Some(peer) = self.peers.get_mut(key).filter(|_| busy) {
            peer.held = Some(Held::Decoding);
        }
    }

    /// The connection to a kernel has ended.
    fn kernel_gone(&mut self, provider: ProviderKey, key: PeerKey, cause: Cause) {
        let ours = match self.providers.get(provider).map(|found| &found.source) {
            Some(provider::Source::Kernel(kernel)) => kernel.peer == Some(key),
            Some(provider::Source::Log(_)) | None => false,
        };
        if ours {
            self.kernel_lost(provider, &cause.to_string());
        }
    }

    /// A viewer has left: it is shown for a while.
    fn viewer_gone(&mut self, key: PeerKey, cause: Cause) {
        self.leave_session(key);
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(viewer) = &mut peer.viewer else { return };
        let status = if cause.is_warning() {
            crate::control::reply::Status::Errored
        } else {
            crate::control::reply::Status::Closed
        };
        let id = viewer.id;
        let departed = audience::Departed {
            id,
            host: peer.remote.ip().to_canonical().to_string(),
            port: peer.remote.port(),
            status,
        };
        if self.viewers.remove(&id).is_some() {
            log::info!("viewer {id} has left: {cause}");
            self.departed.push_back(departed);
            if self.departed.len() > DEPARTED_MAX {
                self.departed.pop_front();
            }
        }
    }

    /// Keeps bytes for later; a pool without room for them ends the peer.
    fn keep(&mut self, key: PeerKey, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        if !peer.tail.append(bytes, &mut self.pool) {
            self.close(key, Cause::Memory);
        }
    }

    /// A half-sent message must go on: sets the deadline unless there is one.
    fn watch_tail(&mut self, key: PeerKey) {
        // A kernel may be silent for minutes, and what is kept of it waits for our decoding.
        let watched = |peer: &Peer| !peer.tail.is_empty() && peer.is_open() && !matches!(peer.role, Role::Kernel(_));
        if self.peers.get(key).is_some_and(watched) && !self.peer_timers.is_set(key.slot(), OfPeer::Half as usize) {
            self.of_peer(key, OfPeer::Half, Span(self.config.slow_ms));
        }
    }

    /// What waits for a peer must leave: sets the deadline unless there is one.
    fn watch_slow(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && !self.peer_timers.is_set(key.slot(), OfPeer::Slow as usize)
        {
            peer.last_progress = self.now;
            self.of_peer(key, OfPeer::Slow, Span(self.config.slow_ms));
        }
    }

    /// Deals with everything whole at the front of `buffer`; says how many bytes that was and why it stopped.
    fn walk(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let mut used = 0;
        match self.peers.get(key).map(|peer| peer.role) {
            Some(Role::Accepted | Role::Dialled(_)) => {}
            Some(Role::Controller) => return self.walk_control(key, buffer),
            Some(Role::Viewer) => return self.walk_viewer(key, buffer),
            Some(Role::Kernel(_)) | None => return (used, Halt::Gone),
        }
        loop {
            let Some(peer) = self.peers.get_mut(key) else { return (used, Halt::Gone) };
            if !peer.is_open() {
                return (used, Halt::Gone);
            }
            let rest = buffer.get(used..).unwrap_or_default();
            match peer.link.next(rest, &self.bounds) {
                Ok(Step::Message(message)) => {
                    let wire = rest.get(..message.len).unwrap_or_default();
                    match self.take_message(key, wire, &message) {
                        Outcome::Done => {
                            used += message.len;
                            // What it asked for goes on in the next turn.
                            if self.peers.get(key).is_some_and(|peer| peer.held.is_some()) {
                                return (used, Halt::Held);
                            }
                        }
                        Outcome::Queued { to, forwarded } => {
                            used += message.len;
                            if let Some(front) = message.front().and_then(|front| wire.get(..front)) {
                                let rest = buffer.get(used..).unwrap_or_default();
                                used += self.queue_run(to, forwarded, front, rest);
                            }
                        }
                        Outcome::Held => return (used, Halt::Held),
                    }
                }
                Ok(Step::Need(n)) => return (used, Halt::Need(n)),
                Ok(Step::Skip { len }) => used += len,
                Ok(Step::Ready { len, peer: metadata }) => {
                    log::debug!(
                        "{} is a {} with identity '{}'",
                        peer.remote,
                        metadata.socket_type.name(),
                        metadata.identity.escape_ascii()
                    );
                    used += len;
                    self.ready(key);
                }
                Ok(Step::Command { at, len, command }) => {
                    self.command(key, command);
                    if at > 0 {
                        return (used, Halt::Hole { at, len });
                    }
                    used += len;
                }
                Err(fault) => {
                    self.fault(key, fault);
                    return (used, Halt::Gone);
                }
            }
        }
    }

    fn ready(&mut self, key: PeerKey) {
        self.handshakes -= 1;
        self.counters.handshakes_done += 1;
        self.peer_timers.cancel(key.slot(), OfPeer::Life as usize);
        if let Some(Role::Dialled(node)) = self.peers.get(key).map(|peer| peer.role) {
            self.sign_in_at(node, key);
        }
    }

    fn command(&mut self, key: PeerKey, command: Command<'_>) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.floods_commands(now) {
            self.fault(key, Fault::CommandRate);
            return;
        }
        if let Command::Ping { context, .. } = command {
            let pong = Built::pong(context);
            // A peer that does not read its ring gets no PONG on top of what waits there.
            if peer.ring.push(&[pong.bytes()], self.config.ring_bytes_max, &mut self.pool).is_ok() {
                self.counters.pongs_sent += 1;
                self.want_flush(key);
            }
        }
    }

    fn fault(&mut self, key: PeerKey, fault: Fault) {
        if fault.helps()
            && let Some(peer) = self.peers.get_mut(key)
        {
            let error = Built::error(&fault.to_string());
            let bytes_max = self.config.ring_bytes_max + RING_RESERVE_BYTES;
            if peer.ring.push(&[error.bytes()], bytes_max, &mut self.pool).is_ok() {
                self.finish(key, Cause::Zmtp(fault));
                return;
            }
        }
        self.close(key, Cause::Zmtp(fault));
    }

    // ---- Waiting ----

    /// Does what earlier calls left to do: looks at the waiting bytes of peers that are no longer held, returns undelivered
    /// messages, publishes the directory.
    fn work(&mut self) {
        let (rings, partial) = self.pool.in_use();
        if !self.short_of_memory.is_empty() && (rings < self.short_at.0 || partial < self.short_at.1) {
            for key in core::mem::take(&mut self.short_of_memory) {
                self.resume(key);
            }
        }
        self.feed_resumed();
        if !self.undelivered.is_empty() {
            self.return_undelivered();
        }
        if !self.leavers.is_empty() {
            self.see_leavers_off();
        }
        if self.unpublished {
            self.publish_soon();
        }
    }

    /// Looks at the waiting bytes of peers that are no longer held.
    fn feed_resumed(&mut self) {
        while let Some(key) = self.resumed.pop_front() {
            self.feed(key, &[]);
            self.watch_tail(key);
            if self.peers.get(key).is_some_and(|peer| peer.is_open() && peer.held.is_none()) {
                self.outputs.push_back(Output::Read(key));
            }
        }
    }

    /// Puts a held peer on the list of those that try again once there is more memory than now.
    fn wait_for_memory(&mut self, key: PeerKey) {
        if self.short_of_memory.len() == self.short_of_memory.capacity() {
            // Who was resumed for another reason may be on the list still.
            self.short_of_memory.sort_unstable();
            self.short_of_memory.dedup();
        }
        self.short_of_memory.push(key);
        self.short_at = self.pool.in_use();
        self.house(House::Memory, Span(self.config.stall_ms.max(1)));
    }

    /// Lets a held peer go on at the next [`Hub::work`].
    fn resume(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && peer.held.take().is_some()
        {
            // While it was held it could not be heard; its silence counts from here.
            peer.last_heard = self.now;
            self.peer_timers.cancel(key.slot(), OfPeer::Stall as usize);
            self.resumed.push_back(key);
        }
    }

    fn wake_waiters(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        for waiter in core::mem::take(&mut peer.waiters) {
            self.resume(waiter);
        }
    }

    // ---- Small things ----

    /// Whether one more log line about a peer's misbehaviour is due within this second.
    fn may_log(&mut self) -> bool {
        let second = self.now.0 / 1000;
        if self.log_gate.0 != second {
            let spared = self.log_gate.1.saturating_sub(LOG_LINES_PER_SECOND);
            if spared > 0 {
                log::warn!("{spared} lines of this kind were left out");
            }
            self.log_gate = (second, 0);
        }
        self.log_gate.1 = self.log_gate.1.saturating_add(1);
        if self.log_gate.1 > LOG_LINES_PER_SECOND {
            self.counters.log_lines_spared += 1;
            return false;
        }
        true
    }

    /// The next number of the seeded sequence (SplitMix64).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Milliseconds since 1970.
    const fn unix_ms(&self) -> u64 {
        self.start.unix_ms.saturating_add(self.now.since(self.start.now).0)
    }
}

/// A count as the counters have it.
fn plain(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
