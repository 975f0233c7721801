//! Guests that hear on a topic: each is a connection with subscriptions, and a member as long as it has one.

use crate::hub::call::Refused;
use crate::hub::events::Parting;
use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::names::Names;
use crate::hub::peers::{Peers, Work};

use super::Sessions;
use super::backlog::Notice;
use super::bulletin::{Bulletin, Scene, Told};
use super::ear::Ear;
use super::guest::{Arrival, Guest, GuestId};
use super::history::Draft;
use super::said::Said;
use super::voice::Tail;

use core::net::SocketAddr;

impl Sessions {
    /// A connection subscribes. Answers what has to be waited for before that, if anything.
    ///
    /// # Errors
    /// There is no room for it.
    pub(in crate::hub) fn hearer_subscribes(
        &mut self,
        peers: &mut Peers,
        names: &Names,
        key: SessionKey,
        (stream, remote): (PeerKey, SocketAddr),
        ear: Ear,
    ) -> Result<Option<Said>, Refused> {
        let id = GuestId::hearing(stream);
        let Some(session) = self.table.get(key) else { return Err(self.no_such()) };
        if session.guests.get(&id).is_none() {
            if session.is_busy(false) {
                return Ok(Some(Said::Busy(key)));
            }
            if let Some(said) = self.without_numbers(peers, key) {
                return Ok(Some(said));
            }
            self.find_room(peers, key, &id, remote)?;
            let name = format!("hearer {remote}");
            let doer = peers.doer_from(stream, Some(remote));
            self.enter_guest(peers, names, key, &id, Arrival { title: &name, system: "", remote, user: None, doer });
            self.change_guest(peers, key, &id, |guest| guest.stream = Some(stream));
            self.streams.insert((stream, key), id.clone());
        }
        if peers.pool.data_room() < ear.bytes {
            self.leave_without_ears(peers, names, key, &id);
            return Err(self.no_room(key));
        }
        self.change_guest(peers, key, &id, |guest| guest.ears_mut().push(ear));
        Ok(None)
    }

    /// A connection gives subscriptions up, all of this name.
    pub(in crate::hub) fn hearer_unsubscribes(&mut self, peers: &mut Peers, names: &Names, stream: PeerKey, ear: &str) {
        for (key, id) in self.guests_on(stream) {
            self.change_guest(peers, key, &id, |guest| guest.ears_mut().retain(|known| *known.id != *ear));
            self.leave_without_ears(peers, names, key, &id);
        }
    }

    /// A connection is told nothing more, as it parts in good order.
    pub(in crate::hub) fn hearer_leaves(&mut self, peers: &mut Peers, names: &Names, stream: PeerKey) {
        for (key, id) in self.guests_on(stream) {
            self.change_guest(peers, key, &id, |guest| guest.ears_mut().clear());
            self.leave_without_ears(peers, names, key, &id);
        }
    }

    /// Who subscribes to nothing any more is no member any more.
    fn leave_without_ears(&mut self, peers: &mut Peers, names: &Names, key: SessionKey, id: &GuestId) {
        let Some(guest) = self.table.get(key).and_then(|session| session.guests.get(id)) else { return };
        if !guest.ears().is_empty() {
            return;
        }
        if let Some(stream) = guest.stream {
            self.forget_stream(stream, key, id);
            self.change_guest(peers, key, id, |guest| guest.stream = None);
        }
        self.guest_leaves(peers, names, key, id, Parting::Resigned);
    }

    /// Puts an event into the rings of all who hear on topics; answers who has no room for it.
    pub(super) fn notify_hearers(
        &mut self,
        peers: &mut Peers,
        key: SessionKey,
        draft: &Draft,
        seq: u64,
    ) -> Vec<(GuestId, PeerKey)> {
        let mut cut = Vec::new();
        let Self { table, backlog, .. } = self;
        let Some(session) = table.get_mut(key).filter(|session| session.guests.ears() > 0) else { return cut };
        let version: Box<str> = match peers.config.gmu_version.as_str() {
            "" => session.version.clone(),
            chosen => chosen.into(),
        };
        let scene = Scene { session: &session.name, state: session.flow.state, seq, version: &version };
        let mut bulletins = match Told::of(peers, scene, draft) {
            Told::Bulletins(bulletins) => bulletins,
            Told::Nothing => return cut,
            Told::Unreadable => {
                peers.counters.stomp_unreadable += 1;
                return cut;
            }
        };
        peers.spend(Work::Notices(session.guests.ears()));
        let (now, bytes_max) = (peers.now, peers.own_bytes_max());
        for (id, guest, stream) in session.guests.told_mut().filter(|(_, guest, _)| !guest.ears().is_empty()) {
            let all = for_one(&mut bulletins, guest, seq);
            let bytes = all.iter().map(|(head, tail)| head.len() + tail.len()).sum();
            let mut is_given = all.is_empty() || backlog.has_share_left(peers, stream, bytes);
            for (head, tail) in all {
                let notice = Notice { session: key, members: &[], head: &head, seq, tail: &tail };
                is_given = is_given && backlog.give(peers, stream, notice, bytes_max);
            }
            if is_given {
                guest.is_told(seq, draft.is_initialization(), now);
            } else {
                cut.push((id.clone(), stream));
            }
        }
        cut
    }
}

/// What one hearer is given: once for each of its subscriptions that is for it.
fn for_one(bulletins: &mut [Bulletin], guest: &Guest, seq: u64) -> Vec<(Vec<u8>, Tail)> {
    let mut all = Vec::new();
    for (at, bulletin) in bulletins.iter_mut().enumerate() {
        for (n, ear) in guest
            .ears()
            .iter()
            .enumerate()
            .filter(|(_, ear)| ear.wants(|name| bulletin.header(name)))
            .collect::<Vec<_>>()
        {
            let number = 1 + n + at * guest.ears().len();
            all.push((ear.head(seq, number), bulletin.tail(ear.version)));
        }
    }
    all
}
