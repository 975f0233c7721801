//! Requests to the Coordinator and to sessions, from the message to the answer.
//!
//! A message may hold several calls, and one of them may have to wait: for a change to become durable, or behind other requests to the
//! same session. What is left of the message is then an [`Errand`], which goes on from where it stands when its turn comes. Its answers
//! leave in one document, in the order of the calls.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::c2sim::code::Code;
use crate::c2sim::is_session_name;
use crate::c2sim::kind::Schema;
use crate::c2sim::state::{Options, Trigger};
use crate::leco::message::{self, HEADER_BYTES, TYPE_C2SIM, TYPE_JSON, TYPE_UNDEFINED, View};
use crate::leco::name::{self, COORDINATOR};
use crate::leco::route::{Place, Refusal};
use crate::leco::rpc::{
    self, Document, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Id, Item, METHOD_NOT_FOUND, Params,
    RECEIVER_OVERLOADED,
};
use crate::limits::{
    HISTORY_ANSWER_BYTES_MAX, OWN_PER_TURN, RPC_BYTES_MAX, SESSION_QUEUE_BYTES_MAX, SESSION_QUEUE_MAX,
    SESSION_SYSTEM_BYTES_MAX,
};
use crate::store::ring::Refused;

use super::flow::Said;
use super::keep::{Change, Party};
use super::member::Format;
use super::publish::What;
use super::relay::{data_text, shown};
use super::serve::{Answer, Caller, none, plain_error};
use super::session::{About, Author, DEFAULT, SessionKey, Wish, refused};
use super::{Hub, Outcome, PeerKey};

/// Where a request is dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Desk {
    /// The Coordinator itself.
    Coordinator,
    /// The session with this LECO name, given without namespace; whether there is one shows when it is dealt with.
    Session(Box<[u8]>),
}

/// One part of a request.
#[derive(Debug)]
pub(super) enum Ask {
    /// An element of a JSON-RPC document.
    Item(Item),
    /// A C2SIM document.
    Document(Box<[u8]>),
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) desk: Desk,
    pub(super) link: PeerKey,
    pub(super) sender: Box<[u8]>,
    pub(super) header: [u8; HEADER_BYTES],
    /// Why the sender may not do more than sign in or out, unless an element of this very request signs it in.
    pub(super) refusal: Option<Refusal>,
    pub(super) is_batch: bool,
    /// The answer goes back over the ROUTER, and to the Coordinator's plain name.
    pub(super) signs_in: bool,
    pub(super) asks: VecDeque<Ask>,
    /// Its link is not read before it is answered: it has more calls than one turn has room for.
    pub(super) holds: bool,
    /// The answers so far.
    pub(super) text: String,
    /// The id under which the answer that is waited for is to be written; `None` for a notification.
    pub(super) awaited: Option<Id>,
}

impl Errand {
    /// Bytes that it holds while it waits, about.
    fn bytes(&self) -> usize {
        let ask = |ask: &Ask| match ask {
            Ask::Item(item) => item.weight(),
            Ask::Document(bytes) => size_of::<Ask>() + bytes.len(),
        };
        size_of::<Self>() + self.text.len() + self.asks.iter().map(ask).sum::<usize>()
    }
}

impl Hub {
    /// Deals with a message for a session.
    #[cold]
    pub(super) fn session_message(&mut self, from: PeerKey, receiver: &[u8], view: &View<'_>) -> Outcome {
        let payload = view.payload.unwrap_or_default();
        if payload.is_empty() {
            return self.own_done();
        }
        if let Some(outcome) = self.not_yet(from, payload.len()) {
            return outcome;
        }
        let is_xml = match view.content_type() {
            TYPE_C2SIM => true,
            TYPE_UNDEFINED => {
                let text = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
                text.trim_ascii_start().starts_with(b"<")
            }
            _ => false,
        };
        let mut errand = self.errand(Desk::Session(receiver.into()), from, view);
        if is_xml {
            // Longer ones are refused without being kept.
            let kept = payload.get(..self.config.document_bytes_max + 1).unwrap_or(payload);
            errand.asks.push_back(Ask::Document(kept.into()));
        } else if view.content_type() == TYPE_JSON {
            self.take_apart(&mut errand, payload);
        } else {
            self.drop_unanswerable(view);
            return self.own_done();
        }
        self.run_errand(errand, true);
        self.own_done()
    }

