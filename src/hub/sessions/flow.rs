//! Flow control: what a trigger or a C2SIM message does to a session, and what the session's state does to its data.
//!
//! Three steps, each its own function. A *plan* says what would change, and changes nothing; it may be a refusal. A change of what is
//! kept is made durable first, where there is a ledger (`durable`). Then the plan is *carried out*, in one go: the session takes its new
//! flow, every member hears of it, and whoever else follows it is told by an event.
//!
//! A trigger with a moment to come is announced at once and pulled at that moment. Any later trigger that is accepted takes its place,
//! and so does one that would undo it: where a start is scheduled, a stop cancels it.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::c2sim::code::Code;
use crate::c2sim::field::Field;
use crate::c2sim::initialization::{Initialization, ShareRefusal, StoreRefusal};
use crate::c2sim::invalid::InvalidDocument;
use crate::c2sim::judging::Finding;
use crate::c2sim::kind::{Kind, Schema};
use crate::c2sim::message::Message;
use crate::c2sim::sharing::Sharing;
use crate::c2sim::state::{self, Details, Keep, RefusalContext, Relay, State, Trigger, Verdict};
use crate::hub::call::Refused;
use crate::hub::events::Event;
use crate::hub::keys::SessionKey;
use crate::hub::names::Names;
use crate::hub::peers::Peers;
use crate::leco::rpc::RECEIVER_OVERLOADED;
use crate::limits::SESSION_SYSTEM_BYTES_MAX;
use crate::store::pool::Use;
use crate::time::Span;

use super::Sessions;
use super::change::{Change, Plan};
use super::entry::{Author, Flow, Scheduled, refusal, refused};
use super::guest::shown;
use super::heading::Heading;
use super::history::{Draft, What};
use super::permitted::is_permitted;
use super::said::{Aftermath, Reading, Said, Tracked, tracking_id};
use super::session::Session;
use super::voice::stamp;

/// Longest sleep before a scheduled trigger is looked at again: the clock may have been set meanwhile.
const LOOK_AGAIN: Span = Span(1000);

/// A trigger, or a document with its message.
#[derive(Clone, Copy, Debug)]
enum Input<'a> {
    Trigger(Trigger),
    Document(&'a Message<'a>),
}

impl Input<'_> {
    const fn kind(&self) -> Kind {
        match self {
            Self::Trigger(trigger) => trigger.kind(),
            Self::Document(message) => message.kind,
        }
    }

    /// Gives an event what members are told by it: a document, or that a trigger was pulled.
    fn give(&self, draft: &mut Draft, author: &Author, schema: Schema) {
        let trigger = Trigger::from_kind(self.kind());
        match self {
            Self::Document(message) if !is_trigger_with_password(message) => {
                (draft.document, draft.line) = (Some(message.relayed()), message.one_line());
                draft.heading = Some(Box::new(Heading::of(message)));
                draft.foreign = trigger.filter(|_| message.schema != Some(schema));
            }
            Self::Document(_) | Self::Trigger(_) => {
                draft.written = trigger.map(|trigger| (trigger, author.system.clone()));
            }
        }
    }
}

impl Sessions {
    // ---- In ----

    /// Pulls a trigger, now or at the moment `at` (milliseconds since 1970).
    pub(in crate::hub) fn pull(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        author: &Author,
        trigger: Trigger,
        at: Option<u64>,
    ) -> Said {
        let at = at.filter(|at| *at > peers.unix_ms());
        match self.plan(peers, key, author, Input::Trigger(trigger), at) {
            Ok(plan) => {
                let came = self.came(key, author);
                self.go_ahead(peers, names, key, Plan { came, ..plan })
            }
            Err(refused) => Said::now(Err(count_refusal(peers, refused))),
        }
    }

