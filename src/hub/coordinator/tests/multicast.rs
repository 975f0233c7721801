//! Messages of other nodes for several Components of this one.

use crate::hub::coordinator::multicast;
use crate::hub::fixture::{Lent, coordinator_of};
use crate::hub::keys::PeerKey;
use crate::hub::peers::{For, Outcome};
use crate::leco::message::{TYPE_C2SIM, TYPE_JSON, View};
use crate::leco::multicast::{TYPE_MULTICAST, write_list};
use crate::leco::rpc::{RECEIVER_OVERLOADED, RECEIVER_UNKNOWN};
use crate::limits::{MESSAGE_BYTES_CEILING, MULTICAST_BYTES_PER_TURN, MULTICAST_RECEIVERS_PER_TURN};
use crate::zmtp::frame::{Bounds, Found, Scan, push_frame};

const BY: &str = "N2.session:default";
const BOUNDS: Bounds = Bounds { frame_bytes_max: MESSAGE_BYTES_CEILING, message_bytes_max: MESSAGE_BYTES_CEILING };

/// Frames on the wire, one message.
fn wire(frames: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (n, frame) in frames.iter().enumerate() {
        push_frame(&mut wire, n + 1 < frames.len(), frame);
    }
    wire
}

fn header(content_type: u8) -> [u8; 20] {
    let mut header = [7; 20];
    header[19] = content_type;
    header
}

impl Lent {
    /// A node's Coordinator sends content for several.
    fn spread(&mut self, from: PeerKey, list: &[u8], content: &[&[u8]]) -> Outcome {
        let to = coordinator_of("N1");
        let head = header(TYPE_MULTICAST);
        let wire = wire(&[&[&[0][..], to.as_bytes(), BY.as_bytes(), &head, list], content].concat());
        let Ok(Found::Message(message)) = Scan::default().next(&wire, &BOUNDS) else { panic!("a message") };
        let part = |n| message.part(&wire, n);
        let view = View::new(part(0), part(1), part(2), part(3), part(4)).unwrap();
        self.peers.take_in_hand(from);
        multicast::spread(&mut self.peers, &self.names, from, &wire, &message, &view)
    }
}

fn list(names: &[&str]) -> Vec<u8> {
    write_list(TYPE_JSON, names.iter().map(|name| name.as_bytes()))
}

#[test]
fn each_receiver_gets_what_it_would_get_alone() {
    let mut lent = Lent::new();
    let links = ["CA", "CB", "CC"].map(|name| lent.component(name));
    let (_, inbound, _) = lent.node("N2");
    let long = [b'x'; 300];
    let list = write_list(TYPE_C2SIM, [&b"CA"[..], b"CC"].into_iter());
    assert_eq!(lent.spread(inbound, &list, &[b"<a/>", &long]), Outcome::Done);
    for (link, name) in [(links[0], "N1.CA"), (links[2], "N1.CC")] {
        let alone = wire(&[&[0], name.as_bytes(), BY.as_bytes(), &header(TYPE_C2SIM), b"<a/>", &long]);
        assert_eq!(lent.read(link), alone);
    }
    assert_eq!(lent.read(links[1]), b"");
    assert_eq!((lent.peers.counters.messages_delivered, lent.peers.counters.multicasts_spread), (2, 1));
}

#[test]
fn who_is_not_there_costs_an_error_and_the_others_hear() {
    let mut lent = Lent::new();
    let link = lent.component("CB");
    let (_, inbound, dealer) = lent.node("N2");
    let names = ["CA", "CB", "COORDINATOR", "session:default"];
    assert_eq!(lent.spread(inbound, &list(&names), &[b"{}"]), Outcome::Done);
    assert_eq!(lent.hear(link).len(), 1);
    let told: Vec<_> =
        lent.hear(dealer).into_iter().map(|frames| String::from_utf8(frames[4].clone()).unwrap()).collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|error| error.contains(&RECEIVER_UNKNOWN.code.to_string())) && told[0].contains("N1.CA"));
    assert_eq!(lent.peers.counters.refused_receiver_unknown, 3);
}

