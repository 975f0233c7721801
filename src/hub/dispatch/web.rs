//! Requests over HTTP: each is found its owner, who is lent what it needs.
//!
//! A request is read whole, dealt with when its connection has its turn, and answered before the next one on it is looked at.

use crate::counters::Reading;
use crate::hub::Hub;
use crate::hub::coordinator::Coordinator;
use crate::hub::keys::PeerKey;
use crate::hub::peers::{Peer, Work};
use crate::hub::turn::Halt;
use crate::hub::web::{Came, Reply, Route, home, metrics};

impl Hub {
    /// Deals with the requests at the front of `buffer`.
    pub(in crate::hub) fn walk_web(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let mut used = 0;
        let halt = loop {
            if !self.peers.get(key).is_some_and(Peer::is_open) {
                return (used, Halt::Gone);
            }
            if let Some(bytes) = self.web.whole(key) {
                if !self.peers.may_serve(key, bytes, self.peers.config.ring_bytes_max / 2) {
                    break Halt::Held;
                }
                self.peers.spend(Work::Call);
                self.serve(key);
                continue;
            }
            match self.web.next(&mut self.peers, key, buffer.get(used..).unwrap_or_default()) {
                Came::Need(n) => break Halt::Need(n),
                Came::Used(len) => used += len,
                Came::Over => return (used, Halt::Gone),
            }
        };
        self.web.set_deadline(&mut self.peers, key);
        (used, halt)
    }

    /// Answers the request at hand.
    fn serve(&mut self, key: PeerKey) {
        let Some(asked) = self.web.asked(key) else { return };
        let reply = match asked.route {
            Route::Home => home(&String::from_utf8_lossy(&self.names.full_name), &self.readings()),
            Route::Health => self.health(),
            Route::Metrics => metrics(&self.peers.counters, &self.readings()),
            Route::Options => Reply::bare(200),
            Route::Foreign => Reply::text(403, "a page of another server may only look (http_origins)"),
            Route::Malformed => Reply::text(400, "malformed escape in the path"),
            Route::Unknown => Reply {
                status: 404,
                media_type: "text/html; charset=utf-8",
                body: b"<!DOCTYPE html>\n<title>not found</title>\n<p>There is no such page. <a href=\"/\">Home</a>\n"
                    .into(),
            },
        };
        self.peers.spend(Work::Answer(reply.body.len()));
        self.web.answer(&mut self.peers, key, &reply);
    }

    /// Whether the process is well: it is, unless what it is told to keep cannot be kept.
    fn health(&self) -> Reply {
        let (status, word) = if self.sessions.cannot_keep() { (503, "DOWN") } else { (200, "UP") };
        let body = format!("{{\"status\":\"{word}\",\"timestamp\":{}}}", self.peers.unix_ms());
        Reply { status, media_type: "application/json", body: body.into() }
    }

    /// What there is now.
    fn readings(&self) -> [Reading; 9] {
        let [connections, components, ring_bytes, partial_bytes, data_bytes] =
            Coordinator::readings(&self.peers, &self.names);
        [
            connections,
            components,
            Reading::new("nodes", "other nodes known", self.names.nodes.iter().count()),
            Reading::new("sessions", "shared sessions", self.sessions.iter().count()),
            Reading::new("session_members", "members of all sessions", self.sessions.members_of_all()),
            Reading::new("providers", "providers open", self.manager.providers_open()),
            ring_bytes,
            partial_bytes,
            data_bytes,
        ]
    }
}