    /// What a document comes to that was found to be this, in the session as it is now.
    pub(super) fn plan_document(
        &self,
        peers: &mut Peers,
        key: SessionKey,
        author: &Author,
        reading: Reading<'_>,
        finding: Finding<'_>,
    ) -> Result<Plan, Refused> {
        let (message, violations) = finding.map_err(|reject| document_refusal(&InvalidDocument::Rejected(reject)))?;
        let schema = self.table.get(key).map(|session| session.info.schema).unwrap_or_default();
        if message.schema != Some(schema) {
            if !reading.any_namespace || message.schema.is_none() {
                return Err(refused(Code::XsdValidationError, "XSD_ERROR_1", message.other_namespace(schema)));
            }
        } else if !(violations.is_empty() || reading.body_only && is_trigger_with_password(&message)) {
            return Err(document_refusal(&InvalidDocument::Content(violations)));
        }
        if let Err((refused, why)) = check_password(&message, reading.password) {
            peers.audit_failure(author.doer, message.kind.name(), why);
            return Err(refused);
        }
        let name = self.table.get(key).map_or("", |session| session.name.as_str());
        is_permitted(peers, reading.user, name, message.kind)?;
        peers.counters.session_documents += 1;
        let mut author = Cow::Borrowed(author);
        if reading.speaks_for_sender {
            author.to_mut().system = shown(message.header.sender(), SESSION_SYSTEM_BYTES_MAX).into();
        }
        let mut plan = self.plan(peers, key, &author, Input::Document(&message), None)?;
        plan.version = message.header.get(Field::ProtocolVersion).map(|version| version.trim().into());
        Ok(plan)
    }

    /// Carries a plan out, or begins to: what is kept must be durable first.
    pub(super) fn decide(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, plan: Plan) -> Said {
        debug_assert!(plan.sharing.is_none(), "what is shared is made before");
        if plan.is_due {
            if let Some(flow) = &plan.flow {
                self.write_ahead(peers, key, flow);
            }
            return Said::Now(self.carry_out(peers, names, key, plan));
        }
        if plan.flow.is_some() || !self.has_numbers(key) {
            return self.change(peers, names, key, Change::Flow(Box::new(plan)));
        }
        Said::Now(self.carry_out(peers, names, key, plan))
    }

    /// The event by which an author had come, if it is a member.
    pub(super) fn came(&self, key: SessionKey, author: &Author) -> Option<u64> {
        self.member(key, author.by.as_bytes()).map(|member| member.came)
    }

    // ---- Planning ----

    fn plan(
        &self,
        peers: &mut Peers,
        key: SessionKey,
        author: &Author,
        input: Input<'_>,
        at: Option<u64>,
    ) -> Result<Plan, Refused> {
        let kind = input.kind();
        let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
        let (now, options) = (session.flow.state, session.info.options);
        let verdict = state::admit(now, options, session.flow.facts(), kind);
        let to = match verdict {
            Verdict::Transition { to } => to,
            Verdict::Stay { .. } if at.is_none() => return self.plan_stay(peers, key, author, input),
            Verdict::Stay { .. } => {
                return Err(refused(
                    Code::StateTransitionNotAllowed,
                    "REASON",
                    "only a change of state can be scheduled",
                ));
            }
            Verdict::Refuse { code, details } => {
                return self.plan_undo(key, author, input, at).ok_or_else(|| match input {
                    Input::Document(message) if code == Code::XsdValidationError => {
                        let body = if message.element.is_empty() { "an empty one" } else { message.element };
                        refused(code, "XSD_ERROR_1", format!("no schema defines this body: {body}"))
                    }
                    Input::Document(message)
                        if matches!(code, Code::C2simMsgNotAllowedInState | Code::StateTransitionNotAllowed) =>
                    {
                        let (error, data) = self.refusal_of(key, code, details);
                        (error, with_reason(data, not_allowed(code, message.kind, now)))
                    }
                    Input::Document(_) | Input::Trigger(_) => self.refusal_of(key, code, details),
                });
            }
        };
        let mut flow = Box::new(session.flow.clone());
        let cancelled = flow.scheduled.take().map(|next| next.trigger.kind().name());
        let mut draft =
            Draft { name: kind.name(), cancelled, ..Draft::of(What::State, author.by.clone(), author.doer) };
        if let (Some(at_ms), Input::Trigger(trigger)) = (at, input) {
            flow.scheduled = Some(Scheduled { trigger, at_ms, author: author.clone() });
            draft.effective_at = at;
            let (drafts, author) = (vec![draft], author.clone());
            return Ok(Plan { effective_at: at, ..Plan::new(kind, author, Some(flow), drafts) });
        }
        flow.state = to;
        input.give(&mut draft, author, session.info.schema);
        let mut drafts = vec![draft];
        let effects = state::effects(options, kind);
        let mut sharing = None;
        if effects.relay == Relay::OthersThenInitialization && flow.facts().stored {
            let (made, draft) = self.begin_share(peers, key, &flow.initialization, &author.by)?;
            drafts.push(draft);
            sharing = Some(Box::new(made));
        }
        if effects.keep == Keep::Discard {
            flow.initialization.clear();
            flow.multiple = 1.0;
        }
        self.check_room(peers, key, &drafts, sharing.as_deref().map_or(0, Sharing::len))?;
        Ok(Plan { sharing, ..Plan::new(kind, author.clone(), Some(flow), drafts) })
    }

