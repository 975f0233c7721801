//! One request to the Coordinator or to a session, from the message to the answer.
//!
//! A message may hold several calls, and one of them may have to wait: for a change to become durable, or behind other requests to the
//! same session. Its answers leave in one document, in the order of the calls.

use core::net::SocketAddr;
use std::collections::VecDeque;

use crate::hub::call::Caller;
use crate::hub::doors::Channel;
use crate::hub::keys::PeerKey;
use crate::hub::methods::At;
use crate::hub::push::Push;
use crate::leco::message::{HEADER_BYTES, View};
use crate::leco::route::{Place, Refusal};
use crate::leco::rpc::{Document, Id, Item};
use crate::store::shared::SharedBytes;

/// Whom a request is addressed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Asked {
    /// The Coordinator itself.
    Coordinator,
    /// The session with this LECO name, given without namespace; whether there is one shows when it is dealt with.
    Session(Box<[u8]>),
    /// A channel, by its own name.
    Channel(Channel),
}

impl Asked {
    /// Whose its methods are.
    pub(in crate::hub) const fn at(&self) -> At {
        match self {
            Self::Coordinator => At::Coordinator,
            Self::Session(_) => At::Session,
            Self::Channel(_) => At::Channel,
        }
    }
}

/// One part of a request.
#[derive(Debug)]
pub(in crate::hub) enum Part {
    /// An element of a JSON-RPC document.
    Item(Item),
    /// A C2SIM document.
    Document(SharedBytes),
    /// What is left to do of a call that brings a timestep of a feed.
    Timestep(Option<Id>, Box<Push>),
}

/// A request on its way.
#[derive(Debug)]
pub(in crate::hub) struct Request {
    pub(in crate::hub) asked: Asked,
    pub(in crate::hub) link: PeerKey,
    /// Who asks, by name; nobody over HTTP.
    pub(in crate::hub) sender: Box<[u8]>,
    /// It came over HTTP: where its client is, as far as proxies say that are believed.
    pub(in crate::hub) web: Option<SocketAddr>,
    pub(in crate::hub) header: [u8; HEADER_BYTES],
    /// How many events there had been in all sessions when it came.
    pub(in crate::hub) asked_behind: u64,
    /// Why the sender may not do more than sign in or out, unless an element of this very request signs it in.
    pub(in crate::hub) refusal: Option<Refusal>,
    pub(in crate::hub) is_batch: bool,
    /// The answer goes back over the ROUTER, and to the Coordinator's plain name.
    pub(in crate::hub) signs_in: bool,
    pub(in crate::hub) parts: VecDeque<Part>,
    /// Its link is not read before it is answered: it has more calls than one turn has room for.
    pub(in crate::hub) holds: bool,
    /// The answers so far.
    pub(in crate::hub) text: String,
    /// The document that one of them tells of.
    pub(in crate::hub) document: Option<SharedBytes>,
    /// The id under which the answer that is waited for is to be written; `None` for a notification.
    pub(in crate::hub) awaited: Option<Id>,
}

impl Request {
    pub(in crate::hub) fn new(asked: Asked, from: PeerKey, view: &View<'_>) -> Self {
        Self {
            asked,
            link: from,
            sender: view.sender.into(),
            web: None,
            header: *view.header,
            asked_behind: 0,
            refusal: None,
            is_batch: false,
            signs_in: false,
            parts: VecDeque::new(),
            holds: false,
            text: String::new(),
            document: None,
            awaited: None,
        }
    }

    /// One over HTTP, from a client at `remote`.
    pub(in crate::hub) fn over_web(asked: Asked, from: PeerKey, remote: SocketAddr) -> Self {
        let view = View { receiver: b"", sender: b"", header: &[0; HEADER_BYTES], payload: None };
        Self { web: Some(remote), ..Self::new(asked, from, &view) }
    }

    /// Takes the elements of a document.
    pub(in crate::hub) fn fill(&mut self, document: Document) {
        match document {
            Document::Single(item) => self.parts.push_back(Part::Item(item)),
            Document::Batch(items) => {
                self.is_batch = true;
                self.parts.extend(items.into_iter().map(Part::Item));
            }
        }
    }

    /// Who asks.
    pub(in crate::hub) fn caller<'a>(&'a self, prefix: &[u8]) -> Caller<'a> {
        let is_far = self.web.is_some_and(|remote| !remote.ip().to_canonical().is_loopback());
        Caller { link: self.link, sender: Place::of(&self.sender, prefix), header: &self.header, is_far }
    }

    /// Begins the place of one more answer in a batch.
    pub(in crate::hub) fn begin_answer(&mut self) {
        begin_answer(&mut self.text, self.is_batch);
    }

    /// Ends the document of answers.
    pub(in crate::hub) fn end_answers(&mut self) {
        end_answers(&mut self.text, self.is_batch);
    }

    /// Bytes that it holds while it waits, about.
    pub(in crate::hub) fn bytes(&self) -> usize {
        let part = |part: &Part| match part {
            Part::Item(item) => item.weight(),
            Part::Document(document) => size_of::<Part>() + document.held_bytes(),
            Part::Timestep(_, push) => size_of::<Part>() + push.bytes(),
        };
        size_of::<Self>() + self.text.len() + self.parts.iter().map(part).sum::<usize>()
    }
}

/// Begins the place of one more answer among those of a batch.
pub(super) fn begin_answer(text: &mut String, is_batch: bool) {
    if is_batch {
        text.push(if text.is_empty() { '[' } else { ',' });
    }
}

/// Ends the document of answers.
pub(super) fn end_answers(text: &mut String, is_batch: bool) {
    if is_batch && !text.is_empty() {
        text.push(']');
    }
}
