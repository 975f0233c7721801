//! What outlives the process: sessions in a ledger, and changes that wait until they are durable.
//!
//! A change of a session is made on a copy, written, and only then becomes the session's and is told to anybody. Meanwhile requests to
//! that session wait in its queue, and everything else goes on. Nothing is written per message: numbers of events are
//! reserved in blocks, so that none is given twice even after a crash. Without a ledger the same path is taken in one step.
//!
//! The ledger holds text: `session/NAME` is a JSON object, `document/NAME/N` a stored initialization document (the object says which, and in
//! which order), `shared/NAME` the one that was shared. A name has no `/` in it. The object has the version of all that belongs to its
//! session; those of before versions were written have none, and are read as they were.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::c2sim::code::Code;
use crate::c2sim::initialization::Initialization;
use crate::c2sim::is_session_name;
use crate::c2sim::kind::Schema;
use crate::c2sim::scan;
use crate::c2sim::state::{Options, State, Trigger};
use crate::limits::{MEMBERS_MAX, SEQ_BLOCK};
use crate::time::{Span, Tick};

use super::Hub;
use super::call::{Answer, ReplyTo, Said};
use super::events::Event;
use super::flow::Plan;
use super::keys::{PeerKey, ProviderKey, SessionKey};
use super::ledger::{Change as Entry, Ledger, Ticket};
use super::peers::For;
use super::session::{About, Author, Flow, Scheduled, Session, creation, refused};

/// How sessions are written today. What a program of this version could not read, or would read wrongly, takes the next number.
const VERSION: u64 = 1;

/// Numbers that must be left before an event that could wait happens: members may be lost, each an event that cannot.
const NUMBERS_LEFT: u64 = 2 * MEMBERS_MAX as u64;

/// How long a background write that failed is not tried again.
const RETRY: Span = Span(10_000);

/// What the ledger knows of a session.
#[derive(Debug, Default)]
pub(super) struct Kept {
    known: Written,
    /// What is being written while the session goes on. Until it is known how that ends, no other change is written.
    background: Option<Written>,
    /// A write has failed, and who knows how far it came: the next one writes everything.
    doubt: Option<Doubt>,
}

/// What a write brings.
#[derive(Clone, Debug, Default)]
struct Written {
    /// Events up to this number may happen without a word to the ledger.
    reserved: u64,
    /// The numbers under which the stored documents of the session's initialization are kept, in their order.
    papers: Vec<u64>,
    next_paper: u64,
}

/// What a write that failed leaves behind.
#[derive(Debug)]
struct Doubt {
    /// Documents that may be in the ledger, and belong to nothing.
    strays: Vec<u64>,
    retry_at: Tick,
}

impl Kept {
    pub(super) const fn is_writing(&self) -> bool {
        self.background.is_some()
    }

    fn succeed(&mut self, written: Written) {
        let reserved = self.known.reserved.max(written.reserved);
        self.known = Written { reserved, ..written };
        self.doubt = None;
    }

    fn fail(&mut self, written: Written, retry_at: Tick) {
        let mut strays = self.doubt.take().map_or_else(Vec::new, |doubt| doubt.strays);
        strays.extend(written.papers.into_iter().filter(|n| !self.known.papers.contains(n)));
        strays.sort_unstable();
        strays.dedup();
        self.known.next_paper = self.known.next_paper.max(written.next_paper);
        self.doubt = Some(Doubt { strays, retry_at });
    }

    /// The numbers of all documents that may be in the ledger.
    fn papers(&self) -> impl Iterator<Item = u64> {
        let strays = self.doubt.iter().flat_map(|doubt| &doubt.strays);
        self.known.papers.iter().chain(strays).copied()
    }
}

/// A change that is being made durable.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) change: Change,
    /// Who waits for it.
    pub(super) reply_to: ReplyTo,
    /// Bytes that it and who waits for it hold, and that are counted as the session's.
    pub(super) charged: usize,
    written: Written,
}