    pub(super) fn errand(&self, desk: Desk, from: PeerKey, view: &View<'_>) -> Errand {
        Errand {
            desk,
            link: from,
            sender: view.sender.into(),
            header: *view.header,
            refusal: None,
            is_batch: false,
            signs_in: false,
            asks: VecDeque::new(),
            holds: false,
            text: String::new(),
            awaited: None,
        }
    }

    /// Takes a JSON-RPC document apart; what cannot be read is answered right away.
    fn take_apart(&mut self, errand: &mut Errand, payload: &[u8]) {
        match Document::parse(payload) {
            Err(error) => self.write(&mut errand.text, &Id::NULL, Err(plain_error(error))),
            Ok(document) => errand.fill(document),
        }
    }

    // ---- Running ----

    /// Deals with a request as far as it goes. `fresh`: it has just come, and must not overtake those that wait.
    pub(super) fn run_errand(&mut self, mut errand: Errand, fresh: bool) {
        let mut fresh = fresh;
        while !errand.asks.is_empty() {
            if !self.may_go_on(&errand) {
                self.counters.requests_abandoned += 1;
                self.announce_afterwards(None);
                return;
            }
            if errand.is_batch {
                if self.own_in_turn > OWN_PER_TURN {
                    return self.put_off(errand);
                }
                self.own_in_turn += 1;
            }
            let Some(ask) = errand.asks.pop_front() else { break };
            let (id, said) = match ask {
                Ask::Document(bytes) => {
                    let said = match self.busy(&errand.desk, fresh) {
                        Some(key) => Said::Busy(key),
                        None => self.document_to(&errand, &bytes),
                    };
                    if let Said::Busy(key) = said {
                        errand.asks.push_front(Ask::Document(bytes));
                        return self.stand_in_line(key, errand);
                    }
                    (Some(Id::NULL), said)
                }
                Ask::Item(Item::Call(call)) => {
                    let refused = errand.refusal.filter(|refusal| {
                        errand.is_batch
                            && !refusal.allows(&call.method)
                            && !self.is_signed_in(errand.caller(&self.prefix))
                    });
                    if let Some(refusal) = refused {
                        (call.id, Said::Now(Err((refusal.error(), shown(&errand.sender)))))
                    } else if call.id.is_none() && crate::leco::methods::is_question(&call.method) {
                        // Nobody would hear the answer.
                        continue;
                    } else if errand.text.len() > RPC_BYTES_MAX {
                        // A batch asks for many answers with few bytes.
                        (call.id, Said::Now(Err((INTERNAL_ERROR, Value::from("the answer is too large")))))
                    } else {
                        let busy = self.busy(&errand.desk, fresh);
                        let mut call = call;
                        let said = match busy {
                            Some(key) => Said::Busy(key),
                            // Only where there is a ledger may it have to be made again.
                            None => {
                                let params = match self.ledger {
                                    Some(_) => call.params.clone(),
                                    None => core::mem::replace(&mut call.params, Params::None),
                                };
                                self.call(&errand, &call.method, params, fresh)
                            }
                        };
                        if let Said::Busy(key) = said {
                            errand.asks.push_front(Ask::Item(Item::Call(call)));
                            return self.stand_in_line(key, errand);
                        }
                        if let (None, Said::Now(Err((error, _)))) = (&call.id, &said)
                            && self.may_log()
                        {
                            log::info!("notification {} failed: {}", data_text(call.method.as_bytes()), error.message);
                        }
                        (call.id, said)
                    }
                }
                Ask::Item(Item::Result { .. }) => continue,
                Ask::Item(Item::Error { code }) => {
                    if self.may_log() {
                        log::info!("an error {} came for the Coordinator", code.unwrap_or(0));
                    }
                    continue;
                }
                Ask::Item(Item::Invalid) => (Some(Id::NULL), Said::Now(Err(plain_error(INVALID_REQUEST)))),
            };
            // Whatever it has had done, it does not wait behind others any more.
            fresh = false;
            match said {
                Said::Now(answer) => self.note_answer(&mut errand, id, answer),
                Said::Later(key) | Said::Busy(key) => {
                    errand.awaited = id;
                    return self.await_change(key, errand);
                }
            }
        }
        self.finish_errand(errand);
    }

