//! Connections come and go: accepted, dialled, refused; closed at once, finished, ended.

use core::net::SocketAddr;

use crate::limits::{
    CUT_ADDRESSES_MAX, HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX, HINT_AFTER_MS, PLAIN_RESERVE_SHARE, TARPIT_MAX,
};
use crate::store::ring::Ring;
use crate::time::{Span, Tick};
use crate::zmtp::SocketType;
use crate::zmtp::link::Link;
use crate::zmtp::mechanism::Handshake;

use super::deadlines::FAREWELL;
use super::offer::messages_in;
use super::peer::{Beside, Life, is_loopback};
use super::results::Results;
use super::{About, For, Peer, PeerTimer, Peers, Role, Side, Undelivered, share_of};
use crate::hub::cause::Cause;
use crate::hub::doors::{Channel, Door, Output};
use crate::hub::events::{Event, Left};
use crate::hub::keys::{ComponentKey, PeerKey};

/// Who has sent something so short a time ago may be sending more.
const LATELY: Span = Span(50);
/// How long a refused connection is held before it is closed.
const TARPIT: Span = Span(1500);
/// How long a controller or viewer may take until its first request: somebody may have to press a button for it.
const FIRST_REQUEST: Span = Span(60_000);

impl Peers {
    /// A connection came in by `door`; `None`: close it at once.
    pub(in crate::hub) fn admit(&mut self, remote: SocketAddr, door: Door) -> Option<PeerKey> {
        if self.stopping {
            return None;
        }
        if self.is_crowded(remote, door) {
            return self.refuse_connection(remote);
        }
        if self.handshakes >= HANDSHAKES_MAX {
            self.push_out_oldest_handshake();
        }
        let key = match door {
            Door::Leco => {
                let guard = self.keyring.listening(&self.users, remote, SocketType::Router);
                self.add_zmtp(Role::Accepted, SocketType::Router, remote, guard)?
            }
            Door::Publisher(channel) => self.admit_to(channel, Side::Publisher, remote)?,
            Door::Subscriber(channel) => self.admit_to(channel, Side::Subscriber, remote)?,
            Door::Distributor(channel) => self.admit_to(channel, Side::Distributor, remote)?,
            Door::Control => self.add_plain(Role::Controller, remote)?,
            Door::Viewer => self.add_plain(Role::Viewer, remote)?,
            Door::Http => self.add_plain(Role::Web, remote)?,
            Door::Stomp => self.add_plain(Role::Topic, remote)?,
        };
        log::debug!("connection from {remote}");
        Some(key)
    }

    /// A connection came in at a channel.
    fn admit_to(&mut self, channel: Channel, side: Side, remote: SocketAddr) -> Option<PeerKey> {
        let guard = self.keyring.listening(&self.users, remote, side.ours());
        self.add_zmtp(Role::Channel(channel, side), side.ours(), remote, guard)
    }

    /// Whether a newcomer at this door would be one too many: of all, at the door, or from its address.
    pub(in crate::hub) fn is_crowded(&self, remote: SocketAddr, door: Door) -> bool {
        self.len() - self.tarpit >= self.config.connections_max
            || self.plain >= self.plain_max(door)
            || (!is_loopback(remote) && self.handshakes_from(remote) >= HANDSHAKES_PER_ADDRESS_MAX)
            || self.shares.connections(self.share_of_newcomer(remote)) >= share_of(self.config.connections_max)
    }

    /// A peer that speaks ZMTP; what we say first waits in its ring. With a guard it is asked more than NULL asks.
    pub(in crate::hub) fn add_zmtp(
        &mut self,
        role: Role,
        ours: SocketType,
        remote: SocketAddr,
        guard: Option<Handshake>,
    ) -> Option<PeerKey> {
        let link = Link::new(ours);
        let mut opening = Vec::new();
        match &guard {
            Some(guard) => guard.open(&mut opening),
            None => {
                let (greeting, ready) = link.opening();
                opening.extend_from_slice(&greeting);
                opening.extend_from_slice(ready.bytes());
            }
        }
        let mut peer = Peer::new(role, Some(Box::new(link)), remote, self.now);
        peer.is_guarded = guard.is_some();
        peer.guard = guard.map(Box::new);
        let key = self.table.insert(peer).ok()?;
        self.counters.connections_opened += 1;
        self.plain += usize::from(role.is_beside());
        self.note_newcomer(key);
        if let Some(peer) = self.table.get_mut(key) {
            let pushed = peer.ring.push(&[&opening], self.config.ring_bytes_max, &mut self.pool);
            peer.opening = u16::try_from(peer.ring.len()).unwrap_or(u16::MAX);
            if pushed.is_err() {
                self.close(key, Cause::Memory);
                return None;
            }
        }
        self.want_flush(key);
        self.set_peer_timer(key, PeerTimer::Life, Span::seconds(self.config.handshake_s));
        self.ensure_cleaning();
        Some(key)
    }

