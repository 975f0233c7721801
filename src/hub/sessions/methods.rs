//! The methods of sessions: their parameters taken, their answers put together.

use serde_json::{Map, Value, json};

use crate::c2sim::code::Code;
use crate::c2sim::state::{State, Trigger};
use crate::hub::call::{Refused, none, plain_error};
use crate::hub::keys::{ProviderKey, SessionKey};
use crate::hub::methods::{At, AtSessionCall, described};
use crate::hub::names::Names;
use crate::hub::peers::{Peers, share_of};
use crate::leco::name;
use crate::leco::rpc::{INVALID_PARAMS, METHOD_NOT_FOUND, NOT_PERMITTED, Params};
use crate::limits::{HISTORY_ANSWER_BYTES_MAX, SESSIONS_MAX};
use crate::store::shared::SharedBytes;

use super::change::{Change, Durable};
use super::entry::{Author, SessionInfo, Wish, is_system, refusal, refused};
use super::history::{What, shown};
use super::joiners::Joined;
use super::said::{Aftermath, Asker, Deletion, Reading, Said};
use super::session::Session;
use super::voice::Voice;
use super::{DEFAULT, Sessions};

impl Sessions {
    // ---- At a session ----

    /// A document for a session.
    pub(in crate::hub) fn document(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        asker: Asker<'_>,
        document: &SharedBytes,
    ) -> Said {
        match self.member_at(names, asker) {
            Ok((key, author)) => {
                let reading = Reading { user: asker.doer.user, ..Reading::default() };
                self.take_document(peers, names, key, &author, document.clone(), reading)
            }
            Err(refused) => Said::now(Err(refused)),
        }
    }

    /// A document for a session from a controller, whose right that is: it joins nothing.
    pub(in crate::hub) fn hand_in(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        author: &Author,
        document: &[u8],
        reading: Reading<'_>,
    ) -> Said {
        self.take_document(peers, names, key, author, document, reading)
    }

    fn asked(&self, asker: Asker<'_>) -> Result<SessionKey, Refused> {
        self.at(asker.session).ok_or_else(|| self.no_such())
    }

    /// Whether a member has been away since it asked: it was its former self that did, and nobody waits for the answer.
    fn is_former(&self, key: SessionKey, asker: Asker<'_>) -> bool {
        self.member(key, asker.full_name).is_some_and(|member| member.left_behind > asker.asked_behind)
    }

    fn not_former(&self, key: SessionKey, asker: Asker<'_>) -> Result<(), Refused> {
        if self.is_former(key, asker) {
            return Err(refusal(Code::ClientNotJoinedSharedSession, Map::new()));
        }
        Ok(())
    }

    /// The session, and the sender as its member.
    fn member_at(&self, names: &Names, asker: Asker<'_>) -> Result<(SessionKey, Author), Refused> {
        let key = self.asked(asker)?;
        let session = self.table.get(key).ok_or_else(|| self.no_such())?;
        let full_name = asker.full_name;
        let is_asker = self.is_member(names, key, full_name) && !self.is_former(key, asker);
        match session.members.get(full_name).filter(|_| is_asker) {
            Some(member) => {
                let (by, system) = (name::shown(full_name).into(), member.system.clone());
                Ok((key, Author { by, system, doer: asker.doer }))
            }
            None => Err(refused(Code::ClientNotJoinedSharedSession, "ACTIVE_SESSION", session.name.as_str())),
        }
    }

    /// The session, and who does something in it: a controller, or the sender as its member.
    fn author_at(
        &self,
        names: &Names,
        asker: Asker<'_>,
        controller: Option<Author>,
    ) -> Result<(SessionKey, Author), Refused> {
        match controller {
            Some(controller) => Ok((self.asked(asker)?, controller)),
            None => self.member_at(names, asker),
        }
    }

    /// A call of a session's method; its name says which trigger. A controller need not have joined.
    pub(in crate::hub) fn call(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        asker: Asker<'_>,
        controller: Option<Author>,
        call: (AtSessionCall, &str),
        params: Params,
    ) -> Said {
        self.try_call(peers, names, asker, controller, call, params).unwrap_or_else(|refused| Said::now(Err(refused)))
    }

