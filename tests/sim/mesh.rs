//! A network of many nodes with many Components, under a virtual clock: everybody knows everything soon after a node has joined and after a
//! cut through the network has healed, a change costs what it is large, and an idle network says little.
//!
//! Links take a few milliseconds and lose nothing while they last. Nodes have the settings that they come with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use instep::config::Config;
use instep::hub::{Cause, Channel, Door, GathererKey, Hub, NodeKey, PeerKey, Start};
use instep::leco::listing::digest_of;
use instep::time::Tick;

use crate::common::driver::{self, Outside};
use crate::rng::Rng;
use crate::wire::{encode, header, opening};

/// How long bytes travel.
const LATENCY_MS: u64 = 5;
/// Names that one connection signs in.
const NAMES_PER_LINK: usize = 64;
/// How often a Component gives a sign of life.
const BEAT_MS: u64 = 5_000;
/// Within so many milliseconds everybody knows everything again.
const WHOLE_MS: u64 = 2_000;
/// Bytes that a node sends and receives in a second when nothing happens, all its links to nodes together.
const IDLE_BYTES: u64 = 10_000;

type Side = (usize, PeerKey);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    /// So many bytes have arrived.
    Arrive(Side, usize),
    /// The other end is gone.
    End(Side),
    /// A connection was asked for.
    Dial(usize, NodeKey),
    /// A connection to a gatherer of another node was.
    DialGatherer(usize, GathererKey),
    /// The Components of a node give a sign of life.
    Beat(usize),
}

pub(crate) struct Node {
    pub(crate) hub: Hub,
    clients: Vec<(PeerKey, Vec<u8>)>,
    names: BTreeSet<String>,
    wakes_at: Option<u64>,
    /// Bytes to and from other nodes.
    traffic: u64,
    /// What those have been sent who read, and whether they do at the moment.
    pub(crate) readers: BTreeMap<PeerKey, (bool, Vec<u8>)>,
}

