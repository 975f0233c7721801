//! How guests come and go, and their streams.
//!
//! One is taken out when it resigns, its stream cannot follow, or nothing is heard of it for
//! `member_idle_s`. Guests hear the same events as all others, see `notices`, but nothing is kept for one that is not there, nor is
//! their presence kept on disk: their clients come back by themselves. Must not know what is spoken on a stream; what becomes of one is said
//! by an event.

use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU64;
use core::ops::RangeInclusive;

use serde_json::Value;

use crate::auth::UserId;
use crate::c2sim::code::Code;
use crate::c2sim::judging::Document;
use crate::c2sim::state::Trigger;
use crate::hub::call::Refused;
use crate::hub::cause::Cause;
use crate::hub::events::{Event, Parting};
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::names::Names;
use crate::hub::peers::{Doer, Peers, is_loopback, share_of};
use crate::limits::{MEMBER_BYTES, MEMBERS_MAX, SESSION_SYSTEM_BYTES_MAX, SILENT_GUESTS_AT_ONCE};
use crate::time::Tick;

use super::Sessions;
use super::dialect::{self, Dialect};
use super::entry::{Author, refused};
use super::guest::{Arrival, Guest, GuestId, SUBMITTER, shown, title};
use super::history::{Draft, What};
use super::said::{Aftermath, Reading, Said};

impl Sessions {
    // ---- Coming and going ----

    /// Brings a guest into a session. One that is a member already stays it, if it speaks for the same system and may come again.
    pub(in crate::hub) fn guest_joins(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        id: &GuestId,
        arrival: Arrival<'_>,
    ) -> Said {
        match self.try_guest_joins(peers, names, key, id, arrival) {
            Ok(said) => said,
            Err(refused) => {
                peers.counters.session_refusals += 1;
                Said::now(Err(refused))
            }
        }
    }

    fn try_guest_joins(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        id: &GuestId,
        arrival: Arrival<'_>,
    ) -> Result<Said, Refused> {
        let now = peers.now;
        let system = shown(arrival.system, SESSION_SYSTEM_BYTES_MAX);
        let system: Box<str> = if system.is_empty() { "UNKNOWN".into() } else { system.into() };
        let Some(session) = self.table.get_mut(key) else { return Err(self.no_such()) };
        if let Some(guest) = session.guests.get_mut(id).filter(|guest| guest.joined.is_some()) {
            guest.is_heard(now);
            if guest.system() != &*system || !peers.config.join_again_is_ok() {
                return Err(refused(Code::C2simClientAlreadyJoined, "SYSTEM_NAME", guest.system()));
            }
            guest.remote = Some(arrival.remote);
            return Ok(Said::Now(Aftermath::about(Ok(Value::Null), key)));
        }
        if let Some(said) = self.without_numbers(peers, key) {
            return Ok(said);
        }
        self.find_room(peers, key, id, arrival.remote)?;
        self.guests_made += 1;
        let name: Box<str> = format!("client {} {}", self.guests_made, title(arrival.title, id)).trim_end().into();
        self.enter_guest(peers, names, key, id, Arrival { title: &name, system: &system, ..arrival });
        Ok(Said::Now(Aftermath::about(Ok(Value::Null), key)))
    }

    /// The user whose guest this is, and where that is, if it has joined as one's.
    pub(in crate::hub) fn user_of_guest(&self, key: SessionKey, id: &GuestId) -> Option<(UserId, IpAddr)> {
        let guest = self.table.get(key)?.guests.get(id)?;
        Some((guest.user?, guest.remote?.ip().to_canonical()))
    }

    /// The first session in this slot or behind it that has guests who are users, and up to `most` of those who may not be there.
    pub(in crate::hub) fn guests_who_may_not(
        &self,
        from: usize,
        most: usize,
        may: impl Fn(UserId, &str) -> bool,
    ) -> Option<(SessionKey, Vec<GuestId>)> {
        let of_users = |guest: &Guest| guest.user.is_some();
        let (key, session) =
            self.table.iter_from(from).find(|(_, session)| session.guests.iter().any(|(_, guest)| of_users(guest)))?;
        let may_not = |guest: &Guest| guest.user.is_some_and(|user| !may(user, &session.name));
        let who = session.guests.iter().filter(|(_, guest)| may_not(guest)).take(most);
        Some((key, who.map(|(id, _)| id.clone()).collect()))
    }