/// A change of a session.
#[derive(Debug)]
pub(super) enum Change {
    /// It was made just now, and may have this provider.
    Made(Option<ProviderKey>),
    /// Other words or options were chosen for it, or a provider.
    About(Box<About>, Option<ProviderKey>),
    /// Flow control has changed it, or wants numbers for its events.
    Flow(Box<Plan>),
    /// It is to end.
    Gone,
}

/// What a ticket was drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The session's pending change.
    Change(SessionKey),
    /// What is written of the session in the background.
    Background(SessionKey),
    /// Nobody asks how it ends.
    Other,
}

impl Hub {
    /// Gives the hub a ledger and takes from it the sessions that it holds. To be called once, before anything else happens.
    ///
    /// # Errors
    /// The ledger cannot be read, or holds what no hub has written; says what.
    pub fn set_ledger(&mut self, mut ledger: Box<dyn Ledger>) -> Result<(), String> {
        let entries = ledger.load()?;
        self.restore(entries)?;
        self.ledger = Some(ledger);
        for slot in 0..self.sessions.slots_end() {
            let Some(key) = self.sessions.key_at(slot) else { continue };
            if let Some(session) = self.sessions.get_mut(key) {
                session.kept.get_or_insert_default();
            }
            self.keep_in_background(key);
            self.set_schedule(key);
        }
        Ok(())
    }

    /// A change that was handed to the ledger is durable, or could not be made so.
    pub(super) fn committed(&mut self, ticket: Ticket, outcome: Result<(), String>) {
        let purpose = self.tickets.remove(&ticket).unwrap_or(Purpose::Other);
        if let Err(reason) = &outcome {
            self.peers.counters.commits_failed += 1;
            self.peers.note_error(&format!("a session could not be kept: {reason}"));
        }
        match purpose {
            Purpose::Other => {}
            Purpose::Background(key) => {
                let retry_at = self.peers.now + RETRY;
                if let Some(kept) = self.sessions.get_mut(key).and_then(|session| session.kept.as_mut())
                    && let Some(written) = kept.background.take()
                {
                    match outcome {
                        Ok(()) => kept.succeed(written),
                        Err(_) => kept.fail(written, retry_at),
                    }
                }
                self.set_schedule(key);
                self.serve_queue(key);
            }
            Purpose::Change(key) => self.settle(key, outcome),
        }
    }

    /// The links of those who wait for a change to become durable.
    pub(super) fn who_waits(&self) -> Vec<PeerKey> {
        let mut links = Vec::new();
        for (_, session) in self.sessions.iter() {
            match session.pending.as_ref().map(|pending| pending.reply_to) {
                Some(ReplyTo::Request(waiting)) => links.extend(self.front.get(waiting).map(|request| request.link)),
                Some(ReplyTo::Control { peer, .. }) => links.push(peer),
                Some(ReplyTo::Nobody) | None => {}
            }
        }
        links
    }

    /// Makes a change of a session: at once, or once it is durable. `Busy` when something else is just being written of it.
    pub(super) fn change(&mut self, key: SessionKey, change: Change) -> Said {
        let Some(session) = self.sessions.get(key) else { return Said::Now(Err(self.no_such_session())) };
        let Some(kept) = session.kept.as_ref().filter(|_| self.ledger.is_some()) else {
            let answer = self.carry_out(key, change);
            return Said::Now(answer);
        };
        if session.is_writing() {
            return Said::Busy(key);
        }
        let reserved = session.seq.max(kept.known.reserved.saturating_sub(SEQ_BLOCK)) + SEQ_BLOCK;
        let (about, flow) = match &change {
            Change::About(about, _) => (&**about, &session.flow),
            Change::Flow(plan) => (&session.about, plan.flow.as_deref().unwrap_or(&session.flow)),
            Change::Made(_) | Change::Gone => (&session.about, &session.flow),
        };
        let (entries, written) = match change {
            Change::Gone => (gone(session), Written::default()),
            Change::Made(_) | Change::About(..) | Change::Flow(_) => entries(session, kept, about, flow, reserved),
        };
        let charged = flow.initialization.bytes().saturating_sub(session.flow.initialization.bytes());
        let pending = Pending { change, reply_to: ReplyTo::Nobody, charged, written };
        if let Some(session) = self.sessions.get_mut(key) {
            session.pending = Some(Box::new(pending));
        }
        self.account_session(0, charged);
        self.commit(entries, Purpose::Change(key));
        Said::Later(key)
    }

