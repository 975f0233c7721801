//! Signs of life: given, asked for, answered.

use serde_json::Value;

use super::Machine;
use crate::client::error::Loss;
use crate::client::message::{Conversation, call};
use crate::client::questions::Asked;
use crate::leco::message::{TYPE_JSON, TYPE_UNDEFINED};
use crate::time::Tick;
use crate::zmtp::command::Built;

impl Machine {
    pub(super) fn beat_due(&self) -> Tick {
        self.spoke_at + self.options.heartbeat
    }

    /// When the Coordinator is asked for a sign of life, unless it is asked already.
    pub(super) fn life_due(&self) -> Option<Tick> {
        (!self.questions.is_asked_for_life()).then(|| self.heard_at + self.options.heartbeat)
    }

    pub(super) fn ask_for_life(&mut self) {
        let header = self.ids.header(self.now, TYPE_JSON);
        let document = call(Some(1), "pong", &Value::Null).to_string();
        self.put("COORDINATOR", &header, &[document.as_bytes()]);
        let until = self.now + self.options.heartbeat.times(2);
        self.questions.open(Conversation::of(&header), until, Asked::ForLife);
    }

    pub(super) fn give_sign_of_life(&mut self) {
        let header = self.ids.header(self.now, TYPE_UNDEFINED);
        self.put("COORDINATOR", &header, &[b""]);
        self.beat = Some(Conversation::of(&header));
    }

    pub(super) fn answer_ping(&mut self, pong: &Built) {
        if self.outbox.has_room(0) {
            self.outbox.end().extend_from_slice(pong.bytes());
            self.seal();
        } else {
            self.lose(Loss::Overrun);
        }
    }
}
