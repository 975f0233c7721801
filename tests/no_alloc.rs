//! Zero allocations per routed message after warm-up: counted by an allocator of our own, at the hub and over a real server's turn. The same
//! allocator sees what is left in memory that is given back: no key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use common::wire::{self, leco};
use common::world::config;
use common::{curve, driver};
use dryoc::classic::crypto_box::crypto_box_beforenm;
use dryoc::classic::crypto_core::crypto_core_hsalsa20;
use instep::config::Config;
use instep::hub::{Cause, Channel, ChannelPorts, Door, Hub, NodeKey, Output, PeerKey, Start};
use instep::net::{Server, Turn};
use instep::time::Tick;

/// The system's allocator, with a count of this thread's allocations: other tests run beside in other threads.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// What must not be in memory that is given back, and how often it was.
    static SOUGHT: Cell<Option<&'static [[u8; 32]]>> = const { Cell::new(None) };
    static LEFT_BEHIND: Cell<u64> = const { Cell::new(0) };
}

fn note() {
    // A thread that ends may allocate after its counter is gone; it is none that counts.
    if let Ok(()) = ALLOCATIONS.try_with(|count| count.set(count.get() + 1)) {}
}

/// Looks for what is sought in memory that is about to be given back.
#[expect(unsafe_code, reason = "only an allocator sees what others leave behind")]
unsafe fn look_through(pointer: *mut u8, size: usize) {
    let Ok(Some(sought)) = SOUGHT.try_with(Cell::get) else { return };
    // SAFETY: so many bytes are there, by the promise of who gives them back. Each is read by itself, whatever it is.
    let byte = |at: usize| unsafe { pointer.add(at).read_volatile() };
    let is_at = |start: usize| sought.iter().any(|key| key.iter().enumerate().all(|(n, one)| byte(start + n) == *one));
    if size >= 32 && (0..=size - 32).any(is_at) {
        LEFT_BEHIND.with(|count| count.set(count.get() + 1));
    }
}

#[expect(unsafe_code, reason = "an allocator can only be written so; every call is passed on to the system's")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promise is passed on as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { look_through(pointer, layout.size()) };
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as above. What is moved is left behind, too.
        unsafe { look_through(pointer, layout.size()) };
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of this thread during `work`.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// A hub driven without anything that allocates around it.
struct Bare {
    hub: Hub,
    now: Tick,
    /// Bytes that left, all peers together.
    left: usize,
    dialled: Option<NodeKey>,
}

impl Bare {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(1);
        change(&mut config);
        let hub = Hub::new(config, Start { seed: 3, now: Tick(0), unix_ms: 1_700_000_000_000 }).unwrap();
        Self { hub, now: Tick(1), left: 0, dialled: None }
    }

    /// What the event loop does after input.
    fn carry_out(&mut self) {
        driver::drain(&mut self.hub, self.now, |output, bytes| {
            self.left += bytes;
            if let Output::Dial(node) = output {
                self.dialled = Some(node);
            }
        });
    }

    fn feed(&mut self, key: PeerKey, bytes: &[u8]) {
        assert!(self.hub.read_budget(key) > 0);
        self.hub.handle_bytes(self.now, key, bytes);
        self.carry_out();
    }

    fn component(&mut self, name: &str) -> PeerKey {
        let key = self.hub.open(self.now, "127.0.0.1:1".parse().unwrap()).unwrap();
        let sign_in = leco(b"COORDINATOR", name.as_bytes(), 1, &[wire::request(1, "sign_in").as_bytes()]);
        self.feed(key, &[wire::opening(1), sign_in].concat());
        key
    }
}

#[test]
fn routing_to_a_local_component_allocates_nothing() {
    let mut bare = Bare::new();
    let ca = bare.component("CA");
    bare.component("CB");
    bare.component("CC");
    // Both spellings, several receivers, one frame or many, whole batches and pieces of messages.
    let one = leco(b"CB", b"CA", 1, &[&[7; 64]]);
    let many = [one.clone(), leco(b"N1.CC", b"N1.CA", 2, &[b"a", b"", &[1; 3000]])].concat().repeat(20);
    let (half, rest) = many.split_at(many.len() - 1500);
    let round = |bare: &mut Bare, count: usize| {
        for _ in 0..count {
            bare.feed(ca, &one);
            bare.feed(ca, &many);
            bare.feed(ca, half);
            bare.feed(ca, rest);
            bare.now = Tick(bare.now.0 + 1);
        }
    };
    round(&mut bare, 20);
    let left = bare.left;
    let count = allocations(|| round(&mut bare, 100));
    assert!(bare.left - left > 100 * many.len(), "the messages went");
    assert_eq!(count, 0, "allocations for {} messages", 100 * 81);
    assert_eq!(bare.hub.counters().messages_delivered, 120 * 81);
}

