//! What a client tells its owner.

use std::collections::VecDeque;

use super::error::{Error, ErrorObject, Loss, Stage};
use super::message::{Call, Conversation, Message, Reply};
use crate::limits::CLIENT_EVENT_BYTES_MAX;

/// Bytes that an event counts for beyond what came with it.
const EVENT_BYTES: usize = 1 << 10;

/// What has happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The Coordinator has let us in: the first time, and again after each loss. What others knew of us, such as our membership of a
    /// session, may be gone.
    SignedIn {
        /// Our full name: namespace, dot, component name.
        full_name: String,
    },
    /// What came of a question. Each question gets exactly one of these.
    Answer {
        /// What [`super::Machine::ask`] or [`super::Machine::exchange`] gave.
        conversation: Conversation,
        /// The answer, see [`Message::into_result`]; or [`Error::TimedOut`] or [`Error::Closed`].
        outcome: Result<Message, Error>,
    },
    /// Somebody calls a method of ours and waits for the answer.
    Request(Call, Reply),
    /// Somebody calls a method of ours and wants no answer, such as a session that tells an event.
    Notification(Call),
    /// A message that is neither call nor answer: another content type than JSON, a batch, no payload.
    Message(Message),
    /// An error for something that nobody waited for: a message of ours was not delivered.
    Undelivered {
        /// What the sending gave.
        conversation: Conversation,
        /// Full name of who says so.
        by: String,
        /// Why.
        error: ErrorObject,
    },
    /// The connection, or an attempt to make it, has failed; another attempt will be made. Of failures in a row the last is told.
    Lost {
        /// How far we had come.
        stage: Stage,
        /// Why.
        loss: Loss,
    },
    /// The client has come to its end; no other event follows.
    Ended {
        /// How far we had come.
        stage: Stage,
        /// Why.
        loss: Loss,
    },
}

impl Event {
    /// Bytes that it takes in memory while it waits, about.
    fn weight(&self) -> usize {
        let content = match self {
            Self::Answer { outcome: Ok(message), .. } | Self::Message(message) => message.weight(),
            Self::Request(call, _) | Self::Notification(call) => call.weight(),
            Self::SignedIn { .. }
            | Self::Answer { outcome: Err(_), .. }
            | Self::Undelivered { .. }
            | Self::Lost { .. }
            | Self::Ended { .. } => 0,
        };
        EVENT_BYTES + content
    }
}

/// What has happened and the owner has not asked for.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Each with its weight.
    waiting: VecDeque<(usize, Event)>,
    bytes: usize,
}

impl Events {
    /// Whether more waits than is kept.
    pub(super) const fn is_over(&self) -> bool {
        self.bytes > CLIENT_EVENT_BYTES_MAX
    }

    pub(super) fn push(&mut self, event: Event) {
        // Of failures in a row the last is told.
        if matches!(event, Event::Lost { .. }) && matches!(self.waiting.back(), Some((_, Event::Lost { .. }))) {
            self.bytes -= self.waiting.pop_back().map_or(0, |(weight, _)| weight);
        }
        let weight = event.weight();
        self.bytes += weight;
        self.waiting.push_back((weight, event));
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let (weight, event) = self.waiting.pop_front()?;
        self.bytes -= weight;
        Some(event)
    }

    /// Takes the answer in a conversation, wherever it stands.
    pub(super) fn take_answer(&mut self, wanted: Conversation) -> Option<Result<Message, Error>> {
        let is_wanted = |(_, event): &(usize, Event)| matches!(event, Event::Answer { conversation, .. } if *conversation == wanted);
        let (weight, event) = self.waiting.remove(self.waiting.iter().rposition(is_wanted)?)?;
        self.bytes -= weight;
        if let Event::Answer { outcome, .. } = event { Some(outcome) } else { None }
    }
}
