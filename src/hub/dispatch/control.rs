//! Controllers at their port: MsgPack requests taken apart, functions called, answers sent.
//!
//! The coat of MsgPack over the functions of `manager` and over the sessions. A controller whose request waits for a session is not read
//! meanwhile: it has nothing else to say.

use serde_json::Value;

use crate::auth::{Action, Role, Target};
use crate::c2sim::state::{Options, Trigger};
use crate::control;
use crate::control::envelope::Shape;
use crate::control::framing::{self, Frame};
use crate::control::ids::Connections;
use crate::control::reply::Reply;
use crate::control::request::{self, Call, NewSession, ReplyTo, Request, SessionRef, Wanted};
use crate::leco::rpc::{RpcError, in_order};
use crate::limits::{CONTROL_DOCUMENT_BYTES_MAX, CONTROL_REQUEST_BYTES_MAX};

use super::access::action_of_trigger;
use super::connections::ConnectionRow;
use super::elsewhere;
use super::manager::{SessionRow, opening_of};
use crate::control::function::Function;
use crate::hub::Hub;
use crate::hub::call::{Answer, ReplyTo as AwaitedBy};
use crate::hub::cause::Cause;
use crate::hub::halt::Halt;
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::manager::{Batch, Manager, ProviderRow, ViewerRow, chosen, no_such, these};
use crate::hub::methods::{Method, Right};
use crate::hub::peers::{For, Peer, Work};
use crate::hub::sessions::{Aftermath, Author, Reading, Said, Wish, is_system};

/// What a nobody is told, and what is noted of it.
const STRANGER: &str = "this address needs a token (function 6)";
const TOKEN_NEEDED: &str = "a token is needed";

impl Hub {
    // ---- The control port ----

    /// Deals with the requests at the front of `buffer`.
    pub(in crate::hub) fn walk_control(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let mut used = 0;
        loop {
            if !self.peers.get(key).is_some_and(Peer::is_open) {
                return (used, Halt::Gone);
            }
            let rest = buffer.get(used..).unwrap_or_default();
            let (header, body) = match scan(rest) {
                Ok(Frame::Need(n)) => return (used, Halt::Need(n)),
                Ok(Frame::Whole { header_len, body_len }) => (header_len, body_len),
                Err(error) => {
                    self.refuse_stream(key, error);
                    return (used, Halt::Gone);
                }
            };
            self.peers.first_request(key);
            // A function changes things, so there must be room for its answer first, which may be a long list.
            if !self.peers.may_serve(key, body, self.peers.config.ring_bytes_max / 2) {
                return (used, Halt::Held);
            }
            self.peers.spend(Work::Call);
            match self.control_call(key, rest.get(header..header + body).unwrap_or_default()) {
                Called::Answered(_) => used += header + body,
                // It has nothing else to be read for.
                Called::Later => {
                    used += header + body;
                    self.peers.wait(key, For::Answer);
                    return (used, Halt::Held);
                }
                Called::Busy(session) => {
                    self.peers.wait(key, For::Session(session));
                    return (used, Halt::Held);
                }
            }
            self.peers.counters.control_requests += 1;
        }
    }

    /// The stream cannot be read on: says so, then closes.
    fn refuse_stream(&mut self, key: PeerKey, error: control::Error) {
        let mut out = Vec::new();
        Reply::failure(&mut out, ReplyTo { id: 0, shape: Shape::Beside }, &error);
        self.peers.send_plain(key, &out);
        if self.is_somebody(key) {
            self.peers.note_error(&format!("a controller was cut off: {error}"));
        }
        self.peers.finish(key, Cause::Undecodable);
    }

