//! One session: its entry in the table, its members, and how it shows itself.
//!
//! Knows nothing of the others, nor of how it is told or made durable.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::c2sim::kind::Kind;
use crate::c2sim::message::Census;
use crate::c2sim::notice::IsoDateTime;
use crate::c2sim::state::{self, Options, State, Trigger, Verdict};
use crate::counters::count;
use crate::hub::face::Face;
use crate::hub::keys::{RequestKey, SessionKey};
use crate::hub::names::Home;
use crate::hub::peers::Share;
use crate::leco::json::Json;
use crate::leco::name;
use crate::limits::MEMBER_BYTES;
use crate::time::Tick;

use super::change::{Durable, Pending, Roster, Sliced, Work};
use super::entry::{Flow, SessionInfo};
use super::guest::Guests;
use super::heading::FIRST_VERSION;
use super::history::{Draft, History, What};
use super::voice::Voice;

/// A session. Opaque outside the hub.
#[derive(Debug)]
pub(in crate::hub) struct Session {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) name: String,
    /// `NS.session:NAME`: the sender of all that it says.
    pub(super) full_name: Box<[u8]>,
    pub(super) info: SessionInfo,
    /// How the configuration describes it, if it does.
    pub(super) configured: Option<Box<str>>,
    /// The other machine that had it made, since the start of the process.
    pub(super) asked_by: Option<Share>,
    pub(in crate::hub) flow: Flow,
    /// The number of its last event; each event has one more.
    pub(in crate::hub) seq: u64,
    /// The number of the last event that changed its state.
    pub(super) state_seq: u64,
    /// The ProtocolVersion of the last document that it has taken.
    pub(super) version: Box<str>,
    /// The number of the event by which its initialization was shared last.
    pub(super) shared_seq: u64,
    /// By full name.
    pub(super) members: BTreeMap<Box<[u8]>, Box<Member>>,
    pub(super) guests: Guests,
    pub(super) history: History,
    /// The source of the provider that it was made for, if it was.
    pub(super) made_for: Option<Box<str>>,
    /// It has come back from the ledger without that provider.
    pub(super) is_orphan: bool,
    /// It is to end as soon as nothing is being written of it: its provider was closed.
    pub(super) must_end: bool,
    /// What the ledger knows of it; `None` where there is no ledger.
    pub(super) durable: Option<Durable>,
    /// The change that is being made durable. Nothing else happens in the session meanwhile.
    pub(super) pending: Option<Box<Pending>>,
    /// What is being done in slices: a document judged, or the initialization shared. Nothing else is done for anybody in the session meanwhile.
    pub(super) sliced: Option<Box<Sliced>>,
    /// Requests that wait for it, in order.
    pub(super) queue: VecDeque<(RequestKey, usize)>,
    pub(super) queue_bytes: usize,
    /// Whether controllers whose next request waits for it come before the line.
    pub(super) controllers_first: bool,
    /// What the ledger does not know of its members.
    pub(super) roster: Roster,
    /// Events that come right behind the answer to whoever caused them; before any other event at the latest.
    pub(super) owed: Vec<Draft>,
}

impl Session {
    pub(super) fn new(id: i64, name: &str, full_name: Box<[u8]>, info: SessionInfo, state: State) -> Self {
        Self {
            id,
            name: name.to_owned(),
            full_name,
            info,
            configured: None,
            asked_by: None,
            flow: Flow::new(state),
            seq: 0,
            state_seq: 0,
            version: FIRST_VERSION.into(),
            shared_seq: 0,
            members: BTreeMap::new(),
            guests: Guests::default(),
            history: History::default(),
            made_for: None,
            is_orphan: false,
            must_end: false,
            durable: None,
            pending: None,
            sliced: None,
            queue: VecDeque::new(),
            queue_bytes: 0,
            controllers_first: false,
            roster: Roster::default(),
            owed: Vec::new(),
        }
    }

    pub(in crate::hub) fn state(&self) -> State {
        self.flow.state
    }

    /// Whether a request must wait: for what is being done in slices, for a change that is being made durable, or a new one (`fresh`)
    /// behind those that wait already.
    pub(in crate::hub) fn is_busy(&self, fresh: bool) -> bool {
        self.sliced.is_some() || self.pending.is_some() || (fresh && !self.queue.is_empty())
    }

