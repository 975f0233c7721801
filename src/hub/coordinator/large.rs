//! Large messages, which are judged before they are whole: by the frames in front of their payload they are refused, or begin to go to their receiver.

use crate::leco::message::{TYPE_JSON, View};
use crate::leco::name;
use crate::leco::route::{self, Verdict};
use crate::leco::rpc::MESSAGE_TOO_LARGE;
use crate::limits::PASSAGE_FRONT_BYTES_MAX;
use crate::store::ring::NoRoom;
use crate::zmtp::frame;

use super::relay::{Chart, answer_error, hold_for_room, refuse};
use crate::hub::keys::PeerKey;
use crate::hub::names::Names;
use crate::hub::peers::{Outcome, Peer, Peers, Role};

/// Frames before the payload of a message.
const FRONT_FRAMES: usize = 4;

/// What is done with a message of which the beginning is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Begun {
    /// It is kept until it is whole.
    Waits,
    /// It goes on in pieces.
    Passes,
    /// It is refused, and what comes of it is passed over.
    Refused,
    /// Its sender is held.
    Held,
}

/// What is known of a LECO message before its payload.
#[cold]
pub(in crate::hub) fn beginning<'a>(buffer: &'a [u8], front: &frame::Message) -> Option<View<'a>> {
    let part = |n| front.part(buffer, n);
    View::new(part(0), part(1), part(2), part(3), None).ok()
}

/// Judges the message that `buffer` begins with: lets it go to its receiver as it comes, where it may, or refuses it as it would be refused when
/// it is whole.
#[cold]
pub(in crate::hub) fn begin(peers: &mut Peers, names: &Names, from: PeerKey, buffer: &[u8]) -> Begun {
    let is_component = |peer: &&Peer| peer.role == Role::Accepted && peer.node.is_none();
    let Some(peer) = peers.get(from).filter(is_component) else { return Begun::Waits };
    let Some(walked) = peer.link.as_ref().map(|link| link.front()) else { return Begun::Waits };
    let is_begun = frame::head(buffer.get(walked.len..).unwrap_or_default()).is_ok();
    let Some((view, front)) = judgeable(buffer, &walked).filter(|_| is_begun) else { return Begun::Waits };
    if peers.users.is_restricting() {
        // Who sends to whom is judged when it is whole.
        return Begun::Waits;
    }
    let chart = Chart { names, key: from, peer };
    let to = match route::route(&chart, &names.prefix, view.sender, view.receiver) {
        Verdict::Deliver(component) => names.directory.get(component).map(|component| component.link),
        Verdict::Refuse(refusal) => return refused(peers, |peers| refuse(peers, names, from, &view, refusal)),
        Verdict::Forward(_) | Verdict::Own | Verdict::Session(_) | Verdict::Unnamed(_) => None,
    };
    let Some(to) = to.filter(|to| peers.may_pass(from, *to)) else { return Begun::Waits };
    if peers.has_passage(to) {
        return refused(peers, |peers| hold_for_room(peers, names, from, to, NoRoom::Full, &view));
    }
    if !peers.link_mut(from).is_some_and(|link| link.pass_on(buffer)) {
        return Begun::Waits;
    }
    peers.begin_passage(from, to, front.to_vec());
    Begun::Passes
}

/// The beginning of a message, and its bytes, where it can be judged by them. Of an answer no error may come, so what could be one must have been
/// read.
fn judgeable<'a>(buffer: &'a [u8], walked: &frame::Message) -> Option<(View<'a>, &'a [u8])> {
    let part = |n| walked.part(buffer, n);
    let view = View::new(part(0), part(1), part(2), part(3), part(FRONT_FRAMES)).ok()?;
    let end = match view.payload {
        Some(payload) if payload.len() <= PASSAGE_FRONT_BYTES_MAX => walked.end_of(FRONT_FRAMES)?,
        None if view.content_type() != TYPE_JSON => walked.end_of(FRONT_FRAMES - 1)?,
        Some(_) | None => return None,
    };
    Some((view, buffer.get(..end)?))
}

/// What comes of a refusal.
fn refused(peers: &mut Peers, refuse: impl FnOnce(&mut Peers) -> Outcome) -> Begun {
    if refuse(peers) == Outcome::Held {
        return Begun::Held;
    }
    peers.counters.messages_in += 1;
    Begun::Refused
}

/// A message is larger than may be taken: its sender is told, from the frames before its payload, and what comes of it is passed over.
#[cold]
pub(in crate::hub) fn refuse_large(peers: &mut Peers, names: &Names, from: PeerKey, view: &View<'_>) -> Outcome {
    if peers.get(from).is_some_and(|peer| peer.role == Role::Accepted) {
        let data = serde_json::json!({
            "bytes_max": peers.config.message_bytes_max.min(peers.config.frame_bytes_max),
            "settings": ["frame_bytes_max", "message_bytes_max", "memory_max"],
        });
        if answer_error(peers, names, from, view, MESSAGE_TOO_LARGE, &data) == Outcome::Held {
            return Outcome::Held;
        }
        if peers.may_log() {
            log::warn!(
                "{} -> {}: a message is too large and was refused (frame_bytes_max, message_bytes_max, memory_max)",
                name::shown(view.sender),
                name::shown(view.receiver)
            );
        }
    }
    peers.counters.messages_in += 1;
    peers.counters.refused_too_large += 1;
    Outcome::Done
}