    /// Whoever hands something in is in the session from the first time on. Answers what has to be waited for before that, if anything.
    ///
    /// # Errors
    /// There is no room for it.
    pub(in crate::hub) fn submitter_comes(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        id: &GuestId,
        (remote, doer): (SocketAddr, Doer),
    ) -> Result<Option<Said>, Refused> {
        let now = peers.now;
        let Some(session) = self.table.get_mut(key) else { return Err(self.no_such()) };
        if let Some(guest) = session.guests.get_mut(id).filter(|guest| guest.joined.is_some()) {
            guest.is_heard(now);
            (guest.remote, guest.doer) = (Some(remote), doer);
            return Ok(None);
        }
        if session.is_busy(false) {
            return Ok(Some(Said::Busy(key)));
        }
        if let Some(said) = self.without_numbers(peers, key) {
            return Ok(Some(said));
        }
        self.find_room(peers, key, id, remote)?;
        let name = [SUBMITTER, id.id()].concat();
        self.enter_guest(peers, names, key, id, Arrival { title: &name, system: id.id(), remote, user: None, doer });
        Ok(None)
    }

    /// Enters a guest for which there is room, under a name that nobody else has, and tells the others.
    pub(super) fn enter_guest(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        id: &GuestId,
        arrival: Arrival<'_>,
    ) {
        let now = peers.now;
        let Some(session) = self.table.get_mut(key) else { return };
        session.guests.enter(id, now);
        let (seq, name) = (session.seq + 1, Box::<str>::from(arrival.title));
        session.guests.change(id, |guest| {
            guest.is_called(&name, arrival.system);
            (guest.remote, guest.joined, guest.told, guest.seen) =
                (Some(arrival.remote), NonZeroU64::new(seq), seq, now);
            (guest.user, guest.doer) = (arrival.user, arrival.doer);
        });
        peers.counters.session_joins += 1;
        log::debug!("{name} has joined");
        self.announce(peers, names, key, Draft::of(What::Joined, name.clone(), arrival.doer), Some(name.as_bytes()));
    }

    /// Whoever has handed something in speaks for the system that it has named last.
    pub(super) fn note_system(&mut self, key: SessionKey, author: &Author) {
        let Some(id) = GuestId::of_submitter(&author.by) else { return };
        let guest = self.table.get_mut(key).and_then(|session| session.guests.get_mut(&id));
        // Nearly always it is the same as before.
        if let Some(guest) = guest.filter(|guest| *guest.system() != *author.system) {
            guest.is_called(&author.by, &author.system);
        }
    }

    /// Whether one more guest from there may enter a session; it is accounted for.
    pub(super) fn find_room(
        &mut self,
        peers: &mut Peers,
        key: SessionKey,
        id: &GuestId,
        remote: SocketAddr,
    ) -> Result<(), Refused> {
        let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
        if session.guests.get(id).is_some() {
            return Ok(());
        }
        // Another machine may have a share of the places, whatever identities it makes up.
        let is_crowd = !is_loopback(remote)
            && (session.guests.from(remote) >= share_of(MEMBERS_MAX) || self.has_its_share(peers, remote));
        if is_crowd || session.members.len() + session.guests.len() >= MEMBERS_MAX {
            return Err(refused(Code::TooManyMembers, "ACTIVE_SESSION", session.name.as_str()));
        }
        if peers.pool.data_room() < MEMBER_BYTES {
            return Err(self.no_room(key));
        }
        self.account(peers, 0, MEMBER_BYTES);
        Ok(())
    }

    /// Whether another machine has its share of what all sessions may keep, by its guests in all of them. It is looked at where half is in use.
    fn has_its_share(&self, peers: &Peers, remote: SocketAddr) -> bool {
        let all = peers.pool.data_max();
        let guests = || self.table.iter().map(|(_, session)| session.guests.from(remote)).sum::<usize>();
        peers.pool.data_room() < all / 2 && guests() * MEMBER_BYTES >= share_of(all)
    }

    /// Takes a guest out of a session, if it is in it; its stream ends.
    pub(in crate::hub) fn guest_leaves(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        id: &GuestId,
        why: Parting,
    ) {
        let Some(guest) = self.table.get(key).and_then(|session| session.guests.get(id)) else { return };
        let (name, was_member, doer) = (Box::from(guest.name()), guest.joined.is_some(), guest.doer);
        if let Some(stream) = guest.stream {
            self.forget_stream(stream, key, id);
            peers.events.push_back(Event::StreamOver { peer: stream, why });
        }
        self.change_guest(peers, key, id, |guest| (guest.joined, guest.stream) = (None, None));
        if was_member {
            let (what, doer) =
                if why == Parting::Resigned { (What::Resigned, doer) } else { (What::Lost, Doer::default()) };
            peers.counters.session_members_lost += u64::from(what == What::Lost);
            self.announce(peers, names, key, Draft::of(what, name, doer), None);
        }
    }

