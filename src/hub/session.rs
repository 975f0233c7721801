//! Shared sessions: what each one is, who has joined it, and how it is called in every protocol.
//!
//! One table holds them all. A session has an integer id and a name; the name is also a LECO name, `NS.session:NAME`, under which
//! Components of any node reach it. This file owns the entry, its names, its making and its end, and who is a member. What a message
//! does to a session stands in `flow`, what the members hear of it in `publish`, what outlives the process in `keep`.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use crate::c2sim::code::Code;
use crate::c2sim::initialization::Initialization;
use crate::c2sim::kind::Schema;
use crate::c2sim::notice::IsoDateTime;
use crate::c2sim::state::{self, InitFacts, Options, State, Trigger};
use crate::config::Predefined;
use crate::leco::name;
use crate::leco::route::session_name;
use crate::leco::rpc::{RpcError, SESSION_REFUSED};
use crate::limits::{MEMBER_BYTES, SESSION_TEXT_BYTES_MAX, SESSION_TITLE_BYTES_MAX, SESSIONS_MAX};

use super::Hub;
use super::call::Answer;
use super::events::Event;
use super::keep::{Kept, Pending};
use super::keys::{RequestKey, SessionKey};
use super::member::Member;
use super::peers::For;
use super::publish::{Draft, History, What};

/// The session that is always there.
pub(super) const DEFAULT: &str = "default";

/// What was chosen when the session was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct About {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) schema: Schema,
    pub(super) options: Options,
    /// Milliseconds since 1970.
    pub(super) created_ms: u64,
}

impl About {
    /// All that can be chosen, as one text: two that are alike have the same.
    fn text_of_all(&self) -> String {
        let options = Options::KEYS.map(|key| self.options.word(key));
        json!([self.title, self.text, self.schema.name(), options]).to_string()
    }
}

/// Who pulled a trigger or sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Author {
    /// Full name of a member, `controller HOST:PORT`, or the session's own name.
    pub(super) by: Box<str>,
    /// The C2SIM system it speaks for.
    pub(super) system: Box<str>,
}

/// A trigger that is to be pulled at a moment to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    pub(super) trigger: Trigger,
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) author: Author,
}

/// All that flow control changes. A change is made on a copy, which takes the place of the original once it is durable.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) state: State,
    pub(super) initialization: Initialization,
    /// The last SetSimulationRealtimeMultiple, and the speed of a log.
    pub(super) multiple: f64,
    pub(super) scheduled: Option<Scheduled>,
}

impl Flow {
    pub(super) fn new(state: State) -> Self {
        Self { state, initialization: Initialization::new(), multiple: 1.0, scheduled: None }
    }

    pub(super) const fn facts(&self) -> InitFacts {
        self.initialization.facts()
    }
}

/// A session. Opaque outside the hub.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: i64,
    pub(super) name: String,
    /// `NS.session:NAME`: the sender of all that it says.
    pub(super) full_name: Box<[u8]>,
    pub(super) about: About,
    /// How the configuration describes it, if it does.
    pub(super) configured: Option<Box<str>>,
    pub(super) flow: Flow,
    /// The number of its last event; each event has one more.
    pub(super) seq: u64,
    /// The number of the last event that changed its state.
    pub(super) state_seq: u64,
    /// By full name.
    pub(super) members: BTreeMap<Box<[u8]>, Member>,
    pub(super) history: History,
    /// What the ledger knows of it; `None` for one that ends with its provider or the process.
    pub(super) kept: Option<Kept>,
    /// The change that is being made durable. Nothing else happens in the session meanwhile.
    pub(super) pending: Option<Box<Pending>>,
    /// Requests that wait for it, in order.
    pub(super) queue: VecDeque<(RequestKey, usize)>,
    pub(super) queue_bytes: usize,
    /// Whether controllers whose next request waits for it come before the line.
    pub(super) controllers_first: bool,
}

impl Session {
    pub(super) fn state(&self) -> State {
        self.flow.state
    }

    /// Whether a request must wait: for a change that is being made durable, or a new one (`fresh`) behind those that wait already.
    pub(super) fn is_busy(&self, fresh: bool) -> bool {
        self.pending.is_some() || (fresh && !self.queue.is_empty())
    }

    /// Whether anything of it is being written, so that no change can be.
    pub(super) fn is_writing(&self) -> bool {
        self.pending.is_some() || self.kept.as_ref().is_some_and(Kept::is_writing)
    }

    /// The LECO name without namespace.
    pub(super) fn local_name(&self) -> &[u8] {
        name::FullName::split(&self.full_name).name
    }

