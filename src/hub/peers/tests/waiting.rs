//! Peers that are not read: for want of room, of memory, or of their turn.

use super::pass;
use crate::hub::cause::Cause;
use crate::hub::doors::Output;
use crate::hub::fixture::{Lent, leco};
use crate::hub::keys::PeerKey;
use crate::hub::peers::{For, Outcome, Peer, Work};
use crate::limits::PROGRESS_BYTES_MIN;
use crate::store::ring::NoRoom;
use crate::time::Span;

/// Those who may go on.
fn woken(lent: &mut Lent) -> Vec<PeerKey> {
    core::iter::from_fn(|| lent.peers.waits.next()).collect()
}

fn held(lent: &Lent, key: PeerKey) -> Option<For> {
    lent.peers.get(key).and_then(|peer| peer.held)
}

#[test]
fn who_waits_is_not_read_and_its_silence_is_not_its_own() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.wait(key, For::Answer);
    assert_eq!(lent.peers.read_budget(key), 0);
    lent.pass(5000);
    lent.peers.wake(For::Answer);
    assert_eq!(woken(&mut lent), [key]);
    assert!(lent.peers.read_budget(key) > 0);
    assert_eq!(lent.peers.get(key).map(|peer| peer.last_heard), Some(lent.peers.now));
}

#[test]
fn a_peer_waits_for_the_last_thing_only() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.wait(key, For::Turn);
    lent.peers.wait(key, For::Answer);
    lent.peers.wake(For::Turn);
    assert_eq!((woken(&mut lent), held(&lent, key)), (vec![], Some(For::Answer)));
    lent.peers.resume(key);
    lent.peers.resume(key);
    assert_eq!(woken(&mut lent), [key]);
}

#[test]
fn who_leaves_is_waited_for_no_more_and_waits_no_more() {
    let mut lent = Lent::new();
    let [owner, a, b, c] = [(); 4].map(|()| lent.dealer());
    lent.peers.wait(a, For::Ring(owner));
    lent.peers.wait(b, For::Probe(owner));
    lent.peers.wait(c, For::Turn);
    lent.peers.close(owner, Cause::Gone);
    assert_eq!(woken(&mut lent), [a, b]);
    lent.peers.close(c, Cause::Gone);
    assert_eq!(lent.peers.waits.all().count(), 0);
}

#[test]
fn a_held_sender_goes_on_once_its_receiver_has_stood_still_too_long() {
    let mut lent = Lent::new();
    let [from, to] = [(); 2].map(|()| lent.dealer());
    lent.choke(to);
    let waited = lent.peers.stood_still(to).unwrap();
    assert_eq!(lent.peers.hold(from, to, NoRoom::Full, waited), Outcome::Held);
    lent.pass(600);
    lent.peers.sent(to, PROGRESS_BYTES_MIN);
    pass(&mut lent, 400);
    assert_eq!(woken(&mut lent), [], "progress in between starts the wait anew");
    pass(&mut lent, 600);
    assert_eq!(woken(&mut lent), [from]);
    assert_eq!(lent.peers.counters.senders_held, 1);
}

#[test]
fn senders_go_on_when_the_ring_is_half_empty() {
    let mut lent = Lent::with(|config| config.ring_bytes_max = 1000);
    let [from, to] = [(); 2].map(|()| lent.dealer());
    let wire = leco("CA", "CB", &[b' '; 900]);
    lent.peers.queue(to, &wire).unwrap();
    assert_eq!(lent.peers.queue(to, &wire), Err(NoRoom::Full));
    let waited = lent.peers.stood_still(to).unwrap();
    lent.peers.hold(from, to, NoRoom::Full, waited);
    lent.peers.sent(to, wire.len() - 501);
    assert_eq!(woken(&mut lent), []);
    lent.peers.sent(to, 1);
    assert_eq!(woken(&mut lent), [from]);
}

#[test]
fn a_receiver_that_takes_a_little_has_the_whole_patience_of_its_senders_again() {
    let mut lent = Lent::with(|config| config.ring_bytes_max = 8000);
    let to = lent.dealer();
    lent.peers.queue(to, &leco("CA", "CB", &[b' '; 7900])).unwrap();
    assert_eq!(lent.peers.stood_still(to), Some(Span(0)));
    lent.pass(400);
    assert_eq!(lent.peers.stood_still(to), Some(Span(400)));
    lent.peers.sent(to, PROGRESS_BYTES_MIN - 1);
    lent.pass(300);
    assert_eq!(lent.peers.stood_still(to), Some(Span(700)), "that is next to nothing");
    lent.peers.sent(to, 1);
    lent.pass(300);
    assert_eq!(lent.peers.stood_still(to), Some(Span(300)), "together it is something");
}

#[test]
fn a_receiver_that_takes_next_to_nothing_is_slow_and_one_that_takes_all_there_is_is_not() {
    let mut lent = Lent::with(|config| (config.ring_bytes_max, config.slow_ms) = (100_000, 1000));
    let [trickling, moving, small] = [(); 3].map(|()| lent.dealer());
    for to in [trickling, moving] {
        lent.peers.queue(to, &leco("CA", "CB", &[b' '; 90_000])).unwrap();
        lent.peers.sent(to, 1);
    }
    for _ in 0..8 {
        lent.peers.queue(small, &leco("CA", "CB", b"1")).unwrap();
        lent.peers.sent(small, 1);
        pass(&mut lent, 400);
        lent.peers.sent(trickling, 100);
        lent.peers.sent(moving, PROGRESS_BYTES_MIN / 2);
        let rest = lent.peers.unsent(small).iter().map(|part| part.len()).sum();
        lent.peers.sent(small, rest);
    }
    let is_open = |to| lent.peers.get(to).is_some_and(Peer::is_open);
    assert_eq!([trickling, moving, small].map(is_open), [false, true, true]);
    assert_eq!(lent.peers.counters.closed_slow, 1);
}

