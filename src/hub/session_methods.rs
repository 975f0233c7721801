//! The methods of sessions: their parameters taken, their answers put together.

use serde_json::{Map, Value, json};

use crate::c2sim::code::Code;
use crate::c2sim::is_session_name;
use crate::c2sim::kind::Schema;
use crate::c2sim::state::{Options, Trigger};
use crate::leco::name;
use crate::leco::rpc::{INVALID_PARAMS, METHOD_NOT_FOUND, NOT_PERMITTED, Params};
use crate::limits::{HISTORY_ANSWER_BYTES_MAX, SESSION_QUEUE_BYTES_MAX, SESSION_QUEUE_MAX, SESSION_SYSTEM_BYTES_MAX};

use super::Hub;
use super::call::{Answer, Caller, Refused, ReplyTo, Said, none, plain_error};
use super::dispatch::described;
use super::front::{Asked, Request};
use super::keep::Change;
use super::keys::{RequestKey, SessionKey};
use super::manager::Unfit;
use super::member::Format;
use super::methods::{At, AtSessionCall};
use super::publish::What;
use super::session::{About, Author, DEFAULT, Wish, refused};

impl Hub {
    // ---- The line of those who wait ----

    /// Bytes that a request which waits for its change may hold.
    pub(super) fn line_room(&self) -> usize {
        SESSION_QUEUE_BYTES_MAX.min(self.peers.pool.data_room())
    }

    /// Whether one more request may stand in the line of a session.
    pub(super) fn has_room_in_line(&self, key: SessionKey, bytes: usize) -> bool {
        self.sessions.get(key).is_some_and(|session| {
            session.queue.len() < SESSION_QUEUE_MAX
                && session.queue_bytes + bytes <= SESSION_QUEUE_BYTES_MAX
                && bytes <= self.peers.pool.data_room()
        })
    }

