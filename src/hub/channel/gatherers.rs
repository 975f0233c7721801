//! Gatherers of other nodes, from which a channel has what is published there: whom we connect to, and why.
//!
//! Owns each connection from the moment that it is wanted: it is dialled until it is there, and again when it has ended. A node's own leave
//! with it, those that somebody has asked for stay until he does not want them any more.

use core::net::SocketAddr;

use crate::hub::doors::{Channel, Output};
use crate::hub::keys::{GathererKey, NodeKey, OfGatherers, PeerKey};
use crate::hub::peers::{Peers, Role, Side};
use crate::limits::{GATHERER_PAUSE_MS, GATHERERS_MAX};
use crate::store::table::Table;
use crate::time::{Span, Tick};
use crate::zmtp::SocketType;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is tried at that moment.
    Waiting(Tick),
    /// It is being made.
    Dialling,
    /// It is there, or in its handshake.
    Up(PeerKey),
}

/// A gatherer of another node.
#[derive(Debug)]
pub(super) struct Gatherer {
    pub(super) channel: Channel,
    /// Where it is, as `host:port`.
    pub(super) address: Box<str>,
    /// The node that it is of; none where somebody has named it.
    pub(super) node: Option<NodeKey>,
    /// The namespace of that node, by which its key is known.
    namespace: Option<Box<[u8]>>,
    /// It may be on this machine.
    is_near: bool,
    pub(super) state: State,
    pause_ms: u64,
    /// That it cannot be reached was said.
    is_told: bool,
}

/// Whoever wants a connection, and what that permits.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) channel: Channel,
    pub(super) node: Option<NodeKey>,
    pub(super) namespace: Option<Box<[u8]>>,
    pub(super) is_near: bool,
}

/// All of them. See the module's documentation.
#[derive(Debug)]
pub(super) struct Gatherers {
    table: Table<Gatherer, OfGatherers>,
}

impl Gatherers {
    pub(super) const fn new() -> Self {
        Self { table: Table::new(GATHERERS_MAX) }
    }

    pub(super) fn get(&self, key: GathererKey) -> Option<&Gatherer> {
        self.table.get(key)
    }

    pub(super) fn of(&self, channel: Channel) -> impl Iterator<Item = (GathererKey, &Gatherer)> {
        self.table.iter().filter(move |(_, gatherer)| gatherer.channel == channel)
    }

    pub(super) fn find(&self, channel: Channel, address: &str) -> Option<GathererKey> {
        self.of(channel).find(|(_, gatherer)| *gatherer.address == *address).map(|(key, _)| key)
    }

    /// Whether the address may be one of this machine.
    pub(super) fn may_be_near(&self, key: GathererKey) -> bool {
        self.get(key).is_some_and(|gatherer| gatherer.is_near)
    }

    /// One more is wanted; answers whether there is a place for it.
    pub(super) fn add(&mut self, now: Tick, address: &str, wish: Wish) -> bool {
        let Wish { channel, node, namespace, is_near } = wish;
        let gatherer = Gatherer {
            channel,
            address: address.into(),
            node,
            namespace,
            is_near,
            state: State::Waiting(now),
            pause_ms: GATHERER_PAUSE_MS[0],
            is_told: false,
        };
        self.table.insert(gatherer).is_ok()
    }

    /// One is not wanted any more; answers the link to it, if there is one.
    pub(super) fn remove(&mut self, key: GathererKey) -> Option<PeerKey> {
        match self.table.remove(key)?.state {
            State::Up(link) => Some(link),
            State::Waiting(_) | State::Dialling => None,
        }
    }

    /// Those of a node.
    pub(super) fn of_node(&self, node: NodeKey) -> Vec<GathererKey> {
        self.table.iter().filter(|(_, gatherer)| gatherer.node == Some(node)).map(|(key, _)| key).collect()
    }

    /// When the first of them is to be tried.
    pub(super) fn soonest(&self) -> Option<Tick> {
        let at = |(_, gatherer): (_, &Gatherer)| match gatherer.state {
            State::Waiting(at) => Some(at),
            State::Dialling | State::Up(_) => None,
        };
        self.table.iter().filter_map(at).min()
    }

