//! The transport core alone: connections come, wait, and go. What those above would be told is looked at, not dealt with.

mod going;
mod waiting;

use super::{Due, For, Life, Peer, PeerTimer, ProcessTimer};
use crate::hub::cause::Cause;
use crate::hub::doors::{Door, Output};
use crate::hub::events::Event;
use crate::hub::fixture::{FAR, Lent, NEAR, leco};
use crate::hub::keys::PeerKey;
use crate::limits::{HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX, PROGRESS_BYTES_MIN, TARPIT_MAX};
use crate::time::{Span, Tick};
use crate::zmtp::command::Built;

/// The deadlines of connections that have passed by then are dealt with.
fn pass(lent: &mut Lent, ms: u64) {
    lent.pass(ms);
    lent.peers.expire();
}

fn is_open(lent: &Lent, key: Option<PeerKey>) -> bool {
    key.is_some_and(|key| lent.peers.is_open(key))
}

// ---- Coming ----

#[test]
fn a_component_is_greeted_before_it_says_a_word() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Leco, NEAR).unwrap();
    assert_eq!(lent.peers.next_output(), Some(Output::Flush(key)));
    let opening = lent.read(key);
    assert_eq!((opening[0], opening[9], opening[10]), (0xff, 0x7f, 3));
    assert!(opening.windows(6).any(|bytes| bytes == b"ROUTER"));
    assert_eq!(lent.peers.counts(), (1, 0, 0));
    assert!(!lent.peers.get(key).unwrap().takes_messages());
}

#[test]
fn who_does_not_finish_the_handshake_in_time_is_closed() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Leco, NEAR).unwrap();
    let done = lent.dealer();
    pass(&mut lent, 9999);
    assert!(lent.peers.is_open(key));
    pass(&mut lent, 1);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::HandshakeTime)]);
    assert!(lent.peers.is_open(done));
    assert_eq!((lent.peers.counts(), lent.peers.counters.closed_handshake_time), ((0, 0, 0), 1));
}

#[test]
fn a_controller_must_ask_within_a_minute_and_may_be_silent_from_then_on() {
    let mut lent = Lent::new();
    let (idle, asking) = (lent.open(Door::Control, NEAR).unwrap(), lent.open(Door::Control, NEAR).unwrap());
    assert_eq!(lent.peers.counts(), (2, 2, 0));
    lent.peers.first_request(asking);
    lent.peers.first_request(asking);
    assert_eq!(lent.peers.counts(), (1, 2, 0));
    pass(&mut lent, 60_000);
    assert_eq!(lent.outputs(), [Output::Close(idle, Cause::NoRequest)]);
    assert_eq!(lent.peers.counts(), (0, 1, 0));
}

#[test]
fn one_connection_too_many_is_held_for_a_moment_and_closed() {
    let mut lent = Lent::with(|config| config.connections_max = 1);
    lent.dealer();
    let key = lent.open(Door::Leco, NEAR).unwrap();
    assert_eq!(lent.peers.get(key).map(|peer| peer.life), Some(Life::Tarpit));
    assert_eq!((lent.peers.unsent(key).concat().len(), lent.peers.read_budget(key)), (0, 0));
    pass(&mut lent, 1500);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::Refused)]);
    assert_eq!((lent.peers.counts(), lent.peers.counters.connections_refused), ((0, 0, 0), 1));
}

#[test]
fn a_full_tarpit_holds_nobody_else() {
    let mut lent = Lent::with(|config| config.connections_max = 0);
    let held = (0..TARPIT_MAX + 3).filter_map(|_| lent.open(Door::Leco, NEAR)).count();
    assert_eq!((held, lent.peers.counts()), (TARPIT_MAX, (0, 0, TARPIT_MAX)));
    let counters = &lent.peers.counters;
    assert_eq!((counters.connections_refused, counters.connections_held), (TARPIT_MAX as u64 + 3, TARPIT_MAX as u64));
}

#[test]
fn the_oldest_unfinished_handshake_makes_room_for_a_newcomer() {
    let mut lent = Lent::new();
    let done = lent.dealer();
    let oldest = lent.open(Door::Leco, NEAR).unwrap();
    for _ in 1..HANDSHAKES_MAX {
        lent.open(Door::Viewer, NEAR).unwrap();
    }
    assert!(lent.outputs().is_empty());
    assert!(lent.open(Door::Leco, NEAR).is_some());
    assert_eq!(lent.outputs(), [Output::Close(oldest, Cause::HandshakePushedOut)]);
    assert!(lent.peers.is_open(done));
    assert_eq!(lent.peers.counts().0, HANDSHAKES_MAX);
}

