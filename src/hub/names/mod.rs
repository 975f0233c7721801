//! Who is who: the Components of this node, the other nodes, our own names, and the links that lead to each.
//!
//! Owns the directory and the table of nodes, which the Coordinator changes and everybody reads, and the way in which we speak under our
//! names. It must not know why somebody is looked for.

use std::collections::VecDeque;

use crate::config::Config;
use crate::leco::address;
use crate::leco::directory::Directory;
use crate::leco::message::{self, HEADER_BYTES};
use crate::leco::name::{self, COORDINATOR};
use crate::leco::nodes::{Dealer, Nodes};
use crate::leco::route::{Owner, Place};
use crate::leco::rpc;
use crate::limits::LOST_NAMES_MAX;
use crate::store::ring::NoRoom;
use crate::time::{Span, Tick};
use crate::zmtp::frame;

use super::call::Refused;
use super::keys::{ComponentKey, NodeKey, PeerKey};
use super::peers::{Peer, Peers};

/// Where a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// Signed in at this node.
    Here(ComponentKey),
    /// Behind that node's Coordinator.
    There(NodeKey),
}

/// Who is who. See the module's documentation.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) directory: Directory<PeerKey>,
    pub(super) nodes: Nodes<PeerKey>,
    /// Our namespace with its dot: what full names of this node begin with.
    pub(super) prefix: Box<[u8]>,
    /// Our own full name.
    pub(super) full_name: Box<[u8]>,
    /// The address that other Coordinators are told.
    pub(super) address: Box<str>,
    /// Names that were lost with their links lately, and when.
    lost: VecDeque<(Box<[u8]>, Tick)>,
    /// Names, beside that of the Coordinator, under which this node itself is asked.
    own: Vec<&'static [u8]>,
}

impl Names {
    pub(super) fn new(config: &Config, seed: u64) -> Self {
        let namespace = config.namespace.as_bytes();
        let address = address::with_port_or(&config.host, config.port);
        Self {
            directory: Directory::new(seed),
            nodes: Nodes::default(),
            prefix: [namespace, b"."].concat().into(),
            full_name: [namespace, b".", COORDINATOR].concat().into(),
            address: address.unwrap_or_else(|| address::join(&config.host, config.port)).into(),
            lost: VecDeque::new(),
            own: Vec::new(),
        }
    }

    /// Our namespace.
    pub(super) fn namespace(&self) -> &[u8] {
        self.prefix.strip_suffix(b".").unwrap_or(&self.prefix)
    }

    // ---- Names of our own ----

    /// This node itself is asked under that name.
    pub(super) fn own(&mut self, name: &'static [u8]) {
        if !self.is_own(name) {
            self.own.push(name);
        }
    }

    /// It is not any more, and somebody else may have the name.
    pub(super) fn disown(&mut self, name: &[u8]) {
        self.own.retain(|own| *own != name);
    }

    pub(super) fn is_own(&self, name: &[u8]) -> bool {
        self.own.contains(&name)
    }

    // ---- Names that may come back ----

    /// Notes that a name was lost with its link.
    pub(super) fn note_lost(&mut self, now: Tick, patience: Span, name: &[u8]) {
        while self.lost.len() >= LOST_NAMES_MAX
            || self.lost.front().is_some_and(|(_, lost)| now.since(*lost) >= patience)
        {
            self.lost.pop_front();
        }
        self.lost.push_back((name.into(), now));
    }

    /// When a name was lost with its link, if that is not long ago.
    pub(super) fn lost_at(&self, name: &[u8]) -> Option<Tick> {
        self.lost.iter().rev().find(|(lost, _)| **lost == *name).map(|(_, moment)| *moment)
    }

    // ---- Finding ----

    /// The link of the component that is called `name` at this node.
    pub(super) fn local_link(&self, name: &[u8]) -> Option<PeerKey> {
        self.directory.find(name).and_then(|key| self.directory.get(key)).map(|component| component.link)
    }

    /// Whose the component name is, as seen from a link.
    pub(super) fn owner_of(&self, name: &[u8], link: PeerKey) -> Owner {
        match self.local_link(name) {
            Some(owner) if owner == link => Owner::ThisLink,
            Some(_) => Owner::OtherLink,
            None if self.is_own(name) => Owner::OtherLink,
            None => Owner::Nobody,
        }
    }

    /// Where a component of this full name is.
    pub(super) fn home_of(&self, full_name: &[u8]) -> Option<Home> {
        match Place::of(full_name, &self.prefix) {
            Place::Here(name) => self.directory.find(name).map(Home::Here),
            Place::There { namespace, .. } => self.nodes.find(namespace).map(Home::There),
        }
    }

    /// The link on which somebody at home there hears, if there is one now.
    pub(super) fn link_of(&self, home: Home) -> Option<PeerKey> {
        match home {
            Home::Here(component) => self.directory.get(component).map(|component| component.link),
            Home::There(node) => self.link_to(node),
        }
    }

