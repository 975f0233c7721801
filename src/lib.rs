//! instep keeps every participant of a distributed experiment or simulation in step: a LECO Coordinator, a viewer Manager and
//! a C2SIM session server in one thread, one poll loop, a few MiB. Helpers may stand beside the loop: a thread that looks a host name up, for
//! as long as that takes, and those that wait for the disk, one for the state directory and one for the directory of recordings.
//!
//! This page is the map. `README.md` tells how to use the program; here is how it is built and how to embed it.
//!
//! # Rooms, and who may know whom
//! [`limits`], [`time`] <- [`store`] <- [`zmtp`], [`leco`], [`control`], [`rcrs`], [`c2sim`] <- [`hub`] <- [`net`] <- the program.
//! [`client`] stands beside the hub, upon [`zmtp`] and [`leco`].
//!
//! | room | owns | must not know |
//! |---|---|---|
//! | [`limits`] | every hard bound, with const assertions among them | anything |
//! | [`time`] | [`time::Tick`] and [`time::Span`], milliseconds since the start | any clock |
//! | [`config`] | what a user may choose: one table for file, environment and flags | files, the environment |
//! | [`counters`] | one number per observable event | who reads them |
//! | [`store`] | table with aged keys, name index, byte ring, block pool, timers | any protocol |
//! | [`zmtp`] | ZMTP 3.0 and 3.1: greeting, frames, commands, one connection's machine | sockets, peers, what frames mean |
//! | [`leco`] | names, messages, JSON-RPC, the directory, the routing verdict, other nodes | ZMTP, connections |
//! | [`control`] | the Manager's MsgPack protocols: requests, results, viewer records, recordings | sessions, connections |
//! | [`rcrs`] | the rescue simulation kernel's protocol, its logs, its worlds | viewers, files |
//! | [`c2sim`] | the flow state of a session and the messages that drive it | sessions, members |
//! | [`client`] | a Component's end of a link, as a machine; and around it a socket and a clock for those who want to block | the hub, sessions |
//! | [`hub`] | the heart: all tables, all protocols, all deadlines | sockets, files, clocks |
//! | [`net`] | mio, sockets, files, the clock, signals | what any byte means |
//!
//! Protocol rooms never import one another; only the hub knows them all. `tests/it/tidy.rs` holds the `use` lines to this.
//!
//! # Doors
//! The heart takes bytes and time and gives small commands: [`hub::Hub::handle_bytes`] and its sisters in, [`hub::Hub::poll_output`] out;
//! bytes to send wait in rings, see [`hub::Hub::unsent`]. [`net::Server`] is the event loop around it, for a program of its own
//! ([`net::Server::run`]) or inside another one's loop ([`net::Server::turn`] and its poll's descriptor). Each of these three ways
//! has an example in its module. [`client::Client`] and [`client::Machine`] are the same for a Component. `examples` has whole programs.
//!
//! # Life of a routed message
//! 1. The poll wakes, the clock is read once, the token gives a slot, the slot a socket and an aged peer key.
//! 2. A bounded read into the server's one scratch buffer; a peer with more stays on the ready list.
//! 3. The ZMTP scan finds whole messages lying contiguous. What is left over is kept in a pooled block; nothing is reserved from an
//!    announced size.
//! 4. [`leco::route::route`] answers a verdict: deliver, forward, ours, refuse. A link remembers its last receiver, so a sender that
//!    keeps to one receiver costs no hash.
//! 5. The wire bytes are copied once, verbatim, into the receiver's ring.
//! 6. At the end of the turn each receiver is written to once, with two slices; both interests are registered once at accept.
//! 7. Closes run last; a stale key is a normal `None`.
//!
//! Amortised: one read and one write per batch, one copy, two look-ups, no allocation (`tests/no_alloc.rs`).
//!
//! # Invariants
//! * A message is queued whole or not at all. What was accepted is delivered, or its sender gets an error, or a counter says why not.
//! * Every count, length, depth and rate that a peer controls has a bound in [`limits`] or [`config`]; the bytes that wait in the
//!   whole process come from one pool under `memory_max`, and half-sent messages may take half of it.
//! * Time only moves forward; after [`hub::Hub::handle_timeout`] the next deadline lies in the future, unless work that does not fit one
//!   turn waits for the next: then it is due at once.
//! * [`hub::Hub::check_invariants`] holds after every call; the simulator in `tests/sim` asks after each of its own.
//! * Panics are bugs of this crate, never an answer to bytes.
//!
//! # Life of a timestep
//! 1. A kernel's bytes, or a log in bounded pieces ([`hub::shelf::Shelf`]), become records; updates end a timestep.
//! 2. When its session's clock says so the timestep is applied to the provider's world, which answers what really differs.
//! 3. Its sections are encoded once; each distinct selection among the session's viewers makes one result, which all of
//!    them share by reference. Who does not keep up loses timesteps and starts again from a fresh initial result.
//! 4. A recording of it goes to the thread of `net/recordings.rs` with a ticket ([`hub::recorder::Recorder`]); where the disk does not keep
//!    up, the recording ends.
//!
//! # Life of a session's event
//! 1. A trigger or document comes as a call, a C2SIM message or a control function; it is planned (`hub/flow.rs`), which changes nothing.
//! 2. What is to be kept is written by the thread of `net/vault.rs`; requests to that session wait, all else goes on.
//! 3. The session takes its new flow and its next number; every member gets the event in that turn, then provider and viewers follow.
//!
//! # Where this house differs from its first plan
//! * Overload has an error of its own, -32094, beside the four of the routing chart: the sender of a message that its receiver does
//!   not take learns that, and its client sees an unknown code where it would otherwise see a wrong one.
//! * When a receiver's link ends, the whole messages that still wait for it are returned to their senders with that error.
//! * A flood of half-open handshakes pushes out the oldest of them instead of refusing the newcomer.
//! * A message from a new link under a name whose owner is silent waits for the probe of the owner too, not only a sign-in: a client
//!   that reconnects after a cut cable is told to sign in anew within `takeover_ms` and does so by itself.
//! * A session is an entry with a LECO name of its own, and may hold a provider. Nothing is told before it is committed, but that a
//!   scheduled trigger has come due: it was committed when it was scheduled, and is due again after a crash.
//! * The program has 2.8 MB where 1.5 MiB were planned, a quarter of it the embedded store (feature `ledger`), and 3.4 MiB resident when
//!   idle for 2 MiB, nearly all of it pages of the program and libc.
//! * Cost per message is flat from 10 to 10,000 components for those that talk; where every one of 10,000 receives in turn it is
//!   three to four times that of ten, which is the price of missing the caches.
//! * Event numbers are reserved on disk in blocks of 2^15: after a crash they jump, and are never given twice.
//! * A member of another node that cannot be told is taken out and told so later, since its node's link serves others too.
//! * A trigger that would undo a scheduled one cancels it. Who has not joined is refused before the document is scanned.
#![forbid(unsafe_code)]

pub mod c2sim;
pub mod client;
pub mod config;
pub mod control;
pub mod counters;
pub mod hub;
pub mod leco;
pub mod limits;
pub mod net;
pub mod rcrs;
pub mod store;
pub mod time;
pub mod zmtp;