    /// Those who have not been heard for too long are taken out, some at a time; answers whether there may be more.
    pub(in crate::hub) fn drop_silent_guests(&mut self, peers: &mut Peers, names: &Names) -> bool {
        let then = peers.now.0.checked_sub(peers.config.member_idle().0).map(Tick);
        let gone = |(key, session): (SessionKey, &super::Session)| {
            let silent = session.guests.silent_since(then).take(SILENT_GUESTS_AT_ONCE);
            silent.map(|id| (key, id.clone())).collect::<Vec<_>>()
        };
        let gone: Vec<(SessionKey, GuestId)> = self.table.iter().flat_map(gone).take(SILENT_GUESTS_AT_ONCE).collect();
        let is_more = gone.len() == SILENT_GUESTS_AT_ONCE;
        for (key, id) in gone {
            self.guest_leaves(peers, names, key, &id, Parting::Silent);
        }
        is_more
    }

    /// Whether any session has guests.
    pub(in crate::hub) fn has_guests(&self) -> bool {
        self.table.iter().any(|(_, session)| session.guests.len() > 0)
    }

    /// A guest has asked for something.
    pub(in crate::hub) fn guest_heard(&mut self, peers: &Peers, key: SessionKey, id: &GuestId, doer: Doer) {
        if let Some(guest) = self.table.get_mut(key).and_then(|session| session.guests.get_mut(id)) {
            guest.is_heard(peers.now);
            guest.doer = doer;
        }
    }

    /// A guest has asked for the shared initialization, and gets it.
    pub(in crate::hub) fn guest_fetches(&mut self, peers: &Peers, key: SessionKey, id: &GuestId) {
        let Some(session) = self.table.get_mut(key) else { return };
        let number = session.shared_seq;
        if let Some(guest) = session.guests.get_mut(id) {
            guest.is_sent(number, peers.now);
        }
    }

    /// A guest that has joined, as the author of what it does.
    pub(super) fn guest_author(&self, key: SessionKey, id: &GuestId) -> Result<Author, Refused> {
        let session = self.table.get(key).ok_or_else(|| self.no_such())?;
        match session.guests.get(id).filter(|guest| guest.joined.is_some()) {
            Some(guest) => Ok(Author { by: guest.name().into(), system: guest.system().into(), doer: guest.doer }),
            None => Err(refused(Code::ClientNotJoinedSharedSession, "ACTIVE_SESSION", session.name.as_str())),
        }
    }

    /// A document from a guest.
    pub(in crate::hub) fn guest_document(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        id: &GuestId,
        document: Document<'_>,
        reading: Reading<'_>,
    ) -> Said {
        match self.guest_author(key, id) {
            Ok(author) => self.take_document(peers, names, key, &author, document, reading),
            Err(refused) => Said::now(Err(refused)),
        }
    }

    /// A guest pulls a trigger.
    pub(in crate::hub) fn guest_pulls(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        id: &GuestId,
        trigger: Trigger,
    ) -> Said {
        match self.guest_author(key, id) {
            Ok(author) => self.pull(peers, names, key, &author, trigger, None),
            Err(refused) => Said::now(Err(refused)),
        }
    }

    // ---- Streams ----

    /// A guest is told from here on what happens in a session, on this stream and no other. Without having joined it is told nothing yet.
    ///
    /// # Errors
    /// There is no room for it.
    pub(in crate::hub) fn stream_came(
        &mut self,
        peers: &mut Peers,
        key: SessionKey,
        id: &GuestId,
        stream: PeerKey,
    ) -> Result<(), Refused> {
        let now = peers.now;
        let Some(remote) = peers.get(stream).map(|peer| peer.remote) else { return Ok(()) };
        self.find_room(peers, key, id, remote)?;
        let Some(session) = self.table.get_mut(key) else { return Err(self.no_such()) };
        let number = session.shared_seq;
        let was = session.guests.get(id).and_then(|guest| guest.stream);
        let is_on_its_way = was.is_some_and(|was| self.backlog.waits(was, number));
        session.guests.enter(id, now);
        let held = session.guests.held(id).unwrap_or(id).clone();
        let mut old = None;
        session.guests.change(id, |guest| {
            old = guest.stream.replace(stream);
            guest.remote.get_or_insert(remote);
            guest.is_heard(now);
            if is_on_its_way {
                guest.is_not_sent(number);
            }
        });
        if let Some(old) = old {
            self.forget_stream(old, key, id);
            peers.events.push_back(Event::StreamOver { peer: old, why: Parting::Replaced });
        }
        self.streams.insert((stream, key), held);
        if peers.config.resend_init {
            self.give_initialization(peers, key, id);
        }
        Ok(())
    }

