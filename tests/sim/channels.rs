//! The data channel of three nodes: publishers and subscribers at each, cuts through the network and rejoins, readers that stop. Nobody gets a
//! message twice, or one that it has not asked for; where all stands still everybody gets all that it has asked for, wherever that is published,
//! and publishers know just that; and whoever does not read has its drops counted.
//!
//! A publisher sends what it knows to be wanted, as those of libzmq do.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use instep::config::Drops;
use instep::hub::{Channel, ChannelPorts, Door, PeerKey};
use instep::time::Tick;

use crate::mesh::Network;
use crate::rng::Rng;
use crate::wire::{Reader, Unit, encode, opening_as};

const NODES: usize = 3;
const TOPICS: [&str; 6] = ["", "N1.", "N1.a", "N1.ab", "N2", "x"];
const RUNS: u64 = 12;
const ROUNDS: u64 = 80;
const RING_BYTES: usize = 16 << 10;
/// So long after the last change everybody knows what is wanted.
const CALM_MS: u64 = 500;
/// So long after a cut has healed all is connected again: nodes and gatherers are dialled anew at growing intervals.
const HEALED_MS: u64 = 30_000;

struct Publisher {
    node: usize,
    key: PeerKey,
    reader: Reader,
    /// What it has been told is wanted.
    knows: BTreeSet<Vec<u8>>,
}

struct Subscriber {
    node: usize,
    key: PeerKey,
    reader: Reader,
    wants: BTreeSet<&'static str>,
    /// What it wants, and what it has wanted since all was calm.
    wanted: BTreeSet<&'static str>,
    /// The numbers of all that it has got.
    got: BTreeSet<u32>,
}

struct House {
    network: Network,
    rng: Rng,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    number: u32,
    /// Messages that were sent, with their topics.
    sent: Vec<String>,
}

impl House {
    fn new(seed: u64) -> Self {
        let mut network = Network::new();
        for n in 0..NODES {
            network.add_with(3, |config| {
                config.ring_bytes_max = RING_BYTES;
                // Nobody here answers a PING; a cut ends what it cuts.
                config.heartbeat_s = 0;
                config.channel_drops = if seed.is_multiple_of(2) { Drops::Newest } else { Drops::Oldest };
            });
            let ports = ChannelPorts { publishers: 11_100, subscribers: 11_099, distributors: 11_101 };
            network.nodes[n].hub.set_channel(Channel::Data, ports);
        }
        network.until_whole(10_000);
        let (publishers, subscribers) = (Vec::new(), Vec::new());
        let mut house = Self { network, rng: Rng::new(seed), publishers, subscribers, number: 0, sent: Vec::new() };
        for node in 0..NODES {
            let key = house.plug(node, Door::Publisher(Channel::Data), "PUB");
            house.publishers.push(Publisher { node, key, reader: Reader::default(), knows: BTreeSet::new() });
            for _ in 0..2 {
                let key = house.plug(node, Door::Subscriber(Channel::Data), "SUB");
                let (wants, wanted, got) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
                house.subscribers.push(Subscriber { node, key, reader: Reader::default(), wants, wanted, got });
            }
        }
        house.network.play(HEALED_MS);
        house
    }

    fn plug(&mut self, n: usize, door: Door, is: &str) -> PeerKey {
        let now = Tick(self.network.now);
        let minor = self.rng.below(2) as u8;
        let node = &mut self.network.nodes[n];
        let key = node.hub.open_at(now, SocketAddr::from(([127, 0, 0, 1], 9)), door).expect("there is room");
        node.readers.insert(key, (true, Vec::new()));
        self.feed(n, key, &opening_as(minor, is));
        key
    }

    fn feed(&mut self, n: usize, key: PeerKey, bytes: &[u8]) {
        self.network.nodes[n].hub.handle_bytes(Tick(self.network.now), key, bytes);
        self.network.settle(n);
    }

    fn subscribe(&mut self, at: usize, is_wanted: bool, topic: &'static str) {
        let subscriber = &mut self.subscribers[at];
        if is_wanted {
            subscriber.wants.insert(topic);
            subscriber.wanted.insert(topic);
        } else {
            subscriber.wants.remove(topic);
        }
        let (node, key) = (subscriber.node, subscriber.key);
        self.feed(node, key, &encode(&[[&[u8::from(is_wanted)], topic.as_bytes()].concat()]));
    }

