//! Messages on their way: delivered, forwarded, held, refused, returned.

use crate::hub::cause::Cause;
use crate::hub::coordinator::relay::{self, Taken};
use crate::hub::doors::Output;
use crate::hub::fixture::{Lent, coordinator_of, leco, view};
use crate::hub::keys::PeerKey;
use crate::hub::peers::{FAREWELL, For, Outcome, PeerTimer};
use crate::leco::message::Malformed;
use crate::leco::nodes::Dealer;
use crate::leco::route::Refusal;
use crate::leco::rpc::{
    DUPLICATE_NAME, INVALID_REQUEST, NODE_UNKNOWN, NOT_SIGNED_IN, RECEIVER_OVERLOADED, RECEIVER_UNKNOWN,
};
use crate::limits::RETURNS_PER_TURN;
use crate::zmtp::command::Built;

const REQUEST: &[u8] = br#"{"id":1,"jsonrpc":"2.0","method":"m"}"#;
const ANSWER: &[u8] = br#"{"id":1,"jsonrpc":"2.0","result":3}"#;

impl Lent {
    /// A message comes from a peer, and is only on its way.
    fn send(&mut self, from: PeerKey, receiver: &str, sender: &str, payload: &[u8]) -> Outcome {
        let wire = leco(receiver, sender, payload);
        let taken = relay::take(&mut self.peers, &self.names, from, &wire, &view(&wire));
        let Taken::Routed(outcome) = taken else { panic!("somebody here must deal with it: {taken:?}") };
        outcome
    }

    fn held(&self, key: PeerKey) -> Option<For> {
        self.peers.get(key).and_then(|peer| peer.held)
    }

    fn return_undelivered(&mut self) {
        relay::return_undelivered(&mut self.peers, &self.names);
    }
}

// ---- On their way ----

#[test]
fn a_message_reaches_its_receiver_as_it_came() {
    let mut lent = Lent::new();
    let (a, b) = (lent.component("CA"), lent.component("CB"));
    for receiver in ["CB", "N1.CB"] {
        let outcome = lent.send(a, receiver, "CA", b"any payload");
        assert_eq!(outcome, Outcome::Queued { to: b, forwarded: false });
        assert_eq!(lent.read(b), leco(receiver, "CA", b"any payload"));
    }
    assert_eq!(lent.peers.counters.messages_delivered, 2);
}

#[test]
fn a_message_for_another_node_leaves_on_our_dealer() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    let (_, inbound, dealer) = lent.node("N2");
    assert_eq!(lent.send(a, "N2.CX", "N1.CA", REQUEST), Outcome::Queued { to: dealer, forwarded: true });
    assert_eq!(lent.read(dealer), leco("N2.CX", "N1.CA", REQUEST));
    assert_eq!(lent.send(inbound, "N1.CA", "N2.CX", ANSWER), Outcome::Queued { to: a, forwarded: false });
    let counters = &lent.peers.counters;
    assert_eq!((counters.messages_forwarded, counters.messages_delivered), (1, 1));
}

#[test]
fn what_is_for_us_or_a_session_is_left_to_others() {
    let mut lent = Lent::new();
    let (a, stranger) = (lent.component("CA"), lent.dealer());
    let mut take = |from, receiver: &str, sender| {
        let wire = leco(receiver, sender, REQUEST);
        match relay::take(&mut lent.peers, &lent.names, from, &wire, &view(&wire)) {
            Taken::Own(refusal) => format!("{refusal:?}"),
            Taken::Session(name) => String::from_utf8(name.to_vec()).unwrap(),
            Taken::Onlooker(refusal) => format!("onlooker {refusal:?}"),
            Taken::Routed(outcome) => panic!("{outcome:?}"),
        }
    };
    assert_eq!(take(a, "COORDINATOR", "CA"), "None");
    assert_eq!(take(stranger, "COORDINATOR", "CX"), "Some(NotSignedIn)");
    assert_eq!(take(stranger, "COORDINATOR", "CA"), "Some(NotYours)");
    assert_eq!(take(a, "N1.session:s", "CA"), "session:s");
}

#[test]
fn messages_behind_one_another_are_queued_in_one_go() {
    let mut lent = Lent::new();
    let b = lent.component("CB");
    let wire = leco("CB", "CA", b"1");
    let run = [&wire[..], &wire, &leco("CX", "CA", b"1")].concat();
    // What they have in common ends where the header begins; behind it is a frame of one byte.
    let front = wire.len() - (2 + 1) - 20;
    assert_eq!(relay::queue_run(&mut lent.peers, b, false, &wire[..front], &run), 2 * wire.len());
    assert_eq!(lent.hear(b).len(), 2);
    let counters = &lent.peers.counters;
    assert_eq!((counters.messages_in, counters.messages_delivered), (2, 2));
    lent.choke(b);
    assert_eq!(relay::queue_run(&mut lent.peers, b, false, &wire[..front], &run), 0, "each is judged by itself");
}

