//! The heart: all protocols, all tables, no I/O.
//!
//! [`Hub`] is fed with bytes and time (`handle_*`) and gives small commands (`poll_*`). It owns the peers, the directory, what is known
//! of other nodes, and every deadline. It must not know sockets, files, clocks or randomness but its seed: the same `Hub`
//! runs under the event loop of `net`, in a simulation of many nodes with a virtual clock, and inside another program.
//!
//! # Life of a message
//! `handle_bytes` walks the input with the peer's ZMTP link. A whole message is judged by the routing chart of LECO and its wire bytes are
//! copied once, verbatim, into the receiver's ring; the receiver is put on the list of peers to flush, once. What does not
//! yet make a whole message waits in a pooled block; a large one may go on in pieces before it is whole. When the ring has no room the sender is held: its bytes stay where
//! they are and it is not read, until there is room or `stall_ms` is over and the message is refused to its sender.
//!
//! # Example: one component, no sockets
//! ```
//! use instep::client::{self, Machine, Options};
//! use instep::config::Config;
//! use instep::hub::{Hub, Output, Start};
//! use instep::time::Tick;
//!
//! let config = Config { namespace: "N1".into(), host: "lab".into(), ..Config::default() };
//! let mut hub = Hub::new(config, Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 })?;
//! let peer = hub.open(Tick(1), "127.0.0.1:5000".parse()?).expect("there is room");
//!
//! // The other end: a Component that needs no socket either.
//! let start = client::Start { seed: 2, now: Tick(0), unix_ms: 1_700_000_000_000 };
//! let mut component = Machine::new("CA", Options::new(), start)?;
//! component.handle_connected(Tick(1));
//!
//! while !component.is_signed_in() {
//!     let bytes = component.unsent().to_vec();
//!     component.sent(bytes.len());
//!     hub.handle_bytes(Tick(2), peer, &bytes);
//!     // What an event loop would do: write what waits, say how much left.
//!     while let Some(output) = hub.poll_output(Tick(2)) {
//!         if let Output::Flush(key) = output {
//!             let waiting = hub.unsent(key).concat();
//!             component.handle_bytes(Tick(2), &waiting);
//!             hub.sent(Tick(2), key, waiting.len());
//!         }
//!     }
//! }
//! assert_eq!(component.full_name(), "N1.CA");
//! assert_eq!(hub.counters().sign_ins, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
mod call;
mod cause;
mod channel;
mod coordinator;
mod dispatch;
mod doors;
mod events;
mod face;
#[cfg(test)]
mod fixture;
mod front;
mod halt;
mod keys;
pub mod ledger;
mod manager;
mod methods;
mod names;
mod peers;
pub(crate) mod push;
pub mod recorder;
mod rights;
pub(crate) mod rulebook;
mod sessions;
#[cfg(not(feature = "internals"))]
pub(crate) mod shelf;
#[cfg(feature = "internals")]
pub mod shelf;
mod tally;
mod topic;
mod turn;
pub(crate) mod vitals;
mod web;

use core::net::SocketAddr;

pub use cause::Cause;
pub use doors::{Channel, ChannelPorts, Door, Entropy, Output, SecretKey, Secrets, Start, is_near};
pub use keys::{GathererKey, NodeKey, PeerKey, ProviderKey};
#[cfg(feature = "internals")]
pub use peers::Peer;
#[cfg(feature = "internals")]
pub use rights::judge;

pub use crate::counters::Counters;
pub use crate::store::table::Key;
pub use crate::zmtp::{Fault, Mechanism, SocketType};

use crate::config::{Config, Invalid, invalid};
use crate::counters::count;
use crate::leco::address;
use crate::time::Tick;

use channel::Channels;
use coordinator::{Coordinator, Origin, relay};
use front::Front;
use ledger::Ledger;
use manager::Manager;
use names::Names;
use peers::{Peers, ProcessTimer};
use recorder::Recorder;
use sessions::Sessions;
use shelf::Shelf;
use topic::Topic;
use web::Web;