    /// A peer that does not speak ZMTP: a controller, a viewer, a kernel.
    pub(in crate::hub) fn add_plain(&mut self, role: Role, remote: SocketAddr) -> Option<PeerKey> {
        let mut peer = Peer::new(role, None, remote, self.now);
        if role == Role::Viewer {
            peer.beside = Some(Box::new(Beside::Results(Results::default())));
        }
        let key = self.table.insert(peer).ok()?;
        self.counters.connections_opened += 1;
        if role.is_plain() {
            self.plain += 1;
            self.note_newcomer(key);
            self.set_peer_timer(key, PeerTimer::Life, FIRST_REQUEST);
        }
        self.ensure_cleaning();
        Some(key)
    }

    /// A connection that must show that it speaks: by its handshake, or by a first request.
    fn note_newcomer(&mut self, key: PeerKey) {
        self.greet(key);
        self.handshakes += 1;
        self.handshaking.push_back(key);
        if self.handshaking.len() > 4 * HANDSHAKES_MAX {
            let table = &self.table;
            self.handshaking.retain(|key| table.get(*key).is_some_and(|peer| !peer.is_ready()));
        }
    }

    /// Controllers and viewers together that one more may join at this door: some connections stay for Components, whatever viewers do,
    /// and some for controllers.
    const fn plain_max(&self, door: Door) -> usize {
        let all = self.config.connections_max;
        match door {
            Door::Leco => usize::MAX,
            Door::Control => all - all.div_ceil(2 * PLAIN_RESERVE_SHARE),
            Door::Viewer
            | Door::Http
            | Door::Stomp
            | Door::Publisher(_)
            | Door::Subscriber(_)
            | Door::Distributor(_) => all - all.div_ceil(PLAIN_RESERVE_SHARE),
        }
    }

    fn handshakes_from(&self, remote: SocketAddr) -> u32 {
        let same = |key: &&PeerKey| {
            self.get(**key).is_some_and(|peer| !peer.is_ready() && peer.is_open() && peer.remote.ip() == remote.ip())
        };
        u32::try_from(self.handshaking.iter().filter(same).count()).unwrap_or(u32::MAX)
    }

    /// Holds the connection for a moment where there is room for that, so that its client comes back less often.
    fn refuse_connection(&mut self, remote: SocketAddr) -> Option<PeerKey> {
        self.counters.connections_refused += 1;
        if self.may_log() {
            log::warn!("connection from {remote} refused: {}", Cause::Refused);
        }
        if self.tarpit >= TARPIT_MAX {
            return None;
        }
        let mut peer = Peer::new(Role::Accepted, None, remote, self.now);
        peer.life = Life::Tarpit;
        let key = self.table.insert(peer).ok()?;
        self.tarpit += 1;
        self.counters.connections_opened += 1;
        self.counters.connections_held += 1;
        self.set_peer_timer(key, PeerTimer::Life, TARPIT);
        Some(key)
    }

    fn push_out_oldest_handshake(&mut self) {
        while let Some(key) = self.handshaking.pop_front() {
            let unfinished = self.get(key).is_some_and(|peer| peer.is_open() && !peer.is_ready());
            if unfinished {
                self.close(key, Cause::HandshakePushedOut);
                return;
            }
        }
    }

    /// The ZMTP handshake with a peer is over.
    pub(in crate::hub) fn handshake_done(&mut self, key: PeerKey) {
        self.handshakes -= 1;
        self.counters.handshakes_done += 1;
        self.cancel_peer_timer(key, PeerTimer::Life);
        let Some(peer) = self.get(key).filter(|peer| peer.role == Role::Accepted) else { return };
        let address = peer.remote.ip();
        let is_within = |moment: Tick| self.now.since(moment) < Span::seconds(self.config.hint_s);
        let was_cut = self.cut.iter().any(|(cut, moment)| *cut == address && is_within(*moment));
        if is_within(self.born) || was_cut {
            self.set_peer_timer(key, PeerTimer::Hint, Span(HINT_AFTER_MS));
        }
    }

