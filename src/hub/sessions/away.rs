//! Members that are away: their Components have left without a word, and may come back.
//!
//! Whoever was cut off, was started anew, or whose node or server was, stays a member for `member_idle_s`. The others are told that it is away,
//! and when it is there again; it is told then what it has missed, as far as that is kept, in the same event. Where it cannot be known what
//! it has heard, events are told once more: each has its number, by which a member knows it.
//!
//! Coming and going are dealt with between messages, as many as there is time for.

use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::names::{Home, Names};
use crate::hub::peers::{Doer, Peer, Peers, Work};
use crate::leco::message::HEADER_BYTES;
use crate::leco::name;
use crate::limits::HISTORY_ANSWER_BYTES_MAX;
use crate::store::pool::Use;
use crate::time::{Span, Tick};

use super::Sessions;
use super::backlog::Notice;
use super::history::{Draft, Note, What};
use super::members::is_listed;
use super::session::{Leaver, LostNotice, Member, Session};
use super::voice::{self, Tail, Voice};

/// How soon it is tried again to tell a member that it is back, where it can be told nothing now; twice as long each time.
const AGAIN: Span = Span(250);
const TRIES_MAX: u8 = 6;

/// Whose doing it is what comes from there.
fn doer_at(peers: &Peers, names: &Names, home: Home) -> Doer {
    names.link_from(home).map_or_else(Doer::default, |link| peers.doer(link))
}

impl Sessions {
    /// Whether somebody has left or come back, and its sessions do not know.
    pub(in crate::hub) fn has_comings(&self) -> bool {
        !self.leavers.is_empty() || !self.returners.is_empty()
    }

    /// Tells the sessions of those who have left or are back, as many as there is time for.
    pub(in crate::hub) fn see_comings(&mut self, peers: &mut Peers, names: &Names) {
        while peers.has_time()
            && let Some(Leaver { session, member, home, for_good }) = self.leavers.pop_front()
        {
            if for_good {
                let doer = doer_at(peers, names, home);
                self.drop_member(peers, names, session, &member, (What::Resigned, doer));
                continue;
            }
            self.go_away(peers, names, session, &member, home);
        }
        for _ in 0..self.returners.len() {
            if !peers.has_time() {
                break;
            }
            let Some((session, member)) = self.returners.pop_front() else { break };
            self.welcome(peers, names, session, &member);
            self.try_later(peers.now, names, session, &member);
        }
    }

    /// A member that is away although there is a link to it is looked at again. Otherwise there will be word of it.
    fn try_later(&mut self, now: Tick, names: &Names, key: SessionKey, full_name: &[u8]) {
        let home = names.home_of(full_name).filter(|home| is_listed(names, *home, full_name));
        if home.and_then(|home| names.link_of(home)).is_none() {
            return;
        }
        let Some(member) = self.member_mut(key, full_name).filter(|member| member.home.is_none()) else { return };
        let at = now + AGAIN.times(1 << member.tries);
        member.tries = (member.tries + 1).min(TRIES_MAX);
        self.unwelcomed.push((at, key, full_name.into()));
        self.again_at = Some(self.again_at.map_or(at, |before| before.min(at)));
    }

    /// It is time to look again at those who could not be told.
    pub(in crate::hub) fn look_again(&mut self, now: Tick) {
        if self.again_at.is_some_and(|at| at <= now) {
            let due = self.unwelcomed.extract_if(.., |(at, _, _)| *at <= now);
            self.returners.extend(due.map(|(_, key, member)| (key, member)));
            self.again_at = self.unwelcomed.iter().map(|(at, _, _)| *at).min();
        }
    }

    /// A component of this node has signed in: perhaps it is a member that was away.
    pub(in crate::hub) fn component_came(&mut self, names: &Names, name: &[u8]) {
        if self.memberships.is_empty() {
            return;
        }
        let full_name = names.named_here(name);
        for key in self.memberships.get(&*full_name).into_iter().flatten() {
            self.returners.push_back((*key, full_name.as_slice().into()));
        }
    }

    /// A member could not be given the event of this number: it is away until it has been told what it has missed.
    pub(super) fn note_missed(&mut self, key: SessionKey, full_name: &[u8], seq: u64) {
        let Some(member) = self.member_mut(key, full_name) else { return };
        let Some(home) = member.home else { return };
        member.missed = Some(member.missed.map_or(seq, |before| before.min(seq)));
        member.leaves = true;
        self.leavers.push_back(Leaver { session: key, member: full_name.into(), home, for_good: false });
    }

