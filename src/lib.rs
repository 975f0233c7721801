//! instep keeps every participant of a distributed experiment or simulation in step: a LECO Coordinator, a viewer Manager and
//! a C2SIM session server in one thread, one poll loop, a few MiB.
//! ```
//! use instep::{client::{Client, Options}, config::Config, net::Server};
//! use std::time::Duration;
//!
//! let config = Config { namespace: "N1".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
//! let mut server = Server::bind(config)?;
//! let address = server.local_addresses().next().expect("one listener").to_string();
//! let stopper = server.stopper();
//! let thread = std::thread::spawn(move || server.run());
//!
//! let client = Client::connect(&address, "CA", Options::new())?;
//! assert_eq!(client.full_name(), "N1.CA");
//! client.sign_out(Duration::from_secs(5))?;
//!
//! stopper.stop();
//! thread.join().expect("no panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! Helpers may stand beside the loop: a thread that looks a host name up, for as long as that takes, and those that wait for the disk, one
//! for the state directory and one for the directory of recordings.
//!
//! This page is the map. `README.md` tells how to use the program, `docs/embed.md` how to embed it; here is how it is built.
//!
//! # What you may build upon
//! Without default features this crate shows its face and nothing else; that is what keeps its meaning from one version to the next, and
//! what `tests/it/face.rs` has a list of:
//!
//! * [`net::Server`]: the event loop, in a thread of its own or a turn at a time inside yours; [`config::Config`] says what it is to do.
//! * [`hub::Hub`]: all of it without sockets, files and clocks, for a loop of your own or a simulation; [`hub::ledger`] and
//!   [`hub::recorder`] are what it asks of a disk, [`time`] is how it is told the time.
//! * [`client::Client`] and [`client::Machine`]: a Component, blocking or as a machine without I/O.
//!
//! ```toml
//! instep = { version = "0.2", default-features = false, features = ["ledger"] }
//! ```
//!
//! Of other crates only `serde_json::Value` shows, and `log::LevelFilter` as [`config::LevelFilter`]. What will grow is `#[non_exhaustive]`:
//! the reasons why links end, errors, events, counters. Three things are not, and say why: a configuration, the commands
//! of a machine, and what a machine is started with. The feature `internals`, which the program (feature `daemon`), the tests, the
//! benchmarks and the fuzz targets have, opens every room below. It promises nothing: what it shows may change in any version.
//!
//! # Rooms, and who may know whom
//! `limits`, [`time`] <- `store` <- `auth`, `zmtp`, `leco`, `control`, `rcrs`, `c2sim`, `http`, `stomp`, `web` <- [`hub`] <- [`net`] <- the program.
//! [`client`] stands beside the hub, upon `zmtp` and `leco`.
//!
//! | room | owns | must not know |
//! |---|---|---|
//! | `limits` | every hard bound, with const assertions among them | anything |
//! | [`time`] | [`time::Tick`] and [`time::Span`], milliseconds since the start; the calendar | any clock |
//! | [`config`] | what a user may choose: one table for file, environment and flags | files, the environment |
//! | `auth` | users, their roles and credentials, and whether one may do a thing | files, connections, any protocol |
//! | `spelling` | which known word an unknown one was meant to be | what words are for |
//! | `counters` | one number per observable event | who reads them |
//! | `store` | table with aged keys, name index, byte ring, tail, block pool, timers | any protocol |
//! | `zmtp` | ZMTP 3.0 and 3.1: greeting, frames, commands, one connection's machine | sockets, peers, what frames mean |
//! | `leco` | names, messages, JSON-RPC, the directory, the routing verdict, other nodes | ZMTP, connections |
//! | `control` | the Manager's MsgPack protocols: requests, results, viewer records, recordings | sessions, connections |
//! | `rcrs` | the rescue simulation kernel's protocol, its logs, its worlds | viewers, files |
//! | `c2sim` | the flow state of a session and the messages that drive it | sessions, members |
//! | `http` | HTTP/1.1 from the server's side: requests, bodies, answers, origins, proxies; WebSocket upon it | paths, what bodies mean, connections |
//! | `stomp` | STOMP 1.0 to 1.2 from the server's side: frames, selectors | destinations, what bodies mean, connections |
//! | `web` | the files of the page that a browser is given | HTTP, connections |
//! | [`client`] | a Component's end of a link, as a machine; and around it a socket and a clock for those who want to block | the hub, sessions |
//! | [`hub`] | the heart: all tables, all protocols, all deadlines | sockets, files, clocks |
//! | [`net`] | mio, sockets, files, the clock, signals | what any byte means |
//!
//! Protocol rooms never import one another; only the hub knows them all. `tests/it/tidy.rs` holds the `use` lines to this,
//! and `tests/it/walls.rs` files to knowing one another in one direction only.
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
//! 4. `leco::route::route` answers a verdict: deliver, forward, ours, refuse. A link remembers its last receiver, so a sender that
//!    keeps to one receiver costs no hash.
//! 5. The wire bytes are copied once, verbatim, into the receiver's ring.
//! 6. At the end of the turn each receiver is written to once, with two slices; both interests are registered once at accept.
//! 7. Closes run last; a stale key is a normal `None`.
//!
//! A message of more than one read is judged when its last frame begins, and from this machine to a Component here its pieces go on as the receiver
//! takes them. What was kept whole and fits no ring is handed over with the block that it came in (`hub/peers/passing.rs`).
//!
//! Amortised: one read and one write per batch, one copy, two look-ups, no allocation (`tests/no_alloc.rs`).
//!
//! # Invariants
//! * A message is queued whole or not at all, or in pieces of which none is judged any more. What was accepted is delivered, or its sender gets an error, or a counter says why not.
//! * Every count, length, depth and rate that a peer controls has a bound in `limits` or [`config`]; the bytes that wait in the
//!   whole process come from one pool under `memory_max`, and half-sent messages may take half of it.
//! * Time only moves forward; after [`hub::Hub::handle_timeout`] the next deadline lies in the future, unless work that does not fit one
//!   turn waits for the next: then it is due at once.
//! * [`hub::Hub::check_invariants`] holds after every call; the simulator in `tests/sim` asks after each of its own.
//! * Panics are bugs of this crate, never an answer to bytes.
//!
//! # Life of a timestep
//! 1. A kernel's bytes, or a log in bounded pieces (`hub::shelf::Shelf`), become records; updates end a timestep.
//! 2. When its session's clock says so the timestep is applied to the provider's world, which answers what really differs.
//! 3. Its sections are encoded once; each distinct selection among the session's viewers makes one result, which all of
//!    them share by reference. Who does not keep up loses timesteps and starts again from a fresh initial result.
//! 4. A recording of it goes to the thread of `net/recordings.rs` with a ticket ([`hub::recorder::Recorder`]); where the disk does not keep
//!    up, the recording ends.
//!
//! # Life of a session's event
//! 1. A trigger or document comes as a call, a C2SIM message or a control function. A document is judged, a large one in slices, and so is a large
//!    initialization made that is shared (`hub/sessions/judging.rs`); then it is planned (`hub/sessions/flow.rs`), which changes nothing.
//! 2. What is to be kept is written by the thread of `net/ledger_thread.rs`; requests to that session wait, here and while
//!    a document is judged, and all else goes on.
//! 3. The session takes its new flow and its next number; every member gets the event in that turn. What follows for provider and
//!    viewers it says to the Manager (`hub/events.rs`), before whoever caused it has the answer.
//!
//! # Decisions that the documents leave open
//! * Overload has an error of its own, -32094, beside the four of the routing chart: the sender of a message that its receiver does
//!   not take learns that, and its client sees an unknown code where it would otherwise see a wrong one.
//! * When a receiver's link ends, the whole messages that still wait for it are returned to their senders with that error.
//! * A large message goes through in pieces only from a Component on this machine to one of this node. Once a part of it has left, its end must
//!   follow, so whoever ends in the middle costs the receiver its link (it comes back, and is told at once that it must sign in). Who is on
//!   this machine may end the server too; from elsewhere, and over links that others share, a message is kept once until it is whole.
//! * A flood of half-open handshakes pushes out the oldest of them instead of refusing the newcomer.
//! * A message from a new link under a name whose owner is silent waits for the probe of the owner too, not only a sign-in: a client
//!   that reconnects after a cut cable is told to sign in anew within `takeover_ms` and does so by itself.
//! * A session is an entry with a LECO name of its own, and may hold a provider. Nothing is told before it is committed, but that a
//!   scheduled trigger has come due: it was committed when it was scheduled, and is due again after a crash.
//! * Cost per message is flat from 10 to 10,000 components for those that talk; where every one of 10,000 receives in turn it is
//!   three to four times that of ten, which is the price of missing the caches.
//! * Event numbers are reserved on disk in blocks of 2^15: after a crash they jump, and are never given twice.
//! * An event of a session reaches guests as a line of text; one that cannot be given its line loses its stream, and is lost to the others. The
//!   name under which a guest is shown is not its client's identity, which is the key to its stream.
//! * A member of another node that cannot be told is taken out and told so later, since its node's link serves others too.
//! * A trigger that would undo a scheduled one cancels it. Who has not joined is refused before the document is scanned.
//!
//! # Words
//! Each means one thing, here, in the log, in counters and in documentation.
//!
//! * **Coordinator**: delivers messages by name; Components sign in at it, and it shares its directory with others of its kind.
//! * **Component**: a program that has signed in at a Coordinator under a name.
//! * **Namespace**: the name of a Coordinator's node, and the first half of its Components' names.
//! * **full name**: namespace and name with a dot between them; one Component in the whole network.
//! * **Directory**: which names are signed in here, on which links, and what other nodes have said of theirs.
//! * **difference**: what has come and gone in a directory since the last number that others were told of it.
//! * **node**: a Coordinator with its Components.
//! * **connection**: one TCP stream, whatever is spoken on it.
//! * **peer**: whoever is at the other end of a connection.
//! * **link**: one end of a ZMTP connection: greeting, handshake, then messages.
//! * **frame**: a piece of a message with flags and a size in front.
//! * **selector**: by what a STOMP client picks its messages.
//! * **identity**: the bytes by which a ROUTER tells its ZMTP peers apart.
//! * **message**: the frames that travel together: in LECO version, receiver, sender, header and content.
//! * **conversation id**: 16 bytes of the header, the same in a message and in its answer.
//! * **Manager**: opens providers and brings viewers to their data, as controllers say.
//! * **Controller**: a peer on the control port.
//! * **Viewer**: a peer on the viewer port that is shown the timesteps of a session.
//! * **Provider**: where timesteps come from: a live kernel, its log, or a recording.
//! * **kernel**: a running rescue simulation.
//! * **timestep**: what a simulation changes at once, and the number of it.
//! * **world**: what a provider's entities are after a timestep.
//! * **recording**: the timesteps of a provider as a file for viewers.
//! * **Session**: a name, a flow state, its members, and perhaps a provider with viewers; nothing else is called so.
//! * **member**: whoever has joined a session: a Component, or a guest.
//! * **guest**: a member that does not speak LECO: it asks over HTTP, and hears on a stream or a topic.
//! * **state**: where a session is in C2SIM's flow control, from UNINITIALIZED to RUNNING and PAUSED.
//! * **Trigger**: what moves a session from one state to the next, now or at a moment.
//! * **initialization**: the documents that a session collects until they are shared.
//! * **event**: what has happened, told to whom it concerns: in a session a change or a document, under a number of its own; in the hub a
//!   small value from an owner to those above it.
//! * **notice**: an event as a member is told of it: a notification, or a document, which the server writes where nobody sent one.
//! * **multicast**: one message to the Coordinator of another node for several Components there; each of them gets a copy from it, as if the
//!   message had been sent to it alone.
//! * **draft**: an event that is planned and not told yet.
//! * **backlog**: the notices that wait because the ring of their link has no room.
//! * **aftermath**: what is left to do once a request is carried out: the answer, and what comes before and behind it.
//! * **verdict**: what a pure function says is to be done, before anything has been.
//! * **ring**: the bounded bytes that wait to be sent to one peer.
//! * **passage**: a large message on its way to one receiver beside its ring, in pieces, with the block that it came in, or
//!   lent by whoever keeps it for several.
//! * **tail**: the bytes of one peer that have come in and do not make a whole message yet.
//! * **ledger**: what of the sessions is kept on disk.
//! * **ticket**: the number under which the outcome of a write comes back.
//! * **turn**: all that the loop does between two waits; every part of it is bounded.
//! * **budget**: how much may be read, or worked, for one peer or for all of them before the turn goes on.
//! * **owner**: who alone may change a thing: of a table a part of the hub, which is lent what else it needs; of a name the link that it
//!   is signed in on.
//! * **linger**: of a socket, to stay half closed until its peer has read what was written to it.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "internals"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "rooms that are shut have doors for the program, the tests and the benchmarks"
    )
)]