// ---- Refused ----

#[test]
fn who_sends_to_nobody_is_told_whom_there_is_not() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    for (receiver, error, data) in
        [("N1.CX", RECEIVER_UNKNOWN, "N1.CX"), ("N9.CX", NODE_UNKNOWN, "N9"), ("CX", RECEIVER_UNKNOWN, "CX")]
    {
        assert_eq!(lent.send(a, receiver, "N1.CA", REQUEST), Outcome::Done);
        let (to, by, content) = lent.hear_one(a);
        assert_eq!((to.as_str(), by), ("N1.CA", coordinator_of("N1")));
        assert_eq!(
            (content["error"]["code"].as_i64(), content["error"]["data"].as_str()),
            (Some(error.code.into()), Some(data))
        );
    }
    let counters = &lent.peers.counters;
    assert_eq!((counters.refused_receiver_unknown, counters.refused_node_unknown), (2, 1));
}

#[test]
fn who_has_not_signed_in_or_speaks_for_another_is_refused() {
    let mut lent = Lent::new();
    let (a, b) = (lent.component("CA"), lent.component("CB"));
    let stranger = lent.dealer();
    for (link, sender, error) in
        [(stranger, "CX", NOT_SIGNED_IN), (stranger, "N2.CX", NOT_SIGNED_IN), (b, "CA", DUPLICATE_NAME)]
    {
        assert_eq!(lent.send(link, "CA", sender, REQUEST), Outcome::Done);
        assert_eq!(lent.hear_error(link), i64::from(error.code), "{sender}");
    }
    assert_eq!(lent.read(a), b"");
    let counters = &lent.peers.counters;
    assert_eq!((counters.refused_not_signed_in, counters.refused_not_yours), (2, 1));
}

#[test]
fn no_error_is_sent_because_of_an_answer() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    assert_eq!(lent.send(a, "CX", "CA", ANSWER), Outcome::Done);
    assert_eq!((lent.read(a).len(), lent.peers.counters.errors_dropped), (0, 1));
}

#[test]
fn an_error_for_another_node_leaves_on_our_dealer_or_is_dropped() {
    let mut lent = Lent::new();
    let (node, inbound, dealer) = lent.node("N2");
    lent.send(inbound, "N1.CX", "N2.CA", REQUEST);
    assert_eq!(lent.hear_one(dealer).0, "N2.CA");
    lent.names.nodes.get_mut(node).unwrap().dealer = Dealer::Waiting;
    lent.send(inbound, "N1.CX", "N2.CA", REQUEST);
    assert_eq!((lent.hear(dealer).len(), lent.hear(inbound).len(), lent.peers.counters.errors_dropped), (0, 0, 1));
}

#[test]
fn what_is_no_leco_is_dropped_and_its_sender_told_if_it_has_one() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    let parts = [Some(&b"CB"[..]), Some(b"CA"), None, None];
    let told = relay::malformed(&mut lent.peers, &lent.names, a, Malformed::Frames, parts);
    assert_eq!((told, lent.hear_error(a)), (Outcome::Done, i64::from(INVALID_REQUEST.code)));
    let nobody = [Some(&b"CB"[..]), None, None, None];
    relay::malformed(&mut lent.peers, &lent.names, a, Malformed::Frames, nobody);
    assert_eq!((lent.read(a).len(), lent.peers.counters.messages_malformed), (0, 2));
}

// ---- Held ----

#[test]
fn a_full_receiver_holds_its_sender_and_then_refuses() {
    let mut lent = Lent::new();
    let (a, b) = (lent.component("CA"), lent.component("CB"));
    lent.choke(b);
    assert_eq!(lent.send(a, "CB", "CA", REQUEST), Outcome::Held);
    assert_eq!((lent.held(a), lent.read(a).len()), (Some(For::Ring(b)), 0));
    lent.pass(1000);
    lent.peers.expire();
    assert_eq!(lent.peers.waits.next(), Some(a));
    assert_eq!(lent.send(a, "CB", "CA", REQUEST), Outcome::Done);
    assert_eq!(lent.hear_error(a), i64::from(RECEIVER_OVERLOADED.code));
    assert_eq!((lent.peers.counters.refused_overload, lent.peers.counters.senders_held), (1, 1));
}

