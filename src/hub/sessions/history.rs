//! What happens in a session: events before they have their number, and those of the past, for members that come back.

use std::collections::VecDeque;

use serde_json::Value;

use crate::c2sim::kind::Kind;
use crate::c2sim::state::Trigger;
use crate::hub::peers::Doer;
use crate::leco::json::Json;
use crate::leco::message::{HEADER_BYTES, conversation};
use crate::limits::{ANSWER_DOCUMENT_BYTES_MAX, HISTORY_EVENTS_MAX};
use crate::store::shared::SharedBytes;
use crate::time::Tick;

use super::heading::Heading;

/// Bytes of the parameters of most notices, besides the two names in them.
const NOTICE_TEXT_BYTES: usize = 160;

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
    /// A member's component has left; it may come back.
    Away,
    /// A member that was away is there again.
    Resumed,
    /// A member has been away too long.
    Lost,
    /// The session has ended, and is lost to its members.
    Ended,
}

impl What {
    /// What the audit log calls it; a trigger by its `name`.
    pub(super) const fn deed(self, name: &'static str) -> &'static str {
        match self {
            Self::State if !name.is_empty() => name,
            Self::State | Self::Message => "STATE",
            Self::Joined => "JOIN",
            Self::Resigned => "RESIGN",
            Self::Away => "AWAY",
            Self::Resumed => "RESUME",
            Self::Lost | Self::Ended => "LOST",
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Message => "message",
            Self::Joined => "joined",
            Self::Resigned => "resigned",
            Self::Away => "away",
            Self::Resumed => "resumed",
            Self::Lost | Self::Ended => "lost",
        }
    }
}

/// An event before it has its number.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) what: What,
    pub(super) by: Box<str>,
    /// Whose doing it is, for the audit log.
    pub(super) doer: Doer,
    /// The name of the trigger or of the message's kind; empty for the comings and goings of members.
    pub(super) name: &'static str,
    pub(super) document: Option<SharedBytes>,
    /// That on one line with its end, where it is written already.
    pub(super) line: Option<SharedBytes>,
    /// Without a document: the trigger and the system for which XML members get one of our own.
    pub(super) written: Option<(Trigger, Box<str>)>,
    /// What the header of its document says.
    pub(super) heading: Option<Box<Heading>>,
    /// The trigger that its document pulls, where that is of another schema than the session.
    pub(super) foreign: Option<Trigger>,
    pub(super) effective_at: Option<u64>,
    /// The scheduled trigger that will not be pulled.
    pub(super) cancelled: Option<&'static str>,
    /// Whether whoever caused it is told, too.
    pub(super) to_all: bool,
}

impl Draft {
    /// The parameters of its notice, a JSON object whose members stand in the order of their names.
    pub(super) fn text(&self, session: &str, state: &str, seq: u64, time: u64) -> String {
        let mut text = Json::with_room(NOTICE_TEXT_BYTES + self.by.len() + session.len());
        text.object(|text| {
            text.key("by").text(&self.by);
            if let Some(cancelled) = self.cancelled {
                text.key("cancelled").text(cancelled);
            }
            if let Some(at) = self.effective_at {
                text.key("effective_at").number(at);
            }
            text.key("event").text(self.what.word());
            let (is_named, is_state) = (!self.name.is_empty(), self.what == What::State);
            if is_named && !is_state {
                text.key("kind").text(self.name);
            }
            text.key("seq").number(seq);
            text.key("session").text(session);
            text.key("state").text(state);
            text.key("time").number(time);
            if is_named && is_state {
                text.key("trigger").text(self.name);
            }
        });
        text.into_text()
    }

    /// The same of one that is this one's doing.
    pub(super) fn of(what: What, by: Box<str>, doer: Doer) -> Self {
        Self { doer, ..Self::new(what, by) }
    }

    pub(super) const fn new(what: What, by: Box<str>) -> Self {
        Self {
            what,
            by,
            doer: Doer { user: None, address: None },
            name: "",
            document: None,
            line: None,
            written: None,
            heading: None,
            foreign: None,
            effective_at: None,
            cancelled: None,
            to_all: false,
        }
    }
}