pub(crate) struct Network {
    pub(crate) now: u64,
    pub(crate) nodes: Vec<Node>,
    agenda: BTreeSet<(u64, u64, Happens)>,
    numbers: u64,
    wakes: BTreeSet<(u64, usize)>,
    far: BTreeMap<Side, Side>,
    /// What is on its way to an end of a link, and how much of it is there.
    pipes: BTreeMap<Side, (VecDeque<u8>, usize)>,
    /// On which side of the cut a node is, while there is one.
    pub(crate) cut: Option<Vec<bool>>,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self {
            now: 1000,
            nodes: Vec::new(),
            agenda: BTreeSet::new(),
            numbers: 0,
            wakes: BTreeSet::new(),
            far: BTreeMap::new(),
            pipes: BTreeMap::new(),
            cut: None,
        }
    }

    /// One node more, with its Components signed in; it knows the address of the first one.
    fn add(&mut self, components: usize) {
        self.add_with(components, |_| {});
    }

    /// The same with another configuration.
    pub(crate) fn add_with(&mut self, components: usize, change: impl FnOnce(&mut Config)) {
        let n = self.nodes.len();
        let mut config = Config {
            namespace: format!("N{n}"),
            host: format!("n{n}"),
            coordinators: if n == 0 { vec![] } else { vec!["n0".into()] },
            return_ms: 0,
            hint_s: 0,
            log_level: log::LevelFilter::Off,
            ..Config::default()
        };
        change(&mut config);
        config.check().expect("a legal configuration");
        let start = Start { seed: n as u64 + 1, now: Tick(self.now), unix_ms: 1_700_000_000_000 };
        let hub = Hub::new(config, start).unwrap();
        let (clients, readers) = (Vec::new(), BTreeMap::new());
        self.nodes.push(Node { hub, clients, names: BTreeSet::new(), wakes_at: None, traffic: 0, readers });
        for first in (0..components).step_by(NAMES_PER_LINK) {
            let names: Vec<String> =
                (first..components.min(first + NAMES_PER_LINK)).map(|c| format!("device-{c:04}")).collect();
            self.client(n, &names);
        }
        self.plan(BEAT_MS * n as u64 / 128, Happens::Beat(n));
        self.settle(n);
    }

    /// A connection that signs names in.
    fn client(&mut self, n: usize, names: &[String]) {
        let now = Tick(self.now);
        let node = &mut self.nodes[n];
        let key = node.hub.open(now, SocketAddr::from(([127, 0, 0, 1], 9))).expect("there is room");
        node.hub.handle_bytes(now, key, &opening(0));
        let beat = call("COORDINATOR", &names[0], "");
        node.clients.push((key, beat));
        for name in names {
            self.ask(n, key, name, "sign_in");
        }
    }

    fn ask(&mut self, n: usize, key: PeerKey, name: &str, method: &str) {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        self.nodes[n].hub.handle_bytes(Tick(self.now), key, &call("COORDINATOR", name, &text));
        // What one connection asks for in a turn has a bound.
        self.settle(n);
        match method {
            "sign_in" => self.nodes[n].names.insert(name.to_owned()),
            _ => self.nodes[n].names.remove(name),
        };
    }

    fn plan(&mut self, in_ms: u64, what: Happens) {
        self.numbers += 1;
        self.agenda.insert((self.now + in_ms, self.numbers, what));
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.as_ref().is_some_and(|side| side[a] != side[b])
    }

    // ---- The loop ----

    pub(crate) fn settle(&mut self, n: usize) {
        driver::drive(&mut At { network: self, n });
        let wakes_at = self.nodes[n].hub.poll_timeout().map(|at| at.0.max(self.now));
        let before = std::mem::replace(&mut self.nodes[n].wakes_at, wakes_at);
        if before != wakes_at {
            self.wakes.extend(wakes_at.map(|at| (at, n)));
            if let Some(before) = before {
                self.wakes.remove(&(before, n));
            }
        }
    }

    pub(crate) fn play(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            let happens = self.agenda.first().map(|(at, ..)| *at).filter(|at| *at <= end);
            let wakes = self.wakes.first().map(|(at, _)| *at).filter(|at| *at <= end);
            let Some(at) = happens.into_iter().chain(wakes).min() else { break };
            self.now = self.now.max(at);
            if happens == Some(at)
                && let Some((_, _, what)) = self.agenda.pop_first()
            {
                self.happen(what);
            } else if let Some((_, n)) = self.wakes.pop_first() {
                self.nodes[n].wakes_at = None;
                self.nodes[n].hub.handle_timeout(Tick(self.now));
                self.settle(n);
            }
        }
        self.now = end;
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Arrive(side, bytes) => {
                if let Some((_, there)) = self.pipes.get_mut(&side) {
                    *there += bytes;
                }
                self.read(side);
            }
            Happens::End(side) => {
                if self.far.remove(&side).is_some() {
                    self.pipes.remove(&side);
                    self.nodes[side.0].hub.handle_closed(Tick(self.now), side.1, Cause::Gone);
                    self.settle(side.0);
                }
            }
            Happens::Dial(n, key) => self.dial(n, key),
            Happens::DialGatherer(n, key) => self.dial_gatherer(n, key),
            Happens::Beat(n) => {
                let now = Tick(self.now);
                for client in 0..self.nodes[n].clients.len() {
                    let (key, beat) = self.nodes[n].clients[client].clone();
                    self.nodes[n].hub.handle_bytes(now, key, &beat);
                }
                self.settle(n);
                self.plan(BEAT_MS, Happens::Beat(n));
            }
        }
    }

    /// Hands on what has arrived, as far as the hub reads it.
    fn read(&mut self, side: Side) {
        let (n, key) = side;
        while let Some((bytes, there)) = self.pipes.get_mut(&side)
            && *there > 0
        {
            let budget = self.nodes[n].hub.read_budget(key).min(*there);
            if budget == 0 {
                self.plan(1, Happens::Arrive(side, 0));
                break;
            }
            let piece: Vec<u8> = bytes.drain(..budget).collect();
            *there -= budget;
            self.nodes[n].traffic += budget as u64;
            self.nodes[n].hub.handle_bytes(Tick(self.now), key, &piece);
            self.settle(n);
        }
    }

    fn dial(&mut self, n: usize, key: NodeKey) {
        let address = self.nodes[n].hub.dial_address(key).map(str::to_owned);
        self.connect(n, address, Door::Leco, |hub, now, outcome| hub.handle_dialed(now, key, outcome));
    }

    fn dial_gatherer(&mut self, n: usize, key: GathererKey) {
        let address = self.nodes[n].hub.gatherer_address(key).map(str::to_owned);
        let door = Door::Distributor(Channel::Data);
        self.connect(n, address, door, |hub, now, outcome| hub.handle_gatherer_dialed(now, key, outcome));
    }

    /// Makes a link from a node to a door of the one at an address; the node is told whether there is one.
    fn connect(
        &mut self,
        n: usize,
        address: Option<String>,
        door: Door,
        tell: impl FnOnce(&mut Hub, Tick, Result<SocketAddr, &str>) -> Option<PeerKey>,
    ) {
        let Some(address) = address else { return };
        let there = address.split(':').next().and_then(|host| host.strip_prefix('n')).and_then(|n| n.parse().ok());
        let there = there.filter(|there: &usize| *there < self.nodes.len() && !self.is_cut(n, *there));
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        let now = Tick(self.now);
        let far = there.and_then(|there| Some((there, self.nodes[there].hub.open_at(now, remote, door)?)));
        // Each node is at a port of its own.
        let place = |there: usize| SocketAddr::from(([127, 0, 0, 1], 1000 + there as u16));
        let outcome = there.filter(|_| far.is_some()).map(place).ok_or("nobody there");
        let near = tell(&mut self.nodes[n].hub, now, outcome);
        if let Some(far) = far {
            match near {
                Some(near) => {
                    for (a, b) in [((n, near), far), (far, (n, near))] {
                        self.far.insert(a, b);
                        self.pipes.insert(a, Default::default());
                    }
                }
                None => self.nodes[far.0].hub.handle_closed(now, far.1, Cause::Peer),
            }
            self.settle(far.0);
        }
        self.settle(n);
    }

    // ---- Cut and healed ----

    /// The network falls into two halves: links between them are gone, and new ones cannot be made.
    pub(crate) fn cut(&mut self, rng: &mut Rng) {
        let side: Vec<bool> = (0..self.nodes.len()).map(|n| n == 0 || (n > 1 && rng.one_in(2))).collect();
        let ends: Vec<Side> = self.far.iter().filter(|(a, b)| side[a.0] != side[b.0]).map(|(side, _)| *side).collect();
        self.cut = Some(side);
        for end in ends {
            let in_ms = rng.below(LATENCY_MS);
            self.plan(in_ms, Happens::End(end));
        }
    }

    // ---- What they know ----

    /// The first node that does not know all components of another one.
    fn lacks(&self) -> Option<String> {
        let truth: BTreeMap<Vec<u8>, (usize, u64)> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(n, node)| {
                let digest = node.names.iter().fold(0, |sum, name| sum ^ digest_of(name.as_bytes()));
                (format!("N{n}").into_bytes(), (node.names.len(), digest))
            })
            .collect();
        self.nodes.iter().enumerate().find_map(|(n, node)| {
            let known: BTreeMap<&[u8], (usize, u64)> =
                node.hub.known_components().map(|(name, count, digest)| (name, (count, digest))).collect();
            let ours = format!("N{n}").into_bytes();
            let lacking = truth.iter().find(|(name, what)| **name != ours && known.get(&***name) != Some(what));
            lacking.map(|(name, what)| {
                let name = String::from_utf8_lossy(name);
                format!("N{n} has {:?} of {name}, not {what:?}", known.get(name.as_bytes()))
            })
        })
    }

    /// Plays until all know everything; answers how many milliseconds that took.
    pub(crate) fn until_whole(&mut self, ms_max: u64) -> u64 {
        let begin = self.now;
        while let Some(lacking) = self.lacks() {
            assert!(self.now < begin + ms_max, "after {ms_max} ms {lacking}");
            self.play(50);
        }
        self.now - begin
    }

    fn traffic(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| node.traffic).collect()
    }

    fn count(&self, name: &str) -> u64 {
        let of = |node: &Node| node.hub.counters().iter().find(|(key, ..)| *key == name).unwrap().2;
        self.nodes.iter().map(of).sum()
    }
}

