//! Operations on a hub: connections at every door, bytes, ends, time, peers that do not read. After each the hub's tables agree.
//!
//! The input is a list of operations, see [`Op::take`]; [`Op::put`] writes one.

use std::net::SocketAddr;

use instep::config::Config;
use instep::hub::{Cause, Door, Hub, NodeKey, PeerKey, ProviderKey, Start};
use instep::time::Tick;
use instep::zmtp::SocketType;
use instep::zmtp::frame::push_frame;
use instep::zmtp::link::Link;

use super::played::{Played, text};
use crate::common::driver::{Outside, take};

/// Operations of one input.
const OPS_MAX: usize = 200;
const MEMORY_MAX: usize = 3 << 19;

/// One thing that happens to the hub.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op<'a> {
    /// A connection comes in: the door by the rest after division by three, from 128 on that of HTTP; from far away with an odd quarter.
    Open(u8),
    /// This peer sends greeting and READY: those of a Component, from 128 on those of another Coordinator.
    Hello(u8),
    /// This peer sends these bytes.
    Send(u8, &'a [u8]),
    /// This peer (less 128) sends a LECO message to a receiver, under a sender's name, with a payload: JSON, from 128 on any.
    Message(u8, [&'a [u8]; 3]),
    /// This peer (less a multiple of 64, which says the method) asks over HTTP at a path of the sessions, or with a slash in front at any path,
    /// with a body; one of a single digit is that document of [`DOCUMENTS`].
    Request(u8, [&'a [u8]; 2]),
    /// The connection of this peer ends.
    Close(u8),
    /// So many times so many milliseconds pass.
    Time(u8),
    /// From now on each write is taken up to so many times 64 bytes.
    Appetite(u8),
    /// The time of day is set, by so many seconds.
    Clock(u8),
    /// The program is told to end.
    Stop,
}

impl<'a> Op<'a> {
    /// Takes the next operation off the front: a kind, an argument, then texts with a length in front.
    pub(crate) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let (&[kind, argument], rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        let mut text = || text(bytes);
        Some(match kind % 13 {
            0 | 1 => Self::Open(argument),
            2 => Self::Hello(argument),
            3 | 4 => Self::Send(argument, text()),
            5..=7 => Self::Message(argument, [text(), text(), text()]),
            8 => Self::Close(argument),
            9 => Self::Time(argument),
            10 => Self::Appetite(argument),
            12 => Self::Request(argument, [text(), text()]),
            _ if argument < 16 => Self::Stop,
            _ => Self::Clock(argument),
        })
    }

    /// Writes the operation; texts of more than 255 bytes are cut.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let (kind, argument) = match self {
            Self::Open(argument) => (0, argument),
            Self::Hello(argument) => (2, argument),
            Self::Send(argument, _) => (3, argument),
            Self::Message(argument, _) => (5, argument),
            Self::Close(argument) => (8, argument),
            Self::Time(argument) => (9, argument),
            Self::Appetite(argument) => (10, argument),
            Self::Clock(argument) => (11, argument),
            Self::Stop => (11, 0),
            Self::Request(argument, _) => (12, argument),
        };
        out.extend([kind, argument]);
        let texts: &[&[u8]] = match &self {
            Self::Send(_, bytes) => &[bytes],
            Self::Message(_, texts) => texts,
            Self::Request(_, texts) => texts,
            Self::Open(_)
            | Self::Hello(_)
            | Self::Close(_)
            | Self::Time(_)
            | Self::Appetite(_)
            | Self::Clock(_)
            | Self::Stop => &[],
        };
        for text in texts {
            let text = &text[..text.len().min(255)];
            out.push(text.len() as u8);
            out.extend_from_slice(text);
        }
    }
}

/// What guests send: enough to bring a session to RUNNING, and something to say there.
const DOCUMENTS: [&str; 6] = [
    "<SystemMessageBody><SubmitInitialization/></SystemMessageBody>",
    "<C2SIMInitializationBody><ObjectDefinitions/><ScenarioSetting/><SystemEntityList><SystemName>S</SystemName></SystemEntityList>\
     </C2SIMInitializationBody>",
    "<SystemMessageBody><ShareScenario/></SystemMessageBody>",
    "<SystemMessageBody><StartScenario/></SystemMessageBody>",
    "<DomainMessageBody><ReportBody/></DomainMessageBody>",
    "<SystemMessageBody><PauseScenario/></SystemMessageBody>",
];

/// A request of a guest; its identity goes with its connection.
fn request(argument: u8, path: &[u8], body: &[u8]) -> Vec<u8> {
    let method = ["GET", "POST", "PUT", "DELETE"][usize::from(argument >> 6)];
    let document = match body {
        [digit @ b'0'..=b'5'] => format!(
            "<Message xmlns=\"http://www.sisostds.org/schemas/C2SIM/2.0.0-cwix2026\"><C2SIMHeader><ConversationID>\
             00000000-0000-4000-8000-000000000001</ConversationID><FromSendingSystem>S</FromSendingSystem><MessageID>\
             00000000-0000-4000-8000-000000000002</MessageID><Protocol>SISO-STD-C2SIM</Protocol><ProtocolVersion>1.0.2\
             </ProtocolVersion></C2SIMHeader><MessageBody>{}</MessageBody></Message>",
            DOCUMENTS[usize::from(digit - b'0')]
        )
        .into_bytes(),
        _ => body.to_vec(),
    };
    let id = argument & 63;
    let folder = if path.starts_with(b"/") { "" } else { "/api/c2sim/session/" };
    let mut whole = format!("{method} {folder}").into_bytes();
    whole.extend_from_slice(path);
    whole.extend_from_slice(
        format!(
            " HTTP/1.1\r\nHost: h\r\nclientId: g{id}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nContent-Length: {}\r\n\r\n",
            document.len()
        )
        .as_bytes(),
    );
    whole.extend(document);
    whole
}

/// A connection as the event loop has it: what has come for the hub and was not read yet.
#[derive(Debug)]
struct Far {
    key: PeerKey,
    inbox: Vec<u8>,
}

#[derive(Debug)]
struct House {
    hub: Hub,
    now: Tick,
    unix_ms: u64,
    peers: Vec<Far>,
    appetite: usize,
    dials: u32,
}

pub(crate) fn run(bytes: &[u8]) {
    let config = Config {
        namespace: "N1".into(),
        host: "n1".into(),
        coordinators: vec!["n2:12300".into()],
        connections_max: 12,
        message_bytes_max: 4096,
        frame_bytes_max: 2048,
        ring_bytes_max: 4096,
        memory_max: MEMORY_MAX,
        ..Config::default()
    };
    config.check().expect("the configuration is legal");
    let (now, unix_ms) = (Tick(1000), 1_700_000_000_000);
    let hub = Hub::new(config, Start { seed: 7, now, unix_ms }).unwrap();
    let mut house = House { hub, now, unix_ms, peers: Vec::new(), appetite: usize::MAX, dials: 0 };
    house.pump();
    let mut rest = bytes;
    for _ in 0..OPS_MAX {
        let Some(op) = Op::take(&mut rest) else { break };
        house.act(op);
        house.pump();
    }
    house.appetite = usize::MAX;
    while let Some(far) = house.peers.pop() {
        house.hub.handle_closed(house.now, far.key, Cause::Gone);
        house.pump();
    }
    house.wait(120_000);
    house.peers.clear();
    house.pump();
    assert_eq!(house.hub.bytes_waiting(), (0, 0), "nothing waits for nobody");
}

impl House {
    fn act(&mut self, op: Op<'_>) {
        match op {
            Op::Open(argument) => {
                let door = match argument {
                    0..128 => [Door::Leco, Door::Control, Door::Viewer][usize::from(argument) % 3],
                    128..192 => Door::Http,
                    192.. => Door::Stomp,
                };
                let remote = if argument & 4 == 0 { "127.0.0.1:5000" } else { "10.0.0.9:5000" };
                let key = self.hub.open_at(self.now, remote.parse().expect("it is an address"), door);
                self.add(key);
            }
            Op::Hello(argument) => {
                let theirs = if argument < 128 { SocketType::Dealer } else { SocketType::Router };
                let (greeting, ready) = Link::new(theirs).opening();
                self.send(argument & 127, &greeting);
                self.send(argument & 127, ready.bytes());
            }
            Op::Send(peer, bytes) => self.send(peer, bytes),
            Op::Message(peer, [receiver, sender, payload]) => {
                let header = if peer < 128 { *b"0123456789abcdef\0\0\0\x01" } else { *b"0123456789abcdef\0\0\0\0" };
                let mut message = Vec::new();
                for frame in [&[0][..], receiver, sender, &header] {
                    push_frame(&mut message, true, frame);
                }
                push_frame(&mut message, false, payload);
                self.send(peer & 127, &message);
            }
            Op::Request(argument, [path, body]) => self.send(argument & 63, &request(argument, path, body)),
            Op::Close(peer) => {
                if let Some(at) = self.at(peer) {
                    let cause = [Cause::Peer, Cause::Gone, Cause::Io][usize::from(peer) % 3];
                    self.hub.handle_closed(self.now, self.peers[at].key, cause);
                }
            }
            Op::Time(root) => self.wait(u64::from(root) * u64::from(root)),
            Op::Appetite(pieces) => self.appetite = usize::from(pieces) * 64,
            Op::Clock(seconds) => {
                self.unix_ms += u64::from(seconds) * 1000;
                self.hub.handle_clock(self.now, self.unix_ms);
            }
            Op::Stop => self.hub.handle_stop(self.now),
        }
    }

    fn at(&self, peer: u8) -> Option<usize> {
        usize::from(peer).checked_rem(self.peers.len())
    }

    fn add(&mut self, key: Option<PeerKey>) {
        self.peers.extend(key.map(|key| Far { key, inbox: Vec::new() }));
    }

    fn send(&mut self, peer: u8, bytes: &[u8]) {
        if let Some(at) = self.at(peer)
            // A socket's buffer has an end too.
            && self.peers[at].inbox.len() < 1 << 16
        {
            self.peers[at].inbox.extend(bytes);
        }
    }

    /// How an attempt to connect ends: every third fails.
    fn dialled(&mut self) -> Result<SocketAddr, &'static str> {
        self.dials += 1;
        if self.dials.is_multiple_of(3) {
            Err("nobody there")
        } else {
            Ok("127.0.0.1:6000".parse().expect("it is an address"))
        }
    }
}

impl Played for House {
    const MEMORY_MAX: usize = MEMORY_MAX;

    fn set(&mut self, to: Tick) {
        self.unix_ms += to.since(self.now).0;
        self.now = to;
    }

    fn inbox(&mut self, at: usize) -> Option<(PeerKey, &mut Vec<u8>)> {
        self.peers.get_mut(at).map(|far| (far.key, &mut far.inbox))
    }
}

impl Outside for House {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        (&mut self.hub, self.now)
    }

    fn flush(&mut self, key: PeerKey) {
        take(&mut self.hub, self.now, key, self.appetite);
        self.check();
    }

    fn close(&mut self, key: PeerKey, _: Cause) {
        self.peers.retain(|far| far.key != key);
        self.check();
    }

    fn dial(&mut self, node: NodeKey) {
        assert!(self.hub.dial_address(node).is_some(), "a dialled node has an address");
        let outcome = self.dialled();
        let key = self.hub.handle_dialed(self.now, node, outcome);
        self.add(key);
        self.check();
    }

    fn dial_kernel(&mut self, provider: ProviderKey) {
        assert!(self.hub.kernel_address(provider).is_some(), "a dialled kernel has an address");
        let outcome = self.dialled();
        let key = self.hub.handle_kernel_dialed(self.now, provider, outcome);
        self.add(key);
        self.check();
    }
}