    /// Bytes that it keeps beyond its entry: members, initialization, the one to come, history, waiting requests.
    pub(super) fn bytes(&self) -> usize {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.charged);
        let members = self.members.len() * MEMBER_BYTES;
        members + self.flow.initialization.bytes() + pending + self.history.bytes() + self.queue_bytes
    }
}

/// A refusal by flow control.
pub(super) fn refusal(code: Code, details: Map<String, Value>) -> (RpcError, Value) {
    (SESSION_REFUSED, json!({"code": code.name(), "reason": code.to_string(), "details": details}))
}

/// A refusal with one detail.
pub(super) fn refused(code: Code, key: &str, value: impl Into<Value>) -> (RpcError, Value) {
    refusal(code, Map::from_iter([(key.to_owned(), value.into())]))
}

impl Hub {
    // ---- Finding ----

    /// The session with this LECO name, given without namespace.
    pub(super) fn session_at(&self, local_name: &[u8]) -> Option<SessionKey> {
        self.session_names.get(local_name).copied()
    }

    /// The session of this name.
    pub(super) fn session_named(&self, text: &str) -> Option<SessionKey> {
        self.session_at(&session_name(text))
    }

    /// The session of this id.
    pub(super) fn session_of_id(&self, id: i64) -> Option<SessionKey> {
        self.sessions.iter().find(|(_, session)| session.id == id).map(|(key, _)| key)
    }

    /// The refusal for a session that there is not.
    pub(super) fn no_such_session(&self) -> (RpcError, Value) {
        let names: Vec<&str> = self.sessions.iter().map(|(_, session)| session.name.as_str()).collect();
        refused(Code::SharedSessionNotFound, "ACTIVE_SESSIONS", names.join(";"))
    }

    // ---- Making and ending ----

    /// Enters a session; its name must be free and legal.
    pub(super) fn add_session(&mut self, name: &str, about: About, state: State) -> Option<SessionKey> {
        let local = session_name(name);
        debug_assert!(!self.session_names.contains_key(&*local), "the caller has looked the name up");
        let session = Session {
            id: self.next_session,
            name: name.to_owned(),
            full_name: self.names.named_here(&local).into(),
            about,
            configured: None,
            flow: Flow::new(state),
            seq: 0,
            state_seq: 0,
            members: BTreeMap::new(),
            history: History::default(),
            kept: None,
            pending: None,
            queue: VecDeque::new(),
            queue_bytes: 0,
            controllers_first: false,
        };
        let key = self.sessions.insert(session).ok()?;
        self.next_session += 1;
        self.session_names.insert(local.into(), key);
        self.peers.counters.sessions_made += 1;
        Some(key)
    }

    /// Sessions that are there from the start: `default`, and those of the configuration.
    pub(super) fn add_predefined(&mut self, predefined: &[Predefined]) {
        let created_ms = self.peers.unix_ms();
        let about = |one: &Predefined| About {
            title: one.title.clone(),
            text: one.about.clone(),
            schema: one.schema,
            options: one.options,
            created_ms,
        };
        let chosen = predefined.iter().find(|one| one.name == DEFAULT);
        let first = chosen.map_or_else(|| About { created_ms, ..About::default() }, about);
        self.add_session(DEFAULT, first, State::Uninitialized);
        for one in predefined {
            let key = match self.session_named(&one.name) {
                Some(key) => Some(key),
                None => self.add_session(&one.name, about(one), State::Uninitialized),
            };
            if let Some(session) = key.and_then(|key| self.sessions.get_mut(key)) {
                session.configured = Some(session.about.text_of_all().into());
            }
        }
    }

    /// Makes a session for the provider of this id, which runs at once: a controller that knows nothing of flow control just sees data.
    pub(super) fn make_for_provider(&mut self, provider: i64) -> Option<SessionKey> {
        let name = self.free_session_name(&format!("provider-{provider}"));
        let about = About { created_ms: self.peers.unix_ms(), ..About::default() };
        let key = self.add_session(&name, about, State::Running)?;
        if let Some(session) = self.sessions.get_mut(key) {
            (session.seq, session.state_seq) = (1, 1);
        }
        Some(key)
    }

    /// A name for a session that is made because of a provider.
    fn free_session_name(&self, wanted: &str) -> String {
        let free = |name: &String| self.session_named(name).is_none();
        let mut names = (2..).map(|n: u32| format!("{wanted}-{n}"));
        Some(wanted.to_owned()).into_iter().chain(names.by_ref().take(SESSIONS_MAX)).find(free).unwrap_or_default()
    }

