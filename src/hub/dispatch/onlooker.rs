//! Onlookers: users who may not sign in under the name that they give, and ask all the same what their role lets them look at.
//!
//! Owns who is one, and which calls that reaches: questions that have nothing to do with a name, as nobody has proved his. Who may sign in
//! is told to, as ever: that is how a Component learns that its Coordinator has begun anew.

use crate::auth::Target;
use crate::hub::Hub;
use crate::hub::coordinator::relay;
use crate::hub::doors::Channel;
use crate::hub::front::{Asked, Request};
use crate::hub::keys::PeerKey;
use crate::hub::methods::Method;
use crate::hub::peers::Outcome;
use crate::leco::message::{TYPE_JSON, View};
use crate::leco::route::Refusal;
use crate::leco::rpc::{Document, Item};

impl Hub {
    /// Deals with a message for a session or a channel, from somebody who is refused, but may look on.
    #[cold]
    pub(in crate::hub) fn onlooker_message(&mut self, from: PeerKey, view: &View<'_>, refusal: Refusal) -> Outcome {
        let payload = view.payload.unwrap_or_default();
        if !self.peers.may_serve(from, payload.len(), self.peers.config.ring_bytes_max) {
            return Outcome::Held;
        }
        let receiver = relay::own_name(&self.names, view).unwrap_or_default();
        let asked = Channel::of_name(receiver).map_or_else(|| Asked::Session(receiver.into()), Asked::Channel);
        let document = if view.content_type() == TYPE_JSON { Document::parse(payload).ok() } else { None };
        match document {
            Some(document) if self.may_look(from, view.sender, refusal, &asked, &document) => {
                let mut request = Request::new(asked, from, view);
                request.refusal = Some(refusal);
                self.peers.counters.messages_own += 1;
                self.begin(request, Ok(document));
                Outcome::Done
            }
            Some(_) | None => relay::refuse(&mut self.peers, &self.names, from, view, refusal),
        }
    }

    /// Whether an onlooker may make the first call of a document. The others are judged one by one.
    pub(super) fn may_look(
        &self,
        from: PeerKey,
        sender: &[u8],
        refusal: Refusal,
        asked: &Asked,
        document: &Document,
    ) -> bool {
        let Some(Item::Call(call)) = document.first() else { return false };
        self.is_onlookers(from, sender, refusal, Method::find(asked.at(), &call.method))
    }

    /// Whether an onlooker is answered a call of this method: what it asks or, where its role does not reach for it, what that needs.
    pub(super) fn is_onlookers(
        &self,
        from: PeerKey,
        sender: &[u8],
        refusal: Refusal,
        method: Option<&'static Method>,
    ) -> bool {
        let lacks = |action| self.peers.lacks(from, action, Target::Nothing).is_some();
        method.is_some_and(|method| method.is_for_onlookers() || method.right.action().is_some_and(lacks))
            && self.is_onlooker(from, sender, refusal)
    }

    /// Whether the user at the other end is one who may not have the name under which it is refused.
    pub(super) fn is_onlooker(&self, from: PeerKey, sender: &[u8], refusal: Refusal) -> bool {
        relay::is_onlooker(&self.peers, &self.names, from, sender, refusal)
    }
}
