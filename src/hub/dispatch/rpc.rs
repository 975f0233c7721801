//! Messages to the Coordinator and to sessions: taken apart, their calls made one by one, their answers sent in one document.

use serde_json::Value;

use crate::leco::message::{self, HEADER_BYTES, TYPE_C2SIM, TYPE_JSON, TYPE_UNDEFINED, View};
use crate::leco::name::{self, COORDINATOR};
use crate::leco::route::{Place, Refusal};
use crate::leco::rpc::{self, Document, INTERNAL_ERROR, INVALID_REQUEST, Id, Item, Params, RECEIVER_OVERLOADED};
use crate::limits::{C2SIM_AT_ONCE_BYTES, OPENING_BYTES_MAX, RING_RESERVE_BYTES, RPC_BYTES_MAX};
use crate::store::ring::NoRoom;
use crate::store::shared::SharedBytes;
use crate::store::tail::Tail;
use crate::time::Span;
use crate::zmtp::frame::{Found, Scan};

use crate::hub::Hub;
use crate::hub::call::{Answer, ReplyTo, Written, plain_error};
use crate::hub::coordinator::{Coordinator, relay};
use crate::hub::doors::Channel;
use crate::hub::front::{Asked, Part, Request};
use crate::hub::keys::{PeerKey, RequestKey, SessionKey};
use crate::hub::methods::{Call, ManagerCall, Method};
use crate::hub::names::{say_as, shown};
use crate::hub::peers::{For, Outcome, Work};
use crate::hub::push::Push;
use crate::hub::sessions::{Aftermath, Said, Sessions};

/// What one part of a request came to.
enum PartOutcome {
    /// It has this answer, under this id.
    Answered(Option<Id>, Aftermath),
    /// Its answer comes once the session's change is durable.
    Later(Option<Id>, SessionKey),
    /// Its answer comes once there is something to say of the provider that it has opened.
    Opening(Option<Id>, i64),
    /// It must wait behind others; it is given back.
    Busy(SessionKey, Part),
    /// There is more to do for it than one piece of work; it is given back.
    More(Part),
    /// Nothing comes of it.
    Nothing,
}

impl Hub {
    // ---- Messages ----

    /// Deals with a message for this Coordinator. With a `refusal`, only the calls that it allows are answered.
    #[cold]
    pub(in crate::hub) fn own_message(&mut self, from: PeerKey, view: &View<'_>, refusal: Option<Refusal>) -> Outcome {
        if self.peers.get(from).is_some_and(|peer| peer.must_prove) {
            Coordinator::hear_proof(&mut self.peers, &mut self.names, from, view);
        }
        let Some(payload) = view.payload.filter(|payload| !payload.is_empty()) else {
            // An empty payload is a heartbeat, unless nobody knows whose.
            return match refusal {
                Some(refusal) if !self.is_onlooker(from, view.sender, refusal) => {
                    relay::refuse(&mut self.peers, &self.names, from, view, refusal)
                }
                Some(_) | None => self.own_done(),
            };
        };
        if !self.peers.may_serve(from, payload.len(), self.peers.config.ring_bytes_max) {
            return Outcome::Held;
        }
        if refusal.is_none() && self.answers_web(view) {
            return self.own_done();
        }
        if view.content_type() != TYPE_JSON {
            if let Some(refusal) = refusal {
                return relay::refuse(&mut self.peers, &self.names, from, view, refusal);
            }
            self.drop_unanswerable(view);
            return self.own_done();
        }
        let is_node = self.peers.get(from).is_some_and(|peer| peer.node.is_some());
        let document = if is_node { Document::parse_of_node(payload) } else { Document::parse(payload) };
        if let Some(refusal) = refusal {
            let looks_on = document
                .as_ref()
                .is_ok_and(|document| self.may_look(from, view.sender, refusal, &Asked::Coordinator, document));
            if !looks_on && !self.is_allowed(view, refusal, &document) {
                return relay::refuse(&mut self.peers, &self.names, from, view, refusal);
            }
            // A name whose owner is silent may come free: decided before anything is done.
            if refusal == Refusal::NotYours && relay::contest(&mut self.peers, &self.names, from, view.sender) {
                return Outcome::Held;
            }
            if refusal == Refusal::NotACoordinator && self.is_contested(from, view.sender, &document) {
                return Outcome::Held;
            }
        }
        let mut request = Request::new(Asked::Coordinator, from, view);
        request.refusal = refusal;
        request.signs_in =
            matches!(&document, Ok(Document::Single(Item::Call(call))) if call.method == "coordinator_sign_in");
        self.begin(request, document);
        self.own_done()
    }

