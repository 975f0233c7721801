//! The data and the log channel over sockets: both minor versions byte by byte, wrong sockets, too much, users.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use instep::client::channel::{Plug, bodies};
use instep::client::{Options, now};
use instep::config::{Access, ChannelPort, Config, Role, UserRule};
use instep::hub::{Channel, Door};
use instep::net::{Server, Stopper};
use instep::time::Span;

const PATIENCE: Duration = Duration::from_secs(10);

/// A node whose channels are on any free ports.
struct Live {
    address: SocketAddr,
    publishers: SocketAddr,
    subscribers: SocketAddr,
    nodes: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

fn config() -> Config {
    Config {
        namespace: "N1".into(),
        host: "127.0.0.1".into(),
        bind: vec!["127.0.0.1:0".into()],
        data_port: ChannelPort::At(0),
        ..Config::default()
    }
}

impl Live {
    fn start(config: Config) -> Self {
        let mut server = Server::bind(config).expect("free ports");
        let at = |door| server.addresses(door).next().expect("it is open");
        let [publishers, subscribers, nodes] =
            [Door::Publisher(Channel::Data), Door::Subscriber(Channel::Data), Door::Distributor(Channel::Data)].map(at);
        assert_eq!(server.addresses(Door::Publisher(Channel::Log)).count(), 0, "nobody has asked for it");
        let address = server.local_addresses().next().unwrap();
        let stopper = server.stopper();
        let thread = Some(std::thread::spawn(move || server.run()));
        Self { address, publishers, subscribers, nodes, stopper, thread }
    }

