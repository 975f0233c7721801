//! The data and the log channel: what is published reaches whoever has subscribed to it, here and at other nodes.
//!
//! Owns both channels, their connections' subscriptions, and the connections to gatherers of other nodes. It knows connections by the keys of their
//! peers, and nobody else: who may ask it what is looked at by others, and which nodes there are it is told.
//!
//! Publishers connect to an XSUB of ours, subscribers to an XPUB; the nodes around to another XPUB, the gatherer, from which they have what is
//! published here. Nothing comes back by it, so that nothing goes round.

mod catching;
mod gatherers;
mod instance;
mod last;
mod link;
mod revoking;
#[cfg(test)]
mod tests;
mod told;
mod topics;
mod wanted;

use core::net::SocketAddr;

use serde_json::Value;

use crate::leco::message::{Conversation, HEADER_BYTES, conversation};
use crate::leco::rpc::{ALREADY_CONNECTED, NOT_CONNECTED, RpcError, SERVER_FULL};
use crate::store::order;
use crate::store::sorted::Sorted;
use crate::time::Tick;
use crate::zmtp::frame::Message;
use crate::zmtp::subscription::Subscription;
use crate::zmtp::{Fault, SocketType};

use super::cause::Cause;
use super::doors::{Channel, ChannelPorts};
use super::keys::{GathererKey, NodeKey, PeerKey};
use super::peers::{Peers, Role, Side};

use gatherers::{Gatherers, Wish};
use instance::Instance;
pub(super) use instance::Taken;

/// Both channels. See the module's documentation.
#[derive(Debug)]
pub(super) struct Channels {
    data: Instance,
    log: Instance,
    gatherers: Gatherers,
    /// Which nodes were asked where their gatherers are, in which conversation; nothing once they have answered.
    asked: Sorted<(NodeKey, Channel), Option<Conversation>>,
}

impl Channels {
    /// Both of them; `keeps_last` is whether the last data of each topic is kept.
    pub(super) fn new(seed: u64, keeps_last: bool) -> Self {
        Self {
            data: Instance::new(Channel::Data, seed, keeps_last),
            log: Instance::new(Channel::Log, seed, false),
            gatherers: Gatherers::new(),
            asked: Sorted::new(),
        }
    }

    const fn of(&self, channel: Channel) -> &Instance {
        match channel {
            Channel::Data => &self.data,
            Channel::Log => &self.log,
        }
    }

    const fn of_mut(&mut self, channel: Channel) -> &mut Instance {
        match channel {
            Channel::Data => &mut self.data,
            Channel::Log => &mut self.log,
        }
    }

    fn both(&self) -> [&Instance; 2] {
        [&self.data, &self.log]
    }

    // ---- On and off ----

    /// A channel is on, at these ports.
    pub(super) const fn switch_on(&mut self, channel: Channel, ports: ChannelPorts) {
        self.of_mut(channel).ports = Some(ports);
    }

    /// Its ports, while it is on.
    pub(super) const fn ports(&self, channel: Channel) -> Option<ChannelPorts> {
        self.of(channel).ports
    }

    pub(super) const fn is_on(&self, channel: Channel) -> bool {
        self.ports(channel).is_some()
    }

    /// It is off from here on.
    pub(super) fn switch_off(&mut self, peers: &mut Peers, channel: Channel) {
        log::warn!("the {channel} channel is off: shut_down was called");
        for key in self.gatherers.of(channel).map(|(key, _)| key).collect::<Vec<_>>() {
            self.drop_gatherer(peers, key);
        }
        self.asked.retain(|(_, asked), _| *asked != channel);
        self.of_mut(channel).switch_off(peers);
    }