    /// Whether it must be asked first whose the namespace is that this document signs in under.
    fn is_contested(&mut self, from: PeerKey, sender: &[u8], document: &Result<Document, rpc::RpcError>) -> bool {
        let Ok(Some(Item::Call(call))) = document.as_ref().map(Document::first) else { return false };
        let Place::There { namespace, .. } = Place::of(sender, &self.names.prefix) else { return false };
        call.method == "coordinator_sign_in" && Coordinator::contest(&mut self.peers, &mut self.names, from, namespace)
    }

    /// Whether a refused sender may make the first call of this document all the same.
    fn is_allowed(&self, view: &View<'_>, refusal: Refusal, document: &Result<Document, rpc::RpcError>) -> bool {
        match document.as_ref().map(Document::first) {
            Ok(Some(Item::Call(call))) => {
                // A Coordinator of our own namespace looks like a component without a name; it is told what is wrong.
                let is_namesake = Place::of(view.sender, &self.names.prefix) == Place::Here(COORDINATOR);
                refusal.allows(&call.method) || (is_namesake && call.method == "coordinator_sign_in")
            }
            Ok(Some(Item::Result { .. } | Item::Error { .. } | Item::Invalid) | None) | Err(_) => false,
        }
    }

    /// Deals with a message for a session, or for another of our own names.
    #[cold]
    pub(in crate::hub) fn session_message(&mut self, from: PeerKey, receiver: &[u8], view: &View<'_>) -> Outcome {
        if let Some(channel) = Channel::of_name(receiver) {
            return self.channel_message(from, channel, view);
        }
        let payload = view.payload.unwrap_or_default();
        if payload.is_empty() && view.content_type() != TYPE_C2SIM {
            // What some answer to a call that wants no answer.
            self.notice_answered(&Request::new(Asked::Session(receiver.into()), from, view));
            return self.own_done();
        }
        let is_xml = match view.content_type() {
            TYPE_C2SIM => true,
            TYPE_UNDEFINED => {
                let text = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
                text.trim_ascii_start().starts_with(b"<")
            }
            _ => false,
        };
        if is_xml {
            let Self { peers, names, sessions, .. } = self;
            if let Some((link, member)) = sessions.who_has_no_room(peers, names, receiver, from, payload.len()) {
                return relay::hold_for_member(peers, names, from, (link, member), view);
            }
        }
        let is_large = is_xml && payload.len() > C2SIM_AT_ONCE_BYTES;
        if is_large && let Some(session) = self.sessions.busy(receiver, true) {
            // The line has no room for it.
            self.peers.wait(from, For::Session(session));
            return Outcome::Held;
        }
        // A large one is judged in slices, each in its own time.
        let judged_now = if is_large { 0 } else { payload.len() };
        if !self.peers.may_serve(from, judged_now, self.peers.config.ring_bytes_max) {
            return Outcome::Held;
        }
        if is_large {
            return Outcome::Document;
        }
        self.sessions.heard_from(&mut self.peers, &self.names, receiver, view.sender);
        let mut request = Request::new(Asked::Session(receiver.into()), from, view);
        request.asked_behind = self.peers.counters.session_events;
        if is_xml {
            request.parts.push_back(Part::Document(payload.into()));
            self.run(request, true, None);
        } else if view.content_type() == TYPE_JSON {
            self.begin(request, Document::parse(payload));
        } else {
            self.drop_unanswerable(view);
        }
        self.own_done()
    }

    /// Takes the message at the front of `tail` out of it, with its block; where there is no memory for what is behind it, the sender is held.
    #[cold]
    pub(in crate::hub) fn take_out(&mut self, from: PeerKey, tail: &mut Tail, len: usize) -> Option<SharedBytes> {
        let mut rest = Tail::default();
        if !rest.append(tail.bytes().get(len..).unwrap_or_default(), &mut self.peers.pool) {
            self.peers.hold(from, from, NoRoom::Memory, Span(0));
            return None;
        }
        let (block, place) = core::mem::replace(tail, rest).into_block(&mut self.peers.pool);
        // From here on it is counted as what the session keeps.
        self.peers.pool.let_go(block.len());
        Some(SharedBytes::of_block(block, place.start..place.start + len))
    }