    /// Begins to make the initialization that everybody gets, and the event that tells it.
    fn begin_share(
        &self,
        peers: &mut Peers,
        key: SessionKey,
        initialization: &Initialization,
        by: &str,
    ) -> Result<(Sharing, Draft), Refused> {
        let stamp = stamp(peers);
        let (sharing, shared) =
            initialization.begin_share(&stamp).map_err(|reason| self.share_refusal(key, &reason))?;
        if sharing.is_large() && sharing.bytes() > peers.pool.data_room() {
            return Err(self.no_room_for(peers, key, sharing.len()));
        }
        log::info!("initialization of {} documents shared", shared.documents);
        if shared.settings_differ && peers.may_log() {
            log::warn!("the documents have different ScenarioSettings: the first of them is shared");
        }
        let heading = Some(Box::new(Heading::of_shared(shared.schema, &stamp)));
        let name = Kind::C2simInitialization.name();
        let draft = Draft::new(What::Message, by.into());
        Ok((sharing, Draft { name, heading, to_all: true, ..draft }))
    }

    /// What is refused now, but would lead back from the state to which a scheduled trigger leads, undoes the schedule.
    fn plan_undo(&self, key: SessionKey, author: &Author, input: Input<'_>, at: Option<u64>) -> Option<Plan> {
        let session = self.table.get(key)?;
        let next = session.flow.scheduled.as_ref().filter(|_| at.is_none())?;
        let (kind, now, options, facts) =
            (input.kind(), session.flow.state, session.info.options, session.flow.facts());
        let Verdict::Transition { to } = state::admit(now, options, facts, next.trigger.kind()) else { return None };
        if state::admit(to, options, facts, kind) != (Verdict::Transition { to: now }) {
            return None;
        }
        let cancelled = Some(next.trigger.kind().name());
        let mut flow = Box::new(session.flow.clone());
        flow.scheduled = None;
        let draft = Draft { name: kind.name(), cancelled, ..Draft::of(What::State, author.by.clone(), author.doer) };
        let (author, flow) = (author.clone(), Some(flow));
        Some(Plan::new(kind, author, flow, vec![draft]))
    }

    /// Whether every member can be given the documents of these events, and `more` bytes: nobody is to be cut off for what another one sends.
    fn check_room(&self, peers: &Peers, key: SessionKey, drafts: &[Draft], more: usize) -> Result<(), Refused> {
        let documents = drafts.iter().filter_map(|draft| draft.document.as_ref());
        self.check_bytes(peers, key, documents.map(|document| document.len()).sum::<usize>() + more)
    }