    fn control_call(&mut self, key: PeerKey, body: &[u8]) -> Called {
        let Call { to, version, request, unknown } = request::decode(body);
        let to = &Asked { to, remark: unknown.to_string() };
        if !version.is_ours() && self.is_somebody(key) {
            self.note_version(key, &version);
        }
        let mut out = core::mem::take(&mut self.front.reply);
        out.clear();
        let mut fatal = false;
        let mut called = Called::Answered(None);
        match request {
            Ok(Request::Authenticate { token }) => {
                let outcome = self.authenticate(key, token);
                fatal = outcome.is_err();
                to.answer(&mut out, outcome).finish();
            }
            Ok(request)
                if self.may_not_call(key, request.function()).is_some_and(|why| {
                    to.fail(&mut out, &why);
                    true
                }) => {}
            Ok(Request::Open(wanted)) => called = self.control_open(key, to, wanted, &mut out),
            Ok(Request::Trigger { session, trigger, at, system }) => {
                let action = Trigger::from_word(trigger).map_or(Action::Trigger, action_of_trigger);
                let right = (Function::Trigger, action);
                called = self.control_at_session(
                    key,
                    to,
                    (session, right),
                    system,
                    &mut out,
                    |hub, session, author, out| {
                        let Some(trigger) = Trigger::from_word(trigger) else {
                            hub.control_failure(out, to, &format!("argument trigger: there is no trigger '{trigger}'"));
                            return None;
                        };
                        Some(hub.sessions.pull(&mut hub.peers, &hub.names, session, author, trigger, at))
                    },
                );
            }
            Ok(Request::SendDocument { session, document, system }) => {
                let right = (Function::SendDocument, Action::Join);
                called =
                    self.control_at_session(key, to, (session, right), system, &mut out, |hub, session, author, _| {
                        let reading = Reading { user: hub.peers.user(key), ..Reading::default() };
                        Some(hub.sessions.hand_in(&mut hub.peers, &hub.names, session, author, document, reading))
                    });
            }
            Ok(Request::CreateSession(wanted)) => called = self.control_create(key, to, &wanted, &mut out),
            Ok(request) => {
                self.control_function(key, to, request, &mut out);
                self.drain_events();
            }
            Err(error) => {
                fatal = error.is_fatal();
                to.fail(&mut out, &self.why_refused(key, &error));
            }
        }
        if called == Called::Later && !to.remark.is_empty() {
            self.front.keep_remark(key, &to.remark);
        }
        self.peers.spend(Work::Answer(out.len()));
        if let Called::Answered(_) = called {
            self.peers.send_plain(key, &out);
        }
        out.shrink_to(crate::limits::RING_RESERVE_BYTES);
        self.front.reply = out;
        if fatal {
            self.peers.finish(key, Cause::Undecodable);
        }
        if let Called::Answered(Some(session)) = called {
            self.tell_owed(session);
        }
        called
    }

    /// A controller speaks another version: that is remarked on once.
    fn note_version(&mut self, key: PeerKey, version: &impl core::fmt::Display) {
        if let Some(peer) = self.peers.get_mut(key)
            && !core::mem::replace(&mut peer.has_other_version, true)
        {
            let line = format!("the controller at {} speaks another version of the protocol: {version}", peer.remote);
            self.peers.note_error(&line);
        }
    }

    /// What a controller is told of a request that makes no sense.
    fn why_refused(&mut self, key: PeerKey, error: &control::Error) -> String {
        if !self.is_somebody(key) {
            self.peers.note_stranger(key, "call", TOKEN_NEEDED);
            return STRANGER.to_owned();
        }
        self.peers.note_error(&format!("a controller's request was refused: {error}"));
        error.to_string()
    }

    /// Whether it is known who a controller is, or nobody is asked: errors of others are none that anybody here should read.
    fn is_somebody(&self, key: PeerKey) -> bool {
        self.peers.users.is_off() || self.peers.user(key).is_some()
    }

