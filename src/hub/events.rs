//! What an owner says to those above it: small values, drained in one place (`turn`), at the end of each door at the latest.
//!
//! Nobody calls upwards. An event is a key and a number or two: no text, no document. What it is about can be gone by the time that
//! it is dealt with, and a stale key is a normal `None`.

use super::call::ReplyTo;
use super::cause::Cause;
use super::doors::Channel;
use super::keys::{ComponentKey, NodeKey, PeerKey, ProviderKey, SessionKey};
use crate::c2sim::state::State;

/// Why a component has left the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The link that had signed it in has ended.
    Link(Cause),
    /// It gave no sign of life.
    Silent,
}

/// Why a guest of a session parts from it, or from its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// It has resigned.
    Resigned,
    /// It has another stream now.
    Replaced,
    /// Nothing was heard of it for too long.
    Silent,
    /// It could not follow.
    Slow,
    /// The session was deleted.
    Deleted,
    /// It may not be in it any more.
    Forbidden,
}

/// Something that others must hear of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// A component is not to be reached any more; the directory does not know that yet.
    NameLeft { component: ComponentKey, why: Left },
    /// A node has told its components, or they can be told something from now on.
    NodeListed { node: NodeKey },
    /// A node has lost its links, or is not known any more: nobody is to be reached there.
    NodeUnlinked { node: NodeKey },
    /// This link, by which a node's Coordinator spoke to us, has ended.
    InboundLost { node: NodeKey, peer: PeerKey },
    /// Our DEALER to a node has ended.
    DealerLost { node: NodeKey, peer: PeerKey },
    /// Our connection to a kernel has ended.
    KernelLost { provider: ProviderKey, peer: PeerKey, cause: Cause },
    /// A viewer has left.
    ViewerLeft { peer: PeerKey, cause: Cause },
    /// A connection of HTTP has ended.
    WebLeft { peer: PeerKey, cause: Cause },
    /// What is waited for from a connection of HTTP has not come in time.
    WebLate { peer: PeerKey },
    /// A connection of STOMP has ended.
    TopicLeft { peer: PeerKey, cause: Cause },
    /// A connection of a channel has ended.
    ChannelLeft { channel: Channel, peer: PeerKey },
    /// It is time to say something on a connection of STOMP.
    TopicLate { peer: PeerKey },
    /// The stream on which a guest is told what happens is to end.
    StreamOver { peer: PeerKey, why: Parting },
    /// This peer has finished its handshake a while ago and has said nothing since.
    Speechless { peer: PeerKey },
    /// There is room in the ring of this peer, which somebody has asked to be told.
    Room { peer: PeerKey },
    /// A peer of ours that speaks ZMTP takes nothing more.
    LinkEnded { peer: PeerKey },
    /// Nothing waits for this viewer any more.
    Drained { peer: PeerKey },
    /// The state of a session has changed from `was` to `now`; where they are the same, its speed has. Both at a time are said one after
    /// the other.
    FlowChanged { session: SessionKey, was: State, now: State, multiple: f64 },
    /// A session is to have this provider, if that is still to be had.
    ProviderChosen { session: SessionKey, provider: ProviderKey },
    /// What there is to say to whoever had this provider opened is known; it may be closed again.
    ProviderOpened { provider: i64, opener: ReplyTo },
    /// What there is to say to this one, which has joined a session, is known.
    JoinSettled { joiner: u64 },
    /// The provider that a session was made for was closed.
    ProviderClosed { session: SessionKey },
    /// A session is not in the table any more; this was its last state.
    SessionEnded { session: SessionKey, was: State },
}