    /// Has those dialled whose moment has come.
    pub(super) fn expire(&mut self, peers: &mut Peers) {
        for (key, gatherer) in self.table.iter_mut() {
            if matches!(gatherer.state, State::Waiting(at) if at <= peers.now) && !peers.stopping {
                gatherer.state = State::Dialling;
                peers.outputs.push_back(Output::DialGatherer(key));
            }
        }
    }

    /// An attempt has ended: with a connection to there, or for this reason.
    pub(super) fn dialed(
        &mut self,
        peers: &mut Peers,
        key: GathererKey,
        outcome: Result<SocketAddr, &str>,
    ) -> Option<PeerKey> {
        let gatherer = self.table.get_mut(key).filter(|gatherer| gatherer.state == State::Dialling)?;
        let remote = match outcome {
            Ok(remote) => remote,
            Err(reason) => {
                peers.counters.dials_failed += 1;
                if !core::mem::replace(&mut gatherer.is_told, true) && peers.may_log() {
                    let (channel, address) = (gatherer.channel, &gatherer.address);
                    log::warn!("nothing of the {channel} channel comes from {address} for now: {reason}");
                }
                gatherer.wait(peers);
                return None;
            }
        };
        let ours = SocketType::Xsub;
        let at = (ours, &*gatherer.address);
        let guard = peers.keyring.dialling(&peers.config, &peers.users, at, gatherer.namespace.as_deref());
        let link = peers.add_zmtp(Role::Channel(gatherer.channel, Side::Gatherer(key)), ours, remote, guard);
        match link {
            Some(link) => gatherer.state = State::Up(link),
            None => gatherer.wait(peers),
        }
        link
    }

    /// The handshake with one is over. Answers whether it is to stay: everything would come twice from one that we are connected to under
    /// another name. It is tried again later, since that one may leave.
    pub(super) fn ready(&mut self, peers: &mut Peers, key: GathererKey) -> bool {
        let twin = self.twin(peers, key).map(|twin| twin.address.clone());
        let Some(gatherer) = self.table.get_mut(key) else { return true };
        let Gatherer { channel, address, .. } = gatherer;
        if let Some(twin) = twin {
            if !core::mem::replace(&mut gatherer.is_told, true) && peers.may_log() {
                log::warn!(
                    "the gatherer of the {channel} channel at {address} is the one at {twin}: one of these names is enough"
                );
            }
            return false;
        }
        log::info!("connected to the gatherer of the {channel} channel at {address}");
        gatherer.pause_ms = GATHERER_PAUSE_MS[0];
        gatherer.is_told = false;
        true
    }

    /// Another connection of the channel to where this one leads.
    fn twin(&self, peers: &Peers, key: GathererKey) -> Option<&Gatherer> {
        let remote = |gatherer: &Gatherer| match gatherer.state {
            State::Up(link) => peers.get(link).filter(|peer| peer.is_open() && peer.is_ready()).map(|peer| peer.remote),
            State::Waiting(_) | State::Dialling => None,
        };
        let own = self.get(key)?;
        let at = remote(own)?;
        self.of(own.channel)
            .find(|(other, gatherer)| *other != key && remote(gatherer) == Some(at))
            .map(|(_, twin)| twin)
    }

    /// The link to one has ended: it is dialled again.
    pub(super) fn lost(&mut self, peers: &mut Peers, link: PeerKey) {
        if let Some((_, gatherer)) = self.table.iter_mut().find(|(_, gatherer)| gatherer.state == State::Up(link)) {
            gatherer.wait(peers);
        }
    }
}

impl Gatherer {
    fn wait(&mut self, peers: &mut Peers) {
        let pause = self.pause_ms + peers.random() % (self.pause_ms / 4 + 1);
        self.pause_ms = (2 * self.pause_ms).min(GATHERER_PAUSE_MS[1]);
        self.state = State::Waiting(peers.now + Span(pause));
    }
}
