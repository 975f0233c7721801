//! Messages on their way: routing, queueing, holding senders back, refusing, and returning what could not be delivered.

use crate::leco::message::{self, HEADER_BYTES, Malformed, View};
use crate::leco::name;
use crate::leco::route::{self, Known, Owner, Place, Refusal, Verdict, is_session};
use crate::leco::rpc::{self, Id, RECEIVER_OVERLOADED, RpcError};
use crate::limits::{FULL_NAME_BYTES_MAX, MESSAGE_BYTES_CEILING, RETURN_WINDOW_MS};
use crate::store::ring::{NoRoom, Ring};
use crate::time::Span;
use crate::zmtp::frame::{self, Bounds, Found, Scan};

use super::permits::{self, Permit, is_answer};
use crate::auth::{Action, Target};
use crate::hub::keys::{ComponentKey, PeerKey};
use crate::hub::names::{Names, new_header, say_as, shown};
use crate::hub::peers::{About, For, Moment, Outcome, Peer, PeerTimer, Peers, Role};

/// What the routing chart asks, answered from the tables for one sending peer.
pub(super) struct Chart<'a> {
    pub(super) names: &'a Names,
    pub(super) key: PeerKey,
    pub(super) peer: &'a Peer,
}

impl Known for Chart<'_> {
    type Component = ComponentKey;
    /// Our DEALER to it.
    type Node = PeerKey;

    #[inline(always)]
    fn owner(&self, name: &[u8]) -> Owner {
        // The usual case: the one name of this link.
        if let Some(first) = self.peer.names.first()
            && let Some(component) = self.names.directory.get(*first)
            && component.name == *name
        {
            return Owner::ThisLink;
        }
        self.names.owner_of(name, self.key)
    }

    #[inline]
    fn is_coordinator_of(&self, namespace: &[u8]) -> bool {
        self.names.is_coordinator_of(self.peer, namespace)
    }

    #[inline(always)]
    fn component(&self, name: &[u8]) -> Option<ComponentKey> {
        if let Some(last) = self.peer.last_receiver
            && let Some(component) = self.names.directory.get(last)
            && component.name == *name
        {
            return Some(last);
        }
        self.names.directory.find(name)
    }

    #[cold]
    fn is_own(&self, name: &[u8]) -> bool {
        self.names.is_own(name)
    }

    #[inline(always)]
    fn node(&self, namespace: &[u8]) -> Option<PeerKey> {
        let node = self.names.nodes.find(namespace)?;
        if self.names.nodes.get(node)?.is_leaving { None } else { self.names.link_to(node) }
    }
}

/// What the routing chart says of a message, carried out as far as it concerns messages on their way.
#[derive(Debug)]
pub(in crate::hub) enum Taken<'a> {
    /// It is on its way, refused, or held.
    Routed(Outcome),
    /// It is for this Coordinator; with a refusal, only the calls that it allows are answered.
    Own(Option<Refusal>),
    /// It is for the session of this name.
    Session(&'a [u8]),
    /// It is for a session or a channel, from somebody who is refused for this reason, but may look on.
    Onlooker(Refusal),
}

/// Deals with one whole LECO message from an accepted peer, `wire` being its bytes as they came.
#[inline(always)]
pub(in crate::hub) fn take<'a>(
    peers: &mut Peers,
    names: &Names,
    key: PeerKey,
    wire: &[u8],
    view: &View<'a>,
) -> Taken<'a> {
    if peers.users.is_restricting() {
        return take_permitted(peers, names, key, wire, view);
    }
    let Some(peer) = peers.get(key) else { return Taken::Routed(Outcome::Done) };
    let verdict = route::route(&Chart { names, key, peer }, &names.prefix, view.sender, view.receiver);
    carry_out(peers, names, key, verdict, wire, view)
}