    /// A publisher sends something, unless it knows that nobody wants it. Answers the number of the message.
    fn publish(&mut self, at: usize, topic: &str, bytes: usize) -> u32 {
        self.learn(at);
        self.number += 1;
        self.sent.push(topic.to_owned());
        let publisher = &self.publishers[at];
        if publisher.knows.iter().any(|known| topic.as_bytes().starts_with(known)) {
            let (node, key) = (publisher.node, publisher.key);
            self.feed(node, key, &encode(&[topic.into(), self.number.to_be_bytes().into(), vec![7; bytes]]));
        }
        self.number
    }

    /// A publisher takes in what it was told.
    fn learn(&mut self, at: usize) {
        let Publisher { node, key, reader, knows } = &mut self.publishers[at];
        let (_, bytes) = self.network.nodes[*node].readers.get_mut(key).expect("it reads");
        for unit in reader.feed(&std::mem::take(bytes)) {
            let (is_wanted, topic) = match unit {
                Unit::Command(body) => match body.strip_prefix(b"\x09SUBSCRIBE") {
                    Some(topic) => (true, topic.to_vec()),
                    None => continue,
                },
                Unit::Message(frames) => (frames[0][0] == 1, frames[0][1..].to_vec()),
            };
            if is_wanted {
                assert!(knows.insert(topic.clone()), "{topic:?} was told twice");
            } else {
                assert!(knows.remove(&topic), "{topic:?} was not wanted");
            }
        }
    }

    /// A subscriber takes in what it has got.
    fn hear(&mut self, at: usize) {
        let Subscriber { node, key, reader, wanted, got, .. } = &mut self.subscribers[at];
        let (_, bytes) = self.network.nodes[*node].readers.get_mut(key).expect("it reads");
        for unit in reader.feed(&std::mem::take(bytes)) {
            let Unit::Message(frames) = unit else { continue };
            let number = u32::from_be_bytes(frames[1][..].try_into().expect("a number"));
            let topic = &self.sent[number as usize - 1];
            assert_eq!(topic.as_bytes(), &frames[0][..]);
            assert!(wanted.iter().any(|wanted| topic.starts_with(wanted)), "{topic} has come, wanted are {wanted:?}");
            assert!(got.insert(number), "message {number} has come twice");
        }
    }

    fn reads(&mut self, at: usize, reads: bool) {
        let Subscriber { node, key, .. } = self.subscribers[at];
        self.network.nodes[node].readers.get_mut(&key).expect("it is there").0 = reads;
        if reads {
            let hub = &mut self.network.nodes[node].hub;
            let bytes = crate::common::driver::take(hub, Tick(self.network.now), key, usize::MAX);
            self.network.nodes[node].readers.get_mut(&key).expect("it is there").1.extend(bytes);
            self.network.settle(node);
        }
    }

    fn hear_all(&mut self) {
        (0..self.subscribers.len()).for_each(|at| self.hear(at));
        for node in &self.network.nodes {
            node.hub.check_invariants().expect("the tables agree");
        }
    }

    /// Nothing changes for a while: everybody knows what is wanted, and gets just that.
    fn calm(&mut self) {
        self.network.play(CALM_MS);
        self.hear_all();
        let wanted: BTreeSet<Vec<u8>> =
            self.subscribers.iter().flat_map(|one| &one.wants).map(|topic| topic.as_bytes().to_vec()).collect();
        for at in 0..self.publishers.len() {
            self.learn(at);
            assert_eq!(self.publishers[at].knows, wanted, "what publisher {at} knows");
        }
        for subscriber in &mut self.subscribers {
            subscriber.wanted.clone_from(&subscriber.wants);
        }
        for _ in 0..5 {
            let (at, topic) = (self.rng.index(NODES), self.rng.pick(&TOPICS));
            let number = self.publish(at, &format!("{topic}c"), 50);
            self.network.play(50);
            self.hear_all();
            for (n, one) in self.subscribers.iter().enumerate() {
                let is_due = one.wants.iter().any(|wanted| format!("{topic}c").starts_with(wanted));
                assert_eq!(
                    one.got.contains(&number),
                    is_due,
                    "subscriber {n} of node {} wants {:?}: {topic}c of node {at} at {}",
                    one.node,
                    one.wants,
                    self.network.now
                );
            }
        }
    }