    fn commit(&mut self, entries: Vec<Entry>, purpose: Purpose) {
        let Some(ledger) = &mut self.ledger else { return };
        let ticket = self.peers.last_ticket.draw();
        self.tickets.insert(ticket, purpose);
        self.peers.counters.commits += 1;
        ledger.commit(ticket, entries);
    }

    /// The pending change of a session is durable, or is not to be.
    fn settle(&mut self, key: SessionKey, outcome: Result<(), String>) {
        let Some(pending) = self.sessions.get_mut(key).and_then(|session| session.pending.take()) else { return };
        let Pending { change, reply_to, charged, written } = *pending;
        self.account_session(charged, 0);
        let retry_at = self.peers.now + RETRY;
        let kept = self.sessions.get_mut(key).and_then(|session| session.kept.as_mut());
        let answer = match outcome {
            Ok(()) => {
                if let Some(kept) = kept {
                    kept.succeed(written);
                }
                self.carry_out(key, change)
            }
            Err(reason) => {
                if let Some(kept) = kept {
                    kept.fail(written, retry_at);
                }
                if matches!(change, Change::Made(_)) {
                    self.end_session(key, "it could not be kept");
                }
                Err(refused(Code::IoError, "REASON", reason))
            }
        };
        self.drain_events();
        match reply_to {
            ReplyTo::Nobody => {}
            ReplyTo::Request(waiting) => self.go_on(waiting, answer),
            ReplyTo::Control { peer, envelope } => {
                self.answer_control(peer, envelope, key, answer);
                self.peers.resume(peer);
            }
        }
        self.announce_afterwards(Some(key));
        self.set_schedule(key);
        self.serve_queue(key);
    }

    /// Lets those go on who wait for a session that is not being written any more: the line of requests and the controllers in turns.
    pub(super) fn serve_queue(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.is_writing() {
            return;
        }
        let is_line = !session.queue.is_empty();
        let go_on = !is_line || session.controllers_first;
        session.controllers_first = !(go_on && self.peers.waits.has(For::Session(key)));
        if go_on {
            self.peers.wake(For::Session(key));
        }
        if is_line {
            self.line_goes_on(key);
        }
    }