#[test]
fn who_lacks_memory_goes_on_when_there_is_more_or_after_a_while() {
    let mut lent = Lent::new();
    let [from, to] = [(); 2].map(|()| lent.dealer());
    lent.peers.queue(to, &leco("CA", "CB", b"1")).unwrap();
    lent.peers.hold(from, to, NoRoom::Memory, Span(0));
    assert_eq!(held(&lent, from), Some(For::Copy));
    lent.peers.wake_where_memory_came_free();
    assert_eq!(woken(&mut lent), []);
    lent.read(to);
    lent.peers.wake_where_memory_came_free();
    assert_eq!(woken(&mut lent), [from]);
    lent.peers.hold(from, to, NoRoom::Memory, Span(0));
    pass(&mut lent, 1000);
    assert_eq!(woken(&mut lent), [from]);
}

#[test]
fn the_largest_half_message_makes_room_for_readers() {
    let mut lent = Lent::with(|config| config.memory_max = 8192);
    let [reader, small, large, other, full] = [(); 5].map(|()| lent.dealer());
    lent.peers.queue(full, &leco("CA", "CB", &[b' '; 3000])).unwrap();
    for (key, bytes) in [(small, 600), (large, 1500), (other, 700)] {
        lent.peers.buffer(key, &vec![0; bytes]);
    }
    assert_eq!((lent.peers.read_budget(reader), held(&lent, reader)), (0, Some(For::Memory)));
    lent.pass(999);
    assert_eq!((lent.peers.next_due(), lent.outputs()), (None, vec![]));
    lent.pass(1);
    assert_eq!(lent.peers.next_due(), None);
    assert_eq!(lent.outputs(), [Output::Close(large, Cause::Memory)]);
    lent.peers.wake_where_memory_came_free();
    assert_eq!(woken(&mut lent), [reader]);
}

#[test]
fn where_rings_hold_the_memory_no_half_message_goes() {
    let mut lent = Lent::with(|config| config.memory_max = 8192);
    let [reader, half, a, b] = [(); 4].map(|()| lent.dealer());
    lent.peers.queue(a, &leco("CA", "CB", &[b' '; 3000])).unwrap();
    lent.peers.queue(b, &leco("CA", "CB", &[b' '; 1500])).unwrap();
    lent.peers.buffer(half, &[0; 1500]);
    assert_eq!(lent.peers.read_budget(reader), 0);
    lent.pass(1000);
    assert_eq!((lent.peers.next_due(), lent.outputs()), (None, vec![]));
    assert_eq!(lent.peers.soonest(), Some(lent.peers.now + Span(1000)), "it is looked at again");
}

#[test]
fn who_has_had_its_share_goes_on_in_the_next_turn() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.take_in_hand(key);
    while lent.peers.may_serve(key, 10, 1000) {
        lent.peers.spend(Work::Call);
    }
    assert_eq!((held(&lent, key), lent.peers.soonest()), (Some(For::Turn), Some(lent.peers.now)));
    assert!(lent.peers.has_time() && lent.peers.resume_next_turn(), "all together have not had theirs");
    assert_eq!(woken(&mut lent), [key]);
    lent.peers.take_in_hand(key);
    assert!(lent.peers.may_serve(key, 10, 1000));
}

#[test]
fn who_asks_for_little_does_not_wait_behind_those_who_ask_for_much() {
    let mut lent = Lent::new();
    let (heavy, light) = (lent.dealer(), lent.dealer());
    lent.peers.take_in_hand(heavy);
    lent.peers.spend(Work::Answer(1 << 20));
    assert!(!lent.peers.has_time() && !lent.peers.resume_next_turn());
    for (key, is_served) in [(heavy, false), (light, true)] {
        lent.peers.take_in_hand(key);
        assert_eq!(lent.peers.may_serve(key, 10, 1000), is_served);
    }
    lent.peers.begin_turn();
    lent.peers.take_in_hand(heavy);
    lent.peers.wake(For::Turn);
    assert!(lent.peers.may_serve(heavy, 10, 1000), "the next turn has time for it");
}

#[test]
fn who_does_not_read_its_answers_is_served_no_more() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.queue(key, &leco("CA", "CB", &[b' '; 1000])).unwrap();
    let before = lent.peers.budget;
    assert!(!lent.peers.may_serve(key, 10, 1000));
    assert_eq!((held(&lent, key), lent.peers.budget), (Some(For::Ring(key)), before));
    pass(&mut lent, 5000);
    assert_eq!(woken(&mut lent), [], "it waits for itself");
    lent.read(key);
    assert_eq!(woken(&mut lent), [key]);
    assert!(lent.peers.may_serve(key, 10, 1000));
}

#[test]
fn an_answer_for_somebody_behind_a_choked_link_is_given_up_after_a_while() {
    let mut lent = Lent::new();
    let [from, link] = [(); 2].map(|()| lent.dealer());
    lent.choke(link);
    assert_eq!(lent.peers.hold_for_answer(from, link, NoRoom::Full), Outcome::Held);
    pass(&mut lent, 1000);
    assert_eq!(woken(&mut lent), [from]);
    assert_eq!(lent.peers.hold_for_answer(from, link, NoRoom::Full), Outcome::Done);
    assert_eq!(lent.peers.counters.answers_dropped, 1);
}