    fn try_call(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        asker: Asker<'_>,
        controller: Option<Author>,
        (call, name): (AtSessionCall, &str),
        params: Params,
    ) -> Result<Said, Refused> {
        let now = |value: Value| Ok(Said::now(Ok(value)));
        match call {
            AtSessionCall::Pong => none(params).and_then(|()| now(Value::Null)),
            AtSessionCall::Discover => {
                none(params)?;
                Ok(Said::written(Ok(described(&names.named_here(asker.session), At::Session))))
            }
            AtSessionCall::Join => match self.asked(asker).ok().and_then(|key| self.without_numbers(peers, key)) {
                Some(said) => Ok(said),
                None => self.join(peers, names, asker, params),
            },
            AtSessionCall::Resign => {
                none(params)?;
                let key = self.asked(asker)?;
                self.not_former(key, asker)?;
                self.drop_member(peers, names, key, asker.full_name, (What::Resigned, asker.doer));
                now(Value::Null)
            }
            AtSessionCall::Info => {
                none(params)?;
                let key = self.asked(asker)?;
                let info = self.table.get(key).map_or(Value::Null, Session::json);
                Ok(Said::Now(Aftermath::about(Ok(info), key)))
            }
            AtSessionCall::Members => {
                none(params)?;
                let key = self.asked(asker)?;
                let session = self.table.get(key).ok_or_else(|| self.no_such());
                Ok(Said::written(session.map(|session| session.members_text(peers.now))))
            }
            AtSessionCall::Initialization => {
                none(params)?;
                let key = self.asked(asker)?;
                let (name, value, document) = shown("initialization", &self.initialization(key)?);
                // By itself where it is text.
                let answer = if document.is_some() { json!({ name: value }) } else { value };
                Ok(Said::Now(Aftermath { document, ..Aftermath::plain(Ok(answer)) }))
            }
            AtSessionCall::Events => {
                let [after] = params.take(["after"])?;
                let after = whole(after.as_ref(), "after")?.unwrap_or(0);
                let (key, _) = self.author_at(names, asker, controller)?;
                let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
                let span = (after, session.seq);
                let (past, document) = session.history.after(span, None, HISTORY_ANSWER_BYTES_MAX, true);
                Ok(Said::Now(Aftermath { document, ..Aftermath::written(past) }))
            }
            AtSessionCall::Ack => {
                let [seq] = params.take(["seq"])?;
                let seq = whole(seq.as_ref(), "seq")?.ok_or_else(|| (INVALID_PARAMS, Value::from("seq is missing")))?;
                let (key, author) = self.member_at(names, asker)?;
                let Some(session) = self.table.get_mut(key) else { return Err(self.no_such()) };
                if seq > session.seq {
                    return Err((INVALID_PARAMS, Value::from("seq is of no event that has happened")));
                }
                if let Some(member) = session.members.get_mut(author.by.as_bytes()) {
                    member.acked = member.acked.max(seq);
                }
                now(Value::Null)
            }
            AtSessionCall::Copy => Ok(Said::Now(self.copy(self.asked(asker)?, params)?)),
            AtSessionCall::Pull => {
                let trigger = Trigger::from_method(name).ok_or_else(|| (METHOD_NOT_FOUND, Value::from(name)))?;
                let [at] = params.take(["at"])?;
                let at = moment(at.as_ref())?;
                let (key, author) = self.author_at(names, asker, controller)?;
                Ok(self.pull(peers, names, key, &author, trigger, at))
            }
        }
    }

    fn join(&mut self, peers: &mut Peers, names: &Names, asker: Asker<'_>, params: Params) -> Result<Said, Refused> {
        let [system, format, after] = params.take(["system", "format", "after"])?;
        let wrong = |why: &str| (INVALID_PARAMS, Value::from(why));
        let system = match &system {
            None | Some(Value::Null) => "UNKNOWN",
            Some(word) => word.as_str().map(str::trim).ok_or_else(|| wrong("system is a string"))?,
        };
        is_system(system).map_err(|why| wrong(&format!("system {why}")))?;
        let voice = match &format {
            None | Some(Value::Null) => Voice::Json,
            Some(word) => word.as_str().and_then(Voice::from_word).ok_or_else(|| wrong("format is xml or json"))?,
        };
        let after = whole(after.as_ref(), "after")?;
        let key = self.asked(asker)?;
        let member = self.member(key, asker.full_name);
        if let Some(member) = member.filter(|_| self.is_former(key, asker)) {
            return Err(refused(Code::C2simClientAlreadyJoined, "SYSTEM_NAME", &*member.system));
        }
        let was_member = member.is_some();
        let before = self.table.get(key).map_or(0, |session| session.seq);
        let seq = self.add_member(peers, names, key, asker.full_name, system, (voice, asker.doer))?;
        let past = after.map(|after| [after, before]);
        let by = self.member(key, asker.full_name).map_or(seq, |member| member.joined);
        self.answer_join(key, asker.full_name, Joined { by, seq, was_member, past, is_unkept: false })
    }