    /// Deals with a message from a peer that is a large document for a session, which has been found so before.
    #[cold]
    pub(in crate::hub) fn large_document(&mut self, from: PeerKey, wire: &SharedBytes) {
        self.peers.counters.messages_in += 1;
        self.peers.counters.messages_own += 1;
        let Ok(Found::Message(message)) = Scan::default().next(wire, &self.peers.bounds) else { return };
        let part = |n| message.part(wire, n);
        let Ok(view) = View::new(part(0), part(1), part(2), part(3), part(4)) else { return };
        let Place::Here(receiver) = Place::of(view.receiver, &self.names.prefix) else { return };
        self.sessions.heard_from(&mut self.peers, &self.names, receiver, view.sender);
        let mut request = Request::new(Asked::Session(receiver.into()), from, &view);
        request.asked_behind = self.peers.counters.session_events;
        request.parts.push_back(Part::Document(wire.part(view.payload.unwrap_or_default())));
        self.run(request, true, None);
    }

    /// Takes a JSON-RPC document apart and deals with it; what cannot be read is answered right away.
    pub(super) fn begin(&mut self, mut request: Request, document: Result<Document, rpc::RpcError>) {
        match document {
            Err(error) => self.write(&mut request.text, &Id::NULL, Err(plain_error(error))),
            Ok(document) => request.fill(document),
        }
        self.run(request, true, None);
    }

    const fn own_done(&mut self) -> Outcome {
        self.peers.counters.messages_own += 1;
        Outcome::Done
    }

    /// Drops a message that nobody here can read.
    pub(super) fn drop_unanswerable(&mut self, view: &View<'_>) {
        self.peers.counters.messages_unanswerable += 1;
        if self.peers.may_log() {
            let (sender, receiver) = (name::shown(view.sender), name::shown(view.receiver));
            log::info!("{sender}: message of type {} for {receiver} dropped", view.content_type());
        }
    }

    // ---- Running ----

    /// Deals with a request as far as it goes. `fresh`: it has just come, and must not overtake those that wait. `owes`: the session that
    /// has more to tell behind the answer.
    pub(super) fn run(&mut self, request: Request, fresh: bool, mut owes: Option<SessionKey>) {
        self.run_parts(request, fresh, &mut owes);
        if let Some(session) = owes {
            self.tell_owed(session);
        }
    }

    fn run_parts(&mut self, mut request: Request, mut fresh: bool, owes: &mut Option<SessionKey>) {
        while !request.parts.is_empty() {
            let is_judged = self.judging.is_none() || self.is_judged_to_stay(request.link);
            if !is_judged || !self.may_go_on(&request) {
                self.peers.counters.requests_abandoned += 1;
                return;
            }
            if request.is_batch && !self.peers.budget.is_left() {
                return self.put_off(request);
            }
            let Some(part) = request.parts.pop_front() else { break };
            self.peers.spend(Work::Call);
            match self.part(&request, part, fresh) {
                PartOutcome::Nothing => continue,
                PartOutcome::Answered(id, aftermath) => {
                    let aftermath = self.conclude(aftermath, owes);
                    self.note_aftermath(&mut request, id, aftermath);
                }
                PartOutcome::Later(id, session) => {
                    request.awaited = id;
                    return self.await_change(session, request);
                }
                PartOutcome::Opening(id, provider) if self.may_wait_for_provider(&id, &request) => {
                    request.awaited = id;
                    return self.await_provider(provider, request);
                }
                PartOutcome::Opening(id, provider) => {
                    let answer = self.opened(provider);
                    self.note_answer(&mut request, id, answer);
                }
                PartOutcome::More(part) => {
                    request.parts.push_front(part);
                    return self.put_off(request);
                }
                PartOutcome::Busy(session, part) => {
                    request.parts.push_front(part);
                    return self.stand_in_line(session, request);
                }
            }
            // Whatever it has had done, it does not wait behind others any more.
            fresh = false;
        }
        self.finish_request(request);
    }