/// What a socket of that type sends first.
fn opening_of(kind: &str) -> Vec<u8> {
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xff, 0x7f, 3, 1);
    greeting[12..16].copy_from_slice(b"NULL");
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let property = [b"\x05READY\x0bSocket-Type\0\0\0", &[length(kind)][..], kind.as_bytes()].concat();
    [&greeting[..], &[4, u8::try_from(property.len()).unwrap()], &property].concat()
}

#[test]
fn publishing_to_subscribers_allocates_nothing() {
    [false, true].into_iter().for_each(publish_to_subscribers);
}

fn publish_to_subscribers(last_values: bool) {
    let mut bare = Bare::with(|config| config.last_values = last_values);
    let ports = ChannelPorts { publishers: 1, subscribers: 2, distributors: 3 };
    bare.hub.set_channel(Channel::Data, ports);
    let open = |bare: &mut Bare, door, kind| {
        let key = bare.hub.open_at(bare.now, "127.0.0.1:1".parse().unwrap(), door).unwrap();
        bare.feed(key, &opening_of(kind));
        key
    };
    for topic in [&b"\x00\x01\x01"[..], b"\x00\x05\x01N1.a", b"\x00\x05\x01N1.b"].repeat(3) {
        let subscriber = open(&mut bare, Door::Subscriber(Channel::Data), "SUB");
        bare.feed(subscriber, topic);
    }
    let publisher = open(&mut bare, Door::Publisher(Channel::Data), "PUB");
    bare.hub.handle_timeout(bare.now);
    bare.carry_out();
    // Runs of one topic, topics in turn, one that only those who want all want, and pieces of messages.
    let one = [&b"\x01\x05N1.ab\x00\x40"[..], &[7; 64]].concat();
    let other = [b"\x01\x04N1.b\x01\x00\x00\x40", &[8; 64][..]].concat();
    let many = [one.repeat(30), other.clone(), one, other, b"\x00\x01x".to_vec()].concat().repeat(10);
    let (half, rest) = many.split_at(many.len() - 1500);
    let round = |bare: &mut Bare, count: usize| {
        for _ in 0..count {
            bare.feed(publisher, &many);
            bare.feed(publisher, half);
            bare.feed(publisher, rest);
            bare.now = Tick(bare.now.0 + 1);
        }
    };
    round(&mut bare, 20);
    let left = bare.left;
    let count = allocations(|| round(&mut bare, 100));
    assert!(bare.left - left > 100 * many.len(), "the messages went");
    assert_eq!(count, 0, "allocations for {} messages", 100 * 2 * 340);
    assert_eq!(bare.hub.counters().published, 120 * 2 * 340);
    assert_eq!(bare.hub.counters().published_copies, 120 * 2 * 10 * (33 * 6 + 3));
}

