//! One WebSocket: what its client says, which means nothing but that it lives, and how it ends.

use crate::http::websocket::decoder::{Decoder, Step};
use crate::http::websocket::fault::{INTERNAL, NORMAL, RESTART, UNSUPPORTED};
use crate::http::websocket::frame::{Control, Kind};
use crate::hub::cause::Cause;
use crate::hub::events::Parting;
use crate::hub::keys::PeerKey;
use crate::hub::peers::{PeerTimer, Peers};
use crate::limits::{
    RING_RESERVE_BYTES, WEBSOCKET_CLOSE_MS, WEBSOCKET_MESSAGE_BYTES_MAX, WEBSOCKET_PING_MS, WEBSOCKET_SILENT_MS,
};
use crate::time::{Span, Tick};

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
    /// The client says what nobody hears.
    const TALKS: Self = Self { code: NORMAL, reason: "this stream is not for sending" };

    /// What a guest is told that parts from its session.
    pub(super) const fn of(why: Parting) -> Self {
        let (code, reason) = match why {
            Parting::Resigned => (NORMAL, "resigned"),
            Parting::Replaced => (NORMAL, "another stream of the same client has taken its place"),
            Parting::Silent => (NORMAL, "removed as inactive"),
            Parting::Deleted => (NORMAL, "the session was deleted"),
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
}

/// A WebSocket.
#[derive(Debug, Default)]
pub(super) struct Stream {
    decoder: Decoder,
    /// CLOSE was sent, so nothing else may be.
    is_closed: bool,
}

impl Stream {
    /// Looks at what `buffer` begins with.
    pub(super) fn next(&mut self, peers: &mut Peers, key: PeerKey, buffer: &[u8]) -> Came {
        match self.decoder.next(buffer, WEBSOCKET_MESSAGE_BYTES_MAX, |_| {}) {
            Ok(Step::Need(n)) => Came::Need(n),
            Ok(Step::Skip { len } | Step::Message { len, kind: Kind::Binary, .. } | Step::Pong { len }) => {
                Came::Used(len)
            }
            Ok(Step::Message { len, kind: Kind::Text, .. }) => {
                self.close(peers, key, Farewell::TALKS);
                Came::Used(len)
            }
            Ok(Step::Ping { len, payload }) => {
                // Who does not take what waits gets no more of this on top.
                if peers.get(key).is_some_and(|peer| peer.waiting() < RING_RESERVE_BYTES) {
                    self.say(peers, key, &Control::pong(payload));
                }
                Came::Used(len)
            }
            Ok(Step::Close { code, .. }) => {
                self.say(peers, key, &Control::closed(code));
                self.is_closed = true;
                peers.finish(key, Cause::Answered);
                Came::Over
            }
            Err(fault) => {
                if peers.may_log()
                    && let Some(peer) = peers.get(key)
                {
                    log::debug!("{}: {fault}", peer.remote);
                }
                let reason = fault.to_string();
                self.say(peers, key, &Control::close(fault.code(), &reason));
                self.is_closed = true;
                peers.finish(key, Cause::Answered);
                Came::Over
            }
        }
    }

    /// A control frame, unless nothing may follow any more.
    fn say(&self, peers: &mut Peers, key: PeerKey, frame: &Control) {
        if !self.is_closed {
            peers.send_parts(key, &frame.parts());
        }
    }

    /// Says that it is over, and waits for its client to say so too.
    pub(super) fn close(&mut self, peers: &mut Peers, key: PeerKey, farewell: Farewell<'_>) {
        if self.is_closed {
            return;
        }
        self.say(peers, key, &Control::close(farewell.code, farewell.reason));
        self.is_closed = true;
        peers.set_peer_timer(key, PeerTimer::Life, Span(WEBSOCKET_CLOSE_MS));
    }

    /// Sets the first deadline.
    pub(super) fn begin(peers: &mut Peers, key: PeerKey) {
        peers.set_peer_timer(key, PeerTimer::Life, Span(WEBSOCKET_PING_MS));
    }

    /// Its deadline has come: it is asked for a sign of life, or has given none, or has not ended although told to.
    pub(super) fn late(&self, peers: &mut Peers, key: PeerKey) {
        if self.is_closed {
            peers.finish(key, Cause::Answered);
            return;
        }
        let heard = peers.get(key).map_or(Tick(0), |peer| peer.last_heard);
        if peers.now.since(heard) >= Span(WEBSOCKET_SILENT_MS) {
            peers.close(key, Cause::Silent);
            return;
        }
        // Who has bytes to take that it does not take is asked by them.
        if peers.get(key).is_some_and(|peer| peer.waiting() == 0) {
            self.say(peers, key, &Control::ping());
        }
        peers.set_peer_timer(key, PeerTimer::Life, Span(WEBSOCKET_PING_MS));
    }
}
