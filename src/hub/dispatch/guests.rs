//! Clients of C2SIM over HTTP and WebSocket (c2sim-http, 3 and 4): what they ask of sessions, in the words of their interface.

use serde_json::Value;

use crate::c2sim::is_session_name;
use crate::c2sim::judging::Document;
use crate::http::target::encoded;
use crate::hub::Hub;
use crate::hub::call::{Answer, Refused, ReplyTo, plain_error};
use crate::hub::events::Parting;
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::sessions::{Aftermath, Arrival, GuestId, Reading, Said, Tracked, Wish, tracking_id};
use crate::hub::web::{
    Action, Asked, Described, Farewell, Reply, Route, described, joining, no_client_id, nowhere, refused, resigning,
    shown_name, too_long, unreadable,
};
use crate::leco::rpc::{NOT_PERMITTED, Params, RECEIVER_OVERLOADED};
use crate::limits::CLIENT_ID_BYTES_MAX;
use crate::store::order;
use crate::store::ring::NoRoom;

use super::web::Served;

/// The identity of a client, if it is one.
pub(super) fn client_id(text: Option<&str>) -> Option<GuestId> {
    let is_letter = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let fits = |text: &&str| !text.is_empty() && text.len() <= CLIENT_ID_BYTES_MAX && text.bytes().all(is_letter);
    text.filter(fits).map(GuestId::streaming)
}

