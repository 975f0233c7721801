//! Large messages: in pieces from this machine to a Component, with the block that they came in anywhere else; what becomes of them when one of
//! their ends stands still or goes, and of those who wait behind them. Virtual time; the [`World`] checks the tables and the memory cap
//! after every single call.

use crate::common::wire::{self, Dice, leco};
use crate::common::world::{World, config};
use instep::config::Config;
use instep::hub::Cause;

const OVERLOADED: i64 = -32094;
const MIB: usize = 1 << 20;

/// Messages of 64 MiB are legal, whatever memory this machine has.
fn roomy() -> Config {
    Config {
        frame_bytes_max: 64 * MIB,
        message_bytes_max: 64 * MIB,
        memory_max: 512 * MIB,
        heartbeat_s: 0,
        expiration_s: 3600,
        ..config(1)
    }
}

fn body(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = Dice(seed).bytes(4096).repeat(bytes.div_ceil(4096));
    noise.truncate(bytes);
    noise
}

/// A message of binary content from CA to CB, beside a small frame as pyleco writes it.
fn large(n: u64, bytes: usize) -> Vec<u8> {
    leco(b"CB", b"CA", n, &[b"", &body(n, bytes)])
}

/// A Component on another machine.
fn far_component(world: &mut World, name: &str) -> usize {
    let client = world.connect_from(0, "10.0.0.7:4000").expect("there is room");
    world.feed(client, &wire::opening(1));
    world.send(client, "COORDINATOR", name, &[wire::request(1, "sign_in").as_bytes()]);
    assert_eq!(world.hear(client).len(), 1);
    client
}

/// The conversations of messages whose content is whole.
fn whole(messages: &[Vec<Vec<u8>>]) -> Vec<u64> {
    let number = |frames: &Vec<Vec<u8>>| u64::from_be_bytes(frames[3][8..16].try_into().unwrap());
    for frames in messages.iter().filter(|frames| frames.len() == 6) {
        assert!(frames[5] == body(number(frames), frames[5].len()), "what came was sent");
    }
    messages.iter().map(number).collect()
}

/// The conversations of messages that are all refused as their receiver does not take them.
fn refused(messages: &[Vec<Vec<u8>>]) -> Vec<u64> {
    assert!(messages.iter().all(|frames| wire::code(frames) == Some(OVERLOADED)), "{messages:?}");
    whole(messages)
}

#[test]
fn a_large_message_goes_on_as_it_comes_and_is_never_kept() {
    let mut world = World::new(roomy());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    let message = large(1, 12 * MIB);
    world.feed(ca, &message[..300_000]);
    assert!(world.clients[cb].read.len() > 250_000, "what has come of it is there already");
    for part in message[300_000..].chunks(700_000) {
        world.feed(ca, part);
    }
    assert_eq!(whole(&world.hear(cb)), [1]);
    assert!(world.waited_most <= MIB, "{} bytes waited", world.waited_most);
    assert_eq!([world.count("messages_delivered"), world.count("messages_in")], [1, 3]);
    world.feed(ca, &leco(b"CB", b"CA", 2, &[b"small"]));
    assert_eq!(whole(&world.hear(cb)), [2], "and then the next");
}

#[test]
fn its_sender_is_read_as_its_receiver_takes_it() {
    let mut world = World::new(roomy());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 100);
    let message = large(1, 8 * MIB);
    world.feed(ca, &message);
    assert!(world.unread(ca) > 6 * MIB, "most of it stays in the sender's socket");
    let mut dice = Dice(5);
    while world.unread(ca) > 0 || world.waits_for(cb) > 0 {
        world.drain(cb, 1 + dice.below(400_000));
        world.wait(500);
        assert!(world.waited_most <= 2 * MIB + MIB / 2, "{} bytes waited", world.waited_most);
    }
    assert_eq!(whole(&world.hear(cb)), [1]);
    assert!(world.hear(ca).is_empty(), "no refusal, however long it takes");
}