    /// Deals with one part of a request.
    fn part(&mut self, request: &Request, part: Part, fresh: bool) -> PartOutcome {
        let item = match part {
            Part::Document(document) => return self.document_part(request, document, fresh),
            Part::Timestep(id, push) => return self.timestep_part(id, push),
            Part::Item(item) => item,
        };
        match item {
            Item::Call(call) => self.call_part(request, call, fresh),
            Item::Result { .. } => {
                self.notice_answered(request);
                PartOutcome::Nothing
            }
            Item::Error { code, data } => {
                let is_notice = data.is_some_and(|data| self.notice_refused(request, &data));
                if !is_notice && self.peers.may_log() {
                    log::info!("an error {} came for the Coordinator", code.unwrap_or(0));
                }
                PartOutcome::Nothing
            }
            Item::Invalid => answered(Some(Id::NULL), Err(plain_error(INVALID_REQUEST))),
        }
    }

    fn document_part(&mut self, request: &Request, document: SharedBytes, fresh: bool) -> PartOutcome {
        let said = match self.busy(&request.asked, fresh) {
            Some(key) => Said::Busy(key),
            None => self.session_document(request, &document),
        };
        match said {
            Said::Now(aftermath) => PartOutcome::Answered(Some(Id::NULL), aftermath),
            Said::Later(key) => PartOutcome::Later(Some(Id::NULL), key),
            Said::Busy(key) => PartOutcome::Busy(key, Part::Document(document)),
        }
    }

    fn timestep_part(&mut self, id: Option<Id>, mut push: Box<Push>) -> PartOutcome {
        match self.push_piece(&mut push).transpose() {
            Some(answer) => answered(id, answer),
            None => PartOutcome::More(Part::Timestep(id, push)),
        }
    }

    fn call_part(&mut self, request: &Request, mut call: rpc::Call, fresh: bool) -> PartOutcome {
        let method = Method::find(request.asked.at(), &call.method);
        let caller = request.caller(&self.names.prefix);
        let refused = request.refusal.filter(|refusal| {
            request.is_batch
                && !refusal.allows(&call.method)
                && !self.names.is_signed_in(&self.peers, caller.link, caller.sender)
                && !self.is_onlookers(caller.link, &request.sender, *refusal, method)
        });
        if let Some(refusal) = refused {
            return answered(call.id, Err((refusal.error(), shown(&request.sender))));
        }
        if request.web.is_some() && method.is_some_and(|method| method.is_about_caller) {
            let why = format!("{} is about whoever calls it by name, and over HTTP nobody has one", call.method);
            return answered(call.id, Err((INVALID_REQUEST, Value::from(why))));
        }
        if call.id.is_none() && method.is_some_and(|method| method.is_question) {
            // Nobody would hear the answer.
            return PartOutcome::Nothing;
        }
        if request.text.len() > RPC_BYTES_MAX {
            // A batch asks for many answers with few bytes.
            return answered(call.id, Err((INTERNAL_ERROR, Value::from("the answer is too large"))));
        }
        if let Some(key) = self.busy(&request.asked, fresh) {
            return PartOutcome::Busy(key, Part::Item(Item::Call(call)));
        }
        // Only where there is a ledger may it have to be made again.
        let params = if self.sessions.has_ledger() {
            call.params.clone()
        } else {
            core::mem::replace(&mut call.params, Params::None)
        };
        if let Some(method) = method.filter(|method| method.call == Call::Manager(ManagerCall::OpenProvider)) {
            return match self.has_right(request, method).and_then(|()| self.rpc_open(caller, params)) {
                Ok(provider) => PartOutcome::Opening(call.id, provider),
                Err(refused) => answered(call.id, Err(refused)),
            };
        }
        if let Some(method) = method.filter(|method| method.call == Call::Manager(ManagerCall::PushTimestep)) {
            return match self.has_right(request, method).and_then(|()| Self::push_of(params)) {
                Ok(push) => self.timestep_part(call.id, Box::new(push)),
                Err(refused) => answered(call.id, Err(refused)),
            };
        }
        let Some(said) = self.call(request, method, &call.method, params, fresh) else {
            call.params = Params::None;
            return PartOutcome::More(Part::Item(Item::Call(call)));
        };
        match said {
            Said::Busy(key) => PartOutcome::Busy(key, Part::Item(Item::Call(call))),
            Said::Later(key) => PartOutcome::Later(call.id, key),
            Said::Now(aftermath) => {
                if let (None, Err((error, _))) = (&call.id, &aftermath.answer)
                    && self.peers.may_log()
                {
                    log::info!("notification {} failed: {}", name::shown(call.method.as_bytes()), error.message);
                }
                PartOutcome::Answered(call.id, aftermath)
            }
        }
    }

