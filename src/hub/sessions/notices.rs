//! What the members of a session hear: one event after the other, the same for all, in one turn of the loop.
//!
//! Each event has the session's next number. A JSON member gets a notification with it, an XML member the document of the event, if
//! it has one. The bytes behind the receiver's name are made once for each format. A member that cannot take an event has fallen out of step
//! and is never quietly passed over: it is away until it has been told what it has missed (`away`); if it is of this node its link is closed,
//! on another node it is told as soon as that takes messages again. That happens only where there is no memory left or a link ends: what
//! finds no room in a ring waits in the `backlog`, and documents are taken in only as fast as members read.

use std::collections::BTreeMap;

use serde_json::json;

use crate::hub::cause::Cause;
use crate::hub::events::{Event, Parting};
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::names::{Home, Names, new_header};
use crate::hub::peers::{Deed, Peer, Peers, Topic, Work};
use crate::leco::message::HEADER_BYTES;
use crate::leco::multicast::{entry_bytes, list_bytes_max};
use crate::leco::name;
use crate::limits::{LOST_NOTICES_MAX, RING_RESERVE_BYTES};
use crate::store::pool::Use;
use crate::store::shared::SharedBytes;
use crate::time::Span;

use super::Sessions;
use super::backlog::{Notice, WaitingNotice};
use super::copies::{Copies, Copy, Sharing};
use super::dialect::Dialect;
use super::history::{Draft, Note, Past, What};
use super::session::LostNotice;
use super::voice::{self, Tail, Voice};

/// Bytes of a notice besides its document, about: names, header, the word of the event.
const NOTICE_HEAD_BYTES: usize = 512;

/// An event that is older was not caused by what is being answered.
const JUST_NOW: Span = Span(1000);

impl Sessions {
    /// Gives an event its number and tells every member but `except` (unless the event is for all); answers the number.
    pub(super) fn announce(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        draft: Draft,
        except: Option<&[u8]>,
    ) -> u64 {
        self.tell_owed(peers, names, key);
        self.announce_now(peers, names, key, draft, except)
    }

    /// Tells what was to come right behind an answer.
    pub(in crate::hub) fn tell_owed(&mut self, peers: &mut Peers, names: &Names, key: SessionKey) {
        let owed = self.table.get_mut(key).map(|session| core::mem::take(&mut session.owed));
        for draft in owed.unwrap_or_default() {
            self.announce_now(peers, names, key, draft, None);
        }
    }

    fn announce_now(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        draft: Draft,
        except: Option<&[u8]>,
    ) -> u64 {
        let Some(note) = self.note(peers, key, &draft) else { return 0 };
        let except = except.filter(|_| !draft.to_all);
        self.notify_members(peers, names, key, &draft, &note, except);
        self.notify_guests(peers, key, &draft, &note, except);
        self.renew_numbers(peers, key);
        note.seq
    }

    /// Gives an event its number, and its place among those of the past.
    pub(super) fn note(&mut self, peers: &mut Peers, key: SessionKey, draft: &Draft) -> Option<Note> {
        let time = peers.unix_ms();
        let room = peers.pool.data_room();
        let header = new_header(peers);
        let session = self.table.get_mut(key)?;
        // Where memory is short the past is forgotten sooner.
        let bytes_max = peers.config.session_history_bytes_max.min(session.history.bytes() + room);
        session.seq += 1;
        let seq = session.seq;
        if draft.what == What::State {
            session.state_seq = seq;
        }
        if draft.is_initialization() {
            session.shared_seq = seq;
        }
        let state = session.flow.state.name();
        if draft.what != What::Message {
            let change = draft.what.word();
            let trigger = Some(draft.name).filter(|name| !name.is_empty());
            let told = json!({"session": session.name, "change": change, "state": state, "seq": seq, "by": draft.by,
                              "trigger": trigger, "time": time});
            peers.news.add(Topic::Sessions, &told);
            let system = session.members.get(draft.by.as_bytes()).map_or("", |member| &*member.system);
            let action = draft.what.deed(draft.name);
            peers.audit(&Deed {
                action,
                category: "session",
                doer: draft.doer,
                client: &draft.by,
                system,
                session: &session.name,
                target: state,
                seq: Some(seq),
                ..Deed::default()
            });
        }
        let text: Box<str> = draft.text(&session.name, state, seq, time).into();
        let past = Past {
            seq,
            at: peers.now,
            header,
            note: text.clone(),
            document: draft.document.clone(),
            written: draft.written.clone(),
        };
        let before = session.history.bytes();
        session.history.add(past, bytes_max);
        let after = session.history.bytes();
        self.account(peers, before, after);
        peers.counters.session_events += 1;
        Some(Note { seq, header, text })
    }