#[inline(always)]
fn carry_out<'a>(
    peers: &mut Peers,
    names: &Names,
    key: PeerKey,
    verdict: Verdict<'a, ComponentKey, PeerKey>,
    wire: &[u8],
    view: &View<'_>,
) -> Taken<'a> {
    Taken::Routed(match verdict {
        Verdict::Deliver(component) => deliver(peers, names, key, component, wire, view),
        Verdict::Forward(link) => forward(peers, names, key, link, wire, view),
        Verdict::Own => return Taken::Own(None),
        Verdict::Session(name) => return Taken::Session(name),
        Verdict::Unnamed(refusal) => return Taken::Own(Some(refusal)),
        Verdict::Refuse(refusal) => return refuse_or_look(peers, names, key, view, refusal),
    })
}

/// A message is refused, unless somebody asks a session or a channel who may look on.
#[cold]
#[inline(never)]
fn refuse_or_look<'a>(peers: &mut Peers, names: &Names, from: PeerKey, view: &View<'_>, refusal: Refusal) -> Taken<'a> {
    let is_ours = own_name(names, view).is_some();
    if is_ours && is_onlooker(peers, names, from, view.sender, refusal) {
        return Taken::Onlooker(refusal);
    }
    Taken::Routed(refuse(peers, names, from, view, refusal))
}

/// The session or channel that a message is for, by its name without a namespace.
#[cold]
pub(in crate::hub) fn own_name<'a>(names: &Names, view: &View<'a>) -> Option<&'a [u8]> {
    match Place::of(view.receiver, &names.prefix) {
        Place::Here(name) if is_session(name) || names.is_own(name) => Some(name),
        Place::Here(_) | Place::There { .. } => None,
    }
}

/// Whether the user at the other end may not have the name under which it is refused: it has none, and can have none.
#[cold]
pub(in crate::hub) fn is_onlooker(
    peers: &Peers,
    names: &Names,
    from: PeerKey,
    sender: &[u8],
    refusal: Refusal,
) -> bool {
    refusal == Refusal::NotSignedIn
        && peers.lacks(from, Action::SignIn, Target::Name(&names.full_name_of(sender))).is_some()
}

/// The same where somebody may not send to everybody.
#[cold]
#[inline(never)]
fn take_permitted<'a>(peers: &mut Peers, names: &Names, key: PeerKey, wire: &[u8], view: &View<'a>) -> Taken<'a> {
    let Some(peer) = peers.get(key) else { return Taken::Routed(Outcome::Done) };
    let verdict = route::route(&Chart { names, key, peer }, &names.prefix, view.sender, view.receiver);
    let permit = permits::judge(peers, names, key, view, &verdict);
    if let Permit::Refused(lacks) = permit {
        return Taken::Routed(forbid(peers, names, key, view, lacks));
    }
    let taken = carry_out(peers, names, key, verdict, wire, view);
    if let Taken::Routed(Outcome::Queued { to, forwarded: false } | Outcome::Large { to, forwarded: false }) = taken {
        permits::note(peers, names, to, view);
    }
    if permit == Permit::Answer
        && let Some(peer) = peers.get_mut(key)
    {
        // It goes to whom its sender may not send to: nothing of that is remembered.
        peer.last_receiver = None;
    }
    taken
}

/// Tells the sender of a message that it may not send to that receiver.
#[cold]
fn forbid(peers: &mut Peers, names: &Names, from: PeerKey, view: &View<'_>, lacks: &'static str) -> Outcome {
    let receiver = names.full_name_of(view.receiver);
    let (error, data) = peers.forbid(from, "send", lacks, Target::Name(&receiver));
    answer_error(peers, names, from, view, error, &data)
}