    /// The initialization that everybody got at the share.
    pub(in crate::hub) fn initialization(&self, key: SessionKey) -> Result<SharedBytes, Refused> {
        let shared = self.table.get(key).and_then(|session| session.flow.initialization.shared_bytes());
        shared.ok_or_else(|| refusal(Code::NoC2simInitializationBody, Map::new()))
    }

    // ---- Making and deleting, at the Coordinator ----

    /// Makes a session, or gives one that there is other words and options; a provider is chosen for it. `fresh`: it has just come, and
    /// must not overtake those that wait.
    pub(in crate::hub) fn create(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        wish: &Wish,
        provider: Option<ProviderKey>,
        fresh: bool,
    ) -> Result<Said, Refused> {
        let schema = wish.check()?;
        let invalid = |why: String| (INVALID_PARAMS, Value::from(why));
        if let Some(key) = self.named(&wish.name) {
            let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
            if session.is_busy(fresh) {
                return Ok(Said::Busy(key));
            }
            if let Some(other) = schema.filter(|schema| *schema != session.info.schema) {
                log::debug!("schema {} was wanted for session {}", other.name(), session.name);
                let name = session.info.schema.name();
                return Err(refused(Code::SharedSessionSchemaVersionChanged, "SCHEMA_VERSION", name));
            }
            let info = wish.info(&session.info).map_err(invalid)?;
            return Ok(self.change(peers, names, key, Change::Info(Box::new(info), provider)));
        }
        let schema = schema.unwrap_or_default();
        let base = SessionInfo { schema, created_ms: peers.unix_ms(), ..SessionInfo::default() };
        let info = wish.info(&base).map_err(invalid)?;
        let share = share_of(SESSIONS_MAX);
        let of_asker = self.table.iter().filter(|(_, session)| session.asked_by == wish.asked_by).count();
        if wish.asked_by.is_some() && of_asker >= share {
            return Err(refused(Code::TooManySharedSessions, "MAX_SESSIONS", share));
        }
        let Some(key) = self.add(peers, names, &wish.name, info, State::Uninitialized) else {
            return Err(refused(Code::TooManySharedSessions, "MAX_SESSIONS", SESSIONS_MAX));
        };
        if let Some(session) = self.table.get_mut(key) {
            session.asked_by = wish.asked_by;
        }
        log::info!("session {} made", wish.name);
        if let Some(session) = self.table.get_mut(key).filter(|_| self.ledger.is_some()) {
            session.durable = Some(Durable::default());
        }
        Ok(self.change(peers, names, key, Change::Made(provider)))
    }

    /// What is to be deleted, if whoever asks may have it so.
    pub(in crate::hub) fn to_delete(&self, params: Params, is_admin: bool) -> Result<Deletion, Refused> {
        let [name, force] = params.take(["name", "force"])?;
        let name = name.as_ref().and_then(Value::as_str);
        let force = match force {
            None | Some(Value::Null) => Some(false),
            Some(value) => value.as_bool(),
        };
        let wrong = || (INVALID_PARAMS, Value::from("name is a string, force true or false"));
        let (name, force) = name.zip(force).ok_or_else(wrong)?;
        if force && !is_admin {
            return Err(plain_error(NOT_PERMITTED));
        }
        let session = self.named(name).ok_or_else(|| self.no_such())?;
        if name == DEFAULT {
            return Err(refused(Code::NotImplemented, "REASON", "the session 'default' always exists"));
        }
        Ok(Deletion { session, force })
    }

    /// Deletes a session. `is_used`: others than its members have to do with it.
    pub(in crate::hub) fn delete(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        deletion: Deletion,
        is_used: bool,
        fresh: bool,
    ) -> Said {
        let Deletion { session: key, force } = deletion;
        let Some(session) = self.table.get(key) else { return Said::now(Err(self.no_such())) };
        if !force && (is_used || session.members_count() > 0) {
            return Said::now(Err(refused(Code::SharedSessionInUse, "ACTIVE_SESSION", session.name.as_str())));
        }
        if session.is_busy(fresh) {
            return Said::Busy(key);
        }
        self.change(peers, names, key, Change::Gone)
    }
}

/// A whole number, if it is given.
pub(super) fn whole(value: Option<&Value>, key: &str) -> Result<Option<u64>, Refused> {
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
