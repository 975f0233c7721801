//! Connections of the channels: what comes in on them, and what is asked of the channels by their names.

use core::net::SocketAddr;

use serde_json::{Value, json};

use crate::auth::{Action, Target};
use crate::hub::Hub;
use crate::hub::call::{Answer, Caller, Refused, none};
use crate::hub::channel::Taken;
use crate::hub::coordinator::Coordinator;
use crate::hub::doors::{Channel, ChannelPorts};
use crate::hub::front::{Asked, Request};
use crate::hub::halt::Halt;
use crate::hub::keys::{GathererKey, NodeKey, PeerKey};
use crate::hub::methods::{At, ChannelCall, described};
use crate::hub::names::{new_header, say_as};
use crate::hub::peers::{For, Outcome, Peer, Side};
use crate::leco::address;
use crate::leco::message::{TYPE_JSON, View};
use crate::leco::name::{FullName, shown};
use crate::leco::rpc::{self, ALREADY_CONNECTED, Document, INVALID_PARAMS, Params};
use crate::limits::GATHERER_ANSWER_BYTES_MAX;
use crate::time::Tick;
use crate::zmtp::command::Command;
use crate::zmtp::link::Step;
use crate::zmtp::subscription::Subscription;

/// What a node is asked, to connect to its gatherer.
const ADDRESSES: &str = "send_data_addresses";

impl Hub {
    // ---- For the event loop ----

    /// A channel is on: publishers, subscribers and other nodes come in by its doors, and it is asked by its name. `ports` are what others are told.
    pub fn set_channel(&mut self, channel: Channel, ports: ChannelPorts) {
        self.channels.switch_on(channel, ports);
        self.names.own(channel.name().as_bytes());
    }

    /// `host:port` to connect to for an [`crate::hub::Output::DialGatherer`].
    #[must_use]
    pub fn gatherer_address(&self, gatherer: GathererKey) -> Option<&str> {
        self.channels.gatherer_address(gatherer)
    }

    /// As [`Hub::may_dial_near`], for an [`crate::hub::Output::DialGatherer`].
    #[must_use]
    pub fn may_dial_gatherer_near(&self, gatherer: GathererKey) -> bool {
        self.peers.config.dial_local || self.channels.may_be_near(gatherer)
    }

    /// The attempt of an [`crate::hub::Output::DialGatherer`] ended, as for [`Hub::handle_dialed`].
    pub fn handle_gatherer_dialed(
        &mut self,
        now: Tick,
        gatherer: GathererKey,
        outcome: Result<SocketAddr, &str>,
    ) -> Option<PeerKey> {
        self.advance(now);
        let link = self.channels.dialed(&mut self.peers, gatherer, outcome);
        self.drain_events();
        link
    }

    // ---- Bytes ----

    /// Deals with everything whole at the front of `buffer`.
    pub(in crate::hub) fn walk_channel(
        &mut self,
        key: PeerKey,
        (channel, side): (Channel, Side),
        buffer: &[u8],
    ) -> (usize, Halt) {
        let mut used = 0;
        loop {
            let bounds = self.peers.bounds;
            let Some(link) = self.peers.open_link(key) else { return (used, Halt::Gone) };
            let rest = buffer.get(used..).unwrap_or_default();
            match link.next(rest, &bounds) {
                Ok(Step::Message(message)) => match self.channels.take(&mut self.peers, channel, key, rest, &message) {
                    Taken::Used(n) => used += n,
                    Taken::Held => return (used, Halt::Held),
                    Taken::Broken(fault) => {
                        self.fault(key, fault);
                        return (used, Halt::Gone);
                    }
                },
                Ok(Step::Need(n)) => return (used, Halt::Need(n)),
                Ok(Step::Skip { len }) => used += len,
                Ok(Step::Ready { len, peer: metadata }) => {
                    used += len;
                    self.ready(key, &metadata);
                }
                Ok(Step::Command { at, len, command }) => {
                    if self.peers.fanout_left() == 0 {
                        self.peers.wait(key, For::Turn);
                        return (used, Halt::Held);
                    }
                    self.channel_command(key, (channel, side), command);
                    if at > 0 {
                        return (used, Halt::Hole { at, len });
                    }
                    used += len;
                }
                // Nothing goes on in pieces here.
                Ok(Step::Piece(_)) => return (used, Halt::Gone),
                Err(fault) => {
                    self.fault(key, fault);
                    return (used, Halt::Gone);
                }
            }
        }
    }