    /// Whether the rest of a request may be done: whoever asked is there still. A component of another node is as long as it is a
    /// member, which its session knows; what is asked of the Coordinator itself is asked on a link.
    fn may_go_on(&self, request: &Request) -> bool {
        let is_far = matches!(Place::of(&request.sender, &self.names.prefix), Place::There { .. });
        self.peers.is_open(request.link) || (is_far && request.asked != Asked::Coordinator)
    }

    /// The rest of a batch is done in the next turn of the loop; its sender is not read before.
    fn put_off(&mut self, mut request: Request) {
        if self.peers.get(request.link).is_some_and(|peer| peer.is_open() && peer.held.is_none()) {
            self.peers.wait(request.link, For::Answer);
            request.holds = true;
        }
        self.front.put_off(request);
    }

    /// Goes on with the batches that were too long for the last turn.
    pub(in crate::hub) fn go_on_with_batches(&mut self) {
        for _ in 0..self.front.put_off_len() {
            if !self.peers.has_time() {
                break;
            }
            let Some(request) = self.front.take_put_off() else { break };
            self.peers.take_in_hand(request.link);
            self.run(request, false, None);
        }
    }

    /// The session in whose line a request must stand.
    fn busy(&self, asked: &Asked, fresh: bool) -> Option<SessionKey> {
        let Asked::Session(name) = asked else { return None };
        self.sessions.busy(name, fresh)
    }

    /// A request waits for the change that it has begun. What else it asks must be little to be kept meanwhile.
    fn await_change(&mut self, key: SessionKey, mut request: Request) {
        if request.bytes() > Sessions::line_room(&self.peers) || !self.front.has_room() {
            for part in core::mem::take(&mut request.parts) {
                self.refuse_part(&mut request, part);
            }
        }
        let bytes = request.bytes();
        if let Some(waiting) = self.front.keep(request) {
            self.sessions.set_waiter(&mut self.peers, key, ReplyTo::Request(waiting), bytes);
        }
    }

    /// Whether a request can be kept until there is something to say of a provider: somebody waits for that, and what else it asks is little.
    fn may_wait_for_provider(&self, id: &Option<Id>, request: &Request) -> bool {
        id.is_some() && self.front.has_room() && request.bytes() <= OPENING_BYTES_MAX
    }

    /// A request waits for what there is to say of the provider that it has opened.
    fn await_provider(&mut self, provider: i64, request: Request) {
        if let Some(waiting) = self.front.keep(request) {
            self.manager.answer_later(&mut self.peers, provider, ReplyTo::Request(waiting));
        }
    }

    fn stand_in_line(&mut self, key: SessionKey, mut request: Request) {
        let bytes = request.bytes();
        if self.front.has_room() && self.sessions.has_room_in_line(&self.peers, key, bytes) {
            if let Some(waiting) = self.front.keep(request) {
                self.sessions.enter_line(&mut self.peers, key, waiting, bytes);
            }
            self.peers.counters.session_requests_queued += 1;
            return;
        }
        if let Some(part) = request.parts.pop_front() {
            self.refuse_part(&mut request, part);
        }
        self.run(request, true, None);
    }

    /// There is no room for a request that would have to wait.
    fn refuse_part(&mut self, request: &mut Request, part: Part) {
        self.peers.counters.session_refusals += 1;
        let id = match part {
            Part::Item(Item::Call(rpc::Call { id, .. })) | Part::Timestep(id, _) => id,
            Part::Document(_) | Part::Item(_) => Some(Id::NULL),
        };
        let reason = Value::from("too many requests wait for a change of this session to become durable");
        self.note_answer(request, id, Err((RECEIVER_OVERLOADED, reason)));
    }

    /// What a request has waited for is there.
    pub(super) fn go_on(&mut self, waiting: RequestKey, aftermath: Aftermath, owes: Option<SessionKey>) {
        let Some(mut request) = self.front.take(waiting) else {
            if let Some(session) = owes {
                self.tell_owed(session);
            }
            return;
        };
        let id = request.awaited.take();
        self.note_aftermath(&mut request, id, aftermath);
        self.run(request, false, owes);
    }

    // ---- Answering ----

    fn note_answer(&mut self, request: &mut Request, id: Option<Id>, answer: Answer) {
        self.note_aftermath(request, id, Aftermath::plain(answer));
    }