    /// A member whose stream is back and that may not have the shared initialization is given it first.
    fn give_initialization(&mut self, peers: &mut Peers, key: SessionKey, id: &GuestId) {
        let Some(session) = self.table.get(key) else { return };
        let number = session.shared_seq;
        let lacks = |guest: &&Guest| guest.joined.is_some() && !guest.has(number);
        let initialization = &session.flow.initialization;
        let (Some(stream), Some(shared)) =
            (session.guests.get(id).filter(lacks).and_then(|guest| guest.stream), initialization.shared())
        else {
            return;
        };
        let written = initialization.shared_line().map(dialect::message);
        let Some(tail) = written.or_else(|| dialect::line(shared)) else { return };
        if self.give_stream(peers, key, stream, number, &tail) {
            log::debug!("the shared initialization is told again on a stream that has come back");
            let now = peers.now;
            self.change_guest(peers, key, id, |guest| guest.is_sent(number, now));
        }
    }

    /// A stream has ended before the event of this number had left: if it told the initialization, that is given again.
    pub(super) fn stream_missed(&mut self, peers: &mut Peers, key: SessionKey, stream: PeerKey, seq: u64) {
        for (of, id) in self.guests_on(stream) {
            if of == key {
                self.change_guest(peers, key, &id, |guest| guest.is_not_sent(seq));
            }
        }
    }

    /// A stream has ended, and with it the membership of whoever could not follow on it.
    pub(in crate::hub) fn stream_left(&mut self, peers: &mut Peers, names: &Names, stream: PeerKey, cause: Cause) {
        let now = peers.now;
        for (key, id) in self.guests_on(stream) {
            self.streams.remove(&(stream, key));
            let could_follow = !matches!(cause, Cause::Slow | Cause::Memory | Cause::Notice);
            self.change_guest(peers, key, &id, |guest| (guest.stream, guest.seen) = (None, now));
            if !could_follow {
                self.guest_leaves(peers, names, key, &id, Parting::Slow);
            } else if id.dialect() == Dialect::Topic {
                // Nobody comes back to it.
                self.guest_leaves(peers, names, key, &id, Parting::Silent);
            }
        }
    }

    /// Something was heard on a stream.
    pub(in crate::hub) fn stream_heard(&mut self, peers: &Peers, stream: PeerKey) {
        for ((_, key), id) in self.streams.range(all_of(stream)) {
            if let Some(guest) = self.table.get_mut(*key).and_then(|session| session.guests.get_mut(id)) {
                guest.is_heard(peers.now);
            }
        }
    }

    /// A session ends: so do the streams of its guests.
    pub(super) fn end_streams(&mut self, peers: &mut Peers, key: SessionKey) {
        let Some(session) = self.table.get_mut(key) else { return };
        let guests = core::mem::take(&mut session.guests);
        self.account(peers, guests.bytes(), 0);
        for (id, guest) in guests.into_all() {
            if let Some(stream) = guest.stream {
                self.forget_stream(stream, key, &id);
                peers.events.push_back(Event::StreamOver { peer: stream, why: Parting::Deleted });
            }
        }
    }

    pub(super) fn forget_stream(&mut self, stream: PeerKey, key: SessionKey, id: &GuestId) {
        if self.streams.get(&(stream, key)) == Some(id) {
            self.streams.remove(&(stream, key));
        }
    }

    /// Those that are told something on a stream.
    pub(super) fn guests_on(&self, stream: PeerKey) -> Vec<(SessionKey, GuestId)> {
        self.streams.range(all_of(stream)).map(|((_, key), id)| (*key, id.clone())).collect()
    }

    /// Changes a guest; one that is nothing any more gives its place back.
    pub(super) fn change_guest(
        &mut self,
        peers: &mut Peers,
        key: SessionKey,
        id: &GuestId,
        change: impl FnOnce(&mut Guest),
    ) {
        let Some(session) = self.table.get_mut(key) else { return };
        let before = session.guests.bytes();
        session.guests.change(id, change);
        let after = session.guests.bytes();
        self.account(peers, before, after);
    }
}

/// The keys of what is told on a stream.
const fn all_of(stream: PeerKey) -> RangeInclusive<(PeerKey, SessionKey)> {
    (stream, SessionKey::from_bits(0))..=(stream, SessionKey::from_bits(u64::MAX))
}