    /// Whether the rest of a request may be done: whoever asked is there still. A component of another node is as long as it is a
    /// member, which its session knows; what is asked of the Coordinator itself is asked on a link.
    fn may_go_on(&self, errand: &Errand) -> bool {
        let lives = self.peers.get(errand.link).is_some_and(super::Peer::is_open);
        let is_far = matches!(Place::of(&errand.sender, &self.prefix), Place::There { .. });
        lives || (is_far && errand.desk != Desk::Coordinator)
    }

    /// The rest of a batch is done in the next turn of the loop; its sender is not read before.
    fn put_off(&mut self, mut errand: Errand) {
        if let Some(peer) = self.peers.get_mut(errand.link).filter(|peer| peer.held.is_none()) {
            peer.held = Some(super::peer::Held::Turn);
            errand.holds = true;
        }
        self.batches.push_back(errand);
    }

    /// Goes on with the batches that were too long for the last turn.
    pub(super) fn go_on_with_batches(&mut self) {
        for errand in core::mem::take(&mut self.batches) {
            self.own_in_turn = 0;
            self.run_errand(errand, false);
        }
    }

    /// A request waits for the change that it has begun. What else it asks must be little to be kept meanwhile.
    fn await_change(&mut self, key: SessionKey, mut errand: Errand) {
        if errand.bytes() > SESSION_QUEUE_BYTES_MAX.min(self.pool.data_room()) {
            for ask in core::mem::take(&mut errand.asks) {
                self.refuse_ask(&mut errand, ask);
            }
        }
        let bytes = errand.bytes();
        let Some(pending) = self.sessions.get_mut(key).and_then(|session| session.pending.as_mut()) else { return };
        pending.charged += bytes;
        pending.party = Party::Errand(Box::new(errand));
        self.account_session(0, bytes);
    }

    /// There is no room for a request that would have to wait.
    fn refuse_ask(&mut self, errand: &mut Errand, ask: Ask) {
        self.counters.session_refusals += 1;
        let id = match ask {
            Ask::Item(Item::Call(call)) => call.id,
            Ask::Document(_) | Ask::Item(_) => Some(Id::NULL),
        };
        let reason = Value::from("too many requests wait for a change of this session to become durable");
        self.note_answer(errand, id, Err((RECEIVER_OVERLOADED, reason)));
    }

    /// What an errand has waited for is there.
    pub(super) fn go_on(&mut self, mut errand: Errand, answer: Answer) {
        let id = errand.awaited.take();
        self.note_answer(&mut errand, id, answer);
        self.run_errand(errand, false);
    }

    fn note_answer(&mut self, errand: &mut Errand, id: Option<Id>, answer: Answer) {
        let Some(id) = id else { return };
        if errand.is_batch {
            errand.text.push(if errand.text.is_empty() { '[' } else { ',' });
        }
        self.write(&mut errand.text, &id, answer);
    }