#[test]
fn one_address_shakes_few_hands_at_a_time_but_for_this_machine() {
    let mut lent = Lent::new();
    let waiting: Vec<_> = (0..HANDSHAKES_PER_ADDRESS_MAX).map(|_| lent.open(Door::Leco, FAR).unwrap()).collect();
    let refused = lent.open(Door::Leco, FAR);
    assert!(!is_open(&lent, refused));
    let other = lent.open(Door::Leco, "10.0.0.2:4000");
    assert!(is_open(&lent, other));
    lent.shake_hands(waiting[3]);
    let next = lent.open(Door::Leco, FAR);
    assert!(is_open(&lent, next), "a finished handshake counts no more");
    let near: Vec<_> = (0..=HANDSHAKES_PER_ADDRESS_MAX).map(|_| lent.open(Door::Leco, NEAR)).collect();
    assert!(near.into_iter().all(|key| is_open(&lent, key)));
}

#[test]
fn viewers_leave_room_for_controllers_and_both_for_components() {
    let mut lent = Lent::with(|config| config.connections_max = 8);
    let mut comes = |door| {
        let key = lent.open(door, NEAR);
        is_open(&lent, key)
    };
    assert!((0..6).all(|_| comes(Door::Viewer)) && !comes(Door::Viewer));
    assert!(comes(Door::Control) && !comes(Door::Control));
    assert!(comes(Door::Leco) && !comes(Door::Leco));
}

#[test]
fn nobody_comes_in_while_the_process_ends() {
    let mut lent = Lent::new();
    lent.peers.stopping = true;
    for door in [Door::Leco, Door::Control, Door::Viewer] {
        assert_eq!(lent.open(door, NEAR), None);
    }
    assert!(lent.peers.is_empty());
}

#[test]
fn without_memory_for_a_greeting_nobody_comes_in() {
    let mut lent = Lent::with(|config| config.memory_max = 256);
    assert_eq!(lent.open(Door::Leco, NEAR), None);
    assert_eq!((lent.peers.counters.closed_memory, lent.peers.counts(), lent.peers.len()), (1, (0, 0, 0), 0));
}

// ---- Out ----

#[test]
fn a_peer_is_named_once_to_be_written_until_that_was_tried() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    while lent.peers.next_output().is_some() {}
    lent.peers.sent(key, 0);
    for _ in 0..3 {
        lent.peers.queue(key, &leco("CA", "CB", b"1")).unwrap();
    }
    let flush = Some(Output::Flush(key));
    assert_eq!((lent.peers.next_output(), lent.peers.next_output()), (flush, None));
    lent.peers.want_flush(key);
    assert_eq!(lent.peers.next_output(), None, "the event loop is at it");
    lent.peers.sent(key, 0);
    lent.peers.want_flush(key);
    assert_eq!(lent.peers.next_output(), flush);
}

#[test]
fn a_receiver_that_takes_nothing_is_slow_and_one_that_takes_little_is_not() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    lent.peers.queue(key, &leco("CA", "CB", &[b' '; 2 * PROGRESS_BYTES_MIN])).unwrap();
    lent.peers.sent(key, 0);
    pass(&mut lent, 6000);
    lent.peers.sent(key, PROGRESS_BYTES_MIN);
    pass(&mut lent, 9999);
    assert_eq!(lent.outputs(), []);
    pass(&mut lent, 1);
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::Slow)]);
}

#[test]
fn a_viewer_that_has_read_everything_is_told_of_upwards() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Viewer, NEAR).unwrap();
    for bytes in [10, 20] {
        lent.result(key, bytes);
    }
    lent.peers.sent(key, 15);
    assert_eq!(lent.events(), []);
    lent.peers.sent(key, 15);
    assert_eq!(lent.events(), [Event::Drained { peer: key }]);
    assert_eq!(lent.peers.pool.data_in_use(), 0);
}

#[test]
fn a_result_for_who_is_no_viewer_is_forgotten_with_its_bytes() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Control, NEAR).unwrap();
    lent.result(key, 10);
    assert_eq!((lent.peers.pool.data_in_use(), lent.read(key).len()), (0, 0));
}

#[test]
fn a_plain_peer_whose_ring_is_full_is_closed() {
    let mut lent = Lent::new();
    let key = lent.open(Door::Control, NEAR).unwrap();
    lent.choke(key);
    lent.peers.send_plain(key, b"one more");
    assert_eq!(lent.outputs(), [Output::Close(key, Cause::Memory)]);
}

