//! The Coordinator's own methods: JSON-RPC calls addressed to `COORDINATOR`.

use log::LevelFilter;
use serde_json::{Map, Value};

use crate::leco::message::{HEADER_BYTES, TYPE_JSON, View};
use crate::leco::name::{self, COORDINATOR};
use crate::leco::nodes::Dealer;
use crate::leco::route::{Owner, Place, Refusal, is_session};
use crate::leco::rpc::{
    self, DUPLICATE_NAME, Document, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Id, Item, METHOD_NOT_FOUND,
    NOT_PERMITTED, RpcError,
};
use crate::limits::{COMPONENTS_PER_PEER_MAX, RING_RESERVE_BYTES};
use crate::time::Span;

use super::desk::{Desk, Errand};
use super::flow::Said;
use super::relay::{data_text, shown};
use super::{Hub, Outcome, Output, PeerKey};

/// What a method answers: a result, or an error with data.
pub(super) type Answer = Result<Value, (RpcError, Value)>;

/// An error without data.
pub(super) const fn plain_error(error: RpcError) -> (RpcError, Value) {
    (error, Value::Null)
}

/// Who calls: the link, and the names in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) link: PeerKey,
    pub(super) sender: Place<'a>,
}

impl Hub {
    /// Deals with a message for this Coordinator. With a `refusal`, only the calls that it allows are answered.
    #[cold]
    pub(super) fn own(&mut self, from: PeerKey, view: &View<'_>, refusal: Option<Refusal>) -> Outcome {
        let Some(payload) = view.payload.filter(|payload| !payload.is_empty()) else {
            // An empty payload is a heartbeat, unless nobody knows whose.
            return match refusal {
                Some(refusal) => self.refuse(from, view, refusal),
                None => self.own_done(),
            };
        };
        if let Some(outcome) = self.not_yet(from, payload.len()) {
            return outcome;
        }
        if view.content_type() != TYPE_JSON {
            if let Some(refusal) = refusal {
                return self.refuse(from, view, refusal);
            }
            self.drop_unanswerable(view);
            return self.own_done();
        }
        let document = Document::parse(payload);
        if let Some(refusal) = refusal {
            let allowed = match document.as_ref().map(Document::first) {
                Ok(Some(Item::Call(call))) => {
                    // A Coordinator of our own namespace looks like a component without a name; it is told what is wrong.
                    let namesake = Place::of(view.sender, &self.prefix) == Place::Here(COORDINATOR);
                    refusal.allows(&call.method) || (namesake && call.method == "coordinator_sign_in")
                }
                Ok(Some(Item::Result { .. } | Item::Error { .. } | Item::Invalid) | None) | Err(_) => false,
            };
            if !allowed {
                return self.refuse(from, view, refusal);
            }
            // A name whose owner is silent may come free: decided before anything is done.
            if refusal == Refusal::NotYours && self.contest(from, view.sender) {
                return Outcome::Held;
            }
        }
        let mut errand = self.errand(Desk::Coordinator, from, view);
        errand.refusal = refusal;
        errand.signs_in =
            matches!(&document, Ok(Document::Single(Item::Call(call))) if call.method == "coordinator_sign_in");
        match document {
            Err(error) => self.write(&mut errand.text, &Id::NULL, Err(plain_error(error))),
            Ok(document) => errand.fill(document),
        }
        self.run_errand(errand, true);
        self.own_done()
    }

    pub(super) fn own_done(&mut self) -> Outcome {
        self.counters.messages_own += 1;
        Outcome::Done
    }

    /// Drops a message that nobody here can read.
    pub(super) fn drop_unanswerable(&mut self, view: &View<'_>) {
        self.counters.messages_unanswerable += 1;
        if self.may_log() {
            let (sender, receiver) = (data_text(view.sender), data_text(view.receiver));
            log::info!("{sender}: message of type {} for {receiver} dropped", view.content_type());
        }
    }