    /// Why a controller may not call a function, if it may not. The session that it is about is asked for later.
    fn may_not_call(&mut self, key: PeerKey, function: Function) -> Option<String> {
        let method = Method::of_function(function);
        let right = method.map(|method| method.right);
        if self.peers.users.is_off() {
            let is_elsewhere = right == Some(Right::Admin) && !self.may_administer_on(key);
            if let Some(method) = method.filter(|_| is_elsewhere) {
                let told = self.told_of_controller(key, method.name, "");
                self.audit_told(&told, Some(&elsewhere(function)));
            }
            return is_elsewhere.then(|| elsewhere(function));
        }
        if self.peers.user(key).is_none() {
            self.peers.note_stranger(key, function.name(), TOKEN_NEEDED);
            return Some(STRANGER.to_owned());
        }
        // A trigger is looked at by itself: some say something of a member and no more.
        let is_looked_at_later = matches!(function, Function::Trigger | Function::SendDocument);
        let action = if is_looked_at_later { Action::Join } else { right.and_then(Right::action)? };
        self.control_permit(key, function, action, Target::Nothing).err()
    }

    /// Whether a controller may call a function for this; why not, in words.
    fn control_permit(
        &mut self,
        key: PeerKey,
        function: Function,
        action: Action,
        target: Target<'_>,
    ) -> Result<(), String> {
        let Some(needs) = self.peers.lacks(key, action, target) else { return Ok(()) };
        let (error, data) = self.peers.forbid(key, function.name(), needs, target);
        Err(sentence(error, &data))
    }

    /// Function 101: a provider is opened, and its controller answered once that has succeeded or failed, if either is soon.
    fn control_open(&mut self, key: PeerKey, to: &Asked, wanted: Wanted<'_>, out: &mut Vec<u8>) -> Called {
        let asked_by = self.peers.asker(key);
        match self.manager.open_provider(&mut self.peers, wanted, asked_by) {
            Ok(id) => {
                let opener = AwaitedBy::Control { peer: key, envelope: to.to };
                self.manager.answer_later(&mut self.peers, id, opener);
                Called::Later
            }
            Err(why) => {
                self.control_failure(out, to, &why.reason());
                Called::Answered(None)
            }
        }
    }

    /// What there is to say to whoever had a provider opened is known.
    pub(in crate::hub) fn answer_open(&mut self, id: i64, opener: AwaitedBy) {
        let (peer, envelope) = match opener {
            AwaitedBy::Control { peer, envelope } => (peer, envelope),
            AwaitedBy::Request(waiting) => {
                let answer = self.opened(id);
                return self.go_on(waiting, Aftermath::plain(answer), None);
            }
            AwaitedBy::Nobody | AwaitedBy::Web { .. } | AwaitedBy::Topic { .. } => return,
        };
        let to = Asked { to: envelope, remark: self.front.take_remark(peer) };
        let rows = self.manager.provider_rows(&self.peers, &Some(vec![id]));
        let mut out = Vec::new();
        to.answer(&mut out, opening_of(&rows)).provider(id).providerinfo(rows.iter().map(ProviderRow::info)).finish();
        self.peers.send_plain(peer, &out);
        self.peers.resume(peer);
    }