    fn finish_errand(&mut self, mut errand: Errand) {
        if errand.is_batch && !errand.text.is_empty() {
            errand.text.push(']');
        }
        let header = message::answer_header(&errand.header);
        if errand.signs_in {
            // The one answer that goes back on the ROUTER: the other Coordinator waits for it on its DEALER, and learns our
            // namespace from it before there is any other way to it.
            if self.queue_own(errand.link, COORDINATOR, &header, errand.text.as_bytes()).is_err() {
                self.counters.answers_dropped += 1;
            }
        } else if !errand.text.is_empty() && !self.answer(&errand, &header) {
            self.miss_answer(&errand);
        }
        self.announce_afterwards(None);
        if errand.holds {
            self.resume(errand.link);
        }
    }

    /// A member could not be given the answer to what it had done in its session: it has fallen out of step.
    fn miss_answer(&mut self, errand: &Errand) {
        let Desk::Session(name) = &errand.desk else { return };
        let full_name = self.full_name_of(&errand.sender);
        if let Some(key) = self.session_at(name).filter(|key| self.is_member(*key, &full_name)) {
            self.take_out(key, &full_name);
        }
    }

    /// The session in whose line a request must stand.
    fn busy(&self, desk: &Desk, fresh: bool) -> Option<SessionKey> {
        let Desk::Session(name) = desk else { return None };
        let key = self.session_at(name)?;
        let session = self.sessions.get(key)?;
        session.is_busy(fresh).then_some(key)
    }

    fn stand_in_line(&mut self, key: SessionKey, mut errand: Errand) {
        let bytes = errand.bytes();
        let fits = self.sessions.get(key).is_some_and(|session| {
            session.queue.len() < SESSION_QUEUE_MAX
                && session.queue_bytes + bytes <= SESSION_QUEUE_BYTES_MAX
                && bytes <= self.pool.data_room()
        });
        if !fits {
            if let Some(ask) = errand.asks.pop_front() {
                self.refuse_ask(&mut errand, ask);
            }
            self.run_errand(errand, true);
            return;
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.queue_bytes += bytes;
            session.queue.push_back(errand);
        }
        self.account_session(0, bytes);
        self.counters.session_requests_queued += 1;
    }

    /// Deals with the request at the front of a session's line, and lets the next one come.
    pub(super) fn queue_piece(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.is_writing() {
            return;
        }
        if let Some(errand) = session.queue.pop_front() {
            let bytes = errand.bytes();
            session.queue_bytes -= bytes;
            self.account_session(bytes, 0);
            self.run_errand(errand, false);
        }
        self.serve_queue(key);
    }

    /// The session of a line has ended: those who stood in it are told.
    pub(super) fn release_session(&mut self, session: super::session::Session) {
        let bytes = session.bytes();
        self.account_session(bytes, 0);
        for errand in session.queue {
            self.run_errand(errand, false);
        }
    }

    // ---- At a session ----

    fn document_to(&mut self, errand: &Errand, bytes: &[u8]) -> Said {
        match self.member_at(errand) {
            Ok((key, author)) => self.take_document(key, &author, bytes),
            Err(refused) => Said::Now(Err(refused)),
        }
    }

    fn session_for(&self, errand: &Errand) -> Result<SessionKey, (rpc::RpcError, Value)> {
        let Desk::Session(name) = &errand.desk else { return Err(plain_error(METHOD_NOT_FOUND)) };
        self.session_at(name).ok_or_else(|| self.no_such_session())
    }

    /// The session, and the sender as its member.
    fn member_at(&self, errand: &Errand) -> Result<(SessionKey, Author), (rpc::RpcError, Value)> {
        let key = self.session_for(errand)?;
        let full_name = self.full_name_of(&errand.sender);
        let session = self.sessions.get(key).ok_or_else(|| self.no_such_session())?;
        match session.members.get(&*full_name).filter(|_| self.is_member(key, &full_name)) {
            Some(member) => Ok((key, Author { by: name::shown(&full_name).into(), system: member.system.clone() })),
            None => Err(refused(Code::ClientNotJoinedSharedSession, "ACTIVE_SESSION", session.name.as_str())),
        }
    }

