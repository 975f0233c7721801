//! WebSocket (RFC 6455) from the server's side: what a connection becomes when its request for that is granted.
//!
//! Owns the opening [`handshake`], the [`decoder`] of what clients send, with the check of its text ([`utf8`]), and the [`frame`]s that go back.
//! Must not know what the messages mean: any dialect of messages or of a byte stream may lie upon it. The other end is told the [`fault`] for
//! which a connection ends.
//!
//! A message is one frame or several, text or binary; between them may lie control frames: PING, which is answered by PONG with the same
//! payload, and CLOSE, which is answered by CLOSE, behind which nothing comes. What a client sends is masked with four bytes of its choice.

pub mod decoder;
pub mod fault;
pub mod frame;
pub mod handshake;
pub mod utf8;