fn call(receiver: &str, sender: &str, text: &str) -> Vec<u8> {
    encode(&[vec![0], receiver.into(), sender.into(), header(1, 1), text.into()])
}

/// A network at the moment at which one of its hubs wants something done.
struct At<'a> {
    network: &'a mut Network,
    n: usize,
}

impl Outside for At<'_> {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        let now = Tick(self.network.now);
        (&mut self.network.nodes[self.n].hub, now)
    }

    fn flush(&mut self, key: PeerKey) {
        let now = Tick(self.network.now);
        let Node { hub, readers, .. } = &mut self.network.nodes[self.n];
        if let Some((reads, heard)) = readers.get_mut(&key) {
            heard.extend(driver::take(hub, now, key, if *reads { usize::MAX } else { 0 }));
            return;
        }
        let bytes = driver::take(hub, now, key, usize::MAX);
        if let Some(far) = self.network.far.get(&(self.n, key)).copied()
            && let Some((pipe, _)) = self.network.pipes.get_mut(&far)
        {
            pipe.extend(&bytes);
            self.network.nodes[self.n].traffic += bytes.len() as u64;
            self.network.plan(LATENCY_MS, Happens::Arrive(far, bytes.len()));
        }
    }

    fn close(&mut self, key: PeerKey, _: Cause) {
        if let Some(far) = self.network.far.remove(&(self.n, key)) {
            self.network.pipes.remove(&(self.n, key));
            self.network.plan(LATENCY_MS, Happens::End(far));
        }
    }

    fn dial(&mut self, node: NodeKey) {
        self.network.plan(LATENCY_MS, Happens::Dial(self.n, node));
    }

    fn dial_gatherer(&mut self, gatherer: GathererKey) {
        self.network.plan(LATENCY_MS, Happens::DialGatherer(self.n, gatherer));
    }
}

