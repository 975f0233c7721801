//! Requests over HTTP: each is found its owner, who is lent what it needs.
//!
//! A request is read whole, dealt with when its connection has its turn, and answered before the next one on it is looked at.

use core::net::SocketAddr;

use serde_json::json;

use crate::c2sim::state::State;
use crate::counters::Reading;
use crate::hub::Hub;
use crate::hub::coordinator::Coordinator;
use crate::hub::front::Asked as Receiver;
use crate::hub::halt::Halt;
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::peers::{For, Peer, Work};
use crate::hub::sessions::GuestId;
use crate::hub::web::{Asked, Came, Pulse, Reply, Route, file, home, nowhere, openapi};
use crate::limits::WEB_STEPS_PER_TURN;

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Served {
    /// It is answered now; behind that the session has more to tell.
    Now(Reply, Option<SessionKey>),
    /// The answer comes once a change is durable.
    Later,
    /// It must wait for a session.
    Busy(SessionKey),
    /// It waits already.
    Held,
    /// It gets a WebSocket: for this, or one that leads nowhere.
    Stream(Result<(SessionKey, GuestId), String>),
    /// It gets a WebSocket on which it is a viewer, who is shown as one at this address.
    Viewer(SocketAddr),
    /// It gets none.
    Denied,
    /// It is a call of us, or of a session.
    Call(Receiver),
    /// It is told events, from the one behind this number.
    Feed(Option<u64>),
}

impl From<Reply> for Served {
    fn from(reply: Reply) -> Self {
        Self::Now(reply, None)
    }
}

impl Hub {
    /// Deals with the requests at the front of `buffer`.
    pub(in crate::hub) fn walk_web(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let (mut used, mut steps) = (0, 0);
        if !buffer.is_empty() {
            self.sessions.stream_heard(&self.peers, key);
        }
        let halt = loop {
            if !self.peers.get(key).is_some_and(Peer::is_open) {
                return (used, Halt::Gone);
            }
            match self.hear_viewer(key) {
                Some(Halt::Gone) => return (used, Halt::Gone),
                Some(halt) => break halt,
                None => {}
            }
            if let Some(bytes) = self.web.whole(key) {
                if self.peers.has_passage(key) {
                    // The answer before it is large, and still on its way.
                    self.peers.wait(key, For::Ring(key));
                    break Halt::Held;
                }
                if !self.peers.may_serve(key, bytes, self.peers.config.ring_bytes_max / 2) {
                    break Halt::Held;
                }
                self.peers.spend(Work::Call);
                if self.serve(key) {
                    continue;
                }
                break Halt::Held;
            }
            match self.web.next(&mut self.peers, key, buffer.get(used..).unwrap_or_default()) {
                Came::Need(n) => break Halt::Need(n),
                Came::Used(len) => {
                    used += len;
                    // Tiny frames and chunks cost as much as large ones.
                    steps += 1;
                    if steps == WEB_STEPS_PER_TURN {
                        self.peers.wait(key, For::Turn);
                        break Halt::Held;
                    }
                }
                Came::Over => return (used, Halt::Gone),
            }
        };
        self.web.set_deadline(&mut self.peers, key);
        (used, halt)
    }

    /// There is room in the ring of a peer: what waits for it goes on.
    pub(in crate::hub) fn has_room(&mut self, peer: PeerKey) {
        self.web.has_room(&mut self.peers, peer);
        self.channels.has_room(&mut self.peers, peer);
        self.sessions.notices_go_on(&mut self.peers, peer);
    }

    /// Deals with the request at hand; `false` if its connection waits.
    fn serve(&mut self, key: PeerKey) -> bool {
        let Some(asked) = self.web.lend(key) else { return true };
        let served = self.respond(key, &asked);
        self.web.put_back(&mut self.peers, key, asked);
        match served {
            Served::Now(reply, owes) => {
                self.peers.spend(Work::Answer(reply.body.len()));
                self.web.answer(&mut self.peers, key, &reply);
                if let Some(session) = owes {
                    self.tell_owed(session);
                }
            }
            Served::Stream(outcome) => {
                self.web.upgrade(&mut self.peers, key, false);
                self.stream_begins(key, outcome);
            }
            Served::Viewer(remote) => {
                self.web.upgrade(&mut self.peers, key, true);
                self.viewer_begins(key, remote);
            }
            Served::Denied => self.web.deny(&mut self.peers, key),
            Served::Later => self.peers.wait(key, For::Answer),
            Served::Busy(session) => self.peers.wait(key, For::Session(session)),
            Served::Held => {}
            Served::Feed(since) => self.web.begin_feed(&mut self.peers, key, since),
            Served::Call(receiver) => {
                self.begin_over_web(key, receiver);
                // What of it is not answered now is when it can be.
                if self.web.whole(key).is_some() && self.peers.get(key).is_some_and(|peer| peer.held.is_none()) {
                    self.peers.wait(key, For::Answer);
                }
            }
        }
        self.peers.get(key).is_none_or(|peer| peer.held.is_none())
    }

