//! Shared sessions: what each one is, who has joined it, and how it is called in every protocol.
//!
//! One table holds them all. A session has an integer id and a name; the name is also a LECO name, `NS.session:NAME`, under which
//! Components of any node reach it. Owns the sessions, their names, their making and their end, their members, and the lines of requests
//! that wait for them, by key. What a message does to a session stands in `flow`, what the members hear of it in `notices`, what outlives
//! the process in `durable`. It must not know providers, viewers or protocols: what follows for those is said as an
//! [`Event`], and what it answers is an [`Aftermath`].

mod away;
mod backlog;
mod backup;
mod bulletin;
mod change;
mod copies;
mod dialect;
mod durable;
mod ear;
mod entry;
mod flow;
mod guest;
mod guests;
mod heading;
mod hearers;
mod history;
mod joiners;
mod joining;
mod judging;
mod line;
mod members;
mod methods;
mod notices;
mod of_provider;
mod permitted;
mod record;
mod roster;
mod said;
mod session;
#[cfg(test)]
mod tests;
mod voice;

use std::collections::{BTreeMap, VecDeque};

pub(super) use ear::Ear;
pub(super) use entry::{Author, Wish, is_system};
pub(super) use guest::{Arrival, GuestId};
pub(super) use said::{Aftermath, Asker, Reading, Said, Settled, Tracked, tracking_id};
pub(super) use session::Session;
pub(super) use voice::stamp;

use serde_json::json;

use crate::c2sim::code::Code;
use crate::c2sim::schema::Schemas;
use crate::c2sim::state::{InitMerge, Options, State};
use crate::config::Predefined;
use crate::leco::name;
use crate::leco::route::session_name;
use crate::limits::{MEMBER_BYTES, SESSIONS_MAX};
use crate::store::order;
use crate::store::sorted::Sorted;
use crate::store::table::Table;
use crate::store::timers::Timers;
use crate::time::Tick;

use super::call::Refused;
use super::events::Event;
use super::keys::{NodeKey, OfSessions, PeerKey, RequestKey, SessionKey};
use super::ledger::{Ledger, Ticket};
use super::names::Names;
use super::peers::{Deed, For, Peers, Topic};
use super::tally::DocumentTally;

use backlog::Backlog;
use change::Purpose;
use entry::{SessionInfo, refused};
use history::{Draft, What};
use joiners::Joiners;
use session::{Leaver, LostNotice};

/// The session that is always there.
pub(in crate::hub) const DEFAULT: &str = "default";

/// All sessions. See the module's documentation.
#[derive(Debug)]
pub(super) struct Sessions {
    table: Table<Session, OfSessions>,
    /// By LECO name without namespace.
    by_name: Sorted<Box<[u8]>, SessionKey>,
    /// When the scheduled trigger of each is due.
    timers: Timers<1>,
    next_id: i64,
    /// The sessions of each member, by its full name.
    memberships: BTreeMap<Box<[u8]>, Vec<SessionKey>>,
    /// The namespace, with its dot, of each node that a member has been at.
    abroad: Sorted<NodeKey, Box<[u8]>>,
    /// Members whose components have left, and whose sessions do not know yet.
    leavers: VecDeque<Leaver>,
    /// Members that may be back.
    returners: VecDeque<(SessionKey, Box<[u8]>)>,
    /// Those that could not be told so, and when they are looked at again.
    unwelcomed: Vec<(Tick, SessionKey, Box<[u8]>)>,
    again_at: Option<Tick>,
    /// When the first absent member of each session has been away for too long.
    patience: Timers<1>,
    lost_notices: VecDeque<LostNotice>,
    /// Which guests of which sessions are told on a stream.
    streams: BTreeMap<(PeerKey, SessionKey), GuestId>,
    /// How many guests there have been.
    guests_made: u64,
    /// Notices that wait for room.
    backlog: Backlog,
    /// Bytes that all sessions keep: initializations, histories, waiting requests.
    bytes: usize,
    /// What the content of documents must be, for each schema that is loaded.
    schemas: Schemas,
    ledger: Option<Box<dyn Ledger>>,
    tickets: Sorted<Ticket, Purpose>,
    /// The last write to the ledger has failed.
    cannot_keep: bool,
    /// Sessions whose line of requests goes on.
    lines: VecDeque<SessionKey>,
    /// Sessions for which something is done in slices.
    sliced: VecDeque<SessionKey>,
    /// Sessions whose members are not as the ledger has them.
    rosters: Sorted<SessionKey, ()>,
    joiners: Joiners,
    documents: DocumentTally,
}