    /// Functions 205 and 207: a controller does something in a session. It has no name to join with; that it may control is its right to do so.
    fn control_at_session(
        &mut self,
        key: PeerKey,
        to: &Asked,
        (session, right): (SessionRef<'_>, (Function, Action)),
        system: Option<&str>,
        out: &mut Vec<u8>,
        act: impl FnOnce(&mut Self, SessionKey, &Author, &mut Vec<u8>) -> Option<Said>,
    ) -> Called {
        let found = match session {
            SessionRef::Id(id) => self.sessions.of_id(id),
            SessionRef::Name(name) => self.sessions.named(name),
        };
        let Some(session) = found else {
            let reason = match session {
                SessionRef::Id(id) => no_such("session", id, id >= 1 && id < self.sessions.next_id()),
                SessionRef::Name(name) => format!("there is no session '{name}'"),
            };
            self.peers.note_error(&reason);
            let code = crate::c2sim::code::Code::SharedSessionNotFound.name();
            to.answer(out, Err(&reason)).code(code).finish();
            return Called::Answered(None);
        };
        let name = self.sessions.get(session).map_or_else(String::new, |session| session.name.clone());
        if let Err(why) = self.control_permit(key, right.0, right.1, Target::Session(&name)) {
            self.control_failure(out, to, &why);
            return Called::Answered(None);
        }
        if let Some(Err(why)) = system.map(is_system) {
            self.control_failure(out, to, &format!("argument system: {why}"));
            return Called::Answered(None);
        }
        // Controllers and the line of requests take turns, see `serve_line`.
        if self.sessions.get(session).is_some_and(|session| session.is_busy(false)) {
            return Called::Busy(session);
        }
        let remote = match self.peers.user_name(key) {
            "" => self.peers.get(key).map_or_else(String::new, |peer| peer.remote.to_string()),
            user => user.to_owned(),
        };
        let author = Author::of_controller(&remote, system, self.peers.doer(key));
        match act(self, session, &author, out) {
            Some(said) => self.control_said(key, to, session, said, out),
            None => Called::Answered(None),
        }
    }

    /// Function 206: a controller makes a session.
    fn control_create(&mut self, key: PeerKey, to: &Asked, wanted: &NewSession<'_>, out: &mut Vec<u8>) -> Called {
        let target = Target::Session(wanted.name);
        if let Err(why) = self.control_permit(key, Function::CreateSession, Action::MakeSession, target) {
            self.control_failure(out, to, &why);
            return Called::Answered(None);
        }
        let word = |word: Option<&str>| word.map(str::to_owned);
        let options = Options::KEYS.into_iter().zip(wanted.options);
        let wish = Wish {
            name: wanted.name.to_owned(),
            schema: word(wanted.schema),
            title: word(wanted.display_name),
            text: word(wanted.description),
            provider: wanted.provider,
            options: options.filter_map(|(key, word)| Some((key, word?.to_owned()))).collect(),
            asked_by: self.peers.asker(key).share,
        };
        let said = self.create_session(&wish, false);
        let told = self.told_of_controller(key, "create_session", &wish.name);
        self.audit_said(told, &said);
        match self.sessions.named(&wish.name) {
            Some(session) => self.control_said(key, to, session, said, out),
            None => {
                let reason = if let Said::Now(Aftermath { answer: Err((error, data)), .. }) = said {
                    sentence(error, &data)
                } else {
                    String::new()
                };
                self.control_failure(out, to, &reason);
                Called::Answered(None)
            }
        }
    }

    fn control_said(&mut self, key: PeerKey, to: &Asked, session: SessionKey, said: Said, out: &mut Vec<u8>) -> Called {
        match said {
            Said::Now(aftermath) => {
                let mut owes = None;
                let answer = self.conclude(aftermath, &mut owes).answer;
                self.write_control_answer(out, to, session, answer);
                Called::Answered(owes)
            }
            Said::Later(session) => {
                self.sessions.set_waiter(
                    &mut self.peers,
                    session,
                    AwaitedBy::Control { peer: key, envelope: to.to },
                    0,
                );
                Called::Later
            }
            Said::Busy(session) => Called::Busy(session),
        }
    }

    fn write_control_answer(&mut self, out: &mut Vec<u8>, to: &Asked, session: SessionKey, answer: Answer) {
        match answer {
            Ok(answer) => {
                let found = self.sessions.get(session);
                let (id, state, seq) = found.map_or((0, "", 0), |found| (found.id, found.state().name(), found.seq));
                let seq = answer.get("seq").and_then(Value::as_u64).unwrap_or(seq);
                let rows = self.session_rows(&Some(vec![id]));
                let infos = rows.iter().map(SessionRow::info);
                let mut reply = to.answer(out, Ok(())).session(Some(id)).state(state, seq);
                if let Some(at) = answer.get("effective_at").and_then(Value::as_u64) {
                    reply = reply.effective_at(at);
                }
                if to.to.id == Function::SendDocument.id() {
                    let [kind, tracking] =
                        ["kind", "trackingId"].map(|key| answer.get(key).and_then(Value::as_str).unwrap_or_default());
                    reply = reply.document(kind, tracking);
                }
                reply.sessioninfo(infos).finish();
            }
            Err((error, data)) => {
                let reason = sentence(error, &data);
                self.peers.note_error(&reason);
                let reply = to.answer(out, Err(&reason));
                match data.get("code").and_then(Value::as_str) {
                    Some(code) => reply.code(code).finish(),
                    None => reply.finish(),
                };
            }
        }
    }

    fn control_function(&mut self, key: PeerKey, to: &Asked, request: Request<'_>, out: &mut Vec<u8>) {
        match request {
            Request::Exit => {
                let told = self.told_of_controller(key, "exit", "");
                self.audit_told(&told, None);
                self.exit();
                to.answer(out, Ok(())).finish();
            }
            Request::Errors => {
                to.answer(out, Ok(())).errors(self.peers.journal.errors()).finish();
            }
            Request::Connections => {
                let rows = self.connection_rows();
                to.answer(out, Ok(())).connectioninfo(rows.iter().map(ConnectionRow::info)).finish();
            }
            Request::Manager => {
                let version = Manager::version();
                to.answer(out, Ok(())).manager(self.manager_info(&version)).finish();
            }
            Request::Providers(which) => {
                let rows = self.manager.provider_rows(&self.peers, &chosen(which));
                to.answer(out, Ok(())).providerinfo(rows.iter().map(ProviderRow::info)).finish();
            }
            Request::Viewers(which) => {
                let rows = self.manager.viewer_rows(&chosen(which));
                to.answer(out, Ok(())).viewerinfo(rows.iter().map(ViewerRow::info)).finish();
            }
            Request::Sessions(which) => {
                let rows = self.listed_sessions(&chosen(which));
                to.answer(out, Ok(())).sessioninfo(rows.iter().map(SessionRow::info)).finish();
            }
            Request::Close(ids) => {
                let ids: Vec<i64> = ids.collect();
                let outcome = self.manager.close_providers(&mut self.peers, &ids).outcome();
                self.control_outcome(out, to, outcome);
            }
            Request::Disconnect(ids) => {
                let ids: Vec<i64> = ids.collect();
                let outcome = self.manager.disconnect_viewers(&self.peers, &ids).outcome();
                self.control_outcome(out, to, outcome);
            }
            Request::Refresh(which) => {
                let batch = self.manager.refresh_providers(&mut self.peers, &chosen(which));
                let outcome = batch.outcome();
                let outcome = outcome.as_ref().copied().map_err(String::as_str);
                to.answer(out, outcome).provider_list(batch.done.iter().copied()).finish();
            }
            // They may have to wait, and are dealt with before.
            Request::Authenticate { .. }
            | Request::Open(_)
            | Request::Trigger { .. }
            | Request::CreateSession(_)
            | Request::SendDocument { .. } => {}
            Request::Connect(connections) => self.control_connect(to, connections, out),
        }
    }

    /// Function 201: viewers are brought into the sessions of providers.
    fn control_connect(&mut self, to: &Asked, connections: Connections<'_>, out: &mut Vec<u8>) {
        let several = connections.are_several();
        let mut batch = Batch::default();
        for (provider, viewer) in connections {
            match self.connect_viewer(provider, viewer) {
                Ok(session) => batch.done.push(session),
                Err(reason) => batch.fail(reason),
            }
        }
        let outcome = batch.outcome();
        if let Err(reason) = &outcome {
            self.peers.note_error(reason);
        }
        let sessions = these(batch.done.clone());
        let rows = self.session_rows(&sessions);
        let reply = to.answer(out, outcome.as_ref().copied().map_err(String::as_str));
        let reply = match (several, batch.done.first()) {
            (true, _) => reply.session_list(sessions.into_iter().flatten()),
            (false, first) => reply.session(first.copied()),
        };
        reply.sessioninfo(rows.iter().map(SessionRow::info)).finish();
    }

    /// Answers a controller whose request has waited for a session.
    pub(in crate::hub) fn answer_control(&mut self, peer: PeerKey, to: ReplyTo, key: SessionKey, answer: Answer) {
        let mut out = Vec::new();
        let to = &Asked { to, remark: self.front.take_remark(peer) };
        self.write_control_answer(&mut out, to, key, answer);
        self.peers.send_plain(peer, &out);
    }

    fn control_outcome(&mut self, out: &mut Vec<u8>, to: &Asked, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                to.answer(out, Ok(())).finish();
            }
            Err(reason) => self.control_failure(out, to, &reason),
        }
    }

    fn control_failure(&mut self, out: &mut Vec<u8>, to: &Asked, reason: &str) {
        self.peers.note_error(reason);
        to.fail(out, reason);
    }
}

