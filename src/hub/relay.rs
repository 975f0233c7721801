//! Messages on their way: routing, queueing, holding senders back, refusing, and returning what could not be delivered.

use crate::leco::message::{self, HEADER_BYTES, Malformed, TYPE_JSON, View};
use crate::leco::name;
use crate::leco::nodes::Dealer;
use crate::leco::route::{self, Known, Owner, Place, Refusal, Verdict, is_session};
use crate::leco::rpc::{self, Document, Id, Item, RECEIVER_OVERLOADED, RpcError};
use crate::limits::{FULL_NAME_BYTES_MAX, MESSAGE_BYTES_CEILING, RING_RESERVE_BYTES};
use crate::store::pool::Pool;
use crate::store::ring::{Refused, Ring};
use crate::time::Span;
use crate::zmtp::frame::{self, Bounds, Found, Scan};

use super::expire::OfPeer;
use super::peer::{Flush, Held, Peer, Role};
use super::{ComponentKey, Hub, NodeKey, Outcome, PeerKey};

/// The ring of a receiver that has left; its whole messages go back to their senders.
#[derive(Debug)]
pub(super) struct Undelivered {
    ring: Ring,
}

impl Undelivered {
    /// `begun` bytes at the front belong to a message whose beginning has been sent.
    pub(super) fn new(mut ring: Ring, begun: usize, pool: &mut Pool) -> Self {
        ring.consume(begun, pool);
        Self { ring }
    }

    pub(super) const fn ring(&self) -> &Ring {
        &self.ring
    }
}

/// What the routing chart asks, answered from the tables for one sending peer.
struct Chart<'a> {
    hub: &'a Hub,
    key: PeerKey,
    peer: &'a Peer,
}

impl Known for Chart<'_> {
    type Component = ComponentKey;
    type Node = NodeKey;

    #[inline(always)]
    fn owner(&self, name: &[u8]) -> Owner {
        // The usual case: the one name of this link.
        if let Some(first) = self.peer.names.first()
            && self.hub.directory.get(*first).is_some_and(|component| *component.name == *name)
        {
            return Owner::ThisLink;
        }
        match self.hub.directory.find(name).and_then(|found| self.hub.directory.get(found)) {
            Some(component) if component.link == self.key => Owner::ThisLink,
            Some(_) => Owner::OtherLink,
            None => Owner::Nobody,
        }
    }

    #[inline]
    fn is_coordinator_of(&self, namespace: &[u8]) -> bool {
        self.peer
            .node
            .and_then(|node| self.hub.nodes.get(node))
            .is_some_and(|node| node.namespace.as_deref() == Some(namespace))
    }

    #[inline(always)]
    fn component(&self, name: &[u8]) -> Option<ComponentKey> {
        if let Some(last) = self.peer.last_receiver
            && self.hub.directory.get(last).is_some_and(|component| *component.name == *name)
        {
            return Some(last);
        }
        self.hub.directory.find(name)
    }

    #[inline]
    fn node(&self, namespace: &[u8]) -> Option<NodeKey> {
        let key = self.hub.nodes.find(namespace)?;
        matches!(self.hub.nodes.get(key)?.dealer, Dealer::Up(_)).then_some(key)
    }
}

/// Whether content is an answer: no error is ever sent because of one.
fn is_answer(view: &View<'_>) -> bool {
    let answer = |item: &Item| matches!(item, Item::Result { .. } | Item::Error { .. });
    view.content_type() == TYPE_JSON
        && view.payload.is_some_and(|payload| match Document::parse(payload) {
            Ok(Document::Single(item)) => answer(&item),
            Ok(Document::Batch(items)) => items.iter().all(answer),
            Err(_) => false,
        })
}