#[test]
fn who_chokes_on_its_own_messages_must_read_first() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    lent.choke(a);
    assert_eq!(lent.send(a, "CA", "CA", REQUEST), Outcome::Held);
    lent.pass(5000);
    lent.peers.expire();
    assert_eq!(lent.peers.waits.next(), None);
    lent.read(a);
    assert_eq!(lent.peers.waits.next(), Some(a));
}

#[test]
fn without_room_for_the_error_the_sender_is_held() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    lent.choke(a);
    assert_eq!(lent.send(a, "CX", "CA", REQUEST), Outcome::Held);
    assert_eq!((lent.held(a), lent.peers.counters.refused_receiver_unknown), (Some(For::Ring(a)), 0));
}

// ---- Contested ----

#[test]
fn a_silent_owner_of_a_name_is_asked_for_a_sign_of_life() {
    let mut lent = Lent::new();
    let (owner, newcomer) = (lent.component("CA"), lent.dealer());
    lent.pass(500);
    assert_eq!(lent.send(newcomer, "CB", "CA", REQUEST), Outcome::Held);
    assert_eq!((lent.read(owner), lent.held(newcomer)), (Built::ping(0).bytes().to_vec(), Some(For::Probe(owner))));
    lent.pass(500);
    lent.peers.expire();
    assert_eq!(lent.outputs(), [Output::Close(owner, Cause::Takeover)]);
    assert_eq!(lent.peers.waits.next(), Some(newcomer));
}

#[test]
fn an_owner_that_answers_keeps_its_name() {
    let mut lent = Lent::new();
    let (owner, newcomer) = (lent.component("CA"), lent.dealer());
    lent.pass(500);
    lent.send(newcomer, "CB", "CA", REQUEST);
    lent.peers.get_mut(owner).unwrap().last_heard = lent.peers.now;
    relay::probe_answered(&mut lent.peers, owner);
    assert_eq!(lent.peers.waits.next(), Some(newcomer));
    lent.pass(499);
    lent.peers.expire();
    assert!(lent.peers.is_open(owner));
    lent.peers.resume(newcomer);
    assert_eq!(lent.send(newcomer, "CB", "CA", REQUEST), Outcome::Done);
    assert_eq!(lent.hear_error(newcomer), i64::from(DUPLICATE_NAME.code));
}

#[test]
fn an_owner_is_asked_once_however_many_claim_its_name() {
    let mut lent = Lent::new();
    let owner = lent.component("CA");
    let newcomers = [(); 2].map(|()| lent.dealer());
    lent.pass(500);
    for newcomer in newcomers {
        assert!(relay::contest(&mut lent.peers, &lent.names, newcomer, b"CA"));
        // Whatever it waits for meanwhile, it has not answered.
        lent.peers.wait(owner, For::Answer);
    }
    assert_eq!((lent.peers.counters.probes, lent.read(owner)), (1, Built::ping(0).bytes().to_vec()));
    lent.peers.cancel_peer_timer(owner, PeerTimer::Takeover);
    lent.peers.close(owner, Cause::Gone);
    assert_eq!([lent.peers.waits.next(), lent.peers.waits.next()], newcomers.map(Some));
}

#[test]
fn an_owner_that_has_just_spoken_or_is_held_or_elsewhere_is_not_asked() {
    let mut lent = Lent::new();
    let (owner, newcomer) = (lent.component("CA"), lent.dealer());
    lent.node("N2");
    lent.pass(499);
    assert!(!relay::contest(&mut lent.peers, &lent.names, newcomer, b"CA"));
    lent.peers.wait(owner, For::Answer);
    lent.pass(10_000);
    for sender in [&b"N1.CA"[..], b"N2.CA", b"CX"] {
        assert!(!relay::contest(&mut lent.peers, &lent.names, newcomer, sender));
    }
    assert_eq!((lent.peers.counters.probes, lent.held(newcomer)), (0, None));
}

// ---- Returned ----

#[test]
fn senders_hear_of_each_message_that_its_receiver_has_not_read() {
    let mut lent = Lent::new();
    let (a, b) = (lent.component("CA"), lent.component("CB"));
    for payload in [REQUEST, REQUEST, ANSWER] {
        lent.send(a, "CB", "N1.CA", payload);
    }
    lent.names.ask_pong(&mut lent.peers, b, b"N1.CB");
    lent.peers.queue(b, &leco("N1.CB", "N1.session:s", REQUEST)).unwrap();
    lent.peers.close(b, Cause::Gone);
    lent.return_undelivered();
    let heard = lent.hear(a);
    assert_eq!(heard.len(), 2, "none about an answer, none to us, none to a session");
    assert_eq!(heard[0][1], b"N1.CA");
    assert_eq!((lent.peers.counters.returned_undelivered, lent.peers.pool.in_use().0), (2, 0));
    assert_eq!(lent.peers.counters.answers_dropped, 1, "nobody is told of it, so it is counted");
}

