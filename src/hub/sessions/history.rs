//! What happens in a session: events before they have their number, and those of the past, for members that come back.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::c2sim::state::Trigger;
use crate::limits::HISTORY_EVENTS_MAX;

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A trigger was accepted.
    State,
    /// A message was relayed.
    Message,
    /// A member joined.
    Joined,
    /// A member resigned.
    Resigned,
    /// A member's component has left, or the session has ended.
    Lost,
}

impl What {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Message => "message",
            Self::Joined => "joined",
            Self::Resigned => "resigned",
            Self::Lost => "lost",
        }
    }
}

/// An event before it has its number.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) what: What,
    pub(super) by: Box<str>,
    /// The name of the trigger or of the message's kind; empty for the comings and goings of members.
    pub(super) name: &'static str,
    pub(super) document: Option<Arc<[u8]>>,
    /// Without a document: the trigger and the system for which XML members get one of our own.
    pub(super) written: Option<(Trigger, Box<str>)>,
    pub(super) effective_at: Option<u64>,
    /// The scheduled trigger that will not be pulled.
    pub(super) cancelled: Option<&'static str>,
    /// Whether whoever caused it is told, too.
    pub(super) to_all: bool,
}

impl Draft {
    pub(super) const fn new(what: What, by: Box<str>) -> Self {
        Self { what, by, name: "", document: None, written: None, effective_at: None, cancelled: None, to_all: false }
    }
}

/// An event of the past.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) seq: u64,
    pub(super) note: Box<str>,
    pub(super) document: Option<Arc<[u8]>>,
}

impl Past {
    fn bytes(&self) -> usize {
        self.note.len() + self.document.as_ref().map_or(0, |document| document.len())
    }
}

/// The last events of a session, for members that come back.
#[derive(Debug, Default)]
pub(super) struct History {
    events: VecDeque<Past>,
    bytes: usize,
}

impl History {
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, past: Past, bytes_max: usize) {
        self.bytes += past.bytes();
        self.events.push_back(past);
        while self.bytes > bytes_max || self.events.len() > HISTORY_EVENTS_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    /// The events behind `after`, as far as they are kept and fit into `bytes_max`; `now` is the number of the last one.
    pub(super) fn after(&self, after: u64, now: u64, bytes_max: usize) -> Value {
        let first = self.events.front().map_or(now + 1, |past| past.seq);
        let mut events = Vec::new();
        let (mut bytes, mut more) = (0, false);
        for past in self.events.iter().filter(|past| past.seq > after) {
            bytes += past.bytes();
            if bytes > bytes_max && !events.is_empty() {
                more = true;
                break;
            }
            let mut event: Map<String, Value> = serde_json::from_str(&past.note).unwrap_or_default();
            if let Some(document) = &past.document {
                event.insert("document".to_owned(), Value::from(String::from_utf8_lossy(document)));
            }
            events.push(Value::Object(event));
        }
        json!({"events": events, "complete": after >= now || first <= after + 1, "more": more})
    }
}