    /// Takes a session out of the table: members hear that they are lost, those who wait get their answers.
    pub(super) fn end_session(&mut self, key: SessionKey, why: &str) {
        let Some(session) = self.sessions.get(key) else { return };
        let by: Box<str> = name::shown(&session.full_name).into();
        if !session.members.is_empty() {
            self.announce(key, Draft::new(What::Lost, by), None);
        }
        self.session_timers.cancel_all(key.slot());
        let Some(mut session) = self.sessions.remove(key) else { return };
        self.session_names.remove(session.local_name());
        log::info!("session {} ({}) ended: {why}", session.id, session.name);
        let members = core::mem::take(&mut session.members);
        self.account_session(members.len() * MEMBER_BYTES, 0);
        for member in members.into_keys() {
            self.forget_membership(&member, key);
        }
        self.peers.events.push_back(Event::SessionEnded { session: key, was: session.state() });
        self.peers.wake(For::Session(key));
        let bytes = session.bytes();
        self.account_session(bytes, 0);
        for (waiting, _) in session.queue {
            if let Some(request) = self.front.take(waiting) {
                self.run(request, false);
            }
        }
    }

    // ---- Memory ----

    /// What a session keeps has changed from `before` to `after` bytes.
    pub(super) fn account_session(&mut self, before: usize, after: usize) {
        self.session_bytes = (self.session_bytes + after).saturating_sub(before);
        // Whoever lets a session grow has looked for room; what was not looked at is small.
        self.peers.pool.charge_small(after.saturating_sub(before));
        self.peers.pool.refund(before.saturating_sub(after));
    }

    // ---- Showing ----

    /// A session as `info` shows it.
    pub(super) fn session_json(&self, key: SessionKey) -> Value {
        let Some(session) = self.sessions.get(key) else { return Value::Null };
        let (flow, about) = (&session.flow, &session.about);
        let permitted: Vec<&str> = state::permitted(flow.state, about.options, flow.facts()).names().collect();
        let scheduled = flow.scheduled.as_ref().map_or(
            Value::Null,
            |next| json!({"trigger": next.trigger.kind().name(), "at": next.at_ms, "by": next.author.by}),
        );
        let options = &about.options;
        json!({
            "sessionName": session.name,
            "id": session.id,
            "state": flow.state.name(),
            "seq": session.seq,
            "createdAt": IsoDateTime(about.created_ms / 1000).to_string(),
            "info": {
                "c2simSchemaVersion": about.schema.name(),
                "displayName": about.title,
                "description": about.text,
            },
            "options": Options::KEYS.map(|key| (key, options.word(key))).into_iter().collect::<BTreeMap<_, _>>(),
            "permitted": permitted,
            "members": session.members.len(),
            "realtimeMultiple": flow.multiple,
            "scheduled": scheduled,
            "kept": session.kept.is_some(),
        })
    }

    /// Every session, by id.
    pub(super) fn sessions_json(&self) -> Value {
        let mut keys: Vec<(i64, SessionKey)> = self.sessions.iter().map(|(key, session)| (session.id, key)).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, key)| self.session_info(key)).collect()
    }
}

/// What is asked of a session that is to be made, whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) schema: Option<String>,
    pub(super) title: Option<String>,
    pub(super) text: Option<String>,
    pub(super) provider: Option<i64>,
    /// Key and word of each option that is given.
    pub(super) options: Vec<(&'static str, String)>,
}

impl Wish {
    /// What it comes to on top of what there is.
    pub(super) fn about(&self, base: &About) -> Result<About, String> {
        let mut about = base.clone();
        if let Some(title) = &self.title {
            title.clone_into(&mut about.title);
        }
        if let Some(text) = &self.text {
            text.clone_into(&mut about.text);
        }
        if about.title.len() > SESSION_TITLE_BYTES_MAX || about.text.len() > SESSION_TEXT_BYTES_MAX {
            return Err("display_name or description is too long".to_owned());
        }
        for (key, word) in &self.options {
            about.options.set(key, word)?;
        }
        Ok(about)
    }
}

/// A result of making a session, in the words of the C2SIM interface.
pub(super) fn creation(created: bool, info: Value) -> Answer {
    Ok(json!({"creation": if created { "CREATED" } else { "UPDATED" }, "session": info}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c2sim::is_session_name;
    use crate::limits::SESSION_NAME_BYTES_MAX;

    #[test]
    fn names_of_sessions_are_those_of_the_interface() {
        for good in ["default", "a.b", "A_~-9", "%2E", "x%aF"] {
            assert!(is_session_name(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "%", "%2", "%zz", "ü", "a:b", &"x".repeat(SESSION_NAME_BYTES_MAX + 1)] {
            assert!(!is_session_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_is_written_so_that_no_other_name_is_written_alike() {
        assert_eq!(session_name("a.b"), b"session:a%2Eb");
        assert_eq!(session_name("a%2Eb"), b"session:a%252Eb");
        assert!(name::is_legal(&session_name(&".".repeat(SESSION_NAME_BYTES_MAX))));
    }
}
