//! What outlives the process: sessions in a ledger, and changes that wait until they are durable.
//!
//! A change of a session is made on a copy, written, and only then becomes the session's and is told to anybody. Meanwhile requests to
//! that session wait in its line, and everything else goes on. Nothing is written per message: numbers of events are
//! reserved in blocks, so that none is given twice even after a crash. Without a ledger the same path is taken in one step.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::c2sim::code::Code;
use crate::hub::call::ReplyTo;
use crate::hub::events::Event;
use crate::hub::keys::{ProviderKey, SessionKey};
use crate::hub::ledger::{Ledger, Ticket, Write};
use crate::hub::names::Names;
use crate::hub::peers::Peers;
use crate::limits::{MEMBERS_MAX, SEQ_BLOCK};
use crate::time::Span;

use super::change::{Change, Doubt, Durable, Pending, Purpose, Written};
use super::entry::{Flow, refused};
use super::record::{Entries, Restored, entries, gone};
use super::said::{Aftermath, Said, Settled};
use super::session::Session;
use super::{Sessions, audit_made};

/// Numbers that must be left before an event that could wait happens: members may be lost, each an event that cannot.
const NUMBERS_LEFT: u64 = 2 * MEMBERS_MAX as u64;

/// How long a background write that failed is not tried again.
const RETRY: Span = Span(10_000);

impl Sessions {
    /// Takes a ledger and the sessions that it holds.
    pub(in crate::hub) fn set_ledger(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        mut ledger: Box<dyn Ledger>,
    ) -> Result<(), String> {
        let found = Entries::file(ledger.load()?)?;
        self.give_ids(&found)?;
        for restored in found {
            self.restore(peers, names, restored)?;
        }
        self.ledger = Some(ledger);
        for slot in 0..self.table.slots_end() {
            let Some(key) = self.table.key_at(slot) else { continue };
            self.keep_new(peers, key);
            self.set_schedule(peers, key);
        }
        Ok(())
    }

    /// A session that nobody has asked for by a call is to be kept, where there is a ledger.
    pub(super) fn keep_new(&mut self, peers: &mut Peers, key: SessionKey) {
        if self.ledger.is_none() {
            return;
        }
        if let Some(session) = self.table.get_mut(key) {
            session.durable.get_or_insert_default();
        }
        self.write_in_background(peers, key);
    }

    /// Whether changes are made durable.
    pub(in crate::hub) const fn has_ledger(&self) -> bool {
        self.ledger.is_some()
    }

    /// A session keeps the id that it had. One of the configuration that had none gets out of the way, and what comes later has ids behind all
    /// of them.
    fn give_ids(&mut self, found: &[Restored]) -> Result<(), String> {
        let mut known = BTreeMap::new();
        for restored in found {
            if let Some(id) = restored.id
                && let Some(other) = known.insert(id, &*restored.name)
            {
                return Err(format!("the ledger has two sessions of id {id}: '{other}' and '{}'", restored.name));
            }
        }
        let highest = known.last_key_value().map_or(0, |(id, _)| *id);
        self.next_id = self.next_id.max(highest + 1);
        for slot in 0..self.table.slots_end() {
            let Some(session) = self.table.key_at(slot).and_then(|key| self.table.get_mut(key)) else { continue };
            let own = found.iter().find(|restored| restored.name == session.name).and_then(|restored| restored.id);
            if let Some(own) = own {
                session.id = own;
            } else if known.contains_key(&session.id) {
                session.id = self.next_id;
                self.next_id += 1;
            }
        }
        Ok(())
    }

    /// Makes a session again, or gives one of the configuration its past.
    fn restore(&mut self, peers: &mut Peers, names: &Names, restored: Restored) -> Result<(), String> {
        let Restored { id, name, made_for, info, configured, flow, seq, papers, found, members } = restored;
        let state = flow.state;
        let key = match self.named(&name) {
            Some(key) => key,
            None => match id {
                Some(id) => self.add_as(peers, names, (id, &name), info.clone(), state),
                None => self.add(peers, names, &name, info.clone(), state),
            }
            .ok_or_else(|| format!("the ledger's session '{name}' cannot be read: there are too many sessions"))?,
        };
        let Some(session) = self.table.get_mut(key) else { return Ok(()) };
        // What was answered last counts, until somebody changes the words of the configuration.
        if session.configured.is_none() || session.configured.as_deref() == configured.as_deref() {
            session.info = info;
        } else if flow.facts().stored && session.info.schema != info.schema {
            log::warn!("session {name} keeps its schema, as it has an initialization");
            session.info.schema = info.schema;
        }
        session.flow = flow;
        // Providers do not outlive the process.
        (session.is_orphan, session.made_for) = (made_for.is_some(), made_for);
        (session.seq, session.state_seq) = (seq, seq);
        if session.flow.initialization.shared().is_some() {
            // No event of before was shared under this number, and none will be: whoever comes has none yet.
            session.shared_seq = seq;
        }
        let next_paper = found.last().map_or(0, |n| n + 1);
        let known = Written { reserved: seq, papers, next_paper };
        // Whatever else is there belongs to nothing.
        let strays: Vec<u64> = found.into_iter().filter(|n| !known.papers.contains(n)).collect();
        let doubt = (!strays.is_empty()).then_some(Doubt { strays, retry_at: peers.now });
        session.durable = Some(Durable { known, background: None, doubt });
        let bytes = session.bytes();
        self.account(peers, 0, bytes);
        let away = members.len();
        self.restore_members(peers, key, members);
        let whom = if away == 0 { String::new() } else { format!(", {away} members away") };
        log::info!("session {name} is back: {state}, seq {seq}{whom}");
        Ok(())
    }

