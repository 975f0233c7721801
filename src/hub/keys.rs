//! Keys of everything that one owner may have to name before another: peers, nodes, components, sessions, providers.
//!
//! Knows nobody but the rooms below: a key says which entry of which table is meant, and nothing of what the entry is.

use crate::leco::{directory, nodes};
use crate::store::table::Key;

/// Marks keys of connections.
#[derive(Clone, Copy, Debug)]
pub enum OfPeers {}
/// Marks keys of sessions.
#[derive(Clone, Copy, Debug)]
pub(super) enum OfSessions {}
/// Marks keys of providers.
#[derive(Clone, Copy, Debug)]
pub enum OfProviders {}
/// Marks keys of gatherers.
#[derive(Clone, Copy, Debug)]
pub enum OfGatherers {}
/// Marks keys of half-answered requests.
#[derive(Clone, Copy, Debug)]
pub(super) enum OfRequests {}

/// Key of a connection.
pub type PeerKey = Key<OfPeers>;
/// Key of another node.
pub type NodeKey = nodes::NodeKey<PeerKey>;
/// Key of a signed-in component.
pub(super) type ComponentKey = directory::ComponentKey<PeerKey>;
/// Key of a session.
pub(super) type SessionKey = Key<OfSessions>;
/// Key of a provider.
pub type ProviderKey = Key<OfProviders>;
/// Key of another node's gatherer, from which we have what is published there.
pub type GathererKey = Key<OfGatherers>;
/// Key of a request that is not answered yet.
pub(super) type RequestKey = Key<OfRequests>;