    fn carry_out(&mut self, key: SessionKey, change: Change) -> Answer {
        match change {
            Change::Made(provider) => {
                self.choose_provider(key, provider);
                creation(true, self.session_info(key))
            }
            Change::About(about, provider) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.about = *about;
                }
                self.choose_provider(key, provider);
                creation(false, self.session_info(key))
            }
            Change::Flow(plan) => self.carry_out_plan(key, *plan),
            Change::Gone => {
                self.end_session(key, "it was deleted");
                Ok(Value::Null)
            }
        }
    }

    /// Says that a session is to have this provider, and lets that follow before anything is shown of it.
    fn choose_provider(&mut self, session: SessionKey, provider: Option<ProviderKey>) {
        if let Some(provider) = provider {
            self.peers.events.push_back(Event::ProviderChosen { session, provider });
            self.drain_events();
        }
    }

    // ---- Numbers ----

    /// Whether an event that can wait may have the next number.
    pub(super) fn has_numbers(&self, key: SessionKey) -> bool {
        let Some(session) = self.sessions.get(key) else { return true };
        let Some(kept) = session.kept.as_ref().filter(|_| self.ledger.is_some()) else { return true };
        session.seq + NUMBERS_LEFT < kept.known.reserved
    }

    /// What somebody who would join has to do where no number is left for the event: wait until there are more, or do without.
    pub(super) fn without_numbers(&mut self, key: SessionKey) -> Option<Said> {
        if self.has_numbers(key) {
            return None;
        }
        self.renew_numbers(key);
        if self.sessions.get(key).is_some_and(Session::is_writing) {
            return Some(Said::Busy(key));
        }
        Some(Said::Now(Err(refused(Code::IoError, "REASON", "no more numbers of events can be reserved"))))
    }

    /// Reserves more numbers when half of a block is used up, and writes anew what could not be written.
    pub(super) fn renew_numbers(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(kept) = session.kept.as_ref().filter(|_| self.ledger.is_some()) else { return };
        // A pending change brings numbers with it, and holds what is written now for out of date.
        let is_due = match &kept.doubt {
            Some(doubt) => self.peers.now >= doubt.retry_at,
            None => session.seq + SEQ_BLOCK / 2 >= kept.known.reserved,
        };
        if is_due && !session.is_writing() {
            self.keep_in_background(key);
        }
    }

    /// Writes a session as it is, with a fresh block of numbers.
    pub(super) fn keep_in_background(&mut self, key: SessionKey) {
        self.write_down(key, None, SEQ_BLOCK);
    }

    /// Writes what a session is about to be, for a change that was durable beforehand.
    pub(super) fn keep_ahead(&mut self, key: SessionKey, flow: &Flow) {
        self.write_down(key, Some(flow), SEQ_BLOCK);
    }

    /// The process ends: the numbers that were not given are given back.
    pub(super) fn keep_last_numbers(&mut self) {
        for slot in 0..self.sessions.slots_end() {
            if let Some(key) = self.sessions.key_at(slot) {
                self.write_down(key, None, 0);
            }
        }
    }

    fn write_down(&mut self, key: SessionKey, flow: Option<&Flow>, numbers: u64) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.is_writing() || self.ledger.is_none() {
            return;
        }
        let Some(mut kept) = session.kept.take() else { return };
        let flow = flow.unwrap_or(&session.flow);
        let (entries, written) = entries(session, &kept, &session.about, flow, session.seq + numbers);
        kept.background = Some(written);
        session.kept = Some(kept);
        self.commit(entries, Purpose::Background(key));
    }

    // ---- Restoring ----

    fn restore(&mut self, entries: Vec<super::ledger::Entry>) -> Result<(), String> {
        let mut found = Entries::default();
        let mut stranger = None;
        for (key, value) in entries {
            if let Err(strange) = found.add(&key, value) {
                stranger.get_or_insert(strange);
            }
        }
        let wrong = |name: &str, why: &str| format!("the ledger's session '{name}' cannot be read: {why}");
        // First of all, so that a newer ledger is called that, whatever else it has.
        let mut sessions = Vec::new();
        for (name, record) in found.records {
            let record: Value = serde_json::from_str(&record).map_err(|error| wrong(&name, &error.to_string()))?;
            check_version(&record).map_err(|why| wrong(&name, &why))?;
            sessions.push((name, record));
        }
        if let Some(strange) = stranger {
            return Err(strange);
        }
        for (name, record) in sessions {
            let papers = found.papers.remove(&name).unwrap_or_default();
            self.restore_session(&name, &record, papers, found.shared.remove(&name))
                .map_err(|why| wrong(&name, &why))?;
        }
        Ok(())
    }

    fn restore_session(
        &mut self,
        name: &str,
        record: &Value,
        papers: BTreeMap<u64, String>,
        shared: Option<String>,
    ) -> Result<(), String> {
        if !is_session_name(name) {
            return Err("its name is not legal".to_owned());
        }
        let missing = |key: &str| format!("{key} is missing or wrong");
        let word = |key: &str| record.get(key).and_then(Value::as_str).ok_or_else(|| missing(key));
        let number = |key: &str| record.get(key).and_then(Value::as_u64).ok_or_else(|| missing(key));
        let names = |key: &str| -> Vec<String> {
            let list = record.get(key).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut options = Options::default();
        for key in Options::KEYS {
            options.set(key, word(key)?)?;
        }
        let about = About {
            title: word("display_name")?.to_owned(),
            text: word("description")?.to_owned(),
            schema: Schema::from_name(word("schema")?).ok_or_else(|| missing("schema"))?,
            options,
            created_ms: number("created_ms")?,
        };
        let state = word("state")?;
        let state = State::ALL.into_iter().find(|known| known.name() == state).ok_or_else(|| missing("state"))?;
        let mut initialization = Initialization::new();
        let order = record.get("documents").and_then(Value::as_array).ok_or_else(|| missing("documents"))?;
        let order: Vec<u64> = order.iter().filter_map(Value::as_u64).collect();
        for n in &order {
            let text = papers.get(n).ok_or_else(|| format!("document {n} is missing"))?;
            let scanned = scan::scan(text.as_bytes()).map_err(|reject| format!("document {n}: {reject}"))?;
            initialization.restore(&scanned).map_err(|reason| format!("document {n}: {reason}"))?;
        }
        if let Some(shared) = shared {
            initialization
                .restore_shared(shared.into_bytes(), names("required"))
                .map_err(|reason| reason.to_string())?;
        }
        for system in names("completed") {
            initialization.complete(&system).map_err(|reason| reason.to_string())?;
        }
        let scheduled = match record.get("scheduled") {
            None | Some(Value::Null) => None,
            Some(next) => {
                let part = |key: &str| next.get(key).and_then(Value::as_str).ok_or_else(|| missing("scheduled"));
                Some(Scheduled {
                    trigger: Trigger::from_method(part("trigger")?).ok_or_else(|| missing("scheduled"))?,
                    at_ms: next.get("at").and_then(Value::as_u64).ok_or_else(|| missing("scheduled"))?,
                    author: Author { by: part("by")?.into(), system: part("system")?.into() },
                })
            }
        };
        let multiple = record.get("multiple").and_then(Value::as_f64).unwrap_or(1.0);
        let key = match self.session_named(name) {
            Some(key) => key,
            None => self.add_session(name, about.clone(), state).ok_or("there are too many sessions")?,
        };
        let seq = number("reserved")?;
        let Some(session) = self.sessions.get_mut(key) else { return Ok(()) };
        // What was answered last counts, until somebody changes the words of the configuration.
        let configured = record.get("configured").and_then(Value::as_str);
        if session.configured.is_none() || session.configured.as_deref() == configured {
            session.about = about;
        } else if initialization.facts().stored && session.about.schema != about.schema {
            log::warn!("session {name} keeps its schema, as it has an initialization");
            session.about.schema = about.schema;
        }
        session.flow = Flow { state, initialization, multiple, scheduled };
        (session.seq, session.state_seq) = (seq, seq);
        let next_paper = papers.keys().next_back().map_or(0, |n| n + 1);
        let known = Written { reserved: seq, papers: order, next_paper };
        // Whatever else is there belongs to nothing.
        let strays: Vec<u64> = papers.into_keys().filter(|n| !known.papers.contains(n)).collect();
        let doubt = (!strays.is_empty()).then_some(Doubt { strays, retry_at: self.peers.now });
        session.kept = Some(Kept { known, background: None, doubt });
        let bytes = session.bytes();
        self.account_session(0, bytes);
        log::info!("session {name} is back: {state}, seq {seq}");
        Ok(())
    }
}