    fn channel_command(&mut self, key: PeerKey, (channel, side): (Channel, Side), command: Command<'_>) {
        let subscription = match command {
            Command::Subscribe(topic) => Subscription { is_wanted: true, topic },
            Command::Cancel(topic) => Subscription { is_wanted: false, topic },
            Command::Ready(_) | Command::Error(_) | Command::Ping { .. } | Command::Pong | Command::Ignored => {
                return self.command(key, command);
            }
        };
        if !side.is_source()
            && let Err(fault) = self.channels.subscription(&mut self.peers, channel, key, subscription)
        {
            self.fault(key, fault);
        }
    }

    // ---- What is asked by name ----

    /// Deals with a message for one of the channels, by its own name.
    #[cold]
    pub(super) fn channel_message(&mut self, from: PeerKey, channel: Channel, view: &View<'_>) -> Outcome {
        let payload = view.payload.unwrap_or_default();
        if !self.peers.may_serve(from, payload.len(), self.peers.config.ring_bytes_max) {
            return Outcome::Held;
        }
        self.peers.counters.messages_own += 1;
        if payload.is_empty() {
            return Outcome::Done;
        }
        if view.content_type() != TYPE_JSON {
            self.drop_unanswerable(view);
        } else if !self.hear_of_gatherer(from, channel, view, payload) {
            self.begin(Request::new(Asked::Channel(channel), from, view), Document::parse(payload));
        }
        Outcome::Done
    }

    /// What a channel does itself.
    pub(super) fn channel_call(
        &mut self,
        caller: Caller<'_>,
        channel: Channel,
        call: ChannelCall,
        params: Params,
    ) -> Answer {
        let Self { peers, channels, .. } = self;
        match call {
            ChannelCall::Pong => none(params).map(|()| Value::Null),
            ChannelCall::SetLogLevel => Coordinator::set_log_level(peers, caller, params),
            ChannelCall::ShutDown => {
                none(params)?;
                channels.switch_off(peers, channel);
                self.names.disown(channel.name().as_bytes());
                Ok(Value::Null)
            }
            ChannelCall::Connect => {
                let address = address_in(params)?;
                if self.is_own_gatherer(channel, &address) {
                    return Err((ALREADY_CONNECTED, Value::from(address)));
                }
                let Self { peers, channels, .. } = self;
                channels.connect(peers.now, channel, &address).map(|()| Value::Null)
            }
            ChannelCall::Disconnect => {
                let address = address_in(params)?;
                channels.disconnect(peers, channel, &address).map(|()| Value::Null)
            }
            ChannelCall::Gatherers => none(params).map(|()| Value::from(channels.gatherers(channel))),
            ChannelCall::Addresses => self.channel_addresses(caller, channel, params),
        }
    }

    /// What a channel tells that may be much.
    pub(super) fn channel_listing(
        &self,
        channel: Channel,
        is_discover: bool,
        params: Params,
    ) -> Result<String, Refused> {
        none(params)?;
        if is_discover {
            return Ok(described(&self.names.named_here(channel.name().as_bytes()), At::Channel));
        }
        Ok(self.channels.told(&self.peers, channel))
    }

    /// Whether an address is that of our own gatherer, from which everybody here has all already.
    fn is_own_gatherer(&self, channel: Channel, at: &str) -> bool {
        let Some((host, port)) = address::host_and_port(at) else { return false };
        let ours = address::host_and_port(&self.names.address).map_or("localhost", |(host, _)| host);
        self.channels.ports(channel).is_some_and(|ports| ports.distributors == port)
            && (host.eq_ignore_ascii_case(ours) || address::is_loopback(host))
    }