#[test]
fn who_send_to_one_another_in_a_circle_before_they_read_come_to_the_end_of_it() {
    for circle in [&["CA", "CB"][..], &["CA", "CB", "CC"]] {
        let mut world = World::new(roomy());
        let clients: Vec<usize> = circle.iter().map(|name| world.component(name)).collect();
        clients.iter().for_each(|client| world.limit(*client, 100));
        for (n, client) in clients.iter().enumerate() {
            let to = circle[(n + 1) % circle.len()];
            world.feed(*client, &leco(to.as_bytes(), circle[n].as_bytes(), n as u64, &[b"", &body(n as u64, 8 * MIB)]));
        }
        let (last, others) = clients.split_last().unwrap();
        assert!(others.iter().all(|client| world.unread(*client) > 6 * MIB));
        assert_eq!(world.unread(*last), 0, "that of the last is kept whole");
        for client in clients.iter().rev() {
            assert_eq!(world.unread(*client), 0);
            world.drain(*client, usize::MAX);
        }
        let heard: Vec<_> = clients.iter().map(|client| whole(&world.hear(*client))).collect();
        let before: Vec<_> = (0..circle.len()).map(|n| vec![((n + circle.len() - 1) % circle.len()) as u64]).collect();
        assert_eq!(heard, before);
    }
}

#[test]
fn what_others_send_keeps_its_place_before_it_and_behind_it() {
    let mut world = World::new(roomy());
    let [ca, cb, cc] = ["CA", "CB", "CC"].map(|name| world.component(name));
    world.limit(cb, 0);
    for n in 10..15 {
        world.feed(cc, &leco(b"CB", b"CC", n, &[&[7; 1000]]));
    }
    let message = large(1, 4 * MIB);
    world.feed(ca, &message[..MIB]);
    for n in 15..20 {
        world.feed(cc, &leco(b"CB", b"CC", n, &[&[7; 1000]]));
    }
    world.send(cb, "COORDINATOR", "CB", &[wire::request(1, "pong").as_bytes()]);
    world.drain(cb, 2500);
    assert_eq!(whole(&world.hear(cb)), [10, 11]);
    world.feed(ca, &message[MIB..]);
    world.feed(ca, &leco(b"CB", b"CA", 2, &[b"small"]));
    world.drain(cb, usize::MAX);
    let came = whole(&world.hear(cb));
    let (first, second) = came.split_at(9);
    assert_eq!(first, [12, 13, 14, 1, 15, 16, 17, 18, 19]);
    assert_eq!(second.len(), 2, "then our own answer, and the sender's next: {came:?}");
}

#[test]
fn two_to_one_receiver_come_one_after_the_other() {
    let mut world = World::new(roomy());
    let [ca, cb, cc] = ["CA", "CB", "CC"].map(|name| world.component(name));
    let (one, two) = (large(1, 3 * MIB), leco(b"CB", b"CC", 2, &[b"", &body(2, 3 * MIB)]));
    for (a, b) in one.chunks(200_000).zip(two.chunks(200_000)) {
        world.feed(ca, a);
        world.feed(cc, b);
    }
    assert_eq!(whole(&world.hear(cb)), [1, 2]);
    assert!(world.waited_most <= 2 * MIB, "the second is not kept meanwhile: {} bytes waited", world.waited_most);
}

#[test]
fn one_of_which_nothing_has_left_is_refused_after_stall_ms() {
    let mut world = World::new(roomy());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    world.limit(cb, 0);
    world.feed(ca, &large(1, 8 * MIB));
    world.feed(ca, &leco(b"COORDINATOR", b"CA", 2, &[wire::request(1, "pong").as_bytes()]));
    world.wait(900);
    assert!(world.hear(ca).is_empty() && world.unread(ca) > 0);
    world.wait(1200);
    let heard = world.hear(ca);
    assert_eq!((refused(&heard[..1]), heard.len()), (vec![1], 2), "what is behind it is heard");
    world.drain(cb, usize::MAX);
    assert!(world.hear(cb).is_empty());
    world.feed(ca, &large(3, 2 * MIB));
    assert_eq!(whole(&world.hear(cb)), [3]);
}

#[test]
fn a_receiver_that_stops_in_the_middle_is_closed_after_slow_ms_and_the_sender_told() {
    let mut world = World::new(roomy());
    let [ca, cb, cc] = ["CA", "CB", "CC"].map(|name| world.component(name));
    world.limit(cb, 50_000);
    world.feed(ca, &large(1, 8 * MIB));
    world.feed(ca, &leco(b"CC", b"CA", 2, &[b"next"]));
    world.feed(cc, &leco(b"CB", b"CC", 3, &[b"behind"]));
    world.wait(9000);
    assert!(world.clients[cb].closed.is_none() && world.hear(ca).is_empty(), "it cannot be taken back any more");
    world.wait(2000);
    assert_eq!(world.clients[cb].closed, Some(Cause::Slow));
    assert_eq!(refused(&world.hear(ca)), [1]);
    let heard = world.hear(cc);
    assert_eq!(heard.len(), 2, "the sender goes on to others: {heard:?}");
    assert_eq!(world.count("returned_undelivered"), 2);
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
}