/// A difference between the time of day and what it should be by our own count that means that somebody has set the clock.
const CLOCK_STEP_MS: u64 = 50;

/// The heart. See the module's documentation.
#[derive(Debug)]
pub struct Hub {
    peers: Peers,
    names: Names,
    coordinator: Coordinator,
    manager: Manager,
    sessions: Sessions,
    front: Front,
    web: Web,
    topic: Topic,
    channels: Channels,
    /// What turns have taken, and where the rest of what is told of the process comes from.
    turns: vitals::Turns,
    vitals: vitals::Source,
    /// Where the rules of users are read anew.
    rulebook: Option<Box<dyn rulebook::Rulebook>>,
    /// How far everybody has been judged by what was read.
    judging: Option<rulebook::Judging>,
    /// What was opened of what has come on a sealed link.
    clear: Box<[u8]>,
    has_said_stop: bool,
    /// How often nodes are waited for once more before the end.
    last_waits: u64,
    /// Whether the next piece of work left over is a session's, where the Manager has some too.
    is_turn_of_sessions: bool,
}

impl Hub {
    /// A hub without peers. It knows no machine, so `config` names a namespace and a host.
    ///
    /// # Errors
    /// [`Invalid`]: the namespace or the host is empty, or [`Config::check`] does not pass.
    pub fn new(mut config: Config, start: Start) -> Result<Self, Invalid> {
        config.check_named()?;
        let users = config.judge_users(None).map_err(|reason| invalid("users", reason))?;
        let predefined = core::mem::take(&mut config.sessions);
        let coordinators = core::mem::take(&mut config.coordinators);
        let mut hub = Self {
            names: Names::new(&config, start.seed),
            coordinator: Coordinator::new(start.now),
            manager: Manager::new(&config),
            sessions: Sessions::new(),
            front: Front::new(),
            web: Web::new(&config),
            topic: Topic::new(&config),
            channels: Channels::new(start.seed, config.last_values),
            turns: vitals::Turns::default(),
            vitals: vitals::Source::new(|| None),
            rulebook: None,
            judging: None,
            clear: Box::default(),
            has_said_stop: false,
            last_waits: 0,
            is_turn_of_sessions: false,
            peers: Peers::new(config, users, start),
        };
        let gmu_session = core::mem::take(&mut hub.peers.config.gmu_session);
        hub.sessions.add_predefined(&mut hub.peers, &hub.names, &predefined, &gmu_session);
        hub.peers.config.gmu_session = gmu_session;
        let from = Origin { is_permanent: true, ..Origin::default() };
        for address in coordinators.iter().filter_map(|text| address::with_port(text)) {
            hub.coordinator.know_address(&mut hub.peers, &mut hub.names, &address, from);
        }
        let nodes = hub.peers.config.nodes.clone();
        for (node, address) in nodes.iter().filter_map(|node| Some((node, address::with_port(&node.address)?))) {
            let hint = Some(node.namespace.as_bytes()).filter(|namespace| !namespace.is_empty());
            hub.coordinator.know_address(&mut hub.peers, &mut hub.names, &address, Origin { hint, ..from });
        }
        Ok(hub)
    }

    /// Gives the hub files: logs to play. Without, it has none.
    #[cfg(feature = "internals")]
    pub fn set_shelf(&mut self, shelf: Box<dyn Shelf>) {
        self.put_shelf(shelf);
    }

    /// As [`Hub::set_shelf`], which is no part of the face: a shelf has the records of kernels on it.
    pub(crate) fn put_shelf(&mut self, shelf: Box<dyn Shelf>) {
        self.manager.set_shelf(shelf);
    }

    /// Has every provider recorded from now on. Without, none is.
    pub fn set_recorder(&mut self, recorder: Box<dyn Recorder>) {
        self.manager.set_recorder(recorder);
    }

