//! The ends of the channels' links.

use crate::hub::keys::GathererKey;
use crate::zmtp::SocketType;

/// Who is at the other end of a link of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Side {
    /// It publishes; it came in by itself.
    Publisher,
    /// It subscribes.
    Subscriber,
    /// It subscribes, for another node, to what is published at this one.
    Distributor,
    /// It publishes what is published at another node: we have connected to it.
    Gatherer(GathererKey),
}

impl Side {
    /// Whether messages come from there.
    pub(in crate::hub) const fn is_source(self) -> bool {
        matches!(self, Self::Publisher | Self::Gatherer(_))
    }

    /// What our socket is that talks to it.
    pub(in crate::hub) const fn ours(self) -> SocketType {
        if self.is_source() { SocketType::Xsub } else { SocketType::Xpub }
    }
}
