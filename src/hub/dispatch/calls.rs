//! JSON-RPC over HTTP: calls of the Coordinator and of sessions here, and of any Component of the network, whose answer is the answer over HTTP.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::hub::call::{Refused, plain_error};
use crate::hub::doors::Channel;
use crate::hub::front::{Asked as Receiver, Call, Request};
use crate::hub::keys::PeerKey;
use crate::hub::methods::{AtSessionCall, described_for_web};
use crate::hub::names::{new_header, shown};
use crate::hub::peers::{PeerTimer, Work};
use crate::hub::sessions::{Asker, Author, Said};
use crate::hub::web::{Asked, Body, Reply};
use crate::leco::message::{HEADER_BYTES, TYPE_JSON, View};
use crate::leco::name::{self, COORDINATOR, FullName};
use crate::leco::route::{Place, is_session};
use crate::leco::rpc::{
    Document, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Id, Item, NO_ANSWER, NODE_UNKNOWN, NOT_PERMITTED,
    Params, RECEIVER_OVERLOADED, RECEIVER_UNKNOWN, RpcError, write_error,
};
use crate::limits::{HTTP_ANSWER_BYTES_MAX, RPC_WAIT_MS, RPC_WAIT_MS_MAX};
use crate::store::shared::SharedBytes;
use crate::time::Span;

use super::web::Served;

/// An answer in JSON-RPC; where none is wanted there is nothing to say.
fn reply(text: String) -> Reply {
    if text.is_empty() { Reply::bare(204) } else { Reply::json(200, text) }
}

/// A whole request was refused.
fn failed(error: RpcError, data: &Value) -> Served {
    let mut text = String::new();
    write_error(&mut text, &Id::NULL, error, data);
    reply(text).into()
}

/// The ids of the parts of a document that want an answer, if it only asks.
fn ids(document: Document) -> Option<Vec<Id>> {
    let items = match document {
        Document::Single(item) => vec![item],
        Document::Batch(items) => items,
    };
    let is_question = |item: &Item| matches!(item, Item::Call(_) | Item::Invalid);
    let id = |item| match item {
        Item::Call(call) => call.id,
        Item::Invalid | Item::Result { .. } | Item::Error { .. } => Some(Id::NULL),
    };
    items.iter().all(is_question).then(|| items.into_iter().filter_map(id).collect())
}

/// Whether somebody may have this full name.
fn is_legal(full_name: &[u8]) -> bool {
    let FullName { namespace, name } = FullName::split(full_name);
    name::is_legal(namespace) && name::is_legal(name)
}

/// How long an answer is waited for, by the query of a request, in milliseconds.
fn patience(asked: &Asked) -> Result<u64, Refused> {
    let Some(text) = asked.value("timeout") else { return Ok(RPC_WAIT_MS) };
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let ms = seconds.map(|seconds| (seconds * 1000.0).ceil().min(RPC_WAIT_MS_MAX as f64));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "above zero, below the bound")]
    let ms = ms.map(|ms| ms as u64);
    ms.ok_or_else(|| {
        let most = RPC_WAIT_MS_MAX / 1000;
        (INVALID_PARAMS, Value::from(format!("timeout is a number of seconds above 0; more than {most} are {most}")))
    })
}

impl Hub {
    /// The description of what can be called.
    pub(super) fn openrpc(&self) -> Reply {
        Reply::json(200, described_for_web(&self.names.full_name))
    }

    /// The channel that has this name at this node, while it is on.
    pub(super) fn own_channel(&self, local: &[u8]) -> Option<Channel> {
        Channel::of_name(local).filter(|channel| self.channels.is_on(*channel))
    }

