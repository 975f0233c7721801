//! Connections of STOMP alone: what frames ask for, what is answered at once, and signs of life.

use super::{Came, Topic, Wish};
use crate::config::Config;
use crate::hub::doors::{Door, Output};
use crate::hub::events::{Event, Parting};
use crate::hub::fixture::{Lent, NEAR};
use crate::hub::keys::PeerKey;
use crate::limits::STOMP_CONNECTIONS_MAX;
use crate::stomp::version::Version;

struct At {
    lent: Lent,
    topic: Topic,
}

impl At {
    fn new() -> Self {
        let lent = Lent::with(|config: &mut Config| config.gmu_password = "right".to_owned());
        let topic = Topic::new(&lent.peers.config);
        Self { lent, topic }
    }

    fn open(&mut self) -> PeerKey {
        self.open_from(NEAR)
    }

    fn open_from(&mut self, remote: &str) -> PeerKey {
        let key = self.lent.open(Door::Stomp, remote).expect("there is room");
        self.topic.came(&mut self.lent.peers, key);
        key
    }

    fn connected(&mut self, version: &str) -> PeerKey {
        let key = self.open();
        self.feed(key, &format!("CONNECT\naccept-version:{version}\nheart-beat:0,9000\n\n\0"));
        assert!(
            self.read(key).starts_with(&format!("CONNECTED\nversion:{version}\nheart-beat:9000,0\nserver:instep/"))
        );
        key
    }

    /// Feeds bytes; what they ask of others, as it is shown.
    fn feed(&mut self, key: PeerKey, text: &str) -> Vec<String> {
        let (mut bytes, mut asked) = (text.as_bytes(), Vec::new());
        loop {
            bytes = match self.topic.next(&mut self.lent.peers, key, bytes) {
                Came::Used(len) => &bytes[len..],
                Came::Need(_) | Came::Over => return asked,
                Came::Frame { len, wish } => {
                    asked.push(match wish {
                        Wish::Subscribe { subscription, receipt } => {
                            let has_selector = subscription.selector.is_some();
                            let (id, destination) = (&subscription.id, &subscription.destination);
                            format!(
                                "subscribe {id} {destination} {has_selector} {:?} {receipt:?}",
                                subscription.version
                            )
                        }
                        Wish::Unsubscribe { id, receipt } => format!("unsubscribe {id} {receipt:?}"),
                        Wish::Send(frame) => format!("send {}", String::from_utf8_lossy(frame.body)),
                        Wish::Disconnect { receipt } => format!("disconnect {receipt:?}"),
                    });
                    &bytes[len..]
                }
            }
        }
    }

    fn read(&mut self, key: PeerKey) -> String {
        String::from_utf8(self.lent.read(key)).unwrap()
    }
}

#[test]
fn frames_ask_for_what_others_find_out() {
    let mut at = At::new();
    let key = at.connected("1.1");
    let asked = at.feed(
        key,
        "SUBSCRIBE\nid:a\\cb\ndestination:/d\nselector:x = 'y'\nreceipt:1\n\n\0SUBSCRIBE\ndestination: /e\n\n\0\
         SEND\ncontent-length:3\n\nabc\0UNSUBSCRIBE\ndestination:/e\n\n\0NACK\nreceipt:2\n\n\0DISCONNECT\nreceipt:3\n\n\0",
    );
    let version = Version::V1_1;
    assert_eq!(
        asked,
        [
            format!("subscribe a:b /d true {version:?} Some(\"1\")"),
            format!("subscribe /e /e false {version:?} None"),
            "send abc".to_owned(),
            "unsubscribe /e None".to_owned(),
            "disconnect Some(\"3\")".to_owned(),
        ]
    );
    assert_eq!(at.read(key), "RECEIPT\nreceipt-id:2\n\n\0\n", "whatever is acknowledged");
    at.topic.part(&mut at.lent.peers, key, Some("3"));
    assert_eq!(at.read(key), "RECEIPT\nreceipt-id:3\n\n\0\n");
    at.topic.left(key);
    assert_eq!(at.topic.check(&at.lent.peers), Ok(()));
}

