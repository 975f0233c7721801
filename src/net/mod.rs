//! The room with the sockets, the files and the clock of a server: a mio poll loop around the [`crate::hub::Hub`].
//!
//! Owns the listeners, the sockets beside the hub's peers, attempts to connect, name resolution, signals. Must not know what
//! any byte means: it reads into one scratch buffer, hands the bytes to the hub, and does what the hub's outputs say.
//!
//! One turn: wait, read the clock once, accept, read a bounded number of bytes from every readable peer, let deadlines fire,
//! then write once per peer and close what is to be closed. What streams of sessions are told may wait for more of it, and comes behind all
//! answers. Both interests of a socket are registered once, edge-triggered: a peer with more to read stays on the ready list, and a peer whose
//! socket took less than all waits for the next writable event.
//!
//! # Example: the server inside a program
//! ```
//! use instep::config::Config;
//! use instep::net::Server;
//!
//! let config = Config { namespace: "N1".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
//! let mut server = Server::bind(config)?;
//! let address = server.local_addresses().next().expect("one listener");
//! let stopper = server.stopper();
//! let thread = std::thread::spawn(move || server.run());
//! assert!(std::net::TcpStream::connect(address).is_ok());
//! stopper.stop();
//! thread.join().expect("no panic")?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Example: inside another event loop
//! ```
//! # #[cfg(unix)] {
//! use std::os::fd::AsRawFd;
//! use std::time::Duration;
//! use instep::config::Config;
//! use instep::net::{Server, Turn};
//!
//! let config = Config { namespace: "N1".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
//! let mut server = Server::bind(config)?;
//! // Watch this descriptor for readability, at the latest until `next_wake_up`, then take a turn.
//! assert!(server.as_raw_fd() >= 0);
//! assert!(server.next_wake_up().is_none(), "an empty house sleeps");
//! assert_eq!(server.turn(Some(Duration::ZERO))?, Turn::Goes);
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

mod audit_log;
mod below;
mod channels;
mod clock;
mod dial;
mod door;
mod feed;
mod file;
mod gathering;
#[cfg(not(feature = "internals"))]
mod host;
#[cfg(feature = "internals")]
pub mod host;
#[cfg(not(feature = "internals"))]
mod keys;
#[cfg(feature = "internals")]
pub mod keys;
#[cfg(feature = "ledger")]
mod ledger_file;
#[cfg(all(feature = "ledger", feature = "daemon"))]
mod ledger_look;
#[cfg(all(feature = "ledger", not(feature = "internals")))]
mod ledger_thread;
#[cfg(all(feature = "ledger", feature = "internals"))]
pub mod ledger_thread;
mod linger;
#[cfg(feature = "daemon")]
mod look;
#[cfg(not(feature = "internals"))]
mod modes;
#[cfg(feature = "internals")]
pub mod modes;
#[cfg(feature = "daemon")]
mod notify;
mod open;
mod passed;
#[cfg(not(feature = "internals"))]
mod queue;
#[cfg(feature = "internals")]
pub mod queue;
mod recordings;
mod resolve;
#[cfg(all(feature = "ledger", feature = "daemon"))]
mod restore;
mod rules;
mod secrets;
mod server;
mod signals;
mod stopper;
#[cfg(feature = "daemon")]
mod supervisor;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod token;
mod vitals;
mod wire;
mod writer;

pub use feed::{Fed, Feed, FeedError};
#[cfg(feature = "daemon")]
pub use passed::Passed;
#[cfg(all(feature = "ledger", feature = "daemon"))]
pub use restore::restore_state;
pub use server::Server;
#[cfg(all(feature = "daemon", unix))]
pub use signals::{OnHangup, when_asked_to_end};
pub use stopper::{Stopper, Turn};
#[cfg(feature = "daemon")]
pub use supervisor::Supervisor;
#[cfg(feature = "internals")]
pub use wire::ASKED_UNTIL_NOTHING;
#[cfg(feature = "internals")]
pub use writer::{Outcome, Outcomes};
