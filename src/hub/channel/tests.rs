//! Random sequences against a twin that looks at every subscription for every message.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::{Access, Config, Drops, UserRule};
use crate::counters::count;
use crate::hub::doors::Door;
use crate::hub::fixture::{Frames, Lent, NEAR, messages};
use crate::limits::WANTED_PER_TURN;
use crate::zmtp::command::Command;
use crate::zmtp::frame::{Found, Scan, push_frame};

mod gatherers;

/// What is left of a turn, however often it is asked.
fn next_turn(lent: &mut Lent) {
    while lent.peers.next_output().is_some() {}
    lent.peers.begin_turn();
    while let Some(key) = lent.peers.next_resumed() {
        lent.peers.resume(key);
    }
}

/// A channel whose connections are driven by hand.
struct Stage {
    lent: Lent,
    channels: Channels,
}

const SIDES: [(Side, SocketType); 6] = [
    (Side::Publisher, SocketType::Pub),
    (Side::Publisher, SocketType::Xpub),
    (Side::Subscriber, SocketType::Sub),
    (Side::Subscriber, SocketType::Xsub),
    (Side::Distributor, SocketType::Xsub),
    (Side::Gatherer(GathererKey::from_bits(7)), SocketType::Xpub),
];

impl Stage {
    fn new() -> Self {
        Self::that_keeps(false)
    }

    /// The same, where last values are kept or not.
    fn that_keeps(keeps_last: bool) -> Self {
        Self { lent: Lent::new(), channels: Channels::new(3, keeps_last) }
    }

    fn come(&mut self, (side, theirs): (Side, SocketType)) -> PeerKey {
        let door = match side {
            Side::Publisher => Some(Door::Publisher(Channel::Data)),
            Side::Subscriber => Some(Door::Subscriber(Channel::Data)),
            Side::Distributor => Some(Door::Distributor(Channel::Data)),
            Side::Gatherer(_) => None,
        };
        let role = Role::Channel(Channel::Data, side);
        let key = match door {
            Some(door) => self.lent.open(door, NEAR),
            None => self.lent.peers.add_zmtp(role, side.ours(), NEAR.parse().unwrap(), None),
        };
        let key = key.expect("there is room");
        self.lent.shake_hands_as(key, theirs);
        self.channels.ready(&mut self.lent.peers, key, (Channel::Data, side), theirs);
        key
    }

    fn leave(&mut self, key: PeerKey) {
        self.lent.peers.close(key, Cause::Peer);
        assert!(!self.lent.events().is_empty());
        self.channels.left(&mut self.lent.peers, Channel::Data, key);
    }

    /// Bytes come in, all in one piece.
    fn hear(&mut self, key: PeerKey, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Ok(Found::Message(message)) = Scan::default().next(rest, &self.lent.peers.bounds) else {
                panic!("a message")
            };
            match self.channels.take(&mut self.lent.peers, Channel::Data, key, rest, &message) {
                Taken::Used(n) => rest = &rest[n..],
                Taken::Held => {
                    self.lent.peers.resume(key);
                    next_turn(&mut self.lent);
                }
                Taken::Broken(fault) => panic!("{fault}"),
            }
        }
    }

    /// Does all that is left over, and checks what must be true.
    fn settle(&mut self) {
        while self.channels.soonest(self.lent.peers.now).is_some() {
            self.channels.expire(&mut self.lent.peers);
            next_turn(&mut self.lent);
        }
        self.channels.check(&self.lent.peers).unwrap();
        assert_eq!(self.channels.bytes(), self.lent.peers.pool.data_in_use());
    }
}

fn published(topic: &[u8], n: u32) -> Vec<u8> {
    let mut wire = Vec::new();
    push_frame(&mut wire, true, topic);
    push_frame(&mut wire, n.is_multiple_of(3), &n.to_be_bytes());
    if n.is_multiple_of(3) {
        push_frame(&mut wire, false, &[0; 300]);
    }
    wire
}

fn subscription(is_wanted: bool, topic: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    Subscription { is_wanted, topic }.write(&mut wire);
    wire
}

