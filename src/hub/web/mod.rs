//! Connections that speak HTTP: what each is in the middle of, who may ask from where, and how answers are put into words.
//!
//! Owns the machine of each connection and the request at hand, from its head to its answer. What a request asks for is found out by others,
//! who name the connection by its peer's key. It must not know sessions, Components or any other owner.

mod command;
mod connection;
mod feed;
mod metrics;
mod page;
mod reply;
mod route;
mod session;
mod stream;
mod tally;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;

use crate::config::Config;
use crate::counters::{Counters, Reading};
use crate::http::answer::{self, Answer, Date, Transfer};
use crate::http::chunks::{self, Chunked};
use crate::http::forwarded::{Network, Seen};
use crate::http::head::Head;
use crate::http::origin::{Access, Origins, is_own_host};
use crate::http::refusal::Refusal;
use crate::http::requests::{Phase, Step};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_CHUNK_BYTES_MAX, HTTP_DROP_MS, HTTP_HEAD_MS, HTTP_IDLE_MS};
use crate::store::beside::Beside;
use crate::store::shared::{SharedBytes, Waiting};
use crate::time::Span;

use super::cause::Cause;
use super::events::Parting;
use super::keys::{OfPeers, PeerKey};
use super::peers::{Loan, PeerTimer, Peers, Role, is_loopback};
use super::tally::DocumentTally;

pub(super) use command::{Command, Standing, Task, duplicate, multiple_is, probe, unknown_command};
pub(super) use connection::Asked;
pub(super) use metrics::Pulse;
pub(super) use page::{file, home, nowhere, openapi};
pub(super) use reply::{Body, Reply};
pub(super) use route::{Action, Route};
pub(super) use session::{
    Described, described, joining, no_client_id, not_permitted, refused, resigning, shown_name, too_long, unauthorized,
    unreadable,
};
pub(super) use stream::{Came, Farewell};

use connection::{Connection, log_in};
use feed::Feeds;
use stream::Stream;
use tally::Requests;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// All connections of this kind. See the module's documentation.
#[derive(Debug)]
pub(super) struct Web {
    connections: Beside<OfPeers, Connection>,
    /// Those that have become WebSockets, and are none of requests any more.
    streams: Beside<OfPeers, Stream>,
    origins: Origins,
    proxies: Vec<Network>,
    prefix: String,
    /// Bodies on their way that others keep.
    lent: Waiting,
    /// Those on which events are told.
    feeds: Feeds,
    requests: Requests,
    /// Scratch for answers.
    out: Vec<u8>,
}

