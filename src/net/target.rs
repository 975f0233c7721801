//! Whom we connect to.

use std::net::SocketAddr;

use crate::hub::{GathererKey, Hub, NodeKey, PeerKey, ProviderKey};
use crate::limits::{GATHERERS_MAX, NODES_MAX};
use crate::time::Tick;

/// Whom an attempt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The Coordinator of a node.
    Node(NodeKey),
    /// The kernel of a provider.
    Kernel(ProviderKey),
    /// The gatherer of another node.
    Gatherer(GathererKey),
}

impl Target {
    /// A target has one attempt at a time, so its slot is the attempt's.
    pub(super) fn slot(self) -> usize {
        match self {
            Self::Node(node) => node.slot(),
            Self::Gatherer(gatherer) => NODES_MAX + gatherer.slot(),
            Self::Kernel(provider) => NODES_MAX + GATHERERS_MAX + provider.slot(),
        }
    }

    pub(super) fn address(self, hub: &Hub) -> Option<String> {
        match self {
            Self::Node(node) => hub.dial_address(node).map(str::to_owned),
            Self::Kernel(provider) => hub.kernel_address(provider),
            Self::Gatherer(gatherer) => hub.gatherer_address(gatherer).map(str::to_owned),
        }
    }

    /// Whether it may be at an address of this machine.
    pub(super) fn may_be_near(self, hub: &Hub) -> bool {
        match self {
            Self::Node(node) => hub.may_dial_near(node),
            Self::Kernel(provider) => hub.may_dial_kernel_near(provider),
            Self::Gatherer(gatherer) => hub.may_dial_gatherer_near(gatherer),
        }
    }

    /// Tells the hub what came of it.
    pub(super) fn report(self, now: Tick, hub: &mut Hub, outcome: Result<SocketAddr, &str>) -> Option<PeerKey> {
        match self {
            Self::Node(node) => hub.handle_dialed(now, node, outcome),
            Self::Kernel(provider) => hub.handle_kernel_dialed(now, provider, outcome),
            Self::Gatherer(gatherer) => hub.handle_gatherer_dialed(now, gatherer, outcome),
        }
    }
}