    /// A member has left the place where it was.
    fn go_away(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, full_name: &[u8], from: Home) {
        let now = peers.now;
        let unsure = peers.config.expiration().times(3);
        let Some(session) = self.table.get_mut(key) else { return };
        let (seq, longest_sure) = (session.seq, session.history.last_before(now - unsure));
        let Some(member) = session.members.get_mut(full_name).filter(|member| member.home == Some(from)) else {
            return;
        };
        (member.sure, member.may_lack) = heard_for_sure(member, seq, longest_sure);
        let may_tell = member.missed.take().is_some();
        (member.home, member.since, member.leaves) = (None, now, false);
        log::debug!("{} is away, and has heard of {}", name::shown(full_name), member.sure);
        peers.counters.session_absences += 1;
        self.set_patience(peers, key);
        self.announce(peers, names, key, Draft::new(What::Away, name::shown(full_name).into()), None);
        if let Some(member) = self.member_mut(key, full_name) {
            member.left_behind = peers.counters.session_events;
        }
        if may_tell {
            // Nothing else will say that it can be told: it has not been gone.
            self.try_later(now, names, key, full_name);
        }
    }

    /// Has a session look at its absent members when the first of them has been away for too long.
    pub(super) fn set_patience(&mut self, peers: &Peers, key: SessionKey) {
        let Some(session) = self.table.get(key) else { return };
        let away = session.members.values().filter(|member| member.home.is_none());
        match away.map(|member| member.since).min() {
            Some(since) => self.patience.set(key.slot(), 0, since + peers.config.member_idle()),
            None => self.patience.cancel(key.slot(), 0),
        }
    }

    /// The next session of which a member may have been away for too long.
    pub(in crate::hub) fn next_impatient(&mut self, now: Tick) -> Option<SessionKey> {
        while let Some((slot, _)) = self.patience.pop_due(now) {
            if let Some(key) = self.table.key_at(slot) {
                return Some(key);
            }
        }
        None
    }

    /// Gives up members that have been away for too long, as many as there is time for.
    pub(in crate::hub) fn give_up(&mut self, peers: &mut Peers, names: &Names, key: SessionKey) {
        let now = peers.now;
        let Some(session) = self.table.get(key) else { return };
        let is_late = |member: &Member| member.home.is_none() && now.since(member.since) >= peers.config.member_idle();
        let late = session.members.iter().filter(|(_, member)| is_late(member));
        let late: Vec<Box<[u8]>> = late.map(|(name, _)| name.clone()).collect();
        for name in late {
            if !peers.has_time() {
                break;
            }
            log::debug!("{} does not come back", name::shown(&name));
            if names.home_of(&name).is_some_and(|home| is_listed(names, home, &name)) {
                // It is there, and could not be told a word for all that time.
                self.send_lost_notice_later(peers, key, &name);
            }
            self.drop_member(peers, names, key, &name, (What::Lost, Doer::default()));
        }
        self.set_patience(peers, key);
    }

    // ---- Back ----

    /// Whoever speaks to a session is there, whatever else is known of it.
    pub(in crate::hub) fn heard_from(&mut self, peers: &mut Peers, names: &Names, local_name: &[u8], sender: &[u8]) {
        if !self.memberships.is_empty()
            && let Some(key) = self.at(local_name)
        {
            self.welcome(peers, names, key, &names.full_name_of(sender));
        }
    }

    /// A member that was away and can be told something is there again: it hears what it has missed, the others that it is back. Does
    /// nothing for who is no member, is there, or cannot be told.
    pub(super) fn welcome(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, full_name: &[u8]) {
        let Some(home) = names.home_of(full_name) else { return };
        let Some(member) = self.member(key, full_name).filter(|member| member.home != Some(home)) else { return };
        if let Some(before) = member.home {
            // It was elsewhere, and nobody has been told yet that it is not there any more.
            self.go_away(peers, names, key, full_name, before);
        }
        let Some(link) = names.link_of(home).filter(|link| peers.get(*link).is_some_and(Peer::takes_messages)) else {
            return;
        };
        if self.backlog.has(link) || self.without_numbers(peers, key).is_some() || !self.has_room_for_missed(peers, key)
        {
            return;
        }
        self.tell_owed(peers, names, key);
        let draft = Draft::of(What::Resumed, name::shown(full_name).into(), doer_at(peers, names, home));
        let Some(note) = self.note(peers, key, &draft) else { return };
        self.notify_members(peers, names, key, &draft, &note, None);
        let listed = is_listed(names, home, full_name);
        let now = peers.now;
        let Some(member) = self.member_mut(key, full_name) else { return };
        (member.home, member.since, member.came, member.listed) = (Some(home), now, note.seq, listed);
        member.has_joined = false;
        let after = (member.sure, member.may_lack);
        log::debug!("{} is back, and hears what was behind {}", name::shown(full_name), after.0);
        self.note_home(names, home, full_name);
        self.set_patience(peers, key);
        if !self.tell_missed(peers, key, full_name, link, &note, after) {
            self.note_missed(key, full_name, note.seq);
        }
        peers.counters.session_returns += 1;
        self.renew_numbers(peers, key);
    }

    /// Whether there is memory for all that a member of a session may be told when it comes back.
    fn has_room_for_missed(&self, peers: &Peers, key: SessionKey) -> bool {
        let bytes = self.table.get(key).map_or(0, |session| session.history.bytes().min(most_missed(peers)));
        4 * bytes <= peers.pool.room(Use::Ring)
    }

