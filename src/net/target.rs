//! Whom we connect to.

use std::net::SocketAddr;

use crate::hub::{Hub, NodeKey, PeerKey, ProviderKey};
use crate::limits::NODES_MAX;
use crate::time::Tick;

/// Whom an attempt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The Coordinator of a node.
    Node(NodeKey),
    /// The kernel of a provider.
    Kernel(ProviderKey),
}

impl Target {
    /// A target has one attempt at a time, so its slot is the attempt's.
    pub(super) fn slot(self) -> usize {
        match self {
            Self::Node(node) => node.slot(),
            Self::Kernel(provider) => NODES_MAX + provider.slot(),
        }
    }

    pub(super) fn address(self, hub: &Hub) -> Option<String> {
        match self {
            Self::Node(node) => hub.dial_address(node).map(str::to_owned),
            Self::Kernel(provider) => hub.kernel_address(provider),
        }
    }

    /// Whether it may be at an address of this machine.
    pub(super) fn may_be_near(self, hub: &Hub) -> bool {
        match self {
            Self::Node(node) => hub.may_dial_near(node),
            Self::Kernel(provider) => hub.may_dial_kernel_near(provider),
        }
    }

    /// Tells the hub what came of it.
    pub(super) fn report(self, now: Tick, hub: &mut Hub, outcome: Result<SocketAddr, &str>) -> Option<PeerKey> {
        match self {
            Self::Node(node) => hub.handle_dialed(now, node, outcome),
            Self::Kernel(provider) => hub.handle_kernel_dialed(now, provider, outcome),
        }
    }
}