    /// Has the content of C2SIM documents (SISO-STD-019 and 020) checked against the schema in `xsd`, in all sessions of that schema.
    ///
    /// # Errors
    /// It is no schema that can be used, or of none that sessions may have, or of one that is loaded already; says why, and in which line.
    pub fn load_schema(&mut self, xsd: &str) -> Result<(), String> {
        self.sessions.load_schema(xsd)
    }

    /// Gives the hub a ledger and takes from it the sessions that it holds. To be called once, before anything else happens.
    ///
    /// # Errors
    /// The ledger cannot be read, or holds what no hub has written; says what.
    pub fn set_ledger(&mut self, ledger: Box<dyn Ledger>) -> Result<(), String> {
        self.sessions.set_ledger(&mut self.peers, &self.names, ledger)
    }

    /// Gives the hub keys of CURVE. Where `auth` asks who somebody is, whoever shows a key that it knows is let in by that; and other nodes are
    /// dialled with CURVE, whose keys are known. To be called once, before anything else happens.
    ///
    /// # Errors
    /// The halves of a key do not belong together; says which one's.
    pub fn set_keys(&mut self, secrets: Secrets, chance: Entropy) -> Result<(), String> {
        self.peers.keyring = peers::Keyring::new(secrets, chance)?;
        Ok(())
    }

    /// The public key that this node shows to those who come, in the 40 letters of Z85; `None` where it has none (security, 4.3).
    #[must_use]
    pub fn public_key(&self) -> Option<String> {
        self.peers.keyring.public()
    }

    /// Where it is learnt how the process fares. Without, nothing is told of that.
    pub(crate) fn set_vitals(&mut self, read: fn() -> Option<vitals::Vitals>) {
        self.vitals = vitals::Source::new(read);
    }

    /// A turn of the loop has taken so long.
    #[inline]
    pub(crate) fn note_turn(&mut self, micros: u64) {
        self.turns.note(micros, self.peers.now);
    }

    /// The port that viewers are told to connect to.
    pub const fn set_viewer_port(&mut self, port: u16) {
        self.manager.set_viewer_port(port);
    }