/// Takes what a publisher has been told into its set.
fn learn(wanted: &mut BTreeSet<Vec<u8>>, bytes: &[u8]) {
    let mut rest = bytes;
    let bounds = crate::zmtp::frame::Bounds { frame_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };
    while !rest.is_empty() {
        let (used, is_wanted, topic) = match Scan::default().next(rest, &bounds).unwrap() {
            Found::Command { at: 0, head, body } => {
                let Command::Subscribe(topic) = Command::parse(&rest[head..head + body]).unwrap() else {
                    panic!("a new publisher hears what is wanted")
                };
                (head + body, true, topic.to_vec())
            }
            Found::Message(message) => {
                let found = Subscription::of_message(&message, rest).expect("publishers hear of nothing else");
                (message.len, found.is_wanted, found.topic.to_vec())
            }
            found @ (Found::Need(_) | Found::Command { .. }) => panic!("{found:?}"),
        };
        if is_wanted {
            wanted.insert(topic);
        } else {
            wanted.remove(&topic);
        }
        rest = &rest[used..];
    }
}

/// Everybody as the twin has it.
#[derive(Default)]
struct Twin {
    sides: BTreeMap<PeerKey, Side>,
    /// Of those who subscribe: what they want. Of the others: what they were told.
    sets: BTreeMap<PeerKey, BTreeSet<Vec<u8>>>,
    /// Last values, where they are kept: the last message of every topic with its number.
    lasts: Option<BTreeMap<Vec<u8>, (u64, Frames)>>,
    number: u64,
    /// Who is still to be given those up to that number of which topics.
    catching: Vec<(PeerKey, Vec<u8>, u64)>,
}

impl Twin {
    /// A subscriber, or another node, wants a topic or does not any more.
    fn subscribe(&mut self, key: PeerKey, is_wanted: bool, topic: &[u8]) {
        let set = self.sets.get_mut(&key).unwrap();
        if !is_wanted {
            set.remove(topic);
            self.catching.retain(|(of, wanted, _)| (*of, &wanted[..]) != (key, topic));
        } else if set.insert(topic.to_vec()) && self.sides[&key] == Side::Subscriber {
            self.catching.push((key, topic.to_vec(), self.number));
        }
    }

    fn publish(&mut self, topic: &[u8], message: &Frames) {
        self.number += 1;
        if let Some(lasts) = &mut self.lasts {
            lasts.insert(topic.to_vec(), (self.number, message.clone()));
        }
    }

    /// What all are given that waited for it.
    fn catch_up(&mut self, due: &mut BTreeMap<PeerKey, Vec<Frames>>) {
        let Some(lasts) = &self.lasts else { return self.catching.clear() };
        for (key, wanted, upto) in self.catching.drain(..) {
            let given = lasts.iter().filter(|(topic, (number, _))| topic.starts_with(&wanted) && *number <= upto);
            due.entry(key).or_default().extend(given.map(|(_, (_, message))| message.clone()));
        }
    }

    fn wants(&self, key: PeerKey, from: Side, topic: &[u8]) -> bool {
        let side = self.sides[&key];
        let hears = match side {
            Side::Subscriber => true,
            Side::Distributor => from == Side::Publisher,
            Side::Publisher | Side::Gatherer(_) => false,
        };
        hears && self.sets[&key].iter().any(|wanted| topic.starts_with(wanted))
    }

    /// What a publisher should have been told.
    fn wanted_of(&self, side: Side) -> BTreeSet<Vec<u8>> {
        let counts = |other: &Side| match other {
            Side::Subscriber => true,
            Side::Distributor => side == Side::Publisher,
            Side::Publisher | Side::Gatherer(_) => false,
        };
        let sets = self.sides.iter().filter(|(_, other)| counts(other)).map(|(key, _)| &self.sets[key]);
        let all = (side == Side::Publisher && self.lasts.is_some()).then(Vec::new);
        sets.flatten().cloned().chain(all).collect()
    }
}