    /// The same for so many bytes.
    fn check_bytes(&self, peers: &Peers, key: SessionKey, bytes: usize) -> Result<(), Refused> {
        if self.has_room_for_all(peers, key, bytes) { Ok(()) } else { Err(self.no_room_for(peers, key, bytes)) }
    }

    /// A message that leaves the state as it is: relayed, kept, or both.
    fn plan_stay(&self, peers: &Peers, key: SessionKey, author: &Author, input: Input<'_>) -> Result<Plan, Refused> {
        let kind = input.kind();
        let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
        let options = session.info.options;
        let effects = state::effects(options, kind);
        let changed = || Box::new(session.flow.clone());
        let flow = match (effects.keep, input) {
            (Keep::Nothing | Keep::Discard, _) => None,
            (Keep::Initialization, Input::Document(message)) => {
                // Twice: what is stored is put together at the share.
                if 2 * message.text.len() > peers.pool.data_room() {
                    return Err(self.no_room(key));
                }
                let mut flow = changed();
                flow.initialization.store(message, options.init_merge).map_err(|reason| store_refusal(&reason))?;
                // What could never be shared is refused now, and not when all wait for it.
                self.check_bytes(peers, key, flow.initialization.bytes())?;
                Some(flow)
            }
            (Keep::Completion, _) => {
                let mut flow = changed();
                let system = match input {
                    Input::Document(message) => message.header.sender(),
                    Input::Trigger(_) => &author.system,
                };
                let first = flow.initialization.complete(system).map_err(|reason| store_refusal(&reason))?;
                first.then_some(flow)
            }
            (Keep::RealtimeMultiple, Input::Document(message)) => {
                let multiple = message.realtime_multiple.unwrap_or(1.0);
                (multiple.total_cmp(&session.flow.multiple).is_ne()).then(|| {
                    let mut flow = changed();
                    flow.multiple = multiple;
                    flow
                })
            }
            // A trigger brings no document.
            (Keep::Initialization | Keep::RealtimeMultiple, Input::Trigger(_)) => None,
        };
        let mut drafts = Vec::new();
        if effects.relay != Relay::Nobody {
            let mut draft = Draft { name: kind.name(), ..Draft::new(What::Message, author.by.clone()) };
            input.give(&mut draft, author, session.info.schema);
            drafts.push(draft);
            self.check_room(peers, key, &drafts, 0)?;
        }
        Ok(Plan::new(kind, author.clone(), flow, drafts))
    }

    pub(super) fn no_room(&self, key: SessionKey) -> Refused {
        let name = self.table.get(key).map_or("", |session| session.name.as_str());
        (RECEIVER_OVERLOADED, json!({"session": name, "reason": "no memory is left for a copy for every member"}))
    }

    /// The same where it is known for how much there is none.
    fn no_room_for(&self, peers: &Peers, key: SessionKey, bytes: usize) -> Refused {
        let (error, mut data) = self.no_room(key);
        let members = self.table.get(key).map_or(0, Session::members_count);
        if let Some(data) = data.as_object_mut() {
            data.insert("bytes".to_owned(), Value::from(bytes));
            data.insert("members".to_owned(), Value::from(members));
            data.insert("bytes_left".to_owned(), Value::from(peers.pool.room(Use::Ring)));
        }
        (error, data)
    }

    /// A refusal of the state machine, with its details.
    fn refusal_of(&self, key: SessionKey, code: Code, details: Details) -> Refused {
        self.with_facts(key, code, |facts, put| details.write(facts, put))
    }

    fn share_refusal(&self, key: SessionKey, reason: &ShareRefusal) -> Refused {
        self.with_facts(key, reason.code(), |facts, put| reason.write(facts, put))
    }