    /// Whether its line does not go on: it is being written, or something is being done in slices.
    pub(super) fn is_held(&self) -> bool {
        self.sliced.is_some() || self.is_writing()
    }

    /// Whether its initialization is being shared.
    pub(super) fn is_sharing(&self) -> bool {
        self.sliced.as_ref().is_some_and(|sliced| matches!(sliced.work, Work::Sharing(_)))
    }

    /// Whether anything of it is being written, so that no change can be.
    pub(super) fn is_writing(&self) -> bool {
        self.pending.is_some() || self.durable.as_ref().is_some_and(Durable::is_writing)
    }

    /// The LECO name without namespace.
    pub(super) fn local_name(&self) -> &[u8] {
        name::FullName::split(&self.full_name).name
    }

    /// Bytes that it keeps beyond its entry: members, initialization, the one to come, what is done in slices, history,
    /// waiting requests.
    pub(in crate::hub) fn bytes(&self) -> usize {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.charged);
        let sliced = self.sliced.as_ref().map_or(0, |sliced| sliced.charged);
        let members = self.members.len() * MEMBER_BYTES + self.guests.bytes();
        sliced + members + self.flow.initialization.bytes() + pending + self.history.bytes() + self.queue_bytes
    }

    /// How `info` shows it, but for its provider and viewers.
    pub(in crate::hub) fn json(&self) -> Value {
        let mut json = Json::default();
        self.write(&mut json, None);
        json.into_value()
    }

    /// Writes how `info` shows it, with the ids of its provider and viewers where they are given.
    pub(in crate::hub) fn write(&self, json: &mut Json, shows: Option<(i64, &[i64])>) {
        let (flow, info) = (&self.flow, &self.info);
        let mut permitted: Vec<&str> = state::permitted(flow.state, info.options, flow.facts()).names().collect();
        permitted.extend(self.undoing().filter(|name| !permitted.contains(name)).collect::<Vec<_>>());
        let away = self.members.values().filter(|member| member.home.is_none()).count();
        json.object(|json| {
            json.key("away").number(count(away));
            json.key("createdAt").text(&IsoDateTime(info.created_ms / 1000).to_string());
            json.key("id").raw(&self.id.to_string());
            json.key("info").object(|json| {
                json.key("c2simSchemaVersion").text(info.schema.name());
                json.key("description").text(&info.text);
                json.key("displayName").text(&info.title);
            });
            json.key("kept").truth(self.durable.is_some());
            json.key("members").number(count(self.members_count()));
            json.key("options").object(|json| {
                for key in Options::KEYS {
                    json.key(key).text(info.options.word(key));
                }
            });
            json.key("permitted").array(|json| permitted.iter().for_each(|name| json.text(name)));
            if let Some((provider, _)) = shows {
                json.key("provider").raw(&provider.to_string());
            }
            json.key("realtimeMultiple").value(&Value::from(flow.multiple));
            match &flow.scheduled {
                Some(next) => json.key("scheduled").object(|json| {
                    json.key("at").number(next.at_ms);
                    json.key("by").text(&next.author.by);
                    json.key("trigger").text(next.trigger.kind().name());
                }),
                None => json.key("scheduled").raw("null"),
            }
            json.key("seq").number(self.seq);
            json.key("sessionName").text(&self.name);
            json.key("state").text(flow.state.name());
            if let Some((_, viewers)) = shows {
                json.key("viewer").array(|json| viewers.iter().for_each(|id| json.raw(&id.to_string())));
            }
        });
    }

    /// How much its initialization defines.
    pub(in crate::hub) fn census(&self) -> Census {
        self.flow.initialization.census()
    }

    /// Whether any initialization is stored or shared.
    pub(in crate::hub) fn has_initialization(&self) -> bool {
        self.flow.facts().stored
    }

    /// How many have joined it.
    pub(in crate::hub) fn members_count(&self) -> usize {
        self.members.len() + self.guests.members()
    }

    /// What it shows of itself to those who know no more of sessions than the C2SIM interface says.
    pub(in crate::hub) fn face(&self) -> Face<'_> {
        let info = &self.info;
        Face {
            name: &self.name,
            created_ms: info.created_ms,
            schema: info.schema,
            title: &info.title,
            text: &info.text,
            state: self.flow.state,
        }
    }

    /// Triggers that would undo the scheduled one: they are refused by the state as it is, and lead back to it from the one to come.
    fn undoing(&self) -> impl Iterator<Item = &'static str> {
        let (flow, options) = (&self.flow, self.info.options);
        let (now, facts) = (flow.state, flow.facts());
        let to =
            flow.scheduled.as_ref().and_then(|next| match state::admit(now, options, facts, next.trigger.kind()) {
                Verdict::Transition { to } => Some(to),
                Verdict::Stay { .. } | Verdict::Refuse { .. } => None,
            });
        let leads_back = move |kind: Kind| {
            to.is_some_and(|to| state::admit(to, options, facts, kind) == (Verdict::Transition { to: now }))
        };
        Trigger::ALL.into_iter().map(Trigger::kind).filter(move |kind| leads_back(*kind)).map(Kind::name)
    }

    /// What somebody is told that is not its member any more.
    pub(super) fn lost_note(&self, member: &[u8]) -> String {
        json!({"session": self.name, "seq": self.seq, "state": self.flow.state.name(), "event": What::Lost.word(),
               "by": name::shown(member)})
        .to_string()
    }

    /// Its members, as JSON: who has followed it, and who is away.
    pub(super) fn members_text(&self, now: Tick) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.key("members").array(|json| {
                for (name, member) in &self.members {
                    json.object(|json| {
                        json.key("acked").number(member.acked);
                        if member.home.is_none() {
                            json.key("away_s").number(now.since(member.since).0 / 1000);
                        }
                        json.key("format").text(member.voice.word());
                        json.key("joined").number(member.joined);
                        json.key("name").text(&name::shown(name));
                        json.key("system").text(&member.system);
                    });
                }
                self.guests.write(json);
            });
            json.key("seq").number(self.seq);
            json.key("state_seq").number(self.state_seq);
        });
        json.into_text()
    }
}