#[test]
fn a_frame_that_has_to_wait_is_the_same_when_its_turn_comes() {
    let mut at = At::new();
    let key = at.connected("1.2");
    let frame = b"SEND\ndestination:/d\n\nbody\0";
    for _ in 0..3 {
        let Came::Frame { len, wish: Wish::Send(sent) } = at.topic.next(&mut at.lent.peers, key, frame) else {
            panic!("a frame")
        };
        assert_eq!((len, sent.body), (frame.len(), &b"body"[..]));
    }
    at.topic.waits(key, Some("r"));
    assert_eq!((at.topic.waited(key).as_deref(), at.topic.waited(key)), (Some("r"), None));
}

#[test]
fn whoever_has_a_passcode_has_the_right_one() {
    let mut at = At::new();
    for (passcode, answer) in
        [("", "CONNECTED"), ("right", "CONNECTED"), ("wrong", "ERROR\nmessage:the passcode is wrong")]
    {
        let key = at.open();
        at.feed(key, &format!("CONNECT\npasscode:{passcode}\n\n\0"));
        assert!(at.read(key).starts_with(answer), "{passcode}");
    }
    assert_eq!(at.lent.peers.counters.stomp_errors, 1);
}

#[test]
fn a_machine_that_has_its_share_of_connections_is_told_so_and_others_find_room() {
    let mut at = At::new();
    at.lent.peers.config.connections_max = 16 * STOMP_CONNECTIONS_MAX;
    let greet = |at: &mut At, key| {
        if at.lent.peers.is_open(key) {
            at.feed(key, "CONNECT\naccept-version:1.2\n\n\0");
        }
        let said = at.read(key);
        said.lines().take(2).collect::<Vec<_>>().join(" ")
    };
    for _ in 0..STOMP_CONNECTIONS_MAX / 4 {
        let key = at.open_from("192.0.2.1:5000");
        assert_eq!(greet(&mut at, key), "CONNECTED version:1.2");
    }
    let late = at.open_from("192.0.2.1:5001");
    let refused = "ERROR message:this machine has its share of the connections of STOMP";
    assert_eq!((greet(&mut at, late), at.lent.peers.is_open(late)), (refused.to_owned(), false));
    for other in ["192.0.2.2:5000", NEAR] {
        let key = at.open_from(other);
        assert_eq!(greet(&mut at, key), "CONNECTED version:1.2", "{other}");
    }
    assert_eq!(at.lent.peers.counters.connections_refused, 1);
}

#[test]
fn a_stream_that_is_over_is_said_to_be_so_unless_its_client_knows() {
    let mut at = At::new();
    for (why, message) in [
        (Parting::Slow, "too slow"),
        (Parting::Deleted, "the session was deleted"),
        (Parting::Resigned, ""),
        (Parting::Silent, ""),
    ] {
        let key = at.connected("1.2");
        at.topic.stream_over(&mut at.lent.peers, key, why);
        let said = at.read(key);
        assert!(said.is_empty() == message.is_empty() && said.contains(message), "{why:?}: {said}");
    }
    let [open, new] = [at.connected("1.2"), at.open()];
    at.topic.say_restart(&mut at.lent.peers);
    assert!(at.read(open).contains("the server stops") && at.read(new).is_empty());
}

#[test]
fn signs_of_life_come_as_often_as_they_are_wanted() {
    let mut at = At::new();
    let key = at.connected("1.2");
    for _ in 0..3 {
        at.lent.pass(9000);
        at.lent.peers.expire();
        let late = at.lent.events().into_iter().filter(|event| *event == Event::TopicLate { peer: key }).count();
        assert_eq!(late, 1);
        at.topic.late(&mut at.lent.peers, key);
        assert_eq!(at.read(key), "\n\n");
    }
    assert!(!at.lent.outputs().iter().any(|output| matches!(output, Output::Close(..))));
}