    /// Puts a request at the end of the line of a session.
    pub(super) fn enter_line(&mut self, key: SessionKey, waiting: RequestKey, bytes: usize) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.queue_bytes += bytes;
            session.queue.push_back((waiting, bytes));
            self.account_session(0, bytes);
        }
    }

    /// The request at the front of a session's line, unless the session is being written.
    pub(super) fn next_in_line(&mut self, key: SessionKey) -> Option<RequestKey> {
        let session = self.sessions.get_mut(key).filter(|session| !session.is_writing())?;
        let (waiting, bytes) = session.queue.pop_front()?;
        session.queue_bytes -= bytes;
        self.account_session(bytes, 0);
        Some(waiting)
    }

    /// Notes who waits for the change of a session, and the bytes that the wait holds.
    pub(super) fn set_waiter(&mut self, key: SessionKey, reply_to: ReplyTo, bytes: usize) {
        if let Some(pending) = self.sessions.get_mut(key).and_then(|session| session.pending.as_mut()) {
            pending.charged += bytes;
            pending.reply_to = reply_to;
            self.account_session(0, bytes);
        }
    }

    // ---- At a session ----

    pub(super) fn document_to(&mut self, request: &Request, bytes: &[u8]) -> Said {
        match self.member_at(request) {
            Ok((key, author)) => self.take_document(key, &author, bytes),
            Err(refused) => Said::Now(Err(refused)),
        }
    }

    fn session_for(&self, request: &Request) -> Result<SessionKey, Refused> {
        let Asked::Session(name) = &request.asked else { return Err(plain_error(METHOD_NOT_FOUND)) };
        self.session_at(name).ok_or_else(|| self.no_such_session())
    }

    /// The session, and the sender as its member.
    fn member_at(&self, request: &Request) -> Result<(SessionKey, Author), Refused> {
        let key = self.session_for(request)?;
        let full_name = self.names.full_name_of(&request.sender);
        let session = self.sessions.get(key).ok_or_else(|| self.no_such_session())?;
        match session.members.get(&*full_name).filter(|_| self.is_member(key, &full_name)) {
            Some(member) => Ok((key, Author { by: name::shown(&full_name).into(), system: member.system.clone() })),
            None => Err(refused(Code::ClientNotJoinedSharedSession, "ACTIVE_SESSION", session.name.as_str())),
        }
    }

    /// A call of a session's method.
    pub(super) fn session_call(&mut self, request: &Request, call: AtSessionCall, name: &str, params: Params) -> Said {
        self.try_session_call(request, call, name, params).unwrap_or_else(|refused| Said::Now(Err(refused)))
    }

    fn try_session_call(
        &mut self,
        request: &Request,
        call: AtSessionCall,
        name: &str,
        params: Params,
    ) -> Result<Said, Refused> {
        let now = |value: Value| Ok(Said::Now(Ok(value)));
        match call {
            AtSessionCall::Pong => none(params).map(|()| Said::Now(Ok(Value::Null))),
            AtSessionCall::Discover => {
                none(params)?;
                let Asked::Session(name) = &request.asked else { return Err(plain_error(METHOD_NOT_FOUND)) };
                now(described(&self.names.named_here(name), At::Session))
            }
            AtSessionCall::Join => match self.session_for(request).ok().and_then(|key| self.without_numbers(key)) {
                Some(said) => Ok(said),
                None => self.join(request, params).map(|value| Said::Now(Ok(value))),
            },
            AtSessionCall::Resign => {
                none(params)?;
                let key = self.session_for(request)?;
                let full_name = self.names.full_name_of(&request.sender);
                self.drop_member(key, &full_name, What::Resigned);
                now(Value::Null)
            }
            AtSessionCall::Info => {
                none(params)?;
                let key = self.session_for(request)?;
                now(self.session_info(key))
            }
            AtSessionCall::Members => {
                none(params)?;
                let key = self.session_for(request)?;
                now(self.members_json(key))
            }
            AtSessionCall::Initialization => {
                none(params)?;
                let key = self.session_for(request)?;
                let shared = self.sessions.get(key).and_then(|session| session.flow.initialization.shared());
                match shared {
                    Some(shared) => now(Value::from(String::from_utf8_lossy(shared))),
                    None => Err(super::session::refusal(Code::NoC2simInitializationBody, Map::new())),
                }
            }
            AtSessionCall::Events => {
                let [after] = params.take(["after"])?;
                let after = whole(after.as_ref(), "after")?.unwrap_or(0);
                let (key, _) = self.member_at(request)?;
                let past = self
                    .sessions
                    .get(key)
                    .map(|session| session.history.after(after, session.seq, HISTORY_ANSWER_BYTES_MAX));
                now(past.unwrap_or_default())
            }
            AtSessionCall::Ack => {
                let [seq] = params.take(["seq"])?;
                let seq = whole(seq.as_ref(), "seq")?.ok_or_else(|| (INVALID_PARAMS, Value::from("seq is missing")))?;
                let (key, author) = self.member_at(request)?;
                let Some(session) = self.sessions.get_mut(key) else { return Err(self.no_such_session()) };
                if seq > session.seq {
                    return Err((INVALID_PARAMS, Value::from("seq is of no event that has happened")));
                }
                if let Some(member) = session.members.get_mut(author.by.as_bytes()) {
                    member.acked = member.acked.max(seq);
                }
                now(Value::Null)
            }
            AtSessionCall::Pull => {
                let trigger = Trigger::from_method(name).ok_or_else(|| (METHOD_NOT_FOUND, Value::from(name)))?;
                let [at] = params.take(["at"])?;
                let at = moment(at.as_ref())?;
                let (key, author) = self.member_at(request)?;
                Ok(self.pull(key, &author, trigger, at))
            }
        }
    }

    fn join(&mut self, request: &Request, params: Params) -> Answer {
        let [system, format, after] = params.take(["system", "format", "after"])?;
        let wrong = |why: &str| (INVALID_PARAMS, Value::from(why));
        let system = match &system {
            None | Some(Value::Null) => "UNKNOWN",
            Some(word) => word.as_str().map(str::trim).ok_or_else(|| wrong("system is a string"))?,
        };
        if system.is_empty() {
            return Err(wrong("system is empty; leave it out, or name the system that the member speaks for"));
        }
        if system.len() > SESSION_SYSTEM_BYTES_MAX || system.chars().any(char::is_control) {
            return Err(wrong("system is a name of at most 256 bytes"));
        }
        let format = match &format {
            None | Some(Value::Null) => Format::Json,
            Some(Value::String(word)) if word == "json" => Format::Json,
            Some(Value::String(word)) if word == "xml" => Format::Xml,
            Some(_) => return Err(wrong("format is xml or json")),
        };
        let after = whole(after.as_ref(), "after")?;
        let key = self.session_for(request)?;
        let full_name = self.names.full_name_of(&request.sender);
        let before = self.sessions.get(key).map_or(0, |session| session.seq);
        let seq = self.add_member(key, &full_name, system, format)?;
        let Some(session) = self.sessions.get(key) else { return Err(self.no_such_session()) };
        let mut answer = json!({"state": session.flow.state.name(), "seq": seq, "session": self.session_info(key)});
        if let Some(answer) = answer.as_object_mut() {
            if let Some(shared) = session.flow.initialization.shared() {
                answer.insert("initialization".to_owned(), Value::from(String::from_utf8_lossy(shared)));
            }
            if let Some(after) = after {
                // Its own joining it knows from this very answer.
                let mut past = session.history.after(after, before, HISTORY_ANSWER_BYTES_MAX);
                if let Some(events) = past.get_mut("events").and_then(Value::as_array_mut) {
                    events.retain(|event| event.get("seq").and_then(Value::as_u64) != Some(seq));
                }
                answer.insert("events".to_owned(), past);
            }
        }
        Ok(answer)
    }

    // ---- Making and deleting, at the Coordinator ----

    /// `fresh`: it has just come, and must not overtake those that wait.
    pub(super) fn rpc_create_session(&mut self, params: Params, fresh: bool) -> Said {
        let wish = params
            .take([
                "name",
                "schema",
                "display_name",
                "description",
                "provider",
                "paused_allows",
                "share_guard",
                "init_merge",
                "unknown_bodies",
            ])
            .and_then(|[name, schema, title, text, provider, a, b, c, d]| {
                let word = |value: Option<Value>, key: &str| match value {
                    None | Some(Value::Null) => Ok(None),
                    Some(Value::String(word)) => Ok(Some(word)),
                    Some(_) => Err((INVALID_PARAMS, Value::from(format!("{key} is a string")))),
                };
                let mut options = Vec::new();
                for (key, value) in Options::KEYS.into_iter().zip([a, b, c, d]) {
                    if let Some(value) = word(value, key)? {
                        options.push((key, value));
                    }
                }
                let provider = match provider {
                    None | Some(Value::Null) => None,
                    Some(id) => Some(id.as_i64().ok_or_else(|| (INVALID_PARAMS, Value::from("provider is an id")))?),
                };
                Ok(Wish {
                    name: word(name, "name")?.unwrap_or_default(),
                    schema: word(schema, "schema")?,
                    title: word(title, "display_name")?,
                    text: word(text, "description")?,
                    provider,
                    options,
                })
            });
        match wish {
            Ok(wish) => self.create_session(&wish, fresh),
            Err(refused) => Said::Now(Err(refused)),
        }
    }

    /// Makes a session, or gives one that there is other words and options; a provider becomes its provider.
    pub(super) fn create_session(&mut self, wish: &Wish, fresh: bool) -> Said {
        match self.create_session_inner(wish, fresh) {
            Ok(said) => said,
            Err(refused) => {
                self.peers.counters.session_refusals += 1;
                Said::Now(Err(refused))
            }
        }
    }

    fn create_session_inner(&mut self, wish: &Wish, fresh: bool) -> Result<Said, Refused> {
        let invalid = |why: String| (INVALID_PARAMS, Value::from(why));
        if !is_session_name(&wish.name) {
            return Err(invalid("name is 1 to 64 letters, digits, '.', '_', '~', '-' or %XX".to_owned()));
        }
        let schema = match &wish.schema {
            None => None,
            Some(name) => Some(Schema::from_name(name).ok_or_else(|| {
                let known: Vec<&str> = Schema::ALL.iter().map(|schema| schema.name()).collect();
                refused(Code::C2simSchemaNotSupported, "SUPPORTED_SCHEMA_VERSIONS", known.join(";"))
            })?),
        };
        let provider = match wish.provider {
            None => None,
            Some(id) => {
                let session = self.session_named(&wish.name);
                let found = self.manager.provider_for(session, id);
                Some(found.map_err(|unfit| invalid(self.unfit_sentence(unfit, id, &wish.name)))?)
            }
        };
        if let Some(key) = self.session_named(&wish.name) {
            let Some(session) = self.sessions.get(key) else { return Err(self.no_such_session()) };
            if session.is_busy(fresh) {
                return Ok(Said::Busy(key));
            }
            if let Some(other) = schema.filter(|schema| *schema != session.about.schema) {
                log::debug!("schema {} was wanted for session {}", other.name(), session.name);
                let name = session.about.schema.name();
                return Err(refused(Code::SharedSessionSchemaVersionChanged, "SCHEMA_VERSION", name));
            }
            let about = wish.about(&session.about).map_err(invalid)?;
            return Ok(self.change(key, Change::About(Box::new(about), provider)));
        }
        let base = About { schema: schema.unwrap_or_default(), created_ms: self.peers.unix_ms(), ..About::default() };
        let about = wish.about(&base).map_err(invalid)?;
        let Some(key) = self.add_session(&wish.name, about, crate::c2sim::state::State::Uninitialized) else {
            let most = crate::limits::SESSIONS_MAX;
            return Err(refused(Code::TooManySharedSessions, "MAX_SESSIONS", most));
        };
        log::info!("session {} made", wish.name);
        if let Some(session) = self.sessions.get_mut(key).filter(|_| self.ledger.is_some()) {
            session.kept = Some(super::keep::Kept::default());
        }
        Ok(self.change(key, Change::Made(provider)))
    }

    fn unfit_sentence(&self, unfit: Unfit, id: i64, session: &str) -> String {
        match unfit {
            Unfit::Unknown => format!("there is no provider {id}"),
            Unfit::InSession(other) => {
                let other = self.sessions.get(other).map_or("", |other| other.name.as_str());
                format!("provider {id} is in session {other} already")
            }
            Unfit::HasAnother => format!("session {session} has another provider already"),
        }
    }

    /// All that `info` shows of a session.
    pub(super) fn session_info(&self, key: SessionKey) -> Value {
        let mut info = self.session_json(key);
        self.complete_info(&mut info, key);
        info
    }

    pub(super) fn rpc_delete_session(&mut self, caller: Caller<'_>, params: Params, fresh: bool) -> Said {
        let taken = params.take(["name", "force"]).and_then(|[name, force]| {
            let name = name.as_ref().and_then(Value::as_str).map(str::to_owned);
            let force = match force {
                None | Some(Value::Null) => Some(false),
                Some(value) => value.as_bool(),
            };
            name.zip(force).ok_or_else(|| (INVALID_PARAMS, Value::from("name is a string, force true or false")))
        });
        let checked = taken.and_then(|(name, force)| {
            if force && !self.may_administer(caller.link) {
                return Err(plain_error(NOT_PERMITTED));
            }
            let key = self.session_named(&name).ok_or_else(|| self.no_such_session())?;
            if name == DEFAULT {
                return Err(refused(Code::NotImplemented, "REASON", "the session 'default' always exists"));
            }
            let Some(session) = self.sessions.get(key) else { return Err(self.no_such_session()) };
            let in_use = !session.members.is_empty() || self.manager.is_used(key);
            if in_use && !force {
                return Err(refused(Code::SharedSessionInUse, "ACTIVE_SESSION", name));
            }
            Ok((key, session.is_busy(fresh)))
        });
        match checked {
            Ok((key, true)) => Said::Busy(key),
            Ok((key, false)) => self.change(key, Change::Gone),
            Err(refused) => Said::Now(Err(refused)),
        }
    }
}

/// A whole number, if it is given.
fn whole(value: Option<&Value>, key: &str) -> Result<Option<u64>, Refused> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err((INVALID_PARAMS, Value::from(format!("{key} is a whole number, zero or more")))),
        },
    }
}

/// A moment in milliseconds since 1970, if it is given.
fn moment(value: Option<&Value>) -> Result<Option<u64>, Refused> {
    // Many a clock gives fractions; a moment is a whole millisecond.
    let whole_part = value.and_then(Value::as_f64).filter(|at| at.fract() != 0.0).map(|at| Value::from(at.trunc()));
    let value = whole_part.as_ref().or(value);
    whole(value, "at").map_err(|_| (INVALID_PARAMS, Value::from("at is a moment in milliseconds since 1970 (UTC)")))
}