/// Drops a message that is not LECO, and tells its sender where it has one. `parts` are the frames from the receiver on.
#[cold]
pub(in crate::hub) fn malformed(
    peers: &mut Peers,
    names: &Names,
    key: PeerKey,
    malformed: Malformed,
    parts: [Option<&[u8]>; 4],
) -> Outcome {
    let [receiver, sender, header, payload] = parts;
    let header = header.and_then(|header| header.try_into().ok()).unwrap_or(&[0; HEADER_BYTES]);
    if let (Some(receiver), Some(sender)) = (receiver, sender)
        && (malformed == Malformed::Name || (1..=FULL_NAME_BYTES_MAX).contains(&sender.len()))
        && peers.get(key).is_some_and(|peer| peer.role == Role::Accepted)
    {
        // Whoever has such a name is told so, under as much of it as a name can have.
        let sender = sender.get(..FULL_NAME_BYTES_MAX).unwrap_or(sender);
        let view = View { receiver, sender, header, payload };
        let reason = serde_json::Value::from(malformed.to_string());
        if answer_error(peers, names, key, &view, rpc::INVALID_REQUEST, &reason) == Outcome::Held {
            return Outcome::Held;
        }
    }
    peers.counters.messages_in += 1;
    peers.counters.messages_malformed += 1;
    let may_log = if malformed == Malformed::Name { peers.may_log_of(key, About::Name) } else { peers.may_log() };
    if may_log && let Some(peer) = peers.get(key) {
        log::warn!("{}: message dropped: {malformed}", peer.remote);
    }
    Outcome::Done
}

#[inline(always)]
fn deliver(peers: &mut Peers, names: &Names, from: PeerKey, to: ComponentKey, wire: &[u8], view: &View<'_>) -> Outcome {
    let Some(component) = names.directory.get(to) else { return Outcome::Done };
    let link = component.link;
    match peers.queue(link, wire) {
        Ok(()) => {
            peers.counters.messages_delivered += 1;
            if let Some(peer) = peers.get_mut(from) {
                peer.last_receiver = Some(to);
            }
            Outcome::Queued { to: link, forwarded: false }
        }
        Err(refused) => no_room(peers, names, from, (link, false), refused, wire, view),
    }
}

#[inline(always)]
fn forward(peers: &mut Peers, names: &Names, from: PeerKey, link: PeerKey, wire: &[u8], view: &View<'_>) -> Outcome {
    match peers.queue(link, wire) {
        Ok(()) => {
            peers.counters.messages_forwarded += 1;
            Outcome::Queued { to: link, forwarded: true }
        }
        Err(refused) => no_room(peers, names, from, (link, true), refused, wire, view),
    }
}

/// Queues in one go the messages that follow the last one between the same two ends: a busy sender pays for routing once in
/// a read. Says how many bytes that was; none if they do not fit, as then each is judged by itself.
#[inline(always)]
pub(in crate::hub) fn queue_run(peers: &mut Peers, to: PeerKey, forwarded: bool, front: &[u8], buffer: &[u8]) -> usize {
    if peers.users.is_restricting() {
        // Each is looked at.
        return 0;
    }
    let bounds = peers.bounds;
    let (len, count) = frame::run(front, HEADER_BYTES, buffer, &bounds);
    let messages = u32::try_from(count).unwrap_or(u32::MAX);
    if count == 0 || peers.queue_several(to, buffer.get(..len).unwrap_or_default(), messages).is_err() {
        return 0;
    }
    peers.counters.messages_in += count;
    let queued =
        if forwarded { &mut peers.counters.messages_forwarded } else { &mut peers.counters.messages_delivered };
    *queued += count;
    len
}

/// A document cannot be taken in, as a member of its session has no room for it: holds its author, or refuses it once that member has
/// stood still for `stall_ms`.
#[cold]
pub(in crate::hub) fn hold_for_member(
    peers: &mut Peers,
    names: &Names,
    from: PeerKey,
    (link, member): (PeerKey, &[u8]),
    view: &View<'_>,
) -> Outcome {
    match peers.hold_unless_stalled(from, link, NoRoom::Full) {
        None => return Outcome::Done,
        Some(true) => return Outcome::Held,
        Some(false) => {}
    }
    let data = serde_json::json!({
        "session": name::shown(view.receiver),
        "member": name::shown(member),
        "reason": "this member does not take what the session has for it",
    });
    let by = names.full_name_of(view.receiver);
    if answer_error_by(peers, names, &by, from, view, RECEIVER_OVERLOADED, &data) == Outcome::Held {
        return Outcome::Held;
    }
    peers.counters.refused_overload += 1;
    Outcome::Done
}