    /// Writes an answer, and keeps the document that comes with it.
    fn note_aftermath(&mut self, request: &mut Request, id: Option<Id>, aftermath: Aftermath) {
        let Aftermath { answer, written, document, .. } = aftermath;
        if document.is_some() {
            request.document = document;
        }
        let Some(id) = id else { return };
        request.begin_answer();
        let before = request.text.len();
        match (answer, written) {
            (Ok(_), Some(Written::Result(result))) => rpc::write_result(&mut request.text, &id, &result),
            (Ok(members), Some(Written::Members(more))) => {
                let members = members.to_string();
                let members = members.strip_suffix('}').unwrap_or("{");
                let comma = if members.ends_with('{') { "" } else { "," };
                rpc::write_result(&mut request.text, &id, &format_args!("{members}{comma}{more}}}"));
            }
            (answer, _) => self.write(&mut request.text, &id, answer),
        }
        self.peers.spend(Work::Answer(request.text.len() - before));
    }

    fn write(&mut self, out: &mut String, id: &Id, answer: Answer) {
        match answer {
            Ok(result) => rpc::write_result(out, id, &result),
            Err((error, data)) => {
                self.peers.counters.rpc_errors += 1;
                rpc::write_error(out, id, error, &data);
            }
        }
    }

    fn finish_request(&mut self, mut request: Request) {
        request.end_answers();
        if request.web.is_some() {
            return self.answer_over_web(request);
        }
        let header = message::answer_header(&request.header);
        if request.signs_in {
            // The one answer that goes back on the ROUTER: the other Coordinator waits for it on its DEALER, and learns our
            // namespace from it before there is any other way to it.
            let text = request.text.as_bytes();
            if self.names.say(&mut self.peers, request.link, COORDINATOR, &header, text).is_err() {
                self.peers.counters.answers_dropped += 1;
            }
        } else if !request.text.is_empty() && !self.answer(&request, &header) {
            self.miss_answer(&request);
        }
        if request.holds {
            self.peers.resume(request.link);
        }
    }

    /// Sends the answer to a request. The ring had room for a short one before the call; a long one goes into an empty ring only.
    /// Whether whoever asked can be given it.
    fn answer(&mut self, request: &Request, header: &[u8; HEADER_BYTES]) -> bool {
        let (from, text) = (request.link, &request.text);
        let sender = Place::of(&request.sender, &self.names.prefix);
        let is_here = matches!(sender, Place::Here(_)) && self.names.is_signed_in(&self.peers, from, sender);
        // A signed-in component is addressed by its full name, the one that it learns at sign-in.
        let full;
        let receiver = if is_here {
            full = self.names.full_name_of(&request.sender);
            &full[..]
        } else {
            &request.sender
        };
        let by = match &request.asked {
            Asked::Coordinator => self.names.full_name.to_vec(),
            Asked::Session(name) => self.names.named_here(name),
            Asked::Channel(channel) => self.names.named_here(channel.name().as_bytes()),
        };
        let Some(link) = self.names.way_back(&self.peers, from, &request.sender) else {
            // The first calls of a node that has just signed in here, while we are still signing in there.
            self.peers.counters.answers_without_way += 1;
            return false;
        };
        let is_said = match &request.document {
            None => say_as(&mut self.peers, link, &by, receiver, header, text.as_bytes()).is_ok(),
            Some(document) => {
                let whole = (&by[..], header, text.as_str(), document);
                self.sessions.answer_with_document(&mut self.peers, (link, receiver), whole)
            }
        };
        if is_said {
            return true;
        }
        self.peers.counters.answers_dropped += 1;
        let mut short = String::new();
        rpc::write_error(&mut short, &Id::NULL, INTERNAL_ERROR, &Value::from("no room for the answer"));
        let told = text.len() > RING_RESERVE_BYTES
            && say_as(&mut self.peers, link, &by, receiver, header, short.as_bytes()).is_ok();
        if !told && self.peers.may_log() {
            log::warn!("no room for an answer to {}", name::shown(&request.sender));
        }
        told
    }

    /// A member could not be given the answer to what it had done in its session: it has fallen out of step.
    fn miss_answer(&mut self, request: &Request) {
        let Asked::Session(name) = &request.asked else { return };
        let full_name = self.names.full_name_of(&request.sender);
        self.sessions.answer_missed(&self.peers, &self.names, name, &full_name);
    }
}

const fn answered(id: Option<Id>, answer: Answer) -> PartOutcome {
    PartOutcome::Answered(id, Aftermath::plain(answer))
}