    fn with_facts(
        &self,
        key: SessionKey,
        code: Code,
        write: impl FnOnce(RefusalContext<'_>, &mut dyn FnMut(&'static str, &dyn core::fmt::Display)),
    ) -> Refused {
        let mut details = Map::new();
        if let Some(session) = self.table.get(key) {
            let initialization = &session.flow.initialization;
            let (required, completed) = (initialization.required(), initialization.completed());
            write(RefusalContext { session: &session.name, required, completed }, &mut |key, value| {
                details.insert(key.to_owned(), Value::from(value.to_string()));
            });
        }
        refusal(code, details)
    }

    // ---- Carrying out ----

    /// Does what a plan says; answers whoever asked for it.
    pub(super) fn carry_out(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, plan: Plan) -> Aftermath {
        let Plan { kind, author, came, flow, drafts, effective_at, version, .. } = plan;
        let before = self.table.get(key).map(|session| (session.flow.state, session.flow.multiple));
        if let Some(flow) = flow {
            self.take_flow(peers, key, *flow);
        }
        self.note_system(key, &author);
        if let (Some(version), Some(session)) = (version, self.table.get_mut(key)) {
            session.version = version;
        }
        let cancelled = drafts.first().and_then(|draft| draft.cancelled);
        let mut drafts = drafts.into_iter();
        // Whoever has been away meanwhile hears of it like everybody else: the answer was for its former self.
        let by = author.by.as_bytes();
        let knows = self.member(key, by).map(|member| member.came) == came;
        let first = drafts.next().map(|draft| self.announce(peers, names, key, draft, Some(by).filter(|_| knows)));
        let Some(session) = self.table.get_mut(key) else { return Aftermath::plain(Err(self.no_such())) };
        session.owed.extend(drafts);
        let owes = (!session.owed.is_empty()).then_some(key);
        let (state, seq, name) = (session.flow.state, first.unwrap_or(session.seq), &session.name);
        if let Some(at) = effective_at
            && peers.may_log()
        {
            let left = at.saturating_sub(peers.unix_ms());
            log::info!("session {name}: {} comes in {left} ms (seq {seq}) by {}", kind.name(), author.by);
        }
        if let Some(cancelled) = cancelled
            && peers.may_log()
        {
            log::info!("session {name}: {cancelled} is not to come any more (seq {seq}) by {}", author.by);
        }
        if let Some((was, before)) = before {
            let multiple = session.flow.multiple;
            if was != state {
                peers.counters.session_changes += 1;
                log::info!("session {name} is {state} (seq {seq}) by {}", author.by);
                peers.events.push_back(Event::FlowChanged { session: key, was, now: state, multiple });
            }
            if multiple.total_cmp(&before).is_ne() {
                peers.events.push_back(Event::FlowChanged { session: key, was: state, now: state, multiple });
            }
        }
        self.set_schedule(peers, key);
        let tracked = Tracked { tracking_id: tracking_id(peers), kind, state, seq, effective_at };
        Aftermath { owes, ..Aftermath::tracked(tracked) }
    }

    fn take_flow(&mut self, peers: &mut Peers, key: SessionKey, flow: Flow) {
        let Some(session) = self.table.get_mut(key) else { return };
        let before = session.bytes();
        session.flow = flow;
        let after = session.bytes();
        self.account(peers, before, after);
    }

    // ---- Scheduled triggers ----

    /// Sets the deadline of a session's scheduled trigger, or takes it away.
    pub(super) fn set_schedule(&mut self, peers: &Peers, key: SessionKey) {
        let Some(session) = self.table.get(key) else { return };
        match session.flow.scheduled.as_ref().map(|next| next.at_ms) {
            Some(at) => {
                let left = Span(at.saturating_sub(peers.unix_ms()));
                self.timers.set(key.slot(), 0, peers.now + left.min(LOOK_AGAIN));
            }
            None => self.timers.cancel(key.slot(), 0),
        }
    }

    /// The moment of a scheduled trigger may have come.
    pub(in crate::hub) fn schedule_due(&mut self, peers: &mut Peers, names: &Names, key: SessionKey) {
        let unix_ms = peers.unix_ms();
        let Some(session) = self.table.get_mut(key) else { return };
        let Some(next) = &session.flow.scheduled else { return };
        if next.at_ms > unix_ms {
            self.set_schedule(peers, key);
            return;
        }
        if session.is_writing() || session.is_sharing() {
            // Somebody is just changing the session, and may be cancelling this; looked at again when that is done.
            return;
        }
        if session.sliced.is_some() && next.trigger == Trigger::ShareScenario {
            // It may take many slices itself.
            return;
        }
        let Some(next) = session.flow.scheduled.take() else { return };
        match self.plan(peers, key, &next.author, Input::Trigger(next.trigger), None) {
            Ok(mut plan) => {
                for draft in &mut plan.drafts {
                    draft.to_all = true;
                    draft.effective_at = (draft.what == What::State).then_some(next.at_ms);
                }
                plan.is_due = true;
                if plan.sharing.is_some()
                    && let Some(session) = self.table.get_mut(key)
                {
                    // It stands until that is made.
                    session.flow.scheduled = Some(next);
                }
                if let Said::Now(_) = self.go_ahead(peers, names, key, plan) {
                    self.tell_owed(peers, names, key);
                }
            }
            Err((error, data)) => {
                log::warn!("a scheduled trigger could not be pulled: {} {data}", error.message);
                let (what, name) = (What::State, next.trigger.kind().name());
                let draft = Draft {
                    name,
                    cancelled: Some(name),
                    to_all: true,
                    ..Draft::of(what, next.author.by, next.author.doer)
                };
                self.announce(peers, names, key, draft, None);
                self.write_in_background(peers, key);
            }
        }
    }

    /// The clock was set: scheduled triggers are due at other moments than it seemed.
    pub(in crate::hub) fn schedules_moved(&mut self, peers: &Peers) {
        for slot in 0..self.table.slots_end() {
            if let Some(key) = self.table.key_at(slot) {
                self.set_schedule(peers, key);
            }
        }
    }
}

