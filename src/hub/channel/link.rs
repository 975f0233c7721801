//! One connection of a channel: what it has subscribed to, how far it has been told what is wanted, and how it fares.

use crate::hub::keys::PeerKey;
use crate::hub::peers::Side;
use crate::zmtp::SocketType;

use super::topics::TopicKey;
use super::wanted::Told;

/// A connection whose handshake is over.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) side: Side,
    /// What its socket is.
    pub(super) theirs: SocketType,
    /// Where messages come from there: how far it has been told what is wanted.
    pub(super) told: Option<Told>,
    /// It stands among those that have more to be told, or is told when it has room.
    pub(super) is_behind: bool,
    /// What it has subscribed to.
    pub(super) subscriptions: Vec<TopicKey>,
    /// To whom the message at its front has gone already, up to this one.
    pub(super) done: Option<PeerKey>,
    /// Messages that came from there, or were put on their way to it.
    pub(super) messages: u64,
    /// Bytes of these.
    pub(super) bytes: u64,
    /// Messages that it went without.
    pub(super) drops: u64,
    /// The same since it was last seen to keep up.
    pub(super) drops_lately: u64,
    /// The first frame of the last message that came from there.
    pub(super) topic: Vec<u8>,
}

impl Link {
    pub(super) const fn new(side: Side, theirs: SocketType, told: Option<Told>) -> Self {
        Self {
            side,
            theirs,
            told,
            is_behind: false,
            subscriptions: Vec::new(),
            done: None,
            messages: 0,
            bytes: 0,
            drops: 0,
            drops_lately: 0,
            topic: Vec::new(),
        }
    }

    /// Whether it wants only what is published at this node.
    pub(super) const fn is_distributor(&self) -> bool {
        matches!(self.side, Side::Distributor)
    }
}