/// The ring has no room. A message that is larger than any ring goes beside it, one at a time.
#[cold]
fn no_room(
    peers: &mut Peers,
    names: &Names,
    from: PeerKey,
    (to, forwarded): (PeerKey, bool),
    refused: NoRoom,
    wire: &[u8],
    view: &View<'_>,
) -> Outcome {
    if wire.len() > peers.config.ring_bytes_max && peers.takes_large(to, wire.len()) {
        return Outcome::Large { to, forwarded };
    }
    hold_for_room(peers, names, from, to, refused, view)
}

/// The ring has no room: holds the sender, or refuses the message once the receiver has stood still for `stall_ms`.
#[cold]
pub(super) fn hold_for_room(
    peers: &mut Peers,
    names: &Names,
    from: PeerKey,
    to: PeerKey,
    refused: NoRoom,
    view: &View<'_>,
) -> Outcome {
    match peers.hold_unless_stalled(from, to, refused) {
        None => return Outcome::Done,
        Some(true) => return Outcome::Held,
        Some(false) => {}
    }
    if let Outcome::Held = answer_error(peers, names, from, view, RECEIVER_OVERLOADED, &shown(view.receiver)) {
        return Outcome::Held;
    }
    peers.note_drops(to, 1);
    peers.counters.refused_overload += 1;
    Outcome::Done
}

/// Refuses a message for a reason of the routing chart.
#[cold]
pub(in crate::hub) fn refuse(
    peers: &mut Peers,
    names: &Names,
    from: PeerKey,
    view: &View<'_>,
    refusal: Refusal,
) -> Outcome {
    if refusal == Refusal::NotYours && contest(peers, names, from, view.sender) {
        return Outcome::Held;
    }
    if refusal == Refusal::ReceiverUnknown && may_come_back(peers, names, from, view.receiver) {
        return Outcome::Held;
    }
    let data = match refusal {
        Refusal::NodeUnknown => shown(name::FullName::split(view.receiver).namespace),
        Refusal::ReceiverUnknown => shown(view.receiver),
        Refusal::NotSignedIn
        | Refusal::NotACoordinator
        | Refusal::NotOurs
        | Refusal::NoNamespace
        | Refusal::NotYours => shown(view.sender),
    };
    if answer_error(peers, names, from, view, refusal.error(), &data) == Outcome::Held {
        return Outcome::Held;
    }
    let counter = match refusal {
        Refusal::NotSignedIn | Refusal::NotACoordinator | Refusal::NotOurs | Refusal::NoNamespace => {
            &mut peers.counters.refused_not_signed_in
        }
        Refusal::NotYours => &mut peers.counters.refused_not_yours,
        Refusal::NodeUnknown => &mut peers.counters.refused_node_unknown,
        Refusal::ReceiverUnknown => &mut peers.counters.refused_receiver_unknown,
    };
    *counter += 1;
    if peers.may_log() {
        log::info!(
            "{} -> {} refused: {}",
            name::shown(view.sender),
            name::shown(view.receiver),
            refusal.error().message
        );
    }
    Outcome::Done
}

/// Nobody has the receiver's name at this node, but somebody has just had it, or nobody can have come back yet as we have just started:
/// holds the sender, for a second at the most. An error in between makes programs give up for good that would go on.
fn may_come_back(peers: &mut Peers, names: &Names, from: PeerKey, receiver: &[u8]) -> bool {
    let Place::Here(name) = Place::of(receiver, &names.prefix) else { return false };
    let Some(peer) = peers.get(from).filter(|peer| peer.role == Role::Accepted && peer.node.is_none()) else {
        return false;
    };
    let is_new = peers.now.since(peers.born).0 < RETURN_WINDOW_MS;
    // After the start each sender waits once, after a cut each name.
    let since = match names.lost_at(name) {
        Some(lost) => lost,
        None if is_new => peer.waited_for_names.map_or(peers.now, Moment::tick),
        None => return false,
    };
    let waited = peers.now.since(since).0;
    if waited >= peers.config.return_ms || peers.stopping {
        return false;
    }
    if let Some(peer) = peers.get_mut(from) {
        peer.waited_for_names.get_or_insert_with(|| Moment::of(since));
    }
    peers.wait(from, For::Name);
    peers.set_peer_timer(from, PeerTimer::Stall, Span(peers.config.return_ms - waited));
    true
}