/// Lets all that is left over be done, and looks whether everybody has been told what the twin says.
fn compare(stage: &mut Stage, twin: &mut Twin, due: &mut BTreeMap<PeerKey, Vec<Frames>>, seed: u64) {
    stage.settle();
    twin.catch_up(due);
    for (key, side) in twin.sides.clone() {
        let bytes = stage.lent.read(key);
        if side.is_source() {
            let mut set = twin.sets.remove(&key).unwrap();
            learn(&mut set, &bytes);
            assert_eq!(set, twin.wanted_of(side), "seed {seed}: what a publisher knows");
            twin.sets.insert(key, set);
        } else {
            let (mut heard, mut due) = (messages(&bytes), due.remove(&key).unwrap_or_default());
            if twin.lasts.is_some() {
                // What is given to one who has just come is in no order with what is published meanwhile.
                heard.sort();
                due.sort();
            }
            assert_eq!(heard, due, "seed {seed}");
        }
    }
}

#[test]
fn every_message_reaches_whoever_wants_it_once_and_nobody_else_and_publishers_know_what_is_wanted() {
    const TOPICS: [&[u8]; 8] = [b"", b"N1.", b"N1.a", b"N1.ab", b"N1.abc", b"N2.a", b"x", b"N1.a\x00"];
    for seed in 1..40_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = |n: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap() % n
        };
        let keeps_last = seed % 2 == 0;
        let lasts = keeps_last.then(BTreeMap::new);
        let (mut stage, mut twin) = (Stage::that_keeps(keeps_last), Twin { lasts, ..Twin::default() });
        let mut due: BTreeMap<PeerKey, Vec<Frames>> = BTreeMap::new();
        for n in 0..400_u32 {
            let keys: Vec<PeerKey> = twin.sides.keys().copied().collect();
            match draw(8) {
                0 | 1 if keys.len() < 12 => {
                    let (side, theirs) = SIDES[draw(SIDES.len())];
                    let key = stage.come((side, theirs));
                    twin.sides.insert(key, side);
                    twin.sets.insert(key, BTreeSet::new());
                }
                2 if !keys.is_empty() && draw(3) == 0 => {
                    let key = keys[draw(keys.len())];
                    stage.leave(key);
                    twin.sides.remove(&key);
                    twin.sets.remove(&key);
                    due.remove(&key);
                    twin.catching.retain(|(of, ..)| *of != key);
                }
                3..=5 => {
                    let all: Vec<_> = keys.into_iter().filter(|key| !twin.sides[key].is_source()).collect();
                    if all.is_empty() {
                        continue;
                    }
                    let (key, topic) = (all[draw(all.len())], TOPICS[draw(TOPICS.len())]);
                    let is_wanted = draw(3) > 0;
                    stage.hear(key, &subscription(is_wanted, topic));
                    twin.subscribe(key, is_wanted, topic);
                }
                _ => {
                    let all: Vec<_> = keys.iter().filter(|key| twin.sides[key].is_source()).collect();
                    if all.is_empty() {
                        continue;
                    }
                    let from = *all[draw(all.len())];
                    let mut wire = Vec::new();
                    let mut topic = TOPICS[draw(TOPICS.len())];
                    for more in 0..draw(6) + 1 {
                        if draw(3) == 0 {
                            topic = TOPICS[draw(TOPICS.len())];
                        }
                        let one = published(topic, n * 8 + u32::try_from(more).unwrap());
                        for key in keys.iter().filter(|key| twin.wants(**key, twin.sides[&from], topic)) {
                            due.entry(*key).or_default().extend(messages(&one));
                        }
                        twin.publish(topic, &messages(&one)[0]);
                        wire.extend_from_slice(&one);
                    }
                    stage.hear(from, &wire);
                }
            }
            if draw(4) == 0 {
                compare(&mut stage, &mut twin, &mut due, seed);
            }
        }
    }
}