    /// A call of the Component, the session, or the channel, of this name.
    pub(super) fn call_over_web(&mut self, key: PeerKey, asked: &Asked, name: &str) -> Served {
        let receiver = name.as_bytes();
        match Place::of(receiver, &self.names.prefix) {
            Place::Here(COORDINATOR) => Served::Call(Receiver::Coordinator),
            Place::Here(local) if is_session(local) && self.sessions.at(local).is_some() => {
                Served::Call(Receiver::Session(local.into()))
            }
            Place::Here(local) if let Some(channel) = self.own_channel(local) => {
                Served::Call(Receiver::Channel(channel))
            }
            Place::Here(_) | Place::There { .. } => self.ask(key, asked, receiver),
        }
    }

    /// Asks a Component on behalf of a client.
    fn ask(&mut self, key: PeerKey, asked: &Asked, receiver: &[u8]) -> Served {
        let (is_batch, ids) = match Document::parse(&asked.body) {
            Err(error) => return failed(error, &Value::Null),
            Ok(document) => (matches!(document, Document::Batch(_)), ids(document)),
        };
        let Some(ids) = ids else { return failed(INVALID_REQUEST, &Value::from("answers answer nothing here")) };
        let full = self.names.full_name_of(receiver);
        let call = Call { receiver: full.into(), ids, is_batch, since: self.peers.now };
        let sent = patience(asked).and_then(|patience| Ok((patience, self.send_call(&call, &asked.body)?)));
        let (patience, header) = match sent {
            Ok(sent) => sent,
            Err((error, data)) => return reply(call.failed(error, &data)).into(),
        };
        if call.ids.is_empty() {
            return Reply::bare(204).into();
        }
        self.front.calls.add(key, &header, call);
        self.peers.set_peer_timer(key, PeerTimer::Life, Span(patience));
        Served::Later
    }

    /// Sends a call on its way, as it came; answers the header that its answer will have.
    fn send_call(&mut self, call: &Call, body: &[u8]) -> Result<[u8; HEADER_BYTES], Refused> {
        if !is_legal(&call.receiver) {
            let why = "a receiver is NAME, NS.NAME, session:NAME or NS.session:NAME";
            return Err((INVALID_REQUEST, Value::from(why)));
        }
        let unknown = match Place::of(&call.receiver, &self.names.prefix) {
            Place::There { namespace, .. } if self.names.nodes.find(namespace).is_none() => {
                (NODE_UNKNOWN, shown(namespace))
            }
            Place::There { .. } | Place::Here(_) => (RECEIVER_UNKNOWN, shown(&call.receiver)),
        };
        let home = self.names.home_of(&call.receiver).ok_or(unknown)?;
        let unlinked = (NODE_UNKNOWN, shown(FullName::split(&call.receiver).namespace));
        let link = self.names.link_of(home).ok_or(unlinked)?;
        let header = new_header(&mut self.peers);
        self.names
            .say(&mut self.peers, link, &call.receiver, &header, body)
            .map_err(|_| (RECEIVER_OVERLOADED, shown(&call.receiver)))?;
        Ok(header)
    }

    /// Whether a message is the answer to what a client of HTTP has asked; it is given it.
    pub(in crate::hub) fn answers_web(&mut self, view: &View<'_>) -> bool {
        if self.front.calls.is_empty() {
            return false;
        }
        let sender = self.names.full_name_of(view.sender);
        let Some(key) = self.front.calls.waiting(view.header, &sender) else { return false };
        let Some(call) = self.front.calls.take(key) else { return false };
        let payload = view.payload.unwrap_or_default();
        let is_of_receiver = *sender == *call.receiver;
        let reply = if view.content_type() != TYPE_JSON {
            reply(call.failed(INTERNAL_ERROR, &Value::from("the answer is not in JSON")))
        } else if payload.len() > HTTP_ANSWER_BYTES_MAX {
            let why = format!("the answer has {} bytes, and may have {HTTP_ANSWER_BYTES_MAX}", payload.len());
            reply(call.failed(INTERNAL_ERROR, &Value::from(why)))
        } else if is_of_receiver {
            self.peers.spend(Work::Answer(payload.len()));
            Reply { body: Body::Kept(SharedBytes::from(payload)), ..Reply::json(200, String::new()) }
        } else {
            let (error, data) = refusal_in(payload, &call.receiver);
            reply(call.failed(error, &data))
        };
        self.answer_late(key, &reply);
        true
    }