/// A session was made, or could not be kept for this reason.
fn audit_made(peers: &mut Peers, session: &str, refused: Option<&str>) {
    peers.audit(&Deed { action: "CREATE_SESSION", category: "session", refused, session, ..Deed::default() });
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(SESSIONS_MAX),
            by_name: Sorted::new(),
            timers: Timers::default(),
            next_id: 1,
            memberships: BTreeMap::new(),
            abroad: Sorted::new(),
            leavers: VecDeque::new(),
            returners: VecDeque::new(),
            unwelcomed: Vec::new(),
            again_at: None,
            patience: Timers::default(),
            lost_notices: VecDeque::new(),
            streams: BTreeMap::new(),
            guests_made: 0,
            backlog: Backlog::default(),
            bytes: 0,
            schemas: Schemas::default(),
            ledger: None,
            tickets: Sorted::new(),
            cannot_keep: false,
            lines: VecDeque::new(),
            sliced: VecDeque::new(),
            rosters: Sorted::new(),
            joiners: Joiners::default(),
            documents: DocumentTally::default(),
        }
    }

    /// Has documents of the sessions with this schema checked.
    pub(super) fn load_schema(&mut self, xsd: &str) -> Result<(), String> {
        let (schema, rules) = self.schemas.load(xsd)?;
        let (elements, types) = rules.size();
        log::info!("C2SIM {} is checked: {elements} elements, {types} types", schema.name());
        Ok(())
    }

    /// The documents that were handed in, as they are counted.
    pub(super) const fn documents(&self) -> &DocumentTally {
        &self.documents
    }

    pub(super) fn soonest(&self) -> Option<Tick> {
        [self.timers.soonest(), self.patience.soonest(), self.again_at].into_iter().flatten().min()
    }

    /// The next session whose scheduled trigger may be due.
    pub(super) fn next_due(&mut self, now: Tick) -> Option<SessionKey> {
        while let Some((slot, _)) = self.timers.pop_due(now) {
            if let Some(key) = self.table.key_at(slot) {
                return Some(key);
            }
        }
        None
    }

    // ---- Finding ----

    pub(super) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.table.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionKey, &Session)> {
        self.table.iter()
    }

    #[cfg(feature = "daemon")]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Members of all sessions.
    pub(super) fn members_of_all(&self) -> usize {
        self.table.iter().map(|(_, session)| session.members_count()).sum()
    }

    /// How many events the member has not followed that is furthest behind; nobody, who has never said what it follows.
    pub(super) fn lag(&self) -> usize {
        let lags = self.table.iter().flat_map(|(_, session)| {
            let of = |member: &session::Member| session.seq.saturating_sub(member.acked);
            session.members.values().map(Box::as_ref).filter(|member| member.acked > 0).map(of)
        });
        usize::try_from(lags.max().unwrap_or(0)).unwrap_or(usize::MAX)
    }

    /// Whether what is to outlive the process could not be written the last time.
    pub(super) const fn cannot_keep(&self) -> bool {
        self.cannot_keep
    }

    /// The id that the next session gets: those below it have been given.
    pub(super) const fn next_id(&self) -> i64 {
        self.next_id
    }

    /// The session with this LECO name, given without namespace.
    pub(super) fn at(&self, local_name: &[u8]) -> Option<SessionKey> {
        self.by_name.get(local_name).copied()
    }

    /// The session of this name.
    pub(super) fn named(&self, text: &str) -> Option<SessionKey> {
        self.at(&session_name(text))
    }

    /// The session of this id.
    pub(super) fn of_id(&self, id: i64) -> Option<SessionKey> {
        self.table.iter().find(|(_, session)| session.id == id).map(|(key, _)| key)
    }

    /// Every session, by id.
    pub(super) fn by_id(&self) -> impl Iterator<Item = (SessionKey, &Session)> {
        let mut all: Vec<_> = self.table.iter().collect();
        order::sort_by_key(&mut all, |(_, session)| session.id);
        all.into_iter()
    }

    /// The refusal for a session that there is not.
    pub(super) fn no_such(&self) -> Refused {
        let names: Vec<&str> = self.table.iter().map(|(_, session)| session.name.as_str()).collect();
        refused(Code::SharedSessionNotFound, "ACTIVE_SESSIONS", names.join(";"))
    }

    // ---- Making and ending ----

    /// Enters a session under the next id; its name must be free and legal.
    fn add(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        name: &str,
        info: SessionInfo,
        state: State,
    ) -> Option<SessionKey> {
        let key = self.add_as(peers, names, (self.next_id, name), info, state)?;
        self.next_id += 1;
        Some(key)
    }

    /// The same under an id that is free.
    fn add_as(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        (id, name): (i64, &str),
        info: SessionInfo,
        state: State,
    ) -> Option<SessionKey> {
        let local = session_name(name);
        debug_assert!(!self.by_name.contains_key(&*local), "the caller has looked the name up");
        let session = Session::new(id, name, names.named_here(&local).into(), info, state);
        let key = self.table.insert(session).ok()?;
        self.by_name.insert(local.into(), key);
        let time = peers.unix_ms();
        let made = json!({"session": name, "change": "created", "state": state.name(), "time": time});
        peers.news.add(Topic::Sessions, &made);
        peers.counters.sessions_made += 1;
        Some(key)
    }

    /// Sessions that are there from the start: `default`, those of the configuration, and that of GMU's clients, `gmu`. Their initialization
    /// comes in parts, so unless the configuration describes that session it puts them together.
    pub(super) fn add_predefined(&mut self, peers: &mut Peers, names: &Names, predefined: &[Predefined], gmu: &str) {
        let created_ms = peers.unix_ms();
        let info = |one| SessionInfo::described(one, created_ms);
        let chosen = predefined.iter().find(|one| one.name == DEFAULT);
        let first = chosen.map_or_else(|| SessionInfo { created_ms, ..SessionInfo::of_default() }, info);
        self.add(peers, names, DEFAULT, first, State::Uninitialized);
        for one in predefined {
            let key = match self.named(&one.name) {
                Some(key) => Some(key),
                None => self.add(peers, names, &one.name, info(one), State::Uninitialized),
            };
            if let Some(session) = key.and_then(|key| self.table.get_mut(key)) {
                session.configured = Some(session.info.text_of_all().into());
            }
        }
        if predefined.iter().all(|one| one.name != gmu) {
            let options = Options { init_merge: InitMerge::Marshal, ..Options::default() };
            match self.named(gmu).and_then(|key| self.table.get_mut(key)) {
                Some(session) => session.info.options = options,
                None => {
                    let info = SessionInfo { options, created_ms, ..SessionInfo::default() };
                    self.add(peers, names, gmu, info, State::Uninitialized);
                }
            }
        }
    }

    /// Makes a session that the configuration describes from now on; `false` where there are too many.
    pub(super) fn add_described(&mut self, peers: &mut Peers, names: &Names, one: &Predefined) -> bool {
        let info = SessionInfo::described(one, peers.unix_ms());
        let Some(key) = self.add(peers, names, &one.name, info, State::Uninitialized) else { return false };
        if let Some(session) = self.table.get_mut(key) {
            session.configured = Some(session.info.text_of_all().into());
        }
        self.keep_new(peers, key);
        audit_made(peers, &one.name, None);
        true
    }

    /// Takes a session out of the table: members hear that they are lost. Answers the requests that have waited for it; they go on, and
    /// find no session.
    #[must_use]
    pub(super) fn end(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, why: &str) -> Vec<RequestKey> {
        let Some(session) = self.table.get(key) else { return Vec::new() };
        debug_assert!(session.sliced.is_none(), "a session does not end while something is done in slices for it");
        let by: Box<str> = name::shown(&session.full_name).into();
        if !session.members.is_empty() {
            self.announce(peers, names, key, Draft::new(What::Ended, by), None);
        }
        self.end_streams(peers, key);
        self.timers.cancel_all(key.slot());
        self.patience.cancel_all(key.slot());
        self.joiners.settle(peers, key, false, |_| true);
        let Some(mut session) = self.table.remove(key) else { return Vec::new() };
        self.by_name.remove(session.local_name());
        log::info!("session {} ({}) ended: {why}", session.id, session.name);
        peers.news.add(Topic::Sessions, &json!({"session": session.name, "change": "deleted", "reason": why}));
        let session_name = session.name.as_str();
        peers.audit(&Deed {
            action: "END_SESSION",
            category: "session",
            session: session_name,
            target: why,
            ..Deed::default()
        });
        let members = core::mem::take(&mut session.members);
        self.account(peers, members.len() * MEMBER_BYTES, 0);
        for member in members.into_keys() {
            self.forget_membership(&member, key);
        }
        peers.events.push_back(Event::SessionEnded { session: key, was: session.state() });
        peers.wake(For::Session(key));
        let bytes = session.bytes();
        self.account(peers, bytes, 0);
        session.queue.into_iter().map(|(waiting, _)| waiting).collect()
    }

    // ---- Memory ----

    /// What a session keeps has changed from `before` to `after` bytes.
    fn account(&mut self, peers: &mut Peers, before: usize, after: usize) {
        self.bytes = (self.bytes + after).saturating_sub(before);
        // Whoever lets a session grow has looked for room; what was not looked at is small.
        peers.pool.charge_small(after.saturating_sub(before));
        peers.pool.refund(before.saturating_sub(after));
    }

    /// Bytes that all sessions keep.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes + self.backlog.bytes()
    }

    // ---- Audit ----

    /// What must be true of the sessions between any two calls.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut bytes = self.joiners.bytes();
        for (key, session) in self.table.iter() {
            let id = session.id;
            if self.at(session.local_name()) != Some(key) {
                return Err(format!("session {id} is not found by its name"));
            }
            for name in session.members.keys() {
                if !self.memberships.get(name).is_some_and(|sessions| sessions.contains(&key)) {
                    return Err(format!("session {id} has a member that is not noted as one"));
                }
            }
            let is_written = |purpose| self.tickets.values().any(|other| *other == purpose);
            if session.pending.is_some() != is_written(Purpose::Change(key)) {
                return Err(format!("session {id} waits for a commit that nobody makes, or does not wait"));
            }
            if session.durable.as_ref().is_some_and(change::Durable::is_writing) != is_written(Purpose::Background(key))
            {
                return Err(format!("session {id} is written by nobody, or without its knowledge"));
            }
            if session.roster.writing.is_empty() == is_written(Purpose::Members(key)) {
                return Err(format!("members of session {id} are written by nobody, or without its knowledge"));
            }
            if session.sliced.is_some() && !session.is_writing() && !self.sliced.contains(&key) {
                return Err(format!("session {id} has work that nobody goes on with"));
            }
            if !session.is_held() && !session.queue.is_empty() && !self.lines.contains(&key) {
                return Err(format!("session {id} has requests that nobody will deal with"));
            }
            if !session.owed.is_empty() {
                return Err(format!("an event of session {id} has not been told"));
            }
            for (id, _, stream) in session.guests.told() {
                if self.streams.get(&(stream, key)) != Some(id) {
                    return Err(format!("a guest of session {} is told on a stream that is nobody's", session.id));
                }
            }
            bytes += session.bytes();
        }
        if bytes != self.bytes {
            return Err(format!("sessions keep {bytes} bytes, noted are {}", self.bytes));
        }
        let members: usize = self.table.iter().map(|(_, session)| session.members.len()).sum();
        let memberships: usize = self.memberships.values().map(Vec::len).sum();
        if members != memberships || self.by_name.len() != self.table.len() {
            return Err(format!("sessions have {members} members, noted are {memberships}"));
        }
        Ok(())
    }
}