    /// Puts an event into the rings of the members.
    pub(super) fn notify_members(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        draft: &Draft,
        note: &Note,
        except: Option<&[u8]>,
    ) {
        let Some(session) = self.table.get(key).filter(|session| !session.members.is_empty()) else { return };
        // It costs the one who caused it as much of its turn as so many calls.
        peers.spend(Work::Notices(session.members.len()));
        let (sender, schema) = (session.full_name.clone(), session.info.schema);
        let has = |voice| session.members.values().any(|member| member.voice == voice && member.home.is_some());
        let tails = Voice::ALL.map(|voice| match has(voice) {
            true => (voice, voice.tail(peers, &sender, schema, draft, note)),
            false => (voice, Vec::new()),
        });
        // What changes the state has room that messages do not have.
        let reserve = if draft.what == What::Message { 0 } else { RING_RESERVE_BYTES };
        let bytes_max = peers.config.ring_bytes_max + reserve;
        let (mut cut, mut missed) = (Vec::new(), Vec::new());
        let mut copies = Copies::default();
        for (name, member) in &session.members {
            let tails = tails.iter().find(|(voice, _)| *voice == member.voice).map_or(&[][..], |(_, tails)| tails);
            // Who has missed one hears this one with the word that it is back, in its place.
            let is_passed_over = except == Some(name) || tails.is_empty() || member.missed.is_some();
            let (Some(home), false) = (member.home, is_passed_over) else { continue };
            let link = names.link_of(home).filter(|link| peers.get(*link).is_some_and(Peer::takes_messages));
            let shares = link.and_then(|link| Some((link, list_bytes_max(peers.get(link)?.instep_level())?)));
            if let (Some(shares), [tail]) = (shares, tails) {
                copies.add(shares, member.voice, name, tail);
                continue;
            }
            let given = link.is_some_and(|link| {
                let members = [&**name];
                let notice = |tail| Notice { session: key, members: &members, head: &[], seq: note.seq, tail };
                tails.iter().all(|tail| self.backlog.give(peers, link, notice(tail), bytes_max))
            });
            if !given {
                missed.push(name.clone());
                cut.extend(link.filter(|_| matches!(home, Home::Here(_))));
            }
        }
        for Copy { link, members, tail } in copies.all {
            let notice = Notice { session: key, members: &members, head: &[], seq: note.seq, tail: &tail };
            if !self.backlog.give(peers, link, notice, bytes_max) {
                missed.extend(members.into_iter().map(Box::from));
            }
        }
        for member in missed {
            self.note_missed(key, &member, note.seq);
        }
        for link in cut {
            peers.close(link, Cause::Notice);
        }
    }

