//! Coming in: under a name, or without one.

use serde_json::Value;

use super::Machine;
use crate::client::error::{Error, Loss};
use crate::client::event::Event;
use crate::client::identity::AfterRefusal;
use crate::client::message::{Conversation, Message, call, encode};
use crate::client::state::State;
use crate::leco::message::TYPE_JSON;
use crate::leco::name::COORDINATOR;
use crate::leco::rpc::{DUPLICATE_NAME, FORBIDDEN, NOT_SIGNED_IN};

impl Machine {
    /// The handshake has ended. A user who may look on asks first whether he may have the name: a sign-in that is refused would be a denial, and a
    /// warning in the Coordinator's log.
    pub(super) fn enter(&mut self) {
        if self.options.look_on && self.options.login.is_some() {
            let conversation = self.ask_to_enter("whoami", &Value::Null);
            self.state = State::LookingIn(conversation, self.now + self.options.timeout);
        } else {
            self.sign_in();
        }
    }

    /// What the Coordinator says about us. One that does not say whether we may have the name is to decide about the name itself.
    pub(super) fn looked_in(&mut self, answer: Message) {
        let by = answer.sender.clone();
        match answer.into_result() {
            Ok(told) if told.get("may_sign_in") == Some(&Value::Bool(false)) => self.come_in(&by),
            Ok(_) | Err(_) => self.sign_in(),
        }
    }

    pub(super) fn sign_in(&mut self) {
        let conversation = self.ask_to_enter("sign_in", &self.identity.wishes());
        self.state = State::SigningIn(conversation, self.now + self.options.timeout);
    }

    /// By our bare name: the Coordinator that is there now may have another namespace than the last.
    fn ask_to_enter(&mut self, method: &str, params: &Value) -> Conversation {
        let header = self.ids.header(self.now, TYPE_JSON);
        let document = call(Some(1), method, params).to_string();
        encode(self.outbox.end(), COORDINATOR, self.identity.name().as_bytes(), &header, &[document.as_bytes()]);
        self.spoke_at = self.now;
        self.seal();
        Conversation::of(&header)
    }

    pub(super) fn signed_in(&mut self, answer: Message) {
        let by = answer.sender.clone();
        let looks_on =
            self.options.look_on && answer.error().is_some_and(|error| error.code == i64::from(FORBIDDEN.code));
        let error = match answer.into_result() {
            // An onlooker has no name, and goes on as if it had.
            _ if looks_on => return self.come_in(&by),
            Ok(_) => return self.come_in(&by),
            Err(Error::Rpc { error, .. }) => error,
            Err(_) => return self.lose(Loss::Nonsense { by }),
        };
        match self.identity.refused(&error) {
            AfterRefusal::Again => self.sign_in(),
            AfterRefusal::Later if self.options.reconnect => self.state = State::Taken(self.now + self.ids.pause()),
            AfterRefusal::Later | AfterRefusal::Final => self.lose(Loss::Refused { by, error }),
        }
    }

    fn come_in(&mut self, by: &str) {
        self.identity.accepted(by);
        self.state = State::In;
        self.ids.reset_pause();
        let full_name = self.full_name();
        self.tell(Event::SignedIn { full_name });
    }

    /// Whether this is our Coordinator's word that it does not know us by our name: the message that it is about was not delivered.
    pub(in crate::client) fn is_unknown_here(&self, message: &Message) -> bool {
        let codes = [NOT_SIGNED_IN, DUPLICATE_NAME].map(|error| i64::from(error.code));
        self.identity.is_coordinator(&message.sender)
            && message.error().is_some_and(|error| codes.contains(&error.code))
    }
}