/// The answer to a document that was taken.
fn taken_as(tracking_id: &str) -> Reply {
    Reply::json(200, [r#"{"trackingId":""#, tracking_id, r#""}"#].concat())
}

impl Hub {
    /// The session that a client means: of exactly this name or, if there is none, of one in other letters.
    pub(super) fn session_meant(&self, name: &str) -> Option<SessionKey> {
        let alike = |same: fn(&str, &str) -> bool| {
            self.sessions.by_id().find(|(_, session)| same(&shown_name(&session.name), name)).map(|(key, _)| key)
        };
        self.sessions
            .named(name)
            .or_else(|| self.sessions.named(&encoded(name)))
            .or_else(|| alike(|shown, name| shown == name))
            .or_else(|| alike(str::eq_ignore_ascii_case))
    }

    /// Something that is asked of the session `name`.
    pub(super) fn serve_session(&mut self, key: PeerKey, asked: &Asked, name: &str, action: Action) -> Served {
        let Some(id) = client_id(asked.client.as_deref()) else { return no_client_id().into() };
        let Some(session) = self.session_meant(name) else {
            return refused(&self.sessions.no_such(), name).into();
        };
        if let Some(refused) = self.is_others_guest(key, asked, session, &id) {
            return refused.into();
        }
        let doer = self.peers.doer_from(key, Some(asked.remote));
        self.sessions.guest_heard(&self.peers, session, &id, doer);
        match action {
            Action::Info => self.info_over_web(session).into(),
            Action::Endpoints => endpoints(asked, name).into(),
            Action::Initialization => self.initialization_over_web(session, &id, name).into(),
            Action::Join => self.join_over_web(key, asked, session, &id),
            Action::Resign => match resigning(&asked.body) {
                Ok(reason) => self.resign_over_web(session, &id, name, reason.as_deref()).into(),
                Err(reason) => unreadable(&reason).into(),
            },
            Action::Send => self.send_over_web(key, asked, session, &id),
            Action::Delete => self.delete_over_web(key, asked, session),
        }
    }

    /// What the interface does not have: who asks comes first, as with everything.
    pub(super) fn unknown_over_web(asked: &Asked) -> Reply {
        match client_id(asked.client.as_deref()) {
            Some(_) => nowhere(asked),
            None => no_client_id(),
        }
    }

    /// All sessions.
    pub(super) fn sessions_over_web(&self, asked: &Asked) -> Reply {
        if client_id(asked.client.as_deref()).is_none() {
            return no_client_id();
        }
        let all: Vec<String> = self.sessions.by_id().map(|(_, session)| described(&session.face())).collect();
        Reply::json(200, format!("[{}]", all.join(",")))
    }

    fn described(&self, session: SessionKey) -> String {
        self.sessions.get(session).map_or_else(|| "null".to_owned(), |session| described(&session.face()))
    }

    fn info_over_web(&self, session: SessionKey) -> Reply {
        let reply = Reply::json(200, self.described(session));
        self.with_number(reply, session, None)
    }

    /// An answer with what this interface has no members for: the number of an event, the last one where none is given, and the state behind it.
    fn with_number(&self, reply: Reply, session: SessionKey, seq: Option<u64>) -> Reply {
        let Some(session) = self.sessions.get(session) else { return reply };
        let seq = seq.unwrap_or(session.seq);
        reply.with("X-Instep-Seq", seq.to_string()).with("X-Instep-Session-State", session.state().name())
    }

    fn initialization_over_web(&mut self, session: SessionKey, id: &GuestId, name: &str) -> Reply {
        match self.sessions.initialization(session) {
            Ok(shared) => {
                let reply = Reply::kept(200, "application/xml", shared);
                self.sessions.guest_fetches(&self.peers, session, id);
                reply
            }
            Err(none) => refused(&none, name),
        }
    }

    fn join_over_web(&mut self, key: PeerKey, asked: &Asked, session: SessionKey, id: &GuestId) -> Served {
        let (title, system) = match joining(&asked.body) {
            Ok(words) => words,
            Err(reason) => return unreadable(&reason).into(),
        };
        if self.sessions.get(session).is_some_and(|session| session.is_busy(false)) {
            return Served::Busy(session);
        }
        let mut system = system.unwrap_or_default();
        if let Some(only) = self.peers.user(key).and_then(|user| self.peers.users.get(user)?.system.as_deref()) {
            if !system.is_empty() && system != only {
                return self.foreign_system(key, &system).into();
            }
            only.clone_into(&mut system);
        }
        let user = self.peers.user(key).filter(|_| !self.peers.users.is_off());
        let doer = self.peers.doer_from(key, Some(asked.remote));
        let arrival = Arrival { title: &title, system: &system, remote: asked.remote, user, doer };
        let said = self.sessions.guest_joins(&mut self.peers, &self.names, session, id, arrival);
        self.said_over_web(key, asked, session, said)
    }

    /// A session is to be made, or to be given other words.
    pub(super) fn create_over_web(&mut self, key: PeerKey, asked: &Asked, name: &str) -> Served {
        if client_id(asked.client.as_deref()).is_none() {
            return no_client_id().into();
        }
        let words = match Described::read(&asked.body) {
            Ok(words) => words,
            Err(reason) => return unreadable(&reason).into(),
        };
        let known = self.session_meant(name).and_then(|session| self.sessions.get(session));
        // What a name must not have is written as an escape.
        let new = || if is_session_name(name) { name.to_owned() } else { encoded(name) };
        let name = known.map_or_else(new, |known| known.name.clone());
        let remote = asked.remote.ip();
        let wish = Wish {
            name,
            schema: Some(words.schema),
            title: Some(words.title),
            text: Some(words.text),
            asked_by: self.peers.asker_at(key, remote).share,
            ..Wish::default()
        };
        let said = self.create_session(&wish, false);
        let told = self.told_of_guest((key, asked.remote), "create_session", &wish.name);
        self.audit_said(told, &said);
        let made = self.sessions.named(&wish.name);
        match (said, made) {
            (said, Some(session)) => self.said_over_web(key, asked, session, said),
            (Said::Now(Aftermath { answer: Err(reason), .. }), None) => refused(&reason, &wish.name).into(),
            (_, None) => Reply::bare(500).into(),
        }
    }

    fn resign_over_web(&mut self, session: SessionKey, id: &GuestId, name: &str, reason: Option<&str>) -> Reply {
        if let Some(reason) = reason.filter(|_| self.peers.may_log()) {
            log::debug!("a client resigns from session {name}: {}", reason.escape_debug());
        }
        self.sessions.guest_leaves(&mut self.peers, &self.names, session, id, Parting::Resigned);
        self.drain_events();
        let track = tracking_id(&mut self.peers);
        let text = format!("Resigned client Id '{}' from shared session '{name}' (tracking id {track})", id.id());
        Reply::json(200, format!(r#"{{"msg":{}}}"#, Value::from(text)))
    }

    fn send_over_web(&mut self, key: PeerKey, asked: &Asked, session: SessionKey, id: &GuestId) -> Served {
        if asked.is_too_long {
            return too_long(self.peers.config.document_bytes_max).into();
        }
        let document = match asked.document() {
            Ok(document) => document,
            Err(malformed) => return unreadable(&malformed.to_string()).into(),
        };
        let reading = Reading { any_namespace: true, user: self.peers.user(key), ..Reading::default() };
        self.hand_in(key, asked, session, (id, document.into(), reading))
    }

    /// A document from a guest.
    pub(super) fn hand_in(
        &mut self,
        key: PeerKey,
        asked: &Asked,
        session: SessionKey,
        (id, document, reading): (&GuestId, Document<'_>, Reading<'_>),
    ) -> Served {
        if let Some(served) = self.room_for_all(key, asked, session, document.len()) {
            return served;
        }
        if self.sessions.get(session).is_some_and(|session| session.is_busy(false)) {
            return Served::Busy(session);
        }
        let said = self.sessions.guest_document(&mut self.peers, &self.names, session, id, document, reading);
        self.said_over_web(key, asked, session, said)
    }

    /// What becomes of a request with a document that some member has no room for; nothing, where all have.
    fn room_for_all(&mut self, key: PeerKey, asked: &Asked, session: SessionKey, bytes: usize) -> Option<Served> {
        match self.who_blocks(key, session, bytes)? {
            Ok(()) => Some(Served::Held),
            Err(refused) => Some(self.answer_of_session(asked, session, Err(refused)).into()),
        }
    }

    /// The same, whoever asks: it is held, or is to be refused so.
    pub(super) fn who_blocks(
        &mut self,
        key: PeerKey,
        session: SessionKey,
        bytes: usize,
    ) -> Option<Result<(), Refused>> {
        let Self { peers, names, sessions, .. } = self;
        let (link, member) = sessions.who_has_no_room_in(peers, names, session, key, bytes)?;
        if peers.hold_unless_stalled(key, link, NoRoom::Full)? {
            return Some(Ok(()));
        }
        let member = String::from_utf8_lossy(member);
        peers.counters.refused_overload += 1;
        let reason = format!("{member} does not take what the session has for it");
        Some(Err((RECEIVER_OVERLOADED, serde_json::json!({ "reason": reason }))))
    }

    fn delete_over_web(&mut self, key: PeerKey, asked: &Asked, session: SessionKey) -> Served {
        let is_off = self.peers.users.is_off();
        let is_admin = if is_off {
            self.peers.config.remote_admin || asked.remote.ip().is_loopback()
        } else {
            self.may_administer_on(key)
        };
        let name = self.sessions.get(session).map_or_else(String::new, |session| session.name.clone());
        let told = self.told_of_guest((key, asked.remote), "delete_session", &name);
        if is_off && !is_admin {
            self.audit_told(&told, Some(NOT_PERMITTED.message));
            return refused(&plain_error(NOT_PERMITTED), &name).into();
        }
        let is_forced = asked.value("force").is_some_and(|word| word == "true");
        let params = [("name".to_owned(), Value::from(name.as_str())), ("force".to_owned(), Value::from(is_forced))];
        match self.sessions.to_delete(Params::Names(order::filled(params)), is_admin) {
            Ok(deletion) => {
                let is_used = self.manager.is_used(session);
                let said = self.sessions.delete(&mut self.peers, &self.names, deletion, is_used, false);
                self.audit_said(told, &said);
                self.said_over_web(key, asked, session, said)
            }
            Err(reason) => {
                let reply = refused(&reason, &name).into();
                self.audit_answer(&told, &Err(reason));
                reply
            }
        }
    }

    // ---- Answers ----

    pub(super) fn said_over_web(&mut self, key: PeerKey, asked: &Asked, session: SessionKey, said: Said) -> Served {
        match said {
            Said::Now(mut aftermath) => {
                let mut owes = None;
                let is_document = matches!(asked.route, Route::Session(_, Action::Send));
                let tracked = aftermath.tracked.take_if(|_| is_document);
                let answer = self.conclude(aftermath, &mut owes).answer;
                let reply = match tracked {
                    Some(Tracked { tracking_id, seq, .. }) => {
                        self.with_number(taken_as(&tracking_id), session, Some(seq))
                    }
                    None => self.answer_of_session(asked, session, answer),
                };
                Served::Now(reply, owes)
            }
            Said::Later(session) => {
                self.sessions.set_waiter(&mut self.peers, session, ReplyTo::Web { peer: key }, 0);
                Served::Later
            }
            Said::Busy(session) => Served::Busy(session),
        }
    }

    /// The answer to what was asked of a session, in the words of this interface.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what has no answer of its own has the one of a document")]
    fn answer_of_session(&self, asked: &Asked, session: SessionKey, answer: Answer) -> Reply {
        if let Route::Task(task) = asked.route {
            return self.answer_of_task(asked, (task, session), answer);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => return refused(&reason, asked.route.session()),
        };
        let word = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
        let reply = match &asked.route {
            Route::Create(_) => {
                let (creation, session) = (word("creation"), self.described(session));
                Reply::json(200, format!(r#"{{"creation":"{creation}","session":{session}}}"#))
            }
            Route::Session(_, Action::Join) => {
                Reply::json(200, format!(r#"{{"session":{}}}"#, self.described(session)))
            }
            Route::Session(_, Action::Delete) => {
                return Reply::json(200, r#"{"message":"session deleted"}"#.to_owned());
            }
            _ => taken_as(word("trackingId")),
        };
        self.with_number(reply, session, answer.get("seq").and_then(Value::as_u64))
    }

    /// The change that a request has waited for is durable, or is not to be.
    pub(super) fn go_on_over_web(&mut self, key: PeerKey, session: SessionKey, answer: Answer) {
        let Some(asked) = self.web.lend(key) else { return };
        let reply = self.answer_of_session(&asked, session, answer);
        self.web.put_back(&mut self.peers, key, asked);
        self.answer_late(key, &reply);
    }

    // ---- Streams ----

    /// A WebSocket for what happens in a session.
    pub(super) fn serve_stream(&mut self, key: PeerKey, asked: &Asked, name: &str) -> Served {
        if asked.upgrade.is_err() {
            return Served::Denied;
        }
        let id = client_id(asked.value("clientId").as_deref());
        let outcome = match (id, self.session_meant(name)) {
            (None, _) => Err("the query has no clientId".to_owned()),
            (_, None) => Err(format!("Shared session '{name}' doesn't exist.")),
            (Some(id), Some(session)) => {
                if let Some(refused) = self.is_others_guest(key, asked, session, &id) {
                    return refused.into();
                }
                Ok((session, id))
            }
        };
        Served::Stream(outcome)
    }

    /// A WebSocket was granted: what it is for, or why it leads nowhere.
    pub(super) fn stream_begins(&mut self, key: PeerKey, outcome: Result<(SessionKey, GuestId), String>) {
        let outcome = outcome.and_then(|(session, id)| {
            self.sessions
                .stream_came(&mut self.peers, session, &id, key)
                .map_err(|(error, _)| error.message.to_string())
        });
        if let Err(reason) = outcome {
            self.web.end_stream(&mut self.peers, key, Farewell::nowhere(&reason));
        }
        self.drain_events();
    }
}

/// Where a client finds its stream.
fn endpoints(asked: &Asked, name: &str) -> Reply {
    let scheme = if asked.is_secure { "wss" } else { "ws" };
    let (authority, prefix) = (&asked.authority, &asked.prefix);
    let (name, client) = (encoded(name), encoded(asked.client.as_deref().unwrap_or_default()));
    let url = format!("{scheme}://{authority}{prefix}/api/c2sim/session/{name}/ws?clientId={client}");
    Reply::json(200, format!(r#"{{"websocket":{{"url":{}}}}}"#, Value::from(url)))
}