    /// Puts an event into the rings of the guests' streams. Who has no room for it is told nothing more: its stream ends.
    fn notify_guests(&mut self, peers: &mut Peers, key: SessionKey, draft: &Draft, note: &Note, except: Option<&[u8]>) {
        let mut cut = self.notify_hearers(peers, key, draft, note.seq);
        let Self { table, backlog, .. } = self;
        let Some(session) = table.get_mut(key).filter(|session| session.guests.streams() > 0) else { return };
        peers.spend(Work::Notices(session.guests.streams()));
        let schema = session.info.schema;
        let (now, bytes_max) = (peers.now, peers.own_bytes_max());
        let mut tails = [const { None }; Dialect::ALL.len()];
        for (id, guest, stream) in session.guests.told_mut() {
            let dialect = id.dialect();
            if except == Some(guest.name().as_bytes()) || dialect == Dialect::Topic {
                continue;
            }
            let Some(place) = tails.get_mut(dialect as usize) else { continue };
            let Some(tail) = place.get_or_insert_with(|| dialect.tail(peers, schema, draft)) else { continue };
            let notice = Notice { session: key, members: &[], head: &[], seq: note.seq, tail };
            if backlog.has_share_left(peers, stream, tail.len()) && backlog.give(peers, stream, notice, bytes_max) {
                guest.is_told(note.seq, draft.is_initialization(), now);
            } else {
                cut.push((id.clone(), stream));
            }
        }
        for (id, stream) in cut {
            self.change_guest(peers, key, &id, |guest| guest.stream = None);
            peers.events.push_back(Event::StreamOver { peer: stream, why: Parting::Slow });
        }
    }

    /// Puts something into the ring of a guest's stream; `false` if there is no memory for it.
    pub(super) fn give_stream(
        &mut self,
        peers: &mut Peers,
        key: SessionKey,
        stream: PeerKey,
        seq: u64,
        tail: &Tail,
    ) -> bool {
        let bytes_max = peers.own_bytes_max();
        self.backlog.give(peers, stream, Notice { session: key, members: &[], head: &[], seq, tail }, bytes_max)
    }

    /// Gives somebody an answer of a session (its name, the header, the text) with a document behind it; `false` if there is no memory for it.
    pub(in crate::hub) fn answer_with_document(
        &mut self,
        peers: &mut Peers,
        (link, receiver): (PeerKey, &[u8]),
        (session, header, text, document): (&[u8], &[u8; HEADER_BYTES], &str, &SharedBytes),
    ) -> bool {
        let tail = voice::answer_tail(session, header, text, document);
        let Some(key) = self.at(name::FullName::split(session).name) else { return false };
        // Where it is not taken, all that comes behind it is missed.
        let seq = self.table.get(key).map_or(0, |session| session.seq + 1);
        let bytes_max = peers.own_bytes_max();
        let notice = Notice { session: key, members: &[receiver], head: &[], seq, tail: &tail };
        self.backlog.give(peers, link, notice, bytes_max)
    }

    /// There is room in the ring of a link: what waits for it goes on.
    pub(in crate::hub) fn notices_go_on(&mut self, peers: &mut Peers, link: PeerKey) {
        let bytes_max = peers.own_bytes_max();
        self.backlog.go_on(peers, link, bytes_max);
    }

    /// A link has ended: members who were to hear something on it have missed it.
    pub(in crate::hub) fn link_ended(&mut self, peers: &mut Peers, link: PeerKey) {
        for WaitingNotice { session, members, seq, .. } in self.backlog.take(link, &mut peers.pool) {
            if members.is_empty() {
                self.stream_missed(peers, session, link, seq);
            }
            for member in members {
                self.note_missed(session, &member, seq);
            }
        }
    }

    /// The first member of a session whose link has no room now for a document of so many bytes for everybody behind it, and that link.
    /// Whoever hands the document in is not asked.
    pub(in crate::hub) fn who_has_no_room(
        &self,
        peers: &Peers,
        names: &Names,
        local_name: &[u8],
        author: PeerKey,
        bytes: usize,
    ) -> Option<(PeerKey, &[u8])> {
        self.who_has_no_room_in(peers, names, self.at(local_name)?, author, bytes)
    }