impl Hub {
    /// Deals with one whole message from a peer, `wire` being its bytes as they came.
    #[inline(always)]
    pub(super) fn take_message(&mut self, key: PeerKey, wire: &[u8], message: &frame::Message) -> Outcome {
        let part = |n| message.part(wire, n);
        let view = match View::new(part(0), part(1), part(2), part(3), part(4)) {
            Ok(view) => view,
            Err(malformed) => return self.malformed(key, malformed, [part(1), part(2), part(3), part(4)]),
        };
        let Some(peer) = self.peers.get(key) else { return Outcome::Done };
        if matches!(peer.role, Role::Dialled(_)) {
            return self.take_from_dialled(key, wire, &view);
        }
        let verdict = route::route(&Chart { hub: self, key, peer }, &self.prefix, view.sender, view.receiver);
        let outcome = match verdict {
            Verdict::Deliver(component) => self.deliver(key, component, wire, &view),
            Verdict::Forward(node) => self.forward(key, node, wire, &view),
            Verdict::Own => self.own(key, &view, None),
            Verdict::Session(name) => self.session_message(key, name, &view),
            Verdict::Unnamed(refusal) => self.own(key, &view, Some(refusal)),
            Verdict::Refuse(refusal) => self.refuse(key, &view, refusal),
        };
        if outcome != Outcome::Held {
            self.counters.messages_in += 1;
        }
        outcome
    }

    /// Drops a message that is not LECO, and tells its sender where it has one. `parts` are the frames from the receiver on.
    #[cold]
    fn malformed(&mut self, key: PeerKey, malformed: Malformed, parts: [Option<&[u8]>; 4]) -> Outcome {
        let [receiver, sender, header, payload] = parts;
        let header = header.and_then(|header| header.try_into().ok()).unwrap_or(&[0; HEADER_BYTES]);
        if let (Some(receiver), Some(sender)) = (receiver, sender)
            && (1..=FULL_NAME_BYTES_MAX).contains(&sender.len())
            && self.peers.get(key).is_some_and(|peer| peer.role == Role::Accepted)
        {
            let view = View { receiver, sender, header, payload };
            let reason = serde_json::Value::from(malformed.to_string());
            if self.answer_error(key, &view, rpc::INVALID_REQUEST, &reason) == Outcome::Held {
                return Outcome::Held;
            }
        }
        self.counters.messages_in += 1;
        self.counters.messages_malformed += 1;
        if self.may_log()
            && let Some(peer) = self.peers.get(key)
        {
            log::warn!("{}: message dropped: {malformed}", peer.remote);
        }
        Outcome::Done
    }

    #[inline(always)]
    fn deliver(&mut self, from: PeerKey, to: ComponentKey, wire: &[u8], view: &View<'_>) -> Outcome {
        let Some(component) = self.directory.get(to) else { return Outcome::Done };
        let link = component.link;
        match self.queue(link, wire) {
            Ok(()) => {
                self.counters.messages_delivered += 1;
                if let Some(peer) = self.peers.get_mut(from) {
                    peer.last_receiver = Some(to);
                }
                Outcome::Queued { to: link, forwarded: false }
            }
            Err(refused) => self.hold_for_room(from, link, refused, view),
        }
    }

    fn forward(&mut self, from: PeerKey, to: NodeKey, wire: &[u8], view: &View<'_>) -> Outcome {
        let Some(Dealer::Up(link)) = self.nodes.get(to).map(|node| node.dealer) else {
            return self.refuse(from, view, Refusal::NodeUnknown);
        };
        match self.queue(link, wire) {
            Ok(()) => {
                self.counters.messages_forwarded += 1;
                Outcome::Queued { to: link, forwarded: true }
            }
            Err(refused) => self.hold_for_room(from, link, refused, view),
        }
    }

    /// Queues in one go the messages that follow the last one between the same two ends: a busy sender pays for routing once in
    /// a read. Says how many bytes that was; none if they do not fit, as then each is judged by itself.
    #[inline(always)]
    pub(super) fn queue_run(&mut self, to: PeerKey, forwarded: bool, front: &[u8], buffer: &[u8]) -> usize {
        let (len, count) = frame::run(front, HEADER_BYTES, buffer, &self.bounds);
        if count == 0 || self.queue(to, buffer.get(..len).unwrap_or_default()).is_err() {
            return 0;
        }
        self.counters.messages_in += count;
        let queued =
            if forwarded { &mut self.counters.messages_forwarded } else { &mut self.counters.messages_delivered };
        *queued += count;
        len
    }

    /// Queues a message's wire bytes, whole or not at all.
    #[inline(always)]
    fn queue(&mut self, to: PeerKey, wire: &[u8]) -> Result<(), Refused> {
        let Some(peer) = self.peers.get_mut(to) else {
            debug_assert!(false, "names and nodes lead to living links");
            return Ok(());
        };
        peer.ring.push(&[wire], self.config.ring_bytes_max, &mut self.pool)?;
        if peer.flush == Flush::None {
            peer.flush = Flush::Queued;
            self.flushes.push_back(to);
        }
        Ok(())
    }