impl Draft {
    /// Whether it is the initialization that all are given at the share.
    pub(super) fn is_initialization(&self) -> bool {
        self.to_all && self.name == Kind::C2simInitialization.name()
    }
}

/// An event with its number, as it is told.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) seq: u64,
    /// The same for everybody who is told: an answer in its conversation is about this event.
    pub(super) header: [u8; HEADER_BYTES],
    /// Its parameters, a JSON object.
    pub(super) text: Box<str>,
}

/// An event of the past.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) seq: u64,
    pub(super) at: Tick,
    /// The header under which it was told: an answer in its conversation is about this event.
    pub(super) header: [u8; HEADER_BYTES],
    pub(super) note: Box<str>,
    pub(super) document: Option<SharedBytes>,
    /// Without a document: the trigger and the system for which XML members get one of our own.
    pub(super) written: Option<(Trigger, Box<str>)>,
}

/// A document in an answer: as the text of this member of an object; or where that is too long the number of its bytes, and it comes behind the
/// answer.
pub(super) fn shown(key: &str, document: &SharedBytes) -> (String, Value, Option<SharedBytes>) {
    if document.len() <= ANSWER_DOCUMENT_BYTES_MAX {
        return (key.to_owned(), Value::from(String::from_utf8_lossy(document)), None);
    }
    (format!("{key}_bytes"), Value::from(document.len()), Some(document.clone()))
}

/// What a member that comes back is told of the past.
#[derive(Debug)]
pub(super) struct Missed {
    /// The events, as the elements of a JSON array.
    pub(super) text: String,
    /// They begin right behind what the member has heard.
    pub(super) is_complete: bool,
    /// There are more of them than fit.
    pub(super) more: bool,
}

impl Past {
    /// Bytes that are held for it.
    fn held_bytes(&self) -> usize {
        self.note.len() + self.document.as_ref().map_or(0, SharedBytes::held_bytes)
    }

    /// Bytes that are told of it.
    fn told_bytes(&self) -> usize {
        self.note.len() + self.document.as_ref().map_or(0, |document| document.len())
    }
}

/// The last events of a session, for members that come back.
#[derive(Debug, Default)]
pub(super) struct History {
    events: VecDeque<Past>,
    /// That are held for them.
    bytes: usize,
}