    /// A controller or viewer has sent a whole request: from here on it may be silent as long as it likes.
    pub(in crate::hub) fn first_request(&mut self, key: PeerKey) {
        if let Some(peer) = self.table.get_mut(key)
            && !core::mem::replace(&mut peer.has_asked, true)
        {
            self.handshakes -= 1;
            self.cancel_peer_timer(key, PeerTimer::Life);
        }
    }

    // ---- Names ----

    /// A name is signed in on this link.
    pub(in crate::hub) fn add_name(&mut self, key: PeerKey, name: ComponentKey) {
        let Some(peer) = self.table.get_mut(key) else { return };
        peer.names.push(name);
        if let Some(share) = peer.share {
            self.shares.add_names(share, 1);
        }
    }

    /// It is not any more.
    pub(in crate::hub) fn drop_name(&mut self, key: PeerKey, name: ComponentKey) {
        let Some(peer) = self.table.get_mut(key) else { return };
        let before = peer.names.len();
        peer.names.retain(|held| *held != name);
        if let Some(share) = peer.share {
            self.shares.take_names(share, before - peer.names.len());
        }
    }

    // ---- Ends ----

    /// Tells all who know the peer that it is not to be reckoned with any more; nothing more is read from it. Comes once in its life.
    fn unlink(&mut self, key: PeerKey, cause: Cause) {
        let Some(peer) = self.table.get_mut(key).filter(|peer| peer.is_open()) else { return };
        (peer.probed, peer.must_prove) = (false, false);
        let names = core::mem::take(&mut peer.names);
        if !names.is_empty() && !cause.is_theirs() {
            if self.cut.len() >= CUT_ADDRESSES_MAX {
                self.cut.pop_front();
            }
            self.cut.push_back((peer.remote.ip(), self.now));
        }
        if let Some(share) = peer.share {
            self.shares.take_names(share, names.len());
        }
        self.events.extend(names.into_iter().map(|component| Event::NameLeft { component, why: Left::Link(cause) }));
        if let Some(node) = peer.node.take() {
            self.events.push_back(Event::InboundLost { node, peer: key });
        }
        if peer.tells_of_room {
            self.events.push_back(Event::LinkEnded { peer: key });
        }
        match peer.role {
            Role::Dialled(node) => self.events.push_back(Event::DealerLost { node, peer: key }),
            Role::Kernel(provider) => self.events.push_back(Event::KernelLost { provider, peer: key, cause }),
            Role::Viewer => self.events.push_back(Event::ViewerLeft { peer: key, cause }),
            Role::Web => {
                self.events.push_back(Event::WebLeft { peer: key, cause });
                if peer.results().is_some() {
                    self.events.push_back(Event::ViewerLeft { peer: key, cause });
                }
            }
            Role::Topic => self.events.push_back(Event::TopicLeft { peer: key, cause }),
            Role::Channel(channel, _) => self.events.push_back(Event::ChannelLeft { channel, peer: key }),
            Role::Accepted | Role::Controller => {}
        }
        if let Some(list) = peer.held.take() {
            self.waits.leave(key, list);
        }
        self.break_passage(key);
        self.wake(For::Ring(key));
        self.wake(For::Probe(key));
        // What it leaves may be the memory that others wait for.
        self.wake(For::Copy);
    }

    /// Ends a peer at once; what waits for it goes back to its senders.
    pub(in crate::hub) fn close(&mut self, key: PeerKey, cause: Cause) {
        self.unlink(key, cause);
        self.end(key, cause);
    }

    /// Ends a peer whose handshake is broken. One that came by itself is held for a moment where there is room for that, and hears nothing: who is
    /// closed at once comes back ten times a second.
    pub(in crate::hub) fn tar(&mut self, key: PeerKey, cause: Cause) {
        let comes_back = |peer: &Peer| peer.role.is_accepted() && peer.is_open() && !peer.is_ready();
        if self.tarpit >= TARPIT_MAX || !self.get(key).is_some_and(comes_back) {
            return self.close(key, cause);
        }
        self.unlink(key, cause);
        self.note_broken_handshake(key, cause);
        *cause.counter(&mut self.counters) += 1;
        let Some(peer) = self.table.get_mut(key) else { return };
        peer.drop_input(&mut self.pool);
        peer.guard = None;
        peer.ring.clear(&mut self.pool);
        (peer.left, peer.opening, peer.life) = (0, 0, Life::Tarpit);
        if let Some(share) = peer.share.take() {
            self.shares.take_connection(share);
        }
        self.handshakes -= 1;
        self.tarpit += 1;
        self.set_peer_timer(key, PeerTimer::Life, TARPIT);
    }