    /// A change that was handed to the ledger is durable, or could not be made so.
    pub(in crate::hub) fn commit_done(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        ticket: Ticket,
        outcome: Result<(), String>,
    ) -> Option<Settled> {
        let purpose = self.tickets.remove(&ticket).unwrap_or(Purpose::Other);
        self.cannot_keep = outcome.is_err();
        if let Err(reason) = &outcome {
            peers.counters.commits_failed += 1;
            peers.note_error(&format!("a session could not be kept: {reason}"));
        }
        match purpose {
            Purpose::Other => None,
            Purpose::Background(key) => {
                let retry_at = peers.now + RETRY;
                if let Some(durable) = self.table.get_mut(key).and_then(|session| session.durable.as_mut())
                    && let Some(written) = durable.background.take()
                {
                    match outcome {
                        Ok(()) => durable.succeed(written),
                        Err(_) => durable.fail(written, retry_at),
                    }
                }
                self.set_schedule(peers, key);
                self.serve_line(peers, key);
                self.end_if_it_must(peers, key);
                None
            }
            Purpose::Members(key) => {
                self.members_written(peers, key, outcome.is_ok(), peers.now + RETRY);
                None
            }
            Purpose::Change(key) => self.settle(peers, names, key, outcome),
        }
    }

    /// The provider of a session was closed while it was being written, or something was done in slices for it.
    pub(in crate::hub) fn end_if_it_must(&self, peers: &mut Peers, session: SessionKey) {
        if self.table.get(session).is_some_and(|session| session.must_end) {
            peers.events.push_back(Event::ProviderClosed { session });
        }
    }

    /// Makes a change of a session: at once, or once it is durable. `Busy` when something else is just being written of it.
    pub(super) fn change(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, change: Change) -> Said {
        let Some(session) = self.table.get(key) else { return Said::now(Err(self.no_such())) };
        let Some(durable) = session.durable.as_ref().filter(|_| self.ledger.is_some()) else {
            return Said::Now(self.make_change(peers, names, key, change));
        };
        if session.is_writing() {
            return Said::Busy(key);
        }
        let reserved = session.seq.max(durable.known.reserved.saturating_sub(SEQ_BLOCK)) + SEQ_BLOCK;
        let (info, flow) = match &change {
            Change::Info(info, _) => (&**info, &session.flow),
            Change::Flow(plan) => (&session.info, plan.flow.as_deref().unwrap_or(&session.flow)),
            Change::Made(_) | Change::Gone => (&session.info, &session.flow),
        };
        let (entries, written) = match change {
            Change::Gone => (gone(session), Written::default()),
            Change::Made(_) | Change::Info(..) | Change::Flow(_) => entries(session, durable, info, flow, reserved),
        };
        let charged = flow.initialization.bytes().saturating_sub(session.flow.initialization.bytes());
        let pending = Pending { change, reply_to: ReplyTo::Nobody, charged, written };
        if let Some(session) = self.table.get_mut(key) {
            session.pending = Some(Box::new(pending));
        }
        self.account(peers, 0, charged);
        self.commit(peers, entries, Purpose::Change(key));
        Said::Later(key)
    }

    pub(super) fn commit(&mut self, peers: &mut Peers, entries: Vec<Write>, purpose: Purpose) {
        let Some(ledger) = &mut self.ledger else { return };
        let ticket = peers.last_ticket.draw();
        self.tickets.insert(ticket, purpose);
        peers.counters.commits += 1;
        ledger.commit(ticket, entries);
    }

    /// The pending change of a session is durable, or is not to be.
    fn settle(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        outcome: Result<(), String>,
    ) -> Option<Settled> {
        let pending = self.table.get_mut(key)?.pending.take()?;
        let Pending { change, reply_to, charged, written } = *pending;
        self.account(peers, charged, 0);
        let retry_at = peers.now + RETRY;
        let durable = self.table.get_mut(key).and_then(|session| session.durable.as_mut());
        let aftermath = match outcome {
            Ok(()) => {
                if let Some(durable) = durable {
                    durable.succeed(written);
                }
                self.make_change(peers, names, key, change)
            }
            Err(reason) => {
                if let Some(durable) = durable {
                    durable.fail(written, retry_at);
                }
                let is_new = matches!(change, Change::Made(_));
                if let Some(session) = self.table.get(key).filter(|_| is_new) {
                    audit_made(peers, &session.name, Some(&reason));
                }
                let freed = if is_new { self.end(peers, names, key, "it could not be kept") } else { Vec::new() };
                Aftermath { freed, ..Aftermath::plain(Err(refused(Code::IoError, "REASON", reason))) }
            }
        };
        Some(Settled { reply_to, session: key, aftermath })
    }

