//! What the tests of every owner share: a transport core and names to lend to it, connections whose handshake is over, and a reader of
//! what waits for them.
//!
//! No other owner is there: what it would hear stands in the events, what the event loop would do in the outputs.

use core::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::config::Config;
use crate::leco::message::{TYPE_JSON, View};
use crate::leco::name::COORDINATOR;
use crate::leco::nodes::{Dealer, Node};
use crate::limits::MESSAGE_BYTES_CEILING;
use crate::time::{Span, Tick};
use crate::zmtp::SocketType;
use crate::zmtp::command::Built;
use crate::zmtp::frame::{Bounds, Found, Scan, push_frame};
use crate::zmtp::link::{Link, Step};

use super::doors::{Door, Output, Start};
use super::events::Event;
use super::keys::{ComponentKey, NodeKey, PeerKey};
use super::names::Names;
use super::peers::{Peers, QueuedResult, ResultKind, Role};

/// On this machine.
pub(super) const NEAR: &str = "127.0.0.1:4000";
/// On another one.
pub(super) const FAR: &str = "10.0.0.1:4000";

/// Nothing that a test sends is too large.
const BOUNDS: Bounds = Bounds { frame_bytes_max: MESSAGE_BYTES_CEILING, message_bytes_max: MESSAGE_BYTES_CEILING };

/// The frames of a message.
pub(super) type Frames = Vec<Vec<u8>>;

/// What is lent to an owner: the node is `N1` at `n1:12300`.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) peers: Peers,
    pub(super) names: Names,
}

impl Lent {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same with another configuration; it may be one that no user could choose.
    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (namespace, host) = ("N1".to_owned(), "n1".to_owned());
        let mut config = Config { namespace, host, return_ms: 0, hint_s: 0, ..Config::default() };
        change(&mut config);
        let start = Start { seed: 7, now: Tick(1000), unix_ms: 1_700_000_000_000 };
        let users = config.judge_users(None).unwrap();
        Self { names: Names::new(&config, start.seed), peers: Peers::new(config, users, start) }
    }

    /// So many milliseconds pass; nobody has looked at a deadline yet.
    pub(super) fn pass(&mut self, ms: u64) {
        self.peers.advance(self.peers.now + Span(ms));
    }

    // ---- Connections ----

    /// A connection that has not sent anything.
    pub(super) fn open(&mut self, door: Door, remote: &str) -> Option<PeerKey> {
        self.peers.admit(remote.parse().unwrap(), door)
    }

    /// A DEALER that has shaken hands and has said nothing yet.
    pub(super) fn dealer(&mut self) -> PeerKey {
        self.dealer_from(NEAR)
    }

    pub(super) fn dealer_from(&mut self, remote: &str) -> PeerKey {
        let key = self.open(Door::Leco, remote).expect("there is room");
        self.shake_hands(key);
        key
    }

    /// The other end of a link does its part of the handshake, and reads ours.
    pub(super) fn shake_hands(&mut self, key: PeerKey) {
        let role = self.peers.get(key).unwrap().role;
        self.hear_opening(key, &opening(if role == Role::Accepted { SocketType::Dealer } else { SocketType::Router }));
    }

    /// The same as a socket of that type.
    pub(super) fn shake_hands_as(&mut self, key: PeerKey, theirs: SocketType) {
        self.hear_opening(key, &opening(theirs));
    }

    fn hear_opening(&mut self, key: PeerKey, opening: &[u8]) {
        let bounds = self.peers.bounds;
        let link = self.peers.link_mut(key).unwrap();
        assert!(matches!(link.next(opening, &bounds), Ok(Step::Skip { len: 64 })));
        assert!(matches!(link.next(&opening[64..], &bounds), Ok(Step::Ready { .. })));
        self.peers.handshake_done(key);
        self.read(key);
    }

    /// A component of this node, signed in on a link of its own.
    pub(super) fn component(&mut self, name: &str) -> PeerKey {
        let link = self.dealer();
        self.name(link, name);
        link
    }

    /// Signs one more name in on a link.
    pub(super) fn name(&mut self, link: PeerKey, name: &str) -> ComponentKey {
        let component = self.names.directory.add(name.as_bytes(), link).unwrap();
        self.peers.add_name(link, component);
        component
    }

    /// Another node, signed in both ways: its key, its link to us, our DEALER to it.
    pub(super) fn node(&mut self, namespace: &str) -> (NodeKey, PeerKey, PeerKey) {
        self.node_that_opens(namespace, &opening(SocketType::Router))
    }

    /// The same, of which nobody says that it is an instep.
    pub(super) fn plain_node(&mut self, namespace: &str) -> (NodeKey, PeerKey, PeerKey) {
        let (greeting, _) = Link::new(SocketType::Router).opening();
        let mut theirs = Built::ready(SocketType::Dealer).bytes().to_vec();
        let at = theirs.windows(6).position(|name| name == b"DEALER").expect("it says what it is");
        theirs[at..at + 6].copy_from_slice(b"ROUTER");
        self.node_that_opens(namespace, &[&greeting[..], &theirs].concat())
    }

    fn node_that_opens(&mut self, namespace: &str, opening: &[u8]) -> (NodeKey, PeerKey, PeerKey) {
        let inbound = self.dealer_from(FAR);
        let mut node = Node::new(self.peers.now);
        node.namespace = Some(namespace.as_bytes().into());
        node.address = Some(format!("{}:12300", namespace.to_lowercase()).into());
        node.inbound = Some(inbound);
        let key = self.names.nodes.add(node).unwrap();
        self.peers.get_mut(inbound).unwrap().node = Some(key);
        let remote: SocketAddr = FAR.parse().unwrap();
        let dealer = self.peers.add_zmtp(Role::Dialled(key), SocketType::Dealer, remote, None).unwrap();
        self.hear_opening(dealer, opening);
        self.names.nodes.get_mut(key).unwrap().dealer = Dealer::Up(dealer);
        (key, inbound, dealer)
    }

    // ---- What came of it ----

    /// Takes everything that waits for a peer, as if its socket had taken it.
    pub(super) fn read(&mut self, key: PeerKey) -> Vec<u8> {
        let bytes = self.peers.unsent(key).concat();
        self.peers.sent(key, bytes.len());
        bytes
    }

    /// The same as messages; commands are left out.
    pub(super) fn hear(&mut self, key: PeerKey) -> Vec<Frames> {
        messages(&self.read(key))
    }

    /// The one message that waits for a peer: receiver, sender, content.
    pub(super) fn hear_one(&mut self, key: PeerKey) -> (String, String, Value) {
        let heard = self.hear(key);
        let [message] = &heard[..] else { panic!("not one message: {heard:?}") };
        let text = |n: usize| String::from_utf8(message[n].clone()).unwrap();
        (text(1), text(2), serde_json::from_slice(&message[4]).unwrap())
    }

    /// The code of the one error that waits for a peer.
    pub(super) fn hear_error(&mut self, key: PeerKey) -> i64 {
        let (_, _, content) = self.hear_one(key);
        content["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {content}"))
    }

    /// What the event loop is to do, but for writing.
    pub(super) fn outputs(&mut self) -> Vec<Output> {
        let outputs = core::iter::from_fn(|| self.peers.next_output());
        outputs.filter(|output| !matches!(output, Output::Flush(_))).collect()
    }

    /// What those above would hear.
    pub(super) fn events(&mut self) -> Vec<Event> {
        self.peers.events.drain(..).collect()
    }

    // ---- Circumstances ----

    /// A peer's ring has no room any more, not even for words of our own.
    pub(super) fn choke(&mut self, key: PeerKey) {
        let bytes = vec![b' '; self.peers.own_bytes_max()];
        let message = leco("CX", "N1.CY", &bytes);
        self.peers.queue_parts(key, &[&message], usize::MAX).unwrap();
    }

    /// So many bytes of a result wait for a viewer.
    pub(super) fn result(&mut self, key: PeerKey, bytes: usize) {
        assert!(self.peers.pool.charge(bytes));
        self.peers.queue_result(key, QueuedResult { bytes: Arc::new(vec![0; bytes]), kind: ResultKind::Answer });
    }
}