impl Web {
    /// What the configuration says has been checked.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            connections: Beside::default(),
            streams: Beside::default(),
            origins: Origins::of(config.http_origins.iter().map(String::as_str)).unwrap_or_default(),
            proxies: config.trusted_proxies.iter().filter_map(|text| Network::parse(text)).collect(),
            prefix: config.http_prefix.trim_end_matches('/').to_owned(),
            lent: Waiting::default(),
            feeds: Feeds::new(&format!("{}.COORDINATOR", config.namespace)),
            requests: Requests::default(),
            out: Vec::new(),
        }
    }

    /// A connection came in. Who was refused is held for a moment, but is none of ours.
    pub(super) fn came(&mut self, peers: &Peers, key: PeerKey) {
        if !peers.is_open(key) {
            return;
        }
        self.connections.insert(key, Box::new(Connection::new(peers.now)));
    }

    /// It is gone.
    pub(super) fn left(&mut self, peers: &mut Peers, key: PeerKey) {
        self.feeds.left(key);
        if let Some(stream) = self.streams.remove(key) {
            peers.pool.refund(stream.bytes());
        }
        if let Some(connection) = self.connections.remove(key) {
            peers.pool.refund(connection.bytes());
            if let Some(lent) = connection.lent {
                self.lent.remove(lent.place(), &mut peers.pool);
            }
        }
    }

    /// The connection that has been without a request for the longest time, from the same address as a newcomer if there is one: the first to go
    /// where there are too many.
    pub(super) fn longest_idle(&self, peers: &Peers, newcomer: SocketAddr) -> Option<PeerKey> {
        let idle = self.connections.iter().filter(|(key, connection)| connection.is_idle() && !self.feeds.has(*key));
        let is_other = |key: PeerKey| peers.get(key).is_none_or(|peer| peer.remote.ip() != newcomer.ip());
        idle.min_by_key(|(key, connection)| (is_other(*key), connection.since)).map(|(key, _)| key)
    }

    /// Bytes that all connections keep.
    pub(super) fn bytes(&self) -> usize {
        let of_streams: usize = self.streams.values().map(|stream| stream.bytes()).sum();
        self.connections.values().map(|connection| connection.bytes()).sum::<usize>() + of_streams + self.lent.bytes()
    }

    // ---- In ----

    /// Whether a whole request waits for its answer, and how many bytes its body has.
    pub(super) fn whole(&self, key: PeerKey) -> Option<usize> {
        let asked = self.connections.get(key)?.at_hand.as_ref()?;
        asked.is_whole.then_some(asked.body.len())
    }

    /// The request that waits for its answer.
    #[cfg(test)]
    pub(super) fn asked(&self, key: PeerKey) -> Option<&Asked> {
        self.connections.get(key)?.at_hand.as_deref().filter(|asked| asked.is_whole)
    }

    /// Lends the request that waits for its answer; it is to be [put back](Self::put_back).
    pub(super) fn lend(&mut self, key: PeerKey) -> Option<Box<Asked>> {
        self.connections.get_mut(key)?.at_hand.take_if(|asked| asked.is_whole)
    }

    pub(super) fn put_back(&mut self, peers: &mut Peers, key: PeerKey, asked: Box<Asked>) {
        match self.connections.get_mut(key) {
            Some(connection) => connection.at_hand = Some(asked),
            // It has ended meanwhile.
            None => peers.pool.refund(asked.body.len()),
        }
    }

    /// Looks at what `buffer`, the connection's bytes that are not dealt with yet, begins with.
    pub(super) fn next(&mut self, peers: &mut Peers, key: PeerKey, buffer: &[u8]) -> Came {
        let Some(connection) = self.connections.get_mut(key) else {
            return self.streams.get_mut(key).map_or(Came::Over, |stream| stream.next(peers, key, buffer));
        };
        if self.feeds.has(key) {
            // Nothing that comes behind the request means anything.
            return if buffer.is_empty() { Came::Need(1) } else { Came::Used(buffer.len()) };
        }
        match connection.requests.next(buffer) {
            Ok(Step::Need(n)) => Came::Need(n),
            Ok(Step::Skip { len }) => Came::Used(len),
            Ok(Step::Head { len, head }) => {
                self.head(peers, key, &head);
                Came::Used(len)
            }
            Ok(Step::Body { len, at, is_last }) => {
                let piece = buffer.get(at..len).unwrap_or_default();
                if connection.add(piece, is_last, &mut peers.pool) {
                    Came::Used(len)
                } else {
                    let reply = connection.no_memory();
                    self.answer_last(peers, key, &reply);
                    Came::Over
                }
            }
            Ok(Step::Passed { .. }) => {
                peers.finish(key, Cause::Answered);
                Came::Over
            }
            Err(Refusal::BodyTooLong) if connection.cuts_short() => {
                peers.pool.refund(connection.drop_body());
                let bytes_max = Route::Task(Task::Document).body_bytes_max(peers.config.document_bytes_max as u64);
                connection.requests.pass_over(bytes_max.saturating_mul(2));
                Came::Used(0)
            }
            Err(_) if connection.phase() == Phase::PassingOver => {
                // It was answered before.
                peers.finish(key, Cause::Answered);
                Came::Over
            }
            Err(refusal) => {
                self.refuse(peers, key, refusal);
                Came::Over
            }
        }
    }

    /// A head has come: what it asks for is found out, and whether it may.
    fn head(&mut self, peers: &mut Peers, key: PeerKey, head: &Head<'_>) {
        peers.first_request(key);
        let Some((remote, is_private)) = peers.get(key).map(|peer| (peer.remote, peer.is_private)) else { return };
        let target = head.target.without(&self.prefix);
        let seen = Seen::of(head, (remote.ip(), is_private), &self.proxies);
        if seen.client == Seen::ELSEWHERE && peers.may_log() {
            log::warn!(
                "a proxy on this machine is not in trusted_proxies: whoever asks through it counts as a stranger"
            );
        }
        let access = self.origins.judge(head, seen.host, head.lists("Upgrade", "websocket"));
        let mut route = Route::of(head.method, &target);
        if access == Access::Refused {
            route = Route::Foreign;
        } else if route.is_for_pages() && self.is_misled(peers, remote, head.target.host) {
            route = Route::Misled;
        }
        let document_bytes_max = peers.config.document_bytes_max;
        let mut bytes_max = route.body_bytes_max(document_bytes_max as u64);
        let Some(connection) = self.connections.get_mut(key) else { return };
        let mut asked = Asked::new(route, head, access, &seen, (remote, peers.now));
        asked.denied = log_in(peers, key, head, &seen).err();
        if !peers.users.is_off() && peers.user(key).is_none() {
            // It will be refused, whatever is in it.
            bytes_max = bytes_max.min(HTTP_BODY_BYTES_MAX);
        }
        if asked.prefix.is_empty() {
            asked.prefix = self.prefix.as_str().into();
        }
        if !peers.config.http_external.is_empty() {
            asked.authority = peers.config.http_external.as_str().into();
        }
        connection.at_hand = Some(Box::new(asked));
        match connection.requests.admit(bytes_max) {
            Ok(()) if head.expects_continue => peers.send_plain(key, CONTINUE),
            Ok(()) => {}
            Err(refusal) => {
                // It is read for a while, as its client may not read before all of it is sent.
                connection.requests.pass_over(bytes_max.saturating_mul(2));
                if refusal == Refusal::BodyTooLong && connection.cuts_short() {
                    return;
                }
                drop(connection.take(&mut peers.pool));
                self.say_refused(peers, key, refusal);
            }
        }
    }

    /// Whether a browser of this machine takes us for another server, which has made its name ours.
    fn is_misled(&self, peers: &Peers, remote: SocketAddr, host: &str) -> bool {
        let is_trusted = || self.proxies.iter().any(|network| network.contains(remote.ip()));
        let config = &peers.config;
        let known = [&config.host, &config.http_external].into_iter().chain(&config.http_origins).map(String::as_str);
        is_loopback(remote) && !is_own_host(host, known) && !is_trusted()
    }

    // ---- Out ----

    /// Answers the request at hand.
    pub(super) fn answer(&mut self, peers: &mut Peers, key: PeerKey, reply: &Reply) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(asked) = connection.take(&mut peers.pool) else { return };
        connection.since = peers.now;
        let Asked { terms, fields, route, is_too_long, method, since, remote, .. } = *asked;
        let large = reply.body.kept().filter(|body| !terms.is_head && body.len() >= peers.passage_bytes_min());
        let is_lent = large.is_some_and(|body| self.lent.add(body.place(), &mut peers.pool));
        let no_memory;
        let reply = if large.is_some() && !is_lent {
            no_memory = Reply::text(503, "no memory left for the answer").with("Retry-After", "1");
            &no_memory
        } else {
            connection.lent = large.cloned().map(Box::new);
            reply
        };
        peers.counters.http_requests += 1;
        peers.counters.http_refusals += u64::from(reply.status >= 400);
        self.requests.note((&route, method), reply.status, peers.now.since(since), remote.ip());
        let len = reply.body.len();
        let transfer = match route.wants_pieces() {
            true => Transfer::of(len, HTTP_CHUNK_BYTES_MAX, terms),
            false => Transfer::Fixed(len),
        };
        self.out.clear();
        let mut head = Answer::begin(&mut self.out, reply.status, terms, &Date::of(peers.unix_ms())).fields(&fields);
        for (name, value) in &reply.fields {
            head = head.field(name, value);
        }
        if reply.status == 204 {
            head.bare();
        } else if reply.body.is_empty() {
            head.nothing();
        } else {
            head.body(reply.media_type, transfer);
        }
        let body: &[u8] = if terms.is_head { &[] } else { &reply.body };
        if let Some(large) = large.filter(|_| is_lent) {
            self.send_kept(peers, key, large, transfer);
        } else if transfer == Transfer::Chunked && !terms.is_head {
            for (line, piece, end) in chunks::pieces(body) {
                self.out.extend([line.bytes(), piece, end].into_iter().flatten());
            }
            self.out.extend_from_slice(chunks::END);
            peers.send_plain(key, &self.out);
        } else {
            peers.send_parts(key, &[&self.out, body]);
        }
        // What is still passed over ends by itself.
        if !terms.keeps_alive && !is_too_long {
            peers.finish(key, Cause::Answered);
        }
    }

    /// Sends what is kept elsewhere behind the head of its answer, as the connection takes it.
    fn send_kept(&self, peers: &mut Peers, key: PeerKey, body: &SharedBytes, transfer: Transfer) {
        let chunked = (transfer == Transfer::Chunked).then(|| Chunked::of(body.len()));
        let has_end = chunked.is_some();
        if !peers.lend(key, &self.out, Loan { document: Some(body.clone()), chunked }) {
            peers.close(key, Cause::Memory);
            return;
        }
        peers.tell_of_room(key);
        if has_end {
            peers.send_plain(key, chunks::END);
        }
    }

    /// Some of what waited for a connection has left: what was lent to it may have.
    pub(super) fn has_room(&mut self, peers: &mut Peers, key: PeerKey) {
        self.feeds.has_room_again(key);
        let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.lent.is_some()) else {
            return;
        };
        if peers.has_loan(key) {
            peers.tell_of_room(key);
        } else if let Some(lent) = connection.lent.take() {
            self.lent.remove(lent.place(), &mut peers.pool);
        }
    }

    /// Answers and reads no more.
    fn answer_last(&mut self, peers: &mut Peers, key: PeerKey, reply: &Reply) {
        if let Some(asked) = self.connections.get_mut(key).and_then(|connection| connection.at_hand.as_mut()) {
            asked.terms.keeps_alive = false;
        }
        self.answer(peers, key, reply);
    }

    /// The request at hand is granted its WebSocket: from here on the connection is one.
    pub(super) fn upgrade(&mut self, peers: &mut Peers, key: PeerKey, is_viewer: bool) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(asked) = connection.take(&mut peers.pool) else { return };
        let Ok(accept) = asked.upgrade else { return };
        peers.counters.http_requests += 1;
        self.out.clear();
        accept.answer(&mut self.out);
        debug_assert!(!peers.has_loan(key), "an answer is still on its way");
        if let Some(lent) = connection.lent.take() {
            self.lent.remove(lent.place(), &mut peers.pool);
        }
        self.connections.remove(key);
        self.streams.insert(key, Box::new(Stream::new(peers.now, is_viewer)));
        peers.send_plain(key, &self.out);
        Stream::begin(peers, key);
    }

    /// A WebSocket is refused.
    pub(super) fn deny(&mut self, peers: &mut Peers, key: PeerKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(Asked { upgrade: Err(denial), terms, .. }) = connection.take(&mut peers.pool).map(|asked| *asked)
        else {
            return;
        };
        connection.since = peers.now;
        peers.counters.http_requests += 1;
        peers.counters.http_refusals += 1;
        self.out.clear();
        denial.answer(&mut self.out, terms, &Date::of(peers.unix_ms()));
        peers.send_plain(key, &self.out);
        if !terms.keeps_alive {
            peers.finish(key, Cause::Answered);
        }
    }

    // ---- Streams ----

    /// Whether this is a WebSocket.
    pub(super) fn is_stream(&self, key: PeerKey) -> bool {
        self.streams.has(key)
    }

    /// Lends what the viewer on a WebSocket has said, if there is anything new in it; it is to be [given back](Self::give_back).
    pub(super) fn lend_said(&mut self, key: PeerKey) -> Option<Vec<u8>> {
        self.streams.get_mut(key)?.lend()
    }

    /// Takes it back; `used` bytes of it were dealt with, and the rest is to be looked at again only if it `waits`, or when there is more of it.
    pub(super) fn give_back(&mut self, peers: &mut Peers, key: PeerKey, mut said: Vec<u8>, used: usize, waits: bool) {
        if used >= said.len() {
            peers.pool.refund(said.len());
            said = Vec::new();
        } else {
            peers.pool.refund(used);
            said.drain(..used);
        }
        match self.streams.get_mut(key) {
            Some(stream) => stream.put_back(said, waits),
            None => peers.pool.refund(said.len()),
        }
    }

    /// Ends a WebSocket with a word, since what came on it cannot be read on.
    pub(super) fn break_off(&mut self, peers: &mut Peers, key: PeerKey, farewell: Farewell<'_>) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.break_off(peers, key, farewell, Cause::Undecodable);
        }
    }

    /// Ends a WebSocket with a word.
    pub(super) fn end_stream(&mut self, peers: &mut Peers, key: PeerKey, farewell: Farewell<'_>) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.close(peers, key, farewell);
        }
    }

    /// The guest that a WebSocket is for has parted from it.
    pub(super) fn stream_over(&mut self, peers: &mut Peers, key: PeerKey, why: Parting) {
        self.end_stream(peers, key, Farewell::of(why));
        if why == Parting::Slow {
            // What it has not taken it never will, or too late.
            peers.finish(key, Cause::Notice);
        }
    }

    /// The process ends: every client is told to come back.
    pub(super) fn say_restart(&mut self, peers: &mut Peers) {
        for (key, stream) in self.streams.iter_mut() {
            stream.close(peers, key, Farewell::RESTART);
        }
    }

    /// What is spoken on a connection.
    pub(super) fn dialect(&self, key: PeerKey) -> &'static str {
        match self.streams.get(key) {
            _ if self.feeds.has(key) => "events",
            Some(stream) if stream.is_viewer() => "viewer",
            Some(_) => "websocket",
            None => "http",
        }
    }

    // ---- Events ----

    /// From here on the client is told events, from the one behind `since` where it has heard some before.
    pub(super) fn begin_feed(&mut self, peers: &mut Peers, key: PeerKey, since: Option<u64>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(mut asked) = connection.take(&mut peers.pool) else { return };
        peers.counters.http_requests += 1;
        asked.terms.keeps_alive = false;
        self.out.clear();
        Answer::begin(&mut self.out, 200, asked.terms, &Date::of(peers.unix_ms()))
            .fields(&asked.fields)
            .field("Cache-Control", "no-store")
            .field("X-Accel-Buffering", "no")
            .body("text/event-stream", Transfer::UntilClose);
        peers.send_plain(key, &self.out);
        self.feeds.begin(peers, key, since);
    }

    /// How many clients are told events.
    pub(super) fn feeds(&self) -> usize {
        self.feeds.len()
    }

    /// Whether one more client can be told events.
    pub(super) fn has_room_for_feed(&self) -> bool {
        self.feeds.has_room()
    }

    /// Whether something has happened that is to be told.
    #[inline]
    pub(super) fn has_news(&self, peers: &Peers) -> bool {
        self.feeds.has_news(&peers.news)
    }

    pub(super) fn tell_news(&mut self, peers: &mut Peers) {
        self.feeds.tell(peers);
    }

    // ---- Refusals ----

    /// What came cannot be read on.
    fn refuse(&mut self, peers: &mut Peers, key: PeerKey, refusal: Refusal) {
        drop(self.connections.get_mut(key).and_then(|connection| connection.take(&mut peers.pool)));
        self.say_refused(peers, key, refusal);
        peers.finish(key, Cause::Answered);
    }

    fn say_refused(&mut self, peers: &mut Peers, key: PeerKey, refusal: Refusal) {
        peers.counters.http_requests += 1;
        peers.counters.http_refusals += 1;
        if peers.may_log()
            && let Some(peer) = peers.get(key)
        {
            log::debug!("{}: {refusal}", peer.remote);
        }
        self.out.clear();
        answer::refuse(&mut self.out, refusal, &Date::of(peers.unix_ms()));
        peers.send_plain(key, &self.out);
    }

    /// Every number, in the words of Prometheus: ours, and of the documents that were taken and refused.
    pub(super) fn metrics(&self, ours: (&Counters, &[Reading], &Pulse), documents: &DocumentTally) -> Reply {
        // The one that asks for this has been lent to who answers it.
        let active = 1 + self.connections.values().filter(|connection| connection.at_hand.is_some()).count();
        metrics::metrics(ours, documents, (&self.requests, active))
    }

    // ---- Deadlines ----

    /// Sets the deadline for what comes next, if that is something else than before, or if any of it has come.
    pub(super) fn set_deadline(&mut self, peers: &mut Peers, key: PeerKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if self.feeds.has(key) {
            return;
        }
        if connection.is_answering() {
            // It is we who take our time.
            connection.waits_for = None;
            return;
        }
        let phase = connection.phase();
        let is_new = connection.waits_for.replace(phase) != Some(phase);
        let span = match phase {
            Phase::Idle => HTTP_IDLE_MS,
            Phase::Body => {
                if is_new {
                    connection.body_since = peers.now;
                }
                connection.body_pause(peers.now)
            }
            Phase::Head if is_new => HTTP_HEAD_MS,
            Phase::PassingOver if is_new => HTTP_DROP_MS,
            // From their beginning on.
            Phase::Head | Phase::PassingOver => return,
        };
        peers.set_peer_timer(key, PeerTimer::Life, Span(span));
    }

    /// What was to come has not.
    pub(super) fn late(&mut self, peers: &mut Peers, key: PeerKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.late(peers, key);
            return;
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        if self.feeds.has(key) {
            self.feeds.late(peers, key);
            return;
        }
        if connection.is_answering() {
            // It is we who take our time.
            return;
        }
        match connection.phase() {
            // The last answer is still on its way; who does not take it is closed for that.
            Phase::Idle if connection.lent.is_some() => {
                peers.set_peer_timer(key, PeerTimer::Life, Span(HTTP_IDLE_MS));
            }
            Phase::Idle => peers.close(key, Cause::Idle),
            Phase::PassingOver => peers.finish(key, Cause::Answered),
            Phase::Head | Phase::Body => self.refuse(peers, key, Refusal::TooSlow),
        }
    }

    // ---- Audit ----

    /// What must be true between any two calls: each connection is one of ours, and each of ours that is open is known here.
    pub(super) fn check(&self, peers: &Peers) -> Result<(), String> {
        let is_web = |key: &PeerKey| peers.get(*key).is_some_and(|peer| peer.role == Role::Web);
        if let Some(key) = self
            .connections
            .iter()
            .map(|(key, _)| key)
            .chain(self.streams.iter().map(|(key, _)| key))
            .find(|key| !is_web(key))
        {
            return Err(format!("{key:?} is remembered as a connection of HTTP and is none"));
        }
        let mut open = peers.iter().filter(|(_, peer)| peer.role == Role::Web && peer.is_open());
        match open.find(|(key, _)| self.connections.has(*key) == self.streams.has(*key)) {
            Some((key, _)) => Err(format!("{key:?} speaks HTTP and nobody remembers what")),
            None => Ok(()),
        }
    }
}