/// What `docs/embed.md` shows is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/embed.md")]
mod embed {}

pub mod client;
pub mod config;
pub mod hub;
pub mod net;
pub mod time;

// Shut, but to those who ask for `internals`.
#[cfg(not(feature = "internals"))]
mod auth;
#[cfg(not(feature = "internals"))]
mod c2sim;
#[cfg(not(feature = "internals"))]
mod control;
#[cfg(not(feature = "internals"))]
mod counters;
#[cfg(not(feature = "internals"))]
mod http;
#[cfg(not(feature = "internals"))]
mod leco;
#[cfg(not(feature = "internals"))]
mod limits;
#[cfg(not(feature = "internals"))]
mod rcrs;
#[cfg(not(feature = "internals"))]
mod spelling;
#[cfg(not(feature = "internals"))]
mod stomp;
#[cfg(not(feature = "internals"))]
mod store;
#[cfg(not(feature = "internals"))]
mod web;
#[cfg(not(feature = "internals"))]
mod zmtp;

#[cfg(feature = "internals")]
pub mod auth;
#[cfg(feature = "internals")]
pub mod c2sim;
#[cfg(feature = "internals")]
pub mod control;
#[cfg(feature = "internals")]
pub mod counters;
#[cfg(feature = "internals")]
pub mod http;
#[cfg(feature = "internals")]
pub mod leco;
#[cfg(feature = "internals")]
pub mod limits;
#[cfg(feature = "internals")]
pub mod rcrs;
#[cfg(feature = "internals")]
pub mod spelling;
#[cfg(feature = "internals")]
pub mod stomp;
#[cfg(feature = "internals")]
pub mod store;
#[cfg(feature = "internals")]
pub mod web;
#[cfg(feature = "internals")]
pub mod zmtp;

/// What the chapter on encryption shows is run as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../docs/curve.md")]
mod encryption {}
