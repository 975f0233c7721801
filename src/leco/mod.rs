//! The LECO control protocol: names, addresses, messages, JSON-RPC, the routing verdict, the directory and what is known of other nodes.
//!
//! Owns the meaning of a message's frames. Must not know ZMTP framing, connections beyond an opaque key, sockets or clocks.
//!
//! A message has a version frame, receiver, sender, a 20-byte header (conversation id, message id, type) and any number of
//! payload frames. A Component signs in at its Coordinator under a name; the Coordinator routes by the receiver's name,
//! answers for itself under the name COORDINATOR, and shares its directory with the Coordinators of other nodes.

pub mod address;
pub mod directory;
pub mod json;
pub mod listing;
pub mod message;
pub mod methods;
pub mod multicast;
pub mod name;
pub mod nodes;
pub mod route;
pub mod rpc;

/// The port of a Coordinator when nothing else is said.
pub const DEFAULT_PORT: u16 = 12300;