    /// The port at which a socket of that type is spoken to.
    pub(super) fn port_for(&self, theirs: SocketType, was_at: Option<Channel>) -> Option<u16> {
        let ports = self.ports(was_at.unwrap_or(Channel::Data))?;
        let is_here = was_at.is_some();
        match theirs {
            SocketType::Pub => Some(ports.publishers),
            SocketType::Sub => Some(ports.subscribers),
            SocketType::Xpub if is_here => Some(ports.publishers),
            SocketType::Xsub if is_here => Some(ports.subscribers),
            SocketType::Xpub
            | SocketType::Xsub
            | SocketType::Req
            | SocketType::Dealer
            | SocketType::Router
            | SocketType::Other => None,
        }
    }

    // ---- Connections ----

    /// A peer's handshake is over.
    pub(super) fn ready(&mut self, peers: &mut Peers, key: PeerKey, (channel, side): (Channel, Side), is: SocketType) {
        if let Side::Gatherer(gatherer) = side
            && !self.gatherers.ready(peers, gatherer)
        {
            peers.close(key, Cause::Superfluous);
            return;
        }
        self.of_mut(channel).ready(peers, key, side, is);
    }

    /// A peer has left.
    pub(super) fn left(&mut self, peers: &mut Peers, channel: Channel, key: PeerKey) {
        self.of_mut(channel).left(peers, key);
        self.gatherers.lost(peers, key);
    }

    /// Deals with the message at the front of `rest`, and with those behind it that go the same way.
    pub(super) fn take(
        &mut self,
        peers: &mut Peers,
        channel: Channel,
        key: PeerKey,
        rest: &[u8],
        message: &Message,
    ) -> Taken {
        self.of_mut(channel).take(peers, key, rest, message)
    }

    /// A subscriber wants something, or does not any more.
    pub(super) fn subscription(
        &mut self,
        peers: &mut Peers,
        channel: Channel,
        key: PeerKey,
        subscription: Subscription<'_>,
    ) -> Result<(), Fault> {
        self.of_mut(channel).subscription(peers, key, subscription)
    }

    /// There is room in the ring of a peer again.
    pub(super) fn has_room(&mut self, peers: &mut Peers, key: PeerKey) {
        if let Some(Role::Channel(channel, _)) = peers.get(key).map(|peer| peer.role) {
            self.of_mut(channel).has_room(peers, key);
        }
    }

    // ---- Work and deadlines ----

    pub(super) fn soonest(&self, now: Tick) -> Option<Tick> {
        let at_once = self.both().iter().any(|one| one.has_work()).then_some(now);
        [at_once, self.gatherers.soonest()].into_iter().flatten().min()
    }

    /// Does what is due, as far as there is time in this turn.
    pub(super) fn expire(&mut self, peers: &mut Peers) {
        self.gatherers.expire(peers);
        for channel in Channel::ALL {
            if self.of(channel).has_work() {
                self.of_mut(channel).work(peers);
            }
        }
    }

    /// Other rules hold: subscriptions that they do not permit are taken away from here on, or not yet, as not everybody is known.
    pub(super) const fn judge_subscriptions(&mut self, from_here_on: bool) {
        self.data.judge_subscriptions(from_here_on);
        self.log.judge_subscriptions(from_here_on);
    }

    // ---- Gatherers of other nodes ----

    pub(super) fn gatherer_address(&self, key: GathererKey) -> Option<&str> {
        self.gatherers.get(key).map(|gatherer| &*gatherer.address)
    }

    pub(super) fn may_be_near(&self, key: GathererKey) -> bool {
        self.gatherers.may_be_near(key)
    }

    /// An attempt to reach one has ended.
    pub(super) fn dialed(
        &mut self,
        peers: &mut Peers,
        key: GathererKey,
        outcome: Result<SocketAddr, &str>,
    ) -> Option<PeerKey> {
        self.gatherers.dialed(peers, key, outcome)
    }

    /// Somebody wants what is published where this gatherer is.
    pub(super) fn connect(&mut self, now: Tick, channel: Channel, address: &str) -> Result<(), (RpcError, Value)> {
        if self.gatherers.find(channel, address).is_some() {
            return Err((ALREADY_CONNECTED, Value::from(address)));
        }
        let wish = Wish { channel, node: None, namespace: None, is_near: true };
        if self.gatherers.add(now, address, wish) {
            Ok(())
        } else {
            Err((SERVER_FULL, Value::from("as many gatherers as there may be")))
        }
    }