#[test]
fn who_has_no_room_holds_the_link_and_what_was_done_before_is_not_done_again() {
    let mut lent = Lent::new();
    let links = ["CA", "CB", "CC"].map(|name| lent.component(name));
    let (_, inbound, dealer) = lent.node("N2");
    lent.choke(links[1]);
    let list = list(&["CA", "CB", "CC"]);
    assert_eq!(lent.spread(inbound, &list, &[b"{}"]), Outcome::Held);
    assert_eq!(lent.peers.get(inbound).unwrap().held, Some(For::Ring(links[1])));
    assert_eq!([0, 2].map(|n| lent.hear(links[n]).len()), [1, 0]);
    lent.pass(1000);
    lent.peers.expire();
    assert_eq!(lent.peers.waits.next(), Some(inbound));
    assert_eq!(lent.spread(inbound, &list, &[b"{}"]), Outcome::Done);
    assert_eq!(lent.hear_error(dealer), i64::from(RECEIVER_OVERLOADED.code));
    assert_eq!([0, 2].map(|n| lent.hear(links[n]).len()), [0, 1]);
    assert_eq!(lent.spread(inbound, &list, &[b"{}"]), Outcome::Done, "it has stood still for long enough");
    assert_eq!([0, 2].map(|n| lent.hear(links[n]).len()), [1, 1], "the next one begins at the first");
}

#[test]
fn what_is_large_is_copied_in_several_turns() {
    let mut lent = Lent::new();
    let links = ["CA", "CB", "CC"].map(|name| lent.component(name));
    let (_, inbound, _) = lent.node("N2");
    let content = vec![b' '; MULTICAST_BYTES_PER_TURN / 2];
    let list = list(&["CA", "CB", "CC"]);
    assert_eq!(lent.spread(inbound, &list, &[&content]), Outcome::Held);
    assert_eq!(lent.peers.get(inbound).unwrap().held, Some(For::Turn));
    assert_eq!(links.map(|link| lent.hear(link).len()), [1, 1, 0]);
    lent.peers.begin_turn();
    assert!(lent.peers.resume_next_turn());
    assert_eq!(lent.spread(inbound, &list, &[&content]), Outcome::Done);
    assert_eq!(links.map(|link| lent.hear(link).len()), [0, 0, 1]);
}

#[test]
fn many_are_dealt_with_in_several_turns() {
    let mut lent = Lent::new();
    let last = lent.component("CA");
    let (_, inbound, dealer) = lent.node("N2");
    let mut names: Vec<_> = (0..MULTICAST_RECEIVERS_PER_TURN * 2).map(|n| format!("X{n}")).collect();
    names.push("CA".into());
    let list = write_list(TYPE_JSON, names.iter().map(|name| name.as_bytes()));
    for turn in 1..=2 {
        assert_eq!(lent.spread(inbound, &list, &[b"{}"]), Outcome::Held);
        assert_eq!(lent.peers.get(inbound).unwrap().held, Some(For::Turn));
        assert_eq!(lent.hear(dealer).len(), MULTICAST_RECEIVERS_PER_TURN, "turn {turn}");
        lent.peers.begin_turn();
        assert!(lent.peers.resume_next_turn());
    }
    assert_eq!(lent.spread(inbound, &list, &[b"{}"]), Outcome::Done);
    assert_eq!((lent.hear(dealer).len(), lent.hear(last).len()), (0, 1));
}

#[test]
fn what_names_nobody_or_has_no_content_is_dropped_and_counted() {
    let mut lent = Lent::new();
    let link = lent.component("CA");
    let (_, inbound, _) = lent.node("N2");
    let good = list(&["CA"]);
    for (list, content) in [(&good[..], &[][..]), (&[], &[&b"{}"[..]]), (&good[..3], &[b"{}"]), (&[1], &[b"{}"])] {
        assert_eq!(lent.spread(inbound, list, content), Outcome::Done);
    }
    assert_eq!((lent.hear(link).len(), lent.peers.counters.messages_malformed), (0, 4));
}
