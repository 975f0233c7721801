//! One WebSocket: what its client says, and how it ends. On most it means nothing but that the client lives; from a viewer come the bytes of its
//! dialect, which are kept until they make a request.

use crate::http::websocket::decoder::{Decoder, Step};
use crate::http::websocket::fault::{INTERNAL, INVALID, NORMAL, POLICY, RESTART, TOO_LONG, UNSUPPORTED};
use crate::http::websocket::frame::{CONTROL_BYTES_MAX, Control, Kind};
use crate::hub::cause::Cause;
use crate::hub::events::Parting;
use crate::hub::keys::PeerKey;
use crate::hub::peers::{Peer, PeerTimer, Peers};
use crate::limits::{
    RING_RESERVE_BYTES, WEBSOCKET_CLOSE_MS, WEBSOCKET_MESSAGE_BYTES_MAX, WEBSOCKET_PIECE_BYTES, WEBSOCKET_PING_MS,
    WEBSOCKET_REQUESTS_BYTES_MAX, WEBSOCKET_SILENT_MS,
};
use crate::time::{Span, Tick};

const _: () = assert!(WEBSOCKET_PIECE_BYTES > 14 + CONTROL_BYTES_MAX, "a control frame is looked at whole");

/// What a connection's bytes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Came {
    /// At least so many more are needed.
    Need(usize),
    /// So many are dealt with.
    Used(usize),
    /// The connection is read no more.
    Over,
}

/// The code and the words by which a stream ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Farewell<'a> {
    pub(super) code: u16,
    pub(super) reason: &'a str,
}

impl Farewell<'static> {
    /// The process ends, and may begin anew: the client is to come back.
    pub(super) const RESTART: Self = Self { code: RESTART, reason: "the server stops" };
    /// Whoever is at the other end may not hear this any more.
    pub(in crate::hub) const FORBIDDEN: Self = Self { code: POLICY, reason: "not permitted" };
    /// The client says what nobody hears.
    const TALKS: Self = Self { code: NORMAL, reason: "this stream is not for sending" };
    /// A viewer says what is no bytes.
    const WRITES: Self = Self { code: UNSUPPORTED, reason: "requests of viewers are binary" };

    /// What a guest is told that parts from its session.
    pub(super) const fn of(why: Parting) -> Self {
        let (code, reason) = match why {
            Parting::Resigned => (NORMAL, "resigned"),
            Parting::Replaced => (NORMAL, "another stream of the same client has taken its place"),
            Parting::Silent => (NORMAL, "removed as inactive"),
            Parting::Deleted => (NORMAL, "the session was deleted"),
            Parting::Forbidden => (POLICY, Self::FORBIDDEN.reason),
            Parting::Slow => (INTERNAL, "too slow: the session has more for this client than there is room for"),
        };
        Self { code, reason }
    }
}

impl<'a> Farewell<'a> {
    /// The stream leads nowhere.
    pub(in crate::hub) const fn nowhere(reason: &'a str) -> Self {
        Self { code: UNSUPPORTED, reason }
    }

    /// What a viewer says cannot be read on.
    pub(in crate::hub) const fn unreadable(reason: &'a str, is_too_long: bool) -> Self {
        Self { code: if is_too_long { TOO_LONG } else { INVALID }, reason }
    }
}

/// What a viewer has said that is no whole request yet.
#[derive(Debug, Default)]
struct Said {
    bytes: Vec<u8>,
    /// Nobody has looked at the end of it.
    is_new: bool,
}

/// A WebSocket.
#[derive(Debug)]
pub(super) struct Stream {
    decoder: Decoder,
    /// CLOSE was sent, so nothing else may be.
    is_closed: bool,
    /// Silence before this is not counted: it was we who did not read, or the client who had enough to take.
    excused: Tick,
    /// None where it is not a viewer's.
    said: Option<Box<Said>>,
}