    /// The ring has no room: holds the sender, or refuses the message once the receiver has stood still for `stall_ms`.
    #[cold]
    fn hold_for_room(&mut self, from: PeerKey, to: PeerKey, refused: Refused, view: &View<'_>) -> Outcome {
        let stall = Span(self.config.stall_ms);
        let Some(receiver) = self.peers.get_mut(to) else { return Outcome::Done };
        let waited = self.now.since(*receiver.full_since.get_or_insert(self.now));
        // A peer that waits for room in its own ring must read first: nobody else can tell it anything.
        if waited >= stall && from != to {
            if let Outcome::Held = self.answer_error(from, view, RECEIVER_OVERLOADED, &shown(view.receiver)) {
                return Outcome::Held;
            }
            self.counters.refused_overload += 1;
            return Outcome::Done;
        }
        self.hold(from, to, refused, Span(stall.0.saturating_sub(waited.0).max(1)))
    }

    /// Stops reading `from` until `to` has room, or the pool where that is what is lacking, or `patience` is over.
    fn hold(&mut self, from: PeerKey, to: PeerKey, refused: Refused, patience: Span) -> Outcome {
        let Some(receiver) = self.peers.get_mut(to) else { return Outcome::Done };
        receiver.add_waiter(from);
        if refused == Refused::Memory {
            self.wait_for_memory(from);
        }
        if let Some(sender) = self.peers.get_mut(from) {
            sender.held = Some(Held::Ring(to));
        }
        self.counters.senders_held += 1;
        // Who waits for room in its own ring waits until it reads, or is closed for not reading.
        if from != to {
            self.of_peer(from, OfPeer::Stall, patience);
        }
        Outcome::Held
    }

    /// Refuses a message for a reason of the routing chart.
    #[cold]
    pub(super) fn refuse(&mut self, from: PeerKey, view: &View<'_>, refusal: Refusal) -> Outcome {
        if refusal == Refusal::NotYours && self.contest(from, view.sender) {
            return Outcome::Held;
        }
        let data = match refusal {
            Refusal::NodeUnknown => shown(name::FullName::split(view.receiver).namespace),
            Refusal::ReceiverUnknown => shown(view.receiver),
            Refusal::NotSignedIn | Refusal::NotACoordinator | Refusal::NotYours => shown(view.sender),
        };
        if self.answer_error(from, view, refusal.error(), &data) == Outcome::Held {
            return Outcome::Held;
        }
        let counter = match refusal {
            Refusal::NotSignedIn | Refusal::NotACoordinator => &mut self.counters.refused_not_signed_in,
            Refusal::NotYours => &mut self.counters.refused_not_yours,
            Refusal::NodeUnknown => &mut self.counters.refused_node_unknown,
            Refusal::ReceiverUnknown => &mut self.counters.refused_receiver_unknown,
        };
        *counter += 1;
        if self.may_log() {
            log::info!(
                "{} -> {} refused: {}",
                data_text(view.sender),
                data_text(view.receiver),
                refusal.error().message
            );
        }
        Outcome::Done
    }

    /// Somebody uses a name that another link holds. Answers `true`, with the newcomer held, if the owner has been silent and
    /// is now asked for a sign of life.
    pub(super) fn contest(&mut self, from: PeerKey, sender: &[u8]) -> bool {
        let Place::Here(name) = Place::of(sender, &self.prefix) else { return false };
        let owner = self.directory.find(name).and_then(|key| self.directory.get(key)).map(|component| component.link);
        owner.is_some_and(|owner| self.probe(owner, from))
    }

    /// Asks `owner` for a sign of life on behalf of `newcomer`, who is held until there is one or `takeover_ms` is over. Answers
    /// `false` if the owner has just given one.
    pub(super) fn probe(&mut self, owner: PeerKey, newcomer: PeerKey) -> bool {
        let patience = Span(self.config.takeover_ms);
        let Some(peer) = self.peers.get_mut(owner) else { return false };
        let alive = self.now.since(peer.last_heard) < patience || peer.held.is_some();
        if alive && !peer.probed || owner == newcomer {
            return false;
        }
        peer.add_waiter(newcomer);
        if !peer.probed {
            peer.probed = true;
            self.counters.probes += 1;
            self.of_peer(owner, OfPeer::Takeover, patience);
            if !self.ping(owner) {
                let asked = self.peers.get(owner).and_then(|peer| peer.names.first()).copied();
                if let Some(component) = asked.and_then(|key| self.directory.get(key)) {
                    let name = self.named_here(&component.name);
                    self.ask_pong(owner, &name);
                }
            }
        }
        if let Some(peer) = self.peers.get_mut(newcomer) {
            peer.held = Some(Held::Probe(owner));
        }
        true
    }