    /// Where a channel's ports are, as others are told. On a channel nobody can be answered: so who says what it is about to do there is told here that it may not.
    fn channel_addresses(&mut self, caller: Caller<'_>, channel: Channel, params: Params) -> Answer {
        let meant = params.take(["publish", "subscribe"])?;
        for (topic, (what, action)) in
            meant.into_iter().zip([("publish", Action::Publish), ("subscribe", Action::Subscribe)])
        {
            match topic {
                None => {}
                Some(Value::String(_)) if self.peers.users.is_off() => {}
                Some(Value::String(topic)) => {
                    self.peers.permit(caller.link, what, action, Target::Topic(topic.as_bytes()))?;
                }
                Some(_) => return Err((INVALID_PARAMS, Value::from("publish and subscribe are strings"))),
            }
        }
        let host = address::host_and_port(&self.names.address).map_or("localhost", |(host, _)| host);
        let Some(ports) = self.channels.ports(channel) else { return Ok(Value::Null) };
        Ok(json!({
            "gatherer_xsub": address::join(host, ports.publishers),
            "gatherer_xpub": address::join(host, ports.distributors),
            "distributor_xpub": address::join(host, ports.subscribers),
        }))
    }

    // ---- Gatherers of other nodes ----

    /// A node can be told something, or has told its components: if it may have channels, it is asked where they are.
    pub(in crate::hub) fn ask_for_gatherers(&mut self, node: NodeKey) {
        for channel in Channel::ALL {
            if !self.channels.is_to_be_asked(node, channel) {
                continue;
            }
            let Self { peers, names, .. } = &mut *self;
            let Some(link) = names.link_to(node) else { return };
            // Its answer comes on its own link to us.
            let Some(found) = names.nodes.get(node).filter(|found| found.inbound.is_some()) else { return };
            let name = channel.name().as_bytes();
            let has_one = peers.get(link).is_some_and(Peer::is_instep) || found.listing.has(name);
            let Some(namespace) = found.namespace.as_deref().filter(|_| has_one) else { continue };
            let (asked, asker) = ([namespace, b".", name].concat(), names.named_here(name));
            let header = new_header(peers);
            let request = rpc::request(1, ADDRESSES, &Value::Null);
            if say_as(peers, link, &asker, &asked, &header, request.as_bytes()).is_ok() {
                self.channels.asked(node, channel, &header);
            }
        }
    }

    /// Whether a message is a node's answer to that; if it has a gatherer, that is connected to.
    fn hear_of_gatherer(&mut self, from: PeerKey, channel: Channel, view: &View<'_>, payload: &[u8]) -> bool {
        let Some(node) = self.channels.answered(channel, view.header) else { return false };
        let of_node = self.names.nodes.get(node).and_then(|found| Some((found.namespace.as_deref()?, found.inbound)));
        let Some((namespace, inbound)) = of_node else { return true };
        let is_its = FullName::split(view.sender).namespace == namespace && inbound == Some(from);
        let answer: Option<Value> = (is_its && payload.len() <= GATHERER_ANSWER_BYTES_MAX)
            .then(|| serde_json::from_slice(payload).ok())
            .flatten();
        let answer = answer.as_ref().and_then(|answer| answer.get("result"));
        let told = answer.and_then(|result| result.get("gatherer_xpub")).and_then(Value::as_str);
        let Some(told) = told.and_then(address::with_port) else {
            // It may have one later, and lists it then.
            self.channels.forget_answer(node, channel);
            return true;
        };
        if self.is_own_gatherer(channel, &told) {
            let namespace = shown(namespace);
            log::warn!(
                "the node {namespace} tells {told} as its gatherer of the {channel} channel, where ours is (host)"
            );
            return true;
        }
        let is_near = self.peers.config.dial_local || self.peers.get(from).is_some_and(Peer::is_local);
        let namespace = namespace.to_vec();
        self.channels.join(&self.peers, (node, &namespace), channel, (&told, is_near));
        true
    }
}

/// The address of a gatherer that somebody names.
fn address_in(params: Params) -> Result<String, Refused> {
    let [address] = params.take(["address"])?;
    let text = address.as_ref().and_then(Value::as_str).unwrap_or_default();
    let is_whole = address::host_and_port(text).is_some() && address::with_port(text).is_some();
    if is_whole { Ok(text.to_owned()) } else { Err((INVALID_PARAMS, Value::from("address is host:port"))) }
}