    fn drops(&self, n: usize) -> u64 {
        self.network.nodes[n].hub.counters().iter().find(|(key, ..)| *key == "published_drops").expect("it counts").2
    }

    /// A subscriber stops to read while much is published everywhere: it has all but what is counted as dropped.
    fn one_stops(&mut self) {
        let at = self.rng.index(self.subscribers.len());
        let node = self.subscribers[at].node;
        self.subscribe(at, true, "");
        self.calm();
        let (before, got) = (self.drops(node), self.subscribers[at].got.len());
        self.reads(at, false);
        let count = 400;
        for n in 0..count {
            let (from, topic) = (self.rng.index(NODES), self.rng.pick(&TOPICS));
            let bytes = self.rng.index(300);
            self.publish(from, topic, bytes);
            if n % 4 == 0 {
                self.network.play(20);
            }
        }
        self.network.play(50);
        self.reads(at, true);
        self.network.play(50);
        self.hear_all();
        let drops = self.drops(node) - before;
        assert!(drops > 0, "its ring is not as large");
        assert_eq!((self.subscribers[at].got.len() - got) as u64 + drops, count, "got and dropped");
        self.subscribe(at, false, "");
        self.calm();
    }

    fn play(&mut self) -> (u64, u64) {
        let (mut cuts, mut calms) = (0, 0);
        for _ in 0..ROUNDS {
            match self.rng.below(10) {
                0..=3 => {
                    let (at, topic) = (self.rng.index(self.subscribers.len()), self.rng.pick(&TOPICS));
                    let is_wanted = !self.rng.one_in(3);
                    self.subscribe(at, is_wanted, topic);
                }
                4..=6 => {
                    for _ in 0..self.rng.below(20) {
                        let (at, topic) = (self.rng.index(NODES), self.rng.pick(&TOPICS));
                        self.publish(at, topic, 20);
                    }
                }
                7 if self.network.cut.is_none() => {
                    cuts += 1;
                    let Self { network, rng, .. } = self;
                    network.cut(rng);
                    let ms = rng.pick(&[1, 50, 3_000, 40_000]);
                    network.play(ms);
                }
                8 if self.network.cut.is_some() => {
                    self.network.cut = None;
                    self.network.play(HEALED_MS);
                    self.calm();
                    calms += 1;
                }
                _ if self.network.cut.is_none() && self.rng.one_in(3) => {
                    self.network.play(HEALED_MS);
                    self.calm();
                    calms += 1;
                }
                _ => {}
            }
            let ms = self.rng.pick(&[0, 1, 7, 100]);
            self.network.play(ms);
            self.hear_all();
        }
        self.network.cut = None;
        self.network.play(HEALED_MS);
        self.calm();
        self.one_stops();
        (cuts, calms + 2)
    }
}

#[test]
fn everybody_gets_what_it_has_asked_for_once_through_cuts_and_rejoins() {
    let (mut cuts, mut calms, mut got) = (0, 0, 0);
    let seeds = match (crate::number("SIM_SEED"), crate::number("SIM_RUNS")) {
        (Some(seed), None) => seed..seed + 1,
        (seed, runs) => seed.unwrap_or(0)..seed.unwrap_or(0) + runs.unwrap_or(RUNS),
    };
    for seed in seeds {
        eprintln!("channels, SIM_SEED={seed}");
        let mut house = House::new(seed);
        let (more_cuts, more_calms) = house.play();
        cuts += more_cuts;
        calms += more_calms;
        got += house.subscribers.iter().map(|one| one.got.len()).sum::<usize>();
    }
    eprintln!("{cuts} cuts, {calms} times calm, {got} messages got");
    assert!(calms > 0 && got > 100, "next to nothing has happened");
}