#[test]
fn who_does_not_read_goes_without_what_it_has_no_room_for_and_every_drop_is_counted() {
    let mut stage = Stage::new();
    stage.lent.peers.config.ring_bytes_max = 4096;
    let [publisher, stopped, reading] = [0, 2, 2].map(|n| stage.come(SIDES[n]));
    for key in [stopped, reading] {
        stage.hear(key, &subscription(true, b"t"));
    }
    stage.settle();
    let (mut heard, sent) = (0, 3000);
    for batch in 0..sent / 10 {
        let wire: Vec<u8> = (0..10).flat_map(|n| published(b"t", batch * 10 + n)).collect();
        stage.hear(publisher, &wire);
        heard += messages(&stage.lent.read(reading)).len();
    }
    let kept = messages(&stage.lent.read(stopped)).len();
    let drops = stage.lent.peers.counters.published_drops;
    assert_eq!(heard, usize::try_from(sent).unwrap(), "the other one has all of them");
    assert!(kept > 0 && drops > 0);
    assert_eq!(u64::try_from(kept).unwrap() + drops, u64::from(sent));
    assert_eq!(stage.lent.peers.counters.published_copies, u64::from(sent) + u64::try_from(kept).unwrap());
    assert_eq!(stage.lent.peers.get(stopped).unwrap().traffic.drops, drops);
    stage.hear(publisher, &published(b"t", 1));
    assert_eq!(messages(&stage.lent.read(stopped)).len(), 1, "it goes on once it reads");
    stage.hear(publisher, &published(b"t", 1).repeat(5));
    stage.leave(stopped);
    assert_eq!(stage.lent.peers.counters.published_drops, drops + 5, "what waited for one that has left");
}

/// The number of a message of `published`.
fn number_of(frames: &Frames) -> u32 {
    u32::from_be_bytes(frames[1][..].try_into().unwrap())
}

#[test]
fn who_is_to_have_the_newest_goes_without_the_oldest_and_has_every_message_whole() {
    for seed in 1..60_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = |n: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap() % n
        };
        let mut stage = Stage::new();
        stage.lent.peers.config.ring_bytes_max = 1024 + draw(4096);
        stage.lent.peers.config.channel_drops = Drops::Oldest;
        let [publisher, slow] = [0, 2].map(|n| stage.come(SIDES[n]));
        stage.hear(slow, &subscription(true, b"t"));
        stage.settle();
        let (mut sent, mut bytes, mut pings) = (0_u32, Vec::new(), 0);
        for _ in 0..300 {
            let batch: Vec<u8> =
                (0..=draw(12)).flat_map(|n| published(b"t", sent + u32::try_from(n).unwrap())).collect();
            sent += u32::try_from(messages(&batch).len()).unwrap();
            stage.hear(publisher, &batch);
            if draw(9) == 0 {
                pings += usize::from(stage.lent.peers.ping(slow));
            }
            // Now and then it takes some bytes, wherever those end.
            if draw(3) == 0 {
                let waiting = stage.lent.peers.unsent(slow).concat();
                let n = draw(waiting.len().min(700) + 1);
                bytes.extend_from_slice(&waiting[..n]);
                stage.lent.peers.sent(slow, n);
            }
            stage.settle();
            stage.lent.peers.check().unwrap_or_else(|error| assert!(error.contains("nobody was told"), "{error}"));
            stage.lent.events();
        }
        bytes.extend(stage.lent.read(slow));
        let heard: Vec<u32> = messages(&bytes).iter().map(number_of).collect();
        assert!(heard.is_sorted_by(|a, b| a < b), "seed {seed}");
        assert_eq!(heard.last(), Some(&(sent - 1)), "seed {seed}: the newest is there");
        let drops = stage.lent.peers.counters.published_drops;
        assert!(drops > 0, "seed {seed}");
        assert_eq!(u64::try_from(heard.len()).unwrap() + drops, u64::from(sent), "seed {seed}");
        let peer = stage.lent.peers.get(slow).unwrap();
        let pings = u64::try_from(pings).unwrap();
        assert_eq!((peer.traffic.drops, peer.messages_out), (drops, u64::try_from(heard.len()).unwrap() + pings));
    }
}

#[test]
fn one_message_for_many_is_copied_in_pieces_and_to_each_once() {
    let mut stage = Stage::new();
    let publisher = stage.come(SIDES[0]);
    let subscribers: Vec<PeerKey> = (0..40).map(|_| stage.come(SIDES[2])).collect();
    for key in &subscribers {
        stage.hear(*key, &subscription(true, b""));
        next_turn(&mut stage.lent);
    }
    stage.settle();
    next_turn(&mut stage.lent);
    let mut wire = Vec::new();
    push_frame(&mut wire, true, b"large");
    push_frame(&mut wire, false, &vec![7; 200_000]);
    let Ok(Found::Message(message)) = Scan::default().next(&wire, &stage.lent.peers.bounds) else { panic!() };
    let mut turns = 0;
    while stage.channels.take(&mut stage.lent.peers, Channel::Data, publisher, &wire, &message) == Taken::Held {
        turns += 1;
        stage.lent.peers.resume(publisher);
        next_turn(&mut stage.lent);
    }
    assert!((3..10).contains(&turns), "{turns}");
    for key in subscribers {
        assert_eq!(messages(&stage.lent.read(key)).len(), 1);
    }
    assert_eq!(stage.lent.peers.counters.published, 1);
}