    /// A probed owner lives: those who claim its name are judged again, and refused.
    pub(super) fn probe_answered(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.probed = false;
        }
        self.peer_timers.cancel(key.slot(), OfPeer::Takeover as usize);
        self.wake_waiters(key);
    }

    // ---- Messages of our own ----

    /// Queues a message of ours, with the reserve that is kept for such.
    pub(super) fn queue_own(
        &mut self,
        to: PeerKey,
        receiver: &[u8],
        header: &[u8; HEADER_BYTES],
        payload: &[u8],
    ) -> Result<(), Refused> {
        let by = core::mem::take(&mut self.full_name);
        let queued = self.queue_as(to, receiver, &by, header, payload);
        self.full_name = by;
        queued
    }

    /// The same, said by `sender`.
    pub(super) fn queue_as(
        &mut self,
        to: PeerKey,
        receiver: &[u8],
        sender: &[u8],
        header: &[u8; HEADER_BYTES],
        payload: &[u8],
    ) -> Result<(), Refused> {
        let Some(peer) = self.peers.get_mut(to) else { return Ok(()) };
        if !peer.takes_messages() {
            return Ok(());
        }
        let bodies: [&[u8]; 5] = [message::VERSION, receiver, sender, header, payload];
        let mut heads = [[0; 9]; 5];
        let mut parts: [&[u8]; 10] = [&[]; 10];
        for (n, (head, body)) in heads.iter_mut().zip(bodies).enumerate() {
            let len = frame::write_head(head, n < 4, body.len());
            let pair: [&[u8]; 2] = [head.get(..len).unwrap_or_default(), body];
            if let Some(places) = parts.get_mut(2 * n..2 * n + 2) {
                places.copy_from_slice(&pair);
            }
        }
        peer.ring.push(&parts, self.config.ring_bytes_max + RING_RESERVE_BYTES, &mut self.pool)?;
        self.want_flush(to);
        Ok(())
    }

    /// A header for a conversation that we begin.
    pub(super) fn new_header(&mut self) -> [u8; HEADER_BYTES] {
        let random = (u128::from(self.random()) << 64) | u128::from(self.random());
        message::new_header(self.unix_ms(), random)
    }

    /// Sends a `pong` request; it is only a question, so a full ring is no matter.
    pub(super) fn ask_pong(&mut self, to: PeerKey, receiver: &[u8]) {
        let header = self.new_header();
        let asked = self.queue_own(to, receiver, &header, rpc::request(0, "pong", &serde_json::Value::Null).as_bytes());
        if asked.is_err() {
            log::debug!("no room to ask {} for a sign of life", data_text(receiver));
        }
    }

    /// The link on which the sender of a message can be told something: the link it came on for local senders, our DEALER
    /// to its node for others.
    pub(super) fn way_back(&self, from: PeerKey, sender: &[u8]) -> Option<PeerKey> {
        let Place::There { namespace, .. } = Place::of(sender, &self.prefix) else { return Some(from) };
        if self.peers.get(from).is_some_and(|peer| peer.node.is_none()) {
            // Whoever it is, it is only known by this link.
            return Some(from);
        }
        match self.nodes.get(self.nodes.find(namespace)?)?.dealer {
            Dealer::Up(link) => Some(link),
            Dealer::None | Dealer::Waiting | Dealer::Dialling | Dealer::SigningIn(_) => None,
        }
    }

    /// Answers a message with an error that belongs to no request, unless the message is an answer itself. `Held` when there is no
    /// room for the error on the way back.
    pub(super) fn answer_error(
        &mut self,
        from: PeerKey,
        view: &View<'_>,
        error: RpcError,
        data: &serde_json::Value,
    ) -> Outcome {
        if is_answer(view) {
            self.counters.errors_dropped += 1;
            return Outcome::Done;
        }
        let Some(link) = self.way_back(from, view.sender) else {
            self.counters.errors_dropped += 1;
            return Outcome::Done;
        };
        let mut text = String::new();
        rpc::write_error(&mut text, &Id::NULL, error, data);
        match self.queue_own(link, view.sender, &message::answer_header(view.header), text.as_bytes()) {
            Ok(()) => Outcome::Done,
            Err(refused) => self.hold_for_answer(from, link, refused),
        }
    }

    /// There is no room for an answer: the asking peer is held until there is. If the way back leads over another link that has
    /// stood still for `stall_ms`, the answer is given up.
    pub(super) fn hold_for_answer(&mut self, from: PeerKey, link: PeerKey, refused: Refused) -> Outcome {
        let stall = Span(self.config.stall_ms);
        let Some(receiver) = self.peers.get_mut(link) else { return Outcome::Done };
        let waited = self.now.since(*receiver.full_since.get_or_insert(self.now));
        if from != link && waited >= stall {
            self.counters.answers_dropped += 1;
            return Outcome::Done;
        }
        self.hold(from, link, refused, Span(stall.0.saturating_sub(waited.0).max(1)))
    }

    // ---- Undelivered ----

    /// Returns messages that waited for a receiver that has left: each sender gets an error for each of its messages. Stops where a
    /// sender's ring has no room and goes on when rings have moved.
    pub(super) fn return_undelivered(&mut self) {
        let mut left = core::mem::take(&mut self.undelivered);
        while let Some(mut undelivered) = left.pop_front() {
            if !self.return_some(&mut undelivered.ring) {
                left.push_front(undelivered);
                break;
            }
        }
        // Closing a link on the way may have added more.
        left.append(&mut self.undelivered);
        self.undelivered = left;
    }

    /// Works through one ring; answers whether it is empty now.
    fn return_some(&mut self, ring: &mut Ring) -> bool {
        // Our own answers may be larger than what a peer may send.
        let bounds = Bounds { frame_bytes_max: MESSAGE_BYTES_CEILING, message_bytes_max: MESSAGE_BYTES_CEILING };
        loop {
            let waiting = ring.contiguous();
            if waiting.is_empty() {
                ring.clear(&mut self.pool);
                return true;
            }
            let gone = match Scan::default().next(waiting, &bounds) {
                Ok(Found::Message(message)) => {
                    let wire = waiting.get(..message.len).unwrap_or_default();
                    if !self.return_one(wire, &message) {
                        return false;
                    }
                    message.len
                }
                Ok(Found::Command { head, body, .. }) => head + body,
                Ok(Found::Need(_)) | Err(_) => {
                    debug_assert!(false, "a ring holds whole messages");
                    waiting.len()
                }
            };
            ring.consume(gone, &mut self.pool);
        }
    }

    /// Tells one message's sender that it was not delivered; `false` if there is no room to say so now.
    fn return_one(&mut self, wire: &[u8], message: &frame::Message) -> bool {
        let part = |n| message.part(wire, n);
        let Ok(view) = View::new(part(0), part(1), part(2), part(3), part(4)) else { return true };
        let ours = view.sender.strip_prefix(&*self.prefix).is_some_and(is_session);
        if ours || *view.sender == *self.full_name || is_answer(&view) {
            return true;
        }
        let link = match Place::of(view.sender, &self.prefix) {
            Place::Here(name) => {
                self.directory.find(name).and_then(|key| self.directory.get(key)).map(|found| found.link)
            }
            Place::There { namespace, .. } => self
                .nodes
                .find(namespace)
                .and_then(|key| self.nodes.get(key))
                .and_then(|node| if let Dealer::Up(link) = node.dealer { Some(link) } else { None }),
        };
        let Some(link) = link else {
            self.counters.errors_dropped += 1;
            return true;
        };
        let mut text = String::new();
        rpc::write_error(&mut text, &Id::NULL, RECEIVER_OVERLOADED, &shown(view.receiver));
        let queued = self.queue_own(link, view.sender, &message::answer_header(view.header), text.as_bytes());
        match queued {
            Ok(()) => self.counters.returned_undelivered += 1,
            Err(Refused::Full) => return false,
            // The very ring that is being returned may hold the last of the memory.
            Err(Refused::Memory) => self.counters.errors_dropped += 1,
        }
        true
    }
}

/// A name as JSON data.
pub(super) fn shown(name: &[u8]) -> serde_json::Value {
    serde_json::Value::from(name::shown(name))
}

/// A name for the log.
pub(super) fn data_text(name: &[u8]) -> String {
    name::shown(name)
}
