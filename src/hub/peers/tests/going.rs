//! Connections that end: at once, after their last words, or with answers still owed.

use core::net::SocketAddr;

use super::pass;
use crate::hub::cause::Cause;
use crate::hub::doors::{Door, Output};
use crate::hub::events::{Event, Left};
use crate::hub::fixture::{Lent, NEAR, leco, opening};
use crate::hub::keys::{NodeKey, ProviderKey};
use crate::hub::peers::{For, Role};
use crate::zmtp::SocketType;

#[test]
fn a_link_says_once_of_whom_it_takes_leave() {
    let mut lent = Lent::new();
    let (node, key, _) = lent.node("N2");
    let names = ["CA", "CB"].map(|name| lent.name(key, name));
    lent.peers.finish(key, Cause::SignedOut);
    lent.peers.close(key, Cause::Gone);
    let left = names.map(|component| Event::NameLeft { component, why: Left::Link(Cause::SignedOut) });
    assert_eq!(lent.events(), [left[0], left[1], Event::InboundLost { node, peer: key }]);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::SignedOut)]);
}

#[test]
fn each_kind_of_link_is_missed_by_its_own_owner() {
    let mut lent = Lent::new();
    let remote: SocketAddr = NEAR.parse().unwrap();
    let (node, provider) = (NodeKey::from_bits(1), ProviderKey::from_bits(2));
    let dialled = lent.peers.add_zmtp(Role::Dialled(node), SocketType::Dealer, remote, None).unwrap();
    let kernel = lent.peers.add_plain(Role::Kernel(provider), remote).unwrap();
    let viewer = lent.open(Door::Viewer, NEAR).unwrap();
    let cause = Cause::Gone;
    for (key, event) in [
        (dialled, Some(Event::DealerLost { node, peer: dialled })),
        (kernel, Some(Event::KernelLost { provider, peer: kernel, cause })),
        (viewer, Some(Event::ViewerLeft { peer: viewer, cause })),
        (lent.open(Door::Control, NEAR).unwrap(), None),
        (lent.dealer(), None),
    ] {
        lent.peers.close(key, cause);
        assert_eq!(lent.events(), Vec::from_iter(event));
    }
    assert!(lent.peers.is_empty());
    assert_eq!(lent.peers.counts(), (0, 0, 0));
}

#[test]
fn who_is_to_go_still_gets_what_waits() {
    let mut lent = Lent::new();
    let key = lent.component("CA");
    lent.peers.queue(key, &leco("CA", "CB", b"1")).unwrap();
    lent.peers.finish(key, Cause::SignedOut);
    assert!(!lent.peers.is_open(key) && lent.peers.read_budget(key) == 0);
    assert_eq!((lent.events().len(), lent.outputs()), (1, vec![]), "those above hear of it at once");
    assert_eq!(lent.hear(key).len(), 1);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::SignedOut)]);
}

#[test]
fn who_has_read_everything_goes_at_once() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.finish(key, Cause::Stopping);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::Stopping)]);
}

#[test]
fn who_is_going_already_is_not_hurried() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.queue(key, &leco("CA", "CB", b"1")).unwrap();
    lent.peers.finish(key, Cause::SignedOut);
    lent.peers.finish(key, Cause::Stopping);
    assert_eq!(lent.outputs(), []);
    assert_eq!(lent.hear(key).len(), 1);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::SignedOut)]);
}

#[test]
fn last_words_have_two_seconds() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.queue(key, &leco("CA", "CB", b"1")).unwrap();
    lent.peers.finish(key, Cause::SignedOut);
    pass(&mut lent, 1999);
    assert_eq!(lent.outputs(), []);
    pass(&mut lent, 1);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::SignedOut)]);
}

#[test]
fn a_controller_that_ends_its_side_gets_its_answer() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Control, NEAR).unwrap();
    lent.peers.send_plain(key, b"answer");
    lent.peers.end_of_input(key, Cause::Peer);
    assert_eq!((lent.peers.counts(), lent.outputs()), ((0, 1, 0), vec![]));
    assert_eq!(lent.read(key), b"answer");
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::Peer)]);
}

#[test]
fn who_has_ended_its_side_and_reads_nothing_is_slow() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Control, NEAR).unwrap();
    lent.peers.send_plain(key, b"answer");
    lent.peers.end_of_input(key, Cause::Peer);
    pass(&mut lent, 9999);
    assert_eq!(lent.outputs(), [], "longer than last words may take");
    pass(&mut lent, 1);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::Slow)]);
}

#[test]
fn a_viewer_that_ends_its_side_waits_for_what_was_promised() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Viewer, NEAR).unwrap();
    lent.peers.results_mut(key).unwrap().promised = 1;
    lent.peers.end_of_input(key, Cause::Peer);
    lent.peers.sent(key, 0);
    pass(&mut lent, 25_000);
    assert_eq!(lent.outputs(), [], "it is we who look for it");
    lent.peers.results_mut(key).unwrap().promised = 0;
    lent.result(key, 10);
    assert_eq!(lent.read(key).len(), 10);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::Peer)]);
}