/// A refusal of a document: the schema's complaints, or what is wrong with it and in which line.
fn document_refusal(refused: &InvalidDocument) -> Refused {
    let mut details = Map::new();
    refused.write(|key, value| {
        details.insert(key.to_owned(), Value::from(value.to_string()));
    });
    if details.is_empty() {
        details.insert("REASON".to_owned(), Value::from(refused.to_string()));
    }
    refusal(refused.code(), details)
}

/// The data of a refusal with other words.
fn with_reason(mut data: Value, reason: String) -> Value {
    if let Some(data) = data.as_object_mut() {
        data.insert("reason".to_owned(), Value::from(reason));
    }
    data
}

/// A message that the state does not admit, in the words of other servers of C2SIM.
fn not_allowed(code: Code, kind: Kind, state: State) -> String {
    let what = if code == Code::StateTransitionNotAllowed { "The trigger" } else { "C2SIM message of type" };
    format!("{what} '{}' is not allowed in state '{}'", kind.name(), state.name())
}

/// Whether a message is a trigger that came with a password: of these nobody is given more than that the trigger was pulled.
fn is_trigger_with_password(message: &Message<'_>) -> bool {
    message.password.is_some() && Trigger::from_kind(message.kind).is_some()
}

/// Whether a message that must have a password has the right one.
fn check_password(message: &Message<'_>, password: &str) -> Result<(), (Refused, &'static str)> {
    let is_asked = Trigger::from_kind(message.kind).is_some_and(Trigger::needs_password);
    let why = match &message.password {
        _ if password.is_empty() || !is_asked => return Ok(()),
        None => "Command requires password",
        Some(given) if given.text != password => "Password is invalid",
        Some(_) => return Ok(()),
    };
    Err((refused(Code::AuthorizationFailure, "REASON", why), why))
}

fn store_refusal(reason: &StoreRefusal) -> Refused {
    refused(reason.code(), "REASON", reason.to_string())
}

pub(super) fn count_refusal(peers: &mut Peers, refused: Refused) -> Refused {
    peers.counters.session_refusals += 1;
    refused
}