    /// The full name of what has this name at this node.
    pub(super) fn named_here(&self, name: &[u8]) -> Vec<u8> {
        [&*self.prefix, name].concat()
    }

    /// A sender's full name: one of this node may have given its component name only.
    pub(super) fn full_name_of(&self, sender: &[u8]) -> Vec<u8> {
        match Place::of(sender, &self.prefix) {
            Place::Here(name) => self.named_here(name),
            Place::There { .. } => sender.to_vec(),
        }
    }

    /// A call of a session's method.
    pub(super) fn session_call(&mut self, errand: &Errand, method: &str, params: Params) -> Said {
        match self.session_call_inner(errand, method, params) {
            Ok(said) => said,
            Err(refused) => Said::Now(Err(refused)),
        }
    }

    fn session_call_inner(
        &mut self,
        errand: &Errand,
        method: &str,
        params: Params,
    ) -> Result<Said, (rpc::RpcError, Value)> {
        if let Some(trigger) = Trigger::from_method(method) {
            let [at] = params.take(["at"])?;
            let at = moment(at.as_ref())?;
            let (key, author) = self.member_at(errand)?;
            return Ok(self.pull(key, &author, trigger, at));
        }
        let now = |value: Value| Ok(Said::Now(Ok(value)));
        match method {
            "pong" => none(params).map(|()| Said::Now(Ok(Value::Null))),
            "rpc.discover" => {
                none(params)?;
                let Desk::Session(name) = &errand.desk else { return Err(plain_error(METHOD_NOT_FOUND)) };
                now(crate::leco::methods::discover(
                    &data_text(&self.named_here(name)),
                    crate::leco::methods::SESSION_METHODS,
                ))
            }
            "join" => match self.session_for(errand).ok().and_then(|key| self.without_numbers(key)) {
                Some(said) => Ok(said),
                None => self.join(errand, params).map(|value| Said::Now(Ok(value))),
            },
            "resign" => {
                none(params)?;
                let key = self.session_for(errand)?;
                let full_name = self.full_name_of(&errand.sender);
                self.drop_member(key, &full_name, What::Resigned);
                now(Value::Null)
            }
            "info" => {
                none(params)?;
                let key = self.session_for(errand)?;
                now(self.session_json(key))
            }
            "members" => {
                none(params)?;
                let key = self.session_for(errand)?;
                now(self.members_json(key))
            }
            "initialization" => {
                none(params)?;
                let key = self.session_for(errand)?;
                let shared = self.sessions.get(key).and_then(|session| session.flow.initialization.shared());
                match shared {
                    Some(shared) => now(Value::from(String::from_utf8_lossy(shared))),
                    None => Err(super::session::refusal(Code::NoC2simInitializationBody, Map::new())),
                }
            }
            "events" => {
                let [after] = params.take(["after"])?;
                let after = whole(after.as_ref(), "after")?.unwrap_or(0);
                let (key, _) = self.member_at(errand)?;
                let past = self
                    .sessions
                    .get(key)
                    .map(|session| session.history.after(after, session.seq, HISTORY_ANSWER_BYTES_MAX));
                now(past.unwrap_or_default())
            }
            "ack" => {
                let [seq] = params.take(["seq"])?;
                let seq = whole(seq.as_ref(), "seq")?.ok_or_else(|| (INVALID_PARAMS, Value::from("seq is missing")))?;
                let (key, author) = self.member_at(errand)?;
                let Some(session) = self.sessions.get_mut(key) else { return Err(self.no_such_session()) };
                if seq > session.seq {
                    return Err((INVALID_PARAMS, Value::from("seq is of no event that has happened")));
                }
                if let Some(member) = session.members.get_mut(author.by.as_bytes()) {
                    member.acked = member.acked.max(seq);
                }
                now(Value::Null)
            }
            _ => Err((METHOD_NOT_FOUND, Value::from(method))),
        }
    }