    /// Sends the answer to a request. The ring had room for a short one before the call; a long one goes into an empty ring only.
    /// Whether whoever asked can be given it.
    pub(super) fn answer(&mut self, errand: &Errand, header: &[u8; HEADER_BYTES]) -> bool {
        let (from, text) = (errand.link, &errand.text);
        let sender = Place::of(&errand.sender, &self.prefix);
        let signed_in = match sender {
            Place::Here(name) => self
                .directory
                .find(name)
                .is_some_and(|key| self.directory.get(key).is_some_and(|component| component.link == from)),
            Place::There { .. } => false,
        };
        // A signed-in component is addressed by its full name, the one that it learns at sign-in.
        let full;
        let receiver = match sender {
            Place::Here(_) if signed_in => {
                full = self.full_name_of(&errand.sender);
                &full[..]
            }
            Place::Here(_) | Place::There { .. } => &errand.sender,
        };
        let by = self.desk_name(&errand.desk);
        let Some(link) = self.way_back(from, &errand.sender) else {
            // The first calls of a node that has just signed in here, while we are still signing in there.
            self.counters.answers_without_way += 1;
            return false;
        };
        if self.queue_as(link, receiver, &by, header, text.as_bytes()).is_err() {
            self.counters.answers_dropped += 1;
            let mut short = String::new();
            rpc::write_error(&mut short, &Id::NULL, INTERNAL_ERROR, &Value::from("no room for the answer"));
            let told =
                text.len() > RING_RESERVE_BYTES && self.queue_as(link, receiver, &by, header, short.as_bytes()).is_ok();
            if !told && self.may_log() {
                log::warn!("no room for an answer to {}", data_text(&errand.sender));
            }
            return told;
        }
        true
    }

    /// Whether the caller's name is bound to its link now.
    pub(super) fn is_signed_in(&self, caller: Caller<'_>) -> bool {
        match caller.sender {
            Place::Here(name) => self.owner_of(name, caller.link) == Owner::ThisLink,
            Place::There { namespace, .. } => self
                .peers
                .get(caller.link)
                .and_then(|peer| self.nodes.get(peer.node?))
                .is_some_and(|node| node.namespace.as_deref() == Some(namespace)),
        }
    }

    pub(super) fn write(&mut self, out: &mut String, id: &Id, answer: Answer) {
        match answer {
            Ok(result) => rpc::write_result(out, id, &result),
            Err((error, data)) => {
                self.counters.rpc_errors += 1;
                rpc::write_error(out, id, error, &data);
            }
        }
    }

    /// Runs one call.
    pub(super) fn call(&mut self, errand: &Errand, method: &str, params: rpc::Params, fresh: bool) -> Said {
        if errand.desk != Desk::Coordinator {
            return self.session_call(errand, method, params);
        }
        let caller = errand.caller(&self.prefix);
        match method {
            "create_session" => return self.rpc_create_session(params, fresh),
            "delete_session" => return self.rpc_delete_session(caller, params, fresh),
            _ => {}
        }
        Said::Now(self.coordinator_call(caller, method, params))
    }

    fn coordinator_call(&mut self, caller: Caller<'_>, method: &str, params: rpc::Params) -> Answer {
        match method {
            "pong" => none(params).map(|()| Value::Null),
            "sign_in" => self.sign_in(caller, params),
            "sign_out" => none(params).and_then(|()| self.sign_out(caller)),
            "send_local_components" => none(params).map(|()| self.local_components()),
            "send_global_components" => none(params).map(|()| self.global_components()),
            "send_nodes" => none(params).map(|()| self.nodes_as_json()),
            "send_counters" => none(params).map(|()| self.counters_as_json()),
            "add_nodes" => self.add_nodes(caller, params),
            "record_components" => self.record_components(caller, params),
            "coordinator_sign_in" => none(params).and_then(|()| self.coordinator_sign_in(caller)),
            "coordinator_sign_out" => none(params).and_then(|()| self.coordinator_sign_out(caller)),
            "set_log_level" => self.set_log_level(params),
            "remove_expired_addresses" => self.remove_expired_addresses(caller, params),
            "shut_down" => none(params).and_then(|()| self.shut_down(caller)),
            "rpc.discover" => none(params)
                .map(|()| crate::leco::methods::discover(&data_text(&self.full_name), crate::leco::methods::METHODS)),
            "send_sessions" => none(params).map(|()| self.sessions_json()),
            _ => self
                .manager_call(caller, method, params)
                .unwrap_or_else(|| Err((METHOD_NOT_FOUND, Value::from(method)))),
        }
    }