#[test]
fn a_receiver_that_leaves_in_the_middle_has_the_rest_passed_over() {
    let mut world = World::new(roomy());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    let message = large(1, 4 * MIB);
    world.feed(ca, &message[..MIB]);
    world.close(cb);
    assert_eq!(refused(&world.hear(ca)), [1]);
    let cb = world.component("CB");
    world.feed(ca, &message[MIB..]);
    world.feed(ca, &leco(b"CB", b"CA", 2, &[b"small"]));
    assert_eq!(whole(&world.hear(cb)), [2]);
}

#[test]
fn a_sender_that_ends_before_anything_has_left_takes_its_message_with_it() {
    let mut world = World::new(roomy());
    let [ca, cb, cc] = ["CA", "CB", "CC"].map(|name| world.component(name));
    world.limit(cb, 0);
    world.feed(ca, &large(1, 4 * MIB)[..MIB / 2]);
    world.feed(cc, &leco(b"CB", b"CC", 2, &[b"behind"]));
    world.close(ca);
    world.drain(cb, usize::MAX);
    assert_eq!(whole(&world.hear(cb)), [2], "nobody else has noticed");
    assert_eq!([world.count("messages_torn"), world.count("closed_torn")], [0, 0]);
}

#[test]
fn a_sender_that_ends_in_the_middle_costs_the_receiver_its_link_and_others_are_told() {
    let mut world = World::new(roomy());
    let [ca, cb, cc] = ["CA", "CB", "CC"].map(|name| world.component(name));
    world.feed(ca, &large(1, 4 * MIB)[..MIB]);
    world.feed(cc, &leco(b"CB", b"CC", 2, &[b"behind"]));
    world.close(ca);
    assert_eq!(world.clients[cb].closed, Some(Cause::Torn));
    assert_eq!([world.count("messages_torn"), world.count("closed_torn")], [1, 1]);
    assert_eq!(refused(&world.hear(cc)), [2]);
}

#[test]
fn a_sender_that_stands_still_in_the_middle_has_slow_ms_in_all() {
    for pause_ms in [20_000, 900] {
        let mut world = World::new(roomy());
        let [ca, cb, cc] = ["CA", "CB", "CC"].map(|name| world.component(name));
        let message = large(1, 4 * MIB);
        world.feed(ca, &message[..MIB]);
        world.feed(cc, &leco(b"CB", b"CC", 2, &[b"behind"]));
        let began = world.now.0;
        for byte in &message[MIB..MIB + 100] {
            world.wait(pause_ms);
            if world.clients[ca].closed.is_some() {
                break;
            }
            assert!(world.now.0 - began <= 11_000, "a byte now and then gains no time");
            world.feed(ca, &[*byte]);
        }
        assert_eq!(world.clients[ca].closed, Some(Cause::HalfMessage));
        assert_eq!(world.clients[cb].closed, Some(Cause::Torn));
        assert_eq!(refused(&world.hear(cc)), [2]);
    }
}

#[test]
fn a_slow_sender_of_this_machine_is_no_slow_receiver() {
    let mut world = World::new(Config { slow_ms: 3000, ..roomy() });
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    let message = large(1, 2 * MIB);
    for part in message.chunks(900_000) {
        world.feed(ca, part);
        world.wait(900);
    }
    assert_eq!(whole(&world.hear(cb)), [1]);
    world.wait(10_000);
    assert!(world.clients[cb].closed.is_none() && world.clients[ca].closed.is_none());
}

#[test]
fn from_another_machine_it_begins_to_leave_when_it_is_whole_and_lies_there_once() {
    let mut world = World::new(Config { ring_bytes_max: MIB, ..roomy() });
    let (ca, cb) = (far_component(&mut world, "CA"), world.component("CB"));
    let message = large(1, 15 * MIB);
    world.feed(ca, &message[..14 * MIB]);
    assert!(world.clients[cb].read.is_empty());
    world.close(ca);
    assert!(world.clients[cb].closed.is_none(), "who ends in the middle harms nobody else");
    let ca = far_component(&mut world, "CA");
    world.limit(cb, MIB);
    world.feed(ca, &message);
    world.feed(ca, &leco(b"CB", b"CA", 2, &[b"next"]));
    assert_eq!(world.unread(ca), 0, "its sender goes on");
    assert_eq!(world.hub().bytes_waiting().1, 0);
    world.drain(cb, usize::MAX);
    assert_eq!(whole(&world.hear(cb)), [1, 2]);
    assert!(world.waited_most <= 25 * MIB, "{} bytes waited: a block, and half of it while it grew", world.waited_most);
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
}