// ---- Silence ----

#[test]
fn half_a_message_must_go_on_unless_it_is_we_who_do_not_read() {
    let mut lent = Lent::new();
    let [half, held] = [(); 2].map(|()| lent.dealer());
    for key in [half, held] {
        lent.peers.buffer(key, b"half");
        let before = lent.peers.counters.messages_in;
        lent.peers.walked(key, before);
    }
    lent.peers.wait(held, For::Answer);
    pass(&mut lent, 10_000);
    assert_eq!(lent.outputs(), [Output::Close(half, Cause::HalfMessage)]);
    pass(&mut lent, 10_000);
    assert_eq!(lent.outputs(), []);
}

#[test]
fn the_silent_are_asked_for_a_sign_of_life_and_closed_without_one() {
    let mut lent = Lent::new();
    let [silent, held] = [(); 2].map(|()| lent.dealer());
    lent.peers.wait(held, For::Answer);
    lent.pass(9999);
    lent.peers.ping_silent();
    assert_eq!(lent.read(silent), b"");
    lent.pass(1);
    lent.peers.ping_silent();
    assert_eq!(lent.read(silent), Built::ping(0).bytes());
    lent.pass(35_000);
    lent.peers.ping_silent();
    assert_eq!(lent.outputs(), [Output::Close(silent, Cause::Silent)], "who is held cannot be heard");
}

#[test]
fn without_heartbeats_silence_is_no_matter() {
    let mut lent = Lent::with(|config| config.heartbeat_s = 0);
    let key = lent.dealer();
    lent.pass(1_000_000);
    lent.peers.ping_silent();
    assert_eq!((lent.outputs(), lent.read(key)), (vec![], vec![]));
}

#[test]
fn an_owner_that_does_not_answer_loses_its_name() {
    let mut lent = Lent::new();
    let [silent, alive] = [(); 2].map(|()| lent.dealer());
    for key in [silent, alive] {
        lent.peers.set_peer_timer(key, PeerTimer::Takeover, Span(500));
    }
    lent.peers.get_mut(silent).unwrap().probed = true;
    pass(&mut lent, 500);
    assert_eq!(lent.outputs(), [Output::Close(silent, Cause::Takeover)]);
    assert_eq!(lent.peers.counters.names_taken_over, 1);
}

// ---- Time ----

#[test]
fn time_never_runs_backwards_and_the_clock_may() {
    let mut lent = Lent::new();
    lent.pass(500);
    lent.peers.advance(Tick(3));
    assert_eq!((lent.peers.now, lent.peers.unix_ms()), (Tick(1500), 1_700_000_000_500));
    lent.peers.set_clock(1000);
    lent.pass(7);
    assert_eq!(lent.peers.unix_ms(), 1007);
}

#[test]
fn a_pause_moves_the_day_and_not_the_deadlines() {
    let mut lent = Lent::new();
    let (began, today) = (lent.peers.now, lent.peers.unix_ms());
    let due = began + Span(100);
    assert!(!lent.peers.skip_pause(began + Span(1100), due), "a second late is a long turn");
    assert!(lent.peers.skip_pause(began + Span(50_100), due));
    lent.peers.advance(began + Span(50_100));
    assert!(lent.peers.now <= due && lent.peers.outside(due) > began + Span(50_100), "what was due comes later");
    assert_eq!((lent.peers.unix_ms(), lent.peers.counters.pauses), (today + 50_100, 1));
}

#[test]
fn a_deadline_of_the_process_that_is_set_stays_and_comes_once() {
    let mut lent = Lent::new();
    lent.peers.set_timer(ProcessTimer::Clean, Span(10));
    lent.peers.set_timer(ProcessTimer::Clean, Span(5));
    lent.peers.set_timer(ProcessTimer::Stop, Span(5));
    lent.peers.cancel_timer(ProcessTimer::Stop);
    assert_eq!(lent.peers.soonest(), Some(Tick(1010)));
    lent.pass(10);
    assert_eq!((lent.peers.next_due(), lent.peers.next_due()), (Some(Due::Clean), None));
}

#[test]
fn who_sends_more_commands_than_a_second_may_have_floods() {
    let mut lent = Lent::new();
    let key = lent.dealer();
    let peer: &mut Peer = lent.peers.get_mut(key).unwrap();
    assert!((0..128).all(|_| !peer.floods_commands(Tick(1000))));
    assert!(peer.floods_commands(Tick(1999)) && !peer.floods_commands(Tick(2000)));
}