    // ---- Components ----

    fn sign_in(&mut self, caller: Caller<'_>, params: rpc::Params) -> Answer {
        let [suggest] = params.take(["suggest"])?;
        let suggest = match suggest {
            None | Some(Value::Null) => false,
            Some(value) => value.as_bool().ok_or(plain_error(INVALID_PARAMS))?,
        };
        let Place::Here(name) = caller.sender else {
            return Err((INVALID_REQUEST, Value::from("a component of another node cannot sign in here")));
        };
        if !name::is_legal(name) {
            return Err((INVALID_PARAMS, Value::from("a name is 1 to 255 bytes of printable ASCII without '.'")));
        }
        if is_session(name) {
            return Err((DUPLICATE_NAME, shown(name)));
        }
        let owner = self.owner_of(name, caller.link);
        match owner {
            Owner::ThisLink => return Ok(Value::Null),
            Owner::Nobody if name != COORDINATOR => {}
            Owner::Nobody | Owner::OtherLink => {
                let data = match self.directory.suggestion(name) {
                    Some(free) if suggest => {
                        serde_json::json!({"name": data_text(name), "suggestion": data_text(&free)})
                    }
                    _ => shown(name),
                };
                return Err((DUPLICATE_NAME, data));
            }
        }
        let Some(peer) = self.peers.get_mut(caller.link) else { return Ok(Value::Null) };
        if peer.names.len() >= COMPONENTS_PER_PEER_MAX {
            return Err((INTERNAL_ERROR, Value::from("too many names on one connection")));
        }
        match self.directory.add(name, caller.link) {
            Ok(key) => peer.names.push(key),
            Err(_) => return Err((INTERNAL_ERROR, Value::from("too many components"))),
        }
        log::info!("component {} signed in from {}", data_text(name), peer.remote);
        self.counters.sign_ins += 1;
        self.unpublished = true;
        Ok(Value::Null)
    }

    fn owner_of(&self, name: &[u8], link: PeerKey) -> Owner {
        match self.directory.find(name).and_then(|key| self.directory.get(key)) {
            Some(component) if component.link == link => Owner::ThisLink,
            Some(_) => Owner::OtherLink,
            None => Owner::Nobody,
        }
    }

    fn sign_out(&mut self, caller: Caller<'_>) -> Answer {
        let Place::Here(name) = caller.sender else {
            return Err((INVALID_REQUEST, Value::from("a component of another node is not signed in here")));
        };
        let Some(key) = self.directory.find(name) else { return Ok(Value::Null) };
        if self.directory.get(key).is_some_and(|component| component.link != caller.link) {
            return Err((DUPLICATE_NAME, shown(name)));
        }
        self.directory.remove(key);
        if let Some(peer) = self.peers.get_mut(caller.link) {
            peer.names.retain(|held| *held != key);
        }
        self.component_signed_out(name);
        log::info!("component {} signed out", data_text(name));
        self.counters.sign_outs += 1;
        self.unpublished = true;
        Ok(Value::Null)
    }

    pub(super) fn local_components(&self) -> Value {
        self.directory.iter().map(|(_, component)| shown(&component.name)).collect()
    }

    fn global_components(&self) -> Value {
        let mut all = Map::new();
        for (_, node) in self.nodes.iter().filter(|(_, node)| node.is_linked()) {
            if let Some(namespace) = &node.namespace {
                all.insert(data_text(namespace), node.components.iter().map(String::as_str).collect());
            }
        }
        all.insert(self.config.namespace.clone(), self.local_components());
        Value::Object(all)
    }

    /// Namespace and address of every node that messages can be sent to, this one included.
    pub(super) fn nodes_as_json(&self) -> Value {
        let mut all = Map::new();
        all.insert(self.config.namespace.clone(), Value::from(&*self.address));
        for (_, node) in self.nodes.iter() {
            if let (Some(namespace), Some(address), Dealer::Up(_)) = (&node.namespace, &node.address, node.dealer) {
                all.insert(data_text(namespace), Value::from(&**address));
            }
        }
        Value::Object(all)
    }

