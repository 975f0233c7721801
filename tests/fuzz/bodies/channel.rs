//! Operations on the data channel of a hub: sockets of all kinds, subscriptions both ways, messages, ends, peers that do not read. After each the
//! hub's tables agree; and whatever a subscriber is sent are whole messages, each once, under topics that it has asked for.
//!
//! The first byte says what is dropped and whether last values are kept; then come operations, see [`Op::take`]; [`Op::put`] writes one.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use instep::config::{Config, Drops};
use instep::hub::{Cause, Channel, ChannelPorts, Door, GathererKey, Hub, PeerKey, Start};
use instep::time::Tick;
use instep::zmtp::SocketType;
use instep::zmtp::frame::{Bounds, Found, Scan, push_command, push_frame};
use instep::zmtp::link::Link;
use instep::zmtp::subscription::Subscription;

use super::played::{Played, text};
use crate::common::driver::{Outside, take};

/// Operations of one input.
const OPS_MAX: usize = 200;
const MEMORY_MAX: usize = 3 << 19;
const BOUNDS: Bounds = Bounds { frame_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };

/// One thing that happens to the channel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op<'a> {
    /// A socket connects, and shakes hands: the door by the rest after division by three, its type by what is left of that after division by five.
    Come(u8),
    /// This peer (less 128) wants a topic, by a message; from 128 on by a command.
    Subscribe(u8, &'a [u8]),
    /// The same does not want it any more.
    Cancel(u8, &'a [u8]),
    /// This peer (less a multiple of 8) publishes under a topic so many times 40 bytes as the multiple says.
    Publish(u8, &'a [u8]),
    /// This peer sends these bytes.
    Send(u8, &'a [u8]),
    /// The connection of this peer ends.
    Close(u8),
    /// So many times so many milliseconds pass.
    Time(u8),
    /// From now on each write is taken up to so many times 16 bytes.
    Appetite(u8),
}

impl<'a> Op<'a> {
    /// Takes the next operation off the front: a kind, an argument, and for some a text with a length in front.
    pub(crate) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let (&[kind, argument], rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        let mut text = || text(bytes);
        Some(match kind % 11 {
            0 | 1 => Self::Come(argument),
            2 | 3 => Self::Subscribe(argument, text()),
            4 => Self::Cancel(argument, text()),
            5..=7 => Self::Publish(argument, text()),
            8 => Self::Send(argument, text()),
            9 if argument < 128 => Self::Close(argument),
            9 => Self::Time(argument & 127),
            _ => Self::Appetite(argument),
        })
    }

    /// Writes the operation.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let (kind, argument, text) = match self {
            Self::Come(argument) => (0, argument, None),
            Self::Subscribe(argument, topic) => (2, argument, Some(topic)),
            Self::Cancel(argument, topic) => (4, argument, Some(topic)),
            Self::Publish(argument, topic) => (5, argument, Some(topic)),
            Self::Send(argument, bytes) => (8, argument, Some(bytes)),
            Self::Close(argument) => (9, argument, None),
            Self::Time(argument) => (9, argument | 128, None),
            Self::Appetite(argument) => (10, argument, None),
        };
        out.extend([kind, argument]);
        if let Some(text) = text {
            let text = &text[..text.len().min(255)];
            out.push(text.len() as u8);
            out.extend_from_slice(text);
        }
    }
}

/// A socket at the other end.
#[derive(Debug)]
struct Far {
    key: PeerKey,
    inbox: Vec<u8>,
    /// What it was sent and has not been looked at, its greeting first.
    outbox: Vec<u8>,
    /// It is past our greeting.
    is_greeted: bool,
    /// Whatever it has asked for.
    wanted: BTreeSet<Vec<u8>>,
    /// The numbers of the messages that it has been sent.
    numbers: BTreeSet<u32>,
    /// It publishes, or sends whatever it likes: what it has asked for is not known.
    is_wild: bool,
}

struct House {
    hub: Hub,
    now: Tick,
    peers: Vec<Far>,
    appetite: usize,
    published: u32,
    keeps_last: bool,
}

pub(crate) fn run(bytes: &[u8]) {
    let (&[flags], mut rest) = bytes.split_first_chunk().unwrap_or((&[0], &[]));
    let keeps_last = flags & 2 != 0;
    let config = Config {
        namespace: "N1".into(),
        host: "n1".into(),
        connections_max: 12,
        message_bytes_max: 4096,
        frame_bytes_max: 2048,
        ring_bytes_max: 4096,
        memory_max: MEMORY_MAX,
        channel_drops: if flags & 1 == 0 { Drops::Newest } else { Drops::Oldest },
        last_values: keeps_last,
        ..Config::default()
    };
    config.check().expect("the configuration is legal");
    let now = Tick(1000);
    let mut hub = Hub::new(config, Start { seed: 7, now, unix_ms: 1_700_000_000_000 }).unwrap();
    hub.set_channel(Channel::Data, ChannelPorts { publishers: 11_100, subscribers: 11_099, distributors: 11_101 });
    let mut house = House { hub, now, peers: Vec::new(), appetite: usize::MAX, published: 0, keeps_last };
    for _ in 0..OPS_MAX {
        let Some(op) = Op::take(&mut rest) else { break };
        house.act(op);
        house.pump();
    }
    house.appetite = usize::MAX;
    for at in 0..house.peers.len() {
        let key = house.peers[at].key;
        house.flush(key);
    }
    house.pump();
    while let Some(far) = house.peers.pop() {
        house.hub.handle_closed(house.now, far.key, Cause::Gone);
        house.pump();
    }
    house.wait(120_000);
    assert_eq!(house.hub.bytes_waiting(), (0, 0), "nothing waits for nobody");
}

impl House {
    fn act(&mut self, op: Op<'_>) {
        match op {
            Op::Come(argument) => {
                let door = [Door::Publisher, Door::Subscriber, Door::Distributor][usize::from(argument % 3)];
                let theirs = [SocketType::Pub, SocketType::Xpub, SocketType::Sub, SocketType::Xsub, SocketType::Dealer]
                    [usize::from(argument / 3 % 5)];
                let remote = "127.0.0.1:5000".parse().expect("it is an address");
                let Some(key) = self.hub.open_at(self.now, remote, door(Channel::Data)) else { return };
                let (greeting, ready) = Link::new(theirs).opening();
                self.peers.push(Far {
                    key,
                    inbox: [&greeting[..], ready.bytes()].concat(),
                    outbox: Vec::new(),
                    is_greeted: false,
                    wanted: BTreeSet::new(),
                    numbers: BTreeSet::new(),
                    is_wild: argument % 3 == 0,
                });
            }
            Op::Subscribe(peer, topic) => self.subscription(peer, true, topic),
            Op::Cancel(peer, topic) => self.subscription(peer, false, topic),
            Op::Publish(argument, topic) => {
                self.published += 1;
                let mut message = Vec::new();
                push_frame(&mut message, true, topic);
                push_frame(&mut message, true, &self.published.to_be_bytes());
                push_frame(&mut message, false, &vec![7; usize::from(argument >> 3) * 40]);
                self.send(argument & 7, &message);
            }
            Op::Send(peer, bytes) => {
                if let Some(far) = self.at(peer) {
                    far.is_wild = true;
                }
                self.send(peer, bytes);
            }
            Op::Close(peer) => {
                if let Some(far) = self.at(peer) {
                    let key = far.key;
                    self.hub.handle_closed(self.now, key, Cause::Peer);
                }
            }
            Op::Time(root) => self.wait(u64::from(root) * u64::from(root)),
            Op::Appetite(pieces) => self.appetite = usize::from(pieces) * 16,
        }
    }

    fn subscription(&mut self, peer: u8, is_wanted: bool, topic: &[u8]) {
        let mut bytes = Vec::new();
        if peer < 128 {
            Subscription { is_wanted, topic }.write(&mut bytes);
        } else {
            let name: &[u8] = if is_wanted { b"\x09SUBSCRIBE" } else { b"\x06CANCEL" };
            push_command(&mut bytes, &[name, topic].concat());
        }
        if let Some(far) = self.at(peer & 127).filter(|_| is_wanted) {
            far.wanted.insert(topic.to_vec());
        }
        self.send(peer & 127, &bytes);
    }

    fn at(&mut self, peer: u8) -> Option<&mut Far> {
        let at = usize::from(peer).checked_rem(self.peers.len())?;
        self.peers.get_mut(at)
    }

    fn send(&mut self, peer: u8, bytes: &[u8]) {
        if let Some(far) = self.at(peer).filter(|far| far.inbox.len() < 1 << 16) {
            far.inbox.extend_from_slice(bytes);
        }
    }
}

impl Far {
    /// Looks at what it was sent.
    fn read(&mut self, keeps_last: bool) {
        if !self.is_greeted && self.outbox.len() >= 64 {
            self.outbox.drain(..64);
            self.is_greeted = true;
        }
        let mut at = 0;
        while self.is_greeted && at < self.outbox.len() {
            let rest = &self.outbox[at..];
            let message = match Scan::default().next(rest, &BOUNDS).expect("what is sent is ZMTP") {
                Found::Need(_) => break,
                Found::Command { head, body, .. } => {
                    at += head + body;
                    continue;
                }
                Found::Message(message) => message,
            };
            let part = |n| message.part(rest, n).unwrap_or_default();
            at += message.len;
            if let Ok(number) = part(1).try_into().map(u32::from_be_bytes)
                && message.frames == 3
                && !self.is_wild
            {
                let topic = part(0);
                assert!(self.wanted.iter().any(|wanted| topic.starts_with(wanted)), "nobody has asked for {topic:?}");
                assert!(self.numbers.insert(number) || keeps_last, "message {number} came twice");
            }
        }
        self.outbox.drain(..at);
    }
}

impl Outside for House {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        (&mut self.hub, self.now)
    }

    fn flush(&mut self, key: PeerKey) {
        let bytes = take(&mut self.hub, self.now, key, self.appetite);
        if let Some(far) = self.peers.iter_mut().find(|far| far.key == key) {
            far.outbox.extend(bytes);
            far.read(self.keeps_last);
        }
        self.check();
    }

    fn close(&mut self, key: PeerKey, _: Cause) {
        self.peers.retain(|far| far.key != key);
        self.check();
    }

    fn dial_gatherer(&mut self, key: GathererKey) {
        let nobody: Result<SocketAddr, &str> = Err("nobody there");
        self.hub.handle_gatherer_dialed(self.now, key, nobody);
    }
}

impl Played for House {
    const MEMORY_MAX: usize = MEMORY_MAX;

    fn set(&mut self, to: Tick) {
        self.now = to;
    }

    fn inbox(&mut self, at: usize) -> Option<(PeerKey, &mut Vec<u8>)> {
        self.peers.get_mut(at).map(|far| (far.key, &mut far.inbox))
    }
}