    /// Ends a peer once everything that waits for it has left, at the latest after two seconds; one that is going already goes its way.
    pub(in crate::hub) fn finish(&mut self, key: PeerKey, cause: Cause) {
        self.unlink(key, cause);
        match self.get(key).map(|peer| (peer.life, peer.is_drained())) {
            Some((Life::Open, false)) => self.only_write(key, cause),
            Some((Life::Open | Life::Tarpit, _)) => self.end(key, cause),
            Some((Life::Finishing(_), _)) | None => {}
        }
    }

    /// A peer has ended its side. Who asks and then does so still wants the answers that wait or are being looked for; whoever takes none
    /// of them is closed as slow.
    pub(in crate::hub) fn end_of_input(&mut self, key: PeerKey, cause: Cause) {
        let wants_answers = |peer: &Peer| peer.role.is_plain() && peer.is_open() && !peer.has_all_answers();
        if cause == Cause::Peer && self.get(key).is_some_and(wants_answers) {
            self.unlink(key, cause);
            self.only_write(key, cause);
            self.cancel_peer_timer(key, PeerTimer::Life);
            self.watch_slow(key);
        } else {
            self.close(key, cause);
        }
    }

    /// A peer has ended its side, which has still to be read. Whoever speaks ZMTP is closed then, so what waits for it would be lost if it were
    /// written now: the other end may have gone long ago, if it is we who have stood still. One that is held is not read for now, and one that is
    /// only written to is not read any more.
    pub(in crate::hub) fn may_write_to_ended(&mut self, key: PeerKey) -> bool {
        let Some(peer) = self.get(key).filter(|peer| peer.role.is_zmtp()) else { return true };
        if !peer.is_open() {
            self.close(key, Cause::Peer);
            return false;
        }
        peer.held.is_some()
    }

    fn only_write(&mut self, key: PeerKey, cause: Cause) {
        let Some(peer) = self.table.get_mut(key) else { return };
        if !peer.is_ready() {
            self.handshakes -= 1;
        }
        peer.life = Life::Finishing(cause);
        peer.drop_input(&mut self.pool);
        peer.guard = None;
        self.want_flush(key);
        self.set_peer_timer(key, PeerTimer::Life, FAREWELL);
    }

    /// The last of a peer: its socket is closed, its memory given back.
    pub(super) fn end(&mut self, key: PeerKey, cause: Cause) {
        self.timers.cancel_all(key.slot());
        let shakes = |peer: &Peer| peer.role.is_zmtp() && !peer.is_ready() && peer.life != Life::Tarpit;
        let is_shaking = self.get(key).is_some_and(shakes);
        if is_shaking && cause != Cause::Refused {
            self.note_broken_handshake(key, cause);
        }
        let is_linked = self.get(key).is_some_and(|peer| peer.role.is_leco() && peer.is_ready());
        let returns = cause.returns_messages() && is_linked;
        // What the system had taken for it, or it had taken and not read, is gone.
        self.counters.ends_reset += u64::from(cause == Cause::Gone && is_linked);
        self.end_passage(key, returns);
        let Some(mut peer) = self.table.remove(key) else { return };
        debug_assert!(peer.held.is_none() && peer.names.is_empty(), "who ends has been unlinked");
        match peer.life {
            Life::Open if !peer.is_ready() => self.handshakes -= 1,
            Life::Tarpit => self.tarpit -= 1,
            Life::Open | Life::Finishing(_) => {}
        }
        self.plain -= usize::from(peer.role.is_beside());
        if let Some(share) = peer.share.take() {
            self.shares.take_connection(share);
        }
        peer.drop_input(&mut self.pool);
        if let Some(results) = peer.results_mut() {
            self.pool.refund(results.clear());
        }
        if let Some(sealed) = peer.sealed_mut() {
            sealed.clear(&mut self.pool);
        }
        let mut ring: Ring = core::mem::take(&mut peer.ring);
        let opening = usize::from(peer.opening);
        if matches!(peer.role, Role::Channel(_, Side::Subscriber | Side::Distributor)) {
            self.counters.published_drops += messages_in(ring.contiguous().get(opening..).unwrap_or_default());
        }
        if returns && ring.len() > opening {
            self.undelivered.push_back(Undelivered::new(ring, opening, &mut self.pool));
        } else {
            ring.clear(&mut self.pool);
        }
        self.counters.connections_closed += 1;
        if cause != Cause::Refused {
            *cause.counter(&mut self.counters) += 1;
        }
        // Of whom the tarpit has held it was told why, when it went in.
        if is_shaking || peer.life == Life::Tarpit || !cause.is_warning() {
            log::debug!("{} closed: {cause}", peer.remote);
        } else if self.may_log() {
            log::warn!("{} closed: {cause}", peer.remote);
        }
        self.outputs.push_back(Output::Close(key, cause));
    }

