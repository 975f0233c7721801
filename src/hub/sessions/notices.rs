//! What the members of a session hear: one event after the other, the same for all, in one turn of the loop.
//!
//! Each event has the session's next number. A JSON member gets a notification with it, an XML member the document of the event, if
//! it has one. The bytes behind the receiver's name are made once for each format. A member that cannot take an event has fallen out of step
//! and is never quietly passed over: here its link is closed; on another node, whose link others share, it is taken out of the session
//! and told so as soon as its node takes messages again. That happens only where there is no memory left or a link ends: what finds no room in a ring
//! waits in the `backlog`, and documents are taken in only as fast as members read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::hub::cause::Cause;
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::names::{Home, Names};
use crate::hub::peers::{Peer, Peers, Work};
use crate::leco::multicast::entry_bytes;
use crate::leco::name;
use crate::limits::{LOST_NOTICES_MAX, RING_RESERVE_BYTES};
use crate::store::pool::Use;

use super::Sessions;
use super::backlog::{Backlog, WaitingNotice};
use super::copies::{Copies, Copy, Sharing};
use super::history::{Draft, Past, What};
use super::session::{Leaver, LostNotice};
use super::voice::{self, Voice};

/// Bytes of a notice besides its document, about: names, header, the word of the event.
const NOTICE_HEAD_BYTES: usize = 512;

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
        let time = peers.unix_ms();
        let room = peers.pool.data_room();
        let Some(session) = self.table.get_mut(key) else { return 0 };
        // Where memory is short the past is forgotten sooner.
        let bytes_max = peers.config.session_history_bytes_max.min(session.history.bytes() + room);
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
        self.account(peers, before, after);
        peers.counters.session_events += 1;
        let members = self.table.get(key).map_or(0, |session| session.members.len());
        // It costs the one who caused it as much of its turn as so many calls.
        peers.spend(Work::Notices(members));
        self.notify_members(peers, names, key, &draft, &note, except.filter(|_| !draft.to_all));
        self.renew_numbers(peers, key);
        seq
    }

    /// Puts an event into the rings of the members.
    fn notify_members(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        draft: &Draft,
        note: &str,
        except: Option<&[u8]>,
    ) {
        let Some(session) = self.table.get(key).filter(|session| !session.members.is_empty()) else { return };
        let (sender, schema) = (session.full_name.clone(), session.info.schema);
        let has = |voice| session.members.values().any(|member| member.voice == voice);
        let tails = Voice::ALL
            .map(|voice| (voice, has(voice).then(|| voice.tail(peers, &sender, schema, draft, note)).flatten()));
        // What changes the state has room that messages do not have.
        let reserve = if draft.what == What::Message { 0 } else { RING_RESERVE_BYTES };
        let bytes_max = peers.config.ring_bytes_max + reserve;
        let (mut cut, mut missed) = (Vec::new(), Vec::new());
        let mut copies = Copies::default();
        for (name, member) in &session.members {
            let tail = tails.iter().find(|(voice, _)| *voice == member.voice).and_then(|(_, tail)| tail.as_ref());
            let (Some(tail), false) = (tail, except == Some(name)) else { continue };
            let link = names.link_of(member.home).filter(|link| peers.get(*link).is_some_and(Peer::takes_messages));
            if let Some(link) = link.filter(|link| peers.get(*link).is_some_and(Peer::is_instep)) {
                copies.add(link, member.voice, name, tail);
            } else if !link.is_some_and(|link| tell(&mut self.backlog, peers, key, link, &[&**name], tail, bytes_max)) {
                match member.home {
                    Home::Here(_) => cut.extend(link),
                    Home::There(_) => missed.push(name.clone()),
                }
            }
        }
        for Copy { link, members, tail } in copies.all {
            if !tell(&mut self.backlog, peers, key, link, &members, &tail, bytes_max) {
                missed.extend(members.into_iter().map(Box::from));
            }
        }
        for member in missed {
            self.drop_later(peers, key, &member, &sender, note);
        }
        for link in cut {
            peers.close(link, Cause::Notice);
        }
    }

    /// There is room in the ring of a link: what waits for it goes on.
    pub(in crate::hub) fn notices_go_on(&mut self, peers: &mut Peers, link: PeerKey) {
        let bytes_max = peers.own_bytes_max();
        while let Some(waiting) = self.backlog.first(link) {
            if !voice::push_for(peers, link, &waiting.members, &waiting.tail, bytes_max) {
                peers.tell_of_room(link);
                return;
            }
            self.backlog.pop(link, &mut peers.pool);
        }
    }

    /// A link has ended: members who were to hear something on it have missed it.
    pub(in crate::hub) fn link_ended(&mut self, peers: &mut Peers, link: PeerKey) {
        for WaitingNotice { session: key, members, .. } in self.backlog.take(link, &mut peers.pool) {
            for member in members {
                if self.table.get(key).is_some_and(|session| session.members.contains_key(&member)) {
                    self.drop_fallen_behind(peers, key, &member);
                }
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
        let session = self.table.get(self.at(local_name)?)?;
        let mut wanted: BTreeMap<PeerKey, usize> = BTreeMap::new();
        let mut sharing = Sharing::default();
        session.members.iter().find_map(|(name, member)| {
            let link = names.link_of(member.home).filter(|link| *link != author)?;
            let peer = peers.get(link)?;
            let wanted = wanted.entry(link).or_default();
            if !peer.is_instep() || sharing.begins(link, member.voice, name) {
                *wanted += bytes + NOTICE_HEAD_BYTES;
            }
            if peer.is_instep() {
                *wanted += entry_bytes(name);
            }
            let waiting = peer.waiting();
            let is_full = waiting > 0 && waiting + *wanted > peers.config.ring_bytes_max;
            (is_full || self.backlog.has(link)).then_some((link, &**name))
        })
    }

    /// Whether all members of a session can be given `bytes` each without running out of memory.
    pub(in crate::hub) fn has_room_for_all(&self, peers: &Peers, key: SessionKey, bytes: usize) -> bool {
        let members = self.table.get(key).map_or(0, |session| session.members.len());
        // A ring's block is up to twice as large as what it holds.
        bytes.saturating_mul(2).saturating_mul(members) <= peers.pool.room(Use::Ring)
    }

    // ---- Lost notices ----

    fn drop_later(&mut self, peers: &mut Peers, key: SessionKey, member: &[u8], session: &[u8], note: &str) {
        self.leavers.push_back(Leaver { session: key, member: member.into(), for_certain: true });
        self.send_lost_notice_later(peers, member, session, note);
    }

    /// Takes out whoever could not be given the answer to what it has done in its session, if it is a member: it has fallen out of step.
    pub(in crate::hub) fn answer_missed(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        local_name: &[u8],
        full_name: &[u8],
    ) {
        if let Some(key) = self.at(local_name).filter(|key| self.is_member(names, *key, full_name)) {
            self.drop_fallen_behind(peers, key, full_name);
        }
    }

    /// Takes out a member that has missed something, and tells it so as soon as it can be told.
    fn drop_fallen_behind(&mut self, peers: &mut Peers, key: SessionKey, member: &[u8]) {
        let Some(session) = self.table.get(key) else { return };
        let sender = session.full_name.clone();
        let note = json!({"session": session.name, "seq": session.seq, "state": session.flow.state.name()}).to_string();
        self.drop_later(peers, key, member, &sender, &note);
    }

    fn send_lost_notice_later(&mut self, peers: &mut Peers, member: &[u8], session: &[u8], note: &str) {
        if self.lost_notices.len() >= LOST_NOTICES_MAX {
            self.lost_notices.pop_front();
            peers.counters.session_farewells_dropped += 1;
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
        self.lost_notices.push_back(LostNotice { member: member.into(), session: session.into(), note });
    }

    /// Tells those who were taken out of a session that they were, as far as their nodes take messages now. Who has joined
    /// anew, or whose node is gone, needs no word.
    pub(in crate::hub) fn send_lost_notices(&mut self, peers: &mut Peers, names: &Names) {
        for notice in core::mem::take(&mut self.lost_notices) {
            let session = self.at(name::FullName::split(&notice.session).name);
            let back = session.is_some_and(|key| self.is_member(names, key, &notice.member));
            let Some(home) = names.home_of(&notice.member).filter(|_| !back) else { continue };
            let told = names.link_of(home).is_some_and(|link| {
                let tail = voice::notification_tail(peers, &notice.session, &notice.note, None);
                voice::push(peers, link, &notice.member, &tail, peers.config.ring_bytes_max)
            });
            if !told {
                self.lost_notices.push_back(notice);
            }
        }
    }
}

/// Puts a notice into the ring of a link for those who share it there, or behind what waits for room in that ring; `false` if there is no
/// memory for it.
fn tell(
    backlog: &mut Backlog,
    peers: &mut Peers,
    session: SessionKey,
    link: PeerKey,
    members: &[&[u8]],
    tail: &Arc<[u8]>,
    bytes_max: usize,
) -> bool {
    if !backlog.has(link) && voice::push_for(peers, link, members, tail, bytes_max) {
        return true;
    }
    let members = members.iter().map(|member| Box::from(*member)).collect();
    let is_kept =
        backlog.push(link, WaitingNotice { session, members, tail: Arc::clone(tail) }, &mut peers.pool).is_ok();
    if is_kept {
        peers.tell_of_room(link);
    }
    is_kept
}