    /// Tells a member that it is back, by the event `note`, and what has happened behind the event `after`. There may be no memory for it.
    fn tell_missed(
        &mut self,
        peers: &mut Peers,
        key: SessionKey,
        member: &[u8],
        link: PeerKey,
        note: &Note,
        (after, may_lack): (u64, bool),
    ) -> bool {
        let Some(session) = self.table.get(key) else { return true };
        let voice = session.members.get(member).map_or(Voice::Json, |member| member.voice);
        let Note { seq, header, text } = note;
        let last = seq - 1;
        let after = after.min(last);
        let (told, documents) = match voice {
            Voice::Json => (json_of_missed(session, after, last, most_missed(peers)), Vec::new()),
            Voice::Xml => documents_of_missed(peers, session, header, [after, last], may_lack),
        };
        let front = text.strip_suffix('}').unwrap_or(text);
        let text = format!("{front},\"after\":{after},{told}}}");
        let first = voice::notification_tail(header, &session.full_name, &text, None);
        let bytes_max = peers.own_bytes_max();
        for tail in core::iter::once(first).chain(documents) {
            peers.spend(Work::Answer(tail.len()));
            let notice = Notice { session: key, members: &[member], head: &[], seq: *seq, tail: &tail };
            if !self.backlog.give(peers, link, notice, bytes_max) {
                return false;
            }
        }
        true
    }

    // ---- What was said about notices ----

    /// A member has answered what it was told in this conversation, or under this number: it has followed the event.
    pub(in crate::hub) fn notice_answered(
        &mut self,
        names: &Names,
        local_name: &[u8],
        full_name: &[u8],
        header: &[u8; HEADER_BYTES],
    ) {
        let Some(key) = self.at(local_name).filter(|key| self.is_member(names, *key, full_name)) else { return };
        let told = self.table.get(key).and_then(|session| session.history.told_in(header));
        if let (Some(seq), Some(member)) = (told, self.member_mut(key, full_name)) {
            member.acked = member.acked.max(seq);
            member.tries = 0;
        }
    }

    /// A node could not give a member what it was told in the conversation of this header.
    pub(in crate::hub) fn notice_refused(&mut self, local_name: &[u8], member: &[u8], header: &[u8; HEADER_BYTES]) {
        let Some(key) = self.at(local_name) else { return };
        let Some(seq) = self.table.get(key).and_then(|session| session.history.told_in(header)) else { return };
        log::debug!("{} was not given event {seq}", name::shown(member));
        self.note_missed(key, member, seq);
    }

    /// A component that is not a member any more is told so as soon as it can be.
    fn send_lost_notice_later(&mut self, peers: &mut Peers, key: SessionKey, member: &[u8]) {
        let Some(session) = self.table.get(key) else { return };
        let note = session.lost_note(member).into();
        let notice = LostNotice { member: member.into(), session: session.full_name.clone(), note };
        self.queue_lost_notice(peers, notice);
    }
}

/// The last event that a member has heard for sure, and whether it may have heard less than that.
fn heard_for_sure(member: &Member, seq: u64, long_ago: Option<u64>) -> (u64, bool) {
    let told = member.missed.map_or(seq, |missed| missed.saturating_sub(1));
    // Its link would not have lived for so long with that unread.
    let old = long_ago.filter(|seq| *seq >= member.came).unwrap_or(0);
    let sure = member.sure.max(member.acked).max(old).min(told);
    match member.voice {
        // A document has no number to know it by when it is told again.
        Voice::Xml if member.acked == 0 && told >= member.came => (told, sure < told),
        Voice::Xml | Voice::Json => (sure, false),
    }
}

/// Bytes of what a member that comes back is told of the past.
fn most_missed(peers: &Peers) -> usize {
    HISTORY_ANSWER_BYTES_MAX.min(peers.config.ring_bytes_max / 4)
}

/// The rest of the word that a member is back: the events from behind `after` to `last`.
fn json_of_missed(session: &Session, after: u64, last: u64, bytes_max: usize) -> String {
    let missed = session.history.missed(after, last, bytes_max);
    let gap = !missed.is_complete || missed.more;
    format!("\"gap\":{gap},\"more\":{},\"events\":[{}]", missed.more, missed.text)
}

/// The same for one that hears documents: they come behind the word.
fn documents_of_missed(
    peers: &mut Peers,
    session: &Session,
    header: &[u8; HEADER_BYTES],
    [after, last]: [u64; 2],
    may_lack: bool,
) -> (String, Vec<Tail>) {
    let (mut tails, mut bytes, mut more) = (Vec::new(), 0, false);
    for past in session.history.behind(after).take_while(|past| past.seq <= last) {
        let document = match (&past.document, &past.written) {
            (Some(document), _) => document.clone(),
            (None, Some((trigger, system))) => voice::written(peers, *trigger, session.info.schema, system),
            (None, None) => continue,
        };
        bytes += document.len();
        if bytes > most_missed(peers) {
            more = true;
            break;
        }
        tails.push(voice::document_tail(header, &session.full_name, &document));
    }
    let gap = may_lack || more || !session.history.reaches(after, last);
    (format!("\"gap\":{gap},\"more\":{more},\"documents\":{}", tails.len()), tails)
}