    /// The addresses on which controllers are heard, as clients are told.
    pub fn set_control_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.manager.set_control_addresses(addresses);
    }

    // ---- Doors in ----

    /// A connection was accepted on the LECO listener: a ZMTP ROUTER's (RFC 37, and RFC 23 for older peers). `None`: close it at once,
    /// there are too many, too many half-open ones from that address, or the hub is stopping.
    #[must_use]
    pub fn open(&mut self, now: Tick, remote: SocketAddr) -> Option<PeerKey> {
        self.open_at(now, remote, Door::Leco)
    }

    /// A connection was accepted on the listener `door`. `None`: close it at once.
    #[must_use]
    pub fn open_at(&mut self, now: Tick, remote: SocketAddr, door: Door) -> Option<PeerKey> {
        self.advance(now);
        let remote = peers::canonical(remote);
        if let Door::Publisher(channel) | Door::Subscriber(channel) | Door::Distributor(channel) = door
            && !self.channels.is_on(channel)
        {
            self.peers.counters.connections_refused += 1;
            return None;
        }
        if door == Door::Http
            && self.peers.is_crowded(remote, door)
            && let Some(idle) = self.web.longest_idle(&self.peers, remote)
        {
            self.peers.close(idle, Cause::Idle);
            self.drain_events();
        }
        let key = self.peers.admit(remote, door);
        match (key, door) {
            (Some(key), Door::Viewer) => self.manager.viewer_came(&self.peers, key, remote),
            (Some(key), Door::Http) => self.web.came(&self.peers, key),
            (Some(key), Door::Stomp) => self.topic.came(&mut self.peers, key),
            (
                _,
                Door::Leco
                | Door::Control
                | Door::Viewer
                | Door::Http
                | Door::Stomp
                | Door::Publisher(_)
                | Door::Subscriber(_)
                | Door::Distributor(_),
            ) => {}
        }
        self.drain_events();
        key
    }

    /// Bytes came in from a peer, in pieces of any size: no more than [`Hub::read_budget`] has said before. ZMTP frames are taken apart
    /// as RFC 37 has them ("Framing Layer"), messages judged by the routing chart of LECO's control protocol. Bytes that break a protocol end in
    /// an [`Output::Close`], never in an error here. A stale key does nothing, here and elsewhere.
    pub fn handle_bytes(&mut self, now: Tick, key: PeerKey, input: &[u8]) {
        self.advance(now);
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.last_heard = peer.last_heard.max(now);
        peer.traffic.bytes_in += count(input.len());
        let (is_open, is_probed, growth) = (peer.is_open(), peer.probed, peer.growth(input.len()));
        self.peers.counters.bytes_in += count(input.len());
        if !is_open {
            return;
        }
        if is_probed {
            relay::probe_answered(&mut self.peers, key);
        }
        // What cannot be dealt with now is kept, though rings may want the same memory.
        self.peers.pool.reserve(growth);
        let before = self.peers.counters.messages_in;
        self.feed(key, input);
        self.peers.pool.unreserve();
        self.peers.walked(key, before);
        self.drain_events();
    }

    /// A peer's connection ended by itself: [`Cause::Peer`] at the end of what it says, [`Cause::Gone`] or [`Cause::Io`] when nothing can
    /// be written to it any more either.
    pub fn handle_closed(&mut self, now: Tick, key: PeerKey, cause: Cause) {
        self.advance(now);
        self.peers.end_of_input(key, cause);
        self.drain_events();
    }

    /// The attempt of an [`Output::Dial`] ended: a connection to `remote`, or the reason why there is none. `None`: drop the
    /// connection, the node is no longer wanted.
    pub fn handle_dialed(&mut self, now: Tick, node: NodeKey, outcome: Result<SocketAddr, &str>) -> Option<PeerKey> {
        self.advance(now);
        let outcome = outcome.map(peers::canonical);
        let link = self.coordinator.dialed(&mut self.peers, &mut self.names, node, outcome);
        self.drain_events();
        link
    }

    /// The attempt of an [`Output::DialKernel`] ended, as for [`Hub::handle_dialed`].
    pub fn handle_kernel_dialed(
        &mut self,
        now: Tick,
        provider: ProviderKey,
        outcome: Result<SocketAddr, &str>,
    ) -> Option<PeerKey> {
        self.advance(now);
        let outcome = outcome.map(peers::canonical);
        let link = self.manager.kernel_dialed(&mut self.peers, provider, outcome);
        self.drain_events();
        link
    }

    /// A change that was handed to the ledger is durable, or could not be made so; or a piece of a recording was written, or could not
    /// be.
    pub fn handle_committed(&mut self, now: Tick, ticket: ledger::Ticket, outcome: Result<(), String>) {
        self.advance(now);
        if let Err(outcome) = self.manager.written(&mut self.peers, ticket, outcome)
            && let Some(settled) = self.sessions.commit_done(&mut self.peers, &self.names, ticket, outcome)
        {
            self.audit_committed(&settled);
            self.settled(settled);
        }
        self.drain_events();
        self.see_off_when_answered();
    }

    /// Somebody has an answer that was waited for: at the end it is time to say goodbye.
    fn see_off_when_answered(&mut self) {
        if self.peers.stopping && !self.peers.is_timer_set(ProcessTimer::SeeOff) {
            self.see_off();
        }
    }

    /// The time of day, in milliseconds since 1970: it may be set while the process runs. Scheduled triggers go by it.
    pub fn handle_clock(&mut self, now: Tick, unix_ms: u64) {
        self.advance(now);
        let step = unix_ms.abs_diff(self.peers.unix_ms());
        if step <= 1 {
            return;
        }
        self.peers.set_clock(unix_ms);
        if step >= CLOCK_STEP_MS {
            log::info!("the clock was set, by {step} ms");
            self.sessions.schedules_moved(&self.peers);
        }
    }

    /// Deadlines may have passed; safe to call early.
    pub fn handle_timeout(&mut self, now: Tick) {
        self.advance(now);
        self.expire();
        self.drain_events();
    }

    /// The rules of users are to be read anew.
    pub(crate) fn handle_reload(&mut self, now: Tick) {
        self.advance(now);
        let outcome = self.reload();
        self.audit_hangup(outcome.as_ref().map(drop).map_err(String::as_str));
        self.drain_events();
    }

    /// Says goodbye to everybody, then gives [`Output::Stop`], at the latest after two seconds.
    pub fn handle_stop(&mut self, now: Tick) {
        self.advance(now);
        self.stop();
        self.drain_events();
    }

    /// Whether goodbye is being said, whoever has asked for it.
    pub(crate) const fn is_stopping(&self) -> bool {
        self.peers.stopping
    }

    /// Whether sockets with bytes in them are left that the event loop has not come to look at. Those may be the sign of life that a
    /// deadline waits for, so deadlines of connections wait too, for a second at most.
    pub const fn note_unread(&mut self, more: bool) {
        self.peers.is_unread = more;
    }

    /// The time is now so late. Where it is more than a second behind a deadline, nobody has come to look for that long: the process was
    /// stopped, or its machine. That is nobody's fault, so all deadlines move by the gap: the hub's own time stands still for it.
    fn advance(&mut self, now: Tick) {
        if self.peers.has_jumped(now)
            && let Some(due) = self.soonest()
            && self.peers.skip_pause(now, due)
        {
            self.sessions.schedules_moved(&self.peers);
        }
        self.peers.advance(now);
    }

    // ---- Doors out ----

    /// When [`Hub::handle_timeout`] must be called at the latest. Ask again after any other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.soonest().map(|at| self.peers.outside(at))
    }

    /// The first deadline, by the hub's own time.
    fn soonest(&self) -> Option<Tick> {
        // Jobs are due at once, and so is who has yielded, only after everybody else had a turn.
        let has_work = self.manager.has_jobs()
            || self.sessions.has_lines()
            || self.sessions.has_slices()
            || self.sessions.has_comings()
            || self.front.has_put_off()
            || self.judging.is_some()
            || self.web.has_news(&self.peers);
        let at_once = has_work.then_some(self.peers.now);
        let of_channels = self.channels.soonest(self.peers.now);
        let of_owners = [self.coordinator.soonest(), self.manager.soonest(), self.sessions.soonest(), of_channels];
        [self.peers.soonest(), at_once].into_iter().chain(of_owners).flatten().min()
    }

    /// The next thing to do; `None` until another door in has been used.
    #[must_use]
    pub fn poll_output(&mut self, now: Tick) -> Option<Output> {
        self.advance(now);
        self.work();
        let output = self.peers.next_output();
        if output.is_none() {
            self.peers.begin_turn();
        }
        output
    }

    /// Bytes that may be read from this peer now, up to 256 KiB; zero while it is held, until an [`Output::Read`].
    #[must_use]
    pub fn read_budget(&mut self, key: PeerKey) -> usize {
        self.peers.read_budget(key)
    }

    /// What waits for this peer, oldest bytes first.
    #[must_use]
    pub fn unsent(&self, key: PeerKey) -> [&[u8]; 2] {
        self.peers.unsent(key)
    }

    /// The first `n` bytes of what waited, see [`Hub::unsent`], have been taken by the operating system; 0 if it takes nothing now. Answers an
    /// [`Output::Flush`], and is called again when the operating system has taken more.
    pub fn sent(&mut self, now: Tick, key: PeerKey, n: usize) {
        self.advance(now);
        self.peers.sent(key, n);
        self.drain_events();
    }

    /// The operating system has room again for this peer; answers whether that is for one of the next turns, in which an [`Output::Flush`] comes.
    pub fn is_written_later(&mut self, key: PeerKey) -> bool {
        self.peers.is_written_later(key)
    }

    /// `host:port` to connect to for an [`Output::Dial`].
    #[must_use]
    pub fn dial_address(&self, node: NodeKey) -> Option<&str> {
        self.names.nodes.get(node)?.address.as_deref()
    }

    /// Whether the connection of an [`Output::Dial`] may be made to an address that [`is_near`]: not where another machine has asked for it,
    /// unless `dial_local` says so.
    #[must_use]
    pub fn may_dial_near(&self, node: NodeKey) -> bool {
        self.peers.config.dial_local || self.names.nodes.get(node).is_some_and(|node| node.told_by.is_none())
    }

    /// The same for an [`Output::DialKernel`].
    #[must_use]
    pub fn may_dial_kernel_near(&self, provider: ProviderKey) -> bool {
        self.peers.config.dial_local || self.manager.is_asked_here(provider)
    }

    /// `host:port` to connect to for an [`Output::DialKernel`].
    #[must_use]
    pub fn kernel_address(&self, provider: ProviderKey) -> Option<String> {
        self.manager.kernel_address(provider)
    }

    /// Every counter.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.peers.counters
    }

    /// A peer has ended its side, and that has not been read yet: whether what waits for it may still be written. Where nobody would read it any
    /// more it waits for the end to be read, and then goes back to its senders.
    pub(crate) fn may_write_to_ended(&mut self, now: Tick, key: PeerKey) -> bool {
        self.advance(now);
        let may_write = self.peers.may_write_to_ended(key);
        self.drain_events();
        may_write
    }

    /// Whether many free blocks were let go of since this was asked last.
    pub(crate) const fn take_let_go(&mut self) -> bool {
        self.peers.pool.take_let_go()
    }

    /// Counts an event that only the event loop sees: it could not accept for want of file descriptors or memory.
    pub const fn note_accept_pause(&mut self) {
        self.peers.counters.accept_pauses += 1;
    }

    /// Counts connections that were ended by us and of whose last bytes nobody knows whether the peer has read them.
    pub const fn note_unknown_ends(&mut self, connections: u64) {
        self.peers.counters.ends_unknown += connections;
    }

    /// Our full name, `NS.COORDINATOR`.
    #[must_use]
    pub fn full_name(&self) -> &[u8] {
        &self.names.full_name
    }

    /// The address that other Coordinators are told, as `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.names.address
    }

    /// What is known of the components of each node that is linked: its namespace, how many there are, and the digest of their names.
    #[cfg(feature = "internals")]
    pub fn known_components(&self) -> impl Iterator<Item = (&[u8], usize, u64)> {
        let linked = self.names.nodes.iter().filter(|(_, node)| node.is_linked() && !node.is_leaving);
        linked.filter_map(|(_, node)| {
            Some((node.namespace.as_deref()?, node.listing.names().len(), node.listing.digest()))
        })
    }

    /// Bytes waiting in the whole process: for receivers, and in half-sent messages.
    #[must_use]
    pub const fn bytes_waiting(&self) -> (usize, usize) {
        self.peers.pool.in_use()
    }

    /// Bytes of worlds, of results for viewers, and of what sessions keep.
    #[must_use]
    pub const fn data_in_use(&self) -> usize {
        self.peers.pool.data_in_use()
    }

    /// Checks that all tables agree with each other.
    ///
    /// # Errors
    /// A sentence about the first thing that does not hold.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.channels.check(&self.peers)?;
        let owners = (&self.sessions, &self.manager, &self.web, &self.topic);
        audit::check(&self.peers, &self.names, owners, self.channels.bytes())
    }
}
