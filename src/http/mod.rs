//! HTTP/1.1 and 1.0 from the server's side, and WebSocket upon it, as machines that are fed with bytes.
//!
//! Owns the [`requests`] of one connection, what stands in a [`head`] and its [`target`], the bodies with their [`chunks`], [`media`] types
//! and [`multipart`] forms, the [`answer`], and who may ask what from where: [`origin`]s and the [`forwarded`] fields of proxies.
//! [`websocket`] takes over when a connection changes to it. Must not know sockets, clocks, peers, paths or what a body means.
//!
//! # One connection
//! A client sends a head (request line, fields, an empty line), perhaps a body, and waits for the answer; then it may send the next request.
//! It may also send several at once: they are answered one after another. So whoever reads asks [`requests::Requests`] for the next step only
//! while no answer is outstanding, and leaves the rest where it is.
//!
//! A body has a length that the head tells, or comes in chunks with a length each. Neither is believed: bytes are counted as they come, room is
//! made for what is there, and what is over its limit is refused as soon as it is announced. Then the rest still has to be read for a while
//! ([`requests::Requests::pass_over`]): most clients write their whole body before they read, and lose the answer to it when the connection is
//! closed on them.
//!
//! # How strict
//! What two readers could understand differently is refused and ends the connection: fields over several lines, a blank before a colon, two
//! lengths, a length beside chunks. What real clients do and nobody can misread is taken: empty lines before a request, fields without a blank
//! behind the colon, unknown words in `Connection`, any `Host`.

pub mod answer;
pub mod chunks;
pub mod credentials;
pub mod forwarded;
pub mod head;
pub mod media;
pub mod method;
pub mod multipart;
pub mod origin;
pub mod refusal;
pub mod requests;
pub mod target;
pub mod websocket;