#[test]
fn an_xsub_may_talk_to_an_xpub_and_is_not_heard_by_a_pub() {
    let mut stage = Stage::new();
    let [plain, xpub, xsub, sub] = [0, 1, 3, 2].map(|n| stage.come(SIDES[n]));
    stage.settle();
    let word = b"\x01\x05hello\x00\x01!";
    stage.hear(xsub, word);
    stage.hear(sub, word);
    assert_eq!(stage.lent.read(plain), b"");
    assert_eq!(stage.lent.read(xpub), word);
}

#[test]
fn a_word_goes_to_gatherers_and_what_comes_from_another_node_to_its_publishers_alone() {
    let mut stage = Stage::new();
    let [xpub, xsub, other, gatherer] = [1, 3, 4, 5].map(|n| stage.come(SIDES[n]));
    stage.settle();
    let word = b"\x00\x06\x02hello";
    stage.hear(xsub, word);
    assert_eq!([xpub, gatherer, other].map(|key| stage.lent.read(key)), [&word[..], word, b""]);
    stage.hear(other, word);
    assert_eq!([xpub, gatherer, xsub].map(|key| stage.lent.read(key)), [&word[..], b"", b""]);
}

#[test]
fn one_word_for_many_is_copied_in_pieces_and_to_each_once() {
    let mut stage = Stage::new();
    let xsub = stage.come(SIDES[3]);
    let publishers: Vec<PeerKey> = (0..40).map(|n| stage.come(SIDES[1 - n % 2])).collect();
    stage.settle();
    next_turn(&mut stage.lent);
    let mut word = Vec::new();
    push_frame(&mut word, false, &vec![7; 200_000]);
    let Ok(Found::Message(message)) = Scan::default().next(&word, &stage.lent.peers.bounds) else { panic!() };
    let mut turns = 0;
    while stage.channels.take(&mut stage.lent.peers, Channel::Data, xsub, &word, &message) == Taken::Held {
        turns += 1;
        stage.lent.peers.resume(xsub);
        next_turn(&mut stage.lent);
    }
    assert!((2..5).contains(&turns), "{turns}");
    for (n, key) in publishers.into_iter().enumerate() {
        assert_eq!(messages(&stage.lent.read(key)).len(), 1 - n % 2);
    }
}

#[test]
fn of_a_first_frame_no_more_is_remembered_than_a_topic_may_have() {
    let mut stage = Stage::that_keeps(true);
    let [publisher, subscriber] = [0, 2].map(|n| stage.come(SIDES[n]));
    stage.hear(subscriber, &subscription(true, b"ttt"));
    stage.settle();
    let long = published(&vec![b't'; 100_000], 1);
    stage.hear(publisher, &long);
    stage.hear(publisher, &published(b"tttt", 2));
    stage.hear(publisher, &long);
    assert_eq!(messages(&stage.lent.read(subscriber)).len(), 3);
    let data = &stage.channels.data;
    assert_eq!(data.links[&publisher].topic.len(), crate::limits::TOPIC_BYTES_MAX);
    assert_eq!(data.lasts.as_ref().unwrap().counts().0, 1, "of the short one");
    assert_eq!(stage.lent.peers.counters.last_values_lost, 2);
    stage.settle();
}