/// Tells a newcomer that says nothing that it has not signed in: a Component that has lost its Coordinator by our restart, or by our closing its link,
/// does not know that.
pub(in crate::hub) fn hint(peers: &mut Peers, names: &Names, to: PeerKey) {
    let mut text = String::new();
    rpc::write_error(&mut text, &Id::NULL, rpc::NOT_SIGNED_IN, &serde_json::Value::Null);
    let header = new_header(peers);
    if names.say(peers, to, name::COORDINATOR, &header, text.as_bytes()).is_ok() {
        peers.counters.hints += 1;
    }
}

/// Somebody uses a name that another link holds. Answers `true`, with the newcomer held, if the owner has been silent and
/// is now asked for a sign of life.
pub(in crate::hub) fn contest(peers: &mut Peers, names: &Names, from: PeerKey, sender: &[u8]) -> bool {
    let Place::Here(name) = Place::of(sender, &names.prefix) else { return false };
    names.local_link(name).is_some_and(|owner| probe(peers, names, owner, from))
}

/// Asks `owner` for a sign of life on behalf of `newcomer`, who is held until there is one or `takeover_ms` is over. Answers
/// `false` if the owner has just given one, or is on another machine: only who may be the same program come back takes a name over. At the end
/// of the process nobody does.
fn probe(peers: &mut Peers, names: &Names, owner: PeerKey, newcomer: PeerKey) -> bool {
    let patience = Span(peers.config.takeover_ms);
    let (Some(peer), Some(claimant)) = (peers.get(owner), peers.get(newcomer)) else { return false };
    let is_same_user = peers.users.is_off() || peer.user == claimant.user;
    if peer.address() != claimant.address() || !is_same_user || peers.stopping {
        return false;
    }
    let alive = peers.now.since(peer.last_heard) < patience || peer.held.is_some();
    if alive && !peer.probed || owner == newcomer {
        return false;
    }
    if !peer.probed {
        if let Some(peer) = peers.get_mut(owner) {
            peer.probed = true;
        }
        peers.counters.probes += 1;
        peers.set_peer_timer(owner, PeerTimer::Takeover, patience);
        if !peers.ping(owner) {
            let asked = peers.get(owner).and_then(|peer| peer.names.first()).copied();
            if let Some(component) = asked.and_then(|key| names.directory.get(key)) {
                let name = names.named_here(&component.name);
                names.ask_pong(peers, owner, &name);
            }
        }
    }
    peers.wait(newcomer, For::Probe(owner));
    true
}

/// A probed owner lives: those who claim its name are judged again, and refused.
pub(in crate::hub) fn probe_answered(peers: &mut Peers, key: PeerKey) {
    let Some(peer) = peers.get_mut(key) else { return };
    peer.probed = false;
    if !peer.must_prove {
        peers.cancel_peer_timer(key, PeerTimer::Takeover);
    }
    peers.wake(For::Probe(key));
}

/// A node has answered on this link: whoever else claims to be it is judged again, and refused.
pub(super) fn proof_given(peers: &mut Peers, key: PeerKey) {
    let Some(peer) = peers.get_mut(key) else { return };
    peer.must_prove = false;
    if !peer.probed {
        peers.cancel_peer_timer(key, PeerTimer::Takeover);
    }
    peers.wake(For::Probe(key));
}

/// Answers a message with an error that belongs to no request, unless the message is an answer itself. `Held` when there is no
/// room for the error on the way back.
pub(in crate::hub) fn answer_error(
    peers: &mut Peers,
    names: &Names,
    from: PeerKey,
    view: &View<'_>,
    error: RpcError,
    data: &serde_json::Value,
) -> Outcome {
    answer_error_by(peers, names, &names.full_name, from, view, error, data)
}