/// A component that has joined.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) system: Box<str>,
    pub(super) voice: Voice,
    /// Where it is; `None` while it is away.
    pub(super) home: Option<Home>,
    /// The number of the event by which it joined.
    pub(super) joined: u64,
    /// The last event that it says it has followed.
    pub(super) acked: u64,
    /// Since when it is there, or away.
    pub(super) since: Tick,
    /// The number of the event by which it came, this time.
    pub(super) came: u64,
    /// How many events of any session there had been when it was away last: what it asked before, its former self did.
    pub(super) left_behind: u64,
    /// The last event that it has heard for certain: what lies behind is told when it comes back.
    pub(super) sure: u64,
    /// It may have heard less than that: of documents none is told twice.
    pub(super) may_lack: bool,
    /// The first event that it could not be given.
    pub(super) missed: Option<u64>,
    /// It is about to be away.
    pub(super) leaves: bool,
    /// How often in a row it could not be told that it is back.
    pub(super) tries: u8,
    /// Its node has told us of it; from then on its absence there means that it has left.
    pub(super) listed: bool,
    /// It has asked to join since it came, this time: once is enough.
    pub(super) has_joined: bool,
}

impl Member {
    /// One that has joined by the event `joined`, has followed `acked`, and is not there now.
    pub(super) const fn away(system: Box<str>, voice: Voice, joined: u64, acked: u64, since: Tick) -> Self {
        Self {
            system,
            voice,
            home: None,
            joined,
            acked,
            since,
            came: joined,
            left_behind: 0,
            sure: if acked > joined { acked } else { joined },
            may_lack: false,
            missed: None,
            leaves: false,
            tries: 0,
            listed: false,
            has_joined: false,
        }
    }
}

/// A member whose component has left.
#[derive(Debug)]
pub(super) struct Leaver {
    pub(super) session: SessionKey,
    pub(super) member: Box<[u8]>,
    /// Where it was: it may be there again, or elsewhere, by the time that this is dealt with.
    pub(super) home: Home,
    /// By its own will: it is no member any more.
    pub(super) for_good: bool,
}

/// A component that was taken out of its session and does not know it yet.
#[derive(Debug)]
pub(super) struct LostNotice {
    pub(super) member: Box<[u8]>,
    pub(super) session: Box<[u8]>,
    pub(super) note: Box<str>,
}
