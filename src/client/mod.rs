//! A LECO client: what a Component needs to live in a network of Coordinators, of instep's or of pyleco's.
//!
//! [`Client`] blocks, each call with a timeout. [`Machine`] is the same without sockets and clock, for an event loop of your own; it is
//! made as [`crate::hub::Hub`] is, with doors for bytes and time. Both connect as a ZMTP DEALER, sign in, ask, answer and notify, send and take
//! binary messages, give signs of life, and after a lost connection come back under the same name: ZMTP 3.1 by RFC 37, LECO by its message layer,
//! control protocol and method lists (`sign_in`, `sign_out`, `pong`).
//!
//! Where a Coordinator asks who somebody is, [`Options::keys`] shows keys and has all encrypted (CURVE), and [`Options::login`] shows a token (PLAIN).
//!
//! Owns one connection's worth of LECO from the Component's side. Must not know the hub, or what a session or the Manager means by
//! its messages. Only `blocking` touches sockets and the clock.
//!
//! # Example: without sockets
//! ```
//! use instep::client::{Event, Machine, Options, Output, Start};
//! use instep::time::Tick;
//!
//! let start = Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 };
//! let mut machine = Machine::new("CA", Options::new(), start)?;
//! // A loop does what it is asked for, and reports.
//! assert_eq!(machine.poll_output(), Some(Output::Connect));
//! machine.handle_connected(Tick(3));
//! // It sends what waits, feeds what comes, takes what has happened, and looks in again when a deadline passes.
//! let waiting = machine.unsent().len();
//! assert!(waiting > 64, "the greeting of ZMTP, and what we are");
//! machine.sent(waiting);
//! machine.handle_bytes(Tick(4), b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL");
//! assert_eq!(machine.poll_timeout(), Some(Tick(5003)));
//! machine.handle_timeout(Tick(5003));
//! assert!(matches!(machine.poll_event(), Some(Event::Lost { .. })), "it takes too long to greet");
//! assert_eq!(machine.poll_output(), Some(Output::Close));
//! assert!(machine.poll_timeout() >= Some(Tick(5103)), "another attempt comes after a pause");
//! # Ok::<(), instep::client::Error>(())
//! ```
//!
//! # Example: two Components
//! ```
//! use std::time::Duration;
//! use instep::client::{Client, Event, Options};
//! use instep::config::Config;
//! use instep::net::Server;
//! use serde_json::{Value, json};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { namespace: "N1".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
//! let mut server = Server::bind(config)?;
//! let address = server.local_addresses().next().expect("one listener").to_string();
//! let stopper = server.stopper();
//! let server = std::thread::spawn(move || server.run());
//!
//! // One answers for as long as it is asked.
//! const SOON: Duration = Duration::from_secs(5);
//! let mut adder = Client::connect(&address, "adder", Options::new())?;
//! let adding = std::thread::spawn(move || {
//!     while let Ok(Some(Event::Request(call, reply))) = adder.receive(SOON) {
//!         let sum: i64 = call.params.as_array().into_iter().flatten().filter_map(Value::as_i64).sum();
//!         adder.answer(reply, Ok(&json!(sum)))?;
//!         if sum == 0 {
//!             break;
//!         }
//!     }
//!     adder.sign_out(SOON)
//! });
//!
//! // The other asks it, and its Coordinator.
//! let mut client = Client::connect(&address, "CA", Options::new())?;
//! assert_eq!(client.full_name(), "N1.CA");
//! assert_eq!(client.ask("adder", "add", &json!([1, 2]), SOON)?, json!(3));
//! let names = client.ask("COORDINATOR", "send_local_components", &Value::Null, SOON)?;
//! assert_eq!(names, json!(["adder", "CA"]));
//! assert_eq!(client.ask("N1.adder", "add", &Value::Null, SOON)?, json!(0));
//! client.sign_out(SOON)?;
//! # adding.join().expect("no panic")?;
//! # stopper.stop();
//! # server.join().expect("no panic")?;
//! # Ok(())
//! # }
//! ```

#[cfg(not(feature = "internals"))]
mod blocking;
#[cfg(feature = "internals")]
pub mod blocking;
#[cfg(feature = "internals")]
pub mod channel;
mod error;
mod event;
mod identity;
mod ids;
mod keys;
mod line;
mod machine;
mod message;
mod options;
mod outbox;
mod questions;
mod state;

pub use blocking::{Client, now, start};
pub use error::{Error, ErrorObject, Loss, Stage};
pub use event::Event;
pub use keys::Keys;
pub use machine::{Machine, Output};
#[cfg(feature = "internals")]
pub use message::encode;
pub use message::{Call, Conversation, Message, Reply};
pub use options::{Options, Start};

pub use crate::leco::message::{TYPE_C2SIM, TYPE_JSON, TYPE_UNDEFINED};
pub use crate::zmtp::{Fault, Mechanism, SocketType};