    /// The same does not want it any more.
    pub(super) fn disconnect(
        &mut self,
        peers: &mut Peers,
        channel: Channel,
        address: &str,
    ) -> Result<(), (RpcError, Value)> {
        let key = self.gatherers.find(channel, address).ok_or_else(|| (NOT_CONNECTED, Value::from(address)))?;
        self.drop_gatherer(peers, key);
        Ok(())
    }

    fn drop_gatherer(&mut self, peers: &mut Peers, key: GathererKey) {
        if let Some(link) = self.gatherers.remove(key) {
            peers.close(link, Cause::SignedOut);
        }
    }

    /// The addresses of a channel's gatherers, in order.
    pub(super) fn gatherers(&self, channel: Channel) -> Vec<&str> {
        let mut all: Vec<&str> = self.gatherers.of(channel).map(|(_, gatherer)| &*gatherer.address).collect();
        order::sort(&mut all);
        all
    }

    // ---- Nodes ----

    /// Whether a node is still to be asked where its gatherer of this channel is.
    pub(super) fn is_to_be_asked(&self, node: NodeKey, channel: Channel) -> bool {
        self.is_on(channel) && !self.asked.contains_key(&(node, channel))
    }

    /// It has been asked, in this conversation.
    pub(super) fn asked(&mut self, node: NodeKey, channel: Channel, header: &[u8; HEADER_BYTES]) {
        self.asked.insert((node, channel), Some(conversation(header)));
    }

    /// The node whose answer this is, if it is one.
    pub(super) fn answered(&mut self, channel: Channel, header: &[u8; HEADER_BYTES]) -> Option<NodeKey> {
        let wanted = Some(conversation(header));
        let (key, waits) = self.asked.iter_mut().find(|((_, of), asked)| *of == channel && **asked == wanted)?;
        *waits = None;
        Some(key.0)
    }

    /// It has none that answers, and may be asked again.
    pub(super) fn forget_answer(&mut self, node: NodeKey, channel: Channel) {
        self.asked.remove(&(node, channel));
    }

    /// A node's gatherer of a channel is there.
    pub(super) fn join(
        &mut self,
        peers: &Peers,
        (node, namespace): (NodeKey, &[u8]),
        channel: Channel,
        (address, is_near): (&str, bool),
    ) {
        if self.gatherers.find(channel, address).is_none() {
            let wish = Wish { channel, node: Some(node), namespace: Some(namespace.into()), is_near };
            if !self.gatherers.add(peers.now, address, wish) {
                log::warn!("no place for the gatherer at {address}: there are as many as there may be");
            }
        }
    }

    /// A node is not linked any more.
    pub(super) fn node_left(&mut self, peers: &mut Peers, node: NodeKey) {
        for channel in Channel::ALL {
            self.asked.remove(&(node, channel));
        }
        for key in self.gatherers.of_node(node) {
            self.drop_gatherer(peers, key);
        }
    }

    // ---- Audit ----

    /// Bytes that subscriptions are counted as, and last values.
    pub(super) fn bytes(&self) -> usize {
        self.both().iter().map(|one| one.bytes()).sum()
    }

    /// What must be true between any two calls.
    pub(super) fn check(&self, peers: &Peers) -> Result<(), String> {
        self.both().iter().try_for_each(|one| one.check(peers))?;
        let mut open = peers.iter().filter(|(_, peer)| peer.is_open() && peer.is_ready());
        let is_known = |channel, key| self.of(channel).links.contains_key(&key);
        let lost = open.find(|(key, peer)| matches!(peer.role, Role::Channel(channel, _) if !is_known(channel, *key)));
        lost.map_or(Ok(()), |(key, _)| Err(format!("{key:?} is a link of a channel that nobody remembers")))
    }
}