impl Stream {
    pub(super) fn new(now: Tick, is_viewer: bool) -> Self {
        Self { decoder: Decoder::default(), is_closed: false, excused: now, said: is_viewer.then(Box::default) }
    }

    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.said.as_ref().map_or(0, |said| said.bytes.len())
    }

    // ---- In ----

    /// Looks at what `buffer` begins with.
    pub(super) fn next(&mut self, peers: &mut Peers, key: PeerKey, buffer: &[u8]) -> Came {
        // No more is kept at a time than what is then looked at.
        let (limit, message_bytes_max) = match self.said {
            Some(_) => (WEBSOCKET_PIECE_BYTES, WEBSOCKET_REQUESTS_BYTES_MAX),
            None => (buffer.len(), WEBSOCKET_MESSAGE_BYTES_MAX),
        };
        let (front, before) = (buffer.get(..limit).unwrap_or(buffer), self.bytes());
        let keep = |piece: &[u8]| {
            if let Some(said) = &mut self.said {
                said.bytes.extend_from_slice(piece);
            }
        };
        match self.decoder.next(front, message_bytes_max, keep) {
            Ok(Step::Need(n)) => Came::Need(n),
            Ok(Step::Skip { len } | Step::Pong { len }) => Came::Used(len),
            Ok(Step::Message { len, kind: Kind::Binary, .. }) => {
                if self.has_said(peers, before) {
                    return Came::Used(len);
                }
                peers.close(key, Cause::Memory);
                Came::Over
            }
            Ok(Step::Message { len, kind: Kind::Text, .. }) => {
                let Some(said) = &mut self.said else {
                    self.close(peers, key, Farewell::TALKS);
                    return Came::Used(len);
                };
                said.bytes.truncate(before);
                self.break_off(peers, key, Farewell::WRITES, Cause::Undecodable);
                Came::Over
            }
            Ok(Step::Ping { len, payload }) => {
                // Who does not take what waits gets no more of this on top.
                if peers.get(key).is_some_and(|peer| peer.waiting() < RING_RESERVE_BYTES) {
                    self.say(peers, key, &Control::pong(payload));
                }
                Came::Used(len)
            }
            Ok(Step::Close { code, .. }) => {
                self.say_last(peers, key, &Control::closed(code), true);
                peers.finish(key, Cause::Answered);
                Came::Over
            }
            Err(fault) => {
                if let Some(said) = &mut self.said {
                    said.bytes.truncate(before);
                }
                if peers.may_log()
                    && let Some(peer) = peers.get(key)
                {
                    log::debug!("{}: {fault}", peer.remote);
                }
                let (code, reason) = (fault.code(), &fault.to_string());
                self.break_off(peers, key, Farewell { code, reason }, Cause::Answered);
                Came::Over
            }
        }
    }

    /// What a viewer has said is longer than `before`. Whether there is memory for it.
    fn has_said(&mut self, peers: &mut Peers, before: usize) -> bool {
        let Some(said) = &mut self.said else { return true };
        let more = said.bytes.len() - before;
        if !peers.pool.charge_leaving_room(more) {
            said.bytes.truncate(before);
            return false;
        }
        said.is_new |= more > 0;
        true
    }

    /// Whether it is a viewer's.
    pub(super) const fn is_viewer(&self) -> bool {
        self.said.is_some()
    }

    /// Lends what a viewer has said, if there is anything new in it.
    pub(super) fn lend(&mut self) -> Option<Vec<u8>> {
        self.said.as_mut().filter(|said| said.is_new).map(|said| core::mem::take(&mut said.bytes))
    }

    /// Takes it back, less what was dealt with; `is_new`: it is to be looked at once more.
    pub(super) fn put_back(&mut self, bytes: Vec<u8>, is_new: bool) {
        if let Some(said) = &mut self.said {
            **said = Said { bytes, is_new };
        }
    }

    // ---- Out ----

    /// A control frame, unless nothing may follow any more.
    fn say(&self, peers: &mut Peers, key: PeerKey, frame: &Control) {
        if !self.is_closed {
            peers.send_parts(key, &frame.parts());
        }
    }

    /// The last frame, behind all that waits; or `at_once`, since its client has done with us.
    fn say_last(&mut self, peers: &mut Peers, key: PeerKey, frame: &Control, at_once: bool) {
        if core::mem::replace(&mut self.is_closed, true) {
            return;
        }
        if self.said.is_some() {
            peers.end_results(key, frame.parts().concat(), at_once);
        } else {
            peers.send_parts(key, &frame.parts());
        }
    }

    /// Says that it is over, and waits for its client to say so too.
    pub(super) fn close(&mut self, peers: &mut Peers, key: PeerKey, farewell: Farewell<'_>) {
        if self.is_closed {
            return;
        }
        self.say_last(peers, key, &Control::close(farewell.code, farewell.reason), false);
        peers.set_peer_timer(key, PeerTimer::Life, Span(WEBSOCKET_CLOSE_MS));
    }

    /// Says that it is over, and reads no more.
    pub(super) fn break_off(&mut self, peers: &mut Peers, key: PeerKey, farewell: Farewell<'_>, cause: Cause) {
        self.say_last(peers, key, &Control::close(farewell.code, farewell.reason), false);
        peers.finish(key, cause);
    }

    // ---- Deadlines ----

    /// Sets the first deadline.
    pub(super) fn begin(peers: &mut Peers, key: PeerKey) {
        peers.set_peer_timer(key, PeerTimer::Life, Span(WEBSOCKET_PING_MS));
    }

    /// Its deadline has come: it is asked for a sign of life, or has given none, or has not ended although told to.
    pub(super) fn late(&mut self, peers: &mut Peers, key: PeerKey) {
        if self.is_closed {
            peers.finish(key, Cause::Answered);
            return;
        }
        let now = peers.now;
        let Some(peer) = peers.get(key) else { return };
        let is_busy = peer.held.is_some() || !peer.is_drained();
        if self.said.is_some() && is_busy {
            // Who takes nothing of what waits is closed for that.
            self.excused = now;
        }
        if now.since(peer.last_heard.max(self.excused)) >= Span(WEBSOCKET_SILENT_MS) {
            peers.close(key, Cause::Silent);
            return;
        }
        // Who has bytes to take that it does not take is asked by them.
        if peers.get(key).is_some_and(Peer::is_drained) {
            self.say(peers, key, &Control::ping());
        }
        peers.set_peer_timer(key, PeerTimer::Life, Span(WEBSOCKET_PING_MS));
    }
}