#[test]
fn who_subscribes_later_is_given_the_last_of_every_topic_as_it_has_room_and_publishers_send_all() {
    let mut stage = Stage::that_keeps(true);
    stage.lent.peers.config.ring_bytes_max = 8192;
    let publisher = stage.come(SIDES[0]);
    stage.settle();
    assert_eq!(stage.lent.read(publisher), b"\x04\x0a\x09SUBSCRIBE", "all is wanted");
    for n in 0..500 {
        stage.hear(publisher, &published(format!("N1.{}", n % 100).as_bytes(), n));
    }
    let [late, node] = [2, 4].map(|n| stage.come(SIDES[n]));
    for key in [late, node] {
        stage.hear(key, &subscription(true, b"N1."));
    }
    stage.settle();
    stage.hear(publisher, &published(b"N1.99", 500));
    let mut heard = Vec::new();
    while let more @ 1.. = stage.lent.peers.unsent(late).concat().len() {
        assert!(more <= 8192);
        heard.extend(messages(&stage.lent.read(late)).iter().map(number_of));
        for event in stage.lent.events() {
            assert!(matches!(event, crate::hub::events::Event::Room { peer } if peer == late), "{event:?}");
            stage.channels.has_room(&mut stage.lent.peers, late);
        }
        stage.settle();
    }
    heard.sort_unstable();
    let expected: Vec<u32> = (400..499).chain([500]).collect();
    assert_eq!(heard.iter().filter(|n| **n != 499).copied().collect::<Vec<_>>(), expected, "each once");
    assert_eq!(messages(&stage.lent.read(node)).len(), 1, "another node has its own");
    stage.hear(late, &subscription(true, b""));
    stage.hear(late, &subscription(false, b""));
    stage.settle();
    assert_eq!(stage.lent.read(late), b"", "who does not want it any more is given nothing");
    assert_eq!(stage.lent.read(publisher), b"\x00\x04\x01N1.", "that all is wanted is no news");
    stage.channels.switch_off(&mut stage.lent.peers, Channel::Data);
    assert_eq!(stage.lent.peers.counters.last_values_lost, 0);
}

#[test]
fn what_other_rules_do_not_permit_is_taken_away_in_pieces() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let rule = |subscribe: &[&str]| UserRule {
        address: words(&["127.0.0.1"]),
        subscribe: words(subscribe),
        ..UserRule::of("laser", crate::config::Role::Component)
    };
    let lent = Lent::with(|config| (config.auth, config.users) = (Access::All, vec![rule(&["*"])]));
    let mut stage = Stage { lent, channels: Channels::new(3, true) };
    let publisher = stage.come((Side::Publisher, SocketType::Pub));
    let [few, many] = [(); 2].map(|()| stage.come((Side::Subscriber, SocketType::Sub)));
    for topic in [&b"keep1"[..], b"lose1"] {
        stage.hear(few, &subscription(true, topic));
    }
    let topics = 2 * WANTED_PER_TURN;
    for n in 0..topics {
        let word = if n % 2 == 0 { "keep" } else { "lose" };
        stage.hear(many, &subscription(true, format!("{word}{n}").as_bytes()));
    }
    stage.settle();
    let has = |stage: &Stage| [few, many].map(|key| stage.channels.data.links[&key].subscriptions.len());
    assert_eq!(has(&stage), [2, topics]);
    let after = Config { auth: Access::All, users: vec![rule(&["keep*"])], ..stage.lent.peers.config.clone() };
    let users = after.judge_users(Some(&stage.lent.peers.users)).unwrap();
    stage.lent.peers.set_users(users);
    stage.channels.judge_subscriptions(false);
    stage.settle();
    assert_eq!(has(&stage), [2, topics], "not before it is known who everybody is");
    stage.channels.judge_subscriptions(true);
    next_turn(&mut stage.lent);
    stage.channels.expire(&mut stage.lent.peers);
    assert!(stage.channels.data.judged.is_some() && has(&stage)[1] > topics / 2, "in pieces");
    stage.settle();
    assert_eq!(has(&stage), [1, topics / 2]);
    assert_eq!(stage.lent.peers.counters.subscriptions_revoked, 1 + count(topics) / 2);
    for key in [publisher, few, many] {
        stage.lent.read(key);
    }
    stage.hear(publisher, &published(b"lose1", 1));
    stage.hear(publisher, &published(b"keep1", 2));
    stage.settle();
    assert_eq!(stage.lent.read(few), published(b"keep1", 2));
    // Nobody is asked: nothing is taken away.
    stage.lent.peers.set_users(Config::default().judge_users(None).unwrap());
    stage.channels.judge_subscriptions(true);
    stage.settle();
    assert_eq!(has(&stage), [1, topics / 2]);
}