fn number(key: &str, plain: usize) -> usize {
    std::env::var(key).map_or(plain, |word| word.parse().unwrap_or_else(|_| panic!("{key} is a number, not '{word}'")))
}

#[test]
fn a_large_network_is_whole_again_soon_and_idle_at_little_cost() {
    let (nodes, components) = (number("MESH_NODES", 16), number("MESH_COMPONENTS", 150));
    let mut rng = Rng::new(7);
    let mut network = Network::new();
    for _ in 1..nodes {
        network.add(components);
    }
    let formed = network.until_whole(10_000);
    let made = network.traffic().into_iter().max().unwrap();

    network.add(components);
    let joined = network.until_whole(WHOLE_MS);

    // Nothing happens for a minute.
    network.play(10_000);
    let before = network.traffic();
    network.play(60_000);
    let idle = network.traffic().into_iter().zip(before).map(|(after, before)| (after - before) / 60).max().unwrap();
    assert!(idle < IDLE_BYTES, "{idle} bytes in a second");
    assert_eq!(network.lacks(), None);

    // One Component leaves: everybody hears it, and hears little.
    let before: u64 = network.traffic().into_iter().sum();
    let (client, name) = (network.nodes[3].clients[0].0, "device-0007");
    network.ask(3, client, name, "sign_out");
    let told = network.until_whole(1000);
    let cost = (network.traffic().into_iter().sum::<u64>() - before) / (2 * nodes as u64);
    assert!(cost < 1000, "{cost} bytes for each node");

    let mut healed = Vec::new();
    for cut_ms in [9_000, 30_000, 70_000] {
        network.cut(&mut rng);
        network.play(cut_ms);
        assert!(network.lacks().is_some(), "the cut was felt");
        network.cut = None;
        healed.push(network.until_whole(WHOLE_MS));
    }
    let asked = network.count("directories_asked");
    eprintln!(
        "{nodes} nodes of {components}: formed in {formed} ms ({made} B for a node), joined in {joined} ms, healed in {healed:?} ms; idle {idle} B/s; a change is heard in {told} ms for {cost} B a node; {asked} lists asked for"
    );
    assert_eq!(asked, 0, "nothing is lost on these links");
}
