//! What the members of a session hear: one event after the other, the same for all, in one turn of the loop.
//!
//! Each event has the session's next number. A JSON member gets a notification with it, an XML member the document of the event, if
//! it has one. The bytes behind the receiver's name are made once for each format. A member that cannot take an event has fallen out of step
//! and is never quietly passed over: here its link is closed; on another node, whose link others share, it is taken out of the session
//! and told so as soon as its node takes messages again.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::c2sim::kind::Schema;
use crate::c2sim::notice::{IsoDateTime, Stamp, Uuid, write_trigger};
use crate::c2sim::state::Trigger;
use crate::leco::message::{HEADER_BYTES, TYPE_C2SIM, VERSION};
use crate::leco::name;
use crate::limits::{FAREWELLS_MAX, HISTORY_EVENTS_MAX, RING_RESERVE_BYTES};
use crate::store::pool::Use;
use crate::zmtp::frame;

use super::Hub;
use super::cause::Cause;
use super::keys::{PeerKey, SessionKey};
use super::member::{Format, Leaver};
use super::names::{Home, new_header};
use super::peers::{Peer, Work};

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
    const fn word(self) -> &'static str {
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
struct Past {
    seq: u64,
    note: Box<str>,
    document: Option<Arc<[u8]>>,
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

    fn add(&mut self, past: Past, bytes_max: usize) {
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

/// A member of another node that was taken out of its session and does not know it yet.
#[derive(Debug)]
pub(super) struct Farewell {
    member: Box<[u8]>,
    session: Box<[u8]>,
    note: Box<str>,
}

impl Hub {
    /// A fresh header for a document of our own.
    pub(super) fn stamp(&mut self) -> Stamp {
        Stamp {
            message_id: Uuid::from_random(self.peers.wide_random()),
            conversation_id: Uuid::from_random(self.peers.wide_random()),
            sending_time: IsoDateTime(self.peers.unix_ms() / 1000),
        }
    }

    /// Gives an event its number and tells every member but `except` (unless the event is for all); answers the number.
    pub(super) fn announce(&mut self, key: SessionKey, draft: Draft, except: Option<&[u8]>) -> u64 {
        self.announce_afterwards(Some(key));
        self.announce_now(key, draft, except)
    }

    /// Events that come right behind the answer to whoever caused them: of one session, or of all.
    pub(super) fn announce_afterwards(&mut self, of: Option<SessionKey>) {
        while let Some(at) = self.afterwards.iter().position(|(key, _)| of.is_none_or(|of| of == *key)) {
            let (key, draft) = self.afterwards.remove(at);
            self.announce_now(key, draft, None);
        }
    }

    fn announce_now(&mut self, key: SessionKey, draft: Draft, except: Option<&[u8]>) -> u64 {
        let time = self.peers.unix_ms();
        let room = self.peers.pool.data_room();
        let Some(session) = self.sessions.get_mut(key) else { return 0 };
        // Where memory is short the past is forgotten sooner.
        let bytes_max = self.peers.config.session_history_bytes_max.min(session.history.bytes() + room);
        session.seq += 1;
        let seq = session.seq;
        if draft.what == What::State {
            session.state_seq = seq;
        }
        let state = session.flow.state.name();
        let mut note = json!({"session": session.name, "seq": seq, "event": draft.what.word(), "state": state,
                              "by": draft.by, "time": time});
        if let Some(note) = note.as_object_mut() {
            let name_key = if draft.what == What::State { "trigger" } else { "kind" };
            if !draft.name.is_empty() {
                note.insert(name_key.to_owned(), Value::from(draft.name));
            }
            if let Some(at) = draft.effective_at {
                note.insert("effective_at".to_owned(), Value::from(at));
            }
            if let Some(cancelled) = draft.cancelled {
                note.insert("cancelled".to_owned(), Value::from(cancelled));
            }
        }
        let note: Box<str> = note.to_string().into();
        let past = Past { seq, note: note.clone(), document: draft.document.clone() };
        let before = session.history.bytes();
        session.history.add(past, bytes_max);
        let after = session.history.bytes();
        self.account_session(before, after);
        self.peers.counters.session_events += 1;
        let members = self.sessions.get(key).map_or(0, |session| session.members.len());
        // It costs the one who caused it as much of its turn as so many calls.
        self.peers.spend(Work::Notices(members));
        self.tell_members(key, &draft, &note, except.filter(|_| !draft.to_all));
        self.renew_numbers(key);
        seq
    }

    /// Puts an event into the rings of the members.
    fn tell_members(&mut self, key: SessionKey, draft: &Draft, note: &str, except: Option<&[u8]>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.members.is_empty() {
            return;
        }
        let members = core::mem::take(&mut session.members);
        let (sender, schema) = (session.full_name.clone(), session.about.schema);
        let has = |format| members.values().any(|member| member.format == format);
        let json = has(Format::Json).then(|| {
            let call = format!(r#"{{"jsonrpc":"2.0","method":"session_event","params":{note}}}"#);
            let payload: [&[u8]; 2] = [call.as_bytes(), draft.document.as_deref().unwrap_or_default()];
            let header = new_header(&mut self.peers);
            tail(&sender, &header, payload.get(..1 + usize::from(draft.document.is_some())).unwrap_or_default())
        });
        let xml = has(Format::Xml).then(|| self.document_for_xml(draft, schema)).flatten().map(|document| {
            let mut header = new_header(&mut self.peers);
            header[HEADER_BYTES - 1] = TYPE_C2SIM;
            tail(&sender, &header, &[&document])
        });
        // What changes the state has room that messages do not have.
        let reserve = if draft.what == What::Message { 0 } else { RING_RESERVE_BYTES };
        let bytes_max = self.peers.config.ring_bytes_max + reserve;
        let mut cut = Vec::new();
        for (name, member) in &members {
            let tail = match member.format {
                Format::Json => &json,
                Format::Xml => &xml,
            };
            let (Some(tail), false) = (tail, except == Some(name)) else { continue };
            let sent =
                self.names.link_of(member.home).is_some_and(|link| self.push_notice(link, name, tail, bytes_max));
            if sent {
                self.peers.counters.session_notices += 1;
                continue;
            }
            match member.home {
                Home::Here(_) => cut.extend(self.names.link_of(member.home)),
                Home::There(_) => self.take_out_later(key, name, &sender, note),
            }
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.members = members;
        }
        for link in cut {
            self.peers.close(link, Cause::Notice);
        }
    }

    /// What XML members get for an event: its document, or one of our own for a trigger that came without.
    fn document_for_xml(&mut self, draft: &Draft, schema: Schema) -> Option<Arc<[u8]>> {
        if let Some(document) = &draft.document {
            return Some(Arc::clone(document));
        }
        let (trigger, system) = draft.written.as_ref()?;
        let stamp = self.stamp();
        let mut out = Vec::new();
        write_trigger(*trigger, schema, system, &stamp, &mut out);
        Some(out.into())
    }

    /// Queues a notice: whole or not at all.
    fn push_notice(&mut self, link: PeerKey, receiver: &[u8], tail: &[u8], bytes_max: usize) -> bool {
        if !self.peers.get(link).is_some_and(Peer::takes_messages) {
            return false;
        }
        let mut version = [0; 9];
        let version_bytes = frame::write_head(&mut version, true, VERSION.len());
        let mut head = [0; 9];
        let head_bytes = frame::write_head(&mut head, true, receiver.len());
        let parts: [&[u8]; 5] = [
            version.get(..version_bytes).unwrap_or_default(),
            VERSION,
            head.get(..head_bytes).unwrap_or_default(),
            receiver,
            tail,
        ];
        self.peers.queue_parts(link, &parts, bytes_max).is_ok()
    }

    /// Whether all members of a session can be given `bytes` each without running out of memory.
    pub(super) fn has_room_for_all(&self, key: SessionKey, bytes: usize) -> bool {
        let members = self.sessions.get(key).map_or(0, |session| session.members.len());
        // A ring's block is up to twice as large as what it holds.
        bytes.saturating_mul(2).saturating_mul(members) <= self.peers.pool.room(Use::Ring)
    }

    // ---- Farewells ----

    fn take_out_later(&mut self, key: SessionKey, member: &[u8], session: &[u8], note: &str) {
        self.leavers.push_back(Leaver { session: key, member: member.into(), for_certain: true });
        self.say_farewell_later(member, session, note);
    }

    /// Takes out a member that has missed something, and tells it so as soon as it can be told.
    pub(super) fn take_out(&mut self, key: SessionKey, member: &[u8]) {
        let Some(session) = self.sessions.get(key) else { return };
        let sender = session.full_name.clone();
        let note = json!({"session": session.name, "seq": session.seq, "state": session.flow.state.name()}).to_string();
        self.take_out_later(key, member, &sender, &note);
    }

    fn say_farewell_later(&mut self, member: &[u8], session: &[u8], note: &str) {
        if self.farewells.len() >= FAREWELLS_MAX {
            self.farewells.pop_front();
            self.peers.counters.session_farewells_dropped += 1;
        }
        let mut lost: Value = serde_json::from_str(note).unwrap_or_default();
        if let Some(lost) = lost.as_object_mut() {
            lost.insert("event".to_owned(), Value::from(What::Lost.word()));
            lost.insert("by".to_owned(), Value::from(name::shown(member)));
            for key in ["trigger", "kind", "effective_at", "cancelled"] {
                lost.remove(key);
            }
        }
        let note = lost.to_string().into();
        self.farewells.push_back(Farewell { member: member.into(), session: session.into(), note });
    }

    /// Tells those who were taken out of a session that they were, as far as their nodes take messages now. Who has joined
    /// anew, or whose node is gone, needs no word.
    pub(super) fn say_farewells(&mut self) {
        for farewell in core::mem::take(&mut self.farewells) {
            let session = self.session_at(name::FullName::split(&farewell.session).name);
            let back = session.is_some_and(|key| self.is_member(key, &farewell.member));
            let Some(home) = self.names.home_of(&farewell.member).filter(|_| !back) else { continue };
            let told = self.names.link_of(home).is_some_and(|link| {
                let call = format!(r#"{{"jsonrpc":"2.0","method":"session_event","params":{}}}"#, farewell.note);
                let header = new_header(&mut self.peers);
                let tail = tail(&farewell.session, &header, &[call.as_bytes()]);
                self.push_notice(link, &farewell.member, &tail, self.peers.config.ring_bytes_max)
            });
            if !told {
                self.farewells.push_back(farewell);
            }
        }
    }
}

/// What of a notice is the same for all its receivers: sender, header and payload, as frames.
fn tail(sender: &[u8], header: &[u8; HEADER_BYTES], payload: &[&[u8]]) -> Vec<u8> {
    let bytes: usize = payload.iter().map(|part| part.len() + 9).sum();
    let mut out = Vec::with_capacity(sender.len() + HEADER_BYTES + 18 + bytes);
    frame::push_frame(&mut out, true, sender);
    frame::push_frame(&mut out, true, header);
    for (n, part) in payload.iter().enumerate() {
        frame::push_frame(&mut out, n + 1 < payload.len(), part);
    }
    out
}
