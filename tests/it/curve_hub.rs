//! Hubs whose links are sealed: messages come through whole and in order whatever the pieces, what does not leave goes back, and memory is
//! accounted for after each call.
#![allow(clippy::cast_possible_truncation, reason = "the numbers are ours and small")]

use std::collections::BTreeMap;

use crate::common::curve::{Component, Manner, NODE, chance, give_keys, guarded, public, secret, take, unframe};
use crate::common::driver::{self, Outside};
use crate::common::wire;
use crate::common::world::config;
use instep::config::{Access, Config};
use instep::hub::{Cause, Hub, Output, PeerKey, Start};
use instep::limits::{HEAVY_SHAKES_PER_TURN, READ_BYTES_MAX, SEALED_FRAME_BYTES_MAX};
use instep::time::Tick;
use instep::zmtp::{Fault, Mechanism};

const NEAR: &str = "127.0.0.1:1";
const FAR: &str = "192.0.2.7:1";

/// A hub, and its components by their names.
struct Place {
    hub: Hub,
    now: Tick,
    components: BTreeMap<&'static str, Component>,
    read: BTreeMap<PeerKey, Vec<u8>>,
    /// Bytes that each socket still takes.
    appetite: BTreeMap<PeerKey, usize>,
    closed: BTreeMap<PeerKey, Cause>,
}

impl Outside for Place {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        (&mut self.hub, self.now)
    }

    fn flush(&mut self, key: PeerKey) {
        let appetite = self.appetite.entry(key).or_insert(usize::MAX);
        let read = self.read.entry(key).or_default();
        let mut left = *appetite;
        let mut taken = 0;
        for slice in self.hub.unsent(key) {
            let n = slice.len().min(left);
            read.extend_from_slice(&slice[..n]);
            left -= n;
            taken += n;
        }
        if *appetite != usize::MAX {
            *appetite = left;
        }
        self.hub.sent(self.now, key, taken);
        self.hub.check_invariants().unwrap();
    }

    fn close(&mut self, key: PeerKey, cause: Cause) {
        self.closed.insert(key, cause);
    }
}

impl Place {
    fn new(config: Config, names: &[&'static str]) -> Self {
        let now = Tick(1000);
        let mut hub = Hub::new(guarded(config, names), Start { seed: 7, now, unix_ms: 1_700_000_000_000 }).unwrap();
        give_keys(&mut hub);
        let mut place = Self {
            hub,
            now,
            components: BTreeMap::new(),
            read: BTreeMap::new(),
            appetite: BTreeMap::new(),
            closed: BTreeMap::new(),
        };
        for name in names {
            let component = Component::come(&mut place.hub, now, name, NEAR);
            place.components.insert(name, component);
        }
        place
    }

    fn key(&self, name: &str) -> PeerKey {
        self.components[name].key
    }

    /// Bytes come from a component, as a socket has them.
    fn feed(&mut self, name: &str, mut bytes: &[u8]) {
        let key = self.key(name);
        while !bytes.is_empty() {
            let budget = self.hub.read_budget(key).min(bytes.len());
            assert!(budget > 0, "it is held");
            let (now, rest) = bytes.split_at(budget);
            self.hub.handle_bytes(self.now, key, now);
            self.hub.check_invariants().unwrap();
            driver::drive(self);
            self.hub.check_invariants().unwrap();
            bytes = rest;
        }
    }

    /// A message as it comes from a component.
    fn message(&mut self, from: &str, to: &str, content: &[u8]) -> Vec<u8> {
        let header = [[2; 16].as_slice(), &[0, 0, 0, 0]].concat();
        let from = self.components.get_mut(from).unwrap();
        let name = [b"N1.", to.as_bytes()].concat();
        let own = from.name.clone();
        from.talk.message(&[b"\0", &name, own.as_bytes(), &header, content])
    }

    /// A call of the Coordinator, as it comes from a component.
    fn question(&mut self, from: &str, content: &[u8]) -> Vec<u8> {
        let header = [[2; 16].as_slice(), &[0, 0, 0, 1]].concat();
        let from = self.components.get_mut(from).unwrap();
        let own = from.name.clone();
        from.talk.message(&[b"\0", b"COORDINATOR", own.as_bytes(), &header, content])
    }

    /// The contents of the messages that have come to a component.
    fn contents(&mut self, name: &str) -> Vec<Vec<u8>> {
        let component = self.components.get_mut(name).unwrap();
        let read = self.read.remove(&component.key).unwrap_or_default();
        let frames = component.talk.open(&read);
        frames.chunks(5).map(|message| message[4][1..].to_vec()).collect()
    }

    fn goes_on(&mut self) {
        for _ in 0..200 {
            self.hub.handle_timeout(self.now);
            driver::drive(self);
            self.hub.check_invariants().unwrap();
        }
    }

    fn count(&self, name: &str) -> u64 {
        self.hub.counters().iter().find(|(key, _, _)| *key == name).unwrap().2
    }
}

#[test]
fn messages_come_through_in_whatever_pieces() {
    for most in [700, 60_000, 200_000] {
        come_through(most);
    }
}

/// In pieces of so many bytes at the most.
fn come_through(most: usize) {
    let mut place = Place::new(config(1), &["CA", "CB"]);
    let mut bytes = Vec::new();
    let mut sent = Vec::new();
    for n in 0..60_usize {
        let content = vec![n as u8; n * n * 3];
        bytes.extend(place.message("CA", "CB", &content));
        sent.push(content);
    }
    let mut chance = chance(5);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let mut dice = [0; 4];
        chance(&mut dice);
        let n = (u32::from_le_bytes(dice) as usize % most + 1).min(rest.len());
        let (piece, behind) = rest.split_at(n);
        place.feed("CA", piece);
        rest = behind;
    }
    assert_eq!(place.contents("CB"), sent);
    assert_eq!(place.hub.bytes_waiting(), (0, 0), "nothing is kept");
}