/// What a peer sends first: its greeting and its READY.
pub(super) fn opening(ours: SocketType) -> Vec<u8> {
    let (greeting, ready) = Link::new(ours).opening();
    [&greeting[..], ready.bytes()].concat()
}

/// The messages among what has come to a peer after its greeting.
pub(super) fn messages(bytes: &[u8]) -> Vec<Frames> {
    let (mut rest, mut heard) = (bytes, Vec::new());
    while !rest.is_empty() {
        rest = match Scan::default().next(rest, &BOUNDS) {
            Ok(Found::Message(message)) => {
                let (wire, behind) = rest.split_at(message.len);
                heard.push((0..5).map_while(|n| message.part(wire, n)).map(<[u8]>::to_vec).collect());
                behind
            }
            Ok(Found::Command { head, body, .. }) => &rest[head + body..],
            other => panic!("whole messages wait, not {other:?}"),
        };
    }
    heard
}

/// A message on the wire, its content being JSON.
pub(super) fn leco(receiver: &str, sender: &str, payload: &[u8]) -> Vec<u8> {
    let mut header = [3; 20];
    header[19] = TYPE_JSON;
    let mut wire = Vec::new();
    for body in [&[0][..], receiver.as_bytes(), sender.as_bytes(), &header] {
        push_frame(&mut wire, true, body);
    }
    push_frame(&mut wire, false, payload);
    wire
}

/// The frames of a message on the wire, as those see them who route it.
pub(super) fn view(wire: &[u8]) -> View<'_> {
    let Ok(Found::Message(message)) = Scan::default().next(wire, &BOUNDS) else { panic!("no message: {wire:?}") };
    let part = |n| message.part(wire, n);
    View::new(part(0), part(1), part(2), part(3), part(4)).unwrap()
}

/// The Coordinator of a namespace.
pub(super) fn coordinator_of(namespace: &str) -> String {
    format!("{namespace}.{}", str::from_utf8(COORDINATOR).unwrap())
}