/// What the entries of a ledger are, by the names of the sessions.
#[derive(Debug, Default)]
struct Entries {
    records: BTreeMap<String, String>,
    papers: BTreeMap<String, BTreeMap<u64, String>>,
    shared: BTreeMap<String, String>,
}

impl Entries {
    /// Files an entry under its session.
    fn add(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), String> {
        let strange = || format!("the ledger has an entry '{}' that is none of ours", key.escape_ascii());
        let key = core::str::from_utf8(key).map_err(|_| strange())?;
        let value = String::from_utf8(value).map_err(|_| strange())?;
        match key.split_once('/').ok_or_else(strange)? {
            ("session", name) => drop(self.records.insert(name.to_owned(), value)),
            ("shared", name) => drop(self.shared.insert(name.to_owned(), value)),
            ("document", rest) => {
                let (name, n) = rest.split_once('/').ok_or_else(strange)?;
                let n = n.parse().map_err(|_| strange())?;
                self.papers.entry(name.to_owned()).or_default().insert(n, value);
            }
            _ => return Err(strange()),
        }
        Ok(())
    }
}

/// Whether a record of a session is of a version that can be read.
fn check_version(record: &Value) -> Result<(), String> {
    let Some(version) = record.get("version") else { return Ok(()) };
    match version.as_u64() {
        Some(1..=VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(format!(
            "it has version {newer}, and this program knows versions up to {VERSION}: start a newer instep, or use another state_dir"
        )),
        Some(_) | None => Err("version is missing or wrong".to_owned()),
    }
}

fn paper_key(name: &str, n: u64) -> Vec<u8> {
    format!("document/{name}/{n:020}").into_bytes()
}

/// What must be written so that the ledger holds a session with this flow, and what it knows then.
fn entries(session: &Session, kept: &Kept, about: &About, flow: &Flow, reserved: u64) -> (Vec<Entry>, Written) {
    let name = &session.name;
    let mut entries = Vec::new();
    let mut next_paper = kept.known.next_paper;
    // Documents are shared between a flow and the one that follows it: the same place in memory is the same document.
    let known: Vec<(*const u8, u64)> = match kept.doubt {
        Some(_) => Vec::new(),
        None => {
            let numbers = kept.known.papers.iter().copied();
            session.flow.initialization.documents().map(str::as_ptr).zip(numbers).collect()
        }
    };
    let mut papers = Vec::new();
    for document in flow.initialization.documents() {
        let old = known.iter().find(|(at, _)| core::ptr::eq(*at, document.as_ptr())).map(|(_, n)| *n);
        papers.push(old.unwrap_or_else(|| {
            let n = next_paper;
            next_paper += 1;
            entries.push(Entry { key: paper_key(name, n), value: Some(document.as_bytes().to_vec()) });
            n
        }));
    }
    for n in kept.papers().filter(|n| !papers.contains(n)) {
        entries.push(Entry { key: paper_key(name, n), value: None });
    }
    let shared = |flow: &Flow| flow.initialization.shared().map(<[u8]>::as_ptr);
    if kept.doubt.is_some() || shared(flow) != shared(&session.flow) {
        let value = flow.initialization.shared().map(<[u8]>::to_vec);
        entries.push(Entry { key: format!("shared/{name}").into_bytes(), value });
    }
    entries.push(Entry {
        key: format!("session/{name}").into_bytes(),
        value: Some(record(session, about, flow, &papers, reserved).to_string().into_bytes()),
    });
    (entries, Written { reserved, papers, next_paper })
}

/// What must go so that the ledger does not hold a session any more.
fn gone(session: &Session) -> Vec<Entry> {
    let name = &session.name;
    let papers = session.kept.iter().flat_map(Kept::papers);
    let mut keys: Vec<Vec<u8>> = papers.map(|n| paper_key(name, n)).collect();
    keys.extend([format!("shared/{name}").into_bytes(), format!("session/{name}").into_bytes()]);
    keys.into_iter().map(|key| Entry { key, value: None }).collect()
}

fn record(session: &Session, about: &About, flow: &Flow, papers: &[u64], reserved: u64) -> Value {
    let initialization = &flow.initialization;
    let scheduled = flow.scheduled.as_ref().map_or(Value::Null, |next| {
        let Author { by, system } = &next.author;
        json!({"trigger": next.trigger.method(), "at": next.at_ms, "by": by, "system": system})
    });
    let mut record = Map::new();
    for key in Options::KEYS {
        record.insert(key.to_owned(), Value::from(about.options.word(key)));
    }
    for (key, value) in [
        ("version", Value::from(VERSION)),
        ("display_name", Value::from(about.title.as_str())),
        ("description", Value::from(about.text.as_str())),
        ("schema", Value::from(about.schema.name())),
        ("configured", Value::from(session.configured.as_deref())),
        ("created_ms", Value::from(about.created_ms)),
        ("state", Value::from(flow.state.name())),
        ("reserved", Value::from(reserved)),
        ("documents", Value::from(papers)),
        ("multiple", Value::from(flow.multiple)),
        ("required", Value::from(initialization.required_names())),
        ("completed", Value::from(initialization.completed_names())),
        ("scheduled", scheduled),
    ] {
        record.insert(key.to_owned(), value);
    }
    Value::Object(record)
}