    /// Answers a client that has waited.
    pub(super) fn answer_late(&mut self, key: PeerKey, reply: &Reply) {
        self.web.answer(&mut self.peers, key, reply);
        self.peers.resume(key);
    }

    /// A client has waited long enough, if it waits for a Component. Answers whether it does.
    pub(in crate::hub) fn call_is_late(&mut self, key: PeerKey) -> bool {
        self.give_up_call(key, None)
    }

    /// Somebody has left, or everybody: whoever waits for its answer waits in vain.
    pub(in crate::hub) fn fail_calls(&mut self, receiver: Option<&[u8]>, why: &str) {
        if self.front.calls.is_empty() {
            return;
        }
        let full = receiver.map(|receiver| self.names.full_name_of(receiver));
        for key in self.front.calls.waiting_for(full.as_deref()) {
            self.give_up_call(key, Some(why));
        }
    }

    /// Tells a client that there will be no answer to its call, if it has one; answers whether it has.
    fn give_up_call(&mut self, key: PeerKey, why: Option<&str>) -> bool {
        let Some(call) = self.front.calls.take(key) else { return false };
        let waited = self.peers.now.since(call.since).0;
        let mut data = json!({"receiver": name::shown(&call.receiver), "waited_ms": waited});
        if let (Some(why), Some(data)) = (why, data.as_object_mut()) {
            data.insert("reason".to_owned(), Value::from(why));
        }
        self.answer_late(key, &reply(call.failed(NO_ANSWER, &data)));
        true
    }

    // ---- The Coordinator and sessions ----

    /// Deals with what a client of HTTP asks of us.
    pub(super) fn begin_over_web(&mut self, key: PeerKey, receiver: Receiver) {
        let Some(asked) = self.web.lend(key) else { return };
        let (document, remote) = (Document::parse(&asked.body), asked.remote);
        self.web.put_back(&mut self.peers, key, asked);
        self.begin(Request::over_web(receiver, key, remote), document);
    }

    /// All parts of a client's request are answered.
    pub(super) fn answer_over_web(&mut self, request: Request) {
        // A document that is too long for the text of an answer is told by its size.
        self.answer_late(request.link, &reply(request.text));
    }

    /// What a client of HTTP does in a session: it has no name to join with, and may control if it may administer.
    pub(super) fn session_call_over_web(
        &mut self,
        request: &Request,
        asker: Asker<'_>,
        (call, name): (AtSessionCall, &str),
        params: Params,
    ) -> Said {
        let is_control = matches!(call, AtSessionCall::Pull | AtSessionCall::Events);
        // Where users are asked who they are, their right has been looked at.
        if is_control && self.peers.users.is_off() && !self.may_administer(request.caller(&self.names.prefix)) {
            return Said::now(Err(plain_error(NOT_PERMITTED)));
        }
        let by = match self.peers.user_name(request.link) {
            "" => request.web.map_or_else(String::new, |remote| remote.to_string()),
            user => user.to_owned(),
        };
        let author = is_control.then(|| Author::of_controller(&by, None, self.peers.doer(request.link)));
        self.sessions.call(&mut self.peers, &self.names, asker, author, (call, name), params)
    }
}

/// What another node's Coordinator says of a call that it could not pass on.
fn refusal_in(payload: &[u8], receiver: &[u8]) -> (RpcError, Value) {
    match Document::parse(payload) {
        Ok(Document::Single(Item::Error { code: Some(code), data })) => {
            let known = [RECEIVER_UNKNOWN, NODE_UNKNOWN, RECEIVER_OVERLOADED];
            let error = known.into_iter().find(|known| i64::from(known.code) == code).unwrap_or(NO_ANSWER);
            (error, data.map_or_else(|| shown(receiver), |data| Value::from(&*data)))
        }
        _ => (NO_ANSWER, shown(receiver)),
    }
}
