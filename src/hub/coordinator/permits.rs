//! Who may send to whom: users whose list of receivers has not everybody in it.
//!
//! What was permitted once on a link is so until the rules change: its last receiver is remembered with it. An answer is never kept back: a
//! conversation that was delivered to somebody may be answered for a minute.

use crate::auth::{Action, Target};
use crate::leco::message::{TYPE_JSON, View};
use crate::leco::route::{Place, Refusal, SESSION_PREFIX, Verdict, is_session};
use crate::leco::rpc::{Document, Item};

use crate::hub::keys::{ComponentKey, PeerKey};
use crate::hub::names::Names;
use crate::hub::peers::Peers;

/// What becomes of a message before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// Its sender may send to that receiver.
    Free,
    /// It may not, but this answers what came from there.
    Answer,
    /// It is not for us to say.
    NotOurs,
    /// It is refused.
    Refused(&'static str),
}

/// Whether content is an answer: no error is ever sent because of one.
pub(super) fn is_answer(view: &View<'_>) -> bool {
    let answer = |item: &Item| matches!(item, Item::Result { .. } | Item::Error { .. });
    view.content_type() == TYPE_JSON
        && view.payload.is_some_and(|payload| match Document::parse(payload) {
            Ok(Document::Single(item)) => answer(&item),
            Ok(Document::Batch(items)) => items.iter().all(answer),
            Err(_) => false,
        })
}

/// Whether the sender of a message may send to its receiver, of which the routing chart has said this.
#[cold]
pub(super) fn judge<N>(
    peers: &Peers,
    names: &Names,
    from: PeerKey,
    view: &View<'_>,
    verdict: &Verdict<'_, ComponentKey, N>,
) -> Permit {
    let Some(peer) = peers.get(from).filter(|peer| peer.node.is_none()) else { return Permit::NotOurs };
    match verdict {
        Verdict::Deliver(to) if peer.last_receiver == Some(*to) => return Permit::Free,
        Verdict::Deliver(_)
        | Verdict::Forward(_)
        | Verdict::Refuse(Refusal::ReceiverUnknown | Refusal::NodeUnknown | Refusal::NoNamespace) => {}
        Verdict::Own | Verdict::Session(_) | Verdict::Unnamed(_) | Verdict::Refuse(_) => return Permit::NotOurs,
    }
    let lacks = match Place::of(view.receiver, &names.prefix) {
        // Sessions of other nodes have a list of their own.
        Place::There { name, .. } if is_session(name) => {
            let session = core::str::from_utf8(name.get(SESSION_PREFIX.len()..).unwrap_or_default());
            let session = session.unwrap_or_default().replace("%2E", ".").replace("%25", "%");
            peers.lacks(from, Action::Join, Target::Session(&session))
        }
        Place::There { .. } | Place::Here(_) => {
            peers.lacks(from, Action::Send, Target::Name(&names.full_name_of(view.receiver)))
        }
    };
    match lacks {
        None => Permit::Free,
        Some(_) if peer.may_answer(view.header, view.receiver, &names.prefix, peers.now) && is_answer(view) => {
            Permit::Answer
        }
        Some(lacks) => Permit::Refused(lacks),
    }
}

/// A message is on its way to a Component: where that may not send to everybody, it is noted that it may answer.
#[cold]
pub(super) fn note(peers: &mut Peers, names: &Names, to: PeerKey, view: &View<'_>) {
    let is_restricted = |user| peers.users.get(user).is_some_and(|user| !user.to.is_all());
    if peers.user(to).is_none_or(|user| !is_restricted(user)) {
        return;
    }
    let (now, sender) = (peers.now, names.full_name_of(view.sender));
    if let Some(peer) = peers.get_mut(to) {
        peer.note_asked(view.header, &sender, now);
    }
}
