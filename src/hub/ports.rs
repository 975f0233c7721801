//! Controllers and viewers at their ports: MsgPack requests taken apart, functions called, answers sent.
//!
//! The coat of MsgPack over the functions of `manager` and over the sessions. A controller whose request waits for a session is not read
//! meanwhile: it has nothing else to say.

use serde_json::Value;

use crate::c2sim::state::{Options, Trigger};
use crate::control::envelope::Shape;
use crate::control::framing::{self, Frame};
use crate::control::reply::Reply;
use crate::control::request::{self, Call, NewSession, ReplyTo, Request, SessionRef};
use crate::control::{self, viewer};
use crate::leco::rpc::RpcError;
use crate::limits::{CONTROL_REQUEST_BYTES_MAX, OWN_BYTES_PER_TURN, OWN_PER_TURN};
use crate::store::ring::Refused;
use crate::time::Span;

use super::flow::Said;
use super::keep::Party;
use super::manager::{Batch, ProviderRow, SessionRow, ViewerRow, chosen, these};
use super::peer::Held;
use super::serve::Answer;
use super::session::{Author, SessionKey, Wish};
use super::{Cause, Halt, Hub, Outcome, PeerKey};

impl Hub {
    // ---- The control port ----

    /// Deals with the requests at the front of `buffer`.
    pub(super) fn walk_control(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let mut used = 0;
        loop {
            if !self.peers.get(key).is_some_and(super::Peer::is_open) {
                return (used, Halt::Gone);
            }
            let rest = buffer.get(used..).unwrap_or_default();
            let (header, body) = match framing::scan(rest, CONTROL_REQUEST_BYTES_MAX) {
                Ok(Frame::Need(n)) => return (used, Halt::Need(n)),
                Ok(Frame::Whole { header_len, body_len }) => (header_len, body_len),
                Err(error) => {
                    self.refuse_stream(key, error);
                    return (used, Halt::Gone);
                }
            };
            self.first_request(key);
            if self.own_in_turn >= OWN_PER_TURN || self.own_bytes_in_turn >= OWN_BYTES_PER_TURN {
                // As with Components: others come first, then it goes on.
                if let Some(peer) = self.peers.get_mut(key) {
                    peer.held = Some(Held::Turn);
                }
                self.yielded.push(key);
                return (used, Halt::Held);
            }
            // A function changes things, so there must be room for its answer first, which may be a long list.
            if self.peers.get(key).is_some_and(|peer| peer.ring.len() > self.config.ring_bytes_max / 2)
                && self.hold_for_answer(key, key, Refused::Full) == Outcome::Held
            {
                return (used, Halt::Held);
            }
            self.own_in_turn += 1;
            self.own_bytes_in_turn += body;
            match self.control_call(key, rest.get(header..header + body).unwrap_or_default()) {
                Called::Answered => used += header + body,
                Called::Later => {
                    used += header + body;
                    self.hold_for_session(key);
                    return (used, Halt::Held);
                }
                Called::Busy => {
                    self.hold_for_session(key);
                    return (used, Halt::Held);
                }
            }
            self.counters.control_requests += 1;
        }
    }

    /// The stream cannot be read on: says so, then closes.
    fn refuse_stream(&mut self, key: PeerKey, error: control::Error) {
        let mut out = Vec::new();
        Reply::failure(&mut out, ReplyTo { id: 0, shape: Shape::Beside }, &error);
        self.send_plain(key, &out);
        self.note_error(&format!("a controller was cut off: {error}"));
        self.finish(key, Cause::Undecodable);
    }

    /// Queues bytes for a peer that does not speak ZMTP.
    pub(super) fn send_plain(&mut self, key: PeerKey, bytes: &[u8]) {
        let bytes_max = self.config.ring_bytes_max + crate::limits::RING_RESERVE_BYTES;
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.ring.push(&[bytes], bytes_max, &mut self.pool).is_ok() {
            self.want_flush(key);
        } else {
            self.close(key, Cause::Memory);
        }
    }