    fn counters_as_json(&self) -> Value {
        let mut all: Map<String, Value> =
            self.counters.iter().map(|(name, _, value)| (name.to_owned(), Value::from(value))).collect();
        let (rings, partial) = self.pool.in_use();
        all.insert("connections_now".to_owned(), Value::from(self.peers.len()));
        all.insert("components_now".to_owned(), Value::from(self.directory.len()));
        all.insert("ring_bytes_now".to_owned(), Value::from(rings));
        all.insert("partial_bytes_now".to_owned(), Value::from(partial));
        all.insert("data_bytes_now".to_owned(), Value::from(self.pool.data_in_use()));
        Value::Object(all)
    }

    // ---- Administration ----

    pub(super) fn may_administer(&self, caller: Caller<'_>) -> Result<(), (RpcError, Value)> {
        let local = self.peers.get(caller.link).is_some_and(super::Peer::is_local);
        if local || self.config.remote_admin { Ok(()) } else { Err(plain_error(NOT_PERMITTED)) }
    }

    fn set_log_level(&mut self, params: rpc::Params) -> Answer {
        let [level] = params.take(["level"])?;
        let filter = match level.as_ref().and_then(Value::as_str) {
            Some("DEBUG") => LevelFilter::Debug,
            Some("INFO") => LevelFilter::Info,
            Some("WARNING") => LevelFilter::Warn,
            Some("ERROR" | "CRITICAL") => LevelFilter::Error,
            _ => return Err((INVALID_PARAMS, Value::from("level is DEBUG, INFO, WARNING, ERROR or CRITICAL"))),
        };
        self.outputs.push_back(Output::LogLevel(filter));
        Ok(Value::Null)
    }

    fn remove_expired_addresses(&mut self, caller: Caller<'_>, params: rpc::Params) -> Answer {
        self.may_administer(caller)?;
        let [time] = params.take(["expiration_time"])?;
        let wrong = || (INVALID_PARAMS, Value::from("expiration_time is a number of seconds, zero or more"));
        let seconds = time.as_ref().and_then(Value::as_f64).ok_or_else(wrong)?;
        if !(0.0..=1e9).contains(&seconds) {
            return Err(wrong());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 1e12 milliseconds, checked above"
        )]
        let expiration = Span((seconds * 1000.0) as u64);
        self.clean_directory(expiration);
        self.clean_nodes(expiration);
        Ok(Value::Null)
    }

    fn shut_down(&mut self, caller: Caller<'_>) -> Answer {
        self.may_administer(caller)?;
        log::info!("shut_down was called");
        // The goodbye waits for the end of this turn, so that the answer is queued before it.
        self.house(super::expire::House::Goodbye, Span(0));
        Ok(Value::Null)
    }

    /// Signs out everywhere, flushes, ends.
    pub(super) fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.sign_out_everywhere();
        self.house(super::expire::House::Stop, super::FAREWELL);
        self.see_off();
    }

    /// Says goodbye to every peer that does not wait for a change to become durable: its answer comes first.
    pub(super) fn see_off(&mut self) {
        let waiting = self.who_waits();
        for slot in 0..self.peers.slots_end() {
            if let Some(key) = self.peers.key_at(slot)
                && self.peers.get(key).is_some_and(super::Peer::is_open)
                && !waiting.contains(&key)
            {
                self.finish(key, super::Cause::Stopping);
            }
        }
        if self.peers.is_empty() {
            self.say_stop();
        }
    }
}

impl Hub {
    /// Nothing is left to be said: the last word to the ledger, then the end.
    pub(super) fn say_stop(&mut self) {
        if !core::mem::replace(&mut self.has_said_stop, true) {
            self.keep_last_numbers();
            self.outputs.push_back(Output::Stop);
        }
    }
}

/// The call takes no parameters.
pub(super) fn none(params: rpc::Params) -> Result<(), (RpcError, Value)> {
    let [] = params.take([])?;
    Ok(())
}