#[test]
fn who_ends_without_waiting_for_an_answer_or_by_force_is_closed_at_once() {
    let mut lent = Lent::new();
    let (component, controller) = (lent.dealer(), lent.open(Door::Control, NEAR).unwrap());
    lent.peers.queue(component, &leco("CA", "CB", b"1")).unwrap();
    lent.peers.send_plain(controller, b"answer");
    let idle = lent.open(Door::Control, NEAR).unwrap();
    for (key, cause) in [(component, Cause::Peer), (controller, Cause::Gone), (idle, Cause::Peer)] {
        lent.peers.end_of_input(key, cause);
        assert_eq!(lent.outputs(), [Output::Close(key, cause)]);
    }
}

#[test]
fn messages_of_a_lost_receiver_are_kept_to_be_returned() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    let (first, second) = (leco("CA", "CB", b"1"), leco("CA", "CB", b"2"));
    for wire in [&first, &second] {
        lent.peers.queue(key, wire).unwrap();
    }
    lent.peers.sent(key, 1);
    lent.peers.close(key, Cause::Gone);
    let mut undelivered = lent.peers.undelivered.pop_front().unwrap();
    assert_eq!(
        undelivered.ring.contiguous(),
        [first, second].concat(),
        "of the first a part has left, and so no whole"
    );
}

#[test]
fn a_link_that_is_broken_off_is_counted_as_what_lay_in_its_socket_cannot_be_known() {
    for (cause, count) in [(Cause::Gone, 1), (Cause::Peer, 0), (Cause::Slow, 0)] {
        let mut lent = Lent::new();
        let key = lent.dealer();
        lent.peers.close(key, cause);
        assert_eq!(lent.peers.counters.ends_reset, count, "{cause}");
    }
}

#[test]
fn the_greeting_that_has_not_left_is_no_message_to_be_returned() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Leco, NEAR).unwrap();
    let greeting = lent.peers.unsent(key).concat().len();
    let bounds = lent.peers.bounds;
    let opening = opening(SocketType::Dealer);
    let link = lent.peers.get_mut(key).unwrap().link.as_mut().unwrap();
    let shaken = [link.next(&opening, &bounds).is_ok(), link.next(&opening[64..], &bounds).is_ok()];
    lent.peers.handshake_done(key);
    let wire = leco("CA", "CB", b"1");
    lent.peers.queue(key, &wire).unwrap();
    lent.peers.sent(key, greeting - 1);
    lent.peers.close(key, Cause::Gone);
    let mut undelivered = lent.peers.undelivered.pop_front().unwrap();
    assert_eq!((shaken, undelivered.ring.contiguous()), ([true; 2], &wire[..]));
}

#[test]
fn what_waits_at_an_agreed_end_is_not_returned_and_its_memory_is_free() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.queue(key, &leco("CA", "CB", b"1")).unwrap();
    lent.peers.buffer(key, b"half a message");
    lent.peers.close(key, Cause::Superfluous);
    assert_eq!((lent.peers.undelivered.len(), lent.peers.pool.in_use()), (0, (0, 0)));
}

#[test]
fn at_the_end_all_go_but_who_waits_for_an_answer() {
    let mut lent = Lent::new();
    let [a, b, c] = [(); 3].map(|()| lent.dealer());
    lent.peers.finish_all(|key| key == b);
    assert_eq!(lent.outputs(), [a, c].map(|key| Output::Close(key, Cause::Stopping)));
    assert!(lent.peers.is_open(b));
}

#[test]
fn what_waits_for_who_has_ended_is_not_written_but_goes_back() {
    let mut lent = Lent::new();
    let (open, held, going) = (lent.component("CA"), lent.component("CB"), lent.component("CC"));
    let controller = lent.open(Door::Control, NEAR).unwrap();
    for key in [open, held, going] {
        lent.peers.queue(key, &leco("CA", "CB", b"1")).unwrap();
    }
    lent.peers.wait(held, For::Ring(open));
    lent.peers.finish(going, Cause::SignedOut);
    lent.outputs();
    let may_write = [open, held, going, controller].map(|key| lent.peers.may_write_to_ended(key));
    assert_eq!(may_write, [false, true, false, true], "whoever is held is not read, and a controller has its answers");
    assert_eq!(
        lent.outputs(),
        [Output::Close(going, Cause::Peer)],
        "nobody reads the end of one that is only written to"
    );
    assert_eq!(lent.peers.undelivered.len(), 1);
    assert!(lent.peers.is_open(open), "what it has said before its end is read first");
}