impl History {
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, past: Past, bytes_max: usize) {
        self.bytes += past.held_bytes();
        self.events.push_back(past);
        while self.bytes > bytes_max || self.events.len() > HISTORY_EVENTS_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.held_bytes();
        }
    }

    /// The number of the last event that happened before `moment`, if it is known.
    pub(super) fn last_before(&self, moment: Tick) -> Option<u64> {
        let later = self.events.partition_point(|past| past.at < moment);
        self.events.get(later.checked_sub(1)?).map(|past| past.seq)
    }

    /// The number of the event that was told in the conversation of this header.
    pub(super) fn told_in(&self, header: &[u8; HEADER_BYTES]) -> Option<u64> {
        let asked = conversation(header);
        self.events.iter().rev().find(|past| conversation(&past.header) == asked).map(|past| past.seq)
    }

    /// The events behind `after`.
    pub(super) fn behind(&self, after: u64) -> impl Iterator<Item = &Past> {
        let first = self.events.partition_point(|past| past.seq <= after);
        self.events.range(first..)
    }

    /// Whether every event behind `after` is kept; `now` is the number of the last one.
    pub(super) fn reaches(&self, after: u64, now: u64) -> bool {
        after >= now || self.events.front().is_some_and(|first| first.seq <= after + 1)
    }

    /// The events behind `after` and up to `last` for a member that has missed them, as far as they are kept and fit into `bytes_max`.
    pub(super) fn missed(&self, after: u64, last: u64, bytes_max: usize) -> Missed {
        let (mut text, mut more) = (String::new(), false);
        for past in self.behind(after).take_while(|past| past.seq <= last) {
            if text.len() + past.told_bytes() > bytes_max {
                more = true;
                break;
            }
            if !text.is_empty() {
                text.push(',');
            }
            match (past.note.strip_suffix('}'), &past.document) {
                (Some(front), Some(document)) => {
                    let document = Value::from(String::from_utf8_lossy(document));
                    text.push_str(&format!("{front},\"document\":{document}}}"));
                }
                _ => text.push_str(&past.note),
            }
        }
        Missed { text, is_complete: self.reaches(after, last), more }
    }

    /// The events behind `after` but that of number `but`, as far as they are kept and fit into `bytes_max`, as JSON; `now` is the number of the
    /// last one. The document of the last of them, where it is too long to stand in an answer, and comes behind it; not if something else
    /// does (`is_alone`).
    pub(super) fn after(
        &self,
        (after, now): (u64, u64),
        but: Option<u64>,
        bytes_max: usize,
        is_alone: bool,
    ) -> (String, Option<SharedBytes>) {
        let (mut json, mut beside) = (Json::default(), None);
        let (mut bytes, mut more) = (0, false);
        json.object(|json| {
            json.key("complete").truth(self.reaches(after, now));
            json.key("events").array(|json| {
                for past in self.behind(after) {
                    let is_first = bytes == 0;
                    bytes += past.told_bytes();
                    let shown = past.document.as_ref().map(|document| shown("document", document));
                    let is_beside = matches!(shown, Some((_, _, Some(_))));
                    if beside.is_some() || (bytes > bytes_max && !is_first) || (is_beside && !is_alone) {
                        more = true;
                        break;
                    }
                    if Some(past.seq) == but {
                        continue;
                    }
                    match (past.note.strip_suffix('}'), shown) {
                        (Some(front), Some((key, value, long))) => {
                            json.raw(front);
                            json.key(&key).value(&value);
                            json.end();
                            beside = long;
                        }
                        _ => json.raw(&past.note),
                    }
                }
            });
            json.key("more").truth(more);
        });
        (json.into_text(), beside)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_held_for_a_document_is_counted_until_it_is_forgotten() {
        let mut block = Vec::with_capacity(1000);
        block.extend_from_slice(b"--b1 <a/> --b1--");
        let whole = SharedBytes::from(block);
        let past = |seq, document| Past {
            seq,
            at: Tick(0),
            header: [0; HEADER_BYTES],
            note: "{}".into(),
            document,
            written: None,
        };
        let mut history = History::default();
        history.add(past(1, Some(whole.part(&whole[5..9]))), 2000);
        assert_eq!(history.bytes(), 1002);
        assert_eq!(history.missed(0, 1, 10).text, r#"{,"document":"<a/>"}"#, "what is told is as long as it is");
        history.add(past(2, None), 1003);
        assert_eq!((history.bytes(), history.reaches(0, 2)), (2, false));
    }

    #[test]
    fn the_words_of_an_event_are_json_whose_members_stand_in_the_order_of_their_names() {
        let plain = Draft::new(What::Joined, "a \"b\"".into());
        let full = Draft {
            name: "START_SCENARIO",
            effective_at: Some(7),
            cancelled: Some("STOP_SCENARIO"),
            ..Draft::new(What::State, "N1.CA".into())
        };
        let message = Draft { name: "REPORT", ..Draft::new(What::Message, "N1.CA".into()) };
        let common = |by: &str, event: &str| json!({"by": by, "event": event, "seq": 3, "session": "s\n", "state": "RUNNING", "time": 9});
        let mut wanted = [common("a \"b\"", "joined"), common("N1.CA", "state"), common("N1.CA", "message")];
        for (key, value) in
            [("effective_at", json!(7)), ("cancelled", json!("STOP_SCENARIO")), ("trigger", json!("START_SCENARIO"))]
        {
            wanted[1][key] = value;
        }
        wanted[2]["kind"] = json!("REPORT");
        for (draft, wanted) in [plain, full, message].iter().zip(wanted) {
            assert_eq!(draft.text("s\n", "RUNNING", 3, 9), wanted.to_string());
        }
    }
}