#[test]
fn forwarding_to_another_node_allocates_nothing() {
    let mut bare = Bare::with(|config| config.coordinators = vec!["n2:1".to_owned()]);
    let ca = bare.component("CA");
    bare.hub.handle_timeout(bare.now);
    bare.carry_out();
    let node = bare.dialled.expect("the node is dialled");
    let link = bare.hub.handle_dialed(bare.now, node, Ok("127.0.0.1:2".parse().unwrap())).unwrap();
    bare.carry_out();
    let accepted = leco(b"COORDINATOR", b"N2.COORDINATOR", 1, &[br#"{"jsonrpc":"2.0","id":1,"result":null}"#]);
    bare.feed(link, &[wire::greeting(1), wire::ready("ROUTER", b""), accepted].concat());
    let batch = leco(b"N2.CB", b"N1.CA", 1, &[&[7; 64]]).repeat(50);
    for _ in 0..20 {
        bare.feed(ca, &batch);
    }
    let count = allocations(|| {
        for _ in 0..100 {
            bare.feed(ca, &batch);
        }
    });
    assert_eq!(bare.hub.counters().messages_forwarded, 120 * 50);
    assert_eq!(count, 0);
}

#[test]
fn pings_and_idle_deadlines_allocate_nothing() {
    let mut bare = Bare::new();
    let ca = bare.component("CA");
    let ping = wire::command("PING", b"\0\0abc");
    let round = |bare: &mut Bare, count: usize| {
        for _ in 0..count {
            bare.now = Tick(bare.now.0 + 100);
            bare.feed(ca, &ping);
            if bare.hub.poll_timeout().is_some_and(|at| at <= bare.now) {
                bare.hub.handle_timeout(bare.now);
                bare.carry_out();
            }
        }
    };
    round(&mut bare, 200);
    assert_eq!(allocations(|| round(&mut bare, 1000)), 0);
    assert_eq!(bare.hub.counters().pongs_sent, 1200);
}

/// Sealed links, from one to another: what comes is opened, what leaves is sealed.
#[test]
fn routing_between_sealed_links_allocates_nothing() {
    let names = ["CA", "CB"];
    let mut bare = Bare::with(|config| *config = curve::guarded(config.clone(), &names));
    curve::give_keys(&mut bare.hub);
    let [mut a, b] = names.map(|name| curve::Component::come(&mut bare.hub, bare.now, name, "127.0.0.1:1"));
    let mut batch = |content: &[u8], count: usize| -> Vec<u8> {
        (0..count).flat_map(|_| a.talk.message(&[b"\0", b"N1.CB", b"N1.CA", &[2; 20], content])).collect()
    };
    let rounds: Vec<Vec<u8>> = (0..60).map(|_| [batch(&[7; 64], 30), batch(&[8; 3000], 5)].concat()).collect();
    let (warm, counted) = rounds.split_at(20);
    let round = |bare: &mut Bare, bytes: &[u8]| {
        // Whole, and cut in the middle of a frame.
        let (half, rest) = bytes.split_at(bytes.len() - 1500);
        bare.feed(a.key, half);
        bare.feed(a.key, rest);
    };
    warm.iter().for_each(|bytes| round(&mut bare, bytes));
    let count = allocations(|| counted.iter().for_each(|bytes| round(&mut bare, bytes)));
    assert_eq!(bare.hub.counters().messages_delivered, 60 * 35);
    assert!(bare.hub.unsent(b.key)[0].is_empty());
    assert_eq!(count, 0, "allocations for {} messages", 40 * 35);
}

/// Keys are wiped with their link, and on their way through its handshake they lie nowhere that is not.
#[test]
fn no_key_is_left_behind_in_memory() {
    let mut bare = Bare::with(|config| *config = curve::guarded(config.clone(), &["CA"]));
    // The first chance that the hub takes is the secret key of the link.
    let mut short = [0; 32];
    curve::chance(curve::SEED)(&mut short);
    let theirs = curve::public(&curve::Manner::good([0; 32], "CA").short);
    let shared = crypto_box_beforenm(&theirs, &short).unwrap();
    let mut keys = vec![short, shared, curve::secret(curve::NODE)];
    for name in [b"CurveZMQMESSAGES", b"CurveZMQMESSAGEC"] {
        let mut sub = [0; 32];
        crypto_core_hsalsa20(&mut sub, name, &shared, None);
        keys.push(sub);
    }
    let keys: &'static [[u8; 32]] = keys.leak();
    let secrets = curve::secrets();
    SOUGHT.set(Some(keys));
    drop(keys[0].to_vec());
    assert_eq!(LEFT_BEHIND.take(), 1, "what is left behind is seen");
    curve::give(&mut bare.hub, secrets);
    let mut a = curve::Component::come(&mut bare.hub, bare.now, "CA", "127.0.0.1:1");
    let question = a.talk.message(&[b"\0", b"COORDINATOR", b"N1.CA", &[2; 20], wire::request(1, "pong").as_bytes()]);
    bare.feed(a.key, &question);
    assert_eq!((bare.hub.counters().messages_own, LEFT_BEHIND.get()), (2, 0), "in a handshake and in talk");
    bare.hub.handle_closed(bare.now, a.key, Cause::Gone);
    bare.carry_out();
    assert_eq!((bare.hub.counters().connections_closed, LEFT_BEHIND.get()), (1, 0), "when the link is gone");
    drop(bare);
    assert_eq!(LEFT_BEHIND.get(), 0, "when all is gone");
    SOUGHT.set(None);
}

/// The whole server in this thread: the client's sockets are written and read without allocating between two turns.
#[test]
fn a_turn_of_the_server_allocates_nothing() {
    let config =
        Config { namespace: "N1".into(), host: "n1".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
    let mut server = Server::bind(config).unwrap();
    let address = server.local_addresses().next().unwrap();
    let mut buffer = vec![0; 1 << 16];
    let join = |server: &mut Server, name: &str, buffer: &mut [u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        let sign_in = leco(b"COORDINATOR", name.as_bytes(), 1, &[wire::request(1, "sign_in").as_bytes()]);
        stream.write_all(&[wire::opening(1), sign_in].concat()).unwrap();
        for _ in 0..10 {
            assert_eq!(server.turn(Some(Duration::from_millis(5))).unwrap(), Turn::Goes);
        }
        assert!(stream.read(buffer).unwrap() > 150, "greeting, READY, answer");
        stream
    };
    let mut a = join(&mut server, "CA", &mut buffer);
    let mut b = join(&mut server, "CB", &mut buffer);
    let batch = leco(b"CB", b"CA", 1, &[&[7; 64]]).repeat(30);
    let mut round = |server: &mut Server, count: usize| {
        for _ in 0..count {
            a.write_all(&batch).unwrap();
            let mut got = 0;
            while got < batch.len() {
                assert_eq!(server.turn(Some(Duration::from_millis(100))).unwrap(), Turn::Goes);
                while let Ok(n) = b.read(&mut buffer) {
                    got += n;
                }
            }
        }
    };
    round(&mut server, 50);
    let count = allocations(|| round(&mut server, 200));
    assert_eq!(server.hub().counters().messages_delivered, 250 * 30);
    assert_eq!(count, 0, "allocations in {} messages", 200 * 30);
}