    /// The link on which somebody at home there speaks, if there is one now.
    pub(super) fn link_from(&self, home: Home) -> Option<PeerKey> {
        match home {
            Home::Here(_) => self.link_of(home),
            Home::There(node) => self.nodes.get(node)?.inbound,
        }
    }

    /// Our DEALER to a node, if messages can be sent on it.
    pub(super) fn link_to(&self, node: NodeKey) -> Option<PeerKey> {
        match self.nodes.get(node)?.dealer {
            Dealer::Up(link) => Some(link),
            Dealer::None | Dealer::Waiting | Dealer::Dialling | Dealer::SigningIn(_) => None,
        }
    }

    /// The link on which the sender of a message can be told something: the link it came on for local senders, our DEALER
    /// to its node for others.
    pub(super) fn way_back(&self, peers: &Peers, from: PeerKey, sender: &[u8]) -> Option<PeerKey> {
        let Place::There { namespace, .. } = Place::of(sender, &self.prefix) else { return Some(from) };
        if peers.get(from).is_some_and(|peer| peer.node.is_none()) {
            // Whoever it is, it is only known by this link.
            return Some(from);
        }
        self.link_to(self.nodes.find(namespace)?)
    }

    /// Whether a sender's name is bound to the link on which it speaks.
    pub(super) fn is_signed_in(&self, peers: &Peers, link: PeerKey, sender: Place<'_>) -> bool {
        match sender {
            Place::Here(name) => self.owner_of(name, link) == Owner::ThisLink,
            Place::There { namespace, .. } => {
                peers.get(link).is_some_and(|peer| self.is_coordinator_of(peer, namespace))
            }
        }
    }

    /// Whether a link is that of the Coordinator of `namespace`.
    pub(super) fn is_coordinator_of(&self, peer: &Peer, namespace: &[u8]) -> bool {
        let node = peer.node.and_then(|node| self.nodes.get(node));
        node.is_some_and(|node| node.namespace.as_deref() == Some(namespace))
    }

    // ---- Full names ----

    /// The full name of what has this name at this node.
    pub(super) fn named_here(&self, name: &[u8]) -> Vec<u8> {
        [&*self.prefix, name].concat()
    }

    /// A sender's full name: one of this node may have given its component name only.
    pub(super) fn full_name_of(&self, sender: &[u8]) -> Vec<u8> {
        match Place::of(sender, &self.prefix) {
            Place::Here(name) => self.named_here(name),
            Place::There { .. } => sender.to_vec(),
        }
    }

    // ---- Speaking ----

    /// Queues a message of ours, with the reserve that is kept for such. Who takes no messages gets none.
    pub(super) fn say(
        &self,
        peers: &mut Peers,
        to: PeerKey,
        receiver: &[u8],
        header: &[u8; HEADER_BYTES],
        payload: &[u8],
    ) -> Result<(), NoRoom> {
        say_as(peers, to, &self.full_name, receiver, header, payload)
    }

    /// Tells somebody what he may not, without being asked.
    pub(super) fn tell_refused(&self, peers: &mut Peers, to: PeerKey, receiver: &[u8], (error, data): &Refused) {
        let mut text = String::new();
        rpc::write_error(&mut text, &rpc::Id::NULL, *error, data);
        let header = new_header(peers);
        if self.say(peers, to, receiver, &header, text.as_bytes()).is_err() {
            peers.counters.errors_dropped += 1;
        }
    }

    /// Sends a `pong` request; it is only a question, so a full ring is no matter.
    pub(super) fn ask_pong(&self, peers: &mut Peers, to: PeerKey, receiver: &[u8]) {
        let header = new_header(peers);
        let request = rpc::request(0, "pong", &serde_json::Value::Null);
        if self.say(peers, to, receiver, &header, request.as_bytes()).is_err() {
            log::debug!("no room to ask {} for a sign of life", name::shown(receiver));
        }
    }
}

/// Queues a message of `sender`, who is somebody at this node.
pub(super) fn say_as(
    peers: &mut Peers,
    to: PeerKey,
    sender: &[u8],
    receiver: &[u8],
    header: &[u8; HEADER_BYTES],
    payload: &[u8],
) -> Result<(), NoRoom> {
    if !peers.get(to).is_some_and(Peer::takes_messages) {
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
    peers.queue_parts(to, &parts, peers.own_bytes_max())
}

/// A header for a conversation that we begin.
pub(super) fn new_header(peers: &mut Peers) -> [u8; HEADER_BYTES] {
    let random = peers.wide_random();
    message::new_header(peers.unix_ms(), random)
}

/// A name as JSON data.
pub(super) fn shown(name: &[u8]) -> serde_json::Value {
    serde_json::Value::from(name::shown(name))
}

#[cfg(test)]
mod tests;
