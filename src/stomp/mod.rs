//! STOMP 1.0, 1.1 and 1.2 from the server's side, as machines that are fed with bytes.
//!
//! Owns the [`frame`]s that clients send and their [`command`]s, what is agreed upon in [`connect`], the frames that go back ([`reply`]), and
//! the [`selector`] by which a subscriber says what it wants. Must not know sockets, clocks, peers, destinations or what a body means.
//!
//! A frame is a command, lines with a name and a value, an empty line, a body, and a zero byte. The versions differ in how values are
//! escaped, and agree on what follows from that: a line is split at its first colon. Between frames there may be line ends, which are signs of life.
//!
//! # What clients of the field need
//! The oldest of them were written by trial against one broker, and what they send and expect is here as it is, not as it should be: a blank behind the
//! colon, header lines without one, no version in CONNECT; a line end behind every frame of ours, two for a sign of life to those who name no host, and a content
//! length without a blank.

pub mod command;
pub mod connect;
pub mod fault;
pub mod frame;
pub mod reply;
pub mod selector;
pub mod version;