    fn join(&mut self, errand: &Errand, params: Params) -> Answer {
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
        let key = self.session_for(errand)?;
        let full_name = self.full_name_of(&errand.sender);
        let before = self.sessions.get(key).map_or(0, |session| session.seq);
        let seq = self.add_member(key, &full_name, system, format)?;
        let Some(session) = self.sessions.get(key) else { return Err(self.no_such_session()) };
        let mut answer = json!({"state": session.flow.state.name(), "seq": seq, "session": self.session_json(key)});
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
                self.counters.session_refusals += 1;
                Said::Now(Err(refused))
            }
        }
    }

    fn create_session_inner(&mut self, wish: &Wish, fresh: bool) -> Result<Said, (rpc::RpcError, Value)> {
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
            Some(id) => Some(self.provider_for(&wish.name, id).map_err(invalid)?),
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
        let base = About { schema: schema.unwrap_or_default(), created_ms: self.unix_ms(), ..About::default() };
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
            if force {
                self.may_administer(caller)?;
            }
            let key = self.session_named(&name).ok_or_else(|| self.no_such_session())?;
            if name == DEFAULT {
                return Err(refused(Code::NotImplemented, "REASON", "the session 'default' always exists"));
            }
            let Some(session) = self.sessions.get(key) else { return Err(self.no_such_session()) };
            let in_use = !session.members.is_empty() || !session.viewers.is_empty() || session.provider.is_some();
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

    /// The full LECO name of the desk, which answers come from.
    pub(super) fn desk_name(&self, desk: &Desk) -> Vec<u8> {
        match desk {
            Desk::Coordinator => self.full_name.to_vec(),
            Desk::Session(name) => self.named_here(name),
        }
    }

    /// There is no room for an answer in the ring of whoever asked: nothing is done for it before there is.
    pub(super) fn not_yet(&mut self, from: PeerKey, bytes: usize) -> Option<Outcome> {
        if self.own_in_turn >= OWN_PER_TURN || self.own_bytes_in_turn >= crate::limits::OWN_BYTES_PER_TURN {
            if let Some(peer) = self.peers.get_mut(from) {
                peer.held = Some(super::peer::Held::Turn);
            }
            self.yielded.push(from);
            return Some(Outcome::Held);
        }
        self.own_in_turn += 1;
        self.own_bytes_in_turn += bytes;
        // A method may change things, so there must be room for its answer before it runs.
        if self.peers.get(from).is_some_and(|peer| peer.ring.len() > self.config.ring_bytes_max) {
            return Some(self.hold_for_answer(from, from, Refused::Full));
        }
        None
    }
}

impl Errand {
    /// Takes the elements of a document.
    pub(super) fn fill(&mut self, document: Document) {
        match document {
            Document::Single(item) => self.asks.push_back(Ask::Item(item)),
            Document::Batch(items) => {
                self.is_batch = true;
                self.asks.extend(items.into_iter().map(Ask::Item));
            }
        }
    }

    /// Who asks.
    pub(super) fn caller<'a>(&'a self, prefix: &[u8]) -> Caller<'a> {
        Caller { link: self.link, sender: Place::of(&self.sender, prefix) }
    }
}

/// A whole number, if it is given.
fn whole(value: Option<&Value>, key: &str) -> Result<Option<u64>, (rpc::RpcError, Value)> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err((INVALID_PARAMS, Value::from(format!("{key} is a whole number, zero or more")))),
        },
    }
}

/// A moment in milliseconds since 1970, if it is given.
fn moment(value: Option<&Value>) -> Result<Option<u64>, (rpc::RpcError, Value)> {
    // Many a clock gives fractions; a moment is a whole millisecond.
    let whole_part = value.and_then(Value::as_f64).filter(|at| at.fract() != 0.0).map(|at| Value::from(at.trunc()));
    let value = whole_part.as_ref().or(value);
    whole(value, "at").map_err(|_| (INVALID_PARAMS, Value::from("at is a moment in milliseconds since 1970 (UTC)")))
}