    /// A connection ends before its handshake has: whoever is there may speak another version or mechanism, and gives up as we do.
    fn note_broken_handshake(&mut self, key: PeerKey, cause: Cause) {
        // Whom nobody knows has been told of.
        let Some(peer) = self.get(key).filter(|_| cause != Cause::Stranger) else { return };
        let is_dialled = matches!(peer.role, Role::Dialled(_) | Role::Channel(_, Side::Gatherer(_)));
        let remote = peer.remote;
        let may_be = if let Role::Channel(_, side) = peer.role {
            of_channel(side)
        } else if peer.is_guarded {
            "it may expect another key of this node than the one that it has, or want another mechanism than it may have"
        } else {
            "it may want another version than ZMTP 3, a mechanism such as CURVE where this node speaks NULL, or be a PUB or SUB socket, which connects to a channel"
        };
        // Who connects and leaves without a word looks whether somebody listens.
        let has_spoken = peer.link.as_ref().is_some_and(|link| link.has_begun()) || !peer.tail.is_empty() || is_dialled;
        let cure = if let Cause::Zmtp(fault) = cause { self.keyring.cure(fault, is_dialled) } else { None };
        if let Some(cure) = cure.as_ref().filter(|_| is_dialled) {
            if self.may_log_of(key, About::Handshake) {
                log::error!("no link with the node at {remote}: {cause}; {cure}");
            }
        } else if cause.is_theirs() {
            self.counters.handshakes_left += 1;
            if has_spoken && self.may_log_of(key, About::Handshake) {
                log::warn!("{remote} left during the handshake: {may_be}");
            }
        } else if cause.is_warning() && self.may_log_of(key, About::Handshake) {
            let cure = cure.map_or_else(String::new, |cure| format!("; {cure}"));
            log::warn!("{remote} closed: {cause}{cure}");
        }
    }

    /// Whether anything that was taken in is still on its way, or may just be coming in.
    pub(in crate::hub) fn are_busy(&self) -> bool {
        let lately = |peer: &Peer| self.now.since(peer.last_heard) < LATELY;
        self.iter().any(|(_, peer)| {
            let is_linked = peer.is_open() && peer.role.is_zmtp() && peer.is_ready();
            is_linked && (peer.held.is_some() || peer.is_inside_message() || !peer.is_drained() || lately(peer))
        })
    }

    /// Says goodbye to every open peer, but `keep` those who still wait for an answer.
    pub(in crate::hub) fn finish_all(&mut self, keep: impl Fn(PeerKey) -> bool) {
        for slot in 0..self.slots_end() {
            if let Some(key) = self.key_at(slot)
                && self.is_open(key)
                && !keep(key)
            {
                self.finish(key, Cause::Stopping);
            }
        }
    }
}

/// What may be wrong with a socket that has not come to terms with that end of a channel.
const fn of_channel(side: Side) -> &'static str {
    match side {
        Side::Publisher => {
            "it was closed as soon as it was made, or is no PUB or XPUB socket, for which this port is: subscribers connect to the one below it"
        }
        Side::Subscriber => {
            "it was closed as soon as it was made, or is no SUB or XSUB socket, for which this port is: publishers connect to the one above it"
        }
        Side::Distributor => "this port is for other nodes: publishers and subscribers have ports of their own",
        Side::Gatherer(_) => "it may be no gatherer, or want CURVE",
    }
}