    /// A counter, asked until it is so high.
    fn wait_for(&self, counter: &str, at_least: u64) {
        let mut client = instep::client::Client::connect(&self.address.to_string(), "C", Options::new()).unwrap();
        let deadline = now() + Span(10_000);
        loop {
            let counters =
                client.ask("COORDINATOR", "send_counters", &serde_json::Value::Null, PATIENCE).expect("it answers");
            let value = counters[counter].as_u64().unwrap_or_else(|| panic!("there is no counter {counter}"));
            if value >= at_least {
                return;
            }
            assert!(now() < deadline, "{counter} is {value}, not {at_least}");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stopper.stop();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

/// A peer that is written down byte by byte.
struct Raw(TcpStream);

impl Raw {
    fn new(at: SocketAddr, kind: &str, minor: u8) -> Self {
        let mut raw = Self(TcpStream::connect(at).unwrap());
        raw.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = [0; 64];
        (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xff, 0x7f, 3, minor);
        greeting[12..16].copy_from_slice(b"NULL");
        let property =
            [b"\x05READY\x0bSocket-Type\0\0\0", &[u8::try_from(kind.len()).unwrap()][..], kind.as_bytes()].concat();
        raw.say(&[&greeting[..], &[4, u8::try_from(property.len()).unwrap()], &property].concat());
        raw.hear(64);
        raw
    }

    /// One whose READY has come.
    fn ready(at: SocketAddr, kind: &str, minor: u8) -> Self {
        let mut raw = Self::new(at, kind, minor);
        let head = raw.hear(2);
        assert_eq!(head[0], 4);
        raw.hear(head[1].into());
        raw
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn hear(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn hears(&mut self, wanted: &[u8]) {
        assert_eq!(self.hear(wanted.len()), wanted, "{}", wanted.escape_ascii());
    }

    /// All until the other end closes.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it is not closed: {error}"),
            _ => rest,
        }
    }
}

#[test]
fn both_versions_are_told_what_is_wanted_in_their_own_form_and_changes_as_messages() {
    let live = Live::start(config());
    let mut subscriber = Raw::ready(live.subscribers, "SUB", 1);
    subscriber.say(b"\x04\x0e\x09SUBSCRIBEN1.x");
    live.wait_for("subscriptions", 1);
    let [mut old, mut new] = [0, 1].map(|minor| Raw::ready(live.publishers, "PUB", minor));
    old.hears(b"\x00\x05\x01N1.x");
    new.hears(b"\x04\x0e\x09SUBSCRIBEN1.x");
    let mut other = Raw::ready(live.subscribers, "XSUB", 0);
    other.say(b"\x00\x05\x01N1.x\x00\x03\x01N2");
    for publisher in [&mut old, &mut new] {
        publisher.hears(b"\x00\x03\x01N2");
    }
    // Commands stand between frames of a message, too.
    old.say(b"\x01\x05N1.xy\x04\x05\x04PONG\x01\x00\x00\x01!");
    for subscriber in [&mut subscriber, &mut other] {
        subscriber.hears(b"\x01\x05N1.xy\x01\x00\x00\x01!");
    }
    subscriber.say(b"\x04\x0b\x06CANCELN1.x");
    drop(other);
    for publisher in [&mut old, &mut new] {
        let mut gone = [publisher.hear(5), Vec::new()];
        gone[1] = publisher.hear(if gone[0][1] == 3 { 7 } else { 5 });
        let all = gone.concat();
        assert!(all.starts_with(b"\x00\x03\x00N2") || all.starts_with(b"\x00\x05\x00N1.x"), "{all:?}");
    }
}

#[test]
fn a_wrong_socket_is_told_which_port_is_its_own() {
    let live = Live::start(config());
    for (at, kind, wanted) in [
        (live.subscribers, "PUB", live.publishers),
        (live.publishers, "SUB", live.subscribers),
        (live.publishers, "XSUB", live.subscribers),
        (live.nodes, "PUB", live.publishers),
        (live.publishers, "DEALER", live.address),
        (live.subscribers, "ROUTER", live.address),
        (live.address, "PUB", live.publishers),
        (live.address, "SUB", live.subscribers),
    ] {
        let mut raw = Raw::ready(at, kind, 1);
        let told = raw.rest();
        let told = String::from_utf8_lossy(&told);
        let reason = format!("{kind} sockets connect to port {}, not to this one", wanted.port());
        assert!(told.contains(&reason), "{told:?}");
    }
    let told = Raw::ready(live.publishers, "PUSH", 1).rest();
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("a socket of that type cannot talk to this end"), "{told:?}");
    live.wait_for("closed_socket_type", 9);
}

#[test]
fn too_long_a_topic_ends_its_subscriber_and_nobody_else() {
    let live = Live::start(config());
    let mut good = Raw::ready(live.subscribers, "SUB", 1);
    good.say(b"\x00\x01\x01");
    live.wait_for("subscriptions", 1);
    let mut bad = Raw::ready(live.subscribers, "SUB", 1);
    bad.say(&[&b"\x02\0\0\0\0\0\0\x01\x02\x01"[..], &[b'x'; 257]].concat());
    assert_eq!(bad.rest(), b"");
    live.wait_for("closed_subscriptions", 1);
    live.wait_for("subscriptions_refused", 1);
    let mut publisher = Raw::ready(live.publishers, "PUB", 1);
    publisher.say(b"\x00\x01a");
    good.hears(b"\x00\x01a");
}

#[test]
fn what_is_published_at_a_gatherer_is_not_told_to_other_nodes() {
    let live = Live::start(config());
    // A node that wants all, and one whose gatherer is connected to.
    let mut distributor = Raw::ready(live.nodes, "XSUB", 1);
    distributor.say(b"\x00\x01\x01");
    let mut subscriber = Raw::ready(live.subscribers, "SUB", 1);
    subscriber.say(b"\x00\x02\x01g");
    live.wait_for("subscriptions", 2);
    let gatherer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gatherer.local_addr().unwrap().to_string();
    let mut client = instep::client::Client::connect(&live.address.to_string(), "D", Options::new()).unwrap();
    let mut connect = |address: String| {
        let params = serde_json::json!({"address": address});
        client.ask("DATA_COORDINATOR", "connect_to_gatherer", &params, PATIENCE)
    };
    for host in ["127.0.0.1", "localhost"] {
        let own = connect(format!("{host}:{}", live.nodes.port())).unwrap_err();
        assert!(own.to_string().contains("-32010"), "all that it has is here already: {own}");
    }
    connect(address).unwrap();
    let (stream, _) = gatherer.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut gatherer = Raw(stream);
    let mut greeting = gatherer.hear(64);
    greeting[32] = 0;
    gatherer.say(&[&greeting[..], b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04XPUB"].concat());
    let head = gatherer.hear(2);
    gatherer.hear(head[1].into());
    gatherer.hears(b"\x04\x0b\x09SUBSCRIBEg");
    gatherer.say(b"\x01\x01g\x00\x01!");
    subscriber.hears(b"\x01\x01g\x00\x01!");
    let mut publisher = Raw::ready(live.publishers, "PUB", 1);
    publisher.say(b"\x01\x02go\x00\x01?");
    subscriber.hears(b"\x01\x02go\x00\x01?");
    distributor.hears(b"\x01\x02go\x00\x01?");
}

fn plug(at: SocketAddr, publishes: bool, options: &Options) -> std::io::Result<Plug> {
    Plug::open(TcpStream::connect(at).unwrap(), publishes, options, PATIENCE)
}

/// The topic of the next message.
fn topic_of_next(plug: &mut Plug) -> String {
    let mut topic = None;
    let deadline = now() + Span(10_000);
    plug.hear(Some(deadline), &mut |wire| {
        topic = Some(String::from_utf8_lossy(bodies(wire)[0]).into_owned());
        false
    })
    .unwrap();
    topic.expect("a message")
}

#[test]
fn users_publish_and_subscribe_to_what_their_lists_have() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let laser = UserRule {
        address: words(&["127.0.0.1"]),
        publish: words(&["N1.laser*"]),
        subscribe: words(&["N1.*"]),
        ..UserRule::of("laser", Role::Component)
    };
    let live = Live::start(Config { auth: Access::All, users: vec![laser], ..config() });
    let mut subscriber = plug(live.subscribers, false, &Options::new()).unwrap();
    for topic in [&b""[..], b"N2", b"N1."] {
        subscriber.subscribe(topic).unwrap();
    }
    let mut publisher = plug(live.publishers, true, &Options::new()).unwrap();
    // Until what is wanted is known.
    let deadline = now() + Span(10_000);
    let mut topics = Vec::new();
    while topics.is_empty() {
        assert!(now() < deadline);
        publisher.publish(&[b"N1.other", b"x"]).unwrap();
        publisher.publish(&[b"N2.laser", b"x"]).unwrap();
        publisher.publish(&[b"N1.laser2", b"x"]).unwrap();
        let soon = now() + Span(50);
        subscriber
            .hear(Some(soon), &mut |wire| {
                topics.push(String::from_utf8_lossy(bodies(wire)[0]).into_owned());
                true
            })
            .unwrap();
    }
    assert!(topics.iter().all(|topic| topic == "N1.laser2"), "{topics:?}");
}

#[test]
fn who_is_not_known_does_not_get_in() {
    let live = Live::start(Config { auth: Access::All, users: vec![UserRule::of("x", Role::Component)], ..config() });
    for (at, publishes) in [(live.publishers, true), (live.subscribers, false)] {
        assert!(plug(at, publishes, &Options::new()).is_err());
    }
}

#[test]
fn a_port_that_is_taken_switches_the_channel_off_and_ends_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = ChannelPort::At(taken.local_addr().unwrap().port());
    let server = Server::bind(Config { data_port: port, ..config() }).expect("it starts");
    assert_eq!(server.addresses(Door::Publisher(Channel::Data)).count(), 0);
    assert_eq!(server.addresses(Door::Subscriber(Channel::Data)).count(), 0);
    let usual = Server::bind(Config { data_port: ChannelPort::Usual, ..config() }).unwrap();
    assert_eq!(usual.addresses(Door::Publisher(Channel::Data)).count(), 0, "the system has chosen the port");
}

#[test]
fn a_plug_hears_what_another_publishes() {
    let live = Live::start(config());
    let mut subscriber = plug(live.subscribers, false, &Options::new()).unwrap();
    subscriber.subscribe(b"").unwrap();
    live.wait_for("subscriptions", 1);
    let mut publisher = plug(live.publishers, true, &Options::new()).unwrap();
    publisher.publish(&[b"a", &[0; 17], b"1"]).unwrap();
    assert_eq!(topic_of_next(&mut subscriber), "a");
}

#[test]
fn who_ends_with_words_unread_has_published_all_the_same() {
    const MESSAGES: usize = 60;
    let live = Live::start(config());
    let mut subscriber = plug(live.subscribers, false, &Options::new()).unwrap();
    subscriber.subscribe(b"wanted").unwrap();
    live.wait_for("subscriptions", 1);
    let mut publisher = plug(live.publishers, true, &Options::new()).unwrap();
    // What is wanted is told to the publisher, which never looks.
    let others = 2000;
    for n in 0..others {
        subscriber.subscribe(format!("other{n}").as_bytes()).unwrap();
    }
    live.wait_for("subscriptions", others + 1);
    for _ in 0..MESSAGES {
        publisher.publish(&[b"wanted", &[0; 17], &[7; 100_000]]).unwrap();
    }
    publisher.finish(PATIENCE).unwrap();
    let mut heard = 0;
    let all = subscriber.hear(Some(now() + Span(10_000)), &mut |_| {
        heard += 1;
        heard < MESSAGES
    });
    assert!(!all.unwrap(), "{heard} of {MESSAGES}");
}