    fn respond(&mut self, key: PeerKey, asked: &Asked) -> Served {
        if let Some(refused) = self.refused_over_web(key, asked) {
            return refused.into();
        }
        let reply = match &asked.route {
            Route::Sessions => self.sessions_over_web(asked),
            Route::Create(name) => return self.create_over_web(key, asked, name),
            Route::Session(name, action) => return self.serve_session(key, asked, name, *action),
            Route::Stream(name) => return self.serve_stream(key, asked, name),
            Route::Viewer if asked.upgrade.is_err() => return Served::Denied,
            Route::Viewer => return Served::Viewer(asked.remote),
            Route::Task(task) => return self.serve_task(key, asked, *task),
            Route::Home => home(asked),
            Route::File(wanted) => file(asked, wanted),
            Route::Health => self.health(),
            Route::Metrics => self.metrics(),
            Route::OpenApi => openapi(),
            Route::OpenRpc => self.openrpc(),
            Route::Events if !self.web.has_room_for_feed() => {
                Reply::text(503, "too many clients are told events already").with("Retry-After", "10")
            }
            Route::Events => {
                let since = || asked.value("since").and_then(|text| text.parse().ok());
                return Served::Feed(asked.heard.or_else(since));
            }
            Route::Rpc => return Served::Call(Receiver::Coordinator),
            Route::RpcAt(name) => return self.call_over_web(key, asked, name),
            Route::Cleanup | Route::Options => Reply::bare(200),
            Route::Foreign => Reply::text(403, "a page of another server may only look (http_origins)"),
            Route::Misled => {
                Reply::text(403, "this server has no such name (http_external, or trusted_proxies for a proxy)")
            }
            Route::OnlyBy(methods) => Reply::text(405, &format!("this takes {methods}")).with("Allow", *methods),
            Route::Malformed => Reply::text(400, "malformed escape in the path"),
            Route::UnknownOfApi => Self::unknown_over_web(asked),
            Route::Unknown => nowhere(asked),
        };
        reply.into()
    }

    /// Whether the process is well: it is, unless what it is told to keep cannot be kept, or a turn of the loop has lately kept everybody waiting.
    fn health(&self) -> Reply {
        let why = if self.sessions.cannot_keep() {
            "what sessions are to keep could not be written (state_dir)"
        } else if self.turns.is_overdue(self.peers.now) {
            "a turn of the loop has taken more than a second within the last ten"
        } else {
            return Reply::json(200, format!("{{\"status\":\"UP\",\"timestamp\":{}}}", self.peers.unix_ms()));
        };
        Reply::json(503, json!({"status": "DOWN", "timestamp": self.peers.unix_ms(), "reason": why}).to_string())
    }

    /// Every number, in the words of Prometheus.
    fn metrics(&self) -> Reply {
        self.web.metrics((&self.peers.counters, &self.readings(), &self.pulse()), self.sessions.documents())
    }

    /// How the process fares.
    fn pulse(&self) -> Pulse {
        let count = |state: &State| self.sessions.iter().filter(|(_, session)| session.state() == *state).count();
        Pulse {
            turns: self.turns,
            vitals: self.vitals.at(self.peers.now),
            began_unix_ms: self.peers.began_unix_ms(),
            sessions: State::ALL.iter().map(|state| (state.name(), count(state))).collect(),
        }
    }

    /// What there is now.
    fn readings(&self) -> [Reading; 12] {
        let [connections, components, ring_bytes, partial_bytes, data_bytes] =
            Coordinator::readings(&self.peers, &self.names);
        [
            connections,
            components,
            Reading::new("nodes", "other nodes known", self.names.nodes.iter().count()),
            Reading::new("sessions", "shared sessions", self.sessions.iter().count()),
            Reading::new("session_members", "members of all sessions", self.sessions.members_of_all()),
            Reading::new("providers", "providers open", self.manager.providers_open()),
            Reading::new("viewers", "viewers connected", self.manager.viewers_connected()),
            Reading::new(
                "session_lag",
                "events that the member that is furthest behind has not followed",
                self.sessions.lag(),
            ),
            Reading::new("event_clients", "clients that are told what happens", self.web.feeds()),
            ring_bytes,
            partial_bytes,
            data_bytes,
        ]
    }
}