/// The request that a controller's bytes begin with. One that brings a document may be longer than others.
fn scan(bytes: &[u8]) -> Result<Frame, control::Error> {
    let too_long = match framing::scan(bytes, CONTROL_REQUEST_BYTES_MAX) {
        Err(error @ control::Error::TooLong { .. }) => error,
        other => return other,
    };
    let frame = framing::scan(bytes, CONTROL_DOCUMENT_BYTES_MAX)?;
    // The header of a long one has five bytes or nine.
    let front = bytes.get(if bytes.first() == Some(&0xcf) || bytes.first() == Some(&0xd3) { 9 } else { 5 }..);
    match request::brings_document(front.unwrap_or_default()) {
        None => Ok(frame),
        Some(false) => Err(too_long),
        Some(true) => match frame {
            Frame::Whole { header_len, .. } if !request::is_plain(bytes.get(header_len..).unwrap_or_default()) => {
                Err(too_long)
            }
            Frame::Whole { .. } | Frame::Need(_) => Ok(frame),
        },
    }
}

/// Where the answer to a controller's request goes, and what there is to remark on the request.
struct Asked {
    to: ReplyTo,
    /// Empty where there is nothing.
    remark: String,
}

impl Asked {
    fn answer<'o>(&self, out: &'o mut Vec<u8>, outcome: Result<(), &str>) -> Reply<'o> {
        Reply::answer(out, self.to, outcome, &self.remark)
    }

    fn fail(&self, out: &mut Vec<u8>, reason: &str) {
        self.answer(out, Err(reason)).finish();
    }
}

/// What became of a controller's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    /// Its answer is on the way; this session has more to tell behind it.
    Answered(Option<SessionKey>),
    /// Its answer comes once a change is durable.
    Later,
    /// It must be looked at again once the session is not busy any more.
    Busy(SessionKey),
}

/// A refusal in one line.
fn sentence(error: RpcError, data: &Value) -> String {
    if let [Some(action), Some(needs), Some(user)] =
        ["action", "needs", "user"].map(|key| data.get(key).and_then(Value::as_str))
    {
        let role = if Role::of_word(needs).is_some() { "the role " } else { "it in the list " };
        return format!("{action} needs {role}{needs}; this is {user}");
    }
    let Some(code) = data.get("code").and_then(Value::as_str) else {
        return data.as_str().map_or_else(|| error.message.to_owned(), str::to_owned);
    };
    let reason = data.get("reason").and_then(Value::as_str).unwrap_or(error.message);
    let details = data.get("details").and_then(Value::as_object);
    let details: Vec<String> = details
        .map(in_order)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    if details.is_empty() { format!("{reason} ({code})") } else { format!("{reason} ({code}: {})", details.join(", ")) }
}