/// The same, said by somebody else at this node.
fn answer_error_by(
    peers: &mut Peers,
    names: &Names,
    by: &[u8],
    from: PeerKey,
    view: &View<'_>,
    error: RpcError,
    data: &serde_json::Value,
) -> Outcome {
    if is_answer(view) {
        peers.counters.errors_dropped += 1;
        return Outcome::Done;
    }
    let Some(link) = names.way_back(peers, from, view.sender) else {
        peers.counters.errors_dropped += 1;
        return Outcome::Done;
    };
    let mut text = String::new();
    rpc::write_error(&mut text, &Id::NULL, error, data);
    match say_as(peers, link, by, view.sender, &message::answer_header(view.header), text.as_bytes()) {
        Ok(()) => Outcome::Done,
        Err(refused) => peers.hold_for_answer(from, link, refused),
    }
}

// ---- Undelivered ----

/// Returns messages that waited for a receiver that has left: each sender gets an error for each of its messages. Stops where a
/// sender's ring has no room and goes on when rings have moved, or in the next turn when many have been returned in this one. At the end of the
/// process there may be no next turn.
pub(in crate::hub) fn return_undelivered(peers: &mut Peers, names: &Names) {
    while peers.may_return()
        && let Some(mut undelivered) = peers.undelivered.pop_front()
    {
        if !return_some(peers, names, &mut undelivered.ring) {
            peers.undelivered.push_front(undelivered);
            break;
        }
    }
}

/// Works through one ring; answers whether it is empty now.
fn return_some(peers: &mut Peers, names: &Names, ring: &mut Ring) -> bool {
    // Our own answers may be larger than what a peer may send.
    let bounds = Bounds { frame_bytes_max: MESSAGE_BYTES_CEILING, message_bytes_max: MESSAGE_BYTES_CEILING };
    loop {
        let waiting = ring.contiguous();
        if waiting.is_empty() {
            ring.clear(&mut peers.pool);
            return true;
        }
        if !peers.may_return() {
            return false;
        }
        let gone = match Scan::default().next(waiting, &bounds) {
            Ok(Found::Message(message)) => {
                let wire = waiting.get(..message.len).unwrap_or_default();
                if !return_one(peers, names, wire, &message) {
                    return false;
                }
                peers.returned += 1;
                message.len
            }
            Ok(Found::Command { head, body, .. }) => head + body,
            Ok(Found::Need(_)) | Err(_) => {
                debug_assert!(false, "a ring holds whole messages");
                waiting.len()
            }
        };
        ring.consume(gone, &mut peers.pool);
    }
}

/// Tells one message's sender that it was not delivered; `false` if there is no room to say so now.
fn return_one(peers: &mut Peers, names: &Names, wire: &[u8], message: &frame::Message) -> bool {
    let part = |n| message.part(wire, n);
    let Ok(view) = View::new(part(0), part(1), part(2), part(3), part(4)) else { return true };
    if is_answer(&view) {
        // Whoever waits for it waits in vain.
        peers.counters.answers_dropped += 1;
        return true;
    }
    let ours = view.sender.strip_prefix(&*names.prefix).is_some_and(is_session);
    if ours || *view.sender == *names.full_name {
        return true;
    }
    let link = names.home_of(view.sender).and_then(|home| names.link_of(home));
    let Some(link) = link else {
        peers.counters.errors_dropped += 1;
        return true;
    };
    let mut text = String::new();
    rpc::write_error(&mut text, &Id::NULL, RECEIVER_OVERLOADED, &shown(view.receiver));
    let queued = names.say(peers, link, view.sender, &message::answer_header(view.header), text.as_bytes());
    match queued {
        Ok(()) => peers.counters.returned_undelivered += 1,
        Err(NoRoom::Full) => return false,
        // The very ring that is being returned may hold the last of the memory.
        Err(NoRoom::Memory) => peers.counters.errors_dropped += 1,
    }
    true
}