    /// The same for a session by its key.
    pub(in crate::hub) fn who_has_no_room_in(
        &self,
        peers: &Peers,
        names: &Names,
        key: SessionKey,
        author: PeerKey,
        bytes: usize,
    ) -> Option<(PeerKey, &[u8])> {
        let session = self.table.get(key)?;
        let mut wanted: BTreeMap<PeerKey, usize> = BTreeMap::new();
        let mut sharing = Sharing::default();
        session.members.iter().find_map(|(name, member)| {
            let link = member.home.and_then(|home| names.link_of(home)).filter(|link| *link != author)?;
            let peer = peers.get(link)?;
            let wanted = wanted.entry(link).or_default();
            let shares = list_bytes_max(peer.instep_level()).map(|bytes_max| (link, bytes_max));
            if shares.is_none_or(|shares| sharing.begins(shares, member.voice, name)) {
                *wanted += bytes + NOTICE_HEAD_BYTES;
            }
            if shares.is_some() {
                *wanted += entry_bytes(name);
            }
            let waiting = peer.waiting();
            let is_full = waiting > 0 && waiting + *wanted > peers.config.ring_bytes_max;
            (is_full || self.backlog.has(link)).then_some((link, &**name))
        })
    }

    /// Whether all members of a session can be given a document of so many bytes without running out of memory.
    pub(in crate::hub) fn has_room_for_all(&self, peers: &Peers, key: SessionKey, bytes: usize) -> bool {
        if bytes >= peers.passage_bytes_min() {
            // One for all of them, that of the past, and a line for those who hear lines.
            let has_streams = self.table.get(key).is_some_and(|session| session.guests.streams() > 0);
            return bytes.saturating_mul(if has_streams { 3 } else { 2 }) <= peers.pool.data_room();
        }
        let members = self.table.get(key).map_or(0, |session| session.members.len() + session.guests.streams());
        // A ring's block is up to twice as large as what it holds.
        bytes.saturating_mul(2).saturating_mul(members) <= peers.pool.room(Use::Ring)
    }

    // ---- Lost notices ----

    /// Whoever could not be given the answer to what it has done in its session, if it is a member, has fallen out of step: it is told
    /// anew what has happened lately.
    pub(in crate::hub) fn answer_missed(&mut self, peers: &Peers, names: &Names, local_name: &[u8], full_name: &[u8]) {
        let Some(key) = self.at(local_name).filter(|key| self.is_member(names, *key, full_name)) else { return };
        let before = self.table.get(key).and_then(|session| session.history.last_before(peers.now - JUST_NOW));
        let sure = self.member(key, full_name).map_or(0, |member| member.sure);
        self.note_missed(key, full_name, before.map_or(sure, |before| before.max(sure)) + 1);
    }

    /// Puts a word to somebody who was taken out of a session behind those that wait until they can be told.
    pub(super) fn queue_lost_notice(&mut self, peers: &mut Peers, notice: LostNotice) {
        if self.lost_notices.len() >= LOST_NOTICES_MAX {
            self.lost_notices.pop_front();
            peers.counters.session_farewells_dropped += 1;
        }
        self.lost_notices.push_back(notice);
    }

    /// Tells those who were taken out of a session that they were, as far as their nodes take messages now. Who has joined
    /// anew, or whose node is gone, needs no word.
    pub(in crate::hub) fn send_lost_notices(&mut self, peers: &mut Peers, names: &Names) {
        for notice in core::mem::take(&mut self.lost_notices) {
            let session = self.at(name::FullName::split(&notice.session).name);
            let back = session.is_some_and(|key| self.is_member(names, key, &notice.member));
            let Some(home) = names.home_of(&notice.member).filter(|_| !back) else { continue };
            let told = names.link_of(home).is_some_and(|link| {
                let tail = voice::notification_tail(&new_header(peers), &notice.session, &notice.note, None);
                voice::push(peers, link, &notice.member, &tail, peers.config.ring_bytes_max)
            });
            if !told {
                self.lost_notices.push_back(notice);
            }
        }
    }
}