#[test]
fn what_waits_for_a_node_when_a_link_ends_in_agreement_goes_back_too() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    let (_, _, dealer) = lent.node("N2");
    lent.send(a, "N2.CX", "N1.CA", REQUEST);
    lent.peers.finish(dealer, Cause::SignedOut);
    lent.pass(FAREWELL.0);
    lent.peers.expire();
    lent.return_undelivered();
    assert_eq!(lent.hear_error(a), i64::from(RECEIVER_OVERLOADED.code));
}

#[test]
fn behind_a_goodbye_nothing_is_forwarded_and_what_was_sent_before_is_still_taken() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    let (node, inbound, dealer) = lent.node("N2");
    lent.names.nodes.get_mut(node).unwrap().is_leaving = true;
    assert_eq!(lent.send(a, "N2.CX", "N1.CA", REQUEST), Outcome::Done);
    assert_eq!((lent.hear_error(a), lent.hear(dealer).len()), (i64::from(NODE_UNKNOWN.code), 0));
    assert_eq!(lent.send(inbound, "N1.CA", "N2.CX", REQUEST), Outcome::Queued { to: a, forwarded: false });
    assert_eq!(lent.send(inbound, "N1.CY", "N2.CX", REQUEST), Outcome::Done);
    assert_eq!(lent.hear_error(dealer), i64::from(RECEIVER_UNKNOWN.code), "it is told what became of it");
}

#[test]
fn what_came_from_another_node_is_returned_there_or_dropped() {
    let mut lent = Lent::new();
    let b = lent.component("CB");
    let (_, inbound, dealer) = lent.node("N2");
    lent.send(inbound, "N1.CB", "N2.CX", REQUEST);
    lent.peers.queue(b, &leco("N1.CB", "N3.CX", REQUEST)).unwrap();
    lent.peers.close(b, Cause::Gone);
    lent.return_undelivered();
    assert_eq!(lent.hear_error(dealer), i64::from(RECEIVER_OVERLOADED.code));
    assert_eq!((lent.peers.counters.returned_undelivered, lent.peers.counters.errors_dropped), (1, 1));
}

#[test]
fn many_are_returned_in_several_turns_one_after_the_other() {
    let mut lent = Lent::new();
    let (a, b) = (lent.component("CA"), lent.component("CB"));
    for _ in 0..3 {
        lent.send(a, "CB", "N1.CA", REQUEST);
    }
    lent.peers.close(b, Cause::Gone);
    lent.peers.returned = RETURNS_PER_TURN - 1;
    for returned in [1, 0] {
        lent.return_undelivered();
        assert_eq!((lent.hear(a).len(), lent.peers.undelivered.len()), (returned, 1));
    }
    lent.peers.begin_turn();
    assert_eq!(lent.peers.soonest(), Some(lent.peers.now), "the next turn comes at once");
    lent.return_undelivered();
    lent.peers.begin_turn();
    assert_eq!((lent.hear(a).len(), lent.peers.undelivered.len()), (2, 0));
    assert_ne!(lent.peers.soonest(), Some(lent.peers.now));
}

#[test]
fn the_rest_is_returned_once_the_sender_has_read() {
    let mut lent = Lent::new();
    let (a, b, c) = (lent.component("CA"), lent.component("CB"), lent.component("CC"));
    for receiver in ["CB", "CC"] {
        lent.send(a, receiver, "N1.CA", REQUEST);
    }
    lent.choke(a);
    for receiver in [b, c] {
        lent.peers.close(receiver, Cause::Gone);
    }
    lent.return_undelivered();
    assert_eq!((lent.hear(a).len(), lent.peers.undelivered.len()), (1, 2));
    lent.return_undelivered();
    assert_eq!((lent.hear(a).len(), lent.peers.undelivered.len()), (2, 0));
}

#[test]
fn a_refusal_names_whom_it_is_about() {
    let mut lent = Lent::new();
    let a = lent.component("CA");
    let wire = leco("N9.CX", "N1.CA", REQUEST);
    for (refusal, data) in [
        (Refusal::NodeUnknown, "N9"),
        (Refusal::ReceiverUnknown, "N9.CX"),
        (Refusal::NotSignedIn, "N1.CA"),
        (Refusal::NotACoordinator, "N1.CA"),
    ] {
        relay::refuse(&mut lent.peers, &lent.names, a, &view(&wire), refusal);
        assert_eq!(lent.hear_one(a).2["error"]["data"].as_str(), Some(data));
    }
}