    fn make_change(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, change: Change) -> Aftermath {
        match change {
            Change::Made(provider) => {
                if let Some(session) = self.table.get(key) {
                    audit_made(peers, &session.name, None);
                }
                self.made(peers, key, provider, "CREATED")
            }
            Change::Info(info, provider) => {
                if let Some(session) = self.table.get_mut(key) {
                    session.info = *info;
                }
                self.made(peers, key, provider, "UPDATED")
            }
            Change::Flow(plan) => self.carry_out(peers, names, key, *plan),
            Change::Gone => {
                let freed = self.end(peers, names, key, "it was deleted");
                Aftermath { freed, ..Aftermath::plain(Ok(Value::Null)) }
            }
        }
    }

    /// Says which provider a session is to have, and answers in the words of the C2SIM interface.
    fn made(&mut self, peers: &mut Peers, key: SessionKey, provider: Option<ProviderKey>, word: &str) -> Aftermath {
        if let Some(provider) = provider {
            self.has_provider(key);
            peers.events.push_back(Event::ProviderChosen { session: key, provider });
        }
        let session = self.table.get(key).map_or(Value::Null, Session::json);
        Aftermath::about(Ok(json!({"creation": word, "session": session})), key)
    }

    // ---- Numbers ----

    /// Whether an event that can wait may have the next number.
    pub(super) fn has_numbers(&self, key: SessionKey) -> bool {
        let Some(session) = self.table.get(key) else { return true };
        let Some(durable) = session.durable.as_ref().filter(|_| self.ledger.is_some()) else { return true };
        session.seq + NUMBERS_LEFT < durable.known.reserved
    }

    /// What somebody who would join has to do where no number is left for the event: wait until there are more, or do without.
    pub(super) fn without_numbers(&mut self, peers: &mut Peers, key: SessionKey) -> Option<Said> {
        if self.has_numbers(key) {
            return None;
        }
        self.renew_numbers(peers, key);
        if self.table.get(key).is_some_and(Session::is_writing) {
            return Some(Said::Busy(key));
        }
        Some(Said::now(Err(refused(Code::IoError, "REASON", "no more numbers of events can be reserved"))))
    }

    /// Reserves more numbers when half of a block is used up, and writes anew what could not be written.
    pub(super) fn renew_numbers(&mut self, peers: &mut Peers, key: SessionKey) {
        let Some(session) = self.table.get(key) else { return };
        let Some(durable) = session.durable.as_ref().filter(|_| self.ledger.is_some()) else { return };
        // A pending change brings numbers with it, and holds what is written now for out of date.
        let is_due = match &durable.doubt {
            Some(doubt) => peers.now >= doubt.retry_at,
            None => session.seq + SEQ_BLOCK / 2 >= durable.known.reserved,
        };
        if is_due && !session.is_writing() {
            self.write_in_background(peers, key);
        }
    }

    /// Writes a session as it is, with a fresh block of numbers.
    pub(super) fn write_in_background(&mut self, peers: &mut Peers, key: SessionKey) {
        self.write_down(peers, key, None, SEQ_BLOCK);
    }

    /// Writes what a session is about to be, for a change that was durable beforehand.
    pub(super) fn write_ahead(&mut self, peers: &mut Peers, key: SessionKey, flow: &Flow) {
        self.write_down(peers, key, Some(flow), SEQ_BLOCK);
    }

    /// The process ends: the numbers that were not given are given back.
    pub(in crate::hub) fn write_last_numbers(&mut self, peers: &mut Peers) {
        for slot in 0..self.table.slots_end() {
            if let Some(key) = self.table.key_at(slot) {
                self.write_down(peers, key, None, 0);
                self.note_all_members(key);
            }
        }
        self.write_members(peers);
    }

    fn write_down(&mut self, peers: &mut Peers, key: SessionKey, flow: Option<&Flow>, numbers: u64) {
        let Some(session) = self.table.get_mut(key) else { return };
        if session.is_writing() || self.ledger.is_none() {
            return;
        }
        let Some(mut durable) = session.durable.take() else { return };
        let flow = flow.unwrap_or(&session.flow);
        let (entries, written) = entries(session, &durable, &session.info, flow, session.seq + numbers);
        durable.background = Some(written);
        session.durable = Some(durable);
        self.commit(peers, entries, Purpose::Background(key));
    }
}