#[test]
fn who_asks_for_much_in_one_read_has_one_share_of_the_turn() {
    let mut place = Place::new(config(1), &["CA"]);
    // Of these a share has two, and so many are opened at a time.
    let question = format!(r#"{{"id": 1, "method": "nothing", "jsonrpc": "2.0"{}}}"#, " ".repeat(20_000));
    let questions: Vec<Vec<u8>> = (0..12).map(|_| place.question("CA", question.as_bytes())).collect();
    let key = place.key("CA");
    let bytes = questions.concat();
    assert!(bytes.len() <= READ_BYTES_MAX);
    place.hub.handle_bytes(place.now, key, &bytes);
    let of_this_turn = place.count("rpc_errors");
    assert!((1..=3).contains(&of_this_turn), "{of_this_turn}");
    driver::drive(&mut place);
    place.goes_on();
    assert_eq!(place.count("rpc_errors"), 12);
}

#[test]
fn a_receiver_that_takes_little_gets_all_in_order_and_memory_is_given_back() {
    let mut place = Place::new(config(1), &["CA", "CB"]);
    let to = place.key("CB");
    place.appetite.insert(to, 0);
    let sent: Vec<Vec<u8>> = (0..300_usize).map(|n| vec![n as u8; n * 11]).collect();
    for content in &sent {
        let bytes = place.message("CA", "CB", content);
        place.feed("CA", &bytes);
    }
    let mut chance = chance(6);
    for _ in 0..4000 {
        let mut dice = [0; 2];
        chance(&mut dice);
        place.appetite.insert(to, usize::from(u16::from_le_bytes(dice)) % 900);
        place.flush(to);
        driver::drive(&mut place);
    }
    assert_eq!(place.contents("CB"), sent);
    assert_eq!(place.hub.bytes_waiting(), (0, 0));
}

#[test]
fn what_has_not_left_goes_back_to_its_sender() {
    let mut place = Place::new(config(1), &["CA", "CB"]);
    let to = place.key("CB");
    place.appetite.insert(to, 1000);
    for n in 0..50_u8 {
        let bytes = place.message("CA", "CB", &[n; 300]);
        place.feed("CA", &bytes);
    }
    let read = place.read.remove(&to).unwrap();
    let mut whole = 0;
    let mut rest = &read[..];
    while let Some((_, _, behind)) = unframe(rest) {
        rest = behind;
        whole += 1;
    }
    place.hub.handle_closed(place.now, to, Cause::Peer);
    driver::drive(&mut place);
    place.goes_on();
    let answers = place.contents("CA");
    assert_eq!(answers.len(), 50 - whole / 5, "one error for each that has not left whole; {whole} frames had");
    assert!(answers.iter().all(|answer| String::from_utf8_lossy(answer).contains("-32094")));
    assert_eq!(place.hub.bytes_waiting(), (0, 0));
}

#[test]
fn a_message_larger_than_a_ring_goes_beside_it() {
    let mut small = config(1);
    small.ring_bytes_max = 64 << 10;
    let mut place = Place::new(small, &["CA", "CB"]);
    let sent: Vec<Vec<u8>> = [100, 70_000, 300_000, 5, 2_000_000].map(|size| vec![3; size]).into();
    for content in &sent {
        let bytes = place.message("CA", "CB", content);
        place.feed("CA", &bytes);
        place.goes_on();
    }
    assert_eq!(place.contents("CB"), sent);
    assert_eq!(place.hub.bytes_waiting(), (0, 0));
}

#[test]
fn a_frame_beyond_the_bound_ends_the_link_by_its_header() {
    let mut place = Place::new(config(1), &["CA"]);
    let key = place.key("CA");
    let body = SEALED_FRAME_BYTES_MAX + 34;
    let head = [&[2][..], &(body as u64).to_be_bytes()].concat();
    place.hub.handle_bytes(place.now, key, &head);
    driver::drive(&mut place);
    assert_eq!(place.closed[&key], Cause::Zmtp(Fault::FrameTooLarge));
}

#[test]
fn what_is_not_sealed_as_it_should_be_ends_the_link_and_is_counted() {
    type Bytes = fn(&mut Component) -> Vec<u8>;
    let cases: [(&str, Bytes, Fault); 5] = [
        ("clear", |_| wire::leco(b"COORDINATOR", b"CA", 1, &[b"{}"]), Fault::NotSealed),
        ("ping in clear", |_| wire::command("PING", b"\0\0"), Fault::NotSealed),
        ("again", |one| one.talk.seal_as(one.talk.said, 0, b"\0x"), Fault::SealNumber),
        ("a gap", |one| one.talk.seal_as(one.talk.said + 2, 0, b"\0x"), Fault::SealNumber),
        (
            "changed",
            |one| {
                let mut bytes = one.talk.seal(0, b"x");
                *bytes.last_mut().unwrap() ^= 1;
                bytes
            },
            Fault::Seal,
        ),
    ];
    for (what, bytes, fault) in cases {
        let mut place = Place::new(config(1), &["CA", "CB"]);
        let good = place.message("CA", "CB", b"before");
        let bytes = bytes(place.components.get_mut("CA").unwrap());
        let key = place.key("CA");
        // What was whole before it has come.
        place.hub.handle_bytes(place.now, key, &[good, bytes].concat());
        driver::drive(&mut place);
        assert_eq!(place.closed.get(&key), Some(&Cause::Zmtp(fault)), "{what}");
        assert_eq!(place.count("closed_seal"), 1, "{what}");
        assert_eq!(place.contents("CB").first().map(|content| &content[..]), Some(&b"before"[..]), "{what}");
    }
}

#[test]
fn a_ping_is_answered_under_the_next_number() {
    let mut place = Place::new(config(1), &["CA"]);
    let ping = place.components.get_mut("CA").unwrap().talk.seal(2, b"\x04PING\0\x14abc");
    place.feed("CA", &ping);
    let component = place.components.get_mut("CA").unwrap();
    let read = place.read.remove(&component.key).unwrap();
    assert_eq!(component.talk.open(&read), [b"\x02\x04PONGabc"]);
}

#[test]
fn strangers_are_told_and_whoever_shows_nothing_is_told_of_curve() {
    let mut place = Place::new(config(1), &["CA"]);
    let key = place.hub.open(place.now, FAR.parse().unwrap()).unwrap();
    let manner = Manner::good(public(&secret(NODE)), "somebody else");
    let mut ask = |bytes: &[u8]| {
        place.hub.handle_bytes(place.now, key, bytes);
        place.hub.check_invariants().unwrap();
        take(&mut place.hub, place.now, key)
    };
    ask(&Manner::greeting());
    let (initiate, _) = manner.initiate(&ask(&manner.hello()));
    assert_eq!(ask(&initiate), b"\x04\x0a\x05ERROR\x03400");
    assert_eq!((place.count("closed_stranger"), place.count("auth_unknown")), (1, 1));

    let key = place.hub.open(place.now, FAR.parse().unwrap()).unwrap();
    place.hub.handle_bytes(place.now, key, &wire::opening(1));
    let said = take(&mut place.hub, place.now, key);
    assert_eq!((said.len(), &said[12..17]), (64, &b"CURVE"[..]));
    assert_eq!((place.count("closed_stranger"), place.count("auth_unknown")), (2, 2));
    place.hub.check_invariants().unwrap();
}

#[test]
fn so_many_handshakes_have_their_turn_and_the_others_the_next() {
    let mut place = Place::new(config(1), &["CA", "CB"]);
    let manner = Manner::good(public(&secret(NODE)), "CA");
    let keys: Vec<PeerKey> = (0..20)
        .map(|_| {
            let key = place.hub.open(place.now, NEAR.parse().unwrap()).unwrap();
            place.hub.handle_bytes(place.now, key, &[&Manner::greeting()[..], &manner.hello()].concat());
            key
        })
        .collect();
    let answered = |place: &Place| {
        let welcomed = |key: &&PeerKey| place.read.get(key).is_some_and(|read| read.len() > 64);
        keys.iter().filter(welcomed).count()
    };
    driver::drive(&mut place);
    assert_eq!(answered(&place), HEAVY_SHAKES_PER_TURN as usize);
    let good = place.message("CA", "CB", b"meanwhile");
    place.feed("CA", &good);
    assert_eq!(place.contents("CB"), [b"meanwhile"]);
    for _ in 0..20 {
        assert!(place.hub.poll_timeout().is_some());
        place.hub.handle_timeout(place.now);
        driver::drive(&mut place);
    }
    assert_eq!(answered(&place), keys.len());
}

#[test]
fn nodes_with_keys_dial_each_other_with_curve_and_believe_no_others() {
    let mut config = guarded(config(1), &["N2"]);
    config.auth = Access::All;
    config.server_key = "of tests".to_owned();
    config.nodes = vec![instep::config::NodeRule {
        namespace: "N2".to_owned(),
        address: "n2:12300".to_owned(),
        key: crate::common::curve::letters("N2"),
    }];
    let now = Tick(1000);
    let mut hub = Hub::new(config, Start { seed: 1, now, unix_ms: 0 }).unwrap();
    give_keys(&mut hub);
    hub.handle_timeout(now);
    let wishes = driver::wishes(&mut hub, now);
    let Some(Output::Dial(node)) = wishes.iter().find(|output| matches!(output, Output::Dial(_))).copied() else {
        panic!("it is dialled")
    };
    let key = hub.handle_dialed(now, node, Ok("192.0.2.2:12300".parse().unwrap())).unwrap();
    let greeting = take(&mut hub, now, key);
    assert_eq!((greeting.len(), &greeting[12..17]), (64, &b"CURVE"[..]));
    hub.handle_bytes(now, key, &wire::opening(1));
    hub.check_invariants().unwrap();
    let closed = driver::wishes(&mut hub, now);
    let fault = Fault::Wanted { theirs: Mechanism::Null, ours: Mechanism::Curve };
    assert!(closed.contains(&Output::Close(key, Cause::Zmtp(fault))), "{closed:?}");
}