#[test]
fn one_that_lies_there_whole_goes_back_to_its_sender_when_the_receiver_leaves() {
    let mut world = World::new(Config { ring_bytes_max: MIB, ..roomy() });
    let (ca, cb) = (far_component(&mut world, "CA"), world.component("CB"));
    world.limit(cb, 5000);
    world.feed(ca, &large(1, 5 * MIB));
    world.feed(ca, &leco(b"CB", b"CA", 2, &[b"next"]));
    world.close(cb);
    let mut back = refused(&world.hear(ca));
    back.sort_unstable();
    assert_eq!(back, [1, 2]);
    assert_eq!(world.hub().bytes_waiting(), (0, 0));
}

#[test]
fn over_a_link_between_nodes_it_goes_when_it_is_whole_and_others_are_not_kept() {
    let mut world = World::new(Config { ring_bytes_max: MIB, ..roomy() });
    world.add_hub(Config {
        namespace: "N2".to_owned(),
        host: "n2".to_owned(),
        coordinators: vec!["n1:12300".to_owned()],
        ring_bytes_max: MIB,
        ..roomy()
    });
    let [ca, cc] = ["CA", "CC"].map(|name| world.component(name));
    let cb = world.component_at(1, "CB");
    let from = |name: &str, n: u64, bytes: usize| leco(b"N2.CB", name.as_bytes(), n, &[b"", &body(n, bytes)]);
    let message = from("N1.CA", 1, 8 * MIB);
    world.feed(ca, &message[..6 * MIB]);
    world.feed(cc, &from("N1.CC", 2, 100));
    assert_eq!(whole(&world.hear(cb)), [2]);
    world.feed(ca, &message[6 * MIB..]);
    world.feed(ca, &from("N1.CA", 3, 100));
    assert_eq!(whole(&world.hear(cb)), [1, 3]);
    assert_eq!([world.count("messages_forwarded"), world.count_at(1, "messages_delivered")], [3, 3]);
}

#[test]
fn an_answer_is_never_answered_with_an_error_however_large() {
    let mut world = World::new(roomy());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "x".repeat(2 * MIB));
    let answer = leco(b"CB", b"CA", 1, &[text.as_bytes()]);
    let with_data = leco(b"CB", b"CA", 2, &[br#"{"jsonrpc":"2.0","id":1,"result":7}"#, &[7; 2 * MIB]]);
    for message in [answer, with_data] {
        world.limit(cb, 1000);
        world.feed(ca, &message[..MIB]);
        world.feed(ca, &message[MIB..]);
        world.drain(cb, usize::MAX);
        assert_eq!(world.hear(cb).len(), 1);
    }
    let cut = leco(b"CB", b"CA", 3, &[br#"{"jsonrpc":"2.0","id":1,"result":7}"#, &[7; 2 * MIB]]);
    world.limit(cb, 1000);
    world.feed(ca, &cut[..MIB]);
    world.close(cb);
    assert!(world.hear(ca).is_empty());
    assert_eq!(world.count("answers_dropped"), 1);
}

#[test]
fn what_is_refused_is_refused_as_ever() {
    let mut world = World::new(roomy());
    let ca = world.component("CA");
    let message = leco(b"NOBODY", b"CA", 1, &[b"", &[7; 4 * MIB]]);
    world.feed(ca, &message[..MIB]);
    assert_eq!(wire::code(&world.hear(ca)[0]), Some(-32093), "by its beginning");
    world.feed(ca, &message[MIB..]);
    assert!(world.hear(ca).is_empty() && world.waited_most < MIB, "and the rest is passed over");
    world.feed(ca, &leco(b"CA", b"CA", 2, &[b"", &body(2, 3 * MIB)]));
    assert_eq!(whole(&world.hear(ca)), [2], "to itself, too");
}

#[test]
fn the_end_of_the_hub_waits_for_what_is_on_its_way() {
    let mut world = World::new(roomy());
    let (ca, cb) = (world.component("CA"), world.component("CB"));
    let message = large(1, 4 * MIB);
    world.feed(ca, &message[..MIB]);
    let now = world.now;
    world.hubs[0].handle_stop(now);
    world.pump();
    world.feed(ca, &message[MIB..]);
    world.wait(3000);
    assert_eq!(whole(&world.hear(cb)), [1]);
    assert_eq!(world.clients[cb].closed, Some(Cause::Stopping));
}