    /// A controller's next request waits for a session: it has nothing else to be read for.
    fn hold_for_session(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.held = Some(Held::Session);
        }
    }

    fn control_call(&mut self, key: PeerKey, body: &[u8]) -> Called {
        let Call { to, version, request } = request::decode(body);
        if !version.is_ours() {
            self.note_error("a controller speaks another version of the protocol");
        }
        let mut out = core::mem::take(&mut self.reply);
        out.clear();
        let mut fatal = false;
        let mut called = Called::Answered;
        match request {
            Ok(Request::Trigger { session, trigger, at }) => {
                called = self.control_trigger(key, to, session, trigger, at, &mut out);
            }
            Ok(Request::CreateSession(wanted)) => called = self.control_create(key, to, &wanted, &mut out),
            Ok(request) => self.control_function(key, to, request, &mut out),
            Err(error) => {
                fatal = error.is_fatal();
                self.note_error(&format!("a controller's request was refused: {error}"));
                Reply::failure(&mut out, to, &error);
            }
        }
        if called == Called::Answered {
            self.send_plain(key, &out);
        }
        out.shrink_to(crate::limits::RING_RESERVE_BYTES);
        self.reply = out;
        if fatal {
            self.finish(key, Cause::Undecodable);
        }
        self.announce_afterwards(None);
        called
    }

    /// Function 205: a controller pulls a trigger. It has no name to join with; that it may control is its right to do so.
    fn control_trigger(
        &mut self,
        key: PeerKey,
        to: ReplyTo,
        session: SessionRef<'_>,
        trigger: &str,
        at: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Called {
        let found = match session {
            SessionRef::Id(id) => self.session_of_id(id),
            SessionRef::Name(name) => self.session_named(name),
        };
        let Some(session) = found else {
            let reason = match session {
                SessionRef::Id(id) => self.no_such("session", id, self.next_session),
                SessionRef::Name(name) => format!("there is no session '{name}'"),
            };
            self.note_error(&reason);
            let code = crate::c2sim::code::Code::SharedSessionNotFound.name();
            Reply::begin(out, to, false).message(&reason).code(code).finish();
            return Called::Answered;
        };
        let Some(trigger) = Trigger::from_word(trigger) else {
            self.control_failure(out, to, &format!("argument trigger: there is no trigger '{trigger}'"));
            return Called::Answered;
        };
        // Controllers and the line of requests take turns, see `serve_queue`.
        if self.sessions.get(session).is_some_and(|session| session.is_busy(false)) {
            return self.wait_for_session(session, key);
        }
        let remote = self.peers.get(key).map_or_else(String::new, |peer| peer.remote.to_string());
        let author = Author { by: format!("controller {remote}").into(), system: "CONTROLLER".into() };
        let said = self.pull(session, &author, trigger, at);
        self.control_said(key, to, session, said, out)
    }

    /// Function 206: a controller makes a session.
    fn control_create(&mut self, key: PeerKey, to: ReplyTo, wanted: &NewSession<'_>, out: &mut Vec<u8>) -> Called {
        let word = |word: Option<&str>| word.map(str::to_owned);
        let options = Options::KEYS.into_iter().zip(wanted.options);
        let wish = Wish {
            name: wanted.name.to_owned(),
            schema: word(wanted.schema),
            title: word(wanted.display_name),
            text: word(wanted.description),
            provider: wanted.provider,
            options: options.filter_map(|(key, word)| Some((key, word?.to_owned()))).collect(),
        };
        let said = self.create_session(&wish, false);
        match self.session_named(&wish.name) {
            Some(session) => self.control_said(key, to, session, said, out),
            None => {
                let reason =
                    if let Said::Now(Err((error, data))) = said { sentence(error, &data) } else { String::new() };
                self.control_failure(out, to, &reason);
                Called::Answered
            }
        }
    }

    fn control_said(
        &mut self,
        key: PeerKey,
        to: ReplyTo,
        session: SessionKey,
        said: Said,
        out: &mut Vec<u8>,
    ) -> Called {
        match said {
            Said::Now(answer) => {
                self.write_control_answer(out, to, session, answer);
                Called::Answered
            }
            Said::Later(session) => {
                if let Some(pending) = self.sessions.get_mut(session).and_then(|session| session.pending.as_mut()) {
                    pending.party = Party::Control { peer: key, to };
                }
                Called::Later
            }
            Said::Busy(session) => self.wait_for_session(session, key),
        }
    }

    fn wait_for_session(&mut self, session: SessionKey, key: PeerKey) -> Called {
        if let Some(session) = self.sessions.get_mut(session)
            && !session.controllers.contains(&key)
        {
            session.controllers.push(key);
        }
        Called::Busy
    }

    fn write_control_answer(&mut self, out: &mut Vec<u8>, to: ReplyTo, session: SessionKey, answer: Answer) {
        match answer {
            Ok(answer) => {
                let found = self.sessions.get(session);
                let (id, state, seq) = found.map_or((0, "", 0), |found| (found.id, found.state().name(), found.seq));
                let seq = answer.get("seq").and_then(Value::as_u64).unwrap_or(seq);
                let rows = self.session_rows(&Some(vec![id]));
                let infos = rows.iter().map(SessionRow::info);
                Reply::begin(out, to, true).session(Some(id)).state(state, seq).sessioninfo(infos).finish();
            }
            Err((error, data)) => {
                let reason = sentence(error, &data);
                self.note_error(&reason);
                let reply = Reply::begin(out, to, false).message(&reason);
                match data.get("code").and_then(Value::as_str) {
                    Some(code) => reply.code(code).finish(),
                    None => reply.finish(),
                };
            }
        }
    }

    fn control_function(&mut self, key: PeerKey, to: ReplyTo, request: Request<'_>, out: &mut Vec<u8>) {
        match request {
            Request::Exit => match self.exit(key) {
                Ok(()) => {
                    Reply::begin(out, to, true).finish();
                }
                Err(reason) => {
                    Reply::failure(out, to, &reason);
                }
            },
            Request::Errors => {
                Reply::begin(out, to, true).errors(self.errors.iter().map(String::as_str)).finish();
            }
            Request::Manager => {
                let version = Self::manager_version();
                Reply::begin(out, to, true).manager(self.manager_info(&version)).finish();
            }
            Request::Providers(which) => {
                let rows = self.provider_rows(&chosen(which));
                Reply::begin(out, to, true).providerinfo(rows.iter().map(ProviderRow::info)).finish();
            }
            Request::Viewers(which) => {
                let rows = self.viewer_rows(&chosen(which));
                Reply::begin(out, to, true).viewerinfo(rows.iter().map(ViewerRow::info)).finish();
            }
            Request::Sessions(which) => {
                let rows = self.session_rows(&chosen(which));
                Reply::begin(out, to, true).sessioninfo(rows.iter().map(SessionRow::info)).finish();
            }
            Request::Open(wanted) => match self.open_provider(wanted) {
                Ok(id) => {
                    let rows = self.provider_rows(&Some(vec![id]));
                    let infos = rows.iter().map(ProviderRow::info);
                    Reply::begin(out, to, true).provider(id).providerinfo(infos).finish();
                }
                Err(reason) => self.control_failure(out, to, &reason),
            },
            Request::Close(ids) => {
                let ids: Vec<i64> = ids.collect();
                let outcome = self.close_providers(&ids).outcome();
                self.control_outcome(out, to, outcome);
            }
            Request::Disconnect(ids) => {
                let ids: Vec<i64> = ids.collect();
                let outcome = self.disconnect_viewers(&ids).outcome();
                self.control_outcome(out, to, outcome);
            }
            Request::Refresh(which) => {
                let batch = self.refresh_providers(&chosen(which));
                let outcome = batch.outcome();
                let reply = Reply::begin(out, to, outcome.is_ok()).provider_list(batch.done.iter().copied());
                match &outcome {
                    Ok(()) => {
                        reply.finish();
                    }
                    Err(reason) => {
                        reply.message(reason).finish();
                    }
                }
            }
            // They may have to wait for a session, and are dealt with before.
            Request::Trigger { .. } | Request::CreateSession(_) => {}
            Request::Connect(connections) => {
                let several = connections.total() > 1;
                let mut batch = Batch::default();
                for (provider, viewer) in connections {
                    match self.connect_viewer(provider, viewer) {
                        Ok(session) => batch.done.push(session),
                        Err(reason) => batch.fail(reason),
                    }
                }
                let outcome = batch.outcome();
                if let Err(reason) = &outcome {
                    self.note_error(reason);
                }
                let rows = self.session_rows(&these(batch.done.clone()));
                let reply = Reply::begin(out, to, outcome.is_ok());
                let reply = match (several, batch.done.first()) {
                    (true, _) => reply.session_list(batch.done.iter().copied()),
                    (false, first) => reply.session(first.copied()),
                };
                let reply = reply.sessioninfo(rows.iter().map(SessionRow::info));
                match &outcome {
                    Ok(()) => {
                        reply.finish();
                    }
                    Err(reason) => {
                        reply.message(reason).finish();
                    }
                }
            }
        }
    }

    /// Answers a controller whose request has waited for a session.
    pub(super) fn answer_control(&mut self, peer: PeerKey, to: ReplyTo, key: SessionKey, answer: Answer) {
        let mut out = Vec::new();
        self.write_control_answer(&mut out, to, key, answer);
        self.send_plain(peer, &out);
    }

    fn control_outcome(&mut self, out: &mut Vec<u8>, to: ReplyTo, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                Reply::begin(out, to, true).finish();
            }
            Err(reason) => self.control_failure(out, to, &reason),
        }
    }

    fn control_failure(&mut self, out: &mut Vec<u8>, to: ReplyTo, reason: &str) {
        self.note_error(reason);
        Reply::failure(out, to, &reason);
    }

    pub(super) fn exit(&mut self, key: PeerKey) -> Result<(), &'static str> {
        let local = self.peers.get(key).is_some_and(super::Peer::is_local);
        if !local && !self.config.remote_admin {
            return Err("Exit is not permitted from another machine (remote_admin)");
        }
        log::info!("Exit was called");
        self.house(super::expire::House::Goodbye, Span(0));
        Ok(())
    }

    // ---- The viewer port ----

    /// Deals with a viewer's requests at the front of `buffer`.
    pub(super) fn walk_viewer(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let mut used = 0;
        loop {
            if !self.peers.get(key).is_some_and(super::Peer::is_open) {
                return (used, Halt::Gone);
            }
            let waits = |peer: &super::Peer| peer.viewer.as_ref().is_some_and(|viewer| viewer.is_behind_with_answers());
            if self.peers.get(key).is_some_and(waits) && self.hold_for_answer(key, key, Refused::Full) == Outcome::Held
            {
                return (used, Halt::Held);
            }
            let rest = buffer.get(used..).unwrap_or_default();
            let decoded = match framing::scan(rest, CONTROL_REQUEST_BYTES_MAX) {
                Ok(Frame::Need(n)) => return (used, Halt::Need(n)),
                Ok(Frame::Whole { header_len, body_len }) => {
                    used += header_len + body_len;
                    self.first_request(key);
                    viewer::decode(rest.get(header_len..header_len + body_len).unwrap_or_default())
                }
                Err(error) => Err(error),
            };
            match decoded {
                Ok(request) => self.viewer_request(key, request),
                Err(error) => {
                    let text = error.to_string();
                    let head = viewer::Head { request: viewer::Bits::NONE, message: &text, result: false, time: 0 };
                    self.tell(key, head, &[]);
                    self.note_error(&format!("a viewer's request was refused: {error}"));
                    if error.is_fatal() {
                        self.finish(key, Cause::Undecodable);
                        return (used, Halt::Gone);
                    }
                }
            }
        }
    }
}

/// What became of a controller's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    /// Its answer is on the way.
    Answered,
    /// Its answer comes once a change is durable.
    Later,
    /// It must be looked at again once the session is not busy any more.
    Busy,
}

/// A refusal in one line.
fn sentence(error: RpcError, data: &Value) -> String {
    let Some(code) = data.get("code").and_then(Value::as_str) else {
        return data.as_str().map_or_else(|| error.message.to_owned(), str::to_owned);
    };
    let reason = data.get("reason").and_then(Value::as_str).unwrap_or(error.message);
    let details = data.get("details").and_then(Value::as_object);
    let details: Vec<String> = details
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    if details.is_empty() { format!("{reason} ({code})") } else { format!("{reason} ({code}: {})", details.join(", ")) }
}
